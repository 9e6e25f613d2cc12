//! What a call keeps while the router itself speaks with its caller.

use std::sync::Arc;

use crate::anchor::{PlayKey, TakeKey};
use crate::clock::Instant;
use crate::fact::{EndedBy, MissedCause};
use crate::ivr::Conversation;
use crate::sound::Sound;

/// What the caller hears from us while phones ring.
#[derive(Debug)]
pub(super) struct Hosting {
    /// The peer hears us.
    pub(super) ready: bool,
    /// The greeting that is being played; afterwards it rings.
    pub(super) greeting: Option<PlayKey>,
    /// What is to be played once the peer hears us.
    pub(super) sounds: Vec<Sound>,
}

/// A conversation of the router with the caller.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) by: Arc<str>,
    pub(super) conversation: Conversation,
    /// What the caller hears is a reason of its own for a miss.
    pub(super) cause: Option<MissedCause>,
    /// The caller had been answered before the router took the call.
    pub(super) was_up: bool,
    /// With which status a caller is refused who was not answered.
    pub(super) status: u16,
    pub(super) play: Option<PlayKey>,
    pub(super) take: Option<TakeKey>,
    pub(super) spoke: bool,
    pub(super) wake: Option<Instant>,
    /// The caller has hung up, and the message is being filed.
    pub(super) leaving: Option<(EndedBy, u16)>,
    /// The caller hears us.
    pub(super) begun: bool,
}
