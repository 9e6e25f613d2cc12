//! Names for things that live in tables: a key of one table cannot be used in another, and a key whose thing is gone
//! finds nothing, because it carries a generation.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A place in an [`Arena`], with the generation that tells a late key from a fresh one. `T` is the table's row type.
pub struct Key<T> {
    slot: u32,
    generation: u32,
    row: std::marker::PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// The two numbers in one, for tables and logs.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// Back from [`Key::to_bits`]; a made-up number names nothing.
    pub fn from_bits(bits: u64) -> Key<T> {
        Key { slot: bits as u32, generation: (bits >> 32) as u32, row: std::marker::PhantomData }
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
impl<T> Eq for Key<T> {}
impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_bits().cmp(&other.to_bits())
    }
}
impl<T> std::hash::Hash for Key<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}
impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// Marks the keys of calls, so that those who only pass a key on need not know what a call is.
#[derive(Debug)]
pub enum OfCall {}

/// Names a call within its switch.
pub type CallKey = Key<OfCall>;

/// Marks the keys of legs.
#[derive(Debug)]
pub enum OfLeg {}

/// Names a leg within its switch.
pub type LegKey = Key<OfLeg>;

/// Marks the keys of tapes.
#[derive(Debug)]
pub enum OfTape {}

/// Names a tape within its switch.
pub type TapeKey = Key<OfTape>;

/// A table whose rows are found by [`Key`]s. Freed places are used again under a new generation. Keys bear the row's type,
/// or a mark of their own.
///
/// Rows stand in pieces of 64. So the table grows without moving what is in it, holds no more room than it needs, and gives a
/// piece back as soon as nothing stands in it, wherever that is: what a burst needed is not kept for ever.
#[derive(Debug)]
pub struct Arena<T, M = T> {
    pieces: Vec<Piece<T>>,
    /// Pieces with a free place; the last is used first. A piece may be on the list and have none any more.
    roomy: Vec<u32>,
    /// Pieces whose room was given back.
    bare: Vec<u32>,
    len: usize,
    /// Places for which there is room, in use or not.
    room: usize,
    mark: std::marker::PhantomData<fn() -> M>,
}

/// A part of an [`Arena`].
#[derive(Debug)]
struct Piece<T> {
    /// Nothing where the room was given back.
    places: Vec<Place<T>>,
    /// The first free place; each knows the next one.
    free: u32,
    used: u32,
    /// It is on the list of those with a free place.
    is_listed: bool,
    /// The generation of places that are made: later than that of every place that was given back.
    youngest: u32,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    /// While it is free: the next free one of its piece.
    next: u32,
    row: Option<T>,
}

/// How many rows a piece has: it is worth a trip to the allocator, and a few calls that stay keep little else.
const PIECE: u32 = 64;

/// There is no free place.
const NONE: u32 = PIECE;

/// Places that an [`Arena`] keeps, and a table that [`tighten`] looks after, however few are in use.
const KEPT: usize = 256;

/// Gives room back that a table by name needed at a peak, once it is nearly empty. To be called after rows were taken out.
pub fn tighten<K: Eq + std::hash::Hash, V, S: std::hash::BuildHasher>(table: &mut hashbrown::HashMap<K, V, S>) {
    if table.capacity() > 4 * KEPT && table.len() < table.capacity() / 8 {
        table.shrink_to((2 * table.len()).max(KEPT));
    }
}

impl<T, M> Default for Arena<T, M> {
    fn default() -> Self {
        let (pieces, roomy, bare) = (Vec::new(), Vec::new(), Vec::new());
        Arena { pieces, roomy, bare, len: 0, room: 0, mark: std::marker::PhantomData }
    }
}

impl<T, M> Arena<T, M> {
    /// Puts a row in and names it.
    pub fn insert(&mut self, row: T) -> Key<M> {
        self.insert_with(|_| row)
    }

    /// Puts a row in that wants to know its own key.
    pub fn insert_with(&mut self, make: impl FnOnce(Key<M>) -> T) -> Key<M> {
        let key = self.reserve();
        self.fill(key, make(key));
        key
    }

    /// Names a row that does not exist yet, for one that must tell its name while it is being made: [`Arena::fill`] it,
    /// or [`Arena::remove`] the key.
    pub fn reserve(&mut self) -> Key<M> {
        let at = self.roomy_piece();
        self.len += 1;
        let (place, generation) = self.pieces[at as usize].take();
        Key { slot: at * PIECE + place, generation, row: std::marker::PhantomData }
    }

    /// Puts the row in for which the key was reserved.
    pub fn fill(&mut self, key: Key<M>, row: T) {
        if let Some(place) = self.place_mut(key) {
            place.row = Some(row);
        }
    }

