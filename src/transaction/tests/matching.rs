//! Which message belongs to which transaction, and where answers go.

use super::*;

/// `theirs`, changed here and there.
fn changed(method: &str, branch: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(theirs(method, branch), |text, (from, to)| {
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, to)
    })
}

fn udp() -> Flow {
    flow(Transport::Udp)
}

fn is_new(arrival: Arrival<User>) -> bool {
    matches!(arrival, Arrival::Request(_))
}

#[test]
fn the_same_branch_from_another_sender_is_another_request() {
    let mut bench: Bench = Bench::new(10);
    let branch = "z9hG4bKsame";
    assert!(is_new(bench.receive(udp(), &theirs("OPTIONS", branch))));
    let others = [("192.0.2.9;branch", "192.0.2.10;branch"), ("c2", "c3")];
    assert!(is_new(bench.receive(udp(), &changed("OPTIONS", branch, &others))));
    let others = [("192.0.2.9;branch", "192.0.2.9:5062;branch"), ("c2", "c4")];
    assert!(is_new(bench.receive(udp(), &changed("OPTIONS", branch, &others))));
    let same = [("192.0.2.9;branch", "192.0.2.9:5060;branch")];
    assert_eq!(bench.receive(udp(), &changed("OPTIONS", branch, &same)), Arrival::Absorbed);
    assert!(is_new(bench.receive(udp(), &changed("NOTIFY", branch, &[("c2", "c5")]))));
    assert_eq!(bench.table.counts().servers, 4);
}

#[test]
fn host_names_of_senders_have_no_case_and_branches_do() {
    let mut bench: Bench = Bench::new(10);
    let named = |host: &str, branch| changed("OPTIONS", branch, &[("192.0.2.9;branch", &format!("{host};branch"))]);
    assert!(is_new(bench.receive(udp(), &named("PBX.example", "z9hG4bKx"))));
    assert_eq!(bench.receive(udp(), &named("pbx.EXAMPLE", "z9hG4bKx")), Arrival::Absorbed);
    assert_eq!(bench.table.counts().merged, 0);
    bench.receive(udp(), &named("pbx.example", "z9hG4bKX"));
    assert_eq!(bench.table.counts().merged, 1, "another branch, but the same call: two ways, one request");
}

#[test]
fn two_unknown_methods_with_one_branch_are_two_requests() {
    let mut bench: Bench = Bench::new(10);
    assert!(is_new(bench.receive(udp(), &theirs("FETCH", "z9hG4bKm"))));
    assert!(is_new(bench.receive(udp(), &theirs("STORE", "z9hG4bKm"))));
    assert_eq!(bench.receive(udp(), &theirs("FETCH", "z9hG4bKm")), Arrival::Absorbed);
}

/// RFC 4475 §3.2.1, and clients of RFC 2543.
#[test]
fn a_branch_that_identifies_nothing_is_not_trusted() {
    for branch in ["z9hG4bK", "1", ""] {
        let mut bench: Bench = Bench::new(10);
        let first = changed("INVITE", branch, if branch.is_empty() { &[(";branch=", "")] } else { &[] });
        let other = |from: &str, to: &str| first.replace(from, to);
        assert!(is_new(bench.receive(udp(), &first)));
        assert_eq!(bench.receive(udp(), &first), Arrival::Absorbed, "the same again");
        assert!(is_new(bench.receive(udp(), &other("c2", "c3"))), "another Call-ID");
        assert!(is_new(bench.receive(udp(), &other("tag=f2", "tag=f3"))), "another From tag");
        assert!(is_new(bench.receive(udp(), &other("CSeq: 3", "CSeq: 4"))), "another CSeq");
        assert_eq!(bench.table.counts().servers, 4);
    }
}

#[test]
fn an_ack_of_rfc_2543_finds_its_invite_though_it_has_the_tag_of_the_answer() {
    let mut bench: Bench = Bench::new(10);
    let Arrival::Request(server) = bench.receive(udp(), &theirs("INVITE", "1")) else { panic!() };
    let busy = Bytes::from_static(b"SIP/2.0 486 Busy Here\r\n\r\n");
    bench.with(|table, hand| table.respond(server, Status::BUSY_HERE, busy, hand));
    let ack = changed("ACK", "1", &[("<sip:12@office.example>", "<sip:12@office.example>;tag=t2")]);
    assert_eq!(bench.receive(udp(), &ack.replace("CSeq: 3", "CSeq: 4")), Arrival::Ack { invite: None });
    assert_eq!(bench.receive(udp(), &ack), Arrival::Absorbed);
    bench.pass(Duration::from_secs(5), |_, _| {});
    assert!(bench.is_at_rest());
}

