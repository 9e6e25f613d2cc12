//! One order to play: which packet comes next, and when.
//!
//! Packets leave by an absolute timetable, one every 20 ms, so that no delay adds up. After a stall of our own at most
//! two leave at once, and the rest of the sound comes later rather than never.

use std::sync::Arc;

use crate::anchor::PlayKey;
use crate::clock::{Duration, Instant};
use crate::media::codec::FRAME;
use crate::media::library::{CHUNK, Chunk, Library, Part, Track};
use crate::sound::{Codec, Sound};

/// All timetables are multiples of it, so that many voices are served together.
const GRID: Duration = Duration::from_millis(5);

/// How many packets leave at once after a stall.
const AT_ONCE: u32 = 2;

/// The first moment of the grid that is not before `at`.
pub(super) fn on_grid(at: Instant) -> Instant {
    Instant::from_micros(at.as_micros().next_multiple_of(GRID.as_micros() as u64))
}

/// Sounds being played to one peer.
pub(super) struct Player {
    key: PlayKey,
    sounds: Arc<[Sound]>,
    codec: Codec,
    repeat: bool,
    tracks: Vec<Arc<Track>>,
    /// Which track, and which of its packets, come next.
    track: usize,
    packet: usize,
    /// The chunk in which that packet lies, with its number.
    chunk: Option<(usize, Arc<Chunk>)>,
    /// Whether anything was heard since the beginning of the first track.
    heard: bool,
    due: Instant,
    /// Whether the packet before the next one left in its time; else the next one begins a talkspurt.
    talking: bool,
}

/// A packet that is due.
pub(super) struct Frame<'a> {
    /// When it was to leave.
    pub(super) at: Instant,
    /// It is the first after a silence.
    pub(super) marker: bool,
    /// Its sound.
    pub(super) payload: &'a [u8],
}

/// What there is at the player's place.
enum Place {
    There,
    NotYet,
    Over,
}

impl Player {
    /// Begins at the next moment of the grid.
    pub(super) fn new(
        key: PlayKey,
        sounds: Arc<[Sound]>,
        repeat: bool,
        codec: Codec,
        library: &Library,
        now: Instant,
    ) -> Player {
        let tracks = library.tracks(&sounds, codec);
        let due = on_grid(now);
        Player {
            key,
            sounds,
            codec,
            repeat,
            tracks,
            track: 0,
            packet: 0,
            chunk: None,
            heard: false,
            due,
            talking: false,
        }
    }

    /// Which order it carries out.
    pub(super) fn key(&self) -> PlayKey {
        self.key
    }

    /// When it has something to do next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Goes on in another codec, at the same place.
    pub(super) fn speak(&mut self, codec: Codec, library: &Library) {
        if codec != self.codec {
            (self.codec, self.chunk) = (codec, None);
            self.tracks = library.tracks(&self.sounds, codec);
        }
    }

    /// Gives the packets that are due to `send`; true where the last one's time is over.
    pub(super) fn go_on(&mut self, now: Instant, mut send: impl FnMut(Frame<'_>)) -> bool {
        let mut sent = 0;
        while self.due <= now {
            match self.find() {
                Place::Over => return true,
                Place::NotYet => {
                    self.due = on_grid(now + GRID);
                    self.talking = false;
                }
                Place::There if sent == AT_ONCE => {
                    let missed = now.since(self.due).as_micros() / FRAME.as_micros() + 1;
                    self.due = self.due + FRAME * missed as u32;
                    self.talking = false;
                }
                Place::There => {
                    let payload = self.chunk.as_ref().and_then(|(_, chunk)| chunk.payload(self.packet % CHUNK));
                    send(Frame { at: self.due, marker: !self.talking, payload: payload.unwrap_or_default() });
                    (self.heard, self.talking) = (true, true);
                    self.packet += 1;
                    self.due = self.due + FRAME;
                    sent += 1;
                }
            }
        }
        false
    }

    /// Looks for the next packet: in this track, in the next, from the beginning.
    fn find(&mut self) -> Place {
        loop {
            let Some(track) = self.tracks.get(self.track) else {
                if !self.repeat {
                    return Place::Over;
                }
                // Where there is nothing to be heard at all, it is not looked for without end.
                if !std::mem::take(&mut self.heard) {
                    (self.track, self.packet, self.chunk) = (0, 0, None);
                    return Place::NotYet;
                }
                (self.track, self.packet, self.chunk) = (0, 0, None);
                continue;
            };
            let number = self.packet / CHUNK;
            if self.chunk.as_ref().is_none_or(|(found, _)| *found != number) {
                match track.part(number) {
                    Part::There(chunk) => self.chunk = Some((number, chunk)),
                    Part::NotYet => return Place::NotYet,
                    Part::Over => self.chunk = None,
                }
            }
            let there = self.chunk.as_ref().is_some_and(|(_, chunk)| chunk.payload(self.packet % CHUNK).is_some());
            if there {
                return Place::There;
            }
            (self.track, self.packet, self.chunk) = (self.track + 1, 0, None);
        }
    }
}
