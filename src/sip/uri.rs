//! Addresses as SIP writes them, `sip:12@office.example;transport=tcp` and `tel:+493012340`, read, compared and written.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

pub use super::host::Host;
use super::lex::Unreadable;
pub use super::uri_parts::Scheme;
use super::uri_parts::{Parts, is_param, is_unreserved};
use crate::key::Transport;

/// A URI inside a message: nothing is copied, and its parts were found when it was read.
#[derive(Clone, Copy)]
pub struct UriRef<'a> {
    text: &'a str,
    parts: Parts,
}

impl<'a> UriRef<'a> {
    /// Reads a whole URI, at most 65,535 bytes of UTF-8. Unknown schemes are kept as opaque text.
    ///
    /// More lenient than RFC 3261 §25.1 where phones are: `#` and letters beyond ASCII may stand unescaped in the user
    /// part. White space, control bytes, `<`, `>`, `"` and broken `%` escapes never may.
    pub fn parse(text: &'a [u8]) -> Result<UriRef<'a>, Unreadable> {
        let text = std::str::from_utf8(text).map_err(|error| Unreadable { at: error.valid_up_to() })?;
        if text.len() > usize::from(u16::MAX) {
            return Err(Unreadable { at: usize::from(u16::MAX) });
        }
        Ok(UriRef { text, parts: Parts::read(text)? })
    }

    pub(crate) fn from_parts(text: &'a str, parts: Parts) -> UriRef<'a> {
        UriRef { text, parts }
    }

    pub(crate) fn parts(self) -> Parts {
        self.parts
    }

    fn slice(self, from: u16, to: u16) -> &'a str {
        self.text.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }

    /// As written.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// How it begins.
    pub fn scheme(self) -> Scheme {
        self.parts.scheme
    }

    /// The scheme as written, without its colon: also for schemes we do not know.
    pub fn scheme_name(self) -> &'a str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// True for `sip:` and `sips:`.
    pub fn is_sip(self) -> bool {
        matches!(self.parts.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as written, escapes and all, without the password; the number of a `tel:` URI.
    pub fn user(self) -> Option<&'a str> {
        Some(self.slice(self.parts.user, self.parts.user_end)).filter(|user| !user.is_empty())
    }

    /// The user part with its escapes resolved. Allocates only where there are any; `None` also where the escapes do not
    /// make UTF-8.
    pub fn user_unescaped(self) -> Option<std::borrow::Cow<'a, str>> {
        unescape(self.user()?)
    }

    /// The password, as written.
    pub fn password(self) -> Option<&'a str> {
        match self.parts.password {
            0 => None,
            from => Some(self.slice(from, self.parts.host.saturating_sub(1))),
        }
    }

