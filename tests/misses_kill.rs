//! A hundred customers' calls of one number are missed at the same moment: one promise with ninety-nine comments, also where
//! the router is killed in the middle, at every point of every commit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use huntline::clock::Timestamp;
use huntline::config::{Config, Nothing};
use huntline::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Noted, Offered, Party};
use huntline::key::CallId;
use huntline::letter::Letter;
use huntline::route::Direction;
use huntline::store::{CallFilter, FollowUpRow, FollowUpsWanted, Outgoing, Reader, Writer};

const FOLDER: &str = "HUNTLINE_TEST_FOLDER";
const CALLS: u64 = 100;
/// Facts that go to the disk together.
const TOGETHER: usize = 17;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn id(call: u64) -> CallId {
    CallId::new(at(0), call)
}

fn offered(call: u64) -> Fact {
    let party = |number: &str| Party { number: Some(number.parse().unwrap()), ..Party::default() };
    Fact::Call(
        id(call),
        CallFact::Offered(Box::new(Offered {
            direction: Direction::Inbound,
            from: party("+491701112233"),
            to: party("+493012340"),
            did: Some("+493012340".into()),
            source: None,
            trunk: None,
            customer: None,
            emergency: false,
            reference: None,
            sip_call_id: format!("{call}@example"),
            because: Vec::new(),
            plan: String::new(),
            considered: Vec::new(),
        })),
    )
}

fn ended(call: u64) -> Fact {
    let missed = Some(MissedCause::NoAnswer);
    Fact::Call(id(call), CallFact::Ended(Ended { by: EndedBy::Caller, status: 487, missed, talk_ms: 0 }))
}

/// All come in, then all are over; `of`: those that are not on record yet.
fn at_once(of: impl Iterator<Item = u64> + Clone) -> Vec<Noted> {
    let facts = of.clone().map(offered).chain(of.map(ended));
    (1..).zip(facts).map(|(number, fact)| Noted { number, at: at(20), fact }).collect()
}

#[derive(Debug)]
struct Rules(Arc<Config>);

impl Outgoing for Rules {
    fn config(&self) -> Option<Arc<Config>> {
        Some(self.0.clone())
    }
    fn letters(&self, _: &Fact) -> Vec<Letter> {
        Vec::new()
    }
    fn posted(&self) {}
}

/// A router begins: opens its database, and puts right what the last one left.
fn begin(folder: &Path) -> Writer {
    let text = "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\noperator = \"refuse:busy\"\n\
                numbering = { country = \"49\", national_prefix = \"0\", international_prefix = \"00\" }\n\
                [[extension]]\nnumber = \"12\"\npassword = \"secret\"\n\
                [follow_up]\nlist = { random = [\"12\"] }\n[[did]]\nnumber = \"+493012340\"\n";
    let config = Config::read(Path::new("x.toml"), text, &Nothing).unwrap().config;
    let mut writer = Writer::open(folder).unwrap();
    writer.tell(Rules(Arc::new(config)));
    writer.recover(at(60), &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
    writer
}

fn write(writer: &mut Writer, facts: &[Noted]) {
    facts.chunks(TOGETHER).for_each(|chunk| writer.append(chunk).unwrap());
}

/// What a child does; without the folder that its parent names, it is over at once.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    write(&mut begin(Path::new(&folder)), &at_once(0..CALLS));
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("huntline-misses-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn follow_ups(&self) -> Vec<FollowUpRow> {
        Reader::open(&self.0).unwrap().follow_ups(FollowUpsWanted::All, 0).unwrap()
    }

    /// One promise, and every other miss is a comment on it.
    fn holds(&self, story: &str) {
        let rows = self.follow_ups();
        let [row] = &rows[..] else { panic!("{story}: {} follow-ups", rows.len()) };
        assert_eq!((row.attempts, row.comments.len() as u64), (CALLS as u32, CALLS - 1), "{story}");
        assert!(row.comments.iter().all(|comment| comment.what == "missed"), "{story}");
        assert_eq!((row.assignee.as_deref(), row.closed), (Some("12"), None), "{story}");
        assert_eq!(row.due.duration_since(row.opened).as_secs(), 30 * 60, "{story}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_hundred_at_once_are_one_promise_with_ninety_nine_comments() {
    let folder = Folder::new("whole");
    write(&mut begin(&folder.0), &at_once(0..CALLS));
    folder.holds("whole");
    begin(&folder.0);
    folder.holds("after a restart");
}

#[test]
fn so_they_are_wherever_the_router_is_killed() {
    let commits = (2 * CALLS as usize).div_ceil(TOGETHER);
    for place in ["before_commit", "after_commit"] {
        for count in 1..=commits {
            let story = format!("{place}:{count}");
            let folder = Folder::new(&format!("{place}-{count}"));
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["child", "--exact", "--nocapture"]).env(FOLDER, &folder.0).env("HUNTLINE_DIE_AT", &story);
            let status = child.stdout(std::process::Stdio::null()).status().unwrap();
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{story}");

            // Who was on record and has not ended was missed by that; the others call again.
            let mut writer = begin(&folder.0);
            let recorded = Reader::open(&folder.0).unwrap().calls(&CallFilter::default()).unwrap();
            assert!(recorded.iter().all(|row| row.missed.is_some()), "{story}");
            let missed: u32 = folder.follow_ups().iter().map(|row| row.attempts).sum();
            assert_eq!(missed as usize, recorded.len(), "{story}");
            let calls_again = (0..CALLS).filter(|call| !recorded.iter().any(|row| row.id == id(*call)));
            write(&mut writer, &at_once(calls_again.collect::<Vec<_>>().into_iter()));
            folder.holds(&story);
        }
    }
}
