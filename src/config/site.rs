//! The office as a whole: its name, zone, numbers and last resort; and where it keeps, listens and records.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::address::{Listen, Network};
use super::destination::Destinations;
use crate::key::Transport;
use crate::number::Numbering;

/// `[site]`: the office.
#[derive(Clone, Debug)]
pub struct Site {
    /// What people call it. Default: `Office`.
    pub name: Arc<str>,
    /// The zone of every schedule and of the local day. Default: UTC; needed as soon as there is a schedule.
    pub timezone: TimeZone,
    /// How dialled and received numbers are read. Default: only `+…` and `00…` are read.
    pub numbering: Numbering,
    /// Numbers that pass every cap and permission. Default: `112`.
    pub emergency: Vec<Arc<str>>,
    /// Last resort where nothing else is said. Default: none, then every path must end by itself.
    pub operator: Destinations,
}

impl Default for Site {
    fn default() -> Self {
        Site {
            name: "Office".into(),
            timezone: TimeZone::UTC,
            numbering: Numbering::default(),
            emergency: vec!["112".into()],
            operator: Destinations::new(),
        }
    }
}

/// A digest algorithm (RFC 8760).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DigestAlgorithm {
    /// MD5, understood by every phone.
    Md5,
    /// SHA-256; many phones fail on any challenge that names it.
    Sha256,
}

/// `[sip]`: where we listen and how we name ourselves.
#[derive(Clone, Debug)]
pub struct Sip {
    /// Listening addresses. Default: UDP and TCP on port 5060 of all IPv4 addresses.
    pub listen: Vec<Listen>,
    /// The digest realm. Default: `huntline`. Changing it does not disturb phones: passwords are kept in the clear.
    pub realm: Arc<str>,
    /// Algorithms offered in a challenge, in order of preference. Default: MD5.
    pub digest: Vec<DigestAlgorithm>,
    /// What peers outside `local` are told as our address. Default: the address on which we reach them.
    pub public_address: Option<IpAddr>,
    /// Networks that are ours. Default: the private ranges of RFC 1918, loopback, and their IPv6 counterparts.
    pub local: Vec<Network>,
}

impl Sip {
    /// True where a peer is told our own address, not the public one.
    pub fn is_local(&self, peer: IpAddr) -> bool {
        self.local.iter().any(|network| network.contains(peer))
    }
}

impl Default for Sip {
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5060);
        let local = ["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "127.0.0.0/8", "::1", "fc00::/7", "fe80::/10"];
        Sip {
            listen: [Transport::Udp, Transport::Tcp].map(|transport| Listen { transport, address: any }).to_vec(),
            realm: "huntline".into(),
            digest: vec![DigestAlgorithm::Md5],
            public_address: None,
            local: local.iter().filter_map(|network| network.parse().ok()).collect(),
        }
    }
}

/// Whether RTP passes through us.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum MediaMode {
    /// RTP passes through our ports.
    #[default]
    Relay,
    /// Both sides send to each other.
    Direct,
}

/// Which talks are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Record {
    /// None.
    #[default]
    None,
    /// Those with somebody outside.
    External,
    /// All.
    All,
}

/// `[media]`: RTP and recordings.
#[derive(Clone, Debug)]
pub struct Media {
    /// Default: relay.
    pub mode: MediaMode,
    /// First and last RTP port, both included. Default: 20000 to 29999.
    pub ports: (u16, u16),
    /// What is recorded where a DID, group, trunk or extension does not say otherwise. Default: nothing.
    pub record: Record,
    /// How long recordings are kept. Default: for ever.
    pub keep: Option<Duration>,
}

impl Default for Media {
    fn default() -> Self {
        Media { mode: MediaMode::Relay, ports: (20000, 29999), record: Record::None, keep: None }
    }
}

/// `[storage]`: where things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Database, recordings, voicemail, prompts and the control socket. A relative path counts from the folder of the
    /// config file, so every command finds the same data wherever it is run. Default: `data`.
    pub directory: PathBuf,
}

/// `[web]`: pages and API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Default: 127.0.0.1:8080.
    pub listen: SocketAddr,
}

impl Default for Web {
    fn default() -> Self {
        Web { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080) }
    }
}
