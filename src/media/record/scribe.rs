//! Writes recordings to the disk, behind everybody's back: whoever records never waits for a disk, and a disk that is too
//! slow or full costs sound, never a call.
//!
//! One thread for all files. What waits for it is bounded by [`BOUND`]; what comes beyond is lost, and counted. Each write
//! goes to its own place in its file, so after a gap (which reads as silence) everything stands where it belongs. Samples
//! are written first, then the header that says how many there are: whenever the process dies, the file can be played.
//!
//! A file is synced when it is whole, and every [`SYNC`] while it grows, as long as that takes no more than a fifth of the
//! thread's time: a power cut takes the last few seconds.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use hashbrown::HashMap;

use super::shape::{HEADER, Shape};
use super::shared::Shared;
use crate::anchor::{MediaEvent, TakeKey, Taken};
use crate::clock::{Duration, Instant};
use crate::media::stopwatch::Stopwatch;

/// How many bytes may wait for the disk, of all recordings together: 32 MiB, 17 minutes of one talk or 5 s of 200.
pub const BOUND: usize = 32 << 20;

/// How much may be lost in a power cut, while the disk is fast.
pub const SYNC: Duration = Duration::from_secs(5);

/// After a sync, the thread does without for so many times as long as it took.
const REST: u32 = 4;

/// Hears what becomes of recordings.
pub(super) type Listener = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// Where recordings are kept.
pub trait Storage: Send + 'static {
    /// An empty file under this name; one that is there already loses what it holds.
    ///
    /// # Errors
    /// What the system says.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Sheet>>;
}

/// A file that is being written.
pub trait Sheet: Send {
    /// Writes at this place. What lies between the end and a place beyond it reads as zeros.
    ///
    /// # Errors
    /// What the system says; some of it may have been written.
    fn write(&mut self, bytes: &[u8], place: u64) -> io::Result<()>;

    /// Cuts off what stands behind `length`.
    ///
    /// # Errors
    /// What the system says.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Returns when everything is on the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// Recordings under a folder. Files and folders that it makes are the router's own: nobody else may read them.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Storage for Folder {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Sheet>> {
        let name = Path::new(name);
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let path = self.0.join(name);
        if let Some(folder) = path.parent() {
            std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(folder)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Box::new(file))
    }
}

