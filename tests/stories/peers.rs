//! The peers of the stories: a provider through whom customers call and are called, and phones of employees. They speak
//! SIP over UDP as a script tells them, word by word.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

/// How long a message may take on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// Somebody with a UDP port who speaks SIP.
pub struct Peer {
    pub socket: UdpSocket,
    pub address: SocketAddr,
    router: SocketAddr,
    count: Cell<u32>,
    /// What has been heard: a repetition is the same text again.
    heard: RefCell<BTreeSet<String>>,
    /// What came while something else was waited for.
    later: RefCell<Vec<String>>,
}

/// The first header of this name.
pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let found = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name} in {message}"))
}

impl Peer {
    pub fn new(ip: IpAddr, router: SocketAddr) -> Peer {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        // A port is soon given to somebody else, and what that one says must not be taken for a repetition.
        static PEERS: AtomicU32 = AtomicU32::new(0);
        let count = Cell::new(PEERS.fetch_add(1, Ordering::Relaxed) * 1_000);
        let (heard, later) = (RefCell::default(), RefCell::default());
        Peer { socket, address, router, count, heard, later }
    }

    pub fn send(&self, start: &str, headers: &[(&str, &str)], body: &str) {
        let mut text = format!("{start}\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        text.push_str(&format!(
            "Contact: <sip:peer@{}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        ));
        self.socket.send_to(text.as_bytes(), self.router).unwrap();
    }

    /// Answers a request of the router's.
    pub fn respond(&self, request: &str, status: &str, body: &str) {
        let to = header(request, "To");
        let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=phone") };
        let headers: Vec<_> = ["Via", "From", "Call-ID", "CSeq"].map(|name| (name, header(request, name))).into();
        let headers = [&headers[..], &[("To", to.as_str())]].concat();
        self.send(&format!("SIP/2.0 {status}"), &headers, body);
    }

    /// The next message that begins so and has this in it. Questions after health are answered on the way.
    pub fn hear(&self, begins: &str, has: &str) -> String {
        self.hear_until(begins, has, SOON).unwrap_or_else(|| panic!("no {begins} {has}; there was {:?}", self.later))
    }

    pub fn hear_until(&self, begins: &str, has: &str, patience: Duration) -> Option<String> {
        let fits = |text: &String| text.starts_with(begins) && text.contains(has);
        let place = self.later.borrow().iter().position(fits);
        if let Some(place) = place {
            return Some(self.later.borrow_mut().remove(place));
        }
        let until = Instant::now() + patience;
        let mut room = [0; 65_536];
        while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            self.socket.set_read_timeout(Some(rest)).unwrap();
            let Ok(length) = self.socket.recv(&mut room) else { break };
            let text = String::from_utf8_lossy(&room[..length]).into_owned();
            if !self.heard.borrow_mut().insert(text.clone()) {
                continue;
            }
            if text.starts_with("OPTIONS") || text.starts_with("NOTIFY") {
                self.respond(&text, "200 OK", "");
            } else if fits(&text) {
                return Some(text);
            } else {
                self.later.borrow_mut().push(text);
            }
        }
        None
    }

    /// True where nothing that begins so has come by now, and nothing comes for a moment.
    pub fn has_heard_no(&self, begins: &str) -> bool {
        self.hear_until(begins, "", Duration::from_millis(300)).is_none()
    }

    pub fn next(&self) -> u32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    /// A proof that this phone knows its password (RFC 7616, MD5).
    pub fn proof(challenge: &str, user: &str, password: &str, method: &str, uri: &str) -> (&'static str, String) {
        let proxy = challenge.contains("\r\nProxy-Authenticate: ");
        let (asked, answer) =
            if proxy { ("Proxy-Authenticate", "Proxy-Authorization") } else { ("WWW-Authenticate", "Authorization") };
        let asked = header(challenge, asked);
        let value = |name: &str| {
            let rest = asked.split(&format!("{name}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap()
        };
        let (realm, nonce) = (value("realm"), value("nonce"));
        let hash = |text: String| Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (ours, theirs) = (hash(format!("{user}:{realm}:{password}")), hash(format!("{method}:{uri}")));
        let response = hash(format!("{ours}:{nonce}:00000001:c:auth:{theirs}"));
        let proof = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\""
        );
        (answer, proof)
    }
}

/// Where the sound of a peer comes from.
pub fn sdp(address: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\n",
        address.port(),
        ip = address.ip()
    )
}

/// A provider: customers' calls come from its address, and calls to customers go to its port.
pub struct Provider {
    pub peer: Peer,
    router: SocketAddr,
}

