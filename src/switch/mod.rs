//! The door: every input comes in here and is one complete reaction. [`Switch`] owns every call.
//!
//! ```text
//!  Input ──► handle ──► transactions ──► a leg ──► its call ──► walk ──► legs ──► Effects
//!                          │ a new request                                 ▲
//!                          └──► admit: who is it? ──► decide ──► a new call ┘
//! ```
//!
//! Nothing here waits, asks the machine, or iterates over a hash map: the same inputs and the same seed give the same
//! bytes. Between inputs only [`Switch::deadline`] matters.

mod admit;
mod answers;
mod bans;
mod diversion;
mod features;
mod figures;
mod forwards;
mod handover;
mod house;
mod input;
mod inquiry;
mod lamps;
mod mobile;
mod messages;
mod originate;
mod pickup;
mod questions;
mod receive;
mod refused;
mod replaces;
mod strangers;
mod streams;
mod tables;
mod takes;
mod tapes;
mod turned_away;

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

pub use self::figures::{Figures, TrunkFigures};
use self::house::House;
pub use self::input::{Input, Question};
pub use self::questions::{Census, LiveCall, TrunkStatus};
pub use self::tables::Switch;
use self::tables::{Held, HeldAnswer};
use crate::call::{Leg, LegOrder, Peer, Timer};
use crate::clock::{Duration, Instant, Now, Timestamp};
use crate::customer::{Entry, Kind};
use crate::effect::Effect;
use crate::fact::{Alarm, CustomerCard, Fact};
use crate::key::{CallKey, LegKey};

/// How long an answer waits for the journal before it leaves without.
pub const PATIENCE_WITH_DISK: Duration = Duration::from_millis(250);

impl Switch {
    /// One thing happened: one complete reaction. What is to be done in the world is pushed to `effects`, in order.
    pub fn handle(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        self.means.now = now;
        std::mem::swap(effects, &mut self.means.effects);
        self.react(now.mono, |switch| switch.take(input));
        std::mem::swap(effects, &mut self.means.effects);
    }

