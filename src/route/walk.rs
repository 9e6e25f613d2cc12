//! Carrying out a plan: who starts ringing now, who stops, what comes next. Time and presence are handed in.
//!
//! The live call and `explain` drive the same [`Walk`]. It knows steps, slots and outcomes, and no strategy, no device and
//! no SIP. One input gives one complete list of [`Order`]s; between inputs only [`Walk::deadline`] matters.
//!
//! ```text
//!            from is reached, free           answered
//! Waiting ─────────────────────────► Ringing ────────► the walk is over
//!    │ busy, unreachable, declined      │ fails, its turn is over
//!    ▼                                  ▼
//! Failed ◄──────────────────────────────┘
//!    │ becomes free, before its turn is over, unless declined
//!    └────► Ringing
//! ```

use std::sync::Arc;

use smallvec::SmallVec;

use super::feature::Feature;
use super::plan::{RoutePlan, Slot, Step, StepIx};
use super::reason::{Failed, Reason};
use super::situation::{Availability, Presence};
use crate::clock::{Duration, Instant};
use crate::config::{Destination, ExtensionIx, RefuseAs, VoicemailIx};

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// The plan has come to this step.
    Enter(StepIx),
    /// Something that told on the way, for the record.
    Because(Reason),
    /// This extension no longer rings: cancel its devices.
    Stop(ExtensionIx, StopBecause),
    /// Ring all devices of this extension that have not declined.
    Ring(ExtensionIx),
    /// The call to the outside of the step before has had its time: cancel it.
    StopDial,
    /// Call outside, as the [`DialPlan`](super::DialPlan) of this step says.
    Dial(StepIx),
    /// The plan is over. Nothing rings any more.
    Finish(Ending),
}

/// Why somebody stops ringing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StopBecause {
    /// Its turn is over; others follow.
    TurnOver,
    /// The patience of the step is over.
    PatienceOver,
}

/// How a plan ends that nobody answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The plan says to refuse.
    Refuse(RefuseAs),
    /// Nothing is left to try. The status is that of the last rung destination: 603, 486, 480, what all of its devices
    /// said (488, 606), or the final code of a call to the outside.
    RanOut {
        /// For the caller.
        status: u16,
        /// How the last rung destination failed.
        last: Failed,
    },
    /// A voicemail box.
    Voicemail(VoicemailIx, Arc<str>),
    /// A prompt.
    Announcement(Arc<str>),
    /// What a dialled code is for.
    Feature(Feature),
}

impl Ending {
    /// The final status for the caller.
    pub fn status(&self) -> u16 {
        match self {
            Ending::Refuse(refusal) => refusal.status(),
            Ending::RanOut { status, .. } => *status,
            Ending::Feature(Feature::NotAllowed) => 403,
            Ending::Voicemail(..) | Ending::Announcement(_) | Ending::Feature(_) => 480,
        }
    }
}

/// A plan being carried out.
#[derive(Clone, Debug)]
pub struct Walk {
    plan: Arc<RoutePlan>,
    /// `None` when the walk is over.
    at: Option<StepIx>,
    /// When the step was entered.
    began: Instant,
    /// The timetable of a ring step, as it has moved.
    turns: Vec<Turn>,
    /// Who rings, in the order in which they began.
    ringing: SmallVec<[ExtensionIx; 8]>,
    declined: SmallVec<[ExtensionIx; 2]>,
    /// The best of what devices said while others of the same extension ring on.
    partly: SmallVec<[(ExtensionIx, Failed); 2]>,
    entered: SmallVec<[Entered; 4]>,
    /// Steps that were passed over, because their destination was entered before.
    passed: SmallVec<[StepIx; 4]>,
    last: Last,
}

