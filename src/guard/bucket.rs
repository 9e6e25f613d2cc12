//! A bucket of tokens: so many in a second, and a few more at once after a quiet while.

use crate::clock::Instant;

const TOKEN: u64 = 1_000_000;

/// How much is left, and when that was so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    millionths: u64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(burst: u32, now: Instant) -> Bucket {
        Bucket { millionths: u64::from(burst) * TOKEN, at: now }
    }

    /// Takes a token, if there is one; `rate` come in a second, and no more than `burst` are kept.
    pub(super) fn take(&mut self, rate: u32, burst: u32, now: Instant) -> bool {
        let come = (now.since(self.at).as_micros() as u64).saturating_mul(u64::from(rate));
        self.millionths = self.millionths.saturating_add(come).min(u64::from(burst) * TOKEN);
        self.at = now;
        let some = self.millionths >= TOKEN;
        if some {
            self.millionths -= TOKEN;
        }
        some
    }

    /// True where [`Bucket::take`] would find nothing.
    pub(super) fn is_empty(&self, rate: u32, now: Instant) -> bool {
        let come = (now.since(self.at).as_micros() as u64).saturating_mul(u64::from(rate));
        self.millionths.saturating_add(come) < TOKEN
    }

    /// When it was used last.
    pub(super) fn used(&self) -> Instant {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Duration;

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_so_many_in_a_second() {
        let (rate, burst, start) = (20, 40, Instant::from_micros(5));
        let mut bucket = Bucket::full(burst, start);
        assert_eq!((0..100).filter(|_| bucket.take(rate, burst, start)).count(), 40);
        assert!(bucket.is_empty(rate, start + Duration::from_millis(49)));
        assert!(!bucket.is_empty(rate, start + Duration::from_millis(50)));
        let second = (0..1000).map(|milli| start + Duration::from_millis(milli));
        assert_eq!(second.filter(|now| bucket.take(rate, burst, *now)).count(), 19);
        let hour = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| bucket.take(rate, burst, hour)).count(), 40);
    }
}
