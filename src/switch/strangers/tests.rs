//! Strangers, neighbours and our own people before the whole switch, in virtual time.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::{Duration, Instant, Now};
use crate::config::{Config, Nothing};
use crate::entropy::Entropy;
use crate::guard::Suspicion;
use crate::key::Transport;
use crate::sip::digest::{Answerer, Asker, Tried};
use crate::switch::{Input, Question};

const OFFICE: &str = include_str!("../../../sip-traces/berlin.toml");
const PROVIDER: &str = "127.0.0.10:5060";
const STRANGER: &str = "203.0.113.9:5060";
const SECOND: Duration = Duration::from_secs(1);

/// The office, and what leaves it.
struct Street {
    switch: Switch,
    now: Now,
    entropy: Entropy,
    lines: Vec<Suspicion>,
    facts: Vec<Fact>,
    closed: usize,
    requests: u32,
}

impl Street {
    fn open() -> Street {
        Street::with("")
    }

    /// With more in its config: 200 employees `u0` to `u199` beside those of the traces.
    fn with(more: &str) -> Street {
        let users = (0..200).map(|n| format!("[[extension]]\nnumber = \"u{n}\"\npassword = \"secret-u{n}\"\n"));
        let text = format!("{OFFICE}\n{}{more}", users.collect::<String>());
        let config = Config::read(Path::new("office.toml"), &text, &Nothing).unwrap_or_else(|why| panic!("{why}"));
        let config = Arc::new(config.config);
        let now = Now { mono: Instant::from_micros(1_000_000), wall: "2026-11-24T03:00:00Z".parse().unwrap() };
        let switch = Switch::new(config.clone(), [7; 32], 0, now);
        let entropy = Entropy::seeded([8; 32], 0);
        let (lines, facts) = (Vec::new(), Vec::new());
        let mut street = Street { switch, now, entropy, lines, facts, closed: 0, requests: 0 };
        street.hear(Input::Configure(config));
        street
    }

    fn hear(&mut self, input: Input) -> Vec<(Flow, String)> {
        let (mut effects, mut sent) = (Vec::new(), Vec::new());
        self.switch.handle(input, self.now, &mut effects);
        while !effects.is_empty() {
            let mut number = None;
            for effect in effects.drain(..) {
                match effect {
                    Effect::Send { flow, bytes } => sent.push((flow, String::from_utf8_lossy(&bytes).into_owned())),
                    Effect::Suspect(line) => self.lines.push(line),
                    Effect::Close(_) => self.closed += 1,
                    Effect::Fact(noted) => {
                        number = Some(noted.number);
                        self.facts.push(noted.fact);
                    }
                    _ => {}
                }
            }
            if let Some(number) = number {
                self.switch.handle(Input::Journaled(number), self.now, &mut effects);
            }
        }
        sent
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.switch.tick(self.now, &mut Vec::new());
    }

    fn say(&mut self, from: &str, text: String) -> Vec<(Flow, String)> {
        let flow = flow(from);
        self.hear(match Message::parse(Bytes::from(text)) {
            Ok(message) => Input::Message { flow, message },
            Err(malformed) => Input::Malformed { flow, malformed },
        })
    }

    /// The codes of the answers to a request.
    fn ask(&mut self, from: &str, text: String) -> Vec<u16> {
        let code = |(_, text): &(Flow, String)| text.get(8..11).and_then(|code| code.parse().ok());
        self.say(from, text).iter().filter_map(code).collect()
    }

    fn request(&mut self, method: &str, user: &str, target: &str, headers: &str) -> String {
        self.requests += 1;
        let n = self.requests;
        format!(
            "{method} sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@berlin.example>;tag={n}\r\nTo: <sip:{user}@berlin.example>\r\nCall-ID: {n}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:{user}@10.9.9.9>\r\n{headers}Content-Length: 0\r\n\r\n"
        )
    }

