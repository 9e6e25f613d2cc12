//! What header values say, read on demand: addresses, Vias, sequence numbers, reasons, timers.
//!
//! Every reader takes one value (one element of a list, see `Message::values`) as bytes and borrows from it. Readers for
//! numbers of seconds saturate at `u32::MAX`, as RFC 3261 §20.19 asks for Expires.

use std::borrow::Cow;
use std::net::IpAddr;

use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{map_res, opt, recognize, verify};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::lex::{
    Elements, Params, Read, Unreadable, around, ascii, blanks, blanks1, is_blank, leading_params, number, params,
    quoted, token, trimmed, unquoted, whole,
};
use super::method::Method;
use super::uri::{Host, UriRef};

/// A name, an address and parameters: From, To, Contact, Route, Refer-To, P-Asserted-Identity and their siblings
/// (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    /// The display name as written, with quotes and escapes; empty where there is none.
    pub raw_display: &'a [u8],
    /// Where it points.
    pub uri: UriRef<'a>,
    /// The parameters of the header (not those inside `<>`).
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one address. Without `<>` a URI ends at the first `;` and must hold neither `,` nor `?` (RFC 3261 §20).
    pub fn read(value: &'a [u8]) -> Result<NameAddr<'a>, Unreadable> {
        whole(name_addr, value)
    }

    /// The display name as people read it: without quotes and escapes, Latin-1 where it is not UTF-8; `None` where it is
    /// empty.
    pub fn display(&self) -> Option<Cow<'a, str>> {
        Some(plain(self.raw_display)).filter(|name| !name.is_empty())
    }

    /// The `tag` parameter of From and To.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// The `expires` parameter of a Contact, in seconds; unreadable ones count as absent.
    pub fn expires(&self) -> Option<u32> {
        seconds(self.params.bytes("expires")?).ok()
    }

    /// The `q` parameter of a Contact in thousandths, 0 to 1000.
    pub fn q(&self) -> Option<u16> {
        thousandths(self.params.get("q")?)
    }

    /// The `+sip.instance` parameter of a Contact, without its quotes and angle brackets (RFC 5626 §4.1).
    pub fn instance(&self) -> Option<&'a str> {
        let text = self.params.get("+sip.instance")?;
        Some(text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text))
    }

    /// The `reg-id` parameter of a Contact (RFC 5626 §4.2): 1 and above.
    pub fn reg_id(&self) -> Option<u32> {
        self.params.number("reg-id").filter(|id| *id > 0)
    }
}

fn name_addr(input: &[u8]) -> Read<'_, NameAddr<'_>> {
    if let Ok((rest, (raw_display, uri))) = (display, delimited(char('<'), bracketed_uri, char('>'))).parse(input) {
        let (rest, params) = params(rest)?;
        return Ok((rest, NameAddr { raw_display: trimmed(raw_display), uri, params }));
    }
    let (rest, uri) = bare_uri(input)?;
    let (rest, params) = params(rest)?;
    Ok((rest, NameAddr { raw_display: b"", uri, params }))
}

/// `*( token LWS ) / quoted-string`, and nothing at all. Bytes beyond ASCII pass, because phones send names so.
fn display(input: &[u8]) -> Read<'_, &[u8]> {
    let words = take_while(|byte| super::lex::is_token(byte) || is_blank(byte) || byte >= 0x80);
    alt((terminated(quoted, blanks), words)).parse(input)
}

fn bracketed_uri(input: &[u8]) -> Read<'_, UriRef<'_>> {
    map_res(take_while1(|byte| byte != b'>'), UriRef::parse).parse(input)
}

fn bare_uri(input: &[u8]) -> Read<'_, UriRef<'_>> {
    let ends = |byte| is_blank(byte) || matches!(byte, b';' | b',' | b'?' | b'<' | b'>' | b'"');
    map_res(take_while1(move |byte| !ends(byte)), UriRef::parse).parse(input)
}

