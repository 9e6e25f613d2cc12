//! Whether there is time for new calls, told from how late we come to what has arrived.
//!
//! A router that takes every call when there is more to do than it can do finishes none: what it does was asked so long
//! ago that whoever asked has given up or asked again. So new calls are refused while the work that was taken goes on, and
//! the refusal costs a small part of the call.
//!
//! ```text
//!          late at every look for INTERVAL
//!   Calm ──────────────────────────────────► Overloaded: a new call is refused where it comes late, and else taken
//!    ▲                                            │
//!    └────────── not late once for CALM ──────────┘
//! ```
//!
//! A single stall (the machine slept, a large configuration was read) is no overload: it is caught up with in less than
//! [`INTERVAL`]. In an overload the queue stays about [`TARGET`] long: who comes while it is longer is refused, which
//! shortens it at once, so nothing needs to be tuned to how fast the machine is or how much is offered. The idea of
//! looking at how long a queue has *stood*, and not at how long it is, is that of CoDel (RFC 8289 §3); what is refused, how, and
//! what never is, follows RFC 7200 §5 and RFC 3261 §21.5.4.

use crate::clock::{Duration, Instant, Now, Timestamp};

/// How late a new call may come to be handled. Each message of a call waits so long at most in an overload, so a caller
/// hears ringing in twice that time, far from the 500 ms after which an INVITE is repeated.
pub const TARGET: Duration = Duration::from_millis(50);

/// How long we must have been late without a break.
pub const INTERVAL: Duration = Duration::from_millis(100);

/// How long all must be well before it is said that the overload is over. A load that comes and goes is one overload.
pub const CALM: Duration = Duration::from_secs(5);

/// Looks further apart than this say nothing of what was between them.
const APART: Duration = Duration::from_secs(1);

/// How it stands.
#[derive(Debug, Default)]
pub struct Overload {
    /// How late we are, as far as we know.
    by: Duration,
    /// Since when every look found us late, and the last look.
    late: Option<(Instant, Instant)>,
    current: Option<Current>,
}

/// An overload that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Current {
    /// Since when.
    pub since: Timestamp,
    /// How many requests for a new call were refused for it, each counted once.
    pub refused: u64,
    /// Since when on the clock of timers.
    began: Instant,
    /// When we were late the last time.
    last: Instant,
}

impl Current {
    /// How long it has gone on.
    pub fn lasted(&self, now: Now) -> Duration {
        now.mono.since(self.began)
    }
}

impl Overload {
    /// What has just arrived has waited so long. True where an overload begins with that: [`Overload::due`] is to be
    /// asked in [`CALM`].
    pub fn late(&mut self, by: Duration, now: Now) -> bool {
        self.by = by;
        if by < TARGET {
            self.late = None;
            return false;
        }
        let since = match self.late {
            Some((since, last)) if now.mono.since(last) <= APART => since,
            _ => now.mono,
        };
        self.late = Some((since, now.mono));
        match &mut self.current {
            Some(current) => {
                current.last = now.mono;
                false
            }
            None if now.mono.since(since) >= INTERVAL => {
                self.current = Some(Current { since: now.wall, refused: 0, began: now.mono, last: now.mono });
                true
            }
            None => false,
        }
    }

    /// True where a new call that comes now is to be refused.
    pub fn refuses(&self) -> bool {
        self.current.is_some() && self.by >= TARGET
    }

    /// One was.
    pub fn refused(&mut self) {
        if let Some(current) = &mut self.current {
            current.refused += 1;
        }
    }

    /// The overload that goes on, if one does.
    pub fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// What became of it: it is over (what it was is given), or it goes on, and this is to be asked again then.
    pub fn due(&mut self, now: Now) -> Result<Current, Instant> {
        match self.current {
            Some(current) if now.mono.since(current.last) >= CALM => {
                *self = Overload::default();
                Ok(current)
            }
            Some(current) => Err(current.last + CALM),
            None => Err(now.mono + CALM),
        }
    }
}

/// The requests that were turned away last, by a number that repetitions share. A later one may take an earlier one's
/// place: so it needs no clock, and never more than 128 KiB.
#[derive(Debug, Default)]
pub struct TurnedAway {
    marks: Box<[u64]>,
}

impl TurnedAway {
    const PLACES: usize = 1 << 14;

    fn place(mark: u64) -> usize {
        mark as usize % TurnedAway::PLACES
    }

