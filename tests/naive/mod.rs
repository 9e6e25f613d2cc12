//! Who rings when, told twice: by the real core, and by a model that was written from the rules alone.
//!
//! An [`Office`](office::Office) and a [`Day`](day::Day) are drawn at random as plain data. [`model::foretell`] reads them
//! and says what will be seen; [`stage::play`] writes the office down as an admin would, plays the day with real messages
//! against the real `Switch` over a perfect network, and says what was seen. Both must be the same to the microsecond.
//!
//! The model shares nothing with the house: no plan, no timetable, no leg, no config. Where the two differ, the rules decide
//! which of them is mended.
#![allow(dead_code)]

#[path = "../hypothetical/choices.rs"]
pub mod choices;
pub mod day;
pub mod model;
pub mod office;
pub mod stage;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use choices::Choices;
use day::Day;
use office::Office;

/// Mornings in each office.
pub const DAYS: usize = 3;

/// What is seen of a call, from outside. Calls are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// An INVITE leaves to a phone of this person.
    Rings { call: usize, person: usize, phone: usize },
    /// A CANCEL leaves to it.
    Stops { call: usize, person: usize, phone: usize },
    /// A BYE leaves to it: the talk is over, or it answered too late.
    HangsUp { call: usize, person: usize, phone: usize },
    /// The caller hears 180.
    Ringback { call: usize },
    /// The caller is told to listen: 183.
    Early { call: usize },
    /// The router says these to the caller, one after the other.
    Says { call: usize, what: Vec<String> },
    /// The router writes down what the caller says.
    Takes { call: usize },
    /// The caller hears the final response.
    Hears { call: usize, status: u16 },
    /// A BYE leaves to the caller.
    Released { call: usize },
    /// This person's phone has won.
    Answers { call: usize, person: usize, phone: usize },
    /// The record says that it is over; the cause, where it was missed.
    Over { call: usize, missed: Option<&'static str> },
}

impl Seen {
    /// How a call came out, in a word.
    fn outcome(&self) -> Option<String> {
        match self {
            Seen::Hears { status, .. } => Some(format!("final {status}")),
            Seen::Over { missed, .. } => missed.map(|cause| format!("missed: {cause}")),
            _ => None,
        }
    }
}

/// One comparison: how much it was, and which rules and outcomes were met.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    pub count: Count,
    pub met: BTreeSet<String>,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Offices that the check refused.
    pub refused: u64,
    /// Days on which two things happened within one microsecond: nothing is foretold of them.
    pub ties: u64,
    /// What people and phones did.
    pub steps: u64,
    pub calls: u64,
    pub seen: u64,
    /// Virtual time, in seconds.
    pub seconds: u64,
}

impl Count {
    pub fn add(&mut self, other: Count) {
        self.refused += other.refused;
        self.ties += other.ties;
        self.steps += other.steps;
        self.calls += other.calls;
        self.seen += other.seen;
        self.seconds += other.seconds;
    }
}

/// One office, and a few mornings in it. `Err`: where the two stories differ.
pub fn compare(tape: &[u16], days: usize) -> Result<Compared, String> {
    let mut choices = Choices::new(tape.to_vec());
    let office = Office::draw(&mut choices);
    let mut compared = Compared::default();
    let count = &mut compared.count;
    let Some(config) = stage::config(&office) else {
        count.refused = 1;
        return Ok(compared);
    };
    for _ in 0..days {
        let day = Day::draw(&mut choices, &office);
        let Some(foretold) = model::foretell(&office, &day) else {
            count.ties += 1;
            continue;
        };
        let played = stage::play(&config, &day);
        let seen = in_order(played.seen);
        let rules = foretold.rules;
        let foretold = in_order(foretold.seen);
        if seen != foretold {
            return Err(difference(&office, &day, &foretold, &seen));
        }
        count.steps += played.steps;
        count.calls += day.lines.iter().filter(|(_, line)| matches!(line, day::Line::Call(_))).count() as u64;
        count.seen += seen.len() as u64;
        count.seconds += played.seconds;
        compared.met.extend(rules.into_iter().map(str::to_owned));
        compared.met.extend(seen.iter().filter_map(|(_, seen)| seen.outcome()));
    }
    Ok(compared)
}

