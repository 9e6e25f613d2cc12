//! Providers that answer, refuse, fall silent and come back, in virtual time.

use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::clock::{Deadlines, Instant, Now};
use crate::config::Nothing;
use crate::transaction::{Arrival, Expired};

#[derive(Clone, Copy, Debug)]
enum Alarm {
    Transaction(Timer),
    Trunk(Due),
}

impl From<Timer> for Alarm {
    fn from(timer: Timer) -> Alarm {
        Alarm::Transaction(timer)
    }
}

impl From<Due> for Alarm {
    fn from(due: Due) -> Alarm {
        Alarm::Trunk(due)
    }
}

/// What left, to whom.
#[derive(Default)]
struct Sent(Vec<(SocketAddr, Message)>);

impl crate::transaction::Wire for Sent {
    fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.0.push((flow.remote, Message::parse(bytes).unwrap()));
    }
}

/// An office with trunks, and what it says to them.
struct Office {
    trunks: Trunks,
    host: Host,
    servers: Servers,
    transactions: Transactions<Purpose>,
    entropy: Entropy,
    writer: Writer,
    deadlines: Deadlines<Alarm>,
    sent: Sent,
    news: Vec<TrunkNews>,
    now: Now,
}

fn config(text: &str) -> Config {
    let text = format!("{text}\n[sip]\nlisten = [\"udp://192.0.2.1:5060\", \"tcp://192.0.2.1:5060\"]\n");
    Config::read(Path::new("office.toml"), &text, &Nothing).unwrap_or_else(|problems| panic!("{problems}")).config
}

const BY_ADDRESS: &str = "[[trunk]]\nname = \"mango\"\nserver = \"sip:203.0.113.5:5062\"\n";
const WITH_ACCOUNT: &str = "[[trunk]]\nname = \"mango\"\nserver = \"sip:trunk.example\"\nregister = { user = \"me\", password = \"secret\" }\n";

impl Office {
    fn new(text: &str) -> Office {
        let config = config(text);
        let mut entropy = Entropy::seeded([1; 32], 0);
        let mut office = Office {
            trunks: Trunks::default(),
            host: Host::new(&config),
            servers: Servers::default(),
            transactions: Transactions::new(100, &mut entropy),
            entropy,
            writer: Writer::default(),
            deadlines: Deadlines::default(),
            sent: Sent::default(),
            news: Vec::new(),
            now: Now { mono: Instant::START, wall: "2026-11-23T09:00:00Z".parse().unwrap() },
        };
        office.configure(&config);
        office
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Trunks, &mut Ground<'_, '_, Purpose, Alarm>) -> T) -> T {
        let mut hand = Hand { now: self.now, deadlines: &mut self.deadlines, wire: &mut self.sent };
        let mut ground = Ground {
            host: &self.host,
            servers: &self.servers,
            transactions: &mut self.transactions,
            entropy: &mut self.entropy,
            writer: &mut self.writer,
            hand: &mut hand,
            news: &mut self.news,
        };
        act(&mut self.trunks, &mut ground)
    }

    fn configure(&mut self, config: &Config) {
        self.servers.configure(config);
        self.with(|trunks, ground| trunks.configure(config, ground));
    }

    fn resolve(&mut self, addresses: &[&str]) {
        let name = ServerName { host: "trunk.example".into(), port: None, transport: Transport::Udp };
        let addresses = addresses.iter().map(|address| (Transport::Udp, address.parse().unwrap())).collect();
        if self.servers.resolved(&name, addresses) {
            self.with(|trunks, ground| trunks.resolved(&name, ground));
        }
    }

    /// Takes what was sent, without repetitions: `OPTIONS to 203.0.113.5:5060`.
    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let mut branches = Vec::new();
        for (to, message) in self.sent.0.drain(..) {
            let branch = message.branch().unwrap().to_owned();
            if !branches.contains(&branch) {
                branches.push(branch);
                said.push(format!("{} to {to}", message.method_name()));
            }
        }
        said
    }

    /// The last request of this method.
    fn last(&self, method: &str) -> Message {
        let mut of_method = self.sent.0.iter().rev().filter(|(_, message)| message.method_name() == method);
        of_method.next().map(|(_, message)| message.clone()).unwrap_or_else(|| panic!("no {method} was sent"))
    }

    /// The provider answers the last request of this method.
    fn answer(&mut self, method: &str, status: u16, headers: &str) {
        let request = self.last(method);
        let from = self.sent.0.iter().rev().find(|(_, message)| message.method_name() == method).unwrap().0;
        let draft = |name| String::from_utf8(request.header(name).unwrap().to_vec()).unwrap();
        let text = format!(
            "SIP/2.0 {status} x\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=t\r\nCall-ID: {}\r\nCSeq: {}\r\n{headers}\r\n",
            draft(HeaderName::Via),
            draft(HeaderName::From),
            draft(HeaderName::To),
            request.call_id(),
            draft(HeaderName::CSeq),
        );
        let message = Message::parse(Bytes::from(text)).unwrap();
        let flow = self.host.flow(Transport::Udp, from).unwrap();
        self.with(|trunks, ground| {
            if let Arrival::Response { user, .. } = ground.transactions.receive(flow, &message, ground.hand) {
                trunks.answered(user, &message, ground);
            }
        });
    }

    fn later(&mut self, seconds: u64) {
        let end = self.now.after(Duration::from_secs(seconds));
        while let Some(at) = self.deadlines.first().filter(|at| *at <= end.mono) {
            self.now = self.now.after(at - self.now.mono);
            match self.deadlines.pop_due(at).unwrap() {
                Alarm::Trunk(due) => self.with(|trunks, ground| trunks.due(due, ground)),
                Alarm::Transaction(timer) => self.with(|trunks, ground| {
                    if let Some(Expired::Unanswered { user, why, .. }) =
                        ground.transactions.on_timer(timer, ground.hand)
                    {
                        trunks.unanswered(user, why, ground);
                    }
                }),
            }
        }
        self.now = end;
    }

    fn standing(&self) -> Standing {
        self.trunks.standing(config(BY_ADDRESS).trunk_by_name("mango").unwrap())
    }

    fn ways(&self) -> Vec<String> {
        let trunk = config(BY_ADDRESS).trunk_by_name("mango").unwrap();
        let ways = self.trunks.ways(trunk, &self.host, &self.servers, self.now);
        ways.iter().map(|flow| flow.remote.to_string()).collect()
    }

    fn news(&mut self) -> Vec<String> {
        let short = |news: TrunkNews| match news {
            TrunkNews::Down { why, .. } => format!("down: {why}"),
            TrunkNews::Up { .. } => "up".to_owned(),
        };
        std::mem::take(&mut self.news).into_iter().map(short).collect()
    }
}

