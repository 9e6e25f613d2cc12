//! A hundred misses of one number at once, and a router that is killed in the middle of them: one SMS within its ten
//! minutes, one customer made of the number, one promise to call back. Children of this test write the facts and die by
//! SIGKILL; after the restart the next one goes on.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use huntline::clock::Timestamp;
use huntline::config::{Config, Nothing};
use huntline::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Noted, Offered, Party};
use huntline::journal::{Journal, Pace, Report};
use huntline::key::CallId;
use huntline::letter::Letter;
use huntline::route::Direction;
use huntline::store::{CallFilter, FollowUpsWanted, Happened, Outgoing, Reader, Writer};

const FOLDER: &str = "HUNTLINE_TEST_FOLDER";
const STORM: u64 = 100;
const ADA: &str = "+79161234567";
/// When the present run begins, in seconds after the first one: within the ten minutes.
const BEGINS: &str = "HUNTLINE_TEST_BEGINS";

const CONFIG: &str = r#"
[site]
name = "Tour"
numbering = { country = "7" }
[sms]
url = "https://sms.example/"
body = "to={number}&text={text}"
"#;

#[derive(Debug)]
struct Office(Arc<Config>);

impl Office {
    fn new() -> Office {
        Office(Arc::new(Config::read(Path::new("office.toml"), CONFIG, &Nothing).unwrap().config))
    }
}

impl Outgoing for Office {
    fn config(&self) -> Option<Arc<Config>> {
        Some(self.0.clone())
    }
    fn letters(&self, _: &Fact) -> Vec<Letter> {
        Vec::new()
    }
    fn posted(&self) {}
}

fn at(begins: u64, call: u64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + (begins * 1_000 + call) as i64).unwrap()
}

/// The two facts of a missed call.
fn missed(begins: u64, call: u64) -> [Noted; 2] {
    let at = at(begins, call);
    let id = CallId::new(at, call);
    let offered = Offered {
        direction: Direction::Inbound,
        from: Party { number: Some(ADA.parse().unwrap()), ..Party::default() },
        to: Party::default(),
        did: Some("+74951234567".into()),
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
    let ended = Ended { by: EndedBy::Caller, status: 487, missed: Some(MissedCause::Abandoned), talk_ms: 0 };
    let noted = |number, step| Noted { number, at, fact: Fact::Call(id, step) };
    [noted(2 * call + 1, CallFact::Offered(Box::new(offered))), noted(2 * call + 2, CallFact::Ended(ended))]
}

/// What a child does: recovers, misses a hundred calls a few at a time, and says how far it came. By itself, without the
/// folder that its parent names, it is over at once.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let begins: u64 = std::env::var(BEGINS).unwrap().parse().unwrap();
    let mut writer = Writer::open(Path::new(&folder)).unwrap();
    writer.tell(Office::new());
    writer.recover(at(begins, 0), &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
    let (reporting, reports) = std::sync::mpsc::channel();
    let report = move |report| {
        if let Report::Journaled(number) = report {
            writeln!(std::io::stdout(), "journaled {number}").unwrap();
            let _ = reporting.send(number);
        }
    };
    let journal = Journal::start(writer, Pace::default(), report).unwrap();
    for some in (0..STORM).step_by(7) {
        let calls = some..(some + 7).min(STORM);
        let _pressed = journal.note(calls.flat_map(|call| missed(begins, call)));
        reports.recv().unwrap();
    }
    journal.close(0).unwrap();
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("huntline-storm-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn child(&self, begins: u64, die_at: Option<&str>) -> (Child, BufReader<ChildStdout>) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(FOLDER, &self.0).env(BEGINS, begins.to_string());
        match die_at {
            Some(place) => command.env("HUNTLINE_DIE_AT", place),
            None => command.env_remove("HUNTLINE_DIE_AT"),
        };
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        (child, output)
    }

    /// Whatever was written of the storm: one of each, and every miss is counted. How many SMS there are.
    fn holds(&self) -> usize {
        let reader = Reader::open(&self.0).unwrap();
        let calls = reader.calls(&CallFilter { missed: Some(true), ..CallFilter::default() }).unwrap();
        let timeline = reader.timeline(&[ADA.parse().unwrap()], None, 10_000).unwrap();
        let sms = timeline.iter().filter(|entry| matches!(entry.what, Happened::Sms { .. })).count();
        let letters = reader.outbox(&huntline::store::OutboxFilter { sent: true, ..Default::default() }).unwrap();
        assert_eq!(letters.len(), sms, "each SMS is in the outbox");
        let customers = reader.customers(&Default::default(), 9).unwrap();
        let promises = reader.follow_ups(FollowUpsWanted::All, 0).unwrap();
        let one = usize::from(!calls.is_empty());
        assert_eq!((customers.len(), promises.len()), (one, one));
        if let Some(promise) = promises.first() {
            assert_eq!((promise.attempts as usize, promise.comments.len() + 1), (calls.len(), calls.len()));
            assert_eq!(promise.customer.as_deref(), Some(ADA));
        }
        sms
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The first storm has died; another one comes 5 minutes later and is written to its end, then a last one after the window.
fn goes_on(folder: &Folder) {
    assert!(folder.holds() <= 1);
    for (begins, sms) in [(300, 1), (590, 1), (1_200, 2)] {
        let (mut child, output) = folder.child(begins, None);
        output.lines().for_each(drop);
        assert!(child.wait().unwrap().success());
        assert_eq!(folder.holds(), sms, "{begins} s after the first");
    }
}

#[test]
fn killed_at_a_chosen_point_of_a_commit_a_storm_of_misses_leaves_one_of_each() {
    for place in ["before_commit", "after_commit", "after_report"] {
        for count in [1, 2, 6] {
            let folder = Folder::new(&format!("{place}-{count}"));
            let (mut child, output) = folder.child(0, Some(&format!("{place}:{count}")));
            output.lines().for_each(drop);
            let status = child.wait().unwrap();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{place}:{count}");
            goes_on(&folder);
        }
    }
}

#[test]
fn killed_at_any_moment_a_storm_of_misses_leaves_one_of_each() {
    for reports in [1, 3, 8] {
        let folder = Folder::new(&format!("any-{reports}"));
        let (mut child, output) = folder.child(0, None);
        output.lines().map_while(Result::ok).filter(|line| line.contains("journaled")).take(reports).for_each(drop);
        child.kill().unwrap();
        child.wait().unwrap();
        goes_on(&folder);
    }
}
