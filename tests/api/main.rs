//! The API over real HTTP: the real program with a morning's calls, asked by programs with different tokens.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

mod backup;
mod office;
mod own;
mod rooms;

use office::{Office, call};
use serde_json::{Value, json};

#[test]
fn a_token_is_made_shown_once_listed_and_revoked_at_once() {
    let office = Office::start("token");
    let token = office.token("crm", None, &["calls:read"]);
    assert!(token.starts_with("hl_") && token.len() == 46, "{token}");
    office.get(&token, "/api/v1/calls").is(200);
    let (list, ..) = office.run(&["token", "list"]);
    assert!(list.contains("crm") && list.contains("calls:read") && !list.contains(&token), "{list}");
    let database = std::fs::read(office.folder.join("data/huntline.db-wal")).unwrap();
    assert!(!database.windows(token.len()).any(|bytes| bytes == token.as_bytes()));
    let again = office.run(&["token", "add", "--name", "crm", "--scope", "calls:read"]);
    assert!(again.2 == 1 && again.1.contains("there is a token \"crm\" already"), "{again:?}");
    let wrong = office.run(&["token", "add", "--name", "x", "--scope", "call:read"]);
    assert!(wrong.2 == 2 && wrong.1.contains("there is no scope \"call:read\"; there is calls:read"), "{wrong:?}");
    let nobody = office.run(&["token", "add", "--name", "x", "--user", "299", "--scope", "calls:read"]);
    assert!(nobody.2 == 1 && nobody.1.contains("there is no extension \"299\"; there is 201, 202"), "{nobody:?}");
    assert_eq!(office.run(&["token", "revoke", "crm"]).2, 0);
    let refused = office.get(&token, "/api/v1/calls").is(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refused.detail(), "this token is not known here, or its time is over");
}