    /// A REGISTER with a password, as a phone makes it of the challenge that it got.
    fn proven(&mut self, challenge: &str, user: &str, password: &str) -> String {
        let value = challenge.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: ")).unwrap();
        let mut answerer = Answerer::new(user, password);
        answerer.challenged(Asker::Server, [value.as_bytes()], &mut Tried::default()).unwrap();
        let proof = answerer.authorize(b"REGISTER", b"sip:berlin.example", &mut self.entropy).pop().unwrap().1;
        let proof = format!("Authorization: {}\r\n", String::from_utf8(proof).unwrap());
        self.request("REGISTER", user, "berlin.example", &proof)
    }

    /// A phone's whole registration; the codes that it heard.
    fn register(&mut self, from: &str, user: &str, password: &str) -> Vec<u16> {
        let first = self.request("REGISTER", user, "berlin.example", "");
        let Some((_, challenge)) = self.say(from, first).pop() else { return Vec::new() };
        let proven = self.proven(&challenge, user, password);
        let mut codes: Vec<u16> = challenge.get(8..11).and_then(|code| code.parse().ok()).into_iter().collect();
        codes.extend(self.ask(from, proven));
        codes
    }

    /// Somebody guesses so often; how many of the guesses were answered.
    fn guess(&mut self, from: &str, user: &str, times: usize) -> usize {
        (0..times)
            .filter(|_| {
                self.pass(SECOND);
                self.register(from, user, "guess").len() == 2
            })
            .count()
    }

    fn is_banned(&self, from: &str) -> bool {
        let from: SocketAddr = from.parse().unwrap();
        self.switch.guard.is_banned(Source::of(from.ip()), self.now.mono)
    }

    fn transactions(&self) -> usize {
        self.switch.census().transactions
    }
}

fn flow(from: &str) -> Flow {
    let (remote, local) = (from.parse().unwrap(), "127.0.0.1:5060".parse().unwrap());
    Flow { transport: Transport::Udp, local, remote, connection: 0 }
}

#[test]
fn a_stranger_is_answered_once_and_nothing_is_kept() {
    let mut street = Street::open();
    let at_home = street.transactions();
    for (method, target, code) in [
        ("REGISTER", "berlin.example", 401),
        ("INVITE", "12@berlin.example", 401),
        ("INVITE", "+4917099999@berlin.example", 401),
        ("OPTIONS", "berlin.example", 200),
        ("MESSAGE", "12@berlin.example", 401),
        ("CANCEL", "12@berlin.example", 481),
        ("NEWMETHOD", "12@berlin.example", 501),
    ] {
        let request = street.request(method, "12", target, "");
        assert_eq!(street.ask(STRANGER, request.clone()), [code], "{method}");
        // A repetition gets the same once more, word for word but for the nonce, and not by a timer.
        let first = street.say(STRANGER, request.clone()).pop().unwrap().1;
        let tag = |text: &str| text.lines().find(|line| line.starts_with("To:")).map(str::to_owned);
        assert_eq!(tag(&street.say(STRANGER, request).pop().unwrap().1), tag(&first), "{method}");
        assert_eq!(street.transactions(), at_home, "{method}");
    }
    let mut effects = Vec::new();
    street.switch.tick(street.now.after(Duration::from_secs(3)), &mut effects);
    let to_stranger = |effect: &&Effect| matches!(effect, Effect::Send { flow: to, .. } if *to == flow(STRANGER));
    assert_eq!(effects.iter().filter(to_stranger).count(), 0);
}

