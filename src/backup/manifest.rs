//! What a backup says of itself, and which names may stand in it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::control::SOCKET;

/// The manifest's name in the archive, where it is the last.
pub(super) const NAME: &str = "manifest.json";
/// The kind of archive that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
/// Where in the archive the config file stands.
pub(super) const CONFIG: &str = "config/";
/// Where in the archive the data directory stands.
pub(super) const DATA: &str = "data/";
/// Where a restore unpacks, within the data directory.
pub(super) const STAGING: &str = "restoring";
/// How the folders begin that have what was there before a restore.
pub(super) const ASIDE: &str = "before-restore-";

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The kind of archive.
    pub format: u32,
    /// The program that made it.
    pub huntline: String,
    /// The version of the database's tables.
    pub schema: i64,
    /// When its making began; the database is of a moment soon after.
    pub made: Timestamp,
    /// True where recordings of talks were left out. Messages never are.
    pub without_recordings: bool,
    /// Every file of it.
    pub files: Vec<Entry>,
}

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the archive.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// … and their SHA-256, as 64 hex digits.
    pub sha256: String,
}

impl Manifest {
    /// All bytes.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// Why a name may not stand in a backup: whoever unpacks it must stay within the data directory, whatever somebody has
/// written into the archive.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    if name.contains(['\0', '\\']) || !name.split('/').all(is_plain) {
        return Some("it leads out of the folder");
    }
    match (name.strip_prefix(CONFIG), name.strip_prefix(DATA)) {
        (Some(file), _) if !file.contains('/') => None,
        (_, Some(file)) if is_kept(file) => None,
        _ => Some("nothing of that name belongs into a backup"),
    }
}

/// False for what is the running process's own, or was put aside: names within the data directory.
pub(super) fn is_kept(file: &str) -> bool {
    let first = file.split('/').next().unwrap_or_default();
    let beside_the_database = first.starts_with(crate::store::FILE) && first != crate::store::FILE;
    !(beside_the_database || first.starts_with(SOCKET) || first == STAGING || first.starts_with(ASIDE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_folder() {
        for good in ["config/office.toml", "data/huntline.db", "data/voicemail/sales/a.wav", "data/a..b"] {
            assert_eq!(refused(good), None, "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "data/../../etc/passwd",
            "../x",
            "data/./x",
            "data//x",
            "data/",
            "config/a/b",
            "etc/passwd",
            "data/huntline.sock",
            "data/huntline.db-wal",
            "data/restoring/x",
            "data/before-restore-1/x",
            "data/a\\b",
        ] {
            assert!(refused(bad).is_some(), "{bad:?}");
        }
    }
}
