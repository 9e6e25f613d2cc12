//! The stories of an office in which nobody is forgotten, each from the first INVITE to what everybody hears of it: a real
//! router, calls over UDP, and stand-ins for the SMS provider, Telegram, the mail server, the CRM and another program.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

mod crowd;
mod exposition;
mod figures;
mod office;
mod peers;
mod world;

use std::time::Duration;

use office::{ADA, MAIN, NIGHT, ONLY, Office, STRANGER, exactly, until};
use serde_json::Value;

/// The moment of a field.
fn moment(value: &Value, field: &str) -> huntline::clock::Timestamp {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).parse().unwrap()
}

/// What MegaFon's CRM was told, by its fields.
fn crm(office: &Office, command: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let told = office.world.heard("/crm").into_iter().map(|heard| heard.form());
    told.filter(|form| form.get("cmd").is_some_and(|cmd| cmd == command)).collect()
}

#[test]
fn a_known_customer_is_missed_told_promised_missed_again_and_called_back() {
    let (office, provider) = Office::open("known", 1, "");
    let world = &office.world;
    let ivan = office.phone("12");

    // Ada calls, her responsible's phone rings and shows who she is, and she gives up.
    let call = provider.call(ADA, MAIN);
    let rings = ivan.rings();
    assert!(rings.shows().contains("Ada Byron") && rings.shows().contains("9161234567"), "{}", rings.shows());
    call.hears_ringing();
    call.gives_up();
    rings.stops();

    // She is told, with a link to a chat.
    let sms = exactly("SMS", 1, || world.sms()).remove(0);
    assert_eq!(sms["to"], ADA);
    let text = sms["text"].as_str().unwrap();
    assert!(text.starts_with("Ada Byron, sorry") && text.ends_with("Ivan Petrov"), "{text}");
    assert!(text.contains("https://wa.me/74951234567"), "{text}");
    // Her responsible is to call her back within half an hour, and knows it from a mail and from the bot.
    let promise = exactly("follow-up", 1, || office.open_follow_ups()).remove(0);
    assert_eq!((&promise["assignee"], &promise["assigned"]), (&"12".into(), &"responsible".into()));
    assert_eq!(moment(&promise, "due").duration_since(moment(&promise, "opened")).as_mins(), 30);
    let mail = exactly("mail", 1, || world.mails()).remove(0);
    assert!(mail.contains("To: ivan@office.example") && mail.contains("Ada Byron"), "{mail}");
    let telegram = exactly("message of the bot", 1, || world.telegrams()).remove(0);
    assert_eq!(telegram["chat_id"], "1200");
    // Other programs know it, too.
    let missed = exactly("call.missed", 1, || world.events("call.missed")).remove(0);
    assert_eq!(missed["call"]["id"], promise["call"]);
    exactly("follow_up.created", 1, || world.events("follow_up.created"));

    // She calls again and nobody answers: the same promise, and no second SMS.
    let again = provider.call(ADA, MAIN);
    let rings = ivan.rings();
    again.gives_up();
    rings.stops();
    let commented = exactly("follow_up.commented", 1, || world.events("follow_up.commented")).remove(0);
    let open = office.open_follow_ups();
    assert_eq!((open.len(), &open[0]["attempts"], &open[0]["id"]), (1, &2.into(), &promise["id"]));
    assert_eq!((&open[0]["due"], &open[0]["comments"][0]["what"]), (&promise["due"], &"missed".into()));
    assert_eq!(open[0]["comments"][0]["call"], commented["call"]["id"]);

    // Ivan calls her back, at her other number. A talk of a second is enough here.
    let mut back = ivan.dial("89160000001");
    let ada = provider.is_called("+79160000001");
    ada.answers();
    back.is_answered();
    std::thread::sleep(Duration::from_millis(1_200));
    back.hangs_up();
    ada.is_hung_up();
    let closed = exactly("follow_up.closed", 1, || world.events("follow_up.closed")).remove(0);
    assert_eq!(office.open_follow_ups(), Vec::<Value>::new());
    let done = office.lists(&["followups"]).remove(0);
    assert_eq!(done["closed_by"], closed["call"]["id"], "closed with a link to the call");
    let last = office.lists(&["calls", "--limit", "1"]).remove(0);
    assert_eq!((&last["id"], &last["direction"]), (&done["closed_by"], &"outbound".into()));
    assert_eq!(world.sms().len(), 1);
    let lost = office.says(&["report", "lost", "--period", "today", "--csv"]);
    assert!(lost.trim_end().ends_with(",2,0,0.0,2,0,0,0"), "{lost}");
}

