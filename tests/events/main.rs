//! Calls followed live: the real program over real sockets, and what a window on a screen is told of them.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

mod office;

use std::collections::BTreeMap;
use std::io::Read;

use office::{Listener, OFFER, Office, told};
use serde_json::{Value, json};

const CUSTOMER: &str = "+491701112233";
const NUMBER: &str = "+493012340";

/// 12 rings first, then Sales; nobody has anything but a phone at a fixed address.
const PLAN: &str = "[[group]]\nname = \"sales\"\nmembers = [\"14\", \"15\"]\nstrategy = \"ring-all\"\n\
    [[did]]\nnumber = \"+493012340\"\nsource = \"site\"\nopen = { to = [\"extension:12\", \"group:sales\", \"refuse:unavailable\"] }\n\
    [[did]]\nnumber = \"+493012341\"\nopen = { to = [\"extension:16\", \"refuse:unavailable\"] }\n";

const TOKENS: &[(&str, Option<&str>, &[&str])] = &[
    ("all", None, &["events:read"]),
    ("of-15", Some("15"), &["events:read"]),
    ("of-16", Some("16"), &["events:read", "calls:read"]),
    ("calls-only", None, &["calls:read"]),
];

fn office(name: &str) -> Office {
    Office::start(name, &["12", "14", "15", "16"], PLAN, TOKENS)
}

/// What happens to calls; the house's own news (the config applied at the start, trunks) is passed over.
const CALLS: &str = "?types=call.*,follow_up.*";

#[test]
fn the_window_comes_before_the_phone_rings_and_moves_with_the_call() {
    let office = office("window");
    let [x12, x14, x15, _] = &office.phones[..] else { panic!() };
    let mut screen = office.follow("all", CALLS, "");
    office.provider.invite("one", CUSTOMER, NUMBER);

    // 12's phone has not said a word.
    assert_eq!(screen.told(), "call.started");
    let ringing = screen.next().unwrap();
    assert_eq!(told(&ringing), "call.ringing +12");
    let call = &ringing["call"];
    assert_eq!(
        (&call["from"]["number"], &call["did"], &call["source"]),
        (&json!(CUSTOMER), &json!(NUMBER), &json!("site"))
    );
    assert_eq!(
        (&call["state"], &call["group"], &call["direction"]),
        (&json!("ringing"), &Value::Null, &json!("inbound"))
    );
    let invite = x12.next("INVITE", "INVITE");
    x12.respond(&invite, "486 Busy Here", "");

    // Overflow: the window moves to Sales.
    assert_eq!(screen.told(), "call.ringing -12 busy");
    let ringing = screen.next().unwrap();
    assert_eq!(told(&ringing), "call.ringing +14 +15");
    assert_eq!(ringing["call"]["group"], "sales");
    let rings = x15.next("INVITE", "INVITE");
    x15.respond(&rings, "180 Ringing", "");
    let talking = x14.answer();
    let answer = office.provider.next("SIP/2.0 200", "INVITE");
    office.provider.ask_back(&answer, "ACK", 1);
    assert_eq!(screen.told(), "call.answered by 14");
    assert_eq!(screen.told(), "call.ringing -15 answered");

    // A transfer: 15 sees who really calls.
    let cancel = x15.next("CANCEL", "CANCEL");
    x15.respond(&cancel, "200 OK", "");
    x15.respond(&rings, "487 Request Terminated", "");
    x14.ask_caller(&talking, "REFER", 1, "Refer-To: <sip:15@office.example>\r\n");
    x14.next("SIP/2.0 202", "REFER");
    assert_eq!(screen.told(), "call.transferred by 14 to 15");
    let ringing = screen.next().unwrap();
    assert_eq!(told(&ringing), "call.ringing +15");
    assert_eq!((&ringing["call"]["id"], &ringing["call"]["from"]["number"]), (&call["id"], &json!(CUSTOMER)));
    x15.answer();
    assert_eq!(screen.told(), "call.answered by 15");
    // Their sessions are exchanged.
    let reinvite = office.provider.next("INVITE", "INVITE");
    office.provider.respond(&reinvite, "200 OK", OFFER);
    office.provider.next("ACK", "ACK");
    office.provider.ask_back(&answer, "BYE", 2);
    let ended = screen.next().unwrap();
    assert_eq!(told(&ended), "call.ended by caller");
    let talkers = ended["call"]["talkers"].as_array().unwrap();
    assert_eq!(talkers.iter().map(|talker| &talker["who"]).collect::<Vec<_>>(), ["14", "15"]);
    assert_eq!(ended["call"]["id"], call["id"]);
}

