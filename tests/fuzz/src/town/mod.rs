//! A town around one core: peers with minds of their own, a network that loses, doubles and reorders, virtual time.
//!
//! The fuzz target `switch` and the random scripts play here. Each looks at another side of it:
#![allow(dead_code)]

mod peer;
pub mod script;
mod voices;
mod windows;
mod witness;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use huntline::anchor::MediaEvent;
use huntline::clock::{Duration, Instant, Now};
use huntline::config::{Config, Nothing};
use huntline::effect::Effect;
use huntline::fact::Fact;
use huntline::key::{Flow, Transport};
use huntline::registrar::Bound;
use huntline::sip::{Fault, HeaderName, Malformed, Message, Method};
use huntline::switch::{Input, Question, Switch};

use peer::Peer;
use script::{PHONES, Step, WHO};
use voices::Soon;
pub use witness::Witness;

const US: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
const START: Instant = Instant::from_micros(1_000_000);
/// How long the disk needs.
const DISK: Duration = Duration::from_millis(3);
/// 64·T1 and a little.
const REST: Duration = Duration::from_secs(33);
const USERS: [&str; WHO as usize] = ["provider", "reserve", "10", "12", "14", "15", "16", "12", "stranger"];
const DIDS: [&str; 7] =
    ["+493012340", "+493012341", "+493012342", "+493012344", "+493012346", "+49307777", "+493012347"];
/// What is pressed in a talk, and what is dialled instead of a number.
const KEYS: [&str; 12] =
    ["##14#", "*214#", "*2", "##", "*216#", "*212", "##+493055555#", "*210#", "*1", "15", "#", "*2+493055555#"];
const CODES: [&str; 12] =
    ["*7214", "*9015", "*5212", "*73", "*91", "*72", "*78", "*79", "*27", "*28", "*43", "*72+493055555"];
const INSIDE: [&str; 8] = ["10", "12", "14", "15", "16", "+493055555", "112", "0301234"];

/// The mobile of 12, whose owner must press 1.
pub(crate) const ASKS: &str = "+491705555512";

/// The office of most traces, two of its people with mobiles, its callers greeted and written down, and the same after an edit.
fn configs() -> &'static [Arc<Config>; 2] {
    static CONFIGS: OnceLock<[Arc<Config>; 2]> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let text = include_str!("../../../../sip-traces/berlin.toml");
        let mobile = |text: String, of: &str, confirm: bool| {
            let password = format!("password = \"secret-{of}\"");
            let devices = format!("devices = [\"sip\", {{ gsm = \"+4917055555{of}\", confirm = {confirm} }}]");
            text.replace(&password, &format!("{password}\n{devices}"))
        };
        let mut text = mobile(mobile(text.into(), "12", true), "15", false);
        text.push_str("\n[[outbound]]\nmatch = \"+49170555551*\"\ntrunks = [\"reserve\", \"provider\"]\n");
        let mut put = |before: &str, after: &str| {
            assert!(text.contains(before), "{before}");
            text = text.replacen(before, after, 1);
        };
        put("[media]\n", "[media]\nrecord = \"external\"\n");
        put("identity_to = \"pai\"\n", "identity_to = \"pai\"\nanswer = true\n");
        let then = "then     = \"refuse:unavailable\"";
        put(then, "then = \"voicemail:sales\"");
        put(then, "then = \"announcement:busy\"");
        put(then, "then = [\"extension:14\", \"voicemail:12\"]");
        put("password = \"secret-14\"\n", "password = \"secret-14\"\nbusy = \"voicemail:sales\"\n");
        put("{ to = \"group:service\" }", "{ to = \"group:service\", greeting = \"hello.wav\" }");
        put("\"group:sales\"] }", "\"group:sales\"], greeting = \"hello.wav\", greeting_first = true }");
        let edited = text
            .replace("record = \"external\"", "record = \"all\"\nannounce = true")
            .replace("identity_to = \"pai\"\nanswer = true", "identity_to = \"pai\"")
            .replace("strategy = \"ring-all\"", "strategy = \"sequential\"")
            .replace("password = \"secret-14\"", "password = \"secret-14\"\ncall_waiting = true")
            .replace("\"provider\", \"reserve\"", "\"reserve\", \"provider\"")
            .replace(
                "members  = [\"12\", \"14\", \"15\"]\nstep     = \"7s\"",
                "members  = [\"15\", \"12\"]\nstep     = \"7s\"",
            );
        [text, edited].map(|text| {
            let read = Config::read(Path::new("berlin.toml"), &text, &Nothing);
            Arc::new(read.unwrap_or_else(|problems| panic!("{problems}")).config)
        })
    })
}

