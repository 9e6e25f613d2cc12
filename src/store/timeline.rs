//! What was with a customer, the newest first: calls and misses, messages they left, SMS, promises to call back and what
//! became of them, notes. Found by number, so it reaches back to before anybody knew the customer.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::{Row, params};
use serde::Serialize;

use super::calls::CallRow;
use super::notes::CallNoteRow;
use super::{Reader, StoreError, from_column, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
use crate::key::CallId;
use crate::number::PhoneNumber;

/// One thing that was.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// The cursor: [`Reader::timeline`] goes on behind it.
    pub mark: Mark,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What was.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Happened {
    /// A call, from them or to them: talk, miss, or an attempt.
    Call {
        /// Its line of the list.
        call: Box<CallRow>,
    },
    /// They left a message.
    Voicemail {
        /// The call.
        call: CallId,
        /// Its file.
        file: String,
        /// The box it lies in.
        mailbox: String,
        /// How long it is, in milliseconds.
        length_ms: Option<u64>,
    },
    /// They were sent an SMS about a miss.
    Sms {
        /// The missed call.
        call: CallId,
        /// What it says.
        text: String,
        /// When the provider had taken it; neither this nor `failed`: it is on its way.
        sent: Option<Timestamp>,
        /// Why it was given up.
        failed: Option<String>,
    },
    /// Something happened to a promise to call them back.
    FollowUp {
        /// Its number.
        follow_up: i64,
        /// `opened`, `claimed`, `assigned`, `remarked`, `overdue`, `escalated`, `reassigned`, `closed`.
        happened: String,
        /// The call that opened or closed it.
        call: Option<CallId>,
        /// By whose hand.
        by: Option<Arc<str>>,
        /// Whose it is since then.
        to: Option<Arc<str>>,
        /// In free words.
        text: Option<String>,
    },
    /// An employee wrote something down about a call.
    Note {
        /// The call.
        call: CallId,
        /// What.
        #[serde(flatten)]
        note: CallNoteRow,
    },
}

/// A place in a timeline, as text for whoever turns its pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mark {
    at: i64,
    source: u8,
    key: i64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.at, self.source, self.key.cast_unsigned())
    }
}

impl FromStr for Mark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Mark, Self::Err> {
        let wrong = "a place in a timeline is three numbers, as the last entry of a page has them";
        let parts: Vec<&str> = text.split('-').collect();
        let [at, source, key] = parts[..] else { return Err(wrong) };
        let key: u64 = key.parse().map_err(|_| wrong)?;
        Ok(Mark {
            at: at.parse().map_err(|_| wrong)?,
            source: source.parse().map_err(|_| wrong)?,
            key: key.cast_signed(),
        })
    }
}

