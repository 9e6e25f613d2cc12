//! A week of an office, ten thousand calls of every kind, written by the real writer: every report, by whatever it is
//! counted, says what a second, plain way of counting says of the call list.

#![allow(clippy::disallowed_methods)] // a real router is waited for by a real clock

mod naive;
#[allow(dead_code, reason = "another test uses the rest")]
#[path = "../left_behind/office.rs"]
mod office;
mod shown;
mod week;

use std::collections::BTreeMap;

use huntline::report::{Ask, Dimension, Kind, Only, Plan, Span, Table};
use huntline::store::{CallFilter, FollowUpsWanted, Reader};

use naive::Naive;
use week::{SEED, Week, zone};

/// The rows of a table by their names, each with its figures as a spreadsheet reads them.
type Rows = BTreeMap<Vec<String>, BTreeMap<String, String>>;

/// Read from the CSV, so that this is tested, too.
fn rows(table: &Table) -> Rows {
    let text = table.csv(false);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heading = reader.headers().unwrap().clone();
    let (mut rows, names) = (Rows::new(), table.ask.by.len());
    for record in reader.records() {
        let record = record.unwrap();
        let name = record.iter().take(names).map(|cell| cell.strip_prefix('\'').unwrap_or(cell).to_owned()).collect();
        let figures = heading.iter().zip(&record).skip(names).map(|(one, cell)| (one.to_owned(), cell.to_owned()));
        assert!(rows.insert(name, figures.collect()).is_none(), "a row stands there twice");
    }
    rows
}

fn is_nothing(figures: &BTreeMap<String, String>) -> bool {
    figures.values().all(|cell| matches!(cell.as_str(), "0" | "" | "0.000"))
}

/// What both ways of counting say, where they differ.
fn differences(found: &Rows, expected: &Rows) -> Vec<String> {
    let nothing = BTreeMap::new();
    let names: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let mut out = Vec::new();
    for name in names {
        let (found, expected) = (found.get(name).unwrap_or(&nothing), expected.get(name).unwrap_or(&nothing));
        if is_nothing(found) && is_nothing(expected) {
            continue;
        }
        for column in found.keys().chain(expected.keys()).collect::<std::collections::BTreeSet<_>>() {
            if found.get(column) != expected.get(column) {
                out.push(format!("{name:?} {column}: {:?}, not {:?}", found.get(column), expected.get(column)));
            }
        }
    }
    out
}

#[test]
fn every_report_of_a_week_says_what_the_call_list_says() {
    let week = Week::written("reports", SEED, 10_000);
    let reader = Reader::open(&week.folder).unwrap();
    let calls = reader.calls(&CallFilter::default()).unwrap();
    assert!(calls.len() > 10_000, "{}", calls.len());
    let naive = Naive::new(&week, &calls);
    let (span, now) = (week.span, week.now);
    let report = |ask: &Ask, span| reader.report(ask, span, &zone(), now, &week.plan()).unwrap();
    let mut counted = 0;
    let of = |kind, by: &str| Ask::usual(kind).by(by);
    let pairs = ["day,user", "user,hour", "source,group", "weekday,did", "trunk,source"];
    for kind in [Kind::Calls, Kind::Missed, Kind::Lost, Kind::Service] {
        for by in Dimension::ALL.iter().map(|one| one.word()).chain(pairs) {
            let ask = of(kind, by).unwrap();
            let wrong = differences(&rows(&report(&ask, span)), &naive.rows(&ask, span));
            assert!(wrong.is_empty(), "{kind} by {by}:\n{}", wrong.join("\n"));
            counted += 1;
        }
    }
    for (kind, by) in [
        (Kind::Hours, "weekday,hour"),
        (Kind::Plan, "day,user"),
        (Kind::Plan, "user"),
        (Kind::Capacity, "trunk"),
        (Kind::Capacity, "day,trunk"),
        (Kind::FollowUps, "user"),
        (Kind::FollowUps, "day"),
        (Kind::FollowUps, "did"),
        (Kind::FollowUps, "source,group"),
    ] {
        let ask = of(kind, by).unwrap();
        let wrong = differences(&rows(&report(&ask, span)), &naive.rows(&ask, span));
        assert!(wrong.is_empty(), "{kind} by {by}:\n{}", wrong.join("\n"));
        counted += 1;
    }
    // Of some only, and of a part of the days, an hour that comes twice among them.
    let sunday = Span { from: week.start_of(6), to: week.start_of(7) };
    assert_eq!(sunday.to.duration_since(sunday.from).as_hours(), 25);
    let whose = [
        Only { user: Some("201".into()), ..Only::default() },
        Only { group: Some("sales".into()), ..Only::default() },
        Only { did: Some("+4930111".into()), source: Some("site".into()), ..Only::default() },
        Only { user: Some("202".into()), group: Some("service".into()), ..Only::default() },
    ];
    for only in whose {
        for kind in Kind::ALL {
            for span in [span, sunday] {
                let ask = Ask { only: only.clone(), ..Ask::usual(*kind) };
                let wrong = differences(&rows(&report(&ask, span)), &naive.rows(&ask, span));
                assert!(wrong.is_empty(), "{kind} of {only:?}:\n{}", wrong.join("\n"));
                counted += 1;
            }
        }
    }
    println!("{counted} reports");
}