    /// Carries out whatever is due at `now`, in order.
    pub fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.means.now = now;
        std::mem::swap(effects, &mut self.means.effects);
        while let Some(at) = self.means.deadlines.first() {
            let Some(timer) = self.means.deadlines.pop_due(now.mono) else { break };
            self.react(at, |switch| switch.due(timer));
        }
        std::mem::swap(effects, &mut self.means.effects);
    }

    /// When [`Switch::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.means.deadlines.first()
    }

    /// One complete reaction to something that was due then.
    fn react(&mut self, due: Instant, act: impl FnOnce(&mut Switch)) {
        let from = self.means.effects.len();
        self.reaction_begins(due);
        act(self);
        self.settle();
        self.reaction_ends(from);
        if self.draining && self.lines.is_empty() && !std::mem::replace(&mut self.drained, true) {
            self.count_shed();
            self.file_all();
            self.means.effects.push(Effect::Drained);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Message { flow, message } => self.receive(flow, message),
            Input::Malformed { flow, malformed } => self.receive_malformed(flow, &malformed),
            Input::FlowClosed(flow) => self.flow_closed(flow),
            Input::Configure(config) => self.configure(config),
            Input::Customers(customers) => {
                let old = std::mem::replace(&mut self.customers, customers);
                self.means.effects.push(Effect::Discard(old));
                self.customers_worn = false;
            }
            Input::Customer { kind, id, now, changed } => self.know(kind, &id, now.as_deref(), changed),
            Input::Restore(fact) => self.restore(fact),
            Input::Journaled(number) => self.journaled(number),
            Input::Pressure(on) => {
                if std::mem::replace(&mut self.pressure, on) != on {
                    self.means.note(Fact::Alarm(Alarm::Pressure { on }));
                    self.shed.make_room();
                }
            }
            Input::Late(by) => self.late(by),
            Input::Media(event) => self.media(event),
            Input::Resolved { name, addresses } => self.resolved(&name, addresses),
            Input::Host { addresses, default } => self.means.host.found(addresses, default),
            Input::Question { number, question } => self.answer(number, question),
            Input::Note(fact) => {
                self.means.note(fact);
            }
            Input::Chance(chance) => self.tapes.destined = Some(chance),
            Input::Drain => self.draining = true,
            Input::EndAll => self.end_all(),
        }
    }

    /// One customer is different. An index that is worn by that is asked for anew, once.
    fn know(&mut self, kind: Kind, id: &str, now: Option<&CustomerCard>, changed: Timestamp) {
        let Some(CustomerCard { name, responsible, numbers, .. }) = now else {
            self.customers.remove(kind, id);
            return;
        };
        let entry = Entry { id, kind, name, numbers, responsible: responsible.as_deref(), changed };
        // What is too large was refused where it was written down.
        let _too_large = self.customers.upsert(&entry);
        if self.customers.is_worn() && !std::mem::replace(&mut self.customers_worn, true) {
            self.means.effects.push(Effect::RenewCustomers);
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Transaction(timer) => self.transaction_due(timer),
            Timer::Call(line) => {
                if let Some(line) = self.lines.get_mut(line) {
                    line.deadline = None;
                }
                let now = self.means.now.mono;
                self.with_call(line, |call, house| call.due(now, house));
            }
            Timer::Leg(leg) => self.with_leg(leg, |leg, means| leg.due(means)),
            Timer::Binding(due) => self.binding_due(due),
            Timer::Trunk(due) => self.means.with_trunks(|trunks, ground| trunks.due(due, ground)),
            Timer::Subscription(due) => self.subscription_due(due.0),
            Timer::Gate => self.release_late(),
            Timer::Shed => self.shed_is_due(),
            Timer::Overload => self.overload_is_due(),
            Timer::TurnedAway => self.nobody_repeats(),
            Timer::Tape(key) => self.tape_due(key),
        }
    }

    /// Lets calls hear what their legs said, until all is quiet.
    fn settle(&mut self) {
        loop {
            if let Some((leg, event)) = self.said.pop_front() {
                let Some(line) = self.legs.get(leg).map(Leg::call) else { continue };
                let now = self.means.now.mono;
                self.with_call(line, |call, house| call.hear(leg, event, now, house));
                self.sweep(leg);
            } else if let Some((extension, answered_in)) = self.taken.pop() {
                self.spread_taken(&extension, answered_in);
            } else if let Some(extension) = self.freed.pop() {
                self.spread_freed(&extension);
            } else if let Some(join) = self.joins.pop() {
                self.join(join);
            } else {
                break;
            }
        }
        self.keep_messages();
        self.light_lamps();
        for news in std::mem::take(&mut self.means.news) {
            self.means.note(Fact::from(news));
        }
        self.tell_of_strangers();
    }

    /// Takes a call out of its line, lets it act, and puts it back.
    fn with_call<T>(
        &mut self,
        key: CallKey,
        act: impl FnOnce(&mut crate::call::Call, &mut House<'_>) -> T,
    ) -> Option<T> {
        let mut call = self.lines.get_mut(key)?.call.take()?;
        let result = act(&mut call, &mut House { switch: self, line: key });
        if let Some(line) = self.lines.get_mut(key) {
            line.call = Some(call);
            let tape = line.tape;
            self.tape_settles(tape);
        }
        self.settle_line(key);
        Some(result)
    }

    /// After a call has acted: its deadline and its watches follow, and a call that is over makes room.
    fn settle_line(&mut self, key: CallKey) {
        let Some(line) = self.lines.get_mut(key) else { return };
        let Some(call) = &line.call else { return };
        let due = call.deadline();
        if line.deadline.map(|deadline| deadline.at()) != due {
            line.deadline.take().map(|old| self.means.deadlines.cancel(old));
            line.deadline = due.map(|at| self.means.deadlines.set(at, Timer::Call(key)));
        }
        let config = line.config.clone();
        let wanted: SmallVec<[Arc<str>; 4]> =
            call.waits_for().map(|extension| config.extension(extension).number.clone()).collect();
        if wanted != line.watched {
            let old = std::mem::replace(&mut line.watched, wanted.clone());
            for extension in old {
                remove_from(&mut self.watchers, &extension, &key);
            }
            for extension in wanted {
                self.watchers.entry(extension).or_default().push(key);
            }
        }
        if line.call.as_ref().is_some_and(|call| call.is_over()) {
            if let Some(did) = line.did.take()
                && let Some(calls) = self.by_did.get_mut(&did)
            {
                *calls -= 1;
                if *calls == 0 {
                    self.by_did.remove(&did);
                }
            }
            if line.open == 0 {
                self.close_line(key);
            }
        }
    }

    /// The last leg has said goodbye.
    fn close_line(&mut self, key: CallKey) {
        if let Some(line) = self.lines.remove(key) {
            line.deadline.map(|deadline| self.means.deadlines.cancel(deadline));
            for extension in &line.watched {
                remove_from(&mut self.watchers, extension, &key);
            }
            self.tape_closes(key, line.tape, line.ladder.text());
        }
    }

    /// Gives a leg an order; what comes of it is heard later.
    fn obey(&mut self, key: LegKey, order: LegOrder) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let was_busy = leg.is_busy();
        if let Some(event) = leg.obey(order, &mut self.means) {
            self.said.push_back((key, event));
        }
        self.moved(key, was_busy);
        self.sweep(key);
    }

    /// A leg has acted: its lamps follow, and whoever waits for its employee to become free is told, once it is.
    fn moved(&mut self, key: LegKey, was_busy: bool) {
        self.mark(key);
        if let Some(leg) = self.legs.get(key)
            && was_busy
            && !leg.is_busy()
            && let Some(extension) = leg.employee()
        {
            self.freed.push(extension.clone());
        }
    }

    /// Forgets a leg that has nothing left to say, once its call has heard everything.
    fn sweep(&mut self, key: LegKey) {
        if !self.legs.get(key).is_some_and(Leg::is_gone) || self.said.iter().any(|(leg, _)| *leg == key) {
            return;
        }
        let Some(mut leg) = self.legs.remove(key) else { return };
        self.stream_ends(key, &leg);
        leg.close(&mut self.means);
        self.unindex(key, &leg);
        if let Some(line) = self.lines.get_mut(leg.call()) {
            line.open -= 1;
            line.ladder.add_steps(leg.number(), leg.steps());
        }
        self.settle_line(leg.call());
    }

    /// Lists a leg under who is at its other end: a mobile under its employee and under its trunk.
    pub(super) fn index(&mut self, key: LegKey, leg: &Leg) {
        for peer in mobile::indexed(leg) {
            match peer {
                Peer::Extension(extension) => self.by_extension.entry(extension).or_default().push(key),
                Peer::Trunk(trunk) => drop(self.by_trunk.entry(trunk).or_default().insert(key)),
            }
        }
    }

    /// The opposite.
    pub(super) fn unindex(&mut self, key: LegKey, leg: &Leg) {
        for peer in mobile::indexed(leg) {
            match peer {
                Peer::Extension(extension) => remove_from(&mut self.by_extension, &extension, &key),
                Peer::Trunk(trunk) => {
                    if let Some(legs) = self.by_trunk.get_mut(&trunk) {
                        legs.remove(&key);
                    }
                }
            }
        }
    }

    /// With call waiting off, the other phones of who answered stop ringing, in whatever call.
    fn spread_taken(&mut self, extension: &Arc<str>, answered_in: CallKey) {
        let mut lines = self.lines_that_ring(extension);
        lines.retain(|line| *line != answered_in);
        let now = self.means.now.mono;
        for line in lines {
            self.tape_sees_taken(line, extension);
            self.with_call(line, |call, house| {
                if let Some(extension) = call.config().extension_by_number(extension) {
                    call.taken(extension, now, house);
                }
            });
        }
    }

    /// Calls with a leg to one of this extension's phones, those that began first before the others.
    fn lines_that_ring(&self, extension: &Arc<str>) -> Vec<CallKey> {
        let legs = self.by_extension.get(extension);
        let mut lines: Vec<CallKey> =
            legs.into_iter().flatten().filter_map(|leg| self.legs.get(*leg)).map(Leg::call).collect();
        self.first_come_first(&mut lines);
        lines
    }

    /// What one of them does can leave less for the next, so the caller who has waited longest goes first.
    fn first_come_first(&self, lines: &mut Vec<CallKey>) {
        lines.sort_by_key(|line| self.lines.get(*line).map(|line| line.id));
        lines.dedup();
    }

    /// Calls that wait for an employee go on, those that began first before the others.
    fn spread_freed(&mut self, extension: &Arc<str>) {
        let mut lines = self.watchers.get(extension).cloned().unwrap_or_default();
        self.first_come_first(&mut lines);
        let now = self.means.now.mono;
        for line in lines {
            self.with_call(line, |call, house| {
                if let Some(extension) = call.config().extension_by_number(extension) {
                    call.available(extension, now, house);
                }
            });
        }
    }
}

