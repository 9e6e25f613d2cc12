//! The wire around a switch: phones and providers that ring, are cancelled and never answer by themselves; a journal that
//! writes at once; and a diary of what was sent when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use huntline::anchor::{EndpointKey, MediaEvent, MediaOrder};
use huntline::clock::{Duration, Instant, Now, Timestamp};
use huntline::config::{Config, DeviceRule, DidIx, ExtensionIx, TrunkIx};
use huntline::effect::Effect;
use huntline::entropy::Entropy;
use huntline::fact::{CallFact, Fact, Offered};
use huntline::key::{Flow, Transport};
use huntline::registrar::Bound;
use huntline::route::{Load, Reason};
use huntline::sip::digest::{Answerer, Asker, Tried};
use huntline::sip::{HeaderName, Message, Method};
use huntline::state::State;
use huntline::switch::{Input, Question, Switch};

/// What was seen on the wire, with its time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// An INVITE to a phone of this extension.
    Rings(Arc<str>, SocketAddr),
    /// An INVITE to this trunk, for this user.
    Dials(Arc<str>, String),
    /// A CANCEL to a phone of this extension.
    Stops(Arc<str>, SocketAddr),
    /// A CANCEL to this trunk.
    GivesUp(Arc<str>),
    /// A final response to the caller.
    Ends(u16),
}

/// Who places a call.
#[derive(Clone, Debug)]
pub enum From {
    Trunk(TrunkIx),
    Extension(ExtensionIx),
}

pub struct World {
    pub switch: Switch,
    pub config: Arc<Config>,
    pub now: Now,
    /// What was seen since the last call began.
    pub seen: Vec<(Instant, Seen)>,
    /// The first fact of the last call.
    pub offered: Option<Offered>,
    /// What told on the way of the last call.
    pub turned: Vec<(Instant, Reason)>,
    /// What a restart would know: every fact, folded.
    pub state: State,
    /// Calls in progress before the last one.
    pub load: Counted,
    /// Who is on the phone.
    pub busy: BTreeSet<Arc<str>>,
    /// Which phones are registered.
    pub bound: BTreeSet<String>,
    us: SocketAddr,
    effects: Vec<Effect>,
    entropy: Entropy,
    media: BTreeMap<EndpointKey, u16>,
    /// INVITEs that ring now, since the last call began: the leg's address, and the INVITE.
    ringing: Vec<(Flow, Message)>,
    accounts: BTreeMap<SocketAddr, Answerer>,
    caller: Option<Caller>,
    answer: Option<Result<serde_json::Value, String>>,
    calls: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Counted {
    trunks: BTreeMap<TrunkIx, u32>,
    dids: BTreeMap<DidIx, u32>,
}

impl Load for Counted {
    fn on_trunk(&self, trunk: TrunkIx) -> u32 {
        self.trunks.get(&trunk).copied().unwrap_or(0)
    }
    fn on_did(&self, did: DidIx) -> u32 {
        self.dids.get(&did).copied().unwrap_or(0)
    }
}

/// The last caller: what it sends may have to be sent again with credentials.
struct Caller {
    from: From,
    address: SocketAddr,
    user: String,
    target: String,
    headers: String,
    call_id: String,
    cseq: u32,
    final_status: u16,
}

impl World {
    pub fn new(config: Arc<Config>, at: Timestamp) -> World {
        let now = Now { mono: Instant::from_micros(1_000_000), wall: at };
        let us = (Ipv4Addr::LOCALHOST, 5060).into();
        let mut world = World {
            switch: Switch::new(config.clone(), [7; 32], 0, now),
            now,
            seen: Vec::new(),
            offered: None,
            turned: Vec::new(),
            state: State::default(),
            load: Counted::default(),
            busy: BTreeSet::new(),
            bound: BTreeSet::new(),
            us,
            effects: Vec::new(),
            entropy: Entropy::seeded([9; 32], 0),
            media: BTreeMap::new(),
            ringing: Vec::new(),
            accounts: BTreeMap::new(),
            caller: None,
            answer: None,
            calls: 0,
            config: config.clone(),
        };
        world.input(Input::Configure(config));
        world
    }

