//! What a fact costs on the way to the disk: microseconds for each, by batch, and how long a commit takes.
//!
//! `cargo bench --bench journal [FOLDER]`; the folder decides which disk is measured, the current one where none is named.

#![allow(clippy::disallowed_methods, reason = "a bench measures the machine")]

use std::path::Path;
use std::time::{Duration, Instant};

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Ended, EndedBy, Fact, KnownCustomer, Noted, Offered, Party, Rung, Whom};
use huntline::key::CallId;
use huntline::route::{Direction, Reason};
use huntline::state::Counter;
use huntline::store::Writer;

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_else(|| ".".into());
    let folder = Path::new(&folder).join(format!("journal-bench-{}", std::process::id()));
    let mut writer = Writer::open(&folder).expect("the folder can be written");
    println!("{:>10} {:>10} {:>12} {:>12} {:>12}", "batch", "facts", "us/fact", "commit p50", "commit p99");
    let (mut number, mut call) = (1, 0);
    for (batch, batches) in [(1, 300), (8, 300), (64, 200), (512, 60), (4096, 10)] {
        let mut commits = Vec::with_capacity(batches);
        let mut facts = Vec::new();
        for _ in 0..batches {
            while facts.len() < batch {
                facts.extend(life(call).into_iter().zip(number..).map(|((at, fact), number)| Noted {
                    number,
                    at,
                    fact,
                }));
                number += LIFE;
                call += 1;
            }
            let rest = facts.split_off(batch);
            let begin = Instant::now();
            writer.append(&facts).expect("the disk takes it");
            commits.push(begin.elapsed());
            facts = rest;
        }
        writer.append(&facts).expect("the disk takes it");
        let total: Duration = commits.iter().sum();
        commits.sort_unstable();
        let percentile = |percent: usize| commits[(commits.len() - 1) * percent / 100].as_micros();
        let each = total.as_secs_f64() * 1e6 / (batch * batches) as f64;
        println!("{batch:>10} {:>10} {each:>12.1} {:>9} us {:>9} us", batch * batches, percentile(50), percentile(99));
    }
    drop(writer);
    let _ = std::fs::remove_dir_all(&folder);
}

const LIFE: u64 = 8;

/// The facts of an ordinary call: offered, two rung, one answers, ended, the ladder, two counters.
fn life(call: i64) -> [(Timestamp, Fact); LIFE as usize] {
    let at = Timestamp::from_millisecond(1_795_000_000_000 + call * 5).expect("a moment of this century");
    let id = CallId::new(at, 0);
    let rung = |leg, extension: &str| Rung {
        leg,
        whom: Whom::Extension(extension.into()),
        device: "sip:14@192.168.0.9:5060;transport=udp".into(),
    };
    let offered = Offered {
        direction: Direction::Inbound,
        from: Party { number: "+491701112233".parse().ok(), name: Some("Ada Byron".into()), ..Party::default() },
        to: Party { number: "+493012340".parse().ok(), ..Party::default() },
        did: Some("+493012340".into()),
        source: Some("site".into()),
        trunk: Some("provider".into()),
        customer: Some(KnownCustomer { id: "crm-1".into(), name: "Ada Byron".into(), responsible: Some("12".into()) }),
        emergency: false,
        reference: None,
        sip_call_id: "3848276298220188511@provider.example".into(),
        because: vec![Reason::KnownCustomer("Ada Byron".into()), Reason::Responsible("12".into())],
        considered: Vec::new(),
        plan: "group:sales, then voicemail:sales".into(),
    };
    let ended = Ended { by: EndedBy::Caller, status: 200, missed: None, talk_ms: 90_000 };
    let talked = Counter::Talked { extension: "15".into(), day: jiff::civil::date(2026, 11, 23), calls: 7, last: at };
    [
        Fact::Call(id, CallFact::Offered(Box::new(offered))),
        Fact::Counted(Counter::Rotation { group: "sales".into(), calls: call as u64 }),
        Fact::Call(id, CallFact::Rung(vec![rung(1, "14"), rung(2, "15")])),
        Fact::Call(id, CallFact::Ringing { leg: 1 }),
        Fact::Call(id, CallFact::Answered { leg: 2, human: true }),
        Fact::Call(id, CallFact::Ended(ended)),
        Fact::Counted(talked),
        Fact::Call(id, CallFact::Traced { ladder: "provider -> us   INVITE +493012340\n".repeat(14), tape: None }),
    ]
    .map(|fact| (at, fact))
}
