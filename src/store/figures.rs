//! How much waits for somebody, counted.

use super::{Reader, StoreError, to_micros};
use crate::clock::Timestamp;
use crate::letter::Carrier;

/// How much waits for somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Promises to call back that are open.
    pub open: i64,
    /// … whose time is over.
    pub overdue: i64,
    /// Letters by how they travel: how many wait, and how many were given up and may be sent again.
    pub letters: Vec<(Carrier, i64, i64)>,
}

impl Reader {
    /// How much waits for somebody at this moment.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn waiting(&self, now: Timestamp) -> Result<Waiting, StoreError> {
        let count = |sql: &str| -> rusqlite::Result<Vec<(String, i64)>> {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        let read = || -> rusqlite::Result<Waiting> {
            let (open, overdue) = self.connection.query_row(
                "SELECT count(*), coalesce(sum(due < ?1), 0) FROM follow_up WHERE closed IS NULL",
                [to_micros(now)],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let waiting = count("SELECT kind, count(*) FROM outbox WHERE due IS NOT NULL GROUP BY kind")?;
            let dead = count("SELECT kind, count(*) FROM outbox WHERE sent IS NULL AND due IS NULL GROUP BY kind")?;
            let of = |counts: &[(String, i64)], carrier: Carrier| {
                counts.iter().find(|(kind, _)| kind == carrier.word()).map_or(0, |(_, count)| *count)
            };
            let letters = Carrier::ALL.map(|carrier| (carrier, of(&waiting, carrier), of(&dead, carrier)));
            Ok(Waiting { open, overdue, letters: letters.into() })
        };
        read().map_err(self.failed("count what waits"))
    }
}
