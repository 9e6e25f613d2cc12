//! `huntline check`: reads the config and says everything that is wrong with it.

use clap::Args;
use serde_json::json;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::config::{Config, Loaded, Problems};
use crate::config_file;

/// Read the config and say everything that is wrong with it, with line, reason and fix.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 0: it can run (warnings are shown); 1: it cannot.

Examples:
  huntline check
  huntline check --config /etc/huntline/office.toml --json")]
pub(super) struct Check {
    #[command(flatten)]
    output: Output,
}

impl Check {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let file = desk.file.display().to_string();
        let (config, problems) = match config_file::load(&desk.file) {
            Ok(Loaded { config, warnings }) => (Some(config), warnings),
            Err(problems) => (None, problems),
        };
        if self.output.json {
            say_json(&json!({
                "file": file,
                "sound": config.is_some(),
                "version": config.as_ref().map(|config| config.version.clone()),
                "errors": problems.errors(),
                "warnings": problems.warnings(),
                "problems": problems,
                "not_available_yet": config.as_ref().map(Config::not_available_yet).unwrap_or_default(),
            }))?;
        } else {
            say(&text(&file, config.as_ref(), &problems))?;
        }
        config.map(drop).ok_or(Trouble::Said)
    }
}

fn text(file: &str, config: Option<&Config>, problems: &Problems) -> String {
    let findings = if problems.is_empty() { String::new() } else { format!("{problems}\n") };
    let Some(config) = config else { return findings };
    let mut text = findings;
    let some = |count: usize, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {more}"),
    };
    text.push_str(&format!(
        "{file} can run: {}, {}, {}, {}; version {}\n",
        some(config.extensions().len(), "extension", "extensions"),
        some(config.groups().len(), "group", "groups"),
        some(config.dids().len(), "DID", "DIDs"),
        some(config.trunks().len(), "trunk", "trunks"),
        config.version
    ));
    for what in config.not_available_yet() {
        text.push_str(&format!("not available yet: {what}\n"));
    }
    text
}
