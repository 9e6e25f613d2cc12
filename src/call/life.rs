//! A call: the caller's leg, the legs rung for it, and the plan they follow.
//!
//! ```text
//!              begin                       Answered                      Ended, either side
//!   (offered) ───────► Ringing ──────────────────────────► Talking ─────────────────────────► Over
//!                        │  ▲ a phone fails, a step is due:  │ │ ▲ Reoffered, Passed: carried across
//!                        │  │ the walk says who rings next   │ └─┘
//!                        │  └────────────────────────────────┘ TransferAsked: see `transfer`
//!                        └── the plan ran out, the caller gave up, a limit ─────────────────► Over
//! ```
//!
//! A call knows no header: legs speak [`LegEvent`]s and take [`LegOrder`]s. It knows no strategy either: the
//! [`Walk`] through the plan says whom to ring and when to stop. What is left here is what makes a call a call: one
//! early medium at a time, exactly one winner, and an end that says why.

mod confirm;
mod consult;
mod divert;
mod keys;
mod originate;
mod outside;
mod pickup;
mod record;
mod serve;
mod silence;
mod transfer;

pub use transfer::NotHandedOn;

use std::sync::Arc;

use smallvec::SmallVec;

use super::alphabet::{LegEvent, LegOrder, Legs, Refused, Session, StopReason, Why, holds};
use super::handed::{Consult, Meeting, News, Transfer};
use super::keys::Keys;
use super::origination::Origination;
use super::party::{Branch, Failures, Party, Tally};
use super::served::{Hosting, Serving};
use super::silence::Silence;
use crate::anchor::{PlayKey, TakeKey};
use crate::clock::{Duration, Instant};
use crate::config::{Config, Destination, ExtensionIx, Talk};
use crate::fact::{CallFact, Ended, EndedBy, MissedCause, Offered, Rung};
use crate::key::{CallId, LegKey};
use crate::route::{Direction, Ending, Failed, Order, Reason, RingPlan, RoutePlan, Step, StepIx, Walk};
use crate::sound::{Sound, Tone};

/// A call in progress. It keeps the configuration under which it began.
#[derive(Debug)]
pub struct Call {
    id: CallId,
    config: Arc<Config>,
    /// The one whom the plan serves: who called, or whom a transfer left.
    caller: Party,
    /// The number of the leg of the one who called.
    first: u16,
    /// It was asked for, and the wanted one has not answered.
    origination: Option<Origination>,
    /// That one has been answered, and waits or talks.
    is_up: bool,
    plan: Arc<RoutePlan>,
    walk: Walk,
    stage: Stage,
    branches: SmallVec<[Branch; 4]>,
    /// Legs that were told to stop, with whom they rang: what they say last may still count.
    stopped: SmallVec<[(LegKey, ExtensionIx); 4]>,
    early: Option<LegKey>,
    /// What the caller hears from ourselves while phones ring.
    hosting: Option<Hosting>,
    /// A greeting that is due as soon as somebody is rung, or the router takes the call itself.
    greeting: Option<Arc<str>>,
    /// The caller's trunk cuts early media: whoever is to hear us is answered.
    answers: bool,
    /// The talk is written down.
    take: Option<TakeKey>,
    /// … but not for now.
    paused: bool,
    /// The last step that rang a group.
    group_step: Option<StepIx>,
    /// The caller is to hear first that the talk is recorded.
    announces: bool,
    /// The caller has heard nothing yet; when that becomes too long.
    quiet: Option<Instant>,
    /// Who wants to hold the other one, or to talk on, and has no answer yet.
    wish: Option<(LegKey, bool)>,
    rang: bool,
    tally: SmallVec<[(ExtensionIx, Tally); 4]>,
    failures: Failures,
    transfer: Option<Box<Transfer>>,
    news: Option<News>,
    meeting: Option<Box<Meeting>>,
    /// An employee consults somebody.
    consult: Option<Box<Consult>>,
    /// What employees who talk have pressed.
    keys: SmallVec<[Keys; 1]>,
    /// A word about keys that is being said, and to whom; afterwards two hear each other again.
    said: Option<(LegKey, PlayKey)>,
    /// How long people talked before the talk of now.
    talked: Duration,
    silence: Silence,
    /// Inbound, from a customer who is not blocked: ending without a talk is a miss.
    can_be_missed: bool,
    after_hours: bool,
}

#[derive(Debug)]
enum Stage {
    Ringing,
    Talking {
        with: Party,
        since: Instant,
        /// Who holds: the caller, the one who answered.
        held: [bool; 2],
    },
    /// The router itself talks with the caller.
    Serving(Box<Serving>),
    Over,
}

