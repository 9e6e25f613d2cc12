//! A customer calls from outside, hears the greeting and the beep, says something, and hangs up: a real call, from the
//! provider's INVITE to the mail.

#[path = "../own_address/mod.rs"]
mod own_address;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use huntline::media::codec::{Decoder, Encoder};
use huntline::media::record::shape::{HEADER, Shape};
use huntline::sound::Codec;

use crate::mail::{MailServer, header};
use crate::office::{Office, until};
use own_address::own_address;

const SOON: Duration = Duration::from_secs(10);
const PACKET: Duration = Duration::from_millis(20);
/// Samples of G.711 in a packet.
const SAMPLES: usize = 160;

/// The provider: SIP on one port, RTP on another.
struct Provider {
    sip: UdpSocket,
    rtp: UdpSocket,
    router: SocketAddr,
}

impl Provider {
    fn new(router: SocketAddr) -> Provider {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.26:0").unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            socket
        };
        Provider { sip: bind(), rtp: bind(), router }
    }

    fn send(&self, method: &str, to_tag: &str, cseq: &str, body: &str) {
        let address = self.sip.local_addr().unwrap();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:+74951234567@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+79161234567@{address}>;tag=ada\r\nTo: <sip:+74951234567@{router}>{to_tag}\r\n\
             Call-ID: message-{address}\r\nCSeq: {cseq}\r\nContact: <sip:ada@{address}>\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
            router = self.router,
            length = body.len(),
        );
        self.sip.send_to(text.as_bytes(), self.router).unwrap();
    }

    /// The next message that begins so.
    fn hear(&self, begins: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.sip.recv(&mut buffer).unwrap_or_else(|error| panic!("no {begins}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with(begins) {
                return text;
            }
        }
    }

    /// Calls; the To tag of the router, and where it hears us.
    fn call(&self) -> (String, SocketAddr) {
        let rtp = self.rtp.local_addr().unwrap();
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\n",
            rtp.port(),
            ip = rtp.ip()
        );
        self.send("INVITE", "", "1 INVITE", &offer);
        let answer = self.hear("SIP/2.0 200");
        let to = answer.lines().find(|line| line.starts_with("To:")).unwrap();
        let tag = format!(";tag={}", to.rsplit(";tag=").next().unwrap());
        let after = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let port = after("m=audio ").split(' ').next().unwrap();
        let there = format!("{}:{port}", after("c=IN IP4 ")).parse().unwrap();
        self.send("ACK", &tag, "1 ACK", "");
        (tag, there)
    }

    /// Packet by packet: silence until a second after the beep was heard, then a tone for so many packets. Whether there
    /// was a beep.
    fn speak(&self, there: SocketAddr, packets: u32) -> bool {
        let (mut encoder, mut decoder) = (Encoder::new(Codec::Pcma), Decoder::new(Codec::Pcma));
        self.rtp.set_read_timeout(Some(PACKET)).unwrap();
        let (mut heard, mut beeps, mut left) = (Vec::new(), 0, packets);
        let mut buffer = [0; 1500];
        for number in 0..1_000u32 {
            let began = std::time::Instant::now();
            // The beep: 1,000 Hz for 0.4 s, which crosses zero 40 times in a packet.
            while let Some(rest) = PACKET.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) {
                self.rtp.set_read_timeout(Some(rest)).unwrap();
                let Ok(length) = self.rtp.recv(&mut buffer) else { continue };
                heard.clear();
                decoder.decode(&buffer[12..length], &mut heard).unwrap();
                let crossings = heard.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
                let is_loud = heard.iter().any(|sample| sample.unsigned_abs() > 1_000);
                beeps += u32::from(is_loud && (38..=42).contains(&crossings));
            }
            let speaks = beeps >= 15;
            let tone = |at: usize| if speaks && at % 20 < 10 { 8_000i16 } else { 0 };
            let samples: Vec<i16> = (0..SAMPLES).map(tone).collect();
            let mut packet = vec![0x80, 8];
            packet.extend_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
            packet.extend_from_slice(&(number * 160).to_be_bytes());
            packet.extend_from_slice(b"ada!");
            encoder.encode(&samples, &mut packet);
            self.rtp.send_to(&packet, there).unwrap();
            if speaks {
                left -= 1;
                if left == 0 {
                    return true;
                }
            }
        }
        false
    }
}

