//! `[guard]`: what strangers may do at a public address before they are slowed down or kept out. Every value has a good
//! default; most offices never write this section.

use std::net::IpAddr;
use std::time::Duration;

use super::address::{Network, networks};
use super::read::{Fields, Spot};

/// `[guard]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// How many requests of one strange source (an IPv4 address, an IPv6 /64) are answered in a second, 1 to 10,000; what is
    /// more is dropped without an answer. Default: 20.
    pub requests: u32,
    /// How many may come at once after a quiet while; not below `requests`. Default: 40.
    pub burst: u32,
    /// How many requests of all strangers together are answered in a second, so that forged addresses cost no more either.
    /// Not below `requests`. Default: 2,000.
    pub all: u32,
    /// How many failures (wrong passwords, unknown users, calls without a password) within `within` ban a source, 2 to
    /// 1,000. Default: 10. An account is banned for strangers after three times as many, from wherever they came.
    pub failures: u32,
    /// Within which time; 1 s to 1 h. Default: 60 s.
    pub within: Duration,
    /// How long the first ban lasts; each further one of the same source lasts four times as long. 1 s to 30 days.
    /// Default: 10 min.
    pub ban: Duration,
    /// How long a ban lasts at most; not below `ban`. For so long after its end it is remembered that there was one.
    /// Default: 24 h.
    pub longest: Duration,
    /// Who is neither slowed down nor banned. Default: nobody; trunks, and addresses at which a phone is registered, need not
    /// be named, they never are banned.
    pub trusted: Vec<Network>,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            requests: 20,
            burst: 40,
            all: 2_000,
            failures: 10,
            within: Duration::from_secs(60),
            ban: Duration::from_secs(600),
            longest: Duration::from_secs(86_400),
            trusted: Vec::new(),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

impl Guard {
    /// True where the admin vouches for this address.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Reads `[guard]`.
    pub(super) fn read(fields: Option<Fields<'_>>) -> Guard {
        let mut guard = Guard::default();
        let Some(fields) = fields else { return guard };
        let number = |key, from, to| fields.get(key).and_then(|spot| spot.number(from, to));
        let time = |key, from, to| fields.get(key).and_then(|spot| spot.duration(from, to));
        guard.requests = number("requests", 1, 10_000).unwrap_or(guard.requests);
        // Whoever writes only one of them means the others to follow.
        guard.burst = number("burst", 1, 100_000).unwrap_or(guard.burst.max(2 * guard.requests));
        guard.all = number("all", 1, 1_000_000).unwrap_or(guard.all.max(guard.requests));
        guard.failures = number("failures", 2, 1_000).unwrap_or(guard.failures);
        guard.within = time("within", SECOND, HOUR).unwrap_or(guard.within);
        guard.ban = time("ban", SECOND, MONTH).unwrap_or(guard.ban);
        guard.longest = time("longest", SECOND, MONTH).unwrap_or(guard.longest.max(guard.ban));
        let least = |key, value: u32, least: u32| {
            if let Some(spot) = fields.get(key).filter(|_| value < least) {
                spot.error(
                    format!("{value} is less than the {least} requests of one stranger in a second"),
                    format!("write {least} or more, or less in guard.requests"),
                );
            }
        };
        least("burst", guard.burst, guard.requests);
        least("all", guard.all, guard.requests);
        if let Some(spot) = fields.get("longest").filter(|_| guard.longest < guard.ban) {
            spot.error("this is shorter than the first ban", "write as much as guard.ban, or more");
        }
        if let Some(spot) = fields.get("trusted") {
            guard.trusted = networks(&spot).unwrap_or_default();
            warn_of_everybody(&spot, &guard.trusted);
        }
        fields.finish();
        guard
    }
}

/// Trusting the whole internet is allowed, for a laboratory, and said.
fn warn_of_everybody(spot: &Spot<'_>, trusted: &[Network]) {
    if let Some(everybody) = trusted.iter().find(|network| network.to_string().ends_with("/0")) {
        spot.warning(
            format!("{everybody} is everybody: nobody is slowed down or banned"),
            "name the networks of your own phones, such as 192.168.0.0/16",
        );
    }
}
