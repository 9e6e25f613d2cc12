//! SIP over TCP: connections that phones and trunks open to us, and those we open to them.
//!
//! Nobody can hold us up. A peer that connects and says nothing, or begins a message and does not finish it, is shown the
//! door; so is one that does not take what we send. Connections are capped in total and for each source, tighter while a
//! peer has not yet said anything that can be read. A connection of ours is opened in the background: what is to be sent
//! waits in its queue, and where it cannot be opened, the core hears that the flow is closed.
//!
//! ```text
//!  accept ─▶ unproven ── first message ──▶ open ──┐
//!  connect ─▶ connecting ── writable ─────▶ open ─┴── closed by the peer, too slow, broken, idle ──▶ gone
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};

use bytes::{Buf, Bytes};
use mio::{Interest, Registry, Token};

use crate::clock::{Deadline, Deadlines, Duration, Instant};
use crate::key::{Flow, Transport};
use crate::sip::framing::PONG;
use crate::sip::{Framed, Framer, Malformed, Message};

/// What a stream brings.
#[derive(Debug)]
pub enum Arrived {
    /// A message.
    Message(Flow, Box<Message>),
    /// A message that could not be understood; it may be answered. Where the framing is lost the stream closes afterwards.
    Malformed(Flow, Malformed),
    /// The connection is closed, or could not be opened.
    Closed(Flow),
}

/// How many connections there may be, how long they may take, and how much may wait for them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in total; further ones are closed at once.
    pub total: usize,
    /// Connections from one address (an office behind one NAT has many phones).
    pub per_source: usize,
    /// Connections from one address that have not said anything readable yet.
    pub unproven_per_source: usize,
    /// Until the first message, and from the first byte of a message to its last.
    pub patience: Duration,
    /// Until a connection of ours is open.
    pub connect: Duration,
    /// Without a byte from the peer. Longer than the longest registration, so a phone's flow outlives its refreshes.
    pub idle: Duration,
    /// Bytes that wait for a peer to take them; beyond this it is closed.
    pub queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            total: 4096,
            per_source: 512,
            unproven_per_source: 32,
            patience: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(2 * 3600),
            queued: 256 * 1024,
        }
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub struct StreamListener {
    socket: mio::net::TcpListener,
    bound: SocketAddr,
}

impl StreamListener {
    /// Binds `address`; port 0 lets the system choose.
    pub fn bind(address: SocketAddr) -> io::Result<StreamListener> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A restart must not wait for the last connections of the process before.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(StreamListener { socket: mio::net::TcpListener::from_std(socket.into()), bound })
    }

    /// The address it is bound to.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// For registration with a poll.
    pub(super) fn source(&mut self) -> &mut mio::net::TcpListener {
        &mut self.socket
    }
}

/// Every connection there is.
#[derive(Debug)]
pub struct Streams {
    limits: Limits,
    registry: Registry,
    /// Tokens from here on are ours: this and the connection's number.
    first_token: usize,
    connections: BTreeMap<u32, Connection>,
    by_remote: BTreeMap<SocketAddr, Vec<u32>>,
    sources: BTreeMap<IpAddr, Source>,
    last_number: u32,
    deadlines: Deadlines<u32>,
    /// Streams whose framing is lost: they close once what they deserve is answered.
    doomed: Vec<u32>,
    /// Streams that had more to say than is read at once.
    unread: VecDeque<u32>,
    room: Box<[u8]>,
    /// Connections refused because of a limit, since the start.
    pub turned_away: u64,
}

#[derive(Debug, Default)]
struct Source {
    connections: usize,
    unproven: usize,
}

#[derive(Debug)]
struct Connection {
    socket: mio::net::TcpStream,
    flow: Flow,
    /// Those who sent with connection 0 wait for answers on that flow, and must hear when it closes.
    asked_for: Option<Flow>,
    framer: Framer,
    waiting: VecDeque<Bytes>,
    queued: usize,
    state: State,
    /// The peer opened it.
    theirs: bool,
    /// When it was opened, or began to be.
    opened: Instant,
    /// When something came last.
    heard: Instant,
    /// When the message began whose rest is awaited.
    began: Option<Instant>,
    /// Since when it has always had more to say than was read.
    behind: Option<Instant>,
    deadline: Option<Deadline>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Connecting,
    Unproven,
    Open,
}

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    ByPeer,
    ByUs,
    TooSlow,
    Broken,
    Idle,
}

