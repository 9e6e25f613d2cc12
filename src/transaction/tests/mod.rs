//! A table of transactions on a bench: with its timers, its wire and its time in the hand of the test.

mod arrows;
mod matching;
mod network;

use super::*;
use crate::clock::{Deadlines, Duration, Instant, Now};
use crate::key::Transport;
use crate::sip::HeaderName;

/// The user of a transaction, in these tests: a letter.
type User = char;

#[derive(Default)]
struct Sent(Vec<(Flow, Bytes)>);

impl Wire for Sent {
    fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.0.push((flow, bytes));
    }
}

/// One table, whose users are `U`, with its timers, its wire and the time.
struct Bench<U = User> {
    table: Transactions<U>,
    deadlines: Deadlines<Timer>,
    sent: Sent,
    now: Now,
}

impl<U: Copy> Bench<U> {
    fn new(capacity: usize) -> Bench<U> {
        let table = Transactions::new(capacity, &mut Entropy::seeded([1; 32], 0));
        let now = Now { mono: Instant::START, wall: "2026-11-23T09:00:00Z".parse().unwrap() };
        Bench { table, deadlines: Deadlines::default(), sent: Sent::default(), now }
    }

    /// Does something with the table.
    fn with<R>(&mut self, act: impl FnOnce(&mut Transactions<U>, &mut Hand<'_, Timer>) -> R) -> R {
        let hand = &mut Hand { now: self.now, deadlines: &mut self.deadlines, wire: &mut self.sent };
        act(&mut self.table, hand)
    }

    fn receive(&mut self, flow: Flow, text: &str) -> Arrival<U> {
        let message = parse(text);
        self.with(|table, hand| table.receive(flow, &message, hand))
    }

    /// Fires every timer that is due within `span`, each at its own time.
    fn pass(&mut self, span: Duration, mut heard: impl FnMut(&mut Bench<U>, Option<Expired<U>>)) {
        let end = self.now.mono + span;
        while let Some(at) = self.deadlines.first().filter(|at| *at <= end) {
            self.now = self.now.after(at - self.now.mono);
            while let Some(timer) = self.deadlines.pop_due(at) {
                let expired = self.with(|table, hand| table.on_timer(timer, hand));
                heard(self, expired);
            }
        }
        self.now = self.now.after(end - self.now.mono);
    }

    fn is_at_rest(&self) -> bool {
        self.table.is_empty()
            && self.deadlines.is_empty()
            && self.table.by_branch.is_empty()
            && self.table.by_request.is_empty()
            && self.table.by_origin.is_empty()
    }

    /// The first lines of what was sent since the last call: methods and status codes.
    fn drain(&mut self) -> Vec<String> {
        self.sent.0.drain(..).map(|(_, bytes)| headline(&bytes)).collect()
    }
}

fn headline(bytes: &[u8]) -> String {
    let message = Message::parse(Bytes::copy_from_slice(bytes)).expect("what we send can be read");
    match message.status() {
        Some(status) => status.to_string(),
        None => message.method_name().into(),
    }
}

fn parse(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap_or_else(|wrong| panic!("{wrong}: {text}"))
}

fn flow(transport: Transport) -> Flow {
    let connection = u32::from(transport.is_reliable());
    Flow { transport, local: "192.0.2.1:5060".parse().unwrap(), remote: "192.0.2.9:5060".parse().unwrap(), connection }
}

fn token(text: &str) -> Token {
    Token::of_branch(&format!("z9hG4bK{text}")).unwrap()
}

const OURS: &str = "aaaaaaaaaaaa";

/// A request of ours, as a leg would write it.
fn ours(method: &str) -> String {
    format!(
        "{method} sip:14@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{OURS};rport\nMax-Forwards: 69\n\
         Route: <sip:proxy.example;lr>\nRoute: <sip:192.0.2.9;lr>\nFrom: <sip:12@office.example>;tag=f1\n\
         To: <sip:14@office.example>\nCall-ID: c1\nCSeq: 7 {method}\nContact: <sip:192.0.2.1>\nContent-Length: 0\n\n"
    )
}

/// A response of theirs to it.
fn response(status: &str, method: &str) -> String {
    format!(
        "SIP/2.0 {status} Some Phrase\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{OURS};rport=5060\n\
         From: <sip:12@office.example>;tag=f1\nTo: <sip:14@office.example>;tag=t1\nCall-ID: c1\nCSeq: 7 {method}\n\
         Content-Length: 0\n\n"
    )
}

/// A request of theirs.
fn theirs(method: &str, branch: &str) -> String {
    format!(
        "{method} sip:12@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch={branch};rport\nMax-Forwards: 70\n\
         From: <sip:14@office.example>;tag=f2\nTo: <sip:12@office.example>\nCall-ID: c2\nCSeq: 3 {method}\n\
         Contact: <sip:192.0.2.9>\nContent-Length: 0\n\n"
    )
}
