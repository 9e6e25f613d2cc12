//! The record keeper: facts go in at any speed, and come out on the disk in order, many in one transaction.
//!
//! It has a thread of its own, so that no call ever waits for a disk. What has gathered while the disk was busy is the
//! next batch (group commit); after each batch it says up to which fact the record is safe, and a caller who hears
//! ringing waits for just that.
//!
//! ```text
//! loop ── note() ──► queue ──► batch ──► Ledger::write ──► Report::Journaled(n)
//!                     │ half full: true      │ fails: Report::Failing, again until it succeeds
//! ```
//!
//! A fact for which somebody waits (a call's first, a phone's registration) is written at once; the later steps of a call wait
//! up to 100 ms for such a one, so that a quiet office saves most of its commits. What a power cut takes of those is put
//! right at the restart, like every call that was open.
//!
//! A disk that is full, slow, read-only or locked loses nothing: the facts stay in memory, in order, and are tried
//! again. That memory is bounded by refusing new calls: [`Journal::note`] says when it is half full, and what the calls in
//! progress still have to tell fits into the other half.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::clock::Duration;
use crate::fact::{CallFact, Fact, Noted};
use crate::kill_point::kill_point;
use crate::store::{StoreError, Writer};

/// Where a batch of facts is made durable.
pub trait Ledger: Send + 'static {
    /// Writes all of them, in order, or none; when it returns they survive a power cut. Writing a batch again after an
    /// error must be right, also where the error came after the last step.
    ///
    /// # Errors
    /// The batch is to be written again later.
    fn write(&mut self, facts: &[Noted]) -> Result<(), StoreError>;
}

impl Ledger for Writer {
    fn write(&mut self, facts: &[Noted]) -> Result<(), StoreError> {
        self.append(facts)
    }
}

/// What the journal has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// Every fact up to this number is on the disk.
    Journaled(u64),
    /// The memory is no longer half full: new calls are welcome again.
    Relieved,
    /// Facts cannot be written, for this reason; they are kept and tried again. Said once for each new reason.
    Failing(String),
    /// What could not be written has been written.
    Writing,
}

/// How fast, how much, how patient.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The least time from one batch to the next, so that a busy office shares its commits. Whoever comes after a pause
    /// is written at once.
    pub gather: Duration,
    /// How long facts may wait for company for which nobody waits: a step in the life of a call that is on record. An office
    /// in which little happens saves most of its commits by that.
    pub linger: Duration,
    /// How long to wait before a failed batch is tried again; doubles up to 20 times this.
    pub retry: Duration,
    /// Bytes of memory that facts may take, roughly. From half of it on, new calls are to be refused.
    pub memory: usize,
    /// Most facts in one transaction.
    pub batch: usize,
}

impl Default for Pace {
    fn default() -> Pace {
        let linger = Duration::from_millis(100);
        Pace {
            // Nobody hears such a delay, and each batch costs as much as three calls.
            gather: Duration::from_millis(40),
            linger,
            retry: Duration::from_millis(50),
            memory: 64 << 20,
            batch: 4096,
        }
    }
}

/// Facts for which room is kept between two batches: more than a busy office notes meanwhile.
const KEPT: usize = 1024;

/// Facts that did not reach the disk before the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unwritten {
    /// How many.
    pub facts: usize,
    /// What the disk said last.
    pub why: String,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} facts could not be written: {}", self.facts, self.why)
    }
}

impl std::error::Error for Unwritten {}

/// The way into the journal. Dropping it without [`Journal::close`] also writes what is there, without saying whether
/// that succeeded.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), Unwritten>>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signalled for the first fact of an empty queue, and for the end.
    wake: Condvar,
    memory: usize,
}

#[derive(Debug, Default)]
struct Queue {
    facts: Vec<Noted>,
    /// Bytes, roughly: what waits here and what is being written.
    weight: usize,
    /// New calls are being refused.
    pressed: bool,
    /// The thread rests between two batches, and looks by itself when it is over.
    resting: bool,
    /// Somebody waits for one of the facts.
    urgent: bool,
    /// How often a batch may still fail; set at the end.
    closing: Option<u32>,
}

