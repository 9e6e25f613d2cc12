//! Races against the running router, each twenty times: whoever comes first, one wins, and no call is left over.

use std::time::Duration;

use crate::peers::{Outgoing, Peer, Phone, header};
use crate::router::{ADA, BOTH, Router, TWELVE, until};

const TIMES: usize = 20;

#[test]
fn every_race_has_one_winner_each_time_and_leaves_no_call() {
    let router = Router::start("races");
    let (twelve, fourteen) = (router.phone("12"), router.phone("14"));
    for time in 0..TIMES {
        cancel_crosses_answer(&router, &twelve, time % 2 == 0);
        two_answer_at_once(&router, &twelve, &fourteen);
        answer_after_cancel(&router, &twelve);
        cancel_before_anything_was_said(&router, &twelve);
    }
    router.is_at_rest();
    until("all are on record", || router.calls().len() == 4 * TIMES);
    let calls = router.calls();
    let talks = calls.iter().filter(|call| call["did"] == BOTH && call["state"] == "answered").count();
    assert_eq!(talks, TIMES, "each of those was one talk");
    assert!(calls.iter().all(|call| call["state"] != "open"), "{calls:?}");
}

/// Both leave in the same moment. Whoever wins: the caller hears one final answer, and the phone, which has answered, is
/// acknowledged and hung up.
fn cancel_crosses_answer(router: &Router, phone: &Phone, cancel_first: bool) {
    let mut call = router.provider.call(ADA, TWELVE);
    let invite = phone.peer.hear("INVITE ", "");
    phone.peer.respond(&invite, "180 Ringing", "");
    call.hears_ringing();
    if cancel_first {
        cancels(&call);
    }
    phone.peer.respond(&invite, "200 OK", &crate::peers::sdp(phone.peer.address));
    if !cancel_first {
        cancels(&call);
    }
    let answer = final_answer(&call.peer, 1);
    let id = header(&invite, "Call-ID");
    match &answer[8..11] {
        "200" => {
            acknowledges(&mut call, &answer);
            phone.peer.hear("ACK ", id);
            call.hangs_up();
        }
        "487" => {
            call.again("ACK", header(&answer, "To"));
            phone.peer.hear("ACK ", id);
        }
        _ => panic!("{answer}"),
    }
    let bye = phone.peer.hear("BYE ", id);
    phone.peer.respond(&bye, "200 OK", "");
    call.peer.hear("SIP/2.0 200", "CSeq: 1 CANCEL");
}

/// Exactly one talk: the loser is acknowledged and hung up while the winner talks.
fn two_answer_at_once(router: &Router, one: &Phone, two: &Phone) {
    let mut call = router.provider.call(ADA, BOTH);
    let phones = [one, two].map(|phone| {
        let invite = phone.peer.hear("INVITE ", "");
        (&phone.peer, invite)
    });
    for (peer, invite) in &phones {
        peer.respond(invite, "180 Ringing", "");
    }
    call.hears_ringing();
    for (peer, invite) in &phones {
        peer.respond(invite, "200 OK", &crate::peers::sdp(peer.address));
    }
    let answer = final_answer(&call.peer, 1);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    acknowledges(&mut call, &answer);
    for (peer, invite) in &phones {
        peer.hear("ACK ", header(invite, "Call-ID"));
    }
    let hung_up = |at: usize, patience: Duration| {
        let (peer, invite) = &phones[at];
        let bye = peer.hear_until("BYE ", header(invite, "Call-ID"), patience);
        bye.inspect(|bye| peer.respond(bye, "200 OK", "")).is_some()
    };
    until("one of them is hung up", || hung_up(0, Duration::from_millis(5)) || hung_up(1, Duration::from_millis(5)));
    call.hangs_up();
    until("and the other one later", || hung_up(0, Duration::from_millis(5)) || hung_up(1, Duration::from_millis(5)));
    let twice = phones.iter().filter(|(peer, _)| peer.hear_until("BYE ", "", Duration::ZERO).is_some()).count();
    assert_eq!(twice, 0, "nobody is hung up twice");
    // A CANCEL that crossed an answer is answered as well.
    for (peer, _) in &phones {
        if let Some(cancel) = peer.hear_until("CANCEL ", "", Duration::from_millis(1)) {
            peer.respond(&cancel, "481 Call/Transaction Does Not Exist", "");
        }
    }
}

/// The caller is gone; a phone that is picked up all the same is acknowledged and hung up.
fn answer_after_cancel(router: &Router, phone: &Phone) {
    let call = router.provider.call(ADA, TWELVE);
    let invite = phone.peer.hear("INVITE ", "");
    phone.peer.respond(&invite, "180 Ringing", "");
    call.hears_ringing();
    call.gives_up();
    let id = header(&invite, "Call-ID");
    let cancel = phone.peer.hear("CANCEL ", id);
    phone.peer.respond(&cancel, "200 OK", "");
    phone.peer.respond(&invite, "200 OK", &crate::peers::sdp(phone.peer.address));
    phone.peer.hear("ACK ", id);
    let bye = phone.peer.hear("BYE ", id);
    phone.peer.respond(&bye, "200 OK", "");
}

/// RFC 3261 §9.1: the phone has said nothing yet, so nothing is cancelled there before it has.
fn cancel_before_anything_was_said(router: &Router, phone: &Phone) {
    let call = router.provider.call(ADA, TWELVE);
    let invite = phone.peer.hear("INVITE ", "");
    call.peer.hear("SIP/2.0 100", "INVITE");
    call.gives_up();
    let id = header(&invite, "Call-ID");
    let early = phone.peer.hear_until("CANCEL ", id, Duration::from_millis(5));
    assert!(early.is_none(), "it is cancelled before it has said anything");
    phone.peer.respond(&invite, "180 Ringing", "");
    let cancel = phone.peer.hear("CANCEL ", id);
    phone.peer.respond(&cancel, "200 OK", "");
    phone.peer.respond(&invite, "487 Request Terminated", "");
    phone.peer.hear("ACK ", id);
}

fn cancels(call: &Outgoing) {
    let to = call.to.clone();
    call.again("CANCEL", &to);
}

fn acknowledges(call: &mut Outgoing, answer: &str) {
    call.to = header(answer, "To").to_owned();
    call.request("ACK", &[], "");
}

/// The first final answer to the INVITE of this number.
fn final_answer(peer: &Peer, cseq: u32) -> String {
    loop {
        let answer = peer.hear("SIP/2.0 ", &format!("CSeq: {cseq} INVITE"));
        if answer.as_bytes()[8] >= b'2' {
            return answer;
        }
    }
}
