//! A SIP message that was read and understood: its first line, its headers, its body, and the essentials.

use std::borrow::Cow;

use bytes::Bytes;

use super::head::{Head, Span};
use super::header::{CSeq, ContentType, NameAddr, Via};
use super::lex::{Params, ascii};
use super::method::Method;
use super::multipart::handling;
use super::name::HeaderName;
use super::status::Status;
use super::uri::{Host, UriRef};
use super::uri_parts::Parts;

/// A request or a response. It owns its bytes; cloning it copies no text.
///
/// Whoever has one need not ask whether there is a Via, a From, a To, a Call-ID or a CSeq, nor whether a header that may
/// come once came twice: that was settled when it was read.
#[derive(Clone)]
pub struct Message {
    pub(super) head: Head,
    pub(super) start: StartLine,
    pub(super) essentials: Essentials,
    pub(super) body: Span,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum StartLine {
    Request { name: Span, uri: Span, parts: Parts },
    Response { status: Status, reason: Span },
}

/// What every message says, found once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Essentials {
    pub(super) method: Method,
    pub(super) cseq: u32,
    pub(super) cseq_name: Span,
    pub(super) call_id: Span,
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) via: Hop,
    pub(super) max_forwards: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Address {
    display: Span,
    uri: Span,
    parts: Parts,
    params: Span,
    tag: Span,
}

impl Address {
    pub(super) fn of(whole: &[u8], read: &NameAddr<'_>) -> Address {
        Address {
            display: span_or_none(whole, read.raw_display),
            uri: Span::of(whole, read.uri.as_str().as_bytes()),
            parts: read.uri.parts(),
            params: span_or_none(whole, read.params.as_bytes()),
            tag: span_or_none(whole, read.tag().unwrap_or_default().as_bytes()),
        }
    }

    fn read(self, bytes: &[u8]) -> NameAddr<'_> {
        NameAddr {
            raw_display: self.display.read(bytes),
            uri: UriRef::from_parts(ascii(self.uri.read(bytes)), self.parts),
            params: Params::checked(self.params.read(bytes)),
        }
    }

    fn tag(self, bytes: &[u8]) -> Option<&str> {
        Some(ascii(self.tag.read(bytes))).filter(|tag| !tag.is_empty())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    transport: Span,
    host: Option<std::net::IpAddr>,
    name: Span,
    port: Option<u16>,
    params: Span,
    branch: Span,
}

impl Hop {
    pub(super) fn of(whole: &[u8], read: &Via<'_>) -> Hop {
        let (host, name) = match read.host {
            Host::Ip(ip) => (Some(ip), Span::default()),
            Host::Name(name) => (None, Span::of(whole, name.as_bytes())),
        };
        Hop {
            transport: Span::of(whole, read.transport.as_bytes()),
            host,
            name,
            port: read.port,
            params: span_or_none(whole, read.params.as_bytes()),
            branch: span_or_none(whole, read.branch().unwrap_or_default().as_bytes()),
        }
    }

    fn read(self, bytes: &[u8]) -> Via<'_> {
        Via {
            transport: ascii(self.transport.read(bytes)),
            host: self.host.map_or(Host::Name(ascii(self.name.read(bytes))), Host::Ip),
            port: self.port,
            params: Params::checked(self.params.read(bytes)),
        }
    }
}

/// An empty slice may stand anywhere.
fn span_or_none(whole: &[u8], part: &[u8]) -> Span {
    if part.is_empty() { Span::default() } else { Span::of(whole, part) }
}

/// The first line of a message.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// What is asked.
        method: Method,
        /// Of whom.
        uri: UriRef<'a>,
    },
    /// A status line.
    Response {
        /// The code.
        status: Status,
        /// The phrase as it came; may be empty, and anything but UTF-8.
        reason: &'a [u8],
    },
}

