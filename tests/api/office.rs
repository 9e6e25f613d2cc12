//! The office of these tests: a router with the calls, promises and messages of a morning, and a client that shares nothing
//! with the server.

#[path = "../served/mod.rs"]
mod served;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use huntline::clock::Timestamp;
use huntline::customer::Kind;
use huntline::fact::{
    CallFact, Ended, EndedBy, Fact, KnownCustomer, MissedCause, Noted, Offered, Party, Recorded, RecordingOf, Rung,
    Whom,
};
use huntline::key::CallId;
use huntline::media::record::shape::Shape;
use huntline::route::Direction;
use huntline::store::{CustomerRow, Writer};
use serde_json::Value;
use served::{Served, huntline, serve};

/// How long an answer may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A router that serves its API.
pub struct Office {
    pub folder: PathBuf,
    pub web: SocketAddr,
    router: Option<Served>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The answer, where it is of this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The sentence of a refusal.
    #[track_caller]
    pub fn detail(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

const CONFIG: &str = r#"# An office for programs.
[site]
name = "Stroymarket"
timezone = "Europe/Moscow"
numbering = { country = "7", area = "495", national_prefix = "8", international_prefix = "810" }

[sip]
listen = ["udp://127.0.0.73:0"]
realm = "office.example"

[storage]
directory = "data"

[web]
listen = "WEB"

[[trunk]]
name = "mango"
server = "sip:127.0.0.74:5999"

[[extension]]
number = "201"
name = "Ivan"
password = "secret-201" # of Ivan

[[extension]]
number = "202"
name = "Vasyl"
password = "secret-202"

[[group]]
name = "sales"
members = ["201", "202"]
patience = "20s"
then = "voicemail:sales"

[[voicemail]]
name = "sales"
for = ["201"]

[[voicemail]]
name = "service"
for = ["202"]

[[schedule]]
name = "office"
open = ["mon-fri 09:00-18:00"]

[[did]]
number = "+74951234567"
source = "site"
schedule = "office"
open = { to = "group:sales" }
closed = { to = "voicemail:sales" }

[[outbound]]
match = "+7*"
trunks = ["mango"]
caller_id = "+74951234567"
"#;

impl Office {
    /// With its morning, and running.
    pub fn start(name: &str) -> Office {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("api-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("data")).unwrap();
        // The port is free for whoever asks next; nobody else listens on this address of the loopback.
        let web = TcpListener::bind("127.0.0.73:0").unwrap().local_addr().unwrap();
        let mut office = Office { folder, web, router: None };
        office.configure(&CONFIG.replace("WEB", &web.to_string()));
        morning(&office);
        office.serve();
        office
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join("office.toml")
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.file(), text).unwrap();
        // Readable by others, a config with passwords is a warning of its own.
        std::fs::set_permissions(self.file(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        huntline(&self.folder, arguments)
    }

    /// Standard output, standard error, exit code.
    pub fn run(&self, arguments: &[&str]) -> (String, String, i32) {
        let Output { stdout, stderr, status } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr), status.code().unwrap())
    }

    /// A token with these scopes, of this employee or of the whole company.
    #[track_caller]
    pub fn token(&self, name: &str, user: Option<&str>, scopes: &[&str]) -> String {
        let scopes = scopes.join(",");
        let mut arguments = vec!["token", "add", "--name", name, "--scope", &scopes];
        if let Some(user) = user {
            arguments.extend(["--user", user]);
        }
        let (out, err, code) = self.run(&arguments);
        assert_eq!(code, 0, "{err}");
        out.trim().to_owned()
    }

    pub fn serve(&mut self) {
        self.router = Some(serve(self.command(&["serve"]).env("HUNTLINE_LOG", "error")));
    }

    pub fn kill(&mut self) {
        self.router = None;
    }

    #[track_caller]
    pub fn get(&self, token: &str, path: &str) -> Answer {
        self.ask("GET", path, &[&format!("Authorization: Bearer {token}")], b"")
    }

    #[track_caller]
    pub fn send(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with(token, method, path, &[], body)
    }

    #[track_caller]
    pub fn send_with(&self, token: &str, method: &str, path: &str, headers: &[&str], body: &Value) -> Answer {
        let who = format!("Authorization: Bearer {token}");
        let mut all = vec![who.as_str(), "Content-Type: application/json"];
        all.extend(headers);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.ask(method, path, &all, &body)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.web).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.web);
        headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses early need not read on.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let end =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: no head"));
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let answer = Answer { status, headers, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            return Answer { body: unchunked(&answer.body), ..answer };
        }
        answer
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// `seconds` after ten on a Monday morning in Moscow.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second("2026-11-23T07:00:00Z".parse::<Timestamp>().unwrap().as_second() + seconds).unwrap()
}

pub fn call(seconds: i64) -> CallId {
    CallId::new(at(seconds), 1)
}

/// The file of the talk of the call at 0.
pub const TALK: &str = "recordings/2026-11-23/talk.wav";
/// The message in Sales' box.
pub const MESSAGE: &str = "voicemail/sales/2026-11-23-100000-first.wav";
/// The message in Service's box.
pub const OTHERS: &str = "voicemail/service/2026-11-23-110000-second.wav";

/// Ada talks with 201, whose customer she is, and it is recorded. Bob, whose responsible is 202, rings 202 and gives up.
/// Eve reaches nobody. Somebody leaves a message in each box.
fn morning(office: &Office) {
    let number = |text: &str| text.parse().unwrap();
    let row = |id: &str, name: &str, responsible: Option<&str>, numbers: &[&str]| CustomerRow {
        id: id.into(),
        kind: Kind::Contact,
        name: name.into(),
        responsible: responsible.map(Into::into),
        numbers: numbers.iter().map(|text| number(text)).collect(),
        provisional: false,
    };
    let customers = [
        row("crm-1", "Ada Byron", Some("201"), &["+79161234567", "+74957770001"]),
        row("crm-2", "Bob Ross", Some("202"), &["+79162222222"]),
    ];
    let mut facts = Vec::new();
    let mut offer = |seconds: i64, from: &str, customer: Option<(&str, &str, &str)>, steps: Vec<(i64, CallFact)>| {
        let offered = Offered {
            direction: Direction::Inbound,
            from: Party { number: Some(from.parse().unwrap()), ..Party::default() },
            to: Party { number: Some("+74951234567".parse().unwrap()), ..Party::default() },
            did: Some("+74951234567".into()),
            source: Some("site".into()),
            trunk: Some("mango".into()),
            customer: customer.map(|(id, name, responsible)| KnownCustomer {
                id: id.into(),
                name: name.into(),
                responsible: Some(responsible.into()),
            }),
            emergency: false,
            reference: None,
            sip_call_id: format!("{seconds}@mango"),
            because: Vec::new(),
            considered: Vec::new(),
            plan: "1. group:sales, 201 from 0 s to 20 s".into(),
        };
        facts.push((seconds, Fact::Call(call(seconds), CallFact::Offered(Box::new(offered)))));
        facts.extend(steps.into_iter().map(|(at, step)| (at, Fact::Call(call(seconds), step))));
    };
    let rung = |leg: u16, who: &str| {
        let device = format!("sip:{who}@192.168.0.9").into();
        CallFact::Rung(vec![Rung { leg, whom: Whom::Extension(who.into()), device }])
    };
    let missed = |cause| Ended { by: EndedBy::Caller, status: 487, missed: Some(cause), talk_ms: 0 };
    let talked = Ended { by: EndedBy::Caller, status: 200, missed: None, talk_ms: 60_000 };
    offer(
        0,
        "+79161234567",
        Some(("crm-1", "Ada Byron", "201")),
        vec![
            (0, rung(1, "201")),
            (5, CallFact::Answered { leg: 1, human: true }),
            (5, CallFact::Recording { file: TALK.into(), of: RecordingOf::Talk }),
            (65, CallFact::Ended(talked)),
            (66, CallFact::Traced { ladder: "mango -> us   INVITE".into(), tape: None }),
        ],
    );
    offer(
        100,
        "+79162222222",
        Some(("crm-2", "Bob Ross", "202")),
        vec![(100, rung(1, "202")), (120, CallFact::Ended(missed(MissedCause::Abandoned)))],
    );
    offer(200, "+79163333333", None, vec![(220, CallFact::Ended(missed(MissedCause::Abandoned)))]);
    let recorded = |seconds: i64, file: &str, of: RecordingOf| {
        let from = Party { number: Some("+79161234567".parse().unwrap()), ..Party::default() };
        let recorded = Recorded {
            call: call(seconds),
            file: file.into(),
            of,
            from,
            began: at(seconds + 5),
            length_ms: 1_000,
            speech_ms: 1_000,
            lost_ms: 0,
            failed: None,
        };
        (seconds + 70, Fact::Recorded(Box::new(recorded)))
    };
    let of = |mailbox: &str| RecordingOf::Message { mailbox: mailbox.into() };
    facts.push(recorded(0, TALK, RecordingOf::Talk));
    facts.push(recorded(100, OTHERS, of("service")));
    facts.push(recorded(200, MESSAGE, of("sales")));
    for file in [TALK, MESSAGE, OTHERS] {
        let path = office.folder.join("data").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let shape = Shape { rate: 8_000, channels: 1 };
        let samples = (0..8_000i16).flat_map(i16::to_le_bytes);
        std::fs::write(path, shape.header(16_000).into_iter().chain(samples).collect::<Vec<u8>>()).unwrap();
    }
    let noted = facts.into_iter().zip(1..).map(|((seconds, fact), number)| Noted { number, at: at(seconds), fact });
    let mut writer = Writer::open(&office.folder.join("data")).unwrap();
    writer.put_customers(&customers, at(0)).unwrap();
    writer.append(&noted.collect::<Vec<_>>()).unwrap();
}
