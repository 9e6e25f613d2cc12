//! What a call costs where there are ten, and where there are a hundred thousand: customers, extensions, bindings, calls
//! held, DIDs, groups, rules; and what it takes to begin and to begin anew with so many.
//!
//!     cargo bench --bench scale                                   the core in virtual time, its effects thrown away
//!     cargo bench --bench scale -- --large 20000                  another size
//!     cargo bench --bench scale -- --row held                     only the rows with that word, and the first
//!     cargo bench --bench scale -- --program target/release/huntline    a program with so many bindings to restore
//!
//! A call comes in on a trunk, is recognised as a customer's, rings the phone of their responsible (or of a group), is
//! answered, acknowledged and hung up. Its cost is the time within the core, the median of 2,000 calls, so that whatever else the
//! machine does is left out. Prints a table with the ratio of each row to the first; asserts nothing.
//!
//! Calls are held by somebody else and have been for a while: what they themselves still want (the ends of their transactions, 64·T1
//! after they began) is over before anything is measured, for that belongs to them and not to a new call. How many timers came due
//! within a measured call is printed: as many in every row.
//!
//! Instructions do not depend on how busy the machine is. They are counted for the measured calls alone with
//! `valgrind --tool=callgrind --toggle-collect='*House::cost*' target/release/deps/scale-… --row held --calls 200`.

#![allow(missing_docs)]
#![allow(clippy::disallowed_methods)] // Measures time; the core is told the time.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use huntline::clock::{Duration, Instant, Now, Timestamp};
use huntline::config::{Config, Nothing};
use huntline::customer::{CustomerIndex, Entry, Kind};
use huntline::effect::Effect;
use huntline::fact::{Fact, Noted};
use huntline::key::{Flow, Transport};
use huntline::number::PhoneNumber;
use huntline::registrar::Bound;
use huntline::sip::{HeaderName, Message, Method, Status, Writer};
use huntline::store;
use huntline::switch::{Input, Switch};

/// As in the program: another one may be as slow as its memory is torn, after a large config was read and forgotten.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const US: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
const PROVIDER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 10)), 5060);
const PHONE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 20)), 5060);
const SDP: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n";
/// Calls of which the median is taken, and those that only warm up.
const CALLS: usize = 2_000;
const WARMING: usize = 300;
/// How long calls have been held before others are measured: longer than 64·T1, in microseconds.
const REST: u64 = 60_000_000;
const SMALL: usize = 10;
/// A customer index names at most 65,535 employees.
const RESPONSIBLES: usize = 60_000;

/// How many there are of each.
#[derive(Clone, Copy)]
struct Size {
    extensions: usize,
    bindings: usize,
    customers: usize,
    dids: usize,
    groups: usize,
    rules: usize,
    held: usize,
}

const SMALLEST: Size = Size {
    extensions: SMALL,
    bindings: SMALL,
    customers: SMALL,
    dids: SMALL,
    groups: SMALL,
    rules: SMALL,
    held: SMALL,
};

fn main() {
    let (mut large, mut calls, mut row, mut program) = (100_000, CALLS, String::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--large" => large = arguments.next().and_then(|text| text.parse().ok()).expect("a number"),
            "--calls" => calls = arguments.next().and_then(|text| text.parse().ok()).expect("a number"),
            "--row" => row = arguments.next().expect("a word"),
            "--program" => program = arguments.next().map(PathBuf::from),
            "--bench" => {}
            other => panic!("{other}: no such option; there are --large, --calls, --row and --program"),
        }
    }
    match program {
        Some(program) => restored(&program, large),
        None => table(large, calls, &row),
    }
}

