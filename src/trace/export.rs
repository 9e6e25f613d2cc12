//! A tape becomes a trace: a call that really was, as a ladder that can be played.

mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::diary::Diary;
use super::notation::{KnownNumber, Line, Peer, Place, Script, Setting, Spoken, Step};
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::fact::{CallFact, Fact, Offered};
use crate::key::{CallId, Transport};
use crate::route::Reason;
use crate::sip::UriRef;
use crate::sip::header::NameAddr;
use crate::tape::{BODY, ENTRY, Heard, Taped};

/// A call that is over, as it is on record.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its id.
    pub id: CallId,
    /// When it began.
    pub began: Timestamp,
    /// Its facts in order, the ladder's not needed.
    pub facts: Vec<CallFact>,
    /// What was on the wire.
    pub tape: Taped,
    /// The facts of the calls that have become part of it, in the order of the tape.
    pub also: Vec<(CallId, Vec<CallFact>)>,
}

/// How late a machine is even where nothing is said of it.
const AT_LEAST_LATE: Duration = Duration::from_millis(20);

/// Writes the call down as a trace. `config` is the office under which it began, without secrets.
pub fn export(call: &Recorded, config: &Config) -> Exported {
    let offers: Vec<(CallId, &Offered)> = call.all().filter_map(|(id, facts)| Some((id, offered(facts)?))).collect();
    let mut copyist = Copyist::new(call, config);
    let earlier = Duration::from_micros(call.tape.earlier);
    copyist.setting.clock = Some(call.began.checked_sub(earlier).unwrap_or(call.began));
    copyist.setting.config = Some(config.redacted.to_string());
    copyist.setting.late = AT_LEAST_LATE + Duration::from_micros(call.tape.late);
    copyist.setting.customers.extend(offers.iter().filter_map(|(_, offered)| known(offered)));
    let entries: Vec<&str> = call.tape.strip.split(ENTRY).filter(|entry| !entry.is_empty()).collect();
    for (at, entry) in entries.iter().enumerate() {
        copyist.copy(entry, &entries[at + 1..]);
    }
    let title = match &offers[..] {
        [] => "A call.".to_owned(),
        [(id, offered), also @ ..] => also.iter().fold(title(*id, offered), |text, (id, offered)| {
            format!("{text} Joined with it: {}", title(*id, offered).trim_start_matches("Call "))
        }),
    };
    copyist.caveats.extend(call.caveats(&offers));
    copyist.caveats.dedup();
    let Copyist { setting, lines, caveats, .. } = copyist;
    Exported { script: Script { title, setting, lines }, caveats }
}

impl Recorded {
    /// The call, and those that have become part of it.
    fn all(&self) -> impl Iterator<Item = (CallId, &Vec<CallFact>)> {
        std::iter::once((self.id, &self.facts)).chain(self.also.iter().map(|(id, facts)| (*id, facts)))
    }

    /// What a trace of it would not say.
    fn caveats(&self, offers: &[(CallId, &Offered)]) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.tape.left_out > 0 {
            caveats.push(format!("{} messages found no room on its tape", self.tape.left_out));
        }
        for reason in offers.iter().flat_map(|(_, offered)| &offered.because) {
            if let Reason::TrunkFull { .. } | Reason::DidFull { .. } = reason {
                caveats.push(format!("{reason}: the other calls are not in this trace"));
            }
        }
        let reached = |offered: &Offered| {
            let refused = offered.because.iter().any(|reason| matches!(reason, Reason::CannotBeCarriedOn(_)));
            refused && offered.considered.iter().any(|found| matches!(found.found, Reason::PicksUp(_)))
        };
        if offers.iter().any(|(_, offered)| reached(offered)) {
            caveats.push("what it reached for rang elsewhere, and is not in this trace".into());
        }
        // Tapes of older versions end where the call became one with another.
        // Who comes over is told at once; whom keys in a talk reached was rung before.
        let joins =
            |facts: &[CallFact]| matches!(facts, [CallFact::Transferred { attended: true, .. }, CallFact::Rung(_)]);
        let joined: usize = self.all().map(|(_, facts)| facts.windows(2).filter(|facts| joins(facts)).count()).sum();
        let missing = self.also.iter().any(|(_, facts)| facts.is_empty());
        if joined > self.also.len() || self.also.len() != self.tape.also.len() || missing {
            caveats.push("it became one call with another, which is not in this trace".into());
        }
        if let Some(into) = self.facts.iter().find_map(goes_on) {
            caveats.push(format!("it goes on as part of the call {into}, which is not in this trace"));
        }
        if let Some(also) = self.tape.also.iter().find(|also| also.office != self.tape.office) {
            caveats.push(format!("the call {} began under another config, {}", also.call, also.office));
        }
        caveats
    }
}