/// A quoted string or words, as people read them.
fn plain(text: &[u8]) -> Cow<'_, str> {
    let inner = unquoted(text);
    if inner.len() != text.len() && inner.contains(&b'\\') {
        let mut bytes = Vec::with_capacity(inner.len());
        let mut rest = inner;
        while let [first, after @ ..] = rest {
            let (byte, after) = match (first, after) {
                (b'\\', [escaped, after @ ..]) => (escaped, after),
                _ => (first, after),
            };
            bytes.push(*byte);
            rest = after;
        }
        return Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|error| latin1(error.as_bytes())));
    }
    match std::str::from_utf8(inner) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(latin1(inner)),
    }
}

fn latin1(text: &[u8]) -> String {
    text.iter().map(|byte| char::from(*byte)).collect()
}

/// One Via: a hop that the request took and the response will take back (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP` or any other token, as written.
    pub transport: &'a str,
    /// Who sent it, in its own words.
    pub host: Host<'a>,
    /// The port it wants answers at, where one is written.
    pub port: Option<u16>,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one Via. The version is not looked at, so that another version can be answered 505.
    pub fn read(value: &'a [u8]) -> Result<Via<'a>, Unreadable> {
        whole(via, value)
    }

    /// Reads a Via as far as that goes: at least `SIP/2.0/UDP host`, then parameters up to the first that is unreadable.
    /// With it the piece of `value` that was read.
    pub(super) fn leading(value: &'a [u8]) -> Option<(Via<'a>, &'a [u8])> {
        let sender = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let params = leading_params(&value[sender..]);
        let via = Via { params, ..Via::read(&value[..sender]).ok()? };
        Some((via, &value[..sender + params.as_bytes().len()]))
    }

    /// The branch, where there is one that is not empty.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, where it identifies its transaction as RFC 3261 §8.1.1.7 has it: it begins with `z9hG4bK`, in any case,
    /// and something follows. `None` for clients of RFC 2543 and for those who send the bare cookie.
    pub fn unique_branch(&self) -> Option<&'a str> {
        let branch = self.branch()?;
        let cookie = branch.get(..7)?;
        (branch.len() > 7 && cookie.eq_ignore_ascii_case("z9hG4bK")).then_some(branch)
    }

    /// The `received` address, with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse().ok()
    }

    /// True where the sender asked for answers to its source port (RFC 3581).
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The port filled in at `rport`, where one is.
    pub fn rport(&self) -> Option<u16> {
        self.params.number("rport")
    }
}

fn via(input: &[u8]) -> Read<'_, Via<'_>> {
    let protocol = (tag_no_case("SIP"), around('/'), token, around('/'));
    let (rest, (_, transport, _)) = (protocol, token, blanks1).parse(input)?;
    let (rest, (host, port)) = host_port(rest)?;
    let (rest, params) = params(rest)?;
    Ok((rest, Via { transport: ascii(transport), host, port, params }))
}

fn host_port(input: &[u8]) -> Read<'_, (Host<'_>, Option<u16>)> {
    let reference = recognize((char('['), take_while1(|byte| byte != b']'), char(']')));
    let name = take_while1(|byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    (map_res(alt((reference, name)), |text| Host::parse(ascii(text))), opt(preceded(around(':'), number))).parse(input)
}

/// The number and method of a CSeq (RFC 3261 §20.16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CSeq<'a> {
    /// Below 2³¹ (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method as written.
    pub method_name: &'a str,
}

impl<'a> CSeq<'a> {
    /// Reads a CSeq; numbers from 2³¹ on are refused.
    pub fn read(value: &'a [u8]) -> Result<CSeq<'a>, Unreadable> {
        let sequence = verify(number::<u32>, |number| *number < 1 << 31);
        let (number, _, name) = whole((sequence, blanks1, token), value)?;
        Ok(CSeq { number, method: Method::read(name), method_name: ascii(name) })
    }
}

/// The RAck of a PRACK: which provisional response it confirms (RFC 3262 §7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// The CSeq number of the response.
    pub cseq: u32,
    /// The CSeq method of the response.
    pub method: Method,
}

