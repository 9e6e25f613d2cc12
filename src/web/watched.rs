//! What programs that watch see, as it was seen last.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::process::Process;
use crate::clock::{Duration, Instant, Timestamp};
use crate::meter::{Counted, Meter};
use crate::store::Waiting;
use crate::switch::Figures;

/// What was gathered last, and when.
pub(super) type Gathered = Option<(Instant, Arc<Seen>)>;

/// What there is to see. Clones share it.
#[derive(Clone, Debug)]
pub struct Watched {
    pub(super) meter: Arc<Meter>,
    pub(super) gathered: Arc<Mutex<Gathered>>,
}

impl Watched {
    /// What this meter counts, and what there is beside it.
    pub fn new(meter: Arc<Meter>) -> Watched {
        Watched { meter, gathered: Arc::default() }
    }
}

/// What was seen at one moment.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) figures: Figures,
    pub(super) counted: Counted,
    /// `None`: the database cannot be read.
    pub(super) waiting: Option<Waiting>,
    pub(super) process: Process,
    /// Since when the process runs.
    pub(super) started: Timestamp,
    pub(super) uptime: Duration,
}
