//! What every check looks at: the config, the running router's own words, and what names mean.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::key::Transport;
use crate::servers::ServerName;

/// What names mean now: the addresses and how long that took, or why not.
pub(super) type Names = BTreeMap<ServerName, (Duration, Result<Vec<(Transport, SocketAddr)>, String>)>;

/// The office that is looked at.
pub(super) struct Patient {
    /// The config file.
    pub(super) file: PathBuf,
    /// What it says.
    pub(super) config: Config,
    /// What the running router says of itself; `None`: none runs.
    pub(super) status: Option<Value>,
    /// Its process.
    pub(super) router: Option<u32>,
    /// What the names of the config mean.
    pub(super) names: Names,
    /// Now.
    pub(super) now: Timestamp,
}

impl Patient {
    /// What a name means; empty where nobody says.
    pub(super) fn addresses(&self, name: &ServerName) -> &[(Transport, SocketAddr)] {
        match self.names.get(name) {
            Some((_, Ok(addresses))) => addresses,
            _ => &[],
        }
    }

    /// A list of the running router's status.
    pub(super) fn list(&self, what: &str) -> &[Value] {
        let list = self.status.as_ref().and_then(|status| status[what].as_array());
        list.map(Vec::as_slice).unwrap_or_default()
    }
}
