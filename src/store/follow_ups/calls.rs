//! What the end of a call does to promises to call back: opens one, comments on it, keeps it.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::word::Word;
use super::super::{from_column, to_column, to_micros};
use super::row::row;
use super::told::{Change as Changed, comment, tell};
use crate::clock::Timestamp;
use crate::config::{Assign, Config, FollowUpList, FollowUpRules, Pick};
use crate::desk::assignee::{Chosen, Known, ListOf, assignee};
use crate::desk::due::deadline;
use crate::desk::follow_up::{Change, Outsider, Remark, changes};
use crate::event::{EventKind, Told};
use crate::fact::{Ended, Fact, MissedCause};
use crate::key::CallId;
use crate::number::PhoneNumber;
use crate::state::State;

/// The number `?1`, and the other numbers of the customer whom it names: the first by the same order as in the core.
const KIN: &str = "WITH kin (number) AS (
         SELECT ?1 UNION SELECT number FROM customer_number WHERE (kind, id) = (
             SELECT kind, id FROM customer_number JOIN customer USING (kind, id) WHERE number = ?1
             ORDER BY CASE kind WHEN 'contact' THEN 0 WHEN 'company' THEN 1 ELSE 2 END, changed DESC, id LIMIT 1))";

/// Carries out what follows from the end of a call; to be called once for each.
pub(in super::super) fn follow(
    transaction: &Transaction<'_>,
    call: CallId,
    (seq, at): (i64, Timestamp),
    outsider: &Outsider,
    (human, ended, config): (bool, &Ended, Option<&Config>),
    told: &mut Vec<Told>,
) -> rusqlite::Result<()> {
    let ordinary = FollowUpRules::default();
    let rules = config.map_or(&ordinary, |config| &config.follow_up);
    let open = outsider.number.map(|number| open_for(transaction, number)).transpose()?.unwrap_or_default();
    for change in changes(outsider, ended, human, rules.close_min_talk, &open) {
        let (id, kind, changed) = match change {
            Change::Open(cause) => {
                let id = open_one(transaction, at, outsider, (call, cause), (rules, config))?;
                (
                    id,
                    EventKind::FollowUpCreated,
                    Changed { what: "opened", call: Some(call), cause: Some(cause), ..Changed::default() },
                )
            }
            Change::Comment { id, remark } => {
                let changed = Changed { call: Some(call), ..remarked(remark) };
                if comment(transaction, seq, at, id, &changed)? && changed.cause.is_some() {
                    count_miss(transaction, id, at)?;
                }
                (id, EventKind::FollowUpCommented, changed)
            }
            Change::Close { id } => {
                let close = "UPDATE follow_up SET closed = ?2, closed_by = ?3 WHERE id = ?1";
                transaction.prepare_cached(close)?.execute(params![id, to_micros(at), to_column(call.to_bits())])?;
                (id, EventKind::FollowUpClosed, Changed { what: "closed", call: Some(call), ..Changed::default() })
            }
        };
        if let Some(row) = row(transaction, id)? {
            told.push(tell(kind, &row, None, None, &changed));
        }
    }
    Ok(())
}

fn remarked(remark: Remark) -> Changed<'static> {
    let (what, cause) = match remark {
        Remark::Missed(cause) => ("missed", Some(cause)),
        Remark::Tried => ("tried", None),
        Remark::Brief => ("brief", None),
    };
    Changed { what, cause, ..Changed::default() }
}

fn count_miss(transaction: &Transaction<'_>, id: i64, at: Timestamp) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE follow_up SET attempts = attempts + 1, last_miss = ?2 WHERE id = ?1")?
        .execute(params![id, to_micros(at)])
        .map(drop)
}

/// Opens one; its number.
fn open_one(
    transaction: &Transaction<'_>,
    at: Timestamp,
    outsider: &Outsider,
    (call, cause): (CallId, MissedCause),
    (rules, config): (&FollowUpRules, Option<&Config>),
) -> rusqlite::Result<i64> {
    let did = config.zip(outsider.did.as_deref()).and_then(|(config, did)| Some(config.did(config.did_written(did)?)));
    let own = did.map(|did| &did.follow_up);
    let span = own.and_then(|own| own.due).unwrap_or(rules.due);
    let (due, chosen) = match config {
        Some(config) => {
            let due = deadline(config, at, span);
            let lists = [own.and_then(|own| own.list.as_ref()), rules.list.as_ref()];
            let known = known(transaction, rules, lists, outsider)?;
            (due, assignee(config, outsider, call, (at, due), &known))
        }
        None => {
            let nobody = Chosen { way: Assign::Unassigned, who: None, list: None };
            (at.checked_add(span).unwrap_or(Timestamp::MAX), nobody)
        }
    };
    insert(transaction, call, (at, due), outsider, cause, &chosen)
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
    (at, due): (Timestamp, Timestamp),
    outsider: &Outsider,
    cause: MissedCause,
    chosen: &Chosen,
) -> rusqlite::Result<i64> {
    let customer = outsider.customer.as_ref();
    let text = Some(&outsider.text).filter(|text| outsider.number.is_none() && !text.is_empty());
    transaction
        .prepare_cached(
            "INSERT INTO follow_up (opened, call, number, text, anonymous, name, customer, did, cause, assignee,
                 assigned, due, attempts, last_miss, given, picked_from, picked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?1, ?1, ?13, ?14)",
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
            chosen.who.as_deref(),
            assigned(chosen.way),
            to_micros(due),
            chosen.list.map(|list| list_name(list, outsider)),
            chosen.list.and(chosen.who.as_deref()),
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// As `picked_from` has it.
fn list_name(list: ListOf, outsider: &Outsider) -> &str {
    match list {
        ListOf::Did => outsider.did.as_deref().unwrap_or_default(),
        ListOf::Company => "",
    }
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
    lists: [Option<&FollowUpList>; 2],
    outsider: &Outsider,
) -> rusqlite::Result<Known> {
    let mut known = Known { state: absences(transaction)?, ..Known::default() };
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
    let by = |pick| lists.map(|list| list.is_some_and(|(how, _)| *how == pick));
    let last = |of: ListOf| {
        transaction
            .prepare_cached("SELECT picked FROM follow_up WHERE picked_from = ?1 ORDER BY id DESC LIMIT 1")?
            .query_row([list_name(of, outsider)], |row| row.get(0))
            .optional()
    };
    let [did_goes_round, company_goes_round] = by(Pick::RoundRobin);
    if did_goes_round {
        known.last_of_did = last(ListOf::Did)?;
    }
    if company_goes_round {
        known.last_of_list = last(ListOf::Company)?;
    }
    if by(Pick::LeastOpen).contains(&true) {
        known.open = transaction
            .prepare_cached(
                "SELECT assignee, count(*) FROM follow_up
                 WHERE closed IS NULL AND assignee IS NOT NULL GROUP BY assignee",
            )?
            .query_map([], |row| Ok((row.get(0)?, from_column(row.get(1)?))))?
            .collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
    }
    Ok(known)
}

/// Who is away, and whose hours are overridden.
fn absences(transaction: &Transaction<'_>) -> rusqlite::Result<State> {
    let facts: Vec<String> = transaction
        .prepare_cached("SELECT body FROM state WHERE kind IN ('away', 'override')")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut state = State::default();
    let facts = facts.iter().filter_map(|body| serde_json::from_str::<Fact>(body).ok());
    facts.for_each(|fact| fact.fold(&mut state));
    Ok(state)
}
