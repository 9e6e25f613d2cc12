//! Random calls over a network that loses, doubles and reorders: what must hold in every one of them.
//!
//! Every `Offered` has one `Ended`; at rest all tables are empty; never two answered phones in one call; every 2xx is
//! acknowledged; no phone rings for ever; every INVITE gets a final answer; no order names a port that is closed; and the
//! same script gives the same bytes. `PROPTEST_CASES` says how many scripts are played.

#[path = "fuzz/src/town/mod.rs"]
mod town;

use huntline::sip::Method;
use proptest::prelude::*;
use town::script::{self, PHONES, Step, WHO};
use town::{Ending, play};

/// Callers and phones that act as such do, more often what makes calls than what ends them.
fn step() -> impl Strategy<Value = Step> {
    let phone = PHONES..WHO - 1;
    let code = prop::sample::select(vec![486, 480, 603, 600, 404, 500, 503, 302, 408, 481, 487, 488, 699]);
    prop_oneof![
        4 => (0..WHO - 1, any::<u8>(), prop::bool::weighted(0.8))
            .prop_map(|(who, to, offer)| Step::Call { who, to, offer }),
        4 => (0..WHO - 1, any::<bool>()).prop_map(|(who, early)| Step::Ring { who, early }),
        6 => (0..WHO - 1).prop_map(|who| Step::Answer { who }),
        3 => (phone.clone(), code).prop_map(|(who, code)| Step::Refuse { who, code }),
        2 => (0..WHO - 1).prop_map(|who| Step::HangUp { who }),
        2 => (0..WHO - 1).prop_map(|who| Step::Cancel { who }),
        3 => (0..WHO - 1, prop::bool::weighted(0.8)).prop_map(|(who, offer)| Step::Reinvite { who, offer }),
        2 => (0..WHO - 1, prop::bool::weighted(0.8)).prop_map(|(who, offer)| Step::Update { who, offer }),
        1 => (0..WHO - 1, prop::sample::select(vec![200, 488, 491, 481])).prop_map(|(who, code)| Step::Mood { who, code }),
        2 => (phone.clone(), 0..WHO - 1, any::<u8>()).prop_map(|(who, from, how)| Step::PickUp { who, from, how }),
        2 => (phone.clone(), any::<u8>(), 0..4u16)
            .prop_map(|(who, to, minutes)| Step::Subscribe { who, to, expires: minutes * 60 }),
        1 => (0..WHO - 1).prop_map(|who| Step::Info { who }),
        1 => (0..WHO - 1, any::<bool>()).prop_map(|(who, gone)| Step::Vanish { who, gone }),
        1 => (phone, 0..2u16).prop_map(|(who, hours)| Step::Register { who, expires: hours * 3600 }),
        2 => (0..WHO - 1, any::<u8>()).prop_map(|(who, to)| Step::Refer { who, to }),
        2 => (0..WHO - 1).prop_map(|who| Step::Join { who }),
        2 => (0..WHO - 1, any::<bool>()).prop_map(|(who, on)| Step::Hold { who, on }),
        2 => any::<(u8, u8)>().prop_map(|(at, key)| Step::Press { at, key }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(at, keys)| Step::Keys { at, keys }),
        1 => (PHONES..WHO - 1, any::<u8>()).prop_map(|(who, code)| Step::Dial { who, code }),
        2 => (PHONES..WHO - 1, any::<u8>()).prop_map(|(who, to)| Step::Originate { who, to }),
        1 => any::<(u8, u8, u8)>().prop_map(|(at, by, to)| Step::HandOn { at, by, to }),
        1 => any::<bool>().prop_map(|stalls| Step::Journal { stalls }),
        1 => prop::sample::select(vec![0, 20, 80, 80]).prop_map(|ms| Step::Late { ms }),
        1 => Just(Step::Configure),
        1 => Just(Step::PortFails),
        8 => prop::sample::select(vec![0, 2, 20, 100, 300, 600, 2000, 8000, 21_000, 40_000]).prop_map(|ms| Step::Pass { ms }),
    ]
}

fn network(lost: u8) -> impl Strategy<Value = Step> {
    (0..=lost, 0..80u8, 0..700u16).prop_map(|(lost, doubled, delay_ms)| Step::Network { lost, doubled, delay_ms })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    (
        prop_oneof![Just(Step::Network { lost: 0, doubled: 0, delay_ms: 0 }), network(60)],
        prop::collection::vec(step(), 1..60),
    )
        .prop_map(|(network, mut steps)| {
            steps.insert(0, network);
            steps
        })
}

fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(count), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn calls_over_a_bad_network_with_peers_that_say_goodbye(steps in steps(), seed: u64) {
        play(&steps, seed, Ending::Manners);
    }

    #[test]
    fn calls_over_a_bad_network_whose_peers_vanish_in_the_end(steps in steps(), seed: u64) {
        play(&steps, seed, Ending::Silence);
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn the_same_script_and_seed_give_the_same_bytes(steps in steps(), seed: u64) {
        let transcript = || play(&steps, seed, Ending::Manners).transcript();
        prop_assert_eq!(transcript(), transcript());
    }

    #[test]
    fn any_bytes_are_a_script_after_which_nothing_is_left(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        play(&script::read(&bytes), 1, Ending::Silence);
    }
}

