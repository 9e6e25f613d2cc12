//! Messages come in: each finds its transaction, its leg, or the door.

use bytes::Bytes;

use crate::admission::Admission;
use crate::call::{ACCEPT, ALLOW, Leg, SUPPORTED, User, contact, dismiss};
use crate::effect::Effect;
use crate::entropy::Token;
use crate::key::{Flow, LegKey};
use crate::refusal::Refusal;
use crate::sip::{Fault, HeaderName, Malformed, Message, Method, Status};
use crate::subscription::ALLOW_EVENTS;
use crate::transaction::{Arrival, Expired, ServerKey, Stateless, Timer, Why};

use super::refused::NoTime;
use super::strangers::Knock;
use super::tables::Switch;

impl Switch {
    pub(super) fn receive(&mut self, flow: Flow, message: Message) {
        let proven = match self.at_the_door(&flow, &message) {
            Knock::Shut => return,
            Knock::In => None,
            Knock::Proven(admission) => Some(admission),
        };
        if self.comes_too_late(flow, &message) {
            return;
        }
        self.tape_hears(message.call_id(), message.bytes());
        let arrival = {
            let (transactions, mut hand) = self.means.hand();
            transactions.receive(flow, &message, &mut hand)
        };
        match arrival {
            Arrival::Request(server) => self.request(server, flow, message, proven),
            Arrival::Cancel { cancel, invite } => self.cancel(cancel, invite, &message),
            Arrival::Ack { invite } => self.ack(invite, flow, &message),
            // Its call is over, and so is nobody's wish to talk.
            Arrival::Response { user: User::Leg(leg), .. } | Arrival::AnotherAnswer { user: User::Leg(leg), .. }
                if self.legs.get(leg).is_none() =>
            {
                if message.method() == Method::Invite && message.status().is_some_and(Status::is_success) {
                    dismiss(&message, flow, &mut self.means);
                }
            }
            Arrival::Response { client, user: User::Leg(leg) } => {
                self.with_leg(leg, |leg, means| leg.hear_response(client, &message, flow, means));
            }
            Arrival::AnotherAnswer { user: User::Leg(leg), .. } => {
                self.with_leg(leg, |leg, means| {
                    leg.hear_another_answer(&message, flow, means);
                    None
                });
            }
            Arrival::Response { user: User::Trunk(asked), .. } => {
                self.means.with_trunks(|trunks, ground| trunks.answered(asked, &message, ground));
            }
            Arrival::Response { user: User::Subscription(key), .. } => self.subscription_answered(key, &message),
            Arrival::NoRoom => self.shed_at_once(flow, &message, NoTime::Requests),
            Arrival::Response { user: User::Nobody, .. }
            | Arrival::AnotherAnswer { .. }
            | Arrival::Stray
            | Arrival::Absorbed => {}
        }
    }

    /// Something that is no message: answered where that is possible, and a stream whose framing is lost is closed.
    pub(super) fn receive_malformed(&mut self, flow: Flow, malformed: &Malformed) {
        if self.hears_rubbish(&flow) {
            let tag = self.means.entropy.tag();
            let source = flow.remote;
            let mut writer = std::mem::take(&mut self.means.writer);
            // As short as the tag of any answer without a dialog.
            let tag = tag.as_str().get(..8).unwrap_or_default();
            if let Some(bytes) = writer.refuse(malformed, tag, source)
                && self.may_answer(&flow, malformed.length(), &bytes)
            {
                self.means.effects.push(Effect::Send { flow, bytes });
            }
            self.means.writer = writer;
        }
        let framing_is_lost = matches!(
            malformed.fault,
            Fault::LengthsDiffer | Fault::LengthMissing | Fault::TooLarge | Fault::Unfinished | Fault::BodyCut
        );
        if flow.transport.is_reliable() && framing_is_lost {
            self.means.effects.push(Effect::Close(flow));
        }
    }

    fn request(&mut self, server: ServerKey, flow: Flow, message: Message, proven: Option<Admission>) {
        if let Some(tag) = message.to_tag() {
            if let Some(key) = self.subscription_of(&message) {
                return self.within_subscription(server, flow, &message, key);
            }
            let leg = Token::read(tag).and_then(|tag| self.means.dialogs.get(&tag).copied());
            let request = message.clone();
            let heard = leg.and_then(|key| {
                let leg = self.legs.get_mut(key)?;
                let was_busy = leg.is_busy();
                let heard = leg.hear_request(server, message, flow, &mut self.means);
                self.moved(key, was_busy);
                Some((key, heard))
            });
            match heard {
                Some((key, Ok(event))) => {
                    self.said.extend(event.map(|event| (key, event)));
                    self.sweep(key);
                }
                Some((_, Err(refusal))) => self.refuse(server, &request, &refusal),
                None => self.refuse(server, &request, &Refusal::call_does_not_exist()),
            }
            return;
        }
        self.admit(server, flow, message, proven);
    }

