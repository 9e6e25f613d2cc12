//! Phones without a transfer key: baresip presses keys (RFC 4733) and hands a customer on.

use super::office::Office;
use super::phone::Phone;
use super::sipp::Played;
use super::wire::{Rtp, Seen};
use super::witness::{
    SOON, assert_hear, assert_hear_soon, assert_hears_nothing, assert_music, assert_plays_again, assert_talkers, sees,
};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("##203# hands a customer on, who hears music until 203 answers, and then 203", blind),
    ("*2203# asks 203 first, the customer hears music, and whoever hangs up joins the two", attended),
];

const CUSTOMER: &str = "89031234567";
const NUMBER_OF_202: &str = "84951110202";

fn blind() {
    let office = Office::open("keys-blind", |_| {});
    let [mut vasyl, mut dmytro] = ["202", "203"].map(|extension| Phone::of(&office, extension));
    let call = talks_with_customer(&office, &mut vasyl);
    let begun = presses(&office, &mut vasyl, "##");
    assert_music(&office, office.provider.address, vasyl.voice(), begun);
    presses(&office, &mut vasyl, "203#");
    dmytro.rings(SOON);
    dmytro.answer();
    let taken = answers(&office, dmytro.address);
    assert_hear_soon(&office, office.provider.voice(), dmytro.voice(), taken);
    vasyl.is_left(SOON);
    dmytro.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "203"]);
    assert_plays_again(&office);
}

fn attended() {
    let office = Office::open("keys-attended", |_| {});
    let [mut vasyl, mut dmytro] = ["202", "203"].map(|extension| Phone::of(&office, extension));
    let customer = office.provider.voice();
    let call = talks_with_customer(&office, &mut vasyl);
    let begun = presses(&office, &mut vasyl, "*2");
    assert_music(&office, customer.0, vasyl.voice(), begun);
    presses(&office, &mut vasyl, "203#");
    dmytro.rings(SOON);
    dmytro.answer();
    assert_hear_soon(&office, vasyl.voice(), dmytro.voice(), answers(&office, dmytro.address));
    let between = office.wire.look(|seen| {
        let spoken = seen.tone(dmytro.hertz, begun).filter(|packet| *packet.to.ip() == customer.0);
        spoken.count() + seen.tone(vasyl.hertz, begun + WORD).filter(|packet| *packet.to.ip() == customer.0).count()
    });
    assert_eq!(between, 0, "the customer hears what colleagues say of them");
    vasyl.hang_up();
    let joined =
        sees(&office, "202 hangs up", |m| *m.from.ip() == vasyl.address && m.method() == Some("BYE") && m.at > begun)
            .at;
    assert_hear_soon(&office, customer, dmytro.voice(), joined);
    assert_hears_nothing(&office, vasyl.address, joined);
    dmytro.hang_up();
    call.went_well(SOON);
    assert_talkers(&office, CUSTOMER, &["202", "203"]);
    assert_plays_again(&office);
}

/// So long the customer may still hear the one who presses.
const WORD: Duration = Duration::from_millis(100);
/// Between two keys.
const FINGER: Duration = Duration::from_millis(300);

fn talks_with_customer(office: &Office, phone: &mut Phone) -> Played {
    let call = office.provider.call_and_stay(office, CUSTOMER, NUMBER_OF_202);
    phone.answer_after(Duration::ZERO);
    assert_hear(office, office.provider.voice(), phone.voice());
    call
}

/// Presses these one after the other; returns when the last one was heard.
fn presses(office: &Office, phone: &mut Phone, keys: &str) -> Duration {
    keys.chars().for_each(|key| {
        phone.press(key);
        std::thread::sleep(FINGER);
    });
    let events = |seen: &Seen| {
        let from = |packet: &&Rtp| *packet.from.ip() == phone.address && packet.payload_type == EVENTS;
        // The end of the last press (RFC 4733 §2.3.3): its first packet was the first one of its length.
        seen.rtp.iter().rfind(from).map(|packet| packet.at)
    };
    office.wire.look(events).expect("the phone sends keys")
}

/// What phones here call RTP events.
const EVENTS: u8 = 101;

/// When this phone answered for the first time.
fn answers(office: &Office, phone: Ipv4Addr) -> Duration {
    sees(office, &format!("{phone} answers"), |m| *m.from.ip() == phone && m.answers(200, "INVITE")).at
}
