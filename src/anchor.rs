//! Where a call's voice passes through us: the ports we lend to its streams, and the words in which the core orders
//! what shall happen to packets it never sees.
//!
//! An [`EndpointKey`] is one leg's one `m=` line. For its life it holds one port pair: RTP on an even port, RTCP on the
//! next. The core lends ports from its [`Ports`], tells them in SDP and sends [`MediaOrder`]s; the edge owns the sockets
//! and reports [`MediaEvent`]s.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::clock::{Duration, Instant};
use crate::sound::{Formats, Sound};

/// One leg's one `m=` line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EndpointKey {
    /// The leg, as the core numbers them; a number is never used for two legs.
    pub leg: u64,
    /// The place of the `m=` line in the leg's SDP, from 0.
    pub line: u8,
}

/// What the core wants to happen to packets. Orders about one endpoint are carried out in the order in which they were
/// given; an order about an endpoint that is not open does nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaOrder {
    /// Bind `local` for RTP and the next port for RTCP. Done when the order returns, so that a message sent afterwards
    /// may tell the port.
    Open {
        /// A new endpoint.
        endpoint: EndpointKey,
        /// The address to bind, with the even port lent by [`Ports::lend`].
        local: SocketAddr,
    },
    /// The peer's SDP has come (again): packets go there, and are expected from there. Opens the latch anew.
    Expect {
        /// Whose peer.
        endpoint: EndpointKey,
        /// What its SDP says.
        peer: Peer,
    },
    /// What comes in at one leaves at the other; where both are the same, its peer hears itself (an echo). An endpoint has at
    /// most one partner; an earlier bridge of either ends.
    Bridge {
        /// One side.
        a: EndpointKey,
        /// The other.
        b: EndpointKey,
    },
    /// This endpoint and its partner no longer hear each other. Packets are still received and counted.
    Unbridge {
        /// Either side.
        endpoint: EndpointKey,
    },
    /// What its peer and we have agreed to speak: needed to play, to record and to hear digits. Bridged packets pass without.
    Agree {
        /// Whose peer.
        endpoint: EndpointKey,
        /// What both understand.
        formats: Formats,
    },
    /// Its peer hears these one after the other, and its partner no more until they are over. What was played to it before
    /// ends, and so does this at the next [`MediaOrder::Play`], [`MediaOrder::Hush`] or [`MediaOrder::Bridge`] of the endpoint.
    Play {
        /// Who is to hear it.
        endpoint: EndpointKey,
        /// Names this order in [`MediaEvent::Played`].
        play: PlayKey,
        /// What.
        sounds: Arc<[Sound]>,
        /// From the beginning again, until something else is ordered; there is no [`MediaEvent::Played`] then.
        repeat: bool,
    },
    /// Nothing is played to it any more; its partner is heard again.
    Hush {
        /// Who.
        endpoint: EndpointKey,
    },
    /// Write down what comes in at one or two endpoints. Given again for a take that runs, it goes on with these endpoints
    /// (a transfer); its other fields are those of the first order then.
    Record {
        /// Which.
        take: TakeKey,
        /// The caller: the left channel, or the only one.
        left: EndpointKey,
        /// The company: the right channel. `None` at the beginning: the file is mono.
        right: Option<EndpointKey>,
        /// The WAV file, counted from `storage.directory`; folders are made as needed.
        file: Arc<str>,
        /// When it ends by itself.
        until: Until,
    },
    /// Silence is written in place of what is said, or (`false`) no longer.
    Pause {
        /// Which.
        take: TakeKey,
        /// True: from now on.
        paused: bool,
    },
    /// The take is over: its file is made whole. Reported by [`MediaEvent::Recorded`], also where its endpoints are closed
    /// already.
    EndRecord {
        /// Which.
        take: TakeKey,
    },
    /// A digit is sent to its peer as RTP events (RFC 4733), where that was agreed.
    Dial {
        /// Who hears it.
        endpoint: EndpointKey,
        /// One of `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
        /// How long it is pressed.
        length: Duration,
    },
    /// It is over: nothing passes any more. Reported by [`MediaEvent::Closed`]; only then may the port be lent again. The edge
    /// may leave it bound for the next.
    Close {
        /// Which endpoint.
        endpoint: EndpointKey,
    },
}

