//! Follow-ups as facts make them, through the database.

use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::fixture::*;
use super::outbox::Outgoing;
use super::{CustomerRow, FollowUpRow, FollowUpsWanted, Reader};
use crate::clock::Duration;
use crate::config::{Config, Nothing};
use crate::customer::Kind;
use crate::event::{Audience, Event};
use crate::fact::{CallFact, Ended, EndedBy, Fact, Hand, MissedCause, Noted, Offered, Party, Rung, Whom};
use crate::key::CallId;
use crate::letter::Letter;
use crate::route::Direction;

const ADA: &str = "+491701112233";
const ADAS_OTHER: &str = "+4930123456";
const OURS: &str = "+493012340";

fn party(number: Option<&str>) -> Party {
    Party { number: number.map(|number| number.parse().unwrap()), anonymous: number.is_none(), ..Party::default() }
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Went {
    Missed,
    Unanswered,
    Talked(u64),
}

/// A call that begins and ends then, one second later. `None`: an anonymous caller.
pub(super) fn went(seconds: i64, direction: Direction, number: Option<&str>, went: Went) -> Vec<(i64, Fact)> {
    let (from, to) = match direction {
        Direction::Inbound => (party(number), party(Some(OURS))),
        _ => (Party { extension: Some("12".into()), ..Party::default() }, party(number)),
    };
    let offered = Offered { direction, from, to, customer: None, ..offered() };
    let (missed, talk_ms) = match went {
        Went::Missed => (Some(MissedCause::NoAnswer), 0),
        Went::Unanswered => (None, 0),
        Went::Talked(ms) => (None, ms),
    };
    let rung = match direction {
        Direction::Inbound => rung(1, "12"),
        _ => Rung { whom: Whom::Trunk { trunk: "provider".into(), number: "far".into() }, ..rung(1, "12") },
    };
    let mut steps = vec![CallFact::Offered(Box::new(offered)), CallFact::Rung(vec![rung])];
    if let Went::Talked(_) = went {
        steps.push(CallFact::Answered { leg: 1, human: true });
    }
    let mut steps: Vec<_> = steps.into_iter().map(|fact| (seconds, step(call(seconds), fact))).collect();
    let ended = Ended { by: EndedBy::Caller, status: 200, missed, talk_ms };
    steps.push((seconds + 1, step(call(seconds), CallFact::Ended(ended))));
    steps
}

pub(super) fn ada() -> CustomerRow {
    CustomerRow {
        id: "crm-1".into(),
        kind: Kind::Contact,
        name: "Ada Byron".into(),
        responsible: Some("12".into()),
        numbers: [ADA, ADAS_OTHER].map(|number| number.parse().unwrap()).into(),
        provisional: false,
    }
}

#[derive(Clone, Debug)]
pub(super) struct Rules(Arc<Config>, Arc<Mutex<Vec<Event>>>);

impl Rules {
    /// What was told since it was last asked: what, to whom, and the change.
    fn told(&self) -> Vec<(&'static str, Audience, serde_json::Value)> {
        let events = std::mem::take(&mut *self.1.lock().unwrap());
        let told = events.into_iter().map(|event| {
            let mut data = event.told.data;
            (event.told.kind.word(), event.told.audience, data["change"].take())
        });
        told.collect()
    }
}

impl Outgoing for Rules {
    fn config(&self) -> Option<Arc<Config>> {
        Some(self.0.clone())
    }
    fn happened(&self, events: Vec<Event>) {
        self.1.lock().unwrap().extend(events);
    }
    fn letters(&self, _: &Fact) -> Vec<Letter> {
        Vec::new()
    }
    fn posted(&self) {}
}

pub(super) fn rules(follow_up: &str) -> Rules {
    let text = format!(
        "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\nnumbering = {{ country = \"49\", national_prefix = \"0\", \
         international_prefix = \"00\" }}\n[follow_up]\n{follow_up}\n\
         [[extension]]\nnumber = \"12\"\npassword = \"env:P\"\n[[extension]]\nnumber = \"14\"\npassword = \"env:P\"\n"
    );
    Rules(Arc::new(Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config), Arc::default())
}

pub(super) fn rows(folder: &Folder, wanted: FollowUpsWanted) -> Vec<FollowUpRow> {
    Reader::open(&folder.0).unwrap().follow_ups(wanted, 0).unwrap()
}

#[test]
fn a_miss_stays_a_promise_until_somebody_has_talked_with_the_customer() {
    use Direction::{Inbound, Outbound};
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.put_customers(&[ada()], at(0)).unwrap();
    writer.tell(rules("due = \"20m\""));
    let mut missed = went(0, Inbound, Some(ADA), Went::Missed);
    missed[0].1 = step(call(0), CallFact::Offered(Box::new(offered())));
    let other_did = went(10, Inbound, Some(ADAS_OTHER), Went::Missed);
    let tried = went(20, Outbound, Some(ADA), Went::Unanswered);
    let four_seconds = went(30, Outbound, Some(ADA), Went::Talked(4_000));
    let facts = [missed, other_did, tried, four_seconds].concat();
    writer.append(&numbered(1, facts.clone())).unwrap();
    let open = rows(&folder, FollowUpsWanted::Open).remove(0);
    assert_eq!((open.id, open.call, open.opened, open.due), (1, call(0), at(1), at(1 + 20 * 60)));
    assert_eq!((open.assignee.as_deref(), &*open.assigned), (Some("12"), "responsible"));
    assert_eq!((open.who.number, open.who.name.as_deref()), (offered().from.number, Some("Ada Byron")));
    assert_eq!((open.did.as_deref(), open.cause), (Some(OURS), Some(MissedCause::NoAnswer)));
    assert_eq!((open.attempts, open.last_miss, open.tried, open.last_tried), (2, at(11), 1, Some(at(21))));
    assert_eq!((open.reacted, open.closed), (Some(at(20)), None));
    let said: Vec<_> = open.comments.iter().map(|comment| (comment.call, &*comment.what)).collect();
    assert_eq!(said, [(Some(call(10)), "missed"), (Some(call(20)), "tried"), (Some(call(30)), "brief")]);
    assert_eq!(rows(&folder, FollowUpsWanted::Overdue(open.due)), []);
    assert_eq!(rows(&folder, FollowUpsWanted::Overdue(at(1 + 20 * 60 + 1))).len(), 1);

    let talked = went(40, Outbound, Some(ADAS_OTHER), Went::Talked(6_000));
    writer.append(&numbered(facts.len() as u64 + 1, talked)).unwrap();
    assert_eq!(rows(&folder, FollowUpsWanted::Open), []);
    let done = rows(&folder, FollowUpsWanted::All);
    assert_eq!((done.len(), done[0].closed, done[0].closed_by), (1, Some(at(41)), Some(call(40))));
}

#[test]
fn a_call_for_which_the_employee_did_not_pick_up_was_no_try() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    let missed = went(0, Direction::Inbound, Some(ADA), Went::Missed);
    let mut clicked = went(20, Direction::Outbound, Some(ADA), Went::Unanswered);
    clicked[1].1 = step(call(20), CallFact::Rung(vec![rung(1, "12"), rung(2, "12")]));
    // The second time they did, and Ada is rung as well.
    let mut picked_up = went(40, Direction::Outbound, Some(ADA), Went::Unanswered);
    for facts in [&mut clicked, &mut picked_up] {
        let Fact::Call(_, CallFact::Offered(offered)) = &mut facts[0].1 else { panic!("{facts:?}") };
        offered.sip_call_id.clear();
    }
    let own = [CallFact::Rung(vec![Rung { leg: 2, ..rung(1, "12") }]), CallFact::CallerAnswered { leg: 2 }];
    picked_up.splice(1..1, own.map(|fact| (40, step(call(40), fact))));
    writer.append(&numbered(1, [missed, clicked, picked_up].concat())).unwrap();
    let open = rows(&folder, FollowUpsWanted::Open).remove(0);
    let said: Vec<_> = open.comments.iter().map(|comment| (comment.call, &*comment.what)).collect();
    assert_eq!(said, [(Some(call(40)), "tried")]);
}

