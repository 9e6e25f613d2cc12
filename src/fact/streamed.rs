//! What came in at a leg.

use serde::{Deserialize, Serialize};

/// What came in at one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streamed {
    /// Packets from the peer.
    pub packets: u64,
    /// How many went on to the other side.
    pub forwarded: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// The greatest jitter, in microseconds.
    pub jitter_us: u64,
    /// Packets from a third address, dropped.
    pub foreign: u64,
}