fn offered(facts: &[CallFact]) -> Option<&Offered> {
    facts.iter().find_map(|fact| match fact {
        CallFact::Offered(offered) => Some(&**offered),
        _ => None,
    })
}

fn goes_on(fact: &CallFact) -> Option<CallId> {
    match fact {
        CallFact::Merged { into } => Some(*into),
        _ => None,
    }
}

/// A call as a trace.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The trace.
    pub script: Script,
    /// Why it may not play as it was: what it leaned on that is not in it.
    pub caveats: Vec<String>,
}

fn title(id: CallId, offered: &Offered) -> String {
    let party = |party: &crate::fact::Party| match (&party.extension, party.number) {
        (Some(extension), _) => extension.to_string(),
        (None, Some(number)) => number.to_string(),
        (None, None) if party.anonymous => "anonymous".into(),
        (None, None) => party.text.clone(),
    };
    let plain = |text: String| text.replace(['#', '\n', '\r'], " ");
    plain(format!("Call {id}: {} to {}.", party(&offered.from), party(&offered.to)))
}

fn known(offered: &Offered) -> Option<KnownNumber> {
    // Whose name is still the number is nobody to whom a call goes differently.
    let customer = offered.customer.as_ref().filter(|customer| !customer.is_provisional())?;
    let responsible = customer.responsible.as_ref().map(|who| who.to_string());
    let name = customer.name.replace('"', "'");
    Some(KnownNumber { number: offered.from.number?.to_string(), name, responsible })
}

struct Copyist<'a> {
    call: &'a Recorded,
    peers: Vec<Peer>,
    /// Numbers of devices, by extension and address.
    devices: BTreeMap<(String, SocketAddr), u8>,
    standing: BTreeMap<String, Stands>,
    /// Whose lines `phone` entries belong to.
    told: Option<(String, bool)>,
    sessions: BTreeMap<usize, String>,
    /// Of each call those that are not written yet.
    facts: Vec<(CallId, std::slice::Iter<'a, CallFact>)>,
    diary: Diary,
    setting: Setting,
    lines: Vec<Line>,
    now: u64,
    /// Parties that have shown their credentials.
    challenged: Vec<usize>,
    /// How each call began, by its number.
    begun: BTreeMap<u8, Beginning>,
    /// Parties of whom the house knows that they speak or are about to, and whether they have been answered.
    engaged: BTreeMap<usize, bool>,
    /// A Replaces of another call's dialog, by its party and the method that it came with, until that is answered.
    reached: Option<(usize, String, String)>,
    /// The last reliable response to a party, by its RSeq.
    numbered: BTreeMap<usize, String>,
    /// Why the trace cannot be the whole truth.
    caveats: Vec<String>,
}

#[derive(Clone, Copy)]
struct Beginning {
    /// Which line is its first, and when it is.
    line: usize,
    at: u64,
    /// Lines with which it began: the INVITE, and what leads to its credentials.
    openings: usize,
}

#[derive(Default)]
struct Stands {
    busy: bool,
    phones: Vec<Place>,
}

