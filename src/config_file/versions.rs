//! Every config that was in force: kept with its time, its number and whose doing it was, so that each can be looked at,
//! compared and put back.
//!
//! A version is a file of its own in the folder [`FOLDER`] of the data directory, readable by the router's user alone, for
//! it holds what the config file holds, passwords among it. It can be read where the database cannot: a line that says what
//! it is, and then the text, to the letter.
//!
//! ```text
//! #! {"number":17,"at":"2026-11-24T15:32:00Z","by":"reload","in_force":true,"version":"0123456789ab"}
//! [site]
//! …
//! ```
//!
//! The last [`KEPT`] stay, and always the one in force. A password that is written as `env:NAME` or `{ file = "…" }` is not
//! in the text, and so it is in no version.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::private;
use crate::clock::Timestamp;
use crate::config::version_of;
use crate::kill_point::kill_point;

/// The folder's name within `storage.directory`.
pub const FOLDER: &str = "config-versions";
/// How many versions stay.
pub const KEPT: usize = 200;

/// How the line begins that says what a version is.
const MARK: &str = "#! ";
/// Held by whoever adds a version or exchanges the config file, in whichever process.
const LOCK: &str = "lock";

/// What is known of a version besides its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counts from 1, and never again.
    pub number: u32,
    /// Since when it was in force; where it never was, when it was replaced.
    pub at: Timestamp,
    /// Whose doing it was: `start`, `reload`, `token crm`, `rollback to 12`, `by hand`.
    pub by: String,
    /// False: it stood in the file, and was replaced before anybody put it into force.
    pub in_force: bool,
    /// What names its text in facts and logs ([`version_of`]).
    pub version: Arc<str>,
}

/// The versions of one data directory.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
}

/// Nobody else adds a version while this is held.
#[derive(Debug)]
pub(super) struct Locked<'v> {
    versions: &'v Versions,
    _lock: File,
}

impl Versions {
    /// Those kept in a data directory. Nothing is touched yet.
    pub fn of(directory: &Path) -> Versions {
        Versions { folder: directory.join(FOLDER) }
    }

    /// All that are kept, the oldest first. A file that is none of ours, or is damaged in its first line, is left out.
    ///
    /// # Errors
    /// The folder cannot be read; that there is none yet is no error.
    pub fn list(&self) -> io::Result<Vec<Version>> {
        let mut found = Vec::new();
        for number in self.numbers()? {
            // Beside us somebody may add a version, and the oldest goes.
            let Ok(file) = std::fs::read_to_string(self.path(number)) else { continue };
            found.extend(split(&file).map(|(version, _)| version).filter(|version| version.number == number));
        }
        Ok(found)
    }

    /// The numbers that are taken, in order.
    fn numbers(&self) -> io::Result<Vec<u32>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = entries.map(|entry| Ok(number_of(&entry?.path())));
        let mut numbers: Vec<u32> = names.filter_map(io::Result::transpose).collect::<io::Result<_>>()?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The version that came into force last.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn in_force(&self) -> io::Result<Option<Version>> {
        Ok(self.list()?.into_iter().rfind(|version| version.in_force))
    }

    /// One version with its text.
    ///
    /// # Errors
    /// It is not kept, or its file is not what was written; in words for an admin.
    pub fn read(&self, number: u32) -> Result<(Version, String), String> {
        let path = self.path(number);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(format!("there is no version {number}; `huntline config history` lists them"));
            }
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        match split(&text) {
            Some((version, text)) if version.number == number && *version.version == *version_of(text) => {
                Ok((version, text.to_owned()))
            }
            _ => Err(format!("{}: this file is not what was written there", path.display())),
        }
    }

    /// Keeps a config that is in force now; gives its number where it is another one than before.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn came_into_force(&self, text: &str, by: &str, at: Timestamp) -> io::Result<Option<u32>> {
        self.lock()?.came_into_force(text, by, at)
    }

    /// Waits until nobody else adds a version or exchanges the config file.
    pub(super) fn lock(&self) -> io::Result<Locked<'_>> {
        if !self.folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            if let Some(parent) = self.folder.parent() {
                private::belongs_to(&self.folder, &std::fs::metadata(parent)?)?;
                File::open(parent)?.sync_all()?;
            }
        }
        let path = self.folder.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        private::belongs_to(&path, &std::fs::metadata(&self.folder)?)?;
        lock.lock()?;
        Ok(Locked { versions: self, _lock: lock })
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:06}.toml"))
    }
}

