//! Nonces made and used.
//!
//! A nonce is a number (when it was made) and a keyed hash of it, so a flood of strangers costs no memory. Only the
//! first success makes us remember it, because from then on each `nc` may be used once (RFC 7616 §3.4.5). Nonces are not
//! bound to an address: a phone that moves from Wi-Fi to LTE keeps its nonce, and the `nc` window already keeps others
//! from repeating what they overheard.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::hash::Hex;
use crate::clock::{Duration, Instant};

/// How long a nonce is good. A phone that refreshes more often than this is asked once an hour.
const NONCE_LIFE: Duration = Duration::from_secs(3600);

/// How many used nonces are remembered; about 1 MB. Where there are more, the oldest go and turn stale.
const NONCES_REMEMBERED: usize = 16_384;

/// How far behind the highest `nc` a late request may be (requests overtake each other on UDP).
const WINDOW: u32 = 64;

/// Why a nonce is no longer good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Worn {
    /// Not ours, too old, or forgotten.
    Old,
    /// This count of it was used before.
    Replayed,
}

/// Nonces made and used.
pub(super) struct Nonces {
    key: [u8; 32],
    last: u64,
    /// Nonces made up to here that are not in `used` may have been used and forgotten: they are stale.
    forgotten: u64,
    used: BTreeMap<u64, Window>,
}

/// Which counts of one nonce were seen: the highest, and a bit for each of the 64 up to it.
#[derive(Clone, Copy, Debug)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Window {
    fn spend(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 } | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let fresh = behind < WINDOW && self.seen & 1 << behind == 0;
        if fresh {
            self.seen |= 1 << behind;
        }
        fresh
    }
}

impl Nonces {
    pub(super) fn new(key: [u8; 32]) -> Nonces {
        Nonces { key, last: 0, forgotten: 0, used: BTreeMap::new() }
    }

    /// A nonce nobody had before: microseconds since the start, always growing, and their keyed hash.
    pub(super) fn issue(&mut self, now: Instant) -> Hex {
        self.last = now.as_micros().max(self.last + 1);
        self.written(self.last)
    }

    /// How many are remembered because they were used with success.
    pub(super) fn remembered(&self) -> usize {
        self.used.len()
    }

