//! Reports as people and spreadsheets see them, with the real program.

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
