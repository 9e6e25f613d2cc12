//! Addresses of the web: where we speak to, by `https` or, on our own network, by `http`.

use std::net::IpAddr;
use std::sync::Arc;

use super::read::Spot;
use super::template::{Template, template};

const EXAMPLE: &str = "write \"https://HOST/PATH\"";

/// The address at a place. Who is spoken to in the clear over the open network is warned of.
pub(super) fn web_address(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    match Parts::of(text) {
        Ok(parts) => {
            if !parts.encrypted && !is_local(parts.host) {
                spot.warning("this goes over the network in the clear", "write \"https://…\"");
            }
            Some(text.into())
        }
        Err(reason) => {
            spot.error(reason, EXAMPLE);
            None
        }
    }
}

/// An address with holes behind the host.
pub(super) fn web_template(spot: &Spot<'_>, holes: &[&str]) -> Option<Template> {
    web_address(spot)?;
    template(spot, holes)
}

/// What must be right about an address; the rest is the client's to read.
struct Parts<'a> {
    encrypted: bool,
    host: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Parts<'a>, String> {
        let wrong = || format!("\"{text}\" is no address of the web");
        if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(wrong());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let encrypted = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("an account does not belong into an address".into());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        if host.is_empty() || !host.bytes().all(letter) || !port {
            return Err(wrong());
        }
        Ok(Parts { encrypted, host })
    }
}

/// Within this machine or its own network, as far as the text says.
fn is_local(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        Err(_) => host == "localhost" || host.ends_with(".localhost") || !host.contains('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_far_as_it_matters() {
        let host = |text| Parts::of(text).map(|parts| (parts.host.to_owned(), parts.encrypted)).ok();
        assert_eq!(host("https://crm.example/a?b=c"), Some(("crm.example".into(), true)));
        assert_eq!(host("http://[::1]:8080/"), Some(("::1".into(), false)));
        assert_eq!(host("http://10.0.0.5:8080"), Some(("10.0.0.5".into(), false)));
        for wrong in
            ["crm.example", "ftp://x", "https://", "https://x:0/", "https://x:port/", "https://u:p@x/", "https://a b/"]
        {
            assert_eq!(host(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_near_may_be_spoken_to_in_the_clear() {
        assert!(
            ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fd00::1", "localhost", "crm"].into_iter().all(is_local)
        );
        assert!(!["8.8.8.8", "crm.example", "2001:db8::1"].into_iter().any(is_local));
    }
}
