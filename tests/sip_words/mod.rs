//! Makes SIP messages as phones, providers and pranksters write them: well-formed ones in every spelling, and mutated ones.

use proptest::collection::vec;
use proptest::prelude::*;

/// One of these, as text.
fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(choices).prop_map(String::from)
}

/// A SIP URI as it stands within `<>`.
pub fn uri() -> impl Strategy<Value = String> {
    let user = prop_oneof![
        one_of(&["12", "+493012340", "alice", "a.b", "a%20b", "*97", "%23", "al;day=1", "x?y", "1_-!~'()&=+$,/"]),
        "[a-z0-9]{1,12}".prop_map(String::from),
    ];
    let password = prop_oneof![4 => Just(String::new()), 1 => Just(":secret".into())];
    let host = one_of(&["office.example", "h", "192.0.2.1", "[2001:db8::1]", "PBX-1.example.com", "127.0.0.1"]);
    let port = prop_oneof![3 => Just(String::new()), 1 => (1u16..).prop_map(|port| format!(":{port}"))];
    let params =
        one_of(&["", "", "", ";transport=tcp", ";lr", ";user=phone;x=%41", ";ob;line=1a2b3c", ";transport=UDP;lr"]);
    let who = prop_oneof![5 => (user, password).prop_map(|(user, password)| format!("{user}{password}@")), 1 => Just(String::new())];
    (one_of(&["sip:", "sip:", "sip:", "sips:", "SIP:"]), who, host, port, params)
        .prop_map(|(scheme, who, host, port, params)| scheme + &who + &host + &port + &params)
}

/// A name and an address, with or without brackets.
fn address() -> impl Strategy<Value = String> {
    let name = one_of(&[
        "",
        "",
        "\"Ada Byron\" ",
        "\"\" ",
        "Bob ",
        "T. Watson ",
        "\"a \\\" b\"",
        "\"<sip:evil@h>\" ",
        "\"J\u{fc}rgen\" ",
        "\"a, b;c\" ",
    ]);
    prop_oneof![
        4 => (name, uri()).prop_map(|(name, uri)| format!("{name}<{uri}>")),
        1 => "[a-z]{1,5}".prop_map(|user| format!("sip:{user}@h.example")),
    ]
}

fn tagged() -> impl Strategy<Value = String> {
    let tag = prop_oneof![Just(String::new()), "[a-z0-9.~-]{1,16}".prop_map(|tag| format!(";tag={tag}"))];
    let more = one_of(&["", "", ";x", ";y=\"q;r\"", ";expires=60"]);
    (address(), tag, more).prop_map(|(address, tag, more)| address + &tag + &more)
}

fn via() -> impl Strategy<Value = String> {
    let by = one_of(&["192.0.2.5", "192.0.2.5:5062", "h.example", "[2001:db8::9]:5070", "phone-1.example:65535"]);
    let params = one_of(&[
        "",
        ";rport",
        ";received=192.0.2.7",
        ";rport=5;received=192.0.2.7",
        ";received=[2001:db8::1]",
        ";ttl=1;alias",
    ]);
    (one_of(&["UDP", "TCP", "TLS"]), by, "[a-zA-Z0-9.-]{1,20}", params)
        .prop_map(|(transport, by, branch, params)| format!("SIP/2.0/{transport} {by};branch=z9hG4bK{branch}{params}"))
}

/// A well-formed message in any spelling. It has its essentials once, a right Content-Length or none.
pub fn message() -> impl Strategy<Value = Vec<u8>> {
    let method = one_of(&["INVITE", "REGISTER", "OPTIONS", "BYE", "CANCEL", "SUBSCRIBE", "MESSAGE", "NEWMETHOD"]);
    let first = prop_oneof![
        3 => uri().prop_map(Ok::<_, String>),
        1 => one_of(&["200 OK", "180 Ringing", "100 Trying", "486 Busy Here", "404 ", "603 Decline", "299 A B  C"]).prop_map(Err),
    ];
    let spelled = |names: &'static [&'static str]| one_of(names);
    let essentials = (
        (spelled(&["Via", "Via", "v", "VIA"]), vec(via(), 1..4), any::<bool>()),
        (spelled(&["From", "From", "f", "FROM"]), tagged()),
        (spelled(&["To", "To", "t"]), tagged()),
        (spelled(&["Call-ID", "Call-ID", "i", "call-id", "Call-ID "]), "[!-+\\--~]{1,30}"),
        (spelled(&["CSeq", "CSeq", "CSEQ"]), 0u32..1 << 31, one_of(&[" ", " ", "  ", "\t"])),
    );
    let others = vec(
        prop_oneof![
            one_of(&["Max-Forwards: 70", "Max-Forwards:0", "MAX-FORWARDS : 255"]),
            address().prop_map(|address| format!("Contact: {address}")),
            address().prop_map(|address| format!("m: {address}")),
            uri().prop_map(|uri| format!("Route: <{uri}>")),
            one_of(&[
                "Subject: a, b",
                "s: ",
                "X-Odd;: 1",
                "Allow: INVITE, ACK,BYE",
                "User-Agent: Acme/1.0 (x)",
                "P-Asserted-Identity: <tel:+49>"
            ]),
            one_of(&[
                "Subject: folded\r\n here",
                "Content-Type: text/plain",
                "Supported: timer,\r\n\t100rel",
                "Date: Sat, 21 Nov 2026 10:00:00 GMT"
            ]),
        ],
        0..6,
    );
    let body = prop_oneof![2 => Just(String::new()), 1 => "[ -~]{0,20}", 1 => Just("v=0\r\n\r\nx".to_string())];
    (method, first, essentials, others, body, 0..3usize).prop_map(
        |(method, first, essentials, others, body, length)| {
            let ((via_name, vias, listed), (from_name, from), (to_name, to), (id_name, id), (cseq_name, cseq, space)) =
                essentials;
            let mut lines = match first {
                Ok(uri) => vec![format!("{method} {uri} SIP/2.0")],
                Err(status) => vec![format!("SIP/2.0 {status}")],
            };
            match listed {
                true => lines.push(format!("{via_name}: {}", vias.join(", "))),
                false => lines.extend(vias.iter().map(|via| format!("{via_name}: {via}"))),
            }
            lines.push(format!("{from_name}: {from}"));
            lines.push(format!("{to_name}:{to}"));
            lines.push(format!("{id_name}: {id}"));
            lines.push(format!("{cseq_name}: {cseq}{space}{method}"));
            let mut once = std::collections::BTreeSet::new();
            lines.extend(others.into_iter().filter(|line| {
                let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
                !line.contains(';') || !name.contains(';') && once.insert(name)
            }));
            let mut seen = std::collections::BTreeSet::new();
            lines.retain(|line| {
                let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
                !["max-forwards", "content-type"].contains(&name.as_str()) || seen.insert(name)
            });
            lines.extend(match length {
                0 => Some(format!("l: {}", body.len())),
                1 => Some(format!("Content-Length: {}", body.len())),
                _ => None,
            });
            (lines.join("\r\n") + "\r\n\r\n" + &body).into_bytes()
        },
    )
}

/// A message that may have suffered: bytes changed, doubled, left out, or cut off.
pub fn suffered() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![proptest::sample::select(b"\r\n \t:;,<>\"@%?=[]\\/0\0\xfc".to_vec()), any::<u8>()];
    (message(), vec((any::<proptest::sample::Index>(), byte, 0..4u8), 0..6)).prop_map(|(mut bytes, wounds)| {
        for (place, byte, kind) in wounds {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        bytes
    })
}
