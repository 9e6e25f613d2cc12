//! SMS and Telegram: what providers and bots are asked, and what their answers mean.

use std::sync::Arc;
use std::time::Duration;

use huntline::clock::Timestamp;
use huntline::config::{Config, Nothing};
use huntline::drive::Clock;
use huntline::fact::{Alarm, Fact, Noted};
use huntline::letter::{Carrier, Letter};
use huntline::outbox::{Bell, Pace, Postman};
use huntline::store::{OutboxFilter, OutboxRow, Outgoing, Reader, Writer};
use serde_json::json;

use crate::office::until;
use crate::stand_in::{Answer, StandIn};

/// Writes these letters of the first fact.
#[derive(Debug)]
struct Once(Vec<Letter>);

impl Outgoing for Once {
    fn config(&self) -> Option<Arc<Config>> {
        None
    }
    fn letters(&self, _fact: &Fact) -> Vec<Letter> {
        self.0.clone()
    }
    fn posted(&self) {}
}

/// A database with letters in it, and a postman of its own.
struct Round {
    folder: std::path::PathBuf,
    told: std::sync::mpsc::Receiver<Fact>,
}

impl Round {
    fn of(name: &str, config: &str, letters: Vec<Letter>) -> Round {
        let folder =
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("round-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut writer = Writer::open(&folder).unwrap();
        writer.tell(Once(letters));
        writer.append(&[Noted { number: 1, at: Timestamp::now(), fact: Fact::Stopped }]).unwrap();
        let text = format!("[site]\nnumbering = {{ country = \"7\" }}\n{config}");
        let config =
            Config::read("office.toml".as_ref(), &text, &Nothing).map_err(|why| why.to_string()).unwrap().config;
        let config = Arc::new(config);
        let (tell, told) = std::sync::mpsc::channel();
        let pace = Pace { pauses: vec![Duration::from_millis(50); 3], at_once: 8 };
        let postman = Postman {
            directory: folder.clone(),
            current: Arc::new(move || Some(config.clone())),
            bell: Bell::default(),
            clock: Clock::start(),
            crm: None,
            pace,
            tell: Box::new(move |fact| drop(tell.send(fact))),
        };
        postman.start().unwrap();
        Round { folder, told }
    }

    fn rows(&self) -> Vec<OutboxRow> {
        let filter = OutboxFilter { sent: true, ..OutboxFilter::default() };
        Reader::open(&self.folder).unwrap().outbox(&filter).unwrap()
    }

    fn settles(&self) -> Vec<OutboxRow> {
        until(|| self.rows().iter().all(|row| row.due.is_none()));
        self.rows()
    }
}

fn letter(carrier: Carrier, to: &str, body: serde_json::Value) -> Letter {
    Letter { carrier, to: to.into(), about: "1-0".into(), call: None, body }
}

#[test]
fn an_sms_is_whatever_its_provider_wants_to_be_asked() {
    let form = StandIn::start(|_, _| Answer { body: "OK: 1 message", ..Answer::of(200) });
    let config = format!(
        "[sms]\nurl = \"{}\"\nbody = \"to={{plain_number}}&text={{text}}&from={{from}}&id={{id}}\"\nfrom = \"Строй & Ко\"\n\
         headers = {{ X-Key = \"Bearer {{password}}\" }}\npassword = \"pass word\"\nok = {{ text = \"OK\" }}\n",
        form.url("/send?to={number}")
    );
    let text = json!({ "text": "Ждём & ждём" });
    let round = Round::of("form", &config, vec![letter(Carrier::Sms, "+79161234567", text)]);
    let rows = round.settles();
    assert!(rows[0].sent.is_some(), "{rows:?}");
    let asked = form.asked().remove(0);
    assert_eq!((&*asked.line, asked.header("x-key")), ("POST /send?to=%2B79161234567", "Bearer pass word"));
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    let start = "to=79161234567&text=%D0%96%D0%B4%D1%91%D0%BC%20%26%20%D0%B6%D0%B4%D1%91%D0%BC&from=%D0%A1";
    assert!(asked.body.starts_with(start), "{}", asked.body);
    let told = round.told.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(matches!(&told, Fact::Delivered { to, failed: None, .. } if **to == *"+79161234567"), "{told:?}");

    let json_provider = StandIn::start(|_, _| Answer::of(202));
    let config = format!(
        "[sms]\nurl = \"{}\"\ncontent_type = \"json\"\nbody = '{{\"to\": \"{{number}}\", \"text\": \"{{text}}\"}}'\n",
        json_provider.url("/v1")
    );
    let round = Round::of("json", &config, vec![letter(Carrier::Sms, "+79161234567", json!({ "text": "\"hi\"\n" }))]);
    round.settles();
    assert_eq!(json_provider.asked()[0].json(), json!({ "to": "+79161234567", "text": "\"hi\"\n" }));
}

#[test]
fn an_sms_that_the_provider_does_not_take_is_tried_again_and_then_given_up_and_told() {
    let provider = StandIn::start(|_, _| Answer { body: "ERROR = 3 (no money)", ..Answer::of(200) });
    let config = format!(
        "[sms]\nurl = \"{}\"\nmethod = \"GET\"\nok = {{ text = \"OK\" }}\n",
        provider.url("/?to={plain_number}&text={text}")
    );
    let sms = letter(Carrier::Sms, "+79161234567", json!({ "text": "hi" }));
    let round = Round::of("refused", &config, vec![sms]);
    let rows = round.settles();
    let error = "it answered 200 OK: ERROR = 3 (no money)";
    assert_eq!((rows[0].sent, rows[0].tries, rows[0].error.as_deref()), (None, 4, Some(error)));
    assert_eq!(provider.asked()[0].line, "GET /?to=79161234567&text=hi");
    let told: Vec<Fact> = (0..2).map(|_| round.told.recv_timeout(Duration::from_secs(5)).unwrap()).collect();
    assert!(matches!(&told[0], Fact::Delivered { failed: Some(why), .. } if why == error), "{told:?}");
    assert!(matches!(&told[1], Fact::Alarm(Alarm::Undelivered { .. })), "{told:?}");
}

#[test]
fn a_bot_that_asks_for_peace_gets_it_and_its_token_stands_in_no_error() {
    let bot = StandIn::start(|count, _| match count {
        0 => Answer {
            body: "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after 1\",\
                   \"parameters\":{\"retry_after\":1}}",
            ..Answer::of(429)
        },
        _ => Answer { body: "{\"ok\":true}", ..Answer::of(200) },
    });
    let config = format!("[telegram]\ntoken = \"12:hunter2\"\napi = \"{}\"\n", bot.url(""));
    let message = letter(Carrier::Telegram, "-100123", json!({ "text": "A call was missed" }));
    let round = Round::of("telegram", &config, vec![message.clone()]);
    let rows = round.settles();
    assert!(rows[0].sent.is_some() && rows[0].tries == 2, "{rows:?}");
    let asked = bot.asked();
    assert_eq!(asked[1].line, "POST /bot12:hunter2/sendMessage");
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1));
    assert_eq!(
        (&asked[1].json()["chat_id"], &asked[1].json()["text"]),
        (&json!("-100123"), &json!("A call was missed"))
    );

    let nobody = std::net::TcpListener::bind("127.0.0.29:0").unwrap().local_addr().unwrap();
    let config = format!("[telegram]\ntoken = \"12:hunter2\"\napi = \"http://{nobody}\"\n");
    let round = Round::of("nobody", &config, vec![message]);
    until(|| round.rows()[0].error.is_some());
    let error = round.rows()[0].error.clone().unwrap();
    assert!(error.contains("refused") && !error.contains("hunter2"), "{error}");
}