const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"trunk.example\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";

#[test]
fn a_trunk_is_up_while_it_answers_anything_and_down_when_it_does_not() {
    for (status, standing) in [(200, Standing::Up), (404, Standing::Up), (405, Standing::Up), (503, Standing::Down)] {
        let mut office = Office::new(BY_ADDRESS);
        office.answer("OPTIONS", status, "");
        assert_eq!(office.standing(), standing, "{status}");
    }
    let mut office = Office::new(BY_ADDRESS);
    assert_eq!((office.said(), office.standing()), (vec!["OPTIONS to 203.0.113.5:5062".to_owned()], Standing::New));
    office.later(31);
    assert_eq!(office.news(), [""; 0]);
    office.later(1);
    assert_eq!((office.news(), office.standing()), (vec!["down: no answer".to_owned()], Standing::Down));
    assert!(!office.trunks.is_up(config(BY_ADDRESS).trunk_by_name("mango").unwrap()));
    office.said();
    // Asked again ten seconds later; it is back.
    office.later(10);
    office.answer("OPTIONS", 200, "");
    assert_eq!((office.news(), office.standing()), (vec!["up".to_owned()], Standing::Up));
}

#[test]
fn our_options_say_who_we_are() {
    let office = Office::new(BY_ADDRESS);
    let options = office.last("OPTIONS");
    assert_eq!(options.request_uri().unwrap().as_str(), "sip:203.0.113.5:5062");
    assert_eq!(options.from().uri.as_str(), "sip:192.0.2.1:5060");
    assert_eq!(options.to().uri.as_str(), "sip:203.0.113.5:5062");
}

