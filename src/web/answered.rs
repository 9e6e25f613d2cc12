//! The answers to orders that came with a key, behind a lock: one connection for all who ask.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Answers, StoreError};

/// The answers that are kept. Clones share them.
#[derive(Clone, Debug)]
pub struct Answered {
    directory: Arc<PathBuf>,
    answers: Arc<Mutex<Option<Answers>>>,
}

impl Answered {
    /// Those in the database of this data directory, which is opened when somebody first needs it.
    pub fn new(directory: PathBuf) -> Answered {
        Answered { directory: Arc::new(directory), answers: Arc::default() }
    }

    /// Does something with them, off the thread that serves others.
    ///
    /// # Errors
    /// The database cannot be written.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Answers) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (directory, answers) = (self.directory.clone(), self.answers.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            let open = match answers.take() {
                Some(open) => answers.insert(open),
                None => answers.insert(Answers::open(&directory)?),
            };
            act(open)
        });
        done.await.unwrap_or_else(|error| Err(StoreError::new(&self.directory, "keep an answer", error)))
    }
}
