//! Who rings when, while phones fail, decline, come and go: the walk along a plan, by example and against a second,
//! deliberately naive model that knows offices and half seconds, and nothing of plans.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use huntline::clock::{Duration, Instant};
use huntline::config::{Config, ExtensionIx, Nothing};
use huntline::customer::{Customer, Kind};
use huntline::entropy::Entropy;
use huntline::route::{
    Availability, Caller, Destined, Ending, Failed, Idle, Order, Origin, Presence, Situation, Walk, decide,
};
use huntline::state::State;
use proptest::prelude::*;

// ------------------------------------------------------------------------------------------------------ by example

#[test]
fn a_failing_member_starts_the_next_waiting_one_now_and_the_rest_follow_a_step_apart() {
    for (strategy, orders) in [("sequential", "ring 12"), ("escalating", "ring 12")] {
        let mut call = Ringing::group(strategy, &["11", "12", "13", "14"], 10, 35);
        assert_eq!(call.begun, "ring 11");
        assert_eq!(call.fail(3.0, "11", Failed::Busy), format!("11 is busy, {orders}"));
        assert_eq!(call.next_due(), Some(13.0));
        let at_13 = if strategy == "sequential" { "stop 12, ring 13" } else { "ring 13" };
        assert_eq!(call.due(13.0), at_13);
        assert_eq!(call.fail(20.0, "13", Failed::Unreachable), "13 is unreachable, ring 14");
        // Patience has not moved: 35 s from the beginning.
        let (end, at) = if strategy == "sequential" { ("stop 14", 30.0) } else { ("stop 12, stop 14", 35.0) };
        assert_eq!(call.next_due(), Some(at));
        assert_eq!(call.due(at), format!("all does not answer, falls to refuse:forbidden, {end}, finish 403"));
    }
}

#[test]
fn in_sequential_a_passed_slot_does_not_reopen_and_in_escalating_it_does() {
    let mut call = Ringing::group("sequential", &["11", "12"], 10, 60);
    call.fail(3.0, "11", Failed::Busy);
    assert_eq!(call.waiting(), "");
    assert_eq!(call.available(5.0, "11"), "");
    let mut call = Ringing::group("escalating", &["11", "12"], 10, 60);
    call.fail(3.0, "11", Failed::Busy);
    assert_eq!(call.waiting(), "11");
    assert_eq!(call.available(5.0, "11"), "ring 11");
    assert_eq!(call.due(60.0), "all does not answer, falls to refuse:forbidden, stop 12, stop 11, finish 403");
}

#[test]
fn a_member_busy_at_its_start_that_becomes_free_joins_for_the_rest_of_its_slot() {
    let mut call = Ringing::begin(&group("ring-all", &["11", "12"], 10, 30), &[("12", Availability::Busy)]);
    assert_eq!(call.begun, "12 is busy, ring 11");
    call.presence.clear();
    assert_eq!(call.available(29.5, "12"), "ring 12");
    assert_eq!(call.available(29.6, "12"), "", "it rings already");
    assert_eq!(call.due(30.0), "all does not answer, falls to refuse:forbidden, stop 11, stop 12, finish 403");
}

#[test]
fn one_that_declined_is_not_rung_again_in_this_call_and_one_merely_cancelled_may_be() {
    let office = r#"
        [[did]]
        number = "+49301000"
        open = { to = ["group:first", "group:second"] }
        [[group]]
        name = "first"
        members = ["11", "12", "13"]
        patience = "10s"
        [[group]]
        name = "second"
        strategy = "sequential"
        members = ["14", "11", "12"]
        step = "5s"
        then = "refuse:forbidden"
    "#;
    let mut call = Ringing::begin(office, &[]);
    assert_eq!(call.begun, "ring 11, ring 12, ring 13");
    assert_eq!(call.fail(2.0, "11", Failed::Declined), "11 declined");
    assert_eq!(call.waiting(), "");
    assert_eq!(call.available(3.0, "11"), "");
    assert_eq!(call.due(10.0), "first does not answer, falls to second, stop 12, stop 13, ring 14");
    assert_eq!(call.due(15.0), "11 declined, stop 14, ring 12");
    assert_eq!(call.due(20.0), "second does not answer, falls to refuse:forbidden, stop 12, finish 403");
}

#[test]
fn a_decline_that_crosses_the_cancel_counts_as_one() {
    let mut call = Ringing::begin(
        r#"
        [[did]]
        number = "+49301000"
        open = { to = ["extension:11", "extension:12", "group:all"] }
        [[group]]
        name = "all"
        members = ["11"]
        then = "refuse:forbidden"
        "#,
        &[],
    );
    assert_eq!(call.due(30.0), "11 does not answer, falls to 12, stop 11, ring 12");
    assert_eq!(call.fail(30.1, "11", Failed::Declined), "");
    assert_eq!(
        call.due(60.0),
        "12 does not answer, falls to all, all declined, falls to refuse:forbidden, stop 12, finish 403"
    );
}

