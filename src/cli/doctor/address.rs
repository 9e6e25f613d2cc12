//! What peers are told as our address: nobody on the internet can answer a private one.

use std::net::IpAddr;

use super::finding::Finding;
use super::patient::Patient;
use crate::host::Host;
use crate::net::own_addresses;
use crate::servers::ServerName;

const SUBJECT: &str = "address";

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let (addresses, default) = own_addresses();
    let mut host = Host::new(config);
    host.found(addresses.clone(), default);
    let shown: Vec<String> =
        addresses.iter().filter(|(own, _)| !own.is_loopback()).map(|(own, _)| own.to_string()).collect();
    let shown = if shown.is_empty() { "none but its own loopback".into() } else { shown.join(", ") };
    let mut findings = vec![Finding::ok(SUBJECT, "this machine", shown)];
    let specific = config.sip.listen.iter().map(|listen| listen.address.ip()).filter(|ip| !ip.is_unspecified());
    for listen in specific.filter(|ip| !ip.is_loopback() && !addresses.iter().any(|(own, _)| own == ip)) {
        findings.push(
            Finding::ok(SUBJECT, "sip.listen", format!("{listen} is none of this machine's addresses"))
                .fail("write one that it has, or 0.0.0.0 for all"),
        );
    }
    for (_, trunk) in config.trunks() {
        let Some((transport, server)) = patient.addresses(&ServerName::from(&trunk.server)).first().copied() else {
            continue;
        };
        let what = format!("towards {}", trunk.name);
        let Some(flow) = host.flow(transport, server) else {
            let found = format!("{server} cannot be reached: we listen on no address of its family");
            findings.push(Finding::ok(SUBJECT, what, found).fail("add one to sip.listen"));
            continue;
        };
        findings.push(told(&trunk.name, server.ip(), host.told(&flow).ip(), config.sip.public_address.is_some()));
    }
    if let Some(public) = config.sip.public_address.filter(|public| is_private(*public)) {
        findings.push(
            Finding::ok(SUBJECT, "sip.public_address", format!("{public} is a private address"))
                .warn("right only where all your providers are in a network of their own"),
        );
    }
    findings
}

/// Whether a provider can answer what it is told.
fn told(name: &str, server: IpAddr, told: IpAddr, has_public: bool) -> Finding {
    let finding = Finding::ok(SUBJECT, format!("towards {name}"), format!("{server} is told {told}"));
    if !is_private(told) || is_private(server) {
        return finding;
    }
    finding.fail(match has_public {
        true => "sip.local counts this provider among your own networks: take it out there",
        false => {
            "nobody out there can answer that: write sip.public_address (what `curl ifconfig.me` says), and let the NAT \
             pass the ports of sip.listen and media.ports"
        }
    })
}

/// True for addresses that nobody on the internet can send to.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // RFC 6598: what providers put before their own NAT.
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_provider_outside_that_is_told_a_private_address_cannot_answer() {
        for (server, ours, has_public, state) in [
            ("198.51.100.1", "192.168.1.2", false, State::Fail),
            ("198.51.100.1", "100.64.0.7", false, State::Fail),
            ("198.51.100.1", "10.0.0.2", true, State::Fail),
            ("198.51.100.1", "203.0.113.7", true, State::Ok),
            ("10.9.0.1", "10.0.0.2", false, State::Ok),
            ("2001:db8::1", "fd00::2", false, State::Fail),
        ] {
            let finding = told("provider", server.parse().unwrap(), ours.parse().unwrap(), has_public);
            assert_eq!(finding.state, state, "{finding:?}");
        }
    }
}
