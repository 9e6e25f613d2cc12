//! A follow-up with what happened meanwhile, as the lists show it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::super::word::Word;
use super::super::{Reader, StoreError, from_column, from_micros, to_micros};
use crate::clock::Timestamp;
use crate::desk::due::Pending;
use crate::desk::hand::Standing;
use crate::desk::tally::{Alike, Count};
use crate::fact::{MissedCause, Party};
use crate::key::CallId;
use crate::number::PhoneNumber;

/// A promise to call back, as the lists show it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FollowUpRow {
    /// Its number.
    pub id: i64,
    /// Who is to be called back, with the customer's name where it is known.
    pub who: Party,
    /// The CRM's id of the customer.
    pub customer: Option<Arc<str>>,
    /// The DID that they called first.
    pub did: Option<String>,
    /// The first missed call.
    pub call: CallId,
    /// Why it was missed.
    pub cause: Option<MissedCause>,
    /// When it ended.
    pub opened: Timestamp,
    /// Until when they are to be called back. It never moves.
    pub due: Timestamp,
    /// Who is to call; `None`: whoever finds the time.
    pub assignee: Option<Arc<str>>,
    /// How it became theirs: `responsible`, `last_talker`, `list`, `unassigned`; `claimed` and `by_hand`; `escalated`.
    pub assigned: String,
    /// Since when it is theirs.
    pub given: Timestamp,
    /// How often they called and reached nobody.
    pub attempts: u32,
    /// When they last did.
    pub last_miss: Timestamp,
    /// How often we called and they did not answer.
    pub tried: u32,
    /// When we last did.
    pub last_tried: Option<Timestamp>,
    /// When the first call began in which we spoke with them or tried to.
    pub reacted: Option<Timestamp>,
    /// When it was said that its time is over.
    pub overdue: Option<Timestamp>,
    /// When the supervisor was told.
    pub escalated: Option<Timestamp>,
    /// When it was given to the supervisor.
    pub reassigned: Option<Timestamp>,
    /// When it was done.
    pub closed: Option<Timestamp>,
    /// The call in which they were talked with; `None` where it was closed by hand.
    pub closed_by: Option<CallId>,
    /// Who closed it by hand; `None`: nobody did, or it was an admin.
    pub closed_hand: Option<Arc<str>>,
    /// … and why, in their words.
    pub closed_why: Option<String>,
    /// What happened meanwhile, in order.
    pub comments: Vec<FollowUpComment>,
}

/// What happened to a follow-up after it was opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FollowUpComment {
    /// When.
    pub at: Timestamp,
    /// In a call: `missed`, they called again; `tried`, we called, and they did not answer; `brief`, a talk too short to
    /// settle it. By hand: `claimed`, `assigned`, `remarked`, `closed`. By time: `overdue`, `escalated`, `reassigned`.
    pub what: String,
    /// The call.
    pub call: Option<CallId>,
    /// Why it was missed.
    pub cause: Option<MissedCause>,
    /// The employee whose hand it was; `None`: a call, an admin, or time.
    pub by: Option<Arc<str>>,
    /// Whose it is since then (`claimed`, `assigned`, `reassigned`; `None`: anybody's), or who was told (`escalated`).
    pub to: Option<Arc<str>>,
    /// In free words.
    pub text: Option<String>,
    /// The fact's place in the journal.
    #[serde(skip)]
    pub seq: i64,
}

/// Which promises to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FollowUpsWanted {
    /// Open and closed ones, the newest first.
    All,
    /// Open ones, the first due first.
    Open,
    /// Open ones that were due before this moment.
    Overdue(Timestamp),
}

pub(super) const COLUMNS: &str = "f.*,
     (SELECT count(*) FROM follow_up_comment c WHERE c.follow_up = f.id AND c.what = 'tried') AS tried,
     (SELECT max(c.at) FROM follow_up_comment c WHERE c.follow_up = f.id AND c.what = 'tried') AS last_tried,
     (SELECT min(k.began) FROM call k WHERE k.id = f.closed_by OR k.id IN (
         SELECT c.call FROM follow_up_comment c WHERE c.follow_up = f.id AND c.what IN ('tried', 'brief'))) AS reacted";