fn table(large: usize, calls: usize, word: &str) {
    let all = Size {
        extensions: large,
        bindings: large,
        customers: large,
        dids: large,
        groups: large,
        rules: large,
        held: large,
    };
    let rows = [
        ("ten of each", SMALLEST),
        ("customers", Size { customers: large, ..SMALLEST }),
        ("extensions", Size { extensions: large, ..SMALLEST }),
        ("extensions and their bindings", Size { extensions: large, bindings: large, ..SMALLEST }),
        ("DIDs", Size { dids: large, ..SMALLEST }),
        ("groups", Size { groups: large, ..SMALLEST }),
        ("outbound rules", Size { rules: large, ..SMALLEST }),
        ("calls held, each by somebody else", Size { held: large, dids: SMALL, groups: SMALL, rules: SMALL, ..all }),
        ("all of them", all),
        ("ten of each, again", SMALLEST),
    ];
    println!("a call at {SMALL} and at {large}; each number a median of {calls} calls");
    println!(
        "| {large} of | µs a call known | ratio | µs by a group | ratio | µs dialled by a rule | ratio | timers a call | read config, ms | configure, ms | again, ms | restore, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut first = None;
    for (name, size) in rows.into_iter().filter(|(name, _)| name.starts_with("ten") || name.contains(word)) {
        let (mut house, began) = House::new(size);
        house.timers = 0;
        let costs = [Way::Known, Way::Group, Way::Rule].map(|way| house.cost(way, calls));
        let timers = house.timers as f64 / (3 * (WARMING + calls)) as f64;
        let first = *first.get_or_insert(costs);
        let again = house.reload();
        let each = costs.iter().zip(first).map(|(cost, first)| format!("{cost:.1} | {:.2}", cost / first));
        let each = each.collect::<Vec<_>>().join(" | ");
        println!(
            "| {name} | {each} | {timers:.1} | {:.0} | {:.0} | {again:.0} | {:.0} |",
            began.read, began.configure, began.restore
        );
    }
}

/// How a call finds its way.
#[derive(Clone, Copy)]
enum Way {
    /// A customer's, to their responsible.
    Known,
    /// A stranger's, to a group.
    Group,
    /// A stranger's, on to a number outside by an outbound rule.
    Rule,
}

/// What it took to begin, in milliseconds.
struct Began {
    read: f64,
    configure: f64,
    restore: f64,
}

/// The core, and peers who always say the same.
struct House {
    switch: Switch,
    config: Arc<Config>,
    size: Size,
    now: Now,
    effects: Vec<Effect>,
    inputs: VecDeque<Input>,
    writer: Writer,
    serial: usize,
    /// The 200 to the INVITE of the present call.
    answer: Option<Message>,
    spent: std::time::Duration,
    /// How often something was due.
    timers: usize,
}

impl House {
    fn new(size: Size) -> (House, Began) {
        let text = text(size, Path::new("data"));
        let begun = std::time::Instant::now();
        let read = Config::read(Path::new("scale.toml"), &text, &Nothing);
        let config = Arc::new(read.unwrap_or_else(|problems| panic!("{problems}")).config);
        let read = millis(begun);
        let now = Now { mono: Instant::from_micros(1_000_000), wall: "2026-11-23T09:00:00Z".parse().expect("a time") };
        let mut house = House {
            switch: Switch::new(config.clone(), [7; 32], 0, now),
            config: config.clone(),
            size,
            now,
            effects: Vec::new(),
            inputs: VecDeque::new(),
            writer: Writer::default(),
            serial: 0,
            answer: None,
            spent: std::time::Duration::ZERO,
            timers: 0,
        };
        let begun = std::time::Instant::now();
        for nth in 0..size.bindings {
            let fact = Fact::Bound(Box::new(bound(nth, now.wall)));
            house.hear(Input::Restore(fact));
        }
        let restore = millis(begun);
        let mut customers = CustomerIndex::with_capacity(size.customers, size.customers);
        for nth in 0..size.customers {
            let (id, responsible) = (nth.to_string(), extension(nth % size.bindings.min(RESPONSIBLES)));
            let entry = Entry {
                id: &id,
                kind: Kind::Contact,
                name: "A customer",
                numbers: &[PhoneNumber::from_bits(customer(nth)).expect("a number")],
                responsible: Some(&responsible),
                changed: Timestamp::UNIX_EPOCH,
            };
            customers.upsert(&entry).expect("room for a customer");
        }
        house.hear(Input::Customers(Box::new(customers)));
        let begun = std::time::Instant::now();
        house.hear(Input::Configure(config));
        let configure = millis(begun);
        house.pass(5_000_000);
        for _ in 0..size.held {
            house.begin(Way::Known);
            house.pass(1_000);
        }
        house.pass(REST);
        (house, Began { read, configure, restore })
    }

    /// Microseconds of the core for a call from its INVITE to the end of its BYE, and 10 ms of whatever else is due.
    #[inline(never)] // Has its name in profiles.
    fn cost(&mut self, way: Way, calls: usize) -> f64 {
        let mut costs = Vec::with_capacity(calls);
        for nth in 0..WARMING + calls {
            self.spent = std::time::Duration::ZERO;
            let call = self.begin(way);
            self.pass(5_000);
            self.say(PROVIDER, call);
            self.pass(5_000);
            if nth >= WARMING {
                costs.push(self.spent.as_nanos() as f64 / 1e3);
            }
        }
        costs.sort_by(f64::total_cmp);
        costs[costs.len() / 2]
    }

    /// Milliseconds that calls wait while the same config comes into force again.
    fn reload(&mut self) -> f64 {
        let begun = std::time::Instant::now();
        self.hear(Input::Configure(self.config.clone()));
        millis(begun)
    }

    /// A call up to its ACK; what comes back is its BYE.
    fn begin(&mut self, way: Way) -> Bytes {
        self.serial += 1;
        let serial = self.serial;
        let from = match way {
            Way::Known => customer(serial * 7_919 % self.size.customers),
            Way::Group | Way::Rule => 49_160_000_000 + serial as u64,
        };
        let of = match way {
            Way::Known | Way::Group => self.size.dids,
            Way::Rule => SMALL,
        };
        let to = did(matches!(way, Way::Rule), serial * 7_919 % of);
        let sdp = String::from_utf8_lossy(SDP);
        self.answer = None;
        self.say(
            PROVIDER,
            format!(
                "INVITE sip:{to}@{US} SIP/2.0\r\nVia: SIP/2.0/UDP {PROVIDER};branch=z9hG4bK-{serial};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:+{from}@{}>;tag=c{serial}\r\nTo: <sip:{to}@{}>\r\nCall-ID: {serial}@scale\r\n\
                 CSeq: 1 INVITE\r\nContact: <sip:provider@{PROVIDER}>\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {}\r\n\r\n{sdp}",
                PROVIDER.ip(),
                US.ip(),
                SDP.len(),
            ),
        );
        let answer = self.answer.take().unwrap_or_else(|| panic!("call {serial} to {to} was not answered"));
        let line = |name| String::from_utf8_lossy(answer.header(name).unwrap_or_default()).into_owned();
        let request = |method: &str, number: u32| {
            let text = format!(
                "{method} sip:{US} SIP/2.0\r\nVia: SIP/2.0/UDP {PROVIDER};branch=z9hG4bK-{method}{serial};rport\r\n\
                 Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {serial}@scale\r\nCSeq: {number} {method}\r\n\
                 Content-Length: 0\r\n\r\n",
                line(HeaderName::From),
                line(HeaderName::To),
            );
            Bytes::from(text)
        };
        self.say(PROVIDER, request("ACK", 1));
        request("BYE", 2)
    }

    fn say(&mut self, from: SocketAddr, text: impl Into<Bytes>) {
        let message = Message::parse(text.into()).expect("a message");
        self.hear(Input::Message { flow: flow(from), message });
    }

    fn hear(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let begun = std::time::Instant::now();
            self.switch.handle(input, self.now, &mut self.effects);
            self.spent += begun.elapsed();
            self.carry_out();
        }
    }

    fn pass(&mut self, micros: u64) {
        let end = self.now.mono + Duration::from_micros(micros);
        while let Some(due) = self.switch.deadline().filter(|due| *due <= end) {
            self.now = self.now.after(due.max(self.now.mono).since(self.now.mono));
            self.timers += 1;
            let begun = std::time::Instant::now();
            self.switch.tick(self.now, &mut self.effects);
            self.spent += begun.elapsed();
            self.carry_out();
            while let Some(input) = self.inputs.pop_front() {
                self.hear(input);
            }
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    fn carry_out(&mut self) {
        let mut journaled = None;
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { flow, bytes } => self.leaves(flow, bytes),
                Effect::Fact(noted) => journaled = Some(noted.number),
                Effect::Resolve(name) => {
                    let addresses = name.literal().into_iter().collect();
                    self.inputs.push_back(Input::Resolved { name, addresses });
                }
                _ => {}
            }
        }
        self.effects = effects;
        self.inputs.extend(journaled.map(Input::Journaled));
    }

    fn leaves(&mut self, to: Flow, bytes: Bytes) {
        let Ok(message) = Message::parse(bytes) else { return };
        match message.status() {
            Some(status) if message.method() == Method::Invite && status.is_success() => self.answer = Some(message),
            Some(_) => {}
            None => {
                let answers: &[u16] = match message.method() {
                    Method::Ack => &[],
                    Method::Invite => &[180, 200],
                    _ => &[200],
                };
                for code in answers {
                    let bytes = self.answer_to(&message, *code, to.remote);
                    let message = Message::parse(bytes).expect("an answer");
                    self.inputs.push_back(Input::Message { flow: to, message });
                }
            }
        }
    }

    fn answer_to(&mut self, request: &Message, code: u16, who: SocketAddr) -> Bytes {
        let mut draft = self.writer.reply(request, Status::new(code).expect("a status"), "phone", US);
        draft.header(HeaderName::Contact, format!("<sip:phone@{who}>"));
        match request.method() == Method::Invite && code == 200 {
            true => draft.finish_with("application/sdp", SDP),
            false => draft.finish(),
        }
    }
}

