//! What a restart finds and puts right: calls that never ended, because the process died under them, recordings that ran
//! then, and the state to be given back to the core.
//!
//! After `kill -9` or a power cut no call is left open: each gets its [`Ended`] fact, by nobody
//! ([`EndedBy::SystemFailure`]). An inbound customer call that no human had answered was missed; a talk counts to the
//! last fact that was recorded of it. Whoever had left a message by then was missed all the same, but has left a message:
//! so messages are mended first, and before the router answers. Talks can wait for the background.

use std::path::Path;
use std::sync::Arc;

use rusqlite::params;

use super::unfinished::{Mend, Unfinished, unfinished};
use super::{FILE, Reader, StoreError, Writer, broken, from_column, from_micros, to_column};
use crate::clock::Timestamp;
use crate::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Noted, Offered, Recorded, RecordingOf};
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
    /// Recordings that ran when the process died and are not closed yet: for the background, with [`Unfinished::close`].
    pub unfinished: Vec<Unfinished>,
}

/// Bytes of messages that are mended before the router answers. A disk reads them in less than a second; the rest, if
/// there ever is more, waits for the background, and the calls in which they were left count as missed by system failure.
const AT_ONCE: u64 = 64 << 20;

impl Writer {
    /// Closes every call that is still open and every message that was being left, in one transaction. To be called once,
    /// before the core starts. `mend` makes a recording's file whole.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn recover(&mut self, at: Timestamp, mend: Mend<'_>) -> Result<Recovered, StoreError> {
        let found = self
            .find(at, mend)
            .map_err(|error| StoreError::new(&self.path, "read what the last run left", broken::words(&error)))?;
        let Found { unclean, facts, unfinished } = found;
        if unclean && self.tells_events() {
            self.leave_room();
        }
        let closed = facts.iter().filter_map(|noted| match &noted.fact {
            Fact::Call(id, _) => Some(*id),
            _ => None,
        });
        let missed = |noted: &&Noted| matches!(&noted.fact, Fact::Call(_, CallFact::Ended(e)) if e.missed.is_some());
        let missed = facts.iter().filter(missed).count();
        let recovered = Recovered { unclean, closed: closed.collect(), missed, unfinished };
        if !facts.is_empty() {
            self.append(&facts)?;
            self.rebase().map_err(|error| StoreError::new(&self.path, "read the last fact", error))?;
        }
        Ok(recovered)
    }

    fn find(&mut self, at: Timestamp, mend: Mend<'_>) -> rusqlite::Result<Found> {
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
        let (mut facts, unfinished) = self.close_messages(mend, unclean)?;
        for id in open {
            let steps = self.steps(id)?;
            let id = CallId::from_bits(from_column(id));
            let mut ended = ended(&steps);
            if ended.missed.is_some() && (is_left_in(&facts, id) || self.has_message(id)?) {
                ended.missed = Some(MissedCause::VoicemailLeft);
            }
            self.learn(id, &steps);
            facts.push(Fact::Call(id, CallFact::Ended(ended)));
        }
        let facts = (1..).zip(facts).map(|(number, fact)| Noted { number, at, fact }).collect();
        Ok(Found { unclean, facts, unfinished })
    }

    /// Closes what was being left as a message, and names what is to be closed later.
    fn close_messages(&self, mend: Mend<'_>, died: bool) -> rusqlite::Result<(Vec<Fact>, Vec<Unfinished>)> {
        let directory: Arc<Path> = self.path.parent().unwrap_or(Path::new("")).into();
        let (mut facts, mut later, mut bytes) = (Vec::new(), Vec::new(), 0);
        for recording in unfinished(&self.connection, died)? {
            bytes += if recording.is_message() { recording.size(&directory) } else { 0 };
            match recording.is_message() && bytes <= AT_ONCE {
                true => facts.extend(recording.close(&directory, mend)),
                false => later.push(recording),
            }
        }
        Ok((facts, later))
    }

    /// True where somebody has spoken into a box in this call.
    fn has_message(&self, id: CallId) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM recording WHERE call = ?1 AND mailbox IS NOT NULL AND speech_ms >= ?2)",
            )?
            .query_row(params![to_column(id.to_bits()), to_column(Recorded::SPEECH_OF_A_MESSAGE_MS)], |row| row.get(0))
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
    unfinished: Vec<Unfinished>,
}

