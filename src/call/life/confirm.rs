//! A mobile that asks: whoever answers there may be its mailbox, so the call is theirs only after they have pressed 1.
//!
//! ```text
//!   rung ──Answered──► asked ──1──► the winner, as any phone that answers
//!                      │  │ another key: asked again
//!                      │  └─────► hangs up, or 20 s without 1: a phone that was not answered
//!                      └────────► another phone wins, the caller is gone, its turn is over: BYE with the Reason
//! ```
//!
//! Until then the other phones ring on, nobody is told "elsewhere", and the caller hears nothing of it.

use super::super::alphabet::{LegEvent, LegOrder, Legs, Refused, Session, StopReason};
use super::super::party::Asked;
use super::Call;
use crate::clock::{Duration, Instant};
use crate::fact::CallFact;
use crate::sound::Sound;

/// How long somebody is asked: the question three times, with time to find the key.
const ASKING: Duration = Duration::from_secs(20);
/// Between one question and the next.
const PAUSE: Duration = Duration::from_secs(2);
/// Takes the call.
const YES: char = '1';

impl Call {
    /// What a mobile says that asks. The event, where it means what it does of any phone.
    pub(super) fn hear_mobile(
        &mut self,
        at: usize,
        event: LegEvent,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Option<LegEvent> {
        let branch = &self.branches[at];
        match (event, branch.is_asked()) {
            (event, _) if !branch.confirms() => return Some(event),
            // That it rings is news, what the network or a mailbox says meanwhile is not.
            (LegEvent::Ringing(_), false) => return Some(LegEvent::Ringing(None)),
            (LegEvent::Progress(_), false) => return Some(LegEvent::Progress(None)),
            (LegEvent::Answered(session), false) => self.ask(at, session, now, legs),
            (LegEvent::Digit(key), true) => self.hear_key(at, key, now, legs),
            (LegEvent::Passed(passed), true) => {
                if let Some(key) = passed.new_key() {
                    self.hear_key(at, key, now, legs);
                }
            }
            (LegEvent::Ended(_), true) => {
                self.refused(at, &Refused { status: 480, rang: true, reason: None }, now, legs);
            }
            (event, _) => return Some(event),
        }
        None
    }

    fn ask(&mut self, at: usize, session: Option<Session>, now: Instant, legs: &mut dyn Legs) {
        let branch = &mut self.branches[at];
        branch.reached();
        branch.asked = Some(Asked { session, until: now + ASKING });
        legs.note(CallFact::Served { leg: branch.number, by: "confirm".into() });
        let leg = branch.leg;
        put_the_question(leg, legs);
        // For the caller it rings.
        self.ring_back(None, legs);
    }

    fn hear_key(&mut self, at: usize, key: char, now: Instant, legs: &mut dyn Legs) {
        let branch = &mut self.branches[at];
        let leg = branch.leg;
        if key != YES {
            return put_the_question(leg, legs);
        }
        let session = branch.asked.take().and_then(|asked| asked.session);
        legs.order(leg, LegOrder::Confirm);
        // The mobile has spoken with us, so its media passes us; the caller's does the same.
        legs.order(self.caller.leg, LegOrder::Relay);
        self.answered(at, session, now, legs);
    }

    /// Nobody has pressed 1.
    pub(super) fn nobody_confirms(&mut self, at: usize, now: Instant, legs: &mut dyn Legs) {
        let (leg, extension) = (self.branches[at].leg, self.branches[at].extension);
        self.stop_branches(|branch| branch.leg == leg, StopReason::PlanMovedOn, legs);
        self.device_failed(extension, &Refused { status: 480, rang: true, reason: None }, now, legs);
    }
}

fn put_the_question(leg: crate::key::LegKey, legs: &mut dyn Legs) {
    legs.play(leg, &[Sound::prompt("confirm"), Sound::Silence(PAUSE)], true);
}
