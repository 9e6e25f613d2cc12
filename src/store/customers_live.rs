//! Customers while the router runs: written down by programs and people, one after the other, in the transaction of the
//! fact that says so; and who was made of a number that nobody knew gives way to a real one.

use std::sync::Arc;

use rusqlite::{Transaction, params};
use serde::Serialize;
use serde_json::json;

use super::customers::{CustomerRow, LINES, each, replace_provisional, upsert};
use super::{Reader, StoreError, from_micros};
use crate::clock::Timestamp;
use crate::customer::Kind;
use crate::event::{Audience, EventKind, Told};
use crate::fact::CustomerCard;

/// A customer is different from now on; the core's index is to learn of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomerChange {
    /// What kind of entry.
    pub kind: Kind,
    /// The CRM's id, unique within its kind.
    pub id: Arc<str>,
    /// As they are from now on; `None`: forgotten.
    pub now: Option<CustomerCard>,
    /// When it was written down.
    pub at: Timestamp,
}

/// A customer as people see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CustomerState {
    /// Who it is.
    #[serde(flatten)]
    pub row: CustomerRow,
    /// When it was changed last.
    pub changed: Timestamp,
    /// Somebody is to call them back: a follow-up for one of their numbers is open.
    pub callback_required: bool,
}

impl CustomerRow {
    /// What is written on a card, with its name in the CRM.
    pub fn new(kind: Kind, id: &str, card: &CustomerCard) -> CustomerRow {
        let CustomerCard { name, responsible, numbers, provisional } = card.clone();
        let mut each_once = Vec::with_capacity(numbers.len());
        for number in numbers {
            if !each_once.contains(&number) {
                each_once.push(number);
            }
        }
        CustomerRow { id: id.into(), kind, name, responsible, numbers: each_once, provisional }
    }

    /// What is written on the card.
    pub fn card(&self) -> CustomerCard {
        let CustomerRow { name, responsible, numbers, provisional, .. } = self.clone();
        CustomerCard { name, responsible, numbers, provisional }
    }
}

/// Writes down what a fact says of a customer; what is told of it, and what the core is to learn. Told again, it changes nothing.
pub(super) fn follow(
    transaction: &Transaction<'_>,
    (kind, id): (Kind, &Arc<str>),
    now: Option<&CustomerCard>,
    at: Timestamp,
    (told, customers): (&mut Vec<Told>, &mut Vec<CustomerChange>),
) -> rusqlite::Result<()> {
    let before = find(transaction, kind, id)?;
    let mut change = |id: &Arc<str>, kind, now: Option<&CustomerCard>| {
        customers.push(CustomerChange { kind, id: id.clone(), now: now.cloned(), at });
    };
    let data = match now {
        Some(card) => {
            let row = CustomerRow::new(kind, id, card);
            change(id, kind, Some(&row.card()));
            if before.as_ref() == Some(&row) {
                return Ok(());
            }
            upsert(transaction, &row, before.is_some(), at)?;
            let replaced = replace_provisional(transaction, &row)?;
            replaced.iter().for_each(|id| change(id, Kind::Lead, None));
            json!({ "customer": row, "new": before.is_none(), "replaces": replaced })
        }
        None => {
            change(id, kind, None);
            let sql = "DELETE FROM customer WHERE kind = ?1 AND id = ?2";
            if transaction.prepare_cached(sql)?.execute(params![kind.word(), &**id])? == 0 {
                return Ok(());
            }
            json!({ "customer": { "kind": kind, "id": id }, "deleted": true })
        }
    };
    told.push(Told { kind: EventKind::ContactChanged, call: None, audience: Audience::Everybody, data });
    Ok(())
}

/// The customer of this kind and id.
pub(super) fn find(connection: &rusqlite::Connection, kind: Kind, id: &str) -> rusqlite::Result<Option<CustomerRow>> {
    let sql = format!("{LINES} WHERE (kind, id) = (?1, ?2) ORDER BY place");
    let mut found = None;
    each(connection, &sql, params![kind.word(), id], |entry, provisional| {
        found = Some(CustomerRow::of(entry, provisional));
    })?;
    Ok(found)
}

/// Which customers to list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CustomersWanted {
    /// Only those after this one, in the order of kind and id.
    pub after: Option<(Kind, String)>,
    /// Only those whose name, id or number holds this.
    pub text: Option<String>,
    /// Only those whom the router has made of a number, or (`false`) only others.
    pub provisional: Option<bool>,
}

const CALLBACK: &str = "EXISTS (SELECT 1 FROM follow_up f JOIN customer_number n ON f.number = n.number
     WHERE f.closed IS NULL AND (n.kind, n.id) = (c.kind, c.id))";

