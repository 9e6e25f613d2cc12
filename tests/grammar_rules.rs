//! For every rule of our grammar one message that keeps it and one that breaks it: what is understood, what is refused,
//! with which code and at which byte.

use bytes::Bytes;
use huntline::sip::{Fault, HeaderName, MAX_HEADERS, MAX_HOPS, MAX_MESSAGE, Message};

const GOOD: &str = "REGISTER sip:office.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.5:5062;branch=z9hG4bKnashds7;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Ada\" <sip:12@office.example>;tag=456248\r\n\
    To: <sip:12@office.example>\r\n\
    Call-ID: 843817637684230@998sdasdh09\r\n\
    CSeq: 1826 REGISTER\r\n\
    Contact: <sip:12@192.0.2.5:5062>\r\n\
    Content-Length: 4\r\n\
    \r\n\
    body";

const STATUS: &str = "SIP/2.0 200 OK\r\n\
    Via: SIP/2.0/UDP 192.0.2.5:5062;branch=z9hG4bKnashds7\r\n\
    From: <sip:12@office.example>;tag=456248\r\n\
    To: <sip:12@office.example>;tag=37GkEhwl6\r\n\
    Call-ID: 843817637684230@998sdasdh09\r\n\
    CSeq: 1826 REGISTER\r\n\
    \r\n";

/// `GOOD` with one piece replaced; the piece must be there.
fn with(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(GOOD.matches(from).count(), 1, "{from:?}");
    GOOD.replace(from, to).into_bytes()
}

fn parse(bytes: &[u8]) -> Result<Message, (Fault, Option<u16>, usize)> {
    Message::parse(Bytes::copy_from_slice(bytes))
        .map_err(|malformed| (malformed.fault, malformed.status().map(|status| status.code()), malformed.at))
}

/// Reads with this replacement.
fn reads(from: &str, to: &str) -> Message {
    parse(&with(from, to)).unwrap_or_else(|refused| panic!("{to:?}: {refused:?}"))
}

/// Is refused with this fault and code, where the `‸` of the replacement stands.
fn refused(from: &str, to: &str, fault: Fault, code: u16) {
    let marked = String::from_utf8(with(from, to)).unwrap();
    let at = marked.find('‸').unwrap_or_else(|| panic!("{to:?} marks no place"));
    let bytes = marked.replace('‸', "");
    assert_eq!(parse(bytes.as_bytes()).map(|_| ()), Err((fault, Some(code), at)), "{to:?}");
}

#[test]
fn the_first_line_has_two_spaces_and_three_words() {
    let first = "REGISTER sip:office.example SIP/2.0";
    reads(first, "REGISTER sip:office.example sip/2.0");
    for bad in [
        "‸REGISTER sip:office.example",
        "‸ sip:office.example SIP/2.0",
        "‸REG/ISTER sip:office.example SIP/2.0",
        "REGISTER sip:office.example ‸SIPS/2.0",
        "REGISTER sip:office.example ‸",
    ] {
        refused(first, bad, Fault::StartLine, 400);
    }
    refused(first, "REGISTER sip:office.example ‸SIP/3.0", Fault::Version, 505);
    refused(first, "REGISTER sip:office.example ‸SIP/2.00", Fault::Version, 505);
    refused(first, "REGISTER ‸ SIP/2.0", Fault::RequestUri, 400);
    refused(first, "REGISTER ‸ sip:office.example SIP/2.0", Fault::RequestUri, 400);
    refused(first, "REGISTER sip:office.example‸ ;lr SIP/2.0", Fault::RequestUri, 400);
    refused(first, "REGISTER ‸<sip:office.example> SIP/2.0", Fault::RequestUri, 400);
    refused(first, "REGISTER sip:office.example?‸a=b SIP/2.0", Fault::RequestUri, 400);
    refused(first, "REGISTER ‸mailto:office@example SIP/2.0", Fault::Scheme, 416);
    assert_eq!(reads(first, "REGISTER tel:+49301234 SIP/2.0").request_uri().unwrap().user(), Some("+49301234"));
}

