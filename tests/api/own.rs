//! Whose is what: an employee's token shows and does what is that employee's, whichever route is asked.

use serde_json::{Value, json};

use crate::office::{MESSAGE, OTHERS, Office, call};

const ALL: &[&str] = &[
    "calls:read",
    "calls:control",
    "contacts:read",
    "contacts:write",
    "follow-ups:read",
    "follow-ups:write",
    "voicemail:read",
    "voicemail:write",
    "recordings:read",
    "events:read",
    "reports:read",
    "config:read",
    "config:write",
];

/// Everything that is 201's alone, and must be nowhere in what 202 is answered.
const IVANS: &[&str] = &[
    "+79161234567",
    "79161234567",
    "+74957770001",
    "Ada Byron",
    "crm-1",
    "secret-201",
    "talk.wav",
    "first.wav",
    "Ivan",
];

/// Every operation of the document with its path filled in with 201's things.
fn operations(office: &Office) -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_str(&huntline::web::openapi()).unwrap();
    let message = MESSAGE.rsplit('/').next().unwrap().trim_end_matches(".wav");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !["get", "put", "post", "delete", "patch"].contains(&method.as_str()) {
                continue;
            }
            let mut filled = path.clone();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] != "path" {
                    continue;
                }
                let name = parameter["name"].as_str().unwrap();
                let value = match (name, path.as_str()) {
                    ("id", path) if path.starts_with("/api/v1/calls") => call(0).to_string(),
                    ("id", path) if path.starts_with("/api/v1/contacts") => "crm-1".into(),
                    ("id", path) if path.starts_with("/api/v1/voicemail") => message.into(),
                    ("id", _) => "1".into(),
                    ("mailbox", _) => "sales".into(),
                    ("number", path) if path.starts_with("/api/v1/blocked") => "+79161234567".into(),
                    ("number", _) => "201".into(),
                    ("when", _) => "busy".into(),
                    ("name", _) => "office".into(),
                    ("until", _) => "1".into(),
                    _ => "x".into(),
                };
                filled = filled.replace(&format!("{{{name}}}"), &value);
            }
            assert!(!filled.contains('{'), "{filled}");
            operations.push((method.to_uppercase(), filled, operation["security"].clone()));
        }
    }
    assert!(operations.len() > 30, "{}", operations.len());
    _ = office;
    operations
}

#[test]
fn without_a_token_nothing_is_shown_or_done() {
    let office = Office::start("nobody");
    for (method, path, security) in operations(&office) {
        if security == json!([{}]) {
            // A link that is its own secret, and wrong here.
            let answer = office.ask(&method, &path, &[], b"");
            assert!([404, 429].contains(&answer.status), "{method} {path}: {}", answer.status);
            continue;
        }
        for who in [&[][..], &["Authorization: Bearer hl_wrong"], &["Authorization: Basic YTpi"]] {
            let answer = office.ask(&method, &path, who, b"{}");
            assert!([401, 429].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        }
    }
}

#[test]
fn a_token_without_scopes_for_it_is_good_for_nothing_else() {
    let office = Office::start("narrow");
    let token = office.token("events", None, &["events:read"]);
    for (method, path, security) in operations(&office) {
        if security == json!([{}]) || path.starts_with("/api/v1/events") {
            continue;
        }
        let who = format!("Authorization: Bearer {token}");
        let answer = office.ask(&method, &path, &[&who, "Content-Type: application/json"], b"{}");
        // What cannot be read is refused before anybody asks who may; nothing has been done then.
        assert!([403, 400, 415, 422].contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
    }
}

#[test]
fn an_employee_sees_and_does_nothing_that_is_a_colleagues() {
    let office = Office::start("own");
    let vasyl = office.token("vasyl", Some("202"), ALL);
    // One that is 201's, too.
    let boss = office.token("boss", None, &["admin"]);
    office.send(&boss, "POST", "/api/v1/follow-ups/1:assign", &json!({"to": "201"})).is(200);
    for (method, path, security) in operations(&office) {
        if security == json!([{}]) || path.starts_with("/api/v1/events") {
            continue;
        }
        let who = format!("Authorization: Bearer {vasyl}");
        let bodies: &[(&str, &[u8])] = &[
            ("application/json", b"{}"),
            ("application/json", b"{\"text\":\"x\"}"),
            ("application/json", b"{\"to\":\"202\"}"),
            ("application/json", b"{\"why\":\"x\"}"),
            ("application/json", b"{\"disposition\":\"x\"}"),
            ("application/json", b"{\"state\":\"open\"}"),
            ("application/json", b"{\"name\":\"x\"}"),
            ("application/json", b"{\"number\":\"299\"}"),
            ("application/json", b"{\"user\":\"201\",\"to\":\"+79161234567\"}"),
            ("application/json", b"{\"from\":\"201\",\"to\":\"202\"}"),
            ("application/toml", b"[site]\n"),
            ("text/csv", b"id,phone\ncrm-1,+79990000000\n"),
        ];
        let bodies = if method == "GET" || method == "DELETE" { &bodies[..1] } else { bodies };
        for (kind, body) in bodies {
            let answer = office.ask(&method, &path, &[&who, &format!("Content-Type: {kind}")], body);
            let one = path.contains("201")
                || path.contains("crm-1")
                || path.contains("sales")
                || path.contains("/1")
                || path.contains(&call(0).to_string());
            let refused = [400, 403, 404, 409, 415, 422].contains(&answer.status);
            assert!(
                refused || (method == "GET" && answer.status == 200 && !one),
                "{method} {path}: {} {}",
                answer.status,
                answer.text()
            );
            for secret in IVANS {
                // What they sent themselves may be said back to them.
                let said = path.contains(secret) || String::from_utf8_lossy(body).contains(secret);
                assert!(said || !answer.text().contains(secret), "{method} {path} says {secret}: {}", answer.text());
            }
        }
    }
    // What is 202's is there.
    let calls = office.get(&vasyl, "/api/v1/calls").is(200).json();
    let ids: Vec<_> = calls["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [json!(call(100).to_string())]);
    let other = OTHERS.rsplit('/').next().unwrap().trim_end_matches(".wav");
    office.get(&vasyl, &format!("/api/v1/voicemail/service/{other}")).is(200);
    let waiting = office.get(&vasyl, "/api/v1/follow-ups").is(200).json();
    assert_eq!(waiting["items"].as_array().unwrap().len(), 1, "nobody's yet");
    office.get(&vasyl, "/api/v1/extensions/202").is(200);
    office.get(&vasyl, "/api/v1/contacts/crm-2").is(200);
    // And nothing has happened to 201.
    let ivan = office.get(&boss, "/api/v1/extensions/201").is(200).json();
    assert_eq!((&ivan["away"], &ivan["forwards"]), (&json!(false), &json!([])));
    assert_eq!(office.get(&boss, "/api/v1/contacts/crm-1").is(200).json()["name"], "Ada Byron");
    assert_eq!(office.get(&boss, "/api/v1/follow-ups/1").is(200).json()["assignee"], "201");
}
