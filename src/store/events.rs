//! Events, written with their facts: whoever follows them later (the event stream after a break, webhooks) finds them here.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};
use serde_json::Value;

use super::{FILE, PATIENCE, Reader, StoreError, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::event::gallery::Gallery;
use crate::event::{Audience, Event, EventId, Told};
use crate::fact::{CallFact, Fact, Noted};
use crate::key::CallId;

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

/// What facts are told as. Calls that were not followed from their beginning (the process died, or nobody listened then)
/// are learnt from the database.
#[derive(Debug, Default)]
pub(super) struct Telling {
    gallery: Gallery,
    /// The last fact that the pictures show.
    upto: i64,
    /// What was made of facts whose batch did not reach the disk. It comes again, and changes no picture twice.
    again: VecDeque<Event>,
}

impl Telling {
    /// What a fact itself says, in order.
    pub(super) fn of(
        &mut self,
        transaction: &Transaction<'_>,
        seq: i64,
        noted: &Noted,
        config: impl Fn() -> Option<Arc<Config>>,
    ) -> rusqlite::Result<Vec<Event>> {
        if seq <= self.upto {
            self.again.retain(|event| event.id.seq >= seq);
            let many = self.again.iter().take_while(|event| event.id.seq == seq).count();
            return Ok(self.again.drain(..many).collect());
        }
        if let Some(call) = self.gallery.lacks(&noted.fact) {
            self.learn(transaction, seq, call)?;
        }
        let told = self.gallery.follow(noted.at, &noted.fact, config);
        self.upto = seq;
        let place = |(part, told): (u16, Told)| Event {
            id: EventId { seq, part },
            at: noted.at,
            call: self.gallery.show(told.call),
            told,
        };
        Ok((0..EventId::DESK).zip(told).map(place).collect())
    }

    /// What the desk made of a fact, in order; with the call it is about, where anybody `listens`.
    pub(super) fn of_the_desk(
        &mut self,
        transaction: &Transaction<'_>,
        (seq, at): (i64, Timestamp),
        told: impl Iterator<Item = Told>,
        listens: bool,
    ) -> rusqlite::Result<Vec<Event>> {
        let mut events = Vec::new();
        for (part, told) in (EventId::DESK..).zip(told) {
            if let Some(call) = told.call.filter(|call| listens && !self.gallery.has(*call)) {
                self.learn(transaction, seq + 1, call)?;
            }
            events.push(Event { id: EventId { seq, part }, at, call: self.gallery.show(told.call), told });
        }
        Ok(events)
    }

    /// These did not reach the disk.
    pub(super) fn keep(&mut self, events: Vec<Event>) {
        self.again = events.into_iter().filter(|event| event.id.part < EventId::DESK).collect();
    }

    /// Learns a call from its facts before this one.
    fn learn(&mut self, transaction: &Transaction<'_>, before: i64, call: CallId) -> rusqlite::Result<()> {
        let mut statement =
            transaction.prepare_cached("SELECT at, body FROM fact WHERE call = ?1 AND seq < ?2 ORDER BY seq")?;
        let rows = statement.query_map(params![to_column(call.to_bits()), before], |row| {
            let body = row.get_ref(1)?.as_str()?;
            // The ladder is long, and no step of the call's life.
            let step = match body.get(..80).is_some_and(|begin| begin.contains("\"traced\"")) {
                true => None,
                false => serde_json::from_str(body).ok(),
            };
            Ok((from_micros(row.get(0)?), step))
        })?;
        let mut steps: Vec<(Timestamp, CallFact)> = Vec::new();
        for row in rows {
            if let (at, Some(Fact::Call(_, step))) = row? {
                steps.push((at, step));
            }
        }
        self.gallery.learn(call, &steps);
        Ok(())
    }
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
            event.to_text(),
        ])
        .map(|written| written > 0)
}

/// Forgets up to `limit` events, the oldest first, that are older than this; how many they were. On a connection of its
/// own: whoever writes facts waits for no more than one such handful.
///
/// # Errors
/// The database cannot be written.
pub fn forget_events(directory: &Path, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let path = directory.join(FILE);
    let forget = || -> rusqlite::Result<usize> {
        let connection = Connection::open(&path)?;
        connection.busy_timeout(PATIENCE)?;
        // What a power cut brings back is forgotten again.
        connection.pragma_update(None, "synchronous", "normal")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Only the oldest are looked at: the table may be long.
        connection.execute(
            "DELETE FROM event WHERE (seq, part) IN
                 (SELECT seq, part FROM (SELECT seq, part, at FROM event ORDER BY seq, part LIMIT ?2) WHERE at < ?1)",
            params![to_micros(before), limit],
        )
    };
    forget().map_err(|error| StoreError::new(&path, "forget old events", error))
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
