//! Every torture message of RFC 4475 and RFC 5118 is sent to the real router, as a datagram and over a stream: it reacts
//! as `torture/index.tsv` says, lives, and answers the next OPTIONS. Then what a hostile stream can do to it.
//!
//! Nothing here waits for silence: an OPTIONS follows each message on the same way, and what came before its answer is
//! the reaction. What the grammar alone makes of these messages is tested in `torture_grammar.rs`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Where our reading differs from the index, and why.
const OURS: &[(&str, &str, &str)] = &[];

/// Their Content-Length promises more than they have.
const SHORT: [&str; 2] = ["rfc4475/clerr.dat", "rfc5118/ipv6-in-sdp-as-printed.dat"];

/// What a busy machine needs for one step at most; nothing waits so long where all is well.
const SOON: Duration = Duration::from_secs(20);

const OFFICE: &str = r#"
[site]
name      = "Torture"
timezone  = "Europe/Berlin"
numbering = { country = "49", area = "30", national_prefix = "0", international_prefix = "00" }
emergency = ["112"]
operator  = "extension:10"

[sip]
listen = ["udp://ADDRESS:5060", "tcp://ADDRESS:5060"]
realm  = "torture.example"

[media]
ports = "20000-20099"

[storage]
directory = "data"

[[extension]]
number   = "10"
name     = "Operator"
password = "secret-10"
"#;

/// A running router on a loopback address of its own; dropping it ends it.
struct Router {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
    net: [u8; 2],
    next: AtomicU8,
}