/// One line of the timetable on its way.
#[derive(Clone, Debug)]
struct Turn {
    member: ExtensionIx,
    name: Arc<str>,
    from: Instant,
    until: Option<Instant>,
    state: TurnState,
    /// How it failed last, also while it rings again.
    failed: Option<Failed>,
    /// The status that all of its devices gave, where they gave one.
    status: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TurnState {
    Waiting,
    Ringing,
    /// Failed, but its turn is not over: it may join again.
    Failed,
    Over,
}

#[derive(Clone, Debug)]
struct Entered {
    destination: Destination,
    step: StepIx,
    failed: Failed,
}

/// What the last rung destination leaves for the caller.
#[derive(Clone, Copy, Debug)]
struct Last {
    failed: Failed,
    status: u16,
}

impl Walk {
    /// Begins a plan. The first orders come at once.
    pub fn begin(plan: Arc<RoutePlan>, now: Instant, presence: &dyn Presence, out: &mut Vec<Order>) -> Walk {
        let mut walk = Walk {
            at: None,
            began: now,
            turns: Vec::new(),
            ringing: SmallVec::new(),
            declined: SmallVec::new(),
            partly: SmallVec::new(),
            entered: SmallVec::new(),
            passed: SmallVec::new(),
            last: Last { failed: Failed::Unreachable, status: Failed::Unreachable.status() },
            plan,
        };
        let mut change = Change::default();
        walk.enter(walk.plan.start, now, out, &mut change);
        walk.settle(now, presence, out, &mut change);
        walk.give(change, out);
        walk
    }

    /// The plan that is being carried out.
    pub fn plan(&self) -> &Arc<RoutePlan> {
        &self.plan
    }

    /// The step in which the walk is; `None` when it is over.
    pub fn at(&self) -> Option<StepIx> {
        self.at
    }

    /// True while a greeting is played before anything else.
    pub fn greets(&self) -> bool {
        matches!(self.step(), Some(Step::Greet { first: true, .. }))
    }

    /// Who rings now, in the order in which they began.
    pub fn ringing(&self) -> &[ExtensionIx] {
        &self.ringing
    }

    /// When [`Walk::due`] wants to be called; `None` when nothing is to happen by itself.
    pub fn deadline(&self) -> Option<Instant> {
        let step = self.step()?;
        let patience = patience(step).map(|patience| self.began + patience);
        let turns = self.turns.iter().filter_map(|turn| match turn.state {
            TurnState::Waiting => Some(turn.from),
            TurnState::Ringing => turn.until,
            TurnState::Failed | TurnState::Over => None,
        });
        turns.chain(patience).min()
    }

    /// The deadline is reached. Calling it early does nothing, late makes up for it.
    pub fn due(&mut self, now: Instant, presence: &dyn Presence, out: &mut Vec<Order>) {
        let mut change = Change::default();
        self.settle(now, presence, out, &mut change);
        self.give(change, out);
    }

    /// A device of `member` has failed while others ring on: that is the reason, where it is better than none of them
    /// being answered.
    pub fn partly_failed(&mut self, member: ExtensionIx, failed: Failed) {
        match self.partly.iter_mut().find(|(of, _)| *of == member) {
            Some((_, best)) => *best = best.better(failed),
            None => self.partly.push((member, failed)),
        }
    }

    /// The last device of `member` has failed. `status`: the final status if all of its devices gave the same one, which
    /// matters for 488 and 606; else 0. Who does not ring any more may still have declined.
    pub fn failed(
        &mut self,
        member: ExtensionIx,
        failed: Failed,
        status: u16,
        now: Instant,
        presence: &dyn Presence,
        out: &mut Vec<Order>,
    ) {
        let mut change = Change::default();
        self.settle(now, presence, out, &mut change);
        if failed == Failed::Declined && !self.declined.contains(&member) {
            self.declined.push(member);
        }
        let ringing = self.turns.iter().position(|turn| turn.member == member && turn.state == TurnState::Ringing);
        if let Some(at) = ringing {
            // Its devices are silent already: nothing to stop.
            self.ringing.retain(|ringing| *ringing != member);
            self.partly.retain(|(of, _)| *of != member);
            self.turns[at].status = Some(status);
            self.fail(at, failed, now, out);
            self.settle(now, presence, out, &mut change);
        }
        self.give(change, out);
    }

    /// The call to the outside has failed on every trunk, with this final status (0: none came).
    pub fn dial_failed(&mut self, status: u16, now: Instant, presence: &dyn Presence, out: &mut Vec<Order>) {
        let mut change = Change::default();
        if let Some(Step::Dial(dial)) = self.step() {
            let failed = Failed::of_status(status);
            // What an employee dialled keeps its final code; for a caller from outside only the outcome counts.
            let keeps = dial.patience.is_none() && status >= 300;
            let status = if keeps || matches!(status, 488 | 606) { status } else { failed.status() };
            self.leave(Last { failed, status }, now, out, &mut change);
            self.settle(now, presence, out, &mut change);
        }
        self.give(change, out);
    }

