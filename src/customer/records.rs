//! Customers as bytes: one record after the other, in chunks that are never copied.
//!
//! ```text
//! numbers 1 + 7 each · kind and flags 1 · changed 4 · responsible 0 or 2 · id 1+n · name 1+n
//! ```
//! The numbers come first: whether it is this customer is seen in the first cache line.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::entry::{Customer, Entry, Kind};
use super::table;
use crate::clock::Timestamp;
use crate::number::PhoneNumber;

/// A chunk; a place is a chunk's number and an offset within it, in one `u32`: four gigabytes in all.
const CHUNK_BITS: u32 = 22;
const CHUNK: usize = 1 << CHUNK_BITS;
const MAX_CHUNKS: usize = 1 << (32 - CHUNK_BITS);
/// 15 digits fit 50 bits.
const NUMBER_BYTES: usize = 7;
const HAS_RESPONSIBLE: u8 = 0x80;

/// Why an entry cannot be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TooLarge {
    /// Its id has more than 255 bytes.
    Id,
    /// It has more than 255 numbers.
    Numbers,
    /// More than 65,536 different extensions are named as responsible.
    Responsibles,
    /// The index holds four gigabytes.
    Index,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TooLarge::Id => "the id has more than 255 bytes",
            TooLarge::Numbers => "a customer can have 255 numbers",
            TooLarge::Responsibles => "more than 65536 different responsibles",
            TooLarge::Index => "the customer index is full",
        })
    }
}

impl std::error::Error for TooLarge {}

/// All records.
#[derive(Debug, Default)]
pub(super) struct Records {
    chunks: Vec<Vec<u8>>,
    wasted: usize,
    /// Names of extensions, each kept once.
    responsibles: Vec<Arc<str>>,
    by_name: BTreeMap<Arc<str>, u16>,
}

impl Records {
    /// Writes a record and says where.
    pub(super) fn push(&mut self, entry: &Entry<'_>) -> Result<u32, TooLarge> {
        let id_len = u8::try_from(entry.id.len()).map_err(|_| TooLarge::Id)?;
        let mut numbers = Vec::with_capacity(entry.numbers.len());
        for number in entry.numbers {
            if !numbers.contains(number) {
                numbers.push(*number);
            }
        }
        let count = u8::try_from(numbers.len()).map_err(|_| TooLarge::Numbers)?;
        let responsible = entry.responsible.map(|name| self.responsible(name)).transpose()?;
        let name = cut(entry.name, 255);
        let size =
            8 + 2 * usize::from(responsible.is_some()) + entry.id.len() + name.len() + NUMBER_BYTES * numbers.len();
        let (at, chunk) = self.room(size)?;
        chunk.push(count);
        for number in numbers {
            chunk.extend_from_slice(&number.to_bits().to_le_bytes()[..NUMBER_BYTES]);
        }
        chunk.push(entry.kind as u8 | if responsible.is_some() { HAS_RESPONSIBLE } else { 0 });
        let changed = u32::try_from(entry.changed.as_second().max(0)).unwrap_or(u32::MAX);
        chunk.extend_from_slice(&changed.to_le_bytes());
        chunk.extend(responsible.iter().flat_map(|responsible| responsible.to_le_bytes()));
        chunk.push(id_len);
        chunk.extend_from_slice(entry.id.as_bytes());
        chunk.push(name.len() as u8);
        chunk.extend_from_slice(name.as_bytes());
        Ok(at)
    }

    fn responsible(&mut self, name: &str) -> Result<u16, TooLarge> {
        if let Some(known) = self.by_name.get(name) {
            return Ok(*known);
        }
        let ix = u16::try_from(self.responsibles.len()).map_err(|_| TooLarge::Responsibles)?;
        let name = Arc::<str>::from(name);
        self.responsibles.push(name.clone());
        self.by_name.insert(name, ix);
        Ok(ix)
    }

    /// A chunk with room for `size` bytes, and the place of its next byte.
    fn room(&mut self, size: usize) -> Result<(u32, &mut Vec<u8>), TooLarge> {
        if self.chunks.last().is_none_or(|chunk| chunk.len() + size > CHUNK) {
            if self.chunks.len() == MAX_CHUNKS {
                return Err(TooLarge::Index);
            }
            // The first one grows as it must: a small office has a small index.
            let first = self.chunks.is_empty();
            self.chunks.push(Vec::with_capacity(if first { 0 } else { CHUNK }));
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        Ok(((number << CHUNK_BITS | chunk.len()) as u32, chunk))
    }

    /// The record at a place that [`Records::push`] gave.
    pub(super) fn at(&self, place: u32) -> Found<'_> {
        let chunk = self.chunks.get((place >> CHUNK_BITS) as usize).map_or(&[][..], Vec::as_slice);
        let bytes = chunk.get(place as usize & (CHUNK - 1)..).unwrap_or_default();
        Found { records: self, place, bytes }
    }