/// Starts a program that has to restore so many bindings, and waits until it answers.
fn restored(program: &Path, bindings: usize) {
    let folder = std::env::temp_dir().join(format!("huntline-scale-{}", std::process::id()));
    let data = folder.join("data");
    std::fs::create_dir_all(&data).expect("a folder");
    let path = folder.join("scale.toml");
    std::fs::write(&path, text(Size { extensions: bindings, ..SMALLEST }, &data)).expect("a config");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a private config");
    let mut writer = store::Writer::open(&data).expect("a database");
    let now = Timestamp::now();
    let facts = (0..bindings).map(|nth| Fact::Bound(Box::new(bound(nth, now))));
    let facts: Vec<_> = facts.zip(1..).map(|(fact, number)| Noted { number, at: now, fact }).collect();
    writer.append(&facts).expect("room on the disk");
    drop(writer);
    for _ in 0..3 {
        let asker = UdpSocket::bind("127.0.0.40:0").expect("a port");
        asker.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out");
        let begun = std::time::Instant::now();
        let mut child = Command::new(program)
            .args(["serve", "--config"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        let here = asker.local_addr().expect("an address");
        let mut answer = [0; 4096];
        for nth in 0.. {
            let ask = format!(
                "OPTIONS sip:{US} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKs{nth}\r\nFrom: <sip:a@{here}>;tag=a{nth}\r\n\
                 To: <sip:{US}>\r\nCall-ID: {nth}@{here}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            );
            let _ = asker.send_to(ask.as_bytes(), US);
            if asker.recv(&mut answer).is_ok() {
                break;
            }
            assert!(child.try_wait().expect("a child").is_none(), "the program has ended");
        }
        println!("{bindings} bindings restored: it answers after {:.2} s", begun.elapsed().as_secs_f64());
        child.kill().expect("an end");
        child.wait().expect("an end");
    }
    let _ = std::fs::remove_dir_all(&folder);
}

fn text(size: Size, data: &Path) -> String {
    let mut text = format!(
        "[site]\nname = \"Scale\"\ntimezone = \"UTC\"\nnumbering = {{ country = \"49\", area = \"30\", national_prefix = \"0\", \
         international_prefix = \"00\" }}\n[sip]\nlisten = [\"udp://{US}\"]\nrealm = \"scale\"\n[media]\nmode = \"direct\"\n\
         [storage]\ndirectory = \"{}\"\n[[trunk]]\nname = \"provider\"\nserver = \"sip:{PROVIDER}\"\n\
         did_from = \"request-uri\"\nidentity_from = [\"from\"]\n",
        data.display(),
    );
    for nth in 0..size.extensions {
        let _ = write!(
            text,
            "[[extension]]\nnumber = \"{}\"\npassword = \"secret\"\ncall_waiting = true\nbusy = \"refuse:busy\"\n\
             no_answer = {{ after = \"20s\", to = \"refuse:unavailable\" }}\nunreachable = \"refuse:unavailable\"\n",
            extension(nth)
        );
    }
    for nth in 0..size.groups {
        let _ = write!(
            text,
            "[[group]]\nname = \"g{nth}\"\nstrategy = \"ring-all\"\nmembers = [\"{}\"]\nthen = \"refuse:unavailable\"\n",
            extension(nth % SMALL)
        );
    }
    for nth in 0..size.dids {
        let known = ["busy", "no_answer", "unreachable", "away", "outside_hours", "left"]
            .map(|why| format!(", {why} = \"plan\""));
        let _ = write!(
            text,
            "[[did]]\nnumber = \"{}\"\nknown = {{ to = \"responsible\", ring = \"20s\"{} }}\nopen = {{ to = \"group:g{}\" }}\n",
            did(false, nth),
            known.concat(),
            nth % size.groups
        );
    }
    for nth in 0..size.rules {
        let _ = write!(text, "[[outbound]]\nmatch = \"+39{nth:06}*\"\ntrunks = [\"provider\"]\n");
    }
    for nth in 0..SMALL {
        let outside = nth * 7_919 % size.rules;
        let _ = write!(
            text,
            "[[did]]\nnumber = \"{}\"\nopen = {{ to = [\"number:+39{outside:06}1234\", \"refuse:unavailable\"] }}\n",
            did(true, nth)
        );
    }
    text
}

fn extension(nth: usize) -> String {
    format!("{}", 2_000_000 + nth)
}

/// Those whose calls go on outside begin with another digit.
fn did(outside: bool, nth: usize) -> String {
    format!("+49{}{:07}", if outside { "31" } else { "30" }, nth)
}

fn customer(nth: usize) -> u64 {
    491_700_000_000 + nth as u64
}

fn bound(nth: usize, now: Timestamp) -> Bound {
    let user = extension(nth);
    Bound {
        identity: format!("sip:{user}@{PHONE}"),
        contact: format!("sip:{user}@{PHONE}"),
        path: Vec::new(),
        transport: Transport::Udp,
        local: US,
        remote: PHONE,
        call_id: format!("{user}-register"),
        cseq: 1,
        granted: 3600,
        expires: now.checked_add(Duration::from_secs(3600)).expect("a time"),
        echo: String::new(),
        user_agent: "Scale".into(),
        extension: user.into(),
    }
}

fn flow(remote: SocketAddr) -> Flow {
    Flow { transport: Transport::Udp, local: US, remote, connection: 0 }
}

fn millis(since: std::time::Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
