//! Whose voice is this? Decides from which address packets are believed, so that nobody can talk into a call.
//!
//! SDP says where a peer's packets come from, but behind NAT it is mistaken, so a relay has to learn (symmetric RTP,
//! RFC 4961). Whoever guesses the port could then be learnt instead. So addresses have a [`Standing`]: the signalled
//! address itself; a neighbour (same host as SDP or SIP name); a stranger.
//!
//! ```text
//!            first packet            better standing, within WINDOW          fresh SDP
//!  open ───────────────────► latched ─────────────────────────────► latched ──────────► open
//!                              │ ▲  signalled address, at any time
//!                              └─┘  same SSRC from elsewhere, going on where it stopped (NAT or network changed)
//!                                   everything else: dropped
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::clock::{Duration, Instant};

/// How long after the first packet a better address may still take its place. Longer than any phone's first 20 ms, shorter
/// than anyone needs to prepare.
pub const WINDOW: Duration = Duration::from_secs(3);

/// How many packets a stream may have lost while it moved to another address: a minute at 20 ms each.
const MAX_GAP: u16 = 3000;

/// How much an address is believed before anything was heard from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Standing {
    /// Nobody spoke of it.
    Stranger,
    /// Another port of the host that SDP names or that SIP comes from.
    Neighbour,
    /// What SDP says, or where a stream that we know went on.
    Signalled,
}

/// The source and target of one port's packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latch {
    signalled: Option<SocketAddr>,
    signalling: Option<IpAddr>,
    source: Option<Source>,
    target: Option<SocketAddr>,
    stream: Option<Stream>,
    /// What the last call spoke here, as long as it may go on.
    past: Option<Stream>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    address: SocketAddr,
    standing: Standing,
    since: Instant,
}

/// What tells one RTP stream from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stream {
    ssrc: [u8; 4],
    /// RTP's sequence number; RTCP has none.
    sequence: Option<u16>,
}

impl Stream {
    /// Reads an RTP (RFC 3550 §5.1) or RTCP (§6.4.1) header; `None` for anything else, such as T.38.
    fn of(payload: &[u8]) -> Option<Stream> {
        let [first, kind, high, low, rest @ ..] = payload else { return None };
        if first >> 6 != 2 {
            return None;
        }
        // RFC 5761 §4: these second bytes are RTCP's, also where both share a port.
        if (192..=223).contains(kind) {
            return Some(Stream { ssrc: *rest.first_chunk()?, sequence: None });
        }
        let ssrc = *rest.get(4..)?.first_chunk()?;
        Some(Stream { ssrc, sequence: Some(u16::from_be_bytes([*high, *low])) })
    }

    /// Whether `next` is this stream a little later.
    fn goes_on_as(self, next: Stream) -> bool {
        self.ssrc == next.ssrc
            && match (self.sequence, next.sequence) {
                (Some(last), Some(next)) => (1..=MAX_GAP).contains(&next.wrapping_sub(last)),
                (None, None) => true,
                _ => false,
            }
    }
}

impl Latch {
    /// The latch of the next call at the same port. Whoever has not heard that the last one is over talks on: into nobody's call.
    pub fn after(&self) -> Latch {
        Latch { past: self.stream.or(self.past), ..Latch::default() }
    }

    /// A packet between two calls: it belongs to the last one.
    pub fn leave_behind(&mut self, payload: &[u8]) {
        self.past = Stream::of(payload).or(self.past);
    }

    /// The peer's SDP has come. What differs from the last opens the latch for the first source that speaks; a mere
    /// repetition (a session refresh) changes nothing.
    pub fn expect(&mut self, signalled: Option<SocketAddr>, signalling: Option<IpAddr>) {
        if (signalled, signalling) == (self.signalled, self.signalling) {
            return;
        }
        if signalled != self.signalled {
            self.target = signalled;
        }
        (self.signalled, self.signalling, self.source) = (signalled, signalling, None);
    }

    /// Where to send: what SDP says, until packets tell better.
    pub fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    /// Where packets come from, once one was believed.
    pub fn source(&self) -> Option<SocketAddr> {
        self.source.map(|source| source.address)
    }

    /// Whether packets come from elsewhere than SDP says.
    pub fn is_learnt(&self) -> bool {
        self.source().is_some_and(|source| Some(source) != self.signalled)
    }

