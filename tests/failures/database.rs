//! A database that is broken: where it cannot be used, the router says which file it is, what is wrong and what to do, and
//! leaves it as it is; where it is damaged in a place that nobody needs now, calls go on and an alarm says so.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Ended, EndedBy, Fact, Noted, Offered, Party};
use huntline::key::CallId;
use huntline::route::Direction;
use huntline::store::Writer;

use crate::router::{ADA, Router, TWELVE, ends, until};

/// Nobody's user, and everybody's stranger.
const NOBODY: u32 = 65_534;

#[test]
fn what_cannot_be_used_is_named_with_its_reason_and_left_as_it_is() {
    let router = Router::new("broken");
    fill(&router.data(), 300);
    let (database, log) = (router.database(), router.data().join("huntline.db-wal"));
    let good = std::fs::read(&database).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        std::fs::write(&database, bytes).unwrap();
    };
    let refuses = |what: &str, reason: &str, fix: &str| {
        // An empty log says nothing, and may come and go.
        let files = || [&database, &log].map(|file| std::fs::read(file).ok().filter(|bytes| !bytes.is_empty()));
        let before = files();
        let output = ends(router.command(&["serve"]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        for words in ["huntline.db", reason, fix] {
            assert!(said.contains(words), "{what}: no {words:?} in {said}");
        }
        assert!(before == files(), "{what}: the files are not as they were");
        std::fs::write(&log, b"").unwrap();
    };

    with(&|bytes| bytes.truncate(bytes.len() / 2 / 4096 * 4096));
    refuses("cut in half", "malformed", "restore a backup");
    with(&|bytes| bytes[..100].fill(0xa5));
    refuses("a garbage header", "not a database", "restore a backup");
    with(&|bytes| bytes.clear());
    refuses("empty", "empty", "restore a backup, or remove the file");
    // The version of the tables stands at byte 60.
    with(&|bytes| bytes[60..64].copy_from_slice(&99u32.to_be_bytes()));
    refuses("newer", "newer huntline", "run that one");
    // Page 1 after its header is the list of the tables.
    with(&|bytes| bytes[100..4096].fill(0xa5));
    refuses("no list of tables", "malformed", "restore a backup");
    with(&|_| {});
    std::fs::write(&log, [0xa5; 4096]).unwrap();
    refuses("a garbage log", "huntline.db-wal is damaged", "move the log away");
    std::fs::remove_file(&database).unwrap();
    std::fs::write(&log, [0xa5; 4096]).unwrap();
    refuses("a log without its database", "gone", "put the two back together");
    std::fs::create_dir(&database).unwrap();
    refuses("a directory", "is a directory", "move it away");
    std::fs::remove_dir(&database).unwrap();

    // Good again: nothing was wrong with anything else.
    with(&|_| {});
    assert_eq!(router.calls().len(), 300);
}

/// Who is root may write everywhere, and so runs the router as nobody.
#[test]
fn what_belongs_to_somebody_else_is_named_with_its_reason() {
    let folder = std::env::temp_dir().join(format!("huntline-owner-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let router = Router::within(folder);
    fill(&router.data(), 1);
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let program = router.folder.join("huntline");
    std::fs::copy(env!("CARGO_BIN_EXE_huntline"), &program).unwrap();
    let (database, good) = (router.database(), std::fs::read(router.database()).unwrap());
    if is_root {
        for path in [&router.folder, &router.data(), &router.folder.join("office.toml"), &database] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let refuses = |what: &str, path: &Path, mode: u32, owner: u32, good_mode: u32| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let mut command = std::process::Command::new(&program);
        command.current_dir(&router.folder).args(["serve", "--config", "office.toml"]);
        if is_root {
            chown(path, Some(owner), Some(owner)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = ends(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        std::fs::set_permissions(path, Permissions::from_mode(good_mode)).unwrap();
        if is_root {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        for words in ["huntline.db", "must belong to the user that runs huntline, and be writable"] {
            assert!(said.contains(words), "{what}: no {words:?} in {said}");
        }
        assert_eq!(std::fs::read(&database).unwrap(), good, "{what}: it is not as it was");
    };
    refuses("a file that may only be read", &database, 0o444, NOBODY, 0o600);
    refuses("a file of somebody else", &database, 0o000, 0, 0o600);
    refuses("a directory that may only be read", &router.data(), 0o555, NOBODY, 0o755);
}

#[test]
fn a_damaged_page_is_an_alarm_and_calls_go_on() {
    let mut router = Router::new("damaged");
    // The last run has not ended, as far as is known, so the database is looked through.
    fill(&router.data(), 2_000);
    let file = router.database();
    let mut bytes = std::fs::read(&file).unwrap();
    // A page with facts of a call in the middle, which nobody asks for now.
    let needle = b"\"the call number 1000\"";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap() / 4096 * 4096;
    bytes[at..at + 4096].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();

    router.serve();
    router.says("the database is damaged");
    router.says("restore a backup");
    let phone = router.phone("12");
    let mut call = router.provider.call(ADA, TWELVE);
    let ringing = phone.rings();
    call.hears_ringing();
    ringing.answers();
    call.is_answered();
    call.hangs_up();
    ringing.is_hung_up();
    router.is_at_rest();
    until("the alarm is on record", || router.log().contains("alarm=Damaged"));
    until("the call is on record", || router.calls().iter().any(|call| call["state"] == "answered"));
    router.signal("-TERM");
    assert_eq!(router.ended(), Some(0));
}

/// What was only in the log after a kill is there afterwards; and without its log the database is what it was before, whole.
#[test]
fn a_log_that_is_there_is_read_and_one_that_is_gone_leaves_a_whole_database() {
    let mut router = Router::start("log");
    let _phone = router.phone("12");
    let call = router.provider.call(ADA, TWELVE);
    call.hears_ringing();
    router.kill();
    let log = router.data().join("huntline.db-wal");
    let kept = std::fs::read(&log).unwrap();
    assert!(!kept.is_empty());
    let database = std::fs::read(router.database()).unwrap();

    router.serve();
    assert_eq!(router.calls().len(), 1, "it rang, so it is on record");
    router.kill();

    for file in ["huntline.db-wal", "huntline.db-shm"] {
        let _ = std::fs::remove_file(router.data().join(file));
    }
    std::fs::write(router.database(), database).unwrap();
    router.serve();
    assert_eq!(router.calls().len(), 0);
    router.signal("-TERM");
    assert_eq!(router.ended(), Some(0));
}

/// A database with so many calls, closed; its run has begun and not ended.
fn fill(directory: &Path, calls: u64) {
    let mut writer = Writer::open(directory).unwrap();
    let at = |call: u64| Timestamp::from_second(1_795_000_000 + call as i64).unwrap();
    let started = Fact::Started { version: "0.1.0".into() };
    let mut facts = vec![Noted { number: 1, at: at(0), fact: started }];
    for call in 0..calls {
        let offered = Offered {
            direction: Direction::Inbound,
            from: Party { text: format!("caller {call}"), anonymous: true, ..Party::default() },
            to: Party { number: Some(TWELVE.parse().unwrap()), ..Party::default() },
            did: None,
            source: None,
            trunk: None,
            customer: None,
            emergency: false,
            reference: None,
            sip_call_id: format!("{call}@example"),
            because: Vec::new(),
            plan: format!("the call number {call}"),
            considered: Vec::new(),
        };
        let ended = Ended { by: EndedBy::Caller, status: 487, missed: None, talk_ms: 0 };
        let id = CallId::new(at(call), 0);
        for step in [CallFact::Offered(Box::new(offered)), CallFact::Ended(ended)] {
            facts.push(Noted { number: facts.len() as u64 + 1, at: at(call), fact: Fact::Call(id, step) });
        }
    }
    writer.append(&facts).unwrap();
}
