//! Turning destinations into the steps of a plan: what comes after what, each destination in each place once.
//!
//! Precedence of what comes after a destination: the DID's `known` fallbacks, the next entry of a list, the destination's
//! own (a group's `then`, an extension's `busy` …) only where it is the last entry, then the operator.

mod forward;

use std::collections::VecDeque;
use std::sync::Arc;

use super::absence::Absence;
use super::mobile::mobiles;
use super::plan::{Callee, DialPlan, Direction, Forwarded, Next, RingPlan, RoutePlan, Slot, Step, StepIx};
use super::reason::{Considered, Reason, Rule};
use super::ring;
use super::situation::{Origin, Situation};
use crate::clock::Duration;
use crate::config::{
    Answer, Destination, DeviceRule, DidIx, ExtensionIx, ForwardWhen, GroupIx, Known, Order, OutboundRule, RefuseAs,
    ScheduleIx, TrunkIx,
};
use crate::number::PhoneNumber;
use crate::state::Override;

/// More steps than any office writes; a plan that would need more goes on with the operator.
const MAX_STEPS: usize = 1000;

/// What comes after a destination that nobody answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    /// The next entry of a list; the destination's own does not apply.
    Step(StepIx),
    /// The DID's `known` fallbacks.
    Known,
    /// Its own, then the operator.
    Operator,
    /// Its own, then `refuse:unavailable`: it stands in for the operator.
    Refuse,
    /// Its own, then nothing: the caller is a colleague.
    RunsOut,
}

/// Whether a DID is open, and who says so.
pub(super) struct HoursFound {
    pub(super) open: bool,
    pub(super) schedule: Option<(ScheduleIx, Arc<str>)>,
    pub(super) overridden: Option<Override>,
}

impl HoursFound {
    pub(super) fn override_reason(&self) -> Reason {
        match (self.overridden, &self.schedule) {
            (Some(Override { open: true, until }), Some((_, schedule))) => {
                Reason::OverrideOpen { schedule: schedule.clone(), until }
            }
            (Some(Override { open: false, until }), Some((_, schedule))) => {
                Reason::OverrideClosed { schedule: schedule.clone(), until }
            }
            _ => Reason::NoOverride,
        }
    }

    fn reason(&self) -> Reason {
        match (&self.schedule, self.open) {
            (None, _) => Reason::AlwaysOpen,
            (Some(_), _) if self.overridden.is_some() => self.override_reason(),
            (Some((_, schedule)), true) => Reason::Open(schedule.clone()),
            (Some((_, schedule)), false) => Reason::Closed(schedule.clone()),
        }
    }
}