    /// Sends to `target` as long as nothing better is known: a guess, from where the other port of the pair was found.
    pub fn guess(&mut self, target: SocketAddr) {
        if self.source.is_none() {
            self.target = Some(target);
        }
    }

    /// Whether this packet is believed. Changes the source where the drawing above says so.
    pub fn admits(&mut self, from: SocketAddr, payload: &[u8], now: Instant) -> bool {
        let stream = Stream::of(payload);
        match self.source {
            Some(source) if source.address == from => {}
            _ if self.is_of_the_past(from, stream) => {
                self.past = stream;
                return false;
            }
            None => self.follow(Source { address: from, standing: self.standing(from), since: now }),
            Some(source) => {
                let goes_on = self.stream.zip(stream).is_some_and(|(last, next)| last.goes_on_as(next));
                let standing = if goes_on { Standing::Signalled } else { self.standing(from) };
                let better = standing > source.standing;
                let in_time = standing == Standing::Signalled || now.since(source.since) <= WINDOW;
                if !(goes_on || better && in_time) {
                    return false;
                }
                // The window belongs to the first packet after SDP; it does not begin again.
                self.follow(Source { address: from, standing, ..source });
            }
        }
        // Where RTCP shares the port, RTP's numbers are the ones to go on from.
        match (self.stream, stream) {
            (Some(Stream { sequence: Some(_), .. }), Some(Stream { sequence: None, .. })) => {}
            (_, Some(_)) => self.stream = stream,
            (_, None) => {}
        }
        true
    }

    /// Whether this is the last call's stream, that still goes on.
    fn is_of_the_past(&self, from: SocketAddr, stream: Option<Stream>) -> bool {
        let goes_on = self.past.zip(stream).is_some_and(|(past, next)| past.goes_on_as(next));
        goes_on && self.standing(from) != Standing::Signalled
    }

    fn follow(&mut self, source: Source) {
        self.source = Some(source);
        self.target = Some(source.address);
    }

