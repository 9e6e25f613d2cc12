//! Opening hours: when is a schedule open, when does that change next, and which line of the config says so.
//!
//! Exceptions come before holidays, holidays before the weekly hours, each by the day on which an interval *starts*: an
//! interval past midnight runs on into a holiday. Dates are inclusive, `MM-DD` means every year, intervals are
//! `[from, to)`, and `to ≤ from` runs past midnight (`09:00-09:00` is a whole day). On the nights when clocks change, a
//! skipped local time means the end of the gap; a repeated one opens at its first and closes at its last occurrence.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::read::{Fields, Spot};

/// Days in one look ahead of [`Schedule::next_change`], and how far it looks: a yearly date comes within five leap years.
const WINDOW_DAYS: i64 = 32;
const HORIZON_DAYS: i64 = 8 * 366;

/// From one local time to another, perhaps of the next day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    /// Opens.
    pub from: Time,
    /// Closes; at or before `from` it means the next day, and midnight always does.
    pub to: Time,
}

impl Span {
    /// Reads `09:00-18:00`; `24:00` is the midnight that ends the day.
    pub fn read(text: &str) -> Result<Span, String> {
        let (from, to) = text.split_once('-').ok_or_else(|| format!("{text:?} is no interval of times"))?;
        let from = read_time(from.trim())?.ok_or("nothing opens at 24:00; that is 00:00 of the next day")?;
        Ok(Span { from, to: read_time(to.trim())?.unwrap_or(Time::midnight()) })
    }

    /// Reads intervals joined by commas.
    pub fn read_list(text: &str) -> Result<Vec<Span>, String> {
        text.split(',').map(|span| Span::read(span.trim())).collect()
    }
}

/// Reads `HH:MM`; `None` is 24:00.
fn read_time(text: &str) -> Result<Option<Time>, String> {
    let impossible = || format!("{text:?} is no time of day from 00:00 to 24:00");
    let (hour, minute) = text.split_once(':').ok_or_else(impossible)?;
    let number = |part: &str| (part.len() <= 2).then(|| part.parse::<u8>().ok()).flatten();
    let (Some(hour), Some(minute)) = (number(hour), number(minute).filter(|_| minute.len() == 2)) else {
        return Err(impossible());
    };
    if (hour, minute) == (24, 0) {
        return Ok(None);
    }
    Time::new(hour as i8, minute as i8, 0, 0).map(Some).map_err(|_| impossible())
}

/// A day, or days, of one year or of every year; inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Days {
    /// These, once.
    Once(Date, Date),
    /// From month and day to month and day, every year; may run over New Year.
    Yearly((i8, i8), (i8, i8)),
}

impl Days {
    /// Reads `2026-12-31`, `2026-12-31..2027-01-08`, `05-09` or `12-24..01-06`.
    pub fn read(text: &str) -> Result<Days, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        let mixed = || format!("{text:?} mixes a date of one year with one of every year");
        match (read_day(first)?, read_day(last)?) {
            (Day::Once(first), Day::Once(last)) if last < first => Err(format!("{text:?} ends before it begins")),
            (Day::Once(first), Day::Once(last)) => Ok(Days::Once(first, last)),
            (Day::Yearly(first), Day::Yearly(last)) => Ok(Days::Yearly(first, last)),
            _ => Err(mixed()),
        }
    }

    /// True where `date` is one of them.
    pub fn contains(&self, date: Date) -> bool {
        match *self {
            Days::Once(first, last) => (first..=last).contains(&date),
            Days::Yearly(first, last) => {
                let day = (date.month(), date.day());
                if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
            }
        }
    }

    /// True where some day is in both.
    pub(super) fn meets(&self, other: &Days) -> bool {
        let first_of = |days: &Days| match *days {
            Days::Once(first, _) => Some(first),
            Days::Yearly((month, day), _) => Date::new(2028, month, day).ok(),
        };
        // Two ranges meet exactly where one contains the other's first day; a yearly one also meets by its last.
        let last_in = |a: &Days, b: &Days| match *a {
            Days::Yearly(_, (month, day)) => matches!(b, Days::Once(first, last) if (first.year()..=last.year())
                .any(|year| Date::new(year, month, day).is_ok_and(|date| b.contains(date)))),
            Days::Once(_, last) => b.contains(last),
        };
        let first_in = |a: &Days, b: &Days| first_of(a).is_some_and(|date| b.contains(date));
        first_in(self, other) || first_in(other, self) || last_in(self, other) || last_in(other, self)
    }
}

enum Day {
    Once(Date),
    Yearly((i8, i8)),
}

