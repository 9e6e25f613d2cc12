//! The only loop: waits for what happens, lets the [`Switch`] react, and carries its effects out.
//!
//! One thread owns the sockets and the Switch, so a message goes from the wire into the core and out again without being
//! handed over to anybody. Whoever else has something to say (the journal, the relay, DNS, the control socket, signals)
//! puts a [`Letter`] into the [`Post`] and rings the bell.
//!
//! ```text
//!   sockets ──┐                                   ┌── sockets (one batch)
//!   post    ──┼─► wait ─► handle, one by one ─► effects ─ facts ─► journal
//!   timers  ──┘                                   └── relay, DNS, answers
//! ```
//!
//! Here, and nowhere else, the machine is asked what time it is.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

use crate::clock::{Duration, Instant, Now, Timestamp};
use crate::diary::{self, Watch};
use crate::effect::Effect;
use crate::fact::{CallFact, Fact, Noted};
use crate::journal::Journal;
use crate::key::{CallId, Flow};
use crate::media::relay::Relay;
use crate::meter::Meter;
use crate::net::resolve::Resolver;
use crate::net::{Arrived, Net};
use crate::switch::{Input, Question, Switch};

/// Sees facts as they happen.
pub type Witness = Box<dyn Fn(&[Noted]) + Send>;

/// Whoever asked is told through this.
pub type Answer = Box<dyn FnOnce(Result<serde_json::Value, String>) + Send>;

/// What other threads have for the loop.
pub enum Letter {
    /// An input for the core.
    Input(Box<Input>),
    /// A question to the core, and who wants to know; an order is answered when it is on record.
    Ask(Question, Answer),
    /// Something happened outside (as `Input::Note`), and who wants to know when it is on record, under which number.
    Tell(Fact, Box<dyn FnOnce(u64) + Send>),
    /// No new calls; those in progress may go on for this long, and then the loop ends.
    Drain(Duration),
    /// The loop ends at once.
    Stop,
}

/// Where other threads leave their letters. Clones lead to the same loop.
#[derive(Clone)]
pub struct Post {
    letters: Arc<Mutex<Vec<Letter>>>,
    /// True where the bell has been rung and nobody has looked since.
    rung: Arc<AtomicBool>,
    bell: Arc<Waker>,
    closed: Arc<tokio::sync::Notify>,
}

impl Post {
    /// An empty letter box whose bell wakes a loop.
    pub fn new(bell: Arc<Waker>) -> Post {
        Post { letters: Arc::default(), rung: Arc::default(), bell, closed: Arc::default() }
    }

    /// Leaves a letter; it is read in order, as soon as the loop comes by.
    pub fn put(&self, letter: Letter) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Err(error) = self.bell.wake()
        {
            tracing::error!(%error, "the loop cannot be woken");
        }
    }

    /// An input for the core.
    pub fn input(&self, input: Input) {
        self.put(Letter::Input(Box::new(input)));
    }

    /// Nobody reads letters any more: the loop has ended.
    pub fn close(&self) {
        self.closed.notify_one();
    }

    /// Waits until the loop has ended; for one task that ends with it.
    pub async fn closed(&self) {
        self.closed.notified().await;
    }

    pub(crate) fn take(&self, into: &mut Vec<Letter>) {
        if self.rung.swap(false, Ordering::AcqRel) {
            into.append(&mut self.letters.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// The machine's two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

// The one place where the machine is asked for the time; everything below is told.
#[allow(clippy::disallowed_methods)]
impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now() }
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono: Instant::from_micros(micros), wall: Timestamp::now() }
    }
}

/// How the loop ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// No call was left.
    Drained,
    /// Somebody insisted.
    Stopped,
}

/// What the loop carries effects out with.
pub struct Drive {
    /// The core.
    pub switch: Switch,
    /// The sockets.
    pub net: Net,
    /// The media relay.
    pub relay: Relay,
    /// The record.
    pub journal: Journal,
    /// DNS.
    pub resolver: Resolver,
    /// What other threads say.
    pub post: Post,
    /// The clocks.
    pub clock: Clock,
    /// Has a fresh index of the customers made elsewhere.
    pub renew_customers: Box<dyn Fn()>,
    /// Whoever sees facts as they happen, before they are on the disk. It must not wait.
    pub sees: Option<Witness>,
    /// Writes into the log what strangers do.
    pub watch: Watch,
    /// Counts what only the loop sees.
    pub meter: Arc<Meter>,
}

