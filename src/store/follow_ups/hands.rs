//! What people do about a follow-up by hand, and what time does: as the rule of the desk allows it, in the transaction of the
//! fact that says so.

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::super::to_micros;
use super::row::row;
use super::told::{Change, comment, tell};
use crate::clock::Timestamp;
use crate::desk::hand::{Deed, deed};
use crate::event::{EventKind, Told};
use crate::fact::Hand;

/// Does it, where it can be done; to be called once for each fact.
pub(in super::super) fn by_hand(
    transaction: &Transaction<'_>,
    (seq, at): (i64, Timestamp),
    id: i64,
    (by, hand): (Option<&Arc<str>>, &Hand),
    told: &mut Vec<Told>,
) -> rusqlite::Result<()> {
    let Some(before) = row(transaction, id)? else { return Ok(()) };
    let Ok(deed) = deed(&before.standing(), by, hand) else { return Ok(()) };
    let (what, text, beside) = match hand {
        Hand::Claimed => ("claimed", None, None),
        Hand::Assigned { .. } => ("assigned", None, None),
        Hand::Remarked { text } => ("remarked", Some(&**text), None),
        Hand::Closed { why } => ("closed", Some(&**why), None),
        Hand::Overdue => ("overdue", None, None),
        Hand::Escalated { to } => ("escalated", None, Some(to)),
        Hand::Reassigned { .. } => ("reassigned", None, None),
    };
    let to = match &deed {
        Deed::Give(to) => to.as_ref(),
        Deed::Reassign(to) => Some(to),
        _ => beside,
    };
    let by = by.map(|by| &**by);
    let change = Change { what, by, to: to.map(|to| &**to), text, ..Change::default() };
    if !comment(transaction, seq, at, id, &change)? {
        return Ok(());
    }
    let now = to_micros(at);
    let give = |to: Option<&Arc<str>>, how: &str| {
        transaction
            .prepare_cached("UPDATE follow_up SET assignee = ?2, assigned = ?3, given = ?4 WHERE id = ?1")?
            .execute(params![id, to.map(|to| &**to), how, now])
    };
    let mark = |sql: &str| transaction.prepare_cached(sql)?.execute(params![id, now]);
    let kind = match &deed {
        Deed::Give(to) => {
            give(to.as_ref(), if *hand == Hand::Claimed { "claimed" } else { "by_hand" })?;
            EventKind::FollowUpAssigned
        }
        Deed::Remark => EventKind::FollowUpCommented,
        Deed::Close => {
            transaction
                .prepare_cached("UPDATE follow_up SET closed = ?2, closed_hand = ?3, closed_why = ?4 WHERE id = ?1")?
                .execute(params![id, now, by, text])?;
            EventKind::FollowUpClosed
        }
        Deed::Overdue => {
            mark("UPDATE follow_up SET overdue = ?2 WHERE id = ?1")?;
            EventKind::FollowUpOverdue
        }
        Deed::Escalate => {
            mark("UPDATE follow_up SET escalated = ?2 WHERE id = ?1")?;
            EventKind::FollowUpCommented
        }
        Deed::Reassign(to) => {
            mark("UPDATE follow_up SET reassigned = ?2 WHERE id = ?1")?;
            give(Some(to), "escalated")?;
            EventKind::FollowUpAssigned
        }
    };
    if let Some(after) = row(transaction, id)? {
        told.push(tell(kind, &after, Some(&before), beside, &change));
    }
    Ok(())
}
