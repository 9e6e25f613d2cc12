//! Who is calling: a customer's number leads to a name and to the employee responsible for them, from memory.
//!
//! A [`CustomerIndex`] holds a million customers in some fifty megabytes and finds one among them in about the time of
//! three cache misses. It is filled from the store at start and kept fresh by [`CustomerIndex::upsert`] and
//! [`CustomerIndex::remove`]; the owner drops a replaced index on another thread.
//!
//! **Several entries for one number**: a contact comes before a company, a company before a lead; among equals the one
//! changed last; then the smaller id. [`CustomerIndex::all`] gives all of them in that order.

mod entry;
mod records;
mod table;

use smallvec::SmallVec;

use crate::number::PhoneNumber;
pub use entry::{Customer, Entry, Kind};
use records::Records;
pub use records::{Found, TooLarge};
use table::Table;

/// All customers, found by number.
#[derive(Debug, Default)]
pub struct CustomerIndex {
    records: Records,
    by_number: Table,
    by_id: Table,
}

impl CustomerIndex {
    /// An empty index with room for so many, so that a bulk load grows nothing on the way.
    pub fn with_capacity(customers: usize, numbers: usize) -> CustomerIndex {
        CustomerIndex {
            records: Records::default(),
            by_number: Table::with_capacity(numbers),
            by_id: Table::with_capacity(customers),
        }
    }

