//! Every torture message of RFC 4475 and RFC 5118 gets the reaction it deserves from the grammar alone, as a datagram and
//! over a stream. What needs more than grammar (a dialog, a registrar, a body's meaning) passes here and is judged above.

use std::collections::BTreeMap;

use bytes::Bytes;
use huntline::sip::{Framed, Framer, HeaderName, Host, Message, Method, Scheme, Status, Writer};

/// What the grammar makes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reaction {
    /// It is understood; whatever is wrong with it is nothing that grammar knows of.
    Read,
    /// It is answered with this code.
    Refused(u16),
    /// No answer.
    Dropped,
}
use Reaction::{Dropped, Read, Refused};

/// What a stream does with it, where that is not the same with the stream going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OnStream {
    Same,
    /// The body is waited for, until a deadline that is not the grammar's.
    Waits,
    /// Answered with this code, then closed.
    Closes(u16),
}
use OnStream::{Closes, Same, Waits};

#[rustfmt::skip]
const REACTIONS: [(&str, Reaction, OnStream); 64] = [
    ("rfc4475/wsinv.dat", Read, Same),
    ("rfc4475/intmeth.dat", Read, Same),
    ("rfc4475/esc01.dat", Read, Same),
    ("rfc4475/escnull.dat", Read, Same),
    ("rfc4475/esc02.dat", Read, Same),
    ("rfc4475/lwsdisp.dat", Read, Same),
    ("rfc4475/longreq.dat", Read, Same),
    ("rfc4475/dblreq.dat", Read, Same),
    ("rfc4475/semiuri.dat", Read, Same),
    ("rfc4475/transports.dat", Read, Same),
    ("rfc4475/mpart01.dat", Read, Same),
    ("rfc4475/unreason.dat", Read, Same),
    ("rfc4475/noreason.dat", Read, Same),
    ("rfc4475/badinv01.dat", Refused(400), Same),
    ("rfc4475/clerr.dat", Refused(400), Waits),
    ("rfc4475/ncl.dat", Refused(400), Closes(400)),
    ("rfc4475/scalar02.dat", Refused(400), Same),
    ("rfc4475/scalarlg.dat", Dropped, Same),
    ("rfc4475/quotbal.dat", Refused(400), Same),
    ("rfc4475/ltgtruri.dat", Refused(400), Same),
    ("rfc4475/lwsruri.dat", Refused(400), Same),
    ("rfc4475/lwsstart.dat", Refused(400), Same),
    // The RFC allows either. We are strict in the first line, because it is where two readings are dearest.
    ("rfc4475/trws.dat", Refused(400), Same),
    ("rfc4475/escruri.dat", Refused(400), Same),
    // We do not use Date.
    ("rfc4475/baddate.dat", Read, Same),
    ("rfc4475/regbadct.dat", Refused(400), Same),
    ("rfc4475/badaspec.dat", Refused(400), Same),
    ("rfc4475/baddn.dat", Refused(400), Same),
    ("rfc4475/badvers.dat", Refused(505), Same),
    ("rfc4475/mismatch01.dat", Refused(400), Same),
    ("rfc4475/mismatch02.dat", Refused(400), Same),
    ("rfc4475/bigcode.dat", Dropped, Same),
    // Understood, but its branch identifies nothing: see `Via::unique_branch`.
    ("rfc4475/badbranch.dat", Read, Same),
    ("rfc4475/insuf.dat", Refused(400), Same),
    ("rfc4475/unkscm.dat", Refused(416), Same),
    ("rfc4475/novelsc.dat", Refused(416), Same),
    // Its Request-URI is sip; that its To and Contact are not is for the registrar.
    ("rfc4475/unksm2.dat", Read, Same),
    ("rfc4475/bext01.dat", Read, Same),
    ("rfc4475/invut.dat", Read, Same),
    ("rfc4475/regaut01.dat", Read, Same),
    ("rfc4475/multi01.dat", Refused(400), Same),
    ("rfc4475/mcl01.dat", Refused(400), Closes(400)),
    ("rfc4475/bcast.dat", Read, Same),
    ("rfc4475/zeromf.dat", Read, Same),
    ("rfc4475/cparam01.dat", Read, Same),
    ("rfc4475/cparam02.dat", Read, Same),
    ("rfc4475/regescrt.dat", Read, Same),
    ("rfc4475/sdp01.dat", Read, Same),
    // Without Content-Length a stream cannot be cut; the message is from the time of UDP.
    ("rfc4475/inv2543.dat", Read, Closes(400)),
    ("rfc5118/ipv6-good.dat", Read, Same),
    ("rfc5118/ipv6-bad.dat", Refused(400), Same),
    ("rfc5118/port-ambiguous.dat", Read, Same),
    ("rfc5118/port-unambiguous.dat", Read, Same),
    ("rfc5118/via-received-param-with-delim.dat", Read, Same),
    ("rfc5118/via-received-param-no-delim.dat", Read, Same),
    ("rfc5118/ipv6-in-sdp.dat", Read, Same),
    ("rfc5118/mult-ip-in-header.dat", Read, Same),
    ("rfc5118/mult-ip-in-sdp.dat", Read, Same),
    ("rfc5118/ipv4-mapped-ipv6.dat", Read, Same),
    ("rfc5118/ipv6-bug-abnf-3-colons.dat", Refused(400), Same),
    ("rfc5118/ipv6-correct-abnf-2-colons.dat", Read, Same),
    ("rfc5118/ipv6-in-sdp-as-printed.dat", Refused(400), Waits),
    ("rfc5118/mult-ip-in-sdp-as-printed.dat", Read, Same),
    ("rfc5118/ipv4-mapped-ipv6-as-printed.dat", Read, Same),
];

