//! Who takes part in a call: those who talk, those who are being rung, and how the others have failed.

use std::sync::Arc;

use super::alphabet::Session;
use super::dialling::Dialling;
use crate::clock::Instant;
use crate::config::{Config, ExtensionIx};
use crate::key::LegKey;
use crate::route::{Failed, Reason};

/// One of those who talk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Party {
    pub(super) leg: LegKey,
    /// The leg's number within the call.
    pub(super) number: u16,
    /// `None`: somebody outside.
    pub(super) extension: Option<ExtensionIx>,
}

impl Party {
    /// The same under another configuration, where employees have other places.
    pub(super) fn under(self, old: &Arc<Config>, new: &Arc<Config>) -> Party {
        let extension = match Arc::ptr_eq(old, new) {
            true => self.extension,
            false => self.extension.and_then(|extension| new.extension_by_number(&old.extension(extension).number)),
        };
        Party { extension, ..self }
    }
}

/// A leg that is being rung for the call.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) leg: LegKey,
    pub(super) number: u16,
    /// `None`: a number outside.
    pub(super) extension: Option<ExtensionIx>,
    pub(super) ringing: bool,
    /// It is called through a trunk: what is left to try where that gives nothing.
    pub(super) dialling: Option<Box<Dialling>>,
    /// Whoever answered is being asked whether they take the call.
    pub(super) asked: Option<Asked>,
}

/// A question that has no answer yet.
#[derive(Debug)]
pub(super) struct Asked {
    /// The session of the one who is asked.
    pub(super) session: Option<Session>,
    /// When that has lasted long enough.
    pub(super) until: Instant,
}

impl Branch {
    /// A leg that has just been invited.
    pub(super) fn new(leg: LegKey, number: u16, extension: Option<ExtensionIx>) -> Branch {
        Branch { leg, number, extension, ringing: false, dialling: None, asked: None }
    }

    /// When it has been silent, or has been asked, for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silent = self.dialling.as_ref().and_then(|dialling| dialling.deadline());
        self.asked.as_ref().map(|asked| asked.until).or(silent)
    }

    /// True for a mobile whose owner must press 1.
    pub(super) fn confirms(&self) -> bool {
        self.dialling.as_ref().is_some_and(|dialling| dialling.confirms())
    }

    /// True while whoever answered is asked.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The other end has the call now: its silence is ringing.
    pub(super) fn reached(&mut self) {
        self.dialling.iter_mut().for_each(|dialling| dialling.reached());
    }
}

/// What an extension's devices have answered so far.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) best: Failed,
    /// The status that all of them gave, while they agree.
    pub(super) status: Option<u16>,
}

/// Which failures this call has seen, to name the cause of a miss.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    pub(super) no_answer: bool,
    pub(super) declined: bool,
    pub(super) busy: bool,
    pub(super) unreachable: bool,
    pub(super) full: bool,
}

impl Failures {
    /// Nothing has failed.
    pub(super) fn is_nothing(self) -> bool {
        !(self.no_answer || self.declined || self.busy || self.unreachable || self.full)
    }

    pub(super) fn count(&mut self, failed: Failed) {
        match failed {
            Failed::Busy => self.busy = true,
            Failed::Declined => self.declined = true,
            Failed::NoAnswer => self.no_answer = true,
            Failed::Unreachable => self.unreachable = true,
        }
    }

    /// Who was passed without ringing is told by the walk's reasons only.
    pub(super) fn read(&mut self, reason: &Reason) {
        if let Some(failed) = reason.failed() {
            self.count(failed);
        }
    }
}
