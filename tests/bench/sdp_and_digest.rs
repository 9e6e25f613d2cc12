//! What reading and rewriting a session description costs, and checking a password's digest.
//!
//!     cargo bench --bench sdp_and_digest
//!
//! Nanoseconds each, the best of ten rounds: the machine's other work makes a round slower, never faster.

#![allow(clippy::disallowed_methods)] // A bench asks the machine for the time; the core does not.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use huntline::clock;
use huntline::entropy::Entropy;
use huntline::sip::digest::{Algorithm, Answerer, Asker, Challenger, Secret, Tried, Verdict};
use huntline::sip::sdp::{self, OurOrigin};

/// As a desk phone offers it.
const OFFER: &str = "v=0\r\no=- 20518 20518 IN IP4 192.168.1.20\r\ns=call\r\nc=IN IP4 192.168.1.20\r\nt=0 0\r\n\
    m=audio 11780 RTP/AVP 8 0 9 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\n\
    a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
    a=ptime:20\r\na=sendrecv\r\n";

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let told: SocketAddr = "203.0.113.7:20000".parse().expect("an address");
    let origin = OurOrigin { id: 1_234_567, version: 1, address: told.ip() };
    time("SDP read", || drop(black_box(sdp::Sdp::read(black_box(OFFER.as_bytes())))));
    time("SDP read and rewritten", || {
        let written = sdp::rewrite(black_box(OFFER.as_bytes()), &mut |_| Some(told), Some(origin));
        assert!(black_box(written).is_ok());
    });
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        digest(algorithm);
    }
}

fn digest(algorithm: Algorithm) {
    const URI: &[u8] = b"sip:office.example";
    let mut chance = Entropy::seeded([1; 32], 0);
    let mut ours = Challenger::new("office.example", &[algorithm], &mut chance);
    let secret = Secret::new("201", "office.example", "secret");
    let mut phone = Answerer::new("201", "secret");
    let now = clock::Instant::START;
    time(&format!("challenge, {}", algorithm.as_str()), || drop(black_box(ours.challenges(false, now))));
    let asked = ours.challenges(false, now);
    phone
        .challenged(Asker::Server, asked.iter().map(|value| value.as_bytes()), &mut Tried::default())
        .expect("answerable");
    time(&format!("answer, {}", algorithm.as_str()), || {
        black_box(phone.authorize(b"REGISTER", URI, &mut chance));
    });
    let mut answers =
        (0..ROUNDS * EACH).map(|_| phone.authorize(b"REGISTER", URI, &mut chance).remove(0).1).collect::<Vec<_>>();
    answers.reverse();
    time(&format!("answer verified, {}", algorithm.as_str()), || {
        let answer = answers.pop().expect("enough answers");
        let verdict = ours.verify([answer.as_slice()], b"REGISTER", URI, now, |_| Some(((), &secret)));
        assert_eq!(verdict, Verdict::Accepted(()));
    });
}

const ROUNDS: usize = 10;
const EACH: usize = 20_000;

fn time(what: &str, mut work: impl FnMut()) {
    let round = |_| {
        let began = Instant::now();
        (0..EACH).for_each(|_| work());
        began.elapsed().as_nanos() / EACH as u128
    };
    let best = (0..ROUNDS).map(round).min().unwrap_or_default();
    println!("{best:6} ns  {what}");
}
