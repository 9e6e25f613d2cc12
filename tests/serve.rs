//! The real program over loopback: it is started, phones register with it, a provider calls, and it is ended.
//!
//! Phone and provider are scripted peers that build and read their messages with `rsip`, and compute their digests with
//! it: an opinion of SIP that shares nothing with ours. Nothing here waits by the clock; every step waits for a message.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

mod own_address;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use own_address::own_address;
use rsip::headers::UntypedHeader;
use rsip::headers::typed::{Authorization, WwwAuthenticate};
use rsip::message::HeadersExt;
use rsip::prelude::HasHeaders;
use rsip::services::DigestGenerator;
use rsip::{Request, Response, SipMessage};

/// How long a message may take on a busy machine.
const SOON: Duration = Duration::from_secs(10);

const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// A running router in a folder of its own.
struct Router {
    process: Child,
    file: PathBuf,
    address: SocketAddr,
    provider: Peer,
}

/// Somebody with a UDP port who speaks SIP.
struct Peer {
    socket: UdpSocket,
    address: SocketAddr,
    router: SocketAddr,
    branches: std::cell::Cell<u32>,
}

impl Router {
    fn start(name: &str) -> Router {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("serve-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // The port is free for whoever asks next, and nobody else asks on this address.
        let free = UdpSocket::bind((own_address(), 0)).unwrap().local_addr().unwrap();
        let provider = Peer::new("127.0.0.2:0", free);
        let file = folder.join("office.toml");
        std::fs::write(&file, office(free, provider.address)).unwrap();
        Router { process: spawn(&file), file, address: free, provider }
    }

    fn phone(&self) -> Peer {
        Peer::new("127.0.0.3:0", self.address)
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let program = env!("CARGO_BIN_EXE_huntline");
        Command::new(program).args(arguments).arg("--config").arg(&self.file).output().unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for the end; the exit code.
    fn ended(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Ended already, most often.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(self.file.parent().unwrap());
    }
}

/// Starts the router and waits until it says that it serves: its ports are open, and it hears signals.
fn spawn(file: &Path) -> Child {
    let program = env!("CARGO_BIN_EXE_huntline");
    let mut command = Command::new(program);
    command.args(["serve", "--config"]).arg(file).env("HUNTLINE_LOG", "warn").stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut hello = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    hello.read_line(&mut line).unwrap();
    assert!(line.starts_with("Huntline"), "{line:?}");
    // It goes on to talk; somebody must listen.
    std::thread::spawn(move || std::io::copy(&mut hello, &mut std::io::sink()));
    process
}

fn office(router: SocketAddr, provider: SocketAddr) -> String {
    format!(
        "[site]\ntimezone = \"UTC\"\nnumbering = {{ country = \"49\", area = \"30\", national_prefix = \"0\" }}\n\
         [sip]\nlisten = [\"udp://{router}\", \"tcp://{router}\"]\nrealm = \"office.example\"\n\
         [storage]\ndirectory = \"data\"\n\
         [[trunk]]\nname = \"provider\"\nserver = \"sip:{provider}\"\n\
         [[extension]]\nnumber = \"12\"\npassword = \"secret-12\"\n\
         [[did]]\nnumber = \"+493012340\"\nopen = {{ to = [\"extension:12\", \"refuse:unavailable\"] }}\n"
    )
}

impl Peer {
    fn new(bind: &str, router: SocketAddr) -> Peer {
        let socket = UdpSocket::bind(bind).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let address = socket.local_addr().unwrap();
        Peer { socket, address, router, branches: Default::default() }
    }

    /// Sends lines that rsip, too, takes for a message.
    fn send(&self, lines: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!("{}{kind}Content-Length: {}\r\n\r\n{body}", lines.replace('\n', "\r\n"), body.len());
        SipMessage::try_from(text.as_bytes()).unwrap();
        self.socket.send_to(text.as_bytes(), self.router).unwrap();
    }

    fn request(&self, method: &str, uri: &str, call: &Call<'_>, headers: &str, body: &str) {
        self.branches.set(self.branches.get() + 1);
        let (branch, address) = (self.branches.get(), self.address);
        let to_tag = call.to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let Call { from, to, id, cseq, .. } = call;
        self.send(
            &format!(
                "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{branch}-{id};rport\nMax-Forwards: 70\n\
                 From: <{from}>;tag=mine\nTo: <{to}>{to_tag}\nCall-ID: {id}\nCSeq: {cseq} {method}\n\
                 Contact: <sip:peer@{address}>\n{headers}"
            ),
            body,
        );
    }

    /// Answers a request of the router's with our tag.
    fn respond(&self, request: &Request, status: &str, body: &str) {
        let to = request.to_header().unwrap().value().to_owned();
        let to = if to.contains(";tag=") { to } else { format!("{to};tag=phone") };
        self.send(
            &format!(
                "SIP/2.0 {status}\nVia: {}\nFrom: {}\nTo: {to}\nCall-ID: {}\nCSeq: {}\nContact: <sip:peer@{}>\n",
                request.via_header().unwrap().value(),
                request.from_header().unwrap().value(),
                request.call_id_header().unwrap().value(),
                request.cseq_header().unwrap().value(),
                self.address
            ),
            body,
        );
    }

    /// The next message that is `wanted`; OPTIONS are answered and repetitions passed over on the way.
    fn next<T>(&self, what: &str, wanted: impl Fn(SipMessage) -> Option<T>) -> T {
        let until = Instant::now() + SOON;
        let mut room = [0; 65_536];
        let mut passed_over = Vec::new();
        while Instant::now() < until {
            let Ok((length, _)) = self.socket.recv_from(&mut room) else { break };
            let message = SipMessage::try_from(&room[..length]).unwrap();
            match message {
                SipMessage::Request(request) if request.method == rsip::Method::Options => {
                    self.respond(&request, "200 OK", "");
                }
                message => {
                    passed_over.push(message.to_string().lines().next().unwrap_or_default().to_owned());
                    if let Some(found) = wanted(message) {
                        return found;
                    }
                }
            }
        }
        panic!("{what} did not come, but {passed_over:?}");
    }

    fn response(&self, status: u16, method: &str) -> Response {
        self.next(&format!("{status} to {method}"), |message| match message {
            SipMessage::Response(response)
                if response.status_code.code() == status
                    && response.cseq_header().is_ok_and(|cseq| cseq.value().ends_with(method)) =>
            {
                Some(response)
            }
            _ => None,
        })
    }

    fn asked(&self, method: &str) -> Request {
        self.next(method, |message| match message {
            SipMessage::Request(request) if request.method.to_string() == method => Some(request),
            _ => None,
        })
    }

    /// Registers as 12, with the digest that rsip computes.
    fn register(&self) {
        let mut call = Call::new("register", "sip:12@office.example", "sip:12@office.example");
        self.request("REGISTER", "sip:office.example", &call, "Expires: 600\n", "");
        let challenge = self.response(401, "REGISTER");
        call.cseq += 1;
        let proof = format!("Authorization: {}\nExpires: 600\n", proof(&challenge, "secret-12"));
        self.request("REGISTER", "sip:office.example", &call, &proof, "");
        let contact = self.response(200, "REGISTER").contact_header().unwrap().value().to_owned();
        assert_eq!(contact, format!("<sip:peer@{}>;expires=600", self.address));
    }
}

fn proof(challenge: &Response, password: &str) -> String {
    let header = challenge.headers().iter().find_map(|header| match header {
        rsip::Header::WwwAuthenticate(header) => Some(header.clone()),
        _ => None,
    });
    let challenge = WwwAuthenticate::try_from(header.unwrap()).unwrap();
    let uri = rsip::Uri::try_from("sip:office.example").unwrap();
    let qop = rsip::headers::auth::AuthQop::Auth { cnonce: "c".into(), nc: 1 };
    let response = DigestGenerator {
        username: "12",
        password,
        nonce: &challenge.nonce,
        uri: &uri,
        realm: &challenge.realm,
        method: &rsip::Method::Register,
        qop: Some(&qop),
        algorithm: rsip::headers::auth::Algorithm::Md5,
    }
    .compute();
    let proof = Authorization {
        scheme: rsip::headers::auth::Scheme::Digest,
        username: "12".into(),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: uri.clone(),
        response,
        algorithm: Some(rsip::headers::auth::Algorithm::Md5),
        opaque: None,
        qop: Some(qop),
    };
    rsip::headers::Authorization::from(proof).value().to_owned()
}

/// What stays the same within a call.
struct Call<'a> {
    id: String,
    from: &'a str,
    to: &'a str,
    to_tag: Option<String>,
    cseq: u32,
}

impl<'a> Call<'a> {
    fn new(id: &str, from: &'a str, to: &'a str) -> Call<'a> {
        Call { id: id.to_owned(), from, to, to_tag: None, cseq: 1 }
    }

