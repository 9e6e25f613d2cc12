//! The same day with the real core: real messages over a perfect network, phones and callers with the habits of the day.
//!
//! A message takes no time, and the disk writes at once. Everything that happens stands in one list, by time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use huntline::anchor::{EndpointKey, MediaEvent, MediaOrder, PlayKey, TakeKey, Taken};
use huntline::clock::{Duration, Instant, Now};
use huntline::config::{Config, ForwardWhen, Nothing};
use huntline::customer::{CustomerIndex, Entry, Kind};
use huntline::effect::Effect;
use huntline::entropy::Entropy;
use huntline::fact::{CallFact, Fact, MissedCause, Whom};
use huntline::key::{CallId, Flow, Transport};
use huntline::registrar::Bound;
use huntline::sip::digest::{Answerer, Asker, Tried};
use huntline::sip::sdp::Sdp;
use huntline::sip::{HeaderName, Message, Method};
use huntline::sound::{Sound, Tone};
use huntline::switch::{Input, Question, Switch};

use super::day::{BEGINS, Called, Caller, Day, Habit, Line, Placed};
use super::office::{CALLERS, DIDS, Office, PEOPLE};
use super::{Seen, phone};

const US: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5060);
const PROVIDER: ([u8; 4], u16) = ([127, 0, 0, 10], 5060);
const START: u64 = 1_000_000;
/// How often it is looked whether all is quiet, every seven seconds (our OPTIONS keep another time): long enough for every
/// plan to run out, every answer to be given up, and every transaction to end.
const LOOKS: u64 = 150;

/// What was seen, and how much was done for it.
pub struct Played {
    pub seen: Vec<(u64, Seen)>,
    pub steps: u64,
    pub seconds: u64,
}

/// The config of an office; `None` where the check refuses it.
pub fn config(office: &Office) -> Option<Arc<Config>> {
    let read = Config::read(Path::new("office.toml"), &office.text(), &Nothing);
    read.ok().map(|loaded| Arc::new(loaded.config))
}

/// Plays a day to its end, when all tables are empty again.
pub fn play(config: &Arc<Config>, day: &Day) -> Played {
    let mut stage = Stage::new(config, day);
    for (at, line) in &day.lines {
        stage.later(*at, Job::Line(*line));
    }
    let mut end = day.lines.last().map_or(0, |(at, _)| *at);
    for _ in 0..LOOKS {
        stage.run(end);
        if stage.is_at_rest() && stage.jobs.is_empty() {
            break;
        }
        end += 7_000_000;
    }
    assert!(stage.is_at_rest(), "left over: {:?}", stage.switch.census());
    assert!(stage.takes.is_empty(), "still being written down: {:?}", stage.takes);
    stage.tells_what_was_said();
    Played { seen: stage.seen, steps: stage.steps, seconds: end / 1_000_000 }
}

enum Job {
    Line(Line),
    ToUs(Flow, Bytes),
    ToPeer(Flow, Bytes),
    Journaled(u64),
    Closed(EndpointKey, u16),
    Speaks(usize),
    Acts(usize),
    GivesUp(usize),
    TalkEnds(usize),
    /// A sound is over.
    Heard(EndpointKey, PlayKey),
    /// A sound has begun, and its hearer may press a key.
    Hears(EndpointKey, PlayKey),
    Presses(EndpointKey, PlayKey),
    /// A second of speech.
    Talks(TakeKey),
    /// What is to be said has been.
    Falls(TakeKey),
    Recorded(TakeKey, bool),
}

/// An INVITE at a phone.
struct Ringing {
    call: usize,
    person: usize,
    phone: usize,
    flow: Flow,
    invite: Message,
    habit: Habit,
    cancelled: bool,
    answered: bool,
}

