//! An employee has a word with somebody before they hand the call on, by keys (`*2` and a number): the other one hears music
//! meanwhile.
//!
//! ```text
//!             `*2`, number                    Answered
//!   Talking ───────────────► Ringing, one waits ──────► the employee talks with the third, one waits
//!      ▲                       │  │                       │  │
//!      ├── nobody, `*2` ───────┘  │                       │  └── the employee hangs up ──► Talking: the other two
//!      ├──────────────────────────┼── the third leaves, `*2`
//!      │                          └── the employee hangs up ──► Ringing for the one who waits (as a blind transfer)
//! ```
//! Where the one who waits hangs up, the employee and the third talk on, or nobody is rung any more.

use std::sync::Arc;

use super::super::alphabet::{LegEvent, LegOrder, Legs, StopReason, Why};
use super::super::handed::{Consult, Transfer};
use super::super::party::Party;
use super::{Call, Stage};
use crate::clock::Instant;
use crate::fact::CallFact;
use crate::route::RoutePlan;
use crate::sound::{Sound, Tone};

impl Call {
    pub(super) fn consult(
        &mut self,
        by: Party,
        left: Party,
        to: &str,
        plan: Arc<RoutePlan>,
        now: Instant,
        legs: &mut dyn Legs,
    ) {
        legs.note(CallFact::Held { leg: by.number, held: true });
        self.pause_talking(legs);
        self.rest_recording(true, legs);
        let counts = self.caller.leg != by.leg;
        self.caller = by;
        self.consult = Some(Box::new(Consult { left, by, to: to.into(), counts }));
        legs.serve(by.leg);
        self.follow(plan, now, legs);
    }

    /// What is said while somebody is consulted, and changes that. The event, where it does not.
    pub(super) fn hear_consult(
        &mut self,
        leg: crate::key::LegKey,
        event: LegEvent,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Option<LegEvent> {
        let Some(consult) = &self.consult else { return Some(event) };
        let (left, by) = (consult.left, consult.by);
        let third = match self.stage {
            Stage::Talking { with, .. } => Some(with),
            _ => None,
        };
        match event {
            LegEvent::Ended(why) if leg == left.leg => self.waiter_leaves(&why, legs),
            LegEvent::Reoffered { .. } if leg == left.leg => legs.order(leg, LegOrder::RefuseReoffer(491)),
            LegEvent::TransferAsked(_) => legs.order(leg, LegOrder::RefuseTransfer(491)),
            _ if leg == left.leg => {}
            LegEvent::Ended(_) if leg == by.leg => self.join_consulted(legs),
            LegEvent::Ended(_) if third.is_some_and(|third| third.leg == leg) => self.back_to(third, false, legs),
            event => {
                if leg == by.leg && third.is_none() {
                    self.hear_talk_key(by, by, &event, now, legs);
                    // Where that took them back there is nothing more to hear.
                    self.consult.as_ref()?;
                }
                return Some(event);
            }
        }
        None
    }

    /// The employee wants back to the one who waits.
    pub(super) fn end_consult(&mut self, legs: &mut dyn Legs) {
        let third = match self.stage {
            Stage::Talking { with, .. } => Some(with),
            _ => None,
        };
        self.stop_branches(|_| true, StopReason::PlanMovedOn, legs);
        self.back_to(third, true, legs);
    }

    /// Nobody answered whom the employee wanted to consult.
    pub(super) fn nobody_to_consult(&mut self, legs: &mut dyn Legs) {
        let by = self.caller.leg;
        self.stop_branches(|_| true, StopReason::PlanMovedOn, legs);
        self.back_to(None, false, legs);
        self.say_to_talker("unavailable", by, legs);
    }

    fn back_to(&mut self, third: Option<Party>, hangs_up: bool, legs: &mut dyn Legs) {
        let Some(consult) = self.consult.take() else { return };
        let Consult { left, by, .. } = *consult;
        self.forget_keys();
        self.stop_talking(legs);
        if let Some(third) = third.filter(|_| hangs_up) {
            legs.order(third.leg, LegOrder::End(Why::default()));
        }
        (self.meeting, self.hosting, self.quiet) = (None, None, None);
        self.walk.answered();
        self.caller = left;
        legs.serve(left.leg);
        self.stage = Stage::Talking { with: by, since: legs.now(), held: [false; 2] };
        legs.note(CallFact::Held { leg: by.number, held: false });
        legs.bridge(left.leg, by.leg);
        self.rest_recording(false, legs);
        self.record_talk(legs);
        // Who has met the third must meet the other one again.
        if third.is_some() {
            legs.introduce(by.leg, left.leg);
            let session = legs.session(left.leg);
            self.meet(by.leg, session, Some(left.leg), 0, legs);
        }
    }

    /// The employee has hung up: who waits talks with the third, or waits for them.
    fn join_consulted(&mut self, legs: &mut dyn Legs) {
        let Some(consult) = self.consult.take() else { return };
        let Consult { left, by, to, counts } = *consult;
        by.extension.filter(|_| counts).into_iter().for_each(|employee| legs.talked(employee));
        self.forget_keys();
        legs.note(CallFact::Transferred { by: by.number, to, attended: true, because: Vec::new() });
        self.caller = left;
        legs.serve(left.leg);
        self.rest_recording(false, legs);
        match self.stage {
            Stage::Talking { with: third, .. } => {
                self.pause_talking(legs);
                self.stage = Stage::Talking { with: third, since: legs.now(), held: [false; 2] };
                legs.note(CallFact::Answered { leg: third.number, human: true });
                legs.bridge(left.leg, third.leg);
                legs.introduce(third.leg, left.leg);
                legs.introduce(left.leg, third.leg);
                self.record_talk(legs);
                let session = legs.session(left.leg);
                self.meet(third.leg, session, Some(left.leg), 0, legs);
            }
            _ => {
                self.early = None;
                self.transfer =
                    Some(Box::new(Transfer { by, is_gone: true, held: false, comes_back: false, consulted: true }));
                self.wait_with_music(legs);
            }
        }
    }

    /// The one who waits has hung up.
    fn waiter_leaves(&mut self, why: &Why, legs: &mut dyn Legs) {
        let Some(consult) = self.consult.take() else { return };
        consult.by.extension.filter(|_| consult.counts).into_iter().for_each(|employee| legs.talked(employee));
        if self.is_ringing() {
            let by = self.ended_by(consult.left, why);
            self.stop_branches(|_| true, StopReason::CallerGone, legs);
            legs.order(self.caller.leg, LegOrder::End(Why::default()));
            self.over(by, 200, None, legs);
        }
    }

    /// What somebody hears who waits for an answer: an employee who consults, or who asked for the call, hears it ring.
    pub(super) fn waiting_tone(&self) -> [Sound; 1] {
        [Sound::Tone(if self.consult.is_some() || self.is_calling() { Tone::Ringback } else { Tone::Music })]
    }

    /// The call ends in another way: so does the wait.
    pub(super) fn release_waiter(&mut self, legs: &mut dyn Legs) {
        if let Some(consult) = self.consult.take() {
            legs.order(consult.left.leg, LegOrder::End(Why::default()));
        }
    }
}
