//! Where a trunk's server is: its name is looked up in the background and kept fresh, so that no call ever waits for DNS.
//!
//! RFC 3263: an address counts as it stands; a name with a port is looked up as A and AAAA; a name without one as SRV for
//! its transport first (in the order of priority, within it by weight, RFC 2782), and as A and AAAA on port 5060 where
//! there is no SRV. Each answer is asked for again when its time is over. Where DNS is dead or says nothing, what it said
//! last goes on to count.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::key::Transport;
use crate::servers::ServerName;

/// Answers are kept at least this long, whatever DNS says.
const SHORTEST: Duration = Duration::from_secs(30);
/// And at most this long.
const LONGEST: Duration = Duration::from_secs(3600);
/// After a failure.
const RETRY: Duration = Duration::from_secs(30);
/// The port of SIP where nothing else is said.
const PORT: u16 = 5060;
/// SRV targets that are followed at most.
const MOST_TARGETS: usize = 16;

/// Whoever is told what a name means now; an empty list where nothing could be learnt.
pub type Report = Arc<dyn Fn(ServerName, Vec<(Transport, SocketAddr)>) + Send + Sync>;

/// Looks names up in the background.
#[derive(Clone)]
pub struct Resolver {
    runtime: tokio::runtime::Handle,
    report: Report,
    watched: Arc<Mutex<BTreeMap<ServerName, JoinHandle<()>>>>,
    dns: Option<TokioResolver>,
}

impl Resolver {
    /// Asks the servers of `/etc/resolv.conf`, after `/etc/hosts`; where they cannot be read, only addresses are answered.
    pub fn new(runtime: tokio::runtime::Handle, report: Report) -> Resolver {
        let _entered = runtime.enter();
        let dns = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        let dns = dns.inspect_err(|error| tracing::warn!(%error, "names of servers cannot be looked up")).ok();
        Resolver { runtime: runtime.clone(), report, watched: Arc::default(), dns }
    }

    /// Looks `name` up, reports what it means, and reports again whenever that was asked for anew. An address is reported
    /// at once; asking again for the same name does so too.
    pub fn watch(&self, name: ServerName) {
        if let Ok(ip) = name.host.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, name.port.unwrap_or(PORT));
            let transport = name.transport;
            return (self.report)(name, vec![(transport, address)]);
        }
        let this = self.clone();
        self.runtime.spawn(async move {
            let mut watched = this.watched.lock().await;
            let watch = this.runtime.spawn(this.clone().keep_fresh(name.clone()));
            if let Some(before) = watched.insert(name, watch) {
                before.abort();
            }
        });
    }

    /// Stops asking for names that are not wanted any more.
    pub fn keep_only(&self, wanted: impl Fn(&ServerName) -> bool + Send + 'static) {
        let watched = self.watched.clone();
        self.runtime.spawn(async move {
            watched.lock().await.retain(|name, watch| {
                let keep = wanted(name);
                if !keep {
                    watch.abort();
                }
                keep
            });
        });
    }

    async fn keep_fresh(self, name: ServerName) {
        loop {
            let (addresses, good_for) = match &self.dns {
                Some(dns) => lookup(dns, &name).await,
                None => (Vec::new(), RETRY),
            };
            match addresses.is_empty() {
                true => {
                    tracing::warn!(host = %name.host, "a server's name means nothing now; what it meant before counts")
                }
                false => tracing::debug!(host = %name.host, ?addresses, "looked up"),
            }
            (self.report)(name.clone(), addresses);
            tokio::time::sleep(good_for).await;
        }
    }
}

/// What a name means now, asked once: for whoever wants to know whether it can be looked up.
///
/// # Errors
/// It means nothing, or nobody says what; in words for an admin.
pub async fn once(name: &ServerName) -> Result<Vec<(Transport, SocketAddr)>, String> {
    if let Some(address) = name.literal() {
        return Ok(vec![address]);
    }
    let dns = TokioResolver::builder_tokio().and_then(|builder| builder.build());
    let dns = dns.map_err(|error| format!("the machine's own settings for DNS cannot be read: {error}"))?;
    let (addresses, _) = lookup(&dns, name).await;
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    Err(match dns.lookup_ip(&*name.host).await {
        Err(error) if error.is_no_records_found() => "there is no such name, or it has no address".to_owned(),
        Err(error) => format!("the DNS server gives no answer: {error}"),
        Ok(_) => "the servers that it names have no address".to_owned(),
    })
}

/// What a name means, and how long that is good.
async fn lookup(dns: &TokioResolver, name: &ServerName) -> (Vec<(Transport, SocketAddr)>, Duration) {
    let mut good_for = LONGEST;
    let targets = match name.port {
        Some(port) => vec![(name.host.to_string(), port)],
        None => match services(dns, name).await {
            Some((targets, ttl)) => {
                good_for = good_for.min(ttl);
                targets
            }
            None => vec![(name.host.to_string(), PORT)],
        },
    };
    let mut addresses = Vec::new();
    for (host, port) in targets {
        let Some((ips, ttl)) = hosts(dns, &host).await else { continue };
        good_for = good_for.min(ttl);
        addresses.extend(ips.into_iter().map(|ip| (name.transport, SocketAddr::new(ip, port))));
    }
    match addresses.is_empty() {
        true => (addresses, RETRY),
        false => (addresses, good_for.clamp(SHORTEST, LONGEST)),
    }
}

