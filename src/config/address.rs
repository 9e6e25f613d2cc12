//! Addresses as an admin writes them: `udp://0.0.0.0:5060`, `192.168.0.0/16`, `sip:trunk.example:5060;transport=tcp`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use crate::key::Transport;

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
