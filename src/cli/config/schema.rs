//! `huntline config schema`: the config language, for editors and programs.

use clap::Args;

use crate::cli::desk::{Trouble, say_json};
use crate::config::Config;

/// Print the config language as a JSON Schema: every key that is read, and as what.
#[derive(Debug, Args)]
#[command(after_help = "\
Editors with TOML support complete and check by it: the first line of the config is then `#:schema ./huntline.schema.json`.
It says what can be read; whether what is named exists and every path ends says `huntline check`.

Example:
  huntline config schema > huntline.schema.json")]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> Result<(), Trouble> {
        say_json(&Config::schema())
    }
}
