//! A peer with a mind of its own: it repeats what is not answered, answers what is repeated, and forgets nothing in time.

mod lamp;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use huntline::clock::{Duration, Instant};
use huntline::entropy::Entropy;
use huntline::sip::digest::{Answerer, Asker, Tried};
use huntline::sip::{HeaderName, Message, Method};

use lamp::Lamp;

const T1: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(32);

/// A phone or a provider.
pub struct Peer {
    pub address: SocketAddr,
    pub gone: bool,
    pub mood: u16,
    /// It only speaks, and hears nothing.
    pub holds: bool,
    pub user: String,
    /// It knows 100rel, UPDATE and session timers.
    modern: bool,
    account: Option<Answerer>,
    talks: Vec<Talk>,
    lamps: Vec<Lamp>,
    repeats: Vec<Repeat>,
    answered: BTreeMap<(String, String), Bytes>,
    serial: u32,
    entropy: Entropy,
}

/// One dialog, from the first INVITE on.
struct Talk {
    call_id: String,
    subject: String,
    /// Further headers of its first INVITE, each with its end.
    more: String,
    stage: Stage,
    /// From and To as this side writes them, with tags.
    me: String,
    them: String,
    target: String,
    cseq: u32,
    /// The INVITE that came in, to be answered.
    heard: Option<Message>,
    /// Our last INVITE: its Request-URI, branch and CSeq, and whether it offered.
    invite: (String, String, u32, bool),
    cancelled: bool,
    tried: bool,
    refer_to: String,
    /// The last reliable response: which we sent, or whose PRACK we sent.
    rseq: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// We have sent an INVITE.
    Calling,
    /// We are being rung.
    Rung,
    Up,
    Over,
}

struct Repeat {
    what: (String, String),
    bytes: Bytes,
    at: Instant,
    every: Duration,
    until: Instant,
}

impl Peer {
    pub fn new(address: SocketAddr, user: &str, password: Option<&str>, seed: u8) -> Peer {
        Peer {
            address,
            gone: false,
            mood: 200,
            holds: false,
            user: user.into(),
            modern: seed % 4 != 2,
            account: password.map(|password| Answerer::new(user, password)),
            talks: Vec::new(),
            lamps: Vec::new(),
            repeats: Vec::new(),
            answered: BTreeMap::new(),
            serial: 0,
            entropy: Entropy::seeded([seed; 32], 0),
        }
    }

    /// When something is to be repeated.
    pub fn deadline(&self) -> Option<Instant> {
        self.repeats.iter().map(|repeat| repeat.at).min()
    }

    /// What is due to be repeated.
    pub fn due(&mut self, now: Instant) -> Vec<Bytes> {
        self.repeats.retain(|repeat| repeat.at > now || repeat.until > now);
        let due = self.repeats.iter_mut().filter(|repeat| repeat.at <= now);
        due.map(|repeat| {
            repeat.at = now + repeat.every;
            repeat.every = (repeat.every * 2).min(T1 * 8);
            repeat.bytes.clone()
        })
        .collect()
    }

    fn repeat(&mut self, what: (String, String), bytes: &Bytes, now: Instant) {
        let bytes = bytes.clone();
        self.repeats.push(Repeat { what, bytes, at: now + T1, every: T1 * 2, until: now + PATIENCE });
    }

    fn heard_enough(&mut self, what: (&str, &str)) {
        self.repeats.retain(|repeat| (repeat.what.0.as_str(), repeat.what.1.as_str()) != what);
    }

    /// Begins a call.
    pub fn call(
        &mut self,
        us: SocketAddr,
        from: &str,
        to: &str,
        subject: &str,
        offer: bool,
        now: Instant,
    ) -> Vec<Bytes> {
        let talk = self.talk(us, from, to, subject);
        self.begin(talk, offer, now)
    }

    /// Takes over what rings elsewhere: a call with something to say of which.
    pub fn call_with(
        &mut self,
        us: SocketAddr,
        to: &str,
        subject: &str,
        offer: bool,
        more: &str,
        now: Instant,
    ) -> Vec<Bytes> {
        let user = self.user.clone();
        let talk = Talk { more: more.into(), ..self.talk(us, &user, to, subject) };
        self.begin(talk, offer, now)
    }

    fn begin(&mut self, mut talk: Talk, offer: bool, now: Instant) -> Vec<Bytes> {
        let invite = self.invite(&mut talk, offer, now);
        self.talks.push(talk);
        vec![invite]
    }

