//! A call changes hands: somebody who talks hands the other one on, to whoever answers (blind), or to whom they consulted
//! before (attended). It stays one call with one record, and nobody is lost on the way.
//!
//! ```text
//!              TransferAsked                      Answered
//!   Talking ─────────────────► Ringing, one waits ─────────► Talking with the new one, once both have met
//!      ▲                          │    │     ▲
//!      └── still there ── nobody ─┘    │     │ gone: rung back, then the operator
//!                      took over       └─────┘ … nobody either ──► Over, and the customer was missed
//! ```
//!
//! An attended transfer joins two calls: what one of them hands over ([`Handed`]), the other takes in.

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::alphabet::{LegEvent, LegOrder, Legs, Session, TransferAsked, Why};
use super::super::handed::{Handed, HandedRinging, HandedTalker, Meeting, News, Transfer};
use super::super::party::{Failures, Party};
use super::{Call, Stage};
use crate::clock::{Duration, Instant};
use crate::config::Config;
use crate::fact::{CallFact, EndedBy, Rung};
use crate::key::{CallId, LegKey};
use crate::route::{Direction, RoutePlan, Walk};
use crate::sound::{Sound, Tone};

/// How often an offer that crosses theirs is made again.
const TRIES: u8 = 6;
/// Who hangs up so soon after bad news is a phone: no hand is that quick.
const REFLEX: Duration = Duration::from_millis(250);

/// Blind transfer.
impl Call {
    pub(super) fn transfer_asked(
        &mut self,
        who: Party,
        with: Party,
        asked: &TransferAsked,
        now: Instant,
        legs: &mut dyn Legs,
    ) {
        // Only an employee hands calls on; and two who have not met yet cannot be parted.
        let by = match (who.extension, &self.meeting) {
            (Some(extension), None) => Ok(extension),
            (Some(_), Some(_)) => Err(491),
            (None, _) => Err(403),
        };
        let plan = by.and_then(|by| match &asked.replaces {
            Some(consulted) => legs.join(who.leg, consulted).map(|()| None),
            None => legs.plan_transfer(by, &asked.to).map(Some),
        });
        match plan {
            Err(status) => legs.order(who.leg, LegOrder::RefuseTransfer(status)),
            Ok(plan) => {
                legs.order(who.leg, LegOrder::AcceptTransfer);
                if let Some(plan) = plan {
                    self.hand_on(who, with, &asked.to, plan, now, legs);
                }
            }
        }
    }

    /// `who` leaves, `left` waits, and the plan is followed for them.
    pub(super) fn hand_on(
        &mut self,
        who: Party,
        left: Party,
        to: &str,
        plan: Arc<RoutePlan>,
        now: Instant,
        legs: &mut dyn Legs,
    ) {
        legs.order(who.leg, LegOrder::TransferNews(100));
        let because = plan.because.clone();
        legs.note(CallFact::Transferred { by: who.number, to: to.into(), attended: false, because });
        self.stop_talking(legs);
        let held = self.is_held_by(who);
        self.caller = left;
        self.transfer = Some(Box::new(Transfer { by: who, is_gone: false, held, comes_back: false, consulted: false }));
        legs.serve(left.leg);
        self.follow(plan, now, legs);
    }

    pub(super) fn follow(&mut self, plan: Arc<RoutePlan>, now: Instant, legs: &mut dyn Legs) {
        let mut orders = Vec::new();
        self.walk = Walk::begin(plan.clone(), now, legs.presence(), &mut orders);
        self.plan = plan;
        self.stage = Stage::Ringing;
        self.forget_keys();
        (self.early, self.stopped) = (None, Default::default());
        (self.tally, self.failures) = (SmallVec::new(), Failures::default());
        // They came through during the hours.
        self.after_hours = false;
        self.group_step = None;
        (self.hosting, self.quiet) = (None, None);
        if self.is_up {
            self.wait_with_music(legs);
        }
        self.carry_out(orders, now, legs);
    }