/// What the steps after a ring step are to be made of.
enum Own {
    Extension(ExtensionIx),
    Group(GroupIx),
    Nothing,
}

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) situation: &'a Situation<'a>,
    pub(super) did: Option<DidIx>,
    direction: Direction,
    because: Vec<Reason>,
    considered: Vec<Considered>,
    steps: Vec<Step>,
    /// Which destination, followed by what, is which step.
    places: Vec<(Destination, After, Forwarded, StepIx)>,
    /// Steps whose `next` is still to be made.
    open: VecDeque<(StepIx, Own, After)>,
    known: Option<&'a Known>,
    /// Where the DID's plan begins; made once. The inner `None`: nowhere.
    plan: Option<Option<StepIx>>,
    operator: Option<Option<StepIx>>,
    /// DIDs whose plan has become part of this one.
    dids: Vec<DidIx>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(situation: &'a Situation<'a>, direction: Direction) -> Draft<'a> {
        Draft {
            situation,
            did: None,
            direction,
            because: Vec::new(),
            considered: Vec::new(),
            steps: Vec::new(),
            places: Vec::new(),
            open: VecDeque::new(),
            known: None,
            plan: None,
            operator: None,
            dids: Vec::new(),
        }
    }

    /// A rule found something that did not change the way of the call.
    pub(super) fn note(&mut self, rule: Rule, found: Reason) {
        self.considered.push(Considered { rule, found });
    }

    /// A rule found something that did.
    pub(super) fn tell(&mut self, rule: Rule, found: Reason) {
        self.because.push(found.clone());
        self.note(rule, found);
    }

    /// The whole plan is a refusal.
    pub(super) fn refuse(mut self, refusal: RefuseAs) -> RoutePlan {
        let start = self.push(Step::Refuse(refusal));
        self.finish(start)
    }

    /// The whole plan is this, and nothing comes after it.
    pub(super) fn end(mut self, step: Step) -> RoutePlan {
        let start = self.push(step);
        self.finish(start)
    }

    /// The whole plan is a call to the outside.
    pub(super) fn dial(mut self, dial: DialPlan) -> RoutePlan {
        let start = self.push(Step::Dial(dial));
        self.finish(start)
    }

    /// Makes all that is still open, and gives the plan.
    pub(super) fn finish(mut self, start: Option<StepIx>) -> RoutePlan {
        while let Some((step, own, after)) = self.open.pop_front() {
            let next = self.next_of(&own, after);
            match &mut self.steps[step.index()] {
                Step::Ring(ring) => ring.next = next,
                Step::Dial(dial) => dial.next = next,
                Step::Greet { .. }
                | Step::Voicemail(..)
                | Step::Announcement(_)
                | Step::Feature(_)
                | Step::Refuse(_) => {}
            }
        }
        // Who is absent where the call begins is a reason; further on it is a detail of the plan.
        let first = match start.and_then(|start| self.steps.get(start.index())) {
            Some(Step::Greet { next, .. }) => self.steps.get(next.index()),
            first => first,
        };
        let forwarded = first.map(|step| step.forwarded().because.clone()).unwrap_or_default();
        let stands_in = match first {
            Some(Step::Ring(RingPlan { destination: Destination::Extension(extension), .. })) => {
                self.stands_in(*extension)
            }
            _ => None,
        };
        self.because.extend(forwarded.into_iter().chain(stands_in));
        // It is kept as long as the call lasts, and nothing is added any more.
        self.steps.shrink_to_fit();
        self.considered.shrink_to_fit();
        RoutePlan {
            direction: self.direction,
            start,
            steps: self.steps,
            because: self.because,
            considered: self.considered,
            did: self.did,
        }
    }

    fn push(&mut self, step: Step) -> Option<StepIx> {
        let ix = StepIx(u16::try_from(self.steps.len()).ok()?);
        self.steps.push(step);
        Some(ix)
    }
}

/// A prompt, and whether it comes before anybody rings.
type Greeting = (Arc<str>, bool);

/// Hours, the DID's plan, known customers.
impl<'a> Draft<'a> {
    pub(super) fn hours(&self, did: DidIx) -> HoursFound {
        let (situation, config) = (self.situation, self.situation.config);
        let Some(ix) = config.did(did).schedule else {
            return HoursFound { open: true, schedule: None, overridden: None };
        };
        let schedule = Some((ix, config.schedule(ix).name.clone()));
        let overridden = situation.state.override_of(&config.schedule(ix).name, situation.at);
        HoursFound { open: situation.is_open(ix), schedule, overridden }
    }

    /// What the DID says for these hours, and its greeting.
    fn answer(&self, did: DidIx, open: bool) -> (Vec<Destination>, Option<Greeting>) {
        let entry = self.situation.config.did(did);
        let answer: Option<&Answer> = if open { entry.open.as_ref() } else { entry.closed.as_ref() };
        match (answer, entry.personal) {
            (Some(answer), _) => {
                (answer.to.to_vec(), answer.greeting.clone().map(|prompt| (prompt, answer.greeting_first)))
            }
            (None, Some(owner)) if open => (vec![Destination::Extension(owner)], None),
            (None, _) => (vec![Destination::Operator], None),
        }
    }

    /// The DID's plan for these hours. `begins`: the call begins with it, so its hours are a reason.
    pub(super) fn plan_of(&mut self, did: DidIx, hours: &HoursFound, begins: bool) -> Option<StepIx> {
        let hours_told = begins && hours.schedule.is_some() && hours.overridden.is_none_or(|by_hand| by_hand.open);
        if hours_told {
            self.tell(Rule::Hours, hours.reason());
        } else {
            self.note(Rule::Hours, hours.reason());
        }
        let (to, _) = self.answer(did, hours.open);
        let config = self.situation.config;
        if let Some(owner) = config.did(did).personal {
            self.note(Rule::Plan, Reason::Personal(config.extension(owner).number.clone()));
        }
        self.describe(&to);
        self.plan_start(did, hours.open)
    }

    /// True where a call that starts here begins with the DID's plan.
    pub(super) fn begins_with_plan(&self, start: Option<StepIx>) -> bool {
        start.is_none() || self.plan == Some(start)
    }

