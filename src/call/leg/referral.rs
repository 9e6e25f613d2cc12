//! What a leg remembers of a transfer that its peer has asked for (RFC 3515).

use smallvec::SmallVec;

use crate::sip::Message;
use crate::transaction::{ClientKey, ServerKey};

/// A transfer that the peer has asked for and that is not decided yet: one at a time.
#[derive(Debug)]
pub(super) struct Referral {
    pub(super) stage: Stage,
    /// The CSeq of its REFER, which names the subscription that it made (RFC 3515 §2.4.6).
    pub(super) id: u32,
    /// It wants no NOTIFY (RFC 4488).
    pub(super) quiet: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The REFER waits for its answer.
    Asked { refer: ServerKey, request: Box<Message> },
    /// Somebody is being rung.
    Accepted,
}

/// NOTIFYs whose answer is still to come: what becomes of them says nothing about the talk (RFC 5057 §5.1).
pub(super) type Notifying = SmallVec<[ClientKey; 2]>;
