//! The config file on disk: reads it, exchanges it, and keeps what was in force, with the environment, password files and
//! prompts it refers to.

mod private;
mod versions;

use std::fmt;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

pub use self::versions::{FOLDER, KEPT, Version, Versions};
use crate::clock::Timestamp;
pub use crate::config::version_of;
use crate::config::{Basics, Config, Loaded, Problems, Surroundings};
use crate::kill_point::kill_point;
use crate::media::wav::Wav;

/// Reads and checks a config file.
///
/// # Errors
/// Every problem at once; one alone where the file cannot be read.
pub fn load(file: &Path) -> Result<Loaded, Problems> {
    read(file).map(|(loaded, _)| loaded)
}

/// The same, with the text that was read.
///
/// # Errors
/// As [`load`].
pub fn read(file: &Path) -> Result<(Loaded, String), Problems> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Problems::unreadable(file, format!("this file cannot be read: {error}")))?;
    Config::read(file, &text, &Machine).map(|loaded| (loaded, text))
}

/// What commands need that only look: also of a config that cannot run, and then with what is wrong with it.
///
/// # Errors
/// The file cannot be read, or does not even say where the data lies.
pub fn basics(file: &Path) -> Result<(Basics, Option<Problems>), Problems> {
    let problems = match load(file) {
        Ok(loaded) => return Ok((loaded.config.into(), None)),
        Err(problems) => problems,
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    match Basics::of_broken(file, &text, &Machine) {
        Some(basics) if !text.is_empty() => Ok((basics, Some(problems))),
        _ => Err(problems),
    }
}

/// This machine's environment and files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

/// A password needs no more.
const LARGEST_PASSWORD_FILE: u64 = 4096;

impl Surroundings for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        // A name with = or NUL in it cannot be set, and asking for it must not panic.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok()
    }

    fn text(&self, path: &Path) -> Result<String, String> {
        let size = std::fs::metadata(path).map_err(|error| error.to_string())?;
        if !size.is_file() || size.len() > LARGEST_PASSWORD_FILE {
            return Err(format!("this is no file of at most {LARGEST_PASSWORD_FILE} bytes"));
        }
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn exists(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn unplayable(&self, path: &Path) -> Option<String> {
        let opened = std::fs::File::open(path).map_err(|error| error.to_string());
        let wav = opened.and_then(|file| Wav::open(BufReader::new(file)).map_err(|why| why.to_string()));
        wav.err()
    }

    #[cfg(unix)]
    fn others_can_read(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o004 != 0)
    }

    #[cfg(not(unix))]
    fn others_can_read(&self, _: &Path) -> bool {
        false
    }
}

/// Why a config file was not replaced. Nothing has changed then.
#[derive(Debug)]
pub enum NotReplaced {
    /// Somebody else has changed it since: the version that stands there.
    Changed(Arc<str>),
    /// The new text cannot be followed.
    Refused(Problems),
    /// There is no such version; in words for an admin.
    NoVersion(String),
    /// The machine does not do it; in words for an admin.
    Machine(String),
}

impl fmt::Display for NotReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotReplaced::Changed(version) => {
                write!(f, "the config file was changed meanwhile: it is of version {version}")
            }
            NotReplaced::Refused(problems) => {
                write!(f, "this config cannot be followed, the old one stays\n{problems}")
            }
            NotReplaced::NoVersion(why) | NotReplaced::Machine(why) => f.write_str(why),
        }
    }
}

/// The text of a config file, and its version.
///
/// # Errors
/// It cannot be read; in words for an admin.
pub fn text(file: &Path) -> Result<(String, Arc<str>), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let version = version_of(&text);
    Ok((text, version))
}

/// Whose doing a change is, for the record.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where versions are kept.
    pub versions: Versions,
    /// Who, or what: see [`Version::by`].
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Puts another text in the place of a config file that is still of the version `seen`: checked first, written beside it,
/// on the disk before it takes the name. A reader sees the old text or the new one, whole. What stood there is a version
/// afterwards, even if it never was in force; the new text is the latest one.
///
/// One change at a time, in whichever process. Whoever edits the file by hand at the same moment is seen by the version,
/// but for the blink between the last look and the exchange.
///
/// # Errors
/// See [`NotReplaced`].
pub fn replace(file: &Path, seen: &str, new: &str, change: &Change) -> Result<Loaded, NotReplaced> {
    let machine = |error: std::io::Error| NotReplaced::Machine(format!("{}: {error}", file.display()));
    let kept = |error: std::io::Error| NotReplaced::Machine(format!("the version in force cannot be kept: {error}"));
    let one_at_a_time = change.versions.lock().map_err(kept)?;
    let unchanged = || match text(file) {
        Ok((old, version)) if *version == *seen => Ok(old),
        Ok((_, version)) => Err(NotReplaced::Changed(version)),
        Err(why) => Err(NotReplaced::Machine(why)),
    };
    let old = unchanged()?;
    let loaded = Config::read(file, new, &Machine).map_err(NotReplaced::Refused)?;
    one_at_a_time.is_replaced(&old, change.at).map_err(kept)?;
    // Where the name is a link, what it leads to is exchanged.
    let target = std::fs::canonicalize(file).map_err(machine)?;
    let like = std::fs::metadata(&target).map_err(machine)?;
    kill_point("before_exchange");
    unchanged()?;
    private::put(&target, like.permissions().mode(), &like, new).map_err(machine)?;
    kill_point("after_exchange");
    // From here on the file says so: what the record does not know, the next start or reload adds to it.
    if let Err(error) = one_at_a_time.came_into_force(new, &change.by, change.at) {
        tracing::warn!(%error, "the config was exchanged, and its version is not kept");
    }
    Ok(loaded)
}

/// Puts an older version in the place of the config file, as [`replace`] does: today's rules hold for it.
///
/// # Errors
/// See [`NotReplaced`].
pub fn roll_back(file: &Path, number: u32, seen: Option<&str>, change: &Change) -> Result<Loaded, NotReplaced> {
    let (_, old) = change.versions.read(number).map_err(NotReplaced::NoVersion)?;
    let version;
    let seen = match seen {
        Some(seen) => seen,
        None => {
            (_, version) = text(file).map_err(NotReplaced::Machine)?;
            &version
        }
    };
    replace(file, seen, &old, &Change { by: format!("{}rollback to {number}", change.by), ..change.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_one_problem_with_its_name() {
        let problems = load(Path::new("no/such/office.toml")).unwrap_err();
        let shown = problems.to_string();
        assert!(shown.starts_with("no/such/office.toml:1:1: error: file: this file cannot be read: "), "{shown}");
        assert!(shown.ends_with("1 error, 0 warnings"), "{shown}");
    }

    #[test]
    fn the_office_of_this_repository_loads_with_this_machine_around_it() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/office.toml");
        let loaded = load(&file).map_err(|problems| problems.to_string()).unwrap();
        // A fresh clone may leave the file readable by everyone; nothing else is to be said of it.
        let said: Vec<&str> = loaded.warnings.iter().map(|problem| problem.field.as_str()).collect();
        assert!(said.is_empty() || said == ["password"], "{said:?}");
        assert_eq!(Machine.variable(""), None);
        assert_eq!(Machine.variable("A=B"), None);
        assert!(Machine.exists(&file) && Machine.text(&file).is_err());
        assert_eq!(Machine.unplayable(&file).as_deref(), Some("it is no WAV file"));
    }
}
