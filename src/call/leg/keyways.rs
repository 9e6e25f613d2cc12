//! Which way a peer's keys come: as RTP events (RFC 4733) or in INFO. Some phones send each key both ways, and it is one key.

use smallvec::SmallVec;

use crate::clock::{Duration, Instant};

/// As long as a key may be held down: the other way tells of it when it is let go.
const APART: Duration = Duration::from_secs(2);

/// So many keys may wait for their echo.
const MOST: usize = 16;

/// How a key is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyWay {
    Rtp,
    Info,
}

/// The keys that came last, all of them the same way: the other way may tell of each of them once more.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyWays(SmallVec<[(KeyWay, char, Instant); 1]>);

impl KeyWays {
    /// A key comes this way; false where it has come the other way already.
    pub(super) fn is_news(&mut self, way: KeyWay, key: char, now: Instant) -> bool {
        self.0.retain(|(_, _, at)| now < *at + APART);
        let echoed = self.0.iter().position(|(other, pressed, _)| *other != way && *pressed == key);
        if let Some(echoed) = echoed {
            self.0.remove(echoed);
            return false;
        }
        self.0.retain(|(other, ..)| *other == way);
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push((way, key, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_both_ways_is_one_and_a_phone_may_change_its_way() {
        use KeyWay::{Info, Rtp};
        let mut ways = KeyWays::default();
        let mut comes = |way, key, ms: u64| ways.is_news(way, key, Instant::from_micros(ms * 1_000));
        let both = [(Rtp, '1', 0), (Rtp, '1', 200), (Info, '1', 210), (Info, '1', 400)];
        assert_eq!(both.map(|(way, key, ms)| comes(way, key, ms)), [true, true, false, false]);
        assert!(comes(Info, '1', 500), "pressed again, and told one way only");
        assert!(!comes(Rtp, '1', 600));
        assert!(comes(Rtp, '2', 700));
        assert!(comes(Info, '3', 800), "another key is another key");
        assert!(comes(Rtp, '3', 3_000), "what was pressed long ago is no echo");
        for key in 0..100 {
            assert!(comes(Rtp, '4', 3_000 + key));
        }
        assert_eq!(ways.0.len(), MOST);
    }
}
