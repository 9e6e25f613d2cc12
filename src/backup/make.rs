//! The way out: everything into one file, beside a running router.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::{self, CONFIG, DATA, Entry, FORMAT, Manifest};
use crate::clock::{Duration, Timestamp};
use crate::store;

/// What is to be backed up, and whereto.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The config file.
    pub config: &'a Path,
    /// `storage.directory`.
    pub directory: &'a Path,
    /// The file to be made; one of this name is replaced when the new one is whole and on the disk.
    pub to: &'a Path,
    /// With recordings of talks. Messages are always in it.
    pub recordings: bool,
    /// What time it is.
    pub at: Timestamp,
}

/// Makes a backup. A running router goes on and does not wait. When this returns the file is whole and on the disk; after
/// an error a file of that name is the old one.
///
/// # Errors
/// Something cannot be read or written; in words for an admin.
pub fn make(wanted: Wanted<'_>) -> Result<Manifest, String> {
    let said = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("{path}: {error}")
    };
    let folder = match wanted.to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => folder,
        None => Path::new("."),
    };
    let place = std::fs::canonicalize(folder).map_err(said(folder))?;
    let data = std::fs::canonicalize(wanted.directory).map_err(said(wanted.directory))?;
    if place.starts_with(&data) {
        let (to, data) = (wanted.to.display(), data.display());
        return Err(format!("{to} lies in {data}, so the next backup would hold this one; choose another folder"));
    }
    let (part, copy) = (beside(wanted.to, "part"), beside(wanted.to, "db-part"));
    let made = write(wanted, &part, &copy);
    _ = std::fs::remove_file(&copy);
    let made = made.and_then(|manifest| {
        std::fs::rename(&part, wanted.to).map_err(said(wanted.to))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(said(folder))?;
        Ok(manifest)
    });
    if made.is_err() {
        _ = std::fs::remove_file(&part);
    }
    made
}

fn write(wanted: Wanted<'_>, part: &Path, copy: &Path) -> Result<Manifest, String> {
    let Wanted { config, directory, recordings, at, .. } = wanted;
    // The database first: what it names is in the folders by then.
    fresh(copy).map_err(|error| format!("{}: {error}", copy.display()))?;
    let schema = store::take_snapshot(directory, copy).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    gather(directory, directory, recordings, &mut files)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    files.sort();

    let failed = |error: io::Error| format!("{}: {error}", part.display());
    let file = fresh(part).map_err(failed)?;
    let mut archive = tar::Builder::new(BufWriter::with_capacity(1 << 20, Gentle { file, waiting: 0 }));
    let mut entries = Vec::new();
    let name = config.file_name().and_then(|name| name.to_str()).unwrap_or("office.toml");
    let mut add = |path: String, from: &Path| -> Result<(), String> {
        match append(&mut archive, &path, from, at) {
            Ok(entry) => entries.push(entry),
            // Recordings are erased when their time is over, also at this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.starts_with(DATA) => {}
            Err(error) => return Err(format!("{}: {error}", from.display())),
        }
        Ok(())
    };
    add(format!("{CONFIG}{name}"), config)?;
    add(format!("{DATA}{}", store::FILE), copy)?;
    for file in files {
        let Some(name) = file.to_str() else {
            return Err(format!("{}: a name that is no text cannot be backed up", directory.join(&file).display()));
        };
        if manifest::is_kept(name) && name != store::FILE {
            add(format!("{DATA}{name}"), &directory.join(&file))?;
        }
    }
    let huntline = env!("CARGO_PKG_VERSION").to_owned();
    let files = entries;
    let manifest = Manifest { format: FORMAT, huntline, schema, made: at, without_recordings: !recordings, files };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| error.to_string())?;
    let mut header = header(text.len() as u64, 0o600, at.as_second());
    archive.append_data(&mut header, manifest::NAME, &text[..]).map_err(failed)?;
    let mut file = archive.into_inner().map_err(failed)?;
    file.flush().map_err(failed)?;
    file.get_ref().file.sync_all().map_err(failed)?;
    Ok(manifest)
}

/// So many bytes are brought to the disk together: one that had to take a whole backup at once would let the journal wait.
const BROUGHT: usize = 4 << 20;
/// After that whoever writes beside us is served.
const PAUSE: Duration = Duration::from_millis(2);

/// A file that is written without crowding others out.
struct Gentle {
    file: File,
    /// Bytes that are not on the disk yet, at most.
    waiting: usize,
}

impl Write for Gentle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.waiting += written;
        if self.waiting >= BROUGHT {
            self.waiting = 0;
            self.file.sync_data()?;
            std::thread::sleep(PAUSE);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A new file for nobody else's eyes.
fn fresh(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Every file below `folder`, by its way from `root`. A folder that stands elsewhere (a link right in the data directory)
/// counts as if it stood here; other links are passed over, for they may lead anywhere.
fn gather(root: &Path, folder: &Path, recordings: bool, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let at_top = folder == root;
        let kind = if at_top { std::fs::metadata(&path).map(|what| what.file_type()) } else { entry.file_type() };
        let Ok(kind) = kind else { continue };
        let Ok(way) = path.strip_prefix(root) else { continue };
        let is_left_out = at_top && way.as_os_str() == "recordings" && !recordings;
        if kind.is_dir() && !is_left_out && way.to_str().is_none_or(manifest::is_kept) {
            match gather(root, &path, recordings, into) {
                // The folder of a day goes with its last recording.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        } else if kind.is_file() {
            into.push(way.to_owned());
        }
    }
    Ok(())
}

fn header(size: u64, mode: u32, changed: i64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(u64::try_from(changed).unwrap_or(0));
    header
}

/// A file into the archive, as long as it is at this moment: a recording that runs grows on.
fn append<W: Write>(archive: &mut tar::Builder<W>, path: &str, from: &Path, at: Timestamp) -> io::Result<Entry> {
    let file = File::open(from)?;
    let about = file.metadata()?;
    let size = about.len();
    let mut header = header(size, about.permissions().mode() & 0o777, about.mtime().min(at.as_second()));
    let mut hashing = Hashing { inner: file.take(size), hash: Sha256::new(), bytes: 0 };
    archive.append_data(&mut header, path, &mut hashing)?;
    if hashing.bytes != size {
        return Err(io::Error::other("it became shorter while it was read"));
    }
    Ok(Entry { path: path.to_owned(), size, sha256: super::read::hex(&hashing.hash.finalize()) })
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        self.hash.update(&room[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
