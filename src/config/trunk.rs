//! A trunk: a provider's SIP connection, with the habits in which providers differ.

use std::net::IpAddr;
use std::sync::Arc;

use super::address::{Network, SipTarget};
use super::destination::DidIx;
use super::secret::Secret;
use super::site::Record;
use crate::number::Dials;

/// Where a provider puts the number that was called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum DidFrom {
    /// In the Request-URI, as RFC 3261 means it.
    #[default]
    RequestUri,
    /// In To, when the Request-URI is only the account.
    To,
}

/// A header that carries who calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IdentityHeader {
    /// From.
    From,
    /// P-Asserted-Identity (RFC 3325).
    Pai,
    /// Remote-Party-ID, its forerunner.
    Rpid,
}

/// How we register with a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// The account: user part of our address of record, and digest user.
    pub user: Arc<str>,
    /// `None` where its environment variable or file is not there (a warning): the trunk stays unregistered.
    pub password: Option<Secret>,
}

/// `[[trunk]]`.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Unique.
    pub name: Arc<str>,
    /// Where our calls go.
    pub server: SipTarget,
    /// Where its calls come from, besides the resolved server and our own registration. Default: nowhere else.
    pub from: Vec<Network>,
    /// Default: we do not register.
    pub register: Option<Register>,
    /// Calls at one time, both directions. Default: no limit.
    pub max_calls: Option<u32>,
    /// Default: Request-URI.
    pub did_from: DidFrom,
    /// Where the caller's number stands, tried in order. Default: P-Asserted-Identity, Remote-Party-ID, From.
    pub identity_from: Vec<IdentityHeader>,
    /// How it writes numbers, both ways. Default: `+…`, and the site's numbering for what comes without plus.
    pub dials: Dials,
    /// Where it wants our number. Default: From.
    pub identity_to: IdentityHeader,
    /// The DID that is meant when it names none that we have. Default: none, such calls get 404.
    pub default_did: Option<DidIx>,
    /// The user it wants in From. Default: our number.
    pub from_user: Option<Arc<str>>,
    /// Default: as `media.record`.
    pub record: Option<Record>,
}

impl Trunk {
    /// True where `peer` is one of the addresses written in `from`, or the server itself where it is an address.
    pub fn knows(&self, peer: IpAddr) -> bool {
        self.server.ip().is_some_and(|server| server.to_canonical() == peer.to_canonical())
            || self.from.iter().any(|network| network.contains(peer))
    }
}
