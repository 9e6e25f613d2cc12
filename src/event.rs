//! What happened, as the world outside hears it: webhooks, the event stream and CRM dialects all speak of the same
//! [`Event`]s, in the same envelope.
//!
//! An event follows from a fact, and is named by it: the fact's place in the journal and a count within it. So the same
//! fact gives the same event with the same id, whether it is told at once (a window on a screen), told after the disk has
//! it (a webhook), or told again after a crash.
//!
//! ```text
//! {id, type, time, seq, call: {…} | null, data: {…}}
//! ```

pub mod gallery;
pub mod picture;
pub mod talkers;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
pub use crate::event_kind::EventKind;
use crate::key::CallId;

/// Names an event: `1042-0`. Sorts in the order of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The fact's place in the journal.
    pub seq: i64,
    /// Which of the events of that fact: what the fact itself says begins with 0, what the desk makes of it with
    /// [`EventId::DESK`].
    pub part: u16,
}

impl EventId {
    /// What a fact itself says has the parts below this; what the desk makes of it, in the same transaction, the others.
    pub const DESK: u16 = 16;

    /// A place after everything that follows from this fact.
    pub fn after(seq: i64) -> EventId {
        EventId { seq, part: u16::MAX }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq, self.part)
    }
}

impl FromStr for EventId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<EventId, Self::Err> {
        let wrong = "an event's id is two numbers: \"1042-0\"";
        let (seq, part) = text.split_once('-').ok_or(wrong)?;
        Ok(EventId { seq: seq.parse().map_err(|_| wrong)?, part: part.parse().map_err(|_| wrong)? })
    }
}

/// Who may see an event besides those who may see everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// Nobody else.
    #[default]
    Admins,
    /// These extensions.
    Users(Vec<Arc<str>>),
    /// Every employee.
    Everybody,
}

impl Audience {
    /// True where this employee may see it.
    pub fn has(&self, user: &str) -> bool {
        match self {
            Audience::Admins => false,
            Audience::Users(users) => users.iter().any(|one| **one == *user),
            Audience::Everybody => true,
        }
    }
}

/// An event that has no place yet: what a rule says has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What kind.
    pub kind: EventKind,
    /// The call it is about, or came from.
    pub call: Option<CallId>,
    /// Who may see it.
    pub audience: Audience,
    /// What is particular to its kind.
    pub data: Value,
}

/// Something that happened, as it is told outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What, and to whom.
    pub told: Told,
    /// The call as it was after it, `null` where there is none.
    pub call: Value,
}

impl Event {
    /// As it is sent.
    pub fn envelope(&self) -> Value {
        serde_json::to_value(self.to_envelope()).unwrap_or_default()
    }

    /// The same as JSON in one line.
    pub fn to_text(&self) -> String {
        serde_json::to_string(&self.to_envelope()).unwrap_or_default()
    }

    fn to_envelope(&self) -> Envelope<'_> {
        Envelope {
            id: self.id.to_string(),
            kind: self.told.kind,
            time: self.at,
            seq: self.id.seq,
            call: &self.call,
            data: &self.told.data,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: EventKind,
    time: Timestamp,
    seq: i64,
    call: &'a Value,
    data: &'a Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_written_and_sort_in_the_order_of_things() {
        let id = EventId { seq: 1042, part: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("1042".parse::<EventId>().is_err() && "a-b".parse::<EventId>().is_err());
        assert!(EventId { seq: 9, part: 7 } < EventId { seq: 10, part: 0 });
    }

    #[test]
    fn who_may_see_it() {
        let users = Audience::Users(vec!["12".into()]);
        assert_eq!((users.has("12"), users.has("1"), Audience::Admins.has("12")), (true, false, false));
        assert!(Audience::Everybody.has("12"));
    }
}
