//! What is handed to a transaction with every input, and the names it goes by.

use std::fmt;

use bytes::Bytes;

use crate::clock::{Deadlines, Now};
use crate::key::{Flow, Key};

/// Where messages leave: implemented for the effects of the Switch.
pub trait Wire {
    /// Sends `bytes`, one whole message, to the peer at the other end of `flow`.
    fn send(&mut self, flow: Flow, bytes: Bytes);
}

/// What is handed in with every input: what time it is, where timers wait and where messages leave.
pub struct Hand<'a, K> {
    /// What time it is.
    pub now: Now,
    /// Where timers wait. Whoever takes a `Timer` out gives it to `Transactions::on_timer`.
    pub deadlines: &'a mut Deadlines<K>,
    /// Where messages leave.
    pub wire: &'a mut dyn Wire,
}

impl<K> fmt::Debug for Hand<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hand").field("now", &self.now).finish_non_exhaustive()
    }
}

/// A request of ours that waits for its answer, or still absorbs what follows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u64);

/// A request of theirs that we are to answer, or whose repetitions we still absorb.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(u64);

impl ClientKey {
    pub(super) fn of<T>(row: Key<T>) -> ClientKey {
        ClientKey(row.to_bits())
    }

    pub(super) fn row<T>(self) -> Key<T> {
        Key::from_bits(self.0)
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {:?}", Key::<()>::from_bits(self.0))
    }
}

impl ServerKey {
    pub(super) fn of<T>(row: Key<T>) -> ServerKey {
        ServerKey(row.to_bits())
    }

    pub(super) fn row<T>(self) -> Key<T> {
        Key::from_bits(self.0)
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {:?}", Key::<()>::from_bits(self.0))
    }
}
