//! How well a leg was heard: what passed at its ports is told by the edge when they are closed, and that is after the leg
//! has said goodbye.

use super::tables::{Stream, Switch};
use crate::anchor::{Counters, EndpointKey};
use crate::call::Leg;
use crate::clock::Duration;
use crate::fact::{Fact, Streamed};
use crate::key::LegKey;

/// How long the edge may take to close a port. One that could not be opened is never closed.
const PATIENCE: Duration = Duration::from_secs(30);

impl Switch {
    /// A leg is forgotten: what was heard from it follows.
    pub(super) fn stream_ends(&mut self, key: LegKey, leg: &Leg) {
        let now = self.means.now.mono;
        while self.streams.front().is_some_and(|stream| now.since(stream.since) > PATIENCE) {
            self.streams.pop_front();
        }
        if let Some(line) = self.lines.get(leg.call()).filter(|_| leg.has_media()) {
            let (call, number, talked) = (line.id, leg.number(), leg.was_answered());
            self.streams.push_back(Stream { leg: key, call, number, talked, since: now });
        }
    }

    /// An endpoint is closed. What counts is a session's first stream: its voice.
    pub(super) fn stream_closed(&mut self, endpoint: EndpointKey, counters: &Counters) {
        let is = |stream: &Stream| stream.leg.to_bits() == endpoint.leg;
        let Some(at) = self.streams.iter().position(is).filter(|_| endpoint.line == 0) else { return };
        let Some(stream) = self.streams.remove(at) else { return };
        if stream.talked || counters.packets > 0 {
            let streamed = Streamed {
                packets: counters.packets,
                forwarded: counters.forwarded,
                lost: counters.lost,
                jitter_us: u64::try_from(counters.jitter.as_micros()).unwrap_or(u64::MAX),
                foreign: counters.foreign,
            };
            self.means.note(Fact::Streamed { call: stream.call, leg: stream.number, streamed });
        }
    }
}
