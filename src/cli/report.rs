//! `huntline report`: what the calls of a time add up to, for people, spreadsheets and programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use crate::cli::desk::{Desk, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::cli::table::table;
use crate::config::Basics;
use crate::report::{Ask, Kind, Only, Period, Plan, Span, Table, columns_of};
use crate::store::Reader;

/// Count calls: lost, in, out, missed, by day, employee, group, number and source. Needs no running router.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Without --by a row stands for what is usual for the report. The rows add up to the call list, each call stands in one of
them; `huntline report list` says what every column means.

Examples:
  huntline report lost
  huntline report calls --period last-month --by user
  huntline report service --by group --period 30d --csv > service.csv
  huntline report calls --from 2026-11-01 --to 2026-12-01 --by day,source --json"
)]
pub(super) struct Report {
    #[command(subcommand)]
    other: Option<Other>,
    /// lost, calls, missed, service, hours, capacity, plan or followups.
    #[arg(required = true)]
    name: Option<String>,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Say which reports there are, and what their columns mean.
    List,
}

#[derive(Debug, Args)]
struct Wanted {
    /// A row for each: day, weekday, hour, user, group, did, source, trunk; two with a comma between.
    #[arg(long, value_name = "WHAT")]
    by: Option<String>,
    /// Days: today, yesterday, this-week, last-week, this-month, last-month, 7d, 2026-11-01..2026-11-30.
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["from", "to"])]
    period: Option<String>,
    /// Began then or later: today, 2026-11-23, '2026-11-23 10:00', 7d (ago).
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Began before then.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Only calls that stand in this employee's row.
    #[arg(long, value_name = "EXTENSION")]
    user: Option<String>,
    /// … in this group's.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// … in this number's.
    #[arg(long, value_name = "NUMBER")]
    did: Option<String>,
    /// … in this source's.
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
}

#[derive(Debug, Args)]
struct Form {
    /// Print CSV (RFC 4180) instead of a table.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Begin the CSV with the mark by which some spreadsheets know UTF-8.
    #[arg(long, requires = "csv")]
    bom: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Write it there instead of printing it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        if let Some(Other::List) = self.other {
            return say(&list());
        }
        let basics = desk.basics()?;
        let kind: Kind = self.name.unwrap_or_default().parse().map_err(Trouble::Usage)?;
        let ask = self.wanted.ask(kind, &basics)?;
        let zone = &basics.site.timezone;
        let span = self.wanted.span(&ask, desk, zone)?;
        let table = Reader::open(&basics.storage.directory)?.report(&ask, span, zone, desk.now, &Plan::default())?;
        self.form.show(&table)
    }
}

impl Wanted {
    fn ask(&self, kind: Kind, basics: &Basics) -> Result<Ask, Trouble> {
        let mut ask = Ask::usual(kind);
        if let Some(by) = &self.by {
            ask = ask.by(by).map_err(|why| Trouble::Usage(format!("--by: {why}")))?;
        }
        if let Some(period) = &self.period {
            ask.period = period.parse().map_err(|why| Trouble::Usage(format!("--period: {why}")))?;
        }
        // A DID is kept as its `number` is written; people write it in other ways too.
        let did = |text: &String| match basics.site.numbering.read(text) {
            Some(number) => number.to_string(),
            None => text.clone(),
        };
        ask.only = Only {
            user: self.user.clone(),
            group: self.group.clone(),
            did: self.did.as_ref().map(did),
            source: self.source.clone(),
        };
        Ok(ask)
    }

    fn span(&self, ask: &Ask, desk: &Desk, zone: &TimeZone) -> Result<Span, Trouble> {
        let moment = |flag: &str, text: &Option<String>| {
            let read = |text: &String| moment::read(text, zone, desk.now, Towards::Past);
            text.as_ref().map(read).transpose().map_err(|why| Trouble::Usage(format!("{flag}: {why}")))
        };
        let usual = ask.period.span(desk.now, zone);
        let span = match (moment("--from", &self.from)?, moment("--to", &self.to)?) {
            (None, None) => usual,
            (Some(from), to) => Span { from, to: to.unwrap_or(Period::Today.span(desk.now, zone).to) },
            (None, Some(to)) => Span { from: usual.from, to },
        };
        match span.from < span.to {
            true => Ok(span),
            false => Err(Trouble::Usage("--to is not after --from".into())),
        }
    }
}

impl Form {
    fn show(&self, table: &Table) -> Result<(), Trouble> {
        let text = if self.json {
            let json = table.json();
            if self.output.is_none() {
                return say_json(&json);
            }
            format!("{json:#}\n")
        } else if self.csv {
            table.csv(self.bom)
        } else {
            shown(table)
        };
        let Some(path) = &self.output else { return say(&text) };
        std::fs::write(path, text).map_err(|error| Trouble::Wrong(format!("{}: {error}", path.display())))
    }
}

fn shown(table_: &Table) -> String {
    let day = |at: crate::clock::Timestamp| at.to_zoned(table_.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
    let (kind, span) = (table_.ask.kind, table_.span);
    let mut text = format!("{kind}: {}, from {} to {}\n\n", kind.about(), day(span.from), day(span.to));
    text.push_str(&table(&table_.lines()));
    text
}

/// Every report with its columns.
fn list() -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let by = kind.usual().iter().map(|one| one.word()).collect::<Vec<_>>().join(",");
        _ = writeln!(text, "{kind}: {} (by {by})", kind.about());
        let columns = columns_of(&Ask::usual(*kind));
        let lines: Vec<_> = columns.iter().map(|one| vec![format!("  {}", one.name), one.means.to_owned()]).collect();
        text.push_str(&table(&lines));
        text.push('\n');
    }
    text
}
