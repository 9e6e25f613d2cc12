//! A JSON object on each line.

use serde::Deserialize;

use super::entries::{Entry, sheet};
use super::sheet::{Finding, Sheet, shown};
use crate::config::Config;

/// A line. What else stands in it is passed over, as other columns of a table are.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    numbers: Vec<String>,
    #[serde(default)]
    responsible: Option<String>,
}

impl Sheet {
    /// Reads lines of JSON: `{"id": "crm-1", "kind": "contact", "name": "Ada", "numbers": ["8 916 123-45-67"],
    /// "responsible": "201"}`.
    pub fn of_ndjson(bytes: &[u8], config: &Config) -> Sheet {
        let (mut entries, mut bad) = (Vec::new(), Vec::new());
        for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if text.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Line>(text) {
                Ok(Line { id, kind, name, numbers, responsible }) => {
                    let responsible = responsible.unwrap_or_default();
                    entries.push(Entry { line, id, kind, name, numbers, responsible });
                }
                Err(error) => bad.push(Finding {
                    line,
                    column: format!("column {}", error.column()),
                    value: shown(&String::from_utf8_lossy(text)),
                    reason: error.to_string(),
                }),
            }
        }
        sheet(entries, bad, config)
    }
}
