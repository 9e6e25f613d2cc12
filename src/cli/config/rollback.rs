//! `huntline config rollback`: an older config is put back.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::config_file::{self, Change, NotReplaced, Versions};
use crate::control::{self, Failure, Order};

/// Put an older config in the place of the config file, and into effect where a router is running.
#[derive(Debug, Args)]
#[command(after_help = "\
It is checked first, by the rules of this program; one that cannot be followed changes nothing (exit code 1). What stands in
the file is kept as a version, also what was edited by hand and never reloaded. The history goes on: what is put back is the
newest version.

Example:
  huntline config rollback 16")]
pub(super) struct Rollback {
    /// The version's number, as `config history` prints it.
    number: u32,
    #[command(flatten)]
    output: Output,
}

impl Rollback {
    pub(super) fn run(self, desk: &Desk, directory: &Path) -> Result<(), Trouble> {
        let answer = match control::ask(directory, Order::Rollback { number: self.number }) {
            Err(Failure::NoRouter(_)) => None,
            answered => Some(answered?),
        };
        let answer = match answer {
            Some(answer) => answer,
            None => {
                let change = Change { versions: Versions::of(directory), by: String::new(), at: desk.now };
                match config_file::roll_back(&desk.file, self.number, None, &change) {
                    Ok(loaded) => json!({ "version": loaded.config.version, "running": false }),
                    Err(why @ NotReplaced::Refused(_)) => {
                        return Err(Trouble::Wrong(format!("version {}: {why}", self.number)));
                    }
                    Err(why) => return Err(Trouble::Wrong(why.to_string())),
                }
            }
        };
        if self.output.json {
            return say_json(&answer);
        }
        let (file, version) = (desk.file.display(), answer["version"].as_str().unwrap_or_default());
        let when = if answer["running"] == Value::Bool(false) { "with the next start" } else { "now" };
        let mut text = format!("{file}: version {} is back and in effect {when} ({version})\n", self.number);
        let restart = answer["after_restart"].as_array().map(Vec::as_slice).unwrap_or_default();
        for what in restart.iter().filter_map(Value::as_str) {
            text.push_str(&format!("takes effect after a restart: {what}\n"));
        }
        say(&text)
    }
}
