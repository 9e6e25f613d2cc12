//! A new session within a dialog (RFC 3264, 3261 §14, 3311, 6141): offered by the peer or by us, by re-INVITE or UPDATE,
//! one at a time, and nothing moves before both sides have agreed.

use super::super::alphabet::{LegEvent, Session};
use super::super::invitation::{ACCEPT, ALLOW, contact};
use super::super::means::Means;
use super::super::session::fits;
use super::{Leg, Peer, Reoffer, State, Talking, Unacknowledged, finish, refuse_session, session_of};
use crate::clock::Duration;
use crate::key::Flow;
use crate::refusal::Refusal;
use crate::sip::digest::Tried;
use crate::sip::sdp::Sdp;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::transaction::{ClientKey, ServerKey};

/// The peer offers.
impl Leg {
    pub(super) fn hear_update(
        &mut self,
        server: ServerKey,
        request: Message,
        means: &mut Means,
    ) -> Result<Option<LegEvent>, Refusal> {
        if !request.is_body_known() || session_of(&request).is_some() {
            return self.hear_reoffer(server, request, means);
        }
        if matches!(self.state, State::Leaving { .. } | State::Gone) {
            return Err(Refusal::call_does_not_exist());
        }
        // A refresh, or a new Contact: the other side has nothing to do with it.
        self.check_interval(&request)?;
        self.agree(server, &request, None, means);
        Ok(None)
    }

    pub(super) fn hear_reoffer(
        &mut self,
        server: ServerKey,
        request: Message,
        means: &mut Means,
    ) -> Result<Option<LegEvent>, Refusal> {
        self.may_be_offered(request.method(), means)?;
        // A phone behind a proxy whose session nobody listens to.
        if matches!(&self.state, State::Inviting(inviting) if !inviting.forks.follows(&request)) {
            return Err(Refusal::not_acceptable_here());
        }
        let session = session_of(&request);
        if !request.is_body_known() {
            return Err(Refusal::unsupported_media_type(ACCEPT));
        }
        if let Some(session) = &session {
            fits(session).map_err(refuse_session)?;
        }
        self.check_interval(&request)?;
        // Whoever offers anew has heard our last answer, even where its ACK was lost.
        if let State::Talking(talking) = &mut self.state
            && request.method() == Method::Invite
            && let Some(Unacknowledged { invite, .. }) = talking.unacknowledged.take()
        {
            let goodbye = talking.goodbye.take();
            let (transactions, mut hand) = means.hand();
            transactions.acknowledged(invite, &mut hand);
            // Our BYE waited for nothing else (RFC 3261 §15); the offer comes too late.
            if let Some(why) = goodbye {
                self.hang_up(why, means);
                return Err(Refusal::call_does_not_exist());
            }
        }
        if self.answer_refresh(server, &request, means) {
            return Ok(None);
        }
        self.reoffer = Reoffer::Theirs { asked: server, request: Box::new(request) };
        let hold = session.as_ref().is_some_and(|session| Sdp::read(session).is_ok_and(|sdp| sdp.is_hold()));
        Ok(Some(LegEvent::Reoffered { session, hold }))
    }

    /// One offer at a time, in either direction (RFC 3261 §14.2, RFC 3311 §5.2).
    fn may_be_offered(&self, method: Method, means: &mut Means) -> Result<(), Refusal> {
        let update = method != Method::Invite;
        let pending = Refusal::request_pending;
        match (&self.state, &self.reoffer) {
            // Our last offer still waits for its answer.
            (State::Talking(Talking { unacknowledged: Some(Unacknowledged { offered: true, .. }), .. }), _) => {
                Err(pending())
            }
            (State::Talking(Talking { owes_ack: Some(_), .. }), _) if update => Err(later(means)),
            (State::Talking(_), Reoffer::None) => Ok(()),
            (State::Offered { .. } | State::Inviting(_), Reoffer::None) if update && self.is_agreed() => Ok(()),
            // RFC 5407 §3.2.3: it crosses our BYE.
            (State::Leaving { .. } | State::Gone, _) => Err(Refusal::call_does_not_exist()),
            (State::Offered { .. }, Reoffer::None) | (_, Reoffer::Theirs { .. }) => Err(later(means)),
            (_, _) => Err(pending()),
        }
    }

