//! Where we are: which address of ours a peer sees, and what it is told about it.
//!
//! A listener on `0.0.0.0` has every address of the machine; a Via or Contact must name the one that the peer can reach.
//! The edge tells which addresses there are; peers outside the site's networks are told the public one, if there is one.

use std::net::{IpAddr, SocketAddr};

use crate::config::{Config, Listen, Network};
use crate::key::{Flow, Transport};

/// The addresses of this machine, as far as SIP is concerned.
#[derive(Clone, Debug, Default)]
pub struct Host {
    listeners: Vec<Listen>,
    addresses: Vec<(IpAddr, u8)>,
    default: Option<IpAddr>,
    public: Option<IpAddr>,
    local: Vec<Network>,
}

impl Host {
    /// As the config says; the machine's own addresses come through [`Host::found`].
    pub fn new(config: &Config) -> Host {
        let mut host = Host { listeners: config.sip.listen.clone(), ..Host::default() };
        host.configure(config);
        host
    }

    /// Follows a new config. Listeners stay: sockets are bound once.
    pub fn configure(&mut self, config: &Config) {
        self.public = config.sip.public_address;
        self.local.clone_from(&config.sip.local);
    }

    /// The machine's own addresses with the length of their network prefixes, and the one that faces the internet.
    pub fn found(&mut self, addresses: Vec<(IpAddr, u8)>, default: Option<IpAddr>) {
        self.addresses = addresses;
        self.default = default;
    }

    /// The way of a request of ours to `remote`: connection 0, so a stream that is yet to be opened or found. `None` where
    /// we listen on no address of its family.
    pub fn flow(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let own = self.toward(remote.ip());
        let family = || self.listeners.iter().filter(|listen| listen.address.is_ipv4() == remote.is_ipv4());
        // A stream may leave from a machine that listens for datagrams only.
        let same = || family().filter(|listen| listen.transport == transport);
        let listener = same()
            .find(|listen| Some(listen.address.ip()) == own)
            .or_else(|| same().find(|listen| listen.address.ip().is_unspecified()))
            .or_else(|| same().next())
            .or_else(|| family().next())?;
        let ip = match listener.address.ip() {
            any if any.is_unspecified() => own.unwrap_or(any),
            specific => specific,
        };
        Some(Flow { transport, local: SocketAddr::new(ip, listener.address.port()), remote, connection: 0 })
    }

    /// What the peer of a flow is told as our address, in Via, Contact and SDP.
    pub fn told(&self, flow: &Flow) -> SocketAddr {
        let ip = match self.public {
            Some(public) if !self.is_local(flow.remote.ip()) && public.is_ipv4() == flow.remote.is_ipv4() => public,
            _ => flow.local.ip(),
        };
        SocketAddr::new(ip, flow.local.port())
    }

    /// True for peers within the site's own networks.
    pub fn is_local(&self, peer: IpAddr) -> bool {
        self.local.iter().any(|network| network.contains(peer))
    }

    /// True where `address` is one of ours: a URI that names it means us.
    pub fn is_ours(&self, ip: IpAddr) -> bool {
        self.public == Some(ip)
            || self.addresses.iter().any(|(own, _)| *own == ip)
            || self.listeners.iter().any(|listen| listen.address.ip() == ip)
    }

    /// Which of our addresses is nearest to `peer`: that of its own network, else the one that faces the internet.
    fn toward(&self, peer: IpAddr) -> Option<IpAddr> {
        let near = self.addresses.iter().filter(|(own, prefix)| shares(*own, peer, *prefix));
        let nearest = near.max_by_key(|(_, prefix)| *prefix).map(|(own, _)| *own);
        let same_family = |ip: &IpAddr| ip.is_ipv4() == peer.is_ipv4();
        let any = || self.addresses.iter().map(|(own, _)| *own).find(|own| same_family(own) && reaches_beyond(*own));
        nearest.or_else(|| self.default.filter(same_family)).or_else(any)
    }
}

/// False for the addresses of one machine or one cable: nobody further away can answer them.
fn reaches_beyond(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}

/// True where two addresses of one family have their first `prefix` bits in common.
fn shares(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits()).checked_shr(32 - u32::from(prefix.min(32))).unwrap_or(0) == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits()).checked_shr(128 - u32::from(prefix.min(128))).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(listen: &[(Transport, &str)]) -> Host {
        let listeners = listen
            .iter()
            .map(|(transport, address)| Listen { transport: *transport, address: address.parse().unwrap() })
            .collect();
        let addresses = ["127.0.0.1/8", "192.168.7.2/24", "198.51.100.9/26", "::1/128", "fe80::9/64", "2001:db8::9/64"]
            .map(|text| text.split_once('/').unwrap())
            .map(|(ip, prefix)| (ip.parse().unwrap(), prefix.parse().unwrap()));
        Host {
            listeners,
            addresses: addresses.to_vec(),
            default: "198.51.100.9".parse().ok(),
            public: "203.0.113.1".parse().ok(),
            local: vec!["192.168.0.0/16".parse().unwrap(), "127.0.0.0/8".parse().unwrap()],
        }
    }

    #[test]
    fn a_peer_is_reached_from_the_nearest_address_and_told_one_that_it_can_reach() {
        use Transport::{Tcp, Udp};
        let any: &[_] = &[(Udp, "0.0.0.0:5060"), (Tcp, "0.0.0.0:5070"), (Udp, "[::]:5060")];
        let specific: &[_] = &[(Udp, "192.168.7.2:5060"), (Udp, "198.51.100.9:5062")];
        for (listen, transport, remote, local, told) in [
            (any, Udp, "192.168.7.40:5060", "192.168.7.2:5060", "192.168.7.2:5060"),
            (any, Udp, "127.0.0.9:5080", "127.0.0.1:5060", "127.0.0.1:5060"),
            (any, Tcp, "192.0.2.10:5060", "198.51.100.9:5070", "203.0.113.1:5070"),
            (any, Udp, "[2001:db8::40]:5060", "[2001:db8::9]:5060", "[2001:db8::9]:5060"),
            (any, Udp, "[2001:db8:7::1]:5060", "[2001:db8::9]:5060", "[2001:db8::9]:5060"),
            (any, Udp, "[fe80::40]:5060", "[fe80::9]:5060", "[fe80::9]:5060"),
            (any, Udp, "[::1]:5080", "[::1]:5060", "[::1]:5060"),
            (specific, Udp, "192.168.7.40:5060", "192.168.7.2:5060", "192.168.7.2:5060"),
            (specific, Udp, "192.0.2.10:5060", "198.51.100.9:5062", "203.0.113.1:5062"),
            (specific, Tcp, "192.168.7.40:5060", "192.168.7.2:5060", "192.168.7.2:5060"),
        ] {
            let host = host(listen);
            let flow = host.flow(transport, remote.parse().unwrap()).unwrap();
            assert_eq!(flow.local, local.parse().unwrap(), "{remote}");
            assert_eq!(host.told(&flow), told.parse().unwrap(), "{remote}");
        }
        assert_eq!(host(specific).flow(Udp, "[2001:db8::40]:5060".parse().unwrap()), None);
        assert!(host(any).is_ours("203.0.113.1".parse().unwrap()) && !host(any).is_ours("192.0.2.1".parse().unwrap()));
    }
}
