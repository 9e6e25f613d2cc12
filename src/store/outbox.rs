//! The outbox: what is to be told to the world outside, written with the fact that it tells, and kept until somebody has
//! acknowledged it.
//!
//! ```text
//!            take             sent
//!  due ─────────────► leased ──────► sent, forgotten after 30 days
//!   ▲ ▲ ▲               │ failed
//!   │ │ └─ lease ran out┤
//!   │ └──── later ──────┤
//!   └─ retry ── dead ◄──┘ tried often enough; forgotten after 90 days
//! ```
//!
//! A lease is a due date: while somebody carries a letter it is due again when they should long be done, so nobody needs to
//! take it back from who died. It may arrive twice, but never not at all.
//!
//! Letters of one call to one place form a line. Only its head can be taken; when the head has arrived or was given up, the
//! next one is the head. Every letter knows whether it stands behind another one, so a hundred thousand that wait cost a
//! take nothing: the index of what is ready holds the heads, by lane and due date.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, named_params, params};
use serde::{Serialize, Serializer};
use serde_json::json;

use super::customers_live::CustomerChange;
use super::{FILE, PATIENCE, Reader, StoreError, from_column, from_micros, schema, to_column, to_micros};
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::event::{Audience, Event, EventKind, Told};
use crate::fact::Fact;
use crate::key::CallId;
use crate::letter::{Carrier, Letter};

/// How long a letter that was sent is listed.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);
/// … and one that was given up.
const MOURNED: Duration = Duration::from_secs(90 * 86_400);
/// … and what was sent to programs, of which there is much and which nobody reads.
const OF_PROGRAMS: Duration = Duration::from_secs(3 * 86_400);
/// What waits for a receiver that wants no more is given up after so long.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// So many rows are forgotten in one transaction, so that nobody waits for it.
const AT_ONCE: i64 = 500;

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

/// A letter in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutboxRow {
    /// Its number.
    pub id: i64,
    /// How it travels.
    pub carrier: Carrier,
    /// Whereto: an address, a number, a chat, the name of a webhook or CRM.
    pub to: String,
    /// What it tells of.
    pub about: String,
    /// The call it belongs to.
    #[serde(serialize_with = "written")]
    pub call: Option<CallId>,
    /// What it says, as its carrier reads it: JSON, to the byte what was written. `{}` once it was sent.
    #[serde(skip)]
    pub body: String,
    /// When it was written.
    pub made: Timestamp,
    /// How many times it was tried.
    pub tries: u32,
    /// When it is tried (again); `None` where it was sent or given up.
    pub due: Option<Timestamp>,
    /// True while a try is under way.
    pub taken: bool,
    /// True where another one of the same call to the same place comes first.
    pub behind: bool,
    /// When it was acknowledged.
    pub sent: Option<Timestamp>,
    /// What the last try met.
    pub error: Option<String>,
    /// Why its receiver gets nothing at present.
    pub closed: Option<String>,
}

fn written<S: Serializer>(call: &Option<CallId>, to: S) -> Result<S::Ok, S::Error> {
    call.map(|call| call.to_string()).serialize(to)
}

/// What is noted of letters that were under way when the router ended.
const INTERRUPTED: &str = "the router ended during this try";

impl OutboxRow {
    /// True where nobody knows what became of the try before: the router ended during it.
    pub fn interrupted(&self) -> bool {
        self.error.as_deref() == Some(INTERRUPTED)
    }
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was acknowledged.
    Sent,
    /// It was not; it is tried again then.
    Later(Timestamp, String),
    /// It is given up.
    Dead(String),
}

/// Which letters are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxFilter {
    /// What was sent, too.
    pub sent: bool,
    /// Only what was given up.
    pub dead: bool,
    /// Only this one.
    pub id: Option<i64>,
    /// Only what travels so.
    pub carrier: Option<Carrier>,
    /// Only what goes there.
    pub to: Option<String>,
}