    fn talk(&mut self, us: SocketAddr, from: &str, to: &str, subject: &str) -> Talk {
        self.serial += 1;
        let serial = self.serial;
        Talk {
            call_id: format!("{serial}-{}", self.address),
            subject: subject.into(),
            more: String::new(),
            stage: Stage::Calling,
            me: format!("<sip:{from}@{}>;tag=c{serial}", self.address.ip()),
            them: format!("<sip:{to}@{}>", us.ip()),
            target: format!("sip:{to}@{us}"),
            cseq: 0,
            heard: None,
            invite: Default::default(),
            cancelled: false,
            tried: false,
            refer_to: String::new(),
            rseq: 0,
        }
    }

    fn invite(&mut self, talk: &mut Talk, offer: bool, now: Instant) -> Bytes {
        let branch = self.branch();
        talk.cseq += 1;
        talk.invite = (talk.target.clone(), branch.clone(), talk.cseq, offer);
        let body = if offer { self.session() } else { String::new() };
        let bytes = self.request(talk, "INVITE", &branch, talk.cseq, &body);
        self.repeat((branch, "INVITE".into()), &bytes, now);
        bytes
    }

    fn branch(&mut self) -> String {
        self.serial += 1;
        format!("z9hG4bK-{}-{}", self.address, self.serial)
    }

    fn session(&self) -> String {
        let ip = self.address.ip();
        let version = self.serial;
        let hold = if self.holds { "a=sendonly\r\n" } else { "" };
        format!(
            "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n{hold}"
        )
    }