#[test]
fn a_plan_that_runs_out_answers_declined_603_busy_486_otherwise_480_and_488_or_606_if_all_devices_gave_it() {
    for (failed, status, answer) in [
        (Failed::Declined, 603, 603),
        (Failed::Busy, 486, 486),
        (Failed::NoAnswer, 408, 480),
        (Failed::Unreachable, 404, 480),
        (Failed::Unreachable, 488, 488),
        (Failed::Unreachable, 606, 606),
        (Failed::Unreachable, 0, 480),
    ] {
        let mut call = Ringing::internal("12");
        let mut orders = Vec::new();
        call.walk.failed(call.ix("12"), failed, status, at(1.0), &call.presence(), &mut orders);
        let Some(Order::Finish(ending)) = orders.last() else { panic!("{orders:?}") };
        assert_eq!((ending.status(), ending), (answer, &Ending::RanOut { status: answer, last: failed }));
    }
}

#[test]
fn of_all_members_any_that_rang_in_vain_makes_no_answer_else_the_best_failure_counts() {
    let outcome = |failures: &[(&str, Failed)]| {
        let mut call = Ringing::group("ring-all", &["11", "12"], 10, 30);
        let orders: Vec<String> = failures.iter().map(|(who, failed)| call.fail(1.0, who, *failed)).collect();
        if failures.len() < 2 { call.due(30.0) } else { orders[1].clone() }
    };
    let rest = "falls to refuse:forbidden";
    assert_eq!(outcome(&[("11", Failed::Declined)]), format!("all does not answer, {rest}, stop 12, finish 403"));
    let both = |one, other| outcome(&[("11", one), ("12", other)]);
    assert_eq!(both(Failed::Unreachable, Failed::Busy), format!("12 is busy, all is busy, {rest}, finish 403"));
    assert_eq!(both(Failed::Declined, Failed::Busy), format!("12 is busy, all declined, {rest}, finish 403"));
}

#[test]
fn a_phone_that_rings_already_goes_on_ringing_in_the_next_step_though_its_registration_has_lapsed() {
    let mut call = Ringing::begin(
        "[[did]]\nnumber = \"+49301000\"\nopen = { to = [\"extension:11\", \"group:all\"] }\n\
         [[group]]\nname = \"all\"\nmembers = [\"12\", \"11\"]\nthen = \"refuse:forbidden\"\n",
        &[],
    );
    call.presence.insert("11".into(), Availability::Unreachable);
    assert_eq!(call.due(30.0), "11 does not answer, falls to all, ring 12");
    assert_eq!(call.walk.ringing(), [call.ix("11"), call.ix("12")]);
}

#[test]
fn late_news_of_who_does_not_ring_any_more_changes_nothing() {
    let mut call = Ringing::group("sequential", &["11", "12", "13"], 10, 60);
    assert_eq!(call.due(10.0), "stop 11, ring 12");
    assert_eq!(call.fail(10.1, "11", Failed::Busy), "");
    assert_eq!(call.next_due(), Some(20.0));
    assert_eq!(call.fail(10.2, "13", Failed::Busy), "", "it has not rung yet");
}

#[test]
fn a_late_timer_makes_up_for_what_it_missed() {
    let mut call = Ringing::group("sequential", &["11", "12", "13"], 10, 60);
    // 12's turn is over before anybody looked: 13 rings for the rest of its own.
    assert_eq!(call.due(21.0), "stop 11, ring 13");
    assert_eq!(call.next_due(), Some(30.0));
    assert_eq!(call.due(20.0), "", "early does nothing");
}

#[test]
fn once_answered_nothing_more_starts() {
    let mut call = Ringing::group("escalating", &["11", "12"], 10, 60);
    call.walk.answered();
    assert_eq!((call.next_due(), call.waiting()), (None, String::new()));
    assert_eq!(call.due(10.0), "");
    assert_eq!(call.fail(11.0, "11", Failed::Busy), "");
    assert_eq!(call.available(12.0, "12"), "");
}

