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
#[derive(Debug)]
pub struct Arena<T, M = T> {
    rows: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    /// The generation of a place that is made: later than that of every place that was given back.
    youngest: u32,
    /// Rows taken out since places were last given back.
    removed: usize,
    mark: std::marker::PhantomData<fn() -> M>,
}

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
        Arena { rows: Vec::new(), free: Vec::new(), youngest: 0, removed: 0, mark: std::marker::PhantomData }
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
        let slot = self.free.pop().unwrap_or_else(|| {
            self.rows.push((self.youngest, None));
            (self.rows.len() - 1) as u32
        });
        Key { slot, generation: self.rows[slot as usize].0, row: std::marker::PhantomData }
    }

    /// Puts the row in for which the key was reserved.
    pub fn fill(&mut self, key: Key<M>, row: T) {
        if let Some(place) = self.rows.get_mut(key.slot as usize).filter(|place| place.0 == key.generation) {
            place.1 = Some(row);
        }
    }

    /// The row, unless it is gone.
    pub fn get(&self, key: Key<M>) -> Option<&T> {
        let (generation, row) = self.rows.get(key.slot as usize)?;
        row.as_ref().filter(|_| *generation == key.generation)
    }

    /// The row to change, unless it is gone.
    pub fn get_mut(&mut self, key: Key<M>) -> Option<&mut T> {
        let (generation, row) = self.rows.get_mut(key.slot as usize)?;
        row.as_mut().filter(|_| *generation == key.generation)
    }

    /// Takes the row out; its key finds nothing from now on.
    pub fn remove(&mut self, key: Key<M>) -> Option<T> {
        let (generation, row) = self.rows.get_mut(key.slot as usize)?;
        if *generation != key.generation {
            return None;
        }
        *generation = generation.wrapping_add(1);
        self.free.push(key.slot);
        let row = row.take();
        self.removed += 1;
        let unused = self.free.len();
        if unused > KEPT && unused > self.rows.len() / 8 * 7 && self.removed > self.rows.len() / 2 {
            self.give_back();
        }
        row
    }

    /// Gives the places behind the last row back, once so many have become free that it costs each of them next to nothing.
    #[cold]
    fn give_back(&mut self) {
        let mut unused = vec![false; self.rows.len()];
        self.free.iter().for_each(|slot| unused[*slot as usize] = true);
        // Not the last row: a place may be reserved and not filled yet.
        let used = unused.iter().rposition(|unused| !unused).map_or(0, |last| last + 1);
        let last = self.rows.drain(used..).map(|(generation, _)| generation).max();
        self.youngest = self.youngest.max(last.unwrap_or(0));
        self.rows.shrink_to(used.max(KEPT));
        self.free.retain(|slot| (*slot as usize) < used);
        self.free.shrink_to(used.max(KEPT));
        self.removed = 0;
    }

    /// All rows, by place.
    pub fn iter(&self) -> impl Iterator<Item = (Key<M>, &T)> {
        self.rows.iter().enumerate().filter_map(|(slot, (generation, row))| {
            let key = Key { slot: slot as u32, generation: *generation, row: std::marker::PhantomData };
            row.as_ref().map(|row| (key, row))
        })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        assert!(arena.rows.capacity() < 2_000, "room for {} rows is kept", arena.rows.capacity());
        let third: Vec<_> = (0..10_000).map(|n| arena.insert(n)).collect();
        assert!(keys.iter().chain(&again).all(|key| arena.get(*key).is_none()), "an old key finds a new row");
        assert!(third.iter().zip(0..).all(|(key, n)| arena.get(*key) == Some(&n)));
        assert_eq!(arena.len(), 10_001);
    }

    #[test]
    fn a_call_id_reads_back_and_sorts_by_time() {
        let id = CallId::new("2026-11-23T09:00:00Z".parse().unwrap(), u64::MAX);
        assert_eq!(id.to_string().parse::<CallId>(), Ok(id));
        assert!(CallId::new("2026-11-23T09:00:00.001Z".parse().unwrap(), 0) > id);
        assert!("x".parse::<CallId>().is_err());
    }
}