    /// Nobody answered the one who waits: back to who transferred, where they still are, else to their phones.
    pub(super) fn nobody_took_over(&mut self, status: u16, now: Instant, legs: &mut dyn Legs) {
        let Some(transfer) = &mut self.transfer else { return };
        let (by, held) = (transfer.by, transfer.held);
        transfer.consulted = false;
        let back = (transfer.is_gone && !std::mem::replace(&mut transfer.comes_back, true))
            .then(|| by.extension.and_then(|extension| legs.plan_return(extension)))
            .flatten();
        match (transfer.is_gone, back) {
            (false, _) => {
                (self.transfer, self.hosting) = (None, None);
                legs.note(CallFact::Returned { leg: by.number, status });
                self.stage = Stage::Talking { with: by, since: legs.now(), held: [false, held] };
                legs.bridge(self.caller.leg, by.leg);
                self.play_music(legs);
                self.record_talk(legs);
                legs.order(by.leg, LegOrder::TransferNews(status));
                self.news = Some(News { to: by.leg, status, at: now });
            }
            (true, Some(plan)) => {
                legs.note(CallFact::Turned { because: plan.because.clone() });
                self.follow(plan, now, legs);
            }
            (true, None) => {
                self.transfer = None;
                self.refuse(status, None, EndedBy::Router, legs);
            }
        }
    }

    /// Some phones hang up by themselves when their transfer comes to nothing (baresip 1.0 does), and nobody meant it.
    pub(super) fn leaves_at_the_news(&self, leg: LegKey, now: Instant) -> bool {
        self.news.as_ref().is_some_and(|news| news.to == leg && now <= news.at + REFLEX)
    }

    /// `by` has left at the news; the one they talked with comes back to them.
    pub(super) fn come_back(&mut self, by: Party, now: Instant, legs: &mut dyn Legs) {
        let Some(news) = self.news.take() else { return };
        self.stop_talking(legs);
        self.transfer =
            Some(Box::new(Transfer { by, is_gone: true, held: false, comes_back: false, consulted: false }));
        self.nobody_took_over(news.status, now, legs);
    }

    pub(super) fn is_transferrer(&self, leg: LegKey) -> bool {
        self.transfer.as_ref().is_some_and(|transfer| transfer.by.leg == leg)
    }

    /// Who has handed the call on still has a leg.
    pub(super) fn hear_transferrer(&mut self, event: LegEvent, legs: &mut dyn Legs) {
        let Some(transfer) = &mut self.transfer else { return };
        match event {
            LegEvent::Ended(_) => transfer.is_gone = true,
            LegEvent::Reoffered { .. } => legs.order(transfer.by.leg, LegOrder::RefuseReoffer(491)),
            LegEvent::TransferAsked(_) => legs.order(transfer.by.leg, LegOrder::RefuseTransfer(491)),
            _ => {}
        }
    }

    /// The transfer is decided, for good or ill; who asked for it leaves.
    pub(super) fn end_transfer(&mut self, status: u16, legs: &mut dyn Legs) {
        if let Some(transfer) = self.transfer.take().filter(|transfer| !transfer.is_gone) {
            legs.order(transfer.by.leg, LegOrder::TransferNews(status));
            legs.order(transfer.by.leg, LegOrder::End(Why::default()));
        }
    }
}

/// Why a talk cannot be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHandedOn {
    /// Nobody talks in it.
    NobodyTalks,
    /// The two have not met yet, or an employee consults somebody: it can be asked again in a moment.
    Unsettled,
    /// Two employees talk, and it was not said which of them hands the other on.
    WhichOfTheTwo,
    /// No employee, or not this one, is in it.
    NotTheirs,
    /// With this status, as a phone would have heard it.
    Refused(u16),
}

/// Blind transfer that no phone has asked for.
impl Call {
    /// The employee `by`, or where nothing is said the only one in the talk, hands the other one on.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn hand_on_for(
        &mut self,
        by: Option<&str>,
        to: &str,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Result<(), NotHandedOn> {
        let Stage::Talking { with, .. } = self.stage else { return Err(NotHandedOn::NobodyTalks) };
        let is_settled = [self.caller.leg, with.leg].into_iter().all(|leg| legs.is_settled(leg));
        if self.meeting.is_some() || self.consult.is_some() || !is_settled {
            return Err(NotHandedOn::Unsettled);
        }
        let is_meant = |party: &Party| {
            let number = party.extension.map(|extension| &self.config.extension(extension).number);
            number.is_some_and(|number| by.is_none_or(|by| **number == *by))
        };
        let (who, left) = match (is_meant(&self.caller), is_meant(&with)) {
            (true, true) => return Err(NotHandedOn::WhichOfTheTwo),
            (true, false) => (self.caller, with),
            (false, true) => (with, self.caller),
            (false, false) => return Err(NotHandedOn::NotTheirs),
        };
        let by = who.extension.ok_or(NotHandedOn::NotTheirs)?;
        let plan = legs.plan_transfer(by, to).map_err(NotHandedOn::Refused)?;
        self.hand_on(who, left, to, plan, now, legs);
        self.tell_it_rings(who, legs);
        Ok(())
    }

