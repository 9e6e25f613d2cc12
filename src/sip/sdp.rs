//! Where the voice goes: reads a session description (RFC 8866) and writes it again with our addresses in it.
//!
//! A B2BUA that anchors media changes as little as it can: the address in `c=`, the port in `m=`, `a=rtcp`, and `o=`.
//! ICE lines go, because candidates would lead the peers around us. Every other line leaves byte for byte as it came,
//! known to us or not, so codecs, keys and attributes of tomorrow pass.
//!
//! Reading notes the few places that may change; writing copies what lies between them. Limits: 64 kB, 32 `m=` lines.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

/// A session description as it came, with what we need to know of it.
#[derive(Clone, Debug)]
pub struct Sdp<'b> {
    body: &'b [u8],
    /// Who made it, and which version of its session it is.
    pub origin: Origin<'b>,
    /// The address for all streams that have none of their own.
    pub connection: Option<Connection<'b>>,
    /// The streams in the order of their `m=` lines; offer and answer correspond by place (RFC 3264 §6).
    pub media: SmallVec<[Media<'b>; 2]>,
    edits: SmallVec<[Edit; 12]>,
}

/// The `o=` line: who made the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin<'b> {
    /// Login on the host, or "-".
    pub user: &'b [u8],
    /// Together with user and address names the session.
    pub id: &'b [u8],
    /// Grows by one with each change (RFC 3264 §8).
    pub version: &'b [u8],
    /// Host name or address of its maker.
    pub host: &'b [u8],
}

/// The `c=` line: where packets are to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection<'b> {
    /// An address; `0.0.0.0` and `::` mean "send nothing" (hold as RFC 2543 had it).
    Address(IpAddr),
    /// A host name, which we do not resolve: such a stream is found when its first packet arrives.
    Name(&'b [u8]),
}

impl Connection<'_> {
    /// True for `0.0.0.0` and `::`.
    pub fn is_nowhere(self) -> bool {
        matches!(self, Connection::Address(address) if address.is_unspecified())
    }
}

/// Who sends on a stream, seen from the side that wrote the description.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Direction {
    /// Both, where nothing is said.
    #[default]
    SendRecv,
    /// Only its writer: the other side is on hold and may hear music.
    SendOnly,
    /// Only the other side.
    RecvOnly,
    /// Nobody.
    Inactive,
}

/// One stream: an `m=` line and the lines that belong to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media<'b> {
    /// `audio`, `video`, `image` …
    pub kind: &'b [u8],
    /// The RTP (or UDPTL) port; 0 refuses the stream.
    pub port: u16,
    /// How many port pairs; 1 where nothing is said.
    pub count: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `udptl` …
    pub proto: &'b [u8],
    /// The payload types (or `t38`), as they stand.
    pub formats: &'b [u8],
    /// Who sends.
    pub direction: Direction,
    /// Its own address, or the session's.
    pub connection: Option<Connection<'b>>,
    /// `a=rtcp` (RFC 3605): the port and, if named, the address.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=rtcp-mux` (RFC 5761): RTCP may come to the RTP port.
    pub rtcp_mux: bool,
    /// `a=ptime`: milliseconds of sound in a packet.
    pub ptime: Option<u16>,
    /// It has a `c=` line of its own.
    own_connection: bool,
}

impl<'b> Media<'b> {
    /// True where the stream is refused.
    pub fn is_rejected(&self) -> bool {
        self.port == 0
    }

    /// True where its writer does not want to hear the other side.
    pub fn is_held(&self) -> bool {
        let silent = matches!(self.direction, Direction::SendOnly | Direction::Inactive);
        silent || self.connection.is_some_and(Connection::is_nowhere)
    }

    /// The payload types or format names one by one.
    pub fn formats(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        self.formats.split(|byte| *byte == b' ').filter(|format| !format.is_empty())
    }

    /// Where RTP goes; `None` where the stream is refused, held by a zero address, or at a host we know only by name.
    pub fn rtp_target(&self) -> Option<SocketAddr> {
        self.target(self.port, None)
    }

    /// Where RTCP goes: `a=rtcp`, else the port after RTP's (RFC 3550 §11).
    pub fn rtcp_target(&self) -> Option<SocketAddr> {
        let (port, address) = self.rtcp.unwrap_or((self.port.checked_add(1)?, None));
        self.target(port, address)
    }

    fn target(&self, port: u16, own: Option<IpAddr>) -> Option<SocketAddr> {
        let address = match (own, self.connection) {
            (Some(address), _) | (None, Some(Connection::Address(address))) => address,
            _ => return None,
        };
        (self.port != 0 && port != 0 && !address.is_unspecified()).then_some(SocketAddr::new(address, port))
    }
}

/// Why a body is no session description; an offer with one is answered 400, an answer with one ends the leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSdp {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for BadSdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SDP line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for BadSdp {}