    /// Who has this number: the entry that comes first, if there are several.
    pub fn find(&self, number: PhoneNumber) -> Option<Found<'_>> {
        self.holders(number).reduce(Found::first_of)
    }

    /// Everybody who has this number, in order of priority.
    pub fn all(&self, number: PhoneNumber) -> Vec<Found<'_>> {
        let mut all: Vec<Found<'_>> = self.holders(number).collect();
        all.sort_by(Found::by_priority);
        // Two numbers of one customer may share a tag, and then the search meets that customer twice.
        all.dedup_by_key(|found| found.place());
        all
    }

    /// The customer whom the CRM calls by this id.
    pub fn get(&self, kind: Kind, id: &str) -> Option<Found<'_>> {
        self.place_of(kind, id).map(|place| self.records.at(place))
    }

    /// Every customer, in no order that means anything (but the same every time).
    pub fn iter(&self) -> impl Iterator<Item = Found<'_>> {
        self.by_id.places().map(|place| self.records.at(place))
    }

    /// Puts a customer in, or in place of the one with the same kind and id. On an error the index is as before.
    pub fn upsert(&mut self, entry: &Entry<'_>) -> Result<(), TooLarge> {
        let place = self.records.push(entry)?;
        self.remove(entry.kind, entry.id);
        let found = self.records.at(place);
        let mut numbers: SmallVec<[PhoneNumber; 4]> = found.numbers().collect();
        let id_hash = found.id_hash();
        if !self.by_id.has_room_for(1) {
            let mut grown = self.by_id.grown(1);
            self.iter().for_each(|found| grown.put(found.id_hash(), found.place()));
            self.by_id = grown;
        }
        if !self.by_number.has_room_for(numbers.len()) {
            let mut grown = self.by_number.grown(numbers.len());
            for found in self.iter() {
                found.numbers().for_each(|number| grown.put(table::hash_number(number), found.place()));
            }
            self.by_number = grown;
        }
        self.by_id.put(id_hash, place);
        numbers.drain(..).for_each(|number| self.by_number.put(table::hash_number(number), place));
        Ok(())
    }

    /// Takes a customer out; false if there was none.
    pub fn remove(&mut self, kind: Kind, id: &str) -> bool {
        let Some(place) = self.place_of(kind, id) else { return false };
        let found = self.records.at(place);
        self.by_id.take(found.id_hash(), place);
        for number in found.numbers() {
            self.by_number.take(table::hash_number(number), place);
        }
        self.records.waste(place);
        true
    }

    /// How many customers there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers lead to somebody; one that leads to two counts twice.
    pub fn numbers(&self) -> usize {
        self.by_number.len()
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.records.bytes() + self.by_number.bytes() + self.by_id.bytes()
    }

    /// True when it should be built anew from the store, off the core's thread: a quarter of it is waste, or the next
    /// growth would copy its tables (a tenth of a second at a million).
    pub fn is_worn(&self) -> bool {
        self.records.is_worn() || self.by_number.is_nearly_full() || self.by_id.is_nearly_full()
    }

    fn holders(&self, number: PhoneNumber) -> impl Iterator<Item = Found<'_>> {
        let candidates = self.by_number.candidates(table::hash_number(number)).map(|place| self.records.at(place));
        candidates.filter(move |found| found.has(number))
    }

    fn place_of(&self, kind: Kind, id: &str) -> Option<u32> {
        let is_it = |place: &u32| {
            let found = self.records.at(*place);
            found.kind() == kind && found.id() == id
        };
        self.by_id.candidates(table::hash_id(kind, id)).find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use proptest::prelude::*;

    #[test]
    fn a_number_leads_to_the_customer_with_name_and_responsible() {
        let mut index = CustomerIndex::default();
        index.upsert(&ada()).unwrap();
        let found = index.find(number("+491701112233")).unwrap().to_customer();
        assert_eq!(
            found,
            Customer { id: "17".into(), kind: Kind::Contact, name: "Ada Byron".into(), responsible: Some("12".into()) }
        );
        let numbers: Vec<_> = index.get(Kind::Contact, "17").unwrap().numbers().collect();
        assert_eq!(numbers, [number("+491701112233"), number("+4930123456")]);
        assert_eq!(index.find(number("+4930123456")).unwrap().id(), "17");
        assert!(index.find(number("+4930123457")).is_none());
        assert_eq!((index.len(), index.numbers()), (1, 2));
    }

    #[test]
    fn of_several_entries_for_a_number_contact_company_lead_then_the_last_changed_comes_first() {
        let shared = [number("+4930999999")];
        let entry = |kind, id, changed: &str| Entry {
            id,
            kind,
            name: "",
            numbers: &shared,
            responsible: None,
            changed: changed.parse().unwrap(),
        };
        let mut index = CustomerIndex::default();
        for entry in [
            entry(Kind::Lead, "new lead", "2026-11-03T00:00:00Z"),
            entry(Kind::Company, "company", "2026-11-02T00:00:00Z"),
            entry(Kind::Contact, "old contact", "2026-10-01T00:00:00Z"),
            entry(Kind::Contact, "b contact", "2026-10-02T00:00:00Z"),
            entry(Kind::Contact, "a contact", "2026-10-02T00:00:00Z"),
        ] {
            index.upsert(&entry).unwrap();
        }
        let order: Vec<_> = index.all(shared[0]).iter().map(Found::id).collect();
        assert_eq!(order, ["a contact", "b contact", "old contact", "company", "new lead"]);
        assert_eq!(index.find(shared[0]).unwrap().id(), "a contact");
        assert!(index.remove(Kind::Contact, "a contact"));
        assert_eq!(index.find(shared[0]).unwrap().id(), "b contact");
    }

    #[test]
    fn a_changed_customer_is_found_by_the_new_numbers_only() {
        let mut index = CustomerIndex::default();
        index.upsert(&ada()).unwrap();
        let moved = [number("+491709999999")];
        index.upsert(&Entry { numbers: &moved, responsible: None, ..ada() }).unwrap();
        assert!(index.find(number("+491701112233")).is_none());
        assert_eq!(index.find(moved[0]).unwrap().responsible(), None);
        assert_eq!((index.len(), index.numbers()), (1, 1));
        // The same id of another kind is somebody else.
        assert!(!index.remove(Kind::Lead, "17"));
        assert!(index.remove(Kind::Contact, "17"));
        assert!(index.is_empty());
    }

    #[test]
    fn a_customer_two_of_whose_numbers_look_alike_to_the_table_is_found_once() {
        let number = |last: u64| PhoneNumber::from_bits(4_930_000_000 + last).unwrap();
        let looks = |last: u64| table::hash_number(number(last)) as u8 % 254;
        let twin = (1..10_000).find(|last| looks(*last) == looks(0)).unwrap();
        let mut index = CustomerIndex::default();
        index.upsert(&Entry { numbers: &[number(0), number(twin)], ..ada() }).unwrap();
        assert_eq!((index.all(number(0)).len(), index.all(number(twin)).len()), (1, 1));
    }

    #[test]
    fn what_is_too_large_is_refused_and_leaves_the_index_as_it_was() {
        let mut index = CustomerIndex::default();
        let many: Vec<_> = (0..256).map(|last| PhoneNumber::from_bits(4_930_000_000 + last).unwrap()).collect();
        assert_eq!(index.upsert(&Entry { numbers: &many, ..ada() }), Err(TooLarge::Numbers));
        assert_eq!(index.upsert(&Entry { id: &"9".repeat(256), ..ada() }), Err(TooLarge::Id));
        assert!(index.is_empty());
        let long = "Ж".repeat(200);
        index.upsert(&Entry { name: &long, numbers: &many[..255], ..ada() }).unwrap();
        assert_eq!(index.get(Kind::Contact, "17").unwrap().name(), "Ж".repeat(127));
        assert_eq!(index.numbers(), 255);
    }

    #[test]
    fn numbers_of_one_customer_that_look_alike_in_the_table_name_it_once_and_go_with_it() {
        let number = |last| PhoneNumber::from_bits(4_930_000_000 + last).unwrap();
        let alike =
            |last: &u64| table::tag(table::hash_number(number(*last))) == table::tag(table::hash_number(number(0)));
        let numbers: Vec<_> = (0..2000).filter(alike).map(number).collect();
        assert!(numbers.len() > 1, "of 2,000 numbers some have the same tag");
        let mut index = CustomerIndex::default();
        index.upsert(&Entry { numbers: &numbers, ..ada() }).unwrap();
        for number in &numbers {
            assert_eq!(index.all(*number).len(), 1);
        }
        assert!(index.remove(Kind::Contact, "17"));
        assert_eq!((index.len(), index.numbers()), (0, 0));
    }

    proptest! {
        /// The index answers as a plain list that is searched from the front.
        #[test]
        fn the_index_agrees_with_a_plain_list(steps in prop::collection::vec(
            (0u8..3, 0u8..60, prop::collection::vec(0u64..40, 0..4), 0i64..5, any::<bool>()), 1..300)) {
            let mut index = CustomerIndex::default();
            let mut list: Vec<(Kind, String, Vec<PhoneNumber>, i64)> = Vec::new();
            for (kind, id, numbers, changed, keeps) in steps {
                let (kind, id) = (Kind::ALL[usize::from(kind)], id.to_string());
                let numbers: Vec<_> = numbers.iter().map(|last| PhoneNumber::from_bits(4_930_000_000 + last).unwrap()).collect();
                let known = list.iter().position(|(of, as_, ..)| *of == kind && *as_ == id);
                if let Some(known) = known {
                    list.remove(known);
                }
                if keeps {
                    let changed_at = Timestamp::from_second(changed).unwrap();
                    index.upsert(&Entry { id: &id, kind, name: "x", numbers: &numbers, responsible: None, changed: changed_at }).unwrap();
                    list.push((kind, id, numbers, changed));
                } else {
                    prop_assert_eq!(index.remove(kind, &id), known.is_some());
                }
                prop_assert_eq!(index.len(), list.len());
            }
            for last in 0..40 {
                let number = PhoneNumber::from_bits(4_930_000_000 + last).unwrap();
                let mut holders: Vec<_> = list.iter().filter(|(_, _, numbers, _)| numbers.contains(&number))
                    .map(|(kind, id, _, changed)| (*kind, -changed, id.clone())).collect();
                holders.sort();
                let found: Vec<_> = index.all(number).iter().map(|found| (found.kind(), -found.changed().as_second(), found.id().to_owned())).collect();
                prop_assert_eq!(&found, &holders);
                prop_assert_eq!(index.find(number).map(|found| found.id().to_owned()), holders.first().map(|first| first.2.clone()));
            }
        }
    }

    fn number(text: &str) -> PhoneNumber {
        text.parse().unwrap()
    }

    fn ada() -> Entry<'static> {
        static NUMBERS: std::sync::OnceLock<[PhoneNumber; 2]> = std::sync::OnceLock::new();
        Entry {
            id: "17",
            kind: Kind::Contact,
            name: "Ada Byron",
            numbers: NUMBERS.get_or_init(|| [number("+491701112233"), number("+4930123456")]),
            responsible: Some("12"),
            changed: Timestamp::UNIX_EPOCH,
        }
    }
}
