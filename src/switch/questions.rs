//! Questions and orders of the control socket: how it stands, what would happen, and what an admin sets by hand.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::house::Present;
use super::input::Question;
use super::tables::Switch;
use crate::clock::Timestamp;
use crate::effect::Effect;
use crate::fact::Fact;
use crate::hypothesis::Office;
use crate::key::{CallId, CallKey};
use crate::number::PhoneNumber;
use crate::registration::Standing;
use crate::state::Override;

/// How the switch stands: what `status` shows, and what a test wants to find empty at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Calls in progress, those included whose legs are still saying goodbye.
    pub calls: usize,
    /// Legs.
    pub legs: usize,
    /// Dialogs, those of subscriptions included.
    pub dialogs: usize,
    /// Lamps that are told.
    pub subscriptions: usize,
    /// Requests of ours and of theirs.
    pub transactions: usize,
    /// Answers that wait for the journal.
    pub held: usize,
    /// Media ports in use.
    pub ports: usize,
    /// Phones that are registered.
    pub bindings: usize,
    /// Nonces that are remembered.
    pub nonces: usize,
    /// Customers.
    pub customers: usize,
    /// Timers of bindings, subscriptions, registrations and OPTIONS.
    pub standing_timers: usize,
    /// All other timers.
    pub call_timers: usize,
    /// Recordings that run, or whose files are being made whole.
    pub takes: usize,
    /// Facts noted, and how many of them are on disk.
    pub noted: u64,
    /// See `noted`.
    pub journaled: u64,
    /// New calls refused with 503.
    pub refused_for_load: u64,
}

/// A trunk, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkStatus {
    /// Its name.
    pub name: Arc<str>,
    /// `up`, `down`, or `new` where nothing was heard yet.
    pub standing: String,
    /// A registration of ours holds.
    pub registered: bool,
    /// Calls, both directions.
    pub calls: u32,
    /// What was seen last of one that is down; empty for another one.
    #[serde(default)]
    pub why: String,
}

/// A live call, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCall {
    /// Its id.
    pub id: CallId,
    /// `ringing`, `talking`, or `ending`.
    pub state: String,
    /// Who calls.
    pub from: String,
    /// The DID.
    pub did: Option<Arc<str>>,
    /// Who is on it, besides the caller: extensions and trunks.
    pub with: Vec<Arc<str>>,
}

impl Switch {
    /// What there is, counted.
    pub fn census(&self) -> Census {
        use crate::call::Timer;
        let standing = |timer: &Timer| matches!(timer, Timer::Binding(_) | Timer::Trunk(_) | Timer::Subscription(_));
        let standing_timers = self.means.deadlines.iter().filter(|(_, timer)| standing(timer)).count();
        let counts = self.means.transactions.counts();
        Census {
            calls: self.lines.len(),
            legs: self.legs.len(),
            dialogs: self.means.dialogs.len() + self.subscriptions.len(),
            subscriptions: self.subscriptions.len(),
            transactions: counts.clients + counts.servers,
            held: self.held.len(),
            ports: self.means.ports.lent(),
            bindings: self.registrar.len(),
            nonces: self.doorkeeper.nonces(),
            customers: self.customers.len(),
            standing_timers,
            call_timers: self.means.deadlines.len() - standing_timers,
            takes: self.takes.running.len(),
            noted: self.means.noted,
            journaled: self.journaled,
            refused_for_load: self.shed.total,
        }
    }

    pub(super) fn answer(&mut self, number: u64, question: Question) {
        let answer = self.respond_to(question);
        self.means.effects.push(Effect::Answer { question: number, answer });
    }

    fn respond_to(&mut self, question: Question) -> Result<Value, String> {
        match question {
            Question::Status => Ok(self.status()),
            Question::Figures => serde_json::to_value(self.figures()).map_err(|error| error.to_string()),
            Question::Explain(hypothesis) => {
                let present = Present { switch: self, without: None };
                let customers = |number: PhoneNumber| self.customers.find(number).map(|found| found.to_customer());
                let office = Office {
                    config: &self.means.config,
                    state: &self.state,
                    customer: &customers,
                    load: &present,
                    presence: &present,
                    now: self.means.now.wall,
                };
                let answer = hypothesis.answer(&office).map_err(|problems| problems.join("\n"))?;
                serde_json::to_value(answer).map_err(|error| error.to_string())
            }
            Question::Override { schedule, open, until } => self.override_hours(&schedule, open, until),
            Question::Away { extension, away, until } => self.send_away(&extension, away, until),
            Question::Forward { extension, when, to } => self.forward(&extension, when, to.as_deref()),
            Question::Block { number, blocked, note } => self.block(&number, blocked, note),
            Question::Bans => Ok(self.bans()),
            Question::Ban { whom, until, why } => self.ban(&whom, until, &why),
            Question::Unban { whom } => self.unban(&whom),
            Question::Message { file, now } => self.mark_message(&file, now),
            Question::Record { call, on } => self.record(call, on),
            Question::HangUp { call } => self.hang_up(call),
            Question::Originate { user, to, caller_id, reference, timeout, auto_answer } => {
                self.originate(&user, &to, caller_id.as_deref(), reference, timeout, auto_answer)
            }
            Question::Transfer { call, by, to } => self.hand_on(call, by.as_deref(), &to),
        }
    }

