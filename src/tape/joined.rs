//! Two calls become one, and so do their tapes: what was said in either stands on one strip, in the order of time.

use std::io::Write as _;

use super::{BODY, ENTRY, Moment, Tape};
use crate::clock::{Duration, Instant};

/// What an entry's numbers become on a strip that is older and has more on it.
#[derive(Clone, Copy)]
struct Shift {
    later: u64,
    parties: usize,
    sessions: usize,
    calls: usize,
}

impl Tape {
    /// The call of the other tape has become part of this one. The number of its first party, the others follow.
    pub fn absorb(&mut self, other: Tape, moment: Moment) -> u16 {
        let began = self.began.min(other.began);
        let later = |own: Instant| u64::try_from(own.since(began).as_micros()).unwrap_or(u64::MAX);
        let own = Shift { later: later(self.began), parties: 0, sessions: 0, calls: 0 };
        let theirs = Shift {
            later: later(other.began),
            parties: self.parties.len(),
            sessions: self.sessions.len(),
            calls: self.also.len() + 1,
        };
        // What was said in this reaction comes after all the rest, even where all that was in the same moment.
        let ((before, now), (their_before, their_now)) = (self.parted(moment), other.parted(moment));
        let mut strip = merged(placed(before, own), placed(their_before, theirs));
        let begins = strip.len();
        strip.extend(merged(placed(now, own), placed(their_now, theirs)));
        (self.strip, self.reaction) = (strip, (moment.reaction, begins));
        self.stamp = (self.stamp + own.later).max(other.stamp + theirs.later);
        (self.began, self.earlier) = (began, self.earlier + Duration::from_micros(own.later));
        (self.late, self.left_out) = (self.late + other.late, self.left_out + other.left_out);
        for mut party in other.parties {
            party.heard.device = self.device(&party.heard.peer, party.heard.at);
            party.heard.call = party.heard.call.saturating_add(u8::try_from(theirs.calls).unwrap_or(u8::MAX));
            self.parties.push(party);
        }
        self.sessions.extend(other.sessions);
        self.said.extend(other.said);
        let seen = &mut self.standing.get_mut().seen;
        for (extension, mark) in other.standing.into_inner().seen {
            match seen.iter_mut().find(|(known, _)| *known == extension) {
                // Who asked last is not known any more: the next time it is told again.
                Some((_, known)) if *known != mark => *known = !mark,
                Some(_) => {}
                None => seen.push((extension, mark)),
            }
        }
        self.also.extend(other.call.map(|call| super::Also { call, office: other.office }));
        self.also.extend(other.also);
        u16::try_from(theirs.parties).unwrap_or(u16::MAX)
    }
}

impl Tape {
    /// What was written before this reaction, and in it.
    fn parted(&self, moment: Moment) -> (&[u8], &[u8]) {
        let begins = if self.reaction.0 == moment.reaction { self.reaction.1 } else { self.strip.len() };
        self.strip.split_at(begins.min(self.strip.len()))
    }
}

/// The entries of a strip with their new numbers, and when they were written.
fn placed(strip: &[u8], shift: Shift) -> Vec<(u64, Vec<u8>)> {
    let entries = strip.split(|byte| *byte == ENTRY as u8).filter(|entry| !entry.is_empty());
    entries.map(|entry| place(entry, shift)).collect()
}

fn place(entry: &[u8], shift: Shift) -> (u64, Vec<u8>) {
    let (kind, mut rest) = (entry[0], &entry[1..]);
    let is_message = matches!(kind, b'<' | b'>');
    let mut out = vec![kind];
    if is_message {
        let (party, after) = number(rest);
        let _ = write!(out, "{} ", party as usize + shift.parties);
        rest = after.strip_prefix(b" ").unwrap_or(after);
    }
    let (at, mut rest) = number(rest);
    let at = at + shift.later;
    let _ = write!(out, "{at}");
    if !is_message {
        let (call, after) = rest.strip_prefix(b",").map_or((0, rest), number);
        let call = call as usize + shift.calls;
        if call > 0 {
            let _ = write!(out, ",{call}");
        }
        rest = after;
    }
    match memchr::memchr(BODY as u8, rest).filter(|_| is_message) {
        Some(body) => {
            out.extend_from_slice(&rest[..=body]);
            let (session, after) = number(&rest[body + 1..]);
            let _ = write!(out, "{}", session as usize + shift.sessions);
            out.extend_from_slice(after);
        }
        None => out.extend_from_slice(rest),
    }
    (at, out)
}

