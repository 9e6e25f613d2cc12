//! Follow-ups a page at a time, by what a program wants of them.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::super::{Reader, StoreError, to_column, to_micros};
use super::row::{COLUMNS, FollowUpRow, follow_up_row, with_comments};
use crate::clock::Timestamp;
use crate::number::PhoneNumber;

/// Which promises a page shows. Everything that is set must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FollowUpFilter {
    /// Open, or (`false`) closed.
    pub open: Option<bool>,
    /// Open and due before this moment, or (`false`) not.
    pub overdue: Option<(bool, Timestamp)>,
    /// This extension is to call, or (`None`) whoever finds the time.
    pub assignee: Option<Option<String>>,
    /// May be seen by this extension: it is theirs, or nobody's.
    pub of: Option<String>,
    /// Of one of these numbers.
    pub numbers: Option<Vec<PhoneNumber>>,
    /// The first due first; otherwise the newest first.
    pub by_due: bool,
    /// Only those after this one in that order: its moment in microseconds and its number.
    pub after: Option<(i64, i64)>,
    /// How many at most.
    pub limit: usize,
}

impl FollowUpRow {
    /// Where it stands in the order of a page.
    pub fn place(&self) -> (i64, i64) {
        (to_micros(self.due), self.id)
    }
}

impl Reader {
    /// A page of follow-ups, with what happened meanwhile.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn follow_up_page(&self, filter: &FollowUpFilter) -> Result<Vec<FollowUpRow>, StoreError> {
        let (condition, values) = filter.sql();
        let order = if filter.by_due { "f.due, f.id" } else { "f.id DESC" };
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let sql = format!("SELECT {COLUMNS} FROM follow_up f WHERE {condition} ORDER BY {order} LIMIT {limit}");
        let read = || -> rusqlite::Result<Vec<FollowUpRow>> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), follow_up_row)?;
            rows.map(|row| with_comments(&self.connection, row?)).collect()
        };
        read().map_err(self.failed("read the follow-ups"))
    }
}

impl FollowUpFilter {
    fn sql(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["TRUE".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut also = |condition: &str, with: Vec<Value>| {
            conditions.push(condition.to_owned());
            values.extend(with);
        };
        match self.open {
            Some(true) => also("f.closed IS NULL", vec![]),
            Some(false) => also("f.closed IS NOT NULL", vec![]),
            None => {}
        }
        match self.overdue {
            Some((true, now)) => also("f.closed IS NULL AND f.due < ?", vec![to_micros(now).into()]),
            Some((false, now)) => also("(f.closed IS NOT NULL OR f.due >= ?)", vec![to_micros(now).into()]),
            None => {}
        }
        match &self.assignee {
            Some(Some(who)) => also("f.assignee = ?", vec![who.clone().into()]),
            Some(None) => also("f.assignee IS NULL", vec![]),
            None => {}
        }
        if let Some(of) = &self.of {
            also("coalesce(f.assignee, ?) = ?", vec![of.clone().into(), of.clone().into()]);
        }
        if let Some(numbers) = &self.numbers {
            let places = vec!["?"; numbers.len()].join(", ");
            let numbers = numbers.iter().map(|number| to_column(number.to_bits()).into()).collect();
            also(&format!("f.number IN ({places})"), numbers);
        }
        match self.after {
            Some((due, id)) if self.by_due => also("(f.due, f.id) > (?, ?)", vec![due.into(), id.into()]),
            Some((_, id)) => also("f.id < ?", vec![id.into()]),
            None => {}
        }
        (conditions.join(" AND "), values)
    }
}