#[test]
fn a_call_to_the_outside_keeps_its_final_code_and_a_number_destination_gives_its_outcome() {
    let outbound = "[[outbound]]\nmatch = \"+*\"\ntrunks = [\"one\"]\n";
    let mut dialled = Ringing::dial("11", "+4930123456", outbound);
    assert_eq!(dialled.begun, "dial");
    assert_eq!(dialled.next_due(), None);
    assert_eq!(dialled.dial_failed(2.0, 404), "+4930123456 is unreachable, nobody left to ring, finish 404");

    let office = format!(
        "{outbound}[[did]]\nnumber = \"+49301000\"\nopen = {{ to = [\"number:+4930123456\", \"refuse:forbidden\"] }}"
    );
    let mut number = Ringing::begin(&office, &[]);
    assert_eq!(number.begun, "dial");
    assert_eq!(number.dial_failed(2.0, 486), "+4930123456 is busy, falls to refuse:forbidden, finish 403");
    let mut number = Ringing::begin(&office, &[]);
    assert_eq!(number.due(30.0), "stop dialling, +4930123456 does not answer, falls to refuse:forbidden, finish 403");
    assert_eq!(number.dial_failed(30.1, 487), "", "the answer to our CANCEL is old news");
}

// --------------------------------------------------------------------------------------------- the second opinion

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_walk_agrees_with_the_naive_model(tape in prop::collection::vec(any::<u16>(), 0..160)) {
        if let Err(difference) = compare(tape) {
            return Err(TestCaseError::fail(difference));
        }
    }
}

/// Random offices are worth something only if what is hard happens in them.
#[test]
fn the_random_offices_contain_what_is_hard() {
    let mut chance = Entropy::seeded([5; 32], 0);
    let mut total = BTreeMap::new();
    for _ in 0..600 {
        let tape = (0..160).map(|_| chance.u64() as u16).collect();
        for seen in compare(tape).unwrap_or_else(|difference| panic!("{difference}")) {
            *total.entry(seen).or_insert(0) += 1;
        }
    }
    for what in
        ["joined", "kept", "passed over", "overflow at once", "declined again", "moved forward", "turn over", "ran out"]
    {
        assert!(total.get(what).is_some_and(|times| *times >= 10), "{what}: {total:?}");
    }
}

/// An office as the naive model sees it: people are numbers from 0, written as 10 and up.
#[derive(Debug)]
struct Office {
    people: Vec<Person>,
    groups: Vec<Group>,
    open: Vec<To>,
    /// Ring time in seconds, and where busy, no answer and unreachable lead.
    known: Option<(u64, [Vec<To>; 3])>,
    responsible: Option<usize>,
    operator: Option<usize>,
}

#[derive(Debug, Clone)]
struct Person {
    rings: u64,
    own: [Vec<To>; 3],
}

#[derive(Debug)]
struct Group {
    strategy: &'static str,
    members: Vec<usize>,
    step: u64,
    patience: u64,
    then: Vec<To>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    Group(usize),
    Person(usize),
    Box,
    Refuse,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Fails(usize, Failed),
    GetsBusy(usize),
    Vanishes(usize),
    GetsFree(usize),
    /// Its registration runs out, which a phone that rings already does not hear.
    Lapses(usize),
}

const PEOPLE: usize = 7;
const GROUPS: usize = 4;
const HALF_SECONDS: u64 = 400;

/// Choices, taken from a tape that proptest can shorten.
struct Choices(std::vec::IntoIter<u16>);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % bound
    }

    /// Destinations after `after` in the one order of all destinations, so that no path comes back.
    fn list(&mut self, after: Option<To>, longest: usize, must_end: bool) -> Vec<To> {
        let all = (0..GROUPS).map(To::Group).chain((0..PEOPLE).map(To::Person));
        let later: Vec<To> = all.filter(|to| after.is_none_or(|after| *to > after)).collect();
        let mut list: Vec<To> =
            (0..self.below(longest + 1)).filter_map(|_| later.get(self.below(later.len().max(1))).copied()).collect();
        list.sort();
        list.dedup();
        match self.below(3) {
            0 => list.push(To::Box),
            1 => list.push(To::Refuse),
            _ if must_end => list.push(To::Box),
            _ => {}
        }
        list
    }

    fn office(&mut self) -> Office {
        let operator = Some(self.below(PEOPLE + 2)).filter(|person| *person < PEOPLE);
        let must_end = operator.is_none();
        let three = |choices: &mut Choices, after, must_end| [(); 3].map(|()| choices.list(after, 1, must_end));
        let people = (0..PEOPLE)
            .map(|person| Person {
                rings: 1 + self.below(12) as u64,
                own: three(self, Some(To::Person(person)), false),
            })
            .collect();
        let groups = (0..GROUPS)
            .map(|group| Group {
                strategy: ["ring-all", "sequential", "escalating"][self.below(3)],
                members: {
                    let mut members: Vec<usize> = Vec::new();
                    for _ in 0..1 + self.below(5) {
                        let member = self.below(PEOPLE);
                        if !members.contains(&member) {
                            members.push(member);
                        }
                    }
                    members
                },
                step: 1 + self.below(8) as u64,
                patience: 1 + self.below(25) as u64,
                then: self.list(Some(To::Group(group)), 2, must_end),
            })
            .collect();
        let mut open = self.list(None, 3, must_end);
        if open.is_empty() {
            open.push(To::Group(0));
        }
        let known = (self.below(2) == 0).then(|| (1 + self.below(9) as u64, three(self, None, false)));
        let known = known.map(|(ring, reasons)| {
            // A list of nothing is not written: it means the plan.
            (
                ring,
                reasons.map(|list| {
                    if must_end && !list.is_empty() && list.last() < Some(&To::Box) {
                        [list, vec![To::Box]].concat()
                    } else {
                        list
                    }
                }),
            )
        });
        let responsible = Some(self.below(PEOPLE + 1)).filter(|person| *person < PEOPLE);
        Office { people, groups, open, known, responsible, operator }
    }

    fn script(&mut self) -> BTreeMap<u64, Vec<Event>> {
        let mut script: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
        for _ in 0..self.below(24) {
            let (when, who) = (self.below(60) as u64, self.below(PEOPLE));
            let event = match self.below(10) {
                0 => Event::Fails(who, Failed::Declined),
                1 => Event::Fails(who, Failed::Busy),
                2 => Event::Fails(who, Failed::NoAnswer),
                3 => Event::Fails(who, Failed::Unreachable),
                4 => Event::GetsBusy(who),
                5 => Event::Vanishes(who),
                6 | 7 => Event::Lapses(who),
                _ => Event::GetsFree(who),
            };
            script.entry(when).or_default().push(event);
        }
        script
    }
}