    fn answered(&mut self, response: &Response) {
        let to = response.to_header().unwrap().value().to_owned();
        self.to_tag = to.split(";tag=").nth(1).map(str::to_owned);
    }
}

/// The customer of these stories, and the office's number.
const CUSTOMER: &str = "sip:+491701112233@provider.example";
const NUMBER: &str = "sip:+493012340@office.example";

/// The provider calls, the phone answers: both are talking.
fn talk<'a>(router: &Router, phone: &Peer, id: &str) -> (Call<'a>, Request) {
    let provider = &router.provider;
    let mut call = Call::new(id, CUSTOMER, NUMBER);
    provider.request("INVITE", NUMBER, &call, "", OFFER);
    let invite = phone.asked("INVITE");
    phone.respond(&invite, "180 Ringing", "");
    provider.response(180, "INVITE");
    phone.respond(&invite, "200 OK", OFFER);
    let answer = provider.response(200, "INVITE");
    call.answered(&answer);
    provider.request("ACK", "sip:us@127.0.0.1", &call, "", "");
    phone.asked("ACK");
    (call, invite)
}

/// Tries until it takes no longer than this, twenty times at most. A busy machine makes any single try slow, and none of them
/// all; a router that waits for somebody is slow each time.
fn fastest(limit: Duration, mut tries: impl FnMut() -> Duration) {
    let mut took = Vec::new();
    for _ in 0..20 {
        took.push(tries());
        if took.last().is_some_and(|took| *took < limit) {
            return;
        }
    }
    panic!("never within {limit:?}, but {took:?}");
}

