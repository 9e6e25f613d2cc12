//! Two offers cross: each one's own description, cut down to an answer for the other (RFC 3264 §6).
//!
//! A call that is picked up has two offers and nobody who could answer one: the caller's, which rings elsewhere, and that
//! of the phone which takes it over. Their owners can hear each other where they have a codec in common, and each has
//! said already where and how it wants to hear.

use bytes::Bytes;

use super::sdp::{Direction, Media, Sdp};

/// What `own`, another offer, says as the answer to `offer`: the streams of `offer` by place, each with what both sides
/// know, in the order and under the numbers of its owner. `None` where not one stream has a codec that both know.
pub fn answer(offer: &[u8], own: &[u8]) -> Option<Bytes> {
    let (asked, mine) = (Sdp::read(offer).ok()?, Sdp::read(own).ok()?);
    let (asked_text, mine_text) = (Sections::of(offer), Sections::of(own));
    let mut out = mine_text.session.concat();
    let (mut used, mut meets) = (vec![false; mine.media.len()], false);
    for (at, wanted) in asked.media.iter().enumerate() {
        let theirs = Codecs::of(wanted, asked_text.stream(at));
        let partner = mine.media.iter().enumerate().find_map(|(place, media)| {
            let fits = !used[place] && !media.is_rejected() && !wanted.is_rejected();
            let same = media.kind == wanted.kind && media.proto.eq_ignore_ascii_case(wanted.proto);
            let shared = Codecs::of(media, mine_text.stream(place)).shared_with(&theirs);
            (fits && same && shared.carry_sound).then_some((place, shared.formats))
        });
        match partner {
            Some((place, formats)) => {
                (used[place], meets) = (true, true);
                let direction = agreed(mine.media[place].direction, wanted.direction);
                write_stream(&mut out, mine_text.stream(place), &formats, direction);
            }
            None => {
                let formats = String::from_utf8_lossy(wanted.formats);
                let (kind, proto) = (String::from_utf8_lossy(wanted.kind), String::from_utf8_lossy(wanted.proto));
                out.push_str(&format!("m={kind} 0 {proto} {formats}\r\n"));
            }
        }
    }
    meets.then(|| Bytes::from(out))
}

/// Who sends, where one side wants this and the other that; as `own` writes it.
fn agreed(own: Direction, other: Direction) -> &'static str {
    let speaks = |direction| matches!(direction, Direction::SendRecv | Direction::SendOnly);
    let hears = |direction| matches!(direction, Direction::SendRecv | Direction::RecvOnly);
    match (speaks(own) && hears(other), hears(own) && speaks(other)) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    }
}

/// The lines of a description, parted at its `m=` lines.
struct Sections {
    session: Vec<String>,
    streams: Vec<Vec<String>>,
}

impl Sections {
    fn of(body: &[u8]) -> Sections {
        let mut sections = Sections { session: Vec::new(), streams: Vec::new() };
        for line in String::from_utf8_lossy(body).lines().filter(|line| !line.trim_end().is_empty()) {
            if line.starts_with("m=") {
                sections.streams.push(Vec::new());
            }
            let section = sections.streams.last_mut().unwrap_or(&mut sections.session);
            section.push(format!("{}\r\n", line.trim_end()));
        }
        sections
    }

    fn stream(&self, at: usize) -> &[String] {
        self.streams.get(at).map_or(&[], Vec::as_slice)
    }
}

