//! The real program with IPv4 and IPv6 sockets at once: a provider on ::1 calls a phone on 127.0.0.1, and they hear each
//! other. Provider and phone read and write plain text, because the parser of the other stories knows no IPv6.

mod served;

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use served::{Served, huntline, serve};

/// How long a message may take on a busy machine.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_provider_on_ipv6_and_a_phone_on_ipv4_hear_each_other() {
    let (provider, phone) = (Peer::new("[::1]:0"), Peer::new("127.0.0.3:0"));
    let router = Router::start(provider.sip(), phone.sip());
    provider.send(
        router.ipv6,
        &format!(
            "INVITE sip:+493012340@{us} SIP/2.0\nVia: SIP/2.0/UDP {me};branch=z9hG4bK-1;rport\nMax-Forwards: 70\n\
             From: <sip:+491701112233@{me}>;tag=mine\nTo: <sip:+493012340@{us}>\nCall-ID: dual\nCSeq: 1 INVITE\n\
             Contact: <sip:provider@{me}>\n",
            us = router.ipv6,
            me = provider.sip(),
        ),
        &provider.session(),
    );
    let invite = phone.next("INVITE sip:phone@127.0.0.3");
    assert!(invite.contains(&format!("\nVia: SIP/2.0/UDP {};", router.ipv4)), "{invite}");
    assert!(invite.contains(&format!("\nContact: <sip:{}>\n", router.ipv4)), "{invite}");
    let to_phone = media_address(&invite, "IP4");
    phone.answer(router.ipv4, &invite);
    let answer = provider.next("SIP/2.0 200");
    // RFC 5118 §4.5: an address stands in brackets where a port may follow, and in `received` without.
    let via = header(&answer, "Via");
    let port = format!(";rport={}", provider.sip().port());
    assert!(via.starts_with(&format!("SIP/2.0/UDP {};", provider.sip())), "{via}");
    assert!(via.contains(&port) && via.contains(";received=::1"), "{via}");
    assert!(answer.contains(&format!("\nContact: <sip:{}>\n", router.ipv6)), "{answer}");
    let to_provider = media_address(&answer, "IP6");
    phone.next("ACK ");
    for sequence in 1..=20 {
        provider.speak(sequence, to_provider);
        assert_eq!(phone.hear(), (sequence, to_phone));
        phone.speak(sequence, to_phone);
        assert_eq!(provider.hear(), (sequence, to_provider));
    }
    let tagged = header(&answer, "To");
    for (method, cseq) in [("ACK", 1), ("BYE", 2)] {
        provider.send(
            router.ipv6,
            &format!(
                "{method} sip:{us} SIP/2.0\nVia: SIP/2.0/UDP {me};branch=z9hG4bK-{method};rport\nMax-Forwards: 70\n\
                 From: <sip:+491701112233@{me}>;tag=mine\nTo: {tagged}\nCall-ID: dual\nCSeq: {cseq} {method}\n",
                us = router.ipv6,
                me = provider.sip(),
            ),
            "",
        );
    }
    provider.next("SIP/2.0 200");
    phone.next("BYE sip:phone@127.0.0.3");
}

/// A running router in a folder of its own, which listens on both loopbacks.
struct Router {
    router: Option<Served>,
    folder: PathBuf,
    ipv4: SocketAddr,
    ipv6: SocketAddr,
}

