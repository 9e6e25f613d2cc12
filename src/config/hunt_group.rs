//! A hunt group: employees who share calls, how they are rung, and what comes after them.

use std::sync::Arc;
use std::time::Duration;

use super::destination::{Destinations, ExtensionIx};
use super::site::Record;

/// How the members of a group are rung. Each is a timetable; see the ringing rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Strategy {
    /// Everyone from the start.
    #[default]
    RingAll,
    /// One after another, each for `step`; one round.
    Sequential,
    /// Member k joins at k × `step`, and the earlier ones keep ringing.
    Escalating,
}

/// In which order members are taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Order {
    /// As written.
    #[default]
    Listed,
    /// Each call begins one further.
    RoundRobin,
    /// Shuffled for each call.
    Random,
    /// Who has not talked for longest comes first.
    LongestIdle,
    /// Who has had the fewest calls today comes first.
    FewestCalls,
}

/// `[[group]]`.
#[derive(Clone, Debug)]
pub struct HuntGroup {
    /// Unique.
    pub name: Arc<str>,
    /// Default: ring-all. `round-robin`, `random`, `longest-idle` and `fewest-calls` are read as sequential in that order.
    pub strategy: Strategy,
    /// Default: listed.
    pub order: Order,
    /// At least one, each once.
    pub members: Vec<ExtensionIx>,
    /// sequential: each one's turn; escalating: when the next joins. Default: 20 s.
    pub step: Duration,
    /// Caps the whole. Default: 60 s.
    pub patience: Duration,
    /// What comes after. Empty: the operator.
    pub then: Destinations,
    /// Default: as `media.record`.
    pub record: Option<Record>,
}

/// `[[voicemail]]`: a box that takes messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voicemail {
    /// Unique.
    pub name: Arc<str>,
    /// A prompt played before the beep. Default: the shipped one.
    pub greeting: Option<Arc<str>>,
    /// Who is told: mail addresses, without `mailto:`.
    pub notify: Vec<Arc<str>>,
}
