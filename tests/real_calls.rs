//! Real phones and a real provider around the router: who rang from when to when, and who heard whom.
//!
//! Needs baresip, Linphone, SIPp, tcpdump, Kamailio and a network namespace (see `real/`); where they are missing every story is
//! reported as not run, by name. The scripted peers of `traces.rs` are held to be true because these are.

mod real;

use libtest_mimic::{Arguments, Failed, Trial};
use real::namespace::{self, Ground};
use real::office::{Office, named};
use real::phone::Phone;
use real::provider;
use real::wire::{Ending, Ring, Seen, Sip};
use real::witness::{SOON, assert_at_once, assert_hear};
use real::{clicks, codecs, codes, greeting, hold, keys, mobiles, pickup, pulse, recording, transfers, voicemail};
use std::process::{Command, ExitCode};
use std::time::Duration;
use toml_edit::{Array, DocumentMut, value};

type Story = fn();

/// The stories by their titles.
const STORIES: &[(&str, Story)] = &[
    ("The instruments tell the truth: two phones and a customer hear each other through another server", instruments),
    ("ring-all: everybody rings within 20 ms, one answers, the others learn that it was answered elsewhere", ring_all),
    ("sequential: a phone that refuses at once passes the call on within 50 ms", sequential),
    ("escalating: colleagues join while the earlier phones keep ringing, one INVITE per device", escalating),
    ("A known customer reaches the one responsible, and nobody else rings", sticky),
    ("A caller who gives up is followed at once: the phone stops ringing", gives_up),
    ("After SIGKILL the phones ring as before, without registering again", after_a_kill),
    ("A dialled number leaves through the trunk, and both sides hear each other", outbound),
];

/// How far a timetable's entry may be off on a busy machine.
const PUNCTUAL: Duration = Duration::from_millis(50);
/// How often a story is told at most.
const TELLINGS: usize = 3;
/// A customer nobody knows, and one of the office's numbers as the provider writes it.
const CUSTOMER: &str = "89031234567";
const BILLBOARD: &str = "84957654321";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Phones mostly wait for each other. More offices at a time, and they wait for the machine, in milliseconds that count.
    arguments.test_threads = Some(arguments.test_threads.unwrap_or(2).min(2));
    let missing = match if arguments.list { Ground::Inside } else { namespace::enter() } {
        Ground::Done(code) => return code,
        Ground::Inside => None,
        Ground::Missing(why) => Some(why),
    };
    if let Some(why) = &missing {
        for (title, _) in stories() {
            println!("NOT RUN: {title}: {why}");
        }
    }
    pulse::start();
    let trials = stories()
        .map(|(title, story)| Trial::test(*title, move || tell(title, *story)).with_ignored_flag(missing.is_some()));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// A story that fails while the machine stands still (two cores, and somebody else at work on them) has measured the machine:
/// it is told again, and whoever fails because of the router fails again.
fn tell(title: &str, story: Story) -> Result<(), Failed> {
    for _ in 1..TELLINGS {
        let telling = pulse::While::begin();
        let Err(panic) = std::panic::catch_unwind(story) else { return Ok(()) };
        let Some(still) = telling.stood_still() else { std::panic::resume_unwind(panic) };
        println!("told again, because the machine stood still for {still:?} meanwhile: {title}");
    }
    story();
    Ok(())
}

fn stories() -> impl Iterator<Item = &'static (&'static str, Story)> {
    let more = [
        hold::STORIES,
        transfers::STORIES,
        keys::STORIES,
        pickup::STORIES,
        mobiles::STORIES,
        greeting::STORIES,
        clicks::STORIES,
        codecs::STORIES,
        codes::STORIES,
        recording::STORIES,
        voicemail::STORIES,
    ];
    STORIES.iter().chain(more.into_iter().flatten())
}

/// Kamailio, which is known to work, stands in for the router: what is then seen and heard must be right.
fn instruments() {
    let mut office = Office::empty("instruments");
    let router = office.router;
    let config = include_str!("real/kamailio.cfg").replace("@ROUTER@", &router.to_string());
    let path = office.folder.join("kamailio.cfg");
    std::fs::write(&path, config).unwrap();
    let mut kamailio = Command::new("/usr/sbin/kamailio");
    kamailio.arg("-f").arg(&path).args(["-DD", "-E", "-Y"]).arg(&office.folder);
    office.start_program("kamailio", &mut kamailio);
    let mut ivan = Phone::register(&office, "201", "secret", 600.0);
    let mut vasyl = Phone::register(&office, "202", "secret", 750.0);

    ivan.dial(&format!("sip:202@{router}"));
    vasyl.answer_after(Duration::from_millis(200));
    assert_hear(&office, ivan.voice(), vasyl.voice());
    ivan.hang_up();
    vasyl.is_left(SOON);

    let call = office.provider.call(&office, CUSTOMER, "201", Duration::from_millis(1500));
    ivan.answer_after(Duration::ZERO);
    assert_hear(&office, office.provider.voice(), ivan.voice());
    call.went_well(SOON);
    ivan.is_left(SOON);

    assert_eq!(vasyl.heard_tone(900.0), None, "nobody said that");
    assert_at_once(vasyl.heard_tone(600.0));
    assert_at_once(ivan.heard_tone(provider::HERTZ));
}

