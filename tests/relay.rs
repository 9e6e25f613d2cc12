//! The relay with real sockets on loopback: who hears whom, and who does not.
//!
//! Nothing here waits for time to pass. That something was *not* forwarded is shown by what arrives next: sockets keep
//! their order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use huntline::anchor::{Counters, EndpointKey, MediaEvent, MediaOrder, Peer};
use huntline::config::Language;
use huntline::media::library::Library;
use huntline::media::relay::Relay;
use huntline::sound::{Events, Formats};

const CALLER: EndpointKey = EndpointKey { leg: 1, line: 0 };
const CALLEE: EndpointKey = EndpointKey { leg: 2, line: 0 };
const OTHER: EndpointKey = EndpointKey { leg: 3, line: 0 };

const PATIENCE: Duration = Duration::from_secs(10);

/// Nothing is played here (`tests/playing.rs` does).
fn library() -> Library {
    Library::open(&std::env::temp_dir(), Language::En, |_, _| None).unwrap()
}

/// A relay with addresses of its own: tests and processes do not meet.
struct Stage {
    relay: Relay,
    events: Receiver<MediaEvent>,
    ip: IpAddr,
}

impl Stage {
    fn new(test: u8) -> Stage {
        let (tell, events) = channel();
        let relay = Relay::start(library(), move |event| drop(tell.send(event))).unwrap();
        let pid = std::process::id().to_be_bytes();
        let ip = Ipv4Addr::new(127, 128 | pid[2], pid[3], test).into();
        Stage { relay, events, ip }
    }

    fn local(&self, endpoint: EndpointKey) -> SocketAddr {
        SocketAddr::new(self.ip, 20_000 + 2 * endpoint.leg as u16)
    }

    fn open(&self, endpoint: EndpointKey) {
        self.relay.order(MediaOrder::Open { endpoint, local: self.local(endpoint) });
    }

    fn expect(&self, endpoint: EndpointKey, rtp: SocketAddr) {
        let rtcp = Some(SocketAddr::new(rtp.ip(), rtp.port() + 1));
        self.expect_peer(endpoint, Peer { rtp: Some(rtp), rtcp, ..Peer::default() });
    }

    fn expect_peer(&self, endpoint: EndpointKey, peer: Peer) {
        self.relay.order(MediaOrder::Expect { endpoint, peer });
    }

    fn bridge(&self, a: EndpointKey, b: EndpointKey) {
        self.relay.order(MediaOrder::Bridge { a, b });
        self.settle();
    }

    fn close(&self, endpoint: EndpointKey) -> Counters {
        self.relay.order(MediaOrder::Close { endpoint });
        match self.event() {
            MediaEvent::Closed { endpoint: closed, port, counters } => {
                assert_eq!((closed, port), (endpoint, self.local(endpoint).port()));
                // How evenly a test's own packets come is the machine's business.
                Counters { jitter: Duration::ZERO, ..counters }
            }
            other => panic!("{other:?} instead of Closed"),
        }
    }

    fn event(&self) -> MediaEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Returns when everything ordered so far is done.
    fn settle(&self) {
        let endpoint = EndpointKey { leg: 99, line: 0 };
        self.open(endpoint);
        self.close(endpoint);
    }

    /// Two phones with an endpoint each, bridged.
    fn call(&self) -> (Phone, Phone) {
        let (caller, callee) = (Phone::at(self.ip, 4000), Phone::at(self.ip, 4100));
        self.open(CALLER);
        self.open(CALLEE);
        self.expect(CALLER, caller.address());
        self.expect(CALLEE, callee.address());
        self.bridge(CALLER, CALLEE);
        (caller, callee)
    }
}

/// A phone's RTP and RTCP sockets.
struct Phone([UdpSocket; 2]);

impl Phone {
    fn at(ip: IpAddr, port: u16) -> Phone {
        let socket = |port| {
            let socket = UdpSocket::bind((ip, port)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        Phone([socket(port), socket(port + 1)])
    }

    fn address(&self) -> SocketAddr {
        self.0[0].local_addr().unwrap()
    }

    fn say(&self, packet: &[u8], to: SocketAddr) {
        self.0[0].send_to(packet, to).unwrap();
    }

    fn hears(&self) -> (Vec<u8>, SocketAddr) {
        received(&self.0[0])
    }
}

fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

fn rtp(ssrc: u8, sequence: u16) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    [&[0x80, 8, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc][..], &[0xd5; 160]].concat()
}

/// An RTP event (RFC 4733) under payload type 101.
fn press(code: u8, sequence: u16, timestamp: u32) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    [&[0x80, 101, high, low][..], &timestamp.to_be_bytes(), &[0, 0, 0, 1, code, 10, 0, 160]].concat()
}

