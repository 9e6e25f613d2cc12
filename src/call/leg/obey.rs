//! What its call orders a leg to do, and how the peer hears it.

use bytes::Bytes;

use super::super::alphabet::{LegEvent, LegOrder, Passed, Session, StopReason, Why};
use super::super::invitation::{ALLOW, contact};
use super::super::means::Means;
use super::{Leg, Peer, State, Talking, Unacknowledged, finish};
use crate::dialog::Dialog;
use crate::sip::digest::Tried;
use crate::sip::{HeaderName, Method, Status};

/// Orders from the call.
impl Leg {
    /// Does what the call says. An event comes back where it cannot be done.
    pub fn obey(&mut self, order: LegOrder, means: &mut Means) -> Option<LegEvent> {
        match (&mut self.state, order) {
            (_, LegOrder::Host { answer }) => return self.host(answer, means),
            (_, LegOrder::Play { play, sounds, repeat }) => return self.play(play, sounds, repeat, means),
            (_, LegOrder::Hush) => self.hush(means),
            (State::Offered { .. }, order) if self.provisional.holds_back(&order) => {}
            (State::Offered { .. }, LegOrder::Ring(session)) => self.progress(Status::RINGING, session, means),
            (State::Offered { .. }, LegOrder::Progress(session)) => {
                self.progress(Status::SESSION_PROGRESS, session, means);
            }
            (State::Offered { .. }, LegOrder::Answer(session)) => return self.answer(session, means),
            // It waited for the answer of the one who had been answered first, with an offer.
            (State::Offered { .. }, LegOrder::Acknowledge(session)) => return self.answer(session, means),
            (State::Offered { .. }, LegOrder::Refuse { status, reason }) => self.refuse(status, reason, means),
            (State::Offered { .. }, LegOrder::End(why)) => self.refuse(480, why.reason, means),
            (State::Inviting(_), LegOrder::Cancel(why)) => self.cancel(Some(stop_reason(why)), means),
            (State::Inviting(_), LegOrder::End(why)) => {
                let reason = why.reason.as_deref().and_then(|reason| std::str::from_utf8(reason).ok());
                self.cancel(reason, means);
            }
            // Whoever answered it has not said that they take the call.
            (State::Talking(_), LegOrder::Cancel(why)) if self.unconfirmed => {
                self.hang_up(Why { reason: Some(Bytes::from_static(stop_reason(why).as_bytes())), lost: false }, means);
            }
            (_, LegOrder::Confirm) => self.unconfirmed = false,
            (_, LegOrder::Relay) => self.relay(means),
            (State::Leaving { .. } | State::Gone, LegOrder::Reoffer(_) | LegOrder::AcceptReoffer(_)) => {}
            (_, LegOrder::Reoffer(session)) => return self.reoffer(session, means),
            (_, LegOrder::AcceptReoffer(session)) => return self.accept_reoffer(session, means),
            (_, LegOrder::RefuseReoffer(status)) => self.refuse_reoffer(status, means),
            (State::Talking(_), LegOrder::WithdrawReoffer) => self.withdraw_reoffer(means),
            (State::Talking(_), LegOrder::Acknowledge(session)) => self.acknowledge(session, means),
            (State::Talking(_), LegOrder::Pass(passed)) => {
                if !self.presses(&passed, means) {
                    self.pass(&passed, means);
                }
            }
            (State::Talking(_), LegOrder::AcceptTransfer) => self.accept_transfer(means),
            (State::Talking(_), LegOrder::RefuseTransfer(status)) => self.refuse_transfer(status, means),
            (State::Talking(_), LegOrder::TransferNews(status)) => self.transfer_news(status, means),
            (_, LegOrder::Introduce(named)) => self.introduced = Some(Box::new(named)),
            (State::Talking(_), LegOrder::End(why)) => self.hang_up(why, means),
            // An order that crossed an event: the leg is already past it.
            (_, _) => {}
        }
        None
    }

    fn progress(&mut self, status: Status, session: Option<Session>, means: &mut Means) {
        let session = session.and_then(|session| self.outward(&session, means).ok());
        let session = self.provisional.tells(session);
        self.respond(status, session.as_ref(), None, means);
    }

    fn answer(&mut self, session: Option<Session>, means: &mut Means) -> Option<LegEvent> {
        let session = match session.map(|session| self.outward(&session, means)).transpose() {
            Ok(session) => session,
            Err(refusal) => {
                self.refuse(refusal.status().code(), None, means);
                return Some(LegEvent::Ended(Why { reason: None, lost: true }));
            }
        };
        // RFC 3262 §5: an offer gets one answer. Where that was given and another one holds now, it is told anew.
        let answered = self.provisional.answer.is_some();
        self.untold = answered && session.is_some() && session != self.provisional.answer;
        self.respond(Status::OK, session.as_ref().filter(|_| !answered), None, means);
        self.dialog.iter_mut().for_each(Dialog::confirm);
        if let State::Offered { invite, request } = std::mem::replace(&mut self.state, State::Gone) {
            let unacknowledged = Some(Unacknowledged::of(invite, &request));
            self.state = State::Talking(Talking { unacknowledged, ..Talking::default() });
            self.refreshed_by(&request, means);
        }
        None
    }

