//! Keys that we press: RTP events (RFC 4733) on their way to one peer.
//!
//! A press is a packet every 20 ms that says how long it has lasted; the last one, which says that it is over, is sent three
//! times (§2.5.1.4). The next press waits a little, so that the peer tells the two apart.

use std::collections::VecDeque;

use super::player::on_grid;
use crate::clock::{Duration, Instant};

/// Between two packets.
const STEP: Duration = Duration::from_millis(20);

/// Between two presses.
const GAP: Duration = Duration::from_millis(60);

/// The shortest press that everybody hears, and the longest that anybody means.
const LENGTHS: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(5));

/// How often the end is said.
const ENDS: u8 = 3;

/// How many presses wait at most.
const QUEUE: usize = 64;

/// −10 dBm0, in RFC 4733's six bits.
const VOLUME: u8 = 10;

/// The presses that one peer is still to hear.
#[derive(Default)]
pub(super) struct Dialer {
    queue: VecDeque<(u8, Duration)>,
    press: Option<Press>,
    due: Option<Instant>,
}

struct Press {
    code: u8,
    since: Instant,
    length: Duration,
    ends: u8,
}

/// One packet of a press.
pub(super) struct Event {
    /// When the press began: RTP's timestamp.
    pub(super) since: Instant,
    /// It is the first packet.
    pub(super) marker: bool,
    code: u8,
    end: bool,
    lasted: Duration,
}

impl Event {
    /// RFC 4733 §2.3, for a clock of so many Hz.
    pub(super) fn payload(&self, clock: u32) -> [u8; 4] {
        let ticks = self.lasted.as_millis() as u64 * u64::from(clock) / 1_000;
        let [high, low] = u16::try_from(ticks).unwrap_or(u16::MAX).to_be_bytes();
        [self.code, u8::from(self.end) << 7 | VOLUME, high, low]
    }
}

impl Dialer {
    /// Presses the key with this code after those that wait already.
    pub(super) fn press(&mut self, code: u8, length: Duration, now: Instant) {
        if self.queue.len() < QUEUE {
            self.queue.push_back((code, length.clamp(LENGTHS.0, LENGTHS.1)));
            self.due.get_or_insert(on_grid(now));
        }
    }

    /// When it has something to do next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The packet that is due, if one is.
    pub(super) fn next(&mut self, now: Instant) -> Option<Event> {
        let due = self.due.filter(|due| *due <= now)?;
        let mut marker = false;
        let press = match &mut self.press {
            Some(press) => press,
            none => {
                let Some((code, length)) = self.queue.pop_front() else {
                    self.due = None;
                    return None;
                };
                marker = true;
                none.insert(Press { code, since: due, length, ends: 0 })
            }
        };
        let lasted = (due.since(press.since) + STEP).min(press.length);
        let end = lasted == press.length;
        press.ends += u8::from(end);
        let event = Event { since: press.since, marker, code: press.code, end, lasted };
        let over = press.ends == ENDS;
        if over {
            self.press = None;
        }
        // Late packets are not sent all at once.
        self.due = Some((due + if over { GAP } else { STEP }).max(on_grid(now)));
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_told_every_20_ms_and_its_end_three_times() {
        let mut dialer = Dialer::default();
        let start = Instant::from_micros(1_234);
        dialer.press(5, Duration::from_millis(100), start);
        dialer.press(11, Duration::ZERO, start);
        let mut told = Vec::new();
        let mut now = start;
        while let Some(due) = dialer.due() {
            now = due;
            let Some(event) = dialer.next(now) else { continue };
            told.push((now.as_micros() / 1_000, event.since.as_micros() / 1_000, event.marker, event.payload(8_000)));
        }

        let mut expected = vec![
            (5, 5, true, [5, 10, 0, 160]),
            (25, 5, false, [5, 10, 1, 64]),
            (45, 5, false, [5, 10, 1, 224]),
            (65, 5, false, [5, 10, 2, 128]),
        ];
        expected.extend([85, 105, 125].map(|at| (at, 5, false, [5, 0x8a, 3, 32])));
        expected.push((185, 185, true, [11, 10, 0, 160]));
        expected.extend([205, 225, 245].map(|at| (at, 185, false, [11, 0x8a, 1, 64])));
        assert_eq!(told, expected);
        assert!(dialer.next(now + GAP).is_none() && dialer.due().is_none());
    }

    #[test]
    fn after_a_stall_packets_do_not_come_all_at_once() {
        let mut dialer = Dialer::default();
        dialer.press(1, Duration::from_secs(1), Instant::START);
        assert!(dialer.next(Instant::START).is_some());
        let late = Instant::from_micros(503_000);
        assert!(dialer.next(late).is_some());
        assert!(dialer.next(late).is_none());
        assert_eq!(dialer.due(), Some(Instant::from_micros(505_000)));
    }
}
