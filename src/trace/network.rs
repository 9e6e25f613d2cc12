//! The network of a trace: where each peer speaks from, over what, and which of its connections are open.
//!
//! A trunk speaks from its server's address (`provider/2` from the second one of its name), a phone from one of its own, a
//! stranger from 127.0.99.9. A peer on TCP opens a connection when it first speaks, and another one after it was `lost`.
//! We can open one to a trunk and to nobody else: phones sit behind a NAT.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::export::trunk_word;
use super::notation::{Peer, Place, Setting};
use crate::config::{Config, Trunk};
use crate::key::{Flow, Transport};

/// Where peers are, and the connections between them and us.
pub(super) struct Network {
    config: Arc<Config>,
    tcp: Vec<Peer>,
    ipv6: Vec<Peer>,
    places: Vec<Place>,
    /// One for each address of a peer.
    open: BTreeMap<SocketAddr, Connection>,
    last: u32,
    begun: Vec<SocketAddr>,
}

struct Connection {
    flow: Flow,
    /// The peer at its other end, by the address at which it is known.
    home: SocketAddr,
    /// We opened it, and wait for its end on a flow of that name.
    asked_for: Option<Flow>,
}

impl Network {
    pub(super) fn new(config: Arc<Config>, setting: &Setting) -> Network {
        let (tcp, ipv6) = (setting.tcp.clone(), setting.ipv6.clone());
        let places = setting.places.clone();
        Network { config, tcp, ipv6, places, open: BTreeMap::new(), last: 0, begun: Vec::new() }
    }

    /// Our own addresses with the lengths of their prefixes, the one that leads out first.
    pub(super) fn own(&self) -> Vec<(IpAddr, u8)> {
        let mut own = vec![(self.us(Transport::Udp, true).ip(), 8)];
        for listen in &self.config.sip.listen {
            let ip = listen.address.ip();
            if !ip.is_unspecified() && own.iter().all(|(known, _)| *known != ip) {
                own.push((ip, if ip.is_ipv4() { 8 } else { 64 }));
            }
        }
        own
    }

