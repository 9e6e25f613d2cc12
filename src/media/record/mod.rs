//! What two say to each other, written down: a WAV file, the caller on the left, the company on the right.
//!
//! ```text
//!  relay's thread          "recorder"                         "recordings"
//!  a copy of each packet ──► decoded, put on one line ──► file
//!                    at most QUEUE              at most scribe::BOUND
//! ```
//! The relay waits for nobody: it hands a copy of each packet over and goes on. What the recorder cannot take is lost, and
//! counted; so is what the disk cannot take. Files hold 16-bit samples at 8 kHz; at 16 kHz where one side hears us in G.722
//! or Opus when the recording begins. They can be played at any moment (see [`scribe`]); [`mend`] makes whole what a crash
//! left behind. What we play ourselves is not in them, only what comes in.

mod shared;
mod mend;
pub mod scribe;
pub mod shape;
pub mod speech;
mod take;
mod track;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

pub use self::mend::{Mended, mend};
use self::scribe::{Listener, Scribe, Storage};
use self::shape::Shape;
use self::shared::Shared;
use self::take::{Sink, Take};
use super::rtp::Rtp;
use super::stopwatch::Stopwatch;
use crate::anchor::{MediaEvent, TakeKey, Until};
use crate::clock::{Duration, Instant};
use crate::sound::{Codec, Formats};

/// How many bytes of packets may wait for the recorder, with what it costs to keep them: 16 MiB, 3 s of 200 talks.
pub const QUEUE: usize = 16 << 20;

/// What a packet costs beside its own bytes while it waits.
const BESIDE: usize = 96;

/// How often the recorder looks at what has come.
const ROUND: Duration = Duration::from_millis(25);

/// RTP's payload types of comfort noise (RFC 3389), the second as it was once used.
const COMFORT_NOISE: [u8; 2] = [13, 19];

/// The recordings of one relay, as its thread sees them. Dropping it ends them all; their files are made whole.
pub struct Recorder {
    words: mpsc::Sender<Word>,
    queued: Arc<AtomicUsize>,
    takes: BTreeMap<TakeKey, Arc<Shared>>,
    /// The last that began: keys are given in order, so one that is not newer and does not run is over.
    latest: Option<TakeKey>,
    thread: Option<JoinHandle<()>>,
}

/// What the recorder's thread is told.
enum Word {
    Begin { take: TakeKey, name: Arc<str>, shape: Shape, until: Until, at: Instant, shared: Arc<Shared> },
    Anew { take: TakeKey },
    Heard { take: TakeKey, side: usize, codec: Codec, at: Instant, packet: Box<[u8]> },
    Pause { take: TakeKey, paused: bool },
    End { take: TakeKey, at: Instant },
    Stop,
}

