//! A hundred calls of one number at one time, all missed; and again, while the router is killed among them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::office::{Office, STRANGER, exactly, until};
use crate::peers::{Outgoing, Provider};

const CROWD: usize = 100;
/// Rings Anton, for a long time.
const NUMBER: &str = "+74951110999";
const DID: &str = "[[did]]\nnumber = \"+74951110999\"\nopen = { to = \"group:hall\" }\n\
    [[group]]\nname = \"hall\"\nmembers = [\"15\"]\nstrategy = \"ring-all\"\npatience = \"120s\"\nthen = \"refuse:unavailable\"\n";

fn all_at_once(provider: &Provider) -> Vec<Outgoing> {
    let calls: Vec<Outgoing> = (0..CROWD).map(|_| provider.call(STRANGER, NUMBER)).collect();
    calls.iter().for_each(Outgoing::hears_ringing);
    calls
}

/// The one promise, with so many misses.
fn promise(office: &Office, misses: usize) -> Value {
    until(&format!("a promise with {misses} misses"), || {
        let open = office.open_follow_ups();
        assert!(open.len() <= 1, "{open:?}");
        open.into_iter().find(|one| one["attempts"] == misses)
    })
}

#[test]
fn a_hundred_simultaneous_misses_of_one_number_are_one_promise_and_one_sms() {
    let (mut office, provider) = Office::open("crowd", 6, DID);
    office.phone("15").rings_for_ever();
    let calls = all_at_once(&provider);
    calls.iter().for_each(Outgoing::gives_up);
    let one = promise(&office, CROWD);
    assert_eq!(one["comments"].as_array().unwrap().len(), CROWD - 1);
    exactly("SMS", 1, || office.world.sms());
    exactly("contact.created", 1, || office.world.events("contact.created"));

    // Again, and the router dies when half of them have given up.
    let calls = all_at_once(&provider);
    calls[..CROWD / 2].iter().for_each(Outgoing::gives_up);
    office.kill();
    office.serve();
    let again = promise(&office, 2 * CROWD);
    assert_eq!((&again["id"], &again["due"]), (&one["id"], &one["due"]));
    assert_eq!(again["comments"].as_array().unwrap().len(), 2 * CROWD - 1);
    let listed = office.lists(&["calls", "--missed", "--limit", "0"]);
    assert_eq!(listed.len(), 2 * CROWD);
    let ids: BTreeSet<String> = office.world.sms().iter().map(|sms| sms["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "one SMS within ten minutes, and told twice it is the same one");
}

#[test]
fn a_router_that_is_killed_among_the_first_misses_still_sends_one_sms() {
    let (mut office, provider) = Office::open("killed", 7, DID);
    office.phone("15").rings_for_ever();
    let calls = all_at_once(&provider);
    // The first ones are on record, perhaps told; the others ring.
    calls[..5].iter().for_each(Outgoing::gives_up);
    office.kill();
    office.serve();
    promise(&office, CROWD);
    exactly("SMS", 1, || {
        let sms = office.world.sms();
        let ids: BTreeSet<String> = sms.iter().map(|sms| sms["id"].to_string()).collect();
        ids.into_iter().collect()
    });
}