enum Packet {
    /// An OPTIONS or REGISTER of ours reaches its trunk.
    Errand(usize, Bytes),
    ToUs(usize, Bytes),
    ToPeer(usize, Bytes),
    Journaled(u64),
    Closed(huntline::anchor::EndpointKey, u16),
    Soon(Soon),
}

struct Town {
    switch: Switch,
    now: Now,
    effects: Vec<Effect>,
    peers: Vec<Peer>,
    under_way: BTreeMap<(Instant, u64), Packet>,
    serial: u64,
    chance: u64,
    lost: u8,
    doubled: u8,
    delay_ms: u16,
    stalled: Option<u64>,
    config: usize,
    calls: usize,
    /// What leaves now answers something that was no message.
    refusing: bool,
    witness: Witness,
}

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everybody goes away without a word.
    Silence,
    /// The network becomes sound, and everybody says what is left to say.
    Manners,
}

/// Plays a script; panics where something does not hold.
pub fn play(steps: &[Step], seed: u64, ending: Ending) -> Witness {
    let mut town = Town::new(seed);
    town.witness.lenient = steps.iter().any(|step| matches!(step, Step::Raw { .. }));
    for step in steps {
        town.step(step);
    }
    town.rest(ending);
    town.witness.lasts(town.now.mono.since(START));
    town.witness
}

impl Town {
    fn new(seed: u64) -> Town {
        let now = Now { mono: START, wall: "2026-11-23T09:00:00Z".parse().unwrap() };
        let config = &configs()[0];
        let peers = (0..WHO).map(|who| {
            let user = USERS[usize::from(who)];
            let password = format!("secret-{user}");
            let octets = match who {
                0 => [127, 0, 0, 10],
                1 => [127, 0, 0, 11],
                who => [127, 0, 100, who],
            };
            let phone = (PHONES..WHO - 1).contains(&who);
            Peer::new((octets, 5060).into(), user, phone.then_some(password.as_str()), who)
        });
        let mut town = Town {
            switch: Switch::new(config.clone(), [7; 32], 0, now),
            now,
            effects: Vec::new(),
            peers: peers.collect(),
            under_way: BTreeMap::new(),
            serial: 0,
            chance: seed | 1,
            lost: 0,
            doubled: 0,
            delay_ms: 0,
            stalled: None,
            config: 0,
            calls: 0,
            refusing: false,
            witness: Witness::default(),
        };
        town.input(Input::Configure(config.clone()));
        for who in usize::from(PHONES)..usize::from(WHO) - 1 {
            let bound = town.bound(who);
            town.input(Input::Restore(Fact::Bound(Box::new(bound))));
        }
        town
    }

    fn bound(&self, who: usize) -> Bound {
        let Peer { address, user, .. } = &self.peers[who];
        Bound {
            extension: user.as_str().into(),
            identity: format!("sip:{user}@{address}"),
            contact: format!("sip:{user}@{address}"),
            path: Vec::new(),
            transport: Transport::Udp,
            local: US,
            remote: *address,
            call_id: format!("{user}-register"),
            cseq: 0,
            granted: 3600,
            expires: self.now.after(Duration::from_secs(3600)).wall,
            echo: String::new(),
            user_agent: "Town".into(),
        }
    }

