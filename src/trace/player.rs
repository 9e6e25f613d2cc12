//! Plays a [`Script`] against a fresh core: virtual time, scripted peers, nothing else.

mod voices;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use self::voices::Voices;
use super::actor::{Actor, is_session};
use super::diary::Diary;
use super::export::Recorded;
use super::network::Network;
use super::notation::{Line, Peer, Place, Script, Spoken, Step};
use crate::clock::{Duration, Instant, Now, Timestamp};
use crate::config::{Config, ForwardWhen};
use crate::customer::{CustomerIndex, Entry, Kind};
use crate::effect::Effect;
use crate::entropy::Entropy;
use crate::fact::{self, CallFact, Fact, MessageState, Party, RecordingOf};
use crate::host::Host;
use crate::hypothesis::Hypothesis;
use crate::key::{CallId, Flow, Transport};
use crate::registrar::Bound;
use crate::route::mobiles;
use crate::servers::ServerName;
use crate::sip::{HeaderName, Message, Method};
use crate::switch::{Input, Question, Switch};
use crate::tape::{Taped, without_addresses};

/// 64·T1 and a little: nothing of a call outlives it (RFC 3261 §17).
const REST: Duration = Duration::from_secs(33);

/// A line of a trace beside what happened.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Row {
    /// When, in seconds since the beginning.
    pub at: f64,
    /// What the trace says; empty where it says nothing of it.
    pub said: String,
    /// What happened; empty where nothing of the kind did.
    pub done: String,
    /// True where these are not the same.
    pub differs: bool,
}

/// Plays a script to its end, whatever differs, and sets both side by side. In the trace of a real call, which has its
/// office in itself, a decision that is not mentioned is a difference too.
///
/// # Errors
/// The trace cannot be played: its setting makes no sense, or a peer is to say what it cannot.
pub fn compare(script: &Script, config: Arc<Config>) -> Result<Vec<Row>, Failure> {
    let mut player = Player::new(script, config);
    player.rows = Some(Vec::new());
    let result = player.run(script, &mut |_| {});
    match result {
        Ok(()) => Ok(player.rows.unwrap_or_default()),
        // Whatever is left over at the end is what happened in place of an end.
        Err((0, why)) => {
            player.add_unsaid(why);
            Ok(player.rows.unwrap_or_default())
        }
        Err((line, why)) => Err(Failure { line, why, ladder: player.ladder.join("\n") }),
    }
}

/// Plays a script like [`play`] and gives its calls as they would be on record.
///
/// # Errors
/// The first line that does not hold.
pub fn record(script: &Script, config: Arc<Config>) -> Result<Vec<Recorded>, Failure> {
    let mut player = Player::new(script, config);
    let result = player.run(script, &mut |_| {});
    result.map_err(|(line, why)| Failure { line, why, ladder: player.ladder.join("\n") })?;
    let facts: BTreeMap<CallId, Vec<CallFact>> =
        player.recorded.iter().map(|call| (call.id, call.facts.clone())).collect();
    for call in &mut player.recorded {
        let also = call.tape.also.iter().map(|also| also.call);
        call.also = also.filter_map(|id| Some((id, facts.get(&id)?.clone()))).collect();
    }
    Ok(player.recorded)
}

/// Why a trace does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The line, counted from 1; 0 for the end.
    pub line: usize,
    /// What is wrong.
    pub why: String,
    /// What really happened, as a ladder.
    pub ladder: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "at the end: {}", self.why)?,
            line => write!(f, "line {line}: {}", self.why)?,
        }
        write!(f, "\n\nwhat happened:\n{}", self.ladder)
    }
}

/// Plays a script under `config`. `overheard` sees every message that we send, for a second opinion.
///
/// # Errors
/// The first line that does not hold, with the ladder of what really happened.
pub fn play(script: &Script, config: Arc<Config>, overheard: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
    let mut player = Player::new(script, config);
    let result = player.run(script, overheard);
    result.map_err(|(line, why)| Failure { line, why, ladder: player.ladder.join("\n") })
}

type Wrong = (usize, String);

struct Player {
    switch: Switch,
    config: Arc<Config>,
    now: Now,
    effects: Vec<Effect>,
    network: Network,
    actors: BTreeMap<Peer, Actor>,
    /// Sent by us and not yet expected by a line.
    sent: VecDeque<Sent>,
    seen: Vec<(SocketAddr, Bytes)>,
    /// Facts that no line has spoken of, and of which call they are a decision.
    facts: VecDeque<(String, Option<CallId>)>,
    diary: Diary,
    /// The answer to the last question, as the control socket would give it.
    answer: Option<serde_json::Value>,
    /// Why the last order was refused.
    refused: Option<String>,
    /// How the next call must be decided: the rules and their outcomes, and the reasons.
    explained: Option<(serde_json::Value, serde_json::Value)>,
    entropy: Entropy,
    /// Facts that the journal has not written, while it stalls.
    stalled: Option<u64>,
    /// The script speaks of these itself: they are not answered behind its back.
    scripted: Vec<Method>,
    ladder: Vec<String>,
    questions: u64,
    broken: Option<String>,
    /// Calls so far, with their facts.
    recorded: Vec<Recorded>,
    /// Calls of which the trace does not speak: somebody is in a talk.
    hidden: Vec<CallId>,
    is_hidden: bool,
    /// Talks of which the trace does not speak: whose, and the two sides; `None` once it is over.
    talks: Vec<Option<Talk>>,
    /// The trace mentions every decision.
    is_whole: bool,
    /// Both sides, where they are compared to the end.
    rows: Option<Vec<Row>>,
    sessions: BTreeMap<String, String>,
    down: Vec<String>,
    late: Duration,
    host: Host,
    voices: Voices,
    /// The trace speaks of what is heard.
    listens: bool,
}

/// A talk of somebody who is busy.
struct Talk {
    who: String,
    /// Who hangs up.
    one: String,
    other: String,
}

struct Sent {
    to: SocketAddr,
    transport: Transport,
    at: Instant,
    message: Message,
}

