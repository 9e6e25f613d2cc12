//! A phone sends the call elsewhere instead of ringing (302): followed where its employee is whom the caller is to reach,
//! as far as that employee may dial.

use std::sync::Arc;

use super::super::alphabet::{Legs, Redirected, StopReason};
use super::Call;
use crate::clock::Instant;
use crate::config::{Destination, ExtensionIx};
use crate::fact::CallFact;
use crate::route::{Reason, RingPlan, Step, StepIx};

impl Call {
    pub(super) fn redirected(&mut self, at: usize, redirected: &Redirected, now: Instant, legs: &mut dyn Legs) {
        let branch = &self.branches[at];
        let (leg, number) = (branch.leg, branch.number);
        let place = branch.extension.and_then(|extension| Some((extension, self.is_destination(extension)?)));
        let Some((extension, step)) = place else { return self.refused(at, &redirected.refused, now, legs) };
        let who = self.config.extension(extension).number.clone();
        let mut because = vec![Reason::Diverts { who, to: redirected.to.clone() }];
        let plan = legs.divert(extension, &redirected.to, redirected.refused.rang);
        let diverted = match plan {
            Ok(plan) => {
                because.extend(plan.because.iter().filter(|reason| **reason != Reason::InternalCall).cloned());
                self.plan.with_diversion(step, plan)
            }
            Err(why) => {
                because.extend(why);
                None
            }
        };
        let Some((plan, start)) = diverted else {
            legs.note(CallFact::Turned { because });
            return self.refused(at, &redirected.refused, now, legs);
        };
        self.branches.remove(at);
        legs.note(CallFact::Dropped { leg: number, status: redirected.refused.status, stopped: None });
        self.forget_early(leg, legs);
        // One phone speaks for its employee: the others need not ring for a call that has gone on.
        self.stop_branches(|branch| branch.extension == Some(extension), StopReason::PlanMovedOn, legs);
        self.tally.retain(|(of, _)| *of != extension);
        self.plan = Arc::new(plan);
        let mut orders = because.into_iter().map(crate::route::Order::Because).collect();
        self.walk.divert(self.plan.clone(), start, extension, now, legs.presence(), &mut orders);
        self.carry_out(orders, now, legs);
    }

    /// The step of now, where it is this employee's own: as a member of a group nobody sends the group's calls elsewhere,
    /// nor does a deputy.
    fn is_destination(&self, extension: ExtensionIx) -> Option<StepIx> {
        // Nobody else can be called in the place of the one who asked for the call.
        let step = self.walk.at().filter(|_| !self.is_summoning())?;
        match self.plan.step(step)? {
            Step::Ring(RingPlan { destination: Destination::Extension(to), .. }) if *to == extension => Some(step),
            _ => None,
        }
    }
}