fn beside(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() + 1)
}

#[test]
fn both_sides_hear_each_other_from_the_port_that_was_told_to_them() {
    let stage = Stage::new(1);
    let (caller, callee) = stage.call();
    for sequence in 0..50 {
        caller.say(&rtp(1, sequence), stage.local(CALLER));
        assert_eq!(callee.hears(), (rtp(1, sequence), stage.local(CALLEE)));
        callee.say(&rtp(2, sequence), stage.local(CALLEE));
        assert_eq!(caller.hears(), (rtp(2, sequence), stage.local(CALLER)));
    }
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLEE });
    let expected = Counters { packets: 50, bytes: 50 * 172, forwarded: 50, ..Counters::default() };
    assert_eq!(stage.close(CALLER), expected);
    assert_eq!(stage.close(CALLEE), expected);
}

#[test]
fn rtcp_passes_beside_rtp() {
    let stage = Stage::new(2);
    let (caller, callee) = stage.call();
    let report = [0x80, 200, 0, 1, 0, 0, 0, 1];
    caller.0[1].send_to(&report, beside(stage.local(CALLER))).unwrap();
    assert_eq!(received(&callee.0[1]), (report.to_vec(), beside(stage.local(CALLEE))));
    // Multiplexed with RTP (RFC 5761) it stays on RTP's port.
    callee.say(&report, stage.local(CALLEE));
    assert_eq!(caller.hears(), (report.to_vec(), stage.local(CALLER)));
}

#[test]
fn whoever_guesses_the_port_is_not_heard() {
    let stage = Stage::new(3);
    let (caller, callee) = stage.call();
    let intruder = Phone::at(stage.ip, 6666);
    caller.say(&rtp(1, 1), stage.local(CALLER));
    assert_eq!(callee.hears().0, rtp(1, 1));
    intruder.say(&rtp(9, 1), stage.local(CALLER));
    intruder.say(b"T.38, perhaps", stage.local(CALLER));
    caller.say(&rtp(1, 2), stage.local(CALLER));
    assert_eq!(callee.hears().0, rtp(1, 2));
    // Nor does it hear anything.
    callee.say(&rtp(2, 1), stage.local(CALLEE));
    assert_eq!(caller.hears().0, rtp(2, 1));
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLEE });
    assert_eq!(stage.close(CALLER).foreign, 2);
}

#[test]
fn a_phone_behind_nat_is_answered_where_it_speaks_from() {
    let stage = Stage::new(4);
    let (_, callee) = stage.call();
    let (public, private) = (Phone::at(stage.ip, 7000), SocketAddr::from(([192, 168, 1, 5], 4000)));
    let signalling = Some(stage.ip);
    stage.expect_peer(CALLER, Peer { rtp: Some(private), rtcp: Some(beside(private)), signalling, silence: None });
    stage.settle();
    public.say(&rtp(1, 1), stage.local(CALLER));
    assert_eq!(callee.hears().0, rtp(1, 1));
    callee.say(&rtp(2, 1), stage.local(CALLEE));
    assert_eq!(public.hears().0, rtp(2, 1));
    // Its RTCP is looked for beside it before it has said any.
    callee.0[1].send_to(&[0x80, 201], beside(stage.local(CALLEE))).unwrap();
    assert_eq!(received(&public.0[1]).0, [0x80, 201]);
}

#[test]
fn after_fresh_sdp_the_new_phone_is_heard_and_the_old_one_no_longer() {
    let stage = Stage::new(5);
    let (caller, callee) = stage.call();
    caller.say(&rtp(1, 1), stage.local(CALLER));
    assert_eq!(callee.hears().0, rtp(1, 1));
    let next = Phone::at(stage.ip, 4200);
    stage.expect(CALLER, next.address());
    stage.relay.order(MediaOrder::Bridge { a: CALLER, b: CALLEE });
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    stage.settle();
    next.say(&rtp(3, 1), stage.local(CALLER));
    caller.say(&rtp(1, 2), stage.local(CALLER));
    next.say(&rtp(3, 2), stage.local(CALLER));
    assert_eq!((callee.hears().0, callee.hears().0), (rtp(3, 1), rtp(3, 2)));
    callee.say(&rtp(2, 1), stage.local(CALLEE));
    assert_eq!(next.hears().0, rtp(2, 1));
}

