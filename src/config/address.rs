//! Addresses as an admin writes them: `udp://0.0.0.0:5060`, `192.168.0.0/16`, `sip:trunk.example:5060;transport=tcp`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use super::read::Spot;
use crate::key::Transport;
use crate::sip::Host;

/// Where we listen for SIP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Listen {
    /// How bytes travel.
    pub transport: Transport,
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
}

/// A range of addresses: `192.168.0.0/16`, or one address without the slash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Its first address, as it is written.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// True where `address` lies within. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (128, v6.to_bits()),
        };
        let ((width, ours), (other_width, theirs)) = (bits(self.address), bits(address));
        let host_bits = u32::from(width - self.prefix.min(width));
        width == other_width && (ours ^ theirs).checked_shr(host_bits).unwrap_or(0) == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Network, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|prefix| *prefix <= width)
                .ok_or_else(|| format!("/{prefix} is no prefix length from /0 to /{width}"))?,
        };
        Ok(Network { address, prefix })
    }
}

/// A peer by name or address: a trunk's server, or a device that does not register.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SipTarget {
    /// The user part, if one is written.
    pub user: Option<Arc<str>>,
    /// Host name or address; an IPv6 address stands without brackets.
    pub host: Arc<str>,
    /// The port, if one is written; without it SRV records decide (RFC 3263 §4.2), then 5060.
    pub port: Option<u16>,
    /// The transport, if one is written; without it UDP for an address, and what DNS says for a name.
    pub transport: Option<Transport>,
}

impl SipTarget {
    /// The address, where the host is written as one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The host as a URI has it; `None` for what no URI can name.
    pub fn uri_host(&self) -> Option<Host<'_>> {
        self.ip().map(Host::Ip).or_else(|| Host::parse(&self.host).ok())
    }
}

impl fmt::Display for SipTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sip:")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.ip() {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            _ => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.transport {
            Some(transport) => write!(f, ";transport={}", transport.as_str()),
            None => Ok(()),
        }
    }
}

impl FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Listen, String> {
        let (scheme, address) = text.split_once("://").ok_or_else(|| format!("{text:?} does not name a transport"))?;
        let transport = match scheme {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" | "ws" | "wss" => return Err(format!("{scheme} is not available yet")),
            _ => return Err(format!("{scheme:?} is no transport")),
        };
        let address = address.parse().map_err(|_| format!("{address:?} is no ADDRESS:PORT"))?;
        Ok(Listen { transport, address })
    }
}

impl FromStr for SipTarget {
    type Err = String;
    fn from_str(text: &str) -> Result<SipTarget, String> {
        let rest = match text.split_once(':') {
            Some(("sip", rest)) => rest,
            Some(("sips", _)) => return Err("TLS is not available yet".into()),
            _ => return Err(format!("{text:?} does not begin with sip:")),
        };
        let (address, parameters) = rest.split_once(';').map_or((rest, None), |(address, rest)| (address, Some(rest)));
        let (user, place) = address.split_once('@').map_or((None, address), |(user, place)| (Some(user), place));
        let (host, port) = split_port(place)?;
        let user = match user {
            Some("") => return Err("there is no user before the @".into()),
            user => user.map(Into::into),
        };
        let mut transport = None;
        for parameter in parameters.into_iter().flat_map(|parameters| parameters.split(';')) {
            transport = match parameter.to_ascii_lowercase().as_str() {
                "transport=udp" => Some(Transport::Udp),
                "transport=tcp" => Some(Transport::Tcp),
                "transport=tls" => return Err("TLS is not available yet".into()),
                _ => return Err(format!("the parameter {parameter:?} is not known here")),
            };
        }
        Ok(SipTarget { user, host: host.into(), port, transport })
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(place: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => {
            host.parse::<std::net::Ipv6Addr>().map_err(|_| format!("[{host}] is no IPv6 address"))?;
            match rest {
                "" => (host, None),
                rest => (host, Some(rest.strip_prefix(':').ok_or_else(|| format!("{rest:?} after the address"))?)),
            }
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || !host.bytes().all(letter) {
        return Err(format!("{host:?} is no host name or address"));
    }
    let all_digits = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if all_digits && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(format!("{host:?} is no IPv4 address"));
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 => Some(number),
            _ => return Err(format!("{port:?} is no port from 1 to 65535")),
        },
    };
    Ok((host, port))
}

/// Reads a value as a list of networks, each once.
pub(super) fn networks(spot: &Spot<'_>) -> Option<Vec<Network>> {
    let mut found = Vec::new();
    for spot in spot.list()? {
        let Some(network) = spot.parse(str::parse::<Network>, "write an address, or a range such as 192.168.0.0/16")
        else {
            continue;
        };
        if found.contains(&network) {
            spot.error("this stands here twice", "remove it");
        }
        found.push(network);
    }
    Some(found)
}

/// Reads a value as the address of a peer.
pub(super) fn sip_target(spot: &Spot<'_>) -> Option<SipTarget> {
    spot.parse(str::parse, "write sip:HOST, sip:HOST:PORT or sip:HOST:PORT;transport=tcp")
}
