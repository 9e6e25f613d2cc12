//! Cuts a stream of bytes (TCP) into messages and keep-alives (RFC 3261 §18.3, RFC 5626 §3.5.1).

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use super::fault::Fault;
use super::head::{Head, MAX_MESSAGE};
use super::header::content_length;
use super::lex::{is_blank, is_token};
use super::malformed::Malformed;
use super::message::Message;
use super::name::HeaderName;

/// The largest head of a message on a stream, in bytes: first line, headers and the empty line.
pub const MAX_HEAD: usize = 32 * 1024;

/// What comes out of a stream.
#[derive(Debug)]
pub enum Framed {
    /// A message.
    Message(Box<Message>),
    /// A message that was not understood, but whose end is certain: answer it where it can be, and go on.
    Malformed(Malformed),
    /// Two line breaks between messages: the peer asks whether we are there. Answer one line break, [`PONG`].
    Ping,
    /// One line break between messages: the answer to a ping of ours, or noise. A [`Framed::Ping`] may follow at once.
    Pong,
    /// Nobody can say where the next message begins: answer this one where it can be, then close. Nothing comes after it.
    Broken(Malformed),
}

/// What a keep-alive asks with (RFC 5626 §3.5.1).
pub const PING: &[u8] = b"\r\n\r\n";
/// What answers [`PING`].
pub const PONG: &[u8] = b"\r\n";

/// The bytes of one stream that are not a whole message yet.
///
/// ```text
///            bytes           "\r\n\r\n"            Content-Length bytes
/// between ──────────► head ─────────────► body ───────────────────────► between
///    │ ▲ "\r\n"         │ no, bad or two       │
///    └─┘ Pong, Ping     ▼ lengths, too large   ▼ message or Malformed
///                     broken
/// ```
/// Feed it, then take from it until it gives `None`. It never holds more than [`MAX_MESSAGE`] bytes beyond what is fed at
/// once, and reserves nothing for a length that somebody merely claims.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// How far no end of a head was found.
    scanned: usize,
    /// How long the message at the beginning of the buffer is, once its head is read.
    whole: Option<usize>,
    /// One line break was seen between messages.
    half_ping: bool,
    broken: bool,
}

impl Framer {
    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The buffer itself, for readers that append to it directly. Only ever append.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// True while part of a message is there and the rest is awaited: the peer must not take for ever.
    pub fn is_amid_message(&self) -> bool {
        !self.broken && !self.buffer.is_empty()
    }

    /// The next thing in the stream; `None` until more bytes come.
    #[allow(clippy::should_implement_trait)] // an iterator that goes on after `None` would surprise
    pub fn next(&mut self) -> Option<Framed> {
        if self.broken {
            self.buffer.clear();
            return None;
        }
        if self.whole.is_none() && self.buffer.starts_with(b"\r\n") {
            self.buffer.advance(2);
            self.scanned = 0;
            self.half_ping = !self.half_ping;
            return Some(if self.half_ping { Framed::Pong } else { Framed::Ping });
        }
        let whole = match self.whole {
            Some(whole) => whole,
            None => match self.measure()? {
                Ok(whole) => whole,
                Err((fault, at, head)) => return Some(self.give_up(fault, at, head)),
            },
        };
        self.whole = Some(whole);
        if self.buffer.len() < whole {
            return None;
        }
        // A copy of the exact size: a message that is kept must not keep the whole buffer alive.
        let bytes = Bytes::copy_from_slice(&self.buffer[..whole]);
        self.buffer.advance(whole);
        (self.scanned, self.whole, self.half_ping) = (0, None, false);
        Some(match Message::parse(bytes) {
            Ok(message) => Framed::Message(Box::new(message)),
            Err(malformed) => Framed::Malformed(malformed),
        })
    }

    /// How long the message is, `None` while its head is not complete; or why nobody can say, and how long the head is.
    fn measure(&mut self) -> Option<Result<usize, (Fault, usize, usize)>> {
        let from = self.scanned.saturating_sub(3);
        let Some(found) = memmem::find(&self.buffer[from..], b"\r\n\r\n") else {
            self.scanned = self.buffer.len();
            let length = self.buffer.len();
            return (length > MAX_HEAD).then_some(Err((Fault::TooLarge, MAX_HEAD, length)));
        };
        let head = from + found + 4;
        if head > MAX_HEAD {
            return Some(Err((Fault::TooLarge, MAX_HEAD, head)));
        }
        Some(match body_length(&self.buffer[..head]) {
            Ok(body) if body > MAX_MESSAGE - head => Err((Fault::TooLarge, head, head)),
            Ok(body) => Ok(head + body),
            Err((fault, at)) => Err((fault, at, head)),
        })
    }

    fn give_up(&mut self, fault: Fault, at: usize, head: usize) -> Framed {
        let head = Bytes::copy_from_slice(&self.buffer[..head.min(MAX_MESSAGE)]);
        let breaks = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.broken = true;
        self.buffer = BytesMut::new();
        Framed::Broken(Malformed::new(fault, at, Head::read(head.slice(breaks..)).0))
    }
}

