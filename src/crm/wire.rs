//! Requests and answers as values, and what a CRM has been told of a call: what the dialects share.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Duration;
use crate::customer::Kind;
use crate::number::PhoneNumber;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Whereto.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// What is in it; empty for a `GET`.
    pub body: Bytes,
}

impl Request {
    /// Asks for something.
    pub fn get(url: impl Into<String>) -> Request {
        Request { method: "GET", url: url.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Sends JSON.
    pub fn json(url: impl Into<String>, body: &Value) -> Request {
        let headers = vec![("content-type", "application/json".to_owned())];
        Request { method: "POST", url: url.into(), headers, body: body.to_string().into() }
    }

    /// Sends a form; fields without a value are left out.
    pub fn form<'a>(url: impl Into<String>, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Request {
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let mut body = String::new();
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            let and = if body.is_empty() { "" } else { "&" };
            _ = write!(body, "{and}{}={}", encoded(name), encoded(value));
        }
        Request { method: "POST", url: url.into(), headers, body: body.into() }
    }

    /// With a bearer token.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Request {
        self.headers.push(("authorization", format!("Bearer {token}")));
        self
    }
}

/// As it stands in a form or a query.
pub fn encoded(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            all.push(char::from(byte));
        } else {
            _ = write!(all, "%{byte:02X}");
        }
    }
    all
}

/// The fields of a form or a query, in order. What is no UTF-8 is replaced.
pub fn fields_of(form: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    form.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        // `from_str_radix` alone would take a sign for a digit.
        let digits = || others.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let hex = || u8::from_str_radix(std::str::from_utf8(digits()?).ok()?, 16).ok();
        match (first, (*first == b'%').then(hex).flatten()) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = &others[2..];
                continue;
            }
            (b'+', None) => bytes.push(b' '),
            (byte, None) => bytes.push(*byte),
        }
        rest = others;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it was there.
    pub retry_after: Option<Duration>,
    /// What is in it.
    pub body: Vec<u8>,
}

impl Answer {
    /// As if what was shown were no good any more.
    pub fn stale() -> Answer {
        Answer { status: 401, retry_after: None, body: br#"{"error":"expired_token"}"#.to_vec() }
    }

    /// True for 2xx.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Why it is no yes, for people: the status and the beginning of what was said.
    pub fn why(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
        if text.is_empty() {
            format!("it answered {}", self.status)
        } else {
            format!("it answered {}: {text}", self.status)
        }
    }

    /// A 2xx is good; a no that will stay one (4xx but for 408, 425 and 429) is for ever; anything else is tried again.
    ///
    /// # Errors
    /// It is no 2xx.
    pub fn good(self) -> Result<Answer, Failed> {
        match self.status {
            200..300 => Ok(self),
            408 | 425 | 429 | 500.. => Err(Failed::Later { why: self.why(), after: self.retry_after }),
            // A token that is mended makes it good.
            401 | 403 => Err(Failed::Later { why: self.why(), after: None }),
            _ => Err(Failed::Never(self.why())),
        }
    }
}

/// Why a letter was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It may be another time.
    Later {
        /// For people.
        why: String,
        /// Not before then, where the CRM says so.
        after: Option<Duration>,
    },
    /// It never will be.
    Never(String),
}

impl Failed {
    /// It may be another time.
    pub fn later(why: impl Into<String>) -> Failed {
        Failed::Later { why: why.into(), after: None }
    }
}

/// Carries requests to a CRM, one after the other.
pub trait Wire {
    /// Sends one and waits for the answer, whatever its status is.
    ///
    /// # Errors
    /// None came.
    fn send(&mut self, request: Request) -> Result<Answer, Failed>;
}

/// What a CRM has been told of a call, and what it calls it. Kept on disk: whatever is told twice after a crash is known to
/// have been.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The last event that was told to its end.
    pub last: Option<String>,
    /// What the CRM calls the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<String>,
    /// Whom of us the call was registered for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered: Option<Arc<str>>,
    /// Who rings, or talks, as far as the CRM knows, with the state of each.
    pub legs: BTreeMap<Arc<str>, Leg>,
    /// Who talks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talks: Option<Arc<str>>,
    /// Something that must happen once was begun: whether it was done is to be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
    /// The CRM knows that the call is over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Recordings that are ready, for when it knows that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recordings: Vec<Recorded>,
    /// How long the recording is that it has, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_ms: Option<u64>,
}

/// One of us in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Counts what was said about it.
    pub seq: u32,
    /// Which time it is in this call that they are rung, from 0.
    pub round: u32,
    /// How it stands.
    pub now: LegNow,
}

/// How it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegNow {
    /// It rings.
    #[default]
    Rings,
    /// They talk.
    Talks,
    /// It is over.
    Over,
}

/// A recording that is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The file, counted from `storage.directory`.
    pub file: Arc<str>,
    /// How long it is, in milliseconds.
    pub length_ms: u64,
}

/// A customer whom a CRM told us of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// The CRM's id.
    pub id: Arc<str>,
    /// As people read it.
    pub name: Arc<str>,
    /// The extension responsible.
    pub responsible: Option<Arc<str>>,
    /// The numbers, the one to call back on first.
    pub numbers: Vec<PhoneNumber>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_written() {
        let fields = [("json", r#"{"a":"é & +"}"#), ("empty", ""), ("data[PHONE]", "+7 916")];
        let form = String::from_utf8(Request::form("http://x", fields).body.into()).unwrap();
        assert_eq!(form, "json=%7B%22a%22%3A%22%C3%A9%20%26%20%2B%22%7D&data%5BPHONE%5D=%2B7%20916");
        let read = fields_of(&form);
        assert_eq!(read.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), [fields[0], fields[2]]);
        assert_eq!(
            fields_of("a=%zz&b&c=%2&d=x+y"),
            [
                ("a".into(), "%zz".into()),
                ("b".into(), String::new()),
                ("c".into(), "%2".into()),
                ("d".into(), "x y".into())
            ]
        );
    }

    #[test]
    fn a_no_is_for_ever_or_for_now() {
        let answer = |status| Answer { status, retry_after: None, body: b"  so \n it is".to_vec() }.good();
        assert!(answer(204).is_ok());
        for status in [401, 403, 408, 425, 429, 500, 503, 599] {
            assert_eq!(answer(status), Err(Failed::later(format!("it answered {status}: so it is"))));
        }
        for status in [302, 400, 404, 410, 422] {
            assert!(matches!(answer(status), Err(Failed::Never(_))), "{status}");
        }
    }
}
