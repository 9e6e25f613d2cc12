//! Reports as people and spreadsheets see them, with the real program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use huntline::fact::{CallFact, Ended, EndedBy, Fact, MissedCause};

use crate::office::{CONFIG, Office, call, offered, until};

/// Three calls on Monday: one answered after 5 s, one missed, one of a source that a spreadsheet would take for a formula.
fn monday(office: &Office) {
    let ended = |missed, talk_ms| Ended { by: EndedBy::Caller, status: 200, missed, talk_ms };
    let step = |at: i64, seconds: i64, step| (at + seconds, Fact::Call(call(at), step));
    let formula = match offered(1_200) {
        (at, Fact::Call(id, CallFact::Offered(mut offered))) => {
            offered.source = Some("=HYPERLINK(\"http://x\",\"a, b\")".into());
            (at, Fact::Call(id, CallFact::Offered(offered)))
        }
        other => other,
    };
    office.leave([
        offered(0),
        step(0, 5, CallFact::Answered { leg: 1, human: true }),
        step(0, 70, CallFact::Ended(ended(None, 65_000))),
        offered(600),
        step(600, 20, CallFact::Ended(ended(Some(MissedCause::NoAnswer), 0))),
        formula,
        step(1_200, 1, CallFact::Ended(ended(Some(MissedCause::Abandoned), 0))),
    ]);
}

const DAYS: &str = "2026-11-22..2026-11-23";

#[test]
fn a_report_is_a_table_for_people_and_csv_for_spreadsheets() {
    let office = Office::new("shown");
    monday(&office);
    let says = |arguments: &[&str]| office.says(&[&["report"], arguments].concat());
    assert_eq!(
        says(&["missed", "--by", "source", "--period", DAYS, "--csv"]),
        "source,missed,abandoned,no_answer,all_busy,none_reachable,rejected,after_hours,voicemail_left,\
         announcement_only,capacity,system_failure\r\n\
         \"'=HYPERLINK(\"\"http://x\"\",\"\"a, b\"\")\",1,1,0,0,0,0,0,0,0,0,0\r\n\
         site,1,0,1,0,0,0,0,0,0,0,0\r\n"
    );
    let table = says(&["calls", "--period", DAYS]);
    let expected = "\
DAY         CALLS  INBOUND  OUTBOUND  INTERNAL  ANSWERED  MISSED  NEITHER  OPEN  OUTBOUND ANSWERED  TALK SECONDS
2026-11-22  0      0        0         0         0         0       0        0     0                  0.000
2026-11-23  3      3        0         0         1         2       0        0     0                  65.000
all         3      3        0         0         1         2       0        0     0                  65.000
";
    assert!(table.ends_with(expected), "{table}");
    assert!(table.starts_with("calls: calls in, out and inside, answered, missed, talk time, from 2026-11-22 00:00"));
    let hours = says(&["hours", "--period", DAYS]);
    let ten = hours.lines().find(|line| line.starts_with("10 ")).unwrap();
    assert_eq!(ten.split_whitespace().collect::<Vec<_>>(), ["10", "3", "(2", "missed)", "0", "0", "0", "0", "0", "0"]);
    assert!(hours.contains("\nHOUR  MON           TUE  WED"), "{hours}");
    let bom = says(&["calls", "--by", "did", "--period", DAYS, "--csv", "--bom"]);
    assert!(bom.starts_with("\u{feff}did,calls,"), "{bom}");
    assert!(bom.contains("\r\n'+74951234567,3,"), "{bom}");
    let json: serde_json::Value =
        serde_json::from_str(&says(&["service", "--by", "did", "--from", "2026-11-22", "--json"])).unwrap();
    let total = &json["total"];
    assert_eq!((&total["offered"], &total["answered_percent"]), (&3.into(), &33.3.into()));
    assert_eq!(total["answer_seconds"], 5.0);
    let says_what_it_counts = says(&["list"]);
    assert!(says_what_it_counts.contains("\nservice: customers' calls"), "{says_what_it_counts}");
    for (arguments, why) in [
        (&["moon"][..], "\"moon\" is no report; write one of lost, calls"),
        (&["calls", "--by", "day,day"], "--by: \"day\" stands here twice"),
        (&["calls", "--period", "soon"], "--period: \"soon\" are no days; write one of today"),
        (&["calls", "--from", "today", "--to", "yesterday"], "--from, --to: that ends before it begins"),
    ] {
        let (_, err, code) = office.run(&[&["report"], arguments].concat());
        assert!(err.contains(why) && code == 2, "{arguments:?}: {code} {err}");
    }
}