#[test]
fn every_refusal_is_a_problem_with_its_place_and_what_to_do() {
    let office = Office::start("refusal");
    let token = office.token("all", None, &["admin"]);
    let narrow = office.token("narrow", None, &["contacts:read"]);
    let cases: [(&str, &str, u16, &str); 9] = [
        ("GET", "/api/v1/nothing", 404, "nothing is at /api/v1/nothing; GET /api/v1/openapi.json says what is"),
        ("GET", "/", 404, "nothing is at /; GET /api/v1/openapi.json says what is"),
        (
            "DELETE",
            "/api/v1/calls",
            405,
            "DELETE cannot be done at /api/v1/calls; GET /api/v1/openapi.json says what can",
        ),
        ("GET", "/api/v1/calls?limit=0", 400, "limit: 0 is not from 1 to 500"),
        (
            "GET",
            "/api/v1/calls?limit=x",
            400,
            "Failed to deserialize query string: limit: invalid digit found in string",
        ),
        (
            "GET",
            "/api/v1/calls?from=now",
            400,
            "from: \"now\" is no moment; write 2026-11-23T09:00:00Z or a day, 2026-11-23",
        ),
        (
            "GET",
            "/api/v1/calls?cursor=x",
            400,
            "cursor: this is no cursor of this list; take `next` of the part before, or leave it out",
        ),
        ("GET", "/api/v1/calls/x", 404, "there is no call \"x\"; GET /api/v1/calls lists them"),
        ("GET", "/api/v1/follow-ups/9", 404, "there is no follow-up 9; GET /api/v1/follow-ups lists them"),
    ];
    for (method, path, status, detail) in cases {
        let answer = office.ask(method, path, &[&format!("Authorization: Bearer {token}")], b"").is(status);
        assert_eq!(answer.detail(), detail, "{method} {path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let misspelt = office.get(&token, "/api/v1/calls?user_=201").is(400).detail();
    assert!(misspelt.contains("unknown field `user_`, expected one of `from`, `to`, `user`"), "{misspelt}");
    office.ask("GET", "/api/v1/calls", &[], b"").is(401);
    let forbidden = office.get(&narrow, "/api/v1/calls").is(403).detail();
    assert_eq!(forbidden, "this takes a token with the scope \"calls:read\"; make one with `huntline token add`");
    let note = format!("/api/v1/calls/{}:note", call(0));
    let with = |kind: &str, body: &[u8]| {
        let who = format!("Authorization: Bearer {token}");
        office.ask("POST", &note, &[&who, &format!("Content-Type: {kind}")], body)
    };
    with("text/plain", b"{}").is(415);
    with("application/json", b"{").is(400);
    let unknown = with("application/json", b"{\"txt\":1}").is(422).detail();
    assert!(unknown.contains("unknown field `txt`, expected `text`"), "{unknown}");
    assert_eq!(
        with("application/json", b"{\"text\":\" \"}").is(422).detail(),
        "text: 1 to 4000 characters, here are 0"
    );
    assert_eq!(with("application/json", &[b' '; (1 << 20) + 1]).is(413).detail(), "a body has at most 1 MB");
}

#[test]
fn the_calls_of_the_morning_are_listed_in_parts_filtered_and_shown_in_full() {
    let office = Office::start("calls");
    let token = office.token("all", None, &["calls:read", "calls:control"]);
    let ids = |query: &str| -> Vec<String> {
        let page = office.get(&token, &format!("/api/v1/calls{query}")).is(200).json();
        page["items"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    };
    let of = |seconds: &[i64]| seconds.iter().map(|seconds| call(*seconds).to_string()).collect::<Vec<_>>();
    assert_eq!(ids(""), of(&[200, 100, 0]));
    assert_eq!(ids("?missed=true"), of(&[200, 100]));
    assert_eq!(ids("?state=answered"), of(&[0]));
    assert_eq!(ids("?number=8%20916%20123-45-67"), of(&[0]));
    assert_eq!(ids("?user=202"), of(&[100]));
    assert_eq!(ids("?did=8%20495%20123-45-67&group=sales"), of(&[200, 100, 0]));
    assert_eq!(ids("?group=sale"), of(&[]));
    assert_eq!(ids("?from=2026-11-23T07:01:40Z&to=2026-11-24"), of(&[200, 100]));
    assert_eq!(ids("?to=2026-11-23"), of(&[]));
    let first = office.get(&token, "/api/v1/calls?limit=2").is(200).json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = first["next"].as_str().unwrap();
    assert_eq!(ids(&format!("?limit=2&cursor={next}")), of(&[0]));

    let path = format!("/api/v1/calls/{}", call(0));
    let full = office.get(&token, &path).is(200).json();
    assert_eq!(full["call"]["customer"]["name"], "Ada Byron");
    assert_eq!(full["legs"][0]["whom"], "201");
    assert_eq!(
        full["talkers"],
        json!([{"who": "201", "from": "2026-11-23T07:00:05Z", "until": "2026-11-23T07:01:05Z"}])
    );
    assert_eq!(office.get(&token, &format!("{path}/ladder")).is(200).text(), "mango -> us   INVITE");
    assert_eq!(office.ask("HEAD", &path, &[&format!("Authorization: Bearer {token}")], b"").is(200).body, b"");

    let noted = office.send(&token, "POST", &format!("{path}:note"), &json!({"text": "wants a plan"})).is(200).json();
    assert_eq!(noted["notes"][0]["text"], "wants a plan");
    let said =
        office.send(&token, "POST", &format!("{path}:disposition"), &json!({"disposition": "order"})).is(200).json();
    assert_eq!(said["notes"][1]["disposition"], "order");
    let over = office.send(&token, "POST", &format!("{path}:hangup"), &Value::Null).is(409);
    assert!(over.detail().contains("ended at 2026-11-23T07:01:05Z"));
}

#[test]
fn an_order_with_a_key_is_done_once_also_after_a_restart() {
    let mut office = Office::start("once");
    let token = office.token("all", None, &["calls:read", "calls:control"]);
    let path = format!("/api/v1/calls/{}:note", call(0));
    let note = |office: &Office, key: &str, text: &str| {
        office.send_with(&token, "POST", &path, &[&format!("Idempotency-Key: {key}")], &json!({ "text": text }))
    };
    let first = note(&office, "a", "once").is(200);
    let again = note(&office, "a", "once").is(200);
    assert_eq!((&first.body, again.header("idempotency-replayed")), (&again.body, Some("true")));
    assert!(note(&office, "a", "other").is(422).detail().contains("came with another order"));
    office.kill();
    office.serve();
    assert_eq!(note(&office, "a", "once").is(200).body, first.body);
    let second = note(&office, "b", "twice").is(200).json();
    assert_eq!(second["notes"].as_array().unwrap().len(), 2);
    assert!(note(&office, &"x".repeat(201), "long").is(400).detail().starts_with("Idempotency-Key: 1 to 200"));
    // What was refused did nothing: the key is free.
    note(&office, "c", "").is(422);
    note(&office, "c", "now").is(200);
}

#[test]
fn who_is_to_be_called_back_is_listed() {
    let office = Office::start("follow-ups");
    let token = office.token("all", None, &["follow-ups:read"]);
    let numbers = |path: &str| -> Vec<String> {
        let page = office.get(&token, path).is(200).json();
        let who = |row: &Value| row["who"]["number"].as_str().unwrap().to_owned();
        page["items"].as_array().unwrap().iter().map(who).collect()
    };
    assert_eq!(numbers("/api/v1/follow-ups"), ["+79163333333", "+79162222222"]);
    assert_eq!(numbers("/api/v1/missed?called_back=false"), ["+79162222222", "+79163333333"]);
    assert_eq!(numbers("/api/v1/follow-ups?status=open&overdue=true"), ["+79162222222", "+79163333333"]);
    assert_eq!(numbers("/api/v1/follow-ups?overdue=false"), [""; 0]);
    assert_eq!(numbers("/api/v1/missed?called_back=true"), [""; 0]);
    let one = office.get(&token, "/api/v1/follow-ups/1").is(200).json();
    assert_eq!((&one["who"]["number"], &one["overdue"]), (&json!("+79162222222"), &json!(true)));
}
