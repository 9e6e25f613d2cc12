//! Which of a trunk's addresses a call tries first (RFC 3263 §4.3): the one in use, then the others as DNS gave them. Those
//! that have lately failed a call stand behind, the one that failed longest ago before the others. That is the health of a
//! way and not of the trunk: whether the trunk is there, its OPTIONS and registration say.

use std::net::SocketAddr;

use smallvec::SmallVec;

use crate::clock::{Duration, Instant};
use crate::key::Transport;

type Address = (Transport, SocketAddr);

/// How long an address that failed a call stands behind the others.
const BEHIND: Duration = Duration::from_secs(60);

/// The addresses of one trunk that failed a call, each with when that is forgotten.
#[derive(Debug, Default)]
pub(super) struct Failed(SmallVec<[(SocketAddr, Instant); 2]>);

impl Failed {
    /// This address has failed a call.
    pub(super) fn add(&mut self, address: SocketAddr, now: Instant) {
        self.0.retain(|(known, until)| *known != address && *until > now);
        self.0.push((address, now + BEHIND));
    }

    /// The addresses in the order in which a call tries them.
    pub(super) fn order(
        &self,
        addresses: &[Address],
        in_use: Option<SocketAddr>,
        now: Instant,
    ) -> SmallVec<[Address; 4]> {
        let mut ordered: SmallVec<[Address; 4]> = addresses.into();
        ordered.sort_by_key(|(_, address)| (self.until(*address, now), Some(*address) != in_use));
        ordered
    }

    fn until(&self, address: SocketAddr, now: Instant) -> Option<Instant> {
        self.0.iter().find(|(known, until)| *known == address && *until > now).map(|(_, until)| *until)
    }
}