#[test]
fn what_came_before_the_bridge_is_counted_and_the_next_packet_passes() {
    let stage = Stage::new(6);
    let (caller, callee) = (Phone::at(stage.ip, 4000), Phone::at(stage.ip, 4100));
    stage.open(CALLER);
    stage.expect(CALLER, caller.address());
    caller.say(&rtp(1, 1), stage.local(CALLER));
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    stage.open(CALLEE);
    stage.expect(CALLEE, callee.address());
    stage.bridge(CALLER, CALLEE);
    caller.say(&rtp(1, 2), stage.local(CALLER));
    assert_eq!(callee.hears().0, rtp(1, 2));
    let expected = Counters { packets: 2, bytes: 2 * 172, forwarded: 1, ..Counters::default() };
    assert_eq!(stage.close(CALLER), expected);
}

#[test]
fn what_comes_before_the_other_side_has_said_where_it_is_has_nowhere_to_go() {
    let stage = Stage::new(12);
    let (caller, callee) = (Phone::at(stage.ip, 4000), Phone::at(stage.ip, 4100));
    stage.open(CALLER);
    stage.open(CALLEE);
    stage.bridge(CALLER, CALLEE);
    caller.say(&rtp(1, 1), stage.local(CALLER));
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    stage.expect(CALLEE, callee.address());
    stage.settle();
    caller.say(&rtp(1, 2), stage.local(CALLER));
    assert_eq!(callee.hears().0, rtp(1, 2));
    let expected = Counters { packets: 2, bytes: 2 * 172, forwarded: 1, unsent: 1, ..Counters::default() };
    assert_eq!(stage.close(CALLER), expected);
}

#[test]
fn a_bridge_moves_and_ends() {
    let stage = Stage::new(7);
    let (caller, callee) = stage.call();
    let other = Phone::at(stage.ip, 4200);
    stage.open(OTHER);
    stage.expect(OTHER, other.address());
    stage.bridge(CALLER, OTHER);
    caller.say(&rtp(1, 1), stage.local(CALLER));
    assert_eq!(other.hears().0, rtp(1, 1));
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    // The first partner is alone now.
    callee.say(&rtp(2, 1), stage.local(CALLEE));
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLEE });
    other.say(&rtp(3, 1), stage.local(OTHER));
    assert_eq!(caller.hears().0, rtp(3, 1));
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: OTHER });
    stage.relay.order(MediaOrder::Unbridge { endpoint: OTHER });
    stage.settle();
    caller.say(&rtp(1, 2), stage.local(CALLER));
    stage.bridge(CALLER, CALLEE);
    callee.say(&rtp(2, 2), stage.local(CALLEE));
    assert_eq!(caller.hears().0, rtp(2, 2));
    let counters = stage.close(OTHER);
    assert_eq!((counters.packets, counters.forwarded), (1, 1));
}

#[test]
fn a_port_that_is_taken_is_reported_before_the_order_returns() {
    let stage = Stage::new(8);
    let local = stage.local(CALLER);
    let holder = UdpSocket::bind(beside(local)).unwrap();
    stage.open(CALLER);
    let why = std::io::ErrorKind::AddrInUse;
    assert_eq!(stage.events.try_recv(), Ok(MediaEvent::Failed { endpoint: CALLER, local, why }));
    drop(holder);
    stage.open(CALLER);
    stage.settle();
    let odd = SocketAddr::new(stage.ip, 20_001);
    stage.relay.order(MediaOrder::Open { endpoint: OTHER, local: odd });
    let why = std::io::ErrorKind::InvalidInput;
    assert_eq!(stage.events.try_recv(), Ok(MediaEvent::Failed { endpoint: OTHER, local: odd, why }));
}

