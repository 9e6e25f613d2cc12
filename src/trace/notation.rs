//! The notation of `sip-traces/`: a ladder as an engineer draws it on a whiteboard, read into a [`Script`].
//!
//! ```text
//! A known customer calls while her responsible is on the phone: Sales rings instead.
//!
//! office      berlin.toml
//! clock       2026-11-23 10:00 Europe/Berlin
//! registered  12, 14, 15
//! customer    +491701112233 "Ada Byron", responsible 12
//! busy        12
//!
//! provider -> us   INVITE +493012340  from +491701112233          offer a
//! us -> provider   100
//! us -> 14, 15     INVITE             from "Ada Byron" +491701112233   offer a
//! +4s
//! 15 -> us         200                                             answer b
//! fact             answered by 15
//! ```
//!
//! The first paragraph is the title, the second the setting, the rest the ladder. A peer is `provider` (the first trunk),
//! `trunk:NAME`, `trunk:#2` (the second one of the file), or an extension's number; `15/2` is its second device, `provider.b`
//! the side of a second call.
//! A setting `tcp 14` or `ipv6 14` says how that peer speaks, `over tcp` how this one message travels, `sdp "LINE"` what its
//! body says among other things; `lost 14` cuts the connection of a peer, which opens another when it next speaks.
//! `+2s..4s` waits for what leaves us by itself within these bounds (where chance says when).
//! `admin originate 14 +49… as +49… ref X for 20s auto-answer` asks for a call of 14 (what is not said may be left out), and
//! `admin transfer 14 15` hands on what 14 talks; `refused WORDS` says that the order before it was refused, and why.
//! `explain FROM TO` asks what would happen to such a call now: the lines indented under it are the answer, and the next
//! call must be decided so. `#` begins a comment. Lines indented by four blanks under a message are further headers, or, after one that says `--`,
//! its body, exactly as they stand but for their holes: `{14 call-id}`, `{14 tag}` and `{14 our-tag}` are what the dialog
//! with 14 is called, `{us}` is our address as the peer is told it, with its port, `{host}` without. A header that is called
//! `Request-URI` stands in the first line.
//!
//! What is heard stands in lines with `~>`: `us ~> provider  hello` is a prompt that is played to it (or `ringback`, `music`,
//! `beep`, `quiet`), and `provider ~> us  heard` (all of it has been), `presses 1#`, `speaks` and `falls silent` (into a recording)
//! are what a peer does. A trace with one such line has all of them.
//!
//! A trace of a real call has more in its setting: the office itself and the sessions, indented by four blanks; where the
//! peers are (`at 14 192.168.1.9:5060 udp contact "sip:14@192.168.1.9"`: with a contact it is registered); trunks that are
//! `down`, counters (`counter {"rotation":…}`), the `chance` by which members are shuffled; how `late` the machine was, so
//! that what left by a timer may have left that much earlier. In its ladder `now 14 busy`, `now 14 free`, `now 14 taken`,
//! `now 14 gone` and `now at 14 …` say what the house did meanwhile.

mod standing;
mod word;
mod write;

use std::fmt;

use crate::clock::{Duration, Timestamp};

/// A whole trace.
#[derive(Clone, Debug)]
pub struct Script {
    /// What it shows, in a sentence or a few.
    pub title: String,
    /// How things stand before the first message.
    pub setting: Setting,
    /// The ladder.
    pub lines: Vec<Line>,
}

/// How things stand before the first message.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The config's file name, looked for beside the trace.
    pub office: String,
    /// When it begins; required.
    pub clock: Option<Timestamp>,
    /// Whose phones are registered.
    pub registered: Vec<Peer>,
    /// Who speaks TCP.
    pub tcp: Vec<Peer>,
    /// Who speaks from an IPv6 address.
    pub ipv6: Vec<Peer>,
    /// Known customers.
    pub customers: Vec<KnownNumber>,
    /// Who is in a talk.
    pub busy: Vec<String>,
    /// What an admin has done before: `away 12`, `forward 12 busy 14`, `override office closed until 2026-11-23T18:00:00Z`, `block +49…`.
    pub before: Vec<Vec<String>>,
    /// The config itself, where it stands in the trace.
    pub config: Option<String>,
    /// Where peers are, if that matters.
    pub places: Vec<Place>,
    /// Sessions by name; others are made up.
    pub sessions: Vec<(String, String)>,
    /// Trunks that do not answer.
    pub down: Vec<String>,
    /// Counters that have moved before, as JSON.
    pub counters: Vec<String>,
    /// The chance with which the call is decided.
    pub chance: Option<u64>,
    /// What leaves by a timer may have left so much earlier than its line says.
    pub late: Duration,
}

