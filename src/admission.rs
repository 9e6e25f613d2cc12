//! Who is at the door? Every request that begins something comes from a trunk, from an employee's phone, or from a stranger
//! who is asked for a password.
//!
//! In this order:
//! 1. the very address and port of a trunk's server is that trunk;
//! 2. who shows a digest, or comes from where one of our phones is bound, is asked as a phone;
//! 3. an address in a trunk's `from` is that trunk;
//! 4. the address of a device that does not register is that extension, unless it names another one;
//! 5. everybody else is asked for a password. Asking costs no memory, so a flood of strangers does not either.
//!
//! A REGISTER always needs a password. A phone that has proved who it is may not say that it is somebody else. How much of
//! this a stranger may ask for is the [`guard`](crate::guard)'s business, which stands before it.

use std::borrow::Cow;
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::clock::Instant;
use crate::config::{Config, DeviceRule, DigestAlgorithm, ExtensionIx, TrunkIx};
use crate::entropy::Entropy;
use crate::key::Flow;
use crate::refusal::Refusal;
use crate::registrar::Registrar;
use crate::registration::Trunks;
use crate::servers::{ServerName, Servers};
pub use crate::sip::digest::Doubt;
use crate::sip::digest::{Algorithm, Challenger, Secret, Verdict};
use crate::sip::header::NameAddr;
use crate::sip::{HeaderName, Message, Method};

/// Who a request is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A provider.
    Trunk(TrunkIx),
    /// An employee's phone.
    Extension(ExtensionIx),
    /// Nobody knows yet.
    Challenge {
        /// Answer 401 with these WWW-Authenticate values, without a transaction's memory where possible.
        values: SmallVec<[String; 2]>,
        /// For counting failures; never for the wire.
        because: Doubt,
    },
    /// An employee's phone that says it is somebody else.
    Impostor(ExtensionIx),
    /// Somebody who may not do this.
    Refused(Refusal),
}

/// What happened at the door since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that were asked for a password, the usual first ones included.
    pub challenged: u64,
    /// Wrong passwords, unknown users and digests made for something else.
    pub failed: u64,
    /// Digests that were used before.
    pub replayed: u64,
    /// Phones that said they were somebody else.
    pub impostors: u64,
}

/// Knows every account, and asks strangers for theirs.
#[derive(Debug)]
pub struct Doorkeeper {
    challenger: Challenger,
    /// By extension; `None` for those whose phones may not register.
    secrets: Vec<Option<Secret>>,
    /// Devices that do not register, sorted by address.
    fixed: Vec<(IpAddr, ExtensionIx)>,
    counts: Counts,
}

/// What the doorkeeper looks at beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The config in force.
    pub config: &'a Config,
    /// The trunks.
    pub trunks: &'a Trunks,
    /// The phones.
    pub registrar: &'a Registrar,
}

impl Known<'_> {
    /// The trunk that a request without a dialog, no REGISTER, is from: steps 1 to 3.
    pub fn trunk(&self, message: &Message, flow: &Flow) -> Option<TrunkIx> {
        let user = message.request_uri().and_then(|uri| uri.user());
        let at_server = self.trunks.server_at(flow.remote, user);
        let from_there = || self.trunks.who_is(flow.remote.ip(), user).filter(|_| !self.speaks_as_phone(message, flow));
        at_server.or_else(from_there)
    }

    fn speaks_as_phone(&self, message: &Message, flow: &Flow) -> bool {
        message.has(HeaderName::Authorization) || self.registrar.is_bound_at(flow.remote)
    }
}

impl Doorkeeper {
    /// A doorkeeper for `config`; `entropy` gives the key of its nonces.
    pub fn new(config: &Config, servers: &Servers, entropy: &mut Entropy) -> Doorkeeper {
        let challenger = Challenger::new(&config.sip.realm, &algorithms(config), entropy);
        let mut keeper = Doorkeeper { challenger, secrets: Vec::new(), fixed: Vec::new(), counts: Counts::default() };
        keeper.configure(config, servers);
        keeper
    }

    /// Follows a config. Passwords are hashed here, once.
    pub fn configure(&mut self, config: &Config, servers: &Servers) {
        self.challenger.configure(&config.sip.realm, &algorithms(config));
        let secret = |extension: &crate::config::Extension| {
            let password = extension.password.as_ref().filter(|_| extension.registers())?;
            Some(Secret::new(&extension.number, &config.sip.realm, password.expose()))
        };
        self.secrets = config.extensions().map(|(_, extension)| secret(extension)).collect();
        self.resolved(config, servers);
    }

