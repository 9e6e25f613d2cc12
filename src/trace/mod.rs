//! A ladder on a whiteboard, played against the core in virtual time.
//!
//! A file of `sip-traces/` is read by [`Script`] and played by [`play`]: lines into us are done to a fresh
//! [`Switch`](crate::switch::Switch), lines from us are expected, and what is sent and not written fails. Every trace ends
//! by letting 64·T1 pass and finding nothing left over.
//!
//! A real call becomes such a file by [`export`], and [`compare`] plays it to its end and sets both sides side by side.

mod actor;
mod diary;
mod network;
mod notation;
mod export;
mod office;
mod player;

pub use export::{Exported, Recorded, export};
pub use notation::{KnownNumber, Line, Peer, Place, Script, Setting, Spoken, Step, Unreadable};
pub use office::read_office;
pub use player::{Failure, Row, compare, play, record};