/// A customer of the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNumber {
    /// The number as written.
    pub number: String,
    /// The name.
    pub name: String,
    /// The responsible extension.
    pub responsible: Option<String>,
}

/// A line of the ladder, with its place in the file.
#[derive(Clone, Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// As it stands.
    pub text: String,
    /// What it says.
    pub step: Step,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A message passes between a peer and us.
    Message(Box<Spoken>),
    /// Something is heard: `us ~> PEER  hello` is expected, `PEER ~> us  presses 1` is done.
    Voice {
        /// True: from the peer to us.
        inward: bool,
        /// With whom.
        peer: Peer,
        /// What is played, or what the peer does.
        what: String,
    },
    /// Time passes.
    Pass(Duration),
    /// Something leaves us by itself, after the first and before the second of these.
    Between(Duration, Duration),
    /// The connections of these are lost.
    Lost(Vec<Peer>),
    /// A fact was noted whose words hold these.
    Fact(String),
    /// An admin does something: the words of the command. Beside them `chance N`, with which the next call is decided, and
    /// `counter JSON`, as the next call finds it; `message BOX FILE 3s`, a message in which somebody speaks for so long lies
    /// in a box now; `dns provider provider/2`: the name of its
    /// server leads to its second one alone (to nowhere, where none is named); `clock 2027-01-01T00:00:00Z`: so the machine's clock was set, and nothing else has happened.
    Admin(Vec<String>),
    /// The order before it was refused with words that hold these.
    Refused(String),
    /// Somebody of the house did something outside this trace: `14 busy`, `at 14 …`.
    Meanwhile(Vec<String>),
    /// An admin asks what would happen to a call, and the next call is decided as the answer says.
    Explain {
        /// Who calls.
        from: String,
        /// What is dialled.
        to: String,
        /// The answer, line by line; blank lines do not count.
        answer: Vec<String>,
    },
}

/// A message of the ladder, or several alike: a line `us -> 14, 15` speaks of two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spoken {
    /// True: from the peer to us, so it is done; false: from us, so it is expected.
    pub inward: bool,
    /// With whom.
    pub peers: Vec<Peer>,
    /// The method, of the request or that the response answers.
    pub method: Option<String>,
    /// The status of a response.
    pub status: Option<u16>,
    /// The number after the method: whom the request is for.
    pub target: Option<String>,
    /// `from`: display name and number.
    pub from: Option<(Option<String>, String)>,
    /// `offer` or `answer`, by the name of a session (`a`, `hold a`, `none`).
    pub session: Option<String>,
    /// The text of its Reason header holds this.
    pub reason: Option<String>,
    /// Lines of its session description.
    pub sdp: Vec<String>,
    /// Over TCP, whatever is usual for the peer.
    pub over_tcp: bool,
    /// The same bytes as before.
    pub again: bool,
    /// With credentials.
    pub authorised: bool,
    /// Further headers: sent as they stand, or expected to be there.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: Option<String>,
}

pub use standing::Place;
pub use word::Peer;
use word::{unquoted, words};

/// What cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Unreadable {}

impl Script {
    /// Reads a whole trace.
    ///
    /// # Errors
    /// The first line that cannot be read, and why.
    pub fn read(text: &str) -> Result<Script, Unreadable> {
        let mut script = Script { title: String::new(), setting: Setting::default(), lines: Vec::new() };
        let mut part = Part::Title;
        for (at, raw) in text.lines().enumerate() {
            let (number, refuse) = (at + 1, |why: String| Unreadable { line: at + 1, why });
            if part == Part::Ladder && raw.starts_with("    ") {
                script.add_indented(&raw[4..]).map_err(refuse)?;
                continue;
            }
            if part == Part::Setting && raw.starts_with("    ") {
                script.setting.add_indented(&raw[4..]).map_err(refuse)?;
                continue;
            }
            let line = uncommented(raw).trim_end();
            if line.is_empty() {
                if raw.trim().is_empty() {
                    part = part.after_blank(&script);
                }
                continue;
            }
            match part {
                Part::Title => {
                    let blank = if script.title.is_empty() { "" } else { " " };
                    script.title = format!("{}{blank}{}", script.title, line.trim());
                }
                Part::Setting => script.setting.add(line).map_err(refuse)?,
                Part::Ladder => {
                    let step = Step::read(line).map_err(refuse)?;
                    script.lines.push(Line { number, text: raw.trim_end().to_owned(), step });
                }
            }
        }
        if !script.setting.has_office() || script.setting.clock.is_none() {
            return Err(Unreadable { line: 1, why: "the setting needs an `office` and a `clock`".into() });
        }
        Ok(script)
    }

