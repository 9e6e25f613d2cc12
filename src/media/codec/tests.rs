//! What one side says, the other hears.

use std::f64::consts::TAU;

use super::*;

const ALL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

/// Two tones that swell and fade about as words do, so that a codec has something to follow.
fn voice(codec: Codec, seconds: usize) -> Vec<i16> {
    let rate = f64::from(rate(codec));
    let at = |time: f64| {
        let envelope = 0.6 + 0.4 * (TAU * 3.0 * time).sin();
        let sound = 0.6 * (TAU * 300.0 * time).sin() + 0.4 * (TAU * 1100.0 * time).sin();
        (12_000.0 * envelope * sound) as i16
    };
    (0..seconds * rate as usize).map(|sample| at(sample as f64 / rate)).collect()
}

fn there_and_back(codec: Codec, sound: &[i16]) -> Vec<i16> {
    let (mut encoder, mut decoder, mut heard) = (Encoder::new(codec), Decoder::new(codec), Vec::new());
    for frame in sound.chunks(frame_samples(codec)) {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        decoder.decode(&payload, &mut heard).expect("it is ours");
    }
    heard
}

/// How far above the noise the sound is, in dB, at the delay (up to 10 ms) where that is best.
fn clearness(codec: Codec, sound: &[i16], heard: &[i16]) -> f64 {
    let at = |delay: usize| {
        let pairs = sound.iter().zip(&heard[delay..]).map(|(said, heard)| (f64::from(*said), f64::from(*heard)));
        let (signal, noise) = pairs
            .skip(sound.len() / 10)
            .fold((0.0, 1e-9), |(signal, noise), (said, heard)| (signal + said * said, noise + (said - heard).powi(2)));
        10.0 * f64::log10(signal / noise)
    };
    (0..rate(codec) as usize / 100).map(at).fold(f64::MIN, f64::max)
}

#[test]
fn what_is_said_is_heard() {
    for (codec, least) in ALL.into_iter().zip([35.0, 35.0, 25.0, 20.0]) {
        let sound = voice(codec, 2);
        let heard = there_and_back(codec, &sound);
        assert_eq!(heard.len(), sound.len(), "{codec:?}");
        let clearness = clearness(codec, &sound, &heard);
        assert!(clearness > least, "{codec:?}: only {clearness:.1} dB above the noise");
    }
}

#[test]
fn one_frame_is_one_packet_of_20_ms() {
    for codec in ALL {
        let mut payload = vec![7];
        Encoder::new(codec).encode(&voice(codec, 1)[..frame_samples(codec)], &mut payload);
        let bytes = payload.len() - 1;
        assert_eq!(payload[0], 7, "it is appended");
        match codec {
            Codec::Opus => assert!((20..=OPUS_LARGEST).contains(&bytes), "{bytes}"),
            _ => assert_eq!(bytes, 160, "{codec:?}"),
        }
    }
    assert_eq!(ALL.map(frame_ticks), [160, 160, 160, 960]);
}

#[test]
fn a_short_frame_is_filled_up_and_a_long_one_cut() {
    for codec in ALL {
        for length in [0, 1, 100, 1000] {
            let (mut payload, mut heard) = (Vec::new(), Vec::new());
            Encoder::new(codec).encode(&vec![500; length], &mut payload);
            Decoder::new(codec).decode(&payload, &mut heard).expect("it is ours");
            assert_eq!(heard.len(), frame_samples(codec), "{codec:?}, {length} samples");
        }
    }
}

#[test]
fn nothing_from_outside_breaks_a_decoder() {
    // A fixed sequence (xorshift), so that a failure can be repeated.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for codec in ALL {
        let (mut decoder, mut heard) = (Decoder::new(codec), Vec::new());
        for _ in 0..3000 {
            let payload: Vec<u8> = (0..chance() % 300).map(|_| chance() as u8).collect();
            heard.clear();
            match decoder.decode(&payload, &mut heard) {
                Ok(()) => assert!(heard.len() <= 2 * OPUS_LONGEST, "{codec:?}"),
                Err(Unintelligible) => assert!(heard.is_empty(), "{codec:?}"),
            }
        }
    }
}