impl RAck {
    /// Reads a RAck.
    pub fn read(value: &[u8]) -> Result<RAck, Unreadable> {
        let (rseq, _, cseq, _, method) = whole((number, blanks1, number, blanks1, token), value)?;
        Ok(RAck { rseq, cseq, method: Method::read(method) })
    }
}

/// Why a CANCEL or BYE comes (RFC 3326), e.g. `SIP;cause=200;text="Call completed elsewhere"`.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850` or another protocol, as written.
    pub protocol: &'a str,
    /// The cause within that protocol.
    pub cause: Option<u16>,
    /// The text, as bytes between its quotes.
    raw_text: &'a [u8],
}

impl<'a> Reason<'a> {
    /// Reads one element of a Reason.
    pub fn read(value: &'a [u8]) -> Result<Reason<'a>, Unreadable> {
        let (protocol, params) = whole((token, params), value)?;
        let raw_text = params.iter().find(|(name, _)| name.eq_ignore_ascii_case("text")).and_then(|(_, text)| text);
        Ok(Reason { protocol: ascii(protocol), cause: params.number("cause"), raw_text: raw_text.unwrap_or_default() })
    }

    /// The text for people, without quotes and escapes.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        Some(plain(self.raw_text)).filter(|text| !text.is_empty())
    }
}

/// The dialog that an INVITE replaces (RFC 3891), or that Target-Dialog names (RFC 4538).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replaces<'a> {
    /// The Call-ID of that dialog.
    pub call_id: &'a str,
    /// `to-tag`: the tag of whoever receives this.
    pub to_tag: &'a str,
    /// `from-tag`: the tag of the other side.
    pub from_tag: &'a str,
    /// Only a dialog that is not confirmed yet may be replaced.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads a Replaces; both tags must be there.
    pub fn read(value: &'a [u8]) -> Result<Replaces<'a>, Unreadable> {
        let word = take_while1(|byte: u8| byte.is_ascii_graphic() && byte != b';' && byte != b',');
        let (call_id, params) = whole((word, params), value)?;
        let tag = |name| params.get(name).filter(|tag: &&str| !tag.is_empty()).ok_or(Unreadable { at: value.len() });
        Ok(Replaces {
            call_id: ascii(call_id),
            to_tag: tag("to-tag").or_else(|error| tag("local-tag").map_err(|_| error))?,
            from_tag: tag("from-tag").or_else(|error| tag("remote-tag").map_err(|_| error))?,
            early_only: params.has("early-only"),
        })
    }
}

/// Who refreshes a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answers it.
    Uas,
}

/// A Session-Expires (RFC 4028 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// Seconds until the session ends unless it is refreshed.
    pub seconds: u32,
    /// Who refreshes, where it is said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads a Session-Expires.
    pub fn read(value: &[u8]) -> Result<SessionExpires, Unreadable> {
        let (seconds, params) = whole((delta_seconds, params), value)?;
        let refresher = match params.get("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(SessionExpires { seconds, refresher })
    }
}

/// A Content-Type (RFC 3261 §20.15).
#[derive(Clone, Copy, Debug)]
pub struct ContentType<'a> {
    /// `application`, `multipart`.
    pub kind: &'a str,
    /// `sdp`, `mixed`.
    pub subtype: &'a str,
    /// `boundary` and the like.
    pub params: Params<'a>,
}

