//! What the threads that a recording passes through know of it together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::clock::Duration;

/// How long a packet is taken to be that nobody had the time to look into.
const PACKET: Duration = Duration::from_millis(20);

/// One recording, for all threads.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// It is over: nobody needs to hand in packets any more.
    over: AtomicBool,
    /// It has been said that it loses sound.
    complained: AtomicBool,
    dropped: AtomicU64,
    unknown: AtomicU64,
}

impl Shared {
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// True for who is the first to say that sound gets lost.
    pub(super) fn complain(&self) -> bool {
        !self.complained.swap(true, Ordering::Relaxed)
    }

    pub(super) fn drop_packet(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// How much was dropped before it was looked into.
    pub(super) fn dropped(&self) -> Duration {
        PACKET * u32::try_from(self.dropped.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    pub(super) fn count_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Packets of a codec that we do not speak.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}
