//! A CRM's export as a table: columns found by their headings, numbers read with the site's numbering, and everything
//! that cannot be read named with its line.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::config::Config;
use crate::customer::Kind;
use crate::number::PhoneNumber;
use crate::store::CustomerRow;

/// How the columns may be headed, for `--help` and for messages. Case, blanks, dashes and digits at the end do not matter.
pub const HEADINGS: [(&str, &[&str]); 5] = [
    ("id", &["id", "externalid", "extid", "crmid", "contactid", "код"]),
    ("type", &["type", "kind", "тип"]),
    ("name", &["name", "fullname", "title", "displayname", "имя", "название", "фио"]),
    (
        "numbers",
        &["number", "numbers", "phone", "phones", "phonenumber", "telephone", "tel", "mobile", "workphone", "телефон"],
    ),
    ("responsible", &["responsible", "responsibleextension", "manager", "owner", "assigned", "ответственный"]),
];

/// Longest id that the index takes, in bytes.
pub(super) const LONGEST_ID: usize = 255;
/// Most numbers of one customer that the index takes.
pub(super) const MOST_NUMBERS: usize = 255;

/// Something in the file that cannot be taken as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// The column's heading, as it stands in the file.
    pub column: String,
    /// The value.
    pub value: String,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

/// One of several entries for a number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Holder {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// What it is.
    pub kind: Kind,
    /// Unique within its kind.
    pub id: String,
    /// As people read it.
    pub name: String,
}

/// A number that stands with several customers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Duplicate {
    /// Which.
    pub number: PhoneNumber,
    /// In order of priority, as far as the file tells.
    pub holders: Vec<Holder>,
}

/// A file as read.
#[derive(Default, Debug)]
pub struct Sheet {
    /// The customers, with what could be read of them.
    pub rows: Vec<CustomerRow>,
    /// What could not be read: nothing is imported, unless it is to be left out.
    pub bad: Vec<Finding>,
    /// Responsibles that are no extension: imported as they are, and said.
    pub unknown_responsible: Vec<Finding>,
    /// Numbers with several entries: imported, and said.
    pub duplicates: Vec<Duplicate>,
}

/// Which column holds what.
struct Columns {
    id: usize,
    kind: Option<usize>,
    name: Option<usize>,
    numbers: Vec<usize>,
    responsible: Option<usize>,
}

impl Sheet {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// It has no heading line, or that names no id or no numbers.
    pub fn read(bytes: &[u8], config: &Config) -> Result<Sheet, String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(bytes))
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let heading = reader.byte_headers().map_err(|error| error.to_string())?.clone();
        let heading: Vec<String> = heading.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let columns = Columns::find(&heading)?;
        let mut sheet = Sheet::default();
        let mut lines = BTreeMap::new();
        let mut record = csv::ByteRecord::new();
        let mut place = Place { line: 1, byte: 0 };
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(error.to_string()),
            }
            let begins = record.position().map_or(0, csv::Position::byte);
            let line = place.advance(bytes, usize::try_from(begins).unwrap_or(usize::MAX));
            if record.iter().all(<[u8]>::is_empty) {
                continue;
            }
            let row = Row { record: &record, heading: &heading, columns: &columns, line, config };
            let before = sheet.unknown_responsible.len();
            let taken = row.read(&mut sheet).is_some_and(|customer| sheet.take(customer, &row, &mut lines));
            if !taken {
                // Whose row is not taken has no calls that could go on.
                sheet.unknown_responsible.truncate(before);
            }
        }
        sheet.duplicates = duplicates(&sheet.rows, &lines);
        Ok(sheet)
    }

    /// Keeps a customer, unless the same one was there before; true where it did.
    fn take(&mut self, customer: CustomerRow, row: &Row<'_>, lines: &mut BTreeMap<(Kind, String), u64>) -> bool {
        let key = (customer.kind, customer.id.to_string());
        match lines.get(&key) {
            Some(first) => {
                let reason = format!("this {} is on line {first} already; keep one of the two", customer.kind.word());
                self.bad.push(row.finding(row.columns.id, reason));
                false
            }
            None => {
                lines.insert(key, row.line);
                self.rows.push(customer);
                true
            }
        }
    }
}

/// Where a reader of the file stands. The lines of the csv reader itself are one behind where they end in CR LF.
struct Place {
    line: u64,
    byte: usize,
}

impl Place {
    /// The line on which the row at `byte` or after it begins.
    fn advance(&mut self, bytes: &[u8], byte: usize) -> u64 {
        let blank = bytes.iter().skip(byte).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let until = (byte + blank).min(bytes.len());
        let passed = bytes.get(self.byte..until).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.byte = until;
        self.line
    }
}

/// One line of the file.
struct Row<'a> {
    record: &'a csv::ByteRecord,
    heading: &'a [String],
    columns: &'a Columns,
    line: u64,
    config: &'a Config,
}

