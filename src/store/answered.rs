//! Orders of programs that come with a key (`Idempotency-Key`), and what was answered: sent again, an order is answered
//! again and not done again.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::{FILE, PATIENCE, StoreError, schema, to_micros};
use crate::clock::{Duration, Timestamp};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(86_400);

/// What is known of an order that came with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it is to be done, and is under way from now on.
    Fresh,
    /// The key came with something else.
    Other,
    /// It was begun, and what became of it is not known: it is under way, or the process died over it.
    Begun,
    /// It was answered.
    Answered(Answer),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A connection of its own beside the [`Writer`](super::Writer)'s.
#[derive(Debug)]
pub struct Answers {
    connection: Connection,
    path: PathBuf,
}

impl Answers {
    /// Opens the answers of a database that there is.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn open(directory: &Path) -> Result<Answers, StoreError> {
        let path = directory.join(FILE);
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&path)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "synchronous", "full")?;
            Ok(connection)
        };
        let connection = open().map_err(|error| StoreError::new(&path, "open the answers", error))?;
        schema::check(&connection).map_err(|why| StoreError::new(&path, "open the answers", why))?;
        Ok(Answers { connection, path })
    }

    fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
        move |error| StoreError::new(&self.path, doing, error)
    }

    /// An order of this token with this key comes; `hash` is that of everything it says.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn begin(&mut self, token: &str, key: &str, hash: &str, now: Timestamp) -> Result<Before, StoreError> {
        let long_ago = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        let begin = || -> rusqlite::Result<Before> {
            self.connection.execute("DELETE FROM answered WHERE at < ?1", [to_micros(long_ago)])?;
            let written = self.connection.execute(
                "INSERT OR IGNORE INTO answered (token, key, at, hash) VALUES (?1, ?2, ?3, ?4)",
                params![token, key, to_micros(now), hash],
            )?;
            if written > 0 {
                return Ok(Before::Fresh);
            }
            let before = self.connection.query_row(
                "SELECT hash, status, kind, body FROM answered WHERE token = ?1 AND key = ?2",
                params![token, key],
                |row| {
                    if row.get::<_, String>(0)? != hash {
                        return Ok(Before::Other);
                    }
                    let Some(status) = row.get(1)? else { return Ok(Before::Begun) };
                    Ok(Before::Answered(Answer { status, kind: row.get(2)?, body: row.get(3)? }))
                },
            );
            Ok(before.optional()?.unwrap_or(Before::Begun))
        };
        begin().map_err(self.failed("look for an order's key"))
    }

    /// It was answered so.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn answered(&mut self, token: &str, key: &str, answer: &Answer) -> Result<(), StoreError> {
        let sql = "UPDATE answered SET status = ?3, kind = ?4, body = ?5 WHERE token = ?1 AND key = ?2";
        self.connection
            .execute(sql, params![token, key, answer.status, answer.kind, answer.body])
            .map(drop)
            .map_err(self.failed("keep an answer"))
    }

    /// Nothing was done: the key is free again.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn not_done(&mut self, token: &str, key: &str) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM answered WHERE token = ?1 AND key = ?2", params![token, key])
            .map(drop)
            .map_err(self.failed("forget an order's key"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    #[test]
    fn an_order_is_fresh_once_under_way_answered_and_forgotten_after_a_day() {
        let folder = Folder::new();
        drop(folder.writer());
        let mut answers = Answers::open(&folder.0).unwrap();
        let begin = |answers: &mut Answers, hash: &str, seconds| answers.begin("t", "k", hash, at(seconds)).unwrap();
        assert_eq!(begin(&mut answers, "a", 0), Before::Fresh);
        assert_eq!(begin(&mut answers, "a", 1), Before::Begun);
        assert_eq!(begin(&mut answers, "b", 1), Before::Other);
        let answer = Answer { status: 202, kind: "application/json".into(), body: b"{}".to_vec() };
        answers.answered("t", "k", &answer).unwrap();
        // Another connection, as after a restart.
        let mut answers = Answers::open(&folder.0).unwrap();
        assert_eq!(begin(&mut answers, "a", 2), Before::Answered(answer));
        assert_eq!(answers.begin("another", "k", "a", at(2)).unwrap(), Before::Fresh);
        answers.not_done("another", "k").unwrap();
        assert_eq!(answers.begin("another", "k", "b", at(2)).unwrap(), Before::Fresh);
        assert_eq!(begin(&mut answers, "b", 86_401), Before::Fresh);
    }
}
