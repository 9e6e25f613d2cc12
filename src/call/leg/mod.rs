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

mod hear;
mod host;
mod journey;
mod keyways;
mod obey;
mod refresh;
mod reliable;
mod reoffer;
mod referral;
mod seen;
mod transfer;

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

pub use self::seen::DialogNames;
use super::alphabet::{Session, Why};
use super::forks::Forks;
use super::invitation::{ALLOW, Invitation, Wire, authorize, contact};
use super::means::{Means, User};
use super::named::Named;
use super::provisional::Provisional;
use super::refresh::Refresh;
use super::session::{Anchor, Told, Unfit};
use super::streams::is_too_large;
use crate::clock::{Deadline, Instant};
use crate::dialog::Dialog;
use crate::entropy::Token;
use crate::key::{CallKey, Flow, LegKey, tighten};
use crate::refusal::Refusal;
use crate::sip::digest::{Asker, Tried};
use crate::sip::{Draft, HeaderName, Message, Method, Status, Uri};
use crate::transaction::{ClientKey, ServerKey};

use self::keyways::KeyWays;
use self::referral::{Notifying, Referral};

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

    /// True for a trunk.
    pub fn is_trunk(&self) -> bool {
        matches!(self, Peer::Trunk(_))
    }
}

/// Where a leg belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its own key.
    pub key: LegKey,
    /// Its call.
    pub call: CallKey,
    /// Its number within the call; that of the one who began it is 0.
    pub number: u16,
    /// Its media passes us, also where `media.mode` is direct.
    pub anchored: bool,
}