/// A call that nobody takes in the end: it rings 16, and the customer gives up.
fn give_up(office: &Office, id: &str, screen: &mut Listener) {
    office.provider.invite(id, CUSTOMER, "+493012341");
    let invite = office.phones[3].next("INVITE", "INVITE");
    assert_eq!(told(&screen.until("call.ringing")), "call.ringing +16");
    office.phones[3].respond(&invite, "180 Ringing", "");
    office.provider.next("SIP/2.0 180", "INVITE");
    office.provider.cancel(id, CUSTOMER, "+493012341");
    let cancel = office.phones[3].next("CANCEL", "CANCEL");
    office.phones[3].respond(&cancel, "200 OK", "");
    office.phones[3].respond(&invite, "487 Request Terminated", "");
    assert_eq!(screen.told(), "call.ringing -16 caller_gave_up");
    assert_eq!(screen.told(), "call.ended by caller");
    assert_eq!(screen.told(), "call.missed cause abandoned");
}

/// Events by their ids; the same id must be the same event.
fn gather(events: impl IntoIterator<Item = Value>, into: &mut BTreeMap<String, Value>) {
    for event in events {
        let id = event["id"].as_str().unwrap().to_owned();
        let before = into.insert(id, event.clone());
        assert!(before.is_none_or(|before| before == event), "{event}");
    }
}

#[test]
fn who_was_away_goes_on_from_the_last_event_and_loses_nothing() {
    let mut office = office("resume");
    let mut always = office.follow("all", CALLS, "");
    let mut screen = office.follow("all", CALLS, "");
    let mut heard = BTreeMap::new();
    office.provider.invite("one", CUSTOMER, "+493012341");
    let invite = office.phones[3].next("INVITE", "INVITE");
    // Cut off in the middle, with events behind it that may not be on the disk yet.
    gather([screen.until("call.started")], &mut heard);
    let cursor = screen.cursor.clone();
    drop(screen);
    office.phones[3].respond(&invite, "180 Ringing", "");
    office.provider.next("SIP/2.0 180", "INVITE");
    office.provider.cancel("one", CUSTOMER, "+493012341");
    let cancel = office.phones[3].next("CANCEL", "CANCEL");
    office.phones[3].respond(&cancel, "200 OK", "");
    office.phones[3].respond(&invite, "487 Request Terminated", "");
    let mut all = BTreeMap::new();
    let mut last = Value::Null;
    while last["type"] != "follow_up.created" {
        last = always.next().unwrap();
        gather([last.clone()], &mut all);
    }
    // Browsers say it in a header, whoever cannot in the address.
    let header = format!("Last-Event-ID: {cursor}\r\n");
    let again =
        [office.follow("all", CALLS, &header), office.follow("all", &format!("{CALLS}&last_event_id={cursor}"), "")];
    for mut screen in again {
        let mut heard = heard.clone();
        while let Some(event) = screen.next() {
            let is_last = event["id"] == last["id"];
            gather([event], &mut heard);
            if is_last {
                break;
            }
        }
        assert_eq!(heard, all);
    }

    // It goes on with what happens then, and over the death of the router.
    let mut screen = office.follow("all", CALLS, &header);
    screen.until("follow_up.created");
    office.provider.invite("two", CUSTOMER, "+493012341");
    let ringing = screen.until("call.ringing");
    let invite = office.phones[3].next("INVITE", "INVITE");
    office.phones[3].respond(&invite, "180 Ringing", "");
    // What the caller hears is on record.
    office.provider.next("SIP/2.0 180", "INVITE");
    let call = ringing["call"]["id"].clone();
    let cursor = screen.cursor.clone();
    office.kill();
    assert!(screen.next().is_none(), "the stream ends with the router");
    office.serve();
    let mut screen = office.follow("all", CALLS, &format!("Last-Event-ID: {cursor}\r\n"));
    let ended = screen.until("call.ended");
    assert_eq!((&ended["call"]["id"], &ended["data"]["by"]), (&call, &json!("system_failure")));
    assert_eq!(told(&screen.next().unwrap()), "call.missed cause system_failure");
    let comment = screen.next().unwrap();
    assert_eq!((&comment["type"], &comment["call"]["id"]), (&json!("follow_up.commented"), &ended["call"]["id"]));
}

