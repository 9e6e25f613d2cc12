//! Promises whose time is over: it is said once that they are late, then the supervisor is told, then they are the
//! supervisor's.
//!
//! A thread of its own looks when the next one is late, and twice in the shortest `due` that can be configured, so that
//! nobody needs to wake it for a new one. What is to happen is the desk's rule, what has happened stands in the follow-up
//! itself: killed in between, it says what has not been written down, and what it says twice happens once.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use crate::clock::{Duration, Timestamp};
use crate::config::{Config, SHORTEST_DUE};
use crate::desk::due::next;
use crate::drive::Clock;
use crate::fact::{Fact, Hand};
use crate::outbox::Current;
use crate::store::{Reader, StoreError};

/// The longest that it sleeps.
const LONGEST: Duration = Duration::from_secs(SHORTEST_DUE.as_secs() / 2);
/// The shortest: a deadline that is a millisecond away is no reason for a turn of its own.
const SHORTEST: Duration = Duration::from_millis(100);

/// Says what is late, for the life of the process.
pub struct Reminder {
    /// `storage.directory`.
    pub directory: PathBuf,
    /// The config in force.
    pub current: Current,
    /// The clock.
    pub clock: Clock,
    /// Hears what time has done.
    pub tell: Box<dyn Fn(Fact) + Send>,
}

impl Reminder {
    /// Starts the thread. It ends with the process, at any moment.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self) -> io::Result<()> {
        std::thread::Builder::new().name("reminder".into()).spawn(move || self.run()).map(drop)
    }

    fn run(self) {
        let mut said = Said::default();
        loop {
            let now = self.clock.now().wall;
            let looked = (self.current)().map(|config| {
                let reader = Reader::open(&self.directory)?;
                look(&reader, &config, now, &mut said)
            });
            let sleep = match looked.transpose() {
                Ok(Some((facts, wakes))) => {
                    facts.into_iter().for_each(&self.tell);
                    wakes.map_or(LONGEST, |wakes| until(now, wakes))
                }
                Ok(None) => LONGEST,
                Err(error) => {
                    tracing::error!(%error, "what is late cannot be looked up");
                    LONGEST
                }
            };
            std::thread::sleep(sleep);
        }
    }
}

/// What was said already and is perhaps still on its way to the disk.
type Said = BTreeSet<(i64, &'static str)>;

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default().clamp(SHORTEST, LONGEST)
}

/// What time has done by now, and when it does something again.
fn look(
    reader: &Reader,
    config: &Config,
    now: Timestamp,
    said: &mut Said,
) -> Result<(Vec<Fact>, Option<Timestamp>), StoreError> {
    let horizon = now.checked_add(LONGEST).unwrap_or(Timestamp::MAX);
    let (mut facts, mut wakes, mut still) = (Vec::new(), None, Said::new());
    for pending in reader.pending_follow_ups(horizon)? {
        let Some((at, what)) = next(config, &pending) else { continue };
        if at > now {
            wakes = Some(wakes.map_or(at, |wakes: Timestamp| wakes.min(at)));
            continue;
        }
        let step = (pending.id, word(&what));
        still.insert(step);
        if !said.contains(&step) {
            facts.push(Fact::FollowUp { id: pending.id, by: None, what });
        }
    }
    *said = still;
    // What was said now may be followed by something else as soon as it is written down.
    Ok((facts, wakes))
}

