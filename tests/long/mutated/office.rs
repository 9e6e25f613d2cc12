//! A living office in virtual time: one core, its peers, and what they would say next.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use huntline::anchor::{EndpointKey, MediaEvent, MediaOrder};
use huntline::clock::{Duration, Instant, Now};
use huntline::config::{Config, Nothing};
use huntline::effect::Effect;
use huntline::entropy::Entropy;
use huntline::fact::{CallFact, Fact};
use huntline::key::{Flow, Transport};
use huntline::registrar::Bound;
use huntline::sip::digest::{Answerer, Asker, Tried};
use huntline::sip::{HeaderName, Message, Method, Status, Writer};
use huntline::switch::{Input, Switch};

const US: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
/// Trunks, phones, strangers: by name and address.
const PEERS: [(&str, [u8; 4]); 9] = [
    ("provider", [127, 0, 0, 10]),
    ("reserve", [127, 0, 0, 11]),
    ("10", [127, 0, 100, 10]),
    ("12", [127, 0, 100, 12]),
    ("14", [127, 0, 100, 14]),
    ("15", [127, 0, 100, 15]),
    ("16", [127, 0, 100, 16]),
    ("stranger", [127, 0, 200, 1]),
    ("other", [127, 0, 200, 2]),
];
const PHONES: std::ops::Range<usize> = 2..7;
const CALLED: [&str; 8] =
    ["+493012340", "+493012341", "+493012342", "+493012344", "+493012346", "+493012347", "+49307777", "112"];
const ANSWERS: [u16; 16] = [100, 180, 180, 183, 200, 200, 200, 200, 486, 302, 603, 404, 500, 487, 488, 491];
const SDP: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n";
/// How often a phone registers; what is restored lasts no longer than an hour either.
const REGISTERS: Duration = Duration::from_secs(1_500);
/// How much of what we said is remembered, to be answered.
const MEMORY: usize = 64;

/// The core and its world.
pub struct Office {
    switch: Switch,
    now: Now,
    effects: Vec<Effect>,
    inputs: VecDeque<Input>,
    ports: BTreeMap<EndpointKey, u16>,
    /// Requests and responses that we sent lately, and to whom.
    said: [VecDeque<(usize, Message)>; 2],
    /// The ACKs that we sent: each began a talk, or went on with one.
    talks: VecDeque<(usize, Message)>,
    /// The phones' accounts, by place, and when they register again.
    accounts: BTreeMap<usize, Answerer>,
    registers: Instant,
    entropy: Entropy,
    serial: u64,
    figures: Figures,
}

/// What became of it all.
#[derive(Default)]
pub struct Figures {
    read: u64,
    refused: u64,
    dropped: u64,
    sent: u64,
    calls: u64,
    answered: u64,
    spent: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { read, refused, dropped, sent, calls, answered, spent } = self;
        writeln!(f, "{read} were messages, {refused} were refused as none, {dropped} were dropped; {sent} left")?;
        write!(f, "{calls} calls, {answered} answered, in {} hours of the office", spent.as_micros() / 3_600_000_000)
    }
}

impl Office {
    /// An office whose phones are registered.
    pub fn new() -> Office {
        let text = include_str!("../../../sip-traces/berlin.toml").replace("max_calls = 4", "max_calls = 40");
        let read = Config::read(Path::new("berlin.toml"), &text, &Nothing);
        let config = Arc::new(read.unwrap_or_else(|problems| panic!("{problems}")).config);
        let now = Now { mono: Instant::from_micros(1_000_000), wall: "2026-11-23T09:00:00Z".parse().expect("a time") };
        let mut office = Office {
            switch: Switch::new(config.clone(), [7; 32], 0, now),
            now,
            effects: Vec::new(),
            inputs: VecDeque::new(),
            ports: BTreeMap::new(),
            said: Default::default(),
            talks: VecDeque::new(),
            accounts: PHONES.map(|who| (who, account(who))).collect(),
            registers: now.mono + REGISTERS,
            entropy: Entropy::seeded([9; 32], 0),
            serial: 0,
            figures: Figures::default(),
        };
        office.input(Input::Configure(config));
        for who in PHONES {
            let bound = office.bound(who);
            office.input(Input::Restore(Fact::Bound(Box::new(bound))));
        }
        office
    }

