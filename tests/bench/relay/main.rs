//! What a relayed packet costs: CPU time of the relay's thread, and how much later the packet arrives.
//!
//!     cargo bench --bench relay                 # 100 and 400 calls, 5 s each
//!     cargo bench --bench relay -- 50 1000      # other numbers of calls
//!     cargo bench --bench relay -- 200 record   # 200 calls, and again with each of them recorded in stereo
//!     cargo bench --bench relay -- 400 peer     # 400 calls, and again through rtpengine in userspace (Debian's rtpengine-daemon)
//!
//! Every call is two phones on loopback that each send 172 bytes every 20 ms, as G.711 does. A packet counts once: one
//! receive and one send. The figure to compare is µs of CPU per packet (`tests/bench/README.md`, S5); on loopback the
//! kernel does the receiver's work in the sender's call, so part of what the phones cost is charged to the relay and the
//! other way round, for every relay alike. Of rtpengine all threads count; of ours the relay's, beside which nothing works. With `record` the figure is that of the relay's thread alone, which copies each
//! packet; what decoding and writing cost in their own threads is said beside it, and how much sound got lost.

#![allow(clippy::disallowed_methods)] // A bench asks the machine for the time; the core does not.

mod rtpengine;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use huntline::anchor::{EndpointKey, MediaEvent, MediaOrder, Peer, TakeKey, Until};
use huntline::config::Language;
use huntline::media::library::Library;
use huntline::media::relay::Relay;

use rtpengine::Rtpengine;