    /// Where we listen.
    pub(super) fn us(&self, transport: Transport, ipv4: bool) -> SocketAddr {
        let mut listen = self.config.sip.listen.iter().filter(|listen| listen.address.is_ipv4() == ipv4);
        let ours = listen.find(|listen| listen.transport == transport).map(|listen| listen.address);
        let anywhere = if ipv4 { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        ours.filter(|us| !us.ip().is_unspecified()).unwrap_or_else(|| (anywhere, 5060).into())
    }

    /// True for a peer that speaks TCP where nothing else is said.
    pub(super) fn speaks_tcp(&self, peer: &Peer) -> bool {
        is_among(peer, &self.tcp) || self.place(peer).is_some_and(|place| place.by == Transport::Tcp)
    }

    fn place(&self, peer: &Peer) -> Option<&Place> {
        self.places.iter().find(|place| is_among(peer, std::slice::from_ref(&place.peer)))
    }

    /// A peer is somewhere else now.
    pub(super) fn moves(&mut self, to: &Place) {
        self.places.retain(|place| place.peer != to.peer);
        self.places.push(to.clone());
    }

    /// Where a trunk is: as the trace says, in the order of its devices, else as [`addresses_of`] does.
    pub(super) fn addresses_of(&self, trunk: &Trunk) -> Vec<SocketAddr> {
        let at = self.config.trunks().position(|(_, other)| other.name == trunk.name).unwrap_or(0);
        let names = [trunk_word(at, &trunk.name), format!("trunk:{}", trunk.name)];
        let mut places: Vec<_> = self.places.iter().filter(|place| names.contains(&place.peer.name)).collect();
        places.sort_by_key(|place| place.peer.device);
        match places.is_empty() {
            true => addresses_of(trunk),
            false => places.into_iter().map(|place| place.address).collect(),
        }
    }

    /// Where a trunk takes connections; phones do not.
    pub(super) fn listens(&self, peer: &Peer) -> Option<SocketAddr> {
        let home = self.home(peer);
        self.config.trunks().any(|(_, trunk)| self.addresses_of(trunk).contains(&home)).then_some(home)
    }

    /// The address by which a peer is known.
    pub(super) fn home(&self, peer: &Peer) -> SocketAddr {
        if let Some(place) = self.place(peer) {
            return place.address;
        }
        let name = peer.name.strip_prefix("trunk:").unwrap_or(&peer.name);
        let trunk = match name {
            "provider" => self.config.trunks().next(),
            name => self.config.trunk_by_name(name).map(|ix| (ix, self.config.trunk(ix))),
        };
        let by_number = || {
            let at = name.strip_prefix('#')?.parse::<usize>().ok()?.checked_sub(1)?;
            self.config.trunks().nth(at)
        };
        if let Some((_, trunk)) = trunk.or_else(by_number) {
            let addresses = addresses_of(trunk);
            return addresses[usize::from(peer.device.saturating_sub(1)).min(addresses.len() - 1)];
        }
        let row = self.config.extension_by_number(name).map(|ix| ix.index() as u8 + 1);
        match row {
            Some(row) if is_among(peer, &self.ipv6) => {
                (Ipv6Addr::new(0xfd00, 0, 0, 100 + u16::from(peer.device), 0, 0, 0, row.into()), 5060).into()
            }
            Some(row) => (Ipv4Addr::new(127, 0, 100 + peer.device, row), 5060).into(),
            None => (Ipv4Addr::new(127, 0, 99, 9), 5060).into(),
        }
    }

    /// The way on which a peer speaks now.
    pub(super) fn flow(&mut self, peer: &Peer, transport: Transport) -> Flow {
        let home = self.home(peer);
        let local = self.us(transport, home.is_ipv4());
        if transport == Transport::Udp {
            return Flow { transport, local, remote: home, connection: 0 };
        }
        if let Some(connection) = self.open.get(&home) {
            return connection.flow;
        }
        self.last += 1;
        // A phone that the trace says to be somewhere begins there; after that each connection has a port of its own.
        let known = self.place(peer).map(|place| place.address).filter(|_| !self.begun.contains(&home));
        self.begun.push(home);
        let remote = known.unwrap_or(SocketAddr::new(home.ip(), 40_000 + self.last as u16));
        let flow = Flow { transport, local, remote, connection: self.last };
        self.open.insert(home, Connection { flow, home, asked_for: None });
        flow
    }

    /// A peer's connection is lost; the flows whose end we hear of.
    pub(super) fn lose(&mut self, peer: &Peer) -> Vec<Flow> {
        let lost = self.open.remove(&self.home(peer));
        lost.into_iter().flat_map(|lost| [Some(lost.flow), lost.asked_for]).flatten().collect()
    }

    /// Carries a message of ours: the way it really took, and the peer that gets it. `None` where there is no way.
    pub(super) fn carry(&mut self, flow: Flow) -> Option<(Flow, SocketAddr)> {
        if flow.transport == Transport::Udp {
            return Some((flow, flow.remote));
        }
        let open = self.open.values_mut().find(|open| match flow.connection {
            0 => open.flow.remote == flow.remote,
            number => open.flow.connection == number,
        });
        if let Some(open) = open {
            open.asked_for = open.asked_for.or((flow.connection == 0).then_some(flow));
            return Some((open.flow, open.home));
        }
        let listens = || self.config.trunks().any(|(_, trunk)| self.addresses_of(trunk).contains(&flow.remote));
        if flow.connection != 0 || !listens() {
            return None;
        }
        self.last += 1;
        let opened = Flow { connection: self.last, ..flow };
        let home = flow.remote;
        self.open.insert(home, Connection { flow: opened, home, asked_for: Some(flow) });
        Some((opened, home))
    }
}

/// Every call of a device that is named.
fn is_among(peer: &Peer, named: &[Peer]) -> bool {
    named.iter().any(|named| named.name == peer.name && named.device == peer.device)
}

/// A trunk's servers: its address, or for a name the addresses that its calls come from. One at least.
pub(super) fn addresses_of(trunk: &Trunk) -> Vec<SocketAddr> {
    let from = trunk.from.iter().map(|network| network.address());
    let mut addresses: Vec<IpAddr> = trunk.server.ip().map_or_else(|| from.collect(), |ip| vec![ip]);
    if addresses.is_empty() {
        addresses.push(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 10)));
    }
    addresses.into_iter().map(|ip| (ip, trunk.server.port.unwrap_or(5060)).into()).collect()
}
