//! Sound becomes payload and payload becomes sound, in each [`Codec`] that we speak ourselves.
//!
//! Everything here works on frames of 20 ms, mono, 16 bit, at the [`rate`] that suits the codec: 8 kHz for G.711, 16 kHz
//! for G.722 and Opus. Opus is sent as wideband (RFC 7587 §4.1 leaves that to the sender) and understood in every form
//! that a peer may choose: any bandwidth, any length of packet up to 120 ms, stereo too (mixed to mono).

mod g711;

pub(super) use self::g711::{FROM_ALAW, FROM_ULAW};

use std::fmt;

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use opus_rs::{Application, OpusDecoder, OpusEncoder};

use crate::clock::Duration;
use crate::sound::Codec;

/// How much sound one packet of ours holds.
pub const FRAME: Duration = Duration::from_millis(20);

/// What Opus may cost, in bit/s. At 16 kHz speech gains little above it.
const OPUS_BITS: i32 = 32_000;

/// How hard Opus tries (0 to 10). The steps above this one cost much time and are hard to hear.
const OPUS_EFFORT: i32 = 5;

/// The longest packet of Opus: 120 ms (RFC 6716 §3.1).
const OPUS_LONGEST: usize = 120 * 16;

/// The largest packet of one frame of Opus (RFC 6716 §3.2.1).
const OPUS_LARGEST: usize = 1276;

/// Samples per second that [`Encoder`] takes and [`Decoder`] gives.
pub const fn rate(codec: Codec) -> u32 {
    match codec {
        Codec::Pcma | Codec::Pcmu => 8_000,
        Codec::G722 | Codec::Opus => 16_000,
    }
}

/// Samples in one [`FRAME`]: 160 or 320.
pub const fn frame_samples(codec: Codec) -> usize {
    rate(codec) as usize / 50
}

/// By how much RTP's timestamp grows with each [`FRAME`]: 160, for Opus 960.
pub const fn frame_ticks(codec: Codec) -> u32 {
    codec.clock() / 50
}

/// Why a payload cannot be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unintelligible;

impl fmt::Display for Unintelligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this payload is none of its codec")
    }
}

impl std::error::Error for Unintelligible {}

/// One stream of sound on its way out. G.722 and Opus remember what went before: one encoder per stream.
pub struct Encoder {
    codec: Codec,
    with: Encoding,
}

enum Encoding {
    G711(fn(i16) -> u8),
    G722(Box<G722Encoder>),
    Opus(Box<OpusEncoder>),
}

impl Encoder {
    /// At the beginning of a stream.
    pub fn new(codec: Codec) -> Encoder {
        let with = match codec {
            Codec::Pcma => Encoding::G711(g711::to_alaw),
            Codec::Pcmu => Encoding::G711(g711::to_ulaw),
            Codec::G722 => Encoding::G722(Box::new(G722Encoder::new())),
            Codec::Opus => {
                // `Audio` rather than `Voip`: the latter cuts low tones away, and a prompt has no rumble to be cut.
                let mut opus = OpusEncoder::new(rate(codec) as i32, 1, Application::Audio).expect("a known rate");
                (opus.bitrate_bps, opus.complexity) = (OPUS_BITS, OPUS_EFFORT);
                Encoding::Opus(Box::new(opus))
            }
        };
        Encoder { codec, with }
    }

    /// Appends the payload of one packet: the next [`FRAME`] of the stream, at the codec's [`rate`]. What is missing of
    /// `pcm` is silence; what is too much, cut away.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        const LONGEST: usize = 320;
        let samples = frame_samples(self.codec);
        let mut frame = [0; LONGEST];
        let there = pcm.len().min(samples);
        frame[..there].copy_from_slice(&pcm[..there]);
        let (frame, begins) = (&frame[..samples], payload.len());
        let written = match &mut self.with {
            Encoding::G711(encode) => return payload.extend(frame.iter().map(|sample| encode(*sample))),
            Encoding::G722(encoder) => {
                payload.resize(begins + encoder.max_encode_bytes(samples), 0);
                encoder.encode_into(frame, &mut payload[begins..]).ok()
            }
            Encoding::Opus(encoder) => {
                payload.resize(begins + OPUS_LARGEST, 0);
                encoder.encode_i16(frame, samples, &mut payload[begins..]).ok()
            }
        };
        debug_assert!(written.is_some(), "a whole frame and room enough can always be encoded");
        payload.truncate(begins + written.unwrap_or(0));
    }
}

/// One stream of sound on its way in.
pub struct Decoder(Decoding);

enum Decoding {
    G711(&'static [i16; 256]),
    G722(Box<G722Decoder>),
    Opus(Box<OpusDecoder>),
}

impl Decoder {
    /// At the beginning of a stream.
    pub fn new(codec: Codec) -> Decoder {
        Decoder(match codec {
            Codec::Pcma => Decoding::G711(&g711::FROM_ALAW),
            Codec::Pcmu => Decoding::G711(&g711::FROM_ULAW),
            Codec::G722 => Decoding::G722(Box::new(G722Decoder::new())),
            Codec::Opus => Decoding::Opus(Box::new(OpusDecoder::new(rate(codec) as i32, 1).expect("a known rate"))),
        })
    }

    /// Appends the sound of one packet's payload, at the codec's [`rate`]: however many milliseconds the peer put into it.
    /// Nothing is appended where that is not understood, and the stream may go on with the next payload.
    ///
    /// # Errors
    /// It is empty or not of this codec (only Opus can tell).
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), Unintelligible> {
        if payload.is_empty() {
            return Err(Unintelligible);
        }
        let begins = pcm.len();
        match &mut self.0 {
            Decoding::G711(table) => pcm.extend(payload.iter().map(|byte| table[usize::from(*byte)])),
            Decoding::G722(decoder) => {
                pcm.resize(begins + decoder.max_decode_samples(payload.len()), 0);
                let written = decoder.decode_into(payload, &mut pcm[begins..]);
                pcm.truncate(begins + written.as_ref().copied().unwrap_or(0));
                written.map_err(|_| Unintelligible)?;
            }
            Decoding::Opus(decoder) => {
                let mut sound = [0f32; OPUS_LONGEST];
                let samples = decoder.decode(payload, OPUS_LONGEST, &mut sound).map_err(|_| Unintelligible)?;
                let sound = sound.get(..samples).ok_or(Unintelligible)?;
                pcm.extend(sound.iter().map(|sample| (sample * 32_768.0).round() as i16));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