    fn bound(&self, who: usize) -> Bound {
        let (user, remote) = (PEERS[who].0, address(who));
        Bound {
            extension: user.into(),
            identity: format!("sip:{user}@{remote}"),
            contact: format!("sip:{user}@{remote}"),
            path: Vec::new(),
            transport: Transport::Udp,
            local: US,
            remote,
            call_id: format!("{user}-register"),
            cseq: 0,
            granted: 3600,
            expires: self.now.after(Duration::from_secs(3600)).wall,
            echo: String::new(),
            user_agent: "Office".into(),
        }
    }

    /// How many calls were answered so far: a sign of life.
    pub fn answered(&self) -> u64 {
        self.figures.answered
    }

    /// Time passes.
    pub fn pass(&mut self, micros: u64) {
        let end = self.now.mono + Duration::from_micros(micros);
        while let Some(due) = self.switch.deadline().filter(|due| *due <= end) {
            self.now = self.now.after(due.max(self.now.mono).since(self.now.mono));
            self.switch.tick(self.now, &mut self.effects);
            self.carry_out();
        }
        self.now = self.now.after(end.since(self.now.mono));
        if self.registers <= self.now.mono {
            self.registers = self.now.mono + REGISTERS;
            PHONES.for_each(|who| self.register(who));
            self.carry_out();
        }
        self.figures.spent = self.now.mono.since(Instant::from_micros(1_000_000));
    }

