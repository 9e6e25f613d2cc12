//! Reads one message from bytes, once: finds its lines, reads the essentials, and refuses what nobody could act on.
//!
//! The reader is strict where two readings are possible (line ends, the first line, single-value headers, framing),
//! because a guess is how requests are smuggled, and lenient where phones are (display names, parameters, users).

use bytes::Bytes;

use super::fault::Fault;
use super::head::{Head, MAX_HOPS, MAX_MESSAGE, Span};
use super::header::{self, CSeq, NameAddr, Via};
use super::lex::{Unreadable, is_token};
use super::malformed::Malformed;
use super::message::{Address, Essentials, Hop, Message, StartLine};
use super::method::Method;
use super::name::HeaderName;
use super::status::Status;
use super::uri::{Scheme, UriRef};

type Found<T> = Result<T, (Fault, usize)>;

impl Message {
    /// Reads one message: a datagram, or what a `Framer` cut from a stream.
    ///
    /// Line breaks before it are passed over (RFC 3261 §7.5), bytes behind Content-Length are dropped (§18.3); without
    /// Content-Length the body is the rest. At most [`MAX_MESSAGE`] bytes.
    pub fn parse(mut bytes: Bytes) -> Result<Message, Malformed> {
        let breaks = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if breaks > 0 {
            bytes = bytes.split_off(breaks);
        }
        let length = bytes.len();
        let (mut head, index) = Head::read(bytes);
        let found = match index {
            _ if length == 0 => Err((Fault::Empty, 0)),
            _ if length > MAX_MESSAGE => Err((Fault::TooLarge, MAX_MESSAGE)),
            Err(fault) => start_line(&head).and(Err(fault)),
            Ok(()) => understand(&head),
        };
        match found {
            Ok((start, essentials, body)) => {
                head.bytes.truncate(body.at() + body.read(&head.bytes).len());
                Ok(Message { head, start, essentials, body })
            }
            Err((fault, at)) => Err(Malformed::new(fault, breaks + at, head)),
        }
    }
}

fn understand(head: &Head) -> Found<(StartLine, Essentials, Span)> {
    let start = start_line(head)?;
    if let Some((name, at)) = head.doubled {
        let fault = if name == HeaderName::ContentLength { lengths(head) } else { Fault::Doubled(name) };
        return Err((fault, usize::from(at)));
    }
    let essentials = essentials(head, &start)?;
    if let StartLine::Request { .. } = start {
        addresses(head, HeaderName::Contact, MAX_HOPS)?;
        addresses(head, HeaderName::Route, MAX_HOPS)?;
        addresses(head, HeaderName::RecordRoute, MAX_HOPS)?;
        addresses(head, HeaderName::Path, MAX_HOPS)?;
    }
    Ok((start, essentials, body(head)?))
}

/// Two equal Content-Lengths are doubled, two different ones are worse: the end of the message is in doubt.
fn lengths(head: &Head) -> Fault {
    let mut values = head.headers(HeaderName::ContentLength).map(|value| header::content_length(value).ok());
    match values.next() {
        Some(first) if values.all(|value| value == first) => Fault::Doubled(HeaderName::ContentLength),
        _ => Fault::LengthsDiffer,
    }
}

/// `Method SP Request-URI SP SIP/2.0` or `SIP/2.0 SP 486 SP phrase` (RFC 3261 §7.1, §7.2), with exactly these spaces.
fn start_line(head: &Head) -> Found<StartLine> {
    let line = head.start.read(&head.bytes);
    let at = head.start.at();
    if line.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(head, line);
    }
    let (Some(first), Some(last)) = (memchr::memchr(b' ', line), memchr::memrchr(b' ', line)) else {
        return Err((Fault::StartLine, at));
    };
    let (name, version) = (&line[..first], &line[last + 1..]);
    if name.is_empty() || !name.iter().copied().all(is_token) || first == last {
        return Err((Fault::StartLine, at));
    }
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        let is_version = version.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case(b"SIP/"));
        return Err((if is_version { Fault::Version } else { Fault::StartLine }, at + last + 1));
    }
    let text = &line[first + 1..last];
    let uri = UriRef::parse(text).map_err(|inside| (Fault::RequestUri, at + first + 1 + inside.at))?;
    if uri.scheme() == Scheme::Other {
        return Err((Fault::Scheme, at + first + 1));
    }
    // RFC 3261 §19.1.1, table 1: a Request-URI has no headers.
    if !uri.headers().is_empty() {
        return Err((Fault::RequestUri, at + last - uri.headers().len()));
    }
    let uri_span = Span::of(&head.bytes, text);
    Ok(StartLine::Request { name: Span::of(&head.bytes, name), uri: uri_span, parts: uri.parts() })
}

