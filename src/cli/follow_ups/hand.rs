//! `huntline followups claim`, `assign`, `comment`, `close`: what is done about a follow-up by hand.

use clap::Args;

use super::words::clock;
use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::words::who;
use crate::control::Order;
use crate::fact::Hand;
use crate::store::{FollowUpRow, Reader};

/// An employee takes one on that is anybody's. Of several who claim at once one has it, and the others hear who.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  huntline followups claim 17 202")]
pub(super) struct Claim {
    /// The follow-up's number, as `huntline followups` prints it.
    id: i64,
    /// Who calls them back: the extension's number.
    extension: String,
    #[command(flatten)]
    output: Output,
}

/// Give one to somebody else, or to anybody.
#[derive(Debug, Args)]
#[command(after_help = "\
Its time does not begin anew.

Examples:
  huntline followups assign 17 203
  huntline followups assign 17 anybody --by 202")]
pub(super) struct Assign {
    /// The follow-up's number, as `huntline followups` prints it.
    id: i64,
    /// Who calls them back: the extension's number, or `anybody`.
    #[arg(value_name = "EXTENSION|anybody")]
    to: String,
    /// The employee who gives it away. Otherwise: the admin.
    #[arg(long, value_name = "EXTENSION")]
    by: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Write down what is to be known about one. Closed ones can be remarked on, too.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  huntline followups comment 17 'wants an offer by Friday' --by 202")]
pub(super) struct Comment {
    /// The follow-up's number, as `huntline followups` prints it.
    id: i64,
    /// What is to be known.
    text: String,
    /// The employee who says so. Otherwise: the admin.
    #[arg(long, value_name = "EXTENSION")]
    by: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Close one without a talk that the router has seen.
#[derive(Debug, Args)]
#[command(after_help = "\
A talk of `follow_up.close_min_talk` closes it by itself. A customer who is missed after this is owed a new one.

Example:
  huntline followups close 17 'answered by mail' --by 202")]
pub(super) struct Close {
    /// The follow-up's number, as `huntline followups` prints it.
    id: i64,
    /// Why nobody needs to call them.
    why: String,
    /// The employee who says so. Otherwise: the admin.
    #[arg(long, value_name = "EXTENSION")]
    by: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Claim {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        order(desk, self.id, Some(self.extension), Hand::Claimed, self.output)
    }
}

impl Assign {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let to = Some(&*self.to).filter(|to| *to != "anybody").map(Into::into);
        order(desk, self.id, self.by, Hand::Assigned { to }, self.output)
    }
}

impl Comment {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        order(desk, self.id, self.by, Hand::Remarked { text: self.text.into() }, self.output)
    }
}

impl Close {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        order(desk, self.id, self.by, Hand::Closed { why: self.why.into() }, self.output)
    }
}

/// Has the router do it, and says what became of it.
fn order(desk: &Desk, id: i64, by: Option<String>, what: Hand, output: Output) -> Result<(), Trouble> {
    let answer = desk.ask(Order::FollowUp { id, by: by.map(Into::into), what: what.clone() })?;
    if output.json {
        return say_json(&answer);
    }
    let basics = desk.basics()?;
    let Some(row) = Reader::open(&basics.storage.directory)?.follow_up(id)? else { return Ok(()) };
    let FollowUpRow { assignee, due, .. } = &row;
    let until = || format!("{} is to be called until {}", who(&row.who), clock(*due, &basics.site.timezone));
    say(&match (&what, assignee) {
        (Hand::Claimed | Hand::Assigned { .. }, Some(assignee)) => format!("{assignee} has {id}: {}\n", until()),
        (Hand::Claimed | Hand::Assigned { .. }, None) => format!("anybody may claim {id}: {}\n", until()),
        (Hand::Closed { .. }, _) => format!("{id} is closed\n"),
        _ => format!("written down for {id}\n"),
    })
}
