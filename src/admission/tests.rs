//! Providers, phones, doors and strangers before the doorkeeper.

use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::clock::{Deadlines, Now};
use crate::config::Nothing;
use crate::host::Host;
use crate::key::Transport;
use crate::registration::{Due, Ground, Purpose};
use crate::sip::Writer;
use crate::sip::digest::{Answerer, Asker, Tried};
use crate::transaction::{Hand, Timer, Transactions, Wire};

const OFFICE: &str = r#"
[sip]
realm = "office.example"
[[trunk]]
name = "mango"
server = "sip:203.0.113.5:5060"
from = ["198.51.100.0/24"]
[[extension]]
number = "12"
password = "secret-12"
[[extension]]
number = "14"
password = "secret-14"
[[extension]]
number = "door"
devices = [{ address = "sip:192.168.0.40:5060" }]
[[extension]]
number = "left"
password = "secret-left"
active = false
"#;

struct Silence;

impl Wire for Silence {
    fn send(&mut self, _: Flow, _: Bytes) {}
}

#[derive(Debug)]
struct Any;

impl From<Timer> for Any {
    fn from(_: Timer) -> Any {
        Any
    }
}

impl From<Due> for Any {
    fn from(_: Due) -> Any {
        Any
    }
}

impl From<crate::registrar::Due> for Any {
    fn from(_: crate::registrar::Due) -> Any {
        Any
    }
}

struct Door {
    config: Config,
    trunks: Trunks,
    registrar: Registrar,
    keeper: Doorkeeper,
    entropy: Entropy,
}

impl Door {
    fn new() -> Door {
        let config = Config::read(Path::new("office.toml"), OFFICE, &Nothing).unwrap_or_else(|p| panic!("{p}")).config;
        let mut entropy = Entropy::seeded([3; 32], 0);
        let mut servers = Servers::default();
        servers.configure(&config);
        let (mut trunks, mut transactions) = (Trunks::default(), Transactions::<Purpose>::new(10, &mut entropy));
        let (mut deadlines, mut wire) = (Deadlines::<Any>::default(), Silence);
        trunks.configure(
            &config,
            &mut Ground {
                host: &Host::new(&config),
                servers: &servers,
                transactions: &mut transactions,
                entropy: &mut entropy,
                writer: &mut Writer::default(),
                hand: &mut Hand { now: now(), deadlines: &mut deadlines, wire: &mut wire },
                news: &mut Vec::new(),
            },
        );
        let mut registrar = Registrar::default();
        let phone = "Contact: <sip:12@192.168.0.12>\r\n";
        let register = request("REGISTER", "12", "12", phone);
        registrar.register(&"12".into(), &register, flow("192.168.0.12:5060"), now(), &mut deadlines).unwrap();
        let keeper = Doorkeeper::new(&config, &servers, &mut entropy);
        Door { config, trunks, registrar, keeper, entropy }
    }

    fn admit(&mut self, message: &Message, from: &str) -> Admission {
        let known = Known { config: &self.config, trunks: &self.trunks, registrar: &self.registrar };
        self.keeper.admit(message, &flow(from), known, now().mono)
    }

    fn who(&mut self, message: &Message, from: &str) -> String {
        match self.admit(message, from) {
            Admission::Trunk(trunk) => format!("trunk {}", self.config.trunk(trunk).name),
            Admission::Extension(extension) => format!("extension {}", self.config.extension(extension).number),
            Admission::Challenge { .. } => "challenge".to_owned(),
            Admission::Impostor(_) => "403".to_owned(),
            Admission::Refused(refusal) => refusal.status().code().to_string(),
        }
    }

    /// The same request, once more with `user`'s digest to its challenge.
    fn proven(&mut self, user: &str, password: &str, method: &str, from_user: &str, headers: &str) -> Message {
        let to = if method == "REGISTER" { from_user } else { "14" };
        let plain = request(method, from_user, to, headers);
        let Admission::Challenge { values: challenges, .. } = self.admit(&plain, "192.168.0.99:5060") else {
            panic!("not challenged")
        };
        let mut answerer = Answerer::new(user, password);
        let values = challenges.iter().map(String::as_bytes);
        answerer.challenged(Asker::Server, values, &mut Tried::default()).unwrap();
        let uri = plain.request_uri().unwrap().as_str().to_owned();
        let proofs = answerer.authorize(method.as_bytes(), uri.as_bytes(), &mut self.entropy);
        let lines = proofs.iter().map(|(_, value)| format!("Authorization: {}\r\n", String::from_utf8_lossy(value)));
        request(method, from_user, to, &format!("{headers}{}", lines.collect::<String>()))
    }
}

