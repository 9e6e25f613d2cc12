//! What misses leave behind, through the database.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::customers_live::CustomerChange;
use super::fixture::*;
use super::outbox::Outgoing;
use super::{CallFilter, FollowUpRow, FollowUpsWanted, Happened, Reader, TimelineEntry, Writer};
use crate::config::{Config, Nothing};
use crate::customer::Kind;
use crate::event::{Event, EventKind};
use crate::fact::{
    CallFact, CustomerCard, Ended, EndedBy, Fact, Hand, MissedCause, Noted, Offered, Party, RecordingOf,
};
use crate::key::CallId;
use crate::letter::Letter;
use crate::route::Direction;

const STRANGER: &str = "+79161234567";
const LANDLINE: &str = "+74957654321";

/// The rules of a config; what happened is kept.
#[derive(Clone, Debug)]
struct Office {
    config: Arc<Config>,
    heard: Arc<Mutex<(Vec<EventKind>, Vec<CustomerChange>)>>,
}

impl Outgoing for Office {
    fn config(&self) -> Option<Arc<Config>> {
        Some(self.config.clone())
    }
    fn letters(&self, _: &Fact) -> Vec<Letter> {
        Vec::new()
    }
    fn happened(&self, events: Vec<Event>) {
        self.heard.lock().unwrap().0.extend(events.iter().map(|event| event.told.kind));
    }
    fn customers(&self, changes: Vec<CustomerChange>) {
        self.heard.lock().unwrap().1.extend(changes);
    }
    fn posted(&self) {}
}

fn office(rest: &str) -> Office {
    let text = format!(
        "[site]\nname = \"Tour\"\ntimezone = \"Europe/Moscow\"\nnumbering = {{ country = \"7\" }}\n\
         [sms]\nurl = \"https://sms.example/\"\nbody = \"to={{number}}&text={{text}}\"\n\
         [telegram]\ntoken = \"env:T\"\n{rest}\n\
         [[extension]]\nnumber = \"12\"\npassword = \"env:P\"\ntelegram = \"12\"\n"
    );
    let config = Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config;
    Office { config: Arc::new(config), heard: Arc::default() }
}

/// The id of one of many calls that begin then.
fn id(seconds: i64, which: u64) -> CallId {
    CallId::new(at(seconds), which)
}

/// A call that begins and ends then. `talk`: how long, in seconds.
fn went(call: CallId, seconds: i64, direction: Direction, number: &str, talk: Option<u64>) -> Vec<(i64, Fact)> {
    let outside = Party { number: number.parse().ok(), ..Party::default() };
    let ours = Party { extension: Some("12".into()), ..Party::default() };
    let (from, to) = match direction {
        Direction::Inbound => (outside, Party::default()),
        _ => (ours, outside),
    };
    let offered = Offered { direction, from, to, customer: None, ..offered() };
    let missed = (talk.is_none() && direction == Direction::Inbound).then_some(MissedCause::NoAnswer);
    let mut steps = vec![CallFact::Offered(Box::new(offered)), CallFact::Rung(vec![rung(1, "12")])];
    steps.extend(talk.map(|_| CallFact::Answered { leg: 1, human: true }));
    let talk_ms = talk.unwrap_or(0) * 1_000;
    steps.push(CallFact::Ended(Ended { by: EndedBy::Caller, status: 200, missed, talk_ms }));
    steps.into_iter().map(|fact| (seconds, step(call, fact))).collect()
}

fn missed(call: CallId, seconds: i64, number: &str) -> Vec<(i64, Fact)> {
    went(call, seconds, Direction::Inbound, number, None)
}