impl Sheet for File {
    fn write(&mut self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.write_all_at(bytes, place)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if self.metadata()?.len() > length { self.set_len(length) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

enum Job {
    Begin { take: TakeKey, name: Arc<str>, shape: Shape, shared: Arc<Shared> },
    Write { take: TakeKey, place: u64, bytes: Vec<u8> },
    Finish { take: TakeKey, taken: Taken },
}

/// The writing thread, as whoever records sees it. Dropping it finishes what waits, for at most [`FAREWELL`].
pub(super) struct Scribe {
    jobs: Option<mpsc::Sender<Job>>,
    waiting: Arc<AtomicUsize>,
    over: mpsc::Receiver<()>,
}

/// How long the end of the process may wait for a disk.
const FAREWELL: Duration = Duration::from_secs(3);

/// Too much waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl Scribe {
    pub(super) fn start(storage: impl Storage, stopwatch: Stopwatch, listener: Listener) -> io::Result<Scribe> {
        let (jobs, given) = mpsc::channel();
        let (end, over) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let desk = Desk {
            storage: Box::new(storage),
            stopwatch,
            listener,
            waiting: waiting.clone(),
            pages: HashMap::new(),
            rests_until: Instant::START,
        };
        std::thread::Builder::new().name("recordings".into()).spawn(move || {
            desk.run(&given);
            drop(end);
        })?;
        Ok(Scribe { jobs: Some(jobs), waiting, over })
    }

    pub(super) fn begin(&self, take: TakeKey, name: Arc<str>, shape: Shape, shared: Arc<Shared>) {
        self.give(Job::Begin { take, name, shape, shared });
    }

    /// Has samples written, `place` bytes after the first.
    pub(super) fn write(&self, take: TakeKey, place: u64, bytes: Vec<u8>) -> Result<(), Full> {
        let size = bytes.len();
        if self.waiting.fetch_add(size, Ordering::AcqRel) + size > BOUND {
            self.waiting.fetch_sub(size, Ordering::AcqRel);
            return Err(Full);
        }
        self.give(Job::Write { take, place, bytes });
        Ok(())
    }

    /// Nothing more comes. What became of the file is added to `taken`, and told.
    pub(super) fn finish(&self, take: TakeKey, taken: Taken) {
        self.give(Job::Finish { take, taken });
    }

    fn give(&self, job: Job) {
        // It lives as long as this does.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.jobs = None;
        if self.over.recv_timeout(FAREWELL) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the disk is too slow to finish the recordings; they are mended at the next start");
        }
    }
}

/// The thread.
struct Desk {
    storage: Box<dyn Storage>,
    stopwatch: Stopwatch,
    listener: Listener,
    waiting: Arc<AtomicUsize>,
    pages: HashMap<TakeKey, Page>,
    rests_until: Instant,
}

/// A file as the thread knows it.
struct Page {
    name: Arc<str>,
    shape: Shape,
    shared: Arc<Shared>,
    /// `None` until it could be made.
    sheet: Option<Box<dyn Sheet>>,
    /// How many bytes of samples it holds.
    written: u64,
    /// How many could not be written.
    lost: u64,
    /// Why, the last time; `None` after a success.
    failed: Option<io::ErrorKind>,
    synced: Instant,
}

impl Desk {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Begin { take, name, shape, shared } => {
                    let synced = self.stopwatch.now();
                    let mut page = Page { name, shape, shared, sheet: None, written: 0, lost: 0, failed: None, synced };
                    if let Err(error) = page.open(&mut *self.storage) {
                        self.complain(take, &mut page, &error);
                    }
                    self.pages.insert(take, page);
                }
                Job::Write { take, place, bytes } => {
                    if let Some(mut page) = self.pages.remove(&take) {
                        self.write(take, &mut page, place, &bytes);
                        self.pages.insert(take, page);
                    }
                    self.waiting.fetch_sub(bytes.len(), Ordering::AcqRel);
                }
                Job::Finish { take, taken } => {
                    if let Some(page) = self.pages.remove(&take) {
                        self.finish(take, page, taken);
                    }
                }
            }
        }
    }

    fn write(&mut self, take: TakeKey, page: &mut Page, place: u64, bytes: &[u8]) {
        match page.write(&mut *self.storage, place, bytes) {
            Ok(()) => page.failed = None,
            Err(error) => {
                page.lost += bytes.len() as u64;
                self.complain(take, page, &error);
            }
        }
        let now = self.stopwatch.now();
        if now.since(page.synced) >= SYNC && now >= self.rests_until {
            if let Some(Err(error)) = page.sheet.as_mut().map(|sheet| sheet.sync()) {
                self.complain(take, page, &error);
            }
            page.synced = self.stopwatch.now();
            self.rests_until = page.synced + page.synced.since(now) * REST;
        }
    }

    fn finish(&mut self, take: TakeKey, mut page: Page, mut taken: Taken) {
        if let Err(error) = page.close(&mut *self.storage) {
            self.complain(take, &mut page, &error);
        }
        taken.length = page.shape.length(page.written);
        taken.lost += page.shape.length(page.lost) + page.shared.dropped();
        taken.failed = page.failed;
        let unknown = page.shared.unknown();
        if unknown > 0 {
            tracing::warn!(file = %page.name, packets = unknown, "a codec in this recording is none of ours: silence");
        }
        (self.listener)(MediaEvent::Recorded { take, taken });
    }

    fn complain(&self, take: TakeKey, page: &mut Page, error: &io::Error) {
        page.failed = Some(error.kind());
        if page.shared.complain() {
            tracing::warn!(file = %page.name, %error, "a recording loses sound");
            (self.listener)(MediaEvent::Losing { take, why: error.kind() });
        }
    }
}

impl Page {
    fn open(&mut self, storage: &mut dyn Storage) -> io::Result<&mut Box<dyn Sheet>> {
        match &mut self.sheet {
            Some(sheet) => Ok(sheet),
            empty => {
                let mut sheet = storage.create(&self.name)?;
                sheet.write(&self.shape.header(0), 0)?;
                Ok(empty.insert(sheet))
            }
        }
    }

    fn write(&mut self, storage: &mut dyn Storage, place: u64, bytes: &[u8]) -> io::Result<()> {
        let (shape, written) = (self.shape, self.written.max(place + bytes.len() as u64));
        let sheet = self.open(storage)?;
        sheet.write(bytes, HEADER as u64 + place)?;
        self.written = written;
        let sheet = self.open(storage)?;
        sheet.write(&shape.header(written), 0)
    }

    fn close(&mut self, storage: &mut dyn Storage) -> io::Result<()> {
        let (shape, written) = (self.shape, self.written);
        let sheet = self.open(storage)?;
        sheet.write(&shape.header(written), 0)?;
        // A write that failed in its middle may have left more than the header says.
        sheet.cut(HEADER as u64 + written)?;
        sheet.sync()
    }
}

#[cfg(test)]
mod tests;
