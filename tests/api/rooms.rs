//! What each room shows and does.

use serde_json::{Value, json};

use crate::office::{MESSAGE, Office, call};

fn all(office: &Office) -> String {
    office.token("all", None, &["admin"])
}

#[test]
fn a_follow_up_is_claimed_by_one_of_ten_commented_and_closed() {
    let office = Office::start("claim");
    let token = all(&office);
    let claims: Vec<u16> = std::thread::scope(|scope| {
        let claim =
            |who: &'static str| office.send(&token, "POST", "/api/v1/follow-ups/2:claim", &json!({ "by": who })).status;
        let threads: Vec<_> =
            ["201", "202"].into_iter().cycle().take(10).map(|who| scope.spawn(move || (who, claim(who)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().1).collect()
    });
    let (had, refused) = (
        claims.iter().filter(|status| **status == 200).count(),
        claims.iter().filter(|status| **status == 409).count(),
    );
    // Whoever has it may claim it again; the other one hears who has it.
    assert_eq!((had, refused), (5, 5), "{claims:?}");
    let one = office.get(&token, "/api/v1/follow-ups/2").is(200).json();
    let claimed = one["comments"].as_array().unwrap().iter().filter(|comment| comment["what"] == "claimed").count();
    assert_eq!(claimed, 1, "{one}");
    let loser = if one["assignee"] == "201" { "202" } else { "201" };
    let late = office.send(&token, "POST", "/api/v1/follow-ups/2:claim", &json!({ "by": loser })).is(409).detail();
    assert!(late.starts_with("somebody was faster: "), "{late}");
    let said =
        office.send(&token, "POST", "/api/v1/follow-ups/2:comment", &json!({ "text": "at lunch" })).is(200).json();
    assert_eq!(said["comments"].as_array().unwrap().last().unwrap()["text"], "at lunch");
    let counts = office.get(&token, "/api/v1/follow-ups/counts").is(200).json();
    assert_eq!((&counts["open"], &counts["overdue"]), (&json!(2), &json!(2)));
    let closed = office.send(&token, "POST", "/api/v1/follow-ups/2:close", &json!({ "why": "by mail" })).is(200).json();
    assert_eq!(closed["closed_why"], "by mail");
    office.send(&token, "POST", "/api/v1/follow-ups/2:close", &json!({ "why": "again" })).is(409);
    office.send(&token, "POST", "/api/v1/follow-ups/9:close", &json!({ "why": "what" })).is(404);
}

#[test]
fn a_recording_is_played_from_any_second() {
    let office = Office::start("recording");
    let token = office.token("ear", None, &["recordings:read", "voicemail:read", "voicemail:write"]);
    let path = format!("/api/v1/calls/{}/recording", call(0));
    let list = office.get(&token, &format!("{path}s")).is(200).json();
    assert_eq!(
        (&list[0]["index"], &list[0]["length_ms"], list.as_array().unwrap().len()),
        (&json!(0), &json!(1000), 1)
    );
    let ask = |headers: &[&str]| {
        let who = format!("Authorization: Bearer {token}");
        let mut all = vec![who.as_str()];
        all.extend(headers);
        office.ask("GET", &path, &all, b"")
    };
    let whole = ask(&[]).is(200);
    assert_eq!((whole.header("content-type"), whole.header("accept-ranges")), (Some("audio/wav"), Some("bytes")));
    assert!(whole.body.starts_with(b"RIFF"));
    let length = whole.body.len();
    let tag = whole.header("etag").unwrap().to_owned();
    let part = ask(&["Range: bytes=4-7"]).is(206);
    assert_eq!(
        (&part.body[..], part.header("content-range")),
        (&whole.body[4..8], Some(&*format!("bytes 4-7/{length}")))
    );
    assert_eq!(ask(&["Range: bytes=-3"]).is(206).body, whole.body[length - 3..]);
    assert_eq!(ask(&["Range: bytes=4-7", &format!("If-Range: {tag}")]).is(206).body.len(), 4);
    assert_eq!(ask(&["Range: bytes=4-7", "If-Range: \"other\""]).is(200).body.len(), length);
    let beyond = ask(&[&format!("Range: bytes={length}-")]).is(416);
    assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{length}")));
    ask(&[&format!("If-None-Match: {tag}")]).is(304);
    let head = office.ask("HEAD", &path, &[&format!("Authorization: Bearer {token}")], b"").is(200);
    assert_eq!((head.header("content-length"), head.body.len()), (Some(&*length.to_string()), 0));
    office.get(&token, &format!("{path}?index=1")).is(404);

    let id = MESSAGE.rsplit('/').next().unwrap().trim_end_matches(".wav");
    let message = format!("/api/v1/voicemail/sales/{id}");
    let boxes = office.get(&token, "/api/v1/voicemail").is(200).json();
    assert_eq!(boxes[0], json!({"name": "sales", "extensions": ["201"], "new": 1, "heard": 0, "empty": 0}));
    assert_eq!(office.get(&token, &format!("{message}/media")).is(200).body.len(), length);
    assert_eq!(office.send(&token, "POST", &format!("{message}:heard"), &Value::Null).is(200).json()["state"], "heard");
    assert_eq!(office.get(&token, "/api/v1/voicemail/sales?new=true").is(200).json()["items"], json!([]));
    assert_eq!(office.send(&token, "POST", &format!("{message}:new"), &Value::Null).is(200).json()["state"], "new");
    office.ask("DELETE", &message, &[&format!("Authorization: Bearer {token}")], b"").is(204);
    office.get(&token, &message).is(404);
}

#[test]
fn a_customer_is_looked_up_as_anybody_writes_the_number_and_written_down() {
    let office = Office::start("contacts");
    let token = all(&office);
    let found = office.get(&token, "/api/v1/contacts?phone=8%20(916)%20123-45-67").is(200).json();
    assert_eq!((&found["items"][0]["id"], &found["items"][0]["responsible"]), (&json!("crm-1"), &json!("201")));
    let eve = json!({"name": "Eve", "responsible": "202", "numbers": ["8 916 333-33-33"]});
    let made = office.send_with(&token, "PUT", "/api/v1/contacts/crm-3", &["If-None-Match: *"], &eve).is(201);
    assert_eq!(made.json()["numbers"], json!(["+79163333333"]));
    office.send_with(&token, "PUT", "/api/v1/contacts/crm-3", &["If-None-Match: *"], &eve).is(412);
    let tag = made.header("etag").unwrap().to_owned();
    let seen = format!("If-Match: {tag}");
    let changed = json!({"name": "Eve Adams", "numbers": ["+79163333333"]});
    office.send_with(&token, "PUT", "/api/v1/contacts/crm-3", &[&seen], &changed).is(200);
    office.send_with(&token, "PUT", "/api/v1/contacts/crm-3", &[&seen], &changed).is(412);
    let wrong = json!({"name": "x", "responsible": "299"});
    assert_eq!(
        office.send(&token, "PUT", "/api/v1/contacts/x", &wrong).is(422).detail(),
        "responsible: there is no extension \"299\""
    );
    let wrong = json!({"name": "x", "numbers": ["what"]});
    let detail = office.send(&token, "PUT", "/api/v1/contacts/x", &wrong).is(422).detail();
    assert_eq!(detail, "numbers: \"what\" cannot be read as a number; +COUNTRY… always can");
    // The core knows her at once.
    let asked = json!({"from": "+79163333333", "to": "+74951234567"});
    let explained = office.send(&token, "POST", "/api/v1/explain", &asked).is(200).json();
    assert!(explained["from"].as_str().unwrap().contains("Eve Adams"), "{explained}");
    let line = office.get(&token, "/api/v1/contacts/crm-3/timeline").is(200).json();
    let what: Vec<_> = line["items"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert!(what.contains(&"call") && what.contains(&"follow_up") && what.contains(&"voicemail"), "{what:?}");
    let next = office.get(&token, "/api/v1/contacts/crm-3/timeline?limit=1").is(200).json()["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = office.get(&token, &format!("/api/v1/contacts/crm-3/timeline?cursor={next}")).is(200).json();
    assert_eq!(rest["items"].as_array().unwrap().len(), what.len() - 1);
    office.ask("DELETE", "/api/v1/contacts/crm-3", &[&format!("Authorization: Bearer {token}")], b"").is(204);
    office.get(&token, "/api/v1/contacts/crm-3").is(404);
    let first = office.get(&token, "/api/v1/contacts?limit=1").is(200).json();
    let next = first["next"].as_str().unwrap();
    let second = office.get(&token, &format!("/api/v1/contacts?limit=1&cursor={next}")).is(200).json();
    assert_eq!(
        (&first["items"][0]["id"], &second["items"][0]["id"], &second["next"]),
        (&json!("crm-1"), &json!("crm-2"), &Value::Null)
    );
}

#[test]
fn customers_are_imported_all_or_none_from_three_kinds_of_files() {
    let office = Office::start("import");
    let token = all(&office);
    let import = |query: &str, kind: &str, body: &str| {
        let who = format!("Authorization: Bearer {token}");
        office.ask(
            "POST",
            &format!("/api/v1/contacts:import{query}"),
            &[&who, &format!("Content-Type: {kind}")],
            body.as_bytes(),
        )
    };
    let table = "id;name;phone;responsible\ncrm-1;Ada Lovelace;8 916 123-45-67;202\ncrm-9;Zed;+79169999999;\n";
    let would = import("?dry_run=true", "text/csv", table).is(200).json();
    assert_eq!((&would["added"], &would["changed"], &would["dry_run"]), (&json!(1), &json!(1), &json!(true)));
    office.get(&token, "/api/v1/contacts/crm-9").is(404);
    import("", "text/csv", table).is(200);
    let asked = json!({"from": "+79169999999", "to": "+74951234567"});
    let explained = office.send(&token, "POST", "/api/v1/explain", &asked).is(200).json();
    assert!(explained["from"].as_str().unwrap().contains("Zed"), "{explained}");
    let bad = "{\"id\":\"a\",\"numbers\":[\"+79165555555\"]}\nwhat\n{\"id\":\"b\",\"numbers\":[\"x\"]}\n";
    let refused = import("", "application/x-ndjson", bad).is(422);
    let lines: Vec<_> = refused.json()["problems"].as_array().unwrap().iter().map(|one| one["line"].clone()).collect();
    assert_eq!(lines, [json!(2), json!(3)]);
    let taken = import("?skip_bad=true", "application/x-ndjson", bad).is(200).json();
    assert_eq!((&taken["added"], &taken["numbers"]), (&json!(2), &json!(1)));
    let card = "BEGIN:VCARD\nVERSION:4.0\nUID:v\nFN:Vera\nTEL:+79164444444\nEND:VCARD\n";
    assert_eq!(import("", "text/vcard", card).is(200).json()["added"], 1);
    import("", "application/json", "{}").is(415);
    assert!(import("", "text/csv", "a,b\n1,2\n").is(400).detail().contains("no column is headed id"));
}

#[test]
fn hours_absences_forwards_and_blocks_are_set_and_taken_back() {
    let office = Office::start("by-hand");
    let token = all(&office);
    let delete = |path: &str| office.ask("DELETE", path, &[&format!("Authorization: Bearer {token}")], b"").is(204);
    for (state, open) in [("open", true), ("closed", false)] {
        let set =
            office.send(&token, "PUT", "/api/v1/schedules/office/override", &json!({ "state": state })).is(200).json();
        assert_eq!((&set["open"], &set["override"]["state"]), (&json!(open), &json!(state)));
        assert_eq!(office.get(&token, "/api/v1/dids").is(200).json()[0]["open"], open);
    }
    delete("/api/v1/schedules/office/override");
    assert_eq!(office.get(&token, "/api/v1/schedules/office").is(200).json()["override"], Value::Null);
    let past = json!({"state": "open", "until": "2020-01-01"});
    office.send(&token, "PUT", "/api/v1/schedules/office/override", &past).is(422);
    office.send(&token, "PUT", "/api/v1/schedules/offices/override", &json!({"state": "open"})).is(404);

    let away =
        office.send(&token, "PUT", "/api/v1/extensions/201/away", &json!({"until": "2099-01-01"})).is(200).json();
    assert_eq!((&away["away"], &away["away_until"]), (&json!(true), &json!("2098-12-31T21:00:00Z")));
    delete("/api/v1/extensions/201/away");
    let sent = office.send(&token, "PUT", "/api/v1/extensions/201/forwards/busy", &json!({"to": "202"})).is(200).json();
    assert_eq!(sent["forwards"], json!([{"when": "busy", "to": "202"}]));
    delete("/api/v1/extensions/201/forwards/busy");
    assert_eq!(office.get(&token, "/api/v1/extensions/201").is(200).json()["forwards"], json!([]));

    office.send(&token, "PUT", "/api/v1/blocked/8%20916%20000-00-09", &json!({"note": "sells windows"})).is(204);
    let blocked = office.get(&token, "/api/v1/blocked").is(200).json();
    assert_eq!((&blocked[0]["number"], &blocked[0]["note"]), (&json!("+79160000009"), &json!("sells windows")));
    delete("/api/v1/blocked/+79160000009");
    assert_eq!(office.get(&token, "/api/v1/trunks").is(200).json()[0]["name"], "mango");
    assert_eq!(office.get(&token, "/api/v1/groups").is(200).json()[0]["members"], json!(["201", "202"]));
    assert_eq!(office.get(&token, "/api/v1/devices").is(200).json(), json!([]));
    assert_eq!(office.get(&token, "/api/v1/outbox").is(200).json()["items"], json!([]));
}

#[test]
fn an_employee_is_added_in_one_piece_and_the_phone_is_told_what_it_needs() {
    let office = Office::start("extension");
    let token = all(&office);
    let before = std::fs::read_to_string(office.file()).unwrap();
    let new = json!({"number": "214", "name": "Ada", "groups": ["sales"], "mobile": "8 916 000-00-14"});
    let added = office.send(&token, "POST", "/api/v1/extensions", &new).is(201).json();
    assert_eq!(
        (&added["extension"]["groups"], &added["extension"]["devices"]),
        (&json!(["sales"]), &json!(["sip", "+79160000014"]))
    );
    let password = added["provisioning"]["password"].as_str().unwrap();
    assert_eq!(password.len(), 24);
    let after = std::fs::read_to_string(office.file()).unwrap();
    let expected = before
        .replace("password = \"secret-202\"\n", &format!("password = \"secret-202\"\n\n[[extension]]\nnumber = \"214\"\nname = \"Ada\"\npassword = \"{password}\"\ndevices = [\"sip\", {{ gsm = \"+79160000014\" }}]\n"))
        .replace("[\"201\", \"202\"]", "[\"201\", \"202\", \"214\"]");
    assert_eq!(after, expected, "comments and order stay");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(office.file()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let link = added["provisioning"]["link"].as_str().unwrap();
    let path = link.strip_prefix(&format!("http://{}", office.web)).unwrap();
    let given = office.ask("GET", path, &[], b"").is(200);
    assert_eq!(given.header("content-type"), Some("application/xml"));
    assert!(given.text().contains(password) && given.text().contains("sip:214@"), "{}", given.text());
    let forged = path.replace("/214/", "/201/");
    office.ask("GET", &forged, &[], b"").is(404);
    assert!(office.send(&token, "POST", "/api/v1/extensions", &new).is(409).detail().contains("already"));
    for wrong in [
        json!({"number": "2 4"}),
        json!({"number": "112"}),
        json!({"number": "215", "groups": ["x"]}),
        json!({"number": "215", "mobile": "x"}),
    ] {
        office.send(&token, "POST", "/api/v1/extensions", &wrong).is(422);
    }
    assert_eq!(std::fs::read_to_string(office.file()).unwrap(), after, "what is refused changes nothing");
    let again = office.send(&token, "POST", "/api/v1/extensions/214:provision", &Value::Null).is(200).json();
    assert_eq!(again["password"], password);
}

#[test]
fn the_config_is_shown_without_secrets_checked_and_exchanged_by_who_has_seen_it() {
    let office = Office::start("config");
    let token = all(&office);
    let reader = office.token("reader", None, &["config:read"]);
    let shown = office.get(&reader, "/api/v1/config").is(200);
    let tag = shown.header("etag").unwrap().to_owned();
    assert!(!shown.text().contains("secret-201") && !shown.text().contains('#'), "{}", shown.text());
    office.get(&reader, "/api/v1/config?comments=true").is(403);
    let whole = office.get(&token, "/api/v1/config?comments=true").is(200).text();
    assert!(whole.contains("# of Ivan") && !whole.contains("secret-201"), "{whole}");
    let send = |method: &str, path: &str, headers: &[&str], text: &str| {
        let who = format!("Authorization: Bearer {token}");
        let mut all = vec![who.as_str(), "Content-Type: application/toml"];
        all.extend(headers);
        office.ask(method, path, &all, text.as_bytes())
    };
    let before = std::fs::read_to_string(office.file()).unwrap();
    let broken = whole
        .replace("strategy", "strat")
        .replace("members = [\"201\", \"202\"]", "members = [\"201\", \"209\"]\nstratgy = \"x\"");
    let checked = send("POST", "/api/v1/config:check", &[], &broken).is(200).json();
    assert_eq!(checked["ok"], false);
    let fields: Vec<_> = checked["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["severity"] == "error")
        .map(|one| one["field"].clone())
        .collect();
    assert_eq!(fields, [json!("group \"sales\".members"), json!("group \"sales\".stratgy")]);
    send("PUT", "/api/v1/config", &[], &whole).is(428);
    send("PUT", "/api/v1/config", &["If-Match: \"0\""], &whole).is(412);
    let seen = format!("If-Match: {tag}");
    let refused = send("PUT", "/api/v1/config", &[&seen], &broken).is(422);
    assert!(refused.json()["problems"].as_array().unwrap().len() >= 2);
    assert_eq!(std::fs::read_to_string(office.file()).unwrap(), before, "what is refused loses nothing");
    let changed = whole.replace("name = \"Vasyl\"", "name = \"Vasyl the second\"");
    let applied = send("PUT", "/api/v1/config", &[&seen], &changed).is(200);
    assert_ne!(applied.header("etag"), Some(&*tag));
    let now = std::fs::read_to_string(office.file()).unwrap();
    assert_eq!(now, before.replace("name = \"Vasyl\"", "name = \"Vasyl the second\""), "secrets and comments stay");
    assert_eq!(office.get(&token, "/api/v1/extensions/202").is(200).json()["name"], "Vasyl the second");
    send("PUT", "/api/v1/config", &[&seen], &changed).is(412);

    // As it was, and back.
    let versions = office.get(&reader, "/api/v1/config/versions").is(200).json();
    let by: Vec<_> = versions.as_array().unwrap().iter().map(|one| (&one["number"], &one["by"])).collect();
    assert_eq!(by, [(&json!(2), &json!("token all")), (&json!(1), &json!("start"))]);
    assert_eq!((&versions[0]["is_in_force"], &versions[1]["is_in_force"]), (&json!(true), &json!(false)));
    let first = office.get(&reader, "/api/v1/config/versions/1").is(200);
    assert_eq!((first.header("etag"), first.text()), (Some(&*tag), shown.text()));
    office.get(&reader, "/api/v1/config/versions/1?comments=true").is(403);
    office.get(&reader, "/api/v1/config/versions/9").is(404);
    let rollback = "/api/v1/config/versions/1:rollback";
    send("POST", rollback, &[], "").is(428);
    send("POST", rollback, &[&seen], "").is(412);
    office.ask("POST", rollback, &[&format!("Authorization: Bearer {reader}")], b"").is(403);
    let now = format!("If-Match: {}", applied.header("etag").unwrap());
    send("POST", "/api/v1/config/versions/9:rollback", &[&now], "").is(404);
    let back = send("POST", rollback, &[&now], "").is(200);
    assert_eq!(back.header("etag"), Some(&*tag));
    assert_eq!(std::fs::read_to_string(office.file()).unwrap(), before);
    assert_eq!(office.get(&token, "/api/v1/extensions/202").is(200).json()["name"], "Vasyl");
    let versions = office.get(&reader, "/api/v1/config/versions").is(200).json();
    assert_eq!(versions[0]["by"], "token all: rollback to 1");
}

#[test]
fn a_call_is_asked_for_by_who_may_and_refused_in_words() {
    let office = Office::start("originate");
    let token = office.token("crm", None, &["calls:control", "follow-ups:read", "calls:read"]);
    let ask = |body: Value| office.send(&token, "POST", "/api/v1/originate", &body);
    assert!(ask(json!({"to": "+79161234567"})).is(422).detail().starts_with("user: say whose phones"));
    let unknown = ask(json!({"user": "299", "to": "+79161234567"})).is(422).detail();
    assert!(unknown.contains("299"), "{unknown}");
    ask(json!({"user": "201", "to": "+79161234567", "timeout": 0})).is(422);
    ask(json!({"user": "201", "to": ""})).is(422);
    // Nobody has registered as 201: no phone could ring.
    let nobody = ask(json!({"user": "201", "to": "+79161234567", "ref": "deal-1"}));
    assert!([202, 422].contains(&nobody.status), "{}", nobody.text());
    let ivan = office.token("ivan", Some("201"), &["calls:control", "follow-ups:read"]);
    let other = office.send(&ivan, "POST", "/api/v1/originate", &json!({"user": "202", "to": "201"})).is(403).detail();
    assert_eq!(other, "user: this token is 201's, and nobody else's");
    office.send(&token, "POST", "/api/v1/follow-ups/9:call", &json!({})).is(404);
    let transfer = format!("/api/v1/calls/{}:transfer", call(0));
    assert!(office.send(&token, "POST", &transfer, &json!({"to": "202"})).is(409).detail().contains("ended"));
}