    /// The row, unless it is gone.
    pub fn get(&self, key: Key<M>) -> Option<&T> {
        let place = self.pieces.get((key.slot / PIECE) as usize)?.places.get((key.slot % PIECE) as usize)?;
        place.row.as_ref().filter(|_| place.generation == key.generation)
    }

    /// The row to change, unless it is gone.
    pub fn get_mut(&mut self, key: Key<M>) -> Option<&mut T> {
        self.place_mut(key)?.row.as_mut()
    }

    /// Takes the row out; its key finds nothing from now on.
    pub fn remove(&mut self, key: Key<M>) -> Option<T> {
        let place = self.place_mut(key)?;
        place.generation = place.generation.wrapping_add(1);
        let row = place.row.take();
        self.len -= 1;
        let at = key.slot / PIECE;
        let piece = &mut self.pieces[at as usize];
        piece.put_back(key.slot % PIECE);
        if !piece.is_listed {
            piece.is_listed = true;
            self.roomy.push(at);
        }
        if piece.used == 0 && self.room - self.len >= KEPT + PIECE as usize {
            self.room -= PIECE as usize;
            piece.give_back();
            self.bare.push(at);
        }
        row
    }

    fn place_mut(&mut self, key: Key<M>) -> Option<&mut Place<T>> {
        let place = self.pieces.get_mut((key.slot / PIECE) as usize)?.places.get_mut((key.slot % PIECE) as usize)?;
        (place.generation == key.generation).then_some(place)
    }

    /// A piece with a free place.
    fn roomy_piece(&mut self) -> u32 {
        while let Some(at) = self.roomy.last().copied() {
            let piece = &mut self.pieces[at as usize];
            if piece.free != NONE {
                return at;
            }
            piece.is_listed = false;
            self.roomy.pop();
        }
        let at = self.bare.pop().unwrap_or_else(|| {
            self.pieces.push(Piece { places: Vec::new(), free: NONE, used: 0, is_listed: false, youngest: 0 });
            (self.pieces.len() - 1) as u32
        });
        self.pieces[at as usize].make_room();
        self.room += PIECE as usize;
        self.roomy.push(at);
        at
    }

