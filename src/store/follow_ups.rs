//! Promises to call back: opened, commented and closed in the transaction of the call's end, so that no miss is without
//! one and a fact that is written again changes nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::word::Word;
use super::{Reader, StoreError, from_column, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
use crate::config::{Assign, Config, FollowUpRules, Pick};
use crate::desk::assignee::{Known, assignee};
use crate::desk::follow_up::{Change, Outsider, Remark, changes};
use crate::event::{Audience, EventKind, Told};
use crate::fact::{Ended, Fact, MissedCause, Party};
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
    /// Until when they are to be called back.
    pub due: Timestamp,
    /// Who is to call; `None`: whoever finds the time.
    pub assignee: Option<Arc<str>>,
    /// How the assignee was found: `responsible`, `last_talker`, `list`, `unassigned`.
    pub assigned: String,
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
    /// When it was done.
    pub closed: Option<Timestamp>,
    /// The call in which they were talked with.
    pub closed_by: Option<CallId>,
    /// What happened meanwhile, in order.
    pub comments: Vec<FollowUpComment>,
}

/// What happened while a follow-up was open.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FollowUpComment {
    /// When the call ended.
    pub at: Timestamp,
    /// The call.
    pub call: CallId,
    /// `missed`: they called again. `tried`: we called, and they did not answer. `brief`: a talk too short to settle it.
    pub what: String,
    /// Why it was missed.
    pub cause: Option<MissedCause>,
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

/// The number `?1`, and the other numbers of the customer whom it names: the first by the same order as in the core.
const KIN: &str = "WITH kin (number) AS (
         SELECT ?1 UNION SELECT number FROM customer_number WHERE (kind, id) = (
             SELECT kind, id FROM customer_number JOIN customer USING (kind, id) WHERE number = ?1
             ORDER BY CASE kind WHEN 'contact' THEN 0 WHEN 'company' THEN 1 ELSE 2 END, changed DESC, id LIMIT 1))";

/// Carries out what follows from the end of a call.
pub(super) fn follow(
    transaction: &Transaction<'_>,
    call: CallId,
    at: Timestamp,
    outsider: &Outsider,
    (human, ended, config): (bool, &Ended, Option<&Config>),
    told: &mut Vec<Told>,
) -> rusqlite::Result<()> {
    let ordinary = FollowUpRules::default();
    let rules = config.map_or(&ordinary, |config| &config.follow_up);
    let open = outsider.number.map(|number| open_for(transaction, number)).transpose()?.unwrap_or_default();
    for change in changes(outsider, ended, human, rules.close_min_talk, &open) {
        match change {
            Change::Open(cause) => {
                let due = at.checked_add(rules.due).unwrap_or(Timestamp::MAX);
                let (way, who) = match config {
                    Some(config) => {
                        let known = known(transaction, rules, outsider, at)?;
                        assignee(config, outsider, call, &known)
                    }
                    None => (Assign::Unassigned, None),
                };
                let id = insert(transaction, call, at, outsider, cause, due, (way, who.as_deref()))?;
                told.push(tell(EventKind::FollowUpCreated, call, id, who));
            }
            Change::Comment { id, remark } => {
                comment(transaction, id, call, at, remark)?;
                told.push(tell(EventKind::FollowUpCommented, call, id, assignee_of(transaction, id)?));
            }
            Change::Close { id } => {
                told.push(tell(EventKind::FollowUpClosed, call, id, assignee_of(transaction, id)?));
                let close = "UPDATE follow_up SET closed = ?2, closed_by = ?3 WHERE id = ?1";
                transaction.prepare_cached(close)?.execute(params![id, to_micros(at), to_column(call.to_bits())])?;
            }
        }
    }
    Ok(())
}

/// What is told of a follow-up: to its assignee, or to everybody where anybody may claim it.
fn tell(kind: EventKind, call: CallId, id: i64, assignee: Option<Arc<str>>) -> Told {
    let data = serde_json::json!({ "follow_up": id, "assignee": assignee });
    let audience = assignee.map_or(Audience::Everybody, |assignee| Audience::Users(vec![assignee]));
    Told { kind, call: Some(call), audience, data }
}