/// The provider hangs up; the phone hears it.
fn hang_up(router: &Router, phone: &Peer, call: &mut Call<'_>) {
    call.cseq += 1;
    router.provider.request("BYE", "sip:us@127.0.0.1", call, "", "");
    router.provider.response(200, "BYE");
    let bye = phone.asked("BYE");
    phone.respond(&bye, "200 OK", "");
}

#[test]
fn a_phone_registers_a_provider_calls_and_the_call_is_on_record() {
    let mut router = Router::start("call");
    let phone = router.phone();
    phone.register();
    let (mut call, invite) = talk(&router, &phone, "first");
    assert_eq!(invite.uri.to_string(), format!("sip:peer@{}", phone.address));
    let offer = String::from_utf8(invite.body.clone()).unwrap();
    assert!(offer.contains("m=audio ") && !offer.contains("m=audio 4000"), "the relay is between them: {offer}");
    hang_up(&router, &phone, &mut call);

    router.signal("-TERM");
    assert_eq!(router.ended(), Some(0));
    let calls = router.command(&["calls", "--json"]);
    let text = String::from_utf8_lossy(&calls.stdout).into_owned();
    assert!(text.contains("+491701112233") && text.contains("+493012340"), "{text}{calls:?}");
    assert!(!router.file.with_file_name("data").join("huntline.sock").exists());
}

/// A request of the transaction of the one before: an ACK to a refusal, a CANCEL.
fn once_more(peer: &Peer, method: &str, call: &Call<'_>) {
    peer.branches.set(peer.branches.get() - 1);
    peer.request(method, NUMBER, call, "", "");
}

