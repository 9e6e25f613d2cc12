//! Bitrix24's traps, as its documentation tells them: the same numbers are the same call for 30 minutes, a finish needs a
//! registration, one recording is kept and only what is pushed arrives, and more than two requests a second are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::office::{CUSTOMER, Office, until};
use crate::sip::Manner;
use crate::standin::{Answers, Asked, Health, Standin};

#[derive(Clone, Debug, Default)]
struct Call {
    key: String,
    external: String,
    finished: Option<Value>,
    shown: BTreeSet<u64>,
    ever_shown: BTreeSet<u64>,
    record: Option<String>,
}

#[derive(Default)]
pub struct Bitrix24 {
    calls: BTreeMap<String, Call>,
    contacts: Vec<Value>,
    /// A bucket that leaks two requests a second and holds four.
    level: f64,
    last: Option<Instant>,
    limited: usize,
    /// Where it is spoken to as an application: the access that is good, and how often it was renewed.
    access: Option<String>,
    renewed: usize,
}

impl Bitrix24 {
    fn is_asked_too_often(&mut self) -> bool {
        let now = Instant::now();
        let leaked = self.last.map_or(0.0, |last| (now - last).as_secs_f64() * 2.0);
        self.last = Some(now);
        self.level = (self.level - leaked).max(0.0) + 1.0;
        self.level > 4.0
    }

    fn order(&mut self, method: &str, body: &Value) -> Result<Value, (&'static str, &'static str)> {
        let core = |why| Err(("ERROR_CORE", why));
        let user = body.get("USER_ID").or(body.get("USER_PHONE_INNER"));
        let id = body["CALL_ID"].as_str().unwrap_or_default();
        match method {
            "telephony.externalcall.register" => {
                let (Some(user), Some(phone)) = (user, body["PHONE_NUMBER"].as_str()) else {
                    return core("USER_ID or USER_PHONE_INNER should be set");
                };
                let key =
                    format!("{phone} {} {user} {} {}", body["TYPE"], body["LINE_NUMBER"], body["EXTERNAL_CALL_ID"]);
                let open = self.calls.iter().find(|(_, call)| call.key == key && call.finished.is_none());
                let id =
                    open.map(|(id, _)| id.clone()).unwrap_or_else(|| format!("externalCall.{}", self.calls.len() + 1));
                let external = body["EXTERNAL_CALL_ID"].as_str().unwrap_or_default().to_owned();
                self.calls.entry(id.clone()).or_insert(Call { key, external, ..Call::default() });
                Ok(json!({ "CALL_ID": id, "CRM_CREATED_LEAD": null, "CRM_ENTITY_TYPE": null }))
            }
            "telephony.externalcall.show" | "telephony.externalcall.hide" => {
                let Some(call) = self.calls.get_mut(id) else { return Ok(json!(false)) };
                let users = body["USER_ID"].as_array().cloned().unwrap_or_else(|| vec![body["USER_ID"].clone()]);
                for user in users.iter().filter_map(Value::as_u64) {
                    if method.ends_with("show") {
                        call.shown.insert(user);
                        call.ever_shown.insert(user);
                    } else {
                        call.shown.remove(&user);
                    }
                }
                Ok(json!(true))
            }
            "telephony.externalcall.finish" => match self.calls.get_mut(id) {
                Some(call) if call.finished.is_none() => {
                    call.finished = Some(body.clone());
                    call.shown.clear();
                    Ok(json!({ "CALL_ID": id, "CRM_ACTIVITY_ID": 1 }))
                }
                _ => core("Call is not found (call should be registered prior to finishing)"),
            },
            "telephony.externalCall.attachRecord" => match self.calls.get_mut(id) {
                Some(call) if call.finished.is_some() => {
                    // An address of ours is tried once, does not answer from there, and is forgotten.
                    if let Some(content) = body["FILE_CONTENT"].as_str() {
                        call.record = Some(content.to_owned());
                    }
                    Ok(json!({ "FILE_ID": 1 }))
                }
                _ => Err(("", "Call is not found in the statistic table. It looks like it is not finished yet.")),
            },
            "telephony.externalCall.searchCrmEntities" => {
                let phone = body["PHONE_NUMBER"].as_str().unwrap_or_default();
                let has =
                    |contact: &&Value| contact["PHONE"][0]["VALUE"].as_str().is_some_and(|own| own.ends_with(phone));
                let entity = |contact: &Value| {
                    json!({ "CRM_ENTITY_TYPE": "CONTACT", "CRM_ENTITY_ID": contact["ID"], "NAME": contact["NAME"],
                        "ASSIGNED_BY_ID": contact["ASSIGNED_BY_ID"], "ASSIGNED_BY": { "USER_PHONE_INNER": null } })
                };
                Ok(self.contacts.iter().filter(has).map(entity).collect())
            }
            _ => Err(("ERROR_METHOD_NOT_FOUND", "Method not found!")),
        }
    }

