//! What must hold for any bytes at all: one function for each fuzz target. `tests/corpora.rs` runs the same functions over
//! the committed corpora on stable Rust.
//!
//! A new target is a function here, a line in [`CHECKS`], a file in `fuzz_targets`, a `[[bin]]`, and a folder in `corpus`.

#[path = "town/mod.rs"]
mod town;

#[path = "customers.rs"]
mod customers;
#[path = "inbox.rs"]
mod inbox;

pub use customers::{sheet, vcard};
pub use inbox::inbox;
pub use town::finds_its_way;

use std::net::SocketAddr;

use bytes::Bytes;
use huntline::clock::Instant;
use huntline::entropy::Entropy;
use huntline::sip::digest::{Algorithm, Answerer, Asker, Challenger, Secret, Tried, Verdict};
use huntline::sip::sdp::{Connection, Media, OurOrigin, Sdp};
use huntline::sip::{Framed, Framer, HeaderName, Message, UriRef, Writer};

/// A check takes any bytes; it panics where something does not hold.
pub type Check = fn(&[u8]);

/// Every target by the name of its corpus folder.
pub const CHECKS: &[(&str, Check)] = &[
    ("message", message),
    ("framing", framing),
    ("uri", uri),
    ("sdp", sdp),
    ("digest", digest),
    ("switch", switch),
    ("sheet", sheet),
    ("vcard", vcard),
    ("inbox", inbox),
];

/// A message is read or refused; what is read reads the same again; what is answered is a message, and what is refused
/// finds its way back.
pub fn message(data: &[u8]) {
    let source = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
    match Message::parse(Bytes::copy_from_slice(data)) {
        Ok(read) => {
            let again = Message::parse(read.bytes().clone()).expect("reads again");
            assert_eq!(said(&again), said(&read));
            if read.is_request() {
                let answer = Writer::default().reply(&read, huntline::sip::Status::OK, "us", source).finish();
                let answer = Message::parse(answer).expect("an answer is a message");
                assert_eq!(
                    (answer.call_id(), answer.cseq(), answer.branch()),
                    (read.call_id(), read.cseq(), read.branch())
                );
            }
        }
        Err(malformed) => {
            let answer = Writer::default().refuse(&malformed, "us", source);
            assert_eq!(answer.is_some(), malformed.status().is_some());
            if let Some(answer) = answer {
                // At most MAX_HEADERS times `v:` becomes `Via: `; the rest is the first line and the stamp.
                assert!(answer.len() < data.len() + 1024, "an answer is hardly larger than its request");
                if let Err(unread) = Message::parse(answer) {
                    assert!(finds_its_way(&unread), "{unread:?}");
                }
            }
        }
    }
}

/// Everything that a message says.
fn said(message: &Message) -> String {
    let mut out = format!("{:?}{:?}{:?}{:?}", message.start(), message.cseq(), message.via(), message.max_forwards());
    out += &format!("{:?}{:?}{:?}", message.from(), message.to(), message.from().display());
    out += &format!("{:?}{:?}{:?}", message.call_id(), message.sdp(), message.body());
    for (name, spelling, value) in message.lines() {
        out += &format!("{name}{spelling}{value:?}{}", message.values(name).count());
    }
    for name in [HeaderName::Contact, HeaderName::Route, HeaderName::PAssertedIdentity] {
        out += &format!("{:?}", message.addresses(name).map(|one| (one.expires(), one.q())).collect::<Vec<_>>());
    }
    out
}

/// A stream means the same however it is cut: the first byte says how large the pieces are.
pub fn framing(data: &[u8]) {
    let Some((size, data)) = data.split_first() else { return };
    let pieces = cut(data, usize::from(*size).max(1));
    assert_eq!(pieces, cut(data, data.len().max(1)));
}