impl Player {
    fn new(script: &Script, config: Arc<Config>) -> Player {
        let wall = script.setting.clock.unwrap_or(Timestamp::UNIX_EPOCH);
        let now = Now { mono: Instant::from_micros(1_000_000), wall };
        let scripted = script.lines.iter().filter_map(|line| match &line.step {
            Step::Message(spoken) if !spoken.inward => Some(Method::read(spoken.method.as_deref()?.as_bytes())),
            _ => None,
        });
        Player {
            switch: Switch::new(config.clone(), [7; 32], 0, now),
            now,
            effects: Vec::new(),
            network: Network::new(config.clone(), &script.setting),
            actors: BTreeMap::new(),
            sent: VecDeque::new(),
            seen: Vec::new(),
            facts: VecDeque::new(),
            diary: Diary::default(),
            answer: None,
            refused: None,
            explained: None,
            entropy: Entropy::seeded([9; 32], 0),
            stalled: None,
            scripted: scripted.collect(),
            ladder: Vec::new(),
            questions: 0,
            broken: None,
            recorded: Vec::new(),
            hidden: Vec::new(),
            is_hidden: false,
            talks: Vec::new(),
            is_whole: script.setting.config.is_some(),
            rows: None,
            sessions: script.setting.sessions.iter().cloned().collect(),
            down: script.setting.down.clone(),
            late: script.setting.late,
            host: Host::new(&config),
            voices: Voices::default(),
            listens: script.lines.iter().any(|line| matches!(line.step, Step::Voice { .. })),
            config,
        }
    }

    fn run(&mut self, script: &Script, overheard: &mut dyn FnMut(&[u8])) -> Result<(), Wrong> {
        self.set_up(script, overheard).map_err(|why| (1, why))?;
        for line in &script.lines {
            self.play_line(line, overheard).map_err(|why| (line.number, why))?;
        }
        self.check_nothing_unsaid().map_err(|why| (0, why))?;
        let left = self.facts.drain(..).collect();
        self.check_no_decision_unsaid(left);
        for talk in std::mem::take(&mut self.talks).into_iter().flatten() {
            self.end_talk(&talk, overheard).map_err(|why| (0, why))?;
        }
        self.rest(overheard).map_err(|why| (0, why))
    }

    fn set_up(&mut self, script: &Script, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let addresses = self.network.own();
        let default = addresses.first().map(|(own, _)| *own);
        self.host.found(addresses.clone(), default);
        self.input(Input::Host { addresses, default }, overheard);
        self.input(Input::Configure(self.config.clone()), overheard);
        for peer in &script.setting.registered {
            match self.network.speaks_tcp(peer) {
                true => self.register(peer, overheard)?,
                false => self.restore_binding(peer, overheard),
            }
        }
        for place in script.setting.places.iter().filter(|place| place.contact.is_some()) {
            match place.by {
                Transport::Tcp => self.register_at(place, overheard)?,
                Transport::Udp => self.restore(place, overheard),
            }
        }
        let mut customers = CustomerIndex::default();
        for (at, customer) in script.setting.customers.iter().enumerate() {
            let number = self.config.site.numbering.read(&customer.number);
            let number = number.ok_or_else(|| format!("{:?} is no number", customer.number))?;
            let entry = Entry {
                id: &at.to_string(),
                kind: Kind::Contact,
                name: &customer.name,
                responsible: customer.responsible.as_deref(),
                changed: self.now.wall,
                numbers: &[number],
            };
            customers.upsert(&entry).map_err(|error| error.to_string())?;
        }
        self.input(Input::Customers(Box::new(customers)), overheard);
        for words in &script.setting.before {
            self.admin(words, overheard)?;
        }
        for peer in &script.setting.busy {
            self.begin_talk(peer, overheard)?;
        }
        for counter in &script.setting.counters {
            let counter = serde_json::from_str(counter).map_err(|error| format!("counter: {error}"))?;
            self.input(Input::Restore(Fact::Counted(counter)), overheard);
        }
        if let Some(chance) = script.setting.chance {
            self.input(Input::Chance(chance), overheard);
        }
        self.recorded.clear();
        self.facts.clear();
        self.ladder.clear();
        Ok(())
    }

    fn restore_binding(&mut self, peer: &Peer, overheard: &mut dyn FnMut(&[u8])) {
        let address = self.network.home(peer);
        let contact = Some(format!("sip:{}@{address}", peer.name));
        let place = Place { peer: peer.clone(), address, by: Transport::Udp, contact, path: Vec::new() };
        self.restore(&place, overheard);
    }

    /// A phone on TCP registers before the trace begins: of a connection nothing can be restored.
    fn register(&mut self, peer: &Peer, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let device = format!("{}/{}.register", peer.name, peer.device);
        let lines = [
            format!("{device} -> us REGISTER"),
            format!("us -> {device} 401"),
            format!("{device} -> us REGISTER authorised"),
            format!("us -> {device} 200"),
        ];
        self.play_hidden(&lines, overheard)
    }

    /// A phone registers in the way that the trace says.
    fn register_at(&mut self, place: &Place, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let device = format!("{}/{}.register", place.peer.name, place.peer.device);
        let contact = place.contact.as_deref().unwrap_or_default();
        let mut lines = Vec::new();
        for (word, status) in [("", 401), (" authorised", 200)] {
            lines.push(format!("{device} -> us REGISTER header \"Contact: <{contact}>;expires=3600\"{word}"));
            lines.push(format!("us -> {device} {status}"));
        }
        self.play_hidden(&lines, overheard)
    }

    fn restore(&mut self, place: &Place, overheard: &mut dyn FnMut(&[u8])) {
        let Place { peer, address, by, contact, path } = place;
        let bound = Bound {
            extension: peer.name.as_str().into(),
            identity: format!("sip:{}@{address}", peer.name),
            contact: contact.clone().unwrap_or_default(),
            path: path.clone(),
            transport: *by,
            local: self.network.us(*by, address.is_ipv4()),
            remote: *address,
            call_id: format!("{peer}-register"),
            cseq: 1,
            granted: 3600,
            expires: self.now.after(Duration::from_secs(3600)).wall,
            echo: String::new(),
            user_agent: "Trace".into(),
        };
        self.input(Input::Restore(Fact::Bound(Box::new(bound))), overheard);
    }

