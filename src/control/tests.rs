//! The two sides, talking with each other over a real socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::language::LONGEST_QUESTION;
use super::{Asked, Door, Failure, Order, Reply, Request, SOCKET, ask};
use crate::config::ForwardWhen;
use crate::fact::{Hand, MessageState, SavedReport, Token};
use crate::hypothesis::Hypothesis;
use crate::key::CallId;
use crate::store::fixture::Folder;
use crate::switch::Question;

/// Opens a door behind which `answer` sits, and does `visit` while it is open.
fn with_door<T: Send + 'static>(
    answer: impl Fn(Request) -> Option<Reply> + Send + 'static,
    visit: impl FnOnce(&Path) -> T + Send + 'static,
) -> T {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (asked, mut questions) = mpsc::channel(4);
        let door = Door::open(&folder.0).unwrap();
        let serving = tokio::spawn(door.serve(asked));
        let path = folder.0.clone();
        let visitor = tokio::task::spawn_blocking(move || visit(&path));
        let answering = async {
            while let Some(Asked { request, reply }) = questions.recv().await {
                if let Some(answer) = answer(request) {
                    let _ = reply.send(answer);
                }
            }
        };
        let result = tokio::select! {
            result = visitor => result.unwrap(),
            () = answering => unreachable!(),
        };
        drop(questions);
        serving.await.unwrap().unwrap();
        assert!(!folder.0.join(SOCKET).exists());
        result
    })
}

/// One of each.
fn every_request() -> Vec<Request> {
    let until = Some("2026-11-23T17:00:00Z".parse().unwrap());
    let typed = Hypothesis { from: "+491701112233".into(), busy: vec!["12".into()], ..Hypothesis::default() };
    let token = Token {
        id: "a".into(),
        name: "crm".into(),
        user: None,
        scopes: vec!["calls:read".into()],
        hash: "00".into(),
        until: None,
    };
    let questions = [
        Question::Status,
        Question::Explain(Box::new(typed)),
        Question::Override { schedule: "office".into(), open: Some(false), until },
        Question::Away { extension: "12".into(), away: true, until: None },
        Question::Forward { extension: "12".into(), when: ForwardWhen::NoAnswer, to: Some("14".into()) },
        Question::Block { number: "8 916 123-45-67".into(), blocked: true, note: "rings and hangs up".into() },
        Question::Bans,
        Question::Ban { whom: "203.0.113.9".into(), until, why: "rings the door".into() },
        Question::Unban { whom: "203.0.113.9".into() },
        Question::Message { file: "voicemail/sales/a.wav".into(), now: MessageState::Heard },
        Question::HangUp { call: CallId::from_bits(7) },
        Question::Originate {
            user: "12".into(),
            to: "8 916 123-45-67".into(),
            caller_id: None,
            reference: Some("deal-4711".into()),
            timeout: Some(20),
            auto_answer: true,
        },
        Question::Transfer { call: CallId::from_bits(7), by: None, to: "14".into() },
        Question::Record { call: CallId::from_bits(7), on: true },
    ];
    let orders = [
        Order::Reload,
        Order::Customers,
        Order::Outbox,
        Order::FollowUp { id: 7, by: Some("12".into()), what: Hand::Claimed },
        Order::FollowUp { id: 7, by: None, what: Hand::Assigned { to: None } },
        Order::Rollback { number: 17 },
        Order::Token(Box::new(token)),
        Order::RevokeToken { id: "crm".into() },
        Order::Report { name: "lost".into(), now: Some(SavedReport::default()) },
        Order::Note { call: CallId::from_bits(7), by: None, text: Some("wants a quote".into()), disposition: None },
    ];
    questions.into_iter().map(Request::from).chain(orders.into_iter().map(Request::from)).collect()
}

