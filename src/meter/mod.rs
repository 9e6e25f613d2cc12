//! Counts what happens, for programs that watch the router from outside.
//!
//! Facts are counted where they are written: on the journal's thread, when they are on the disk, so no call waits for it and
//! the counts agree with the call list. Only what a fact cannot say, how long a call was in our hands before the first phone
//! was asked, is counted by the loop itself, without a lock.
//!
//! ```text
//!  loop ── called() ──────────────► Meter ◄── read by whoever is asked
//!  journal ── facts on the disk ──────┘
//! ```

pub mod histogram;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

pub use self::histogram::{Histogram, Spans};
use crate::clock::{Duration, Now, Timestamp};
use crate::fact::{Alarm, CallFact, Ended, Fact, MissedCause, Noted};
use crate::journal::Ledger;
use crate::key::{CallId, tighten};
use crate::route::Direction;
use crate::store::StoreError;

/// A caller hears us without a record on the disk after this.
const PATIENCE_WITH_DISK: Duration = crate::switch::PATIENCE_WITH_DISK;

/// What is counted since the start. One for the process.
#[derive(Debug)]
pub struct Meter {
    /// From the datagram with a caller's INVITE being read to the first INVITEs to phones having left.
    pub forwarding: Histogram,
    /// From a caller's INVITE to the first ringing, or voice, that they hear.
    pub post_dial: Histogram,
    /// From a caller's INVITE to the first human.
    pub answer: Histogram,
    /// How long the disk took for a batch of facts.
    pub commit: Histogram,
    /// The greatest jitter of each leg.
    pub jitter: Histogram,
    net: [AtomicU64; 3],
    counted: Mutex<Counted>,
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// A human answered.
    Answered,
    /// A customer called and no human talked with them.
    Missed,
    /// Neither: nobody answered an employee's call, or a blocked caller's.
    Unanswered,
}

/// What is counted of facts.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Calls that are over.
    pub calls: BTreeMap<(Direction, Outcome), u64>,
    /// Missed calls by their cause.
    pub missed: BTreeMap<MissedCause, u64>,
    /// Calls refused because a trunk or DID had as many as it may.
    pub over_limit: u64,
    /// How long people talked, in milliseconds.
    pub talk_ms: u64,
    /// How often the disk was too slow for the record to come first.
    pub guarantee_suspended: u64,
    /// Alarms by a word for each.
    pub alarms: BTreeMap<&'static str, u64>,
    /// Facts on the disk.
    pub facts: u64,
    /// Batches that the disk did not take.
    pub failures: u64,
    /// When the disk took a batch last.
    pub committed: Option<Timestamp>,
    /// Packets from peers, of legs that are over.
    pub packets: u64,
    /// … that went on to the other side.
    pub forwarded: u64,
    /// … that never came.
    pub lost: u64,
    /// … from somebody else, dropped.
    pub foreign: u64,
}

const MS: u64 = 1_000;
const S: u64 = 1_000_000;

impl Default for Meter {
    fn default() -> Meter {
        Meter {
            forwarding: Histogram::new(&[
                MS / 4,
                MS / 2,
                MS,
                2 * MS,
                3 * MS,
                5 * MS,
                10 * MS,
                20 * MS,
                50 * MS,
                100 * MS,
                250 * MS,
                S,
            ]),
            post_dial: Histogram::new(&[
                10 * MS,
                25 * MS,
                50 * MS,
                100 * MS,
                250 * MS,
                500 * MS,
                S,
                2 * S,
                3 * S,
                5 * S,
                10 * S,
                20 * S,
                30 * S,
            ]),
            answer: Histogram::new(&[
                S,
                2 * S,
                3 * S,
                5 * S,
                8 * S,
                10 * S,
                15 * S,
                20 * S,
                30 * S,
                45 * S,
                60 * S,
                120 * S,
            ]),
            commit: Histogram::new(&[
                MS / 2,
                MS,
                2 * MS,
                5 * MS,
                10 * MS,
                25 * MS,
                50 * MS,
                100 * MS,
                250 * MS,
                500 * MS,
                S,
                5 * S,
            ]),
            jitter: Histogram::new(&[MS, 5 * MS, 10 * MS, 20 * MS, 30 * MS, 50 * MS, 100 * MS, 200 * MS]),
            net: [const { AtomicU64::new(0) }; 3],
            counted: Mutex::default(),
        }
    }
}

