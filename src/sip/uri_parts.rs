//! How a URI is taken apart: the grammar of RFC 3261 §25.1 and RFC 3966; `uri` shows the parts.

use nom::branch::alt;
use nom::bytes::complete::take_while1;
use nom::character::complete::char;
use nom::combinator::{all_consuming, opt, recognize};
use nom::sequence::{delimited, preceded};
use nom::{Offset, Parser};

use super::host::Host;
use super::lex::{Read, Unreadable, number};

/// How a URI begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Scheme {
    /// `sip:` (RFC 3261 §19.1).
    #[default]
    Sip,
    /// `sips:` (RFC 3261 §19.1).
    Sips,
    /// `tel:` (RFC 3966).
    Tel,
    /// Any other; its text is kept and never looked into.
    Other,
}

impl Scheme {
    /// Without the colon; empty for [`Scheme::Other`].
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other => "",
        }
    }
}

/// Where the parts of a URI stand in its text. An end equal to its beginning means that the part is not there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Parts {
    pub(super) scheme: Scheme,
    pub(super) port: Option<u16>,
    /// After the scheme's colon.
    pub(super) user: u16,
    pub(super) user_end: u16,
    /// After the password's colon; 0 where there is no password.
    pub(super) password: u16,
    pub(super) host: u16,
    pub(super) host_end: u16,
    pub(super) params: u16,
    pub(super) headers: u16,
}

impl Parts {
    /// Takes a URI of at most 65,535 bytes apart.
    pub(crate) fn read(text: &str) -> Result<Parts, Unreadable> {
        take_apart(text)
    }
}

fn take_apart(text: &str) -> Result<Parts, Unreadable> {
    let bytes = text.as_bytes();
    let at = |place: &[u8]| bytes.offset(place) as u16;
    let (after, name) = scheme(bytes).map_err(|error| place(bytes, error))?;
    let scheme = match name {
        [s, i, p] if [*s, *i, *p].eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        _ if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        _ if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    let whole = at(&bytes[bytes.len()..]);
    let user = at(after);
    let parts = Parts { scheme, user, user_end: user, params: whole, headers: whole, ..Parts::default() };
    match scheme {
        Scheme::Other => {
            all_consuming(opaque).parse(after).map_err(|error| place(bytes, error))?;
            Ok(parts)
        }
        Scheme::Tel => {
            let (params, number) = take_while1(is_phone)(after).map_err(|error| place(bytes, error))?;
            end(bytes, uri_params(bytes, params)?)?;
            Ok(Parts { user: at(number), user_end: at(params), params: at(params), ..parts })
        }
        Scheme::Sip | Scheme::Sips => sip_parts(bytes, after, parts),
    }
}

fn sip_parts(bytes: &[u8], after: &[u8], mut parts: Parts) -> Result<Parts, Unreadable> {
    let at = |place: &[u8]| bytes.offset(place) as u16;
    let mut host = after;
    if let Some(sign) = memchr::memchr(b'@', after) {
        let (name, secret) = match memchr::memchr(b':', &after[..sign]) {
            Some(colon) => (&after[..colon], &after[colon + 1..sign]),
            None => (&after[..sign], &b""[..]),
        };
        all_user(bytes, name, USER)?;
        if name.len() < sign {
            parts.password = at(after) + name.len() as u16 + 1;
        }
        if !secret.is_empty() {
            all_user(bytes, secret, USER)?;
        }
        (parts.user, parts.user_end) = (at(name), at(&after[name.len()..]));
        host = &after[sign + 1..];
    }
    let (after_host, name) = host_text(host).map_err(|error| place(bytes, error))?;
    Host::parse(std::str::from_utf8(name).unwrap_or_default())
        .map_err(|inside| Unreadable { at: bytes.offset(name) + inside.at })?;
    (parts.host, parts.host_end) = (at(name), at(after_host));
    let (params, port) =
        opt(preceded(char(':'), number::<u16>)).parse(after_host).map_err(|error| place(bytes, error))?;
    if let [b':', bad @ ..] = params {
        return Err(Unreadable { at: bytes.offset(bad) });
    }
    let headers = uri_params(bytes, params)?;
    match headers {
        [b'?', fields @ ..] => all_user(bytes, fields, HEADER)?,
        _ => end(bytes, headers)?,
    }
    Ok(Parts { port, params: at(params), headers: at(headers), ..parts })
}

fn place(whole: &[u8], error: nom::Err<nom::error::Error<&[u8]>>) -> Unreadable {
    match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => Unreadable { at: whole.offset(error.input) },
        nom::Err::Incomplete(_) => Unreadable { at: whole.len() },
    }
}

