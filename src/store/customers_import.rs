//! Customers by import: all of a CRM's export in one transaction, or nothing; also beside a running router.

use std::collections::BTreeMap;

use rusqlite::{Connection, TransactionBehavior};
use serde::Serialize;

use super::customers::{CustomerRow, LINES, each, replace_provisional, upsert};
use super::{Reader, StoreError, Writer};
use crate::clock::Timestamp;
use crate::customer::Kind;

/// What an import changed, or would change.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Imported {
    /// Customers that were not there before.
    pub added: usize,
    /// Customers that were there and are different now.
    pub changed: usize,
    /// Customers that were there, just like this.
    pub unchanged: usize,
}

impl Reader {
    /// What [`Writer::put_customers`] would change.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn compare_customers(&self, rows: &[CustomerRow]) -> Result<Imported, StoreError> {
        let (imported, _) = compare(&self.connection, rows).map_err(self.failed("read the customers"))?;
        Ok(imported)
    }
}

impl Writer {
    /// Adds customers, or makes those of the same kind and id like these, as of now; who is not named stays. One
    /// transaction: after an error nothing has changed. Done twice, the second time changes nothing.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn put_customers(&mut self, rows: &[CustomerRow], now: Timestamp) -> Result<Imported, StoreError> {
        let path = self.path.clone();
        self.put(rows, now).map_err(|error| StoreError::new(&path, format!("write {} customers", rows.len()), error))
    }

    fn put(&mut self, rows: &[CustomerRow], now: Timestamp) -> rusqlite::Result<Imported> {
        // Compared before the write lock is taken: a router beside this waits for the changes only.
        let (imported, changes) = compare(&self.connection, rows)?;
        if changes.is_empty() {
            return Ok(imported);
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (row, is_there) in changes {
            upsert(&transaction, row, is_there, now)?;
            replace_provisional(&transaction, row)?;
        }
        transaction.commit()?;
        Ok(imported)
    }
}

/// Which rows are new or different; true: it is there already.
fn compare<'a>(
    connection: &Connection,
    rows: &'a [CustomerRow],
) -> rusqlite::Result<(Imported, Vec<(&'a CustomerRow, bool)>)> {
    // None: not there. Some(true): there, and the same.
    let mut wanted: BTreeMap<Kind, BTreeMap<&str, (&CustomerRow, Option<bool>)>> = BTreeMap::new();
    for row in rows {
        wanted.entry(row.kind).or_default().insert(&row.id, (row, None));
    }
    each(connection, &format!("{LINES} ORDER BY kind, id, place"), [], |entry, provisional| {
        if let Some((row, there)) = wanted.get_mut(&entry.kind).and_then(|kind| kind.get_mut(entry.id)) {
            *there = Some(row.is(entry, provisional));
        }
    })?;
    let mut imported = Imported::default();
    let mut changes = Vec::new();
    for (row, there) in wanted.into_values().flat_map(BTreeMap::into_values) {
        match there {
            None => imported.added += 1,
            Some(false) => imported.changed += 1,
            Some(true) => imported.unchanged += 1,
        }
        if there != Some(true) {
            changes.push((row, there.is_some()));
        }
    }
    Ok((imported, changes))
}

#[cfg(test)]
mod tests {
    use super::super::customers::tests::row;
    use super::super::fixture::{Folder, at};
    use super::*;

    #[test]
    fn an_import_done_twice_changes_nothing_the_second_time() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let mut rows = vec![
            row(Kind::Contact, "7", "Ada Byron", &["+491701112233", "+4930123456"]),
            row(Kind::Company, "7", "Engines Ltd", &["+4930123456"]),
            row(Kind::Lead, "9", "Without a number", &[]),
        ];
        let reader = Reader::open(&folder.0).unwrap();
        assert_eq!(reader.compare_customers(&rows).unwrap(), Imported { added: 3, ..Imported::default() });
        assert_eq!(writer.put_customers(&rows, at(0)).unwrap(), Imported { added: 3, ..Imported::default() });
        assert_eq!(writer.put_customers(&rows, at(1)).unwrap(), Imported { unchanged: 3, ..Imported::default() });
        rows[0].numbers.remove(0);
        rows[2].responsible = None;
        assert_eq!(writer.put_customers(&rows, at(2)).unwrap(), Imported { changed: 2, unchanged: 1, added: 0 });
        assert_eq!(reader.compare_customers(&rows).unwrap(), Imported { unchanged: 3, ..Imported::default() });
    }
}
