//! What is to be told to the world outside: a fact, and the config in force, say which letters are to be written.
//!
//! What a letter says stands in its body, as its carrier reads it:
//!
//! | carrier | to | body |
//! |---|---|---|
//! | mail | an address | `{"message": FILE}`: of a box, with its sound; or `{"subject": …, "text": …}` |
//! | sms | a number, `+79161234567` | `{"text": …}` |
//! | telegram | a chat | `{"text": …}` |
//! | webhook | its name | an event's envelope |
//! | crm | its name | what its dialect needs |

use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::Config;
use crate::fact::{Fact, RecordingOf};
use crate::key::CallId;

/// How a letter travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// To a mail address.
    Mail,
    /// To a number.
    Sms,
    /// To a chat.
    Telegram,
    /// To an address of the web, signed.
    Webhook,
    /// To a CRM, in its own dialect.
    Crm,
}

impl Carrier {
    /// All of them.
    pub const ALL: [Carrier; 5] = [Carrier::Mail, Carrier::Sms, Carrier::Telegram, Carrier::Webhook, Carrier::Crm];

    /// The carrier that is written so.
    pub fn of(word: &str) -> Option<Carrier> {
        Carrier::ALL.into_iter().find(|carrier| carrier.word() == word)
    }

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Carrier::Mail => "mail",
            Carrier::Sms => "sms",
            Carrier::Telegram => "telegram",
            Carrier::Webhook => "webhook",
            Carrier::Crm => "crm",
        }
    }
}

/// Something to be told outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// How it travels.
    pub carrier: Carrier,
    /// Whereto: an address, a number, a chat, or the name of a webhook or CRM in the config.
    pub to: Arc<str>,
    /// What it tells of; with carrier and address it names the letter, which is written once however often it is said.
    pub about: Arc<str>,
    /// Letters of one call to one place arrive in the order in which they were written.
    pub call: Option<CallId>,
    /// What it says, as its carrier reads it.
    pub body: Value,
}

impl Letter {
    /// Who is kept waiting by whom: all that goes through one mail server, one provider, one bot; but each webhook and each
    /// CRM for itself.
    pub fn lane(&self) -> String {
        lane(self.carrier, &self.to)
    }
}

/// The lane of what travels so to this place.
pub fn lane(carrier: Carrier, to: &str) -> String {
    match carrier {
        Carrier::Mail | Carrier::Sms | Carrier::Telegram => carrier.word().into(),
        Carrier::Webhook | Carrier::Crm => format!("{} {to}", carrier.word()),
    }
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
    let letter = |to: &Arc<str>| Letter {
        carrier: Carrier::Mail,
        to: to.clone(),
        about: recorded.file.clone(),
        call: Some(recorded.call),
        body: json!({ "message": recorded.file }),
    };
    to.map(letter).collect()
}
