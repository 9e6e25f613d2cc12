//! All rows of a report while calls go by.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use smallvec::{SmallVec, smallvec};

use super::ask::{Ask, Dimension, Kind};
use super::columns::{columns_of, figures};
use super::line::{Line, Promise};
use super::peak::Peaks;
use super::period::{MOST_DAYS, Span, start_of};
use super::plan::Plan;
use super::table::{Cell, Table, nobody};
use super::tally::{Tally, between};
use crate::clock::Timestamp;
use crate::route::Direction;

/// The rows of a report, while it is shown one call after another.
#[derive(Debug)]
pub struct Sums {
    ask: Ask,
    span: Span,
    zone: TimeZone,
    now: Timestamp,
    rows: BTreeMap<Keys, Tally>,
    total: Tally,
    peaks: Option<Peaks>,
}

type Keys = SmallVec<[Key; 2]>;

/// What a row is of, in the order in which rows stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Date(Date),
    /// A weekday, Monday is 0.
    Weekday(i8),
    Hour(i8),
    /// All trunks together.
    All,
    /// Digits by their value, before all other names.
    Name(usize, Box<str>),
    Nobody,
}

impl Key {
    fn name(name: Option<&str>) -> Key {
        match name {
            Some(name) if name.bytes().all(|byte| byte.is_ascii_digit()) => Key::Name(name.len(), name.into()),
            Some(name) => Key::Name(usize::MAX, name.into()),
            None => Key::Nobody,
        }
    }

    fn cell(&self, of: Dimension) -> Cell {
        Cell::Text(match self {
            Key::Date(date) => date.to_string(),
            Key::Weekday(day) => WEEKDAYS[usize::try_from(*day).unwrap_or(0) % 7].to_owned(),
            Key::Hour(hour) => return Cell::Count(u64::try_from(*hour).unwrap_or(0)),
            Key::All => ALL.to_owned(),
            Key::Name(_, name) => name.to_string(),
            Key::Nobody => nobody(of).to_owned(),
        })
    }
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The row of the whole office.
const ALL: &str = "(all)";

impl Sums {
    /// Begins a report over these days.
    pub fn new(ask: Ask, span: Span, zone: TimeZone, now: Timestamp) -> Sums {
        let by_day = ask.by.contains(&Dimension::Day);
        let peaks = (ask.kind == Kind::Capacity).then(|| Peaks::new(span, by_day, zone.clone()));
        Sums { ask, span, zone, now, rows: BTreeMap::new(), total: Tally::default(), peaks }
    }

    /// One more call. They come in the order in which they began; for [`Kind::Capacity`] also those that began before the
    /// span and were still there.
    pub fn add(&mut self, line: &Line<'_>) {
        let only = &self.ask.only;
        let fits = |wanted: &Option<String>, of| wanted.as_deref().is_none_or(|wanted| line.name(of) == Some(wanted));
        if !(fits(&only.group, Dimension::Group)
            && fits(&only.did, Dimension::Did)
            && fits(&only.source, Dimension::Source))
        {
            return;
        }
        let is_theirs = fits(&only.user, Dimension::User);
        match self.ask.kind {
            Kind::Calls | Kind::Hours => {}
            Kind::Missed | Kind::Lost if line.missed.is_none() => return,
            Kind::Missed | Kind::Lost => {}
            Kind::Service if !line.is_customers() || !(line.missed.is_some() || line.was_answered()) => return,
            Kind::Service => self.add_rang(line),
            Kind::Capacity => return self.add_load(line, is_theirs),
            Kind::Plan if line.direction != Direction::Outbound || line.user().is_none() => return,
            Kind::Plan => {}
            Kind::FollowUps => return,
        }
        if is_theirs {
            let keys = self.keys(line.began, |of| line.name(of));
            self.rows.entry(keys).or_default().add(line, self.now);
            self.total.add(line, self.now);
        }
    }

    /// Of [`Kind::FollowUps`]: a promise to call back. `line` is the call that opened it, `opened` when that was over.
    pub fn add_promise(
        &mut self,
        line: &Line<'_>,
        opened: Timestamp,
        promise: Promise,
        (assignee, reacted): (Option<&str>, Option<Timestamp>),
    ) {
        let name = |of| if of == Dimension::User { assignee } else { line.name(of) };
        let only = &self.ask.only;
        let wanted = [
            (&only.user, Dimension::User),
            (&only.group, Dimension::Group),
            (&only.did, Dimension::Did),
            (&only.source, Dimension::Source),
        ];
        if wanted.iter().any(|(wanted, of)| wanted.is_some() && wanted.as_deref() != name(*of)) {
            return;
        }
        let keys = self.keys(opened, name);
        for tally in [self.rows.entry(keys).or_default(), &mut self.total] {
            tally.follow_ups.opened += 1;
            tally.follow_ups.outcomes.add(Some(promise), self.now);
            tally.follow_ups.reactions.extend(reacted.map(|reacted| between(opened, reacted)));
        }
    }

