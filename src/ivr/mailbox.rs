//! An employee listens to messages: how many there are, then one after the other, the new ones first.
//!
//! ```text
//!            Ready        whose box, and perhaps its pin       how many         each message, then the menu
//!   (begun) ──────► Opening ⇄ Box, Pin ─────────────► Counting ──────► Telling ⇄ Choosing ──────► over
//! ```
//!
//! While the menu is said keys count, and time does not.
//!
//! Keys: 1 again, 2 next, 3 delete, 9 the end. A message counts as heard once it was played to its end or passed by a key.

use std::sync::Arc;

use super::words::{Heard, MessageSaid, Opened, Whose, Wish};
use crate::clock::Duration;
use crate::fact::MessageState;
use crate::sound::Sound;

/// Who chooses nothing for so long hears the next message.
const THINKS: Duration = Duration::from_secs(8);
/// Whoever is asked for digits has so long for each.
const DIGITS: Duration = Duration::from_secs(6);
/// As many digits as any box or pin can have.
const MOST: usize = 32;
/// How often a pin may be wrong in one call.
const TRIES: u8 = 3;

/// Somebody listens to messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    whose: Option<Whose>,
    typed: String,
    tries: u8,
    messages: Vec<MessageSaid>,
    at: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begun,
    /// Which box?
    Box,
    Opening,
    /// Its pin?
    Pin,
    Counting,
    Telling,
    Menu,
    Choosing,
    Deleted,
    Goodbye,
}

impl Mailbox {
    /// The messages of the one who calls.
    pub fn own() -> Mailbox {
        Mailbox::of(Some(Whose::Own))
    }

    /// Those of the box of this name or extension; `None`: it is asked for.
    pub fn any(named: Option<Arc<str>>) -> Mailbox {
        Mailbox::of(named.map(Whose::Box))
    }

    fn of(whose: Option<Whose>) -> Mailbox {
        Mailbox { whose, typed: String::new(), tries: 0, messages: Vec::new(), at: 0, stage: Stage::Begun }
    }

