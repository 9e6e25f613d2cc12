//! Looking at every byte of a backup: whether it is whole, and whether it may be unpacked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::manifest::{self, CONFIG, DATA, Entry, FORMAT, Manifest};
use crate::store;

/// The largest manifest and the largest config that are read into memory.
const LONGEST: u64 = 64 << 20;

/// Looks at a whole backup: every file is there, as long as it was and with the bytes it had, and nothing else.
///
/// # Errors
/// It is none, it is not whole, it was changed, or a newer program made it; in words for an admin.
pub fn verify(archive: &Path) -> Result<Manifest, String> {
    read(archive, None).map(|(manifest, _)| manifest)
}

/// The same, and the config's text. With a folder, what is under `data/` is unpacked there, which must be empty.
pub(super) fn read(archive: &Path, into: Option<&Path>) -> Result<(Manifest, String), String> {
    let named = |why: String| format!("{}: {why}", archive.display());
    let failed = |error: io::Error| named(error.to_string());
    let file = File::open(archive).map_err(failed)?;
    let mut opened = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    let (mut manifest, mut config) = (None, None);
    for entry in opened.entries().map_err(failed)? {
        let mut entry = entry.map_err(|error| named(format!("this is no backup, or not a whole one: {error}")))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(named(format!("{name} is no plain file; nothing was unpacked")));
        }
        let size = entry.size();
        if name == manifest::NAME {
            let mut text = Vec::new();
            (&mut entry).take(LONGEST).read_to_end(&mut text).map_err(failed)?;
            let read: Manifest = serde_json::from_slice(&text)
                .map_err(|error| named(format!("its manifest cannot be read: {error}")))?;
            manifest = Some(read);
            continue;
        }
        if let Some(why) = manifest::refused(&name) {
            return Err(named(format!("{name}: {why}")));
        }
        if found.contains_key(&name) {
            return Err(named(format!("{name} is in it twice")));
        }
        let mut sink: Box<dyn Write> = match (into, name.strip_prefix(DATA)) {
            (Some(folder), Some(file)) => Box::new(
                place(folder, file, entry.header().mode().unwrap_or(0o600))
                    .map_err(|error| format!("{}: {error}", folder.join(file).display()))?,
            ),
            _ => Box::new(io::sink()),
        };
        let mut hash = Sha256::new();
        let mut text = Vec::new();
        let mut room = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let read = entry.read(&mut room).map_err(failed)?;
            if read == 0 {
                break;
            }
            hash.update(&room[..read]);
            bytes += read as u64;
            if name.starts_with(CONFIG) && bytes <= LONGEST {
                text.extend_from_slice(&room[..read]);
            }
            sink.write_all(&room[..read]).map_err(|error| format!("{name} cannot be written: {error}"))?;
        }
        sink.flush().map_err(|error| format!("{name} cannot be written: {error}"))?;
        if bytes != size {
            return Err(named(format!("{name} breaks off: {bytes} of {size} bytes")));
        }
        if name.starts_with(CONFIG) {
            config = Some(String::from_utf8(text).map_err(|_| named(format!("{name} is no text")))?);
        }
        found.insert(name.clone(), Entry { path: name, size, sha256: hex(&hash.finalize()) });
    }
    let manifest = manifest.ok_or_else(|| named("it is not whole: it has no manifest at its end".into()))?;
    if manifest.format > FORMAT {
        let (theirs, ours) = (&manifest.huntline, env!("CARGO_PKG_VERSION"));
        return Err(named(format!("huntline {theirs} made it, in a way that {ours} does not know; use that one")));
    }
    if manifest.schema > store::SCHEMA {
        let (theirs, ours) = (&manifest.huntline, env!("CARGO_PKG_VERSION"));
        let (tables, known) = (manifest.schema, store::SCHEMA);
        return Err(named(format!(
            "its database has tables of version {tables} (huntline {theirs}), this huntline ({ours}) knows them up to \
             {known}: restore it with huntline {theirs} or a newer one"
        )));
    }
    compare(&manifest, &found).map_err(named)?;
    let config = config.ok_or_else(|| named("there is no config in it".into()))?;
    Ok((manifest, config))
}

fn compare(manifest: &Manifest, found: &BTreeMap<String, Entry>) -> Result<(), String> {
    for entry in &manifest.files {
        match found.get(&entry.path) {
            None => return Err(format!("{} is missing", entry.path)),
            Some(there) if there != entry => {
                return Err(format!("{} is not what it was when the backup was made (SHA-256)", entry.path));
            }
            Some(_) => {}
        }
    }
    if let Some(more) = found.keys().find(|name| !manifest.files.iter().any(|entry| entry.path == **name)) {
        return Err(format!("{more} is in it and not in its manifest"));
    }
    let database = format!("{DATA}{}", store::FILE);
    if !found.contains_key(&database) {
        return Err("there is no database in it".into());
    }
    Ok(())
}

/// A new file below `folder`, with the folders on the way. It is on the disk when it is closed.
fn place(folder: &Path, file: &str, mode: u32) -> io::Result<Synced> {
    let path = folder.join(file);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    // Never more than its owner was allowed then, and always what its owner needs.
    opened.set_permissions(std::fs::Permissions::from_mode(mode & 0o777 | 0o600))?;
    Ok(Synced(opened))
}

/// A file of which `flush` means: on the disk.
struct Synced(File);

impl Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