    /// Who has handed a call on and stays until somebody takes it hears it ring.
    pub(super) fn tell_it_rings(&mut self, who: Party, legs: &mut dyn Legs) {
        if self.is_ringing() && self.is_transferrer(who.leg) {
            legs.play(who.leg, &[Sound::Tone(Tone::Ringback)], true);
        }
    }
}

/// Two who did not call each other.
impl Call {
    /// The one who waited gets the winner's session. Those whom a consulted plan had rung know another's, so they hear the
    /// answer to it.
    pub(super) fn meet_the_winner(&mut self, winner: Party, session: Option<Session>, legs: &mut dyn Legs) {
        let is_stranger = self.transfer.as_ref().is_some_and(|transfer| transfer.consulted);
        legs.introduce(self.caller.leg, winner.leg);
        if is_stranger {
            legs.introduce(winner.leg, self.caller.leg);
        }
        self.meet(self.caller.leg, session, is_stranger.then_some(winner.leg), 0, legs);
    }

    /// The one who waited gets the session of a phone that took the call over, and that has been told theirs already.
    pub(super) fn meet_the_picker(&mut self, picker: Party, session: Session, legs: &mut dyn Legs) {
        legs.introduce(self.caller.leg, picker.leg);
        self.meet(self.caller.leg, Some(session), None, 0, legs);
    }

    pub(super) fn meet(
        &mut self,
        asked: LegKey,
        session: Option<Session>,
        then: Option<LegKey>,
        tries: u8,
        legs: &mut dyn Legs,
    ) {
        // Who asked for the call has agreed with us alone, in a codec that the wanted one may not know.
        let must = self.is_calling();
        self.meeting = Some(Box::new(Meeting { asked, session: session.clone(), then, again: None, tries, must }));
        legs.order(asked, LegOrder::Reoffer(session));
    }

    /// What is said while two meet is no one else's business. The event, where it is.
    pub(super) fn hear_meeting(
        &mut self,
        leg: LegKey,
        event: LegEvent,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Option<LegEvent> {
        let Some(meeting) = &mut self.meeting else { return Some(event) };
        match event {
            LegEvent::Reanswered(session) if leg == meeting.asked => {
                let then = meeting.then;
                self.meeting = None;
                if let Stage::Talking { with, .. } = self.stage {
                    legs.bridge(self.caller.leg, with.leg);
                }
                match (then, &self.stage) {
                    (Some(then), _) => self.meet(then, session, None, 0, legs),
                    // A phone that was rung without an offer, and made one, waits for this answer.
                    (None, Stage::Talking { with, .. }) if leg == self.caller.leg => {
                        legs.order(with.leg, LegOrder::Acknowledge(session));
                    }
                    (None, _) => {}
                }
            }
            // What it says there is told to us alone: now it can be asked.
            LegEvent::Acknowledged(_) if leg == meeting.asked => {
                if meeting.again.take().is_some() {
                    let (session, then, tries, must) =
                        (meeting.session.take(), meeting.then, meeting.tries, meeting.must);
                    self.meet(leg, session, then, tries, legs);
                    self.meeting.iter_mut().for_each(|meeting| meeting.must = must);
                }
            }
            // RFC 3261 §14.1: it crossed an offer of theirs.
            LegEvent::ReofferRefused(491 | 500) if leg == meeting.asked && meeting.tries < TRIES => {
                meeting.again = Some(now + legs.pause(leg));
            }
            // Nothing that both know: they cannot talk.
            LegEvent::ReofferRefused(_) if leg == meeting.asked && meeting.must => {
                self.meeting = None;
                if let Stage::Talking { with, .. } = self.stage {
                    legs.order(self.caller.leg, LegOrder::End(Why::default()));
                    legs.order(with.leg, LegOrder::End(Why::default()));
                    self.over(EndedBy::Router, 488, None, legs);
                }
            }
            // They hear each other all the same, as far as what each has agreed to before goes.
            LegEvent::ReofferRefused(_) if leg == meeting.asked => {
                self.meeting = None;
                if let Stage::Talking { with, .. } = self.stage {
                    legs.order(with.leg, LegOrder::Acknowledge(legs.session(leg)));
                }
            }
            LegEvent::Reoffered { .. } => legs.order(leg, LegOrder::RefuseReoffer(491)),
            other => return Some(other),
        }
        None
    }

    pub(super) fn meet_again(&mut self, now: Instant, legs: &mut dyn Legs) {
        let Some(meeting) = self.meeting.take_if(|meeting| meeting.again.is_some_and(|at| at <= now)) else { return };
        self.meet(meeting.asked, meeting.session, meeting.then, meeting.tries + 1, legs);
        self.meeting.iter_mut().for_each(|again| again.must = meeting.must);
    }
}

/// Attended transfer.
impl Call {
    /// True where `leg` is one of two who talk.
    pub fn is_talker(&self, leg: LegKey) -> bool {
        match self.stage {
            Stage::Talking { with, .. } => {
                let is_free = self.meeting.is_none() && self.consult.is_none();
                [self.caller.leg, with.leg].contains(&leg) && is_free
            }
            Stage::Ringing | Stage::Serving(_) | Stage::Over => false,
        }
    }

