//! A DID: a public number of the company, and what happens when somebody calls it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::destination::{Destination, Destinations, ExtensionIx, ScheduleIx};
use super::site::Record;
use crate::number::PhoneNumber;

/// How a DID is written: a public number, or digits that the provider sends and we match as they stand.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DidNumber {
    /// `+E.164`.
    Public(PhoneNumber),
    /// Bare digits.
    Verbatim(Arc<str>),
}

impl fmt::Display for DidNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DidNumber::Public(number) => number.fmt(f),
            DidNumber::Verbatim(digits) => f.pad(digits),
        }
    }
}

/// Whether hours come before a known customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum KnownWhen {
    /// The responsible is rung also outside the DID's hours, unless that employee's own schedule is closed.
    #[default]
    BeforeHours,
    /// Only while the DID is open.
    WithinHours,
}

/// `known = { … }`: what a known customer gets on this DID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who is rung first. Default: the responsible. `plan` means everyone: as if the caller were unknown.
    pub to: Destinations,
    /// For how long. Default: 30 s.
    pub ring: Duration,
    /// Default: before the hours.
    pub when: KnownWhen,
    /// Where the call goes when that one is busy. Default, here and below: `plan`.
    pub busy: Destinations,
    /// … does not answer.
    pub no_answer: Destinations,
    /// … cannot be reached.
    pub unreachable: Destinations,
    /// … is away, without an available deputy.
    pub away: Destinations,
    /// … is outside own hours, without an available deputy.
    pub outside_hours: Destinations,
    /// … has left (`active = false`), without an available deputy.
    pub left: Destinations,
    /// Replaces every reason's destination: this, and nobody else.
    pub responsible_only: Option<Destination>,
}

/// `open = { … }` or `closed = { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A prompt played while phones already ring. Default: none.
    pub greeting: Option<Arc<str>>,
    /// Where the call goes.
    pub to: Destinations,
}

/// `[[did]]`.
#[derive(Clone, Debug)]
pub struct Did {
    /// Unique.
    pub number: DidNumber,
    /// A label for reports. Default: none.
    pub source: Option<Arc<str>>,
    /// Default: none, then no sticky routing.
    pub known: Option<Known>,
    /// Default: always open.
    pub schedule: Option<ScheduleIx>,
    /// While open. `None`: `personal`, else the operator.
    pub open: Option<Answer>,
    /// While closed. `None`: the operator.
    pub closed: Option<Answer>,
    /// The one employee whom this number rings. Default: it is shared.
    pub personal: Option<ExtensionIx>,
    /// Calls at one time. Default: no limit.
    pub max_calls: Option<u32>,
    /// Default: as `media.record`.
    pub record: Option<Record>,
}
