//! Tapes of calls: which message belongs on which, and when a tape is complete.
//!
//! Everything that comes in and goes out passes here once, at the end of each reaction, and is found by its Call-ID; so
//! a tape holds what was really on the wire, repetitions and all, whoever said it. How the house stood is written down
//! where a call asks for it.

use bytes::Bytes;

use super::tables::{Switch, Tapes};
use crate::call::{Leg, Opened, Timer};
use crate::clock::{Duration, Instant};
use crate::config::{Destination, DeviceRule, Extension, Order, TrunkIx};
use crate::effect::Effect;
use crate::fact::{CallFact, Fact, Offered};
use crate::key::{CallId, CallKey, Flow, TapeKey, tighten};
use crate::number::PhoneNumber;
use crate::route::{Callee, Direction, Origin, RingPlan, RoutePlan, Step, mobiles};
use crate::sip::Message;
use crate::state::Counter;
use crate::tape::{self, Moment, Tape, Who};
use crate::transaction::{PATIENCE, ServerKey};

impl Tapes {
    pub(super) fn get_mut(&mut self, key: TapeKey) -> Option<&mut Tape> {
        self.all.get_mut(key)
    }

    /// Two calls have become one: from here on everything is said on one tape.
    fn join(&mut self, kept: TapeKey, given: TapeKey, moment: Moment) {
        if self.all.get(kept).is_none() {
            return;
        }
        let Some(other) = self.all.remove(given) else { return };
        let Some((id, tape)) = other.call.zip(self.all.get_mut(kept)) else { return };
        let marks: Vec<u64> = other.call_ids().collect();
        let first = tape.absorb(other, moment);
        for mark in marks {
            if let Some((key, party)) = self.by_call_id.get_mut(&mark).filter(|(key, _)| *key == given) {
                (*key, *party) = (kept, *party + first);
            }
        }
        self.joined.values_mut().filter(|(into, _)| *into == given).for_each(|(into, _)| *into = kept);
        self.joined.insert(given, (kept, id));
    }

    fn moment(&self, now: Instant) -> Moment {
        Moment { reaction: self.reaction, due: self.due, now }
    }
}

impl Switch {
    /// A reaction begins, to something that was due then.
    pub(super) fn reaction_begins(&mut self, due: Instant) {
        self.tapes.reaction += 1;
        self.tapes.due = due;
    }

    /// A message came in.
    pub(super) fn tape_hears(&mut self, call_id: &str, bytes: &Bytes) {
        let call_id = tape::mark(call_id.as_bytes());
        let moment = self.tapes.moment(self.means.now.mono);
        match self.tapes.by_call_id.get(&call_id) {
            Some((key, party)) => {
                let Some(tape) = self.tapes.all.get_mut(*key) else { return };
                tape.hear(*party, bytes, moment);
                if tape.waits_since().is_none()
                    && let Some((ladder, deadline)) = self.tapes.waiting.remove(key)
                {
                    self.means.deadlines.cancel(deadline);
                    self.tapes.closed.push((CallKey::from_bits(u64::MAX), *key, ladder));
                }
            }
            None => self.tapes.unclaimed = Some((call_id, bytes.clone())),
        }
    }

    /// A tape for a call that begins now.
    pub(super) fn tape_begins(&mut self) -> TapeKey {
        let moment = self.tapes.moment(self.means.now.mono);
        self.tapes.all.insert(Tape::new(self.means.config.version.clone(), moment))
    }

    /// A call that never had a line: its tape is complete with its refusal.
    pub(super) fn tape_of_refused(&mut self, id: CallId, server: ServerKey, message: &Message, offered: &Offered) {
        let Some(flow) = self.means.transactions.flow(server) else { return };
        let Some(peer) = offered.trunk.as_ref().or(offered.from.extension.as_ref()) else { return };
        let (trunk, us) = (offered.trunk.is_some(), self.means.host.told(&flow));
        let key = self.tape_begins();
        self.tape_opens(key, &Who { peer: peer.clone(), trunk, flow, us }, message.call_id());
        if let Some(tape) = self.tapes.all.get_mut(key) {
            tape.call = Some(id);
        }
        self.tapes.noted.extend([key; 2]);
        self.tapes.closed.push((CallKey::from_bits(u64::MAX), key, String::new()));
    }

    /// The tape of a call that did not come to be.
    pub(super) fn tape_is_void(&mut self, key: TapeKey) {
        self.means.opened.clear();
        self.tapes.all.remove(key);
    }

    pub(super) fn tape_notes_fact(&mut self, key: TapeKey) {
        self.tapes.noted.push(key);
    }

