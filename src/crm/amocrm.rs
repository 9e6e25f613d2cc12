//! amoCRM (Kommo), API v4: a window while it rings, the call in the customer's card at its end, and whoever is unknown among
//! the "unsorted".
//!
//! Verified on amoCRM's own developer pages: `POST /api/v2/events/` with `type: phone_call` opens a window at `users`;
//! `POST /api/v4/calls` with its parameters, and that a call is dropped where no card has the number. Verified in clients on
//! GitHub: `POST /api/v4/leads/unsorted/sip` with `source_uid`, `metadata` and `_embedded`; that `from` of what was sent
//! comes back as `phone`; statuses 142 and 143 of a lead as won and lost; `contacts?with=leads`, pages of 250 with
//! `_links.next`. From general knowledge: the meaning of `call_status` 1 to 7, `errors` in the answer of `calls`, and that
//! the player wants a link that needs no password.
//!
//! Nothing is made twice: `uniq` is our own id; before an unsorted entry or a lead is made, amoCRM is asked whether there is
//! one (M13), also after a crash between its being made and our writing that down.

use serde_json::{Value, json};

use super::bitrix24::text;
use super::news::Call;
use super::teller::Teller;
use super::wire::{Answer, Failed, Request, Told, encoded};
use crate::event::EventKind;

/// Won, and lost: such a lead is not open.
const CLOSED: [u64; 2] = [142, 143];
/// What we are called in cards.
const SOURCE: &str = "Huntline";

/// Tells of one event.
///
/// # Errors
/// amoCRM does not take it.
pub fn tell(mut teller: Teller<'_>) -> Result<Told, Failed> {
    let Some(phone) = teller.phone() else { return Ok(teller.told) };
    match teller.news.kind {
        EventKind::CallRinging if teller.call.is_inbound() => {
            let fresh = teller.begin_ringing();
            teller.stop_ringing(false);
            let users = fresh.iter().filter_map(|extension| teller.crm.users.get(extension));
            let users: Vec<Value> = users.filter_map(|user| user.parse::<u64>().ok()).map(|id| json!(id)).collect();
            if !teller.stale && !users.is_empty() {
                let event = json!({ "add": [{ "type": "phone_call", "phone_number": phone, "users": users }] });
                teller.post("/api/v2/events/", &event)?;
            }
            teller.keep()?;
        }
        EventKind::CallEnded if !teller.told.ended => {
            teller.log(&phone)?;
            teller.told.ended = true;
            teller.keep()?;
        }
        _ => {}
    }
    Ok(teller.told)
}

