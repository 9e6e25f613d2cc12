//! Misses, talks and hands in any order, beside a naive model: a list of promises kept by hand, and the rule "missed and not
//! called back" worked out anew from the whole call list.

use std::sync::Arc;

use proptest::prelude::*;

use super::fixture::*;
use super::follow_ups_told::{NUMBERS, Went, a_call, ada, id, rows, rules, went};
use super::{CallFilter, CallRow, FollowUpRow, FollowUpsWanted, Reader};
use crate::fact::{Fact, Hand};
use crate::key::CallId;
use crate::route::Direction;

/// What happens next.
#[derive(Clone, Debug)]
enum Doing {
    Call(usize, Direction, Went),
    Hand(i64, Option<&'static str>, Hand),
}

fn a_hand() -> impl Strategy<Value = Doing> {
    let who = || prop::sample::select(&["12", "14"][..]);
    let hand = prop_oneof![
        3 => Just(Hand::Claimed),
        1 => prop::option::of(who()).prop_map(|to| Hand::Assigned { to: to.map(Into::into) }),
        1 => Just(Hand::Remarked { text: "words".into() }),
        2 => Just(Hand::Closed { why: "done".into() }),
        1 => Just(Hand::Overdue),
        1 => Just(Hand::Escalated { to: "14".into() }),
        1 => Just(Hand::Reassigned { to: "14".into() }),
    ];
    // Some are about follow-ups that are not there.
    (1..7i64, prop::option::weighted(0.9, who()), hand).prop_map(|(id, by, what)| Doing::Hand(id, by, what))
}

fn anything() -> impl Strategy<Value = Doing> {
    prop_oneof![
        2 => a_call().prop_map(|(number, direction, went)| Doing::Call(number, direction, went)),
        1 => a_hand(),
    ]
}

/// A promise, as somebody with a notebook would keep it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Promise {
    person: usize,
    /// Its first miss, in the order of things.
    first: usize,
    attempts: u32,
    happened: Vec<&'static str>,
    assignee: Option<Arc<str>>,
    is_closed: bool,
}

fn notebook(doings: &[Doing]) -> Vec<Promise> {
    let mut promises: Vec<Promise> = Vec::new();
    for (first, doing) in doings.iter().enumerate() {
        match doing {
            Doing::Call(number, direction, went) => {
                let person = NUMBERS[*number].1;
                let open = promises.iter_mut().find(|one| one.person == person && !one.is_closed);
                match (open, went) {
                    (Some(one), Went::Missed) => {
                        one.attempts += 1;
                        one.happened.push("missed");
                    }
                    (None, Went::Missed) => {
                        promises.push(Promise { person, first, attempts: 1, ..Promise::default() });
                    }
                    (Some(one), Went::Talked(5_000..)) => one.is_closed = true,
                    (Some(one), Went::Talked(_)) => one.happened.push("brief"),
                    (Some(one), Went::Unanswered) if *direction == Direction::Outbound => one.happened.push("tried"),
                    _ => {}
                }
            }
            Doing::Hand(id, by, hand) => {
                let Some(one) = promises.get_mut(*id as usize - 1) else { continue };
                let by = by.map(Arc::from);
                let once = |one: &Promise, what| !one.happened.contains(&what);
                match hand {
                    Hand::Remarked { .. } => one.happened.push("remarked"),
                    _ if one.is_closed => {}
                    Hand::Claimed if one.assignee.is_none() && by.is_some() => {
                        one.assignee = by;
                        one.happened.push("claimed");
                    }
                    Hand::Claimed => {}
                    Hand::Assigned { to } if one.assignee != *to => {
                        one.assignee.clone_from(to);
                        one.happened.push("assigned");
                    }
                    Hand::Assigned { .. } => {}
                    Hand::Closed { .. } => {
                        one.is_closed = true;
                        one.happened.push("closed");
                    }
                    Hand::Overdue if once(one, "overdue") => one.happened.push("overdue"),
                    Hand::Escalated { .. } if once(one, "escalated") => one.happened.push("escalated"),
                    Hand::Reassigned { to } if once(one, "reassigned") => {
                        one.assignee = Some(to.clone());
                        one.happened.push("reassigned");
                    }
                    Hand::Overdue | Hand::Escalated { .. } | Hand::Reassigned { .. } => {}
                }
            }
        }
    }
    promises
}