    /// What a call saw of the house before this reaction is written down before it.
    pub(super) fn tape_settles(&mut self, key: TapeKey) {
        let moment = self.tapes.moment(self.means.now.mono);
        if let Some(tape) = self.tapes.all.get_mut(key) {
            tape.settle(moment);
        }
    }

    /// An employee answered another call, so that this one stops ringing for them.
    pub(super) fn tape_sees_taken(&self, line: CallKey, extension: &str) {
        if let Some(tape) = self.lines.get(line).and_then(|line| self.tapes.all.get(line.tape)) {
            tape.sees(format!("taken {extension}"));
        }
    }

    /// A call asks who a number outside belongs to, to show the name.
    pub(super) fn tape_sees_customer(&self, line: CallKey, number: &Callee, name: &str) {
        let tape = self.lines.get(line).and_then(|line| self.tapes.all.get(line.tape));
        if let (Callee::Number(number), Some(tape), false) = (number, tape, name.is_empty()) {
            tape.sees(format!("customer {number} {name}"));
        }
    }

    /// A connection ended: every call that spoke on it knows.
    pub(super) fn tapes_lose(&mut self, flow: Flow) {
        let moment = self.tapes.moment(self.means.now.mono);
        let lines: Vec<TapeKey> = self.lines.iter().map(|(_, line)| line.tape).collect();
        for key in lines {
            if let Some(tape) = self.tapes.all.get_mut(key).filter(|tape| tape.speaks_at(flow.remote)) {
                tape.note_world("lost", moment);
            }
        }
    }

    /// Keys that are pressed in a call are a pin from here on, or (`false`) no longer.
    pub(super) fn tape_hides_keys(&mut self, line: CallKey, hides: bool) {
        let key = self.lines.get(line).map(|line| line.tape);
        key.and_then(|key| self.tapes.all.get_mut(key)).into_iter().for_each(|tape| tape.hide_keys(hides));
    }

    /// True while they are.
    pub(super) fn tape_hides(&self, line: CallKey) -> bool {
        let tape = self.lines.get(line).and_then(|line| self.tapes.all.get(line.tape));
        tape.is_some_and(Tape::hides_keys)
    }

    /// Something beside the wire happened to a call.
    pub(super) fn tape_notes(&mut self, line: CallKey, text: &str) {
        let moment = self.tapes.moment(self.means.now.mono);
        let key = self.lines.get(line).map(|line| line.tape);
        if let Some(tape) = key.and_then(|key| self.tapes.all.get_mut(key)) {
            tape.note_world(text, moment);
        }
    }

    pub(super) fn tapes_join(&mut self, kept: CallKey, given: CallKey) {
        let tape = |line| self.lines.get(line).map(|line| line.tape);
        self.tapes.joins.extend(tape(kept).zip(tape(given)));
    }

    pub(super) fn tape_closes(&mut self, line: CallKey, key: TapeKey, ladder: String) {
        self.tapes.closed.push((line, key, ladder));
    }

    /// A reaction is complete: what left since `from` is written down, and tapes that are complete become facts.
    pub(super) fn reaction_ends(&mut self, from: usize) {
        for opened in std::mem::take(&mut self.means.opened) {
            self.claim(&opened);
        }
        let moment = self.tapes.moment(self.means.now.mono);
        for (kept, given) in std::mem::take(&mut self.tapes.joins) {
            self.tapes.join(kept, given, moment);
        }
        if !self.tapes.by_call_id.is_empty() {
            self.tape_says(from);
        }
        for key in std::mem::take(&mut self.tapes.noted) {
            if let Some((into, call)) = self.tapes.joined.get(&key) {
                self.tapes.all.get_mut(*into).into_iter().for_each(|tape| tape.note_fact_of(*call, moment));
            } else if let Some(tape) = self.tapes.all.get_mut(key) {
                tape.note_fact(moment);
            }
        }
        self.tapes.unclaimed = None;
        for (_, key, ladder) in std::mem::take(&mut self.tapes.closed) {
            self.tape_is_closed(key, ladder);
        }
    }

    fn tape_is_closed(&mut self, key: TapeKey, ladder: String) {
        if let Some((into, call)) = self.tapes.joined.remove(&key) {
            self.means.note(Fact::Call(call, CallFact::Traced { ladder, tape: None }));
            if let Some(ladder) = self.tapes.open.remove(&into) {
                self.tape_is_closed(into, ladder);
            }
            return;
        }
        if self.tapes.joined.values().any(|(into, _)| *into == key) {
            self.tapes.open.insert(key, ladder);
            return;
        }
        // After that nobody answers an INVITE or says an ACK any more (RFC 3261 §17, Timers B and H).
        let waits = self.tapes.all.get(key).and_then(Tape::waits_since).map(|since| since + PATIENCE);
        match waits.filter(|until| *until > self.means.now.mono) {
            Some(until) => {
                let deadline = self.means.deadlines.set(until, Timer::Tape(key));
                self.tapes.waiting.insert(key, (ladder, deadline));
            }
            None => self.file(key, ladder),
        }
    }

