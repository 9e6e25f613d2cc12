//! `huntline contacts lookup NUMBER`: who would be shown for a caller.

use clap::Args;
use serde_json::json;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::config::Config;
use crate::store::{CustomerRow, Reader};

/// Say to whom a number belongs. Needs no running router.
#[derive(Debug, Args)]
#[command(after_help = "\
Several entries for one number: a contact comes before a company, a company before a lead; among equals the one changed
last, then the smaller id. A provisional lead was made by the router of a number that nobody knew; whoever is written down
for the number takes its place. The first one is shown to whoever is rung, and its responsible is the one who counts.
Exit code 1: the number belongs to nobody.

Example:
  huntline contacts lookup '8 916 123-45-67'")]
pub(super) struct Lookup {
    /// The number, as anybody writes it.
    number: String,
    #[command(flatten)]
    output: Output,
}

impl Lookup {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let config = desk.config()?;
        let number = config.site.numbering.read(&self.number).ok_or_else(|| {
            Trouble::Usage(format!("{:?} cannot be read as a number; +COUNTRY… always can", self.number))
        })?;
        let found = Reader::open(&config.storage.directory)?.customers_with(number)?;
        if self.output.json {
            say_json(&json!({ "number": number, "customers": found }))?;
        } else {
            let nobody = if found.is_empty() { " nobody" } else { "" };
            let mut text = format!("{number} belongs to{nobody}\n");
            found.iter().for_each(|row| text.push_str(&format!("  {}\n", line(row, &config))));
            say(&text)?;
        }
        if found.is_empty() { Err(Trouble::Said) } else { Ok(()) }
    }
}

fn line(row: &CustomerRow, config: &Config) -> String {
    let responsible = match &row.responsible {
        None => "nobody responsible".into(),
        Some(who) => match config.extension_by_number(who) {
            Some(ix) => format!("responsible {who} {}", config.extension(ix).name),
            None => format!("responsible {who} (no such extension)"),
        },
    };
    let numbers = row.numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let provisional = if row.provisional { "provisional " } else { "" };
    format!("{provisional}{} {}: {}, {responsible}; {numbers}", row.kind.word(), row.id, row.name)
}