    /// Follows what names mean: devices that do not register may be written by name.
    pub fn resolved(&mut self, config: &Config, servers: &Servers) {
        self.fixed.clear();
        for (ix, extension) in config.extensions().filter(|(_, extension)| extension.active) {
            for device in &extension.devices {
                if let DeviceRule::Address(target) = device {
                    let addresses = servers.addresses(&ServerName::from(target)).iter();
                    self.fixed.extend(addresses.map(|(_, address)| (address.ip().to_canonical(), ix)));
                }
            }
        }
        self.fixed.sort();
        self.fixed.dedup();
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many nonces are remembered.
    pub fn nonces(&self) -> usize {
        self.challenger.remembered()
    }

    /// True where a device that does not register is at this address.
    pub fn is_device(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let from = self.fixed.partition_point(|(address, _)| *address < ip);
        self.fixed.get(from).is_some_and(|(address, _)| *address == ip)
    }

    /// The user name that a request shows, whether there is such an account or not.
    pub fn shown<'m>(&self, message: &'m Message) -> Option<Cow<'m, str>> {
        let shown = self.challenger.shown(message.headers(HeaderName::Authorization))?;
        Some(match shown {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        })
    }

    /// Says who a request without a dialog is from. Not for ACK and CANCEL, which are never asked (RFC 3261 §22.1).
    pub fn admit(&mut self, message: &Message, flow: &Flow, known: Known<'_>, now: Instant) -> Admission {
        if message.method() == Method::Register {
            return self.prove(message, known.config, now);
        }
        if let Some(trunk) = known.trunk(message, flow) {
            return Admission::Trunk(trunk);
        }
        if known.speaks_as_phone(message, flow) {
            return self.prove(message, known.config, now);
        }
        if let Some(extension) = self.fixed_at(flow.remote.ip(), message, known.config) {
            return Admission::Extension(extension);
        }
        self.prove(message, known.config, now)
    }

    /// The device that does not register at this address; where several are, the one that From names.
    fn fixed_at(&self, ip: IpAddr, message: &Message, config: &Config) -> Option<ExtensionIx> {
        let ip = ip.to_canonical();
        let from = self.fixed.partition_point(|(address, _)| *address < ip);
        let here = || self.fixed[from..].iter().take_while(|(address, _)| *address == ip).map(|(_, ix)| *ix);
        let said = message.from().uri.user_unescaped();
        let named = said.as_deref().and_then(|user| config.extension_by_number(user));
        match named {
            Some(named) => here().find(|ix| *ix == named),
            None => here().next(),
        }
    }

    /// Digest, and then whether the request says the same as its digest.
    fn prove(&mut self, message: &Message, config: &Config, now: Instant) -> Admission {
        let uri = message.request_uri().map(|uri| uri.as_str()).unwrap_or_default();
        let secrets = &self.secrets;
        let lookup = |user: &str| {
            let ix = config.extension_by_number(user)?;
            Some((ix, secrets.get(ix.index())?.as_ref()?))
        };
        let values = message.headers(HeaderName::Authorization);
        let verdict = self.challenger.verify(values, message.method_name().as_bytes(), uri.as_bytes(), now, lookup);
        match verdict {
            Verdict::Accepted(ix) => match says_who_it_is(message, &config.extension(ix).number) {
                true => Admission::Extension(ix),
                false => {
                    self.counts.impostors += 1;
                    Admission::Impostor(ix)
                }
            },
            Verdict::Challenge { stale, because } => {
                self.counts.challenged += 1;
                self.counts.failed += u64::from(because.is_failure());
                self.counts.replayed += u64::from(because == Doubt::Replayed);
                Admission::Challenge { values: self.challenger.challenges(stale, now), because }
            }
            Verdict::BadRequest(why) => Admission::Refused(Refusal::bad_request(why)),
        }
    }
}

fn algorithms(config: &Config) -> SmallVec<[Algorithm; 2]> {
    let algorithm = |algorithm: &DigestAlgorithm| match algorithm {
        DigestAlgorithm::Md5 => Algorithm::Md5,
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
    };
    config.sip.digest.iter().map(algorithm).collect()
}

/// A REGISTER binds its own account; any other request names it in From and in every asserted identity, or nobody
/// (RFC 3323 §4.1: `anonymous@anonymous.invalid`).
fn says_who_it_is(message: &Message, number: &str) -> bool {
    let is_own = |address: &NameAddr<'_>| address.uri.user_unescaped().is_some_and(|user| user == number);
    let is_nobody = |address: &NameAddr<'_>| {
        let anonymous = address.uri.user().is_some_and(|user| user.eq_ignore_ascii_case("anonymous"));
        anonymous && address.uri.host_str().eq_ignore_ascii_case("anonymous.invalid")
    };
    if message.method() == Method::Register {
        return is_own(&message.to());
    }
    let asserted = [HeaderName::PAssertedIdentity, HeaderName::PPreferredIdentity];
    let mut asserted = asserted.into_iter().flat_map(|name| message.values(name));
    (is_own(&message.from()) || is_nobody(&message.from()))
        && asserted.all(|value| NameAddr::read(value).is_ok_and(|address| is_own(&address)))
}

#[cfg(test)]
mod tests;