/// Letters of a kind, as `target about`.
fn letters(writer: &Writer, kind: &str) -> Vec<String> {
    let mut statement =
        writer.connection.prepare("SELECT target || ' ' || about FROM outbox WHERE kind = ?1 ORDER BY id").unwrap();
    let rows = statement.query_map([kind], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn promises(folder: &Folder) -> Vec<FollowUpRow> {
    Reader::open(&folder.0).unwrap().follow_ups(FollowUpsWanted::All, 0).unwrap()
}

fn append(writer: &mut Writer, first: &mut u64, facts: Vec<(i64, Fact)>) -> Vec<Noted> {
    let batch = numbered(*first, facts);
    *first += batch.len() as u64;
    writer.append(&batch).unwrap();
    batch
}

#[test]
fn a_hundred_misses_at_once_leave_one_customer_one_promise_and_one_sms() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    let office = office("");
    writer.tell(office.clone());
    let storm: Vec<_> = (0..100).flat_map(|which| missed(id(0, which), 0, STRANGER)).collect();
    let mut next = 1;
    let batch = append(&mut writer, &mut next, storm);
    writer.append(&batch).unwrap();

    assert_eq!(letters(&writer, "sms"), [format!("{STRANGER} missed {}", id(0, 0))]);
    let promises = promises(&folder);
    assert_eq!((promises.len(), promises[0].attempts, promises[0].comments.len()), (1, 100, 99));
    assert_eq!(promises[0].customer.as_deref(), Some(STRANGER));
    let customers = Reader::open(&folder.0).unwrap().customers(&Default::default(), 9).unwrap();
    assert_eq!(customers.len(), 1);
    let made = &customers[0];
    assert_eq!((made.row.kind, &*made.row.id, &*made.row.name), (Kind::Lead, STRANGER, STRANGER));
    assert!(made.row.provisional && made.callback_required);
    let heard = office.heard.lock().unwrap();
    let created = heard.0.iter().filter(|kind| **kind == EventKind::ContactCreated).count();
    assert_eq!((created, heard.1.len()), (1, 1));
}

#[test]
fn a_number_gets_one_sms_in_ten_minutes_also_across_a_restart() {
    let folder = Folder::new();
    let mut next = 1;
    let mut sent = Vec::new();
    for seconds in [0, 1, 599, 600, 601, 1_199, 1_200] {
        let mut writer = folder.writer();
        writer.tell(office(""));
        append(&mut writer, &mut next, missed(id(seconds, 1), seconds, STRANGER));
        // Each writer counts from what is in the database.
        next = 1;
        sent.push(letters(&writer, "sms").len());
    }
    assert_eq!(sent, [1, 1, 1, 2, 2, 2, 3]);
}

#[test]
fn no_sms_to_landlines_the_blocked_the_anonymous_and_who_was_talked_with() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.tell(office(""));
    let mut next = 1;
    let blocked = |blocked| Fact::Blocked { number: STRANGER.parse().unwrap(), blocked, note: String::new() };
    append(&mut writer, &mut next, vec![(0, blocked(true))]);
    for (which, number) in [STRANGER, LANDLINE, ""].into_iter().enumerate() {
        append(&mut writer, &mut next, missed(id(1, which as u64), 1, number));
    }
    append(&mut writer, &mut next, went(id(2, 1), 2, Direction::Inbound, STRANGER, Some(1)));
    append(&mut writer, &mut next, went(id(3, 1), 3, Direction::Outbound, STRANGER, None));
    append(&mut writer, &mut next, went(id(4, 1), 4, Direction::Internal, STRANGER, None));
    assert_eq!(letters(&writer, "sms"), [""; 0]);
    append(&mut writer, &mut next, vec![(5, blocked(false))]);
    append(&mut writer, &mut next, missed(id(6, 1), 6, STRANGER));
    assert_eq!(letters(&writer, "sms").len(), 1);
}

#[test]
fn the_real_customer_takes_the_place_of_the_provisional_one_and_its_promise() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    let office = office("");
    writer.tell(office.clone());
    let mut next = 1;
    append(&mut writer, &mut next, missed(id(0, 1), 0, STRANGER));
    let ada = CustomerCard {
        name: "Ada".into(),
        responsible: Some("12".into()),
        numbers: vec![STRANGER.parse().unwrap()],
        provisional: false,
    };
    let put = Fact::Customer { kind: Kind::Contact, id: "7".into(), now: Some(Box::new(ada)) };
    let batch = append(&mut writer, &mut next, vec![(10, put)]);
    writer.append(&batch).unwrap();
    let reader = Reader::open(&folder.0).unwrap();
    let customers = reader.customers(&Default::default(), 9).unwrap();
    assert_eq!(customers.iter().map(|one| &*one.row.id).collect::<Vec<_>>(), ["7"]);
    assert!(customers[0].callback_required);
    let promise = promises(&folder).remove(0);
    assert_eq!((promise.customer.as_deref(), promise.who.name.as_deref()), (Some("7"), Some("Ada")));
    let changes: Vec<_> = office.heard.lock().unwrap().1.iter().map(|one| (one.kind, one.now.is_some())).collect();
    assert_eq!(changes[..3], [(Kind::Lead, true), (Kind::Contact, true), (Kind::Lead, false)]);
    // Who is known now calls again, under a call that began before: nothing new is made.
    append(&mut writer, &mut next, missed(id(9, 1), 20, STRANGER));
    assert_eq!(reader.customers(&Default::default(), 9).unwrap().len(), 1);
    // Called back, nobody waits any more.
    append(&mut writer, &mut next, went(id(30, 1), 30, Direction::Outbound, STRANGER, Some(6)));
    assert!(!reader.customer(Kind::Contact, "7").unwrap().unwrap().callback_required);
}

