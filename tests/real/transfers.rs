//! Handing a call on: who asked for it is told what becomes of it, and the right two talk afterwards.

use super::linphone::{Linphone, Talk};
use super::office::{Office, named};
use super::phone::Phone;
use super::sipp::Played;
use super::wire::Sip;
use super::witness::{
    SOON, accepts, assert_hear, assert_hear_soon, assert_hears_nothing, assert_hears_soon, assert_music,
    assert_plays_again, assert_shows, assert_talkers, holds, is_told, sees,
};
use std::net::Ipv4Addr;
use std::time::Duration;
use toml_edit::value;

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("Blind transfer: customer and target hear each other, who asked for it is told and let go", blind),
    ("Blind transfer by Linphone, among colleagues", blind_by_linphone),
    ("Blind transfer of a customer who was called: the customer and the colleague hear each other", called_outside),
    ("Blind transfer by Linphone to somebody who refuses: it is told, and both still talk", refused),
    (
        "Blind transfer by baresip to somebody who refuses: it hangs up at the news, and the customer comes back to it",
        at_the_news,
    ),
    ("Blind transfer, its sender gone, nobody takes it: it comes back to the sender, then to the operator", comes_back),
    ("Attended transfer by Linphone, who was called: the customer and the one consulted hear each other", attended),
    ("A customer handed on twice and held in between hears whoever is there, one record", twice),
    (
        "Attended transfer by Linphone, whom both had called: the customer and the colleague hear each other",
        called_by_both,
    ),
    ("Attended transfer by Linphone, who had called both: the two colleagues hear each other", attended_by_caller),
];

/// A customer nobody knows, the same as phones show it, and the personal number of 202.
const CUSTOMER: &str = "89031234567";
const CUSTOMER_READ: &str = "9031234567";
const NUMBER_OF_202: &str = "84951110202";

fn blind() {
    let office = Office::open("blind", |_| {});
    let [mut vasyl, mut dmytro] = ["202", "203"].map(|extension| Phone::of(&office, extension));
    let customer = office.provider.voice();
    let call = talks_with_customer(&office, &mut vasyl);
    vasyl.send_to("203");
    let accepted = sees(&office, "the REFER is accepted", |m| *m.to.ip() == vasyl.address && m.answers(202, "REFER"));
    is_told(&office, vasyl.address, 100);
    dmytro.rings(SOON);
    assert_shows(&office, dmytro.address, CUSTOMER_READ, accepted.at);
    assert_music(&office, customer.0, vasyl.voice(), accepted.at);
    dmytro.answer();
    let taken = answers(&office, dmytro.address);
    let reinvited = sees(&office, "the customer gets a re-INVITE", |m| is_reinvite(m, customer.0)).at;
    assert!(reinvited >= taken, "the customer is connected with a phone that has not answered");
    assert_hear_soon(&office, customer, dmytro.voice(), taken);
    is_told(&office, vasyl.address, 200);
    let left = is_let_go(&office, vasyl.address, taken);
    vasyl.is_left(SOON);
    assert_hears_nothing(&office, vasyl.address, left);
    dmytro.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "203"]);
    assert_plays_again(&office);
}

fn blind_by_linphone() {
    let office = Office::open("blind-linphone", |_| {});
    let mut vasyl = Linphone::of(&office, "202");
    let [mut ivan, mut dmytro] = ["201", "203"].map(|extension| Phone::of(&office, extension));
    ivan.dial("202");
    let talk = vasyl.rings(SOON);
    vasyl.answer(talk);
    assert_hear(&office, ivan.voice(), vasyl.voice());
    vasyl.send_to(talk, "203");
    dmytro.rings(SOON);
    assert_shows(&office, dmytro.address, "201", Duration::ZERO);
    dmytro.answer();
    let taken = answers(&office, dmytro.address);
    assert_hear_soon(&office, ivan.voice(), dmytro.voice(), taken);
    is_told(&office, vasyl.address, 200);
    vasyl.is_left(talk);
    dmytro.hang_up();
    ivan.is_left(SOON);
    assert_talkers(&office, "201", &["202", "203"]);
    assert_plays_again(&office);
}

fn called_outside() {
    let office = Office::open("called-outside", |_| {});
    let [mut vasyl, mut dmytro] = ["202", "203"].map(|extension| Phone::of(&office, extension));
    let customer = office.provider.voice();
    vasyl.dial(CUSTOMER);
    assert_hear(&office, vasyl.voice(), customer);
    vasyl.send_to("203");
    dmytro.rings(SOON);
    assert_shows(&office, dmytro.address, CUSTOMER_READ, Duration::ZERO);
    dmytro.answer();
    assert_hear_soon(&office, customer, dmytro.voice(), answers(&office, dmytro.address));
    is_told(&office, vasyl.address, 200);
    vasyl.is_left(SOON);
    dmytro.hang_up();
    sees(&office, "the customer is hung up on", |m| *m.from.ip() == customer.0 && m.answers(200, "BYE"));
    // The one who was called talks from end to end, first with one, then with the other.
    assert_talkers(&office, CUSTOMER, &[CUSTOMER, "202", "203"]);
    assert_plays_again(&office);
}