impl Reader {
    /// The customer of this kind and id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn customer(&self, kind: Kind, id: &str) -> Result<Option<CustomerState>, StoreError> {
        let read = || -> rusqlite::Result<Option<CustomerState>> { self.customer_state(kind, id) };
        read().map_err(self.failed("read a customer"))
    }

    /// At most so many customers, in the order of kind and id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn customers(&self, wanted: &CustomersWanted, limit: usize) -> Result<Vec<CustomerState>, StoreError> {
        let (kind, id) = wanted.after.as_ref().map_or(("", ""), |(kind, id)| (kind.word(), id));
        // What has letters in it is no number.
        let text = wanted.text.as_deref().filter(|text| !text.contains(char::is_alphabetic)).unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let read = || -> rusqlite::Result<Vec<CustomerState>> {
            let mut statement = self.connection.prepare(
                "SELECT c.kind, c.id FROM customer c
                 WHERE (c.kind, c.id) > (?1, ?2) AND (?3 IS NULL OR c.provisional = ?3)
                   AND (?4 IS NULL OR instr(c.name, ?4) > 0 OR c.id = ?4 OR (?5 <> '' AND EXISTS (
                       SELECT 1 FROM customer_number n
                       WHERE (n.kind, n.id) = (c.kind, c.id) AND instr(n.number, ?5) > 0)))
                 ORDER BY c.kind, c.id LIMIT ?6",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let names: Vec<(String, String)> = statement
                .query_map(params![kind, id, wanted.provisional, wanted.text, digits, limit], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let states = names.iter().filter_map(|(kind, id)| self.customer_state(kind.parse().ok()?, id).transpose());
            states.collect()
        };
        read().map_err(self.failed("read the customers"))
    }

    fn customer_state(&self, kind: Kind, id: &str) -> rusqlite::Result<Option<CustomerState>> {
        let Some(row) = find(&self.connection, kind, id)? else { return Ok(None) };
        let sql = format!("SELECT changed, {CALLBACK} FROM customer c WHERE (c.kind, c.id) = (?1, ?2)");
        let read = |line: &rusqlite::Row<'_>| Ok((from_micros(line.get(0)?), line.get(1)?));
        let mut statement = self.connection.prepare_cached(&sql)?;
        let (changed, callback_required) = statement.query_row(params![kind.word(), id], read)?;
        Ok(Some(CustomerState { row, changed, callback_required }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::fixture::{Folder, at, numbered};
    use super::super::outbox::Outgoing;
    use super::*;
    use crate::config::Config;
    use crate::event::Event;
    use crate::fact::Fact;
    use crate::letter::Letter;

    /// What the writer has said, in order.
    #[derive(Clone, Debug, Default)]
    pub(super) struct Heard(Arc<Mutex<(Vec<CustomerChange>, Vec<Event>)>>);

    impl Outgoing for Heard {
        fn config(&self) -> Option<Arc<Config>> {
            None
        }
        fn letters(&self, _: &Fact) -> Vec<Letter> {
            Vec::new()
        }
        fn customers(&self, changes: Vec<CustomerChange>) {
            self.0.lock().unwrap().0.extend(changes);
        }
        fn happened(&self, events: Vec<Event>) {
            self.0.lock().unwrap().1.extend(events);
        }
        fn posted(&self) {}
    }

    fn card(name: &str, numbers: &[&str]) -> CustomerCard {
        let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
        CustomerCard { name: name.into(), numbers, ..CustomerCard::default() }
    }

    fn put(id: &str, now: Option<CustomerCard>) -> Fact {
        Fact::Customer { kind: Kind::Contact, id: id.into(), now: now.map(Box::new) }
    }

    #[test]
    fn a_customer_who_is_put_changed_and_forgotten_is_told_once_each() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let heard = Heard::default();
        writer.tell(heard.clone());
        let ada = card("Ada", &["+491701112233", "+4930123456", "+491701112233"]);
        let married = CustomerCard { responsible: Some("12".into()), ..card("Ada King", &["+491701112233"]) };
        let facts = [
            (0, put("7", Some(ada.clone()))),
            (1, put("7", Some(ada.clone()))),
            (2, put("7", Some(married.clone()))),
            (3, put("9", None)),
        ];
        writer.append(&numbered(1, facts)).unwrap();
        let reader = Reader::open(&folder.0).unwrap();
        let state = reader.customer(Kind::Contact, "7").unwrap().unwrap();
        assert_eq!((state.row.card(), state.changed, state.callback_required), (married, at(2), false));
        assert_eq!(reader.customer(Kind::Lead, "7").unwrap(), None);
        writer.append(&numbered(5, [(4, put("7", None))])).unwrap();
        assert_eq!(reader.customer(Kind::Contact, "7").unwrap(), None);

        let heard = std::mem::take(&mut *heard.0.lock().unwrap());
        let names: Vec<_> =
            heard.0.iter().map(|change| change.now.as_ref().map(|card| card.name.to_string())).collect();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(names, [name("Ada"), name("Ada"), name("Ada King"), None, None]);
        assert_eq!(heard.0[0].now.as_ref().unwrap().numbers.len(), 2, "each number once");
        let told: Vec<_> = heard.1.iter().map(|event| (event.id.seq, event.told.kind)).collect();
        assert_eq!(told, [1, 3, 5].map(|seq| (seq, EventKind::ContactChanged)));
        assert_eq!(heard.1[2].told.data, json!({ "customer": { "kind": "contact", "id": "7" }, "deleted": true }));
    }

    #[test]
    fn customers_are_listed_page_by_page_and_found_by_name_id_or_number() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let facts = ["1", "2", "3"]
            .map(|id| (0, put(id, Some(card(&format!("Customer {id}"), &[&format!("+493012345{id}")])))));
        writer.append(&numbered(1, facts)).unwrap();
        let reader = Reader::open(&folder.0).unwrap();
        let listed = |wanted: CustomersWanted, limit| {
            let states = reader.customers(&wanted, limit).unwrap();
            states.iter().map(|state| state.row.id.to_string()).collect::<Vec<_>>()
        };
        let all = CustomersWanted::default();
        assert_eq!(listed(all.clone(), 2), ["1", "2"]);
        assert_eq!(listed(CustomersWanted { after: Some((Kind::Contact, "2".into())), ..all.clone() }, 2), ["3"]);
        let with = |text: &str| listed(CustomersWanted { text: Some(text.into()), ..all.clone() }, 9);
        assert_eq!(
            (with("mer 2"), with("3"), with("+49 30 123453"), with("x")),
            (vec!["2".into()], vec!["1".into(), "2".into(), "3".into()], vec!["3".into()], vec![])
        );
        assert_eq!(listed(CustomersWanted { provisional: Some(true), ..all }, 9), [""; 0]);
    }
}
