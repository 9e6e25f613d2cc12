//! Mango Office: the CRM is the "external system" of its virtual PBX, to which signed events are posted.
//!
//! Verified in a digest of Mango's API (document of 2026-02-16) and in connectors on GitHub: the form `vpbx_api_key`, `sign`,
//! `json`; `sign` as the hex SHA-256 of key, JSON and salt; the fields and words of `/events/call`, `/events/summary`,
//! `/events/recording` and `/events/record/added`; that `seq` counts within a `call_id` and that late events are told by it;
//! `entry_id` for the whole call and `call_id` for each of its legs; reasons `11xx` for a normal end. From general
//! knowledge: which of the `11xx` means what, `sip:NUMBER` as the number of an employee, and 0 as `product_id`.
//!
//! What is one call here is one `entry_id` there; each time that somebody is rung is a `call_id`. The `ivr` leg of the
//! original is not told of: nothing rings on it.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::news::Call;
use super::teller::Teller;
use super::wire::{Failed, Leg, LegNow, Request, Told};
use crate::event::EventKind;

/// It ended as calls end.
const NORMAL: u32 = 1100;
/// The caller gave up.
const GIVEN_UP: u32 = 1110;

/// Tells of one event.
///
/// # Errors
/// The CRM does not take it.
pub fn tell(mut teller: Teller<'_>) -> Result<Told, Failed> {
    match teller.news.kind {
        EventKind::CallStarted if !teller.call.is_inbound() => {
            if let Some(extension) = teller.call.from.extension.clone() {
                teller.told.legs.entry(extension.clone()).or_default();
                teller.say(&extension, "Appeared", None)?;
            }
            teller.keep()?;
        }
        // Whoever dialled has the only leg of an outbound call.
        EventKind::CallRinging if teller.call.is_inbound() => {
            let fresh = teller.begin_ringing();
            teller.told.registered = teller.told.registered.take().or_else(|| fresh.first().cloned());
            for extension in teller.stop_ringing(false) {
                teller.say(&extension, "Disconnected", Some(NORMAL))?;
            }
            for extension in fresh {
                teller.say(&extension, "Appeared", None)?;
            }
            teller.keep()?;
        }
        EventKind::CallAnswered | EventKind::CallTransferred if teller.call.is_inbound() => {
            let (now, before) = teller.change_of_talkers();
            let gone = teller.stop_ringing(now.is_some());
            for extension in gone.into_iter().chain(before) {
                teller.say(&extension, "Disconnected", Some(NORMAL))?;
            }
            if let Some(now) = now {
                teller.say(&now, "Connected", None)?;
            }
            teller.keep()?;
        }
        EventKind::CallAnswered => {
            if let Some(extension) = teller.call.from.extension.clone() {
                teller.told.legs.entry(extension.clone()).or_default().now = LegNow::Talks;
                teller.say(&extension, "Connected", None)?;
            }
            teller.keep()?;
        }
        EventKind::CallHeld => {
            let talks = teller.told.legs.iter().find(|(_, leg)| leg.now == LegNow::Talks);
            if let Some(extension) = talks.map(|(extension, _)| extension.clone()) {
                let held = teller.news.data["held"] != json!(false);
                teller.say(&extension, if held { "OnHold" } else { "Connected" }, None)?;
            }
            teller.keep()?;
        }
        EventKind::CallEnded if !teller.told.ended => {
            let talked = teller.call.was_answered();
            let reason = if !talked && teller.news.data["missed"] == "abandoned" { GIVEN_UP } else { NORMAL };
            let open = teller.told.legs.iter().filter(|(_, leg)| leg.now != LegNow::Over);
            let open: Vec<Arc<str>> = open.map(|(extension, _)| extension.clone()).collect();
            for extension in open {
                teller.say(&extension, "Disconnected", Some(reason))?;
                teller.told.legs.entry(extension).or_default().now = LegNow::Over;
            }
            let summary = teller.summary(reason);
            teller.signed("/events/summary", &summary)?;
            teller.told.ended = true;
            teller.keep()?;
        }
        EventKind::RecordingReady if !teller.news.data["mailbox"].is_string() => {
            let call = teller.call;
            let extension = call.employee().map_or("", |extension| extension);
            let at = teller.news.time.as_second();
            let completed = json!({
                "recording_id": call.id, "recording_state": "Completed", "seq": 1, "entry_id": call.id,
                "call_id": leg_id(call, extension, 0), "extension": extension, "timestamp": at,
                "completion_code": 1000, "recipient": "Cloud",
            });
            teller.signed("/events/recording", &completed)?;
            let added = json!({
                "entry_id": call.id, "product_id": 0, "user_id": -1, "recording_id": call.id, "timestamp": at,
            });
            teller.signed("/events/record/added", &added)?;
        }
        _ => {}
    }
    Ok(teller.told)
}