#[test]
fn the_words_on_the_wire_are_a_contract_with_programs_that_ask_by_themselves() {
    let call = CallId::from_bits(7);
    let originate = Question::Originate {
        user: "12".into(),
        to: "14".into(),
        caller_id: None,
        reference: None,
        timeout: None,
        auto_answer: false,
    };
    let written: [(Request, Value); 7] = [
        (Order::Reload.into(), json!({ "ask": "reload" })),
        (
            Question::Override { schedule: "office".into(), open: None, until: None }.into(),
            json!({ "ask": "override", "schedule": "office", "open": null, "until": null }),
        ),
        (originate.into(), json!({ "ask": "originate", "user": "12", "to": "14", "auto_answer": false })),
        (
            Question::Transfer { call, by: None, to: "14".into() }.into(),
            json!({ "ask": "transfer", "call": call, "to": "14" }),
        ),
        (Question::HangUp { call }.into(), json!({ "ask": "hang_up", "call": call })),
        (
            Order::FollowUp { id: 7, by: None, what: Hand::Claimed }.into(),
            json!({ "ask": "follow_up", "id": 7, "by": null, "what": "claimed" }),
        ),
        (
            Order::Note { call, by: None, text: None, disposition: Some("sold".into()) }.into(),
            json!({ "ask": "note", "call": call, "by": null, "text": null, "disposition": "sold" }),
        ),
    ];
    for (request, text) in written {
        assert_eq!(serde_json::to_value(&request).unwrap(), text);
        assert_eq!(serde_json::from_value::<Request>(text).unwrap(), request);
    }
    // What only the process itself asks is no word of the socket.
    assert!(serde_json::from_value::<Request>(json!({ "ask": "figures" })).is_err());
}

#[test]
fn every_question_arrives_as_it_was_asked_and_its_answer_comes_back() {
    let echo = |request| Some(Ok(serde_json::to_value(request).unwrap()));
    let answers =
        with_door(echo, |path| every_request().into_iter().map(|request| ask(path, request)).collect::<Vec<_>>());
    let expected: Vec<_> = every_request().iter().map(|request| Ok(serde_json::to_value(request).unwrap())).collect();
    assert_eq!(answers, expected);
}

#[test]
fn a_refusal_is_the_routers_own_words_and_silence_means_it_is_ending() {
    let refuse = |request| (request == Question::Status.into()).then(|| Err("not now".to_owned()));
    let answers = with_door(refuse, |path| [ask(path, Question::Status), ask(path, Order::Reload)]);
    let refused = |why: &str| Err(Failure::Refused(why.into()));
    assert_eq!(answers, [refused("not now"), refused("the router is ending")]);
}

#[test]
fn what_is_no_question_is_answered_and_the_talk_goes_on() {
    let lines = with_door(
        |_| Some(Ok(Value::from("fine"))),
        |path| {
            let mut stream = UnixStream::connect(path.join(SOCKET)).unwrap();
            stream
                .write_all(
                    b"hello\n{\"v\":2,\"ask\":\"status\"}\n{\"v\":1,\"ask\":\"dance\"}\n{\"v\":1,\"ask\":\"status\"}\n",
                )
                .unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            BufReader::new(stream).lines().map(Result::unwrap).collect::<Vec<_>>()
        },
    );
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("{\"v\":1,\"error\":\"the question is no JSON object with \\\"v\\\": "));
    assert_eq!(lines[1], "{\"v\":1,\"error\":\"the question is in version 2, the router speaks version 1\"}");
    assert!(lines[2].starts_with("{\"v\":1,\"error\":\"the question is not understood: unknown variant `dance`"));
    assert_eq!(lines[3], "{\"v\":1,\"ok\":\"fine\"}");
}

#[test]
fn an_endless_question_is_cut_off() {
    let answer = with_door(
        |_| None,
        |path| {
            let mut stream = UnixStream::connect(path.join(SOCKET)).unwrap();
            stream.write_all(&vec![b' '; LONGEST_QUESTION as usize]).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        },
    );
    assert_eq!(answer, "{\"v\":1,\"error\":\"the question is longer than 65536 bytes\"}\n");
}

#[test]
fn the_socket_is_closed_to_others_and_a_second_router_is_refused() {
    let (mode, second) = with_door(
        |_| None,
        |path| {
            let mode = std::fs::metadata(path.join(SOCKET)).unwrap().permissions().mode();
            (mode & 0o777, Door::open(path).map(drop).map_err(|error| error.kind()))
        },
    );
    assert_eq!((mode, second), (0o600, Err(io::ErrorKind::AddrInUse)));
}

#[test]
fn without_a_router_the_message_says_how_to_start_one() {
    let folder = Folder::new();
    let path = folder.0.join(SOCKET);
    let none = Err(Failure::NoRouter(path.clone()));
    assert_eq!(ask(&folder.0, Question::Status), none);
    // What a killed router leaves behind is no router, and is no hindrance to the next one.
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(ask(&folder.0, Question::Status), none);
    assert!(Door::open(&folder.0).is_ok());
}