/// True where one of these facts is a message, not an empty one, that was left in this call.
fn is_left_in(facts: &[Fact], call: CallId) -> bool {
    facts.iter().any(|fact| match fact {
        Fact::Recorded(recorded) => recorded.call == call && recorded.of != RecordingOf::Talk && !recorded.is_empty(),
        _ => false,
    })
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
                .prepare("SELECT at, body FROM state WHERE kind NOT IN ('process', 'config', 'report') ORDER BY seq")?
                .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
                .collect()
        };
        let rows = read().map_err(self.failed("read the state"))?;
        let fact = |(at, body): (i64, String)| Some((from_micros(at), serde_json::from_str(&body).ok()?));
        Ok(rows.into_iter().filter_map(fact).collect())
    }
}

/// So many of the last facts are looked through for phones that are gone.
const LOOKED_THROUGH: i64 = 200_000;

impl Reader {
    /// When a phone of an extension was there for the last time, of those that are gone: they unregistered, or let their time
    /// pass. Only of the last 200,000 facts.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn phones_gone(&self) -> Result<Vec<(Arc<str>, Timestamp)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<_>> {
            self.connection
                .prepare(
                    "SELECT at, body FROM fact WHERE seq > (SELECT coalesce(max(seq), 0) FROM fact) - ?1 AND call IS NULL \
                     AND body LIKE '%unbound%' ORDER BY seq",
                )?
                .query_map([LOOKED_THROUGH], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
                .collect()
        };
        let rows = read().map_err(self.failed("read which phones are gone"))?;
        let gone = |(at, body): (i64, String)| match serde_json::from_str(&body).ok()? {
            Fact::Unbound { extension, .. } => Some((extension, from_micros(at))),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(gone).collect())
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
    use super::super::{CallFilter, CallState, RecordingFilter};
    use super::*;
    use crate::clock::Duration;
    use crate::media::record::Mended;

    fn nothing(_: &Path) -> std::io::Result<Mended> {
        Err(std::io::ErrorKind::NotFound.into())
    }

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
        let recovered = writer.recover(at(1000), &nothing).unwrap();
        assert_eq!((recovered.unclean, &recovered.closed[..]), (true, &[call(0)][..]));
        assert_eq!(writer.recover(at(1001), &nothing).unwrap().closed, []);
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

    fn began(file: &str, of: RecordingOf) -> Fact {
        step(call(0), CallFact::Recording { file: file.into(), of })
    }

    fn to_sales() -> RecordingOf {
        RecordingOf::Message { mailbox: "sales".into() }
    }

    #[test]
    fn who_was_leaving_a_message_has_left_it_and_one_who_had_not_spoken_has_not() {
        for (speech, cause) in [(1_000, MissedCause::VoicemailLeft), (900, MissedCause::SystemFailure)] {
            let folder = Folder::new();
            died_after(&folder, 4, |_| {});
            let machine = CallFact::Answered { leg: 0, human: false };
            folder
                .writer()
                .append(&numbered(6, [(5, step(call(0), machine)), (6, began("a.wav", to_sales()))]))
                .unwrap();
            let mend = |path: &Path| {
                assert_eq!(path, folder.0.join("a.wav"));
                Ok(Mended { length: Duration::from_secs(9), speech: Duration::from_millis(speech) })
            };
            let recovered = folder.writer().recover(at(1000), &mend).unwrap();
            assert_eq!((recovered.missed, &recovered.unfinished[..]), (1, &[][..]));
            let reader = Reader::open(&folder.0).unwrap();
            let row = reader.recordings(&RecordingFilter::default()).unwrap().remove(0);
            assert_eq!((row.length_ms, row.ended, row.empty), (9_000, Some(at(1000)), speech < 1_000));
            assert_eq!((row.from, row.failed.as_deref()), (offered().from, Some("the process died")));
            assert_eq!(reader.calls(&CallFilter::default()).unwrap()[0].missed, Some(cause));
            let mut state = crate::state::State::default();
            reader.restore().unwrap().iter().for_each(|(_, fact)| fact.fold(&mut state));
            assert_eq!(state.messages("sales").len(), 1);
        }
    }