/// Bytes read at once.
const READ: usize = 64 * 1024;
/// How often a peer is read before the others have their turn.
const READINGS: usize = 4;

impl Streams {
    /// No connections yet. Tokens below `first_token` belong to others on the same poll.
    pub fn new(registry: Registry, first_token: usize, limits: Limits) -> Streams {
        Streams {
            limits,
            registry,
            first_token,
            connections: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            sources: BTreeMap::new(),
            last_number: 0,
            deadlines: Deadlines::default(),
            doomed: Vec::new(),
            unread: VecDeque::new(),
            room: vec![0; READ].into(),
            turned_away: 0,
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// When [`Streams::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    /// Takes every connection that waits at `listener`.
    pub fn accept(&mut self, listener: &StreamListener, now: Instant) {
        loop {
            match listener.socket.accept() {
                Ok((socket, remote)) => self.welcome(socket, remote, listener.bound, now),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // One that went away before it was taken is no reason to leave the others waiting.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be taken");
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, socket: mio::net::TcpStream, remote: SocketAddr, bound: SocketAddr, now: Instant) {
        let source = self.sources.entry(remote.ip()).or_default();
        let full = self.connections.len() >= self.limits.total
            || source.connections >= self.limits.per_source
            || source.unproven >= self.limits.unproven_per_source;
        if full {
            self.turned_away += 1;
            if source.connections == 0 {
                self.sources.remove(&remote.ip());
            }
            tracing::debug!(%remote, "a connection is turned away: too many from there");
            return;
        }
        let local = socket.local_addr().unwrap_or(bound);
        self.add(socket, local, remote, State::Unproven, now);
    }

    /// Sends on the connection that `flow` names; on connection 0, on one that is open to that peer, else on a new one.
    pub fn send(&mut self, flow: Flow, bytes: Bytes, now: Instant, arrived: &mut Vec<Arrived>) {
        let number = match flow.connection {
            0 => match self.find_or_connect(flow, now) {
                Ok(number) => number,
                Err(error) => {
                    tracing::debug!(remote = %flow.remote, %error, "cannot connect");
                    arrived.push(Arrived::Closed(flow));
                    return;
                }
            },
            number => number,
        };
        let Some(connection) = self.connections.get_mut(&number) else {
            arrived.push(Arrived::Closed(flow));
            return;
        };
        connection.queued += bytes.len();
        connection.waiting.push_back(bytes);
        let written = match connection.state {
            State::Connecting => Ok(()),
            State::Unproven | State::Open => connection.write(),
        };
        match written {
            Err(_) => self.end(number, End::ByPeer, arrived),
            Ok(()) if connection.queued > self.limits.queued => self.end(number, End::TooSlow, arrived),
            Ok(()) => {}
        }
    }

    /// Closes a connection that the core is done with.
    pub fn close(&mut self, flow: Flow, arrived: &mut Vec<Arrived>) {
        self.end(flow.connection, End::ByUs, arrived);
    }

    /// A poll says that something can be read or written.
    pub fn ready(&mut self, event: &mio::event::Event, now: Instant, arrived: &mut Vec<Arrived>) {
        let Some(number) = event.token().0.checked_sub(self.first_token).and_then(|n| u32::try_from(n).ok()) else {
            return;
        };
        if event.is_writable() {
            self.writable(number, now, arrived);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.readable(number, now, arrived);
        }
    }

    /// To be called after what arrived was answered: closes the streams that lost their framing, and reads on where a peer
    /// had more to say; true where it may still have.
    pub fn settle(&mut self, now: Instant, arrived: &mut Vec<Arrived>) -> bool {
        for number in std::mem::take(&mut self.doomed) {
            self.end(number, End::Broken, arrived);
        }
        for number in std::mem::take(&mut self.unread) {
            self.readable(number, now, arrived);
        }
        !self.unread.is_empty()
    }

    /// Closes what took too long.
    pub fn tick(&mut self, now: Instant, arrived: &mut Vec<Arrived>) {
        while let Some(number) = self.deadlines.pop_due(now) {
            let Some(connection) = self.connections.get_mut(&number) else { continue };
            connection.deadline = None;
            let (due, end) = connection.due(&self.limits);
            match due <= now {
                true => self.end(number, end, arrived),
                false => connection.deadline = Some(self.deadlines.set(due, number)),
            }
        }
    }

    /// How long what is read now may have waited, at most: since the last time when a stream was read empty that is not now.
    pub fn late(&self, now: Instant) -> Duration {
        let behind = self.unread.iter().filter_map(|number| self.connections.get(number)?.behind);
        behind.min().map_or(Duration::ZERO, |since| now.since(since))
    }

    fn find_or_connect(&mut self, flow: Flow, now: Instant) -> io::Result<u32> {
        let known = self.by_remote.get(&flow.remote).and_then(|numbers| numbers.first()).copied();
        if let Some((number, connection)) = known.and_then(|number| Some((number, self.connections.get_mut(&number)?)))
        {
            connection.asked_for = Some(flow);
            return Ok(number);
        }
        if self.connections.len() >= self.limits.total {
            self.turned_away += 1;
            return Err(io::Error::other("too many connections"));
        }
        let socket = mio::net::TcpStream::connect(flow.remote)?;
        let number = self.add(socket, flow.local, flow.remote, State::Connecting, now);
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.asked_for = Some(flow);
        }
        Ok(number)
    }

    fn add(
        &mut self,
        mut socket: mio::net::TcpStream,
        local: SocketAddr,
        remote: SocketAddr,
        state: State,
        now: Instant,
    ) -> u32 {
        self.last_number = self.last_number.wrapping_add(1).max(1);
        let number = self.last_number;
        let token = Token(self.first_token + number as usize);
        if let Err(error) = self.registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE) {
            tracing::warn!(%error, "a connection cannot be watched");
        }
        // A SIP message is one write; it must not wait for the acknowledgement of the one before. Best effort.
        let _without = socket.set_nodelay(true);
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: number };
        let connection = Connection {
            socket,
            flow,
            asked_for: None,
            framer: Framer::default(),
            waiting: VecDeque::new(),
            queued: 0,
            state,
            theirs: state == State::Unproven,
            opened: now,
            heard: now,
            began: None,
            behind: None,
            deadline: None,
        };
        let (due, _) = connection.due(&self.limits);
        let deadline = Some(self.deadlines.set(due, number));
        self.connections.insert(number, Connection { deadline, ..connection });
        self.by_remote.entry(remote).or_default().push(number);
        let source = self.sources.entry(remote.ip()).or_default();
        source.connections += 1;
        source.unproven += usize::from(state == State::Unproven);
        number
    }

    fn writable(&mut self, number: u32, now: Instant, arrived: &mut Vec<Arrived>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if connection.state == State::Connecting {
            match connection.socket.take_error() {
                Ok(None) if connection.socket.peer_addr().is_ok() => {
                    connection.state = State::Open;
                    connection.heard = now;
                }
                // Not connected yet: another event follows.
                Ok(None) => return,
                Ok(Some(_)) | Err(_) => return self.end(number, End::ByPeer, arrived),
            }
        }
        if connection.write().is_err() {
            self.end(number, End::ByPeer, arrived);
        }
    }

    /// Reads up to [`READINGS`] times, so that a peer that never pauses does not keep the others waiting.
    fn readable(&mut self, number: u32, now: Instant, arrived: &mut Vec<Arrived>) {
        for _ in 0..READINGS {
            let Some(connection) = self.connections.get_mut(&number) else { return };
            match connection.socket.read(&mut self.room) {
                Ok(0) => return self.end(number, End::ByPeer, arrived),
                Ok(length) => {
                    connection.heard = now;
                    connection.framer.push(&self.room[..length]);
                    self.take(number, now, arrived);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.behind = None;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.end(number, End::ByPeer, arrived),
            }
        }
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.behind.get_or_insert(now);
        }
        self.unread.push_back(number);
    }

    /// Hands on what is whole, and sets how long the rest may take.
    fn take(&mut self, number: u32, now: Instant, arrived: &mut Vec<Arrived>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let mut broken = false;
        while let Some(framed) = connection.framer.next() {
            match framed {
                Framed::Message(message) => {
                    if connection.state == State::Unproven {
                        connection.state = State::Open;
                        if let Some(source) = self.sources.get_mut(&connection.flow.remote.ip()) {
                            source.unproven -= 1;
                        }
                    }
                    arrived.push(Arrived::Message(connection.flow, message));
                }
                Framed::Malformed(malformed) => arrived.push(Arrived::Malformed(connection.flow, malformed)),
                Framed::Ping => {
                    connection.queued += PONG.len();
                    connection.waiting.push_back(Bytes::from_static(PONG));
                }
                Framed::Pong => {}
                Framed::Broken(malformed) => {
                    arrived.push(Arrived::Malformed(connection.flow, malformed));
                    broken = true;
                }
            }
        }
        let began = connection.framer.is_amid_message().then(|| connection.began.unwrap_or(now));
        connection.began = began;
        let (due, _) = connection.due(&self.limits);
        if connection.deadline.is_none_or(|deadline| deadline.at() > due) {
            if let Some(deadline) = connection.deadline.take() {
                self.deadlines.cancel(deadline);
            }
            connection.deadline = Some(self.deadlines.set(due, number));
        }
        if broken {
            self.doomed.push(number);
        }
        if connection.write().is_err() {
            self.end(number, End::ByPeer, arrived);
        }
    }

    fn end(&mut self, number: u32, end: End, arrived: &mut Vec<Arrived>) {
        let Some(mut connection) = self.connections.remove(&number) else { return };
        if let Some(deadline) = connection.deadline.take() {
            self.deadlines.cancel(deadline);
        }
        let _gone = self.registry.deregister(&mut connection.socket);
        let _shut = connection.socket.shutdown(Shutdown::Both);
        let remote = connection.flow.remote;
        if let Some(numbers) = self.by_remote.get_mut(&remote) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_remote.remove(&remote);
            }
        }
        if let Some(source) = self.sources.get_mut(&remote.ip()) {
            source.connections -= 1;
            source.unproven -= usize::from(connection.state == State::Unproven);
            if source.connections == 0 {
                self.sources.remove(&remote.ip());
            }
        }
        tracing::debug!(%remote, number, ?end, theirs = connection.theirs, "a connection ends");
        arrived.push(Arrived::Closed(connection.flow));
        arrived.extend(connection.asked_for.map(Arrived::Closed));
    }
}