impl Journal {
    /// Starts the thread. `report` is called on it and must not block.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        ledger: impl Ledger,
        pace: Pace,
        report: impl FnMut(Report) + Send + 'static,
    ) -> std::io::Result<Journal> {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new(), memory: pace.memory });
        let keeper = Keeper { shared: shared.clone(), ledger, pace, report, batch: Vec::new(), failing: None };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || keeper.run())?;
        Ok(Journal { shared, thread: Some(thread) })
    }

    /// Takes facts, in the order of their numbers; never waits for the disk and never refuses. True where the memory
    /// has just become half full: new calls are to be refused until [`Report::Relieved`].
    #[must_use = "new calls must be refused from here on"]
    pub fn note(&self, facts: impl IntoIterator<Item = Noted>) -> bool {
        let mut queue = self.shared.lock();
        let (was_empty, was_urgent) = (queue.facts.is_empty(), queue.urgent);
        for noted in facts {
            queue.weight += weight(&noted);
            queue.urgent |= is_urgent(&noted.fact);
            queue.facts.push(noted);
        }
        let is_news = was_empty && !queue.facts.is_empty() || queue.urgent && !was_urgent;
        if is_news && !queue.resting {
            self.shared.wake.notify_one();
        }
        let half_full = queue.weight > self.shared.memory / 2;
        half_full && !std::mem::replace(&mut queue.pressed, true)
    }

    /// Writes what is there and ends. A disk that fails is tried again `tries` times more.
    ///
    /// # Errors
    /// Facts are lost, for the reason given.
    pub fn close(mut self, tries: u32) -> Result<(), Unwritten> {
        self.end(tries)
    }

    fn end(&mut self, tries: u32) -> Result<(), Unwritten> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.shared.lock().closing = Some(tries);
        self.shared.wake.notify_one();
        thread.join().unwrap_or_else(|_| {
            let facts = self.shared.lock().facts.len();
            Err(Unwritten { facts, why: "the journal's thread has died; its log line says why".into() })
        })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.end(3);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic cannot leave a queue half changed: every change is one push.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `span`, or until the end is near. What is left of its tries.
    fn rest(&self, span: Duration) -> Option<u32> {
        let mut queue = self.lock();
        queue.resting = true;
        let rested = self.wake.wait_timeout_while(queue, span, |queue| queue.closing.is_none());
        let mut queue = rested.unwrap_or_else(PoisonError::into_inner).0;
        queue.resting = false;
        queue.closing
    }
}

/// The thread's own side.
struct Keeper<L, R> {
    shared: Arc<Shared>,
    ledger: L,
    pace: Pace,
    report: R,
    /// Being written; in order, and before everything in the queue.
    batch: Vec<Noted>,
    /// What the disk said last, while it fails.
    failing: Option<String>,
}

impl<L: Ledger, R: FnMut(Report)> Keeper<L, R> {
    fn run(mut self) -> Result<(), Unwritten> {
        while self.gather() {
            let mut written = 0;
            while written < self.batch.len() {
                let until = self.batch.len().min(written + self.pace.batch.max(1));
                self.write(written, until)?;
                written = until;
            }
            self.batch.clear();
            // What gathered while the disk stood still was perhaps a hundred times as much.
            self.batch.shrink_to(KEPT);
            self.shared.rest(self.pace.gather);
        }
        Ok(())
    }

    /// Waits for facts and takes all there are; false where there are none and none will come.
    fn gather(&mut self) -> bool {
        let waiting =
            self.shared.wake.wait_while(self.shared.lock(), |queue| queue.facts.is_empty() && queue.closing.is_none());
        let queue = waiting.unwrap_or_else(PoisonError::into_inner);
        let alone = |queue: &mut Queue| !queue.urgent && queue.closing.is_none();
        let joined = self.shared.wake.wait_timeout_while(queue, self.pace.linger, alone);
        let mut queue = joined.unwrap_or_else(PoisonError::into_inner).0;
        queue.urgent = false;
        std::mem::swap(&mut queue.facts, &mut self.batch);
        !self.batch.is_empty()
    }

