//! What a restart finds and puts right: calls that never ended, because the process died under them, and the state to
//! be given back to the core.
//!
//! After `kill -9` or a power cut no call is left open: each gets its [`Ended`] fact, by nobody
//! ([`EndedBy::SystemFailure`]). An inbound customer call that no human had answered was missed; a talk counts to the
//! last fact that was recorded of it.

use std::path::Path;

use rusqlite::params;

use super::{FILE, Reader, StoreError, Writer, from_column, from_micros};
use crate::clock::Timestamp;
use crate::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Noted, Offered};
use crate::key::CallId;
use crate::route::{Direction, Reason};

/// What a restart found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last run did not end in an orderly way. The database deserves a [`quick_check`] in the background.
    pub unclean: bool,
    /// Calls that were open and are closed now, in the order in which they began.
    pub closed: Vec<CallId>,
    /// How many of them were missed by that.
    pub missed: usize,
}

impl Writer {
    /// Closes every call that is still open, in one transaction. To be called once, before the core starts.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn recover(&mut self, at: Timestamp) -> Result<Recovered, StoreError> {
        let found = self.find(at).map_err(|error| StoreError::new(&self.path, "read what the last run left", error))?;
        let Found { unclean, facts } = found;
        let closed = facts.iter().filter_map(|noted| match &noted.fact {
            Fact::Call(id, _) => Some(*id),
            _ => None,
        });
        let missed = |noted: &&Noted| matches!(&noted.fact, Fact::Call(_, CallFact::Ended(e)) if e.missed.is_some());
        let recovered = Recovered { unclean, closed: closed.collect(), missed: facts.iter().filter(missed).count() };
        if !facts.is_empty() {
            self.append(&facts)?;
            self.rebase().map_err(|error| StoreError::new(&self.path, "read the last fact", error))?;
        }
        Ok(recovered)
    }

    fn find(&mut self, at: Timestamp) -> rusqlite::Result<Found> {
        let unclean = self
            .connection
            .prepare("SELECT body FROM state WHERE kind = 'process'")?
            .query_map([], |row| row.get::<_, String>(0))?
            .any(|body| body.is_ok_and(|body| matches!(serde_json::from_str(&body), Ok(Fact::Started { .. }))));
        let open: Vec<i64> = self
            .connection
            .prepare("SELECT id FROM call WHERE ended IS NULL ORDER BY id")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut facts = Vec::with_capacity(open.len());
        for (index, id) in open.into_iter().enumerate() {
            let steps = self.steps(id)?;
            let id = CallId::from_bits(from_column(id));
            let ended = Fact::Call(id, CallFact::Ended(ended(&steps)));
            self.learn(id, &steps);
            facts.push(Noted { number: index as u64 + 1, at, fact: ended });
        }
        Ok(Found { unclean, facts })
    }

    fn steps(&self, id: i64) -> rusqlite::Result<Vec<(Timestamp, CallFact)>> {
        self.connection
            .prepare_cached("SELECT at, body FROM fact WHERE call = ?1 ORDER BY seq")?
            .query_map(params![id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
            .filter_map(|row| {
                let step = row.map(|(at, body)| match serde_json::from_str(&body) {
                    Ok(Fact::Call(_, step)) => Some((from_micros(at), step)),
                    _ => None,
                });
                step.transpose()
            })
            .collect()
    }
}

struct Found {
    unclean: bool,
    facts: Vec<Noted>,
}

/// How a call ended that the process took with it.
fn ended(steps: &[(Timestamp, CallFact)]) -> Ended {
    let mut ended =
        Ended { by: EndedBy::SystemFailure, status: 0, missed: Some(MissedCause::SystemFailure), talk_ms: 0 };
    let mut is_customer = true;
    let mut talking_since = None;
    let span = |since: Option<Timestamp>, until: Timestamp| {
        since.map_or(0, |since| u64::try_from(until.duration_since(since).as_millis()).unwrap_or(0))
    };
    for (at, step) in steps {
        match step {
            CallFact::Offered(offered) => is_customer = is_customer_call(offered),
            CallFact::Answered { human: false, .. } => ended.status = 200,
            CallFact::Answered { human: true, .. } | CallFact::Returned { .. } => {
                ended.status = 200;
                ended.missed = None;
                talking_since.get_or_insert(*at);
            }
            // Whoever waits to be taken over talks with nobody.
            CallFact::Transferred { .. } => {
                ended.talk_ms += span(talking_since.take(), *at);
                ended.missed = Some(MissedCause::SystemFailure);
            }
            _ => {}
        }
    }
    ended.talk_ms += steps.last().map_or(0, |(last, _)| span(talking_since, *last));
    ended.missed = ended.missed.filter(|_| is_customer);
    ended
}

/// True where a customer called us: such a call is missed unless a human talks. Employees and blocked callers are not
/// customers.
fn is_customer_call(offered: &Offered) -> bool {
    offered.direction == Direction::Inbound
        && offered.from.extension.is_none()
        && !offered.because.contains(&Reason::Blocked)
}

impl Reader {
    /// The facts that give the state back: bindings, overrides, absences, blocks, counters and messages, each with the moment at
    /// which it became so, in that order. The config's version and the run's beginning are not among them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn restore(&self) -> Result<Vec<(Timestamp, Fact)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<_>> {
            self.connection
                .prepare("SELECT at, body FROM state WHERE kind NOT IN ('process', 'config') ORDER BY seq")?
                .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
                .collect()
        };
        let rows = read().map_err(self.failed("read the state"))?;
        let fact = |(at, body): (i64, String)| Some((from_micros(at), serde_json::from_str(&body).ok()?));
        Ok(rows.into_iter().filter_map(fact).collect())
    }
}

