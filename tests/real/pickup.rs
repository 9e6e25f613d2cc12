//! Seeing who is called, and taking the call: lamps, pickup, and the lamp for voice mail.

use super::lamp::Lamp;
use super::linphone::Linphone;
use super::office::{Office, named};
use super::phone::Phone;
use super::wire::Ending;
use super::witness::{
    SOON, accepts, assert_hear, assert_hear_soon, assert_music, assert_plays_again, assert_talkers, holds, sees,
};
use std::time::Duration;
use toml_edit::{Array, value};

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("A lamp (SIPp: no packaged phone has one) follows its colleague's phone through a call", lamp),
    ("A lamp (SIPp) shows with whom its colleague talks after an attended transfer: the customer", lamp_after_transfer),
    (
        "Pickup by a lamp (SIPp: no packaged phone has one): the presser and the customer hear each other",
        pickup_by_lamp,
    ),
    ("Pickup by dialling **202: the customer is taken from the colleague's phone", pickup_by_number),
    ("Pickup by dialling *8: the customer is taken from the group's phone", pickup_in_group),
    ("A customer who was picked up is held and handed on like any other", picked_up_and_handed_on),
    ("baresip asks for its voice mail and is told that there is none", voice_mail),
];

/// A customer nobody knows, the same as phones show it, and the personal number of 202.
const CUSTOMER: &str = "89031234567";
const CUSTOMER_READ: &str = "9031234567";
const NUMBER_OF_202: &str = "84951110202";
const BILLBOARD: &str = "84957654321";
/// Long enough to be heard both ways.
const A_TALK: Duration = Duration::from_millis(1500);

fn lamp() {
    let office = Office::open("lamp", |_| {});
    let mut vasyl = Phone::of(&office, "202");
    let lamp = Lamp::watch(&office, "200", "202");
    lamp.shows(&office, "nothing", |shown| shown.is_idle());
    let call = office.provider.call(&office, CUSTOMER, NUMBER_OF_202, A_TALK);
    let early = lamp.shows(&office, "a ringing phone", |shown| shown.is("early"));
    assert_eq!(early.dialogs[0].direction, "recipient");
    assert!(early.dialogs[0].remote.contains(CUSTOMER_READ), "the lamp does not say who calls: {early:#?}");
    vasyl.answer_after(Duration::ZERO);
    lamp.shows(&office, "a talk", |shown| shown.is("confirmed"));
    call.went_well(SOON);
    lamp.shows(&office, "the end", |shown| shown.is_idle() && shown.version > early.version);
    let versions: Vec<u32> = office.wire.look(|seen| lamp.told(seen).iter().map(|shown| shown.version).collect());
    assert!(versions.windows(2).all(|pair| pair[1] == pair[0] + 1), "versions rise by one: {versions:?}");
}

fn lamp_after_transfer() {
    let office = Office::open("lamp-after-transfer", |_| {});
    let mut vasyl = Linphone::of(&office, "202");
    let mut dmytro = Phone::of(&office, "203");
    let lamp = Lamp::watch(&office, "200", "203");
    lamp.shows(&office, "nothing", |shown| shown.is_idle());
    let call = office.provider.call_and_stay(&office, CUSTOMER, NUMBER_OF_202);
    let talk = vasyl.rings(SOON);
    vasyl.answer(talk);
    // Linphone gives a hold up that comes before the customer's ACK (491).
    assert_hear(&office, office.provider.voice(), vasyl.voice());
    vasyl.hold(talk);
    let consultation = vasyl.dial("203");
    dmytro.answer_after(Duration::ZERO);
    lamp.shows(&office, "the consultation", |shown| shown.is("confirmed") && shown.dialogs[0].remote.contains("202"));
    vasyl.is_connected(consultation);
    vasyl.join(talk, consultation);
    lamp.shows(&office, "the customer", |shown| {
        shown.is("confirmed") && shown.dialogs[0].remote.contains(CUSTOMER_READ)
    });
    vasyl.is_left(talk);
    dmytro.hang_up();
    lamp.shows(&office, "the end", |shown| shown.is_idle());
    call.went_well(SOON);
}

