//! An employee has asked for a call instead of dialling it: their own phones ring first. From there on it is a call of
//! theirs like any other.
//!
//! ```text
//!               originate                    Answered: the winner is the caller             Answered
//!   (asked for) ─────────► Ringing, for them ──────────────────────────────► Ringing, for ─────────► Talking, once both
//!                            │ nobody picks up                                the wanted             have met
//!                            ▼                                                 │ nobody: a tone
//!                           Over, and nobody was called                        └──► Serving ──► Over
//! ```
//!
//! While their own phones ring there is no caller: what is said to one reaches nobody. Whoever picks up has been offered our
//! own codecs, hears it ring from us, and so is the wanted one offered ours; then the two meet, as after a transfer.

use std::sync::Arc;

use super::super::alphabet::{LegOrder, Legs, Refused, Session, StopReason, Why};
use super::super::origination::{Origination, Wanted};
use super::super::party::Party;
use super::Call;
use crate::clock::Instant;
use crate::config::Config;
use crate::fact::{CallFact, Offered};
use crate::ivr::{Announcement, Conversation};
use crate::key::{CallId, LegKey};
use crate::sound::{Sound, Tone};

/// How often the busy tone comes before the router hangs up: about three seconds.
const BUSY_TONES: usize = 4;

impl Call {
    /// Begins a call that an employee asked for: first their own phones ring.
    pub fn originate(
        id: CallId,
        config: Arc<Config>,
        wanted: Wanted,
        offered: Offered,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Call {
        let (nobody, summons) = (LegKey::from_bits(u64::MAX), wanted.summons.clone());
        let origination = Some(Origination::Summoning(Box::new(wanted)));
        Call::begin_as((nobody, origination), id, config, summons, offered, now, legs)
    }

    /// True while the phones of the one are rung who asked for the call: there is no caller yet.
    pub fn is_summoning(&self) -> bool {
        matches!(self.origination, Some(Origination::Summoning(_)))
    }

    /// True for a call that somebody has asked for, while the wanted one has not answered.
    pub fn is_asked_for(&self) -> bool {
        self.origination.is_some()
    }

    /// True while nobody has answered the one who asked for the call.
    pub(super) fn is_calling(&self) -> bool {
        matches!(self.origination, Some(Origination::Calling))
    }

    /// One of the phones of the one who asked for the call was answered: the wanted one is called.
    pub(super) fn caller_answered(&mut self, at: usize, session: Option<Session>, now: Instant, legs: &mut dyn Legs) {
        let branch = self.branches.swap_remove(at);
        let Some(Origination::Summoning(wanted)) = self.origination.take_if(|_| session.is_some()) else {
            // A phone that says nothing of its media can be spoken to by nobody.
            legs.order(branch.leg, LegOrder::End(Why::default()));
            legs.note(CallFact::Dropped { leg: branch.number, status: 488, stopped: None });
            let refused = Refused { status: 488, rang: branch.ringing, reason: None };
            return self.device_failed(branch.extension, &refused, now, legs);
        };
        self.caller = Party { leg: branch.leg, number: branch.number, extension: branch.extension };
        self.first = branch.number;
        (self.is_up, self.rang) = (true, false);
        self.origination = Some(Origination::Calling);
        self.walk.answered();
        legs.note(CallFact::CallerAnswered { leg: branch.number });
        self.stop_branches(|_| true, StopReason::CompletedElsewhere, legs);
        legs.taken(wanted.by, branch.leg);
        let plan = legs.plan_wanted(branch.leg, &wanted);
        if plan.refusal().is_some() {
            legs.note(CallFact::Turned { because: plan.because.clone() });
        }
        self.follow(plan, now, legs);
    }

    /// What the caller hears where nobody has answered them, before the router hangs up.
    pub(super) fn in_vain(&self, status: u16) -> (Arc<str>, Conversation, bool) {
        let (by, sounds) = match status {
            486 | 600 | 603 => ("busy", vec![Sound::Tone(Tone::Busy); BUSY_TONES]),
            403 => ("announcement:not-allowed", vec![Sound::prompt("not-allowed")]),
            _ => ("announcement:unavailable", vec![Sound::prompt("unavailable")]),
        };
        (by.into(), Conversation::Announcement(Announcement::new(sounds)), true)
    }
}
