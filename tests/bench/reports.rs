//! `cargo bench --bench reports`: what reports over many calls cost, and what it costs to have them counted. `CALLS=1000000`
//! writes another number of them than 100,000.

#![allow(clippy::disallowed_methods)] // how long a report takes is measured on a real clock

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../reports/week.rs"]
mod week;

use huntline::report::{Ask, Kind, Plan};
use huntline::store::Reader;

use week::{SEED, Week, zone};

fn main() {
    let count = std::env::var("CALLS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let began = std::time::Instant::now();
    let week = Week::written("measure", SEED, count);
    let facts = week.facts;
    let took = began.elapsed();
    println!("{count} calls, {facts} facts written in {took:?}: {:?} a fact", took / u32::try_from(facts).unwrap());
    let plan = "1. greeting:hello; then 2\n2. group:sales, 201 from 0 s to 20 s, 202 from 0 s to 20 s; then 3\n\
                3. group:service, 203 from 0 s to 20 s; then 4\n4. voicemail:sales";
    let began = std::time::Instant::now();
    let groups = (0..100_000).filter(|_| huntline::route::Outline::read(plan).first() == Some("sales")).count();
    println!("reading the groups of {groups} plans: {:?} each", began.elapsed() / 100_000);
    let reader = Reader::open(&week.folder).unwrap();
    for kind in Kind::ALL {
        let began = std::time::Instant::now();
        let table = reader.report(&Ask::usual(*kind), week.span, &zone(), week.now, &Plan::new()).unwrap();
        println!("{kind}: {:?}, {} rows", began.elapsed(), table.rows.len());
    }
}
