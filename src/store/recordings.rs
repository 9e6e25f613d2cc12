//! What was written down of calls: talks, and messages in their boxes. A row begins with the recording, so that nothing
//! on the disk is without its record, and outlives the file.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params, params_from_iter};
use serde::Serialize;

use super::word::Word;
use super::{Reader, StoreError, from_column, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
use crate::fact::{CallFact, Fact, MessageState, Noted, Party, Recorded, RecordingOf};
use crate::key::CallId;
use crate::number::PhoneNumber;

/// A recording, as the lists show it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RecordingRow {
    /// Its WAV file, counted from `storage.directory`.
    pub file: Arc<str>,
    /// The call it is of.
    pub call: CallId,
    /// The box, where it is a message.
    pub mailbox: Option<Arc<str>>,
    /// Who called.
    pub from: Party,
    /// The DID that the call came in on.
    pub did: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// When it was over; `None` while it runs.
    pub ended: Option<Timestamp>,
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// Nobody speaks in it for a second.
    pub empty: bool,
    /// How much could not be written, in milliseconds.
    pub lost_ms: u64,
    /// Why writing failed in the end.
    pub failed: Option<String>,
    /// How a message stands; `None` for a talk, and while it is being left.
    pub state: Option<MessageState>,
    /// When its file went.
    pub erased: Option<Timestamp>,
    /// Why it did.
    pub erased_because: Option<String>,
}

/// Which recordings to list. Everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct RecordingFilter {
    /// Of this call.
    pub call: Option<CallId>,
    /// This file.
    pub file: Option<Arc<str>>,
    /// Messages in this box.
    pub mailbox: Option<Arc<str>>,
    /// Only messages, or (`false`) only talks.
    pub messages: Option<bool>,
    /// Those whose files are gone, and messages that were thrown away, too.
    pub gone: bool,
    /// Began at this moment or later.
    pub from: Option<Timestamp>,
    /// Began before this moment.
    pub to: Option<Timestamp>,
    /// How many at most, the newest first; 0 for all.
    pub limit: usize,
}

/// What a fact does to the table. Told twice, it does the same again.
pub(super) fn follow(transaction: &Transaction<'_>, noted: &Noted) -> rusqlite::Result<()> {
    match &noted.fact {
        Fact::Call(call, CallFact::Recording { file, of }) => begin(transaction, *call, noted.at, file, of),
        Fact::Recorded(recorded) => complete(transaction, recorded, noted.at),
        Fact::Message { file, now, .. } => transaction
            .prepare_cached("UPDATE recording SET state = ?2 WHERE file = ?1 AND mailbox IS NOT NULL")?
            .execute(params![file, now.word()])
            .map(drop),
        Fact::Erased { file, why } => transaction
            .prepare_cached("UPDATE recording SET erased = ?2, why = ?3 WHERE file = ?1 AND erased IS NULL")?
            .execute(params![file, to_micros(noted.at), why])
            .map(drop),
        _ => Ok(()),
    }
}

fn mailbox(of: &RecordingOf) -> Option<&str> {
    match of {
        RecordingOf::Talk => None,
        RecordingOf::Message { mailbox } => Some(mailbox),
    }
}

fn begin(
    transaction: &Transaction<'_>,
    call: CallId,
    at: Timestamp,
    file: &str,
    of: &RecordingOf,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO recording (file, call, mailbox, began) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![file, to_column(call.to_bits()), mailbox(of), to_micros(at)])
        .map(drop)
}

fn complete(transaction: &Transaction<'_>, recorded: &Recorded, at: Timestamp) -> rusqlite::Result<()> {
    begin(transaction, recorded.call, recorded.began, &recorded.file, &recorded.of)?;
    transaction
        .prepare_cached(
            "UPDATE recording SET ended = ?2, length_ms = ?3, speech_ms = ?4, lost_ms = ?5, failed = ?6,
                 state = CASE WHEN mailbox IS NULL THEN NULL ELSE coalesce(state, 'new') END
             WHERE file = ?1",
        )?
        .execute(params![
            recorded.file,
            to_micros(at),
            to_column(recorded.length_ms),
            to_column(recorded.speech_ms),
            to_column(recorded.lost_ms),
            recorded.failed,
        ])
        .map(drop)
}

const COLUMNS: &str = "r.file, r.call, r.mailbox, r.began, r.ended, r.length_ms, r.speech_ms, r.lost_ms, r.failed, r.state, \
     r.erased, r.why, c.from_number, c.from_text, coalesce(c.customer_name, c.from_name) AS from_name, c.from_extension, coalesce(c.anonymous, 0) AS anonymous, c.did";

