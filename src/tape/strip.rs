//! What is left of a message on a tape: what it means, without what only finds its way or proves who sent it.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::io::Write as _;

use smallvec::SmallVec;

use crate::clock::Instant;
use crate::sip::HeaderName;

/// Begins an entry.
pub const ENTRY: char = '\u{1e}';
/// Begins the body of a message.
pub const BODY: char = '\u{1d}';

/// A name that is only compared.
pub fn mark(bytes: &[u8]) -> u64 {
    foldhash::fast::FixedState::with_seed(0x7a9e).hash_one(bytes)
}

/// Towards whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Inward,
    Outward,
}

/// A message, taken apart once, as far as a tape looks into it.
pub(super) struct Stripped<'a> {
    start: &'a [u8],
    /// Of a response.
    status: Option<u16>,
    /// Of the request, or of the one that the response answers.
    method: &'a [u8],
    lines: SmallVec<[HeaderLine<'a>; 24]>,
    pub(super) body: &'a [u8],
}

impl<'a> Stripped<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Stripped<'a> {
        let mut ends = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1);
        let mut from = ends.next().unwrap_or(bytes.len());
        let start = bytes[..from].trim_ascii();
        let mut lines: SmallVec<[HeaderLine<'a>; 24]> = SmallVec::new();
        let mut body = &bytes[bytes.len()..];
        for end in ends {
            let line = &bytes[from..end];
            if line == b"\r\n" {
                body = &bytes[end..];
                break;
            }
            // A line goes on where the next one begins with a blank (RFC 3261 §7.3.1).
            if !matches!(bytes.get(end), Some(b' ' | b'\t')) {
                lines.push(HeaderLine::read(line));
                from = end;
            }
        }
        let status = start.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let method = match status {
            None => start.split(|byte| *byte == b' ').next(),
            Some(_) => {
                let cseq = lines.iter().find(|line| line.name == HeaderName::CSeq).map(|line| line.value);
                cseq.and_then(|value| value.rsplit(|byte| *byte == b' ').next())
            }
        };
        Stripped { start, status, method: method.unwrap_or_default(), lines, body }
    }

    /// As a line of a ladder names it: `INVITE`, `200 INVITE`.
    pub(super) fn name(&self) -> String {
        let method = String::from_utf8_lossy(self.method).into_owned();
        self.status.map_or(method.clone(), |status| format!("{status} {method}"))
    }

    /// True for an ACK.
    pub(super) fn is_ack(&self) -> bool {
        self.start.starts_with(b"ACK ")
    }

    /// Since when, after this message, an INVITE of theirs or ours waits for its answer, or a refusal for its ACK.
    pub(super) fn follow_invite(
        &self,
        way: Way,
        now: Instant,
        theirs: &mut Option<Instant>,
        ours: &mut Option<Instant>,
    ) {
        let is_invite = self.method == b"INVITE";
        match (way, self.status) {
            (Way::Inward, None) if self.start.starts_with(b"INVITE ") => *theirs = Some(now),
            (Way::Inward, None) if self.is_ack() => *theirs = None,
            (Way::Outward, None) if self.start.starts_with(b"INVITE ") => *ours = Some(now),
            (Way::Outward, Some(200..300)) if is_invite => *theirs = None,
            (Way::Outward, Some(300..)) if is_invite => *theirs = Some(now),
            (Way::Inward, Some(200..)) if is_invite => *ours = None,
            _ => {}
        }
    }

    /// The tags of the dialog: the first of each side. Further ones of theirs belong to other phones behind a trunk.
    pub(super) fn follow_tags(&self, way: Way, names: &mut [Box<str>; 3]) {
        // What a refusal is tagged with names no dialog.
        let refuses = self.status.is_some_and(|status| status >= 300);
        if names[1..].iter().all(|name| !name.is_empty()) || refuses || self.method == b"CANCEL" {
            return;
        }
        let (theirs, ours) = self.tags(way);
        for (place, tag) in [(1, theirs), (2, ours)] {
            if let Some(tag) = tag.filter(|_| names[place].is_empty()) {
                names[place] = String::from_utf8_lossy(tag).into();
            }
        }
    }

    /// Their tag and ours.
    fn tags(&self, way: Way) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let tag = |name| self.lines.iter().find(|line| line.name == name).and_then(|line| tag_of(line.value));
        let (from, to) = (tag(HeaderName::From), tag(HeaderName::To));
        if (way == Way::Inward) == self.status.is_none() { (from, to) } else { (to, from) }
    }

    /// Writes what is kept: the first line, then the headers.
    pub(super) fn write(&self, way: Way, names: &[Box<str>; 3], refused: &mut SmallVec<[u64; 2]>, out: &mut Vec<u8>) {
        let authorised =
            |line: &HeaderLine<'_>| matches!(line.name, HeaderName::Authorization | HeaderName::ProxyAuthorization);
        if self.lines.iter().any(authorised) {
            out.extend_from_slice(b" authorised");
        }
        out.push(b'\n');
        match self.status {
            Some(status) => {
                put_number(status, out);
                out.push(b' ');
                put(out, self.method);
            }
            None => put(out, self.start.strip_suffix(b" SIP/2.0").unwrap_or(self.start)),
        }
        let addressed = self.is_addressed(way, names, refused);
        for line in &self.lines {
            let kept = match keeps(line.name, way) {
                Kept::Never => false,
                Kept::Always => true,
                Kept::Address => addressed,
                Kept::Challenge => {
                    line.write_challenge(out);
                    false
                }
            };
            if kept {
                line.write(line.value, out);
            }
        }
    }

    /// True where From and To say something: where a dialog begins, or where they are not those of the dialog.
    fn is_addressed(&self, way: Way, names: &[Box<str>; 3], refused: &mut SmallVec<[u64; 2]>) -> bool {
        let (theirs, ours) = self.tags(way);
        let is = |tag: Option<&[u8]>, place: usize| tag.is_none_or(|tag| tag == names[place].as_bytes());
        match (way, self.status, self.method) {
            (_, None, b"CANCEL") => false,
            (Way::Inward, None, method) => {
                let refusal = || method == b"ACK" && ours.is_some_and(|tag| refused.contains(&mark(tag)));
                ours.is_none() || !is(theirs, 1) || !(is(ours, 2) || refusal())
            }
            (Way::Outward, None, b"ACK") => false,
            (Way::Outward, None, _) => theirs.is_none() || !is(theirs, 1),
            (Way::Inward, Some(101..300), b"INVITE") => !is(theirs, 1),
            (Way::Outward, Some(300..), b"INVITE") => {
                refused.extend(ours.map(mark));
                false
            }
            _ => false,
        }
    }
}