/// One [`MediaOrder::Play`], for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PlayKey(pub u64);

/// One recording that runs, for the life of the process. What outlives it is named by its file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TakeKey(pub u64);

/// When a recording ends by itself. The default: never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Until {
    /// It has become so long.
    pub longest: Option<Duration>,
    /// Nobody has spoken for so long.
    pub silence: Option<Duration>,
}

/// What became of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// How long it is.
    pub length: Duration,
    /// How much of that is speech (of both sides together), by its energy.
    pub speech: Duration,
    /// How much of what came in could not be written: the disk was slow or full.
    pub lost: Duration,
    /// Why writing failed in the end, where it did. What was written before can be played.
    pub failed: Option<std::io::ErrorKind>,
}

/// The far side of an endpoint, as its SDP and its signalling tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Peer {
    /// Where RTP goes and is expected from; `None` where SDP says nothing usable (hold by a zero address, a host name).
    pub rtp: Option<SocketAddr>,
    /// The same for RTCP.
    pub rtcp: Option<SocketAddr>,
    /// Where its SIP comes from. A phone behind NAT sends its voice from the same public address, so this one is
    /// believed before any third.
    pub signalling: Option<IpAddr>,
    /// Report [`MediaEvent::Silent`] after so long without a packet, be it RTP or RTCP; `None` while it need not send any
    /// (a hold).
    pub silence: Option<Duration>,
}

/// What became of packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaEvent {
    /// The port pair could not be bound, or the endpoint could not be opened for another reason. It is not open.
    Failed {
        /// Which endpoint.
        endpoint: EndpointKey,
        /// What was to be bound; quarantine its port where `why` is [`std::io::ErrorKind::AddrInUse`].
        local: SocketAddr,
        /// What the system said.
        why: std::io::ErrorKind,
    },
    /// The first packet since the endpoint was opened has come.
    FirstPacket {
        /// Which endpoint.
        endpoint: EndpointKey,
    },
    /// Everything that was to be played has been; reported only where nothing else ended it before.
    Played {
        /// To whom.
        endpoint: EndpointKey,
        /// Which order.
        play: PlayKey,
    },
    /// Its peer has pressed a key (RFC 4733); once for each press. Between two who are bridged the digit passes as well.
    Digit {
        /// Whose.
        endpoint: EndpointKey,
        /// One of `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
    },
    /// A second of speech has been heard in a recording: from here on it is no empty one. Said once.
    Spoke {
        /// Which.
        take: TakeKey,
    },
    /// What is said in a recording gets lost (a slow or full disk). Said once; how much it was, [`MediaEvent::Recorded`] says.
    Losing {
        /// Which.
        take: TakeKey,
        /// What the system said.
        why: std::io::ErrorKind,
    },
    /// A recording is over, by order or by itself, and its file is whole.
    Recorded {
        /// Which.
        take: TakeKey,
        /// What became of it.
        taken: Taken,
    },
    /// Nothing has come for as long as [`Peer::silence`] allows, though it has a partner. Counted from the last packet,
    /// [`MediaOrder::Expect`] or [`MediaOrder::Bridge`]; said once, until [`MediaEvent::HeardAgain`] or one of these orders.
    Silent {
        /// Which endpoint.
        endpoint: EndpointKey,
    },
    /// A packet has come after [`MediaEvent::Silent`].
    HeardAgain {
        /// Which endpoint.
        endpoint: EndpointKey,
    },
    /// It is over.
    Closed {
        /// Which endpoint.
        endpoint: EndpointKey,
        /// Its even port, free again.
        port: u16,
        /// What passed in its life.
        counters: Counters,
    },
}

/// What passed through one endpoint, RTP and RTCP together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets from the peer.
    pub packets: u64,
    /// Their payload in bytes, without IP and UDP headers.
    pub bytes: u64,
    /// How many of them left at the partner.
    pub forwarded: u64,
    /// Packets from a third address, dropped.
    pub foreign: u64,
    /// Packets the system would not send, or whose partner's peer is not known yet.
    pub unsent: u64,
    /// RTP packets that never came, by their sequence numbers (RFC 3550 §A.3).
    pub lost: u64,
    /// The greatest interarrival jitter (RFC 3550 §6.4.1) that was seen.
    pub jitter: Duration,
}