    /// The record is not used any more.
    pub(super) fn waste(&mut self, place: u32) {
        self.wasted += self.at(place).size();
    }

    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    pub(super) fn is_worn(&self) -> bool {
        self.wasted > CHUNK && self.wasted > self.bytes() / 4
    }
}

/// A customer as the index holds it.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    records: &'a Records,
    place: u32,
    /// From the record's first byte to the end of its chunk.
    bytes: &'a [u8],
}

impl<'a> Found<'a> {
    /// What the CRM calls it; unique within its kind.
    pub fn id(&self) -> &'a str {
        self.text_at(self.id_at())
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.byte(self.head()) & !HAS_RESPONSIBLE {
            0 => Kind::Contact,
            1 => Kind::Company,
            _ => Kind::Lead,
        }
    }

    /// As people read it; empty where nobody knows.
    pub fn name(&self) -> &'a str {
        self.text_at(self.name_at())
    }

    /// The number of the extension responsible.
    pub fn responsible(&self) -> Option<&'a Arc<str>> {
        let head = self.head();
        if self.byte(head) & HAS_RESPONSIBLE == 0 {
            return None;
        }
        self.records.responsibles.get(usize::from(u16::from_le_bytes([self.byte(head + 5), self.byte(head + 6)])))
    }

    /// When the CRM changed it last, to the second.
    pub fn changed(&self) -> Timestamp {
        Timestamp::from_second(i64::from(self.changed_second())).unwrap_or_default()
    }

    /// All numbers, each once.
    pub fn numbers(&self) -> impl Iterator<Item = PhoneNumber> + use<'a> {
        let bytes = self.bytes.get(1..self.head()).unwrap_or_default();
        bytes.chunks_exact(NUMBER_BYTES).filter_map(|bytes| {
            let mut bits = [0; 8];
            bits[..NUMBER_BYTES].copy_from_slice(bytes);
            PhoneNumber::from_bits(u64::from_le_bytes(bits))
        })
    }

    /// One call's own copy.
    pub fn to_customer(&self) -> Customer {
        Customer {
            id: self.id().into(),
            kind: self.kind(),
            name: self.name().into(),
            responsible: self.responsible().cloned(),
        }
    }

    pub(super) fn has(&self, number: PhoneNumber) -> bool {
        self.numbers().any(|own| own == number)
    }

    pub(super) fn place(&self) -> u32 {
        self.place
    }

    pub(super) fn id_hash(&self) -> u64 {
        table::hash_id(self.kind(), self.id())
    }

    /// Contact, company, lead; then changed last; then the smaller id.
    pub(super) fn by_priority(&self, other: &Found<'_>) -> Ordering {
        let key = |found: &Found<'_>| (found.kind(), std::cmp::Reverse(found.changed_second()));
        key(self).cmp(&key(other)).then_with(|| self.id().cmp(other.id()))
    }

    pub(super) fn first_of(self, other: Found<'a>) -> Found<'a> {
        if other.by_priority(&self).is_lt() { other } else { self }
    }

    fn size(&self) -> usize {
        let at = self.name_at();
        at + 1 + usize::from(self.byte(at))
    }

    fn changed_second(&self) -> u32 {
        let head = self.head();
        u32::from_le_bytes([1, 2, 3, 4].map(|offset| self.byte(head + offset)))
    }

    fn id_at(&self) -> usize {
        let head = self.head();
        head + if self.byte(head) & HAS_RESPONSIBLE == 0 { 5 } else { 7 }
    }

    fn name_at(&self) -> usize {
        let at = self.id_at();
        at + 1 + usize::from(self.byte(at))
    }

    /// Where what follows the numbers begins.
    fn head(&self) -> usize {
        1 + usize::from(self.byte(0)) * NUMBER_BYTES
    }

    fn text_at(&self, at: usize) -> &'a str {
        let length = usize::from(self.byte(at));
        self.bytes.get(at + 1..at + 1 + length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }
}

/// The longest beginning of at most `bytes` bytes that is whole letters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.kind().word(), self.id(), self.name())
    }
}