#[test]
fn an_employee_hears_what_concerns_that_employee_and_whoever_asks_for_some_hears_those() {
    let office = office("audience");
    let mut all = office.follow("all", CALLS, "");
    // A promise that is nobody's yet is everybody's, so of those it hears as well.
    let mut theirs = office.follow("of-15", "?types=call.*", "");
    let mut missed = office.follow("of-16", "?types=call.missed", "");
    let mut about_16 = office.follow("all", "?user=16&types=call.*", "");
    give_up(&office, "one", &mut all);
    assert_eq!(missed.told(), "call.missed cause abandoned");
    for told in ["call.ringing +16", "call.ringing -16 caller_gave_up", "call.ended by caller"] {
        assert_eq!(about_16.told(), told);
    }
    // 15 has not heard of that call; of the next one it does.
    office.provider.invite("two", CUSTOMER, NUMBER);
    let invite = office.phones[0].next("INVITE", "INVITE");
    office.phones[0].respond(&invite, "603 Decline", "");
    let first = theirs.next().unwrap();
    assert_eq!(told(&first), "call.ringing +14 +15");
    assert_eq!(first["call"]["from"]["number"], CUSTOMER);
}

#[test]
fn who_may_not_or_asks_for_nonsense_is_told_why() {
    let office = office("refused");
    let refused = |path: &str, headers: &str| {
        let (status, mut stream) = office.ask(path, &format!("{headers}Connection: close\r\n"));
        let mut body = String::new();
        let _ = stream.read_to_string(&mut body);
        (status, body)
    };
    let as_all = "Authorization: Bearer all\r\n";
    assert_eq!(refused("/api/v1/events", "").0, 401);
    assert_eq!(refused("/api/v1/events?access_token=all", "").0, 401, "addresses end up in logs");
    assert_eq!(refused("/api/v1/events", "Authorization: Bearer nobody\r\n").0, 401);
    let (status, body) = refused("/api/v1/events", "Authorization: Bearer calls-only\r\n");
    assert!(status == 403 && body.contains("events:read"), "{status} {body}");
    let (status, body) = refused("/api/v1/events?types=call.rings", as_all);
    assert!(
        status == 400 && body.contains("there is no event \\\"call.rings\\\"; there is call.started"),
        "{status} {body}"
    );
    let (status, body) = refused("/api/v1/events", &format!("{as_all}Last-Event-ID: soon\r\n"));
    assert!(status == 400 && body.contains("last_event_id"), "{status} {body}");
    let (status, body) = refused("/api/v1/events?type=call.*", as_all);
    assert!(status == 400 && body.contains("type"), "{status} {body}");
    let _open: Vec<Listener> = (0..256).map(|_| office.follow("all", CALLS, "")).collect();
    let (status, body) = refused("/api/v1/events", as_all);
    assert!(status == 503 && body.contains("256 follow the events already"), "{status} {body}");
}

#[test]
fn a_token_whose_time_is_over_ends_its_stream_and_no_other() {
    let mut office = office("over");
    office.kill();
    office.add_brief_token("brief", 5);
    office.serve();
    let mut other = office.follow("all", CALLS, "");
    let mut brief = office.follow("brief", CALLS, "");
    let began = std::time::Instant::now();
    assert_eq!(brief.next(), None);
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
    give_up(&office, "one", &mut other);
}