/// A receiver that wants no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// Its lane.
    pub lane: String,
    /// Since when.
    pub at: Timestamp,
    /// Where it was then.
    #[serde(skip)]
    pub address: String,
    /// What it said.
    pub why: String,
}

/// Writes letters. Told twice, they are there once.
pub(super) fn post(transaction: &Transaction<'_>, at: Timestamp, letters: &[Letter]) -> rusqlite::Result<bool> {
    let mut posted = false;
    for letter in letters {
        let written = transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO outbox (kind, target, about, made, tries, due, taken, call, body, lane, behind)
                 VALUES (?1, ?2, ?3, ?4, 0, ?4, 0, ?5, ?6, ?7,
                     EXISTS (SELECT 1 FROM outbox WHERE call = ?5 AND kind = ?1 AND target = ?2 AND due IS NOT NULL))",
            )?
            .execute(params![
                letter.carrier.word(),
                letter.to,
                letter.about,
                to_micros(at),
                letter.call.map(|call| to_column(call.to_bits())),
                letter.body.to_string(),
                letter.lane(),
            ])?;
        posted |= written > 0;
    }
    Ok(posted)
}

/// What the fact of a delivery says to the world outside: that a customer was sent an SMS, or was not.
pub(super) fn told(fact: &Fact) -> Option<Told> {
    let Fact::Delivered { carrier, to, about, call, failed } = fact else { return None };
    if Carrier::of(carrier) != Some(Carrier::Sms) {
        return None;
    }
    let (kind, data) = match failed {
        None => (EventKind::SmsSent, json!({ "number": to, "about": about })),
        Some(why) => (EventKind::SmsFailed, json!({ "number": to, "about": about, "why": why })),
    };
    Some(Told { kind, call: *call, audience: Audience::Admins, data })
}

const COLUMNS: &str = "id, kind, target, about, call, body, made, tries, due, taken, behind, sent, error,
    (SELECT why FROM outbox_closed WHERE outbox_closed.lane = outbox.lane)";

const WANTED: &str =
    "(:id IS NULL OR id = :id) AND (:kind IS NULL OR kind = :kind) AND (:target IS NULL OR target = :target)";

impl Reader {
    /// The letters that wait or were given up, and those that were sent where it is said so, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxRow>, StoreError> {
        let read = || -> rusqlite::Result<Vec<OutboxRow>> {
            self.connection
                .prepare(&format!(
                    "SELECT {COLUMNS} FROM outbox
                     WHERE (:sent OR sent IS NULL) AND (NOT :dead OR (sent IS NULL AND due IS NULL)) AND {WANTED}
                     ORDER BY id DESC"
                ))?
                .query_map(
                    named_params! {
                        ":sent": filter.sent,
                        ":dead": filter.dead,
                        ":id": filter.id,
                        ":kind": filter.carrier.map(Carrier::word),
                        ":target": filter.to,
                    },
                    outbox_row,
                )?
                .collect()
        };
        read().map_err(self.failed("read the outbox"))
    }

    /// The receivers that want no more.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn closed_receivers(&self) -> Result<Vec<Closed>, StoreError> {
        closed(&self.connection).map_err(self.failed("read which receivers want no more"))
    }
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    let moment =
        |column| -> rusqlite::Result<Option<Timestamp>> { Ok(row.get::<_, Option<i64>>(column)?.map(from_micros)) };
    let carrier: String = row.get(1)?;
    let unknown = || rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, carrier.clone().into());
    Ok(OutboxRow {
        id: row.get(0)?,
        carrier: Carrier::of(&carrier).ok_or_else(unknown)?,
        to: row.get(2)?,
        about: row.get(3)?,
        call: row.get::<_, Option<i64>>(4)?.map(|bits| CallId::from_bits(from_column(bits))),
        body: row.get(5)?,
        made: from_micros(row.get(6)?),
        tries: row.get(7)?,
        due: moment(8)?,
        taken: row.get(9)?,
        behind: row.get(10)?,
        sent: moment(11)?,
        error: row.get(12)?,
        closed: row.get(13)?,
    })
}

