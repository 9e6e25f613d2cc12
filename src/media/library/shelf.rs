//! What has been encoded already, for the next who asks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use super::source::{self, Shipped, Stamp};
use super::track::Track;
use crate::clock::Duration;
use crate::config::Language;
use crate::sound::{Codec, Tone};

/// How much memory encoded sounds may take, in bytes: over an hour of speech in G.711 or G.722.
pub const SHELF: usize = 32 << 20;

/// How often the admin's files are looked at.
pub const LOOK: Duration = Duration::from_secs(1);

/// One sound as the shelf keeps it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Kept {
    /// A prompt and its second name, both without ending.
    Prompt(Arc<str>, Arc<str>),
    Tone(Tone),
}

/// Something to be encoded.
pub(super) struct Job {
    pub(super) wanted: Wanted,
    pub(super) codec: Codec,
    pub(super) track: Arc<Track>,
}

pub(super) enum Wanted {
    Kept(Kept),
    File(Arc<str>),
    Silence(Duration),
}

pub(super) struct Shelf {
    pub(super) directory: PathBuf,
    pub(super) shipped: Shipped,
    inside: Mutex<Inside>,
}

pub(super) struct Inside {
    language: Language,
    rows: HashMap<(Kept, Codec), Row>,
    /// Grows with each asking.
    asked: u64,
}

pub(super) struct Row {
    track: Arc<Track>,
    /// The state of the admin's file when this was read; known as soon as the worker has begun.
    stamp: Option<Stamp>,
    /// When it was last asked for.
    asked: u64,
}

impl Shelf {
    /// An empty one.
    pub(super) fn new(directory: &Path, language: Language, shipped: Shipped) -> Shelf {
        let inside = Inside { language, rows: HashMap::new(), asked: 0 };
        Shelf { directory: directory.to_owned(), shipped, inside: Mutex::new(inside) }
    }

    /// Another language: what was said in the old one leaves.
    pub(super) fn speak(&self, language: Language) {
        let mut inside = self.inside();
        if std::mem::replace(&mut inside.language, language) != language {
            inside.rows.retain(|(kept, _), _| matches!(kept, Kept::Tone(_)));
        }
    }

    /// The sound in this codec; true where it is new and somebody has to let it grow.
    pub(super) fn ask(&self, kept: &Kept, codec: Codec) -> (Arc<Track>, bool) {
        let mut inside = self.inside();
        inside.asked += 1;
        let asked = inside.asked;
        let key = (kept.clone(), codec);
        if let Some(row) = inside.rows.get_mut(&key) {
            row.asked = asked;
            return (row.track.clone(), false);
        }
        let track = Arc::<Track>::default();
        inside.rows.insert(key, Row { track: track.clone(), stamp: None, asked });
        (track, true)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn language(&self) -> Language {
        self.inside().language
    }

    /// Notes of what state of its file a row was made.
    pub(super) fn note(&self, kept: &Kept, codec: Codec, track: &Arc<Track>, stamp: Stamp) {
        if let Some(row) = self.inside().rows.get_mut(&(kept.clone(), codec))
            && Arc::ptr_eq(&row.track, track)
        {
            row.stamp = Some(stamp);
        }
    }

    /// Looks at the admin's files again: what was made of another state of them leaves the shelf.
    pub(super) fn look_around(&self) {
        let names = |inside: &Inside| {
            let names = inside.rows.keys().filter_map(|(kept, _)| match kept {
                Kept::Prompt(name, _) => Some(name.clone()),
                Kept::Tone(_) => None,
            });
            names.collect::<Vec<_>>()
        };
        let mut names = names(&self.inside());
        names.sort_unstable();
        names.dedup();
        // The disk may be slow: nobody waits for the shelf meanwhile.
        let stamps = names.into_iter().map(|name| (name.clone(), self.stamp(&name)));
        let stamps: HashMap<Arc<str>, Stamp> = stamps.collect();
        self.inside().rows.retain(|(kept, _), row| {
            let (Kept::Prompt(name, _), Some(made_of)) = (kept, &row.stamp) else { return true };
            stamps.get(name).is_none_or(|now| now == made_of)
        });
    }

    pub(super) fn stamp(&self, name: &str) -> Stamp {
        source::prompt_file(&self.directory, name).and_then(|file| source::stamp(&file))
    }

    /// Takes down what was not asked for the longest, until no more than [`SHELF`] is left.
    pub(super) fn tidy(&self) {
        let mut inside = self.inside();
        let mut bytes: usize = inside.rows.values().map(|row| row.track.size()).sum();
        while bytes > SHELF {
            let whole = inside.rows.iter().filter(|(_, row)| row.track.is_whole());
            let Some((key, _)) = whole.min_by_key(|(_, row)| row.asked) else { return };
            let key = key.clone();
            bytes -= inside.rows.remove(&key).map_or(0, |row| row.track.size());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::track::Chunk;
    use super::*;

    #[test]
    fn the_shelf_takes_down_what_was_not_asked_for_the_longest() {
        let shelf = Shelf::new(Path::new("nowhere"), Language::En, |_, _| None);
        // Put there by hand: encoding so much would take long.
        for (asked, share) in [(2, 4), (1, 4), (4, 2), (3, 2)] {
            let mut chunk = Chunk::default();
            chunk.add(|payload| payload.resize(SHELF / share - 100, 0));
            let track = Arc::<Track>::default();
            track.add(chunk);
            track.end();
            let name: Arc<str> = asked.to_string().into();
            let key = (Kept::Prompt(name.clone(), name), Codec::Pcma);
            shelf.inside().rows.insert(key, Row { track, stamp: None, asked });
        }
        shelf.tidy();
        let mut left: Vec<u64> = shelf.inside().rows.values().map(|row| row.asked).collect();
        left.sort_unstable();
        assert_eq!(left, [3, 4]);
    }
}