    fn list(&self, body: &Value) -> Value {
        let start = body["start"].as_u64().unwrap_or(0) as usize;
        let since = body["filter"][">=DATE_MODIFY"].as_str().unwrap_or_default();
        let changed = self.contacts.iter().filter(|one| one["DATE_MODIFY"].as_str().unwrap_or_default() >= since);
        let changed: Vec<&Value> = changed.collect();
        let page: Vec<&Value> = changed.iter().skip(start).take(50).copied().collect();
        let mut answer = json!({ "result": page, "total": changed.len() });
        if start + 50 < changed.len() {
            answer["next"] = json!(start + 50);
        }
        answer
    }

    fn of(&self, external: &str) -> Vec<&Call> {
        self.calls.values().filter(|call| call.external == external).collect()
    }
}

impl Answers for Bitrix24 {
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        if self.is_asked_too_often() {
            self.limited += 1;
            return (503, json!({ "error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests" }));
        }
        let method = asked.path.rsplit('/').next().unwrap_or_default();
        if asked.path == "/oauth/token/" {
            // Each refresh token is good once.
            if asked.field("refresh_token") != format!("refresh-{}", self.renewed) {
                return (400, json!({ "error": "invalid_grant" }));
            }
            self.renewed += 1;
            self.access = Some(format!("access-{}", self.renewed));
            let refresh = format!("refresh-{}", self.renewed);
            return (200, json!({ "access_token": self.access, "refresh_token": refresh, "expires_in": 3600 }));
        }
        if let Some(access) = &self.access
            && asked.query != format!("auth={access}")
        {
            return (
                401,
                json!({ "error": "expired_token", "error_description": "The access token provided has expired." }),
            );
        }
        match method {
            "crm.contact.list" => (200, self.list(&asked.json())),
            "crm.company.list" | "crm.lead.list" => (200, json!({ "result": [], "total": 0 })),
            _ => match self.order(method, &asked.json()) {
                Ok(result) => (200, json!({ "result": result })),
                Err((error, why)) => (400, json!({ "error": error, "error_description": why })),
            },
        }
    }
}

fn crm(standin: &Standin<Bitrix24>, more: &str) -> String {
    format!(
        "[[crm]]\nname = \"b24\"\ndialect = \"bitrix24\"\nurl = \"http://{}/rest/1/hook\"\nkey = \"app-token\"\n\
         users = {{ 201 = \"11\", 202 = \"12\" }}\ndefault_user = \"1\"\ncreate = true\n{more}",
        standin.address
    )
}

const RECORDED: &str = "[media]\nrecord = \"external\"\n";

/// The one call that there is: its name there, and what it is.
fn only(standin: &Standin<Bitrix24>) -> (String, Call) {
    standin.know(|mind| {
        assert_eq!(mind.calls.len(), 1, "{:?}", mind.calls);
        mind.calls.iter().map(|(id, call)| (id.clone(), call.clone())).next().unwrap()
    })
}

#[test]
fn a_call_that_is_handed_on_is_one_call_finished_by_who_talked_last_with_its_recording() {
    let standin = Standin::start(Bitrix24::default());
    let office = Office::new("b24", RECORDED, &crm(&standin, ""));
    office.talk("first", 0);
    until("the windows", || standin.know(|mind| mind.calls.values().any(|call| call.shown == [11].into())));
    office.phones[1].behave(Manner::Answer(Duration::from_millis(300)));
    office.phones[0].refer("202");
    office.phones[1].wait("INVITE", 2);
    until("the window of whom it was given to", || only(&standin).1.shown == [12].into());
    std::thread::sleep(Duration::from_millis(1_200));
    office.provider.bye();
    until("the finish", || only(&standin).1.finished.is_some());
    let (_, call) = only(&standin);
    let finish = call.finished.unwrap();
    assert_eq!((&finish["USER_ID"], &finish["STATUS_CODE"]), (&json!(12), &json!("200")));
    assert!((1..=60).contains(&finish["DURATION"].as_u64().unwrap()), "{finish}");
    assert_eq!((call.shown, call.ever_shown), (BTreeSet::new(), [11, 12].into()));
    until("the recording", || only(&standin).1.record.is_some());
    assert!(only(&standin).1.record.unwrap().starts_with("UklGR"), "a WAV file");
}

