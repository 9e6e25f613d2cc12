//! A table that never grows beyond a bound: where it is full, a newcomer takes the place of whoever matters least among a
//! few. So a flood from a million forged addresses costs a fixed amount of memory, and the same few steps each.

use std::hash::Hash;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::clock::Instant;

/// Of how many rows the least one gives way.
const LOOKED_AT: usize = 8;

/// A row that may have to give way.
pub(super) trait Row {
    /// How much is lost with it: failures weigh more than time; and when it was used last.
    fn weight(&self) -> (bool, Instant);
}

/// At most so many rows.
#[derive(Debug)]
pub(super) struct Rows<K, R> {
    rows: Vec<(K, R)>,
    at: HashMap<K, u32, RandomState>,
    most: usize,
    /// Where the next place is looked for.
    hand: usize,
    /// Rows that had to give way.
    pub(super) replaced: u64,
}

impl<K: Copy + Eq + Hash, R: Row> Rows<K, R> {
    pub(super) fn new(most: usize) -> Rows<K, R> {
        Rows { rows: Vec::new(), at: HashMap::default(), most, hand: 0, replaced: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut R> {
        if self.rows.is_empty() {
            return None;
        }
        let place = *self.at.get(key)?;
        self.rows.get_mut(place as usize).map(|(_, row)| row)
    }

    /// The row of this key; a fresh one where there is none.
    pub(super) fn enter(&mut self, key: K, fresh: impl FnOnce() -> R) -> &mut R {
        let place = match self.at.get(&key) {
            Some(place) => *place as usize,
            None => self.place(key, fresh()),
        };
        &mut self.rows[place].1
    }

    pub(super) fn remove(&mut self, key: &K) {
        let Some(place) = self.at.remove(key) else { return };
        self.rows.swap_remove(place as usize);
        if let Some((moved, _)) = self.rows.get(place as usize) {
            self.at.insert(*moved, place);
        }
    }

    fn place(&mut self, key: K, row: R) -> usize {
        if self.rows.len() < self.most {
            self.rows.push((key, row));
            self.at.insert(key, (self.rows.len() - 1) as u32);
            return self.rows.len() - 1;
        }
        let looked_at = (0..LOOKED_AT.min(self.most)).map(|ahead| (self.hand + ahead) % self.most);
        let least = looked_at.min_by_key(|place| self.rows[*place].1.weight()).unwrap_or(0);
        self.hand = (self.hand + LOOKED_AT) % self.most;
        self.replaced += 1;
        self.at.remove(&self.rows[least].0);
        self.rows[least] = (key, row);
        self.at.insert(key, least as u32);
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Visit(bool, u64);

    impl Row for Visit {
        fn weight(&self) -> (bool, Instant) {
            (self.0, Instant::from_micros(self.1))
        }
    }

    #[test]
    fn a_full_table_keeps_its_size_and_those_who_failed() {
        let mut rows = Rows::new(64);
        for number in 0..8u32 {
            rows.enter(number, || Visit(true, 0));
        }
        for number in 8..10_000u32 {
            rows.enter(number, || Visit(false, number.into()));
            assert!(rows.len() <= 64);
        }
        // Eight at once are looked at: where all of them failed, one of them goes.
        let kept = (0..8).filter(|number| rows.get_mut(number).is_some()).count();
        assert!(kept >= 7, "{kept}");
        assert_eq!(rows.replaced, 9_936);
        assert_eq!(rows.get_mut(&9_999), Some(&mut Visit(false, 9_999)));
        rows.remove(&9_999);
        assert_eq!((rows.len(), rows.get_mut(&9_999)), (63, None));
        let all = (0..10_000u32).filter(|number| rows.get_mut(number).is_some()).count();
        assert_eq!(all, 63);
    }
}
