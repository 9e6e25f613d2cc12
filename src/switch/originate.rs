//! Calls that somebody asks for instead of dialling them (click-to-call), and talks that somebody hands on from outside.
//!
//! Whoever asks does so in the name of an employee, so the same rules hold as if that employee had dialled: outbound rules,
//! caps, limits. What may not be is refused in words, before any phone rings. Emergency numbers and codes are dialled by
//! hand: who clicks is not asked where they are.

use std::sync::Arc;

use serde_json::{Value, json};

use super::house::House;
use super::inquiry::Asker;
use super::tables::Switch;
use crate::call::{Call, Identity, Ladder, Legs, Line, NotHandedOn, Offer, Wanted};
use crate::clock::Duration;
use crate::config::{Config, DidNumber, ExtensionIx};
use crate::fact::Offered;
use crate::key::{CallId, LegKey};
use crate::number::{PhoneNumber, bare};
use crate::route::{
    Availability, Callee, Caller, Destined, Direction, Origin, RING_TIME, RoutePlan, Step, decide, sentence, summon,
};
use crate::sip::Status;
use crate::sound::session;

/// How long an employee's phones may ring for a call that was asked for, in seconds.
const LONGEST: u64 = 300;
/// How long a number or a reference may be, in bytes: every event of the call repeats them.
const LONGEST_TEXT: usize = 200;

impl Switch {
    pub(super) fn originate(
        &mut self,
        user: &str,
        to: &str,
        caller_id: Option<&str>,
        reference: Option<Arc<str>>,
        timeout: Option<u64>,
        auto_answer: bool,
    ) -> Result<Value, String> {
        for (what, text) in [("user", user), ("to", to), ("ref", reference.as_deref().unwrap_or_default())] {
            if text.len() > LONGEST_TEXT {
                return Err(format!("{what}: {} bytes are too many; at most {LONGEST_TEXT} can be kept", text.len()));
            }
        }
        let config = self.means.config.clone();
        let by = self.summonable(&config, user)?;
        let dialled = callable(&config, by, to)?;
        let patience = match timeout {
            None => RING_TIME,
            Some(seconds @ 1..=LONGEST) => Duration::from_secs(seconds),
            Some(seconds) => return Err(format!("timeout: {seconds} s is none; write 1 to {LONGEST}")),
        };
        let asker = Asker { caller: Caller::inside(&config, by), display: config.extension(by).name.clone() };
        let origin = Origin::Extension(by);
        let (plan, offered) = self.decide(&asker, &dialled, origin, "");
        if plan.refusal().is_some() {
            return Err(format!("{user} cannot call {to}: {}", sentence(&plan.because)));
        }
        self.some_trunk_is_there(&config, &plan).map_err(|down| format!("{to} cannot be called now: {down}"))?;
        let caller_id = caller_id.map(|text| shown_to_the_called(&config, by, &plan, text)).transpose()?;
        let summons = Arc::new(summon(&config, by, plan.direction, patience));
        let wanted = Wanted { summons, by, to: to.into(), caller_id };
        let whom = self.identity_of_destined(&config, &dialled);
        let asked = word(&format!("originate {user} {}", bare(to)))
            + &caller_id.map(|number| format!(" as {number}")).unwrap_or_default()
            + &reference.as_deref().map(|reference| format!(" ref {}", word(reference))).unwrap_or_default()
            + &timeout.map(|seconds| format!(" for {seconds}s")).unwrap_or_default()
            + if auto_answer { " auto-answer" } else { "" };
        let offered = Offered { reference, ..offered };
        let id = self.begin_asked_for(wanted, whom, &plan, offered, auto_answer, &asked);
        Ok(json!({ "call": id }))
    }

    /// The employee who asks for a call, where a phone of theirs can be rung now.
    fn summonable(&self, config: &Config, user: &str) -> Result<ExtensionIx, String> {
        let by = config.extension_by_number(user).ok_or_else(|| format!("there is no extension {user:?}"))?;
        let employee = config.extension(by);
        if !employee.active {
            return Err(format!("extension {user} is not active"));
        }
        if let Some(why) = self.closed_for_calls() {
            return Err(why.reason().to_string());
        }
        match self.availability(employee) {
            Availability::Free => Ok(by),
            Availability::Busy => Err(format!("{user} is on the phone")),
            Availability::Unreachable => Err(format!("no phone of {user} can be reached")),
        }
    }