    fn step(&mut self, step: &Step) {
        let now = self.now.mono;
        let place = |who: u8| usize::from(who % WHO);
        match *step {
            Step::Call { who, to, offer } => self.call(place(who), to, offer),
            Step::Ring { who, early } => {
                self.speak(place(who), |peer| peer.react(if early { 183 } else { 180 }, early, now))
            }
            Step::Answer { who } => self.speak(place(who), |peer| peer.react(200, false, now)),
            Step::Refuse { who, code } => self.speak(place(who), |peer| peer.react(code, false, now)),
            Step::HangUp { who } => self.speak(place(who), |peer| peer.ask("BYE", false, now)),
            Step::Cancel { who } => self.speak(place(who), |peer| peer.ask("CANCEL", false, now)),
            Step::Reinvite { who, offer } => self.speak(place(who), |peer| peer.ask("INVITE", offer, now)),
            Step::Update { who, offer } => self.speak(place(who), |peer| peer.ask("UPDATE", offer, now)),
            Step::Info { who } => self.speak(place(who), |peer| peer.ask("INFO", false, now)),
            Step::PickUp { who, from, how } => self.pick_up(place(who), place(from), how),
            Step::Subscribe { who, to, expires } => {
                let own = usize::from(to) % 6 == 5;
                let whom = if own { USERS[place(who)] } else { INSIDE[usize::from(to) % 6] };
                let event = if own { "message-summary" } else { "dialog" };
                self.speak(place(who), |peer| peer.subscribe(US, whom, event, expires, now));
            }
            Step::Refer { who, to } => {
                let to = INSIDE[usize::from(to) % INSIDE.len()];
                self.speak(place(who), |peer| peer.refer(&format!("<sip:{to}@{}>", US.ip()), now));
            }
            Step::Join { who } => self.speak(place(who), |peer| peer.join(US.ip(), now)),
            Step::Hold { who, on } => {
                self.peers[place(who)].holds = on;
                self.speak(place(who), |peer| peer.ask("INVITE", true, now));
            }
            Step::Mood { who, code } => self.peers[place(who)].mood = code,
            Step::Vanish { who, gone } => self.peers[place(who)].gone = gone,
            Step::Register { who, expires } => self.speak(place(who), |peer| peer.register(US, expires, now)),
            Step::Network { lost, doubled, delay_ms } => {
                (self.lost, self.doubled, self.delay_ms) = (lost, doubled, delay_ms)
            }
            Step::Journal { stalls: true } => self.stalled = self.stalled.or(Some(0)),
            Step::Journal { stalls: false } => {
                if let Some(number) = self.stalled.take() {
                    self.input(Input::Journaled(number));
                }
            }
            Step::Pressure { on } => self.input(Input::Pressure(on)),
            Step::Late { ms } => {
                let by = Duration::from_millis(ms.into());
                self.input(Input::Late(by));
                self.pass(huntline::overload::INTERVAL);
                self.input(Input::Late(by));
            }
            Step::Configure => {
                self.config ^= 1;
                self.input(Input::Configure(configs()[self.config].clone()));
            }
            Step::PortFails => {
                if let Some((endpoint, port)) = self.witness.fails() {
                    let (local, why) = ((US.ip(), port).into(), std::io::ErrorKind::AddrInUse);
                    self.input(Input::Media(MediaEvent::Failed { endpoint, local, why }));
                }
            }
            Step::FlowCloses { who } => {
                let address = self.peers[place(who)].address;
                self.witness.breaks(address);
                self.input(Input::FlowClosed(flow(address)));
            }
            Step::Press { at, key } => {
                if let Some(endpoint) = self.witness.open_at(at) {
                    // Two of them may be a code by chance.
                    self.witness.keyed |= key % 12 > 9;
                    let digit = char::from(b"0123456789*#"[usize::from(key) % 12]);
                    self.input(Input::Media(MediaEvent::Digit { endpoint, digit }));
                }
            }
            Step::Keys { at, keys } => self.press(at, keys),
            Step::Dial { who, code } => self.dial(place(who), code),
            Step::Originate { who, to } => self.originate(place(who), to),
            Step::HandOn { at, by, to } => self.hand_on(at, by, to),
            Step::Pass { ms } => self.pass(Duration::from_millis(ms.into())),
            Step::Raw { who, ref bytes } => self.arrive(place(who), Bytes::copy_from_slice(bytes)),
        }
    }