impl Provider {
    pub fn new(ip: IpAddr, router: SocketAddr) -> Provider {
        Provider { peer: Peer::new(ip, router), router }
    }

    /// A customer calls one of our numbers.
    pub fn call(&self, from: &str, did: &str) -> Outgoing {
        let peer = Peer::new(self.peer.address.ip(), self.router);
        Outgoing::begin(peer, from, did, None)
    }

    /// A customer is called.
    pub fn is_called(&self, number: &str) -> Incoming<'_> {
        let digits = number.trim_start_matches("+7");
        let invite = self.peer.hear("INVITE ", digits);
        Incoming { peer: &self.peer, invite }
    }
}

/// A phone of an employee.
pub struct Phone {
    pub peer: Peer,
    extension: &'static str,
    router: SocketAddr,
}

impl Phone {
    /// Registers.
    pub fn new(ip: IpAddr, router: SocketAddr, extension: &'static str) -> Phone {
        let phone = Phone { peer: Peer::new(ip, router), extension, router };
        let uri = format!("sip:{router}");
        let who = format!("<sip:{extension}@{router}>");
        let register = |more: &[(&str, &str)]| {
            let count = phone.peer.next();
            let via = format!("SIP/2.0/UDP {};branch=z9hG4bKr{count};rport", phone.peer.address);
            let (from, cseq) = (format!("{who};tag=r"), format!("{count} REGISTER"));
            let id = format!("register-{}", phone.peer.address);
            let own = [
                ("Via", via.as_str()),
                ("Max-Forwards", "70"),
                ("From", &from),
                ("To", &who),
                ("Call-ID", &id),
                ("CSeq", &cseq),
                ("Expires", "600"),
            ];
            phone.peer.send(&format!("REGISTER {uri} SIP/2.0"), &[&own[..], more].concat(), "");
        };
        register(&[]);
        let challenge = phone.peer.hear("SIP/2.0 401", "REGISTER");
        let (name, proof) = Peer::proof(&challenge, extension, &format!("secret-{extension}"), "REGISTER", &uri);
        register(&[(name, proof.as_str())]);
        phone.peer.hear("SIP/2.0 200", "REGISTER");
        phone
    }

    /// It rings.
    pub fn rings(&self) -> Incoming<'_> {
        let invite = self.peer.hear("INVITE ", "");
        self.peer.respond(&invite, "180 Ringing", "");
        Incoming { peer: &self.peer, invite }
    }

    /// From now on it rings for whoever calls, and nobody comes.
    pub fn rings_for_ever(self) {
        std::thread::spawn(move || {
            let mut rings: Vec<String> = Vec::new();
            loop {
                let Some(message) = self.peer.hear_until("", "", SOON) else { continue };
                if message.starts_with("INVITE ") {
                    self.peer.respond(&message, "180 Ringing", "");
                    rings.push(message);
                } else if message.starts_with("CANCEL ") {
                    self.peer.respond(&message, "200 OK", "");
                    let id = header(&message, "Call-ID");
                    if let Some(place) = rings.iter().position(|invite| header(invite, "Call-ID") == id) {
                        self.peer.respond(&rings.remove(place), "487 Request Terminated", "");
                    }
                }
            }
        });
    }

    /// The employee dials.
    pub fn dial(&self, number: &str) -> Outgoing {
        let peer = Peer::new(self.peer.address.ip(), self.router);
        Outgoing::begin(peer, self.extension, number, Some(self.extension))
    }
}

/// A call that a peer makes.
pub struct Outgoing {
    pub peer: Peer,
    pub sound: UdpSocket,
    uri: String,
    from: String,
    pub to: String,
    id: String,
    pub cseq: u32,
    branch: String,
}

impl Outgoing {
    pub fn begin(peer: Peer, from: &str, to: &str, employee: Option<&str>) -> Outgoing {
        let (router, address) = (peer.router, peer.address);
        let sound = UdpSocket::bind((address.ip(), 0)).unwrap();
        let mut call = Outgoing {
            uri: format!("sip:{to}@{router}"),
            from: format!("<sip:{from}@{address}>;tag=mine"),
            to: format!("<sip:{to}@{router}>"),
            id: format!("call-{}-{address}", peer.next()),
            cseq: 1,
            branch: String::new(),
            sound,
            peer,
        };
        if employee.is_some() {
            call.from = format!("<sip:{from}@{router}>;tag=mine");
        }
        let offer = sdp(call.sound.local_addr().unwrap());
        call.request("INVITE", &[], &offer);
        if let Some(extension) = employee {
            let challenge = call.peer.hear("SIP/2.0 40", "INVITE");
            call.again("ACK", header(&challenge, "To"));
            call.cseq += 1;
            let (name, proof) =
                Peer::proof(&challenge, extension, &format!("secret-{extension}"), "INVITE", &call.uri.clone());
            call.request("INVITE", &[(name, &proof)], &offer);
        }
        call
    }

