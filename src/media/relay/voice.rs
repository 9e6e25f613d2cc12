//! Our own voice towards one peer: what we play to it and the keys we press, as one RTP stream (RFC 3550) that is not the
//! partner's.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::dialer::Dialer;
use super::player::Player;
use crate::anchor::PlayKey;
use crate::clock::{Deadline, Duration, Instant};
use crate::media::library::Library;
use crate::sound::{Codec, Formats, Sound};

/// What is played where the peer understands none of our codecs: nobody hears it, but its time passes.
const UNHEARD: Codec = Codec::Pcma;

/// What we say to one peer.
pub(super) struct Voice {
    stream: Stream,
    player: Option<Player>,
    dialer: Dialer,
    /// That it cannot hear us was written into the log.
    told: bool,
    /// When it is served next, as the relay's timetable knows it.
    pub(super) turn: Option<Deadline>,
}

impl Voice {
    /// One that says nothing yet.
    pub(super) fn new() -> Voice {
        Voice { stream: Stream::new(), player: None, dialer: Dialer::default(), told: false, turn: None }
    }

    /// Plays these from now on, and nothing else.
    pub(super) fn play(
        &mut self,
        (key, sounds, repeat): (PlayKey, Arc<[Sound]>, bool),
        formats: &Formats,
        library: &Library,
        now: Instant,
    ) {
        self.player = Some(Player::new(key, sounds, repeat, codec(formats), library, now));
    }

    /// Plays nothing.
    pub(super) fn hush(&mut self) {
        self.player = None;
    }

    /// Something is being played.
    pub(super) fn is_playing(&self) -> bool {
        self.player.is_some()
    }

    /// Goes on in the codec that has been agreed now.
    pub(super) fn agree(&mut self, formats: &Formats, library: &Library) {
        if let Some(player) = &mut self.player {
            player.speak(codec(formats), library);
        }
    }

    /// Presses a key.
    pub(super) fn dial(&mut self, code: u8, length: Duration, now: Instant) {
        self.dialer.press(code, length, now);
    }

    /// When it has something to do next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.player.as_ref().map(Player::due).into_iter().chain(self.dialer.due()).min()
    }

    /// Gives the packets that are due to `send`; says which order to play is over with them.
    pub(super) fn go_on(&mut self, formats: &Formats, now: Instant, mut send: impl FnMut(&[u8])) -> Option<PlayKey> {
        let stream = &mut self.stream;
        while let Some(event) = self.dialer.next(now) {
            if let Some(events) = formats.send_events {
                let at = stream.timestamp(event.since, events.clock);
                send(stream.packet(event.marker, events.payload, at, &event.payload(events.clock)));
            }
        }
        let player = self.player.as_mut()?;
        if formats.send.is_none() && !std::mem::replace(&mut self.told, true) {
            tracing::info!("a peer speaks none of our codecs: it does not hear what is played to it");
        }
        let over = player.go_on(now, |frame| {
            if let Some(format) = formats.send {
                let at = stream.timestamp(frame.at, format.codec.clock());
                send(stream.packet(frame.marker, format.payload, at, frame.payload));
            }
        });
        let key = player.key();
        over.then(|| {
            self.player = None;
            key
        })
    }
}

fn codec(formats: &Formats) -> Codec {
    formats.send.map_or(UNHEARD, |format| format.codec)
}

/// What makes packets a stream.
struct Stream {
    ssrc: u32,
    sequence: u16,
    /// The timestamp of the relay's first moment.
    base: u32,
    buffer: Vec<u8>,
}

impl Stream {
    /// RFC 3550 §5.1: all three begin anywhere, so that no two streams are taken for one.
    fn new() -> Stream {
        let chance = RandomState::new();
        let [a, b] = [0, 1].map(|which| chance.hash_one(which));
        Stream { ssrc: a as u32, sequence: (a >> 32) as u16, base: b as u32, buffer: Vec::new() }
    }

    /// The timestamp of a moment, by a clock of so many Hz: silence between two sounds counts as it should.
    fn timestamp(&self, at: Instant, clock: u32) -> u32 {
        let ticks = u128::from(at.as_micros()) * u128::from(clock) / 1_000_000;
        self.base.wrapping_add(ticks as u32)
    }

    /// The next packet.
    fn packet(&mut self, marker: bool, kind: u8, timestamp: u32, payload: &[u8]) -> &[u8] {
        self.buffer.clear();
        self.buffer.extend([0x80, u8::from(marker) << 7 | kind]);
        self.buffer.extend(self.sequence.to_be_bytes());
        self.buffer.extend(timestamp.to_be_bytes());
        self.buffer.extend(self.ssrc.to_be_bytes());
        self.buffer.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        &self.buffer
    }
}
