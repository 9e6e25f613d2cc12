//! A follow-up as it is told outside, and how each change of it is written down.

use std::sync::Arc;

use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use super::super::word::Word;
use super::super::{to_column, to_micros};
use super::row::FollowUpRow;
use crate::clock::Timestamp;
use crate::event::{Audience, EventKind, Told};
use crate::fact::MissedCause;
use crate::key::CallId;

/// What happened to a follow-up.
#[derive(Clone, Debug, Default)]
pub(super) struct Change<'a> {
    /// In a word, as `FollowUpComment::what` has it; `opened` and `closed` beside.
    pub(super) what: &'static str,
    /// In which call.
    pub(super) call: Option<CallId>,
    /// Why that was missed.
    pub(super) cause: Option<MissedCause>,
    /// By whose hand.
    pub(super) by: Option<&'a str>,
    /// Whose it is since then, or who was told.
    pub(super) to: Option<&'a str>,
    /// In free words.
    pub(super) text: Option<&'a str>,
}

/// Writes a change down; false: it was there already.
pub(super) fn comment(
    transaction: &Transaction<'_>,
    seq: i64,
    at: Timestamp,
    id: i64,
    change: &Change<'_>,
) -> rusqlite::Result<bool> {
    let Change { what, call, cause, by, to, text } = change;
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO follow_up_comment (follow_up, seq, at, what, call, cause, by, to_whom, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id,
            seq,
            to_micros(at),
            what,
            call.map(|call| to_column(call.to_bits())),
            cause.map(Word::word),
            by,
            to,
            text,
        ])
        .map(|written| written > 0)
}

/// What is told of a change: the whole follow-up as it is after it, and what changed. To its assignee, and to who had it
/// before or is to know beside; to everybody where anybody may claim it, or might until now.
pub(super) fn tell(
    kind: EventKind,
    row: &FollowUpRow,
    before: Option<&FollowUpRow>,
    beside: Option<&Arc<str>>,
    change: &Change<'_>,
) -> Told {
    let holders = [row, before.unwrap_or(row)].map(|row| row.assignee.as_ref());
    let audience = match holders {
        [Some(now), Some(before)] => {
            let mut users = vec![now.clone()];
            for user in [Some(before), beside].into_iter().flatten().filter(|user| *user != now) {
                users.push(user.clone());
            }
            Audience::Users(users)
        }
        _ => Audience::Everybody,
    };
    Told { kind, call: change.call.or(Some(row.call)), audience, data: data(row, change) }
}

fn data(row: &FollowUpRow, change: &Change<'_>) -> Value {
    let mut data = serde_json::to_value(row).unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        // What happened before has been told before.
        fields.remove("comments");
        let Change { what, call, cause, by, to, text } = change;
        let change = json!({ "what": what, "call": call, "cause": cause, "by": by, "to": to, "text": text });
        fields.insert("change".into(), change);
    }
    data
}