impl<'a> Copyist<'a> {
    fn new(call: &'a Recorded, config: &Config) -> Copyist<'a> {
        let mut copyist = Copyist {
            call,
            peers: Vec::new(),
            devices: BTreeMap::new(),
            standing: BTreeMap::new(),
            told: None,
            sessions: BTreeMap::new(),
            facts: call.all().map(|(id, facts)| (id, facts.iter())).collect(),
            diary: Diary::default(),
            setting: Setting::default(),
            lines: Vec::new(),
            now: 0,
            challenged: Vec::new(),
            begun: BTreeMap::new(),
            engaged: BTreeMap::new(),
            reached: None,
            numbered: BTreeMap::new(),
            caveats: Vec::new(),
        };
        for (number, heard) in call.tape.parties.iter().enumerate() {
            let server = config.trunk_by_name(&heard.peer).filter(|_| heard.trunk).map(|ix| &config.trunk(ix).server);
            let usual = server.is_none_or(|server| server.transport.unwrap_or(Transport::Udp) == heard.by);
            let is_called = call.tape.parties[..number].iter().any(|caller| caller.call == heard.call);
            if is_called && !usual {
                copyist
                    .caveats
                    .push("a large INVITE took a connection that was open, which is not in this trace".into());
            }
            let name = if heard.trunk { trunk_name(&heard.peer, config) } else { heard.peer.to_string() };
            copyist.devices.insert((name.clone(), heard.at), heard.device);
            let mut peer = Peer { name, device: heard.device, call: String::new() };
            let same = copyist.peers.iter().filter(|known| (&known.name, known.device) == (&peer.name, peer.device));
            let calls = same.count();
            if calls == 0 {
                let (address, by) = (heard.at, heard.by);
                let place = Place { peer: peer.clone(), address, by, contact: None, path: Vec::new() };
                copyist.setting.places.push(place);
            } else {
                peer.call = letters(calls);
            }
            copyist.peers.push(peer);
        }
        copyist
    }

    /// `following`: what comes after it.
    fn copy(&mut self, entry: &str, following: &[&str]) {
        let (kind, rest) = entry.split_at(1);
        let (first, more) = rest.split_once('\n').unwrap_or((rest, ""));
        match kind {
            "<" | ">" => self.copy_message(kind == "<", first, more),
            "*" => {
                let (at, call) = when(rest);
                self.pass(at);
                self.copy_fact(call);
            }
            "!" => {
                let (at, line) = rest.split_once(' ').unwrap_or((rest, ""));
                let (at, call) = when(at);
                self.copy_world(at, call, line, following);
            }
            _ => {}
        }
    }

    fn add(&mut self, step: Step) {
        self.lines.push(Line { number: 0, text: String::new(), step });
    }

    fn pass(&mut self, at: &str) {
        let at = at.trim().parse().unwrap_or(self.now);
        if at > self.now {
            self.add(Step::Pass(Duration::from_micros(at - self.now)));
            self.now = at;
        }
    }

    fn copy_fact(&mut self, call: u8) {
        let Some((id, facts)) = self.facts.get_mut(usize::from(call)) else { return };
        let Some(fact) = facts.next() else { return };
        let told = self.diary.tell(&Fact::Call(*id, fact.clone()));
        // Whom it rings is said by the INVITEs.
        if !matches!(fact, CallFact::Rung(_) | CallFact::Traced { .. }) {
            self.add(Step::Fact(told.trim_end_matches("; ").to_owned()));
        }
    }
}

/// Messages.
impl Copyist<'_> {
    fn copy_message(&mut self, inward: bool, first: &str, rest: &str) {
        let mut words = first.split(' ');
        let party = words.next().and_then(|party| party.parse::<usize>().ok()).unwrap_or(usize::MAX);
        let Some((peer, heard)) = self.peers.get(party).cloned().zip(self.call.tape.parties.get(party)) else { return };
        self.pass(words.next().unwrap_or_default());
        let beginning = Beginning { line: self.lines.len(), at: self.now, openings: 1 };
        self.begun.entry(heard.call).or_insert(beginning);
        let mut spoken = Spoken { inward, peers: vec![peer], ..Spoken::default() };
        match words.next() {
            Some("=") => {
                spoken.again = true;
                name(&mut spoken, words);
                self.add(Step::Message(Box::new(spoken)));
                return;
            }
            Some("authorised") => spoken.authorised = true,
            _ => {}
        }
        let (head, body) = rest.split_once(BODY).map_or((rest, None), |(head, body)| (head, Some(body)));
        let mut lines = head.lines();
        let start = lines.next().unwrap_or_default();
        let uri = start.split_once(' ').map_or("", |(_, uri)| uri);
        name(&mut spoken, start.split(' '));
        let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        let to = headers.iter().find(|(name, _)| *name == "To").map(|(_, value)| *value);
        let begins = spoken.status.is_none() && to.is_some_and(|to| untagged(to) == to);
        self.follow_talk(party, &spoken, begins);
        if begins {
            self.copy_beginning(&mut spoken, uri, &headers, heard);
        }
        let has_contact = headers.iter().any(|(name, _)| *name == "Contact");
        for (name, value) in headers {
            let own = format!("<sip:{}@{}>", spoken.peers[0].name, heard.at);
            let usual = match name {
                "From" | "To" if begins => true,
                "From" => spoken.status.is_some(),
                "Contact" => value == own,
                "Max-Forwards" => value == "70",
                // We number our responses by chance; who acknowledges the last one says so by itself.
                "RSeq" if !inward => {
                    self.numbered.insert(party, format!("{value} "));
                    true
                }
                "RAck" if inward => self.numbered.get(&party).is_some_and(|last| value.starts_with(last)),
                "Content-Type" => value == "application/sdp",
                _ => false,
            };
            // Which REFER it is about is said by its number, which phones choose (RFC 3515 §2.4.6).
            let numbered = !inward && name == "Event" && value.starts_with("refer;id=");
            if !usual {
                let value = if numbered { "refer" } else { value };
                spoken.headers.push((name.to_owned(), self.with_holes(value, heard)));
            }
        }
        let shows = |spoken: &Spoken| {
            !matches!(spoken.status, Some(100 | 300..)) && matches!(spoken.method.as_deref(), Some("INVITE" | "UPDATE"))
        };
        if inward && shows(&spoken) && !has_contact {
            spoken.headers.push(("Contact".into(), "-".into()));
        }
        self.follow_replaces(party, &spoken);
        if let Some(body) = body {
            self.copy_body(&mut spoken, body);
        }
        if inward
            && spoken.authorised
            && spoken.method.as_deref() == Some("INVITE")
            && !self.challenged.contains(&party)
        {
            self.challenged.push(party);
            self.copy_challenge(&spoken, heard.call);
        }
        self.add(Step::Message(Box::new(spoken)));
    }

