//! A clock that jumps, on record: facts stand in the order in which they happened, whatever time they name, and no length
//! of anything is negative.

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Noted, Offered, Party, Rung, Whom};
use huntline::key::CallId;
use huntline::route::Direction;
use huntline::store::Writer;
use serde_json::Value;

use crate::router::{ADA, Router, TWELVE};

#[test]
fn records_of_a_clock_that_jumps_are_in_order_and_never_negative() {
    let router = Router::new("clock");
    let mut writer = Writer::open(&router.data()).unwrap();
    // One call while the clock goes back ten hours, one while it goes a year forward, one of a clock that stood in 1970.
    let hour = 3_600;
    let begun: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let mut number = 0;
    let mut ids = Vec::new();
    for (begins, answered, ends) in [
        (0, 5, -10 * hour),
        (100, 100 + 365 * 24 * hour, 200 + 365 * 24 * hour),
        (300, -begun.as_second(), 400),
        (500, 503, 600),
    ] {
        let at = |seconds: i64| Timestamp::from_second(begun.as_second() + seconds).unwrap();
        let id = CallId::new(at(begins), 7);
        ids.push(id.to_string());
        let rung = Rung { leg: 1, whom: Whom::Extension("12".into()), device: "sip:12@192.168.0.9".into() };
        let ended = Ended { by: EndedBy::Caller, status: 200, missed: None, talk_ms: 95_000 };
        let steps = [
            (begins, CallFact::Offered(Box::new(offered()))),
            (begins, CallFact::Rung(vec![rung])),
            (answered, CallFact::Answered { leg: 1, human: true }),
            (ends, CallFact::Ended(ended)),
        ];
        let facts = steps.map(|(seconds, step)| {
            number += 1;
            Noted { number, at: at(seconds), fact: Fact::Call(id, step) }
        });
        writer.append(&facts).unwrap();
    }
    // And a miss whose promise to call back is closed before it was opened.
    let missed = CallId::new(begun, 8);
    let ended = Ended { by: EndedBy::Caller, status: 487, missed: Some(MissedCause::Abandoned), talk_ms: 0 };
    let before = Timestamp::from_second(begun.as_second() - hour).unwrap();
    for (at, step) in [(begun, CallFact::Offered(Box::new(offered()))), (before, CallFact::Ended(ended))] {
        number += 1;
        writer.append(&[Noted { number, at, fact: Fact::Call(missed, step) }]).unwrap();
    }
    drop(writer);

    let calls = router.calls();
    let listed: Vec<&str> = calls.iter().map(|call| call["id"].as_str().unwrap()).collect();
    let newest_first: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    assert_eq!(listed.iter().filter(|id| ids.iter().any(|of| of == *id)).copied().collect::<Vec<_>>(), newest_first);
    assert_eq!(listed.len(), 5);
    let mut negative = Vec::new();
    for call in &calls {
        find_negative(call, &mut negative);
    }
    for id in &ids {
        let call = router.shows(&["calls", "show", id]);
        assert_eq!(call["talk_ms"], 95_000);
        find_negative(&call, &mut negative);
        let text = router.command(&["calls", "show", id]).output().unwrap();
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(text.contains("answered") && !text.contains("+-") && !text.contains("--"), "{text}");
    }
    for report in ["lost", "calls", "missed", "service", "hours", "capacity", "plan", "followups"] {
        let period = ["--from", "1970-01-01", "--to", "1971-01-01"];
        let report = [&["report", report][..], &period, &["--json"]].concat();
        let output = router.command(&report).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let report = ["report", report[1], "--period", "2026-11-22..2026-11-24"];
        find_negative(&router.shows(&report), &mut negative);
    }
    find_negative(&router.shows(&["followups"]), &mut negative);
    assert!(negative.is_empty(), "{negative:?}");
}

fn offered() -> Offered {
    Offered {
        direction: Direction::Inbound,
        from: Party { number: Some(ADA.parse().unwrap()), ..Party::default() },
        to: Party { number: Some(TWELVE.parse().unwrap()), ..Party::default() },
        did: Some(TWELVE.into()),
        source: None,
        trunk: Some("provider".into()),
        customer: None,
        emergency: false,
        reference: None,
        sip_call_id: "clock@example".into(),
        because: Vec::new(),
        plan: "ring 12".into(),
        considered: Vec::new(),
    }
}

/// Every number below zero, with its name.
fn find_negative(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if field.as_f64().is_some_and(|number| number < 0.0) {
                    into.push(format!("{name}: {field}"));
                }
                find_negative(field, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| find_negative(value, into)),
        _ => {}
    }
}