#[test]
fn the_scripts_reach_what_they_are_about() {
    use Step::{Answer, Call, HangUp, Pass, Reinvite, Ring, Update};
    let pass = || Pass { ms: 50 };
    let (call, ring) = (|| Call { who: 0, to: 3, offer: true }, || Ring { who: 4, early: false });
    let talk = [
        Call { who: 0, to: 3, offer: true },
        pass(),
        Ring { who: 4, early: false },
        pass(),
        Answer { who: 4 },
        pass(),
        Reinvite { who: 0, offer: false },
        pass(),
        HangUp { who: 4 },
        Call { who: 3, to: 2, offer: false },
        pass(),
        Answer { who: 4 },
    ];
    let talked = play(&talk, 1, Ending::Manners);
    assert_eq!((talked.calls(), talked.voices.counts().talks), ((2, 2), 1));
    // One call with one record, though two phones send an INVITE for it; 15 watches 14 meanwhile.
    let lamp = || Step::Subscribe { who: 5, to: 2, expires: 180 };
    let pick_up =
        |how| [lamp(), pass(), lamp(), pass(), call(), pass(), ring(), pass(), Step::PickUp { who: 3, from: 4, how }];
    for how in [0, 2, 13] {
        let witness = play(&pick_up(how), 1, Ending::Manners);
        assert_eq!(witness.calls(), (1, 1), "picked up by {how}");
        assert!(witness.documents() > 3);
    }
    // The mobile of 12 answers, and only with the key the call is theirs.
    let asked = || vec![Call { who: 0, to: 1, offer: true }, pass(), Answer { who: 1 }, pass()];
    assert_eq!(play(&asked(), 1, Ending::Manners).calls(), (1, 0));
    let taken = [asked(), vec![Step::Info { who: 1 }, pass()]].concat();
    assert_eq!(play(&taken, 1, Ending::Manners).calls(), (1, 1));
    // Greeted, rung in vain, and asked for a message; by some luck there is one, by some it is empty.
    let late = || Pass { ms: 60_000 };
    let served = [Call { who: 0, to: 6, offer: true }, late(), late()];
    let heard = (1..9).map(|luck| play(&served, luck, Ending::Manners).voices.counts());
    let heard = heard.fold([0; 3], |sum, one| [sum[0] + one.played, sum[1] + one.messages, sum[2] + one.empty]);
    assert!(heard[0] > 20 && heard[1] > 0 && heard[2] > 0, "{heard:?}");
    // Where the port cannot be bound on which that is to be heard, the call does not wait for its end.
    play(&[Call { who: 0, to: 6, offer: true }, pass(), Step::PortFails], 1, Ending::Manners);
    // 14 consults 16 by keys and hangs up: the customer talks with 16. The second port is that of 14.
    let keys = |keys| Step::Keys { at: 1, keys };
    let consult = [call(), pass(), Answer { who: 4 }, pass(), keys(4), pass(), Answer { who: 6 }, pass()];
    let joined = play(&[&consult[..], &[HangUp { who: 4 }, pass()]].concat(), 1, Ending::Manners);
    assert_eq!((joined.calls(), joined.moves()), ((1, 1), [1, 1, 0, 0]));
    // By the same code the customer is taken back.
    let back = play(&[&consult[..], &[keys(2), pass()]].concat(), 1, Ending::Manners);
    assert_eq!((back.calls(), back.moves()), ((1, 1), [1, 0, 0, 0]));
    // 14 asks for a call to the outside, picks up, and the provider's customer answers; then 12 gets the customer.
    let clicked = [Step::Originate { who: 4, to: 5 }, pass(), Answer { who: 4 }, pass(), Answer { who: 0 }, pass()];
    let talked = play(&clicked, 1, Ending::Manners);
    assert_eq!((talked.calls(), talked.voices.counts().talks), ((1, 1), 1));
    let handed = [&clicked[..], &[Step::HandOn { at: 0, by: 5, to: 1 }, pass(), Answer { who: 3 }, pass()]].concat();
    let handed = play(&handed, 1, Ending::Manners);
    assert_eq!((handed.calls(), handed.moves()), ((1, 1), [0, 1, 0, 0]));
    // Who sets something by a code has talked with nobody.
    assert_eq!(play(&[Step::Dial { who: 4, code: 6 }, pass()], 1, Ending::Manners).calls(), (1, 0));
    let modern = [
        Call { who: 0, to: 0, offer: true },
        pass(),
        Ring { who: 3, early: true },
        pass(),
        Update { who: 0, offer: true },
        pass(),
        Update { who: 3, offer: true },
        pass(),
        Answer { who: 3 },
        pass(),
        Pass { ms: 50_000 },
        HangUp { who: 0 },
    ];
    let seen = play(&modern, 1, Ending::Manners);
    assert_eq!(seen.requests(Method::Prack), (1, 1), "PRACK on both sides");
    assert_eq!(seen.requests(Method::Update), (2, 3), "one is carried across, one says nothing new, two are ours");
}