/// What follows on every stream: it must come out whole.
const NEXT: &[u8] =
    b"OPTIONS sip:next.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKnext\r\nFrom: <sip:a@h>;tag=1\r\n\
    To: <sip:b@h>\r\nCall-ID: next\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn bytes(file: &str) -> Bytes {
    let path = format!("{}/tests/torture/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}

fn message(file: &str) -> Message {
    Message::parse(bytes(file)).unwrap_or_else(|malformed| panic!("{file}: {malformed}"))
}

/// The reaction, and that an answer is itself a message with the code it claims.
fn reaction(read: Result<(), &huntline::sip::Malformed>) -> Reaction {
    let Err(malformed) = read else { return Read };
    let answer = Writer::default().refuse(malformed, "us", "192.0.2.77:5060".parse().unwrap());
    assert_eq!(answer.is_some(), malformed.status().is_some());
    match (answer, malformed.status()) {
        (Some(answer), Some(status)) => {
            assert!(answer.starts_with(format!("SIP/2.0 {status} ").as_bytes()));
            Refused(status.code())
        }
        _ => Dropped,
    }
}

#[test]
fn every_torture_message_gets_its_reaction_as_a_datagram() {
    for (file, expected, _) in REACTIONS {
        let read = Message::parse(bytes(file));
        assert_eq!(reaction(read.as_ref().map(|_| ())), expected, "{file}: {read:?}");
    }
}

#[test]
fn every_torture_message_gets_its_reaction_over_a_stream_and_the_stream_goes_on() {
    for (file, expected, on_stream) in REACTIONS {
        // As printed, the length is wrong on purpose and only a datagram can show it; `dblreq` has a test of its own.
        if on_stream == Same && (file.ends_with("as-printed.dat") || file.ends_with("dblreq.dat")) {
            continue;
        }
        let whole = [bytes(file).as_ref(), if on_stream == Waits { b"" } else { NEXT }].concat();
        let mut framer = Framer::default();
        let mut seen = Vec::new();
        for piece in whole.chunks(7) {
            framer.push(piece);
            seen.extend(std::iter::from_fn(|| framer.next()).filter(|f| !matches!(f, Framed::Ping | Framed::Pong)));
        }
        match on_stream {
            Waits => assert!(seen.is_empty() && framer.is_amid_message(), "{file}: {seen:?}"),
            Closes(code) => match &seen[..] {
                [Framed::Broken(malformed)] => assert_eq!(reaction(Err(malformed)), Refused(code), "{file}"),
                other => panic!("{file}: {other:?}"),
            },
            Same => {
                match &seen[0] {
                    Framed::Message(_) => assert_eq!(expected, Read, "{file}"),
                    Framed::Malformed(malformed) => assert_eq!(reaction(Err(malformed)), expected, "{file}"),
                    other => panic!("{file}: {other:?}"),
                }
                match seen.last() {
                    Some(Framed::Message(next)) => assert_eq!(next.call_id(), "next", "{file}"),
                    other => panic!("{file}: {other:?}"),
                }
                assert_eq!(seen.len(), 2, "{file}");
            }
        }
    }
}

#[test]
fn two_requests_on_a_stream_are_two_and_in_a_datagram_one() {
    assert_eq!(message("rfc4475/dblreq.dat").method(), Method::Register);
    let mut framer = Framer::default();
    framer.push(&bytes("rfc4475/dblreq.dat"));
    let methods: Vec<_> = std::iter::from_fn(|| framer.next())
        .filter_map(|framed| if let Framed::Message(message) = framed { Some(message.method()) } else { None })
        .collect();
    assert_eq!(methods, [Method::Register, Method::Invite]);
}

#[test]
fn the_table_covers_the_index_and_agrees_with_it() {
    let index = String::from_utf8(bytes("index.tsv").to_vec()).unwrap();
    let rows: BTreeMap<&str, Vec<&str>> =
        index.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>()).map(|row| (row[0], row)).collect();
    assert_eq!(rows.len(), REACTIONS.len());
    for (file, reaction, on_stream) in REACTIONS {
        let row = &rows[file];
        let allowed: Vec<&str> = row[4].split(',').chain(row[5].split(',')).collect();
        let (kind, agrees) = match reaction {
            Refused(code) => (code.to_string(), allowed.contains(&code.to_string().as_str())),
            Dropped => ("drop".into(), allowed.contains(&"drop")),
            // What we read, somebody above must answer with something that is not 400 alone.
            Read => ("read".into(), allowed.iter().any(|token| !["400", "-"].contains(token))),
        };
        assert!(agrees, "{file}: {kind} is not among {allowed:?}");
        if let Closes(code) = on_stream {
            assert!(row[3] == "udp" || allowed.contains(&code.to_string().as_str()), "{file}");
        }
    }
}