#[test]
fn each_anonymous_caller_is_owed_one_and_nobody_inside_nor_blocked() {
    let folder = Folder::new();
    let facts = [
        went(0, Direction::Inbound, None, Went::Missed),
        went(10, Direction::Inbound, None, Went::Missed),
        went(20, Direction::Inbound, None, Went::Talked(60_000)),
        went(30, Direction::Inbound, Some(ADA), Went::Unanswered), // blocked
        went(40, Direction::Internal, Some(ADA), Went::Unanswered),
    ];
    folder.writer().append(&numbered(1, facts.concat())).unwrap();
    let open = rows(&folder, FollowUpsWanted::Open);
    assert_eq!(open.iter().map(|open| (open.call, open.attempts)).collect::<Vec<_>>(), [(call(0), 1), (call(10), 1)]);
    assert!(open.iter().all(|open| open.who.anonymous && open.who.number.is_none()));
}

#[test]
fn a_batch_that_is_written_again_neither_opens_nor_closes_anything() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    let batch = [
        went(0, Direction::Inbound, Some(ADA), Went::Missed),
        went(10, Direction::Inbound, Some(ADA), Went::Talked(6_000)),
        went(20, Direction::Inbound, Some(ADA), Went::Missed),
        went(30, Direction::Inbound, Some(ADA), Went::Missed),
    ];
    let batch = numbered(1, batch.concat());
    writer.append(&batch).unwrap();
    let once = rows(&folder, FollowUpsWanted::All);
    writer.append(&batch).unwrap();
    assert_eq!(rows(&folder, FollowUpsWanted::All), once);
    let kept: Vec<_> = once.iter().map(|row| (row.call, row.attempts, row.closed_by)).collect();
    assert_eq!(kept, [(call(20), 2, None), (call(0), 1, Some(call(10)))]);
}

