//! Everything we can say, encoded for whoever wants to hear it: prompts in the site's language or as the admin replaced
//! them, tones, recordings.
//!
//! ```text
//!   relay ── tracks(sounds, codec) ──► shelf ──────────────────────► tracks, some still growing
//!                                        │ what is not there yet          ▲
//!                                        └──► worker: read, resample, encode a second at a time
//! ```
//!
//! Whoever asks never waits: it gets [`Track`]s that can be played from their beginning at once, while one thread of the
//! library goes on with all that are wanted in turn, a second of each. What was encoded stays on the shelf for the next
//! who asks, up to [`SHELF`] bytes: what was not asked for the longest leaves first. Recordings are not kept.
//!
//! An admin's file is looked at again every [`LOOK`]: one that was changed, added or removed counts for the next who asks.

mod shelf;
mod source;
mod track;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::{fmt, io};

use self::shelf::{Job, Kept, Shelf, Wanted};
pub use self::shelf::{LOOK, SHELF};
use self::source::plain_name;
pub use self::source::{Shipped, within};
pub use self::track::{CHUNK, Chunk, Part, Track};
pub use self::worker::LONGEST;
use crate::config::Language;
use crate::sound::{Codec, Sound, Tone};

/// All sounds there are. A clone is the same library; its thread ends with the last one.
#[derive(Clone)]
pub struct Library {
    shelf: Arc<Shelf>,
    jobs: Sender<Job>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("directory", &self.shelf.directory).finish_non_exhaustive()
    }
}

impl Library {
    /// Opens the library over `storage.directory`, and starts its thread.
    pub fn open(directory: &Path, language: Language, shipped: Shipped) -> io::Result<Library> {
        let shelf = Arc::new(Shelf::new(directory, language, shipped));
        let (jobs, ordered) = channel();
        let works_for = shelf.clone();
        std::thread::Builder::new().name("sounds".into()).spawn(move || worker::run(&works_for, &ordered))?;
        Ok(Library { shelf, jobs })
    }

    /// `storage.directory`.
    pub fn directory(&self) -> &Path {
        &self.shelf.directory
    }

    /// Prompts are spoken in this language from now on. What plays goes on as it began.
    pub fn speak(&self, language: Language) {
        self.shelf.speak(language);
    }

    /// These sounds one after the other, in this codec. Never waits: a track may still be growing.
    pub fn tracks(&self, sounds: &[Sound], codec: Codec) -> Vec<Arc<Track>> {
        let mut tracks = Vec::with_capacity(sounds.len());
        for sound in sounds {
            match sound {
                Sound::Prompt(name, second) => tracks.push(self.prompt(plain_name(name), second, codec)),
                Sound::Tone(Tone::Music) => tracks.push(self.prompt("music", "music", codec)),
                Sound::Tone(tone) => tracks.push(self.kept(Kept::Tone(*tone), codec)),
                Sound::Digits(digits) => {
                    let names = digits.chars().filter_map(digit_name);
                    tracks.extend(names.map(|name| self.prompt(name, name, codec)));
                }
                Sound::File(file) => tracks.push(self.fresh(Wanted::File(file.clone()), codec)),
                Sound::Silence(length) => tracks.push(self.fresh(Wanted::Silence(*length), codec)),
            }
        }
        tracks
    }

    fn prompt(&self, name: &str, second: &str, codec: Codec) -> Arc<Track> {
        self.kept(Kept::Prompt(name.into(), second.into()), codec)
    }

    /// From the shelf, or put there to grow.
    fn kept(&self, kept: Kept, codec: Codec) -> Arc<Track> {
        match self.shelf.ask(&kept, codec) {
            (track, false) => track,
            (track, true) => self.order(Wanted::Kept(kept), codec, track),
        }
    }

    fn fresh(&self, wanted: Wanted, codec: Codec) -> Arc<Track> {
        self.order(wanted, codec, Arc::default())
    }

    fn order(&self, wanted: Wanted, codec: Codec, track: Arc<Track>) -> Arc<Track> {
        if self.jobs.send(Job { wanted, codec, track: track.clone() }).is_err() {
            // Its thread is gone: nothing would ever come.
            track.end();
        }
        track
    }
}

/// The prompt that says one digit.
fn digit_name(digit: char) -> Option<&'static str> {
    const DIGITS: [&str; 10] = [
        "digits/0", "digits/1", "digits/2", "digits/3", "digits/4", "digits/5", "digits/6", "digits/7", "digits/8",
        "digits/9",
    ];
    match digit {
        '*' => Some("digits/star"),
        '#' => Some("digits/hash"),
        digit => DIGITS.get(digit.to_digit(10)? as usize).copied(),
    }
}

#[cfg(test)]
mod tests;
