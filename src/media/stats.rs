//! How well does a phone's voice arrive? Counts what never came, and measures how unevenly the rest came.
//!
//! Both as RFC 3550 does it (§A.1, §A.3, §A.8), for every stream (SSRC) that an endpoint hears one after the other. Each
//! packet costs a few additions.

use super::rtp::Rtp;
use crate::clock::{Duration, Instant};

/// A step of the sequence number up to here is a loss; a greater one means that the phone began anew (RFC 3550 §A.1).
const MAX_DROPOUT: u16 = 3000;

/// A packet that is late by fewer than this is one of ours.
const MAX_MISORDER: u16 = 100;

/// A packet that comes this much earlier or later than its timestamp says tells of a clock that was set anew (a hold, a
/// transfer behind the phone), not of the network.
const RESET: i64 = 1_000_000;

/// What one endpoint hears, judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    stream: Option<Stream>,
    /// Of streams that are over.
    lost: u64,
    /// In sixteenths of a microsecond, as RFC 3550 §A.8 keeps it.
    jitter: i64,
    greatest: i64,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    first: u16,
    highest: u16,
    /// How often `highest` has wrapped.
    cycles: u32,
    received: u64,
    /// The number after one that stepped too far: a second packet in a row there is a new beginning.
    beyond: Option<u16>,
    /// Arrival less timestamp of the last packet, in µs, and its clock in Hz.
    transit: Option<(u32, i64)>,
}

impl Statistics {
    /// Hears a packet that came `now`. `clock` is that of its timestamps in Hz; `None` where it is not known or where
    /// they stand still (events): such a packet says nothing about jitter.
    pub fn hear(&mut self, packet: &Rtp<'_>, clock: Option<u32>, now: Instant) {
        let stream = self.stream.get_or_insert_with(|| Stream::before(packet));
        if stream.ssrc != packet.ssrc {
            self.lost += std::mem::replace(stream, Stream::before(packet)).lost();
        }
        match stream.count(packet.sequence) {
            Place::GoesOn => {}
            Place::Stray => return,
            Place::Anew => {
                self.lost += std::mem::replace(stream, Stream::before(packet)).lost();
                stream.count(packet.sequence);
            }
        }
        let Some(clock) = clock.filter(|clock| *clock > 0) else { return };
        let arrived = i64::try_from(now.since(Instant::START).as_micros()).unwrap_or(i64::MAX);
        let wrap = (1i64 << 32) * 1_000_000 / i64::from(clock);
        let taken = i64::from(packet.timestamp) * 1_000_000 / i64::from(clock);
        let transit = (arrived - taken).rem_euclid(wrap);
        let last = stream.transit.replace((clock, transit));
        let Some((_, last)) = last.filter(|(before, _)| *before == clock) else { return };
        // The nearest way round, as timestamps wrap.
        let mut difference = (transit - last).rem_euclid(wrap);
        difference = difference.min(wrap - difference);
        if difference < RESET {
            // RFC 3550 §A.8: J += (|D| - J) / 16, in whole numbers.
            self.jitter += difference - ((self.jitter + 8) >> 4);
            self.greatest = self.greatest.max(self.jitter);
        }
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.lost + self.stream.as_ref().map_or(0, Stream::lost)
    }

    /// The greatest jitter there was.
    pub fn jitter(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.greatest >> 4).unwrap_or(0))
    }
}

/// Where a packet stands among those of its stream.
enum Place {
    GoesOn,
    /// Far from the others, and alone there.
    Stray,
    /// The second in a row that is far from the others.
    Anew,
}

impl Stream {
    /// A stream of which this packet is the first, but not counted yet.
    fn before(packet: &Rtp<'_>) -> Stream {
        let first = packet.sequence;
        Stream { ssrc: packet.ssrc, first, highest: first, cycles: 0, received: 0, beyond: None, transit: None }
    }

    fn count(&mut self, sequence: u16) -> Place {
        let step = sequence.wrapping_sub(self.highest);
        if step == 0 && self.received > 0 {
            // Doubled by the network.
            return Place::GoesOn;
        }
        if step < MAX_DROPOUT {
            self.cycles += u32::from(sequence < self.highest);
            self.highest = sequence;
        } else if step <= u16::MAX - MAX_MISORDER {
            if self.beyond == Some(sequence) {
                return Place::Anew;
            }
            self.beyond = Some(sequence.wrapping_add(1));
            return Place::Stray;
        }
        self.beyond = None;
        self.received += 1;
        Place::GoesOn
    }