impl Router {
    fn start() -> Router {
        static ROUTERS: AtomicU8 = AtomicU8::new(0);
        let nth = ROUTERS.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let net = [64 + (id / 251 % 64) as u8, (id % 251) as u8];
        let address = Ipv4Addr::new(127, net[0], net[1], 1 + nth);
        let folder = std::env::temp_dir().join(format!("huntline-torture-{id}-{nth}"));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("office.toml");
        std::fs::write(&config, OFFICE.replace("ADDRESS", &address.to_string())).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
        command.arg("serve").arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command.stderr(log).spawn().unwrap();
        let first = 20 + nth * 70;
        let mut router = Router { child, folder, address: (address, 5060).into(), net, next: AtomicU8::new(first) };
        let probe = UdpSocket::bind((Ipv4Addr::new(127, net[0], net[1], 10 + nth), 5060)).unwrap();
        probe.set_read_timeout(Some(SOON / 200)).unwrap();
        for _ in 0..200 {
            router.assert_lives("start");
            probe.send_to(&options("UDP", "start"), router.address).unwrap();
            if probe.recv(&mut [0; 2000]).is_ok() {
                return router;
            }
        }
        panic!("the router does not answer: {}", router.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn assert_lives(&mut self, after: &str) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{after}: the router ended: {ended:?}\n{}", self.log());
        assert!(!self.log().contains("panicked"), "{after}: {}", self.log());
    }

    /// An address nobody has spoken from before, so that no late answer to somebody else comes here.
    fn stranger(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.net[0], self.net[1], self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn connect(&self) -> Stream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((self.stranger(), 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Stream { stream, heard: Vec::new() }
    }

    /// It answers an OPTIONS on a fresh way.
    fn assert_answers(&mut self, after: &str) {
        self.assert_lives(after);
        let mut stream = self.connect();
        stream.send(&options("TCP", "alive"));
        assert_eq!(stream.answers_until("alive"), ["200"], "{after}");
    }

    /// What comes back by UDP before the OPTIONS that follows is answered.
    fn reaction_to_datagram(&self, message: &[u8]) -> Vec<String> {
        let socket = UdpSocket::bind((self.stranger(), 5060)).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket.send_to(message, self.address).unwrap();
        socket.send_to(&options("UDP", "after"), self.address).unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 65_536];
        loop {
            let (length, _) = socket.recv_from(&mut buffer).expect("the OPTIONS is answered");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            seen.push(code(&text));
            if text.contains("Call-ID: after") {
                assert_eq!(seen.pop().as_deref(), Some("200"));
                return seen;
            }
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Stream {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Stream {
    fn send(&mut self, bytes: &[u8]) {
        // A router that closes while we write has had enough.
        let _ = self.stream.write_all(bytes);
    }

    /// The status codes that come, through the answer to this Call-ID; `close` where the stream ends.
    fn answers_until(&mut self, call_id: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let mut buffer = [0; 65_536];
        loop {
            while let Some(end) = find(&self.heard, b"\r\n\r\n") {
                let rest = self.heard.split_off(end + 4);
                let text = String::from_utf8_lossy(&std::mem::replace(&mut self.heard, rest)).into_owned();
                if text.trim().is_empty() {
                    continue; // a pong
                }
                assert!(text.contains("Content-Length: 0"), "{text}");
                seen.push(code(&text));
                if text.contains(&format!("Call-ID: {call_id}\r\n")) {
                    return seen;
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => seen.push("close".into()),
                Ok(length) => {
                    self.heard.extend_from_slice(&buffer[..length]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => seen.push("close".into()),
                Err(error) => panic!("after {seen:?}: {error}"),
            }
            return seen;
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn code(text: &str) -> String {
    assert!(text.starts_with("SIP/2.0 "), "{text}");
    text[8..11].to_owned()
}

fn options(transport: &str, call_id: &str) -> Vec<u8> {
    request("OPTIONS", transport, call_id, "Content-Length: 0\r\n")
}

fn request(method: &str, transport: &str, call_id: &str, more: &str) -> Vec<u8> {
    format!(
        "{method} sip:torture.example SIP/2.0\r\nVia: SIP/2.0/{transport} h.example;branch=z9hG4bK-{call_id};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:a@h.example>;tag=1\r\nTo: <sip:b@h.example>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\n{more}\r\n"
    )
    .into_bytes()
}

struct Row {
    file: String,
    transport: String,
    allowed: Vec<String>,
    bytes: Vec<u8>,
}

fn index() -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let index = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    let rows = index.lines().skip(1).map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let ours = OURS.iter().find(|(file, ..)| *file == cells[0]).map_or("", |(_, tokens, _)| tokens);
        Row {
            file: cells[0].into(),
            transport: cells[3].into(),
            allowed: format!("{},{},{ours}", cells[4], cells[5]).split(',').map(str::to_owned).collect(),
            bytes: std::fs::read(folder.join(cells[0])).unwrap(),
        }
    });
    rows.collect()
}

/// Whether a reaction is among those that a row allows.
fn is_allowed(seen: &[String], allowed: &[String]) -> bool {
    const UNDERSTOOD: [&str; 9] = ["200", "401", "403", "404", "407", "480", "481", "486", "488"];
    let says = |token: &str| allowed.iter().any(|allowed| allowed == token || allowed == "any");
    match seen {
        [] => says("drop"),
        [close] if close == "close" => says("close") || says("drop"),
        // A stream that is answered and then closed has been answered.
        [code] => says(code) || (says("ok") && UNDERSTOOD.contains(&code.as_str())),
        [code, close] if close == "close" => is_allowed(std::slice::from_ref(code), allowed),
        _ => false,
    }
}

#[test]
fn every_torture_message_as_a_datagram_is_answered_as_it_deserves() {
    let mut router = Router::start();
    let mut wrong = Vec::new();
    for row in index() {
        let seen = router.reaction_to_datagram(&row.bytes);
        if !is_allowed(&seen, &row.allowed) {
            wrong.push(format!("{}: {seen:?}, not {:?}", row.file, row.allowed));
        }
        router.assert_lives(&row.file);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_torture_message_over_a_stream_is_answered_as_it_deserves() {
    let mut router = Router::start();
    let mut wrong = Vec::new();
    for row in index().iter().filter(|row| row.transport != "udp") {
        let mut stream = router.connect();
        stream.send(&row.bytes);
        match SHORT.contains(&row.file.as_str()) {
            // Its body is waited for; it is told that no more comes.
            true => stream.stream.shutdown(Shutdown::Write).unwrap(),
            false => stream.send(&options("TCP", "after")),
        }
        let mut seen = stream.answers_until("after");
        let double = row.file.ends_with("dblreq.dat");
        if seen.last().is_some_and(|last| last == "200") {
            seen.pop();
        }
        if double {
            // What follows its second body is no request.
            assert_eq!(seen, ["401", "401", "close"], "two requests, two answers");
            seen.truncate(1);
        }
        if !is_allowed(&seen, &row.allowed) {
            wrong.push(format!("{}: {seen:?}, not {:?}", row.file, row.allowed));
        }
        router.assert_answers(&row.file);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_stream_is_cut_where_the_lengths_say() {
    let mut router = Router::start();
    let mut stream = router.connect();
    stream.send(&[options("TCP", "one"), options("TCP", "two")].concat());
    assert_eq!((stream.answers_until("one"), stream.answers_until("two")), (vec!["200".into()], vec!["200".into()]));
    // And so in single bytes.
    for byte in options("TCP", "three") {
        stream.send(&[byte]);
    }
    assert_eq!(stream.answers_until("three"), ["200"]);

    let hostile = [
        ("a huge length", "513", "Content-Length: 4294967295\r\n"),
        ("a length beyond any number", "400", "Content-Length: 99999999999999999999999999\r\n"),
        ("two lengths", "400", "Content-Length: 0\r\nContent-Length: 5\r\n"),
        ("two lengths, one of them short", "400", "l: 0\r\nContent-Length: 5\r\n"),
        ("a negative length", "400", "Content-Length: -1\r\n"),
        ("no length", "400", ""),
    ];
    for (what, code, more) in hostile {
        let mut stream = router.connect();
        stream.send(&[request("OPTIONS", "TCP", "hostile", more), options("TCP", "after")].concat());
        let seen = stream.answers_until("after");
        assert!(seen == [code, "close"], "{what}: {seen:?}");
        router.assert_answers(what);
    }
}

#[test]
fn who_writes_slowly_or_endlessly_is_left_and_nobody_else_notices() {
    let mut router = Router::start();
    // A header that never ends: closed by its size.
    let mut endless = router.connect();
    endless.send(b"OPTIONS sip:torture.example SIP/2.0\r\n");
    let line = [b"X: ".as_slice(), &[b'x'; 4000], b"\r\n"].concat();
    for _ in 0..40 {
        endless.send(&line);
    }
    assert_eq!(endless.answers_until("never").last().map(String::as_str), Some("close"));
    router.assert_answers("an endless header");
    // Headers that do not come: closed by patience, and meanwhile others are served.
    let mut slow: Vec<Stream> = (0..20).map(|_| router.connect()).collect();
    for stream in &mut slow {
        stream.send(b"OPTIONS sip:torture.example SIP/2.0\r\nVia: SIP/2.0/TCP h");
    }
    let mut mute = router.connect();
    router.assert_answers("twenty slow peers");
    for stream in &mut slow {
        assert_eq!(stream.answers_until("never"), ["close"]);
    }
    assert_eq!(mute.answers_until("never"), ["close"]);
    router.assert_answers("slow peers are gone");
}