/// The gate: on record before it is heard.
impl Switch {
    fn hold(&mut self, held: Held) {
        let until = self.means.now.mono + PATIENCE_WITH_DISK;
        self.held.push_back((until, held));
        self.watch_gate();
    }

    /// One timer, however many answers wait.
    fn watch_gate(&mut self) {
        if let (false, Some((until, _))) = (self.gate_is_watched, self.held.front()) {
            self.means.deadlines.set(*until, Timer::Gate);
            self.gate_is_watched = true;
        }
    }

    fn journaled(&mut self, number: u64) {
        self.journaled = self.journaled.max(number);
        if self.guarantee_suspended && !self.held.iter().any(|(_, held)| held.fact > number) {
            self.guarantee_suspended = false;
            self.means.note(Fact::Alarm(Alarm::GuaranteeRestored));
        }
        let journaled = self.journaled;
        self.release(true, |_, held| held.fact <= journaled);
    }

    /// The disk is too slow: the call goes on, and everybody is told that the promise is not kept.
    fn release_late(&mut self) {
        let now = self.means.now.mono;
        self.gate_is_watched = false;
        if self.held.iter().any(|(until, _)| *until <= now) && !std::mem::replace(&mut self.guarantee_suspended, true) {
            self.means.note(Fact::Alarm(Alarm::GuaranteeSuspended));
        }
        self.release(false, |until, _| until <= now);
        self.watch_gate();
    }

    fn release(&mut self, on_disk: bool, ready: impl Fn(Instant, &Held) -> bool) {
        let mut waiting = VecDeque::with_capacity(self.held.len());
        for (until, held) in std::mem::take(&mut self.held) {
            if !ready(until, &held) {
                waiting.push_back((until, held));
                continue;
            }
            match held.answer {
                HeldAnswer::Order(leg, order) => {
                    if let Some(line) = self.legs.get(leg).map(Leg::call).filter(|_| on_disk) {
                        self.tape_is_journaled(line);
                    }
                    self.obey(leg, order);
                }
                HeldAnswer::Reply(server, status, bytes) => {
                    self.tape_waited(&bytes, PATIENCE_WITH_DISK.saturating_sub(until - self.means.now.mono));
                    self.means.respond(server, status, bytes);
                }
            }
        }
        waiting.append(&mut self.held);
        self.held = waiting;
    }
}

fn remove_from<K, V, S>(map: &mut HashMap<K, Vec<V>, S>, key: &K, value: &V)
where
    K: std::hash::Hash + Eq,
    V: PartialEq,
    S: std::hash::BuildHasher,
{
    if let Some(values) = map.get_mut(key) {
        values.retain(|other| other != value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}