#[test]
fn whom_the_process_took_with_it_is_called_back_by_who_talked_with_them_last() {
    let folder = Folder::new();
    let talk = went(0, Direction::Outbound, Some(ADA), Went::Talked(60_000));
    let mut rings = went(100, Direction::Inbound, Some(ADA), Went::Missed);
    rings.pop();
    folder.writer().append(&numbered(1, [talk, rings].concat())).unwrap();
    let mut writer = folder.writer();
    writer.tell(rules(""));
    let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    assert_eq!(writer.recover(at(200), &nothing).unwrap().missed, 1);
    writer.recover(at(201), &nothing).unwrap();
    let open = rows(&folder, FollowUpsWanted::All);
    assert_eq!((open.len(), open[0].call, open[0].cause), (1, call(100), Some(MissedCause::SystemFailure)));
    assert_eq!((open[0].assignee.as_deref(), &*open[0].assigned), (Some("12"), "last_talker"));
    assert_eq!(open[0].due, at(200 + 30 * 60));
}

#[test]
fn who_is_away_is_not_asked_and_a_list_goes_round() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.tell(rules("list = { round-robin = [\"12\", \"14\"] }"));
    let missed = |seconds| went(seconds, Direction::Inbound, None, Went::Missed);
    let away = |until| vec![(5, Fact::Away { extension: "12".into(), until })];
    let mut next = 1;
    for batch in [missed(0), missed(10), missed(20), away(Some(at(35))), missed(30), missed(40)] {
        let batch = numbered(next, batch);
        next += batch.len() as u64;
        writer.append(&batch).unwrap();
    }
    let asked: Vec<_> = rows(&folder, FollowUpsWanted::Open).iter().map(|row| row.assignee.clone().unwrap()).collect();
    assert_eq!(asked.iter().map(|who| &**who).collect::<Vec<_>>(), ["12", "14", "12", "14", "12"]);
}

fn hand(seconds: i64, by: Option<&str>, what: Hand) -> (i64, Fact) {
    (seconds, Fact::FollowUp { id: 1, by: by.map(Into::into), what })
}

