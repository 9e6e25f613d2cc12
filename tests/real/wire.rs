//! What went over the wire and when: a capture that a story can wait for and ask.

use super::namespace::Subnet;
use super::tone;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A running capture of one subnet.
pub struct Wire {
    tcpdump: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

/// All packets so far, in the order of their times.
#[derive(Default)]
pub struct Seen {
    /// SIP over UDP.
    pub sip: Vec<Sip>,
    /// RTP.
    pub rtp: Vec<Rtp>,
}

/// One SIP message.
#[derive(Clone, Debug)]
pub struct Sip {
    /// When the kernel saw it, since 1970.
    pub at: Duration,
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub text: String,
}

/// One RTP packet.
pub struct Rtp {
    /// When the kernel saw it, since 1970.
    pub at: Duration,
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub payload_type: u8,
    pub sequence: u16,
    pub payload: Vec<u8>,
}

/// How the ringing of one device ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It answered.
    Answered,
    /// We sent a CANCEL with this Reason header.
    Cancelled(Option<String>),
    /// It refused with this code.
    Refused(u16),
    /// Neither, as far as was seen.
    Open,
}

/// One device rung for one call: exactly one INVITE, however often it was repeated.
#[derive(Clone, Debug)]
pub struct Ring {
    /// The device's address.
    pub device: SocketAddrV4,
    /// When its INVITE left, since 1970.
    pub from: Duration,
    /// When the answer or the refusal came, or the CANCEL left.
    pub until: Duration,
    pub ending: Ending,
}

