//! The parameters of a challenge or of credentials, each at most once.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::hash::Algorithm;
use crate::sip::header::Auth;

/// How many parameters one header may have; more is refused.
const MAX_PARAMS: usize = 32;

/// The parameters of one `Digest` challenge or credential, values without their quotes but with their escapes.
#[derive(Debug)]
pub(super) struct Params<'v>(SmallVec<[(&'v str, &'v [u8]); 12]>);

impl<'v> Params<'v> {
    /// Reads a header value. `Ok(None)` for another scheme than Digest; the error is a reason for a 400.
    pub(super) fn read(value: &'v [u8]) -> Result<Option<Params<'v>>, &'static str> {
        let auth = Auth::read(value).map_err(|_| "Authorization without parameters")?;
        if !auth.scheme.eq_ignore_ascii_case("digest") {
            return Ok(None);
        }
        let mut params = Params(SmallVec::new());
        for param in auth.params() {
            let (name, value) = param.map_err(|_| "unreadable digest parameter")?;
            if params.get(name).is_some() {
                return Err("digest parameter given twice");
            }
            if params.0.len() == MAX_PARAMS {
                return Err("too many digest parameters");
            }
            params.0.push((name, value));
        }
        Ok(Some(params))
    }

    /// The value of one. Names have no case.
    pub(super) fn get(&self, name: &str) -> Option<&'v [u8]> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The algorithm; MD5 where none is named, `None` for one we do not speak.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::named)
    }
}

/// A quoted string's text without the backslashes of its escapes.
pub(super) fn unquoted(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut bytes = raw.iter();
    let mut text = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        text.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    Cow::Owned(text)
}

/// Whether `raw` may stand between quotes as it is: a value that came without quotes may end in a lone backslash.
pub(super) fn is_quotable(raw: &[u8]) -> bool {
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'"' || (*byte == b'\\' && bytes.next().is_none()) {
            return false;
        }
    }
    true
}

/// Writes `text` as it stands between quotes.
pub(super) fn quote_into(out: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
}