fn cut(data: &[u8], size: usize) -> Vec<String> {
    let mut framer = Framer::default();
    let mut seen = Vec::new();
    for piece in data.chunks(size) {
        framer.push(piece);
        seen.extend(std::iter::from_fn(|| framer.next()).map(|framed| match framed {
            Framed::Message(message) => format!("{:?}", message.bytes()),
            Framed::Malformed(malformed) => format!("{malformed}"),
            Framed::Broken(malformed) => format!("broken {malformed}"),
            Framed::Ping => "ping".into(),
            Framed::Pong => "pong".into(),
        }));
    }
    assert!(framer.buffer().len() <= huntline::sip::MAX_MESSAGE);
    seen
}

/// A URI equals itself, reads the same again, and keeps its parts when a parameter is added.
pub fn uri(data: &[u8]) {
    let Ok(uri) = UriRef::parse(data) else { return };
    assert!(uri.is_same(uri), "{uri}");
    let _ = (uri.user_unescaped(), uri.header("replaces"), uri.socket_addr(), uri.transport());
    let more = uri.to_owned().with_param("x", "a b");
    let again = UriRef::parse(more.as_ref()).expect("reads again");
    assert_eq!(
        (again.user(), again.password(), again.host(), again.port()),
        (uri.user(), uri.password(), uri.host(), uri.port())
    );
    assert_eq!(again.headers(), uri.headers());
}

/// A description is read or refused; rewriting changes addresses alone, once, and to what was told.
pub fn sdp(data: &[u8]) {
    // Written anew it may be a little longer, and then too long to be read.
    let Some(read) = Sdp::read(data).ok().filter(|_| data.len() < 60_000) else { return };
    let told = |index: usize| SocketAddr::from(([192, 0, 2, 9], 20_000 + 2 * index as u16));
    let origin = Some(OurOrigin { id: 1, version: 2, address: told(0).ip() });
    let written = read.rewrite(&mut |index| Some(told(index)), origin);
    let again = Sdp::read(&written).expect("reads again");
    assert_eq!(again.media.len(), read.media.len());
    assert_eq!((again.is_hold(), again.origin.user), (read.is_hold(), read.origin.user));
    for (index, (was, is)) in read.media.iter().zip(&again.media).enumerate() {
        let kept = |media: &Media<'_>| (media.is_rejected(), media.direction, media.rtcp_mux, media.ptime);
        assert_eq!((kept(was), was.kind, was.proto, was.formats), (kept(is), is.kind, is.proto, is.formats));
        let nowhere = was.connection.is_some_and(Connection::is_nowhere);
        assert_eq!(is.rtp_target(), (!was.is_rejected() && !nowhere).then(|| told(index)));
    }
    assert_eq!(again.rewrite(&mut |index| Some(told(index)), origin), written);
}

/// Without the password nobody is let in; a challenge is answered so that a server can read it.
pub fn digest(data: &[u8]) {
    const URI: &[u8] = b"sip:office.example";
    let mut chance = Entropy::seeded([1; 32], 0);
    let mut ours = Challenger::new("office.example", &[Algorithm::Sha256, Algorithm::Md5], &mut chance);
    let secret = Secret::new("201", "office.example", "secret");
    let mut verdict = |value: &[u8]| ours.verify([value], b"REGISTER", URI, Instant::START, |_| Some(((), &secret)));
    assert_ne!(verdict(data), Verdict::Accepted(()));
    let mut account = Answerer::new("2\"01", "secret");
    if account.challenged(Asker::Server, [data], &mut Tried::default()).is_ok() {
        let answer = account.authorize(b"REGISTER", URI, &mut chance).remove(0).1;
        assert!(matches!(verdict(&answer), Verdict::Challenge { .. }), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Whatever callers, phones and strangers do, no call, port or timer is left at rest. The first two bytes say how bad the
/// network's luck is and how the script ends; the others are the script.
pub fn switch(data: &[u8]) {
    let Some((head, data)) = data.split_first_chunk::<2>() else { return };
    let ending = if head[1] % 2 == 0 { town::Ending::Silence } else { town::Ending::Manners };
    town::play(&town::script::read(&data[..data.len().min(16_384)]), u64::from(head[0]) + 1, ending);
}
