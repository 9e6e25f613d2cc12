//! Mobiles: whether they can be reached, and under whom their legs are found.

use smallvec::SmallVec;

use super::tables::Switch;
use crate::call::{Leg, Peer};
use crate::config::TrunkIx;
use crate::route::mobiles;

impl Switch {
    /// True where a trunk is there, with a line free, that can be asked to ring a mobile of this extension.
    pub(super) fn reaches_a_mobile(&self, extension: &str) -> bool {
        let (config, means) = (&self.means.config, &self.means);
        let is_there = |trunk: &TrunkIx| {
            let (name, most) = (&config.trunk(*trunk).name, config.trunk(*trunk).max_calls);
            most.is_none_or(|most| self.calls_on(name) < most)
                && means.trunks.is_up(*trunk)
                && !means.trunks.ways(*trunk, &means.host, &means.servers, means.now).is_empty()
        };
        let extension = config.extension_by_number(extension);
        extension.is_some_and(|extension| mobiles(config, extension).any(|mobile| mobile.trunks.iter().any(is_there)))
    }
}

/// Under whom a leg is found: that of a mobile under its trunk and under its employee.
pub(super) fn indexed(leg: &Leg) -> SmallVec<[Peer; 2]> {
    let on_mobile = leg.employee().filter(|_| leg.peer().is_trunk());
    [leg.peer().clone()].into_iter().chain(on_mobile.cloned().map(Peer::Extension)).collect()
}
