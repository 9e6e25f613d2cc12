//! A greeting while phones ring: heard at once, ringing after it, gone with the answer, and no word of the answer lost.

use super::office::{Office, named};
use super::phone::Phone;
use super::wire::{Rtp, Seen, Sip};
use super::witness::{SOON, assert_hear_soon, assert_talkers, figure, sees};
use std::net::Ipv4Addr;
use std::time::Duration;
use toml_edit::{Array, DocumentMut, InlineTable, value};

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("A customer hears the greeting within 300 ms while a phone rings, and the answer cuts it within 100 ms", cut),
    ("After the greeting a customer hears ringing, never a second of silence, until somebody answers", rings_after),
    ("Where the provider cuts early media the customer is answered, greeted, and then connected", answered_first),
];

const CUSTOMER: &str = "89031234567";
const BILLBOARD: &str = "84957654321";
/// A tone whose packets differ from each other, so that each is known again.
const HERTZ: f64 = 617.3;
/// A caller hears us by then.
const HEARD: Duration = Duration::from_millis(300);
/// An answer has cut the greeting by then.
const CUT: Duration = Duration::from_millis(100);
/// Two packets of one sound are not further apart, on a busy machine.
const EVEN: Duration = Duration::from_millis(80);

fn cut() {
    let office = Office::open("greeting-cut", greets);
    let mut vasyl = Phone::register(&office, "202", "change-me-202", HERTZ);
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, Duration::from_secs(3));
    let asked = invited(&office);
    vasyl.rings(SOON);
    let early = sees(&office, "the customer gets a 183", |m| is_to_customer(&office, m) && m.answers(183, "INVITE")).at;
    let heard = office.wire.wait(SOON, |seen| greeting(&office, seen, early).next().map(|packet| packet.at));
    let heard = heard.expect("the customer hears the greeting");
    figure(&office, "the greeting's first sound after the INVITE", heard - asked);
    assert!(heard - asked <= HEARD, "the customer hears us after {:?}", heard - asked);
    std::thread::sleep(Duration::from_millis(1200));
    vasyl.answer();
    let answered = sees(&office, "202 answers", |m| *m.from.ip() == vasyl.address && m.answers(200, "INVITE")).at;
    assert_hear_soon(&office, office.provider.voice(), vasyl.voice(), answered);
    office.wire.look(|seen| assert_even(&office, seen, early, answered));
    call.went_well(SOON);
    assert_is_cut(&office, answered);
    assert_every_word(&office, &vasyl, answered);
    assert_talkers(&office, CUSTOMER, &["202"]);
}

fn rings_after() {
    let office = Office::open("greeting-rings", greets);
    let mut vasyl = Phone::register(&office, "202", "change-me-202", HERTZ);
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, Duration::from_secs(2));
    let asked = invited(&office);
    vasyl.rings(SOON);
    let ringback = office.wire.wait(SOON, |seen| {
        let ringing: Vec<_> =
            seen.tone(RINGBACK, asked).filter(|packet| is_from_router_to_customer(&office, packet)).collect();
        (ringing.len() >= 25).then(|| ringing[0].at)
    });
    let ringback = ringback.expect("ringing after the greeting");
    office.wire.look(|seen| {
        let loud: Vec<Duration> =
            greeting(&office, seen, asked).map(|packet| packet.at).filter(|at| *at <= ringback).collect();
        let mut longest = loud[0] - asked;
        loud.windows(2).for_each(|pair| longest = longest.max(pair[1] - pair[0]));
        figure(&office, "the greeting lasts", ringback - loud[0]);
        figure(&office, "the longest silence until it rings", longest);
        assert!(longest < Duration::from_secs(1), "silent for {longest:?}");
    });
    vasyl.answer();
    let answered = sees(&office, "202 answers", |m| *m.from.ip() == vasyl.address && m.answers(200, "INVITE")).at;
    assert_hear_soon(&office, office.provider.voice(), vasyl.voice(), answered);
    office.wire.look(|seen| assert_even(&office, seen, asked + HEARD, answered));
    call.went_well(SOON);
    assert_is_cut(&office, answered);
    assert_every_word(&office, &vasyl, answered);
}