#[test]
fn two_missed_calls_of_one_number_within_a_minute_are_two() {
    let standin = Standin::start(Bitrix24::default());
    let office = Office::new("b24-missed", "", &crm(&standin, ""));
    for id in ["one", "two"] {
        let before = office.phones[0].seen().iter().filter(|seen| seen.what == "INVITE").count();
        office.provider.call(id, CUSTOMER, crate::office::NUMBER);
        office.phones[0].wait("INVITE", before + 1);
        office.provider.cancel(id);
        office.phones[0].wait("CANCEL", before + 1);
    }
    until("both", || standin.know(|mind| mind.calls.values().filter(|call| call.finished.is_some()).count() == 2));
    standin.know(|mind| {
        let codes: Vec<_> =
            mind.calls.values().map(|call| call.finished.as_ref().unwrap()["STATUS_CODE"].clone()).collect();
        assert_eq!((mind.calls.len(), codes), (2, vec![json!("304"), json!("304")]));
        assert_eq!(mind.limited, 0, "it was asked no more often than it bears");
    });
}

#[test]
fn a_kill_while_it_is_told_leaves_one_registration_and_one_finish() {
    let standin = Standin::start(Bitrix24::default());
    let mut office = Office::new("b24-held", "", &crm(&standin, ""));
    for (what, method) in [("registered", "externalcall.register"), ("finished", "externalcall.finish")] {
        let asked = |method: &str| standin.asked().iter().filter(|asked| asked.path.ends_with(method)).count();
        let before = asked(method);
        // It does what it is asked; the router is gone before it hears that.
        if method.ends_with("register") {
            standin.be(Health::Holds(Duration::from_secs(8)));
        }
        office.talk(what, 0);
        until("the request", || asked("externalcall.register") > 0);
        if method.ends_with("finish") {
            until("the window", || standin.know(|mind| mind.calls.values().any(|call| call.shown == [11].into())));
            standin.be(Health::Holds(Duration::from_secs(8)));
            office.provider.bye();
        }
        until("the request in question", || asked(method) > before);
        office.kill();
        standin.be(Health::Well);
        // Their dialogs died with the router.
        office.provider.forget();
        office.serve();
        until("the end", || {
            office.says(&["outbox", "retry"]);
            office.says(&["outbox"]).contains("nothing waits")
        });
    }
    standin.know(|mind| {
        let of_each: BTreeMap<&str, usize> = mind.calls.values().fold(BTreeMap::new(), |mut of, call| {
            *of.entry(call.external.as_str()).or_default() += 1;
            of
        });
        assert!(of_each.len() == 2 && of_each.values().all(|count| *count == 1), "{of_each:?}");
        assert!(mind.calls.values().all(|call| call.finished.is_some()));
    });
}

#[test]
fn as_an_application_it_is_spoken_to_with_an_access_that_is_renewed_when_it_ends() {
    let standin = Standin::start(Bitrix24 { access: Some("nobody has it".into()), ..Bitrix24::default() });
    let oauth = format!(
        "oauth = {{ server = \"http://{}\", client = \"app\", secret = \"s\", refresh = \"refresh-0\" }}\n",
        standin.address
    );
    let mut office = Office::new("b24-oauth", "", &crm(&standin, &oauth));
    let missed = |office: &Office, id: &str, finished: usize| {
        office.provider.call(id, CUSTOMER, crate::office::NUMBER);
        office.phones[0].wait("INVITE", 1);
        office.provider.cancel(id);
        office.phones[0].wait("CANCEL", 1);
        office.phones[0].forget();
        until("the finish", || {
            standin.know(|mind| mind.calls.values().filter(|call| call.finished.is_some()).count() == finished)
        });
    };
    missed(&office, "one", 1);
    // An hour later; and the token of the config was good once, so what followed it must have been kept.
    standin.know(|mind| mind.access = Some("another".into()));
    office.kill();
    office.serve();
    missed(&office, "two", 2);
    assert_eq!(standin.know(|mind| (mind.renewed, mind.calls.len())), (2, 2));
}