    /// A phone registers, with the answer to the last challenge it heard.
    fn register(&mut self, who: usize) {
        self.serial += 1;
        let (user, here, serial) = (PEERS[who].0, address(who), self.serial);
        let uri = format!("sip:{}", US.ip());
        let mut text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK-{serial};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{}>;tag=r{serial}\r\nTo: <sip:{user}@{}>\r\nCall-ID: {user}-register\r\n\
             CSeq: {serial} REGISTER\r\nContact: <sip:{user}@{here}>\r\nExpires: 3600\r\nContent-Length: 0\r\n",
            US.ip(),
            US.ip(),
        );
        let account = self.accounts.get_mut(&who).expect("a phone");
        for (name, value) in account.authorize(b"REGISTER", uri.as_bytes(), &mut self.entropy) {
            text += &format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(&value));
        }
        let message = Message::parse(Bytes::from(text + "\r\n")).expect("a REGISTER");
        self.inputs.push_back(Input::Message { flow: flow(who), message });
    }

    /// A phone that is asked for its password registers once more with it.
    fn is_asked(&mut self, who: usize, response: &Message) -> bool {
        let asks =
            response.method() == Method::Register && response.status().is_some_and(|status| status.code() == 401);
        let Some(account) = self.accounts.get_mut(&who).filter(|_| asks) else { return false };
        let ours = response.call_id() == format!("{}-register", PEERS[who].0);
        let challenges = response.headers(HeaderName::WwwAuthenticate);
        ours && account.challenged(Asker::Server, challenges, &mut Tried::default()).is_ok()
    }

    /// These bytes come from this peer.
    pub fn hears(&mut self, who: usize, bytes: &[u8]) {
        let flow = flow(who);
        let input = match Message::parse(Bytes::copy_from_slice(bytes)) {
            Ok(message) => {
                self.figures.read += 1;
                Input::Message { flow, message }
            }
            Err(malformed) => {
                match malformed.status() {
                    Some(_) => self.figures.refused += 1,
                    None => self.figures.dropped += 1,
                }
                Input::Malformed { flow, malformed }
            }
        };
        self.input(input);
    }

    fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let refusing = matches!(input, Input::Malformed { .. });
            self.switch.handle(input, self.now, &mut self.effects);
            self.carry_out_all(refusing);
        }
    }

    fn carry_out(&mut self) {
        self.carry_out_all(false);
        while let Some(input) = self.inputs.pop_front() {
            self.input(input);
        }
    }

    fn carry_out_all(&mut self, refusing: bool) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Send { flow, bytes } => self.leaves(flow, bytes, refusing),
                Effect::Fact(noted) => {
                    match noted.fact {
                        Fact::Call(_, CallFact::Offered(_)) => self.figures.calls += 1,
                        Fact::Call(_, CallFact::Answered { .. }) => self.figures.answered += 1,
                        _ => {}
                    }
                    self.inputs.push_back(Input::Journaled(noted.number));
                }
                Effect::Media(MediaOrder::Open { endpoint, local }) => drop(self.ports.insert(endpoint, local.port())),
                Effect::Media(MediaOrder::Close { endpoint }) => {
                    if let Some(port) = self.ports.remove(&endpoint) {
                        let closed = MediaEvent::Closed { endpoint, port, counters: Default::default() };
                        self.inputs.push_back(Input::Media(closed));
                    }
                }
                Effect::Resolve(name) => {
                    let addresses = name.literal().into_iter().collect();
                    self.inputs.push_back(Input::Resolved { name, addresses });
                }
                Effect::Media(_)
                | Effect::Close(_)
                | Effect::Discard(_)
                | Effect::RenewCustomers
                | Effect::Answer { .. }
                | Effect::Suspect(_)
                | Effect::Drained => {}
            }
        }
    }

    /// What leaves can be read. A trunk that is asked whether it lives says so; all else is remembered.
    fn leaves(&mut self, flow: Flow, bytes: Bytes, refusing: bool) {
        self.figures.sent += 1;
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return;
        }
        let message = match Message::parse(bytes.clone()) {
            Ok(message) => message,
            Err(malformed) if refusing && super::checks::finds_its_way(&malformed) => return,
            Err(malformed) => panic!("we send what we cannot read: {malformed:?}\n{}", String::from_utf8_lossy(&bytes)),
        };
        let Some(who) = (0..PEERS.len()).find(|who| address(*who) == flow.remote) else { return };
        if self.is_asked(who, &message) {
            return self.register(who);
        }
        if message.is_request() && matches!(message.method(), Method::Options | Method::Register) {
            let answer = Writer::default().reply(&message, Status::OK, "alive", US).finish();
            let message = Message::parse(answer).expect("an answer");
            return self.inputs.push_back(Input::Message { flow, message });
        }
        if message.is_request() && message.method() == Method::Ack && message.to_tag().is_some() {
            self.talks.push_back((who, message.clone()));
            self.talks.drain(..self.talks.len().saturating_sub(MEMORY));
        }
        let said = &mut self.said[usize::from(!message.is_request())];
        said.push_front((who, message));
        said.truncate(MEMORY);
    }

    /// Whoever it be.
    pub fn anybody(&self, chance: &mut Entropy) -> usize {
        chance.below(PEERS.len() as u64) as usize
    }

    /// What one of the peers may well say now: a call, an answer, or a request within a call.
    pub fn next(&mut self, chance: &mut Entropy) -> (usize, Vec<u8>) {
        let [requests, responses] = &self.said;
        let mut pick = |said: &VecDeque<(usize, Message)>| {
            // Mostly the latest; now and then something that is long over.
            let most = if chance.below(4) == 0 { MEMORY } else { 6 };
            let at = chance.below(said.len().clamp(1, most) as u64) as usize;
            said.get(at).map(|(who, message)| (*who, message.clone()))
        };
        let (request, response) = (pick(requests), pick(responses));
        match (chance.below(8), request, response) {
            (0..4, Some((who, request)), _) => (who, answer(who, &request, chance)),
            (4, Some((who, request)), _) => (who, self.within(who, &request, chance)),
            (5 | 6, _, Some((who, response))) => (who, self.within(who, &response, chance)),
            _ => {
                let who = self.anybody(chance);
                (who, self.call(who, chance))
            }
        }
    }

    /// Whoever has talked longest hangs up; else everybody would soon talk for ever.
    pub fn hang_up(&mut self) {
        if let Some((who, ack)) = self.talks.pop_front() {
            let bye = self.request(who, &ack, "BYE");
            self.hears(who, &bye);
        }
    }

    fn call(&mut self, who: usize, chance: &mut Entropy) -> Vec<u8> {
        self.serial += 1;
        let (serial, here) = (self.serial, address(who));
        let called = CALLED[chance.below(8) as usize];
        let sdp = String::from_utf8_lossy(SDP);
        format!(
            "INVITE sip:{called}@{US} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK-{serial};rport\r\nMax-Forwards: 70\r\n\
             From: \"Ada\" <sip:+4917011122{:02}@{}>;tag=c{serial}\r\nTo: <sip:{called}@{}>\r\nCall-ID: {serial}@{}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:{}@{here}>\r\nSupported: timer, 100rel\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            serial % 100,
            here.ip(),
            US.ip(),
            here.ip(),
            PEERS[who].0,
            SDP.len(),
        )
        .into_bytes()
    }

    /// A request in the dialog of something that we said.
    fn within(&mut self, who: usize, said: &Message, chance: &mut Entropy) -> Vec<u8> {
        let methods = ["ACK", "BYE", "CANCEL", "INVITE", "INFO", "PRACK", "REFER", "UPDATE"];
        self.request(who, said, methods[chance.below(8) as usize])
    }

    fn request(&mut self, who: usize, said: &Message, method: &str) -> Vec<u8> {
        let line = |name| String::from_utf8_lossy(said.header(name).unwrap_or_default()).into_owned();
        let (from, to) = (line(HeaderName::From), line(HeaderName::To));
        // What we asked went the other way, and was answered with this tag.
        let (me, them) = match said.is_request() {
            true if said.to_tag().is_none() => (format!("{to};tag=t{who}"), from),
            true => (to, from),
            false => (from, to),
        };
        let number = said.cseq().number + u32::from(!matches!(method, "ACK" | "CANCEL"));
        self.serial += 1;
        let branch = match method {
            "CANCEL" => said.branch().unwrap_or_default().to_owned(),
            _ => format!("z9hG4bK-{}", self.serial),
        };
        let (here, call_id) = (address(who), said.call_id());
        format!(
            "{method} sip:{US} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {me}\r\n\
             To: {them}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nContact: <sip:{}@{here}>\r\n\
             Refer-To: <sip:15@{US}>\r\nContent-Length: 0\r\n\r\n",
            PEERS[who].0,
        )
        .into_bytes()
    }

    /// Nobody says anything more: after a while nothing is left of it all.
    pub fn rest(mut self) -> Figures {
        self.input(Input::EndAll);
        let second = 1_000_000;
        self.pass(300 * second);
        self.input(Input::EndAll);
        self.pass(70 * second);
        // An OPTIONS of ours may just be under way.
        for _ in 0..60 {
            if self.switch.census().transactions > 0 {
                self.pass(second);
            }
        }
        let census = self.switch.census();
        let left = [
            census.calls,
            census.legs,
            census.dialogs,
            census.transactions,
            census.held,
            census.ports,
            census.call_timers,
        ];
        assert_eq!(left, [0; 7], "left over: {census:?}");
        self.figures
    }
}

fn answer(who: usize, request: &Message, chance: &mut Entropy) -> Vec<u8> {
    let code = match request.method() {
        Method::Invite => ANSWERS[chance.below(16) as usize],
        _ => [200, 200, 200, 481, 408][chance.below(5) as usize],
    };
    let status = Status::new(code).expect("a status");
    let mut writer = Writer::default();
    let mut draft = writer.reply(request, status, &format!("t{who}"), US);
    draft.header(HeaderName::Contact, format!("<sip:{}@{}>", PEERS[who].0, address(who)));
    match request.method() == Method::Invite && matches!(code, 183 | 200) {
        true => draft.finish_with("application/sdp", SDP).to_vec(),
        false => draft.finish().to_vec(),
    }
}

fn account(who: usize) -> Answerer {
    let user = PEERS[who].0;
    Answerer::new(user, &format!("secret-{user}"))
}

fn address(who: usize) -> SocketAddr {
    (PEERS[who].1, 5060).into()
}

fn flow(who: usize) -> Flow {
    Flow { transport: Transport::Udp, local: US, remote: address(who), connection: 0 }
}
