//! A call as it stands at this moment, folded from its facts: who called, who rings, who talks. Every event carries it, so
//! that whoever reads one needs no other.
//!
//! ```text
//! offered ─► ringing ─► talking ⇄ held ─► ended
//!              │  ▲         │
//!              ▼  └─────────┘ handed on
//!            served (the router speaks)        merged: it goes on as part of another call
//! ```

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use smallvec::SmallVec;

use super::talkers::{Talker, Talkers};
use super::{Audience, EventKind, Told};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::fact::{CallFact, Ended, EndedBy, KnownCustomer, MissedCause, Offered, Party, Rung, StopReason, Whom};
use crate::key::CallId;
use crate::route::{Direction, Reason, sentence};

/// Where a call stands at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It is here; nobody is rung yet, or nobody any more.
    Offered,
    /// Somebody is rung.
    Ringing,
    /// The router itself speaks with the caller: a greeting, a voicemail, an announcement.
    Served,
    /// Two talk.
    Talking,
    /// Two talk, and one of them holds the other.
    Held,
    /// It goes on as part of another call.
    Merged,
    /// It is over.
    Ended,
}

/// A call as it stands.
#[derive(Clone, Debug)]
pub struct Picture {
    id: CallId,
    began: Timestamp,
    offered: Offered,
    group: Option<Arc<str>>,
    legs: Vec<Leg>,
    talkers: Talkers,
    /// Who holds, and since when.
    holds: SmallVec<[(u16, Timestamp); 2]>,
    /// The leg of the one who called.
    caller: u16,
    /// As what the router speaks with the caller.
    served: Option<Arc<str>>,
    /// When the first human answered, and on which leg.
    answered: Option<(Timestamp, u16)>,
    /// The leg that answered last.
    with: Option<u16>,
    recordings: Vec<Arc<str>>,
    /// The recording that runs.
    records: Option<Arc<str>>,
    ended: Option<(Timestamp, Ended)>,
    merged_into: Option<CallId>,
    /// Every extension that has had to do with it.
    concerns: Vec<Arc<str>>,
}

/// One leg, as the picture shows it.
#[derive(Clone, Debug, Serialize)]
struct Leg {
    leg: u16,
    /// The extension, or the number outside.
    whom: Arc<str>,
    /// The trunk, for a number outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    trunk: Option<Arc<str>>,
    device: Arc<str>,
    invited: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ringing: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// It is rung at this moment, as far as anybody was told.
    #[serde(skip)]
    rings: bool,
}

impl Leg {
    fn extension(&self) -> Option<&Arc<str>> {
        self.trunk.is_none().then_some(&self.whom)
    }
}

/// Why somebody no longer rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Withdrawn {
    extension: Arc<str>,
    reason: &'static str,
    /// Who answered instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Arc<str>>,
}

impl Picture {
    /// A call that has just been offered.
    pub fn begin(id: CallId, at: Timestamp, offered: &Offered, config: Option<&Config>) -> Picture {
        let mut picture = Picture {
            id,
            began: at,
            offered: shortened(offered),
            group: None,
            legs: Vec::new(),
            talkers: Talkers::default(),
            holds: SmallVec::new(),
            caller: 0,
            served: None,
            answered: None,
            with: None,
            recordings: Vec::new(),
            records: None,
            ended: None,
            merged_into: None,
            concerns: Vec::new(),
        };
        // Who is responsible is rung before the group of the plan.
        if !offered.because.iter().any(|reason| matches!(reason, Reason::Responsible(_) | Reason::ResponsibleOnly(_))) {
            picture.enter(&offered.because, config);
        }
        let responsible = offered.customer.as_ref().and_then(|customer| customer.responsible.clone());
        let concerned = [offered.from.extension.clone(), offered.to.extension.clone(), responsible];
        concerned.into_iter().flatten().for_each(|extension| picture.concern(&extension));
        picture
    }

    /// What is told of its beginning.
    pub fn begun(&self) -> Told {
        self.told(EventKind::CallStarted, json!({ "because": sentence(&self.offered.because) }))
    }

