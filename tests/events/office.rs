//! An office that is followed live: the real program, a provider and phones that are plain sockets, and a client of the event
//! stream that shares nothing with the server.

#[path = "../own_address/mod.rs"]
mod own_address;
#[path = "../served/mod.rs"]
mod served;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use huntline::clock::Timestamp;
use huntline::fact::{Fact, Noted, Token};
use huntline::store::Writer;
use serde_json::Value;
use sha2::{Digest, Sha256};

use own_address::own_address;
use served::{Served, huntline, serve};

/// How long a message may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

pub const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// A router that serves its events, in a folder of its own.
pub struct Office {
    router: Option<Served>,
    folder: PathBuf,
    pub web: SocketAddr,
    pub provider: Peer,
    /// In the order of the extensions.
    pub phones: Vec<Peer>,
}

impl Office {
    /// With these extensions, each with a phone at a fixed address, and what else is to stand in the config. Each token is
    /// a name, which is the token itself, the employee whose it is, and its scopes.
    pub fn start(name: &str, extensions: &[&str], more: &str, tokens: &[(&str, Option<&str>, &[&str])]) -> Office {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("events-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("data")).unwrap();
        // The ports are free for whoever asks next, and nobody else asks on this address.
        let own = own_address();
        let sip = UdpSocket::bind((own, 0)).unwrap().local_addr().unwrap();
        let web = TcpListener::bind((own, 0)).unwrap().local_addr().unwrap();
        let provider = Peer::new("127.0.0.92:0", sip);
        let phones: Vec<_> = extensions.iter().map(|_| Peer::new("127.0.0.93:0", sip)).collect();
        let mut config = format!(
            "[site]\ntimezone = \"UTC\"\nnumbering = {{ country = \"49\", area = \"30\", national_prefix = \"0\" }}\n\
             [sip]\nlisten = [\"udp://{sip}\"]\nrealm = \"office.example\"\n\
             [web]\nlisten = \"{web}\"\n[storage]\ndirectory = \"data\"\n\
             [[trunk]]\nname = \"provider\"\nserver = \"sip:{}\"\n",
            provider.address
        );
        for (number, phone) in extensions.iter().zip(&phones) {
            let device = format!("{{ address = \"sip:{number}@{}\" }}", phone.address);
            config += &format!("[[extension]]\nnumber = \"{number}\"\ndevices = [{device}]\ncall_waiting = true\n");
        }
        std::fs::write(folder.join("office.toml"), config + more).unwrap();
        let fact =
            |(name, user, scopes): &(&str, Option<&str>, &[&str])| Fact::Token(Box::new(token(name, *user, scopes)));
        let facts = (1..).zip(tokens).map(|(number, token)| Noted { number, at: Timestamp::now(), fact: fact(token) });
        Writer::open(&folder.join("data")).unwrap().append(&facts.collect::<Vec<_>>()).unwrap();
        let mut office = Office { router: None, folder, web, provider, phones };
        office.serve();
        office
    }

    /// A token that is good for so many seconds from now; while the router is not running.
    pub fn add_brief_token(&self, name: &str, seconds: i64) {
        let until = Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap();
        let fact = Fact::Token(Box::new(Token { until: Some(until), ..token(name, None, &["events:read"]) }));
        let noted = Noted { number: 1, at: Timestamp::now(), fact };
        Writer::open(&self.folder.join("data")).unwrap().append(&[noted]).unwrap();
    }

    /// Starts the router and waits until its ports are open.
    pub fn serve(&mut self) {
        self.router = Some(serve(huntline(&self.folder, &["serve"]).env("HUNTLINE_LOG", "warn")));
    }

    /// SIGKILL: nothing is tidied up.
    pub fn kill(&mut self) {
        self.router = None;
    }

    #[allow(dead_code, reason = "the benchmark asks")]
    pub fn id(&self) -> u32 {
        self.router.as_ref().unwrap().process.id()
    }

    /// Follows what happens; `more` is what stands behind the path, and further header lines.
    pub fn follow(&self, token: &str, query: &str, headers: &str) -> Listener {
        match self.ask(&format!("/api/v1/events{query}"), &format!("Authorization: Bearer {token}\r\n{headers}")) {
            (200, stream) => Listener::new(stream),
            (status, mut stream) => {
                let mut said = String::new();
                let _ = stream.read_to_string(&mut said);
                panic!("{status}: {said}")
            }
        }
    }

    /// A request; its status, and what is left to read. The head is read.
    pub fn ask(&self, path: &str, headers: &str) -> (u16, BufReader<TcpStream>) {
        let mut stream = TcpStream::connect(self.web).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.web).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        (status, stream)
    }
}

