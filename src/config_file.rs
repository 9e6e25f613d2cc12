//! The config file on disk: reads it, and exchanges it, with the environment, password files and prompts it refers to.

use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::config::version_of;
use crate::config::{Basics, Config, Loaded, Problems, Surroundings};
use crate::media::wav::Wav;

/// Reads and checks a config file.
///
/// # Errors
/// Every problem at once; one alone where the file cannot be read.
pub fn load(file: &Path) -> Result<Loaded, Problems> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Problems::unreadable(file, format!("this file cannot be read: {error}")))?;
    Config::read(file, &text, &Machine)
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
    /// The machine does not do it; in words for an admin.
    Machine(String),
}

/// One change of a config file at a time, within this process. Whoever edits it by hand at the same moment is seen by the
/// version, but for the blink between the last look and the exchange.
static EXCHANGE: Mutex<()> = Mutex::new(());

/// The text of a config file, and its version.
///
/// # Errors
/// It cannot be read; in words for an admin.
pub fn text(file: &Path) -> Result<(String, Arc<str>), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let version = version_of(&text);
    Ok((text, version))
}

/// Puts another text in the place of a config file that is still of the version `seen`: checked first, written beside it,
/// on the disk before it takes the name. A reader sees the old text or the new one, whole.
///
/// # Errors
/// See [`NotReplaced`].
pub fn replace(file: &Path, seen: &str, new: &str) -> Result<Loaded, NotReplaced> {
    let _one_at_a_time = EXCHANGE.lock().unwrap_or_else(PoisonError::into_inner);
    let unchanged = || match text(file) {
        Ok((_, version)) if *version == *seen => Ok(()),
        Ok((_, version)) => Err(NotReplaced::Changed(version)),
        Err(why) => Err(NotReplaced::Machine(why)),
    };
    unchanged()?;
    let loaded = Config::read(file, new, &Machine).map_err(NotReplaced::Refused)?;
    let machine = |error: std::io::Error| NotReplaced::Machine(format!("{}: {error}", file.display()));
    // Where the name is a link, what it leads to is exchanged.
    let target = std::fs::canonicalize(file).map_err(machine)?;
    let beside = target.with_extension("toml.new");
    let written = write(&beside, &target, new).map_err(machine).and_then(|()| unchanged());
    let exchanged = written.and_then(|()| std::fs::rename(&beside, &target).map_err(machine));
    if exchanged.is_err() {
        _ = std::fs::remove_file(&beside);
    }
    exchanged?;
    // The exchange itself is on the disk when its folder is.
    if let Some(folder) = target.parent() {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(machine)?;
    }
    Ok(loaded)
}

/// A file with this text, as private as `like`, on the disk.
fn write(path: &Path, like: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    _ = std::fs::remove_file(path);
    let permissions = std::fs::metadata(like)?.permissions();
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(permissions.mode() & 0o600).open(path)?;
    file.set_permissions(permissions)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
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