impl Reader {
    /// The recordings that the filter lets through, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn recordings(&self, filter: &RecordingFilter) -> Result<Vec<RecordingRow>, StoreError> {
        let (condition, values) = filter.sql();
        let limit = if filter.limit == 0 { -1 } else { i64::try_from(filter.limit).unwrap_or(i64::MAX) };
        let sql = format!(
            "SELECT {COLUMNS} FROM recording r LEFT JOIN call c ON c.id = r.call WHERE {condition}
             ORDER BY r.began DESC, r.file DESC LIMIT {limit}"
        );
        let read = || -> rusqlite::Result<Vec<RecordingRow>> {
            self.connection.prepare_cached(&sql)?.query_map(params_from_iter(values), recording_row)?.collect()
        };
        read().map_err(self.failed("read the recordings"))
    }
}

/// What may go.
impl Reader {
    /// The files of messages that were thrown away, at most so many.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn thrown_away(&self, limit: usize) -> Result<Vec<Arc<str>>, StoreError> {
        self.files("state = 'deleted' AND began < ?1", Timestamp::MAX, limit)
    }

    /// The files of talks, and of messages that were heard or in which nobody speaks, that began before then: the oldest
    /// first, at most so many. None of them runs.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn erasable(&self, before: Timestamp, limit: usize) -> Result<Vec<Arc<str>>, StoreError> {
        let silent = Recorded::SPEECH_OF_A_MESSAGE_MS;
        let condition = format!("(mailbox IS NULL OR state <> 'new' OR speech_ms < {silent}) AND began < ?1");
        self.files(&condition, before, limit)
    }

    fn files(&self, condition: &str, before: Timestamp, limit: usize) -> Result<Vec<Arc<str>>, StoreError> {
        let sql = format!(
            "SELECT file FROM recording WHERE erased IS NULL AND ended IS NOT NULL AND {condition}
             ORDER BY began, file LIMIT {limit}"
        );
        let read = || -> rusqlite::Result<Vec<Arc<str>>> {
            let file = |row: &Row<'_>| row.get::<_, String>(0).map(Into::into);
            self.connection.prepare(&sql)?.query_map([to_micros(before)], file)?.collect()
        };
        read().map_err(self.failed("read which recordings may go"))
    }
}

impl RecordingFilter {
    fn sql(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["TRUE"];
        let mut values = Vec::new();
        let mut also = |condition, with: Option<Value>| {
            conditions.push(condition);
            values.extend(with);
        };
        if let Some(call) = self.call {
            also("r.call = ?", Some(to_column(call.to_bits()).into()));
        }
        if let Some(file) = &self.file {
            also("r.file = ?", Some(file.to_string().into()));
        }
        if let Some(mailbox) = &self.mailbox {
            also("r.mailbox = ?", Some(mailbox.to_string().into()));
        }
        match self.messages {
            Some(true) => also("r.mailbox IS NOT NULL", None),
            Some(false) => also("r.mailbox IS NULL", None),
            None => {}
        }
        if !self.gone {
            also("r.erased IS NULL AND coalesce(r.state, '') <> 'deleted'", None);
        }
        if let Some(from) = self.from {
            also("r.began >= ?", Some(to_micros(from).into()));
        }
        if let Some(to) = self.to {
            also("r.began < ?", Some(to_micros(to).into()));
        }
        (conditions.join(" AND "), values)
    }
}

