//! How a call ended, and why it was missed.

use serde::{Deserialize, Serialize};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Who ended it.
    pub by: EndedBy,
    /// The final status that the caller heard.
    pub status: u16,
    /// Missed, and why; `None` for a talk, an internal, outbound or blocked call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missed: Option<MissedCause>,
    /// How long two people were connected, in milliseconds.
    pub talk_ms: u64,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller hung up, or gave up.
    Caller,
    /// The one who was called hung up.
    Callee,
    /// The router: the plan ran out, a limit, an admin, a lost peer.
    Router,
    /// Nobody: it went on as part of another call, by an attended transfer.
    Transfer,
    /// Nobody: the process died, and the record was closed after the restart.
    SystemFailure,
}

/// Why an inbound customer call ended without a human talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedCause {
    /// The caller gave up while it rang.
    Abandoned,
    /// Nobody answered in time.
    NoAnswer,
    /// Everybody was busy.
    AllBusy,
    /// Nobody could be reached.
    NoneReachable,
    /// It was declined, or refused by a rule.
    Rejected,
    /// Outside the opening hours.
    AfterHours,
    /// A message was left.
    VoicemailLeft,
    /// An announcement was played, nothing else.
    AnnouncementOnly,
    /// A limit of a trunk or DID, or overload.
    Capacity,
    /// The process died.
    SystemFailure,
}

impl MissedCause {
    /// Every cause.
    pub const ALL: [MissedCause; 10] = [
        MissedCause::Abandoned,
        MissedCause::NoAnswer,
        MissedCause::AllBusy,
        MissedCause::NoneReachable,
        MissedCause::Rejected,
        MissedCause::AfterHours,
        MissedCause::VoicemailLeft,
        MissedCause::AnnouncementOnly,
        MissedCause::Capacity,
        MissedCause::SystemFailure,
    ];
}
