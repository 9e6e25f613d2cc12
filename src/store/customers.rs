//! The customers: who they are, their numbers, and who is responsible; filled by imports, read by the core at start.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::word::Word;
use super::{Reader, StoreError, Writer, from_column, to_column};
use crate::customer::{Customer, Kind};
use crate::number::PhoneNumber;

/// A customer with all numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomerRow {
    /// Who it is.
    pub customer: Customer,
    /// The numbers, the one to call back on first.
    pub numbers: Vec<PhoneNumber>,
}

/// What an import changed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Imported {
    /// Customers that were not there before.
    pub added: usize,
    /// Customers that were there and are different now.
    pub changed: usize,
    /// Customers that were there, just like this.
    pub unchanged: usize,
}

const COLUMNS: &str = "kind, id, name, responsible, number";
const JOINED: &str = "customer LEFT JOIN customer_number USING (kind, id)";

impl Reader {
    /// Hands over every customer, by kind and id. Reads row by row, so a million of them need no second memory.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn each_customer(&self, take: impl FnMut(CustomerRow)) -> Result<(), StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM {JOINED} ORDER BY kind, id, place");
        each(&self.connection, &sql, &[], take).map_err(self.failed("read the customers"))
    }

    /// The customers with this number: contacts, then companies, then leads, each by id. The first one is who calls.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn customers_with(&self, number: PhoneNumber) -> Result<Vec<CustomerRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {JOINED} WHERE (kind, id) IN (SELECT kind, id FROM customer_number WHERE number = ?1)
             ORDER BY kind, id, place"
        );
        let mut found = Vec::new();
        each(&self.connection, &sql, &[to_column(number.to_bits())], |row| found.push(row))
            .map_err(self.failed("look a number up"))?;
        found.sort_by(|one, other| {
            (one.customer.kind, &one.customer.id).cmp(&(other.customer.kind, &other.customer.id))
        });
        Ok(found)
    }
}

impl Writer {
    /// Adds customers, or makes those of the same kind and id like these; who is not named stays. One transaction:
    /// after an error nothing has changed. Done twice, the second time changes nothing.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn put_customers(&mut self, rows: &[CustomerRow]) -> Result<Imported, StoreError> {
        let path = self.path.clone();
        self.put(rows).map_err(|error| StoreError::new(&path, format!("write {} customers", rows.len()), error))
    }

    fn put(&mut self, rows: &[CustomerRow]) -> rusqlite::Result<Imported> {
        // Compared before the write lock is taken: a router beside this waits for the changes only.
        let mut known = BTreeMap::new();
        let sql = format!("SELECT {COLUMNS} FROM {JOINED} ORDER BY kind, id, place");
        each(&self.connection, &sql, &[], |row| {
            known.insert((row.customer.kind, row.customer.id.clone()), row);
        })?;
        let mut imported = Imported::default();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in rows {
            let there = known.get(&(row.customer.kind, row.customer.id.clone()));
            match there {
                Some(same) if same == row => imported.unchanged += 1,
                Some(_) => imported.changed += 1,
                None => imported.added += 1,
            }
            if there != Some(row) {
                upsert(&transaction, row, there.is_some())?;
            }
        }
        transaction.commit()?;
        Ok(imported)
    }
}

fn upsert(transaction: &Transaction<'_>, row: &CustomerRow, is_there: bool) -> rusqlite::Result<()> {
    let Customer { id, kind, name, responsible } = &row.customer;
    let kind = kind.word();
    transaction
        .prepare_cached(
            "INSERT INTO customer (kind, id, name, responsible) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, id) DO UPDATE SET name = excluded.name, responsible = excluded.responsible",
        )?
        .execute(params![kind, &**id, &**name, responsible.as_deref()])?;
    if is_there {
        let sql = "DELETE FROM customer_number WHERE kind = ?1 AND id = ?2";
        transaction.prepare_cached(sql)?.execute(params![kind, &**id])?;
    }
    for (place, number) in row.numbers.iter().enumerate() {
        transaction
            .prepare_cached("INSERT INTO customer_number (kind, id, place, number) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![kind, &**id, place as i64, to_column(number.to_bits())])?;
    }
    Ok(())
}

/// Gathers the lines of a query, one for each number, into customers.
fn each(connection: &Connection, sql: &str, values: &[i64], mut take: impl FnMut(CustomerRow)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut lines = statement.query(rusqlite::params_from_iter(values))?;
    let mut current: Option<CustomerRow> = None;
    while let Some(line) = lines.next()? {
        let Some(kind) = Kind::of(line.get_ref(0)?.as_str()?) else { continue };
        let id = line.get_ref(1)?.as_str()?;
        let number = line.get::<_, Option<i64>>(4)?.and_then(|bits| PhoneNumber::from_bits(from_column(bits)));
        let same = |row: &CustomerRow| row.customer.kind == kind && *row.customer.id == *id;
        if !current.as_ref().is_some_and(same) {
            let customer = Customer {
                id: id.into(),
                kind,
                name: line.get_ref(2)?.as_str()?.into(),
                responsible: line.get_ref(3)?.as_str_or_null()?.map(Into::into),
            };
            current.replace(CustomerRow { customer, numbers: Vec::new() }).map(&mut take);
        }
        if let Some(row) = &mut current {
            row.numbers.extend(number);
        }
    }
    current.map(take);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Folder;
    use super::*;

    fn row(kind: Kind, id: &str, name: &str, numbers: &[&str]) -> CustomerRow {
        let customer = Customer { id: id.into(), kind, name: name.into(), responsible: Some("12".into()) };
        CustomerRow { customer, numbers: numbers.iter().map(|number| number.parse().unwrap()).collect() }
    }

    #[test]
    fn an_import_done_twice_changes_nothing_the_second_time() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let mut rows = vec![
            row(Kind::Contact, "7", "Ada Byron", &["+491701112233", "+4930123456"]),
            row(Kind::Company, "7", "Engines Ltd", &["+4930123456"]),
            row(Kind::Lead, "9", "Without a number", &[]),
        ];
        assert_eq!(writer.put_customers(&rows).unwrap(), Imported { added: 3, ..Imported::default() });
        assert_eq!(writer.put_customers(&rows).unwrap(), Imported { unchanged: 3, ..Imported::default() });
        rows[0].numbers.remove(0);
        rows[2].customer.responsible = None;
        assert_eq!(writer.put_customers(&rows).unwrap(), Imported { changed: 2, unchanged: 1, added: 0 });
        let mut all = Vec::new();
        Reader::open(&folder.0).unwrap().each_customer(|row| all.push(row)).unwrap();
        assert_eq!(all, [rows[1].clone(), rows[0].clone(), rows[2].clone()]);
    }

    #[test]
    fn of_several_with_one_number_a_contact_comes_first_then_a_company_then_a_lead() {
        let folder = Folder::new();
        let number = ["+4930123456"];
        let rows = [
            row(Kind::Lead, "1", "Lead", &number),
            row(Kind::Company, "2", "Company", &number),
            row(Kind::Contact, "4", "Later contact", &number),
            row(Kind::Contact, "3", "Contact", &["+491701112233", "+4930123456"]),
            row(Kind::Contact, "5", "Somebody else", &["+4930123457"]),
        ];
        folder.writer().put_customers(&rows).unwrap();
        let reader = Reader::open(&folder.0).unwrap();
        let found = reader.customers_with("+4930123456".parse().unwrap()).unwrap();
        assert_eq!(found, [3, 2, 1, 0].map(|place| rows[place].clone()));
        assert_eq!(reader.customers_with("+4930123458".parse().unwrap()).unwrap(), []);
    }
}
