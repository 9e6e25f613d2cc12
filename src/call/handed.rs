//! What a call keeps of a transfer, and what one call gives another when two become one.

use std::sync::Arc;

use smallvec::SmallVec;

use super::alphabet::Session;
use super::party::{Branch, Failures, Party, Tally};
use crate::clock::Instant;
use crate::config::ExtensionIx;
use crate::key::LegKey;
use crate::route::{RoutePlan, Walk};

/// A transfer whose outcome is open: somebody is being rung for the one who waits.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) by: Party,
    /// They have hung up, as phones do after a blind transfer.
    pub(super) is_gone: bool,
    /// They held the one who waits, and do so again where nobody takes over.
    pub(super) held: bool,
    /// It has come back: their own phones are being rung.
    pub(super) comes_back: bool,
    /// Whoever is being rung was called by the one who transferred, and knows that one's session.
    pub(super) consulted: bool,
}

/// Who waits while an employee consults somebody.
#[derive(Debug)]
pub(super) struct Consult {
    pub(super) left: Party,
    pub(super) by: Party,
    /// Whom, as it was dialled.
    pub(super) to: Arc<str>,
    /// The employee had been called: their talk counts when it is over, and not before.
    pub(super) counts: bool,
}

/// A transfer that came to nothing, as the one who had asked for it was told.
#[derive(Debug)]
pub(super) struct News {
    /// Who was told.
    pub(super) to: LegKey,
    /// What.
    pub(super) status: u16,
    /// When.
    pub(super) at: Instant,
}

/// Two who did not call each other learn each other's sessions, one after the other.
#[derive(Debug)]
pub(super) struct Meeting {
    /// Who is being offered the session.
    pub(super) asked: LegKey,
    pub(super) session: Option<Session>,
    /// Who is offered the answer to it, then.
    pub(super) then: Option<LegKey>,
    /// When it is offered again, having crossed an offer of theirs.
    pub(super) again: Option<Instant>,
    pub(super) tries: u8,
    /// They have agreed on nothing before that could go on in its place.
    pub(super) must: bool,
}

impl Meeting {
    pub(super) fn again(&self) -> Option<Instant> {
        self.again
    }
}

/// What a call gives to another, when the one who was in both leaves.
#[derive(Debug)]
pub enum Handed {
    /// Somebody who talks.
    Talker(HandedTalker),
    /// Whoever is being rung, with the plan they follow.
    Ringing(Box<HandedRinging>),
}

/// Somebody who talks.
#[derive(Debug)]
pub struct HandedTalker(pub(super) Party);

/// A plan on its way.
#[derive(Debug)]
pub struct HandedRinging {
    pub(super) plan: Arc<RoutePlan>,
    pub(super) walk: Walk,
    pub(super) branches: SmallVec<[Branch; 4]>,
    pub(super) tally: SmallVec<[(ExtensionIx, Tally); 4]>,
    pub(super) failures: Failures,
}

impl Handed {
    /// The legs that go over; each gets the number that it has in the other call.
    pub fn renumber(&mut self, mut number: impl FnMut(LegKey) -> u16) {
        match self {
            Handed::Talker(HandedTalker(party)) => party.number = number(party.leg),
            Handed::Ringing(ringing) => {
                ringing.branches.iter_mut().for_each(|branch| branch.number = number(branch.leg));
            }
        }
    }
}