    /// Somebody is in a talk before the trace begins: with a provider's line that the trace never mentions.
    fn begin_talk(&mut self, extension: &str, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let number = self.talks.len();
        let (one, other) = (format!("{extension}.busy{number}"), format!("provider.busy{number}"));
        self.talks.push(Some(Talk { who: extension.to_owned(), one, other }));
        let emergency = self.config.site.emergency.first().ok_or("`busy` needs an emergency number in the office")?;
        let lines = [
            format!("{extension}.busy{number} -> us INVITE {emergency} offer busy"),
            format!("us -> {extension}.busy{number} 401"),
            format!("{extension}.busy{number} -> us ACK"),
            format!("{extension}.busy{number} -> us INVITE {emergency} offer busy authorised"),
            format!("us -> {extension}.busy{number} 100"),
            format!("us -> provider.busy{number} INVITE {emergency} offer busy"),
            format!("provider.busy{number} -> us 200 answer busy"),
            format!("us -> provider.busy{number} ACK"),
            format!("us -> {extension}.busy{number} 200 answer busy"),
            format!("{extension}.busy{number} -> us ACK"),
        ];
        self.play_hidden(&lines, overheard)
    }

    /// Somebody answers a colleague who calls, and so does not hear anything else ring any more.
    fn take(&mut self, extension: &str, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let number = self.talks.len();
        let speaks = |name: &str| self.actors.keys().any(|peer| peer.name == name);
        let config = self.config.clone();
        let mut others = config.extensions().map(|(_, other)| other);
        let other =
            others.find(|other| other.password.is_some() && !speaks(&other.number) && *other.number != *extension);
        let other = other.ok_or_else(|| format!("nobody is there who could call {extension}"))?;
        let (one, mine) = (format!("{}.taken{number}", other.number), format!("{extension}.taken{number}"));
        let mut lines = vec![
            format!("{one} -> us INVITE {extension} offer busy"),
            format!("us -> {one} 401"),
            format!("{one} -> us ACK"),
            format!("{one} -> us INVITE {extension} offer busy authorised"),
            format!("us -> {one} 100"),
            format!("us -> {mine} INVITE offer busy"),
        ];
        // Their mobiles ring as well, and are busy.
        let rung = config.extension_by_number(extension).into_iter().flat_map(|rung| mobiles(&config, rung));
        for (at, trunk) in rung.filter_map(|mobile| mobile.trunks.first().copied()).enumerate() {
            let mobile = format!("trunk:#{}.taken{number}-{at}", trunk.index() + 1);
            lines.extend([
                format!("us -> {mobile} INVITE offer busy"),
                format!("{mobile} -> us 486 INVITE"),
                format!("us -> {mobile} ACK"),
            ]);
        }
        lines.extend([
            format!("{mine} -> us 200 answer busy"),
            format!("us -> {mine} ACK"),
            format!("us -> {one} 200 answer busy"),
            format!("{one} -> us ACK"),
        ]);
        self.talks.push(Some(Talk { who: extension.to_owned(), one, other: mine }));
        self.play_hidden(&lines, overheard)
    }

    fn end_talk(&mut self, talk: &Talk, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let Talk { one, other, .. } = talk;
        let lines = [
            format!("{one} -> us BYE"),
            format!("us -> {one} 200"),
            format!("us -> {other} BYE"),
            format!("{other} -> us 200"),
        ];
        self.play_hidden(&lines, overheard)
    }

    fn play_hidden(&mut self, lines: &[String], overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let rows = self.rows.take();
        self.is_hidden = true;
        let played = lines.iter().try_for_each(|text| {
            let line = Line { number: 0, text: text.clone(), step: Step::read(text)? };
            self.play_line(&line, overheard).map_err(|why| format!("{text}: {why}"))
        });
        self.is_hidden = false;
        self.rows = rows;
        played
    }