    /// A greeting that comes before everything else is over; where none is being played, nothing happens.
    pub fn greeted(&mut self, now: Instant, presence: &dyn Presence, out: &mut Vec<Order>) {
        let mut change = Change::default();
        if let Some(Step::Greet { next, .. }) = self.step() {
            let next = *next;
            self.enter(Some(next), now, out, &mut change);
            self.settle(now, presence, out, &mut change);
        }
        self.give(change, out);
    }

    /// `member` became free, or has registered: it joins for the rest of its turn.
    pub fn available(&mut self, member: ExtensionIx, now: Instant, presence: &dyn Presence, out: &mut Vec<Order>) {
        let mut change = Change::default();
        self.settle(now, presence, out, &mut change);
        let free = presence.of(member) == Availability::Free && !self.declined.contains(&member);
        let turn = self.turns.iter_mut().find(|turn| turn.member == member && turn.state == TurnState::Failed);
        if let Some(turn) = turn.filter(|_| free) {
            turn.state = TurnState::Ringing;
            turn.status = None;
        }
        self.give(change, out);
    }

    /// The phone of `member`, for whom the step of now is, sends the call to the step `to` of `plan`: the plan of before with
    /// more steps.
    pub fn divert(
        &mut self,
        plan: Arc<RoutePlan>,
        to: StepIx,
        member: ExtensionIx,
        now: Instant,
        presence: &dyn Presence,
        out: &mut Vec<Order>,
    ) {
        let mut change = Change::default();
        self.plan = plan;
        self.ringing.retain(|ringing| *ringing != member);
        self.turns.clear();
        self.enter(Some(to), now, out, &mut change);
        self.settle(now, presence, out, &mut change);
        self.give(change, out);
    }

    /// Somebody answered, or the caller is gone: nothing more starts. Whoever still rings is the call's to stop.
    pub fn answered(&mut self) {
        self.at = None;
        self.turns.clear();
        self.ringing.clear();
    }

    /// Who rings no more, or has not rung, and would join if [`Walk::available`] said so.
    pub fn waits_for(&self) -> impl Iterator<Item = ExtensionIx> {
        let failed = self.turns.iter().filter(|turn| turn.state == TurnState::Failed).map(|turn| turn.member);
        failed.filter(|member| !self.declined.contains(member))
    }

    fn step(&self) -> Option<&Step> {
        self.plan.step(self.at?)
    }

    /// Does everything that is due at `now`, until nothing more is.
    fn settle(&mut self, now: Instant, presence: &dyn Presence, out: &mut Vec<Order>, change: &mut Change) {
        loop {
            match self.step() {
                Some(Step::Ring(ring)) => {
                    let ends = self.began + ring.patience;
                    if now >= ends {
                        change.because = StopBecause::PatienceOver;
                        let outcome = self.outcome();
                        self.leave(outcome, now, out, change);
                    } else if !self.take_turns(now, presence, out) {
                        let outcome = self.outcome();
                        self.leave(outcome, now, out, change);
                    } else {
                        return;
                    }
                }
                Some(Step::Dial(dial)) if dial.trunks.is_empty() => {
                    let last = Last { failed: Failed::Unreachable, status: Failed::Unreachable.status() };
                    self.leave(last, now, out, change);
                }
                Some(Step::Dial(dial)) if dial.patience.is_some_and(|patience| now >= self.began + patience) => {
                    out.push(Order::StopDial);
                    let last = Last { failed: Failed::NoAnswer, status: Failed::NoAnswer.status() };
                    self.leave(last, now, out, change);
                }
                Some(
                    Step::Dial(_)
                    | Step::Greet { .. }
                    | Step::Voicemail(..)
                    | Step::Announcement(_)
                    | Step::Feature(_)
                    | Step::Refuse(_),
                )
                | None => return,
            }
        }
    }

