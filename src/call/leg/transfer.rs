//! A transfer, as the phone hears it that asks for one: the answer to its REFER, and NOTIFYs until it is decided
//! (RFC 3515, 3420, 5589).
//!
//! ```text
//!  REFER ──► Asked ──AcceptTransfer──► 202 ──TransferNews──► NOTIFY 100 ──TransferNews──► NOTIFY with the outcome, and done
//!              └────RefuseTransfer───► its status
//! ```

use super::super::alphabet::{LegEvent, Replaced, TransferAsked};
use super::super::means::Means;
use super::referral::{Referral, Stage};
use super::{Leg, State};
use crate::refusal::Refusal;
use crate::sip::header::Replaces;
use crate::sip::{HeaderName, Message, Method, Status};
use crate::transaction::{ClientKey, ServerKey};

impl Leg {
    /// The peer asks for a transfer.
    ///
    /// # Errors
    /// What it is to hear where it cannot be asked like that.
    pub(super) fn hear_refer(&mut self, refer: ServerKey, request: Message) -> Result<LegEvent, Refusal> {
        let State::Talking(talking) = &self.state else { return Err(Refusal::call_does_not_exist()) };
        // A provider hands nobody's call on, not even that of an employee on the mobile.
        if self.peer.is_trunk() {
            return Err(Refusal::forbidden());
        }
        // Whoever is handed on is not yet sure to have heard our answer, or owes us theirs: first the call stands.
        if self.referral.is_some() || !talking.stands() {
            return Err(Refusal::request_pending());
        }
        let asked = read(&request)?;
        let quiet = request.header(HeaderName::ReferSub).is_some_and(|value| value.eq_ignore_ascii_case(b"false"));
        let id = request.cseq().number;
        self.referral = Some(Referral { stage: Stage::Asked { refer, request: Box::new(request) }, id, quiet });
        Ok(LegEvent::TransferAsked(asked))
    }

    /// True for one of two who talk, once its first offer has an answer and nothing is being transferred.
    pub fn is_settled(&self) -> bool {
        matches!(&self.state, State::Talking(talking) if talking.stands()) && self.referral.is_none()
    }

    pub(super) fn accept_transfer(&mut self, means: &mut Means) {
        self.answer_refer(Status::ACCEPTED, means);
    }

    pub(super) fn refuse_transfer(&mut self, status: u16, means: &mut Means) {
        let status = Status::new(status).filter(|status| status.class() >= 3).unwrap_or(Status::FORBIDDEN);
        self.answer_refer(status, means);
        self.referral = None;
    }

    /// How it stands with the transfer; a final status decides it.
    pub(super) fn transfer_news(&mut self, status: u16, means: &mut Means) {
        let Some(status) = Status::new(status) else { return };
        self.notify(status, means);
        if status.is_final() {
            self.referral = None;
        }
    }

    /// A BYE of the peer while its REFER still waits: RFC 3261 §15.1.2.
    pub(super) fn forget_transfer(&mut self, means: &mut Means) {
        self.answer_refer(Status::REQUEST_TERMINATED, means);
        self.referral = None;
    }

    /// True where a NOTIFY of ours is what got no answer, or this one.
    pub(super) fn was_notify(&mut self, client: ClientKey) -> bool {
        let before = self.notifying.len();
        self.notifying.retain(|notify| *notify != client);
        self.notifying.len() < before
    }

    fn answer_refer(&mut self, status: Status, means: &mut Means) {
        let Some(referral) = &mut self.referral else { return };
        let Stage::Asked { refer, request } = std::mem::replace(&mut referral.stage, Stage::Accepted) else { return };
        let quiet = referral.quiet;
        let (contact, source) = (self.contact(means), self.source(refer, means).remote);
        let bytes = means.write(|writer, _| {
            let mut draft = writer.reply(&request, status, self.tag.as_str(), source);
            if status.is_success() {
                draft.header(HeaderName::Contact, contact);
                if quiet {
                    draft.header(HeaderName::ReferSub, "false");
                }
            }
            draft.finish()
        });
        means.respond(refer, status, bytes);
        self.note(means, false, Method::Refer, status.code());
    }

    fn notify(&mut self, status: Status, means: &mut Means) {
        let Some(referral) = self.referral.as_ref().filter(|referral| !referral.quiet) else { return };
        if !matches!(self.state, State::Talking(_)) {
            return;
        }
        let event = format!("refer;id={}", referral.id);
        let state = if status.is_final() { "terminated;reason=noresource" } else { "active;expires=180" };
        let news = format!("SIP/2.0 {} {}\r\n", status.code(), status.phrase());
        let notify = self.request(Method::Notify, means, |draft| {
            draft.header(HeaderName::Event, &event).header(HeaderName::SubscriptionState, state);
            draft.finish_with("message/sipfrag;version=2.0", news.as_bytes())
        });
        self.notifying.extend(notify);
    }
}

/// Whom a REFER names.
fn read(request: &Message) -> Result<TransferAsked, Refusal> {
    let mut named = request.addresses(HeaderName::ReferTo);
    let (Some(refer_to), None) = (named.next(), named.next()) else {
        return Err(Refusal::bad_request("Exactly One Refer-To Is Needed"));
    };
    let uri = refer_to.uri;
    if !uri.is_sip() && uri.scheme_name() != "tel" {
        return Err(Refusal::new(Status::UNSUPPORTED_URI_SCHEME));
    }
    // Only a call can be handed on.
    if uri.param("method").is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
        return Err(Refusal::forbidden().because("Only INVITE Can Be Referred To"));
    }
    let replaces = match uri.header("Replaces") {
        None => None,
        Some(value) => {
            let replaces = Replaces::read(value.as_bytes());
            let replaces = replaces.map_err(|_| Refusal::bad_request("Unreadable Replaces In Refer-To"))?;
            Some(Replaced {
                call_id: replaces.call_id.into(),
                to_tag: replaces.to_tag.into(),
                from_tag: replaces.from_tag.into(),
            })
        }
    };
    let to = uri.user_unescaped().unwrap_or_default();
    if to.is_empty() && replaces.is_none() {
        return Err(Refusal::not_found());
    }
    Ok(TransferAsked { to: to.into(), replaces })
}
