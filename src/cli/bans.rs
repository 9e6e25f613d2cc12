//! `huntline bans`, `ban`, `unban`: which strangers are kept out.

use clap::Args;
use serde_json::Value;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::cli::table::table;
use crate::switch::Question;

/// List who is kept out: strangers that failed too often, and whom somebody has put there by hand.
#[derive(Debug, Args)]
#[command(after_help = "\
The router bans by itself, as [guard] says: a source of failures for ten minutes, then four times as long each time; an
account on which many sources fail is closed to strangers. Trunks, and addresses at which a phone is registered, never are.

Examples:
  huntline bans
  huntline unban 203.0.113.9")]
pub(super) struct Bans {
    #[command(flatten)]
    output: Output,
}

/// Keep an address out, or close an account to strangers.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  huntline ban 203.0.113.9 --until 'fri 18:00' --why 'rings the door'
  huntline ban 2001:db8:1:2::/64
  huntline ban 201                      # phones of 201 that are registered go on; no new one gets in")]
pub(super) struct Ban {
    /// An IPv4 address, an IPv6 address (its /64 is meant), or an account.
    whom: String,
    /// When it ends by itself: 18:00, 'mon 09:00', '2026-11-23 10:00', 2h. Otherwise: when it is taken back.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Why, for whoever reads the list.
    #[arg(long, default_value = "by hand")]
    why: String,
    #[command(flatten)]
    output: Output,
}

/// Let somebody in again.
#[derive(Debug, Args)]
#[command(after_help = "\
What went wrong before is forgotten, too.

Examples:
  huntline unban 203.0.113.9
  huntline unban 201")]
pub(super) struct Unban {
    /// As `bans` shows it: an address, or an account.
    whom: String,
    #[command(flatten)]
    output: Output,
}

impl Bans {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let answer = desk.ask(Question::Bans)?;
        if self.output.json { say_json(&answer) } else { say(&text(&answer)) }
    }
}

impl Ban {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let config = desk.config()?;
        let zone = &config.site.timezone;
        let read = |text: &String| moment::read(text, zone, desk.now, Towards::Future);
        let until =
            self.until.as_ref().map(read).transpose().map_err(|why| Trouble::Usage(format!("--until: {why}")))?;
        let answer = desk.ask(Question::Ban { whom: self.whom.clone(), until, why: self.why })?;
        if self.output.json {
            return say_json(&answer);
        }
        let until = match until {
            Some(until) => format!("until {}", until.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z")),
            None => "until taken back".into(),
        };
        say(&format!("{} is banned {until}\n", answer["whom"].as_str().unwrap_or(&self.whom)))
    }
}

impl Unban {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let whom = self.whom.strip_prefix("account ").unwrap_or(&self.whom).to_owned();
        let answer = desk.ask(Question::Unban { whom })?;
        if self.output.json {
            return say_json(&answer);
        }
        say(&format!("{} is not banned any more\n", answer["whom"].as_str().unwrap_or(&self.whom)))
    }
}

fn text(answer: &Value) -> String {
    let rows = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "nobody is banned\n".into();
    }
    let mut lines: Vec<Vec<String>> = vec![["WHOM", "FOR ANOTHER", "TIMES", "WHY"].map(str::to_owned).into()];
    lines.extend(rows.iter().map(|row| {
        let why = row["why"].as_str().unwrap_or_default();
        let why = if row["by_hand"] == Value::Bool(true) { format!("{why} (by hand)") } else { why.to_owned() };
        let left = row["left_s"].as_u64().map_or("ever".into(), span);
        vec![row["whom"].as_str().unwrap_or_default().into(), left, row["times"].to_string(), why]
    }));
    table(&lines)
}

/// `9 min`, `3 h`: enough for a list.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_are_listed_with_what_is_left_of_their_time() {
        let answer = serde_json::json!([
            { "whom": "203.0.113.9", "why": "wrong-password", "times": 2, "by_hand": false, "left_s": 2_399 },
            { "whom": "account 201", "why": "lost phone", "times": 0, "by_hand": true, "left_s": null },
        ]);
        assert_eq!(
            text(&answer),
            "WHOM         FOR ANOTHER  TIMES  WHY\n\
             203.0.113.9  39 min       2      wrong-password\n\
             account 201  ever         0      lost phone (by hand)\n"
        );
        assert_eq!(text(&Value::Array(Vec::new())), "nobody is banned\n");
    }
}