    /// Where it points; `None` for schemes without a host.
    pub fn host(self) -> Option<Host<'a>> {
        Host::parse(self.host_str()).ok().filter(|_| self.is_sip())
    }

    /// The host as written, with the brackets of IPv6; empty for schemes without a host.
    pub fn host_str(self) -> &'a str {
        self.slice(self.parts.host, self.parts.host_end)
    }

    /// The port, where one is written.
    pub fn port(self) -> Option<u16> {
        self.parts.port
    }

    /// The parameters of the URI itself.
    pub fn params(self) -> UriParams<'a> {
        UriParams { text: self.slice(self.parts.params, self.parts.headers) }
    }

    /// A parameter's value; `Some("")` where it has none. Names have no case.
    pub fn param(self, name: &str) -> Option<&'a str> {
        self.params().get(name)
    }

    /// The headers after `?` as written, without the question mark; empty where there are none.
    pub fn headers(self) -> &'a str {
        self.slice(self.parts.headers, self.text.len() as u16).trim_start_matches('?')
    }

    /// The same without headers: a Request-URI has none (RFC 3261 §19.1.1, table 1), whatever a peer's Contact says.
    pub fn without_headers(self) -> UriRef<'a> {
        UriRef { text: self.slice(0, self.parts.headers), parts: self.parts }
    }

    /// One header of the URI by name, its escapes resolved (as `Replaces` comes inside a Refer-To).
    pub fn header(self, name: &str) -> Option<std::borrow::Cow<'a, str>> {
        let (_, value) = pairs(self.headers(), '&').find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        unescape(value)
    }

    /// What the `transport` parameter asks for; `None` where it is absent or names one we do not speak.
    pub fn transport(self) -> Option<Transport> {
        let transport = self.param("transport")?;
        [Transport::Udp, Transport::Tcp].into_iter().find(|known| transport.eq_ignore_ascii_case(known.as_str()))
    }

    /// The address it names without DNS, with the scheme's port where none is written (5060, 5061 for `sips:`).
    /// `maddr` is not looked at.
    pub fn socket_addr(self) -> Option<SocketAddr> {
        let standard = if self.scheme() == Scheme::Sips { 5061 } else { 5060 };
        Some(SocketAddr::new(self.host()?.ip()?, self.port().unwrap_or(standard)))
    }

    /// Equal by RFC 3261 §19.1.4 (`tel:` by RFC 3966 §4): escapes resolved, hosts and names without case, parameters in any
    /// order. A written port differs from none, also when it is 5060.
    pub fn is_same(self, other: UriRef<'_>) -> bool {
        is_same(self, other)
    }

    /// A copy that owns its text.
    pub fn to_owned(self) -> Uri {
        Uri { text: self.text.into(), parts: self.parts }
    }
}

impl fmt::Display for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl fmt::Debug for UriRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// The `;name=value` parameters of a URI.
#[derive(Clone, Copy, Debug)]
pub struct UriParams<'a> {
    text: &'a str,
}

impl<'a> UriParams<'a> {
    /// All of them from left to right; the value is empty where there is none.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        pairs(self.text.strip_prefix(';').unwrap_or_default(), ';')
    }

    /// The value of one, escapes as written; `Some("")` where it has none.
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// True where it is there.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// `name=value` pairs, parted by `sign`.
pub(crate) fn pairs(text: &str, sign: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(sign).filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `%41` becomes `A`. Borrowed where nothing is escaped; `None` where the result is no UTF-8.
pub fn unescape(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    String::from_utf8(octets(text).map(|octet| octet.byte).collect()).ok().map(Into::into)
}

/// How many bytes of a user [`Uri::sip`] writes, before escapes.
pub const MOST_OF_USER: usize = 1024;

/// A URI that owns its text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    text: Box<str>,
    parts: Parts,
}

impl Uri {
    /// Reads and keeps a whole URI; see [`UriRef::parse`].
    pub fn parse(text: &[u8]) -> Result<Uri, Unreadable> {
        UriRef::parse(text).map(UriRef::to_owned)
    }

