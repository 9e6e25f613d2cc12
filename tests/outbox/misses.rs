//! A hundred customers who are one: missed at once, written to once.

use std::time::Duration;

use crate::office::{Office, until};
use crate::stand_in::{Answer, Asked, StandIn};

const NUMBER: &str = "+79161234567";
const CALLS: usize = 100;

fn sms(provider: &StandIn, id: &str) -> String {
    let url = provider.url("/");
    format!("[sms]\nurl = \"{url}\"\nbody = \"to={{number}}&text={{text}}{id}\"\ntext = \"{{company}} calls back\"\n")
}

/// How many attempts the one follow-up counts, and how many calls were missed.
fn promised(office: &Office) -> (usize, usize) {
    let list =
        |arguments: &[&str]| -> Vec<serde_json::Value> { serde_json::from_str(&office.says(arguments)).unwrap() };
    let follow_ups = list(&["followups", "--json"]);
    assert_eq!(follow_ups.len(), 1, "{follow_ups:?}");
    let missed = list(&["calls", "--missed", "--limit", "0", "--json"]).len();
    (follow_ups[0]["attempts"].as_u64().unwrap() as usize, missed)
}

#[test]
fn a_hundred_simultaneous_misses_of_one_number_are_one_promise_and_one_sms() {
    let provider = StandIn::start(|_, _| Answer::of(200));
    let mut office = Office::new("hundred");
    office.configure(&sms(&provider, "&id={id}"));
    office.serve();
    assert_eq!(office.burst(NUMBER, CALLS), CALLS);
    until(|| office.says(&["outbox"]) == "nothing waits\n");
    assert_eq!(provider.asked().len(), 1);
    assert!(provider.asked()[0].body.starts_with("to=%2B79161234567&text=Stroymarket%20calls%20back&id="));
    assert_eq!(promised(&office), (CALLS, CALLS));
}

#[test]
fn killed_in_the_middle_of_them_it_still_sends_one_sms() {
    // The first try is under way when the router dies, the answer never comes.
    let provider = StandIn::start(|count, _| Answer::after(if count == 0 { 60_000 } else { 0 }));
    let mut office = Office::new("middle");
    office.configure(&sms(&provider, "&id={id}"));
    office.serve_until("after_commit:6");
    office.burst(NUMBER, CALLS);
    office.kill();
    let before = provider.asked().len();
    office.serve();
    office.burst(NUMBER, CALLS);
    until(|| office.says(&["outbox"]) == "nothing waits\n");
    let ids: std::collections::BTreeSet<String> =
        provider.asked().iter().map(Asked::to_owned).map(|asked| asked.body).collect();
    assert_eq!(ids.len(), 1, "one SMS, whose provider is told by its id where it was asked before: {ids:?}");
    assert!(provider.asked().len() <= before + 1);
    let (attempts, missed) = promised(&office);
    assert_eq!(attempts, missed);
    assert!(attempts >= CALLS, "{attempts}");
}

#[test]
fn an_sms_in_doubt_is_not_sent_twice_by_a_provider_that_would_not_know_it_again() {
    let provider = StandIn::start(|_, _| Answer::after(60_000));
    let mut office = Office::new("doubt");
    office.configure(&sms(&provider, ""));
    office.serve();
    office.call(NUMBER, "a");
    until(|| provider.asked().len() == 1);
    office.kill();
    office.serve();
    until(|| office.says(&["outbox"]).contains("given up"));
    let listed = office.says(&["outbox"]);
    assert!(listed.contains("it may have been sent, and is not sent twice"), "{listed}");
    // Time enough to ask once more.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(provider.asked().len(), 1);
}
