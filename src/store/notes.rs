//! What employees write down about calls: notes, and what came of a call. Where a group wants to know that, its answered
//! calls wait until somebody has said it.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;
use serde_json::json;

use super::{Reader, StoreError, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::event::{Audience, EventKind, Told};
use crate::key::CallId;

/// Something that was written down about a call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CallNoteRow {
    /// When.
    pub at: Timestamp,
    /// The employee; `None`: an admin, or a program.
    pub by: Option<Arc<str>>,
    /// In free words.
    pub text: Option<Arc<str>>,
    /// What came of the call.
    pub disposition: Option<Arc<str>>,
}

/// Writes a note down, once for each fact; what is told of it. `None`: there is no such call.
pub(super) fn follow(
    transaction: &Transaction<'_>,
    call: CallId,
    (seq, at): (i64, Timestamp),
    (by, text, disposition): (Option<&str>, Option<&str>, Option<&str>),
) -> rusqlite::Result<Option<Told>> {
    let id = to_column(call.to_bits());
    let there: Option<Vec<Option<String>>> = transaction
        .prepare_cached("SELECT from_extension, to_extension, answered_by, responsible, rung FROM call WHERE id = ?1")?
        .query_row([id], |row| (0..5).map(|column| row.get(column)).collect())
        .optional()?;
    let Some(people) = there else { return Ok(None) };
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO call_note (call, seq, at, by, text, disposition) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![id, seq, to_micros(at), by, text, disposition])?;
    if let Some(disposition) = disposition {
        transaction
            .prepare_cached("UPDATE call SET disposition = ?2, needs_disposition = 0 WHERE id = ?1")?
            .execute(params![id, disposition])?;
    }
    let mut users: Vec<Arc<str>> = Vec::new();
    for user in people.iter().flatten().flat_map(|people| people.split(',')).chain(by) {
        if !user.is_empty() && !users.iter().any(|known| **known == *user) {
            users.push(user.into());
        }
    }
    let data = json!({ "by": by, "text": text, "disposition": disposition });
    Ok(Some(Told { kind: EventKind::CallNoted, call: Some(call), audience: Audience::Users(users), data }))
}

/// A call that was answered in this group is over: it waits for somebody to say what came of it, where the group wants to
/// know, unless they have said it while they talked.
pub(super) fn wait(
    transaction: &Transaction<'_>,
    call: CallId,
    group: &str,
    config: Option<&Config>,
) -> rusqlite::Result<()> {
    let wants = config.and_then(|config| Some(config.group(config.group_by_name(group)?).disposition));
    if wants != Some(true) {
        return Ok(());
    }
    transaction
        .prepare_cached("UPDATE call SET needs_disposition = 1 WHERE id = ?1 AND disposition IS NULL")?
        .execute([to_column(call.to_bits())])
        .map(drop)
}

impl Reader {
    /// True where there is a call of this id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn has_call(&self, call: CallId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM call WHERE id = ?1)";
        let read = |id: i64| self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0));
        read(to_column(call.to_bits())).map_err(self.failed("look a call up"))
    }

    /// What was written down about a call, in order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn call_notes(&self, call: CallId) -> Result<Vec<CallNoteRow>, StoreError> {
        let read = || -> rusqlite::Result<Vec<CallNoteRow>> {
            self.connection
                .prepare_cached("SELECT at, by, text, disposition FROM call_note WHERE call = ?1 ORDER BY seq")?
                .query_map([to_column(call.to_bits())], |row| {
                    let words = |column| -> rusqlite::Result<Option<Arc<str>>> {
                        Ok(row.get::<_, Option<String>>(column)?.map(Into::into))
                    };
                    let (by, text, disposition) = (words(1)?, words(2)?, words(3)?);
                    Ok(CallNoteRow { at: from_micros(row.get(0)?), by, text, disposition })
                })?
                .collect()
        };
        read().map_err(self.failed("read the notes of a call"))
    }
}
