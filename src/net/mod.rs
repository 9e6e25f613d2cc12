//! Where bytes come in and go out: the sockets of phones and trunks.
//!
//! One thread owns them all and waits in one place ([`Net::wait`]). Datagrams come and go in batches, streams are cut into
//! messages, everything is parsed here, at the edge: what leaves towards the core is a message, or says why it is none.
//! Peers that are slow, silent or broken cost their own connection and nobody else's time.

pub mod resolve;
pub mod stream;
pub mod udp;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::clock::{Instant, Now};
use crate::config::Listen;
use crate::key::{Flow, Transport};
use crate::sip::{Fault, Message};
pub use stream::{Arrived, Limits};
use stream::{StreamListener, Streams};
use udp::{Inbox, Outbox, UdpListener};

/// What one look at the system may report.
const EVENTS: usize = 256;
/// Rung by other threads that have something for the loop.
const BELL: Token = Token(0);
/// Listeners count from here, streams behind them.
const FIRST_LISTENER: usize = 1;

/// An address on which we cannot listen.
#[derive(Debug)]
pub struct CannotListen {
    /// Which.
    pub listen: Listen,
    /// What the system said.
    pub error: io::Error,
}

impl std::fmt::Display for CannotListen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Listen { transport, address } = self.listen;
        write!(f, "cannot listen on {}://{address}: {}", transport.as_str(), self.error)
    }
}

impl std::error::Error for CannotListen {}

/// What the network did and did not do since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetCounts {
    /// Connections that are open now.
    pub connections: usize,
    /// Connections turned away because there were too many.
    pub turned_away: u64,
    /// Datagrams that the system did not take.
    pub lost: u64,
}

/// All sockets of the loop.
pub struct Net {
    poll: Poll,
    events: Events,
    bell: Arc<Waker>,
    udp: Vec<UdpListener>,
    tcp: Vec<StreamListener>,
    streams: Streams,
    inbox: Inbox,
    outbox: Outbox,
    /// UDP listeners that may hold more than was read.
    unread: Vec<usize>,
    /// Streams too.
    more: bool,
    arrived: Vec<Arrived>,
    /// How long the oldest of what was read last had waited.
    late: Duration,
}

impl Net {
    /// Listens on every address, or says on which one it cannot.
    pub fn bind(listen: &[Listen], limits: Limits) -> Result<Net, CannotListen> {
        let anywhere = listen.first().copied();
        let anywhere =
            anywhere.unwrap_or(Listen { transport: Transport::Udp, address: SocketAddr::from(([0, 0, 0, 0], 0)) });
        let fail = |listen: Listen| move |error: io::Error| CannotListen { listen, error };
        let poll = Poll::new().map_err(fail(anywhere))?;
        let registry = || poll.registry().try_clone().map_err(fail(anywhere));
        let bell = Arc::new(Waker::new(poll.registry(), BELL).map_err(fail(anywhere))?);
        let (mut udp, mut tcp) = (Vec::new(), Vec::new());
        for listen in listen {
            match listen.transport {
                Transport::Udp => udp.push(UdpListener::bind(listen.address).map_err(fail(*listen))?),
                Transport::Tcp => tcp.push(StreamListener::bind(listen.address).map_err(fail(*listen))?),
            }
        }
        let first_stream = FIRST_LISTENER + udp.len() + tcp.len();
        let tokens = (FIRST_LISTENER..).map(Token);
        let sources = udp.iter_mut().map(|listener| listener.source() as &mut dyn mio::event::Source);
        let sources = sources.chain(tcp.iter_mut().map(|listener| listener.source() as &mut dyn mio::event::Source));
        for (source, token) in sources.zip(tokens) {
            poll.registry().register(source, token, Interest::READABLE).map_err(fail(anywhere))?;
        }
        let streams = Streams::new(registry()?, first_stream, limits);
        Ok(Net {
            unread: (0..udp.len()).collect(),
            poll,
            events: Events::with_capacity(EVENTS),
            bell,
            udp,
            tcp,
            streams,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            more: false,
            arrived: Vec::new(),
            late: Duration::ZERO,
        })
    }

    /// Rings [`Net::wait`] awake from any thread.
    pub fn bell(&self) -> Arc<Waker> {
        self.bell.clone()
    }

    /// The addresses that were bound, with the ports that the system chose.
    pub fn bound(&self) -> Vec<Listen> {
        let udp = self.udp.iter().map(|listener| (Transport::Udp, listener.bound()));
        let tcp = self.tcp.iter().map(|listener| (Transport::Tcp, listener.bound()));
        udp.chain(tcp).map(|(transport, address)| Listen { transport, address }).collect()
    }

    /// When [`Net::receive`] has something to do even if nothing arrives.
    pub fn deadline(&self) -> Option<Instant> {
        self.streams.deadline()
    }

    /// Counters for `status`.
    pub fn counts(&self) -> NetCounts {
        NetCounts { connections: self.streams.len(), turned_away: self.streams.turned_away, lost: self.outbox.lost }
    }

