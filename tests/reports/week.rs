//! A week of an office: calls of every kind as the facts that a router would have written, by the real writer. Chance is
//! seeded, so a week can be had again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use huntline::clock::Timestamp;
use huntline::customer::Kind as CustomerKind;
use huntline::fact::{
    CallFact, Ended, EndedBy, Fact, Hand, KnownCustomer, MissedCause, Noted, Offered, Party, Rung, Whom,
};
use huntline::key::CallId;
use huntline::number::PhoneNumber;
use huntline::report::{Plan, Span};
use huntline::route::{Direction, Failed, Reason};
use huntline::store::{CustomerRow, FollowUpsWanted, Reader, Writer};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

pub const SEED: u64 = 20_261_019;
/// Monday of the week in which clocks go back, on its Sunday.
const MONDAY: Date = date(2026, 10, 19);

pub const SALES: [&str; 4] = ["201", "202", "203", "204"];
pub const SERVICE: [&str; 3] = ["203", "205", "anna"];
const OTHERS: [&str; 2] = ["200", "1001"];
const DIDS: [(&str, Option<&str>); 4] =
    [("+4930111", Some("site")), ("+4930222", Some("billboard")), ("+4930333", Some("site")), ("0800", None)];
const TRUNKS: [&str; 2] = ["mango", "=reserve"];

pub fn zone() -> TimeZone {
    static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("Europe/Berlin").unwrap());
    ZONE.clone()
}

/// Numbers that look like chance, from a seed (SplitMix64).
pub struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }
}

/// What the generator knows of a call and the call list does not say.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Truth {
    pub group: Option<&'static str>,
    /// … when it was offered: all that is known while it lasts.
    pub offered_to: Option<&'static str>,
    pub answered_in: Option<&'static str>,
    pub out_trunk: Option<&'static str>,
    pub rang: Vec<String>,
}

pub struct Week {
    pub folder: PathBuf,
    pub truths: BTreeMap<CallId, Truth>,
    /// The numbers of each customer.
    pub customers: Vec<(Option<&'static str>, Vec<PhoneNumber>)>,
    pub span: Span,
    /// Sunday noon: what is not over by then is open.
    pub now: Timestamp,
    pub facts: usize,
    /// What was done by hand about the follow-up that a call opened.
    pub hands: Vec<(Timestamp, CallId, Done)>,
}

/// What was done about a follow-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    Given(&'static str),
    Closed,
}

impl Drop for Week {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Week {
    /// A week with so many calls, on the disk.
    pub fn written(name: &str, seed: u64, count: usize) -> Week {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{seed}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut chance = Chance(seed);
        let start_of = |day: i64| MONDAY.saturating_add(day.days()).to_zoned(zone()).unwrap().timestamp();
        let span = Span { from: start_of(0), to: start_of(7) };
        let number = |digits: u64| format!("+4917{digits:08}").parse().unwrap();
        let customers: Vec<(Option<&str>, Vec<PhoneNumber>)> = (0..300u64)
            .map(|id| {
                let responsible = (!id.is_multiple_of(3)).then(|| *chance.of(&SALES));
                (responsible, (0..=id % 3).map(|place| number(id * 10 + place)).collect())
            })
            .collect();
        let mut week = Week {
            folder,
            truths: BTreeMap::new(),
            customers,
            span,
            now: start_of(6).checked_add(13.hours()).unwrap(),
            facts: 0,
            hands: Vec::new(),
        };
        let mut begins: Vec<i64> = (0..count).map(|_| week.moment(&mut chance)).collect();
        begins.sort_unstable();
        let mut writer = Writer::open(&week.folder).unwrap();
        writer.put_customers(&week.cards(), span.from).unwrap();
        let (mut waiting, mut batch) = (BinaryHeap::new(), Vec::new());
        let mut order = 0u64;
        for (place, begin) in begins.into_iter().enumerate() {
            let mut story = Story::new(begin, place as u64, &mut chance);
            story.tell(&week.customers);
            let Story { id, facts, truth, aside, .. } = story;
            for (id, facts, truth) in aside.into_iter().chain([(id, facts, truth)]) {
                assert!(week.truths.insert(id, truth).is_none());
                for (at, step) in facts {
                    waiting.push((Reverse((at, order)), Held(Fact::Call(id, step))));
                    order += 1;
                }
            }
            while waiting.peek().is_some_and(|(Reverse((at, _)), _)| *at < begin) {
                week.write(&mut writer, waiting.pop(), &mut batch, &mut chance);
            }
        }
        let now = week.now.as_millisecond();
        while let Some(held) = waiting.pop().filter(|(Reverse((at, _)), _)| *at <= now) {
            week.write(&mut writer, Some(held), &mut batch, &mut chance);
        }
        writer.append(&batch).unwrap();
        week
    }