impl Row<'_> {
    /// The customer with everything that can be read; the rest goes to `sheet.bad`. `None` where it cannot be named.
    fn read(&self, sheet: &mut Sheet) -> Option<CustomerRow> {
        let place = [Some(self.columns.id), self.columns.kind, self.columns.name, self.columns.responsible];
        let places = place.into_iter().flatten().chain(self.columns.numbers.iter().copied());
        for column in places {
            if std::str::from_utf8(self.bytes(column)).is_err() {
                let reason = "this is not UTF-8; export the file as \"CSV UTF-8\"".to_owned();
                sheet.bad.push(self.finding(column, reason));
                return None;
            }
        }
        let id = self.text(self.columns.id);
        if id.is_empty() || id.len() > LONGEST_ID {
            let reason = format!("an id has 1 to {LONGEST_ID} bytes; it is what an import changes a customer by");
            sheet.bad.push(self.finding(self.columns.id, reason));
            return None;
        }
        let kind = match self.columns.kind.map(|column| (column, self.text(column))) {
            None | Some((_, "")) => Kind::Contact,
            Some((column, text)) => match text.parse() {
                Ok(kind) => kind,
                Err(reason) => {
                    sheet.bad.push(self.finding(column, reason));
                    return None;
                }
            },
        };
        let responsible = self.columns.responsible.map(|column| (column, self.text(column)));
        let responsible = responsible.filter(|(_, text)| !text.is_empty());
        if let Some((column, text)) = responsible
            && self.config.extension_by_number(text).is_none()
        {
            let reason =
                "there is no such extension; the customer's calls go on as if nobody were responsible".to_owned();
            sheet.unknown_responsible.push(self.finding(column, reason));
        }
        Some(CustomerRow {
            id: id.into(),
            kind,
            name: self.columns.name.map_or("", |column| self.text(column)).into(),
            responsible: responsible.map(|(_, text)| text.into()),
            numbers: self.numbers(sheet),
            provisional: false,
        })
    }

    fn numbers(&self, sheet: &mut Sheet) -> Vec<PhoneNumber> {
        let mut numbers = Vec::new();
        for column in &self.columns.numbers {
            let parts = self.text(*column).split([',', ';', '|', '\n']).map(str::trim);
            for text in parts.filter(|text| !text.is_empty()) {
                match self.config.site.numbering.read(text) {
                    Some(number) if numbers.contains(&number) => {}
                    Some(number) if numbers.len() < MOST_NUMBERS => numbers.push(number),
                    Some(_) => {
                        let reason = format!("a customer has at most {MOST_NUMBERS} numbers");
                        sheet.bad.push(Finding { value: shown(text), ..self.finding(*column, reason) });
                    }
                    None => {
                        let reason = "this cannot be read as a number; +COUNTRY… always can".to_owned();
                        sheet.bad.push(Finding { value: shown(text), ..self.finding(*column, reason) });
                    }
                }
            }
        }
        numbers
    }

    fn bytes(&self, column: usize) -> &[u8] {
        self.record.get(column).unwrap_or_default()
    }

    fn text(&self, column: usize) -> &str {
        std::str::from_utf8(self.bytes(column)).unwrap_or_default()
    }

    fn finding(&self, column: usize, reason: String) -> Finding {
        let value = shown(&String::from_utf8_lossy(self.bytes(column)));
        Finding { line: self.line, column: self.heading.get(column).cloned().unwrap_or_default(), value, reason }
    }
}

/// So much of a value that it can be found again.
pub(super) fn shown(value: &str) -> String {
    value.chars().take(80).collect()
}

impl Columns {
    fn find(heading: &[String]) -> Result<Columns, String> {
        let plain = |text: &str| {
            let letters = text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase);
            letters.collect::<String>().trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned()
        };
        let heading: Vec<String> = heading.iter().map(|name| plain(name)).collect();
        let all = |what: &str| -> Vec<usize> {
            let names = HEADINGS.iter().find(|(column, _)| *column == what).map_or(&[][..], |(_, names)| names);
            // By preference: a file with "id" and "crm_id" means "id".
            let places = names.iter().flat_map(|name| {
                heading.iter().enumerate().filter(move |(_, there)| there == name).map(|(place, _)| place)
            });
            let mut places: Vec<usize> = places.collect();
            if what == "numbers" {
                places.sort_unstable();
            }
            places
        };
        let missing = |what: &str| {
            let names = HEADINGS.iter().find(|(column, _)| *column == what).map_or(&[][..], |(_, names)| names);
            format!("line 1: no column is headed {}", names.join(" or "))
        };
        let id = all("id").first().copied().ok_or_else(|| missing("id"))?;
        let numbers = all("numbers");
        if numbers.is_empty() {
            return Err(missing("numbers"));
        }
        let first = |what| all(what).first().copied();
        Ok(Columns { id, kind: first("type"), name: first("name"), numbers, responsible: first("responsible") })
    }
}

/// Comma, semicolon or tab: whichever the heading line has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let heading = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| heading.iter().filter(|byte| *byte == delimiter).count();
    // Of equals the last one wins: the comma.
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

pub(super) fn duplicates(rows: &[CustomerRow], lines: &BTreeMap<(Kind, String), u64>) -> Vec<Duplicate> {
    let mut seen: BTreeMap<PhoneNumber, u32> = BTreeMap::new();
    rows.iter().flat_map(|row| &row.numbers).for_each(|number| *seen.entry(*number).or_default() += 1);
    let twice: BTreeSet<PhoneNumber> =
        seen.into_iter().filter(|(_, times)| *times > 1).map(|(number, _)| number).collect();
    let mut holders: BTreeMap<PhoneNumber, Vec<Holder>> = BTreeMap::new();
    for row in rows {
        for number in row.numbers.iter().filter(|number| twice.contains(number)) {
            let line = lines.get(&(row.kind, row.id.to_string())).copied().unwrap_or(0);
            let holder = Holder { line, kind: row.kind, id: row.id.to_string(), name: row.name.to_string() };
            holders.entry(*number).or_default().push(holder);
        }
    }
    let sorted = holders.into_iter().map(|(number, mut holders)| {
        holders.sort_by(|one, other| (one.kind, &one.id).cmp(&(other.kind, &other.id)));
        Duplicate { number, holders }
    });
    sorted.collect()
}
