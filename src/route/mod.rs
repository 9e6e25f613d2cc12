//! The decision whom to ring, and why: a function from everything that matters to a plan, and the walk along that plan.
//!
//! [`decide`] reads a [`Situation`] and gives a [`RoutePlan`]; it is pure and total, so the same situation always gives
//! the same plan, and every situation gives one. [`Walk`] carries a plan out. [`explain`] does both in virtual time and
//! says what a caller would live through. Nothing here knows a header, a device or the clock.
//!
//! Order of decision for a call from outside: block list → limits → manual override of the hours → known customer → hours
//! → the DID's plan → overflow → operator. For an employee's call: emergency → whom the dialled text means → outbound rules.

mod absence;
mod decide;
mod divert;
mod draft;
mod explain;
mod feature;
mod forward;
mod mobile;
mod outline;
mod plan;
mod reason;
mod ring;
mod situation;
mod summon;
mod walk;

pub use decide::{come_back, decide};
pub use explain::{Explanation, Happening, Moment, explain};
pub use feature::Feature;
pub use forward::may_forward;
pub use mobile::mobiles;
pub use outline::Outline;
pub use plan::{Callee, DialPlan, Direction, Forwarded, Mobile, Next, RingPlan, RoutePlan, Slot, Step, StepIx};
pub use reason::{Considered, Failed, Reason, Rule, sentence};
pub use ring::RING_TIME;
pub use situation::{Availability, Caller, Destined, Idle, Load, Origin, PickUp, Presence, Situation};
pub use summon::summon;
pub use walk::{Ending, Order, StopBecause, Walk};
