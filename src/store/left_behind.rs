//! What the end of a call with somebody outside leaves beside follow-ups: a customer made of a number that nobody knew, and
//! an SMS to who was missed. All of it in the transaction of the call's end, so that a hundred misses at once leave one of
//! each, and so does a process that dies in the middle.

use std::sync::Arc;

use rusqlite::{Transaction, params};
use serde_json::json;

use super::customers::{CustomerRow, upsert, with_number};
use super::customers_live::CustomerChange;
use super::{to_column, to_micros};
use crate::clock::{Duration, Timestamp};
use crate::config::{Config, Customers};
use crate::desk::contact::{is_met, provisional};
use crate::desk::follow_up::Outsider;
use crate::desk::notice;
use crate::event::{Audience, EventKind, Told};
use crate::fact::{Ended, Fact, KnownCustomer};
use crate::key::CallId;
use crate::letter::{Carrier, Letter};
use crate::number::PhoneNumber;

/// Who was outside, as known now: a customer who was written down while they called, or one who is made of the number.
pub(super) fn meet(
    transaction: &Transaction<'_>,
    (call, at): (CallId, Timestamp),
    outsider: &Outsider,
    (ended, human, rung): (&Ended, bool, bool),
    config: Option<&Config>,
    (told, changes): (&mut Vec<Told>, &mut Vec<CustomerChange>),
) -> rusqlite::Result<Outsider> {
    let mut outsider = outsider.clone();
    let rule = config.map_or(Customers::default(), |config| config.customers).provisional;
    let Some(number) = outsider.number.filter(|_| outsider.customer.is_none()) else { return Ok(outsider) };
    if let Some(row) = with_number(transaction, number)?.into_iter().next() {
        outsider.customer = Some(known(&outsider, row));
        return Ok(outsider);
    }
    if is_met(&outsider, ended, (human, rung), rule).is_none() {
        return Ok(outsider);
    }
    let (kind, id, card) = provisional(number);
    let row = CustomerRow::new(kind, &id, &card);
    upsert(transaction, &row, false, at)?;
    let data = json!({ "customer": row, "new": true });
    told.push(Told { kind: EventKind::ContactCreated, call: Some(call), audience: Audience::Everybody, data });
    changes.push(CustomerChange { kind, id, now: Some(card), at });
    outsider.customer = Some(known(&outsider, row));
    Ok(outsider)
}

/// A provisional customer is called as they came, where they came with a name.
fn known(outsider: &Outsider, row: CustomerRow) -> KnownCustomer {
    let shown = outsider.name.clone().filter(|name| row.provisional && !name.is_empty());
    KnownCustomer { name: shown.unwrap_or(row.name), id: row.id, responsible: row.responsible }
}

/// The SMS to who was missed, unless the number had one lately or is blocked.
pub(super) fn sms(
    transaction: &Transaction<'_>,
    (call, at): (CallId, Timestamp),
    outsider: &Outsider,
    ended: &Ended,
    config: &Config,
) -> rusqlite::Result<Option<Letter>> {
    let Some(sms) = &config.sms else { return Ok(None) };
    let Some(number) = notice::to_be_told(outsider, ended, sms) else { return Ok(None) };
    if is_blocked(transaction, number)? {
        return Ok(None);
    }
    let letter = notice::sms(number, outsider, call, sms, config);
    let text = letter.body["text"].as_str().unwrap_or_default();
    Ok(is_its_turn(transaction, (number, sms.every), (call, at), text)?.then_some(letter))
}

fn is_blocked(transaction: &Transaction<'_>, number: PhoneNumber) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM state WHERE kind = 'blocked' AND name = ?1)";
    transaction.prepare_cached(sql)?.query_row([number.to_string()], |row| row.get(0))
}

/// Writes the SMS down, once in so long for each number; false: it had one lately. A clock that was set back by more than
/// that holds nobody up.
fn is_its_turn(
    transaction: &Transaction<'_>,
    (number, every): (PhoneNumber, Duration),
    (call, at): (CallId, Timestamp),
    text: &str,
) -> rusqlite::Result<bool> {
    let every = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "INSERT INTO sms (number, at, call, text) SELECT ?1, ?2, ?3, ?4
             WHERE NOT EXISTS (SELECT 1 FROM sms WHERE number = ?1 AND at > ?2 - ?5 AND at < ?2 + ?5)",
        )?
        .execute(params![to_column(number.to_bits()), to_micros(at), to_column(call.to_bits()), text, every])
        .map(|written| written > 0)
}

/// What became of an SMS, where a fact says so. Told twice, it says the same again.
pub(super) fn delivered(transaction: &Transaction<'_>, at: Timestamp, fact: &Fact) -> rusqlite::Result<()> {
    let Fact::Delivered { carrier, to, call: Some(call), failed, .. } = fact else { return Ok(()) };
    let Some(number) = to.parse::<PhoneNumber>().ok().filter(|_| **carrier == *Carrier::Sms.word()) else {
        return Ok(());
    };
    let sent = failed.is_none().then_some(to_micros(at));
    transaction
        .prepare_cached("UPDATE sms SET sent = ?3, failed = ?4 WHERE number = ?1 AND call = ?2")?
        .execute(params![to_column(number.to_bits()), to_column(call.to_bits()), sent, failed])
        .map(drop)
}

/// The notices to employees that follow from what was told of the fact at this place.
pub(super) fn notices(told: &[Told], seq: i64, config: impl Fn() -> Option<Arc<Config>>) -> Vec<Letter> {
    // Nearly every fact is of no interest, and the config is behind a lock.
    if !told.iter().any(notice::concerns) {
        return Vec::new();
    }
    let Some(config) = config() else { return Vec::new() };
    told.iter().flat_map(|told| notice::notices(told, seq, &config)).collect()
}
