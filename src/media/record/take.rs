//! One recording while it runs: both sides on one line, measured, handed to the disk piece by piece.
//!
//! ```text
//!  packets ──► track (left)  ─┐
//!                             ├─► frames ──► meter ──► bytes ──► scribe
//!  packets ──► track (right) ─┘   (what is older than LATE, every PIECE)
//! ```

use std::sync::Arc;

use super::shape::Shape;
use super::shared::Shared;
use super::speech::Meter;
use super::track::{LATE, Track};
use crate::anchor::{MediaEvent, TakeKey, Taken, Until};
use crate::clock::{Duration, Instant};
use crate::media::rtp::Rtp;
use crate::sound::Codec;

/// How much sound goes to the disk at once.
pub const PIECE: Duration = Duration::from_millis(300);

/// After so much speech a recording is no empty one.
const SPOKE: Duration = Duration::from_secs(1);

/// One recording.
pub(super) struct Take {
    key: TakeKey,
    began: Instant,
    shape: Shape,
    until: Until,
    tracks: [Option<Track>; 2],
    meter: Meter,
    paused: bool,
    spoke: bool,
    /// How many samples of each channel have gone to the disk.
    handed_on: u64,
    /// How many of them it had no room for.
    lost: u64,
    shared: Arc<Shared>,
    samples: Vec<i16>,
}

/// Where pieces of recordings go. False where there is no room.
pub(super) trait Sink {
    /// Writes samples, so many bytes after the first.
    fn write(&self, take: TakeKey, place: u64, bytes: Vec<u8>) -> bool;

    /// Something happened.
    fn tell(&self, event: MediaEvent);
}

impl Take {
    pub(super) fn new(key: TakeKey, shape: Shape, until: Until, began: Instant, shared: Arc<Shared>) -> Take {
        Take {
            key,
            began,
            shape,
            until,
            tracks: [Some(Track::new(shape.rate)), (shape.channels == 2).then(|| Track::new(shape.rate))],
            meter: Meter::new(shape),
            paused: false,
            spoke: false,
            handed_on: 0,
            lost: 0,
            shared,
            samples: Vec::new(),
        }
    }

    /// Other endpoints speak from now on.
    pub(super) fn begin_anew(&mut self) {
        self.tracks.iter_mut().flatten().for_each(Track::begin_anew);
    }

    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Hears a packet that came `at` this moment.
    pub(super) fn hear(&mut self, side: usize, packet: &[u8], codec: Codec, at: Instant) {
        let arrived = i64::try_from(self.position(at)).unwrap_or(i64::MAX);
        let track = self.tracks.get_mut(side).and_then(Option::as_mut).filter(|_| !self.paused);
        if let Some((track, packet)) = track.zip(Rtp::read(packet)) {
            track.hear(&packet, codec, arrived);
        }
    }

    /// Hands on what is old enough; true where the recording is over by itself.
    pub(super) fn proceed(&mut self, now: Instant, sink: &impl Sink) -> bool {
        let ripe = self.position(now).saturating_sub(u64::from(self.shape.rate / 1000 * LATE));
        let longest = self.until.longest.map(|longest| self.samples_in(longest));
        let ripe = ripe.min(longest.unwrap_or(u64::MAX));
        if ripe.saturating_sub(self.handed_on) >= self.samples_in(PIECE) || Some(ripe) == longest {
            self.hand_on(ripe, sink);
        }
        Some(self.handed_on) == longest || self.until.silence.is_some_and(|silence| self.meter.quiet() >= silence)
    }

    /// Hands on the rest, up to this moment. What became of it so far; the disk has its own say.
    pub(super) fn finish(mut self, at: Instant, sink: &impl Sink) -> Taken {
        let longest = self.until.longest.map_or(u64::MAX, |longest| self.samples_in(longest));
        self.hand_on(self.position(at).min(longest), sink);
        self.shared.end();
        Taken {
            length: self.shape.length(self.handed_on * self.shape.frame()),
            speech: self.meter.speech(),
            lost: self.shape.length(self.lost * self.shape.frame()),
            failed: None,
        }
    }

    /// It is over by itself: what is handed on already is all.
    pub(super) fn finish_as_it_is(self) -> Taken {
        let (at, nowhere) = (self.began, Nowhere);
        self.finish(at, &nowhere)
    }

