//! A caller leaves a message: greeting, beep, and then their words, until they hang up, press `#`, fall silent, or have said
//! enough.
//!
//! ```text
//!            Ready           Played, `#`       Played              Recorded           Played
//!   (begun) ──────► Greeting ──────────► Beep ───────► Recording ──────────► Goodbye ───────► over
//!                                                       │    ▲ `#`: EndRecord
//!                                                       └────┘
//! ```

use std::sync::Arc;

use super::words::{Heard, Wish};
use crate::anchor::Until;
use crate::clock::Duration;
use crate::sound::{Sound, Tone};

/// A recording that has not ended by itself so long after it should have is not waited for: nothing is, or it is not heard
/// of any more.
const OVERDUE: Duration = Duration::from_secs(10);

/// A message being taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Voicemail {
    mailbox: Arc<str>,
    greeting: Vec<Sound>,
    until: Until,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begun,
    Greeting,
    Beep,
    Recording,
    Goodbye,
}

impl Voicemail {
    /// For this box, after this greeting.
    pub fn new(mailbox: Arc<str>, greeting: Vec<Sound>, until: Until) -> Voicemail {
        Voicemail { mailbox, greeting, until, stage: Stage::Begun }
    }

    pub(super) fn hear(&mut self, heard: &Heard, wishes: &mut Vec<Wish>) {
        self.stage = match (self.stage, heard) {
            (Stage::Begun, Heard::Ready) => {
                wishes.push(Wish::Play(std::mem::take(&mut self.greeting)));
                Stage::Greeting
            }
            (Stage::Greeting, Heard::Played | Heard::Digit('#')) => {
                wishes.push(Wish::Play(vec![Sound::Tone(Tone::Beep)]));
                Stage::Beep
            }
            (Stage::Beep, Heard::Played) => {
                wishes.push(Wish::Record { mailbox: self.mailbox.clone(), until: self.until });
                wishes.extend(self.until.longest.map(|longest| Wish::Wake(longest + OVERDUE)));
                Stage::Recording
            }
            (Stage::Recording, Heard::TimeUp) => {
                wishes.push(Wish::EndRecord);
                wishes.push(Wish::Play(vec![Sound::prompt("goodbye")]));
                Stage::Goodbye
            }
            (Stage::Recording, Heard::Digit('#')) => {
                wishes.push(Wish::EndRecord);
                Stage::Recording
            }
            (Stage::Recording, Heard::Recorded(_)) => {
                wishes.push(Wish::Play(vec![Sound::prompt("goodbye")]));
                Stage::Goodbye
            }
            (Stage::Goodbye, Heard::Played) => {
                wishes.push(Wish::Done);
                Stage::Goodbye
            }
            (stage, _) => stage,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchor::Taken;

    fn said(heard: &[Heard]) -> Vec<Wish> {
        let until = Until { longest: Some(Duration::from_secs(180)), silence: None };
        let mut voicemail = Voicemail::new("sales".into(), vec![Sound::prompt("voicemail")], until);
        let mut wishes = Vec::new();
        heard.iter().for_each(|heard| voicemail.hear(heard, &mut wishes));
        wishes
    }

    #[test]
    fn a_greeting_a_beep_a_message_and_a_goodbye() {
        let heard = [
            Heard::Ready,
            Heard::Played,
            Heard::Played,
            Heard::Spoke,
            Heard::Digit('5'),
            Heard::Digit('#'),
            Heard::Recorded(Taken::default()),
            Heard::Played,
        ];
        let until = Until { longest: Some(Duration::from_secs(180)), silence: None };
        let expected = [
            Wish::Play(vec![Sound::prompt("voicemail")]),
            Wish::Play(vec![Sound::Tone(Tone::Beep)]),
            Wish::Record { mailbox: "sales".into(), until },
            Wish::Wake(Duration::from_secs(190)),
            Wish::EndRecord,
            Wish::Play(vec![Sound::prompt("goodbye")]),
            Wish::Done,
        ];
        assert_eq!(said(&heard), expected);
    }

    #[test]
    fn a_recording_of_which_nothing_is_heard_keeps_nobody_for_ever() {
        let wishes = said(&[Heard::Ready, Heard::Played, Heard::Played, Heard::TimeUp, Heard::Played]);
        let last = [Wish::EndRecord, Wish::Play(vec![Sound::prompt("goodbye")]), Wish::Done];
        assert_eq!(wishes[wishes.len() - 3..], last);
    }

    #[test]
    fn who_knows_the_greeting_passes_it_with_a_hash() {
        let wishes = said(&[Heard::Ready, Heard::Digit('1'), Heard::Digit('#')]);
        assert_eq!(wishes[1..], [Wish::Play(vec![Sound::Tone(Tone::Beep)])]);
    }
}