#[derive(Clone, Copy)]
struct HeaderLine<'a> {
    name: HeaderName,
    spelling: &'a [u8],
    value: &'a [u8],
}

impl<'a> HeaderLine<'a> {
    fn read(line: &'a [u8]) -> HeaderLine<'a> {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let spelling = line[..colon].trim_ascii();
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        HeaderLine { name: HeaderName::read(spelling), spelling, value }
    }

    fn write(&self, value: &[u8], out: &mut Vec<u8>) {
        out.push(b'\n');
        match self.name {
            HeaderName::Other => put(out, self.spelling),
            name => out.extend_from_slice(name.as_str().as_bytes()),
        }
        out.extend_from_slice(b": ");
        put(out, value);
    }

    /// Of a challenge only what must be known to answer it; the nonce is nobody's business.
    fn write_challenge(&self, out: &mut Vec<u8>) {
        let Ok(auth) = crate::sip::header::Auth::read(self.value) else { return };
        let nonce = auth.params().flatten().find(|(name, _)| *name == "nonce").map_or(&b""[..], |(_, text)| text);
        let mut value = format!("Digest nonce=\"redacted-{:08x}\"", mark(nonce) as u32).into_bytes();
        for (name, text) in auth.params().flatten() {
            if matches!(name, "realm" | "algorithm" | "qop" | "stale") {
                let quote = if matches!(name, "realm" | "qop") { "\"" } else { "" };
                let _ = write!(value, ", {name}={quote}{}{quote}", String::from_utf8_lossy(text));
            }
        }
        self.write(&value, out);
    }
}

enum Kept {
    Never,
    Always,
    /// From and To: once for each dialog.
    Address,
    Challenge,
}

fn keeps(name: HeaderName, way: Way) -> Kept {
    use HeaderName::*;
    match (name, way) {
        (From | To, _) => Kept::Address,
        (WwwAuthenticate | ProxyAuthenticate, Way::Inward) => Kept::Challenge,
        // How it found its way, who proved to be who, and what says nothing about the call.
        (Via | CallId | CSeq | ContentLength | Route | Date | Timestamp | UserAgent | Server | Organization, _)
        | (
            Authorization | ProxyAuthorization | AuthenticationInfo | WwwAuthenticate | ProxyAuthenticate | Identity,
            _,
        ) => Kept::Never,
        // We say these the same in every message, or by chance.
        (Contact | Allow | Accept | AllowEvents | RecordRoute | RetryAfter, Way::Outward) => Kept::Never,
        _ => Kept::Always,
    }
}

/// The tag of a From or To value.
fn tag_of(value: &[u8]) -> Option<&[u8]> {
    let from = memchr::memrchr(b'>', value).unwrap_or(0);
    let at = memchr::memmem::find(&value[from..], b";tag=")? + from + 5;
    let end = value[at..].iter().position(|byte| matches!(byte, b';' | b' ')).map_or(value.len(), |end| at + end);
    Some(&value[at..end])
}

/// A number, without the way of `write!` through its formatter: several stand in each entry.
pub(super) fn put_number(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Text of the wire as the strip takes it: one line, and no sign that would begin something.
fn put(out: &mut Vec<u8>, text: &[u8]) {
    let from = out.len();
    out.extend_from_slice(text);
    out[from..].iter_mut().filter(|byte| **byte < b' ').for_each(|byte| *byte = b' ');
}

/// A session stands on the strip once; after that only its number is written. What we make of a session of the other side
/// (our address in place of theirs) is the same session.
pub(super) fn write_body(way: Way, kept: &[u8], sessions: &mut Vec<[u64; 2]>, out: &mut Vec<u8>) {
    if kept.is_empty() {
        return;
    }
    out.push(BODY as u8);
    let marks = [mark(kept), mark(&without_addresses(kept))];
    let known = sessions.iter().rposition(|known| match way {
        Way::Inward => known[0] == marks[0],
        Way::Outward => known[1] == marks[1],
    });
    put_number(known.unwrap_or(sessions.len()), out);
    if known.is_none() {
        sessions.push(marks);
        out.push(b'\n');
        let from = out.len();
        out.extend_from_slice(kept);
        out[from..].iter_mut().filter(|byte| matches!(byte, 0x1d | 0x1e)).for_each(|byte| *byte = b' ');
    }
}

/// A session without keys: nobody who reads a tape can listen to anything. With `pin`, a digit that INFO says is another.
pub(super) fn redacted(body: &[u8], pin: bool) -> Cow<'_, [u8]> {
    let is_ours = memchr::memchr_iter(b'\n', body).all(|at| body[..at].ends_with(b"\r"));
    if is_ours && !pin && !lines(body).any(is_secret) {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::with_capacity(body.len());
    for line in lines(body) {
        if pin && let Some(name) = digit_in(line) {
            out.extend_from_slice(name);
            out.extend_from_slice(b"0\r\n");
            continue;
        }
        if let Some(at) = line.starts_with(CRYPTO).then(|| memchr::memmem::find(line, b"inline:")).flatten() {
            out.extend_from_slice(&line[..at]);
            out.extend_from_slice(b"inline:redacted");
        } else if let Some(secret) = SECRETS.iter().find(|secret| line.starts_with(secret)) {
            out.extend_from_slice(secret);
            out.extend_from_slice(b"redacted");
        } else {
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b"\r\n");
    }
    // The last line ends too, so that nothing but its end comes after it.
    out.truncate(out.len() - 2);
    Cow::Owned(out)
}

/// The lines of a body, without their ends; what follows the last end is one too.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
    ends.map(move |end| {
        let line = &body[from..end];
        from = end + 1;
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

fn is_secret(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'a' | b'k'))
        && (line.starts_with(CRYPTO) || SECRETS.iter().any(|secret| line.starts_with(secret)))
}

/// A line of `application/dtmf-relay` or all of `application/dtmf` that says a digit: what stands before it.
fn digit_in(line: &[u8]) -> Option<&[u8]> {
    let value = line.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
    let (name, digit) = line.split_at(value);
    let is_key = name.is_empty() || name.trim_ascii().to_ascii_lowercase().starts_with(b"signal");
    matches!(digit.trim_ascii(), [b'0'..=b'9']).then_some(name).filter(|_| is_key)
}

const CRYPTO: &[u8] = b"a=crypto:";

const SECRETS: [&[u8]; 5] = [b"a=ice-pwd:", b"a=fingerprint:", b"a=key-mgmt:", b"k=", b"a=tls-id:"];

/// What of a session does not depend on where its media is sent.
pub fn without_addresses(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in lines(body) {
        if line.is_empty() || line.starts_with(b"o=") || line.starts_with(b"c=") || line.starts_with(b"a=rtcp:") {
            continue;
        }
        match line.strip_prefix(b"m=") {
            Some(media) => {
                // `m=audio 4000 RTP/AVP 0`: a port of 0 means that this media is refused, which is no address.
                let mut words = media.splitn(3, |byte| *byte == b' ');
                let (kind, port) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                out.extend_from_slice(kind);
                out.extend_from_slice(if port == b"0" { b" 0 " } else { b" 1 " });
                out.extend_from_slice(words.next().unwrap_or_default());
            }
            None => out.extend_from_slice(line),
        }
        out.push(b'\n');
    }
    out
}
