//! `huntline followups show`: one follow-up with all that happened.

use clap::Args;
use jiff::tz::TimeZone;

use super::words::{age, between, cause, clock, closed_by, holder, reaction};
use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::words::who;
use crate::clock::Timestamp;
use crate::store::{FollowUpComment, FollowUpRow, Reader};

/// One follow-up with all that happened. Needs no running router.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  huntline followups show 17")]
pub(super) struct Show {
    /// The follow-up's number, as `huntline followups` prints it.
    id: i64,
    #[command(flatten)]
    output: Output,
}

impl Show {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let basics = desk.basics()?;
        let id = self.id;
        let row = Reader::open(&basics.storage.directory)?
            .follow_up(id)?
            .ok_or_else(|| Trouble::Wrong(format!("there is no follow-up {id}; `huntline followups` lists them")))?;
        if self.output.json {
            return say_json(&row);
        }
        say(&whole(&row, &basics.site.timezone, desk.now))
    }
}

fn whole(row: &FollowUpRow, zone: &TimeZone, now: Timestamp) -> String {
    let at = |at| clock(at, zone);
    let customer = row.customer.as_ref().map_or(String::new(), |id| format!(", customer {id}"));
    let on = row.did.as_ref().map_or(String::new(), |did| format!(" on {did}"));
    let state = match row.closed {
        Some(closed) => format!("done {}, {}", at(closed), closed_by(row)),
        None if row.due < now => format!("overdue for {}", between(row.due, now)),
        None => "open".into(),
    };
    let tried = match row.last_tried {
        Some(last) => format!("{}, last {}", row.tried, at(last)),
        None => "not yet".into(),
    };
    let reacted = Some(reaction(row)).filter(|after| !after.is_empty()).map(|after| format!("after {after}"));
    let facts = [
        ("who", format!("{}{customer}", who(&row.who))),
        ("missed", format!("{}{on}: {}, call {}", at(row.opened), cause(row.cause), row.call)),
        ("calls", format!("{}, last {}", row.attempts, at(row.last_miss))),
        ("due", at(row.due)),
        ("by", format!("{} ({}) since {}", holder(row), row.assigned.replace('_', " "), at(row.given))),
        ("we tried", tried),
        ("reaction", reacted.unwrap_or_else(|| "none yet".into())),
        ("age", age(row, now)),
        ("state", state),
    ];
    let mut text: String = facts.iter().map(|(name, what)| format!("{name:<10}{what}\n")).collect();
    row.comments.iter().for_each(|comment| text += &format!("{}  {}\n", at(comment.at), happened(comment)));
    text
}

fn happened(comment: &FollowUpComment) -> String {
    let by = comment.by.as_ref().map_or(String::new(), |by| format!("{by} "));
    let to = comment.to.as_deref().unwrap_or("anybody");
    let words = comment.text.as_deref().unwrap_or_default();
    let call = comment.call.map_or(String::new(), |call| format!(", call {call}"));
    match &*comment.what {
        "missed" => format!("they called again: {}{call}", cause(comment.cause)),
        "tried" => format!("we called, and they did not answer{call}"),
        "brief" => format!("a talk too short to settle it{call}"),
        "claimed" => format!("{to} claims it"),
        "assigned" => format!("{by}gives it to {to}"),
        "remarked" => format!("{by}says: {words}"),
        "closed" => format!("{by}closes it: {words}"),
        "overdue" => "its time is over".into(),
        "escalated" => format!("{to} is told that it is late"),
        "reassigned" => format!("it is {to}'s now"),
        other => other.into(),
    }
}