fn ring_all() {
    let office = Office::open("ring-all", |config| hunt(config, "ring-all"));
    let phones = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    let [_, mut vasyl, _] = phones;
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, Duration::from_secs(1));
    vasyl.answer_after(Duration::from_millis(1500));
    assert_hear(&office, office.provider.voice(), vasyl.voice());
    call.went_well(SOON);
    vasyl.is_left(SOON);
    assert_at_once(vasyl.heard_tone(provider::HERTZ));

    assert_recorded(&office);
    let rings = rings(&office);
    assert_eq!(extensions(&rings), ["201", "202", "203"]);
    let first = rings.iter().map(|ring| ring.from).min().unwrap();
    let last = rings.iter().map(|ring| ring.from).max().unwrap();
    assert!(last - first <= Duration::from_millis(20), "the INVITEs left {:?} apart", last - first);
    let answered = rings[1].until;
    assert_eq!(rings[1].ending, Ending::Answered);
    for loser in [&rings[0], &rings[2]] {
        assert_elsewhere(loser, answered);
    }
}

fn sequential() {
    let office = Office::open("sequential", |config| hunt(config, "sequential"));
    let phones = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    let [mut ivan, mut vasyl, _] = phones;
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, Duration::from_secs(1));
    ivan.rings(SOON);
    ivan.hang_up();
    vasyl.answer_after(Duration::from_millis(500));
    assert_hear(&office, office.provider.voice(), vasyl.voice());
    call.went_well(SOON);

    assert_recorded(&office);
    let rings = rings(&office);
    assert_eq!(extensions(&rings), ["201", "202"]);
    assert_eq!((&rings[0].ending, &rings[1].ending), (&Ending::Refused(486), &Ending::Answered));
    let pause = rings[1].from.checked_sub(rings[0].until).expect("nobody rings before the refusal");
    assert!(pause <= Duration::from_millis(50), "the next phone was called {pause:?} after the 486");
}

fn escalating() {
    let office = Office::open("escalating", |config| hunt(config, "escalating"));
    let phones = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    let [_, _, mut dmytro] = phones;
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, Duration::from_secs(1));
    dmytro.answer_after(Duration::from_millis(700));
    assert_hear(&office, office.provider.voice(), dmytro.voice());
    call.went_well(SOON);

    assert_recorded(&office);
    let rings = rings(&office);
    assert_eq!(extensions(&rings), ["201", "202", "203"], "one INVITE per device");
    for (k, ring) in rings.iter().enumerate() {
        let due = rings[0].from + STEP * k as u32;
        let off = ring.from.abs_diff(due);
        assert!(off <= PUNCTUAL, "{} joined {off:?} away from its time", ring.device);
    }
    assert_eq!(rings[2].ending, Ending::Answered);
    for earlier in &rings[..2] {
        assert_elsewhere(earlier, rings[2].until);
    }
}

fn sticky() {
    let office = Office::open("sticky", |config| hunt(config, "ring-all"));
    let phones = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    let [_, mut vasyl, _] = phones;
    let list = office.folder.join("customers.csv");
    std::fs::write(&list, "id,name,number,responsible\n17,Ada Byron,+7 903 123-45-67,202\n").unwrap();
    let out = office.ask(&["contacts", "import", list.to_str().unwrap()]);
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));

    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, Duration::from_secs(1));
    vasyl.answer_after(Duration::from_millis(500));
    assert_hear(&office, office.provider.voice(), vasyl.voice());
    call.went_well(SOON);
    assert_recorded(&office);
    assert_eq!(extensions(&rings(&office)), ["202"]);
    let shown = office.wire.look(|seen| {
        let invite = |m: &&Sip| m.method() == Some("INVITE") && *m.to.ip() == vasyl.address;
        seen.sip.iter().find(invite).and_then(|m| m.header("From")).map(str::to_string)
    });
    assert!(shown.as_ref().is_some_and(|from| from.contains("Ada Byron")), "the phone shows {shown:?}");
}