impl Locked<'_> {
    /// See [`Versions::came_into_force`].
    pub(super) fn came_into_force(&self, text: &str, by: &str, at: Timestamp) -> io::Result<Option<u32>> {
        let known = self.versions.list()?;
        let version = version_of(text);
        if known.iter().rfind(|known| known.in_force).is_some_and(|last| last.version == version) {
            return Ok(None);
        }
        self.add(&known, Version { number: 0, at, by: by.to_owned(), in_force: true, version }, text).map(Some)
    }

    /// Keeps what stood in the file and is about to be replaced, where no version has that text yet.
    pub(super) fn is_replaced(&self, text: &str, at: Timestamp) -> io::Result<Option<u32>> {
        let known = self.versions.list()?;
        let version = version_of(text);
        if known.iter().any(|known| known.version == version) {
            return Ok(None);
        }
        self.add(&known, Version { number: 0, at, by: "by hand".into(), in_force: false, version }, text).map(Some)
    }

    fn add(&self, known: &[Version], new: Version, text: &str) -> io::Result<u32> {
        let number = self.versions.numbers()?.last().map_or(1, |last| last.saturating_add(1));
        let head = serde_json::to_string(&Version { number, ..new.clone() })?;
        let owner = std::fs::metadata(&self.versions.folder)?;
        kill_point("before_version");
        private::put(&self.versions.path(number), 0o600, &owner, &format!("{MARK}{head}\n{text}"))?;
        kill_point("after_version");
        let in_force = known.iter().rfind(|version| version.in_force).filter(|_| !new.in_force);
        let too_many = (known.len() + 1).saturating_sub(KEPT);
        for old in known.iter().take(too_many).filter(|old| Some(*old) != in_force) {
            std::fs::remove_file(self.versions.path(old.number))?;
        }
        Ok(number)
    }
}

fn number_of(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok())?
}

fn split(file: &str) -> Option<(Version, &str)> {
    let (head, text) = file.strip_prefix(MARK)?.split_once('\n')?;
    Some((serde_json::from_str(head).ok()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::Folder;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn shown(versions: &Versions) -> Vec<(u32, String, bool)> {
        versions.list().unwrap().into_iter().map(|version| (version.number, version.by, version.in_force)).collect()
    }

    #[test]
    fn what_came_into_force_is_kept_once_and_to_the_letter_for_nobody_elses_eyes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let versions = Versions::of(&folder.0);
        assert_eq!((versions.list().unwrap(), versions.in_force().unwrap()), (Vec::new(), None));
        let text = "#! not ours\r\n[site]\nname = \"Б\"";
        assert_eq!(versions.came_into_force(text, "start", at(0)).unwrap(), Some(1));
        assert_eq!(versions.came_into_force(text, "reload", at(1)).unwrap(), None);
        assert_eq!(versions.came_into_force("", "token crm", at(2)).unwrap(), Some(2));
        assert_eq!(versions.came_into_force(text, "rollback to 1", at(3)).unwrap(), Some(3));
        assert_eq!(
            shown(&versions),
            [(1, "start".into(), true), (2, "token crm".into(), true), (3, "rollback to 1".into(), true)]
        );
        let (version, read) = versions.read(1).unwrap();
        assert_eq!((read.as_str(), version.at, version.version), (text, at(0), version_of(text)));
        assert_eq!(versions.read(9), Err("there is no version 9; `huntline config history` lists them".into()));
        let mode =
            |name: &str| std::fs::metadata(folder.0.join(FOLDER).join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("000001.toml"), mode(LOCK)), (0o700, 0o600, 0o600));
    }

    #[test]
    fn what_was_replaced_without_ever_being_in_force_is_kept_and_called_so() {
        let folder = Folder::new();
        let versions = Versions::of(&folder.0);
        versions.came_into_force("a = 1", "start", at(0)).unwrap();
        let locked = versions.lock().unwrap();
        assert_eq!(locked.is_replaced("a = 1", at(1)).unwrap(), None);
        assert_eq!(locked.is_replaced("a = 2", at(1)).unwrap(), Some(2));
        drop(locked);
        assert_eq!(versions.in_force().unwrap().unwrap().number, 1);
        // Put into force after all, it is a version of its own.
        assert_eq!(versions.came_into_force("a = 2", "reload", at(2)).unwrap(), Some(3));
        assert_eq!(
            shown(&versions),
            [(1, "start".into(), true), (2, "by hand".into(), false), (3, "reload".into(), true)]
        );
    }

    #[test]
    fn the_last_two_hundred_stay_and_always_the_one_in_force() {
        let folder = Folder::new();
        let versions = Versions::of(&folder.0);
        versions.came_into_force("a = 0", "start", at(0)).unwrap();
        let locked = versions.lock().unwrap();
        for number in 1..=KEPT {
            locked.is_replaced(&format!("a = {number}"), at(1)).unwrap();
        }
        drop(locked);
        let numbers: Vec<u32> = versions.list().unwrap().iter().map(|version| version.number).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[1], numbers[KEPT]), (KEPT + 1, 1, 2, 201));
        versions.came_into_force("a = 999", "reload", at(2)).unwrap();
        let numbers: Vec<u32> = versions.list().unwrap().iter().map(|version| version.number).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[KEPT - 1]), (KEPT, 3, 202));
    }

    #[test]
    fn a_damaged_version_is_not_taken_for_a_config() {
        let folder = Folder::new();
        let versions = Versions::of(&folder.0);
        versions.came_into_force("a = 1", "start", at(0)).unwrap();
        let path = versions.path(1);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("a = 1", "a = 7")).unwrap();
        assert!(versions.read(1).unwrap_err().ends_with("this file is not what was written there"));
        std::fs::write(&path, "nothing").unwrap();
        assert_eq!(versions.list().unwrap(), []);
        // Its number is not given to another.
        std::fs::write(folder.0.join(FOLDER).join("readme.toml"), "x").unwrap();
        assert_eq!(versions.came_into_force("a = 1", "start", at(0)).unwrap(), Some(2));
        assert_eq!(shown(&versions), [(2, "start".into(), true)]);
    }
}
