//! What people and programs order or write down: asked of the core, told to it as a fact, and answered when that is on the
//! disk.

mod follow_up;

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::clock::Duration;
use crate::drive::{Letter, Post};
use crate::fact::Fact;
use crate::store::{Reader, StoreError};
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
        let (tell, told) = oneshot::channel();
        self.post.put(Letter::Tell(fact, Box::new(move |number| _ = tell.send(number))));
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(number)) => Ok(self.base + i64::try_from(number).unwrap_or(i64::MAX)),
            _ => Err(NotDone::NoAnswer),
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