/// The even ports we lend. Those that were lent before come first, for they may still be bound, and of them those that have
/// rested the longest: late packets of one call do not reach the next.
#[derive(Debug)]
pub struct Ports {
    range: RangeInclusive<u16>,
    /// Not lent yet.
    fresh: VecDeque<u16>,
    /// Given back, and when, in this order.
    rested: VecDeque<(Instant, u16)>,
    /// Ports somebody else holds, and when to try them again.
    quarantined: VecDeque<(Instant, u16)>,
    /// By (port - start of range) / 2.
    lent: Vec<bool>,
}

/// How long a port that was given back rests, as long as there are fresh ones. A packet is not on its way for so long.
pub const REST: Duration = Duration::from_millis(250);

/// How many ports rest before the first of them is lent again, as long as there are fresh ones: in a small office, that is for
/// hours.
const QUEUE: usize = 64;

/// How long a port that somebody else holds is left alone.
pub const QUARANTINE: Duration = Duration::from_secs(600);

impl Ports {
    /// Lends the even ports of `range` whose odd neighbour is in it too.
    pub fn new(range: RangeInclusive<u16>) -> Ports {
        let mut ports = Ports {
            range: 0..=0,
            fresh: VecDeque::new(),
            rested: VecDeque::new(),
            quarantined: VecDeque::new(),
            lent: Vec::new(),
        };
        ports.configure(range);
        ports
    }

    /// Follows a new config. Ports that are lent stay lent; those outside the new range do not come back.
    pub fn configure(&mut self, range: RangeInclusive<u16>) {
        if range == self.range {
            return;
        }
        let lent: Vec<u16> = Self::pairs(&self.range).filter(|port| self.is_lent(*port)).collect();
        let pairs = Self::pairs(&range);
        self.range = range;
        self.lent = vec![false; pairs.clone().count()];
        for port in lent {
            self.mark(port, true);
        }
        self.fresh = pairs.filter(|port| !self.is_lent(*port)).collect();
        self.rested.clear();
        self.quarantined.clear();
    }

    fn pairs(range: &RangeInclusive<u16>) -> impl Iterator<Item = u16> + Clone + use<> {
        let first = range.start().checked_next_multiple_of(2).unwrap_or(u16::MAX).max(2);
        (first..*range.end()).step_by(2)
    }

    /// A port for one endpoint, until it is given back; `None` where all are lent.
    pub fn lend(&mut self, now: Instant) -> Option<u16> {
        while let Some((_, port)) = self.quarantined.front().copied().filter(|(until, _)| *until <= now) {
            self.quarantined.pop_front();
            self.fresh.push_back(port);
        }
        let has_rested = |(since, _): &(Instant, u16)| now.since(*since) >= REST;
        let is_due = self.rested.len() >= QUEUE && self.rested.front().is_some_and(has_rested);
        let fresh = if is_due { None } else { self.fresh.pop_front() };
        let port = fresh.or_else(|| self.rested.pop_front().map(|(_, port)| port))?;
        self.mark(port, true);
        Some(port)
    }

    /// Takes a port back; one that is not lent is ignored.
    pub fn give_back(&mut self, port: u16, now: Instant) {
        if self.mark(port, false) {
            self.rested.push_back((now, port));
        }
    }

    /// Takes a port back that could not be bound, and leaves it alone for [`QUARANTINE`].
    pub fn quarantine(&mut self, port: u16, now: Instant) {
        if self.mark(port, false) {
            self.quarantined.push_back((now + QUARANTINE, port));
        }
    }

    /// True where the voices of one more call, two sides, would find no port.
    pub fn are_exhausted(&self, now: Instant) -> bool {
        let rested = self.quarantined.iter().take(2).filter(|(until, _)| *until <= now).count();
        self.free() + rested < 2
    }

