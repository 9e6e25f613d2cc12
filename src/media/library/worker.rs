//! The library's thread: whatever is wanted grows in turn, a second of sound at a time, so that nobody who wants to hear a
//! word waits for somebody else's music.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};

use super::shelf::{Job, Kept, LOOK, Shelf, Wanted};
use super::source::{Source, prompt_file, within};
use super::track::{CHUNK, Chunk, Track};
use crate::clock::Duration;
use crate::media::codec::{Encoder, FRAME, frame_samples, rate};
use crate::media::resample::Resampler;
use crate::media::stopwatch::Stopwatch;
use crate::sound::Codec;

/// How much of one sound is played at most: an hour would take 29 MB of memory.
pub const LONGEST: Duration = Duration::from_secs(20 * 60);

/// Until the library is closed.
pub(super) fn run(shelf: &Shelf, ordered: &Receiver<Job>) {
    let mut at_work: VecDeque<Press> = VecDeque::new();
    let stopwatch = Stopwatch::start();
    let mut looked = stopwatch.now();
    loop {
        if stopwatch.now().since(looked) >= LOOK {
            shelf.look_around();
            looked = stopwatch.now();
        }
        let job = match at_work.pop_front() {
            None => match ordered.recv_timeout(LOOK) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            },
            Some(mut press) => {
                // A library must outlive a file that nobody foresaw.
                match catch_unwind(AssertUnwindSafe(|| press.step())) {
                    Ok(Step::More) => at_work.push_back(press),
                    Ok(Step::Done) => shelf.tidy(),
                    Err(_) => {
                        tracing::error!(what = %press.what, "this sound broke its reader; it ends here");
                        press.track.end();
                    }
                }
                match ordered.try_recv() {
                    Ok(job) => job,
                    Err(TryRecvError::Empty) => continue,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        };
        let track = job.track.clone();
        // What was asked for last comes first: its listener waits for the first second, the others have one.
        match catch_unwind(AssertUnwindSafe(|| Press::of(shelf, job))) {
            Ok(Some(press)) => at_work.push_front(press),
            Ok(None) => track.end(),
            Err(_) => {
                tracing::error!("a sound broke its reader");
                track.end();
            }
        }
    }
}

enum Step {
    More,
    Done,
}

/// One sound being encoded.
struct Press {
    what: String,
    source: Source,
    resampler: Option<Resampler>,
    codec: Codec,
    encoder: Encoder,
    /// Samples at the codec's rate that make no whole second yet.
    rest: Vec<i16>,
    pressed: Duration,
    track: Arc<Track>,
}

impl Press {
    fn of(shelf: &Shelf, Job { wanted, codec, track }: Job) -> Option<Press> {
        let (what, source) = match wanted {
            Wanted::Kept(kept) => {
                let Kept::Prompt(name, second) = &kept else {
                    let Kept::Tone(tone) = kept else { return None };
                    return Some(Press::new(format!("{tone:?}"), Source::tone(tone)?, codec, track));
                };
                let stamp = shelf.stamp(name);
                shelf.note(&kept, codec, &track, stamp);
                let file = prompt_file(&shelf.directory, name);
                let source = Source::prompt(file.as_deref(), name, second, shelf.language(), shelf.shipped)?;
                (format!("prompt {name}"), source)
            }
            Wanted::File(name) => {
                let path = within(&shelf.directory, &name);
                let opened = path.as_deref().map(Source::file);
                match opened {
                    Some(Ok(source)) => (name.to_string(), source),
                    Some(Err(why)) => {
                        tracing::warn!(file = %name, %why, "this recording cannot be played");
                        return None;
                    }
                    None => return None,
                }
            }
            Wanted::Silence(length) => {
                ("silence".to_owned(), Source::silence(length.min(LONGEST).as_millis() as usize))
            }
        };
        Some(Press::new(what, source, codec, track))
    }

    fn new(what: String, source: Source, codec: Codec, track: Arc<Track>) -> Press {
        let resampler = (source.rate() != rate(codec)).then(|| Resampler::new(source.rate(), rate(codec)));
        let encoder = Encoder::new(codec);
        Press { what, source, resampler, codec, encoder, rest: Vec::new(), pressed: Duration::ZERO, track }
    }

    /// Encodes the next second.
    fn step(&mut self) -> Step {
        let frame = frame_samples(self.codec);
        let mut over = false;
        while self.rest.len() < CHUNK * frame && !over {
            over = self.read();
        }
        let mut chunk = Chunk::default();
        let second = self.rest.len().min(CHUNK * frame);
        for frame in self.rest[..second].chunks(frame) {
            chunk.add(|payload| self.encoder.encode(frame, payload));
        }
        self.rest.drain(..second);
        self.pressed += FRAME * chunk.len() as u32;
        self.track.add(chunk);
        if self.pressed >= LONGEST {
            tracing::warn!(what = %self.what, longest = ?LONGEST, "this sound is cut: it is too long");
        } else if !(over && self.rest.is_empty()) {
            return Step::More;
        }
        self.track.end();
        Step::Done
    }

    /// Reads some more of the source; true where that was the end.
    fn read(&mut self) -> bool {
        let most = self.source.rate() as usize / 4 + 1;
        let mut read = Vec::with_capacity(most);
        let over = match self.source.read(most, &mut read) {
            Ok(samples) => samples == 0,
            Err(why) => {
                tracing::warn!(what = %self.what, %why, "the rest of this sound cannot be played");
                true
            }
        };
        match &mut self.resampler {
            None => self.rest.append(&mut read),
            Some(resampler) => {
                resampler.push(&read, &mut self.rest);
                if over {
                    resampler.finish(&mut self.rest);
                }
            }
        }
        over
    }
}
