//! One side of a call: SIP in, [`LegEvent`]s out; [`LegOrder`]s in, SIP out.
//!
//! ```text
//!   the caller's leg                              a leg that we ring
//!
//!   Offered ──Refuse──► Gone                      Inviting ──3xx–6xx──► Gone
//!      │ Answer                                      │  │ Cancel
//!      ▼                                         2xx │  ▼
//!   Talking ◄─────────────────────────────────────── ┤  Inviting, cancelled ──487──► Gone
//!      │ BYE from the peer ──► Gone                  │  │ 2xx: the peer was faster
//!      │ End                                         │  ▼
//!      └──────────────► Leaving ◄────────────────────┴──┘  ──200, timeout──► Gone
//! ```
//!
//! A leg writes and reads everything its peer can hear, and nothing else: it never knows whom its call talks with.

use std::sync::Arc;

use bytes::Bytes;

use super::alphabet::{LegEvent, LegOrder, Passed, Refused, Session, StopReason, Why};
use super::invitation::{ALLOW, Invitation, Wire, authorize, contact};
use super::means::{Means, User};
use super::session::{Anchor, Unfit, fits};
use crate::clock::Instant;
use crate::dialog::Dialog;
use crate::entropy::Token;
use crate::key::{CallKey, Flow, LegKey};
use crate::refusal::Refusal;
use crate::sip::digest::{Asker, Tried};
use crate::sip::sdp::Sdp;
use crate::sip::{Draft, HeaderName, Message, Method, Status};
use crate::transaction::{ClientKey, ServerKey};

/// Who is at the other end of a leg.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An employee's phone.
    Extension(Arc<str>),
    /// A trunk.
    Trunk(Arc<str>),
}

impl Peer {
    /// The extension's number, or the trunk's name.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Peer::Extension(name) | Peer::Trunk(name) => name,
        }
    }
}

/// One side of a call.
#[derive(Debug)]
pub struct Leg {
    key: LegKey,
    call: CallKey,
    number: u16,
    peer: Peer,
    flow: Flow,
    tag: Token,
    state: State,
    dialog: Option<Dialog>,
    anchor: Anchor,
    reoffer: Reoffer,
    /// How often a trunk has asked for credentials to our last request within the dialog.
    tried: Tried,
    /// The ACK to the last 2xx with its CSeq, to be sent again when that comes again.
    acked: Option<(u32, Bytes)>,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum State {
    /// The caller waits for an answer.
    Offered { invite: ServerKey, request: Box<Message> },
    /// The peer is being rung.
    Inviting(Box<Inviting>),
    /// Both have said yes.
    Talking(Talking),
    /// We have said goodbye, for this reason, and wait for the answer.
    Leaving { reason: Option<Bytes> },
    /// Nothing is left to say.
    Gone,
}

#[derive(Debug)]
struct Inviting {
    invite: ClientKey,
    invitation: Invitation,
    call_id: Token,
    cseq: u32,
    tried: Tried,
    reached: bool,
    rang: bool,
    cancelled: bool,
}

#[derive(Debug, Default)]
struct Talking {
    /// Our 2xx whose ACK has not come yet: until then we may not hang up (RFC 3261 §15).
    unacknowledged: Option<Unacknowledged>,
    /// What waits for that ACK.
    goodbye: Option<Why>,
    /// The CSeq of an INVITE of ours whose 2xx held an offer: the ACK waits for the other side's answer to it.
    owes_ack: Option<u32>,
}

/// A 2xx of ours on its way.
#[derive(Debug)]
struct Unacknowledged {
    invite: ServerKey,
    cseq: u32,
    /// The 2xx made an offer, so its ACK brings the answer.
    offered: bool,
}

impl Unacknowledged {
    fn of(invite: ServerKey, request: &Message) -> Unacknowledged {
        Unacknowledged { invite, cseq: request.cseq().number, offered: session_of(request).is_none() }
    }
}

/// A new session within a running talk: at most one at a time.
#[derive(Debug, Default)]
enum Reoffer {
    #[default]
    None,
    /// The peer has offered, and waits.
    Theirs { invite: ServerKey, request: Box<Message> },
    /// We have offered.
    Ours { invite: ClientKey, session: Option<Session> },
}

/// A message on this leg, for the ladder.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// When.
    pub at: Instant,
    /// Which of all messages, where several come at once.
    pub serial: u32,
    /// From the peer to us.
    pub inward: bool,
    /// The method, of the request or of what a response answers.
    pub method: Method,
    /// 0 for a request.
    pub status: u16,
}

