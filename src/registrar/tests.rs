//! Phones that come, refresh, move and go, in virtual time.

use super::*;

const PHONE: &str = "192.168.0.5:5060";

/// A registrar with its timers, at some moment of a day.
struct Desk {
    registrar: Registrar,
    deadlines: Deadlines<Due>,
    now: Now,
    pinged: Vec<Flow>,
    cseq: u32,
}

impl Wire for Vec<Flow> {
    fn send(&mut self, flow: Flow, bytes: Bytes) {
        assert_eq!(bytes, PING);
        self.push(flow);
    }
}

fn flow(transport: Transport, remote: &str) -> Flow {
    let connection = u32::from(transport.is_reliable());
    Flow { transport, local: "192.168.0.1:5060".parse().unwrap(), remote: remote.parse().unwrap(), connection }
}

fn udp(remote: &str) -> Flow {
    flow(Transport::Udp, remote)
}

fn short(change: &BindingChange) -> String {
    match change {
        BindingChange::Bound(bound) => format!("+ {} for {}", bound.identity, bound.granted),
        BindingChange::Unbound { identity, .. } => format!("- {identity}"),
    }
}

impl Desk {
    fn new() -> Desk {
        let now = Now { mono: Instant::from_micros(0), wall: "2026-11-23T09:00:00Z".parse().unwrap() };
        Desk { registrar: Registrar::default(), deadlines: Deadlines::default(), now, pinged: Vec::new(), cseq: 0 }
    }

    fn register(&mut self, flow: Flow, headers: &str) -> Result<Registered, Refusal> {
        self.cseq += 1;
        let message = message(self.cseq, headers);
        self.registrar.register(&"12".into(), &message, flow, self.now, &mut self.deadlines)
    }

    /// What a REGISTER came to: the status of its refusal, or the changes.
    fn changes(&mut self, flow: Flow, headers: &str) -> Vec<String> {
        match self.register(flow, headers) {
            Ok(registered) => registered.changes.iter().map(short).collect(),
            Err(refusal) => vec![refusal.status().code().to_string()],
        }
    }

    fn contacts(&self) -> Vec<&str> {
        self.registrar.devices("12").map(|(_, binding)| binding.contact.as_str()).collect()
    }

    /// Lets time pass; what ran out meanwhile.
    fn later(&mut self, seconds: u64) -> Vec<String> {
        let end = self.now.after(Duration::from_secs(seconds));
        let mut gone = Vec::new();
        while let Some(at) = self.deadlines.first().filter(|at| *at <= end.mono) {
            self.now = self.now.after(at - self.now.mono);
            let due = self.deadlines.pop_due(at).unwrap();
            gone.extend(self.registrar.due(due, self.now, &mut self.deadlines, &mut self.pinged));
        }
        self.now = end;
        gone.iter().map(short).collect()
    }
}

