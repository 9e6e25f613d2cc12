//! A disk that is full, and one that does not answer: calls go on, and what they leave behind is on record once it can be.

use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use huntline::media::record::shape::{HEADER, Shape};
use serde_json::Value;

use crate::namespace;
use crate::router::{ADA, BOTH, Router, TWELVE, until};

#[test]
fn on_a_full_disk_calls_go_on_and_with_room_again_all_are_on_record() {
    let test = "disk::on_a_full_disk_calls_go_on_and_with_room_again_all_are_on_record";
    let Some(folder) = namespace::inside() else { return on_a_small_disk("full", test) };
    let mut router = Router::within(folder);
    router.serve();
    let phone = router.phone("12");
    talk(&router, &phone);
    until("it is on record", || router.calls().len() == 1);

    let filling = router.data().join("filling");
    fill(&filling);
    for _ in 0..3 {
        talk(&router, &phone);
    }
    // A phone that is new is believed, too.
    let other = router.phone("14");
    for _ in 0..2 {
        let call = router.provider.call(ADA, BOTH);
        let rings = [phone.rings(), other.rings()];
        call.hears_ringing();
        call.gives_up();
        rings.iter().for_each(|rings| rings.stops());
    }
    router.says("facts cannot be written");
    router.says("guarantee suspended");
    router.is_at_rest();
    assert_eq!(router.calls().len(), 1, "there is no room for more");

    std::fs::remove_file(filling).unwrap();
    router.says("facts are written again");
    let calls = on_record(&router, 6);
    router.says("alarm=Unwritable");
    let stand = |state: &str| calls.iter().filter(|call| call["state"] == state).count();
    assert_eq!((stand("answered"), stand("missed")), (4, 2), "{calls:?}");
    router.kill();
    router.serve();
    assert_eq!(router.calls().len(), 6);
    let call = router.provider.call(ADA, BOTH);
    let rings = [phone.rings(), other.rings()];
    call.gives_up();
    rings.iter().for_each(|rings| rings.stops());
    router.signal("-TERM");
    assert_eq!(router.ended(), Some(0));
}

/// A talk is being recorded and a message left when the disk becomes full, a second message begins on the full disk, and is
/// still being spoken when there is room again.
#[test]
fn on_a_full_disk_messages_and_recorded_talks_lose_sound_and_nothing_else() {
    let test = "disk::on_a_full_disk_messages_and_recorded_talks_lose_sound_and_nothing_else";
    let Some(folder) = namespace::inside() else { return on_a_small_disk("sound", test) };
    let mut router = Router::within(folder);
    router.configured(|office| {
        office
            + "[media]\nrecord = \"external\"\n\
               [[did]]\nnumber = \"+493012342\"\nopen = { to = \"voicemail:box\" }\n\
               [[voicemail]]\nname = \"box\"\nfor = [\"12\"]\ngreeting = \"short.wav\"\n"
    });
    std::fs::create_dir_all(router.data().join("prompts")).unwrap();
    let silence = [&Shape { rate: 8_000, channels: 1 }.header(1_600)[..], &[0; 1_600]].concat();
    std::fs::write(router.data().join("prompts/short.wav"), silence).unwrap();
    router.serve();
    let phone = router.phone("12");
    let mut call = router.provider.call(ADA, TWELVE);
    let rings = phone.rings();
    rings.answers();
    let there = call.is_answered();
    let voice = Voice::speaks(&call.sound, there);
    let leave = || {
        let mut caller = router.provider.call("+491701112234", "+493012342");
        let there = caller.is_answered();
        let voice = Voice::speaks(&caller.sound, there);
        (caller, voice)
    };
    let (mut early, early_voice) = leave();
    // Something of both is on the disk.
    until("the talk is recorded", || longest(&router.data().join("recordings")) > HEADER as u64);
    until("the message is recorded", || longest(&router.data().join("voicemail")) > SAID);

    let filling = router.data().join("filling");
    fill(&filling);
    let loses = |files: usize| {
        let said = || router.log().matches("a recording loses sound").count();
        until(&format!("{files} recordings lose sound"), || said() >= files);
    };
    loses(2);
    // Who talks hears nothing of it,
    call.sound.send_to(&[&[0x80, 8, 255, 0, 0, 0, 0, 0][..], b"ada!", b"still here"].concat(), there).unwrap();
    phone.peer.hear("", "still here");
    // nor does who leaves a message, or begins to.
    let before = messages(&router);
    let (mut late, late_voice) = leave();
    loses(3);
    drop(early_voice);
    early.hangs_up();
    router.says("facts cannot be written");

    std::fs::remove_file(filling).unwrap();
    router.says("facts are written again");
    let second =
        || messages(&router).into_iter().filter(|file| !before.contains(file)).map(|file| length(&file)).sum::<u64>();
    until("the second message is recorded as well", || second() > SAID);
    drop(late_voice);
    late.hangs_up();
    drop(voice);
    call.hangs_up();
    rings.is_hung_up();
    router.is_at_rest();
    router.says("alarm=RecordingLoses");
    for after_a_kill in [false, true] {
        if after_a_kill {
            router.kill();
            router.serve();
        }
        let calls = on_record(&router, 3);
        let left = calls.iter().filter(|call| call["missed"] == "voicemail_left").count();
        assert_eq!(left, 2, "{calls:?}");
        until("so are the messages", || {
            router.shows(&["voicemail", "list"]).as_array().is_some_and(|all| all.len() == 2)
        });
        let listed = router.shows(&["voicemail", "list"]);
        let talks = files(&router.data().join("recordings"));
        assert_eq!(talks.len(), 1, "{talks:?}");
        let files = listed.as_array().unwrap().iter().map(|row| router.data().join(row["file"].as_str().unwrap()));
        for file in files.chain(talks) {
            let sound = std::fs::read(&file).unwrap();
            let (_, said) = Shape::read(sound[..HEADER].try_into().unwrap()).expect("it can be played");
            assert!(said > 0 && said <= (sound.len() - HEADER) as u64, "{}: {said} bytes", file.display());
        }
    }
}