impl Router {
    fn start(provider: SocketAddr, phone: SocketAddr) -> Router {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dual-stack-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // The ports are free for whoever asks next, and nobody asks for them in between.
        let free = |any: &str| UdpSocket::bind(any).unwrap().local_addr().unwrap();
        let (ipv4, ipv6) = (free("127.0.0.1:0"), free("[::1]:0"));
        let first = 20_000 + std::process::id() % 200 * 100;
        let office = format!(
            "[site]\ntimezone = \"UTC\"\nnumbering = {{ country = \"49\", area = \"30\", national_prefix = \"0\" }}\n\
             [sip]\nlisten = [\"udp://{ipv4}\", \"udp://{ipv6}\"]\n[media]\nports = \"{first}-{}\"\n\
             [storage]\ndirectory = \"data\"\n[[trunk]]\nname = \"provider\"\nserver = \"sip:{provider}\"\n\
             [[extension]]\nnumber = \"12\"\ndevices = [{{ address = \"sip:phone@{phone}\" }}]\n\
             [[did]]\nnumber = \"+493012340\"\nopen = {{ to = [\"extension:12\", \"refuse:unavailable\"] }}\n",
            first + 99
        );
        std::fs::write(folder.join("office.toml"), office).unwrap();
        let router = Some(serve(huntline(&folder, &["serve"]).env("HUNTLINE_LOG", "warn")));
        Router { router, folder, ipv4, ipv6 }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.router = None;
        // Nothing can be done about what fails here.
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Somebody with a socket for SIP and one for RTP.
struct Peer {
    sip: UdpSocket,
    rtp: UdpSocket,
}

impl Peer {
    fn new(any: &str) -> Peer {
        let socket = || {
            let socket = UdpSocket::bind(any).unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            socket
        };
        Peer { sip: socket(), rtp: socket() }
    }

    fn sip(&self) -> SocketAddr {
        self.sip.local_addr().unwrap()
    }

    fn session(&self) -> String {
        let rtp = self.rtp.local_addr().unwrap();
        let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
        let (ip, port) = (rtp.ip(), rtp.port());
        format!("v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n")
    }

    fn send(&self, to: SocketAddr, lines: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!("{}{kind}Content-Length: {}\r\n\r\n{body}", lines.replace('\n', "\r\n"), body.len());
        self.sip.send_to(text.as_bytes(), to).unwrap();
    }

    /// 200 to an INVITE, with our session.
    fn answer(&self, to: SocketAddr, invite: &str) {
        let [via, from, id, cseq] = ["Via", "From", "Call-ID", "CSeq"].map(|name| header(invite, name));
        let lines = format!(
            "SIP/2.0 200 OK\nVia: {via}\nFrom: {from}\nTo: {};tag=phone\nCall-ID: {id}\nCSeq: {cseq}\nContact: <sip:phone@{}>\n",
            header(invite, "To"),
            self.sip()
        );
        self.send(to, &lines, &self.session());
    }

    /// The next message that begins so, with plain line ends; others are passed over.
    fn next(&self, begins: &str) -> String {
        let mut room = [0; 65_536];
        loop {
            let (length, _) = self.sip.recv_from(&mut room).unwrap_or_else(|error| panic!("no {begins:?}: {error}"));
            let text = String::from_utf8_lossy(&room[..length]).replace("\r\n", "\n");
            if text.starts_with(begins) {
                return text;
            }
        }
    }

    fn speak(&self, sequence: u16, to: SocketAddr) {
        let [high, low] = sequence.to_be_bytes();
        let packet = [&[0x80, 8, high, low, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0xd5; 160]].concat();
        self.rtp.send_to(&packet, to).unwrap();
    }

    /// The sequence number of the next packet, and where it came from.
    fn hear(&self) -> (u16, SocketAddr) {
        let mut room = [0; 2048];
        let (length, from) = self.rtp.recv_from(&mut room).unwrap();
        assert_eq!(length, 172);
        (u16::from_be_bytes([room[2], room[3]]), from)
    }
}

fn header(message: &str, name: &str) -> String {
    let value = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in\n{message}")).to_owned()
}

/// Where a session of this family wants media.
fn media_address(message: &str, family: &str) -> SocketAddr {
    let after =
        |start: &str| message.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("{message}"));
    let ip = after(&format!("c=IN {family} ")).parse().unwrap();
    let port = after("m=audio ").split(' ').next().unwrap().parse().unwrap();
    SocketAddr::new(ip, port)
}
