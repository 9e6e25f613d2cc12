//! What a carrier is given.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::failure::Failure;
use super::http::Http;
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::event::Event;
use crate::letter::Letter;
use crate::store::OutboxRow;

/// A delivery under way.
pub type Delivery = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Whoever carries letters in a way of their own.
pub trait Carry: fmt::Debug + Send + Sync {
    /// True where the config names anybody to carry to: then events are written down.
    fn is_wanted(&self, config: &Config) -> bool;

    /// The letters it wants written of an event. Called in the transaction of the event's fact, on the thread of the
    /// journal: a few µs, no I/O.
    fn letters_of(&self, event: &Event, config: &Config) -> Vec<Letter>;

    /// True where the config still names this receiver; otherwise its letters are given up.
    fn knows(&self, to: &str, config: &Config) -> bool;

    /// Carries one.
    fn deliver(&self, errand: Errand) -> Delivery;

    /// How long that may take at most.
    fn limit(&self) -> Duration {
        Duration::from_secs(120)
    }
}

/// One try of one letter.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The letter.
    pub letter: OutboxRow,
    /// The config in force.
    pub config: Arc<Config>,
    /// How programs are asked.
    pub http: Http,
    /// `storage.directory`.
    pub directory: Arc<Path>,
    /// The time.
    pub now: Timestamp,
}

impl Errand {
    /// What the letter says.
    ///
    /// # Errors
    /// It is no JSON: nobody wrote that.
    pub fn body(&self) -> Result<Value, Failure> {
        serde_json::from_str(&self.letter.body)
            .map_err(|error| Failure::never(format!("the letter cannot be read: {error}")))
    }

    /// A text of what the letter says.
    ///
    /// # Errors
    /// It is not there: nobody wrote that.
    pub fn text(&self, key: &str) -> Result<String, Failure> {
        let body = self.body()?;
        let text = body.get(key).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| Failure::never(format!("the letter has no `{key}`")))
    }
}
