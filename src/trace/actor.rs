//! A scripted peer: it says what its lines say, in well-formed SIP, and remembers what it heard.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;

use super::notation::Spoken;
use crate::entropy::Entropy;
use crate::key::{Flow, Transport};
use crate::sip::digest::{Answerer, Asker, Tried};
use crate::sip::{HeaderName, Host, Message};

/// One side of one call (or registration) of a scripted peer.
#[derive(Debug)]
pub(super) struct Actor {
    /// On which way it speaks.
    pub(super) flow: Flow,
    /// Where it takes connections; a phone does not.
    listens: Option<SocketAddr>,
    /// Its Call-ID; empty until it speaks or is spoken to.
    pub(super) call_id: String,
    /// Who it is: the user of its From and Contact.
    user: String,
    name: String,
    account: Option<Answerer>,
    tag: String,
    /// Our tag, as it heard it.
    their_tag: String,
    cseq: u32,
    /// Where its requests within the dialog go.
    target: Option<String>,
    /// From and To of its own requests, without tags.
    me: String,
    them: String,
    /// The last request that it heard, by method, and the latest of all.
    heard: BTreeMap<String, Message>,
    /// Requests that it has not answered for good, in the order in which it heard them.
    owed: Vec<Message>,
    latest: Option<String>,
    /// What it sent last, by method or status, to be sent again.
    sent: BTreeMap<String, Bytes>,
    invite_branch: String,
    invite_cseq: u32,
    invite_uri: String,
    /// The final status that its INVITE got; 0 while there is none.
    invite_status: u16,
    /// What its PRACK acknowledges: the last reliable response that it heard.
    rack: String,
    branches: u32,
}

impl Actor {
    pub(super) fn new(
        flow: Flow,
        listens: Option<SocketAddr>,
        name: &str,
        user: &str,
        password: Option<&str>,
    ) -> Actor {
        Actor {
            flow,
            listens,
            call_id: String::new(),
            user: user.to_owned(),
            name: name.to_owned(),
            account: password.map(|password| Answerer::new(user, password)),
            tag: format!("tag-{}", name.replace('/', "-")),
            their_tag: String::new(),
            cseq: 0,
            target: None,
            me: String::new(),
            them: String::new(),
            heard: BTreeMap::new(),
            owed: Vec::new(),
            latest: None,
            sent: BTreeMap::new(),
            invite_branch: String::new(),
            invite_cseq: 0,
            invite_uri: String::new(),
            invite_status: 0,
            rack: String::new(),
            branches: 0,
        }
    }

    /// What a line makes this peer say.
    pub(super) fn say(&mut self, spoken: &Spoken, entropy: &mut Entropy) -> Result<Bytes, String> {
        let method = spoken.method.as_ref().or(self.latest.as_ref().filter(|_| spoken.status.is_some()));
        let key = format!("{}{}", spoken.status.unwrap_or(0), method.map_or("", String::as_str));
        if spoken.again {
            return self.sent.get(&key).cloned().ok_or_else(|| format!("{} has not said that before", self.name));
        }
        let bytes = match spoken.status {
            Some(status) => self.respond(status, spoken)?,
            None => self.request(spoken, entropy)?,
        };
        self.sent.insert(key, bytes.clone());
        Ok(bytes)
    }

