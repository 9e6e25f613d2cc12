//! The way back: a backup becomes the config file and the data directory, whole or not at all.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::exchange::{self, Exchange};
use super::manifest::{ASIDE, Manifest, STAGING};
use super::read;
use crate::clock::Timestamp;
use crate::config::Basics;
use crate::config_file::Machine;
use crate::control::SOCKET;
use crate::kill_point::kill_point;

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup said of itself.
    pub manifest: Manifest,
    /// The data directory.
    pub directory: PathBuf,
    /// Where what had stood there is now.
    pub aside: Option<PathBuf>,
    /// Where the config is now that had stood there.
    pub config_aside: Option<PathBuf>,
}

/// Puts a backup into the place of the config file and of the data directory that its config names. Every byte of it is
/// looked at before anything is touched. With `force`, what stands there already is put aside, never deleted.
///
/// # Errors
/// The backup is not whole, a newer program made it, a router runs there, or something stands there (without `force`); in
/// words for an admin. Everything is as it was then.
pub fn restore(archive: &Path, config: &Path, force: bool, at: Timestamp) -> Result<Restored, String> {
    let said = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("{path}: {error}")
    };
    // Whoever ends what was decided here may stand in another folder.
    let config = &*std::path::absolute(config).map_err(said(config))?;
    exchange::finish(config).map_err(said(config))?;
    let (_, text) = read::read(archive, None)?;
    let basics = Basics::of_broken(config, &text, &Machine)
        .ok_or_else(|| format!("{}: its config does not say where the data lies", archive.display()))?;
    let directory = std::path::absolute(basics.storage.directory).map_err(said(config))?;
    if UnixStream::connect(directory.join(SOCKET)).is_ok() {
        return Err(format!("{}: a router runs on this data directory; stop it first", directory.display()));
    }
    let old = names(&directory).map_err(said(&directory))?;
    let other_config = match std::fs::read(config) {
        Ok(there) => there != text.as_bytes(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    if !force {
        if let Some(first) = old.first() {
            let directory = directory.display();
            return Err(format!("{directory} is not empty ({first} is there); --force puts what is there aside"));
        }
        if other_config {
            return Err(format!("{} is there already, and another one; --force puts it aside", config.display()));
        }
    }
    std::fs::create_dir_all(&directory).map_err(said(&directory))?;
    if let Some(folder) = config.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(said(folder))?;
    }
    let staging = directory.join(STAGING);
    let unpacked = unpack(archive, &staging);
    let manifest = unpacked.inspect_err(|_| {
        _ = std::fs::remove_dir_all(&staging);
    })?;
    exchange::write(&exchange::waiting(config), text.as_bytes()).map_err(said(config))?;
    kill_point("restore_unpacked");
    // Names in the local time of nobody: the same in every order.
    let moment = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let aside = directory.join(format!("{ASIDE}{moment}"));
    let config_aside = exchange::with(config, &format!("{ASIDE}{moment}"));
    let new = names(&staging).map_err(said(&staging))?;
    let had_data = !old.is_empty();
    let had_config = config.exists();
    let decided =
        Exchange { directory: directory.clone(), aside: aside.clone(), old, new, config_aside: config_aside.clone() };
    exchange::decide(config, &decided).map_err(said(config))?;
    kill_point("restore_decided");
    exchange::finish(config).map_err(|error| {
        format!("{}: {error}; it goes on with the next `huntline restore` or `serve`", config.display())
    })?;
    let (aside, config_aside) = (had_data.then_some(aside), had_config.then_some(config_aside));
    Ok(Restored { manifest, directory, aside, config_aside })
}

/// Unpacks into a folder, which is on the disk then and belongs to who owns the folder above it.
fn unpack(archive: &Path, staging: &Path) -> Result<Manifest, String> {
    let said = |error: io::Error| format!("{}: {error}", staging.display());
    // What an earlier restore that was cut off has left.
    match std::fs::remove_dir_all(staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(said(error)),
        _ => {}
    }
    std::fs::create_dir(staging).map_err(said)?;
    let (manifest, _) = read::read(archive, Some(staging))?;
    let above = staging.parent().unwrap_or(staging);
    let owner = std::fs::metadata(above).map_err(said)?;
    settle(staging, (owner.uid(), owner.gid())).map_err(said)?;
    Ok(manifest)
}

/// Folders to the disk, and everything to its owner, where we may give things away.
fn settle(path: &Path, owner: (u32, u32)) -> io::Result<()> {
    let about = std::fs::symlink_metadata(path)?;
    if (about.uid(), about.gid()) != owner {
        _ = chown(path, Some(owner.0), Some(owner.1));
    }
    if about.is_dir() {
        for entry in std::fs::read_dir(path)? {
            settle(&entry?.path(), owner)?;
        }
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// What stands in a folder, in order; nothing where there is none. What earlier restores have put aside, and what a file
/// system puts there by itself, does not count.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != STAGING && name != "lost+found" && !name.starts_with(ASIDE) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
