//! Our own side of a session: what we answer a caller who talks with us rather than with a phone, and which codecs that
//! comes to (RFC 3264, RFC 3551, RFC 4733, RFC 7587).
//!
//! We speak on one audio line: the first one under `RTP/AVP` or `RTP/AVPF` with a codec of ours. Every other line is refused
//! by port 0. Addresses and ports are put in when the session leaves, as with any other.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Codec, Events, Format, Formats};
use crate::sip::sdp::{Direction, Media, Sdp};

/// The head of every session of ours; whoever sends it puts our address and version in.
const HEAD: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";

/// One line of a session as far as codecs go.
struct Line<'b> {
    media: Media<'b>,
    /// Its payload types that mean something to us, in its writer's order; none of a line that is not ours.
    meanings: SmallVec<[(u8, Meaning); 6]>,
}

/// What a payload type stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Codec(Codec),
    Events(u32),
}

impl<'b> Line<'b> {
    fn all(body: &'b [u8]) -> Option<SmallVec<[Line<'b>; 2]>> {
        let sdp = Sdp::read(body).ok()?;
        let mut starts: SmallVec<[usize; 4]> = SmallVec::new();
        let mut at = 0;
        for line in body.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b"m=") {
                starts.push(at);
            }
            at += line.len();
        }
        let ends = starts.iter().skip(1).copied().chain([body.len()]);
        let sections = starts.iter().zip(ends).map(|(from, to)| &body[*from..to]);
        let line = |(media, section): (Media<'b>, &[u8])| {
            let meanings = if is_ours(&media) { meanings(&media, section) } else { SmallVec::new() };
            Line { media, meanings }
        };
        Some(sdp.media.iter().cloned().zip(sections).map(line).collect())
    }

    fn codecs(&self) -> impl Iterator<Item = Format> {
        self.meanings.iter().filter_map(|(payload, meaning)| match *meaning {
            Meaning::Codec(codec) => Some(Format { payload: *payload, codec }),
            Meaning::Events(_) => None,
        })
    }

    /// Digits under the clock of this codec, else under any.
    fn events(&self, clock: u32) -> Option<Events> {
        let events = || {
            self.meanings.iter().filter_map(|(payload, meaning)| match *meaning {
                Meaning::Events(clock) => Some(Events { payload: *payload, clock }),
                Meaning::Codec(_) => None,
            })
        };
        events().find(|events| events.clock == clock).or_else(|| events().next())
    }
}

/// A line on which we can speak, as far as its kind goes.
fn is_ours(media: &Media<'_>) -> bool {
    let kind = media.kind == b"audio" && matches!(media.proto, b"RTP/AVP" | b"RTP/AVPF");
    kind && !media.is_rejected()
}

/// What the payload types of a line stand for; `section` are its lines from `m=` to the next.
fn meanings(media: &Media<'_>, section: &[u8]) -> SmallVec<[(u8, Meaning); 6]> {
    let maps: SmallVec<[(u8, &str); 8]> = section.split(|byte| *byte == b'\n').filter_map(map_of).collect();
    let formats = media.formats().filter_map(|format| std::str::from_utf8(format).ok()?.parse().ok());
    let meaning = |payload| {
        let mapped = maps.iter().find(|(number, _)| *number == payload).map(|(_, text)| *text);
        Some((payload, meaning(payload, mapped)?))
    };
    formats.filter(|payload| *payload < 128).filter_map(meaning).collect()
}

/// A payload type and its map, of an `a=rtpmap` line.
fn map_of(line: &[u8]) -> Option<(u8, &str)> {
    let text = std::str::from_utf8(line.trim_ascii_end().strip_prefix(b"a=rtpmap:")?).ok()?;
    let (number, rest) = text.split_once(' ')?;
    Some((number.parse().ok()?, rest.trim()))
}

