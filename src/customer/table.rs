//! Where to look for a customer: a table of places, found by hash, that takes five bytes per slot and any size.
//!
//! Linear probing over one tag byte per slot; the places lie apart, so that a probe reads one cache line of tags and then
//! the one place that it found. Sizes are not rounded up to a power of two, which at a million entries saves half.

use std::hash::BuildHasher;

use super::entry::Kind;
use crate::number::PhoneNumber;

const EMPTY: u8 = 0;
/// Was taken out: probing goes on behind it.
const GONE: u8 = 1;

/// Places by hash. Two entries may have the same hash, also the same one twice.
#[derive(Debug, Default)]
pub(super) struct Table {
    tags: Vec<u8>,
    places: Vec<u32>,
    used: usize,
    gone: usize,
}

pub(super) fn hash_number(number: PhoneNumber) -> u64 {
    // Fixed: the same index in the same process run twice answers in the same order. Numbers come from the company's own
    // CRM, so nobody chooses them to collide.
    foldhash::fast::FixedState::with_seed(0x4e75_6d62_6572).hash_one(number.to_bits())
}

pub(super) fn hash_id(kind: Kind, id: &str) -> u64 {
    foldhash::fast::FixedState::with_seed(kind as u64).hash_one(id)
}

impl Table {
    pub(super) fn with_capacity(entries: usize) -> Table {
        let slots = slots_for(entries);
        Table { tags: vec![EMPTY; slots], places: vec![0; slots], used: 0, gone: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.used
    }

    pub(super) fn bytes(&self) -> usize {
        self.tags.capacity() + 4 * self.places.capacity()
    }

    /// All places, by slot.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        self.tags.iter().zip(&self.places).filter(|(tag, _)| **tag > GONE).map(|(_, place)| *place)
    }

    /// The places that may be meant: the same tag, on the way from the hash's slot to the first empty one.
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let wanted = tag(hash);
        self.way(hash)
            .take_while(|slot| self.tags[*slot] != EMPTY)
            .filter(move |slot| self.tags[*slot] == wanted)
            .map(|slot| self.places[slot])
    }

    /// True where so many more fit in.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        has_room(self.used + self.gone + more, self.tags.len())
    }

    /// An empty table that has room for what is in this one, for so many more, and for a while.
    pub(super) fn grown(&self, more: usize) -> Table {
        let entries = self.used + more;
        Table::with_capacity(entries + entries / 4)
    }

    /// Puts one in. There must be room.
    pub(super) fn put(&mut self, hash: u64, place: u32) {
        let free = self.way(hash).find(|slot| self.tags[*slot] <= GONE);
        if let Some(slot) = free {
            self.gone -= usize::from(self.tags[slot] == GONE);
            self.tags[slot] = tag(hash);
            self.places[slot] = place;
            self.used += 1;
        }
    }

    /// Takes one out.
    pub(super) fn take(&mut self, hash: u64, place: u32) {
        let wanted = tag(hash);
        let mut way = self.way(hash).take_while(|slot| self.tags[*slot] != EMPTY);
        if let Some(slot) = way.find(|slot| self.tags[*slot] == wanted && self.places[*slot] == place) {
            self.tags[slot] = GONE;
            self.used -= 1;
            self.gone += 1;
        }
    }

    /// True when growth is near.
    pub(super) fn is_nearly_full(&self) -> bool {
        let slots = self.tags.len();
        slots >= 4096 && !self.has_room_for(slots / 32)
    }

    /// Every slot, beginning with the hash's own.
    fn way(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let slots = self.tags.len();
        let home = ((u128::from(hash) * slots as u128) >> 64) as usize;
        (home..slots).chain(0..home)
    }
}

/// At most nine tenths are ever in use, so every way ends at an empty slot.
fn has_room(entries: usize, slots: usize) -> bool {
    entries < slots - slots / 10
}

fn slots_for(entries: usize) -> usize {
    // A fresh table is three quarters full at most: room to change for a while.
    if entries == 0 { 0 } else { entries + entries / 3 + 4 }
}

/// 254 tags beside the two that mean no entry. The slot comes from the high bits, so the low ones are still fresh.
fn tag(hash: u64) -> u8 {
    2 + (hash as u8 % 254)
}
