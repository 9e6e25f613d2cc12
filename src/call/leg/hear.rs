//! What a leg's peer says, and what its call hears of it.

use std::sync::Arc;

use bytes::Bytes;

use super::super::alphabet::{LegEvent, Passed, Redirected, Refused, Why};
use super::super::forks::Worth;
use super::super::invitation::{ALLOW, Wire, contact, unknown_extensions};
use super::super::means::{Means, User};
use super::keyways::KeyWay;
use super::{Inviting, Leg, Peer, Reoffer, State, Talking, Unacknowledged, challenged, dismiss, session_of};
use crate::dialog::Dialog;
use crate::key::Flow;
use crate::refusal::Refusal;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::transaction::{ClientKey, ServerKey, Why as Unheard};

/// What the peer says.
impl Leg {
    /// A response to a request of ours.
    pub fn hear_response(
        &mut self,
        client: ClientKey,
        response: &Message,
        flow: Flow,
        means: &mut Means,
    ) -> Option<LegEvent> {
        let status = response.status()?;
        self.note(means, true, response.method(), status.code());
        self.refresh.read_allow(response);
        match (&self.state, response.method()) {
            (State::Inviting(inviting), Method::Invite) if inviting.invite == client => match status.class() {
                1 => self.hear_progress(status, response, flow, means),
                2 => self.hear_answer(response, flow, means),
                _ => self.hear_refusal(status, response, means),
            },
            // Our BYE is under way, and the peer has accepted the offer before it.
            (State::Leaving { .. }, Method::Invite) if status.is_success() => {
                self.send_ack(response.cseq().number, None, means);
                None
            }
            (State::Leaving { reason }, Method::Bye) if status.is_final() => {
                let reason = reason.clone();
                // A trunk that only asks who we are has not hung up.
                match self.answers_challenge(response, means) {
                    true => self.say_goodbye(reason, means),
                    false => self.state = State::Gone,
                }
                None
            }
            (State::Talking(_), _) if status.is_final() && self.is_refresh(client) => {
                self.hear_refreshed(status, response, flow, means)
            }
            (_, Method::Invite | Method::Update) if status.is_final() && self.has_offered(client) => {
                self.hear_reoffer_answer(status, response, flow, means)
            }
            // RFC 3261 §12.2.1.2: a peer that knows no dialog, or does not answer, has left it.
            (_, Method::Prack) => {
                self.hear_pracked(client, response, means);
                None
            }
            (State::Talking(_), Method::Notify) => {
                if status.is_final() {
                    self.was_notify(client);
                }
                None
            }
            (State::Talking(_), _) if matches!(status.code(), 408 | 481) => self.lost(means),
            (_, _) => None,
        }
    }

    /// A 2xx to an INVITE that was answered before: the same again, or another phone's.
    pub fn hear_another_answer(&mut self, response: &Message, flow: Flow, means: &mut Means) {
        self.note(means, true, Method::Invite, 200);
        let ours = self.dialog.as_ref().is_some_and(|dialog| dialog.owns(response));
        if ours {
            let ack = self.acked.as_ref().filter(|(cseq, _)| *cseq == response.cseq().number);
            if let (Some((_, ack)), Some(dialog)) = (ack, &self.dialog) {
                means.send_on(dialog, ack.clone());
                self.note(means, false, Method::Ack, 0);
            }
            return;
        }
        dismiss(response, flow, means);
        self.note(means, false, Method::Ack, 0);
        self.note(means, false, Method::Bye, 0);
    }

    fn hear_progress(&mut self, status: Status, response: &Message, flow: Flow, means: &mut Means) -> Option<LegEvent> {
        let State::Inviting(inviting) = &mut self.state else { return None };
        let first = !std::mem::replace(&mut inviting.reached, true);
        if status == Status::TRYING {
            return first.then_some(LegEvent::Reached);
        }
        let reached = first.then_some(LegEvent::Reached);
        let contact = contact(&flow, means);
        let worth = match inviting.forks.hear(response, flow, &contact, &inviting.invitation.target) {
            Worth::Nothing => return reached,
            // An offer of its own in there could not be answered (RFC 3262 §5); we asked for none.
            Worth::Reliable(_) if inviting.invitation.session.is_none() => Worth::Unreliable,
            worth => worth,
        };
        inviting.rang |= status == Status::RINGING;
        let session = inviting.forks.listen(response, session_of(response), worth != Worth::Unreliable);
        if let Worth::Reliable(rseq) = worth {
            self.acknowledge_reliably(response, rseq, means);
        }
        if let Some(session) = &session {
            // Early media that we cannot read is not heard; the answer will say more.
            let _ = self.anchor.inward(self.key, session, &flow, means);
        }
        Some(match status {
            Status::RINGING => LegEvent::Ringing(session),
            _ => LegEvent::Progress(session),
        })
    }

