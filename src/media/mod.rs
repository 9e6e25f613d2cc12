//! The voice itself: packets that pass through us from one phone to another.
//!
//! The core decides in [`crate::anchor`]'s words; here they become sockets. [`latch`] judges whose packets are believed,
//! [`relay`] receives and sends them, [`codec`] makes sound of them and them of sound, [`digits`] finds the keys that were
//! pressed, [`stats`] says how well it all arrived, [`record`] writes it down; [`prompts`] are the
//! words that we say ourselves.

pub mod codec;
pub mod digits;
pub mod latch;
pub mod prompts;
pub mod record;
pub mod relay;
pub mod resample;
pub mod rtp;
pub mod stats;
pub mod stopwatch;
pub mod tone;
pub mod wav;
