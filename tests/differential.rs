//! A second opinion: wherever rsip 0.4 accepts a generated message, it must read in it what we read, unless the reason is
//! known and stands here.

use std::collections::BTreeMap;
use std::convert::TryFrom;

use bytes::Bytes;
use huntline::sip::{HeaderName, Message, Start, UriRef};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rsip::headers::UntypedHeader;
use rsip::headers::typed;
use rsip::message::HeadersExt;
use rsip::prelude::{HasHeaders, ToTypedHeader};

mod sip_words;

/// Field by field what a reader finds.
type Reading = BTreeMap<&'static str, String>;

fn ours(message: &Message) -> Reading {
    let mut reading = Reading::new();
    match message.start() {
        Start::Request { uri, .. } => our_uri(&mut reading, ["uri user", "uri host", "uri port"], uri),
        Start::Response { status, .. } => drop(reading.insert("status", status.to_string())),
    }
    reading.insert("method", message.method_name().into());
    reading.insert("call-id", message.call_id().into());
    reading.insert("cseq", message.cseq().number.to_string());
    let via = message.via();
    reading.insert("via transport", via.transport.to_ascii_uppercase());
    reading.insert("via host", via.host.to_string());
    reading.insert("via port", format!("{:?}", via.port));
    reading.insert("via branch", via.branch().unwrap_or_default().into());
    reading.insert("via received", via.params.get("received").unwrap_or_default().into());
    our_address(&mut reading, FROM, message.from());
    our_address(&mut reading, TO, message.to());
    if let Some(contact) = message.address(HeaderName::Contact) {
        our_address(&mut reading, CONTACT, contact);
    }
    if let Some(forwards) = message.max_forwards() {
        reading.insert("max-forwards", forwards.to_string());
    }
    reading.insert("body", String::from_utf8_lossy(message.body()).into());
    reading.insert("headers", message.lines().count().to_string());
    reading
}

const FROM: [&str; 5] = ["from display", "from tag", "from user", "from host", "from port"];
const TO: [&str; 5] = ["to display", "to tag", "to user", "to host", "to port"];
const CONTACT: [&str; 5] = ["contact display", "contact tag", "contact user", "contact host", "contact port"];

