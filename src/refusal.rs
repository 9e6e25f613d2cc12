//! A no that the peer hears: the status and headers of the response to be sent.
//!
//! Whoever decides returns `Err(Refusal::busy_here())`; whoever holds the transaction sends it.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::clock::Duration;
use crate::sip::{HeaderName, Message, Status, Writer};

/// A final response that is not a 2xx, before it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    status: Status,
    phrase: Option<Cow<'static, str>>,
    headers: Vec<(HeaderName, Cow<'static, str>)>,
}

impl Refusal {
    /// A refusal with this status, 300 to 699.
    pub fn new(status: Status) -> Refusal {
        Refusal { status, phrase: None, headers: Vec::new() }
    }

    /// With another phrase than the RFC's, where it tells whoever debugs the peer what is wrong.
    pub fn because(mut self, phrase: impl Into<Cow<'static, str>>) -> Refusal {
        self.phrase = Some(phrase.into());
        self
    }

    /// With one more header.
    pub fn with(mut self, name: HeaderName, value: impl Into<Cow<'static, str>>) -> Refusal {
        self.headers.push((name, value.into()));
        self
    }

    /// As the response to a request: `tag` becomes its To tag where it has none, `source` is where the request came from.
    pub fn write(&self, writer: &mut Writer, request: &Message, tag: &str, source: SocketAddr) -> Bytes {
        let mut draft = writer.respond(request, self.status(), self.phrase(), tag, source);
        for (name, value) in self.headers() {
            draft.header(name, value);
        }
        draft.finish()
    }

    /// 400, saying what is wrong.
    pub fn bad_request(phrase: &'static str) -> Refusal {
        Refusal::new(Status::BAD_REQUEST).because(phrase)
    }

    /// 403.
    pub fn forbidden() -> Refusal {
        Refusal::new(Status::FORBIDDEN)
    }

    /// 404.
    pub fn not_found() -> Refusal {
        Refusal::new(Status::NOT_FOUND)
    }

    /// 405, and what would be allowed (a value of Allow).
    pub fn method_not_allowed(allow: &'static str) -> Refusal {
        Refusal::new(Status::METHOD_NOT_ALLOWED).with(HeaderName::Allow, allow)
    }

    /// 415, and what would be accepted (a value of Accept).
    pub fn unsupported_media_type(accept: &'static str) -> Refusal {
        Refusal::new(Status::UNSUPPORTED_MEDIA_TYPE).with(HeaderName::Accept, accept)
    }

    /// 420, and the required extensions that we do not have (a value of Unsupported).
    pub fn bad_extension(unsupported: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(Status::BAD_EXTENSION).with(HeaderName::Unsupported, unsupported)
    }

    /// 422, and the shortest session interval that would be accepted (RFC 4028 §9).
    pub fn session_interval_too_small(least: Duration) -> Refusal {
        Refusal::new(Status::SESSION_INTERVAL_TOO_SMALL).with(HeaderName::MinSe, least.as_secs().to_string())
    }

    /// 481: no such dialog or transaction.
    pub fn call_does_not_exist() -> Refusal {
        Refusal::new(Status::CALL_DOES_NOT_EXIST)
    }

    /// 483.
    pub fn too_many_hops() -> Refusal {
        Refusal::new(Status::TOO_MANY_HOPS)
    }

    /// 486.
    pub fn busy_here() -> Refusal {
        Refusal::new(Status::BUSY_HERE)
    }

    /// 488: this session description, not this call.
    pub fn not_acceptable_here() -> Refusal {
        Refusal::new(Status::NOT_ACCEPTABLE_HERE)
    }

    /// 491: an offer of ours is under way (RFC 3261 §14.2).
    pub fn request_pending() -> Refusal {
        Refusal::new(Status::REQUEST_PENDING)
    }

    /// 500. Only with `retry_after` may the peer try again (RFC 3261 §21.5.1).
    pub fn server_error(retry_after: Option<Duration>) -> Refusal {
        let refusal = Refusal::new(Status::SERVER_INTERNAL_ERROR);
        match retry_after {
            Some(wait) => refusal.with(HeaderName::RetryAfter, wait.as_secs().to_string()),
            None => refusal,
        }
    }

    /// 503, for overload only, and when to try again. Providers take a line that says so out of service.
    pub fn service_unavailable(retry_after: Duration) -> Refusal {
        Refusal::new(Status::SERVICE_UNAVAILABLE).with(HeaderName::RetryAfter, retry_after.as_secs().to_string())
    }

    /// 603: a person said no.
    pub fn declined() -> Refusal {
        Refusal::new(Status::DECLINE)
    }

    /// The code.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What stands behind the code.
    pub fn phrase(&self) -> &str {
        self.phrase.as_deref().unwrap_or_else(|| self.status.phrase())
    }

    /// The headers that belong to it, in the order in which they were given.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_ref()))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.phrase())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_will_be_sent() {
        let overload = Refusal::service_unavailable(Duration::from_secs(30));
        assert_eq!(overload.to_string(), "503 Service Unavailable");
        assert_eq!(overload.headers().collect::<Vec<_>>(), [(HeaderName::RetryAfter, "30")]);
        let short = Refusal::session_interval_too_small(Duration::from_secs(90));
        assert_eq!(short.headers().collect::<Vec<_>>(), [(HeaderName::MinSe, "90")]);
        assert_eq!(Refusal::bad_request("Missing Contact").to_string(), "400 Missing Contact");
        assert_eq!(Refusal::server_error(None).headers().count(), 0);
    }
}
