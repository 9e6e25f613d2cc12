//! Plays a [`Script`] against a fresh core: virtual time, scripted peers, nothing else.
//!
//! | file | what it is about |
//! |---|---|
//! | `peers` | who takes part besides us, and the network between |
//! | `beginning` | what was before the trace begins, and what is beside it |
//! | `hidden` | ladders that the trace does not show: how somebody came to be registered, or in a talk |
//! | `lines` | line by line: what is done to us, and what is expected |
//! | `expected` | what a line expects of a message that has left us |
//! | `voices` | … and of what is heard |
//! | `facts` | what happened, until a line speaks of it, and for the record |
//! | `order` | what an admin does |
//! | `sides` | both sides of a trace, where they are compared to the end |

mod beginning;
mod expected;
mod facts;
mod hidden;
mod lines;
mod order;
mod peers;
mod sides;
mod voices;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use self::expected::{Sent, first_line};
use self::facts::{Facts, Told};
use self::hidden::Talk;
use self::peers::Peers;
pub use self::sides::Row;
use self::sides::{Sides, seconds};
use self::voices::Voices;
use super::export::Recorded;
use super::notation::{Script, Step};
use crate::clock::{Duration, Instant, Now, Timestamp};
use crate::config::Config;
use crate::effect::Effect;
use crate::fact::CallFact;
use crate::key::{CallId, Flow};
use crate::sip::Message;
use crate::switch::{Input, Switch};

/// 64·T1 and a little: nothing of a call outlives it (RFC 3261 §17).
const REST: Duration = Duration::from_secs(33);

/// Plays a script under `config`. `overheard` sees every message that we send, for a second opinion.
///
/// # Errors
/// The first line that does not hold, with the ladder of what really happened.
pub fn play(script: &Script, config: Arc<Config>, overheard: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
    let mut player = Player::new(script, config, overheard);
    player.run(script).map_err(|wrong| player.failure(wrong))
}

/// Plays a script to its end, whatever differs, and sets both side by side. In the trace of a real call, which has its
/// office in itself, a decision that is not mentioned is a difference too.
///
/// # Errors
/// The trace cannot be played: its setting makes no sense, or a peer is to say what it cannot.
pub fn compare(script: &Script, config: Arc<Config>) -> Result<Vec<Row>, Failure> {
    let nobody = &mut |_: &[u8]| {};
    let mut player = Player { sides: Sides::compared(), ..Player::new(script, config, nobody) };
    match player.run(script) {
        Ok(()) => {}
        // Whatever is left over at the end is what happened in place of an end.
        Err((0, why)) => player.sides.add_unsaid(player.now, why),
        Err(wrong) => return Err(player.failure(wrong)),
    }
    Ok(player.sides.into_rows())
}

/// Plays a script like [`play`] and gives its calls as they would be on record.
///
/// # Errors
/// The first line that does not hold.
pub fn record(script: &Script, config: Arc<Config>) -> Result<Vec<Recorded>, Failure> {
    let nobody = &mut |_: &[u8]| {};
    let mut player = Player::new(script, config, nobody);
    player.run(script).map_err(|wrong| player.failure(wrong))?;
    let mut recorded = player.facts.recorded;
    let facts: BTreeMap<CallId, Vec<CallFact>> = recorded.iter().map(|call| (call.id, call.facts.clone())).collect();
    for call in &mut recorded {
        let also = call.tape.also.iter().map(|also| also.call);
        call.also = also.filter_map(|id| Some((id, facts.get(&id)?.clone()))).collect();
    }
    Ok(recorded)
}

/// Why a trace does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The line, counted from 1; 0 for the end.
    pub line: usize,
    /// What is wrong.
    pub why: String,
    /// What really happened, as a ladder.
    pub ladder: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "at the end: {}", self.why)?,
            line => write!(f, "line {line}: {}", self.why)?,
        }
        write!(f, "\n\nwhat happened:\n{}", self.ladder)
    }
}

/// The line that does not hold, and why.
type Wrong = (usize, String);