/// A call as its caller sees it.
struct Calling {
    placed: Placed,
    flow: Flow,
    cseq: u32,
    from: String,
    /// With the tag, once there is one.
    to: String,
    /// Where the INVITE went, and where the dialog goes.
    invited: String,
    target: String,
    status: u16,
    ringback: bool,
    early: bool,
    /// Somebody has answered who is a person.
    talks: bool,
    /// Nothing is left to be hung up.
    over: bool,
}

/// A message being spoken.
#[derive(Debug)]
struct Take {
    of: EndpointKey,
    spoke: bool,
}

struct Stage<'a> {
    day: &'a Day,
    switch: Switch,
    now: Now,
    effects: Vec<Effect>,
    jobs: BTreeMap<(Instant, u64), Job>,
    serial: u64,
    seen: Vec<(u64, Seen)>,
    steps: u64,
    calls: Vec<Calling>,
    rung: Vec<Ringing>,
    /// Call-IDs of INVITEs at phones, by place in `rung`.
    by_id: BTreeMap<String, usize>,
    /// Ours and the record's names of a call, and whom each of its legs rings.
    names: BTreeMap<CallId, usize>,
    legs: BTreeMap<(usize, u16), (usize, usize)>,
    accounts: BTreeMap<SocketAddr, Answerer>,
    ports: BTreeMap<EndpointKey, u16>,
    /// Whose endpoints these are, as callers were told.
    callers: BTreeMap<EndpointKey, usize>,
    /// What each endpoint's peer hears now.
    plays: BTreeMap<EndpointKey, PlayKey>,
    /// All that was ever played.
    said: Vec<(u64, EndpointKey, Vec<String>)>,
    takes: BTreeMap<TakeKey, Take>,
    /// What each phone asked for when it registered last.
    registering: BTreeMap<SocketAddr, u32>,
    entropy: Entropy,
}

