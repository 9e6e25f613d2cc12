//! Messages that wait: what was recorded into a box, listened to or thrown away becomes state, and lamps follow.
//!
//! Whoever notes such a fact needs to do nothing else: at the end of the reaction it is folded into the state, and the
//! extensions to which the box belongs are told how many messages wait for them now. An empty message lights no lamp.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::tables::Switch;
use crate::clock::Duration;
use crate::config::{ExtensionIx, Voicemail};
use crate::fact::{Alarm, Fact, MessageState, RecordingOf};
use crate::ivr::{MessageSaid, Opened, Whose};
use crate::state::Message;
use crate::subscription::Waiting;

/// From one phone, a pin may be wrong so often …
const MOST_GUESSES: u8 = 10;
/// … in this time; then pins count no more there until it is over. Four digits hold out for weeks against that.
const GUESSING: Duration = Duration::from_secs(3_600);

impl Switch {
    /// Facts about messages that were noted in this reaction become state.
    pub(super) fn keep_messages(&mut self) {
        for fact in std::mem::take(&mut self.means.of_messages) {
            let mailbox = match &fact {
                Fact::Recorded(recorded) => match &recorded.of {
                    RecordingOf::Message { mailbox } => Some(mailbox.clone()),
                    RecordingOf::Talk => None,
                },
                Fact::Message { mailbox, .. } => Some(mailbox.clone()),
                Fact::Erased { file, .. } => self.state.box_of_message(file).cloned(),
                _ => None,
            };
            fact.fold(&mut self.state);
            let Some(mailbox) = mailbox else { continue };
            let config = self.means.config.clone();
            let Some(mailbox) = config.voicemail_by_name(&mailbox) else { continue };
            for extension in &config.voicemail(mailbox).extensions {
                self.count_messages(*extension);
            }
        }
    }

    /// Boxes may belong to others now.
    pub(super) fn count_all_messages(&mut self) {
        let config = self.means.config.clone();
        let of_boxes = config.voicemails().flat_map(|(_, mailbox)| &mailbox.extensions).copied();
        let told = self.mailboxes.keys().filter_map(|number| config.extension_by_number(number));
        let extensions: BTreeSet<ExtensionIx> = of_boxes.chain(told).collect();
        self.mailboxes.retain(|number, _| config.extension_by_number(number).is_some());
        for extension in extensions {
            self.count_messages(extension);
        }
    }

    /// Counts what waits for an extension, and tells its phones where that has changed.
    fn count_messages(&mut self, extension: ExtensionIx) {
        let config = self.means.config.clone();
        let mut waiting = Waiting::default();
        for (_, Voicemail { name, .. }) in config.boxes_of(extension) {
            for message in self.state.messages(name).iter().filter(|message| !message.empty) {
                match message.heard {
                    true => waiting.old += 1,
                    false => waiting.new += 1,
                }
            }
        }
        self.mailbox_changed(&config.extension(extension).number, waiting);
    }

    /// The messages of a box, for whoever wants to listen to them from this extension's phone.
    pub(super) fn open_mailbox(&mut self, by: Option<&str>, whose: &Whose, pin: Option<&str>) -> Opened {
        let now = self.means.now.mono;
        self.guesses.retain(|_, (since, _)| now < *since + GUESSING);
        let wrong = by.and_then(|by| self.guesses.get(by)).map_or(0, |(_, wrong)| *wrong);
        match self.opened(by, whose, pin) {
            Opened::AsksPin | Opened::WrongPin if wrong >= MOST_GUESSES => Opened::NotTheirs,
            Opened::WrongPin => {
                let by: Arc<str> = by.unwrap_or_default().into();
                self.guesses.entry(by.clone()).or_insert((now, 0)).1 += 1;
                if wrong + 1 == MOST_GUESSES {
                    self.means.note(Fact::Alarm(Alarm::PinGuessed { extension: by }));
                }
                Opened::WrongPin
            }
            // Not even the right one is, now.
            Opened::Messages(_) if pin.is_some() && wrong >= MOST_GUESSES => Opened::NotTheirs,
            opened => opened,
        }
    }

    fn opened(&self, by: Option<&str>, whose: &Whose, pin: Option<&str>) -> Opened {
        let config = &self.means.config;
        let by = by.and_then(|by| config.extension_by_number(by));
        let boxes: Vec<&Voicemail> = match whose {
            Whose::Own => by.into_iter().flat_map(|by| config.boxes_of(by)).map(|(_, mailbox)| mailbox).collect(),
            Whose::Box(name) => {
                let named = config.voicemail_by_name(name).map(|ix| config.voicemail(ix));
                let of = config.extension_by_number(name).into_iter().flat_map(|of| config.boxes_of(of));
                named.into_iter().chain(of.map(|(_, mailbox)| mailbox)).collect()
            }
        };
        let is_own = |mailbox: &&Voicemail| by.is_some_and(|by| mailbox.extensions.contains(&by));
        let (own, others): (Vec<_>, Vec<_>) = boxes.into_iter().partition(is_own);
        let boxes = match (own.is_empty(), pin) {
            (false, _) => own,
            (true, _) if others.iter().all(|mailbox| mailbox.pin.is_none()) => return Opened::NotTheirs,
            (true, None) => return Opened::AsksPin,
            (true, Some(pin)) => {
                let opens = |mailbox: &&Voicemail| mailbox.pin.as_ref().is_some_and(|own| own.expose() == pin);
                let opened: Vec<_> = others.into_iter().filter(opens).collect();
                if opened.is_empty() {
                    return Opened::WrongPin;
                }
                opened
            }
        };
        let mut messages: Vec<&Message> = boxes.iter().flat_map(|mailbox| self.state.messages(&mailbox.name)).collect();
        messages.retain(|message| !message.empty);
        messages.sort_by_key(|message| message.at);
        messages.dedup_by_key(|message| &message.file);
        let said = |message: &Message| MessageSaid {
            file: message.file.clone(),
            from: message
                .extension
                .clone()
                .or_else(|| Some(message.number?.to_string().trim_start_matches('+').into())),
            heard: message.heard,
        };
        Opened::Messages(messages.into_iter().map(said).collect())
    }

    /// An admin, or a page, says what became of a message.
    pub(super) fn mark_message(&mut self, file: &Arc<str>, now: MessageState) -> Result<Value, String> {
        let Some(mailbox) = self.state.box_of_message(file).cloned() else {
            return Err(format!("there is no message {file:?}; `huntline voicemail` lists them"));
        };
        self.means.note(Fact::Message { file: file.clone(), mailbox: mailbox.clone(), now });
        Ok(json!({ "file": file, "mailbox": mailbox, "now": now }))
    }
}
