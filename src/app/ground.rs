//! What every part of the house stands on.

use std::path::PathBuf;
use std::sync::Arc;

use super::in_force::InForce;
use crate::address_book::AddressBook;
use crate::config::Config;
use crate::config_file::Versions;
use crate::drive::{Clock, Post};
use crate::fact::Fact;
use crate::net::Net;
use crate::outbox::Current;
use crate::switch::Input;

/// What every part of the house stands on. Clones are the same one.
#[derive(Clone)]
pub(super) struct Ground {
    /// `storage.directory`.
    pub(super) directory: PathBuf,
    pub(super) in_force: InForce,
    /// Every config that was in force.
    pub(super) versions: Versions,
    pub(super) clock: Clock,
    /// The way to the loop.
    pub(super) post: Post,
    /// Keeps the core's customers those of the disk.
    pub(super) address_book: AddressBook,
}

impl Ground {
    /// Beneath a router that begins under this config, at these ports.
    pub(super) fn new(config: Arc<Config>, net: &Net) -> Ground {
        let directory = config.storage.directory.clone();
        let post = Post::new(net.bell());
        let address_book = AddressBook::new(post.clone(), directory.clone());
        Ground {
            versions: Versions::of(&directory),
            in_force: InForce::new(config),
            clock: Clock::start(),
            directory,
            post,
            address_book,
        }
    }

    /// Keeps the text of a config that is in force now. Calls do not wait for a record that cannot be kept.
    pub(super) fn keep_version(&self, text: &str, by: &str) {
        if let Err(error) = self.versions.came_into_force(text, by, self.clock.now().wall) {
            tracing::error!(%error, "this version of the config is not kept");
        }
    }

    /// For parts that ask for the config in force.
    pub(super) fn current(&self) -> Current {
        self.in_force.current()
    }

    /// For parts that say what has happened beside the core.
    pub(super) fn note(&self) -> Box<dyn Fn(Fact) + Send> {
        let post = self.post.clone();
        Box::new(move |fact| post.input(Input::Note(fact)))
    }
}