    fn plan_start(&mut self, did: DidIx, open: bool) -> Option<StepIx> {
        if let Some(plan) = self.plan {
            return plan;
        }
        self.dids.push(did);
        let (to, greeting) = self.answer(did, open);
        let start = self.list(&to, After::Operator);
        if let Some((prompt, _)) = &greeting {
            self.note(Rule::Plan, Reason::Greets(prompt.clone()));
        }
        let start = match (start, greeting) {
            (Some(next), Some((prompt, first))) => self.push(Step::Greet { prompt, first, next }).or(start),
            (start, _) => start,
        };
        self.plan = Some(start);
        start
    }

    /// Overflow and operator, as `explain` prints them.
    fn describe(&mut self, to: &[Destination]) {
        let config = self.situation.config;
        let names = |list: &[Destination]| -> Arc<str> {
            list.iter().map(|to| config.name_of(to)).collect::<Vec<_>>().join(", ").into()
        };
        let first = to.get(..1).unwrap_or_default();
        self.note(Rule::Plan, Reason::Rings(names(first)));
        let overflow = match (first.first(), &to[first.len()..]) {
            (Some(Destination::Group(group)), []) => names(&config.group(*group).then),
            (_, rest) => names(rest),
        };
        let overflow = if overflow.is_empty() { Reason::NoOverflow } else { Reason::Overflow(overflow) };
        self.note(Rule::Overflow, overflow);
        let operator = names(&config.site.operator);
        self.note(Rule::Operator, if operator.is_empty() { Reason::NoOperator } else { Reason::Operator(operator) });
    }

    /// Where a known customer's call begins; `None`: as anybody's.
    pub(super) fn known(&mut self, known: &'a Known) -> Option<StepIx> {
        self.known = Some(known);
        if known.to.contains(&Destination::Responsible) {
            let customer = self.situation.customer?;
            let reason = match (self.responsible(), &customer.responsible) {
                (Some(responsible), _) => Reason::Responsible(self.name(responsible)),
                (None, Some(named)) => Reason::ResponsibleUnknown(named.clone()),
                (None, None) => Reason::NoResponsible,
            };
            self.tell(Rule::Known, reason);
        }
        let mut next = None;
        for (place, to) in known.to.iter().enumerate().rev() {
            let after = next.map_or(After::Known, After::Step);
            next = match (to, place, known.to.len()) {
                // The responsible of this customer, or the one who takes all known customers.
                (Destination::Responsible, ..) => match self.responsible() {
                    Some(responsible) => self.step_to_known(responsible, known, after),
                    None => next,
                },
                (Destination::Extension(extension), ..) => self.step_to_known(*extension, known, after),
                (to, ..) => self.enter(to, after).or(next),
            };
        }
        next
    }

    /// The first one to whom a known customer goes: for `known.ring`, then by reason.
    fn step_to_known(&mut self, extension: ExtensionIx, known: &'a Known, after: After) -> Option<StepIx> {
        let absence = match self.situation.present(extension) {
            Ok(_) => None,
            Err(absence) => Some(absence).filter(|_| after == After::Known),
        };
        let Some(absence) = absence else { return self.ring(extension, Some(known.ring), after) };
        let reason = absence.of(self.name(extension));
        self.tell(Rule::Known, reason);
        let to = match absence {
            Absence::Away => &known.away,
            Absence::Left => &known.left,
            Absence::OutsideHours => &known.outside_hours,
        };
        self.fallback_of(known, to)
    }

    /// Where one reason of `known` leads: `responsible_only` takes every reason's place; nothing said means the plan.
    fn fallback_of(&mut self, known: &'a Known, to: &[Destination]) -> Option<StepIx> {
        match &known.responsible_only {
            Some(only) => self.list(std::slice::from_ref(only), After::Operator),
            None if to.is_empty() => self.plan_again(),
            None => self.list(to, After::Operator),
        }
    }

    /// The DID's plan, as if the caller were unknown.
    fn plan_again(&mut self) -> Option<StepIx> {
        let did = self.did?;
        let open = self.hours(did).open;
        self.plan_start(did, open)
    }

    fn responsible(&self) -> Option<ExtensionIx> {
        let customer = self.situation.customer?;
        self.situation.config.extension_by_number(customer.responsible.as_deref()?)
    }

    fn name(&self, extension: ExtensionIx) -> Arc<str> {
        self.situation.config.extension(extension).number.clone()
    }
}

