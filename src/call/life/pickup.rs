//! A colleague takes the call over from where it rings.

use super::super::alphabet::{LegOrder, Legs};
use super::super::party::Party;
use super::super::pickup::Crossing;
use super::{Call, Stage};
use crate::config::{Destination, ExtensionIx, GroupIx};
use crate::fact::{CallFact, Rung};
use crate::key::LegKey;
use crate::route::{Reason, RingPlan, Step};

impl Call {
    /// The group that is being rung, where the plan is at one.
    pub fn ringing_group(&self) -> Option<GroupIx> {
        match self.plan.step(self.walk.at().filter(|_| self.is_ringing())?) {
            Some(Step::Ring(RingPlan { destination: Destination::Group(group), .. })) => Some(*group),
            _ => None,
        }
    }

    /// True where the one who waits has been answered before, and can only be offered something new.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Who is at the other end of a leg: the one who talks with it, or for whom it is rung.
    pub fn partner_of(&self, leg: LegKey) -> Option<LegKey> {
        match self.stage {
            Stage::Talking { with, .. } if leg == self.caller.leg => Some(with.leg),
            Stage::Talking { .. } | Stage::Ringing => Some(self.caller.leg).filter(|caller| *caller != leg),
            Stage::Serving(_) | Stage::Over => None,
        }
    }

    /// That phone's leg is the winner, as if it had been rung and answered.
    pub fn picked_up(&mut self, by: ExtensionIx, leg: LegKey, rung: Rung, crossing: Crossing, legs: &mut dyn Legs) {
        let with = Party { leg, number: rung.leg, extension: Some(by) };
        legs.note(CallFact::Turned { because: vec![Reason::PickedUp(self.config.extension(by).number.clone())] });
        legs.note(CallFact::Rung(vec![rung]));
        // They have dialled a code or a colleague, and talk with the one who called.
        legs.introduce(leg, self.caller.leg);
        self.forgo_greeting(legs);
        match crossing.to_caller {
            Some(session) if self.is_up => self.meet_the_picker(with, session, legs),
            Some(session) => legs.order(self.caller.leg, LegOrder::Answer(Some(session))),
            None => {}
        }
        if let Some(session) = crossing.to_picker {
            legs.order(leg, LegOrder::Answer(Some(session)));
        }
        self.won(with, legs);
    }
}
