//! What people and programs order or write down: asked of the core, told to it as a fact, and answered when that is on the
//! disk.

mod follow_up;
mod note;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::clock::Duration;
use crate::customer::Kind;
use crate::drive::{Letter, Post};
use crate::fact::{CustomerCard, Fact};
use crate::store::{CustomerRow, Reader, StoreError};
use crate::switch::Question;

/// How long an order may take: longer than a slow disk, shorter than a person's patience.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// The core said no, in words for people.
    Refused(String),
    /// There is no such thing.
    Missing(String),
    /// Somebody was faster, or it was done already.
    Conflict(String),
    /// The router is ending, or the disk does not take it; it may still be written.
    NoAnswer,
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotDone::Refused(why) | NotDone::Missing(why) | NotDone::Conflict(why) => f.write_str(why),
            NotDone::NoAnswer => f.write_str("the router does not answer; whether it was done is not known"),
        }
    }
}

impl std::error::Error for NotDone {}

/// What became of a customer who was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Put {
    /// There was none of that kind and id.
    Added,
    /// They were there and are different now.
    Changed,
    /// They were there just like this, or were not there to be forgotten.
    Unchanged,
    /// They are not known any more.
    Forgotten,
}

fn unnamed(id: &str) -> Option<String> {
    let bad = id.is_empty() || id.len() > LONGEST || id.contains(char::is_control);
    bad.then(|| format!("an id has 1 to {LONGEST} bytes and no control characters"))
}

/// What the core's index would not take, or would cut off.
fn too_large(id: &str, card: &CustomerCard) -> Option<String> {
    unnamed(id).or_else(|| {
        if card.name.len() > LONGEST_NAME || card.name.contains(char::is_control) {
            return Some(format!("a name has up to {LONGEST_NAME} bytes and no control characters"));
        }
        (card.numbers.len() > LONGEST).then(|| format!("{} numbers; up to {LONGEST} are kept", card.numbers.len()))
    })
}

/// Most bytes of an id, and most numbers, of one customer.
const LONGEST: usize = 255;
/// Most bytes of a name; phones are shown the first 255.
const LONGEST_NAME: usize = 1_000;

/// Has things done and written down. Clones do the same.
#[derive(Clone)]
pub struct Clerk {
    post: Post,
    directory: PathBuf,
    /// Fact number n of this process is `base + n` in the journal.
    base: i64,
}

impl fmt::Debug for Clerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clerk").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Clerk {
    /// For the router with this post and data directory, whose first fact follows `base` in the journal.
    pub fn new(post: Post, directory: PathBuf, base: i64) -> Clerk {
        Clerk { post, directory, base }
    }

    /// Has a fact written down; its place in the journal, once it is on the disk.
    ///
    /// # Errors
    /// [`NotDone::NoAnswer`] after ten seconds.
    pub async fn write_down(&self, fact: Fact) -> Result<i64, NotDone> {
        self.heard(self.tell(fact)).await
    }

    fn tell(&self, fact: Fact) -> oneshot::Receiver<u64> {
        let (tell, told) = oneshot::channel();
        self.post.put(Letter::Tell(fact, Box::new(move |number| _ = tell.send(number))));
        told
    }

    async fn heard(&self, told: oneshot::Receiver<u64>) -> Result<i64, NotDone> {
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(number)) => Ok(self.base + i64::try_from(number).unwrap_or(i64::MAX)),
            _ => Err(NotDone::NoAnswer),
        }
    }

    /// Has a customer written down as they are from now on, or (`None`) forgotten. Where nothing would change, nothing is
    /// written: whoever has read all customers of a CRM may put all of them.
    ///
    /// # Errors
    /// The card is larger than the index takes, or the id is empty ([`NotDone::Refused`]); see [`Clerk::write_down`].
    pub async fn put_customer(&self, kind: Kind, id: &str, now: Option<CustomerCard>) -> Result<Put, NotDone> {
        let mut put = self.put_customers(vec![(kind, id.into(), now)]).await?;
        put.pop().ok_or(NotDone::NoAnswer)
    }

    /// The same for many at once, in order, what became of each: they wait for the disk together.
    ///
    /// # Errors
    /// One of them is refused, then none is written; otherwise see [`Clerk::write_down`].
    pub async fn put_customers(
        &self,
        customers: Vec<(Kind, Arc<str>, Option<CustomerCard>)>,
    ) -> Result<Vec<Put>, NotDone> {
        for (kind, id, now) in &customers {
            if let Some(why) = now.as_ref().map_or_else(|| unnamed(id), |card| too_large(id, card)) {
                return Err(NotDone::Refused(format!("the {} {id:?}: {why}", kind.word())));
            }
        }
        let names: Vec<_> = customers.iter().map(|(kind, id, _)| (*kind, id.clone())).collect();
        let there = self.read(move |reader| {
            names.iter().map(|(kind, id)| reader.customer(*kind, id)).collect::<Result<Vec<_>, _>>()
        });
        let there = there.await.map_err(|error| NotDone::Refused(error.to_string()))?;
        let mut put = Vec::with_capacity(customers.len());
        let mut last = None;
        for ((kind, id, now), there) in customers.into_iter().zip(there) {
            let row = now.as_ref().map(|card| CustomerRow::new(kind, &id, card));
            let there = there.map(|there| there.row);
            put.push(match (&there, &row) {
                (None, Some(_)) => Put::Added,
                (Some(_), None) => Put::Forgotten,
                (there, row) if there == row => Put::Unchanged,
                _ => Put::Changed,
            });
            if there != row {
                // Dropped, it is written all the same; the last one says that all are on the disk.
                last = Some(self.tell(Fact::Customer { kind, id, now: now.map(Box::new) }));
            }
        }
        match last {
            Some(told) => self.heard(told).await.map(|_| put),
            None => Ok(put),
        }
    }

    /// Asks the core something, or orders it to do something.
    ///
    /// # Errors
    /// It refuses, or does not answer within ten seconds.
    pub async fn ask(&self, question: Question) -> Result<Value, NotDone> {
        let (tell, told) = oneshot::channel();
        self.post.put(Letter::Ask(question, Box::new(move |answer| drop(tell.send(answer)))));
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(answer)) => answer.map_err(NotDone::Refused),
            _ => Err(NotDone::NoAnswer),
        }
    }

    /// Looks something up in the database, off the thread that serves others.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let directory = self.directory.clone();
        let looked = tokio::task::spawn_blocking(move || look(&Reader::open(&directory)?)).await;
        looked.unwrap_or_else(|error| Err(StoreError::new(&self.directory, "look something up", error)))
    }

    /// `storage.directory`.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }
}
