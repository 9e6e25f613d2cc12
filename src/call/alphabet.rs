//! What legs and calls say to each other. A call never sees a header, a leg never sees a plan.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::named::Named;
use super::origination::Wanted;
use crate::anchor::{PlayKey, TakeKey, Until};
use crate::clock::{Duration, Instant};
use crate::config::{ExtensionIx, ForwardWhen, GroupIx, TrunkIx};
pub use crate::fact::StopReason;
use crate::fact::{Alarm, CallFact, MessageState, RecordingOf, Rung};
use crate::ivr::{Opened, Whose};
use crate::key::{Flow, LegKey};
use crate::route::{DialPlan, Presence, Reason, RoutePlan};
use crate::sip::header::Replaces;
use crate::sip::sdp::Sdp;
use crate::sound::Sound;

/// A session description as the peer sent it (SDP, RFC 8866), before our own addresses are put in.
pub type Session = Bytes;

/// Whether who says this of itself wants to hear nothing.
pub fn holds(session: &Session) -> bool {
    Sdp::read(session).is_ok_and(|sdp| sdp.is_hold())
}

/// Upwards: what a leg tells its call.
#[derive(Clone, Debug, PartialEq)]
pub enum LegEvent {
    /// The first sign of life, 100 Trying included: the request has arrived.
    Reached,
    /// The peer rings; with a session where it sends early media.
    Ringing(Option<Session>),
    /// The peer works on it (183, 181 …), often with early media.
    Progress(Option<Session>),
    /// The peer answered. Without a session, media is impossible.
    Answered(Option<Session>),
    /// The peer refused, or never answered (408).
    Refused(Refused),
    /// An employee's phone refused, and says where the call is to go instead.
    Redirected(Redirected),
    /// In a running talk the peer offers a new session (hold, resume, another codec).
    Reoffered {
        /// The session; `None`: it asks for our offer.
        session: Option<Session>,
        /// It wants to hear nothing: hold.
        hold: bool,
    },
    /// The peer takes back what it offered, before it was answered.
    ReofferWithdrawn,
    /// The peer answered what [`LegOrder::Reoffer`] offered it.
    Reanswered(Option<Session>),
    /// The peer refused what [`LegOrder::Reoffer`] offered it; the old session goes on.
    ReofferRefused(u16),
    /// The peer acknowledged an answer of ours that held an offer; here is its answer to that.
    Acknowledged(Option<Session>),
    /// Something to be carried across untouched (INFO).
    Passed(Passed),
    /// What was ordered with [`LegOrder::Host`] stands: from now on the peer hears what is played to it.
    Hosted,
    /// It cannot be: no codec of ours, or no media of ours at all. Where that was asked of us within a talk
    /// ([`LegEvent::Reoffered`]), the session that the peer offers.
    Unhosted(Option<Session>),
    /// The port on which it was to hear us could not be bound: it hears nothing, and nothing that is played ends.
    Unheard,
    /// The peer has heard all of this [`LegOrder::Play`].
    Played(PlayKey),
    /// The peer has pressed a key: an RTP event (RFC 4733).
    Digit(char),
    /// Nothing has come from the peer for half of `media.silence`, though it talks; or (`false`) packets come again.
    Silent(bool),
    /// The peer wants the one it talks with to talk with somebody else (REFER).
    TransferAsked(TransferAsked),
    /// The peer is gone: BYE, CANCEL, or lost.
    Ended(Why),
}

/// A final refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The final status, 300 to 699.
    pub status: u16,
    /// The leg had rung before.
    pub rang: bool,
    /// Its Reason header (RFC 3326), carried across.
    pub reason: Option<Bytes>,
}

/// A refusal with a way out (300, 301, 302).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// What is to be called instead, as one would dial it.
    pub to: Arc<str>,
    /// What it is where nobody follows it.
    pub refused: Refused,
}

/// Why a leg ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// The Reason header's value (RFC 3326), carried across.
    pub reason: Option<Bytes>,
    /// The peer did not say goodbye: a timeout, a lost connection, an error.
    pub lost: bool,
}

/// A request within the talk whose meaning is the peers' business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Content-Type of the body.
    pub content_type: Bytes,
    /// The body.
    pub body: Bytes,
    /// The Info-Package header, where there is one (RFC 6086).
    pub package: Option<Bytes>,
    /// The key that was pressed, where it says so.
    pub key: Option<char>,
    /// The key has come as an RTP event already.
    pub is_echo: bool,
}

/// Whom somebody wants to hand their call to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferAsked {
    /// The user of the Refer-To, as if it had been dialled.
    pub to: Arc<str>,
    /// The talk with that one, where there is one already (RFC 3891): an attended transfer.
    pub replaces: Option<Replaced>,
}

/// A dialog by its three names, as its peer knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The Call-ID.
    pub call_id: Box<str>,
    /// One side's tag.
    pub to_tag: Box<str>,
    /// The other's.
    pub from_tag: Box<str>,
}