    /// The next step of its life; what is told of it, in order.
    pub fn fold(&mut self, at: Timestamp, step: &CallFact, config: Option<&Config>, tell: &mut Vec<Told>) {
        let mut talkers = std::mem::take(&mut self.talkers);
        talkers.fold(at, step, |leg| self.who(leg).to_string());
        self.talkers = talkers;
        match step {
            CallFact::Rung(rung) => self.rung(at, rung, tell),
            CallFact::Ringing { leg } => self.change(*leg, |leg| leg.ringing = leg.ringing.or(Some(at))),
            CallFact::Dropped { leg, status, stopped } => self.dropped(at, *leg, *status, *stopped, tell),
            CallFact::Turned { because } => self.enter(because, config),
            CallFact::Answered { leg, human: true } => self.answered_by(at, *leg, config, tell),
            CallFact::Answered { leg, human: false } => self.change(*leg, |leg| leg.answered = Some(at)),
            CallFact::CallerAnswered { leg } => self.caller_answered(at, *leg, tell),
            CallFact::Served { leg, by } if *leg == self.caller => self.served = Some(by.clone()),
            CallFact::Recording { file, .. } => {
                self.recordings.push(file.clone());
                self.records = Some(file.clone());
            }
            CallFact::Held { leg, held } => self.held(at, *leg, *held, tell),
            CallFact::Transferred { by, to, attended, .. } => {
                self.holds.retain(|(leg, _)| leg != by);
                let data = json!({ "by": self.who(*by), "to": to, "attended": attended });
                tell.push(self.told(EventKind::CallTransferred, data));
            }
            CallFact::Returned { leg, status } => {
                self.with = Some(*leg);
                let data = json!({ "returned_to": self.who(*leg), "status": status });
                tell.push(self.told(EventKind::CallTransferred, data));
            }
            CallFact::Merged { into } => {
                self.merged_into = Some(*into);
                self.withdraw(|_| true, "transferred", None, tell);
                tell.push(self.told(EventKind::CallTransferred, json!({ "into": into })));
            }
            CallFact::Ended(ended) => self.end(at, ended, tell),
            CallFact::Offered(_)
            | CallFact::Served { .. }
            | CallFact::RecordingPaused { .. }
            | CallFact::Traced { .. } => {}
        }
    }

    /// A recording is over.
    pub fn recorded(&mut self, file: &Arc<str>) {
        if self.records.as_ref() == Some(file) {
            self.records = None;
        }
    }

    /// Which call it is.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// True once it is over, also where it goes on as part of another one.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Who may see what happens in it, besides those who may see everything: whoever rang, talked or is responsible.
    pub fn audience(&self) -> Audience {
        Audience::Users(self.concerns.clone())
    }

    /// As it is sent.
    pub fn to_value(&self) -> Value {
        let offered = &self.offered;
        let shown = Shown {
            id: self.id,
            direction: offered.direction,
            from: &offered.from,
            to: &offered.to,
            did: offered.did.as_deref(),
            source: offered.source.as_deref(),
            trunk: offered.trunk.as_deref(),
            contact: offered.customer.as_ref(),
            responsible: offered.customer.as_ref().and_then(|customer| customer.responsible.as_deref()),
            group: self.group.as_deref(),
            reference: offered.reference.as_deref(),
            emergency: offered.emergency,
            state: self.stands(),
            began: self.began,
            answered: self.answered.map(|(at, _)| at),
            answered_by: self.answered.map(|(_, leg)| self.who(leg)),
            ended: self.ended.as_ref().map(|(at, _)| *at),
            ended_by: self.ended.as_ref().map(|(_, ended)| ended.by),
            missed: self.ended.as_ref().and_then(|(_, ended)| ended.missed),
            talk_ms: self.ended.as_ref().map(|(_, ended)| ended.talk_ms),
            merged_into: self.merged_into,
            served_by: self.served.as_deref(),
            ringing: self.ringing(),
            legs: &self.legs,
            talkers: self.talkers.list(),
            recording: Recording { on: self.records.is_some(), files: &self.recordings },
        };
        serde_json::to_value(shown).unwrap_or_default()
    }