impl Teller<'_> {
    /// Puts the call into the customer's card; makes what must be made first.
    fn log(&mut self, phone: &str) -> Result<(), Failed> {
        let answer = self.call_as_sent(phone);
        let answer = self.post("/api/v4/calls", &json!([answer]))?.json();
        let known = answer["errors"].as_u64().unwrap_or(0) == 0
            && answer["_embedded"]["errors"].as_array().is_none_or(Vec::is_empty);
        match (self.crm.create && self.call.is_inbound(), known) {
            (true, true) => self.open_a_lead(phone),
            (true, false) => self.unsorted(phone),
            (false, true) => Ok(()),
            (false, false) => {
                tracing::info!(crm = %self.crm.name, call = %self.call.id, "no card has this number, and none is made");
                Ok(())
            }
        }
    }

    fn call_as_sent(&self, phone: &str) -> Value {
        let call = self.call;
        let ended = call.ended.unwrap_or(self.news.time);
        let mut sent = json!({
            "direction": call.direction,
            "uniq": call.id,
            "duration": call.talk_seconds(),
            "source": SOURCE,
            "phone": phone,
            "call_status": status(call, &self.news.data),
            "call_responsible": self.responsible(),
            "created_at": call.began.unwrap_or(ended).as_second(),
        });
        if let Some(link) = self.link() {
            sent["link"] = json!(link);
        }
        sent
    }

    /// The recording, if there is one.
    fn link(&self) -> Option<String> {
        if self.call.is_recorded() { self.desk.link() } else { None }
    }

    /// A user's id where the config has one; else what people read.
    fn responsible(&self) -> Value {
        let extension = self.call.employee();
        let user = extension.map(|extension| self.crm.user(extension)).or(self.crm.default_user.as_deref());
        user.map_or(Value::Null, |user| user.parse::<u64>().map_or_else(|_| json!(user), |id| json!(id)))
    }

    /// Whoever is unknown stands among the unsorted, once however often they call.
    fn unsorted(&mut self, phone: &str) -> Result<(), Failed> {
        let query = "/api/v4/leads/unsorted?limit=250&filter[category][]=sip&order[created_at]=desc";
        let waiting = self.get(query)?;
        let entries = waiting["_embedded"]["unsorted"].as_array().cloned().unwrap_or_default();
        let is_theirs = |entry: &Value| {
            let data = &entry["metadata"];
            data["uniq"] == *self.call.id
                || [&data["phone"], &data["from"]].into_iter().filter_map(text).any(|number| digits(&number) == phone)
        };
        if entries.iter().any(is_theirs) {
            return Ok(());
        }
        let call = self.call;
        let ended = call.ended.unwrap_or(self.news.time);
        let began = call.began.unwrap_or(ended).as_second();
        let contact = json!({
            "name": call.contact.as_ref().map_or(format!("+{phone}"), |contact| contact.name.to_string()),
            "custom_fields_values": [{
                "field_code": "PHONE", "values": [{ "value": format!("+{phone}"), "enum_code": "WORK" }],
            }],
        });
        // Who is called and who calls change places when an entry is accepted: both are the customer.
        let entry = json!({
            "source_uid": format!("huntline-{}", self.crm.name),
            "source_name": SOURCE,
            "created_at": began,
            "metadata": {
                "is_call_event_needed": true,
                "uniq": call.id,
                "duration": call.talk_seconds(),
                "service_code": "huntline",
                "link": self.link().unwrap_or_default(),
                "phone": phone,
                "from": phone,
                "called_at": began,
                "call_responsible": self.responsible(),
            },
            "_embedded": { "contacts": [contact], "leads": [{ "name": format!("+{phone}") }] },
        });
        self.post("/api/v4/leads/unsorted/sip", &json!([entry])).map(drop)
    }

    /// A known customer who has no open lead gets one.
    fn open_a_lead(&mut self, phone: &str) -> Result<(), Failed> {
        let found = self.get(&format!("/api/v4/contacts?with=leads&query={}", encoded(phone)))?;
        let contacts = found["_embedded"]["contacts"].as_array().cloned().unwrap_or_default();
        // The search is for text; only whoever has just this number counts.
        let has_it = |contact: &&Value| numbers_of(contact).any(|number| digits(&number).ends_with(tail(phone)));
        let Some(contact) = contacts.iter().find(has_it) else { return Ok(()) };
        let Some(id) = contact["id"].as_u64() else { return Ok(()) };
        let leads = contact["_embedded"]["leads"].as_array().into_iter().flatten();
        let ids: Vec<String> = leads.filter_map(|lead| text(&lead["id"])).collect();
        for some in ids.chunks(50) {
            let filter: Vec<String> = some.iter().map(|id| format!("filter[id][]={id}")).collect();
            let leads = self.get(&format!("/api/v4/leads?limit=250&{}", filter.join("&")))?;
            let leads = leads["_embedded"]["leads"].as_array().cloned().unwrap_or_default();
            let open = |lead: &Value| {
                lead["status_id"].as_u64().is_none_or(|status| !CLOSED.contains(&status)) && lead["is_deleted"] != true
            };
            if leads.iter().any(open) {
                return Ok(());
            }
        }
        let mut lead = json!({ "name": format!("+{phone}"), "_embedded": { "contacts": [{ "id": id }] } });
        if let Some(user) = self.responsible().as_u64() {
            lead["responsible_user_id"] = json!(user);
        }
        self.post("/api/v4/leads", &json!([lead])).map(drop)
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Failed> {
        let request = Request::json(format!("{}{path}", self.crm.url), body).bearer(self.bearer());
        self.send(request)
    }

    fn get(&mut self, path: &str) -> Result<Value, Failed> {
        let request = Request::get(format!("{}{path}", self.crm.url)).bearer(self.bearer());
        // 204: nobody.
        self.send(request).map(|answer| answer.json())
    }

    fn bearer(&self) -> &str {
        self.crm.token.as_ref().map_or("", |token| token.expose())
    }
}

