//! `huntline report`: what the calls of a time add up to, for people, spreadsheets and programs.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use crate::cli::desk::{Desk, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::cli::table::table;
use crate::config::Basics;
use crate::control::Order;
use crate::fact::SavedReport;
use crate::report::{Ask, Dimension, Kind, Only, Period, Plan, Span, Table, columns_of, plan_of};
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
  huntline report calls --from 2026-11-01 --to 2026-12-01 --by day,source --json
  huntline report save sales-last-month service --by user --group sales --period last-month"
)]
pub(super) struct Report {
    #[command(subcommand)]
    other: Option<Other>,
    /// lost, calls, missed, service, hours, capacity, plan, followups, or one that was saved.
    #[arg(required = true)]
    name: Option<String>,
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    exactly: Exactly,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Subcommand)]
enum Other {
    List,
    Save(Save),
    Delete(Delete),
}

/// Save a report under a name of its own: `huntline report NAME`, and /api/v1/reports/NAME.csv. Asks the running router.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  huntline report save sales-last-month service --by user --group sales --period last-month
  huntline report sales-last-month --csv")]
struct Save {
    /// 1 to 64 of a-z, 0-9 and -.
    name: String,
    /// lost, calls, missed, service, hours, capacity, plan or followups.
    report: String,
    #[command(flatten)]
    rows: Rows,
}

/// Throw the definition of a saved report away. Asks the running router.
#[derive(Debug, Args)]
struct Delete {
    /// Its name.
    name: String,
}

#[derive(Debug, Args)]
struct Rows {
    /// A row for each: day, weekday, hour, user, group, did, source, trunk; two with a comma between.
    #[arg(long, value_name = "WHAT")]
    by: Option<String>,
    /// Days: today, yesterday, this-week, last-week, this-month, last-month, 7d, 2026-11-01..2026-11-30.
    #[arg(long, value_name = "DAYS")]
    period: Option<String>,
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
struct Exactly {
    /// Began then or later: today, 2026-11-23, '2026-11-23 10:00', 7d (ago).
    #[arg(long, value_name = "WHEN", conflicts_with = "period")]
    from: Option<String>,
    /// Began before then.
    #[arg(long, value_name = "WHEN", conflicts_with = "period")]
    to: Option<String>,
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
        match self.other {
            Some(Other::List) => return list(desk),
            Some(Other::Save(save)) => return save.run(desk),
            Some(Other::Delete(delete)) => return delete.run(desk),
            None => {}
        }
        let basics = desk.basics()?;
        let zone = &basics.site.timezone;
        let reader = Reader::open(&basics.storage.directory)?;
        let ask = self.rows.change(named(&reader, &self.name.unwrap_or_default())?, &basics)?;
        let span = self.exactly.span(&ask, desk, zone)?;
        let plan = match ask.kind {
            Kind::Plan => plan_of(&desk.config()?, span, desk.now, zone),
            _ => Plan::new(),
        };
        self.form.show(&reader.report(&ask, span, zone, desk.now, &plan)?)
    }
}

/// The report of this name.
fn named(reader: &Reader, name: &str) -> Result<Ask, Trouble> {
    let unknown = match name.parse() {
        Ok(kind) => return Ok(Ask::usual(kind)),
        Err(why) => why,
    };
    let saved = reader.saved_reports()?;
    match saved.iter().find(|(known, _)| **known == *name) {
        Some((_, saved)) => Ask::of(saved).map_err(Trouble::Wrong),
        None if saved.is_empty() => Err(Trouble::Usage(unknown)),
        None => {
            let names = saved.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ");
            Err(Trouble::Usage(format!("{unknown}, or a saved one: {names}")))
        }
    }
}

impl Save {
    fn run(self, desk: &Desk) -> Result<(), Trouble> {
        Ask::check_name(&self.name).map_err(Trouble::Usage)?;
        let kind: Kind = self.report.parse().map_err(Trouble::Usage)?;
        let ask = self.rows.change(Ask::usual(kind), &desk.basics()?)?;
        desk.ask(Order::Report { name: self.name.as_str().into(), now: Some(ask.to_saved()) })?;
        say(&format!("saved; `huntline report {}` prints it\n", self.name))
    }
}