impl<'a> Stage<'a> {
    fn new(config: &Arc<Config>, day: &'a Day) -> Stage<'a> {
        let wall = "2026-11-23T00:00:00Z".parse::<jiff::Timestamp>().expect("a moment");
        let wall = wall + jiff::SignedDuration::from_mins(BEGINS.into());
        let now = Now { mono: Instant::from_micros(START), wall };
        let mut stage = Stage {
            day,
            switch: Switch::new(config.clone(), [7; 32], 0, now),
            now,
            effects: Vec::new(),
            jobs: BTreeMap::new(),
            serial: 0,
            seen: Vec::new(),
            steps: 0,
            calls: Vec::new(),
            rung: Vec::new(),
            by_id: BTreeMap::new(),
            names: BTreeMap::new(),
            legs: BTreeMap::new(),
            accounts: BTreeMap::new(),
            ports: BTreeMap::new(),
            callers: BTreeMap::new(),
            plays: BTreeMap::new(),
            said: Vec::new(),
            takes: BTreeMap::new(),
            registering: BTreeMap::new(),
            entropy: Entropy::seeded([9; 32], 0),
        };
        stage.input(Input::Configure(config.clone()));
        stage.input(Input::Customers(Box::new(stage.customers(config))));
        for (person, phones) in day.registered.iter().enumerate() {
            for at in 0..*phones {
                let bound = stage.bound(person, at);
                stage.input(Input::Restore(Fact::Bound(Box::new(bound))));
            }
        }
        stage
    }

    fn customers(&self, config: &Config) -> CustomerIndex {
        let mut index = CustomerIndex::default();
        for (at, customer) in self.day.customers.iter().enumerate() {
            let Some(responsible) = customer else { continue };
            let responsible = responsible.map(|person| (10 + person).to_string());
            let number = config.site.numbering.read(CALLERS[at]).expect("a number");
            let (id, kind, numbers) = (at.to_string(), Kind::Contact, &[number]);
            let (name, responsible, changed) = ("Customer", responsible.as_deref(), self.now.wall);
            index.upsert(&Entry { id: &id, kind, name, responsible, changed, numbers }).expect("a small customer");
        }
        index
    }

    fn bound(&self, person: usize, at: usize) -> Bound {
        let remote = phone(person, at);
        Bound {
            extension: (10 + person).to_string().into(),
            identity: format!("sip:{}@{remote}", 10 + person),
            contact: format!("sip:{}@{remote}", 10 + person),
            path: Vec::new(),
            transport: Transport::Udp,
            local: US,
            remote,
            call_id: format!("{remote}-register"),
            cseq: 0,
            granted: 3600,
            expires: self.now.after(Duration::from_secs(3600)).wall,
            echo: String::new(),
            user_agent: "Stage".into(),
        }
    }

    fn run(&mut self, end: u64) {
        let end = Instant::from_micros(START + end);
        loop {
            let job = self.jobs.keys().next().map(|(at, _)| *at);
            let due = self.switch.deadline();
            let Some(at) = [job, due].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.after(at.since(self.now.mono));
            if job.is_some_and(|job| job <= at) {
                if let Some((_, job)) = self.jobs.pop_first() {
                    self.does(job);
                }
            } else {
                self.switch.tick(self.now, &mut self.effects);
                self.carry_out();
            }
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    /// Nothing is left of any call.
    fn is_at_rest(&self) -> bool {
        let census = self.switch.census();
        let left = [census.calls, census.legs, census.dialogs, census.transactions, census.held, census.ports];
        left == [0; 6] && census.call_timers == 0
    }

    /// After so many microseconds.
    fn later(&mut self, after: u64, job: Job) {
        self.serial += 1;
        self.jobs.insert((self.now.mono + Duration::from_micros(after), self.serial), job);
    }

    fn see(&mut self, seen: Seen) {
        self.seen.push((self.now.mono.as_micros() - START, seen));
    }

    fn does(&mut self, job: Job) {
        match job {
            Job::ToUs(flow, bytes) => {
                let message = Message::parse(bytes).expect("well-formed");
                self.input(Input::Message { flow, message });
            }
            Job::ToPeer(flow, bytes) => self.arrives(flow, bytes),
            Job::Journaled(number) => self.input(Input::Journaled(number)),
            Job::Closed(endpoint, port) => {
                self.input(Input::Media(MediaEvent::Closed { endpoint, port, counters: Default::default() }));
            }
            Job::Line(line) => {
                self.steps += 1;
                self.line(line);
            }
            Job::Speaks(at) => self.speaks(at),
            Job::Acts(at) => self.acts(at),
            Job::GivesUp(call) => self.gives_up(call),
            Job::TalkEnds(call) => self.talk_ends(call),
            Job::Heard(endpoint, play) => {
                if self.plays.get(&endpoint) == Some(&play) {
                    self.plays.remove(&endpoint);
                    self.input(Input::Media(MediaEvent::Played { endpoint, play }));
                }
            }
            Job::Hears(endpoint, play) => match self.callers.get(&endpoint) {
                Some(call) => {
                    if let Some(after) = self.calls[*call].placed.message.skips {
                        self.later(after, Job::Presses(endpoint, play));
                    }
                }
                // The message that tells the port is under way, and takes no time.
                None if self.ports.contains_key(&endpoint) => self.later(0, Job::Hears(endpoint, play)),
                None => {}
            },
            Job::Presses(endpoint, play) => {
                if self.plays.get(&endpoint) == Some(&play) {
                    self.input(Input::Media(MediaEvent::Digit { endpoint, digit: '#' }));
                }
            }
            Job::Talks(take) => {
                if let Some(taken) = self.takes.get_mut(&take) {
                    taken.spoke = true;
                    self.input(Input::Media(MediaEvent::Spoke { take }));
                }
            }
            Job::Falls(take) => self.falls_silent(take),
            Job::Recorded(take, spoke) => {
                let speech = Duration::from_millis(if spoke { 1_000 } else { 999 });
                let taken = Taken { length: Duration::from_secs(9), speech, ..Taken::default() };
                self.input(Input::Media(MediaEvent::Recorded { take, taken }));
            }
        }
    }

    fn falls_silent(&mut self, take: TakeKey) {
        let Some(Take { of, spoke }) = self.takes.get(&take) else { return };
        let (endpoint, spoke) = (*of, *spoke);
        if self.calls[self.callers[&endpoint]].placed.message.hash {
            return self.input(Input::Media(MediaEvent::Digit { endpoint, digit: '#' }));
        }
        self.takes.remove(&take);
        self.later(0, Job::Recorded(take, spoke));
    }

    /// What the edge would do.
    fn obeys(&mut self, order: MediaOrder) {
        match order {
            MediaOrder::Open { endpoint, local } => _ = self.ports.insert(endpoint, local.port()),
            MediaOrder::Close { endpoint } => {
                self.plays.remove(&endpoint);
                if let Some(port) = self.ports.remove(&endpoint) {
                    self.later(0, Job::Closed(endpoint, port));
                }
            }
            MediaOrder::Bridge { a, b } => {
                self.plays.remove(&a);
                self.plays.remove(&b);
            }
            MediaOrder::Hush { endpoint } => _ = self.plays.remove(&endpoint),
            MediaOrder::Play { endpoint, play, sounds, repeat } => {
                let names: Vec<String> = sounds.iter().map(name).collect();
                self.plays.insert(endpoint, play);
                if !repeat {
                    self.later(self.day.lasts(&names), Job::Heard(endpoint, play));
                    self.later(0, Job::Hears(endpoint, play));
                }
                self.said.push((self.now.mono.as_micros() - START, endpoint, names));
            }
            MediaOrder::Record { take, left, right: None, .. } => {
                let call = self.callers[&left];
                let placed = self.calls[call].placed;
                self.see(Seen::Takes { call });
                self.takes.insert(take, Take { of: left, spoke: false });
                if let Some(after) = placed.message.speaks {
                    self.later(after, Job::Talks(take));
                }
                self.later(placed.message.ends, Job::Falls(take));
            }
            MediaOrder::EndRecord { take } => {
                if let Some(Take { spoke, .. }) = self.takes.remove(&take) {
                    self.later(0, Job::Recorded(take, spoke));
                }
            }
            MediaOrder::Expect { .. } | MediaOrder::Agree { .. } | MediaOrder::Unbridge { .. } => {}
            order => panic!("nothing of the kind happens on such a day: {order:?}"),
        }
    }

    /// Who has heard what, now that all endpoints are known.
    fn tells_what_was_said(&mut self) {
        for (at, endpoint, what) in std::mem::take(&mut self.said) {
            let call = self.callers[&endpoint];
            self.seen.push((at, Seen::Says { call, what }));
        }
    }

    /// A caller is told where to send what they say.
    fn is_told(&mut self, call: usize, message: &Message) {
        let Some(Ok(sdp)) = message.sdp().map(Sdp::read) else { return };
        let port = sdp.media.first().map(|media| media.port);
        let endpoint = self.ports.iter().find(|(_, known)| Some(**known) == port).map(|(endpoint, _)| *endpoint);
        self.callers.extend(endpoint.map(|endpoint| (endpoint, call)));
    }

    fn line(&mut self, line: Line) {
        match line {
            Line::Call(placed) => self.call(placed),
            Line::Register { person, phone } => self.register(person, phone, 3600),
            Line::Unregister { person, phone } => self.register(person, phone, 0),
            Line::Away { person, away } => {
                let extension = (10 + person).to_string().into();
                self.ask(Question::Away { extension, away, until: None });
            }
            Line::Forward { person, when, to } => {
                let (extension, to) = ((10 + person).to_string().into(), to.map(|to| (10 + to).to_string()));
                self.ask(Question::Forward { extension, when: ForwardWhen::ALL[when], to });
            }
            Line::Override { schedule, open } => {
                let schedule = format!("s{schedule}").into();
                self.ask(Question::Override { schedule, open, until: None });
            }
            Line::Block { caller, blocked } => {
                let number = CALLERS[caller].to_owned();
                self.ask(Question::Block { number, blocked, note: String::new() });
            }
        }
    }

    fn ask(&mut self, question: Question) {
        self.input(Input::Question { number: 1, question });
    }

    fn input(&mut self, input: Input) {
        self.switch.handle(input, self.now, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Send { flow, bytes } => self.later(0, Job::ToPeer(flow, bytes)),
                Effect::Fact(noted) => {
                    if let Fact::Call(id, fact) = noted.fact {
                        self.notes(id, fact);
                    }
                    self.later(0, Job::Journaled(noted.number));
                }
                Effect::Media(order) => self.obeys(order),
                Effect::Resolve(name) => {
                    let addresses = name.literal().into_iter().collect();
                    self.switch.handle(Input::Resolved { name, addresses }, self.now, &mut self.effects);
                }
                _ => {}
            }
        }
        if !self.effects.is_empty() {
            self.carry_out();
        }
    }
}

/// The record.
impl Stage<'_> {
    fn notes(&mut self, id: CallId, fact: CallFact) {
        if let CallFact::Offered(offered) = &fact {
            let call = offered.sip_call_id.trim_start_matches("call-").parse().expect("a call of ours");
            self.names.insert(id, call);
        }
        let call = self.names[&id];
        match fact {
            CallFact::Rung(rung) => {
                for rung in rung {
                    let Whom::Extension(_) = rung.whom else { continue };
                    let address = rung.device.rsplit(['@', ':']).nth(1).expect("an address");
                    let octets: std::net::Ipv4Addr = address.parse().expect("an address");
                    self.legs.insert((call, rung.leg), whose((octets, 5060).into()));
                }
            }
            CallFact::Answered { leg, .. } => {
                let (person, phone) = self.legs[&(call, leg)];
                self.see(Seen::Answers { call, person, phone });
                self.calls[call].talks = true;
                let talk = self.calls[call].placed.talk;
                self.later(talk, Job::TalkEnds(call));
            }
            CallFact::Ended(ended) => self.see(Seen::Over { call, missed: ended.missed.map(cause) }),
            _ => {}
        }
    }
}

/// Callers.
impl Stage<'_> {
    fn call(&mut self, placed: Placed) {
        let call = self.calls.len();
        let (user, remote) = match placed.from {
            Caller::Outside(caller) => (CALLERS[caller].to_owned(), PROVIDER.into()),
            Caller::Person(person) => ((10 + person).to_string(), phone(person, 0)),
        };
        let target = match placed.to {
            Called::Did(did) => DIDS[did].to_owned(),
            Called::Person(person) => (10 + person).to_string(),
            Called::Nobody => "+4930999999".to_owned(),
        };
        self.calls.push(Calling {
            placed,
            flow: flow(remote),
            cseq: 1,
            from: format!("<sip:{user}@{}>;tag=c{call}", remote.ip()),
            to: format!("<sip:{target}@{}>", US.ip()),
            target: format!("sip:{target}@{US}"),
            invited: format!("sip:{target}@{US}"),
            status: 0,
            ringback: false,
            early: false,
            talks: false,
            over: false,
        });
        self.invite(call);
        self.later(placed.patience, Job::GivesUp(call));
    }

