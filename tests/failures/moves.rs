//! A phone that moves in the middle of a talk: its next REGISTER says where it is, its next offer where its sound is, and
//! nobody else is heard.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::asking::asks;
use crate::peers::{Peer, header, sdp};
use crate::router::{ADA, Router, SOON, TWELVE};

#[test]
fn a_phone_that_moves_in_a_talk_is_heard_and_hung_up_where_it_is() {
    let router = Router::start("moves");
    let ip = router.address.ip();
    let before = router.phone("12");
    let sound = UdpSocket::bind((ip, 0)).unwrap();
    let mut call = router.provider.call(ADA, TWELVE);
    let invite = before.peer.hear("INVITE ", "");
    before.peer.respond(&invite, "200 OK", &sdp(sound.local_addr().unwrap()));
    let to_phone = sound_of(&invite);
    let to_caller = call.is_answered();
    before.peer.hear("ACK ", header(&invite, "Call-ID"));
    passes(&sound, to_phone, &call.sound, 1);
    passes(&call.sound, to_caller, &sound, 2);

    // Somebody else guesses the ports.
    let stranger = UdpSocket::bind((ip, 0)).unwrap();
    for number in 0..20 {
        stranger.send_to(&packet(99, number), to_phone).unwrap();
        stranger.send_to(&packet(99, number), to_caller).unwrap();
    }
    let heard = [passes(&sound, to_phone, &call.sound, 1), passes(&call.sound, to_caller, &sound, 2)];
    assert!(heard.iter().all(Vec::is_empty), "a third address is heard: {heard:?}");

    // Another address, and a Contact that says so, under the Call-ID of before: it is the same phone.
    let after = Peer::new(ip, router.address);
    registers_again(&after, &router, &format!("register-{}", before.peer.address));
    // What the other side says finds it there, before it has said anything in the talk itself.
    call.cseq += 1;
    call.request("INFO", &[], "");
    let info = after.hear("INFO ", header(&invite, "Call-ID"));
    after.respond(&info, "200 OK", "");
    call.peer.hear("SIP/2.0 200", "INFO");
    let new_sound = UdpSocket::bind((ip, 0)).unwrap();
    within(&after, &invite, "INVITE", 1, &sdp(new_sound.local_addr().unwrap()));
    let passed_on = call.peer.hear("INVITE ", "");
    call.peer.respond(&passed_on, "200 OK", &sdp(call.sound.local_addr().unwrap()));
    call.peer.hear("ACK ", header(&passed_on, "Call-ID"));
    let answer = after.hear("SIP/2.0 200", "CSeq: 1 INVITE");
    within(&after, &invite, "ACK", 1, "");
    let to_phone = sound_of(&answer);
    passes(&new_sound, to_phone, &call.sound, 3);
    passes(&call.sound, to_caller, &new_sound, 4);
    // Where it was nobody is heard any more, and nobody hears.
    for number in 100..120 {
        sound.send_to(&packet(1, number), to_phone).unwrap();
    }
    assert!(passes(&new_sound, to_phone, &call.sound, 3).is_empty(), "the old address is heard");
    drain(&sound);
    passes(&call.sound, to_caller, &new_sound, 4);
    assert!(drain(&sound).is_empty(), "the old address hears");

    call.hangs_up();
    let bye = after.hear("BYE ", header(&invite, "Call-ID"));
    after.respond(&bye, "200 OK", "");
    router.is_at_rest();
}

/// Registers as 12 from here, as the phone that it was before.
fn registers_again(peer: &Peer, router: &Router, call: &str) {
    let uri = format!("sip:{}", router.address);
    let challenge = asks(peer, router, 1_000_000, "REGISTER", "12", call, None);
    assert!(challenge.starts_with("SIP/2.0 401"), "{challenge}");
    let (_, proof) = Peer::proof(&challenge, "12", "secret-12", "REGISTER", &uri);
    let welcome = asks(peer, router, 1_000_001, "REGISTER", "12", call, Some(&proof));
    assert!(welcome.starts_with("SIP/2.0 200"), "{welcome}");
}

/// A request of the phone's within the dialog of this INVITE.
fn within(peer: &Peer, invite: &str, method: &str, cseq: u32, body: &str) {
    let target = header(invite, "Contact").trim_start_matches('<').split('>').next().unwrap();
    let via = format!("SIP/2.0/UDP {};branch=z9hG4bKw{};rport", peer.address, peer.next());
    let (from, cseq) = (format!("{};tag=phone", header(invite, "To")), format!("{cseq} {method}"));
    let headers = [
        ("Via", via.as_str()),
        ("Max-Forwards", "70"),
        ("From", &from),
        ("To", header(invite, "From")),
        ("Call-ID", header(invite, "Call-ID")),
        ("CSeq", &cseq),
    ];
    peer.send(&format!("{method} {target} SIP/2.0"), &headers, body);
}

/// Where the sound of a message's sender is.
fn sound_of(message: &str) -> SocketAddr {
    let after = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    format!("{}:{}", after("c=IN IP4 "), after("m=audio ").split(' ').next().unwrap()).parse().unwrap()
}

/// A packet of 20 ms in A-law, whose sound is this mark.
fn packet(mark: u8, number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&(u32::from(number) * 160).to_be_bytes());
    packet.extend_from_slice(&[mark; 4]);
    packet.extend([mark; 160]);
    packet
}

/// Speaks until it is heard; what was heard of others meanwhile.
fn passes(from: &UdpSocket, to: SocketAddr, at: &UdpSocket, mark: u8) -> Vec<u8> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NUMBER: AtomicU16 = AtomicU16::new(1000);
    let began = Instant::now();
    let mut others = Vec::new();
    loop {
        assert!(began.elapsed() < SOON, "{mark} is not heard; others: {others:?}");
        from.send_to(&packet(mark, NUMBER.fetch_add(1, Ordering::Relaxed)), to).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let heard = drain(at);
        others.extend(heard.iter().filter(|other| **other == 99 || (mark == 3 && **other == 1)));
        if heard.contains(&mark) {
            return others;
        }
    }
}

/// The marks of all that has come by now.
fn drain(socket: &UdpSocket) -> Vec<u8> {
    socket.set_nonblocking(true).unwrap();
    let mut room = [0; 2048];
    let mut marks = Vec::new();
    while let Ok(length) = socket.recv(&mut room) {
        if length == 172 && room[1] & 0x7f == 8 {
            marks.push(room[171]);
        }
    }
    marks
}