fn leg_id(call: &Call, extension: &str, round: u32) -> String {
    match round {
        0 => format!("{}:{extension}", call.id),
        round => format!("{}:{extension}:{round}", call.id),
    }
}

impl Teller<'_> {
    /// What is said of one of us. A window is only opened by what is still true, but the count goes on.
    fn say(&mut self, extension: &str, state: &str, reason: Option<u32>) -> Result<(), Failed> {
        let leg = self.told.legs.entry(extension.into()).or_default();
        leg.seq += 1;
        let Leg { seq, round, .. } = *leg;
        if self.stale {
            return Ok(());
        }
        let call = self.call;
        let (from, to) = sides(call, extension);
        let mut event = json!({
            "entry_id": call.id, "call_id": leg_id(call, extension, round), "timestamp": self.news.time.as_second(),
            "seq": seq, "call_state": state, "location": "abonent", "from": from, "to": to,
        });
        if let Some(reason) = reason {
            event["disconnect_reason"] = json!(reason);
        }
        self.signed("/events/call", &event)
    }

    fn summary(&self, reason: u32) -> Value {
        let call = self.call;
        let ended = call.ended.unwrap_or(self.news.time).as_second();
        let began = call.began.map_or(ended, |began| began.as_second());
        let talked = call.answered.map(|answered| answered.as_second());
        // The one who answered; of a call that nobody did the one who missed it first.
        let whom = call.last_talker().or(self.told.registered.as_ref()).or(call.employee());
        let (from, mut to) = sides(call, whom.map_or("", |whom| whom));
        if let Some(to) = to.as_object_mut() {
            to.remove("line_number");
        }
        json!({
            "entry_id": call.id,
            "call_direction": if call.is_inbound() { 1 } else { 2 },
            "from": from,
            "to": to,
            "line_number": call.line(),
            "create_time": began,
            "forward_time": if talked.is_some() || !call.is_inbound() { began } else { 0 },
            "talk_time": talked.unwrap_or(0),
            "end_time": ended,
            "entry_result": i32::from(talked.is_some()),
            "disconnect_reason": reason,
        })
    }

    fn signed(&mut self, path: &str, event: &Value) -> Result<(), Failed> {
        let json = event.to_string();
        let [key, salt] = [&self.crm.key, &self.crm.salt].map(|secret| secret.as_ref().map_or("", |it| it.expose()));
        let sign = sign(key, &json, salt);
        let fields = [("vpbx_api_key", key), ("sign", &sign), ("json", &json)];
        let request = Request::form(format!("{}{path}", self.crm.url), fields);
        self.send(request).map(drop)
    }
}

/// Who calls, and whom, with the employee where they are.
fn sides(call: &Call, extension: &str) -> (Value, Value) {
    let ours = |number: Value| match extension {
        "" => json!({ "number": number }),
        extension => json!({ "extension": extension, "number": number }),
    };
    let customer = json!({ "number": call.phone().unwrap_or_default() });
    if !call.is_inbound() {
        return (ours(json!(call.line())), customer);
    }
    let mut to = ours(if extension.is_empty() { json!(call.line()) } else { json!(format!("sip:{extension}")) });
    to["line_number"] = json!(call.line());
    (customer, to)
}