/// Runs one random call through both and says what happened in it, or where they differ.
fn compare(tape: Vec<u16>) -> Result<BTreeSet<&'static str>, String> {
    let mut choices = Choices(tape.into_iter());
    let office = choices.office();
    let mut presence: Vec<Availability> = (0..PEOPLE)
        .map(|_| {
            [Availability::Free, Availability::Free, Availability::Busy, Availability::Unreachable][choices.below(4)]
        })
        .collect();
    let script = choices.script();
    let text = office.write();
    let config = match Config::read(Path::new("office.toml"), &text, &Nothing) {
        Ok(loaded) => loaded.config,
        Err(problems) => return Err(format!("{problems}\n{text}")),
    };
    let mut real = Real::begin(&office, &config, &presence);
    let mut naive = Naive::begin(&office, &presence);
    let differ = |when: u64, real: &Real, naive: &Naive<'_>| {
        let (rings, should): (Vec<_>, Vec<_>) = (real.rings.iter().collect(), naive.rings.iter().collect());
        let complaint = real.complaint.clone().unwrap_or_default();
        (rings != should || real.ended != naive.ended || real.complaint.is_some()).then(|| {
            format!(
                "at {} s: rings {rings:?}, should {should:?}; ended {:?}, should {:?} {complaint}\n{script:?}\n{text}",
                when as f64 / 2.0,
                real.ended,
                naive.ended
            )
        })
    };
    for when in 0..HALF_SECONDS {
        if when > 0 {
            real.due(when, &presence);
            naive.tick(when, &presence);
        }
        if let Some(difference) = differ(when, &real, &naive) {
            return Err(difference);
        }
        for event in script.get(&when).into_iter().flatten() {
            match *event {
                Event::Fails(who, failed) => {
                    real.fails(who, failed, when, &presence);
                    naive.fails(who, failed, when, &presence);
                }
                Event::GetsBusy(who) | Event::Vanishes(who) => {
                    let busy = matches!(event, Event::GetsBusy(_));
                    presence[who] = if busy { Availability::Busy } else { Availability::Unreachable };
                    let failed = if busy { Failed::Busy } else { Failed::Unreachable };
                    real.fails(who, failed, when, &presence);
                    naive.fails(who, failed, when, &presence);
                }
                Event::Lapses(who) => presence[who] = Availability::Unreachable,
                Event::GetsFree(who) => {
                    presence[who] = Availability::Free;
                    real.gets_free(who, when, &presence);
                    naive.gets_free(who);
                }
            }
            if let Some(difference) = differ(when, &real, &naive) {
                return Err(format!("after {event:?} {difference}"));
            }
        }
    }
    if naive.ended.is_none() { Err(format!("never ends\n{text}")) } else { Ok(naive.seen) }
}

