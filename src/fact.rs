//! What happened, in the past tense: everything beside the call (records, follow-ups, webhooks, pages) follows facts.
//!
//! The core numbers its facts; the journal writes them in that order, in batches, and says up to which number they are
//! on disk. A call's first fact is [`CallFact::Offered`], then comes [`CallFact::Ended`], and its ladder last; facts of one call are never
//! reordered. The other facts are the state that is no configuration (bindings, overrides, absences, forwards, blocks, counters):
//! folding them in order gives that state back after a restart.
//!
//! | file | what it is about |
//! |---|---|
//! | `call` | the steps in the life of a call |
//! | `offered` `ended` | … its first, with what was decided, and how it ended |
//! | `party` | who speaks at one end of it, and the customer |
//! | `recorded` `streamed` | what was written down of it, and what came in |
//! | `hand` | what is done about a follow-up |
//! | `kept` | what people and programs have written down: customers, tokens, reports |
//! | `alarm` | what an admin must hear of |
//! | `fold` | the state that facts are |
//!
//! Facts are read back from journals of every older version: names and shapes here are what stands on disks. What is
//! added to one has a default.

mod alarm;
mod call;
mod ended;
mod fold;
mod hand;
mod kept;
mod offered;
mod party;
mod recorded;
mod streamed;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::alarm::Alarm;
pub use self::call::{CallFact, Rung, StopReason, Whom};
pub use self::ended::{Ended, EndedBy, MissedCause};
pub use self::hand::Hand;
pub use self::kept::{CustomerCard, SavedReport, Token};
pub use self::offered::Offered;
pub use self::party::{KnownCustomer, Party};
pub use self::recorded::{MessageState, Recorded, RecordingOf};
pub use self::streamed::Streamed;
use crate::clock::Timestamp;
use crate::config::ForwardWhen;
use crate::customer::Kind;
pub use crate::guard::{Ban, Outcast};
use crate::key::CallId;
use crate::number::PhoneNumber;
pub use crate::registrar::Bound;
use crate::registration::TrunkNews;
use crate::state::{Counter, Override};

