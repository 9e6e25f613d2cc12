//! A request that is answered without a transaction (RFC 3261 §8.2.7): the same request gets the same answer again, though
//! nothing is kept of it.

use super::matching::Fingerprint;
use super::{Transactions, reply_flow};
use crate::key::Flow;
use crate::sip::Message;

/// Whom to answer, and what about the answer must be the same each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stateless {
    /// Where the answer goes.
    pub flow: Flow,
    fingerprint: Fingerprint,
}

impl Stateless {
    /// The To tag of the answer.
    pub fn tag(&self) -> String {
        self.fingerprint.tag()
    }

    /// A number that repetitions of the request share and nobody outside can choose.
    pub fn mark(&self) -> u64 {
        self.fingerprint.mark()
    }
}

impl<U: Copy> Transactions<U> {
    /// For a request that is to be answered without a transaction; `None` where it belongs to one already.
    pub fn stateless(&self, flow: Flow, message: &Message) -> Option<Stateless> {
        let fingerprint = self.matching.request(message, message.method());
        let is_new = !self.by_request.contains_key(&fingerprint);
        is_new.then(|| Stateless { flow: reply_flow(flow, message), fingerprint })
    }
}