#[test]
fn the_crm_hears_of_a_miss_in_its_own_dialect() {
    let (office, provider) = Office::open("crm", 8, "");
    let ivan = office.phone("12");
    let call = provider.call(ADA, MAIN);
    let rings = ivan.rings();
    call.gives_up();
    rings.stops();
    let history = exactly("history of the CRM", 1, || crm(&office, "history")).remove(0);
    assert_eq!((history["type"].as_str(), history["status"].as_str()), ("in", "Missed"));
    assert!(ADA.ends_with(&history["phone"]), "{history:?}");
}

#[test]
fn an_unknown_caller_becomes_a_contact_that_one_of_the_numbers_list_is_to_fill_in() {
    let (office, provider) = Office::open("unknown", 2, "");
    let world = &office.world;
    let ivan = office.phone("12");
    let call = provider.call(STRANGER, MAIN);
    let rings = ivan.rings();
    assert!(rings.shows().contains("9167654321"), "{}", rings.shows());
    call.gives_up();
    rings.stops();

    let made = exactly("contact.created", 1, || world.events("contact.created")).remove(0);
    let known: Value = serde_json::from_str(&office.says(&["contacts", "lookup", STRANGER, "--json"])).unwrap();
    let card = &known["customers"][0];
    assert_eq!((&card["name"], &card["provisional"]), (&STRANGER.into(), &true.into()));
    assert_eq!(known["customers"].as_array().unwrap().len(), 1);
    let promise = exactly("follow-up", 1, || office.open_follow_ups()).remove(0);
    let who = promise["assignee"].as_str().unwrap();
    assert!(["14", "15"].contains(&who), "one of the number's list: {promise}");
    assert_eq!(promise["assigned"], "list");
    let told = exactly("message of the bot", 1, || world.telegrams()).remove(0);
    assert_eq!(told["chat_id"], format!("{who}00"));
    let text = told["text"].as_str().unwrap();
    assert!(text.contains(STRANGER) && text.contains(MAIN), "{text}");
    assert!(text.to_lowercase().contains("fill in the card"), "{text}");
    assert!(text.contains("https://crm.example/card?number="), "{text}");
    assert_eq!(exactly("SMS", 1, || world.sms())[0]["to"], STRANGER);

    // Told again, it makes nothing new.
    let call = provider.call(STRANGER, MAIN);
    let rings = ivan.rings();
    call.gives_up();
    rings.stops();
    exactly("follow_up.commented", 1, || world.events("follow_up.commented"));
    assert_eq!(world.events("contact.created"), [made]);
}

#[test]
fn a_busy_responsible_is_the_only_one_who_is_asked_and_the_customer_is_told_so() {
    let (office, provider) = Office::open("only", 3, "");
    let world = &office.world;
    let (ivan, olga) = (office.phone("12"), office.phone("14"));
    // Ivan talks with somebody else.
    let mut long = provider.call(STRANGER, MAIN);
    ivan.rings().answers();
    long.is_answered();

    let call = provider.call(ADA, ONLY);
    call.hears_ringing(); // an announcement, before any answer
    call.is_refused("480");
    assert!(olga.peer.has_heard_no("INVITE ") && ivan.peer.has_heard_no("INVITE "), "nobody else is rung");
    let missed = exactly("call.missed", 1, || world.events("call.missed")).remove(0);
    assert_eq!(missed["call"]["from"]["number"], ADA);
    let promise = exactly("follow-up", 1, || office.open_follow_ups()).remove(0);
    assert_eq!((&promise["assignee"], &promise["cause"]), (&"12".into(), &"announcement_only".into()));
    assert_eq!(exactly("SMS", 1, || world.sms())[0]["to"], ADA);
    long.hangs_up();
}