    fn write(
        &mut self,
        writer: &mut Writer,
        held: Option<(Reverse<(i64, u64)>, Held)>,
        batch: &mut Vec<Noted>,
        chance: &mut Chance,
    ) {
        let Some((Reverse((at, _)), Held(fact))) = held else { return };
        self.facts += 1;
        let at = Timestamp::from_millisecond(at).unwrap();
        batch.push(Noted { number: self.facts as u64, at, fact });
        if batch.len() == 500 {
            writer.append(batch).unwrap();
            batch.clear();
            // Of a great many calls, only about the first ones.
            if self.facts < 100_000 {
                self.by_hand(writer, at, chance);
            }
        }
    }

    /// Somebody looks at the list, and does something about a few of them.
    fn by_hand(&mut self, writer: &mut Writer, at: Timestamp, chance: &mut Chance) {
        let open = Reader::open(&self.folder).unwrap().follow_ups(FollowUpsWanted::Open, 0).unwrap();
        let mut facts = Vec::new();
        for deed in 0..6u64.min(open.len() as u64) {
            let one = &open[usize::try_from(chance.below(open.len() as u64)).unwrap()];
            let (who, to) = (*chance.of(&SALES), *chance.of(&SERVICE));
            if self.hands.iter().any(|(_, call, _)| *call == one.call) {
                continue;
            }
            let (what, done) = match deed {
                0 | 1 => (Hand::Closed { why: "=by mail".into() }, Some(Done::Closed)),
                2 | 3 => (Hand::Claimed, Some(Done::Given(who))),
                4 => (Hand::Assigned { to: Some(to.into()) }, Some(Done::Given(to))),
                _ => (Hand::Remarked { text: "at five".into() }, None),
            };
            self.facts += 1;
            let fact = Fact::FollowUp { id: one.id, by: Some(who.into()), what };
            facts.push(Noted { number: self.facts as u64, at, fact });
            self.hands.extend(done.map(|done| (at, one.call, done)));
        }
        writer.append(&facts).unwrap();
    }

    /// Mostly in the hours, but never none.
    fn moment(&self, chance: &mut Chance) -> i64 {
        let (from, now) = (self.span.from.as_millisecond(), self.now.as_millisecond());
        loop {
            let at = from + i64::try_from(chance.below(u64::try_from(now - from).unwrap())).unwrap();
            let hour = Timestamp::from_millisecond(at).unwrap().to_zoned(zone()).hour();
            if (9..18).contains(&hour) || chance.one_in(8) {
                return at;
            }
        }
    }

    fn cards(&self) -> Vec<CustomerRow> {
        let card = |(id, (responsible, numbers)): (usize, &(Option<&str>, Vec<PhoneNumber>))| CustomerRow {
            id: format!("crm-{id}").into(),
            kind: CustomerKind::Contact,
            name: format!("Customer {id}").into(),
            responsible: responsible.map(Into::into),
            numbers: numbers.to_vec(),
            provisional: false,
        };
        self.customers.iter().enumerate().map(card).collect()
    }

    pub fn start_of(&self, day: i64) -> Timestamp {
        MONDAY.saturating_add(day.days()).to_zoned(zone()).unwrap().timestamp()
    }

