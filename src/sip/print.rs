//! Writes messages: the only way by which text becomes SIP, and no value can smuggle a line into it.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use bytes::Bytes;

use super::head::Head;
use super::header::{NameAddr, Via};
use super::lex::{Elements, is_param_value, is_token};
use super::malformed::Malformed;
use super::message::Message;
use super::method::Method;
use super::name::HeaderName;
use super::status::Status;
use super::uri::Host;

/// A buffer that is used again for every message we write.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

/// A message being written, first line to body, in the order of the calls.
///
/// Whatever comes from elsewhere is cleaned on its way: a CR or LF becomes a space, so a value stays within its line.
#[derive(Debug)]
#[must_use = "a draft that is not finished is not sent"]
pub struct Draft<'w> {
    out: &'w mut Vec<u8>,
}

impl Writer {
    /// Begins a request: `INVITE sip:12@192.0.2.1 SIP/2.0`.
    pub fn request(&mut self, method: Method, uri: impl AsRef<[u8]>) -> Draft<'_> {
        self.out.clear();
        self.out.extend_from_slice(method.as_str().as_bytes());
        self.out.push(b' ');
        bare_uri(&mut self.out, uri.as_ref());
        self.out.extend_from_slice(b" SIP/2.0\r\n");
        Draft { out: &mut self.out }
    }

    /// Begins the response to `request` with the usual phrase; see [`Writer::respond`].
    pub fn reply(&mut self, request: &Message, status: Status, to_tag: &str, source: SocketAddr) -> Draft<'_> {
        self.respond(request, status, status.phrase(), to_tag, source)
    }

    /// Begins the response to `request` (RFC 3261 §8.2.6): status line, every Via, From, To, Call-ID, CSeq; for a 100 the
    /// Timestamp; for an answer above 100 that may make a dialog, the Record-Routes.
    ///
    /// `to_tag` goes to a To that has none; leave it empty for a 100. `source` is where the request came from: the top Via
    /// gets `received` and `rport` from it (RFC 3261 §18.2.1, RFC 3581 §4), whatever the sender wrote there.
    pub fn respond(
        &mut self,
        request: &Message,
        status: Status,
        phrase: &str,
        to_tag: &str,
        source: SocketAddr,
    ) -> Draft<'_> {
        let mut draft = self.status_line(status, phrase);
        draft.echo(&request.head, to_tag, source);
        if status == Status::TRYING {
            draft.copy(request, HeaderName::Timestamp);
        } else if status.class() < 3 && matches!(request.method(), Method::Invite | Method::Subscribe | Method::Refer) {
            draft.copy(request, HeaderName::RecordRoute);
        }
        draft
    }

    /// The whole answer to a message that was not understood; `None` where it is dropped. What could be read of it is
    /// echoed; Content-Length is 0.
    pub fn refuse(&mut self, malformed: &Malformed, to_tag: &str, source: SocketAddr) -> Option<Bytes> {
        let head = malformed.head()?;
        let mut draft = self.status_line(malformed.fault.status(), malformed.fault.phrase());
        draft.echo(head, to_tag, source);
        Some(draft.finish())
    }

    fn status_line(&mut self, status: Status, phrase: &str) -> Draft<'_> {
        self.out.clear();
        self.out.extend_from_slice(b"SIP/2.0 ");
        decimal(&mut self.out, u64::from(status.code()));
        self.out.push(b' ');
        clean(&mut self.out, phrase.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        Draft { out: &mut self.out }
    }
}

