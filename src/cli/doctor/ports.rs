//! Can our ports be had, and who has them: other programs that speak SIP, the system's own outgoing connections.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use super::finding::Finding;
use super::patient::Patient;
use crate::key::Transport;

const SUBJECT: &str = "ports";

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let mut findings: Vec<Finding> = config
        .sip
        .listen
        .iter()
        .filter(|listen| listen.address.port() != 0)
        .map(|listen| one(patient, "sip.listen", listen.transport, listen.address))
        .collect();
    if config.web.is_on && config.web.listen.port() != 0 {
        findings.push(one(patient, "web.listen", Transport::Tcp, config.web.listen));
    }
    findings.extend(media(patient));
    findings
}

/// One address at which we listen.
fn one(patient: &Patient, key: &str, transport: Transport, address: SocketAddr) -> Finding {
    let what = format!("{key} {}://{address}", transport.as_str());
    let bound = match transport {
        Transport::Udp => UdpSocket::bind(address).map(drop),
        Transport::Tcp => TcpListener::bind(address).map(drop),
    };
    let finding = |found: &str| Finding::ok(SUBJECT, what.clone(), found);
    let Err(error) = bound else {
        return match patient.router {
            None => finding("is free"),
            Some(_) => finding("is free, and the running router should have it")
                .fail("it takes effect with a restart: sip.listen and web.listen are read at start"),
        };
    };
    match error.kind() {
        ErrorKind::AddrInUse => match holder(transport, address) {
            Some((process, _)) if Some(process) == patient.router => finding("held by the running router"),
            Some((process, name)) => finding(&format!("taken by {name}, process {process}"))
                .fail(format!("end that program (systemctl stop {name}?), or write another port")),
            None if patient.router.is_some() => finding("held, by the running router as far as can be seen"),
            None => finding("taken by a program of another user")
                .fail(format!("who it is says: sudo ss -lnp 'sport = :{}'", address.port())),
        },
        ErrorKind::AddrNotAvailable => finding("this machine does not have that address")
            .fail("write one that it has (`ip address`), or 0.0.0.0 for all"),
        ErrorKind::PermissionDenied => finding("only root may take a port below 1024")
            .fail("write one above, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"),
        _ => finding(&error.to_string()).fail("look at the address"),
    }
}

/// The ports for voice: how many calls they do for, and who else is among them.
fn media(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let (first, last) = config.media.ports;
    let what = format!("media.ports {first}-{last}");
    let calls = (usize::from(last - first) + 1) / 4;
    let ips: Vec<IpAddr> = {
        let mut ips: Vec<_> = config.sip.listen.iter().map(|listen| listen.address.ip()).collect();
        ips.sort();
        ips.dedup();
        ips
    };
    let ours = patient.status.as_ref().and_then(|status| status["census"]["ports"].as_u64()).unwrap_or(0) as usize;
    // Looked up and not tried: a call may want one at this moment.
    let held: Vec<Held> = tables(Transport::Udp).into_iter().flat_map(held).collect();
    let taken = |ip: &IpAddr| {
        let mut taken: Vec<u16> = held.iter().filter(|held| held.is_in_the_way(*ip)).map(|held| held.port).collect();
        taken.retain(|port| (first..=last).contains(port));
        taken.sort_unstable();
        taken.dedup();
        taken.len()
    };
    // Each port of ours has its neighbour for RTCP.
    let foreign = ips.iter().map(taken).max().unwrap_or(0).saturating_sub(ours * 2);
    let finding = Finding::ok(SUBJECT, &what, format!("do for {calls} calls at once, {ours} in use"));
    let mut findings = vec![match foreign {
        0 => finding,
        _ => Finding { found: format!("{foreign} of them are taken by other programs"), ..finding }
            .warn("they are passed over, and calls wait for that: write a range that nobody else uses"),
    }];
    let wanted: u64 = config.trunks().filter_map(|(_, trunk)| trunk.max_calls).map(u64::from).sum();
    if (calls as u64) < wanted {
        findings.push(
            Finding::ok(SUBJECT, "media.ports", format!("{calls} calls, and the trunks bring up to {wanted}"))
                .warn(format!("write at least {} ports", wanted * 4)),
        );
    }
    if let Ok((from, to)) = outgoing()
        && from <= last
        && first <= to
    {
        let found = format!("the system takes ports {from}-{to} for other programs' connections");
        findings.push(Finding::ok(SUBJECT, "media.ports", found).warn(
            "write a range outside: one of them may be taken when a call wants it (sysctl \
                net.ipv4.ip_local_port_range)",
        ));
    }
    findings
}

