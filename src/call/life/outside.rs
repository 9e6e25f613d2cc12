//! Numbers outside: what a plan calls there, and the mobiles of employees, each through one trunk after the other.

use super::super::alphabet::{Legs, Refused, StopReason};
use super::super::dialling::{Dialling, Exhausted};
use super::super::party::Branch;
use super::Call;
use crate::clock::Instant;
use crate::config::ExtensionIx;
use crate::fact::{CallFact, Rung};
use crate::route::{DialPlan, mobiles};

impl Call {
    /// The plan calls a number outside.
    pub(super) fn dial(&mut self, dial: DialPlan, now: Instant, legs: &mut dyn Legs) {
        match self.next_trunk(Box::new(Dialling::new(dial)), None, 0, now, legs) {
            Ok(rung) => legs.note(CallFact::Rung(vec![rung])),
            Err(exhausted) => self.dial_failed(exhausted, now, legs),
        }
    }

    /// Rings the mobiles of an extension. True where one of them finds every line taken.
    pub(super) fn ring_mobiles(
        &mut self,
        extension: ExtensionIx,
        now: Instant,
        rung: &mut Vec<Rung>,
        legs: &mut dyn Legs,
    ) -> bool {
        let config = self.config.clone();
        let mut full = false;
        for mobile in mobiles(&config, extension) {
            match self.next_trunk(Box::new(Dialling::new(mobile)), Some(extension), 0, now, legs) {
                Ok(mobile) => rung.push(mobile),
                Err(exhausted) => full |= exhausted.full,
            }
        }
        full
    }

    /// The trunk has not said a word: its leg is given up, and the next one is tried.
    pub(super) fn is_silent(&mut self, at: usize, now: Instant, legs: &mut dyn Legs) {
        let (leg, extension) = (self.branches[at].leg, self.branches[at].extension);
        let dialling = self.branches[at].dialling.take();
        self.stop_branches(|branch| branch.leg == leg, StopReason::PlanMovedOn, legs);
        if let Some(dialling) = dialling {
            let refused = Refused { status: 408, rang: false, reason: None };
            self.trunk_failed(dialling, extension, &refused, now, legs);
        }
    }

    /// The trunk gave nothing: the next one, or what that means for the plan or the employee.
    pub(super) fn trunk_failed(
        &mut self,
        dialling: Box<Dialling>,
        extension: Option<ExtensionIx>,
        refused: &Refused,
        now: Instant,
        legs: &mut dyn Legs,
    ) {
        match self.next_trunk(dialling, extension, refused.status, now, legs) {
            Ok(rung) => legs.note(CallFact::Rung(vec![rung])),
            Err(exhausted) if extension.is_none() => self.dial_failed(exhausted, now, legs),
            Err(exhausted) => {
                let refused = Refused { status: exhausted.status, ..refused.clone() };
                self.device_failed(extension, &refused, now, legs);
            }
        }
    }

    /// Calls through the trunk that comes next after this status (0: the first one).
    fn next_trunk(
        &mut self,
        mut dialling: Box<Dialling>,
        extension: Option<ExtensionIx>,
        status: u16,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Result<Rung, Exhausted> {
        let (leg, rung) = dialling.next(status, now, legs)?;
        self.branches.push(Branch { dialling: Some(dialling), ..Branch::new(leg, rung.leg, extension) });
        Ok(rung)
    }

    fn dial_failed(&mut self, exhausted: Exhausted, now: Instant, legs: &mut dyn Legs) {
        self.failures.full |= exhausted.full;
        let mut orders = Vec::new();
        self.walk.dial_failed(exhausted.status, now, legs.presence(), &mut orders);
        self.carry_out(orders, now, legs);
    }
}