    /// Somebody did something of which the trace says no more than that.
    fn meanwhile(&mut self, words: &[String], overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [who, "busy"] => self.begin_talk(who, overheard),
            [who, "free"] => {
                let mut talks = self.talks.iter_mut().filter(|talk| talk.as_ref().is_some_and(|talk| talk.who == who));
                let talk = talks.next().and_then(Option::take).ok_or_else(|| format!("{who} is free already"))?;
                self.end_talk(&talk, overheard)
            }
            [who, "taken"] => self.take(who, overheard),
            [who, "gone"] => {
                let peer = Peer::read(who);
                let (extension, identity) =
                    (peer.name.as_str().into(), format!("sip:{}@{}", peer.name, self.network.home(&peer)));
                self.input(Input::Restore(Fact::Unbound { extension, identity }), overheard);
                Ok(())
            }
            ["at", ref place @ ..] => {
                let place = Place::of_words(&place.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())?;
                self.network.moves(&place);
                self.register_at(&place, overheard)
            }
            _ => Err(format!("nobody can be {:?}", words.join(" "))),
        }
    }

    fn play_line(&mut self, line: &Line, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        match &line.step {
            Step::Message(spoken) if spoken.inward => {
                if !self.is_hidden {
                    self.check_nothing_unsaid()?;
                }
                for peer in &spoken.peers {
                    let flow = self.network.flow(peer, self.transport(peer, spoken));
                    self.actor(peer);
                    let spoken = &self.filled(spoken, peer);
                    let actor = self.actors.get_mut(peer).ok_or("who?")?;
                    actor.flow = flow;
                    match actor.say(spoken, &mut self.entropy) {
                        Ok(bytes) => {
                            self.add_row(line, None);
                            self.deliver(peer, flow, &bytes, overheard);
                        }
                        // It answers what it was not asked: the ladder has left its way long before.
                        Err(why) if self.rows.is_some() => self.add_row(line, Some(format!("({why})"))),
                        Err(why) => return Err(why),
                    }
                }
                Ok(())
            }
            Step::Message(spoken) => {
                for peer in &spoken.peers {
                    match (self.expect(peer, spoken), self.rows.is_some()) {
                        (Ok(_), true) => self.add_row(line, None),
                        (Err((_, done)), true) => self.add_row(line, Some(done)),
                        (Ok(()), false) => {}
                        (Err((why, _)), false) => return Err(why),
                    }
                }
                Ok(())
            }
            Step::Pass(span) => {
                self.check_nothing_unsaid()?;
                self.pass(*span, overheard);
                let now = self.now.mono;
                let late = self.late;
                match self.sent.iter().find(|sent| sent.at + late < now && self.rows.is_none()) {
                    Some(early) => Err(format!("{} left {:?} earlier", first_line(&early.message), now - early.at)),
                    None => Ok(()),
                }
            }
            Step::Between(from, until) => {
                self.check_nothing_unsaid()?;
                self.pass(*from, overheard);
                self.check_nothing_unsaid()?;
                let end = self.now.mono + (*until - *from);
                while self.sent.is_empty() {
                    let next = self.switch.deadline().filter(|at| *at <= end);
                    let next = next.ok_or("nothing leaves within these bounds")?;
                    self.pass(next.since(self.now.mono), overheard);
                }
                Ok(())
            }
            Step::Lost(peers) => {
                self.check_nothing_unsaid()?;
                for flow in peers.iter().flat_map(|peer| self.network.lose(peer)).collect::<Vec<_>>() {
                    self.input(Input::FlowClosed(flow), overheard);
                }
                Ok(())
            }
            Step::Voice { inward, peer, what } => self.play_voice(line, *inward, peer, what, overheard),
            Step::Fact(words) => self.expect_fact(line, words),
            Step::Meanwhile(words) => self.meanwhile(words, overheard),
            Step::Admin(words) => {
                self.refused = None;
                self.admin(words, overheard)
            }
            Step::Refused(words) => {
                let why = self.refused.take();
                match why.as_ref().is_some_and(|why| why.contains(words.as_str())) {
                    true => self.add_row(line, None),
                    false if self.rows.is_some() => self.add_row(line, why),
                    false => return Err(format!("the order was refused with {why:?}")),
                }
                Ok(())
            }
            Step::Explain { from, to, answer } => self.explain(from, to, answer, overheard),
        }
    }

    /// A line with `~>`.
    fn play_voice(
        &mut self,
        line: &Line,
        inward: bool,
        peer: &Peer,
        what: &str,
        overheard: &mut dyn FnMut(&[u8]),
    ) -> Result<(), String> {
        let call_id = self.actors.get(peer).map(|actor| actor.call_id.clone()).unwrap_or_default();
        let endpoint = self.voices.of(self.network.home(peer), &call_id);
        let endpoint = endpoint.ok_or_else(|| format!("{peer} knows no port of ours"))?;
        if inward {
            let words: Vec<&str> = what.split_whitespace().collect();
            let does = match self.voices.does(endpoint, &words, self.now.mono) {
                Ok(does) => does,
                // The ladder has left its way long before.
                Err(why) if self.rows.is_some() => {
                    self.add_row(line, Some(format!("({why})")));
                    return Ok(());
                }
                Err(why) => return Err(why),
            };
            for event in does {
                self.input(Input::Media(event), overheard);
            }
            self.add_row(line, None);
            return Ok(());
        }
        match self.voices.take(endpoint) {
            Some(played) if played == what => {
                self.add_row(line, None);
                Ok(())
            }
            Some(played) if self.rows.is_some() => {
                self.add_row(line, Some(format!("us ~> {peer}  {played}")));
                Ok(())
            }
            Some(played) => Err(format!("{peer} hears {played:?}; expected {what:?}")),
            None => Err(format!("{peer} hears nothing; expected {what:?}")),
        }
    }

    /// What `explain --live` says now. The next call must be decided so.
    fn explain(
        &mut self,
        from: &str,
        to: &str,
        expected: &[String],
        overheard: &mut dyn FnMut(&[u8]),
    ) -> Result<(), String> {
        let hypothesis = Hypothesis { from: from.into(), to: to.into(), ..Hypothesis::default() };
        self.questions += 1;
        let question = Question::Explain(Box::new(hypothesis));
        self.input(Input::Question { number: self.questions, question }, overheard);
        let answer = self.answer.take().ok_or("nothing is explained")?;
        let text = answer["text"].as_str().unwrap_or_default();
        let said: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        if said != *expected {
            return Err(format!("explain says\n    {}", said.join("\n    ")));
        }
        // What the walk finds before anybody rings belongs to the first fact as well.
        let mut because = answer["because"].as_array().cloned().unwrap_or_default();
        let first = answer["timetable"].get(0).filter(|moment| moment["after_ms"] == 0);
        let first = first.and_then(|moment| moment["what"].as_array()).into_iter().flatten();
        because.extend(first.filter_map(|happening| happening.get("because").cloned()));
        self.explained = Some((answer["order"].clone(), because.into()));
        Ok(())
    }

    /// A call is decided as it was explained before.
    fn compare(&mut self, fact: &Fact) {
        let Fact::Call(_, CallFact::Offered(offered)) = fact else { return };
        let Some((order, because)) = self.explained.take() else { return };
        let decided = (serde_json::to_value(&offered.considered), serde_json::to_value(&offered.because));
        if !matches!(&decided, (Ok(is), Ok(why)) if *is == order && *why == because) {
            self.broken = Some(format!("explained was\n{order}\n{because}\nand decided is\n{decided:?}"));
        }
    }

    /// How a message travels.
    fn transport(&self, peer: &Peer, spoken: &Spoken) -> Transport {
        match spoken.over_tcp || self.network.speaks_tcp(peer) {
            true => Transport::Tcp,
            false => Transport::Udp,
        }
    }

    fn deliver(&mut self, peer: &Peer, flow: Flow, bytes: &Bytes, overheard: &mut dyn FnMut(&[u8])) {
        let input = match Message::parse(bytes.clone()) {
            Ok(message) => {
                self.ladder.push(format!("{}  {peer} -> us   {}", self.clock(), first_line(&message)));
                Input::Message { flow, message }
            }
            Err(malformed) => Input::Malformed { flow, malformed },
        };
        self.input(input, overheard);
    }

    /// The earliest message to this peer that no line has spoken of must be what the line says.
    fn expect(&mut self, peer: &Peer, spoken: &Spoken) -> Result<(), (String, String)> {
        let address = self.network.home(peer);
        self.actor(peer);
        let known: Vec<String> =
            self.actors.iter().filter(|(other, _)| *other != peer).map(|(_, actor)| actor.call_id.clone()).collect();
        let own = self.actors.get(peer).map(|actor| actor.call_id.clone()).unwrap_or_default();
        let is_own = |message: &Message| match own.is_empty() {
            true => !known.iter().any(|known| known == message.call_id()),
            false => own == message.call_id(),
        };
        let found = self.sent.iter().position(|sent| sent.to == address && is_own(&sent.message));
        let Some(sent) = found.and_then(|at| self.sent.remove(at)) else {
            return Err((format!("nothing is sent to {peer}; expected {}", wanted(spoken)), String::new()));
        };
        // What it hears may be what a hole in the same line is filled with.
        if let Some(actor) = self.actors.get_mut(peer) {
            actor.hear(&sent.message);
        }
        let checked = self.check(&sent, peer, &self.filled(spoken, peer));
        let done = format!("us -> {peer}  {}", first_line(&sent.message));
        checked.map_err(|why| (why.clone(), format!("{done} ({why})")))?;
        self.seen.push((address, sent.message.bytes().clone()));
        Ok(())
    }

    /// The line with its holes filled.
    fn filled(&self, spoken: &Spoken, peer: &Peer) -> Spoken {
        let mut filled = spoken.clone();
        if spoken.inward
            && let Some(session) = spoken.session.as_ref().and_then(|name| self.sessions.get(name))
        {
            filled.body = Some(session.clone());
        }
        let home = self.network.home(peer);
        let transport = self.transport(peer, spoken);
        let local = self.network.us(transport, home.is_ipv4());
        let told = self.host.told(&Flow { transport, local, remote: home, connection: 0 });
        for (_, value) in &mut filled.headers {
            *value = value.replace("{us}", &told.to_string()).replace("{host}", &told.ip().to_string());
        }
        let values = filled.headers.iter_mut().map(|(_, value)| value).chain(filled.body.as_mut());
        for value in values.filter(|value| value.contains('{')) {
            for (peer, actor) in &self.actors {
                for (name, known) in actor.names() {
                    *value = value.replace(&format!("{{{peer} {name}}}"), known);
                }
            }
        }
        filled
    }

    fn check(&self, sent: &Sent, peer: &Peer, spoken: &Spoken) -> Result<(), String> {
        let message = &sent.message;
        let unlike = |what: &str, is: &str| Err(format!("to {peer}: {what} is {is:?}, expected {}", wanted(spoken)));
        if sent.transport != self.transport(peer, spoken) {
            return unlike("the transport", sent.transport.as_str());
        }
        let status = message.status().map(|status| status.code());
        if status != spoken.status || spoken.method.as_deref().is_some_and(|method| method != message.method_name()) {
            return unlike("the message", &first_line(message));
        }
        if let Some(target) = &spoken.target {
            let user = message.request_uri().and_then(|uri| uri.user_unescaped()).unwrap_or_default();
            if user != *target {
                return unlike("the Request-URI's user", &user);
            }
        }
        if let Some((name, number)) = &spoken.from {
            let from = message.from();
            let display = from.display().unwrap_or_default();
            let user = from.uri.user_unescaped().unwrap_or_default();
            if user != *number || display != name.as_deref().unwrap_or_default() {
                return unlike("From", &format!("{display} {user}"));
            }
        }
        let body = String::from_utf8_lossy(message.body());
        if let Some(expected) = &spoken.body
            && body.trim_end() != expected.trim_end()
        {
            return unlike("the body", &body);
        }
        let session = spoken.session.as_deref().filter(|name| *name != "none");
        match session {
            Some(name) if self.sessions.contains_key(name) => {
                let (is, expected) = (message.body(), self.sessions[name].as_bytes());
                if without_addresses(is) != without_addresses(expected) {
                    return unlike("the session", &body);
                }
            }
            // Made by ourselves, where no peer stands behind it.
            Some("ours") if body.starts_with("v=0") && !body.contains("a=trace:") => {}
            Some(name) if !is_session(&body, name) => return unlike("the session", &body),
            Some(_) if self.is_relayed() && body.contains("m=audio 4000") => {
                return unlike("the media port", "the other side's own");
            }
            None if !body.is_empty() && spoken.body.is_none() && !spoken.again => return unlike("the body", &body),
            Some(_) | None => {}
        }
        if let Some(line) = spoken.sdp.iter().find(|line| !body.lines().any(|is| is == line.as_str())) {
            return Err(format!("to {peer}: its body has no line {line:?}:\n{body}"));
        }
        if let Some(words) = &spoken.reason {
            let reason = String::from_utf8_lossy(message.header(HeaderName::Reason).unwrap_or_default());
            if !reason.contains(words.as_str()) {
                return unlike("Reason", &reason);
            }
        }
        for (name, value) in &spoken.headers {
            let mut all: Vec<_> = message.lines().filter(|(_, own, _)| own.eq_ignore_ascii_case(name)).collect();
            all.sort_by_key(|(_, _, is)| !String::from_utf8_lossy(is).contains(value.as_str()));
            let is = all.first().map(|(_, _, is)| String::from_utf8_lossy(is));
            match (is, value.as_str()) {
                (None, "-") => {}
                (Some(is), value) if value != "-" && is.contains(value) => {}
                (is, _) => return unlike(name, &is.unwrap_or_default()),
            }
        }
        let credentials = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
        if spoken.authorised && !credentials.iter().any(|name| message.has(*name)) {
            return unlike("Authorization", "missing");
        }
        let before = self.seen.iter().any(|(to, bytes)| *to == sent.to && bytes == message.bytes());
        match (spoken.again, before) {
            (true, false) => unlike("the message", "a new one"),
            (false, true) => unlike("the message", "a repetition"),
            (_, _) => Ok(()),
        }
    }

    fn expect_fact(&mut self, line: &Line, words: &str) -> Result<(), String> {
        match self.facts.iter().position(|(fact, _)| fact.contains(words)) {
            Some(at) => {
                let Some((_, call)) = self.facts.remove(at) else { return Ok(()) };
                let rest = self.facts.split_off(at);
                let before = std::mem::replace(&mut self.facts, rest);
                // Where a trace has two calls, each has its own order.
                let (waits, passed): (Vec<_>, Vec<_>) =
                    before.into_iter().partition(|(_, of)| self.is_whole && of.is_some() && *of != call);
                waits.into_iter().rev().for_each(|fact| self.facts.push_front(fact));
                self.check_no_decision_unsaid(passed);
                self.add_row(line, None);
                Ok(())
            }
            None if self.rows.is_some() => {
                let next = self.facts.iter().position(|(_, call)| call.is_some()).and_then(|at| self.facts.remove(at));
                self.add_row(line, Some(next.map(|(fact, _)| format!("fact  {fact}")).unwrap_or_default()));
                Ok(())
            }
            None => {
                let facts: Vec<&str> = self.facts.iter().map(|(fact, _)| fact.as_str()).collect();
                Err(format!("no fact says {words:?}; there is:\n  {}", facts.join("\n  ")))
            }
        }
    }

    /// These are not spoken of: where both sides are compared, a decision among them is a difference.
    fn check_no_decision_unsaid(&mut self, facts: Vec<(String, Option<CallId>)>) {
        for (fact, call) in facts {
            if call.is_some() && self.is_whole {
                self.add_unsaid(format!("fact  {fact}"));
            }
        }
    }

    fn add_unsaid(&mut self, done: String) {
        let at = self.seconds();
        self.rows
            .iter_mut()
            .for_each(|rows| rows.push(Row { at, said: String::new(), done: done.clone(), differs: true }));
    }

    /// A line holds, or (`done`) something else happened.
    fn add_row(&mut self, line: &Line, done: Option<String>) {
        let at = self.seconds();
        if let Some(rows) = &mut self.rows {
            let said = line.step.to_string();
            let said = said.lines().next().unwrap_or_default().to_owned();
            let differs = done.is_some();
            rows.push(Row { at, done: done.unwrap_or_else(|| said.clone()), said, differs });
        }
    }

    fn check_nothing_unsaid(&mut self) -> Result<(), String> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if self.rows.is_some() {
            let (now, late) = (self.now.mono, self.late);
            while self.sent.front().is_some_and(|sent| sent.at + late <= now) {
                let Some(sent) = self.sent.pop_front() else { break };
                let done = format!("us -> {}  {}", self.who(sent.to), first_line(&sent.message));
                self.add_unsaid(done);
            }
            return Ok(());
        }
        if let Some(played) = self.voices.unsaid().filter(|_| self.listens && !self.is_whole) {
            return Err(format!("played and not written: us ~> … {played}"));
        }
        let late = self.late;
        let overdue = |sent: &&Sent| late == Duration::ZERO || sent.at + late < self.now.mono;
        match self.sent.iter().find(overdue) {
            Some(sent) => Err(format!("sent and not written: us -> {}  {}", sent.to, first_line(&sent.message))),
            None => Ok(()),
        }
    }

    fn admin(&mut self, words: &[String], overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let until = |text: &str| text.parse::<Timestamp>().map_err(|error| error.to_string());
        let question = match words[..] {
            ["override", schedule, "off"] => Question::Override { schedule: schedule.into(), open: None, until: None },
            ["override", schedule, state] => {
                Question::Override { schedule: schedule.into(), open: Some(state == "open"), until: None }
            }
            ["override", schedule, state, "until", at] => {
                Question::Override { schedule: schedule.into(), open: Some(state == "open"), until: Some(until(at)?) }
            }
            ["away", extension] => Question::Away { extension: extension.into(), away: true, until: None },
            ["away", extension, "off"] => Question::Away { extension: extension.into(), away: false, until: None },
            ["forward", extension, when, to] => {
                let known = ForwardWhen::ALL.into_iter().find(|known| known.word() == when);
                let when = known.ok_or_else(|| format!("{when:?} is no word for a forward"))?;
                let to = (to != "off").then(|| to.to_owned());
                Question::Forward { extension: extension.into(), when, to }
            }
            ["block", number] => Question::Block { number: number.into(), blocked: true, note: String::new() },
            ["block", number, "off"] => Question::Block { number: number.into(), blocked: false, note: String::new() },
            ["ban", whom] => Question::Ban { whom: whom.into(), until: None, why: "by hand".into() },
            ["unban", whom] => Question::Unban { whom: whom.into() },
            ["journal", "stalls"] => {
                self.stalled = Some(0);
                return Ok(());
            }
            ["journal", "resumes"] => {
                if let Some(number) = self.stalled.take() {
                    self.input(Input::Journaled(number), overheard);
                }
                return Ok(());
            }
            ["dns", trunk, ref at @ ..] => {
                let home = self.network.home(&Peer::read(trunk));
                let named = self.config.trunks().find(|(_, named)| self.network.addresses_of(named).contains(&home));
                let name = named.map(|(_, named)| ServerName::from(&named.server));
                let name = name.ok_or_else(|| format!("there is no trunk {trunk}"))?;
                let addresses = at.iter().map(|peer| (name.transport, self.network.home(&Peer::read(peer)))).collect();
                self.input(Input::Resolved { name, addresses }, overheard);
                return Ok(());
            }
            ["clock", moment] => {
                self.now.wall = moment.parse().map_err(|_| format!("{moment:?} is no moment"))?;
                return Ok(());
            }
            ["late", by] => {
                let by = by.strip_suffix("ms").and_then(|count| count.parse().ok());
                let by = by.ok_or("write how late the loop is: 80ms")?;
                self.input(Input::Late(Duration::from_millis(by)), overheard);
                return Ok(());
            }
            ["pressure", state] => {
                self.input(Input::Pressure(state == "on"), overheard);
                return Ok(());
            }
            ["message", file, "is", now] => {
                let now = match now {
                    "new" => MessageState::New,
                    "heard" => MessageState::Heard,
                    "deleted" => MessageState::Deleted,
                    _ => return Err(format!("a message is not {now:?}")),
                };
                Question::Message { file: file.into(), now }
            }
            ["message", mailbox, file, seconds] => {
                let seconds = seconds.strip_suffix('s').and_then(|count| count.parse::<u64>().ok());
                let seconds = seconds.ok_or("write how long somebody speaks in it: 3s")?;
                let message = fact::Recorded {
                    call: CallId::new(self.now.wall, 0),
                    file: file.into(),
                    of: RecordingOf::Message { mailbox: mailbox.into() },
                    from: Party::default(),
                    began: self.now.wall,
                    length_ms: seconds * 1000,
                    speech_ms: seconds * 1000,
                    lost_ms: 0,
                    failed: None,
                };
                self.input(Input::Note(Fact::Recorded(Box::new(message))), overheard);
                return Ok(());
            }
            ["originate", user, to, ref how @ ..] => originate(user, to, how)?,
            ["transfer", by, to] => Question::Transfer {
                call: self.last_call().ok_or("there is no call to hand on")?,
                by: (by != "-").then(|| by.into()),
                to: to.into(),
            },
            ["hang", "up"] => Question::HangUp { call: self.last_call().ok_or("there is no call to hang up")? },
            ["record", how @ ("on" | "off")] => {
                let call = self.last_call().ok_or("there is no call to record")?;
                Question::Record { call, on: how == "on" }
            }
            ["counter", counter] => {
                let counter = serde_json::from_str(counter).map_err(|error| format!("counter: {error}"))?;
                self.input(Input::Restore(Fact::Counted(counter)), overheard);
                return Ok(());
            }
            ["chance", chance] => {
                let chance = chance.parse().map_err(|_| format!("{chance:?} is no chance"))?;
                self.input(Input::Chance(chance), overheard);
                return Ok(());
            }
            ["end", "all"] => {
                self.input(Input::EndAll, overheard);
                return Ok(());
            }
            ["drain"] => {
                self.input(Input::Drain, overheard);
                return Ok(());
            }
            _ => return Err(format!("an admin cannot {:?}", words.join(" "))),
        };
        self.questions += 1;
        self.input(Input::Question { number: self.questions, question }, overheard);
        Ok(())
    }

    /// The call that began last, of those that are not over where there is one.
    fn last_call(&self) -> Option<CallId> {
        let is_over = |call: &&Recorded| call.facts.iter().any(|fact| matches!(fact, CallFact::Ended(_)));
        let mut calls = self.recorded.iter().rev();
        calls.clone().find(|call| !is_over(call)).or_else(|| calls.next()).map(|call| call.id)
    }

    fn pass(&mut self, span: Duration, overheard: &mut dyn FnMut(&[u8])) {
        let end = self.now.mono + span;
        while let Some(at) = self.switch.deadline().filter(|at| *at <= end) {
            self.now = self.now.after(at.since(self.now.mono));
            self.switch.tick(self.now, &mut self.effects);
            self.carry_out(overheard);
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    /// 64·T1 later nothing may be left but bindings, subscriptions, registrations, OPTIONS and nonces.
    fn rest(&mut self, overheard: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        // The script has said all that it had to say of errands.
        self.scripted.clear();
        self.pass(REST, overheard);
        // An OPTIONS of ours may just be under way.
        for _ in 0..8 {
            if self.switch.census().transactions == 0 {
                break;
            }
            self.pass(Duration::from_secs(2), overheard);
        }
        self.check_nothing_unsaid()?;
        let census = self.switch.census();
        let left = [
            ("calls", census.calls),
            ("legs", census.legs),
            ("dialogs", census.dialogs - census.subscriptions),
            ("transactions", census.transactions),
            ("held answers", census.held),
            ("media ports", census.ports),
            ("timers", census.call_timers),
        ];
        match left.iter().find(|(_, count)| *count != 0) {
            Some((what, count)) => Err(format!("{count} {what} are left over: {census:?}")),
            None => Ok(()),
        }
    }

    fn input(&mut self, input: Input, overheard: &mut dyn FnMut(&[u8])) {
        self.switch.handle(input, self.now, &mut self.effects);
        self.carry_out(overheard);
    }

    fn carry_out(&mut self, overheard: &mut dyn FnMut(&[u8])) {
        let mut answers = VecDeque::new();
        loop {
            for effect in std::mem::take(&mut self.effects) {
                match effect {
                    Effect::Send { flow, bytes } => {
                        overheard(&bytes);
                        answers.extend(self.sent(flow, bytes));
                    }
                    Effect::Fact(noted) => {
                        self.compare(&noted.fact);
                        let told = self.diary.tell(&noted.fact);
                        self.ladder.push(format!("{}  fact  {told}", self.clock()));
                        self.keep(&noted.fact, told);
                        match &mut self.stalled {
                            Some(number) => *number = noted.number,
                            None => answers.push_back(Input::Journaled(noted.number)),
                        }
                    }
                    Effect::Media(order) => {
                        answers.extend(self.voices.order(&order, self.now.mono).map(Input::Media));
                    }
                    Effect::Resolve(name) => {
                        let trunk = self.config.trunks().find(|(_, trunk)| ServerName::from(&trunk.server) == name);
                        let named = trunk.into_iter().flat_map(|(_, trunk)| self.network.addresses_of(trunk));
                        let addresses = match name.literal() {
                            Some(address) => vec![address],
                            None => named.map(|address| (name.transport, address)).collect(),
                        };
                        answers.push_back(Input::Resolved { name, addresses });
                    }
                    Effect::Answer { answer: Err(why), .. } => {
                        self.ladder.push(format!("refused: {why}"));
                        self.refused = Some(why);
                    }
                    Effect::Answer { answer: Ok(answer), .. } => self.answer = Some(answer),
                    Effect::Close(_)
                    | Effect::Discard(_)
                    | Effect::RenewCustomers
                    | Effect::Suspect(_)
                    | Effect::Drained => {}
                }
            }
            let Some(input) = answers.pop_front() else { return };
            self.switch.handle(input, self.now, &mut self.effects);
        }
    }

    /// A message leaves. OPTIONS and REGISTER towards trunks are answered at once, unless the script speaks of them.
    fn sent(&mut self, flow: Flow, bytes: Bytes) -> Option<Input> {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            // A keep-alive (RFC 5626 §4.4.1).
            return None;
        }
        let Some((flow, to)) = self.network.carry(flow) else { return Some(Input::FlowClosed(flow)) };
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(malformed) => {
                self.broken = Some(format!("we sent what we cannot read: {malformed:?}"));
                return None;
            }
        };
        let errand = matches!(message.method(), Method::Options | Method::Register);
        if message.is_request() && errand && !self.scripted.contains(&message.method()) {
            let is_down = self.down.iter().any(|name| {
                let trunk = self.config.trunk_by_name(name).map(|ix| self.config.trunk(ix));
                trunk.is_some_and(|trunk| self.network.addresses_of(trunk).contains(&flow.remote))
            });
            let mut text = format!("SIP/2.0 {}\r\n", if is_down { "503 Down" } else { "200 OK" });
            for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
                for value in message.headers(name) {
                    text.push_str(&format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(value)));
                }
            }
            text.push_str("Expires: 600\r\nContent-Length: 0\r\n\r\n");
            let message = Message::parse(Bytes::from(text)).ok()?;
            return Some(Input::Message { flow, message });
        }
        let peer = self.who(to);
        self.ladder.push(format!("{}  us -> {peer}   {}", self.clock(), first_line(&message)));
        self.voices.tells(to, &message);
        let (transport, at) = (flow.transport, self.now.mono);
        self.sent.push_back(Sent { to, transport, at, message });
        None
    }

    fn actor(&mut self, peer: &Peer) {
        if self.actors.contains_key(peer) {
            return;
        }
        let flow = self.network.flow(peer, Transport::Udp);
        let extension = self.config.extension_by_number(&peer.name).map(|ix| self.config.extension(ix));
        let password = extension.and_then(|extension| extension.password.as_ref()).map(|secret| secret.expose());
        self.actors.insert(
            peer.clone(),
            Actor::new(flow, self.network.listens(peer), &peer.to_string(), &peer.name, password),
        );
    }

    fn who(&self, to: SocketAddr) -> String {
        let peer = self.actors.keys().find(|peer| self.network.home(peer) == to).map(|peer| peer.name.clone());
        peer.unwrap_or_else(|| to.to_string())
    }

    /// A fact of a call goes on its record, and waits for a line that speaks of it.
    fn keep(&mut self, fact: &Fact, told: String) {
        let Fact::Call(id, step) = fact else {
            self.facts.push_back((told, None));
            return;
        };
        if let CallFact::Offered(_) = step {
            if self.is_hidden {
                self.hidden.push(*id);
            }
            let began = self.now.wall;
            self.recorded.push(Recorded {
                id: *id,
                began,
                facts: Vec::new(),
                tape: Taped::default(),
                also: Vec::new(),
            });
        }
        if self.hidden.contains(id) {
            self.recorded.retain(|call| call.id != *id);
            return;
        }
        if let Some(call) = self.recorded.iter_mut().find(|call| call.id == *id) {
            match step {
                CallFact::Traced { tape, .. } => call.tape = tape.as_deref().cloned().unwrap_or_default(),
                step => call.facts.push(step.clone()),
            }
        }
        let decides = !matches!(step, CallFact::Rung(_) | CallFact::Traced { .. });
        self.facts.push_back((told, decides.then_some(*id)));
    }

    /// Where a trunk is: as the trace says, in the order of its devices, else as [`addresses_of`] does.
    fn is_relayed(&self) -> bool {
        self.config.media.mode == crate::config::MediaMode::Relay
    }

    fn clock(&self) -> String {
        format!("{:8.3}", self.seconds())
    }

    fn seconds(&self) -> f64 {
        self.now.mono.as_micros() as f64 / 1e6 - 1.0
    }
}

