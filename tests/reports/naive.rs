//! The same figures counted in the plainest way: every call is looked at for every row and column.

use std::collections::{BTreeMap, BTreeSet};

use huntline::clock::Timestamp;
use huntline::key::CallId;
use huntline::number::PhoneNumber;
use huntline::report::{Ask, Dimension, Kind, Span};
use huntline::route::Direction;
use huntline::store::CallRow;
use jiff::{SignedDuration, ToSpan};

use crate::Rows;
use crate::week::{Done, Truth, Week, zone};

pub struct Naive<'a> {
    week: &'a Week,
    calls: &'a [CallRow],
    promises: Vec<Promise>,
    outcomes: BTreeMap<CallId, Outcome>,
}

/// Somebody is to be called back.
pub struct Promise {
    pub misses: Vec<CallId>,
    pub opened: Timestamp,
    pub due: Timestamp,
    numbers: BTreeSet<PhoneNumber>,
    pub settled: Option<CallId>,
    by_hand: Option<Timestamp>,
    assignee: Option<&'static str>,
    /// When the first call with them began.
    reacted: Option<Timestamp>,
}

impl Promise {
    pub fn is_settled(&self) -> bool {
        self.settled.is_some() || self.by_hand.is_some()
    }

    pub fn first(&self) -> CallId {
        self.misses[0]
    }
}

/// A customer's call that is over, answered or missed.
pub fn is_offered(call: &CallRow) -> bool {
    call.direction == Direction::Inbound
        && call.from.extension.is_none()
        && call.ended.is_some()
        && (call.missed.is_some() || call.answered.is_some())
}

/// How a miss stands.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    InTime,
    ByHand,
    Waiting,
    Late,
    Never,
}

type Calls<'a> = Vec<&'a CallRow>;

