//! The outbox: what is to be told to the world outside, written with the fact that it tells, and kept until somebody has
//! acknowledged it.
//!
//! ```text
//!            take            sent
//!  due ────────────► taken ────────► sent, forgotten after 30 days
//!   ▲ ▲                │ failed
//!   │ └── later ───────┤
//!   └── retry ── dead ◄┘ tried often enough
//! ```
//!
//! What was taken when the process died is due again at the next start: it may arrive twice, but never not at all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::customers_live::CustomerChange;
use super::{FILE, PATIENCE, Reader, StoreError, from_micros, schema, to_column, to_micros};
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::event::Event;
use crate::fact::Fact;
use crate::letter::Letter;

/// How long a letter that was sent is listed.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// Who says which letters follow from a fact, and carries them.
pub trait Outgoing: Send + fmt::Debug {
    /// The config in force, whose rules say what a call leaves behind.
    fn config(&self) -> Option<Arc<Config>>;
    /// The letters that follow from a fact.
    fn letters(&self, fact: &Fact) -> Vec<Letter>;
    /// True where somebody may ask for events later: then they are written down.
    fn wants_events(&self) -> bool {
        false
    }
    /// The letters that follow from an event.
    fn letters_of(&self, _event: &Event) -> Vec<Letter> {
        Vec::new()
    }
    /// These events are on the disk, in order.
    fn happened(&self, _events: Vec<Event>) {}
    /// These customers are different on the disk, in order.
    fn customers(&self, _changes: Vec<CustomerChange>) {}
    /// There are new letters in the outbox, and on the disk.
    fn posted(&self);
}

/// A letter, as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutboxRow {
    /// Its number.
    pub id: i64,
    /// The mail address.
    pub to: String,
    /// The message it tells of: its file.
    pub file: String,
    /// When it was written.
    pub made: Timestamp,
    /// How many times it was tried.
    pub tries: u32,
    /// When it is tried (again); `None` where it was sent or given up.
    pub due: Option<Timestamp>,
    /// When it was acknowledged.
    pub sent: Option<Timestamp>,
    /// What the last try met.
    pub error: Option<String>,
}

/// Writes letters. Told twice, they are there once.
pub(super) fn post(transaction: &Transaction<'_>, at: Timestamp, letters: &[Letter]) -> rusqlite::Result<bool> {
    let mut posted = false;
    for Letter { carrier, to, about, call, body } in letters {
        let written = transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO outbox (kind, target, about, made, tries, due, taken, call, body)
                 VALUES (?1, ?2, ?3, ?4, 0, ?4, 0, ?5, ?6)",
            )?
            .execute(params![
                carrier.word(),
                to,
                about,
                to_micros(at),
                call.map(|call| to_column(call.to_bits())),
                body.to_string()
            ])?;
        posted |= written > 0;
    }
    Ok(posted)
}

const COLUMNS: &str = "id, target, about, made, tries, due, sent, error";

impl Reader {
    /// The letters that wait or were given up, and with `all` those that were sent, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn outbox(&self, all: bool) -> Result<Vec<OutboxRow>, StoreError> {
        let read = || -> rusqlite::Result<Vec<OutboxRow>> {
            self.connection
                .prepare(&format!("SELECT {COLUMNS} FROM outbox WHERE ?1 OR sent IS NULL ORDER BY id DESC"))?
                .query_map([all], outbox_row)?
                .collect()
        };
        read().map_err(self.failed("read the outbox"))
    }
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    let moment =
        |column| -> rusqlite::Result<Option<Timestamp>> { Ok(row.get::<_, Option<i64>>(column)?.map(from_micros)) };
    Ok(OutboxRow {
        id: row.get(0)?,
        to: row.get(1)?,
        file: row.get(2)?,
        made: from_micros(row.get(3)?),
        tries: row.get(4)?,
        due: moment(5)?,
        sent: moment(6)?,
        error: row.get(7)?,
    })
}

/// Whoever carries letters: a connection of its own beside the [`Writer`](super::Writer)'s. What it writes needs no disk
/// to wait for: lost in a power cut, a letter is carried once more.
#[derive(Debug)]
pub struct Outbox {
    connection: Connection,
    path: PathBuf,
}