impl Draft<'_> {
    /// One header line with `value` as it is.
    pub fn header(&mut self, name: HeaderName, value: impl AsRef<[u8]>) -> &mut Self {
        self.header_with(name, |line| {
            line.text(value);
        })
    }

    /// One header line whose value is a number.
    pub fn number(&mut self, name: HeaderName, value: impl Into<u64>) -> &mut Self {
        self.header_with(name, |line| {
            line.number(value);
        })
    }

    /// One header line whose value `write` puts together.
    pub fn header_with(&mut self, name: HeaderName, write: impl FnOnce(&mut Value<'_>)) -> &mut Self {
        self.line(name.as_str(), write)
    }

    /// One header line of any name. Bytes that no header name has are left out.
    pub fn header_named(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.line(name, |line| {
            line.text(value);
        })
    }

    fn line(&mut self, name: &str, write: impl FnOnce(&mut Value<'_>)) -> &mut Self {
        only(self.out, name.as_bytes(), is_token);
        self.out.extend_from_slice(b": ");
        write(&mut Value { out: &mut *self.out });
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// `Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK…;rport`: our own Via, whose answers come to the source port.
    /// `branch` is written whole, cookie and all.
    pub fn via(&mut self, transport: &str, sent_by: Host<'_>, port: Option<u16>, branch: &str) -> &mut Self {
        self.header_with(HeaderName::Via, |line| {
            line.text("SIP/2.0/").text(transport).text(" ").host(sent_by, port);
            line.param("branch", branch).flag("rport");
        })
    }

    /// A line such as `From: "Ada" <sip:ada@example.com>;tag=1`. An empty display or tag is left out.
    pub fn name_addr(&mut self, name: HeaderName, display: &str, uri: impl AsRef<[u8]>, tag: &str) -> &mut Self {
        self.header_with(name, |line| {
            line.display(display).uri(uri);
            if !tag.is_empty() {
                line.param("tag", tag);
            }
        })
    }

    /// `CSeq: 1 INVITE`.
    pub fn cseq(&mut self, number: u32, method: Method) -> &mut Self {
        self.header_with(HeaderName::CSeq, |line| {
            line.number(number).text(" ").text(method.as_str());
        })
    }

    /// Every line of this name, in its order, as it came.
    pub fn copy(&mut self, from: &Message, name: HeaderName) -> &mut Self {
        for value in from.headers(name) {
            self.header(name, value);
        }
        self
    }

    /// Via, From, To, Call-ID and CSeq of a request, as its response carries them. Of a request that was not understood,
    /// whatever is there.
    fn echo(&mut self, request: &Head, to_tag: &str, source: SocketAddr) {
        self.echo_vias(request, source);
        if let Some(from) = request.header(HeaderName::From) {
            self.header(HeaderName::From, from);
        }
        if let Some(to) = request.header(HeaderName::To) {
            let untagged = NameAddr::read(to).is_ok_and(|to| !to.params.has("tag"));
            self.header_with(HeaderName::To, |line| {
                line.text(to);
                if untagged && !to_tag.is_empty() {
                    line.param("tag", to_tag);
                }
            });
        }
        for name in [HeaderName::CallId, HeaderName::CSeq] {
            if let Some(value) = request.header(name) {
                self.header(name, value);
            }
        }
    }

    /// The top Via by itself, because it is stamped, and only as far as it can be read: an answer whose Via nobody reads
    /// finds nobody. The others line by line as they came: parted at their commas, a line of nothing but commas would make
    /// an answer many times as large as its request.
    fn echo_vias(&mut self, request: &Head, source: SocketAddr) {
        let mut lines = request.headers(HeaderName::Via).skip_while(|line| line.is_empty());
        let mut vias = Elements::of(lines.next().unwrap_or_default());
        if let Some((top, text)) = vias.next().and_then(Via::leading) {
            self.header_with(HeaderName::Via, |line| stamp(line, text, &top, source));
        }
        for line in std::iter::once(vias.rest()).chain(lines).filter(|line| !line.is_empty()) {
            self.header(HeaderName::Via, line);
        }
    }

    /// Ends the message without a body.
    pub fn finish(&mut self) -> Bytes {
        self.out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        Bytes::copy_from_slice(self.out)
    }

    /// Ends the message with a body.
    pub fn finish_with(&mut self, content_type: &str, body: &[u8]) -> Bytes {
        self.header(HeaderName::ContentType, content_type);
        self.number(HeaderName::ContentLength, body.len() as u64);
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
        Bytes::copy_from_slice(self.out)
    }
}

/// The top Via of a request, with where it really came from.
fn stamp(line: &mut Value<'_>, raw: &[u8], via: &Via<'_>, source: SocketAddr) {
    let (said, ip) = (via.host.ip().map(|ip| ip.to_canonical()), source.ip().to_canonical());
    let (differs, wants_port) = (said != Some(ip), via.wants_rport());
    if !differs && !wants_port && !via.params.has("received") {
        line.text(raw);
        return;
    }
    line.text(&raw[..raw.len() - via.params.as_bytes().len()]);
    for (name, value) in via.params.iter() {
        if !name.eq_ignore_ascii_case("received") && !name.eq_ignore_ascii_case("rport") {
            line.text(";").text(name);
            if let Some(value) = value {
                line.text("=").text(value);
            }
        }
    }
    if differs || wants_port {
        write!(line, ";received={ip}").unwrap_or_default();
    }
    if wants_port {
        write!(line, ";rport={}", source.port()).unwrap_or_default();
    }
}

/// The value of a header line, put together piece by piece.
#[derive(Debug)]
pub struct Value<'w> {
    out: &'w mut Vec<u8>,
}

impl Value<'_> {
    /// Any text; CR and LF become spaces.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        clean(self.out, text.as_ref());
        self
    }

    /// A number in decimal digits.
    pub fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        decimal(self.out, number.into());
        self
    }

    /// A host and a port.
    pub fn host(&mut self, host: Host<'_>, port: Option<u16>) -> &mut Self {
        write!(self, "{host}").unwrap_or_default();
        if let Some(port) = port {
            self.text(":").number(port);
        }
        self
    }

    /// A display name in quotes, with a space behind it; nothing where it is empty. Control characters are left out.
    pub fn display(&mut self, name: &str) -> &mut Self {
        if !name.is_empty() {
            quote(self.out, name.as_bytes());
            self.out.push(b' ');
        }
        self
    }

    /// `<uri>`. Bytes that no URI has are left out.
    pub fn uri(&mut self, uri: impl AsRef<[u8]>) -> &mut Self {
        self.out.push(b'<');
        bare_uri(self.out, uri.as_ref());
        self.out.push(b'>');
        self
    }

    /// `;name=value`, the value in quotes where it needs them; the name alone where the value is empty.
    pub fn param(&mut self, name: &str, value: &str) -> &mut Self {
        self.flag(name);
        if !value.is_empty() {
            self.out.push(b'=');
            match value.bytes().all(is_param_value) {
                true => self.out.extend_from_slice(value.as_bytes()),
                false => quote(self.out, value.as_bytes()),
            }
        }
        self
    }

    /// `;name`.
    pub fn flag(&mut self, name: &str) -> &mut Self {
        self.out.push(b';');
        only(self.out, name.as_bytes(), is_token);
        self
    }
}

