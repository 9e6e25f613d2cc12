//! Recordings with real sockets, real files and a real clock: what two phones say is in the file, whatever becomes of the
//! disk or the process.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use huntline::anchor::{EndpointKey, MediaEvent, MediaOrder, Peer, TakeKey, Taken, Until};
use huntline::config::Language;
use huntline::media::codec::{Decoder, Encoder, frame_samples, frame_ticks, rate};
use huntline::media::library::Library;
use huntline::media::record::mend;
use huntline::media::record::shape::{HEADER, Shape};
use huntline::media::relay::Relay;
use huntline::sound::{Codec, Events, Format, Formats};

const CALLER: EndpointKey = EndpointKey { leg: 1, line: 0 };
const COMPANY: EndpointKey = EndpointKey { leg: 2, line: 0 };
const TAKE: TakeKey = TakeKey(1);
const PATIENCE: Duration = Duration::from_secs(20);
const PACKET: Duration = Duration::from_millis(20);

/// Where a test finds itself when its program was started again by itself.
const INSIDE: &str = "HUNTLINE_RECORDING_TEST";

/// A relay and a caller who talks with the company.
struct Stage {
    relay: Relay,
    events: Receiver<MediaEvent>,
    caller: Phone,
    company: Phone,
}

impl Stage {
    fn new(test: u8, directory: &Path, codec: Codec) -> Stage {
        let (tell, events) = channel();
        let library = Library::open(directory, Language::En, |_, _| None).unwrap();
        let relay = Relay::start(library, move |event| drop(tell.send(event))).unwrap();
        let pid = std::process::id().to_be_bytes();
        let ip = Ipv4Addr::new(127, 128 | pid[2], pid[3], 200 + test);
        let phone = |endpoint: EndpointKey| {
            let phone = Phone::new(SocketAddr::from((ip, 20_000 + 2 * endpoint.leg as u16)), codec);
            relay.order(MediaOrder::Open { endpoint, local: phone.relay });
            let rtp = phone.socket.local_addr().ok();
            relay.order(MediaOrder::Expect { endpoint, peer: Peer { rtp, ..Peer::default() } });
            relay.order(MediaOrder::Agree { endpoint, formats: formats(codec) });
            phone
        };
        let (caller, company) = (phone(CALLER), phone(COMPANY));
        relay.order(MediaOrder::Bridge { a: CALLER, b: COMPANY });
        Stage { relay, events, caller, company }
    }

    fn record(&self, right: Option<EndpointKey>, until: Until) {
        let file = "recordings/a.wav".into();
        self.relay.order(MediaOrder::Record { take: TAKE, left: CALLER, right, file, until });
    }

    fn end(&self) -> Taken {
        self.relay.order(MediaOrder::EndRecord { take: TAKE });
        self.recorded()
    }

    fn event(&self) -> MediaEvent {
        loop {
            match self.events.recv_timeout(PATIENCE).unwrap() {
                MediaEvent::FirstPacket { .. } => {}
                event => return event,
            }
        }
    }

    fn recorded(&self) -> Taken {
        match self.event() {
            MediaEvent::Recorded { take: TAKE, taken } => taken,
            other => panic!("{other:?} instead of Recorded"),
        }
    }
}

fn formats(codec: Codec) -> Formats {
    let format = Format { payload: 98, codec };
    let events = Some(Events { payload: 101, clock: codec.clock() });
    Formats { send: Some(format), receive: [format].into_iter().collect(), send_events: events, receive_events: events }
}

/// Says tones to the relay, and hears what comes from there.
struct Phone {
    socket: UdpSocket,
    relay: SocketAddr,
    codec: Codec,
    encoder: Encoder,
    sequence: u16,
    samples: usize,
}