impl Delete {
    fn run(self, desk: &Desk) -> Result<(), Trouble> {
        desk.ask(Order::Report { name: self.name.as_str().into(), now: None })?;
        say(&format!("the report {:?} is deleted\n", self.name))
    }
}

impl Rows {
    /// The report, but with what is said here.
    fn change(&self, mut ask: Ask, basics: &Basics) -> Result<Ask, Trouble> {
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
        let own = |said: &Option<String>, before: Option<String>| said.clone().or(before);
        ask.only = Only {
            user: own(&self.user, ask.only.user),
            group: own(&self.group, ask.only.group),
            did: own(&self.did.as_ref().map(did), ask.only.did),
            source: own(&self.source, ask.only.source),
        };
        Ok(ask)
    }
}

impl Exactly {
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
        Span::new(span.from, span.to).map_err(|why| Trouble::Usage(format!("--from, --to: {why}")))
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
    let by = &table_.ask.by[..];
    let lines = if by == [Dimension::Weekday, Dimension::Hour] { week(table_) } else { table_.lines() };
    text.push_str(&table(&lines));
    text
}

/// A column for each weekday, a line for each hour: calls that came in, and of them those that were missed.
fn week(table: &Table) -> Vec<Vec<String>> {
    let place = |name| table.columns.iter().position(|column| column.name == name);
    let (came, missed) = (place("inbound").or(place("offered")), place("missed"));
    let all = table.lines();
    let rows = &all[1..all.len() - 1];
    let cell = |row: &Vec<String>| match (came.map(|place| &row[place]), missed.map(|place| &row[place])) {
        (Some(came), Some(missed)) if missed != "0" => format!("{came} ({missed} missed)"),
        (Some(came), _) => came.clone(),
        (None, missed) => missed.cloned().unwrap_or_default(),
    };
    let days: Vec<&String> = rows.iter().step_by(24).map(|row| &row[0]).collect();
    let mut lines = vec![["HOUR".to_owned()].into_iter().chain(days.iter().map(|day| day.to_uppercase())).collect()];
    let hour = |hour: usize| {
        let of_day = |day: usize| rows.get(day * 24 + hour).map(cell).unwrap_or_default();
        [hour.to_string()].into_iter().chain((0..days.len()).map(of_day)).collect::<Vec<_>>()
    };
    lines.extend((0..24).map(hour));
    lines
}

/// Every report with its columns, and those that were saved.
fn list(desk: &Desk) -> Result<(), Trouble> {
    let mut text = String::new();
    for kind in Kind::ALL {
        let by = kind.usual().iter().map(|one| one.word()).collect::<Vec<_>>().join(",");
        _ = writeln!(text, "{kind}: {} (by {by})", kind.about());
        let columns = columns_of(&Ask::usual(*kind));
        let lines: Vec<_> = columns.iter().map(|one| vec![format!("  {}", one.name), one.means.to_owned()]).collect();
        text.push_str(&table(&lines));
        text.push('\n');
    }
    let saved = match Reader::open_existing(&desk.basics()?.storage.directory)? {
        Some(reader) => reader.saved_reports()?,
        None => Vec::new(),
    };
    if !saved.is_empty() {
        text.push_str("saved\n");
        let lines: Vec<_> = saved.iter().map(|(name, saved)| vec![format!("  {name}"), defined(saved)]).collect();
        text.push_str(&table(&lines));
    }
    say(&text)
}

/// `service by user over last-month, of group sales`
fn defined(saved: &SavedReport) -> String {
    let mut text = format!("{} by {} over {}", saved.report, saved.by, saved.period);
    let only = [("user", &saved.user), ("group", &saved.group), ("did", &saved.did), ("source", &saved.source)];
    for (what, whose) in only {
        if let Some(whose) = whose {
            _ = write!(text, ", of {what} {whose}");
        }
    }
    text
}