/// Where one side's packets are handed in for one recording.
pub struct Tap {
    take: TakeKey,
    side: usize,
    words: mpsc::Sender<Word>,
    queued: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl Recorder {
    /// Starts its threads. `listener` hears what becomes of recordings; it must not block.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        storage: impl Storage,
        stopwatch: Stopwatch,
        listener: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    ) -> io::Result<Recorder> {
        let scribe = Scribe::start(storage, stopwatch, listener.clone())?;
        let queued = Arc::new(AtomicUsize::new(0));
        let (words, told) = mpsc::channel();
        let booth =
            Booth { told, queued: queued.clone(), out: Out { scribe, listener }, takes: BTreeMap::new(), stopwatch };
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || booth.run())?;
        Ok(Recorder { words, queued, takes: BTreeMap::new(), latest: None, thread: Some(thread) })
    }

    /// Begins a recording of one or two sides, or goes on with one that runs. Where each side's packets are to be handed
    /// in; `None` for one that is over.
    pub fn record(
        &mut self,
        take: TakeKey,
        sides: [Option<&Formats>; 2],
        name: Arc<str>,
        until: Until,
        at: Instant,
    ) -> Option<[Tap; 2]> {
        self.takes.retain(|_, shared| !shared.is_over());
        let shared = match self.takes.get(&take) {
            Some(shared) => {
                let shared = shared.clone();
                self.tell(Word::Anew { take });
                shared
            }
            None if self.latest >= Some(take) => return None,
            None => {
                self.latest = Some(take);
                let wide = |formats: &&Formats| {
                    formats.send.is_some_and(|format| matches!(format.codec, Codec::G722 | Codec::Opus))
                };
                let rate = if sides.iter().flatten().any(wide) { 16_000 } else { 8_000 };
                let shape = Shape { rate, channels: if sides[1].is_some() { 2 } else { 1 } };
                let shared: Arc<Shared> = Arc::default();
                self.takes.insert(take, shared.clone());
                self.tell(Word::Begin { take, name, shape, until, at, shared: shared.clone() });
                shared
            }
        };
        Some([0, 1].map(|side| Tap {
            take,
            side,
            words: self.words.clone(),
            queued: self.queued.clone(),
            shared: shared.clone(),
        }))
    }

    /// Silence is written, or no longer.
    pub fn pause(&mut self, take: TakeKey, paused: bool) {
        self.tell(Word::Pause { take, paused });
    }

    /// A recording is over, now.
    pub fn end(&mut self, take: TakeKey, at: Instant) {
        self.takes.remove(&take);
        self.tell(Word::End { take, at });
    }

    fn tell(&self, word: Word) {
        // Fails only where the thread has died, and then nobody is left to tell.
        let _ = self.words.send(word);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.tell(Word::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Tap {
    /// For which recording.
    pub fn take(&self) -> TakeKey {
        self.take
    }

    /// Hands a packet in that came `at` this moment. Never waits.
    pub fn hear(&self, packet: &[u8], rtp: &Rtp<'_>, formats: &Formats, at: Instant) {
        if self.shared.is_over() {
            return;
        }
        let codec = match codec(rtp.kind, formats) {
            Ok(Some(codec)) => codec,
            Ok(None) => return,
            Err(Unknown) => return self.shared.count_unknown(),
        };
        let size = packet.len() + BESIDE;
        if self.queued.fetch_add(size, Ordering::Relaxed) + size > QUEUE {
            self.queued.fetch_sub(size, Ordering::Relaxed);
            return self.shared.drop_packet();
        }
        let (take, side) = (self.take, self.side);
        let _ = self.words.send(Word::Heard { take, side, codec, at, packet: packet.into() });
    }
}

/// A payload type that nobody has agreed on, or of a codec that is none of ours.
struct Unknown;

/// What a payload is: sound of a codec, or (`None`) silence.
fn codec(kind: u8, formats: &Formats) -> Result<Option<Codec>, Unknown> {
    if formats.receive_events.is_some_and(|events| events.payload == kind) {
        return Ok(None);
    }
    let agreed = formats.receive.iter().find(|format| format.payload == kind).map(|format| format.codec);
    match kind {
        _ if agreed.is_some() => Ok(agreed),
        // The same in every session (RFC 3551 §6), so also where it was not agreed.
        0 => Ok(Some(Codec::Pcmu)),
        8 => Ok(Some(Codec::Pcma)),
        9 => Ok(Some(Codec::G722)),
        kind if COMFORT_NOISE.contains(&kind) => Ok(None),
        _ => Err(Unknown),
    }
}

/// The recorder's thread.
struct Booth {
    told: mpsc::Receiver<Word>,
    queued: Arc<AtomicUsize>,
    out: Out,
    takes: BTreeMap<TakeKey, Take>,
    stopwatch: Stopwatch,
}

struct Out {
    scribe: Scribe,
    listener: Listener,
}

impl Sink for Out {
    fn write(&self, take: TakeKey, place: u64, bytes: Vec<u8>) -> bool {
        self.scribe.write(take, place, bytes).is_ok()
    }

    fn tell(&self, event: MediaEvent) {
        (self.listener)(event);
    }
}

impl Booth {
    fn run(mut self) {
        while self.round().is_continue() {}
        let now = self.stopwatch.now();
        for (take, recording) in self.takes {
            self.out.scribe.finish(take, recording.finish(now, &self.out));
        }
    }

    fn round(&mut self) -> ControlFlow<()> {
        // Awake every ROUND while anything is recorded: being woken for each packet would cost the relay more than the
        // packet itself does.
        if self.takes.is_empty() {
            let Ok(word) = self.told.recv() else { return ControlFlow::Break(()) };
            self.hear(word)?;
        }
        while let Ok(word) = self.told.try_recv() {
            self.hear(word)?;
        }
        let now = self.stopwatch.now();
        let out = &self.out;
        let over: Vec<TakeKey> = self
            .takes
            .iter_mut()
            .filter_map(|(take, recording)| recording.proceed(now, out).then_some(*take))
            .collect();
        for take in over {
            if let Some(recording) = self.takes.remove(&take) {
                self.out.scribe.finish(take, recording.finish_as_it_is());
            }
        }
        if !self.takes.is_empty() {
            std::thread::sleep(ROUND);
        }
        ControlFlow::Continue(())
    }

    fn hear(&mut self, word: Word) -> ControlFlow<()> {
        match word {
            Word::Begin { take, name, shape, until, at, shared } => {
                self.out.scribe.begin(take, name, shape, shared.clone());
                self.takes.insert(take, Take::new(take, shape, until, at, shared));
            }
            Word::Anew { take } => {
                if let Some(recording) = self.takes.get_mut(&take) {
                    recording.begin_anew();
                }
            }
            Word::Heard { take, side, codec, at, packet } => {
                if let Some(recording) = self.takes.get_mut(&take) {
                    recording.hear(side, &packet, codec, at);
                }
                self.queued.fetch_sub(packet.len() + BESIDE, Ordering::Relaxed);
            }
            Word::Pause { take, paused } => {
                if let Some(recording) = self.takes.get_mut(&take) {
                    recording.pause(paused);
                }
            }
            Word::End { take, at } => {
                if let Some(recording) = self.takes.remove(&take) {
                    self.out.scribe.finish(take, recording.finish(at, &self.out));
                }
            }
            Word::Stop => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}
