//! The command line, run as people run it: exact output, exact exit codes, no running router but where one is started.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use huntline::clock::Timestamp;
use huntline::fact::{CallFact, Ended, EndedBy, Fact, KnownCustomer, Noted, Offered, Party, Rung, Streamed, Whom};
use huntline::key::CallId;
use huntline::route::{Considered, Direction, Failed, Reason, Rule};
use huntline::store::Writer;

/// A folder with an office in it.
struct Office(PathBuf);

const CONFIG: &str = r#"
[site]
name = "Stroymarket"
timezone = "Europe/Moscow"
numbering = { country = "7", area = "495", national_prefix = "8", international_prefix = "810" }

[sip]
listen = ["udp://127.0.0.71:5071"]

[storage]
directory = "data"

[[trunk]]
name = "mango"
server = "sip:127.0.0.10:5060"
dials = "national"

[[extension]]
number = "201"
name = "Ivan"
password = "secret-201"

[[extension]]
number = "202"
name = "Vasil"
password = "secret-202"
unreachable = "extension:201"

[[schedule]]
name = "office"
open = ["mon-fri 09:00-18:00"]

[[did]]
number = "+74951234567"
source = "site"
schedule = "office"
known = { to = "responsible", ring = "20s" }
open = { to = ["extension:202", "refuse:busy"] }
closed = { to = "refuse:unavailable" }
"#;

impl Office {
    fn new(name: &str) -> Office {
        let path = std::env::temp_dir().join(format!("huntline-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        let office = Office(path);
        office.write("office.toml", CONFIG);
        office
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::write(&path, text).unwrap();
        // Readable by others, a config with passwords is a warning of its own.
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
        command.current_dir(&self.0).args(arguments).args(["--config", "office.toml"]);
        command
    }

    /// Standard output, standard error, exit code.
    fn run(&self, arguments: &[&str]) -> (String, String, i32) {
        let Output { stdout, stderr, status } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr), status.code().unwrap())
    }