    fn hand_on(&mut self, until: u64, sink: &impl Sink) {
        let count = until.saturating_sub(self.handed_on);
        if count == 0 {
            return;
        }
        let channels = usize::from(self.shape.channels);
        self.samples.clear();
        self.samples.resize(usize::try_from(count).unwrap_or(0) * channels, 0);
        for (channel, track) in self.tracks.iter_mut().enumerate() {
            if let Some(track) = track {
                track.hand_out(&mut self.samples[channel..], channels);
            }
        }
        self.meter.hear(&self.samples);
        let bytes = self.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        if !sink.write(self.key, self.handed_on * self.shape.frame(), bytes) {
            self.lost += count;
            if self.shared.complain() {
                sink.tell(MediaEvent::Losing { take: self.key, why: std::io::ErrorKind::TimedOut });
            }
        }
        self.handed_on = until;
        if self.meter.speech() >= SPOKE && !std::mem::replace(&mut self.spoke, true) {
            sink.tell(MediaEvent::Spoke { take: self.key });
        }
    }

    /// Which sample of a channel belongs to this moment.
    fn position(&self, at: Instant) -> u64 {
        self.samples_in(at.since(self.began))
    }

    fn samples_in(&self, duration: Duration) -> u64 {
        u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).saturating_mul(u64::from(self.shape.rate)) / 1_000_000
    }
}

