//! A CRM that was written for MegaFon's virtual PBX: one address for `cmd=event|history|contact`, and orders of its own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::office::{CUSTOMER, NUMBER, Office, until};
use crate::sip::Manner;
use crate::standin::{Answers, Asked, Standin};

#[derive(Default)]
pub struct Megafon {
    events: Vec<String>,
    history: Vec<Asked>,
}

impl Answers for Megafon {
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        if asked.field("crm_token") != "token-0" {
            return (401, json!({ "error": "Invalid token" }));
        }
        match asked.field("cmd").as_str() {
            "event" => {
                for needed in ["type", "callid", "phone", "user", "direction"] {
                    if asked.field(needed).is_empty() {
                        return (400, json!({ "error": "Invalid parameters" }));
                    }
                }
                self.events.push(format!("{} {}", asked.field("type"), asked.field("user")));
                (200, json!({}))
            }
            "history" => {
                self.history.push(asked.clone());
                (200, json!({}))
            }
            "contact" => (200, json!({ "contact_name": "Ада Байрон", "responsible": "vasyl" })),
            _ => (400, json!({ "error": "unsupported cmd" })),
        }
    }
}

fn crm(standin: &Standin<Megafon>, public: &str) -> String {
    format!(
        "[[crm]]\nname = \"vats\"\ndialect = \"megafon\"\nurl = \"http://{}/hook\"\ntoken = \"token-0\"\nkey = \"api-key\"\n\
         users = {{ 201 = \"ivan\", 202 = \"vasyl\" }}\n{public}",
        standin.address
    )
}

#[test]
fn a_call_is_told_live_and_stands_in_the_history_once_and_its_recording_is_played_by_its_link() {
    let standin = Standin::start(Megafon::default());
    let public = "public = \"http://router.example\"\n";
    let office = Office::new("megafon", "[media]\nrecord = \"external\"\n", &crm(&standin, public));
    office.talk("first", 1);
    office.provider.bye();
    until("the history", || standin.know(|mind| mind.history.len() == 1));
    standin.know(|mind| {
        let told: Vec<&str> = mind.events.iter().map(String::as_str).collect();
        assert_eq!(told, ["INCOMING ivan", "INCOMING vasyl", "CANCELLED ivan", "ACCEPTED vasyl", "COMPLETED vasyl"]);
        let history = &mind.history[0];
        let field = |name: &str| history.field(name);
        assert_eq!((field("status"), field("user"), field("type")), ("Success".into(), "vasyl".into(), "in".into()));
        assert_eq!((field("phone"), field("diversion")), ("79161234567".into(), "74951234567".into()));
        let path = field("link").strip_prefix("http://router.example").unwrap().to_owned();
        until("the file", || office.get(&path, "").0 == 200);
        let (status, part) = office.get(&path, "Range: bytes=0-3\r\n");
        assert_eq!((status, part.as_str()), (206, "RIFF"));
        assert_eq!(office.get(&path.replace("?key=", "?key=0"), "").0, 404);
    });
    // Whom it knows is known here from now on.
    until("the customer", || office.says(&["contacts", "lookup", CUSTOMER]).contains("Ада Байрон"));
    assert!(office.says(&["contacts", "lookup", CUSTOMER]).contains("202"));
    assert!(office.says(&["outbox"]).contains("nothing waits"));
}

#[test]
fn its_side_finds_users_and_history_where_it_looks_for_them() {
    let standin = Standin::start(Megafon::default());
    let office = Office::new("megafon-in", "", &crm(&standin, ""));
    office.provider.call("missed", CUSTOMER, NUMBER);
    office.phones[0].wait("INVITE", 1);
    office.provider.cancel("missed");
    until("the history", || standin.know(|mind| mind.history.len() == 1));
    assert_eq!(standin.know(|mind| mind.history[0].field("status")), "Missed");
    let key = "X-API-KEY: api-key\r\n";
    let (status, users) = office.get("/crmapi/v1/users?start=0&limit=100", key);
    let users: Value = serde_json::from_str(&users).unwrap();
    assert_eq!((status, &users["items"][1]["login"], &users["items"][1]["ext"]), (200, &json!("vasyl"), &json!("202")));
    let (_, history) = office.get("/crmapi/v1/history/json?period=today&type=missed&limit=5", key);
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(
        (&history[0]["status"], &history[0]["client"], &history[1]),
        (&json!("missed"), &json!("79161234567"), &Value::Null)
    );
    let (status, accounts) = office.post(
        "/sys/crm_api.wcgp",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "cmd=accounts&token=api-key",
    );
    assert!(status == 200 && accounts.contains("\"ext\":\"201\""), "{accounts}");
    office.phones[0].behave(Manner::Answer(Duration::from_millis(100)));
    office.phones[0].forget();
    let order = "{\"phone\":\"79161234567\",\"user\":\"ivan\"}";
    let json = format!("{key}Content-Type: application/json\r\n");
    let (status, made) = office.post("/crmapi/v1/makecall", &json, order);
    assert!(status == 200 && made.contains("callid"), "{made}");
    office.phones[0].wait("INVITE", 1);
    office.provider.wait("INVITE", 1);
    assert_eq!(office.post("/crmapi/v1/makecall", &json, "{\"phone\":\"79161234567\",\"user\":\"nobody\"}").0, 400);
    for (path, headers) in
        [("/crmapi/v1/users", ""), ("/crmapi/v1/users", "X-API-KEY: token-0\r\n"), ("/crmapi/v1/tea", key)]
    {
        assert!([400, 401].contains(&office.get(path, headers).0), "{path} {headers}");
    }
}