    #[test]
    fn a_message_that_was_whole_when_the_process_died_counts_as_well() {
        let folder = Folder::new();
        died_after(&folder, 4, |_| {});
        folder.writer().append(&numbered(6, [(5, message("a.wav", "sales", 3_000))])).unwrap();
        folder.writer().recover(at(1000), &nothing).unwrap();
        let calls = Reader::open(&folder.0).unwrap().calls(&CallFilter::default()).unwrap();
        assert_eq!(calls[0].missed, Some(MissedCause::VoicemailLeft));
    }

    #[test]
    fn a_recorded_talk_is_closed_later_and_one_of_which_nothing_was_written_is_gone() {
        let folder = Folder::new();
        died_after(&folder, 5, |_| {});
        let talks = [(5, began("t.wav", RecordingOf::Talk)), (6, began("u.wav", RecordingOf::Talk))];
        folder.writer().append(&numbered(7, talks)).unwrap();
        let mut writer = folder.writer();
        let unfinished = writer.recover(at(1000), &nothing).unwrap().unfinished;
        assert_eq!(unfinished.iter().map(|talk| &*talk.file).collect::<Vec<_>>(), ["t.wav", "u.wav"]);
        let whole = |_: &Path| Ok(Mended { length: Duration::from_secs(60), speech: Duration::from_secs(50) });
        let mut facts = unfinished[0].close(&folder.0, &whole);
        facts.extend(unfinished[1].close(&folder.0, &nothing));
        writer.append(&numbered(1, facts.into_iter().map(|fact| (1001, fact)))).unwrap();
        let rows = Reader::open(&folder.0).unwrap();
        let rows = rows.recordings(&RecordingFilter { gone: true, ..Default::default() }).unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (&*row.file, row.length_ms, row.erased.is_some())).collect();
        assert_eq!(seen, [("u.wav", 0, true), ("t.wav", 60_000, false)]);
        assert_eq!(folder.writer().recover(at(2000), &nothing).unwrap().unfinished, []);
    }

    #[test]
    fn a_recording_that_an_orderly_end_cut_off_does_not_speak_of_death() {
        let folder = Folder::new();
        died_after(&folder, 5, |_| {});
        let ends = [(5, began("a.wav", to_sales())), (9, Fact::Stopped)];
        folder.writer().append(&numbered(7, ends)).unwrap();
        let mended = Mended { length: Duration::from_secs(3), speech: Duration::from_secs(2) };
        folder.writer().recover(at(1000), &|_| Ok(mended)).unwrap();
        let rows = Reader::open(&folder.0).unwrap().recordings(&RecordingFilter::default()).unwrap();
        assert_eq!(rows[0].failed.as_deref(), Some("the router was ended"));
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
        assert_eq!(folder.writer().recover(at(1000), &nothing).unwrap(), Recovered::default());
        assert_eq!(quick_check(&folder.0).map_err(|error| error.to_string()), Ok(()));
    }

    #[test]
    fn facts_after_a_recovery_follow_those_it_wrote() {
        let folder = Folder::new();
        died_after(&folder, 3, |_| {});
        let mut writer = folder.writer();
        writer.recover(at(1000), &nothing).unwrap();
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