#[test]
fn a_saved_report_outlives_a_kill() {
    let mut office = Office::new("saved");
    office.configure(&CONFIG.replace("number = \"201\"\n", "number = \"201\"\nplan_calls = 20\n"));
    monday(&office);
    let save = ["report", "save", "misses-by-number", "missed", "--by", "did", "--period", DAYS];
    assert_eq!(office.run(&save).2, 3, "only the router writes");
    office.serve();
    assert_eq!(office.says(&save), "saved; `huntline report misses-by-number` prints it\n");
    let (_, err, code) = office.run(&["report", "save", "calls", "missed"]);
    assert_eq!((err.as_str(), code), ("huntline: \"calls\" is there already, choose another name\n", 2));
    office.kill();
    office.serve();
    let table = office.says(&["report", "misses-by-number"]);
    assert!(table.contains("\n+74951234567  2       1          1"), "{table}");
    let one_day = office.says(&["report", "misses-by-number", "--period", "2026-11-22"]);
    assert!(one_day.contains("\nall  0"), "{one_day}");
    assert!(
        office.says(&["report", "list"]).contains("  misses-by-number  missed by did over 2026-11-22..2026-11-23\n")
    );
    let (_, err, code) = office.run(&["report", "moon"]);
    assert!(err.contains("or a saved one: misses-by-number") && code == 2, "{err}");
    let plan = office.says(&["report", "plan", "--period", DAYS, "--csv"]);
    assert!(plan.ends_with("\r\n2026-11-23,201,20,0,0,0.0,0.000\r\n"), "{plan}");
    office.says(&["report", "delete", "misses-by-number"]);
    until(|| office.run(&["report", "misses-by-number"]).2 == 2);
    assert_eq!(office.run(&["report", "delete", "misses-by-number"]).2, 1);
}

/// What the API answers to this: status, head, body.
fn ask(web: SocketAddr, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(web).unwrap();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    let request = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: {web}\r\n{token}{kind}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

#[test]
fn a_spreadsheet_fetches_a_report_by_its_address_with_a_token_that_is_good_for_nothing_else() {
    let mut office = Office::new("fetched");
    let web = TcpListener::bind("127.0.0.72:0").unwrap().local_addr().unwrap();
    office.configure(&format!("{CONFIG}\n[web]\nlisten = \"{web}\"\n"));
    monday(&office);
    office.serve();
    let token =
        |name: &str, more: &[&str]| office.run(&[&["token", "add", "--name", name], more].concat()).0.trim().to_owned();
    let sheet = token("sheet", &["--scope", "reports:read"]);
    let admin = token("admin", &["--scope", "admin"]);
    let own = token("own", &["--scope", "reports:read", "--user", "201"]);
    let get = |path: &str, token: Option<&str>| ask(web, "GET", path, token, "");

    let (status, head, csv) = get(&format!("/reports/missed.csv?by=did&period={DAYS}&token={sheet}"), None);
    assert_eq!(status, 200, "{csv}");
    assert!(head.contains("content-type: text/csv; charset=utf-8"), "{head}");
    assert_eq!(csv.lines().nth(1), Some("'+74951234567,2,1,1,0,0,0,0,0,0,0,0"));
    assert!(get(&format!("/reports/calls.csv?bom=true&token={sheet}"), None).2.starts_with("\u{feff}day,calls,"));
    assert_eq!(get(&format!("/reports/calls.csv?token={admin}"), None).0, 403, "it may do too much for an address");
    assert_eq!(get("/reports/calls.csv?token=hl_wrong", None).0, 401);
    assert_eq!(get(&format!("/calls?token={sheet}"), None).0, 401, "an address opens reports and nothing else");
    for (path, status) in [
        ("/reports/moon", 404),
        ("/reports/calls?by=moon", 400),
        ("/reports/calls?period=soon", 400),
        ("/reports/calls?from=2026-11-02&to=2026-11-01", 400),
        ("/reports/calls?form=2026-11-02", 400),
        ("/reports/calls?from=2026-11-02&period=7d", 400),
    ] {
        assert_eq!(get(path, Some(&sheet)).0, status, "{path}");
    }
    let listed: serde_json::Value = serde_json::from_str(&get("/reports", Some(&sheet)).2).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["columns"][1]["name"]), (&"lost".into(), &"missed".into()));

    let put = |token: &str, body: &str| ask(web, "PUT", "/reports/monday", Some(token), body);
    let definition = format!(r#"{{"report": "calls", "by": "source", "period": "{DAYS}"}}"#);
    assert_eq!(put(&sheet, &definition).0, 403);
    assert_eq!(put(&admin, r#"{"report": "calls", "by": "moon"}"#).0, 422);
    assert_eq!(put(&admin, &definition).0, 200);
    office.kill();
    office.serve();
    let saved: serde_json::Value = serde_json::from_str(&get("/reports/monday", Some(&sheet)).2).unwrap();
    assert_eq!((&saved["rows"][1]["source"], &saved["rows"][1]["calls"]), (&"site".into(), &2.into()));
    assert_eq!(saved["total"]["calls"], 3);
    assert_eq!(office.says(&["report", "monday", "--csv"]), get("/reports/monday.csv", Some(&sheet)).2);

    // An employee sees what stands in their own row.
    let (_, _, theirs) = get(&format!("/reports/calls.csv?by=user&period={DAYS}"), Some(&own));
    assert!(!theirs.contains("(nobody)"), "{theirs}");
    for path in ["/reports/calls?user=202", "/reports/capacity"] {
        assert_eq!(get(path, Some(&own)).0, 404, "{path}");
    }
    assert_eq!(ask(web, "DELETE", "/reports/monday", Some(&admin), "").0, 204);
    assert_eq!(ask(web, "DELETE", "/reports/monday", Some(&admin), "").0, 404);
}
