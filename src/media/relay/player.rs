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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Language;
    use crate::sound::Tone;

    const MS: fn(u64) -> Instant = |ms| Instant::from_micros(ms * 1_000);

    /// A player of these sounds that began at 1 ms, everything encoded already.
    fn player(sounds: &[Sound], repeat: bool) -> Player {
        let library = Library::open(&std::env::temp_dir(), Language::En, |_, _| None).unwrap();
        let player = Player::new(PlayKey(1), sounds.into(), repeat, Codec::Pcma, &library, MS(1));
        while !player.tracks.iter().all(|track| track.is_whole()) {
            std::thread::yield_now();
        }
        player
    }

    /// When packets were to leave that are sent now, in ms, and whether each begins a talkspurt; and whether it is over.
    fn at(player: &mut Player, ms: u64) -> (Vec<(u64, bool)>, bool) {
        let mut sent = Vec::new();
        let over = player.go_on(MS(ms), |frame| sent.push((frame.at.as_micros() / 1_000, frame.marker)));
        (sent, over)
    }

    #[test]
    fn packets_leave_by_a_timetable_and_it_is_over_when_the_last_ones_time_is() {
        let mut player = player(&[Sound::Silence(Duration::from_millis(50))], false);
        assert_eq!(at(&mut player, 4), (vec![], false));
        assert_eq!(at(&mut player, 6), (vec![(5, true)], false));
        assert_eq!(at(&mut player, 31), (vec![(25, false)], false));
        assert_eq!(at(&mut player, 45), (vec![(45, false)], false));
        assert_eq!(at(&mut player, 64), (vec![], false));
        assert_eq!(at(&mut player, 65), (vec![], true));
    }

    #[test]
    fn after_a_stall_two_packets_leave_at_once_and_the_rest_comes_later() {
        let mut player = player(&[Sound::Silence(Duration::from_millis(200))], false);
        assert_eq!(at(&mut player, 5).0.len(), 1);
        assert_eq!(at(&mut player, 502), (vec![(25, false), (45, false)], false));
        assert_eq!(player.due(), MS(505), "the timetable is the old one");
        let mut left = 0;
        for ms in (505..).step_by(20) {
            let (sent, over) = at(&mut player, ms);
            if over {
                break;
            }
            assert_eq!(sent, [(ms, left == 0)], "silence lies before the first of the rest");
            left += 1;
        }
        assert_eq!(left, 7, "nothing is left out");
    }

    #[test]
    fn what_is_repeated_goes_round_without_a_gap_and_nothing_is_repeated_without_end() {
        let mut busy = player(&[Sound::Tone(Tone::Busy), Sound::Silence(Duration::from_millis(20))], true);
        for ms in (5..3_000).step_by(20) {
            assert_eq!(at(&mut busy, ms), (vec![(ms, ms == 5)], false));
        }
        let mut nothing = player(&[Sound::Prompt("nowhere".into(), "nowhere")], true);
        assert_eq!(at(&mut nothing, 5), (vec![], false));
        assert!(nothing.due() > MS(5));
    }
}