/// `originate 12 +49… as +49… ref X for 20s auto-answer`
fn originate(user: &str, to: &str, mut how: &[&str]) -> Result<Question, String> {
    let (mut caller_id, mut reference, mut timeout, mut auto_answer) = (None, None, None, false);
    loop {
        how = match how {
            [] => break,
            ["as", number, rest @ ..] => {
                caller_id = Some((*number).to_owned());
                rest
            }
            ["ref", name, rest @ ..] => {
                reference = Some((*name).into());
                rest
            }
            ["for", span, rest @ ..] => {
                let seconds = span.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
                timeout = Some(seconds.ok_or("write how long the phones ring: 20s")?);
                rest
            }
            ["auto-answer", rest @ ..] => {
                auto_answer = true;
                rest
            }
            _ => return Err(format!("{:?} says nothing about a call that is asked for", how.join(" "))),
        };
    }
    Ok(Question::Originate { user: user.into(), to: to.to_owned(), caller_id, reference, timeout, auto_answer })
}

fn first_line(message: &Message) -> String {
    let line = message.bytes().split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    match message.status() {
        Some(_) => format!("{line} ({})", message.method_name()),
        None => line,
    }
}

fn wanted(spoken: &Spoken) -> String {
    let what = match (spoken.status, &spoken.method) {
        (Some(status), Some(method)) => format!("{status} {method}"),
        (Some(status), None) => status.to_string(),
        (None, method) => method.clone().unwrap_or_default(),
    };
    let mut words = vec![what];
    words.extend(spoken.target.clone());
    if let Some((name, number)) = &spoken.from {
        words.push(format!("from {} {number}", name.as_deref().unwrap_or_default()));
    }
    words.extend(spoken.session.as_ref().map(|name| format!("with session {name}")));
    words.extend(spoken.sdp.iter().map(|line| format!("sdp {line:?}")));
    if spoken.over_tcp {
        words.push("over tcp".into());
    }
    words.extend(spoken.reason.as_ref().map(|reason| format!("reason {reason:?}")));
    words.extend(spoken.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if spoken.again {
        words.push("again".into());
    }
    words.join(" ")
}