/// What our own `o=` says: on each leg we are one maker with one session, whoever speaks behind us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OurOrigin {
    /// Names the session; the same for the life of a leg.
    pub id: u64,
    /// To be raised by one whenever we say something new (see [`Sdp::says_the_same`]).
    pub version: u64,
    /// The address we tell this side.
    pub address: IpAddr,
}

/// Reads and rewrites in one go; see [`Sdp::read`] and [`Sdp::rewrite`].
pub fn rewrite(
    body: &[u8],
    endpoint: &mut dyn FnMut(usize) -> Option<SocketAddr>,
    origin: Option<OurOrigin>,
) -> Result<Bytes, BadSdp> {
    Ok(Sdp::read(body)?.rewrite(endpoint, origin))
}

/// A place that writing may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Edit {
    from: u32,
    to: u32,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// `o=` from the session id to the end of its line.
    Origin,
    /// What follows the session's `c=`.
    SessionConnection,
    /// What follows the `c=` of this stream.
    Connection(u8),
    /// Where this stream's `c=` line would stand if it needed one.
    Gap(u8),
    /// The port of this stream's `m=`.
    Port(u8),
    /// What follows this stream's `a=rtcp:`.
    Rtcp(u8),
    /// A line of ICE, with its end.
    Ice,
}

/// More streams than any phone offers.
const MAX_MEDIA: usize = 32;

/// As much as a message may hold.
const MAX_BODY: usize = 65_536;

impl<'b> Sdp<'b> {
    /// Reads a body. Lenient where real phones are loose (missing `s=` or `t=`, LF for CRLF, blank lines at the end),
    /// strict where we would have to guess: `v=0` first, one `o=`, readable `m=` and `c=`, an address for every live stream.
    pub fn read(body: &'b [u8]) -> Result<Sdp<'b>, BadSdp> {
        Reader::default().read(body)
    }

    /// True where there is a live stream and its writer wants to hear none of them.
    pub fn is_hold(&self) -> bool {
        let mut live = self.media.iter().filter(|media| !media.is_rejected()).peekable();
        live.peek().is_some() && live.all(Media::is_held)
    }

    /// True where `self` says nothing that `earlier` of the same maker did not say: the same session, version and text
    /// (RFC 3264 §8). A refresh of the session timer is such a repetition.
    pub fn says_the_same(&self, earlier: &Sdp<'_>) -> bool {
        self.body == earlier.body || (self.is_same_session(earlier) && self.origin.version == earlier.origin.version)
    }

    /// True where both come from one maker's one session; then only the version may differ.
    pub fn is_same_session(&self, earlier: &Sdp<'_>) -> bool {
        let (one, other) = (&self.origin, &earlier.origin);
        one.user == other.user && one.id == other.id && one.host == other.host
    }

    /// True where `self` may stand as the answer to `offer`: as many streams, the refused ones refused, and nobody is to
    /// hear what the other does not send (RFC 3264 §6.1).
    pub fn answers(&self, offer: &Sdp<'_>) -> bool {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        let fits = |(answer, offer): (&Media<'_>, &Media<'_>)| {
            let directed = match offer.direction {
                SendRecv => true,
                SendOnly => matches!(answer.direction, RecvOnly | Inactive),
                RecvOnly => matches!(answer.direction, SendOnly | Inactive),
                Inactive => answer.direction == Inactive,
            };
            answer.kind == offer.kind && (answer.is_rejected() || (!offer.is_rejected() && directed))
        };
        self.media.len() == offer.media.len() && self.media.iter().zip(&offer.media).all(fits)
    }

