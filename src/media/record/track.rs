//! One side of a recording: puts each packet where it belongs on a line of samples.
//!
//! The line has one position for each sample since the recording began, by the clock of this machine. A stream's first
//! packet is put where it arrives, the others by their RTP timestamps from there on: network jitter is not heard, what is
//! lost or was never sent (silence suppression, keys, a hold) is silence. Where timestamps and arrival come apart, arrival
//! counts again.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::media::codec::{Decoder, rate};
use crate::media::resample::Resampler;
use crate::media::rtp::Rtp;
use crate::sound::Codec;

/// How much later than its timestamp says a packet may come, in milliseconds; samples are handed out only when they are
/// older than this.
pub const LATE: u32 = 500;

/// How much earlier, in milliseconds: the first packet was late itself.
const EARLY: u32 = 200;

/// After so many packets it is looked whether all of them were late or early: the phone's clock runs at another pace.
const WINDOW: u32 = 250;

/// By how much they must have been, in milliseconds.
const DRIFT: u32 = 40;

/// How far back a sequence number is an old packet of the same stream.
const MISORDER: u16 = 100;

/// The sound of one side.
pub struct Track {
    rate: u32,
    stream: Option<Stream>,
    /// What has been heard and not yet been handed out.
    waiting: VecDeque<i16>,
    /// How many samples have been handed out: the position of the first that waits.
    begins: i64,
    decoded: Vec<i16>,
}

struct Stream {
    ssrc: u32,
    codec: Codec,
    decoder: Decoder,
    /// Where the file's rate is another, and how many samples it keeps back until it knows what follows.
    resampler: Option<(Resampler, i64)>,
    sequence: u16,
    timestamp: u32,
    /// `timestamp`, counted on beyond its wrap from the stream's first packet.
    ticks: i64,
    /// Where the first packet would stand.
    zero: i64,
    /// Of the packets of this window: how many, and how late the least late of them was, in samples.
    window: u32,
    least_late: i64,
}

impl Track {
    /// Silence so far.
    ///
    /// # Panics
    /// `rate` is neither 8,000 nor 16,000 samples per second.
    pub fn new(rate: u32) -> Track {
        assert!(matches!(rate, 8_000 | 16_000), "the rates of our codecs");
        Track { rate, stream: None, waiting: VecDeque::new(), begins: 0, decoded: Vec::new() }
    }

    /// Somebody else speaks from now on.
    pub fn begin_anew(&mut self) {
        self.stream = None;
    }

    /// Hears a packet that arrived at this position.
    pub fn hear(&mut self, packet: &Rtp<'_>, codec: Codec, arrived: i64) {
        let goes_on = |stream: &Stream| stream.ssrc == packet.ssrc && stream.codec == codec;
        let stream = match self.stream.take().filter(goes_on) {
            Some(stream) => self.stream.insert(stream),
            None => self.stream.insert(Stream::begun(packet, codec, self.rate, arrived)),
        };
        let Some(position) = stream.position(packet, self.rate, arrived) else { return };
        self.decoded.clear();
        let kept_back = stream.decode(packet.payload, self.rate, &mut self.decoded);
        self.place(position - kept_back);
    }

    /// Puts what was decoded on the line; what has been handed out already stays as it was.
    fn place(&mut self, position: i64) {
        let late = usize::try_from(self.begins - position).unwrap_or(0).min(self.decoded.len());
        let offset = usize::try_from(position - self.begins).unwrap_or(0);
        let sound = &self.decoded[late..];
        if self.waiting.len() < offset + sound.len() {
            self.waiting.resize(offset + sound.len(), 0);
        }
        for (sample, sound) in self.waiting.range_mut(offset..).zip(sound) {
            *sample = *sound;
        }
    }

    /// Hands out the next sample of each frame: as many as `frames` has, to every `step`th place.
    pub fn hand_out(&mut self, frames: &mut [i16], step: usize) {
        let places = frames.iter_mut().step_by(step);
        self.begins += i64::try_from(places.len()).unwrap_or(i64::MAX);
        let there = places.len().min(self.waiting.len());
        for (place, sample) in places.zip(self.waiting.drain(..there).chain(std::iter::repeat(0))) {
            *place = sample;
        }
    }
}

