//! Calls and recordings in a few words: who, how it ended, how long, how it stands.

use crate::fact::{MessageState, Party};
use crate::store::{CallRow, CallState, RecordingRow};

/// How a call ended, in a few words.
pub(super) fn result(row: &CallRow) -> String {
    match (row.state, row.missed) {
        (CallState::Open, _) => match &row.answered_by {
            Some(by) => format!("talks with {by}"),
            None => "open".into(),
        },
        (_, Some(cause)) => {
            let cause = serde_json::to_value(cause).unwrap_or_default();
            format!("missed: {}", cause.as_str().unwrap_or_default().replace('_', " "))
        }
        (CallState::Answered, _) => format!("answered by {}", row.answered_by.as_deref().unwrap_or("?")),
        _ => match row.status {
            Some(0) | None => "not answered".into(),
            Some(status) => format!("not answered ({status})"),
        },
    }
}

/// Somebody at one end, as people read it.
pub(super) fn who(party: &Party) -> String {
    let number = match (&party.extension, party.number) {
        (Some(extension), _) => extension.to_string(),
        (None, Some(number)) => number.to_string(),
        (None, None) if party.anonymous => "anonymous".into(),
        (None, None) => party.text.clone(),
    };
    match &party.name {
        Some(name) if !name.is_empty() => format!("{number} {name}"),
        _ => number,
    }
}

/// A span as people read it: `1:30`, `1:02:03`.
pub(super) fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// How long a recording is.
pub(super) fn length(row: &RecordingRow) -> String {
    if row.ended.is_some() { span(row.length_ms) } else { "runs".into() }
}

/// How a recording stands: what somebody who wants to hear it should know.
pub(super) fn standing(row: &RecordingRow) -> String {
    let state = row.state.map(|state| match state {
        MessageState::New => "new".to_owned(),
        MessageState::Heard => "heard".to_owned(),
        MessageState::Deleted => "deleted".to_owned(),
    });
    let empty = (row.empty && row.mailbox.is_some()).then(|| "empty".to_owned());
    let lost = (row.lost_ms > 0).then(|| format!("{} ms lost", row.lost_ms));
    let failed = row.failed.as_ref().map(|why| format!("cut off: {why}"));
    let erased = row.erased.map(|_| format!("gone: {}", row.erased_because.as_deref().unwrap_or("erased")));
    [state, empty, lost, failed, erased].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
