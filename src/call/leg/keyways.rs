//! Which way a peer's keys come: as RTP events (RFC 4733) or in INFO. Some phones send each key both ways, and it is one key.

use crate::clock::{Duration, Instant};

/// As long as a key may be held down: the other way tells of it when it is let go.
const APART: Duration = Duration::from_secs(2);

/// How a key is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyWay {
    Rtp,
    Info,
}

/// The way by which the last key came that was news, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyWays(Option<(KeyWay, Instant)>);

impl KeyWays {
    /// A key comes this way; false where it has come the other way already. A phone may change its way, with another
    /// session for example: what comes long after the last key of the old way is a key of its own.
    pub(super) fn are_news(&mut self, way: KeyWay, now: Instant) -> bool {
        let is_echo = self.0.is_some_and(|(last, at)| last != way && now < at + APART);
        if !is_echo {
            self.0 = Some((way, now));
        }
        !is_echo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_both_ways_is_one_and_a_phone_may_change_its_way() {
        let mut ways = KeyWays::default();
        let mut comes = |way, ms: u64| ways.are_news(way, Instant::from_micros(ms * 1_000));
        let both = [(KeyWay::Rtp, 0), (KeyWay::Rtp, 200), (KeyWay::Info, 210), (KeyWay::Info, 400)];
        assert_eq!(both.map(|(way, ms)| comes(way, ms)), [true, true, false, false]);
        assert!(comes(KeyWay::Info, 10_000));
        assert!(!comes(KeyWay::Rtp, 10_050));
        assert!(comes(KeyWay::Info, 10_300));
    }
}
