//! Provisional responses that are sure to arrive (RFC 3262), on both sides: our PRACK for what a phone or trunk sends
//! reliably, and the caller's PRACK for what we do.
//!
//! ```text
//!   towards the caller       18x with RSeq ──► again after T1, 2·T1, 4·T1 … ──64·T1──► 500, lost
//!                                   │ PRACK: 200
//!                                   ▼
//!                            what waited: the next 18x, or the 200
//! ```

use super::super::alphabet::{LegEvent, Why};
use super::super::means::{Means, User};
use super::{Leg, State, authorize, session_of};
use crate::refusal::Refusal;
use crate::sip::digest::Tried;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::transaction::{ClientKey, ServerKey};

impl Leg {
    /// The PRACK for a reliable response of the peer's.
    pub(super) fn acknowledge_reliably(&mut self, response: &Message, rseq: u32, means: &mut Means) {
        self.tried = Tried::default();
        self.send_prack(response, rseq, means);
    }

    /// What becomes of the INVITE says more than any answer to our PRACK, but a trunk may ask who we are.
    pub(super) fn hear_pracked(&mut self, client: ClientKey, response: &Message, means: &mut Means) {
        if response.status().is_some_and(|status| status.is_final()) {
            self.was_prack(client);
        }
        let State::Inviting(inviting) = &mut self.state else { return };
        let rseq = inviting.forks.of(response).and_then(|fork| fork.rseq);
        if let (Some(rseq), true) = (rseq, self.answers_challenge(response, means)) {
            self.send_prack(response, rseq, means);
        }
    }

    /// True where a PRACK of ours is what got no answer, or this one: that says nothing about a talk.
    pub(super) fn was_prack(&mut self, client: ClientKey) -> bool {
        let before = self.pracks.len();
        self.pracks.retain(|prack| *prack != client);
        self.pracks.len() < before
    }

    fn send_prack(&mut self, response: &Message, rseq: u32, means: &mut Means) {
        let State::Inviting(inviting) = &mut self.state else { return };
        let (trunk, cseq) = (inviting.invitation.trunk.clone(), inviting.cseq);
        let Some(fork) = inviting.forks.of(response) else { return };
        let user = User::Leg(self.key);
        let prack = means.request_with(user, &mut fork.dialog, None, Method::Prack, |draft, target, means| {
            draft.header_with(HeaderName::RAck, |value| {
                value.number(rseq).text(" ").number(cseq).text(" INVITE");
            });
            if let Some(trunk) = &trunk {
                authorize(draft, trunk, Method::Prack, target, means);
            }
            draft.finish()
        });
        self.pracks.push(prack);
        self.note(means, false, Method::Prack, 0);
    }

    /// The caller has heard our reliable response. What it offers with that is carried across where the first offer has
    /// its answer; whatever becomes of it, the response is acknowledged.
    pub(super) fn hear_prack(
        &mut self,
        server: ServerKey,
        request: Message,
        means: &mut Means,
    ) -> Result<Option<LegEvent>, Refusal> {
        self.provisional.acknowledge(&request).ok_or(Refusal::call_does_not_exist())?;
        let offered = session_of(&request).is_some() || !request.is_body_known();
        if let State::Offered { .. } = self.state {
            self.agreed = self.provisional.answer.is_some();
            self.wake_after(None, means);
            if offered && self.agreed && !self.provisional.is_waiting() {
                return self.hear_reoffer(server, request, means);
            }
        }
        let status = if offered { Status::NOT_ACCEPTABLE_HERE } else { Status::OK };
        self.reply(server, &request, status, means);
        Ok(self.obey_what_waited(means))
    }

    fn obey_what_waited(&mut self, means: &mut Means) -> Option<LegEvent> {
        while let Some(order) = self.provisional.released() {
            if let Some(event) = self.obey(order, means) {
                return Some(event);
            }
        }
        None
    }

    /// Our reliable response had no PRACK yet: it is repeated, or the caller has left.
    pub(super) fn repeat_reliable(&mut self, means: &mut Means) -> Option<LegEvent> {
        let State::Offered { invite, .. } = &self.state else { return None };
        let (invite, again) = (*invite, self.provisional.again(means.now.mono));
        let (Some(wait), Some(sent)) = (again, &self.provisional.sent) else {
            self.refuse(500, None, means);
            return Some(LegEvent::Ended(Why { reason: None, lost: true }));
        };
        let (status, bytes) = (sent.status, sent.bytes.clone());
        means.respond(invite, status, bytes);
        self.note(means, false, Method::Invite, status.code());
        self.wake_after(Some(wait), means);
        None
    }
}
