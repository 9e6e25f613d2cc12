//! `huntline doctor`, the real program over real sockets: a healthy office has nothing to complain of, and each sickness is
//! found, and nothing else.
//!
//! What depends on the machine under the test (how fast its disk is, what it allows, whether something keeps its clock
//! right) is asked and not judged here; the functions that judge it have tests of their own.

#![allow(clippy::disallowed_methods)] // a stand-in tells the real time

mod own_address;
mod served;

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use huntline::clock::Timestamp;
use huntline::entropy::Entropy;
use huntline::sip::digest::{Answerer, Asker, Tried};
use huntline::sip::{HeaderName, Message};
use own_address::own_address;
use serde_json::Value;
use served::{Served, huntline, serve};

/// A provider that answers whatever it is asked with one status, and says a time.
struct Provider {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Provider {
    /// `ahead`: its clock, in seconds before ours.
    fn start(status: &'static str, ahead: i64) -> Provider {
        let socket = UdpSocket::bind((own_address(), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (address, over) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let ended = over.clone();
        std::thread::spawn(move || {
            let mut room = [0; 65_536];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut room) else { continue };
                let request = String::from_utf8_lossy(&room[..length]).into_owned();
                let copied = |line: &&str| {
                    ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(&format!("{name}:")))
                };
                let copied: Vec<&str> = request.lines().filter(copied).collect();
                let status =
                    if request.starts_with("OPTIONS") && !status.starts_with("503") { "200 OK" } else { status };
                let date = Timestamp::from_second(Timestamp::now().as_second() + ahead).unwrap();
                let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
                let answer =
                    format!("SIP/2.0 {status}\r\n{}\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n", copied.join("\r\n"));
                _ = socket.send_to(answer.as_bytes(), from);
            }
        });
        Provider { address, over }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// An office in a folder of its own, and perhaps its router.
struct Office {
    folder: PathBuf,
    sip: SocketAddr,
    router: Option<Served>,
    phones: Vec<UdpSocket>,
}

/// What is wrong: state, subject, what was looked at, what was found.
type Wrong = (String, String, String, String);

impl Office {
    fn new(name: &str, trunk: &str) -> Office {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let sip = UdpSocket::bind((own_address(), 0)).unwrap().local_addr().unwrap();
        let office = Office { folder, sip, router: None, phones: Vec::new() };
        office.write(&format!(
            "[site]\ntimezone = \"Europe/Berlin\"\n\n[sip]\nlisten = [\"udp://{sip}\", \"tcp://{sip}\"]\nrealm = \"office\"\n\n\
             [media]\nports = \"20000-20399\"\n\n[storage]\ndirectory = \"data\"\n\n{trunk}\n\
             [[extension]]\nnumber = \"201\"\npassword = \"secret\"\n"
        ));
        office
    }

    fn write(&self, text: &str) {
        std::fs::write(self.folder.join("office.toml"), text).unwrap();
        self.mode(0o600);
    }