    /// The same description with our addresses. `endpoint` is asked once for each live stream, by place, for the address
    /// and RTP port to tell; RTCP is the next port. `None` refuses the stream (port 0). Refused streams stay refused, a
    /// zero address stays zero. Without an `origin` the `o=` line stays as it is.
    pub fn rewrite(&self, endpoint: &mut dyn FnMut(usize) -> Option<SocketAddr>, origin: Option<OurOrigin>) -> Bytes {
        let told: SmallVec<[Option<SocketAddr>; 2]> = self
            .media
            .iter()
            .enumerate()
            .map(|(index, media)| if media.is_rejected() { None } else { endpoint(index) })
            .collect();
        let session = told.iter().flatten().next().map(SocketAddr::ip).or(origin.map(|origin| origin.address));
        let mut out = Writer { out: Vec::with_capacity(self.body.len() + 96) };
        let mut copied = 0;
        for edit in &self.edits {
            let (from, to) = (edit.from as usize, edit.to as usize);
            out.copy(&self.body[copied..from]);
            copied = to;
            let old = &self.body[from..to];
            match edit.place {
                Place::Ice => {}
                Place::Origin => out.origin(origin, old),
                Place::SessionConnection => out.connection(session, self.connection, old),
                Place::Connection(index) => {
                    let index = usize::from(index);
                    let address = told[index].map(|told| told.ip()).or(session);
                    out.connection(address, self.media[index].connection, old);
                }
                Place::Gap(index) => {
                    let (told, media) = (told[usize::from(index)], &self.media[usize::from(index)]);
                    let elsewhere = told.map(|told| told.ip()).filter(|address| Some(*address) != session);
                    let held = media.connection.is_some_and(Connection::is_nowhere);
                    if let Some(address) = elsewhere.filter(|_| !media.own_connection && !held) {
                        if !out.out.ends_with(b"\n") {
                            out.copy(b"\r\n");
                        }
                        out.copy(b"c=");
                        out.address(address);
                        out.copy(b"\r\n");
                    }
                }
                Place::Port(index) => out.number(u64::from(told[usize::from(index)].map_or(0, |told| told.port()))),
                Place::Rtcp(index) => out.rtcp(told[usize::from(index)], &self.media[usize::from(index)], old),
            }
        }
        out.copy(&self.body[copied..]);
        Bytes::from(out.out)
    }
}

