//! `huntline status`: how the running router stands.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::switch::Question;

/// Say how the running router stands: trunks, phones, calls.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  huntline status
  huntline status --json | jq .census")]
pub(super) struct Status {
    #[command(flatten)]
    output: Output,
}

impl Status {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let answer = desk.ask(Question::Status)?;
        if self.output.json { say_json(&answer) } else { say(&text(&answer)) }
    }
}

/// The columns of a list in the answer: heading and field.
type Columns = [(&'static str, &'static str)];

fn text(answer: &Value) -> String {
    let mut text = format!("config {}", plain(&answer["config"]));
    let states = [
        ("draining", "takes no new calls: it is about to end"),
        ("pressure", "refuses new calls: the disk does not keep up, and memory is half full"),
        ("guarantee_suspended", "GUARANTEE SUSPENDED: callers hear ringing before their record is on disk"),
    ];
    for (field, words) in states {
        if answer[field] == Value::Bool(true) {
            _ = write!(text, "\n{words}");
        }
    }
    if let Some(overload) = answer["overload"].as_object() {
        let (since, refused) = (plain(&overload["since"]), plain(&overload["refused"]));
        _ = write!(text, "\noverloaded since {since}: new calls that come late are refused, so far {refused}");
    }
    text.push('\n');
    list(
        &mut text,
        "trunks",
        &answer["trunks"],
        &[("NAME", "name"), ("IS", "standing"), ("REGISTERED", "registered"), ("CALLS", "calls")],
    );
    let columns = [
        ("EXTENSION", "extension"),
        ("CONTACT", "contact"),
        ("REACHABLE", "reachable"),
        ("EXPIRES IN", "expires_s"),
        ("PHONE", "user_agent"),
    ];
    list(&mut text, "phones", &answer["bindings"], &columns);
    list(
        &mut text,
        "calls",
        &answer["calls"],
        &[("CALL", "id"), ("IS", "state"), ("FROM", "from"), ("DID", "did"), ("WITH", "with")],
    );
    let by_hand = &answer["by_hand"];
    let set: [(&str, &Columns); 3] = [
        ("forwards", &[("EXTENSION", "extension"), ("WHEN", "when"), ("TO", "to")]),
        ("away", &[("EXTENSION", "extension"), ("UNTIL", "until")]),
        ("overrides", &[("SCHEDULE", "schedule"), ("IS", "is"), ("UNTIL", "until")]),
    ];
    for (what, columns) in set {
        if by_hand[what].as_array().is_some_and(|rows| !rows.is_empty()) {
            list(&mut text, what, &by_hand[what], columns);
        }
    }
    for (title, counts) in [("strangers", &answer["strangers"]), ("tables", &answer["census"])] {
        let Some(counts) = counts.as_object() else { continue };
        _ = writeln!(text, "\n{title}");
        let lines: Vec<_> =
            counts.iter().map(|(name, count)| vec![format!("  {}", name.replace('_', " ")), plain(count)]).collect();
        text.push_str(&table(&lines));
    }
    text
}

fn list(text: &mut String, title: &str, rows: &Value, columns: &Columns) {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        _ = write!(text, "\n{title}\n  none\n");
        return;
    }
    let indented = |place: usize, cell: String| if place == 0 { format!("  {cell}") } else { cell };
    let heading = columns.iter().enumerate().map(|(place, (name, _))| indented(place, (*name).into())).collect();
    let mut lines: Vec<Vec<String>> = vec![heading];
    let cells = |row: &Value| {
        columns.iter().enumerate().map(|(place, (_, field))| indented(place, plain(&row[*field]))).collect()
    };
    lines.extend(rows.iter().map(cells));
    _ = write!(text, "\n{title}\n{}", table(&lines));
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_shown_in_columns_and_what_is_wrong_first() {
        let answer = serde_json::json!({
            "config": "0123456789ab", "draining": false, "pressure": true, "guarantee_suspended": false,
            "overload": { "since": "2026-11-24T10:00:00Z", "seconds": 3, "refused": 40 },
            "trunks": [{ "name": "mango", "standing": "up", "registered": true, "calls": 2 }],
            "bindings": [],
            "calls": [{ "id": "0d5t3gh7k2m9p", "state": "talking", "from": "+79161234567", "did": null, "with": ["201", "202"] }],
            "by_hand": {
                "forwards": [{ "extension": "201", "when": "busy", "to": "202" }],
                "away": [],
                "overrides": [{ "schedule": "office", "is": "closed", "until": null }],
            },
            "census": { "calls": 1, "call_timers": 3 },
        });
        assert_eq!(
            text(&answer),
            "config 0123456789ab
refuses new calls: the disk does not keep up, and memory is half full
overloaded since 2026-11-24T10:00:00Z: new calls that come late are refused, so far 40

trunks
  NAME   IS  REGISTERED  CALLS
  mango  up  yes         2

phones
  none

calls
  CALL           IS       FROM          DID  WITH
  0d5t3gh7k2m9p  talking  +79161234567  -    201, 202

forwards
  EXTENSION  WHEN  TO
  201        busy  202

overrides
  SCHEDULE  IS      UNTIL
  office    closed  -

tables
  call timers  3
  calls        1
"
        );
    }
}