fn refused() {
    let office = Office::open("refused", |_| {});
    let mut vasyl = Linphone::of(&office, "202");
    let mut dmytro = Phone::of(&office, "203");
    let customer = office.provider.voice();
    let call = office.provider.call_and_stay(&office, CUSTOMER, NUMBER_OF_202);
    let talk = vasyl.rings(SOON);
    vasyl.answer(talk);
    assert_hear(&office, customer, vasyl.voice());
    vasyl.send_to(talk, "203");
    dmytro.rings(SOON);
    dmytro.hang_up();
    let told = is_told(&office, vasyl.address, 486);
    assert_hear_soon(&office, customer, vasyl.voice(), told);
    vasyl.hang_up(talk);
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "202"]);
    assert_plays_again(&office);
}

/// baresip 1.0 hangs up as soon as it hears of the refusal; its user never said so.
fn at_the_news() {
    let office = Office::open("at-the-news", |_| {});
    let [mut vasyl, mut dmytro] = ["202", "203"].map(|extension| Phone::of(&office, extension));
    let call = talks_with_customer(&office, &mut vasyl);
    vasyl.send_to("203");
    dmytro.rings(SOON);
    dmytro.hang_up();
    let told = is_told(&office, vasyl.address, 486);
    is_let_go(&office, vasyl.address, told);
    vasyl.rings(SOON);
    vasyl.answer();
    let again = sees(&office, "202 answers again", |m| {
        *m.from.ip() == vasyl.address && m.at > told && m.answers(200, "INVITE")
    });
    assert_hear_soon(&office, office.provider.voice(), vasyl.voice(), again.at);
    vasyl.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "202", "202"]);
    assert_plays_again(&office);
}

fn comes_back() {
    let office = Office::open("comes-back", |_| {});
    let [mut vasyl, mut dmytro, mut reception] = ["202", "203", "200"].map(|extension| Phone::of(&office, extension));
    let customer = office.provider.voice();
    let call = talks_with_customer(&office, &mut vasyl);
    vasyl.send_to("203");
    dmytro.rings(SOON);
    vasyl.hang_up();
    let gone = is_let_go(&office, vasyl.address, Duration::ZERO);
    dmytro.hang_up();
    vasyl.rings(SOON);
    assert_shows(&office, vasyl.address, CUSTOMER_READ, gone);
    vasyl.hang_up();
    reception.rings(SOON);
    assert_shows(&office, reception.address, CUSTOMER_READ, gone);
    reception.answer();
    let taken = answers(&office, reception.address);
    assert_hear_soon(&office, customer, reception.voice(), taken);
    reception.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "200"]);
    assert_plays_again(&office);
}

fn attended() {
    let office = Office::open("attended", |_| {});
    let mut vasyl = Linphone::of(&office, "202");
    let mut dmytro = Phone::of(&office, "203");
    let customer = office.provider.voice();
    let call = office.provider.call_and_stay(&office, CUSTOMER, NUMBER_OF_202);
    let talk = vasyl.rings(SOON);
    vasyl.answer(talk);
    assert_hear(&office, customer, vasyl.voice());
    vasyl.hold(talk);
    let consultation = vasyl.dial("203");
    dmytro.answer_after(Duration::ZERO);
    assert_hear_soon(&office, vasyl.voice(), dmytro.voice(), answers(&office, dmytro.address));
    let joined = joins(&office, &mut vasyl, talk, consultation);
    assert_hear_soon(&office, customer, dmytro.voice(), joined);
    assert_hears_nothing(&office, vasyl.address, joined);
    let shown = sees(&office, "203 gets a re-INVITE", |m| is_reinvite(m, dmytro.address));
    let shown = shown.header("P-Asserted-Identity").unwrap_or("nobody").to_string();
    assert!(shown.contains(CUSTOMER_READ), "203 talks with the customer and is shown {shown}");
    dmytro.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "203"]);
    let calls = office.ask_json(&["calls", "--user", "203"]);
    let consultations: Vec<_> =
        calls.as_array().into_iter().flatten().filter(|call| call["direction"] == "internal").collect();
    let [consultation] = &consultations[..] else { panic!("one consultation is on record: {calls:#}") };
    assert_eq!(consultation["ended_by"], "transfer", "{consultation:#}");
    assert_plays_again(&office);
}