impl fmt::Write for Value<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        clean(self.out, text.as_bytes());
        Ok(())
    }
}

/// Nothing leaves through here that ends a line.
fn clean(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = memchr::memchr2(b'\r', b'\n', text) {
        out.extend_from_slice(&text[..at]);
        out.push(b' ');
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
}

fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..=31 | 127 => {}
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

fn bare_uri(out: &mut Vec<u8>, uri: &[u8]) {
    only(out, uri, |byte| byte > b' ' && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"'));
}

fn only(out: &mut Vec<u8>, text: &[u8], is: impl Fn(u8) -> bool) {
    match text.iter().all(|byte| is(*byte)) {
        true => out.extend_from_slice(text),
        false => out.extend(text.iter().copied().filter(|byte| is(*byte))),
    }
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::uri::Uri;

    const INVITE: &str = "INVITE sip:12@us SIP/2.0\r\n\
        Via: SIP/2.0/UDP 10.0.0.5:5080;rport;branch=z9hG4bK1;received=9.9.9.9, SIP/2.0/TCP b;branch=z9hG4bK2\r\n\
        v: SIP/2.0/UDP c\r\n\
        Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n\
        f: \"J\u{fc}rgen\"\r\n <sip:j@h>;tag=1\r\n\
        t: <sip:12@us>\r\n\
        i: call-1\r\n\
        CSeq: 7 INVITE\r\n\
        Timestamp: 54\r\n\
        l: 0\r\n\r\n";

    fn parse(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_response_repeats_the_request_and_says_where_it_came_from() {
        let source = "192.0.2.9:1024".parse().unwrap();
        let mut writer = Writer::default();
        let ringing = writer.reply(&parse(INVITE), Status::RINGING, "us1", source).finish();
        let expected = "SIP/2.0 180 Ringing\r\n\
            Via: SIP/2.0/UDP 10.0.0.5:5080;branch=z9hG4bK1;received=192.0.2.9;rport=1024\r\n\
            Via: SIP/2.0/TCP b;branch=z9hG4bK2\r\n\
            Via: SIP/2.0/UDP c\r\n\
            From: \"J\u{fc}rgen\"   <sip:j@h>;tag=1\r\n\
            To: <sip:12@us>;tag=us1\r\n\
            Call-ID: call-1\r\n\
            CSeq: 7 INVITE\r\n\
            Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(text(&ringing), expected);
        let trying = writer.reply(&parse(INVITE), Status::TRYING, "", source).finish();
        assert!(text(&trying).contains("\r\nTo: <sip:12@us>\r\n"));
        assert!(text(&trying).contains("\r\nTimestamp: 54\r\n"));
        assert!(!text(&trying).contains("Record-Route"));
        let busy = writer.reply(&parse(INVITE), Status::BUSY_HERE, "us1", source).finish();
        assert!(!text(&busy).contains("Record-Route"));
    }

    #[test]
    fn the_top_via_is_stamped_as_rfc_3261_and_3581_say() {
        for (via, source, expected) in [
            ("10.0.0.5;branch=z9hG4bK1", "10.0.0.5:5060", "10.0.0.5;branch=z9hG4bK1"),
            ("10.0.0.5;branch=z9hG4bK1", "10.0.0.6:5060", "10.0.0.5;branch=z9hG4bK1;received=10.0.0.6"),
            ("10.0.0.5;rport", "10.0.0.5:7", "10.0.0.5;received=10.0.0.5;rport=7"),
            ("10.0.0.5;received=6.6.6.6", "10.0.0.5:7", "10.0.0.5"),
            ("h.example;X=\"a;b\";RPORT=1", "[2001:db8::1]:7", "h.example;X=\"a;b\";received=2001:db8::1;rport=7"),
            ("10.0.0.5", "[::ffff:10.0.0.5]:5060", "10.0.0.5"),
        ] {
            let request = format!(
                "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: sip:a@h\r\nTo: sip:b@h\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
            );
            let answer = Writer::default().reply(&parse(&request), Status::OK, "t", source.parse().unwrap()).finish();
            let line = text(&answer).lines().nth(1).unwrap_or_default();
            assert_eq!(line, format!("Via: SIP/2.0/UDP {expected}"));
        }
    }

    #[test]
    fn a_request_is_written_in_the_order_of_the_calls() {
        let mut writer = Writer::default();
        let us = Host::Ip("192.0.2.1".parse().unwrap());
        let mut draft = writer.request(Method::Invite, Uri::sip("14", us, Some(5060)));
        draft.via("UDP", us, Some(5060), "z9hG4bKx").number(HeaderName::MaxForwards, 69u8);
        draft.name_addr(HeaderName::From, "Ada \"B\"", "sip:+49@us", "t1").name_addr(
            HeaderName::To,
            "",
            "sip:14@us",
            "",
        );
        draft.header(HeaderName::CallId, "c1").cseq(1, Method::Invite);
        draft.header_with(HeaderName::Contact, |line| {
            line.uri("sip:us").param("+sip.instance", "<urn:uuid:1>").param("ob", "").param("expires", "60");
        });
        let bytes = draft.finish_with("application/sdp", b"v=0\r\n");
        let expected = "INVITE sip:14@192.0.2.1:5060 SIP/2.0\r\n\
            Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport\r\n\
            Max-Forwards: 69\r\n\
            From: \"Ada \\\"B\\\"\" <sip:+49@us>;tag=t1\r\n\
            To: <sip:14@us>\r\n\
            Call-ID: c1\r\n\
            CSeq: 1 INVITE\r\n\
            Contact: <sip:us>;+sip.instance=\"<urn:uuid:1>\";ob;expires=60\r\n\
            Content-Type: application/sdp\r\n\
            Content-Length: 5\r\n\r\nv=0\r\n";
        assert_eq!(text(&bytes), expected);
        assert_eq!(parse(text(&bytes)).sdp(), Some(&b"v=0\r\n"[..]));
    }

    #[test]
    fn no_value_can_smuggle_a_line_in() {
        let evil = "x\r\nEvil: 1\n\rb";
        let mut writer = Writer::default();
        let mut draft = writer.request(Method::Invite, format!("sip:h {evil}"));
        draft.via(evil, Host::Name(evil), None, evil).name_addr(HeaderName::From, evil, evil, evil);
        draft.header(HeaderName::Subject, evil).header_named(evil, evil);
        draft.header_with(HeaderName::Contact, |line| {
            line.display(evil).uri(format!("sip:a>,<sip:b@{evil}")).param(evil, evil).flag(evil);
            write!(line, "{evil}").unwrap();
        });
        let bytes = draft.finish_with(evil, b"");
        let names: Vec<_> =
            text(&bytes).lines().skip(1).map(|line| line.split(':').next().unwrap_or_default()).collect();
        let expected = ["Via", "From", "Subject", "xEvil1b", "Contact", "Content-Type", "Content-Length", ""];
        assert_eq!(names, expected);
        assert!(text(&bytes).starts_with("INVITE sip:hxEvil:1b SIP/2.0\r\n"));
        assert!(text(&bytes).contains("\r\nContact: \"xEvil: 1b\" <sip:a,sip:b@xEvil:1b>;"));
        let refusal =
            writer.respond(&parse(INVITE), Status::FORBIDDEN, evil, evil, "10.0.0.5:1".parse().unwrap()).finish();
        assert!(text(&refusal).starts_with("SIP/2.0 403 x  Evil: 1  b\r\nVia: "));
        assert!(text(&refusal).contains("\r\nTo: <sip:12@us>;tag=\"xEvil: 1b\"\r\n"));
    }

    #[test]
    fn a_malformed_request_is_answered_with_what_could_be_read() {
        let refuse = |text: String| {
            let malformed = Message::parse(Bytes::from(text)).unwrap_err();
            let answer = Writer::default().refuse(&malformed, "t", "10.0.0.5:5080".parse().unwrap());
            answer.map(|answer| String::from_utf8(answer.to_vec()).unwrap())
        };
        let answer = refuse(INVITE.replace("CSeq: 7 INVITE", "CSeq: 7 BYE")).unwrap();
        assert!(answer.starts_with("SIP/2.0 400 CSeq Names Another Method\r\nVia: SIP/2.0/UDP 10.0.0.5:5080;branch=z9hG4bK1;received=10.0.0.5;rport=5080\r\n"));
        assert!(
            answer.contains("\r\nTo: <sip:12@us>;tag=t\r\nCall-ID: call-1\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n")
        );
        let without = refuse("OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;;,\r\nTo: \"x\r\n\r\n".into()).unwrap();
        let expected = "SIP/2.0 400 Unreadable Via\r\nVia: SIP/2.0/UDP h;received=10.0.0.5\r\nTo: \"x\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(without, expected);
        assert_eq!(refuse(INVITE.replace("INVITE", "ACK").replace("7 ACK", "x ACK")), None);
        assert_eq!(refuse(INVITE.replace("INVITE sip:12@us SIP/2.0", "SIP/2.0 700 No")), None);
        assert_eq!(refuse(INVITE.replace("Via", "Vie").replace("v:", "w:")), None);
    }

    /// The Via lines of the refusal of a BYE with these Vias.
    fn refused_vias(vias: &str) -> Vec<String> {
        let bytes = Bytes::from(format!("BYE sip:h SIP/2.0\r\n{vias}\r\nFrom: sip:a@h\r\n\r\n"));
        let malformed = Message::parse(bytes).unwrap_err();
        let answer = Writer::default().refuse(&malformed, "t", "10.0.0.5:5080".parse().unwrap()).unwrap();
        text(&answer).lines().filter(|line| line.starts_with("Via:")).map(str::to_owned).collect()
    }

    #[test]
    fn an_unreadable_top_via_is_repeated_as_far_as_it_can_be_read() {
        for (via, repeated) in [
            ("h;branch=z9hG4bK1;", "h;branch=z9hG4bK1;received=10.0.0.5"),
            ("h;rport;branch=z9hG4bK1;;x", "h;branch=z9hG4bK1;received=10.0.0.5;rport=5080"),
            ("10.0.0.5:5060;;branch=z9hG4bK1", "10.0.0.5:5060"),
            ("h;branch = z9hG4bK1 ; a = <", "h;branch=z9hG4bK1;a=;received=10.0.0.5"),
            ("h;branch=z9hG4bK1 x;rport", "h;branch=z9hG4bK1;received=10.0.0.5"),
            ("h;a=\"b;branch=z9hG4bK1", "h;a=;received=10.0.0.5"),
        ] {
            assert_eq!(refused_vias(&format!("Via: SIP/2.0/UDP {via}")), [format!("Via: SIP/2.0/UDP {repeated}")]);
        }
    }

    #[test]
    fn the_vias_below_the_top_one_keep_their_lines_so_that_no_answer_outgrows_its_request() {
        let vias = format!("v: \r\nv: SIP/2.0/UDP h;rport;x{}, SIP/2.0/TCP b\r\nv: \r\nVia: ;c, d", ",".repeat(500));
        let below = format!("Via: {}, SIP/2.0/TCP b", ",".repeat(499));
        assert_eq!(refused_vias(&vias), ["Via: SIP/2.0/UDP h;x;received=10.0.0.5;rport=5080", &below, "Via: ;c, d"]);
    }
}