    fn hear_answer(&mut self, response: &Message, flow: Flow, means: &mut Means) -> Option<LegEvent> {
        let State::Inviting(inviting) = &mut self.state else { return None };
        let (cancelled, offered) = (inviting.cancelled, inviting.invitation.session.is_some());
        let followed = inviting.forks.follows(response);
        let fork = inviting.forks.take(response);
        let session = match (session_of(response), &fork) {
            // It was told before, reliably or not, and what it says now is no news: what came between holds.
            (None, Some(fork)) if followed && fork.session.is_some() => self.anchor.heard().cloned(),
            (said @ Some(_), Some(fork)) if followed && fork.agreed && fork.session == said => {
                self.anchor.heard().cloned()
            }
            (None, Some(fork)) => fork.session.clone(),
            (said, _) => said,
        };
        self.dialog = match fork {
            Some(mut fork) => {
                fork.dialog.hear(response, flow);
                Some(fork.dialog)
            }
            None => {
                let contact = contact(&flow, means);
                Dialog::from_response(response, flow, &contact, &inviting.invitation.target)
            }
        };
        let cseq = response.cseq().number;
        self.state = State::Talking(Talking { owes_ack: Some(cseq), ..Talking::default() });
        if cancelled {
            // RFC 3261 §9.1: the 200 crossed our CANCEL, so the call stands and has to be hung up.
            self.hang_up(Why::default(), means);
            return None;
        }
        let unfit = session.as_ref().and_then(|session| self.anchor.inward(self.key, session, &flow, means).err());
        if unfit.is_some() {
            self.hang_up(Why::default(), means);
            return Some(LegEvent::Refused(Refused { status: 488, rang: false, reason: None }));
        }
        if offered {
            self.acknowledge_plainly(means);
        }
        self.refreshed(response, means);
        Some(LegEvent::Answered(session))
    }

    fn hear_refusal(&mut self, status: Status, response: &Message, means: &mut Means) -> Option<LegEvent> {
        self.note(means, false, Method::Ack, 0);
        if self.try_again(response, means) {
            return None;
        }
        let State::Inviting(inviting) = &self.state else { return None };
        let (rang, cancelled) = (inviting.rang, inviting.cancelled);
        self.refuse_reoffer(487, means);
        self.state = State::Gone;
        let reason = response.header(HeaderName::Reason).map(Bytes::copy_from_slice);
        // Whoever is cancelled has nothing to say any more, unless a person said no at that very moment.
        let counts = !cancelled || status == Status::DECLINE;
        let refused = counts.then_some(Refused { status: status.code(), rang, reason })?;
        Some(match self.elsewhere(response) {
            Some(to) => LegEvent::Redirected(Redirected { to, refused }),
            None => LegEvent::Refused(refused),
        })
    }

