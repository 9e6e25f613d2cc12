//! The columns of each report, and what they mean. Names and order stay: spreadsheets rely on them.

use super::ask::{Ask, Dimension, Kind};
use super::table::{Cell, Column};
use super::tally::{CAUSES, Tally};

/// A column with its figure.
pub(super) type Figure = (Column, fn(&Tally) -> Cell);

macro_rules! figures {
    ($($name:literal $means:literal => |$tally:ident| $cell:expr;)*) => {
        vec![$((Column { name: $name, means: $means }, (|$tally: &Tally| $cell) as fn(&Tally) -> Cell)),*]
    };
}

/// The columns of a report: first what names a row, then the figures.
pub fn columns_of(ask: &Ask) -> Vec<Column> {
    let figures = figures(ask.kind, &ask.by);
    ask.by.iter().map(|of| heading(*of)).chain(figures.iter().map(|(column, _)| *column)).collect()
}

/// What names a row.
fn heading(of: Dimension) -> Column {
    let (name, means) = match of {
        Dimension::Day => ("day", "the local day on which the call began"),
        Dimension::Weekday => ("weekday", "the weekday of that day"),
        Dimension::Hour => ("hour", "the local hour in which it began; one that comes twice counts as one"),
        Dimension::User => (
            "user",
            "who called, of outgoing and internal calls; who answered first; of missed calls the customer's responsible, \
             else the only one rung, else (nobody)",
        ),
        Dimension::Group => ("group", "the first group that the call came to, whoever answered it; else (none)"),
        Dimension::Did => ("did", "the number on which it came in; else (none)"),
        Dimension::Source => ("source", "that number's source; else (none)"),
        Dimension::Trunk => ("trunk", "on which it came in, or went out; else (none)"),
    };
    Column { name, means }
}

/// The figures of a report; some make sense only for employees.
pub(super) fn figures(kind: Kind, by: &[Dimension]) -> Vec<Figure> {
    match kind {
        Kind::Calls | Kind::Hours => calls(),
        Kind::Missed => missed(),
        Kind::Lost => lost(),
        Kind::Service => service(by.contains(&Dimension::User)),
        Kind::Capacity => capacity(),
        Kind::Plan => plan(),
        Kind::FollowUps => follow_ups(),
    }
}

fn calls() -> Vec<Figure> {
    figures! {
        "calls" "every call of the list" => |t| Cell::Count(t.calls);
        "inbound" "calls from outside" => |t| Cell::Count(t.inbound);
        "outbound" "calls to the outside" => |t| Cell::Count(t.outbound);
        "internal" "calls between employees" => |t| Cell::Count(t.internal);
        "answered" "inbound, a human answered" => |t| Cell::Count(t.answered);
        "missed" "inbound, a customer reached nobody, or was lost in a transfer" => |t| Cell::Count(t.missed);
        "neither" "inbound, over without an answer, and no miss: blocked callers, employees calling in"
            => |t| Cell::Count(t.neither);
        "open" "inbound, not over yet" => |t| Cell::Count(t.open);
        "outbound_answered" "outbound, somebody answered" => |t| Cell::Count(t.out_answered);
        "talk_seconds" "how long two people were connected, in calls of every kind" => |t| Cell::Millis(Some(t.talk_ms));
    }
}

fn missed() -> Vec<Figure> {
    macro_rules! causes {
        ($($place:literal $means:literal)*) => {
            vec![$((
                Column { name: CAUSES[$place].1, means: $means },
                (|t: &Tally| Cell::Count(t.causes[$place])) as fn(&Tally) -> Cell,
            )),*]
        };
    }
    let mut figures = figures! {
        "missed" "a customer reached nobody; the causes add up to it" => |t| Cell::Count(t.missed);
    };
    let causes: Vec<Figure> = causes! {
        0 "the caller gave up while it rang"
        1 "nobody answered in time"
        2 "everybody was busy"
        3 "nobody could be reached"
        4 "it was declined, or refused by a rule"
        5 "outside the hours"
        6 "the caller left a message"
        7 "an announcement was played, nothing else"
        8 "a limit of a trunk or number"
        9 "the process died"
    };
    figures.extend(causes);
    figures
}

fn lost() -> Vec<Figure> {
    figures! {
        "missed" "a customer reached nobody" => |t| Cell::Count(t.missed);
        "lost" "missed, and neither called back nor closed by hand before the follow-up was due"
            => |t| Cell::Count(t.promises.lost);
        "lost_percent" "of the missed" => |t| Cell::Percent(t.promises.lost, t.missed);
        "called_back_in_time" "a talk of at least close_min_talk with the customer began before it was due"
            => |t| Cell::Count(t.promises.in_time);
        "by_hand_in_time" "somebody closed the follow-up before it was due" => |t| Cell::Count(t.promises.by_hand);
        "waiting" "not yet due" => |t| Cell::Count(t.promises.waiting);
        "called_back_late" "of the lost, those with whom somebody talked all the same"
            => |t| Cell::Count(t.promises.late);
    }
}