    /// Where it stands.
    pub fn stands(&self) -> Stands {
        match () {
            () if self.merged_into.is_some() => Stands::Merged,
            () if self.ended.is_some() => Stands::Ended,
            () if self.talkers.are_talking() && !self.holds.is_empty() => Stands::Held,
            () if self.talkers.are_talking() => Stands::Talking,
            () if self.legs.iter().any(|leg| leg.rings) => Stands::Ringing,
            () if self.served.is_some() => Stands::Served,
            () => Stands::Offered,
        }
    }

    fn told(&self, kind: EventKind, data: Value) -> Told {
        Told { kind, call: Some(self.id), audience: self.audience(), data }
    }

    /// The extensions that ring, each once.
    fn ringing(&self) -> Vec<&Arc<str>> {
        let mut ringing = Vec::new();
        for extension in self.legs.iter().filter(|leg| leg.rings).filter_map(Leg::extension) {
            if !ringing.contains(&extension) {
                ringing.push(extension);
            }
        }
        ringing
    }

    fn rings(&self, extension: &str) -> bool {
        self.legs.iter().any(|leg| leg.rings && leg.extension().is_some_and(|own| **own == *extension))
    }

    fn rung(&mut self, at: Timestamp, rung: &[Rung], tell: &mut Vec<Told>) {
        let (mut ringing, mut outside) = (Vec::new(), Vec::new());
        for Rung { leg, whom, device } in rung {
            // A number is given once.
            if *leg == 0 || self.legs.iter().any(|known| known.leg == *leg) {
                continue;
            }
            let (whom, trunk) = match whom {
                Whom::Extension(extension) => {
                    if !self.rings(extension) {
                        ringing.push(extension.clone());
                    }
                    self.concern(extension);
                    (extension.clone(), None)
                }
                Whom::Trunk { trunk, number } => {
                    outside.push(number.clone());
                    (number.clone(), Some(trunk.clone()))
                }
            };
            self.legs.push(Leg {
                leg: *leg,
                whom,
                trunk,
                device: device.clone(),
                invited: at,
                ringing: None,
                answered: None,
                dropped: None,
                status: None,
                rings: self.ended.is_none(),
            });
        }
        if self.ended.is_none() && !(ringing.is_empty() && outside.is_empty()) {
            let data = json!({ "ringing": ringing, "outside": outside, "withdrawn": [] });
            tell.push(self.told(EventKind::CallRinging, data));
        }
    }