    /// What a command prints that says nothing on standard error and succeeds.
    fn says(&self, arguments: &[&str]) -> String {
        let (out, err, code) = self.run(arguments);
        assert_eq!((err.as_str(), code), ("", 0), "{arguments:?}");
        out
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `seconds` after ten on a Monday morning in Moscow.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second("2026-11-23T07:00:00Z".parse::<Timestamp>().unwrap().as_second() + seconds).unwrap()
}

/// A known customer's call that 201 answers, and an anonymous one that nobody does.
fn two_calls(data: &Path) -> [CallId; 2] {
    let [known, missed] = [CallId::new(at(0), 1), CallId::new(at(600), 2)];
    let offered = Offered {
        direction: Direction::Inbound,
        from: Party {
            number: Some("+79161234567".parse().unwrap()),
            name: Some("Ada Byron".into()),
            ..Party::default()
        },
        to: Party { number: Some("+74951234567".parse().unwrap()), ..Party::default() },
        did: Some("+74951234567".into()),
        source: Some("site".into()),
        trunk: Some("mango".into()),
        customer: Some(KnownCustomer { id: "7".into(), name: "Ada Byron".into(), responsible: Some("202".into()) }),
        emergency: false,
        reference: None,
        sip_call_id: "abc@mango".into(),
        because: vec![Reason::KnownCustomer("Ada Byron".into()), Reason::Responsible("202".into())],
        considered: vec![Considered { rule: Rule::BlockList, found: Reason::NotBlocked }],
        plan: "extension:202\ngroup:sales".into(),
    };
    let anonymous = Offered {
        from: Party { anonymous: true, ..Party::default() },
        customer: None,
        because: vec![Reason::AnonymousCaller],
        sip_call_id: "def@mango".into(),
        plan: String::new(),
        ..offered.clone()
    };
    let rung = |leg, extension: &str| Rung {
        leg,
        whom: Whom::Extension(extension.into()),
        device: format!("sip:{extension}@192.168.0.9").into(),
    };
    let turned = vec![Reason::Is("202".into(), Failed::Busy), Reason::FallsTo("extension:201".into())];
    let ended = |status, talk_ms| CallFact::Ended(Ended { by: EndedBy::Caller, status, missed: None, talk_ms });
    let missed_end =
        Ended { by: EndedBy::Caller, status: 487, missed: Some(huntline::fact::MissedCause::Abandoned), talk_ms: 0 };
    let steps = [
        (known, 0, CallFact::Offered(Box::new(offered))),
        (known, 0, CallFact::Rung(vec![rung(1, "202")])),
        (known, 1, CallFact::Dropped { leg: 1, status: 486, stopped: None }),
        (known, 1, CallFact::Turned { because: turned }),
        (known, 1, CallFact::Rung(vec![rung(2, "201")])),
        (known, 2, CallFact::Ringing { leg: 2 }),
        (known, 5, CallFact::Answered { leg: 2, human: true }),
        (known, 95, ended(200, 90_000)),
        (known, 95, CallFact::Traced { ladder: "mango -> us   INVITE +74951234567".into(), tape: None }),
        (missed, 600, CallFact::Offered(Box::new(anonymous))),
        (missed, 604, CallFact::Ended(missed_end)),
    ];
    let steps = steps.into_iter().map(|(id, seconds, step)| (seconds, Fact::Call(id, step)));
    // The phone of 201 was not heard.
    let voice = Streamed { packets: 4_455, forwarded: 4_455, lost: 45, jitter_us: 7_250, foreign: 0 };
    let heard = [(0, voice), (2, Streamed::default())];
    let heard = heard.map(|(leg, streamed)| (95, Fact::Streamed { call: known, leg, streamed }));
    let facts: Vec<Noted> = (1..)
        .zip(steps.chain(heard))
        .map(|(number, (seconds, fact))| Noted { number, at: at(seconds), fact })
        .collect();
    Writer::open(data).unwrap().append(&facts).unwrap();
    [known, missed]
}

#[test]
fn check_says_that_a_config_can_run_or_everything_that_is_wrong_with_it() {
    let office = Office::new("check");
    let fine = office.says(&["check"]);
    let version = fine.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(fine, format!("office.toml can run: 2 extensions, 0 groups, 1 DID, 1 trunk; version {version}\n"));
    office.write("office.toml", &CONFIG.replace("[\"extension:202\", ", "[\"extension:209\", "));
    let (out, err, code) = office.run(&["check"]);
    assert_eq!((err.as_str(), code), ("", 1));
    let first = "office.toml:38:16: error: did \"+74951234567\".open.to: there is no extension \"209\"
   |
38 | open = { to = [\"extension:209\", \"refuse:busy\"] }
   |                ^^^^^^^^^^^^^^^
   = write one of: 201, 202
";
    assert!(out.starts_with(first) && out.contains("\n1 error, "), "{out}");
    let (json, _, code) = office.run(&["check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["sound"], &json["errors"], &json["problems"][0]["line"], code),
        (&false.into(), &1.into(), &38.into(), 1)
    );
}

#[test]
fn a_config_that_is_not_there_is_named() {
    let office = Office::new("nowhere");
    std::fs::remove_file(office.0.join("office.toml")).unwrap();
    let (out, err, code) = office.run(&["calls"]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.contains("office.toml:1:1: error: file: this file cannot be read: No such file"), "{err}");
}

#[test]
fn a_slip_in_the_config_does_not_hide_the_calls_of_the_day() {
    let office = Office::new("slip");
    two_calls(&office.data());
    let calls = office.says(&["calls"]);
    for (slip, errors) in [("\n[[group]]\nname = 7\n", "2 errors"), ("\n[[group]]\nname = \"sal", "1 error")] {
        office.write("office.toml", &format!("{CONFIG}{slip}"));
        let (out, err, code) = office.run(&["calls"]);
        assert_eq!((&out, code), (&calls, 0));
        let said = format!(
            "huntline: office.toml cannot be followed ({errors}, `huntline check` names them); the data is in data\n"
        );
        assert_eq!(err, said);
        assert_eq!(office.run(&["status"]).2, 3);
    }
    office.write("office.toml", &CONFIG.replace("\"Stroymarket\"", "\"Stroy"));
    assert_eq!(office.run(&["calls"]).2, 1);
}

#[test]
fn explain_needs_neither_database_nor_router() {
    let office = Office::new("explain");
    let call = ["explain", "--from", "8 (916) 123-45-67", "--to", "+74951234567", "--at", "2026-11-23 10:00"];
    let text = office.says(&call);
    assert_eq!(text.lines().next(), Some("+79161234567 calls +74951234567 at Mon 2026-11-23 10:00 MSK"));
    assert!(text.contains("\n    0 s  202 rings\n"), "{text}");
    let night = office.says(&["explain", "--from", "anonymous", "--to", "+74951234567", "--at", "2026-11-23 21:00"]);
    assert!(night.contains("office is closed"), "{night}");
    let by_hand = office.says(&[&call[..], &["--override", "office=closed", "--busy", "201"]].concat());
    let mut lines = by_hand.lines().skip(1);
    assert_eq!(lines.next(), Some("assuming 201 is busy"));
    assert_eq!(lines.next(), Some("assuming office is set closed by hand"));
    assert!(by_hand.contains("ends with 480"), "{by_hand}");
    let json: serde_json::Value = serde_json::from_str(&office.says(&[&call[..], &["--json"]].concat())).unwrap();
    assert_eq!(json["to"], "+74951234567");
}

#[test]
fn explain_sees_what_the_database_remembers() {
    let office = Office::new("explain-state");
    office.write("customers.csv", "id,name,phone,responsible\n7,Ada Byron,8 916 123-45-67,201\n");
    office.says(&["contacts", "import", "customers.csv"]);
    let call = ["explain", "--from", "+79161234567", "--to", "+74951234567", "--at", "2026-11-23 10:00"];
    let text = office.says(&call);
    assert!(text.starts_with("+79161234567, Ada Byron calls ") && text.contains("responsible 201"), "{text}");
    assert!(text.contains("\n    0 s  201 rings\n"), "{text}");
    let away = Fact::Away { extension: "201".into(), until: Some(at(3600)) };
    Writer::open(&office.data()).unwrap().append(&[Noted { number: 1, at: at(0), fact: away }]).unwrap();
    assert!(office.says(&call).contains("201 is away"));
    assert!(!office.says(&[&call[..6], &["2026-11-23 12:00"]].concat()).contains("201 is away"));
    assert!(office.says(&[&call[..], &["--customer", "unknown"]].concat()).contains("unknown caller"));
}

#[test]
fn what_is_typed_wrongly_is_said_with_what_could_be_typed_and_exit_code_2() {
    let office = Office::new("usage");
    let call = ["explain", "--from", "+79161234567", "--to", "+74951234567"];
    let (_, err, code) = office.run(&[&call[..], &["--busy", "201,299", "--override", "shop=open"]].concat());
    assert_eq!(
        (err.as_str(), code),
        (
            "huntline: busy: there is no extension \"299\"; there is 201, 202\n          override: there is no schedule \
             \"shop\"; there is office\n",
            2
        )
    );
    let (_, err, code) = office.run(&[&call[..], &["--override", "office=shut"]].concat());
    assert_eq!(
        (err.as_str(), code),
        ("huntline: --override: \"office=shut\" is neither SCHEDULE=open nor SCHEDULE=closed\n", 2)
    );
    let (_, err, code) = office.run(&["calls", "--from", "soon"]);
    assert!(err.starts_with("huntline: --from: \"soon\" is no moment; write one of 18:00, "), "{err}");
    assert_eq!(code, 2);
    assert_eq!(office.run(&["explain"]).2, 2);
    assert_eq!(office.run(&["calls", "show", "xyz"]).2, 2);
}

#[test]
fn calls_are_listed_and_filtered_the_newest_first() {
    let office = Office::new("calls");
    let [known, missed] = two_calls(&office.data());
    assert_eq!(
        office.says(&["calls"]),
        format!(
            "BEGAN                CALL           KIND     FROM                    TO            RESULT             TALK
2026-11-23 10:10:00  {missed}  inbound  anonymous               +74951234567  missed: abandoned
2026-11-23 10:00:00  {known}  inbound  +79161234567 Ada Byron  +74951234567  answered by 201    1:30
"
        )
    );
    let ids = |arguments: &[&str]| -> Vec<String> {
        let json: Vec<serde_json::Value> =
            serde_json::from_str(&office.says(&[&["calls", "--json"], arguments].concat())).unwrap();
        json.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let (known, missed) = (known.to_string(), missed.to_string());
    let cases: [(&[&str], &[&String]); 9] = [
        (&[], &[&missed, &known]),
        (&["--missed"], &[&missed]),
        (&["--state", "answered"], &[&known]),
        (&["--number", "8-916-1234567"], &[&known]),
        (&["--user", "202"], &[&known]),
        (&["--did", "8 495 123 45 67"], &[&missed, &known]),
        (&["--from", "2026-11-23 10:05", "--to", "2026-11-24"], &[&missed]),
        (&["--to", "2026-11-23 10:00"], &[]),
        (&["--before", &missed], &[&known]),
    ];
    for (arguments, expected) in cases {
        assert_eq!(ids(arguments).iter().collect::<Vec<_>>(), expected, "{arguments:?}");
    }
    assert_eq!(office.says(&["calls", "--user", "999"]), "no calls\n");
    assert!(office.says(&["calls", "--limit", "1"]).ends_with(&format!("older ones: --before {missed}\n")));
}

#[test]
fn one_call_is_shown_in_full_and_explain_shows_its_decision_as_stored() {
    let office = Office::new("show");
    let [known, _] = two_calls(&office.data());
    let id = known.to_string();
    let decision = format!(
        "call     {id}, inbound, answered by 201
from     +79161234567 Ada Byron
to       +74951234567
customer Ada Byron (7), responsible 202
by       DID +74951234567, source site, trunk mango
began    Mon 2026-11-23 10:00:00 MSK
answered 10:00:05 by 201
ended    10:01:35 by caller, status 200, talk 1:30
Call-ID  abc@mango

block list      not blocked

because known customer, responsible 202
  +1.000 s  202 is busy, falls to extension:201

plan
  extension:202
  group:sales
"
    );
    let rest = "
legs
  202  sip:202@192.168.0.9  invited +0.000 s                                    486 +1.000 s
  201  sip:201@192.168.0.9  invited +1.000 s  rings +2.000 s  answers +5.000 s

talked
  201  +5.000 s to +95.000 s

heard
  +79161234567  4455 packets  45 lost (1.0 %)  jitter up to 7.2 ms
  201           0 packets     0 lost (0.0 %)   jitter up to 0.0 ms
  one-way audio: nothing came from 201 in a talk of 1:30

on the wire
  mango -> us   INVITE +74951234567
";
    assert_eq!(office.says(&["calls", "show", &id]), format!("{decision}{rest}"));
    assert_eq!(office.says(&["explain", "--call", &id]), decision);
    let json: serde_json::Value = serde_json::from_str(&office.says(&["calls", "show", &id, "--json"])).unwrap();
    assert_eq!(json["legs"][1]["answered"], "2026-11-23T07:00:05Z");
    let (_, err, code) = office.run(&["calls", "show", "0000000000000"]);
    assert_eq!((err.as_str(), code), ("huntline: there is no call 0000000000000; `huntline calls` lists them\n", 1));
}

const CUSTOMERS: &str = "\u{feff}ID;Type;Name;Phone 1;Phone 2;Responsible\r
7;contact;Ada Byron;8 (916) 123-45-67;+49 30 123456, 123-45-67;201\r
8;company;Engines Ltd;+4930123456;;299\r
9;;Nobody;12;;\r
9;contact;Nobody again;;;\r
10;friend;Wrong kind;;;\r
";

#[test]
fn a_call_of_an_older_version_has_no_trace_and_says_so() {
    let office = Office::new("no-tape");
    let [known, missed] = two_calls(&office.data());
    for id in [known, missed] {
        let (out, err, code) = office.run(&["calls", "show", &id.to_string(), "--trace"]);
        let expected = format!(
            "huntline: there is no tape of the call {id}: its last goodbye may still be under way (try again in a minute), \
             or it was recorded by an older version, or shed, or the router died in it; `calls show {id}` has what is known\n"
        );
        assert_eq!((out.as_str(), err.as_str(), code), ("", expected.as_str(), 1));
    }
    let (_, err, code) = office.run(&["calls", "show", "0000000000000", "--trace"]);
    assert_eq!((err.as_str(), code), ("huntline: there is no call 0000000000000; `huntline calls` lists them\n", 1));
}

#[test]
fn a_trace_is_played_again_beside_what_it_says_and_the_exit_code_tells_whether_they_are_equal() {
    let office = Office::new("replay");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-traces");
    let trace = std::fs::read_to_string(folder.join("caller-gives-up.trace")).unwrap();
    std::fs::copy(folder.join("berlin.toml"), office.0.join("berlin.toml")).unwrap();
    office.write("call.trace", &trace);
    let (out, _, code) = office.run(&["replay", "call.trace", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = json["lines"].as_array().unwrap();
    assert!(rows.len() > 10 && rows.iter().all(|row| row["differs"] == false && row["said"] == row["done"]), "{out}");
    assert_eq!((&json["equal"], &json["differ"], code), (&true.into(), &0.into(), 0));

    office.write("call.trace", &trace.replace("us -> provider   487", "us -> provider   486"));
    let (out, _, code) = office.run(&["replay", "call.trace"]);
    let differs = out.lines().find(|line| line.contains("486 INVITE")).unwrap_or_default();
    assert!(code == 1 && differs.starts_with('!') && differs.contains("SIP/2.0 487"), "{out}");

    office.write("call.trace", "Not a trace.\n");
    let (out, err, code) = office.run(&["replay", "call.trace"]);
    let expected = "huntline: call.trace: line 1: the setting needs an `office` and a `clock`\n";
    assert_eq!((out.as_str(), err.as_str(), code), ("", expected, 1));
}

#[test]
fn an_import_is_all_or_nothing_and_names_what_it_cannot_read() {
    let office = Office::new("import");
    office.write("customers.csv", CUSTOMERS);
    let (out, err, code) = office.run(&["contacts", "import", "customers.csv"]);
    let findings = "customers.csv: 3 customers with 4 numbers
line 4: Phone 1 \"12\": this cannot be read as a number; +COUNTRY… always can
line 5: ID \"9\": this contact is on line 4 already; keep one of the two
line 6: Type \"friend\": \"friend\" is no kind of customer: contact, company or lead
line 3: Responsible \"299\": there is no such extension; the customer's calls go on as if nobody were responsible
+4930123456 stands with several, the first one is shown: contact 7 \"Ada Byron\" (line 2), company 8 \"Engines Ltd\" (line 3)
";
    let refused = "nothing was imported: 3 values cannot be read; mend the file, or use --skip-bad\n";
    assert_eq!((out, err.as_str(), code), (format!("{findings}{refused}"), "", 1));
    assert!(!office.data().exists());

    let skip = ["contacts", "import", "customers.csv", "--skip-bad"];
    let dry = office.says(&[&skip[..], &["--dry-run"]].concat());
    assert_eq!(dry, format!("{findings}would be imported: 3 new, 0 changed, 0 unchanged\nleft out: 3 values\n"));
    assert!(!office.data().exists());
    let done = office.says(&skip);
    assert_eq!(done, format!("{findings}imported: 3 new, 0 changed, 0 unchanged\nleft out: 3 values\n"));
    assert!(office.says(&skip).contains("imported: 0 new, 0 changed, 3 unchanged\n"));

    assert_eq!(
        office.says(&["contacts", "lookup", "0049 30 123456"]),
        "+4930123456 belongs to
  contact 7: Ada Byron, responsible 201 Ivan; +79161234567 +4930123456 +74951234567
  company 8: Engines Ltd, responsible 299 (no such extension); +4930123456
"
    );
    let (out, _, code) = office.run(&["contacts", "lookup", "+79160000000"]);
    assert_eq!((out.as_str(), code), ("+79160000000 belongs to nobody\n", 1));
    assert_eq!(office.run(&["contacts", "lookup", "Ada"]).2, 2);
}

#[test]
fn a_file_without_the_needed_headings_is_refused_by_their_names() {
    let office = Office::new("headings");
    office.write("customers.csv", "name,phone\nAda,+4930123456\n");
    let (_, err, code) = office.run(&["contacts", "import", "customers.csv"]);
    assert!(err.starts_with("huntline: customers.csv: line 1: no column is headed id or externalid or "), "{err}");
    assert_eq!(code, 1);
    std::fs::write(office.0.join("customers.csv"), b"id,name,phone\n1,\xc8\xe2\xe0\xed,+4930123456\n").unwrap();
    let (out, _, code) = office.run(&["contacts", "import", "customers.csv"]);
    assert!(
        out.contains("line 2: name ") && out.contains("this is not UTF-8; export the file as \"CSV UTF-8\""),
        "{out}"
    );
    assert_eq!(code, 1);
}

#[test]
fn without_a_router_orders_end_with_exit_code_3() {
    let office = Office::new("no-router");
    for order in [
        &["status"][..],
        &["reload"],
        &["override", "office", "closed"],
        &["away", "201", "on"],
        &["forward", "201", "always", "202"],
        &["block", "+79161234567"],
        &["originate", "--user", "201", "--to", "+79161234567", "--ref", "deal-4711"],
        &["transfer", "0d5t3gh7k2m9p", "--to", "202"],
        &["explain", "--live", "--from", "+79161234567", "--to", "+74951234567"],
    ] {
        let (out, err, code) = office.run(order);
        let expected = "huntline: data/huntline.sock: no router is running on this data directory; start it with `huntline serve`\n";
        assert_eq!((out.as_str(), err.as_str(), code), ("", expected, 3), "{order:?}");
    }
}

#[test]
fn a_reader_that_has_heard_enough_is_no_error() {
    let office = Office::new("closed");
    two_calls(&office.data());
    let mut child = office.command(&["calls"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