#[test]
fn an_unknown_number_is_met_as_the_config_says() {
    for (rule, expected) in [("on_missed", vec![STRANGER]), ("on_any", vec![LANDLINE, STRANGER]), ("never", vec![])] {
        let folder = Folder::new();
        let mut writer = folder.writer();
        writer.tell(office(&format!("[customers]\nprovisional = \"{rule}\"")));
        let mut next = 1;
        append(&mut writer, &mut next, missed(id(0, 1), 0, STRANGER));
        append(&mut writer, &mut next, went(id(1, 1), 1, Direction::Outbound, LANDLINE, None));
        append(&mut writer, &mut next, went(id(2, 1), 2, Direction::Internal, "+79160000000", None));
        let customers = Reader::open(&folder.0).unwrap().customers(&Default::default(), 9).unwrap();
        assert_eq!(customers.iter().map(|one| &*one.row.id).collect::<Vec<_>>(), expected, "{rule}");
    }
}

#[test]
fn employees_are_told_in_the_same_transaction_and_once() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.tell(office("[follow_up]\nlist = { random = [\"12\"] }"));
    let mut next = 1;
    let batch = append(&mut writer, &mut next, missed(id(0, 1), 0, STRANGER));
    writer.append(&batch).unwrap();
    append(&mut writer, &mut next, missed(id(1, 1), 1, STRANGER));
    append(&mut writer, &mut next, vec![(2, Fact::FollowUp { id: 1, by: None, what: Hand::Overdue })]);
    let told = letters(&writer, "telegram");
    assert_eq!(told, ["12 follow-up 1 3 opened", "12 follow-up 1 7 overdue"]);
    let body: String = writer
        .connection
        .query_row("SELECT body FROM outbox WHERE kind = 'telegram' LIMIT 1", [], |row| row.get(0))
        .unwrap();
    assert!(body.contains("Перезвоните: +79161234567") && body.contains("Заполните карточку"), "{body}");
}

/// What is in a timeline, as words.
fn words(entries: &[TimelineEntry]) -> Vec<String> {
    let word = |entry: &TimelineEntry| match &entry.what {
        Happened::Call { call } => format!("call {} {:?}", call.id, call.state),
        Happened::Voicemail { file, .. } => format!("message {file}"),
        Happened::Sms { sent, failed, .. } => format!("sms {} {}", sent.is_some(), failed.is_some()),
        Happened::FollowUp { follow_up, happened, .. } => format!("follow-up {follow_up} {happened}"),
        Happened::Note { note, .. } => {
            format!("note {:?}", note.text.as_deref().or(note.disposition.as_deref()).unwrap())
        }
    };
    entries.iter().map(word).collect()
}