impl<'a> ContentType<'a> {
    /// Reads a Content-Type, or one element of an Accept (where `*` may stand for both parts).
    pub fn read(value: &'a [u8]) -> Result<ContentType<'a>, Unreadable> {
        let (kind, _, subtype, params) = whole((token, around('/'), token, params), value)?;
        Ok(ContentType { kind: ascii(kind), subtype: ascii(subtype), params })
    }

    /// Compares without case, as media types do.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

/// A token with parameters: Event, Subscription-State, Content-Disposition, Refer-Sub, Privacy's words.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// The token.
    pub word: &'a str,
    /// Its parameters.
    pub params: Params<'a>,
}

impl<'a> Word<'a> {
    /// Reads a token and its parameters.
    pub fn read(value: &'a [u8]) -> Result<Word<'a>, Unreadable> {
        let (word, params) = whole((token, params), value)?;
        Ok(Word { word: ascii(word), params })
    }
}

/// The words of a Privacy header (RFC 3323 §4.2): they are parted by semicolons.
pub fn privacy(value: &[u8]) -> impl Iterator<Item = &str> {
    value.split(|byte| *byte == b';').map(|word| ascii(trimmed(word))).filter(|word| !word.is_empty())
}

/// A number of seconds: Expires, Min-Expires, Min-SE. Too large ones saturate.
pub fn seconds(value: &[u8]) -> Result<u32, Unreadable> {
    whole(delta_seconds, value)
}

/// A Retry-After in seconds; its comment and parameters are passed over.
pub fn retry_after(value: &[u8]) -> Result<u32, Unreadable> {
    let comment = (blanks, char('('), take_while(|byte| byte != b')'), char(')'));
    whole((delta_seconds, opt(comment), params), value).map(|(seconds, _, _)| seconds)
}

/// An RSeq (RFC 3262 §7.1), or any other number of 32 bits.
pub fn integer(value: &[u8]) -> Result<u32, Unreadable> {
    whole(number, value)
}

/// Max-Forwards: 0 to 255 (RFC 3261 §20.22).
pub fn max_forwards(value: &[u8]) -> Result<u8, Unreadable> {
    whole(number, value)
}

/// Content-Length: digits alone, and no more than a `u32` holds.
pub fn content_length(value: &[u8]) -> Result<u32, Unreadable> {
    whole(number, value)
}

fn delta_seconds(input: &[u8]) -> Read<'_, u32> {
    let (rest, digits) = take_while1(|byte: u8| byte.is_ascii_digit())(input)?;
    let seconds = digits.iter().fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    Ok((rest, seconds))
}

/// `0.5` is 500; RFC 3261 §25.1 `qvalue`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = part.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, part) {
        ("0" | "", _) => Some(part),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// A challenge or credentials: `Digest realm="…", nonce="…"` (RFC 3261 §20.7, §20.44). Not a list: commas part its
/// parameters, so read it from `Message::headers`.
#[derive(Clone, Copy, Debug)]
pub struct Auth<'a> {
    /// `Digest`, as written.
    pub scheme: &'a str,
    params: &'a [u8],
}