/// What one payload type stands for, by its `a=rtpmap`.
fn meaning(payload: u8, mapped: Option<&str>) -> Option<Meaning> {
    let Some(mapped) = mapped else {
        // RFC 3551 §6: these need no map.
        return match payload {
            0 => Some(Meaning::Codec(Codec::Pcmu)),
            8 => Some(Meaning::Codec(Codec::Pcma)),
            9 => Some(Meaning::Codec(Codec::G722)),
            _ => None,
        };
    };
    let mut words = mapped.split('/');
    let (name, clock) = (words.next()?, words.next()?.trim().parse::<u32>().ok()?);
    if name.eq_ignore_ascii_case("telephone-event") {
        return Some(Meaning::Events(clock));
    }
    let mut codecs = [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Opus].into_iter();
    let codec = codecs.find(|codec| codec.name().eq_ignore_ascii_case(name) && codec.clock() == clock);
    codec.map(Meaning::Codec)
}

/// Our answer to an offer: every codec of ours in it, in its own order; `None` where there is none.
pub fn answer(offer: &[u8]) -> Option<Bytes> {
    let lines = Line::all(offer)?;
    let spoken = lines.iter().position(|line| line.codecs().next().is_some())?;
    let mut out = HEAD.as_bytes().to_vec();
    for (at, line) in lines.iter().enumerate() {
        if at == spoken {
            let direction = match line.media.direction {
                Direction::SendRecv => Direction::SendRecv,
                Direction::SendOnly => Direction::RecvOnly,
                Direction::RecvOnly => Direction::SendOnly,
                Direction::Inactive => Direction::Inactive,
            };
            let mut formats: SmallVec<[(u8, Meaning); 6]> =
                line.codecs().map(|format| (format.payload, Meaning::Codec(format.codec))).collect();
            let clock = line.codecs().next().map_or(8_000, |format| format.codec.clock());
            formats.extend(line.events(clock).map(|events| (events.payload, Meaning::Events(events.clock))));
            write_line(&mut out, line.media.proto, &formats, direction);
        } else {
            // RFC 3264 §6: refused, with a format all the same.
            out.extend_from_slice(b"m=");
            out.extend_from_slice(line.media.kind);
            out.extend_from_slice(b" 0 ");
            out.extend_from_slice(line.media.proto);
            out.push(b' ');
            out.extend_from_slice(line.media.formats);
            out.extend_from_slice(b"\r\n");
        }
    }
    Some(out.into())
}

/// Our offer, to one who asks for it.
pub fn offer() -> Bytes {
    let formats = [
        (8, Meaning::Codec(Codec::Pcma)),
        (0, Meaning::Codec(Codec::Pcmu)),
        (9, Meaning::Codec(Codec::G722)),
        (107, Meaning::Codec(Codec::Opus)),
        (101, Meaning::Events(8_000)),
    ];
    let mut out = HEAD.as_bytes().to_vec();
    write_line(&mut out, b"RTP/AVP", &formats, Direction::SendRecv);
    out.into()
}