#[test]
fn of_many_who_claim_at_once_one_has_it_and_all_hear_who() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    let rules = rules("assign = [\"unassigned\"]");
    writer.tell(rules.clone());
    writer.append(&numbered(1, went(0, Direction::Inbound, None, Went::Missed))).unwrap();
    let told = rules.told();
    assert_eq!((told.len(), told[0].0, &told[0].1), (1, "follow_up.created", &Audience::Everybody));
    assert_eq!(told[0].2["what"], "opened");
    let claims = ["14", "12", "14", "12"].map(|who| hand(10, Some(who), Hand::Claimed));
    let claims = numbered(4, claims);
    for _ in 0..2 {
        writer.append(&claims).unwrap();
        let row = rows(&folder, FollowUpsWanted::Open).remove(0);
        assert_eq!((row.assignee.as_deref(), &*row.assigned, row.given), (Some("14"), "claimed", at(10)));
        let [claimed] = &row.comments[..] else { panic!("{row:?}") };
        assert_eq!((&*claimed.what, claimed.by.as_deref(), claimed.seq), ("claimed", Some("14"), 4));
    }
    let told = rules.told();
    assert_eq!((told.len(), told[0].0, &told[0].1), (1, "follow_up.assigned", &Audience::Everybody));
    assert_eq!((&told[0].2["by"], &told[0].2["to"]), (&"14".into(), &"14".into()));
}

#[test]
fn what_people_and_time_do_is_told_to_whom_it_concerns_once() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    let rules = rules("list = { round-robin = [\"12\"] }");
    writer.tell(rules.clone());
    writer.append(&numbered(1, went(0, Direction::Inbound, Some(ADA), Went::Missed))).unwrap();
    rules.told();
    let (text, why): (Arc<str>, Arc<str>) = ("asks for Grace".into(), "she wrote a mail".into());
    let hands = [
        hand(10, Some("14"), Hand::Remarked { text }),
        hand(20, None, Hand::Assigned { to: Some("14".into()) }),
        hand(30, None, Hand::Overdue),
        hand(31, None, Hand::Overdue),
        hand(40, None, Hand::Escalated { to: "10".into() }),
        hand(41, None, Hand::Escalated { to: "10".into() }),
        hand(50, None, Hand::Reassigned { to: "10".into() }),
        hand(60, Some("10"), Hand::Assigned { to: None }),
        hand(61, None, Hand::Reassigned { to: "10".into() }),
        hand(70, Some("12"), Hand::Closed { why: why.clone() }),
        hand(71, Some("12"), Hand::Closed { why: why.clone() }),
        hand(72, Some("12"), Hand::Claimed),
        hand(80, Some("12"), Hand::Remarked { text: why }),
    ];
    let hands = numbered(4, hands);
    writer.append(&hands).unwrap();
    let told = rules.told();
    let users = |users: &[&str]| Audience::Users(users.iter().map(|user| (*user).into()).collect());
    let heard: Vec<_> = told
        .iter()
        .map(|(kind, audience, change)| (*kind, change["what"].as_str().unwrap(), audience.clone()))
        .collect();
    assert_eq!(
        heard,
        [
            ("follow_up.commented", "remarked", users(&["12"])),
            ("follow_up.assigned", "assigned", users(&["14", "12"])),
            ("follow_up.overdue", "overdue", users(&["14"])),
            ("follow_up.commented", "escalated", users(&["14", "10"])),
            ("follow_up.assigned", "reassigned", users(&["10", "14"])),
            ("follow_up.assigned", "assigned", Audience::Everybody),
            ("follow_up.closed", "closed", Audience::Everybody),
            ("follow_up.commented", "remarked", Audience::Everybody),
        ]
    );
    let row = rows(&folder, FollowUpsWanted::All).remove(0);
    assert_eq!((row.due, row.overdue, row.escalated), (at(1 + 30 * 60), Some(at(30)), Some(at(40))));
    assert_eq!((row.reassigned, row.assignee.as_deref(), &*row.assigned), (Some(at(50)), None, "by_hand"));
    assert_eq!((row.closed, row.closed_by, row.closed_hand.as_deref()), (Some(at(70)), None, Some("12")));
    assert_eq!(row.closed_why.as_deref(), Some("she wrote a mail"));
    assert_eq!(row.comments.len(), 8);

    // Said again, nothing more happens, and nobody hears it twice.
    writer.append(&hands).unwrap();
    assert_eq!((rules.told(), rows(&folder, FollowUpsWanted::All)), (vec![], vec![row]));
    // A miss after that opens another one.
    writer.append(&numbered(17, went(90, Direction::Inbound, Some(ADA), Went::Missed))).unwrap();
    assert_eq!(rows(&folder, FollowUpsWanted::Open)[0].id, 2);
    let data = rules.told();
    assert_eq!((data[0].0, &data[0].2["cause"]), ("follow_up.created", &"no_answer".into()));
}

