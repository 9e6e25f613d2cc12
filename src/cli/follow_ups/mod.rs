//! `huntline missed` and `huntline followups`: who is to be called back, by whom, until when, and what is done about it.
//!
//! | file | what it is about |
//! |---|---|
//! | `list` | the lists |
//! | `show` | one follow-up with all that happened |
//! | `hand` | claiming, giving away, remarking, closing |
//! | `words` | the words and moments they share |

mod hand;
mod list;
mod show;
mod words;

use clap::{Args, Subcommand};

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::desk::tally::{Count, Tally};
use crate::store::Reader;

pub(super) use list::Missed;

/// List the promises to call a missed customer back, and say what is done about them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Listing, `show` and `--counts` need no running router; the others speak to it, and print what became of it.

Examples:
  huntline followups --open
  huntline followups --overdue --json
  huntline followups --counts
  huntline followups show 17
  huntline followups claim 17 202
  huntline followups assign 17 203
  huntline followups comment 17 'wants an offer by Friday' --by 202
  huntline followups close 17 'answered by mail' --by 202")]
pub(super) struct FollowUps {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: list::Listed,
    /// How many are open and overdue: of each employee, of each group, of the company.
    #[arg(long, conflicts_with_all = ["open", "overdue", "limit"])]
    counts: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum What {
    Show(show::Show),
    Claim(hand::Claim),
    Assign(hand::Assign),
    Comment(hand::Comment),
    Close(hand::Close),
}

impl FollowUps {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        match self.what {
            None if self.counts => counts(desk, self.output),
            None => self.list.run(desk, self.output),
            Some(What::Show(command)) => command.run(desk),
            Some(What::Claim(command)) => command.run(desk),
            Some(What::Assign(command)) => command.run(desk),
            Some(What::Comment(command)) => command.run(desk),
            Some(What::Close(command)) => command.run(desk),
        }
    }
}

/// Groups and DIDs are the config's, so it must be one that can be followed.
fn counts(desk: &Desk, output: Output) -> Result<(), Trouble> {
    let config = desk.config()?;
    let tally = Tally::of(&config, &Reader::open(&config.storage.directory)?.open_follow_ups(desk.now)?);
    if output.json {
        return say_json(&tally);
    }
    let line = |who: String, count: &Count| vec![who, count.open.to_string(), count.overdue.to_string()];
    let mut lines = vec![["", "OPEN", "OVERDUE"].map(String::from).to_vec()];
    lines.push(line("company".into(), &tally.company));
    lines.extend(tally.groups.iter().map(|(group, count)| line(format!("group {group}"), count)));
    lines.extend(tally.users.iter().map(|(user, count)| line(user.to_string(), count)));
    lines.push(line("anybody".into(), &tally.unassigned));
    say(&table(&lines))
}
