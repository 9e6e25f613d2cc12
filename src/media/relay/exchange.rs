//! The relay's thread: everything that is open, and what waits to be served.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use hashbrown::HashMap;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::endpoint::Endpoint;
use super::resting::Resting;
use crate::anchor::{EndpointKey, MediaEvent, MediaOrder, Peer, TakeKey, Until};
use crate::clock::{Deadlines, Duration, Instant};
use crate::media::library::Library;
use crate::media::record::Recorder;
use crate::media::record::scribe::Folder;
use crate::media::rtp::Rtp;
use crate::media::stopwatch::Stopwatch;
use crate::sound::Formats;

/// How many packets of one port are served before the next port has its turn.
const BURST: usize = 16;

/// How many ports one look at the system may report.
const EVENTS: usize = 1024;

/// How long orders that no packet waits for may gather: being woken for each would cost more than carrying it out. A
/// packet that arrives brings them on, so none is treated by older orders than were given.
pub(super) const LINGER: Duration = Duration::from_millis(20);

/// How often silence is looked for.
const TICK: Duration = Duration::from_millis(250);

/// From how many packets in one [`TICK`] on the thread looks at the system only every [`NAP`]: about 20 calls.
const BUSY: u64 = 500;

/// How long packets may wait to be served together. Being woken for each one would cost more than relaying it; a delay of
/// this size is a fiftieth of a packet's own 20 ms.
const NAP: Duration = Duration::from_micros(400);

/// The largest datagram there is.
const DATAGRAM: usize = 65_536;

const WAKE: Token = Token(usize::MAX);

/// Hears what becomes of packets.
pub(super) type Listener = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// What the thread is told.
pub(super) enum Order {
    /// [`MediaOrder::Open`], with the ports bound.
    Opened(EndpointKey, SocketAddr, Pair),
    /// Anything but [`MediaOrder::Open`].
    Do(MediaOrder),
    /// Everything is closed, and the thread ends.
    Stop,
}

/// The two ports of an endpoint to be.
pub(super) enum Pair {
    /// Bound just now.
    Fresh([UdpSocket; 2]),
    /// Those of an endpoint of before, at this place.
    Rested(usize),
}

/// What serving a port for a while came to.
enum Served {
    /// Nothing is left.
    Dry,
    /// Others first, then it again.
    More,
}

/// The thread: everything that is open, and what waits to be served.
pub(super) struct Exchange {
    poll: Poll,
    ordered: mpsc::Receiver<Order>,
    awake: Arc<AtomicBool>,
    resting: Arc<Resting>,
    pub(super) listener: Listener,
    pub(super) library: Library,
    /// Also those that are closed and whose ports rest.
    pub(super) endpoints: Slab<Endpoint>,
    /// Where each endpoint that is open is in `endpoints`.
    pub(super) places: HashMap<EndpointKey, usize>,
    /// Ports that may have packets, each once.
    ready: VecDeque<(usize, usize)>,
    /// When each voice of ours is due, by its place in `endpoints`.
    pub(super) turns: Deadlines<usize>,
    /// Packets since the last tick.
    served: u64,
    buffer: Box<[u8]>,
    stopwatch: Stopwatch,
    recorder: Recorder,
}

impl Exchange {
    /// One with nothing in it, and what wakes it.
    pub(super) fn new(
        library: Library,
        ordered: mpsc::Receiver<Order>,
        (awake, resting): (Arc<AtomicBool>, Arc<Resting>),
        listener: Listener,
    ) -> io::Result<(Exchange, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let stopwatch = Stopwatch::start();
        let recorder = Recorder::start(Folder(library.directory().to_owned()), stopwatch, listener.clone())?;
        let exchange = Exchange {
            poll,
            ordered,
            awake,
            resting,
            listener,
            library,
            endpoints: Slab::new(),
            places: HashMap::new(),
            ready: VecDeque::new(),
            turns: Deadlines::default(),
            served: 0,
            buffer: vec![0; DATAGRAM].into_boxed_slice(),
            stopwatch,
            recorder,
        };
        Ok((exchange, waker))
    }