impl<'a> Naive<'a> {
    pub fn new(week: &'a Week, calls: &'a [CallRow]) -> Naive<'a> {
        let mut naive = Naive { week, calls, promises: Vec::new(), outcomes: BTreeMap::new() };
        naive.promises = naive.count_promises();
        let outcomes = naive.promises.iter().flat_map(|promise| {
            let outcome = naive.outcome_of(promise);
            promise.misses.iter().map(move |miss| (*miss, outcome))
        });
        naive.outcomes = outcomes.collect();
        naive
    }

    pub fn promises(&self) -> &[Promise] {
        &self.promises
    }

    fn truth(&self, call: &CallRow) -> &Truth {
        &self.week.truths[&call.id]
    }

    /// Every call with somebody outside, in the order in which they ended.
    fn count_promises(&self) -> Vec<Promise> {
        let mut over: Calls<'_> = self.calls.iter().filter(|call| call.ended.is_some()).collect();
        over.sort_by_key(|call| call.ended);
        let mut promises: Vec<Promise> = Vec::new();
        let mut hands = self.week.hands.iter().peekable();
        for call in over {
            while let Some((at, first, done)) = hands.next_if(|(at, ..)| Some(*at) < call.ended) {
                let promise = promises.iter_mut().find(|promise| promise.first() == *first).unwrap();
                match done {
                    Done::Closed => promise.by_hand = Some(*at),
                    Done::Given(to) => promise.assignee = Some(*to),
                }
            }
            let (Some(ended), inbound) = (call.ended, call.direction == Direction::Inbound) else { continue };
            if call.direction == Direction::Internal || call.emergency || (inbound && call.from.extension.is_some()) {
                continue;
            }
            let number = if inbound { call.from.number } else { call.to.number };
            let kin: BTreeSet<PhoneNumber> = match number {
                Some(number) => {
                    let customer = self.week.customers.iter().find(|(_, numbers)| numbers.contains(&number));
                    customer.map_or([number].into(), |(_, numbers)| numbers.iter().copied().collect())
                }
                None => BTreeSet::new(),
            };
            let open = |one: &&mut Promise| !one.is_settled() && !one.numbers.is_disjoint(&kin);
            let owed = promises.iter_mut().find(open);
            match (call.missed, owed) {
                (Some(_), Some(owed)) => owed.misses.push(call.id),
                (Some(_), None) => promises.push(Promise {
                    misses: vec![call.id],
                    opened: ended,
                    due: ended.checked_add(30.minutes()).unwrap(),
                    numbers: kin,
                    settled: None,
                    by_hand: None,
                    assignee: None,
                    reacted: None,
                }),
                (None, Some(owed)) if call.answered.is_some() && call.talk_ms >= 5_000 => {
                    owed.settled = Some(call.id);
                    owed.reacted = earlier(owed.reacted, call.began);
                }
                // Too briefly, or we tried.
                (None, Some(owed)) if call.answered.is_some() || !inbound => {
                    owed.reacted = earlier(owed.reacted, call.began);
                }
                _ => {}
            }
        }
        promises
    }

    fn outcome_of(&self, promise: &Promise) -> Outcome {
        let settled = promise.settled.map(|id| self.calls.iter().find(|call| call.id == id).unwrap().began);
        if let Some(at) = promise.by_hand {
            return if at <= promise.due { Outcome::ByHand } else { Outcome::Never };
        }
        match settled {
            Some(began) if began <= promise.due => Outcome::InTime,
            Some(_) => Outcome::Late,
            None if self.week.now <= promise.due => Outcome::Waiting,
            None => Outcome::Never,
        }
    }

    fn outcome(&self, miss: &CallRow) -> Outcome {
        self.outcomes[&miss.id]
    }

    fn user(&self, call: &CallRow) -> Option<String> {
        let rang = &self.truth(call).rang;
        if call.direction != Direction::Inbound {
            return call.from.extension.as_ref().map(ToString::to_string);
        }
        call.ended?;
        if call.missed.is_none() && call.answered.is_some() {
            return call.answered_by.clone().filter(|who| rang.contains(who));
        }
        let responsible = call.customer.as_ref().and_then(|customer| customer.responsible.clone());
        let only = || (rang.len() == 1).then(|| rang[0].clone());
        responsible.map(|responsible| responsible.to_string()).or_else(only)
    }

    fn group(&self, call: &CallRow) -> Option<String> {
        let truth = self.truth(call);
        (if call.ended.is_some() { truth.group } else { truth.offered_to }).map(Into::into)
    }

    fn out_trunk(&self, call: &CallRow) -> Option<String> {
        self.truth(call).out_trunk.filter(|_| call.ended.is_some()).map(Into::into)
    }

    fn name(&self, call: &CallRow, at: Timestamp, of: Dimension) -> String {
        let local = at.to_zoned(zone());
        let (name, nobody) = match of {
            Dimension::Day => return local.date().to_string(),
            Dimension::Weekday => return local.strftime("%a").to_string(),
            Dimension::Hour => return local.hour().to_string(),
            Dimension::User => (self.user(call), "(nobody)"),
            Dimension::Group => (self.group(call), "(none)"),
            Dimension::Did => (call.did.clone(), "(none)"),
            Dimension::Source => (call.source.clone(), "(none)"),
            Dimension::Trunk if call.direction == Direction::Inbound => (call.trunk.clone(), "(none)"),
            Dimension::Trunk => (self.out_trunk(call), "(none)"),
        };
        name.unwrap_or_else(|| nobody.into())
    }

    fn is_wanted(&self, call: &CallRow, ask: &Ask, but_for: Option<Dimension>) -> bool {
        let only = &ask.only;
        let wanted = [
            (&only.user, Dimension::User),
            (&only.group, Dimension::Group),
            (&only.did, Dimension::Did),
            (&only.source, Dimension::Source),
        ];
        let fits = |(wanted, of): &(&Option<String>, Dimension)| {
            Some(*of) == but_for || wanted.as_ref().is_none_or(|wanted| self.name(call, call.began, *of) == *wanted)
        };
        wanted.iter().all(fits)
    }

    /// Every row of a report that has anything in it.
    pub fn rows(&self, ask: &Ask, span: Span) -> Rows {
        let among = |at: Timestamp| span.from <= at && at < span.to;
        match ask.kind {
            Kind::Capacity => return self.capacity(ask, span),
            Kind::FollowUps => return self.follow_ups(ask, span),
            _ => {}
        }
        let calls: Calls<'_> = self.calls.iter().filter(|call| among(call.began)).collect();
        let mut rows = BTreeMap::<Vec<String>, Calls<'_>>::new();
        for call in calls.iter().filter(|call| self.is_wanted(call, ask, None)) {
            let name = ask.by.iter().map(|of| self.name(call, call.began, *of)).collect();
            rows.entry(name).or_default().push(call);
        }
        let mut rows: Rows = rows.into_iter().map(|(name, calls)| (name, self.figures(ask.kind, &calls))).collect();
        if let (Kind::Service, true) = (ask.kind, ask.by.contains(&Dimension::User)) {
            self.rang(ask, &calls, &mut rows);
        }
        if ask.kind == Kind::Plan {
            self.planned(ask, &mut rows);
        }
        rows
    }

    fn figures(&self, kind: Kind, calls: &Calls<'_>) -> BTreeMap<String, String> {
        let count = |so: &dyn Fn(&CallRow) -> bool| calls.iter().filter(|call| so(call)).count();
        let inbound = |call: &CallRow| call.direction == Direction::Inbound;
        let outbound = |call: &CallRow| call.direction == Direction::Outbound;
        let missed = |call: &CallRow| call.missed.is_some();
        let became = |call: &CallRow, one: Outcome| missed(call) && self.outcome(call) == one;
        let talk = |so: &dyn Fn(&CallRow) -> bool| {
            let millis: u64 = calls.iter().filter(|call| so(call)).map(|call| call.talk_ms).sum();
            format!("{}.{:03}", millis / 1000, millis % 1000)
        };
        let mut figures = BTreeMap::new();
        let mut put = |name: &str, figure: String| _ = figures.insert(name.to_owned(), figure);
        match kind {
            Kind::Calls | Kind::Hours => {
                put("calls", calls.len().to_string());
                put("inbound", count(&inbound).to_string());
                put("outbound", count(&outbound).to_string());
                put("internal", count(&|call| call.direction == Direction::Internal).to_string());
                let answered =
                    |call: &CallRow| inbound(call) && call.ended.is_some() && call.answered.is_some() && !missed(call);
                put("answered", count(&answered).to_string());
                put("missed", count(&missed).to_string());
                let neither =
                    |call: &CallRow| inbound(call) && call.ended.is_some() && call.answered.is_none() && !missed(call);
                put("neither", count(&neither).to_string());
                put("open", count(&|call| inbound(call) && call.ended.is_none()).to_string());
                put("outbound_answered", count(&|call| outbound(call) && call.answered.is_some()).to_string());
                put("talk_seconds", talk(&|_| true));
            }
            Kind::Missed => {
                put("missed", count(&missed).to_string());
                for cause in [
                    "abandoned",
                    "no_answer",
                    "all_busy",
                    "none_reachable",
                    "rejected",
                    "after_hours",
                    "voicemail_left",
                    "announcement_only",
                    "capacity",
                    "system_failure",
                ] {
                    let so = |call: &CallRow| serde_json::to_value(call.missed).unwrap() == cause;
                    put(cause, count(&so).to_string());
                }
            }
            Kind::Lost => {
                let lost = count(&|call| became(call, Outcome::Late) || became(call, Outcome::Never));
                put("missed", count(&missed).to_string());
                put("lost", lost.to_string());
                put("lost_percent", percent(lost, count(&missed)));
                put("called_back_in_time", count(&|call| became(call, Outcome::InTime)).to_string());
                put("by_hand_in_time", count(&|call| became(call, Outcome::ByHand)).to_string());
                put("waiting", count(&|call| became(call, Outcome::Waiting)).to_string());
                put("called_back_late", count(&|call| became(call, Outcome::Late)).to_string());
            }
            Kind::Service => {
                let answered = |call: &CallRow| is_offered(call) && !missed(call);
                let (offered, missed) = (count(&is_offered), count(&missed));
                put("offered", offered.to_string());
                put("answered", count(&answered).to_string());
                put("answered_percent", percent(count(&answered), offered));
                let elsewhere = |call: &CallRow| {
                    let truth = self.truth(call);
                    answered(call) && truth.group.is_some() && truth.answered_in != truth.group
                };
                put("answered_elsewhere", count(&elsewhere).to_string());
                let waited: i128 = calls
                    .iter()
                    .filter(|call| answered(call))
                    .map(|call| call.answered.unwrap().duration_since(call.began).as_millis())
                    .sum();
                let average = waited.checked_div(count(&answered) as i128);
                put("answer_seconds", average.map_or("".into(), |ms| format!("{}.{:03}", ms / 1000, ms % 1000)));
                put("missed", missed.to_string());
                put("missed_percent", percent(missed, offered));
                let back = count(&|call| became(call, Outcome::InTime) || became(call, Outcome::Late));
                put("called_back", back.to_string());
                put("called_back_percent", percent(back, missed));
                let handled = count(&answered) + count(&|call| became(call, Outcome::InTime));
                put("handled_percent", percent(handled, offered));
            }
            Kind::Plan => {
                put("planned", "0".into());
                put("outbound", count(&outbound).to_string());
                put("outbound_answered", count(&|call| outbound(call) && call.answered.is_some()).to_string());
                put("done_percent", "".into());
                put("talk_seconds", talk(&outbound));
            }
            Kind::Capacity | Kind::FollowUps => {}
        }
        figures
    }

    fn rang(&self, ask: &Ask, calls: &Calls<'_>, rows: &mut Rows) {
        let mut rang = BTreeMap::<Vec<String>, (usize, usize)>::new();
        for call in calls.iter().filter(|call| is_offered(call) && self.is_wanted(call, ask, Some(Dimension::User))) {
            for who in &self.truth(call).rang {
                if ask.only.user.as_ref().is_some_and(|wanted| wanted != who) {
                    continue;
                }
                let of_row = |of: &Dimension| match of {
                    Dimension::User => who.clone(),
                    of => self.name(call, call.began, *of),
                };
                let row = rang.entry(ask.by.iter().map(of_row).collect()).or_default();
                row.0 += 1;
                row.1 += usize::from(call.missed.is_none() && call.answered_by.as_ref() == Some(who));
            }
        }
        for name in rang.keys() {
            rows.entry(name.clone()).or_insert_with(|| self.figures(ask.kind, &Vec::new()));
        }
        for (name, row) in rows {
            let (rang, answered) = rang.get(name).copied().unwrap_or_default();
            row.insert("rang".into(), rang.to_string());
            row.insert("rang_answered_percent".into(), percent(answered, rang));
        }
    }

    fn planned(&self, ask: &Ask, rows: &mut Rows) {
        rows.retain(|_, row| row["outbound"] != "0");
        for ((day, user), calls) in self.week.plan() {
            if ask.only.user.as_ref().is_some_and(|wanted| *wanted != user) {
                continue;
            }
            let of_row = |of: &Dimension| if *of == Dimension::Day { day.to_string() } else { user.clone() };
            let name: Vec<String> = ask.by.iter().map(of_row).collect();
            let row = rows.entry(name).or_insert_with(|| self.figures(ask.kind, &Vec::new()));
            let planned: usize = row["planned"].parse::<usize>().unwrap() + calls as usize;
            row.insert("planned".into(), planned.to_string());
            row.insert("done_percent".into(), percent(row["outbound"].parse().unwrap(), planned));
        }
    }

    /// At each moment at which a call or a day begins, who is there.
    fn capacity(&self, ask: &Ask, span: Span) -> Rows {
        let calls: Calls<'_> = self.calls.iter().filter(|call| self.is_wanted(call, ask, None)).collect();
        let by_day = ask.by.contains(&Dimension::Day);
        let until = span.to.min(self.week.now);
        let days = (0..7).map(|day| self.week.start_of(day)).filter(|day| by_day && *day > span.from);
        let mut moments: Vec<Timestamp> = calls.iter().map(|call| call.began).chain(days).chain([span.from]).collect();
        moments.retain(|at| span.from <= *at && *at <= until);
        moments.sort_unstable();
        moments.dedup();
        let mut found = BTreeMap::<(String, String), (usize, usize, Option<Timestamp>)>::new();
        let day_of = |at: Timestamp| if by_day { at.to_zoned(zone()).date().to_string() } else { String::new() };
        for at in moments {
            let there = |call: &&&CallRow| {
                call.began <= at
                    && call.ended.is_none_or(|ended| {
                        at < ended.max(call.began.checked_add(SignedDuration::from_millis(1)).unwrap())
                    })
            };
            let mut counts = BTreeMap::from([("(all)".to_owned(), 0)]);
            for call in calls.iter().filter(there) {
                let came = call.trunk.clone().filter(|_| call.direction == Direction::Inbound);
                for place in came.into_iter().chain(self.out_trunk(call)).chain(["(all)".into()]) {
                    *counts.entry(place).or_default() += 1;
                }
            }
            for (place, count) in counts {
                let row = found.entry((day_of(at), place)).or_default();
                if count > row.1 {
                    (row.1, row.2) = (count, Some(at));
                }
            }
        }
        for call in calls.iter().filter(|call| span.from <= call.began && call.began < span.to) {
            if serde_json::to_value(call.missed).unwrap() == "capacity" {
                for place in [call.trunk.clone().unwrap(), "(all)".into()] {
                    found.entry((day_of(call.began), place)).or_default().0 += 1;
                }
            }
        }
        let row = |((day, place), (refused, peak, at)): ((String, String), (usize, usize, Option<Timestamp>))| {
            let name = if by_day { vec![day, place] } else { vec![place] };
            let at = at.map(|at| at.to_zoned(zone()).strftime("%Y-%m-%d %H:%M:%S").to_string());
            let figures =
                [("peak", peak.to_string()), ("peak_at", at.unwrap_or_default()), ("refused", refused.to_string())];
            (name, figures.map(|(name, figure)| (name.to_owned(), figure)).into())
        };
        found.into_iter().map(row).collect()
    }

    fn follow_ups(&self, ask: &Ask, span: Span) -> Rows {
        let mut rows = BTreeMap::<Vec<String>, Vec<&Promise>>::new();
        for promise in self.promises.iter().filter(|one| span.from <= one.opened && one.opened < span.to) {
            let call = self.calls.iter().find(|call| call.id == promise.first()).unwrap();
            let name = |of: Dimension| match of {
                // Where the office has no config, only hands give them to anybody.
                Dimension::User => promise.assignee.unwrap_or("(nobody)").to_owned(),
                of => self.name(call, promise.opened, of),
            };
            let only = &ask.only;
            let wanted = [
                (&only.user, Dimension::User),
                (&only.group, Dimension::Group),
                (&only.did, Dimension::Did),
                (&only.source, Dimension::Source),
            ];
            if wanted.iter().all(|(wanted, of)| wanted.as_ref().is_none_or(|wanted| name(*of) == *wanted)) {
                rows.entry(ask.by.iter().map(|of| name(*of)).collect()).or_default().push(promise);
            }
        }
        rows.into_iter().map(|(name, promises)| (name, self.kept(&promises))).collect()
    }

    fn kept(&self, promises: &[&Promise]) -> BTreeMap<String, String> {
        let count = |one: Outcome| promises.iter().filter(|promise| self.outcome_of(promise) == one).count();
        let reaction = |one: &&Promise| {
            one.reacted.map(|reacted| u64::try_from(reacted.duration_since(one.opened).as_millis()).unwrap_or(0))
        };
        let mut reactions: Vec<u64> = promises.iter().filter_map(reaction).collect();
        reactions.sort_unstable();
        let n = reactions.len();
        let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let or_none = |figure: Option<u64>| figure.map_or(String::new(), seconds);
        let median = (n > 0).then(|| (reactions[(n - 1) / 2] + reactions[n / 2]) / 2);
        let average = reactions.iter().sum::<u64>().checked_div(n as u64);
        [
            ("opened", promises.len().to_string()),
            ("in_time", count(Outcome::InTime).to_string()),
            ("by_hand", count(Outcome::ByHand).to_string()),
            ("waiting", count(Outcome::Waiting).to_string()),
            ("overdue", (count(Outcome::Late) + count(Outcome::Never)).to_string()),
            ("overdue_kept", count(Outcome::Late).to_string()),
            ("reacted", n.to_string()),
            ("reaction_seconds_average", or_none(average)),
            ("reaction_seconds_median", or_none(median)),
            ("reaction_seconds_longest", or_none(reactions.last().copied())),
        ]
        .map(|(name, figure)| (name.to_owned(), figure))
        .into()
    }
}

fn earlier(one: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(one.map_or(other, |one| one.min(other)))
}

/// One decimal, rounded; of nothing, nothing.
fn percent(part: usize, of: usize) -> String {
    if of == 0 { String::new() } else { format!("{:.1}", (part as f64 * 1000.0 / of as f64 + 1e-9).round() / 10.0) }
}
