//! What the readers of a config ask for: which keys, and as what. The schema is made of that, so that it says what is read.
//!
//! A survey is a reading of a config in which nobody wrote anything: every key is there, or is not, by turns, and whatever is
//! asked of a value is noted and answered with something plausible. After some rounds every question has been asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// How often everything is asked; each round answers otherwise.
pub(super) const ROUNDS: u32 = 256;

/// What was asked so far.
#[derive(Debug, Default)]
pub(super) struct Survey {
    round: std::cell::Cell<u32>,
    shapes: RefCell<BTreeMap<String, Shape>>,
}

/// What a value was asked for, besides its keys and its parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A name on one line.
    Label,
    /// A length of time.
    Duration,
    /// A password: text, or the file it is in.
    Secret,
    /// One of a few words.
    Word(Vec<String>),
    /// A whole number within bounds.
    Number(u32, u32),
    /// True or false.
    Flag,
    /// `false`, for what can be switched off.
    Off,
    /// A list.
    List,
    /// A list of tables.
    Tables,
    /// A table.
    Table,
}

/// What is known of one place: `did[].open.to`.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// What it was asked for.
    pub(super) kinds: BTreeSet<Kind>,
    /// A list of it may not be empty.
    pub(super) some: bool,
    /// The keys that are the admin's to choose.
    pub(super) is_open: bool,
    /// The keys it was asked for, and the rounds in which each must have been there.
    pub(super) keys: BTreeMap<String, BTreeSet<u32>>,
    /// The rounds in which any of its keys was asked for.
    pub(super) rounds: BTreeSet<u32>,
}

impl Survey {
    /// What was asked, place by place; the whole document is the place without a name.
    pub(super) fn into_shapes(self) -> BTreeMap<String, Shape> {
        self.shapes.into_inner()
    }

    pub(super) fn begin(&self, round: u32) {
        self.round.set(round);
    }

    pub(super) fn kind(&self, place: &str, kind: Kind) {
        self.at(place, |shape| _ = shape.kinds.insert(kind));
    }

    pub(super) fn some(&self, place: &str) {
        self.at(place, |shape| shape.some = true);
    }

    pub(super) fn open(&self, place: &str) {
        self.at(place, |shape| shape.is_open = true);
    }

    pub(super) fn key(&self, place: &str, key: &str, is_needed: bool) {
        let round = self.round.get();
        self.at(place, |shape| {
            shape.rounds.insert(round);
            let needed = shape.keys.entry(key.to_owned()).or_default();
            if is_needed {
                needed.insert(round);
            }
        });
    }

    fn at(&self, place: &str, note: impl FnOnce(&mut Shape)) {
        note(self.shapes.borrow_mut().entry(place.to_owned()).or_default());
    }

    /// One of `choices`, another one in each round, and another one in each place.
    pub(super) fn choose(&self, place: &str, choices: usize) -> usize {
        // FNV-1a: the same everywhere, and two places have nothing to do with each other.
        let mixed = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = place.bytes().chain(self.round.get().to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, mixed);
        ((hash >> 32) as usize) % choices.max(1)
    }
}
