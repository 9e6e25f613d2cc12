//! What the names of servers mean: looked up in the background, answered from memory.
//!
//! A call never asks DNS. Names that the config mentions (servers of trunks, phones that do not register) are handed
//! outside once, kept fresh there, and what comes back is kept here. An empty answer changes nothing: a dead DNS server
//! must not silence a provider.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::{Config, DeviceRule, SipTarget};
use crate::key::Transport;

/// The port of SIP where nothing else is said (RFC 3261 §19.1.2).
pub const SIP_PORT: u16 = 5060;

/// What RFC 3263 looks up: a host with what its URI said about port and transport.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName {
    /// A name, or an address in text.
    pub host: Arc<str>,
    /// The URI's port; `None` asks SRV first.
    pub port: Option<u16>,
    /// The URI's transport; UDP where it names none.
    pub transport: Transport,
}

impl From<&SipTarget> for ServerName {
    fn from(target: &SipTarget) -> ServerName {
        let transport = target.transport.unwrap_or(Transport::Udp);
        ServerName { host: target.host.clone(), port: target.port, transport }
    }
}

impl ServerName {
    /// What it means without asking anybody, where its host is an address.
    pub fn literal(&self) -> Option<(Transport, SocketAddr)> {
        let ip = self.host.parse().ok()?;
        Some((self.transport, SocketAddr::new(ip, self.port.unwrap_or(SIP_PORT))))
    }

    /// Every name that a config mentions, once, in the order of the file. Addresses are among them.
    pub fn all(config: &Config) -> Vec<ServerName> {
        let trunks = config.trunks().map(|(_, trunk)| ServerName::from(&trunk.server));
        let devices = config.extensions().flat_map(|(_, extension)| &extension.devices);
        let devices = devices.filter_map(|device| match device {
            DeviceRule::Address(target) => Some(ServerName::from(target)),
            DeviceRule::Sip | DeviceRule::Gsm { .. } => None,
        });
        let mut all: Vec<ServerName> = Vec::new();
        for name in trunks.chain(devices) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }
}

/// The names that a config mentions, and what they mean.
#[derive(Debug, Default)]
pub struct Servers {
    known: BTreeMap<ServerName, Vec<(Transport, SocketAddr)>>,
}

impl Servers {
    /// Follows a config; gives the names that are to be looked up. What is known already stays known.
    pub fn configure(&mut self, config: &Config) -> Vec<ServerName> {
        let wanted = ServerName::all(config);
        self.known.retain(|name, _| wanted.contains(name));
        let mut unknown = Vec::new();
        for name in wanted {
            if !self.known.contains_key(&name) {
                match name.literal() {
                    Some(address) => drop(self.known.insert(name, vec![address])),
                    None => {
                        self.known.insert(name.clone(), Vec::new());
                        unknown.push(name);
                    }
                }
            }
        }
        unknown
    }

    /// Takes in an answer; true where it says something new. Names that nobody wants any more are left out.
    pub fn resolved(&mut self, name: &ServerName, addresses: Vec<(Transport, SocketAddr)>) -> bool {
        match self.known.get_mut(name) {
            Some(known) if !addresses.is_empty() && *known != addresses => {
                *known = addresses;
                true
            }
            _ => false,
        }
    }

    /// What a name means, in the order in which its addresses are to be tried; empty where that is not known yet.
    pub fn addresses(&self, name: &ServerName) -> &[(Transport, SocketAddr)] {
        self.known.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}
