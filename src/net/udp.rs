//! SIP over UDP: datagrams come in and leave in batches, each with the address of ours that it came to or leaves from.
//!
//! A phone that sends to one of several addresses of this machine must hear its answer from that same address, or its
//! NAT drops it. So the sockets tell for each datagram which of our addresses it was sent to (`IP_PKTINFO`), and that
//! address is the local side of the [`Flow`]. Batches (`recvmmsg`, `sendmmsg`) save system calls under load.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, sendmmsg,
    setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::key::{Flow, Transport};

/// Datagrams taken or given at once.
pub const BATCH: usize = 32;

/// The largest datagram there is.
const DATAGRAM: usize = 65_536;

/// What the kernel keeps for us while we are busy: a burst of some thousand datagrams. It grants half without privileges.
pub const RECEIVE_BUFFER: usize = 8 << 20;

/// A socket of one listening address.
#[derive(Debug)]
pub struct UdpListener {
    socket: mio::net::UdpSocket,
    bound: SocketAddr,
}

impl UdpListener {
    /// Binds `address`; port 0 lets the system choose.
    pub fn bind(address: SocketAddr) -> io::Result<UdpListener> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if address.ip().is_unspecified() {
            match address {
                SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            }
        }
        // When each datagram arrived: how long it has waited for us is how late we are.
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        // Best effort: the system caps it, and a small buffer only loses datagrams that their senders repeat.
        let _capped = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(UdpListener { socket: mio::net::UdpSocket::from_std(socket.into()), bound })
    }

    /// The address it is bound to.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// For registration with a poll.
    pub(super) fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.socket
    }

    /// True where datagrams of this flow leave here.
    fn carries(&self, local: SocketAddr) -> bool {
        let ours = self.bound.ip();
        let same_family = ours.is_ipv4() == local.is_ipv4();
        self.bound.port() == local.port()
            && same_family
            && (ours == local.ip() || ours.is_unspecified() || local.ip().is_unspecified())
    }
}

/// Room for one batch of datagrams coming in.
pub struct Inbox {
    room: Vec<u8>,
    plain: MultiHeaders<SockaddrStorage>,
    with_target: MultiHeaders<SockaddrStorage>,
    /// IPv6 headers have another length, and the kernel remembers what it wrote last.
    with_target_v6: MultiHeaders<SockaddrStorage>,
    /// When the first datagram of the last batch arrived, since 1970.
    first: Option<Duration>,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            // The kernel gives memory only for the pages that datagrams really touch.
            room: vec![0; BATCH * DATAGRAM],
            plain: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec))),
            with_target: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec, libc::in_pktinfo))),
            with_target_v6: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec, libc::in6_pktinfo))),
            first: None,
        }
    }
}

impl Inbox {
    /// Hands up to [`BATCH`] waiting datagrams of `listener` to `each`; true where more may wait.
    pub fn receive(&mut self, listener: &UdpListener, mut each: impl FnMut(Flow, &[u8])) -> io::Result<bool> {
        self.first = None;
        let headers = match listener.bound {
            SocketAddr::V4(bound) if bound.ip().is_unspecified() => &mut self.with_target,
            SocketAddr::V6(bound) if bound.ip().is_unspecified() => &mut self.with_target_v6,
            _ => &mut self.plain,
        };
        let mut room = self.room.chunks_exact_mut(DATAGRAM);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(room.next().unwrap_or_default())]);
        let fd = listener.socket.as_raw_fd();
        let datagrams = match recvmmsg(fd, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(datagrams) => datagrams,
            Err(Errno::EAGAIN) => return Ok(false),
            // An ICMP error of something sent earlier, or a signal: what waits behind it is still to be read.
            Err(Errno::ECONNREFUSED | Errno::EINTR | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        };
        let mut count = 0;
        for datagram in datagrams {
            count += 1;
            if count == 1 {
                self.first = arrival_of(&datagram);
            }
            let Some(remote) = datagram.address.as_ref().and_then(address_of) else { continue };
            let local = SocketAddr::new(target_of(&datagram).unwrap_or(listener.bound.ip()), listener.bound.port());
            if let Some(bytes) = datagram.iovs().next() {
                each(Flow { transport: Transport::Udp, local, remote, connection: 0 }, bytes);
            }
        }
        Ok(count == BATCH)
    }

    /// When the first datagram that the last [`Inbox::receive`] handed out had arrived: how long after 1970, by the
    /// system's wall clock. `None` where there was none.
    pub fn first_arrival(&self) -> Option<Duration> {
        self.first
    }
}