/// The SRV targets of a name in the order in which they are to be tried; `None` where it has none.
async fn services(dns: &TokioResolver, name: &ServerName) -> Option<(Vec<(String, u16)>, Duration)> {
    let service = format!("_sip._{}.{}.", name.transport.as_str(), name.host.trim_end_matches('.'));
    let answer = dns.lookup(service, RecordType::SRV).await.ok()?;
    let mut services = Vec::new();
    let mut ttl = LONGEST;
    for record in answer.answers() {
        if let RData::SRV(srv) = &record.data {
            ttl = ttl.min(Duration::from_secs(record.ttl.into()));
            let target = srv.target.to_utf8();
            // RFC 2782: a single dot means that the service is decidedly not offered.
            if target != "." {
                services.push(Service { priority: srv.priority, weight: srv.weight, target, port: srv.port });
            }
        }
    }
    in_order(&mut services, rand_below);
    services.truncate(MOST_TARGETS);
    let targets: Vec<_> = services.into_iter().map(|service| (service.target, service.port)).collect();
    (!targets.is_empty()).then_some((targets, ttl))
}

/// The addresses of a host, IPv4 first.
async fn hosts(dns: &TokioResolver, host: &str) -> Option<(Vec<IpAddr>, Duration)> {
    if let Ok(ip) = host.parse() {
        return Some((vec![ip], LONGEST));
    }
    let answer = dns.lookup_ip(host).await.ok()?;
    let mut ips: Vec<IpAddr> = answer.iter().collect();
    ips.sort_by_key(IpAddr::is_ipv6);
    ips.dedup();
    let ttls = answer.as_lookup().answers().iter().map(|record| Duration::from_secs(record.ttl.into()));
    Some((ips, ttls.min().unwrap_or(LONGEST)))
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Service {
    priority: u16,
    weight: u16,
    target: String,
    port: u16,
}

/// RFC 2782: lower priorities first; within one, each next is drawn with its weight, those without weight last.
fn in_order(services: &mut [Service], mut below: impl FnMut(u32) -> u32) {
    services.sort_by(|one, other| {
        one.priority.cmp(&other.priority).then(one.weight.cmp(&other.weight)).then(one.target.cmp(&other.target))
    });
    for next in 0..services.len() {
        let priority = services[next].priority;
        let rest = services[next..].iter().take_while(|service| service.priority == priority).count();
        let weights: u32 = services[next..next + rest].iter().map(|service| u32::from(service.weight)).sum();
        let mut drawn = below(weights + 1);
        let chosen = services[next..next + rest].iter().position(|service| {
            let here = drawn <= u32::from(service.weight);
            drawn = drawn.saturating_sub(service.weight.into());
            here
        });
        if let Some(chosen) = chosen {
            services[next..=next + chosen].rotate_right(1);
        }
    }
}

/// A number below `bound`. Which of several equal servers is asked needs chance, but no secret.
fn rand_below(bound: u32) -> u32 {
    use std::hash::{BuildHasher, RandomState};
    ((u64::from(bound) * (RandomState::new().hash_one(bound) >> 32)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service { priority, weight, target: target.to_owned(), port: 5060 }
    }

    #[test]
    fn srv_targets_are_tried_by_priority_and_within_it_by_weight() {
        let order = |draw: fn(u32) -> u32| {
            let mut services = [service(20, 0, "d"), service(10, 60, "c"), service(10, 40, "b"), service(10, 0, "a")];
            in_order(&mut services, draw);
            services.map(|service| service.target).concat()
        };
        // Zero draws the one without weight, which RFC 2782 gives a small chance; the highest draws the heaviest.
        assert_eq!(order(|_| 0), "abcd");
        assert_eq!(order(|bound| bound - 1), "cbad");
        assert_eq!(order(|bound| bound / 2), "cbad");
    }

    #[test]
    fn an_address_is_reported_at_once_without_asking_anybody() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (report, reported) = mpsc::channel();
        let report = std::sync::Mutex::new(report);
        let report: Report = Arc::new(move |name, addresses| report.lock().unwrap().send((name, addresses)).unwrap());
        let resolver = Resolver::new(runtime.handle().clone(), report);
        let name = ServerName { host: "2001:db8::5".into(), port: None, transport: Transport::Tcp };
        resolver.watch(name.clone());
        assert_eq!(reported.try_recv(), Ok((name, vec![(Transport::Tcp, "[2001:db8::5]:5060".parse().unwrap())])));
    }

    #[test]
    fn a_name_of_the_hosts_file_is_found_and_one_that_means_nothing_is_reported_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (report, mut reported) = tokio::sync::mpsc::unbounded_channel();
        let report: Report = Arc::new(move |name, addresses| report.send((name, addresses)).unwrap());
        let resolver = Resolver::new(runtime.handle().clone(), report);
        let name = |host: &str| ServerName { host: host.into(), port: Some(5062), transport: Transport::Udp };
        resolver.watch(name("localhost"));
        let (_, addresses) = runtime.block_on(reported.recv()).unwrap();
        assert!(addresses.contains(&(Transport::Udp, "127.0.0.1:5062".parse().unwrap())), "{addresses:?}");
        resolver.watch(name("no host name has blanks"));
        assert_eq!(runtime.block_on(reported.recv()), Some((name("no host name has blanks"), Vec::new())));
    }
}
