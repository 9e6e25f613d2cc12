//! The database as it is at one moment, in a file of its own, while the router goes on writing.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{FILE, PATIENCE, StoreError, schema};
use crate::clock::Duration;

/// Pages that are copied before a pause: a megabyte.
const PAGES: i32 = 256;
/// So many of those are brought to the disk together. A disk that had to take all of a large copy at once would let the
/// journal wait behind it.
const BROUGHT: u32 = 2;
/// The pause. Whoever writes beside us is served in it.
const PAUSE: Duration = Duration::from_millis(2);

/// The newest tables that this program knows.
pub const SCHEMA: i64 = schema::NEWEST;

/// Copies the database of a data directory into the file `to`, as it is at this moment. Whoever writes meanwhile is not
/// waited for and does not wait: a reader of a WAL database holds nobody up, and the copy leaves the disk time. The copy is
/// checked, and on the disk when this returns. The version of its tables is the answer.
///
/// # Errors
/// There is no database, it was made by a newer program, it is damaged, or the copy cannot be written.
pub fn take_snapshot(directory: &Path, to: &Path) -> Result<i64, StoreError> {
    let path = directory.join(FILE);
    if !path.exists() {
        return Err(StoreError::new(&path, "copy the database", "there is none yet; `huntline serve` makes it"));
    }
    let failed = |error: rusqlite::Error| StoreError::new(&path, "copy the database", error);
    let source = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    source.busy_timeout(PATIENCE).map_err(failed)?;
    // From here on until its end it sees one moment, so that nobody who writes makes the copy begin anew.
    let moment = source.unchecked_transaction().map_err(failed)?;
    let version: i64 = moment.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if version > SCHEMA {
        return Err(StoreError::new(&path, "copy the database", schema::too_new()));
    }
    let mut copy = Connection::open(to).map_err(failed)?;
    // What is cut off is thrown away, so the copy needs no journal of its own.
    copy.pragma_update(None, "synchronous", "off").map_err(failed)?;
    {
        let backup = Backup::new(&source, &mut copy).map_err(failed)?;
        let mut steps = 0;
        while backup.step(PAGES).map_err(failed)? != StepResult::Done {
            steps += 1;
            if steps % BROUGHT == 0 {
                sync(to).map_err(|error| StoreError::new(to, "bring the copy to the disk", error))?;
            }
            std::thread::sleep(PAUSE);
        }
    }
    drop(moment);
    // A file without anything beside it, also for who opens it only to read.
    let one_file = copy.pragma_update(None, "journal_mode", "delete");
    one_file.map_err(|error| StoreError::new(to, "close the copy", error))?;
    let verdict: String = copy
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| StoreError::new(&path, "check the copy of the database", error))?;
    if verdict != "ok" {
        return Err(StoreError::new(&path, "find the database whole", verdict));
    }
    copy.close().map_err(|(_, error)| StoreError::new(to, "close the copy", error))?;
    sync(to).map_err(|error| StoreError::new(to, "bring the copy to the disk", error))?;
    Ok(version)
}

fn sync(file: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).open(file)?.sync_data()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Folder, call, numbered, ordinary};
    use super::super::{Reader, Writer};
    use super::*;

    #[test]
    fn a_copy_is_of_one_moment_however_much_is_written_meanwhile() {
        let folder = Folder::new();
        let mut writer = Writer::open(&folder.0).unwrap();
        let per_call = numbered(1, ordinary(call(0), 0)).len() as u64;
        let mut write = move |number: u64| {
            let facts = numbered(1 + number * per_call, ordinary(call(number as i64 * 1_000), number as i64 * 1_000));
            writer.append(&facts).unwrap();
        };
        (0..100).for_each(&mut write);
        let other = folder.0.join("copy");
        std::fs::create_dir(&other).unwrap();
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let writing = std::thread::spawn(move || {
            let mut number = 100;
            while is_done.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                write(number);
                number += 1;
            }
            number
        });
        assert_eq!(take_snapshot(&folder.0, &other.join(FILE)).unwrap(), SCHEMA);
        done.send(()).unwrap();
        let all = writing.join().unwrap() as usize;
        let calls = |folder: &Path| Reader::open(folder).unwrap().calls(&Default::default()).unwrap();
        let copied = calls(&other);
        assert!((100..=all).contains(&copied.len()), "{} of {all}", copied.len());
        assert!(copied.iter().all(|row| row.ended.is_some()), "each batch is there whole or not at all");
    }
}