fn service(of_users: bool) -> Vec<Figure> {
    let mut figures = figures! {
        "offered" "customers' calls that are over, answered or missed" => |t| Cell::Count(offered(t));
        "answered" "a human answered" => |t| Cell::Count(t.customers.answered);
        "answered_percent" "of the offered" => |t| Cell::Percent(t.customers.answered, offered(t));
        "answered_elsewhere" "of the answered, those that the group had passed on by then"
            => |t| Cell::Count(t.customers.elsewhere);
        "answer_seconds" "from the offer to the answer, on average" => |t| Cell::Millis(
            t.customers.waited_ms.checked_div(t.customers.answered));
        "missed" "the customer reached nobody" => |t| Cell::Count(t.customers.missed);
        "missed_percent" "of the offered" => |t| Cell::Percent(t.customers.missed, offered(t));
        "called_back" "of the missed, those with whom somebody talked afterwards, in time or late"
            => |t| Cell::Count(called_back(t));
        "called_back_percent" "of the missed" => |t| Cell::Percent(called_back(t), t.customers.missed);
        "handled_percent" "answered, or called back in time, of the offered"
            => |t| Cell::Percent(t.customers.answered + t.promises.in_time, offered(t));
    };
    if of_users {
        figures.extend(figures! {
            "rang" "customers' calls that rang this employee, whoever answered: one that rang several counts for each"
                => |t| Cell::Count(t.customers.rang);
            "rang_answered_percent" "answered by this employee, of those"
                => |t| Cell::Percent(t.customers.rang_answered, t.customers.rang);
        });
    }
    figures
}

fn offered(tally: &Tally) -> u64 {
    tally.customers.answered + tally.customers.missed
}

fn called_back(tally: &Tally) -> u64 {
    tally.promises.in_time + tally.promises.late
}

fn capacity() -> Vec<Figure> {
    figures! {
        "peak" "the most calls at one time: on a trunk those that came in and those that went out on it, in and out on the \
                same one twice; of (all) every call of the list once"
            => |t| Cell::Count(t.peak);
        "peak_at" "when that was first so" => |t| Cell::Moment(t.peak_at);
        "refused" "calls that came in over a limit of the trunk or of the number; what was shed by overload without a record \
                   is told by an alarm and is in no report"
            => |t| Cell::Count(t.causes[8]);
    }
}

fn plan() -> Vec<Figure> {
    figures! {
        "planned" "plan_calls of each day on which the employee works" => |t| Cell::Count(t.planned);
        "outbound" "calls to the outside, answered or not" => |t| Cell::Count(t.outbound);
        "outbound_answered" "somebody answered" => |t| Cell::Count(t.out_answered);
        "done_percent" "outbound, of the planned" => |t| Cell::Percent(t.outbound, t.planned);
        "talk_seconds" "how long they talked in them" => |t| Cell::Millis(Some(t.talk_ms));
    }
}

fn follow_ups() -> Vec<Figure> {
    figures! {
        "opened" "promises to call back, one for a customer at a time, by the day and the call of the first miss and by \
                  today's assignee"
            => |t| Cell::Count(t.follow_ups.opened);
        "in_time" "a talk settled it that began before it was due" => |t| Cell::Count(t.follow_ups.outcomes.in_time);
        "by_hand" "somebody closed it before it was due" => |t| Cell::Count(t.follow_ups.outcomes.by_hand);
        "waiting" "open, not yet due" => |t| Cell::Count(t.follow_ups.outcomes.waiting);
        "overdue" "neither before it was due" => |t| Cell::Count(t.follow_ups.outcomes.lost);
        "overdue_kept" "of those: a talk settled it later" => |t| Cell::Count(t.follow_ups.outcomes.late);
        "reacted" "somebody has talked with the customer or tried to" => |t| Cell::Count(t.follow_ups.reactions.len() as u64);
        "reaction_seconds_average" "from the miss until the first such call began"
            => |t| Cell::Millis(t.follow_ups.reaction().map(|(average, ..)| average));
        "reaction_seconds_median" "half of them were faster"
            => |t| Cell::Millis(t.follow_ups.reaction().map(|(_, median, _)| median));
        "reaction_seconds_longest" "the slowest" => |t| Cell::Millis(t.follow_ups.reaction().map(|(.., longest)| longest));
    }
}
