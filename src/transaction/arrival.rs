//! What those above hear of a transaction: what arrived, and what will not come any more.

use super::hand::{ClientKey, ServerKey};
use crate::sip::Status;

/// What an arriving message is to those above. `U` is whoever uses a transaction: a leg, a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival<U> {
    /// A new request, neither ACK nor CANCEL. It wants exactly one final response through `Transactions::respond`.
    Request(ServerKey),
    /// A CANCEL, and the INVITE it means where there is one. `cancel` wants its own answer: 200, or 481 without INVITE.
    /// An INVITE without a final response is answered 487 by its user (RFC 3261 §9.2).
    Cancel {
        /// The CANCEL's own transaction.
        cancel: ServerKey,
        /// The INVITE's, and its user where one was set.
        invite: Option<(ServerKey, Option<U>)>,
    },
    /// An ACK for a 2xx, or one that belongs to nothing: only a dialog can tell. It is never answered.
    Ack {
        /// Set where the ACK wrongly repeats the branch of the INVITE, as RFC 2543 had it.
        invite: Option<(ServerKey, Option<U>)>,
    },
    /// A response to a request of `user`'s: any number of 1xx, then one final one.
    Response {
        /// The request's transaction.
        client: ClientKey,
        /// Who sent the request.
        user: U,
    },
    /// A 2xx to an INVITE that already has a final response: the same again (its ACK got lost: send it again), or that
    /// of another phone behind a proxy (another To tag: it wants its own ACK, and then a BYE).
    AnotherAnswer {
        /// The INVITE's transaction.
        client: ClientKey,
        /// Who sent the INVITE.
        user: U,
    },
    /// A response to nothing that we know of.
    Stray,
    /// Nothing to do: a repetition, or something the transactions answered themselves.
    Absorbed,
    /// A new request for which there is no room; nothing was stored. The caller may answer it 503 with Retry-After,
    /// without a transaction, or stay silent.
    NoRoom,
}

/// Why no final response will come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Why {
    /// Nobody answered for 64·T1: to be taken for a 408 (RFC 3261 §8.1.3.1).
    TimedOut,
    /// The flow is gone: to be taken for a 503 (RFC 3261 §8.1.3.1).
    FlowFailed,
}

/// The end of a transaction of which its user must hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expired<U> {
    /// A request of ours gets no final response.
    Unanswered {
        /// The request's transaction, which is gone.
        client: ClientKey,
        /// Who sent the request.
        user: U,
        /// Why.
        why: Why,
    },
    /// Our final response to an INVITE got no ACK within 64·T1. After a 2xx the user hangs up (RFC 3261 §13.3.1.4).
    Unacknowledged {
        /// The INVITE's transaction, which is gone.
        server: ServerKey,
        /// Who answered.
        user: U,
        /// The final response.
        status: Status,
    },
}

/// What happened so far and what is there now, for `status` and the metrics.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Requests of ours in the table.
    pub clients: usize,
    /// Requests of theirs in the table.
    pub servers: usize,
    /// Requests that arrived again, since the start.
    pub repeated: u64,
    /// Requests that arrived on two ways and were answered 482 on the second (RFC 3261 §8.2.2.2), since the start.
    pub merged: u64,
    /// Responses that belonged to nothing, since the start.
    pub stray: u64,
    /// Requests for which there was no room, since the start.
    pub refused: u64,
}
