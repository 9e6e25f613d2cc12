//! What the relay knows of one leg's one `m=` line: its sockets, its partner, what passed.

use std::net::SocketAddr;

use mio::net::UdpSocket;
use smallvec::SmallVec;

use super::voice::Voice;
use crate::anchor::{Counters, EndpointKey};
use crate::clock::{Duration, Instant};
use crate::media::digits::Keypad;
use crate::media::latch::Latch;
use crate::media::record::Tap;
use crate::media::rtp::Rtp;
use crate::media::stats::{Statistics, static_clock};
use crate::sound::Formats;

/// One leg's one `m=` line.
pub(super) struct Endpoint {
    pub(super) key: EndpointKey,
    /// Its even port.
    pub(super) local: SocketAddr,
    /// Closed; its ports wait for the next.
    pub(super) rests: bool,
    /// RTP's and RTCP's.
    pub(super) ports: [Port; 2],
    pub(super) partner: Option<usize>,
    /// What its peer and we have agreed to speak.
    pub(super) formats: Formats,
    pub(super) keypad: Keypad,
    /// What we say to its peer; none before we first do.
    pub(super) voice: Option<Box<Voice>>,
    pub(super) statistics: Statistics,
    /// The recordings that it is in.
    pub(super) taps: SmallVec<[Tap; 1]>,
    pub(super) counters: Counters,
    pub(super) silence: Option<Duration>,
    pub(super) last_heard: Instant,
    pub(super) heard: bool,
    pub(super) silent: bool,
}

pub(super) struct Port {
    pub(super) socket: UdpSocket,
    pub(super) latch: Latch,
    /// Stands in the queue of those that may have packets.
    pub(super) ready: bool,
}

impl Endpoint {
    /// One that has just been opened.
    pub(super) fn new(key: EndpointKey, local: SocketAddr, sockets: [UdpSocket; 2], now: Instant) -> Endpoint {
        Endpoint {
            key,
            local,
            rests: false,
            ports: sockets.map(|socket| Port { socket, latch: Latch::default(), ready: false }),
            partner: None,
            formats: Formats::default(),
            keypad: Keypad::default(),
            voice: None,
            statistics: Statistics::default(),
            taps: SmallVec::new(),
            counters: Counters::default(),
            silence: None,
            last_heard: now,
            heard: false,
            silent: false,
        }
    }

    /// Nothing of it is left but its ports.
    pub(super) fn rest(&mut self) {
        let Endpoint { rests, ports, formats, keypad, voice, statistics, taps, .. } = self;
        (*rests, *formats, *keypad, *voice) = (true, Formats::default(), Keypad::default(), None);
        (*statistics, *taps) = (Statistics::default(), SmallVec::new());
        ports.iter_mut().for_each(|port| port.latch = port.latch.after());
    }

    /// Its ports serve another leg, as if they had been opened just now.
    pub(super) fn begin_again(&mut self, key: EndpointKey, now: Instant) {
        let Endpoint { partner, counters, silence, last_heard, heard, silent, .. } = self;
        (*partner, *counters, *silence, *last_heard, *heard, *silent) =
            (None, Counters::default(), None, now, false, false);
        (self.key, self.rests) = (key, false);
    }

    /// Looks into an RTP packet from the peer; the key where a press begins with it.
    pub(super) fn look_into(&mut self, bytes: &[u8], now: Instant) -> Option<char> {
        let packet = Rtp::read(bytes)?;
        for tap in &self.taps {
            tap.hear(bytes, &packet, &self.formats, now);
        }
        if self.formats.receive_events.is_some_and(|events| events.payload == packet.kind) {
            // The clock of events stands still while a key is pressed.
            self.statistics.hear(&packet, None, now);
            return self.keypad.hear(&packet);
        }
        let known = self.formats.receive.iter().find(|format| format.payload == packet.kind);
        let clock = known.map(|format| format.codec.clock()).or_else(|| static_clock(packet.kind));
        self.statistics.hear(&packet, clock, now);
        None
    }

    /// Its peer hears us, and its partner not.
    pub(super) fn is_played_to(&self) -> bool {
        self.voice.as_ref().is_some_and(|voice| voice.is_playing())
    }

    /// What passed in its life.
    pub(super) fn counted(&self) -> Counters {
        Counters { lost: self.statistics.lost(), jitter: self.statistics.jitter(), ..self.counters }
    }

    /// Where RTP was learnt elsewhere than SDP said, RTCP is probably beside it.
    pub(super) fn guess_rtcp(&mut self, side: usize) {
        let [rtp, rtcp] = &mut self.ports;
        if side == 0
            && rtcp.latch.source().is_none()
            && let Some(source) = rtp.latch.source()
            && rtp.latch.is_learnt()
            && let Some(port) = source.port().checked_add(1)
        {
            rtcp.latch.guess(SocketAddr::new(source.ip(), port));
        }
    }
}