    pub(super) fn refuse(&mut self, status: u16, reason: Option<Bytes>, means: &mut Means) {
        let status = Status::new(status).filter(|status| status.is_final()).unwrap_or(Status::TEMPORARILY_UNAVAILABLE);
        // RFC 3261 §15.1.2: whatever still waits for an answer gets 487.
        self.refuse_reoffer(487, means);
        self.wake_after(None, means);
        self.respond(status, None, reason.as_ref(), means);
        self.state = State::Gone;
    }

    /// A response to the caller's INVITE.
    fn respond(&mut self, status: Status, session: Option<&Session>, reason: Option<&Bytes>, means: &mut Means) {
        let State::Offered { invite, request } = &self.state else { return };
        let reliable = status.is_provisional() && self.provisional.is_reliable(session.is_some());
        let rseq = reliable.then(|| self.provisional.next_rseq(means.entropy.u64()));
        let bytes = means.write(|writer, means| {
            let mut draft = writer.reply(request, status, self.tag.as_str(), self.flow.remote);
            if status.class() < 3 {
                draft.header(HeaderName::Contact, contact(&self.flow, means));
                draft.header(HeaderName::Allow, ALLOW);
            }
            if let Some(rseq) = rseq {
                draft.header(HeaderName::Require, "100rel").number(HeaderName::RSeq, rseq);
            }
            if status.is_success() {
                self.refresh.agree(request, &mut draft);
                // RFC 3325 §9.1: to phones of ours, where they reach another than they have called.
                if let (Some(named), Peer::Extension(_)) = (&self.introduced, &self.peer) {
                    draft.name_addr(HeaderName::PAssertedIdentity, &named.display, named.uri.as_str(), "");
                }
            }
            if let Some(reason) = reason {
                draft.header(HeaderName::Reason, reason);
            }
            if status == Status::SERVICE_UNAVAILABLE {
                draft.header(HeaderName::RetryAfter, "5");
            }
            finish(&mut draft, session)
        });
        means.respond(*invite, status, bytes.clone());
        self.said_provisional |= status.is_provisional();
        self.note(means, false, Method::Invite, status.code());
        if reliable {
            self.provisional.sent(status, bytes, session, means.now.mono);
            let wait = self.provisional.again(means.now.mono);
            self.wake_after(wait, means);
        }
    }

    fn cancel(&mut self, reason: Option<&str>, means: &mut Means) {
        let State::Inviting(inviting) = &mut self.state else { return };
        if std::mem::replace(&mut inviting.cancelled, true) {
            return;
        }
        let invite = inviting.invite;
        let (transactions, mut hand) = means.hand();
        transactions.cancel(invite, reason, &mut hand);
        self.note(means, false, Method::Cancel, 0);
    }

    fn pass(&mut self, passed: &Passed, means: &mut Means) {
        self.request(Method::Info, means, |draft| {
            if let Some(package) = &passed.package {
                draft.header_named("Info-Package", package);
            }
            draft.finish_with(&String::from_utf8_lossy(&passed.content_type), &passed.body)
        });
    }

    pub(super) fn hang_up(&mut self, why: Why, means: &mut Means) {
        let State::Talking(talking) = &mut self.state else { return };
        if talking.unacknowledged.is_some() && !why.lost {
            talking.goodbye = Some(why);
            return;
        }
        if let Some(cseq) = talking.owes_ack.take() {
            self.send_ack(cseq, None, means);
        }
        self.refuse_reoffer(487, means);
        self.withdraw_reoffer(means);
        self.tried = Tried::default();
        self.say_goodbye(why.reason, means);
    }

    pub(super) fn say_goodbye(&mut self, reason: Option<Bytes>, means: &mut Means) {
        let said = self.request(Method::Bye, means, |draft| {
            if let Some(reason) = &reason {
                draft.header(HeaderName::Reason, reason);
            }
            draft.finish()
        });
        self.state = if said.is_some() { State::Leaving { reason } } else { State::Gone };
    }
}

/// RFC 3326: so that no phone shows a missed call for one that was answered elsewhere.
fn stop_reason(why: StopReason) -> &'static str {
    match why {
        StopReason::CompletedElsewhere => "SIP;cause=200;text=\"Call completed elsewhere\"",
        StopReason::CallerGone => "SIP;cause=487;text=\"Request Terminated\"",
        StopReason::PlanMovedOn => "SIP;cause=480;text=\"No answer\"",
        StopReason::Taken => "SIP;cause=486;text=\"Busy\"",
    }
}
