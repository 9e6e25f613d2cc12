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
use crate::fact::{CallFact, Fact, Noted, Token};
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
            json(serde_json::to_string(&event.envelope()))?,
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::fixture::*;
    use super::super::{Outgoing, Writer};
    use super::*;
    use crate::event::EventKind;
    use crate::fact::{Ended, EndedBy, MissedCause};
    use crate::letter::Letter;

    /// Somebody who wants to know everything.
    #[derive(Clone, Debug, Default)]
    struct Listener(Arc<Mutex<Vec<Event>>>);

    impl Outgoing for Listener {
        fn config(&self) -> Option<Arc<Config>> {
            None
        }

        fn letters(&self, _: &Fact) -> Vec<Letter> {
            Vec::new()
        }

        fn wants_events(&self) -> bool {
            true
        }

        fn happened(&self, events: Vec<Event>) {
            self.0.lock().unwrap().extend(events);
        }

        fn posted(&self) {}
    }

    fn listening(folder: &Folder) -> (Writer, Listener) {
        let (mut writer, listener) = (folder.writer(), Listener::default());
        writer.tell(listener.clone());
        (writer, listener)
    }

    fn stored(folder: &Folder) -> Vec<EventRow> {
        Reader::open(&folder.0).unwrap().events_after(EventId::default(), 1_000).unwrap()
    }

    fn words(rows: &[EventRow]) -> Vec<String> {
        rows.iter().map(|row| format!("{} {}", row.id, row.envelope["type"].as_str().unwrap())).collect()
    }

    #[test]
    fn an_ordinary_call_is_told_as_it_was_written() {
        let folder = Folder::new();
        let (mut writer, listener) = listening(&folder);
        for fact in numbered(1, ordinary(call(0), 0)) {
            writer.append(&[fact]).unwrap();
        }
        let rows = stored(&folder);
        let expected =
            ["1-0 call.started", "3-0 call.ringing", "5-0 call.answered", "5-1 call.ringing", "7-0 call.ended"];
        assert_eq!(words(&rows), expected);
        let told: Vec<_> = listener.0.lock().unwrap().iter().map(Event::envelope).collect();
        assert_eq!(told, rows.iter().map(|row| row.envelope.clone()).collect::<Vec<_>>());
        let ringing = &rows[1].envelope;
        assert_eq!(ringing["data"]["ringing"], serde_json::json!(["14", "15"]));
        assert_eq!(ringing["call"]["contact"]["responsible"], "12");
        assert_eq!(ringing["call"]["group"], "sales");
        let withdrawn = serde_json::json!([{ "extension": "14", "reason": "answered", "by": "15" }]);
        assert_eq!(rows[3].envelope["data"]["withdrawn"], withdrawn);
        assert_eq!(rows[4].envelope["call"]["talkers"][0]["who"], "15");
        assert!(rows.iter().all(|row| row.audience.has("12")), "the responsible may see them all");
        assert!(rows[1].audience.has("14") && !rows[0].audience.has("14") && !rows[4].audience.has("13"));
    }

    #[test]
    fn a_batch_that_comes_again_tells_the_same() {
        let folder = Folder::new();
        let (mut writer, listener) = listening(&folder);
        let facts = numbered(1, ordinary(call(0), 0));
        // Somebody else writes for longer than anybody waits.
        let other = Connection::open(folder.0.join(FILE)).unwrap();
        writer.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        writer.append(&facts).unwrap_err();
        other.execute_batch("ROLLBACK").unwrap();
        writer.append(&facts).unwrap();
        let first = words(&stored(&folder));
        assert_eq!(first.len(), 5);
        writer.append(&facts).unwrap();
        assert_eq!(words(&stored(&folder)), first);
        assert_eq!(listener.0.lock().unwrap().len(), 5, "what is on record is not told again");
    }

    #[test]
    fn a_call_that_the_process_took_with_it_ends_at_the_next_start() {
        let folder = Folder::new();
        let (mut writer, _) = listening(&folder);
        let begun = [(0, Fact::Started { version: "0.1.0".into() })].into_iter().chain(ordinary(call(0), 0));
        writer.append(&numbered(1, begun.take(5))).unwrap();
        let (mut writer, listener) = listening(&folder);
        let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        writer.recover(at(1_000), &nothing).unwrap();
        let rows = stored(&folder).split_off(2);
        assert!(rows[0].id.seq > 1_000_000, "what was told of facts that were lost keeps its ids for itself");
        assert_eq!(writer.base(), rows[0].id.seq);
        let told: Vec<_> = rows.iter().map(|row| row.envelope["type"].as_str().unwrap()).collect();
        assert_eq!(told[..3], ["call.ringing", "call.ended", "call.missed"]);
        assert_eq!(rows[0].envelope["data"]["withdrawn"].as_array().unwrap().len(), 2);
        assert_eq!(rows[1].envelope["call"]["from"]["name"], "Ada Byron");
        assert_eq!(rows[2].envelope["data"]["cause"], "system_failure");
        let desk = rows.iter().find(|row| row.id.part >= EventId::DESK).unwrap();
        assert_eq!(
            (&desk.envelope["type"], &desk.envelope["call"]["state"]),
            (&"follow_up.created".into(), &"ended".into())
        );
        assert_eq!(listener.0.lock().unwrap().len(), rows.len());
    }

    #[test]
    fn where_nobody_listens_nothing_is_written() {
        let folder = Folder::new();
        folder.writer().append(&numbered(1, ordinary(call(0), 0))).unwrap();
        assert_eq!(stored(&folder), []);
    }

    #[test]
    fn old_events_are_forgotten_oldest_first_a_handful_at_a_time() {
        let folder = Folder::new();
        let (mut writer, _) = listening(&folder);
        writer.append(&numbered(1, ordinary(call(0), 0))).unwrap();
        assert_eq!(forget_events(&folder.0, at(0), 100).unwrap(), 0);
        assert_eq!(forget_events(&folder.0, at(1_000), 2).unwrap(), 2);
        assert_eq!(words(&stored(&folder))[0], "5-0 call.answered");
        assert_eq!(forget_events(&folder.0, at(90), 100).unwrap(), 2);
        assert_eq!(words(&stored(&folder)), ["7-0 call.ended"]);
    }

    #[test]
    fn a_missed_call_says_why_and_what_is_left_of_it_comes_after() {
        let folder = Folder::new();
        let (mut writer, _) = listening(&folder);
        let ended = Ended { by: EndedBy::Caller, status: 487, missed: Some(MissedCause::Abandoned), talk_ms: 0 };
        let mut facts: Vec<_> = ordinary(call(0), 0).into_iter().take(4).collect();
        facts.push((9, step(call(0), CallFact::Ended(ended))));
        facts.push((12, message("a.wav", "sales", 3_000)));
        writer.append(&numbered(1, facts)).unwrap();
        let rows = stored(&folder);
        let told: Vec<_> = rows.iter().map(|row| row.envelope["type"].as_str().unwrap()).collect();
        let expected =
            ["call.started", "call.ringing", "call.ringing", "call.ended", "call.missed", "follow_up.created"];
        assert_eq!(told[..6], expected);
        assert_eq!(rows.last().unwrap().envelope["type"], EventKind::VoicemailNew.word());
        assert_eq!(rows[2].envelope["data"]["withdrawn"][0]["reason"], "caller_gave_up");
    }
}