#[test]
fn real_calls_are_exported_as_traces_and_play_again_as_they_were() {
    let mut router = Router::start("trace");
    let phone = router.phone();
    phone.register();
    let provider = &router.provider;

    let (mut call, _) = talk(&router, &phone, "talk");
    // The caller holds, which the router answers; the resumption crosses it, and its answer comes back.
    call.cseq += 1;
    provider.request("INVITE", "sip:us@127.0.0.1", &call, "", &format!("{OFFER}a=sendonly\r\n"));
    provider.response(200, "INVITE");
    provider.request("ACK", "sip:us@127.0.0.1", &call, "", "");
    call.cseq += 1;
    provider.request("INVITE", "sip:us@127.0.0.1", &call, "", &format!("{OFFER}a=ptime:20\r\n"));
    let resumed = phone.asked("INVITE");
    phone.respond(&resumed, "200 OK", OFFER);
    provider.response(200, "INVITE");
    provider.request("ACK", "sip:us@127.0.0.1", &call, "", "");
    phone.asked("ACK");
    hang_up(&router, &phone, &mut call);

    let busy = Call::new("busy", CUSTOMER, NUMBER);
    provider.request("INVITE", NUMBER, &busy, "", OFFER);
    let invite = phone.asked("INVITE");
    phone.respond(&invite, "486 Busy Here", "");
    phone.asked("ACK");
    let mut refused = busy;
    refused.answered(&provider.response(480, "INVITE"));
    once_more(provider, "ACK", &refused);

    let mut given_up = Call::new("given-up", CUSTOMER, NUMBER);
    provider.request("INVITE", NUMBER, &given_up, "", OFFER);
    let invite = phone.asked("INVITE");
    phone.respond(&invite, "180 Ringing", "");
    provider.response(180, "INVITE");
    once_more(provider, "CANCEL", &given_up);
    provider.response(200, "CANCEL");
    let cancel = phone.asked("CANCEL");
    phone.respond(&cancel, "200 OK", "");
    phone.respond(&invite, "487 Request Terminated", "");
    phone.asked("ACK");
    given_up.answered(&provider.response(487, "INVITE"));
    once_more(provider, "ACK", &given_up);

    // Who is answered now came after the ACK, which is thereby on the tape.
    provider.request("OPTIONS", NUMBER, &Call::new("last", CUSTOMER, NUMBER), "", "");
    provider.response(200, "OPTIONS");
    router.signal("-TERM");
    assert_eq!(router.ended(), Some(0));
    let calls: serde_json::Value = serde_json::from_slice(&router.command(&["calls", "--json"]).stdout).unwrap();
    let ids: Vec<&str> = calls.as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    for id in ids {
        let exported = router.command(&["calls", "show", id, "--trace"]);
        let text = String::from_utf8_lossy(&exported.stdout).into_owned();
        assert!(exported.status.success() && exported.stderr.is_empty(), "{exported:?}");
        assert!(text.contains("INVITE +493012340 from +491701112233") && !text.contains("secret-12"), "{text}");
        let file = router.file.with_file_name(format!("{id}.trace"));
        std::fs::write(&file, &text).unwrap();
        let replayed = router.command(&["replay", file.to_str().unwrap()]);
        let shown = String::from_utf8_lossy(&replayed.stdout).into_owned();
        assert_eq!(replayed.status.code(), Some(0), "{shown}{replayed:?}\n{text}");
        assert!(shown.trim_end().ends_with("lines, all as the file says"), "{shown}");
        // Whoever answers differently is found out.
        std::fs::write(&file, text.replace("fact  ended by", "fact  ended by nobody, not by")).unwrap();
        assert_eq!(router.command(&["replay", file.to_str().unwrap()]).status.code(), Some(1));
    }
}

#[test]
fn after_a_kill_the_phone_rings_without_registering_again() {
    let mut router = Router::start("kill");
    let phone = router.phone();
    phone.register();
    // On a slow disk the phone may be told before its binding is on record. What is set by hand is acknowledged once it is on
    // record, and all before it.
    for away in ["on", "off"] {
        assert!(router.command(&["away", "12", away]).status.success());
    }
    router.signal("-KILL");
    assert_eq!(router.ended(), None);
    let mut kills = 0;
    fastest(Duration::from_secs(3), || {
        kills += 1;
        let began = Instant::now();
        router.process = spawn(&router.file);
        let (mut call, _) = talk(&router, &phone, &format!("after-{kills}"));
        let took = began.elapsed();
        hang_up(&router, &phone, &mut call);
        router.signal("-KILL");
        assert_eq!(router.ended(), None);
        took
    });
}