    /// `sip:user@host:port`. The user is given as it is meant and written with escapes where they are needed; an empty user
    /// is left out. No user is longer than [`MOST_OF_USER`]: what a caller calls itself may be a whole datagram, and written
    /// with escapes it would be three.
    pub fn sip(user: &str, host: Host<'_>, port: Option<u16>) -> Uri {
        let user = beginning(user, MOST_OF_USER);
        let mut text = String::with_capacity(64);
        text.push_str("sip:");
        let mut parts = Parts { port, user: 4, ..Parts::default() };
        escape_user(&mut text, user);
        parts.user_end = text.len() as u16;
        if parts.user_end > parts.user {
            text.push('@');
        }
        parts.host = text.len() as u16;
        match host {
            Host::Name(name) => text.extend(name.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))),
            ip => write!(text, "{ip}").unwrap_or_default(),
        }
        parts.host_end = text.len() as u16;
        if let Some(port) = port {
            write!(text, ":{port}").unwrap_or_default();
        }
        (parts.params, parts.headers) = (text.len() as u16, text.len() as u16);
        Uri { text: text.into(), parts }
    }

    /// `sip:user@192.0.2.1:5060`, the port always written.
    pub fn at(user: &str, address: SocketAddr) -> Uri {
        Uri::sip(user, Host::Ip(address.ip()), Some(address.port()))
    }

    /// With one more parameter at the end (before headers); an empty value writes the name alone. Bytes that may not stand in
    /// a parameter are escaped. Only for `sip:`, `sips:` and `tel:`; others come back unchanged.
    pub fn with_param(self, name: &str, value: &str) -> Uri {
        if self.parts.scheme == Scheme::Other {
            return self;
        }
        let (before, headers) = self.text.split_at(usize::from(self.parts.headers).min(self.text.len()));
        let mut text = String::from(before);
        text.push(';');
        escape(&mut text, name, is_param);
        if !value.is_empty() {
            text.push('=');
            escape(&mut text, value, is_param);
        }
        let end = text.len() as u16;
        text.push_str(headers);
        Uri { text: text.into(), parts: Parts { headers: end, ..self.parts } }
    }

    /// The view that all reading goes through.
    pub fn view(&self) -> UriRef<'_> {
        UriRef { text: &self.text, parts: self.parts }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<[u8]> for Uri {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl AsRef<[u8]> for UriRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl std::str::FromStr for Uri {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Uri, Unreadable> {
        Uri::parse(text.as_bytes())
    }
}

/// Writes `user` into a URI: everything but unreserved characters and `&=+$,;?/` is escaped.
pub fn escape_user(out: &mut String, user: &str) {
    escape(out, user, |byte| {
        is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
    });
}

/// As many whole characters as fit into `most` bytes.
fn beginning(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let ends = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= most);
    &text[..ends.last().unwrap_or(0)]
}

fn escape(out: &mut String, text: &str, may_stand: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        match may_stand(byte) {
            true => out.push(char::from(byte)),
            false => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
    }
}

/// A byte of escaped text, and whether it stood escaped for one that has a meaning when it stands bare.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Octet {
    byte: u8,
    hidden: bool,
}

/// The bytes that an escaped text means.
fn octets(text: &str) -> impl Iterator<Item = Octet> {
    let mut left = text.as_bytes();
    std::iter::from_fn(move || {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        if let [b'%', high, low, after @ ..] = left
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            left = after;
            let byte = high << 4 | low;
            return Some(Octet { byte, hidden: b";/?:@&=+$,".contains(&byte) });
        }
        let (byte, after) = left.split_first()?;
        left = after;
        Some(Octet { byte: *byte, hidden: false })
    })
}

fn same_text(one: &str, two: &str) -> bool {
    octets(one).eq(octets(two))
}

fn same_text_any_case(one: &str, two: &str) -> bool {
    let lower = |octet: Octet| Octet { byte: octet.byte.to_ascii_lowercase(), ..octet };
    octets(one).map(lower).eq(octets(two).map(lower))
}

fn is_same(one: UriRef<'_>, two: UriRef<'_>) -> bool {
    if one.scheme() != two.scheme() {
        return false;
    }
    match one.scheme() {
        Scheme::Other => {
            let (one_name, two_name) = (one.scheme_name(), two.scheme_name());
            one_name.eq_ignore_ascii_case(two_name) && one.as_str()[one_name.len()..] == two.as_str()[two_name.len()..]
        }
        Scheme::Tel => same_number(one, two) && tel_params_in(one, two) && tel_params_in(two, one),
        Scheme::Sip | Scheme::Sips => {
            same_text(one.user().unwrap_or_default(), two.user().unwrap_or_default())
                && one.password().is_some() == two.password().is_some()
                && same_text(one.password().unwrap_or_default(), two.password().unwrap_or_default())
                && one.host().zip(two.host()).is_some_and(|(one, two)| one.is_same(two))
                && one.port() == two.port()
                && sip_params_agree(one, two)
                && sip_params_agree(two, one)
                && headers_in(one, two)
                && headers_in(two, one)
        }
    }
}