#[test]
fn a_status_line_has_three_digits_and_may_have_no_phrase() {
    for good in ["SIP/2.0 200 OK", "SIP/2.0 200 ", "SIP/2.0 200", "SIP/2.0 699 a  b "] {
        let message = parse(STATUS.replace("SIP/2.0 200 OK", good).as_bytes()).unwrap();
        assert_eq!(message.status().map(|status| status.to_string()).as_deref(), good.get(8..11));
    }
    for (bad, fault) in [
        ("SIP/2.0 99 x", Fault::StartLine),
        ("SIP/2.0 700 x", Fault::StartLine),
        ("SIP/2.0 2000 x", Fault::StartLine),
        ("SIP/2.0  200 OK", Fault::StartLine),
        ("SIP/2.0 +20 OK", Fault::StartLine),
        ("SIP/3.0 200 OK", Fault::Version),
        ("SIP/2.0", Fault::Version),
    ] {
        // A response is never answered.
        let found = parse(STATUS.replace("SIP/2.0 200 OK", bad).as_bytes());
        assert_eq!(found.map(|_| ()), Err((fault, None, 0)), "{bad}");
    }
}

#[test]
fn lines_end_with_cr_lf_and_with_nothing_else() {
    for (bad, place) in [("Max-Forwards: 70\n", 16), ("Max-Forwards: 7\r0\r\n", 15), ("Max-\nForwards: 70\r\n", 4)] {
        let bytes = with("Max-Forwards: 70\r\n", bad);
        let at = GOOD.find("Max").unwrap() + place;
        assert_eq!(parse(&bytes).map(|_| ()), Err((Fault::LineBreak, Some(400), at)), "{bad:?}");
    }
    let headless = GOOD.replace("\r\n\r\nbody", "");
    assert_eq!(parse(headless.as_bytes()).map(|_| ()), Err((Fault::Unfinished, Some(400), headless.len())));
    let message = parse(format!("\r\n\r\n{GOOD}").as_bytes()).unwrap();
    assert_eq!(message.bytes().as_ref(), GOOD.as_bytes());
    for nothing in ["", "\r\n", "\r\n\r\n"] {
        assert_eq!(parse(nothing.as_bytes()).map(|_| ()), Err((Fault::Empty, None, nothing.len())));
    }
    assert_eq!(parse(b"\0\0\0\0").map(|_| ()), Err((Fault::StartLine, None, 0)));
}

#[test]
fn a_line_that_begins_with_white_space_goes_on_with_the_line_before() {
    let folded = reads("CSeq: 1826 REGISTER", "CSeq:\r\n\t1826\r\n \r\n  REGISTER");
    assert_eq!(folded.cseq().number, 1826);
    assert_eq!((folded.body(), folded.header(HeaderName::ContentLength)), (&b"body"[..], Some(&b"4"[..])));
    // White space that begins the body folds nothing.
    assert_eq!(reads("\r\n\r\nbody", "\r\n\r\n bod").body(), b" bod");
}

#[test]
fn a_header_line_is_a_token_a_colon_and_a_value() {
    let line = "Max-Forwards: 70\r\n";
    for good in ["mAX-fORWARDS \t:70\r\n", "Max-Forwards:\t 70 \t\r\n", "Max-Forwards: 0070\r\n"] {
        assert_eq!(reads(line, good).max_forwards(), Some(70));
    }
    for bad in ["Max-Forwards‸\r\n", "‸: 70\r\n", "Max‸@Forwards: 70\r\n", "Max‸ Forwards: 70\r\n", "‸ü: 70\r\n"]
    {
        refused(line, bad, Fault::HeaderLine, 400);
    }
    let unknown = reads(line, "X-Ünknown: 1\r\n".replace('Ü', "U").as_str());
    assert_eq!((unknown.header_named("x-unknown"), unknown.max_forwards()), (Some(&b"1"[..]), None));
}