/// The token that is its own name.
fn token(name: &str, user: Option<&str>, scopes: &[&str]) -> Token {
    Token {
        id: name.into(),
        name: name.into(),
        user: user.map(Into::into),
        scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
        hash: Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        until: None,
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Somebody who follows the events.
pub struct Listener {
    stream: BufReader<TcpStream>,
    text: String,
    /// Where to go on from.
    pub cursor: String,
}

impl Listener {
    /// Returns once the first bytes have come: from then on nothing is missed.
    fn new(stream: BufReader<TcpStream>) -> Listener {
        let mut listener = Listener { stream, text: String::new(), cursor: String::new() };
        assert!(listener.more());
        let welcome = listener.block().unwrap();
        assert!(welcome.contains("id: "), "{welcome:?}");
        listener
    }

    /// The next event's envelope; `None` where the stream has ended.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            let Some(block) = self.block() else {
                match self.more() {
                    true => continue,
                    false => return None,
                }
            };
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(data) = field("data: ") {
                let envelope: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(field("event: ").unwrap(), envelope["type"].as_str().unwrap());
                return Some(envelope);
            }
        }
    }

    /// The next event of this type; those before it are passed over.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// The next event, in a line.
    #[track_caller]
    pub fn told(&mut self) -> String {
        told(&self.next().expect("the stream has ended"))
    }

    fn block(&mut self) -> Option<String> {
        let end = self.text.find("\n\n")?;
        let block = self.text[..end].to_owned();
        self.text.drain(..end + 2);
        if let Some(cursor) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
            self.cursor = cursor.to_owned();
        }
        Some(block)
    }

    /// One more chunk; false at the end.
    fn more(&mut self) -> bool {
        let mut size = String::new();
        if self.stream.read_line(&mut size).unwrap_or(0) == 0 {
            return false;
        }
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        if self.stream.read_exact(&mut chunk).is_err() || size == 0 {
            return false;
        }
        self.text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        true
    }
}

/// An event in a line: what it is, who rings from now on, who no longer and why, and what else tells it apart.
pub fn told(event: &Value) -> String {
    let data = &event["data"];
    let mut line = event["type"].as_str().unwrap().to_owned();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for one in data["ringing"].as_array().into_iter().flatten() {
        line += &format!(" +{}", text(one));
    }
    for one in data["withdrawn"].as_array().into_iter().flatten() {
        line += &format!(" -{} {}", text(&one["extension"]), text(&one["reason"]));
    }
    for key in ["by", "to", "cause"] {
        if !data[key].is_null() {
            line += &format!(" {key} {}", text(&data[key]));
        }
    }
    line
}

/// Somebody with a UDP port who speaks SIP.
pub struct Peer {
    pub socket: UdpSocket,
    pub address: SocketAddr,
    router: SocketAddr,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub start: String,
    head: Vec<(String, String)>,
}

impl Message {
    pub fn read(bytes: &[u8]) -> Message {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
        let start = lines.next().unwrap_or_default().to_owned();
        let head = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into()));
        Message { start, head: head.collect() }
    }

    pub fn field(&self, name: &str) -> &str {
        let field = self.head.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.map_or("", |(_, value)| value)
    }

    fn vias(&self) -> String {
        let vias = self.head.iter().filter(|(name, _)| name.eq_ignore_ascii_case("via"));
        vias.map(|(_, value)| format!("Via: {value}\r\n")).collect()
    }

    /// The address in its Contact.
    fn target(&self) -> String {
        let contact = self.field("Contact");
        contact.split(['<', '>']).nth(1).unwrap_or(contact).to_owned()
    }
}

