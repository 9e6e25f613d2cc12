//! The customers: who they are, their numbers, and who is responsible; read by the core at start.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::{Reader, StoreError, from_column, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
use crate::customer::{Customer, CustomerIndex, Entry, Kind};
use crate::number::PhoneNumber;

/// A customer with all numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CustomerRow {
    /// What the CRM calls it; unique within its kind.
    pub id: Arc<str>,
    /// What it is.
    pub kind: Kind,
    /// As people read it.
    pub name: Arc<str>,
    /// The extension responsible.
    pub responsible: Option<Arc<str>>,
    /// The numbers, the one to call back on first.
    pub numbers: Vec<PhoneNumber>,
    /// Made by the router of a number that nobody knew; the name is still the number.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

impl From<CustomerRow> for Customer {
    fn from(row: CustomerRow) -> Customer {
        Customer { id: row.id, kind: row.kind, name: row.name, responsible: row.responsible }
    }
}

pub(super) const LINES: &str = "SELECT kind, id, name, responsible, changed, number, provisional
     FROM customer LEFT JOIN customer_number USING (kind, id)";

const WITH_NUMBER: &str = "SELECT kind, id, name, responsible, changed, number, provisional
     FROM customer LEFT JOIN customer_number USING (kind, id)
     WHERE (kind, id) IN (SELECT kind, id FROM customer_number WHERE number = ?1) ORDER BY kind, id, place";

impl Reader {
    /// Every customer, as the core looks them up.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn customer_index(&self) -> Result<CustomerIndex, StoreError> {
        let count = |table: &str| -> rusqlite::Result<usize> {
            let count: i64 =
                self.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or(0))
        };
        let read = || -> rusqlite::Result<CustomerIndex> {
            let mut index = CustomerIndex::with_capacity(count("customer")?, count("customer_number")?);
            each(&self.connection, &format!("{LINES} ORDER BY kind, id, place"), [], |entry, _| {
                if let Err(why) = index.upsert(entry) {
                    tracing::warn!(id = entry.id, ?why, "a customer is too large for the index and is not known");
                }
            })?;
            Ok(index)
        };
        read().map_err(self.failed("read the customers"))
    }

    /// The customers with this number, in order of priority: contacts, companies, leads, each by the last change, then
    /// by id. The first one is who calls.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn customers_with(&self, number: PhoneNumber) -> Result<Vec<CustomerRow>, StoreError> {
        with_number(&self.connection, number).map_err(self.failed("look a number up"))
    }
}

impl CustomerRow {
    pub(super) fn of(entry: &Entry<'_>, provisional: bool) -> CustomerRow {
        CustomerRow {
            id: entry.id.into(),
            kind: entry.kind,
            name: entry.name.into(),
            responsible: entry.responsible.map(Into::into),
            numbers: entry.numbers.into(),
            provisional,
        }
    }

    pub(super) fn is(&self, entry: &Entry<'_>, provisional: bool) -> bool {
        *self.name == *entry.name
            && self.responsible.as_deref() == entry.responsible
            && self.numbers == entry.numbers
            && self.provisional == provisional
    }
}

