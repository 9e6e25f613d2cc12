//! Of which days a report is, in the site's own time: `7d`, `last-month`, `2026-11-01..2026-11-30`.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// The days of a report, as they are named once and meant again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// This day so far.
    Today,
    /// The day before.
    Yesterday,
    /// From Monday on, so far.
    ThisWeek,
    /// The seven days before that Monday.
    LastWeek,
    /// From the first on, so far.
    ThisMonth,
    /// The whole month before.
    LastMonth,
    /// So many days, today among them.
    Days(u16),
    /// These days, both among them.
    Dates(Date, Date),
}

/// From a moment on, and before another; not longer than ten years and a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Among it.
    pub from: Timestamp,
    /// Not among it.
    pub to: Timestamp,
}

impl Span {
    /// Between two moments.
    ///
    /// # Errors
    /// In words for people: it is empty, or too long.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Span, String> {
        match to.duration_since(from).as_hours() / 24 {
            _ if to <= from => Err("that ends before it begins".into()),
            days if days > i64::from(MOST_DAYS) => {
                Err(format!("these are {days} days; a report has {MOST_DAYS} at most"))
            }
            _ => Ok(Span { from, to }),
        }
    }
}

const WORDS: [(&str, Period); 6] = [
    ("today", Period::Today),
    ("yesterday", Period::Yesterday),
    ("this-week", Period::ThisWeek),
    ("last-week", Period::LastWeek),
    ("this-month", Period::ThisMonth),
    ("last-month", Period::LastMonth),
];

/// The most days that a report may be of: ten years and a bit.
pub(super) const MOST_DAYS: u16 = 3_700;

impl Period {
    /// Where nothing is said: a week, today among it.
    pub const DEFAULT: Period = Period::Days(7);

    /// What can be written, for messages.
    pub const FORMS: &'static str =
        "today, yesterday, this-week, last-week, this-month, last-month, 7d, 2026-11-23, 2026-11-01..2026-11-30";

    /// The moments between which it lies, at this moment. A day begins with its first moment, also where clocks are set
    /// at midnight.
    pub fn span(self, now: Timestamp, zone: &TimeZone) -> Span {
        let today = now.to_zoned(zone.clone()).date();
        let monday = today.saturating_sub(i64::from(today.weekday().to_monday_zero_offset()).days());
        let day = |date: Date| start_of(date, zone);
        let next = |date: Date| day(date.saturating_add(1.day()));
        let (from, to) = match self {
            Period::Today => (day(today), next(today)),
            Period::Yesterday => (day(today.saturating_sub(1.day())), day(today)),
            Period::ThisWeek => (day(monday), next(today)),
            Period::LastWeek => (day(monday.saturating_sub(7.days())), day(monday)),
            Period::ThisMonth => (day(today.first_of_month()), next(today)),
            Period::LastMonth => {
                let last = today.first_of_month().saturating_sub(1.day());
                (day(last.first_of_month()), day(today.first_of_month()))
            }
            Period::Days(days) => (day(today.saturating_sub((i64::from(days) - 1).days())), next(today)),
            Period::Dates(first, last) => (day(first), next(last)),
        };
        Span { from, to }
    }
}

/// The first moment of a local day.
pub(super) fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    date.to_zoned(zone.clone()).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Period, String> {
        let text = text.trim();
        if let Some((_, period)) = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
            return Ok(*period);
        }
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u16>().ok()) {
            let days = Some(days).filter(|days| (1..=MOST_DAYS).contains(days));
            return days.map(Period::Days).ok_or_else(|| format!("{text:?} is not from 1d to {MOST_DAYS}d"));
        }
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let date = |text: &str| text.parse::<Date>().ok().filter(|_| text.len() == 10);
        match (date(first), date(last)) {
            (Some(first), Some(last)) if last < first => Err(format!("{text:?} ends before it begins")),
            (Some(first), Some(last)) if last.duration_since(first).as_hours() / 24 >= i64::from(MOST_DAYS) => {
                Err(format!("{text:?} are more than {MOST_DAYS} days"))
            }
            (Some(first), Some(last)) => Ok(Period::Dates(first, last)),
            _ => Err(format!("{text:?} are no days; write one of {}", Period::FORMS)),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Days(days) => write!(f, "{days}d"),
            Period::Dates(first, last) => write!(f, "{first}..{last}"),
            word => f.write_str(WORDS.iter().find(|(_, period)| period == word).map_or("", |(word, _)| word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_site_also_where_clocks_are_set() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // Tuesday after the Sunday on which clocks went back: that week has an hour more.
        let now = "2026-10-27T12:00:00Z".parse().unwrap();
        let cases = [
            ("today", "2026-10-26T23:00:00Z", "2026-10-27T23:00:00Z"),
            ("yesterday", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"),
            ("this-week", "2026-10-25T23:00:00Z", "2026-10-27T23:00:00Z"),
            ("last-week", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("this-month", "2026-09-30T22:00:00Z", "2026-10-27T23:00:00Z"),
            ("last-month", "2026-08-31T22:00:00Z", "2026-09-30T22:00:00Z"),
            ("3d", "2026-10-24T22:00:00Z", "2026-10-27T23:00:00Z"),
            ("2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-10-01..2026-10-31", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
        ];
        for (text, from, to) in cases {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string().parse(), Ok(period), "{text}");
            let span = period.span(now, &zone);
            assert_eq!((span.from, span.to), (from.parse().unwrap(), to.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_are_no_days_is_refused_with_the_forms_that_are() {
        for text in [
            "",
            "0d",
            "9999d",
            "soon",
            "2026-13-01",
            "2026-11-30..2026-11-01",
            "2026-11-01T10:00..2026-11-02",
            "0001-01-01..2026-11-01",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let span = |from, to| Span::new(at(from), at(to)).is_ok();
        assert!(span("2026-11-01T00:00:00Z", "2026-11-01T00:00:01Z"));
        assert!(!span("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"));
        assert!(!span("2000-01-01T00:00:00Z", "2026-11-01T00:00:00Z"));
        assert!("noon".parse::<Period>().unwrap_err().ends_with(Period::FORMS));
    }
}