impl Office {
    fn write(&self) -> String {
        let to = |to: &To| match to {
            To::Group(group) => format!("\"group:g{group}\""),
            To::Person(person) => format!("\"extension:{}\"", 10 + person),
            To::Box => "\"voicemail:box\"".into(),
            To::Refuse => "\"refuse:forbidden\"".into(),
        };
        let list = |list: &[To]| format!("[{}]", list.iter().map(to).collect::<Vec<_>>().join(", "));
        let mut text = String::from("[[voicemail]]\nname = \"box\"\n[site]\n");
        if let Some(operator) = self.operator {
            text += &format!("operator = \"extension:{}\"\n", 10 + operator);
        }
        text += "[[trunk]]\nname = \"one\"\nserver = \"sip:192.0.2.1:5060\"\n";
        for (at, person) in self.people.iter().enumerate() {
            text += &format!("[[extension]]\nnumber = \"{}\"\npassword = \"a-long-password\"\n", 10 + at);
            let [busy, no_answer, unreachable] = &person.own;
            for (key, own) in [("busy", busy), ("unreachable", unreachable)].iter().filter(|(_, own)| !own.is_empty()) {
                text += &format!("{key} = {}\n", list(own));
            }
            if !no_answer.is_empty() {
                text += &format!("no_answer = {{ after = \"{}s\", to = {} }}\n", person.rings, list(no_answer));
            }
        }
        for (at, group) in self.groups.iter().enumerate() {
            let members: Vec<_> = group.members.iter().map(|member| format!("\"{}\"", 10 + member)).collect();
            text += &format!(
                "[[group]]\nname = \"g{at}\"\nstrategy = \"{}\"\nmembers = [{}]\nstep = \"{}s\"\npatience = \"{}s\"\n",
                group.strategy,
                members.join(", "),
                group.step,
                group.patience
            );
            if !group.then.is_empty() {
                text += &format!("then = {}\n", list(&group.then));
            }
        }
        text += &format!("[[did]]\nnumber = \"+49301000\"\nopen = {{ to = {} }}\n", list(&self.open));
        if let Some((ring, [busy, no_answer, unreachable])) = &self.known {
            let reasons = [("busy", busy), ("no_answer", no_answer), ("unreachable", unreachable)];
            let written: Vec<_> = reasons
                .iter()
                .filter(|(_, to)| !to.is_empty())
                .map(|(key, to)| format!(", {key} = {}", list(to)))
                .collect();
            text += &format!("known = {{ ring = \"{ring}s\"{} }}\n", written.concat());
        }
        text
    }

    fn ring_time(&self, person: usize) -> u64 {
        if self.people[person].own[1].is_empty() { 30 } else { self.people[person].rings }
    }
}

/// The walk, and whom its orders make ring.
struct Real {
    walk: Walk,
    by_ix: Vec<ExtensionIx>,
    rings: BTreeSet<usize>,
    ended: Option<u16>,
    complaint: Option<String>,
}

impl Real {
    fn begin(office: &Office, config: &Config, presence: &[Availability]) -> Real {
        let by_ix: Vec<ExtensionIx> = config.extensions().map(|(ix, _)| ix).collect();
        let customer = office.responsible.map(|person| Customer {
            id: "1".into(),
            kind: Kind::Contact,
            name: "Ada".into(),
            responsible: Some((10 + person).to_string().into()),
        });
        let one = config.trunk_by_name("one").unwrap();
        let plan = decide(&Situation {
            config,
            at: "2026-11-23T09:00:00Z".parse().unwrap(),
            origin: Origin::Trunk(one),
            caller: &Caller::outside(config, "+491701112233", one),
            dialled: &Destined::from_outside(config, "+49301000", one),
            customer: customer.as_ref(),
            state: &State::default(),
            load: &Idle,
            chance: 0,
            presence: &Idle,
        });
        let mut orders = Vec::new();
        let walk = Walk::begin(Arc::new(plan), Instant::START, &seen(presence), &mut orders);
        let mut real = Real { walk, by_ix, rings: BTreeSet::new(), ended: None, complaint: None };
        real.take(orders, 0);
        real
    }

    /// Carries orders out as a call would, and complains of those that make no sense.
    fn take(&mut self, orders: Vec<Order>, when: u64) {
        for order in orders {
            let done = match order {
                Order::Ring(who) => self.rings.insert(who.index()),
                Order::Stop(who, _) => self.rings.remove(&who.index()),
                Order::Finish(ref ending) => {
                    let again = self.ended.replace(ending.status());
                    again.is_none() && self.rings.is_empty()
                }
                Order::Enter(_) | Order::Because(_) | Order::Dial(_) | Order::StopDial => self.ended.is_none(),
            };
            if !done {
                self.complaint = Some(format!("{order:?} makes no sense"));
            }
        }
        if self.walk.deadline().is_some_and(|due| due <= at(when as f64 / 2.0)) {
            self.complaint = Some(format!("still due at {:?}", self.walk.deadline()));
        }
    }

