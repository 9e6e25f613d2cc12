//! Moments as people type them: `18:00`, `mon 09:00`, `2026-11-23 10:00`, `30m`, `yesterday`.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan, Zoned};

use crate::clock::Timestamp;

/// What can be typed, for `--help` and for messages.
pub(super) const FORMS: &str = "18:00, 'mon 09:00', 2026-11-23, '2026-11-23 10:00', 2026-11-23T09:00:00Z, 30m, 2h, 7d, now, today, yesterday, tomorrow";

/// In which direction a bare time or span points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Towards {
    /// `18:00` is the next one, `2h` is in two hours.
    Future,
    /// `18:00` is the last one, `2h` is two hours ago.
    Past,
}

/// Reads a moment in the site's own time.
pub(super) fn read(text: &str, zone: &TimeZone, now: Timestamp, towards: Towards) -> Result<Timestamp, String> {
    let text = text.trim();
    let today = now.to_zoned(zone.clone());
    let found = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| word(text, &today))
        .or_else(|| span(text, now, towards))
        .or_else(|| clock(text, &today, towards))
        .or_else(|| civil(text, zone));
    found.ok_or_else(|| format!("{text:?} is no moment; write one of {FORMS}"))
}

fn word(text: &str, today: &Zoned) -> Option<Timestamp> {
    let days = match text.to_ascii_lowercase().as_str() {
        "now" => return Some(today.timestamp()),
        "today" => 0,
        "yesterday" => -1,
        "tomorrow" => 1,
        _ => return None,
    };
    today.date().checked_add(days.days()).ok().and_then(|day| start_of(day, today.time_zone()))
}

fn span(text: &str, now: Timestamp, towards: Towards) -> Option<Timestamp> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok().filter(|count| (0..1_000_000).contains(count))?;
    let span = SignedDuration::from_secs(count * unit);
    match towards {
        Towards::Future => now.checked_add(span).ok(),
        Towards::Past => now.checked_sub(span).ok(),
    }
}

/// `18:00` or `mon 09:00`: the nearest one in that direction.
fn clock(text: &str, today: &Zoned, towards: Towards) -> Option<Timestamp> {
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (Some(weekday(day)?), time),
        None => (None, text),
    };
    let time = time_of_day(time)?;
    let offsets = (0..=7).map(|days| if towards == Towards::Past { -days } else { days });
    let days = offsets.filter_map(|days: i32| today.date().checked_add(days.days()).ok());
    let moments = days
        .filter(|date| day.is_none_or(|day| date.weekday() == day))
        .filter_map(|date| date.to_datetime(time).to_zoned(today.time_zone().clone()).ok())
        .map(|moment| moment.timestamp());
    let now = today.timestamp();
    moments.into_iter().find(|moment| if towards == Towards::Past { *moment <= now } else { *moment >= now })
}

fn civil(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(date) = text.parse::<Date>() {
        // A date with a time parses as a date too.
        if text.len() <= 10 {
            return start_of(date, zone);
        }
    }
    let (date, time) = text.split_once([' ', 'T'])?;
    let moment = DateTime::from_parts(date.parse().ok()?, time_of_day(time)?);
    moment.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

fn start_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| part.parse::<i8>().ok().filter(|_| part.len() <= 2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

fn weekday(text: &str) -> Option<Weekday> {
    let days = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];
    let text = text.to_ascii_lowercase();
    days.into_iter().find(|(name, _)| text.len() >= 3 && text.starts_with(name)).map(|(_, day)| day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 10:00 in Berlin.
    fn read_at_ten(text: &str, towards: Towards) -> Result<String, String> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        read(text, &zone, now, towards).map(|moment| moment.to_string())
    }

    #[test]
    fn every_form_is_read_in_the_sites_own_time() {
        let cases = [
            ("18:00", "2026-11-23T17:00:00Z", "2026-11-22T17:00:00Z"),
            ("09:30:15", "2026-11-24T08:30:15Z", "2026-11-23T08:30:15Z"),
            ("mon 09:00", "2026-11-30T08:00:00Z", "2026-11-23T08:00:00Z"),
            ("Friday 09:00", "2026-11-27T08:00:00Z", "2026-11-20T08:00:00Z"),
            ("2h", "2026-11-23T11:00:00Z", "2026-11-23T07:00:00Z"),
            ("7d", "2026-11-30T09:00:00Z", "2026-11-16T09:00:00Z"),
        ];
        for (text, future, past) in cases {
            assert_eq!(read_at_ten(text, Towards::Future).as_deref(), Ok(future), "{text}");
            assert_eq!(read_at_ten(text, Towards::Past).as_deref(), Ok(past), "{text}");
        }
        let fixed = [
            ("now", "2026-11-23T09:00:00Z"),
            ("today", "2026-11-22T23:00:00Z"),
            ("yesterday", "2026-11-21T23:00:00Z"),
            ("tomorrow", "2026-11-23T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("2026-07-01 12:00", "2026-07-01T10:00:00Z"),
            ("2026-07-01T12:00", "2026-07-01T10:00:00Z"),
            ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
            ("2026-07-01T12:00:00+01:00", "2026-07-01T11:00:00Z"),
        ];
        for (text, expected) in fixed {
            assert_eq!(read_at_ten(text, Towards::Past).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused_with_the_forms_that_are() {
        for text in ["", "25:00", "soon", "2026-13-01", "mon", "10:00:00:00", "-2h", "2026-07-01 noon", "é", "1é"] {
            let error = read_at_ten(text, Towards::Future).unwrap_err();
            assert_eq!(error, format!("{text:?} is no moment; write one of {FORMS}"));
        }
    }
}
