//! Random scripts without end: calls over a network that loses, doubles and reorders, and mornings that a naive model
//! foretells. In virtual time, so that an hour takes a moment.
//!
//! `cargo test` plays a few of both. A long run: `cargo test --release --test long_scripts -- --steps 10000000 --seed 1`.
//! It ends with a line `ok: …`, or with the shrunk script of what did not hold and `WRONG: …`. `--gather` writes the corpus
//! of the naive model anew: for each of its rules the smallest morning in which it tells.
#![allow(clippy::disallowed_methods)] // Prints how long it took; the core is told the time.

#[path = "../../naive/mod.rs"]
mod naive;
#[path = "../../fuzz/src/town/mod.rs"]
mod town;

mod draw;
mod shrink;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use draw::Drawn;
use huntline::entropy::Entropy;
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use town::{Ending, script};

/// How much of chance the mornings of one office may use.
const TAPE: usize = 2_500;
/// Steps of a plain `cargo test`.
const FEW: u64 = 6_000;
/// One script of so many is played twice: the same bytes must leave.
const TWICE: u64 = 32;
/// How often a failing script is played to make it smaller.
const TRIES: usize = 3_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1).and_then(|value| value.parse::<u64>().ok()).unwrap_or_else(|| {
            eprintln!("{name} wants a number, as in: --steps 10000000 --seed 1");
            std::process::exit(2)
        }))
    };
    if arguments.iter().any(|argument| argument == "--gather") {
        return gather(number("--seed").unwrap_or(1));
    }
    match number("--steps") {
        Some(steps) => long(steps, number("--seed").unwrap_or(1)),
        None => {
            let trial = || match run(FEW, 1, false) {
                Ok(_) => Ok(()),
                Err(wrong) => Err(Failed::from(wrong)),
            };
            let trials = vec![Trial::test("a_few_steps_of_the_long_run", trial)];
            libtest_mimic::run(&Arguments::from_args(), trials).exit()
        }
    }
}

