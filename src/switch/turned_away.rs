//! New calls that are refused before anything is kept of them, because there is more to do than can be done.
//!
//! What decides is how late we are ([`crate::overload`]), and whom we ask is the message alone: no transaction, no password,
//! no decision, so a refusal costs a small part of what a call would. Turned away is only an INVITE that would begin a
//! call. Never: anything that belongs to a dialog or to a request that was taken, responses, ACK, CANCEL, registrations,
//! the OPTIONS by which a provider sees whether we live; and no emergency call, no pick-up and no transfer, which end
//! work rather than make it.
//!
//! A repetition of an INVITE that was turned away is turned away too, whether or not there is time again: whoever sent it has
//! heard no by now, and phones would ring for nobody.

use super::refused::NoTime;
use super::tables::Switch;
use crate::admission::{Admission, Known};
use crate::call::Timer;
use crate::clock::Duration;
use crate::fact::{Alarm, Fact};
use crate::key::Flow;
use crate::overload::CALM;
use crate::route::{Destined, Origin};
use crate::sip::{HeaderName, Message, Method};
use crate::transaction::PATIENCE;

impl Switch {
    /// The loop says how late it is.
    pub(super) fn late(&mut self, by: Duration) {
        let now = self.means.now;
        if self.overload.late(by, now) {
            let late_ms = by.as_millis().try_into().unwrap_or(u64::MAX);
            self.means.note(Fact::Alarm(Alarm::Overloaded { late_ms }));
            self.means.deadlines.set(now.mono + CALM, Timer::Overload);
        }
    }

    /// The overload is over, or it is looked at again.
    pub(super) fn overload_is_due(&mut self) {
        let now = self.means.now;
        match self.overload.due(now) {
            Ok(over) => {
                // So long its INVITEs are repeated (RFC 3261 §17.1.1.2, Timer B).
                self.means.deadlines.set(now.mono + PATIENCE, Timer::TurnedAway);
                let (refused, seconds) = (over.refused, over.lasted(now).as_secs());
                self.means.note(Fact::Alarm(Alarm::OverloadOver { refused, seconds }));
            }
            Err(again) => drop(self.means.deadlines.set(again, Timer::Overload)),
        }
    }

    /// What was turned away is forgotten, unless there is an overload again.
    pub(super) fn nobody_repeats(&mut self) {
        if self.overload.current().is_none() {
            self.turned_away.forget();
        }
    }

    /// True where the message would begin a call for which there is no time; it has been answered then.
    pub(super) fn comes_too_late(&mut self, flow: Flow, message: &Message) -> bool {
        if self.overload.current().is_none() && self.turned_away.is_empty() || !begins_a_call(message) {
            return false;
        }
        let Some(stateless) = self.means.transactions.stateless(flow, message) else { return false };
        let refused = self.turned_away.has(stateless.mark());
        if !refused && (!self.overload.refuses() || self.goes_before_others(flow, message)) {
            return false;
        }
        self.shed_at_once(flow, message, NoTime::Late);
        true
    }

    /// Refuses a request of which nothing is kept. Where it is a call's it is counted, once, however often it is repeated,
    /// and recorded while there is room: a provider's call, or one of an employee who has proved who it is. A stranger is no call.
    pub(super) fn shed_at_once(&mut self, flow: Flow, message: &Message, why: NoTime) {
        let Some(stateless) = self.means.transactions.stateless(flow, message) else { return };
        self.refuse_statelessly(&stateless, message, &why.refusal(stateless.mark()));
        if !begins_a_call(message) || !self.turned_away.remember(stateless.mark()) {
            return;
        }
        self.shed.total += 1;
        if why == NoTime::Late {
            self.overload.refused();
        }
        let known = Known { config: &self.means.config, trunks: &self.means.trunks, registrar: &self.registrar };
        let trunk = known.trunk(message, &flow).map(Origin::Trunk);
        if trunk.is_none() && !message.has(HeaderName::Authorization) || !self.has_room_for_record() {
            return;
        }
        let proved = || match self.ask(message, &flow) {
            Admission::Extension(extension) => Some(Origin::Extension(extension)),
            _ => None,
        };
        match trunk.or_else(proved) {
            Some(origin) => self.record_shed(origin, message, why),
            None => self.shed.recorded -= 1,
        }
    }

    /// Calls from inside for which there is always time. Who calls is not asked here: whoever may not call is told so later.
    fn goes_before_others(&self, flow: Flow, message: &Message) -> bool {
        let known = Known { config: &self.means.config, trunks: &self.means.trunks, registrar: &self.registrar };
        let dialled = || {
            let text = message.request_uri().and_then(|uri| uri.user_unescaped()).unwrap_or_default();
            Destined::from_inside(&self.means.config, &text)
        };
        message.has(HeaderName::Replaces)
            || known.trunk(message, &flow).is_none()
                && matches!(dialled(), Destined::Emergency(_) | Destined::PickUp(..))
    }
}

fn begins_a_call(message: &Message) -> bool {
    message.status().is_none() && message.method() == Method::Invite && message.to_tag().is_none()
}