    fn invite(&mut self, call: usize) {
        let body = sdp(self.calls[call].flow.remote);
        let branch = format!("{call}-{}", self.calls[call].cseq);
        self.request(call, "INVITE", &branch, &body);
    }

    fn gives_up(&mut self, call: usize) {
        let Calling { status, talks, over, .. } = self.calls[call];
        if talks || over {
            return;
        }
        self.steps += 1;
        if status / 100 == 2 {
            self.calls[call].over = true;
            self.request(call, "BYE", &format!("{call}-bye"), "");
        } else {
            let branch = format!("{call}-{}", self.calls[call].cseq);
            self.request(call, "CANCEL", &branch, "");
        }
    }

    fn talk_ends(&mut self, call: usize) {
        self.steps += 1;
        if self.calls[call].placed.caller_hangs_up {
            self.request(call, "BYE", &format!("{call}-bye"), "");
        } else if let Some(at) = self.rung.iter().position(|ringing| ringing.call == call && ringing.answered) {
            self.phone_hangs_up(at);
        }
    }

    fn request(&mut self, call: usize, method: &str, branch: &str, body: &str) {
        let calling = &self.calls[call];
        let uri = match method {
            "BYE" => &calling.target,
            _ if calling.status / 100 == 2 => &calling.target,
            _ => &calling.invited,
        };
        let cseq = calling.cseq + u32::from(method == "BYE");
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK-{branch};rport\r\nMax-Forwards: 70\r\n\
             From: {1}\r\nTo: {2}\r\nCall-ID: call-{call}\r\nCSeq: {cseq} {method}\r\nContact: <sip:c@{0}>\r\n\
             Subject: call-{call}\r\n",
            calling.flow.remote, calling.from, calling.to
        );
        if method == "INVITE"
            && let Some(account) = self.accounts.get_mut(&calling.flow.remote)
        {
            authorize(&mut text, account, b"INVITE", uri.as_bytes(), &mut self.entropy);
        }
        let flow = calling.flow;
        self.later(0, Job::ToUs(flow, with_body(text, body)));
    }

    /// A response, or a request within the dialog, reaches a caller.
    fn caller_hears(&mut self, call: usize, message: &Message) {
        let Some(status) = message.status().map(|status| status.code()) else {
            let flow = self.calls[call].flow;
            match message.method() {
                Method::Bye => {
                    self.calls[call].over = true;
                    self.see(Seen::Released { call });
                }
                // Whoever has heard us meets whoever has answered.
                Method::Invite => {
                    self.is_told(call, message);
                    return self.respond(flow, message, 200, &sdp(flow.remote), "");
                }
                Method::Ack => return,
                _ => {}
            }
            return self.respond(flow, message, 200, "", "");
        };
        if message.method() != Method::Invite {
            return;
        }
        self.is_told(call, message);
        if status == 183 && !std::mem::replace(&mut self.calls[call].early, true) {
            self.see(Seen::Early { call });
        }
        if status == 180 && !std::mem::replace(&mut self.calls[call].ringback, true) {
            self.see(Seen::Ringback { call });
        }
        if status < 200 {
            return;
        }
        let calling = &mut self.calls[call];
        calling.to = text(message, HeaderName::To);
        if status < 300 {
            let contact = message.address(HeaderName::Contact).expect("a Contact");
            calling.target = contact.uri.as_str().to_owned();
        }
        let asked = Asker::of(status).is_some() && calling.cseq == 1;
        if !asked {
            calling.status = status;
        }
        let branch = if status < 300 { format!("{call}-ack") } else { format!("{call}-{}", calling.cseq) };
        self.request(call, "ACK", &branch, "");
        if asked {
            let remote = self.calls[call].flow.remote;
            self.learns(remote, message);
            let calling = &mut self.calls[call];
            calling.cseq += 1;
            calling.to = calling.to.split(";tag=").next().unwrap_or_default().to_owned();
            return self.invite(call);
        }
        self.see(Seen::Hears { call, status });
        self.calls[call].over = status >= 300;
    }
}

