//! Every arrow of the four machines, over UDP and TCP.

use std::fmt::Write as _;

use super::*;
use Transport::{Tcp, Udp};

#[test]
fn an_invite_that_nobody_answers_is_sent_seven_times_over_udp_and_once_over_tcp() {
    let udp = "0.5s INVITE, 1.5s INVITE, 3.5s INVITE, 7.5s INVITE, 15.5s INVITE, 31.5s INVITE";
    play(Udp, &[("request INVITE", "INVITE"), ("31.9", udp), ("0.1", "a: TimedOut"), ("< 200 INVITE", "stray")]);
    play(Tcp, &[("request INVITE", "INVITE"), ("31.9", ""), ("0.1", "a: TimedOut")]);
}

#[test]
fn a_provisional_response_ends_the_retransmissions_of_an_invite_and_its_patience() {
    for transport in [Udp, Tcp] {
        play(
            transport,
            &[
                ("request INVITE", "INVITE"),
                ("< 100 INVITE", "a: response"),
                ("< 180 INVITE", "a: response"),
                ("< 180 INVITE", "a: response"),
                ("100", ""),
                ("< 200 INVITE", "a: response"),
            ],
        );
    }
}

#[test]
fn every_2xx_to_an_invite_reaches_the_user_for_64_t1_and_nothing_else_does() {
    for transport in [Udp, Tcp] {
        play(
            transport,
            &[
                ("request INVITE", "INVITE"),
                ("< 200 INVITE", "a: response"),
                ("10", ""),
                ("< 200 INVITE", "a: another answer"),
                ("< 180 INVITE", "absorbed"),
                ("< 486 INVITE", "absorbed"),
                ("21.9", ""),
                ("< 200 INVITE", "a: another answer"),
                ("0.1", ""),
                ("< 200 INVITE", "stray"),
            ],
        );
    }
}

#[test]
fn a_refusal_is_acknowledged_each_time_it_arrives() {
    play(
        Udp,
        &[
            ("request INVITE", "INVITE"),
            ("< 486 INVITE", "a: response, ACK"),
            ("< 486 INVITE", "absorbed, ACK"),
            ("< 180 INVITE", "absorbed"),
            ("31.9", ""),
            ("< 486 INVITE", "absorbed, ACK"),
            ("0.1", ""),
            ("< 486 INVITE", "stray"),
        ],
    );
    play(
        Tcp,
        &[
            ("request INVITE", "INVITE"),
            ("< 180 INVITE", "a: response"),
            ("< 486 INVITE", "a: response, ACK"),
            ("< 486 INVITE", "stray"),
        ],
    );
}

#[test]
fn a_phone_that_answers_after_a_refusal_was_passed_on_is_not_left_off_the_hook() {
    play(
        Udp,
        &[("request INVITE", "INVITE"), ("< 486 INVITE", "a: response, ACK"), ("< 200 INVITE", "a: another answer")],
    );
}

#[test]
fn the_ack_to_a_refusal_repeats_branch_and_routes_and_takes_the_tag_of_the_refusal() {
    let mut bench = Bench::new(10);
    let invite = parse(&ours("INVITE")).bytes().clone();
    bench.with(|table, hand| table.request('a', flow(Udp), Method::Invite, token(OURS), invite, hand));
    bench.sent.0.clear();
    bench.receive(flow(Udp), &response("486", "INVITE"));
    let ack = "ACK sip:14@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKaaaaaaaaaaaa;rport\n\
               Max-Forwards: 70\nRoute: <sip:proxy.example;lr>\nRoute: <sip:192.0.2.9;lr>\n\
               From: <sip:12@office.example>;tag=f1\nTo: <sip:14@office.example>;tag=t1\nCall-ID: c1\nCSeq: 7 ACK\n\
               Content-Length: 0\n\n";
    assert_eq!(bench.sent.0, [(flow(Udp), Bytes::from(ack.replace('\n', "\r\n")))]);
}

