//! What every room works with.

use std::path::PathBuf;
use std::sync::Arc;

use crate::board::Board;
use crate::clerk::Clerk;
use crate::drive::Clock;
use crate::outbox::Current;

/// What every room works with. Clones share it.
#[derive(Clone)]
pub struct Office {
    /// Has things done and written down.
    pub clerk: Clerk,
    /// The config in force.
    pub current: Current,
    /// The clock.
    pub clock: Clock,
    /// The config file.
    pub file: Arc<PathBuf>,
    /// The calls in progress, and what happens.
    pub board: Board,
}
