//! The tape of a call: every message it said and heard, and what it saw of the house, so that it can be played again.
//!
//! A tape is written while the call lives, so it must cost little: of a message it keeps the start line and the headers
//! that mean something, of a session the first copy, of a repetition that it was one. What could not be shown to a
//! stranger (credentials, keys of media) is never written down. Numbers of people stay.
//!
//! It is text. Each entry begins with a record separator (`U+001E`) and says what it is, where it belongs and when, in
//! microseconds since the call began:
//!
//! ```text
//! <0 0            a message came from party 0: start line, headers, after U+001D the body
//! >1 1200 =       one left to party 1, the same bytes as before
//! !1200 busy 12   something of the world as the call saw it, in a line of the notation of `sip-traces/`
//! *20400000       a fact of the call was noted
//! *20400000,1     one of the first call that has become part of it
//! ```
//!
//! Where a transfer makes one call of two, the tape of the one that is over becomes part of the other's.

mod joined;
mod strip;

use std::cell::RefCell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use self::strip::{BODY, ENTRY, mark, without_addresses};
use self::strip::{Stripped, Way};
use crate::clock::{Duration, Instant};
use crate::key::{CallId, Flow, Transport};

/// How much of one call is kept; what comes after is only counted. A long call with a storm of messages must not fill
/// the memory.
const LARGEST: usize = 64 * 1024;

/// What is kept of a call that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taped {
    /// The version of the config under which it began.
    pub office: Arc<str>,
    /// Who spoke, each side of the call for itself.
    pub parties: Vec<Heard>,
    /// How late timers were carried out, all together, in microseconds: what left by them was due so much earlier.
    pub late: u64,
    /// The entries.
    pub strip: String,
    /// Calls that have become part of it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub also: Vec<Also>,
    /// How much earlier than the call itself the first of them began, in microseconds.
    #[serde(skip_serializing_if = "is_nothing", default)]
    pub earlier: u64,
    /// Messages that found no room.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub left_out: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_nothing(span: &u64) -> bool {
    *span == 0
}

/// A call whose tape is part of another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Also {
    /// Its id.
    pub call: CallId,
    /// The version of the config under which it began.
    pub office: Arc<str>,
}

/// One side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The extension's number, or the trunk's name.
    pub peer: Arc<str>,
    /// It is a trunk.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub trunk: bool,
    /// Which device of the extension, or address of the trunk, counted from 1 as the call met them.
    pub device: u8,
    /// In which call it began to speak: 0 for that of the tape, then those that have become part of it.
    #[serde(skip_serializing_if = "is_own", default)]
    pub call: u8,
    /// Where it is.
    pub at: SocketAddr,
    /// How it is reached.
    pub by: Transport,
    /// What it is told as our address.
    pub us: SocketAddr,
    /// Its Call-ID, its tag and ours, in case that one dialog is spoken of in another.
    pub names: [Box<str>; 3],
}

fn is_own(call: &u8) -> bool {
    *call == 0
}

/// A tape that is being written.
#[derive(Debug)]
pub struct Tape {
    /// The call, once it has a name.
    pub call: Option<CallId>,
    office: Arc<str>,
    also: Vec<Also>,
    began: Instant,
    earlier: Duration,
    strip: Vec<u8>,
    parties: SmallVec<[Party; 2]>,
    /// Sessions as they stand on the strip: each by its bytes, and by what is left of it when addresses are not looked at.
    sessions: Vec<[u64; 2]>,
    /// Every message so far, by its bytes.
    said: Vec<u64>,
    /// The devices that the call has met, to number them.
    devices: Vec<(Arc<str>, SocketAddr)>,
    /// How the house stood when the call last asked, and what is to be written of it.
    standing: RefCell<Standing>,
    /// In which reaction the last entry was written, and where on the strip that reaction begins.
    reaction: (u64, usize),
    /// The moment of the last entry.
    stamp: u64,
    late: Duration,
    left_out: u32,
    /// The keys that are pressed now are secret.
    hides_keys: bool,
    /// Answers wait for the journal.
    waits: bool,
}

