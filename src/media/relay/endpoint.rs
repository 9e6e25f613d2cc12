//! What the relay knows of one leg's one `m=` line: its sockets, its partner, what passed.

use std::net::SocketAddr;

use mio::net::UdpSocket;

use crate::anchor::{Counters, EndpointKey};
use crate::clock::{Duration, Instant};
use crate::media::latch::Latch;
use crate::sound::Formats;

/// One leg's one `m=` line.
pub(super) struct Endpoint {
    pub(super) key: EndpointKey,
    pub(super) port: u16,
    /// RTP's and RTCP's.
    pub(super) ports: [Port; 2],
    pub(super) partner: Option<usize>,
    /// What its peer and we have agreed to speak.
    pub(super) formats: Formats,
    pub(super) counters: Counters,
    pub(super) silence: Option<Duration>,
    pub(super) last_heard: Instant,
    pub(super) heard: bool,
    pub(super) silent: bool,
}

pub(super) struct Port {
    pub(super) socket: UdpSocket,
    pub(super) latch: Latch,
    /// Stands in [`Exchange::ready`].
    pub(super) ready: bool,
}

impl Endpoint {
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