    /// The table. `plan` is asked of for [`Kind::Plan`] alone.
    pub fn finish(mut self, plan: &Plan) -> Table {
        self.add_plan(plan);
        self.add_peaks();
        self.fill();
        let Sums { ask, span, zone, rows, total, .. } = self;
        let figures = figures(ask.kind, &ask.by);
        let cells = |tally: &Tally| figures.iter().map(|(_, figure)| figure(tally)).collect::<Vec<Cell>>();
        let row = |(keys, tally): (Keys, Tally)| {
            let names = keys.iter().zip(&ask.by).map(|(key, of)| key.cell(*of));
            names.chain(cells(&tally)).collect()
        };
        let columns = columns_of(&ask);
        let (rows, total) = (rows.into_iter().map(row).collect(), cells(&total));
        Table { ask, span, zone, columns, rows, total }
    }

    fn keys<'a>(&self, at: Timestamp, name: impl Fn(Dimension) -> Option<&'a str>) -> Keys {
        let local = at.to_zoned(self.zone.clone());
        let key = |of: &Dimension| match of {
            Dimension::Day => Key::Date(local.date()),
            Dimension::Weekday => Key::Weekday(local.weekday().to_monday_zero_offset()),
            Dimension::Hour => Key::Hour(local.hour()),
            of => Key::name(name(*of)),
        };
        self.ask.by.iter().map(key).collect()
    }

    /// Everybody who was rung, each in a row of their own.
    fn add_rang(&mut self, line: &Line<'_>) {
        if !self.ask.by.contains(&Dimension::User) {
            return;
        }
        for who in line.rang() {
            if self.ask.only.user.as_deref().is_none_or(|wanted| wanted == who) {
                let keys = self.keys(line.began, |of| if of == Dimension::User { Some(who) } else { line.name(of) });
                self.rows.entry(keys).or_default().add_rang(who, line);
                self.total.add_rang(who, line);
            }
        }
    }

    fn add_load(&mut self, line: &Line<'_>, is_theirs: bool) {
        if !is_theirs {
            return;
        }
        if let Some(peaks) = &mut self.peaks {
            peaks.add(line);
        }
        if line.began >= self.span.from && line.missed.is_some() {
            let day = line.began.to_zoned(self.zone.clone()).date();
            for place in [Key::name(line.trunk), Key::All] {
                let keys = self.place(day, place);
                self.rows.entry(keys).or_default().add(line, self.now);
            }
            self.total.add(line, self.now);
        }
    }

    fn place(&self, day: Date, place: Key) -> Keys {
        let key = |of: &Dimension| if *of == Dimension::Day { Key::Date(day) } else { place.clone() };
        self.ask.by.iter().map(key).collect()
    }

    fn add_peaks(&mut self) {
        let Some(peaks) = self.peaks.take() else { return };
        for (day, trunk, (peak, at)) in peaks.finish(self.span.to.min(self.now)) {
            let place = if trunk.is_empty() { Key::All } else { Key::name(Some(&trunk)) };
            let is_all = place == Key::All;
            let keys = self.place(day, place);
            let row = self.rows.entry(keys).or_default();
            (row.peak, row.peak_at) = (peak, (peak > 0).then_some(at));
            if is_all && peak > self.total.peak {
                (self.total.peak, self.total.peak_at) = (peak, Some(at));
            }
        }
    }

    fn add_plan(&mut self, plan: &Plan) {
        if self.ask.kind != Kind::Plan {
            return;
        }
        for ((day, user), calls) in plan {
            if self.ask.only.user.as_deref().is_none_or(|wanted| wanted == user) {
                let key = |of: &Dimension| if *of == Dimension::Day { Key::Date(*day) } else { Key::name(Some(user)) };
                let keys = self.ask.by.iter().map(key).collect();
                self.rows.entry(keys).or_default().planned += u64::from(*calls);
                self.total.planned += u64::from(*calls);
            }
        }
    }

    /// A row also for the days, weekdays and hours without a call.
    fn fill(&mut self) {
        let empty: Vec<Keys> = match self.ask.by[..] {
            [Dimension::Day] if self.ask.kind != Kind::Capacity => {
                let until = self.span.to.min(self.now);
                let first = self.span.from.to_zoned(self.zone.clone()).date();
                let days = (0..=i64::from(MOST_DAYS)).map_while(|days| first.checked_add(days.days()).ok());
                days.take_while(|day| start_of(*day, &self.zone) < until).map(|day| smallvec![Key::Date(day)]).collect()
            }
            [Dimension::Weekday] => weekdays().map(|day| smallvec![day]).collect(),
            [Dimension::Hour] => hours().map(|hour| smallvec![hour]).collect(),
            [Dimension::Weekday, Dimension::Hour] => {
                weekdays().flat_map(|day| hours().map(move |hour| smallvec![day.clone(), hour])).collect()
            }
            _ => Vec::new(),
        };
        for keys in empty {
            self.rows.entry(keys).or_default();
        }
    }
}

fn weekdays() -> impl Iterator<Item = Key> {
    Weekday::Monday.cycle_forward().take(7).map(|day| Key::Weekday(day.to_monday_zero_offset()))
}

fn hours() -> impl Iterator<Item = Key> {
    (0..24).map(Key::Hour)
}