#[test]
fn what_every_message_needs_must_be_there_once() {
    let end = GOOD.find("\r\n\r\n").unwrap() + 4;
    for (name, text) in [
        (HeaderName::From, "From: \"Ada\" <sip:12@office.example>;tag=456248\r\n"),
        (HeaderName::To, "To: <sip:12@office.example>\r\n"),
        (HeaderName::CallId, "Call-ID: 843817637684230@998sdasdh09\r\n"),
        (HeaderName::CSeq, "CSeq: 1826 REGISTER\r\n"),
    ] {
        assert_eq!(parse(&with(text, "")).map(|_| ()), Err((Fault::Missing(name), Some(400), end - text.len())));
        refused(text, &format!("{text}‸{text}"), Fault::Doubled(name), 400);
    }
    let via = "Via: SIP/2.0/UDP 192.0.2.5:5062;branch=z9hG4bKnashds7;rport\r\n";
    // Without a Via no answer would find its way.
    assert_eq!(parse(&with(via, "")).map(|_| ()), Err((Fault::Missing(HeaderName::Via), None, end - via.len())));
    for (line, name) in [
        ("Max-Forwards: 70", HeaderName::MaxForwards),
        ("Content-Type: a/b", HeaderName::ContentType),
        ("Expires: 1", HeaderName::Expires),
        ("Event: a", HeaderName::Event),
        ("Refer-To: sip:a@h", HeaderName::ReferTo),
        ("Referred-By: sip:a@h", HeaderName::ReferredBy),
        ("Replaces: 1;to-tag=1;from-tag=1", HeaderName::Replaces),
        ("Session-Expires: 90", HeaderName::SessionExpires),
        ("Min-SE: 90", HeaderName::MinSe),
        ("RAck: 1 1 INVITE", HeaderName::RAck),
    ] {
        refused("Max-Forwards: 70\r\n", &format!("{line}\r\n‸{line}\r\n"), Fault::Doubled(name), 400);
        if let Some(letter) =
            [("Event", "o"), ("Content-Type", "c")].into_iter().find(|(long, _)| line.starts_with(long))
        {
            let compact = line.replacen(letter.0, letter.1, 1);
            refused("Max-Forwards: 70\r\n", &format!("{line}\r\n‸{compact}\r\n"), Fault::Doubled(name), 400);
        }
    }
}

