//! Customers of a file that is no table, entry by entry: read with the site's numbering, and everything that cannot be taken
//! named with its line.

use std::collections::BTreeMap;

use super::sheet::{Finding, LONGEST_ID, MOST_NUMBERS, Sheet, duplicates, shown};
use crate::config::Config;
use crate::customer::Kind;
use crate::store::CustomerRow;

/// An entry as its file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    pub(super) id: String,
    /// As it is written; empty: a contact.
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) numbers: Vec<String>,
    pub(super) responsible: String,
}

/// Takes what can be taken; where an entry has no id, its first number is one.
pub(super) fn sheet(entries: Vec<Entry>, mut bad: Vec<Finding>, config: &Config) -> Sheet {
    let mut sheet = Sheet::default();
    let mut lines = BTreeMap::new();
    for entry in entries {
        let line = entry.line;
        let finding = |column: &str, value: &str, reason: String| Finding {
            line,
            column: column.to_owned(),
            value: shown(value),
            reason,
        };
        let kind: Kind = match entry.kind.as_str() {
            "" => Kind::Contact,
            text => match text.parse() {
                Ok(kind) => kind,
                Err(reason) => {
                    bad.push(finding("kind", text, reason));
                    continue;
                }
            },
        };
        let mut numbers = Vec::new();
        for text in &entry.numbers {
            match config.site.numbering.read(text) {
                Some(number) if numbers.contains(&number) => {}
                Some(number) if numbers.len() < MOST_NUMBERS => numbers.push(number),
                Some(_) => bad.push(finding("number", text, format!("a customer has at most {MOST_NUMBERS} numbers"))),
                None => {
                    let reason = "this cannot be read as a number; +COUNTRY… always can";
                    bad.push(finding("number", text, reason.into()));
                }
            }
        }
        let id = match (entry.id.trim(), numbers.first()) {
            ("", Some(number)) => number.to_string(),
            (id, _) => id.to_owned(),
        };
        if id.is_empty() || id.len() > LONGEST_ID {
            let reason = format!("an id has 1 to {LONGEST_ID} bytes; it is what an import changes a customer by");
            bad.push(finding("id", &id, reason));
            continue;
        }
        if let Some(first) = lines.get(&(kind, id.clone())) {
            let reason = format!("this {} is on line {first} already; keep one of the two", kind.word());
            bad.push(finding("id", &id, reason));
            continue;
        }
        let responsible = Some(entry.responsible.trim()).filter(|text| !text.is_empty());
        if let Some(text) = responsible.filter(|text| config.extension_by_number(text).is_none()) {
            let reason = "there is no such extension; the customer's calls go on as if nobody were responsible";
            sheet.unknown_responsible.push(finding("responsible", text, reason.into()));
        }
        lines.insert((kind, id.clone()), line);
        sheet.rows.push(CustomerRow {
            id: id.into(),
            kind,
            name: entry.name.trim().into(),
            responsible: responsible.map(Into::into),
            numbers,
            provisional: false,
        });
    }
    bad.sort_by_key(|finding| finding.line);
    sheet.bad = bad;
    sheet.duplicates = duplicates(&sheet.rows, &lines);
    sheet
}
