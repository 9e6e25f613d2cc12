//! A disk that is full, and one that does not answer: calls go on, and what they leave behind is on record once it can be.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::router::{ADA, BOTH, Router, TWELVE, until};

/// Where a test finds itself when its program was started again by itself: the folder with a small disk in it.
const INSIDE: &str = "HUNTLINE_FAILURES_TEST";

#[test]
fn on_a_full_disk_calls_go_on_and_with_room_again_all_are_on_record() {
    let test = "disk::on_a_full_disk_calls_go_on_and_with_room_again_all_are_on_record";
    let Some(folder) = std::env::var_os(INSIDE).map(PathBuf::from) else { return on_a_small_disk("full", test) };
    let mut router = Router::within(folder);
    router.serve();
    let phone = router.phone("12");
    talk(&router, &phone);
    until("it is on record", || router.calls().len() == 1);

    let filling = router.data().join("filling");
    fill(&filling);
    for _ in 0..3 {
        talk(&router, &phone);
    }
    // A phone that is new is believed, too.
    let other = router.phone("14");
    for _ in 0..2 {
        let call = router.provider.call(ADA, BOTH);
        let rings = [phone.rings(), other.rings()];
        call.hears_ringing();
        call.gives_up();
        rings.iter().for_each(|rings| rings.stops());
    }
    router.says("facts cannot be written");
    router.says("guarantee suspended");
    router.is_at_rest();
    assert_eq!(router.calls().len(), 1, "there is no room for more");

    std::fs::remove_file(filling).unwrap();
    router.says("facts are written again");
    until("all are on record", || router.calls().len() == 6);
    until("and the alarms", || router.log().contains("alarm=Unwritable"));
    let calls = router.calls();
    let stand = |state: &str| calls.iter().filter(|call| call["state"] == state).count();
    assert_eq!((stand("answered"), stand("missed")), (4, 2), "{calls:?}");
    router.kill();
    router.serve();
    assert_eq!(router.calls().len(), 6);
    let call = router.provider.call(ADA, BOTH);
    let rings = [phone.rings(), other.rings()];
    call.gives_up();
    rings.iter().for_each(|rings| rings.stops());
    router.signal("-TERM");
    assert_eq!(router.ended(), Some(0));
}

#[test]
fn while_another_holds_the_database_calls_ring_late_and_an_alarm_says_so() {
    let router = Router::start("locked");
    let phone = router.phone("12");
    talk(&router, &phone);
    until("it is on record", || router.calls().len() == 1);

    let other = rusqlite::Connection::open(router.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    talk(&router, &phone);
    router.says("guarantee suspended");
    router.is_at_rest();
    assert_eq!(router.calls().len(), 1, "nobody can write");

    other.execute_batch("ROLLBACK").unwrap();
    until("it is on record", || router.calls().len() == 2);
    router.says("on time again");
    assert!(router.calls().iter().all(|call| call["state"] == "answered"));
}

/// A customer calls, the phone answers, the customer hangs up.
fn talk(router: &Router, phone: &crate::peers::Phone) {
    let mut call = router.provider.call(ADA, TWELVE);
    let rings = phone.rings();
    call.hears_ringing();
    rings.answers();
    call.is_answered();
    call.hangs_up();
    rings.is_hung_up();
}

/// Leaves not a byte.
fn fill(path: &std::path::Path) {
    let mut file = File::create(path).unwrap();
    for chunk in [65_536, 4_096, 1] {
        while file.write_all(&vec![0xa5; chunk]).is_ok() {}
    }
}

/// Runs a test again, in a file system of its own: `data` is a disk of eight megabytes there.
fn on_a_small_disk(name: &str, test: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("failure-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let program = std::env::current_exe().unwrap();
    let again = format!(
        "mount -t tmpfs -o size=8m tmpfs {0}/data && {INSIDE}={0} exec {1} --exact {test} --nocapture",
        folder.display(),
        program.display()
    );
    let inside = |flags: &[&str]| Command::new("unshare").args(flags).args(["sh", "-c", &again]).output().unwrap();
    let mut output = inside(&["--mount"]);
    if String::from_utf8_lossy(&output.stderr).contains("unshare failed") {
        output = inside(&["--user", "--map-root-user", "--mount"]);
    }
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    let _ = std::fs::remove_dir_all(folder);
}
