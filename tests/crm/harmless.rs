//! A CRM that is dead, slow or broken changes neither who rings nor when: the same calls beside each, measured.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::office::{CUSTOMER, NUMBER, Office};
use crate::sip::Manner;
use crate::standin::{Answers, Asked, Health, Standin};

struct Anybody;

impl Answers for Anybody {
    fn answer(&mut self, _: &Asked) -> (u16, Value) {
        (200, json!({ "result": { "CALL_ID": "externalCall.1" } }))
    }
}

/// What callers and phones saw of the calls, in microseconds, sorted.
struct Delays {
    ringing: Vec<u128>,
    invited: Vec<u128>,
    /// Who was rung, call by call.
    rung: Vec<usize>,
}

impl Delays {
    fn of(name: &str, crm: Option<SocketAddr>, calls: usize) -> Delays {
        let crms = crm.map(|address| {
            format!(
                "[[crm]]\nname = \"one\"\ndialect = \"bitrix24\"\nurl = \"http://{address}/rest/1/x\"\nusers = {{ 201 = \"11\" }}\n\
                 default_user = \"1\"\n[[crm]]\nname = \"two\"\ndialect = \"megafon\"\nurl = \"http://{address}/hook\"\ntoken = \"t\"\n"
            )
        });
        let office = Office::new(name, "[media]\nmode = \"direct\"\nrecord = \"none\"\n", &crms.unwrap_or_default());
        let mut delays = Delays { ringing: Vec::new(), invited: Vec::new(), rung: Vec::new() };
        office.phones.iter().for_each(|phone| phone.behave(Manner::Ring));
        for number in 0..calls {
            let id = format!("call-{number}");
            office.provider.forget();
            office.phones.iter().for_each(|phone| phone.forget());
            office.provider.call(&id, CUSTOMER, NUMBER);
            let ringing = office.provider.wait("180 INVITE", 1);
            let invited = office.phones[0].wait("INVITE", 1);
            office.phones[1].wait("INVITE", 1);
            // Taken where it was sent, not where it was ordered.
            let sent = office.provider.wait("sent INVITE", 1);
            delays.ringing.push((ringing - sent).as_micros());
            delays.invited.push((invited - sent).as_micros());
            office.provider.cancel(&id);
            office.provider.wait("487 INVITE", 1);
            office.phones.iter().for_each(|phone| {
                phone.wait("CANCEL", 1);
            });
            delays.rung.push(
                office
                    .phones
                    .iter()
                    .map(|phone| phone.seen().iter().filter(|seen| seen.what == "INVITE").count())
                    .sum(),
            );
        }
        delays.ringing.sort_unstable();
        delays.invited.sort_unstable();
        delays
    }

    fn row(&self, name: &str) -> String {
        let at =
            |all: &[u128], hundredth: usize| all[(all.len() * hundredth / 100).min(all.len() - 1)] as f64 / 1_000.0;
        format!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} |",
            at(&self.ringing, 50),
            at(&self.ringing, 99),
            at(&self.invited, 50),
            at(&self.invited, 99)
        )
    }

    fn p99(&self) -> u128 {
        self.ringing[(self.ringing.len() * 99 / 100).min(self.ringing.len() - 1)]
    }
}

/// How many calls; `HUNTLINE_CRM_CALLS=200` for the figures.
fn calls() -> usize {
    std::env::var("HUNTLINE_CRM_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(30)
}

#[test]
fn a_dead_slow_or_broken_crm_changes_neither_who_rings_nor_when() {
    let began = Instant::now();
    let calls = calls();
    let none = Delays::of("harmless-none", None, calls);
    let well = Standin::start(Anybody);
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let slow = Standin::start(Anybody);
    slow.be(Health::Slow(Duration::from_secs(30)));
    let broken = Standin::start(Anybody);
    broken.be(Health::Status(500));
    let rows = [
        ("no CRM", none),
        ("CRMs that answer", Delays::of("harmless-well", Some(well.address), calls)),
        ("dead (nobody listens)", Delays::of("harmless-dead", Some(dead), calls)),
        ("answers after 30 s", Delays::of("harmless-slow", Some(slow.address), calls)),
        ("answers 500", Delays::of("harmless-broken", Some(broken.address), calls)),
    ];
    println!(
        "{calls} calls each, ms:\n| CRM | INVITE → 180 p50 | p99 | INVITE → phone p50 | p99 |\n|---|---|---|---|---|"
    );
    rows.iter().for_each(|(name, delays)| println!("{}", delays.row(name)));
    println!("took {:?}", began.elapsed());
    for (name, delays) in &rows {
        assert!(delays.rung.iter().all(|rung| *rung == 2), "{name}: {:?}", delays.rung);
        // A guarantee of the house, not the figure: on a busy machine p99 is the machine's.
        assert!(delays.p99() < 250_000, "{name}: {}", delays.p99());
    }
    assert!(!slow.asked().is_empty() && !broken.asked().is_empty() && !well.asked().is_empty());
}
