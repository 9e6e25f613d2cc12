//! An employee who asked for a call is rung first: on all of their own phones at once, whatever else is set for their calls.

use std::sync::Arc;

use super::plan::{Direction, Forwarded, Next, RingPlan, RoutePlan, Slot, Step, StepIx};
use crate::clock::Duration;
use crate::config::{Config, Destination, ExtensionIx};

/// The plan that rings one employee's phones for so long, and nobody else. Neither absence nor forwards count: they want it.
pub fn summon(config: &Config, employee: ExtensionIx, direction: Direction, patience: Duration) -> RoutePlan {
    let (destination, number) = (Destination::Extension(employee), config.extension(employee).number.clone());
    let slot = Slot { member: employee, name: number.clone(), from: Duration::ZERO, until: None };
    let ring = RingPlan {
        label: Arc::from(config.name_of(&destination)),
        destination,
        who: number,
        timetable: vec![slot],
        patience,
        forwarded: Forwarded::default(),
        next: Next::default(),
    };
    RoutePlan {
        direction,
        start: Some(StepIx(0)),
        steps: vec![Step::Ring(ring)],
        because: Vec::new(),
        considered: Vec::new(),
        did: None,
    }
}