    /// True where `leg` waits for somebody to answer.
    pub fn is_waiting(&self, leg: LegKey) -> bool {
        let is_free = self.transfer.is_none() && self.consult.is_none() && self.origination.is_none();
        self.is_ringing() && self.caller.leg == leg && is_free
    }

    /// True for a call between colleagues.
    pub fn is_internal(&self) -> bool {
        let with = match self.stage {
            Stage::Talking { with, .. } => with.extension.is_some(),
            _ => self.plan.direction == Direction::Internal,
        };
        with && self.caller.extension.is_some()
    }

    /// The one behind `leg` leaves; this call is over, and goes on as part of `into`.
    pub fn hand_over(&mut self, leg: LegKey, into: CallId, legs: &mut dyn Legs) -> Option<Handed> {
        let handed = match self.stage {
            Stage::Talking { with, .. } => {
                let other = if self.caller.leg == leg { with } else { self.caller };
                Handed::Talker(HandedTalker(other))
            }
            Stage::Ringing => Handed::Ringing(Box::new(HandedRinging {
                plan: self.plan.clone(),
                walk: self.walk.clone(),
                branches: std::mem::take(&mut self.branches),
                tally: std::mem::take(&mut self.tally),
                failures: self.failures,
            })),
            Stage::Serving(_) | Stage::Over => return None,
        };
        let status = if self.is_ringing() { 487 } else { 200 };
        legs.note(CallFact::Merged { into });
        self.over(EndedBy::Transfer, status, None, legs);
        Some(handed)
    }

    /// `by` leaves, and what another call hands over, under `config`, takes their place. `rung`: those who come over, for
    /// the record.
    pub fn take_over(
        &mut self,
        by: LegKey,
        to: &str,
        handed: Handed,
        config: &Arc<Config>,
        rung: Vec<Rung>,
        legs: &mut dyn Legs,
    ) {
        let Stage::Talking { with, .. } = self.stage else { return };
        let (left, by) = if self.caller.leg == by { (with, self.caller) } else { (self.caller, with) };
        legs.note(CallFact::Transferred { by: by.number, to: to.into(), attended: true, because: Vec::new() });
        legs.note(CallFact::Rung(rung));
        self.stop_talking(legs);
        let held = self.is_held_by(by);
        self.caller = left;
        legs.serve(left.leg);
        match handed {
            Handed::Talker(HandedTalker(newcomer)) => {
                let newcomer = newcomer.under(config, &self.config);
                self.stage = Stage::Talking { with: newcomer, since: legs.now(), held: [false; 2] };
                legs.note(CallFact::Answered { leg: newcomer.number, human: true });
                legs.bridge(left.leg, newcomer.leg);
                self.record_talk(legs);
                legs.introduce(newcomer.leg, left.leg);
                legs.introduce(left.leg, newcomer.leg);
                let session = legs.session(left.leg);
                self.meet(newcomer.leg, session, Some(left.leg), 0, legs);
                legs.order(by.leg, LegOrder::End(Why::default()));
            }
            Handed::Ringing(ringing) => {
                let HandedRinging { plan, walk, branches, tally, failures } = *ringing;
                // The plan is one of the configuration under which it was made; so from here on is this call.
                let by = by.under(&self.config, config);
                self.caller = left.under(&self.config, config);
                self.config = config.clone();
                (self.plan, self.walk) = (plan, walk);
                (self.branches, self.tally, self.failures, self.early) = (branches, tally, failures, None);
                self.transfer =
                    Some(Box::new(Transfer { by, is_gone: false, held, comes_back: false, consulted: true }));
                self.stage = Stage::Ringing;
                self.wait_with_music(legs);
                for branch in self.branches.iter().filter(|branch| branch.ringing) {
                    legs.note(CallFact::Ringing { leg: branch.number });
                }
            }
        }
    }
}
