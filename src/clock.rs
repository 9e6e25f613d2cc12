//! Time as a value: whoever needs to know what time it is is told, nobody asks the machine.
//!
//! [`Now`] carries two clocks. Timers run on `mono`, which never jumps; schedules and records use `wall`.
//! [`Deadlines`] is the one ordered set of everything that is still to happen.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, Sub};
pub use std::time::Duration;

pub use jiff::Timestamp;

/// A moment on the monotonic clock, in microseconds since the process (or the trace) began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment at which the clock started.
    pub const START: Instant = Instant(0);

    /// The moment `micros` microseconds after the start.
    pub const fn from_micros(micros: u64) -> Instant {
        Instant(micros)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long before `self` the `earlier` moment was; zero if it was not.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, span: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:.6}s", self.0 as f64 / 1e6)
    }
}

/// What time it is, on both clocks, at the moment an input is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: timers run on it.
    pub mono: Instant,
    /// Civil time as UTC: schedules and records use it.
    pub wall: Timestamp,
}

impl Now {
    /// The same two clocks, `span` later.
    pub fn after(self, span: Duration) -> Now {
        let wall = jiff::SignedDuration::try_from(span)
            .ok()
            .and_then(|span| self.wall.checked_add(span).ok())
            .unwrap_or(Timestamp::MAX);
        Now { mono: self.mono + span, wall }
    }
}

/// A handle to one entry of [`Deadlines`], needed to cancel it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Deadline {
    at: Instant,
    serial: u64,
}

impl Deadline {
    /// When it is due.
    pub fn at(self) -> Instant {
        self.at
    }
}

/// Everything that is still to happen, in order: by time, then in the order in which it was set.
#[derive(Debug)]
pub struct Deadlines<K> {
    entries: BTreeMap<Deadline, K>,
    serial: u64,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Deadlines { entries: BTreeMap::new(), serial: 0 }
    }
}

impl<K> Deadlines<K> {
    /// Sets `key` to come due at `at`. Keep the handle to cancel it.
    pub fn set(&mut self, at: Instant, key: K) -> Deadline {
        self.serial += 1;
        let deadline = Deadline { at, serial: self.serial };
        self.entries.insert(deadline, key);
        deadline
    }

    /// Takes an entry out before it is due; `None` if it has already come due or was cancelled.
    pub fn cancel(&mut self, deadline: Deadline) -> Option<K> {
        self.entries.remove(&deadline)
    }

    /// When the first entry is due.
    pub fn first(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(deadline, _)| deadline.at)
    }

    /// Takes the first entry out if it is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let entry = self.entries.first_entry()?;
        (entry.key().at <= now).then(|| entry.remove())
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True where nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Everything that waits, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, &K)> {
        self.entries.iter().map(|(deadline, key)| (deadline.at, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_together_comes_in_the_order_in_which_it_was_set() {
        let at = Instant::from_micros(5);
        let mut deadlines = Deadlines::default();
        deadlines.set(at, "first");
        let second = deadlines.set(at, "second");
        deadlines.set(at, "third");
        deadlines.set(Instant::from_micros(1), "earliest");
        assert_eq!(deadlines.cancel(second), Some("second"));
        assert_eq!(deadlines.cancel(second), None);
        assert_eq!(deadlines.first(), Some(Instant::from_micros(1)));
        let due: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(at)).collect();
        assert_eq!(due, ["earliest", "first", "third"]);
    }
}
