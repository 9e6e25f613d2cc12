//! How long something takes, as programs that watch us want to know it: how often it took up to so long. Nobody waits for
//! it, neither who counts nor who looks.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Duration;

/// Most bounds of one histogram.
const BOUNDS: usize = 16;

/// Counts spans by how long they were.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds in microseconds, ascending; a span that is as long as a bound lies under it.
    bounds: &'static [u64],
    /// Spans under each bound and above the one before; the last place has those above all.
    counts: [AtomicU64; BOUNDS + 1],
    /// All spans together, in microseconds.
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Spans {
    /// Each bound in seconds, and how many spans were not longer.
    pub up_to: Vec<(f64, u64)>,
    /// How many spans there were.
    pub count: u64,
    /// All of them together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// An empty one with these upper bounds in microseconds, ascending; of more than 16 the first 16 count.
    pub const fn new(bounds: &'static [u64]) -> Histogram {
        Histogram { bounds, counts: [const { AtomicU64::new(0) }; BOUNDS + 1], sum: AtomicU64::new(0) }
    }

    /// Counts a span.
    pub fn observe(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let place = self.bounds.iter().take(BOUNDS).position(|bound| micros <= *bound);
        let place = place.unwrap_or(self.bounds.len().min(BOUNDS));
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// How it stands. What is counted meanwhile may be in the sum already and not among the spans.
    pub fn spans(&self) -> Spans {
        let mut count = 0;
        let mut below = |place: usize| {
            count += self.counts[place].load(Ordering::Relaxed);
            count
        };
        let bounds = self.bounds.iter().take(BOUNDS).enumerate();
        let up_to = bounds.map(|(place, bound)| (*bound as f64 / 1e6, below(place))).collect();
        let count = below(self.bounds.len().min(BOUNDS));
        Spans { up_to, count, sum: self.sum.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_lies_under_its_bound_and_under_every_longer_one() {
        let histogram = Histogram::new(&[1_000, 10_000]);
        for micros in [0, 1_000, 1_001, 10_000, 10_001, 5_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let Spans { up_to, count, sum } = histogram.spans();
        assert_eq!(up_to, [(0.001, 2), (0.01, 4)]);
        assert_eq!(count, 6);
        assert!((sum - 5.022_002).abs() < 1e-9, "{sum}");
    }
}