struct Player<'a> {
    switch: Switch,
    config: Arc<Config>,
    now: Now,
    effects: Vec<Effect>,
    peers: Peers,
    voices: Voices,
    facts: Facts,
    /// Sent by us and not yet expected by a line.
    sent: VecDeque<Sent>,
    seen: Vec<(SocketAddr, Bytes)>,
    /// Sees every message that we send.
    overheard: &'a mut dyn FnMut(&[u8]),
    /// The answer to the last question, as the control socket would give it.
    answer: Option<serde_json::Value>,
    /// Why the last order was refused.
    refused: Option<String>,
    /// How the next call must be decided: the rules and their outcomes, and the reasons.
    explained: Option<(serde_json::Value, serde_json::Value)>,
    /// Facts that the journal has not written, while it stalls.
    stalled: Option<u64>,
    ladder: Vec<String>,
    questions: u64,
    broken: Option<String>,
    /// What happens now is not shown by the trace.
    is_hidden: bool,
    /// Talks of which the trace does not speak; `None` once it is over.
    talks: Vec<Option<Talk>>,
    /// The trace mentions every decision.
    is_whole: bool,
    sides: Sides,
    /// How late what we send may be expected.
    late: Duration,
    /// The trace speaks of what is heard.
    listens: bool,
}

impl<'a> Player<'a> {
    fn new(script: &Script, config: Arc<Config>, overheard: &'a mut dyn FnMut(&[u8])) -> Player<'a> {
        let wall = script.setting.clock.unwrap_or(Timestamp::UNIX_EPOCH);
        let now = Now { mono: Instant::from_micros(1_000_000), wall };
        Player {
            switch: Switch::new(config.clone(), [7; 32], 0, now),
            now,
            effects: Vec::new(),
            peers: Peers::new(script, config.clone()),
            voices: Voices::default(),
            facts: Facts::default(),
            sent: VecDeque::new(),
            seen: Vec::new(),
            overheard,
            answer: None,
            refused: None,
            explained: None,
            stalled: None,
            ladder: Vec::new(),
            questions: 0,
            broken: None,
            is_hidden: false,
            talks: Vec::new(),
            is_whole: script.setting.config.is_some(),
            sides: Sides::default(),
            late: script.setting.late,
            listens: script.lines.iter().any(|line| matches!(line.step, Step::Voice { .. })),
            config,
        }
    }

    fn run(&mut self, script: &Script) -> Result<(), Wrong> {
        self.set_up(script).map_err(|why| (1, why))?;
        for line in &script.lines {
            self.play_line(line).map_err(|why| (line.number, why))?;
        }
        self.check_nothing_unsaid().map_err(|why| (0, why))?;
        let left = self.facts.take_unsaid();
        self.check_no_decision_unsaid(left);
        for talk in std::mem::take(&mut self.talks).into_iter().flatten() {
            self.play_hidden(&talk.end()).map_err(|why| (0, why))?;
        }
        self.rest().map_err(|why| (0, why))
    }

    fn failure(&self, (line, why): Wrong) -> Failure {
        Failure { line, why, ladder: self.ladder.join("\n") }
    }

    /// These are not spoken of: where both sides are compared, a decision among them is a difference.
    fn check_no_decision_unsaid(&mut self, facts: Vec<Told>) {
        for (fact, call) in facts {
            if call.is_some() && self.is_whole {
                self.sides.add_unsaid(self.now, format!("fact  {fact}"));
            }
        }
    }

    fn check_nothing_unsaid(&mut self) -> Result<(), String> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if self.sides.are_compared() {
            let (now, late) = (self.now.mono, self.late);
            while self.sent.front().is_some_and(|sent| sent.at + late <= now) {
                let Some(sent) = self.sent.pop_front() else { break };
                let done = format!("us -> {}  {}", self.peers.at(sent.to), first_line(&sent.message));
                self.sides.add_unsaid(self.now, done);
            }
            return Ok(());
        }
        if let Some(played) = self.voices.unsaid().filter(|_| self.listens && !self.is_whole) {
            return Err(format!("played and not written: us ~> … {played}"));
        }
        let late = self.late;
        let overdue = |sent: &&Sent| late == Duration::ZERO || sent.at + late < self.now.mono;
        match self.sent.iter().find(overdue) {
            Some(sent) => Err(format!("sent and not written: us -> {}  {}", sent.to, first_line(&sent.message))),
            None => Ok(()),
        }
    }

