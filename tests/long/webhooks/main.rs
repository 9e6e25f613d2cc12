//! The router is killed (SIGKILL) at random moments and at chosen points while customers call and webhooks flow: every
//! event arrives at least once, in order per call, none is lost, and what comes twice has the same name and the same body.
//!
//! `cargo test` kills ten times. A long run: `cargo test --test webhooks_killed -- --kills 200 --seed 1`. It ends with a line
//! `ok: …` or `WRONG: …`.
//!
//! Three programs listen: one that is fast, one that thinks for a while, and (in a long run) one that sometimes answers 503.
//! What must arrive is what the database says has happened; that nothing is missing there, callers say: who heard a final
//! response is told about.
#![allow(clippy::disallowed_methods, dead_code)] // real programs on a real clock; not everything of the shared office

#[path = "../../outbox/office.rs"]
mod office;
#[path = "../../outbox/stand_in.rs"]
mod stand_in;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use huntline::entropy::Entropy;
use huntline::event::EventId;
use huntline::store::{OutboxFilter, Reader};
use libtest_mimic::{Arguments, Failed, Trial};
use office::Office;
use stand_in::{Answer, Asked, StandIn};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Where the disk takes longer, an answer leaves without it, and an alarm says so: nobody is promised anything then.
const DISK: Duration = Duration::from_millis(250);
/// Between two calls.
const PACE: Duration = Duration::from_millis(8);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(at + 1).and_then(|value| value.parse::<u64>().ok()).unwrap_or_else(|| {
            eprintln!("{name} wants a number, as in: --kills 200 --seed 1");
            std::process::exit(2)
        }))
    };
    let seed = number("--seed").unwrap_or(1);
    match number("--kills") {
        Some(kills) => match run(kills, seed, true) {
            Ok(figures) => {
                println!("ok: {figures}");
                ExitCode::SUCCESS
            }
            Err(wrong) => {
                println!("WRONG: {wrong}");
                ExitCode::FAILURE
            }
        },
        None => {
            let trial = move || run(10, seed, false).map(|figures| println!("{figures}")).map_err(Failed::from);
            let trials = vec![Trial::test("every_event_survives_ten_kills", trial)];
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}

fn run(kills: u64, seed: u64, long: bool) -> Result<String, String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut chance = Entropy::seeded(bytes, 0);
    let thinks = AtomicU64::new(0);
    let mut listeners = vec![
        ("fast", StandIn::start(|_, _| Answer::of(200))),
        ("slow", StandIn::start(move |_, _| Answer::after(thinks.fetch_add(7, Ordering::Relaxed) % 30))),
    ];
    if long {
        listeners.push(("moody", StandIn::start(|count, _| Answer::of(if count % 97 == 50 { 503 } else { 200 }))));
    }
    let mut office = Office::new("killed");
    let webhook = |(name, listener): &(&str, StandIn)| {
        format!("[[webhook]]\nname = \"{name}\"\nurl = \"{}\"\nsecret = \"{SECRET}\"\n", listener.url("/"))
    };
    office.configure(&listeners.iter().map(webhook).collect::<String>());
    let began = Instant::now();
    let callers = Callers::start(&office);
    for _ in 0..kills {
        // Half of them die at a chosen point, or in time where they do not come to it.
        let place = match chance.below(6) {
            0 => format!("before_commit:{}", 1 + chance.below(12)),
            1 => format!("after_commit:{}", 1 + chance.below(12)),
            2 => format!("before_settled:{}", 1 + chance.below(40)),
            _ => String::new(),
        };
        office.serve_until(&place);
        std::thread::sleep(Duration::from_millis(20 + chance.below(300)));
        office.kill();
    }
    let (called, heard) = callers.stop();
    let (heard, excused): (BTreeMap<_, _>, BTreeMap<_, _>) = heard.into_iter().partition(|(_, waited)| *waited < DISK);
    office.serve();
    let reader = || Reader::open(&office.folder.join("data")).unwrap();
    office::until_within(Duration::from_secs(300), || reader().outbox(&OutboxFilter::default()).unwrap().is_empty());
    let events = reader().events_after(EventId::default(), usize::MAX).unwrap();
    let told: BTreeMap<String, serde_json::Value> =
        events.into_iter().map(|event| (event.id.to_string(), event.envelope)).collect();
    let mut figures = format!(
        "{kills} kills in {:.0} s, {called} calls, {} of whom heard an answer, {} of them later than a slow disk is waited \
         for, {} events",
        began.elapsed().as_secs_f64(),
        heard.len() + excused.len(),
        excused.len(),
        told.len()
    );
    for (name, listener) in &listeners {
        let asked = listener.asked();
        let again = judge(&asked, &told, &heard).map_err(|wrong| format!("{name}, seed {seed}: {wrong}"))?;
        figures += &format!("; {name}: {} came, {again} of them again", asked.len());
    }
    Ok(figures + "; none lost, all in order per call")
}