    fn call(&mut self, who: usize, to: u8, offer: bool) {
        self.calls += 1;
        let (subject, now) = (format!("call-{}", self.calls), self.now.mono);
        let phone = (usize::from(PHONES)..usize::from(WHO) - 1).contains(&who);
        let to = if phone { INSIDE[usize::from(to) % 8] } else { DIDS[usize::from(to) % DIDS.len()] };
        let from = if phone { USERS[who].to_owned() } else { format!("+4917011122{:02}", self.calls % 100) };
        self.speak(who, |peer| peer.call(US, &from, to, &subject, offer, now));
    }

    fn originate(&mut self, who: usize, to: u8) {
        self.witness.nameless = true;
        let question = Question::Originate {
            user: USERS[who].into(),
            to: INSIDE[usize::from(to) % INSIDE.len()].into(),
            caller_id: None,
            reference: Some("town".into()),
            timeout: None,
            auto_answer: to % 16 >= 8,
        };
        self.input(Input::Question { number: 0, question });
    }

    fn hand_on(&mut self, at: u8, by: u8, to: u8) {
        let Some(call) = self.witness.live(at) else { return };
        self.witness.handed = true;
        let by = INSIDE[..5].get(usize::from(by) % 6).map(|by| (*by).into());
        let to = INSIDE[usize::from(to) % INSIDE.len()].into();
        self.input(Input::Question { number: 0, question: Question::Transfer { call, by, to } });
    }

    fn press(&mut self, at: u8, keys: u8) {
        let keys = KEYS[usize::from(keys) % KEYS.len()];
        self.witness.keyed = true;
        for digit in keys.chars() {
            if let Some(endpoint) = self.witness.open_at(at) {
                self.input(Input::Media(MediaEvent::Digit { endpoint, digit }));
            }
        }
    }

    fn dial(&mut self, who: usize, code: u8) {
        self.calls += 1;
        let (subject, now) = (format!("code-{}", self.calls), self.now.mono);
        let code = CODES[usize::from(code) % CODES.len()];
        self.speak(who, |peer| peer.call_with(US, code, &subject, true, "", now));
    }

    fn pick_up(&mut self, who: usize, from: usize, how: u8) {
        self.calls += 1;
        let (subject, now) = (format!("call-{}", self.calls), self.now.mono);
        let codes = ["*8", "**10", "**12", "**14", "**15", "**77"];
        let named = self.peers[from].ringing().filter(|_| matches!(how % 4, 0 | 2));
        let replaces = named.map(|(call_id, theirs, ours)| match how % 4 {
            0 => format!("Replaces: {call_id};to-tag={theirs};from-tag={ours};early-only\r\n"),
            _ => format!("Replaces: {call_id};to-tag={ours};from-tag={theirs}\r\n"),
        });
        let to = if replaces.is_some() { USERS[from] } else { codes[usize::from(how / 4) % 6] };
        let more = replaces.unwrap_or_default();
        self.speak(who, |peer| peer.call_with(US, to, &subject, how % 8 < 6, &more, now));
    }

    fn speak(&mut self, who: usize, act: impl FnOnce(&mut Peer) -> Vec<Bytes>) {
        for bytes in act(&mut self.peers[who]) {
            self.send(Packet::ToUs(who, bytes));
        }
    }