    /// # Errors
    /// Which trunks are down, where the plan calls outside and none of its trunks answers.
    fn some_trunk_is_there(&self, config: &Config, plan: &RoutePlan) -> Result<(), String> {
        let dials = plan.steps.iter().filter_map(|step| match step {
            Step::Dial(dial) if dial.destination.is_none() => Some(&dial.trunks),
            _ => None,
        });
        for trunks in dials {
            if !trunks.iter().any(|trunk| self.means.trunks.is_up(*trunk)) {
                let names: Vec<&str> = trunks.iter().map(|trunk| &*config.trunk(*trunk).name).collect();
                return Err(format!("no trunk for it answers ({})", names.join(", ")));
            }
        }
        Ok(())
    }

    /// Whom the employee's phone shows.
    fn identity_of_destined(&self, config: &Config, dialled: &Destined) -> Identity {
        match dialled {
            Destined::Number(number) => self.identity_of(&Callee::Number(*number)),
            Destined::Did(did) => match &config.did(*did).number {
                DidNumber::Public(number) => self.identity_of(&Callee::Number(*number)),
                DidNumber::Verbatim(text) => self.identity_of(&Callee::Verbatim(text.clone())),
            },
            Destined::Extension(extension) => Identity {
                caller: Caller::inside(config, *extension),
                display: config.extension(*extension).name.clone(),
            },
            Destined::Emergency(text)
            | Destined::PickUp(_, text)
            | Destined::Feature(_, text)
            | Destined::Unreadable(text) => self.identity_of(&Callee::Verbatim(text.clone())),
        }
    }

    fn begin_asked_for(
        &mut self,
        wanted: Wanted,
        whom: Identity,
        plan: &RoutePlan,
        offered: Offered,
        auto_answer: bool,
        asked: &str,
    ) -> CallId {
        let config = self.means.config.clone();
        let (now, by) = (self.means.now.mono, wanted.by);
        let id = CallId::new(self.means.now.wall, self.means.entropy.u64());
        let mut ladder = Ladder::new(now);
        // Nobody has called: the numbers of legs begin with 1.
        ladder.add_leg(config.extension(by).number.clone());
        let tape = self.tape_begins();
        if let Some(tape) = self.tapes.get_mut(tape) {
            tape.call = Some(id);
        }
        let line = self.lines.insert(Line {
            id,
            call: None,
            config: config.clone(),
            from: offered.from.clone(),
            anchored: true,
            offer: Offer {
                direction: plan.direction,
                caller: whom.caller,
                display: whom.display,
                session: Some(session::offer()),
                max_forwards: 70,
                passed: Vec::new(),
            },
            served: None,
            diverter: None,
            outside: Vec::new(),
            auto_answer,
            did: offered.did.clone(),
            first_fact: 0,
            legs: 1,
            open: 0,
            ladder,
            tape,
            deadline: None,
            watched: Default::default(),
        });
        if let Some(did) = &offered.did {
            *self.by_did.entry(did.clone()).or_default() += 1;
        }
        self.tape_notes(line, asked);
        self.tape_sees(tape, plan, Origin::Extension(by), offered.from.number);
        let call = Call::originate(id, config, wanted, offered, now, &mut House { switch: self, line });
        if let Some(row) = self.lines.get_mut(line) {
            row.call = Some(call);
        }
        self.tape_settles(tape);
        self.settle_line(line);
        id
    }

    /// A talk is handed on from outside.
    pub(super) fn hand_on(&mut self, id: CallId, by: Option<&str>, to: &str) -> Result<Value, String> {
        let key = self.live_call(id)?;
        match Destined::from_inside(&self.means.config, to) {
            Destined::PickUp(..) | Destined::Feature(..) => {
                return Err(format!("{to} is a code, and nobody can be handed on to one"));
            }
            Destined::Emergency(_) => {
                return Err(format!("{to} is an emergency number: only who needs it calls it"));
            }
            _ => {}
        }
        self.tape_notes(key, &word(&format!("transfer {} {}", by.unwrap_or("-"), bare(to))));
        let now = self.means.now.mono;
        match self.with_call(key, |call, house| call.hand_on_for(by, to, now, house)) {
            Some(Ok(())) => Ok(json!({ "call": id, "to": to })),
            Some(Err(why)) => Err(format!("call {id} cannot be handed on to {to}: {}", in_words(why, by))),
            None => Err(format!("there is no live call {id}")),
        }
    }
}

