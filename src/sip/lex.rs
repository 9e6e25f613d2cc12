//! The smallest words of header values: tokens, quoted strings, parameters and lists (RFC 3261 §25.1).
//!
//! Folded lines are joined before anything here runs, so white space is only space and tab.

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::opt;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// What a reader of this grammar returns: the rest and the value, or the place where it stumbled.
pub(crate) type Read<'a, T> = IResult<&'a [u8], T>;

const TOKEN: u8 = 1;
const PARAM_VALUE: u8 = 2;

/// What each byte may be part of.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        let sign = matches!(value, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        if value.is_ascii_alphanumeric() || sign {
            kinds[byte] |= TOKEN;
        }
        // A generic parameter's value is a token or a host; phones write more than that without quotes.
        if !matches!(value, 0..=32 | 127 | b'"' | b',' | b';' | b'<' | b'>' | b'\\' | b'?') {
            kinds[byte] |= PARAM_VALUE;
        }
        byte += 1;
    }
    kinds
};

pub(crate) fn is_token(byte: u8) -> bool {
    KINDS[usize::from(byte)] & TOKEN != 0
}

pub(crate) fn is_param_value(byte: u8) -> bool {
    KINDS[usize::from(byte)] & PARAM_VALUE != 0
}

pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Optional white space.
pub(crate) fn blanks(input: &[u8]) -> Read<'_, &[u8]> {
    take_while(is_blank)(input)
}

/// At least one space or tab.
pub(crate) fn blanks1(input: &[u8]) -> Read<'_, &[u8]> {
    take_while1(is_blank)(input)
}

/// `token` of RFC 3261 §25.1.
pub(crate) fn token(input: &[u8]) -> Read<'_, &[u8]> {
    take_while1(is_token)(input)
}

/// A quoted string, its quotes and escapes included.
pub(crate) fn quoted(input: &[u8]) -> Read<'_, &[u8]> {
    let wrong = || nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Escaped));
    if input.first() != Some(&b'"') {
        return Err(wrong());
    }
    let mut at = 1;
    loop {
        match input.get(at) {
            None => return Err(wrong()),
            Some(b'"') => return Ok((&input[at + 1..], &input[..=at])),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// `sign` with white space around it.
pub(crate) fn around<'a>(sign: char) -> impl Parser<&'a [u8], Output = char, Error = nom::error::Error<&'a [u8]>> {
    delimited(blanks, char(sign), blanks)
}

/// A number in decimal digits that fits; leading zeros do no harm.
pub(crate) fn number<T: TryFrom<u64>>(input: &[u8]) -> Read<'_, T> {
    let (rest, digits) = take_while1(|byte: u8| byte.is_ascii_digit())(input)?;
    let too_large = || nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Digit));
    let value =
        digits.iter().try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Ok((rest, value.and_then(|value| T::try_from(value).ok()).ok_or_else(too_large)?))
}

/// One `name[=value]`, the value as written.
fn generic_param(input: &[u8]) -> Read<'_, (&[u8], Option<&[u8]>)> {
    (token, opt(preceded(around('='), alt((quoted, take_while(is_param_value)))))).parse(input)
}

/// `*( ";" name[=value] )`: reads as far as the parameters go.
pub(crate) fn params(input: &[u8]) -> Read<'_, Params<'_>> {
    let mut rest = input;
    while let Ok((after, _)) = around(';').parse(rest) {
        rest = generic_param(after)?.0;
    }
    let length = input.len() - rest.len();
    Ok((rest, Params { text: &input[..length] }))
}

/// As [`params`], up to the first that is unreadable.
pub(crate) fn leading_params(input: &[u8]) -> Params<'_> {
    let mut rest = input;
    while let Ok((after, _)) = preceded(around(';'), generic_param).parse(rest) {
        rest = after;
    }
    Params { text: &input[..input.len() - rest.len()] }
}

/// The parameters of a header value, read on demand; their form was checked when the value was read.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a> {
    text: &'a [u8],
}

impl<'a> Params<'a> {
    pub(crate) fn checked(text: &'a [u8]) -> Params<'a> {
        Params { text }
    }

    /// All parameters from left to right: name, and the value as written (with its quotes, if any).
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let (after, _) = around(';').parse(rest).ok()?;
            let (after, (name, value)) = generic_param(after).ok()?;
            rest = after;
            Some((ascii(name), value))
        })
    }

    /// True where the parameter is there, with or without a value.
    pub fn has(self, name: &str) -> bool {
        self.bytes(name).is_some()
    }

    /// The value of the first parameter of this name (names have no case), without its quotes; `Some("")` where it has
    /// none. Values that are not UTF-8 are reached through [`Params::bytes`].
    pub fn get(self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(name)?).ok()
    }

    /// As [`Params::get`], as bytes.
    pub fn bytes(self, name: &str) -> Option<&'a [u8]> {
        let (_, value) = self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(unquoted(value.unwrap_or_default()))
    }

    /// A number in decimal digits; `None` where there is no such parameter or it is not one that fits.
    pub fn number<T: TryFrom<u64>>(self, name: &str) -> Option<T> {
        match number(self.bytes(name)?) {
            Ok(([], value)) => Some(value),
            _ => None,
        }
    }

    /// As written, beginning with the first semicolon; empty where there are none.
    pub fn as_bytes(self) -> &'a [u8] {
        self.text
    }
}

