//! The config in force, and those before it that running calls may still hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::outbox::Current;

/// The config in force. Clones are the same one.
///
/// Those before it are held as well, so that the last to let go of one is never the loop: a config of a large office is
/// freed here, beside the calls.
#[derive(Clone)]
pub(super) struct InForce(Arc<Mutex<Configs>>);

struct Configs {
    newest: Arc<Config>,
    /// Whoever began under one of these may still hold it.
    earlier: Vec<Arc<Config>>,
}

impl InForce {
    /// The config with which the process began.
    pub(super) fn new(config: Arc<Config>) -> InForce {
        InForce(Arc::new(Mutex::new(Configs { newest: config, earlier: Vec::new() })))
    }

    /// The config in force.
    pub(super) fn newest(&self) -> Arc<Config> {
        self.configs().newest.clone()
    }

    /// The same, for parts that only ever ask.
    pub(super) fn current(&self) -> Current {
        let this = self.clone();
        Arc::new(move || Some(this.newest()))
    }

    /// Another one takes its place.
    pub(super) fn replace(&self, config: Arc<Config>) {
        let mut configs = self.configs();
        let before = std::mem::replace(&mut configs.newest, config);
        configs.earlier.push(before);
    }

    /// Frees configs that no call holds any more.
    pub(super) fn forget(&self) {
        self.configs().earlier.retain(|config| Arc::strong_count(config) > 1);
    }

    fn configs(&self) -> MutexGuard<'_, Configs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