#[test]
fn white_space_and_folds_hide_nothing() {
    let message = message("rfc4475/wsinv.dat");
    assert_eq!((message.method(), message.cseq().number, message.max_forwards()), (Method::Invite, 9, Some(68)));
    assert_eq!(message.from().display().as_deref(), Some("J Rosenberg \\\""));
    assert_eq!((message.from_tag(), message.to_tag()), (Some("98asjd8"), Some("1918181833n")));
    assert_eq!(message.call_id(), "wsinv.ndaksdj@192.0.2.1");
    assert_eq!((message.via().transport, message.via().host), ("UDP", Host::Ip("192.0.2.2".parse().unwrap())));
    assert_eq!((message.branch(), message.via().unique_branch()), (Some("390skdjuw"), None));
    let vias: Vec<_> =
        message.values(HeaderName::Via).map(|via| huntline::sip::header::Via::read(via).unwrap()).collect();
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    let contact = message.address(HeaderName::Contact).unwrap();
    assert_eq!((contact.q(), contact.params.get("newparam")), (Some(330), Some("newvalue")));
    assert_eq!(contact.display().as_deref(), Some("Quoted string \"\""));
    let route = message.address(HeaderName::Route).unwrap();
    assert_eq!(route.uri.param("lr"), Some(""));
    assert_eq!(message.header(HeaderName::Subject), Some(&b""[..]));
    assert_eq!(message.header_named("newfangledheader"), Some(&b"newfangled value   continued newfangled value"[..]));
    assert_eq!((message.body().len(), message.sdp().map(<[u8]>::len)), (150, Some(150)));
}

