//! What is said on the control socket.

use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::clock::Duration;
use crate::fact::{Hand, SavedReport, Token};
use crate::key::CallId;
use crate::switch::Question;

/// The version of the language spoken here.
pub const VERSION: u32 = 1;

/// Bytes of the longest question, and of the longest answer.
pub(super) const LONGEST_QUESTION: u64 = 64 << 10;
pub(super) const LONGEST_ANSWER: u64 = 16 << 20;
/// A question not answered by then is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What can be asked of a running router, or ordered. Who asks need not know whose affair it is: on the wire both are words
/// of one vocabulary, named by `ask`.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Request {
    /// Of the core.
    Core(Question),
    /// Of the process beside it.
    Office(Order),
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Request, D::Error> {
        let value = Value::deserialize(from)?;
        let is_order = value["ask"].as_str().is_some_and(|word| Order::WORDS.contains(&word));
        match is_order {
            true => serde_json::from_value(value).map(Request::Office),
            false => serde_json::from_value(value).map(Request::Core),
        }
        .map_err(D::Error::custom)
    }
}

impl From<Question> for Request {
    fn from(question: Question) -> Request {
        Request::Core(question)
    }
}

impl From<Order> for Request {
    fn from(order: Order) -> Request {
        Request::Office(order)
    }
}

/// What is ordered of the process beside the core.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Order {
    /// Read the config file again and, where it is sound, put it into effect.
    Reload,
    /// Put an older version in the place of the config file, and put it into effect.
    Rollback {
        /// Its number, as `config history` prints it.
        number: u32,
    },
    /// Let a program or a person use the API.
    Token(Box<Token>),
    /// … and no longer.
    RevokeToken {
        /// The token's id, or its name.
        id: String,
    },
    /// The customers in the database have changed: read them again.
    Customers,
    /// The outbox has changed: carry what is due.
    Outbox,
    /// Define a report, or (`None`) throw its definition away.
    Report {
        /// Its name.
        name: Arc<str>,
        /// What it is from now on.
        now: Option<SavedReport>,
    },
    /// Write something down about a call.
    Note {
        /// The call's id.
        call: CallId,
        /// The employee whose words these are.
        by: Option<Arc<str>>,
        /// In free words.
        text: Option<String>,
        /// What came of the call.
        disposition: Option<String>,
    },
    /// Do something about a follow-up by hand.
    FollowUp {
        /// Its number.
        id: i64,
        /// The employee who does it; `None`: an admin.
        by: Option<Arc<str>>,
        /// What.
        what: Hand,
    },
}

impl Order {
    /// Every word for one.
    const WORDS: [&str; 9] =
        ["reload", "rollback", "token", "revoke_token", "customers", "outbox", "report", "note", "follow_up"];
}

/// The router's answer; an `Err` is for people.
pub type Reply = Result<Value, String>;

/// A line that asks.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<R> {
    pub(super) v: u32,
    #[serde(flatten)]
    pub(super) request: R,
}

/// A line that answers.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) v: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) ok: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) error: Option<String>,
}
