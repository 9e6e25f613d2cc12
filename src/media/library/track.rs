//! A sound in one codec, packet by packet. It can be played from its beginning while its end is still being encoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many packets a [`Chunk`] holds: a second. Only the last one of a track holds fewer.
pub const CHUNK: usize = 50;

/// Payloads of consecutive packets.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// Where each payload ends.
    ends: Vec<u32>,
}

impl Chunk {
    /// Lets `write` append one more payload.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them; `None` behind the last.
    pub fn payload(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)? as usize;
        let begin = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        self.bytes.get(begin..end)
    }

    /// The memory it takes.
    fn size(&self) -> usize {
        self.bytes.capacity() + 4 * self.ends.capacity()
    }
}

/// What there is of a track at some place.
#[derive(Debug)]
pub enum Part {
    /// Here it is.
    There(Arc<Chunk>),
    /// It is still being encoded.
    NotYet,
    /// The track ended before.
    Over,
}

/// A sound in one codec, as far as it has been encoded.
#[derive(Debug, Default)]
pub struct Track(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    chunks: Vec<Arc<Chunk>>,
    bytes: usize,
    whole: bool,
}

impl Track {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The chunk with this number, from 0.
    pub fn part(&self, number: usize) -> Part {
        let inside = self.inside();
        match (inside.chunks.get(number), inside.whole) {
            (Some(chunk), _) => Part::There(chunk.clone()),
            (None, true) => Part::Over,
            (None, false) => Part::NotYet,
        }
    }

    /// It goes on with these.
    pub(super) fn add(&self, mut chunk: Chunk) {
        if chunk.len() == 0 {
            return;
        }
        chunk.bytes.shrink_to_fit();
        chunk.ends.shrink_to_fit();
        let mut inside = self.inside();
        inside.bytes += chunk.size();
        inside.chunks.push(Arc::new(chunk));
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.inside().whole = true;
    }

    /// True where nothing more comes.
    pub fn is_whole(&self) -> bool {
        self.inside().whole
    }

    /// The memory it takes.
    pub(super) fn size(&self) -> usize {
        self.inside().bytes
    }
}