/// RFC 3966 §4: visual separators do not count.
fn same_number(one: UriRef<'_>, two: UriRef<'_>) -> bool {
    fn digits(uri: UriRef<'_>) -> impl Iterator<Item = u8> {
        let number = uri.user().unwrap_or_default().bytes();
        number.filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')')).map(|byte| byte.to_ascii_lowercase())
    }
    digits(one).eq(digits(two))
}

fn tel_params_in(one: UriRef<'_>, two: UriRef<'_>) -> bool {
    one.params().iter().all(|(name, value)| has_param(two, name, value))
}

/// Every parameter of `one` agrees with `two`. Those that change where a request goes must be on both sides.
fn sip_params_agree(one: UriRef<'_>, two: UriRef<'_>) -> bool {
    one.params().iter().all(|(name, value)| match two.param(name) {
        Some(_) => has_param(two, name, value),
        None => !["transport", "user", "ttl", "method", "maddr"].iter().any(|must| name.eq_ignore_ascii_case(must)),
    })
}

/// A parameter that came twice, which it must not, agrees with either.
fn has_param(uri: UriRef<'_>, name: &str, value: &str) -> bool {
    uri.params().iter().any(|(found, other)| name.eq_ignore_ascii_case(found) && same_text_any_case(value, other))
}