/// Within one instant the order is free.
fn in_order(mut seen: Vec<(u64, Seen)>) -> Vec<(u64, Seen)> {
    seen.sort();
    seen
}

fn difference(office: &Office, day: &Day, foretold: &[(u64, Seen)], seen: &[(u64, Seen)]) -> String {
    let mut text = format!("{}\n", office.text());
    text += &format!("customers {:?}\nregistered {:?}\n", day.customers, day.registered);
    for (person, phones) in day.habits.iter().enumerate() {
        text += &format!("phones of {} {:?}\n                {:?}\n", 10 + person, phones[0], phones[1]);
    }
    for (at, line) in &day.lines {
        text += &format!("{at:>12} {line:?}\n");
    }
    text += "what was foretold (-), what was seen (+)\n";
    let mut both: Vec<&(u64, Seen)> = foretold.iter().chain(seen).collect();
    both.sort();
    both.dedup();
    for one in both {
        let sign = match (foretold.contains(one), seen.contains(one)) {
            (true, true) => ' ',
            (true, false) => '-',
            _ => '+',
        };
        text += &format!("{sign} {:>12} {:?}\n", one.0, one.1);
    }
    text
}

/// Where a phone stands. The first one of a person may be one that does not register.
pub fn phone(person: usize, phone: usize) -> SocketAddr {
    ([127, 0, 100 + phone as u8, person as u8 + 1], 5060).into()
}

/// The file of a rule in the corpus.
pub fn file_of(rule: &str) -> String {
    rule.replace(": ", "-").replace(' ', "-")
}

/// A tape as a file of the corpus holds it.
pub fn written(tape: &[u16]) -> Vec<u8> {
    tape.iter().flat_map(|choice| choice.to_be_bytes()).collect()
}

pub fn read(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

/// What random mornings are to meet. Each has a small one in `corpus` that shows it.
pub const RULES: &[&str] = &[
    "488 or 606 of all phones",
    "a CANCEL waits",
    "a greeting before the router takes the call",
    "a message",
    "a message ends in silence",
    "a message ends with #",
    "a phone joins",
    "an empty message",
    "announcement",
    "answered for a greeting",
    "answers too late",
    "away",
    "blocked",
    "busy",
    "call waiting",
    "closed",
    "closed by hand",
    "declined before",
    "declined for all phones",
    "declines too late",
    "deputy",
    "deputy of a member",
    "entered once",
    "escalating",
    "final 200",
    "final 403",
    "final 404",
    "final 480",
    "final 486",
    "final 487",
    "final 488",
    "final 603",
    "forward",
    "forward goes round",
    "forward in vain",
    "forward on busy",
    "full",
    "greeting",
    "greeting first",
    "hangs up before the beep",
    "hangs up in a message",
    "hangs up in an announcement",
    "is busy",
    "is unreachable",
    "joins for the rest of the turn",
    "keeps its INVITE",
    "left",
    "meets the one who heard a greeting",
    "missed: abandoned",
    "missed: after_hours",
    "missed: all_busy",
    "missed: announcement_only",
    "missed: capacity",
    "missed: no_answer",
    "missed: none_reachable",
    "missed: rejected",
    "missed: voicemail_left",
    "next of the list",
    "no answer",
    "not even the operator",
    "open",
    "operator",
    "order",
    "outside hours",
    "own DID dialled inside",
    "own way",
    "patience",
    "ring-all",
    "rings after a second",
    "runs out",
    "sequential",
    "silence",
    "skips the greeting",
    "taken by another call",
    "the best reason of two phones",
    "turn over",
    "unreachable",
    "voicemail",
];