/// Whom each number belongs to: Ada has two.
pub(super) const NUMBERS: [(&str, usize); 4] = [(ADA, 0), (ADAS_OTHER, 0), ("+4940777", 1), ("+4940778", 2)];

/// What the desk holds of one customer: the first missed call, how often they called, how many comments, the closing call.
type Held = (CallId, u32, usize, Option<CallId>);

/// The same from all calls at once: what lies between two talks, from the first miss on.
fn recomputed(calls: &[(usize, Direction, Went)]) -> Vec<Held> {
    let mut held = Vec::new();
    for person in 0..3 {
        let theirs = calls.iter().enumerate().filter(|(_, (number, ..))| NUMBERS[*number].1 == person);
        let theirs: Vec<_> = theirs.map(|(place, (_, direction, went))| (id(place), *direction, *went)).collect();
        let settles = |went| matches!(went, Went::Talked(ms) if ms >= 5_000);
        for between in theirs.split_inclusive(|(_, _, went)| settles(*went)) {
            let from_first_miss: Vec<_> = between.iter().skip_while(|(_, _, went)| *went != Went::Missed).collect();
            let Some((first, ..)) = from_first_miss.first() else { continue };
            let misses = from_first_miss.iter().filter(|(_, _, went)| *went == Went::Missed).count();
            let closing = from_first_miss.iter().find(|(_, _, went)| settles(*went)).map(|(id, ..)| *id);
            let silent = |direction, went| direction == Direction::Inbound && went == Went::Unanswered;
            let told = from_first_miss.iter().filter(|(_, direction, went)| !silent(*direction, *went)).count();
            held.push((*first, misses as u32, told - 1 - usize::from(closing.is_some()), closing));
        }
    }
    held.sort();
    held
}

pub(super) fn id(place: usize) -> CallId {
    call(place as i64 * 10)
}

pub(super) fn a_call() -> impl Strategy<Value = (usize, Direction, Went)> {
    let talk = prop_oneof![Just(4_999), Just(5_000), 0..20_000u64].prop_map(Went::Talked);
    let direction = prop_oneof![Just(Direction::Inbound), Just(Direction::Outbound)];
    let went = prop_oneof![3 => Just(Went::Missed), 2 => Just(Went::Unanswered), 2 => talk];
    (0..NUMBERS.len(), direction, went).prop_map(|(number, direction, went)| match went {
        // Who is called cannot be missed.
        Went::Missed => (number, Direction::Inbound, went),
        _ => (number, direction, went),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_desk_holds_what_all_calls_together_say(
        calls in prop::collection::vec(a_call(), 0..24),
        batches in prop::collection::vec((1..9usize, any::<bool>()), 12),
    ) {
        let folder = Folder::new();
        let mut writer = folder.writer();
        writer.put_customers(&[ada()], at(0)).unwrap();
        let facts = calls.iter().enumerate().flat_map(|(place, &(number, direction, how))| {
            went(place as i64 * 10, direction, Some(NUMBERS[number].0), how)
        });
        let facts: Vec<Noted> = numbered(1, facts);
        // In batches of any size, some of them written twice.
        let mut rest = &facts[..];
        for (size, twice) in batches.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, later) = rest.split_at(size.min(rest.len()));
            (0..=usize::from(twice)).for_each(|_| writer.append(batch).unwrap());
            rest = later;
        }
        let rows = rows(&folder, FollowUpsWanted::All);
        let mut held: Vec<Held> =
            rows.iter().map(|row| (row.call, row.attempts, row.comments.len(), row.closed_by)).collect();
        held.sort();
        prop_assert_eq!(held, recomputed(&calls));
        for row in rows {
            prop_assert_eq!(row.due, row.opened.checked_add(Duration::from_secs(30 * 60)).unwrap());
        }
    }
}