#[test]
fn no_answer_to_a_stranger_is_more_than_half_as_long_again_as_what_was_asked() {
    let mut street = Street::open();
    let bare = |method: &str, more: &str| {
        format!(
            "{method} sip:a SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a>;tag=1\r\nt: <sip:a>\r\ni: 1\r\n\
             CSeq: 1 {method}\r\n{more}\r\n"
        )
    };
    let whole = |method: &str| bare(method, "Max-Forwards: 0\r\n");
    let malformed = |request: String| request.replace("sip:a SIP/2.0", "sip:a SIP/7.0");
    let mut heard = Vec::new();
    for request in [
        // As short as a request can be that has all it needs (RFC 3261 §8.1.1).
        whole("OPTIONS"),
        whole("REGISTER"),
        whole("INVITE"),
        whole("BYE"),
        whole("NEWMETHOD"),
        malformed(whole("OPTIONS")),
        // And shorter.
        bare("OPTIONS", ""),
        bare("REGISTER", ""),
        bare("BYE", ""),
        malformed(bare("OPTIONS", "")),
        // As phones and scanners send them.
        street.request("OPTIONS", "100", "berlin.example", "User-Agent: friendly-scanner\r\n"),
        street.request("REGISTER", "100", "berlin.example", "User-Agent: friendly-scanner\r\n"),
        street.request("INVITE", "100", "00972595@berlin.example", "User-Agent: friendly-scanner\r\n"),
    ] {
        let length = request.len();
        let answers = street.say(STRANGER, request.clone());
        let answer: usize = answers.iter().map(|(_, text)| text.len()).sum();
        let is = answer as f64 / length as f64;
        println!("{length} bytes, {answer} come back: {is:.2}; {}", request.lines().next().unwrap_or_default());
        assert!(answers.len() <= 1 && is <= 1.5, "{is} times\n{request}\n{}", answers[0].1);
        heard.push(answers.first().map_or(0, |(_, text)| text["SIP/2.0 ".len()..][..3].parse().unwrap()));
    }
    // A challenge is too long an answer to what no phone sends; over a stream nobody else can be meant.
    assert_eq!(heard, [200, 400, 400, 400, 400, 505, 0, 0, 0, 0, 200, 401, 401]);
}

#[test]
fn a_flood_of_one_source_is_dropped_and_trunks_and_phones_are_served_meanwhile() {
    let mut street = Street::open();
    assert_eq!(street.register("198.51.100.7:5060", "12", "secret-12"), [401, 200]);
    let rubbish = "this is no SIP at all\r\n\r\n".to_owned();
    let mut answered = 0;
    for _ in 0..1_000 {
        let options = street.request("OPTIONS", "100", "berlin.example", "");
        answered += street.ask(STRANGER, options).len();
        street.say(STRANGER, rubbish.clone());
        let malformed = street.request("OPTIONS", "100", "berlin.example", "CSeq: 2 OPTIONS\r\n");
        answered += street.ask(STRANGER, malformed).len();
    }
    assert!(answered <= 40, "{answered}");
    let floods = street.lines.iter().filter(|line| matches!(line, Suspicion::Flood { .. })).count();
    assert_eq!(floods, 1);
    for _ in 0..200 {
        let call = street.request("INVITE", "+491701112233", "+493012344@berlin.example", "");
        assert_eq!(street.ask(PROVIDER, call)[0], 100, "the trunk");
        let refresh = street.request("REGISTER", "12", "berlin.example", "");
        assert_eq!(street.ask("198.51.100.7:5060", refresh), [401], "the phone");
    }
    // The loop does not even read it, but for what may belong to a call.
    let deaf = |street: &mut Street, from: &str, text: &[u8]| {
        street.switch.is_deaf_to(from.parse().unwrap(), text, street.now.mono)
    };
    let mut of_whom = |from| {
        [
            "OPTIONS sip:a SIP/2.0",
            "rubbish",
            "INVITE sip:a SIP/2.0\r\nf: <sip:a>;tag=1\r\nt: <sip:b>",
            "SIP/2.0 200 OK",
            "BYE sip:a SIP/2.0",
            "INVITE sip:a SIP/2.0\r\nf: <sip:a>;tag=1\r\nt: <sip:b>;tag=2",
        ]
        .map(|text| deaf(&mut street, from, text.as_bytes()))
    };
    assert_eq!(of_whom(STRANGER), [true, true, true, false, false, false]);
    assert_eq!(of_whom(PROVIDER), [false; 6]);
    assert_eq!(of_whom("198.51.100.7:5060"), [false; 6]);
}