#[test]
fn a_registration_answers_the_challenge_and_is_refreshed_before_it_runs_out() {
    let mut office = Office::new(WITH_ACCOUNT);
    assert_eq!(office.said(), [""; 0]);
    office.resolve(&["203.0.113.5:5060"]);
    let first = office.last("REGISTER");
    assert_eq!(first.request_uri().unwrap().as_str(), "sip:trunk.example");
    assert_eq!(first.to().uri.as_str(), "sip:me@trunk.example");
    assert_eq!(first.header(HeaderName::Contact), Some(&b"<sip:me@192.0.2.1:5060>"[..]));
    assert_eq!(first.header(HeaderName::Expires), Some(&b"600"[..]));
    office.answer("OPTIONS", 200, "");
    // It answers, but only the registration says that we are welcome.
    assert_eq!(office.standing(), Standing::New);
    office.answer("REGISTER", 401, CHALLENGE);
    let second = office.last("REGISTER");
    let proof = String::from_utf8(second.header(HeaderName::Authorization).unwrap().to_vec()).unwrap();
    assert!(proof.contains("username=\"me\"") && proof.contains("uri=\"sip:trunk.example\""), "{proof}");
    assert_eq!((second.call_id(), second.cseq().number), (first.call_id(), first.cseq().number + 1));
    office.answer(
        "REGISTER",
        200,
        "Contact: <sip:other@192.0.2.9>;expires=60, <sip:me@192.0.2.1:5060>;expires=300\r\n",
    );
    assert_eq!(office.standing(), Standing::Up);
    office.sent.0.clear();
    office.later(239);
    assert!(office.sent.0.iter().all(|(_, message)| message.method_name() == "OPTIONS"));
    office.later(1);
    let refresh = office.last("REGISTER");
    // The refresh shows what it learnt, and is not challenged again.
    assert!(refresh.has(HeaderName::Authorization));
    assert_eq!(refresh.cseq().number, first.cseq().number + 2);
}

#[test]
fn a_wrong_password_is_tried_once_for_each_challenge_and_then_with_growing_pauses() {
    let mut office = Office::new(WITH_ACCOUNT);
    office.resolve(&["203.0.113.5:5060"]);
    office.answer("REGISTER", 401, CHALLENGE);
    office.answer("REGISTER", 401, &CHALLENGE.replace("n1", "n2"));
    assert_eq!(office.news(), ["down: registration: it refuses our user or password"]);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let before = office.now.mono;
        office.sent.0.clear();
        while !office.sent.0.iter().any(|(_, message)| message.method_name() == "REGISTER") {
            office.later(1);
        }
        pauses.push((office.now.mono - before).as_secs());
        office.answer("REGISTER", 403, "");
    }
    let ranges = [15..=31, 30..=61, 60..=121, 120..=241];
    assert!(pauses.iter().zip(&ranges).all(|(pause, range)| range.contains(pause)), "{pauses:?}");
    assert_eq!(office.news(), [""; 0]);
}

#[test]
fn a_provider_that_wants_longer_registrations_gets_them() {
    let mut office = Office::new(WITH_ACCOUNT);
    office.resolve(&["203.0.113.5:5060"]);
    office.answer("REGISTER", 423, "Min-Expires: 1800\r\n");
    assert_eq!(office.last("REGISTER").header(HeaderName::Expires), Some(&b"1800"[..]));
    office.answer("REGISTER", 423, "Min-Expires: 1800\r\n");
    assert_eq!(office.news(), ["down: registration: 423 without a usable Min-Expires"]);
}

#[test]
fn the_next_address_is_tried_at_once_and_the_one_that_works_is_used() {
    let mut office = Office::new(WITH_ACCOUNT);
    office.resolve(&["203.0.113.5:5060", "203.0.113.6:5060"]);
    assert_eq!(office.said(), ["OPTIONS to 203.0.113.5:5060", "REGISTER to 203.0.113.5:5060"]);
    office.later(32);
    let said = office.said();
    assert!(said.contains(&"REGISTER to 203.0.113.6:5060".to_owned()), "{said:?}");
    let mut office = Office::new(WITH_ACCOUNT);
    office.resolve(&["203.0.113.5:5060", "203.0.113.6:5060"]);
    office.answer("REGISTER", 503, "");
    office.answer("REGISTER", 200, "Expires: 300\r\n");
    assert_eq!((office.standing(), office.news()), (Standing::Up, vec![]));
    assert_eq!(office.ways(), ["203.0.113.6:5060", "203.0.113.5:5060"]);
    // DNS says something else: an address that is still there stays in use, one that is gone does not.
    office.sent.0.clear();
    office.resolve(&["203.0.113.7:5060", "203.0.113.6:5060"]);
    assert_eq!((office.said(), office.ways()), (vec![], vec!["203.0.113.6:5060".into(), "203.0.113.7:5060".into()]));
    office.resolve(&["203.0.113.7:5060"]);
    assert_eq!(office.said(), ["OPTIONS to 203.0.113.7:5060", "REGISTER to 203.0.113.7:5060"]);
    office.resolve(&[]);
    assert_eq!((office.said(), office.ways()), (vec![], vec!["203.0.113.7:5060".to_owned()]));
}