impl Outbox {
    /// Opens the outbox of a database that there is.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn open(directory: &Path) -> Result<Outbox, StoreError> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Err(StoreError::new(&path, "open the outbox", "there is no database yet"));
        }
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "synchronous", "normal")?;
            Ok(connection)
        };
        let connection = open().map_err(|error| StoreError::new(&path, "open the outbox", error))?;
        schema::check(&connection).map_err(|why| StoreError::new(&path, "open the outbox", why))?;
        Ok(Outbox { connection, path })
    }

    fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
        move |error| StoreError::new(&self.path, doing, error)
    }

    /// A new run begins: what was under way in the last one is due, and what was sent long ago is forgotten.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn begin(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let long_ago = now.checked_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        let begin = || -> rusqlite::Result<()> {
            self.connection.execute("UPDATE outbox SET taken = 0 WHERE taken", [])?;
            self.connection.execute("DELETE FROM outbox WHERE sent < ?1", [to_micros(long_ago)])?;
            Ok(())
        };
        begin().map_err(self.failed("begin with the outbox"))
    }

    /// The letter that has been due for longest, which is under way from now on.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn take(&mut self, now: Timestamp) -> Result<Option<OutboxRow>, StoreError> {
        self.connection
            .query_row(
                &format!(
                    "UPDATE outbox SET taken = 1, tries = tries + 1 WHERE id =
                         (SELECT id FROM outbox WHERE due <= ?1 AND NOT taken ORDER BY due, id LIMIT 1)
                     RETURNING {COLUMNS}"
                ),
                [to_micros(now)],
                outbox_row,
            )
            .optional()
            .map_err(self.failed("take a letter from the outbox"))
    }

    /// It was acknowledged.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn sent(&mut self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.connection
            .execute(
                "UPDATE outbox SET taken = 0, due = NULL, sent = ?2, error = NULL WHERE id = ?1",
                params![id, to_micros(now)],
            )
            .map(drop)
            .map_err(self.failed("mark a letter as sent"))
    }

    /// It was not; it is tried again then, or (`None`) given up.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn not_sent(&mut self, id: i64, again: Option<Timestamp>, why: &str) -> Result<(), StoreError> {
        self.connection
            .execute(
                "UPDATE outbox SET taken = 0, due = ?2, error = ?3 WHERE id = ?1",
                params![id, again.map(to_micros), why],
            )
            .map(drop)
            .map_err(self.failed("mark a letter as not sent"))
    }

    /// When the next letter is due.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn next(&self) -> Result<Option<Timestamp>, StoreError> {
        self.connection
            .query_row("SELECT min(due) FROM outbox WHERE due IS NOT NULL AND NOT taken", [], |row| {
                Ok(row.get::<_, Option<i64>>(0)?.map(from_micros))
            })
            .map_err(self.failed("look for the next letter"))
    }

    /// A letter that waits, or (`None`) every one that was given up, is due now, with all its tries before it. How many
    /// there were.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn retry(&mut self, id: Option<i64>, now: Timestamp) -> Result<usize, StoreError> {
        self.connection
            .execute(
                "UPDATE outbox SET due = ?2, tries = 0
                 WHERE sent IS NULL AND NOT taken AND coalesce(id = ?1, due IS NULL)",
                params![id, to_micros(now)],
            )
            .map_err(self.failed("send a letter again"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::fixture::*;
    use super::*;
    use crate::letter::Carrier;

    #[derive(Clone, Debug, Default)]
    struct Everybody(Arc<AtomicU32>);

    impl Outgoing for Everybody {
        fn config(&self) -> Option<Arc<Config>> {
            None
        }

        fn letters(&self, fact: &Fact) -> Vec<Letter> {
            let Fact::Recorded(recorded) = fact else { return Vec::new() };
            let letter = |to: &str| Letter {
                carrier: Carrier::Mail,
                to: to.into(),
                about: recorded.file.clone(),
                call: None,
                body: serde_json::Value::Null,
            };
            ["a@x.example", "b@x.example"].map(letter).into()
        }
        fn posted(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn letters_are_written_with_their_fact_once_and_carried_in_turn() {
        let folder = Folder::new();
        let everybody = Everybody::default();
        let mut writer = folder.writer();
        writer.tell(everybody.clone());
        let facts = numbered(1, [(0, message("a.wav", "sales", 3_000))]);
        writer.append(&facts).unwrap();
        writer.append(&facts).unwrap();
        assert_eq!(everybody.0.load(Ordering::Relaxed), 1);
        let mut outbox = Outbox::open(&folder.0).unwrap();
        assert_eq!((outbox.next().unwrap(), outbox.take(at(-1)).unwrap()), (Some(at(0)), None));
        let first = outbox.take(at(1)).unwrap().unwrap();
        assert_eq!((first.to.as_str(), first.file.as_str(), first.tries), ("a@x.example", "a.wav", 1));
        let second = outbox.take(at(1)).unwrap().unwrap();
        assert_eq!((second.to.as_str(), outbox.take(at(1)).unwrap()), ("b@x.example", None));
        outbox.sent(first.id, at(2)).unwrap();
        outbox.not_sent(second.id, Some(at(30)), "the server is full").unwrap();
        assert_eq!((outbox.take(at(29)).unwrap(), outbox.next().unwrap()), (None, Some(at(30))));
        // The process dies with the second one under way.
        assert_eq!(outbox.take(at(30)).unwrap().unwrap().tries, 2);
        let mut outbox = Outbox::open(&folder.0).unwrap();
        outbox.begin(at(40)).unwrap();
        let again = outbox.take(at(40)).unwrap().unwrap();
        assert_eq!((again.id, again.tries, outbox.take(at(40)).unwrap()), (second.id, 3, None));
        outbox.not_sent(again.id, None, "nobody there").unwrap();
        assert_eq!((outbox.next().unwrap(), outbox.retry(Some(first.id), at(50)).unwrap()), (None, 0));
        let reader = Reader::open(&folder.0).unwrap();
        let left = reader.outbox(false).unwrap();
        assert_eq!((left.len(), left[0].due, left[0].error.as_deref()), (1, None, Some("nobody there")));
        assert_eq!(reader.outbox(true).unwrap().len(), 2);
        assert_eq!(outbox.retry(None, at(50)).unwrap(), 1);
        let last = outbox.take(at(50)).unwrap().unwrap();
        outbox.sent(last.id, at(51)).unwrap();
        let after = Timestamp::from_second(at(60).as_second() + 31 * 86_400).unwrap();
        outbox.begin(after).unwrap();
        assert_eq!(reader.outbox(true).unwrap(), []);
    }
}