fn end(whole: &[u8], left: &[u8]) -> Result<(), Unreadable> {
    if left.is_empty() { Ok(()) } else { Err(Unreadable { at: whole.offset(left) }) }
}

/// `scheme ":"`: the name without its colon.
fn scheme(input: &[u8]) -> Read<'_, &[u8]> {
    let name = recognize((
        take_while1(|byte: u8| byte.is_ascii_alphabetic()),
        nom::bytes::complete::take_while(|byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')),
    ));
    nom::sequence::terminated(name, char(':')).parse(input)
}

/// What follows the colon of a scheme we do not know: anything printable that a header can hold.
fn opaque(input: &[u8]) -> Read<'_, &[u8]> {
    take_while1(|byte: u8| byte > b' ' && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"'))(input)
}

/// A host as text: an IPv6 reference, or everything up to what cannot be in a host.
fn host_text(input: &[u8]) -> Read<'_, &[u8]> {
    alt((
        recognize(delimited(
            char('['),
            take_while1(|byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')),
            char(']'),
        )),
        take_while1(|byte: u8| !matches!(byte, b':' | b';' | b'?' | b'[')),
    ))
    .parse(input)
}

/// `*( ";" name[=value] )`; returns what follows.
fn uri_params<'a>(whole: &'a [u8], mut input: &'a [u8]) -> Result<&'a [u8], Unreadable> {
    while let [b';', after @ ..] = input {
        input = escaped_run(whole, after, PARAM)?;
        if let [b'=', value @ ..] = input {
            input = match value {
                [] | [b';' | b'?', ..] => value,
                _ => escaped_run(whole, value, PARAM)?,
            };
        }
    }
    Ok(input)
}

/// All of `text` is made of bytes of this kind and whole escapes, and it is not empty.
fn all_user(whole: &[u8], text: &[u8], kind: u8) -> Result<(), Unreadable> {
    end(whole, escaped_run(whole, text, kind)?)
}

/// At least one byte of this kind, or one escape; returns what follows.
fn escaped_run<'a>(whole: &[u8], text: &'a [u8], kind: u8) -> Result<&'a [u8], Unreadable> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if KINDS[usize::from(*byte)] & kind != 0 {
            at += 1;
        } else if *byte == b'%' {
            match text.get(at + 1..at + 3) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => at += 3,
                _ => return Err(Unreadable { at: whole.offset(text) + at }),
            }
        } else {
            break;
        }
    }
    if at == 0 { Err(Unreadable { at: whole.offset(text) }) } else { Ok(&text[at..]) }
}

/// What may stand in a user part or password: RFC 3261's `user-unreserved`, `#` as phones send it, and UTF-8.
const USER: u8 = 1;
/// What may stand in a parameter: RFC 3261's `paramchar`, and UTF-8.
const PARAM: u8 = 2;
/// What may stand in URI headers, with the signs that part them; `@` and `;` as phones leave them unescaped in Replaces.
const HEADER: u8 = 4;

/// What each byte may be part of, unescaped.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let beyond = byte >= 0x80;
        let user = matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/' | b'#');
        if beyond || user || is_unreserved(byte) {
            kinds[index] |= USER;
        }
        if beyond || is_param(byte) {
            kinds[index] |= PARAM;
        }
        if beyond || is_param(byte) || matches!(byte, b'?' | b'=' | b'@' | b';') {
            kinds[index] |= HEADER;
        }
        index += 1;
    }
    kinds
};

/// Digits, visual separators, and what short codes use (RFC 3966 §3).
fn is_phone(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'-' | b'.' | b'(' | b')' | b'*' | b'#')
}

pub(super) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// `paramchar` of RFC 3261 §25.1.
pub(super) const fn is_param(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}