    /// Waits until something arrives, the bell rings, or the time is over. Does not wait where something is left to read.
    pub fn wait(&mut self, longest: Option<Duration>) -> io::Result<()> {
        let longest = if self.more || !self.unread.is_empty() { Some(Duration::ZERO) } else { longest };
        match self.poll.poll(&mut self.events, longest) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// The same, but looks first whether anything waits already; true where nothing did.
    pub fn rest(&mut self, longest: Option<Duration>) -> io::Result<bool> {
        self.wait(Some(Duration::ZERO))?;
        let rests = self.events.is_empty() && !self.more && self.unread.is_empty();
        if rests {
            self.wait(longest)?;
        }
        Ok(rests)
    }

    /// Gives what has arrived: one batch of each socket, so that none keeps the others waiting. A datagram to which somebody is
    /// `deaf` is not even read.
    pub fn receive(
        &mut self,
        now: Now,
        mut deaf: impl FnMut(&Flow, &[u8]) -> bool,
    ) -> impl Iterator<Item = Arrived> + '_ {
        let (now, wall) = (now.mono, now.wall);
        let first_tcp = FIRST_LISTENER + self.udp.len();
        let first_stream = first_tcp + self.tcp.len();
        for event in self.events.iter() {
            match event.token().0 {
                0 => {}
                token if token < first_tcp => {
                    let listener = token - FIRST_LISTENER;
                    if !self.unread.contains(&listener) {
                        self.unread.push(listener);
                    }
                }
                token if token < first_stream => self.streams.accept(&self.tcp[token - first_tcp], now),
                _ => self.streams.ready(event, now, &mut self.arrived),
            }
        }
        self.events.clear();
        self.streams.tick(now, &mut self.arrived);
        let (udp, inbox, arrived) = (&self.udp, &mut self.inbox, &mut self.arrived);
        // A wall clock that jumps meanwhile makes one batch look late, or in time: no more.
        let wall = Duration::try_from(wall.as_duration()).unwrap_or_default();
        let mut late = Duration::ZERO;
        self.unread.retain(|listener| {
            let each = |flow, bytes: &[u8]| {
                if !deaf(&flow, bytes) {
                    arrived.extend(read_datagram(flow, bytes));
                }
            };
            let more = inbox.receive(&udp[*listener], each).unwrap_or_else(|error| {
                tracing::error!(%error, "a socket cannot be read");
                false
            });
            late = late.max(inbox.first_arrival().map_or(Duration::ZERO, |at| wall.saturating_sub(at)));
            more
        });
        self.late = late.max(self.streams.late(now));
        self.arrived.drain(..)
    }

    /// How long the oldest of what the last [`Net::receive`] gave had waited for it: datagrams as the system says, what came on a
    /// stream at most as long as that was not read empty.
    pub fn late(&self) -> Duration {
        self.late
    }

    /// Sends a message: a datagram with the next [`Net::flush`], a piece of a stream at once. A stream flow with connection 0
    /// is found or opened in the background.
    pub fn send(&mut self, flow: Flow, bytes: Bytes, now: Instant) {
        match flow.transport {
            Transport::Udp => self.outbox.put(&self.udp, flow, bytes),
            Transport::Tcp => self.streams.send(flow, bytes, now, &mut self.arrived),
        }
    }

    /// Closes a stream; a flow of datagrams has nothing to close.
    pub fn close(&mut self, flow: Flow) {
        if flow.transport != Transport::Udp {
            self.streams.close(flow, &mut self.arrived);
        }
    }

    /// Lets everything leave that was sent since the last time. To be called after what arrived was handled.
    pub fn flush(&mut self, now: Instant) {
        self.outbox.flush(&self.udp);
        // What happened to streams meanwhile is heard with the next `receive`.
        self.more = self.streams.settle(now, &mut self.arrived) || !self.arrived.is_empty();
    }
}

/// A datagram holds one message (RFC 3261 §18.3); line breaks alone are keep-alives and mean nothing.
fn read_datagram(flow: Flow, bytes: &[u8]) -> Option<Arrived> {
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Ok(message) => Some(Arrived::Message(flow, Box::new(message))),
        Err(malformed) if malformed.fault == Fault::Empty => None,
        Err(malformed) => Some(Arrived::Malformed(flow, malformed)),
    }
}

/// The machine's own addresses with the lengths of their prefixes, and the one that it shows to the internet.
pub type OwnAddresses = (Vec<(IpAddr, u8)>, Option<IpAddr>);

/// Asks the machine for its addresses, as they are now.
pub fn own_addresses() -> OwnAddresses {
    let interfaces = nix::ifaddrs::getifaddrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let address = |storage: Option<nix::sys::socket::SockaddrStorage>| {
        let storage = storage?;
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    let own = interfaces.iter().filter_map(|interface| {
        let prefix = match address(interface.netmask)? {
            IpAddr::V4(mask) => mask.to_bits().leading_ones(),
            IpAddr::V6(mask) => mask.to_bits().leading_ones(),
        };
        Some((address(interface.address)?, prefix as u8))
    });
    let mut own: Vec<(IpAddr, u8)> = own.collect();
    let [ipv4, ipv6] = facing_the_internet();
    // Where several of one family lead out, the one that the system would take comes first.
    own.sort_by_key(|(address, _)| Some(*address) != ipv4 && Some(*address) != ipv6);
    (own, ipv4.or(ipv6))
}

/// Which address of each family the system would use towards the internet. Connecting a UDP socket sends nothing.
fn facing_the_internet() -> [Option<IpAddr>; 2] {
    let towards = |from: &str, to: &str| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // Addresses for documentation (RFC 5737, RFC 3849): no route to them is special.
    [towards("0.0.0.0:0", "192.0.2.1:9"), towards("[::]:0", "[2001:db8::1]:9")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_knows_its_loopback_address() {
        let (own, _) = own_addresses();
        assert!(own.contains(&(IpAddr::from([127, 0, 0, 1]), 8)), "{own:?}");
    }
}
