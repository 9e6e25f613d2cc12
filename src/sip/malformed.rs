//! A message that was not understood: what is wrong, where, and what it takes to answer.

use std::fmt;

use super::fault::Fault;
use super::head::Head;
use super::header::Via;
use super::name::HeaderName;
use super::status::Status;

/// A message that was not understood. It is answered where it can be, through `Writer::refuse`; else it is dropped.
#[derive(Clone)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// The byte of the message at which that shows, counted from 0.
    pub at: usize,
    answerable: Option<Box<Head>>,
}

impl Malformed {
    /// `head` as far as it was read.
    pub(super) fn new(fault: Fault, at: usize, head: Head) -> Malformed {
        let answerable = is_answerable(&head).then(|| Box::new(head));
        Malformed { fault, at, answerable }
    }

    /// The status that it is answered with. `None` where it is dropped: a response, an ACK, or a request whose top Via does
    /// not say who sent it.
    pub fn status(&self) -> Option<Status> {
        self.answerable.as_ref().map(|_| self.fault.status())
    }

    /// How many bytes of it were read, where it can be answered.
    pub fn length(&self) -> usize {
        self.answerable.as_ref().map_or(0, |head| head.bytes.len())
    }

    /// What was read of the head, where it can be answered.
    pub(super) fn head(&self) -> Option<&Head> {
        self.answerable.as_deref()
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.fault, self.at)
    }
}

impl fmt::Debug for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at byte {}, answered {:?}", self.fault, self.at, self.status())
    }
}

impl std::error::Error for Malformed {}

/// RFC 3261 §17.1.1.3: an ACK is never answered; nor is a response. Without a Via no answer finds its transaction.
fn is_answerable(head: &Head) -> bool {
    let start = head.start.read(&head.bytes);
    let is_response = start.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case(b"SIP/"));
    !is_response && !start.starts_with(b"ACK ") && head.values(HeaderName::Via).next().and_then(Via::leading).is_some()
}
