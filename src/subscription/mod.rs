//! Who watches whom: the lamps on phones (RFC 6665), told of calls (RFC 4235) and of waiting messages (RFC 3842).
//!
//! ```text
//!            SUBSCRIBE              something has changed, a refresh
//!   (none) ────────────► active ───────────────────────────────────┐
//!                         │  ▲ answered: what changed meanwhile    │
//!                         │  └──────────────── notifying ◄─────────┘ one NOTIFY at a time, the whole state in each
//!                         │                        │ refused, no answer
//!                         ▼                        ▼
//!   Expires: 0, its time is over: a last NOTIFY, (gone)
//! ```
//!
//! Only extensions of the house watch, and only extensions are watched. Subscriptions live in memory: after a restart a
//! phone learns from the 481 to its next refresh, at most [`LONGEST`] seconds later, that it has to ask anew.

mod entity;
mod wish;

pub mod dialog_info;
pub mod summary;

use std::sync::Arc;

use hashbrown::HashMap;

pub use self::dialog_info::{DialogState, Remote, Role, Sight};
pub use self::entity::Entity;
pub use self::summary::Waiting;
pub use self::wish::{ALLOW_EVENTS, LONGEST, Package, SHORTEST, Wish};
use crate::clock::{Deadline, Deadlines, Duration, Instant};
use crate::dialog::Dialog;
use crate::entropy::Token;
use crate::key::{Arena, Key};
use crate::refusal::Refusal;

/// The most subscriptions that the phones of one extension may hold: a desk with every lamp of a big house.
pub const MOST_PER_EXTENSION: usize = 500;
/// The most subscriptions there may be.
pub const MOST: usize = 20_000;

/// The name of a subscription while it lasts.
pub type SubscriptionKey = Key<Subscription>;

/// A subscription runs out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due(pub SubscriptionKey);

/// Somebody's lamp.
#[derive(Debug)]
pub struct Subscription {
    /// Whose phone it is.
    pub subscriber: Arc<str>,
    /// Who is watched.
    pub watched: Arc<str>,
    /// Under which name.
    pub entity: Entity,
    /// What was asked for.
    pub wish: Wish,
    /// In which NOTIFYs are sent.
    pub dialog: Dialog,
    /// When it runs out.
    pub expires: Instant,
    /// Of the next document.
    pub version: u32,
    /// What was told last.
    pub told: Told,
    /// A NOTIFY waits for its answer; what changes meanwhile is told after it.
    pub under_way: bool,
    /// Something has changed since.
    pub owes: bool,
    tag: Token,
    deadline: Option<Deadline>,
}

/// What a subscriber was told last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// Nothing yet.
    Nothing,
    /// These calls.
    Dialogs(Arc<[Sight]>),
    /// So many messages.
    Messages(Waiting),
}

impl Subscription {
    /// A subscription that was just asked for. `tag` is ours in its dialog.
    pub fn new(
        subscriber: Arc<str>,
        watched: Arc<str>,
        entity: Entity,
        wish: Wish,
        dialog: Dialog,
        tag: Token,
    ) -> Self {
        Subscription {
            subscriber,
            watched,
            entity,
            wish,
            dialog,
            expires: Instant::START,
            version: 0,
            told: Told::Nothing,
            under_way: false,
            owes: false,
            tag,
            deadline: None,
        }
    }

    /// The next document, and that it was told.
    pub fn tell(&mut self, news: Told) -> String {
        let version = self.version;
        self.version += 1;
        let before = std::mem::replace(&mut self.told, news);
        match (&self.told, before) {
            (Told::Dialogs(sights), Told::Dialogs(before)) => {
                dialog_info::write(version, &self.entity, sights, &before)
            }
            (Told::Dialogs(sights), _) => dialog_info::write(version, &self.entity, sights, &[]),
            (Told::Messages(waiting), _) => summary::write(&self.entity, *waiting),
            (Told::Nothing, _) => String::new(),
        }
    }

