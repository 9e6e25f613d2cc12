//! How late a window opens: 50 calls a second, 50 programs that follow the events, and the time from the INVITE leaving the
//! provider's socket to `call.ringing` read whole from each stream. Besides, what the router spends on a call with nobody listening,
//! with events on record, and with all that follow them.
//!
//! `cargo bench --bench events -- --seconds 20` prints figures; nothing is asserted of time. The machine's own share (the peers, 50
//! readers) is in them.

#![allow(clippy::disallowed_methods)] // a real clock measures

#[allow(dead_code, reason = "the stories need more than this")]
#[path = "../events/office.rs"]
mod office;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use huntline::board::Board;
use huntline::clock::Timestamp;
use huntline::config::Config;
use huntline::event::gallery::Gallery;
use huntline::event::{Event, EventId};
use huntline::fact::{CallFact, Ended, EndedBy, Fact, KnownCustomer, Noted, Offered, Party, Rung, StopReason, Whom};
use huntline::key::CallId;
use huntline::letter::Letter;
use huntline::route::{Direction, Reason};
use huntline::store::{Outgoing, Writer};
use office::{Message, OFFER, Office};

const EXTENSIONS: usize = 20;
const TOKENS: &[(&str, Option<&str>, &[&str])] = &[("all", None, &["events:read"])];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, usual: u32| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(usual)
    };
    pieces();
    let (rate, seconds) = (number("--rate", 50), number("--seconds", 20));
    for (name, tokens, listeners) in
        [("nobody", &[][..], 0), ("record", TOKENS, 0), ("listeners", TOKENS, number("--listeners", 50))]
    {
        run(name, tokens, listeners, rate, seconds);
    }
}

type Tokens<'a> = &'a [(&'a str, Option<&'a str>, &'a [&'a str])];

fn run(name: &str, tokens: Tokens<'_>, listeners: u32, rate: u32, seconds: u32) {
    let extensions: Vec<String> = (0..EXTENSIONS).map(|n| (200 + n).to_string()).collect();
    let plan: String = extensions
        .iter()
        .map(|extension| format!("[[did]]\nnumber = \"+4930{extension}00\"\nopen = {{ to = [\"extension:{extension}\", \"refuse:unavailable\"] }}\n"))
        .collect();
    let names: Vec<&str> = extensions.iter().map(String::as_str).collect();
    let office = Arc::new(Office::start(name, &names, &plan, tokens));
    let left: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let phones: Vec<_> = (0..EXTENSIONS)
        .map(|which| {
            let (office, over) = (office.clone(), over.clone());
            std::thread::spawn(move || phone(&office, which, &over))
        })
        .collect();
    let readers: Vec<_> = (0..listeners)
        .map(|_| {
            let mut listener = office.follow("all", "?types=call.*", "");
            let left = left.clone();
            std::thread::spawn(move || {
                let (mut late, mut ended) = (Vec::new(), 0u32);
                while let Some(event) = listener.next() {
                    let now = Instant::now();
                    match event["type"].as_str() {
                        Some("call.ringing") if event["data"]["ringing"][0].is_string() => {
                            let from = event["call"]["from"]["number"].as_str().unwrap();
                            late.push(now - left.lock().unwrap()[from]);
                        }
                        Some("call.ended") => ended += 1,
                        _ => {}
                    }
                    if ended == rate * seconds {
                        break;
                    }
                }
                late
            })
        })
        .collect();
    let spent = spent(office.id());
    let calls = provide(&office, rate, seconds, &left);
    let spent = self::spent(office.id()) - spent;
    over.store(true, Ordering::Relaxed);
    let mut late: Vec<Duration> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
    phones.into_iter().for_each(|phone| phone.join().unwrap());
    late.sort_unstable();
    println!("{name}: {calls} calls at {rate}/s, {listeners} listeners; the router spent {:?} a call", spent / calls);
    if !late.is_empty() {
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        println!(
            "  call.ringing after the INVITE left: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?} ({} read)",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            late.len()
        );
    }
}

/// Calls, talks for a second, hangs up; how many calls there were.
fn provide(office: &Office, rate: u32, seconds: u32, left: &Mutex<HashMap<String, Instant>>) -> u32 {
    let provider = &office.provider;
    provider.socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let (calls, began) = (rate * seconds, Instant::now());
    let mut goodbyes: std::collections::VecDeque<(Instant, Message)> = Default::default();
    let (mut called, mut over) = (0, 0);
    let mut room = [0; 65_536];
    while over < calls {
        assert!(began.elapsed() < Duration::from_secs(u64::from(seconds) + 30), "{over} of {calls} calls ended");
        while called < calls && began.elapsed() >= Duration::from_secs(1) * called / rate {
            let from = format!("+49170{called:07}");
            left.lock().unwrap().insert(from.clone(), Instant::now());
            provider.invite(
                &format!("call-{called}"),
                &from,
                &format!("+4930{}00", 200 + called as usize % EXTENSIONS),
            );
            called += 1;
        }
        while goodbyes.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let (_, answer) = goodbyes.pop_front().unwrap();
            provider.ask_back(&answer, "BYE", 2);
        }
        let Ok((length, _)) = provider.socket.recv_from(&mut room) else { continue };
        let message = Message::read(&room[..length]);
        match (&*message.start, message.field("CSeq")) {
            (start, "1 INVITE") if start.starts_with("SIP/2.0 200") => {
                provider.ask_back(&message, "ACK", 1);
                goodbyes.push_back((Instant::now() + Duration::from_secs(1), message));
            }
            (start, "2 BYE") if start.starts_with("SIP/2.0 200") => over += 1,
            (start, _) if start.starts_with("OPTIONS") => provider.respond(&message, "200 OK", ""),
            _ => {}
        }
    }
    calls
}

