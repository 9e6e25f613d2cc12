//! What calls leave behind, with the real program: messages and recordings in the lists, what people say became of a
//! message, the mail that tells of it, and all of it after the router was killed.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

mod caller;
mod hands;
mod mail;
mod office;

use std::path::Path;

use huntline::fact::{CallFact, Ended, EndedBy, Fact, MissedCause, Party, RecordingOf};

use office::{Office, call, dies_while_recording, in_sales, message, offered, recorded, until};

#[test]
fn recordings_and_messages_are_listed_with_their_calls() {
    let office = Office::new("lists");
    office.leave([
        offered(0),
        message(0, "voicemail/sales/a.wav", "sales", 60_000),
        offered(600),
        message(600, "voicemail/sales/b.wav", "sales", 900),
        offered(1200),
        recorded(1200, "recordings/c.wav", RecordingOf::Talk, 60_000),
    ]);
    assert_eq!(
        office.says(&["voicemail"]),
        "BOX      NEW  HEARD  EMPTY\nsales    1    0      1\nservice  0    0      0\n"
    );
    let messages = "BEGAN                BOX    FROM                    LENGTH  STATE       FILE
2026-11-23 10:10:05  sales  +79161234567 Ada Byron  1:05    new, empty  voicemail/sales/b.wav
2026-11-23 10:00:05  sales  +79161234567 Ada Byron  1:05    new         voicemail/sales/a.wav
";
    assert_eq!(office.says(&["voicemail", "list", "sales"]), messages);
    assert_eq!(office.says(&["voicemail", "list"]), messages);
    assert_eq!(office.says(&["voicemail", "list", "service"]), "no messages\n");
    let talks = office.says(&["recordings", "--json"]);
    let talks: serde_json::Value = serde_json::from_str(&talks).unwrap();
    assert_eq!(
        (&talks[0]["file"], &talks[0]["length_ms"], &talks[1]),
        (&"recordings/c.wav".into(), &65_000.into(), &serde_json::Value::Null)
    );
    assert_eq!(office.says(&["recordings", "--to", "2026-11-23"]), "no recordings\n");
    let calls = office.says(&["calls"]);
    let marks: Vec<_> = calls.lines().skip(1).map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(marks, ["recorded", "message", "message"], "{calls}");
    let whole = office.says(&["calls", "show", &call(600).to_string()]);
    let line = "\nwritten down\n  +5.000 s  message in sales  1:05  voicemail/sales/b.wav  new, empty\n";
    assert!(whole.contains(line), "{whole}");
    let (_, err, code) = office.run(&["voicemail", "path", "voicemail/sales/a.wav"]);
    assert_eq!((err.contains("its file is not there"), code), (true, 1), "{err}");
    std::fs::create_dir_all(office.data().join("voicemail/sales")).unwrap();
    std::fs::write(office.data().join("voicemail/sales/a.wav"), "RIFF").unwrap();
    let path = office.says(&["voicemail", "path", "voicemail/sales/a.wav"]);
    assert_eq!(Path::new(path.trim_end()), office.data().join("voicemail/sales/a.wav"));
    assert_eq!(office.run(&["voicemail", "heard", "voicemail/sales/a.wav"]).2, 3);
}

#[test]
fn what_became_of_a_message_outlives_a_kill() {
    let mut office = Office::new("marks");
    office.leave([message(0, "a.wav", "sales", 9_000), message(60, "b.wav", "sales", 9_000)]);
    std::fs::write(office.data().join("b.wav"), "sound").unwrap();
    office.serve();
    assert_eq!(office.says(&["voicemail", "heard", "a.wav"]), "a.wav was heard\n");
    assert_eq!(office.says(&["voicemail", "delete", "b.wav"]), "b.wav is deleted\n");
    let (_, err, code) = office.run(&["voicemail", "heard", "b.wav"]);
    assert_eq!((err.as_str(), code), ("huntline: there is no message \"b.wav\"; `huntline voicemail` lists them\n", 1));
    until(|| office.says(&["voicemail"]).contains("sales    0    1      0"));
    office.kill();
    office.serve();
    assert_eq!(office.says(&["voicemail", "new", "a.wav"]), "a.wav is new again\n");
    assert_eq!(office.run(&["voicemail", "new", "b.wav"]).2, 1);
    until(|| office.says(&["voicemail", "list", "--gone"]).contains("deleted, gone: it was deleted  b.wav"));
    assert!(!office.data().join("b.wav").exists());
}

