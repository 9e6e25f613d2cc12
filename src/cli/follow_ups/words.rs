//! The words and moments that lists and single follow-ups share.

use jiff::tz::TimeZone;

use crate::cli::words::span;
use crate::clock::Timestamp;
use crate::fact::MissedCause;
use crate::store::FollowUpRow;

pub(super) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// From one moment to a later one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    span(u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0))
}

/// How old a promise is: until now, or until it was kept.
pub(super) fn age(row: &FollowUpRow, now: Timestamp) -> String {
    between(row.opened, row.closed.unwrap_or(now))
}

/// How long it took until we called or spoke with them; nothing where nobody has yet.
pub(super) fn reaction(row: &FollowUpRow) -> String {
    row.reacted.map_or(String::new(), |reacted| between(row.opened, reacted))
}

/// Why a call was missed.
pub(super) fn cause(cause: Option<MissedCause>) -> String {
    let cause = serde_json::to_value(cause).unwrap_or_default();
    cause.as_str().unwrap_or_default().replace('_', " ")
}

/// Whose it is.
pub(super) fn holder(row: &FollowUpRow) -> String {
    row.assignee.as_deref().unwrap_or("anybody").to_owned()
}

/// By what or whom a closed one was closed.
pub(super) fn closed_by(row: &FollowUpRow) -> String {
    match (row.closed_by, row.closed_hand.as_deref(), row.closed_why.as_deref()) {
        (Some(call), ..) => format!("call {call}"),
        (None, Some(who), why) => format!("by {who}: {}", why.unwrap_or_default()),
        (None, None, why) => format!("by hand: {}", why.unwrap_or_default()),
    }
}