/// Takes nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn write(&self, _: TakeKey, _: u64, _: Vec<u8>) -> bool {
        false
    }

    fn tell(&self, _: MediaEvent) {}
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::media::rtp::packet;

    const KEY: TakeKey = TakeKey(7);
    const MONO: Shape = Shape { rate: 8_000, channels: 1 };
    const STEREO: Shape = Shape { rate: 8_000, channels: 2 };
    /// A-law of a loud square wave, and of silence.
    const LOUD: [u8; 2] = [0x2a, 0xaa];
    const QUIET: [u8; 2] = [0xd5, 0xd5];

    #[derive(Default)]
    struct Paper {
        bytes: RefCell<Vec<u8>>,
        events: RefCell<Vec<MediaEvent>>,
        full: bool,
    }

    impl Sink for Paper {
        fn write(&self, take: TakeKey, place: u64, bytes: Vec<u8>) -> bool {
            assert_eq!((take, place), (KEY, self.bytes.borrow().len() as u64));
            if !self.full {
                self.bytes.borrow_mut().extend(bytes);
            }
            !self.full
        }

        fn tell(&self, event: MediaEvent) {
            self.events.borrow_mut().push(event);
        }
    }

    impl Paper {
        fn samples(&self) -> Vec<i16> {
            self.bytes.borrow().as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::START + Duration::from_secs(1000) + Duration::from_millis(millis)
    }

    fn take(shape: Shape, until: Until) -> Take {
        Take::new(KEY, shape, until, at(0), Arc::default())
    }

    /// 20 ms of A-law from one side, for each 20 ms from `from` to `to`; whether and when the take ended by itself.
    fn speak(take: &mut Take, side: usize, [from, to]: [u64; 2], sound: [u8; 2], paper: &Paper) -> Option<u64> {
        (from / 20..to / 20).find_map(|number| {
            let bytes = packet(8, number as u16, number as u32 * 160, side as u32, &sound.repeat(80));
            take.hear(side, &bytes, Codec::Pcma, at(number * 20));
            take.proceed(at(number * 20 + 20), paper).then_some(number * 20 + 20)
        })
    }

    #[test]
    fn the_caller_is_on_the_left_and_the_company_on_the_right() {
        let (mut take, paper) = (take(STEREO, Until::default()), Paper::default());
        speak(&mut take, 0, [0, 200], LOUD, &paper);
        speak(&mut take, 1, [200, 400], LOUD, &paper);
        assert!(paper.samples().is_empty(), "nothing is old enough");
        let taken = take.finish(at(500), &paper);
        assert_eq!(taken, Taken { length: Duration::from_millis(500), speech: Duration::from_millis(400), ..taken });
        let samples = paper.samples();
        assert_eq!(samples.len(), 2 * 8 * 500);
        for (millisecond, frame) in samples.chunks(16).enumerate() {
            let loud = |side: usize| frame.iter().skip(side).step_by(2).all(|sample| sample.unsigned_abs() > 1_000);
            let quiet = |side: usize| frame.iter().skip(side).step_by(2).all(|sample| *sample == 0);
            assert!(
                match millisecond {
                    0..200 => loud(0) && quiet(1),
                    200..400 => quiet(0) && loud(1),
                    _ => quiet(0) && quiet(1),
                },
                "{millisecond} ms"
            );
        }
    }

    #[test]
    fn what_is_said_reaches_the_disk_within_a_second() {
        let (mut take, paper) = (take(MONO, Until::default()), Paper::default());
        for number in 1..50 {
            speak(&mut take, 0, [number * 100, number * 100 + 100], LOUD, &paper);
            let behind = number * 100 + 100 - paper.samples().len() as u64 / 8;
            assert!(behind <= 800, "{behind} ms at {number}");
        }
    }

    #[test]
    fn a_second_of_speech_is_told_once() {
        let (mut take, paper) = (take(MONO, Until::default()), Paper::default());
        speak(&mut take, 0, [0, 1_000], LOUD, &paper);
        speak(&mut take, 0, [1_000, 1_400], QUIET, &paper);
        assert_eq!(*paper.events.borrow(), []);
        speak(&mut take, 0, [1_400, 6_000], QUIET, &paper);
        assert_eq!(*paper.events.borrow(), [MediaEvent::Spoke { take: KEY }]);
        assert_eq!(take.finish(at(6_000), &paper).speech, Duration::from_secs(1));
    }

    #[test]
    fn it_ends_by_itself_when_it_is_long_enough() {
        let until = Until { longest: Some(Duration::from_secs(2)), silence: None };
        let (mut take, paper) = (take(MONO, until), Paper::default());
        let ended = speak(&mut take, 0, [0, 9_000], LOUD, &paper).unwrap();
        assert!((2_500..=2_520).contains(&ended), "{ended}");
        let taken = take.finish_as_it_is();
        assert_eq!((taken.length, taken.lost), (Duration::from_secs(2), Duration::ZERO));
        assert_eq!(paper.samples().len(), 16_000);
    }

    #[test]
    fn it_ends_by_itself_when_nobody_speaks() {
        let until = Until { longest: None, silence: Some(Duration::from_secs(3)) };
        let (mut take, paper) = (take(MONO, until), Paper::default());
        assert_eq!(speak(&mut take, 0, [0, 2_000], QUIET, &paper), None);
        assert_eq!(speak(&mut take, 0, [2_000, 3_000], LOUD, &paper), None);
        let ended = speak(&mut take, 0, [3_000, 20_000], QUIET, &paper).unwrap();
        assert!((6_500..=6_900).contains(&ended), "{ended}");
        assert_eq!(take.finish_as_it_is().speech, Duration::from_secs(1));
    }

    #[test]
    fn what_is_said_in_a_pause_is_not_written() {
        let (mut take, paper) = (take(MONO, Until::default()), Paper::default());
        speak(&mut take, 0, [0, 1_000], LOUD, &paper);
        take.pause(true);
        speak(&mut take, 0, [1_000, 2_000], LOUD, &paper);
        take.pause(false);
        speak(&mut take, 0, [2_000, 3_000], LOUD, &paper);
        assert_eq!(take.finish(at(3_000), &paper).length, Duration::from_secs(3));
        let samples = paper.samples();
        assert!(samples[..8_000].iter().all(|sample| *sample != 0));
        assert!(samples[8_000..16_000].iter().all(|sample| *sample == 0));
        assert!(samples[16_000..].iter().all(|sample| *sample != 0));
    }

    #[test]
    fn where_the_disk_has_no_room_sound_is_lost_and_counted() {
        let (mut take, paper) = (take(MONO, Until::default()), Paper { full: true, ..Paper::default() });
        take.proceed(at(800), &paper);
        assert_eq!(*paper.events.borrow(), [MediaEvent::Losing { take: KEY, why: std::io::ErrorKind::TimedOut }]);
        assert_eq!(take.finish_as_it_is().lost, Duration::from_millis(300));
    }
}