#[test]
fn an_ack_with_a_branch_of_its_own_belongs_to_a_dialog() {
    let mut bench: Bench = Bench::new(10);
    assert!(is_new(bench.receive(udp(), &theirs("INVITE", "z9hG4bKinvite"))));
    assert_eq!(bench.receive(udp(), &theirs("ACK", "z9hG4bKack")), Arrival::Ack { invite: None });
    assert_eq!(bench.sent.0, [], "an ACK is never answered");
}

/// RFC 3261 §8.2.2.2.
#[test]
fn an_invite_that_comes_on_two_ways_is_taken_once() {
    let mut bench: Bench = Bench::new(10);
    let Arrival::Request(first) = bench.receive(udp(), &theirs("INVITE", "z9hG4bKone")) else { panic!() };
    let two = theirs("INVITE", "z9hG4bKtwo");
    assert_eq!(bench.receive(udp(), &two), Arrival::Absorbed);
    let sent = Message::parse(bench.sent.0.remove(0).1).unwrap();
    assert_eq!((sent.status(), sent.branch()), (Some(Status::LOOP_DETECTED), Some("z9hG4bKtwo")));
    assert_eq!(sent.to_tag().map(str::len), Some(8));
    assert_eq!(bench.receive(udp(), &two), Arrival::Absorbed);
    assert_eq!(bench.drain(), ["482"]);
    assert_eq!(bench.receive(udp(), &theirs("ACK", "z9hG4bKtwo")), Arrival::Absorbed);

    // A proxy that tries again after a refusal sends the same request on another branch: that is a new chance.
    bench.with(|table, hand| table.respond(first, Status::SERVICE_UNAVAILABLE, Bytes::from_static(b"503"), hand));
    assert!(is_new(bench.receive(udp(), &theirs("INVITE", "z9hG4bKthree"))));
    assert_eq!(bench.table.counts().merged, 1);
}

#[test]
fn a_request_within_a_dialog_is_never_taken_for_a_merged_one() {
    let mut bench: Bench = Bench::new(10);
    let tagged = |branch| changed("BYE", branch, &[("<sip:12@office.example>", "<sip:12@office.example>;tag=t2")]);
    assert!(is_new(bench.receive(udp(), &tagged("z9hG4bKone"))));
    assert!(is_new(bench.receive(udp(), &tagged("z9hG4bKtwo"))));
}

#[test]
fn where_there_is_no_room_new_requests_are_reported_and_running_calls_do_not_notice() {
    let mut bench: Bench = Bench::new(2);
    let nth = |method: &str, n: u32| changed(method, &format!("z9hG4bK{n}"), &[("c2", &format!("call{n}"))]);
    let tagged = |n| nth("BYE", n).replace("<sip:12@office.example>", "<sip:12@office.example>;tag=t2");
    assert!(is_new(bench.receive(udp(), &nth("INVITE", 1))));
    assert!(!bench.table.is_full());
    assert!(is_new(bench.receive(udp(), &nth("INVITE", 2))));
    assert!(bench.table.is_full());
    assert_eq!(bench.receive(udp(), &nth("INVITE", 3)), Arrival::NoRoom);
    assert_eq!(bench.receive(udp(), &nth("INVITE", 2)), Arrival::Absorbed);
    assert!(is_new(bench.receive(udp(), &tagged(4))));
    assert!(matches!(bench.receive(udp(), &nth("CANCEL", 1)), Arrival::Cancel { invite: Some(_), .. }));
    assert_eq!(bench.receive(udp(), &tagged(5)), Arrival::NoRoom, "twice the capacity is the end");
    let counts = bench.table.counts();
    assert_eq!((counts.servers, counts.refused, counts.repeated), (4, 2, 1));
}