    /// As after a restart.
    pub fn restore(&mut self, fact: Fact) {
        fact.fold(&mut self.state);
        self.input(Input::Restore(fact));
    }

    pub fn register(&mut self, extension: ExtensionIx, device: u8) {
        let remote = phone(extension, device);
        let number = self.config.extension(extension).number.clone();
        let bound = Bound {
            identity: format!("sip:{number}@{remote}"),
            contact: format!("sip:{number}@{remote}"),
            extension: number,
            path: Vec::new(),
            transport: Transport::Udp,
            local: self.us,
            remote,
            call_id: format!("{remote}-register"),
            cseq: 1,
            granted: 3600,
            expires: self.now.after(Duration::from_secs(3600)).wall,
            echo: String::new(),
            user_agent: "Test".into(),
        };
        self.bound.insert(bound.identity.clone());
        self.restore(Fact::Bound(Box::new(bound)));
    }

    pub fn ask(&mut self, question: Question) -> Result<serde_json::Value, String> {
        self.input(Input::Question { number: 1, question });
        self.answer.take().expect("every question has an answer")
    }

    /// A call comes in, with these further headers. What happens at once has happened when this returns.
    pub fn call(&mut self, from: From, user: &str, target: &str, headers: &str) {
        self.calls += 1;
        let address = match from {
            From::Trunk(trunk) => self.trunk_address(trunk),
            From::Extension(extension) => phone(extension, 1),
        };
        self.seen.clear();
        self.turned.clear();
        self.ringing.clear();
        self.offered = None;
        self.caller = Some(Caller {
            from,
            address,
            user: user.to_owned(),
            target: target.to_owned(),
            headers: headers.to_owned(),
            call_id: format!("call-{}@test", self.calls),
            cseq: 1,
            final_status: 0,
        });
        self.invite();
    }

    /// Whoever rings first answers; then the office is as busy as this call makes it.
    pub fn answer_first(&mut self) {
        let Some((flow, invite)) = self.ringing.first().cloned() else { return };
        let mut load = self.load.clone();
        if let Some(did) = self.offered.as_ref().and_then(|offered| offered.did.clone()) {
            let did = self.config.dids().find(|(_, entry)| entry.number.to_string() == *did);
            *load.dids.entry(did.expect("a DID of ours").0).or_default() += 1;
        }
        match self.caller.as_ref().map(|caller| caller.from.clone()) {
            Some(From::Trunk(trunk)) => *load.trunks.entry(trunk).or_default() += 1,
            Some(From::Extension(extension)) => {
                self.busy.insert(self.config.extension(extension).number.clone());
            }
            None => {}
        }
        match self.trunk_at(flow.remote) {
            Some(trunk) => {
                *load.trunks.entry(trunk).or_default() += 1;
                self.busy.extend(self.on_mobile(flow, &invite));
            }
            None => self.busy.extend(self.extension_at(flow.remote)),
        }
        self.load = load;
        self.respond(flow, &invite, 200);
        if self.on_mobile(flow, &invite).is_some() {
            self.press_one(flow, &invite);
        }
    }

    /// Whose mobile an INVITE rings.
    fn on_mobile(&self, flow: Flow, invite: &Message) -> Option<Arc<str>> {
        let trunk = self.trunk_at(flow.remote)?;
        let user = invite.request_uri()?.user_unescaped()?;
        let called = self.config.site.numbering.read_from(&user, self.config.trunk(trunk).dials)?;
        Some(self.config.extension(self.config.extension_by_gsm(called)?).number.clone())
    }

    /// Whoever has answered takes the call, where they are asked.
    fn press_one(&mut self, flow: Flow, invite: &Message) {
        let said = |name| String::from_utf8_lossy(invite.header(name).unwrap_or_default()).into_owned();
        let body = "Signal=1\r\n";
        let text = format!(
            "INFO sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-one-{};rport\r\nMax-Forwards: 70\r\n\
             From: {};tag=called\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 INFO\r\n\
             Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}",
            self.us,
            flow.remote,
            invite.call_id(),
            said(HeaderName::To),
            said(HeaderName::From),
            invite.call_id(),
            body.len(),
        );
        self.deliver(flow, text);
    }