/// The text being written.
struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn copy(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.copy(&digits[at..]);
            }
        }
    }

    /// `IN IP4 192.0.2.1`
    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.copy(b"IN IP4 ");
                self.ipv4(address);
            }
            IpAddr::V6(address) => self.copy(format!("IN IP6 {address}").as_bytes()),
        }
    }

    fn ipv4(&mut self, address: Ipv4Addr) {
        for (index, octet) in address.octets().into_iter().enumerate() {
            if index > 0 {
                self.out.push(b'.');
            }
            self.number(u64::from(octet));
        }
    }

    fn origin(&mut self, origin: Option<OurOrigin>, old: &[u8]) {
        let Some(origin) = origin else { return self.copy(old) };
        self.number(origin.id);
        self.out.push(b' ');
        self.number(origin.version);
        self.out.push(b' ');
        self.address(origin.address);
    }

    fn connection(&mut self, told: Option<IpAddr>, was: Option<Connection<'_>>, old: &[u8]) {
        match told {
            Some(address) if !was.is_some_and(Connection::is_nowhere) => self.address(address),
            _ => self.copy(old),
        }
    }

    fn rtcp(&mut self, told: Option<SocketAddr>, media: &Media<'_>, old: &[u8]) {
        let (Some(told), Some((port, address))) = (told, media.rtcp) else { return self.copy(old) };
        // Where RTCP was said to share RTP's port (RFC 5761), it still does.
        let apart = u64::from(port != media.port);
        self.number(u64::from(told.port()) + apart);
        if address.is_some() {
            self.out.push(b' ');
            self.address(told.ip());
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader<'b> {
    line: usize,
    origin: Option<Origin<'b>>,
    connection: Option<Connection<'b>>,
    direction: Direction,
    media: SmallVec<[Media<'b>; 2]>,
    /// Which streams said their own direction.
    directed: SmallVec<[bool; 2]>,
    edits: SmallVec<[Edit; 12]>,
}

impl<'b> Reader<'b> {
    fn bad(&self, why: &'static str) -> BadSdp {
        BadSdp { line: self.line, why }
    }

    fn read(mut self, body: &'b [u8]) -> Result<Sdp<'b>, BadSdp> {
        self.line = 1;
        if body.len() > MAX_BODY {
            return Err(self.bad("the description is too long"));
        }
        let mut start = 0;
        while start < body.len() {
            let next = memchr::memchr(b'\n', &body[start..]).map_or(body.len(), |at| start + at + 1);
            let mut end = next;
            while end > start && matches!(body[end - 1], b'\r' | b'\n') {
                end -= 1;
            }
            if end > start {
                self.line(body, start..end, next)?;
            }
            start = next;
            self.line += 1;
        }
        self.finish(body)
    }

    fn finish(mut self, body: &'b [u8]) -> Result<Sdp<'b>, BadSdp> {
        let origin = self.origin.ok_or(self.bad("no o= line"))?;
        for (media, directed) in self.media.iter_mut().zip(&self.directed) {
            if !directed {
                media.direction = self.direction;
            }
            media.connection = media.connection.or(self.connection);
        }
        if self.media.iter().any(|media| media.connection.is_none() && !media.is_rejected()) {
            return Err(self.bad("a stream without a c= line"));
        }
        Ok(Sdp { body, origin, connection: self.connection, media: self.media, edits: self.edits })
    }

    fn line(&mut self, body: &'b [u8], at: Range<usize>, next: usize) -> Result<(), BadSdp> {
        let text = &body[at.clone()];
        let (kind, value) = match text {
            [kind, b'=', value @ ..] => (*kind, value),
            _ => return Err(self.bad("a line that does not begin with a letter and =")),
        };
        if self.line == 1 {
            return if text == b"v=0" { Ok(()) } else { Err(self.bad("the first line is not v=0")) };
        }
        let value_at = at.start + 2;
        match kind {
            b'o' => self.origin_line(value, value_at),
            b'c' => self.connection_line(value, value_at),
            b'm' => self.media_line(value, value_at, next),
            b'i' => {
                // Order within a stream (RFC 8866 §5): m=, i=, c=.
                if let Some(Edit { from, to, place: Place::Gap(_) }) = self.edits.last_mut() {
                    (*from, *to) = (next as u32, next as u32);
                }
                Ok(())
            }
            b'a' => self.attribute(value, at, next),
            b'v' => Err(self.bad("a second v= line")),
            _ => Ok(()),
        }
    }

    fn edit(&mut self, at: Range<usize>, place: Place) {
        self.edits.push(Edit { from: at.start as u32, to: at.end as u32, place });
    }

    /// `o=alice 2890844526 2890844527 IN IP4 192.0.2.1`
    fn origin_line(&mut self, value: &'b [u8], at: usize) -> Result<(), BadSdp> {
        if self.origin.is_some() || !self.media.is_empty() {
            return Err(self.bad("a second o= line"));
        }
        let why = self.bad("an o= line without its six fields");
        // Read from the right: some phones put a name with blanks where the login belongs.
        let mut fields = value.trim_ascii_end().rsplitn(6, |byte| *byte == b' ');
        let mut field = || fields.next().filter(|field| !field.is_empty()).ok_or(why);
        let (host, _, _, version, id, user) = (field()?, field()?, field()?, field()?, field()?, field()?);
        self.origin = Some(Origin { user, id, version, host });
        self.edit(at + user.len() + 1..at + value.len(), Place::Origin);
        Ok(())
    }

    /// `c=IN IP4 192.0.2.1`
    fn connection_line(&mut self, value: &'b [u8], at: usize) -> Result<(), BadSdp> {
        let connection = connection(value).ok_or(self.bad("a c= line that names no address"))?;
        let place = match (self.media.len(), self.media.last_mut()) {
            (count, Some(media)) => {
                if std::mem::replace(&mut media.own_connection, true) {
                    return Err(self.bad("a second c= line for one stream"));
                }
                media.connection = Some(connection);
                Place::Connection((count - 1) as u8)
            }
            (_, None) if self.connection.is_some() => return Err(self.bad("a second c= line for the session")),
            (_, None) => {
                self.connection = Some(connection);
                Place::SessionConnection
            }
        };
        self.edit(at..at + value.len(), place);
        Ok(())
    }

    /// `m=audio 49170 RTP/AVP 0 8 101`
    fn media_line(&mut self, value: &'b [u8], at: usize, next: usize) -> Result<(), BadSdp> {
        if self.media.len() == MAX_MEDIA {
            return Err(self.bad("too many streams"));
        }
        let why = self.bad("an m= line that cannot be read");
        let mut rest = value;
        let mut field = || {
            let end = memchr::memchr(b' ', rest).ok_or(why)?;
            let (field, after) = rest.split_at(end);
            rest = &after[1..];
            if field.is_empty() { Err(why) } else { Ok(field) }
        };
        let (kind, ports) = (field()?, field()?);
        let proto = field()?;
        let formats = rest;
        let (port, count) = match memchr::memchr(b'/', ports) {
            None => (number(ports), Some(1)),
            Some(slash) => (number(&ports[..slash]), number(&ports[slash + 1..])),
        };
        let (port, count) = port.zip(count).ok_or(why)?;
        let index = self.media.len() as u8;
        let ports_at = at + kind.len() + 1;
        self.edit(ports_at..ports_at + ports.len(), Place::Port(index));
        self.edit(next..next, Place::Gap(index));
        self.media.push(Media {
            kind,
            port,
            count,
            proto,
            formats,
            direction: Direction::default(),
            connection: None,
            rtcp: None,
            rtcp_mux: false,
            ptime: None,
            own_connection: false,
        });
        self.directed.push(false);
        Ok(())
    }

    fn attribute(&mut self, value: &'b [u8], line: Range<usize>, next: usize) -> Result<(), BadSdp> {
        let (name, argument) = match memchr::memchr(b':', value) {
            Some(colon) => (&value[..colon], &value[colon + 1..]),
            None => (value, &value[value.len()..]),
        };
        match name.trim_ascii_end() {
            b"sendrecv" => self.directed(Direction::SendRecv),
            b"sendonly" => self.directed(Direction::SendOnly),
            b"recvonly" => self.directed(Direction::RecvOnly),
            b"inactive" => self.directed(Direction::Inactive),
            b"rtcp" => return self.rtcp(argument, line.end),
            b"rtcp-mux" => {
                if let Some(media) = self.media.last_mut() {
                    media.rtcp_mux = true;
                }
            }
            b"ptime" => {
                if let Some(media) = self.media.last_mut() {
                    media.ptime = number(argument.trim_ascii());
                }
            }
            b"candidate" | b"remote-candidates" | b"end-of-candidates" | b"ice-ufrag" | b"ice-pwd" | b"ice-options"
            | b"ice-lite" | b"ice-mismatch" | b"ice-pacing" => self.edit(line.start..next, Place::Ice),
            _ => {}
        }
        Ok(())
    }

    fn directed(&mut self, direction: Direction) {
        match (self.media.last_mut(), self.directed.last_mut()) {
            (Some(media), Some(directed)) => (media.direction, *directed) = (direction, true),
            _ => self.direction = direction,
        }
    }

    /// `a=rtcp:53020 IN IP4 192.0.2.1`
    fn rtcp(&mut self, argument: &'b [u8], end: usize) -> Result<(), BadSdp> {
        let why = self.bad("an a=rtcp line that cannot be read");
        let port_end = memchr::memchr(b' ', argument).unwrap_or(argument.len());
        let port = number(&argument[..port_end]).ok_or(why)?;
        let address = match argument[port_end..].trim_ascii() {
            b"" => None,
            named => match connection(named).ok_or(why)? {
                Connection::Address(address) => Some(address),
                Connection::Name(_) => return Err(why),
            },
        };
        let Some(media) = self.media.last_mut() else { return Ok(()) };
        if media.rtcp.replace((port, address)).is_some() {
            return Err(self.bad("a second a=rtcp line for one stream"));
        }
        let index = (self.media.len() - 1) as u8;
        self.edit(end - argument.len()..end, Place::Rtcp(index));
        Ok(())
    }
}

/// `IN IP4 192.0.2.1`; what follows a slash (time to live of a multicast) is not ours to judge.
fn connection(value: &[u8]) -> Option<Connection<'_>> {
    let mut fields = value.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    let (net, family, address) = (fields.next()?, fields.next()?, fields.next()?);
    let address = address.split(|byte| *byte == b'/').next().filter(|address| !address.is_empty())?;
    if !net.eq_ignore_ascii_case(b"IN") || fields.next().is_some() {
        return None;
    }
    let text = std::str::from_utf8(address).ok()?;
    let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let (four, six) = (family.eq_ignore_ascii_case(b"IP4"), family.eq_ignore_ascii_case(b"IP6"));
    match text.parse::<IpAddr>() {
        Ok(address) if (four && address.is_ipv4()) || (six && address.is_ipv6()) => Some(Connection::Address(address)),
        Err(_) if (four || six) && is_name => Some(Connection::Name(address)),
        _ => None,
    }
}

/// Digits alone, at most 65535.
fn number(text: &[u8]) -> Option<u16> {
    if !(1..=5).contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    u16::try_from(text.iter().fold(0u32, |number, digit| number * 10 + u32::from(digit & 15))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\n\
        o=- 20518 0 IN IP4 203.0.113.1\r\n\
        s=-\r\n\
        c=IN IP4 203.0.113.1\r\n\
        t=0 0\r\n\
        a=ice-lite\r\n\
        m=audio 54400 RTP/SAVPF 0 96\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=ptime:20\r\n\
        a=rtcp:54401 IN IP4 203.0.113.1\r\n\
        a=ice-ufrag:7sFv\r\n\
        a=candidate:0 1 UDP 2113667327 203.0.113.1 54400 typ host\r\n\
        a=sendrecv\r\n\
        m=video 55400 RTP/SAVPF 97\r\n\
        c=IN IP4 203.0.113.2\r\n\
        a=rtcp-mux\r\n\
        m=image 0 udptl t38\r\n";

    fn ours(address: &str) -> impl FnMut(usize) -> Option<SocketAddr> {
        let address: IpAddr = address.parse().unwrap();
        move |index| Some(SocketAddr::new(address, 20_000 + 2 * index as u16))
    }

    fn rewritten(body: &str) -> String {
        let bytes = rewrite(body.as_bytes(), &mut ours("192.0.2.9"), None).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// A description of one stream: what stands before and in it.
    fn sdp(session: &str, media: &str) -> String {
        format!("v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\n{session}t=0 0\r\nm=audio 4000 RTP/AVP 8\r\n{media}")
    }

    fn why(body: &str) -> (usize, &'static str) {
        let bad = Sdp::read(body.as_bytes()).unwrap_err();
        (bad.line, bad.why)
    }

    #[test]
    fn an_anchored_offer_tells_our_addresses_keeps_every_other_line_and_drops_ice() {
        let origin = OurOrigin { id: 77, version: 3, address: "192.0.2.9".parse().unwrap() };
        let told = rewrite(OFFER.as_bytes(), &mut ours("192.0.2.9"), Some(origin)).unwrap();
        let expected = "v=0\r\n\
            o=- 77 3 IN IP4 192.0.2.9\r\n\
            s=-\r\n\
            c=IN IP4 192.0.2.9\r\n\
            t=0 0\r\n\
            m=audio 20000 RTP/SAVPF 0 96\r\n\
            a=rtpmap:0 PCMU/8000\r\n\
            a=ptime:20\r\n\
            a=rtcp:20001 IN IP4 192.0.2.9\r\n\
            a=sendrecv\r\n\
            m=video 20002 RTP/SAVPF 97\r\n\
            c=IN IP4 192.0.2.9\r\n\
            a=rtcp-mux\r\n\
            m=image 0 udptl t38\r\n";
        assert_eq!(std::str::from_utf8(&told).unwrap(), expected);
    }

    #[test]
    fn each_stream_says_where_its_packets_go() {
        let sdp = Sdp::read(OFFER.as_bytes()).unwrap();
        let address = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
        let targets: Vec<_> = sdp.media.iter().map(|media| (media.rtp_target(), media.rtcp_target())).collect();
        assert_eq!(
            targets,
            [
                (address("203.0.113.1:54400"), address("203.0.113.1:54401")),
                (address("203.0.113.2:55400"), address("203.0.113.2:55401")),
                (None, None),
            ]
        );
        let audio = &sdp.media[0];
        assert_eq!((audio.kind, audio.proto, audio.ptime), (&b"audio"[..], &b"RTP/SAVPF"[..], Some(20)));
        assert_eq!(audio.formats().collect::<Vec<_>>(), [b"0", &b"96"[..]]);
        assert_eq!(sdp.media.iter().map(|media| media.rtcp_mux).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(sdp.media.iter().map(Media::is_rejected).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn rtcp_on_the_rtp_port_stays_there() {
        let offer = sdp("c=IN IP4 10.0.0.1\r\n", "a=rtcp:4000\r\na=rtcp-mux\r\n");
        assert_eq!(
            rewritten(&offer),
            sdp("c=IN IP4 192.0.2.9\r\n", "a=rtcp:20000\r\na=rtcp-mux\r\n").replace("4000", "20000")
        );
    }

    #[test]
    fn a_stream_that_is_anchored_elsewhere_than_its_session_gets_a_connection_line_of_its_own() {
        let offer = sdp("c=IN IP4 10.0.0.1\r\n", "a=x\r\nm=video 4002 RTP/AVP 97\r\ni=door\r\na=y\r\n");
        let mut told = ["192.0.2.9:20000", "[2001:db8::9]:20002"].into_iter().map(|told| told.parse().unwrap());
        let told = rewrite(offer.as_bytes(), &mut |_| told.next(), None).unwrap();
        let expected = sdp(
            "c=IN IP4 192.0.2.9\r\n",
            "a=x\r\nm=video 20002 RTP/AVP 97\r\ni=door\r\nc=IN IP6 2001:db8::9\r\na=y\r\n",
        );
        assert_eq!(std::str::from_utf8(&told).unwrap(), expected.replace("4000", "20000"));
    }

    #[test]
    fn only_streams_may_name_an_address() {
        let offer = sdp("", "c=IN IP4 10.0.0.1\r\n");
        assert_eq!(rewritten(&offer), sdp("", "c=IN IP4 192.0.2.9\r\n").replace("4000", "20000"));
        assert_eq!(why(&sdp("", "")), (6, "a stream without a c= line"));
    }

    #[test]
    fn what_is_not_anchored_is_refused() {
        let told = rewrite(sdp("c=IN IP4 10.0.0.1\r\n", "").as_bytes(), &mut |_| None, None).unwrap();
        assert_eq!(told, sdp("c=IN IP4 10.0.0.1\r\n", "").replace("4000", "0"));
    }

    #[test]
    fn an_answer_refuses_what_is_refused_and_hears_nobody_who_is_silent() {
        let told = |lines: &str| format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n{lines}");
        let answers = |answer: &str, offer: &str| {
            let (answer, offer) = (told(answer), told(offer));
            Sdp::read(answer.as_bytes()).unwrap().answers(&Sdp::read(offer.as_bytes()).unwrap())
        };
        let line = |port: u16, direction: &str| format!("m=audio {port} RTP/AVP 0\r\na={direction}\r\n");
        let table = [
            ("sendrecv", "sendrecv", true),
            ("sendrecv", "inactive", true),
            ("sendonly", "recvonly", true),
            ("sendonly", "sendrecv", false),
            ("recvonly", "sendonly", true),
            ("recvonly", "sendrecv", false),
            ("inactive", "inactive", true),
            ("inactive", "recvonly", false),
        ];
        for (offer, answer, expected) in table {
            assert_eq!(answers(&line(4000, answer), &line(4000, offer)), expected, "{answer} answers {offer}");
        }
        assert!(answers(&line(0, "sendrecv"), &line(4000, "inactive")), "a stream may be refused");
        assert!(!answers(&line(4000, "sendrecv"), &line(0, "sendrecv")));
        assert!(!answers("", &line(4000, "sendrecv")));
    }

    #[test]
    fn a_held_side_is_heard_by_none_of_its_streams() {
        let held = |session: &str, media: &str| {
            let body = sdp(session, media);
            Sdp::read(body.as_bytes()).unwrap().is_hold()
        };
        let here = "c=IN IP4 10.0.0.1\r\n";
        assert!(!held(here, ""));
        assert!(held(here, "a=sendonly\r\n"));
        assert!(held(here, "a=inactive\r\n"));
        assert!(!held(here, "a=recvonly\r\n"));
        assert!(held("c=IN IP4 10.0.0.1\r\na=sendonly\r\n", ""));
        assert!(!held("c=IN IP4 10.0.0.1\r\na=sendonly\r\n", "a=sendrecv\r\n"));
        assert!(held("c=IN IP4 0.0.0.0\r\n", ""));
        assert!(!held("c=IN IP4 0.0.0.0\r\n", "c=IN IP4 10.0.0.1\r\n"));
        assert!(!held(here, "a=sendonly\r\nm=video 4002 RTP/AVP 97\r\n"));
        assert!(held(here, "a=sendonly\r\nm=video 0 RTP/AVP 97\r\n"));
    }

    #[test]
    fn a_zero_address_still_says_hold_after_rewriting() {
        assert_eq!(
            rewritten(&sdp("c=IN IP4 0.0.0.0\r\n", "")),
            sdp("c=IN IP4 0.0.0.0\r\n", "").replace("4000", "20000")
        );
    }

    #[test]
    fn a_repetition_is_known_by_its_session_and_version() {
        let (first, again) = (sdp("c=IN IP4 10.0.0.1\r\n", ""), sdp("c=IN IP4 10.0.0.1\r\n", "a=sendonly\r\n"));
        let changed = again.replace("o=- 1 2", "o=- 1 3");
        let other = again.replace("o=- 1 2", "o=- 9 2");
        let read = |body: &'static str| Sdp::read(body.as_bytes()).unwrap();
        let [first, again, changed, other] = [first, again, changed, other].map(|body| read(body.leak()));
        assert!(again.says_the_same(&first));
        assert!(!changed.says_the_same(&first) && changed.is_same_session(&first));
        assert!(!other.says_the_same(&first) && !other.is_same_session(&first));
    }

    #[test]
    fn loose_writing_is_read_and_kept() {
        let loose = "v=0\no=Mr X 1 2 IN IP4 10.0.0.1 \nc=IN IP4 host.example\nm=audio 4000/2 RTP/AVP 8 0\n\n";
        let sdp = Sdp::read(loose.as_bytes()).unwrap();
        assert_eq!(sdp.connection, Some(Connection::Name(b"host.example")));
        assert_eq!((sdp.origin.user, sdp.origin.id), (&b"Mr X"[..], &b"1"[..]));
        assert_eq!((sdp.media[0].count, sdp.media[0].rtp_target()), (2, None));
        assert_eq!(
            rewritten(loose),
            "v=0\no=Mr X 1 2 IN IP4 10.0.0.1 \nc=IN IP4 192.0.2.9\nm=audio 20000 RTP/AVP 8 0\n\n"
        );
    }

    #[test]
    fn what_cannot_be_read_names_its_line() {
        let c = "c=IN IP4 10.0.0.1\r\n";
        assert_eq!(why(""), (1, "no o= line"));
        assert_eq!(why("s=-\r\n"), (1, "the first line is not v=0"));
        assert_eq!(why("v=0\r\ns=-\r\n"), (3, "no o= line"));
        assert_eq!(why("v=0\r\no=- 1 2 IN IP4\r\n"), (2, "an o= line without its six fields"));
        assert_eq!(why(&sdp("o=- 1 2 IN IP4 10.0.0.1\r\n", "")), (4, "a second o= line"));
        assert_eq!(why(&sdp("c=IN IP4 10.0.0.256/x y\r\n", "")), (4, "a c= line that names no address"));
        assert_eq!(why(&sdp("c=IN IP6 10.0.0.1\r\n", "")), (4, "a c= line that names no address"));
        assert_eq!(why(&sdp(&c.repeat(2), "")), (5, "a second c= line for the session"));
        assert_eq!(why(&sdp(c, &c.repeat(2))), (8, "a second c= line for one stream"));
        assert_eq!(why(&sdp(c, "m=audio 65536 RTP/AVP 0\r\n")), (7, "an m= line that cannot be read"));
        assert_eq!(why(&sdp(c, "m=audio -1 RTP/AVP 0\r\n")), (7, "an m= line that cannot be read"));
        assert_eq!(why(&sdp(c, "a=rtcp:x\r\n")), (7, "an a=rtcp line that cannot be read"));
        assert_eq!(why(&sdp(c, "a=rtcp:1\r\na=rtcp:1\r\n")), (8, "a second a=rtcp line for one stream"));
        assert_eq!(why(&sdp(c, "nonsense\r\n")), (7, "a line that does not begin with a letter and ="));
        assert_eq!(why(&sdp(c, &"m=audio 0 x 0\r\n".repeat(32))).1, "too many streams");
    }

    /// Lines that nobody may touch.
    fn other_line() -> impl Strategy<Value = String> {
        prop_oneof![
            "[bktzrsueip]=[ -~]{0,20}",
            "a=(rtpmap|fmtp|crypto|fingerprint|group|mid|ssrc|rtcp-fb|maxptime|x):[ -~]{1,30}",
            Just("a=rtcp-mux".to_owned()),
            Just("a=sendonly".to_owned()),
        ]
    }

    /// A description with lines that change (marked) among lines that do not.
    fn description() -> impl Strategy<Value = Vec<(bool, String)>> {
        let others = || proptest::collection::vec(other_line().prop_map(|line| (false, line)), 0..5);
        // Not port 9: RTCP that shares it stays with RTP, see `rtcp_on_the_rtp_port_stays_there`.
        let stream = (10..65_535u16, any::<bool>(), any::<bool>(), others(), others()).prop_map(
            |(port, own, rtcp, before, after)| {
                let mut lines = vec![(true, format!("m=audio {port} RTP/AVP 8"))];
                lines.extend(own.then(|| (true, "c=IN IP6 2001:db8::1".to_owned())));
                lines.extend(before);
                lines.extend(rtcp.then(|| (true, "a=rtcp:9 IN IP4 10.0.0.9".to_owned())));
                lines.extend(after);
                lines
            },
        );
        (others(), proptest::collection::vec(stream, 0..4)).prop_map(|(session, streams)| {
            let mut lines = vec![(false, "v=0".to_owned()), (true, "o=- 1 2 IN IP4 10.0.0.1".to_owned())];
            lines.push((true, "c=IN IP4 10.0.0.1".to_owned()));
            lines.extend(session);
            lines.extend(streams.into_iter().flatten());
            lines
        })
    }

    proptest! {
        #[test]
        fn rewriting_changes_no_other_line(lines in description(), newline in prop_oneof![Just("\n"), Just("\r\n")]) {
            let body: String = lines.iter().map(|(_, line)| format!("{line}{newline}")).collect();
            let origin = OurOrigin { id: 5, version: 6, address: "192.0.2.9".parse().unwrap() };
            let told = rewrite(body.as_bytes(), &mut ours("192.0.2.9"), Some(origin)).unwrap();
            let told = std::str::from_utf8(&told).unwrap();
            let mut stream = 0;
            let expected: String = lines.iter().map(|(changes, line)| {
                let port = 20_000 + 2 * usize::saturating_sub(stream, 1);
                let line = match line.as_bytes()[0] {
                    b'o' if *changes => "o=- 5 6 IN IP4 192.0.2.9".to_owned(),
                    b'c' if *changes => "c=IN IP4 192.0.2.9".to_owned(),
                    b'a' if *changes => format!("a=rtcp:{} IN IP4 192.0.2.9", port + 1),
                    b'm' if *changes => {
                        stream += 1;
                        format!("m=audio {} RTP/AVP 8", 20_000 + 2 * (stream - 1))
                    }
                    _ => line.clone(),
                };
                format!("{line}{newline}")
            }).collect();
            prop_assert_eq!(told, expected);
            // What we wrote reads as what we told.
            let again = Sdp::read(told.as_bytes()).unwrap();
            for (index, media) in again.media.iter().enumerate() {
                prop_assert_eq!(media.rtp_target(), ours("192.0.2.9")(index));
            }
            prop_assert_eq!(rewrite(told.as_bytes(), &mut ours("192.0.2.9"), Some(origin)).unwrap(), told);
        }

        #[test]
        fn no_bytes_make_reading_or_rewriting_fail_badly(body in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..500usize) {
            let _ = rewrite(&body, &mut ours("2001:db8::9"), None);
            let mut broken = OFFER.as_bytes().to_vec();
            broken.truncate(cut);
            broken.extend(body);
            let _ = rewrite(&broken, &mut ours("2001:db8::9"), None);
        }
    }
}