/// Nobody listens to nothing for longer than this (A17): then it rings, whatever the phones say.
const QUIET: Duration = Duration::from_secs(1);

impl Call {
    /// Begins to follow `plan` for the caller. The first fact, `offered`, gets the reasons that the first steps of the
    /// plan add (a busy responsible is passed before anybody rings).
    pub fn begin(
        id: CallId,
        config: Arc<Config>,
        caller: LegKey,
        plan: Arc<RoutePlan>,
        offered: Offered,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Call {
        Call::begin_as((caller, None), id, config, plan, offered, now, legs)
    }

    fn begin_as(
        (caller, origination): (LegKey, Option<Origination>),
        id: CallId,
        config: Arc<Config>,
        plan: Arc<RoutePlan>,
        mut offered: Offered,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Call {
        let mut orders = Vec::new();
        let walk = Walk::begin(plan.clone(), now, legs.presence(), &mut orders);
        orders.retain(|order| match order {
            Order::Because(reason) => {
                offered.because.push(reason.clone());
                false
            }
            _ => true,
        });
        let employee = offered.from.extension.as_ref().filter(|_| offered.direction != Direction::Inbound);
        let extension = employee.and_then(|number| config.extension_by_number(number));
        let trunk = offered.trunk.as_ref().and_then(|trunk| config.trunk_by_name(trunk));
        let answers = trunk.is_some_and(|trunk| config.trunk(trunk).answer);
        let talk = Talk { outside: true, did: plan.did, trunk, ..Talk::default() };
        let announces = offered.direction == Direction::Inbound && config.media.announce && config.records(&talk);
        let customer_calls = offered.direction == Direction::Inbound && offered.from.extension.is_none();
        let mut call = Call {
            id,
            config,
            caller: Party { leg: caller, number: 0, extension },
            first: 0,
            origination,
            is_up: false,
            can_be_missed: customer_calls && !plan.is_blocked(),
            after_hours: plan.is_closed(),
            plan,
            walk,
            stage: Stage::Ringing,
            branches: SmallVec::new(),
            stopped: SmallVec::new(),
            early: None,
            hosting: None,
            greeting: None,
            answers,
            take: None,
            paused: false,
            group_step: None,
            announces,
            quiet: None,
            wish: None,
            rang: false,
            tally: SmallVec::new(),
            failures: Failures::default(),
            transfer: None,
            news: None,
            meeting: None,
            consult: None,
            keys: SmallVec::new(),
            said: None,
            talked: Duration::ZERO,
            silence: Silence::default(),
        };
        offered.because.iter().for_each(|reason| call.failures.read(reason));
        call.failures.full = offered
            .because
            .iter()
            .any(|reason| matches!(reason, Reason::TrunkFull { .. } | Reason::DidFull { .. } | Reason::NoFreeTrunk));
        legs.note(CallFact::Offered(Box::new(offered)));
        call.carry_out(orders, now, legs);
        call
    }

    /// Its public name.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// The leg of the one whom the plan serves.
    pub fn caller(&self) -> LegKey {
        self.caller.leg
    }

    /// The configuration under which it began.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// True once its last fact is noted. Legs may still be saying goodbye.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// True while phones may still be rung.
    pub fn is_ringing(&self) -> bool {
        matches!(self.stage, Stage::Ringing)
    }

    /// Those who wait for a member to become free or to register: see [`Call::available`].
    pub fn waits_for(&self) -> impl Iterator<Item = ExtensionIx> {
        self.is_ringing().then(|| self.walk.waits_for()).into_iter().flatten()
    }

    /// When [`Call::due`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Ringing => {
                let silent = self.branches.iter().filter_map(Branch::deadline);
                silent.chain(self.walk.deadline()).chain(self.quiet).chain(self.keys_deadline()).min()
            }
            Stage::Serving(serving) => serving.wake,
            Stage::Talking { .. } | Stage::Over => {
                let again = self.meeting.as_ref().and_then(|meeting| meeting.again());
                again.into_iter().chain(self.keys_deadline()).chain(self.silence_is_due_at()).min()
            }
        }
    }

    /// A time that [`Call::deadline`] named has come.
    pub fn due(&mut self, now: Instant, legs: &mut dyn Legs) {
        match self.stage {
            Stage::Ringing => self.keys_are_due(now, legs),
            Stage::Serving(_) => return self.served_is_due(now, legs),
            Stage::Talking { .. } | Stage::Over => {
                if self.silence_is_due(now, legs) {
                    return;
                }
                self.meet_again(now, legs);
                return self.keys_are_due(now, legs);
            }
        }
        if self.quiet.take_if(|at| *at <= now).is_some() {
            self.ring_back(None, legs);
        }
        while let Some(at) = self.branches.iter().position(|branch| branch.deadline().is_some_and(|at| at <= now)) {
            match self.branches[at].is_asked() {
                true => self.nobody_confirms(at, now, legs),
                false => self.is_silent(at, now, legs),
            }
        }
        if self.is_ringing() && self.walk.deadline().is_some_and(|at| at <= now) {
            let mut orders = Vec::new();
            self.walk.due(now, legs.presence(), &mut orders);
            self.carry_out(orders, now, legs);
        }
    }

    /// A member of the plan became free, or registered: it joins for the rest of its slot.
    pub fn available(&mut self, extension: ExtensionIx, now: Instant, legs: &mut dyn Legs) {
        if self.is_ringing() {
            let mut orders = Vec::new();
            self.walk.available(extension, now, legs.presence(), &mut orders);
            self.carry_out(orders, now, legs);
        }
    }

    /// A device registered whose extension is being rung: it rings as well.
    pub fn joined(&mut self, extension: ExtensionIx, leg: LegKey, rung: Rung, legs: &mut dyn Legs) {
        self.branches.push(Branch::new(leg, rung.leg, Some(extension)));
        legs.note(CallFact::Rung(vec![rung]));
    }

    /// True while a phone of this extension is being rung for the call.
    pub fn rings(&self, extension: ExtensionIx) -> bool {
        self.branches.iter().any(|branch| branch.extension == Some(extension))
    }

    /// The extension answered elsewhere and takes one call at a time: its phones stop, the plan moves on as busy.
    pub fn taken(&mut self, extension: ExtensionIx, now: Instant, legs: &mut dyn Legs) {
        if self.is_ringing() && self.rings(extension) {
            self.stop_branches(|branch| branch.extension == Some(extension), StopReason::Taken, legs);
            self.extension_failed(extension, Failed::Busy, 486, now, legs);
        }
    }

    /// Ends the call from our side: an admin, a drain deadline, overload.
    pub fn end(&mut self, status: u16, now: Instant, legs: &mut dyn Legs) {
        match self.stage {
            Stage::Serving(_) => self.end_serving(now, legs),
            // Who waits meanwhile has had a talk, and was not missed.
            Stage::Ringing if self.consult.is_some() => {
                self.stop_branches(|_| true, StopReason::PlanMovedOn, legs);
                legs.order(self.caller.leg, LegOrder::End(Why::default()));
                self.over(EndedBy::Router, 200, None, legs);
            }
            Stage::Ringing => self.refuse(status, None, EndedBy::Router, legs),
            Stage::Talking { with, .. } => {
                legs.order(self.caller.leg, LegOrder::End(Why::default()));
                legs.order(with.leg, LegOrder::End(Why::default()));
                self.over(EndedBy::Router, 200, None, legs);
            }
            Stage::Over => {}
        }
    }

    /// One of the call's legs says something.
    pub fn hear(&mut self, leg: LegKey, event: LegEvent, now: Instant, legs: &mut dyn Legs) {
        let Some(event) = self.hear_consult(leg, event, now, legs) else { return };
        match self.stage {
            Stage::Ringing if leg == self.caller.leg => self.hear_caller_while_ringing(event, now, legs),
            Stage::Ringing if self.is_transferrer(leg) => self.hear_transferrer(event, legs),
            Stage::Ringing => self.hear_branch(leg, event, now, legs),
            Stage::Talking { with, .. } if leg == self.caller.leg => {
                self.hear_talker(self.caller, with, event, now, legs);
            }
            Stage::Talking { with, .. } if leg == with.leg => self.hear_talker(with, self.caller, event, now, legs),
            Stage::Serving(_) if leg == self.caller.leg => self.hear_served(event, now, legs),
            // A loser's last words: the leg itself acknowledges and hangs up what comes too late.
            Stage::Talking { .. } | Stage::Serving(_) | Stage::Over => match event {
                LegEvent::Answered(_) => legs.order(leg, LegOrder::End(Why::default())),
                LegEvent::Reoffered { .. } => legs.order(leg, LegOrder::RefuseReoffer(481)),
                LegEvent::TransferAsked(_) => legs.order(leg, LegOrder::RefuseTransfer(481)),
                _ => {}
            },
        }
    }

    fn hear_caller_while_ringing(&mut self, event: LegEvent, now: Instant, legs: &mut dyn Legs) {
        match event {
            LegEvent::Ended(why) => {
                self.stop_branches(|_| true, StopReason::CallerGone, legs);
                legs.order(self.caller.leg, LegOrder::Refuse { status: 487, reason: None });
                self.end_transfer(487, legs);
                let (by, status) = (self.ended_by(self.caller, &why), self.status_of_caller(487));
                self.over(by, status, Some(MissedCause::Abandoned), legs);
            }
            LegEvent::Hosted
            | LegEvent::Unhosted(None)
            | LegEvent::Unheard
            | LegEvent::Played(_)
            | LegEvent::Acknowledged(_) => {
                self.hear_hosted(&event, now, legs);
            }
            LegEvent::Unhosted(Some(_)) => legs.order(self.caller.leg, LegOrder::RefuseReoffer(491)),
            // Who hears us has agreed with us, and does so again.
            LegEvent::Reoffered { .. } if self.is_hosted() && self.is_up => {
                legs.order(self.caller.leg, LegOrder::Host { answer: true });
            }
            // Whom a transfer left has agreed with nobody new yet.
            LegEvent::Reoffered { .. } if self.early.is_none() || self.is_up => {
                legs.order(self.caller.leg, LegOrder::RefuseReoffer(491));
            }
            LegEvent::Reoffered { .. } | LegEvent::Reanswered(_) | LegEvent::ReofferRefused(_) => {
                if let Some(other) = self.early {
                    self.carry_across(self.caller.leg, other, event, legs);
                }
            }
            LegEvent::TransferAsked(_) => legs.order(self.caller.leg, LegOrder::RefuseTransfer(491)),
            LegEvent::Reached
            | LegEvent::Ringing(_)
            | LegEvent::Progress(_)
            | LegEvent::Answered(_)
            | LegEvent::Refused(_)
            | LegEvent::Redirected(_)
            | LegEvent::ReofferWithdrawn
            | LegEvent::Digit(_)
            | LegEvent::Silent(_)
            | LegEvent::Passed(_) => {}
        }
    }

    /// To the caller: it rings. Who hears us hears that from us.
    fn ring_back(&mut self, session: Option<Session>, legs: &mut dyn Legs) {
        let first = !std::mem::replace(&mut self.rang, true);
        self.quiet = None;
        if self.hosting.is_none() && (first || session.is_some()) {
            legs.order(self.caller.leg, LegOrder::Ring(session));
        }
    }

    fn hear_branch(&mut self, leg: LegKey, event: LegEvent, now: Instant, legs: &mut dyn Legs) {
        let Some(at) = self.branches.iter().position(|branch| branch.leg == leg) else {
            return self.hear_stopped(leg, &event, now, legs);
        };
        let Some(event) = self.hear_mobile(at, event, now, legs) else { return };
        match event {
            LegEvent::Reached => {
                self.branches[at].reached();
            }
            LegEvent::Ringing(session) => {
                self.branches[at].reached();
                if !std::mem::replace(&mut self.branches[at].ringing, true) {
                    legs.note(CallFact::Ringing { leg: self.branches[at].number });
                }
                let session = self.early_session(leg, session, legs);
                self.ring_back(session, legs);
            }
            LegEvent::Progress(session) => {
                self.branches[at].reached();
                if let Some(session) = self.early_session(leg, session, legs) {
                    self.quiet = None;
                    legs.order(self.caller.leg, LegOrder::Progress(Some(session)));
                }
            }
            LegEvent::Answered(session) => self.answered(at, session, now, legs),
            LegEvent::Refused(refused) => self.refused(at, &refused, now, legs),
            LegEvent::Redirected(redirected) => self.redirected(at, &redirected, now, legs),
            LegEvent::Ended(_) => {
                self.refused(at, &Refused { status: 480, rang: self.branches[at].ringing, reason: None }, now, legs);
            }
            // Whose early media the caller hears may change it, as in a talk.
            LegEvent::Reoffered { .. } | LegEvent::Reanswered(_) | LegEvent::ReofferRefused(_)
                if self.early == Some(leg) =>
            {
                self.carry_across(leg, self.caller.leg, event, legs);
            }
            LegEvent::Reoffered { .. } => legs.order(leg, LegOrder::RefuseReoffer(491)),
            LegEvent::ReofferWithdrawn
            | LegEvent::Reanswered(_)
            | LegEvent::ReofferRefused(_)
            | LegEvent::Acknowledged(_)
            | LegEvent::Hosted
            | LegEvent::Unhosted(_)
            | LegEvent::Unheard
            | LegEvent::Played(_)
            | LegEvent::Digit(_)
            | LegEvent::Silent(_)
            | LegEvent::TransferAsked(_)
            | LegEvent::Passed(_) => {}
        }
    }

    /// The last words of a leg that was told to stop while others ring on. A 603 that crossed our CANCEL is a person's no.
    fn hear_stopped(&mut self, leg: LegKey, event: &LegEvent, now: Instant, legs: &mut dyn Legs) {
        match event {
            LegEvent::Answered(_) => legs.order(leg, LegOrder::End(Why::default())),
            LegEvent::Refused(Refused { status: 603, .. }) => {
                let stopped = self.stopped.iter().find(|(stopped, _)| *stopped == leg).map(|(_, extension)| *extension);
                if let Some(extension) = stopped {
                    self.stop_branches(|branch| branch.extension == Some(extension), StopReason::PlanMovedOn, legs);
                    self.extension_failed(extension, Failed::Declined, 603, now, legs);
                }
            }
            _ => {}
        }
    }

    /// Early media of one branch at a time: the first that sends a session is the one that the caller hears.
    fn early_session(&mut self, leg: LegKey, session: Option<Session>, legs: &mut dyn Legs) -> Option<Session> {
        // Who hears a greeting hears it to its end.
        let session = session.filter(|_| self.hosting.is_none() && !self.is_summoning())?;
        if *self.early.get_or_insert(leg) != leg {
            return None;
        }
        legs.bridge(self.caller.leg, leg);
        Some(session)
    }

    /// The one whose early media the caller hears is gone, and what the caller has offered it finds nobody any more.
    fn forget_early(&mut self, leg: LegKey, legs: &mut dyn Legs) {
        if self.early == Some(leg) {
            self.early = None;
            legs.order(self.caller.leg, LegOrder::RefuseReoffer(491));
        }
    }

    fn answered(&mut self, at: usize, session: Option<Session>, now: Instant, legs: &mut dyn Legs) {
        if self.is_summoning() {
            return self.caller_answered(at, session, now, legs);
        }
        let winner = self.branches.swap_remove(at);
        let with = Party { leg: winner.leg, number: winner.number, extension: winner.extension };
        self.forgo_greeting(legs);
        // The caller first: two-way audio may not wait for the losers.
        match self.is_up {
            false => legs.order(self.caller.leg, LegOrder::Answer(session)),
            true => self.meet_the_winner(with, session, legs),
        }
        self.won(with, legs);
    }

    fn won(&mut self, with: Party, legs: &mut dyn Legs) {
        legs.bridge(self.caller.leg, with.leg);
        self.is_up = true;
        self.origination = None;
        self.hosting = None;
        self.greeting = None;
        self.walk.answered();
        self.stage = Stage::Talking { with, since: legs.now(), held: [false; 2] };
        // Whom an employee consults has not taken the call yet.
        if self.consult.is_none() {
            legs.note(CallFact::Answered { leg: with.number, human: true });
        }
        self.record_talk(legs);
        self.stop_branches(|_| true, StopReason::CompletedElsewhere, legs);
        if let Some(extension) = with.extension {
            legs.taken(extension, with.leg);
        }
        self.end_transfer(200, legs);
    }

    fn refused(&mut self, at: usize, refused: &Refused, now: Instant, legs: &mut dyn Legs) {
        let branch = self.branches.remove(at);
        legs.note(CallFact::Dropped { leg: branch.number, status: refused.status, stopped: None });
        self.forget_early(branch.leg, legs);
        match branch.dialling {
            Some(dialling) => self.trunk_failed(dialling, branch.extension, refused, now, legs),
            None => self.device_failed(branch.extension, refused, now, legs),
        }
    }

    /// One of an extension's devices is over.
    fn device_failed(&mut self, extension: Option<ExtensionIx>, refused: &Refused, now: Instant, legs: &mut dyn Legs) {
        let Some(extension) = extension else { return };
        let failed = failed_as(refused);
        let tally = match self.tally.iter().position(|(of, _)| *of == extension) {
            Some(known) => &mut self.tally[known].1,
            None => {
                self.tally.push((extension, Tally { best: failed, status: Some(refused.status) }));
                &mut self.tally.last_mut().expect("just pushed").1
            }
        };
        tally.best = tally.best.better(failed);
        tally.status = tally.status.filter(|status| *status == refused.status);
        if matches!(refused.status, 600 | 603) {
            self.stop_branches(|branch| branch.extension == Some(extension), StopReason::PlanMovedOn, legs);
        } else if self.rings(extension) {
            self.walk.partly_failed(extension, failed);
            return;
        }
        let tally = self.tally.iter().position(|(of, _)| *of == extension).map(|known| self.tally.swap_remove(known).1);
        let (best, status) = tally.map_or((failed, None), |tally| (tally.best, tally.status));
        self.extension_failed(extension, best, status.unwrap_or(480), now, legs);
    }

    fn extension_failed(
        &mut self,
        extension: ExtensionIx,
        as_: Failed,
        status: u16,
        now: Instant,
        legs: &mut dyn Legs,
    ) {
        self.failures.count(as_);
        let mut orders = Vec::new();
        self.walk.failed(extension, as_, status, now, legs.presence(), &mut orders);
        self.carry_out(orders, now, legs);
    }

    /// Does what the walk says, until it says no more.
    fn carry_out(&mut self, mut orders: Vec<Order>, now: Instant, legs: &mut dyn Legs) {
        let (mut rung, mut because) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < orders.len() {
            match orders[at].clone() {
                Order::Ring(extension) => {
                    // What its devices said when they rang before counts no more.
                    self.tally.retain(|(of, _)| *of != extension);
                    // A greeting that is due says it.
                    if self.greeting.is_none() {
                        self.announce(legs);
                    }
                    let before = rung.len();
                    for (leg, ring) in legs.ring(extension) {
                        self.branches.push(Branch::new(leg, ring.leg, Some(extension)));
                        rung.push(ring);
                    }
                    let full = self.ring_mobiles(extension, now, &mut rung, legs);
                    if rung.len() > before && !self.rang && !self.is_up && !self.is_summoning() {
                        self.quiet.get_or_insert(now + QUIET);
                    }
                    if rung.len() == before {
                        self.failures.full |= full;
                        self.failures.unreachable = true;
                        self.walk.failed(extension, Failed::Unreachable, 480, now, legs.presence(), &mut orders);
                    }
                }
                Order::Enter(step) => {
                    if let Some(entered) = self.plan.step(step)
                        && let Some((by, when)) = entered.forwarded().by
                    {
                        legs.forwarded(by, when, matches!(entered, Step::Dial(_)));
                    }
                    match self.plan.step(step) {
                        Some(Step::Greet { prompt, first: true, .. }) => {
                            let prompt = prompt.clone();
                            self.greet(&prompt, legs);
                            if self.hosting.is_none() {
                                self.walk.greeted(now, legs.presence(), &mut orders);
                            }
                        }
                        Some(Step::Greet { prompt, first: false, .. }) => self.greeting = Some(prompt.clone()),
                        _ => {}
                    }
                    if let Some(Step::Ring(RingPlan { destination: Destination::Group(group), .. })) =
                        self.plan.step(step)
                    {
                        self.group_step = Some(step);
                        legs.entered(*group);
                    }
                }
                Order::Stop(extension, _) => {
                    self.stop_branches(|branch| branch.extension == Some(extension), StopReason::PlanMovedOn, legs);
                    self.failures.no_answer = true;
                }
                Order::Dial(step) => {
                    if let Some(Step::Dial(dial)) = self.plan.step(step) {
                        self.dial(dial.clone(), now, legs);
                    }
                }
                Order::StopDial => {
                    self.stop_branches(|branch| branch.extension.is_none(), StopReason::PlanMovedOn, legs);
                    self.failures.no_answer = true;
                }
                Order::Because(reason) => {
                    self.failures.read(&reason);
                    because.push(reason);
                }
                Order::Finish(ending) => {
                    flush(&mut rung, &mut because, legs);
                    self.finish(&ending, now, legs);
                }
            }
            at += 1;
        }
        flush(&mut rung, &mut because, legs);
        // Nobody is greeted who is refused in the next moment.
        if self.is_ringing()
            && !self.branches.is_empty()
            && let Some(prompt) = self.greeting.take()
        {
            self.greet(&prompt, legs);
        }
    }

    fn finish(&mut self, ending: &Ending, now: Instant, legs: &mut dyn Legs) {
        if self.consult.is_some() {
            return self.nobody_to_consult(legs);
        }
        if let Some(conversation) = self.conversation(ending) {
            self.origination = None;
            return self.begin_to_serve(ending, conversation, now, legs);
        }
        if self.is_calling() {
            let said = self.in_vain(ending.status());
            return self.begin_to_serve(ending, said, now, legs);
        }
        match self.transfer {
            Some(_) => self.nobody_took_over(ending.status(), now, legs),
            None => self.refuse(ending.status(), None, EndedBy::Router, legs),
        }
    }

    fn refuse(&mut self, status: u16, reason: Option<bytes::Bytes>, by: EndedBy, legs: &mut dyn Legs) {
        self.stop_branches(|_| true, StopReason::PlanMovedOn, legs);
        legs.order(
            self.caller.leg,
            match self.is_up {
                false => LegOrder::Refuse { status, reason },
                true => LegOrder::End(Why { reason, lost: false }),
            },
        );
        self.end_transfer(status, legs);
        let missed = self.missed_cause(status);
        self.over(by, status, Some(missed), legs);
    }

    fn missed_cause(&self, status: u16) -> MissedCause {
        let seen = self.failures;
        if seen.full || status == 503 {
            MissedCause::Capacity
        } else if seen.no_answer {
            MissedCause::NoAnswer
        } else if self.after_hours {
            MissedCause::AfterHours
        } else if seen.declined {
            MissedCause::Rejected
        } else if seen.busy {
            MissedCause::AllBusy
        } else if seen.unreachable {
            MissedCause::NoneReachable
        } else {
            MissedCause::Rejected
        }
    }

    fn stop_branches(&mut self, which: impl Fn(&Branch) -> bool, why: StopReason, legs: &mut dyn Legs) {
        let mut stopped: SmallVec<[Branch; 4]> = SmallVec::new();
        let mut at = 0;
        while at < self.branches.len() {
            if which(&self.branches[at]) {
                stopped.push(self.branches.remove(at));
            } else {
                at += 1;
            }
        }
        for branch in stopped {
            self.forget_early(branch.leg, legs);
            self.stopped.extend(branch.extension.map(|extension| (branch.leg, extension)));
            legs.order(branch.leg, LegOrder::Cancel(why));
            legs.note(CallFact::Dropped { leg: branch.number, status: 487, stopped: Some(why) });
        }
    }

    /// In a talk, what one side says goes to the other.
    fn hear_talker(&mut self, who: Party, with: Party, event: LegEvent, now: Instant, legs: &mut dyn Legs) {
        self.hear_silence(who.leg, &event, now);
        let Some(event) = self.hear_meeting(who.leg, event, now, legs) else { return };
        let (leg, other) = (who.leg, with.leg);
        let is_key = matches!(event, LegEvent::Digit(_) | LegEvent::Passed(_) | LegEvent::Played(_));
        let key = is_key.then(|| event.clone());
        match event {
            LegEvent::Ended(_) if self.leaves_at_the_news(leg, now) => self.come_back(who, now, legs),
            LegEvent::Ended(why) => {
                let by = self.ended_by(who, &why);
                // Where its own answer still waits for the disk, it has taken back its INVITE.
                legs.order(leg, LegOrder::Refuse { status: 487, reason: None });
                legs.order(other, LegOrder::End(Why { lost: false, ..why }));
                self.over(by, 200, None, legs);
            }
            LegEvent::TransferAsked(asked) => self.transfer_asked(who, with, &asked, now, legs),
            // Who holds is answered by us, and the other one hears music.
            LegEvent::Reoffered { session: Some(_), hold: true } => {
                self.wish = Some((leg, true));
                legs.order(leg, LegOrder::Host { answer: true });
            }
            // Another one is about a greeting whose answer has waited for the disk.
            LegEvent::Hosted if self.wish != Some((leg, true)) => {}
            LegEvent::Hosted => {
                self.wish = None;
                if self.note_hold(leg, true, legs) {
                    legs.play(other, &[Sound::Tone(Tone::Music)], true);
                }
            }
            // Where we cannot speak in their place, the other one's phone is told.
            LegEvent::Unhosted(session @ Some(_)) => {
                self.carry_across(leg, other, LegEvent::Reoffered { session, hold: true }, legs);
            }
            event => self.carry_across(leg, other, event, legs),
        }
        if let Some(key) = key {
            self.hear_talk_key(who, with, &key, now, legs);
        }
    }

    /// What one of two who hear each other says about that.
    fn carry_across(&mut self, leg: LegKey, other: LegKey, event: LegEvent, legs: &mut dyn Legs) {
        match event {
            LegEvent::Reoffered { session, hold } => {
                self.wish = session.is_some().then_some((leg, hold));
                legs.order(other, LegOrder::Reoffer(session));
            }
            LegEvent::ReofferWithdrawn => {
                self.wish = None;
                legs.order(other, LegOrder::WithdrawReoffer);
            }
            LegEvent::Reanswered(session) => {
                // Who is refused holds nobody.
                if let Some((leg, hold)) = self.wish.take() {
                    self.note_hold(leg, hold, legs);
                }
                legs.order(other, LegOrder::AcceptReoffer(session));
                // What the offer added has no partner yet.
                legs.bridge(leg, other);
                self.play_music(legs);
            }
            LegEvent::ReofferRefused(status) => {
                self.wish = None;
                legs.order(other, LegOrder::RefuseReoffer(status));
            }
            LegEvent::Acknowledged(session) => {
                // Who asked for an offer holds, or talks on, by what it answers.
                self.note_hold(leg, session.as_ref().is_some_and(holds), legs);
                legs.order(other, LegOrder::Acknowledge(session));
                legs.bridge(leg, other);
                self.play_music(legs);
            }
            LegEvent::Passed(passed) => legs.order(other, LegOrder::Pass(passed)),
            LegEvent::Reached
            | LegEvent::Ringing(_)
            | LegEvent::Progress(_)
            | LegEvent::Answered(_)
            | LegEvent::Refused(_)
            | LegEvent::Redirected(_)
            | LegEvent::Hosted
            | LegEvent::Unhosted(_)
            | LegEvent::Unheard
            | LegEvent::Played(_)
            | LegEvent::Digit(_)
            | LegEvent::Silent(_)
            | LegEvent::TransferAsked(_)
            | LegEvent::Ended(_) => {}
        }
    }

    /// True where that is news.
    fn note_hold(&mut self, leg: LegKey, hold: bool, legs: &mut dyn Legs) -> bool {
        let Stage::Talking { with, held, .. } = &mut self.stage else { return false };
        let (number, side) =
            if leg == self.caller.leg { (self.caller.number, &mut held[0]) } else { (with.number, &mut held[1]) };
        let news = std::mem::replace(side, hold) != hold;
        if news {
            self.silence.forget();
            legs.note(CallFact::Held { leg: number, held: hold });
        }
        news
    }

    /// True where this one of two who talk holds the other.
    fn is_held_by(&self, who: Party) -> bool {
        let Stage::Talking { held, .. } = self.stage else { return false };
        held[usize::from(who.leg != self.caller.leg)]
    }

    /// Whoever is held (still) hears music.
    fn play_music(&mut self, legs: &mut dyn Legs) {
        let Stage::Talking { with, held, .. } = self.stage else { return };
        let sides = [(held[0], with.leg), (held[1], self.caller.leg)];
        for (_, other) in sides.into_iter().filter(|(held, _)| *held) {
            legs.play(other, &[Sound::Tone(Tone::Music)], true);
        }
    }

    /// Who ends it: the one who called, or anybody else.
    fn ended_by(&self, who: Party, why: &Why) -> EndedBy {
        match (why.lost, who.number) {
            (true, _) => EndedBy::Router,
            (false, number) if number == self.first => EndedBy::Caller,
            (false, _) => EndedBy::Callee,
        }
    }

    /// What the caller has heard in the end who was answered, by somebody; else this.
    fn status_of_caller(&self, unanswered: u16) -> u16 {
        if self.is_up && !self.is_calling() { 200 } else { unanswered }
    }

    /// The talk of now is interrupted: its time counts for the record.
    fn pause_talking(&mut self, legs: &mut dyn Legs) {
        let Stage::Talking { since, .. } = self.stage else { return };
        self.talked += legs.now().since(since);
    }

    /// The talk of now is over, for the record and for the orders that count it.
    fn stop_talking(&mut self, legs: &mut dyn Legs) {
        self.silence.forget();
        self.pause_talking(legs);
        let Stage::Talking { with, .. } = self.stage else { return };
        if let Some(extension) = with.extension {
            legs.talked(extension);
        }
    }

    fn over(&mut self, by: EndedBy, status: u16, missed: Option<MissedCause>, legs: &mut dyn Legs) {
        self.stop_talking(legs);
        self.end_recording(legs);
        let talk_ms = u64::try_from(self.talked.as_millis()).unwrap_or(u64::MAX);
        self.stage = Stage::Over;
        self.meeting = None;
        self.forget_keys();
        let consults = self.consult.is_some();
        self.release_waiter(legs);
        // Who waits while an employee consults has talked with them, and was not handed on yet.
        let (status, missed) = if consults { (200, None) } else { (status, missed) };
        let missed = missed.filter(|_| self.can_be_missed);
        legs.note(CallFact::Ended(Ended { by, status, missed, talk_ms }));
    }
}

/// What a device's final answer means for its extension.
fn failed_as(refused: &Refused) -> Failed {
    match refused.status {
        486 | 600 => Failed::Busy,
        603 => Failed::Declined,
        408 | 480 | 487 if refused.rang => Failed::NoAnswer,
        _ => Failed::Unreachable,
    }
}

/// INVITEs that left and turns that were taken within one instant are one fact each.
fn flush(rung: &mut Vec<Rung>, because: &mut Vec<Reason>, legs: &mut dyn Legs) {
    if !because.is_empty() {
        legs.note(CallFact::Turned { because: std::mem::take(because) });
    }
    if !rung.is_empty() {
        legs.note(CallFact::Rung(std::mem::take(rung)));
    }
}