/// A phone that answers everything at once.
fn phone(office: &Office, which: usize, over: &AtomicBool) {
    let phone = &office.phones[which];
    phone.socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut room = [0; 65_536];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, _)) = phone.socket.recv_from(&mut room) else { continue };
        let message = Message::read(&room[..length]);
        match message.start.split(' ').next() {
            Some("INVITE") => {
                phone.respond(&message, "180 Ringing", "");
                phone.respond(&message, "200 OK", OFFER);
            }
            Some("BYE" | "OPTIONS" | "CANCEL") => phone.respond(&message, "200 OK", ""),
            _ => {}
        }
    }
}

/// What the pieces cost on their own threads, in microseconds a call: eight facts, five events.
fn pieces() {
    const CALLS: usize = 5_000;
    let calls: Vec<Vec<Noted>> = (0..CALLS).map(|call| ordinary(call as u64)).collect();
    let a_call =
        |what: &str, took: Duration| println!("  {what}: {:.1} µs a call", took.as_secs_f64() * 1e6 / CALLS as f64);
    let board = Board::start(0, Arc::new(|| None)).unwrap();
    let began = Instant::now();
    calls.iter().for_each(|facts| facts.iter().for_each(|fact| board.happens(std::slice::from_ref(fact))));
    a_call("the loop hands its facts to the board, one by one", began.elapsed());
    let mut gallery = Gallery::default();
    let began = Instant::now();
    calls.iter().flatten().for_each(|fact| drop(gallery.follow(fact.at, &fact.fact, || None)));
    a_call("the board folds pictures, nobody watches", began.elapsed());
    let mut gallery = Gallery::default();
    let (began, mut bytes) = (Instant::now(), 0);
    for fact in calls.iter().flatten() {
        for told in gallery.follow(fact.at, &fact.fact, || None) {
            let call = gallery.show(told.call);
            let id = EventId { seq: fact.number as i64, part: 0 };
            bytes += Event { id, at: fact.at, told, call }.to_text().len();
        }
    }
    a_call("the board folds pictures and writes envelopes", began.elapsed());
    println!("  bytes of envelopes a call: {}", bytes / CALLS);
    for listens in [false, true] {
        let folder =
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("events-pieces-{}", std::process::id()));
        let mut writer = Writer::open(&folder).unwrap();
        writer.tell(Wants(listens));
        let began = Instant::now();
        for batch in calls.chunks(500) {
            writer.append(&batch.concat()).unwrap();
        }
        a_call(
            if listens { "the journal writes facts and events" } else { "the journal writes facts" },
            began.elapsed(),
        );
        drop(writer);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[derive(Debug)]
struct Wants(bool);

impl Outgoing for Wants {
    fn config(&self) -> Option<Arc<Config>> {
        None
    }

    fn letters(&self, _: &Fact) -> Vec<Letter> {
        Vec::new()
    }

    fn wants_events(&self) -> bool {
        self.0
    }

    fn posted(&self) {}
}

/// A customer calls, two phones ring, one is answered, somebody hangs up.
fn ordinary(call: u64) -> Vec<Noted> {
    let at = Timestamp::from_millisecond(1_795_000_000_000 + call as i64).unwrap();
    let id = CallId::new(at, call);
    let number = |text: &str| Party { number: Some(text.parse().unwrap()), ..Party::default() };
    let offered = Offered {
        direction: Direction::Inbound,
        from: Party { name: Some("Ada Byron".into()), ..number("+491701112233") },
        to: number("+493012340"),
        did: Some("+493012340".into()),
        source: Some("site".into()),
        trunk: Some("provider".into()),
        customer: Some(KnownCustomer { id: "crm-1".into(), name: "Ada Byron".into(), responsible: Some("12".into()) }),
        emergency: false,
        reference: None,
        sip_call_id: "3848276298220188511@provider.example".into(),
        because: vec![Reason::KnownCustomer("Ada Byron".into()), Reason::Responsible("12".into())],
        considered: Vec::new(),
        plan: "ring 14, 15".into(),
    };
    let rung = |leg, extension: &str| Rung {
        leg,
        whom: Whom::Extension(extension.into()),
        device: format!("sip:{extension}@192.168.0.9").into(),
    };
    let ended = Ended { by: EndedBy::Caller, status: 200, missed: None, talk_ms: 90_000 };
    let steps = [
        CallFact::Offered(Box::new(offered)),
        CallFact::Turned { because: vec![Reason::FallsTo("sales".into())] },
        CallFact::Rung(vec![rung(1, "14"), rung(2, "15")]),
        CallFact::Ringing { leg: 1 },
        CallFact::Answered { leg: 2, human: true },
        CallFact::Dropped { leg: 1, status: 487, stopped: Some(StopReason::CompletedElsewhere) },
        CallFact::Ended(ended),
        CallFact::Traced { ladder: "provider -> us   INVITE\n".repeat(20), tape: None },
    ];
    let first = call * steps.len() as u64 + 1;
    (first..).zip(steps).map(|(number, step)| Noted { number, at, fact: Fact::Call(id, step) }).collect()
}

/// The processor's time that a process has taken so far.
fn spent(process: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // The system counts in hundredths of a second.
    Duration::from_millis(ticks * 10)
}