impl Phone {
    fn new(relay: SocketAddr, codec: Codec) -> Phone {
        let socket = UdpSocket::bind((relay.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Phone { socket, relay, codec, encoder: Encoder::new(codec), sequence: 0, samples: 0 }
    }

    /// 20 ms of a tone; 0 Hz is silence.
    fn say(&mut self, hertz: f32) {
        let step = hertz * 2.0 * std::f32::consts::PI / rate(self.codec) as f32;
        let samples = self.samples..self.samples + frame_samples(self.codec);
        let sound: Vec<i16> = samples.map(|at| ((at as f32 * step).sin() * 8_000.0) as i16).collect();
        let timestamp = u32::from(self.sequence) * frame_ticks(self.codec);
        let mut packet = [&[0x80, 98][..], &self.sequence.to_be_bytes(), &timestamp.to_be_bytes()].concat();
        packet.extend(self.relay.port().to_be_bytes().repeat(2));
        self.encoder.encode(&sound, &mut packet);
        self.socket.send_to(&packet, self.relay).unwrap();
        self.samples += sound.len();
        self.sequence += 1;
    }

    /// How many packets have come so far; waits until so many have.
    fn heard(&self, expected: usize) -> usize {
        let mut buffer = [0; 2048];
        self.socket.set_nonblocking(false).unwrap();
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let awaited = (0..expected).map_while(|_| self.socket.recv(&mut buffer).ok()).count();
        self.socket.set_nonblocking(true).unwrap();
        awaited + std::iter::from_fn(|| self.socket.recv(&mut buffer).ok()).count()
    }
}

/// Calls `each` every 20 ms for so many packets, as a phone's own clock does.
fn talk(packets: u32, mut each: impl FnMut(u32)) {
    let begins = now();
    for number in 0..packets {
        each(number);
        std::thread::sleep((PACKET * (number + 1)).saturating_sub(begins.elapsed()));
    }
}

#[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("huntline-recording-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A file that can be played: what its header says, and its samples.
fn played(directory: &Path) -> (Shape, Vec<i16>) {
    let bytes = std::fs::read(directory.join("recordings/a.wav")).unwrap();
    let (header, samples) = bytes.split_at(HEADER);
    let (shape, said) = Shape::read(header.try_into().unwrap()).unwrap();
    assert!(said <= samples.len() as u64, "the header says {said} bytes, and there are {}", samples.len());
    (shape, samples[..said as usize].chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect())
}

/// One stretch of sound in one channel.
#[derive(Debug)]
struct Sound {
    /// In ms from the beginning.
    from: u32,
    /// How long it sounds, in ms.
    long: u32,
    hertz: f32,
    loudest: u16,
}

/// What sounds in one channel. Gaps shorter than 60 ms are none.
fn sounds(samples: &[i16], shape: Shape, channel: usize) -> Vec<Sound> {
    let samples: Vec<i16> = samples.iter().skip(channel).step_by(usize::from(shape.channels)).copied().collect();
    let frame = shape.rate as usize / 100;
    let mut stretches: Vec<[usize; 2]> = Vec::new();
    for (number, part) in samples.chunks(frame).enumerate() {
        if part.iter().any(|sample| sample.unsigned_abs() > 1_000) {
            match stretches.last_mut().filter(|[_, to]| number - *to < 6) {
                Some([_, to]) => *to = number + 1,
                None => stretches.push([number, number + 1]),
            }
        }
    }
    let sound = |[from, to]: [usize; 2]| {
        // Its edges are cut off: they may begin in the middle of a frame.
        let inner = &samples[(from + 1) * frame..(to - 1) * frame];
        let crossings = inner.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        Sound {
            from: from as u32 * 10,
            long: (to - from) as u32 * 10,
            hertz: crossings as f32 / 2.0 / (inner.len() as f32 / shape.rate as f32),
            loudest: inner.iter().map(|sample| sample.unsigned_abs()).max().unwrap(),
        }
    };
    stretches.into_iter().filter(|[from, to]| to - from > 2).map(sound).collect()
}

/// Asserts that these sound in a channel and nothing else: how many Hz, how many ms.
fn expect(heard: &[Sound], expected: &[(f32, u32)]) {
    let alike = |(sound, (hertz, long)): (&Sound, &(f32, u32))| {
        (sound.hertz - hertz).abs() < hertz * 0.02
            && sound.long.abs_diff(*long) <= 30
            && (7_000..9_500).contains(&sound.loudest)
    };
    assert!(
        heard.len() == expected.len() && heard.iter().zip(expected).all(alike),
        "{heard:?} instead of {expected:?}"
    );
}

#[test]
fn the_caller_is_on_the_left_the_company_on_the_right_in_every_codec() {
    for (test, codec) in [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus].into_iter().enumerate() {
        let directory = folder(codec.name());
        let mut stage = Stage::new(test as u8, &directory, codec);
        stage.record(Some(COMPANY), Until::default());
        talk(75, |number| {
            // The caller for 1.2 s, the company in the last 0.5 s.
            stage.caller.say(if number < 60 { 500.0 } else { 0.0 });
            stage.company.say(if number < 50 { 0.0 } else { 1_000.0 });
        });
        // Everything is relayed, and nothing twice.
        assert_eq!((stage.caller.heard(75), stage.company.heard(75)), (75, 75));
        let taken = stage.end_after_spoke();
        let (shape, samples) = played(&directory);
        assert_eq!((shape.rate, shape.channels), (rate(codec), 2), "{codec:?}");
        let (left, right) = (sounds(&samples, shape, 0), sounds(&samples, shape, 1));
        expect(&left, &[(500.0, 1_200)]);
        expect(&right, &[(1_000.0, 500)]);
        // Both began to send at the same time.
        assert!((right[0].from - left[0].from).abs_diff(1_000) <= 100, "{codec:?}: {left:?} {right:?}");
        assert!(taken.length >= Duration::from_millis(1_400), "{codec:?}: {taken:?}");
        assert_eq!(shape.length(samples.len() as u64 * 2), taken.length);
        assert!((1_300..=1_560).contains(&taken.speech.as_millis()), "{codec:?}: {:?}", taken.speech);
        assert_eq!((taken.lost, taken.failed), (Duration::ZERO, None));
        std::fs::remove_dir_all(directory).unwrap();
    }
}

impl Stage {
    fn end_after_spoke(&self) -> Taken {
        assert_eq!(self.event(), MediaEvent::Spoke { take: TAKE });
        self.end()
    }
}

#[test]
fn a_message_ends_by_itself_and_its_keys_are_not_in_it() {
    let directory = folder("message");
    let mut stage = Stage::new(5, &directory, Codec::Pcma);
    stage.relay.order(MediaOrder::Unbridge { endpoint: CALLER });
    stage.record(None, Until { longest: Some(Duration::from_millis(700)), silence: None });
    talk(70, |number| {
        stage.caller.say(400.0);
        if number == 10 {
            let press = [&[0x80, 101][..], &[0, 1, 0, 0, 0, 9, 0, 0, 0, 1], &[11, 10, 0, 160]].concat();
            stage.caller.socket.send_to(&press, stage.caller.relay).unwrap();
        }
    });
    assert_eq!(stage.event(), MediaEvent::Digit { endpoint: CALLER, digit: '#' });
    let taken = stage.recorded();
    assert_eq!(taken.length, Duration::from_millis(700));
    // It is over: an order to end it, or to go on, finds nothing.
    stage.relay.order(MediaOrder::EndRecord { take: TAKE });
    stage.record(None, Until::default());
    let (shape, samples) = played(&directory);
    assert_eq!((shape.channels, samples.len()), (1, 5_600));
    let sounds = sounds(&samples, shape, 0);
    assert!(sounds.len() == 1 && (395.0..405.0).contains(&sounds[0].hertz), "{sounds:?}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_recording_goes_on_with_whom_the_call_was_transferred_to() {
    let directory = folder("transfer");
    let mut stage = Stage::new(6, &directory, Codec::Pcma);
    stage.record(Some(COMPANY), Until::default());
    talk(25, |_| stage.company.say(500.0));
    let other = EndpointKey { leg: 3, line: 0 };
    let local = SocketAddr::new(stage.company.relay.ip(), 20_010);
    let mut colleague = Phone::new(local, Codec::Pcma);
    stage.relay.order(MediaOrder::Open { endpoint: other, local });
    let rtp = colleague.socket.local_addr().ok();
    stage.relay.order(MediaOrder::Expect { endpoint: other, peer: Peer { rtp, ..Peer::default() } });
    stage.relay.order(MediaOrder::Agree { endpoint: other, formats: formats(Codec::Pcma) });
    stage.relay.order(MediaOrder::Bridge { a: CALLER, b: other });
    stage.record(Some(other), Until::default());
    talk(10, |_| stage.company.say(500.0));
    talk(50, |_| {
        // Who has handed the call on is not heard any more.
        stage.company.say(500.0);
        colleague.say(1_000.0);
    });
    let taken = stage.end_after_spoke();
    let (shape, samples) = played(&directory);
    expect(&sounds(&samples, shape, 1), &[(500.0, 500), (1_000.0, 1_000)]);
    assert_eq!(taken.lost, Duration::ZERO);
    std::fs::remove_dir_all(directory).unwrap();
}

/// On a file system of 40 KiB: 2.5 s of sound.
#[test]
fn a_full_disk_costs_sound_and_never_a_packet() {
    let test = "a_full_disk_costs_sound_and_never_a_packet";
    let directory = folder("full");
    let Ok(directory) = std::env::var(INSIDE).map(PathBuf::from) else {
        let program = std::env::current_exe().unwrap();
        let again = format!(
            "mount -t tmpfs -o size=40k tmpfs {0} && {INSIDE}={0} exec {1} --exact {test} --nocapture",
            directory.display(),
            program.display()
        );
        let inside = |flags: &[&str]| Command::new("unshare").args(flags).args(["sh", "-c", &again]).output().unwrap();
        let mut output = inside(&["--mount"]);
        if String::from_utf8_lossy(&output.stderr).contains("unshare failed") {
            output = inside(&["--user", "--map-root-user", "--mount"]);
        }
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
        assert!(String::from_utf8_lossy(&said).contains("1 passed"), "{}", String::from_utf8_lossy(&said));
        return std::fs::remove_dir_all(directory).unwrap();
    };
    let mut stage = Stage::new(7, &directory, Codec::Pcma);
    stage.record(None, Until::default());
    let began = now();
    talk(200, |_| {
        stage.caller.say(500.0);
        stage.company.say(1_000.0);
    });
    let most = began.elapsed().as_millis() + 400;
    assert_eq!((stage.caller.heard(200), stage.company.heard(200)), (200, 200), "the talk does not notice");
    assert_eq!(stage.event(), MediaEvent::Spoke { take: TAKE });
    let why = std::io::ErrorKind::StorageFull;
    assert_eq!(stage.event(), MediaEvent::Losing { take: TAKE, why });
    let taken = stage.end();
    assert_eq!(taken.failed, Some(why));
    let (length, lost) = (taken.length.as_millis(), taken.lost.as_millis());
    assert!((2_100..=2_560).contains(&length), "{length} ms");
    assert!((3_950..=most).contains(&(length + lost)), "{length} ms and {lost} ms lost");
    let (shape, samples) = played(&directory);
    assert_eq!(shape.length(samples.len() as u64 * 2), taken.length);
    let sounds = sounds(&samples, shape, 0);
    assert!(sounds.len() == 1 && (495.0..505.0).contains(&sounds[0].hertz), "{sounds:?}");
    assert_eq!(mend(&directory.join("recordings/a.wav")).unwrap().length, taken.length, "and it is whole");
}

#[test]
fn what_was_said_until_a_second_before_the_process_was_killed_can_be_played() {
    let test = "what_was_said_until_a_second_before_the_process_was_killed_can_be_played";
    if let Ok(directory) = std::env::var(INSIDE) {
        let mut stage = Stage::new(8, Path::new(&directory), Codec::Pcma);
        stage.record(None, Until::default());
        talk(2_000, |number| {
            stage.caller.say(500.0);
            println!("\nsaid {}", (number + 1) * 20);
        });
        panic!("nobody killed it");
    }
    let directory = folder("killed");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, &directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = || lines.find_map(|line| line.strip_prefix("said ").and_then(|millis| millis.parse::<u128>().ok()));
    let millis = std::iter::from_fn(&mut said).find(|millis| *millis >= 2_340).unwrap();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    // Even before it is mended.
    let (shape, samples) = played(&directory);
    let length = samples.len() as u128 / 8;
    assert!(length + 1_000 >= millis, "{length} ms of {millis}");
    let sounds = sounds(&samples, shape, 0);
    assert!(sounds.len() == 1 && (495.0..505.0).contains(&sounds[0].hertz), "{sounds:?}");
    let mended = mend(&directory.join("recordings/a.wav")).unwrap();
    assert!(mended.length.as_millis() >= length && mended.speech.as_millis() + 200 >= length, "{mended:?}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_kept_is_what_the_codec_carried() {
    let directory = folder("exact");
    let mut stage = Stage::new(9, &directory, Codec::Pcma);
    stage.record(None, Until::default());
    talk(60, |_| stage.caller.say(700.0));
    stage.end_after_spoke();
    let (_, samples) = played(&directory);
    // The same tone through the codec alone.
    let (mut encoder, mut decoder, mut sent) = (Encoder::new(Codec::Pcma), Decoder::new(Codec::Pcma), Vec::new());
    let step = 700.0 * 2.0 * std::f32::consts::PI / 8_000.0;
    for packet in 0..60usize {
        let sound: Vec<i16> = (0..160).map(|at| (((packet * 160 + at) as f32 * step).sin() * 8_000.0) as i16).collect();
        let mut payload = Vec::new();
        encoder.encode(&sound, &mut payload);
        decoder.decode(&payload, &mut sent).unwrap();
    }
    assert!(samples.windows(sent.len()).any(|window| window == sent), "sample for sample");
    std::fs::remove_dir_all(directory).unwrap();
}