fn closed(connection: &Connection) -> rusqlite::Result<Vec<Closed>> {
    connection
        .prepare_cached("SELECT lane, at, address, why FROM outbox_closed ORDER BY lane")?
        .query_map([], |row| {
            Ok(Closed { lane: row.get(0)?, at: from_micros(row.get(1)?), address: row.get(2)?, why: row.get(3)? })
        })?
        .collect()
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

    /// In one transaction, which nobody else's stands in the way of once it has begun.
    fn write<T>(
        &mut self,
        doing: &str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let made = transaction.and_then(|transaction| {
            let made = write(&transaction)?;
            transaction.commit()?;
            Ok(made)
        });
        made.map_err(|error| StoreError::new(&self.path, doing, error))
    }

    /// A new run begins: what was under way in the last one is due.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn begin(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.write("begin with the outbox", |outbox| {
            // It was first before, and is again.
            outbox
                .execute(
                    "UPDATE outbox SET taken = 0, due = min(made, ?1), error = ?2 WHERE taken AND due IS NOT NULL",
                    params![to_micros(now), INTERRUPTED],
                )
                .map(drop)
        })
    }

    /// Forgets some of what was sent or given up long ago; true where there is more of it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn forget(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let before = |ago: Duration| to_micros(now.checked_sub(ago).unwrap_or(Timestamp::MIN));
        let forgotten = self.write("forget old letters", |outbox| {
            let sent = outbox.execute(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE sent < ?1
                     AND (sent < ?2 OR kind IN ('webhook', 'crm')) LIMIT ?3)",
                params![before(OF_PROGRAMS), before(REMEMBERED), AT_ONCE],
            )?;
            outbox.execute(
                "UPDATE outbox SET taken = 0, due = NULL, behind = 0, error = 'its receiver has wanted nothing for a week'
                 WHERE due IS NOT NULL AND made < ?1 AND lane IN (SELECT lane FROM outbox_closed)",
                [before(LONGEST_WAIT)],
            )?;
            // Nobody is ever told to come back so late: the clock has been set back since.
            outbox.execute(
                "UPDATE outbox SET due = ?1 WHERE due > ?2 AND NOT taken",
                [to_micros(now), to_micros(now.checked_add(LONGEST_WAIT).unwrap_or(Timestamp::MAX))],
            )?;
            let dead = outbox.execute(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE due IS NULL AND sent IS NULL AND made < ?1
                     LIMIT ?2)",
                params![before(MOURNED), AT_ONCE],
            )?;
            Ok(sent.max(dead))
        })?;
        Ok(i64::try_from(forgotten).unwrap_or(0) == AT_ONCE)
    }

    /// Every lane with a letter that can be taken or will be, and when the first of it is due.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn lanes(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<(String, Timestamp)>> {
            // From lane to lane, never along one.
            let mut next = self.connection.prepare_cached(
                "SELECT lane, due FROM outbox WHERE due IS NOT NULL AND behind = 0 AND lane > ?1
                 ORDER BY lane, due LIMIT 1",
            )?;
            let mut lanes: Vec<(String, Timestamp)> = Vec::new();
            loop {
                let last = lanes.last().map_or("", |(lane, _)| lane.as_str());
                let found = next.query_row([last], |row| Ok((row.get(0)?, from_micros(row.get(1)?)))).optional()?;
                match found {
                    Some(lane) => lanes.push(lane),
                    None => return Ok(lanes),
                }
            }
        };
        read().map_err(self.failed("look for letters that are due"))
    }

    fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
        move |error| StoreError::new(&self.path, doing, error)
    }

    /// Some letters of a lane, those that have been due for longest: they are under way from now on, and due again at
    /// `until` where nobody says what became of them.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn take(
        &mut self,
        lane: &str,
        now: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.write("take letters from the outbox", |outbox| {
            let mut due = outbox.prepare_cached(
                "SELECT id FROM outbox WHERE lane = ?1 AND due <= ?2 AND due IS NOT NULL AND behind = 0
                 ORDER BY due, id LIMIT ?3",
            )?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let due = due.query_map(params![lane, to_micros(now), most], |row| row.get(0))?;
            let due: Vec<i64> = due.collect::<rusqlite::Result<_>>()?;
            let mut lease = outbox.prepare_cached(&format!(
                "UPDATE outbox SET taken = 1, tries = tries + 1, due = ?2 WHERE id = ?1 RETURNING {COLUMNS}"
            ))?;
            due.iter().map(|id| lease.query_row(params![id, to_micros(until)], outbox_row)).collect()
        })
    }

    /// What became of letters that were taken.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn settle(&mut self, settled: &[(i64, Settled)], now: Timestamp) -> Result<(), StoreError> {
        self.write("note what became of letters", |outbox| {
            for (id, what) in settled {
                match what {
                    Settled::Sent => outbox
                        .prepare_cached(
                            "UPDATE outbox SET taken = 0, due = NULL, sent = ?2, error = NULL, body = '{}' WHERE id = ?1",
                        )?
                        .execute(params![id, to_micros(now)])?,
                    Settled::Later(due, why) => outbox
                        .prepare_cached("UPDATE outbox SET taken = 0, due = ?2, error = ?3 WHERE id = ?1")?
                        .execute(params![id, to_micros(*due), why])?,
                    Settled::Dead(why) => outbox
                        .prepare_cached("UPDATE outbox SET taken = 0, due = NULL, error = ?2 WHERE id = ?1")?
                        .execute(params![id, why])?,
                };
                if !matches!(what, Settled::Later(..)) {
                    promote(outbox, *id)?;
                }
            }
            Ok(())
        })
    }

    /// Gives up everything that waits in a lane. How many there were.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn give_up(&mut self, lane: &str, why: &str) -> Result<usize, StoreError> {
        self.write("give letters up", |outbox| {
            outbox.execute(
                "UPDATE outbox SET taken = 0, due = NULL, behind = 0, error = ?2 WHERE lane = ?1 AND due IS NOT NULL",
                params![lane, why],
            )
        })
    }

    /// The receiver of a lane wants no more: what waits for it stays where it is, until somebody opens it again or its
    /// address is another one.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn close(&mut self, lane: &str, address: &str, why: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write("close a receiver", |outbox| {
            outbox
                .execute(
                    "INSERT OR REPLACE INTO outbox_closed (lane, at, address, why) VALUES (?1, ?2, ?3, ?4)",
                    params![lane, to_micros(now), address, why],
                )
                .map(drop)
        })
    }

    /// The receivers that want no more.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn closed(&self) -> Result<Vec<Closed>, StoreError> {
        closed(&self.connection).map_err(self.failed("read which receivers want no more"))
    }

    /// The receiver of a lane gets letters again; what waits for it is due now. False: it was open.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn open_again(&mut self, lane: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.write("open a receiver", |outbox| {
            let opened = outbox.execute("DELETE FROM outbox_closed WHERE lane = ?1", [lane])? > 0;
            if opened {
                outbox.execute(
                    "UPDATE outbox SET due = ?2 WHERE lane = ?1 AND due > ?2 AND NOT taken",
                    params![lane, to_micros(now)],
                )?;
            }
            Ok(opened)
        })
    }

    /// Letters that wait or were given up are due now, with all their tries before them: the one that is named, or of
    /// those that were given up all that are meant. How many there were.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn retry(&mut self, filter: &OutboxFilter, now: Timestamp) -> Result<usize, StoreError> {
        self.write("send letters again", |outbox| {
            let count = outbox
                .prepare(&format!(
                    "UPDATE outbox SET due = :now, tries = 0, taken = 0
                     WHERE sent IS NULL AND (NOT taken OR due <= :now) AND (:id IS NOT NULL OR due IS NULL) AND {WANTED}"
                ))?
                .execute(named_params! {
                    ":now": to_micros(now),
                    ":id": filter.id,
                    ":kind": filter.carrier.map(Carrier::word),
                    ":target": filter.to,
                })?;
            // What waits again takes its place in its line.
            outbox.execute(
                "UPDATE outbox SET behind = EXISTS (SELECT 1 FROM outbox AS first WHERE first.call = outbox.call
                     AND first.kind = outbox.kind AND first.target = outbox.target AND first.due IS NOT NULL
                     AND first.id < outbox.id)
                 WHERE due IS NOT NULL AND call IS NOT NULL",
                [],
            )?;
            Ok(count)
        })
    }
}