/// After a drain's patience is over, calls are hung up; their goodbyes have this long.
const GOODBYE: Duration = Duration::from_secs(2);

/// How late the core hears of it: less is the usual way of things.
const WORTH_SAYING: Duration = Duration::from_millis(10);

/// What happens between two looks at the world; buffers are used again.
#[derive(Default)]
struct Turn {
    arrived: Vec<Arrived>,
    letters: Vec<Letter>,
    effects: Vec<Effect>,
    facts: Vec<Noted>,
    questions: BTreeMap<u64, Answer>,
    /// Who waits until the fact of this number is on record.
    waiting: BTreeMap<u64, Box<dyn FnOnce(u64) + Send>>,
    last_question: u64,
    /// The last fact before the last question: what comes after it follows from the question.
    noted_before: u64,
    /// The number of the last fact of the core.
    noted: u64,
    passing: Passing,
    /// When patience with a drain is over.
    hang_up: Option<Instant>,
    /// When it is over with the goodbyes too.
    leave: Option<Instant>,
    end: Option<End>,
    /// How long the last turn took, from hearing to sending: what came meanwhile on streams has waited so long.
    took: Duration,
    /// The core was told that we are late.
    said_late: bool,
}

/// Calls that come in, for how long they are in our hands.
#[derive(Default)]
struct Passing {
    /// When what arrived in this turn was read.
    read: Instant,
    /// Calls that came in this turn.
    offered: Vec<CallId>,
    /// For how many of them phones are asked in it as well.
    rung: u32,
}

impl Passing {
    /// Remembers which calls came in this turn, and for which of them phones are asked in it as well.
    fn see(&mut self, fact: &Fact) {
        match fact {
            Fact::Call(id, CallFact::Offered(_)) => self.offered.push(*id),
            Fact::Call(id, CallFact::Rung(_)) if self.offered.contains(id) => self.rung += 1,
            _ => {}
        }
    }
}

impl Drive {
    /// Turns until the end. Gives the journal back, so that it can be closed when everything is said.
    ///
    /// # Errors
    /// The system does not let us wait for the sockets any more.
    pub fn run(mut self) -> io::Result<(End, Journal)> {
        let mut turn = Turn::default();
        loop {
            let now = self.clock.now().mono;
            let wakes = [self.switch.deadline(), self.net.deadline(), turn.hang_up, turn.leave];
            let next = wakes.into_iter().flatten().min();
            let longest = next.map(|next| next - now);
            // Who has done all there was is not overloaded, however late a busy machine lets it begin.
            let caught_up = match turn.said_late {
                true => self.net.rest(longest)?,
                false => self.net.wait(longest).map(|()| false)?,
            };
            if caught_up {
                turn.said_late = false;
                self.handle(Input::Late(Duration::ZERO), &mut turn);
            }
            let began = self.clock.now();
            self.hear(&mut turn, began);
            self.keep_time(&mut turn);
            // The disk begins before the wire: callers wait for both.
            self.record(&mut turn);
            let flushed = self.clock.now().mono;
            self.net.flush(flushed);
            turn.took = flushed.since(began.mono);
            self.count(&mut turn);
            if let Some(end) = turn.end {
                let last = Noted { number: turn.noted + 1, at: self.clock.now().wall, fact: Fact::Stopped };
                // Nobody is left to be refused.
                let _pressed = self.journal.note([last]);
                return Ok((end, self.journal));
            }
        }
    }

    /// What arrived, and what others said.
    fn hear(&mut self, turn: &mut Turn, now: Now) {
        self.post.take(&mut turn.letters);
        let mut letters = std::mem::take(&mut turn.letters);
        for letter in letters.drain(..) {
            self.open(letter, turn);
        }
        turn.letters = letters;
        let mut arrived = std::mem::take(&mut turn.arrived);
        let switch = &mut self.switch;
        let deaf = |flow: &Flow, bytes: &[u8]| switch.is_deaf_to(flow.remote, bytes, now.mono);
        turn.passing.read = now.mono;
        arrived.extend(self.net.receive(now, deaf));
        let late = self.net.late().max(turn.took);
        if late >= WORTH_SAYING || turn.said_late {
            turn.said_late = late >= WORTH_SAYING;
            self.handle(Input::Late(late), turn);
        }
        for arrived in arrived.drain(..) {
            let input = match arrived {
                Arrived::Message(flow, message) => {
                    tracing::trace!(?flow, text = %message.to_text(), "received");
                    Input::Message { flow, message: *message }
                }
                Arrived::Malformed(flow, malformed) => {
                    tracing::debug!(from = %flow.remote, %malformed, "unreadable");
                    Input::Malformed { flow, malformed }
                }
                Arrived::Closed(flow) => Input::FlowClosed(flow),
            };
            self.handle(input, turn);
        }
        turn.arrived = arrived;
    }

