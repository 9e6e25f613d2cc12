//! Who is at the door: a digest is good once, for its own request, as it was made; who asks for names learns nothing; and
//! nobody registers a thousand phones.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::asking::asks;
use crate::own_address::own_address;
use crate::peers::Peer;
use crate::router::{ADA, Router, SOON, TWELVE};

fn registers(peer: &Peer, router: &Router, call: &str, proof: Option<&str>) -> String {
    asks(peer, router, peer.next(), "REGISTER", "12", call, proof)
}

#[test]
fn a_digest_is_good_once_for_its_own_request_and_as_it_was_made() {
    let router = Router::start("digest");
    let uri = format!("sip:{}", router.address);
    let phone = Peer::new(router.address.ip(), router.address);
    let proof = |challenge: &str, uri: &str| Peer::proof(challenge, "12", "secret-12", "REGISTER", uri).1;

    let challenge = registers(&phone, &router, "one", None);
    assert!(challenge.starts_with("SIP/2.0 401") && !challenge.contains("stale=true"), "{challenge}");
    let good = proof(&challenge, &uri);
    let welcome = registers(&phone, &router, "one", Some(&good));
    assert!(welcome.starts_with("SIP/2.0 200"), "{welcome}");
    // Played again, by the phone itself and by somebody else.
    let thief = Peer::new(router.address.ip(), router.address);
    for (who, call) in [(&phone, "one"), (&thief, "two")] {
        let again = registers(who, &router, call, Some(&good));
        assert!(again.starts_with("SIP/2.0 401") && again.contains("stale=true"), "{again}");
    }
    // For somewhere else; nothing of it was used up, so it is a stranger's still.
    let challenge = registers(&thief, &router, "three", None);
    let foreign = registers(&thief, &router, "three", Some(&proof(&challenge, "sip:elsewhere.example")));
    assert!(foreign.starts_with("SIP/2.0 401") && !foreign.contains("stale=true"), "{foreign}");
    // With something twice, though all of it is right.
    let right = proof(&challenge, &uri);
    for twice in ["realm=\"x\"", "username=\"14\"", "uri=\"sip:elsewhere.example\"", "nc=00000002"] {
        let doubled = registers(&thief, &router, "four", Some(&format!("{right}, {twice}")));
        assert!(doubled.starts_with("SIP/2.0 400"), "{twice}: {doubled}");
    }
    let welcome = registers(&thief, &router, "five", Some(&right));
    assert!(welcome.starts_with("SIP/2.0 200"), "and it is right: {welcome}");
}

#[test]
fn who_asks_for_names_learns_nothing() {
    let router = Router::start("names");
    let uri = format!("sip:{}", router.address);
    let mut answers = Vec::new();
    for user in ["12", "14", "99"] {
        // Somebody else each time: who fails too often is banned, whatever the names.
        let stranger = Peer::new(own_address().into(), router.address);
        let mut all = String::new();
        for method in ["REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE"] {
            let asked = asks(&stranger, &router, stranger.next(), method, user, &format!("plain-{user}"), None);
            let (_, guess) = Peer::proof(&asked, user, "a guess", method, &uri);
            let guessed =
                asks(&stranger, &router, stranger.next(), method, user, &format!("guess-{user}"), Some(&guess));
            all += &[asked, guessed].concat();
        }
        // What is new in each: tags, nonces, branches and numbers.
        let new = ["tag=", "nonce=\"", "branch=", "CSeq: "];
        let all = all.replace(&format!(":{user}@"), ":U@").replace(&format!("-{user}\r\n"), "-U\r\n");
        let (ip, port) = (stranger.address.ip().to_string(), format!(":{};", stranger.address.port()));
        let all = all.replace(&ip, "IP").replace(&port, ":PORT;");
        let all = all.replace(&format!("rport={}", stranger.address.port()), "rport=PORT");
        let lines = all.lines().map(|line| {
            new.iter().fold(line.to_owned(), |line, new| match line.split_once(new) {
                Some((before, after)) => {
                    let end = after.find(['"', ';', ' ']).unwrap_or(after.len());
                    format!("{before}{new}{}", &after[end..])
                }
                None => line,
            })
        });
        answers.push(lines.collect::<Vec<_>>().join("\n"));
    }
    assert_eq!(answers[0], answers[2], "12 is there, 99 is not");
    assert_eq!(answers[1], answers[2], "14 is there, 99 is not");
    assert_eq!(answers[0].matches("SIP/2.0 401").count(), 8, "{}", answers[0]);
}

#[test]
fn a_thousand_contacts_are_refused_and_change_nothing() {
    let router = Router::start("contacts");
    let phone = router.phone("12");
    let stranger = Peer::new(router.address.ip(), router.address);
    let uri = format!("sip:{}", router.address);
    let challenge = registers(&stranger, &router, "for-tcp", None);
    let (_, proof) = Peer::proof(&challenge, "12", "secret-12", "REGISTER", &uri);
    let contacts: Vec<String> = (0..1000).map(|number| format!("<sip:12@192.0.2.1:{}>", 10_000 + number)).collect();
    let request = format!(
        "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKmany\r\nMax-Forwards: 70\r\n\
         From: <sip:12@{0}>;tag=m\r\nTo: <sip:12@{0}>\r\nCall-ID: many\r\nCSeq: 1 REGISTER\r\nExpires: 600\r\n\
         Authorization: {proof}\r\nContact: {1}\r\nContent-Length: 0\r\n\r\n",
        router.address,
        contacts.join(", ")
    );
    let mut stream = TcpStream::connect(router.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut heard = String::new();
    let mut room = [0; 4096];
    while !heard.contains("\r\n\r\n") {
        let length = stream.read(&mut room).unwrap();
        assert!(length > 0, "it closed without a word");
        heard.push_str(&String::from_utf8_lossy(&room[..length]));
    }
    let reason = heard.lines().next().unwrap();
    assert_eq!(reason, "SIP/2.0 400 Too Many Routes Or Contacts");
    // One phone rings, and no other is there.
    let bindings = router.shows(&["status"]);
    let phones = bindings["bindings"].as_array().unwrap();
    assert_eq!(phones.len(), 1, "{bindings}");
    let call = router.provider.call(ADA, TWELVE);
    let rings = phone.rings();
    call.hears_ringing();
    call.gives_up();
    rings.stops();
}