    fn request(&mut self, talk: &Talk, method: &str, branch: &str, cseq: u32, body: &str) -> Bytes {
        let uri = match method {
            "CANCEL" => &talk.invite.0,
            _ => &talk.target,
        };
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{}@{}>\r\nSubject: {}\r\n",
            self.address, talk.me, talk.them, talk.call_id, self.user, self.address, talk.subject
        );
        if self.modern && matches!(method, "INVITE" | "UPDATE") {
            text.push_str(MODERN);
            text.push_str("Session-Expires: 90\r\n");
        }
        if method == "REFER" {
            text.push_str(&format!("Refer-To: {}\r\n", talk.refer_to));
        }
        if method == "INVITE" && talk.stage == Stage::Calling {
            text.push_str(&talk.more);
        }
        if method == "PRACK" {
            text.push_str(&format!("RAck: {} {} INVITE\r\n", talk.rseq, talk.invite.2));
        }
        if !matches!(method, "ACK" | "CANCEL")
            && let Some(account) = &mut self.account
        {
            for (name, value) in account.authorize(method.as_bytes(), uri.as_bytes(), &mut self.entropy) {
                text.push_str(&format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(&value)));
            }
        }
        with_body(text, body)
    }

    fn respond(&self, request: &Message, code: u16, body: &str) -> Bytes {
        self.respond_with(request, code, "", body)
    }

    fn respond_with(&self, request: &Message, code: u16, more: &str, body: &str) -> Bytes {
        let mut text = format!("SIP/2.0 {code} Said\r\n");
        for (name, _, value) in request.lines() {
            let value = String::from_utf8_lossy(value);
            match name {
                HeaderName::Via | HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {
                    text.push_str(&format!("{}: {value}\r\n", name.as_str()));
                }
                HeaderName::To if request.to_tag().is_none() => {
                    text.push_str(&format!("To: {value};tag=t{}\r\n", self.address.port()));
                }
                HeaderName::To => text.push_str(&format!("To: {value}\r\n")),
                _ => {}
            }
        }
        // Who sends a call elsewhere means a colleague, a mobile, nobody, or the emergency.
        let elsewhere = ["14", "15", "01705555555", "nobody", "112"][self.serial as usize % 5];
        let user = if code == 302 { elsewhere } else { &self.user };
        text.push_str(&format!("Contact: <sip:{user}@{}>\r\n{more}", self.address));
        if self.modern && matches!(request.method(), Method::Invite | Method::Update) {
            text.push_str(MODERN);
            if code == 200 && request.has(HeaderName::SessionExpires) {
                text.push_str("Session-Expires: 90;refresher=uac\r\n");
            }
        }
        with_body(text, body)
    }

    /// A final (or provisional) response to an INVITE; finals are repeated until the ACK.
    fn answer(&mut self, request: &Message, code: u16, body: &str, now: Instant) -> Bytes {
        let bytes = self.respond(request, code, body);
        let branch = request.branch().unwrap_or_default().to_owned();
        self.answered.insert((branch, "INVITE".into()), bytes.clone());
        if code >= 200 {
            self.repeat((request.call_id().into(), request.cseq().number.to_string()), &bytes, now);
        }
        bytes
    }

    /// The newest INVITE that rings here gets this response.
    pub fn react(&mut self, code: u16, early: bool, now: Instant) -> Vec<Bytes> {
        let Some(at) = self.talks.iter().rposition(|talk| talk.stage == Stage::Rung) else { return Vec::new() };
        let Some(request) = self.talks[at].heard.clone() else { return Vec::new() };
        let body = if code == 200 || early { self.session() } else { String::new() };
        if code < 200 && self.modern && request.lists(HeaderName::Supported, "100rel") {
            self.talks[at].rseq += 1;
            let rseq = self.talks[at].rseq;
            let bytes = self.respond_with(&request, code, &format!("Require: 100rel\r\nRSeq: {rseq}\r\n"), &body);
            self.repeat((request.call_id().into(), format!("RSeq {rseq}")), &bytes, now);
            return vec![bytes];
        }
        if code >= 200 {
            self.talks[at].stage = if code < 300 { Stage::Up } else { Stage::Over };
        }
        vec![self.answer(&request, code, &body, now)]
    }

    /// A BYE, INFO, CANCEL, UPDATE or re-INVITE of the newest talk that is not over.
    pub fn ask(&mut self, method: &str, offer: bool, now: Instant) -> Vec<Bytes> {
        let Some(at) = self.talks.iter().rposition(|talk| talk.stage != Stage::Over) else { return Vec::new() };
        let mut talk = self.talks.remove(at);
        let bytes = match method {
            "INVITE" if talk.stage == Stage::Up => Some(self.invite(&mut talk, offer, now)),
            "CANCEL" if talk.stage == Stage::Calling || talk.invite.2 > 0 => {
                talk.cancelled |= talk.stage == Stage::Calling;
                Some(self.cancel(&talk, now))
            }
            "UPDATE" if talk.stage == Stage::Up || talk.them.contains(";tag=") => {
                let body = if offer { self.session() } else { String::new() };
                Some(self.within(&mut talk, method, &body, now))
            }
            "BYE" | "INFO" if talk.stage == Stage::Up || talk.them.contains(";tag=") => {
                if method == "BYE" {
                    talk.stage = Stage::Over;
                }
                // The key that takes a call, where somebody is asked.
                let body = if method == "INFO" { "Signal=1\r\n" } else { "" };
                Some(self.within(&mut talk, method, body, now))
            }
            _ => None,
        };
        self.talks.insert(at, talk);
        bytes.into_iter().collect()
    }

    /// A REFER in the newest talk.
    pub fn refer(&mut self, to: &str, now: Instant) -> Vec<Bytes> {
        let Some(at) = self.talks.iter().rposition(|talk| talk.stage == Stage::Up) else { return Vec::new() };
        vec![self.refer_in(at, to, now)]
    }

    /// A REFER in the talk before the newest, to whom the newest is with.
    pub fn join(&mut self, us: IpAddr, now: Instant) -> Vec<Bytes> {
        let up = |talk: &Talk| talk.stage == Stage::Up;
        let Some(newest) = self.talks.iter().rposition(up) else { return Vec::new() };
        let Some(before) = self.talks[..newest].iter().rposition(up) else { return Vec::new() };
        let Talk { call_id, me, them, .. } = &self.talks[newest];
        let tag = |party: &str| party.split(";tag=").nth(1).unwrap_or_default().to_owned();
        let replaces = format!("{call_id}%3Bto-tag%3D{}%3Bfrom-tag%3D{}", tag(them), tag(me));
        let whom = them.split(['<', '@']).nth(1).unwrap_or_default();
        let to = format!("<{whom}@{us}?Replaces={replaces}>");
        vec![self.refer_in(before, &to, now)]
    }

    fn refer_in(&mut self, at: usize, to: &str, now: Instant) -> Bytes {
        let mut talk = self.talks.remove(at);
        talk.refer_to = to.to_owned();
        let bytes = self.within(&mut talk, "REFER", "", now);
        self.talks.insert(at, talk);
        bytes
    }

    fn cancel(&mut self, talk: &Talk, now: Instant) -> Bytes {
        let tagless = talk.them.split(";tag=").next().unwrap_or_default().to_owned();
        let them = if talk.stage == Stage::Calling { tagless } else { talk.them.clone() };
        let talk = Talk { them, invite: talk.invite.clone(), heard: None, ..talk.copy() };
        let bytes = self.request(&talk, "CANCEL", &talk.invite.1.clone(), talk.invite.2, "");
        self.repeat((talk.invite.1.clone(), "CANCEL".into()), &bytes, now);
        bytes
    }

    fn within(&mut self, talk: &mut Talk, method: &str, body: &str, now: Instant) -> Bytes {
        talk.cseq += 1;
        let branch = self.branch();
        let bytes = self.request(talk, method, &branch, talk.cseq, body);
        self.repeat((branch, method.into()), &bytes, now);
        bytes
    }

    /// A REGISTER of this phone.
    pub fn register(&mut self, us: SocketAddr, expires: u16, now: Instant) -> Vec<Bytes> {
        let branch = self.branch();
        let uri = format!("sip:{}", us.ip());
        let mut text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{1}@{2}>;tag=r{3}\r\nTo: <sip:{1}@{2}>\r\nCall-ID: {1}-register\r\nCSeq: {3} REGISTER\r\n\
             Contact: <sip:{1}@{0}>\r\nExpires: {expires}\r\n",
            self.address,
            self.user,
            us.ip(),
            self.serial
        );
        if let Some(account) = &mut self.account {
            for (name, value) in account.authorize(b"REGISTER", uri.as_bytes(), &mut self.entropy) {
                text.push_str(&format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(&value)));
            }
        }
        let bytes = with_body(text, "");
        self.repeat((branch, "REGISTER".into()), &bytes, now);
        vec![bytes]
    }

    /// It hears a message, and says what follows from it.
    pub fn hear(&mut self, message: &Message, now: Instant) -> Vec<Bytes> {
        match message.status() {
            Some(status) => self.hear_response(status.code(), message, now),
            None => self.hear_request(message, now),
        }
    }

    fn hear_request(&mut self, request: &Message, now: Instant) -> Vec<Bytes> {
        let id = request.call_id();
        if request.method() == Method::Ack {
            self.heard_enough((id, &request.cseq().number.to_string()));
            return Vec::new();
        }
        let key = (request.branch().unwrap_or_default().to_owned(), request.method_name().to_owned());
        if let Some(said) = self.answered.get(&key) {
            return vec![said.clone()];
        }
        let at = self.talks.iter().rposition(|talk| talk.call_id == id);
        let known = at.filter(|at| self.talks[*at].stage != Stage::Over);
        let mut also = Vec::new();
        let code = match (request.method(), known) {
            (Method::Invite, None) if request.to_tag().is_none() => {
                self.ring(request);
                return Vec::new();
            }
            (Method::Invite, Some(_)) if request.to_tag().is_some() => {
                let body = if self.mood == 200 { self.session() } else { String::new() };
                return vec![self.answer(request, self.mood, &body, now)];
            }
            // A repetition of the INVITE that rings already.
            (Method::Invite, Some(_)) => return Vec::new(),
            (Method::Prack, Some(_)) => {
                let rack = request.header(HeaderName::RAck).unwrap_or_default();
                let rseq = String::from_utf8_lossy(rack).split(' ').next().unwrap_or_default().to_owned();
                self.heard_enough((id, &format!("RSeq {rseq}")));
                200
            }
            (Method::Update, Some(_)) if request.body().is_empty() => 200,
            (Method::Update, Some(_)) => self.mood,
            (Method::Cancel, Some(at)) => {
                if self.talks[at].stage == Stage::Rung
                    && let Some(invite) = self.talks[at].heard.clone()
                {
                    self.talks[at].stage = Stage::Over;
                    also.push(self.answer(&invite, 487, "", now));
                }
                200
            }
            (Method::Bye, Some(at)) => {
                self.talks[at].stage = Stage::Over;
                200
            }
            // Who is in the mood to have forgotten everything has forgotten its lamps too.
            (Method::Notify, _) if self.mood == 481 && id.starts_with("lamp-") => 481,
            (Method::Invite | Method::Bye | Method::Cancel | Method::Prack | Method::Update, _) => 481,
            _ => 200,
        };
        let answers = request.method() == Method::Update && code == 200 && !request.body().is_empty();
        let body = if answers { self.session() } else { String::new() };
        let bytes = self.respond(request, code, &body);
        self.answered.insert(key, bytes.clone());
        also.insert(0, bytes);
        also
    }

    fn ring(&mut self, request: &Message) {
        let text = |name| String::from_utf8_lossy(request.header(name).unwrap_or_default()).into_owned();
        let contact = request.address(HeaderName::Contact).map(|contact| contact.uri.as_str().to_owned());
        self.talks.push(Talk {
            call_id: request.call_id().into(),
            subject: String::new(),
            more: String::new(),
            stage: Stage::Rung,
            me: format!("{};tag=t{}", text(HeaderName::To), self.address.port()),
            them: text(HeaderName::From),
            target: contact.unwrap_or_default(),
            cseq: 0,
            heard: Some(request.clone()),
            invite: Default::default(),
            cancelled: false,
            tried: false,
            refer_to: String::new(),
            rseq: 0,
        });
    }

    fn hear_response(&mut self, code: u16, response: &Message, now: Instant) -> Vec<Bytes> {
        let branch = response.branch().unwrap_or_default();
        self.heard_enough((branch, response.method_name()));
        if let (Some(asker), Some(account), true) =
            (Asker::of(code), &mut self.account, response.method() != Method::Invite)
        {
            let _ = account.challenged(asker, response.headers(asker_header(asker)), &mut Tried::default());
        }
        if response.method() == Method::Subscribe {
            self.hear_subscribed(code, response);
        }
        let ours = |talk: &Talk| talk.call_id == response.call_id() && talk.invite.1 == branch;
        let Some(at) = self.talks.iter().rposition(ours) else { return Vec::new() };
        if response.method() != Method::Invite || code == 100 {
            return Vec::new();
        }
        let mut talk = self.talks.remove(at);
        let said = self.hear_invited(&mut talk, code, response, now);
        self.talks.insert(at, talk);
        said
    }

    fn hear_invited(&mut self, talk: &mut Talk, code: u16, response: &Message, now: Instant) -> Vec<Bytes> {
        let begins = talk.stage == Stage::Calling;
        if begins
            && code < 300
            && let Some(tag) = response.to_tag()
        {
            let bare = talk.them.split(";tag=").next().unwrap_or_default().to_owned();
            talk.them = format!("{bare};tag={tag}");
            if let Some(contact) = response.address(HeaderName::Contact) {
                talk.target = contact.uri.as_str().to_owned();
            }
        }
        if code < 200 {
            let rseq =
                response.header(HeaderName::RSeq).map(String::from_utf8_lossy).and_then(|rseq| rseq.parse().ok());
            let news = rseq.filter(|rseq| begins && (talk.rseq == 0 || *rseq == talk.rseq + 1));
            return news
                .into_iter()
                .map(|rseq| {
                    talk.rseq = rseq;
                    self.within(talk, "PRACK", "", now)
                })
                .collect();
        }
        if code < 300 {
            let branch = self.branch();
            let body = if talk.invite.3 { String::new() } else { self.session() };
            let mut said = vec![self.request(talk, "ACK", &branch, talk.invite.2, &body)];
            if begins {
                talk.stage = Stage::Up;
                if talk.cancelled {
                    talk.stage = Stage::Over;
                    said.push(self.within(talk, "BYE", "", now));
                }
            }
            return said;
        }
        let them = String::from_utf8_lossy(response.header(HeaderName::To).unwrap_or_default()).into_owned();
        let target = talk.invite.0.clone();
        let ack = Talk { them, target, invite: talk.invite.clone(), ..talk.copy() };
        let mut said = vec![self.request(&ack, "ACK", &talk.invite.1.clone(), talk.invite.2, "")];
        if begins {
            let asked = Asker::of(code).filter(|_| !std::mem::replace(&mut talk.tried, true) && !talk.cancelled);
            let known = asked.is_some_and(|asker| {
                let challenges = response.headers(asker_header(asker));
                let account = self.account.as_mut();
                account.is_some_and(|account| account.challenged(asker, challenges, &mut Tried::default()).is_ok())
            });
            match known {
                true => said.push(self.invite(talk, talk.invite.3, now)),
                false => talk.stage = Stage::Over,
            }
        }
        said
    }
}

impl Talk {
    fn copy(&self) -> Talk {
        Talk {
            call_id: self.call_id.clone(),
            subject: self.subject.clone(),
            more: self.more.clone(),
            me: self.me.clone(),
            them: self.them.clone(),
            target: self.target.clone(),
            heard: None,
            invite: self.invite.clone(),
            refer_to: self.refer_to.clone(),
            ..*self
        }
    }
}

const MODERN: &str = "Supported: 100rel, timer\r\nAllow: INVITE, ACK, BYE, CANCEL, INFO, PRACK, UPDATE\r\n";

fn asker_header(asker: Asker) -> HeaderName {
    match asker {
        Asker::Server => HeaderName::WwwAuthenticate,
        Asker::Proxy => HeaderName::ProxyAuthenticate,
    }
}

fn with_body(mut text: String, body: &str) -> Bytes {
    if !body.is_empty() {
        let kind = if body.starts_with("Signal") { "dtmf-relay" } else { "sdp" };
        text.push_str(&format!("Content-Type: application/{kind}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    Bytes::from(text)
}
