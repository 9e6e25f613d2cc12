//! What a caller would live through if nobody answered: the decision, then who rings from when to when, in words.

use std::fmt;

use serde::Serialize;

use super::reason::Considered;
use super::situation::Situation;
use super::{RoutePlan, decide};
use crate::clock::Duration;

/// One line of the timetable that a caller lives through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Since the call came in.
    pub after: Duration,
    /// What happens then.
    pub what: String,
}

/// A decision and its consequences, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Every rule in the order of decision with its outcome.
    pub order: Vec<Considered>,
    /// What then happens, if nobody answers.
    pub timetable: Vec<Moment>,
}

/// Explains one call.
pub fn explain(situation: &Situation<'_>) -> Explanation {
    let plan: RoutePlan = decide(situation);
    Explanation { order: plan.considered, timetable: Vec::new() }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for considered in &self.order {
            writeln!(f, "{:<16}{}", considered.rule, considered.found)?;
        }
        Ok(())
    }
}