    fn open(&mut self, letter: Letter, turn: &mut Turn) {
        match letter {
            Letter::Input(input) => {
                if let Input::Journaled(number) = *input {
                    let left = turn.waiting.split_off(&(number + 1));
                    let heard = std::mem::replace(&mut turn.waiting, left);
                    heard.into_iter().for_each(|(number, tell)| tell(number));
                }
                self.handle(*input, turn);
            }
            Letter::Tell(fact, tell) => {
                self.handle(Input::Note(fact), turn);
                turn.waiting.insert(turn.noted, tell);
            }
            Letter::Ask(question, answer) => {
                turn.last_question += 1;
                turn.questions.insert(turn.last_question, answer);
                turn.noted_before = turn.noted;
                let sockets = self.net.counts();
                self.meter.sockets([sockets.connections as u64, sockets.turned_away, sockets.lost]);
                self.handle(Input::Question { number: turn.last_question, question }, turn);
            }
            Letter::Drain(patience) => {
                turn.hang_up = Some(self.clock.now().mono + patience);
                self.handle(Input::Drain, turn);
            }
            Letter::Stop => turn.end = turn.end.or(Some(End::Stopped)),
        }
    }

    fn handle(&mut self, input: Input, turn: &mut Turn) {
        let now = self.clock.now();
        self.switch.handle(input, now, &mut turn.effects);
        self.carry_out(now, turn);
    }

    /// Timers that are due.
    fn keep_time(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.mono);
        if due(self.switch.deadline()) {
            self.switch.tick(now, &mut turn.effects);
            self.carry_out(now, turn);
        }
        if due(turn.hang_up) {
            turn.hang_up = None;
            turn.leave = Some(now.mono + GOODBYE);
            self.handle(Input::EndAll, turn);
        }
        if due(turn.leave) {
            turn.end = turn.end.or(Some(End::Stopped));
        }
    }

    fn carry_out(&mut self, now: Now, turn: &mut Turn) {
        for effect in turn.effects.drain(..) {
            match effect {
                Effect::Send { flow, bytes } => {
                    tracing::trace!(?flow, text = %String::from_utf8_lossy(&bytes), "sent");
                    self.net.send(flow, bytes, now.mono);
                }
                Effect::Fact(noted) => {
                    turn.noted = noted.number;
                    turn.passing.see(&noted.fact);
                    diary::write_if_urgent(&noted);
                    turn.facts.push(*noted);
                }
                Effect::Media(order) => self.relay.order(order),
                Effect::Close(flow) => self.net.close(flow),
                Effect::Resolve(name) => self.resolver.watch(name),
                Effect::Answer { question, answer } => {
                    let Some(tell) = turn.questions.remove(&question) else { continue };
                    // Whoever hears that an order was done finds it done, also after a power cut.
                    if turn.noted > turn.noted_before {
                        turn.waiting.insert(turn.noted, Box::new(move |_| tell(answer)));
                    } else {
                        tell(answer);
                    }
                }
                // Freeing a million customers takes a while; calls do not wait for it.
                Effect::Discard(customers) => drop(std::thread::spawn(move || drop(customers))),
                Effect::RenewCustomers => (self.renew_customers)(),
                Effect::Suspect(suspicion) => self.watch.tell(suspicion),
                Effect::Drained => turn.end = turn.end.or(Some(End::Drained)),
            }
        }
    }

    /// How long calls that came in this turn were in our hands.
    fn count(&mut self, turn: &mut Turn) {
        if !turn.passing.offered.is_empty() {
            let span = self.clock.now().mono.since(turn.passing.read);
            (0..turn.passing.rung).for_each(|_| self.meter.forwarding.observe(span));
            turn.passing.offered.clear();
            turn.passing.rung = 0;
        }
    }

    /// Facts go to the journal; where its memory fills, new calls are refused from here on.
    fn record(&mut self, turn: &mut Turn) {
        while !turn.facts.is_empty() {
            if let Some(sees) = &self.sees {
                sees(&turn.facts);
            }
            if self.journal.note(turn.facts.drain(..)) {
                self.handle(Input::Pressure(true), turn);
            }
        }
    }
}