    /// A dialog of a call began: its messages are known by its Call-ID from here on.
    fn claim(&mut self, opened: &Opened) {
        let closed = || self.tapes.closed.iter().find(|(line, ..)| *line == opened.call).map(|(_, key, _)| *key);
        if let Some(key) = self.lines.get(opened.call).map(|line| line.tape).or_else(closed) {
            self.tape_opens(key, &opened.who, &opened.call_id);
        }
    }

    fn tape_opens(&mut self, key: TapeKey, who: &Who, call_id: &str) {
        let mark = tape::mark(call_id.as_bytes());
        let moment = self.tapes.moment(self.means.now.mono);
        let Some(tape) = self.tapes.all.get_mut(key) else { return };
        let party = tape.add_party(who, call_id);
        self.tapes.by_call_id.insert(mark, (key, party));
        if let Some((_, bytes)) = self.tapes.unclaimed.take_if(|(unclaimed, _)| *unclaimed == mark) {
            tape.hear(party, &bytes, moment);
        }
    }

    fn tape_says(&mut self, from: usize) {
        let moment = self.tapes.moment(self.means.now.mono);
        for effect in self.means.effects.get(from..).unwrap_or_default() {
            let Effect::Send { bytes, .. } = effect else { continue };
            let Some(call_id) = call_id_of(bytes) else { continue };
            if let Some((key, party)) = self.tapes.by_call_id.get(&tape::mark(call_id))
                && let Some(tape) = self.tapes.all.get_mut(*key)
            {
                tape.say(*party, bytes, moment);
            }
        }
    }

    /// Nobody says an ACK any more.
    pub(super) fn tape_due(&mut self, key: TapeKey) {
        if let Some((ladder, _)) = self.tapes.waiting.remove(&key) {
            self.file(key, ladder);
        }
    }

    /// The process ends: what is not complete is kept as it is.
    pub(super) fn file_all(&mut self) {
        for (key, (ladder, deadline)) in std::mem::take(&mut self.tapes.waiting) {
            self.means.deadlines.cancel(deadline);
            self.file(key, ladder);
        }
        for (key, ladder) in std::mem::take(&mut self.tapes.open) {
            self.file(key, ladder);
        }
    }

    fn file(&mut self, key: TapeKey, ladder: String) {
        let Some(tape) = self.tapes.all.remove(key) else { return };
        for call_id in tape.call_ids() {
            if self.tapes.by_call_id.get(&call_id).is_some_and(|(of, _)| *of == key) {
                self.tapes.by_call_id.remove(&call_id);
            }
        }
        tighten(&mut self.tapes.by_call_id);
        if let Some(call) = tape.call {
            let tape = Some(Box::new(tape.finish()));
            self.means.note(Fact::Call(call, CallFact::Traced { ladder, tape }));
        }
    }

    /// The journal has a call's first fact, and an answer of it leaves.
    pub(super) fn tape_is_journaled(&mut self, line: CallKey) {
        let tape = self.lines.get(line).and_then(|line| self.tapes.all.get_mut(line.tape));
        if tape.is_some_and(Tape::journaled) {
            self.tape_notes(line, "journal resumes");
        }
    }

    /// An answer of no line has waited for the journal.
    pub(super) fn tape_waited(&mut self, bytes: &[u8], span: Duration) {
        let found = call_id_of(bytes).and_then(|call_id| self.tapes.by_call_id.get(&tape::mark(call_id)));
        if let Some(tape) = found.and_then(|(key, _)| self.tapes.all.get_mut(*key)) {
            tape.add_delay(span);
        }
    }
}