/// When a datagram arrived, by the system's wall clock.
fn arrival_of(datagram: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<Duration> {
    datagram.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
        _ => None,
    })
}

fn address_of(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4(SocketAddrV4::from(*address)));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::V6(SocketAddrV6::from(*address))))
}

/// Which of our addresses a datagram was sent to.
fn target_of(datagram: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<IpAddr> {
    datagram.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    })
}

/// A datagram on its way out.
struct Outgoing {
    listener: usize,
    /// Which of our addresses it leaves from, where the socket has several.
    source: Option<IpAddr>,
    to: SockaddrStorage,
    bytes: Bytes,
}

/// Datagrams that wait for the end of the batch.
pub struct Outbox {
    waiting: Vec<Outgoing>,
    plain: MultiHeaders<SockaddrStorage>,
    from_v4: MultiHeaders<SockaddrStorage>,
    from_v6: MultiHeaders<SockaddrStorage>,
    /// Datagrams that the system did not take: a full send buffer, no route, too long.
    pub lost: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            waiting: Vec::with_capacity(4 * BATCH),
            plain: MultiHeaders::preallocate(BATCH, None),
            from_v4: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(libc::in_pktinfo))),
            from_v6: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(libc::in6_pktinfo))),
            lost: 0,
        }
    }
}

impl Outbox {
    /// Puts a datagram among those that leave with the next [`Outbox::flush`]. Nothing leaves where no listener has the
    /// flow's local address: a listener that a new config took away.
    pub fn put(&mut self, listeners: &[UdpListener], flow: Flow, bytes: Bytes) {
        let exact = listeners.iter().position(|listener| listener.bound == flow.local);
        let Some(listener) = exact.or_else(|| listeners.iter().position(|listener| listener.carries(flow.local)))
        else {
            self.lost += 1;
            return;
        };
        let several = listeners[listener].bound.ip().is_unspecified() && !flow.local.ip().is_unspecified();
        let source = several.then(|| flow.local.ip());
        self.waiting.push(Outgoing { listener, source, to: SockaddrStorage::from(flow.remote), bytes });
    }

    /// Sends what waits. What the system does not take now is lost, as datagrams may be: SIP repeats them.
    pub fn flush(&mut self, listeners: &[UdpListener]) {
        let mut rest = &self.waiting[..];
        while let Some(first) = rest.first() {
            let same = |other: &&Outgoing| other.listener == first.listener && other.source == first.source;
            let run = rest.iter().take(BATCH).take_while(same).count();
            let headers = match first.source {
                None => &mut self.plain,
                Some(IpAddr::V4(_)) => &mut self.from_v4,
                Some(IpAddr::V6(_)) => &mut self.from_v6,
            };
            let gone = match send_run(&listeners[first.listener], headers, first.source, &rest[..run]) {
                Ok(sent) => sent.max(1),
                // The first one is at fault, or the send buffer is full: give up one and try the next.
                Err(_) => {
                    self.lost += 1;
                    1
                }
            };
            rest = &rest[gone.min(rest.len())..];
        }
        self.waiting.clear();
    }
}

