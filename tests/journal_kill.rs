//! A router that is killed loses nothing it has acknowledged: children of this test write facts and die, by SIGKILL at
//! any moment or at chosen points of a commit, and what they had reported must be there.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Noted, Offered, Party};
use huntline::journal::{Journal, Pace, Report};
use huntline::key::CallId;
use huntline::route::Direction;
use huntline::store::{CallFilter, CallState, FollowUpsWanted, Reader, Writer, quick_check};

const FOLDER: &str = "HUNTLINE_TEST_FOLDER";
/// Facts of a call: offered, answered by a machine (a fact without effect here), ended.
const PER_CALL: u64 = 3;

fn at(call: u64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + call as i64).unwrap()
}

fn id(call: u64) -> CallId {
    CallId::new(at(call), 0)
}

/// Fact `number` of an endless stream of calls, three facts each.
fn fact(number: u64) -> Noted {
    let (call, step) = ((number - 1) / PER_CALL, (number - 1) % PER_CALL);
    let offered = || Offered {
        direction: Direction::Inbound,
        from: Party { text: format!("caller {call}"), ..Party::default() },
        to: Party::default(),
        did: None,
        source: None,
        trunk: None,
        customer: None,
        emergency: false,
        reference: None,
        sip_call_id: format!("{call}@example"),
        because: Vec::new(),
        plan: String::new(),
        considered: Vec::new(),
    };
    let step = match step {
        0 => CallFact::Offered(Box::new(offered())),
        1 => CallFact::Answered { leg: 1, human: false },
        _ => CallFact::Ended(Ended {
            by: EndedBy::Caller,
            status: 487,
            missed: Some(MissedCause::Abandoned),
            talk_ms: 0,
        }),
    };
    Noted { number, at: at(call), fact: Fact::Call(id(call), step) }
}

/// What a child does: writes facts for ever and prints each number that the journal reports. By itself, without the
/// folder that its parent names, it is over at once.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut writer = Writer::open(Path::new(&folder)).unwrap();
    writer.recover(at(0), &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
    let (reporting, reports) = std::sync::mpsc::channel();
    // Straight from the journal's own thread, as the loop would send a 180.
    let report = move |report| {
        if let Report::Journaled(number) = report {
            writeln!(std::io::stdout(), "journaled {number}").unwrap();
            let _ = reporting.send(number);
        }
    };
    let journal = Journal::start(writer, Pace::default(), report).unwrap();
    for number in 1.. {
        let _ = journal.note([fact(number)]);
        // Some hundreds ahead of the disk, as in a busy office; never endlessly.
        if number % 300 == 0 {
            let _ = reports.recv();
        }
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("huntline-kill-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn child(&self, die_at: Option<&str>) -> (Child, BufReader<ChildStdout>) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(FOLDER, &self.0);
        match die_at {
            Some(place) => command.env("HUNTLINE_DIE_AT", place),
            None => command.env_remove("HUNTLINE_DIE_AT"),
        };
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        (child, output)
    }

    /// The calls that somebody is to be called back for, the newest first. None of the callers has a number that can be read,
    /// so each call has a follow-up of its own.
    fn promised(&self) -> Vec<CallId> {
        let rows = Reader::open(&self.0).unwrap().follow_ups(FollowUpsWanted::All, 0).unwrap();
        let mut calls: Vec<CallId> = rows.iter().map(|row| row.call).collect();
        calls.sort_by(|one, other| other.cmp(one));
        calls
    }

    /// Everything up to `reported` is there, without a gap, and a restart closes what is open.
    fn holds(&self, reported: u64) {
        let before = Reader::open(&self.0).unwrap().calls(&CallFilter::default()).unwrap();
        let whole = reported / PER_CALL;
        assert!(before.len() as u64 >= reported.div_ceil(PER_CALL), "{} calls for {reported} facts", before.len());
        for (call, row) in before.iter().rev().enumerate() {
            let call = call as u64;
            assert_eq!(row.id, id(call), "a gap in the record");
            let ended = if call < whole { CallState::Missed } else { row.state };
            assert_eq!(row.state, ended, "the end of call {call} was reported");
        }
        let missed = before.iter().filter(|row| row.state == CallState::Missed).map(|row| row.id);
        assert_eq!(self.promised(), missed.collect::<Vec<_>>());
        let recovered =
            Writer::open(&self.0).unwrap().recover(at(0), &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
        let open = before.iter().filter(|row| row.state == CallState::Open).count();
        assert_eq!((recovered.closed.len(), recovered.missed), (open, open));
        let after = Reader::open(&self.0).unwrap().calls(&CallFilter::default()).unwrap();
        assert_eq!(after.len(), before.len());
        assert!(after.iter().all(|row| row.state == CallState::Missed));
        assert_eq!(self.promised(), after.iter().map(|row| row.id).collect::<Vec<_>>());
        quick_check(&self.0).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn number(line: &str) -> Option<u64> {
    line.split("journaled ").nth(1)?.trim().parse().ok()
}

#[test]
fn killed_at_any_moment_it_has_everything_it_reported() {
    for reports in [1, 2, 5, 11, 23] {
        let folder = Folder::new(&format!("any-{reports}"));
        let (mut child, output) = folder.child(None);
        let mut lines = output.lines().map_while(Result::ok).filter_map(|line| number(&line));
        let mut last = lines.by_ref().take(reports).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said while it was being killed counts too.
        last = lines.last().unwrap_or(last);
        assert!(last >= reports as u64);
        folder.holds(last);
    }
}

#[test]
fn killed_at_a_chosen_point_of_a_commit_it_has_everything_it_reported() {
    for place in ["before_commit", "after_commit", "after_report"] {
        for count in [1, 2, 7] {
            let folder = Folder::new(&format!("{place}-{count}"));
            let (mut child, output) = folder.child(Some(&format!("{place}:{count}")));
            let lines = output.lines().map_while(Result::ok).filter_map(|line| number(&line));
            let reported: Vec<u64> = lines.collect();
            let status = child.wait().unwrap();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{place}:{count}");
            let before = if place == "after_report" { 0 } else { 1 };
            assert_eq!(reported.len(), count - before, "{place}:{count}");
            folder.holds(reported.last().copied().unwrap_or(0));
        }
    }
}