#[derive(Debug, Default)]
struct Standing {
    seen: Vec<(Arc<str>, u64)>,
    news: Vec<String>,
}

#[derive(Debug)]
struct Party {
    heard: Heard,
    /// Our tags of refusals, which an ACK repeats.
    refused: SmallVec<[u64; 2]>,
    /// Its INVITE waits for an answer, or its refusal for the ACK; since when.
    theirs: Option<Instant>,
    /// Our INVITE waits for an answer; since when.
    ours: Option<Instant>,
}

/// When and within which reaction something is written.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The number of the reaction.
    pub reaction: u64,
    /// When it was due, or the message arrived.
    pub due: Instant,
    /// When it was carried out.
    pub now: Instant,
}

/// Who is at the other end of a new party.
#[derive(Clone, Debug)]
pub struct Who {
    /// The extension's number, or the trunk's name.
    pub peer: Arc<str>,
    /// It is a trunk.
    pub trunk: bool,
    /// Where it is.
    pub flow: Flow,
    /// What it is told as our address.
    pub us: SocketAddr,
}

impl Tape {
    /// An empty tape of a call that begins now, under this version of the config.
    pub fn new(office: Arc<str>, moment: Moment) -> Tape {
        Tape {
            call: None,
            office,
            also: Vec::new(),
            began: moment.now,
            earlier: Duration::ZERO,
            strip: Vec::with_capacity(1024),
            parties: SmallVec::new(),
            sessions: Vec::new(),
            said: Vec::new(),
            devices: Vec::new(),
            standing: RefCell::default(),
            reaction: (moment.reaction, 0),
            stamp: 0,
            late: Duration::ZERO,
            left_out: 0,
            hides_keys: false,
            waits: true,
        }
    }

    /// A side of the call, known by its Call-ID. The number by which its messages are written.
    pub fn add_party(&mut self, who: &Who, call_id: &str) -> u16 {
        let device = self.device(&who.peer, who.flow.remote);
        let Flow { remote: at, transport: by, .. } = who.flow;
        let names = [call_id.into(), "".into(), "".into()];
        let heard = Heard { peer: who.peer.clone(), trunk: who.trunk, device, call: 0, at, by, us: who.us, names };
        self.parties.push(Party { heard, refused: SmallVec::new(), theirs: None, ours: None });
        (self.parties.len() - 1) as u16
    }

    /// True where one of its parties is there.
    pub fn speaks_at(&self, remote: SocketAddr) -> bool {
        self.parties.iter().any(|party| party.heard.at == remote)
    }

    /// The marks of its parties' Call-IDs.
    pub fn call_ids(&self) -> impl Iterator<Item = u64> {
        self.parties.iter().map(|party| mark(party.heard.names[0].as_bytes()))
    }

    /// Since when an INVITE waits for its answer, or a refusal for its ACK, the last one: until that is over the tape is not
    /// complete.
    pub fn waits_since(&self) -> Option<Instant> {
        self.parties.iter().flat_map(|party| [party.theirs, party.ours]).flatten().max()
    }

    /// The journal has the call's first fact: answers leave from here on. True where that is news.
    pub fn journaled(&mut self) -> bool {
        std::mem::take(&mut self.waits)
    }

    /// An answer left so much later than it was due.
    pub fn add_delay(&mut self, span: Duration) {
        self.late += span;
    }

    /// A message came in.
    pub fn hear(&mut self, party: u16, bytes: &[u8], moment: Moment) {
        self.add(Way::Inward, party, bytes, moment);
    }

    /// Keys from here on are a pin, or (`false`) no longer: which they are is not written down.
    pub fn hide_keys(&mut self, hides: bool) {
        self.hides_keys = hides;
    }