fn gives_up() {
    let office = Office::open("gives-up", |config| hunt(config, "ring-all"));
    let ivan = Phone::of(&office, "201");
    let call = office.provider.call_in_vain(&office, CUSTOMER, BILLBOARD, Duration::from_secs(1));
    ivan.rings(SOON);
    ivan.is_left(SOON);
    call.went_well(SOON);
    assert_recorded(&office);
    let rings = rings(&office);
    assert_eq!(extensions(&rings), ["201"]);
    assert!(matches!(rings[0].ending, Ending::Cancelled(_)), "{:?}", rings[0]);
    let cancel = |m: &&Sip| m.method() == Some("CANCEL") && *m.to.ip() == office.router;
    let gave_up = office.wire.look(|seen| seen.sip.iter().find(cancel).map(|m| m.at)).expect("the caller's CANCEL");
    let late = rings[0].until.checked_sub(gave_up).expect("it rings until the caller gives up");
    assert!(late <= PUNCTUAL, "it rang {late:?} for nobody");
}

fn after_a_kill() {
    let mut office = Office::open("after-a-kill", |config| hunt(config, "ring-all"));
    let phones = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    office.kill();
    office.start();
    let [_, mut vasyl, _] = phones;
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, Duration::from_secs(1));
    vasyl.answer_after(Duration::from_millis(300));
    assert_hear(&office, office.provider.voice(), vasyl.voice());
    call.went_well(SOON);
    assert_eq!(extensions(&rings(&office)), ["201", "202", "203"]);
    let registers = office.wire.look(|seen| seen.sip.iter().filter(|m| m.method() == Some("REGISTER")).count());
    assert_eq!(registers, 6, "each phone registers once, with a challenge between");
}

fn outbound() {
    let office = Office::open("outbound", |_| {});
    let mut ivan = Phone::of(&office, "201");
    ivan.dial("89035556677");
    assert_hear(&office, ivan.voice(), office.provider.voice());
    ivan.hang_up();
    let trunk = office.provider.address;
    let bye = |seen: &Seen| seen.sip.iter().any(|m| *m.from.ip() == trunk && m.answers(200, "BYE"));
    office.wire.wait(SOON, |seen| bye(seen).then_some(())).expect("the provider is hung up on");
    assert_at_once(ivan.heard_tone(provider::HERTZ));
    let invite = office.wire.look(|seen| {
        let out = |m: &&Sip| m.method() == Some("INVITE") && *m.to.ip() == trunk;
        seen.sip.iter().filter(out).map(|m| m.first_line().to_string()).collect::<Vec<_>>()
    });
    assert_eq!(invite.len(), 1, "{invite:?}");
    assert!(invite[0].starts_with("INVITE sip:89035556677@"), "{invite:?}");
}

/// Between the joining of two colleagues.
const STEP: Duration = Duration::from_secs(1);

/// The billboard's number rings 201, 202, 203 in this way.
fn hunt(config: &mut DocumentMut, strategy: &str) {
    let group = named(config, "group", "name", "service");
    group["strategy"] = value(strategy);
    group["order"] = value("listed");
    group["members"] = value(Array::from_iter(["201", "202", "203"]));
    if strategy != "ring-all" {
        group["step"] = value(if strategy == "sequential" { "10s" } else { "1s" });
    }
}

/// Whom the router rang at the office's phones, by extension and then time.
fn rings(office: &Office) -> Vec<Ring> {
    let mut rings = office.wire.look(|seen| seen.rings(office.router, |to| to.ip().octets()[3] >= 200));
    rings.sort_by_key(|ring| (ring.device, ring.from));
    rings
}

fn extensions(rings: &[Ring]) -> Vec<String> {
    rings.iter().map(|ring| ring.device.ip().octets()[3].to_string()).collect()
}

/// This phone rang until the answer, and was told that somebody else took the call.
fn assert_elsewhere(loser: &Ring, answered: Duration) {
    let Ending::Cancelled(Some(reason)) = &loser.ending else { panic!("{loser:?} was not cancelled with a reason") };
    let words: Vec<&str> = reason.split(';').map(str::trim).collect();
    assert!(words[0] == "SIP" && words.contains(&"cause=200"), "{reason}");
    let late = loser.until.checked_sub(answered).expect("it rings until the answer");
    assert!(late <= PUNCTUAL, "{} was cancelled {late:?} after the answer", loser.device);
}

/// The call history holds the one call of this story.
fn assert_recorded(office: &Office) {
    let calls = office.ask_json(&["calls"]);
    assert_eq!(calls.as_array().map(Vec::len), Some(1), "{calls}");
}
