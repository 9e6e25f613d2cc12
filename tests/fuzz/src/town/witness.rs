//! A witness: sees everything that reaches the core and everything that leaves it, and knows what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use huntline::anchor::{EndpointKey, MediaOrder};
use huntline::clock::{Duration, Instant};
use huntline::fact::{CallFact, EndedBy, Fact, MissedCause};
use huntline::key::CallId;
use huntline::route::{Direction, Reason};
use huntline::sip::{Message, Method};

use super::ASKS;
use super::voices::{Soon, Voices};
use super::windows::Windows;

/// 64·T1.
const PATIENCE: Duration = Duration::from_secs(32);

/// What was seen so far. Every method panics where something cannot be.
#[derive(Default)]
pub struct Witness {
    calls: BTreeMap<CallId, Life>,
    open: BTreeMap<EndpointKey, u16>,
    ever: BTreeSet<EndpointKey>,
    failed: BTreeSet<EndpointKey>,
    lent: BTreeSet<u16>,
    /// Who hears us, and what we write down.
    pub voices: Voices,
    /// What windows on screens are told.
    windows: Windows,
    /// Who hears whom, both ways.
    bridged: BTreeMap<EndpointKey, EndpointKey>,
    /// Dialogs by Call-ID: whose call, whether they stand, and the port that the peer was told last.
    dialogs: BTreeMap<String, Talker>,
    /// Our INVITEs that began something, by Call-ID.
    ours: BTreeMap<String, Ours>,
    /// Every INVITE of ours, by Call-ID and CSeq, while an answer to it can find somebody.
    invites: BTreeMap<(String, u32), Patience>,
    /// 2xx that were heard, by Call-ID, To tag and CSeq; whether an ACK left.
    answers: BTreeMap<(String, String, u32), bool>,
    /// Their INVITEs, by Call-ID, branch and CSeq; whether a final response left.
    theirs: BTreeMap<(String, String, u32), bool>,
    /// Dialogs that ended with a BYE, from either side.
    ended: BTreeSet<String>,
    /// Dialogs in which both sides have heard the BYE: what comes after that finds nobody.
    gone: BTreeSet<String>,
    /// The last NOTIFY of each lamp: its CSeq, and the version of the document.
    lamps: BTreeMap<String, (u32, u64)>,
    /// A call was taken over by a phone that it did not ring.
    picked_up: bool,
    transcript: u64,
    lasted: Duration,
    /// Requests that came in (true) and left.
    requests: BTreeMap<(bool, Method), usize>,
    /// Somebody said things that no peer says: only what holds for any bytes is asked.
    pub lenient: bool,
    /// Somebody has pressed keys.
    pub keyed: bool,
    /// Calls were asked for: their messages have no name of the town's.
    pub nameless: bool,
    /// A program has handed calls on.
    pub handed: bool,
}

#[derive(Default)]
struct Life {
    /// Two talk.
    answered: bool,
    /// The one who asked for it has picked up.
    called: bool,
    ended: bool,
    /// A customer calls: who is not talking when it ends was missed.
    customer: bool,
    /// How often it was put on hold, handed on, given back, joined with another.
    moved: [usize; 4],
    /// Legs that hold the other side.
    holds: BTreeSet<u16>,
    missed: Option<MissedCause>,
}

/// One side of a call, as its peer sees it.
#[derive(Default)]
struct Talker {
    call: String,
    up: bool,
    over: bool,
    told: Option<u16>,
}

impl Talker {
    fn stands(&mut self) {
        self.up = !self.over;
    }

    fn ends(&mut self) {
        (self.up, self.over) = (false, true);
    }
}

/// How long an INVITE of ours is waited for: 64·T1 for anything at all, and as long again after a CANCEL.
struct Patience {
    sent: Instant,
    to: SocketAddr,
    /// Its way broke: RFC 3261 §17.1.4 ends the transaction, and RFC 6026 §8.7 drops what comes for it later.
    cut: bool,
    heard: bool,
    decided: bool,
    cancelled: Option<Instant>,
}

#[derive(Default)]
struct Ours {
    call: String,
    provisional: bool,
    decided: bool,
    cancelled: bool,
    up: bool,
    /// Whoever answers it must press 1 before the call is theirs.
    asks: bool,
    /// It hands its call on: our BYE to it may have to wait for an ACK while somebody else talks already.
    leaves: bool,
}