    /// All rows, by place.
    pub fn iter(&self) -> impl Iterator<Item = (Key<M>, &T)> {
        let places = self.pieces.iter().zip(0..).flat_map(|(piece, at)| piece.places.iter().zip(at * PIECE..));
        places.filter_map(|(place, slot)| {
            let key = Key { slot, generation: place.generation, row: std::marker::PhantomData };
            place.row.as_ref().map(|row| (key, row))
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T> Piece<T> {
    /// Takes the first free place, which there must be: its number and its generation.
    fn take(&mut self) -> (u32, u32) {
        let number = self.free;
        let place = &mut self.places[number as usize];
        self.free = place.next;
        self.used += 1;
        (number, place.generation)
    }

    fn put_back(&mut self, number: u32) {
        self.places[number as usize].next = self.free;
        self.free = number;
        self.used -= 1;
    }

    fn make_room(&mut self) {
        let generation = self.youngest;
        self.places = (1..=PIECE).map(|next| Place { generation, next, row: None }).collect();
        self.free = 0;
        self.is_listed = true;
    }

    /// No place is in use. Keys of old never find what will stand here later.
    #[cold]
    fn give_back(&mut self) {
        let places = std::mem::take(&mut self.places);
        self.youngest = places.iter().map(|place| place.generation).max().unwrap_or(self.youngest);
        self.free = NONE;
    }
}

/// The name of a call towards people and programs: one from start to end, also across transfers. It sorts by time and
/// prints as 13 characters of Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CallId(u64);

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl CallId {
    /// How many bits of an id are chance.
    pub const CHANCE_BITS: u32 = 22;

    /// An id for a call that begins at `wall`; `chance` keeps ids of one millisecond apart.
    pub fn new(wall: Timestamp, chance: u64) -> CallId {
        let millis = u64::try_from(wall.as_millisecond()).unwrap_or(0);
        CallId(millis << CallId::CHANCE_BITS | (chance & CallId::CHANCE))
    }

    const CHANCE: u64 = (1 << CallId::CHANCE_BITS) - 1;

    /// The chance in it, below 2 to the power of [`CallId::CHANCE_BITS`].
    pub fn chance(self) -> u32 {
        (self.0 & CallId::CHANCE) as u32
    }

    /// When the call began, to the millisecond.
    pub fn began(self) -> Timestamp {
        let millis = i64::try_from(self.0 >> CallId::CHANCE_BITS).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }

    /// As the number that tables use. Fits a signed 64-bit column until the year 2039.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Back from [`CallId::to_bits`].
    pub fn from_bits(bits: u64) -> CallId {
        CallId(bits)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: [u8; 13] = std::array::from_fn(|i| CROCKFORD[(self.0 >> (60 - 5 * i) & 31) as usize]);
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<CallId> for String {
    fn from(id: CallId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for CallId {
    type Error = String;
    fn try_from(text: String) -> Result<CallId, String> {
        text.parse()
    }
}

impl FromStr for CallId {
    type Err = String;
    fn from_str(text: &str) -> Result<CallId, String> {
        let digit = |byte: u8| CROCKFORD.iter().position(|digit| *digit == byte.to_ascii_lowercase());
        let bits = (text.len() == 13)
            .then(|| text.bytes().try_fold(0u64, |bits, byte| Some(bits.wrapping_shl(5) | digit(byte)? as u64)));
        match bits.flatten() {
            Some(bits) => Ok(CallId(bits)),
            None => Err(format!("{text:?} is no call id: expected 13 letters and digits as `calls` prints them")),
        }
    }
}

/// How bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

impl Transport {
    /// True where the transport itself delivers (RFC 3261 calls it reliable): no retransmissions over it.
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// As a `transport=` parameter writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }

    /// As a Via writes it.
    pub fn via(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
}

/// One way to a peer (RFC 5626's word): a pair of addresses and, for streams, which connection. Replies to a request
/// leave on the flow on which it came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    /// How bytes travel.
    pub transport: Transport,
    /// Our side: one of the listening addresses.
    pub local: SocketAddr,
    /// The peer's side.
    pub remote: SocketAddr,
    /// Which connection, counted by the edge from 1; 0 for UDP, and for a stream that is yet to be opened.
    pub connection: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_key_finds_nothing() {
        let mut arena = Arena::<&str>::default();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn an_arena_gives_back_what_a_peak_needed_and_old_keys_find_nothing() {
        let mut arena = Arena::<u32>::default();
        let early = arena.insert(7);
        let keys: Vec<_> = (0..10_000).map(|n| arena.insert(n)).collect();
        let reserved = arena.reserve();
        for key in &keys {
            arena.remove(*key);
        }
        assert_eq!((arena.len(), arena.get(early)), (2, Some(&7)));
        arena.fill(reserved, 8);
        assert_eq!(arena.remove(reserved), Some(8), "a place that was reserved stays where it is");
        let again: Vec<_> = (0..10_000).map(|n| arena.insert(n)).collect();
        for key in &again {
            arena.remove(*key);
        }
        assert!(arena.room < 1_000, "room for {} rows is kept", arena.room);
        let third: Vec<_> = (0..10_000).map(|n| arena.insert(n)).collect();
        assert!(keys.iter().chain(&again).all(|key| arena.get(*key).is_none()), "an old key finds a new row");
        assert!(third.iter().zip(0..).all(|(key, n)| arena.get(*key) == Some(&n)));
        assert_eq!(arena.len(), 10_001);
        assert!(arena.room < 10_200, "room for {} rows is kept for 10,001", arena.room);
    }

    #[test]
    fn whoever_stays_keeps_next_to_nothing_of_the_room_that_those_had_who_came_with_them() {
        let mut arena = Arena::<u32>::default();
        let keys: Vec<_> = (0..64_000).map(|n| arena.insert(n)).collect();
        // The first to come are the first to go, and the last one stays.
        let (last, gone) = keys.split_last().unwrap();
        for key in gone {
            arena.remove(*key);
        }
        assert_eq!((arena.len(), arena.get(*last)), (1, Some(&63_999)));
        assert!(arena.room <= KEPT + 2 * PIECE as usize, "room for {} rows is kept for one", arena.room);
        let again: Vec<_> = (0..64_000).map(|n| arena.insert(n)).collect();
        assert!(again.iter().zip(0..).all(|(key, n)| arena.get(*key) == Some(&n)));
        assert!(gone.iter().all(|key| arena.get(*key).is_none()), "an old key finds a new row");
        assert_eq!(arena.iter().count(), 64_001);
        assert!(arena.pieces.len() <= 1_001, "{} pieces for 64,001 rows", arena.pieces.len());
    }

    #[test]
    fn a_call_id_reads_back_and_sorts_by_time() {
        let id = CallId::new("2026-11-23T09:00:00Z".parse().unwrap(), u64::MAX);
        assert_eq!(id.to_string().parse::<CallId>(), Ok(id));
        assert!(CallId::new("2026-11-23T09:00:00.001Z".parse().unwrap(), 0) > id);
        assert!("x".parse::<CallId>().is_err());
    }
}