/// The office with a provider, and one number that leads into the box.
fn config(router: SocketAddr, provider: SocketAddr, server: &MailServer) -> String {
    let lines = format!(
        "[[trunk]]\nname = \"mango\"\nserver = \"sip:{provider}\"\n\
         [[did]]\nnumber = \"+74951234567\"\nsource = \"site\"\nopen = {{ to = \"voicemail:sales\" }}\n\
         [follow_up]\ndue = \"10m\"\nlist = {{ round-robin = [\"201\"] }}\n"
    );
    let greeted = server.config().replace("name = \"sales\"", "name = \"sales\"\ngreeting = \"short.wav\"");
    greeted.replace("127.0.0.72:0", &router.to_string()) + &lines
}

#[test]
fn a_customer_leaves_a_message_and_it_is_listed_mailed_and_missed() {
    let server = MailServer::start([]);
    let mut office = Office::new("message");
    // The port is free for whoever asks next, and nobody else asks on this address.
    let router = UdpSocket::bind((own_address(), 0)).unwrap().local_addr().unwrap();
    let provider = Provider::new(router);
    office.configure(&config(router, provider.sip.local_addr().unwrap(), &server));
    std::fs::create_dir_all(office.data().join("prompts")).unwrap();
    let shape = Shape { rate: 8_000, channels: 1 };
    let silence = [&shape.header(1_600)[..], &[0; 1_600]].concat();
    std::fs::write(office.data().join("prompts/short.wav"), silence).unwrap();
    office.serve();

    let (tag, there) = provider.call();
    assert!(provider.speak(there, 100), "there was no beep");
    provider.send("BYE", &tag, "2 BYE", "");
    provider.hear("SIP/2.0 200");

    until(|| server.mails().len() == 1);
    let listed: serde_json::Value = serde_json::from_str(&office.says(&["voicemail", "list", "--json"])).unwrap();
    let (message, file) = (&listed[0], listed[0]["file"].as_str().unwrap());
    assert_eq!(
        (&message["mailbox"], &message["state"], &message["empty"]),
        (&"sales".into(), &"new".into(), &false.into())
    );
    assert_eq!((&message["from"]["number"], &message["did"]), (&"+79161234567".into(), &"+74951234567".into()));
    let sound = std::fs::read(office.data().join(file)).unwrap();
    let (shape, bytes) = Shape::read(sound[..HEADER].try_into().unwrap()).unwrap();
    assert_eq!(sound.len() as u64, HEADER as u64 + bytes);
    // Two seconds were spoken; what else there is is the wait before and the goodbye after.
    let length = shape.length(bytes).as_millis();
    assert!((1_800..4_000).contains(&length), "{length} ms");
    assert_eq!(u128::from(message["length_ms"].as_u64().unwrap()) / 100, length / 100);
    assert!(
        office.says(&["calls"]).contains("missed: voicemail left") && office.says(&["calls"]).contains("  message\n")
    );
    let open: serde_json::Value = serde_json::from_str(&office.says(&["followups", "--open", "--json"])).unwrap();
    assert_eq!((&open[0]["cause"], &open[0]["call"]), (&"voicemail_left".into(), &message["call"]));
    assert_eq!((&open[0]["assignee"], &open[0]["assigned"]), (&"201".into(), &"list".into()));
    let moment = |name: &str| open[0][name].as_str().unwrap().parse::<huntline::clock::Timestamp>().unwrap();
    assert_eq!(moment("due").duration_since(moment("opened")).as_secs(), 600);
    let mail = server.mails().remove(0);
    assert_eq!(header(&mail, "To"), "sales@office.example");
    let begins = file.rsplit('/').next().unwrap().get(..15).unwrap();
    assert!(mail.contains(&format!("filename=\"{begins}.wav\"")), "{mail}");
}