fn word(hand: &Hand) -> &'static str {
    match hand {
        Hand::Overdue => "overdue",
        Hand::Escalated { .. } => "escalated",
        _ => "reassigned",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::config::Nothing;
    use crate::fact::{CallFact, Ended, EndedBy, MissedCause};
    use crate::store::fixture::{Folder, at, call, numbered, offered, step};
    use crate::store::{FollowUpRow, FollowUpsWanted, Outgoing};

    const MINUTE: i64 = 60;

    /// An office whose database is written by its rules, and its clock.
    struct Office {
        folder: Folder,
        config: Arc<Config>,
        said: Said,
        /// Facts that were told, and those that stand in the journal.
        told: Vec<(i64, Hand)>,
        written: u64,
    }

    #[derive(Debug)]
    struct Rules(Arc<Config>);

    impl Outgoing for Rules {
        fn config(&self) -> Option<Arc<Config>> {
            Some(self.0.clone())
        }
        fn letters(&self, _: &Fact) -> Vec<crate::letter::Letter> {
            Vec::new()
        }
        fn posted(&self) {}
    }

    impl Office {
        fn new(follow_up: &str) -> Office {
            let text = format!(
                "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\nnumbering = {{ country = \"49\", national_prefix = \
                 \"0\", international_prefix = \"00\" }}\n[follow_up]\n{follow_up}\n\
                 [[extension]]\nnumber = \"10\"\npassword = \"env:P\"\n[[extension]]\nnumber = \"12\"\npassword = \"env:P\"\n"
            );
            let config = Arc::new(Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config);
            let folder = Folder::new();
            drop(folder.writer());
            Office { folder, config, said: Said::new(), told: Vec::new(), written: 0 }
        }

        fn write(&mut self, facts: impl IntoIterator<Item = (i64, Fact)>) {
            let facts = numbered(1, facts);
            self.written += facts.len() as u64;
            let mut writer = self.folder.writer();
            writer.tell(Rules(self.config.clone()));
            writer.append(&facts).unwrap();
        }

        fn miss(&mut self, seconds: i64) {
            let ended = Ended { by: EndedBy::Caller, status: 487, missed: Some(MissedCause::Abandoned), talk_ms: 0 };
            let id = call(seconds);
            self.write([
                (seconds, step(id, CallFact::Offered(Box::new(offered())))),
                (seconds, step(id, CallFact::Ended(ended))),
            ]);
        }

        /// Looks at a moment; what it tells is written down then, unless the disk is slow. When it wakes again.
        fn look(&mut self, seconds: i64, disk: bool) -> Duration {
            let reader = Reader::open(&self.folder.0).unwrap();
            let (facts, wakes) = look(&reader, &self.config, at(seconds), &mut self.said).unwrap();
            for fact in &facts {
                let Fact::FollowUp { what, .. } = fact else { panic!("{fact:?}") };
                self.told.push((seconds, what.clone()));
            }
            if disk {
                self.write(facts.into_iter().map(|fact| (seconds, fact)));
            }
            wakes.map_or(LONGEST, |wakes| until(at(seconds), wakes))
        }

        /// From one moment to another as the thread does it, with restarts in between.
        fn sleep_and_look(&mut self, from: i64, to: i64) {
            let mut now = from;
            while now <= to {
                if now % 7 == 0 {
                    self.said.clear();
                }
                now += i64::try_from(self.look(now, true).as_secs()).unwrap().max(1);
            }
        }

        fn row(&self) -> FollowUpRow {
            Reader::open(&self.folder.0).unwrap().follow_ups(FollowUpsWanted::All, 0).unwrap().remove(0)
        }
    }

    fn to(extension: &str) -> Arc<str> {
        extension.into()
    }

    #[test]
    fn a_promise_nobody_keeps_is_late_at_its_second_then_told_to_the_supervisor_then_theirs_each_once() {
        let mut office = Office::new("supervisor = \"10\"");
        office.miss(0);
        office.sleep_and_look(0, 1_000 * MINUTE);
        let steps = [
            (30 * MINUTE, Hand::Overdue),
            (60 * MINUTE, Hand::Escalated { to: to("10") }),
            (90 * MINUTE, Hand::Reassigned { to: to("10") }),
        ];
        assert_eq!(office.told, steps);
        let row = office.row();
        assert_eq!((row.closed, row.assignee.as_deref(), &*row.assigned), (None, Some("10"), "escalated"));
        let moments = [row.overdue, row.escalated, row.reassigned].map(Option::unwrap);
        assert_eq!(moments, [30, 60, 90].map(|minutes| at(minutes * MINUTE)));
    }

    #[test]
    fn what_was_said_is_not_said_again_while_the_disk_is_slow_and_done_once_if_a_restart_says_it_again() {
        let mut office = Office::new("supervisor = \"10\"");
        office.miss(0);
        for seconds in [1_799, 1_800, 1_801, 1_900] {
            office.look(seconds, false);
        }
        assert_eq!(office.told, [(1_800, Hand::Overdue)]);
        office.said.clear();
        office.look(1_950, true);
        // What was on its way arrives late, too.
        office.write([(1_800, Fact::FollowUp { id: 1, by: None, what: Hand::Overdue })]);
        assert_eq!(office.row().overdue, Some(at(1_950)));
        assert_eq!(office.row().comments.len(), 1);
    }

    #[test]
    fn who_was_given_it_late_has_time_before_it_is_the_supervisors() {
        let mut office = Office::new("supervisor = \"10\"\nescalate = \"10m\"");
        office.miss(0);
        office.sleep_and_look(0, 49 * MINUTE);
        office.write([(49 * MINUTE, Fact::FollowUp { id: 1, by: None, what: Hand::Assigned { to: Some(to("12")) } })]);
        office.sleep_and_look(49 * MINUTE, 1_000 * MINUTE);
        let moments: Vec<_> = office.told.iter().map(|(seconds, _)| seconds / MINUTE).collect();
        assert_eq!(moments, [30, 40, 50]);
        let mut office = Office::new("supervisor = \"10\"\nescalate = \"10m\"\nassign = [\"unassigned\"]");
        office.miss(0);
        office.sleep_and_look(0, 49 * MINUTE);
        office.write([(49 * MINUTE, Fact::FollowUp { id: 1, by: None, what: Hand::Assigned { to: Some(to("12")) } })]);
        office.sleep_and_look(49 * MINUTE, 1_000 * MINUTE);
        let moments: Vec<_> = office.told.iter().map(|(seconds, _)| seconds / MINUTE).collect();
        assert_eq!(moments, [30, 40, 59]);
    }

    #[test]
    fn a_closed_one_is_left_alone_and_a_new_one_is_seen_before_it_is_late() {
        let mut office = Office::new("due = \"1m\"\nsupervisor = \"10\"");
        assert_eq!(office.look(0, true), LONGEST);
        office.miss(1);
        office.write([(20, Fact::FollowUp { id: 1, by: None, what: Hand::Closed { why: "by mail".into() } })]);
        office.miss(21);
        // It slept all the while, and looks with half a minute to spare.
        office.sleep_and_look(30, 10 * MINUTE);
        assert_eq!(office.told, [(81, Hand::Overdue)]);
    }
}
