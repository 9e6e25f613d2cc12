//! Is there room, is it fast, is the database whole. Callers hear ringing when their call is on the disk.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};

use super::finding::Finding;
use super::pace::{SHORT, timed};
use super::patient::Patient;
use crate::clock::Duration;
use crate::store::{FILE, quick_check};

const SUBJECT: &str = "disk";

/// A caller hears ringing so much later at most; then the guarantee is suspended.
const GUARANTEE: Duration = Duration::from_millis(250);
/// What a disk of our days takes at most.
const SLOW: Duration = Duration::from_millis(50);
/// Less free than this, in percent and in megabytes, is soon none.
const LITTLE: (u64, u64) = (5, 500);
const NONE: (u64, u64) = (1, 50);
/// A log of that size is not taken into the database any more.
const LONG_WAL: u64 = 256 << 20;

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let directory = &patient.config.storage.directory;
    let shown = directory.display().to_string();
    if !directory.is_dir() {
        let finding = Finding::ok(SUBJECT, &shown, "it is not there yet");
        return vec![finding.warn("`huntline serve` makes it; is storage.directory what you mean?")];
    }
    let mut findings = Vec::new();
    match statvfs(directory) {
        Ok(disk) => {
            let block = disk.fragment_size();
            let share = |free: u64, all: u64| (free * 100).checked_div(all).unwrap_or(100);
            let megabytes = (disk.blocks_available() * block) >> 20;
            findings.push(room(share(disk.blocks_available(), disk.blocks()), megabytes));
            let inodes = share(disk.files_available(), disk.files());
            if disk.files() > 0 && inodes < LITTLE.0 {
                findings.push(
                    Finding::ok(SUBJECT, "inodes", format!("{inodes} % free"))
                        .warn("too many small files: look with `df -i`"),
                );
            }
            if disk.flags().contains(FsFlags::ST_RDONLY) {
                findings.push(Finding::ok(SUBJECT, &shown, "the file system is read-only").fail(
                    "the system makes it so after an error of the disk: look at `dmesg`, then `mount -o remount,rw`",
                ));
                return findings;
            }
        }
        Err(error) => findings.push(Finding::ok(SUBJECT, &shown, error.to_string()).fail("look at the mount")),
    }
    findings.push(speed(&shown, written(directory)));
    findings.extend(database(directory));
    findings
}

fn room(percent: u64, megabytes: u64) -> Finding {
    let finding = Finding::ok(SUBJECT, "room", format!("{percent} % free, {megabytes} MB"));
    let advice = "make room: media.keep and media.disk_share erase old recordings by themselves";
    let below = |(share, least): (u64, u64)| percent < share && megabytes < least * 20 || megabytes < least;
    match () {
        () if below(NONE) => finding.fail(advice),
        () if below(LITTLE) => finding.warn(advice),
        () => finding,
    }
}

/// How long the middle one of five small writes takes until it is on the disk.
fn written(directory: &Path) -> io::Result<Duration> {
    let path = directory.join(format!(".doctor-{}", std::process::id()));
    let write = || {
        let mut file = std::fs::File::create(&path)?;
        let mut times = Vec::new();
        for _ in 0..5 {
            let (took, done) = timed(|| file.write_all(&[b'.'; 4096]).and_then(|()| file.sync_all()));
            done?;
            times.push(took);
        }
        times.sort();
        Ok(times[2])
    };
    let took = write();
    _ = std::fs::remove_file(&path);
    took
}

fn speed(shown: &str, took: io::Result<Duration>) -> Finding {
    let finding = |found: String| Finding::ok(SUBJECT, "writing", found);
    match took {
        Ok(took) => {
            let finding = finding(format!("4 kB are on the disk after {:.1} ms", took.as_secs_f64() * 1e3));
            match () {
                () if took > GUARANTEE => finding.fail(
                    "callers hear ringing before they are on record: this disk is too slow, or \
                    something else keeps it busy (`iostat -x 1`)",
                ),
                () if took > SLOW => finding.warn(
                    "every caller waits so long for the first ringing: look who keeps it busy \
                    (`iostat -x 1`)",
                ),
                () => finding,
            }
        }
        Err(error) => match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => finding("the disk is full".into())
                .fail("make room; calls go on from memory until then, and are not on record"),
            ErrorKind::ReadOnlyFilesystem => finding("the file system is read-only".into()).fail("look at `dmesg`"),
            ErrorKind::PermissionDenied => finding(format!("{shown} cannot be written by this user"))
                .fail("run this as the router's user, or give it the folder (chown)"),
            _ => finding(error.to_string()).fail("look at `dmesg`"),
        },
    }
}

fn database(directory: &Path) -> Vec<Finding> {
    let size = |name: &str| std::fs::metadata(directory.join(name)).map(|file| file.len());
    let Ok(bytes) = size(FILE) else {
        return vec![Finding::ok(SUBJECT, "database", "there is none yet; `huntline serve` makes it")];
    };
    let wal = size(&format!("{FILE}-wal")).unwrap_or(0);
    let shown = format!("{:.1} MB, its log {:.1} MB", bytes as f64 / 1e6, wal as f64 / 1e6);
    let (send, receive) = std::sync::mpsc::channel();
    let folder = directory.to_owned();
    let checking = std::thread::Builder::new().spawn(move || drop(send.send(quick_check(&folder))));
    let checked = checking.ok().and_then(|_| receive.recv_timeout(SHORT).ok());
    let mut findings = vec![match checked {
        Some(Ok(())) => Finding::ok(SUBJECT, "database", format!("whole; {shown}")),
        Some(Err(error)) => Finding::ok(SUBJECT, "database", error.to_string())
            .fail("stop the router, keep the damaged files, and restore the last backup"),
        None => Finding::ok(SUBJECT, "database", format!("too large to be checked in {} s; {shown}", SHORT.as_secs())),
    }];
    if wal > LONG_WAL {
        findings.push(
            Finding::ok(SUBJECT, "its log", format!("{:.0} MB", wal as f64 / 1e6))
                .warn("some program keeps the database open and reads for ever: `fuser` names it"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn little_room_is_told_and_next_to_none_is_a_failure() {
        let states = [(50, 90_000), (4, 200_000), (4, 9_000), (40, 400), (40, 40), (0, 900)];
        let states = states.map(|(percent, megabytes)| room(percent, megabytes).state);
        assert_eq!(states, [State::Ok, State::Ok, State::Warn, State::Warn, State::Fail, State::Fail]);
    }

    #[test]
    fn a_slow_disk_and_one_that_does_not_write_are_told_apart() {
        let state = |took| speed("data", took).state;
        assert_eq!(state(Ok(Duration::from_millis(4))), State::Ok);
        assert_eq!(state(Ok(Duration::from_millis(80))), State::Warn);
        assert_eq!(state(Ok(Duration::from_millis(300))), State::Fail);
        assert_eq!(speed("data", Err(ErrorKind::StorageFull.into())).found, "the disk is full");
        assert_eq!(speed("data", Err(ErrorKind::PermissionDenied.into())).found, "data cannot be written by this user");
    }
}