/// Reads the whole database and compares its parts, as SQLite's `quick_check` does: for the background, after an
/// unclean end. Takes seconds for gigabytes; writing goes on meanwhile.
///
/// # Errors
/// The first thing that is wrong, in SQLite's words.
pub fn quick_check(directory: &Path) -> Result<(), StoreError> {
    let reader = Reader::open(directory)?;
    let verdict: String = reader
        .connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(reader.failed("check the database"))?;
    if verdict == "ok" {
        return Ok(());
    }
    let why = format!("{verdict}; stop the router and restore a backup");
    Err(StoreError::new(&directory.join(FILE), "find the database whole", why))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::super::{CallFilter, CallState};
    use super::*;

    fn started() -> Fact {
        Fact::Started { version: "0.1.0".into() }
    }

    /// Writes the first `steps` facts of an ordinary call, changed by `change`, and dies.
    fn died_after(folder: &Folder, steps: usize, change: impl FnOnce(&mut Offered)) {
        let mut facts = ordinary(call(0), 0);
        if let Fact::Call(_, CallFact::Offered(offered)) = &mut facts[0].1 {
            change(offered);
        }
        let facts = [(0, started())].into_iter().chain(facts.into_iter().take(steps));
        folder.writer().append(&numbered(1, facts)).unwrap();
    }

    fn recovered(folder: &Folder) -> (CallState, Option<MissedCause>, u64, Option<u16>) {
        let mut writer = folder.writer();
        let recovered = writer.recover(at(1000)).unwrap();
        assert_eq!((recovered.unclean, &recovered.closed[..]), (true, &[call(0)][..]));
        assert_eq!(writer.recover(at(1001)).unwrap().closed, []);
        let rows = Reader::open(&folder.0).unwrap().calls(&CallFilter::default()).unwrap();
        assert_eq!((rows[0].ended, rows[0].ended_by), (Some(at(1000)), Some(EndedBy::SystemFailure)));
        (rows[0].state, rows[0].missed, rows[0].talk_ms, rows[0].status)
    }

    #[test]
    fn a_customer_who_was_ringing_when_the_process_died_was_missed() {
        let folder = Folder::new();
        died_after(&folder, 4, |_| {});
        assert_eq!(recovered(&folder), (CallState::Missed, Some(MissedCause::SystemFailure), 0, Some(0)));
    }

    #[test]
    fn a_talk_that_the_process_took_counts_to_its_last_fact() {
        let folder = Folder::new();
        died_after(&folder, 5, |_| {});
        let mut writer = folder.writer();
        writer.append(&numbered(7, [(64, step(call(0), CallFact::Held { leg: 2, held: true }))])).unwrap();
        assert_eq!(recovered(&folder), (CallState::Answered, None, 60_000, Some(200)));
        let detail = Reader::open(&folder.0).unwrap().call(call(0)).unwrap().unwrap();
        assert_eq!(detail.row.answered_by.as_deref(), Some("15"));
        assert_eq!(detail.legs.len(), 2);
    }

    #[test]
    fn whom_nobody_had_taken_over_yet_was_missed_though_they_had_talked() {
        let folder = Folder::new();
        died_after(&folder, 5, |_| {});
        let handed_on = CallFact::Transferred { by: 2, to: "14".into(), attended: false, because: Vec::new() };
        folder.writer().append(&numbered(7, [(34, step(call(0), handed_on))])).unwrap();
        assert_eq!(recovered(&folder), (CallState::Missed, Some(MissedCause::SystemFailure), 30_000, Some(200)));
    }

    #[test]
    fn voicemail_is_no_human_so_the_customer_was_missed() {
        let folder = Folder::new();
        died_after(&folder, 4, |_| {});
        let machine = CallFact::Answered { leg: 2, human: false };
        folder.writer().append(&numbered(6, [(5, step(call(0), machine))])).unwrap();
        assert_eq!(recovered(&folder), (CallState::Missed, Some(MissedCause::SystemFailure), 0, Some(200)));
    }

    #[test]
    fn calls_of_employees_and_blocked_callers_are_closed_but_never_missed() {
        let changes: [fn(&mut Offered); 4] = [
            |offered| offered.direction = Direction::Outbound,
            |offered| offered.direction = Direction::Internal,
            |offered| offered.from.extension = Some("12".into()),
            |offered| offered.because = vec![Reason::Blocked],
        ];
        for change in changes {
            let folder = Folder::new();
            died_after(&folder, 2, change);
            assert_eq!(recovered(&folder), (CallState::Unanswered, None, 0, Some(0)));
        }
    }

    #[test]
    fn after_an_orderly_end_there_is_nothing_to_put_right() {
        let folder = Folder::new();
        let whole = [(0, started())].into_iter().chain(ordinary(call(0), 0)).chain([(99, Fact::Stopped)]);
        folder.writer().append(&numbered(1, whole)).unwrap();
        assert_eq!(folder.writer().recover(at(1000)).unwrap(), Recovered::default());
        assert_eq!(quick_check(&folder.0).map_err(|error| error.to_string()), Ok(()));
    }

    #[test]
    fn facts_after_a_recovery_follow_those_it_wrote() {
        let folder = Folder::new();
        died_after(&folder, 3, |_| {});
        let mut writer = folder.writer();
        writer.recover(at(1000)).unwrap();
        writer.append(&numbered(1, ordinary(call(2000), 2000))).unwrap();
        let rows = Reader::open(&folder.0).unwrap().calls(&CallFilter::default()).unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [call(2000), call(0)]);
        assert_eq!(writer.base(), 5);
    }

    #[test]
    fn a_damaged_database_is_found_out() {
        let folder = Folder::new();
        let facts = (0..400).flat_map(|n| ordinary(call(n * 100), n * 100));
        folder.writer().append(&numbered(1, facts)).unwrap();
        let file = folder.0.join(FILE);
        let mut bytes = std::fs::read(&file).unwrap();
        let half = bytes.len() / 2;
        bytes[half..half + 8192].fill(0xa5);
        std::fs::write(&file, bytes).unwrap();
        assert!(quick_check(&folder.0).is_err());
    }
}