    /// True while keys are a pin.
    pub fn hides_keys(&self) -> bool {
        self.hides_keys
    }

    /// A message left.
    pub fn say(&mut self, party: u16, bytes: &[u8], moment: Moment) {
        self.add(Way::Outward, party, bytes, moment);
    }

    fn add(&mut self, way: Way, number: u16, bytes: &[u8], moment: Moment) {
        let Some(party) = self.parties.get_mut(usize::from(number)) else { return };
        if self.strip.len() > LARGEST * (1 + self.also.len()) {
            self.left_out += 1;
            return;
        }
        let whole = mark(bytes);
        let again = self.said.contains(&whole);
        if !again {
            self.said.push(whole);
        }
        let message = Stripped::of(bytes);
        message.follow_invite(way, moment.now, &mut party.theirs, &mut party.ours);
        message.follow_tags(way, &mut party.heard.names);
        self.begin(if way == Way::Inward { b'<' } else { b'>' }, moment);
        strip::put_number(number, &mut self.strip);
        self.strip.push(b' ');
        strip::put_number(self.stamp, &mut self.strip);
        if again {
            let _ = write!(self.strip, " = {}", message.name());
            return;
        }
        let party = &mut self.parties[usize::from(number)];
        message.write(way, &party.heard.names, &mut party.refused, &mut self.strip);
        let bare = strip::redacted(message.body, self.hides_keys);
        strip::write_body(way, &bare, &mut self.sessions, &mut self.strip);
        if message.is_ack() {
            // A talk may last for hours, in which nothing is added.
            self.strip.shrink_to_fit();
            self.said.shrink_to_fit();
        }
    }

    /// A fact of the call was noted.
    pub fn note_fact(&mut self, moment: Moment) {
        self.begin(b'*', moment);
        strip::put_number(self.stamp, &mut self.strip);
    }

    /// A fact of a call was noted that has become part of this one.
    pub fn note_fact_of(&mut self, call: CallId, moment: Moment) {
        self.note_fact(moment);
        if let Some(number) = self.also.iter().position(|also| also.call == call) {
            let _ = write!(self.strip, ",{}", number + 1);
        }
    }

    /// The world did something to the call, beside what it heard: a line of the notation.
    pub fn note_world(&mut self, line: &str, moment: Moment) {
        self.begin(b'!', moment);
        let _ = write!(self.strip, "{} {line}", self.stamp);
    }

    /// The call asks how an extension stands; `mark` changes whenever `tell` would say something else. `tell` hears whether
    /// the call has asked before.
    pub fn asks(&self, extension: &Arc<str>, mark: u64, tell: impl FnOnce(bool, &mut Vec<String>)) {
        let standing = &mut *self.standing.borrow_mut();
        let known = standing.seen.iter_mut().find(|(seen, _)| seen == extension);
        let before = known.map(|(_, before)| std::mem::replace(before, mark));
        if before.is_none() {
            standing.seen.push((extension.clone(), mark));
        }
        if before != Some(mark) {
            tell(before.is_some(), &mut standing.news);
        }
    }

    /// The house stands so, for a line of the setting.
    pub fn sees(&self, line: String) {
        self.standing.borrow_mut().news.push(line);
    }

    /// Writes down how the house stood in this reaction: before the reaction, because that is when it came to stand so.
    pub fn settle(&mut self, moment: Moment) {
        let news = std::mem::take(&mut self.standing.get_mut().news);
        if news.is_empty() {
            return;
        }
        self.turn(moment);
        let mut lines = Vec::new();
        // A timer that is due now must find it so.
        let before = self.stamp.saturating_sub(1);
        for line in news {
            let _ = write!(lines, "{ENTRY}!{before} {line}");
        }
        let at = self.reaction.1;
        self.strip.splice(at..at, lines);
    }