    /// Time passes.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        while let Some(at) = self.switch.deadline().filter(|at| *at <= end) {
            self.now = self.now.after(at.since(self.now.mono));
            self.switch.tick(self.now, &mut self.effects);
            self.carry_out();
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    fn invite(&mut self) {
        let caller = self.caller.as_mut().expect("somebody calls");
        let uri = format!("sip:{}@{}", caller.target, self.us);
        let mut authorization = String::new();
        if caller.cseq > 1 {
            let account = self.accounts.get_mut(&caller.address).expect("was asked");
            for (name, value) in account.authorize(b"INVITE", uri.as_bytes(), &mut self.entropy) {
                authorization = format!("{name}: {}\r\n", String::from_utf8_lossy(&value));
            }
        }
        let Caller { address, user, target, headers, call_id, cseq, .. } = caller;
        let sdp = sdp(*address);
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{call_id}-{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{}>;tag=caller\r\nTo: <sip:{target}@{}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} INVITE\r\nContact: <sip:x@{address}>\r\n{headers}{authorization}\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            address.ip(),
            self.us.ip(),
            sdp.len(),
        );
        let flow = Flow { transport: Transport::Udp, local: self.us, remote: *address, connection: 0 };
        self.deliver(flow, text);
    }

    fn deliver(&mut self, flow: Flow, text: String) {
        let message = Message::parse(Bytes::from(text)).expect("well-formed");
        self.input(Input::Message { flow, message });
    }