impl Serialize for Mark {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One table of which a timeline is made: its rows for the number `?1` up to the moment `?2`, and at that moment only those
/// whose key is less than `?3`, at most `?4`. The first two columns are moment and key.
struct Source {
    sql: &'static str,
    read: fn(&Reader, &Row<'_>) -> rusqlite::Result<Option<Happened>>,
}

const SOURCES: [Source; 7] = [
    Source {
        sql: "SELECT began AS at, id AS key FROM call WHERE from_number = ?1 AND direction = 'inbound' AND (began, id) < (?2, ?3)
              UNION ALL
              SELECT began, id FROM call WHERE to_number = ?1 AND direction = 'outbound' AND (began, id) < (?2, ?3)
              ORDER BY at DESC, key DESC LIMIT ?4",
        read: |reader, row| {
            let row = reader.call_row(call_id(row, 1)?)?;
            Ok(row.map(|row| Happened::Call { call: Box::new(row) }))
        },
    },
    Source {
        sql: "SELECT r.began AS at, r.call AS key, r.file, r.mailbox, r.length_ms FROM call c JOIN recording r ON r.call = c.id
              WHERE c.from_number = ?1 AND r.mailbox IS NOT NULL AND (r.began, r.call) < (?2, ?3)
              ORDER BY at DESC, key DESC LIMIT ?4",
        read: |_, row| {
            let length_ms = row.get::<_, Option<i64>>(4)?.map(from_column);
            Ok(Some(Happened::Voicemail { call: call_id(row, 1)?, file: row.get(2)?, mailbox: row.get(3)?, length_ms }))
        },
    },
    Source {
        sql: "SELECT at, call AS key, text, sent, failed FROM sms WHERE number = ?1 AND (at, call) < (?2, ?3)
              ORDER BY at DESC, key DESC LIMIT ?4",
        read: |_, row| {
            let sent = row.get::<_, Option<i64>>(3)?.map(from_micros);
            Ok(Some(Happened::Sms { call: call_id(row, 1)?, text: row.get(2)?, sent, failed: row.get(4)? }))
        },
    },
    Source {
        sql: "SELECT opened AS at, id AS key, call FROM follow_up WHERE number = ?1 AND (opened, id) < (?2, ?3)
              ORDER BY at DESC, key DESC LIMIT ?4",
        read: |_, row| Ok(Some(follow_up(row.get(1)?, "opened", Some(call_id(row, 2)?)))),
    },
    Source {
        sql: "SELECT c.at AS at, c.seq AS key, f.id, c.what, c.by, c.to_whom, c.text
              FROM follow_up f JOIN follow_up_comment c ON c.follow_up = f.id
              WHERE f.number = ?1 AND c.what NOT IN ('missed', 'tried', 'brief') AND (c.at, c.seq) < (?2, ?3)
              ORDER BY at DESC, key DESC LIMIT ?4",
        read: |_, row| {
            let words = |column| -> rusqlite::Result<Option<Arc<str>>> {
                Ok(row.get::<_, Option<String>>(column)?.map(Into::into))
            };
            Ok(Some(Happened::FollowUp {
                follow_up: row.get(2)?,
                happened: row.get(3)?,
                call: None,
                by: words(4)?,
                to: words(5)?,
                text: row.get(6)?,
            }))
        },
    },
    Source {
        sql: "SELECT closed AS at, id AS key, closed_by FROM follow_up
              WHERE number = ?1 AND closed_by IS NOT NULL AND (closed, id) < (?2, ?3)
              ORDER BY at DESC, key DESC LIMIT ?4",
        read: |_, row| Ok(Some(follow_up(row.get(1)?, "closed", Some(call_id(row, 2)?)))),
    },
    Source {
        sql: "SELECT n.at AS at, n.seq AS key, n.call, n.by, n.text, n.disposition FROM call_note n JOIN call c ON c.id = n.call
              WHERE c.id IN (SELECT id FROM call WHERE from_number = ?1 AND direction = 'inbound'
                             UNION ALL SELECT id FROM call WHERE to_number = ?1 AND direction = 'outbound')
                AND (n.at, n.seq) < (?2, ?3)
              ORDER BY at DESC, key DESC LIMIT ?4",
        read: |_, row| {
            let words = |column| -> rusqlite::Result<Option<Arc<str>>> {
                Ok(row.get::<_, Option<String>>(column)?.map(Into::into))
            };
            let (by, text, disposition) = (words(3)?, words(4)?, words(5)?);
            let note = CallNoteRow { at: from_micros(row.get(0)?), by, text, disposition };
            Ok(Some(Happened::Note { call: call_id(row, 2)?, note }))
        },
    },
];

fn call_id(row: &Row<'_>, column: usize) -> rusqlite::Result<CallId> {
    Ok(CallId::from_bits(from_column(row.get(column)?)))
}

fn follow_up(id: i64, happened: &str, call: Option<CallId>) -> Happened {
    Happened::FollowUp { follow_up: id, happened: happened.into(), call, by: None, to: None, text: None }
}

impl Reader {
    /// What was with these numbers (of one customer), the newest first: at most so many entries, only those before `before`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn timeline(
        &self,
        numbers: &[PhoneNumber],
        before: Option<Mark>,
        limit: usize,
    ) -> Result<Vec<TimelineEntry>, StoreError> {
        let end = Mark { at: to_micros(Timestamp::MAX), source: u8::MAX, key: i64::MAX };
        self.gather(numbers, before.unwrap_or(end), limit).map_err(self.failed("read a timeline"))
    }

    fn gather(&self, numbers: &[PhoneNumber], before: Mark, limit: usize) -> rusqlite::Result<Vec<TimelineEntry>> {
        let mut found = Vec::new();
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        for (source, Source { sql, read }) in (0..).zip(&SOURCES) {
            // At the very moment of `before`: all of the sources before its own, some of its own, none of the others.
            let key = match source.cmp(&before.source) {
                std::cmp::Ordering::Less => i64::MAX,
                std::cmp::Ordering::Equal => before.key,
                std::cmp::Ordering::Greater => i64::MIN,
            };
            let mut statement = self.connection.prepare_cached(sql)?;
            for number in numbers {
                let mut rows = statement.query(params![to_column(number.to_bits()), before.at, key, most])?;
                while let Some(row) = rows.next()? {
                    let mark = Mark { at: row.get(0)?, source, key: row.get(1)? };
                    if let Some(what) = read(self, row)? {
                        found.push(TimelineEntry { at: from_micros(mark.at), mark, what });
                    }
                }
            }
        }
        found.sort_by_key(|entry| Reverse(entry.mark));
        found.dedup_by_key(|entry| entry.mark);
        found.truncate(limit);
        Ok(found)
    }
}