    /// Who speaks keeps others of the house waiting, by itself.
    fn follow_talk(&mut self, party: usize, spoken: &Spoken, begins: bool) {
        let answered = self.engaged.get(&party).copied();
        match (spoken.inward, spoken.status, spoken.method.as_deref()) {
            (true, None, Some("INVITE")) if begins => _ = self.engaged.insert(party, false),
            (_, Some(200..300), Some("INVITE")) => _ = self.engaged.insert(party, true),
            (false, Some(300..), Some("INVITE")) if answered == Some(false) => _ = self.engaged.remove(&party),
            (_, None, Some("BYE")) => _ = self.engaged.remove(&party),
            _ => {}
        }
    }

    /// Whom a Replaces names that means nobody of this trace is somebody else, unless the answer says that there is nobody.
    fn follow_replaces(&mut self, party: usize, spoken: &Spoken) {
        let own = spoken.method.clone().unwrap_or_default();
        match spoken.status {
            // A provider may replace nobody, whoever is named.
            None if spoken.method.as_deref() == Some("INVITE") && self.call.tape.parties[party].trunk => {}
            None => {
                let is_stranger = |(name, value): &&(String, String)| {
                    let names = name == "Replaces" || name == "Refer-To" && value.contains("eplaces");
                    names && !value.contains("call-id}")
                };
                if let Some((name, _)) = spoken.headers.iter().find(is_stranger).filter(|_| spoken.inward) {
                    self.reached = Some((party, own, name.clone()));
                }
            }
            Some(200..) if !spoken.inward => {
                let is_answered = |(of, method, _): &mut (usize, String, String)| *of == party && *method == own;
                let Some((.., name)) = self.reached.take_if(is_answered) else { return };
                if !matches!(spoken.status, Some(400 | 401 | 407 | 481)) {
                    self.caveats.push(format!("its {name} names a dialog of another call, which is not in this trace"));
                }
            }
            Some(_) => {}
        }
    }