fn read_day(text: &str) -> Result<Day, String> {
    let impossible = || format!("{text:?} is no date: YYYY-MM-DD, or MM-DD for every year");
    let digits = |part: &str, len| (part.len() == len).then(|| part.parse::<i16>().ok()).flatten();
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [year, month, day] => {
            let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2)) else {
                return Err(impossible());
            };
            Date::new(year, month as i8, day as i8).map(Day::Once).map_err(|_| impossible())
        }
        [month, day] => {
            let (Some(month), Some(day)) = (digits(month, 2), digits(day, 2)) else { return Err(impossible()) };
            // 2028 is a leap year: 02-29 is a date, in the years that have it.
            Date::new(2028, month as i8, day as i8)
                .map(|_| Day::Yearly((month as i8, day as i8)))
                .map_err(|_| impossible())
        }
        _ => Err(impossible()),
    }
}

/// One line of the weekly hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WeekRule {
    /// As written, for `explain`.
    pub text: Arc<str>,
    /// Monday first.
    pub days: [bool; 7],
    /// Intervals on each of these days.
    pub open: Vec<Span>,
}

impl WeekRule {
    /// Reads `mon-fri 09:00-18:00` or `mon,wed 09:00-12:00, 13:00-18:00`.
    pub fn read(text: &str) -> Result<WeekRule, String> {
        let split = text.find(|letter: char| letter.is_ascii_digit()).filter(|at| *at > 0);
        let (days, times) = text.split_at(split.ok_or_else(|| format!("{text:?} says no days before the times"))?);
        let mut rule = WeekRule { text: text.into(), days: [false; 7], open: Span::read_list(times)? };
        for range in days.trim().split(',').map(str::trim) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (read_weekday(first.trim())?, read_weekday(last.trim())?);
            let count = (last + 7 - first) % 7;
            (0..=count).for_each(|step| rule.days[(first + step) % 7] = true);
        }
        Ok(rule)
    }
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn read_weekday(text: &str) -> Result<usize, String> {
    WEEKDAYS
        .iter()
        .position(|day| day.eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("{text:?} is no day of the week: {}", WEEKDAYS.join(", ")))
}

/// A day whose hours are its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExceptionDay {
    /// As written, for `explain`.
    pub text: Arc<str>,
    /// Which.
    pub days: Days,
    /// Its hours.
    pub open: Vec<Span>,
}

/// A day, or days, on which nothing opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holiday {
    /// As written, for `explain`.
    pub text: Arc<str>,
    /// Which.
    pub days: Days,
}

/// `[[schedule]]`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Unique.
    pub name: Arc<str>,
    /// The site's.
    pub zone: TimeZone,
    /// Weekly hours.
    pub open: Vec<WeekRule>,
    /// Days on which nothing opens.
    pub holidays: Vec<Holiday>,
    /// Days with hours of their own: short days, moved working days.
    pub exceptions: Vec<ExceptionDay>,
}

/// Which line of a schedule decides.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum HoursRule {
    /// The exception written so.
    Exception(Arc<str>),
    /// The holiday written so.
    Holiday(Arc<str>),
    /// The weekly hours written so.
    Week(Arc<str>),
    /// No line: outside all hours.
    Outside,
}

impl fmt::Display for HoursRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HoursRule::Exception(text) => write!(f, "exception {text}"),
            HoursRule::Holiday(text) => write!(f, "holiday {text}"),
            HoursRule::Week(text) => write!(f, "hours {text}"),
            HoursRule::Outside => f.write_str("outside all hours"),
        }
    }
}

/// Whether a schedule is open, and because of which of its lines.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Hours {
    /// True while open.
    pub open: bool,
    /// The line that decides.
    pub rule: HoursRule,
}

