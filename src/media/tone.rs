//! Tones, computed rather than stored.

use std::f32::consts::TAU;

use crate::sound::Tone;

/// What one tone is made of; it begins again after its end where somebody wants to hear it on and on.
struct Cadence {
    hertz: f32,
    /// In ms.
    on: u32,
    /// In ms.
    off: u32,
}

/// How loud, of full scale: about −13 dBm0, as networks send them (ITU-T E.180).
const LOUDNESS: f32 = 0.22;

/// How long a tone swells and fades, in ms: a hard edge is heard as a click.
const EDGE: u32 = 5;

/// One round of a tone at `rate` samples per second. `None` for [`Tone::Music`], which is a prompt.
pub fn round(tone: Tone, rate: u32) -> Option<Vec<i16>> {
    let Cadence { hertz, on, off } = match tone {
        Tone::Ringback => Cadence { hertz: 425.0, on: 1_000, off: 4_000 },
        Tone::Busy => Cadence { hertz: 425.0, on: 350, off: 350 },
        Tone::Beep => Cadence { hertz: 1_000.0, on: 400, off: 0 },
        Tone::Music => return None,
    };
    let samples = |ms: u32| ms * rate / 1_000;
    let (on, edge) = (samples(on), samples(EDGE));
    let at = |sample: u32| {
        let near = sample.min(on - 1 - sample).min(edge) as f32 / edge as f32;
        let angle = TAU * hertz * sample as f32 / rate as f32;
        (f32::from(i16::MAX) * LOUDNESS * near * angle.sin()) as i16
    };
    Some((0..on).map(at).chain((0..samples(off)).map(|_| 0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tone_has_its_pitch_and_its_cadence() {
        for (tone, hertz, on, off) in
            [(Tone::Ringback, 425, 8_000, 32_000), (Tone::Busy, 425, 2_800, 2_800), (Tone::Beep, 1_000, 3_200, 0)]
        {
            let round = round(tone, 8_000).unwrap();
            assert_eq!(round.len(), on + off, "{tone:?}");
            let rising = round.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!(rising.abs_diff(hertz * on / 8_000) <= 1, "{tone:?}: {rising} waves");
            assert!(round[on..].iter().all(|sample| *sample == 0), "{tone:?} is silent in between");
            let steepest = round.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
            assert!(steepest < Some(6_000), "{tone:?} clicks: {steepest:?}");
        }
        assert_eq!(round(Tone::Music, 8_000), None);
    }
}