    /// A request that begins a dialog says whom it is for, and who calls.
    fn copy_beginning(&self, spoken: &mut Spoken, uri: &str, headers: &[(&str, &str)], heard: &Heard) {
        let value = |name: &str| headers.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| *value);
        let target =
            UriRef::parse(uri.as_bytes()).ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        spoken.target = target.filter(|target| is_word(target));
        let from = NameAddr::read(value("From").as_bytes()).ok();
        let user = from.and_then(|from| from.uri.user_unescaped()).map(|user| user.into_owned()).unwrap_or_default();
        let display =
            from.and_then(|from| from.display()).map(|name| name.into_owned()).filter(|name| !name.is_empty());
        let writable = is_word(&user) && !display.as_ref().is_some_and(|name| name.contains('"'));
        if writable {
            spoken.from = Some((display, user.clone()));
        }
        if !spoken.inward {
            return;
        }
        let target = spoken.target.clone().unwrap_or_default();
        if ![format!("sip:{target}@{}", heard.us), format!("sip:{target}@{}", heard.us.ip())].contains(&uri.to_owned())
        {
            spoken.headers.push(("Request-URI".into(), self.with_holes(uri, heard)));
        }
        let anonymous = user == "anonymous" && value("From").contains("@anonymous.invalid");
        let plain = from.is_some_and(|from| from.uri.as_str() == format!("sip:{user}@{}", heard.at.ip()));
        if !writable || !(plain || anonymous) {
            let own = untagged(value("From"));
            let tag = format!(";tag={{{} tag}}", spoken.peers[0]);
            spoken.headers.push(("From".into(), self.with_holes(own, heard) + &tag));
        }
        let to = untagged(value("To"));
        if ![format!("<sip:{target}@{}>", heard.us.ip()), format!("<sip:{target}@{}>", heard.us)]
            .contains(&to.to_owned())
        {
            spoken.headers.push(("To".into(), self.with_holes(to, heard)));
        }
    }

    /// Credentials are an answer to a challenge. Where a phone knew one from before, the trace gives it a new one.
    fn copy_challenge(&mut self, spoken: &Spoken, call: u8) {
        let mut first = spoken.clone();
        first.authorised = false;
        // What the caller said so far is still the beginning of the call.
        if let Some(beginning) = self.begun.get_mut(&call).filter(|beginning| beginning.line == self.lines.len()) {
            beginning.openings += 2;
        }
        let peers = spoken.peers.clone();
        let challenge = Spoken { peers: peers.clone(), status: Some(401), ..Spoken::default() };
        let ack = Spoken { inward: true, peers, method: Some("ACK".into()), ..Spoken::default() };
        for line in [first, challenge, ack] {
            self.add(Step::Message(Box::new(line)));
        }
    }

    fn copy_body(&mut self, spoken: &mut Spoken, body: &str) {
        let (number, text) = body.split_once('\n').map_or((body, None), |(number, text)| (number, Some(text)));
        let number = number.parse::<usize>().unwrap_or(usize::MAX);
        if let Some(text) = text {
            self.sessions.insert(number, text.to_owned());
        }
        let Some(text) = self.sessions.get(&number) else { return };
        let name = letters(number);
        let is_session = text.starts_with("v=0") && !spoken.headers.iter().any(|(name, _)| name == "Content-Type");
        if is_session {
            if !self.setting.sessions.iter().any(|(known, _)| *known == name) {
                self.setting.sessions.push((name.clone(), text.clone()));
            }
            spoken.session = Some(name);
        } else {
            spoken.body = Some(text.replace("\r\n", "\n").lines().map(|line| format!("{line}\r\n")).collect());
        }
    }

    /// The value with what is different each time replaced by what it is called.
    fn with_holes(&self, value: &str, heard: &Heard) -> String {
        let mut text = replaced(value, &heard.us.to_string(), "{us}");
        text = replaced(&text, &heard.us.ip().to_string(), "{host}");
        let names = self.peers.iter().zip(&self.call.tape.parties).flat_map(|(peer, heard)| {
            let names = ["call-id", "tag", "our-tag"].into_iter().zip(&heard.names);
            names.map(move |(name, known)| (known, format!("{{{peer} {name}}}")))
        });
        let mut names: Vec<(&Box<str>, String)> = names.filter(|(known, _)| known.len() > 3).collect();
        // A name may begin with another one.
        names.sort_by_key(|(known, _)| std::cmp::Reverse(known.len()));
        for (known, hole) in names {
            text = replaced(&text, known, &hole);
        }
        text
    }
}