fn assignee_of(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<Option<Arc<str>>> {
    transaction
        .prepare_cached("SELECT assignee FROM follow_up WHERE id = ?1")?
        .query_row([id], |row| Ok(row.get::<_, Option<String>>(0)?.map(Into::into)))
}

/// The open ones for a number and the other numbers of its customer: for the number itself first, then by age.
fn open_for(transaction: &Transaction<'_>, number: PhoneNumber) -> rusqlite::Result<Vec<i64>> {
    transaction
        .prepare_cached(&format!(
            "{KIN} SELECT id FROM follow_up WHERE closed IS NULL AND number IN kin ORDER BY number <> ?1, id"
        ))?
        .query_map([to_column(number.to_bits())], |row| row.get(0))?
        .collect()
}

fn insert(
    transaction: &Transaction<'_>,
    call: CallId,
    at: Timestamp,
    outsider: &Outsider,
    cause: MissedCause,
    due: Timestamp,
    (way, who): (Assign, Option<&str>),
) -> rusqlite::Result<i64> {
    let customer = outsider.customer.as_ref();
    let text = Some(&outsider.text).filter(|text| outsider.number.is_none() && !text.is_empty());
    transaction
        .prepare_cached(
            "INSERT INTO follow_up (opened, call, number, text, anonymous, name, customer, did, cause, assignee,
                 assigned, due, attempts, last_miss)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?1)",
        )?
        .execute(params![
            to_micros(at),
            to_column(call.to_bits()),
            outsider.number.map(|number| to_column(number.to_bits())),
            text,
            outsider.anonymous,
            customer.map(|customer| &*customer.name).or(outsider.name.as_deref()),
            customer.map(|customer| &*customer.id),
            outsider.did.as_deref(),
            cause.word(),
            who,
            assigned(way),
            to_micros(due),
        ])?;
    Ok(transaction.last_insert_rowid())
}

fn comment(
    transaction: &Transaction<'_>,
    id: i64,
    call: CallId,
    at: Timestamp,
    remark: Remark,
) -> rusqlite::Result<()> {
    let (what, cause) = match remark {
        Remark::Missed(cause) => ("missed", Some(cause.word())),
        Remark::Tried => ("tried", None),
        Remark::Brief => ("brief", None),
    };
    transaction
        .prepare_cached("INSERT INTO follow_up_comment (follow_up, call, at, what, cause) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id, to_column(call.to_bits()), to_micros(at), what, cause])?;
    if cause.is_some() {
        transaction
            .prepare_cached("UPDATE follow_up SET attempts = attempts + 1, last_miss = ?2 WHERE id = ?1")?
            .execute(params![id, to_micros(at)])?;
    }
    Ok(())
}

fn assigned(way: Assign) -> &'static str {
    match way {
        Assign::Responsible => "responsible",
        Assign::LastTalker => "last_talker",
        Assign::List => "list",
        Assign::Unassigned => "unassigned",
    }
}

/// What the choice of the assignee needs. The state in `state` is that before the batch: who went away within the same few
/// milliseconds may still be chosen.
fn known(
    transaction: &Transaction<'_>,
    rules: &FollowUpRules,
    outsider: &Outsider,
    at: Timestamp,
) -> rusqlite::Result<Known> {
    let mut known = Known { away: away(transaction, at)?, ..Known::default() };
    if let Some(number) = outsider.number.filter(|_| rules.assign.contains(&Assign::LastTalker)) {
        let min = i64::try_from(rules.close_min_talk.as_millis()).unwrap_or(i64::MAX);
        known.last_talker = transaction
            .prepare_cached(&format!(
                "{KIN} SELECT talker FROM (
                     SELECT answered, answered_by AS talker, talk_ms FROM call
                     WHERE direction = 'inbound' AND answered IS NOT NULL AND from_number IN kin
                     UNION ALL
                     SELECT answered, from_extension, talk_ms FROM call
                     WHERE direction = 'outbound' AND answered IS NOT NULL AND to_number IN kin)
                 WHERE talk_ms >= ?2 AND talker IS NOT NULL ORDER BY answered DESC LIMIT 1"
            ))?
            .query_row(params![to_column(number.to_bits()), min], |row| row.get(0))
            .optional()?;
    }
    match rules.list {
        Some((Pick::RoundRobin, _)) => {
            known.last_of_list = transaction
                .prepare_cached("SELECT assignee FROM follow_up WHERE assigned = 'list' ORDER BY id DESC LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()?;
        }
        Some((Pick::LeastOpen, _)) => {
            known.open = transaction
                .prepare_cached(
                    "SELECT assignee, count(*) FROM follow_up
                     WHERE closed IS NULL AND assignee IS NOT NULL GROUP BY assignee",
                )?
                .query_map([], |row| Ok((row.get(0)?, from_column(row.get(1)?))))?
                .collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
        }
        Some((Pick::Random, _)) | None => {}
    }
    Ok(known)
}

