//! amoCRM: a call is put into the card that has its number, or is dropped; whoever is unknown is sorted by hand.

use serde_json::{Value, json};

use crate::office::{CUSTOMER, NUMBER, Office, until};
use crate::standin::{Answers, Asked, Health, Standin};

#[derive(Default)]
pub struct Amocrm {
    contacts: Vec<Value>,
    leads: Vec<Value>,
    calls: Vec<Value>,
    windows: Vec<Value>,
    unsorted: Vec<Value>,
}

impl Amocrm {
    fn has(&self, phone: &str) -> bool {
        self.contacts.iter().any(|contact| contact.to_string().contains(phone))
    }
}

impl Answers for Amocrm {
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        if asked.headers.get("authorization").is_none_or(|token| token != "Bearer long-lived") {
            return (401, json!({ "title": "Unauthorized" }));
        }
        let body = asked.json();
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/api/v2/events/") => {
                self.windows.push(body["add"][0].clone());
                (200, json!({}))
            }
            ("POST", "/api/v4/calls") => {
                let call = &body[0];
                let phone = call["phone"].as_str().unwrap();
                if !self.has(&phone[1..]) {
                    return (
                        200,
                        json!({ "_total_items": 0, "errors": 1, "_embedded": { "calls": [],
                        "errors": [{ "status": 263, "title": "Entity not found" }] } }),
                    );
                }
                if !self.calls.iter().any(|other| other["uniq"] == call["uniq"]) {
                    self.calls.push(call.clone());
                }
                (200, json!({ "_total_items": 1, "errors": 0, "_embedded": { "calls": [{ "id": 1 }] } }))
            }
            ("GET", "/api/v4/leads/unsorted") if self.unsorted.is_empty() => (204, json!(null)),
            ("GET", "/api/v4/leads/unsorted") => (200, json!({ "_embedded": { "unsorted": self.unsorted } })),
            ("POST", "/api/v4/leads/unsorted/sip") => {
                self.unsorted.extend(body.as_array().unwrap().iter().cloned());
                (200, json!({}))
            }
            ("GET", "/api/v4/contacts" | "/api/v4/companies")
                if self.contacts.is_empty() || asked.path.ends_with('s') && asked.path.contains("companies") =>
            {
                (204, json!(null))
            }
            ("GET", "/api/v4/contacts") => {
                let page: usize =
                    asked.query.split('&').find_map(|one| one.strip_prefix("page=")?.parse().ok()).unwrap_or(1);
                let some: Vec<&Value> = self.contacts.iter().skip((page - 1) * 250).take(250).collect();
                let mut answer = json!({ "_embedded": { "contacts": some } });
                if page * 250 < self.contacts.len() {
                    answer["_links"]["next"]["href"] = json!("https://elsewhere.example/");
                }
                (200, answer)
            }
            ("GET", "/api/v4/leads") => (200, json!({ "_embedded": { "leads": self.leads } })),
            ("POST", "/api/v4/leads") => {
                self.leads.push(json!({ "id": 70 + self.leads.len(), "status_id": 1 }));
                let leads: Vec<Value> = self.leads.iter().map(|lead| json!({ "id": lead["id"] })).collect();
                self.contacts[0]["_embedded"]["leads"] = json!(leads);
                (200, json!({}))
            }
            _ => (404, json!({})),
        }
    }
}

fn crm(standin: &Standin<Amocrm>, more: &str) -> String {
    format!(
        "[[crm]]\nname = \"amo\"\ndialect = \"amocrm\"\nurl = \"http://{}\"\ntoken = \"long-lived\"\ncreate = true\n\
         users = {{ 201 = \"11\", 202 = \"12\" }}\n{more}",
        standin.address
    )
}

fn contact(id: usize, phone: &str) -> Value {
    json!({ "id": id, "name": format!("Customer {id}"), "responsible_user_id": 11, "updated_at": 1_795_503_600 + id,
        "custom_fields_values": [{ "field_code": "PHONE", "values": [{ "value": phone }] }] })
}

fn misses(office: &Office, id: &str) {
    let before = office.phones[0].seen().iter().filter(|seen| seen.what == "CANCEL").count();
    office.provider.call(id, CUSTOMER, NUMBER);
    office.phones[0].wait("INVITE", before + 1);
    office.provider.cancel(id);
    office.phones[0].wait("CANCEL", before + 1);
}

#[test]
fn whoever_is_unknown_is_one_unsorted_entry_however_often_they_call_and_answers_get_lost() {
    let standin = Standin::start(Amocrm::default());
    let office = Office::new("amo", "", &crm(&standin, ""));
    // Of the first call the answers of its window, of its log and of its entry are lost, each once.
    standin.be(Health::LosesAnswers(1));
    misses(&office, "one");
    until("the window", || standin.know(|mind| !mind.windows.is_empty()));
    misses(&office, "two");
    office.says(&["outbox", "retry"]);
    until("the entry", || standin.know(|mind| !mind.unsorted.is_empty()));
    until("the outbox", || {
        office.says(&["outbox", "retry"]);
        office.says(&["outbox"]).contains("nothing waits")
    });
    standin.know(|mind| {
        assert_eq!((mind.unsorted.len(), mind.calls.len()), (1, 0));
        assert_eq!(mind.windows[0]["users"], json!([11, 12]));
    });
}

#[test]
fn a_customer_without_an_open_lead_gets_one_and_the_second_call_finds_it() {
    let contacts: Vec<Value> = std::iter::once(contact(5, "+7 916 123-45-67"))
        .chain((6..306).map(|id| contact(id, &format!("+7495{:07}", 1_000_000 + id))))
        .map(|mut contact| {
            contact["note"] = json!(contact["custom_fields_values"].to_string().replace([' ', '-'], ""));
            contact
        })
        .collect();
    let standin = Standin::start(Amocrm { contacts, ..Amocrm::default() });
    let office = Office::new("amo-lead", "", &crm(&standin, "pull = \"1m\"\n"));
    until("the second page", || office.says(&["contacts", "lookup", "+74951000305"]).contains("Customer 305"));
    misses(&office, "one");
    until("the call", || standin.know(|mind| mind.calls.len() == 1));
    until("the lead", || standin.know(|mind| mind.leads.len() == 1));
    misses(&office, "two");
    until("the second call", || standin.know(|mind| mind.calls.len() == 2));
    until("the outbox", || office.says(&["outbox"]).contains("nothing waits"));
    standin.know(|mind| {
        assert_eq!((mind.leads.len(), mind.unsorted.len()), (1, 0));
        assert_eq!((&mind.calls[0]["call_status"], &mind.calls[0]["call_responsible"]), (&json!(6), &json!(11)));
    });
}
