//! Events, written with their facts: whoever follows them later (the event stream after a break, webhooks) finds them here.

use rusqlite::{Transaction, params};
use serde_json::Value;

use super::{Reader, StoreError, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
use crate::event::{Audience, Event, EventId};
use crate::fact::{Fact, Token};

/// An event as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Its name.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// Who may see it.
    pub audience: Audience,
    /// As it is sent.
    pub envelope: Value,
}

/// Writes an event; false: it was there already.
pub(super) fn insert(transaction: &Transaction<'_>, event: &Event) -> rusqlite::Result<bool> {
    let json = |value: serde_json::Result<String>| {
        value.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    };
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO event (seq, part, at, kind, call, audience, envelope)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            event.id.seq,
            event.id.part,
            to_micros(event.at),
            event.told.kind.word(),
            event.told.call.map(|call| to_column(call.to_bits())),
            json(serde_json::to_string(&event.told.audience))?,
            json(serde_json::to_string(&event.envelope()))?,
        ])
        .map(|written| written > 0)
}

impl Reader {
    /// At most so many events after this one, in order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn events_after(&self, after: EventId, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        let read = || -> rusqlite::Result<Vec<EventRow>> {
            self.connection
                .prepare_cached(
                    "SELECT seq, part, at, audience, envelope FROM event WHERE (seq, part) > (?1, ?2)
                     ORDER BY seq, part LIMIT ?3",
                )?
                .query_map(params![after.seq, after.part, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    Ok(EventRow {
                        id: EventId { seq: row.get(0)?, part: row.get(1)? },
                        at: from_micros(row.get(2)?),
                        audience: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
                        envelope: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
                    })
                })?
                .collect()
        };
        read().map_err(self.failed("read the events"))
    }
}

impl Reader {
    /// Who may use the API.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare_cached("SELECT body FROM state WHERE kind = 'token'")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let bodies = read().map_err(self.failed("read the tokens"))?;
        let tokens = bodies.iter().filter_map(|body| match serde_json::from_str(body) {
            Ok(Fact::Token(token)) => Some(*token),
            _ => None,
        });
        Ok(tokens.collect())
    }
}
