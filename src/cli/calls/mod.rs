//! `huntline calls`: the call list; `huntline calls show ID`: one call in full.

mod note;
mod record;
mod show;

use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::cli::table::table;
use crate::config::Site;
use crate::key::CallId;
use crate::store::{CallFilter, CallRow, CallState, Reader};

use crate::cli::words::{result, span, who};

pub(super) use show::past;

/// List calls, the newest first; or show one in full. Needs no running router.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  huntline calls --missed --from today
  huntline calls --user 201 --from 2026-11-01 --to 2026-12-01 --limit 0
  huntline calls --number '8 916 123-45-67'
  huntline calls show 0d5t3gh7k2m9p"
)]
pub(super) struct Calls {
    #[command(subcommand)]
    one: Option<One>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum One {
    Show(show::Show),
    Note(note::Note),
    Record(record::Record),
}

#[derive(Debug, Args)]
struct Which {
    /// Began then or later: today, yesterday, 2026-11-23, '2026-11-23 10:00', 2h (ago).
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Began before then.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// This extension called, was dialled, rang or answered.
    #[arg(long, value_name = "EXTENSION")]
    user: Option<String>,
    /// Came in on this DID.
    #[arg(long, value_name = "NUMBER")]
    did: Option<String>,
    /// Stands so.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only missed calls.
    #[arg(long)]
    missed: bool,
    /// Only those of which somebody is still to say what came of them.
    #[arg(long)]
    needs_disposition: bool,
    /// From or to this number, as anybody writes it.
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Only older calls than this one: the last id of the page before.
    #[arg(long, value_name = "ID")]
    before: Option<CallId>,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// Has not ended.
    Open,
    /// A human answered.
    Answered,
    /// A customer reached nobody.
    Missed,
    /// No answer, and no miss: outbound, internal, blocked.
    Unanswered,
}

impl Calls {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        match self.one {
            Some(One::Show(show)) => show.run(desk),
            Some(One::Note(note)) => note.run(desk),
            Some(One::Record(record)) => record.run(desk),
            None => self.which.run(desk),
        }
    }
}

impl Which {
    fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let basics = desk.basics()?;
        let filter = self.filter(&basics.site, desk)?;
        let rows = Reader::open(&basics.storage.directory)?.calls(&filter)?;
        if self.output.json {
            return say_json(&rows);
        }
        if rows.is_empty() {
            return say("no calls\n");
        }
        let mut text = list(&rows, &basics.site.timezone);
        if rows.len() == self.limit
            && let Some(last) = rows.last()
        {
            text.push_str(&format!("older ones: --before {}\n", last.id));
        }
        say(&text)
    }

    fn filter(&self, site: &Site, desk: &Desk) -> Result<CallFilter, Trouble> {
        let moment = |flag: &str, text: &Option<String>| {
            let read = |text: &String| moment::read(text, &site.timezone, desk.now, Towards::Past);
            text.as_ref().map(read).transpose().map_err(|why| Trouble::Usage(format!("{flag}: {why}")))
        };
        let read = |text: &String| site.numbering.read(text);
        // A DID is kept as its `number` is written; people write it in other ways too.
        let did = |text: &String| read(text).map_or_else(|| text.clone(), |number| number.to_string());
        let number = self.number.as_ref().and_then(read);
        Ok(CallFilter {
            from: moment("--from", &self.from)?,
            to: moment("--to", &self.to)?,
            user: self.user.clone(),
            did: self.did.as_ref().map(did),
            state: self.state.map(|state| match state {
                State::Open => CallState::Open,
                State::Answered => CallState::Answered,
                State::Missed => CallState::Missed,
                State::Unanswered => CallState::Unanswered,
            }),
            missed: self.missed.then_some(true),
            needs_disposition: self.needs_disposition.then_some(true),
            text: self.number.clone().filter(|_| number.is_none()),
            number,
            before: self.before,
            limit: self.limit,
            ..CallFilter::default()
        })
    }
}

fn list(rows: &[CallRow], zone: &TimeZone) -> String {
    let mut lines = vec![["BEGAN", "CALL", "KIND", "FROM", "TO", "RESULT", "TALK", ""].map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let kind = serde_json::to_value(row.direction).unwrap_or_default();
        vec![
            row.began.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            row.id.to_string(),
            kind.as_str().unwrap_or_default().to_owned(),
            who(&row.from),
            who(&row.to),
            result(row),
            if row.answered.is_some() && row.ended.is_some() { span(row.talk_ms) } else { String::new() },
            match (row.talks_recorded, row.messages_left) {
                (0, 0) => "",
                (_, 0) => "recorded",
                (0, _) => "message",
                _ => "recorded, message",
            }
            .to_owned(),
        ]
    }));
    table(&lines)
}