impl std::fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.text))
    }
}

/// Without its quotes, if it has any.
pub(crate) fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] => inner,
        _ => text,
    }
}

/// As text where it is UTF-8, else nothing.
pub(crate) fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

/// Without white space at both ends.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The elements of a comma-separated value, trimmed; commas within quotes or within `<>` do not part them.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    /// The elements of `value`; none where it is empty.
    pub fn of(value: &'a [u8]) -> Elements<'a> {
        Elements { rest: Some(value).filter(|value| !trimmed(value).is_empty()) }
    }

    /// What was not parted yet, trimmed.
    pub(crate) fn rest(&self) -> &'a [u8] {
        trimmed(self.rest.unwrap_or_default())
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let end = comma(text);
        self.rest = text.get(end + 1..);
        Some(trimmed(&text[..end]))
    }
}

/// Where the first comma stands that is outside quotes and `<>`, or the end.
fn comma(text: &[u8]) -> usize {
    if memchr::memchr(b',', text).is_none() {
        return text.len();
    }
    let (mut at, mut bracketed) = (0, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' if !bracketed => match quoted(&text[at..]) {
                Ok((_, inside)) => at += inside.len() - 1,
                Err(_) => return text.len(),
            },
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            b',' if !bracketed => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Reads a whole value: `read`, with white space around, to the very end.
pub(crate) fn whole<'a, T>(
    read: impl Parser<&'a [u8], Output = T, Error = nom::error::Error<&'a [u8]>>,
    input: &'a [u8],
) -> Result<T, Unreadable> {
    match delimited(blanks, read, blanks).parse(input) {
        Ok(([], value)) => Ok(value),
        Ok((rest, _)) => Err(Unreadable { at: input.len() - rest.len() }),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
            Err(Unreadable { at: input.len() - error.input.len() })
        }
        Err(nom::Err::Incomplete(_)) => Err(Unreadable { at: input.len() }),
    }
}

/// A value that does not follow its grammar, and the byte of the value at which that shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// Counted from 0 within the value.
    pub at: usize,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unreadable from byte {} on", self.at)
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_part_at_commas_outside_quotes_and_brackets() {
        let list: Vec<_> = Elements::of(br#" "a, \"b" <sip:x,y@h;p>;q=1 , <sip:z>,, t"#).map(ascii).collect();
        assert_eq!(list, [r#""a, \"b" <sip:x,y@h;p>;q=1"#, "<sip:z>", "", "t"]);
        assert_eq!(Elements::of(b" ").count(), 0);
        assert_eq!(Elements::of(b"\"open, <a>, b").count(), 1);
    }

    #[test]
    fn parameters_read_flags_quotes_and_numbers() {
        let (rest, params) = params(br#" ; lr;tag = abc ;+sip.instance="<urn:uuid:1;2>";e=;n=07 x"#).unwrap();
        assert_eq!(rest, b" x");
        assert_eq!(params.get("LR"), Some(""));
        assert_eq!(params.get("tag"), Some("abc"));
        assert_eq!(params.get("+sip.instance"), Some("<urn:uuid:1;2>"));
        assert_eq!(params.get("e"), Some(""));
        assert_eq!(params.number::<u8>("n"), Some(7));
        assert_eq!(params.number::<u8>("tag"), None);
        assert_eq!(params.get("absent"), None);
        assert_eq!(params.iter().count(), 5);
    }

    #[test]
    fn an_empty_parameter_is_unreadable() {
        assert!(whole(super::params, b";;lr").is_err());
        assert!(whole(super::params, b";lr;").is_err());
        assert_eq!(whole(super::params, b";lr").map(|params| params.has("lr")), Ok(true));
    }

    #[test]
    fn numbers_that_do_not_fit_are_unreadable() {
        assert_eq!(whole(number::<u8>, b"0068"), Ok(68));
        assert_eq!(whole(number::<u8>, b"256"), Err(Unreadable { at: 0 }));
        assert_eq!(whole(number::<u32>, b"36893488147419103232"), Err(Unreadable { at: 0 }));
        assert_eq!(whole(number::<u32>, b"-1"), Err(Unreadable { at: 0 }));
        assert_eq!(whole(number::<u32>, b"12x"), Err(Unreadable { at: 2 }));
    }
}
