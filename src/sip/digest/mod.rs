//! Who is it, really? A phone proves that it knows its password without ever sending it, and we prove ours to a trunk.
//!
//! RFC 3261 §22 with RFC 7616 and RFC 8760: MD5 and SHA-256, `qop=auth` only. A [`Challenger`] asks and checks; an
//! [`Answerer`] is asked. Neither reads a clock or rolls dice: time and chance are handed in.

mod answerer;
mod challenger;
mod hash;
mod nonces;
mod params;

pub use answerer::{Answerer, Asker, Tried, Unanswerable};
pub use challenger::{Challenger, Doubt, Verdict};
pub use hash::{Algorithm, Secret};
