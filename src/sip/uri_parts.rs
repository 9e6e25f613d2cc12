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
    let at = |place: &[u8]| bytes.offset(place);
    let (after, name) = scheme(bytes).map_err(|error| place(bytes, error))?;
    let scheme = match name {
        [s, i, p] if [*s, *i, *p].eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        _ if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        _ if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    match scheme {
        Scheme::Other => {
            let end = bytes.len();
            all_consuming(opaque).parse(after).map_err(|error| place(bytes, error))?;
            Ok(found(scheme, (end, end), 0, (end, end), None, end, end))
        }
        Scheme::Tel => {
            let (params, digits) = take_while1(is_phone)(after).map_err(|error| place(bytes, error))?;
            let headers = uri_params(bytes, params)?;
            end(bytes, headers)?;
            Ok(found(scheme, (at(digits), at(params)), 0, (0, 0), None, at(params), at(headers)))
        }
        Scheme::Sip | Scheme::Sips => sip_parts(bytes, after, scheme),
    }
}

fn sip_parts(bytes: &[u8], after: &[u8], scheme: Scheme) -> Result<Parts, Unreadable> {
    let at = |place: &[u8]| bytes.offset(place);
    let (mut user, mut password, mut host) = ((at(after), at(after)), 0, after);
    if let Some(sign) = memchr::memchr(b'@', after) {
        let (name, secret) = match memchr::memchr(b':', &after[..sign]) {
            Some(colon) => (&after[..colon], Some(&after[colon + 1..sign])),
            None => (&after[..sign], None),
        };
        all_user(bytes, name, is_user)?;
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            all_user(bytes, secret, is_user)?;
        }
        user = (at(name), at(name) + name.len());
        password = secret.map_or(0, at);
        host = &after[sign + 1..];
    }
    let (after_host, name) = host_text(host).map_err(|error| place(bytes, error))?;
    Host::parse(std::str::from_utf8(name).unwrap_or_default())
        .map_err(|inside| Unreadable { at: at(name) + inside.at })?;
    let (params, port) =
        opt(preceded(char(':'), number::<u16>)).parse(after_host).map_err(|error| place(bytes, error))?;
    if let [b':', bad @ ..] = params {
        return Err(Unreadable { at: at(bad) });
    }
    let headers = uri_params(bytes, params)?;
    if let [b'?', fields @ ..] = headers {
        all_user(bytes, fields, is_header)?;
    } else {
        end(bytes, headers)?;
    }
    Ok(found(scheme, user, password, (at(name), at(name) + name.len()), port, at(params), at(headers)))
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
        input = escaped_run(whole, after, is_param_lenient)?;
        if let [b'=', value @ ..] = input {
            input = match value {
                [] | [b';' | b'?', ..] => value,
                _ => escaped_run(whole, value, is_param_lenient)?,
            };
        }
    }
    Ok(input)
}

/// All of `text` is made of `is` bytes and whole escapes, and it is not empty.
fn all_user(whole: &[u8], text: &[u8], is: fn(u8) -> bool) -> Result<(), Unreadable> {
    end(whole, escaped_run(whole, text, is)?)
}

/// At least one byte or escape; returns what follows.
fn escaped_run<'a>(whole: &[u8], text: &'a [u8], is: fn(u8) -> bool) -> Result<&'a [u8], Unreadable> {
    let mut left = text;
    loop {
        match left {
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => left = after,
            [b'%', ..] => return Err(Unreadable { at: whole.offset(left) }),
            [byte, after @ ..] if is(*byte) => left = after,
            _ if left.len() == text.len() => return Err(Unreadable { at: whole.offset(text) }),
            _ => return Ok(left),
        }
    }
}

/// What may stand in a user part or password: RFC 3261's `user-unreserved`, `#` as phones send it, and UTF-8.
fn is_user(byte: u8) -> bool {
    is_unreserved(byte) || byte >= 0x80 || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/' | b'#')
}

fn is_param_lenient(byte: u8) -> bool {
    is_param(byte) || byte >= 0x80
}

/// What may stand in URI headers, with the signs that part them; `@` and `;` as phones leave them unescaped in Replaces.
fn is_header(byte: u8) -> bool {
    is_param(byte) || byte >= 0x80 || matches!(byte, b'?' | b'=' | b'@' | b';')
}

/// Digits, visual separators, and what short codes use (RFC 3966 §3).
fn is_phone(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'+' | b'-' | b'.' | b'(' | b')' | b'*' | b'#')
}

pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// `paramchar` of RFC 3261 §25.1.
pub(super) fn is_param(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

#[allow(clippy::too_many_arguments)]
fn found(
    scheme: Scheme,
    user: (usize, usize),
    password: usize,
    host: (usize, usize),
    port: Option<u16>,
    params: usize,
    headers: usize,
) -> Parts {
    Parts {
        scheme,
        port,
        user: user.0 as u16,
        user_end: user.1 as u16,
        password: password as u16,
        host: host.0 as u16,
        host_end: host.1 as u16,
        params: params as u16,
        headers: headers as u16,
    }
}