/// How many messages of one leg are kept for the ladder.
const KEPT: usize = 200;

impl Leg {
    /// The caller's leg: an INVITE came in and was let in.
    ///
    /// # Errors
    /// 400 where nobody could speak back to it.
    pub fn offered(
        key: LegKey,
        call: CallKey,
        peer: Peer,
        flow: Flow,
        invite: ServerKey,
        request: Message,
        means: &mut Means,
    ) -> Result<Leg, Refusal> {
        let tag = means.entropy.tag();
        let dialog = Dialog::from_request(&request, flow, tag, &contact(&flow, means))?;
        let state = State::Offered { invite, request: Box::new(request) };
        let mut leg = Leg::new(key, call, 0, peer, flow, tag, state);
        leg.dialog = Some(dialog);
        leg.note(means, true, Method::Invite, 0);
        leg.note(means, false, Method::Invite, 100);
        means.transactions.set_user(invite, User::Leg(key));
        means.dialogs.insert(tag, key);
        Ok(leg)
    }

    /// A leg that is rung. Its INVITE leaves at once.
    ///
    /// # Errors
    /// Where the session cannot pass (no port, unreadable): 488 or 500, as if the peer had said so.
    pub fn invited(
        key: LegKey,
        call: CallKey,
        number: u16,
        peer: Peer,
        invitation: Invitation,
        means: &mut Means,
    ) -> Result<Leg, Refusal> {
        let (tag, call_id) = (means.entropy.tag(), means.entropy.sip_call_id());
        let flow = invitation.flow;
        let mut leg = Leg::new(key, call, number, peer, flow, tag, State::Gone);
        let wire = Wire { tag, call_id, cseq: 1, branch: means.entropy.branch() };
        let bytes = leg.write_invite(&invitation, wire, means).inspect_err(|_| leg.close(means));
        let bytes = bytes?;
        let (transactions, mut hand) = means.hand();
        let invite = transactions.request(User::Leg(key), flow, Method::Invite, wire.branch, bytes, &mut hand);
        leg.state = State::Inviting(Box::new(Inviting {
            invite,
            invitation,
            call_id,
            cseq: 1,
            tried: Tried::default(),
            reached: false,
            rang: false,
            cancelled: false,
        }));
        leg.note(means, false, Method::Invite, 0);
        means.dialogs.insert(tag, key);
        Ok(leg)
    }

    fn new(key: LegKey, call: CallKey, number: u16, peer: Peer, flow: Flow, tag: Token, state: State) -> Leg {
        Leg {
            key,
            call,
            number,
            peer,
            flow,
            tag,
            state,
            dialog: None,
            anchor: Anchor::default(),
            reoffer: Reoffer::None,
            tried: Tried::default(),
            acked: None,
            steps: Vec::new(),
        }
    }

    /// The caller's session, read: packets of the caller are expected from there.
    ///
    /// # Errors
    /// 488 for what cannot be read, 500 where no port is free.
    pub fn expect(&mut self, session: &Session, means: &mut Means) -> Result<(), Refusal> {
        let flow = self.flow;
        self.anchor.inward(self.key, session, &flow, means).map_err(refuse_session)
    }

    /// Its call.
    pub fn call(&self) -> CallKey {
        self.call
    }

