//! Who is there to be rung: an extension that is away, has left or is outside its own hours is replaced by its deputy.

use super::reason::Reason;
use super::situation::{Origin, Situation};
use crate::config::{ExtensionIx, ScheduleIx};

/// Why an extension is not rung.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Absence {
    /// `active = false`.
    Left,
    /// Set away.
    Away,
    /// Its own schedule is closed.
    OutsideHours,
}

impl Absence {
    pub(super) fn of(self, who: std::sync::Arc<str>) -> Reason {
        match self {
            Absence::Left => Reason::Left(who),
            Absence::Away => Reason::Away(who),
            Absence::OutsideHours => Reason::OutsideHours(who),
        }
    }
}

impl Situation<'_> {
    /// True where the schedule counts as open: what was set by hand, else what is written.
    pub fn is_open(&self, schedule: ScheduleIx) -> bool {
        let schedule = self.config.schedule(schedule);
        match self.state.override_of(&schedule.name, self.at) {
            Some(by_hand) => by_hand.open,
            None => schedule.is_open(self.at),
        }
    }

    /// Why this extension is not rung itself; `None`: it is there.
    pub(super) fn absence(&self, extension: ExtensionIx) -> Option<Absence> {
        let entry = self.config.extension(extension);
        // Colleagues know whom they call: they ignore own schedules.
        let inside = matches!(self.origin, Origin::Extension(_)) || self.caller.extension.is_some();
        if !entry.active {
            Some(Absence::Left)
        } else if self.state.away_until(&entry.number, self.at).is_some() {
            Some(Absence::Away)
        } else if !inside && entry.schedule.is_some_and(|schedule| !self.is_open(schedule)) {
            Some(Absence::OutsideHours)
        } else {
            None
        }
    }

    /// Who is rung for this extension: itself, or the first available one along its deputies. `Err`: nobody, and why.
    pub(super) fn present(&self, extension: ExtensionIx) -> Result<ExtensionIx, Absence> {
        let Some(absence) = self.absence(extension) else { return Ok(extension) };
        let mut tried = vec![extension];
        while let Some(deputy) = tried.last().and_then(|last| self.config.extension(*last).deputy) {
            if tried.contains(&deputy) {
                break;
            }
            if self.absence(deputy).is_none() {
                return Ok(deputy);
            }
            tried.push(deputy);
        }
        Err(absence)
    }
}