fn person_of(row: &CallRow) -> usize {
    let outside = if row.direction == Direction::Inbound { &row.from } else { &row.to };
    let number = outside.number.unwrap().to_string();
    NUMBERS.iter().find(|(one, _)| **one == number).unwrap().1
}

/// Who was missed and not called back: for each person the first miss after the last thing that settled it, and how many
/// there were.
fn not_called_back(calls: &[CallRow], follow_ups: &[FollowUpRow]) -> Vec<(CallId, u32)> {
    let mut waiting = Vec::new();
    for person in 0..3 {
        let theirs: Vec<_> = calls.iter().filter(|row| person_of(row) == person).collect();
        let talks =
            theirs.iter().filter(|row| row.missed.is_none() && row.talk_ms >= 5_000).filter_map(|row| row.ended);
        let by_hand = follow_ups.iter().filter(|row| row.closed_by.is_none()).filter(|row| {
            let number = row.who.number.unwrap().to_string();
            NUMBERS.iter().any(|(one, whose)| *one == number && *whose == person)
        });
        let settled = talks.chain(by_hand.filter_map(|row| row.closed)).max();
        let misses: Vec<_> =
            theirs.iter().filter(|row| row.missed.is_some() && settled.is_none_or(|at| row.ended > Some(at))).collect();
        let first = misses.iter().map(|row| row.id).min();
        waiting.extend(first.map(|first| (first, misses.len() as u32)));
    }
    waiting.sort();
    waiting
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_calls_and_hands_do_the_desk_is_as_a_notebook_and_the_call_list_say(
        doings in prop::collection::vec(anything(), 0..32),
        batches in prop::collection::vec((1..9usize, any::<bool>()), 12),
    ) {
        let folder = Folder::new();
        let mut writer = folder.writer();
        writer.put_customers(&[ada()], at(0)).unwrap();
        writer.tell(rules("assign = [\"unassigned\"]"));
        let facts = doings.iter().enumerate().flat_map(|(place, doing)| match doing {
            Doing::Call(number, direction, how) => went(place as i64 * 10, *direction, Some(NUMBERS[*number].0), *how),
            Doing::Hand(id, by, what) => {
                let fact = Fact::FollowUp { id: *id, by: by.map(Into::into), what: what.clone() };
                vec![(place as i64 * 10, fact)]
            }
        });
        let facts = numbered(1, facts);
        let mut rest = &facts[..];
        for (size, twice) in batches.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, later) = rest.split_at(size.min(rest.len()));
            (0..=usize::from(twice)).for_each(|_| writer.append(batch).unwrap());
            rest = later;
        }

        let mut held = rows(&folder, FollowUpsWanted::All);
        held.sort_by_key(|row| row.id);
        let reader = Reader::open(&folder.0).unwrap();
        let calls = reader.calls(&CallFilter { limit: 0, ..CallFilter::default() }).unwrap();
        let mut open: Vec<_> = rows(&folder, FollowUpsWanted::Open).iter().map(|row| (row.call, row.attempts)).collect();
        open.sort();
        prop_assert_eq!(open, not_called_back(&calls, &held));
        let kept = notebook(&doings);
        prop_assert_eq!(held.len(), kept.len());
        for (row, promise) in held.iter().zip(&kept) {
            let happened: Vec<_> = row.comments.iter().map(|comment| &*comment.what).collect();
            prop_assert_eq!(&happened, &promise.happened);
            prop_assert_eq!((row.attempts, row.closed.is_some()), (promise.attempts, promise.is_closed));
            prop_assert_eq!(&row.assignee, &promise.assignee);
            prop_assert_eq!(row.call, id(promise.first));
        }
    }
}