    fn standing(&self, address: SocketAddr) -> Standing {
        if Some(address) == self.signalled {
            Standing::Signalled
        } else if Some(address.ip()) == self.signalled.map(|signalled| signalled.ip())
            || Some(address.ip()) == self.signalling
        {
            Standing::Neighbour
        } else {
            Standing::Stranger
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::START;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// The phone's SDP names a private address; its SIP comes from a public one.
    fn latch() -> Latch {
        let mut latch = Latch::default();
        latch.expect(Some(address("192.168.1.5:4000")), Some(address("198.51.100.7:5060").ip()));
        latch
    }

    fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend([0xd5; 160]);
        packet
    }

    fn rtcp(ssrc: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend(ssrc.to_be_bytes());
        packet
    }

    #[test]
    fn before_anything_is_heard_packets_go_where_sdp_says() {
        assert_eq!(latch().target(), Some(address("192.168.1.5:4000")));
        assert_eq!(Latch::default().target(), None);
    }

    #[test]
    fn the_signalled_source_is_believed_at_once_and_nobody_else_after_it() {
        let mut latch = latch();
        assert!(latch.admits(address("192.168.1.5:4000"), &rtp(1, 1), NOW));
        assert!(!latch.admits(address("192.168.1.5:4002"), &rtp(2, 1), NOW));
        assert!(!latch.admits(address("198.51.100.7:4000"), &rtp(2, 2), NOW));
        assert!(!latch.admits(address("203.0.113.66:4000"), b"not rtp", NOW));
        assert_eq!(latch.target(), Some(address("192.168.1.5:4000")));
    }

    #[test]
    fn a_phone_behind_nat_is_learnt_and_overrules_a_stranger_who_was_faster() {
        let mut latch = latch();
        let (phone, stranger) = (address("198.51.100.7:61234"), address("203.0.113.66:4000"));
        assert!(latch.admits(stranger, &rtp(9, 1), NOW));
        assert!(latch.admits(phone, &rtp(1, 1), NOW + WINDOW));
        assert_eq!(latch.target(), Some(phone));
        assert!(!latch.admits(stranger, &rtp(9, 2), NOW + WINDOW));
    }

    #[test]
    fn after_the_window_only_the_signalled_address_overrules() {
        let mut latch = latch();
        let late = NOW + WINDOW + Duration::from_micros(1);
        assert!(latch.admits(address("203.0.113.66:4000"), &rtp(9, 1), NOW));
        assert!(!latch.admits(address("198.51.100.7:61234"), &rtp(1, 1), late));
        assert!(latch.admits(address("192.168.1.5:4000"), &rtp(1, 2), late));
        assert_eq!(latch.source(), Some(address("192.168.1.5:4000")));
    }

    #[test]
    fn a_stream_that_goes_on_from_elsewhere_is_followed() {
        let mut latch = latch();
        let (wifi, lte) = (address("198.51.100.7:61234"), address("203.0.113.80:7000"));
        assert!(latch.admits(wifi, &rtp(1, 65_535), NOW));
        assert!(!latch.admits(lte, &rtp(1, 65_535), NOW), "a repeated packet");
        assert!(!latch.admits(lte, &rtp(1, MAX_GAP), NOW), "too far ahead");
        assert!(!latch.admits(lte, &rtp(2, 0), NOW), "another stream");
        assert!(!latch.admits(lte, &rtcp(1), NOW), "RTCP proves nothing where RTP is known");
        assert!(latch.admits(lte, &rtp(1, 249), NOW));
        assert_eq!(latch.target(), Some(lte));
        assert!(!latch.admits(wifi, &rtp(1, 249), NOW), "late from where it was before");
        assert!(latch.admits(wifi, &rtp(1, 250), NOW), "and back");
    }

    #[test]
    fn rtcp_on_its_own_port_is_followed_by_its_ssrc() {
        let mut latch = latch();
        assert!(latch.admits(address("198.51.100.7:61235"), &rtcp(1), NOW));
        assert!(!latch.admits(address("203.0.113.80:7001"), &rtcp(2), NOW));
        assert!(latch.admits(address("203.0.113.80:7001"), &rtcp(1), NOW));
    }

    #[test]
    fn fresh_sdp_opens_the_latch_and_a_repetition_does_not() {
        let mut latch = latch();
        let (phone, stranger) = (address("198.51.100.7:61234"), address("203.0.113.66:4000"));
        assert!(latch.admits(phone, &rtp(1, 1), NOW));
        latch.expect(Some(address("192.168.1.5:4000")), Some(phone.ip()));
        assert_eq!(latch.target(), Some(phone));
        assert!(!latch.admits(stranger, &rtp(9, 1), NOW));
        latch.expect(Some(address("203.0.113.66:5000")), Some(phone.ip()));
        assert_eq!((latch.source(), latch.target()), (None, Some(address("203.0.113.66:5000"))));
        assert!(latch.admits(stranger, &rtp(9, 1), NOW));
    }

    #[test]
    fn a_guess_holds_until_something_is_heard() {
        let mut latch = latch();
        latch.guess(address("198.51.100.7:61235"));
        assert_eq!(latch.target(), Some(address("198.51.100.7:61235")));
        assert!(latch.admits(address("198.51.100.7:700"), &rtcp(1), NOW));
        latch.guess(address("198.51.100.7:61235"));
        assert_eq!(latch.target(), Some(address("198.51.100.7:700")));
    }

    #[test]
    fn what_goes_on_of_the_last_call_at_the_port_is_not_heard_in_the_next() {
        let (old, new) = (address("198.51.100.7:61234"), address("198.51.100.7:61300"));
        let mut last = latch();
        assert!(last.admits(old, &rtp(1, 7), NOW));
        let mut latch = last.after();
        latch.leave_behind(&rtp(1, 8));
        latch.expect(Some(address("192.168.1.5:4000")), Some(old.ip()));
        assert!(!latch.admits(old, &rtp(1, 9), NOW), "nobody has spoken yet, and it would be as good as any");
        assert!(latch.admits(new, &rtp(2, 1), NOW));
        assert!(!latch.admits(old, &rtp(1, 10), NOW));
        assert_eq!(latch.target(), Some(new));
        // The same phone again, from the start of its numbers, or from where SDP says.
        let mut again = last.after();
        assert!(again.admits(old, &rtp(1, 1), NOW));
        let mut said = last.after();
        said.expect(Some(old), None);
        assert!(said.admits(old, &rtp(1, 8), NOW));
    }

    #[test]
    fn payloads_that_are_no_rtp_pass_from_the_source_alone() {
        let mut latch = latch();
        for payload in [&b""[..], b"\x80", b"\x80\x00\x00\x01", b"\x00\x05udptl", &[0x80; 11]] {
            assert!(latch.admits(address("192.168.1.5:4000"), payload, NOW));
            assert!(!latch.admits(address("203.0.113.66:4000"), payload, NOW));
        }
    }
}
