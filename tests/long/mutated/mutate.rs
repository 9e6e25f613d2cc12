//! One message becomes another that nobody would write: a few cuts, chosen by chance.

use std::ops::Range;

use huntline::entropy::Entropy;

/// The largest datagram.
const MOST: usize = 65_507;

/// Pieces that mean something at some place of a message.
const WORDS: [&str; 40] = [
    "\r\n",
    "\r",
    "\n",
    "\r\n ",
    "\r\n\r\n",
    " ",
    "\t",
    ",",
    ";",
    ";;",
    ":",
    "\"",
    "\\",
    "<",
    ">",
    "[",
    "]",
    "%00",
    "%",
    "\0",
    "@",
    "*",
    "?",
    "=",
    "sip:",
    "sips:",
    "tel:",
    "SIP/2.0",
    ";tag=",
    ";branch=z9hG4bK",
    ";received=",
    ";rport",
    "Via: ",
    "l: 0\r\n",
    "Contact: *\r\n",
    "a=sendonly\r\n",
    "c=IN IP4 0.0.0.0\r\n",
    "m=audio 0 RTP/AVP 0\r\n",
    "\u{fc}",
    "\u{ff}",
];
/// Numbers at which something ends.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "70",
    "255",
    "256",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "99999999999",
];

/// `said` with one cut, or with up to four; pieces of `other` may come in.
pub fn mutate(said: &[u8], other: &[u8], chance: &mut Entropy) -> Vec<u8> {
    let mut bytes = said.to_vec();
    for _ in 0..=chance.below(2) * chance.below(4) {
        cut(&mut bytes, other, chance);
        bytes.truncate(MOST);
    }
    bytes
}

fn cut(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Entropy) {
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        return;
    }
    let at = chance.below(bytes.len() as u64) as usize;
    match chance.below(12) {
        0 => bytes[at] ^= 1 << chance.below(8),
        1 => bytes[at] = chance.u64() as u8,
        2 => insert(bytes, at, WORDS[chance.below(WORDS.len() as u64) as usize].as_bytes()),
        3 => drop(bytes.drain(piece(bytes.len(), 32, chance))),
        4 => {
            let again = bytes[piece(bytes.len(), 64, chance)].repeat(1 + chance.below(40) as usize);
            insert(bytes, at, &again);
        }
        5 => {
            let piece = other.get(piece(other.len(), 64, chance)).unwrap_or_default();
            insert(bytes, at, piece);
        }
        6 => number(bytes, chance),
        7 => bytes.truncate(at),
        8 => {
            let from = lines(other)[chance.below(lines(other).len() as u64) as usize].start;
            let to = lines(bytes)[chance.below(lines(bytes).len() as u64) as usize].start;
            bytes.truncate(to);
            bytes.extend_from_slice(&other[from..]);
        }
        kind => line(bytes, kind, chance),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    drop(bytes.splice(at..at, piece.iter().copied()));
}

/// A piece of at most `most` bytes.
fn piece(length: usize, most: usize, chance: &mut Entropy) -> Range<usize> {
    let from = chance.below(length.max(1) as u64) as usize;
    let most = most.min(length.saturating_sub(from));
    from..from + chance.below(most as u64 + 1) as usize
}

/// One of the numbers in it becomes another.
fn number(bytes: &mut Vec<u8>, chance: &mut Entropy) {
    let begins = |at: usize| bytes[at].is_ascii_digit() && (at == 0 || !bytes[at - 1].is_ascii_digit());
    let places: Vec<_> = (0..bytes.len()).filter(|at| begins(*at)).collect();
    if places.is_empty() {
        return;
    }
    let from = places[chance.below(places.len() as u64) as usize];
    let length = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let other = NUMBERS[chance.below(NUMBERS.len() as u64) as usize];
    drop(bytes.splice(from..from + length, other.bytes()));
}

/// A line goes, comes twice, or changes places with another.
fn line(bytes: &mut Vec<u8>, kind: u64, chance: &mut Entropy) {
    let lines = lines(bytes);
    let mut any = || lines[chance.below(lines.len() as u64) as usize].clone();
    let (one, two) = (any(), any());
    match kind {
        9 => drop(bytes.drain(one)),
        10 => {
            let again = bytes[one.clone()].to_vec();
            insert(bytes, one.start, &again);
        }
        _ => {
            let (first, second) = if one.start <= two.start { (one, two) } else { (two, one) };
            if first.end <= second.start {
                let parts = [&bytes[second.clone()], &bytes[first.end..second.start], &bytes[first.clone()]].concat();
                drop(bytes.splice(first.start..second.end, parts));
            }
        }
    }
}

/// Its lines, each with its line feed; at least one.
fn lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut from = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        lines.push(from..from + line.len());
        from += line.len();
    }
    if lines.is_empty() {
        lines.push(0..0);
    }
    lines
}
