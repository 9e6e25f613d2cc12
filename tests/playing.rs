//! What a peer hears from us ourselves, with real sockets on loopback: prompts, tones and keys, as RTP.

#![allow(clippy::disallowed_methods)] // How soon and how evenly something is heard, only the machine's time tells.

use std::f64::consts::TAU;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use huntline::anchor::{EndpointKey, MediaEvent, MediaOrder, Peer, PlayKey};
use huntline::config::Language;
use huntline::media::codec::{Decoder, frame_ticks, rate};
use huntline::media::library::Library;
use huntline::media::relay::Relay;
use huntline::media::rtp::Rtp;
use huntline::sound::{Codec, Events, Format, Formats, Sound, Tone};

const CALLER: EndpointKey = EndpointKey { leg: 1, line: 0 };
const CALLEE: EndpointKey = EndpointKey { leg: 2, line: 0 };
const PATIENCE: Duration = Duration::from_secs(10);
const ALL: [Codec; 4] = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus];

/// A relay with a folder of prompts, and two phones.
struct Stage {
    relay: Relay,
    events: Receiver<MediaEvent>,
    ip: IpAddr,
    folder: PathBuf,
    caller: UdpSocket,
    callee: UdpSocket,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// One packet and when it came.
struct Heard {
    bytes: Vec<u8>,
    at: Instant,
}

impl Heard {
    fn rtp(&self) -> Rtp<'_> {
        Rtp::read(&self.bytes).expect("RTP")
    }
}

