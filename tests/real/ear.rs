//! What a recording sounds like: whether a prompt is in it, and where.

use huntline::media::prompts;
use huntline::media::resample::Resampler;
use huntline::media::wav::Wav;
use std::io::Cursor;
use std::path::Path;

/// The language that the office's router speaks.
const LANGUAGE: &str = "ru";
/// So much of a sound is one step of its loudness, in ms.
const STEP: usize = 10;
/// So much of the end of what is said a phone may not have given out when its call ends, in ms.
const UNHEARD: usize = 200;

/// A WAV file, 16 bit.
pub struct Recording {
    /// Samples per second.
    pub rate: usize,
    /// One, or left and right.
    pub channels: Vec<Vec<i16>>,
}

impl Recording {
    /// Reads it; one that is cut short gives what it has.
    ///
    /// # Panics
    /// When it cannot be read, or is no 16-bit PCM.
    pub fn read(path: &Path) -> Recording {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (mut rate, mut count, mut at) = (0, 0, 12);
        while let Some(head) = bytes.get(at..at + 8) {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let body = &bytes[at + 8..(at + 8).saturating_add(length).min(bytes.len())];
            match &head[..4] {
                b"fmt " => {
                    let short = |i: usize| usize::from(u16::from_le_bytes([body[i], body[i + 1]]));
                    assert_eq!(short(14), 16, "{}: bits per sample", path.display());
                    (count, rate) = (short(2), short(4) | short(6) << 16);
                }
                b"data" => {
                    // Whoever writes it still may not have said how long it is.
                    let body = if length == 0 { &bytes[at + 8..] } else { body };
                    let samples: Vec<i16> =
                        body.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
                    let channel = |first: usize| samples.iter().skip(first).step_by(count).copied().collect();
                    return Recording { rate, channels: (0..count).map(channel).collect() };
                }
                _ => {}
            }
            at += 8 + length + length % 2;
        }
        panic!("{} has no sound", path.display());
    }

    /// How long it is, in ms.
    pub fn length_ms(&self) -> usize {
        self.channels[0].len() * 1000 / self.rate
    }

    /// Where in it this prompt is said, in ms, and how much it is like it (1: the same); after so many ms.
    pub fn finds(&self, prompt: &str, after: usize) -> (usize, f64) {
        let bytes = prompts::shipped(LANGUAGE, prompt).expect("a shipped prompt");
        let mut wav = Wav::open(Cursor::new(bytes)).expect("a shipped prompt can be played");
        let (rate, mut sound) = (wav.rate() as usize, Vec::new());
        while wav.read(1 << 16, &mut sound).expect("a shipped prompt can be played") > 0 {}
        let (sound, rate) =
            if rate > self.rate { (narrowed(&sound, rate, self.rate), self.rate) } else { (sound, rate) };
        let (sought, mut heard) = (loudness(&sound, rate), loudness(&self.channels[0], self.rate));
        // A phone does not write down what it has not yet given out when its call ends.
        heard.extend([0.0; UNHEARD / STEP]);
        let places = heard.windows(sought.len()).enumerate().skip(after / STEP);
        let best = places.map(|(place, part)| (place * STEP, likeness(&sought, part)));
        best.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
    }

    /// Holds that this prompt is said, after so many ms; returns where it ends.
    ///
    /// # Panics
    /// When it is not.
    pub fn says(&self, prompt: &str, after: usize) -> usize {
        let (at, likeness) = self.finds(prompt, after);
        assert!(likeness > 0.9, "{prompt} is not heard; {likeness:.2} is the best, at {at} ms");
        let bytes = prompts::shipped(LANGUAGE, prompt).expect("a shipped prompt").len();
        at + bytes / 16
    }
}

/// Without the high tones that so few samples cannot carry.
fn narrowed(sound: &[i16], from: usize, to: usize) -> Vec<i16> {
    let (mut resampler, mut narrow) = (Resampler::new(from as u32, to as u32), Vec::new());
    resampler.push(sound, &mut narrow);
    resampler.finish(&mut narrow);
    narrow
}

/// The loudness of each step.
fn loudness(sound: &[i16], rate: usize) -> Vec<f64> {
    let energy = |step: &[i16]| step.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    sound.chunks_exact(rate * STEP / 1000).map(|step| (energy(step) / step.len() as f64).sqrt()).collect()
}

/// Pearson's correlation.
fn likeness(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_one, mean_other) = (mean(one), mean(other));
    let (mut both, mut of_one, mut of_other) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(other) {
        let (a, b) = (a - mean_one, b - mean_other);
        both += a * b;
        of_one += a * a;
        of_other += b * b;
    }
    if of_one * of_other > 0.0 { both / (of_one * of_other).sqrt() } else { 0.0 }
}