/// The next of its line comes to the head.
fn promote(outbox: &Transaction<'_>, left: i64) -> rusqlite::Result<()> {
    outbox
        .prepare_cached(
            "UPDATE outbox SET behind = 0 WHERE id = (SELECT next.id FROM outbox AS gone JOIN outbox AS next
                 ON next.call = gone.call AND next.kind = gone.kind AND next.target = gone.target
                 AND next.due IS NOT NULL WHERE gone.id = ?1 AND gone.call IS NOT NULL ORDER BY next.id LIMIT 1)",
        )?
        .execute([left])
        .map(drop)
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

    fn letter(to: &str, about: &str, call: Option<i64>) -> Letter {
        let call = call.map(|bits| CallId::from_bits(bits as u64));
        let body = serde_json::json!({ "about": about });
        Letter { carrier: Carrier::Webhook, to: to.into(), about: about.into(), call, body }
    }

    fn posted(folder: &Folder, letters: &[Letter]) -> Outbox {
        let mut writer = folder.writer();
        let transaction = writer.connection.transaction().unwrap();
        assert!(post(&transaction, at(0), letters).unwrap());
        transaction.commit().unwrap();
        Outbox::open(&folder.0).unwrap()
    }

    fn abouts(rows: &[OutboxRow]) -> Vec<&str> {
        rows.iter().map(|row| &*row.about).collect()
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
        let take = |outbox: &mut Outbox, now| outbox.take("mail", at(now), at(now + 70), 1).unwrap().pop();
        assert_eq!((outbox.lanes().unwrap(), take(&mut outbox, -1)), (vec![("mail".into(), at(0))], None));
        let first = take(&mut outbox, 1).unwrap();
        assert_eq!((first.to.as_str(), first.about.as_str(), first.tries), ("a@x.example", "a.wav", 1));
        let second = take(&mut outbox, 1).unwrap();
        assert_eq!((second.to.as_str(), take(&mut outbox, 1)), ("b@x.example", None));
        let full = Settled::Later(at(30), "the server is full".into());
        outbox.settle(&[(first.id, Settled::Sent), (second.id, full)], at(2)).unwrap();
        assert_eq!((take(&mut outbox, 29), outbox.lanes().unwrap()), (None, vec![("mail".into(), at(30))]));
        // The process dies with the second one under way.
        assert_eq!(take(&mut outbox, 30).unwrap().tries, 2);
        let mut outbox = Outbox::open(&folder.0).unwrap();
        outbox.begin(at(40)).unwrap();
        let again = take(&mut outbox, 40).unwrap();
        assert_eq!((again.id, again.tries, take(&mut outbox, 40)), (second.id, 3, None));
        outbox.settle(&[(again.id, Settled::Dead("nobody there".into()))], at(41)).unwrap();
        let only = |id| OutboxFilter { id: Some(id), ..OutboxFilter::default() };
        assert_eq!((outbox.lanes().unwrap(), outbox.retry(&only(first.id), at(50)).unwrap()), (vec![], 0));
        let reader = Reader::open(&folder.0).unwrap();
        let left = reader.outbox(&OutboxFilter::default()).unwrap();
        assert_eq!((left.len(), left[0].due, left[0].error.as_deref()), (1, None, Some("nobody there")));
        let all = OutboxFilter { sent: true, ..OutboxFilter::default() };
        assert_eq!(reader.outbox(&all).unwrap().len(), 2);
        assert_eq!(outbox.retry(&OutboxFilter::default(), at(50)).unwrap(), 1);
        let last = take(&mut outbox, 50).unwrap();
        outbox.settle(&[(last.id, Settled::Sent)], at(51)).unwrap();
        assert!(!outbox.forget(at(60 + 31 * 86_400)).unwrap());
        assert_eq!(reader.outbox(&all).unwrap(), []);
    }

    #[test]
    fn an_sms_that_arrived_or_was_given_up_is_told() {
        let fact = |carrier: &str, failed: Option<&str>| Fact::Delivered {
            carrier: carrier.into(),
            to: "+79161234567".into(),
            about: "1-0".into(),
            call: None,
            failed: failed.map(String::from),
        };
        assert_eq!(told(&fact("sms", None)).unwrap().kind, EventKind::SmsSent);
        let failed = told(&fact("sms", Some("no money"))).unwrap();
        assert_eq!((failed.kind, &failed.data["why"]), (EventKind::SmsFailed, &json!("no money")));
        assert_eq!(told(&fact("mail", None)), None);
    }

    #[test]
    fn what_was_put_off_by_a_clock_that_was_years_ahead_is_due_once_it_is_set_back() {
        let folder = Folder::new();
        let year = 365 * 86_400;
        let mut outbox = posted(&folder, &[letter("crm", "1-0", None), letter("crm", "2-0", None)]);
        let taken = outbox.take("webhook crm", at(year), at(year + 70), 8).unwrap();
        let later = |seconds: i64| Settled::Later(at(seconds), "nobody there".into());
        outbox.settle(&[(taken[0].id, later(3 * year)), (taken[1].id, later(3 * 86_400))], at(year)).unwrap();
        outbox.forget(at(60)).unwrap();
        let due = outbox.take("webhook crm", at(60), at(130), 8).unwrap();
        assert_eq!(abouts(&due), ["1-0"], "the other one may well have been told to come back in three days");
    }

    #[test]
    fn a_lease_that_ran_out_is_due_again() {
        let folder = Folder::new();
        let mut outbox = posted(&folder, &[letter("crm", "1-0", None)]);
        assert_eq!(outbox.take("webhook crm", at(0), at(70), 8).unwrap().len(), 1);
        assert_eq!(outbox.take("webhook crm", at(69), at(140), 8).unwrap().len(), 0);
        assert_eq!(outbox.take("webhook crm", at(70), at(140), 8).unwrap()[0].tries, 2);
    }

    #[test]
    fn letters_of_one_call_to_one_place_never_overtake_each_other_and_nobody_else_waits() {
        let folder = Folder::new();
        let letters = [
            letter("crm", "1-0", Some(7)),
            letter("crm", "2-0", Some(7)),
            letter("crm", "3-0", Some(8)),
            letter("shop", "2-0", Some(7)),
            letter("crm", "4-0", None),
            letter("crm", "5-0", None),
            letter("crm", "6-0", Some(7)),
        ];
        let mut outbox = posted(&folder, &letters);
        let crm = |outbox: &mut Outbox, now| outbox.take("webhook crm", at(now), at(now + 70), 8).unwrap();
        let first = crm(&mut outbox, 0);
        assert_eq!(abouts(&first), ["1-0", "3-0", "4-0", "5-0"]);
        assert_eq!(outbox.take("webhook shop", at(0), at(70), 8).unwrap().len(), 1);
        // While the first is tried again and again, the second stays where it is.
        outbox.settle(&[(first[0].id, Settled::Later(at(5), "500".into()))], at(1)).unwrap();
        assert_eq!(crm(&mut outbox, 4), []);
        assert_eq!(abouts(&crm(&mut outbox, 5)), ["1-0"]);
        // Given up, it holds nobody up.
        outbox.settle(&[(first[0].id, Settled::Dead("500".into()))], at(6)).unwrap();
        let second = crm(&mut outbox, 6);
        assert_eq!(abouts(&second), ["2-0"]);
        // Sent again by hand, it takes its old place.
        assert_eq!(outbox.retry(&OutboxFilter::default(), at(7)).unwrap(), 1);
        outbox.settle(&[(second[0].id, Settled::Later(at(8), "500".into()))], at(8)).unwrap();
        assert_eq!(abouts(&crm(&mut outbox, 9)), ["1-0"]);
        outbox.settle(&[(first[0].id, Settled::Sent)], at(10)).unwrap();
        assert_eq!(abouts(&crm(&mut outbox, 11)), ["2-0"]);
        outbox.settle(&[(second[0].id, Settled::Sent)], at(12)).unwrap();
        assert_eq!(abouts(&crm(&mut outbox, 13)), ["6-0"]);
    }

    #[test]
    fn what_the_config_names_no_more_is_given_up_with_the_reason_and_a_closed_receiver_waits() {
        let folder = Folder::new();
        let mut outbox = posted(&folder, &[letter("crm", "1-0", Some(7)), letter("crm", "2-0", Some(7))]);
        outbox.close("webhook crm", "there", "410", at(1)).unwrap();
        let reader = Reader::open(&folder.0).unwrap();
        let rows = reader.outbox(&OutboxFilter::default()).unwrap();
        assert_eq!(rows[0].closed.as_deref(), Some("410"));
        assert_eq!(reader.closed_receivers().unwrap().len(), 1);
        assert!(outbox.open_again("webhook crm", at(2)).unwrap() && !outbox.open_again("webhook crm", at(2)).unwrap());
        assert_eq!(outbox.give_up("webhook crm", "gone").unwrap(), 2);
        assert_eq!(outbox.lanes().unwrap(), []);
        outbox.close("webhook crm", "there", "410", at(3)).unwrap();
        outbox.retry(&OutboxFilter::default(), at(3)).unwrap();
        outbox.forget(at(3 + 8 * 86_400)).unwrap();
        let dead = OutboxFilter { dead: true, ..OutboxFilter::default() };
        assert_eq!(reader.outbox(&dead).unwrap().len(), 2);
    }

    #[test]
    fn a_hundred_thousand_that_wait_cost_a_take_nothing() {
        let folder = Folder::new();
        let outbox = posted(&folder, &[letter("crm", "1-0", Some(7))]);
        let plan = |sql: &str| -> String {
            let mut statement = outbox.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
        };
        let heads = "SELECT id FROM outbox WHERE lane = 'x' AND due <= 5 AND due IS NOT NULL AND behind = 0
                     ORDER BY due, id LIMIT 8";
        let lanes = "SELECT lane, due FROM outbox WHERE due IS NOT NULL AND behind = 0 AND lane > 'x'
                     ORDER BY lane, due LIMIT 1";
        let line = "SELECT 1 FROM outbox WHERE call = 7 AND kind = 'sms' AND target = 'x' AND due IS NOT NULL";
        let next = "SELECT next.id FROM outbox AS gone JOIN outbox AS next
                    ON next.call = gone.call AND next.kind = gone.kind AND next.target = gone.target
                    AND next.due IS NOT NULL WHERE gone.id = 1 AND gone.call IS NOT NULL ORDER BY next.id LIMIT 1";
        for (sql, index) in
            [(heads, "outbox_ready"), (lanes, "outbox_ready"), (line, "outbox_line"), (next, "outbox_line")]
        {
            let plan = plan(sql);
            assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("B-TREE"), "{sql}\n{plan}");
        }
    }
}
