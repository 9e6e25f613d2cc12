//! What must hold for any bytes at all: one function for each fuzz target. `tests/corpora.rs` runs the same functions over
//! the committed corpora on stable Rust.
//!
//! A new target is a function here, a line in [`CHECKS`], a file in `fuzz_targets`, a `[[bin]]`, and a folder in `corpus`.

use bytes::Bytes;
use huntline::sip::{Framed, Framer, HeaderName, Message, UriRef, Writer};

/// A check takes any bytes; it panics where something does not hold.
pub type Check = fn(&[u8]);

/// Every target by the name of its corpus folder.
pub const CHECKS: &[(&str, Check)] = &[("message", message), ("framing", framing), ("uri", uri)];

/// A message is read or refused; what is read reads the same again; what is answered is a message.
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
                assert!(answer.len() < data.len() + 512, "an answer is hardly larger than its request");
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