/// Destinations and what comes after them.
impl<'a> Draft<'a> {
    /// An employee's call to a colleague.
    pub(super) fn step_to_extension(&mut self, called: ExtensionIx, after: After) -> Option<StepIx> {
        self.ring(called, None, after)
    }

    /// Back to an employee, then to the operator.
    pub(super) fn step_back_to(&mut self, employee: ExtensionIx) -> Option<StepIx> {
        self.list(&[Destination::Extension(employee), Destination::Operator], After::Refuse)
    }

    /// Destinations in order. Where every one of them is passed over: what comes after.
    fn list(&mut self, list: &[Destination], after: After) -> Option<StepIx> {
        let mut next = None;
        for to in list.iter().rev() {
            next = self.enter(to, next.map_or(after, After::Step)).or(next);
        }
        next.or_else(|| self.fallback(after))
    }

    /// What comes after where the destination itself says nothing.
    fn fallback(&mut self, after: After) -> Option<StepIx> {
        match after {
            After::Step(step) => Some(step),
            After::Known => self.plan_again(),
            After::Operator => self.operator(),
            After::Refuse => {
                let refusal = Destination::Refuse(RefuseAs::Unavailable);
                self.place_end(refusal, After::Refuse, |_| Step::Refuse(RefuseAs::Unavailable))
            }
            After::RunsOut => None,
        }
    }

    /// `site.operator`; unanswered it ends in `refuse:unavailable`.
    fn operator(&mut self) -> Option<StepIx> {
        if let Some(operator) = self.operator {
            return operator;
        }
        // Set first: an operator that names the operator is passed over.
        self.operator = Some(None);
        let to = &self.situation.config.site.operator;
        let operator = if to.is_empty() { None } else { self.list(to, After::Refuse) };
        self.operator = Some(operator);
        operator
    }

    /// The step for one destination in one place; `None`: there is nothing to do here, the next one takes its place.
    fn enter(&mut self, to: &Destination, after: After) -> Option<StepIx> {
        let config = self.situation.config;
        match to {
            Destination::Extension(extension) => self.ring(*extension, None, after),
            Destination::Responsible => {
                let responsible = self.responsible()?;
                self.ring(responsible, None, after)
            }
            Destination::Group(group) => self.group(*group, after),
            Destination::Number(number) => self.number(*number, after),
            Destination::Voicemail(mailbox) => {
                let name = config.voicemail(*mailbox).name.clone();
                self.place_end(to.clone(), After::RunsOut, |_| Step::Voicemail(*mailbox, name))
            }
            Destination::Announcement(name) => {
                self.place_end(to.clone(), After::RunsOut, |_| Step::Announcement(name.clone()))
            }
            Destination::Refuse(refusal) => self.place_end(to.clone(), After::RunsOut, |_| Step::Refuse(*refusal)),
            Destination::Plan => self.plan_again(),
            Destination::Operator => match after {
                // Followed by something, it is an entry as any other.
                After::Step(_) => {
                    let mut next = None;
                    for to in config.site.operator.iter().rev().filter(|to| **to != Destination::Operator) {
                        next = self.enter(to, next.map_or(after, After::Step)).or(next);
                    }
                    next
                }
                _ => self.operator(),
            },
        }
    }

    /// The step for this destination with this after it, reached in this way: made once.
    fn place(
        &mut self,
        destination: Destination,
        after: After,
        forwarded: Forwarded,
        make: impl FnOnce(&mut Self, Forwarded) -> Step,
    ) -> Option<StepIx> {
        let is_it = |(to, then, way): (&Destination, &After, &Forwarded)| {
            *to == destination && *then == after && *way == forwarded
        };
        let known = self.places.iter().find(|(to, then, way, _)| is_it((to, then, way)));
        if let Some((.., step)) = known {
            return Some(*step);
        }
        if self.steps.len() >= MAX_STEPS {
            return None;
        }
        let step = make(self, forwarded.clone());
        let ix = self.push(step)?;
        self.places.push((destination, after, forwarded, ix));
        Some(ix)
    }

    /// The same for what no forward leads to.
    fn place_end(
        &mut self,
        destination: Destination,
        after: After,
        make: impl FnOnce(&mut Self) -> Step,
    ) -> Option<StepIx> {
        self.place(destination, after, Forwarded::default(), |draft, _| make(draft))
    }