/// How many came more than once, where all is as it should be.
fn judge(
    asked: &[Asked],
    told: &BTreeMap<String, serde_json::Value>,
    heard: &BTreeMap<String, Duration>,
) -> Result<usize, String> {
    let mut came: BTreeMap<&str, usize> = BTreeMap::new();
    let mut last: BTreeMap<String, EventId> = BTreeMap::new();
    let (mut begun, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for asked in asked {
        let (id, event) = (asked.id(), asked.json());
        *came.entry(id).or_default() += 1;
        if !asked.is_signed_by(SECRET) {
            return Err(format!("{id} is not signed"));
        }
        if told.get(id) != Some(&event) {
            return Err(format!("{id} is not what happened: {event}, but {:?}", told.get(id)));
        }
        if let Some(call) = event["call"]["id"].as_str() {
            let place: EventId = id.parse().map_err(str::to_owned)?;
            let before = last.insert(call.to_owned(), place).unwrap_or_default();
            if place < before {
                return Err(format!("{place} of call {call} came after {before}"));
            }
            let from = event["call"]["from"]["number"].as_str().unwrap_or_default().to_owned();
            match event["type"].as_str() {
                Some("call.started") => _ = begun.insert(from),
                Some("call.ended") => _ = ended.insert(from),
                _ => {}
            }
        }
    }
    if let Some(lost) = told.keys().find(|id| !came.contains_key(id.as_str())) {
        return Err(format!("{lost} was lost: {}", told[lost]));
    }
    if let Some(silent) = heard.iter().find(|(number, _)| !begun.contains(*number) || !ended.contains(*number)) {
        return Err(format!("{silent:?} heard an answer, and nobody was told"));
    }
    Ok(came.values().map(|count| count - 1).sum())
}

/// Customers who call without end, each from a number of their own, whether somebody is there or not.
struct Callers {
    over: Arc<AtomicBool>,
    called: Arc<AtomicU64>,
    /// The number, and how long it waited.
    heard: Arc<Mutex<BTreeMap<String, Duration>>>,
}

impl Callers {
    fn start(office: &Office) -> Callers {
        let callers = Callers { over: Arc::default(), called: Arc::default(), heard: Arc::default() };
        let (sip, router) = (office.sip.try_clone().unwrap(), office.address);
        let (over, called) = (callers.over.clone(), callers.called.clone());
        let message = move |method: &str, number: &str, to_tag: &str, here| {
            format!(
                "{method} sip:+74951234567@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK-{number};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{number}@{here}>;tag=ada\r\nTo: <sip:+74951234567@{router}>{to_tag}\r\n\
                 Call-ID: {number}@{here}\r\nCSeq: 1 {method}\r\nContact: <sip:ada@{here}>\r\nContent-Length: 0\r\n\r\n"
            )
        };
        let here = sip.local_addr().unwrap();
        let invite = move |number: &str| message("INVITE", number, "", here);
        let began: Arc<Mutex<BTreeMap<String, Instant>>> = Arc::default();
        let begins = began.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let number = format!("+7916{:07}", called.fetch_add(1, Ordering::Relaxed));
                begins.lock().unwrap().insert(number.clone(), Instant::now());
                // Nobody may be there.
                let _ = sip.send_to(invite(&number).as_bytes(), router);
                std::thread::sleep(PACE);
            }
        });
        let (sip, heard) = (office.sip.try_clone().unwrap(), callers.heard.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            loop {
                let Ok(length) = sip.recv(&mut buffer) else { continue };
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if !text.starts_with("SIP/2.0 4") {
                    continue;
                }
                let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                let number = line("Call-ID: ").split('@').next().unwrap_or_default().to_owned();
                let tag = format!(";tag={}", line("To: ").rsplit(";tag=").next().unwrap_or_default());
                let _ = sip.send_to(message("ACK", &number, &tag, here).as_bytes(), router);
                let waited = began.lock().unwrap()[&number].elapsed();
                heard.lock().unwrap().insert(number, waited);
            }
        });
        callers
    }

    /// How many called, and who of them heard an answer.
    fn stop(self) -> (u64, BTreeMap<String, Duration>) {
        self.over.store(true, Ordering::Relaxed);
        (self.called.load(Ordering::Relaxed), self.heard.lock().unwrap().clone())
    }
}