fn now() -> Now {
    Now { mono: Instant::from_micros(1_000_000), wall: "2026-11-23T09:00:00Z".parse().unwrap() }
}

fn flow(from: &str) -> Flow {
    let local = "192.168.0.1:5060".parse().unwrap();
    Flow { transport: Transport::Udp, local, remote: from.parse().unwrap(), connection: 0 }
}

fn request(method: &str, from: &str, to: &str, headers: &str) -> Message {
    let text = format!(
        "{method} sip:{to}@office.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n\
         From: <sip:{from}>;tag=1\r\nTo: <sip:{to}@office.example>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\n{headers}\r\n",
        from = if from.contains('@') { from.to_owned() } else { format!("{from}@office.example") },
    );
    Message::parse(Bytes::from(text)).unwrap_or_else(|malformed| panic!("{malformed}"))
}

#[test]
fn everybody_is_known_by_where_they_come_from_or_asked() {
    for (method, from_user, source, who) in [
        ("INVITE", "+49301234", "203.0.113.5:5060", "trunk mango"),
        ("INVITE", "+49301234", "203.0.113.5:9999", "trunk mango"),
        ("INVITE", "+49301234", "198.51.100.200:5060", "trunk mango"),
        ("INVITE", "+49301234", "192.0.2.66:5060", "challenge"),
        ("REGISTER", "12", "203.0.113.5:5060", "challenge"),
        ("INVITE", "12", "192.168.0.12:5060", "challenge"),
        ("INVITE", "whoever", "192.168.0.40:5060", "extension door"),
        ("INVITE", "door", "192.168.0.40:1024", "extension door"),
        ("INVITE", "12", "192.168.0.40:5060", "challenge"),
        ("MESSAGE", "12", "192.0.2.66:5060", "challenge"),
    ] {
        let message = request(method, from_user, "14", "");
        assert_eq!(Door::new().who(&message, source), who, "{method} of {from_user} from {source}");
    }
}

#[test]
fn a_phone_with_the_right_password_is_let_in_from_anywhere_but_only_as_itself() {
    let own = "P-Asserted-Identity: <sip:12@office.example>\r\n";
    let other = "P-Preferred-Identity: <sip:14@office.example>\r\n";
    for (method, from_user, headers, who) in [
        ("REGISTER", "12", "", "extension 12"),
        ("REGISTER", "14", "", "403"),
        ("INVITE", "12", "", "extension 12"),
        ("INVITE", "12", own, "extension 12"),
        ("INVITE", "12", other, "403"),
        ("INVITE", "14", "", "403"),
        ("INVITE", "+49301234", "", "403"),
        ("INVITE", "anonymous@anonymous.invalid", "", "extension 12"),
        ("INVITE", "anonymous@elsewhere.example", "", "403"),
    ] {
        let mut door = Door::new();
        let proven = door.proven("12", "secret-12", method, from_user, headers);
        assert_eq!(door.who(&proven, "198.51.100.7:5060"), who, "{method} as {from_user} {headers}");
        assert_eq!(door.keeper.counts().impostors, u64::from(who == "403"));
    }
}

#[test]
fn wrong_passwords_unknown_users_and_those_who_left_hear_the_same() {
    for (user, password) in [("12", "guess"), ("99", "secret-12"), ("left", "secret-left"), ("door", "")] {
        let mut door = Door::new();
        let tried = door.proven(user, password, "INVITE", user, "");
        assert_eq!(door.who(&tried, "192.0.2.66:5060"), "challenge", "{user}");
        assert_eq!((door.keeper.counts().challenged, door.keeper.counts().failed), (2, 1), "{user}");
        assert_eq!(door.keeper.nonces(), 0);
    }
}

#[test]
fn a_digest_that_is_played_again_is_counted_and_asked_anew() {
    let mut door = Door::new();
    let proven = door.proven("12", "secret-12", "INVITE", "12", "");
    assert_eq!(door.who(&proven, "192.0.2.66:5060"), "extension 12");
    assert_eq!(door.who(&proven, "192.0.2.67:5060"), "challenge");
    assert_eq!((door.keeper.counts().replayed, door.keeper.counts().failed, door.keeper.nonces()), (1, 0, 1));
}