/// Sends datagrams that leave from one source; how many the system took.
fn send_run(
    listener: &UdpListener,
    headers: &mut MultiHeaders<SockaddrStorage>,
    source: Option<IpAddr>,
    run: &[Outgoing],
) -> nix::Result<usize> {
    let addresses: [Option<SockaddrStorage>; BATCH] = std::array::from_fn(|i| run.get(i).map(|outgoing| outgoing.to));
    let slices: [[IoSlice<'_>; 1]; BATCH] =
        std::array::from_fn(|i| [IoSlice::new(run.get(i).map_or(&[], |outgoing| &outgoing.bytes))]);
    let fd = listener.socket.as_raw_fd();
    let (slices, addresses, flags) = (&slices[..run.len()], &addresses[..run.len()], MsgFlags::MSG_DONTWAIT);
    let sent = match source {
        None => sendmmsg(fd, headers, slices, addresses, [], flags)?.count(),
        Some(IpAddr::V4(source)) => {
            let spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) };
            let info =
                libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
            sendmmsg(fd, headers, slices, addresses, [ControlMessage::Ipv4PacketInfo(&info)], flags)?.count()
        }
        Some(IpAddr::V6(source)) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: 0 };
            sendmmsg(fd, headers, slices, addresses, [ControlMessage::Ipv6PacketInfo(&info)], flags)?.count()
        }
    };
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn peer() -> UdpSocket {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        peer
    }

    /// All that has arrived; loopback delivers before `send_to` returns.
    fn arrived(inbox: &mut Inbox, listener: &UdpListener) -> Vec<(Flow, Vec<u8>)> {
        let mut all = Vec::new();
        while inbox.receive(listener, |flow, bytes| all.push((flow, bytes.to_vec()))).unwrap() {}
        all
    }

    #[test]
    fn a_datagram_is_answered_from_the_address_it_was_sent_to() {
        for (bind, target) in [("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "::1"), ("127.0.0.1:0", "127.0.0.1")] {
            let Ok(listener) = UdpListener::bind(bind.parse().unwrap()) else {
                assert!(bind.starts_with('['), "only IPv6 may be missing on a machine");
                continue;
            };
            let target = SocketAddr::new(target.parse().unwrap(), listener.bound().port());
            let peer = UdpSocket::bind(if bind.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
            peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
            peer.send_to(b"hello", target).unwrap();
            let remote = peer.local_addr().unwrap();
            let flow = Flow { transport: Transport::Udp, local: target, remote, connection: 0 };
            assert_eq!(arrived(&mut inbox, &listener), [(flow, b"hello".to_vec())], "{bind}");
            let listeners = [listener];
            outbox.put(&listeners, flow, Bytes::from_static(b"there"));
            outbox.flush(&listeners);
            let mut room = [0; 16];
            assert_eq!(peer.recv_from(&mut room).unwrap(), (5, target), "{bind}");

            // The kernel writes into the headers of a batch; they must serve again.
            for _ in 0..100 {
                peer.send_to(b"again", target).unwrap();
            }
            assert_eq!(arrived(&mut inbox, &listeners[0]), vec![(flow, b"again".to_vec()); 100]);
            assert_eq!(outbox.lost, 0);
        }
    }

    #[test]
    fn a_batch_to_many_peers_leaves_whole_and_in_order() {
        let listeners = [UdpListener::bind("0.0.0.0:0".parse().unwrap()).unwrap()];
        let port = listeners[0].bound().port();
        let peers = [peer(), peer(), peer()];
        let mut outbox = Outbox::default();
        let source = |number: u8| IpAddr::from([127, 0, 0, 1 + number % 2]);
        for number in 0..90u8 {
            let local = SocketAddr::new(source(number), port);
            let remote = peers[usize::from(number) % 3].local_addr().unwrap();
            let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
            outbox.put(&listeners, flow, Bytes::copy_from_slice(&[number]));
        }
        outbox.flush(&listeners);
        for (index, peer) in peers.iter().enumerate() {
            for round in 0..30 {
                let mut room = [0; 16];
                let (length, from) = peer.recv_from(&mut room).unwrap();
                let number = (3 * round + index) as u8;
                assert_eq!((length, room[0]), (1, number));
                assert_eq!(from, SocketAddr::new(source(number), port));
            }
        }
        assert_eq!(outbox.lost, 0);
    }

    #[test]
    fn a_flow_of_a_listener_that_is_gone_loses_its_datagram_and_nothing_else() {
        let listeners = [UdpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap()];
        let mut outbox = Outbox::default();
        let (local, remote) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
        outbox.put(&listeners, Flow { transport: Transport::Udp, local, remote, connection: 0 }, Bytes::new());
        outbox.flush(&listeners);
        assert_eq!(outbox.lost, 1);
    }
}
