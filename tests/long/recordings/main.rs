//! Fifty talks are being written down when the process is killed: fifty files can be played, up to the last second.
//!
//!     cargo bench --bench recordings              # 10 kills
//!     cargo bench --bench recordings -- 100       # more of them
//!
//! Each round starts this program again: a relay with fifty talks, each recorded in stereo, the caller a tone of 500 Hz, the
//! company one of 1,000 Hz. After 1.5 to 4 s it gets SIGKILL. Then every file is read as a player would, before anything is
//! mended: its header must not say more than there is, both tones must be whole from beginning to end, and no file may end
//! more than a second before the kill. Mended, it must be at least as long.

#![allow(clippy::disallowed_methods)] // A program that waits for another asks the machine for the time; the core does not.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use huntline::anchor::{EndpointKey, MediaOrder, Peer, TakeKey, Until};
use huntline::config::Language;
use huntline::media::codec::Encoder;
use huntline::media::library::Library;
use huntline::media::record::mend;
use huntline::media::record::shape::{HEADER, Shape};
use huntline::media::relay::Relay;
use huntline::sound::Codec;

const TALKS: usize = 50;
const PACKET: Duration = Duration::from_millis(20);
/// How much may be missing at the end, in ms.
const MISSING: u64 = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, folder] = &arguments[..]
        && child == "--talk"
    {
        return talk(Path::new(folder));
    }
    // `cargo test --all-targets` starts benches too, and is not meant to wait for them.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let kills = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let mut missing = Vec::new();
    for kill in 0..kills {
        missing.extend(round(kill));
    }
    missing.sort_unstable();
    println!(
        "{kills} kills, {} files, all playable; missing at the end: median {} ms, at most {} ms",
        missing.len(),
        missing[missing.len() / 2],
        missing[missing.len() - 1]
    );
}

/// One kill. How many ms are missing at the end of each file.
fn round(kill: u64) -> Vec<u64> {
    let folder = std::env::temp_dir().join(format!("huntline-recordings-{}-{kill}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    // Any moment between two pieces is as good as another; these are spread over all of them.
    let when = 1_500 + kill * 617 % 2_500;
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--talk".as_ref(), folder.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the same program");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let said = lines.filter_map(|line| line.parse::<u64>().ok()).find(|said| *said >= when).expect("it talks");
    child.kill().expect("it runs");
    child.wait().expect("it is over");
    let missing: Vec<u64> =
        (0..TALKS).map(|talk| said.saturating_sub(check(&folder.join(format!("{talk}.wav"))))).collect();
    std::fs::remove_dir_all(folder).expect("our own folder");
    let worst = missing.iter().max().copied().unwrap_or_default();
    assert!(worst <= MISSING, "{worst} ms are missing after {said} ms");
    missing
}

/// A file as a player sees it. How long it is, in ms.
fn check(file: &PathBuf) -> u64 {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (shape, said) = Shape::read(bytes[..HEADER].try_into().expect("a header")).expect("a recording");
    assert_eq!(shape, Shape { rate: 8_000, channels: 2 });
    assert!(said <= (bytes.len() - HEADER) as u64, "{}: {said} bytes of {}", file.display(), bytes.len() - HEADER);
    let samples: Vec<i16> = bytes[HEADER..][..said as usize]
        .chunks_exact(2)
        .map(|sample| i16::from_le_bytes([sample[0], sample[1]]))
        .collect();
    let length = samples.len() / 16;
    for (channel, hertz) in [500, 1_000].into_iter().enumerate() {
        let side: Vec<i16> = samples.iter().skip(channel).step_by(2).copied().collect();
        // From the first packet on (phones and recordings do not begin in the same millisecond) to the end.
        let begins = side.iter().position(|sample| sample.unsigned_abs() > 1_000).expect("a tone");
        assert!(begins < 8_000, "{}: {} ms of silence", file.display(), begins / 8);
        let whole = side[begins..].chunks_exact(80).all(|part| part.iter().any(|sample| sample.unsigned_abs() > 6_000));
        assert!(whole, "{}: a gap in channel {channel}", file.display());
        let crossings = side[begins..].windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count() as u64;
        let heard = crossings * 4_000 / (side.len() - begins) as u64;
        assert!(heard.abs_diff(hertz) <= 10, "{}: {heard} Hz in channel {channel}", file.display());
    }
    let mended = mend(file).expect("a file that can be mended");
    assert!(mended.length.as_millis() >= length as u128, "{}: {mended:?} of {length} ms", file.display());
    length as u64
}

/// Fifty talks, until somebody ends this process. Says after every packet how many ms have been spoken.
fn talk(folder: &Path) {
    let library = Library::open(folder, Language::En, |_, _| None).expect("a library");
    let relay = Relay::start(library, |_| {}).expect("a relay");
    let pid = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 128 | pid[2], pid[3], 1);
    let key = |phone: usize| EndpointKey { leg: phone as u64, line: 0 };
    let phones: Vec<(UdpSocket, SocketAddr)> = (0..2 * TALKS)
        .map(|phone| {
            let socket = UdpSocket::bind((ip, 0)).expect("a phone's port");
            let local = SocketAddr::from((ip, 20_000 + 2 * phone as u16));
            let rtp = socket.local_addr().ok();
            relay.order(MediaOrder::Open { endpoint: key(phone), local });
            relay.order(MediaOrder::Expect { endpoint: key(phone), peer: Peer { rtp, ..Peer::default() } });
            (socket, local)
        })
        .collect();
    for talk in 0..TALKS {
        let (left, right) = (key(2 * talk), key(2 * talk + 1));
        let (file, until) = (format!("{talk}.wav").into(), Until::default());
        relay.order(MediaOrder::Bridge { a: left, b: right });
        relay.order(MediaOrder::Record { take: TakeKey(talk as u64), left, right: Some(right), file, until });
    }
    let mut encoders = [500.0f32, 1_000.0].map(|hertz| (hertz, Encoder::new(Codec::Pcma)));
    let begins = Instant::now();
    for round in 0u16.. {
        let packets = encoders.each_mut().map(|(hertz, encoder)| {
            let step = *hertz * 2.0 * std::f32::consts::PI / 8_000.0;
            let at = |sample: u32| ((u32::from(round) * 160 + sample) as f32 * step + 0.1).sin() * 8_000.0;
            let sound: Vec<i16> = (0..160).map(|sample| at(sample) as i16).collect();
            let timestamp = u32::from(round) * 160;
            let mut packet = [&[0x80, 8][..], &round.to_be_bytes(), &timestamp.to_be_bytes(), &[0, 0, 0, 7]].concat();
            encoder.encode(&sound, &mut packet);
            packet
        });
        for (number, (socket, relay)) in phones.iter().enumerate() {
            socket.send_to(&packets[number % 2], relay).expect("sent");
        }
        println!("{}", (u64::from(round) + 1) * 20);
        std::thread::sleep((PACKET * (u32::from(round) + 1)).saturating_sub(begins.elapsed()));
    }
}
