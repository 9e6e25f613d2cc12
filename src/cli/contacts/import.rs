//! `huntline contacts import FILE`: takes a CRM's export or a phone's cards, all of it or nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::config::Config;
use crate::control::{self, Failure, Order};
use crate::import::{Duplicate, Finding, HEADINGS, Sheet};
use crate::store::{Imported, Reader, Writer};

/// How many findings of a kind are printed; `--json` has them all.
const SHOWN: usize = 20;

/// Take customers from a file (CSV, vCard, or JSON lines): all of it, or nothing.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct Import {
    /// The file, in UTF-8: a table with comma, semicolon or tab between columns and headings in the first line; vCards; or a
    /// JSON object on each line.
    file: PathBuf,
    /// What the file is; where nothing is said, its name and its first letters tell.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Leave out what cannot be read, instead of refusing the file.
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    output: Output,
}

/// What a file of customers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table.
    Csv,
    /// Cards, of versions 2.1 to 4.0.
    Vcard,
    /// A JSON object on each line.
    Ndjson,
}

impl Format {
    fn of(file: &Path, bytes: &[u8]) -> Format {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "vcf" | "vcard" => return Format::Vcard,
            "ndjson" | "jsonl" => return Format::Ndjson,
            "csv" | "tsv" => return Format::Csv,
            _ => {}
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with));
        if begins(b"BEGIN:VCARD") {
            Format::Vcard
        } else if begins(b"{") {
            Format::Ndjson
        } else {
            Format::Csv
        }
    }
}

fn help() -> String {
    let mut text = String::from("Columns of a table, in any order, others are passed over:\n");
    for (column, names) in HEADINGS {
        _ = writeln!(text, "  {column:<12} headed {}", names.join(", "));
    }
    text.push_str(
        "\
Type is contact (where nothing is said), company or lead; an id is unique within its type. A customer of the same
type and id is changed, one that is not named stays. Several numbers stand in one cell (comma, semicolon, |) or in
several columns (phone 1, phone 2). They are read with the site's numbering; responsible is an extension's number.
Of a card UID (or the first number), FN (or N), TEL, KIND and X-RESPONSIBLE are taken; of a line of JSON id, kind, name,
numbers and responsible. Who was made of a number by the router gives way to who is imported with that number.
A running router learns of the changes at once. Exit code 1: nothing was imported.

Examples:
  huntline contacts import customers.csv --dry-run
  huntline contacts import customers.csv --skip-bad
  huntline contacts import phone.vcf",
    );
    text
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    customers: usize,
    numbers: usize,
    bad: &'a [Finding],
    unknown_responsible: &'a [Finding],
    duplicates: &'a [Duplicate],
    dry_run: bool,
    /// What changed, or with `dry_run` would change; null where the file is refused.
    imported: Option<Imported>,
    /// A running router has read the customers again.
    router_told: bool,
}

impl Import {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let config = desk.config()?;
        let named = |why: String| Trouble::Wrong(format!("{}: {why}", self.file.display()));
        let bytes = std::fs::read(&self.file).map_err(|error| named(error.to_string()))?;
        let sheet = match self.format.unwrap_or_else(|| Format::of(&self.file, &bytes)) {
            Format::Csv => Sheet::read(&bytes, &config).map_err(named)?,
            Format::Vcard => Sheet::of_vcard(&bytes, &config),
            Format::Ndjson => Sheet::of_ndjson(&bytes, &config),
        };
        let refused = !sheet.bad.is_empty() && !self.skip_bad;
        let imported = match (refused, self.dry_run) {
            (true, _) => None,
            (false, true) => Some(compare(&config, &sheet)?),
            (false, false) => {
                let mut writer = Writer::open(&config.storage.directory)?;
                Some(writer.put_customers(&sheet.rows, desk.now)?)
            }
        };
        let changed = imported.is_some_and(|imported| imported.added + imported.changed > 0);
        let told = if changed && !self.dry_run { tell(&config)? } else { false };
        let report = Report {
            file: &self.file,
            customers: sheet.rows.len(),
            numbers: sheet.rows.iter().map(|row| row.numbers.len()).sum(),
            bad: &sheet.bad,
            unknown_responsible: &sheet.unknown_responsible,
            duplicates: &sheet.duplicates,
            dry_run: self.dry_run,
            imported,
            router_told: told,
        };
        if self.output.json {
            say_json(&report)?
        } else {
            say(&report.text())?
        }
        if refused { Err(Trouble::Said) } else { Ok(()) }
    }
}

/// What an import would change; everything is new where there is no database yet.
fn compare(config: &Config, sheet: &Sheet) -> Result<Imported, Trouble> {
    match Reader::open_existing(&config.storage.directory)? {
        Some(reader) => Ok(reader.compare_customers(&sheet.rows)?),
        None => Ok(Imported { added: sheet.rows.len(), ..Imported::default() }),
    }
}

/// True where a running router has read them again. Without one there is nobody to tell: they are read at start.
fn tell(config: &Config) -> Result<bool, Trouble> {
    match control::ask(&config.storage.directory, Order::Customers) {
        Ok(_) => Ok(true),
        Err(Failure::NoRouter(_)) => Ok(false),
        Err(failure) => {
            let why = format!("the customers are in the database, but the running router has not read them: {failure}");
            Err(Trouble::Wrong(why))
        }
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut text = format!(
            "{}: {} with {}\n",
            self.file.display(),
            some(self.customers, "customer"),
            some(self.numbers, "number")
        );
        let findings = |text: &mut String, findings: &[Finding]| {
            for Finding { line, column, value, reason } in findings.iter().take(SHOWN) {
                _ = writeln!(text, "line {line}: {column} {value:?}: {reason}");
            }
            more(text, findings.len());
        };
        findings(&mut text, self.bad);
        findings(&mut text, self.unknown_responsible);
        for Duplicate { number, holders } in self.duplicates.iter().take(SHOWN) {
            let holder =
                |it: &crate::import::Holder| format!("{} {} {:?} (line {})", it.kind.word(), it.id, it.name, it.line);
            let holders: Vec<String> = holders.iter().map(holder).collect();
            _ = writeln!(text, "{number} stands with several, the first one is shown: {}", holders.join(", "));
        }
        more(&mut text, self.duplicates.len());
        match self.imported {
            None => {
                let bad = some(self.bad.len(), "value");
                _ = writeln!(text, "nothing was imported: {bad} cannot be read; mend the file, or use --skip-bad");
            }
            Some(Imported { added, changed, unchanged }) => {
                let verb = if self.dry_run { "would be imported" } else { "imported" };
                _ = writeln!(text, "{verb}: {added} new, {changed} changed, {unchanged} unchanged");
                if !self.bad.is_empty() {
                    _ = writeln!(text, "left out: {}", some(self.bad.len(), "value"));
                }
                if self.router_told {
                    text.push_str("the running router knows them\n");
                }
            }
        }
        text
    }
}

fn more(text: &mut String, count: usize) {
    if count > SHOWN {
        _ = writeln!(text, "… and {} more; --json has them all", count - SHOWN);
    }
}