/// One side of a call.
#[derive(Debug)]
pub struct Leg {
    key: LegKey,
    call: CallKey,
    number: u16,
    peer: Peer,
    /// The employee whose mobile it is, where the peer is a trunk.
    mobile_of: Option<Arc<str>>,
    /// Whoever answers has yet to say that they take the call.
    unconfirmed: bool,
    flow: Flow,
    tag: Token,
    /// We have invited the peer.
    invited: bool,
    state: State,
    dialog: Option<Dialog>,
    anchor: Anchor,
    reoffer: Reoffer,
    /// The first offer has got an answer that is sure to have arrived, while the dialog is still early (RFC 3262 §5).
    agreed: bool,
    /// What a caller was told before the answer.
    provisional: Provisional,
    /// Our PRACKs that have no answer yet.
    pracks: SmallVec<[ClientKey; 1]>,
    /// The session that holds now is another one than the peer was told.
    untold: bool,
    refresh: Refresh,
    /// The one thing that the leg has set to come due.
    alarm: Option<Deadline>,
    referral: Option<Referral>,
    notifying: Notifying,
    /// With whom its peer talks, where that is not who it was called by or has called.
    introduced: Option<Box<Named>>,
    /// How often a trunk has asked for credentials to our last request within the dialog.
    tried: Tried,
    /// What we had to say last found no connection, and waits for the phone to have one again.
    stranded: bool,
    /// The ACK to the last 2xx with its CSeq, to be sent again when that comes again.
    acked: Option<(u32, Bytes)>,
    steps: Vec<Step>,
    /// A caller has heard a provisional response with our tag.
    said_provisional: bool,
    /// Which way its keys come.
    keys: KeyWays,
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
    forks: Forks,
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

impl Talking {
    /// The offer with which it began has got its answer.
    fn stands(&self) -> bool {
        let waits = matches!(self.unacknowledged, Some(Unacknowledged { offered: true, .. }));
        !waits && self.owes_ack.is_none()
    }
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
    Theirs { asked: ServerKey, request: Box<Message> },
    /// Ours, to be offered once the peer has acknowledged our answer.
    Waiting { session: Option<Session> },
    /// We have offered.
    Ours { asked: ClientKey, session: Option<Session>, before: Told },
    /// We repeat what we said last, to see whether the peer is still there.
    Refresh { invite: ClientKey },
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
    /// The leg of one who calls: an INVITE came in and was let in. Number 0 begins the call; another takes it over from
    /// where it rings.
    ///
    /// # Errors
    /// 400 where nobody could speak back to it.
    pub fn offered(
        place: Place,
        peer: Peer,
        flow: Flow,
        invite: ServerKey,
        request: Message,
        means: &mut Means,
    ) -> Result<Leg, Refusal> {
        let Place { key, call, number, anchored } = place;
        let tag = means.entropy.tag();
        let dialog = Dialog::from_request(&request, flow, tag, &contact(&flow, means))?;
        means.open(call, peer.name(), peer.is_trunk(), flow, request.call_id());
        let state = State::Offered { invite, request: Box::new(request) };
        let mut leg = Leg::new(key, call, number, peer, flow, tag, state);
        leg.anchor = Anchor::new(anchored);
        leg.dialog = Some(dialog);
        if let State::Offered { request, .. } = &leg.state {
            leg.refresh.read_allow(request);
            leg.provisional = Provisional::wanted_by(request, session_of(request).is_some());
        }
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
    pub fn invited(place: Place, peer: Peer, invitation: Invitation, means: &mut Means) -> Result<Leg, Refusal> {
        let Place { key, call, number, anchored } = place;
        let (tag, call_id) = (means.entropy.tag(), means.entropy.sip_call_id());
        let (flow, mut invitation) = (invitation.flow, invitation);
        let mut leg = Leg::new(key, call, number, peer, flow, tag, State::Gone);
        leg.invited = true;
        leg.anchor = Anchor::new(anchored);
        if let Some(mobile) = &invitation.mobile {
            (leg.mobile_of, leg.unconfirmed) = (Some(mobile.employee.clone()), mobile.confirm);
            if mobile.confirm {
                leg.relay(means);
            }
        }
        let wire = Wire { tag, call_id, cseq: 1, branch: means.entropy.branch(), habits: leg.refresh.habits() };
        let bytes = leg.write_invite(&mut invitation, wire, means).inspect_err(|_| leg.close(means));
        let (bytes, flow) = (bytes?, leg.flow);
        means.open(call, leg.peer.name(), leg.peer.is_trunk(), flow, call_id.as_str());
        let (transactions, mut hand) = means.hand();
        let invite = transactions.request(User::Leg(key), flow, Method::Invite, wire.branch, bytes, &mut hand);
        leg.state = State::Inviting(Box::new(Inviting {
            invite,
            invitation,
            call_id,
            cseq: 1,
            tried: Tried::default(),
            reached: false,
            forks: Forks::default(),
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
            mobile_of: None,
            unconfirmed: false,
            flow,
            tag,
            invited: false,
            state,
            dialog: None,
            anchor: Anchor::default(),
            reoffer: Reoffer::None,
            agreed: false,
            provisional: Provisional::default(),
            pracks: SmallVec::new(),
            untold: false,
            refresh: Refresh::default(),
            alarm: None,
            referral: None,
            notifying: Notifying::new(),
            introduced: None,
            tried: Tried::default(),
            stranded: false,
            acked: None,
            steps: Vec::new(),
            said_provisional: false,
            keys: KeyWays::default(),
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

    /// Who calls does so on the mobile of this employee.
    pub fn by_mobile_of(self, employee: Option<Arc<str>>) -> Leg {
        Leg { mobile_of: employee, ..self }
    }

    /// The employee at the other end, on a phone of the house or on a mobile.
    pub fn employee(&self) -> Option<&Arc<str>> {
        match &self.peer {
            Peer::Extension(extension) => Some(extension),
            Peer::Trunk(_) => self.mobile_of.as_ref(),
        }
    }

    /// The ports of its media.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// What its peer said last about its media.
    pub fn heard(&self) -> Option<&Session> {
        self.anchor.heard()
    }

    /// Which device is at its other end, as its address.
    pub fn device(&self) -> Arc<str> {
        match (&self.state, &self.dialog) {
            (State::Inviting(inviting), _) => inviting.invitation.target.as_str().into(),
            (_, Some(dialog)) => dialog.target().as_str().into(),
            (_, None) => self.flow.remote.to_string().into(),
        }
    }

    /// It goes on in another call, under another number.
    pub fn move_to(&mut self, call: CallKey, number: u16) {
        (self.call, self.number) = (call, number);
    }

    /// What was said on it so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The flow on which its peer speaks.
    pub fn flow(&self) -> Flow {
        self.dialog.as_ref().map_or(self.flow, Dialog::flow)
    }

    /// True where the one at the other end cannot take another call: talking, or dialling. Ringing is not busy, nor is who
    /// is being asked whether they take the call.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Offered { .. } | State::Talking(_)) && !self.unconfirmed
    }

    /// True for a caller who has got no final answer yet.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Offered { .. })
    }

    /// True for one that is being rung.
    pub fn is_rung(&self) -> bool {
        matches!(self.state, State::Inviting(_))
    }

    /// True once nothing is left to say; the leg can be forgotten.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// True where its media has passed, or may have passed, through ports of ours.
    pub fn has_media(&self) -> bool {
        self.anchor.lines() > 0
    }

    /// True where its INVITE was answered.
    pub fn was_answered(&self) -> bool {
        self.steps.iter().any(|step| step.method == Method::Invite && (200..300).contains(&step.status))
    }

    /// Gives back what the leg holds, when it is forgotten.
    pub fn close(&mut self, means: &mut Means) {
        self.wake_after(None, means);
        self.anchor.close(self.key, means);
        means.dialogs.remove(&self.tag);
        tighten(&mut means.dialogs);
    }

    fn note(&mut self, means: &mut Means, inward: bool, method: Method, status: u16) {
        if self.steps.len() < KEPT {
            means.messages = means.messages.wrapping_add(1);
            self.steps.push(Step { at: means.now.mono, serial: means.messages, inward, method, status });
        }
    }
}

/// What both directions need.
impl Leg {
    fn outward(&mut self, session: &Session, means: &mut Means) -> Result<Session, Refusal> {
        self.anchor.outward(self.key, session, &self.flow, means).map_err(refuse_session)
    }

    fn write_invite(&mut self, invitation: &mut Invitation, wire: Wire, means: &mut Means) -> Result<Bytes, Refusal> {
        let session = invitation.session.as_ref().map(|session| self.outward(session, means)).transpose()?;
        let bytes = means.write(|writer, means| invitation.write(wire, session.as_ref(), writer, means));
        let stream = means.streams.to(self.peer.is_trunk(), self.peer.name(), &invitation.flow);
        let Some(stream) = stream.filter(|_| is_too_large(&bytes, &invitation.flow)) else { return Ok(bytes) };
        invitation.datagram = Some(invitation.flow);
        (invitation.flow, self.flow) = (stream, stream);
        Ok(means.write(|writer, means| invitation.write(wire, session.as_ref(), writer, means)))
    }

    /// A request of ours within the dialog.
    fn request(
        &mut self,
        method: Method,
        means: &mut Means,
        write: impl Fn(&mut Draft<'_>) -> Bytes,
    ) -> Option<ClientKey> {
        let dialog = match &mut self.state {
            State::Inviting(inviting) => &mut inviting.forks.followed()?.dialog,
            _ => self.dialog.as_mut()?,
        };
        let trunk = match &self.peer {
            Peer::Trunk(trunk) => Some(trunk.clone()),
            Peer::Extension(_) => None,
        };
        let refresh = &self.refresh;
        let stream = means.streams.to(self.peer.is_trunk(), self.peer.name(), &dialog.flow());
        let client = means.request_with(User::Leg(self.key), dialog, stream, method, |draft, target, means| {
            if matches!(method, Method::Invite | Method::Update) {
                draft.header(HeaderName::Allow, ALLOW);
                refresh.ask(draft);
            }
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

    fn contact(&self, means: &Means) -> String {
        contact(&self.flow, means)
    }

    fn reply_ok(&mut self, server: ServerKey, request: &Message, means: &mut Means) {
        self.reply(server, request, Status::OK, means);
    }

    fn reply(&mut self, server: ServerKey, request: &Message, status: Status, means: &mut Means) {
        let source = self.source(server, means).remote;
        let bytes = means.write(|writer, _| writer.reply(request, status, self.tag.as_str(), source).finish());
        means.respond(server, status, bytes);
        self.note(means, false, request.method(), status.code());
    }
}

/// A 2xx for which no leg waits, from a further phone behind a proxy or too late: it is told so politely
/// (RFC 3261 §13.2.2.4).
pub fn dismiss(response: &Message, flow: Flow, means: &mut Means) {
    // Where it names no Contact, there is nobody but whoever has just spoken.
    let target = Uri::at("", flow.remote);
    let Some(mut dialog) = Dialog::from_response(response, flow, &contact(&flow, means), &target) else { return };
    let cseq = response.cseq().number;
    let ack = means.write(|writer, means| {
        let hop = means.hop(&dialog.flow());
        dialog.ack(writer, cseq, hop.view()).finish()
    });
    means.send_on(&dialog, ack);
    means.request_with(User::Nobody, &mut dialog, None, Method::Bye, |draft, _, _| draft.finish());
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