impl Peer {
    pub fn new(bind: &str, router: SocketAddr) -> Peer {
        let socket = UdpSocket::bind(bind).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let address = socket.local_addr().unwrap();
        Peer { socket, address, router }
    }

    fn send(&self, head: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len());
        self.socket.send_to(text.as_bytes(), self.router).unwrap();
    }

    /// A call from this number, named by `id`.
    pub fn invite(&self, id: &str, from: &str, to: &str) {
        let (address, router) = (self.address, self.router);
        self.send(
            &format!(
                "INVITE sip:{to}@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{id};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{from}@provider.example>;tag={id}\r\nTo: <sip:{to}@{router}>\r\n\
                 Call-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:provider@{address}>\r\n"
            ),
            OFFER,
        );
    }

    /// Takes that call back before it is answered.
    pub fn cancel(&self, id: &str, from: &str, to: &str) {
        let (address, router) = (self.address, self.router);
        self.send(
            &format!(
                "CANCEL sip:{to}@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{id};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{from}@provider.example>;tag={id}\r\nTo: <sip:{to}@{router}>\r\n\
                 Call-ID: {id}\r\nCSeq: 1 CANCEL\r\n"
            ),
            "",
        );
    }

    /// A request of the one who called, within the call that this response belongs to.
    pub fn ask_back(&self, response: &Message, method: &str, cseq: u32) {
        self.in_dialog(response.field("From"), response.field("To"), &response.target(), response, method, cseq, "");
    }

    /// A request of the one who was called, within the call that this INVITE began.
    pub fn ask_caller(&self, invite: &Message, method: &str, cseq: u32, headers: &str) {
        let from = format!("{};tag=phone", invite.field("To"));
        self.in_dialog(&from, invite.field("From"), &invite.target(), invite, method, cseq, headers);
    }

    #[allow(clippy::too_many_arguments)] // a request has that many parts
    fn in_dialog(&self, from: &str, to: &str, uri: &str, of: &Message, method: &str, cseq: u32, headers: &str) {
        let (address, id) = (self.address, of.field("Call-ID"));
        self.send(
            &format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{method}{cseq}-{id};rport\r\n\
                 Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
                 Contact: <sip:peer@{address}>\r\n{headers}"
            ),
            "",
        );
    }

    /// Answers a request.
    pub fn respond(&self, request: &Message, status: &str, body: &str) {
        let to = request.field("To");
        let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=phone") };
        self.send(
            &format!(
                "SIP/2.0 {status}\r\n{}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:peer@{}>\r\n",
                request.vias(),
                request.field("From"),
                request.field("Call-ID"),
                request.field("CSeq"),
                self.address
            ),
            body,
        );
    }

    /// The next message that begins so, `INVITE` or `SIP/2.0 200`, of this method; OPTIONS are answered on the way, the rest is
    /// passed over.
    #[track_caller]
    pub fn next(&self, begin: &str, method: &str) -> Message {
        let until = Instant::now() + SOON;
        let mut room = [0; 65_536];
        while Instant::now() < until {
            let Ok((length, _)) = self.socket.recv_from(&mut room) else { break };
            let message = Message::read(&room[..length]);
            if message.start.starts_with("OPTIONS") {
                self.respond(&message, "200 OK", "");
            } else if message.start.starts_with(begin) && message.field("CSeq").ends_with(method) {
                return message;
            }
        }
        panic!("{begin} ({method}) did not come");
    }

    /// The INVITE that rings here, which is answered.
    #[track_caller]
    pub fn answer(&self) -> Message {
        let invite = self.next("INVITE", "INVITE");
        self.respond(&invite, "180 Ringing", "");
        self.respond(&invite, "200 OK", OFFER);
        self.next("ACK", "ACK");
        invite
    }
}