impl Connection {
    /// When its patience ends, and which.
    fn due(&self, limits: &Limits) -> (Instant, End) {
        match (self.state, self.began) {
            (State::Connecting, _) => (self.opened + limits.connect, End::TooSlow),
            // Keep-alives alone prove nothing.
            (State::Unproven, _) => (self.opened + limits.patience, End::TooSlow),
            (State::Open, Some(began)) => (began + limits.patience, End::TooSlow),
            (State::Open, None) => (self.heard + limits.idle, End::Idle),
        }
    }

    /// Writes what the peer takes now.
    fn write(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let slices: Vec<IoSlice<'_>> = self.waiting.iter().take(16).map(|bytes| IoSlice::new(bytes)).collect();
            match self.socket.write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn written(&mut self, mut written: usize) {
        self.queued -= written;
        while let Some(first) = self.waiting.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use mio::{Events, Poll};

    use super::*;

    /// One side of a loopback: our streams on a poll, and real peers.
    struct Edge {
        poll: Poll,
        listener: StreamListener,
        streams: Streams,
        arrived: Vec<Arrived>,
        now: Instant,
    }

    impl Edge {
        fn new(limits: Limits) -> Edge {
            let poll = Poll::new().unwrap();
            let mut listener = StreamListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            poll.registry().register(listener.source(), Token(1), Interest::READABLE).unwrap();
            let streams = Streams::new(poll.registry().try_clone().unwrap(), 2, limits);
            Edge { poll, listener, streams, arrived: Vec::new(), now: Instant::START }
        }

        fn peer(&mut self) -> TcpStream {
            let before = self.streams.len() + self.streams.turned_away as usize;
            let peer = TcpStream::connect(self.listener.bound()).unwrap();
            peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            self.until(|edge| edge.streams.len() + edge.streams.turned_away as usize > before);
            peer
        }

        /// Turns until `done`, with five seconds of the machine's patience for each turn.
        fn until(&mut self, done: impl Fn(&Edge) -> bool) {
            let mut events = Events::with_capacity(16);
            while !done(self) {
                let more = self.streams.settle(self.now, &mut self.arrived);
                if done(self) {
                    return;
                }
                let patience = if more { std::time::Duration::ZERO } else { std::time::Duration::from_secs(5) };
                self.poll.poll(&mut events, Some(patience)).unwrap();
                assert!(more || !events.is_empty(), "nothing happens any more: {:?}", self.arrived);
                for event in &events {
                    match event.token() {
                        Token(1) => self.streams.accept(&self.listener, self.now),
                        _ => self.streams.ready(event, self.now, &mut self.arrived),
                    }
                }
            }
        }

        fn messages(&self) -> Vec<String> {
            let text = |arrived: &Arrived| match arrived {
                Arrived::Message(flow, message) => format!("{} {}", flow.connection, message.call_id()),
                Arrived::Malformed(flow, malformed) => format!("{} malformed: {malformed}", flow.connection),
                Arrived::Closed(flow) => format!("{} closed", flow.connection),
            };
            self.arrived.iter().map(text).collect()
        }
    }

    fn options(call_id: &str) -> String {
        format!(
            "OPTIONS sip:us SIP/2.0\r\nVia: SIP/2.0/TCP peer;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:us>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn flow_to(remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Tcp, local: "127.0.0.1:5060".parse().unwrap(), remote, connection: 0 }
    }

    #[test]
    fn messages_are_cut_out_of_a_stream_and_a_ping_is_answered() {
        let mut edge = Edge::new(Limits::default());
        let mut peer = edge.peer();
        let two = options("one") + &options("two");
        let (half, rest) = two.as_bytes().split_at(two.len() * 3 / 4);
        peer.write_all(half).unwrap();
        edge.until(|edge| edge.arrived.len() == 1);
        peer.write_all(rest).unwrap();
        peer.write_all(b"\r\n\r\n").unwrap();
        edge.until(|edge| edge.arrived.len() == 2);
        assert_eq!(edge.messages(), ["1 one", "1 two"]);
        edge.until(|edge| edge.streams.connections[&1].waiting.is_empty());
        let mut pong = [0; 2];
        peer.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, PONG);
    }

    #[test]
    fn a_stream_that_is_never_read_empty_says_for_how_long() {
        let mut edge = Edge::new(Limits::default());
        let mut peer = edge.peer();
        // So a turn reads two kilobytes, about ten of these.
        edge.streams.room = vec![0; 512].into();
        let all: String = (0..40).map(|number| options(&number.to_string())).collect();
        peer.write_all(all.as_bytes()).unwrap();
        // All of it is there before any of it is read.
        let mut looked_at = vec![0; all.len()];
        while edge.streams.connections[&1].socket.peek(&mut looked_at).unwrap_or(0) < all.len() {
            std::thread::yield_now();
        }
        let at = |seconds| Instant::START + Duration::from_secs(seconds);
        edge.streams.readable(1, at(1), &mut edge.arrived);
        assert_eq!(edge.streams.late(at(1)), Duration::ZERO);
        assert!(edge.streams.settle(at(3), &mut edge.arrived));
        assert_eq!(edge.streams.late(at(3)), Duration::from_secs(2));
        while edge.streams.settle(at(4), &mut edge.arrived) {}
        assert_eq!((edge.arrived.len(), edge.streams.late(at(9))), (40, Duration::ZERO));
    }

    #[test]
    fn a_peer_that_says_nothing_or_stops_amid_a_message_is_closed_and_the_others_are_not() {
        let mut edge = Edge::new(Limits::default());
        let (mut silent, mut slow, mut good) = (edge.peer(), edge.peer(), edge.peer());
        slow.write_all(options("slow").as_bytes()).unwrap();
        good.write_all(options("good").as_bytes()).unwrap();
        edge.until(|edge| edge.arrived.len() == 2);
        edge.now = edge.now + Duration::from_secs(5);
        slow.write_all(b"OPTIONS sip:us SIP").unwrap();
        silent.write_all(b"\r\n\r\n").unwrap();
        edge.until(|edge| {
            edge.streams.connections[&2].began.is_some() && edge.streams.connections[&1].heard > Instant::START
        });
        edge.arrived.clear();

        edge.now = Instant::START + Duration::from_secs(10);
        edge.streams.tick(edge.now, &mut edge.arrived);
        assert_eq!(edge.messages(), ["1 closed"]);
        edge.now = Instant::START + Duration::from_secs(15);
        edge.streams.tick(edge.now, &mut edge.arrived);
        assert_eq!(edge.messages(), ["1 closed", "2 closed"]);
        edge.now = Instant::START + Limits::default().idle;
        edge.streams.tick(edge.now, &mut edge.arrived);
        assert_eq!(edge.messages(), ["1 closed", "2 closed", "3 closed"]);
        assert_eq!((edge.streams.len(), edge.streams.deadline()), (0, None));
        assert!(edge.streams.sources.is_empty() && edge.streams.by_remote.is_empty());
    }

    #[test]
    fn a_stream_that_lost_its_framing_is_answered_and_then_closed() {
        let mut edge = Edge::new(Limits::default());
        let mut peer = edge.peer();
        let twice = options("x").replace("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 10");
        peer.write_all((twice + &options("smuggled")).as_bytes()).unwrap();
        // As the loop does it: what arrived is answered before the streams settle.
        let mut events = Events::with_capacity(4);
        while edge.arrived.is_empty() {
            edge.poll.poll(&mut events, Some(std::time::Duration::from_secs(5))).unwrap();
            assert!(!events.is_empty());
            events.iter().for_each(|event| edge.streams.ready(event, edge.now, &mut edge.arrived));
        }
        let [Arrived::Malformed(flow, _)] = edge.arrived[..] else { panic!("{:?}", edge.arrived) };
        edge.streams.send(
            flow,
            Bytes::from_static(b"SIP/2.0 400 Content-Lengths Differ\r\n\r\n"),
            edge.now,
            &mut edge.arrived,
        );
        edge.until(|edge| edge.streams.is_empty());
        assert_eq!(edge.messages()[1..], ["1 closed"]);
        let mut said = String::new();
        // The rest of what the peer sent is unread, so the system may reset; what it answered first was there before.
        let _reset = peer.read_to_string(&mut said);
        assert!(said.starts_with("SIP/2.0 400"), "{said}");
    }

    #[test]
    fn one_source_cannot_take_all_connections() {
        let limits = Limits { unproven_per_source: 2, per_source: 3, ..Limits::default() };
        let mut edge = Edge::new(limits);
        let mut first = edge.peer();
        let _second = edge.peer();
        let mut turned_away = edge.peer();
        assert_eq!((edge.streams.len(), edge.streams.turned_away), (2, 1));
        assert_eq!(turned_away.read(&mut [0; 1]).unwrap(), 0);
        // Who has said something readable does not count as a stranger any more.
        first.write_all(options("hello").as_bytes()).unwrap();
        edge.until(|edge| edge.arrived.len() == 1);
        let _third = edge.peer();
        assert_eq!((edge.streams.len(), edge.streams.turned_away), (3, 1));
        let _fourth = edge.peer();
        assert_eq!((edge.streams.len(), edge.streams.turned_away), (3, 2));
    }

    #[test]
    fn a_connection_of_ours_is_opened_in_the_background_and_used_again() {
        let mut edge = Edge::new(Limits::default());
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let flow = flow_to(server.local_addr().unwrap());
        for text in ["one ", "two "] {
            edge.streams.send(flow, Bytes::copy_from_slice(text.as_bytes()), edge.now, &mut edge.arrived);
        }
        assert_eq!(edge.streams.len(), 1);
        let (mut peer, _) = server.accept().unwrap();
        edge.until(|edge| edge.streams.connections[&1].state == State::Open);
        edge.streams.send(flow, Bytes::from_static(b"three"), edge.now, &mut edge.arrived);
        let mut said = [0; 13];
        peer.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"one two three");
        drop(peer);
        edge.until(|edge| edge.streams.is_empty());
        assert_eq!(edge.messages(), ["1 closed", "0 closed"]);
    }

    #[test]
    fn a_server_that_refuses_or_never_answers_is_reported_as_closed() {
        let mut edge = Edge::new(Limits::default());
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        edge.streams.send(flow_to(nobody), Bytes::from_static(b"x"), edge.now, &mut edge.arrived);
        edge.until(|edge| edge.streams.is_empty());
        assert_eq!(edge.messages(), ["1 closed", "0 closed"]);
        // A connection that was closed meanwhile: whoever still sends on it hears so.
        let gone = Flow { connection: 1, ..flow_to(nobody) };
        edge.arrived.clear();
        edge.streams.send(gone, Bytes::from_static(b"x"), edge.now, &mut edge.arrived);
        assert_eq!(edge.messages(), ["1 closed"]);
    }

    #[test]
    fn a_peer_that_does_not_take_what_we_send_is_closed() {
        let mut edge = Edge::new(Limits { queued: 1 << 20, ..Limits::default() });
        let _deaf = edge.peer();
        let flow = edge.streams.connections[&1].flow;
        let piece = Bytes::from(vec![b'x'; 1 << 20]);
        for _ in 0..64 {
            edge.streams.send(flow, piece.clone(), edge.now, &mut edge.arrived);
        }
        assert!(edge.streams.is_empty());
        assert_eq!(edge.messages()[0], "1 closed");
    }
}