    /// Where the peer has taken its offer back, or cannot be told the answer, the other side's 2xx is acknowledged all the
    /// same.
    pub(super) fn accept_reoffer(&mut self, session: Option<Session>, means: &mut Means) -> Option<LegEvent> {
        let Reoffer::Theirs { asked, request } = &self.reoffer else {
            return Some(LegEvent::Acknowledged(None));
        };
        let (asked, offered) = (*asked, session_of(request));
        let source = self.source(asked, means);
        let before = self.anchor.mark();
        let told = session.map(|session| self.outward(&session, means)).transpose();
        // Only what is agreed moves the media: a refused offer leaves everything as it was (RFC 3261 §14.1).
        let heard = offered.map_or(Ok(()), |offered| self.anchor.inward(self.key, &offered, &source, means));
        let (Ok(session), Ok(())) = (told, heard) else {
            self.anchor.take_back(before);
            self.refuse_reoffer(488, means);
            return Some(LegEvent::Acknowledged(None));
        };
        let Reoffer::Theirs { request, .. } = std::mem::take(&mut self.reoffer) else { return None };
        self.agree(asked, &request, session.as_ref(), means);
        None
    }

    /// 200 to a re-INVITE or UPDATE, with `session` as its peer shall hear it.
    pub(super) fn agree(&mut self, asked: ServerKey, request: &Message, session: Option<&Session>, means: &mut Means) {
        let source = self.source(asked, means).remote;
        let bytes = means.write(|writer, means| {
            let mut draft = writer.reply(request, Status::OK, self.tag.as_str(), source);
            if request.method() != Method::Prack {
                draft.header(HeaderName::Contact, contact(&self.flow, means));
                draft.header(HeaderName::Allow, ALLOW);
                self.refresh.agree(request, &mut draft);
            }
            finish(&mut draft, session)
        });
        means.respond(asked, Status::OK, bytes);
        self.note(means, false, request.method(), 200);
        self.provisional.told_anew(session);
        if let State::Talking(talking) = &mut self.state {
            if request.method() == Method::Invite {
                talking.unacknowledged = Some(Unacknowledged::of(asked, request));
            }
            if request.method() != Method::Prack {
                self.refreshed_by(request, means);
            }
        }
    }

    pub(super) fn refuse_reoffer(&mut self, status: u16, means: &mut Means) {
        if !matches!(self.reoffer, Reoffer::Theirs { .. }) {
            return;
        }
        let Reoffer::Theirs { asked, request } = std::mem::take(&mut self.reoffer) else { return };
        // A PRACK is not sent again: it acknowledges all the same, so no other refusal would mean its offer alone.
        let said = Status::new(status).filter(|status| status.class() >= 3 && request.method() != Method::Prack);
        let status = said.unwrap_or(Status::NOT_ACCEPTABLE_HERE);
        self.reply(asked, &request, status, means);
    }
}

/// We offer.
impl Leg {
    pub(super) fn reoffer(&mut self, session: Option<Session>, means: &mut Means) -> Option<LegEvent> {
        // RFC 3261 §14.1: not while another INVITE is under way, in either direction.
        let settled = match &self.state {
            State::Talking(Talking { owes_ack: None, unacknowledged: Some(ours), .. })
                if !ours.offered && matches!(self.reoffer, Reoffer::None) && !self.untold =>
            {
                // A phone that holds as soon as it has answered may be faster than the other side's ACK.
                self.reoffer = Reoffer::Waiting { session };
                return None;
            }
            State::Talking(talking) => talking.owes_ack.is_none() && talking.unacknowledged.is_none(),
            _ => true,
        };
        if !settled || !matches!(self.reoffer, Reoffer::None) {
            return Some(LegEvent::ReofferRefused(491));
        }
        self.tried = Tried::default();
        self.send_reoffer(session, means)
    }

    /// By re-INVITE, or in an early dialog by UPDATE, where its first offer has got an answer that is sure to have arrived
    /// (RFC 3311 §5.1).
    fn send_reoffer(&mut self, session: Option<Session>, means: &mut Means) -> Option<LegEvent> {
        let method = match self.state {
            State::Talking(_) => Method::Invite,
            _ if self.is_agreed() && self.refresh.updates && session.is_some() => Method::Update,
            // The caller's own answer still waits: the other side may try again.
            _ => return Some(LegEvent::ReofferRefused(491)),
        };
        let before = self.anchor.mark();
        let told = match session.as_ref().map(|session| self.outward(session, means)).transpose() {
            Ok(told) => told,
            Err(refusal) => return Some(LegEvent::ReofferRefused(refusal.status().code())),
        };
        // RFC 3325 §9.1: to phones of ours. A trunk is told who we are, never with whom its customer talks.
        let introduced = self.introduced.clone().filter(|_| matches!(self.peer, Peer::Extension(_)));
        let asked = self.request(method, means, |draft| {
            if let Some(named) = &introduced {
                draft.name_addr(HeaderName::PAssertedIdentity, &named.display, named.uri.as_str(), "");
            }
            finish(draft, told.as_ref())
        })?;
        self.reoffer = Reoffer::Ours { asked, session, before };
        None
    }

