//! Who is kept out and why, in words that go into facts, logs and lists.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Duration, Timestamp};

/// Where requests come from, as far as it costs somebody something to have another one: an IPv4 address, or the /64 of an
/// IPv6 address, of which a provider gives each customer a whole one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Source(IpAddr);

impl Source {
    /// The source that this address belongs to. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            IpAddr::V4(address) => Source(address.into()),
            IpAddr::V6(address) => Source(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
        }
    }

    /// Its first and its last address.
    pub fn range(self) -> (IpAddr, IpAddr) {
        match self.0 {
            IpAddr::V4(_) => (self.0, self.0),
            IpAddr::V6(first) => (self.0, Ipv6Addr::from_bits(first.to_bits() | u128::from(u64::MAX)).into()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = text.strip_suffix("/64").unwrap_or(&text);
        address.parse().map(Source::of).map_err(serde::de::Error::custom)
    }
}

/// Outcast a ban keeps out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcast {
    /// Everybody there.
    Source(Source),
    /// Whoever shows this user name at an address that nobody of ours has; an extension's number, or what somebody guessed.
    Account(Arc<str>),
}

impl Outcast {
    /// As an admin writes it: an address, with or without `/64`, or else the name of an account.
    pub fn read(text: &str) -> Outcast {
        let address = text.strip_suffix("/64").unwrap_or(text).trim_matches(['[', ']']);
        match address.parse() {
            Ok(address) => Outcast::Source(Source::of(address)),
            Err(_) => Outcast::Account(short(text)),
        }
    }
}

impl fmt::Display for Outcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcast::Source(source) => write!(f, "{source}"),
            Outcast::Account(account) => write!(f, "account {account}"),
        }
    }
}

/// A user name as it came may be as long as a datagram; what is kept of it is not.
pub(super) fn short(account: &str) -> Arc<str> {
    account.chars().take(64).collect::<String>().into()
}

/// A ban that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Outcast it keeps out.
    pub whom: Outcast,
    /// When it ends by itself.
    pub until: Timestamp,
    /// How many bans of the same there were before it, within the time for which they are remembered, and this one.
    pub times: u32,
    /// Why: an [`Offence`], or the admin's words.
    pub why: Arc<str>,
    /// Somebody has put it by hand.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub by_hand: bool,
}

/// What a stranger can do wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offence {
    /// A digest that does not come from the account's password.
    WrongPassword,
    /// A digest of an account that does not exist. To the outside it is the same as a wrong password.
    UnknownUser,
    /// A digest that was made for another request, or one that nobody can read.
    ForgedDigest,
    /// A call to what is no number of ours, without a password.
    Call,
}

impl Offence {
    /// The word for it in the log.
    pub fn word(self) -> &'static str {
        match self {
            Offence::WrongPassword => "wrong-password",
            Offence::UnknownUser => "unknown-user",
            Offence::ForgedDigest => "forged-digest",
            Offence::Call => "call-without-password",
        }
    }
}

/// What a log says of strangers, so that people and firewalls can act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// A stranger did something wrong.
    Failed {
        /// Where it came from.
        from: IpAddr,
        /// What.
        why: Offence,
        /// The user name that was shown.
        account: Option<Arc<str>>,
    },
    /// Somebody failed at an address of ours: a phone with an old password, most likely. No firewall should act on it.
    FailedAtHome {
        /// Where it came from.
        from: IpAddr,
        /// What.
        why: Offence,
        /// The user name that was shown.
        account: Arc<str>,
        /// It is slowed down from now on.
        slowed: bool,
    },
    /// A source is kept out from now on.
    Banned {
        /// The address with which it was one failure too many.
        from: IpAddr,
        /// The last offence.
        why: Offence,
        /// For how long.
        span: Duration,
        /// For the how manieth time.
        times: u32,
    },
    /// An account is closed to strangers from now on.
    AccountBanned {
        /// The user name.
        account: Arc<str>,
        /// For how long.
        span: Duration,
    },
    /// So many requests of one source were dropped.
    Flood {
        /// Where they come from.
        from: IpAddr,
        /// Since the source was heard of.
        dropped: u32,
    },
    /// So many lines like these were not written, because there were too many.
    LeftOut {
        /// Lines.
        lines: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_or_a_network_of_ipv6_and_reads_as_it_is_written() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("203.0.113.9").to_string(), "203.0.113.9");
        assert_eq!(source("::ffff:203.0.113.9"), source("203.0.113.9"));
        assert_eq!(source("2001:db8:1:2:3:4:5:6").to_string(), "2001:db8:1:2::/64");
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:2::"), source("2001:db8:1:3::"));
        let (first, last) = source("2001:db8:1:2::9").range();
        assert_eq!(
            (first.to_string(), last.to_string()),
            ("2001:db8:1:2::".into(), "2001:db8:1:2:ffff:ffff:ffff:ffff".into())
        );
        for text in ["203.0.113.9", "2001:db8:1:2::/64", "201"] {
            let whom = Outcast::read(text);
            let json = serde_json::to_string(&whom).unwrap();
            assert_eq!(serde_json::from_str::<Outcast>(&json).unwrap(), whom, "{json}");
        }
        assert_eq!(Outcast::read("[2001:db8:1:2::9]"), Outcast::read("2001:db8:1:2::/64"));
    }
}