impl Wire {
    /// Begins to capture; returns when the capture is on.
    pub fn tap(subnet: &Subnet) -> Wire {
        let filter = format!("udp and net {}", subnet.cidr());
        let mut tcpdump = Command::new("tcpdump")
            .args(["-i", "lo", "-w", "-", "-U", "--immediate-mode", "-s", "0", "-B", "8192", "-Z", "root", &filter])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump starts");
        let mut errors = BufReader::new(tcpdump.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("listening on") {
            let read = errors.read_line(&mut said).expect("tcpdump speaks UTF-8");
            assert!(read > 0, "tcpdump ended: {said}");
        }
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let packets = tcpdump.stdout.take().unwrap();
        let theirs = seen.clone();
        std::thread::spawn(move || read_capture(BufReader::new(packets), &theirs));
        Wire { tcpdump, seen }
    }

    /// Waits until this finds something in what was seen.
    pub fn wait<T>(&self, within: Duration, mut find: impl FnMut(&Seen) -> Option<T>) -> Option<T> {
        let end = Instant::now() + within;
        let mut seen = self.seen.0.lock().unwrap();
        loop {
            if let Some(found) = find(&seen) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Looks at what was seen so far.
    pub fn look<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        // A story may fail while it looks; its ladder is wanted all the more.
        read(&self.seen.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All SIP as a ladder, times in milliseconds since the first message.
    pub fn ladder(&self) -> String {
        self.look(|seen| {
            let start = seen.sip.first().map_or(Duration::ZERO, |m| m.at);
            let line = |m: &Sip| {
                let ms = (m.at - start).as_secs_f64() * 1000.0;
                format!(
                    "{ms:>10.1}  {:>15} -> {:<15} {}  [{}]",
                    m.from.ip(),
                    m.to.ip(),
                    m.first_line(),
                    m.header("CSeq").unwrap_or("")
                )
            };
            seen.sip.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }
}

/// Every SIP message in full and all streams of RTP, for the one who must find out.
impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut streams: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
        for packet in &self.rtp {
            streams.entry((packet.from, packet.to)).or_default().push(packet.at);
        }
        for ((from, to), times) in streams {
            writeln!(f, "RTP {from} -> {to}: {} packets, {:?} to {:?}", times.len(), times[0], times[times.len() - 1])?;
        }
        self.sip.iter().try_for_each(|m| writeln!(f, "--- {:?} {} -> {}\n{}", m.at, m.from, m.to, m.text))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

impl Seen {
    /// Whom `router` rang, in the order of the INVITEs: from when to when, and how it ended.
    pub fn rings(&self, router: Ipv4Addr, device: impl Fn(&SocketAddrV4) -> bool) -> Vec<Ring> {
        let mut rings: Vec<Ring> = Vec::new();
        let mut known: BTreeMap<(String, u32), usize> = BTreeMap::new();
        for message in &self.sip {
            let (Some(call_id), Some((number, method))) = (message.header("Call-ID"), message.cseq()) else { continue };
            let key = (call_id.to_string(), number);
            let ours = *message.from.ip() == router;
            if message.method() == Some("INVITE") && ours && device(&message.to) && !message.in_dialog() {
                known.entry(key).or_insert_with(|| {
                    rings.push(Ring { device: message.to, from: message.at, until: message.at, ending: Ending::Open });
                    rings.len() - 1
                });
                continue;
            }
            let Some(ring) = known.get(&key).map(|i| &mut rings[*i]) else { continue };
            if ring.ending != Ending::Open {
                continue;
            }
            let ending = match (message.method(), message.status()) {
                (Some("CANCEL"), _) if ours => Ending::Cancelled(message.header("Reason").map(str::to_string)),
                (None, Some(200..=299)) if method == "INVITE" && !ours => Ending::Answered,
                (None, Some(code @ 300..)) if method == "INVITE" && !ours => Ending::Refused(code),
                _ => continue,
            };
            (ring.until, ring.ending) = (message.at, ending);
        }
        rings
    }

    /// The packets that carry this tone, since this moment.
    pub fn tone(&self, hertz: f64, since: Duration) -> impl Iterator<Item = &Rtp> {
        self.rtp.iter().filter(move |packet| packet.at >= since && packet.is_tone(hertz))
    }
}

impl Sip {
    /// The request or status line.
    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or("")
    }

    /// A request's method.
    pub fn method(&self) -> Option<&str> {
        self.first_line().split(' ').next().filter(|word| !word.starts_with("SIP/"))
    }

    /// A response's code.
    pub fn status(&self) -> Option<u16> {
        self.first_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Whether it is a response with this code to a request of this method.
    pub fn answers(&self, code: u16, method: &str) -> bool {
        self.status() == Some(code) && self.cseq().is_some_and(|(_, of)| of == method)
    }

    /// A header's first value; compact names are not looked for.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// What follows the headers.
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// Whether To has a tag.
    pub fn in_dialog(&self) -> bool {
        self.header("To").is_some_and(|to| to.contains(";tag="))
    }
}

impl Rtp {
    /// Somebody speaks in it, or something sounds.
    pub fn is_loud(&self) -> bool {
        self.samples().iter().any(|sample| sample.unsigned_abs() > 1000)
    }

    /// It is (mostly) this tone.
    pub fn is_tone(&self, hertz: f64) -> bool {
        tone::is_tone(&self.samples(), hertz)
    }

    fn samples(&self) -> Vec<i16> {
        match self.payload_type {
            0 => self.payload.iter().map(|b| tone::from_ulaw(*b)).collect(),
            8 => self.payload.iter().map(|b| tone::from_alaw(*b)).collect(),
            _ => Vec::new(),
        }
    }
}

/// Reads the classic capture format until its end.
fn read_capture(mut file: impl Read, seen: &(Mutex<Seen>, Condvar)) {
    let mut head = [0; 24];
    if file.read_exact(&mut head).is_err() {
        return;
    }
    let mut record = [0; 16];
    while file.read_exact(&mut record).is_ok() {
        let word = |i: usize| u32::from_le_bytes([record[i], record[i + 1], record[i + 2], record[i + 3]]);
        let mut frame = vec![0; word(8) as usize];
        if file.read_exact(&mut frame).is_err() {
            return;
        }
        let at = Duration::new(u64::from(word(0)), word(4) * 1000);
        take_frame(at, &frame, &mut seen.0.lock().unwrap_or_else(PoisonError::into_inner));
        seen.1.notify_all();
    }
}

/// Ethernet, IPv4, UDP; everything else is of no interest.
fn take_frame(at: Duration, frame: &[u8], seen: &mut Seen) {
    if frame.len() < 42 || frame[12..14] != [8, 0] || frame[23] != 17 {
        return;
    }
    let ip = &frame[14..];
    let Some(udp) = ip.get(usize::from(ip[0] & 15) * 4..).filter(|udp| udp.len() > 8) else { return };
    let address = |i: usize, p: usize| {
        SocketAddrV4::new(
            Ipv4Addr::new(ip[i], ip[i + 1], ip[i + 2], ip[i + 3]),
            u16::from_be_bytes([udp[p], udp[p + 1]]),
        )
    };
    let (from, to) = (address(12, 0), address(16, 2));
    let length = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    let body = &udp[8..length.clamp(8, udp.len())];
    let first = body.split(|b| *b == b'\r').next().unwrap_or_default();
    if first.starts_with(b"SIP/2.0 ") || first.ends_with(b" SIP/2.0") {
        seen.sip.push(Sip { at, from, to, text: String::from_utf8_lossy(body).into_owned() });
    } else if body.len() > 12 && body[0] >> 6 == 2 && !(200..=207).contains(&body[1]) {
        let start = (12 + usize::from(body[0] & 15) * 4).min(body.len());
        seen.rtp.push(Rtp {
            at,
            from,
            to,
            payload_type: body[1] & 0x7f,
            sequence: u16::from_be_bytes([body[2], body[3]]),
            payload: body[start..].to_vec(),
        });
    }
}
