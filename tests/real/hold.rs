//! Hold: the router takes it, and whoever is held hears music until the holder is back.

use super::linphone::Linphone;
use super::office::Office;
use super::phone::Phone;
use super::tone;
use super::witness::{SOON, accepts, assert_hear, assert_hear_soon, assert_music, assert_no_music, holds};
use std::time::Duration;

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("Colleagues call each other, one holds the other, who hears music, and comes back, and both hear again", hold),
    ("Linphone calls, holds, comes back and is called: both hear each other each time", softphone),
];

fn hold() {
    let office = Office::open("hold", |_| {});
    let [mut ivan, mut vasyl] = ["201", "202"].map(|extension| Phone::of(&office, extension));
    ivan.dial("202");
    vasyl.answer_after(Duration::from_millis(300));
    assert_hear(&office, ivan.voice(), vasyl.voice());
    ivan.hold();
    let held = holds(&office, ivan.address, Duration::ZERO);
    assert_music(&office, vasyl.address, ivan.voice(), held);
    ivan.resume();
    let back = accepts(&office, vasyl.address, "sendrecv", held);
    assert_hear_soon(&office, ivan.voice(), vasyl.voice(), back);
    assert_no_music(&office, vasyl.address, ivan.voice(), back);
    vasyl.hang_up();
    ivan.is_left(SOON);
}

fn softphone() {
    let office = Office::open("softphone", |_| {});
    let mut reception = Linphone::of(&office, "200");
    let mut ivan = Phone::of(&office, "201");
    let talk = reception.dial("201");
    ivan.answer_after(Duration::from_millis(300));
    assert_hear(&office, reception.voice(), ivan.voice());
    reception.hold(talk);
    let held = holds(&office, reception.address, Duration::ZERO);
    assert_music(&office, ivan.address, reception.voice(), held);
    reception.resume(talk);
    let back = accepts(&office, ivan.address, "sendrecv", held);
    assert_hear_soon(&office, reception.voice(), ivan.voice(), back);
    assert_no_music(&office, ivan.address, reception.voice(), back);
    reception.hang_up(talk);
    ivan.is_left(SOON);

    ivan.dial("200");
    let talk = reception.rings(SOON);
    reception.answer(talk);
    assert_hear(&office, ivan.voice(), reception.voice());
    ivan.hang_up();
    reception.is_left(talk);
    let heard = tone::first_ms(&reception.heard(), ivan.hertz);
    assert!(heard.is_some(), "Linphone's own recording has nobody's voice");
}