fn message(cseq: u32, headers: &str) -> Message {
    let lines: String =
        headers.split('\n').filter(|line| !line.is_empty()).map(|line| format!("{}\r\n", line.trim())).collect();
    let call_id = if headers.contains("Call-ID") { "" } else { "Call-ID: boot-1\r\n" };
    let text = format!(
        "REGISTER sip:office.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.0.5;branch=z9hG4bK1\r\n\
         From: <sip:12@office.example>;tag=1\r\nTo: <sip:12@office.example>\r\nCSeq: {cseq} REGISTER\r\n\
         Max-Forwards: 70\r\n{call_id}{lines}\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap_or_else(|malformed| panic!("{malformed}: {headers}"))
}

#[test]
fn a_phone_registers_refreshes_and_runs_out() {
    let mut desk = Desk::new();
    let contact = "Contact: <sip:12@192.168.0.5>\nExpires: 600";
    let first = desk.register(udp(PHONE), contact).unwrap();
    assert_eq!(first.contacts, ["<sip:12@192.168.0.5>;expires=600"]);
    assert_eq!(first.changes.iter().map(short).collect::<Vec<_>>(), ["+ sip:12@192.168.0.5 for 600"]);
    assert_eq!(first.joined.len(), 1);
    assert_eq!(desk.later(599), [""; 0]);
    // A pure refresh changes nothing that a restart would have to know.
    let refresh = desk.register(udp(PHONE), contact).unwrap();
    assert_eq!((refresh.changes, refresh.joined), (vec![], vec![]));
    assert_eq!(desk.later(599), [""; 0]);
    assert_eq!(desk.register(udp(PHONE), "").unwrap().contacts, ["<sip:12@192.168.0.5>;expires=1"]);
    assert_eq!(desk.later(1), ["- sip:12@192.168.0.5"]);
    assert!(desk.registrar.is_empty() && desk.deadlines.is_empty());
    assert!(!desk.registrar.is_bound_at(PHONE.parse().unwrap()));
}

#[test]
fn the_time_that_is_granted() {
    for (from, headers, granted) in [
        (PHONE, "Contact: <sip:12@192.168.0.5>", "+ sip:12@192.168.0.5 for 3600"),
        (PHONE, "Contact: <sip:12@192.168.0.5>\nExpires: 86400", "+ sip:12@192.168.0.5 for 3600"),
        (PHONE, "Contact: <sip:12@192.168.0.5>\nExpires: soon", "+ sip:12@192.168.0.5 for 3600"),
        (PHONE, "Contact: <sip:12@192.168.0.5>\nExpires: 60", "+ sip:12@192.168.0.5 for 60"),
        (PHONE, "Contact: <sip:12@192.168.0.5>\nExpires: 59", "423"),
        (PHONE, "Contact: <sip:12@192.168.0.5>;expires=1\nExpires: 3600", "423"),
        (PHONE, "Contact: <sip:12@192.168.0.5>;expires=90\nExpires: 3600", "+ sip:12@192.168.0.5 for 90"),
        ("203.0.113.5:1024", "Contact: <sip:12@192.168.0.5>\nExpires: 3600", "+ sip:12@192.168.0.5 for 120"),
        ("203.0.113.5:1024", "Contact: <sip:12@phone.invalid>", "+ sip:12@phone.invalid for 3600"),
        (
            "203.0.113.5:1024",
            "Path: <sip:edge.example;lr>\nContact: <sip:12@192.168.0.5>",
            "+ sip:12@192.168.0.5 for 3600",
        ),
    ] {
        assert_eq!(Desk::new().changes(udp(from), headers), [granted], "{headers}");
    }
    let refusal = Desk::new().register(udp(PHONE), "Contact: <sip:12@192.168.0.5>\nExpires: 59").unwrap_err();
    assert_eq!(refusal.headers().collect::<Vec<_>>(), [(HeaderName::MinExpires, "60")]);
}

#[test]
fn a_phone_is_the_same_by_its_instance_else_by_its_contact() {
    let here = "Contact: <sip:12@192.168.0.5>;+sip.instance=\"<urn:uuid:1>\"";
    let there = "Call-ID: boot-2\nContact: <sip:12@192.168.0.77>;+sip.instance=\"<urn:uuid:1>\"";
    for (first, second, left) in [
        (here, there, 1),
        ("Contact: <sip:12@192.168.0.5>", "Contact: <sip:12@192.168.0.5:5060>", 2),
        ("Contact: <sip:12@Phone.example;ob>", "Contact: <sip:12@phone.EXAMPLE;ob>", 1),
        (&format!("{here};reg-id=1"), &format!("{there};reg-id=2"), 2),
        (&format!("{here};reg-id=1"), &format!("{there};reg-id=1"), 1),
    ] {
        let mut desk = Desk::new();
        desk.register(udp(PHONE), first).unwrap();
        desk.register(udp("192.168.0.77:5060"), second).unwrap();
        assert_eq!(desk.contacts().len(), left, "{first} | {second}");
    }
    let mut desk = Desk::new();
    desk.register(udp(PHONE), here).unwrap();
    assert_eq!(desk.changes(udp("192.168.0.77:5060"), there), ["+ <urn:uuid:1>;reg-id=0 for 3600"]);
    assert_eq!(desk.contacts(), ["sip:12@192.168.0.77"]);
    let ip = |text: &str| text.parse().unwrap();
    assert!(!desk.registrar.is_bound_between(ip("192.168.0.5"), ip("192.168.0.5")));
    assert!(desk.registrar.is_bound_between(ip("192.168.0.77"), ip("192.168.0.77")));
}

#[test]
fn what_is_refused_changes_nothing() {
    let eleven: String = (0..11).map(|n| format!("Contact: <sip:12@192.168.1.{n}>\n")).collect();
    let ten: String = (0..10).map(|n| format!("Contact: <sip:12@192.168.1.{n}>\n")).collect();
    for (headers, status) in [
        ("Contact: *", "400"),
        ("Contact: *\nExpires: 60", "400"),
        ("Contact: *\nContact: <sip:12@192.168.0.5>\nExpires: 0", "400"),
        ("Contact: <tel:+4930123>", "400"),
        ("Contact: <sip:12@192.168.0.6>, <sip:12@192.168.0.6>", "400"),
        ("Contact: <sip:12@192.168.0.6>, <sip:12@192.168.0.7>;expires=5", "423"),
        (&eleven, "403"),
        (&ten, "403"),
    ] {
        let mut desk = Desk::new();
        desk.register(udp(PHONE), "Contact: <sip:12@192.168.0.5>").unwrap();
        assert_eq!(desk.changes(udp(PHONE), headers), [status], "{headers}");
        assert_eq!(desk.contacts(), ["sip:12@192.168.0.5"], "{headers}");
        assert_eq!(desk.deadlines.len(), 1, "{headers}");
    }
}

#[test]
fn ten_phones_fit_and_one_may_take_the_place_of_another() {
    let mut desk = Desk::new();
    let ten: Vec<_> = (0..10).map(|n| format!("<sip:12@192.168.1.{n}>")).collect();
    desk.register(udp(PHONE), &format!("Contact: {}", ten.join(", "))).unwrap();
    assert_eq!(desk.changes(udp(PHONE), "Contact: <sip:12@192.168.2.1>"), ["403"]);
    let swap = "Contact: <sip:12@192.168.1.3>;expires=0, <sip:12@192.168.2.1>";
    assert_eq!(desk.changes(udp(PHONE), swap), ["- sip:12@192.168.1.3", "+ sip:12@192.168.2.1 for 120"]);
    assert_eq!(desk.contacts().len(), 10);
}

#[test]
fn phones_are_taken_away_one_by_one_or_all_at_once() {
    let mut desk = Desk::new();
    desk.register(udp(PHONE), "Contact: <sip:12@192.168.0.5>, <sip:12@192.168.0.5:5070>").unwrap();
    assert_eq!(desk.changes(udp(PHONE), "Contact: <sip:12@192.168.0.5>\nExpires: 0"), ["- sip:12@192.168.0.5"]);
    assert_eq!(desk.changes(udp(PHONE), "Contact: <sip:12@192.168.0.9>\nExpires: 0"), [""; 0]);
    assert_eq!(desk.changes(udp(PHONE), "Contact: *\nExpires: 0"), ["- sip:12@192.168.0.5:5070"]);
    assert!(desk.registrar.is_empty() && desk.deadlines.is_empty());
}

#[test]
fn an_older_request_of_the_same_call_is_refused_and_a_rebooted_phone_is_not() {
    let contact = "Contact: <sip:12@192.168.0.5>";
    for (cseq, headers, expected) in [
        (7, contact.to_owned(), "500"),
        (6, contact.to_owned(), "500"),
        (6, "Contact: *\nExpires: 0".to_owned(), "500"),
        (1, format!("Call-ID: boot-2\n{contact}\nExpires: 600"), "+ sip:12@192.168.0.5 for 600"),
        (8, format!("{contact}\nExpires: 0"), "- sip:12@192.168.0.5"),
    ] {
        let mut desk = Desk { cseq: 6, ..Desk::new() };
        desk.register(udp(PHONE), contact).unwrap();
        desk.cseq = cseq - 1;
        assert_eq!(desk.changes(udp(PHONE), &headers), [expected], "{cseq} {headers}");
    }
}

#[test]
fn a_nat_is_reminded_of_the_phone_behind_it_until_the_binding_runs_out() {
    let mut desk = Desk::new();
    let nat = udp("203.0.113.5:1024");
    desk.register(nat, "Contact: <sip:12@192.168.0.5>").unwrap();
    assert_eq!(desk.later(119), [""; 0]);
    assert_eq!(desk.pinged, [nat; 4]);
    assert_eq!(desk.later(1), ["- sip:12@192.168.0.5"]);
    assert_eq!(desk.pinged.len(), 4);
    desk.register(flow(Transport::Tcp, "203.0.113.5:1024"), "Contact: <sip:12@192.168.0.5>").unwrap();
    assert_eq!(desk.later(3600), ["- sip:12@192.168.0.5"]);
    assert_eq!(desk.pinged.len(), 4);
}

#[test]
fn a_phone_whose_connection_closes_rings_again_once_it_comes_back() {
    let mut desk = Desk::new();
    let contact = "Contact: <sip:12@192.168.0.5;transport=tcp>";
    let (first, second) = (flow(Transport::Tcp, "192.168.0.5:40001"), flow(Transport::Tcp, "192.168.0.5:40002"));
    desk.register(first, contact).unwrap();
    desk.registrar.flow_closed(second);
    assert_eq!(desk.contacts().len(), 1);
    desk.registrar.flow_closed(first);
    assert_eq!((desk.contacts().len(), desk.registrar.len()), (0, 1));
    let back = desk.register(second, contact).unwrap();
    // A restart could not use the old connection either: nothing to write.
    assert_eq!((back.changes.len(), back.joined.len()), (0, 1));
    assert_eq!(desk.contacts().len(), 1);
}

#[test]
fn a_phone_that_moved_is_rung_where_it_was_seen_last() {
    let mut desk = Desk::new();
    desk.register(udp(PHONE), "Contact: <sip:12@192.168.0.5>").unwrap();
    let contact = Uri::parse(b"sip:12@192.168.0.5").unwrap();
    assert_eq!(desk.registrar.seen("12", contact.view(), udp(PHONE), desk.now), None);
    let moved = desk.registrar.seen("12", contact.view(), udp("192.168.0.5:6060"), desk.now);
    assert!(matches!(moved, Some((BindingChange::Bound(bound), _)) if bound.remote.port() == 6060));
    assert_eq!(desk.registrar.devices("12").next().unwrap().1.flow, udp("192.168.0.5:6060"));
    assert!(!desk.registrar.is_bound_at(PHONE.parse().unwrap()));
    // A refresh from yet another port is news for a restart too.
    let changes = desk.changes(udp("192.168.0.5:7070"), "Contact: <sip:12@192.168.0.5>");
    assert_eq!(changes, ["+ sip:12@192.168.0.5 for 3600"]);
}

#[test]
fn a_restart_brings_back_what_was_written_for_one_more_period() {
    let mut desk = Desk::new();
    let outbound =
        "Supported: path, outbound\nContact: <sip:12@192.168.0.6;pn-prid=x>;+sip.instance=\"<urn:uuid:2>\";reg-id=1";
    let datagrams = desk.register(udp(PHONE), "Path: <sip:edge;lr>\nContact: <sip:12@192.168.0.5>\nExpires: 600");
    let stream = desk.register(flow(Transport::Tcp, "192.168.0.6:40001"), outbound).unwrap();
    assert!(stream.outbound);
    let datagrams = datagrams.unwrap();
    assert_eq!(datagrams.path, ["<sip:edge;lr>"]);

    let mut after = Desk::new();
    after.now = desk.now.after(Duration::from_secs(100_000));
    for change in datagrams.changes.iter().chain(&stream.changes) {
        let BindingChange::Bound(bound) = change else { panic!("{change:?}") };
        let written: Bound = serde_json::from_str(&serde_json::to_string(bound).unwrap()).unwrap();
        assert_eq!(written, **bound);
        after.registrar.restore(&written, after.now, &mut after.deadlines);
    }
    assert_eq!(after.contacts(), ["sip:12@192.168.0.5"]);
    let (_, binding) = after.registrar.devices("12").next().unwrap();
    assert_eq!((&*binding.path[0], binding.flow), ("<sip:edge;lr>", udp(PHONE)));
    let listed = after.register(udp(PHONE), "").unwrap().contacts;
    let instance = "<sip:12@192.168.0.6;pn-prid=x>;+sip.instance=\"<urn:uuid:2>\";reg-id=1;expires=3600";
    assert_eq!(listed, ["<sip:12@192.168.0.5>;expires=600", instance]);
    assert_eq!(after.later(600), ["- sip:12@192.168.0.5"]);
    after.registrar.forget("12", "<urn:uuid:2>;reg-id=1", &mut after.deadlines);
    assert!(after.registrar.is_empty() && after.deadlines.is_empty());
}

#[test]
fn phones_of_an_extension_that_left_go_with_it() {
    let mut desk = Desk::new();
    desk.register(udp(PHONE), "Contact: <sip:12@192.168.0.5>").unwrap();
    assert_eq!(desk.registrar.retain(&mut desk.deadlines, |number| number == "12"), []);
    let gone = desk.registrar.retain(&mut desk.deadlines, |number| number != "12");
    assert_eq!(gone.iter().map(short).collect::<Vec<_>>(), ["- sip:12@192.168.0.5"]);
    assert!(desk.registrar.is_empty() && desk.deadlines.is_empty());
}