fn away(transaction: &Transaction<'_>, at: Timestamp) -> rusqlite::Result<BTreeSet<String>> {
    let facts: Vec<String> = transaction
        .prepare_cached("SELECT body FROM state WHERE kind = 'away'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let away = facts.iter().filter_map(|body| match serde_json::from_str(body) {
        Ok(Fact::Away { extension, until: Some(until) }) if until > at => Some(extension.to_string()),
        _ => None,
    });
    Ok(away.collect())
}

const COLUMNS: &str =
    "f.id, f.call, f.number, f.text, f.anonymous, f.name, f.customer, f.did, f.cause, f.opened, f.due,
     f.assignee, f.assigned, f.attempts, f.last_miss, f.closed, f.closed_by,
     (SELECT min(k.began) FROM call k WHERE k.id = f.closed_by OR k.id IN (
         SELECT c.call FROM follow_up_comment c WHERE c.follow_up = f.id AND c.what <> 'missed')) AS reacted";

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
            rows.map(|row| self.with_comments(row?)).collect()
        };
        read().map_err(self.failed("read the follow-ups"))
    }

    fn with_comments(&self, mut row: FollowUpRow) -> rusqlite::Result<FollowUpRow> {
        row.comments = self
            .connection
            .prepare_cached(
                "SELECT at, call, what, cause FROM follow_up_comment WHERE follow_up = ?1 ORDER BY at, call",
            )?
            .query_map([row.id], |row| {
                Ok(FollowUpComment {
                    at: from_micros(row.get(0)?),
                    call: CallId::from_bits(from_column(row.get(1)?)),
                    what: row.get(2)?,
                    cause: row.get::<_, Option<String>>(3)?.as_deref().and_then(MissedCause::of),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let tries = || row.comments.iter().filter(|comment| comment.what == "tried");
        row.tried = u32::try_from(tries().count()).unwrap_or(u32::MAX);
        row.last_tried = tries().next_back().map(|comment| comment.at);
        Ok(row)
    }
}

fn follow_up_row(row: &Row<'_>) -> rusqlite::Result<FollowUpRow> {
    let moment =
        |name: &str| -> rusqlite::Result<Option<Timestamp>> { Ok(row.get::<_, Option<i64>>(name)?.map(from_micros)) };
    let call = |name: &str| -> rusqlite::Result<Option<CallId>> {
        Ok(row.get::<_, Option<i64>>(name)?.map(|bits| CallId::from_bits(from_column(bits))))
    };
    let text =
        |name: &str| -> rusqlite::Result<Option<Arc<str>>> { Ok(row.get::<_, Option<String>>(name)?.map(Into::into)) };
    let number = row.get::<_, Option<i64>>("number")?.and_then(|bits| PhoneNumber::from_bits(from_column(bits)));
    Ok(FollowUpRow {
        id: row.get("id")?,
        who: Party {
            number,
            text: row.get::<_, Option<String>>("text")?.unwrap_or_default(),
            name: text("name")?,
            extension: None,
            anonymous: row.get("anonymous")?,
        },
        customer: text("customer")?,
        did: row.get("did")?,
        call: CallId::from_bits(from_column(row.get("call")?)),
        cause: MissedCause::of(&row.get::<_, String>("cause")?),
        opened: from_micros(row.get("opened")?),
        due: from_micros(row.get("due")?),
        assignee: text("assignee")?,
        assigned: row.get("assigned")?,
        attempts: row.get("attempts")?,
        last_miss: from_micros(row.get("last_miss")?),
        tried: 0,
        last_tried: None,
        reacted: moment("reacted")?,
        closed: moment("closed")?,
        closed_by: call("closed_by")?,
        comments: Vec::new(),
    })
}