#[test]
fn what_was_being_written_when_the_router_was_killed_is_whole_after_its_restart() {
    let mut office = Office::new("killed");
    let left = dies_while_recording(&office, 0, "voicemail/sales/a.wav", in_sales(), 3);
    let talk = dies_while_recording(&office, 60, "recordings/t.wav", RecordingOf::Talk, 2);
    let never =
        (65, Fact::Call(call(60), CallFact::Recording { file: "recordings/u.wav".into(), of: RecordingOf::Talk }));
    let started = (0, Fact::Started { version: "0.1.0".into() });
    office.leave([started].into_iter().chain(left).chain(talk).chain([never]));
    office.serve();
    let listed = office.says(&["voicemail", "list"]);
    assert!(listed.contains("0:03    new, cut off: the process died  voicemail/sales/a.wav"), "{listed}");
    let calls = office.says(&["calls"]);
    assert!(calls.contains("missed: voicemail left  ") && calls.contains("missed: system failure"), "{calls}");
    let file = std::fs::read(office.data().join("voicemail/sales/a.wav")).unwrap();
    assert_eq!(file[40..44], 48_000u32.to_le_bytes());
    // Talks have time until the background comes to them.
    until(|| office.says(&["recordings"]).contains("0:02    "));
    until(|| office.says(&["recordings", "--gone"]).contains("gone: nothing was written"));
    assert!(!office.says(&["recordings"]).contains("u.wav"));
    office.says(&["voicemail", "delete", "voicemail/sales/a.wav"]);
}

fn missed(seconds: i64) -> (i64, Fact) {
    let ended = Ended { by: EndedBy::Caller, status: 487, missed: Some(MissedCause::Abandoned), talk_ms: 0 };
    (seconds + 20, Fact::Call(call(seconds), CallFact::Ended(ended)))
}

#[test]
fn who_was_missed_is_to_be_called_back_and_who_was_taken_by_a_kill_too() {
    let mut office = Office::new("promises");
    let anonymous = match offered(1200) {
        (at, Fact::Call(id, CallFact::Offered(mut offered))) => {
            offered.from = Party { anonymous: true, ..Party::default() };
            (at, Fact::Call(id, CallFact::Offered(offered)))
        }
        other => other,
    };
    office.leave([offered(0), missed(0), offered(600), anonymous]);
    assert_eq!(office.says(&["followups", "--open", "--limit", "1"]).lines().count(), 2);
    office.serve();
    office.kill();
    let listed = office.says(&["missed"]);
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[1].contains("  1      anonymous  ") && lines[1].contains("  system failure  "), "{listed}");
    assert!(lines[2].starts_with("2026-11-23 10:00:20  ") && lines[2].contains("  2      +79161234567 Ada Byron  "));
    assert!(lines[1..].iter().all(|line| line.ends_with("  not yet")), "{listed}");
    assert_eq!(office.says(&["missed", "--not-called-back"]).lines().count(), 3);
    let overdue: serde_json::Value = serde_json::from_str(&office.says(&["followups", "--overdue", "--json"])).unwrap();
    assert_eq!(overdue.as_array().unwrap().len(), 1, "{overdue}");
    let (ada, again) = (&overdue[0], &overdue[0]["comments"][0]);
    assert_eq!((&ada["attempts"], &ada["cause"]), (&2.into(), &"abandoned".into()));
    assert_eq!((&ada["due"], &ada["assigned"]), (&"2026-11-23T07:30:20Z".into(), &"unassigned".into()));
    assert_eq!((&again["what"], &again["cause"]), (&"missed".into(), &"system_failure".into()));
    assert_eq!(again["call"], call(600).to_string());

    let answered = (1802, Fact::Call(call(1800), CallFact::Answered { leg: 1, human: true }));
    let talked = Ended { by: EndedBy::Caller, status: 200, missed: None, talk_ms: 5_000 };
    let talked = (1807, Fact::Call(call(1800), CallFact::Ended(talked)));
    office.leave([offered(1800), answered, talked]);
    let open = office.says(&["followups", "--open"]);
    assert!(open.lines().count() == 2 && open.contains("anybody  anonymous"), "{open}");
    let done = office.says(&["followups"]);
    assert!(done.contains(&format!("  done 2026-11-23 10:30:07  call {}", call(1800))), "{done}");
    assert!(office.says(&["missed"]).contains("  after 29:47\n"));
    assert_eq!(office.says(&["followups", "--overdue"]), "no follow-ups\n");
    assert_eq!(office.run(&["followups", "--overdue", "--open"]).2, 2);
}