    /// Until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut next_tick = self.stopwatch.now() + TICK;
        let mut busy = false;
        loop {
            let patience = match (self.ready.is_empty(), self.places.is_empty()) {
                (false, _) => Some(Duration::ZERO),
                (true, false) => {
                    Some(self.turns.first().map_or(LINGER, |due| due.since(self.stopwatch.now()).min(LINGER)))
                }
                (true, true) => self.resting.is_plenty().then_some(TICK),
            };
            if let Err(error) = self.poll.poll(&mut events, patience) {
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                tracing::error!(%error, "the relay cannot wait for packets and ends");
                return;
            }
            let now = self.stopwatch.now();
            if self.take_orders(now).is_break() {
                return;
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    Token(token) => self.mark_ready(token / 2, token % 2),
                }
            }
            self.take_turns(now);
            for _ in 0..self.ready.len() {
                self.serve_next(now);
            }
            if now >= next_tick {
                self.look_for_silence(now);
                self.weed(now);
                next_tick = now + TICK;
                busy = std::mem::take(&mut self.served) >= BUSY;
            }
            if busy && self.ready.is_empty() {
                std::thread::sleep(NAP);
            }
        }
    }

    fn mark_ready(&mut self, place: usize, side: usize) {
        if let Some(endpoint) = self.endpoints.get_mut(place)
            && !std::mem::replace(&mut endpoint.ports[side].ready, true)
        {
            self.ready.push_back((place, side));
        }
    }

    fn serve_next(&mut self, now: Instant) {
        let Some((place, side)) = self.ready.pop_front() else { return };
        match self.serve(place, side, now) {
            Served::More => self.ready.push_back((place, side)),
            Served::Dry => {
                if let Some(endpoint) = self.endpoints.get_mut(place) {
                    endpoint.ports[side].ready = false;
                }
            }
        }
    }

    /// Receives up to a burst of packets at one port and sends them on.
    fn serve(&mut self, place: usize, side: usize, now: Instant) -> Served {
        for _ in 0..BURST {
            let Some(endpoint) = self.endpoints.get_mut(place) else { return Served::Dry };
            let port = &mut endpoint.ports[side];
            let (length, from) = match port.socket.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // An error that an earlier packet of ours caused is taken by being read.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => continue,
                Err(_) => return Served::Dry,
            };
            self.served += 1;
            let payload = &self.buffer[..length];
            if endpoint.rests {
                port.latch.leave_behind(payload);
                continue;
            }
            if !port.latch.admits(from, payload, now) {
                endpoint.counters.foreign += 1;
                continue;
            }
            endpoint.counters.packets += 1;
            endpoint.counters.bytes += length as u64;
            endpoint.last_heard = now;
            if std::mem::take(&mut endpoint.silent) {
                (self.listener)(MediaEvent::HeardAgain { endpoint: endpoint.key });
            }
            if !std::mem::replace(&mut endpoint.heard, true) {
                (self.listener)(MediaEvent::FirstPacket { endpoint: endpoint.key });
            }
            endpoint.guess_rtcp(side);
            if side == 0
                && let Some(digit) = endpoint.look_into(payload, now)
            {
                (self.listener)(MediaEvent::Digit { endpoint: endpoint.key, digit });
            }
            let partner = endpoint.partner.and_then(|partner| self.endpoints.get(partner));
            let Some(partner) = partner else { continue };
            // RFC 5761 §4: on a port that both share, RTCP passes all the same.
            if side == 0 && partner.is_played_to() && Rtp::read(payload).is_some() {
                continue;
            }
            let partner = &partner.ports[side];
            let sent = partner.latch.target().is_some_and(|target| partner.socket.send_to(payload, target).is_ok());
            let counters = &mut self.endpoints[place].counters;
            *(if sent { &mut counters.forwarded } else { &mut counters.unsent }) += 1;
        }
        Served::More
    }

    /// Carries out what was ordered. Where nothing is open afterwards, the next order has to wake the thread.
    fn take_orders(&mut self, now: Instant) -> ControlFlow<()> {
        self.take_waiting(now)?;
        if self.places.is_empty() && self.awake.swap(false, Ordering::AcqRel) {
            // Somebody may have found the thread awake just before.
            self.take_waiting(now)?;
        }
        ControlFlow::Continue(())
    }

    fn take_waiting(&mut self, now: Instant) -> ControlFlow<()> {
        while let Ok(order) = self.ordered.try_recv() {
            match order {
                Order::Opened(key, local, pair) => self.open(key, local, pair, now),
                Order::Do(order) => self.carry_out(order, now),
                Order::Stop => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    fn carry_out(&mut self, order: MediaOrder, now: Instant) {
        match order {
            MediaOrder::Expect { endpoint, peer } => self.expect(endpoint, peer, now),
            MediaOrder::Bridge { a, b } => self.bridge(a, b, now),
            MediaOrder::Unbridge { endpoint } => self.unbridge(endpoint),
            MediaOrder::Close { endpoint } => self.close(endpoint, now),
            MediaOrder::Agree { endpoint, formats } => self.agree(endpoint, formats),
            MediaOrder::Play { endpoint, play, sounds, repeat } => self.play(endpoint, (play, sounds, repeat), now),
            MediaOrder::Hush { endpoint } => self.hush(endpoint),
            MediaOrder::Dial { endpoint, digit, length } => self.dial(endpoint, digit, length, now),
            MediaOrder::Record { take, left, right, file, until } => {
                self.record(take, [Some(left), right], file, until, now)
            }
            MediaOrder::Pause { take, paused } => self.recorder.pause(take, paused),
            MediaOrder::EndRecord { take } => self.recorder.end(take, now),
            // Done by whoever gives it.
            MediaOrder::Open { .. } => {}
        }
    }

    fn open(&mut self, key: EndpointKey, local: SocketAddr, pair: Pair, now: Instant) {
        self.close(key, now);
        let place = match pair {
            Pair::Rested(place) => {
                self.endpoints[place].begin_again(key, now);
                place
            }
            Pair::Fresh(mut sockets) => {
                let place = self.endpoints.vacant_key();
                for (side, socket) in sockets.iter_mut().enumerate() {
                    let token = Token(2 * place + side);
                    if let Err(error) = self.poll.registry().register(socket, token, Interest::READABLE) {
                        return (self.listener)(MediaEvent::Failed { endpoint: key, local, why: error.kind() });
                    }
                }
                self.endpoints.insert(Endpoint::new(key, local, sockets, now))
            }
        };
        self.places.insert(key, place);
    }

    fn expect(&mut self, key: EndpointKey, peer: Peer, now: Instant) {
        let Some(endpoint) = self.find(key) else { return };
        endpoint.ports[0].latch.expect(peer.rtp, peer.signalling);
        endpoint.ports[1].latch.expect(peer.rtcp, peer.signalling);
        endpoint.silence = peer.silence;
        endpoint.silent = false;
        endpoint.last_heard = now;
    }

    fn bridge(&mut self, a: EndpointKey, b: EndpointKey, now: Instant) {
        let (Some(&place_a), Some(&place_b)) = (self.places.get(&a), self.places.get(&b)) else { return };
        for key in [a, b] {
            self.unbridge(key);
            self.hush(key);
        }
        self.endpoints[place_a].partner = Some(place_b);
        self.endpoints[place_b].partner = Some(place_a);
        for place in [place_a, place_b] {
            (self.endpoints[place].last_heard, self.endpoints[place].silent) = (now, false);
        }
    }

    fn unbridge(&mut self, key: EndpointKey) {
        let partner = self.find(key).and_then(|endpoint| endpoint.partner.take());
        if let Some(partner) = partner.and_then(|partner| self.endpoints.get_mut(partner)) {
            partner.partner = None;
        }
    }

    fn close(&mut self, key: EndpointKey, now: Instant) {
        self.unbridge(key);
        let Some(place) = self.places.remove(&key) else { return };
        let endpoint = &mut self.endpoints[place];
        if let Some(turn) = endpoint.voice.as_ref().and_then(|voice| voice.turn) {
            self.turns.cancel(turn);
        }
        let (local, counters) = (endpoint.local, endpoint.counted());
        endpoint.rest();
        if !self.resting.keep(local, place, now) {
            self.remove(place);
        }
        (self.listener)(MediaEvent::Closed { endpoint: key, port: local.port(), counters });
    }

    fn remove(&mut self, place: usize) {
        // A closed socket leaves the poll by itself.
        self.endpoints.remove(place);
        self.ready.retain(|(ready, _)| *ready != place);
    }

    /// Closes ports that have rested too long.
    fn weed(&mut self, now: Instant) {
        self.resting.weed(now).into_iter().for_each(|place| self.remove(place));
    }

    /// Has a recording of one or two endpoints begun, or go on with these.
    fn record(&mut self, take: TakeKey, sides: [Option<EndpointKey>; 2], file: Arc<str>, until: Until, now: Instant) {
        for (_, endpoint) in &mut self.endpoints {
            endpoint.taps.retain(|tap| tap.take() != take);
        }
        let places = sides.map(|side| side.and_then(|key| self.places.get(&key).copied()));
        let none = Formats::default();
        let formats = [0, 1].map(|side| {
            let formats = places[side].and_then(|place| self.endpoints.get(place)).map(|endpoint| &endpoint.formats);
            sides[side].is_some().then_some(formats.unwrap_or(&none))
        });
        let Some(taps) = self.recorder.record(take, formats, file, until, now) else { return };
        for (place, tap) in places.into_iter().zip(taps) {
            if let Some(endpoint) = place.and_then(|place| self.endpoints.get_mut(place)) {
                endpoint.taps.push(tap);
            }
        }
    }

    fn look_for_silence(&mut self, now: Instant) {
        for (_, endpoint) in &mut self.endpoints {
            let patience = endpoint.silence.filter(|_| !endpoint.silent && endpoint.partner.is_some());
            if patience.is_some_and(|patience| now.since(endpoint.last_heard) >= patience) {
                endpoint.silent = true;
                (self.listener)(MediaEvent::Silent { endpoint: endpoint.key });
            }
        }
    }

    fn find(&mut self, key: EndpointKey) -> Option<&mut Endpoint> {
        self.places.get(&key).and_then(|place| self.endpoints.get_mut(*place))
    }
}