fn recording_row(row: &Row<'_>) -> rusqlite::Result<RecordingRow> {
    let text = |column: &str| -> rusqlite::Result<Option<Arc<str>>> {
        Ok(row.get::<_, Option<String>>(column)?.map(Into::into))
    };
    let moment = |column: &str| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(from_micros))
    };
    let count =
        |column: &str| -> rusqlite::Result<u64> { Ok(row.get::<_, Option<i64>>(column)?.map_or(0, from_column)) };
    let from = Party {
        number: row.get::<_, Option<i64>>("from_number")?.and_then(|bits| PhoneNumber::from_bits(from_column(bits))),
        text: row.get::<_, Option<String>>("from_text")?.unwrap_or_default(),
        name: text("from_name")?,
        extension: text("from_extension")?,
        anonymous: row.get("anonymous")?,
    };
    let ended = moment("ended")?;
    Ok(RecordingRow {
        file: row.get::<_, String>("file")?.into(),
        call: CallId::from_bits(from_column(row.get("call")?)),
        mailbox: text("mailbox")?,
        from,
        did: row.get("did")?,
        began: from_micros(row.get("began")?),
        ended,
        length_ms: count("length_ms")?,
        empty: ended.is_some() && count("speech_ms")? < Recorded::SPEECH_OF_A_MESSAGE_MS,
        lost_ms: count("lost_ms")?,
        failed: row.get("failed")?,
        state: row.get::<_, Option<String>>("state")?.as_deref().and_then(MessageState::of),
        erased: moment("erased")?,
        erased_because: row.get("why")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    fn begun(file: &str, of: RecordingOf) -> Fact {
        step(call(0), CallFact::Recording { file: file.into(), of })
    }

    fn talk(file: &str) -> Fact {
        let Fact::Recorded(recorded) = message(file, "sales", 90_000) else { unreachable!() };
        Fact::Recorded(Box::new(Recorded { of: RecordingOf::Talk, lost_ms: 20, ..*recorded }))
    }

    fn listed(folder: &Folder, filter: &RecordingFilter) -> Vec<Arc<str>> {
        let rows = Reader::open(&folder.0).unwrap().recordings(filter).unwrap();
        rows.into_iter().map(|row| row.file).collect()
    }

    #[test]
    fn a_message_is_listed_with_who_left_it_from_its_beginning_to_its_end() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let of = RecordingOf::Message { mailbox: "sales".into() };
        let first = ordinary(call(0), 0).swap_remove(0);
        writer.append(&numbered(1, [first, (0, begun("a.wav", of))])).unwrap();
        let row = || Reader::open(&folder.0).unwrap().recordings(&RecordingFilter::default()).unwrap().remove(0);
        let begun = RecordingRow {
            file: "a.wav".into(),
            call: call(0),
            mailbox: Some("sales".into()),
            from: offered().from,
            did: Some("+493012340".into()),
            began: at(0),
            ended: None,
            length_ms: 0,
            empty: false,
            lost_ms: 0,
            failed: None,
            state: None,
            erased: None,
            erased_because: None,
        };
        assert_eq!(row(), begun);
        let over = numbered(3, [(9, message("a.wav", "sales", 900))]);
        writer.append(&over).unwrap();
        writer.append(&over).unwrap();
        let new = Some(MessageState::New);
        assert_eq!(row(), RecordingRow { ended: Some(at(9)), length_ms: 1_400, empty: true, state: new, ..begun });
    }

    #[test]
    fn a_talk_has_no_state_and_what_is_gone_is_listed_only_on_request() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let mark = |now| Fact::Message { file: "a.wav".into(), mailbox: "sales".into(), now };
        let erased = |file: &str| Fact::Erased { file: file.into(), why: "older than 180d".into() };
        let facts = [
            (0, begun("t.wav", RecordingOf::Talk)),
            (1, message("a.wav", "sales", 3_000)),
            (2, talk("t.wav")),
            (3, mark(MessageState::Heard)),
            (4, message("b.wav", "service", 3_000)),
        ];
        writer.append(&numbered(1, facts)).unwrap();
        let all = RecordingFilter::default();
        let with = |file: &str| {
            let rows = Reader::open(&folder.0).unwrap().recordings(&RecordingFilter { gone: true, ..all.clone() });
            rows.unwrap().into_iter().find(|row| *row.file == *file).unwrap()
        };
        assert_eq!((with("t.wav").state, with("t.wav").lost_ms, with("t.wav").length_ms), (None, 20, 90_500));
        assert_eq!(with("a.wav").state, Some(MessageState::Heard));
        let sales = RecordingFilter { mailbox: Some("sales".into()), ..all.clone() };
        assert_eq!(listed(&folder, &sales), ["a.wav".into()]);
        let talks = RecordingFilter { messages: Some(false), ..all.clone() };
        assert_eq!(listed(&folder, &talks), ["t.wav".into()]);
        writer.append(&numbered(6, [(5, mark(MessageState::Deleted)), (6, erased("t.wav"))])).unwrap();
        assert_eq!(listed(&folder, &all), ["b.wav".into()]);
        assert_eq!(
            (with("t.wav").erased, with("t.wav").erased_because.as_deref()),
            (Some(at(6)), Some("older than 180d"))
        );
        assert_eq!(with("a.wav").state, Some(MessageState::Deleted));
    }
}