/// One stream's lines with these formats only, and with this direction.
fn write_stream(out: &mut String, lines: &[String], formats: &[String], direction: &str) {
    let directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim_end();
        let of_format = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
        let format = of_format.and_then(|rest| rest.split([' ', '\t']).next());
        if at == 0 {
            // `m=audio 4000 RTP/AVP`, and the formats anew.
            let head: Vec<&str> = line.split(' ').take(3).collect();
            out.push_str(&format!("{} {}\r\n", head.join(" "), formats.join(" ")));
        } else if format.is_none_or(|format| format == "*" || formats.iter().any(|kept| kept == format))
            && !directions.contains(&line)
        {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out.push_str(&format!("a={direction}\r\n"));
}

/// The formats of a stream, each with what it means: `PCMA/8000`, whatever number it bears.
struct Codecs(Vec<(String, String)>);

/// What two streams have in common.
struct Shared {
    formats: Vec<String>,
    /// Beside digits and comfort noise there is something to hear.
    carry_sound: bool,
}

impl Codecs {
    fn of(media: &Media<'_>, lines: &[String]) -> Codecs {
        let meaning = |format: &str| {
            let mapped = lines.iter().find_map(|line| {
                let (number, codec) = line.strip_prefix("a=rtpmap:")?.trim_end().split_once(' ')?;
                (number == format).then(|| codec.trim().to_ascii_uppercase())
            });
            let codec = mapped.unwrap_or_else(|| of_static(format).map_or_else(|| format.to_owned(), str::to_owned));
            // One channel is what an audio codec has where it says nothing (RFC 8866 §6.6).
            codec.strip_suffix("/1").map_or(codec.clone(), str::to_owned)
        };
        let formats = media.formats().map(|format| String::from_utf8_lossy(format).into_owned());
        Codecs(formats.map(|format| (meaning(&format), format)).collect())
    }

    fn shared_with(&self, other: &Codecs) -> Shared {
        let known = |codec: &str| other.0.iter().any(|(theirs, _)| theirs == codec);
        let shared: Vec<&(String, String)> = self.0.iter().filter(|(codec, _)| known(codec)).collect();
        let sounds = |codec: &str| !["TELEPHONE-EVENT/", "CN/", "RED/"].iter().any(|other| codec.starts_with(other));
        Shared {
            carry_sound: shared.iter().any(|(codec, _)| sounds(codec)),
            formats: shared.into_iter().map(|(_, format)| format.clone()).collect(),
        }
    }
}

/// The numbers that need no `a=rtpmap` (RFC 3551 §6), as far as phones still speak them.
fn of_static(format: &str) -> Option<&'static str> {
    Some(match format {
        "0" => "PCMU/8000",
        "3" => "GSM/8000",
        "4" => "G723/8000",
        "8" => "PCMA/8000",
        "9" => "G722/8000",
        "13" => "CN/8000",
        "18" => "G729/8000",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(streams: &str) -> String {
        let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{streams}");
        text.replace('\n', "\r\n")
    }

    fn met(offer: &str, own: &str) -> Option<String> {
        let answer = answer(sdp(offer).as_bytes(), sdp(own).as_bytes())?;
        let text = String::from_utf8(answer.to_vec()).unwrap();
        assert!(Sdp::read(text.as_bytes()).is_ok(), "{text}");
        Some(text[text.find("m=").unwrap()..].replace("\r\n", "|"))
    }

    #[test]
    fn each_keeps_what_both_know_under_its_own_numbers() {
        let offer = "m=audio 4000 RTP/AVP 8 0 96\na=rtpmap:96 telephone-event/8000\n";
        let own = "m=audio 5000 RTP/AVP 9 0 8 111 101\na=rtpmap:111 opus/48000/2\na=fmtp:111 useinbandfec=1\n\
                   a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\n";
        let expected =
            "m=audio 5000 RTP/AVP 0 8 101|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendrecv|";
        assert_eq!(met(offer, own).unwrap(), expected);
        let back = "m=audio 4000 RTP/AVP 8 0 96|a=rtpmap:96 telephone-event/8000|a=sendrecv|";
        assert_eq!(met(own, offer).unwrap(), back);
    }

    #[test]
    fn streams_stay_in_their_places_and_what_nobody_shares_is_refused() {
        let (audio, video) = ("m=audio 4000 RTP/AVP 8\n", "m=video 4002 RTP/AVP 99\na=rtpmap:99 H264/90000\n");
        let both = format!("{video}{audio}");
        assert_eq!(met(&both, audio).unwrap(), "m=video 0 RTP/AVP 99|m=audio 4000 RTP/AVP 8|a=sendrecv|");
        assert_eq!(met(audio, &both).unwrap(), "m=audio 4000 RTP/AVP 8|a=sendrecv|");
        assert_eq!(met("m=audio 4000 RTP/AVP 0\n", audio), None);
        assert_eq!(met("m=audio 4000 RTP/SAVP 8\n", audio), None);
        let digits = "m=audio 4000 RTP/AVP 18 101\na=rtpmap:101 telephone-event/8000\n";
        assert_eq!(met(digits, &digits.replace("18", "3")), None, "digits alone are no talk");
    }

    #[test]
    fn who_holds_is_not_spoken_to() {
        let held = "m=audio 4000 RTP/AVP 8\na=sendonly\n";
        assert_eq!(met(held, "m=audio 5000 RTP/AVP 8\n").unwrap(), "m=audio 5000 RTP/AVP 8|a=recvonly|");
        assert_eq!(met("m=audio 4000 RTP/AVP 8\n", held).unwrap(), "m=audio 4000 RTP/AVP 8|a=sendonly|");
        assert_eq!(met(held, held).unwrap(), "m=audio 4000 RTP/AVP 8|a=inactive|");
    }
}
