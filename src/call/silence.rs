//! Who says nothing in a talk: what [`super::life`] remembers of it.

use smallvec::SmallVec;

use crate::clock::Instant;
use crate::key::LegKey;

/// Who is silent in the talk of now.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Since when it is known.
    pub(super) sides: SmallVec<[(LegKey, Instant); 2]>,
    /// The alarm was given.
    pub(super) told: bool,
}

impl Silence {
    /// Everybody is listened to anew.
    pub(super) fn forget(&mut self) {
        self.sides.clear();
    }

    /// Since when a leg is known to be silent.
    pub(super) fn of(&self, leg: LegKey) -> Option<Instant> {
        self.sides.iter().find(|(side, _)| *side == leg).map(|(_, at)| *at)
    }
}