/// Phones.
impl Stage<'_> {
    fn register(&mut self, person: usize, at: usize, expires: u32) {
        let remote = phone(person, at);
        self.registering.insert(remote, expires);
        self.serial += 1;
        let serial = self.serial;
        let uri = format!("sip:{}", US.ip());
        let user = 10 + person;
        let mut text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {remote};branch=z9hG4bK-r{serial};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{0}>;tag=r{serial}\r\nTo: <sip:{user}@{0}>\r\nCall-ID: {remote}-register\r\n\
             CSeq: {serial} REGISTER\r\nContact: <sip:{user}@{remote}>\r\nExpires: {expires}\r\n",
            US.ip()
        );
        if let Some(account) = self.accounts.get_mut(&remote) {
            authorize(&mut text, account, b"REGISTER", uri.as_bytes(), &mut self.entropy);
        }
        self.later(0, Job::ToUs(flow(remote), with_body(text, "")));
    }

    /// It is asked who it is.
    fn learns(&mut self, remote: SocketAddr, message: &Message) {
        let (person, _) = whose(remote);
        let mut account = Answerer::new(&(10 + person).to_string(), "secret");
        let challenges = message.headers(HeaderName::WwwAuthenticate);
        account.challenged(Asker::Server, challenges, &mut Tried::default()).expect("a challenge we can meet");
        self.accounts.insert(remote, account);
    }

    fn speaks(&mut self, at: usize) {
        let Ringing { cancelled, flow, ref invite, habit, .. } = self.rung[at];
        if cancelled {
            return;
        }
        self.steps += 1;
        let status = if habit.speaks.is_some_and(|(_, rings)| rings) { 180 } else { 100 };
        self.respond(flow, &invite.clone(), status, "", &tag(at));
    }

    fn acts(&mut self, at: usize) {
        let Ringing { cancelled, flow, ref invite, habit, .. } = self.rung[at];
        let Some((_, status)) = habit.acts.filter(|_| !cancelled) else { return };
        self.steps += 1;
        let invite = invite.clone();
        self.rung[at].answered = status == 200;
        self.rung[at].cancelled = true;
        let body = if status == 200 { sdp(flow.remote) } else { String::new() };
        self.respond(flow, &invite, status, &body, &tag(at));
    }

    fn phone_hears(&mut self, flow: Flow, message: &Message) {
        let known = self.by_id.get(message.call_id()).copied();
        match (message.method(), known) {
            (Method::Register, _) if message.status().is_some_and(|status| status.code() == 401) => {
                let (person, at) = whose(flow.remote);
                self.learns(flow.remote, message);
                let expires = self.registering.get(&flow.remote).copied().unwrap_or(0);
                self.register(person, at, expires);
            }
            _ if !message.is_request() => {}
            (Method::Invite, None) => self.rings(flow, message),
            (Method::Invite, Some(_)) if message.to_tag().is_some() => {
                self.respond(flow, message, 200, &sdp(flow.remote), "");
            }
            (Method::Cancel, Some(at)) => {
                let Ringing { call, person, phone, cancelled, ref invite, .. } = self.rung[at];
                let invite = invite.clone();
                self.respond(flow, message, 200, "", &tag(at));
                if !cancelled {
                    self.see(Seen::Stops { call, person, phone });
                    self.rung[at].cancelled = true;
                    self.respond(flow, &invite, 487, "", &tag(at));
                }
            }
            (Method::Bye, Some(at)) => {
                let Ringing { call, person, phone, .. } = self.rung[at];
                self.see(Seen::HangsUp { call, person, phone });
                self.rung[at].answered = false;
                self.respond(flow, message, 200, "", "");
            }
            _ => {}
        }
    }

    fn rings(&mut self, flow: Flow, invite: &Message) {
        let (person, phone) = whose(flow.remote);
        let subject = text(invite, HeaderName::Subject);
        let call = subject.trim_start_matches("call-").parse().expect("a call of ours");
        let before = |ringing: &&Ringing| (ringing.call, ringing.person, ringing.phone) == (call, person, phone);
        let habit = self.day.habit(person, phone, call, self.rung.iter().filter(before).count());
        let at = self.rung.len();
        self.by_id.insert(invite.call_id().to_owned(), at);
        let invite = invite.clone();
        self.rung.push(Ringing { call, person, phone, flow, invite, habit, cancelled: false, answered: false });
        self.see(Seen::Rings { call, person, phone });
        if let Some((after, _)) = habit.speaks {
            self.later(after, Job::Speaks(at));
        }
        if let Some((after, _)) = habit.acts {
            self.later(after, Job::Acts(at));
        }
    }

    fn phone_hangs_up(&mut self, at: usize) {
        self.rung[at].answered = false;
        let Ringing { flow, ref invite, .. } = self.rung[at];
        let contact = invite.address(HeaderName::Contact).expect("a Contact");
        let bye = format!(
            "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-b{at};rport\r\nMax-Forwards: 70\r\nFrom: {};tag={}\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n",
            contact.uri.as_str(),
            flow.remote,
            text(invite, HeaderName::To),
            tag(at),
            text(invite, HeaderName::From),
            invite.call_id(),
        );
        self.later(0, Job::ToUs(flow, with_body(bye, "")));
    }

    fn arrives(&mut self, flow: Flow, bytes: Bytes) {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return;
        }
        let message = Message::parse(bytes).expect("we can read what we send");
        let call = message.call_id().strip_prefix("call-").and_then(|call| call.parse().ok());
        match call {
            Some(call) => self.caller_hears(call, &message),
            None if flow.remote == PROVIDER.into() => self.respond(flow, &message, 200, "", "o"),
            None => self.phone_hears(flow, &message),
        }
    }

    fn respond(&mut self, flow: Flow, request: &Message, status: u16, body: &str, tag: &str) {
        let mut text = format!("SIP/2.0 {status} Said\r\n");
        for (name, _, value) in request.lines() {
            let value = String::from_utf8_lossy(value);
            match name {
                HeaderName::Via | HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {
                    text.push_str(&format!("{}: {value}\r\n", name.as_str()));
                }
                HeaderName::To if request.to_tag().is_none() && status > 100 => {
                    text.push_str(&format!("To: {value};tag={tag}\r\n"));
                }
                HeaderName::To => text.push_str(&format!("To: {value}\r\n")),
                _ => {}
            }
        }
        text.push_str(&format!("Contact: <sip:p@{}>\r\n", flow.remote));
        self.later(0, Job::ToUs(flow, with_body(text, body)));
    }
}

