//! What we say ourselves, and in which codec each peer wants to hear it: the words between the core, which decides that a
//! caller hears a greeting, and the edge, which has its samples.

pub mod session;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::Duration;

/// Something to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// A prompt by its name, without ending: the admin's `NAME.wav` under `storage.directory`/prompts, else the shipped one
    /// in the site's language; where neither exists, the second name, which is always a shipped one.
    Prompt(Arc<str>, &'static str),
    /// A tone.
    Tone(Tone),
    /// A number, digit by digit.
    Digits(Arc<str>),
    /// A recording: its file, counted from `storage.directory`.
    File(Arc<str>),
    /// Nothing, for so long.
    Silence(Duration),
}

impl Sound {
    /// A shipped prompt, which the admin may replace.
    pub fn prompt(name: &'static str) -> Sound {
        Sound::Prompt(name.into(), name)
    }
}

/// A sound without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// It rings at the other end: 425 Hz, 1 s of every 5 s (the cadence of Russia and Ukraine).
    Ringback,
    /// The other end is busy: 425 Hz, 0.35 s on, 0.35 s off.
    Busy,
    /// Speak now: 1,000 Hz for 0.4 s.
    Beep,
    /// Somebody comes back soon: the prompt `music`.
    Music,
}

/// A codec that we speak and understand ourselves. Two phones that talk with each other may use any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 A-law, RTP clock 8 kHz.
    Pcma,
    /// G.711 µ-law, RTP clock 8 kHz.
    Pcmu,
    /// G.722 at 64 kbit/s: 16 kHz of sound under an RTP clock of 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// Opus (RFC 7587), RTP clock 48 kHz.
    Opus,
}

impl Codec {
    /// The RTP clock, in Hz.
    pub const fn clock(self) -> u32 {
        match self {
            Codec::Pcma | Codec::Pcmu | Codec::G722 => 8_000,
            Codec::Opus => 48_000,
        }
    }

    /// The name in `a=rtpmap` (RFC 4855), without case.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcma => "PCMA",
            Codec::Pcmu => "PCMU",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
        }
    }
}

/// A codec under the payload type that a session gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// RTP's payload type, 0 to 127.
    pub payload: u8,
    /// What it stands for.
    pub codec: Codec,
}

/// Digits as RTP events (RFC 4733) under the payload type that a session gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// RTP's payload type.
    pub payload: u8,
    /// Their RTP clock, in Hz: that of the codec beside them.
    pub clock: u32,
}

/// What one peer and we have agreed to speak on one `m=` line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// In which codec it hears us; `None` where it knows none of ours.
    pub send: Option<Format>,
    /// What may come from it, of what we understand.
    pub receive: SmallVec<[Format; 4]>,
    /// How it wants to be sent digits.
    pub send_events: Option<Events>,
    /// How its digits come.
    pub receive_events: Option<Events>,
}
