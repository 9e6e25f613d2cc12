//! Opening hours: when is a schedule open, when does that change next, and which line of the config says so.
//!
//! Exceptions come before holidays, holidays before the weekly hours, each by the day on which an interval *starts*: an
//! interval past midnight runs on into a holiday. Dates are inclusive, `MM-DD` means every year, intervals are
//! `[from, to)`, and `to ≤ from` runs past midnight (`09:00-09:00` is a whole day). On the nights when clocks change, a
//! skipped local time means the end of the gap; a repeated one opens at its first and closes at its last occurrence.

mod open_time;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(zone: &str, open: &[&str], holidays: &[&str], exceptions: &[(&str, &str)]) -> Schedule {
        Schedule {
            name: "office".into(),
            zone: TimeZone::get(zone).unwrap(),
            open: open.iter().map(|rule| WeekRule::read(rule).unwrap()).collect(),
            holidays: holidays
                .iter()
                .map(|days| Holiday { text: (*days).into(), days: Days::read(days).unwrap() })
                .collect(),
            exceptions: exceptions
                .iter()
                .map(|(days, open)| ExceptionDay {
                    text: format!("{days} {open}").into(),
                    days: Days::read(days).unwrap(),
                    open: Span::read_list(open).unwrap(),
                })
                .collect(),
        }
    }

    fn office() -> Schedule {
        schedule(
            "Europe/Moscow",
            &["mon-fri 09:00-18:00", "sat 10:00-15:00"],
            &["2026-12-31..2027-01-08", "05-09"],
            &[("2026-12-30", "09:00-16:00"), ("2027-02-20", "09:00-18:00")],
        )
    }

    /// At each local time: open or not, the rule that says so, and the local time of the next change.
    fn check(schedule: &Schedule, table: &[(&str, bool, &str, &str)]) {
        for (at, open, because, next) in table {
            let moment =
                |text: &str| text.parse::<DateTime>().unwrap().to_zoned(schedule.zone.clone()).unwrap().timestamp();
            let hours = schedule.why(moment(at));
            assert_eq!((hours.open, hours.rule.to_string().as_str()), (*open, *because), "at {at}");
            assert_eq!(schedule.is_open(moment(at)), *open, "at {at}");
            let change = schedule.next_change(moment(at)).map(|at| schedule.zone.to_datetime(at).to_string());
            assert_eq!(change.as_deref().unwrap_or("never"), *next, "after {at}");
        }
    }

    #[test]
    fn the_office_of_the_contract_is_open_when_its_config_says() {
        let week = "hours mon-fri 09:00-18:00";
        check(
            &office(),
            &[
                ("2026-11-23T08:59:59", false, "outside all hours", "2026-11-23T09:00:00"),
                ("2026-11-23T09:00:00", true, week, "2026-11-23T18:00:00"),
                ("2026-11-23T17:59:59", true, week, "2026-11-23T18:00:00"),
                ("2026-11-23T18:00:00", false, "outside all hours", "2026-11-24T09:00:00"),
                ("2026-11-28T14:00:00", true, "hours sat 10:00-15:00", "2026-11-28T15:00:00"),
                ("2026-11-29T12:00:00", false, "outside all hours", "2026-11-30T09:00:00"),
                ("2026-12-30T16:30:00", false, "exception 2026-12-30 09:00-16:00", "2027-01-09T10:00:00"),
                ("2026-12-31T12:00:00", false, "holiday 2026-12-31..2027-01-08", "2027-01-09T10:00:00"),
                ("2027-01-08T12:00:00", false, "holiday 2026-12-31..2027-01-08", "2027-01-09T10:00:00"),
                // A Saturday with the hours of a working day.
                ("2027-02-20T17:00:00", true, "exception 2027-02-20 09:00-18:00", "2027-02-20T18:00:00"),
                ("2029-05-09T12:00:00", false, "holiday 05-09", "2029-05-10T09:00:00"),
            ],
        );
    }

    #[test]
    fn open_time_is_counted_over_nights_holidays_and_overlapping_hours() {
        let hours = |hours: u64| std::time::Duration::from_secs(3_600 * hours);
        let local = |text: &str| {
            text.parse::<DateTime>().unwrap().to_zoned(TimeZone::get("Europe/Moscow").unwrap()).unwrap().timestamp()
        };
        let office = office();
        let table = [
            ("2026-11-23T10:00:30", hours(0), "2026-11-23T10:00:30"),
            ("2026-11-23T10:00:30", hours(2), "2026-11-23T12:00:30"),
            ("2026-11-23T16:00", hours(2), "2026-11-23T18:00"),
            ("2026-11-23T17:00", hours(2), "2026-11-24T10:00"),
            ("2026-11-23T18:00", hours(0), "2026-11-24T09:00"),
            // The short day, eleven days off, and a Saturday.
            ("2026-12-30T15:00", hours(2), "2027-01-09T11:00"),
            ("2026-12-30T15:00", hours(6), "2027-01-09T15:00"),
            ("2026-12-30T15:00", hours(7), "2027-01-11T10:00"),
        ];
        for (from, span, expected) in table {
            assert_eq!(office.after_open(local(from), span), Some(local(expected)), "{from} {span:?}");
        }
        let twice = schedule("Europe/Moscow", &["mon 09:00-12:00", "mon 10:00-11:00, 11:00-13:00"], &[], &[]);
        assert_eq!(twice.after_open(local("2026-11-23T10:30"), hours(2)), Some(local("2026-11-23T12:30")));
        let never = schedule("Europe/Moscow", &["mon 09:00-12:00"], &["01-01..12-31"], &[]);
        assert_eq!(never.after_open(local("2026-11-23T10:30"), hours(1)), None);
    }

    #[test]
    fn an_interval_past_midnight_belongs_to_the_day_on_which_it_starts() {
        let night =
            schedule("Europe/Berlin", &["mon-sun 22:00-06:00"], &["2026-11-24"], &[("2026-11-26", "00:00-24:00")]);
        let week = "hours mon-sun 22:00-06:00";
        check(
            &night,
            &[
                // It runs on into the holiday, and the holiday's own does not start.
                ("2026-11-24T05:59:00", true, week, "2026-11-24T06:00:00"),
                ("2026-11-24T22:00:00", false, "holiday 2026-11-24", "2026-11-25T22:00:00"),
                ("2026-11-25T03:00:00", false, "outside all hours", "2026-11-25T22:00:00"),
                // The exception has the whole day; what started the evening before touches it.
                ("2026-11-26T01:00:00", true, week, "2026-11-27T00:00:00"),
                ("2026-11-26T12:00:00", true, "exception 2026-11-26 00:00-24:00", "2026-11-27T00:00:00"),
                ("2026-11-27T01:00:00", false, "outside all hours", "2026-11-27T22:00:00"),
            ],
        );
    }

    #[test]
    fn commas_days_and_new_year_are_read_as_written() {
        let shop =
            schedule("UTC", &["mon,wed-thu 09:00-12:00, 13:00-18:00", "fri-sun 10:00-11:00"], &["12-24..01-06"], &[]);
        let lunch = "hours mon,wed-thu 09:00-12:00, 13:00-18:00";
        check(
            &shop,
            &[
                ("2026-11-23T11:00:00", true, lunch, "2026-11-23T12:00:00"),
                ("2026-11-23T12:30:00", false, "outside all hours", "2026-11-23T13:00:00"),
                ("2026-11-24T11:00:00", false, "outside all hours", "2026-11-25T09:00:00"),
                ("2026-11-29T10:30:00", true, "hours fri-sun 10:00-11:00", "2026-11-29T11:00:00"),
                ("2026-12-24T10:00:00", false, "holiday 12-24..01-06", "2027-01-07T09:00:00"),
                ("2027-01-06T10:00:00", false, "holiday 12-24..01-06", "2027-01-07T09:00:00"),
            ],
        );
        check(
            &schedule("UTC", &["mon-sun 00:00-24:00"], &[], &[]),
            &[("2026-11-23T11:00:00", true, "hours mon-sun 00:00-24:00", "never")],
        );
        check(
            &schedule("UTC", &["mon-sun 09:00-09:00"], &[], &[]),
            &[("2026-11-23T08:00:00", true, "hours mon-sun 09:00-09:00", "never")],
        );
        check(
            &schedule("UTC", &[], &[], &[("02-29", "09:00-10:00")]),
            &[("2028-03-01T00:00:00", false, "outside all hours", "2032-02-29T09:00:00")],
        );
    }

    #[test]
    fn what_is_no_hour_no_day_and_no_date_is_refused() {
        for text in [
            "mon 25:00-26:00",
            "mon 09:60-18:00",
            "mon 09:00",
            "09:00-18:00",
            "mon-fry 09:00-18:00",
            "mon 9-18",
            "mon 24:00-09:00",
            "mon 09:00-18:00,",
        ] {
            assert!(WeekRule::read(text).is_err(), "{text:?}");
        }
        for text in [
            "2026-02-30",
            "13-01",
            "02-30",
            "2026-1-1",
            "2026-12-31..2026-12-30",
            "2026-12-31..01-08",
            "tomorrow",
            "",
            "2026-12-31..",
            "12-24..13-01",
        ] {
            assert!(Days::read(text).is_err(), "{text:?}");
        }
        assert!(Days::read("02-29").is_ok() && WeekRule::read("MON 9:00-18:00").is_ok());
    }

    #[test]
    fn two_ranges_of_days_meet_where_a_day_is_in_both() {
        let table = [
            ("2026-12-30", "2026-12-30", true),
            ("2026-12-30", "12-30", true),
            ("2026-12-30", "12-31", false),
            ("2026-12-24..2027-01-06", "01-01", true),
            ("12-24..01-06", "2027-01-01", true),
            ("12-24..01-06", "01-05..01-10", true),
            ("12-24..01-06", "01-07..12-23", false),
            ("2026-05-01..2026-05-09", "2026-05-09..2026-05-10", true),
            ("2026-05-01..2026-05-08", "2026-05-09..2026-05-10", false),
            ("2026-03-01..2026-03-10", "02-20..03-02", true),
            ("2027-03-05..2028-01-10", "02-20..03-02", false),
            ("2026-03-01..2028-01-10", "02-29", false),
            ("2026-03-01..2028-03-10", "02-29", true),
        ];
        for (a, b, meets) in table {
            let (first, second) = (Days::read(a).unwrap(), Days::read(b).unwrap());
            assert_eq!((first.meets(&second), second.meets(&first)), (meets, meets), "{a} and {b}");
        }
    }

    #[test]
    fn when_clocks_change_a_skipped_time_is_the_end_of_the_gap_and_a_repeated_one_lasts_longest() {
        let table = [
            // 02:00 → 03:00 in Berlin: what opens or closes at 02:30 does so at 03:00 summer time.
            ("Europe/Berlin", "sun 02:30-05:00", "2026-03-28T12:00Z", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z"),
            ("Europe/Berlin", "sun 01:00-02:30", "2026-03-28T12:00Z", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
            // 03:00 → 02:00: opens at the first 02:30, closes at the last.
            ("Europe/Berlin", "sun 02:30-05:00", "2026-10-24T12:00Z", "2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z"),
            ("Europe/Berlin", "sun 01:00-02:30", "2026-10-24T12:00Z", "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"),
            (
                "America/New_York",
                "sun 02:15-03:00",
                "2026-03-07T12:00Z",
                "2026-03-15T06:15:00Z",
                "2026-03-15T07:00:00Z",
            ),
            (
                "America/New_York",
                "sun 01:30-01:45",
                "2026-10-31T12:00Z",
                "2026-11-01T05:30:00Z",
                "2026-11-01T06:45:00Z",
            ),
            // Midnight itself is skipped in Santiago, and 23:00 to 24:00 comes twice.
            (
                "America/Santiago",
                "sun 00:00-02:00",
                "2026-09-05T12:00Z",
                "2026-09-06T04:00:00Z",
                "2026-09-06T05:00:00Z",
            ),
            (
                "America/Santiago",
                "sat 23:30-23:45",
                "2026-04-04T12:00Z",
                "2026-04-05T02:30:00Z",
                "2026-04-05T03:45:00Z",
            ),
            // An end that is itself the first minute of the hour that comes twice: it closes when that comes again.
            (
                "America/Santiago",
                "sat 00:00-23:00",
                "2026-04-03T12:00Z",
                "2026-04-04T03:00:00Z",
                "2026-04-05T03:00:00Z",
            ),
            // A whole day, 30 December 2011, was skipped in Samoa.
            (
                "Pacific/Apia",
                "thu 22:00-06:00",
                "2011-12-29T12:00-10:00",
                "2011-12-30T08:00:00Z",
                "2011-12-30T10:00:00Z",
            ),
        ];
        for (zone, rule, after, opens, closes) in table {
            let schedule = schedule(zone, &[rule], &[], &[]);
            let opened = schedule.next_change(after.parse().unwrap()).unwrap();
            let closed = schedule.next_change(opened).unwrap();
            assert_eq!((opened.to_string().as_str(), closed.to_string().as_str()), (opens, closes), "{zone} {rule}");
        }
    }

    /// A second, naive model: walks minute by minute and looks at the clock on the wall. An interval is open from the
    /// first minute at which the wall shows its beginning or later, up to the last minute at which it shows its end.
    fn naive(schedule: &Schedule, minutes: &[(Timestamp, DateTime)]) -> Vec<bool> {
        let mut open = vec![false; minutes.len()];
        let (first, last) = (minutes[0].1.date(), minutes[minutes.len() - 1].1.date());
        let mut date = first;
        while date <= last {
            let weekday = WEEKDAYS[date.weekday().to_monday_zero_offset() as usize];
            let exception = schedule.exceptions.iter().find(|exception| exception.days.contains(date));
            let spans: Vec<Span> = match exception {
                Some(exception) => exception.open.clone(),
                None if schedule.holidays.iter().any(|holiday| holiday.days.contains(date)) => Vec::new(),
                None => {
                    let rules = schedule.open.iter().filter(|rule| rule.text.contains(weekday));
                    rules.flat_map(|rule| rule.open.clone()).collect()
                }
            };
            for span in spans {
                let begins = date.to_datetime(span.from);
                let ends = if span.to <= span.from { date.tomorrow().unwrap() } else { date }.to_datetime(span.to);
                let from = minutes.iter().position(|(_, wall)| *wall >= begins);
                // The last time that the wall shows its end, or where that is skipped, the end of the gap.
                let shown = minutes.iter().rposition(|(_, wall)| *wall == ends);
                let to = shown.or_else(|| minutes.iter().rposition(|(_, wall)| *wall < ends).map(|at| at + 1));
                if let (Some(from), Some(to)) = (from, to) {
                    (from..to).for_each(|at| open[at] = true);
                }
            }
            date = date.tomorrow().unwrap();
        }
        open
    }

    /// Nights on which clocks change, or do not.
    const NIGHTS: [(&str, &str); 11] = [
        ("Europe/Berlin", "2026-03-29T00:00Z"),
        ("Europe/Berlin", "2026-10-25T00:00Z"),
        ("America/New_York", "2026-03-08T05:00Z"),
        ("America/New_York", "2026-11-01T05:00Z"),
        ("America/Santiago", "2026-09-06T04:00Z"),
        ("America/Santiago", "2026-04-05T03:00Z"),
        ("Africa/Cairo", "2026-04-23T22:00Z"),
        ("Asia/Beirut", "2026-03-28T22:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
        ("Pacific/Apia", "2011-12-30T10:00Z"),
        ("Europe/Moscow", "2026-12-31T00:00Z"),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_schedule_is_open_when_a_walk_minute_by_minute_says_so(
            night in 0..NIGHTS.len(),
            rules in proptest::collection::vec((0..7usize, 0..288u32, 0..288u32), 1..5),
            holiday in proptest::option::of(-2..3i64),
            exception in proptest::option::of((-2..3i64, 0..288u32, 0..288u32)),
        ) {
            let (zone, night) = NIGHTS[night];
            let night: Timestamp = night.parse().unwrap();
            let tz = TimeZone::get(zone).unwrap();
            let clock = |five: u32| format!("{:02}:{:02}", five / 12, five % 12 * 5);
            let rules: Vec<String> =
                rules.iter().map(|(day, from, to)| format!("{} {}-{}", WEEKDAYS[*day], clock(*from), clock(*to))).collect();
            let day = |offset: i64| tz.to_datetime(night).date().checked_add(jiff::Span::new().days(offset)).unwrap().to_string();
            let holiday = holiday.map(day);
            let exception = exception.map(|(offset, from, to)| (day(offset), format!("{}-{}", clock(from), clock(to))));
            let schedule = schedule(
                zone,
                &rules.iter().map(String::as_str).collect::<Vec<_>>(),
                &holiday.iter().map(String::as_str).collect::<Vec<_>>(),
                &exception.iter().map(|(day, open)| (day.as_str(), open.as_str())).collect::<Vec<_>>(),
            );
            // Six days each way, of which the three around the night are compared.
            let minute = |at: i64| night.checked_add(jiff::SignedDuration::from_mins(at)).unwrap();
            let minutes: Vec<_> = (-6 * 1440..6 * 1440).map(minute).map(|at| (at, tz.to_datetime(at))).collect();
            let open = naive(&schedule, &minutes);
            for at in 4 * 1440..8 * 1440 {
                prop_assert_eq!(schedule.is_open(minutes[at].0), open[at], "{} {:?}", minutes[at].1, rules);
            }
            for at in (4 * 1440..7 * 1440).step_by(97) {
                let next = (at + 1..8 * 1440).find(|later| open[*later] != open[at]);
                if let Some(next) = next {
                    prop_assert_eq!(schedule.next_change(minutes[at].0), Some(minutes[next].0), "{} {:?}", minutes[at].1, rules);
                }
                // The end of the thirtieth open minute from now on, and of later ones.
                for wanted in [1, 30, 61, 600] {
                    let counted = (at..8 * 1440).filter(|later| open[*later]).nth(wanted as usize - 1);
                    if let Some(last) = counted {
                        let span = std::time::Duration::from_secs(60 * wanted);
                        prop_assert_eq!(schedule.after_open(minutes[at].0, span), Some(minutes[last + 1].0), "{} {:?}", minutes[at].1, rules);
                    }
                }
            }
        }
    }
}
