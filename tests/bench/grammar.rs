//! What reading a message, answering it and writing one costs, and how often each asks for memory.
//!
//!     cargo bench --bench grammar
//!
//! Nanoseconds each, the best of many rounds: the machine's other work makes a round slower, never faster.

#![allow(clippy::disallowed_methods)] // A bench asks the machine for the time; the core does not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use huntline::sip::{HeaderName, Host, Message, Method, Status, UriRef, Writer};

struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As a provider sends it: 1.2 kB.
const INVITE: &str = "INVITE sip:+493012340@203.0.113.5:5060;transport=udp SIP/2.0\r\n\
    Via: SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bK7f3a9c1e5b2d;rport\r\n\
    Via: SIP/2.0/UDP 198.51.100.77:5080;received=198.51.100.77;branch=z9hG4bK1a2b3c4d5e6f;rport=5080\r\n\
    Record-Route: <sip:198.51.100.10;lr;ftag=as5d2f7e>\r\n\
    Max-Forwards: 68\r\n\
    From: \"Ada Byron\" <sip:+491701112233@provider.example;user=phone>;tag=as5d2f7e\r\n\
    To: <sip:+493012340@provider.example;user=phone>\r\n\
    Call-ID: 3c267009e9c5-zq5rj4cmm2n1@198.51.100.77\r\n\
    CSeq: 102 INVITE\r\n\
    Contact: <sip:+491701112233@198.51.100.77:5080;transport=udp>\r\n\
    P-Asserted-Identity: <sip:+491701112233@provider.example;user=phone>\r\n\
    User-Agent: Provider SBC 7.20A.258.750\r\n\
    Date: Mon, 23 Nov 2026 09:00:00 GMT\r\n\
    Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE, UPDATE, PRACK\r\n\
    Supported: replaces, timer, 100rel\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    Min-SE: 90\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 256\r\n\r\n\
    v=0\r\no=- 1132 1132 IN IP4 198.51.100.77\r\ns=SBC\r\nc=IN IP4 198.51.100.77\r\nt=0 0\r\n\
    m=audio 18642 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let bytes = Bytes::from(INVITE.as_bytes().to_vec());
    let _shared = bytes.clone();
    let invite = Message::parse(bytes.clone()).expect("readable");
    println!(
        "{} bytes, {} header lines, Message is {} bytes",
        bytes.len(),
        invite.lines().count(),
        size_of::<Message>()
    );
    time("INVITE read with its essentials", || drop(black_box(Message::parse(black_box(bytes.clone())))));
    time("six headers asked for", || {
        let message = black_box(&invite);
        black_box((message.from(), message.to(), message.via(), message.call_id(), message.cseq()));
        black_box(message.address(HeaderName::Contact));
    });
    time("Request-URI read", || {
        let uri = black_box(b"sip:+493012340@203.0.113.5:5060;transport=udp");
        let _ = black_box(UriRef::parse(uri));
    });
    let source = "198.51.100.10:5060".parse().expect("an address");
    let mut writer = Writer::default();
    time("180 written", || drop(black_box(writer.reply(&invite, Status::RINGING, "a7k2m9x4b3c5", source).finish())));
    let us = Host::Ip([203, 0, 113, 5].into());
    time("INVITE written", || {
        let mut draft = writer.request(Method::Invite, "sip:14@192.168.1.20:5062;line=1a2b3c");
        draft.via("UDP", us, Some(5060), "z9hG4bKa7k2m9x4b3c5").number(HeaderName::MaxForwards, 67u8);
        draft.name_addr(HeaderName::From, "Ada Byron", "sip:+491701112233@203.0.113.5", "b8k2m9x4b3c5");
        draft.name_addr(HeaderName::To, "", "sip:14@office.example", "").header(HeaderName::CallId, "c9k2m9x4b3c5");
        draft.cseq(1, Method::Invite).name_addr(HeaderName::Contact, "", "sip:203.0.113.5:5060", "");
        black_box(draft.finish_with("application/sdp", invite.body()));
    });
}

/// Rounds are short, so that some of them are not interrupted.
const ROUNDS: usize = 3000;
const EACH: u64 = 200;

fn time(what: &str, mut work: impl FnMut()) {
    work(); // buffers that are used again have their size after this
    let asked = ASKED.load(Ordering::Relaxed);
    work();
    let asked = ASKED.load(Ordering::Relaxed) - asked;
    let round = |_| {
        let began = Instant::now();
        (0..EACH).for_each(|_| work());
        began.elapsed().as_nanos() as u64 / EACH
    };
    let best = (0..ROUNDS).map(round).min().unwrap_or_default();
    println!("{what}: {best} ns, {asked} allocations");
}
