//! What is to be told to the world outside: a fact, and the config in force, say which letters are to be written.

use std::sync::Arc;

use crate::config::Config;
use crate::fact::{Fact, RecordingOf};

/// Something to be told by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The mail address.
    pub to: Arc<str>,
    /// The message it tells of: its file.
    pub file: Arc<str>,
}

/// The letters that follow from a fact: one to everybody whom a box notifies of a message. A message in which nobody speaks
/// is not worth a mail, and where no mail server is configured nothing gathers.
pub fn letters(fact: &Fact, config: &Config) -> Vec<Letter> {
    let Fact::Recorded(recorded) = fact else { return Vec::new() };
    let RecordingOf::Message { mailbox } = &recorded.of else { return Vec::new() };
    if recorded.is_empty() || config.mail.is_none() {
        return Vec::new();
    }
    let Some(mailbox) = config.voicemail_by_name(mailbox) else { return Vec::new() };
    let to = config.voicemail(mailbox).notify.iter();
    to.map(|to| Letter { to: to.clone(), file: recorded.file.clone() }).collect()
}