    /// How many can be lent.
    pub fn free(&self) -> usize {
        self.fresh.len() + self.rested.len()
    }

    /// How many are lent.
    pub fn lent(&self) -> usize {
        self.lent.iter().filter(|lent| **lent).count()
    }

    fn place(&self, port: u16) -> Option<usize> {
        let first = Self::pairs(&self.range).next()?;
        port.is_multiple_of(2).then(|| port.checked_sub(first)).flatten().map(|offset| usize::from(offset / 2))
    }

    fn is_lent(&self, port: u16) -> bool {
        self.place(port).and_then(|place| self.lent.get(place)).is_some_and(|lent| *lent)
    }

    /// Notes whether `port` is lent; true where that is news.
    fn mark(&mut self, port: u16, lent: bool) -> bool {
        let place = self.place(port);
        let row = place.and_then(|place| self.lent.get_mut(place));
        row.is_some_and(|row| std::mem::replace(row, lent) != lent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::START;

    #[test]
    fn a_port_that_was_given_back_rests_the_longest() {
        let mut ports = Ports::new(20_000..=20_005);
        assert_eq!(ports.lend(START), Some(20_000));
        ports.give_back(20_000, START);
        let lent: Vec<_> = std::iter::from_fn(|| ports.lend(START)).collect();
        assert_eq!(lent, [20_002, 20_004, 20_000]);
        assert_eq!((ports.free(), ports.lent()), (0, 3));
    }

    #[test]
    fn once_many_rest_the_first_of_them_is_lent_again() {
        let mut ports = Ports::new(20_000..=29_999);
        let lent: Vec<u16> = (0..QUEUE).filter_map(|_| ports.lend(START)).collect();
        lent[1..].iter().for_each(|port| ports.give_back(*port, START));
        let fresh = 20_000 + 2 * QUEUE as u16;
        assert_eq!(ports.lend(START + REST), Some(fresh), "not many yet");
        ports.give_back(lent[0], START + REST);
        assert_eq!(ports.lend(START + Duration::from_micros(1)), Some(fresh + 2), "not long yet");
        assert_eq!(ports.lend(START + REST), Some(lent[1]));
    }

    #[test]
    fn only_even_ports_with_their_odd_neighbour_are_lent() {
        let lent = |range| {
            std::iter::repeat_with({
                let mut ports = Ports::new(range);
                move || ports.lend(START)
            })
            .map_while(|port| port)
            .collect::<Vec<_>>()
        };
        assert_eq!(lent(20_001..=20_006), [20_002, 20_004]);
        assert_eq!(lent(20_000..=20_000), [0u16; 0]);
        assert_eq!(lent(65_532..=65_535), [65_532, 65_534]);
        assert_eq!(lent(0..=3), [2]);
    }

    #[test]
    fn what_is_not_lent_cannot_be_given_back() {
        let mut ports = Ports::new(20_000..=20_003);
        assert_eq!(ports.lend(START), Some(20_000));
        for port in [20_000, 20_000, 20_001, 20_002, 19_998, 30_000] {
            ports.give_back(port, START);
        }
        assert_eq!((ports.free(), ports.lent()), (2, 0));
    }

    #[test]
    fn a_port_that_somebody_else_holds_is_left_alone_for_a_while() {
        let mut ports = Ports::new(20_000..=20_003);
        assert_eq!(ports.lend(START), Some(20_000));
        ports.quarantine(20_000, START);
        ports.give_back(20_000, START);
        assert_eq!((ports.lend(START), ports.lend(START)), (Some(20_002), None));
        assert_eq!(ports.lend(START + QUARANTINE), Some(20_000));
    }

    #[test]
    fn a_new_range_takes_nothing_from_calls_in_progress() {
        let mut ports = Ports::new(20_000..=20_003);
        assert_eq!((ports.lend(START), ports.lend(START)), (Some(20_000), Some(20_002)));
        ports.configure(20_002..=20_005);
        assert_eq!((ports.lend(START), ports.lend(START)), (Some(20_004), None));
        ports.give_back(20_000, START);
        ports.give_back(20_002, START);
        assert_eq!((ports.lend(START), ports.lend(START)), (Some(20_002), None));
    }
}