/// From where the system takes ports for who asks for none.
fn outgoing() -> io::Result<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut ends = text.split_whitespace().filter_map(|end| end.parse().ok());
    ends.next().zip(ends.next()).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// The process that has a port, and its name, as far as the system lets us see.
fn holder(transport: Transport, address: SocketAddr) -> Option<(u32, String)> {
    let held = tables(transport).into_iter().flat_map(held);
    let in_the_way = held.filter(|held| {
        let counts = transport == Transport::Udp || held.listens;
        held.port == address.port() && counts && held.is_in_the_way(address.ip())
    });
    let inodes: Vec<String> = in_the_way.map(|held| held.inode).collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let numbered = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_it = |process: &u32| {
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let mut targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        targets.any(|target| {
            target.to_str().is_some_and(|target| inodes.iter().any(|inode| *target == *format!("socket:[{inode}]")))
        })
    };
    let process = numbered.into_iter().find(has_it)?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some((process, name.trim().to_owned()))
}

/// The kernel's tables of sockets.
fn tables(transport: Transport) -> [&'static str; 2] {
    match transport {
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Transport::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    }
}

/// A socket that somebody has.
struct Held {
    ip: IpAddr,
    port: u16,
    listens: bool,
    inode: String,
}

impl Held {
    /// True where it keeps others from its port at this address.
    fn is_in_the_way(&self, ip: IpAddr) -> bool {
        self.ip == ip || self.ip.is_unspecified() || ip.is_unspecified()
    }
}

/// What a table of the kernel's says.
fn held(table: &str) -> Vec<Held> {
    const LISTENS: &str = "0A";
    let text = std::fs::read_to_string(table).unwrap_or_default();
    let line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (ip, port) = columns.get(1)?.split_once(':')?;
        let inode = columns.get(9)?.to_string();
        let listens = *columns.get(3)? == LISTENS;
        Some(Held { ip: read_ip(ip)?, port: u16::from_str_radix(port, 16).ok()?, listens, inode })
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// Words of 32 bits in the machine's own order, as `/proc/net` has them.
fn read_ip(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from).map(|ip| ip.to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_port_is_named() {
        for (transport, address) in [
            (
                Transport::Udp,
                UdpSocket::bind("127.0.0.1:0")
                    .map(|socket| (socket.local_addr().unwrap(), Box::new(socket) as Box<dyn std::any::Any>)),
            ),
            (
                Transport::Tcp,
                TcpListener::bind("127.0.0.1:0")
                    .map(|socket| (socket.local_addr().unwrap(), Box::new(socket) as Box<dyn std::any::Any>)),
            ),
        ] {
            let (address, _held) = address.unwrap();
            assert_eq!(holder(transport, address).map(|(process, _)| process), Some(std::process::id()));
            let anywhere = SocketAddr::new([0, 0, 0, 0].into(), address.port());
            assert_eq!(holder(transport, anywhere).map(|(process, _)| process), Some(std::process::id()));
            let elsewhere = SocketAddr::new([127, 0, 0, 9].into(), address.port());
            assert_ne!(holder(transport, elsewhere).map(|(process, _)| process), Some(std::process::id()));
        }
    }

    #[test]
    fn an_address_is_read_as_the_kernel_writes_it() {
        assert_eq!(read_ip(&format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 9]))), Some("127.0.0.9".parse().unwrap()));
        assert_eq!(read_ip("00000000000000000000000000000000"), Some("::".parse().unwrap()));
        assert_eq!(read_ip("xyz"), None);
    }
}
