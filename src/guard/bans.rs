//! Bans in force, and those that were: bounded, so that nobody can fill them; what was put by hand never gives way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::words::{Ban, Outcast, Source};
use crate::clock::{Duration, Instant, Now};

/// How many bans are remembered, those that are over included.
pub(super) const MOST_BANS: usize = 4_096;

/// A ban and when it ends on the clock that never jumps.
#[derive(Debug)]
struct Held {
    ban: Ban,
    until: Instant,
    /// It is a fact.
    durable: bool,
}

/// All bans.
#[derive(Debug, Default)]
pub(super) struct Bans {
    all: BTreeMap<Outcast, Held>,
    /// By their end.
    ends: BTreeSet<(Instant, Outcast)>,
    sources: HashMap<Source, Instant, RandomState>,
    accounts: HashMap<Arc<str>, Instant, RandomState>,
}

impl Bans {
    pub(super) fn is_source_banned(&self, source: Source, now: Instant) -> bool {
        !self.sources.is_empty() && self.sources.get(&source).is_some_and(|until| now < *until)
    }

    pub(super) fn is_account_banned(&self, account: &str, now: Instant) -> bool {
        !self.accounts.is_empty() && self.accounts.get(account).is_some_and(|until| now < *until)
    }

    /// True where some account was banned lately.
    pub(super) fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// How many times this one was banned, as far as is remembered.
    pub(super) fn times(&self, whom: &Outcast) -> u32 {
        self.all.get(whom).map_or(0, |held| held.ban.times)
    }

    /// Puts a ban in force, in the place of the one before. What had to give way for it and is a fact is told.
    pub(super) fn put(&mut self, ban: Ban, span: Duration, durable: bool, now: Now) -> Option<Outcast> {
        self.remove(&ban.whom);
        let gone = if self.all.len() < MOST_BANS { None } else { self.give_way() };
        let until = now.mono + span;
        match &ban.whom {
            Outcast::Source(source) => drop(self.sources.insert(*source, until)),
            Outcast::Account(account) => drop(self.accounts.insert(account.clone(), until)),
        }
        self.ends.insert((until, ban.whom.clone()));
        self.all.insert(ban.whom.clone(), Held { ban, until, durable });
        gone
    }

    /// True where one more finds room.
    pub(super) fn has_room(&self) -> bool {
        self.all.len() < MOST_BANS || self.least().is_some()
    }

    /// Takes a ban back, whether it is over or not; whether there was one, and whether it is a fact.
    pub(super) fn remove(&mut self, whom: &Outcast) -> Option<bool> {
        let held = self.all.remove(whom)?;
        self.ends.remove(&(held.until, whom.clone()));
        match whom {
            Outcast::Source(source) => drop(self.sources.remove(source)),
            Outcast::Account(account) => drop(self.accounts.remove(account)),
        }
        Some(held.durable)
    }

    /// Forgets what ended so long ago, the first of it; to be asked until there is none.
    pub(super) fn forget(&mut self, remembered: Duration, now: Instant) -> Option<(Outcast, bool)> {
        let (until, whom) = self.ends.first()?;
        if *until + remembered > now {
            return None;
        }
        let whom = whom.clone();
        self.remove(&whom).map(|durable| (whom, durable))
    }

    /// The bans in force, by whom they keep out, with what is left of their time.
    pub(super) fn in_force(&self, now: Instant) -> impl Iterator<Item = (&Ban, Duration)> {
        let on = self.all.values().filter(move |held| now < held.until);
        on.map(move |held| (&held.ban, held.until.since(now)))
    }

    /// Of those that nobody has put by hand the first to end.
    fn give_way(&mut self) -> Option<Outcast> {
        let whom = self.least()?.clone();
        self.remove(&whom).filter(|durable| *durable).map(|_| whom)
    }

    fn least(&self) -> Option<&Outcast> {
        let by_hand = |whom: &Outcast| self.all.get(whom).is_some_and(|held| held.ban.by_hand);
        self.ends.iter().map(|(_, whom)| whom).find(|whom| !by_hand(whom))
    }
}
