//! The voice itself: packets that pass through us from one phone to another.
//!
//! The core decides in [`crate::anchor`]'s words; here they become sockets. [`latch`] judges whose packets are believed,
//! [`relay`] receives and sends them, [`codec`] makes sound of them and them of sound, [`digits`] finds the keys that were
//! pressed, [`stats`] says how well it all arrived, [`record`] writes it down. What we say ourselves comes from the
//! [`library`], which has the [`prompts`], reads files ([`wav`]), computes tones ([`tone`]) and brings them to a codec's
//! rate ([`resample`]).

pub mod codec;
pub mod digits;
pub mod latch;
pub mod library;
pub mod prompts;
pub mod record;
pub mod relay;
pub mod resample;
pub mod rtp;
pub mod stats;
pub mod stopwatch;
pub mod tone;
pub mod wav;
