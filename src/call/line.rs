//! A call with what stands beside it while it lives: what the caller asked for, the numbers of its legs, its place in the
//! journal, and what was said on the wire.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::alphabet::Session;
use super::ladder::Ladder;
use super::life::Call;
use crate::clock::Deadline;
use crate::config::{Config, ExtensionIx};
use crate::fact::Party;
use crate::key::{CallId, LegKey, TapeKey};
use crate::route::{Caller, Direction};
use crate::sip::HeaderName;

/// A call and what stands beside it.
#[derive(Debug)]
pub struct Line {
    /// Its public name.
    pub id: CallId,
    /// The call; out while it acts.
    pub call: Option<Call>,
    /// The configuration under which it began.
    pub config: Arc<Config>,
    /// Who called, for the record.
    pub from: Party,
    /// Its media passes us, also where `media.mode` is direct.
    pub anchored: bool,
    /// What the caller asked for.
    pub offer: Offer,
    /// What is offered instead for one whom a transfer left.
    pub served: Option<Box<Offer>>,
    /// Who is behind legs that are neither the caller's nor an employee's.
    pub outside: Vec<(LegKey, Identity)>,
    /// Who sent it on last.
    pub diverter: Option<Diverter>,
    /// The phones of the one who asked for it answer by themselves.
    pub auto_answer: bool,
    /// The DID that it counts for, by its number.
    pub did: Option<Arc<str>>,
    /// The number of its first fact: until that is on disk the caller hears 100 and nothing else.
    pub first_fact: u64,
    /// Legs so far, with the caller's.
    pub legs: u16,
    /// Legs that have not said goodbye yet.
    pub open: u16,
    /// What was said on the wire.
    pub ladder: Ladder,
    /// The same, to be played again.
    pub tape: TapeKey,
    /// When its plan goes on.
    pub deadline: Option<Deadline>,
    /// Under which extensions it is listed as waiting for somebody to become free.
    pub watched: SmallVec<[Arc<str>; 4]>,
}

/// Who sent a call on.
#[derive(Clone, Copy, Debug)]
pub struct Diverter {
    /// Whose phone did, or whose forward.
    pub by: ExtensionIx,
    /// Why, in the words of RFC 5806 §4.2.
    pub reason: &'static str,
}

/// Who somebody is towards those they talk with.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The number.
    pub caller: Caller,
    /// What phones show beside it.
    pub display: Arc<str>,
}

impl Line {
    /// For whom phones are rung now.
    pub fn offer(&self) -> &Offer {
        self.served.as_deref().unwrap_or(&self.offer)
    }
}

/// What the caller's INVITE says that its copies towards phones and trunks need.
#[derive(Clone, Debug)]
pub struct Offer {
    /// From where to where.
    pub direction: Direction,
    /// Who calls.
    pub caller: Caller,
    /// What phones show beside the number.
    pub display: Arc<str>,
    /// The session, if the INVITE had one.
    pub session: Option<Session>,
    /// Max-Forwards, one less than it came with.
    pub max_forwards: u8,
    /// Headers that are carried across untouched.
    pub passed: Vec<(HeaderName, Bytes)>,
}
