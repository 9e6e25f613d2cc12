//! Where a URI or a Via points: a name for DNS, or an address.

use std::fmt;
use std::net::IpAddr;

use super::lex::Unreadable;

/// Where a URI or a Via points: a name for DNS, or an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Host<'a> {
    /// A domain name, as written.
    Name(&'a str),
    /// An address; IPv6 stands in brackets on the wire.
    Ip(IpAddr),
}

impl<'a> Host<'a> {
    /// Reads a host without port. Names are letters, digits, `-`, `.` and `_` (which phones do use); a last label of digits
    /// alone is no name (RFC 3261 §25.1 `toplabel`).
    pub fn parse(text: &'a str) -> Result<Host<'a>, Unreadable> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').ok_or(Unreadable { at: text.len() })?;
            return address.parse().map(|ip| Host::Ip(IpAddr::V6(ip))).map_err(|_| Unreadable { at: 1 });
        }
        if text.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && let Ok(ip) = text.parse()
        {
            return Ok(Host::Ip(IpAddr::V4(ip)));
        }
        if let Some(at) = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))) {
            return Err(Unreadable { at });
        }
        let last = text.strip_suffix('.').unwrap_or(text).rsplit('.').next().unwrap_or_default();
        match last.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Err(Unreadable { at: 0 }),
            false => Ok(Host::Name(text)),
        }
    }

    /// The address, where it is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        }
    }

    /// Equal as RFC 3261 §19.1.4 has it: names without case.
    pub fn is_same(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Host::Ip(one), Host::Ip(two)) => one == two,
            _ => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        assert_eq!(Host::parse("office_1.example."), Ok(Host::Name("office_1.example.")));
        assert_eq!(Host::parse("192.0.2.1"), Ok(Host::Ip("192.0.2.1".parse().unwrap())));
        assert_eq!(Host::parse("[::ffff:192.0.2.1]").map(|host| host.to_string()), Ok("[::ffff:192.0.2.1]".into()));
        for bad in ["", ".", "256.0.0.1", "a.1", "+49", "a b", "2001:db8::1", "[::1", "[]", "[192.0.2.1]", "h\u{e4}"] {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Host::Name("A.b").is_same(Host::Name("a.B")));
        assert!(!Host::Name("a").is_same(Host::Ip("127.0.0.1".parse().unwrap())));
    }
}
