//! Keys that an employee presses in a talk, for phones that have no button for it: `##` and a number hands the other one on,
//! `*2` and a number does so after a word with whoever answers there.
//!
//! ```text
//!            key of a code            whole code                  key
//!   (none) ───────────────► Code ────────────────────► Number ──────────► Number
//!     ▲  no code, or 3 s    │   a code without a number   │  `#`, or 4 s
//!     └─────────────────────┴─────────────────────────────┴──► Pressed
//! ```
//! The other side hears the keys, too, and what they are for only afterwards: nobody knows before.

use crate::clock::{Duration, Instant};
use crate::config::{Features, TalkCode};
use crate::key::LegKey;

/// The keys of a code follow each other within this time.
const APART: Duration = Duration::from_secs(3);
/// A number is complete when no key follows for so long.
const PAUSE: Duration = Duration::from_secs(4);
/// Time for the first key of a number.
const PATIENCE: Duration = Duration::from_secs(10);
/// As long as any number can be.
const MOST: usize = 32;

/// What keys come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// A code, the number of which is still to come, where it needs one.
    Code(TalkCode),
    /// A code with its number.
    Dialled(TalkCode, String),
    /// A code without the number that it needs.
    NoNumber,
}

/// The keys that one side has pressed.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) leg: LegKey,
    code: Option<TalkCode>,
    text: String,
    until: Option<Instant>,
}

impl Keys {
    /// Nothing is pressed yet.
    pub(super) fn of(leg: LegKey) -> Keys {
        Keys { leg, code: None, text: String::new(), until: None }
    }

    /// When [`Keys::due`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// One more key.
    pub(super) fn press(&mut self, key: char, features: &Features, now: Instant) -> Option<Pressed> {
        if let Some(code) = self.code {
            if key != '#' {
                self.text.push(key);
            }
            if key == '#' || self.text.len() >= MOST {
                return Some(self.dialled(code));
            }
            self.until = Some(now + PAUSE);
            return None;
        }
        self.text.push(key);
        // What is no code may still end in the beginning of one.
        while !self.text.is_empty() {
            match features.read_in_talk(&self.text) {
                Ok(code) => {
                    self.text.clear();
                    let needs_number = code != TalkCode::Record;
                    (self.code, self.until) =
                        if needs_number { (Some(code), Some(now + PATIENCE)) } else { (None, None) };
                    return Some(Pressed::Code(code));
                }
                Err(true) => {
                    self.until = Some(now + APART);
                    return None;
                }
                Err(false) => _ = self.text.remove(0),
            }
        }
        self.until = None;
        None
    }

    /// The time of [`Keys::deadline`] has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Pressed> {
        self.until.take_if(|until| *until <= now)?;
        match self.code {
            Some(code) => Some(self.dialled(code)),
            None => {
                self.text.clear();
                None
            }
        }
    }

    /// Forgets what was pressed.
    pub(super) fn forget(&mut self) {
        *self = Keys::of(self.leg);
    }

    fn dialled(&mut self, code: TalkCode) -> Pressed {
        let number = std::mem::take(&mut self.text);
        self.forget();
        if number.is_empty() { Pressed::NoNumber } else { Pressed::Dialled(code, number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::of(LegKey::from_bits(1))
    }

    fn press(keys: &mut Keys, text: &str) -> Vec<Pressed> {
        text.chars().filter_map(|key| keys.press(key, &Features::default(), Instant::START)).collect()
    }

    #[test]
    fn a_code_and_a_number_with_a_hash() {
        let code = TalkCode::Transfer;
        assert_eq!(press(&mut keys(), "##14#"), [Pressed::Code(code), Pressed::Dialled(code, "14".into())]);
        let code = TalkCode::TransferAttended;
        assert_eq!(press(&mut keys(), "*2201#"), [Pressed::Code(code), Pressed::Dialled(code, "201".into())]);
    }

    #[test]
    fn a_pause_ends_a_number_and_a_code_that_is_not_finished() {
        let mut keys = keys();
        press(&mut keys, "##14");
        assert_eq!(keys.deadline(), Some(Instant::START + PAUSE));
        assert_eq!(keys.due(Instant::START), None);
        let end = Instant::START + PAUSE;
        assert_eq!(keys.due(end), Some(Pressed::Dialled(TalkCode::Transfer, "14".into())));
        assert_eq!(keys.deadline(), None);
        press(&mut keys, "#");
        assert_eq!(keys.due(Instant::START + APART), None);
        assert_eq!(press(&mut keys, "#"), []);
    }

    #[test]
    fn who_dials_no_number_is_told_so() {
        let mut keys = keys();
        press(&mut keys, "##");
        assert_eq!(keys.due(Instant::START + PATIENCE), Some(Pressed::NoNumber));
        assert_eq!(press(&mut keys, "###").last(), Some(&Pressed::NoNumber));
    }

    #[test]
    fn other_keys_are_nobodys_business_and_hide_no_code_behind_them() {
        let mut keys = keys();
        assert_eq!(press(&mut keys, "12345*9"), []);
        assert_eq!(keys.deadline(), None);
        assert_eq!(press(&mut keys, "7#*1"), [Pressed::Code(TalkCode::Record)]);
        assert_eq!(keys.deadline(), None);
    }
}