#[test]
fn a_call_that_flows_over_takes_its_window_along() {
    let (office, provider) = Office::open("overflow", 4, "");
    let (ivan, olga) = (office.phone("12"), office.phone("14"));
    let (his, hers) = (
        office.token(&["--name", "ivan", "--user", "12", "--scope", "events:read"]),
        office.token(&["--name", "olga", "--user", "14", "--scope", "events:read"]),
    );
    let (mut his, mut hers) = (office.events(&his), office.events(&hers));
    let rings = |who: &'static str, what: &'static str| {
        move |event: &Value| {
            let list = event["data"][what].as_array();
            let is_there = |one: &Value| one == who || one["user"] == who || one["extension"] == who;
            event["type"] == "call.ringing" && list.is_some_and(|list| list.iter().any(is_there))
        }
    };

    // Sales rings, for two seconds.
    let mut call = provider.call(STRANGER, MAIN);
    let at_ivans = ivan.rings();
    let window = his.next("window at Ivan's", rings("12", "ringing"));
    assert_eq!((&window["call"]["from"]["number"], &window["call"]["did"]), (&STRANGER.into(), &MAIN.into()));
    // Then service does: the window leaves the one and comes to the other, with the same caller and the same call.
    let at_olgas = olga.rings();
    assert!(at_olgas.shows().contains("9167654321"), "{}", at_olgas.shows());
    at_ivans.stops();
    let gone = his.next("the window leaves Ivan", rings("12", "withdrawn"));
    let came = hers.next("the window comes to Olga", rings("14", "ringing"));
    assert_eq!((&gone["call"]["id"], &came["call"]["id"]), (&window["call"]["id"], &window["call"]["id"]));
    assert_eq!(came["call"]["from"]["number"], STRANGER);
    at_olgas.answers();
    call.is_answered();
    let answered = hers.next("Olga talks", |event| event["type"] == "call.answered");
    assert_eq!(answered["call"]["id"], window["call"]["id"]);
    call.hangs_up();
    at_olgas.is_hung_up();
    let service = until("the call is counted", || {
        let text = office.says(&["report", "service", "--by", "group", "--period", "today", "--csv"]);
        text.contains("\r\nsales,").then_some(text)
    });
    assert!(service.contains("\r\nsales,1,1,100.0,1,"), "sales was asked, service answered: {service}");
}

#[test]
fn a_call_at_night_leaves_a_message_and_a_promise() {
    let (office, provider) = Office::open("night", 5, "");
    let world = &office.world;
    let olga = office.phone("14");
    office.says(&["override", "office", "closed"]);
    let mut call = provider.call(STRANGER, NIGHT);
    let there = call.is_answered();
    call.speaks(there, 200);
    call.hangs_up();
    assert!(olga.peer.has_heard_no("INVITE "));

    let message = exactly("voicemail.new", 1, || world.events("voicemail.new")).remove(0);
    let listed = office.lists(&["voicemail", "list"]).remove(0);
    assert_eq!(
        (&listed["mailbox"], &listed["state"], &listed["empty"]),
        (&"night".into(), &"new".into(), &false.into())
    );
    assert_eq!(message["call"]["id"], listed["call"]);
    let mail = until("the mail with the message", || {
        world.mails().into_iter().find(|mail| mail.contains("To: night@office.example"))
    });
    assert!(mail.contains("audio/x-wav"), "{mail}");
    let promise = exactly("follow-up", 1, || office.open_follow_ups()).remove(0);
    assert_eq!((&promise["cause"], &promise["call"]), (&"voicemail_left".into(), &listed["call"]));
    assert_eq!(exactly("SMS", 1, || world.sms())[0]["to"], STRANGER);
    exactly("contact.created", 1, || world.events("contact.created"));
    let causes = office.says(&["report", "missed", "--by", "did", "--period", "today", "--json"]);
    let causes: Value = serde_json::from_str(&causes).unwrap();
    assert_eq!((&causes["rows"][0]["did"], &causes["rows"][0]["voicemail_left"]), (&NIGHT.into(), &1.into()));
}