    /// 16 hex digits of time and 16 of hash: enough that nobody guesses one in an hour, and no more, because it goes to
    /// strangers, who must not get much more than they send. The hash's input has one fixed length and its output is cut, so a plain
    /// prefix key is enough.
    fn written(&self, made: u64) -> Hex {
        let hash = Sha256::new().chain_update(self.key).chain_update(made.to_be_bytes()).finalize();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&made.to_be_bytes());
        bytes[8..].copy_from_slice(&hash[..8]);
        Hex::of(&bytes)
    }

    /// When this nonce was made, if we made it.
    fn made(&self, nonce: &[u8]) -> Option<u64> {
        let time = nonce.get(..16).and_then(|time| std::str::from_utf8(time).ok())?;
        let made = u64::from_str_radix(time, 16).ok()?;
        self.written(made).is(nonce).then_some(made)
    }

    /// Uses up one count of a nonce; without a count the nonce is good once.
    pub(super) fn spend(&mut self, nonce: &[u8], count: Option<u32>, now: Instant) -> Result<(), Worn> {
        let made = self.made(nonce).ok_or(Worn::Old)?;
        if now.since(Instant::from_micros(made)) > NONCE_LIFE {
            return Err(Worn::Old);
        }
        match (self.used.get_mut(&made), count) {
            (Some(window), Some(count)) => return window.spend(count).then_some(()).ok_or(Worn::Replayed),
            (Some(_), None) => return Err(Worn::Replayed),
            (None, _) if made <= self.forgotten => return Err(Worn::Old),
            (None, _) => {}
        }
        let window = match count {
            Some(highest) => Window { highest, seen: 1 },
            None => Window { highest: u32::MAX, seen: u64::MAX },
        };
        self.used.insert(made, window);
        self.forget_oldest(now);
        Ok(())
    }

    /// Drops what is too old anyway, then the oldest where there are too many.
    fn forget_oldest(&mut self, now: Instant) {
        while let Some(oldest) = self.used.first_entry() {
            let made = *oldest.key();
            let expired = now.since(Instant::from_micros(made)) > NONCE_LIFE;
            if !expired && self.used.len() <= NONCES_REMEMBERED {
                return;
            }
            self.used.remove(&made);
            self.forgotten = self.forgotten.max(made);
        }
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::START;

    fn nonces() -> Nonces {
        Nonces::new([7; 32])
    }

    #[test]
    fn each_count_is_good_once_in_any_order_within_the_window() {
        let mut nonces = nonces();
        let nonce = nonces.issue(NOW);
        let mut spend = |count| nonces.spend(nonce.as_bytes(), Some(count), NOW);
        // One after another, one overtaken, a jump, and what lies behind it.
        for (count, expected) in [
            (1, Ok(())),
            (1, Err(Worn::Replayed)),
            (3, Ok(())),
            (2, Ok(())),
            (2, Err(Worn::Replayed)),
            (100, Ok(())),
            (37, Ok(())),
            (37, Err(Worn::Replayed)),
            (36, Err(Worn::Replayed)),
            (0x1f4, Ok(())),
            (u32::MAX, Ok(())),
            (u32::MAX, Err(Worn::Replayed)),
            (u32::MAX - 63, Ok(())),
            (500, Err(Worn::Replayed)),
        ] {
            assert_eq!(spend(count), expected, "{count}");
        }
    }

    #[test]
    fn nonces_of_one_moment_differ() {
        let mut nonces = nonces();
        let (one, two) = (nonces.issue(NOW), nonces.issue(NOW));
        assert_ne!(one.as_str(), two.as_str());
        assert_eq!(nonces.spend(one.as_bytes(), Some(1), NOW), Ok(()));
        assert_eq!(nonces.spend(two.as_bytes(), Some(1), NOW), Ok(()));
    }

    #[test]
    fn asking_costs_no_memory() {
        let mut nonces = nonces();
        for _ in 0..1000 {
            nonces.issue(NOW);
        }
        assert_eq!(nonces.remembered(), 0);
    }

    #[test]
    fn a_nonce_we_did_not_make_is_old() {
        let (mut nonces, nonce) = (nonces(), Nonces::new([8; 32]).issue(NOW));
        let ours = nonces.issue(NOW);
        let mut forged = ours.as_bytes().to_vec();
        forged[15] ^= 1;
        for foreign in [nonce.as_bytes(), &forged, b"", b"000000000000000", b"+000000000000001", &ours.as_bytes()[..31]]
        {
            assert_eq!(nonces.spend(foreign, Some(1), NOW), Err(Worn::Old));
        }
    }

    #[test]
    fn a_nonce_lives_for_an_hour() {
        let mut nonces = nonces();
        let nonce = nonces.issue(NOW);
        let made = Instant::from_micros(nonces.last);
        assert_eq!(nonces.spend(nonce.as_bytes(), Some(1), made + NONCE_LIFE), Ok(()));
        let later = made + NONCE_LIFE + Duration::from_micros(1);
        assert_eq!(nonces.spend(nonce.as_bytes(), Some(2), later), Err(Worn::Old));
        // The next success sweeps out what has expired.
        let next = nonces.issue(later);
        assert_eq!(nonces.spend(next.as_bytes(), Some(1), later), Ok(()));
        assert_eq!(nonces.remembered(), 1);
    }

    #[test]
    fn what_had_to_be_forgotten_is_old_rather_than_good_again() {
        let mut nonces = nonces();
        let made: Vec<_> = (0..NONCES_REMEMBERED + 2).map(|_| nonces.issue(NOW)).collect();
        for nonce in &made[1..] {
            assert_eq!(nonces.spend(nonce.as_bytes(), Some(1), NOW), Ok(()));
        }
        assert_eq!(nonces.remembered(), NONCES_REMEMBERED);
        assert_eq!(nonces.spend(made[1].as_bytes(), Some(2), NOW), Err(Worn::Old));
        assert_eq!(nonces.spend(made[2].as_bytes(), Some(2), NOW), Ok(()));
        // Never used, but older than what was forgotten: we cannot know, so it is asked again.
        assert_eq!(nonces.spend(made[0].as_bytes(), Some(1), NOW), Err(Worn::Old));
    }
}