    /// Two employees are to call 20 and 30 times each weekday.
    pub fn plan(&self) -> Plan {
        let days = (0..5i64).map(|day| MONDAY.saturating_add(day.days()));
        days.flat_map(|day| [((day, "201".to_owned()), 20), ((day, "anna".to_owned()), 30)]).collect()
    }
}

/// Facts have no order of their own.
struct Held(Fact);

impl PartialEq for Held {
    fn eq(&self, _: &Held) -> bool {
        true
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, _: &Held) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// One call while it is made up; times are milliseconds since 1970.
struct Story<'a> {
    id: CallId,
    at: i64,
    talked: Option<i64>,
    legs: u16,
    facts: Vec<(i64, CallFact)>,
    /// The call with which it is announced to a colleague.
    aside: Option<Aside>,
    truth: Truth,
    chance: &'a mut Chance,
}

/// A call of its own within another one's story.
type Aside = (CallId, Vec<(i64, CallFact)>, Truth);

impl<'a> Story<'a> {
    fn new(began: i64, place: u64, chance: &'a mut Chance) -> Story<'a> {
        let id = CallId::new(Timestamp::from_millisecond(began).unwrap(), place);
        let truth = Truth::default();
        Story { id, at: began, talked: None, legs: 0, facts: Vec::new(), aside: None, truth, chance }
    }

    fn tell(&mut self, customers: &[(Option<&'static str>, Vec<PhoneNumber>)]) {
        match self.chance.below(100) {
            0..62 => self.inbound(customers),
            62..84 => self.outbound(customers),
            84..98 => self.internal(),
            98 => self.employee_calls_in(),
            _ => self.emergency(),
        }
    }

    fn inbound(&mut self, customers: &[(Option<&'static str>, Vec<PhoneNumber>)]) {
        let (did, source) = *self.chance.of(&DIDS);
        let (group, members, other) = if did == "+4930222" || did == "0800" {
            ("service", &SERVICE[..], ("sales", &SALES[..]))
        } else {
            ("sales", &SALES[..], ("service", &SERVICE[..]))
        };
        let (from, customer) = self.caller(customers);
        let trunk = *self.chance.of(&TRUNKS);
        let responsible = customer.as_ref().and_then(|customer| customer.responsible.clone());
        let mut offered = Offered {
            direction: Direction::Inbound,
            from,
            to: Party { text: did.into(), number: did.parse().ok(), ..Party::default() },
            did: Some(did.into()),
            source: source.map(Into::into),
            trunk: Some(trunk.into()),
            customer,
            emergency: false,
            reference: None,
            sip_call_id: String::new(),
            because: Vec::new(),
            considered: Vec::new(),
            plan: String::new(),
        };
        let way = self.chance.below(100);
        // No group takes part: refused for a limit, by a rule, at night, or one employee's own number.
        if way < 14 {
            let cause = match way {
                0..2 => MissedCause::Capacity,
                2..4 => MissedCause::Rejected,
                4..8 => MissedCause::AfterHours,
                8..10 => MissedCause::AnnouncementOnly,
                10..12 => {
                    self.step(CallFact::Offered(Box::new(offered)));
                    return self.end(EndedBy::Router, 603, None); // blocked
                }
                _ => {
                    offered.plan = "1. extension:1001, 1001 from 0 s to 30 s".into();
                    self.step(CallFact::Offered(Box::new(offered)));
                    self.ring(&["1001"]);
                    self.pass(30_000);
                    return self.end(EndedBy::Router, 480, Some(MissedCause::NoAnswer));
                }
            };
            self.step(CallFact::Offered(Box::new(offered)));
            self.pass(900);
            return self.end(EndedBy::Caller, 487, Some(cause));
        }
        let slots = |members: &[&str]| -> String {
            members.iter().map(|member| format!(", {member} from 0 s to 20 s")).collect()
        };
        let groups = format!("group:{group}{}; then 3", slots(members));
        let rest = format!("group:{}{}; then 4\n4. voicemail:sales", other.0, slots(other.1));
        // The responsible first, who may be busy before anybody rings, or not answer.
        match responsible {
            Some(responsible) => {
                let who = responsible.to_string();
                offered.plan = format!("1. extension:{who}, {who} from 0 s to 20 s; then 2\n2. {groups}\n3. {rest}");
                match self.chance.below(3) {
                    0 => {
                        let busy = [Reason::Is(responsible, Failed::Busy), Reason::FallsTo(group.into())];
                        offered.because.extend(busy);
                        self.truth.group = Some(group);
                        self.step(CallFact::Offered(Box::new(offered)));
                    }
                    1 => {
                        self.step(CallFact::Offered(Box::new(offered)));
                        self.ring(&[&who]);
                        self.pass(12_000);
                        return self.answered_at_last(&who, None);
                    }
                    _ => {
                        self.step(CallFact::Offered(Box::new(offered)));
                        self.ring(&[&who]);
                        self.pass(20_000);
                        if self.chance.one_in(6) {
                            return self.end(EndedBy::Caller, 487, Some(MissedCause::Abandoned));
                        }
                        self.falls(&who, Failed::NoAnswer, group);
                    }
                }
            }
            None => {
                offered.plan = format!("1. greeting:hello; then 2\n2. {groups}\n3. {rest}");
                self.truth.group = Some(group);
                self.step(CallFact::Offered(Box::new(offered)));
            }
        }
        self.in_group(group, members, other);
    }

    /// The call is at its first group.
    fn in_group(&mut self, group: &'static str, members: &[&str], other: (&'static str, &[&str])) {
        match self.chance.below(12) {
            0 => {
                self.falls(group, Failed::Unreachable, "voicemail:sales");
                self.pass(4_000);
                return self.end(EndedBy::Caller, 200, Some(MissedCause::VoicemailLeft));
            }
            1 => {
                self.falls(group, Failed::Busy, "voicemail:sales");
                return self.end(EndedBy::Caller, 200, Some(MissedCause::AllBusy));
            }
            _ => {}
        }
        self.ring(members);
        match self.chance.below(10) {
            0 => {
                self.pass(15_000);
                self.end(EndedBy::Caller, 487, Some(MissedCause::Abandoned));
            }
            1 => {
                self.pass(35_000);
                self.falls(group, Failed::NoAnswer, other.0);
                self.ring(other.1);
                self.pass(8_000);
                let who = (*self.chance.of(other.1)).to_owned();
                self.answered_at_last(&who, Some(other.0));
            }
            2 => {
                self.pass(35_000);
                self.falls(group, Failed::NoAnswer, "200");
                self.ring(&["200"]);
                self.pass(5_000);
                self.answered_at_last("200", None);
            }
            3 => {
                self.pass(35_000);
                // Somebody outside takes it.
                self.falls(group, Failed::NoAnswer, "+491600000001");
                self.dial("mango", "+491600000001");
                self.pass(5_000);
                self.answered_at_last("+491600000001", None);
            }
            4 => {
                self.pass(35_000);
                self.end(EndedBy::Router, 480, Some(MissedCause::NoAnswer));
            }
            _ => {
                self.pass(9_000);
                let who = (*self.chance.of(members)).to_owned();
                self.answered_at_last(&who, Some(group));
            }
        }
    }

    /// The one who was rung answers, and what becomes of that.
    fn answered_at_last(&mut self, who: &str, group: Option<&'static str>) {
        self.truth.answered_in = group;
        self.answer(who);
        match self.chance.below(20) {
            0 => {
                // Handed on, and answered.
                self.pass(60_000);
                let because = vec![Reason::Rings("200".into())];
                self.step(CallFact::Transferred { by: self.legs, to: "200".into(), attended: false, because });
                self.ring(&["200"]);
                self.pass(4_000);
                self.answer("200");
                self.pass(60_000);
                self.end(EndedBy::Callee, 200, None);
            }
            1 => {
                // Handed on, and lost.
                self.pass(60_000);
                let because = vec![Reason::Rings("1001".into())];
                self.step(CallFact::Transferred { by: self.legs, to: "1001".into(), attended: false, because });
                self.ring(&["1001"]);
                self.pass(30_000);
                self.end(EndedBy::Caller, 200, Some(MissedCause::NoAnswer));
            }
            2 if !who.starts_with('+') => self.announced(who),
            3 => {
                // Into the next day, or until the week is over.
                self.pass(70_000_000);
                self.end(EndedBy::Caller, 200, None);
            }
            _ => {
                let long = if self.chance.one_in(8) { 6_000 } else { 400_000 };
                self.pass(long);
                self.end(EndedBy::Caller, 200, None);
            }
        }
    }

    /// … calls a colleague, and hands the customer on: the colleague's call becomes a part of this one.
    fn announced(&mut self, who: &str) {
        self.pass(30_000);
        let at = self.at;
        let id = CallId::new(Timestamp::from_millisecond(at).unwrap(), self.chance.next() | 1 << 21);
        let mut asked = Story::new(at, 0, self.chance);
        asked.id = id;
        asked.step(CallFact::Offered(Box::new(inside(who, "200"))));
        asked.ring(&["200"]);
        asked.pass(3_000);
        asked.answer("200");
        asked.pass(9_000);
        asked.step(CallFact::Merged { into: self.id });
        asked.end(EndedBy::Transfer, 200, None);
        let Story { at, facts, truth, .. } = asked;
        self.at = at;
        self.aside = Some((id, facts, truth));
        let by = self.legs;
        self.step(CallFact::Transferred { by, to: "200".into(), attended: true, because: Vec::new() });
        self.ring(&["200"]);
        self.answer("200");
        self.pass(20_000);
        self.end(EndedBy::Caller, 200, None);
    }

    fn outbound(&mut self, customers: &[(Option<&'static str>, Vec<PhoneNumber>)]) {
        let who = *self.chance.of(&["201", "201", "202", "203", "anna", "200"]);
        let (called, _) = self.caller(customers);
        let to = if called.anonymous {
            Party { text: "*99".into(), ..Party::default() }
        } else {
            Party { name: None, ..called }
        };
        let offered = Offered { direction: Direction::Outbound, to: to.clone(), ..inside(who, "") };
        self.step(CallFact::Offered(Box::new(offered)));
        let number = to.number.map_or(to.text.clone(), |number| number.to_string());
        if self.chance.one_in(20) {
            return self.end(EndedBy::Router, 403, None);
        }
        if self.chance.one_in(10) {
            self.dial("mango", &number);
            self.pass(4_000);
            self.step(CallFact::Dropped { leg: self.legs, status: 503, stopped: None });
            self.dial("=reserve", &number);
        } else {
            self.dial("mango", &number);
        }
        self.pass(15_000);
        if self.chance.one_in(3) {
            return self.end(EndedBy::Caller, 487, None);
        }
        self.answer(&number);
        let long = if self.chance.one_in(6) { 6_000 } else { 300_000 };
        self.pass(long);
        self.end(EndedBy::Callee, 200, None);
    }

    fn internal(&mut self) {
        let (from, to) = (*self.chance.of(&SALES), *self.chance.of(&OTHERS));
        let mut offered = inside(from, to);
        if self.chance.one_in(5) {
            (offered.did, offered.source) = (Some(DIDS[0].0.into()), DIDS[0].1.map(Into::into));
        }
        self.step(CallFact::Offered(Box::new(offered)));
        self.ring(&[to]);
        self.pass(9_000);
        if self.chance.one_in(4) {
            return self.end(EndedBy::Caller, 487, None);
        }
        self.answer(to);
        self.pass(120_000);
        self.end(EndedBy::Caller, 200, None);
    }

    fn employee_calls_in(&mut self) {
        let from =
            Party { number: Some("+491700000000".parse().unwrap()), extension: Some("202".into()), ..Party::default() };
        let offered = Offered {
            direction: Direction::Inbound,
            from,
            did: Some(DIDS[0].0.into()),
            source: DIDS[0].1.map(Into::into),
            trunk: Some("mango".into()),
            plan: "1. group:sales, 201 from 0 s to 20 s".into(),
            ..inside("202", "")
        };
        self.truth.group = Some("sales");
        self.step(CallFact::Offered(Box::new(offered)));
        self.ring(&["201"]);
        self.pass(9_000);
        if self.chance.one_in(2) {
            return self.end(EndedBy::Caller, 487, None);
        }
        self.truth.answered_in = Some("sales");
        self.answer("201");
        self.pass(50_000);
        self.end(EndedBy::Caller, 200, None);
    }

    fn emergency(&mut self) {
        let to = Party { text: "112".into(), ..Party::default() };
        let offered = Offered { direction: Direction::Outbound, emergency: true, to, ..inside("anna", "") };
        self.step(CallFact::Offered(Box::new(offered)));
        self.dial("=reserve", "112");
        self.pass(3_000);
        self.answer("112");
        self.pass(60_000);
        self.end(EndedBy::Caller, 200, None);
    }

    /// A customer with several numbers, a stranger, somebody who is not shown or not readable.
    fn caller(&mut self, customers: &[(Option<&'static str>, Vec<PhoneNumber>)]) -> (Party, Option<KnownCustomer>) {
        match self.chance.below(20) {
            0 => (Party { anonymous: true, ..Party::default() }, None),
            1 => (Party { text: "Skype".into(), ..Party::default() }, None),
            2..8 => {
                let number = format!("+4915{:08}", self.chance.below(1_500)).parse().unwrap();
                (Party { number: Some(number), ..Party::default() }, None)
            }
            _ => {
                let id = usize::try_from(self.chance.below(customers.len() as u64)).unwrap();
                let (responsible, numbers) = &customers[id];
                let known = KnownCustomer {
                    id: format!("crm-{id}").into(),
                    name: format!("Customer {id}").into(),
                    responsible: responsible.map(Into::into),
                };
                (Party { number: Some(*self.chance.of(numbers)), ..Party::default() }, Some(known))
            }
        }
    }

    fn step(&mut self, step: CallFact) {
        if let CallFact::Offered(_) = step {
            self.truth.offered_to = self.truth.group;
        }
        self.facts.push((self.at, step));
    }

    /// Up to so many milliseconds go by.
    fn pass(&mut self, most: u64) {
        self.at += 1 + i64::try_from(self.chance.below(most)).unwrap();
    }

    fn ring(&mut self, members: &[&str]) {
        let mut rung = Vec::new();
        for member in members {
            self.legs += 1;
            rung.push(Rung { leg: self.legs, whom: Whom::Extension((*member).into()), device: "sip:x".into() });
            if !self.truth.rang.iter().any(|one| one == member) {
                self.truth.rang.push((*member).to_owned());
            }
        }
        self.step(CallFact::Rung(rung));
    }

    fn dial(&mut self, trunk: &'static str, number: &str) {
        self.legs += 1;
        let whom = Whom::Trunk { trunk: trunk.into(), number: number.into() };
        self.step(CallFact::Rung(vec![Rung { leg: self.legs, whom, device: "sip:x".into() }]));
        self.truth.out_trunk = Some(trunk);
    }

    fn falls(&mut self, who: &str, failed: Failed, to: &'static str) {
        self.step(CallFact::Turned { because: vec![Reason::Is(who.into(), failed), Reason::FallsTo(to.into())] });
        if self.truth.group.is_none() && matches!(to, "sales" | "service") {
            self.truth.group = Some(to);
        }
    }

    fn answer(&mut self, who: &str) {
        let rung = self.facts.iter().rev().find_map(|(_, step)| match step {
            CallFact::Rung(rung) => rung.iter().rev().find(|rung| match &rung.whom {
                Whom::Extension(extension) => **extension == *who,
                Whom::Trunk { number, .. } => **number == *who,
            }),
            _ => None,
        });
        let leg = rung.unwrap().leg;
        self.step(CallFact::Answered { leg, human: true });
        self.talked = self.talked.or(Some(self.at));
    }

    fn end(&mut self, by: EndedBy, status: u16, missed: Option<MissedCause>) {
        let talk_ms = self.talked.map_or(0, |since| u64::try_from(self.at - since).unwrap());
        self.step(CallFact::Ended(Ended { by, status, missed, talk_ms }));
    }
}

/// An employee calls.
fn inside(from: &str, to: &str) -> Offered {
    Offered {
        direction: Direction::Internal,
        from: Party { extension: Some(from.into()), ..Party::default() },
        to: Party { extension: (!to.is_empty()).then(|| to.into()), ..Party::default() },
        did: None,
        source: None,
        trunk: None,
        customer: None,
        emergency: false,
        reference: None,
        sip_call_id: String::new(),
        because: Vec::new(),
        considered: Vec::new(),
        plan: if to.is_empty() { String::new() } else { format!("1. extension:{to}, {to} from 0 s to 30 s") },
    }
}
