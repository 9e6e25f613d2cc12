//! What an employee sets by a code on the phone: the same state that an admin's commands set.

use super::tables::Switch;
use crate::ivr::Setting;

impl Switch {
    /// Sets it for this extension, or (hours) for the office. False: it may not be.
    pub(super) fn set(&mut self, extension: &str, setting: &Setting) -> bool {
        let config = self.means.config.clone();
        let Some(ix) = config.extension_by_number(extension) else { return false };
        match setting {
            Setting::Forward(when, to) => self.set_forward(ix, *when, to.as_deref()).is_ok(),
            Setting::Away(away) => self.send_away(extension, *away, None).is_ok(),
            Setting::Hours(open) => {
                let may = config.features.hours_by.contains(&ix);
                let mut schedules = config.features.hours.iter().map(|schedule| &config.schedule(*schedule).name);
                may && schedules.all(|schedule| self.override_hours(schedule, *open, None).is_ok())
            }
        }
    }
}
