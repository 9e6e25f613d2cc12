//! A talk is written down: from its first word to the end of the call, whoever takes it over, with silence where an employee
//! wished for it.

use super::super::alphabet::Legs;
use super::super::party::Party;
use super::{Call, Stage};
use crate::anchor::Until;
use crate::config::{Destination, GroupIx};
use crate::fact::RecordingOf;
use crate::route::{RingPlan, Step};
use crate::sound::Sound;

impl Call {
    /// Two talk: where one recording runs it goes on with these two, else it begins where the config wants one.
    pub(super) fn record_talk(&mut self, legs: &mut dyn Legs) {
        let Stage::Talking { with, .. } = self.stage else { return };
        // What colleagues say while somebody waits is not the talk that is written down.
        if self.consult.is_some() {
            return;
        }
        if self.take.is_some() || legs.wants_record(self.caller.leg, with.leg, self.rung_group()) {
            self.write_down(legs);
        }
    }

    fn write_down(&mut self, legs: &mut dyn Legs) {
        let Stage::Talking { with, .. } = self.stage else { return };
        let (left, right) = self.sides(with);
        match self.take {
            Some(take) => legs.follow(take, left.leg, right.leg),
            None => self.take = legs.record(left.leg, Some(right.leg), RecordingOf::Talk, Until::default()),
        }
    }

    /// The one outside is on the left, the company on the right; between colleagues, and between two outside, the one who
    /// called or waited is on the left. The plan does not say who is outside: after a transfer it is the transferrer's.
    fn sides(&self, with: Party) -> (Party, Party) {
        match (self.caller.extension, with.extension) {
            (Some(_), None) => (with, self.caller),
            _ => (self.caller, with),
        }
    }

    /// The group for which phones ring now, or rang last.
    fn rung_group(&self) -> Option<GroupIx> {
        match self.plan.step(self.group_step?) {
            Some(Step::Ring(RingPlan { destination: Destination::Group(group), .. })) => Some(*group),
            _ => None,
        }
    }

    /// An employee in the talk wants it written down from now on; or, where it is, not for a while; or again.
    pub(super) fn toggle_recording(&mut self, by: Party, legs: &mut dyn Legs) {
        let on = match self.take {
            None => {
                self.write_down(legs);
                self.take.is_some()
            }
            Some(take) => {
                self.paused = !self.paused;
                legs.pause_record(take, self.paused);
                !self.paused
            }
        };
        // Only the one who wanted it hears that, for a moment.
        if self.take.is_some() {
            legs.play(by.leg, &[Sound::prompt(if on { "record-on" } else { "record-off" })], false);
        }
    }

    /// The same from outside the talk: an admin, a page.
    pub fn set_recording(&mut self, on: bool, legs: &mut dyn Legs) -> bool {
        match self.take {
            None if on => self.write_down(legs),
            None => {}
            Some(take) if self.paused == on => {
                self.paused = !on;
                legs.pause_record(take, self.paused);
            }
            Some(_) => {}
        }
        self.take.is_some() || !on
    }

    /// While an employee consults somebody nothing is written down.
    pub(super) fn rest_recording(&mut self, rests: bool, legs: &mut dyn Legs) {
        if let Some(take) = self.take.filter(|_| !self.paused) {
            legs.pause_record(take, rests);
        }
    }

    /// The call is over; its recording is made whole.
    pub(super) fn end_recording(&mut self, legs: &mut dyn Legs) {
        if let Some(take) = self.take.take() {
            legs.end_record(take);
        }
    }
}
