//! Something is said, then it is over.

use super::words::{Heard, Wish};
use crate::sound::Sound;

/// An announcement.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    sounds: Vec<Sound>,
}

impl Announcement {
    /// Says these, once.
    pub fn new(sounds: Vec<Sound>) -> Announcement {
        Announcement { sounds }
    }

    pub(super) fn hear(&mut self, heard: &Heard, wishes: &mut Vec<Wish>) {
        match heard {
            Heard::Ready => wishes.push(Wish::Play(std::mem::take(&mut self.sounds))),
            Heard::Played => wishes.push(Wish::Done),
            Heard::Digit(_) | Heard::Spoke | Heard::Recorded(_) | Heard::TimeUp | Heard::Opened(_) | Heard::Set(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once() {
        let mut announcement = Announcement::new(vec![Sound::prompt("closed")]);
        let mut wishes = Vec::new();
        [Heard::Ready, Heard::Digit('1'), Heard::Played].iter().for_each(|heard| announcement.hear(heard, &mut wishes));
        assert_eq!(wishes, [Wish::Play(vec![Sound::prompt("closed")]), Wish::Done]);
    }
}