    fn dropped(&mut self, at: Timestamp, number: u16, status: u16, stopped: Option<StopReason>, tell: &mut Vec<Told>) {
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.leg == number) else { return };
        leg.dropped = Some(at);
        leg.status = Some(status);
        let rang = leg.ringing.is_some();
        let extension = leg.extension().cloned().filter(|_| leg.rings);
        leg.rings = false;
        let Some(extension) = extension.filter(|extension| !self.rings(extension)) else { return };
        let reason = match (stopped, status) {
            (Some(StopReason::CompletedElsewhere), _) => "answered",
            (Some(StopReason::CallerGone), _) => "caller_gave_up",
            (Some(StopReason::PlanMovedOn), _) => "plan_went_on",
            (Some(StopReason::Taken), _) | (None, 486 | 600) => "busy",
            (None, 603) => "declined",
            (None, 300..400) => "diverted",
            (None, 408 | 480 | 487) if rang => "no_answer",
            (None, _) => "unreachable",
        };
        let by = self.with.filter(|_| reason == "answered").map(|leg| self.who(leg));
        self.tell_withdrawn(vec![Withdrawn { extension, reason, by }], tell);
    }

    fn answered_by(&mut self, at: Timestamp, number: u16, config: Option<&Config>, tell: &mut Vec<Told>) {
        self.answered.get_or_insert((at, number));
        self.with = Some(number);
        self.served = None;
        self.change(number, |leg| {
            leg.answered = Some(at);
            leg.rings = false;
        });
        let by = self.who(number);
        let answerer = self.legs.iter().find(|leg| leg.leg == number).and_then(Leg::extension).cloned();
        // Their other phones fall silent with it.
        let own = |leg: &Leg| answerer.is_some() && leg.extension() == answerer.as_ref();
        self.legs.iter_mut().filter(|leg| own(leg)).for_each(|leg| leg.rings = false);
        let shown = answerer.or_else(|| self.offered.from.extension.clone());
        let card = shown.and_then(|user| Some(json!({ "url": self.card(config?)?, "user": user })));
        tell.push(self.told(EventKind::CallAnswered, json!({ "by": by, "leg": number, "card": card })));
        self.withdraw(|_| true, "answered", Some(by), tell);
    }

    /// Who asked for the call has picked up: their own phones fall silent.
    fn caller_answered(&mut self, at: Timestamp, number: u16, tell: &mut Vec<Told>) {
        self.caller = number;
        self.change(number, |leg| leg.answered = Some(at));
        let by = self.who(number);
        self.withdraw(|_| true, "answered", Some(by), tell);
    }

    /// The address of the page about whoever calls, for the employee who talks with them.
    fn card(&self, config: &Config) -> Option<String> {
        let outside = match self.offered.direction {
            Direction::Internal => return None,
            Direction::Inbound => &self.offered.from,
            Direction::Outbound => &self.offered.to,
        };
        let (number, customer) = (outside.number.map(|number| number.to_string()), self.offered.customer.as_ref());
        let has = |hole: &str| match hole {
            "customer" => customer.is_some(),
            "number" => number.is_some() || customer.is_some(),
            _ => true,
        };
        let card = config.web.card.as_ref().filter(|card| card.holes().all(has))?;
        Some(card.link(|hole| match hole {
            "customer" => customer.map(|customer| customer.id.to_string()).unwrap_or_default(),
            "number" => number.clone().unwrap_or_default(),
            "call" => self.id.to_string(),
            _ => String::new(),
        }))
    }

    fn held(&mut self, at: Timestamp, number: u16, held: bool, tell: &mut Vec<Told>) {
        let since = self.holds.iter().find(|(leg, _)| *leg == number).map(|(_, since)| *since);
        self.holds.retain(|(leg, _)| *leg != number);
        if held {
            self.holds.push((number, since.unwrap_or(at)));
        }
        tell.push(self.told(EventKind::CallHeld, json!({ "by": self.who(number), "held": held })));
        // Whom they had consulted meanwhile is out of it.
        if let (false, Some(since)) = (held, since) {
            self.withdraw(|leg| leg.invited >= since, "taken_back", None, tell);
        }
    }

    fn end(&mut self, at: Timestamp, ended: &Ended, tell: &mut Vec<Told>) {
        let gave_up = ended.by == EndedBy::Caller && self.answered.is_none();
        self.withdraw(|_| true, if gave_up { "caller_gave_up" } else { "ended" }, None, tell);
        self.holds.clear();
        if self.ended.replace((at, *ended)).is_some() || self.merged_into.is_some() {
            return;
        }
        let data = json!({
            "by": ended.by,
            "status": ended.status,
            "talk_ms": ended.talk_ms,
            "missed": ended.missed,
        });
        tell.push(self.told(EventKind::CallEnded, data));
        if let Some(cause) = ended.missed {
            tell.push(self.told(EventKind::CallMissed, json!({ "cause": cause })));
        }
    }

    /// They ring no longer, all for one reason.
    fn withdraw(
        &mut self,
        whose: impl Fn(&Leg) -> bool,
        reason: &'static str,
        by: Option<Arc<str>>,
        tell: &mut Vec<Told>,
    ) {
        let mut gone: Vec<Arc<str>> = Vec::new();
        for leg in self.legs.iter_mut().filter(|leg| leg.rings && whose(leg)) {
            leg.rings = false;
            gone.extend(leg.extension().filter(|extension| !gone.contains(extension)).cloned());
        }
        let gone = gone.into_iter().filter(|extension| !self.rings(extension));
        let withdrawn: Vec<_> = gone.map(|extension| Withdrawn { extension, reason, by: by.clone() }).collect();
        if !withdrawn.is_empty() {
            self.tell_withdrawn(withdrawn, tell);
        }
    }

    fn tell_withdrawn(&self, withdrawn: Vec<Withdrawn>, tell: &mut Vec<Told>) {
        let data = json!({ "ringing": [], "outside": [], "withdrawn": withdrawn });
        tell.push(self.told(EventKind::CallRinging, data));
    }

    /// Which group the plan has come to.
    fn enter(&mut self, because: &[Reason], config: Option<&Config>) {
        for reason in because {
            let (Reason::Rings(name) | Reason::FallsTo(name)) = reason else { continue };
            let is_group = |name: &str| config.is_some_and(|config| config.group_by_name(name).is_some());
            self.group = match name.strip_prefix("group:") {
                Some(group) => Some(group.into()),
                None => is_group(name).then(|| name.clone()),
            };
        }
    }

    fn concern(&mut self, extension: &Arc<str>) {
        if !self.concerns.contains(extension) {
            self.concerns.push(extension.clone());
        }
    }

    /// Who is behind a leg: whom it rang, or the one who called.
    fn who(&self, number: u16) -> Arc<str> {
        match self.legs.iter().find(|leg| leg.leg == number) {
            Some(leg) => leg.whom.clone(),
            None => named(&self.offered.from),
        }
    }

    fn change(&mut self, number: u16, change: impl FnOnce(&mut Leg)) {
        if let Some(leg) = self.legs.iter_mut().find(|leg| leg.leg == number) {
            change(leg);
        }
    }
}