    /// Where an employee's phone sends the call instead: the user of the Contact that it likes best (RFC 3261 §8.1.3.4).
    /// What a trunk says of other places is not for us to call.
    fn elsewhere(&self, response: &Message) -> Option<Arc<str>> {
        let follows = matches!(response.status()?.code(), 300..=302) && matches!(self.peer, Peer::Extension(_));
        let contacts = response.addresses(HeaderName::Contact).filter(|_| follows);
        let users = contacts.filter_map(|contact| {
            let user = contact.uri.user_unescaped().filter(|user| !user.is_empty())?;
            Some((contact.q().unwrap_or(1000), Arc::from(&*user)))
        });
        // The first of those that it likes equally.
        users.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, user)| user)
    }

    /// The trunk asks for credentials, or the peer for a longer session interval: the INVITE once more, with them
    /// (RFC 3261 §22.2, RFC 4028 §7.3).
    fn try_again(&mut self, response: &Message, means: &mut Means) -> bool {
        let State::Inviting(mut inviting) = std::mem::replace(&mut self.state, State::Gone) else { return false };
        let trunk = inviting.invitation.trunk.clone();
        let asked_anew = match response.status() {
            _ if inviting.cancelled => false,
            Some(Status::SESSION_INTERVAL_TOO_SMALL) => self.refresh.raise(response),
            _ => trunk.is_some_and(|trunk| challenged(&trunk, response, &mut inviting.tried, means)),
        };
        let sent = asked_anew && self.invite_again(&mut inviting, means);
        self.state = State::Inviting(inviting);
        sent
    }

    /// The stream that was taken for a large INVITE is closed: it goes as a datagram after all.
    fn goes_as_datagram(&mut self, means: &mut Means) -> bool {
        let State::Inviting(mut inviting) = std::mem::replace(&mut self.state, State::Gone) else { return false };
        let datagram = inviting.invitation.datagram.take().filter(|_| !inviting.cancelled);
        let sent = datagram.is_some_and(|datagram| {
            (inviting.invitation.flow, self.flow) = (datagram, datagram);
            self.invite_again(&mut inviting, means)
        });
        self.state = State::Inviting(inviting);
        sent
    }

    fn invite_again(&mut self, inviting: &mut Inviting, means: &mut Means) -> bool {
        let wire = Wire {
            tag: self.tag,
            call_id: inviting.call_id,
            cseq: inviting.cseq + 1,
            branch: means.entropy.branch(),
            habits: self.refresh.habits(),
        };
        let Ok(bytes) = self.write_invite(&mut inviting.invitation, wire, means) else { return false };
        inviting.cseq = wire.cseq;
        let (transactions, mut hand) = means.hand();
        inviting.invite =
            transactions.request(User::Leg(self.key), self.flow, Method::Invite, wire.branch, bytes, &mut hand);
        self.note(means, false, Method::Invite, 0);
        true
    }

    /// A request within the leg's dialog, neither ACK nor CANCEL. `None` with a refusal is answered by the switch.
    ///
    /// # Errors
    /// What the peer is to hear instead.
    pub fn hear_request(
        &mut self,
        server: ServerKey,
        request: Message,
        flow: Flow,
        means: &mut Means,
    ) -> Result<Option<LegEvent>, Refusal> {
        let dialog = match &mut self.state {
            // RFC 3261 §15: who is called may not hang up in an early dialog.
            State::Inviting(_) if !matches!(request.method(), Method::Update | Method::Options) => None,
            State::Inviting(inviting) => inviting.forks.of(&request).map(|fork| &mut fork.dialog),
            _ => self.dialog.as_mut().filter(|dialog| dialog.owns(&request)),
        };
        dialog.ok_or(Refusal::call_does_not_exist())?.accept(&request, flow)?;
        if let Some(refusal) = unknown_extensions(&request, &[]) {
            return Err(refusal);
        }
        self.refresh.read_allow(&request);
        means.transactions.set_user(server, User::Leg(self.key));
        self.note(means, true, request.method(), 0);
        match request.method() {
            Method::Bye => Ok(self.hear_bye(server, &request, means)),
            Method::Invite => self.hear_reoffer(server, request, means),
            Method::Update => self.hear_update(server, request, means),
            Method::Prack => self.hear_prack(server, request, means),
            Method::Refer => self.hear_refer(server, request).map(Some),
            Method::Info => Ok(Some(self.hear_info(server, &request, means))),
            Method::Options => {
                self.reply_ok(server, &request, means);
                Ok(None)
            }
            Method::Notify => Err(Refusal::call_does_not_exist()),
            Method::Subscribe => Err(Refusal::new(Status::BAD_EVENT)),
            Method::Other => Err(Refusal::new(Status::NOT_IMPLEMENTED).with(HeaderName::Allow, ALLOW)),
            _ => Err(Refusal::method_not_allowed(ALLOW)),
        }
    }

    fn hear_bye(&mut self, server: ServerKey, request: &Message, means: &mut Means) -> Option<LegEvent> {
        self.acknowledge_plainly(means);
        // RFC 3261 §15.1.2: whatever still waits for an answer gets 487.
        self.refuse_reoffer(487, means);
        self.withdraw_reoffer(means);
        self.forget_transfer(means);
        self.reply_ok(server, request, means);
        let reason = request.header(HeaderName::Reason).map(Bytes::copy_from_slice);
        match self.state {
            State::Talking(Talking { unacknowledged: Some(Unacknowledged { invite, .. }), .. }) => {
                let (transactions, mut hand) = means.hand();
                transactions.acknowledged(invite, &mut hand);
                self.state = State::Gone;
                Some(LegEvent::Ended(Why { reason, lost: false }))
            }
            State::Talking(_) => {
                self.state = State::Gone;
                Some(LegEvent::Ended(Why { reason, lost: false }))
            }
            // A caller may give up with BYE in an early dialog too; its INVITE then gets 487 from the call.
            State::Offered { .. } => Some(LegEvent::Ended(Why { reason, lost: false })),
            State::Inviting(_) | State::Leaving { .. } | State::Gone => None,
        }
    }

    fn hear_info(&mut self, server: ServerKey, request: &Message, means: &mut Means) -> LegEvent {
        self.reply_ok(server, request, means);
        let copy = |name| request.header(name).map(Bytes::copy_from_slice);
        let (content_type, body) = (copy(HeaderName::ContentType).unwrap_or_default(), request.body_bytes());
        let key = Passed::key_in(&content_type, &body);
        LegEvent::Passed(Passed {
            content_type,
            body,
            package: request.header_named("Info-Package").map(Bytes::copy_from_slice),
            key,
            is_echo: key.is_some_and(|key| !self.keys.is_news(KeyWay::Info, key, means.now.mono)),
        })
    }

    /// The caller takes the INVITE back (RFC 3261 §9.2). The CANCEL itself is answered by the switch.
    pub fn hear_cancel(&mut self, cancel: &Message, means: &mut Means) -> Option<LegEvent> {
        self.note(means, true, Method::Cancel, 0);
        self.note(means, false, Method::Cancel, 200);
        if let State::Offered { .. } = self.state {
            let reason = cancel.header(HeaderName::Reason).map(Bytes::copy_from_slice);
            return Some(LegEvent::Ended(Why { reason, lost: false }));
        }
        let is_invite = |request: &Message| request.method() == Method::Invite;
        match &self.reoffer {
            Reoffer::Theirs { request, .. } if is_invite(request) => {
                self.refuse_reoffer(487, means);
                Some(LegEvent::ReofferWithdrawn)
            }
            _ => None,
        }
    }

    /// The peer acknowledges our 2xx.
    pub fn hear_ack(&mut self, ack: &Message, flow: Flow, means: &mut Means) -> Option<LegEvent> {
        if !self.dialog.as_ref().is_some_and(|dialog| dialog.owns(ack)) {
            return None;
        }
        self.note(means, true, Method::Ack, 0);
        let State::Talking(talking) = &mut self.state else { return None };
        let cseq = ack.cseq().number;
        let Unacknowledged { invite, offered, .. } = talking.unacknowledged.take_if(|ours| ours.cseq == cseq)?;
        let goodbye = talking.goodbye.take();
        let (transactions, mut hand) = means.hand();
        transactions.acknowledged(invite, &mut hand);
        if let Some(why) = goodbye {
            self.hang_up(why, means);
            return None;
        }
        if self.untold {
            self.tell_anew(means);
        }
        if let Reoffer::Waiting { session } = &mut self.reoffer {
            let session = session.take();
            self.reoffer = Reoffer::None;
            return self.reoffer(session, means);
        }
        if !offered {
            return None;
        }
        let session = session_of(ack);
        if let Some(session) = &session {
            let _ = self.anchor.inward(self.key, session, &flow, means);
        }
        Some(LegEvent::Acknowledged(session))
    }

    /// A request of ours gets no answer, or our answer no ACK.
    pub fn hear_silence(&mut self, client: Option<ClientKey>, why: Unheard, means: &mut Means) -> Option<LegEvent> {
        if client.is_some_and(|client| self.was_prack(client)) {
            return None;
        }
        let is_open = matches!(&self.state, State::Inviting(inviting) if client == Some(inviting.invite));
        if is_open && why == Unheard::FlowFailed && self.goes_as_datagram(means) {
            return None;
        }
        match &self.state {
            State::Inviting(inviting) if client == Some(inviting.invite) => {
                let (rang, cancelled) = (inviting.rang, inviting.cancelled);
                self.state = State::Gone;
                // RFC 3261 §8.1.3.1; of a phone whose connection is lost it only matters whether it rang.
                let status = match (why, &self.peer) {
                    (Unheard::FlowFailed, Peer::Trunk(_)) => 503,
                    (_, _) => 408,
                };
                (!cancelled).then_some(LegEvent::Refused(Refused { status, rang, reason: None }))
            }
            State::Talking(_) | State::Leaving { .. } if why == Unheard::FlowFailed => {
                client.and_then(|client| self.hear_no_way(client, means))
            }
            // RFC 5057 §5.1: a NOTIFY without an answer says nothing about the talk.
            State::Talking(_) => match client.is_some_and(|client| self.was_notify(client)) {
                true => None,
                false => self.lost(means),
            },
            _ if client.is_some_and(|client| self.has_offered(client)) => self.offer_unheard(),
            State::Leaving { .. } => {
                self.state = State::Gone;
                None
            }
            State::Offered { .. } | State::Inviting(_) | State::Gone => None,
        }
    }

    /// The peer is not there any more. It is told goodbye all the same, in case it hears.
    pub(super) fn lost(&mut self, means: &mut Means) -> Option<LegEvent> {
        self.hang_up(Why { reason: None, lost: true }, means);
        Some(LegEvent::Ended(Why { reason: None, lost: true }))
    }
}