    /// Its number within the call; the caller's is 0.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The ports of its media.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// What was said on it so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The flow on which its peer speaks.
    pub fn flow(&self) -> Flow {
        self.dialog.as_ref().map_or(self.flow, Dialog::flow)
    }

    /// True where the one at the other end cannot take another call: talking, or dialling. Ringing is not busy.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Offered { .. } | State::Talking(_))
    }

    /// True for a caller who has got no final answer yet.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Offered { .. })
    }

    /// True once nothing is left to say; the leg can be forgotten.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Gives back what the leg holds, when it is forgotten.
    pub fn close(&mut self, means: &mut Means) {
        self.anchor.close(self.key, means);
        means.dialogs.remove(&self.tag);
    }

    fn note(&mut self, means: &mut Means, inward: bool, method: Method, status: u16) {
        if self.steps.len() < KEPT {
            means.messages = means.messages.wrapping_add(1);
            self.steps.push(Step { at: means.now.mono, serial: means.messages, inward, method, status });
        }
    }
}

/// Orders from the call.
impl Leg {
    /// Does what the call says. An event comes back where it cannot be done.
    pub fn obey(&mut self, order: LegOrder, means: &mut Means) -> Option<LegEvent> {
        match (&mut self.state, order) {
            (State::Offered { .. }, LegOrder::Ring(session)) => self.progress(Status::RINGING, session, means),
            (State::Offered { .. }, LegOrder::Progress(session)) => {
                self.progress(Status::SESSION_PROGRESS, session, means);
            }
            (State::Offered { .. }, LegOrder::Answer(session)) => return self.answer(session, means),
            (State::Offered { .. }, LegOrder::Refuse { status, reason }) => self.refuse(status, reason, means),
            (State::Offered { .. }, LegOrder::End(why)) => self.refuse(480, why.reason, means),
            (State::Inviting(_), LegOrder::Cancel(why)) => self.cancel(Some(stop_reason(why)), means),
            (State::Inviting(_), LegOrder::End(why)) => {
                let reason = why.reason.as_deref().and_then(|reason| std::str::from_utf8(reason).ok());
                self.cancel(reason, means);
            }
            (State::Talking(_), LegOrder::Reoffer(session)) => return self.reoffer(session, means),
            (State::Talking(_), LegOrder::AcceptReoffer(session)) => return self.accept_reoffer(session, means),
            (State::Talking(_), LegOrder::RefuseReoffer(status)) => self.refuse_reoffer(status, means),
            (State::Talking(_), LegOrder::WithdrawReoffer) => self.withdraw_reoffer(means),
            (State::Talking(_), LegOrder::Acknowledge(session)) => self.acknowledge(session, means),
            (State::Talking(_), LegOrder::Pass(passed)) => self.pass(&passed, means),
            (State::Talking(_), LegOrder::End(why)) => self.hang_up(why, means),
            // The caller's own answer still waits: the other side may try again.
            (State::Offered { .. }, LegOrder::Reoffer(_)) => return Some(LegEvent::ReofferRefused(491)),
            // An order that crossed an event: the leg is already past it.
            (_, _) => {}
        }
        None
    }

    fn progress(&mut self, status: Status, session: Option<Session>, means: &mut Means) {
        let session = session.and_then(|session| self.outward(&session, means).ok());
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
        self.respond(Status::OK, session.as_ref(), None, means);
        self.dialog.iter_mut().for_each(Dialog::confirm);
        if let State::Offered { invite, request } = &self.state {
            let unacknowledged = Some(Unacknowledged::of(*invite, request));
            self.state = State::Talking(Talking { unacknowledged, ..Talking::default() });
        }
        None
    }

    fn refuse(&mut self, status: u16, reason: Option<Bytes>, means: &mut Means) {
        let status = Status::new(status).filter(|status| status.is_final()).unwrap_or(Status::TEMPORARILY_UNAVAILABLE);
        self.respond(status, None, reason.as_ref(), means);
        self.state = State::Gone;
    }