    /// `active;expires=599`
    pub fn active(&self, now: Instant) -> String {
        format!("active;expires={}", self.expires.since(now).as_secs())
    }
}

/// Every subscription there is.
#[derive(Debug, Default)]
pub struct Subscriptions {
    rows: Arena<Subscription>,
    by_tag: HashMap<Token, SubscriptionKey, foldhash::fast::FixedState>,
    /// By whom they watch, in the order in which they came; an array for each package.
    by_watched: [HashMap<Arc<str>, Vec<SubscriptionKey>, foldhash::fast::FixedState>; 2],
    by_subscriber: HashMap<Arc<str>, usize, foldhash::fast::FixedState>,
}

impl Subscriptions {
    /// Whether another one of this extension finds room.
    ///
    /// # Errors
    /// 403 where this extension has its fill, 503 where the house has.
    pub fn has_room(&self, subscriber: &str) -> Result<(), Refusal> {
        if self.by_subscriber.get(subscriber).is_some_and(|held| *held >= MOST_PER_EXTENSION) {
            return Err(Refusal::forbidden().because("Too Many Subscriptions"));
        }
        match self.rows.len() < MOST {
            true => Ok(()),
            false => Err(Refusal::service_unavailable(Duration::from_secs(60))),
        }
    }

    /// Takes one in. It lasts until [`Subscriptions::extend`] says how long.
    pub fn insert(&mut self, subscription: Subscription) -> SubscriptionKey {
        let (tag, package) = (subscription.tag, subscription.wish.package);
        let (watched, subscriber) = (subscription.watched.clone(), subscription.subscriber.clone());
        let key = self.rows.insert(subscription);
        self.by_tag.insert(tag, key);
        self.by_watched[package as usize].entry(watched).or_default().push(key);
        *self.by_subscriber.entry(subscriber).or_default() += 1;
        key
    }

    /// It runs out at `until`.
    pub fn extend<K: From<Due>>(&mut self, key: SubscriptionKey, until: Instant, deadlines: &mut Deadlines<K>) {
        let Some(row) = self.rows.get_mut(key) else { return };
        row.expires = until;
        row.deadline.take().map(|old| deadlines.cancel(old));
        row.deadline = Some(deadlines.set(until, Due(key).into()));
    }

    /// Takes one out.
    pub fn remove<K: From<Due>>(&mut self, key: SubscriptionKey, deadlines: &mut Deadlines<K>) -> Option<Subscription> {
        let row = self.rows.remove(key)?;
        row.deadline.map(|deadline| deadlines.cancel(deadline));
        self.by_tag.remove(&row.tag);
        let watchers = &mut self.by_watched[row.wish.package as usize];
        if let Some(keys) = watchers.get_mut(&row.watched) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                watchers.remove(&row.watched);
            }
        }
        if let Some(held) = self.by_subscriber.get_mut(&row.subscriber) {
            *held -= 1;
            if *held == 0 {
                self.by_subscriber.remove(&row.subscriber);
            }
        }
        Some(row)
    }

    /// One, unless it is gone.
    pub fn get_mut(&mut self, key: SubscriptionKey) -> Option<&mut Subscription> {
        self.rows.get_mut(key)
    }

    /// One, unless it is gone.
    pub fn get(&self, key: SubscriptionKey) -> Option<&Subscription> {
        self.rows.get(key)
    }

    /// The one in whose dialog our tag is this.
    pub fn by_tag(&self, tag: &Token) -> Option<SubscriptionKey> {
        self.by_tag.get(tag).copied()
    }

    /// True where somebody watches the calls of this extension.
    pub fn is_watched(&self, extension: &str) -> bool {
        self.by_watched[Package::Dialog as usize].contains_key(extension)
    }

    /// Who watches this of this extension, in the order in which they came.
    pub fn watchers(&self, package: Package, extension: &str) -> &[SubscriptionKey] {
        self.by_watched[package as usize].get(extension).map_or(&[], Vec::as_slice)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (SubscriptionKey, &Subscription)> {
        self.rows.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True where nobody watches anybody.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