    /// Why an extension is not rung itself: nobody is, or a deputy.
    fn stands_in(&self, extension: ExtensionIx) -> Option<Reason> {
        let absent = self.name(extension);
        match self.situation.present(extension) {
            Ok(deputy) if deputy != extension => Some(Reason::Deputy { absent, deputy: self.name(deputy) }),
            Ok(_) => None,
            Err(absence) => Some(absence.of(absent)),
        }
    }

    /// Rings one extension, or who stands in for it. `ring_time`: where the place says how long.
    fn ring_itself(
        &mut self,
        extension: ExtensionIx,
        ring_time: Option<Duration>,
        after: After,
        forwarded: Forwarded,
    ) -> Option<StepIx> {
        let present = self.situation.present(extension);
        let who = self.name(*present.as_ref().unwrap_or(&extension));
        if let Some(reason) = self.stands_in(extension) {
            self.note(Rule::Plan, reason);
        }
        let config = self.situation.config;
        let own_time = config.extension(extension).no_answer.as_ref().map(|no_answer| no_answer.after);
        let patience = ring_time.or(own_time).unwrap_or(ring::RING_TIME);
        let destination = Destination::Extension(extension);
        // Who calls themselves has nobody to ring, nor has who calls somebody for whom they stand in.
        let caller = self.situation.caller.extension;
        let timetable = match present {
            Ok(present) if caller != Some(extension) && caller != Some(present) => ring::alone(config, present),
            _ => Vec::new(),
        };
        self.mobiles(&timetable);
        let label = config.name_of(&destination).into();
        let count = self.steps.len();
        let step = self.place(destination.clone(), after, forwarded, |_, forwarded| {
            Step::Ring(RingPlan { destination, label, who, timetable, patience, forwarded, next: Next::default() })
        })?;
        if step.index() >= count {
            self.open.push_back((step, Own::Extension(extension), after));
        }
        Some(step)
    }

    fn group(&mut self, group: GroupIx, after: After) -> Option<StepIx> {
        let (situation, config) = (self.situation, self.situation.config);
        let destination = Destination::Group(group);
        let count = self.steps.len();
        let step = self.place_end(destination.clone(), after, |draft| {
            let mut members: Vec<ExtensionIx> = Vec::new();
            for member in ring::in_order(config, group, situation.state, situation.local_day(), situation.chance) {
                let caller = situation.caller.extension;
                match situation.present(member) {
                    // Nobody is rung twice, and nobody by the own call.
                    Ok(present) if caller != Some(member) && caller != Some(present) => {
                        if present != member {
                            let (absent, deputy) = (draft.name(member), draft.name(present));
                            draft.note(Rule::Plan, Reason::Deputy { absent, deputy });
                        }
                        if !members.contains(&present) {
                            members.push(present);
                        }
                    }
                    Ok(_) => {}
                    Err(absence) => {
                        let name = draft.name(member);
                        draft.note(Rule::Plan, absence.of(name));
                    }
                }
            }
            let entry = config.group(group);
            if entry.order != Order::Listed && members.len() > 1 {
                let names = members.iter().map(|member| draft.name(*member)).collect::<Vec<_>>().join(", ");
                let order = entry.order.word().into();
                draft.note(Rule::Plan, Reason::InOrder { group: entry.name.clone(), order, members: names.into() });
            }
            let timetable = ring::timetable(config, entry, &members);
            draft.mobiles(&timetable);
            Step::Ring(RingPlan {
                label: config.name_of(&destination).into(),
                who: entry.name.clone(),
                timetable,
                patience: entry.patience,
                forwarded: Forwarded::default(),
                next: Next::default(),
                destination,
            })
        })?;
        if step.index() >= count {
            self.open.push_back((step, Own::Group(group), after));
        }
        Some(step)
    }

    /// The mobiles of those who are rung, and by which way.
    fn mobiles(&mut self, timetable: &[Slot]) {
        let config = self.situation.config;
        for slot in timetable {
            let known: Vec<DialPlan> = mobiles(config, slot.member).collect();
            for device in &config.extension(slot.member).devices {
                let DeviceRule::Gsm { number: called, .. } = *device else { continue };
                let (of, number) = (slot.name.clone(), called.to_string().into());
                let mobile = known.iter().find(|mobile| mobile.number == Callee::Number(called));
                let trunks = mobile.map(|mobile| {
                    let names = mobile.trunks.iter().map(|trunk| &*config.trunk(*trunk).name);
                    names.collect::<Vec<_>>().join(", ").into()
                });
                let found = match trunks {
                    Some(trunks) => Reason::Mobile { of, number, trunks },
                    None => Reason::MobileHasNoWay { of, number },
                };
                if !self.considered.iter().any(|known| known.found == found) {
                    self.note(Rule::Plan, found);
                }
            }
        }
    }