    fn status(&self) -> Value {
        let config = &self.means.config;
        let trunks: Vec<TrunkStatus> = config
            .trunks()
            .map(|(ix, trunk)| TrunkStatus {
                name: trunk.name.clone(),
                standing: match self.means.trunks.standing(ix) {
                    Standing::New => "new".into(),
                    Standing::Up => "up".into(),
                    Standing::Down => "down".into(),
                },
                registered: self.means.trunks.is_registered(ix),
                calls: self.calls_on(&trunk.name),
                why: self.means.trunks.why_down(ix).to_owned(),
            })
            .collect();
        let bindings: Vec<Value> = self
            .registrar
            .iter()
            .map(|binding| {
                json!({
                    "extension": binding.extension,
                    "contact": binding.contact.as_str(),
                    "reachable": binding.reachable,
                    "user_agent": binding.user_agent,
                    "expires_s": binding.expires.since(self.means.now.mono).as_secs(),
                    "granted_s": binding.granted(),
                    "transport": binding.flow.transport.as_str(),
                    "remote": binding.flow.remote,
                    "behind_nat": binding.is_behind_nat(),
                })
            })
            .collect();
        json!({
            "config": config.version,
            "draining": self.draining,
            "guarantee_suspended": self.guarantee_suspended,
            "pressure": self.pressure,
            "overload": self.overload.current().map(|current| json!({
                "since": current.since,
                "seconds": current.lasted(self.means.now).as_secs(),
                "refused": current.refused,
            })),
            "census": self.census(),
            "strangers": self.guard.counts(self.means.now.mono),
            "trunks": trunks,
            "bindings": bindings,
            "calls": self.live_calls(),
            "by_hand": self.set_by_hand(),
        })
    }

    fn live_calls(&self) -> Vec<LiveCall> {
        let with = |key| {
            let legs = self.legs.iter().filter(move |(_, leg)| leg.call() == key && leg.number() != 0);
            legs.map(|(_, leg)| leg.employee().unwrap_or(leg.peer().name()).clone()).collect()
        };
        // A busy office has some dozens; a flood is not worth a long answer.
        let shown = self.lines.iter().take(200);
        shown
            .map(|(key, line)| LiveCall {
                id: line.id,
                state: match line.call.as_ref() {
                    Some(call) if call.is_ringing() => "ringing".into(),
                    Some(call) if call.is_over() => "ending".into(),
                    Some(_) | None => "talking".into(),
                },
                from: match line.offer.caller.number {
                    Some(number) => number.to_string(),
                    None => line.offer.caller.verbatim.to_string(),
                },
                did: line.did.clone(),
                with: with(key),
            })
            .collect()
    }

    pub(super) fn override_hours(
        &mut self,
        name: &str,
        open: Option<bool>,
        until: Option<Timestamp>,
    ) -> Result<Value, String> {
        let config = self.means.config.clone();
        let known: Vec<&str> = config.schedules().map(|(_, schedule)| &*schedule.name).collect();
        let Some(ix) = config.schedule_by_name(name) else {
            return Err(format!("there is no schedule {name:?}; there is {}", list(&known)));
        };
        if until.is_some_and(|until| until <= self.means.now.wall) {
            return Err("the override would be over already: --until lies in the past".into());
        }
        let schedule = config.schedule(ix).name.clone();
        let state = open.map(|open| Override { open, until });
        self.state.set_override(&schedule, state);
        self.means.note(Fact::Overridden { schedule: schedule.clone(), state });
        Ok(json!({ "schedule": schedule, "override": state }))
    }

    pub(super) fn send_away(&mut self, number: &str, away: bool, until: Option<Timestamp>) -> Result<Value, String> {
        let config = self.means.config.clone();
        let Some(ix) = config.extension_by_number(number) else {
            return Err(format!("there is no extension {number:?}"));
        };
        let extension = config.extension(ix).number.clone();
        let until = away.then(|| until.unwrap_or(Timestamp::MAX));
        self.state.set_away(&extension, until);
        self.means.note(Fact::Away { extension: extension.clone(), until });
        Ok(json!({ "extension": extension, "away": away, "until": until.filter(|until| *until != Timestamp::MAX) }))
    }

    fn block(&mut self, text: &str, blocked: bool, note: String) -> Result<Value, String> {
        let Some(number) = self.means.config.site.numbering.read(text) else {
            return Err(format!("{text:?} cannot be read as a number"));
        };
        self.state.set_blocked(number, blocked.then_some(note.as_str()));
        self.means.note(Fact::Blocked { number, blocked, note });
        Ok(json!({ "number": number, "blocked": blocked }))
    }

    fn record(&mut self, id: CallId, on: bool) -> Result<Value, String> {
        let key = self.live_call(id)?;
        self.tape_notes(key, if on { "record on" } else { "record off" });
        match self.with_call(key, |call, house| call.set_recording(on, house)) {
            Some(true) => Ok(json!({ "call": id, "on": on })),
            _ => {
                Err(format!("call {id} cannot be recorded: nobody talks in it, or its media does not pass the router"))
            }
        }
    }

    pub(super) fn live_call(&self, id: CallId) -> Result<CallKey, String> {
        let found = self.lines.iter().find(|(_, line)| line.id == id).map(|(key, _)| key);
        found.ok_or_else(|| format!("there is no live call {id}"))
    }

    fn hang_up(&mut self, id: CallId) -> Result<Value, String> {
        let key = self.live_call(id)?;
        self.tape_notes(key, "hang up");
        let now = self.means.now.mono;
        self.with_call(key, |call, house| call.end(480, now, house));
        Ok(json!({ "call": id }))
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