    /// The number of a device among those of its extension, in the order in which the call met them.
    pub fn device(&mut self, extension: &Arc<str>, at: SocketAddr) -> u8 {
        let known = self.devices.iter().filter(|(of, _)| of == extension).position(|(_, known)| *known == at);
        let number = known.unwrap_or_else(|| {
            self.devices.push((extension.clone(), at));
            self.devices.iter().filter(|(of, _)| of == extension).count() - 1
        });
        u8::try_from(number + 1).unwrap_or(u8::MAX)
    }

    /// What is kept of it.
    pub fn finish(self) -> Taped {
        Taped {
            office: self.office,
            parties: self.parties.into_iter().map(|party| party.heard).collect(),
            late: u64::try_from(self.late.as_micros()).unwrap_or(u64::MAX),
            strip: String::from_utf8(self.strip)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into()),
            also: self.also,
            earlier: u64::try_from(self.earlier.as_micros()).unwrap_or(u64::MAX),
            left_out: self.left_out,
        }
    }

    fn begin(&mut self, kind: u8, moment: Moment) {
        self.turn(moment);
        self.strip.extend_from_slice(&[ENTRY as u8, kind]);
    }

    fn turn(&mut self, moment: Moment) {
        if self.reaction.0 != moment.reaction {
            self.reaction = (moment.reaction, self.strip.len());
            self.late += moment.now.since(moment.due);
        }
        let micros = u64::try_from(moment.due.since(self.began).as_micros()).unwrap_or(u64::MAX);
        self.stamp = self.stamp.max(micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.168.0.9\r\ns=-\r\nc=IN IP4 192.168.0.9\r\nt=0 0\r\n\
         a=fingerprint:sha-256 AA:BB\r\nm=audio 4000 RTP/SAVP 8\r\na=ice-pwd:hush\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:hush\r\na=ice-ufrag:x\r\n";

    fn moment(millis: u64) -> Moment {
        let at = Instant::from_micros(millis * 1000);
        Moment { reaction: millis, due: at, now: at }
    }

    fn tape() -> (Tape, u16) {
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), "192.168.0.9:5060".parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        let mut tape = Tape::new("0123456789ab".into(), moment(0));
        let who = Who { peer: "12".into(), trunk: false, flow, us: local };
        let party = tape.add_party(&who, "one");
        (tape, party)
    }

    fn message(start: &str, headers: &str, body: &str) -> String {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.168.0.9;branch=z9hG4bK1\r\nFrom: <sip:12@a>;tag=theirs\r\nTo: <sip:14@a>\r\n\
             Call-ID: one\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[test]
    fn what_nobody_else_may_know_is_never_written_down() {
        let (mut tape, party) = tape();
        let secret = "Authorization: Digest username=\"12\", response=\"hush\"\r\nProxy-Authorization: Digest hush\r\n";
        tape.hear(party, message("INVITE sip:14@a SIP/2.0", secret, OFFER).as_bytes(), moment(0));
        let challenge = "WWW-Authenticate: Digest realm=\"a\", nonce=\"hush\", opaque=\"hush\", qop=\"auth\"\r\n";
        tape.hear(party, message("SIP/2.0 401 No", challenge, "").as_bytes(), moment(5));
        let taped = tape.finish();
        assert!(!taped.strip.contains("hush") && !taped.strip.contains("AA:BB"), "{}", taped.strip);
        assert!(taped.strip.starts_with("\u{1e}<0 0 authorised\nINVITE sip:14@a\nFrom: "), "{}", taped.strip);
        assert!(taped.strip.contains("inline:redacted\r\na=ice-ufrag:x\r\n"), "{}", taped.strip);
        assert!(taped.strip.contains("\u{1e}<0 5000\n401 INVITE\nWWW-Authenticate: Digest nonce=\"redacted-"));
    }

    #[test]
    fn a_pin_is_never_written_down_and_other_keys_are() {
        let (mut tape, party) = tape();
        let info = |branch: u32, body: &str| message("INFO sip:14@a SIP/2.0", &format!("X: {branch}\r\n"), body);
        tape.hear(party, info(1, "Signal=7\r\nDuration=160\r\n").as_bytes(), moment(0));
        tape.hide_keys(true);
        for (branch, body) in [(2, "Signal= 4\r\nDuration=160\r\n"), (3, "signal=8"), (4, "9"), (5, "Signal=#")] {
            tape.hear(party, info(branch, body).as_bytes(), moment(10));
        }
        tape.hide_keys(false);
        tape.hear(party, info(6, "Signal=6").as_bytes(), moment(20));
        let strip = tape.finish().strip;
        let bodies: Vec<&str> = strip.split(BODY).skip(1).map(|body| body.split(ENTRY).next().unwrap()).collect();
        let expected = ["0\nSignal=7\r\nDuration=160\r\n", "1\nSignal=0\r\nDuration=160\r\n", "2\nsignal=0\r\n"];
        assert_eq!(bodies[..2], expected[..2], "{strip}");
        assert!(bodies[2].starts_with("2\nsignal=0") && bodies[3].starts_with("3\n0"), "{strip}");
        assert!(bodies[4].contains("Signal=#") && bodies[5].contains("Signal=6"), "{strip}");
    }

    #[test]
    fn a_session_and_a_repetition_stand_on_the_strip_once() {
        let (mut tape, party) = tape();
        let invite = message("INVITE sip:14@a SIP/2.0", "", OFFER);
        tape.hear(party, invite.as_bytes(), moment(0));
        tape.hear(party, invite.as_bytes(), moment(500));
        // What leaves with our address in it is the same session.
        let ours = OFFER.replace("192.168.0.9", "127.0.0.1").replace("4000", "20000");
        tape.say(party, message("SIP/2.0 183 Yes", "", &ours).as_bytes(), moment(600));
        // What they offer with a new version is another one.
        let theirs = OFFER.replace("- 1 1 IN", "- 1 2 IN");
        tape.hear(party, message("UPDATE sip:14@a SIP/2.0", "", &theirs).as_bytes(), moment(700));
        let strip = tape.finish().strip;
        let entries: Vec<&str> = strip.split(ENTRY).collect();
        assert_eq!(entries[2], "<0 500000 = INVITE");
        assert_eq!(entries[3].split(BODY).nth(1), Some("0"));
        assert!(entries[4].split(BODY).nth(1).unwrap().starts_with("1\nv=0"), "{}", entries[4]);
    }

    #[test]
    fn how_the_house_stood_comes_before_what_it_led_to_and_a_timer_is_written_when_it_was_due() {
        let (mut tape, party) = tape();
        let late = Moment { reaction: 2, due: Instant::from_micros(20_000_000), now: Instant::from_micros(20_003_000) };
        tape.say(party, message("CANCEL sip:14@a SIP/2.0", "", "").as_bytes(), late);
        tape.asks(&"14".into(), 7, |known, news| news.push(format!("asked before: {known}")));
        tape.asks(&"14".into(), 7, |_, _| panic!("nothing has changed"));
        tape.settle(late);
        let taped = tape.finish();
        assert!(
            taped.strip.starts_with("\u{1e}!19999999 asked before: false\u{1e}>0 20000000\nCANCEL"),
            "{}",
            taped.strip
        );
        assert_eq!(taped.late, 3000);
    }

    #[test]
    fn a_storm_of_messages_does_not_fill_the_memory() {
        let (mut tape, party) = tape();
        for number in 0..2000 {
            let header = format!("Subject: {number}\r\n");
            tape.hear(party, message("INFO sip:14@a SIP/2.0", &header, OFFER).as_bytes(), moment(number));
        }
        let taped = tape.finish();
        assert!(
            taped.strip.len() < LARGEST + 4096 && taped.left_out > 1000,
            "{} {}",
            taped.strip.len(),
            taped.left_out
        );
    }
}