#[test]
fn guesses_ban_a_source_and_what_it_sends_is_not_even_read_until_its_time_is_over() {
    for user in ["12", "nobody"] {
        let mut street = Street::open();
        assert_eq!(street.guess(STRANGER, user, 50), 10, "{user}: as many as failures allow");
        assert!(street.is_banned(STRANGER));
        assert!(street.facts.iter().any(|fact| matches!(fact, Fact::Banned(ban) if &*ban.why != "by hand")));
        // Not even with the right password.
        assert_eq!(street.register(STRANGER, "12", "secret-12"), Vec::<u16>::new());
        assert!(street.switch.is_deaf_to(STRANGER.parse().unwrap(), b"SIP/2.0 200 OK", street.now.mono));
        // Its stream is closed.
        let options = street.request("OPTIONS", "100", "berlin.example", "").replace("/UDP", "/TCP");
        let tcp = Flow { transport: Transport::Tcp, connection: 1, ..flow(STRANGER) };
        street.hear(Input::Message { flow: tcp, message: Message::parse(Bytes::from(options)).unwrap() });
        assert_eq!(street.closed, 1);
        street.pass(600 * SECOND);
        assert!(!street.is_banned(STRANGER));
        assert_eq!(street.register(STRANGER, "12", "secret-12"), [401, 200]);
    }
}

#[test]
fn a_stranger_who_calls_the_world_without_a_password_is_refused_before_routing_and_then_banned() {
    let mut street = Street::open();
    let route = "Route: <sip:192.0.2.1;lr>\r\n";
    for nth in 0..12 {
        street.pass(SECOND);
        let call = street.request("INVITE", "12", "00972599@192.0.2.1", route);
        let answers = street.say(STRANGER, call);
        match nth {
            0..10 => assert!(answers.len() == 1 && answers[0].0.remote.ip() == flow(STRANGER).remote.ip()),
            _ => assert_eq!(answers, []),
        }
    }
    assert!(street.is_banned(STRANGER));
    let calls = street.facts.iter().filter(|fact| matches!(fact, Fact::Call(..))).count();
    assert_eq!((calls, street.switch.census().calls), (0, 0));
    // A provider whose address nobody has written down calls a number of ours: it is asked, and not banned for it.
    for _ in 0..50 {
        street.pass(SECOND);
        let call = street.request("INVITE", "+491701112233", "+493012344@berlin.example", "");
        assert_eq!(street.ask("203.0.113.77:5060", call), [401]);
    }
    assert!(!street.is_banned("203.0.113.77:5060"));
}

#[test]
fn where_a_phone_is_registered_nobody_is_banned_and_one_bad_phone_is_slowed() {
    let mut street = Street::open();
    assert_eq!(street.register("198.51.100.7:5060", "12", "secret-12"), [401, 200]);
    // A colleague behind the same NAT has an old password, and so has the registered phone for another account.
    for (from, guesses) in [("198.51.100.7:6001", 10 + 70 / 5), ("198.51.100.7:5060", 80 / 5)] {
        let guessed = street.guess(from, "14", 80);
        assert!((guesses - 1..=guesses + 1).contains(&guessed), "{guessed}");
        assert!(!street.is_banned(from));
        assert_eq!(street.register("198.51.100.7:5060", "12", "secret-12"), [401, 200]);
    }
    assert_eq!(street.register("198.51.100.7:5060", "12", "secret-12"), [401, 200]);
    assert_eq!(street.register("198.51.100.7:6002", "10", "secret-10"), [401, 200]);
    // Once it has the right one, it is in within five seconds.
    street.pass(5 * SECOND);
    assert_eq!(street.register("198.51.100.7:6001", "14", "secret-14"), [401, 200]);
    assert_eq!(street.register("198.51.100.7:6001", "14", "secret-14"), [401, 200]);
    assert!(street.lines.iter().all(|line| !matches!(line, Suspicion::Failed { .. } | Suspicion::Banned { .. })));
}