#[test]
fn strange_names_and_bytes_pass_unchanged() {
    let message = message("rfc4475/intmeth.dat");
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.method_name(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(message.call_id(), "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    let uri = message.request_uri().unwrap();
    assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(message.to().display().as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(message.from_tag(), Some("_token~1'+`*%!-."));
    let answer =
        Writer::default().reply(&message, Status::NOT_IMPLEMENTED, "t", "192.0.2.1:5060".parse().unwrap()).finish();
    let answer = Message::parse(answer).unwrap();
    assert_eq!(answer.method_name(), message.method_name());
    assert_eq!(answer.header(HeaderName::From), message.header(HeaderName::From));

    let escaped = self::message("rfc4475/esc02.dat");
    assert_eq!((escaped.method(), escaped.method_name()), (Method::Other, "RE%47IST%45R"));
    let stray = self::message("rfc4475/noreason.dat");
    assert_eq!((stray.status(), stray.is_request()), (Some(Status::TRYING), false));
}

#[test]
fn escapes_are_not_mistaken_for_what_they_hide() {
    let message = message("rfc4475/esc01.dat");
    let uri = message.request_uri().unwrap();
    assert_eq!(
        (uri.scheme(), uri.user(), uri.host()),
        (Scheme::Sip, Some("sips%3Auser%40example.com"), Some(Host::Name("example.net")))
    );
    assert_eq!(uri.user_unescaped().as_deref(), Some("sips:user@example.com"));
    let semicolon = self::message("rfc4475/semiuri.dat");
    assert_eq!(semicolon.request_uri().unwrap().user(), Some("user;par=u%40example.net"));
    let nul = self::message("rfc4475/escnull.dat");
    let users: Vec<_> =
        nul.addresses(HeaderName::Contact).map(|c| c.uri.user_unescaped().unwrap().into_owned()).collect();
    assert_eq!(users, ["\0", "\0\0"]);
}

#[test]
fn parameters_belong_to_the_uri_only_within_brackets() {
    let outside = message("rfc4475/cparam01.dat");
    let contact = outside.address(HeaderName::Contact).unwrap();
    assert!(contact.params.has("unknownparam") && !contact.uri.params().has("unknownparam"));
    let inside = message("rfc4475/cparam02.dat");
    let contact = inside.address(HeaderName::Contact).unwrap();
    assert!(!contact.params.has("unknownparam") && contact.uri.params().has("unknownparam"));
}

#[test]
fn ipv6_addresses_and_ports_are_told_apart() {
    let uri = |file| message(file).request_uri().unwrap().to_owned();
    let ambiguous = uri("rfc5118/port-ambiguous.dat");
    assert_eq!((ambiguous.view().host_str(), ambiguous.view().port()), ("[2001:db8::10:5070]", None));
    let plain = uri("rfc5118/port-unambiguous.dat");
    assert_eq!((plain.view().host_str(), plain.view().port()), ("[2001:db8::10]", Some(5070)));
    for file in ["rfc5118/via-received-param-with-delim.dat", "rfc5118/via-received-param-no-delim.dat"] {
        assert_eq!(message(file).via().received(), "2001:db8::9:255".parse().ok(), "{file}");
    }
    let mapped = message("rfc5118/ipv4-mapped-ipv6.dat");
    assert_eq!(mapped.via().host.ip(), "::ffff:192.0.2.10".parse().ok());
}

#[test]
fn a_body_ends_where_content_length_says() {
    let double = message("rfc4475/dblreq.dat");
    assert_eq!((double.method(), double.body().len()), (Method::Register, 0));
    assert!(double.bytes().ends_with(b"\r\n\r\n"));
    assert_eq!(message("rfc5118/mult-ip-in-sdp-as-printed.dat").body().len(), 181);
    let multipart = message("rfc4475/mpart01.dat");
    assert_eq!((multipart.body().len(), multipart.sdp()), (553, None));
}