    /// RFC 3261 §9.2: the CANCEL itself is answered at once, the INVITE by its call.
    fn cancel(&mut self, cancel: ServerKey, invite: Option<(ServerKey, Option<User>)>, message: &Message) {
        let Some((_, user)) = invite else {
            return self.refuse(cancel, message, &Refusal::call_does_not_exist());
        };
        self.reply(cancel, message, Status::OK, |_| {});
        if let Some(User::Leg(leg)) = user {
            self.with_leg(leg, |leg, means| leg.hear_cancel(message, means));
        }
    }

    /// An ACK is never answered, whatever it says.
    fn ack(&mut self, invite: Option<(ServerKey, Option<User>)>, flow: Flow, message: &Message) {
        let named = message.to_tag().and_then(Token::read).and_then(|tag| self.means.dialogs.get(&tag).copied());
        let leg = match invite {
            Some((_, Some(User::Leg(leg)))) => Some(leg),
            _ => named,
        };
        if let Some(leg) = leg {
            self.with_leg(leg, |leg, means| leg.hear_ack(message, flow, means));
        }
    }

    pub(super) fn with_leg(
        &mut self,
        key: LegKey,
        act: impl FnOnce(&mut Leg, &mut crate::call::Means) -> Option<crate::call::LegEvent>,
    ) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let was_busy = leg.is_busy();
        if let Some(event) = act(leg, &mut self.means) {
            self.said.push_back((key, event));
        }
        self.moved(key, was_busy);
        self.sweep(key);
    }

    pub(super) fn transaction_due(&mut self, timer: Timer) {
        let expired = {
            let (transactions, mut hand) = self.means.hand();
            transactions.on_timer(timer, &mut hand)
        };
        self.expired(expired);
    }

    fn expired(&mut self, expired: Option<Expired<User>>) {
        match expired {
            Some(Expired::Unanswered { client, user: User::Leg(leg), why }) => {
                self.with_leg(leg, |leg, means| leg.hear_silence(Some(client), why, means));
            }
            Some(Expired::Unanswered { user: User::Trunk(asked), why, .. }) => {
                self.means.with_trunks(|trunks, ground| trunks.unanswered(asked, why, ground));
            }
            Some(Expired::Unanswered { user: User::Subscription(key), .. }) => self.subscription_lost(key),
            Some(Expired::Unacknowledged { user: User::Leg(leg), status, .. }) if status.is_success() => {
                self.with_leg(leg, |leg, means| leg.hear_silence(None, Why::TimedOut, means));
            }
            Some(Expired::Unanswered { .. } | Expired::Unacknowledged { .. }) | None => {}
        }
    }

    pub(super) fn flow_closed(&mut self, flow: Flow) {
        self.tapes_lose(flow);
        self.registrar.flow_closed(flow);
        self.means.streams.closed(flow);
        let expired = {
            let (transactions, mut hand) = self.means.hand();
            transactions.flow_failed(flow, &mut hand)
        };
        for expired in expired {
            self.expired(Some(expired));
        }
    }
}

/// Answers to requests that belong to no leg.
impl Switch {
    /// Answers a request; `add` writes further headers.
    pub(super) fn reply(
        &mut self,
        server: ServerKey,
        request: &Message,
        status: Status,
        add: impl FnOnce(&mut crate::sip::Draft<'_>),
    ) {
        let tag = self.means.entropy.tag();
        let Some(flow) = self.means.transactions.flow(server) else { return };
        let bytes = self.means.write(|writer, _| {
            let mut draft = writer.reply(request, status, tag.as_str(), flow.remote);
            add(&mut draft);
            draft.finish()
        });
        self.means.respond(server, status, bytes);
    }

    /// Refuses a request.
    pub(super) fn refuse(&mut self, server: ServerKey, request: &Message, refusal: &Refusal) {
        if let Some(bytes) = self.refusal_to(server, request, refusal) {
            self.means.respond(server, refusal.status(), bytes);
        }
    }

    /// The refusal of a request, written; `None` once nobody waits for it.
    pub(super) fn refusal_to(&mut self, server: ServerKey, request: &Message, refusal: &Refusal) -> Option<Bytes> {
        let tag = self.means.entropy.tag();
        let flow = self.means.transactions.flow(server)?;
        Some(self.means.write(|writer, _| refusal.write(writer, request, tag.as_str(), flow.remote)))
    }

    /// Refuses a request of which nothing is kept.
    pub(super) fn refuse_statelessly(&mut self, to: &Stateless, request: &Message, refusal: &Refusal) {
        let (tag, flow) = (to.tag(), to.flow);
        let bytes = self.means.write(|writer, _| refusal.write(writer, request, &tag, flow.remote));
        self.means.effects.push(Effect::Send { flow, bytes });
    }

    /// What we can do, for OPTIONS.
    pub(super) fn describe(&mut self, server: ServerKey, request: &Message, flow: &Flow) {
        let contact = contact(flow, &self.means);
        self.reply(server, request, Status::OK, |draft| {
            draft
                .header(HeaderName::Contact, contact)
                .header(HeaderName::Allow, ALLOW)
                .header(HeaderName::Supported, SUPPORTED)
                .header(HeaderName::AllowEvents, ALLOW_EVENTS)
                .header(HeaderName::Accept, ACCEPT);
        });
    }
}