    /// Writes a part of the batch, however long it takes, and says so.
    fn write(&mut self, from: usize, until: usize) -> Result<(), Unwritten> {
        let mut pause = self.pace.retry;
        let mut failed = 0;
        while let Err(error) = self.ledger.write(&self.batch[from..until]) {
            let why = error.to_string();
            if self.failing.as_ref() != Some(&why) {
                tracing::error!(%why, "the journal cannot write; facts are kept in memory and tried again");
                (self.report)(Report::Failing(why.clone()));
                self.failing = Some(why.clone());
            }
            if let Some(tries) = self.shared.rest(pause) {
                failed += 1;
                if failed > tries {
                    let waiting = self.shared.lock().facts.len();
                    return Err(Unwritten { facts: self.batch.len() - from + waiting, why });
                }
                // The rest above is over at once when the end is near: wait here, or the tries would be used up in a
                // microsecond.
                std::thread::sleep(pause);
            }
            pause = (pause * 2).min(self.pace.retry * 20);
        }
        if self.failing.take().is_some() {
            tracing::info!("the journal writes again");
            (self.report)(Report::Writing);
        }
        if let Some(last) = self.batch[..until].last() {
            (self.report)(Report::Journaled(last.number));
            kill_point("after_report");
        }
        self.relieve(from, until);
        Ok(())
    }

    /// What is written takes no memory any more.
    fn relieve(&mut self, from: usize, until: usize) {
        let written: usize = self.batch[from..until].iter().map(weight).sum();
        let mut queue = self.shared.lock();
        queue.weight -= written;
        if queue.pressed && queue.weight <= self.shared.memory / 4 {
            queue.pressed = false;
            drop(queue);
            (self.report)(Report::Relieved);
        }
    }
}

/// True where somebody waits until this is on the disk: a caller to hear us, a phone to be registered, an admin.
fn is_urgent(fact: &Fact) -> bool {
    match fact {
        Fact::Call(_, step) => matches!(step, CallFact::Offered(_)),
        Fact::Counted(_) => false,
        _ => true,
    }
}

