//! Sound at one rate becomes sound at another, by a windowed sinc: what lies above either rate's half is taken away, the
//! rest stays as it was.

use std::f64::consts::PI;

/// How many zeros of the sinc are kept on either side: the more, the sharper the border.
const ZEROS: f64 = 24.0;

/// The border, as a share of half the lower rate. At 8 kHz speech passes up to 3.5 kHz.
const BORDER: f64 = 0.93;

/// Between two samples of the source so many places are told apart at most (its own memory is bounded by that).
const MOST_PHASES: u64 = 512;

/// A stream on its way from one rate to another.
pub struct Resampler {
    /// `up` samples come out for `down` that go in; without a common divisor.
    up: u64,
    down: u64,
    phases: u64,
    /// How many samples of the source make one of ours.
    taps: usize,
    /// `taps` weights for each phase.
    kernel: Box<[f32]>,
    /// What is still needed of the source. Its first sample is number `heard` - `waiting.len()`, counted with the
    /// `taps / 2` zeros before the beginning.
    waiting: Vec<f32>,
    heard: u64,
    /// What has come in, without those zeros, and what has come out.
    put: u64,
    given: u64,
}

impl Resampler {
    /// From `from` to `to` samples per second, neither of them 0.
    pub fn new(from: u32, to: u32) -> Resampler {
        let common = greatest_common_divisor(from, to);
        let (up, down) = (u64::from(to / common), u64::from(from / common));
        let phases = up.min(MOST_PHASES);
        // Seen from the source: half the lower rate is `border` cycles for each two samples.
        let border = BORDER * (f64::from(to) / f64::from(from)).min(1.0);
        let half = (ZEROS / border).ceil();
        let taps = 2 * half as usize;
        let weight = |phase: u64, tap: usize| {
            // How far this sample of the source lies from ours.
            let distance = tap as f64 - (half - 1.0) - phase as f64 / phases as f64;
            sinc(border * distance) * window(distance / half)
        };
        let row = |phase: u64| {
            let row: Vec<f64> = (0..taps).map(|tap| weight(phase, tap)).collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(move |weight| (weight / sum) as f32)
        };
        let kernel: Box<[f32]> = (0..phases).flat_map(row).collect();
        let before = half as usize - 1;
        Resampler { up, down, phases, taps, kernel, waiting: vec![0.0; before], heard: before as u64, put: 0, given: 0 }
    }

    /// Takes the next samples and appends what they make certain: a few of them wait for those that follow.
    pub fn push(&mut self, source: &[i16], sound: &mut Vec<i16>) {
        self.put += source.len() as u64;
        self.feed(source.iter().map(|sample| f32::from(*sample)), sound, u64::MAX);
    }

    /// Appends the rest. What came out altogether is as long as what went in, rounded up to a whole sample.
    pub fn finish(&mut self, sound: &mut Vec<i16>) {
        let all = (self.put * self.up).div_ceil(self.down);
        self.feed(std::iter::repeat_n(0.0, self.taps), sound, all);
    }

    fn feed(&mut self, source: impl Iterator<Item = f32>, sound: &mut Vec<i16>, all: u64) {
        let before = self.waiting.len();
        self.waiting.extend(source);
        self.heard += (self.waiting.len() - before) as u64;
        let mut first = self.heard - self.waiting.len() as u64;
        while self.given < all {
            let (begins, phase) = (self.given * self.down / self.up, self.given * self.down % self.up);
            let skipped = (begins - first).min(self.waiting.len() as u64) as usize;
            let Some(part) = self.waiting.get(skipped..skipped + self.taps) else {
                self.waiting.drain(..skipped);
                return;
            };
            let phase = (phase * self.phases / self.up) as usize;
            let weights = &self.kernel[phase * self.taps..][..self.taps];
            let sample: f32 = part.iter().zip(weights).map(|(sample, weight)| sample * weight).sum();
            sound.push(sample.round() as i16);
            self.given += 1;
            // Moved only now and then: each time costs a copy of the rest.
            if skipped > 4096 {
                self.waiting.drain(..skipped);
                first += skipped as u64;
            }
        }
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Blackman's, for -1 to 1.
fn window(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { 0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 9] = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<i16> {
        let at = |sample: usize| (10_000.0 * (2.0 * PI * hertz * sample as f64 / f64::from(rate)).sin()) as i16;
        (0..(seconds * f64::from(rate)) as usize).map(at).collect()
    }

    fn resampled(source: &[i16], from: u32, to: u32) -> Vec<i16> {
        let (mut resampler, mut sound) = (Resampler::new(from, to), Vec::new());
        // In odd pieces, as a file or a network gives them.
        for piece in source.chunks(777) {
            resampler.push(piece, &mut sound);
        }
        resampler.finish(&mut sound);
        sound
    }

    /// How much louder than nothing, in dB of full scale, without the edges.
    fn level(sound: &[i16]) -> f64 {
        let middle = &sound[sound.len() / 8..sound.len() * 7 / 8];
        let power = middle.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (power / 32_768f64.powi(2)).max(1e-12).log10()
    }

    #[test]
    fn a_tone_that_both_rates_hold_stays_what_it_was_and_where_it_was() {
        for from in RATES {
            for to in [8_000, 16_000] {
                let hertz = 0.4 * f64::from(from.min(to)) + 10.0;
                let sound = resampled(&tone(from, hertz, 0.5), from, to);
                let expected = tone(to, hertz, 0.5);
                assert!(sound.len().abs_diff(expected.len()) <= 1, "{from} to {to}: {} samples", sound.len());
                let noise: Vec<i16> = sound.iter().zip(&expected).map(|(a, b)| a - b).collect();
                let below = level(&expected) - level(&noise);
                assert!(below > 45.0, "{from} to {to}: the error is only {below:.1} dB below the tone");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_taken_away() {
        for (from, hertz) in [(16_000, 4_500.0), (44_100, 5_000.0), (48_000, 12_000.0), (96_000, 30_000.0)] {
            let left = level(&resampled(&tone(from, hertz, 0.5), from, 8_000));
            assert!(left < -70.0, "{hertz} Hz from {from}: {left:.1} dB are left");
        }
    }

    #[test]
    fn odd_rates_and_short_sounds_are_no_trouble() {
        for (from, to, samples) in
            [(44_099, 16_000, 44_099), (7_919, 8_000, 100), (8_000, 16_000, 1), (192_000, 8_000, 7)]
        {
            let sound = resampled(&vec![1_000; samples], from, to);
            assert_eq!(
                sound.len() as u64,
                (samples as u64 * u64::from(to)).div_ceil(u64::from(from)),
                "{from} to {to}"
            );
        }
        assert!(resampled(&[], 44_100, 8_000).is_empty());
    }

    #[test]
    fn full_loudness_does_not_wrap_around() {
        let square: Vec<i16> =
            (0..4_800).map(|sample| if sample / 60 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let sound = resampled(&square, 48_000, 16_000);
        // In the middle of each half-wave the sign is the source's.
        for (sample, value) in sound.iter().enumerate().filter(|(sample, _)| sample % 20 == 10) {
            assert_eq!(*value > 0, sample / 20 % 2 == 0, "sample {sample} is {value}");
        }
    }
}