fn write_line(out: &mut Vec<u8>, proto: &[u8], formats: &[(u8, Meaning)], direction: Direction) {
    // Any port but 0; the leg's own is put in when the session leaves.
    out.extend_from_slice(b"m=audio 9 ");
    out.extend_from_slice(proto);
    for (payload, _) in formats {
        out.extend_from_slice(format!(" {payload}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    for (payload, meaning) in formats {
        let map = match meaning {
            // RFC 7587 §7: always two channels in the map, whatever is sent.
            Meaning::Codec(Codec::Opus) => "opus/48000/2".to_owned(),
            Meaning::Codec(codec) => format!("{}/{}", codec.name(), codec.clock()),
            Meaning::Events(clock) => format!("telephone-event/{clock}"),
        };
        out.extend_from_slice(format!("a=rtpmap:{payload} {map}\r\n").as_bytes());
        if let Meaning::Events(_) = meaning {
            out.extend_from_slice(format!("a=fmtp:{payload} 0-15\r\n").as_bytes());
        }
    }
    out.extend_from_slice(b"a=ptime:20\r\n");
    out.extend_from_slice(match direction {
        Direction::SendRecv => b"a=sendrecv\r\n",
        Direction::SendOnly => b"a=sendonly\r\n",
        Direction::RecvOnly => b"a=recvonly\r\n",
        Direction::Inactive => b"a=inactive\r\n",
    });
}

/// What is spoken on the first audio line of ours, and which line that is: `told` is what its peer was told last, `heard`
/// what it has said of itself. Packets from it carry the payload types that it was told, packets to it those that it said.
pub fn agreed(told: &[u8], heard: &[u8]) -> Option<(usize, Formats)> {
    let (told, heard) = (Line::all(told)?, Line::all(heard)?);
    let both = || told.iter().zip(&heard).map(|(told, heard)| is_ours(&told.media) && is_ours(&heard.media));
    let at = both().position(|both| both)?;
    let (told, heard) = (told.get(at)?, heard.get(at)?);
    let knows = |line: &Line<'_>, codec| line.codecs().any(|format| format.codec == codec);
    let send = heard.codecs().find(|format| knows(told, format.codec));
    let clock = send.map_or(8_000, |format| format.codec.clock());
    let formats = Formats {
        send,
        receive: told.codecs().filter(|format| knows(heard, format.codec)).collect(),
        send_events: heard.events(clock).filter(|_| told.events(clock).is_some()),
        receive_events: told.events(clock).filter(|_| heard.events(clock).is_some()),
    };
    Some((at, formats))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                         m=video 4000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n\
                         m=audio 4002 RTP/AVP 18 96 9 101 102 8\r\na=rtpmap:18 G729/8000\r\n\
                         a=rtpmap:96 OPUS/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
                         a=rtpmap:102 telephone-event/48000\r\na=sendonly\r\n";

    fn text(bytes: &Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn we_answer_with_every_codec_of_ours_and_refuse_the_other_lines() {
        let answer = answer(OFFER.as_bytes()).unwrap();
        let expected = "m=video 0 RTP/AVP 96\nm=audio 9 RTP/AVP 96 9 8 102\na=rtpmap:96 opus/48000/2\n\
                        a=rtpmap:9 G722/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:102 telephone-event/48000\n\
                        a=fmtp:102 0-15\na=ptime:20\na=recvonly\n";
        assert!(text(&answer).ends_with(expected), "{}", text(&answer));
        assert!(Sdp::read(&answer).unwrap().answers(&Sdp::read(OFFER.as_bytes()).unwrap()));
    }

    #[test]
    fn nothing_of_ours_is_no_answer() {
        let only = |formats: &str| OFFER.replace("18 96 9 101 102 8", formats);
        assert_eq!(answer(only("18 101").as_bytes()), None);
        assert_eq!(answer(OFFER.replace("RTP/AVP 18", "RTP/SAVP 18").as_bytes()), None, "we do not decrypt");
        assert_eq!(answer(OFFER.replace("audio 4002", "audio 0").as_bytes()), None);
        assert_eq!(answer(b"no sdp"), None);
    }

    #[test]
    fn payload_types_are_those_of_whoever_receives() {
        let told = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 4002 RTP/AVP 107 8 99\r\na=rtpmap:107 opus/48000/2\r\na=rtpmap:99 telephone-event/8000\r\n";
        let heard = told.replace("107", "96").replace("99", "101");
        let (at, formats) = agreed(told.as_bytes(), heard.as_bytes()).unwrap();
        assert_eq!(at, 0);
        assert_eq!(formats.send, Some(Format { payload: 96, codec: Codec::Opus }));
        let received: Vec<_> = formats.receive.iter().map(|format| (format.payload, format.codec)).collect();
        assert_eq!(received, [(107, Codec::Opus), (8, Codec::Pcma)]);
        assert_eq!(formats.send_events, Some(Events { payload: 101, clock: 8_000 }));
        assert_eq!(formats.receive_events, Some(Events { payload: 99, clock: 8_000 }));
    }

    #[test]
    fn our_offer_and_a_phones_answer_agree() {
        let phone = OFFER.replace("m=video 4000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n", "").replace("18 96 9", "8");
        let (_, formats) = agreed(&offer(), phone.as_bytes()).unwrap();
        assert_eq!(formats.send, Some(Format { payload: 8, codec: Codec::Pcma }));
        assert_eq!(formats.receive_events, Some(Events { payload: 101, clock: 8_000 }));
    }
}
