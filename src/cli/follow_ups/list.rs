//! The lists: whom nobody has called back, and whose promise it is.

use clap::Args;
use jiff::tz::TimeZone;

use super::words::{age, between, cause, clock, closed_by, holder, reaction};
use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::cli::words::who;
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
pub(crate) struct Missed {
    /// Only those with whom nobody has talked since, the most urgent first.
    #[arg(long)]
    not_called_back: bool,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

/// Which promises are listed, the newest first.
#[derive(Debug, Args)]
pub(super) struct Listed {
    /// Only open ones, the first due first.
    #[arg(long, conflicts_with = "overdue")]
    open: bool,
    /// Only open ones whose time is over, the first due first.
    #[arg(long)]
    overdue: bool,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

impl Missed {
    pub(crate) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let wanted = if self.not_called_back { FollowUpsWanted::Open } else { FollowUpsWanted::All };
        let nobody = if self.not_called_back { "nobody waits for a call\n" } else { "nobody was missed\n" };
        let now = desk.now;
        list(desk, wanted, self.limit, self.output, nobody, |rows, zone| missed(rows, zone, now))
    }
}

impl Listed {
    pub(super) fn run(self, desk: &Desk, output: Output) -> Result<(), Trouble> {
        let wanted = match (self.open, self.overdue) {
            (_, true) => FollowUpsWanted::Overdue(desk.now),
            (true, false) => FollowUpsWanted::Open,
            (false, false) => FollowUpsWanted::All,
        };
        let now = desk.now;
        list(desk, wanted, self.limit, output, "no follow-ups\n", |rows, zone| follow_ups(rows, zone, now))
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

fn missed(rows: &[FollowUpRow], zone: &TimeZone, now: Timestamp) -> String {
    let heading =
        ["FIRST MISS", "LAST MISS", "CALLS", "WHO", "DID", "WHY", "BY", "AGE", "WE TRIED", "REACTION", "CALLED BACK"];
    let mut lines = vec![heading.map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let tried = match row.last_tried {
            Some(last) => format!("{}, last {}", row.tried, clock(last, zone)),
            None => String::new(),
        };
        let back = match (row.closed, row.closed_by) {
            (Some(at), Some(_)) => format!("after {}", between(row.opened, at)),
            (Some(_), None) => format!("closed {}", closed_by(row)),
            (None, _) => "not yet".into(),
        };
        vec![
            clock(row.opened, zone),
            clock(row.last_miss, zone),
            row.attempts.to_string(),
            who(&row.who),
            row.did.clone().unwrap_or_default(),
            cause(row.cause),
            holder(row),
            age(row, now),
            tried,
            reaction(row),
            back,
        ]
    }));
    table(&lines)
}

fn follow_ups(rows: &[FollowUpRow], zone: &TimeZone, now: Timestamp) -> String {
    let heading = ["ID", "DUE", "BY", "WHO", "DID", "CALLS", "AGE", "REACTION", "STATE", ""];
    let mut lines = vec![heading.map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let (state, by) = match row.closed {
            Some(at) => (format!("done {}", clock(at, zone)), closed_by(row)),
            None if row.due < now => (format!("overdue for {}", between(row.due, now)), String::new()),
            None => ("open".into(), String::new()),
        };
        vec![
            row.id.to_string(),
            clock(row.due, zone),
            holder(row),
            who(&row.who),
            row.did.clone().unwrap_or_default(),
            row.attempts.to_string(),
            age(row, now),
            reaction(row),
            state,
            by,
        ]
    }));
    table(&lines)
}
