//! A ladder on a whiteboard, played against the core in virtual time.
//!
//! A file of `sip-traces/` is read by [`Script`] and played by [`play`]: lines into us are done to a fresh
//! [`Switch`](crate::switch::Switch), lines from us are expected, and what is sent and not written fails. Every trace ends
//! by letting 64·T1 pass and finding nothing left over.

mod actor;
mod diary;
mod network;
mod notation;
mod player;

pub use notation::{KnownNumber, Line, Peer, Script, Setting, Spoken, Step, Unreadable};
pub use player::{Failure, play};
