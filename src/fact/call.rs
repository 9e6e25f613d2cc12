//! The steps in the life of a call.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ended::Ended;
use super::offered::Offered;
use super::recorded::RecordingOf;
use crate::key::CallId;
use crate::route::Reason;
use crate::tape::Taped;

/// A step in the life of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFact {
    /// It came in and was decided: always the first fact.
    Offered(Box<Offered>),
    /// INVITEs left.
    Rung(Vec<Rung>),
    /// A phone rings.
    Ringing {
        /// The leg's number.
        leg: u16,
    },
    /// A leg that was not answered is over.
    Dropped {
        /// The leg's number.
        leg: u16,
        /// The final status it gave; 487 where we cancelled it, 408 where it never answered.
        status: u16,
        /// Why we cancelled it. `None`: it ended by itself, or the record is of an older version.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        stopped: Option<StopReason>,
    },
    /// The plan went on, and why.
    Turned {
        /// In the order of events.
        because: Vec<Reason>,
    },
    /// One was answered; the others are told that it was elsewhere.
    Answered {
        /// The leg's number.
        leg: u16,
        /// A human spoke: not voicemail, announcement, or an unconfirmed GSM answer.
        human: bool,
    },
    /// In a call that an employee asked for (click-to-call): they have picked up a phone, and are the caller from here on.
    CallerAnswered {
        /// The leg's number.
        leg: u16,
    },
    /// The router itself speaks with one side.
    Served {
        /// The leg's number.
        leg: u16,
        /// As what: `greeting:hello`, `voicemail:sales`, `announcement:closed`, `confirm`.
        by: Arc<str>,
    },
    /// What is said is written down from now on.
    Recording {
        /// The WAV file, counted from `storage.directory`.
        file: Arc<str>,
        /// What it is of.
        of: RecordingOf,
    },
    /// An employee has stopped the writing for a while, or (`false`) goes on.
    RecordingPaused {
        /// Which.
        file: Arc<str>,
        /// True: silence is written.
        paused: bool,
    },
    /// One side put the other on hold, or (`false`) took it back.
    Held {
        /// The leg's number.
        leg: u16,
        /// True: on hold.
        held: bool,
    },
    /// An employee hands the call on, and no longer talks.
    Transferred {
        /// The leg of who hands it on.
        by: u16,
        /// To whom: a number as it was dialled, or whom the employee consulted.
        to: Arc<str>,
        /// They had talked before.
        attended: bool,
        /// Why it goes where it goes.
        because: Vec<Reason>,
    },
    /// Nobody took over, so whoever handed the call on talks again.
    Returned {
        /// That leg.
        leg: u16,
        /// The final status of whom it was to.
        status: u16,
    },
    /// It goes on as part of another call: an employee consulted, and both talk without them now.
    Merged {
        /// The call that goes on.
        into: CallId,
    },
    /// It is over.
    Ended(Ended),
    /// The last leg has said goodbye: what was said on the wire, a line for each message. Always the last fact.
    Traced {
        /// The SIP ladder.
        ladder: String,
        /// The same, to be played again. `None` in records of older versions.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        tape: Option<Box<Taped>>,
    },
}

/// Whom a leg rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// A phone of an employee.
    Extension(Arc<str>),
    /// A number outside, through a trunk.
    Trunk {
        /// The trunk's name.
        trunk: Arc<str>,
        /// The number as dialled there.
        number: Arc<str>,
    },
}

/// A leg began to be rung, or took the call over from one that rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The leg's number within its call; the caller's own is 0, but where they were rung as well: then
    /// [`CallFact::CallerAnswered`] says which it is.
    pub leg: u16,
    /// Whom it rings.
    pub whom: Whom,
    /// Which device, as its address.
    pub device: Arc<str>,
}

/// Why a ringing leg is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Another one answered: no phone shows a missed call (RFC 3326, `SIP;cause=200`).
    CompletedElsewhere,
    /// The caller gave up.
    CallerGone,
    /// The plan moved on.
    PlanMovedOn,
    /// Its extension answered another call.
    Taken,
}
