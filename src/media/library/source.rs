//! Where a sound comes from: an admin's file, a shipped prompt, a recording, a computed tone.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::config::Language;
use crate::media::tone;
use crate::media::wav::{Unplayable, Wav};
use crate::sound::Tone;

/// The WAV file of a shipped prompt, by language and name.
pub type Shipped = fn(Language, &str) -> Option<&'static [u8]>;

/// What tells one state of a file from another; `None` where there is no file.
pub(super) type Stamp = Option<(SystemTime, u64)>;

/// The state of the file at `path` now.
pub(super) fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok().filter(|file| file.is_file())?;
    Some((file.modified().ok()?, file.len()))
}

/// A sound that is being read, from its beginning to its end.
pub(super) enum Source {
    File(Wav<BufReader<File>>),
    Shipped(Wav<Cursor<&'static [u8]>>),
    /// Samples, and how many of them have been read.
    Computed(Vec<i16>, u32, usize),
}

impl Source {
    /// A WAV file of this machine.
    pub(super) fn file(path: &Path) -> Result<Source, Unplayable> {
        Ok(Source::File(Wav::open(BufReader::new(File::open(path)?))?))
    }

    /// A tone; none for [`Tone::Music`].
    pub(super) fn tone(tone: Tone) -> Option<Source> {
        const RATE: u32 = 16_000;
        tone::round(tone, RATE).map(|round| Source::Computed(round, RATE, 0))
    }

    /// Silence of so many milliseconds.
    pub(super) fn silence(ms: usize) -> Source {
        Source::Computed(vec![0; ms], 1_000, 0)
    }

    /// A prompt: the admin's file, else the shipped one, in this language or at least in English.
    pub(super) fn prompt(
        file: Option<&Path>,
        name: &str,
        second: &str,
        language: Language,
        shipped: Shipped,
    ) -> Option<Source> {
        if let Some(file) = file.filter(|file| stamp(file).is_some()) {
            match Source::file(file) {
                Ok(source) => return Some(source),
                Err(why) => {
                    tracing::warn!(file = %file.display(), %why, "this prompt cannot be played; the shipped one is heard")
                }
            }
        }
        let wanted = [(language, name), (language, second), (Language::En, name), (Language::En, second)];
        let found = wanted.into_iter().find_map(|(language, name)| shipped(language, name));
        match found.map(|bytes| Wav::open(Cursor::new(bytes))) {
            Some(Ok(wav)) => Some(Source::Shipped(wav)),
            Some(Err(why)) => {
                tracing::error!(name, %why, "this shipped prompt cannot be played");
                None
            }
            None => {
                tracing::error!(name, second, "there is no such prompt");
                None
            }
        }
    }

    /// Samples per second.
    pub(super) fn rate(&self) -> u32 {
        match self {
            Source::File(wav) => wav.rate(),
            Source::Shipped(wav) => wav.rate(),
            Source::Computed(_, rate, _) => *rate,
        }
    }

    /// Appends up to `most` samples; none at the end.
    pub(super) fn read(&mut self, most: usize, sound: &mut Vec<i16>) -> Result<usize, Unplayable> {
        match self {
            Source::File(wav) => wav.read(most, sound),
            Source::Shipped(wav) => wav.read(most, sound),
            Source::Computed(all, _, read) => {
                let rest = &all[*read..];
                let part = &rest[..rest.len().min(most)];
                sound.extend(part);
                *read += part.len();
                Ok(part.len())
            }
        }
    }
}

/// The file of a prompt: `name` with or without its ending. `None` for a name that would lead out of the folder.
pub(super) fn prompt_file(directory: &Path, name: &str) -> Option<PathBuf> {
    let name = plain_name(name);
    within(&directory.join("prompts"), &format!("{name}.wav"))
}

/// A prompt's name without the ending of its file.
pub(super) fn plain_name(name: &str) -> &str {
    name.strip_suffix(".wav").unwrap_or(name)
}

/// A file below `directory`, and nowhere else.
pub fn within(directory: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name);
    name.components().all(|part| matches!(part, Component::Normal(_))).then(|| directory.join(name))
}