#[test]
fn answers_go_back_where_the_request_came_from() {
    let source = |text: &str| Flow { remote: text.parse().unwrap(), ..udp() };
    let reply_to = |flow: Flow, via: &str| {
        let mut bench: Bench = Bench::new(10);
        let text = changed("OPTIONS", "z9hG4bKx", &[("192.0.2.9;branch=z9hG4bKx;rport", via)]);
        let Arrival::Request(server) = bench.receive(flow, &text) else { panic!() };
        bench.table.flow(server).unwrap().remote.to_string()
    };
    let from = source("198.51.100.7:40000");
    assert_eq!(reply_to(from, "10.0.0.5:5060;branch=z9hG4bKx;rport"), "198.51.100.7:40000", "RFC 3581");
    assert_eq!(reply_to(from, "198.51.100.7:5070;branch=z9hG4bKx"), "198.51.100.7:5070", "RFC 3261 §18.2.2");
    assert_eq!(reply_to(from, "198.51.100.7;branch=z9hG4bKx"), "198.51.100.7:5060", "the standard port");
    assert_eq!(reply_to(from, "pbx.example:5070;branch=z9hG4bKx"), "198.51.100.7:5070", "a name says the port too");
    assert_eq!(reply_to(from, "10.0.0.5:5060;branch=z9hG4bKx"), "198.51.100.7:40000", "behind a NAT it does not");
    let stream = Flow { transport: Transport::Tcp, connection: 3, ..from };
    assert_eq!(reply_to(stream, "198.51.100.7:5070;branch=z9hG4bKx"), "198.51.100.7:40000", "a stream is a stream");
}

#[test]
fn a_phone_that_repeats_its_request_on_a_new_connection_is_answered_there() {
    let mut bench: Bench = Bench::new(10);
    let first = flow(Transport::Tcp);
    let second = Flow { connection: 2, remote: "192.0.2.9:41000".parse().unwrap(), ..first };
    let Arrival::Request(server) = bench.receive(first, &theirs("INVITE", "z9hG4bKx")) else { panic!() };
    assert_eq!(bench.receive(second, &theirs("INVITE", "z9hG4bKx")), Arrival::Absorbed);
    assert_eq!(bench.table.flow(server), Some(second));
}

#[test]
fn a_key_of_a_transaction_that_is_over_names_nothing() {
    let mut bench: Bench = Bench::new(10);
    let Arrival::Request(server) = bench.receive(flow(Transport::Tcp), &theirs("BYE", "z9hG4bKx")) else { panic!() };
    assert!(bench.table.is_open(server));
    bench.with(|table, hand| table.respond(server, Status::OK, Bytes::from_static(b"200"), hand));
    assert!(!bench.table.is_open(server));
    assert_eq!(bench.table.flow(server), None);
    bench.sent.0.clear();
    bench.with(|table, hand| {
        table.respond(server, Status::OK, Bytes::from_static(b"200"), hand);
        table.acknowledged(server, hand);
    });
    bench.table.set_user(server, 'a');
    assert_eq!(bench.sent.0, []);
    assert!(bench.is_at_rest());
}

#[test]
fn a_lost_connection_is_heard_by_those_who_asked_for_it_to_be_opened_and_by_nobody_elsewhere() {
    let mut bench: Bench = Bench::new(10);
    let opened = flow(Transport::Tcp);
    let elsewhere = Flow { remote: "192.0.2.10:5060".parse().unwrap(), ..opened };
    let flows = [('a', Flow { connection: 0, ..opened }), ('b', opened), ('c', Flow { connection: 2, ..opened })];
    for (user, flow) in flows.into_iter().chain([('d', Flow { connection: 0, ..elsewhere }), ('e', udp())]) {
        let branch = token(&user.to_string().repeat(12));
        let bytes = parse(&ours("OPTIONS")).bytes().clone();
        bench.with(|table, hand| table.request(user, flow, Method::Options, branch, bytes, hand));
    }
    let lost = bench.with(|table, hand| table.flow_failed(opened, hand));
    let users = lost.iter().map(|expired| match expired {
        Expired::Unanswered { user, why: Why::FlowFailed, .. } => *user,
        other => panic!("{other:?}"),
    });
    assert_eq!(users.collect::<String>(), "ab");
    assert_eq!(bench.table.counts().clients, 3);
}