/// The second call waits in its ear, and taking it holds the first.
fn called_by_both() {
    let office = Office::open("called-by-both", |config| {
        named(config, "extension", "number", "202")["call_waiting"] = value(true);
    });
    let mut vasyl = Linphone::of(&office, "202");
    let mut dmytro = Phone::of(&office, "203");
    let customer = office.provider.voice();
    let call = office.provider.call_and_stay(&office, CUSTOMER, NUMBER_OF_202);
    let talk = vasyl.rings(SOON);
    vasyl.answer(talk);
    assert_hear(&office, customer, vasyl.voice());
    dmytro.dial("202");
    let second = vasyl.rings(SOON);
    vasyl.answer(second);
    let held = holds(&office, vasyl.address, Duration::ZERO);
    assert_music(&office, customer.0, vasyl.voice(), held);
    assert_hears_soon(&office, vasyl.address, dmytro.voice(), held);
    let joined = joins(&office, &mut vasyl, talk, second);
    assert_hear_soon(&office, customer, dmytro.voice(), joined);
    assert_hears_nothing(&office, vasyl.address, joined);
    dmytro.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "203"]);
    assert_plays_again(&office);
}

fn twice() {
    let office = Office::open("twice", |_| {});
    let [mut ivan, mut vasyl, mut dmytro] = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    let customer = office.provider.voice();
    let call = talks_with_customer(&office, &mut vasyl);
    vasyl.send_to("203");
    dmytro.answer_after(Duration::ZERO);
    assert_hear_soon(&office, customer, dmytro.voice(), answers(&office, dmytro.address));
    vasyl.is_left(SOON);
    dmytro.hold();
    let held = holds(&office, dmytro.address, Duration::ZERO);
    assert_music(&office, customer.0, dmytro.voice(), held);
    dmytro.resume();
    let back = accepts(&office, customer.0, "sendrecv", held);
    assert_hear_soon(&office, customer, dmytro.voice(), back);
    dmytro.send_to("201");
    ivan.answer_after(Duration::ZERO);
    assert_hear_soon(&office, customer, ivan.voice(), answers(&office, ivan.address));
    dmytro.is_left(SOON);
    ivan.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "203", "201"]);
    assert_plays_again(&office);
}

/// Two Linphones consult in Opus, which the colleague's baresip does not speak: the codec changes with the talker.
fn attended_by_caller() {
    let office = Office::open("attended-by-caller", |_| {});
    let [mut vasyl, mut dmytro] = ["202", "203"].map(|extension| Linphone::of(&office, extension));
    let mut ivan = Phone::of(&office, "201");
    let talk = vasyl.dial("201");
    ivan.answer_after(Duration::ZERO);
    assert_hear(&office, vasyl.voice(), ivan.voice());
    vasyl.hold(talk);
    let consultation = vasyl.dial("203");
    let theirs = dmytro.rings(SOON);
    dmytro.answer(theirs);
    vasyl.is_connected(consultation);
    let joined = joins(&office, &mut vasyl, talk, consultation);
    assert_hear_soon(&office, ivan.voice(), dmytro.voice(), joined);
    assert_hears_nothing(&office, vasyl.address, joined);
    ivan.hang_up();
    dmytro.is_left(theirs);
    assert_plays_again(&office);
}

/// The customer calls this phone and both hear each other.
fn talks_with_customer(office: &Office, phone: &mut Phone) -> Played {
    let call = office.provider.call_and_stay(office, CUSTOMER, NUMBER_OF_202);
    phone.answer_after(Duration::ZERO);
    assert_hear(office, office.provider.voice(), phone.voice());
    call
}

/// Linphone joins its two calls, is told that it is done and leaves both; returns when the last was over.
fn joins(office: &Office, phone: &mut Linphone, talk: Talk, consultation: Talk) -> Duration {
    phone.join(talk, consultation);
    let refer = sees(office, "the REFER", |m| *m.from.ip() == phone.address && m.method() == Some("REFER"));
    assert!(refer.header("Refer-To").is_some_and(|to| to.contains("Replaces=")), "{}", refer.text);
    is_told(office, phone.address, 200);
    phone.is_left(talk);
    phone.is_left(consultation);
    office.wire.look(|seen| seen.sip.iter().filter(|m| is_bye(m, phone.address)).map(|m| m.at).max()).expect("two BYEs")
}

/// When this phone answered for the first time.
fn answers(office: &Office, phone: Ipv4Addr) -> Duration {
    sees(office, &format!("{phone} answers"), |m| *m.from.ip() == phone && m.answers(200, "INVITE")).at
}

/// When this phone's call ended, after this moment.
fn is_let_go(office: &Office, phone: Ipv4Addr, after: Duration) -> Duration {
    sees(office, &format!("{phone} is let go"), |m| m.at > after && is_bye(m, phone)).at
}

fn is_bye(message: &Sip, phone: Ipv4Addr) -> bool {
    message.method() == Some("BYE") && [message.from.ip(), message.to.ip()].contains(&&phone)
}

fn is_reinvite(message: &Sip, peer: Ipv4Addr) -> bool {
    *message.to.ip() == peer && message.method() == Some("INVITE") && message.in_dialog()
}