/// Bytes of a message that says something: a second and a half.
const SAID: u64 = HEADER as u64 + 24_000;

/// Somebody who speaks without a pause.
struct Voice {
    over: Arc<AtomicBool>,
}

impl Voice {
    fn speaks(sound: &UdpSocket, there: SocketAddr) -> Voice {
        let over = Arc::new(AtomicBool::new(false));
        let (sound, ended) = (sound.try_clone().unwrap(), over.clone());
        std::thread::spawn(move || {
            for number in 0u16.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let mut packet = vec![0x80, 8];
                packet.extend_from_slice(&number.to_be_bytes());
                packet.extend_from_slice(&(u32::from(number) * 160).to_be_bytes());
                packet.extend_from_slice(b"ada!");
                // 400 Hz in A-law, as loud as a voice.
                packet.extend((0..160u32).map(|at| if at % 20 < 10 { 0xb5 } else { 0x35 }));
                if sound.send_to(&packet, there).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Voice { over }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn messages(router: &Router) -> Vec<PathBuf> {
    files(&router.data().join("voicemail"))
}

/// The recordings below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

fn longest(folder: &Path) -> u64 {
    files(folder).iter().map(|file| length(file)).max().unwrap_or(0)
}

#[test]
fn while_another_holds_the_database_calls_ring_late_and_an_alarm_says_so() {
    let router = Router::start("locked");
    let phone = router.phone("12");
    talk(&router, &phone);
    router.is_at_rest();
    // What is set by hand is acknowledged once it is on record, and all before it: nothing waits any more.
    for away in ["on", "off"] {
        assert!(router.command(&["away", "12", away]).status().unwrap().success());
    }
    assert_eq!(router.calls().len(), 1);

    let other = rusqlite::Connection::open(router.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let call = router.provider.call(ADA, TWELVE);
    let rings = phone.rings();
    call.hears_ringing();
    // Until then the answer waits for its record, in vain.
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    router.says("guarantee suspended");
    call.gives_up();
    rings.stops();
    talk(&router, &phone);
    router.is_at_rest();
    assert_eq!(router.calls().len(), 1, "nobody can write");

    other.execute_batch("ROLLBACK").unwrap();
    let calls = on_record(&router, 3);
    router.says("on time again");
    let states: Vec<_> = calls.iter().map(|call| call["state"].clone()).collect();
    assert_eq!(states, ["answered", "missed", "answered"]);
}

/// Waits until so many calls are on record, with their ends.
fn on_record(router: &Router, calls: usize) -> Vec<Value> {
    let over = |all: &[Value]| all.len() == calls && all.iter().all(|call| call["state"] != "open");
    until("all are on record", || over(&router.calls()));
    router.calls()
}

/// A customer calls, the phone answers, the customer hangs up.
fn talk(router: &Router, phone: &crate::peers::Phone) {
    let mut call = router.provider.call(ADA, TWELVE);
    let rings = phone.rings();
    call.hears_ringing();
    rings.answers();
    call.is_answered();
    call.hangs_up();
    rings.is_hung_up();
}

/// Leaves not a byte.
fn fill(path: &std::path::Path) {
    let mut file = File::create(path).unwrap();
    for chunk in [65_536, 4_096, 1] {
        while file.write_all(&vec![0xa5; chunk]).is_ok() {}
    }
}

/// Runs a test again, in a file system of its own: `data` is a disk of eight megabytes there.
fn on_a_small_disk(name: &str, test: &str) {
    let disk = |folder: &Path| format!("mount -t tmpfs -o size=8m tmpfs {}/data", folder.display());
    namespace::again(name, test, &["--mount"], disk);
}