/// When something was written, and of which call it speaks: `20400000`, `20400000,1`.
fn when(text: &str) -> (&str, u8) {
    let (at, call) = text.split_once(',').unwrap_or((text, ""));
    (at, call.trim().parse().unwrap_or(0))
}

/// `INVITE …` or `200 INVITE`.
fn name<'w>(spoken: &mut Spoken, mut words: impl Iterator<Item = &'w str>) {
    let first = words.next().unwrap_or_default();
    match first.parse() {
        Ok(status) => (spoken.status, spoken.method) = (Some(status), words.next().map(str::to_owned)),
        Err(_) => spoken.method = Some(first.to_owned()),
    }
}

/// Puts `hole` in the place of `known`, also where it is escaped as in a URI, and where it is not a part of something
/// longer.
fn replaced(text: &str, known: &str, hole: &str) -> String {
    let part = |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric());
    let (mut out, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        let escaped = out.len() >= 3 && out.as_bytes()[out.len() - 3] == b'%';
        let begins = escaped || !part(out.chars().next_back());
        match spelled(rest, known).filter(|after| begins && !part(after.chars().next())) {
            Some(after) => (rest, _) = (after, out.push_str(hole)),
            None => (rest, _) = (&rest[next.len_utf8()..], out.push(next)),
        }
    }
    out
}

/// What comes after `known` in a text that begins with it.
fn spelled<'t>(text: &'t str, known: &str) -> Option<&'t str> {
    known.bytes().try_fold(text, |rest, byte| {
        let escaped = || {
            let (hex, after) = rest.strip_prefix('%')?.split_at_checked(2)?;
            (u8::from_str_radix(hex, 16).ok()? == byte).then_some(after)
        };
        rest.strip_prefix(char::from(byte)).filter(|_| byte.is_ascii()).or_else(escaped)
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(['"', ' ', ',', '\t'])
}

fn untagged(value: &str) -> &str {
    let from = value.rfind('>').unwrap_or(0);
    value[from..].find(";tag=").map_or(value, |at| &value[..from + at])
}

/// `a`, `b`, … `z`, `za`, …: names of sessions and of further calls.
fn letters(number: usize) -> String {
    let mut text = "z".repeat(number / 25);
    text.push(char::from(b'a' + (number % 25) as u8));
    text
}

fn trunk_name(name: &str, config: &Config) -> String {
    config.trunk_by_name(name).map_or_else(|| format!("trunk:{name}"), |ix| trunk_word(ix.index(), name))
}

/// What a trunk is called on a ladder, by its place in the file and its name.
pub(super) fn trunk_word(at: usize, name: &str) -> String {
    match at {
        0 => "provider".into(),
        at if name.contains(['.', '/', ' ', ',', '#', ':']) => format!("trunk:#{}", at + 1),
        _ => format!("trunk:{name}"),
    }
}