/// The hex SHA-256 of key, JSON and salt.
pub fn sign(key: &str, json: &str, salt: &str) -> String {
    let digest = Sha256::new().chain_update(key).chain_update(json).chain_update(salt).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;
    use super::*;

    const CRM: &str = "dialect = \"mango\"\nurl = \"https://crm.example/mango\"\nkey = \"k0\"\nsalt = \"s0\"\n";

    /// The path and the JSON, whose signature was looked at.
    fn short(asked: &[String]) -> Vec<(String, Value)> {
        let one = |line: &String| {
            let (path, form) = line.strip_prefix("POST https://crm.example/mango").unwrap().split_once(' ').unwrap();
            let (head, json) = form.split_once(" json=").unwrap();
            assert_eq!(head, format!("vpbx_api_key=k0 sign={}", sign("k0", json, "s0")));
            (path.to_owned(), serde_json::from_str(json).unwrap())
        };
        asked.iter().map(one).collect()
    }

    fn event(ext: &str, leg: &str, seq: u32, state: &str, at: i64, reason: Option<u32>) -> (String, Value) {
        let mut event = json!({
            "entry_id": "c1", "call_id": leg, "timestamp": 1_795_503_600 + at, "seq": seq, "call_state": state,
            "location": "abonent", "from": { "number": "79161234567" },
            "to": { "extension": ext, "number": format!("sip:{ext}"), "line_number": "74951234567" },
        });
        if let Some(reason) = reason {
            event["disconnect_reason"] = json!(reason);
        }
        ("/events/call".into(), event)
    }

    #[test]
    fn each_ring_is_a_leg_and_the_whole_is_one_entry() {
        let mut scene = Scene::of(CRM);
        assert_eq!(scene.tell("call.started", 0, json!({})).unwrap(), [""; 0]);
        let asked = scene.tell("call.ringing", 1, json!({ "ringing": ["201", "202"] })).unwrap();
        let appeared = |ext: &str| event(ext, &format!("c1:{ext}"), 1, "Appeared", 1, None);
        assert_eq!(short(&asked), [appeared("201"), appeared("202")]);
        scene.talk("202", 10, None);
        let asked = scene.tell("call.answered", 10, json!({})).unwrap();
        let gone = event("201", "c1:201", 2, "Disconnected", 10, Some(1100));
        assert_eq!(short(&asked), [gone, event("202", "c1:202", 2, "Connected", 10, None)]);
        let asked = scene.tell("call.held", 12, json!({ "held": true })).unwrap();
        assert_eq!(short(&asked), [event("202", "c1:202", 3, "OnHold", 12, None)]);
        let asked = scene.tell("call.held", 15, json!({ "held": false })).unwrap();
        assert_eq!(short(&asked), [event("202", "c1:202", 4, "Connected", 15, None)]);
        scene.talk("202", 10, Some(30));
        let asked = scene.tell("call.transferred", 30, json!({})).unwrap();
        assert_eq!(short(&asked), [event("202", "c1:202", 5, "Disconnected", 30, Some(1100))]);
        let asked = scene.tell("call.ringing", 30, json!({ "ringing": ["201"] })).unwrap();
        assert_eq!(short(&asked), [event("201", "c1:201:1", 1, "Appeared", 30, None)]);
        scene.talk("201", 35, None);
        scene.tell("call.answered", 35, json!({})).unwrap();
        scene.talk("201", 35, Some(60));
        let asked = short(&scene.tell("call.ended", 60, json!({})).unwrap());
        assert_eq!(asked[0], event("201", "c1:201:1", 3, "Disconnected", 60, Some(1100)));
        let summary = json!({
            "entry_id": "c1", "call_direction": 1, "from": { "number": "79161234567" },
            "to": { "extension": "201", "number": "sip:201" }, "line_number": "74951234567",
            "create_time": 1_795_503_600, "forward_time": 1_795_503_600, "talk_time": 1_795_503_610,
            "end_time": 1_795_503_660, "entry_result": 1, "disconnect_reason": 1100,
        });
        assert_eq!(asked[1..], [("/events/summary".into(), summary)]);
        let asked = short(&scene.tell("recording.ready", 61, json!({ "file": "a.wav" })).unwrap());
        let paths: Vec<_> = asked.iter().map(|(path, event)| (path.as_str(), &event["recording_id"])).collect();
        assert_eq!(paths, [("/events/recording", &json!("c1")), ("/events/record/added", &json!("c1"))]);
    }

    #[test]
    fn a_missed_call_names_who_missed_it_first() {
        let mut scene = Scene::of(CRM);
        scene.tell("call.ringing", 1, json!({ "ringing": ["202"] })).unwrap();
        scene.tell("call.ringing", 8, json!({ "ringing": ["201"], "withdrawn": ["202"] })).unwrap();
        let asked = short(&scene.tell("call.ended", 12, json!({ "missed": "abandoned" })).unwrap());
        assert_eq!(asked[0], event("201", "c1:201", 2, "Disconnected", 12, Some(1110)));
        let summary = &asked[1].1;
        assert_eq!(
            (&summary["to"]["extension"], &summary["entry_result"], &summary["talk_time"]),
            (&json!("202"), &json!(0), &json!(0))
        );
    }

    #[test]
    fn an_outbound_call_has_the_leg_of_whoever_dialled() {
        let mut scene = Scene::of(CRM);
        scene.call["direction"] = json!("outbound");
        scene.call["from"] = json!({ "extension": "201", "number": "+74951234567" });
        scene.call["to"] = json!({ "number": "+79161234567" });
        scene.call["did"] = json!(null);
        let states = |asked: Vec<String>| -> Vec<_> {
            let state = |(_, event): (String, Value)| (event["call_state"].clone(), event["seq"].clone());
            short(&asked).into_iter().map(state).collect()
        };
        assert_eq!(states(scene.tell("call.started", 0, json!({})).unwrap()), [(json!("Appeared"), json!(1))]);
        assert_eq!(scene.tell("call.ringing", 1, json!({ "ringing": ["201"] })).unwrap(), [""; 0]);
        assert_eq!(states(scene.tell("call.answered", 5, json!({})).unwrap()), [(json!("Connected"), json!(2))]);
        scene.talk("201", 5, Some(9));
        let asked = short(&scene.tell("call.ended", 9, json!({})).unwrap());
        assert_eq!(asked[0].1["from"], json!({ "extension": "201", "number": "74951234567" }));
        assert_eq!(
            (&asked[1].1["call_direction"], &asked[1].1["to"]),
            (&json!(2), &json!({ "number": "79161234567" }))
        );
    }
}
