//! What a restore puts in the place of what: first everything lies unpacked beside the old, then one file says what is to
//! happen, and only then things move. Cut off before that file, everything is as it was; after it, the next start goes on
//! where it was cut off.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::STAGING;
use crate::kill_point::kill_point;

/// What is to happen.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Exchange {
    /// The data directory.
    pub(super) directory: PathBuf,
    /// The folder in it to which the old goes; there is none where there is nothing old.
    pub(super) aside: PathBuf,
    /// What stands in the data directory now, and goes.
    pub(super) old: Vec<String>,
    /// What lies unpacked, and comes.
    pub(super) new: Vec<String>,
    /// Where the old config file goes.
    pub(super) config_aside: PathBuf,
}

/// The file that says what is to happen, beside the config file.
fn decision(config: &Path) -> PathBuf {
    with(config, "restoring")
}

/// Where the restored config waits.
pub(super) fn waiting(config: &Path) -> PathBuf {
    with(config, "restored")
}

pub(super) fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Decides: from here on it will happen, whatever cuts us off.
pub(super) fn decide(config: &Path, exchange: &Exchange) -> io::Result<()> {
    let fresh = with(config, "restoring.new");
    write(&fresh, &serde_json::to_vec(exchange)?)?;
    std::fs::rename(&fresh, decision(config))?;
    sync_folder_of(config)
}

/// A file with these bytes for nobody else's eyes, on the disk.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Does what a restore had decided and did not come to the end of, as one that was killed. True where there was something
/// to do. To be called before anything reads the config or the data.
///
/// # Errors
/// Something cannot be moved; it is tried again by the next call.
pub fn finish(config: &Path) -> io::Result<bool> {
    let text = match std::fs::read(decision(config)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let Exchange { directory, aside, old, new, config_aside } = serde_json::from_slice(&text)?;
    let staging = directory.join(STAGING);
    let put_aside = |name: &str| -> io::Result<()> {
        std::fs::create_dir_all(&aside)?;
        std::fs::rename(directory.join(name), aside.join(name))
    };
    // What belongs to the old database goes before the new one comes.
    for name in old.iter().filter(|name| !new.contains(name)) {
        if exists(&directory.join(name)) {
            put_aside(name)?;
        }
    }
    for name in &new {
        let unpacked = staging.join(name);
        // What waits no more has come already.
        if exists(&unpacked) {
            if exists(&directory.join(name)) {
                put_aside(name)?;
            }
            std::fs::rename(&unpacked, directory.join(name))?;
            kill_point("restore_moved");
        }
    }
    File::open(&directory)?.sync_all()?;
    if exists(&waiting(config)) {
        if exists(config) {
            std::fs::rename(config, &config_aside)?;
        }
        kill_point("restore_moved");
        std::fs::rename(waiting(config), config)?;
        sync_folder_of(config)?;
    }
    _ = std::fs::remove_dir(&staging);
    std::fs::remove_file(decision(config))?;
    sync_folder_of(config)?;
    Ok(true)
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

pub(super) fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