    fn due(&mut self, when: u64, presence: &[Availability]) {
        let now = at(when as f64 / 2.0);
        // As the loop does: only when the deadline has come.
        if self.walk.deadline().is_some_and(|due| due <= now) {
            let mut orders = Vec::new();
            self.walk.due(now, &seen(presence), &mut orders);
            self.take(orders, when);
        }
    }

    fn fails(&mut self, who: usize, failed: Failed, when: u64, presence: &[Availability]) {
        let mut orders = Vec::new();
        self.walk.failed(self.by_ix[who], failed, 0, at(when as f64 / 2.0), &seen(presence), &mut orders);
        self.rings.remove(&who);
        self.take(orders, when);
    }

    fn gets_free(&mut self, who: usize, when: u64, presence: &[Availability]) {
        let mut orders = Vec::new();
        self.walk.available(self.by_ix[who], at(when as f64 / 2.0), &seen(presence), &mut orders);
        self.take(orders, when);
    }
}

/// The rules of ringing as one would tell them: who is being tried, who waits behind, when the next one is taken.
struct Naive<'a> {
    office: &'a Office,
    /// Where we are: a list, a place in it, and what kind of list it is.
    list: Vec<To>,
    place: usize,
    kind: ListKind,
    tried: BTreeMap<To, Failed>,
    declined: BTreeSet<usize>,
    /// The destination being rung.
    waiting: Vec<usize>,
    out: BTreeMap<usize, Failed>,
    since: BTreeMap<usize, u64>,
    began: u64,
    next_start: u64,
    step: u64,
    patience: u64,
    turns: bool,
    last: Failed,
    rings: BTreeSet<usize>,
    ended: Option<u16>,
    seen: BTreeSet<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ListKind {
    Known,
    Plan,
    Operator,
}

