//! The outcome of a report: for people, spreadsheets and programs.

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ask::{Ask, Dimension};
use super::period::Span;
use crate::clock::Timestamp;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name, which does not change.
    pub name: &'static str,
    /// What it counts.
    pub means: &'static str,
}

/// What stands in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A name, a day.
    Text(String),
    /// A number of things.
    Count(u64),
    /// So many of so many, in percent; empty where there are none.
    Percent(u64, u64),
    /// A time in milliseconds, shown in seconds; empty where there is none.
    Millis(Option<u64>),
    /// A moment.
    Moment(Option<Timestamp>),
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What was wanted.
    pub ask: Ask,
    /// From when to when.
    pub span: Span,
    /// The site's own time, in which days and moments are shown.
    pub zone: TimeZone,
    /// The columns: first what has a row of its own, then the figures.
    pub columns: Vec<Column>,
    /// A row for each.
    pub rows: Vec<Vec<Cell>>,
    /// The figures of all of them together.
    pub total: Vec<Cell>,
}

/// Spreadsheets take text that begins so for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

impl Cell {
    /// As a spreadsheet reads it.
    fn plain(&self, zone: &TimeZone) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Percent(part, of) => percent(*part, *of).map_or(String::new(), |tenths| decimal(tenths, 10)),
            Cell::Millis(millis) => millis.map_or(String::new(), |millis| decimal(millis, 1_000)),
            Cell::Moment(at) => {
                at.map_or(String::new(), |at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Text(text) => text.as_str().into(),
            Cell::Count(count) => (*count).into(),
            Cell::Percent(part, of) => percent(*part, *of).map_or(Value::Null, |tenths| json!(tenths as f64 / 10.0)),
            Cell::Millis(millis) => millis.map_or(Value::Null, |millis| json!(millis as f64 / 1_000.0)),
            Cell::Moment(at) => json!(at),
        }
    }

    /// Text never becomes a formula: it is marked as text.
    fn neutral(&self, zone: &TimeZone) -> String {
        let plain = self.plain(zone);
        match self {
            Cell::Text(text) if text.starts_with(FORMULA) => format!("'{plain}"),
            _ => plain,
        }
    }
}

/// Tenths of a percent, rounded; `None` of none.
fn percent(part: u64, of: u64) -> Option<u64> {
    part.checked_mul(2_000)?.checked_add(of)?.checked_div(of.checked_mul(2)?)
}

fn decimal(number: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    format!("{}.{:0width$}", number / unit, number % unit)
}

impl Table {
    /// How many of the columns name the row.
    pub fn names(&self) -> usize {
        self.ask.by.len()
    }

    /// As CSV (RFC 4180): a line of names, then a line for each row, the same columns in every period. With `bom` it begins
    /// with the mark by which spreadsheets know UTF-8. Text that a spreadsheet would take for a formula begins with an
    /// apostrophe.
    pub fn csv(&self, bom: bool) -> String {
        let mut text = String::from(if bom { "\u{feff}" } else { "" });
        let mut line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.map(quoted).collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        };
        line(&mut self.columns.iter().map(|column| column.name.to_owned()));
        for row in &self.rows {
            line(&mut row.iter().map(|cell| cell.neutral(&self.zone)));
        }
        text
    }

    /// As JSON: what was asked, what the columns mean, a row as an object.
    pub fn json(&self) -> Value {
        let object = |cells: &[Cell], columns: &[Column]| -> Value {
            let fields = columns.iter().zip(cells).map(|(column, cell)| (column.name.to_owned(), cell.json()));
            fields.collect::<Map<_, _>>().into()
        };
        json!({
            "report": self.ask.kind.word(),
            "by": self.ask.by.iter().map(|one| one.word()).collect::<Vec<_>>(),
            "from": self.span.from,
            "to": self.span.to,
            "columns": self.columns,
            "rows": self.rows.iter().map(|row| object(row, &self.columns)).collect::<Vec<_>>(),
            "total": object(&self.total, &self.columns[self.names()..]),
        })
    }

    /// As people read it: a heading, the rows, and all together.
    pub fn lines(&self) -> Vec<Vec<String>> {
        let spoken = |name: &str| name.replace('_', " ").to_uppercase();
        let cells = |row: &[Cell]| row.iter().map(|cell| cell.plain(&self.zone)).collect::<Vec<String>>();
        let mut lines = vec![self.columns.iter().map(|column| spoken(column.name)).collect::<Vec<String>>()];
        lines.extend(self.rows.iter().map(|row| cells(row)));
        let all = (0..self.names()).map(|place| if place == 0 { "all".to_owned() } else { String::new() });
        lines.push(all.chain(cells(&self.total)).collect());
        lines
    }
}

fn quoted(text: String) -> String {
    let plain = !text.contains(['"', ',', '\r', '\n']);
    if plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// What the row of those is called that have no name of this kind.
pub(super) const fn nobody(of: Dimension) -> &'static str {
    match of {
        Dimension::User => "(nobody)",
        _ => "(none)",
    }
}
