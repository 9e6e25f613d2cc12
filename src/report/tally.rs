//! What is counted of a row.

use super::line::{Line, Promise};
use crate::clock::Timestamp;
use crate::fact::MissedCause;
use crate::route::Direction;

/// The sums of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) inbound: u64,
    pub(super) outbound: u64,
    pub(super) internal: u64,
    /// Of inbound ones: answered, missed, over without being either, not over.
    pub(super) answered: u64,
    pub(super) missed: u64,
    pub(super) neither: u64,
    pub(super) open: u64,
    pub(super) out_answered: u64,
    pub(super) talk_ms: u64,
    pub(super) causes: [u64; CAUSES.len()],
    /// Of customers' calls that are over.
    pub(super) customers: Customers,
    /// Missed ones, by what became of the promise.
    pub(super) promises: Promises,
    /// Follow-ups, each once.
    pub(super) follow_ups: FollowUps,
    /// Outgoing calls that were planned.
    pub(super) planned: u64,
    /// Calls at one time, and since when.
    pub(super) peak: u64,
    pub(super) peak_at: Option<Timestamp>,
}

/// Customers' calls that are over, answered or missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Customers {
    pub(super) answered: u64,
    /// … by somebody else than the group that they came to first.
    pub(super) elsewhere: u64,
    /// From the offer to the answer, all together.
    pub(super) waited_ms: u64,
    pub(super) missed: u64,
    /// Only in rows of employees: that rang them, and that they answered of those.
    pub(super) rang: u64,
    pub(super) rang_answered: u64,
}

/// What became of misses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Promises {
    pub(super) in_time: u64,
    pub(super) by_hand: u64,
    pub(super) lost: u64,
    /// Of the lost ones: called back all the same.
    pub(super) late: u64,
    pub(super) waiting: u64,
}

/// What became of follow-ups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FollowUps {
    pub(super) opened: u64,
    pub(super) outcomes: Promises,
    /// From the miss to the first call of ours or theirs after it, in milliseconds, of each that had one.
    pub(super) reactions: Vec<u64>,
}

/// The causes with their words, in the order of their columns.
pub(super) const CAUSES: [(MissedCause, &str); 10] = [
    (MissedCause::Abandoned, "abandoned"),
    (MissedCause::NoAnswer, "no_answer"),
    (MissedCause::AllBusy, "all_busy"),
    (MissedCause::NoneReachable, "none_reachable"),
    (MissedCause::Rejected, "rejected"),
    (MissedCause::AfterHours, "after_hours"),
    (MissedCause::VoicemailLeft, "voicemail_left"),
    (MissedCause::AnnouncementOnly, "announcement_only"),
    (MissedCause::Capacity, "capacity"),
    (MissedCause::SystemFailure, "system_failure"),
];

impl Tally {
    /// One more call.
    pub(super) fn add(&mut self, line: &Line<'_>, now: Timestamp) {
        self.calls += 1;
        self.talk_ms += line.talk_ms;
        match line.direction {
            Direction::Internal => self.internal += 1,
            Direction::Outbound => {
                self.outbound += 1;
                self.out_answered += u64::from(line.answered.is_some());
            }
            Direction::Inbound => self.add_inbound(line, now),
        }
    }

    fn add_inbound(&mut self, line: &Line<'_>, now: Timestamp) {
        self.inbound += 1;
        match (line.missed, line.answered) {
            (Some(cause), _) => {
                self.missed += 1;
                if let Some(place) = CAUSES.iter().position(|(one, _)| *one == cause) {
                    self.causes[place] += 1;
                }
                self.customers.missed += 1;
                self.promises.add(line.promise, now);
            }
            _ if line.ended.is_none() => self.open += 1,
            (None, Some(answered)) => {
                self.answered += 1;
                if line.is_customers() {
                    self.customers.answered += 1;
                    self.customers.elsewhere += u64::from(line.group.is_some() && line.answered_in != line.group);
                    self.customers.waited_ms += between(line.began, answered);
                }
            }
            (None, None) => self.neither += 1,
        }
    }

    /// A call that rang this employee.
    pub(super) fn add_rang(&mut self, who: &str, line: &Line<'_>) {
        self.customers.rang += 1;
        self.customers.rang_answered += u64::from(line.missed.is_none() && line.answered_by == Some(who));
    }
}

impl Promises {
    pub(super) fn add(&mut self, promise: Option<Promise>, now: Timestamp) {
        match promise {
            Some(Promise { due, settled: Some(settled), talked: true }) if settled <= due => self.in_time += 1,
            Some(Promise { due, settled: Some(settled), talked: false }) if settled <= due => self.by_hand += 1,
            Some(Promise { due, settled: None, .. }) if now <= due => self.waiting += 1,
            Some(Promise { settled: Some(_), talked: true, .. }) => {
                self.lost += 1;
                self.late += 1;
            }
            _ => self.lost += 1,
        }
    }
}

impl FollowUps {
    /// The average of the reactions, and their middle.
    pub(super) fn reaction(&self) -> Option<(u64, u64, u64)> {
        let mut sorted = self.reactions.clone();
        sorted.sort_unstable();
        let count = sorted.len();
        let (low, high) = (*sorted.get(count.checked_sub(1)? / 2)?, *sorted.get(count / 2)?);
        let sum: u64 = sorted.iter().sum();
        Some((sum / count as u64, u64::midpoint(low, high), *sorted.last()?))
    }
}

/// Milliseconds from one moment to a later one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}
