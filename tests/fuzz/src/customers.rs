//! Files with customers, as other programs export them: what is read is written back and read equal, and each problem has
//! its line and its reason.

use std::path::Path;
use std::sync::LazyLock;

use huntline::config::{Config, Nothing};
use huntline::customer::Kind;
use huntline::import::{Finding, Sheet};
use huntline::store::CustomerRow;

static OFFICE: LazyLock<Config> = LazyLock::new(|| {
    let text = include_str!("../../office.toml");
    Config::read(Path::new("office.toml"), text, &Nothing).expect("the office").config
});

/// A table is refused with a reason, or read; what was read of it, written as a table, is read equal and without a problem.
pub fn sheet(data: &[u8]) {
    match Sheet::read(data, &OFFICE) {
        Err(why) => assert!(!why.is_empty()),
        Ok(sheet) => {
            assert!(sheet.bad.is_sorted_by_key(|finding| finding.line));
            findings(&sheet, data);
            let mut table = "id,type,name,numbers,responsible\r\n".to_owned();
            for row in &sheet.rows {
                let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
                let responsible = row.responsible.as_deref().unwrap_or_default();
                let fields = [&row.id, row.kind.word(), &row.name, &numbers(row).join(";"), responsible].map(quoted);
                table += &format!("{}\r\n", fields.join(","));
            }
            equal(&sheet, &Sheet::read(table.as_bytes(), &OFFICE).expect("a table"));
        }
    }
}

/// Cards are read; what was read of them, written as cards of version 4, is read equal and without a problem.
pub fn vcard(data: &[u8]) {
    let sheet = Sheet::of_vcard(data, &OFFICE);
    findings(&sheet, data);
    let mut cards = String::new();
    for row in &sheet.rows {
        let kind = if row.kind == Kind::Company { "org" } else { "individual" };
        // RFC 6350 §3.4.
        let escaped = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace(';', "\\;");
        cards += &format!("BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:{kind}\r\n");
        cards += &format!("UID:{}\r\nFN:{}\r\n", escaped(&row.id), escaped(&row.name));
        for number in numbers(row) {
            cards += &format!("TEL;VALUE=uri:tel:{number}\r\n");
        }
        if let Some(responsible) = &row.responsible {
            cards += &format!("X-RESPONSIBLE:{}\r\n", escaped(responsible));
        }
        cards += "END:VCARD\r\n";
    }
    equal(&sheet, &Sheet::of_vcard(cards.as_bytes(), &OFFICE));
}

fn numbers(row: &CustomerRow) -> Vec<String> {
    row.numbers.iter().map(ToString::to_string).collect()
}

/// Each names its line and its reason, and shows no more than fits on one.
fn findings(sheet: &Sheet, data: &[u8]) {
    let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count() as u64;
    for Finding { line, value, reason, .. } in sheet.bad.iter().chain(&sheet.unknown_responsible) {
        assert!((1..=lines).contains(line), "line {line} of {lines}: {reason}");
        assert!(!reason.is_empty() && value.chars().count() <= 80, "{value}: {reason}");
    }
}

fn equal(read: &Sheet, again: &Sheet) {
    assert_eq!(again.bad, []);
    assert_eq!(again.rows, read.rows);
    assert_eq!(again.unknown_responsible.len(), read.unknown_responsible.len());
    let holders = |sheet: &Sheet| {
        let all = sheet.duplicates.iter().map(|double| (double.number, double.holders.len()));
        all.collect::<Vec<_>>()
    };
    assert_eq!(holders(again), holders(read));
}