#[test]
fn a_timeline_has_everything_in_order_and_its_pages_lose_nothing() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.tell(office("[follow_up]\nlist = { random = [\"12\"] }"));
    let mut next = 1;
    let (first, second) = (id(0, 1), id(60, 1));
    let mut left = missed(first, 0, STRANGER);
    let of = RecordingOf::Message { mailbox: "sales".into() };
    left.insert(1, (0, step(first, CallFact::Recording { file: "v/a.wav".into(), of })));
    append(&mut writer, &mut next, left);
    let arrived = Fact::Delivered {
        carrier: "sms".into(),
        to: STRANGER.into(),
        about: format!("missed {first}").into(),
        call: Some(first),
        failed: None,
    };
    append(&mut writer, &mut next, vec![(1, arrived)]);
    let by = Some("12".into());
    append(
        &mut writer,
        &mut next,
        vec![(2, Fact::FollowUp { id: 1, by, what: Hand::Remarked { text: "at five".into() } })],
    );
    append(&mut writer, &mut next, missed(id(30, 1), 30, LANDLINE));
    append(&mut writer, &mut next, went(second, 60, Direction::Outbound, STRANGER, Some(60)));
    let note = |text: &str| Fact::CallNoted {
        call: second,
        by: Some("12".into()),
        text: Some(text.into()),
        disposition: None,
    };
    append(&mut writer, &mut next, vec![(61, note("wants two")), (61, note("by Friday"))]);

    let reader = Reader::open(&folder.0).unwrap();
    let numbers = [STRANGER.parse().unwrap()];
    let whole = reader.timeline(&numbers, None, 99).unwrap();
    let expected = [
        "note \"by Friday\"".to_owned(),
        "note \"wants two\"".into(),
        "follow-up 1 closed".into(),
        format!("call {second} Answered"),
        "follow-up 1 remarked".into(),
        "follow-up 1 opened".into(),
        "sms true false".into(),
        "message v/a.wav".into(),
        format!("call {first} Missed"),
    ];
    assert_eq!(words(&whole), expected);
    for page in 1..5 {
        let mut paged = Vec::new();
        let mut before = None;
        loop {
            let entries = reader.timeline(&numbers, before, page).unwrap();
            let Some(last) = entries.last() else { break };
            before = Some(last.mark.to_string().parse().unwrap());
            paged.extend(entries);
        }
        assert_eq!(paged, whole, "{page} to a page");
    }
}

#[test]
fn an_answered_call_of_a_group_waits_until_somebody_has_said_what_came_of_it() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    let office = office("[[group]]\nname = \"sales\"\nmembers = [\"12\"]\ndisposition = true");
    writer.tell(office.clone());
    let mut next = 1;
    let talked = |call, seconds, plan: &str| {
        let mut facts = went(call, seconds, Direction::Inbound, STRANGER, Some(60));
        if let Fact::Call(_, CallFact::Offered(offered)) = &mut facts[0].1 {
            offered.plan = plan.into();
            offered.because.clear();
        }
        facts
    };
    let plan = "1. group:sales, 12 from 0 s to 60 s";
    let (sales, other, early) = (id(0, 1), id(10, 1), id(20, 1));
    append(&mut writer, &mut next, talked(sales, 0, plan));
    append(&mut writer, &mut next, talked(other, 10, "1. extension:12, 12 from 0 s to 30 s"));
    let said = |call, text: Option<&str>, disposition: Option<&str>| Fact::CallNoted {
        call,
        by: Some("12".into()),
        text: text.map(Into::into),
        disposition: disposition.map(Into::into),
    };
    let mut facts = talked(early, 20, plan);
    let end = facts.pop().unwrap();
    facts.extend([(20, said(early, None, Some("spam"))), end]);
    append(&mut writer, &mut next, facts);
    append(
        &mut writer,
        &mut next,
        vec![(30, said(sales, Some("nice"), None)), (31, said(id(99, 1), Some("nobody"), None))],
    );
    let reader = Reader::open(&folder.0).unwrap();
    let waiting = || {
        let filter = CallFilter { needs_disposition: Some(true), ..CallFilter::default() };
        reader.calls(&filter).unwrap().iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(waiting(), [sales]);
    let batch = append(&mut writer, &mut next, vec![(32, said(sales, None, Some("sold")))]);
    writer.append(&batch).unwrap();
    assert_eq!(waiting(), []);
    let notes = reader.call_notes(sales).unwrap();
    let notes: Vec<_> = notes.iter().map(|note| (note.text.as_deref(), note.disposition.as_deref())).collect();
    assert_eq!(notes, [(Some("nice"), None), (None, Some("sold"))]);
    assert_eq!(reader.call(sales).unwrap().unwrap().row.disposition.as_deref(), Some("sold"));
    let noted = office.heard.lock().unwrap().0.iter().filter(|kind| **kind == EventKind::CallNoted).count();
    assert_eq!(noted, 3, "of a call that there is not nothing is told");
}