impl House<'_> {
    /// See [`Legs::plan_wanted`](crate::call::Legs::plan_wanted).
    pub(super) fn wanted_plan(&mut self, caller: LegKey, wanted: &Wanted) -> RoutePlan {
        self.serve(caller);
        if let Some(served) = self.switch.lines.get_mut(self.line).and_then(|line| line.served.as_mut()) {
            served.session = Some(session::offer());
        }
        let Some(line) = self.switch.lines.get(self.line) else { return (*wanted.summons).clone() };
        let config = line.config.clone();
        let (by, dialled) = (wanted.by, Destined::from_inside(&config, &wanted.to));
        let who = Caller::inside(&config, by);
        let mut plan = self.decide_here(&config, Origin::Extension(by), &who, &dialled, decide);
        for step in &mut plan.steps {
            if let (Step::Dial(dial), Some(number)) = (step, wanted.caller_id)
                && dial.destination.is_none()
            {
                dial.caller_id = Some(number);
            }
        }
        if plan.direction == Direction::Outbound && plan.refusal().is_none() {
            let day = self.switch.local_day();
            let counter = self.switch.state.calling_outside(&config.extension(by).number, day);
            self.switch.note_counter(counter);
        }
        plan
    }
}

/// What may be called by a click.
fn callable(config: &Config, by: ExtensionIx, to: &str) -> Result<Destined, String> {
    let dialled = Destined::from_inside(config, to);
    match &dialled {
        Destined::Emergency(_) => Err(format!("{to} is an emergency number, and those are dialled by hand")),
        Destined::Feature(..) | Destined::PickUp(..) => Err(format!("{to} is a code, and those are dialled by hand")),
        Destined::Unreadable(text) if text.is_empty() => Err("to: no number is named".into()),
        Destined::Extension(own) if *own == by => Err(format!("{to} is their own extension")),
        Destined::Did(did) if config.did(*did).personal == Some(by) => Err(format!("{to} is their own number")),
        _ => Ok(dialled),
    }
}

/// Our number towards the called that was asked for, where the rule could show it as well: its own, the `default_did` of one
/// of its trunks, or the employee's personal number.
fn shown_to_the_called(config: &Config, by: ExtensionIx, plan: &RoutePlan, text: &str) -> Result<PhoneNumber, String> {
    let number = config.site.numbering.read(text).ok_or_else(|| format!("caller_id: {text:?} is no number"))?;
    let public = |did| match &config.did(did).number {
        DidNumber::Public(number) => Some(*number),
        DidNumber::Verbatim(_) => None,
    };
    let mut allowed: Vec<PhoneNumber> = Vec::new();
    for step in &plan.steps {
        if let Step::Dial(dial) = step
            && dial.destination.is_none()
        {
            allowed.extend(dial.caller_id);
            allowed.extend(dial.trunks.iter().filter_map(|trunk| public(config.trunk(*trunk).default_did?)));
        }
    }
    if plan.direction != Direction::Outbound {
        return Err("caller_id: a call that stays in the house shows the extension".into());
    }
    let personal = config.dids().filter(|(_, did)| did.personal == Some(by));
    allowed.extend(personal.filter_map(|(ix, _)| public(ix)));
    allowed.dedup();
    match allowed.contains(&number) {
        true => Ok(number),
        false => {
            let allowed: Vec<String> = allowed.iter().map(PhoneNumber::to_string).collect();
            let allowed = if allowed.is_empty() { "none".into() } else { allowed.join(", ") };
            Err(format!("caller_id: {text} may not be shown there; what may: {allowed}"))
        }
    }
}

fn in_words(why: NotHandedOn, by: Option<&str>) -> String {
    let by = by.unwrap_or("its employee");
    match why {
        NotHandedOn::NobodyTalks => "nobody talks in it".into(),
        NotHandedOn::Unsettled => "it is just changing hands, or somebody is consulted; ask again in a moment".into(),
        NotHandedOn::WhichOfTheTwo => "two employees talk in it; say which of them hands the other on".into(),
        NotHandedOn::NotTheirs => format!("{by} does not talk in it"),
        NotHandedOn::Refused(403) => format!("{by} may not call there"),
        NotHandedOn::Refused(status) => match Status::new(status) {
            Some(status) => format!("{} {}", status.code(), status.phrase()),
            None => status.to_string(),
        },
    }
}

/// As it stands on a tape: in one line, and without what begins a comment there.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || " +-_.:/*@".contains(c) { c } else { '_' }).collect()
}