    /// A response to the caller's INVITE.
    fn respond(&mut self, status: Status, session: Option<&Session>, reason: Option<&Bytes>, means: &mut Means) {
        let State::Offered { invite, request } = &self.state else { return };
        let bytes = means.write(|writer, means| {
            let mut draft = writer.reply(request, status, self.tag.as_str(), self.flow.remote);
            if status.class() < 3 {
                draft.header(HeaderName::Contact, contact(&self.flow, means));
                draft.header(HeaderName::Allow, ALLOW);
            }
            if let Some(reason) = reason {
                draft.header(HeaderName::Reason, reason);
            }
            if status == Status::SERVICE_UNAVAILABLE {
                draft.header(HeaderName::RetryAfter, "5");
            }
            finish(&mut draft, session)
        });
        means.respond(*invite, status, bytes);
        self.note(means, false, Method::Invite, status.code());
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

    fn reoffer(&mut self, session: Option<Session>, means: &mut Means) -> Option<LegEvent> {
        // RFC 3261 §14.1: not while another INVITE is under way, in either direction.
        let settled = matches!(self.state, State::Talking(Talking { owes_ack: None, unacknowledged: None, .. }));
        if !settled || !matches!(self.reoffer, Reoffer::None) {
            return Some(LegEvent::ReofferRefused(491));
        }
        self.tried = Tried::default();
        self.send_reoffer(session, means)
    }

    fn send_reoffer(&mut self, session: Option<Session>, means: &mut Means) -> Option<LegEvent> {
        let told = match session.as_ref().map(|session| self.outward(session, means)).transpose() {
            Ok(told) => told,
            Err(refusal) => return Some(LegEvent::ReofferRefused(refusal.status().code())),
        };
        let invite = self.request(Method::Invite, means, |draft| finish(draft, told.as_ref()))?;
        self.reoffer = Reoffer::Ours { invite, session };
        None
    }

    /// Where the peer has taken its offer back, or cannot be told the answer, the other side's 2xx is acknowledged all the
    /// same.
    fn accept_reoffer(&mut self, session: Option<Session>, means: &mut Means) -> Option<LegEvent> {
        let Reoffer::Theirs { invite, request } = &self.reoffer else {
            return Some(LegEvent::Acknowledged(None));
        };
        let (invite, offered) = (*invite, session_of(request));
        let source = self.source(invite, means);
        let told = session.map(|session| self.outward(&session, means)).transpose();
        // Only what is agreed moves the media: a refused offer leaves everything as it was (RFC 3261 §14.1).
        let heard = offered.map_or(Ok(()), |offered| self.anchor.inward(self.key, &offered, &source, means));
        let (Ok(session), Ok(())) = (told, heard) else {
            self.refuse_reoffer(488, means);
            return Some(LegEvent::Acknowledged(None));
        };
        let Reoffer::Theirs { request, .. } = std::mem::take(&mut self.reoffer) else { return None };
        let bytes = means.write(|writer, means| {
            let mut draft = writer.reply(&request, Status::OK, self.tag.as_str(), source.remote);
            draft.header(HeaderName::Contact, contact(&self.flow, means));
            draft.header(HeaderName::Allow, ALLOW);
            finish(&mut draft, session.as_ref())
        });
        means.respond(invite, Status::OK, bytes);
        if let State::Talking(talking) = &mut self.state {
            talking.unacknowledged = Some(Unacknowledged::of(invite, &request));
        }
        self.note(means, false, Method::Invite, 200);
        None
    }

    fn refuse_reoffer(&mut self, status: u16, means: &mut Means) {
        if !matches!(self.reoffer, Reoffer::Theirs { .. }) {
            return;
        }
        let Reoffer::Theirs { invite, request } = std::mem::take(&mut self.reoffer) else { return };
        let status = Status::new(status).filter(|status| status.class() >= 3).unwrap_or(Status::NOT_ACCEPTABLE_HERE);
        let source = self.source(invite, means).remote;
        let bytes = means.write(|writer, _| writer.reply(&request, status, self.tag.as_str(), source).finish());
        means.respond(invite, status, bytes);
        self.note(means, false, Method::Invite, status.code());
    }

    /// Our offer is not wanted any more. An INVITE for whose answer nobody waits may not stay open for ever.
    fn withdraw_reoffer(&mut self, means: &mut Means) {
        if let Reoffer::Ours { invite, .. } = &self.reoffer {
            let (transactions, mut hand) = means.hand();
            transactions.cancel(*invite, None, &mut hand);
        }
    }

    /// The ACK that waited for the other side's answer.
    fn acknowledge(&mut self, session: Option<Session>, means: &mut Means) {
        let State::Talking(talking) = &mut self.state else { return };
        if let Some(cseq) = talking.owes_ack.take() {
            let session = session.and_then(|session| self.outward(&session, means).ok());
            self.send_ack(cseq, session.as_ref(), means);
        }
    }

    fn pass(&mut self, passed: &Passed, means: &mut Means) {
        self.request(Method::Info, means, |draft| {
            if let Some(package) = &passed.package {
                draft.header_named("Info-Package", package);
            }
            draft.finish_with(&String::from_utf8_lossy(&passed.content_type), &passed.body)
        });
    }

    fn hang_up(&mut self, why: Why, means: &mut Means) {
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

    fn say_goodbye(&mut self, reason: Option<Bytes>, means: &mut Means) {
        let said = self.request(Method::Bye, means, |draft| {
            if let Some(reason) = &reason {
                draft.header(HeaderName::Reason, reason);
            }
            draft.finish()
        });
        self.state = if said.is_some() { State::Leaving { reason } } else { State::Gone };
    }
}

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
        match (&mut self.state, response.method()) {
            (State::Inviting(inviting), Method::Invite) if inviting.invite == client => match status.class() {
                1 => self.hear_progress(status, response, flow, means),
                2 => self.hear_answer(response, flow, means),
                _ => self.hear_refusal(status, response, means),
            },
            (State::Talking(_), Method::Invite) if status.is_final() => {
                self.hear_reoffer_answer(client, status, response, flow, means)
            }
            // Our BYE is under way, and the peer has accepted the offer before it.
            (State::Leaving { .. }, Method::Invite) if status.is_success() => {
                self.send_ack(response.cseq().number, None, means);
                None
            }
            (State::Leaving { reason }, Method::Bye) if status.is_final() => {
                let reason = reason.take();
                // A trunk that only asks who we are has not hung up.
                match self.answers_challenge(response, means) {
                    true => self.say_goodbye(reason, means),
                    false => self.state = State::Gone,
                }
                None
            }
            // RFC 3261 §12.2.1.2: a peer that knows no dialog, or does not answer, has left it.
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
        inviting.rang |= status == Status::RINGING;
        let session = session_of(response);
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
        let State::Inviting(inviting) = &self.state else { return None };
        let (cancelled, offered) = (inviting.cancelled, inviting.invitation.session.is_some());
        let target = inviting.invitation.target.clone();
        self.dialog = Dialog::from_response(response, flow, &contact(&flow, means), &target);
        let session = session_of(response);
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
        Some(LegEvent::Answered(session))
    }

    fn hear_refusal(&mut self, status: Status, response: &Message, means: &mut Means) -> Option<LegEvent> {
        self.note(means, false, Method::Ack, 0);
        if self.try_again(response, means) {
            return None;
        }
        let State::Inviting(inviting) = &self.state else { return None };
        let (rang, cancelled) = (inviting.rang, inviting.cancelled);
        self.state = State::Gone;
        let reason = response.header(HeaderName::Reason).map(Bytes::copy_from_slice);
        (!cancelled).then(|| LegEvent::Refused(Refused { status: status.code(), rang, reason }))
    }

    /// The trunk asks for credentials: the INVITE once more, with them (RFC 3261 §22.2).
    fn try_again(&mut self, response: &Message, means: &mut Means) -> bool {
        let State::Inviting(mut inviting) = std::mem::replace(&mut self.state, State::Gone) else { return false };
        let trunk = inviting.invitation.trunk.clone().filter(|_| !inviting.cancelled);
        let known = trunk.is_some_and(|trunk| challenged(&trunk, response, &mut inviting.tried, means));
        let wire =
            Wire { tag: self.tag, call_id: inviting.call_id, cseq: inviting.cseq + 1, branch: means.entropy.branch() };
        let bytes = known.then(|| self.write_invite(&inviting.invitation, wire, means).ok()).flatten();
        let Some(bytes) = bytes else {
            self.state = State::Inviting(inviting);
            return false;
        };
        inviting.cseq = wire.cseq;
        let (transactions, mut hand) = means.hand();
        inviting.invite =
            transactions.request(User::Leg(self.key), self.flow, Method::Invite, wire.branch, bytes, &mut hand);
        self.state = State::Inviting(inviting);
        self.note(means, false, Method::Invite, 0);
        true
    }

    fn hear_reoffer_answer(
        &mut self,
        client: ClientKey,
        status: Status,
        response: &Message,
        flow: Flow,
        means: &mut Means,
    ) -> Option<LegEvent> {
        if !matches!(&self.reoffer, Reoffer::Ours { invite, .. } if *invite == client) {
            return None;
        }
        let Reoffer::Ours { session: offer, .. } = std::mem::take(&mut self.reoffer) else { return None };
        let offered = offer.is_some();
        if !status.is_success() {
            self.note(means, false, Method::Ack, 0);
            if self.answers_challenge(response, means) {
                return self.send_reoffer(offer, means);
            }
            // RFC 3261 §14.1: these two mean that the dialog itself is gone.
            return match status.code() {
                408 | 481 => self.lost(means),
                // These speak of us and this peer, not of the session that the other side wants.
                401 | 407 | 503 => Some(LegEvent::ReofferRefused(500)),
                status => Some(LegEvent::ReofferRefused(status)),
            };
        }
        self.dialog.iter_mut().for_each(|dialog| dialog.refresh(response, flow));
        let session = session_of(response);
        if let Some(session) = &session {
            let _ = self.anchor.inward(self.key, session, &flow, means);
        }
        if let State::Talking(talking) = &mut self.state {
            talking.owes_ack = Some(response.cseq().number);
        }
        if offered {
            self.acknowledge_plainly(means);
        }
        Some(LegEvent::Reanswered(session))
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
        let dialog = self.dialog.as_mut().filter(|dialog| dialog.owns(&request));
        let dialog = dialog.ok_or(Refusal::call_does_not_exist())?;
        dialog.accept(&request, flow)?;
        means.transactions.set_user(server, User::Leg(self.key));
        self.note(means, true, request.method(), 0);
        match request.method() {
            Method::Bye => Ok(self.hear_bye(server, &request, means)),
            Method::Invite => self.hear_reoffer(server, request, means).map(Some),
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

    fn hear_reoffer(&mut self, server: ServerKey, request: Message, means: &mut Means) -> Result<LegEvent, Refusal> {
        // RFC 3261 §14.2: one at a time, in either direction.
        match (&self.state, &self.reoffer) {
            // Our last offer still waits for its answer.
            (State::Talking(Talking { unacknowledged: Some(Unacknowledged { offered: true, .. }), .. }), _) => {
                return Err(Refusal::request_pending());
            }
            (State::Talking(_), Reoffer::None) => {}
            // RFC 5407 §3.2.3: it crosses our BYE.
            (State::Leaving { .. } | State::Gone, _) => return Err(Refusal::call_does_not_exist()),
            (State::Offered { .. }, _) | (State::Talking(_), Reoffer::Theirs { .. }) => {
                return Err(Refusal::server_error(Some(crate::clock::Duration::from_secs(1 + means.entropy.below(9)))));
            }
            (_, _) => return Err(Refusal::request_pending()),
        }
        let session = session_of(&request);
        if session.is_none() && !request.body().is_empty() {
            return Err(Refusal::unsupported_media_type("application/sdp"));
        }
        if let Some(session) = &session {
            fits(session).map_err(refuse_session)?;
        }
        // Whoever offers anew has heard our last answer, even where its ACK was lost.
        if let State::Talking(talking) = &mut self.state
            && let Some(Unacknowledged { invite, .. }) = talking.unacknowledged.take()
        {
            let (transactions, mut hand) = means.hand();
            transactions.acknowledged(invite, &mut hand);
        }
        self.reoffer = Reoffer::Theirs { invite: server, request: Box::new(request) };
        let hold = session.as_ref().is_some_and(|session| Sdp::read(session).is_ok_and(|sdp| sdp.is_hold()));
        Ok(LegEvent::Reoffered { session, hold })
    }

    fn hear_info(&mut self, server: ServerKey, request: &Message, means: &mut Means) -> LegEvent {
        self.reply_ok(server, request, means);
        let copy = |name| request.header(name).map(Bytes::copy_from_slice);
        LegEvent::Passed(Passed {
            content_type: copy(HeaderName::ContentType).unwrap_or_default(),
            body: request.body_bytes(),
            package: request.header_named("Info-Package").map(Bytes::copy_from_slice),
        })
    }

    /// The caller takes the INVITE back (RFC 3261 §9.2). The CANCEL itself is answered by the switch.
    pub fn hear_cancel(&mut self, cancel: &Message, means: &mut Means) -> Option<LegEvent> {
        self.note(means, true, Method::Cancel, 0);
        self.note(means, false, Method::Cancel, 200);
        if let Reoffer::Theirs { .. } = self.reoffer {
            self.refuse_reoffer(487, means);
            return Some(LegEvent::ReofferWithdrawn);
        }
        let reason = cancel.header(HeaderName::Reason).map(Bytes::copy_from_slice);
        matches!(self.state, State::Offered { .. }).then_some(LegEvent::Ended(Why { reason, lost: false }))
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
    pub fn hear_silence(&mut self, client: Option<ClientKey>, means: &mut Means) -> Option<LegEvent> {
        match &self.state {
            State::Inviting(inviting) if client == Some(inviting.invite) => {
                let (rang, cancelled) = (inviting.rang, inviting.cancelled);
                self.state = State::Gone;
                (!cancelled).then_some(LegEvent::Refused(Refused { status: 408, rang, reason: None }))
            }
            State::Talking(_) => self.lost(means),
            State::Leaving { .. } => {
                self.state = State::Gone;
                None
            }
            State::Offered { .. } | State::Inviting(_) | State::Gone => None,
        }
    }

    /// The peer is not there any more. It is told goodbye all the same, in case it hears.
    fn lost(&mut self, means: &mut Means) -> Option<LegEvent> {
        self.hang_up(Why { reason: None, lost: true }, means);
        Some(LegEvent::Ended(Why { reason: None, lost: true }))
    }
}

/// What both directions need.
impl Leg {
    fn outward(&mut self, session: &Session, means: &mut Means) -> Result<Session, Refusal> {
        self.anchor.outward(self.key, session, &self.flow, means).map_err(refuse_session)
    }

    fn write_invite(&mut self, invitation: &Invitation, wire: Wire, means: &mut Means) -> Result<Bytes, Refusal> {
        let session = invitation.session.as_ref().map(|session| self.outward(session, means)).transpose()?;
        Ok(means.write(|writer, means| invitation.write(wire, session.as_ref(), writer, means)))
    }

    /// A request of ours within the dialog.
    fn request(
        &mut self,
        method: Method,
        means: &mut Means,
        write: impl FnOnce(&mut Draft<'_>) -> Bytes,
    ) -> Option<ClientKey> {
        let dialog = self.dialog.as_mut()?;
        let trunk = match &self.peer {
            Peer::Trunk(trunk) => Some(trunk.clone()),
            Peer::Extension(_) => None,
        };
        let client = means.request_with(User::Leg(self.key), dialog, method, |draft, target, means| {
            if let Some(trunk) = &trunk {
                authorize(draft, trunk, method, target, means);
            }
            write(draft)
        });
        self.note(means, false, method, 0);
        Some(client)
    }

    fn acknowledge_plainly(&mut self, means: &mut Means) {
        if let State::Talking(talking) = &mut self.state
            && let Some(cseq) = talking.owes_ack.take()
        {
            self.send_ack(cseq, None, means);
        }
    }

    fn send_ack(&mut self, cseq: u32, session: Option<&Session>, means: &mut Means) {
        let Some(dialog) = &self.dialog else { return };
        let ack = means.write(|writer, means| {
            let hop = means.hop(&dialog.flow());
            finish(&mut dialog.ack(writer, cseq, hop.view()), session)
        });
        means.send_on(dialog, ack.clone());
        self.acked = Some((cseq, ack));
        self.note(means, false, Method::Ack, 0);
    }

    /// Where a request of the peer's came from: a phone may have moved since the call began.
    fn source(&self, server: ServerKey, means: &Means) -> Flow {
        means.transactions.flow(server).unwrap_or(self.flow)
    }

    /// A trunk asks for credentials within the dialog, or for fresh ones (RFC 3261 §22.2): true where it can get them.
    fn answers_challenge(&mut self, response: &Message, means: &mut Means) -> bool {
        let Peer::Trunk(trunk) = &self.peer else { return false };
        challenged(trunk, response, &mut self.tried, means)
    }

    fn reply_ok(&mut self, server: ServerKey, request: &Message, means: &mut Means) {
        let source = self.source(server, means).remote;
        let bytes = means.write(|writer, _| writer.reply(request, Status::OK, self.tag.as_str(), source).finish());
        means.respond(server, Status::OK, bytes);
        self.note(means, false, request.method(), 200);
    }
}

/// A 2xx for which no leg waits, from a further phone behind a proxy or too late: it is told so politely
/// (RFC 3261 §13.2.2.4).
pub fn dismiss(response: &Message, flow: Flow, means: &mut Means) {
    let target = response.from().uri.to_owned();
    let Some(mut dialog) = Dialog::from_response(response, flow, &contact(&flow, means), &target) else { return };
    let cseq = response.cseq().number;
    let ack = means.write(|writer, means| {
        let hop = means.hop(&dialog.flow());
        dialog.ack(writer, cseq, hop.view()).finish()
    });
    means.send_on(&dialog, ack);
    means.request_with(User::Nobody, &mut dialog, Method::Bye, |draft, _, _| draft.finish());
}

/// True where a response asks for our credentials with a trunk, and we have some that it was not shown yet.
fn challenged(trunk: &str, response: &Message, tried: &mut Tried, means: &mut Means) -> bool {
    let Some(asker) = response.status().and_then(|status| Asker::of(status.code())) else { return false };
    let challenge = match asker {
        Asker::Server => HeaderName::WwwAuthenticate,
        Asker::Proxy => HeaderName::ProxyAuthenticate,
    };
    let account = means.answerer(trunk);
    account.is_some_and(|account| account.challenged(asker, response.headers(challenge), tried).is_ok())
}

fn refuse_session(unfit: Unfit) -> Refusal {
    match unfit {
        Unfit::NoPort => Refusal::server_error(None),
        Unfit::Unreadable(_) | Unfit::TooManyLines => Refusal::not_acceptable_here(),
    }
}

/// The session that a message carries.
pub fn session_of(message: &Message) -> Option<Session> {
    message.sdp().map(|sdp| message.bytes().slice_ref(sdp))
}

fn finish(draft: &mut Draft<'_>, session: Option<&Session>) -> Bytes {
    match session {
        Some(session) => draft.finish_with("application/sdp", session),
        None => draft.finish(),
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
