//! What was decided for one call, as a value: whom to ring from when to when, what comes after, and why.
//!
//! A [`RoutePlan`] is a handful of [`Step`]s that point at each other. It never changes once it is made: the call and
//! `explain` carry it out with the same [`Walk`](super::Walk).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::feature::Feature;
use super::reason::{Considered, Failed, Reason, Rule};
use crate::clock::Duration;
use crate::config::{Destination, DidIx, ExtensionIx, ForwardWhen, RefuseAs, TrunkIx, VoicemailIx};
use crate::number::PhoneNumber;

/// Where a call comes from and goes to, seen from the company.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a trunk, to us.
    Inbound,
    /// From one of our extensions to one of us; also a DID of our own dialled inside.
    Internal,
    /// From one of our extensions to somebody outside.
    Outbound,
}

/// Names one step of one [`RoutePlan`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StepIx(pub(super) u16);

impl StepIx {
    /// Its place in [`RoutePlan::steps`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The decision: steps, where to begin, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutePlan {
    /// Where the call comes from and goes to.
    pub direction: Direction,
    /// The first step; `None` only where nothing at all can be done (the walk then answers 480).
    pub start: Option<StepIx>,
    /// All steps that can be reached. They point forward; where a config lets them meet again, the walk passes over
    /// what it has entered before, so every walk ends.
    pub steps: Vec<Step>,
    /// Why, in the order of decision: the reasons that told. The walk adds what happened on the way.
    pub because: Vec<Reason>,
    /// Every rule in the order of decision with its outcome, also those that had nothing to say. As `explain` prints it.
    pub considered: Vec<Considered>,
    /// The DID that was called, or is meant (`default_did`).
    pub did: Option<DidIx>,
}

impl RoutePlan {
    /// One step.
    pub fn step(&self, step: StepIx) -> Option<&Step> {
        self.steps.get(step.index())
    }

    /// The step with which a plan begins that begins with this one: past a greeting.
    pub fn past_greetings(&self, step: StepIx) -> StepIx {
        match self.step(step) {
            Some(Step::Greet { next, .. }) => *next,
            _ => step,
        }
    }

    /// True where the caller is on the block list: such a call is never missed.
    pub fn is_blocked(&self) -> bool {
        self.because.contains(&Reason::Blocked)
    }

    /// True where the DID was closed, by its hours or by hand: what is missed then is missed after hours.
    pub fn is_closed(&self) -> bool {
        let closed = |found: &Reason| matches!(found, Reason::Closed(_) | Reason::OverrideClosed { .. });
        self.considered.iter().any(|considered| considered.rule == Rule::Hours && closed(&considered.found))
    }

    /// True where the caller hears a greeting, now or later.
    pub fn greets(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Greet { .. }))
    }

    /// The refusal, where the decision is to refuse at once.
    pub fn refusal(&self) -> Option<RefuseAs> {
        match self.step(self.start?)? {
            Step::Refuse(refusal) => Some(*refusal),
            _ => None,
        }
    }
}

