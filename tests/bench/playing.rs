//! What it costs to speak ourselves: CPU time of the relay's thread per packet that leaves, how evenly packets leave, and
//! how soon a prompt begins.
//!
//!     cargo bench --bench playing               # 50 and 200 listeners, 5 s each
//!     cargo bench --bench playing -- 400        # another number of listeners
//!
//! Every listener is a socket on loopback that hears a repeated prompt from a port of its own, a fourth of them in each
//! codec. A packet's lateness is told against its listener's own first packet and 20 ms for each one since: what a jitter
//! buffer has to hold. The kernel does the listener's work in our call, so part of it is charged to us.

#![allow(clippy::disallowed_methods)] // A bench asks the machine for the time; the core does not.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use huntline::anchor::{EndpointKey, MediaOrder, Peer, PlayKey};
use huntline::config::Language;
use huntline::media::library::Library;
use huntline::media::prompts;
use huntline::media::relay::Relay;
use huntline::sound::{Codec, Format, Formats, Sound, Tone};

const SECONDS: u64 = 5;
const PACKET: Duration = Duration::from_millis(20);
const CODECS: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --all-targets` starts benches too, and is not meant to wait for them.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    beginning();
    let mut listeners: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if listeners.is_empty() {
        listeners = vec![50, 200];
    }
    println!("listeners  packets/s  of those due  µs CPU/packet  late p50  p99  max (µs)");
    for listeners in listeners {
        measure(listeners);
    }
}

fn library() -> Library {
    let shipped = |language: Language, name: &str| prompts::shipped(language.code(), name);
    Library::open(Path::new("/nowhere"), Language::En, shipped).expect("a library")
}

/// A relay with listeners that have agreed to hear `codec(listener)`.
fn stage(listeners: usize, codec: impl Fn(usize) -> Codec) -> (Relay, Vec<UdpSocket>) {
    let relay = Relay::start(library(), drop).expect("a relay");
    let sockets = (0..listeners).map(|listener| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 9, 1, 2), 0)).expect("a listener's port");
        let (endpoint, rtp) = (key(listener), socket.local_addr().ok());
        let local = SocketAddr::from((Ipv4Addr::new(127, 9, 1, 1), 20_000 + 2 * listener as u16));
        relay.order(MediaOrder::Open { endpoint, local });
        relay.order(MediaOrder::Expect { endpoint, peer: Peer { rtp, ..Peer::default() } });
        let formats = Formats { send: Some(Format { payload: 8, codec: codec(listener) }), ..Formats::default() };
        relay.order(MediaOrder::Agree { endpoint, formats });
        socket
    });
    let sockets = sockets.collect();
    (relay, sockets)
}

fn key(listener: usize) -> EndpointKey {
    EndpointKey { leg: listener as u64, line: 0 }
}

fn play(relay: &Relay, listener: usize, sound: Sound) {
    let sounds = [sound].into();
    relay.order(MediaOrder::Play { endpoint: key(listener), play: PlayKey(0), sounds, repeat: true });
}

/// How long after the order the first packet comes, where nothing was encoded before and where it was.
fn beginning() {
    println!("a prompt's first packet, ms after the order: codec, first time, second time, 24 s of music");
    for codec in CODECS {
        let (relay, sockets) = stage(1, |_| codec);
        let begin = |sound| {
            let ordered = Instant::now();
            play(&relay, 0, sound);
            let mut buffer = [0; 2048];
            // What was under way of the sound before has no marker.
            while sockets[0].recv(&mut buffer).expect("a packet") == 0 || buffer[1] & 0x80 == 0 {}
            ordered.elapsed().as_secs_f64() * 1e3
        };
        let [first, music, second] =
            [Sound::prompt("closed"), Sound::Tone(Tone::Music), Sound::prompt("closed")].map(begin);
        println!("{codec:?}  {first:.1}  {second:.1}  {music:.1}");
    }
}

fn measure(listeners: usize) {
    let (relay, sockets) = stage(listeners, |listener| CODECS[listener % 4]);
    // The order comes when it comes, so listeners are not in step.
    for listener in 0..listeners {
        play(&relay, listener, Sound::Tone(Tone::Music));
        std::thread::sleep(Duration::from_micros(20_000 * 3 / listeners as u64));
    }
    // Everything is encoded.
    std::thread::sleep(Duration::from_secs(2));
    let mut buffer = [0; 2048];
    for socket in &sockets {
        socket.set_nonblocking(true).expect("non-blocking");
        while socket.recv(&mut buffer).is_ok() {}
    }
    let (began, before) = (Instant::now(), relay_cpu());
    let arrivals = listen(sockets, began);
    let (elapsed, cpu) = (began.elapsed(), relay_cpu() - before);
    drop(relay);
    let packets: usize = arrivals.iter().map(Vec::len).sum();
    let mut late: Vec<u64> = arrivals.iter().flat_map(|arrivals| lateness(arrivals)).collect();
    late.sort_unstable();
    let at = |share: f64| late.get((late.len() as f64 * share) as usize).copied().unwrap_or_default();
    let due = listeners as f64 * elapsed.as_secs_f64() / PACKET.as_secs_f64();
    println!(
        "{listeners:9}  {:9.0}  {:11.2}%  {:13.2}  {:8}  {:4}  {:4}",
        packets as f64 / elapsed.as_secs_f64(),
        100.0 * packets as f64 / due,
        cpu.as_secs_f64() * 1e6 / packets as f64,
        at(0.5),
        at(0.99),
        late.last().copied().unwrap_or_default(),
    );
}

/// How much later than the earliest of its stream each packet comes, in µs, each set back by 20 ms for its number.
fn lateness(arrivals: &[(u16, Duration)]) -> Vec<u64> {
    let Some((first, _)) = arrivals.first() else { return Vec::new() };
    let steps = arrivals.iter().map(|(sequence, at)| {
        at.as_micros() as i64 - i64::from(sequence.wrapping_sub(*first)) * PACKET.as_micros() as i64
    });
    let earliest = steps.clone().min().unwrap_or_default();
    steps.map(|at| (at - earliest) as u64).collect()
}

/// What each listener hears in [`SECONDS`]: sequence numbers and when.
fn listen(sockets: Vec<UdpSocket>, began: Instant) -> Vec<Vec<(u16, Duration)>> {
    let mut poll = mio::Poll::new().expect("a poll");
    let mut sockets: Vec<_> = sockets.into_iter().map(mio::net::UdpSocket::from_std).collect();
    for (index, socket) in sockets.iter_mut().enumerate() {
        poll.registry().register(socket, mio::Token(index), mio::Interest::READABLE).expect("registered");
    }
    let mut arrivals = vec![Vec::new(); sockets.len()];
    let (mut events, mut buffer) = (mio::Events::with_capacity(1024), [0; 2048]);
    while began.elapsed() < Duration::from_secs(SECONDS) {
        poll.poll(&mut events, Some(Duration::from_millis(50))).expect("polled");
        for event in &events {
            let listener = event.token().0;
            while let Ok(length) = sockets[listener].recv(&mut buffer) {
                assert!(length > 12, "a packet holds sound");
                arrivals[listener].push((u16::from_be_bytes([buffer[2], buffer[3]]), began.elapsed()));
            }
        }
    }
    arrivals
}

/// CPU time of the newest thread that is called "relay".
fn relay_cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").filter_map(Result::ok).map(|task| task.path());
    let relays = tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name == "relay\n"));
    let newest = relays.max().expect("a relay's thread");
    let schedstat = std::fs::read_to_string(newest.join("schedstat")).expect("schedstat");
    Duration::from_nanos(schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}
