//! A talk is written down: the caller on the left, the company on the right, and when somebody presses `*1`, not.

use super::ear::Recording;
use super::mobiles;
use super::office::Office;
use super::phone::Phone;
use super::provider;
use super::tone;
use super::witness::{SOON, assert_hear, figure, sees};
use std::time::{Duration, Instant};
use toml_edit::{DocumentMut, value};

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("A talk is written down, the customer left and the company right, and ready at once after its end", talk),
    ("*1 on the phone stops the recording for a while, and nothing of that while is written down", paused),
    ("A talk on a mobile behind a trunk is written down from its yes on, and the question is not", mobile),
];

const CUSTOMER: &str = "89031234567";
const NUMBER_OF_202: &str = "84951110202";

fn talk() {
    let office = Office::open("recorded", records);
    let mut vasyl = Phone::of(&office, "202");
    let call = office.provider.call_and_stay(&office, CUSTOMER, NUMBER_OF_202);
    vasyl.answer_after(Duration::ZERO);
    assert_hear(&office, office.provider.voice(), vasyl.voice());
    std::thread::sleep(Duration::from_secs(3));
    vasyl.hang_up();
    call.went_well(SOON);
    let recording = written(&office);
    let talked = length_of_talk(&office, &vasyl);
    let length = recording.length_ms() as f64;
    assert!((length - talked).abs() <= talked / 10.0, "{length} ms are written down of {talked} ms");
    assert_sides(&recording, vasyl.hertz);
}

fn paused() {
    let office = Office::open("recording-paused", records);
    let mut vasyl = Phone::of(&office, "202");
    let call = office.provider.call_and_stay(&office, CUSTOMER, NUMBER_OF_202);
    vasyl.answer_after(Duration::ZERO);
    assert_hear(&office, office.provider.voice(), vasyl.voice());
    std::thread::sleep(Duration::from_secs(1));
    let press = |vasyl: &mut Phone| {
        for key in ['*', '1'] {
            vasyl.press(key);
            std::thread::sleep(Duration::from_millis(300));
        }
        Instant::now()
    };
    let off = press(&mut vasyl);
    std::thread::sleep(Duration::from_secs(4));
    let on = press(&mut vasyl);
    std::thread::sleep(Duration::from_secs(1));
    vasyl.hang_up();
    call.went_well(SOON);
    let recording = written(&office);
    let talked = length_of_talk(&office, &vasyl);
    let length = recording.length_ms() as f64;
    assert!((length - talked).abs() <= talked / 10.0, "{length} ms are written down of {talked} ms");
    let [left, right] = sides(&recording, vasyl.hertz);
    let silent = |side: &[Said]| {
        let pauses = side.chunk_by(|a, b| (*a == Said::Nothing) == (*b == Said::Nothing));
        pauses.filter(|run| run[0] == Said::Nothing).map(<[Said]>::len).max().unwrap_or(0) as f64 * 20.0
    };
    let pause = (on - off).as_secs_f64() * 1000.0;
    for (side, who) in [(&left, Said::Customer), (&right, Said::Company)] {
        assert!((silent(side) - pause).abs() <= 300.0, "{who:?} is silent for {} ms of {pause} ms", silent(side));
        let word = side.iter().filter(|said| **said == who).count();
        assert!(word >= 40 && side.last() != Some(&Said::Nothing), "{who:?} is in {word} pieces, and at the end");
    }
}

fn mobile() {
    let office = Office::open("recorded-mobile", |config| {
        mobiles::with_mobile(config);
        records(config);
    });
    let mut mobile = Phone::mobile(&office, mobiles::HOST, mobiles::MOBILE, mobiles::HERTZ);
    let call = office.provider.call(&office, CUSTOMER, mobiles::BILLBOARD, Duration::from_secs(3));
    mobile.rings(SOON);
    mobile.answer();
    std::thread::sleep(Duration::from_millis(1500));
    mobile.press('1');
    let taken = sees(&office, "the customer is connected", |m| {
        *m.to.ip() == office.provider.address && m.to.port() != 5060 && m.answers(200, "INVITE")
    });
    mobile.is_left(SOON);
    call.went_well(SOON);
    let ended = sees(&office, "the customer hangs up", |m| {
        *m.from.ip() == office.provider.address && m.method() == Some("BYE") && m.at > taken.at
    });
    let recording = written(&office);
    let (length, talked) = (recording.length_ms() as f64, (ended.at - taken.at).as_secs_f64() * 1000.0);
    assert!((length - talked).abs() <= talked / 10.0, "{length} ms are written down of {talked} ms");
    assert_sides(&recording, mobiles::HERTZ);
}

fn records(config: &mut DocumentMut) {
    config["media"]["record"] = value("external");
}

/// How long the customer was connected, in ms.
fn length_of_talk(office: &Office, phone: &Phone) -> f64 {
    let began = sees(office, "202 answers", |m| *m.from.ip() == phone.address && m.answers(200, "INVITE")).at;
    let ended = sees(office, "202 hangs up", |m| *m.from.ip() == phone.address && m.method() == Some("BYE")).at;
    (ended - began).as_secs_f64() * 1000.0
}

/// The one recording of the one call, when it is ready.
fn written(office: &Office) -> Recording {
    let (over, limit) = (Instant::now(), Duration::from_secs(30));
    loop {
        let calls = office.ask_json(&["calls", "--number", CUSTOMER]);
        let id = calls[0]["id"].as_str().expect("a call").to_owned();
        let call = office.ask_json(&["calls", "show", &id]);
        let recordings = call["recordings"].as_array().map_or(&[][..], Vec::as_slice);
        if let [row] = recordings
            && !row["ended"].is_null()
        {
            figure(office, "the recording is listed after the talk, within", over.elapsed());
            assert!(row["failed"].is_null() && row["lost_ms"] == 0, "{row:#}");
            return Recording::read(&office.folder.join("data").join(row["file"].as_str().expect("a file")));
        }
        assert!(over.elapsed() < limit, "no recording of the talk: {call:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// From end to end the customer is on the left and the company on the right, and neither on the other side.
fn assert_sides(recording: &Recording, hertz: f64) {
    let [left, right] = sides(recording, hertz);
    let said = |side: &[Said], who| side.iter().filter(|said| **said == who).count();
    for (side, who, other) in [(&left, Said::Customer, Said::Company), (&right, Said::Company, Said::Customer)] {
        assert!(said(side, who) * 10 >= side.len() * 9, "{who:?} is in {} of {} pieces", said(side, who), side.len());
        assert_eq!(said(side, other), 0, "{other:?} is on the side of {who:?}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Customer,
    Company,
    /// Silence.
    Nothing,
    /// A mixture, the edge of a word, a key.
    Else,
}

/// Who is heard in each 20 ms of the left and the right.
fn sides(recording: &Recording, hertz: f64) -> [Vec<Said>; 2] {
    let rate = recording.rate;
    let who = |block: &[i16]| match () {
        () if tone::is_tone_at(block, provider::HERTZ, rate) => Said::Customer,
        () if tone::is_tone_at(block, hertz, rate) => Said::Company,
        () if block.iter().all(|sample| sample.unsigned_abs() < 100) => Said::Nothing,
        () => Said::Else,
    };
    let side = |channel: &Vec<i16>| channel.chunks_exact(tone::BLOCK * rate / tone::RATE).map(who).collect();
    assert_eq!(recording.channels.len(), 2, "left and right");
    [side(&recording.channels[0]), side(&recording.channels[1])]
}
