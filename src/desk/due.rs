//! What time does to a promise: its deadline, and what happens when nobody has kept it.
//!
//! ```text
//!   opened ── due ──► overdue ── escalate ──► the supervisor is told ── escalate ──► it is the supervisor's
//! ```
//!
//! `due` and `escalate` are minutes of one kind: all of them, or with `business` only those in which that schedule is open.
//! The deadline never moves. Each later step counts from the one before as it was told, so that a router that was not
//! running for a day does not take everything away from everybody in its first minute; and the last one also from the
//! moment at which somebody else was given the promise. Without a supervisor it stays overdue.

use std::sync::Arc;

use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::fact::Hand;

/// An open promise, as far as time has to do with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Its number.
    pub id: i64,
    /// Until when they are to be called back.
    pub due: Timestamp,
    /// Who is to call; `None`: whoever finds the time.
    pub assignee: Option<Arc<str>>,
    /// Since when it is theirs.
    pub given: Timestamp,
    /// When it was said that its time is over.
    pub overdue: Option<Timestamp>,
    /// When the supervisor was told.
    pub escalated: Option<Timestamp>,
}

/// The moment at which so much time has passed, as the company counts it.
pub fn deadline(config: &Config, from: Timestamp, span: Duration) -> Timestamp {
    let business = config.follow_up.business.map(|ix| config.schedule(ix));
    let counted = business.and_then(|schedule| schedule.after_open(from, span));
    // A schedule that never opens makes no promise endless.
    counted.unwrap_or_else(|| from.checked_add(span).unwrap_or(Timestamp::MAX))
}

/// What time does to a promise next, and when; `None`: nothing more.
pub fn next(config: &Config, pending: &Pending) -> Option<(Timestamp, Hand)> {
    let Some(overdue) = pending.overdue else { return Some((pending.due, Hand::Overdue)) };
    let supervisor = config.extension(config.follow_up.supervisor?);
    // Nobody stands above the supervisor, and who has left must not be given anything.
    if !supervisor.active || pending.assignee.as_ref() == Some(&supervisor.number) {
        return None;
    }
    let to = supervisor.number.clone();
    let after = |from| deadline(config, from, config.follow_up.escalate);
    Some(match pending.escalated {
        None => (after(overdue), Hand::Escalated { to }),
        Some(escalated) => (after(escalated.max(pending.given)), Hand::Reassigned { to }),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Nothing;

    fn config(follow_up: &str) -> Config {
        let text = format!(
            "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\nnumbering = {{ country = \"49\", national_prefix = \"0\", \
             international_prefix = \"00\" }}\n[follow_up]\n{follow_up}\n\
             [[schedule]]\nname = \"office\"\nopen = [\"mon-fri 09:00-18:00\"]\nholidays = [\"2026-12-25\"]\n\
             [[extension]]\nnumber = \"10\"\npassword = \"env:P\"\n[[extension]]\nnumber = \"12\"\npassword = \"env:P\"\n\
             [[extension]]\nnumber = \"13\"\npassword = \"env:P\"\nactive = false\n"
        );
        Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config
    }

    fn at(text: &str) -> Timestamp {
        format!("{text}+01:00").parse().unwrap()
    }

    #[test]
    fn what_time_does_and_when() {
        let ten = || Arc::<str>::from("10");
        let (told, given) = (Hand::Escalated { to: ten() }, Hand::Reassigned { to: ten() });
        let open = Pending {
            id: 1,
            due: at("2026-11-23T17:50"),
            assignee: Some("12".into()),
            given: at("2026-11-23T17:20"),
            overdue: None,
            escalated: None,
        };
        let late = Pending { overdue: Some(at("2026-11-23T17:50")), ..open.clone() };
        let up = Pending { escalated: Some(at("2026-11-23T18:20")), ..late.clone() };
        let moved = Pending { given: at("2026-11-24T10:00"), ..up.clone() };
        let theirs = Pending { assignee: Some(ten()), ..late.clone() };
        let anybodys = Pending { assignee: None, ..late.clone() };
        let then = |text: &str, hand: &Hand| Some((at(text), hand.clone()));
        let every = "supervisor = \"10\"";
        let business = "supervisor = \"10\"\nbusiness = \"office\"";
        let slow = "supervisor = \"10\"\nescalate = \"2h\"";
        let stories = [
            ("its time is over when it is", every, &open, then("2026-11-23T17:50", &Hand::Overdue)),
            ("… also without a supervisor", "", &open, then("2026-11-23T17:50", &Hand::Overdue)),
            ("… and then nothing more", "", &late, None),
            ("the supervisor is told", every, &late, then("2026-11-23T18:20", &told)),
            ("… of what is anybody's, too", every, &anybodys, then("2026-11-23T18:20", &told)),
            ("… in the time that is configured", slow, &late, then("2026-11-23T19:50", &told)),
            ("… in minutes of business", business, &late, then("2026-11-24T09:20", &told)),
            ("the supervisor has it", every, &up, then("2026-11-23T18:50", &given)),
            ("… in minutes of business", business, &up, then("2026-11-24T09:30", &given)),
            ("… not before somebody else had the time", every, &moved, then("2026-11-24T10:30", &given)),
            ("nobody stands above the supervisor", every, &theirs, None),
            ("a supervisor who has left", "supervisor = \"13\"", &late, None),
        ];
        for (story, rules, pending, expected) in stories {
            assert_eq!(next(&config(rules), pending), expected, "{story}");
        }
    }

    #[test]
    fn a_deadline_counts_the_minutes_in_which_the_company_works() {
        let half = Duration::from_secs(30 * 60);
        let (every, business) = (config(""), config("business = \"office\""));
        let table = [
            ("2026-11-23T10:00", "2026-11-23T10:30", "2026-11-23T10:30"),
            ("2026-11-23T17:30", "2026-11-23T18:00", "2026-11-23T18:00"),
            ("2026-11-23T17:45", "2026-11-23T18:15", "2026-11-24T09:15"),
            ("2026-11-23T03:00", "2026-11-23T03:30", "2026-11-23T09:30"),
            // Christmas on a Friday.
            ("2026-12-24T17:45", "2026-12-24T18:15", "2026-12-28T09:15"),
        ];
        for (from, all, open) in table {
            assert_eq!(deadline(&every, at(from), half), at(all), "{from}");
            assert_eq!(deadline(&business, at(from), half), at(open), "{from}");
        }
    }
}