    fn lost(&self) -> u64 {
        let highest = (u64::from(self.cycles) << 16) + u64::from(self.highest);
        let expected = (highest + 1).saturating_sub(u64::from(self.first));
        expected.saturating_sub(self.received)
    }
}

/// The clock of a payload type that is the same in every session (RFC 3551 §6), in Hz; `None` for the others.
pub fn static_clock(kind: u8) -> Option<u32> {
    match kind {
        0 | 3 | 4 | 7 | 8 | 9 | 12 | 15 | 18 => Some(8_000),
        25 | 26 | 28 | 31..=34 => Some(90_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 20 ms: sequence numbers, and how much later than on time each comes, in ms.
    fn heard(packets: impl IntoIterator<Item = (u16, u64)>) -> Statistics {
        let mut statistics = Statistics::default();
        let mut timestamp = u32::MAX - 1000;
        let mut last = None;
        let mut at = Instant::START + Duration::from_secs(100);
        for (sequence, late) in packets {
            let step = last.replace(sequence).map_or(0, |last| sequence.wrapping_sub(last) as i16);
            timestamp = timestamp.wrapping_add_signed(160 * i32::from(step));
            if step > 0 {
                at = at + Duration::from_millis(20 * step as u64);
            }
            let bytes = crate::media::rtp::packet(8, sequence, timestamp, 5, &[0xd5; 160]);
            statistics.hear(&Rtp::read(&bytes).unwrap(), Some(8000), at + Duration::from_millis(late));
        }
        statistics
    }

    #[test]
    fn a_stream_that_is_whole_and_even_has_no_loss_and_no_jitter() {
        let statistics = heard((65_500..=65_535).chain(0..=100).map(|sequence| (sequence, 3)));
        assert_eq!((statistics.lost(), statistics.jitter()), (0, Duration::ZERO));
    }

    #[test]
    fn what_never_came_is_counted_also_across_the_wrap() {
        let statistics = heard((65_500..=65_535).chain(0..=100).filter(|n| n % 10 != 3).map(|n| (n, 0)));
        // 65503, 65513, 65523, 65533, and 3, 13, … 93.
        assert_eq!(statistics.lost(), 14);
    }

    #[test]
    fn packets_out_of_order_and_doubled_ones_are_no_loss() {
        let statistics = heard([1, 2, 4, 3, 5, 5, 6, 8, 7, 9].map(|n| (n, 0)));
        assert_eq!(statistics.lost(), 0);
    }

    #[test]
    fn unevenness_is_measured_as_rfc_3550_does() {
        // Every other packet is 8 ms late: D is 8 ms each time, so J grows towards 8 ms.
        let statistics = heard((0..200).map(|n| (n, if n % 2 == 0 { 0 } else { 8 })));
        assert!((7_800..=8_000).contains(&statistics.jitter().as_micros()), "{:?}", statistics.jitter());
    }

    #[test]
    fn a_phone_that_begins_anew_has_lost_nothing() {
        assert_eq!(heard((0..50).chain(30_000..30_050).map(|n| (n, 0))).lost(), 0);
        let stray = heard((0..50).chain([30_000]).chain(50..100).map(|n| (n, 0)));
        assert_eq!(stray.lost(), 0);
    }

    #[test]
    fn another_stream_adds_to_the_first() {
        let mut statistics = heard([1, 3].map(|n| (n, 0)));
        for sequence in [500, 503] {
            let bytes = crate::media::rtp::packet(8, sequence, 0, 6, b"");
            statistics.hear(&Rtp::read(&bytes).unwrap(), None, Instant::START);
        }
        assert_eq!(statistics.lost(), 3);
    }

    #[test]
    fn a_clock_that_was_set_anew_is_no_jitter() {
        let mut statistics = heard((0..50).map(|n| (n, 0)));
        let bytes = crate::media::rtp::packet(8, 50, 77, 5, b"");
        statistics.hear(&Rtp::read(&bytes).unwrap(), Some(8000), Instant::START + Duration::from_secs(200));
        assert_eq!(statistics.jitter(), Duration::ZERO);
    }
}
