//! How many calls each employee is to make outside on each day.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::period::{MOST_DAYS, Span, start_of};
use crate::clock::Timestamp;
use crate::config::{Config, Schedule};

/// How many calls each employee is to make outside on each day.
pub type Plan = BTreeMap<(Date, String), u32>;

/// `plan_calls` of every employee who has them, on each working day of the span up to this moment: a day on which their
/// own schedule opens, and for whom has none, Monday to Friday.
pub fn plan_of(config: &Config, span: Span, now: Timestamp, zone: &TimeZone) -> Plan {
    let first = span.from.to_zoned(zone.clone()).date();
    let until = span.to.min(now);
    let days = (0..=i64::from(MOST_DAYS)).map_while(|days| first.checked_add(days.days()).ok());
    let days: Vec<Date> = days.take_while(|day| start_of(*day, zone) < until).collect();
    let mut plan = Plan::new();
    for (_, extension) in config.extensions().filter(|(_, extension)| extension.active) {
        let Some(calls) = extension.plan_calls else { continue };
        let schedule = extension.schedule.map(|schedule| config.schedule(schedule));
        for day in days.iter().filter(|day| works(schedule, **day, zone)) {
            plan.insert((*day, extension.number.to_string()), calls);
        }
    }
    plan
}

fn works(schedule: Option<&Schedule>, day: Date, zone: &TimeZone) -> bool {
    let Some(schedule) = schedule else { return !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) };
    let (begin, end) = (start_of(day, zone), start_of(day.saturating_add(1.day()), zone));
    schedule.is_open(begin) || schedule.next_change(begin).is_some_and(|change| change < end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Nothing;

    #[test]
    fn who_has_a_plan_has_it_on_each_working_day_so_far() {
        let text = "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\n\
            [[schedule]]\nname = \"late\"\nopen = [\"sat 10:00-14:00\", \"mon 09:00-12:00\"]\nholidays = [\"2026-10-19\"]\n\
            [[extension]]\nnumber = \"12\"\npassword = \"env:P\"\nplan_calls = 20\n\
            [[extension]]\nnumber = \"14\"\npassword = \"env:P\"\nplan_calls = 5\nschedule = \"late\"\n\
            [[extension]]\nnumber = \"15\"\npassword = \"env:P\"\n";
        let config = Config::read(std::path::Path::new("x.toml"), text, &Nothing).unwrap().config;
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at =
            |text: &str| text.parse::<jiff::civil::DateTime>().unwrap().to_zoned(zone.clone()).unwrap().timestamp();
        let span = Span { from: at("2026-10-16T00:00"), to: at("2026-11-01T00:00") };
        let plan = plan_of(&config, span, at("2026-10-26T10:00"), &zone);
        let days =
            |who: &str| plan.keys().filter(|(_, user)| user == who).map(|(day, _)| day.day()).collect::<Vec<_>>();
        assert_eq!(days("12"), [16, 19, 20, 21, 22, 23, 26]);
        assert_eq!(days("14"), [17, 24, 26]);
        assert_eq!(plan.values().sum::<u32>(), 7 * 20 + 3 * 5);
    }
}