fn long(steps: u64, seed: u64) -> ExitCode {
    // What does not hold is told once, when it is small.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    match run(steps, seed, true) {
        Ok(tally) => {
            println!("ok: seed {seed}: {}", tally.text(began));
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("{wrong}\nWRONG: seed {seed}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Tally {
    scripts: u64,
    town_steps: u64,
    town_calls: u64,
    answered: u64,
    moves: [u64; 4],
    seconds: u64,
    offices: u64,
    mornings: naive::Count,
}

impl Tally {
    fn steps(&self) -> u64 {
        self.town_steps + self.mornings.steps
    }

    fn text(&self, began: Instant) -> String {
        let wall = began.elapsed().as_secs_f64();
        let core = seconds_of_a_core();
        let [held, handed_on, returned, joined] = self.moves;
        let naive::Count { calls, steps, seen, ties, refused, seconds } = self.mornings;
        format!(
            "{} steps, {} calls, {} virtual hours in {wall:.0} s, {core:.0} s of a core: {:.0} steps/s of a core\n\
             over a bad network: {} steps in {} scripts, {} calls, {} answered, {held} put on hold, {handed_on} handed on, {returned} of them \
             given back, {joined} joined after a consultation\n\
             with the naive model: {steps} steps in {} offices, {calls} calls, {seen} things seen on the wire and in the \
             record, all as foretold; {ties} mornings with two things in one microsecond and {refused} offices that the \
             check refuses are left out",
            self.steps(),
            self.town_calls + calls,
            (self.seconds + seconds) / 3600,
            self.steps() as f64 / core.max(0.001),
            self.town_steps,
            self.scripts,
            self.town_calls,
            self.answered,
            self.offices,
        )
    }
}

/// What this run has really taken, whoever else is at work here.
fn seconds_of_a_core() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or(0.0, |usage| usage.user_time().num_milliseconds() as f64 / 1e3)
}

/// Half of the steps each way. `Err`: what did not hold, with the smallest script that shows it.
fn run(steps: u64, seed: u64, tells: bool) -> Result<Tally, String> {
    let mut chance = seeded(seed);
    let mut tally = Tally::default();
    let (began, mut told) = (Instant::now(), 0);
    while tally.steps() < steps {
        if tally.town_steps <= tally.mornings.steps {
            let drawn = Drawn::new(&mut chance);
            let witness = play(drawn.head, &drawn.steps).map_err(|why| smallest_script(&drawn, &why))?;
            if tally.scripts.is_multiple_of(TWICE) {
                let again = play(drawn.head, &drawn.steps)?;
                if again.transcript() != witness.transcript() {
                    let file = keep("script", &Drawn::bytes(drawn.head, &drawn.steps));
                    return Err(format!("the same script and luck gave other bytes: {}", file.display()));
                }
            }
            let (calls, answered) = witness.calls();
            tally.scripts += 1;
            tally.town_steps += drawn.steps.len() as u64;
            tally.town_calls += calls as u64;
            tally.answered += answered as u64;
            tally.moves.iter_mut().zip(witness.moves()).for_each(|(sum, moves)| *sum += moves as u64);
            tally.seconds += witness.lasted().as_secs();
        } else {
            let tape = tape(&mut chance);
            let compared = compare(&tape).map_err(|_| smallest_morning(&tape))?;
            tally.offices += 1;
            tally.mornings.add(compared.count);
        }
        if tells && tally.steps() / 1_000_000 > told {
            told = tally.steps() / 1_000_000;
            eprintln!("{told} million steps, {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    Ok(tally)
}

/// The smallest mornings in which each rule tells, into the corpus of the naive model.
fn gather(seed: u64) -> ExitCode {
    let mut chance = seeded(seed);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/naive/corpus");
    let mut missing = naive::RULES.to_vec();
    while !missing.is_empty() {
        let tape = tape(&mut chance);
        let met = compare(&tape).map(|compared| compared.met).unwrap_or_default();
        for rule in met {
            if !missing.contains(&rule.as_str()) {
                continue;
            }
            missing.retain(|other| *other != rule);
            let meets = |tape: &[u16]| compare(tape).is_ok_and(|compared| compared.met.contains(&rule));
            let small = shrink::shrink(&tape, TRIES, meets);
            let file = folder.join(naive::file_of(&rule));
            println!("{}: {} choices", file.display(), small.len());
            if let Err(error) = std::fs::write(&file, naive::written(&small)) {
                eprintln!("{} cannot be written: {error}", file.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn seeded(seed: u64) -> Entropy {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    Entropy::seeded(key, 0)
}

fn tape(chance: &mut Entropy) -> Vec<u16> {
    (0..TAPE).map(|_| chance.u64() as u16).collect()
}

/// As the fuzz target `switch` plays it.
fn play(head: [u8; 2], steps: &[Vec<u8>]) -> Result<town::Witness, String> {
    caught(|| Ok(town::play(&script::read(&steps.concat()), u64::from(head[0]) + 1, ending(head))))
}

fn ending(head: [u8; 2]) -> Ending {
    if head[1].is_multiple_of(2) { Ending::Silence } else { Ending::Manners }
}

fn compare(tape: &[u16]) -> Result<naive::Compared, String> {
    caught(|| naive::compare(tape, naive::DAYS))
}

/// What an assertion says is an answer here.
fn caught<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(text.unwrap_or_else(|| "it panicked".to_owned()))
    })
}

fn smallest_script(drawn: &Drawn, why: &str) -> String {
    let steps = shrink::shrink(&drawn.steps, TRIES, |steps| play(drawn.head, steps).is_err());
    let why = play(drawn.head, &steps).err().unwrap_or_else(|| why.to_owned());
    let file = keep("script", &Drawn::bytes(drawn.head, &steps));
    let mut text = format!("{why}\nluck {}, {:?}\n", u64::from(drawn.head[0]) + 1, ending(drawn.head));
    for step in script::read(&steps.concat()) {
        text += &format!("  {step:?}\n");
    }
    text + &format!("for tests/fuzz/corpus/switch: {}", file.display())
}

fn smallest_morning(tape: &[u16]) -> String {
    let tape = shrink::shrink(tape, TRIES, |tape| compare(tape).is_err());
    let file = keep("morning", &naive::written(&tape));
    let why = compare(&tape).err().unwrap_or_default();
    format!("{why}\nfor tests/naive/corpus: {}", file.display())
}

fn keep(name: &str, bytes: &[u8]) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("smallest-{name}"));
    if let Err(error) = std::fs::write(&file, bytes) {
        eprintln!("{} cannot be written: {error}", file.display());
    }
    file
}
