//! Feature codes from a real phone: what is set is said, holds, and what is asked for is heard.

use super::office::Office;
use super::phone::Phone;
use super::witness::{SOON, assert_hear, assert_hears_soon, sees};
use std::time::Duration;

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("*65 says the own number, and *43 gives the own voice back", about_oneself),
    ("*78 sends the calls to the deputy, *79 takes them back, and both are said", away),
    ("*72203 forwards the calls of 202 to 203, *73 takes them back, and both are said", forward),
];

fn about_oneself() {
    let office = Office::open("own-number", |_| {});
    let mut ivan = Phone::of(&office, "201");
    ivan.dial("*65");
    ivan.is_left(SOON);
    let heard = ivan.recording();
    ["your-number-is", "digits/2", "digits/0", "digits/1"].iter().fold(0, |at, prompt| heard.says(prompt, at));

    ivan.dial("*43");
    let answered = office.wire.wait(SOON, |seen| {
        let mine = seen.sip.iter().filter(|m| *m.to.ip() == ivan.address && m.answers(200, "INVITE"));
        mine.map(|m| m.at).nth(1)
    });
    let echo = office.wire.wait(SOON, |seen| {
        let heard = seen.tone(ivan.hertz, answered?).find(|packet| *packet.to.ip() == ivan.address);
        heard.map(|packet| packet.at)
    });
    let echo = echo.expect("201 hears the own voice");
    assert_hears_soon(&office, ivan.address, ivan.voice(), echo);
    ivan.hang_up();
    std::thread::sleep(Duration::from_millis(200));
    ivan.recording().says("echo", 0);
}

fn away() {
    let office = Office::open("away", |_| {});
    let [mut ivan, mut vasyl, mut dmytro] = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    assert_told(&mut vasyl, "*78", "away-on");
    // 201 is the deputy of 202.
    dmytro.dial("202");
    ivan.answer_after(Duration::ZERO);
    assert_hear(&office, dmytro.voice(), ivan.voice());
    dmytro.hang_up();
    ivan.is_left(SOON);
    dmytro.is_left(SOON);
    assert_told(&mut vasyl, "*79", "away-off");
    dmytro.dial("202");
    vasyl.rings(SOON);
    dmytro.hang_up();
}

fn forward() {
    let office = Office::open("forward", |_| {});
    let [mut ivan, mut vasyl, mut dmytro] = ["201", "202", "203"].map(|extension| Phone::of(&office, extension));
    assert_told(&mut vasyl, "*72203", "forward-on");
    ivan.dial("202");
    dmytro.answer_after(Duration::ZERO);
    assert_hear(&office, ivan.voice(), dmytro.voice());
    ivan.hang_up();
    dmytro.is_left(SOON);
    ivan.is_left(SOON);
    assert_told(&mut vasyl, "*73", "forward-off");
    ivan.dial("202");
    vasyl.rings(SOON);
    let rung = sees(&office, "202 is called", |m| {
        *m.to.ip() == vasyl.address && m.method() == Some("INVITE") && !m.in_dialog()
    });
    assert!(rung.header("From").is_some_and(|from| from.contains("201")), "{}", rung.text);
    ivan.hang_up();
}

/// Dials a code, hears this, and is hung up on.
fn assert_told(phone: &mut Phone, code: &str, prompt: &str) {
    phone.dial(code);
    phone.is_left(SOON);
    phone.recording().says(prompt, 0);
}