#[test]
fn after_a_restart_an_office_is_at_home_before_its_phones_say_a_word() {
    let mut street = Street::open();
    assert_eq!(street.register("198.51.100.7:5060", "12", "secret-12"), [401, 200]);
    let bound = street.facts.iter().find(|fact| matches!(fact, Fact::Bound(_))).cloned().unwrap();
    let mut street = Street::open();
    street.hear(Input::Restore(bound));
    street.guess("198.51.100.7:6001", "14", 40);
    assert!(!street.is_banned("198.51.100.7:6001"));
    assert_eq!(street.register("198.51.100.7:6002", "10", "secret-10"), [401, 200]);
}

#[test]
fn a_trunk_and_whoever_is_trusted_are_never_banned() {
    let mut street = Street::with("[guard]\ntrusted = [\"192.0.2.0/24\"]\n");
    for from in [PROVIDER, "127.0.0.10:7777", "192.0.2.66:5060"] {
        street.guess(from, "14", 40);
        assert!(!street.is_banned(from), "{from}");
    }
    let call = street.request("INVITE", "+491701112233", "+493012344@berlin.example", "");
    assert_eq!(street.ask(PROVIDER, call)[0], 100);
    let answered = |street: &mut Street, from: &str| {
        let asked = (0..1_000).map(|_| {
            let options = street.request("OPTIONS", "100", "berlin.example", "");
            street.ask(from, options).len()
        });
        asked.sum::<usize>()
    };
    assert_eq!(answered(&mut street, PROVIDER), 1_000);
    assert_eq!(answered(&mut street, "192.0.2.66:5060"), 1_000);
    let mut order = |whom: &str| {
        let mut effects = Vec::new();
        let question = Question::Ban { whom: whom.into(), until: None, why: "by hand".into() };
        street.switch.handle(Input::Question { number: 1, question }, street.now, &mut effects);
        effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { answer, .. } => Some(answer.map(|answer| answer["whom"].to_string())),
            _ => None,
        })
    };
    assert_eq!(
        order("127.0.0.10"),
        Some(Err("127.0.0.10 is never banned: the trunk provider calls from there".into()))
    );
    assert_eq!(order("192.0.2.9"), Some(Err("192.0.2.9 is never banned: guard.trusted names it".into())));
    assert_eq!(order("203.0.113.9"), Some(Ok("\"203.0.113.9\"".into())));
    assert!(street.is_banned(STRANGER));
}

#[test]
fn two_hundred_phones_behind_one_nat_are_all_back_within_seconds_of_a_power_cut() {
    let mut street = Street::open();
    // Nobody has ever come from there: the office has a new address. Each phone repeats as UDP has it (RFC 3261 §17.1.2.2).
    let from = |user: usize| format!("198.51.100.7:{}", 10_000 + user);
    let mut waiting: Vec<(u64, u64, usize, String)> = (0..200)
        .map(|user| (0, 500, user, street.request("REGISTER", &format!("u{user}"), "berlin.example", "")))
        .collect();
    let (start, mut millis, mut last) = (street.now, 0, 0);
    while !waiting.is_empty() {
        assert!(millis < 5_000, "{} phones are still out after five seconds", waiting.len());
        street.now = start.after(Duration::from_millis(millis));
        street.switch.tick(street.now, &mut Vec::new());
        let (due, later) = waiting.into_iter().partition(|(at, ..)| *at <= millis);
        waiting = later;
        let due: Vec<_> = due;
        for (_, interval, user, request) in due {
            match street.say(&from(user), request.clone()).pop() {
                Some((_, answer)) if answer.starts_with("SIP/2.0 401") => {
                    let proven = street.proven(&answer, &format!("u{user}"), &format!("secret-u{user}"));
                    waiting.push((millis + 20, 500, user, proven));
                }
                Some(_) => last = millis,
                None => waiting.push((millis + interval, (interval * 2).min(4_000), user, request)),
            }
        }
        millis += 10;
    }
    println!("200 phones behind one NAT: the last is in after {last} ms");
    assert_eq!(street.switch.census().bindings, 200);
    assert!(!street.is_banned("198.51.100.7:1"));
}