/// What Content-Length says. Twice the same is left to the reader of the message: the framing is intact.
fn body_length(head: &[u8]) -> Result<usize, (Fault, usize)> {
    let mut length = None;
    let mut at = 0;
    while at < head.len() {
        let next = memchr::memchr(b'\n', &head[at..]).map_or(head.len(), |end| at + end + 1);
        if let Some(value) = content_length_line(&head[at..next]) {
            let mut end = next;
            while head.get(end).copied().is_some_and(is_blank) {
                end = memchr::memchr(b'\n', &head[end..]).map_or(head.len(), |length| end + length + 1);
            }
            let value = head[at + value..end].trim_ascii();
            let read = content_length(value).map_err(|_| (Fault::Unreadable(HeaderName::ContentLength), at))?;
            match length {
                Some(first) if first != read => return Err((Fault::LengthsDiffer, at)),
                _ => length = Some(read),
            }
        }
        at = next;
    }
    length.map(|length| length as usize).ok_or((Fault::LengthMissing, head.len()))
}

/// Where the value begins, if this line is a Content-Length.
fn content_length_line(line: &[u8]) -> Option<usize> {
    if !matches!(line.first()?, b'c' | b'C' | b'l' | b'L') {
        return None;
    }
    let name = line.iter().position(|byte| !is_token(*byte))?;
    let colon = name + line[name..].iter().position(|byte| !is_blank(*byte))?;
    (line[colon] == b':' && HeaderName::read(&line[..name]) == HeaderName::ContentLength).then_some(colon + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                           To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";

    fn with(lines: &str) -> String {
        format!("{OPTIONS}{lines}\r\n")
    }

    /// What comes out, in short: `1/body`, `ping`, `pong`, `malformed STATUS`, `broken STATUS`.
    fn drain(framer: &mut Framer) -> Vec<String> {
        std::iter::from_fn(|| framer.next())
            .map(|framed| match framed {
                Framed::Message(message) => {
                    format!("{}/{}", message.cseq().number, String::from_utf8_lossy(message.body()))
                }
                Framed::Ping => "ping".into(),
                Framed::Pong => "pong".into(),
                Framed::Malformed(malformed) => format!("malformed {:?}", malformed.status()),
                Framed::Broken(malformed) => format!("broken {:?}", malformed.status()),
            })
            .collect()
    }

    fn read(bytes: &str) -> Vec<String> {
        let mut framer = Framer::default();
        framer.push(bytes.as_bytes());
        drain(&mut framer)
    }

    #[test]
    fn messages_come_out_whole_however_the_bytes_come_in() {
        let stream = format!(
            "{}hello{}\r\n\r\n\r\n{}",
            with("l: 5\r\n"),
            with("Content-Length : 0\r\n"),
            with("L:\r\n 2\r\n") + "ab"
        );
        let expected = ["1/hello", "1/", "pong", "ping", "pong", "1/ab"];
        assert_eq!(read(&stream), expected);
        for size in 1..40 {
            let mut framer = Framer::default();
            let mut seen = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                framer.push(piece);
                seen.extend(drain(&mut framer));
            }
            assert_eq!(seen, expected, "in pieces of {size}");
            assert!(!framer.is_amid_message());
        }
    }

    #[test]
    fn a_malformed_message_with_a_certain_end_is_answered_and_the_stream_goes_on() {
        let bad = with("l: 0\r\n").replace("CSeq: 1 OPTIONS", "CSeq: x OPTIONS");
        assert_eq!(read(&(bad + &with("l: 1\r\n") + "x")), ["malformed Some(400)", "1/x"]);
        assert_eq!(read(&(with("l: 0\r\nl: 0\r\n") + &with("l: 0\r\n"))), ["malformed Some(400)", "1/"]);
    }

    #[test]
    fn a_stream_whose_framing_is_lost_ends() {
        for lines in [
            "",
            "l: 1\r\nl: 2\r\n",
            "l: -1\r\n",
            "l: 5,5\r\n",
            "l:\r\n",
            "Content-Length: 99999999999\r\n",
            "l: 1x\r\n",
        ] {
            let bytes = with(lines) + &with("l: 0\r\n");
            assert_eq!(read(&bytes), ["broken Some(400)"], "{lines:?}");
        }
        assert_eq!(read("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), ["broken None"]);
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_held() {
        let mut framer = Framer::default();
        framer.push(with("Content-Length: 4000000000\r\n").as_bytes());
        assert_eq!(drain(&mut framer), ["broken Some(513)"]);
        assert_eq!(framer.buffer.capacity(), 0);
        let mut framer = Framer::default();
        framer.push(OPTIONS.as_bytes());
        for _ in 0..MAX_HEAD / 16 + 1 {
            framer.push(b"X-Filler: 12345\n");
        }
        assert_eq!(drain(&mut framer), ["broken Some(513)"]);
        framer.push(with("l: 0\r\n").as_bytes());
        assert_eq!(drain(&mut framer), [] as [&str; 0]);
        assert!(!framer.is_amid_message());
    }

    #[test]
    fn a_body_is_waited_for() {
        let mut framer = Framer::default();
        framer.push((with("l: 4\r\n") + "abc").as_bytes());
        assert_eq!(drain(&mut framer), [] as [&str; 0]);
        assert!(framer.is_amid_message());
        framer.push(b"d");
        assert_eq!(drain(&mut framer), ["1/abcd"]);
    }
}