    /// The final answer to what we offered.
    pub(super) fn hear_reoffer_answer(
        &mut self,
        status: Status,
        response: &Message,
        flow: Flow,
        means: &mut Means,
    ) -> Option<LegEvent> {
        let Reoffer::Ours { session: offer, before, .. } = std::mem::take(&mut self.reoffer) else { return None };
        let (offered, invite) = (offer.is_some(), response.method() == Method::Invite);
        if !status.is_success() {
            if invite {
                self.note(means, false, Method::Ack, 0);
            }
            self.anchor.take_back(before);
            let longer = status == Status::SESSION_INTERVAL_TOO_SMALL && self.refresh.raise(response);
            if longer || self.answers_challenge(response, means) {
                return self.send_reoffer(offer, means);
            }
            // RFC 3261 §14.1: these two mean that the dialog itself is gone.
            return match status.code() {
                408 | 481 if matches!(self.state, State::Talking(_)) => self.lost(means),
                // These speak of us and this peer, not of the session that the other side wants.
                401 | 407 | 503 => Some(LegEvent::ReofferRefused(500)),
                status => Some(LegEvent::ReofferRefused(status)),
            };
        }
        self.target_moved(response, flow);
        let session = session_of(response);
        if let Some(session) = &session {
            let _ = self.anchor.inward(self.key, session, &flow, means);
        }
        self.provisional.told_anew(self.anchor.told());
        if let State::Talking(talking) = &mut self.state {
            talking.owes_ack = Some(response.cseq().number).filter(|_| invite).or(talking.owes_ack);
            self.refreshed(response, means);
        }
        if offered && invite {
            self.acknowledge_plainly(means);
        }
        Some(LegEvent::Reanswered(session))
    }

    /// Nobody has heard what we offered: everything stays as it was.
    pub(super) fn offer_unheard(&mut self) -> Option<LegEvent> {
        if let Reoffer::Ours { before, .. } = std::mem::take(&mut self.reoffer) {
            self.anchor.take_back(before);
        }
        Some(LegEvent::ReofferRefused(500))
    }

    /// While the dialog is early: true where its first offer has got an answer that is sure to have arrived.
    fn is_agreed(&self) -> bool {
        match &self.state {
            State::Inviting(inviting) => inviting.forks.is_agreed(),
            _ => self.agreed,
        }
    }

    /// A 2xx to a request of ours may name a new Contact (RFC 3261 §12.2.1.2).
    pub(super) fn target_moved(&mut self, response: &Message, flow: Flow) {
        let dialog = match &mut self.state {
            State::Inviting(inviting) => inviting.forks.of(response).map(|fork| &mut fork.dialog),
            _ => self.dialog.as_mut().filter(|dialog| dialog.owns(response)),
        };
        dialog.into_iter().for_each(|dialog| dialog.refresh(response, flow));
    }

    /// True where a response answers what we have offered.
    pub(super) fn has_offered(&self, client: ClientKey) -> bool {
        matches!(self.reoffer, Reoffer::Ours { asked, .. } if asked == client)
    }

    /// Our offer is not wanted any more. An INVITE for whose answer nobody waits may not stay open for ever.
    pub(super) fn withdraw_reoffer(&mut self, means: &mut Means) {
        if let Reoffer::Ours { asked: invite, .. } | Reoffer::Refresh { invite } = &self.reoffer {
            let (transactions, mut hand) = means.hand();
            transactions.cancel(*invite, None, &mut hand);
        } else if let Reoffer::Waiting { .. } = &self.reoffer {
            self.reoffer = Reoffer::None;
        }
    }

    /// The ACK that waited for the other side's answer.
    pub(super) fn acknowledge(&mut self, session: Option<Session>, means: &mut Means) {
        let State::Talking(talking) = &mut self.state else { return };
        if let Some(cseq) = talking.owes_ack.take() {
            let session = session.and_then(|session| self.outward(&session, means).ok());
            self.send_ack(cseq, session.as_ref(), means);
        }
    }
}

/// RFC 3261 §14.2: come again in a moment that differs from anybody else's.
fn later(means: &mut Means) -> Refusal {
    Refusal::server_error(Some(Duration::from_secs(1 + means.entropy.below(9))))
}