#[test]
fn the_rows_of_every_report_add_up_to_the_call_list() {
    let week = Week::written("sums", SEED + 1, 2_000);
    let reader = Reader::open(&week.folder).unwrap();
    let calls = reader.calls(&CallFilter::default()).unwrap();
    let missed = calls.iter().filter(|call| call.missed.is_some()).count();
    for by in Dimension::ALL {
        let sum = |kind, column: &str| -> usize {
            let ask = Ask::usual(kind).by(by.word()).unwrap();
            let table = reader.report(&ask, week.span, &zone(), week.now, &Plan::new()).unwrap();
            let all = table.json()["total"][column].as_u64().unwrap() as usize;
            let rows: usize = rows(&table).values().map(|row| row[column].parse::<usize>().unwrap()).sum();
            assert_eq!(rows, all, "{kind} by {by}");
            rows
        };
        assert_eq!(sum(Kind::Calls, "calls"), calls.len(), "by {by}");
        assert_eq!(sum(Kind::Calls, "missed"), missed, "by {by}");
        assert_eq!(sum(Kind::Missed, "missed"), missed, "by {by}");
        let outcomes = ["lost", "called_back_in_time", "by_hand_in_time", "waiting"];
        assert_eq!(outcomes.map(|column| sum(Kind::Lost, column)).iter().sum::<usize>(), missed, "by {by}");
        let over = calls.iter().filter(|call| naive::is_offered(call)).count();
        assert_eq!(sum(Kind::Service, "offered"), over, "by {by}");
    }
}

#[test]
fn who_was_missed_and_not_called_back_is_who_has_an_open_follow_up() {
    for seed in 0..3 {
        let week = Week::written("back", SEED + 10 + seed, 2_000);
        let reader = Reader::open(&week.folder).unwrap();
        let calls = reader.calls(&CallFilter::default()).unwrap();
        let naive = Naive::new(&week, &calls);
        let mut listed: Vec<_> = reader.follow_ups(FollowUpsWanted::Open, 0).unwrap();
        listed.sort_by_key(|open| open.call);
        let mut expected: Vec<_> = naive.promises().iter().filter(|promise| !promise.is_settled()).collect();
        expected.sort_by_key(|promise| promise.first());
        assert!(expected.len() > 20, "{}", expected.len());
        let found: Vec<_> = listed.iter().map(|open| (open.call, open.attempts as usize, open.due)).collect();
        let expected: Vec<_> = expected.iter().map(|one| (one.first(), one.misses.len(), one.due)).collect();
        assert_eq!(found, expected, "seed {seed}");
    }
}