impl Passed {
    /// How long a key was pressed: its `Duration=` in milliseconds, 40 ms to 2 s; where nothing is said, 160 ms.
    pub fn pressed(&self) -> Duration {
        let said = std::str::from_utf8(&self.body).unwrap_or_default().lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("duration").then(|| value.trim().parse().ok())?
        });
        Duration::from_millis(said.map_or(160, |said: u64| said.clamp(40, 2_000)))
    }

    /// The key that was pressed, where that is news.
    pub fn new_key(&self) -> Option<char> {
        self.key.filter(|_| !self.is_echo)
    }

    /// The key that was pressed, where a body says so: `application/dtmf-relay` (`Signal=5`) or `application/dtmf` (`5`).
    pub(super) fn key_in(content_type: &[u8], body: &[u8]) -> Option<char> {
        let kind = content_type.split(|byte| *byte == b';').next()?.trim_ascii();
        let body = std::str::from_utf8(body).ok()?;
        let key = if kind.eq_ignore_ascii_case(b"application/dtmf-relay") {
            let named = |line: &'_ str| {
                line.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            };
            body.lines().filter_map(named).find(|(name, _)| name.eq_ignore_ascii_case("signal"))?.1
        } else if kind.eq_ignore_ascii_case(b"application/dtmf") {
            body.trim().to_owned()
        } else {
            return None;
        };
        match key.as_str() {
            "10" => Some('*'),
            "11" => Some('#'),
            key => {
                let mut keys = key.chars();
                let first = keys.next()?.to_ascii_uppercase();
                (keys.next().is_none() && matches!(first, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(first)
            }
        }
    }
}

impl Replaced {
    /// As a Replaces header says it.
    pub fn view(&self) -> Replaces<'_> {
        Replaces { call_id: &self.call_id, to_tag: &self.to_tag, from_tag: &self.from_tag, early_only: false }
    }
}

/// Downwards: what a call orders a leg to do.
#[derive(Clone, Debug, PartialEq)]
pub enum LegOrder {
    /// To the caller: somebody's phone rings.
    Ring(Option<Session>),
    /// To the caller: early media.
    Progress(Option<Session>),
    /// To the caller: answered.
    Answer(Option<Session>),
    /// The peer talks with us: a caller gets our own session, early (183) or with `answer` for good (200); what a talker
    /// offers anew is answered by us, and nobody else learns of it.
    Host {
        /// A caller is answered.
        answer: bool,
    },
    /// The peer hears these, and nobody else, until something else is ordered.
    Play {
        /// Names this order.
        play: PlayKey,
        /// What.
        sounds: Arc<[Sound]>,
        /// From the beginning again, until something else is ordered.
        repeat: bool,
    },
    /// Nothing is played any more.
    Hush,
    /// To the caller: a final refusal.
    Refuse {
        /// The final status.
        status: u16,
        /// A Reason header to go with it.
        reason: Option<Bytes>,
    },
    /// To one that rings, or is asked whether they take the call: stop.
    Cancel(StopReason),
    /// Whoever answered takes the call: from now on they talk.
    Confirm,
    /// Its media passes us from now on, whatever the config says.
    Relay,
    /// To a party in a talk: a new session.
    Reoffer(Option<Session>),
    /// The answer to what this leg reoffered.
    AcceptReoffer(Option<Session>),
    /// The refusal of what this leg reoffered.
    RefuseReoffer(u16),
    /// The other side has taken back what this leg was to offer.
    WithdrawReoffer,
    /// To one whose answer held an offer: the answer to that, which its ACK carries.
    Acknowledge(Option<Session>),
    /// Carry this across.
    Pass(Passed),
    /// What it asked for with [`LegEvent::TransferAsked`] is being done.
    AcceptTransfer,
    /// It may not, or cannot, hand its call on: with this final status.
    RefuseTransfer(u16),
    /// How it stands with its transfer: 100 while it is tried, then the final status of whom it was to.
    TransferNews(u16),
    /// Whom its peer talks with from now on: said with the next session that it is offered.
    Introduce(Named),
    /// It is over: BYE, or CANCEL, or whatever ends the leg where it stands.
    End(Why),
}

/// The addresses of a trunk through which one number is called.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// As they stood when the trunk was begun with, the first choice first.
    pub all: SmallVec<[Flow; 4]>,
    /// How many of them have been tried.
    pub tried: usize,
}

/// Why a trunk cannot take a call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrunkUnfit {
    /// No answer, no registration, or no address (left) to try.
    Down,
    /// Its `max_calls` are in use.
    Full,
}