    /// A packet leaves; it may be lost, come twice, or be overtaken.
    fn send(&mut self, packet: Packet) {
        if self.roll(256) < u64::from(self.lost) {
            return;
        }
        let twin = match &packet {
            Packet::ToUs(who, bytes) if self.roll(256) < u64::from(self.doubled) => {
                Some(Packet::ToUs(*who, bytes.clone()))
            }
            Packet::ToPeer(who, bytes) if self.roll(256) < u64::from(self.doubled) => {
                Some(Packet::ToPeer(*who, bytes.clone()))
            }
            _ => None,
        };
        for packet in [Some(packet), twin].into_iter().flatten() {
            let delay = Duration::from_millis(1 + self.roll(u64::from(self.delay_ms) + 1));
            self.put(delay, packet);
        }
    }

    fn put(&mut self, delay: Duration, packet: Packet) {
        self.serial += 1;
        self.under_way.insert((self.now.mono + delay, self.serial), packet);
    }

    fn roll(&mut self, below: u64) -> u64 {
        roll(&mut self.chance, below)
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        loop {
            let packet = self.under_way.keys().next().map(|(at, _)| *at);
            let peers = self.peers.iter().filter_map(Peer::deadline).min();
            let next = [packet, self.switch.deadline(), peers].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.after(at.since(self.now.mono));
            if self.switch.deadline().is_some_and(|due| due <= at) {
                self.switch.tick(self.now, &mut self.effects);
                self.carry_out();
            } else if packet.is_some_and(|due| due <= at) {
                if let Some((_, packet)) = self.under_way.pop_first() {
                    self.arrives(packet);
                }
            } else {
                for who in 0..self.peers.len() {
                    let now = self.now.mono;
                    self.speak(who, |peer| peer.due(now));
                }
            }
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    fn arrives(&mut self, packet: Packet) {
        match packet {
            Packet::ToUs(who, bytes) => self.arrive(who, bytes),
            Packet::ToPeer(who, bytes) => {
                let now = self.now.mono;
                if let Ok(message) = Message::parse(bytes)
                    && !self.peers[who].gone
                {
                    self.speak(who, |peer| peer.hear(&message, now));
                }
            }
            Packet::Errand(who, bytes) => {
                let flow = flow(self.peers[who].address);
                let answer =
                    Message::parse(bytes).ok().and_then(|asked| self.peers[who].hear(&asked, self.now.mono).pop());
                if let Some(message) = answer.and_then(|answer| Message::parse(answer).ok()) {
                    self.input(Input::Message { flow, message });
                }
            }
            Packet::Journaled(number) => self.input(Input::Journaled(number)),
            Packet::Soon(soon) => {
                let chance = &mut self.chance;
                let (event, next) = self.witness.voices.comes(soon, &mut |below| roll(chance, below));
                if let Some((after, soon)) = next {
                    self.put(after, Packet::Soon(soon));
                }
                if let Some(event) = event {
                    self.input(Input::Media(event));
                }
            }
            Packet::Closed(endpoint, port) => {
                self.witness.closed(port);
                self.input(Input::Media(MediaEvent::Closed { endpoint, port, counters: Default::default() }));
            }
        }
    }

    fn arrive(&mut self, who: usize, bytes: Bytes) {
        if self.peers[who].gone {
            return;
        }
        let flow = flow(self.peers[who].address);
        match Message::parse(bytes) {
            Ok(message) => {
                self.witness.hears(&message, self.now.mono);
                self.input(Input::Message { flow, message });
            }
            Err(malformed) => {
                self.refusing = true;
                self.input(Input::Malformed { flow, malformed });
                self.refusing = false;
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.switch.handle(input, self.now, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Send { flow, bytes } => self.leaves(flow, bytes),
                Effect::Fact(noted) => {
                    self.witness.notes(&noted.fact);
                    match &mut self.stalled {
                        Some(number) => *number = noted.number,
                        None => self.put(DISK, Packet::Journaled(noted.number)),
                    }
                }
                Effect::Media(order) => {
                    let chance = &mut self.chance;
                    for (after, soon) in self.witness.sounds(&order, &mut |below| roll(chance, below)) {
                        self.put(after, Packet::Soon(soon));
                    }
                    let endpoint = match order {
                        huntline::anchor::MediaOrder::Close { endpoint } => Some(endpoint),
                        _ => None,
                    };
                    if let (Some(port), Some(endpoint)) = (self.witness.orders(&order), endpoint) {
                        self.put(Duration::from_millis(1), Packet::Closed(endpoint, port));
                    }
                }
                Effect::Resolve(name) => {
                    let addresses = name.literal().into_iter().collect();
                    self.switch.handle(Input::Resolved { name, addresses }, self.now, &mut self.effects);
                }
                Effect::Close(_)
                | Effect::Discard(_)
                | Effect::RenewCustomers
                | Effect::Answer { .. }
                | Effect::Suspect(_)
                | Effect::Drained => {}
            }
        }
        if !self.effects.is_empty() {
            self.carry_out();
        }
        self.witness.is_content();
    }

    fn leaves(&mut self, flow: Flow, bytes: Bytes) {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return;
        }
        let message = Message::parse(bytes.clone());
        let message = match message {
            Ok(message) => message,
            Err(malformed) if self.refusing && finds_its_way(&malformed) => return,
            Err(malformed) => panic!("we send what we cannot read: {malformed:?}\n{}", String::from_utf8_lossy(&bytes)),
        };
        self.witness.says(&message, flow.remote, self.now.mono);
        // Whether a trunk lives is another story: its machine does, whatever becomes of its calls.
        let errand = message.is_request() && matches!(message.method(), Method::Options | Method::Register);
        if let Some(who) = self.peers.iter().position(|peer| peer.address == flow.remote) {
            match errand {
                true => self.put(Duration::from_millis(1), Packet::Errand(who, bytes)),
                false => self.send(Packet::ToPeer(who, bytes)),
            }
        }
    }

    fn rest(&mut self, ending: Ending) {
        (self.lost, self.doubled, self.delay_ms) = (0, 0, 0);
        for peer in &mut self.peers {
            peer.gone = ending == Ending::Silence;
        }
        self.step(&Step::Journal { stalls: false });
        // Long enough for every plan to run out, and for every answer to be given up; or an end in the middle of everything.
        if ending == Ending::Manners || self.roll(3) > 0 {
            self.pass(Duration::from_secs(240));
        }
        if ending == Ending::Manners {
            self.witness.talks();
        }
        self.input(Input::EndAll);
        // An answer waits 64·T1 for its ACK, and the BYE after it as long.
        self.pass(REST * 2);
        for _ in 0..60 {
            // An OPTIONS of ours may just be under way.
            if self.switch.census().transactions == 0 {
                break;
            }
            self.pass(Duration::from_secs(1));
        }
        let census = self.switch.census();
        let left = [
            census.calls,
            census.legs,
            census.dialogs - census.subscriptions,
            census.transactions,
            census.held,
            census.ports,
            census.call_timers,
            census.takes,
        ];
        assert_eq!(left, [0; 8], "left over: {census:?}");
        self.witness.rests();
    }
}

/// A refusal of what was no message repeats what was there, so it may be as hard to read; but never in its first line, its
/// top Via or its framing, which bring it home.
pub fn finds_its_way(refusal: &Malformed) -> bool {
    use HeaderName::{CSeq, CallId, From, To};
    match refusal.fault {
        Fault::Missing(name) | Fault::Unreadable(name) => matches!(name, From | To | CallId | CSeq),
        Fault::TooManyVias | Fault::TooManyHeaders | Fault::TooLarge => true,
        _ => false,
    }
}

/// xorshift64: good enough for a bad network.
fn roll(chance: &mut u64, below: u64) -> u64 {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    (*chance >> 11) % below.max(1)
}

fn flow(remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local: US, remote, connection: 0 }
}
