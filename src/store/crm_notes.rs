//! What CRMs have been told of calls, and how far their customers have been read: notes of whoever speaks with them, which
//! follow from no fact.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::{FILE, PATIENCE, StoreError, schema, to_column, to_micros};
use crate::clock::{Duration, Timestamp};
use crate::key::CallId;

/// How long it is kept what a CRM was told of a call.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// The notes: a connection of its own beside the [`Writer`](super::Writer)'s. What is written down here is on record when
/// the process dies; lost in a power cut, a CRM is told once more.
#[derive(Debug)]
pub struct CrmNotes {
    connection: Connection,
    path: PathBuf,
}

impl CrmNotes {
    /// Opens the notes of a database that there is.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn open(directory: &Path) -> Result<CrmNotes, StoreError> {
        let path = directory.join(FILE);
        let failed = |why: &dyn std::fmt::Display| StoreError::new(&path, "open the notes about CRMs", why);
        if !path.exists() {
            return Err(failed(&"there is no database yet"));
        }
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "synchronous", "normal")?;
            Ok(connection)
        };
        let connection = open().map_err(|error| failed(&error))?;
        schema::check(&connection).map_err(|why| failed(&why))?;
        Ok(CrmNotes { connection, path })
    }

    fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
        move |error| StoreError::new(&self.path, doing, error)
    }

    /// What a CRM has been told of a call, as it was kept.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn told(&self, crm: &str, call: CallId) -> Result<Option<String>, StoreError> {
        self.connection
            .prepare_cached("SELECT told FROM crm_call WHERE crm = ?1 AND call = ?2")
            .and_then(|mut statement| {
                statement.query_row(params![crm, to_column(call.to_bits())], |row| row.get(0)).optional()
            })
            .map_err(self.failed("read what a CRM was told"))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn keep(&self, crm: &str, call: CallId, told: &str, now: Timestamp) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO crm_call (crm, call, told, at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (crm, call) DO UPDATE SET told = excluded.told, at = excluded.at",
            )
            .and_then(|mut statement| {
                statement.execute(params![crm, to_column(call.to_bits()), told, to_micros(now)]).map(drop)
            })
            .map_err(self.failed("keep what a CRM was told"))
    }

    /// A mark of a CRM: how far something was read.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn mark(&self, crm: &str, what: &str) -> Result<Option<String>, StoreError> {
        self.connection
            .query_row("SELECT value FROM crm_mark WHERE crm = ?1 AND what = ?2", params![crm, what], |row| row.get(0))
            .optional()
            .map_err(self.failed("read a mark of a CRM"))
    }

    /// Sets it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn set_mark(&self, crm: &str, what: &str, value: &str) -> Result<(), StoreError> {
        self.connection
            .execute(
                "INSERT INTO crm_mark (crm, what, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (crm, what) DO UPDATE SET value = excluded.value",
                params![crm, what, value],
            )
            .map(drop)
            .map_err(self.failed("set a mark of a CRM"))
    }

    /// Forgets what was told long ago.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let long_ago = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        self.connection
            .execute("DELETE FROM crm_call WHERE at < ?1", [to_micros(long_ago)])
            .map(drop)
            .map_err(self.failed("forget what CRMs were told"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Folder, at};
    use super::*;

    #[test]
    fn what_was_told_is_kept_for_each_crm_and_call_and_forgotten_in_the_end() {
        let folder = Folder::new();
        assert!(CrmNotes::open(&folder.0).is_err());
        drop(folder.writer());
        let notes = CrmNotes::open(&folder.0).unwrap();
        let (one, other) = (CallId::from_bits(1), CallId::from_bits(2));
        assert_eq!(notes.told("a", one).unwrap(), None);
        notes.keep("a", one, "1", at(0)).unwrap();
        notes.keep("a", one, "2", at(9)).unwrap();
        notes.keep("b", one, "3", at(0)).unwrap();
        let told = |notes: &CrmNotes| ["a", "b"].map(|crm| notes.told(crm, one).unwrap());
        assert_eq!((told(&notes), notes.told("a", other).unwrap()), ([Some("2".into()), Some("3".into())], None));
        notes.forget(Timestamp::from_second(at(1).as_second() + 30 * 86_400).unwrap()).unwrap();
        let again = CrmNotes::open(&folder.0).unwrap();
        assert_eq!(told(&again), [Some("2".into()), None]);
        assert_eq!(again.mark("a", "contacts").unwrap(), None);
        again.set_mark("a", "contacts", "2026").unwrap();
        again.set_mark("a", "contacts", "2027").unwrap();
        assert_eq!(
            (again.mark("a", "contacts").unwrap(), again.mark("b", "contacts").unwrap()),
            (Some("2027".into()), None)
        );
    }
}