/// How the house stands, in the words of the notation.
impl Switch {
    /// Everything that the decision of a call saw beside what the call itself says.
    pub(super) fn tape_sees(&self, key: TapeKey, plan: &RoutePlan, origin: Origin, caller: Option<PhoneNumber>) {
        let Some(tape) = self.tapes.all.get(key) else { return };
        let (config, at) = (&self.means.config, self.means.now.wall);
        let mut lines = Vec::new();
        for (schedule, state) in self.state.overrides(at) {
            let until = state.until.map(|until| format!(" until {until}")).unwrap_or_default();
            lines.push(format!("override {schedule} {}{until}", if state.open { "open" } else { "closed" }));
        }
        if let Some(number) = caller.filter(|number| self.state.blocked(*number).is_some()) {
            lines.push(format!("block {number}"));
        }
        lines.extend(self.state.away(at).map(|(extension, _)| format!("away {extension}")));
        for (of, when, to) in self.state.forwards() {
            lines.push(format!("forward {of} {} {to}", when.word()));
        }
        let down = |trunks: &[TrunkIx]| {
            let down = trunks.iter().filter(|trunk| !self.means.trunks.is_up(**trunk));
            down.map(|trunk| format!("down {}", config.trunk(*trunk).name)).collect::<Vec<_>>()
        };
        for step in &plan.steps {
            if let Step::Ring(ring) = step {
                let rung = ring.timetable.iter().flat_map(|slot| mobiles(config, slot.member));
                lines.extend(rung.flat_map(|mobile| down(&mobile.trunks)));
            }
            match step {
                Step::Ring(RingPlan { destination: Destination::Group(group), timetable, .. }) => {
                    let group = config.group(*group);
                    match group.order {
                        Order::Random => lines.push(format!("chance {}", self.tapes.chance)),
                        Order::RoundRobin => lines.extend(self.state.rotations_of(&group.name).map(counter_line)),
                        Order::LongestIdle | Order::FewestCalls => {
                            let members = timetable.iter().map(|slot| &*config.extension(slot.member).number);
                            let mut members: Vec<&str> = members.collect();
                            members.sort_unstable();
                            members.dedup();
                            let counters = members.into_iter().filter_map(|member| self.state.talks_of(member));
                            lines.extend(counters.map(counter_line));
                        }
                        Order::Listed => {}
                    }
                }
                Step::Dial(dial) => {
                    lines.extend(down(&dial.trunks));
                    let by = dial.forwarded.by.map(|(by, _)| &config.extension(by).number);
                    lines.extend(by.and_then(|by| self.state.calls_outside_of(by)).map(counter_line));
                }
                _ => {}
            }
        }
        if let (Origin::Extension(extension), Direction::Outbound) = (origin, plan.direction) {
            let own = &config.extension(extension).number;
            lines.extend(self.state.calls_outside_of(own).map(counter_line));
        }
        for line in lines {
            tape.sees(line);
        }
    }

    /// A call asks whether an extension can be rung.
    pub(super) fn tape_asks(&self, line: CallKey, extension: &Extension) {
        let Some(tape) = self.lines.get(line).and_then(|line| self.tapes.all.get(line.tape)) else { return };
        let name = &extension.number;
        let elsewhere = |leg: &Leg| leg.call() != line && leg.is_busy();
        let legs = self.by_extension.get(name);
        let mut legs = legs.into_iter().flatten().filter_map(|leg| self.legs.get(*leg));
        let busy = !extension.call_waiting && legs.any(elsewhere);
        let registers = extension.devices.iter().any(|device| matches!(device, DeviceRule::Sip));
        let bindings = || self.registrar.devices(name).filter(|_| registers).map(|(_, binding)| binding);
        let mark = bindings().fold(u64::from(busy), |sum, binding| {
            let at = tape::mark(format!("{}", binding.flow.remote).as_bytes());
            sum.rotate_left(7) ^ at ^ tape::mark(binding.contact.as_str().as_bytes())
        });
        tape.asks(name, mark, |known, news| {
            if busy || known || bindings().next().is_some() {
                news.push(format!("{} {name}{}", if known { "now" } else { "first" }, if busy { " busy" } else { "" }));
            }
            for binding in bindings() {
                let (at, by) = (binding.flow.remote, binding.flow.transport.as_str());
                let mut line = format!("phone {at} {by} {name} {}", binding.contact.as_str());
                binding.path.iter().for_each(|path| line.push_str(&format!(" {path}")));
                news.push(line);
            }
            if known {
                let phones = bindings().map(|binding| format!(" {}", binding.flow.remote));
                news.push(format!("phones{}", phones.collect::<String>()));
            }
        });
    }
}

/// How a tape knows a leg's dialog: a call may have several legs to one trunk.
pub(super) fn dialog_of(leg: &Leg) -> u64 {
    leg.dialog_names().map_or(0, |names| tape::mark(names.call_id.as_bytes()))
}

fn counter_line(counter: Counter) -> String {
    format!("counter {}", serde_json::to_string(&counter).unwrap_or_default())
}

/// The Call-ID of a message of ours: we write its name always the same.
fn call_id_of(bytes: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    let at = memchr::memmem::find(bytes, NAME)? + NAME.len();
    let end = memchr::memchr(b'\r', &bytes[at..])?;
    Some(&bytes[at..at + end])
}