#[test]
fn the_essentials_follow_their_grammar() {
    use HeaderName::*;
    for (from, to, name) in [
        ("5062;branch", "5062;‸;branch", Via),
        ("70", "‸256", MaxForwards),
        ("70", "‸-1", MaxForwards),
        ("70", "70 ‸70", MaxForwards),
        ("70", "‸", MaxForwards),
        ("\"Ada\" <", "‸\"Ada <", From),
        ("\"Ada\" <", "‸Ada, B <", From),
        ("\"Ada\" <sip:12@office.example>", "‸\"Ada\" < sip:12@office.example >", From),
        (";tag=456248", ";tag=‸", From),
        ("To: <sip:12@office.example>", "To: ‸<sip:12@office.example", To),
        ("To: <sip:12@office.example>", "To: sip:12@office.example‸?a=b", To),
        ("843817637684230@998sdasdh09", "‸843 09", CallId),
        ("843817637684230@998sdasdh09", "‸", CallId),
        ("1826 REGISTER", "‸4294967296 REGISTER", CSeq),
        ("1826 REGISTER", "‸2147483648 REGISTER", CSeq),
        ("1826 REGISTER", "1826‸REGISTER", CSeq),
        ("<sip:12@192.0.2.5:5062>", "<sip:12@192.0.2.5:5062>, ‸<sip:x", Contact),
        ("<sip:12@192.0.2.5:5062>", "sip:12@192.0.2.5:5062‸?Route=%3Csip:h%3E", Contact),
        ("Contact: <sip:12@192.0.2.5:5062>", "Route: ‸<sip:h;lr", Route),
        ("Contact: <sip:12@192.0.2.5:5062>", "Record-Route: ‸h", RecordRoute),
        ("Contact: <sip:12@192.0.2.5:5062>", "Path: <sip:h;lr>, ‸<h", Path),
        ("Content-Length: 4", "Content-Length: ‸-4", ContentLength),
        ("Content-Length: 4", "Content-Length: ‸99999999999", ContentLength),
    ] {
        let marked = String::from_utf8(with(from, to)).unwrap();
        let found = parse(marked.replace('‸', "").as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!((found.0, found.1), (Fault::Unreadable(name), Some(400)), "{to}");
        let value = marked.find('‸').unwrap();
        assert!(found.2 <= value, "{to}: found at {}, wrong at {value}", found.2);
    }
    // A top Via that names nobody cannot be answered.
    for bad in ["SIP/2.0/UDP ,192.0.2.5:5062", "SIP/2.0/UDP [2001:db8::1", "HTTP/1.1/TCP h"] {
        let found = parse(&with("SIP/2.0/UDP 192.0.2.5:5062", bad)).map(|_| ()).unwrap_err();
        assert_eq!((found.0, found.1), (Fault::Unreadable(Via), None), "{bad}");
    }
    refused("CSeq: 1826 REGISTER", "CSeq: ‸1826 INVITE", Fault::OtherMethod, 400);
    refused("CSeq: 1826 REGISTER", "CSeq: ‸1826 register", Fault::OtherMethod, 400);
    assert!(reads("<sip:12@192.0.2.5:5062>", "*").is_star());
    assert_eq!(reads(";tag=456248", "").from_tag(), None);
    // Only requests are refused for a Contact: an answer must reach its transaction.
    let answer = STATUS.replace("To:", "Contact: <sip:x\r\nTo:");
    assert_eq!(parse(answer.as_bytes()).unwrap().address(HeaderName::Contact).map(|_| ()), None);
}

#[test]
fn content_length_says_where_the_body_ends() {
    let line = "Content-Length: 4\r\n";
    assert_eq!(reads(line, "l: 2\r\n").body(), b"bo");
    assert_eq!(reads(line, "l: 2\r\n").bytes().last(), Some(&b'o'));
    assert_eq!(reads(line, "").body(), b"body");
    refused(line, "Content-Length: ‸5\r\n", Fault::BodyCut, 400);
    refused(line, "Content-Length: 4\r\n‸l: 4\r\n", Fault::Doubled(HeaderName::ContentLength), 400);
    refused(line, "Content-Length: 4\r\n‸l: 3\r\n", Fault::LengthsDiffer, 400);
}

#[test]
fn monsters_are_capped() {
    let line = "Max-Forwards: 70\r\n";
    let others = GOOD.matches("\r\n").count() - 3;
    let filler = |count: usize| format!("{line}{}", "Z: 1\r\n".repeat(count));
    assert!(parse(&with(line, &filler(MAX_HEADERS - others - 1))).is_ok());
    let found = parse(&with(line, &filler(MAX_HEADERS - others))).map(|_| ()).unwrap_err();
    assert_eq!((found.0, found.1), (Fault::TooManyHeaders, Some(513)));

    for (header, fault, code) in [
        ("Via: SIP/2.0/UDP h", Fault::TooManyVias, 483),
        ("Route: <sip:h;lr>", Fault::TooManyRoutes, 400),
        ("Record-Route: <sip:h;lr>", Fault::TooManyRoutes, 400),
        ("Path: <sip:h;lr>", Fault::TooManyRoutes, 400),
        ("Contact: <sip:h>", Fault::TooManyRoutes, 400),
    ] {
        let own = GOOD
            .lines()
            .filter(|line| header.starts_with(&line[..line.find(':').unwrap_or(0)]) && line.contains(": "))
            .count();
        let (name, value) = header.split_once(": ").unwrap();
        let list = |count: usize| format!("{line}{name}: {}\r\n", vec![value; count].join(", "));
        assert!(parse(&with(line, &list(MAX_HOPS - own))).is_ok(), "{header}");
        let found = parse(&with(line, &list(MAX_HOPS - own + 1))).map(|_| ()).unwrap_err();
        assert_eq!((found.0, found.1), (fault, Some(code)), "{header}");
    }

    let fill = MAX_MESSAGE - GOOD.len();
    let padded = |count: usize| with(line, &format!("{line}Z: {}\r\n", "x".repeat(count - 5)));
    assert_eq!(parse(&padded(fill)).map(|message| message.bytes().len()), Ok(MAX_MESSAGE));
    let found = parse(&padded(fill + 1)).map(|_| ()).unwrap_err();
    assert_eq!((found.0, found.1), (Fault::TooLarge, Some(513)));
}

#[test]
fn an_ack_is_never_answered() {
    let ack = GOOD.replace("REGISTER", "ACK").replace("1826 ACK", "1826 INVITE");
    let at = ack.find("1826").unwrap();
    assert_eq!(parse(ack.as_bytes()).map(|_| ()), Err((Fault::OtherMethod, None, at)));
}
