//! `huntline outbox`: mails that wait, that were given up, and their second chance.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::control::Request;
use crate::store::{self, OutboxRow, Reader};

/// List mails that have not arrived, or try them again. Needs no running router.
#[derive(Debug, Args)]
#[command(after_help = "\
A mail is tried after 5 s, 30 s, 2 m, 10 m, 1 h, 6 h and 24 h; then it is given up, stays in this list, and is tried again
only by hand.

Examples:
  huntline outbox
  huntline outbox retry 17
  huntline outbox retry all")]
pub(super) struct Outbox {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What waits and what was given up, the newest first.
    List {
        /// What was sent in the last 30 days, too.
        #[arg(long)]
        sent: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Try one again now, or everything that was given up.
    Retry {
        /// Its number, as the list prints it, or `all`.
        #[arg(value_name = "ID")]
        which: String,
        #[command(flatten)]
        output: Output,
    },
}

impl Outbox {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        match self.what {
            None => list(desk, false, self.output),
            Some(What::List { sent, output }) => list(desk, sent, output),
            Some(What::Retry { which, output }) => retry(desk, &which, output),
        }
    }
}

fn list(desk: &Desk, sent: bool, output: Output) -> Result<(), Trouble> {
    let basics = desk.basics()?;
    let rows = Reader::open(&basics.storage.directory)?.outbox(sent)?;
    if output.json {
        return say_json(&rows);
    }
    if rows.is_empty() {
        return say("nothing waits\n");
    }
    say(&lines(&rows, &basics.site.timezone))
}

fn lines(rows: &[OutboxRow], zone: &TimeZone) -> String {
    let clock = |at: crate::clock::Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut lines = vec![["ID", "WRITTEN", "TO", "ABOUT", "TRIES", "STATE", ""].map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let state = match (row.sent, row.due) {
            (Some(at), _) => format!("sent {}", clock(at)),
            (None, Some(at)) => format!("due {}", clock(at)),
            (None, None) => "given up".into(),
        };
        let error = row.error.clone().unwrap_or_default();
        vec![row.id.to_string(), clock(row.made), row.to.clone(), row.file.clone(), row.tries.to_string(), state, error]
    }));
    table(&lines)
}

fn retry(desk: &Desk, which: &str, output: Output) -> Result<(), Trouble> {
    let id = match which {
        "all" => None,
        id => Some(id.parse().map_err(|_| Trouble::Usage(format!("{id:?} is neither a number nor `all`")))?),
    };
    let basics = desk.basics()?;
    let count = store::Outbox::open(&basics.storage.directory)?.retry(id, desk.now)?;
    if count == 0 && id.is_some() {
        return Err(Trouble::Wrong(format!("no mail {which} waits; `huntline outbox` lists them")));
    }
    // Without a router they go out when it is started.
    let running = match desk.ask(&Request::Outbox) {
        Ok(_) => true,
        Err(Trouble::NoRouter(_)) => false,
        Err(trouble) => return Err(trouble),
    };
    if output.json {
        return say_json(&json!({ "due": count, "running": running }));
    }
    let mails = if count == 1 { "1 mail is".into() } else { format!("{count} mails are") };
    let when = if running { "tried now" } else { "tried when the router is started" };
    say(&format!("{mails} {when}\n"))
}