impl Stage {
    fn new(test: u8) -> Stage {
        let pid = std::process::id();
        let folder = std::env::temp_dir().join(format!("huntline-playing-{pid}-{test}"));
        std::fs::create_dir_all(folder.join("prompts")).unwrap();
        let library = Library::open(&folder, Language::En, shipped).unwrap();
        let (tell, events) = channel();
        let relay = Relay::start(library, move |event| drop(tell.send(event))).unwrap();
        let [.., high, low] = pid.to_be_bytes();
        let ip: IpAddr = Ipv4Addr::new(127, 64 | high & 63, low, test).into();
        let phone = |port: u16| {
            let socket = UdpSocket::bind((ip, port)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        };
        let stage = Stage { relay, events, ip, folder, caller: phone(4000), callee: phone(4100) };
        for (endpoint, phone) in [(CALLER, &stage.caller), (CALLEE, &stage.callee)] {
            let rtp = phone.local_addr().ok();
            stage.relay.order(MediaOrder::Open { endpoint, local: stage.local(endpoint) });
            stage.relay.order(MediaOrder::Expect { endpoint, peer: Peer { rtp, ..Peer::default() } });
        }
        stage
    }

    fn local(&self, endpoint: EndpointKey) -> SocketAddr {
        SocketAddr::new(self.ip, 20_000 + 2 * endpoint.leg as u16)
    }

    /// The caller hears us in this codec under a payload type of its own.
    fn agree(&self, codec: Codec) {
        let formats = Formats { send: Some(Format { payload: 100 + codec as u8, codec }), ..Formats::default() };
        self.relay.order(MediaOrder::Agree { endpoint: CALLER, formats });
    }

    fn play(&self, play: u64, sounds: &[Sound], repeat: bool) {
        self.relay.order(MediaOrder::Play { endpoint: CALLER, play: PlayKey(play), sounds: sounds.into(), repeat });
    }

    fn hears(&self) -> Heard {
        heard(&self.caller).expect("the caller hears something")
    }

    fn event(&self) -> MediaEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The callee says something of its own, and the caller's next packet is it.
    fn partner_is_heard(&self) {
        let said = [&[0x80, 96, 0, 1, 0, 0, 0, 0, 7, 7, 7, 7][..], b"hello"].concat();
        for _ in 0..100 {
            self.callee.send_to(&said, self.local(CALLEE)).unwrap();
            if self.hears().bytes == said {
                return;
            }
        }
        panic!("the partner is not heard");
    }
}

/// What a busy machine makes untrue once, it does not make untrue twenty times; a relay that is slow by itself does.
fn once_in_twenty(what: &str, so: impl FnMut() -> bool) {
    assert!(std::iter::repeat_with(so).take(20).any(|so| so), "not once in twenty times: {what}");
}

fn heard(socket: &UdpSocket) -> Option<Heard> {
    let mut buffer = [0; 2048];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    Some(Heard { bytes: buffer[..length].to_vec(), at: Instant::now() })
}

/// Two notes, one after the other, as 16-bit WAV.
fn wav(rate: u32, channels: u16, notes: [f64; 2], ms: u32) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for value in notes_at(rate, notes, ms) {
        for _ in 0..channels {
            writer.write_sample(value).unwrap();
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}

fn notes_at(rate: u32, [first, second]: [f64; 2], ms: u32) -> Vec<i16> {
    let samples = rate * ms / 1000;
    let at = |sample: u32| {
        let hertz = if sample < samples / 2 { first } else { second };
        (9_000.0 * (TAU * hertz * f64::from(sample) / f64::from(rate)).sin()) as i16
    };
    (0..samples).map(at).collect()
}

const SHIPPED: [f64; 2] = [500.0, 1_300.0];

fn shipped(_: Language, name: &str) -> Option<&'static [u8]> {
    (name == "closed").then(|| &*wav(16_000, 1, SHIPPED, 400).leak())
}

/// How alike two sounds are, from 0 to 1, at the best delay of up to 20 ms.
fn likeness(heard: &[i16], expected: &[i16], rate: u32) -> f64 {
    let at = |delay: usize| {
        let pairs = heard.iter().skip(delay).zip(expected).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let (mut both, mut one, mut other) = (0.0, 1.0, 1.0);
        for (a, b) in pairs {
            (both, one, other) = (both + a * b, one + a * a, other + b * b);
        }
        both / f64::sqrt(one * other)
    };
    (0..rate as usize / 50).map(at).fold(0.0, f64::max)
}

fn decoded(codec: Codec, packets: &[Heard]) -> Vec<i16> {
    let (mut decoder, mut sound) = (Decoder::new(codec), Vec::new());
    for packet in packets {
        decoder.decode(packet.rtp().payload, &mut sound).unwrap();
    }
    sound
}

#[test]
fn a_prompt_is_heard_in_each_codec_as_one_good_stream() {
    let stage = Stage::new(1);
    std::fs::write(stage.folder.join("prompts/hello.wav"), wav(44_100, 2, [700.0, 2_000.0], 600)).unwrap();
    let (mut streams, mut gaps) = (Vec::new(), 0);
    for (round, codec) in ALL.into_iter().enumerate() {
        stage.agree(codec);
        for (play, sound, notes, packets) in [
            (2 * round, Sound::prompt("closed"), SHIPPED, 20),
            (2 * round + 1, Sound::Prompt("hello.wav".into(), "closed"), [700.0, 2_000.0], 30),
        ] {
            stage.play(play as u64, &[sound], false);
            let heard: Vec<Heard> = (0..packets).map(|_| stage.hears()).collect();
            assert_eq!(stage.event(), MediaEvent::Played { endpoint: CALLER, play: PlayKey(play as u64) });
            let expected = notes_at(rate(codec), notes, 20 * packets);
            let likeness = likeness(&decoded(codec, &heard), &expected, rate(codec));
            assert!(likeness > 0.9, "{codec:?}, play {play}: only {likeness:.3} like it");
            for (one, next) in heard.iter().zip(&heard[1..]) {
                let (one, next) = (one.rtp(), next.rtp());
                assert_eq!(next.sequence, one.sequence.wrapping_add(1));
                // A relay that got no time on a busy machine goes on later, and says so.
                let passed = next.timestamp.wrapping_sub(one.timestamp);
                assert!(passed >= frame_ticks(codec) && passed % frame_ticks(codec) == 0, "{passed}");
                gaps += usize::from(passed != frame_ticks(codec));
                assert_eq!(next.marker, passed != frame_ticks(codec));
            }
            let first = heard[0].rtp();
            assert!(first.marker, "a talkspurt begins");
            assert_eq!(first.kind, 100 + codec as u8);
            streams.push((first.ssrc, first.sequence, packets as u16));
        }
    }
    // Two hundred packets.
    assert!(gaps < 100, "{gaps} gaps");
    for pair in streams.windows(2) {
        let [(ssrc, sequence, packets), (next_ssrc, next, _)] = [pair[0], pair[1]];
        assert_eq!((next_ssrc, next), (ssrc, sequence.wrapping_add(packets)), "one stream for all sounds");
    }
}

#[test]
fn packets_leave_evenly_and_the_first_one_soon() {
    let stage = Stage::new(2);
    stage.agree(Codec::Pcma);
    let mut orders = 0;
    let mut first = None;
    once_in_twenty("the first packet comes within 100 ms", || {
        orders += 1;
        let ordered = Instant::now();
        stage.play(orders, &[Sound::Tone(Tone::Ringback)], true);
        // What an older order had sent already is heard before.
        let beginning = std::iter::from_fn(|| Some(stage.hears())).find(|packet| packet.rtp().marker);
        let delay = beginning.as_ref().unwrap().at - ordered;
        first = beginning;
        delay < Duration::from_millis(100)
    });
    let heard: Vec<Heard> = first.into_iter().chain((1..300).map(|_| stage.hears())).collect();
    // Six seconds: the cadence has begun again, and nothing has drifted. A packet may be late on a busy machine, but in each
    // second one of fifty is not.
    let said = |number: usize| heard[number].rtp().timestamp.wrapping_sub(heard[0].rtp().timestamp);
    let behind = |number: usize| (heard[number].at - heard[0].at).as_secs_f64() - f64::from(said(number)) / 8_000.0;
    let least = |numbers: std::ops::Range<usize>| numbers.map(behind).fold(f64::INFINITY, f64::min);
    let drift = least(250..300) - least(0..50);
    assert!(drift.abs() < 0.06, "it drifts by {drift} s");
    let loud =
        |packet: &Heard| decoded(Codec::Pcma, std::slice::from_ref(packet)).iter().any(|sample| sample.abs() > 1_000);
    let loud: Vec<usize> = (0..300).filter(|number| loud(&heard[*number])).collect();
    assert_eq!(loud, (0..50).chain(250..300).collect::<Vec<_>>());
}

#[test]
fn whoever_is_played_to_does_not_hear_the_partner_until_it_is_over() {
    let stage = Stage::new(3);
    stage.agree(Codec::Pcmu);
    stage.relay.order(MediaOrder::Bridge { a: CALLER, b: CALLEE });
    stage.partner_is_heard();
    stage.play(1, &[Sound::prompt("closed")], true);
    assert_eq!(stage.hears().rtp().kind, 101);
    let voice = [&[0x80, 96, 0, 2, 0, 0, 0, 0, 7, 7, 7, 7][..], b"unheard"].concat();
    let report = [0x80, 201, 0, 1, 7, 7, 7, 7];
    stage.callee.send_to(&voice, stage.local(CALLEE)).unwrap();
    stage.callee.send_to(&report, stage.local(CALLEE)).unwrap();
    // RTCP on the shared port passes, so what was said before it did not.
    loop {
        let heard = stage.hears().bytes;
        assert_ne!(heard, voice);
        if heard == report {
            break;
        }
    }
    // The caller is still heard by its partner.
    stage.caller.send_to(&voice, stage.local(CALLER)).unwrap();
    assert_eq!(heard(&stage.callee).unwrap().bytes, voice);
    stage.relay.order(MediaOrder::Hush { endpoint: CALLER });
    stage.partner_is_heard();
}

#[test]
fn a_bridge_cuts_what_is_played_within_a_packet() {
    let stage = Stage::new(4);
    stage.agree(Codec::Pcma);
    let mut plays = 0;
    once_in_twenty("it is cut within a packet", || {
        plays += 1;
        stage.play(plays, &[Sound::Tone(Tone::Ringback)], true);
        for _ in 0..10 {
            stage.hears();
        }
        let ordered = Instant::now();
        stage.relay.order(MediaOrder::Bridge { a: CALLER, b: CALLEE });
        stage.caller.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let late: Vec<Heard> = std::iter::from_fn(|| heard(&stage.caller)).take(100).collect();
        stage.caller.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(late.len() < 100, "it plays on");
        stage.partner_is_heard();
        late.len() <= 1 && late.iter().all(|packet| packet.at - ordered < Duration::from_millis(20))
    });
}

#[test]
fn the_newer_order_counts_and_the_older_is_not_reported() {
    let stage = Stage::new(5);
    stage.agree(Codec::G722);
    let ordered = Instant::now();
    stage.play(1, &[Sound::Silence(3 * PATIENCE)], false);
    stage.play(2, &[Sound::Tone(Tone::Beep), Sound::Silence(Duration::from_millis(60))], false);
    // Events are waited for no longer than a third of what the older one would take.
    assert_eq!(stage.event(), MediaEvent::Played { endpoint: CALLER, play: PlayKey(2) });
    let took = ordered.elapsed();
    assert!(took >= Duration::from_millis(455), "{took:?}");
}

#[test]
fn where_nothing_can_be_heard_its_time_passes_all_the_same() {
    let stage = Stage::new(6);
    let ordered = Instant::now();
    stage.play(1, &[Sound::prompt("closed")], false);
    assert_eq!(stage.event(), MediaEvent::Played { endpoint: CALLER, play: PlayKey(1) });
    assert!(ordered.elapsed() >= Duration::from_millis(395));
    // A missing recording is no sound at all.
    stage.play(2, &[Sound::File("recordings/gone.wav".into())], false);
    assert_eq!(stage.event(), MediaEvent::Played { endpoint: CALLER, play: PlayKey(2) });
    stage.caller.set_nonblocking(true).unwrap();
    assert!(heard(&stage.caller).is_none());
}

#[test]
fn a_new_codec_goes_on_where_the_old_one_was() {
    let stage = Stage::new(7);
    stage.agree(Codec::Pcma);
    std::fs::write(stage.folder.join("prompts/hello.wav"), wav(8_000, 1, [700.0, 1_900.0], 600)).unwrap();
    stage.play(1, &[Sound::prompt("hello")], false);
    let mut packets: Vec<Heard> = (0..15).map(|_| stage.hears()).collect();
    stage.agree(Codec::Pcmu);
    packets.extend((0..15).map(|_| stage.hears()));
    assert_eq!(stage.event(), MediaEvent::Played { endpoint: CALLER, play: PlayKey(1) });
    let mut sound = Vec::new();
    for packet in &packets {
        let codec = if packet.rtp().kind == 100 { Codec::Pcma } else { Codec::Pcmu };
        Decoder::new(codec).decode(packet.rtp().payload, &mut sound).unwrap();
    }
    assert!(packets[29].rtp().kind == 101 && packets[0].rtp().kind == 100);
    let likeness = likeness(&sound, &notes_at(8_000, [700.0, 1_900.0], 600), 8_000);
    assert!(likeness > 0.95, "only {likeness:.3} like it");
}

#[test]
fn a_key_is_pressed_as_rfc_4733_says() {
    let stage = Stage::new(8);
    let press = |digit| MediaOrder::Dial { endpoint: CALLER, digit, length: Duration::from_millis(100) };
    // Not agreed yet: nothing is sent.
    stage.relay.order(press('9'));
    let formats = Formats { send_events: Some(Events { payload: 110, clock: 48_000 }), ..Formats::default() };
    stage.relay.order(MediaOrder::Agree { endpoint: CALLER, formats });
    stage.relay.order(press('#'));
    let packets: Vec<Heard> = (0..7).map(|_| stage.hears()).collect();
    let lasted = |packet: &Heard| u16::from_be_bytes(packet.rtp().payload[2..].try_into().unwrap());
    let told: Vec<_> = packets.iter().map(|packet| (packet.rtp().marker, packet.rtp().payload[..2].to_vec())).collect();
    let expected = [(true, 0x0a, 960u16), (false, 0x0a, 1920), (false, 0x0a, 2880), (false, 0x0a, 3840)];
    let expected = expected.into_iter().chain([(false, 0x8a, 4800); 3]);
    for ((packet, told), (marker, volume, least)) in packets.iter().zip(told).zip(expected) {
        assert_eq!(told, (marker, vec![11, volume]));
        // It lasts as long as it has lasted when the packet leaves, on a busy machine a little later.
        assert!((least..=4800).contains(&lasted(packet)), "{} instead of {least}", lasted(packet));
    }
    let first = packets[0].rtp();
    assert!(packets.iter().all(|packet| packet.rtp().timestamp == first.timestamp && packet.rtp().kind == 110));
    assert_eq!(packets[6].rtp().sequence, first.sequence.wrapping_add(6));
}

#[test]
fn an_endpoint_bridged_with_itself_is_an_echo() {
    let stage = Stage::new(9);
    stage.relay.order(MediaOrder::Bridge { a: CALLER, b: CALLER });
    let said = [&[0x80, 96, 0, 1, 0, 0, 0, 0, 7, 7, 7, 7][..], b"echo"].concat();
    for _ in 0..2 {
        stage.caller.send_to(&said, stage.local(CALLER)).unwrap();
        assert_eq!(stage.hears().bytes, said);
    }
    stage.relay.order(MediaOrder::Unbridge { endpoint: CALLER });
    stage.relay.order(MediaOrder::Close { endpoint: CALLER });
    assert_eq!(stage.event(), MediaEvent::FirstPacket { endpoint: CALLER });
    let MediaEvent::Closed { counters, .. } = stage.event() else { panic!("closed") };
    assert_eq!((counters.packets, counters.forwarded), (2, 2));
}
