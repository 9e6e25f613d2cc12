//! Files that hold secrets: written whole or not at all, and never readable by more people than their pattern.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

/// Puts a text under a name, in the place of what was there: a reader finds the old one or the new one, whole, and so does
/// whoever comes after a power cut.
///
/// # Errors
/// The system does not do it; what was there is still there then.
pub(super) fn put(path: &Path, mode: u32, owner: &Metadata, text: &str) -> io::Result<()> {
    let written = write(&beside(path), mode, owner, text);
    let put = written.and_then(|()| std::fs::rename(beside(path), path));
    if put.is_err() {
        _ = std::fs::remove_file(beside(path));
    }
    put?;
    // The name itself is on the disk when its folder is.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The file that is written before it takes the name of `path`.
pub(super) fn beside(path: &Path) -> std::path::PathBuf {
    path.with_extension("toml.new")
}

/// A file with this text, on the disk.
pub(super) fn write(path: &Path, mode: u32, owner: &Metadata, text: &str) -> io::Result<()> {
    _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(path)?;
    belongs_to(path, owner)?;
    file.set_permissions(Permissions::from_mode(mode & 0o777))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What root writes beside somebody's files is theirs, or the router could not read it. Nobody else can give files away.
pub(super) fn belongs_to(path: &Path, owner: &Metadata) -> io::Result<()> {
    let made = std::fs::metadata(path)?;
    if (made.uid(), made.gid()) != (owner.uid(), owner.gid()) {
        _ = chown(path, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(())
}
