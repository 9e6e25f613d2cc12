//! `huntline config history`: the versions that are kept.

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use super::versions::Kept;
use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::config_file;

/// List the configs that were in force, the newest first, and how the file stands to the one that is.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  huntline config history --json | jq '.versions[0]'")]
pub(super) struct History {
    #[command(flatten)]
    output: Output,
}

impl History {
    pub(super) fn run(self, desk: &Desk, kept: &Kept) -> Result<(), Trouble> {
        let zone = config_file::basics(&desk.file).map_or(TimeZone::UTC, |(basics, _)| basics.site.timezone);
        let (_, on_disk) = config_file::text(&desk.file).map_err(Trouble::Wrong)?;
        let of_file = kept.list.iter().rev().find(|version| version.version == on_disk).map(|version| version.number);
        if self.output.json {
            return say_json(&json!({
                "versions": kept.list.iter().rev().collect::<Vec<_>>(),
                "in_force": kept.in_force,
                "running": kept.is_running,
                "file": { "version": on_disk, "number": of_file },
            }));
        }
        let mut lines = vec![["NUMBER", "SINCE", "BY", "VERSION", ""].map(str::to_owned).to_vec()];
        for version in kept.list.iter().rev() {
            let state = match (kept.in_force == Some(version.number), version.in_force) {
                (true, _) => "in force",
                (false, true) => "",
                (false, false) => "was never in force",
            };
            let at = version.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let row = [version.number.to_string(), at, version.by.clone(), version.version.to_string(), state.into()];
            lines.push(row.to_vec());
        }
        let mut text = if kept.list.is_empty() { "no version is kept yet\n".to_owned() } else { table(&lines) };
        let in_force = kept.list.iter().find(|version| Some(version.number) == kept.in_force);
        if in_force.is_some_and(|version| version.version != on_disk) {
            let file = desk.file.display();
            text.push_str(&format!("{file} is another one than that in force: `huntline config diff`\n"));
        }
        say(&text)
    }
}