    /// True where it was turned away.
    pub fn has(&self, mark: u64) -> bool {
        self.marks.get(TurnedAway::place(mark)) == Some(&mark)
    }

    /// True where it is new.
    pub fn remember(&mut self, mark: u64) -> bool {
        if self.marks.is_empty() {
            self.marks = vec![0; TurnedAway::PLACES].into();
        }
        std::mem::replace(&mut self.marks[TurnedAway::place(mark)], mark) != mark
    }

    /// True where nothing was turned away that may still be repeated.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Nothing of it is repeated any more.
    pub fn forget(&mut self) {
        self.marks = Box::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn start() -> Now {
        Now { mono: Instant::from_micros(1_000_000), wall: Timestamp::UNIX_EPOCH }
    }

    /// We are so late at every look, ten milliseconds apart, for so long; how often it was said that an overload begins.
    fn stay(overload: &mut Overload, now: &mut Now, by: Duration, span: Duration) -> usize {
        let looks = span.as_millis() / 10;
        let mut begun = 0;
        for _ in 0..looks {
            *now = now.after(10 * MS);
            begun += usize::from(overload.late(by, *now));
        }
        begun
    }

    #[test]
    fn a_stall_is_no_overload_however_long_it_was_if_it_is_soon_caught_up_with() {
        let (mut overload, mut now) = (Overload::default(), start());
        for by in [900, 700, 400, 200, 60, 10] {
            now = now.after(15 * MS);
            assert!(!overload.late(by * MS, now));
            assert!(!overload.refuses());
        }
        // Two stalls with nothing between them are not one long one.
        now = now.after(Duration::from_secs(10));
        assert!(!overload.late(900 * MS, now) && !overload.late(800 * MS, now.after(20 * MS)));
        now = now.after(Duration::from_secs(10));
        assert!(!overload.late(900 * MS, now));
        assert!(!overload.refuses());
    }

    #[test]
    fn who_comes_late_in_an_overload_is_refused_and_who_comes_in_time_is_not() {
        let (mut overload, mut now) = (Overload::default(), start());
        assert_eq!(stay(&mut overload, &mut now, 60 * MS, 300 * MS), 1);
        assert!(overload.refuses());
        overload.late(49 * MS, now);
        assert!(!overload.refuses());
        overload.late(50 * MS, now);
        assert!(overload.refuses());
        overload.refused();
        assert_eq!(overload.current().map(|current| current.refused), Some(1));
    }

    #[test]
    fn a_load_that_comes_and_goes_is_one_overload() {
        let (mut overload, mut now) = (Overload::default(), start());
        let mut begun = 0;
        for _ in 0..20 {
            begun += stay(&mut overload, &mut now, 80 * MS, 500 * MS);
            begun += stay(&mut overload, &mut now, Duration::ZERO, 3000 * MS);
            assert!(overload.due(now).is_err());
        }
        assert_eq!(begun, 1);
        let again = overload.due(now).unwrap_err();
        assert_eq!(again, now.mono + 2000 * MS);
        assert_eq!(stay(&mut overload, &mut now, 10 * MS, 2000 * MS), 0);
        let over = overload.due(now).unwrap();
        assert_eq!((over.refused, over.lasted(now).as_secs()), (0, 71));
        assert!(overload.current().is_none());
    }

    /// One server, one queue, calls that come evenly: what of them is served, and how late.
    struct Office {
        overload: Overload,
        now: Now,
        /// When what waits has come.
        queue: std::collections::VecDeque<Instant>,
        next: Instant,
        good: u64,
        refused: u64,
        worst: Duration,
    }

    impl Office {
        const SERVING: Duration = Duration::from_micros(1000);
        const REFUSING: Duration = Duration::from_micros(40);

        fn open() -> Office {
            let (overload, now) = (Overload::default(), start());
            let (queue, next) = (Default::default(), now.mono);
            Office { overload, now, queue, next, good: 0, refused: 0, worst: Duration::ZERO }
        }

        /// `rate` calls a second for so long; what is still in the queue from before counts no more.
        fn run(&mut self, rate: u64, span: Duration) {
            let (begin, between) = (self.now.mono, Duration::from_micros(1_000_000 / rate));
            let end = begin + span;
            (self.good, self.refused, self.worst) = (0, 0, Duration::ZERO);
            while self.now.mono < end {
                while self.next <= self.now.mono {
                    self.queue.push_back(self.next);
                    self.next = self.next + between;
                }
                let Some(came) = self.queue.pop_front() else {
                    self.now = self.now.after(self.next.since(self.now.mono));
                    continue;
                };
                let late = self.now.mono.since(came);
                self.overload.late(late, self.now);
                if self.overload.refuses() {
                    self.refused += u64::from(came >= begin);
                    self.now = self.now.after(Office::REFUSING);
                } else {
                    self.good += u64::from(came >= begin && late < Duration::from_millis(400));
                    self.worst = self.worst.max(late);
                    self.now = self.now.after(Office::SERVING);
                }
                _ = self.overload.due(self.now);
            }
        }

        /// The same over one connection, of which so much is read at once, and nobody says when it came: what is known is how long
        /// the last turn took, and since when the connection was not read empty.
        fn run_stream(&mut self, rate: u64, span: Duration) {
            const READ: usize = 320;
            let (begin, between) = (self.now.mono, Duration::from_micros(1_000_000 / rate));
            let (mut took, mut behind) = (Duration::ZERO, None);
            (self.good, self.refused, self.worst) = (0, 0, Duration::ZERO);
            while self.now.mono < begin + span {
                while self.next <= self.now.mono {
                    self.queue.push_back(self.next);
                    self.next = self.next + between;
                }
                let began = self.now.mono;
                let read: Vec<_> = self.queue.drain(..READ.min(self.queue.len())).collect();
                let since = behind.filter(|_| !self.queue.is_empty()).unwrap_or(began);
                behind = (!self.queue.is_empty()).then_some(since);
                self.overload.late(took.max(began.since(since)), self.now);
                if read.is_empty() {
                    self.now = self.now.after(self.next.since(began));
                    took = Duration::ZERO;
                    continue;
                }
                for came in read {
                    if self.overload.refuses() {
                        self.refused += 1;
                        self.now = self.now.after(Office::REFUSING);
                    } else {
                        let late = self.now.mono.since(came);
                        self.good += u64::from(late < Duration::from_millis(400));
                        self.worst = self.worst.max(late);
                        self.now = self.now.after(Office::SERVING);
                    }
                }
                took = self.now.mono.since(began);
                _ = self.overload.due(self.now);
            }
        }
    }

    #[test]
    fn over_one_connection_nobody_waits_longer_and_as_many_are_served() {
        let mut office = Office::open();
        office.run_stream(800, Duration::from_secs(10));
        assert_eq!((office.refused, office.overload.current()), (0, None));
        office.run_stream(3000, Duration::from_secs(30));
        assert!(office.good > 850 * 30, "{}", office.good);
        assert!(office.worst < Duration::from_millis(700), "{:?}", office.worst);
        office.run_stream(500, Duration::from_secs(10));
        assert!(office.refused < 400 && office.overload.current().is_none(), "{}", office.refused);
    }

    #[test]
    fn at_three_times_the_capacity_nine_in_ten_of_it_are_served_in_time_and_at_half_of_it_all_at_once() {
        let mut office = Office::open();
        office.run(800, Duration::from_secs(10));
        assert_eq!((office.refused, office.overload.current()), (0, None));
        office.run(3000, Duration::from_secs(30));
        assert!(office.good > 900 * 30, "{}", office.good);
        assert!(office.worst < Duration::from_millis(200), "{:?}", office.worst);
        office.run(500, Duration::from_secs(10));
        assert!(office.refused < 20, "{}", office.refused);
        assert!(office.overload.current().is_none());
        // A hundred at once are no overload.
        office.run(100_000, Duration::from_millis(1));
        office.run(500, Duration::from_secs(2));
        assert_eq!((office.refused, office.overload.current()), (0, None));
    }

    #[test]
    fn what_was_turned_away_is_remembered_until_another_takes_its_place() {
        let mut turned_away = TurnedAway::default();
        assert!(!turned_away.has(7) && !turned_away.has(0));
        assert!(turned_away.remember(7));
        assert!(!turned_away.remember(7) && turned_away.has(7));
        let other = 7 + TurnedAway::PLACES as u64;
        assert!(turned_away.remember(other));
        assert!(turned_away.has(other) && !turned_away.has(7));
        turned_away.forget();
        assert!(!turned_away.has(other));
    }
}