/// The customers with this number, in order of priority.
pub(super) fn with_number(connection: &Connection, number: PhoneNumber) -> rusqlite::Result<Vec<CustomerRow>> {
    let mut found = Vec::new();
    each(connection, WITH_NUMBER, [to_column(number.to_bits())], |entry, provisional| {
        found.push((entry.changed.as_second(), CustomerRow::of(entry, provisional)));
    })?;
    found.sort_by(|(one_changed, one), (other_changed, other)| {
        (one.kind, other_changed, &one.id).cmp(&(other.kind, one_changed, &other.id))
    });
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

pub(super) fn upsert(
    transaction: &Transaction<'_>,
    row: &CustomerRow,
    is_there: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let kind = row.kind.word();
    transaction
        .prepare_cached(
            "INSERT INTO customer (kind, id, name, responsible, changed, provisional) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (kind, id) DO UPDATE
             SET name = excluded.name, responsible = excluded.responsible, changed = excluded.changed,
                 provisional = excluded.provisional",
        )?
        .execute(params![kind, &*row.id, &*row.name, row.responsible.as_deref(), to_micros(now), row.provisional])?;
    if is_there {
        let sql = "DELETE FROM customer_number WHERE kind = ?1 AND id = ?2";
        transaction.prepare_cached(sql)?.execute(params![kind, &*row.id])?;
    }
    for (place, number) in row.numbers.iter().enumerate() {
        transaction
            .prepare_cached("INSERT INTO customer_number (kind, id, place, number) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![kind, &*row.id, place as i64, to_column(number.to_bits())])?;
    }
    Ok(())
}

/// Takes out those whom the router had made of a number of this customer; their ids. The promises to call them back are
/// this customer's now.
pub(super) fn replace_provisional(transaction: &Transaction<'_>, row: &CustomerRow) -> rusqlite::Result<Vec<Arc<str>>> {
    let mut replaced = Vec::new();
    if row.provisional {
        return Ok(replaced);
    }
    for number in &row.numbers {
        let number = to_column(number.to_bits());
        let made: Option<String> = transaction
            .prepare_cached(
                "SELECT id FROM customer JOIN customer_number USING (kind, id)
                 WHERE provisional AND kind = 'lead' AND number = ?1 AND (kind, id) <> (?2, ?3)",
            )?
            .query_row(params![number, row.kind.word(), &*row.id], |row| row.get(0))
            .optional()?;
        let Some(made) = made else { continue };
        transaction
            .prepare_cached("UPDATE follow_up SET customer = ?3, name = ?4 WHERE customer = ?2 AND number = ?1")?
            .execute(params![number, made, &*row.id, &*row.name])?;
        transaction.prepare_cached("DELETE FROM customer WHERE kind = 'lead' AND id = ?1")?.execute([&made])?;
        replaced.push(made.into());
    }
    Ok(replaced)
}

/// Gathers the lines of a query, one for each number, into customers. The texts live in three buffers, so that a million
/// customers cost no million allocations. With each goes whether it is provisional.
pub(super) fn each(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    mut take: impl FnMut(&Entry<'_>, bool),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut lines = statement.query(values)?;
    let mut current: Option<Gathered> = None;
    while let Some(line) = lines.next()? {
        let Ok(kind) = line.get_ref(0)?.as_str()?.parse::<Kind>() else { continue };
        let id = line.get_ref(1)?.as_str()?;
        if !current.as_ref().is_some_and(|it| it.kind == kind && it.id == id) {
            let mut next =
                current.take().inspect(|it| take(&it.entry(), it.provisional)).unwrap_or_else(Gathered::nobody);
            next.kind = kind;
            next.changed = from_micros(line.get(4)?);
            next.provisional = line.get(6)?;
            next.numbers.clear();
            let responsible = line.get_ref(3)?.as_str_or_null()?;
            next.has_responsible = responsible.is_some();
            let texts = [id, line.get_ref(2)?.as_str()?, responsible.unwrap_or_default()];
            for (buffer, text) in [&mut next.id, &mut next.name, &mut next.responsible].into_iter().zip(texts) {
                buffer.clear();
                buffer.push_str(text);
            }
            current = Some(next);
        }
        let number = line.get::<_, Option<i64>>(5)?.and_then(|bits| PhoneNumber::from_bits(from_column(bits)));
        if let Some(it) = &mut current {
            it.numbers.extend(number);
        }
    }
    if let Some(it) = current {
        take(&it.entry(), it.provisional);
    }
    Ok(())
}

/// A customer whose lines are being read.
struct Gathered {
    id: String,
    kind: Kind,
    name: String,
    responsible: String,
    has_responsible: bool,
    changed: Timestamp,
    provisional: bool,
    numbers: Vec<PhoneNumber>,
}

impl Gathered {
    fn nobody() -> Gathered {
        Gathered {
            id: String::new(),
            kind: Kind::Contact,
            name: String::new(),
            responsible: String::new(),
            has_responsible: false,
            changed: Timestamp::UNIX_EPOCH,
            provisional: false,
            numbers: Vec::new(),
        }
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            id: &self.id,
            kind: self.kind,
            name: &self.name,
            numbers: &self.numbers,
            responsible: self.has_responsible.then_some(&self.responsible),
            changed: self.changed,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixture::{Folder, at};
    use super::*;

    pub(crate) fn row(kind: Kind, id: &str, name: &str, numbers: &[&str]) -> CustomerRow {
        let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
        CustomerRow {
            id: id.into(),
            kind,
            name: name.into(),
            responsible: Some("12".into()),
            numbers,
            provisional: false,
        }
    }

    #[test]
    fn the_index_knows_every_customer_as_imported_and_when_it_changed_last() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let ada = row(Kind::Contact, "7", "Ada Byron", &["+491701112233", "+4930123456"]);
        let lead = CustomerRow { responsible: None, ..row(Kind::Lead, "9", "Without a number", &[]) };
        writer.put_customers(&[ada.clone(), lead.clone()], at(0)).unwrap();
        writer.put_customers(&[ada.clone(), CustomerRow { name: "Lead".into(), ..lead }], at(60)).unwrap();
        let index = Reader::open(&folder.0).unwrap().customer_index().unwrap();
        assert_eq!((index.len(), index.numbers()), (2, 2));
        let found = index.find("+4930123456".parse().unwrap()).unwrap();
        assert_eq!((found.id(), found.name(), found.changed()), ("7", "Ada Byron", at(0)));
        assert_eq!(found.responsible().map(|who| &**who), Some("12"));
        assert_eq!(found.numbers().collect::<Vec<_>>(), ada.numbers);
        let lead = index.get(Kind::Lead, "9").unwrap();
        assert_eq!((lead.name(), lead.responsible(), lead.changed()), ("Lead", None, at(60)));
    }

    #[test]
    fn of_several_with_one_number_the_table_says_the_same_order_as_the_index() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let number = ["+4930123456"];
        let rows = [
            row(Kind::Lead, "1", "Lead", &number),
            row(Kind::Company, "2", "Company", &number),
            row(Kind::Contact, "5", "Contact, changed first", &number),
            row(Kind::Contact, "6", "Contact, changed last", &number),
            row(Kind::Contact, "3", "Contact, changed first too", &["+491701112233", "+4930123456"]),
            row(Kind::Contact, "7", "Somebody else", &["+4930123457"]),
        ];
        writer.put_customers(&rows[..3], at(0)).unwrap();
        writer.put_customers(&rows[4..], at(0)).unwrap();
        writer.put_customers(&rows[3..4], at(60)).unwrap();
        let reader = Reader::open(&folder.0).unwrap();
        let number = "+4930123456".parse().unwrap();
        assert_eq!(reader.customers_with(number).unwrap(), [3, 4, 2, 1, 0].map(|place| rows[place].clone()));
        let index = reader.customer_index().unwrap();
        assert_eq!(index.all(number).iter().map(|found| found.id()).collect::<Vec<_>>(), ["6", "3", "5", "2", "1"]);
        assert_eq!(reader.customers_with("+4930123458".parse().unwrap()).unwrap(), []);
    }
}
