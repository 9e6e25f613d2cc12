//! A call at night: a greeting, a beep, a message; a lamp, a mail, an ear, and a customer who is not forgotten.

use super::codecs::{HOST, calls_from};
use super::ear::Recording;
use super::mail::{MailServer, enclosed};
use super::office::{Office, named};
use super::phone::{Phone, Speaks};
use super::tone;
use super::wire::{Seen, Sip};
use super::witness::{SOON, figure, sees};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, value};

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    (
        "A message left at night is on disk, lights a lamp, is mailed, is heard through *97, and the customer was missed",
        left_at_night,
    ),
    ("A customer who hangs up in the greeting at night has left no message and was missed", hung_up_early),
];

const CUSTOMER: &str = "89031234567";
const SITE: &str = "84951234567";
/// What the customer says, and how the beep sounds.
const HERTZ: f64 = 1300.0;
const BEEP: f64 = 1000.0;
/// So long the customer speaks.
const SPEECH: Duration = Duration::from_secs(3);

fn left_at_night() {
    let office = Office::open("night", at_night);
    let mail = MailServer::open(&office);
    let mut vasyl = Phone::with_voice_mail(&office, "202");
    let dark = lamp(&office, vasyl.address, Duration::ZERO, "no");
    let closed = office.ask(&["override", "office", "closed"]);
    assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));

    let mut customer = Phone::outside(&office, HOST, CUSTOMER, HERTZ, Speaks::G711);
    customer.call_office(SITE);
    let beeped = is_beeped(&office, customer.address);
    std::thread::sleep(SPEECH);
    customer.hang_up();
    let left =
        sees(&office, "the customer hangs up", |m| *m.from.ip() == customer.address && m.method() == Some("BYE")).at;
    customer.recording().says("voicemail", 0);

    let lit = lamp(&office, vasyl.address, dark, "yes");
    figure(&office, "the lamp is lit after the customer has hung up", lit.saturating_sub(left));
    let file = message(&office, "new");
    let path = office.folder.join("data").join(&file);
    assert_is_message(&Recording::read(&path), left - beeped);

    let mail = mail.mail(SOON);
    assert!(mail.contains("\nTo: vasyl@office.example\n"), "{mail}");
    assert_eq!(enclosed(&mail), std::fs::read(&path).expect("the message"), "the mail has the message");

    let calls = office.ask_json(&["calls", "--number", CUSTOMER]);
    let [call] = calls.as_array().map_or(&[][..], Vec::as_slice) else { panic!("not one call: {calls:#}") };
    assert_eq!(call["missed"], "voicemail_left", "{call:#}");

    vasyl.dial("*97");
    let heard = office.wire.wait(Duration::from_secs(20), |seen| {
        let heard: Vec<_> = seen.tone(HERTZ, left).filter(|packet| *packet.to.ip() == vasyl.address).collect();
        (heard.len() as u128 * 20 >= (SPEECH * 9 / 10).as_millis()).then(|| heard[0].at)
    });
    heard.expect("202 listens to the message");
    let out = lamp(&office, vasyl.address, lit, "no");
    assert!(out > lit, "the lamp goes out after it was lit");
    message(&office, "heard");
    vasyl.hang_up();
}

/// Whoever does not wait for the beep has left nothing, and is not forgotten either.
fn hung_up_early() {
    let office = Office::open("night-early", at_night);
    let closed = office.ask(&["override", "office", "closed"]);
    assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    let mut customer = Phone::outside(&office, HOST, CUSTOMER, HERTZ, Speaks::G711);
    customer.call_office(SITE);
    let loud = |seen: &Seen| seen.rtp.iter().filter(|p| *p.to.ip() == customer.address && p.is_loud()).count() >= 25;
    office.wire.wait(SOON, |seen| loud(seen).then_some(())).expect("the greeting");
    customer.hang_up();
    let end = Instant::now() + SOON;
    loop {
        let calls = office.ask_json(&["calls", "--number", CUSTOMER]);
        if calls[0]["missed"] == "after_hours" {
            break;
        }
        assert!(Instant::now() < end, "the customer is forgotten: {calls:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let messages = office.ask_json(&["voicemail", "list", "202"]);
    assert_eq!(messages.as_array().map(Vec::len), Some(0), "{messages:#}");
}

/// The site's number leads at night to the box of 202, who is mailed.
fn at_night(config: &mut DocumentMut) {
    calls_from(config, HOST);
    let mut closed = InlineTable::new();
    closed.insert("to", "voicemail:202".into());
    named(config, "did", "number", "+74951234567")["closed"] = value(closed);
    let mut mailbox = Table::new();
    mailbox["name"] = value("202");
    mailbox["notify"] = value(Array::from_iter(["mailto:vasyl@office.example"]));
    let boxes = config.entry("voicemail").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    boxes.as_array_of_tables_mut().expect("boxes").push(mailbox);
    MailServer::write_into(config);
}

/// When the beep was over for this one.
fn is_beeped(office: &Office, listener: Ipv4Addr) -> Duration {
    let beep = office.wire.wait(Duration::from_secs(20), |seen| {
        let beep: Vec<_> = seen.tone(BEEP, Duration::ZERO).filter(|packet| *packet.to.ip() == listener).collect();
        (beep.len() >= 19).then(|| beep[beep.len() - 1].at)
    });
    beep.expect("a beep")
}

/// When this phone was told that messages wait, or do not (RFC 3842), and took notice.
fn lamp(office: &Office, phone: Ipv4Addr, after: Duration, waiting: &str) -> Duration {
    let line = format!("messages-waiting: {waiting}");
    let told = sees(office, &format!("{phone} is told {line}"), |m: &Sip| {
        *m.to.ip() == phone
            && m.at > after
            && m.header("Event") == Some("message-summary")
            && m.body().to_ascii_lowercase().contains(&line)
    });
    sees(office, "it takes notice", |m| *m.from.ip() == phone && m.at > told.at && m.answers(200, "NOTIFY"));
    told.at
}

/// The one message of the box stands so; returns its file.
fn message(office: &Office, state: &str) -> String {
    let end = Instant::now() + SOON;
    loop {
        let messages = office.ask_json(&["voicemail", "list", "202"]);
        let rows = messages.as_array().map_or(&[][..], Vec::as_slice);
        if let [row] = rows
            && row["state"] == state
        {
            assert_eq!(row["empty"], false, "{row:#}");
            return row["file"].as_str().expect("a file").to_owned();
        }
        assert!(Instant::now() < end, "no message is {state}: {messages:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nothing but what the customer said after the beep, from end to end.
fn assert_is_message(message: &Recording, said: Duration) {
    let (length, said) = (message.length_ms() as f64, said.as_secs_f64() * 1000.0);
    assert_eq!(message.channels.len(), 1, "one speaks");
    assert!((length - said).abs() <= said / 10.0, "{length} ms are written down of {said} ms");
    let blocks = message.channels[0].chunks_exact(tone::BLOCK * message.rate / tone::RATE);
    let all = blocks.len();
    let spoken = blocks.filter(|block| tone::is_tone_at(block, HERTZ, message.rate)).count();
    assert!(spoken * 10 >= all * 9, "the customer is in {spoken} of {all} pieces of 20 ms");
}