impl Stream {
    fn begun(packet: &Rtp<'_>, codec: Codec, rate_of_file: u32, arrived: i64) -> Stream {
        Stream {
            ssrc: packet.ssrc,
            codec,
            decoder: Decoder::new(codec),
            resampler: (rate(codec) != rate_of_file).then(|| (Resampler::new(rate(codec), rate_of_file), 0)),
            sequence: packet.sequence.wrapping_sub(1),
            timestamp: packet.timestamp,
            ticks: 0,
            zero: arrived,
            window: 0,
            least_late: i64::MAX,
        }
    }

    /// Where the packet belongs; `None` for one that cannot be understood any more.
    fn position(&mut self, packet: &Rtp<'_>, rate: u32, arrived: i64) -> Option<i64> {
        let behind = self.sequence.wrapping_sub(packet.sequence);
        // G.722 and Opus go on from what they heard last.
        if behind == 0 || behind < MISORDER && matches!(self.codec, Codec::G722 | Codec::Opus) {
            return None;
        }
        if behind >= MISORDER {
            self.sequence = packet.sequence;
        }
        let ticks = packet.timestamp.wrapping_sub(self.timestamp).cast_signed();
        self.timestamp = packet.timestamp;
        self.ticks += i64::from(ticks);
        let since = self.ticks * i64::from(rate) / i64::from(self.codec.clock());
        let millis = |millis: u32| i64::from(rate / 1000 * millis);
        let late = arrived - (self.zero + since);
        if late > millis(LATE) || late < -millis(EARLY) {
            self.zero += late;
            (self.window, self.least_late) = (0, i64::MAX);
            return Some(arrived);
        }
        self.window += 1;
        self.least_late = self.least_late.min(late);
        if self.window == WINDOW {
            if self.least_late.abs() > millis(DRIFT) {
                self.zero += self.least_late;
            }
            (self.window, self.least_late) = (0, i64::MAX);
        }
        Some(self.zero + since)
    }

