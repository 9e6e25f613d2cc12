//! Time counted only while a schedule is open: "thirty minutes of business time".

use super::{HORIZON_DAYS, Schedule};
use crate::clock::{Duration, Timestamp};

impl Schedule {
    /// The moment at which this will have been open for `span` since `from`, by what is written: an override by hand does
    /// not count, so that what was promised does not move. `None`: not within eight years.
    pub fn after_open(&self, from: Timestamp, span: Duration) -> Option<Timestamp> {
        let today = self.zone.to_datetime(from).date();
        let mut left = jiff::SignedDuration::try_from(span).ok()?;
        // What lies before this is counted already: intervals may overlap.
        let mut counted = from;
        // An interval may have started the day before, and two days before in zones that skip a whole day.
        for day in -2..HORIZON_DAYS {
            let Ok(date) = today.checked_add(jiff::Span::new().days(day)) else { continue };
            let mut intervals: Vec<_> = self.intervals(date).map(|(_, opens, closes)| (opens, closes)).collect();
            intervals.sort_unstable();
            for (opens, closes) in intervals {
                let begins = opens.max(counted);
                let length = closes.duration_since(begins);
                if length >= left && closes > begins {
                    return begins.checked_add(left).ok();
                }
                if closes > begins {
                    left -= length;
                    counted = closes;
                }
            }
        }
        None
    }
}