    pub(super) fn hear(&mut self, heard: &Heard, wishes: &mut Vec<Wish>) {
        self.stage = match (self.stage, heard) {
            (Stage::Begun, Heard::Ready) => match &self.whose {
                Some(_) => self.open(None, wishes),
                None => ask("enter-mailbox", Stage::Box, wishes),
            },
            (Stage::Box | Stage::Pin, Heard::Digit('#') | Heard::TimeUp) => self.entered(wishes),
            (stage @ (Stage::Box | Stage::Pin), Heard::Digit(digit)) => {
                if self.typed.len() < MOST {
                    self.typed.push(*digit);
                }
                wishes.extend([Wish::Quiet, Wish::Wake(DIGITS)]);
                stage
            }
            (stage @ (Stage::Box | Stage::Pin), Heard::Played) => {
                wishes.push(Wish::Wake(DIGITS));
                stage
            }
            (Stage::Opening, Heard::Opened(opened)) => self.opened(opened, wishes),
            (Stage::Counting | Stage::Deleted, Heard::Played | Heard::Digit('1' | '2')) => self.tell(wishes),
            (Stage::Telling, Heard::Played) => {
                self.heard(wishes);
                wishes.push(Wish::Play(vec![Sound::prompt("mailbox-menu")]));
                Stage::Menu
            }
            (Stage::Menu, Heard::Played) => {
                wishes.push(Wish::Wake(THINKS));
                Stage::Choosing
            }
            (Stage::Telling | Stage::Menu | Stage::Choosing, Heard::Digit('1')) => self.tell(wishes),
            (Stage::Telling | Stage::Menu | Stage::Choosing, Heard::Digit('2')) | (Stage::Choosing, Heard::TimeUp) => {
                self.heard(wishes);
                self.at += 1;
                self.tell(wishes)
            }
            (Stage::Telling | Stage::Menu | Stage::Choosing, Heard::Digit('3')) => {
                if let Some(message) = self.messages.get(self.at) {
                    wishes.push(Wish::Mark { file: message.file.clone(), now: MessageState::Deleted });
                }
                self.at += 1;
                wishes.push(Wish::Play(vec![Sound::prompt("deleted")]));
                Stage::Deleted
            }
            (Stage::Counting | Stage::Telling | Stage::Menu | Stage::Choosing | Stage::Deleted, Heard::Digit('9')) => {
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

    fn open(&mut self, pin: Option<Arc<str>>, wishes: &mut Vec<Wish>) -> Stage {
        let whose = self.whose.clone().unwrap_or(Whose::Own);
        wishes.push(Wish::Open { whose, pin });
        Stage::Opening
    }

    /// Digits and `#`: the box, or its pin.
    fn entered(&mut self, wishes: &mut Vec<Wish>) -> Stage {
        let typed: Arc<str> = std::mem::take(&mut self.typed).into();
        match self.stage {
            Stage::Pin => self.open(Some(typed), wishes),
            _ if typed.is_empty() => bye("goodbye", wishes),
            _ => {
                self.whose = Some(Whose::Box(typed));
                self.open(None, wishes)
            }
        }
    }

    fn opened(&mut self, opened: &Opened, wishes: &mut Vec<Wish>) -> Stage {
        match opened {
            Opened::AsksPin => ask("enter-pin", Stage::Pin, wishes),
            Opened::WrongPin if self.tries + 1 < TRIES => {
                self.tries += 1;
                wishes.push(Wish::Play(vec![Sound::prompt("wrong-pin"), Sound::prompt("enter-pin")]));
                Stage::Pin
            }
            Opened::WrongPin => bye("wrong-pin", wishes),
            Opened::NotTheirs => bye("not-allowed", wishes),
            Opened::Messages(messages) if messages.is_empty() => bye("no-messages", wishes),
            Opened::Messages(messages) => {
                self.messages.clone_from(messages);
                // A stable sort: within both kinds by time.
                self.messages.sort_by_key(|message| message.heard);
                let new = self.messages.iter().filter(|message| !message.heard).count();
                let old = self.messages.len() - new;
                let mut sounds = vec![Sound::prompt("you-have")];
                for (prompt, count) in [("new-messages", new), ("old-messages", old)] {
                    if count > 0 {
                        sounds.extend([Sound::prompt(prompt), Sound::Digits(count.to_string().into())]);
                    }
                }
                wishes.push(Wish::Play(sounds));
                Stage::Counting
            }
        }
    }

    /// The message whose turn it is, or that there is none.
    fn tell(&mut self, wishes: &mut Vec<Wish>) -> Stage {
        let Some(message) = self.messages.get(self.at) else { return bye("no-more", wishes) };
        let mut sounds = vec![Sound::prompt("message"), Sound::Digits((self.at + 1).to_string().into())];
        match &message.from {
            Some(number) => sounds.extend([Sound::prompt("from-number"), Sound::Digits(number.clone())]),
            None => sounds.push(Sound::prompt("anonymous")),
        }
        sounds.push(Sound::File(message.file.clone()));
        wishes.push(Wish::Play(sounds));
        Stage::Telling
    }

    /// The message whose turn it is has been listened to.
    fn heard(&mut self, wishes: &mut Vec<Wish>) {
        if let Some(message) = self.messages.get_mut(self.at)
            && !std::mem::replace(&mut message.heard, true)
        {
            wishes.push(Wish::Mark { file: message.file.clone(), now: MessageState::Heard });
        }
    }
}

fn ask(prompt: &'static str, stage: Stage, wishes: &mut Vec<Wish>) -> Stage {
    wishes.push(Wish::Play(vec![Sound::prompt(prompt)]));
    stage
}

fn bye(prompt: &'static str, wishes: &mut Vec<Wish>) -> Stage {
    wishes.push(Wish::Play(vec![Sound::prompt(prompt)]));
    Stage::Goodbye
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(file: &str, from: Option<&str>, heard: bool) -> MessageSaid {
        MessageSaid { file: file.into(), from: from.map(Arc::from), heard }
    }

    fn said(mailbox: &mut Mailbox, heard: Heard) -> Vec<Wish> {
        let mut wishes = Vec::new();
        mailbox.hear(&heard, &mut wishes);
        wishes
    }

    fn played(wishes: &[Wish]) -> String {
        let name = |sound: &Sound| match sound {
            Sound::Prompt(name, _) | Sound::File(name) | Sound::Digits(name) => name.to_string(),
            other => format!("{other:?}"),
        };
        let one = |wish: &Wish| match wish {
            Wish::Play(sounds) => sounds.iter().map(name).collect::<Vec<_>>().join(" "),
            Wish::Mark { file, now } => format!("({file} {now:?})"),
            other => format!("({other:?})"),
        };
        wishes.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn new_messages_come_first_are_heard_deleted_and_there_is_an_end() {
        let mut mailbox = Mailbox::own();
        assert_eq!(said(&mut mailbox, Heard::Ready), [Wish::Open { whose: Whose::Own, pin: None }]);
        let messages = vec![message("old", Some("491701"), true), message("new", None, false)];
        let story = [
            (Heard::Opened(Opened::Messages(messages)), "you-have new-messages 1 old-messages 1"),
            (Heard::Played, "message 1 anonymous new"),
            (Heard::Played, "(new Heard) mailbox-menu"),
            (Heard::Digit('7'), ""),
            (Heard::Digit('1'), "message 1 anonymous new"),
            (Heard::Digit('2'), "message 2 from-number 491701 old"),
            (Heard::Digit('3'), "(old Deleted) deleted"),
            (Heard::Played, "no-more"),
            (Heard::Played, "(Done)"),
        ];
        for (heard, expected) in story {
            let text = format!("{heard:?}");
            assert_eq!(played(&said(&mut mailbox, heard)), expected, "{text}");
        }
    }

    #[test]
    fn a_pause_counts_from_the_end_of_the_menu_whatever_time_was_left_of_the_pause_before() {
        let mut mailbox = Mailbox::own();
        said(&mut mailbox, Heard::Ready);
        let messages = ["a", "b", "c"].map(|file| message(file, None, false)).to_vec();
        for heard in [Heard::Opened(Opened::Messages(messages)), Heard::Played, Heard::Played] {
            said(&mut mailbox, heard);
        }
        assert_eq!(said(&mut mailbox, Heard::Played), [Wish::Wake(THINKS)]);
        assert_eq!(played(&said(&mut mailbox, Heard::Digit('2'))), "message 2 anonymous b");
        assert_eq!(played(&said(&mut mailbox, Heard::Played)), "(b Heard) mailbox-menu");
        assert_eq!(said(&mut mailbox, Heard::TimeUp), [], "that was the pause before this message");
        assert_eq!(said(&mut mailbox, Heard::Played), [Wish::Wake(THINKS)]);
        assert_eq!(played(&said(&mut mailbox, Heard::TimeUp)), "message 3 anonymous c");
    }

    #[test]
    fn who_types_without_end_takes_no_memory() {
        let mut mailbox = Mailbox::any(None);
        said(&mut mailbox, Heard::Ready);
        for _ in 0..1_000 {
            said(&mut mailbox, Heard::Digit('1'));
        }
        assert_eq!(mailbox.typed.len(), MOST);
    }

    #[test]
    fn a_box_of_others_asks_which_and_for_its_pin_three_times_at_most() {
        let mut mailbox = Mailbox::any(None);
        assert_eq!(played(&said(&mut mailbox, Heard::Ready)), "enter-mailbox");
        said(&mut mailbox, Heard::Digit('1'));
        said(&mut mailbox, Heard::Digit('2'));
        let open = |pin: Option<&str>| vec![Wish::Open { whose: Whose::Box("12".into()), pin: pin.map(Arc::from) }];
        assert_eq!(said(&mut mailbox, Heard::Digit('#')), open(None));
        assert_eq!(played(&said(&mut mailbox, Heard::Opened(Opened::AsksPin))), "enter-pin");
        for last in [false, false, true] {
            said(&mut mailbox, Heard::Digit('0'));
            assert_eq!(said(&mut mailbox, Heard::Digit('#')), open(Some("0")));
            let expected = if last { "wrong-pin" } else { "wrong-pin enter-pin" };
            assert_eq!(played(&said(&mut mailbox, Heard::Opened(Opened::WrongPin))), expected);
        }
        assert_eq!(said(&mut mailbox, Heard::Played), [Wish::Done]);
    }
}