    fn request(&mut self, spoken: &Spoken, entropy: &mut Entropy) -> Result<Bytes, String> {
        let Flow { transport, local: us, remote: me, .. } = self.flow;
        let method = spoken.method.as_deref().unwrap_or_default();
        if method == "INVITE" {
            self.begin_again();
        }
        let begins = self.their_tag.is_empty();
        if self.call_id.is_empty() {
            self.call_id = format!("{}@trace", self.name);
        }
        if begins && !matches!(method, "ACK" | "CANCEL") {
            let target = spoken.target.as_deref().unwrap_or(&self.user);
            let (display, user) = spoken.from.clone().unwrap_or((None, self.user.clone()));
            let display = display.map(|name| format!("\"{name}\" ")).unwrap_or_default();
            self.me = match user.as_str() {
                "anonymous" => format!("{display}<sip:anonymous@anonymous.invalid>"),
                user => format!("{display}<sip:{user}@{}>", Host::Ip(me.ip())),
            };
            self.them = format!("<sip:{target}@{}>", Host::Ip(us.ip()));
            self.me = spoken.header("From").map_or(self.me.clone(), |from| untagged(from).to_owned());
            self.them = spoken.header("To").map_or(self.them.clone(), |to| untagged(to).to_owned());
        }
        let uri = match (method, &self.target) {
            ("REGISTER", _) => format!("sip:{}", Host::Ip(us.ip())),
            ("CANCEL", _) => self.invite_uri.clone(),
            ("ACK", _) if self.invite_status >= 300 => self.invite_uri.clone(),
            (_, Some(target)) if !begins => target.clone(),
            _ => format!("sip:{}@{us}", spoken.target.as_deref().unwrap_or(&self.user)),
        };
        let uri = spoken.header("Request-URI").map_or(uri, str::to_owned);
        let same_branch = method == "CANCEL" || (method == "ACK" && self.invite_status >= 300);
        if !same_branch {
            self.branches += 1;
        }
        let branch = match same_branch {
            true => self.invite_branch.clone(),
            false => format!("z9hG4bK-{}-{}", self.name.replace('/', "-"), self.branches),
        };
        let cseq = match method {
            "ACK" | "CANCEL" => self.invite_cseq,
            _ => {
                self.cseq += 1;
                self.cseq
            }
        };
        if method == "INVITE" {
            (self.invite_branch, self.invite_cseq) = (branch.clone(), cseq);
            (self.invite_uri, self.invite_status) = (uri.clone(), 0);
        }
        let their_tag = match (method, self.their_tag.is_empty()) {
            ("CANCEL", _) | (_, true) => String::new(),
            _ => format!(";tag={}", self.their_tag),
        };
        let mut text = format!("{method} {uri} SIP/2.0\r\n");
        let usual = [
            ("Via", format!("SIP/2.0/{} {me};branch={branch};rport", transport.via())),
            ("Max-Forwards", "70".to_owned()),
            ("From", format!("{};tag={}", self.me, self.tag)),
            ("To", format!("{}{their_tag}", self.them)),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{cseq} {method}")),
        ];
        for (name, value) in usual.iter().filter(|(name, _)| !spoken.says(name)) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if method == "PRACK" && !spoken.says("RAck") {
            let _ = write!(text, "RAck: {}\r\n", self.rack);
        }
        if spoken.authorised {
            let account = self.account.as_mut().ok_or("it has no password")?;
            for (name, value) in account.authorize(method.as_bytes(), uri.as_bytes(), entropy) {
                let _ = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(&value));
            }
        }
        Ok(self.finish(text, spoken))
    }

    fn respond(&mut self, status: u16, spoken: &Spoken) -> Result<Bytes, String> {
        let method =
            spoken.method.clone().or(self.latest.clone()).ok_or_else(|| format!("{} heard nothing", self.name))?;
        let owed = self.owed.iter().rposition(|request| request.method_name() == method);
        let owed = owed.map(|at| if status >= 200 { self.owed.remove(at) } else { self.owed[at].clone() });
        // Where it owes nothing, it repeats itself.
        let request = owed.or_else(|| self.heard.get(&method).cloned());
        let request = request.ok_or_else(|| format!("{} heard no {method}", self.name))?;
        let mut text = format!("SIP/2.0 {status} Trace\r\n");
        for (name, spelling, value) in request.lines() {
            let value = String::from_utf8_lossy(value);
            match name {
                _ if spoken.says(spelling) => {}
                HeaderName::Via
                | HeaderName::From
                | HeaderName::CallId
                | HeaderName::CSeq
                | HeaderName::RecordRoute => {
                    let _ = write!(text, "{spelling}: {value}\r\n");
                }
                HeaderName::To if spoken.says("To") => {}
                HeaderName::To if status > 100 && request.to_tag().is_none() => {
                    let _ = write!(text, "To: {value};tag={}\r\n", self.tag);
                }
                HeaderName::To => {
                    let _ = write!(text, "To: {value}\r\n");
                }
                _ => {}
            }
        }
        Ok(self.finish(text, spoken))
    }

    fn finish(&self, mut text: String, spoken: &Spoken) -> Bytes {
        let written = |(name, value): &&(String, String)| value != "-" && name != "Request-URI";
        for (name, value) in spoken.headers.iter().filter(written) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if !spoken.says("Contact") {
            let _ = write!(text, "Contact: {}\r\n", self.contact(spoken));
        }
        if let Some(reason) = &spoken.reason {
            let _ = write!(text, "Reason: {reason}\r\n");
        }
        let body =
            spoken.body.clone().or_else(|| spoken.session.as_deref().map(|name| session(name, self.flow.remote)));
        let body = body.unwrap_or_default();
        if !body.is_empty() && !spoken.says("Content-Type") {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        if !spoken.says("Content-Length") {
            let _ = write!(text, "Content-Length: {}\r\n", body.len());
        }
        let _ = write!(text, "\r\n{body}");
        Bytes::from(text)
    }

    /// What its dialog is called, for a hole of the notation: the Call-ID, its tag, ours.
    pub(super) fn names(&self) -> [(&'static str, &str); 3] {
        [("call-id", &self.call_id), ("tag", &self.tag), ("our-tag", &self.their_tag)]
    }

    /// Where it wants requests. A phone on TCP, whose port is new with each connection, registers with its instance.
    fn contact(&self, spoken: &Spoken) -> String {
        let Flow { transport, remote, .. } = self.flow;
        let remote = self.listens.unwrap_or(remote);
        let (parameter, instance) = match (transport, spoken.method.as_deref()) {
            (Transport::Udp, _) => ("", String::new()),
            (Transport::Tcp, Some("REGISTER")) => {
                (";transport=tcp", format!(";+sip.instance=\"<urn:trace:{}>\"", remote.ip()))
            }
            (Transport::Tcp, _) => (";transport=tcp", String::new()),
        };
        format!("<sip:{}@{remote}{parameter}>{instance}", self.user)
    }

    /// It hears a message of ours.
    pub(super) fn hear(&mut self, message: &Message) {
        let method = message.method_name().to_owned();
        if message.is_request() {
            self.call_id = message.call_id().to_owned();
            if self.their_tag.is_empty() && method == "INVITE" {
                self.their_tag = message.from_tag().unwrap_or_default().to_owned();
                self.me = String::from_utf8_lossy(message.header(HeaderName::To).unwrap_or_default()).into_owned();
                let from = String::from_utf8_lossy(message.header(HeaderName::From).unwrap_or_default()).into_owned();
                self.them = from.split(";tag=").next().unwrap_or_default().to_owned();
            }
            if method != "ACK" {
                self.latest = Some(method.clone());
            }
            self.learn_target(message);
            let again = |known: &Message| known.bytes() == message.bytes();
            if method != "ACK" && !self.owed.iter().chain(self.heard.get(&method)).any(again) {
                self.owed.push(message.clone());
            }
            self.heard.insert(method, message.clone());
            return;
        }
        let status = message.status().map_or(0, |status| status.code());
        if let Some(rseq) = message.header(HeaderName::RSeq) {
            self.rack = format!("{} {} INVITE", String::from_utf8_lossy(rseq), message.cseq().number);
        }
        if method == "INVITE" && status >= 200 {
            self.invite_status = status;
        }
        if (method == "INVITE" && status > 100) || (method == "SUBSCRIBE" && status == 200) {
            self.their_tag = message.to_tag().unwrap_or_default().to_owned();
            self.learn_target(message);
        }
        if let (Some(asker), Some(account)) = (Asker::of(status), &mut self.account) {
            let _ = account.challenged(asker, message.headers(HeaderName::WwwAuthenticate), &mut Tried::default());
        }
    }

    /// A new attempt of the same call (with credentials) begins without a dialog.
    fn begin_again(&mut self) {
        if self.invite_status >= 300 && self.target.is_none() {
            self.their_tag.clear();
        }
    }

    fn learn_target(&mut self, message: &Message) {
        if let Some(contact) = message.address(HeaderName::Contact) {
            self.target = Some(contact.uri.as_str().to_owned());
        }
    }
}

fn untagged(value: &str) -> &str {
    value.split(";tag=").next().unwrap_or_default()
}

/// The session of this name as its owner sends it. The name stands in a line of its own, which passes through us.
pub(super) fn session(name: &str, address: SocketAddr) -> String {
    let (direction, name) = match name.split_once(' ') {
        Some(("hold", name)) => ("sendonly", name),
        Some(("inactive", name)) => ("inactive", name),
        Some((_, name)) => ("sendrecv", name),
        None => ("sendrecv", name),
    };
    if name == "none" {
        return String::new();
    }
    let ip = address.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na={direction}\r\na=trace:{name}\r\n"
    )
}

/// What `offer NAME` expects in a body of ours: its marker line and its direction.
pub(super) fn is_session(body: &str, name: &str) -> bool {
    let (direction, name) = match name.split_once(' ') {
        Some(("hold", name)) => (Some("a=sendonly\r\n"), name),
        Some(("inactive", name)) => (Some("a=inactive\r\n"), name),
        Some((_, name)) => (Some("a=sendrecv\r\n"), name),
        None => (None, name),
    };
    body.contains(&format!("a=trace:{name}\r\n")) && direction.is_none_or(|direction| body.contains(direction))
}