#[test]
fn a_stranger_who_was_missed_is_a_customer_with_a_timeline_and_a_call_takes_notes() {
    let mut office = Office::new("timeline");
    office.leave([offered(0), missed(0), offered(600), missed(600)]);
    let lookup = office.says(&["contacts", "lookup", "8 916 123-45-67"]);
    let made = "  provisional lead +79161234567: +79161234567, nobody responsible; +79161234567\n";
    assert!(lookup.ends_with(made), "{lookup}");
    office.serve();
    let first = call(0).to_string();
    let noted = office.says(&["calls", "note", &first, "asks for\nan offer", "--by", "201", "--disposition", "warm"]);
    assert!(noted.starts_with(&format!("{first}: written down at 20")) && noted.ends_with("; 1 in all\n"), "{noted}");
    for (arguments, why) in [
        (["calls", "note", &first, "x", "--by", "999"], "there is no extension \"999\""),
        (["calls", "note", "0d5t3gh7k2m9p", "x", "--by", "201"], "there is no call 0d5t3gh7k2m9p"),
        (["calls", "note", &first, "   ", "--by", "201"], "nothing is said"),
    ] {
        let (_, err, code) = office.run(&arguments);
        assert!(err.contains(why) && code == 1, "{err}");
    }
    office.kill();
    let timeline = office.says(&["contacts", "timeline", "+7 916 123-45-67"]);
    let lines: Vec<_> =
        timeline.lines().map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        format!("note {first} [warm] asks for an offer (201)"),
        format!("missed {} +74951234567 missed: abandoned", call(600)),
        format!("follow-up 1 {first} opened"),
        format!("missed {first} +74951234567 missed: abandoned"),
    ];
    // The promise was due long ago, and the router may have said so by now.
    let told: Vec<_> = lines[1..].iter().filter(|line| !line.contains("overdue")).collect();
    assert_eq!(told, expected.iter().collect::<Vec<_>>(), "{timeline}");
    let all_but_one = (lines.len() - 2).to_string();
    let page = office.says(&["contacts", "timeline", "+79161234567", "--limit", &all_but_one]);
    let mark = page.lines().last().unwrap().rsplit(' ').next().unwrap();
    let last = office.says(&["contacts", "timeline", "+79161234567", "--before", mark]);
    assert!(last.lines().count() == 2 && last.contains("  missed  ") && last.contains(&first), "{last}");
    let (_, err, code) = office.run(&["contacts", "timeline", "nobody"]);
    assert!(err.contains("there is no customer \"nobody\"") && code == 1, "{err}");
}

#[test]
fn cards_of_a_phone_take_the_place_of_strangers_who_were_missed() {
    let office = Office::new("cards");
    office.leave([offered(0), missed(0)]);
    let cards = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:ada\r\nFN:Ada\r\n  Byron\r\nTEL;TYPE=CELL:8 (916) 123-45\r\n -67\r\nEND:VCARD\r\n";
    std::fs::write(office.folder.join("phone.vcf"), cards).unwrap();
    let would = office.says(&["contacts", "import", "phone.vcf", "--dry-run"]);
    assert!(would.ends_with("would be imported: 1 new, 0 changed, 0 unchanged\n"), "{would}");
    office.says(&["contacts", "import", "phone.vcf"]);
    let lookup = office.says(&["contacts", "lookup", "+79161234567"]);
    assert_eq!(lookup.lines().nth(1), Some("  contact ada: Ada Byron, nobody responsible; +79161234567"), "{lookup}");
    assert_eq!(lookup.lines().count(), 2, "the stranger is gone: {lookup}");
    let line = "{\"id\": \"ada\", \"name\": \"Ada King\", \"numbers\": [\"+79161234567\"]}\n";
    std::fs::write(office.folder.join("crm.export"), line).unwrap();
    let changed = office.says(&["contacts", "import", "crm.export"]);
    assert!(changed.contains("imported: 0 new, 1 changed, 0 unchanged"), "{changed}");
    let open: serde_json::Value = serde_json::from_str(&office.says(&["followups", "--open", "--json"])).unwrap();
    assert_eq!((&open[0]["customer"], open.as_array().unwrap().len()), (&"ada".into(), 1));
}