impl Witness {
    /// A message reaches the core.
    pub fn hears(&mut self, message: &Message, at: Instant) {
        self.count(true, message);
        let id = message.call_id().to_owned();
        let cseq = message.cseq().number;
        match (message.status(), message.method()) {
            (Some(status), Method::Invite) => {
                let Some(patience) = self.invites.get_mut(&(id.clone(), cseq)) else { return };
                let over = |since: Instant| at >= since + PATIENCE;
                if patience.cut && !patience.decided {
                    return;
                }
                if !patience.decided && (patience.cancelled.is_some_and(over) || !patience.heard && over(patience.sent))
                {
                    return;
                }
                (patience.heard, patience.decided) = (true, patience.decided || status.is_final());
                let Some(ours) = self.ours.get_mut(&id) else { return };
                match status.class() {
                    1 => ours.provisional = true,
                    2 => {
                        ours.decided = true;
                        ours.up = !self.ended.contains(&id);
                        let talker = self.dialogs.entry(id.clone()).or_default();
                        talker.call.clone_from(&ours.call);
                        talker.stands();
                        let tag = message.to_tag().unwrap_or_default().to_owned();
                        if !self.gone.contains(&id) {
                            self.answers.entry((id, tag, cseq)).or_insert(false);
                        }
                    }
                    _ => ours.decided = true,
                }
            }
            (None, Method::Invite) => {
                if message.to_tag().is_none() {
                    self.dialogs.entry(id.clone()).or_default().call = subject(message);
                }
                self.theirs.entry((id, message.branch().unwrap_or_default().to_owned(), cseq)).or_insert(false);
            }
            (None, Method::Refer) => _ = self.ours.entry(id).and_modify(|ours| ours.leaves = true),
            (None, Method::Bye) => {
                self.gone.insert(id.clone());
                self.over(id);
            }
            (Some(status), Method::Bye) if status.is_final() => drop(self.gone.insert(id)),
            _ => {}
        }
    }

    /// The way to this peer breaks, and with it whatever waits there.
    pub fn breaks(&mut self, to: SocketAddr) {
        for ((id, _), patience) in self.invites.iter_mut().filter(|(_, patience)| patience.to == to) {
            patience.cut = true;
            self.ours.entry(id.clone()).and_modify(|ours| ours.decided = true);
        }
    }

    /// A message leaves the core.
    pub fn says(&mut self, message: &Message, to: SocketAddr, at: Instant) {
        self.write(at.as_micros(), message.bytes());
        self.count(false, message);
        let id = message.call_id().to_owned();
        let cseq = message.cseq().number;
        self.tells(message, &id);
        if message.is_request() && message.method() == Method::Invite {
            let patience = Patience { sent: at, to, cut: false, heard: false, decided: false, cancelled: None };
            self.invites.entry((id.clone(), cseq)).or_insert(patience);
        }
        match (message.status(), message.method()) {
            (None, Method::Invite) if message.to_tag().is_none() => {
                let asks = message.request_uri().and_then(|uri| uri.user()) == Some(ASKS);
                self.ours.insert(id, Ours { call: subject(message), asks, ..Ours::default() });
            }
            // What it has pressed has been heard.
            (Some(status), Method::Info) if status.is_success() => {
                self.ours.entry(id).and_modify(|ours| ours.asks &= !ours.up);
            }
            (None, Method::Ack) => {
                let tag = message.to_tag().unwrap_or_default().to_owned();
                self.answers.entry((id, tag, cseq)).and_modify(|acked| *acked = true);
            }
            (None, Method::Cancel) => {
                self.invites.entry((id.clone(), cseq)).and_modify(|patience| {
                    patience.cancelled.get_or_insert(at);
                });
                self.ours.entry(id).and_modify(|ours| ours.cancelled = true);
            }
            (None, Method::Bye) => self.over(id),
            (None, Method::Notify) => self.lamp_is_told(id, cseq, message),
            (Some(status), Method::Invite) if status.is_final() => {
                self.theirs
                    .entry((id, message.branch().unwrap_or_default().to_owned(), cseq))
                    .and_modify(|heard| *heard = true);
            }
            _ => {}
        }
    }

    /// What the peer of this dialog is told: where we hear it, that it stands, that it is over.
    fn tells(&mut self, message: &Message, id: &str) {
        let talker = self.dialogs.entry(id.to_owned()).or_default();
        talker.told = port(message).or(talker.told);
        match (message.method(), message.status().map(|status| status.class())) {
            (Method::Invite, Some(2)) => talker.stands(),
            (Method::Bye, None | Some(2)) => talker.ends(),
            _ => {}
        }
    }

