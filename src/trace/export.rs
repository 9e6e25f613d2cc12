//! A tape becomes a trace: a call that really was, as a ladder that can be played.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::diary::Diary;
use super::notation::{KnownNumber, Line, Peer, Place, Script, Setting, Spoken, Step};
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::fact::{CallFact, Fact, Offered};
use crate::key::{CallId, Transport};
use crate::route::{PickUp, Reason};
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
}

/// How late a machine is even where nothing is said of it.
const AT_LEAST_LATE: Duration = Duration::from_millis(20);

/// Writes the call down as a trace. `config` is the office under which it began, without secrets.
pub fn export(call: &Recorded, config: &Config) -> Exported {
    let offered = call.facts.iter().find_map(|fact| match fact {
        CallFact::Offered(offered) => Some(&**offered),
        _ => None,
    });
    let mut copyist = Copyist::new(call, config);
    copyist.setting.clock = Some(call.began);
    copyist.setting.config = Some(config.redacted.to_string());
    copyist.setting.late = AT_LEAST_LATE + Duration::from_micros(call.tape.late);
    copyist.setting.customers.extend(offered.and_then(known));
    for entry in call.tape.strip.split(ENTRY).filter(|entry| !entry.is_empty()) {
        copyist.copy(entry);
    }
    let title = offered.map_or_else(|| "A call.".to_owned(), |offered| title(call.id, offered));
    if call.tape.left_out > 0 {
        copyist.caveats.push(format!("{} messages found no room on its tape", call.tape.left_out));
    }
    for reason in offered.iter().flat_map(|offered| &offered.because) {
        if let Reason::TrunkFull { .. } | Reason::DidFull { .. } = reason {
            copyist.caveats.push(format!("{reason}: the other calls are not in this trace"));
        }
    }
    let reached = |offered: &Offered| {
        let refused = offered.because.iter().any(|reason| matches!(reason, Reason::CannotBeCarriedOn(_)));
        refused && PickUp::read(&offered.to.text).is_some()
    };
    if offered.is_some_and(reached) {
        copyist.caveats.push("what it reached for rang elsewhere, and is not in this trace".into());
    }
    let joins =
        |fact: &CallFact| matches!(fact, CallFact::Transferred { attended: true, .. } | CallFact::Merged { .. });
    if call.facts.iter().any(joins) {
        copyist.caveats.push("it became one call with another, which is not in this trace".into());
    }
    copyist.caveats.dedup();
    let Copyist { setting, lines, caveats, .. } = copyist;
    Exported { script: Script { title, setting, lines }, caveats }
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
    let customer = offered.customer.as_ref()?;
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
    sessions: Vec<String>,
    facts: std::slice::Iter<'a, CallFact>,
    diary: Diary,
    setting: Setting,
    lines: Vec<Line>,
    now: u64,
    /// Parties that have shown their credentials.
    challenged: Vec<usize>,
    /// Lines with which the call began: the INVITE, and what leads to its credentials.
    openings: usize,
    /// The last reliable response to a party, by its RSeq.
    numbered: BTreeMap<usize, String>,
    /// Why the trace cannot be the whole truth.
    caveats: Vec<String>,
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
            sessions: Vec::new(),
            facts: call.facts.iter(),
            diary: Diary::default(),
            setting: Setting::default(),
            lines: Vec::new(),
            now: 0,
            challenged: Vec::new(),
            openings: 1,
            numbered: BTreeMap::new(),
            caveats: Vec::new(),
        };
        for (number, heard) in call.tape.parties.iter().enumerate() {
            let server = config.trunk_by_name(&heard.peer).filter(|_| heard.trunk).map(|ix| &config.trunk(ix).server);
            let usual = server.is_none_or(|server| server.transport.unwrap_or(Transport::Udp) == heard.by);
            if number > 0 && !usual {
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

    fn copy(&mut self, entry: &str) {
        let (kind, rest) = entry.split_at(1);
        let (first, more) = rest.split_once('\n').unwrap_or((rest, ""));
        match kind {
            "<" | ">" => self.copy_message(kind == "<", first, more),
            "*" => {
                self.pass(rest);
                self.copy_fact();
            }
            "!" => {
                let (at, line) = rest.split_once(' ').unwrap_or((rest, ""));
                self.copy_world(at, line);
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

    fn copy_fact(&mut self) {
        let Some(fact) = self.facts.next() else { return };
        let told = self.diary.tell(&Fact::Call(self.call.id, fact.clone()));
        // Whom it rings is said by the INVITEs.
        if !matches!(fact, CallFact::Rung(_) | CallFact::Traced { .. }) {
            self.add(Step::Fact(told.trim_end_matches("; ").to_owned()));
        }
    }
}

/// What the call saw of the house.
impl Copyist<'_> {
    fn copy_world(&mut self, at: &str, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["first" | "now", name, ref busy @ ..] => {
                let changes = words[0] == "now";
                let stands = self.standing.entry(name.to_owned()).or_default();
                let was = std::mem::replace(&mut stands.busy, !busy.is_empty());
                let is = stands.busy;
                self.told = Some((name.to_owned(), changes));
                match (changes, was, is) {
                    (false, _, true) => self.setting.busy.push(name.to_owned()),
                    (true, false, true) => self.meanwhile(at, vec![name.to_owned(), "busy".into()]),
                    (true, true, false) => self.meanwhile(at, vec![name.to_owned(), "free".into()]),
                    _ => {}
                }
            }
            ["phone", address, by, name, contact, ref path @ ..] => {
                let Ok(address) = address.parse() else { return };
                let by = if by == "tcp" { Transport::Tcp } else { Transport::Udp };
                let peer = Peer { name: name.to_owned(), device: self.device(name, address), call: String::new() };
                let path = path.iter().map(|path| (*path).to_owned()).collect();
                let place = Place { peer, address, by, contact: Some(contact.to_owned()), path };
                let stands = self.standing.entry(name.to_owned()).or_default();
                if stands.phones.contains(&place) {
                    return;
                }
                stands.phones.push(place.clone());
                if self.told.as_ref().is_some_and(|(_, changes)| *changes) {
                    let mut words = vec!["at".to_owned()];
                    words.extend(place.to_words());
                    self.meanwhile(at, words);
                } else {
                    self.setting.places.retain(|known| known.peer != place.peer);
                    self.setting.places.push(place);
                }
            }
            ["phones", ref addresses @ ..] => {
                // Those that are still there, of whom `now` spoke; the others are gone.
                let Some((name, _)) = self.told.clone() else { return };
                let Some(stands) = self.standing.get_mut(&name) else { return };
                let is_gone = |place: &Place| !addresses.iter().any(|there| *there == place.address.to_string());
                let gone: Vec<Place> = stands.phones.iter().filter(|place| is_gone(place)).cloned().collect();
                stands.phones.retain(|place| !is_gone(place));
                for place in gone {
                    self.meanwhile(at, vec![place.peer.to_string(), "gone".into()]);
                }
            }
            ["taken", name] => {
                self.standing.entry(name.to_owned()).or_default().busy = true;
                self.meanwhile(at, vec![name.to_owned(), "taken".into()]);
            }
            ["journal", "resumes"] => self.copy_journal(at),
            ["hang", "up"] | ["end", "all"] => {
                self.pass(at);
                self.add(Step::Admin(words.iter().map(|word| (*word).to_owned()).collect()));
            }
            ["customer", number, ..] if !self.setting.customers.iter().any(|known| known.number == number) => {
                let name = line["customer ".len() + number.len()..].trim().replace('"', "'");
                self.setting.customers.push(KnownNumber { number: number.to_owned(), name, responsible: None });
            }
            ["lost"] => {
                self.caveats.push("a connection ended in it, and how its phone came back is not in this trace".into())
            }
            ["down", ..] => self.setting.down.push(line["down ".len()..].to_owned()),
            ["counter", ..] => self.setting.counters.push(line["counter ".len()..].to_owned()),
            ["chance", chance] => self.setting.chance = chance.parse().ok(),
            ["override" | "away" | "block", ..] => {
                self.setting.before.push(words.iter().map(|word| (*word).to_owned()).collect());
            }
            _ => {}
        }
    }

    fn meanwhile(&mut self, at: &str, words: Vec<String>) {
        self.pass(at);
        self.add(Step::Meanwhile(words));
    }

    /// Where the caller's answers waited for the disk, the disk waits in the trace as long.
    fn copy_journal(&mut self, at: &str) {
        let heard = |line: &&Line| matches!(&line.step, Step::Message(spoken) if spoken.inward);
        if at.trim().parse() == Ok(0_u64) && self.lines.iter().filter(heard).count() == self.openings {
            return;
        }
        self.pass(at);
        let journal = |what: &str| Step::Admin(vec!["journal".into(), what.into()]);
        self.lines.insert(0, Line { number: 0, text: String::new(), step: journal("stalls") });
        self.add(journal("resumes"));
    }

    fn device(&mut self, name: &str, at: SocketAddr) -> u8 {
        let key = (name.to_owned(), at);
        if let Some(device) = self.devices.get(&key) {
            return *device;
        }
        let used = self.devices.iter().filter(|((of, _), _)| of == name).map(|(_, device)| *device).max();
        let device = used.unwrap_or(0).saturating_add(1);
        self.devices.insert(key, device);
        device
    }
}

/// Messages.
impl Copyist<'_> {
    fn copy_message(&mut self, inward: bool, first: &str, rest: &str) {
        let mut words = first.split(' ');
        let party = words.next().and_then(|party| party.parse::<usize>().ok()).unwrap_or(usize::MAX);
        let Some((peer, heard)) = self.peers.get(party).cloned().zip(self.call.tape.parties.get(party)) else { return };
        self.pass(words.next().unwrap_or_default());
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
            if !usual {
                spoken.headers.push((name.to_owned(), self.with_holes(value, heard)));
            }
        }
        let shows = |spoken: &Spoken| {
            !matches!(spoken.status, Some(100 | 300..)) && matches!(spoken.method.as_deref(), Some("INVITE" | "UPDATE"))
        };
        if inward && shows(&spoken) && !has_contact {
            spoken.headers.push(("Contact".into(), "-".into()));
        }
        for (name, value) in spoken.headers.iter().filter(|(name, _)| matches!(name.as_str(), "Replaces" | "Refer-To"))
        {
            if value.contains("eplaces") && !value.contains("call-id}")
                || name == "Replaces" && !value.contains("call-id}")
            {
                self.caveats.push(format!("its {name} names a dialog of another call, which is not in this trace"));
            }
        }
        if let Some(body) = body {
            self.copy_body(&mut spoken, body);
        }
        if inward
            && spoken.authorised
            && spoken.method.as_deref() == Some("INVITE")
            && !self.challenged.contains(&party)
        {
            self.challenged.push(party);
            self.copy_challenge(&spoken);
        }
        self.add(Step::Message(Box::new(spoken)));
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
    fn copy_challenge(&mut self, spoken: &Spoken) {
        let mut first = spoken.clone();
        first.authorised = false;
        // What the caller said so far is still the beginning of the call.
        self.openings += if self.lines.is_empty() { 2 } else { 0 };
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
            self.sessions.push(text.to_owned());
        }
        let Some(text) = self.sessions.get(number) else { return };
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
        for (peer, heard) in self.peers.iter().zip(&self.call.tape.parties) {
            for (name, known) in ["call-id", "tag", "our-tag"].iter().zip(&heard.names) {
                if known.len() > 3 {
                    text = replaced(&text, known, &format!("{{{peer} {name}}}"));
                }
            }
        }
        text
    }
}

/// `INVITE …` or `200 INVITE`.
fn name<'w>(spoken: &mut Spoken, mut words: impl Iterator<Item = &'w str>) {
    let first = words.next().unwrap_or_default();
    match first.parse() {
        Ok(status) => (spoken.status, spoken.method) = (Some(status), words.next().map(str::to_owned)),
        Err(_) => spoken.method = Some(first.to_owned()),
    }
}

/// Puts `hole` in the place of `known`, where that is not a part of something longer.
fn replaced(text: &str, known: &str, hole: &str) -> String {
    let part = |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric());
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(known) {
        let (before, after) = (&rest[..at], &rest[at + known.len()..]);
        let alone = !part(before.chars().next_back().or(out.chars().next_back())) && !part(after.chars().next());
        out.push_str(before);
        out.push_str(if alone { hole } else { known });
        rest = after;
    }
    out + rest
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