    fn input(&mut self, input: Input) {
        self.switch.handle(input, self.now, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Send { flow, bytes } if bytes.len() > 4 => {
                    let message = Message::parse(bytes).expect("we can read what we send");
                    self.hear(flow, &message);
                }
                Effect::Fact(noted) => {
                    noted.fact.fold(&mut self.state);
                    match noted.fact {
                        Fact::Call(_, CallFact::Offered(offered)) => self.offered = Some(*offered),
                        Fact::Call(_, CallFact::Turned { because }) => {
                            let at = self.now.mono;
                            self.turned.extend(because.into_iter().map(|reason| (at, reason)));
                        }
                        _ => {}
                    }
                    self.input(Input::Journaled(noted.number));
                }
                Effect::Media(MediaOrder::Open { endpoint, local }) => _ = self.media.insert(endpoint, local.port()),
                Effect::Media(MediaOrder::Close { endpoint }) => {
                    if let Some(port) = self.media.remove(&endpoint) {
                        let counters = Default::default();
                        self.input(Input::Media(MediaEvent::Closed { endpoint, port, counters }));
                    }
                }
                // Nobody in this town listens for long, and nobody leaves a message.
                Effect::Media(MediaOrder::Play { endpoint, play, repeat: false, .. }) => {
                    self.input(Input::Media(MediaEvent::Played { endpoint, play }));
                }
                Effect::Media(MediaOrder::Record { take, .. }) => {
                    self.input(Input::Media(MediaEvent::Recorded { take, taken: Default::default() }));
                }
                Effect::Resolve(name) => {
                    let addresses = name.literal().into_iter().collect();
                    self.input(Input::Resolved { name, addresses });
                }
                Effect::Answer { answer, .. } => self.answer = Some(answer),
                _ => {}
            }
        }
    }

    fn hear(&mut self, flow: Flow, message: &Message) {
        let at = self.now.mono;
        if !message.is_request() {
            return self.hear_response(flow, message);
        }
        match message.method() {
            Method::Invite => {
                let user = message.request_uri().and_then(|uri| uri.user_unescaped()).unwrap_or_default().into_owned();
                let seen = match self.trunk_at(flow.remote) {
                    Some(trunk) => Seen::Dials(self.config.trunk(trunk).name.clone(), user),
                    None => Seen::Rings(self.extension_at(flow.remote).expect("a phone of ours"), flow.remote),
                };
                self.seen.push((at, seen));
                self.ringing.push((flow, message.clone()));
                self.respond(flow, message, 180);
            }
            Method::Cancel => {
                let seen = match self.trunk_at(flow.remote) {
                    Some(trunk) => Seen::GivesUp(self.config.trunk(trunk).name.clone()),
                    None => Seen::Stops(self.extension_at(flow.remote).expect("a phone of ours"), flow.remote),
                };
                self.respond(flow, message, 200);
                let invited = self.ringing.iter().position(|(_, invite)| invite.call_id() == message.call_id());
                if let Some(invited) = invited {
                    self.seen.push((at, seen));
                    let (flow, invite) = self.ringing.remove(invited);
                    self.respond(flow, &invite, 487);
                }
            }
            Method::Ack => {}
            _ => self.respond(flow, message, 200),
        }
    }

    fn hear_response(&mut self, flow: Flow, message: &Message) {
        let status = message.status().map_or(0, |status| status.code());
        let Some(caller) = &mut self.caller else { return };
        if status < 200 || message.call_id() != caller.call_id || caller.final_status != 0 {
            return;
        }
        let to = String::from_utf8_lossy(message.header(HeaderName::To).unwrap_or_default()).into_owned();
        let branch = if status < 300 { "ack".into() } else { format!("{}-{}", caller.call_id, caller.cseq) };
        let ack = format!(
            "ACK sip:{}@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{}@{}>;tag=caller\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\nContent-Length: 0\r\n\r\n",
            caller.target,
            self.us,
            caller.address,
            caller.user,
            caller.address.ip(),
            caller.call_id,
            caller.cseq,
        );
        let asked = Asker::of(status).filter(|_| matches!(caller.from, From::Extension(_)) && caller.cseq == 1);
        match asked {
            Some(asker) => {
                caller.cseq += 1;
                let mut account = Answerer::new(&caller.user, "secret");
                let challenges = message.headers(HeaderName::WwwAuthenticate);
                account.challenged(asker, challenges, &mut Tried::default()).expect("a challenge we can meet");
                self.accounts.insert(caller.address, account);
            }
            None => {
                caller.final_status = status;
                self.seen.push((self.now.mono, Seen::Ends(status)));
            }
        }
        self.deliver(flow, ack);
        if asked.is_some() {
            self.invite();
        }
    }

    fn respond(&mut self, flow: Flow, request: &Message, status: u16) {
        let mut text = format!("SIP/2.0 {status} Test\r\n");
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            for value in request.headers(name) {
                let tag = if name == HeaderName::To && request.to_tag().is_none() { ";tag=called" } else { "" };
                text.push_str(&format!("{}: {}{tag}\r\n", name.as_str(), String::from_utf8_lossy(value)));
            }
        }
        let body = if status == 200 && request.method() == Method::Invite { sdp(flow.remote) } else { String::new() };
        text.push_str(&format!("Contact: <sip:x@{}>\r\nExpires: 600\r\n", flow.remote));
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.deliver(flow, text);
    }

    fn trunk_address(&self, trunk: TrunkIx) -> SocketAddr {
        (self.config.trunk(trunk).server.ip().expect("an address"), 5060).into()
    }

    fn trunk_at(&self, remote: SocketAddr) -> Option<TrunkIx> {
        self.config.trunks().map(|(trunk, _)| trunk).find(|trunk| self.trunk_address(*trunk) == remote)
    }

    fn extension_at(&self, remote: SocketAddr) -> Option<Arc<str>> {
        let at = |ix| (1..=2).any(|device| phone(ix, device) == remote);
        self.config.extensions().find(|(ix, _)| at(*ix)).map(|(_, extension)| extension.number.clone())
    }
}

/// Where a phone of an extension stands; `device` counts from 1, which is also its static address.
pub fn phone(extension: ExtensionIx, device: u8) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 100 + device, extension.index() as u8 + 1), 5060).into()
}

/// True where phones can register with this extension and place calls.
pub fn has_phone(config: &Config, extension: ExtensionIx) -> bool {
    let extension = config.extension(extension);
    extension.active && extension.devices.contains(&DeviceRule::Sip)
}

fn sdp(address: SocketAddr) -> String {
    let ip = address.ip();
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n")
}