impl Message {
    /// The first line.
    pub fn start(&self) -> Start<'_> {
        match self.start {
            StartLine::Request { uri, parts, .. } => Start::Request {
                method: self.essentials.method,
                uri: UriRef::from_parts(ascii(uri.read(&self.head.bytes)), parts),
            },
            StartLine::Response { status, reason } => Start::Response { status, reason: reason.read(&self.head.bytes) },
        }
    }

    /// True for requests.
    pub fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The Request-URI of a request.
    pub fn request_uri(&self) -> Option<UriRef<'_>> {
        match self.start() {
            Start::Request { uri, .. } => Some(uri),
            Start::Response { .. } => None,
        }
    }

    /// The status of a response.
    pub fn status(&self) -> Option<Status> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The method of a request; for a response, the method it answers.
    pub fn method(&self) -> Method {
        self.essentials.method
    }

    /// The method as it stands in the message, also where it is none we know.
    pub fn method_name(&self) -> &str {
        match self.start {
            StartLine::Request { name, .. } => ascii(name.read(&self.head.bytes)),
            StartLine::Response { .. } => ascii(self.essentials.cseq_name.read(&self.head.bytes)),
        }
    }

    /// The Call-ID: printable ASCII, case counts.
    pub fn call_id(&self) -> &str {
        ascii(self.essentials.call_id.read(&self.head.bytes))
    }

    /// The CSeq.
    pub fn cseq(&self) -> CSeq<'_> {
        let name = ascii(self.essentials.cseq_name.read(&self.head.bytes));
        CSeq { number: self.essentials.cseq, method: self.essentials.method, method_name: name }
    }

    /// Who sends the request.
    pub fn from(&self) -> NameAddr<'_> {
        self.essentials.from.read(&self.head.bytes)
    }

    /// The From tag; clients of RFC 2543 send none.
    pub fn from_tag(&self) -> Option<&str> {
        self.essentials.from.tag(&self.head.bytes)
    }

    /// Whom the request was first meant for.
    pub fn to(&self) -> NameAddr<'_> {
        self.essentials.to.read(&self.head.bytes)
    }

    /// The To tag: there once a dialog begins.
    pub fn to_tag(&self) -> Option<&str> {
        self.essentials.to.tag(&self.head.bytes)
    }

    /// The topmost Via.
    pub fn via(&self) -> Via<'_> {
        self.essentials.via.read(&self.head.bytes)
    }

    /// The branch of the topmost Via, where there is one; see [`Via::unique_branch`].
    pub fn branch(&self) -> Option<&str> {
        Some(ascii(self.essentials.via.branch.read(&self.head.bytes))).filter(|branch| !branch.is_empty())
    }

    /// Max-Forwards, where it is there.
    pub fn max_forwards(&self) -> Option<u8> {
        self.essentials.max_forwards
    }

    /// True where the header is there, even if its value is empty.
    pub fn has(&self, name: HeaderName) -> bool {
        self.head.has(name)
    }

    /// The value of the first line of this name, trimmed and with folds joined. Bytes, because people's names come in
    /// Latin-1 too.
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.head.header(name)
    }

    /// The values of all lines of this name, from top to bottom, lists unparted.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.head.headers(name)
    }

    /// The elements of all lines of this name, parted at commas outside quotes and `<>`.
    ///
    /// Not for headers whose commas mean something else: Authorization and its siblings, Date, Subject.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.head.values(name)
    }

    /// The value of the first line whose name is spelled so, without case: for headers that [`HeaderName`] does not list.
    pub fn header_named(&self, name: &str) -> Option<&[u8]> {
        let is = |spelling: Span| spelling.read(&self.head.bytes).eq_ignore_ascii_case(name.as_bytes());
        self.head.lines.iter().find(|line| is(line.spelling)).map(|line| line.value.read(&self.head.bytes))
    }

    /// Every header line in its order: name, spelling, value.
    pub fn lines(&self) -> impl Iterator<Item = (HeaderName, &str, &[u8])> {
        let bytes = &self.head.bytes;
        self.head.lines.iter().map(|line| (line.name, ascii(line.spelling.read(bytes)), line.value.read(bytes)))
    }

    /// True where a list of tokens (Require, Supported, Allow, Proxy-Require) has `token`, without case.
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The addresses of a header of lists of addresses (Contact, Route, Record-Route, Path, P-Asserted-Identity,
    /// Diversion), from top to bottom. Those that cannot be read are left out; in a request, a Contact, Route or
    /// Record-Route that cannot be read was refused at the door. A Contact of `*` is left out, see [`Message::is_star`].
    pub fn addresses(&self, name: HeaderName) -> impl Iterator<Item = NameAddr<'_>> {
        self.values(name).filter_map(|value| NameAddr::read(value).ok())
    }

    /// The first of [`Message::addresses`].
    pub fn address(&self, name: HeaderName) -> Option<NameAddr<'_>> {
        self.addresses(name).next()
    }

    /// True where one Contact is `*`: all bindings are meant (RFC 3261 §10.2.2).
    pub fn is_star(&self) -> bool {
        self.values(HeaderName::Contact).any(|value| value == b"*")
    }

    /// The body: what Content-Length covers, or the rest of the datagram where there is no Content-Length.
    pub fn body(&self) -> &[u8] {
        self.body.read(&self.head.bytes)
    }

    /// The body, sharing the message's memory.
    pub fn body_bytes(&self) -> Bytes {
        let from = self.body.at();
        self.head.bytes.slice(from..from + self.body().len())
    }

    /// The Content-Type, where it is there and readable.
    pub fn content_type(&self) -> Option<ContentType<'_>> {
        ContentType::read(self.header(HeaderName::ContentType)?).ok()
    }

    /// The `application/sdp` of the body: the body itself, or the first such part of a multipart body (RFC 5621), nested
    /// ones too, four deep. `None` where there is none, or where it is encoded as anything but text.
    pub fn sdp(&self) -> Option<&[u8]> {
        super::multipart::sdp(self.content_type()?, self.body(), 4)
    }

    /// True where nothing in the body has to be understood that is not: it is a session description, or holds one, or is
    /// empty; what stands beside may be passed over unless it says `handling=required`, and what says
    /// `handling=optional` always (RFC 3261 §20.11, RFC 5621 §5).
    pub fn is_body_known(&self) -> bool {
        let plain = self.header(HeaderName::ContentEncoding).is_none_or(|code| code.eq_ignore_ascii_case(b"identity"));
        let optional = self.header(HeaderName::ContentDisposition).is_some_and(|said| handling(said, "optional"));
        let known = || self.content_type().is_some_and(|kind| super::multipart::is_known(kind, self.body(), 4));
        self.body().is_empty() || optional || (plain && known())
    }

    /// The bytes as they came: head and body, without what followed them in the datagram. Folded lines are joined.
    pub fn bytes(&self) -> &Bytes {
        &self.head.bytes
    }

    /// The whole message for people, with bytes that are not UTF-8 replaced.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.head.bytes)
    }
}

impl std::fmt::Debug for Message {
    /// The first line and the Call-ID.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = String::from_utf8_lossy(self.head.start.read(&self.head.bytes));
        write!(f, "{first:?}, Call-ID {}", self.call_id())
    }
}
