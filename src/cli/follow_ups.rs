//! `huntline missed` and `huntline followups`: who is to be called back, by whom, and until when.

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::cli::words::{span, who};
use crate::clock::Timestamp;
use crate::store::{FollowUpRow, FollowUpsWanted, Reader};

/// List the customers who called and reached nobody, each once until they were talked with. Needs no running router.
#[derive(Debug, Args)]
#[command(after_help = "\
A customer who calls again, from whichever of their numbers, before anybody has talked with them stays one line. They count
as called back after a talk of `follow_up.close_min_talk`, whoever called whom. Single calls: `huntline calls --missed`.

Examples:
  huntline missed
  huntline missed --not-called-back")]
pub(super) struct Missed {
    /// Only those with whom nobody has talked since, the most urgent first.
    #[arg(long)]
    not_called_back: bool,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

/// List the promises to call a missed customer back, the newest first. Needs no running router.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  huntline followups --open
  huntline followups --overdue --json")]
pub(super) struct FollowUps {
    /// Only open ones, the first due first.
    #[arg(long, conflicts_with = "overdue")]
    open: bool,
    /// Only open ones whose time is over, the first due first.
    #[arg(long)]
    overdue: bool,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

impl Missed {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let wanted = if self.not_called_back { FollowUpsWanted::Open } else { FollowUpsWanted::All };
        let nobody = if self.not_called_back { "nobody waits for a call\n" } else { "nobody was missed\n" };
        list(desk, wanted, self.limit, self.output, nobody, missed)
    }
}

impl FollowUps {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let wanted = match (self.open, self.overdue) {
            (_, true) => FollowUpsWanted::Overdue(desk.now),
            (true, false) => FollowUpsWanted::Open,
            (false, false) => FollowUpsWanted::All,
        };
        let now = desk.now;
        list(desk, wanted, self.limit, self.output, "no follow-ups\n", |rows, zone| follow_ups(rows, zone, now))
    }
}

fn list(
    desk: &Desk,
    wanted: FollowUpsWanted,
    limit: usize,
    output: Output,
    nobody: &str,
    lines: impl Fn(&[FollowUpRow], &TimeZone) -> String,
) -> Result<(), Trouble> {
    let basics = desk.basics()?;
    let rows = Reader::open(&basics.storage.directory)?.follow_ups(wanted, limit)?;
    if output.json {
        return say_json(&rows);
    }
    if rows.is_empty() {
        return say(nobody);
    }
    say(&lines(&rows, &basics.site.timezone))
}

fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// From one moment to a later one.
fn between(from: Timestamp, to: Timestamp) -> String {
    span(u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0))
}

fn missed(rows: &[FollowUpRow], zone: &TimeZone) -> String {
    let heading = ["FIRST MISS", "LAST MISS", "CALLS", "WHO", "DID", "WHY", "WE TRIED", "CALLED BACK"];
    let mut lines = vec![heading.map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let cause = serde_json::to_value(row.cause).unwrap_or_default();
        let tried = match row.last_tried {
            Some(last) => format!("{}, last {}", row.tried, clock(last, zone)),
            None => String::new(),
        };
        let back = match row.closed {
            Some(at) => format!("after {}", between(row.opened, at)),
            None => "not yet".into(),
        };
        vec![
            clock(row.opened, zone),
            clock(row.last_miss, zone),
            row.attempts.to_string(),
            who(&row.who),
            row.did.clone().unwrap_or_default(),
            cause.as_str().unwrap_or_default().replace('_', " "),
            tried,
            back,
        ]
    }));
    table(&lines)
}

fn follow_ups(rows: &[FollowUpRow], zone: &TimeZone, now: Timestamp) -> String {
    let mut lines = vec![["ID", "DUE", "BY", "WHO", "CALLS", "STATE", ""].map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let (state, call) = match (row.closed, row.closed_by) {
            (Some(at), Some(call)) => (format!("done {}", clock(at, zone)), format!("call {call}")),
            _ if row.due < now => (format!("overdue for {}", between(row.due, now)), String::new()),
            _ => ("open".into(), String::new()),
        };
        vec![
            row.id.to_string(),
            clock(row.due, zone),
            row.assignee.as_deref().unwrap_or("anybody").to_owned(),
            who(&row.who),
            row.attempts.to_string(),
            state,
            call,
        ]
    }));
    table(&lines)
}