#[test]
fn ports_of_a_closed_endpoint_serve_the_next_as_if_they_were_new() {
    let stage = Stage::new(9);
    let moved = Phone::at(stage.ip, 4200);
    for round in 0..50 {
        let (caller, callee) = stage.call();
        caller.say(&rtp(round, 1), stage.local(CALLER));
        assert_eq!(callee.hears().0, rtp(round, 1));
        assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
        assert_eq!((stage.close(CALLER).packets, stage.close(CALLEE)), (1, Counters::default()));
        // Whoever talks on, and has moved meanwhile, is heard by nobody, and not by the next call.
        moved.say(&rtp(round, 2), stage.local(CALLER));
    }
    // Orders about what is gone do nothing.
    for order in [MediaOrder::Close { endpoint: CALLER }, MediaOrder::Bridge { a: CALLER, b: CALLEE }] {
        stage.relay.order(order);
    }
    stage.settle();
    let (local, beside) = (stage.local(CALLER), beside(stage.local(CALLER)));
    assert!(UdpSocket::bind(local).is_err(), "they wait for the next");
    drop(stage);
    drop((UdpSocket::bind(local).unwrap(), UdpSocket::bind(beside).unwrap()));
}

#[test]
fn a_silent_side_is_reported_once() {
    let stage = Stage::new(10);
    let (caller, callee) = stage.call();
    let silence = Some(Duration::from_millis(1));
    stage.expect_peer(CALLEE, Peer { rtp: Some(callee.address()), silence, ..Peer::default() });
    assert_eq!(stage.event(), MediaEvent::Silent { endpoint: CALLEE });
    callee.say(&rtp(2, 1), stage.local(CALLEE));
    assert_eq!(caller.hears().0, rtp(2, 1));
    assert_eq!(stage.event(), MediaEvent::HeardAgain { endpoint: CALLEE });
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLEE });
    assert_eq!(stage.event(), MediaEvent::Silent { endpoint: CALLEE });
    // Whoever is put through is listened to anew; who has no partner, not at all.
    stage.bridge(CALLER, CALLEE);
    assert_eq!(stage.event(), MediaEvent::Silent { endpoint: CALLEE });
    stage.relay.order(MediaOrder::Unbridge { endpoint: CALLEE });
    stage.expect_peer(CALLEE, Peer { rtp: Some(callee.address()), silence, ..Peer::default() });
    std::thread::sleep(Duration::from_millis(600));
    stage.settle();
    assert!(stage.events.try_recv().is_err());
}

#[test]
fn both_sides_hear_each_other_over_ipv6() {
    let stage = Stage { ip: IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1]), ..Stage::new(11) };
    let (caller, callee) = stage.call();
    caller.say(&rtp(1, 1), stage.local(CALLER));
    assert_eq!(callee.hears(), (rtp(1, 1), stage.local(CALLEE)));
}

#[test]
fn a_key_that_is_pressed_is_heard_once_and_passes_to_the_partner() {
    let stage = Stage::new(13);
    let (caller, callee) = stage.call();
    let receive_events = Some(Events { payload: 101, clock: 8000 });
    stage
        .relay
        .order(MediaOrder::Agree { endpoint: CALLER, formats: Formats { receive_events, ..Formats::default() } });
    stage.settle();
    let presses = [press(5, 1, 1000), press(5, 2, 1000), press(11, 3, 2000)];
    for packet in &presses {
        caller.say(packet, stage.local(CALLER));
        assert_eq!(callee.hears().0, *packet);
    }
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    assert_eq!(stage.event(), MediaEvent::Digit { endpoint: CALLER, digit: '5' });
    assert_eq!(stage.event(), MediaEvent::Digit { endpoint: CALLER, digit: '#' });
    // Alone with us it is heard as well.
    stage.relay.order(MediaOrder::Unbridge { endpoint: CALLER });
    stage.settle();
    caller.say(&press(1, 4, 3000), stage.local(CALLER));
    assert_eq!(stage.event(), MediaEvent::Digit { endpoint: CALLER, digit: '1' });
    // Where none were agreed, the same bytes are anything.
    callee.say(&press(1, 1, 3000), stage.local(CALLEE));
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLEE });
    assert_eq!(stage.close(CALLEE).packets, 1);
}

#[test]
fn what_never_came_is_counted_when_an_endpoint_closes() {
    let stage = Stage::new(14);
    let (caller, callee) = stage.call();
    for sequence in [1, 2, 5, 6, 9] {
        caller.say(&rtp(1, sequence), stage.local(CALLER));
        assert_eq!(callee.hears().0, rtp(1, sequence));
    }
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    let counters = stage.close(CALLER);
    assert_eq!((counters.packets, counters.lost), (5, 4));
}