    fn add_indented(&mut self, text: &str) -> Result<(), String> {
        let spoken = match self.lines.last_mut().map(|line| &mut line.step) {
            Some(Step::Message(spoken)) => spoken,
            Some(Step::Explain { answer, .. }) => {
                answer.push(text.trim_end().to_owned());
                return Ok(());
            }
            _ => return Err("an indented line belongs under a message or an `explain`".into()),
        };
        if let Some(body) = &mut spoken.body {
            body.push_str(text);
            body.push_str("\r\n");
        } else if text.trim_end() == "--" {
            spoken.body = Some(String::new());
        } else {
            let (name, value) = text.split_once(':').ok_or("an indented line is `Header: value`")?;
            spoken.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Title,
    Setting,
    Ladder,
}

impl Part {
    fn after_blank(self, script: &Script) -> Part {
        match self {
            Part::Title if !script.title.is_empty() => Part::Setting,
            Part::Setting if script.setting.has_office() => Part::Ladder,
            part => part,
        }
    }
}

/// The line up to a `#` that does not stand in quotes and follows a blank or the line's beginning.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    let mut before = b' ';
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'#' if !quoted && before == b' ' => return &line[..at],
            _ => {}
        }
        before = byte;
    }
    line
}

impl Setting {
    /// True once an office is named or begun.
    fn has_office(&self) -> bool {
        !self.office.is_empty() || self.config.is_some()
    }

