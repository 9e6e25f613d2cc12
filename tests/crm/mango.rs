//! The external system of a Mango Office virtual PBX: signed forms, legs told of by count.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::office::{Office, until};
use crate::sip::{Manner, Peer};
use crate::standin::{Answers, Asked, Standin};

#[derive(Default)]
pub struct Mango {
    /// The states of each leg, in the order of their count.
    legs: BTreeMap<String, Vec<String>>,
    summaries: Vec<Value>,
    recordings: Vec<Value>,
}

impl Answers for Mango {
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        let (key, json) = (asked.field("vpbx_api_key"), asked.field("json"));
        if asked.field("sign") != huntline::crm::mango::sign("key-0", &json, "salt-0") || key != "key-0" {
            return (401, json!({}));
        }
        let event: Value = serde_json::from_str(&json).unwrap();
        match asked.path.as_str() {
            "/mango/events/call" => {
                let states = self.legs.entry(event["call_id"].as_str().unwrap().to_owned()).or_default();
                // One that came twice, or late.
                if event["seq"].as_u64().unwrap() as usize == states.len() + 1 {
                    states.push(event["call_state"].as_str().unwrap().to_owned());
                }
            }
            "/mango/events/summary" => self.summaries.push(event),
            "/mango/events/record/added" => self.recordings.push(event),
            _ => {}
        }
        (200, json!({}))
    }
}

#[test]
fn each_leg_is_told_of_in_order_and_the_whole_once() {
    let standin = Standin::start(Mango::default());
    let crm = format!(
        "[[crm]]\nname = \"mango\"\ndialect = \"mango\"\nurl = \"http://{}/mango\"\nkey = \"key-0\"\nsalt = \"salt-0\"\n",
        standin.address
    );
    let office = Office::new("mango", "[media]\nrecord = \"external\"\n", &crm);
    office.talk("first", 0);
    // The order of an impostor, and one for a call that is none.
    let ordered = |command: &str, json: &str, salt: &str| {
        let sign = huntline::crm::mango::sign("key-0", json, salt);
        let form = format!("vpbx_api_key=key-0&sign={sign}&json={}", huntline::crm::wire::encoded(json));
        office
            .post(&format!("/vpbx/commands/{command}"), "Content-Type: application/x-www-form-urlencoded\r\n", &form)
            .0
    };
    let order = |json: &str, salt: &str| ordered("call/hangup", json, salt);
    let legs = || standin.know(|mind| mind.legs.clone());
    until("the talk", || legs().values().any(|states| states.last().is_some_and(|state| state == "Connected")));
    let talks =
        legs().into_iter().find(|(_, states)| states.last().is_some_and(|state| state == "Connected")).unwrap().0;
    let hang_up = format!("{{\"command_id\":\"1\",\"call_id\":\"{talks}\"}}");
    assert_eq!((order(&hang_up, "salt-1"), order("{\"call_id\":\"tea\"}", "salt-0")), (401, 400));
    assert_eq!(order(&hang_up, "salt-0"), 200);
    office.phones[0].wait("BYE", 1);
    until("the summary", || standin.know(|mind| mind.summaries.len() == 1));
    until("the recording", || standin.know(|mind| mind.recordings.len() == 1));
    // Who is handed the next talk, and a call by order.
    standin.know(|mind| {
        let states: Vec<Vec<&str>> =
            mind.legs.values().map(|states| states.iter().map(String::as_str).collect()).collect();
        assert_eq!(states, [vec!["Appeared", "Connected", "Disconnected"], vec!["Appeared", "Disconnected"]]);
        let summary = &mind.summaries[0];
        assert_eq!((&summary["entry_result"], &summary["to"]["extension"]), (&json!(1), &json!("201")));
    });
    office.phones[0].behave(Manner::Answer(Duration::from_millis(100)));
    office.provider.behave(Manner::Answer(Duration::from_millis(100)));
    office.phones.iter().for_each(Peer::forget);
    office.provider.forget();
    let call = r#"{"command_id":"7","from":{"extension":"201"},"to_number":"79161234567"}"#;
    assert_eq!(ordered("callback", call, "salt-0"), 200);
    office.provider.wait("INVITE", 1);
    let states = |ending: &str, state: &str| {
        legs().iter().rev().any(|(leg, states)| leg.ends_with(ending) && states.len() == 2 && states[1] == state)
    };
    until("the talk", || states(":201", "Connected"));
    let leg = legs().into_iter().find(|(_, states)| states == &["Appeared", "Connected"]).unwrap().0;
    let transfer = format!(r#"{{"command_id":"8","call_id":"{leg}","to_number":"202","method":"blind"}}"#);
    assert_eq!(ordered("transfer", &transfer, "salt-0"), 200);
    office.phones[1].wait("INVITE", 1);
}
