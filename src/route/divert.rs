//! A phone sends the call elsewhere (302): the plan goes on with what its employee would have dialled, and comes back to
//! where it was if nobody answers there.

use super::plan::{Callee, Next, RoutePlan, Step, StepIx};
use super::ring::RING_TIME;
use crate::config::Destination;

impl RoutePlan {
    /// This plan with `other` in the place of its step `at`: what comes after that step comes after `other`, by outcome.
    /// Gives the step with which the other begins, too; `None` where it begins with none.
    pub fn with_diversion(&self, at: StepIx, other: RoutePlan) -> Option<(RoutePlan, StepIx)> {
        let behind = u16::try_from(self.steps.len()).ok()?;
        u16::try_from(self.steps.len() + other.steps.len()).ok()?;
        let moved = |step: StepIx| StepIx(step.0 + behind);
        let after = self.step(at).map(Step::next).unwrap_or_default();
        let next = |next: Next| Next {
            busy: next.busy.map(moved).or(after.busy),
            no_answer: next.no_answer.map(moved).or(after.no_answer),
            unreachable: next.unreachable.map(moved).or(after.unreachable),
        };
        let start = moved(other.start?);
        let mut plan = self.clone();
        plan.steps.extend(other.steps.into_iter().enumerate().map(|(at, mut step)| {
            // What leads to its beginning is told with the diversion.
            let begins = at + usize::from(behind) == start.index();
            match &mut step {
                Step::Ring(ring) => {
                    ring.next = next(ring.next);
                    ring.forwarded.because.retain(|_| !begins);
                }
                Step::Dial(dial) => {
                    dial.next = next(dial.next);
                    dial.forwarded.because.retain(|_| !begins);
                    // Whoever is called outside instead of a phone rings as long as a phone would, and once in a call.
                    dial.patience = dial.patience.or(Some(RING_TIME));
                    if let (None, Callee::Number(number)) = (&dial.destination, &dial.number) {
                        dial.destination = Some(Destination::Number(*number));
                    }
                }
                Step::Greet { next, .. } => *next = moved(*next),
                Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => {}
            }
            step
        }));
        Some((plan, start))
    }
}