/// A number, and what comes after it.
fn number(text: &[u8]) -> (u64, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].iter().fold(0_u64, |sum, digit| sum.saturating_mul(10) + u64::from(digit - b'0'));
    (number, &text[end..])
}

/// Each keeps its own order. What both have of one moment belongs to one reaction: first what led to it, then what came of it.
fn merged(own: Vec<(u64, Vec<u8>)>, theirs: Vec<(u64, Vec<u8>)>) -> Vec<u8> {
    let mut strip = Vec::new();
    let mut theirs = theirs.into_iter().peekable();
    let mut add = |entry: Vec<u8>| {
        strip.push(ENTRY as u8);
        strip.extend(entry);
    };
    for (at, entry) in own {
        let turn = |at: u64, entry: &[u8]| (at, matches!(entry[0], b'>' | b'*'));
        while let Some((_, earlier)) = theirs.next_if(|(their_at, theirs)| turn(*their_at, theirs) < turn(at, &entry)) {
            add(earlier);
        }
        add(entry);
    }
    theirs.for_each(|(_, entry)| add(entry));
    strip
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{CallId, Flow, Transport};
    use crate::tape::Who;

    fn moment(reaction: u64, millis: u64) -> Moment {
        let at = Instant::from_micros(millis * 1000);
        Moment { reaction, due: at, now: at }
    }

    fn tape(id: u64, began: u64) -> Tape {
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), "192.168.0.9:5060".parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        let mut tape = Tape::new("0123456789ab".into(), moment(0, began));
        tape.call = Some(CallId::from_bits(id));
        tape.add_party(&Who { peer: "12".into(), trunk: false, flow, us: local }, &format!("call-{id}"));
        tape
    }

    fn say(tape: &mut Tape, reaction: u64, millis: u64, method: &str, body: &str) {
        let text = format!("{method} sip:14@a SIP/2.0\r\nCall-ID: a\r\nCSeq: {millis} {method}\r\n\r\n{body}");
        tape.hear(0, text.as_bytes(), moment(reaction, millis));
    }

    #[test]
    fn what_two_calls_said_stands_in_the_order_of_time_from_the_beginning_of_the_earlier_one() {
        let (mut kept, mut given) = (tape(1, 500), tape(2, 0));
        say(&mut given, 1, 0, "INVITE", "v=0\r\n");
        given.note_fact(moment(1, 0));
        say(&mut kept, 2, 500, "INVITE", "v=1\r\n");
        given.note_world("taken 14", moment(3, 600));
        say(&mut kept, 4, 700, "REFER", "");
        say(&mut given, 4, 700, "INFO", "v=0\r\n");
        assert_eq!(kept.absorb(given, moment(4, 700)), 1);
        kept.note_fact_of(CallId::from_bits(2), moment(4, 700));
        kept.note_fact(moment(4, 700));
        let taped = kept.finish();
        let entries: Vec<&str> = taped.strip.split(ENTRY).skip(1).collect();
        let begins: Vec<&str> = entries.iter().map(|entry| entry.split('\n').next().unwrap()).collect();
        assert_eq!(
            begins,
            ["<1 0", "*0,1", "<0 500000", "!600000,1 taken 14", "<0 700000", "<1 700000", "*700000,1", "*700000"]
        );
        let session = |at: usize| entries[at].split(BODY).nth(1).map(|body| body.trim_end());
        assert_eq!([session(0), session(2), session(5)], [Some("1\nv=0"), Some("0\nv=1"), Some("1")]);
        assert_eq!((taped.earlier, taped.also.len()), (500_000, 1));
        assert_eq!(taped.parties.iter().map(|heard| (heard.call, heard.device)).collect::<Vec<_>>(), [(0, 1), (1, 1)]);
    }
}
