//! Reports over the call list, read beside a running router: calls go by in the order in which they began, none is kept.

use std::sync::Arc;

use jiff::tz::TimeZone;
use rusqlite::types::ValueRef;
use rusqlite::{Row, params};

use super::word::Word;
use super::{Reader, StoreError, from_column, from_micros, to_column, to_micros};
use crate::clock::{Duration, Timestamp};
use crate::fact::{Fact, MissedCause, SavedReport};
use crate::key::CallId;
use crate::report::{Ask, Kind, Line, Plan, Promise, Span, Sums, Table};
use crate::route::Direction;

/// A call that lasts longer than this is not looked for when calls at one time are counted.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 3_600);

/// One call, with the promise that its miss made or reminded of.
const CALLS: &str = "SELECT c.began, c.ended, c.direction, c.from_extension, c.answered, c.answered_by, c.responsible, c.rung,
        c.did, c.source, c.trunk, c.out_trunk, c.hunt_group, c.answered_in, c.missed, c.talk_ms,
        f.due, f.closed, f.closed_by
    FROM call c LEFT JOIN follow_up f ON c.missed IS NOT NULL AND f.id = coalesce(
        (SELECT id FROM follow_up WHERE call = c.id), (SELECT follow_up FROM follow_up_comment WHERE call = c.id AND call IS NOT NULL LIMIT 1))
    WHERE c.id BETWEEN ?1 AND ?2 AND c.began < ?4 AND (c.began >= ?3 OR c.ended IS NULL OR c.ended > ?3)
    ORDER BY c.id";

/// One promise, with the call that made it.
const PROMISES: &str =
    "SELECT c.began, c.ended, c.direction, c.from_extension, c.answered, c.answered_by, c.responsible, c.rung,
        c.did, c.source, c.trunk, c.out_trunk, c.hunt_group, c.answered_in, c.missed, c.talk_ms,
        f.due, f.closed, f.closed_by, f.opened, f.assignee,
        (SELECT min(k.began) FROM call k WHERE k.id = f.closed_by OR k.id IN (
            SELECT o.call FROM follow_up_comment o WHERE o.follow_up = f.id AND o.what IN ('tried', 'brief')))
    FROM follow_up f JOIN call c ON c.id = f.call WHERE f.opened >= ?1 AND f.opened < ?2 ORDER BY f.id";

impl Reader {
    /// Carries a report out over the days of its span, as things stand now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn report(
        &self,
        ask: &Ask,
        span: Span,
        zone: &TimeZone,
        now: Timestamp,
        plan: &Plan,
    ) -> Result<Table, StoreError> {
        let mut sums = Sums::new(ask.clone(), span, zone.clone(), now);
        let read = || -> rusqlite::Result<Table> {
            match ask.kind {
                Kind::FollowUps => self.promises_go_by(span, &mut sums)?,
                Kind::Capacity => self.calls_go_by(span, LONGEST_CALL, &mut sums)?,
                _ => self.calls_go_by(span, Duration::ZERO, &mut sums)?,
            }
            Ok(sums.finish(plan))
        };
        read().map_err(self.failed("read a report"))
    }

    /// The reports that were defined, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn saved_reports(&self) -> Result<Vec<(Arc<str>, SavedReport)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let sql = "SELECT body FROM state WHERE kind = 'report' ORDER BY name";
            self.connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        let bodies = read().map_err(self.failed("read the reports"))?;
        let saved = bodies.iter().filter_map(|body| match serde_json::from_str(body) {
            Ok(Fact::Report { name, now: Some(now) }) => Some((name, *now)),
            _ => None,
        });
        Ok(saved.collect())
    }

    fn calls_go_by(&self, span: Span, before: Duration, sums: &mut Sums) -> rusqlite::Result<()> {
        let first = span.from.checked_sub(before).unwrap_or(Timestamp::MIN);
        let id = |at: Timestamp, chance| to_column(CallId::new(at.min(last_of_ids()), chance).to_bits());
        let among = params![id(first, 0), id(span.to, u64::MAX), to_micros(span.from), to_micros(span.to)];
        let mut statement = self.connection.prepare_cached(CALLS)?;
        let mut rows = statement.query(among)?;
        while let Some(row) = rows.next()? {
            sums.add(&line(row)?);
        }
        Ok(())
    }

    fn promises_go_by(&self, span: Span, sums: &mut Sums) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(PROMISES)?;
        let mut rows = statement.query(params![to_micros(span.from), to_micros(span.to)])?;
        while let Some(row) = rows.next()? {
            let line = line(row)?;
            if let Some(promise) = line.promise {
                let reacted = row.get::<_, Option<i64>>(21)?.map(from_micros);
                sums.add_promise(&line, from_micros(row.get(19)?), promise, (text(row, 20)?, reacted));
            }
        }
        Ok(())
    }
}

/// The last moment whose ids sort as columns do.
fn last_of_ids() -> Timestamp {
    Timestamp::from_millisecond((1 << (63 - CallId::CHANCE_BITS)) - 1).unwrap_or(Timestamp::MAX)
}

fn line<'row>(row: &'row Row<'_>) -> rusqlite::Result<Line<'row>> {
    let moment = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(from_micros))
    };
    Ok(Line {
        began: from_micros(row.get(0)?),
        ended: moment(1)?,
        direction: text(row, 2)?.and_then(Direction::of).unwrap_or(Direction::Inbound),
        caller: text(row, 3)?,
        answered: moment(4)?,
        answered_by: text(row, 5)?,
        responsible: text(row, 6)?,
        rung: text(row, 7)?,
        did: text(row, 8)?,
        source: text(row, 9)?,
        trunk: text(row, 10)?,
        out_trunk: text(row, 11)?,
        group: text(row, 12)?,
        answered_in: text(row, 13)?,
        missed: text(row, 14)?.and_then(MissedCause::of),
        talk_ms: row.get::<_, Option<i64>>(15)?.map_or(0, from_column),
        promise: promise(moment(16)?, moment(17)?, row.get(18)?),
    })
}

/// Ids begin with the millisecond in which the call did.
fn promise(due: Option<Timestamp>, closed: Option<Timestamp>, by: Option<i64>) -> Option<Promise> {
    let began = by.map(|id| CallId::from_bits(from_column(id)).began());
    Some(Promise { due: due?, settled: closed.map(|closed| began.unwrap_or(closed)), talked: by.is_some() })
}

fn text<'row>(row: &'row Row<'_>, column: usize) -> rusqlite::Result<Option<&'row str>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => Ok(Some(value.as_str()?)),
    }
}