#[test]
fn a_phone_that_calls_from_a_new_address_is_let_in_as_ever() {
    let mut street = Street::open();
    assert_eq!(street.register("198.51.100.7:5060", "12", "secret-12"), [401, 200]);
    // From Wi-Fi to LTE, many times a day.
    for host in 1..50 {
        let from = format!("100.64.0.{host}:40000");
        assert_eq!(street.register(&from, "12", "secret-12"), [401, 200]);
        assert!(!street.is_banned(&from));
    }
}

#[test]
fn a_register_with_a_thousand_contacts_is_refused_and_binds_nobody() {
    let mut street = Street::open();
    let first = street.request("REGISTER", "12", "berlin.example", "");
    let challenge = street.say(STRANGER, first).pop().unwrap().1;
    let proven = street.proven(&challenge, "12", "secret-12");
    for (contacts, codes) in [(1_000, [400]), (11, [403])] {
        let many: Vec<String> = (0..contacts).map(|n| format!("<sip:{n}@10.0.0.1>")).collect();
        let request = proven.replace("Contact: <sip:12@10.9.9.9>", &format!("Contact: {}", many.join(",")));
        assert_eq!(
            street.ask(STRANGER, request.replace("z9hG4bK", &format!("z9hG4bK{contacts}"))),
            codes,
            "{contacts}"
        );
        assert_eq!(street.switch.census().bindings, 0);
    }
}

#[test]
fn bans_are_listed_and_taken_back_by_hand() {
    let mut street = Street::open();
    street.guess(STRANGER, "12", 12);
    let mut order = |question| {
        let mut effects = Vec::new();
        street.switch.handle(Input::Question { number: 1, question }, street.now, &mut effects);
        let facts = effects.iter().filter(|effect| matches!(effect, Effect::Fact(_))).count();
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { answer, .. } => Some(answer),
            _ => None,
        });
        (answer.unwrap(), facts)
    };
    let (listed, _) = order(Question::Bans);
    let listed = listed.unwrap();
    assert_eq!((&listed[0]["whom"], &listed[0]["why"]), (&"203.0.113.9".into(), &"wrong-password".into()));
    let status = order(Question::Status).0.unwrap();
    assert_eq!((&status["strangers"]["bans"], &status["strangers"]["bans_now"]), (&1.into(), &1.into()));
    assert_eq!(order(Question::Unban { whom: "203.0.113.9".into() }).1, 1);
    let nobody = order(Question::Unban { whom: "203.0.113.9".into() });
    assert_eq!(nobody, (Err("203.0.113.9 is not banned; `huntline bans` lists who is".into()), 0));
    assert_eq!(street.register(STRANGER, "12", "secret-12"), [401, 200]);
}

#[test]
fn an_ipv6_network_with_a_phone_of_ours_in_it_is_at_home() {
    let mut street = Street::open();
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    assert_eq!(street.register("[2001:db8:1:2::7]:5060", "12", "secret-12"), [401, 200]);
    street.guess("[2001:db8:1:2::8]:5060", "14", 40);
    street.guess("[2001:db8:1:3::8]:5060", "14", 40);
    let banned = |text| street.switch.guard.is_banned(Source::of(ip(text)), street.now.mono);
    assert_eq!(["2001:db8:1:2::8", "2001:db8:1:3::9"].map(banned), [false, true]);
}