impl<'a> Naive<'a> {
    fn begin(office: &'a Office, presence: &[Availability]) -> Naive<'a> {
        let (list, kind) = match (&office.known, office.responsible) {
            (Some(_), Some(person)) => (vec![To::Person(person)], ListKind::Known),
            _ => (office.open.clone(), ListKind::Plan),
        };
        let mut naive = Naive {
            office,
            list,
            place: 0,
            kind,
            tried: BTreeMap::new(),
            declined: BTreeSet::new(),
            waiting: Vec::new(),
            out: BTreeMap::new(),
            since: BTreeMap::new(),
            began: 0,
            next_start: 0,
            step: 0,
            patience: 0,
            turns: false,
            last: Failed::Unreachable,
            rings: BTreeSet::new(),
            ended: None,
            seen: BTreeSet::new(),
        };
        naive.arrive(0);
        naive.tick(0, presence);
        naive
    }

    /// Arrives at `list[place]`.
    fn arrive(&mut self, now: u64) {
        let to = self.list[self.place];
        if let Some(failed) = self.tried.get(&to).copied() {
            self.seen.insert("passed over");
            return self.go_on(to, failed, now);
        }
        (self.waiting, self.step, self.patience, self.turns) = match to {
            To::Box => return self.end(480),
            To::Refuse => return self.end(403),
            To::Person(person) => {
                let known = self.office.known.as_ref().filter(|_| self.kind == ListKind::Known);
                (vec![person], 0, known.map_or(self.office.ring_time(person), |(ring, _)| *ring), false)
            }
            To::Group(group) => {
                let group = &self.office.groups[group];
                let step = if group.strategy == "ring-all" { 0 } else { group.step };
                (group.members.clone(), step, group.patience, group.strategy == "sequential")
            }
        };
        (self.began, self.next_start) = (now, now);
        self.out.clear();
        self.since.clear();
    }

    fn end(&mut self, status: u16) {
        self.rings.clear();
        self.since.clear();
        self.waiting.clear();
        self.out.clear();
        self.ended = Some(status);
    }

    /// What comes after `to` failed so.
    fn go_on(&mut self, to: To, failed: Failed, now: u64) {
        self.tried.insert(to, failed);
        let reason = match failed {
            Failed::Declined | Failed::Busy => 0,
            Failed::NoAnswer => 1,
            Failed::Unreachable => 2,
        };
        let own = match to {
            To::Person(person) => self.office.people[person].own[reason].clone(),
            To::Group(group) => self.office.groups[group].then.clone(),
            To::Box | To::Refuse => Vec::new(),
        };
        if let (ListKind::Known, Some((_, reasons))) = (self.kind, &self.office.known) {
            self.kind = ListKind::Plan;
            self.list = if reasons[reason].is_empty() { self.office.open.clone() } else { reasons[reason].clone() };
            self.place = 0;
        } else if self.place + 1 < self.list.len() {
            self.place += 1;
        } else if !own.is_empty() {
            (self.list, self.place) = (own, 0);
        } else if let (ListKind::Plan, Some(operator)) = (self.kind, self.office.operator) {
            (self.list, self.place, self.kind) = (vec![To::Person(operator)], 0, ListKind::Operator);
        } else if self.kind == ListKind::Operator {
            return self.end(480);
        } else {
            self.seen.insert("ran out");
            return self.end(self.last.status());
        }
        self.arrive(now);
    }

    fn tick(&mut self, now: u64, presence: &[Availability]) {
        let rang = self.rings.clone();
        while self.ended.is_none() && self.is_over(now, &rang, presence) {
            let in_vain = !self.since.is_empty() || self.out.values().any(|failed| *failed == Failed::NoAnswer);
            self.last = if in_vain {
                Failed::NoAnswer
            } else {
                self.out.values().min().copied().unwrap_or(Failed::Unreachable)
            };
            if now == self.began && !in_vain {
                self.seen.insert("overflow at once");
            }
            let to = self.list[self.place];
            self.go_on(to, self.last, now);
            if self.ended == Some(self.last.status()) && self.kind == ListKind::Operator {
                self.seen.insert("ran out");
            }
        }
        let rings: BTreeSet<usize> = self.since.keys().copied().collect();
        if self.ended.is_none() {
            self.rings = rings;
        }
    }

    /// One look at the destination being rung; true when it has nothing more to give.
    fn is_over(&mut self, now: u64, rang: &BTreeSet<usize>, presence: &[Availability]) -> bool {
        if now >= self.began + 2 * self.patience {
            return true;
        }
        if self.turns {
            let over: Vec<usize> =
                self.since.iter().filter(|(_, since)| now >= **since + 2 * self.step).map(|(who, _)| *who).collect();
            for who in over {
                self.seen.insert("turn over");
                self.since.remove(&who);
                self.out.insert(who, Failed::NoAnswer);
            }
        }
        while !self.waiting.is_empty() && now >= self.next_start {
            let who = self.waiting.remove(0);
            let failed = if self.declined.contains(&who) {
                self.seen.insert("declined again");
                Some(Failed::Declined)
            } else if rang.contains(&who) && self.rings.contains(&who) {
                self.seen.insert("kept");
                None
            } else {
                match presence[who] {
                    Availability::Free => None,
                    Availability::Busy => Some(Failed::Busy),
                    Availability::Unreachable => Some(Failed::Unreachable),
                }
            };
            match failed {
                None => {
                    self.since.insert(who, now);
                    self.next_start = now + 2 * self.step;
                }
                Some(failed) => {
                    self.out.insert(who, failed);
                    self.next_start = now;
                }
            }
        }
        self.since.is_empty() && self.waiting.is_empty()
    }

    fn fails(&mut self, who: usize, failed: Failed, now: u64, presence: &[Availability]) {
        if failed == Failed::Declined && self.ended.is_none() {
            self.declined.insert(who);
        }
        if self.since.remove(&who).is_some() {
            self.rings.remove(&who);
            self.out.insert(who, failed);
            if !self.waiting.is_empty() && self.next_start > now {
                self.seen.insert("moved forward");
            }
            self.next_start = now;
            self.tick(now, presence);
        }
    }

    fn gets_free(&mut self, who: usize) {
        if self.ended.is_none() && !self.turns && !self.declined.contains(&who) && self.out.contains_key(&who) {
            self.seen.insert("joined");
            self.out.remove(&who);
            self.since.insert(who, 0);
            self.rings.insert(who);
        }
    }
}

fn seen(presence: &[Availability]) -> impl Presence + '_ {
    |extension: ExtensionIx| presence[extension.index()]
}

// -------------------------------------------------------------------------------------------------------- helpers

fn at(seconds: f64) -> Instant {
    Instant::START + Duration::from_millis((seconds * 1000.0).round() as u64)
}

const PEOPLE_TEXT: &str = r#"
[[trunk]]
name = "one"
server = "sip:192.0.2.1:5060"
[[voicemail]]
name = "box"
[[extension]]
number = "11"
password = "a-long-password"
[[extension]]
number = "12"
password = "a-long-password"
[[extension]]
number = "13"
password = "a-long-password"
[[extension]]
number = "14"
password = "a-long-password"
"#;

fn group(strategy: &str, members: &[&str], step: u64, patience: u64) -> String {
    format!(
        "[[did]]\nnumber = \"+49301000\"\nopen = {{ to = \"group:all\" }}\n[[group]]\nname = \"all\"\nstrategy = \"{strategy}\"\n\
         members = {members:?}\nstep = \"{step}s\"\npatience = \"{patience}s\"\nthen = \"refuse:forbidden\"\n"
    )
}

/// One call being rung, its orders as words.
struct Ringing {
    config: Config,
    walk: Walk,
    presence: BTreeMap<String, Availability>,
    begun: String,
}