impl Schedule {
    /// True while open at `at`.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.running(at).is_some()
    }

    /// Whether it is open at `at`, and which line says so.
    pub fn why(&self, at: Timestamp) -> Hours {
        if let Some(rule) = self.running(at) {
            return Hours { open: true, rule };
        }
        let date = self.zone.to_datetime(at).date();
        let (rule, _) = self.hours_of(date);
        let rule = if matches!(rule, HoursRule::Week(_)) { HoursRule::Outside } else { rule };
        Hours { open: false, rule }
    }

    /// The next moment after `at` at which it opens or closes; `None` where that never happens within eight years.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let open = self.is_open(at);
        let today = self.zone.to_datetime(at).date();
        let mut ahead = -2;
        while ahead < HORIZON_DAYS {
            let mut moments: Vec<Timestamp> = (ahead..ahead + WINDOW_DAYS)
                .filter_map(|day| today.checked_add(jiff::Span::new().days(day)).ok())
                .flat_map(|date| self.intervals(date))
                .flat_map(|(_, from, to)| [from, to])
                .filter(|moment| *moment > at)
                .collect();
            moments.sort_unstable();
            if let Some(change) = moments.into_iter().find(|moment| self.is_open(*moment) != open) {
                return Some(change);
            }
            // Intervals reach at most two days ahead of the day on which they start.
            ahead += WINDOW_DAYS - 2;
        }
        None
    }

    /// The line whose interval is running at `at`.
    fn running(&self, at: Timestamp) -> Option<HoursRule> {
        let today = self.zone.to_datetime(at).date();
        // An interval ends on the day after it starts; one more day each way for zones that skip a whole day.
        (-2..=1)
            .filter_map(|day| today.checked_add(jiff::Span::new().days(day)).ok())
            .flat_map(|date| self.intervals(date))
            .find(|(_, from, to)| (*from..*to).contains(&at))
            .map(|(rule, ..)| rule)
    }

    /// The line that decides a date, and the intervals that start on it.
    fn hours_of(&self, date: Date) -> (HoursRule, Vec<(HoursRule, Span)>) {
        if let Some(exception) = self.exceptions.iter().find(|exception| exception.days.contains(date)) {
            let rule = HoursRule::Exception(exception.text.clone());
            return (rule.clone(), exception.open.iter().map(|span| (rule.clone(), *span)).collect());
        }
        if let Some(holiday) = self.holidays.iter().find(|holiday| holiday.days.contains(date)) {
            return (HoursRule::Holiday(holiday.text.clone()), Vec::new());
        }
        let weekday = usize::try_from(date.weekday().since(Weekday::Monday)).unwrap_or(0);
        let today = self.open.iter().filter(|rule| rule.days[weekday]);
        let spans: Vec<_> =
            today.flat_map(|rule| rule.open.iter().map(|span| (HoursRule::Week(rule.text.clone()), *span))).collect();
        (spans.first().map_or(HoursRule::Outside, |(rule, _)| rule.clone()), spans)
    }

    /// The intervals that start on a local date, as moments.
    fn intervals(&self, date: Date) -> impl Iterator<Item = (HoursRule, Timestamp, Timestamp)> {
        self.hours_of(date).1.into_iter().filter_map(move |(rule, span)| {
            let ends_on = if span.to <= span.from { date.tomorrow().ok()? } else { date };
            let from = self.moment(DateTime::from_parts(date, span.from), Edge::Opens)?;
            let to = self.moment(DateTime::from_parts(ends_on, span.to), Edge::Closes)?;
            (from < to).then_some((rule, from, to))
        })
    }

    /// The moment of a local time: the end of the gap where it was skipped; where it was repeated, the first
    /// occurrence opens and the last one closes.
    fn moment(&self, local: DateTime, edge: Edge) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, after } => {
                let offset = if edge == Edge::Opens { before } else { after };
                offset.to_timestamp(local).ok()
            }
            AmbiguousOffset::Gap { after, .. } => {
                let before_the_gap = after.to_timestamp(local).ok()?;
                self.zone.following(before_the_gap).next().map(|transition| transition.timestamp())
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Opens,
    Closes,
}

impl Schedule {
    /// Reads a `[[schedule]]`.
    pub(super) fn read(fields: &Fields<'_>, name: Arc<str>, zone: TimeZone) -> Schedule {
        let (mut open, mut holidays, mut exceptions) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(spots) = fields.needed("open").and_then(|spot| spot.some_of()) {
            open.extend(spots.iter().filter_map(|spot| {
                spot.parse(WeekRule::read, "write \"mon-fri 09:00-18:00\" or \"mon,wed 09:00-12:00, 13:00-18:00\"")
            }));
        }
        for spot in fields.get("holidays").and_then(|spot| spot.list()).unwrap_or_default() {
            let days =
                spot.parse(Days::read, "write \"2026-12-31\", \"2026-12-31..2027-01-08\" or \"05-09\" for every year");
            holidays.extend(days.zip(spot.text()).map(|(days, text)| Holiday { text: text.into(), days }));
        }
        for spot in fields.get("exceptions").and_then(|spot| spot.list()).unwrap_or_default() {
            let Some(exception) = exception(&spot) else { continue };
            refuse_second_exception(&exceptions, &exception, &spot);
            exceptions.push(exception);
        }
        fields.get("name");
        fields.finish();
        Schedule { name, zone, open, holidays, exceptions }
    }
}

/// `{ date = "2026-12-30", open = "09:00-16:00" }`.
fn exception(spot: &Spot<'_>) -> Option<ExceptionDay> {
    let fields = spot.fields()?;
    let date = fields.needed("date");
    let days =
        date.as_ref().and_then(|spot| spot.parse(Days::read, "write \"2026-12-30\", or \"12-30\" for every year"));
    let open = fields.needed("open");
    let spans = open.as_ref().and_then(|spot| {
        spot.parse(Span::read_list, "write \"09:00-16:00\", or \"09:00-12:00, 13:00-16:00\"; a day off is a holiday")
    });
    fields.finish();
    let text = format!("{} {}", date?.text()?, open?.text()?);
    Some(ExceptionDay { text: text.into(), days: days?, open: spans? })
}

/// Two exceptions for one day: which would win is anybody's guess.
fn refuse_second_exception(earlier: &[ExceptionDay], exception: &ExceptionDay, spot: &Spot<'_>) {
    if let Some(first) = earlier.iter().find(|earlier| earlier.days.meets(&exception.days)) {
        spot.error(
            format!("this day already has an exception: {}", first.text),
            "join them: \"09:00-12:00, 13:00-16:00\"",
        );
    }
}
