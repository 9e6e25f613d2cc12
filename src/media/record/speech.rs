//! Does anybody speak? Measures it by energy, in frames of 20 ms, against a floor that follows the noise of the line.
//!
//! ```text
//!  loudness ▲      ┌── speech (also the tone of a test phone)
//!           │  ────┼──────────────── always speech above −36 dBFS
//!           │  ····┼···············  10 dB above the floor of the line, within both bounds
//!           │  ────┼──────────────── never speech below −50 dBFS
//!           │      └── silence and low noise
//! ```
//! A single loud frame is a click; from two in a row on, all of them count.

use super::shape::Shape;
use crate::clock::Duration;

/// Frames per second.
const FRAMES: u32 = 50;

/// −50 dBFS, as the square of a sample.
const NEVER: f32 = 104.0 * 104.0;

/// −36 dBFS.
const ALWAYS: f32 = 520.0 * 520.0;

/// 10 dB, in energy.
const ABOVE_FLOOR: f32 = 10.0;

/// By how much the floor rises with each louder frame: tenfold (10 dB) in about 10 s.
const RISE: f32 = 1.004_6;

/// How far the floor falls with each quieter frame.
const FALL: f32 = 0.2;

/// Hears the channels of one recording.
#[derive(Clone, Debug)]
pub struct Meter {
    channels: usize,
    /// Samples of one channel in a frame.
    frame: u32,
    sides: [Side; 2],
    /// How many samples of the frame have been heard.
    heard: u32,
    /// How many loud frames in a row.
    run: u64,
    speech: u64,
    /// Frames since somebody spoke.
    quiet: u64,
}

#[derive(Clone, Copy, Debug)]
struct Side {
    sum: f32,
    squares: f32,
    floor: f32,
}

impl Meter {
    /// Has heard nothing yet.
    pub fn new(shape: Shape) -> Meter {
        // A line is taken for a noisy one until it shows a quieter moment, and every line does between words.
        let side = Side { sum: 0.0, squares: 0.0, floor: ALWAYS / ABOVE_FLOOR };
        Meter {
            channels: usize::from(shape.channels).clamp(1, 2),
            frame: (shape.rate / FRAMES).max(1),
            sides: [side; 2],
            heard: 0,
            run: 0,
            speech: 0,
            quiet: 0,
        }
    }

    /// Hears what comes next: whole samples of all channels.
    pub fn hear(&mut self, samples: &[i16]) {
        for sample in samples.chunks_exact(self.channels) {
            for (side, sample) in self.sides.iter_mut().zip(sample) {
                let sample = f32::from(*sample);
                side.sum += sample;
                side.squares += sample * sample;
            }
            self.heard += 1;
            if self.heard == self.frame {
                self.heard = 0;
                self.judge();
            }
        }
    }

    fn judge(&mut self) {
        let (frame, channels) = (self.frame as f32, self.channels);
        // Not `any`: every side's floor follows.
        let loud =
            self.sides.iter_mut().take(channels).filter_map(|side| side.is_loud(frame).then_some(())).count() > 0;
        if !loud {
            self.run = 0;
            self.quiet += 1;
            return;
        }
        self.run += 1;
        match self.run {
            1 => self.quiet += 1,
            2 => {
                self.speech += 2;
                self.quiet = 0;
            }
            _ => {
                self.speech += 1;
                self.quiet = 0;
            }
        }
    }

    /// How much was speech.
    pub fn speech(&self) -> Duration {
        frames(self.speech)
    }

    /// For how long nobody has spoken; from the beginning where nobody ever has.
    pub fn quiet(&self) -> Duration {
        frames(self.quiet)
    }
}

fn frames(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / u64::from(FRAMES))
}

impl Side {
    fn is_loud(&mut self, frame: f32) -> bool {
        let mean = self.sum / frame;
        // A constant offset is no sound.
        let energy = (self.squares / frame - mean * mean).max(0.0);
        (self.sum, self.squares) = (0.0, 0.0);
        let loud = energy > (self.floor * ABOVE_FLOOR).clamp(NEVER, ALWAYS);
        self.floor = if energy < self.floor {
            self.floor + (energy - self.floor) * FALL
        } else {
            (self.floor * RISE).min(energy)
        }
        .max(1.0);
        loud
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO: Shape = Shape { rate: 8_000, channels: 1 };

    fn measured(samples: impl IntoIterator<Item = i16>) -> Meter {
        let mut meter = Meter::new(MONO);
        // In odd pieces: frames are the meter's own business.
        meter_in_pieces(&mut meter, &samples.into_iter().collect::<Vec<_>>());
        meter
    }

    fn meter_in_pieces(meter: &mut Meter, samples: &[i16]) {
        for piece in samples.chunks(333) {
            meter.hear(piece);
        }
    }

    fn tone(amplitude: f32, millis: u32) -> impl Iterator<Item = i16> {
        (0..8 * millis).map(move |at| ((at as f32 * 0.6).sin() * amplitude) as i16)
    }

    /// White noise with this root mean square, from a fixed seed.
    fn noise(rms: f32, millis: u32) -> impl Iterator<Item = i16> {
        let mut seed = 12_345u32;
        (0..8 * millis).map(move |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 8) as f32 / 8_388_608.0 - 1.0).mul_add(rms * 1.732, 0.0) as i16
        })
    }

    #[test]
    fn a_tone_is_speech_for_as_long_as_it_sounds_however_long() {
        assert_eq!(measured(tone(8_000.0, 1_000)).speech(), Duration::from_secs(1));
        assert_eq!(measured(tone(1_000.0, 120_000)).speech(), Duration::from_secs(120));
    }

    #[test]
    fn silence_and_low_noise_are_none() {
        assert_eq!(measured([0; 80_000]).speech(), Duration::ZERO);
        assert_eq!(measured([8, -8].repeat(40_000)).speech(), Duration::ZERO, "the smallest step of A-law");
        assert_eq!(measured(noise(60.0, 10_000)).speech(), Duration::ZERO);
        assert_eq!(measured([3_000; 80_000]).speech(), Duration::ZERO, "a constant offset");
    }

    #[test]
    fn a_noisy_line_is_no_speech_and_speech_above_it_still_heard() {
        let mut meter = measured(noise(250.0, 20_000));
        assert_eq!(meter.speech(), Duration::ZERO);
        meter_in_pieces(&mut meter, &tone(3_000.0, 2_000).collect::<Vec<_>>());
        assert_eq!(meter.speech(), Duration::from_secs(2));
    }

    #[test]
    fn a_click_is_no_speech() {
        let click = [vec![0; 1600], vec![20_000; 40], vec![0; 1560]].concat();
        assert_eq!(measured(click.repeat(20)).speech(), Duration::ZERO);
    }

    #[test]
    fn quiet_counts_since_somebody_spoke() {
        assert_eq!(measured([0; 24_000]).quiet(), Duration::from_secs(3));
        let meter = measured(tone(8_000.0, 500).chain([0; 16_000]));
        assert_eq!((meter.speech(), meter.quiet()), (Duration::from_millis(500), Duration::from_secs(2)));
    }

    #[test]
    fn either_side_is_heard() {
        let mut meter = Meter::new(Shape { rate: 8_000, channels: 2 });
        let right: Vec<i16> = tone(8_000.0, 1_000).flat_map(|sample| [0, sample]).collect();
        meter.hear(&right);
        assert_eq!(meter.speech(), Duration::from_secs(1));
    }
}
