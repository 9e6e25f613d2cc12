//! Where to look for a customer: a table of places, found by hash, of any size, that costs one cache miss.
//!
//! Twelve slots with their tags fill one cache line; where a line is full, the next one takes what comes. Sizes are not
//! rounded up to a power of two, which at a million entries saves half.

use std::hash::BuildHasher;

use smallvec::SmallVec;

use super::entry::Kind;
use crate::number::PhoneNumber;

const EMPTY: u8 = 0;
/// Was taken out: the search goes on behind it. Also what stands in the tags that have no slot.
const GONE: u8 = 1;
const SLOTS: usize = 12;

/// Places by hash. Two entries may have the same hash, also the same one twice.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Vec<Line>,
    used: usize,
    gone: usize,
}

/// One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line {
    places: [u32; SLOTS],
    tags: [u8; 16],
}

impl Line {
    const EMPTY: Line = {
        let mut tags = [EMPTY; 16];
        let mut beyond = SLOTS;
        while beyond < tags.len() {
            tags[beyond] = GONE;
            beyond += 1;
        }
        Line { places: [0; SLOTS], tags }
    };

    /// The slots with this tag, a bit of each byte set (Mycroft's test, which may also hit the byte above a hit; the
    /// caller compares again).
    fn hits(&self, tag: u8) -> u128 {
        const ONES: u128 = u128::MAX / 255;
        let differs = u128::from_le_bytes(self.tags) ^ (ONES * u128::from(tag));
        differs.wrapping_sub(ONES) & !differs & (ONES << 7)
    }

    fn has_room(&self) -> bool {
        self.hits(EMPTY) != 0
    }
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
        // A fresh table is three quarters full at most: room to change for a while.
        let lines = if entries == 0 { 0 } else { (entries + entries / 3) / SLOTS + 1 };
        Table { lines: vec![Line::EMPTY; lines], used: 0, gone: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.used
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    /// All places, by slot.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        let slots = self.lines.iter().flat_map(|line| line.tags.iter().zip(&line.places));
        slots.filter(|(tag, _)| **tag > GONE).map(|(_, place)| *place)
    }

    /// The places that may be meant: the same tag, on the way from the hash's line to the first one with room.
    pub(super) fn candidates(&self, hash: u64) -> Candidates<'_> {
        let home = self.home(hash);
        let hits = self.lines.get(home).map_or(0, |line| line.hits(tag(hash)));
        Candidates { table: self, tag: tag(hash), line: home, hits, left: self.lines.len(), slot: 0 }
    }

    /// True where so many more fit in: a tenth stays empty, so every search ends.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        let slots = self.lines.len() * SLOTS;
        self.used + self.gone + more < slots - slots / 10
    }

    /// An empty table that has room for what is in this one, for so many more, and for a while.
    pub(super) fn grown(&self, more: usize) -> Table {
        let entries = self.used + more;
        Table::with_capacity(entries + entries / 4)
    }

    /// Puts one in. There must be room.
    pub(super) fn put(&mut self, hash: u64, place: u32) {
        let mut at = self.home(hash);
        for _ in 0..self.lines.len() {
            let line = &mut self.lines[at];
            if let Some(slot) = line.tags[..SLOTS].iter().position(|tag| *tag <= GONE) {
                self.gone -= usize::from(line.tags[slot] == GONE);
                self.used += 1;
                line.tags[slot] = tag(hash);
                line.places[slot] = place;
                return;
            }
            at = if at + 1 == self.lines.len() { 0 } else { at + 1 };
        }
    }

    /// Takes a place out, wherever it stands on the way from this hash: of two hashes of one place that share a tag, nobody
    /// can tell which slot is whose, so both go, and whoever takes the other one out finds that done.
    pub(super) fn take(&mut self, hash: u64, place: u32) {
        let mut slots: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        let mut candidates = self.candidates(hash);
        while let Some(found) = candidates.next() {
            if found == place {
                slots.push((candidates.line, candidates.slot));
            }
        }
        for (line, slot) in slots {
            self.lines[line].tags[slot] = GONE;
            self.used -= 1;
            self.gone += 1;
        }
    }

    /// True when growth is near.
    pub(super) fn is_nearly_full(&self) -> bool {
        let slots = self.lines.len() * SLOTS;
        slots >= 4096 && !self.has_room_for(slots / 32)
    }

    /// The line in which a search begins.
    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.lines.len() as u128) >> 64) as usize
    }
}

/// A search on its way.
pub(super) struct Candidates<'a> {
    table: &'a Table,
    tag: u8,
    line: usize,
    /// What is still to be looked at in this line.
    hits: u128,
    /// How many lines are still to be looked at, with this one.
    left: usize,
    /// The slot that was given last.
    slot: usize,
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.left > 0 {
            let line = self.table.lines.get(self.line)?;
            while self.hits != 0 {
                self.slot = self.hits.trailing_zeros() as usize / 8;
                self.hits &= self.hits - 1;
                if line.tags[self.slot] == self.tag {
                    return Some(line.places[self.slot]);
                }
            }
            if line.has_room() {
                break;
            }
            self.left -= 1;
            self.line = if self.line + 1 == self.table.lines.len() { 0 } else { self.line + 1 };
            self.hits = self.table.lines.get(self.line)?.hits(self.tag);
        }
        self.left = 0;
        None
    }
}

/// 254 tags beside the two that mean no entry. The line comes from the high bits, so the low ones are still fresh.
pub(super) fn tag(hash: u64) -> u8 {
    2 + (hash as u8 % 254)
}