fn answered_first() {
    let office = Office::open("greeting-answered", |config| {
        greets(config);
        named(config, "trunk", "name", "mango")["answer"] = value(true);
    });
    let mut vasyl = Phone::register(&office, "202", "change-me-202", HERTZ);
    let call = office.provider.call_and_stay(&office, CUSTOMER, BILLBOARD);
    let asked = invited(&office);
    let up = sees(&office, "the customer is answered", |m| is_to_customer(&office, m) && m.answers(200, "INVITE")).at;
    let heard = office.wire.wait(SOON, |seen| greeting(&office, seen, up).next().map(|packet| packet.at));
    let heard = heard.expect("the customer hears the greeting");
    figure(&office, "the greeting's first sound after the INVITE", heard - asked);
    assert!(heard - asked <= HEARD, "the customer hears us after {:?}", heard - asked);
    vasyl.rings(SOON);
    std::thread::sleep(Duration::from_millis(1200));
    vasyl.answer();
    let answered = sees(&office, "202 answers", |m| *m.from.ip() == vasyl.address && m.answers(200, "INVITE")).at;
    assert_hear_soon(&office, office.provider.voice(), vasyl.voice(), answered);
    assert_is_cut(&office, answered);
    std::thread::sleep(Duration::from_millis(1500));
    assert_every_word(&office, &vasyl, answered);
    vasyl.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202"]);
}

/// What the router says while it rings, in Russia as in Ukraine.
const RINGBACK: f64 = 425.0;

/// The billboard's number greets, and rings 202.
fn greets(config: &mut DocumentMut) {
    let mut open = InlineTable::new();
    open.insert("greeting", "hello.wav".into());
    open.insert("to", "group:service".into());
    named(config, "did", "number", "+74957654321")["open"] = value(open);
    let group = named(config, "group", "name", "service");
    group["members"] = value(Array::from_iter(["202"]));
}

/// When the customer's INVITE came.
fn invited(office: &Office) -> Duration {
    sees(office, "the customer's INVITE", |m| *m.to.ip() == office.router && m.method() == Some("INVITE")).at
}

fn is_to_customer(office: &Office, message: &Sip) -> bool {
    *message.to.ip() == office.provider.address && message.to.port() != 5060
}

fn is_from_router_to_customer(office: &Office, packet: &Rtp) -> bool {
    *packet.from.ip() == office.router && *packet.to.ip() == office.provider.address
}

/// What the customer hears that no phone says.
fn greeting<'a>(office: &'a Office, seen: &'a Seen, since: Duration) -> impl Iterator<Item = &'a Rtp> {
    let theirs = move |packet: &&Rtp| packet.at >= since && is_from_router_to_customer(office, packet);
    seen.rtp.iter().filter(theirs).filter(|packet| packet.is_loud() && !packet.is_tone(HERTZ))
}

/// Until the answer the customer gets a packet every 20 ms, without a gap.
fn assert_even(office: &Office, seen: &Seen, from: Duration, answered: Duration) {
    let times: Vec<Duration> = seen
        .rtp
        .iter()
        .filter(|packet| is_from_router_to_customer(office, packet) && packet.at >= from && packet.at <= answered)
        .map(|packet| packet.at)
        .collect();
    let gaps = times.windows(2).map(|pair| (pair[1] - pair[0], pair[0] - from));
    let (gap, at) = gaps.max().unwrap_or_default();
    figure(office, "the widest gap between two packets", gap);
    assert!(gap <= EVEN, "nothing for {gap:?}, {at:?} after the beginning");
    let (span, count) = (*times.last().expect("packets") - times[0], times.len());
    assert!(count as u128 + 5 >= span.as_millis() / 20, "{count} packets in {span:?}");
}

/// The answer ends it.
fn assert_is_cut(office: &Office, answered: Duration) {
    office.wire.look(|seen| {
        let last = greeting(office, seen, Duration::ZERO).last().expect("a greeting").at;
        let late = last.saturating_sub(answered);
        figure(office, "our last packet after the answer", late);
        assert!(late <= CUT, "the greeting went on for {late:?} after the answer");
    });
}

/// Every packet that the phone has sent since its answer has reached the customer, in that order.
fn assert_every_word(office: &Office, phone: &Phone, answered: Duration) {
    let words = |seen: &Seen, like: &dyn Fn(&Rtp) -> bool| -> Vec<(Duration, Vec<u8>)> {
        let said = seen.rtp.iter().filter(|packet| packet.at >= answered && like(packet));
        said.map(|packet| (packet.at, packet.payload.clone())).take(100).collect()
    };
    let (said, heard) = office.wire.look(|seen| {
        let phone: Ipv4Addr = phone.address;
        (
            words(seen, &|packet| *packet.from.ip() == phone),
            words(seen, &|packet| is_from_router_to_customer(office, packet) && packet.is_tone(HERTZ)),
        )
    });
    assert!(said.len() >= 60 && heard.len() >= 60, "{} said, {} heard", said.len(), heard.len());
    let lost = said.iter().position(|(_, payload)| *payload == heard[0].1);
    assert_eq!(lost, Some(0), "so many packets of the phone were lost before the customer heard it");
    for (place, (said, heard)) in said.iter().zip(&heard).enumerate() {
        assert_eq!(said.1, heard.1, "packet {place} of the phone was lost");
    }
    figure(office, "the phone's first word after its answer", said[0].0 - answered);
    figure(office, "… and at the customer", heard[0].0 - answered);
}