fn headers_in(one: UriRef<'_>, two: UriRef<'_>) -> bool {
    pairs(one.headers(), '&').all(|(name, value)| {
        pairs(two.headers(), '&').any(|(other, found)| name.eq_ignore_ascii_case(other) && same_text(value, found))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> UriRef<'_> {
        UriRef::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_caller_whose_name_is_a_whole_datagram_is_cut_where_it_is_written() {
        let said = format!("sip:{}@office.example", "ж".repeat(15_000));
        let user = uri(&said).user_unescaped().unwrap().into_owned();
        assert_eq!(user.len(), 30_000);
        let written = Uri::sip(&user, Host::Name("office.example"), Some(5060));
        assert_eq!(written.view().user_unescaped().unwrap(), "ж".repeat(512));
        assert_eq!((written.view().host_str(), written.view().port()), ("office.example", Some(5060)));
    }

    #[test]
    fn a_sip_uri_shows_its_parts() {
        let uri = uri("sip:alice;day=tue:se%63ret@[2001:db8::9]:5070;transport=TCP;lr?Subject=hi%20there&x=");
        assert_eq!(uri.scheme(), Scheme::Sip);
        assert_eq!(uri.user(), Some("alice;day=tue"));
        assert_eq!(uri.password(), Some("se%63ret"));
        assert_eq!(uri.host(), Some(Host::Ip("2001:db8::9".parse().unwrap())));
        assert_eq!(uri.port(), Some(5070));
        assert_eq!(uri.transport(), Some(Transport::Tcp));
        assert_eq!(uri.params().iter().collect::<Vec<_>>(), [("transport", "TCP"), ("lr", "")]);
        assert_eq!(uri.header("subject").as_deref(), Some("hi there"));
        assert_eq!(uri.headers(), "Subject=hi%20there&x=");
        assert_eq!(uri.socket_addr(), "[2001:db8::9]:5070".parse().ok());
    }

    #[test]
    fn a_tel_uri_has_a_number_and_no_host() {
        let uri = uri("tel:+49-30-1234;phone-context=example.com");
        assert_eq!((uri.scheme(), uri.user(), uri.host()), (Scheme::Tel, Some("+49-30-1234"), None));
        assert_eq!(uri.param("phone-context"), Some("example.com"));
    }

    #[test]
    fn another_scheme_is_kept_and_not_looked_into() {
        let uri = uri("soap.beep://192.0.2.103:3002;x?y");
        assert_eq!((uri.scheme(), uri.scheme_name()), (Scheme::Other, "soap.beep"));
        assert_eq!((uri.user(), uri.host(), uri.port(), uri.headers()), (None, None, None, ""));
    }

    #[test]
    fn what_no_uri_may_hold_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("alice", 5),
            ("sip:", 4),
            ("sip:@host", 4),
            ("sip:a b@host", 5),
            ("sip:a%4@host", 5),
            ("sip:a@b@c", 7),
            ("sip:a@", 6),
            ("sip:2001:db8::10", 4),
            ("sip:db8::10", 8),
            ("sip:h:65536", 6),
            ("sip:h:", 6),
            ("sip:[2001:db8:::1]", 5),
            ("sip:[::1", 4),
            ("sip:300.1.1.1", 4),
            ("sip:h;", 6),
            ("sip:h;;lr", 6),
            ("sip:h;a=b=c", 9),
            ("sip:h\"x", 5),
            ("sip:h?", 6),
            ("sip:<h>", 4),
            ("tel:", 4),
            ("tel:+49 30", 7),
            ("x:a b", 3),
            ("1x:a", 0),
        ] {
            assert_eq!(UriRef::parse(text.as_bytes()).map_err(|error| error.at).unwrap_err(), at, "{text:?}");
        }
    }

    #[test]
    fn uris_compare_as_the_rfc_lists() {
        for (one, two) in [
            // RFC 3261 §19.1.4, the equal ones.
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("tel:+1-201-555-0123", "tel:+12015550123"),
            ("tel:7042;phone-context=Example.com", "TEL:7042;Phone-Context=example.com"),
            ("isbn:2983792873", "ISBN:2983792873"),
            ("sip:a@[2001:DB8::0:1]", "sip:a@[2001:db8::1]"),
        ] {
            assert!(uri(one).is_same(uri(two)), "{one} = {two}");
            assert!(uri(two).is_same(uri(one)), "{two} = {one}");
        }
        for (one, two) in [
            // RFC 3261 §19.1.4, the different ones.
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@h", "sips:a@h"),
            ("sip:a:p@h", "sip:a@h"),
            ("sip:a%2Cb@h", "sip:a,b@h"),
            ("tel:7042", "tel:7042;phone-context=example.com"),
        ] {
            assert!(!uri(one).is_same(uri(two)), "{one} ≠ {two}");
            assert!(!uri(two).is_same(uri(one)), "{two} ≠ {one}");
        }
    }

    #[test]
    fn writing_escapes_what_may_not_stand() {
        let uri = Uri::sip("a b@c#\r\n", Host::Name("h<o>st"), Some(5070)).with_param("ob", "").with_param("x", "a;b");
        assert_eq!(uri.as_str(), "sip:a%20b%40c%23%0D%0A@host:5070;ob;x=a%3Bb");
        assert_eq!(UriRef::parse(uri.as_str().as_bytes()).unwrap().parts(), uri.parts);
        assert_eq!(uri.view().user_unescaped().as_deref(), Some("a b@c#\r\n"));
        let at = Uri::at("", "[::1]:5060".parse().unwrap());
        assert_eq!((at.as_str(), at.view().user()), ("sip:[::1]:5060", None));
        assert_eq!(UriRef::parse(at.as_ref()).unwrap().parts(), at.parts);
        let with_headers = Uri::parse(b"sip:h?a=b").unwrap().with_param("lr", "");
        assert_eq!((with_headers.as_str(), with_headers.view().headers()), ("sip:h;lr?a=b", "a=b"));
        let without = with_headers.view().without_headers();
        assert_eq!((without.as_str(), without.headers(), without.param("lr")), ("sip:h;lr", "", Some("")));
        assert_eq!(UriRef::parse(b"mailto:a?b=c").unwrap().without_headers().as_str(), "mailto:a?b=c");
    }

    #[test]
    fn an_escaped_nul_does_not_cut_the_user() {
        assert_eq!(uri("sip:null-%00-null@example.com").user_unescaped().as_deref(), Some("null-\0-null"));
        assert!(!uri("sip:null-%00-null@h").is_same(uri("sip:null-@h")));
    }
}