    /// A line of the office, or of the session that was named last.
    fn add_indented(&mut self, text: &str) -> Result<(), String> {
        match (self.sessions.last_mut(), &mut self.config) {
            (Some((_, session)), _) => session.push_str(&format!("{text}\r\n")),
            (None, Some(config)) => config.push_str(&format!("{text}\n")),
            (None, None) => {
                return Err("an indented line of the setting belongs under `office` or `session NAME`".into());
            }
        }
        Ok(())
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (key, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let list = words(rest);
        match key {
            "office" if rest.is_empty() => self.config = Some(String::new()),
            "office" => self.office = rest.to_owned(),
            "clock" => self.clock = Some(read_clock(rest)?),
            "registered" => self.registered.extend(list.iter().map(|word| Peer::read(word))),
            "tcp" => self.tcp.extend(list.iter().map(|word| Peer::read(word))),
            "ipv6" => self.ipv6.extend(list.iter().map(|word| Peer::read(word))),
            "busy" => self.busy.extend(list),
            "customer" => {
                let [number, name, rest @ ..] = &list[..] else {
                    return Err("expected: customer NUMBER \"NAME\", responsible EXT".into());
                };
                let responsible = match rest {
                    [word, who] if word == "responsible" => Some(who.clone()),
                    [] => None,
                    _ => return Err("expected after the name: responsible EXT".into()),
                };
                self.customers.push(KnownNumber { number: number.clone(), name: unquoted(name), responsible });
            }
            "away" | "forward" | "override" | "block" => self.before.push(words(line)),
            "at" => self.places.push(Place::read(&list)?),
            "session" => self.sessions.push((rest.to_owned(), String::new())),
            "down" => self.down.push(rest.to_owned()),
            "counter" => self.counters.push(rest.to_owned()),
            "chance" => self.chance = Some(rest.parse().map_err(|_| "expected: chance NUMBER")?),
            "late" => self.late = read_span(&format!("+{rest}")).ok_or("expected: late 20ms")?,
            _ => return Err(format!("{key:?} is no word of the setting")),
        }
        Ok(())
    }
}

/// `2026-11-23 10:00 Europe/Berlin`.
fn read_clock(text: &str) -> Result<Timestamp, String> {
    let (civil, zone) = text.trim().rsplit_once(' ').ok_or("expected: clock DATE TIME ZONE")?;
    let civil: jiff::civil::DateTime = civil.trim().replace(' ', "T").parse().map_err(|error| format!("{error}"))?;
    let zoned = civil.in_tz(zone).map_err(|error| format!("{error}"))?;
    Ok(zoned.timestamp())
}

/// `+4s`, `+250ms`, `+2m`, `+1h`.
fn read_span(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+')?;
    let unit = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let amount: f64 = text[..unit].parse().ok()?;
    let seconds = match &text[unit..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(amount * seconds).ok()
}

impl Step {
    /// Reads one line of the ladder.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(line: &str) -> Result<Step, String> {
        if let Some(span) = read_span(line.trim()) {
            return Ok(Step::Pass(span));
        }
        if let Some((from, until)) = line.trim().split_once("..")
            && let (Some(from), Some(until)) = (read_span(from), read_span(&format!("+{until}")))
        {
            return Ok(Step::Between(from, until));
        }
        if let Some(peers) = line.strip_prefix("lost ") {
            return Ok(Step::Lost(words(peers).iter().map(|word| Peer::read(word)).collect()));
        }
        if let Some(fact) = line.strip_prefix("fact ") {
            return Ok(Step::Fact(fact.trim().to_owned()));
        }
        if let Some(command) = line.strip_prefix("admin ") {
            // A counter is JSON, which is one word.
            return Ok(Step::Admin(match command.trim().split_once(' ') {
                Some(("counter", counter)) => vec!["counter".into(), counter.to_owned()],
                _ => words(command),
            }));
        }
        if let Some(words) = line.strip_prefix("refused ") {
            return Ok(Step::Refused(words.trim().to_owned()));
        }
        if let Some(what) = line.strip_prefix("now ") {
            return Ok(Step::Meanwhile(words(what)));
        }
        if let Some(call) = line.strip_prefix("explain ") {
            return match &words(call)[..] {
                [from, to] => Ok(Step::Explain { from: unquoted(from), to: unquoted(to), answer: Vec::new() }),
                _ => Err("expected: explain FROM TO".into()),
            };
        }
        if let Some((left, right)) = line.split_once("~>") {
            let (left, right) = (left.trim(), right.trim());
            let (inward, peer, what) = match left {
                "us" => {
                    let (peer, what) = right.split_once(char::is_whitespace).ok_or("expected: us ~> PEER  WHAT")?;
                    (false, peer, what)
                }
                peer => (true, peer, right.strip_prefix("us").ok_or("one side of a line is `us`")?),
            };
            return Ok(Step::Voice { inward, peer: Peer::read(peer), what: what.trim().replace('"', "") });
        }
        let (left, right) =
            line.split_once("->").ok_or("expected `PEER -> us …`, `us -> PEER …`, `+4s`, or `fact …`")?;
        let right = right.trim();
        match left.trim() {
            "us" => {
                // The peers end where two blanks stand, or after the last comma's word.
                let (peers, rest) = split_peers(right);
                Spoken::read(false, &peers, rest)
            }
            peer => {
                let rest = right.strip_prefix("us").ok_or("one side of a line is `us`")?;
                Spoken::read(true, &words(peer), rest)
            }
        }
        .map(|spoken| Step::Message(Box::new(spoken)))
    }
}

/// `14, 15     INVITE …` → the peers, and what follows.
fn split_peers(text: &str) -> (Vec<String>, &str) {
    let mut peers = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let end = rest.find([' ', '\t', ',']).unwrap_or(rest.len());
        peers.push(rest[..end].to_owned());
        rest = &rest[end..];
        match rest.trim_start().strip_prefix(',') {
            Some(more) => rest = more,
            None => return (peers, rest),
        }
    }
}

