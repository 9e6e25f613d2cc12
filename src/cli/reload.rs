//! `huntline reload`: the running router reads its config file again.

use clap::Args;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::control::Order;

/// Let the running router read its config file again. A broken file changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Running calls keep the config under which they began. Exit code 1: the file is broken, the old config stays.

Example:
  huntline check && huntline reload")]
pub(super) struct Reload {
    #[command(flatten)]
    output: Output,
}

impl Reload {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let answer = desk.ask(Order::Reload)?;
        if self.output.json {
            return say_json(&answer);
        }
        let version = answer["version"].as_str().unwrap_or("unknown");
        let mut text = format!("{}: version {version} is in effect\n", desk.file.display());
        let restart = answer["after_restart"].as_array().map(Vec::as_slice).unwrap_or_default();
        for what in restart.iter().filter_map(|what| what.as_str()) {
            text.push_str(&format!("takes effect after a restart: {what}\n"));
        }
        if let Some(warnings) = answer["warnings"].as_str().filter(|warnings| warnings.contains("warning:")) {
            text.push_str(&format!("{warnings}\n"));
        }
        say(&text)
    }
}