fn our_address(
    reading: &mut Reading,
    [display, tag, user, host, port]: [&'static str; 5],
    address: huntline::sip::header::NameAddr<'_>,
) {
    reading.insert(display, String::from_utf8_lossy(address.raw_display).trim_matches('"').into());
    reading.insert(tag, address.tag().unwrap_or_default().into());
    our_uri(reading, [user, host, port], address.uri);
}

fn our_uri(reading: &mut Reading, [user, host, port]: [&'static str; 3], uri: UriRef<'_>) {
    reading.insert(user, uri.user().unwrap_or_default().into());
    reading.insert(host, uri.host().map(|host| host.to_string()).unwrap_or_default());
    reading.insert(port, format!("{:?}", uri.port()));
}

/// What rsip reads; a field that it cannot read is left out.
fn theirs(message: &rsip::SipMessage) -> Reading {
    let mut reading = Reading::new();
    match message {
        rsip::SipMessage::Request(request) => {
            reading.insert("method", request.method.to_string());
            their_uri(&mut reading, ["uri user", "uri host", "uri port"], &request.uri);
        }
        rsip::SipMessage::Response(response) => drop(reading.insert("status", response.status_code.code().to_string())),
    }
    if let Ok(id) = message.call_id_header() {
        reading.insert("call-id", id.value().into());
    }
    if let Ok(cseq) = message.cseq_header().and_then(|cseq| cseq.typed()) {
        reading.insert("cseq", cseq.seq.to_string());
    }
    if let Ok(via) = message.via_header().and_then(|via| via.typed()) {
        reading.insert("via transport", via.transport.to_string());
        reading.insert("via host", via.uri.host().to_string());
        reading.insert("via port", format!("{:?}", via.uri.port().map(|port| *port.value())));
        reading.insert("via branch", via.branch().map(ToString::to_string).unwrap_or_default());
        if let Ok(Some(received)) = via.received() {
            reading.insert("via received", received.to_string());
        }
    }
    if let Ok(typed::From { display_name, uri, params }) = message.from_header().and_then(|from| from.typed()) {
        their_address(&mut reading, FROM, display_name, &uri, &params);
    }
    if let Ok(typed::To { display_name, uri, params }) = message.to_header().and_then(|to| to.typed()) {
        their_address(&mut reading, TO, display_name, &uri, &params);
    }
    if let Ok(typed::Contact { display_name, uri, params }) =
        message.contact_header().and_then(|contact| contact.typed())
    {
        their_address(&mut reading, CONTACT, display_name, &uri, &params);
    }
    if let Ok(forwards) = message.max_forwards_header()
        && let Ok(number) = forwards.num()
    {
        reading.insert("max-forwards", number.to_string());
    }
    reading.insert("body", String::from_utf8_lossy(message.body()).into());
    reading.insert("headers", message.headers().iter().count().to_string());
    reading
}

fn their_address(
    reading: &mut Reading,
    [display, tag, user, host, port]: [&'static str; 5],
    name: Option<String>,
    uri: &rsip::Uri,
    params: &[rsip::Param],
) {
    reading.insert(display, name.unwrap_or_default().trim_matches('"').into());
    let found =
        params.iter().find_map(|param| if let rsip::Param::Tag(tag) = param { Some(tag.to_string()) } else { None });
    reading.insert(tag, found.unwrap_or_default());
    their_uri(reading, [user, host, port], uri);
}

fn their_uri(reading: &mut Reading, [user, host, port]: [&'static str; 3], uri: &rsip::Uri) {
    reading.insert(user, uri.user().unwrap_or_default().into());
    reading.insert(host, uri.host().to_string());
    reading.insert(port, format!("{:?}", uri.port().map(|port| *port.value())));
}

/// Why rsip may read something else, if we know.
fn known(field: &str, bytes: &[u8], mine: &Reading, other: &str) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let (whose, what) = field.split_once(' ').unwrap_or((field, ""));
    let mine_is = |field: &str| mine.get(field).map_or("", String::as_str);
    let user = mine_is(format!("{whose} user").as_str());
    if whose == "contact" && (text.contains("\nm:") || text.contains("\nm :")) {
        return Some("rsip does not know compact names and takes a later Contact for the first");
    }
    if user.contains('.') && ["user", "host"].contains(&what) && (other.is_empty() || other.contains('@')) {
        return Some("rsip takes a user with a dot for a part of the host");
    }
    if field == "body" && other.starts_with(mine_is("body")) {
        return Some("rsip does not look at Content-Length");
    }
    if mine_is(format!("{whose} host").as_str()).is_empty() {
        return Some("rsip reads a host from what is no address: another scheme, or a name that no host has");
    }
    if what == "host" && other.contains('?') {
        return Some("rsip takes the headers of a URI for a part of the host");
    }
    if !other.is_empty() && mine_is(field).starts_with(other) {
        return Some("rsip ends a parameter at the first byte that is no token");
    }
    let vias = text.lines().find(|line| line.starts_with("via") || line.starts_with("v:")).unwrap_or_default();
    if whose == "via" && vias.contains(',') {
        return Some("rsip does not part a Via at its commas");
    }
    None
}

/// What differs among `count` messages, by field: how often, and one of them.
fn differences(strategy: impl Strategy<Value = Vec<u8>>, count: usize, least: (usize, usize)) {
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut compared, mut excused) = (0, 0, 0);
    let mut differences: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for _ in 0..count {
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        let Ok(message) = Message::parse(Bytes::from(bytes.clone())) else { continue };
        // rsip has a way of panicking on some of these.
        let second =
            std::panic::catch_unwind(|| rsip::SipMessage::try_from(bytes.as_slice()).map(|read| theirs(&read)));
        let Ok(Ok(second)) = second else { continue };
        accepted += 1;
        let mine = ours(&message);
        for (field, other) in second {
            compared += 1;
            let found = mine.get(field).map_or("", String::as_str);
            if found != other {
                if known(field, &bytes, &mine, &other).is_some() {
                    excused += 1;
                    continue;
                }
                let sample =
                    format!("{field}: ours {found:?}, theirs {other:?} in\n{}", String::from_utf8_lossy(&bytes));
                differences.entry(field.into()).or_insert((0, sample)).0 += 1;
            }
        }
    }
    let report: Vec<_> = differences.values().map(|(count, sample)| format!("{count} times {sample}")).collect();
    let counts = format!("{accepted} accepted by both, {compared} fields compared, {excused} excused");
    assert!(report.is_empty(), "{counts}\n{}", report.join("\n"));
    assert!(accepted >= least.0 && compared >= least.1, "{counts}");
    assert!(excused * 10 < compared, "{counts}");
}

#[test]
fn where_rsip_accepts_a_message_it_reads_what_we_read() {
    differences(sip_words::message(), 3000, (1000, 15_000));
}

#[test]
fn where_both_accept_a_wounded_message_they_read_the_same() {
    differences(sip_words::suffered(), 6000, (500, 7_000));
}

#[test]
fn every_well_formed_message_is_accepted() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..3000 {
        let bytes = sip_words::message().new_tree(&mut runner).unwrap().current();
        if let Err(malformed) = Message::parse(Bytes::from(bytes.clone())) {
            panic!("{malformed}:\n{}", String::from_utf8_lossy(&bytes));
        }
    }
}
