//! A lane: all that one receiver keeps waiting, and no other.
//!
//! ```text
//!            fails                    fails
//!   well ─────────────► one at a time ───────► …, after a pause of ¼, ½, 1 … 60 s
//!    ▲                        │
//!    └────── arrives ◄────────┘
//! ```

use crate::clock::{Duration, Timestamp};

/// The first pause after a failure.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The same where letters are refused rather than unanswered.
const LONGEST_PAUSE_REFUSED: Duration = Duration::from_secs(10);
/// So many may be refused in a row before that says something about the receiver.
const REFUSALS: u32 = 5;

/// How a receiver fares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    /// Under way.
    pub(super) running: usize,
    failures: u32,
    refusals: u32,
    resumes: Option<Timestamp>,
}

impl Lane {
    /// How many letters may set out now, of `slots` at once.
    pub(super) fn free(&self, slots: usize, now: Timestamp) -> usize {
        if self.resumes.is_some_and(|resumes| now < resumes) {
            return 0;
        }
        let slots = if self.failures > 0 || self.refusals > REFUSALS { 1 } else { slots };
        slots.saturating_sub(self.running)
    }

    /// When it is tried again after a pause.
    pub(super) fn resumes(&self) -> Option<Timestamp> {
        self.resumes
    }

    /// A letter arrived, or somebody says that it would now.
    pub(super) fn arrived(&mut self) {
        *self = Lane { running: self.running, ..Lane::default() };
    }

    /// A letter was refused.
    pub(super) fn refused(&mut self, now: Timestamp) {
        self.refusals = self.refusals.saturating_add(1);
        if let Some(many) = self.refusals.checked_sub(REFUSALS + 1) {
            self.pause(now, growing(many).min(LONGEST_PAUSE_REFUSED));
        }
    }

    /// There was no answer, or one that asks for peace. Several that were under way together are one failure.
    pub(super) fn unwell(&mut self, now: Timestamp, rest: Option<Duration>) {
        let pause = growing(self.failures).min(LONGEST_PAUSE);
        let is_known = self.resumes.is_some_and(|resumes| now < resumes);
        if !is_known {
            self.failures = self.failures.saturating_add(1);
            self.pause(now, pause);
        }
        if let Some(rest) = rest {
            self.pause(now, rest);
        }
    }

    fn pause(&mut self, now: Timestamp, pause: Duration) {
        self.resumes = self.resumes.max(now.checked_add(pause).ok());
    }
}

fn growing(failures: u32) -> Duration {
    PAUSE * (1 << failures.min(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn who_is_not_well_is_asked_by_one_letter_at_a_time_ever_more_rarely_until_one_arrives() {
        let mut lane = Lane { running: 3, ..Lane::default() };
        assert_eq!(lane.free(8, at(0)), 5);
        lane.running = 0;
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let mut now = 0;
        for pause in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            // Several that were under way together.
            (0..3).for_each(|_| lane.unwell(at(now), None));
            assert_eq!((lane.free(8, at(now + pause - 1)), lane.free(8, at(now + pause))), (0, 1), "{pause}");
            now += pause;
        }
        lane.unwell(at(now), Some(Duration::from_secs(600)));
        assert_eq!((lane.free(8, at(now + 599_999)), lane.free(8, at(now + 600_000))), (0, 1));
        lane.arrived();
        assert_eq!(lane.free(8, at(now)), 8);
    }

    #[test]
    fn a_letter_that_is_refused_holds_nobody_up_and_many_do_a_little() {
        let mut lane = Lane::default();
        (0..REFUSALS).for_each(|_| lane.refused(at(0)));
        assert_eq!(lane.free(8, at(0)), 8);
        lane.refused(at(0));
        assert_eq!((lane.free(8, at(0)), lane.free(8, at(1))), (0, 1));
        (0..20).for_each(|_| lane.refused(at(1)));
        assert_eq!(lane.free(8, at(11)), 1);
    }
}
