//! Mobiles of employees behind a trunk: baresip stands for the mobile, so its keys are real RTP events.

use super::office::{Office, named};
use super::phone::Phone;
use super::wire::{Ending, Ring};
use super::witness::{SOON, assert_hear, assert_hear_soon, assert_plays_again, assert_talkers, sees};
use std::time::Duration;
use toml_edit::{Array, DocumentMut, Table, value};

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    (
        "A mobile (baresip behind a trunk) answers, hears the question and presses 1: the customer and it hear each other",
        yes,
    ),
    (
        "A mobile's mailbox (baresip behind a trunk) answers and presses nothing: the call stays with the office",
        mailbox,
    ),
];

/// A customer nobody knows, one of the office's numbers, and the mobile of 201, as the provider writes them.
const CUSTOMER: &str = "89031234567";
pub const BILLBOARD: &str = "84957654321";
pub const MOBILE: &str = "89160000001";
/// Where the mobile is, and what it says.
pub const HOST: u8 = 30;
pub const HERTZ: f64 = 1100.0;
/// Long enough to be heard both ways.
const A_TALK: Duration = Duration::from_secs(3);
/// So long the question is listened to.
const A_WHILE: Duration = Duration::from_millis(1500);

fn yes() {
    let office = Office::open("mobile-yes", with_mobile);
    let ivan = Phone::of(&office, "201");
    let mut mobile = Phone::mobile(&office, HOST, MOBILE, HERTZ);
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, A_TALK);
    ivan.rings(SOON);
    let shown = mobile.rings(SOON);
    assert!(shown.contains("84957654321"), "the mobile is shown {shown}");
    mobile.answer();
    let answered =
        sees(&office, "the mobile answers", |m| *m.from.ip() == mobile.address && m.answers(200, "INVITE")).at;
    std::thread::sleep(A_WHILE);
    assert_is_asked(&office, &mobile, answered);
    mobile.press('1');
    let taken = sees(&office, "the customer is connected", |m| {
        *m.to.ip() == office.provider.address && m.to.port() != 5060 && m.answers(200, "INVITE")
    });
    assert_hear_soon(&office, office.provider.voice(), mobile.voice(), taken.at);
    ivan.is_left(SOON);
    let Ring { ending: Ending::Cancelled(Some(reason)), .. } = ring_of(&office, &ivan) else {
        panic!("{:?}", ring_of(&office, &ivan))
    };
    assert!(reason.contains("cause=200"), "the phone shows a missed call: {reason}");
    call.went_well(SOON);
    mobile.is_left(SOON);
    assert_talkers(&office, CUSTOMER, &["201"]);
    assert_plays_again(&office);
}

fn mailbox() {
    let office = Office::open("mobile-mailbox", with_mobile);
    let mut ivan = Phone::of(&office, "201");
    let mut mobile = Phone::mobile(&office, HOST, MOBILE, HERTZ);
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, A_TALK);
    ivan.rings(SOON);
    mobile.rings(SOON);
    mobile.answer();
    let answered =
        sees(&office, "the mobile answers", |m| *m.from.ip() == mobile.address && m.answers(200, "INVITE")).at;
    let bye = office.wire.wait(Duration::from_secs(25), |seen| {
        seen.sip.iter().find(|m| *m.to.ip() == mobile.address && m.method() == Some("BYE")).cloned()
    });
    let bye = bye.expect("the mailbox is hung up");
    let asked = bye.at - answered;
    assert!(asked.abs_diff(Duration::from_secs(20)) < Duration::from_millis(200), "it was asked for {asked:?}");
    assert_is_asked(&office, &mobile, answered);
    assert_eq!(ring_of(&office, &ivan).ending, Ending::Open, "the phone rings on");
    ivan.answer();
    assert_hear(&office, office.provider.voice(), ivan.voice());
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["201"]);
    assert_plays_again(&office);
}

/// The billboard's number rings 201: on the desk, and through a trunk of its own on the mobile.
pub fn with_mobile(config: &mut DocumentMut) {
    let mango = named(config, "trunk", "name", "mango")["server"].as_str().expect("a server").to_owned();
    let mut trunk = Table::new();
    trunk["name"] = value("mobiles");
    trunk["server"] = value(mango.replace(".10:", &format!(".{HOST}:")));
    trunk["dials"] = value("national");
    config["trunk"].as_array_of_tables_mut().expect("trunks").push(trunk);
    let mut rule = Table::new();
    rule["match"] = value("+79160000001");
    rule["trunks"] = value(Array::from_iter(["mobiles"]));
    rule["caller_id"] = value("+74957654321");
    config["outbound"].as_array_of_tables_mut().expect("outbound rules").push(rule);
    let mut gsm = toml_edit::InlineTable::new();
    gsm.insert("gsm", "+79160000001".into());
    let mut devices = Array::new();
    devices.push("sip");
    devices.push(gsm);
    named(config, "extension", "number", "201")["devices"] = value(devices);
    let group = named(config, "group", "name", "service");
    group["strategy"] = value("ring-all");
    group["members"] = value(Array::from_iter(["201"]));
    group["patience"] = value("60s");
}

/// Since its answer the mobile has heard the question, and neither the customer nor the phone anything of it.
fn assert_is_asked(office: &Office, mobile: &Phone, answered: Duration) {
    office.wire.look(|seen| {
        let until = answered + A_WHILE;
        let to_mobile = || seen.rtp.iter().filter(|p| *p.to.ip() == mobile.address && p.at >= answered && p.at < until);
        let (all, loud) = (to_mobile().count(), to_mobile().filter(|packet| packet.is_loud()).count());
        assert!(all >= 60 && loud >= 20, "the mobile heard {loud} loud packets of {all} in {A_WHILE:?}");
        let heard = seen.tone(HERTZ, answered).filter(|p| *p.to.ip() == office.provider.address && p.at < until);
        assert_eq!(heard.count(), 0, "the customer hears who is being asked");
        let connected = seen.sip.iter().any(|m| {
            *m.to.ip() == office.provider.address && m.to.port() != 5060 && m.answers(200, "INVITE") && m.at < until
        });
        assert!(!connected, "the customer is connected with who is being asked");
    });
}

fn ring_of(office: &Office, phone: &Phone) -> Ring {
    let rings = office.wire.look(|seen| seen.rings(office.router, |to| *to.ip() == phone.address));
    let [ring] = rings.as_slice() else { panic!("not one ring: {rings:?}") };
    ring.clone()
}