/// What a call needs from the house it lives in. Its tests put a list in place of the house.
pub trait Legs {
    /// What time it is, by the clock that nobody sets: a talk lasts as long as it does.
    fn now(&self) -> Instant;
    /// Who is free, busy, or out of reach at this moment.
    fn presence(&self) -> &dyn Presence;
    /// Rings all devices of an extension with the caller's offer; nothing where none can be reached.
    fn ring(&mut self, extension: ExtensionIx) -> Vec<(LegKey, Rung)>;
    /// Calls a number through a trunk, at the address that is its first choice; or, where some of its addresses have
    /// failed this call one after the other, at the one after the last of them.
    fn dial(&mut self, trunk: TrunkIx, ways: &mut Ways, dial: &DialPlan) -> Result<(LegKey, Rung), TrunkUnfit>;
    /// What comes of a call that the phone of this extension sends elsewhere, after it rang or at once.
    ///
    /// # Errors
    /// Why its employee may not call there.
    fn divert(&mut self, by: ExtensionIx, to: &str, rang: bool) -> Result<RoutePlan, Vec<Reason>>;
    /// The plan has come to where this employee forwards the call; `outside`: through a trunk, in their name.
    fn forwarded(&mut self, by: ExtensionIx, when: ForwardWhen, outside: bool);
    /// Gives a leg an order.
    fn order(&mut self, leg: LegKey, order: LegOrder);
    /// What was ordered with [`LegOrder::Host`] and still waits for the disk does not leave any more; true where it waited.
    fn take_back_host(&mut self, leg: LegKey) -> bool;
    /// Plays something to a leg's peer, by [`LegOrder::Play`].
    fn play(&mut self, leg: LegKey, sounds: &[Sound], repeat: bool) -> PlayKey;
    /// Writes down what a leg's peer says, and on the right channel what another's does; `None` where their media does not
    /// pass us.
    fn record(&mut self, left: LegKey, right: Option<LegKey>, of: RecordingOf, until: Until) -> Option<TakeKey>;
    /// Whether the config wants the talk of these two written down, who were rung for this group.
    fn wants_record(&self, caller: LegKey, with: LegKey, group: Option<GroupIx>) -> bool;
    /// The recording goes on with these two.
    fn follow(&mut self, take: TakeKey, left: LegKey, right: LegKey);
    /// Silence is written down for a while, or (`false`) no longer.
    fn pause_record(&mut self, take: TakeKey, paused: bool);
    /// Enough is written down; what became of it is heard by `Call::hear_take`.
    fn end_record(&mut self, take: TakeKey);
    /// Joins the media of two legs, each with no one else.
    fn bridge(&mut self, one: LegKey, other: LegKey);
    /// An employee sets something by a code; false: it may not be.
    fn set(&mut self, extension: ExtensionIx, setting: &crate::ivr::Setting) -> bool;
    /// The messages of a box, for this employee.
    fn open_mailbox(&mut self, by: Option<ExtensionIx>, whose: &Whose, pin: Option<&str>) -> Opened;
    /// A message was listened to, or thrown away.
    fn mark_message(&mut self, file: &Arc<str>, now: MessageState);
    /// A group begins to ring for this call: whose turn is first may move.
    fn entered(&mut self, group: GroupIx);
    /// An employee's talk is over: longest idle and fewest calls count it.
    fn talked(&mut self, extension: ExtensionIx);
    /// Tells an admin.
    fn alarm(&mut self, alarm: Alarm);
    /// Notes a fact of this call.
    fn note(&mut self, fact: CallFact);
    /// An extension answered: with call waiting off its other phones stop ringing, in whatever call.
    fn taken(&mut self, extension: ExtensionIx, by: LegKey);
    /// What an employee's wish to hand a call to this number comes to: the plan that rings it, with the rights of who
    /// asks; or the status of the refusal.
    fn plan_transfer(&mut self, by: ExtensionIx, to: &str) -> Result<Arc<RoutePlan>, u16>;
    /// The plan for one whom a transfer lost: back to who transferred, then to the operator.
    fn plan_return(&mut self, to: ExtensionIx) -> Option<Arc<RoutePlan>>;
    /// The one behind this leg is the caller of the call they asked for, and phones are rung for them from now on, with an
    /// offer of our own: the plan that rings whom they want, or refuses it.
    fn plan_wanted(&mut self, caller: LegKey, wanted: &Wanted) -> Arc<RoutePlan>;
    /// An attended transfer: the one with whom `by` consults takes the place of `by`. Done once this call is at rest; an
    /// error says why it cannot be.
    fn join(&mut self, by: LegKey, consulted: &Replaced) -> Result<(), u16>;
    /// From now on phones are rung for this leg's peer: with its session, and as who it is.
    fn serve(&mut self, leg: LegKey);
    /// True once both sides of a talk know how to hear each other, as far as this leg is concerned: it can change hands.
    fn is_settled(&self, leg: LegKey) -> bool;
    /// The session that this leg's peer would have now if nobody held it.
    fn session(&self, leg: LegKey) -> Option<Session>;
    /// Tells `leg`, with its next session, that it talks with the peer of `with`.
    fn introduce(&mut self, leg: LegKey, with: LegKey);
    /// How long to wait before what has crossed the peer's own offer is offered again (RFC 3261 §14.1).
    fn pause(&mut self, leg: LegKey) -> Duration;
}