impl Reader {
    /// The promises to call back, at most so many; 0 for all.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn follow_ups(&self, wanted: FollowUpsWanted, limit: usize) -> Result<Vec<FollowUpRow>, StoreError> {
        let limit = if limit == 0 { -1 } else { i64::try_from(limit).unwrap_or(i64::MAX) };
        let (condition, before) = match wanted {
            FollowUpsWanted::All => ("f.opened <= ?1 ORDER BY f.id DESC", Timestamp::MAX),
            FollowUpsWanted::Open => ("f.closed IS NULL AND f.due <= ?1 ORDER BY f.due, f.id", Timestamp::MAX),
            FollowUpsWanted::Overdue(now) => ("f.closed IS NULL AND f.due < ?1 ORDER BY f.due, f.id", now),
        };
        let read = || -> rusqlite::Result<Vec<FollowUpRow>> {
            let sql = format!("SELECT {COLUMNS} FROM follow_up f WHERE {condition} LIMIT ?2");
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map(params![to_micros(before), limit], follow_up_row)?;
            rows.map(|row| with_comments(&self.connection, row?)).collect()
        };
        read().map_err(self.failed("read the follow-ups"))
    }

    /// How many are open and late at this moment, as far as they are alike.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open_follow_ups(&self, now: Timestamp) -> Result<Vec<Alike>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Alike>> {
            self.connection
                .prepare_cached(
                    "SELECT assignee, did, count(*) AS open, sum(due < ?1) AS overdue FROM follow_up
                     WHERE closed IS NULL GROUP BY assignee, did",
                )?
                .query_map([to_micros(now)], |row| {
                    let count = Count { open: row.get("open")?, overdue: row.get("overdue")? };
                    Ok(Alike { assignee: text(row, "assignee")?, did: text(row, "did")?, count })
                })?
                .collect()
        };
        read().map_err(self.failed("count the follow-ups"))
    }

    /// Open ones with which time has something to do before this moment, the first due first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn pending_follow_ups(&self, before: Timestamp) -> Result<Vec<Pending>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Pending>> {
            self.connection
                .prepare_cached(
                    "SELECT id, due, assignee, coalesce(given, opened) AS given, overdue, escalated FROM follow_up
                     WHERE closed IS NULL AND reassigned IS NULL AND due <= ?1 ORDER BY due, id",
                )?
                .query_map([to_micros(before)], |row| {
                    Ok(Pending {
                        id: row.get("id")?,
                        due: from_micros(row.get("due")?),
                        assignee: text(row, "assignee")?,
                        given: from_micros(row.get("given")?),
                        overdue: moment(row, "overdue")?,
                        escalated: moment(row, "escalated")?,
                    })
                })?
                .collect()
        };
        read().map_err(self.failed("look up what is late"))
    }

    /// The follow-up of this number.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn follow_up(&self, id: i64) -> Result<Option<FollowUpRow>, StoreError> {
        let read = || row(&self.connection, id)?.map(|row| with_comments(&self.connection, row)).transpose();
        read().map_err(self.failed("read the follow-up"))
    }
}

impl FollowUpRow {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        Standing {
            assignee: self.assignee.clone(),
            closed: self.closed.is_some(),
            overdue: self.overdue.is_some(),
            escalated: self.escalated.is_some(),
            reassigned: self.reassigned.is_some(),
        }
    }
}

/// A follow-up, without what happened meanwhile.
pub(super) fn row(connection: &Connection, id: i64) -> rusqlite::Result<Option<FollowUpRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM follow_up f WHERE f.id = ?1"))?
        .query_row([id], follow_up_row)
        .optional()
}

pub(super) fn with_comments(connection: &Connection, mut row: FollowUpRow) -> rusqlite::Result<FollowUpRow> {
    row.comments = connection
        .prepare_cached("SELECT * FROM follow_up_comment WHERE follow_up = ?1 ORDER BY at, seq")?
        .query_map([row.id], comment_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(row)
}

fn comment_row(row: &Row<'_>) -> rusqlite::Result<FollowUpComment> {
    Ok(FollowUpComment {
        at: from_micros(row.get("at")?),
        what: row.get("what")?,
        call: call(row, "call")?,
        cause: row.get::<_, Option<String>>("cause")?.as_deref().and_then(MissedCause::of),
        by: text(row, "by")?,
        to: text(row, "to_whom")?,
        text: row.get("text")?,
        seq: row.get("seq")?,
    })
}

pub(super) fn follow_up_row(row: &Row<'_>) -> rusqlite::Result<FollowUpRow> {
    let number = row.get::<_, Option<i64>>("number")?.and_then(|bits| PhoneNumber::from_bits(from_column(bits)));
    let opened = from_micros(row.get("opened")?);
    Ok(FollowUpRow {
        id: row.get("id")?,
        who: Party {
            number,
            text: row.get::<_, Option<String>>("text")?.unwrap_or_default(),
            name: text(row, "name")?,
            extension: None,
            anonymous: row.get("anonymous")?,
        },
        customer: text(row, "customer")?,
        did: row.get("did")?,
        call: CallId::from_bits(from_column(row.get("call")?)),
        cause: MissedCause::of(&row.get::<_, String>("cause")?),
        opened,
        due: from_micros(row.get("due")?),
        assignee: text(row, "assignee")?,
        assigned: row.get("assigned")?,
        given: moment(row, "given")?.unwrap_or(opened),
        attempts: row.get("attempts")?,
        last_miss: from_micros(row.get("last_miss")?),
        tried: row.get("tried")?,
        last_tried: moment(row, "last_tried")?,
        reacted: moment(row, "reacted")?,
        overdue: moment(row, "overdue")?,
        escalated: moment(row, "escalated")?,
        reassigned: moment(row, "reassigned")?,
        closed: moment(row, "closed")?,
        closed_by: call(row, "closed_by")?,
        closed_hand: text(row, "closed_hand")?,
        closed_why: row.get("closed_why")?,
        comments: Vec::new(),
    })
}

fn moment(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(name)?.map(from_micros))
}

fn call(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<CallId>> {
    Ok(row.get::<_, Option<i64>>(name)?.map(|bits| CallId::from_bits(from_column(bits))))
}

fn text(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<Arc<str>>> {
    Ok(row.get::<_, Option<String>>(name)?.map(Into::into))
}