impl<'a> Auth<'a> {
    /// Reads the scheme; parameters are read by [`Auth::params`], each on its own.
    pub fn read(value: &'a [u8]) -> Result<Auth<'a>, Unreadable> {
        let value = trimmed(value);
        let read: IResult<_, _> = (token, blanks1).parse(value);
        match read {
            Ok((params, (scheme, _))) => Ok(Auth { scheme: ascii(scheme), params }),
            Err(_) => Err(Unreadable { at: 0 }),
        }
    }

    /// Every parameter from left to right, doubled ones too: name, and value without its quotes but with its escapes.
    pub fn params(&self) -> impl Iterator<Item = Result<(&'a str, &'a [u8]), Unreadable>> + use<'a> {
        let all = self.params;
        Elements::of(all).map(move |element| {
            let value = alt((quoted, take_while1(|byte: u8| byte.is_ascii_graphic() && byte != b'"')));
            whole((token, around('='), value), element)
                .map(|(name, _, value)| (ascii(name), unquoted(value)))
                .map_err(|inside| Unreadable { at: element.as_ptr() as usize - all.as_ptr() as usize + inside.at })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_name_uri_and_parameters() {
        let value = br#" "Ada \"the \\ first\" B" <sip:ada@h;lr?x=y> ; tag = 1;expires=60;q=0.5;reg-id=2;+sip.instance="<urn:uuid:0>" "#;
        let address = NameAddr::read(value).unwrap();
        assert_eq!(address.display().as_deref(), Some(r#"Ada "the \ first" B"#));
        assert_eq!(address.uri.as_str(), "sip:ada@h;lr?x=y");
        assert_eq!((address.tag(), address.expires(), address.q()), (Some("1"), Some(60), Some(500)));
        assert_eq!((address.instance(), address.reg_id()), (Some("urn:uuid:0"), Some(2)));
    }

    #[test]
    fn names_come_bare_empty_and_in_latin1() {
        for (value, display, uri) in [
            (&b"sip:a@h;tag=1"[..], None, "sip:a@h"),
            (b"<sip:a@h>", None, "sip:a@h"),
            (b"\"\" <sip:a@h>", None, "sip:a@h"),
            (b"caller<sip:a@h>", Some("caller"), "sip:a@h"),
            (b"T. Watson <tel:+49>", Some("T. Watson"), "tel:+49"),
            (b"\"J\xfcrgen\" <sip:a@h>", Some("Jürgen"), "sip:a@h"),
            (b"\"J\\\xfcrgen\" <sip:a@h>", Some("Jürgen"), "sip:a@h"),
            ("Jürgen <sip:a@h>".as_bytes(), Some("Jürgen"), "sip:a@h"),
            (b"\"a <sip:x@y>\" <isbn:1>", Some("a <sip:x@y>"), "isbn:1"),
        ] {
            let address = NameAddr::read(value).unwrap();
            assert_eq!((address.display().as_deref(), address.uri.as_str()), (display, uri));
        }
    }

    #[test]
    fn addresses_with_two_readings_are_refused() {
        for (value, at) in [
            (&b""[..], 0),
            (b"\"open <sip:a@h>", 0),
            (b"Bell, Alexander <sip:a@h>", 0),
            (b"\"x\" < sip:a@h >", 0),
            (b"<sip:a@h", 0),
            (b"<>", 0),
            (b"sip:a@h?Route=%3Csip:h%3E", 7),
            (b"sip:a@h, sip:b@h", 7),
            (b"<sip:a@h> x", 10),
            (b"<sip:a@h>;;", 10),
        ] {
            assert_eq!(NameAddr::read(value).map(|_| ()), Err(Unreadable { at }), "{}", ascii(value));
        }
    }

    #[test]
    fn a_via_reads_with_white_space_ports_and_addresses() {
        let via =
            Via::read(b"SIP  / 2.0  / TCP     spindle.example.com : 5070  ;  branch  =   z9hG4bK9ikj8 ;rport").unwrap();
        assert_eq!((via.transport, via.host, via.port), ("TCP", Host::Name("spindle.example.com"), Some(5070)));
        assert_eq!((via.unique_branch(), via.wants_rport(), via.rport()), (Some("z9hG4bK9ikj8"), true, None));
        for text in ["received=[2001:db8::9:255]", "received=2001:db8::9:255"] {
            let value = format!("SIP/2.0/UDP [2001:db8::9:1];{text};branch=z9hG4bK;rport=5");
            let via = Via::read(value.as_bytes()).unwrap();
            assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
            assert_eq!((via.branch(), via.unique_branch(), via.rport()), (Some("z9hG4bK"), None, Some(5)));
        }
        for bad in [
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "HTTP/1.1/TCP h",
            "SIP/2.0/UDP h:",
            "SIP/2.0/UDP h:66000",
            "SIP/2.0/UDP h;;",
        ] {
            assert!(Via::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn sequence_numbers_stay_below_two_to_the_31() {
        let read = |text: &'static str| CSeq::read(text.as_bytes()).map(|cseq| (cseq.number, cseq.method));
        assert_eq!(read("0009  INVITE"), Ok((9, Method::Invite)));
        assert_eq!(read("2147483647 PUBLISH"), Ok((2_147_483_647, Method::Publish)));
        for bad in
            ["2147483648 INVITE", "36893488147419103232 INVITE", "1INVITE", "1", "INVITE", "-1 INVITE", "1 INVITE x"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(CSeq::read(b"1 X-y").map(|cseq| (cseq.method, cseq.method_name)), Ok((Method::Other, "X-y")));
        assert_eq!(RAck::read(b"776656 1 INVITE"), Ok(RAck { rseq: 776_656, cseq: 1, method: Method::Invite }));
    }

    #[test]
    fn a_reason_has_a_protocol_a_cause_and_a_text() {
        let reason = Reason::read(br#"SIP ;cause=200 ;text="Call completed elsewhere""#).unwrap();
        assert_eq!((reason.protocol, reason.cause), ("SIP", Some(200)));
        assert_eq!(reason.text().as_deref(), Some("Call completed elsewhere"));
        let reason = Reason::read(b"Q.850;cause=16").unwrap();
        assert_eq!((reason.protocol, reason.cause, reason.text()), ("Q.850", Some(16), None));
    }

    #[test]
    fn a_replaces_needs_both_tags() {
        let replaces = Replaces::read(b"98732@sip.example.com;from-tag=r33th4x0r ;to-tag=ff87ff;early-only").unwrap();
        let expected =
            Replaces { call_id: "98732@sip.example.com", to_tag: "ff87ff", from_tag: "r33th4x0r", early_only: true };
        assert_eq!(replaces, expected);
        assert!(Replaces::read(b"98732;from-tag=1").is_err());
        let refer_to =
            NameAddr::read(b"<sip:14@h?Replaces=98732%40sip.example.com%3Bto-tag%3Dff87ff%3Bfrom-tag%3Dr33>").unwrap();
        let within = refer_to.uri.header("replaces").unwrap();
        let expected =
            Replaces { call_id: "98732@sip.example.com", to_tag: "ff87ff", from_tag: "r33", early_only: false };
        assert_eq!(Replaces::read(within.as_bytes()).unwrap(), expected);
        assert!(Replaces::read(b"98732;to-tag=1;from-tag=").is_err());
    }

    #[test]
    fn timers_saturate_and_say_who_refreshes() {
        assert_eq!(seconds(b"3600"), Ok(3600));
        assert_eq!(seconds(b"10000000000000000000000000000000000"), Ok(u32::MAX));
        assert!(seconds(b"-1").is_err());
        assert_eq!(retry_after(b"120 (I'm in a meeting);duration=3600"), Ok(120));
        let read = |text: &'static str| SessionExpires::read(text.as_bytes()).unwrap();
        assert_eq!(read("1800;refresher=UAS"), SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) });
        assert_eq!(read("90"), SessionExpires { seconds: 90, refresher: None });
    }

    #[test]
    fn weights_are_thousandths() {
        let weights = ["0", "0.", "0.5", "0.333", "1", "1.000", "1.1", "2", "0.1234", "x", ".7"].map(thousandths);
        let expected =
            [Some(0), Some(0), Some(500), Some(333), Some(1000), Some(1000), None, None, None, None, Some(700)];
        assert_eq!(weights, expected);
    }

    #[test]
    fn credentials_show_every_parameter_also_a_doubled_one() {
        let value = br#"Digest username="a, \"b\"" ,realm = "r",nc=00000001, realm="s", uri="sip:h;a=b""#;
        let auth = Auth::read(value).unwrap();
        let params: Result<Vec<_>, _> =
            auth.params().map(|param| param.map(|(name, value)| (name, ascii(value)))).collect();
        let expected =
            [("username", r#"a, \"b\""#), ("realm", "r"), ("nc", "00000001"), ("realm", "s"), ("uri", "sip:h;a=b")];
        assert_eq!((auth.scheme, params.unwrap().as_slice()), ("Digest", &expected[..]));
        assert!(Auth::read(b"Digest").is_err());
        let broken: Vec<_> = Auth::read(b"Digest a, b=1").unwrap().params().map(|param| param.is_ok()).collect();
        assert_eq!(broken, [false, true]);
    }

    #[test]
    fn words_and_media_types_read_with_parameters() {
        let event = Word::read(b"dialog;sla;ma=\"x\"").unwrap();
        assert_eq!((event.word, event.params.get("ma")), ("dialog", Some("x")));
        assert_eq!(privacy(b"id ; critical").collect::<Vec<_>>(), ["id", "critical"]);
        let media = ContentType::read(b"Application / SDP;charset=utf-8").unwrap();
        assert!(media.is("application", "sdp") && !media.is("application", "pidf+xml"));
        assert!(ContentType::read(b"application").is_err());
    }
}
