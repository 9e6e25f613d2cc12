//! A database that cannot be used: found before it is opened for writing, and said in words for an admin.
//!
//! SQLite mends what nobody asked it to mend: an empty file becomes a new database, a log beside a database that is gone
//! is thrown away, and a log whose beginning cannot be read is passed over with all that was acknowledged in it. Here such
//! files are refused and left as they are; what to do about them only an admin knows.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The log of a database (WAL).
fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

/// Looks at a database and its log before they are opened for writing.
///
/// # Errors
/// Why they are better left alone, and what to do.
pub(super) fn look(path: &Path) -> Result<(), String> {
    let log = log_of(path);
    let length = match path.metadata() {
        Ok(found) if found.is_dir() => return Err("it is a directory; move it away".into()),
        Ok(found) => Some(found.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{error}; {THEIRS}")),
    };
    let log_length = log.metadata().map_or(0, |found| found.len());
    match length {
        None if log_length > 0 => Err(format!(
            "it is gone, and its log {} is still there; put the two back together, restore a backup, or move the log away \
             to begin with an empty database",
            log.display()
        )),
        Some(0) => {
            Err("it is empty (0 bytes), and no database of ours ever is; restore a backup, or remove the file to \
             begin with an empty database"
                .into())
        }
        _ if !begins_well(&log) => Err(format!(
            "its log {} is damaged, and what was written last may be nowhere else; restore a backup, or move the log away \
             to go on without it",
            log.display()
        )),
        _ => Ok(()),
    }
}

/// False where a log has a beginning that SQLite would not believe, and would pass the log over for it
/// (<https://www.sqlite.org/fileformat2.html#walformat>). One of zeros was never written to.
fn begins_well(log: &Path) -> bool {
    let mut header = [0; 32];
    if File::open(log).and_then(|mut file| file.read_exact(&mut header)).is_err() || header == [0; 32] {
        return true;
    }
    let words: Vec<u32> = header
        .chunks_exact(4)
        .map(|word| match header[3] & 1 {
            1 => u32::from_be_bytes(word.try_into().unwrap_or_default()),
            _ => u32::from_le_bytes(word.try_into().unwrap_or_default()),
        })
        .collect();
    let sums = words[..6].chunks_exact(2).fold((0u32, 0u32), |(one, two), pair| {
        let one = one.wrapping_add(pair[0]).wrapping_add(two);
        (one, two.wrapping_add(pair[1]).wrapping_add(one))
    });
    let stored = [sums.0.to_be_bytes(), sums.1.to_be_bytes()].concat();
    matches!(header[..4], [0x37, 0x7f, 0x06, 0x82 | 0x83]) && header[24..] == stored
}

/// What to do where the system does not let us.
pub(super) const THEIRS: &str =
    "the file and its directory must belong to the user that runs huntline, and be writable";

/// What SQLite says, and what to do about it.
pub(super) fn words(error: &rusqlite::Error) -> String {
    let what_to_do = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "it is damaged, and was left as it is; restore a backup, or move it away to begin with an empty database"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => THEIRS,
        Some(ErrorCode::DiskFull) => "make room on its disk",
        _ => return error.to_string(),
    };
    format!("{error}; {what_to_do}")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Folder, call, numbered, ordinary};
    use super::super::{CallFilter, FILE, Reader};
    use super::*;

    #[test]
    fn the_log_of_a_router_that_was_killed_begins_well_and_a_bent_one_does_not() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        writer.append(&numbered(1, ordinary(call(0), 0))).unwrap();
        let path = folder.0.join(FILE);
        let log = log_of(&path);
        assert!(log.metadata().unwrap().len() > 32);
        assert_eq!(look(&path), Ok(()));
        // As a kill leaves them: the two files, and nobody who has closed them.
        let killed = Folder::new();
        std::fs::copy(&path, killed.0.join(FILE)).unwrap();
        let left = log_of(&killed.0.join(FILE));
        for bent in 0..32 {
            let mut bytes = std::fs::read(&log).unwrap();
            bytes[bent] ^= 0x40;
            std::fs::write(&left, &bytes).unwrap();
            assert!(look(&killed.0.join(FILE)).unwrap_err().contains("damaged"), "byte {bent}");
        }
        std::fs::copy(&log, &left).unwrap();
        drop(killed.writer());
        assert_eq!(Reader::open(&killed.0).unwrap().calls(&CallFilter::default()).unwrap().len(), 1);
    }

    #[test]
    fn a_log_that_was_never_written_to_is_no_reason_to_stop() {
        let folder = Folder::new();
        drop(folder.writer());
        let path = folder.0.join(FILE);
        for empty in [&[][..], &[0; 32], &[0; 4096]] {
            std::fs::write(log_of(&path), empty).unwrap();
            assert_eq!(look(&path), Ok(()));
            drop(folder.writer());
        }
    }
}