#[test]
fn a_cancel_names_its_invite_and_its_reason() {
    let mut bench = Bench::new(10);
    let invite = parse(&ours("INVITE")).bytes().clone();
    let client = bench.with(|table, hand| table.request('a', flow(Udp), Method::Invite, token(OURS), invite, hand));
    bench.receive(flow(Udp), &response("180", "INVITE"));
    bench.sent.0.clear();
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    bench.with(|table, hand| table.cancel(client, Some(reason), hand));
    let cancel = "CANCEL sip:14@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKaaaaaaaaaaaa;rport\n\
                  Max-Forwards: 70\nRoute: <sip:proxy.example;lr>\nRoute: <sip:192.0.2.9;lr>\n\
                  From: <sip:12@office.example>;tag=f1\nTo: <sip:14@office.example>\nCall-ID: c1\nCSeq: 7 CANCEL\n\
                  Reason: SIP;cause=200;text=\"Call completed elsewhere\"\nContent-Length: 0\n\n";
    assert_eq!(bench.sent.0, [(flow(Udp), Bytes::from(cancel.replace('\n', "\r\n")))]);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response_and_is_dropped_if_a_final_one_comes_first() {
    play(
        Udp,
        &[
            ("request INVITE", "INVITE"),
            ("cancel", ""),
            ("0.6", "0.5s INVITE"),
            ("< 180 INVITE", "a: response, CANCEL"),
            ("cancel", ""),
            ("1", "1.1s CANCEL"),
            ("< 200 CANCEL", "absorbed"),
            ("< 180 INVITE", "a: response"),
            ("< 487 INVITE", "a: response, ACK"),
        ],
    );
    for transport in [Udp, Tcp] {
        let first = [("request INVITE", "INVITE"), ("cancel", "")];
        play(transport, &[first[0], first[1], ("< 200 INVITE", "a: response"), ("cancel", "")]);
        play(transport, &[first[0], first[1], ("< 486 INVITE", "a: response, ACK")]);
        play(transport, &[first[0], first[1], ("flow fails", "a: FlowFailed")]);
    }
    play(Tcp, &[("request INVITE", "INVITE"), ("cancel", ""), ("32", "a: TimedOut")]);
}

#[test]
fn a_cancelled_invite_ends_after_64_t1_even_if_nobody_says_487() {
    play(
        Tcp,
        &[
            ("request INVITE", "INVITE"),
            ("< 180 INVITE", "a: response"),
            ("cancel", "CANCEL"),
            ("< 200 CANCEL", "absorbed"),
            ("31.9", ""),
            ("0.1", "a: TimedOut"),
        ],
    );
}

#[test]
fn an_answer_that_crosses_the_cancel_still_reaches_the_user() {
    play(
        Udp,
        &[
            ("request INVITE", "INVITE"),
            ("< 180 INVITE", "a: response"),
            ("cancel", "CANCEL"),
            ("< 200 INVITE", "a: response"),
            ("< 481 CANCEL", "absorbed"),
            ("1", ""),
        ],
    );
}

#[test]
fn whoever_waits_on_a_lost_flow_is_told() {
    for method in ["INVITE", "OPTIONS"] {
        let request = format!("request {method}");
        let ringing = format!("< 100 {method}");
        play(Tcp, &[(&request, method), ("flow fails", "a: FlowFailed")]);
        play(Tcp, &[(&request, method), (&ringing, "a: response"), ("flow fails", "a: FlowFailed")]);
        play(Udp, &[(&request, method), (&ringing, "a: response"), ("flow fails", "a: FlowFailed")]);
    }
    play(Udp, &[("request INVITE", "INVITE"), ("< 200 INVITE", "a: response"), ("flow fails", "")]);
    play(Udp, &[("request OPTIONS", "OPTIONS"), ("< 200 OPTIONS", "a: response"), ("flow fails", "")]);
}

#[test]
fn another_request_that_nobody_answers_is_sent_eleven_times_over_udp_and_once_over_tcp() {
    let udp =
        "0.5s BYE, 1.5s BYE, 3.5s BYE, 7.5s BYE, 11.5s BYE, 15.5s BYE, 19.5s BYE, 23.5s BYE, 27.5s BYE, 31.5s BYE";
    play(Udp, &[("request BYE", "BYE"), ("31.9", udp), ("0.1", "a: TimedOut"), ("< 200 BYE", "stray")]);
    play(Tcp, &[("request BYE", "BYE"), ("31.9", ""), ("0.1", "a: TimedOut")]);
}

#[test]
fn a_100_slows_the_retransmissions_of_another_request_to_t2() {
    play(
        Udp,
        &[
            ("request BYE", "BYE"),
            ("0.6", "0.5s BYE"),
            ("< 100 BYE", "a: response"),
            ("10", "1.5s BYE, 5.5s BYE, 9.5s BYE"),
            ("< 200 BYE", "a: response"),
            ("< 200 BYE", "absorbed"),
            ("< 500 BYE", "absorbed"),
            ("4.9", ""),
            ("< 200 BYE", "absorbed"),
            ("0.1", ""),
            ("< 200 BYE", "stray"),
        ],
    );
    play(Udp, &[("request BYE", "BYE"), ("< 100 BYE", "a: response"), ("31.6", PROCEEDING), ("0.4", "a: TimedOut")]);
    play(Tcp, &[("request BYE", "BYE"), ("< 481 BYE", "a: response"), ("< 481 BYE", "stray")]);
}

const PROCEEDING: &str = "0.5s BYE, 4.5s BYE, 8.5s BYE, 12.5s BYE, 16.5s BYE, 20.5s BYE, 24.5s BYE, 28.5s BYE";

#[test]
fn a_response_belongs_to_the_request_with_its_branch_and_its_method() {
    play(Udp, &[("request BYE", "BYE"), ("< 200 INVITE", "stray"), ("< 200 BYE", "a: response")]);
}

#[test]
fn an_invite_that_arrives_again_gets_the_last_provisional_response_again() {
    for transport in [Udp, Tcp] {
        play(
            transport,
            &[
                ("< INVITE", "request"),
                ("< INVITE", "absorbed"),
                ("respond 100", "100"),
                ("< INVITE", "absorbed, 100"),
                ("respond 180", "180"),
                ("< INVITE", "absorbed, 180"),
                ("< ACK", "absorbed"),
                ("130", "60s 180, 120s 180"),
                ("respond 183", "183"),
                ("59", ""),
                ("respond 603", "603"),
                ("respond 200", ""),
                ("respond 180", ""),
                ("< ACK", "absorbed"),
            ],
        );
    }
}

#[test]
fn a_refusal_is_repeated_over_udp_until_its_ack_comes() {
    play(
        Udp,
        &[
            ("< INVITE", "request"),
            ("respond 486", "486"),
            ("4", "0.5s 486, 1.5s 486, 3.5s 486"),
            ("< INVITE", "absorbed, 486"),
            ("4", "7.5s 486"),
            ("< ACK", "absorbed"),
            ("< ACK", "absorbed"),
            ("< INVITE", "absorbed"),
            ("4.9", ""),
            ("< ACK", "absorbed"),
            ("0.1", ""),
            ("< ACK", "ack"),
        ],
    );
    play(
        Tcp,
        &[
            ("< INVITE", "request"),
            ("respond 486", "486"),
            ("4", ""),
            ("< INVITE", "absorbed, 486"),
            ("< ACK", "absorbed"),
            ("< ACK", "ack"),
        ],
    );
}

#[test]
fn a_refusal_without_ack_is_given_up_after_64_t1() {
    let sent =
        "0.5s 486, 1.5s 486, 3.5s 486, 7.5s 486, 11.5s 486, 15.5s 486, 19.5s 486, 23.5s 486, 27.5s 486, 31.5s 486";
    play(Udp, &[("< INVITE", "request"), ("respond 486", "486"), ("31.9", sent), ("0.1", "a: no ACK to 486")]);
    play(Tcp, &[("< INVITE", "request"), ("respond 486", "486"), ("31.9", ""), ("0.1", "a: no ACK to 486")]);
}

#[test]
fn an_answer_is_repeated_over_any_transport_until_its_user_has_the_ack() {
    for transport in [Udp, Tcp] {
        play(
            transport,
            &[
                ("< INVITE", "request"),
                ("respond 180", "180"),
                ("respond 200", "200"),
                ("1", "0.5s 200"),
                ("< INVITE", "absorbed"),
                ("3", "1.5s 200, 3.5s 200"),
                ("< ACK", "ack to INVITE of Some('a')"),
                ("4", "7.5s 200"),
                ("acknowledged", ""),
                ("23.9", ""),
                ("< INVITE", "absorbed"),
                ("0.1", ""),
                ("< ACK", "ack"),
            ],
        );
    }
}

#[test]
fn an_answer_that_nobody_acknowledges_is_reported_after_64_t1() {
    let sent =
        "0.5s 200, 1.5s 200, 3.5s 200, 7.5s 200, 11.5s 200, 15.5s 200, 19.5s 200, 23.5s 200, 27.5s 200, 31.5s 200";
    for transport in [Udp, Tcp] {
        play(
            transport,
            &[("< INVITE", "request"), ("respond 200", "200"), ("31.9", sent), ("0.1", "a: no ACK to 200")],
        );
    }
}

#[test]
fn a_cancel_finds_its_invite_by_the_branch() {
    play(
        Udp,
        &[
            ("< CANCEL", "cancels nothing"),
            ("32", "3.5s 100"),
            ("< INVITE", "request"),
            ("< CANCEL", "cancels INVITE of Some('a')"),
            ("< CANCEL", "absorbed"),
            ("respond 487", "487"),
            ("< ACK", "absorbed"),
        ],
    );
}

#[test]
fn another_request_is_answered_with_the_same_bytes_while_it_may_arrive_again() {
    play(
        Udp,
        &[
            ("< BYE", "request"),
            ("< BYE", "absorbed"),
            ("respond 200", "200"),
            ("respond 500", ""),
            ("< BYE", "absorbed, 200"),
            ("31.9", ""),
            ("< BYE", "absorbed, 200"),
        ],
    );
    play(Tcp, &[("< BYE", "request"), ("respond 200", "200")]);
}

#[test]
fn a_request_other_than_invite_hears_100_only_after_3_5_seconds_and_never_another_1xx_or_a_408() {
    play(
        Udp,
        &[
            ("< REGISTER", "request"),
            ("respond 100", ""),
            ("respond 180", ""),
            ("3.4", ""),
            ("0.2", "3.5s 100"),
            ("< REGISTER", "absorbed, 100"),
            ("respond 183", ""),
            ("respond 408", ""),
            ("respond 200", "200"),
        ],
    );
    play(Tcp, &[("< REGISTER", "request"), ("respond 100", "100"), ("4", ""), ("respond 200", "200")]);
    play(Udp, &[("< REGISTER", "request"), ("respond 408", ""), ("31.9", "")]);
    play(Udp, &[("< REGISTER", "request"), ("31.9", "3.5s 100")]);
}

/// Plays one side of one transaction: each step says what happens and what comes of it, to the wire and to the user `a`.
/// After the last step 64·T1 pass, and nothing may be left.
///
/// `+2.5` lets seconds pass; what is sent meanwhile shows the time since the begin. Other steps are the methods of
/// [`Transactions`], and `< …` for what arrives.
fn play(transport: Transport, script: &[(&str, &str)]) {
    let mut bench = Bench::new(10);
    let flow = flow(transport);
    let (mut client, mut server) = (None, None);
    for (place, (step, expected)) in script.iter().enumerate() {
        let mut out = Vec::new();
        let words: Vec<&str> = step.split_whitespace().collect();
        match words[..] {
            ["request", method] => {
                let bytes = parse(&ours(method)).bytes().clone();
                let method = Method::read(method.as_bytes());
                client = Some(bench.with(|table, hand| table.request('a', flow, method, token(OURS), bytes, hand)));
            }
            ["cancel"] => bench.with(|table, hand| table.cancel(client.unwrap(), Some("SIP;cause=200"), hand)),
            ["flow", "fails"] => {
                let expired = bench.with(|table, hand| table.flow_failed(flow, hand));
                out.extend(expired.iter().map(told));
            }
            ["respond", status] => {
                let status = Status::new(status.parse().unwrap()).unwrap();
                let bytes = Bytes::from(response(&status.to_string(), "INVITE").replace('\n', "\r\n"));
                bench.with(|table, hand| table.respond(server.unwrap(), status, bytes, hand));
            }
            ["acknowledged"] => bench.with(|table, hand| table.acknowledged(server.unwrap(), hand)),
            ["<", status, method] => out.push(told_of(bench.receive(flow, &response(status, method)))),
            ["<", method] => {
                let arrival = bench.receive(flow, &theirs(method, "z9hG4bKtheirs"));
                if let Arrival::Request(key) = arrival {
                    server = Some(key);
                    bench.table.set_user(key, 'a');
                }
                out.push(told_of(arrival));
            }
            [seconds] => {
                let span = Duration::from_secs_f64(seconds.parse().unwrap());
                bench.pass(span, |bench, expired| {
                    let at = bench.now.mono.as_micros() as f64 / 1e6;
                    let sent = bench.drain();
                    out.extend(sent.iter().map(|headline| format!("{at}s {headline}")));
                    out.extend(expired.iter().map(told));
                });
            }
            _ => panic!("no step: {step}"),
        }
        out.extend(bench.drain());
        assert_eq!(out.join(", "), *expected, "{transport:?}, step {place}: {step}");
    }
    let mut late = String::new();
    bench.pass(Duration::from_secs(32), |bench, expired| {
        write!(late, "{:?} {expired:?} ", bench.drain()).unwrap();
    });
    assert!(bench.is_at_rest(), "{transport:?}, {script:?}: something is left; {late}");
}

fn told(expired: &Expired<User>) -> String {
    match expired {
        Expired::Unanswered { user, why, .. } => format!("{user}: {why:?}"),
        Expired::Unacknowledged { user, status, .. } => format!("{user}: no ACK to {status}"),
    }
}

fn told_of(arrival: Arrival<User>) -> String {
    match arrival {
        Arrival::Request(_) => "request".into(),
        Arrival::Cancel { invite: Some((_, user)), .. } => format!("cancels INVITE of {user:?}"),
        Arrival::Cancel { invite: None, .. } => "cancels nothing".into(),
        Arrival::Ack { invite: Some((_, user)) } => format!("ack to INVITE of {user:?}"),
        Arrival::Ack { invite: None } => "ack".into(),
        Arrival::Response { user, .. } => format!("{user}: response"),
        Arrival::AnotherAnswer { user, .. } => format!("{user}: another answer"),
        Arrival::Stray => "stray".into(),
        Arrival::Absorbed => "absorbed".into(),
        Arrival::NoRoom => "no room".into(),
    }
}