/// What a fact takes in memory, roughly and cheaply: its place, and the few texts that can be long.
fn weight(noted: &Noted) -> usize {
    let texts = match &noted.fact {
        Fact::Call(_, CallFact::Offered(offered)) => 768 + offered.plan.len() + 64 * offered.because.len(),
        Fact::Call(_, CallFact::Traced { ladder, tape }) => {
            ladder.len() + tape.as_ref().map_or(0, |tape| tape.strip.len())
        }
        Fact::Call(_, CallFact::Rung(rung)) => 128 * rung.len(),
        Fact::Bound(bound) => 512 + bound.contact.len() + bound.identity.len(),
        _ => 64,
    };
    size_of::<Noted>() + texts
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::store::fixture::{at, call, numbered, ordinary, step};

    /// A ledger that a test answers by hand: it says what it was asked to write, and does what it is told.
    struct ByHand {
        asked: Sender<Vec<u64>>,
        told: Receiver<Result<(), &'static str>>,
    }

    impl Ledger for ByHand {
        fn write(&mut self, facts: &[Noted]) -> Result<(), StoreError> {
            self.asked.send(facts.iter().map(|fact| fact.number).collect()).unwrap();
            self.told.recv().unwrap_or(Ok(())).map_err(StoreError::for_test)
        }
    }

    struct Hand {
        journal: Journal,
        asked: Receiver<Vec<u64>>,
        tell: Sender<Result<(), &'static str>>,
        reports: Receiver<Report>,
    }

    fn by_hand(pace: Pace) -> Hand {
        let ((asking, asked), (tell, told), (reporting, reports)) = (channel(), channel(), channel());
        let ledger = ByHand { asked: asking, told };
        let journal = Journal::start(ledger, pace, move |report| drop(reporting.send(report))).unwrap();
        Hand { journal, asked, tell, reports }
    }

    fn quick() -> Pace {
        Pace { gather: Duration::ZERO, linger: Duration::ZERO, retry: Duration::from_millis(1), ..Pace::default() }
    }

    fn held(first: u64, count: usize) -> Vec<Noted> {
        let fact = || (0, step(call(0), CallFact::Held { leg: 1, held: true }));
        numbered(first, std::iter::repeat_with(fact).take(count))
    }

    #[test]
    fn what_gathers_while_the_disk_is_busy_is_one_batch_and_each_batch_is_reported_by_its_last_number() {
        let hand = by_hand(quick());
        assert!(!hand.journal.note(held(1, 1)));
        assert_eq!(hand.asked.recv().unwrap(), [1]);
        assert!(!hand.journal.note(held(2, 2)));
        assert!(!hand.journal.note(held(4, 1)));
        hand.tell.send(Ok(())).unwrap();
        assert_eq!(hand.reports.recv().unwrap(), Report::Journaled(1));
        assert_eq!(hand.asked.recv().unwrap(), [2, 3, 4]);
        hand.tell.send(Ok(())).unwrap();
        assert_eq!(hand.reports.recv().unwrap(), Report::Journaled(4));
        assert_eq!(hand.journal.close(0), Ok(()));
    }

    #[test]
    fn a_fact_for_which_nobody_waits_waits_for_one_that_somebody_waits_for() {
        let hand = by_hand(Pace { linger: Duration::from_secs(3600), ..quick() });
        assert!(!hand.journal.note(held(1, 2)));
        assert!(!hand.journal.note(numbered(3, ordinary(call(0), 0)).into_iter().take(1)));
        assert_eq!(hand.asked.recv().unwrap(), [1, 2, 3], "the first fact of a call takes the others with it");
        hand.tell.send(Ok(())).unwrap();
        assert!(!hand.journal.note(held(4, 1)));
        drop(hand.tell);
        assert_eq!(hand.journal.close(0), Ok(()));
        assert_eq!(hand.asked.recv().unwrap(), [4], "the end does not wait");
    }

    #[test]
    fn a_disk_that_fails_loses_nothing_and_the_order_stays() {
        let hand = by_hand(quick());
        assert!(!hand.journal.note(held(1, 2)));
        for answer in [Err("disk full"), Err("disk full"), Err("read-only"), Ok(())] {
            assert_eq!(hand.asked.recv().unwrap(), [1, 2]);
            hand.tell.send(answer).unwrap();
        }
        let reports: Vec<_> = hand.reports.iter().take(4).collect();
        let [Report::Failing(first), Report::Failing(second), Report::Writing, Report::Journaled(2)] = &reports[..]
        else {
            panic!("{reports:?}");
        };
        assert!(first.ends_with("disk full") && second.ends_with("read-only"), "{reports:?}");
        assert!(!hand.journal.note(held(3, 1)));
        assert_eq!(hand.asked.recv().unwrap(), [3]);
        hand.tell.send(Ok(())).unwrap();
        assert_eq!(hand.journal.close(0), Ok(()));
    }

    #[test]
    fn half_full_memory_is_said_once_and_relief_when_a_quarter_is_left() {
        let one = weight(&held(1, 1)[0]);
        let hand = by_hand(Pace { memory: 8 * one, batch: 2, ..quick() });
        assert!(!hand.journal.note(held(1, 1)));
        assert_eq!(hand.asked.recv().unwrap(), [1]);
        assert!(!hand.journal.note(held(2, 3)));
        assert!(hand.journal.note(held(5, 1)));
        assert!(!hand.journal.note(held(6, 10)));
        for batch in [[2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]] {
            hand.tell.send(Ok(())).unwrap();
            assert_eq!(hand.asked.recv().unwrap(), batch);
        }
        hand.tell.send(Ok(())).unwrap();
        assert_eq!(hand.asked.recv().unwrap(), [14, 15]);
        hand.tell.send(Ok(())).unwrap();
        let journaled = [1, 3, 5, 7, 9, 11, 13].map(Report::Journaled);
        assert_eq!(hand.reports.iter().take(8).collect::<Vec<_>>(), [&journaled[..], &[Report::Relieved]].concat());
        assert_eq!(hand.journal.close(0), Ok(()));
    }

    #[test]
    fn the_end_waits_for_the_last_fact_and_says_what_could_not_be_written() {
        let hand = by_hand(quick());
        assert!(!hand.journal.note(held(1, 1)));
        hand.asked.recv().unwrap();
        assert!(!hand.journal.note(held(2, 2)));
        for _ in 0..100 {
            hand.tell.send(Err("disk full")).unwrap();
        }
        let unwritten = hand.journal.close(1).unwrap_err();
        assert_eq!(unwritten.facts, 3);
        assert!(unwritten.to_string().starts_with("3 facts could not be written: "), "{unwritten}");
    }

    #[test]
    fn a_journal_on_a_real_disk_keeps_what_it_reports() {
        let folder = crate::store::fixture::Folder::new();
        let (reporting, reports) = channel();
        let writer = folder.writer();
        let journal = Journal::start(writer, Pace::default(), move |report| drop(reporting.send(report))).unwrap();
        assert!(!journal.note(numbered(1, ordinary(call(0), 0))));
        assert_eq!(reports.recv().unwrap(), Report::Journaled(8));
        let reader = crate::store::Reader::open(&folder.0).unwrap();
        assert_eq!(reader.call(call(0)).unwrap().unwrap().row.ended, Some(at(94)));
        assert_eq!(journal.close(0), Ok(()));
    }
}
