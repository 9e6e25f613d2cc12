//! What a line of a trace expects of a message that has left us.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::clock::Instant;
use crate::key::Transport;
use crate::sip::{HeaderName, Message};
use crate::tape::without_addresses;
use crate::trace::actor::is_session;
use crate::trace::notation::{Peer, Spoken};

/// A message that has left us.
pub(super) struct Sent {
    pub(super) to: SocketAddr,
    pub(super) transport: Transport,
    pub(super) at: Instant,
    pub(super) message: Message,
}

/// What a line says of one.
pub(super) struct Expected<'a> {
    /// To whom it goes.
    pub(super) peer: &'a Peer,
    /// The line, its holes filled.
    pub(super) spoken: &'a Spoken,
    pub(super) transport: Transport,
    /// The sessions that the trace brings, by name.
    pub(super) sessions: &'a BTreeMap<String, String>,
    /// Media pass through us.
    pub(super) is_relayed: bool,
    /// The same bytes have left for there before.
    pub(super) was_seen: bool,
}

impl Expected<'_> {
    /// Whether it is what the line says; the first thing in which it is not.
    pub(super) fn check(&self, sent: &Sent) -> Result<(), String> {
        let (message, spoken) = (&sent.message, self.spoken);
        if sent.transport != self.transport {
            return self.unlike("the transport", sent.transport.as_str());
        }
        let status = message.status().map(|status| status.code());
        if status != spoken.status || spoken.method.as_deref().is_some_and(|method| method != message.method_name()) {
            return self.unlike("the message", &first_line(message));
        }
        self.check_addresses(message)?;
        self.check_body(message)?;
        self.check_headers(message)?;
        match (spoken.again, self.was_seen) {
            (true, false) => self.unlike("the message", "a new one"),
            (false, true) => self.unlike("the message", "a repetition"),
            (_, _) => Ok(()),
        }
    }

    fn check_addresses(&self, message: &Message) -> Result<(), String> {
        if let Some(target) = &self.spoken.target {
            let user = message.request_uri().and_then(|uri| uri.user_unescaped()).unwrap_or_default();
            if user != *target {
                return self.unlike("the Request-URI's user", &user);
            }
        }
        if let Some((name, number)) = &self.spoken.from {
            let from = message.from();
            let display = from.display().unwrap_or_default();
            let user = from.uri.user_unescaped().unwrap_or_default();
            if user != *number || display != name.as_deref().unwrap_or_default() {
                return self.unlike("From", &format!("{display} {user}"));
            }
        }
        Ok(())
    }

    fn check_body(&self, message: &Message) -> Result<(), String> {
        let (spoken, body) = (self.spoken, String::from_utf8_lossy(message.body()));
        if let Some(expected) = &spoken.body
            && body.trim_end() != expected.trim_end()
        {
            return self.unlike("the body", &body);
        }
        match spoken.session.as_deref().filter(|name| *name != "none") {
            Some(name) if self.sessions.contains_key(name) => {
                let (is, expected) = (message.body(), self.sessions[name].as_bytes());
                if without_addresses(is) != without_addresses(expected) {
                    return self.unlike("the session", &body);
                }
            }
            // Made by ourselves, where no peer stands behind it.
            Some("ours") if body.starts_with("v=0") && !body.contains("a=trace:") => {}
            Some(name) if !is_session(&body, name) => return self.unlike("the session", &body),
            Some(_) if self.is_relayed && body.contains("m=audio 4000") => {
                return self.unlike("the media port", "the other side's own");
            }
            None if !body.is_empty() && spoken.body.is_none() && !spoken.again => {
                return self.unlike("the body", &body);
            }
            Some(_) | None => {}
        }
        match spoken.sdp.iter().find(|line| !body.lines().any(|is| is == line.as_str())) {
            Some(line) => Err(format!("to {}: its body has no line {line:?}:\n{body}", self.peer)),
            None => Ok(()),
        }
    }

    fn check_headers(&self, message: &Message) -> Result<(), String> {
        if let Some(words) = &self.spoken.reason {
            let reason = String::from_utf8_lossy(message.header(HeaderName::Reason).unwrap_or_default());
            if !reason.contains(words.as_str()) {
                return self.unlike("Reason", &reason);
            }
        }
        for (name, value) in &self.spoken.headers {
            let mut all: Vec<_> = message.lines().filter(|(_, own, _)| own.eq_ignore_ascii_case(name)).collect();
            all.sort_by_key(|(_, _, is)| !String::from_utf8_lossy(is).contains(value.as_str()));
            let is = all.first().map(|(_, _, is)| String::from_utf8_lossy(is));
            match (is, value.as_str()) {
                (None, "-") => {}
                (Some(is), value) if value != "-" && is.contains(value) => {}
                (is, _) => return self.unlike(name, &is.unwrap_or_default()),
            }
        }
        let credentials = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
        if self.spoken.authorised && !credentials.iter().any(|name| message.has(*name)) {
            return self.unlike("Authorization", "missing");
        }
        Ok(())
    }

    fn unlike(&self, what: &str, is: &str) -> Result<(), String> {
        Err(format!("to {}: {what} is {is:?}, expected {}", self.peer, wanted(self.spoken)))
    }
}

/// The first line of a message; that of an answer says to what.
pub(super) fn first_line(message: &Message) -> String {
    let line = message.bytes().split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    match message.status() {
        Some(_) => format!("{line} ({})", message.method_name()),
        None => line,
    }
}

/// A line in words.
pub(super) fn wanted(spoken: &Spoken) -> String {
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