fn pickup_by_lamp() {
    let office = Office::open("pickup-by-lamp", |_| {});
    let vasyl = Phone::of(&office, "202");
    let lamp = Lamp::watch(&office, "200", "202");
    lamp.shows(&office, "nothing", |shown| shown.is_idle());
    let call = office.provider.call(&office, CUSTOMER, NUMBER_OF_202, A_TALK);
    let early = lamp.shows(&office, "a ringing phone", |shown| shown.is("early"));
    let pressed = lamp.pick_up(&office, &early.dialogs[0]);
    let taken =
        sees(&office, "the presser is connected", |m| *m.to.ip() == lamp.address && m.answers(200, "INVITE")).at;
    assert_hear_soon(&office, office.provider.voice(), lamp.voice(), taken);
    vasyl.is_left(SOON);
    assert_taken_elsewhere(&office, &vasyl);
    call.went_well(SOON);
    pressed.went_well(SOON);
    lamp.shows(&office, "the end", |shown| shown.is_idle());
    assert_talkers(&office, CUSTOMER, &["200"]);
    assert_plays_again(&office);
}

fn pickup_by_number() {
    let office = Office::open("pickup-by-number", |_| {});
    let [vasyl, mut reception] = ["202", "200"].map(|extension| Phone::of(&office, extension));
    let call = office.provider.call(&office, CUSTOMER, NUMBER_OF_202, A_TALK);
    vasyl.rings(SOON);
    picks_up(&office, &mut reception, "**202", &vasyl);
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["200"]);
    assert_plays_again(&office);
}

fn pickup_in_group() {
    let office = Office::open("pickup-in-group", |config| {
        let group = named(config, "group", "name", "service");
        group["strategy"] = value("sequential");
        group["members"] = value(Array::from_iter(["202", "203"]));
    });
    let [vasyl, mut dmytro] = ["202", "203"].map(|extension| Phone::of(&office, extension));
    let call = office.provider.call(&office, CUSTOMER, BILLBOARD, A_TALK);
    vasyl.rings(SOON);
    picks_up(&office, &mut dmytro, "*8", &vasyl);
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["203"]);
}

fn picked_up_and_handed_on() {
    let office = Office::open("picked-up-and-handed-on", |_| {});
    let [mut ivan, vasyl, mut dmytro] = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    let customer = office.provider.voice();
    let call = office.provider.call_and_stay(&office, CUSTOMER, NUMBER_OF_202);
    vasyl.rings(SOON);
    picks_up(&office, &mut dmytro, "**202", &vasyl);
    dmytro.hold();
    let held = holds(&office, dmytro.address, Duration::ZERO);
    assert_music(&office, customer.0, dmytro.voice(), held);
    dmytro.resume();
    let back = accepts(&office, customer.0, "sendrecv", held);
    assert_hear_soon(&office, customer, dmytro.voice(), back);
    dmytro.send_to("201");
    ivan.answer_after(Duration::ZERO);
    let taken = sees(&office, "201 answers", |m| *m.from.ip() == ivan.address && m.answers(200, "INVITE")).at;
    assert_hear_soon(&office, customer, ivan.voice(), taken);
    dmytro.is_left(SOON);
    ivan.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["203", "201"]);
    assert_plays_again(&office);
}

fn voice_mail() {
    let office = Office::open("voice-mail", |_| {});
    let vasyl = Phone::with_voice_mail(&office, "202");
    let told = sees(&office, "202 is told of its voice mail", |m| {
        *m.to.ip() == vasyl.address && m.method() == Some("NOTIFY") && m.header("Event") == Some("message-summary")
    });
    assert!(told.body().to_ascii_lowercase().contains("messages-waiting: no"), "{}", told.text);
    sees(&office, "202 accepts it", |m| *m.from.ip() == vasyl.address && m.answers(200, "NOTIFY"));
}

/// Dials this code and talks with the customer, who rang at that phone.
fn picks_up(office: &Office, picker: &mut Phone, code: &str, rung: &Phone) {
    picker.dial(code);
    let taken =
        sees(office, "the picker is connected", |m| *m.to.ip() == picker.address && m.answers(200, "INVITE")).at;
    assert_hear_soon(office, office.provider.voice(), picker.voice(), taken);
    rung.is_left(SOON);
    assert_taken_elsewhere(office, rung);
}

/// This phone stopped ringing and was told that somebody else took the call.
fn assert_taken_elsewhere(office: &Office, phone: &Phone) {
    let rings = office.wire.look(|seen| seen.rings(office.router, |to| *to.ip() == phone.address));
    let [ring] = &rings[..] else { panic!("202 is rung once: {rings:?}") };
    let Ending::Cancelled(Some(reason)) = &ring.ending else { panic!("{ring:?} was not cancelled with a reason") };
    assert!(reason.starts_with("SIP") && reason.contains("cause=200"), "{reason}");
}
