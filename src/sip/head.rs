//! The lines of a message before its body, found once: which header stands where.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::fault::Fault;
use super::lex::{Elements, is_blank, is_token, trimmed};
use super::name::HeaderName;

/// The largest message that is read, head and body, in bytes.
pub const MAX_MESSAGE: usize = 65_535;
/// The most header lines of a message.
pub const MAX_HEADERS: usize = 256;
/// The most Vias, and the most Routes, Record-Routes or Contacts.
pub const MAX_HOPS: usize = 64;

/// A piece of the message, by its first byte and the byte after its last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Span {
    from: u16,
    to: u16,
}

impl Span {
    pub(super) fn new(from: usize, to: usize) -> Span {
        Span { from: from as u16, to: to as u16 }
    }

    /// The span of `part`, which must be a slice of `whole`.
    pub(super) fn of(whole: &[u8], part: &[u8]) -> Span {
        let from = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        debug_assert!(from + part.len() <= whole.len());
        Span::new(from, from + part.len())
    }

    pub(super) fn at(self) -> usize {
        usize::from(self.from)
    }

    pub(super) fn read(self, bytes: &[u8]) -> &[u8] {
        bytes.get(usize::from(self.from)..usize::from(self.to)).unwrap_or_default()
    }

    pub(super) fn is_empty(self) -> bool {
        self.from == self.to
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(super) name: HeaderName,
    pub(super) spelling: Span,
    pub(super) value: Span,
}

/// The head of a message: its bytes, and where each line stands. Folded lines are joined (their line breaks became
/// spaces, so that places stay).
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(super) bytes: Bytes,
    /// Without its line break.
    pub(super) start: Span,
    pub(super) lines: SmallVec<[Line; 28]>,
    seen: u128,
    /// A single-value header that came twice, and where the second stands.
    pub(super) doubled: Option<(HeaderName, u16)>,
    /// Behind the empty line.
    pub(super) body: u16,
}

impl Head {
    /// Finds the lines. The head is as whole as it could be read even where it is faulty, so that it can be answered.
    pub(super) fn read(mut bytes: Bytes) -> (Head, Result<(), (Fault, usize)>) {
        let mut head = Head::default();
        let mut result = head.index(&bytes);
        if let Err(Stop::Folded) = result {
            bytes = unfold(&bytes);
            head = Head::default();
            result = head.index(&bytes);
        }
        head.bytes = bytes;
        let result = result.map_err(|stop| match stop {
            Stop::Fault(fault, at) => (fault, at),
            Stop::Folded => (Fault::HeaderLine, 0),
        });
        (head, result)
    }

    fn index(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let bytes = &bytes[..bytes.len().min(MAX_MESSAGE)];
        let mut at = 0;
        let mut fault = None;
        loop {
            let end = match line_end(bytes, at) {
                LineEnd::At(end) => end,
                LineEnd::Bare(place) => return Err(fault.unwrap_or(Stop::Fault(Fault::LineBreak, place))),
                LineEnd::None => return Err(fault.unwrap_or(Stop::Fault(Fault::Unfinished, bytes.len()))),
            };
            if end == at && !self.start.is_empty() {
                self.body = (end + 2) as u16;
                return fault.map_or(Ok(()), Err);
            }
            if bytes.get(end + 2).copied().is_some_and(is_blank) {
                return Err(Stop::Folded);
            }
            if self.start.is_empty() {
                if end == at {
                    return Err(Stop::Fault(Fault::StartLine, at));
                }
                self.start = Span::new(at, end);
            } else if let Err(stop) = self.line(bytes, at, end) {
                // The rest is still read, because the answer needs its Via.
                fault = fault.or(Some(stop));
            }
            at = end + 2;
        }
    }

    fn line(&mut self, bytes: &[u8], at: usize, end: usize) -> Result<(), Stop> {
        let text = &bytes[at..end];
        let length = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
        let mut colon = length;
        while text.get(colon).copied().is_some_and(is_blank) {
            colon += 1;
        }
        if length == 0 || text.get(colon) != Some(&b':') {
            return Err(Stop::Fault(Fault::HeaderLine, at + length));
        }
        if self.lines.len() == MAX_HEADERS {
            return Err(Stop::Fault(Fault::TooManyHeaders, at));
        }
        let name = HeaderName::read(&text[..length]);
        let value = Span::of(bytes, trimmed(&text[colon + 1..]));
        if self.seen & name.bit() != 0 && name.is_single() && self.doubled.is_none() {
            self.doubled = Some((name, at as u16));
        }
        self.seen |= name.bit();
        self.lines.push(Line { name, spelling: Span::new(at, at + length), value });
        Ok(())
    }

    pub(super) fn has(&self, name: HeaderName) -> bool {
        self.seen & name.bit() != 0
    }

    /// The span of the first line of this name.
    pub(super) fn find(&self, name: HeaderName) -> Option<Span> {
        if !self.has(name) {
            return None;
        }
        self.lines.iter().find(|line| line.name == name).map(|line| line.value)
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.find(name).map(|value| value.read(&self.bytes))
    }

    pub(super) fn headers(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let lines = if self.has(name) { &self.lines[..] } else { &[] };
        lines.iter().filter(move |line| line.name == name).map(|line| line.value.read(&self.bytes))
    }

    pub(super) fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.headers(name).flat_map(Elements::of)
    }
}

enum Stop {
    Folded,
    Fault(Fault, usize),
}

enum LineEnd {
    /// The carriage return of the pair.
    At(usize),
    /// A carriage return or line feed that stands alone.
    Bare(usize),
    None,
}

fn line_end(bytes: &[u8], from: usize) -> LineEnd {
    match memchr::memchr2(b'\r', b'\n', &bytes[from..]) {
        None => LineEnd::None,
        Some(length) if bytes[from + length..].starts_with(b"\r\n") => LineEnd::At(from + length),
        Some(length) if from + length + 1 == bytes.len() && bytes[from + length] == b'\r' => LineEnd::None,
        Some(length) => LineEnd::Bare(from + length),
    }
}

/// RFC 3261 §7.3.1: a line that begins with white space goes on with the line before. The break becomes two spaces.
fn unfold(bytes: &[u8]) -> Bytes {
    let mut copy = BytesMut::from(bytes);
    let mut at = 0;
    while let LineEnd::At(end) = line_end(bytes, at) {
        if end == at && at > 0 {
            break;
        }
        if bytes.get(end + 2).copied().is_some_and(is_blank) {
            copy[end..end + 2].fill(b' ');
        }
        at = end + 2;
    }
    copy.freeze()
}
