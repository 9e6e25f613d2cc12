//! The first fact of a call.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::party::{KnownCustomer, Party};
use crate::route::{Considered, Direction, Reason};

/// The first fact of a call: who called, whom, and what was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// From where to where.
    pub direction: Direction,
    /// Who calls.
    pub from: Party,
    /// What was dialled, as read.
    pub to: Party,
    /// The DID it came in on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub did: Option<Arc<str>>,
    /// The DID's `source` label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<Arc<str>>,
    /// The trunk it came in on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trunk: Option<Arc<str>>,
    /// The customer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer: Option<KnownCustomer>,
    /// An emergency number was dialled.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub emergency: bool,
    /// What the program that asked for the call (click-to-call) calls it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<Arc<str>>,
    /// The Call-ID on the caller's side, to find the call in a trunk's or phone's own log. Empty where nobody has called: the
    /// employee asked for the call, and is rung as well.
    pub sip_call_id: String,
    /// Why the plan is what it is: each rule that spoke, in the order of decision.
    pub because: Vec<Reason>,
    /// Every rule in the order of decision with its outcome, as `explain` prints it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub considered: Vec<Considered>,
    /// The steps of the plan with their timetables, a line each.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub plan: String,
}

impl Offered {
    /// True for a call that an employee asked for instead of dialling it (click-to-call).
    pub fn is_asked_for(&self) -> bool {
        self.direction != Direction::Inbound && self.sip_call_id.is_empty()
    }
}