    /// Each document of a lamp is one newer than the one before, and comes in one NOTIFY of its own.
    fn lamp_is_told(&mut self, id: String, cseq: u32, message: &Message) {
        let text = String::from_utf8_lossy(message.body());
        let version = text.split_once("\" version=\"").and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
        let Some(version) = version else { return };
        let last = self.lamps.entry(id).or_insert((cseq, version));
        let is_repeated = cseq <= last.0 && u64::from(last.0 - cseq) == last.1 - version;
        assert!(
            is_repeated || (cseq, version) == (last.0 + 1, last.1 + 1),
            "{last:?} is followed by {cseq}, {version}"
        );
        *last = (*last).max((cseq, version));
    }

    fn over(&mut self, id: String) {
        self.ours.entry(id.clone()).and_modify(|ours| ours.up = false);
        self.ended.insert(id);
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        for byte in at.to_be_bytes().iter().chain(bytes) {
            self.transcript = (self.transcript ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    /// A fact is noted.
    pub fn notes(&mut self, fact: &Fact) {
        self.voices.notes(fact);
        self.windows.notes(fact);
        let Fact::Call(id, fact) = fact else { return };
        let life = self.calls.get_mut(id);
        match (fact, life) {
            (CallFact::Offered(offered), None) => {
                let blocked = offered.because.contains(&Reason::Blocked);
                let outside = offered.direction == Direction::Inbound && offered.from.extension.is_none();
                let life = Life { customer: outside && !blocked, ..Life::default() };
                self.calls.insert(*id, life);
            }
            (CallFact::Offered(_), Some(_)) => panic!("{id} is offered twice"),
            (_, None) => panic!("{id} was never offered: {fact:?}"),
            (CallFact::Answered { .. }, Some(life)) => {
                assert!(!life.answered && !life.ended, "{id} is answered twice, or after its end");
                life.answered = true;
                life.holds.clear();
            }
            (CallFact::CallerAnswered { .. }, Some(life)) => {
                let first = !std::mem::replace(&mut life.called, true);
                assert!(first && !life.answered && !life.ended, "{id} has two callers, or one after its end");
            }
            (CallFact::Held { leg, held: true }, Some(life)) => {
                life.moved[0] += 1;
                life.holds.insert(*leg);
            }
            (CallFact::Held { leg, held: false }, Some(life)) => _ = life.holds.remove(leg),
            (CallFact::Transferred { .. }, Some(life)) => (life.answered, life.moved[1]) = (false, life.moved[1] + 1),
            (CallFact::Returned { .. }, Some(life)) => (life.answered, life.moved[2]) = (true, life.moved[2] + 1),
            (CallFact::Merged { .. }, Some(life)) => life.moved[3] += 1,
            // Who was given the call back has hung up at the news: they are rung again.
            (CallFact::Turned { because }, Some(life)) => {
                life.answered &= !because.iter().any(|reason| matches!(reason, Reason::ComesBack(_)));
                self.picked_up |= because.iter().any(|reason| matches!(reason, Reason::PickedUp(_)));
            }
            (CallFact::Ended(ended), Some(life)) => {
                assert!(!std::mem::replace(&mut life.ended, true), "{id} ends twice");
                life.missed = ended.missed;
                if ended.by != EndedBy::Transfer {
                    let lost = life.customer && !life.answered;
                    assert_eq!(ended.missed.is_some(), lost, "{id} ends: {ended:?}");
                }
            }
            (CallFact::Rung(_) | CallFact::Ringing { .. }, Some(life)) => {
                assert!(!life.ended, "{id} goes on after its end: {fact:?}");
            }
            (_, Some(_)) => {}
        }
    }

    /// The core orders something about media. Returns the port that the edge is to close.
    pub fn orders(&mut self, order: &MediaOrder) -> Option<u16> {
        let known = |endpoint: &EndpointKey| {
            assert!(
                self.open.contains_key(endpoint) || self.failed.contains(endpoint),
                "{order:?} is about an endpoint that is not open"
            );
        };
        match order {
            MediaOrder::Open { endpoint, local } => {
                assert!(self.ever.insert(*endpoint), "{endpoint:?} is opened twice");
                assert!(self.lent.insert(local.port()), "port {} is lent twice", local.port());
                self.open.insert(*endpoint, local.port());
            }
            MediaOrder::Expect { endpoint, .. }
            | MediaOrder::Agree { endpoint, .. }
            | MediaOrder::Play { endpoint, .. }
            | MediaOrder::Hush { endpoint }
            | MediaOrder::Dial { endpoint, .. } => known(endpoint),
            MediaOrder::Record { left, right, .. } => [left].into_iter().chain(right).for_each(known),
            MediaOrder::Pause { .. } | MediaOrder::EndRecord { .. } => {}
            MediaOrder::Unbridge { endpoint } => {
                known(endpoint);
                self.part(endpoint);
            }
            MediaOrder::Bridge { a, b } => {
                [a, b].into_iter().for_each(known);
                [a, b].into_iter().for_each(|endpoint| self.part(endpoint));
                self.bridged.extend([(*a, *b), (*b, *a)]);
            }
            MediaOrder::Close { endpoint } => {
                known(endpoint);
                self.part(endpoint);
                return self.open.remove(endpoint);
            }
        }
        None
    }

    /// What the edge makes of an order about sounds, and when.
    pub fn sounds(&mut self, order: &MediaOrder, chance: &mut dyn FnMut(u64) -> u64) -> Vec<(Duration, Soon)> {
        let open = &self.open;
        self.voices.obeys(order, |endpoint| open.contains_key(endpoint), chance)
    }

    /// One of the calls that have not ended.
    pub fn live(&self, at: u8) -> Option<CallId> {
        let live = || self.calls.iter().filter(|(_, life)| !life.ended).map(|(id, _)| *id);
        live().nth(usize::from(at) % live().count().max(1))
    }

    /// One of the endpoints that are open.
    pub fn open_at(&self, at: u8) -> Option<EndpointKey> {
        self.open.keys().nth(usize::from(at) % self.open.len().max(1)).copied()
    }

    fn part(&mut self, endpoint: &EndpointKey) {
        if let Some(other) = self.bridged.remove(endpoint) {
            self.bridged.remove(&other);
        }
    }

    /// The newest endpoint cannot be opened.
    pub fn fails(&mut self) -> Option<(EndpointKey, u16)> {
        let (endpoint, port) = self.open.pop_last()?;
        self.failed.insert(endpoint);
        self.voices.forget(&endpoint);
        self.lent.remove(&port);
        Some((endpoint, port))
    }

    /// The edge says that a port is free.
    pub fn closed(&mut self, port: u16) {
        assert!(self.lent.remove(&port));
    }

    /// What holds after each reaction: of one call at most one phone is answered and not hung up.
    pub fn is_content(&self) {
        if self.lenient {
            return;
        }
        let mut up: Vec<&str> = self
            .ours
            .values()
            .filter(|ours| ours.up && !ours.leaves && !ours.asks)
            .map(|ours| ours.call.as_str())
            .collect();
        up.sort_unstable();
        // Once a call has changed hands both who talk may be phones that we rang.
        let most = match self.requests(Method::Refer).0 {
            // And while one consults another, a third waits; or one leaves who did not ask for it.
            _ if self.keyed || self.handed => 3,
            0 => 1,
            _ => 2,
        };
        let twice = up.windows(most + 1).find(|some| some.iter().all(|call| call == &some[0] && !call.is_empty()));
        assert_eq!(twice, None, "two answered phones in one call");
    }

    /// What holds when every plan has run out and the network has been sound for long: in each call nobody stands, or the
    /// two who talk, and they hear each other.
    pub fn talks(&self) {
        // Keys in a talk let somebody wait for as long as two others talk.
        if self.lenient || self.keyed {
            return;
        }
        let mut standing: BTreeMap<&str, Vec<(&str, Option<EndpointKey>)>> = BTreeMap::new();
        // Who has dialled a code talks with us.
        let talks = |talker: &Talker| talker.up && !talker.call.starts_with("code-");
        for (id, talker) in self.dialogs.iter().filter(|(_, talker)| talks(talker)) {
            let endpoint =
                self.open.iter().find(|(_, port)| Some(**port) == talker.told).map(|(endpoint, _)| *endpoint);
            standing.entry(talker.call.as_str()).or_default().push((id, endpoint));
        }
        if self.requests(Method::Refer).0 > 0 || self.picked_up || self.handed || self.nameless {
            // While somebody is being rung for the one handed on, who did that waits, and the other hears how it rings.
            if self.calls.values().any(|life| !life.ended && !life.answered) {
                return;
            }
            return self.talks_after_transfers(standing.into_values().flatten().collect());
        }
        let endpoints = standing.values().flatten().filter_map(|(_, endpoint)| *endpoint);
        let played: Vec<EndpointKey> = endpoints.filter(|endpoint| self.voices.is_played_to(endpoint)).collect();
        let held: usize = self.calls.values().filter(|life| !life.ended).map(|life| life.holds.len()).sum();
        assert!(!self.failed.is_empty() || played.len() == held, "{held} are held, and {played:?} hear music");
        for (call, sides) in standing {
            let [(one, a), (other, b)] = sides[..] else { panic!("in {call} stand {sides:?}") };
            // A port that could not be bound is another story.
            if let (Some(a), Some(b)) = (a, b) {
                assert_eq!(self.bridged.get(&a), Some(&b), "{one} and {other} of {call} do not hear each other");
            }
        }
    }

    /// Once calls have changed hands, or were taken over, they are no longer told apart by their names: whoever stands hears one other who stands.
    fn talks_after_transfers(&self, standing: Vec<(&str, Option<EndpointKey>)>) {
        assert!(standing.len().is_multiple_of(2), "somebody stands alone: {standing:?}");
        let there: BTreeSet<EndpointKey> = standing.iter().filter_map(|(_, endpoint)| *endpoint).collect();
        let nobody_holds = self.calls.values().all(|life| life.ended || life.holds.is_empty());
        for (id, endpoint) in &standing {
            let Some(endpoint) = endpoint else { continue };
            assert!(!nobody_holds || !self.voices.is_played_to(endpoint), "{id} talks, and hears us");
            let other = self.bridged.get(endpoint);
            let hears = other.is_some_and(|other| there.contains(other) || self.failed.contains(other));
            assert!(hears, "{id} hears {other:?}, who is none of {standing:?}");
        }
    }

    /// What holds at rest.
    pub fn rests(&self) {
        for (id, life) in &self.calls {
            assert!(life.ended, "{id} never ended");
            let missed = life.missed.filter(|_| self.voices.messages().contains(id));
            assert!(missed.is_none_or(|cause| cause == MissedCause::VoicemailLeft), "{id} left a message: {missed:?}");
        }
        self.voices.rest();
        assert!(self.open.is_empty(), "ports stay open: {:?}", self.open);
        if self.lenient {
            return;
        }
        for ((id, tag, cseq), acked) in &self.answers {
            assert!(acked, "the 2xx {cseq} of {id} to {tag} was never acknowledged");
        }
        for ((id, branch, cseq), answered) in &self.theirs {
            assert!(answered, "INVITE {cseq} of {id}, branch {branch}, never got a final answer");
        }
        for (id, ours) in &self.ours {
            assert!(!ours.up, "the dialog {id} of call {} was never ended", ours.call);
            assert!(!ours.provisional || ours.decided || ours.cancelled, "{id} of call {} rings for ever", ours.call);
        }
    }

    /// A fingerprint of every byte that left, and when.
    pub fn transcript(&self) -> u64 {
        self.transcript
    }

    fn count(&mut self, inward: bool, message: &Message) {
        if message.is_request() {
            *self.requests.entry((inward, message.method())).or_default() += 1;
        }
    }

    /// How many requests of this method came in, and how many left.
    pub fn requests(&self, method: Method) -> (usize, usize) {
        let of = |inward| self.requests.get(&(inward, method)).copied().unwrap_or_default();
        (of(true), of(false))
    }

    /// How often calls were put on hold, handed on, given back, and joined.
    pub fn moves(&self) -> [usize; 4] {
        self.calls.values().fold([0; 4], |sum, life| std::array::from_fn(|at| sum[at] + life.moved[at]))
    }

    /// The town has stood so long.
    pub fn lasts(&mut self, lasted: Duration) {
        self.lasted = lasted;
        self.windows.lasts();
    }

    /// How long the town stood, in its own time.
    pub fn lasted(&self) -> Duration {
        self.lasted
    }

    /// How many documents the lamps were told.
    pub fn documents(&self) -> u64 {
        self.lamps.values().map(|(_, version)| version + 1).sum()
    }

    /// How many calls there were, and how many were answered.
    pub fn calls(&self) -> (usize, usize) {
        (self.calls.len(), self.calls.values().filter(|life| life.answered).count())
    }
}

/// Which call of the town it belongs to: carried across untouched.
fn subject(message: &Message) -> String {
    message.header_named("Subject").map(|subject| String::from_utf8_lossy(subject).into_owned()).unwrap_or_default()
}

/// The port of its session's first line, if it has a session.
fn port(message: &Message) -> Option<u16> {
    let body = std::str::from_utf8(message.body()).ok()?;
    let line = body.lines().find_map(|line| line.strip_prefix("m=audio "))?;
    line.split(' ').next()?.parse().ok()
}
