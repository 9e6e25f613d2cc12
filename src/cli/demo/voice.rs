//! What a stand-in says and hears: RTP in G.711 A-law, a packet each 20 ms.

use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::media::codec::{Decoder, Encoder, frame_samples, frame_ticks, rate};
use crate::media::prompts::shipped;
use crate::media::resample::Resampler;
use crate::media::rtp::Rtp;
use crate::media::wav::Wav;
use crate::sound::Codec;

/// RTP's payload type of G.711 A-law (RFC 3551 §6).
const PCMA: u8 = 8;
/// How it encodes silence.
const SILENCE: u8 = 0xd5;
/// Packets with a mean amplitude above this are sound.
const LOUD: u32 = 300;
/// So many packets with sound, and something is heard: 60 ms.
const SOUND: u32 = 3;
/// So many without, and it is over: 0.6 s, longer than the pauses of a sentence.
const PAUSE: u32 = 30;

/// What somebody who listens notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// There is sound.
    Sound,
    /// It is over.
    Silence,
}

/// Something to say, again and again: packets' payloads.
pub(super) type Words = Arc<[Vec<u8>]>;

/// Shipped prompts as somebody's words. `pitch` is in percent: who speaks higher also speaks faster.
pub(super) fn words(prompts: &[&str], pitch: u32) -> Words {
    let codec = Codec::Pcma;
    let mut sound = Vec::new();
    for name in prompts {
        let Some(file) = shipped("en", name) else { continue };
        let Ok(mut wav) = Wav::open(Cursor::new(file)) else { continue };
        let mut said = Vec::new();
        while wav.read(usize::MAX >> 8, &mut said).is_ok_and(|samples| samples > 0) {}
        let mut resampler = Resampler::new(wav.rate() * pitch / 100, rate(codec));
        resampler.push(&said, &mut sound);
        resampler.finish(&mut sound);
    }
    let mut encoder = Encoder::new(codec);
    let payload = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    sound.chunks(frame_samples(codec)).map(payload).collect()
}

/// One side of one call; it falls silent when dropped.
pub(super) struct Voice {
    /// Where it listens.
    pub(super) local: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    speaks: AtomicBool,
    /// What was heard before counts no longer.
    anew: AtomicBool,
}

impl Voice {
    /// Opens a port and listens; `tell` hears what is heard.
    pub(super) async fn open(words: Words, tell: impl Fn(Heard) + Send + 'static) -> io::Result<Voice> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let local = socket.local_addr()?;
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(talk(socket, words, shared.clone(), tell));
        Ok(Voice { local, shared, task })
    }

    /// Sends to this address from now on.
    pub(super) fn towards(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Somebody else is there now: what is heard from here on is news.
    pub(super) fn listen_anew(&self) {
        self.shared.anew.store(true, Ordering::Relaxed);
    }

    /// Speaks, or listens in silence.
    pub(super) fn speak(&self, speaks: bool) {
        self.shared.speaks.store(speaks, Ordering::Relaxed);
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn every_20_ms() -> Interval {
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

async fn talk(socket: UdpSocket, words: Words, shared: Arc<Shared>, tell: impl Fn(Heard)) {
    let silence = vec![SILENCE; frame_samples(Codec::Pcma)];
    let port = socket.local_addr().map_or(0, |local| local.port());
    let (mut ticks, mut ear, mut room) = (every_20_ms(), Ear::default(), [0; 2048]);
    let (mut sent, mut said) = (0u32, 0usize);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
                let speaks = shared.speaks.load(Ordering::Relaxed) && !words.is_empty();
                if let Some(target) = target {
                    let payload = if speaks { &words[said % words.len()] } else { &silence };
                    said += usize::from(speaks);
                    // Nobody listens any more: the call is ending.
                    let _unheard = socket.send_to(&packet(sent, port, payload), target).await;
                }
                sent = sent.wrapping_add(1);
                if let Some(heard) = ear.listen(false) {
                    tell(heard);
                }
            }
            received = socket.recv_from(&mut room) => {
                let Ok((length, _)) = received else { continue };
                if shared.anew.swap(false, Ordering::Relaxed) {
                    ear = Ear::default();
                }
                if let Some(heard) = ear.packet(&room[..length]) {
                    tell(heard);
                }
            }
        }
    }
}

/// An RTP packet (RFC 3550 §5.1), the `number`th of its stream; the stream is named by its port.
fn packet(number: u32, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, PCMA | if number == 0 { 0x80 } else { 0 }];
    packet.extend((number as u16).to_be_bytes());
    packet.extend(number.wrapping_mul(frame_ticks(Codec::Pcma)).to_be_bytes());
    packet.extend(u32::from(port).to_be_bytes());
    packet.extend(payload);
    packet
}

/// Tells sound from silence.
#[derive(Default)]
struct Ear {
    loud: u32,
    quiet: u32,
    hears: bool,
}

impl Ear {
    fn packet(&mut self, packet: &[u8]) -> Option<Heard> {
        let rtp = Rtp::read(packet).filter(|rtp| rtp.kind == PCMA)?;
        let mut sound = Vec::new();
        Decoder::new(Codec::Pcma).decode(rtp.payload, &mut sound).ok()?;
        let sum: u32 = sound.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
        if sum / sound.len() as u32 > LOUD { self.listen(true) } else { None }
    }

    /// A packet with sound came, or 20 ms went by.
    fn listen(&mut self, sound: bool) -> Option<Heard> {
        if sound {
            (self.loud, self.quiet) = (self.loud + 1, 0);
            return (self.loud >= SOUND && !std::mem::replace(&mut self.hears, true)).then_some(Heard::Sound);
        }
        self.quiet += 1;
        if self.quiet < PAUSE {
            return None;
        }
        self.loud = 0;
        std::mem::take(&mut self.hears).then_some(Heard::Silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_between_words_is_not_the_end_of_them() {
        let mut ear = Ear::default();
        let mut listen = |sound, times| (0..times).filter_map(|_| ear.listen(sound)).collect::<Vec<_>>();
        assert_eq!(listen(true, 50), [Heard::Sound]);
        assert_eq!(listen(false, PAUSE - 1), []);
        assert_eq!(listen(true, 50), []);
        assert_eq!(listen(false, PAUSE), [Heard::Silence]);
        assert_eq!(listen(false, PAUSE), []);
        assert_eq!(listen(true, SOUND), [Heard::Sound]);
    }

    #[test]
    fn words_are_sound_and_silence_is_none() {
        let words = words(&["hello"], 100);
        assert!((100..400).contains(&words.len()), "{} packets", words.len());
        let mut ear = Ear::default();
        let heard: Vec<_> = words.iter().filter_map(|payload| ear.packet(&packet(1, 1, payload))).collect();
        assert_eq!(heard, [Heard::Sound]);
        let silence = packet(1, 1, &vec![SILENCE; frame_samples(Codec::Pcma)]);
        assert_eq!((0..100).filter_map(|_| Ear::default().packet(&silence)).count(), 0);
    }
}