    fn number(&mut self, number: PhoneNumber, after: After) -> Option<StepIx> {
        if let Some(did) = self.situation.config.did_by_number(number) {
            // Our own: it never leaves the house, and nobody goes round in it.
            if self.dids.contains(&did) {
                return None;
            }
            self.dids.push(did);
            let open = self.hours(did).open;
            let (to, _) = self.answer(did, open);
            return Some(self.list(&to, after)).flatten();
        }
        // The office itself calls: rules `for` somebody do not exist for it.
        let rule = self.situation.config.outbound_rule(None, Some(number), "").filter(|rule| rule.allow);
        let trunks = rule.map(|rule| self.free_trunks(rule)).unwrap_or_default();
        let caller_id = rule.and_then(|rule| rule.caller_id);
        let count = self.steps.len();
        let step = self.place_end(Destination::Number(number), after, |_| {
            Step::Dial(DialPlan {
                destination: Some(Destination::Number(number)),
                number: Callee::Number(number),
                trunks,
                caller_id,
                patience: Some(ring::RING_TIME),
                emergency: false,
                mobile: None,
                forwarded: Forwarded::default(),
                next: Next::default(),
            })
        })?;
        if step.index() >= count {
            self.open.push_back((step, Own::Nothing, after));
        }
        Some(step)
    }

    /// The outbound rule by which an employee may call a number now.
    ///
    /// # Errors
    /// Why not: no rule, one that does not allow it, or the daily cap.
    pub(super) fn may_call(&self, by: ExtensionIx, number: PhoneNumber) -> Result<&'a OutboundRule, Reason> {
        let (situation, config) = (self.situation, self.situation.config);
        let rule = config.outbound_rule(Some(by), Some(number), "");
        let rule = rule.ok_or_else(|| Reason::NoOutboundRule(number.to_string().into()))?;
        if !rule.allow {
            return Err(Reason::NotAllowed(rule.pattern.to_string().into()));
        }
        situation.within_cap(by).map(|()| rule)
    }

    /// The trunks of a rule that can carry one more call, in the rule's order.
    pub(super) fn free_trunks(&self, rule: &OutboundRule) -> Vec<TrunkIx> {
        let (config, load) = (self.situation.config, self.situation.load);
        // A call that came in on a trunk takes one of its lines already.
        let own = |trunk: TrunkIx| u32::from(self.situation.origin == Origin::Trunk(trunk));
        let taken = |trunk: TrunkIx| load.on_trunk(trunk).saturating_add(own(trunk));
        let free = |trunk: &TrunkIx| config.trunk(*trunk).max_calls.is_none_or(|limit| taken(*trunk) < limit);
        rule.trunks.iter().copied().filter(free).collect()
    }

    /// What comes after a step, by outcome.
    fn next_of(&mut self, own: &Own, after: After) -> Next {
        let config = self.situation.config;
        match (after, own, self.known) {
            (After::Step(step), ..) => Next::always(Some(step)),
            (After::Known, _, Some(known)) => Next {
                busy: self.fallback_of(known, &known.busy),
                no_answer: self.fallback_of(known, &known.no_answer),
                unreachable: self.fallback_of(known, &known.unreachable),
            },
            (_, Own::Nothing, _) | (After::Known, _, None) => Next::always(self.fallback(after)),
            (_, Own::Group(group), _) => {
                let then = &config.group(*group).then;
                Next::always(self.list(then, after))
            }
            (_, Own::Extension(extension), _) => {
                let entry = config.extension(*extension);
                let no_answer = entry.no_answer.as_ref().map_or(&[][..], |no_answer| &no_answer.to);
                Next {
                    busy: self.forward_or(*extension, ForwardWhen::Busy, &entry.busy, after),
                    no_answer: self.forward_or(*extension, ForwardWhen::NoAnswer, no_answer, after),
                    unreachable: self.forward_or(*extension, ForwardWhen::NoAnswer, &entry.unreachable, after),
                }
            }
        }
    }
}