/// The steps with their timetables, a line each: what the record keeps of a plan.
impl fmt::Display for RoutePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}. {step}", at + 1)?;
            let next = match step {
                Step::Ring(ring) => {
                    for slot in &ring.timetable {
                        let until = slot.until.unwrap_or(ring.patience);
                        write!(f, ", {} from {} s to {} s", slot.name, slot.from.as_secs(), until.as_secs())?;
                    }
                    ring.next
                }
                Step::Dial(dial) => dial.next,
                Step::Greet { next, .. } => {
                    write!(f, "; then {}", next.index() + 1)?;
                    continue;
                }
                Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => continue,
            };
            let ways = [("busy", next.busy), ("no answer", next.no_answer), ("unreachable", next.unreachable)];
            match ways {
                [(_, Some(to)), (_, no_answer), (_, unreachable)]
                    if no_answer == Some(to) && unreachable == Some(to) =>
                {
                    write!(f, "; then {}", to.index() + 1)?;
                }
                ways => {
                    for (outcome, to) in ways.into_iter().filter_map(|(outcome, to)| Some((outcome, to?))) {
                        write!(f, "; {outcome}: {}", to.index() + 1)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// One thing the plan does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Phones ring by a timetable.
    Ring(RingPlan),
    /// Somebody outside is called through a trunk.
    Dial(DialPlan),
    /// A greeting is played.
    Greet {
        /// The prompt.
        prompt: Arc<str>,
        /// Only after it comes the next step; else it is heard while that one rings.
        first: bool,
        /// What comes after it, or with it.
        next: StepIx,
    },
    /// A voicemail box takes the call.
    Voicemail(VoicemailIx, Arc<str>),
    /// A prompt is played, then the call ends.
    Announcement(Arc<str>),
    /// What an employee has dialled a code for.
    Feature(Feature),
    /// The caller is refused.
    Refuse(RefuseAs),
}

impl Step {
    /// What comes after it, by outcome.
    pub fn next(&self) -> Next {
        match self {
            Step::Ring(ring) => ring.next,
            Step::Dial(dial) => dial.next,
            Step::Greet { .. } | Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => {
                Next::default()
            }
        }
    }

    /// Who is rung there, once in a call: see [`Walk`](super::Walk).
    pub fn destination(&self) -> Option<&Destination> {
        match self {
            Step::Ring(ring) => Some(&ring.destination),
            Step::Dial(dial) => dial.destination.as_ref(),
            Step::Greet { .. } | Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => {
                None
            }
        }
    }

    /// The forwards that lead to it.
    pub fn forwarded(&self) -> &Forwarded {
        const NONE: &Forwarded = &Forwarded { by: None, because: Vec::new() };
        match self {
            Step::Ring(ring) => &ring.forwarded,
            Step::Dial(dial) => &dial.forwarded,
            Step::Greet { .. } | Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => {
                NONE
            }
        }
    }

    /// Who or what it is, in a reason: `12`, `sales`, `voicemail:sales`.
    pub fn who(&self) -> Arc<str> {
        match self {
            Step::Ring(ring) => ring.who.clone(),
            Step::Dial(dial) => dial.number.to_string().into(),
            Step::Greet { .. } | Step::Voicemail(..) | Step::Announcement(_) | Step::Feature(_) | Step::Refuse(_) => {
                self.to_string().into()
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Ring(ring) => f.write_str(&ring.label),
            Step::Dial(dial) => write!(f, "number:{}", dial.number),
            Step::Greet { prompt, .. } => write!(f, "greeting:{prompt}"),
            Step::Voicemail(_, name) => write!(f, "voicemail:{name}"),
            Step::Announcement(name) => write!(f, "announcement:{name}"),
            Step::Feature(feature) => write!(f, "feature:{feature}"),
            Step::Refuse(refusal) => write!(f, "refuse:{}", refusal.word()),
        }
    }
}

/// How a plan comes to a step, where employees forward their calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Whose forward leads to it last, and which.
    pub by: Option<(ExtensionIx, ForwardWhen)>,
    /// Every forward on the way, also those that are not followed, and why.
    pub because: Vec<Reason>,
}

/// Who rings from when to when, and what comes after.
#[derive(Clone, Debug, PartialEq)]
pub struct RingPlan {
    /// What is entered: a destination is entered at most once in a call.
    pub destination: Destination,
    /// The same as it is written: `group:sales`.
    pub label: Arc<str>,
    /// Who it is, in a reason: `12`, `sales`.
    pub who: Arc<str>,
    /// By start, then by order. Empty where nobody may be rung: the step is then unreachable at once.
    pub timetable: Vec<Slot>,
    /// How long the step may take at most. Never moves.
    pub patience: Duration,
    /// The forwards that lead to it.
    pub forwarded: Forwarded,
    /// What comes after, by outcome.
    pub next: Next,
}

/// One line of a timetable.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Who rings, on all devices.
    pub member: ExtensionIx,
    /// The member's number, for reasons and people.
    pub name: Arc<str>,
    /// When it starts, counted from the step's beginning. Moves forward when an earlier member fails.
    pub from: Duration,
    /// When its turn is over, moving with `from`; `None`: it rings until the patience of the whole ends.
    pub until: Option<Duration>,
}

/// A call to the outside.
#[derive(Clone, Debug, PartialEq)]
pub struct DialPlan {
    /// What is entered; `None` for what an employee dialled.
    pub destination: Option<Destination>,
    /// Whom to call.
    pub number: Callee,
    /// Tried in order: the next one on no 1xx in 4 s, 402, 403, 408, 5xx; never on 404, 486, 6xx. Empty: no rule allows
    /// it, or every line is taken; the step then is unreachable at once.
    pub trunks: Vec<TrunkIx>,
    /// Our number towards the called; `None`: the trunk's `default_did`, else its account.
    pub caller_id: Option<PhoneNumber>,
    /// How long it may take; `None`: as long as the caller waits (a call that an employee dialled).
    pub patience: Option<Duration>,
    /// True: an emergency call, a fact of its own.
    pub emergency: bool,
    /// It is an employee's mobile: rung as one of their phones, and told for whom the call was.
    pub mobile: Option<Mobile>,
    /// The forwards that lead to it. By whom it is forwarded last, in their name it is dialled.
    pub forwarded: Forwarded,
    /// What comes after, by outcome; nothing for a call that an employee dialled: its final code is passed on.
    pub next: Next,
}

/// Whose mobile a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mobile {
    /// The employee.
    pub of: ExtensionIx,
    /// Whoever answers must press 1 before the call is theirs: a mobile's mailbox answers, too.
    pub confirm: bool,
}

/// What is dialled towards a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callee {
    /// A public number, to be written as the trunk wants it.
    Number(PhoneNumber),
    /// Text that goes out as it stands: an emergency number, or what a rule's pattern matched as text.
    Verbatim(Arc<str>),
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Callee::Number(number) => number.fmt(f),
            Callee::Verbatim(text) => f.write_str(text),
        }
    }
}

/// Where the plan goes on, by outcome; `None`: it runs out, and answers for its last rung destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// After busy, and after declined.
    pub busy: Option<StepIx>,
    /// After no answer.
    pub no_answer: Option<StepIx>,
    /// After nobody could be reached.
    pub unreachable: Option<StepIx>,
}

impl Next {
    /// The same step after every outcome.
    pub const fn always(step: Option<StepIx>) -> Next {
        Next { busy: step, no_answer: step, unreachable: step }
    }

    /// The step after this outcome. Declined goes where busy goes.
    pub const fn after(&self, failed: Failed) -> Option<StepIx> {
        match failed {
            Failed::Declined | Failed::Busy => self.busy,
            Failed::NoAnswer => self.no_answer,
            Failed::Unreachable => self.unreachable,
        }
    }
}