#[test]
fn a_click_on_a_number_there_is_a_call_here_and_finished_under_its_own_name() {
    let standin = Standin::start(Bitrix24::default());
    standin.know(|mind| mind.calls.insert("externalCall.77".into(), Call::default()));
    let office = Office::new("b24-click", "", &crm(&standin, ""));
    office.phones[0].behave(Manner::Answer(Duration::from_millis(100)));
    office.provider.behave(Manner::Answer(Duration::from_millis(100)));
    let click = |token: &str, user: &str| {
        let form = format!(
            "event=ONEXTERNALCALLSTART&data[PHONE_NUMBER]=89161234567&data[PHONE_NUMBER_INTERNATIONAL]=%2B79161234567&\
             data[USER_ID]={user}&data[CALL_ID]=externalCall.77&auth[application_token]={token}"
        );
        office.post("/bitrix24", "Content-Type: application/x-www-form-urlencoded\r\n", &form).0
    };
    assert_eq!((click("another", "11"), click("app-token", "99")), (401, 400));
    assert_eq!(click("app-token", "11"), 200);
    office.phones[0].wait("INVITE", 1);
    office.provider.wait("INVITE", 1);
    std::thread::sleep(Duration::from_millis(1_600));
    office.phones[0].bye();
    until("the finish", || standin.know(|mind| mind.calls["externalCall.77"].finished.is_some()));
    let (_, call) = only(&standin);
    let finish = call.finished.unwrap();
    assert_eq!((&finish["USER_ID"], &finish["STATUS_CODE"]), (&json!(11), &json!("200")));
    assert!((1..=60).contains(&finish["DURATION"].as_u64().unwrap()), "{finish}");
    // A form asks to be called back: by whoever stands for everybody, or the first whom it knows.
    let form = "event=ONEXTERNALCALLBACKSTART&data[PHONE_NUMBER]=79161234567&auth[application_token]=app-token";
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(office.post("/bitrix24", headers, form).0, 200);
    office.phones[0].wait("INVITE", 2);
}

#[test]
fn whatever_is_lost_on_the_way_or_with_the_process_nothing_is_made_twice() {
    let standin = Standin::start(Bitrix24::default());
    let mut office = Office::new("b24-kill", RECORDED, &crm(&standin, ""));
    // It hears the registration; nobody hears its answer.
    standin.be(Health::LosesAnswers(1));
    office.talk("killed", 0);
    office.provider.bye();
    office.phones[0].wait("BYE", 1);
    until("the call in the list", || office.says(&["calls"]).contains("recorded"));
    office.kill();
    office.serve();
    office.says(&["outbox", "retry"]);
    until("the finish", || standin.know(|mind| mind.calls.values().any(|call| call.finished.is_some())));
    until("the recording", || only(&standin).1.record.is_some());
    // Once more with the finish in doubt.
    let external = only(&standin).1.external;
    standin.know(|mind| assert_eq!(mind.of(&external).len(), 1));
    until("the outbox", || office.says(&["outbox"]).contains("nothing waits"));
}

#[test]
fn whom_it_knows_is_known_here_by_pull_and_as_they_call() {
    let contact = |id: usize, phone: &str, by: &str| {
        json!({ "ID": id.to_string(), "NAME": format!("Customer {id}"), "ASSIGNED_BY_ID": by,
            "PHONE": [{ "VALUE": phone }], "DATE_MODIFY": format!("2026-11-24T10:{:02}:{:02}+03:00", id / 60, id % 60) })
    };
    let contacts = (0..120).map(|id| contact(id, &format!("+7495{:07}", 1_000_000 + id), "12")).collect();
    let standin = Standin::start(Bitrix24 { contacts, ..Bitrix24::default() });
    let office = Office::new("b24-pull", "", &crm(&standin, "pull = \"1m\"\n"));
    until("the last page", || office.says(&["contacts", "lookup", "+74951000119"]).contains("Customer 119"));
    assert!(office.says(&["contacts", "lookup", "84951000007"]).contains("202"), "the responsible employee");
    // Somebody who was written down there a moment ago.
    standin.know(|mind| mind.contacts.push(contact(500, "79161234567", "11")));
    office.provider.call("new", CUSTOMER, crate::office::NUMBER);
    office.phones[0].wait("INVITE", 1);
    until("the answer", || office.says(&["contacts", "lookup", CUSTOMER]).contains("Customer 500"));
    office.provider.cancel("new");
}