#[test]
fn what_is_set_by_hand_is_shown_and_stands_after_a_kill() {
    let mut router = Router::start("by-hand");
    let say = |router: &Router, arguments: &[&str]| {
        let Output { status, stdout, stderr } = router.command(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout) + &text(stderr))
    };
    let done = |text: &str| (0, text.to_owned());
    let forward = say(&router, &["forward", "12", "no-answer", "(030) 12340"]);
    assert_eq!(forward, done("12 forwards no-answer to 03012340\n"));
    assert_eq!(say(&router, &["forward", "12", "busy", "+493012340"]), done("12 forwards busy to +493012340\n"));
    assert_eq!(say(&router, &["forward", "12", "busy", "off"]), done("12 forwards busy no longer\n"));
    let refused = [
        ("12", "the forward of 12 goes round"),
        ("+4930777", "no outbound rule for +4930777"),
        ("112", "112 is an emergency number"),
    ];
    for (to, why) in refused {
        assert_eq!(say(&router, &["forward", "12", "always", to]), (1, format!("huntline: {why}\n")));
    }
    assert_eq!(say(&router, &["away", "12", "on"]).0, 0);
    router.signal("-KILL");
    router.ended();
    router.process = spawn(&router.file);
    let (code, status) = say(&router, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let by_hand = serde_json::json!({
        "forwards": [{ "extension": "12", "when": "no-answer", "to": "03012340" }],
        "away": [{ "extension": "12", "until": null }],
        "overrides": [],
    });
    assert_eq!((code, &status["by_hand"]), (0, &by_hand));
    let (_, explained) = say(&router, &["explain", "--from", "+4930777", "--to", "+493012340", "--live"]);
    assert!(explained.contains("12 is away"), "{explained}");
}

#[test]
fn a_router_that_is_to_end_refuses_new_calls_and_waits_for_the_one_in_progress() {
    let mut router = Router::start("drain");
    let phone = router.phone();
    phone.register();
    let (mut call, _) = talk(&router, &phone, "talking");
    router.signal("-TERM");
    // The signal is on its way; until it arrives calls are taken, so one is offered after the other.
    let refused = (0..50).any(|attempt| {
        let late = Call::new(&format!("late-{attempt}"), CUSTOMER, NUMBER);
        router.provider.request("INVITE", NUMBER, &late, "", OFFER);
        let status = router.provider.next("a final response", |message| match message {
            SipMessage::Response(response)
                if response.cseq_header().is_ok_and(|cseq| cseq.value().ends_with("INVITE")) =>
            {
                Some(response.status_code.code()).filter(|status| *status >= 200)
            }
            _ => None,
        });
        status == 503
    });
    assert!(refused);
    hang_up(&router, &phone, &mut call);
    assert_eq!(router.ended(), Some(0));
}

#[test]
fn a_broken_config_changes_nothing_and_a_router_does_not_start_with_one() {
    let router = Router::start("reload");
    let good = std::fs::read_to_string(&router.file).unwrap();
    std::fs::write(&router.file, good.replace("extension:12", "extension:13")).unwrap();
    let reload = router.command(&["reload"]);
    assert!(!reload.status.success(), "{reload:?}");
    let said = String::from_utf8_lossy(&reload.stderr).into_owned();
    assert!(said.contains("13"), "{said}");
    let other = router.command(&["serve"]);
    assert!(!other.status.success() && !other.stderr.is_empty(), "{other:?}");

    let phone = router.phone();
    phone.register();
    let (mut call, _) = talk(&router, &phone, "as-before");
    hang_up(&router, &phone, &mut call);
    std::fs::write(&router.file, good).unwrap();
    let reload = router.command(&["reload"]);
    assert!(reload.status.success(), "{reload:?}");
}

#[test]
fn slow_and_silent_streams_hold_nobody_up() {
    let router = Router::start("streams");
    let mut open: HashMap<usize, TcpStream> = HashMap::new();
    for number in 0..40 {
        let mut stream = TcpStream::connect(router.address).unwrap();
        if number % 2 == 0 {
            stream.write_all(b"OPTIONS sip:us SIP/2.0\r\nVia: ").unwrap();
        }
        open.insert(number, stream);
    }
    let provider = &router.provider;
    let mut asked = 0;
    fastest(Duration::from_millis(500), || {
        asked += 1;
        let began = Instant::now();
        let options = Call::new(&format!("options-{asked}"), CUSTOMER, NUMBER);
        provider.request("OPTIONS", NUMBER, &options, "", "");
        provider.response(200, "OPTIONS");
        began.elapsed()
    });
    // Beyond the limit for one source a connection is closed at once.
    let mut last = open.remove(&39).unwrap();
    last.set_read_timeout(Some(SOON)).unwrap();
    assert!(matches!(last.read(&mut [0; 1]), Ok(0) | Err(_)));
}
