//! Lamps where a ladder cannot show them: a new configuration, and more of them than there is room for.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::{Instant, Now};
use crate::config::{Config, Nothing};
use crate::effect::Effect;
use crate::key::{Flow, Transport};
use crate::sip::{HeaderName, Message, Method};
use crate::subscription::MOST_PER_EXTENSION;
use crate::switch::{Input, Switch};

const OFFICE: &str = r#"
    [sip]
    listen = ["udp://127.0.0.1:5060"]
    [[extension]]
    number = "20"
    devices = [{ address = "sip:127.0.50.20" }]
    [[extension]]
    number = "21"
    devices = [{ address = "sip:127.0.50.21" }]
"#;

#[test]
fn a_lamp_of_one_who_has_left_the_house_goes_out() {
    let mut office = Office::new();
    assert_eq!(office.subscribe("a", "21", 600), ["200", "NOTIFY active;expires=600"]);
    assert_eq!(office.subscribe("b", "20", 600), ["200", "NOTIFY active;expires=600"]);
    let without = OFFICE.replace("number = \"21\"", "number = \"22\"");
    assert_eq!(office.input(Input::Configure(config(&without))), ["NOTIFY terminated;reason=noresource"]);
    assert_eq!(office.switch.census().subscriptions, 1);
}

#[test]
fn one_extension_may_not_fill_the_house_and_has_room_again_where_it_gives_some_back() {
    let mut office = Office::new();
    for number in 0..MOST_PER_EXTENSION {
        assert_eq!(office.subscribe(&format!("lamp-{number}"), "21", 600)[0], "200");
    }
    assert_eq!(office.subscribe("one too many", "21", 600), ["403"]);
    assert_eq!(office.subscribe("only asks", "21", 0), ["200", "NOTIFY terminated;reason=timeout"]);
    assert_eq!(office.input(Input::Configure(config(OFFICE))), [""; 0], "those who stay hear nothing");
    assert_eq!(office.switch.census().subscriptions, MOST_PER_EXTENSION);
    let gone = config(&OFFICE.replace("number = \"21\"", "number = \"22\""));
    assert_eq!(office.input(Input::Configure(gone)).len(), MOST_PER_EXTENSION);
    office.input(Input::Configure(config(OFFICE)));
    assert_eq!(office.subscribe("again", "21", 600)[0], "200");
}

#[test]
fn a_leg_that_nobody_watches_leaves_no_mark() {
    let mut office = Office::new();
    office.subscribe("a", "20", 600);
    let invite = "INVITE sip:21@127.0.0.1 SIP/2.0\r\nContact: <sip:20@127.0.50.20>\r\n";
    let flow = office.flow();
    let sent = office.input(Input::Message { flow, message: message(invite, "INVITE", "call") });
    assert_eq!(sent, ["100", "INVITE", "NOTIFY active;expires=600"], "20 is watched, 21 is not");
    assert!(office.switch.marked.is_empty());
}

struct Office {
    switch: Switch,
    now: Now,
}

impl Office {
    fn new() -> Office {
        let now = Now { mono: Instant::from_micros(1_000_000), wall: "2026-11-23T09:00:00Z".parse().unwrap() };
        let mut office = Office { switch: Switch::new(config(OFFICE), [1; 32], 0, now), now };
        let own = "127.0.0.1".parse().unwrap();
        office.input(Input::Host { addresses: vec![(own, 8)], default: Some(own) });
        office.input(Input::Configure(config(OFFICE)));
        office
    }

    fn flow(&self) -> Flow {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (local, remote) = (address("127.0.0.1:5060"), address("127.0.50.20:5060"));
        Flow { transport: Transport::Udp, local, remote, connection: 0 }
    }

    /// 20 asks for a lamp; what is said.
    fn subscribe(&mut self, call_id: &str, whom: &str, expires: u32) -> Vec<String> {
        let call_id = call_id.replace(' ', "-");
        let line = format!(
            "SUBSCRIBE sip:{whom}@127.0.0.1 SIP/2.0\r\nEvent: dialog\r\nExpires: {expires}\r\nContact: <sip:20@127.0.50.20>\r\n"
        );
        let (flow, message) = (self.flow(), message(&line, "SUBSCRIBE", &call_id));
        self.input(Input::Message { flow, message })
    }

    /// What leaves: statuses, methods, and how a NOTIFY's subscription stands. Every fact is on disk at once, every NOTIFY
    /// answered.
    fn input(&mut self, input: Input) -> Vec<String> {
        let (mut said, mut inputs) = (Vec::new(), vec![input]);
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            self.switch.handle(input, self.now, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Send { flow, bytes } => {
                        let message = Message::parse(bytes).unwrap();
                        let state = message.header(HeaderName::SubscriptionState).map(String::from_utf8_lossy);
                        let what = match (message.status(), &state) {
                            (Some(status), _) => status.to_string(),
                            (None, Some(state)) => format!("{} {state}", message.method_name()),
                            (None, None) => message.method_name().to_owned(),
                        };
                        said.push(what);
                        if message.is_request() && message.method() == Method::Notify {
                            inputs.push(Input::Message { flow, message: ok(&message) });
                        }
                    }
                    Effect::Fact(noted) => inputs.push(Input::Journaled(noted.number)),
                    _ => {}
                }
            }
        }
        said
    }
}

fn config(text: &str) -> Arc<Config> {
    Arc::new(
        Config::read(Path::new("office.toml"), text, &Nothing).unwrap_or_else(|problems| panic!("{problems}")).config,
    )
}

/// A request of 20, with what every request says.
fn message(lines: &str, method: &str, call_id: &str) -> Message {
    let text = format!(
        "{lines}Via: SIP/2.0/UDP 127.0.50.20;branch=z9hG4bK-{call_id}\r\nMax-Forwards: 70\r\nFrom: <sip:20@127.0.0.1>;tag=a\r\n\
         To: <sip:21@127.0.0.1>\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

fn ok(request: &Message) -> Message {
    let mut text = String::from("SIP/2.0 200 OK\r\n");
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        let value = String::from_utf8_lossy(request.header(name).unwrap_or_default());
        text.push_str(&format!("{}: {value}\r\n", name.as_str()));
    }
    Message::parse(Bytes::from(text + "Content-Length: 0\r\n\r\n")).unwrap()
}