/// What pictures read of an offer: neither plan nor the rules that did not tell.
pub(super) fn shortened(offered: &Offered) -> Offered {
    Offered {
        direction: offered.direction,
        from: offered.from.clone(),
        to: offered.to.clone(),
        did: offered.did.clone(),
        source: offered.source.clone(),
        trunk: offered.trunk.clone(),
        customer: offered.customer.clone(),
        emergency: offered.emergency,
        reference: offered.reference.clone(),
        sip_call_id: String::new(),
        because: offered.because.clone(),
        considered: Vec::new(),
        plan: String::new(),
    }
}

/// A party in a word.
fn named(party: &Party) -> Arc<str> {
    match (&party.extension, party.number) {
        (Some(extension), _) => extension.clone(),
        (None, Some(number)) => number.to_string().into(),
        (None, None) => party.text.as_str().into(),
    }
}

/// The `call` of an envelope.
#[derive(Serialize)]
struct Shown<'a> {
    id: CallId,
    direction: Direction,
    from: &'a Party,
    to: &'a Party,
    did: Option<&'a str>,
    source: Option<&'a str>,
    trunk: Option<&'a str>,
    contact: Option<&'a KnownCustomer>,
    responsible: Option<&'a str>,
    group: Option<&'a str>,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    emergency: bool,
    state: Stands,
    began: Timestamp,
    answered: Option<Timestamp>,
    answered_by: Option<Arc<str>>,
    ended: Option<Timestamp>,
    ended_by: Option<EndedBy>,
    missed: Option<MissedCause>,
    talk_ms: Option<u64>,
    merged_into: Option<CallId>,
    served_by: Option<&'a str>,
    ringing: Vec<&'a Arc<str>>,
    legs: &'a [Leg],
    talkers: &'a [Talker],
    recording: Recording<'a>,
}

#[derive(Serialize)]
struct Recording<'a> {
    /// It is being recorded at this moment.
    on: bool,
    /// What has been recorded of it, or is being.
    files: &'a [Arc<str>],
}
