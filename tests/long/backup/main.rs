//! How long the journal's commits take while a backup of a large database is made beside it.
//!
//!     cargo bench --bench backup                  # 500 MB
//!     cargo bench --bench backup -- 100           # MB
//!
//! An office writes a call every 5 ms, first undisturbed and then while `huntline backup` runs as a process of its own; both
//! times the longest commit, the 99th percentile and how many there were are printed. Nothing is asserted but that the
//! backup is whole.

#![allow(clippy::disallowed_methods)] // A program that measures asks the machine for the time; the core does not.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Noted, Offered, Party};
use huntline::key::CallId;
use huntline::route::Direction;
use huntline::store::{FILE, Writer};

const PER_CALL: u64 = 3;
const BETWEEN: Duration = Duration::from_millis(5);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` starts benches too, and is not meant to wait for them.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let megabytes: u64 = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(500);
    let folder = std::env::temp_dir().join(format!("huntline-backup-{}", std::process::id()));
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(folder.join("office.toml"), "[site]\ntimezone = \"UTC\"\n[storage]\ndirectory = \"data\"\n")
        .unwrap();
    let mut writer = Writer::open(&data).unwrap();
    let mut call = 0;
    while size(&data.join(FILE)) < megabytes << 20 {
        let facts: Vec<Noted> = (call..call + 1_000).flat_map(facts).collect();
        writer.append(&facts).unwrap();
        call += 1_000;
    }
    println!("{} MB, {call} calls", size(&data.join(FILE)) >> 20);

    let until = Instant::now() + Duration::from_secs(10);
    print("undisturbed", write(&mut writer, &mut call, || Instant::now() < until));
    let began = Instant::now();
    let mut backup = Command::new(env!("CARGO_BIN_EXE_huntline"));
    backup.current_dir(&folder).args(["backup", "office.tar", "--config", "office.toml"]);
    let mut backup = backup.spawn().unwrap();
    let spans = write(&mut writer, &mut call, || backup.try_wait().unwrap().is_none());
    println!("backup: {:.1} s, {} MB", began.elapsed().as_secs_f64(), size(&folder.join("office.tar")) >> 20);
    assert!(backup.wait().unwrap().success());
    print("during the backup", spans);
    huntline::backup::verify(&folder.join("office.tar")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Writes calls for as long as this holds; how long each commit took.
fn write(writer: &mut Writer, call: &mut u64, mut goes_on: impl FnMut() -> bool) -> Vec<Duration> {
    let mut spans = Vec::new();
    while goes_on() {
        let began = Instant::now();
        writer.append(&facts(*call)).unwrap();
        spans.push(began.elapsed());
        *call += 1;
        std::thread::sleep(BETWEEN);
    }
    spans
}

fn print(when: &str, mut spans: Vec<Duration>) {
    spans.sort_unstable();
    let at = |share: usize| spans[(spans.len() - 1) * share / 100];
    println!("{when}: {} commits, median {:?}, p99 {:?}, longest {:?}", spans.len(), at(50), at(99), at(100));
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

/// A missed call of a caller of its own.
fn facts(call: u64) -> Vec<Noted> {
    let at = Timestamp::from_millisecond(1_795_000_000_000 + call as i64 * 10).unwrap();
    let id = CallId::new(at, 0);
    let offered = Offered {
        direction: Direction::Inbound,
        from: Party { number: format!("+7916{:07}", call % 10_000_000).parse().ok(), ..Party::default() },
        to: Party::default(),
        did: Some("+74951234567".into()),
        source: None,
        trunk: Some("mango".into()),
        customer: None,
        emergency: false,
        reference: None,
        sip_call_id: format!("{call}@example"),
        because: Vec::new(),
        considered: Vec::new(),
        plan: "1. group:sales, 201 from 0 s to 20 s".into(),
    };
    let ended = Ended { by: EndedBy::Caller, status: 487, missed: Some(MissedCause::Abandoned), talk_ms: 0 };
    let steps = [
        CallFact::Offered(Box::new(offered)),
        CallFact::Ended(ended),
        CallFact::Traced { ladder: "mango -> us   INVITE\n".repeat(40), tape: None },
    ];
    let first = call * PER_CALL + 1;
    let noted = |(number, step)| Noted { number, at, fact: Fact::Call(id, step) };
    (first..).zip(steps).map(noted).collect()
}