    pub fn request(&mut self, method: &str, more: &[(&str, &str)], body: &str) {
        self.branch = format!("z9hG4bK{}-{}", self.peer.address.port(), self.peer.next());
        let to = self.to.clone();
        self.say(method, &to, more, body);
    }

    /// A request of the transaction of the one before.
    pub fn again(&self, method: &str, to: &str) {
        self.say(method, to, &[], "");
    }

    pub fn say(&self, method: &str, to: &str, more: &[(&str, &str)], body: &str) {
        let via = format!("SIP/2.0/UDP {};branch={};rport", self.peer.address, self.branch);
        let cseq = format!("{} {method}", self.cseq);
        let own = [
            ("Via", via.as_str()),
            ("Max-Forwards", "70"),
            ("From", &self.from),
            ("To", to),
            ("Call-ID", &self.id),
            ("CSeq", &cseq),
        ];
        self.peer.send(&format!("{method} {} SIP/2.0", self.uri), &[&own[..], more].concat(), body);
    }

    /// The caller hears that it rings.
    pub fn hears_ringing(&self) {
        self.peer.hear("SIP/2.0 18", "INVITE");
    }

    /// Somebody, or something, answers; where the sound of the other side comes from.
    pub fn is_answered(&mut self) -> SocketAddr {
        let answer = self.peer.hear("SIP/2.0 200", "INVITE");
        self.to = header(&answer, "To").to_owned();
        self.request("ACK", &[], "");
        let after = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let port = after("m=audio ").split(' ').next().unwrap();
        format!("{}:{port}", after("c=IN IP4 ")).parse().unwrap()
    }

    /// The caller hangs up before anybody has answered.
    pub fn gives_up(&self) {
        self.again("CANCEL", &self.to);
        let gone = self.peer.hear("SIP/2.0 487", "INVITE");
        self.again("ACK", header(&gone, "To"));
    }

    /// The caller is refused; with this status.
    pub fn is_refused(&self, status: &str) {
        let refusal = self.peer.hear(&format!("SIP/2.0 {status}"), "INVITE");
        self.again("ACK", header(&refusal, "To"));
    }

    /// Whoever called hangs up.
    pub fn hangs_up(&mut self) {
        self.cseq += 1;
        self.request("BYE", &[], "");
        self.peer.hear("SIP/2.0 200", "BYE");
    }

    /// Speaks: a tone of so many packets of 20 ms.
    pub fn speaks(&self, there: SocketAddr, packets: u16) {
        for number in 0..packets {
            // 400 Hz in A-law, as loud as a voice.
            let samples = (0..160u32).map(|at| if at % 20 < 10 { 0xb5 } else { 0x35 });
            let mut packet = vec![0x80, 8];
            packet.extend_from_slice(&number.to_be_bytes());
            packet.extend_from_slice(&(u32::from(number) * 160).to_be_bytes());
            packet.extend_from_slice(b"ada!");
            packet.extend(samples);
            self.sound.send_to(&packet, there).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A call that a peer gets.
pub struct Incoming<'a> {
    peer: &'a Peer,
    pub invite: String,
}

impl Incoming<'_> {
    /// Whom the phone shows.
    pub fn shows(&self) -> &str {
        header(&self.invite, "From")
    }

    /// It rings here.
    pub fn rings(&self) {
        self.peer.respond(&self.invite, "180 Ringing", "");
    }

    pub fn answers(&self) {
        self.peer.respond(&self.invite, "200 OK", &sdp(self.peer.address));
    }

    /// It no longer rings here.
    pub fn stops(&self) {
        let cancel = self.peer.hear("CANCEL ", header(&self.invite, "Call-ID"));
        self.peer.respond(&cancel, "200 OK", "");
        self.peer.respond(&self.invite, "487 Request Terminated", "");
        self.peer.hear("ACK ", header(&self.invite, "Call-ID"));
    }

    /// The other side has hung up.
    pub fn is_hung_up(&self) {
        let bye = self.peer.hear("BYE ", header(&self.invite, "Call-ID"));
        self.peer.respond(&bye, "200 OK", "");
    }
}