const SECONDS: u64 = 5;
const PACKET: Duration = Duration::from_millis(20);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --all-targets` starts benches too, and is not meant to wait for them.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let says = |word: &str| arguments.iter().any(|argument| argument == word);
    let (record, peer) = (says("record"), says("peer"));
    let mut calls: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if calls.is_empty() {
        calls = vec![100, 400];
    }
    println!("           calls  packets/s  relayed  µs CPU/packet  delay p50  p99  max (µs)");
    for calls in calls {
        measure(calls, false);
        if record {
            measure(calls, true);
        }
        if peer {
            measure_peer(calls);
        }
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("huntline-bench-relay-{}", std::process::id()))
}

fn library() -> Library {
    Library::open(&folder(), Language::En, |_, _| None).expect("a library")
}

struct Phone {
    socket: UdpSocket,
    relay: SocketAddr,
}

fn measure(calls: usize, record: bool) {
    let (tell, events) = channel();
    let relay = Relay::start(library(), move |event| drop(tell.send(event))).expect("a relay");
    let ours = Ipv4Addr::new(127, 9, 0, 1);
    let key = |phone: usize| EndpointKey { leg: phone as u64, line: 0 };
    let phones: Arc<Vec<Phone>> = Arc::new(
        (0..2 * calls)
            .map(|phone| {
                let socket = self::phone();
                let local = SocketAddr::from((ours, 20_000 + 2 * phone as u16));
                let rtp = socket.local_addr().ok();
                relay.order(MediaOrder::Open { endpoint: key(phone), local });
                relay.order(MediaOrder::Expect { endpoint: key(phone), peer: Peer { rtp, ..Peer::default() } });
                Phone { socket, relay: local }
            })
            .collect(),
    );
    for call in 0..calls {
        relay.order(MediaOrder::Bridge { a: key(2 * call), b: key(2 * call + 1) });
    }

    for call in (0..calls).filter(|_| record) {
        let (left, right) = (key(2 * call), Some(key(2 * call + 1)));
        let (file, until) = (format!("{call}.wav").into(), Until::default());
        relay.order(MediaOrder::Record { take: TakeKey(call as u64), left, right, file, until });
    }

    let now = || ["relay", "recorder", "recordings"].map(cpu);
    let before = now();
    let talks = talk(&phones);
    let after = now();
    let [cpu, decoding, writing] = [0, 1, 2].map(|thread| after[thread] - before[thread]);
    let sent = talks.sent;

    for call in (0..calls).filter(|_| record) {
        relay.order(MediaOrder::EndRecord { take: TakeKey(call as u64) });
    }
    let mut kept = Vec::new();
    while record && kept.len() < calls {
        if let MediaEvent::Recorded { taken, .. } = events.recv().expect("the relay") {
            kept.push(taken);
        }
    }
    for phone in 0..2 * calls {
        relay.order(MediaOrder::Close { endpoint: key(phone) });
    }
    let mut forwarded = 0;
    for _ in 0..2 * calls {
        loop {
            match events.recv().expect("the relay") {
                MediaEvent::Closed { counters, .. } => break forwarded += counters.forwarded,
                MediaEvent::FirstPacket { .. } | MediaEvent::Spoke { .. } | MediaEvent::Losing { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    talks.print("huntline", calls, forwarded, cpu);
    if record {
        let lost: Duration = kept.iter().map(|taken| taken.lost).sum();
        let shortest = kept.iter().map(|taken| taken.length).min().unwrap_or_default();
        let each = |time: Duration| time.as_secs_f64() * 1e6 / sent as f64;
        println!(
            "       recorded: decoding {:.2} and writing {:.2} µs a packet, the shortest of {} files {:.2} s, {:.2} s lost",
            each(decoding),
            each(writing),
            kept.len(),
            shortest.as_secs_f64(),
            lost.as_secs_f64()
        );
        std::fs::remove_dir_all(folder()).expect("our own folder");
    }
}

/// The same calls through rtpengine.
fn measure_peer(calls: usize) {
    let mut engine = Rtpengine::start().expect("Debian's rtpengine-daemon");
    let sockets: Vec<UdpSocket> = (0..2 * calls).map(|_| phone()).collect();
    let address = |phone: usize| sockets[phone].local_addr().expect("its address");
    let relays =
        (0..calls).map(|call| engine.bridge(call, [address(2 * call), address(2 * call + 1)]).expect("bridged"));
    let relays: Vec<SocketAddr> = relays.flatten().collect();
    let phones = sockets.into_iter().zip(relays).map(|(socket, relay)| Phone { socket, relay }).collect();
    let before = engine.cpu();
    let talks = talk(&Arc::new(phones));
    let cpu = engine.cpu() - before;
    talks.print("rtpengine", calls, talks.delays.len() as u64, cpu);
}

fn phone() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 9, 0, 2), 0)).expect("a phone's port");
    socket.set_nonblocking(true).expect("non-blocking");
    socket
}

/// What became of all talks together.
struct Talks {
    sent: u64,
    elapsed: Duration,
    /// In µs, the shortest first.
    delays: Vec<u32>,
}

impl Talks {
    fn print(&self, relay: &str, calls: usize, forwarded: u64, cpu: Duration) {
        let at = |share: f64| self.delays.get((self.delays.len() as f64 * share) as usize).copied().unwrap_or_default();
        println!(
            "{relay:9}  {calls:5}  {:9.0}  {:6.2}%  {:13.2}  {:9}  {:4}  {:4}",
            self.sent as f64 / self.elapsed.as_secs_f64(),
            100.0 * forwarded as f64 / self.sent as f64,
            cpu.as_secs_f64() * 1e6 / forwarded as f64,
            at(0.5),
            at(0.99),
            self.delays.last().copied().unwrap_or_default(),
        );
    }
}

/// All phones speak and listen.
fn talk(phones: &Arc<Vec<Phone>>) -> Talks {
    let began = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let listening = {
        let (phones, stop) = (phones.clone(), stop.clone());
        std::thread::spawn(move || listen(&phones, began, &stop))
    };
    let sent = speak(phones, began);
    let elapsed = began.elapsed();
    // What is under way still arrives.
    std::thread::sleep(PACKET);
    stop.store(true, Ordering::Relaxed);
    let mut delays = listening.join().expect("the listener");
    delays.sort_unstable();
    Talks { sent, elapsed, delays }
}

/// All phones speak, evenly spread over each 20 ms.
fn speak(phones: &[Phone], began: Instant) -> u64 {
    let sent = AtomicU64::new(0);
    let mut packet = [0xd5u8; 172];
    packet[0] = 0x80;
    packet[1] = 8;
    let rounds = SECONDS * 1000 / PACKET.as_millis() as u64;
    for round in 0..rounds {
        for (index, phone) in phones.iter().enumerate() {
            let due = PACKET * round as u32 + PACKET * index as u32 / phones.len() as u32;
            while began.elapsed() < due {
                std::thread::sleep(Duration::from_micros(50));
            }
            packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
            packet[8..12].copy_from_slice(&(index as u32).to_be_bytes());
            packet[12..20].copy_from_slice(&(began.elapsed().as_nanos() as u64).to_be_bytes());
            if phone.socket.send_to(&packet, phone.relay).is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    sent.into_inner()
}

/// Hears what arrives, and how long it was under way in µs.
fn listen(phones: &[Phone], began: Instant, stop: &AtomicBool) -> Vec<u32> {
    let mut poll = mio::Poll::new().expect("a poll");
    let mut sockets: Vec<_> = phones
        .iter()
        .map(|phone| mio::net::UdpSocket::from_std(phone.socket.try_clone().expect("a second handle")))
        .collect();
    for (index, socket) in sockets.iter_mut().enumerate() {
        poll.registry().register(socket, mio::Token(index), mio::Interest::READABLE).expect("registered");
    }
    let (mut events, mut buffer, mut delays) = (mio::Events::with_capacity(1024), [0; 2048], Vec::new());
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(Duration::from_millis(50))).expect("polled");
        for event in &events {
            while let Ok(length) = sockets[event.token().0].recv(&mut buffer) {
                let sent = buffer[..length].get(12..20).and_then(|sent| sent.try_into().ok()).map(u64::from_be_bytes);
                let now = began.elapsed().as_nanos() as u64;
                delays.push((now.saturating_sub(sent.unwrap_or(now)) / 1000) as u32);
            }
        }
    }
    delays
}

/// CPU time of the newest thread of this name.
fn cpu(name: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").filter_map(Result::ok).map(|task| task.path());
    let called = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
    let number = |task: &PathBuf| task.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
    // One that has just been started may not have its name yet, and has not done anything either.
    let Some(newest) = tasks.filter(called).max_by_key(number) else { return Duration::ZERO };
    time_of(&newest).expect("schedstat")
}

/// CPU time of one thread, which is named by its folder in /proc.
fn time_of(task: &Path) -> Option<Duration> {
    let schedstat = std::fs::read_to_string(task.join("schedstat")).ok()?;
    schedstat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