/// The telephone numbers of a contact or company.
pub fn numbers_of(entity: &Value) -> impl Iterator<Item = String> {
    let fields = entity["custom_fields_values"].as_array().into_iter().flatten();
    let phones = fields.filter(|field| field["field_code"] == "PHONE");
    phones.flat_map(|field| field["values"].as_array().into_iter().flatten()).filter_map(|value| text(&value["value"]))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// What of a number is the same however it is written: its last ten digits.
fn tail(phone: &str) -> &str {
    &phone[phone.len().saturating_sub(10)..]
}

/// How the call ended, in amoCRM's table: 1 left a message, 2 call back later, 3 not there, 4 talked, 5 wrong number,
/// 6 nobody answered, 7 busy.
fn status(call: &Call, data: &Value) -> u32 {
    if call.was_answered() {
        return 4;
    }
    match (data["missed"].as_str(), data["status"].as_u64()) {
        (Some("voicemail_left"), _) => 1,
        (Some("all_busy"), _) | (None, Some(486 | 600)) => 7,
        (Some("none_reachable" | "after_hours"), _) | (None, Some(480)) => 3,
        (None, Some(404 | 410 | 484)) => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;
    use super::*;

    const CRM: &str =
        "dialect = \"amocrm\"\nurl = \"https://a.example\"\ntoken = \"t\"\nusers = { 201 = \"11\", 202 = \"12\" }\n";

    fn creating() -> String {
        format!("{CRM}create = true\n")
    }

    fn short(asked: &[String]) -> Vec<String> {
        let one = |line: &String| {
            let line = line.replace(" https://a.example", " ");
            line.split(' ').take(2).collect::<Vec<_>>().join(" ")
        };
        asked.iter().map(one).collect()
    }

    fn body(line: &str) -> Value {
        serde_json::from_str(line.splitn(3, ' ').nth(2).unwrap()).unwrap()
    }

    fn unknown() -> (u16, Value) {
        (200, json!({ "_total_items": 0, "errors": 1, "_embedded": { "calls": [], "errors": [{ "status": 263 }] } }))
    }

    fn logged() -> (u16, Value) {
        (200, json!({ "_total_items": 1, "errors": 0, "_embedded": { "calls": [{ "id": 1 }] } }))
    }

    #[test]
    fn a_window_opens_at_those_who_ring_and_the_call_stands_in_the_card_once() {
        let mut scene = Scene::of(CRM);
        let asked = scene.tell("call.ringing", 1, json!({ "ringing": ["201", "203"] })).unwrap();
        let event = json!({ "add": [{ "type": "phone_call", "phone_number": "79161234567", "users": [11] }] });
        assert_eq!((short(&asked), body(&asked[0])), (vec!["POST /api/v2/events/".into()], event));
        assert_eq!(scene.tell("call.ringing", 2, json!({ "ringing": ["201"] })).unwrap(), [""; 0]);
        scene.talk("202", 5, Some(25));
        scene.call["recording"]["files"] = json!(["a.wav"]);
        let asked = scene.answered(&[logged()]).tell("call.ended", 25, json!({ "status": 200 })).unwrap();
        let call = json!([{
            "direction": "inbound", "uniq": "c1", "duration": 20, "source": "Huntline", "phone": "79161234567",
            "call_status": 4, "call_responsible": 12, "created_at": 1_795_503_600,
            "link": "https://router.example/c1.wav",
        }]);
        assert_eq!((short(&asked), body(&asked[0])), (vec!["POST /api/v4/calls".into()], call));
        assert_eq!(scene.tell("call.ended", 25, json!({})).unwrap(), [""; 0]);
    }

    #[test]
    fn whoever_is_unknown_stands_among_the_unsorted_once() {
        let missed = json!({ "status": 480, "missed": "no_answer" });
        let mut scene = Scene::of(&creating());
        let nobody = (204, json!(null));
        let asked = scene.answered(&[unknown(), nobody]).tell("call.ended", 25, missed.clone()).unwrap();
        let waiting = "GET /api/v4/leads/unsorted?limit=250&filter[category][]=sip&order[created_at]=desc";
        let all = ["POST /api/v4/calls", waiting, "POST /api/v4/leads/unsorted/sip"];
        assert_eq!(short(&asked), all);
        let data = &body(&asked[2])[0]["metadata"];
        let fields = [&data["uniq"], &data["phone"], &data["from"]];
        assert_eq!(fields, [&json!("c1"), &json!("79161234567"), &json!("79161234567")]);
        // Again after a crash; and somebody who calls again.
        for entry in [json!({ "metadata": { "uniq": "c1" } }), json!({ "metadata": { "phone": "+7 916 123-45-67" } })] {
            let mut scene = Scene::of(&creating());
            let there = (200, json!({ "_embedded": { "unsorted": [entry] } }));
            let asked = scene.answered(&[unknown(), there]).tell("call.ended", 25, missed.clone()).unwrap();
            assert_eq!(short(&asked), all[..2]);
        }
        let mut scene = Scene::of(CRM);
        let asked = scene.answered(&[unknown()]).tell("call.ended", 25, missed).unwrap();
        assert_eq!((short(&asked).len(), scene.told.ended), (1, true), "`create` is not written");
    }

    #[test]
    fn a_lead_is_made_only_where_none_is_open() {
        let contact = |leads: Value| {
            let phone = json!([{ "field_code": "PHONE", "values": [{ "value": "8 (916) 123-45-67" }] }]);
            (
                200,
                json!({ "_embedded": { "contacts": [
                { "id": 3, "custom_fields_values": null },
                { "id": 5, "custom_fields_values": phone, "_embedded": { "leads": leads } },
            ] } }),
            )
        };
        let leads = |status: u32| (200, json!({ "_embedded": { "leads": [{ "id": 7, "status_id": status }] } }));
        let (of, seven) =
            ("GET /api/v4/contacts?with=leads&query=79161234567", "GET /api/v4/leads?limit=250&filter[id][]=7");
        for (answers, also) in [
            (vec![logged(), contact(json!([{ "id": 7 }])), leads(1)], vec![of, seven]),
            (vec![logged(), contact(json!([{ "id": 7 }])), leads(143)], vec![of, seven, "POST /api/v4/leads"]),
            (vec![logged(), contact(json!([]))], vec![of, "POST /api/v4/leads"]),
            (vec![logged(), (204, json!(null))], vec![of]),
        ] {
            let mut scene = Scene::of(&creating());
            let asked = scene.answered(&answers).tell("call.ended", 25, json!({ "missed": "no_answer" })).unwrap();
            assert_eq!(short(&asked)[1..], also);
            if let Some(made) = asked.iter().find(|line| line.contains("/api/v4/leads ")) {
                assert_eq!(body(made)[0]["_embedded"]["contacts"][0]["id"], 5);
            }
        }
    }

    #[test]
    fn how_it_ended_is_a_number() {
        let mut scene = Scene::of(CRM);
        for (data, code) in [
            (json!({ "missed": "voicemail_left" }), 1),
            (json!({ "missed": "all_busy" }), 7),
            (json!({ "missed": "after_hours" }), 3),
            (json!({ "missed": "abandoned", "status": 487 }), 6),
            (json!({ "status": 486 }), 7),
            (json!({ "status": 404 }), 5),
        ] {
            scene.told = Told::default();
            let asked = scene.tell("call.ended", 9, data).unwrap();
            assert_eq!(body(&asked[0])[0]["call_status"], code);
        }
    }
}