impl Spoken {
    /// The further header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// True where a further header of this name stands in the line: it takes the place of the usual one.
    pub(super) fn says(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    fn read(inward: bool, peers: &[String], rest: &str) -> Result<Spoken, String> {
        let list = words(rest);
        let peers = peers.iter().map(|peer| Peer::read(peer)).collect();
        let mut spoken = Spoken { inward, peers, ..Spoken::default() };
        let mut rest = list.iter().map(String::as_str).peekable();
        let what = rest.next().ok_or("a method or a status is missing")?;
        match what.parse::<u16>() {
            Ok(status) => spoken.status = Some(status),
            Err(_) if what.bytes().all(|byte| byte.is_ascii_uppercase()) => spoken.method = Some(what.to_owned()),
            Err(_) => return Err(format!("{what:?} is neither a method nor a status")),
        }
        let known = |word: &str| {
            matches!(word, "from" | "offer" | "answer" | "reason" | "sdp" | "over" | "again" | "authorised" | "header")
        };
        if let Some(word) = rest.next_if(|word| !known(word)) {
            match spoken.status {
                Some(_) => spoken.method = Some(word.to_owned()),
                None => spoken.target = Some(unquoted(word)),
            }
        }
        let needs = |what: &str, word: Option<&str>| word.map(unquoted).ok_or(format!("what comes after {what:?}?"));
        while let Some(word) = rest.next() {
            match word {
                "from" => {
                    let name = rest.next_if(|word| word.starts_with('"')).map(unquoted);
                    spoken.from = Some((name, needs("from", rest.next())?));
                }
                "offer" | "answer" => {
                    let mut name = needs(word, rest.next())?;
                    if matches!(name.as_str(), "hold" | "resume" | "inactive") {
                        name = format!("{name} {}", needs(word, rest.next())?);
                    }
                    spoken.session = Some(name);
                }
                "reason" => spoken.reason = Some(needs("reason", rest.next())?),
                "sdp" => spoken.sdp.push(needs("sdp", rest.next())?),
                "over" => match rest.next() {
                    Some("tcp") => spoken.over_tcp = true,
                    _ => return Err("expected: over tcp".into()),
                },
                "again" => spoken.again = true,
                "authorised" => spoken.authorised = true,
                "header" => {
                    let header = needs("header", rest.next())?;
                    let (name, value) = header.split_once(':').ok_or("expected: header \"Name: value\"")?;
                    spoken.headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                word => return Err(format!("{word:?} is no word of the notation")),
            }
        }
        Ok(spoken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = r#"A known customer calls while her responsible is on the phone: Sales rings instead.

office    berlin.toml
clock     2026-11-23 10:00 Europe/Berlin
registered 12, 14, 15/2
customer  +491701112233 "Ada Byron", responsible 12
busy      12

provider -> us   INVITE +493012340  from +491701112233          offer a
    Subject: hello
us -> 14, 15     INVITE             from "Ada Byron" +491701112233   offer a
+4s
us -> 14         CANCEL             reason "Call completed elsewhere"  # losers
14 -> us         200 CANCEL
us -> provider.b INVITE again
fact             answered by 15; known customer
"#;

    #[test]
    fn a_whiteboard_is_read_line_by_line() {
        let script = Script::read(ADA).unwrap();
        assert!(script.title.starts_with("A known customer"));
        assert_eq!(script.setting.office, "berlin.toml");
        assert_eq!(script.setting.clock, Some("2026-11-23T09:00:00Z".parse().unwrap()));
        assert_eq!(script.setting.registered[2], Peer { name: "15".into(), device: 2, call: String::new() });
        assert_eq!(script.setting.customers[0].responsible.as_deref(), Some("12"));
        let spoken = |at: usize| match &script.lines[at].step {
            Step::Message(spoken) => spoken.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(spoken(0).target.as_deref(), Some("+493012340"));
        assert_eq!(spoken(0).headers, [("Subject".to_owned(), "hello".to_owned())]);
        assert_eq!(spoken(1).peers.len(), 2);
        assert_eq!(spoken(1).from, Some((Some("Ada Byron".into()), "+491701112233".into())));
        assert!(matches!(script.lines[2].step, Step::Pass(span) if span == Duration::from_secs(4)));
        assert_eq!(spoken(3).reason.as_deref(), Some("Call completed elsewhere"));
        assert_eq!((spoken(4).status, spoken(4).method.as_deref()), (Some(200), Some("CANCEL")));
        assert!(spoken(5).again && spoken(5).peers[0].call == "b");
        assert!(matches!(&script.lines[6].step, Step::Fact(fact) if fact.starts_with("answered by 15")));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let broken = ADA.replace("+4s", "+4 parsecs");
        assert_eq!(Script::read(&broken).unwrap_err().line, 12);
        assert!(Script::read("Only a title.\n").is_err());
    }
}