    /// Starts and ends turns as the time says; false when nobody rings and nobody waits.
    fn take_turns(&mut self, now: Instant, presence: &dyn Presence, out: &mut Vec<Order>) -> bool {
        loop {
            for turn in &mut self.turns {
                if turn.state != TurnState::Over && turn.until.is_some_and(|until| until <= now) {
                    let rang = || (turn.state == TurnState::Ringing).then(|| in_vain(&self.partly, turn.member));
                    turn.failed = turn.failed.or_else(rang);
                    turn.state = TurnState::Over;
                }
            }
            let due = self.turns.iter().position(|turn| turn.state == TurnState::Waiting && turn.from <= now);
            let Some(at) = due else { break };
            let member = self.turns[at].member;
            match presence.of(member) {
                _ if self.declined.contains(&member) => self.fail(at, Failed::Declined, now, out),
                // Who rings in this call already is not asked again: the same INVITE goes on.
                _ if self.ringing.contains(&member) => self.turns[at].state = TurnState::Ringing,
                Availability::Free => self.turns[at].state = TurnState::Ringing,
                Availability::Busy => self.fail(at, Failed::Busy, now, out),
                Availability::Unreachable => self.fail(at, Failed::Unreachable, now, out),
            }
        }
        self.turns.iter().any(|turn| matches!(turn.state, TurnState::Waiting | TurnState::Ringing))
    }

    /// One turn fails: the next waiting one starts now, the rest follow at the same distances.
    fn fail(&mut self, at: usize, failed: Failed, now: Instant, out: &mut Vec<Order>) {
        // One alone is told when its step is left.
        if self.turns.len() > 1 {
            out.push(Order::Because(Reason::Is(self.turns[at].name.clone(), failed)));
        }
        let turn = &mut self.turns[at];
        turn.failed = Some(failed);
        // Where turns end by themselves, a passed one does not open again.
        turn.state = if turn.until.is_some() { TurnState::Over } else { TurnState::Failed };
        let waiting = || self.turns.iter().filter(|turn| turn.state == TurnState::Waiting);
        let Some(next) = waiting().map(|turn| turn.from).min() else { return };
        let earlier = next.since(now);
        for turn in self.turns.iter_mut().filter(|turn| turn.state == TurnState::Waiting) {
            turn.from = before(turn.from, earlier);
            turn.until = turn.until.map(|until| before(until, earlier));
        }
    }

    /// How the step has come out so far: where somebody rang in vain to the end there was no answer, else the best of
    /// all failures counts.
    fn outcome(&self) -> Last {
        let outcomes = || {
            self.turns.iter().filter_map(|turn| match turn.state {
                TurnState::Ringing => Some(in_vain(&self.partly, turn.member)),
                _ => turn.failed,
            })
        };
        let in_vain = outcomes().find(|failed| *failed == Failed::NoAnswer);
        let failed = in_vain.or_else(|| outcomes().min()).unwrap_or(Failed::Unreachable);
        let mut statuses = self.turns.iter().filter(|turn| turn.state != TurnState::Waiting).map(|turn| turn.status);
        let first = statuses.next().flatten().filter(|status| matches!(status, 488 | 606));
        let status = first.filter(|first| statuses.all(|status| status == Some(*first)));
        Last { failed, status: status.unwrap_or(failed.status()) }
    }

    /// Leaves the step with this outcome and enters what comes after.
    fn leave(&mut self, last: Last, now: Instant, out: &mut Vec<Order>, change: &mut Change) {
        let Some(step) = self.at else { return };
        self.last = last;
        if let Some(entered) = self.entered.iter_mut().find(|entered| entered.step == step) {
            entered.failed = last.failed;
        }
        let Some(step) = self.plan.step(step) else { return };
        let next = match step {
            Step::Ring(ring) => ring.next,
            Step::Dial(dial) => dial.next,
            Step::Greet { .. } | Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => {
                return;
            }
        };
        out.push(Order::Because(Reason::Is(step.who(), last.failed)));
        self.turns.clear();
        self.enter(next.after(last.failed), now, out, change);
    }

    /// Enters a step. A destination that was entered before is passed over: the plan goes on as if it had failed again
    /// as it did then.
    fn enter(&mut self, mut to: Option<StepIx>, now: Instant, out: &mut Vec<Order>, change: &mut Change) {
        let plan = self.plan.clone();
        let mut greeting = None;
        while let Some((ix, step)) = to.and_then(|ix| Some((ix, plan.step(ix)?))) {
            if let Step::Greet { first: false, next, .. } = step {
                (greeting, to) = (Some(ix), Some(*next));
                continue;
            }
            let before = self.entered.iter().find(|entered| Some(&entered.destination) == step.destination());
            let Some(failed) = before.map(|before| before.failed) else {
                return self.take(ix, step, greeting, now, out, change);
            };
            out.push(Order::Because(Reason::AlreadyTried(step.to_string().into())));
            if self.passed.contains(&ix) {
                break;
            }
            self.passed.push(ix);
            to = step.next().after(failed);
        }
        out.push(Order::Because(Reason::RunsOut));
        self.at = None;
        change.ending = Some(Ending::RanOut { status: self.last.status, last: self.last.failed });
    }