    fn mode(&self, mode: u32) {
        std::fs::set_permissions(self.folder.join("office.toml"), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        huntline(&self.folder, arguments)
    }

    fn start(mut self) -> Office {
        self.router = Some(serve(self.command(&["serve"]).env("HUNTLINE_LOG", "error")));
        self
    }

    /// A phone registers as 201.
    fn with_phone(mut self, agent: &str) -> Office {
        let phone = UdpSocket::bind((own_address(), 0)).unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (own, mut entropy) = (phone.local_addr().unwrap(), Entropy::seeded([7; 32], 0));
        let (mut answerer, mut tried) = (Answerer::new("201", "secret"), Tried::default());
        for cseq in 1.. {
            let proofs = answerer.authorize(b"REGISTER", b"sip:office", &mut entropy);
            let proofs =
                proofs.iter().map(|(_, value)| format!("Authorization: {}\r\n", String::from_utf8_lossy(value)));
            let request = format!(
                "REGISTER sip:office SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{cseq};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:201@office>;tag=a\r\nTo: <sip:201@office>\r\nCall-ID: phone-{own}\r\nCSeq: {cseq} REGISTER\r\n\
                 Contact: <sip:201@{own}>\r\nExpires: 600\r\nUser-Agent: {agent}\r\n{}Content-Length: 0\r\n\r\n",
                proofs.collect::<String>()
            );
            phone.send_to(request.as_bytes(), self.sip).unwrap();
            let mut room = [0; 65_536];
            let length = phone.recv(&mut room).unwrap();
            let answer = Message::parse(Bytes::copy_from_slice(&room[..length])).unwrap();
            match answer.status().unwrap().code() {
                200 => break,
                401 => {
                    answerer.challenged(Asker::Server, answer.headers(HeaderName::WwwAuthenticate), &mut tried).unwrap()
                }
                other => panic!("{other}"),
            }
        }
        self.phones.push(phone);
        self
    }

    /// Waits until the router's status says so.
    fn once(self, what: impl Fn(&Value) -> bool) -> Office {
        for _ in 0..600 {
            let status = self.command(&["status", "--json"]).output().unwrap().stdout;
            if what(&serde_json::from_slice(&status).unwrap()) {
                return self;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the router does not come to that");
    }

    fn trunk_is(self, standing: &str) -> Office {
        self.once(|status| status["trunks"][0]["standing"] == *standing)
    }

    /// All findings, and the exit code.
    fn findings(&self) -> (Vec<Value>, i32) {
        let output = self.command(&["doctor", "--json"]).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (said["findings"].as_array().unwrap().clone(), output.status.code().unwrap())
    }

    /// What is wrong that is not the machine's own.
    fn wrong(&self) -> (Vec<Wrong>, i32) {
        let (findings, code) = self.findings();
        let machine = [
            ("disk", "writing"),
            ("disk", "room"),
            ("disk", "inodes"),
            ("ports", "media.ports"),
            ("clock", "NTP"),
            ("limits", "open files"),
            ("limits", "UDP buffer"),
        ];
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let of_machine = |finding: &&Value| {
            machine
                .iter()
                .any(|(subject, what)| finding["subject"] == *subject && text(finding, "what").starts_with(what))
        };
        let wrong = findings.iter().filter(|finding| finding["state"] != "ok" && !of_machine(finding));
        let wrong = wrong.map(|one| {
            assert!(!text(one, "advice").is_empty(), "{one}");
            (text(one, "state"), text(one, "subject"), text(one, "what"), text(one, "found"))
        });
        (wrong.collect(), code)
    }

    /// That this alone is wrong; what was found of it.
    fn only(&self, state: &str, subject: &str, what: &str) -> String {
        let (wrong, code) = self.wrong();
        let [(is, about, looked_at, found)] = &wrong[..] else { panic!("{wrong:#?}") };
        assert_eq!((is.as_str(), about.as_str(), looked_at.as_str()), (state, subject, what), "{found}");
        if state == "fail" {
            assert_eq!(code, 1);
        }
        found.clone()
    }

    /// The same where no router runs, which is said, too.
    fn only_besides_no_router(&self, state: &str, subject: &str, what: &str) -> String {
        let (wrong, code) = self.wrong();
        let is_that = |(_, subject, what, _): &&Wrong| subject == "router" && what == "control socket";
        assert!(code == 1 && wrong.iter().any(|one| is_that(&one)), "{wrong:#?}");
        let rest: Vec<&Wrong> = wrong.iter().filter(|one| !is_that(one)).collect();
        let [(is, about, looked_at, found)] = &rest[..] else { panic!("{rest:#?}") };
        assert_eq!((is.as_str(), about.as_str(), looked_at.as_str()), (state, subject, what), "{found}");
        found.clone()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.router = None;
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn trunk(server: SocketAddr) -> String {
    format!("[[trunk]]\nname = \"provider\"\nserver = \"sip:{server}\"\n")
}

fn account(server: SocketAddr) -> String {
    format!("{}register = {{ user = \"office\", password = \"trunk-secret\" }}\n", trunk(server))
}

/// Without an extension that waits for a phone: a doctor without a router would miss it.
fn without_phones(office: Office) -> Office {
    let text = std::fs::read_to_string(office.folder.join("office.toml")).unwrap();
    office.write(text.split("[[extension]]").next().unwrap());
    office
}

#[test]
fn a_healthy_office_has_nothing_to_complain_of() {
    let provider = Provider::start("200 OK", 0);
    let office =
        Office::new("healthy", &trunk(provider.address)).start().with_phone("Yealink SIP-T46S 66").trunk_is("up");
    assert_eq!(office.wrong().0, []);
    let (findings, _) = office.findings();
    let subjects: Vec<&str> = findings.iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
    for subject in ["config", "router", "ports", "address", "names", "trunks", "phones", "clock", "disk", "limits"] {
        assert!(subjects.contains(&subject), "{subject}: {subjects:?}");
    }
    let found =
        |what: &str| findings.iter().find(|one| one["what"] == *what).unwrap()["found"].as_str().unwrap().to_owned();
    assert_eq!(found("registered"), "1 of 1 extensions have a phone");
    assert_eq!(found(&format!("sip.listen udp://{}", office.sip)), "held by the running router");
    assert_eq!(found("compared"), "within 5 s of trunk provider");
    assert!(found("provider").contains(" answers 200 after "), "{}", found("provider"));
    assert!(found("database").starts_with("whole; "), "{}", found("database"));
    let text = String::from_utf8(office.command(&["doctor"]).output().unwrap().stdout).unwrap();
    assert!(
        text.starts_with("config\n  ok    who may read it") && text.contains("\ntrunks\n  ok    provider"),
        "{text}"
    );
    assert!(text.contains(" ok, ") && text.ends_with(" failed\n"), "{text}");
}

#[test]
fn a_config_that_others_can_read_or_that_is_not_in_force_is_told() {
    let provider = Provider::start("200 OK", 0);
    let office = Office::new("mode", &trunk(provider.address)).start().with_phone("Snom").trunk_is("up");
    office.mode(0o644);
    assert!(office.only("warn", "config", "who may read it").starts_with("mode 644"));
    let text = std::fs::read_to_string(office.folder.join("office.toml")).unwrap();
    office.write(&format!("{text}# edited\n"));
    let found = office.only("warn", "config", "in force");
    assert!(found.contains(", and office.toml is "), "{found}");
}

#[test]
fn a_config_that_cannot_be_read_or_followed_is_all_that_is_told() {
    let office = Office::new("broken", "");
    office.write("[[group]]\nname = \"sales\"\nmembers = [\"204\"]\n");
    let (wrong, code) = office.wrong();
    assert_eq!((wrong.len(), code), (1, 1), "{wrong:#?}");
    assert!(wrong[0].3.starts_with("line 3: group \"sales\".members: there is no extension \"204\""), "{wrong:#?}");
    std::fs::remove_file(office.folder.join("office.toml")).unwrap();
    assert!(office.only("fail", "config", "office.toml").contains("this file cannot be read: No such file"));
}

#[test]
fn a_port_that_another_program_has_is_told_with_the_program() {
    let provider = Provider::start("200 OK", 0);
    let office = without_phones(Office::new("port", &trunk(provider.address)));
    std::fs::create_dir(office.folder.join("data")).unwrap();
    let _taken = UdpSocket::bind(office.sip).unwrap();
    let found = office.only_besides_no_router("fail", "ports", &format!("sip.listen udp://{}", office.sip));
    assert!(
        found.starts_with("taken by doctor") && found.ends_with(&format!(", process {}", std::process::id())),
        "{found}"
    );
}

#[test]
fn a_name_that_means_nothing_is_told() {
    let office = Office::new("name", "[[trunk]]\nname = \"provider\"\nserver = \"sip:sip.provider.invalid\"\n")
        .start()
        .with_phone("Snom");
    // What a dead DNS server says and what a living one does differ; the finding does not.
    office.only("fail", "names", "sip.provider.invalid");
}

#[test]
fn a_provider_that_does_not_answer_is_told_and_so_is_one_that_is_not_well() {
    let silent = UdpSocket::bind((own_address(), 0)).unwrap();
    let server = silent.local_addr().unwrap();
    let office = Office::new("silent", &trunk(server)).start().with_phone("Snom");
    let found = office.only("fail", "trunks", "provider");
    assert!(found.starts_with(&format!("{server} over udp: no answer within 3 s; the router says: ")), "{found}");
    let provider = Provider::start("503 Service Unavailable", 0);
    let office = Office::new("unwell", &trunk(provider.address)).start().with_phone("Snom").trunk_is("down");
    let found = office.only("fail", "trunks", "provider");
    assert!(found.ends_with("answers 503: it is not well; the router says: down, it answers 503"), "{found}");
}

#[test]
fn a_provider_that_refuses_our_password_is_told_with_and_without_a_router() {
    let provider = Provider::start("403 Forbidden", 0);
    let office = without_phones(Office::new("refused", &account(provider.address)));
    std::fs::create_dir(office.folder.join("data")).unwrap();
    let found = office.only_besides_no_router("fail", "trunks", "provider as office");
    assert_eq!(found, "it refuses our user or password (403)");
    let office = office.start().trunk_is("down");
    let found = office.only("fail", "trunks", "provider as office");
    assert_eq!(found, "not registered; the router says: down, registration: it answers 403");
}

#[test]
fn a_clock_that_is_wrong_is_told_by_what_others_say() {
    let provider = Provider::start("200 OK", 7200);
    let office = Office::new("clock", &trunk(provider.address)).start().with_phone("Snom").trunk_is("up");
    let found = office.only("fail", "clock", "compared");
    assert!(found.contains(" s behind trunk provider; nobody else says a time"), "{found}");
}

#[test]
fn an_employee_without_a_phone_and_one_whose_phone_sleeps_are_told() {
    let provider = Provider::start("200 OK", 0);
    let office = Office::new("phones", &trunk(provider.address));
    let text = std::fs::read_to_string(office.folder.join("office.toml")).unwrap();
    office.write(&format!("{text}\n[[extension]]\nnumber = \"202\"\npassword = \"secret\"\n"));
    let office = office.start().with_phone("Snom").trunk_is("up");
    assert_eq!(office.only("warn", "phones", "202"), "no phone has registered");
    office.write(&text);
    assert!(office.command(&["reload"]).output().unwrap().status.success());
    let office = office.with_phone("LinphoneAndroid/5.2 (Pixel 8)");
    let found = office.only("warn", "phones", "201 (LinphoneAndroid/5.2 (Pixel 8))");
    assert!(found.starts_with("may sleep: "), "{found}");
    // Of an office in which nobody has a phone that is the one thing to say.
    let office = Office::new("nobody", &trunk(provider.address)).start().trunk_is("up");
    assert_eq!(office.only("fail", "phones", "registered"), "0 of 1 extensions have a phone");
}

#[test]
fn a_database_that_is_damaged_is_told() {
    let provider = Provider::start("200 OK", 0);
    let office = without_phones(Office::new("damaged", &trunk(provider.address)));
    std::fs::create_dir(office.folder.join("data")).unwrap();
    std::fs::write(
        office.folder.join("data/huntline.db"),
        "this is no database, and it is long enough to be read as one",
    )
    .unwrap();
    let found = office.only_besides_no_router("fail", "disk", "database");
    assert!(found.contains("huntline.db: could not "), "{found}");
}

#[test]
fn where_everything_is_dead_the_doctor_comes_back_nevertheless() {
    let silent = UdpSocket::bind((own_address(), 0)).unwrap().local_addr().unwrap();
    let deaf: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind((own_address(), 0)).unwrap()).collect();
    let trunks = deaf
        .iter()
        .zip(["a", "b", "c"])
        .map(|(socket, name)| account(socket.local_addr().unwrap()).replace("provider", name));
    let more = format!(
        "{}[[trunk]]\nname = \"nowhere\"\nserver = \"sip:nowhere.invalid\"\n[mail]\nserver = \"{}:{}\"\ntls = \"none\"\nfrom = \"a@b.example\"\n\
         [[webhook]]\nname = \"hook\"\nurl = \"http://hook.invalid/\"\nsecret = \"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"\n",
        trunks.collect::<String>(),
        silent.ip(),
        silent.port()
    );
    let (wrong, code) = without_phones(Office::new("dead", &more)).wrong();
    let about = |subject: &str| wrong.iter().filter(|one| one.1 == subject).count();
    assert_eq!(
        (about("trunks"), about("names"), about("outside"), about("router"), code),
        (3, 2, 1, 1, 1),
        "{wrong:#?}"
    );
}
