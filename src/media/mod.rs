//! The voice itself: packets that pass through us from one phone to another.
//!
//! The core decides in [`crate::anchor`]'s words; here they become sockets. [`latch`] judges whose packets are believed,
//! [`relay`] receives and sends them, [`codec`] makes sound of them and them of sound.

pub mod codec;
pub mod latch;
pub mod relay;
