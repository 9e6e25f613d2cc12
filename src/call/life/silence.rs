//! Two talk, and nothing comes from one of them, or from neither.
//!
//! The relay says so after half of `media.silence`. One side alone is an alarm, once in a call: somebody is not heard, or a
//! phone is broken. Both sides for the whole of it are a call that nobody is in any more: it ends. A hold is no silence, and
//! whoever is put through to somebody else, or changes the session, is listened to anew.

use bytes::Bytes;
use smallvec::SmallVec;

use super::super::alphabet::{LegEvent, LegOrder, Legs, Why};
use super::{Call, Stage};
use crate::clock::{Duration, Instant};
use crate::fact::{Alarm, EndedBy};
use crate::key::LegKey;

/// How long it is waited whether the other side is silent as well, before one side alone is an alarm.
const BOTH: Duration = Duration::from_secs(2);

/// What both sides hear as they are hung up on (RFC 3326; Q.850: a timer expired).
const REASON: &[u8] = b"Q.850;cause=102;text=\"Media Silence\"";

impl Call {
    /// What one of two who talk says, where it is about their media.
    pub(super) fn hear_silence(&mut self, leg: LegKey, event: &LegEvent, now: Instant) {
        match event {
            LegEvent::Silent(true) if self.silence.of(leg).is_none() => self.silence.sides.push((leg, now)),
            LegEvent::Silent(false)
            | LegEvent::Reoffered { .. }
            | LegEvent::Reanswered(_)
            | LegEvent::Acknowledged(_) => self.silence.sides.retain(|(side, _)| *side != leg),
            _ => {}
        }
    }

    /// When the silence of a talk comes to something.
    pub(super) fn silence_is_due_at(&self) -> Option<Instant> {
        let Stage::Talking { with, held: [false, false], .. } = self.stage else { return None };
        match (self.silence.of(self.caller.leg), self.silence.of(with.leg)) {
            (Some(one), Some(other)) => Some(one.max(other) + self.config.media.silence.unwrap_or_default() / 2),
            (Some(at), None) | (None, Some(at)) if !self.silence.told => Some(at + BOTH),
            _ => None,
        }
    }

    /// [`Call::silence_is_due_at`] has come; true where the call is over.
    pub(super) fn silence_is_due(&mut self, now: Instant, legs: &mut dyn Legs) -> bool {
        let Stage::Talking { with, .. } = self.stage else { return false };
        if self.silence_is_due_at().is_none_or(|at| at > now) {
            return false;
        }
        let sides = [self.caller, with];
        let silent: SmallVec<[_; 2]> = sides.iter().filter(|side| self.silence.of(side.leg).is_some()).collect();
        if let [side] = silent[..] {
            self.silence.told = true;
            let for_seconds = self.config.media.silence.unwrap_or_default().as_secs() / 2;
            legs.alarm(Alarm::OneWay { call: self.id, leg: side.number, for_seconds });
            return false;
        }
        for side in sides {
            let reason = Some(Bytes::from_static(REASON));
            legs.order(side.leg, LegOrder::End(Why { reason, lost: false }));
        }
        self.over(EndedBy::Router, 200, None, legs);
        true
    }
}
