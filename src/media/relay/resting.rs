//! Pairs of ports whose call is over, left bound for a call to come: to open and close four sockets would be a fifth of what a
//! relayed call costs.
//!
//! Whoever lends ports sees to it that a pair has rested before it is lent again ([`crate::anchor::Ports`]); what of the last
//! call still comes later than that, its [`Latch`](crate::media::latch::Latch) knows.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use nix::sys::resource::{Resource, getrlimit};

use crate::clock::{Duration, Instant};

/// How many pairs rest at most: what 750 calls a second with six voices each close in the time that a port rests.
const MOST: usize = 1024;

/// The part of the process's descriptors that may rest.
const SHARE: u64 = 8;

/// How many stay however quiet it is.
const SPARE: usize = 128;

/// How long the others stay.
const PATIENCE: Duration = Duration::from_secs(60);

/// After this they go too, once the thread is awake: the ports of the config, or the addresses of the machine, may have become
/// others.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Both sides look into it: whoever orders takes a pair out, and the relay's thread puts it in. A pair belongs to who took it
/// out.
pub(super) struct Resting {
    pairs: Mutex<HashMap<SocketAddr, Rested>>,
    most: usize,
}

struct Rested {
    /// Its place among the endpoints.
    place: usize,
    since: Instant,
}

impl Resting {
    /// None rests; later as many as the limit of open files allows.
    pub(super) fn new() -> Resting {
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        let share = usize::try_from(descriptors / SHARE / 2).unwrap_or(MOST);
        Resting { pairs: Mutex::default(), most: share.min(MOST) }
    }

    /// Keeps a pair; false where enough of them rest.
    pub(super) fn keep(&self, local: SocketAddr, place: usize, now: Instant) -> bool {
        let mut pairs = self.lock();
        let is_room = pairs.len() < self.most;
        if is_room {
            pairs.insert(local, Rested { place, since: now });
        }
        is_room
    }

    /// Takes the pair of this address out: its place.
    pub(super) fn take(&self, local: SocketAddr) -> Option<usize> {
        self.lock().remove(&local).map(|rested| rested.place)
    }

    /// Takes out what nobody has asked for in a long time.
    pub(super) fn weed(&self, now: Instant) -> Vec<usize> {
        let mut pairs = self.lock();
        let mut surplus = pairs.len().saturating_sub(SPARE);
        let mut goes = |rested: &mut Rested| {
            let span = now.since(rested.since);
            let goes = span >= FORGOTTEN || surplus > 0 && span >= PATIENCE;
            surplus = surplus.saturating_sub(usize::from(goes));
            goes
        };
        let weeds: Vec<usize> = pairs.extract_if(|_, rested| goes(rested)).map(|(_, rested)| rested.place).collect();
        if !weeds.is_empty() {
            pairs.shrink_to_fit();
        }
        weeds
    }

    /// True where some will have to go.
    pub(super) fn is_plenty(&self) -> bool {
        self.lock().len() > SPARE
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Rested>> {
        // Each change is one step: a panic leaves nothing half done.
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(place: usize) -> SocketAddr {
        ([127, 0, 0, 1], 20_000 + 2 * place as u16).into()
    }

    #[test]
    fn a_pair_is_taken_once() {
        let resting = Resting::new();
        assert!(resting.keep(address(3), 3, Instant::START));
        assert_eq!(
            (resting.take(address(4)), resting.take(address(3)), resting.take(address(3))),
            (None, Some(3), None)
        );
    }

    #[test]
    fn no_more_are_kept_than_the_limit_allows() {
        let resting = Resting { most: 2, ..Resting::new() };
        let kept: Vec<bool> = (0..3).map(|place| resting.keep(address(place), place, Instant::START)).collect();
        assert_eq!(kept, [true, true, false]);
    }

    #[test]
    fn what_a_busy_hour_left_goes_but_for_some() {
        let resting = Resting { most: MOST, ..Resting::new() };
        (0..SPARE + 50).for_each(|place| assert!(resting.keep(address(place), place, Instant::START)));
        assert!(resting.is_plenty());
        assert_eq!(resting.weed(Instant::START), [0usize; 0]);
        assert_eq!(resting.weed(Instant::START + PATIENCE).len(), 50);
        assert!(!resting.is_plenty());
        assert_eq!(resting.weed(Instant::START + PATIENCE), [0usize; 0]);
        assert_eq!(resting.weed(Instant::START + FORGOTTEN).len(), SPARE);
    }
}