    /// Appends what a payload sounds like. How much of that, in samples, belongs to the payload before.
    fn decode(&mut self, payload: &[u8], rate_of_file: u32, sound: &mut Vec<i16>) -> i64 {
        // A decoder is fed by strangers: should one of them find a fault in it, their recording has a gap, and everybody
        // else's goes on.
        let (decoder, mut own) = (&mut self.decoder, Vec::new());
        let understood = catch_unwind(AssertUnwindSafe(|| decoder.decode(payload, &mut own)));
        match understood {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return 0,
            Err(_) => {
                self.decoder = Decoder::new(self.codec);
                return 0;
            }
        }
        let Some((resampler, kept_back)) = &mut self.resampler else {
            sound.extend(own);
            return 0;
        };
        resampler.push(&own, sound);
        let whole = own.len() as i64 * i64::from(rate_of_file) / i64::from(rate(self.codec));
        let owed = *kept_back;
        *kept_back += whole - sound.len() as i64;
        owed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::packet;

    /// Packets of 20 ms of A-law: sequence number, timestamp, when they arrive in ms; each holds one value.
    fn heard(track: &mut Track, packets: &[(u16, u32, i64, u8)]) {
        for (sequence, timestamp, arrived, value) in packets {
            let bytes = packet(8, *sequence, *timestamp, 1, &[*value; 160]);
            track.hear(&Rtp::read(&bytes).unwrap(), Codec::Pcma, arrived * 8);
        }
    }

    /// What sounds in each 20 ms, as the A-law byte that was sent; a dot for silence.
    fn line(track: &mut Track, packets: usize) -> String {
        let mut samples = vec![0; packets * 160];
        track.hand_out(&mut samples, 1);
        let of = |sample: i16| {
            let values = [(A, 'a'), (B, 'b'), (C, 'c'), (D, 'd')];
            values.iter().find(|(value, _)| decoded(*value) == sample).map_or('.', |(_, name)| *name)
        };
        samples.chunks(160).map(|chunk| if chunk.iter().all(|s| *s == chunk[0]) { of(chunk[0]) } else { '?' }).collect()
    }

    const A: u8 = 0x10;
    const B: u8 = 0x20;
    const C: u8 = 0x30;
    const D: u8 = 0x90;

    fn decoded(value: u8) -> i16 {
        let mut pcm = Vec::new();
        Decoder::new(Codec::Pcma).decode(&[value], &mut pcm).unwrap();
        pcm[0]
    }

    #[test]
    fn packets_stand_where_their_timestamps_say_however_unevenly_they_come() {
        let mut track = Track::new(8_000);
        heard(&mut track, &[(1, 0, 40, A), (2, 160, 95, B), (4, 480, 101, D), (3, 320, 130, C)]);
        assert_eq!(line(&mut track, 8), "..abcd..");
    }

    #[test]
    fn what_is_lost_is_silence_and_a_doubled_packet_changes_nothing() {
        let mut track = Track::new(8_000);
        heard(&mut track, &[(1, 0, 0, A), (2, 160, 20, B), (2, 160, 21, D), (5, 640, 80, C)]);
        assert_eq!(line(&mut track, 6), "ab..c.");
    }

    #[test]
    fn timestamps_that_wrap_go_on() {
        let mut track = Track::new(8_000);
        heard(&mut track, &[(65_535, u32::MAX - 159, 0, A), (0, 0, 20, B), (1, 160, 40, C)]);
        assert_eq!(line(&mut track, 4), "abc.");
    }

    #[test]
    fn what_comes_after_it_was_handed_out_is_gone_and_nothing_moves() {
        let mut track = Track::new(8_000);
        heard(&mut track, &[(1, 0, 0, A)]);
        assert_eq!(line(&mut track, 2), "a.");
        heard(&mut track, &[(2, 160, 200, B), (3, 320, 201, C)]);
        assert_eq!(line(&mut track, 2), "c.");
    }

    #[test]
    fn a_clock_that_was_set_anew_begins_where_it_arrives() {
        let mut track = Track::new(8_000);
        heard(&mut track, &[(1, 0, 0, A), (2, 1_000_000, 60, B), (3, 1_000_160, 80, C), (4, 5, 120, D)]);
        assert_eq!(line(&mut track, 7), "a..bc.d");
    }

    #[test]
    fn another_stream_and_another_speaker_begin_where_they_arrive() {
        let mut track = Track::new(8_000);
        heard(&mut track, &[(1, 0, 0, A)]);
        let other = packet(8, 9, 77, 2, &[B; 160]);
        track.hear(&Rtp::read(&other).unwrap(), Codec::Pcma, 40 * 8);
        track.begin_anew();
        heard(&mut track, &[(2, 160, 80, C)]);
        assert_eq!(line(&mut track, 5), "a.b.c");
    }

    #[test]
    fn a_phone_whose_clock_is_slow_does_not_fall_behind() {
        let mut track = Track::new(8_000);
        // 1 % slow: after 2,000 packets it would be 400 ms behind.
        for at in 0..2_000u32 {
            let bytes = packet(8, at as u16, at * 160, 1, &[A; 160]);
            track.hear(&Rtp::read(&bytes).unwrap(), Codec::Pcma, i64::from(at) * 1616 / 10);
            if at % 50 == 49 {
                line(&mut track, 45);
            }
        }
        let expected = 2_000 * 1616 / 10 - 45 * 40 * 160;
        let behind = expected - track.waiting.len() as i64;
        assert!(behind.abs() < 120 * 8, "{behind} samples");
    }

    #[test]
    fn every_codec_stands_at_the_rate_of_the_file() {
        for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus] {
            for rate_of_file in [8_000, 16_000] {
                let mut track = Track::new(rate_of_file);
                let mut encoder = crate::media::codec::Encoder::new(codec);
                let samples = rate(codec) / 50;
                for at in 0..50 {
                    let tone = |n: u32| {
                        ((at * samples + n) as f32 * 400.0 * std::f32::consts::TAU / rate(codec) as f32).sin() * 9e3
                    };
                    let pcm: Vec<i16> = (0..samples).map(|n| tone(n) as i16).collect();
                    let mut payload = Vec::new();
                    encoder.encode(&pcm, &mut payload);
                    let bytes = packet(96, at as u16, at * codec.clock() / 50, 1, &payload);
                    track.hear(&Rtp::read(&bytes).unwrap(), codec, i64::from(at * rate_of_file / 50));
                }
                let mut line = vec![0; rate_of_file as usize];
                track.hand_out(&mut line, 1);
                // 400 Hz cross zero 800 times a second, and are as loud as they were.
                let half = &line[line.len() / 2..];
                let crossings = half.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
                let loudest = half.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
                assert!((396..=404).contains(&crossings), "{codec:?} at {rate_of_file}: {crossings}");
                assert!((8_000..=10_500).contains(&loudest), "{codec:?} at {rate_of_file}: {loudest}");
            }
        }
    }
}