    fn take(
        &mut self,
        ix: StepIx,
        step: &Step,
        greeting: Option<StepIx>,
        now: Instant,
        out: &mut Vec<Order>,
        change: &mut Change,
    ) {
        // Where the plan begins, the decision has told it.
        if self.plan.start.map(|start| self.plan.past_greetings(start)) != Some(ix) {
            out.extend(step.forwarded().because.iter().cloned().map(Order::Because));
        }
        if !self.entered.is_empty() {
            out.push(Order::Because(Reason::FallsTo(step.who())));
        }
        out.extend(greeting.map(Order::Enter));
        out.push(Order::Enter(ix));
        if let Some(destination) = step.destination().cloned() {
            self.entered.push(Entered { destination, step: ix, failed: Failed::Unreachable });
        }
        self.began = now;
        self.at = Some(ix);
        match step {
            Step::Ring(ring) => self.turns = ring.timetable.iter().map(|slot| Turn::of(slot, now)).collect(),
            Step::Dial(_) => change.dial = Some(ix),
            // Somebody says when it is over: see `greeted`.
            Step::Greet { .. } => {}
            Step::Voicemail(ix, name) => {
                change.ending = Some(Ending::Voicemail(*ix, name.clone()));
            }
            Step::Announcement(name) => {
                change.ending = Some(Ending::Announcement(name.clone()));
            }
            Step::Feature(feature) => change.ending = Some(Ending::Feature(feature.clone())),
            Step::Refuse(refusal) => change.ending = Some(Ending::Refuse(*refusal)),
        }
        if change.ending.is_some() {
            self.at = None;
        }
    }

    /// Gives the orders that one input leads to: who rang before it, compared with who rings after it. So a phone that
    /// the next step names again is neither stopped nor rung.
    fn give(&mut self, change: Change, out: &mut Vec<Order>) {
        let rings = |turns: &[Turn], member| {
            turns.iter().any(|turn: &Turn| turn.member == member && turn.state == TurnState::Ringing)
        };
        let (turns, partly) = (&self.turns, &mut self.partly);
        self.ringing.retain(|member| {
            let goes_on = rings(turns, *member);
            if !goes_on {
                partly.retain(|(of, _)| of != member);
                out.push(Order::Stop(*member, change.because));
            }
            goes_on
        });
        for turn in self.turns.iter().filter(|turn| turn.state == TurnState::Ringing) {
            if !self.ringing.contains(&turn.member) {
                self.ringing.push(turn.member);
                out.push(Order::Ring(turn.member));
            }
        }
        out.extend(change.dial.filter(|dial| self.at == Some(*dial)).map(Order::Dial));
        out.extend(change.ending.map(Order::Finish));
    }
}

/// What one input has led to, beside the turns.
struct Change {
    because: StopBecause,
    dial: Option<StepIx>,
    ending: Option<Ending>,
}

impl Default for Change {
    fn default() -> Change {
        Change { because: StopBecause::TurnOver, dial: None, ending: None }
    }
}

impl Turn {
    fn of(slot: &Slot, began: Instant) -> Turn {
        Turn {
            member: slot.member,
            name: slot.name.clone(),
            from: began + slot.from,
            until: slot.until.map(|until| began + until),
            state: TurnState::Waiting,
            failed: None,
            status: None,
        }
    }
}

/// How an extension fails whose last devices rang to the end.
fn in_vain(partly: &[(ExtensionIx, Failed)], member: ExtensionIx) -> Failed {
    let said = partly.iter().find(|(of, _)| *of == member).map(|(_, failed)| *failed);
    said.map_or(Failed::NoAnswer, |said| said.better(Failed::NoAnswer))
}

fn patience(step: &Step) -> Option<Duration> {
    match step {
        Step::Ring(ring) => Some(ring.patience),
        Step::Dial(dial) => dial.patience,
        Step::Greet { .. } | Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => None,
    }
}

fn before(at: Instant, span: Duration) -> Instant {
    Instant::from_micros(at.as_micros().saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
}