/// A fact with its place in the order of things.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// Counted from 1 since the process began; the journal answers with the highest one that is on disk.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A step in the life of a call.
    Call(CallId, CallFact),
    /// A phone registered for the first time, or in a new way (address, path, expiry beyond a pure refresh).
    Bound(Box<Bound>),
    /// A binding went: unregistered, expired, or its connection closed for good.
    Unbound {
        /// The extension's number.
        extension: Arc<str>,
        /// Which of its bindings, as [`Bound::identity`].
        identity: String,
    },
    /// A trunk stopped answering: no registration, no OPTIONS, or refusals that say so.
    TrunkDown {
        /// The trunk's name.
        trunk: Arc<str>,
        /// What was seen.
        why: String,
    },
    /// A trunk answers (again).
    TrunkUp {
        /// The trunk's name.
        trunk: Arc<str>,
    },
    /// The hours of a schedule were overridden, or (`None`) the override was taken back or ran out.
    Overridden {
        /// The schedule's name.
        schedule: Arc<str>,
        /// Open or closed, and until when.
        state: Option<Override>,
    },
    /// An employee went away, or (`None`) came back.
    Away {
        /// The extension's number.
        extension: Arc<str>,
        /// Until when; a far day stands for "until further notice".
        until: Option<Timestamp>,
    },
    /// An employee's calls go elsewhere from now on, or (`None`) no longer.
    Forwarded {
        /// The extension's number.
        extension: Arc<str>,
        /// Which of its calls.
        when: ForwardWhen,
        /// Where to, as it was dialled.
        to: Option<Arc<str>>,
    },
    /// A caller was put on the block list, or taken off it.
    Blocked {
        /// Whom.
        number: PhoneNumber,
        /// True: on the list.
        blocked: bool,
        /// In the admin's words.
        note: String,
    },
    /// A source or an account is kept out from now on.
    Banned(Box<Ban>),
    /// … and no longer, or it is not remembered any more that it was.
    Unbanned {
        /// Whom.
        whom: Outcast,
    },
    /// A counter that orders hunt groups or limits calls moved.
    Counted(Counter),
    /// A new configuration took effect.
    ConfigApplied {
        /// Its version, as `huntline check` prints it.
        version: Arc<str>,
        /// Its text without secrets.
        #[serde(skip_serializing_if = "str::is_empty", default)]
        text: Arc<str>,
    },
    /// A new configuration was refused; the old one stays.
    ConfigRejected {
        /// How many errors it had.
        errors: usize,
        /// The first of them.
        first: String,
    },
    /// A recording is over, and its file is whole. For one that ran when the process died, the restart says so.
    Recorded(Box<Recorded>),
    /// Somebody listened to a message, or threw it away.
    Message {
        /// Its file, counted from `storage.directory`.
        file: Arc<str>,
        /// The box it lies in.
        mailbox: Arc<str>,
        /// What became of it.
        now: MessageState,
    },
    /// The file of a recording is gone: its time is over, the disk is full, or somebody threw it away.
    Erased {
        /// The file, counted from `storage.directory`.
        file: Arc<str>,
        /// Why.
        why: Arc<str>,
    },
    /// What came in at one leg of a call in its life: the voice of its first stream. Known when its ports are closed, so it
    /// may follow the call's last fact.
    Streamed {
        /// The call.
        call: CallId,
        /// The leg's number within it.
        leg: u16,
        /// RTP and RTCP together.
        streamed: Streamed,
    },
    /// Somebody did something about a follow-up by hand, or its time did.
    FollowUp {
        /// Its number.
        id: i64,
        /// The employee who did it; `None`: an admin, or time itself.
        by: Option<Arc<str>>,
        /// What.
        what: Hand,
    },
    /// An employee wrote something down about a call.
    CallNoted {
        /// The call.
        call: CallId,
        /// Who wrote it; `None`: an admin, or a program.
        by: Option<Arc<str>>,
        /// A note in free words.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<Arc<str>>,
        /// What came of the call, in the company's own words: it needs no disposition any more.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        disposition: Option<Arc<str>>,
    },
    /// A letter arrived, or was given up.
    Delivered {
        /// How it travelled.
        carrier: Arc<str>,
        /// Whereto.
        to: Arc<str>,
        /// What it told of.
        about: Arc<str>,
        /// The call it belongs to.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        call: Option<CallId>,
        /// Why it was given up; `None`: it arrived.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        failed: Option<String>,
    },
    /// A customer is known from now on, or is known differently; or (`None`) is forgotten.
    Customer {
        /// What kind of entry.
        kind: Kind,
        /// The CRM's id, unique within its kind.
        id: Arc<str>,
        /// As they are from now on.
        now: Option<Box<CustomerCard>>,
    },
    /// A program or a person may use the API from now on.
    Token(Box<Token>),
    /// … and no longer.
    TokenRevoked {
        /// The token's id.
        id: Arc<str>,
    },
    /// A report was defined, or defined differently; or (`None`) its definition was thrown away.
    Report {
        /// Its name.
        name: Arc<str>,
        /// What it is from now on.
        now: Option<Box<SavedReport>>,
    },
    /// Something an admin must hear of.
    Alarm(Alarm),
    /// The router began to take calls.
    Started {
        /// Of the program.
        version: Arc<str>,
    },
    /// The router ended in an orderly way.
    Stopped,
}

impl From<TrunkNews> for Fact {
    fn from(news: TrunkNews) -> Fact {
        match news {
            TrunkNews::Down { trunk, why } => Fact::TrunkDown { trunk, why },
            TrunkNews::Up { trunk } => Fact::TrunkUp { trunk },
        }
    }
}