    /// 64·T1 later nothing may be left but bindings, subscriptions, registrations, OPTIONS and nonces.
    fn rest(&mut self) -> Result<(), String> {
        self.peers.answer_all_errands();
        self.pass(REST);
        // An OPTIONS of ours may just be under way.
        for _ in 0..8 {
            if self.switch.census().transactions == 0 {
                break;
            }
            self.pass(Duration::from_secs(2));
        }
        self.check_nothing_unsaid()?;
        let census = self.switch.census();
        let left = [
            ("calls", census.calls),
            ("legs", census.legs),
            ("dialogs", census.dialogs - census.subscriptions),
            ("transactions", census.transactions),
            ("held answers", census.held),
            ("media ports", census.ports),
            ("timers", census.call_timers),
        ];
        match left.iter().find(|(_, count)| *count != 0) {
            Some((what, count)) => Err(format!("{count} {what} are left over: {census:?}")),
            None => Ok(()),
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(at) = self.switch.deadline().filter(|at| *at <= end) {
            self.now = self.now.after(at.since(self.now.mono));
            self.switch.tick(self.now, &mut self.effects);
            self.carry_out();
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    fn input(&mut self, input: Input) {
        self.switch.handle(input, self.now, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            for effect in std::mem::take(&mut self.effects) {
                match effect {
                    Effect::Send { flow, bytes } => {
                        (self.overheard)(&bytes);
                        answers.extend(self.sent(flow, bytes));
                    }
                    Effect::Fact(noted) => {
                        self.check_explained(&noted.fact);
                        let told = self.facts.tell(&noted.fact);
                        self.draw(&format!("fact  {told}"));
                        self.facts.keep(&noted.fact, told, self.now, self.is_hidden);
                        match &mut self.stalled {
                            Some(number) => *number = noted.number,
                            None => answers.push_back(Input::Journaled(noted.number)),
                        }
                    }
                    Effect::Media(order) => {
                        answers.extend(self.voices.order(&order, self.now.mono).map(Input::Media));
                    }
                    Effect::Resolve(name) => {
                        let addresses = self.peers.resolve(&name);
                        answers.push_back(Input::Resolved { name, addresses });
                    }
                    Effect::Answer { answer: Err(why), .. } => {
                        self.ladder.push(format!("refused: {why}"));
                        self.refused = Some(why);
                    }
                    Effect::Answer { answer: Ok(answer), .. } => self.answer = Some(answer),
                    Effect::Close(_)
                    | Effect::Discard(_)
                    | Effect::RenewCustomers
                    | Effect::Suspect(_)
                    | Effect::Drained => {}
                }
            }
            let Some(input) = answers.pop_front() else { return };
            self.switch.handle(input, self.now, &mut self.effects);
        }
    }

    /// A message leaves.
    fn sent(&mut self, flow: Flow, bytes: Bytes) -> Option<Input> {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            // A keep-alive (RFC 5626 §4.4.1).
            return None;
        }
        let Some((flow, to)) = self.peers.network.carry(flow) else { return Some(Input::FlowClosed(flow)) };
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(malformed) => {
                self.broken = Some(format!("we sent what we cannot read: {malformed:?}"));
                return None;
            }
        };
        if self.peers.is_errand(&message) {
            let message = self.peers.answer_errand(&flow, &message)?;
            return Some(Input::Message { flow, message });
        }
        self.draw(&format!("us -> {}   {}", self.peers.at(to), first_line(&message)));
        self.voices.tells(to, &message);
        self.sent.push_back(Sent { to, transport: flow.transport, at: self.now.mono, message });
        None
    }

    /// Adds a line to the ladder of what really happened.
    fn draw(&mut self, what: &str) {
        self.ladder.push(format!("{:8.3}  {what}", seconds(self.now)));
    }
}