impl Meter {
    /// What was counted of facts until now.
    pub fn counted(&self) -> Counted {
        self.lock().clone()
    }

    /// So many calls of customers were missed because the process had died under them; their record says so since the start.
    pub fn missed_at_the_start(&self, calls: usize) {
        if calls > 0 {
            let mut counted = self.lock();
            *counted.calls.entry((Direction::Inbound, Outcome::Missed)).or_default() += calls as u64;
            *counted.missed.entry(MissedCause::SystemFailure).or_default() += calls as u64;
        }
    }

    /// The loop's sockets: connections that are open, those that were turned away, and messages that could not be sent.
    pub fn sockets(&self, now: [u64; 3]) {
        self.net.iter().zip(now).for_each(|(kept, now)| kept.store(now, Ordering::Relaxed));
    }

    /// What [`Meter::sockets`] said last.
    pub fn net(&self) -> [u64; 3] {
        [0, 1, 2].map(|place: usize| self.net[place].load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts beside a ledger, on the journal's thread.
pub struct Metered<L> {
    ledger: L,
    meter: Arc<Meter>,
    clock: Box<dyn Fn() -> Now + Send>,
    last: u64,
    live: HashMap<CallId, Live, foldhash::fast::FixedState>,
}

/// What must be known of a call to count it when it is over.
#[derive(Debug)]
struct Live {
    direction: Direction,
    offered: Timestamp,
    /// When its first fact was on the disk, or was waited for no longer.
    on_record: Timestamp,
    heard: bool,
    answered: bool,
}

impl<L> Metered<L> {
    /// Counts what goes into `ledger`.
    pub fn new(ledger: L, meter: Arc<Meter>, clock: Box<dyn Fn() -> Now + Send>) -> Metered<L> {
        Metered { ledger, meter, clock, last: 0, live: HashMap::default() }
    }

    fn count(&mut self, noted: &Noted, now: Timestamp, counted: &mut Counted) {
        counted.facts += 1;
        match &noted.fact {
            Fact::Call(id, step) => self.count_step(*id, noted.at, step, now, counted),
            Fact::Streamed { streamed, .. } => {
                counted.packets += streamed.packets;
                counted.forwarded += streamed.forwarded;
                counted.lost += streamed.lost;
                counted.foreign += streamed.foreign;
                if streamed.packets > 0 {
                    self.meter.jitter.observe(Duration::from_micros(streamed.jitter_us));
                }
            }
            Fact::Alarm(alarm) => {
                counted.guarantee_suspended += u64::from(*alarm == Alarm::GuaranteeSuspended);
                if let Some(word) = word(alarm) {
                    *counted.alarms.entry(word).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn count_step(&mut self, id: CallId, at: Timestamp, step: &CallFact, now: Timestamp, counted: &mut Counted) {
        match step {
            CallFact::Offered(offered) => {
                let on_record = now.min(at.checked_add(PATIENCE_WITH_DISK).unwrap_or(now)).max(at);
                let direction = offered.direction;
                self.live.insert(id, Live { direction, offered: at, on_record, heard: false, answered: false });
            }
            CallFact::Ringing { .. } | CallFact::Served { .. } => self.heard(id, at),
            CallFact::Answered { human, .. } => {
                self.heard(id, at);
                if let (true, Some(live)) = (*human, self.live.get_mut(&id))
                    && !std::mem::replace(&mut live.answered, true)
                {
                    self.meter.answer.observe(since(at.max(live.on_record), live.offered));
                }
            }
            CallFact::Ended(ended) => {
                if let Some(live) = self.live.remove(&id) {
                    end(&live, ended, counted);
                    tighten(&mut self.live);
                }
            }
            _ => {}
        }
    }

    /// The caller hears something: not before their call is on record.
    fn heard(&mut self, id: CallId, at: Timestamp) {
        if let Some(live) = self.live.get_mut(&id)
            && !std::mem::replace(&mut live.heard, true)
        {
            self.meter.post_dial.observe(since(at.max(live.on_record), live.offered));
        }
    }
}

impl<L: Ledger> Ledger for Metered<L> {
    fn write(&mut self, facts: &[Noted]) -> Result<(), StoreError> {
        let before = (self.clock)().mono;
        let written = self.ledger.write(facts);
        let now = (self.clock)();
        let meter = self.meter.clone();
        let mut counted = meter.lock();
        if written.is_err() {
            counted.failures += 1;
            return written;
        }
        meter.commit.observe(now.mono.since(before));
        counted.committed = Some(now.wall);
        // After an error in its very last step a batch comes again.
        let last = self.last;
        for noted in facts.iter().filter(|noted| noted.number > last) {
            self.count(noted, now.wall, &mut counted);
        }
        self.last = facts.last().map_or(self.last, |noted| self.last.max(noted.number));
        written
    }
}

fn end(live: &Live, ended: &Ended, counted: &mut Counted) {
    let outcome = match ended.missed {
        Some(_) => Outcome::Missed,
        None if live.answered => Outcome::Answered,
        None => Outcome::Unanswered,
    };
    *counted.calls.entry((live.direction, outcome)).or_default() += 1;
    counted.talk_ms += ended.talk_ms;
    if let Some(cause) = ended.missed {
        *counted.missed.entry(cause).or_default() += 1;
        // 503 is overload, which the core counts, as most of those calls have no record of their own.
        counted.over_limit += u64::from(cause == MissedCause::Capacity && ended.status == 486);
    }
}

fn since(at: Timestamp, earlier: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(earlier)).unwrap_or_default()
}

/// What an alarm is called; `None` for those that say that something is over, or are counted elsewhere.
fn word(alarm: &Alarm) -> Option<&'static str> {
    Some(match alarm {
        Alarm::GuaranteeSuspended => "guarantee_suspended",
        Alarm::Pressure { on: true } => "pressure",
        Alarm::UnknownDid { .. } => "unknown_did",
        Alarm::Emergency { .. } => "emergency",
        Alarm::TrunksExhausted { .. } => "trunks_exhausted",
        Alarm::RecordingLoses { .. } => "recording_loses",
        Alarm::Undelivered { .. } => "undelivered",
        Alarm::OneWay { .. } => "one_way",
        Alarm::PinGuessed { .. } => "pin_guessed",
        Alarm::MediaPort { .. } => "media_port",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Instant;
    use crate::store::fixture::{at, call, numbered, ordinary};

    struct Disk(u32);

    impl Ledger for Disk {
        fn write(&mut self, _facts: &[Noted]) -> Result<(), StoreError> {
            self.0 = self.0.saturating_sub(1);
            if self.0 > 0 { Err(StoreError::for_test("full")) } else { Ok(()) }
        }
    }

    fn metered(failures: u32) -> (Metered<Disk>, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        let clock = || Now { mono: Instant::START, wall: at(0) };
        (Metered::new(Disk(failures + 1), meter.clone(), Box::new(clock)), meter)
    }

    #[test]
    fn a_call_is_counted_once_when_it_is_on_the_disk() {
        let (mut metered, meter) = metered(1);
        let facts = numbered(1, ordinary(call(0), 0));
        assert!(metered.write(&facts).is_err());
        let counted = meter.counted();
        assert_eq!((counted.facts, counted.failures, counted.calls.len()), (0, 1, 0));
        metered.write(&facts).unwrap();
        metered.write(&facts).unwrap();
        let counted = meter.counted();
        assert_eq!((counted.facts, counted.failures), (facts.len() as u64, 1));
        assert_eq!(counted.calls, BTreeMap::from([((Direction::Inbound, Outcome::Answered), 1)]));
        assert_eq!((meter.post_dial.spans().count, meter.answer.spans().count), (1, 1));
        assert!(metered.live.is_empty());
    }
}