#[test]
fn a_trunk_is_down_only_where_none_of_its_addresses_answers_whichever_was_in_use() {
    let mut office = Office::new(WITH_ACCOUNT);
    office.resolve(&["203.0.113.5:5060", "203.0.113.6:5060"]);
    office.answer("REGISTER", 503, "");
    office.answer("REGISTER", 200, "Expires: 300\r\n");
    office.answer("OPTIONS", 503, "");
    office.answer("OPTIONS", 200, "");
    office.said();
    // The second one, in use since, fails too; the first is back.
    office.later(30);
    office.answer("OPTIONS", 503, "");
    assert_eq!(office.said(), ["OPTIONS to 203.0.113.6:5060", "OPTIONS to 203.0.113.5:5060"]);
    assert_eq!(office.news(), [""; 0]);
}

#[test]
fn an_address_that_failed_a_call_stands_behind_the_others_for_a_minute() {
    let mut office = Office::new(WITH_ACCOUNT);
    office.resolve(&["203.0.113.5:5060", "203.0.113.6:5060", "203.0.113.7:5060"]);
    let trunk = config(BY_ADDRESS).trunk_by_name("mango").unwrap();
    let fail = |office: &mut Office, address: &str| {
        let way = office.host.flow(Transport::Udp, address.parse().unwrap()).unwrap();
        office.trunks.failed_a_call(trunk, way, office.now);
    };
    fail(&mut office, "203.0.113.5:5060");
    office.now = office.now.after(Duration::from_secs(20));
    fail(&mut office, "203.0.113.6:5060");
    assert_eq!(office.ways(), ["203.0.113.7:5060", "203.0.113.5:5060", "203.0.113.6:5060"]);
    office.now = office.now.after(Duration::from_secs(40));
    assert_eq!(office.ways(), ["203.0.113.5:5060", "203.0.113.7:5060", "203.0.113.6:5060"]);
    assert_eq!(office.standing(), Standing::New);
}

#[test]
fn a_new_config_does_not_disturb_a_trunk_that_is_as_before() {
    let mut office = Office::new(BY_ADDRESS);
    office.answer("OPTIONS", 200, "");
    office.said();
    let second = "[[trunk]]\nname = \"reserve\"\nserver = \"sip:203.0.113.9\"\nfrom = [\"198.51.100.0/24\"]\n";
    let both = config(&format!("{second}{BY_ADDRESS}"));
    office.configure(&both);
    let asked: Vec<_> = office.sent.0.iter().map(|(to, _)| to.to_string()).collect();
    assert_eq!(asked, ["203.0.113.9:5060"]);
    let (mango, reserve) = (both.trunk_by_name("mango").unwrap(), both.trunk_by_name("reserve").unwrap());
    assert_eq!((office.trunks.standing(mango), office.trunks.standing(reserve)), (Standing::Up, Standing::New));
    office.answer("OPTIONS", 200, "");
    assert_eq!(office.trunks.standing(reserve), Standing::Up);
    office.configure(&config(second));
    assert_eq!(office.deadlines.iter().filter(|(_, alarm)| matches!(alarm, Alarm::Trunk(_))).count(), 1);
}

#[test]
fn a_caller_is_known_by_the_address_of_a_trunk() {
    let text = "[[trunk]]\nname = \"one\"\nserver = \"sip:203.0.113.5\"\nregister = { user = \"a\", password = \"x\" }\n\
                [[trunk]]\nname = \"two\"\nserver = \"sip:203.0.113.5\"\nregister = { user = \"b\", password = \"x\" }\n\
                [[trunk]]\nname = \"three\"\nserver = \"sip:203.0.113.6:5080\"\nfrom = [\"198.51.100.0/24\"]\n";
    let office = Office::new(text);
    let named = config(text);
    let name = |trunk: Option<TrunkIx>| trunk.map(|trunk| named.trunk(trunk).name.to_string());
    for (source, user, exact, anywhere) in [
        ("203.0.113.5:5060", None, Some("one"), Some("one")),
        ("203.0.113.5:5060", Some("b"), Some("two"), Some("two")),
        ("203.0.113.5:5060", Some("+49301234"), Some("one"), Some("one")),
        ("203.0.113.5:9999", Some("b"), None, Some("two")),
        ("203.0.113.6:5080", None, Some("three"), Some("three")),
        ("198.51.100.77:5060", None, None, Some("three")),
        ("198.51.101.1:5060", None, None, None),
        ("[::ffff:203.0.113.6]:5080", None, Some("three"), Some("three")),
    ] {
        let source: SocketAddr = source.parse().unwrap();
        assert_eq!(name(office.trunks.server_at(source, user)).as_deref(), exact, "{source} {user:?}");
        assert_eq!(name(office.trunks.who_is(source.ip(), user)).as_deref(), anywhere, "{source} {user:?}");
    }
}