fn status_line(head: &Head, line: &[u8]) -> Found<StartLine> {
    let fault = (Fault::StartLine, head.start.at());
    let rest = match line.get(..8) {
        Some(version) if version.eq_ignore_ascii_case(b"SIP/2.0 ") => &line[8..],
        _ => return Err((Fault::Version, head.start.at())),
    };
    let (digits, reason) = match rest {
        [a, b, c] => ([a, b, c], &b""[..]),
        // The space behind the code may be missing only where nothing follows.
        [a, b, c, b' ', reason @ ..] => ([a, b, c], reason),
        _ => return Err(fault),
    };
    if !digits.iter().all(|digit| digit.is_ascii_digit()) {
        return Err(fault);
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'));
    let status = Status::new(code).ok_or(fault)?;
    let reason = if reason.is_empty() { Span::default() } else { Span::of(&head.bytes, reason) };
    Ok(StartLine::Response { status, reason })
}

fn essentials(head: &Head, start: &StartLine) -> Found<Essentials> {
    let via = top_via(head)?;
    let from = address(head, HeaderName::From)?;
    let to = address(head, HeaderName::To)?;
    let call_id = required(head, HeaderName::CallId)?;
    let text = call_id.read(&head.bytes);
    if text.is_empty() || !text.iter().all(u8::is_ascii_graphic) {
        return Err((Fault::Unreadable(HeaderName::CallId), call_id.at()));
    }
    let cseq_at = required(head, HeaderName::CSeq)?;
    let cseq = CSeq::read(cseq_at.read(&head.bytes)).map_err(|inside| within(HeaderName::CSeq, cseq_at, inside))?;
    let method = match start {
        StartLine::Request { name, .. } if name.read(&head.bytes) != cseq.method_name.as_bytes() => {
            return Err((Fault::OtherMethod, cseq_at.at()));
        }
        StartLine::Request { name, .. } => Method::read(name.read(&head.bytes)),
        StartLine::Response { .. } => cseq.method,
    };
    let max_forwards = match head.find(HeaderName::MaxForwards) {
        None => None,
        Some(span) => {
            let value = header::max_forwards(span.read(&head.bytes));
            Some(value.map_err(|inside| within(HeaderName::MaxForwards, span, inside))?)
        }
    };
    let cseq_name = Span::of(&head.bytes, cseq.method_name.as_bytes());
    Ok(Essentials { method, cseq: cseq.number, cseq_name, call_id, from, to, via, max_forwards })
}

fn required(head: &Head, name: HeaderName) -> Found<Span> {
    head.find(name).ok_or((Fault::Missing(name), usize::from(head.body)))
}

fn within(name: HeaderName, value: Span, inside: Unreadable) -> (Fault, usize) {
    (Fault::Unreadable(name), value.at() + inside.at)
}

fn address(head: &Head, name: HeaderName) -> Found<Address> {
    let span = required(head, name)?;
    let read = NameAddr::read(span.read(&head.bytes)).map_err(|inside| within(name, span, inside))?;
    // A tag is a token; an empty one would make every dialog look like the same.
    let tag = read.params.bytes("tag");
    if tag.is_some_and(|tag| tag.is_empty() || !tag.iter().all(u8::is_ascii_graphic)) {
        return Err((Fault::Unreadable(name), span.at()));
    }
    Ok(Address::of(&head.bytes, &read))
}

/// The topmost Via is read, the others are counted: only whoever comes back to them reads them.
fn top_via(head: &Head) -> Found<Hop> {
    let span = required(head, HeaderName::Via)?;
    let mut values = head.values(HeaderName::Via);
    let top = values.next().ok_or((Fault::Unreadable(HeaderName::Via), span.at()))?;
    let read = Via::read(top).map_err(|inside| within(HeaderName::Via, Span::of(&head.bytes, top), inside))?;
    if values.count() >= MAX_HOPS {
        return Err((Fault::TooManyVias, span.at()));
    }
    Ok(Hop::of(&head.bytes, &read))
}

fn addresses(head: &Head, name: HeaderName, most: usize) -> Found<()> {
    let mut count = 0;
    for value in head.values(name) {
        let at = Span::of(&head.bytes, value);
        count += 1;
        if count > most {
            return Err((Fault::TooManyRoutes, at.at()));
        }
        let is_star = name == HeaderName::Contact && value == b"*";
        if let (false, Err(inside)) = (is_star, NameAddr::read(value)) {
            return Err(within(name, at, inside));
        }
    }
    Ok(())
}

fn body(head: &Head) -> Found<Span> {
    let from = usize::from(head.body);
    let rest = head.bytes.len() - from;
    let Some(span) = head.find(HeaderName::ContentLength) else {
        return Ok(Span::new(from, from + rest));
    };
    let length = header::content_length(span.read(&head.bytes));
    let length = length.map_err(|inside| within(HeaderName::ContentLength, span, inside))? as usize;
    if length > rest {
        return Err((Fault::BodyCut, span.at()));
    }
    Ok(Span::new(from, from + length))
}