impl Ringing {
    fn group(strategy: &str, members: &[&str], step: u64, patience: u64) -> Ringing {
        Ringing::begin(&group(strategy, members, step, patience), &[])
    }

    fn internal(to: &str) -> Ringing {
        Ringing::start("11", to, "", &[])
    }

    fn dial(from: &str, to: &str, office: &str) -> Ringing {
        Ringing::start(from, to, office, &[])
    }

    fn begin(office: &str, presence: &[(&str, Availability)]) -> Ringing {
        Ringing::start("+491701112233", "+49301000", office, presence)
    }

    fn start(from: &str, to: &str, office: &str, presence: &[(&str, Availability)]) -> Ringing {
        let text = format!("{PEOPLE_TEXT}{office}");
        // Some of these offices have no operator, and groups that lead nowhere by themselves are last in no path.
        let loaded =
            Config::read(Path::new("office.toml"), &text, &Nothing).unwrap_or_else(|problems| panic!("{problems}"));
        let config = loaded.config;
        let presence: BTreeMap<String, Availability> =
            presence.iter().map(|(who, how)| ((*who).to_owned(), *how)).collect();
        let one = config.trunk_by_name("one").unwrap();
        let inside = config.extension_by_number(from);
        let plan = decide(&Situation {
            config: &config,
            at: "2026-11-23T09:00:00Z".parse().unwrap(),
            origin: inside.map_or(Origin::Trunk(one), Origin::Extension),
            caller: &inside
                .map_or_else(|| Caller::outside(&config, from, one), |inside| Caller::inside(&config, inside)),
            dialled: &inside
                .map_or_else(|| Destined::from_outside(&config, to, one), |_| Destined::from_inside(&config, to)),
            customer: None,
            state: &State::default(),
            load: &Idle,
            chance: 0,
            presence: &Idle,
        });
        let mut orders = Vec::new();
        let walk = Walk::begin(Arc::new(plan), Instant::START, &standing(&config, &presence), &mut orders);
        let begun = words(&config, &orders);
        Ringing { config, walk, presence, begun }
    }

    fn ix(&self, number: &str) -> ExtensionIx {
        self.config.extension_by_number(number).unwrap()
    }

    fn presence(&self) -> impl Presence + use<> {
        let standing: Vec<_> =
            self.config.extensions().map(|(_, extension)| self.presence.get(&*extension.number).copied()).collect();
        move |extension: ExtensionIx| standing[extension.index()].unwrap_or(Availability::Free)
    }

    fn next_due(&self) -> Option<f64> {
        self.walk.deadline().map(|at| at.as_micros() as f64 / 1e6)
    }

    fn waiting(&self) -> String {
        self.walk
            .waits_for()
            .map(|member| self.config.extension(member).number.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn due(&mut self, seconds: f64) -> String {
        let (presence, mut orders) = (self.presence(), Vec::new());
        self.walk.due(at(seconds), &presence, &mut orders);
        words(&self.config, &orders)
    }

    fn fail(&mut self, seconds: f64, who: &str, failed: Failed) -> String {
        let (who, presence, mut orders) = (self.ix(who), self.presence(), Vec::new());
        self.walk.failed(who, failed, 0, at(seconds), &presence, &mut orders);
        words(&self.config, &orders)
    }

    fn dial_failed(&mut self, seconds: f64, status: u16) -> String {
        let (presence, mut orders) = (self.presence(), Vec::new());
        self.walk.dial_failed(status, at(seconds), &presence, &mut orders);
        words(&self.config, &orders)
    }

    fn available(&mut self, seconds: f64, who: &str) -> String {
        let (who, presence, mut orders) = (self.ix(who), self.presence(), Vec::new());
        self.walk.available(who, at(seconds), &presence, &mut orders);
        words(&self.config, &orders)
    }
}

fn standing<'a>(config: &'a Config, presence: &'a BTreeMap<String, Availability>) -> impl Presence + 'a {
    |extension: ExtensionIx| presence.get(&*config.extension(extension).number).copied().unwrap_or(Availability::Free)
}

fn words(config: &Config, orders: &[Order]) -> String {
    let number = |extension: &ExtensionIx| config.extension(*extension).number.to_string();
    let word = |order: &Order| {
        Some(match order {
            Order::Enter(_) => return None,
            Order::Because(reason) => reason.to_string(),
            Order::Stop(extension, _) => format!("stop {}", number(extension)),
            Order::Ring(extension) => format!("ring {}", number(extension)),
            Order::StopDial => "stop dialling".into(),
            Order::Dial(_) => "dial".into(),
            Order::Finish(ending) => format!("finish {}", ending.status()),
        })
    };
    orders.iter().filter_map(word).collect::<Vec<_>>().join(", ")
}