/// Whose phone stands there, and which one it is.
fn whose(remote: SocketAddr) -> (usize, usize) {
    let found = (0..PEOPLE).flat_map(|person| [(person, 0), (person, 1)]);
    found.into_iter().find(|(person, at)| phone(*person, *at) == remote).expect("a phone of ours")
}

fn name(sound: &Sound) -> String {
    match sound {
        Sound::Prompt(name, _) => name.to_string(),
        Sound::Tone(Tone::Ringback) => "ringback".into(),
        Sound::Tone(Tone::Beep) => "beep".into(),
        sound => panic!("nobody says {sound:?} on such a day"),
    }
}

fn flow(remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local: US, remote, connection: 0 }
}

fn tag(at: usize) -> String {
    format!("p{at}")
}

fn text(message: &Message, name: HeaderName) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

fn authorize(text: &mut String, account: &mut Answerer, method: &[u8], uri: &[u8], entropy: &mut Entropy) {
    for (name, value) in account.authorize(method, uri, entropy) {
        text.push_str(&format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(&value)));
    }
}

fn sdp(address: SocketAddr) -> String {
    let ip = address.ip();
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
}

fn with_body(mut text: String, body: &str) -> Bytes {
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    Bytes::from(text)
}

fn cause(cause: MissedCause) -> &'static str {
    match cause {
        MissedCause::Abandoned => "abandoned",
        MissedCause::NoAnswer => "no_answer",
        MissedCause::AllBusy => "all_busy",
        MissedCause::NoneReachable => "none_reachable",
        MissedCause::Rejected => "rejected",
        MissedCause::AfterHours => "after_hours",
        MissedCause::VoicemailLeft => "voicemail_left",
        MissedCause::AnnouncementOnly => "announcement_only",
        MissedCause::Capacity => "capacity",
        MissedCause::SystemFailure => "system_failure",
    }
}
