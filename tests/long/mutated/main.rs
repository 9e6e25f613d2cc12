//! Ten million mutated messages: no crash, nothing left over, and at most 64 MB more memory.
//!
//!     cargo bench --bench mutated -- --messages 10000000 --seed 1
//!
//! The torture messages, the fuzz corpora and what the peers of a living office would say next are mutated by a seeded
//! generator. Each goes through the checks of the grammar's fuzz targets, and then into one `Switch` that lives through
//! all of them in virtual time, with calls in progress. Prints what was done and ends with `ok: …` or `WRONG: …`.

#![allow(missing_docs)]
#![allow(clippy::disallowed_methods)] // Prints how long it took; the core is told the time.

#[allow(dead_code)] // The targets `uri`, `digest` and `switch` want other bytes than whole messages.
#[path = "../../fuzz/src/lib.rs"]
mod checks;
mod mutate;
mod office;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use huntline::entropy::Entropy;

use office::Office;

/// What memory may grow by, in bytes.
const GROWTH: u64 = 64 << 20;
/// Of so many messages one is said as it should be, so that the office stays alive.
const CLEAN: u64 = 4;

/// Of so many messages one is followed by the end of the longest talk.
const TALK: u64 = 100;

/// How far the run is, for whoever reads about a panic.
static DONE: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let (mut messages, mut seed) = (10_000_000, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number behind the option");
        match argument.as_str() {
            "--messages" => messages = number(),
            "--seed" => seed = number(),
            "--bench" => {}
            other => panic!("{other}: no such option; there are --messages and --seed"),
        }
    }
    run(messages, seed)
}

fn run(messages: u64, seed: u64) -> ExitCode {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    let mut chance = Entropy::seeded(key, 0);
    let seeds = seeds();
    let mut office = Office::new();
    std::panic::set_hook(Box::new(move |panic| {
        println!("WRONG: at message {} of seed {seed}: {panic}", DONE.load(Ordering::Relaxed));
    }));
    println!("{messages} mutated messages, seed {seed}, out of {} and what the office's peers say", seeds.len());
    let (begun, before) = (Instant::now(), memory("VmRSS"));
    let mut clean = 0u64;
    while DONE.load(Ordering::Relaxed) < messages {
        office.pass(chance.below(20_000));
        if chance.below(TALK) == 0 {
            office.hang_up();
        }
        let (who, said) = match chance.below(3) {
            0 => (office.anybody(&mut chance), seeds[chance.below(seeds.len() as u64) as usize].clone()),
            _ => office.next(&mut chance),
        };
        if chance.below(CLEAN) == 0 {
            clean += 1;
            office.hears(who, &said);
            continue;
        }
        let other = &seeds[chance.below(seeds.len() as u64) as usize];
        let mutated = mutate::mutate(&said, other, &mut chance);
        if mutated == said {
            continue;
        }
        let done = DONE.fetch_add(1, Ordering::Relaxed) + 1;
        check(&mutated, &mut chance);
        office.hears(who, &mutated);
        if done.is_multiple_of(messages.div_ceil(10)) {
            let (seconds, kilobytes) = (begun.elapsed().as_secs(), memory("VmRSS") >> 10);
            println!("{done:>9} {seconds:>5} s {kilobytes:>6} kB {:>6} answered", office.answered());
        }
    }
    let figures = office.rest();
    let (after, peak) = (memory("VmRSS"), memory("VmHWM"));
    println!("{figures}");
    println!("{clean} more were said as they should be; {} s", begun.elapsed().as_secs());
    println!("memory {} kB before, {} kB after, {} kB at most", before >> 10, after >> 10, peak >> 10);
    let grown = peak.saturating_sub(before);
    if grown > GROWTH {
        println!("WRONG: memory grew by {} kB; {} kB are allowed", grown >> 10, GROWTH >> 10);
        return ExitCode::FAILURE;
    }
    println!("ok: {messages} mutated messages, 0 crashes, {} kB more memory at most", grown >> 10);
    ExitCode::SUCCESS
}

/// What holds for any bytes, whole and in pieces of a stream; and for the body as a description.
fn check(bytes: &[u8], chance: &mut Entropy) {
    checks::message(bytes);
    let mut stream = vec![chance.below(256) as u8];
    stream.extend_from_slice(bytes);
    checks::framing(&stream);
    if let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        checks::sdp(&bytes[head + 4..]);
    }
}

/// The torture messages, and the corpora of whole messages and streams.
fn seeds() -> Vec<Vec<u8>> {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let folders = ["torture/rfc4475", "torture/rfc5118", "fuzz/corpus/message", "fuzz/corpus/framing"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(format!("{tests}/{folder}")).expect(folder));
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a seed")).collect()
}

/// Of this process, in bytes: `VmRSS` now, `VmHWM` at most so far.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(what)).expect("a line of memory");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number of kB");
    kilobytes << 10
}
