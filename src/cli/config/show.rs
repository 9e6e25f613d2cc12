//! `huntline config show`: one version, without its secrets.

use clap::Args;

use super::versions::Kept;
use crate::cli::desk::{Trouble, say};
use crate::config::diff;

/// Print the config in force, or an older one, without its secrets.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  huntline config show
  huntline config show 16")]
pub(super) struct Show {
    /// The version's number, as `config history` prints it; without it: the one in force.
    number: Option<u32>,
}

impl Show {
    pub(super) fn run(self, kept: &Kept) -> Result<(), Trouble> {
        let text = match self.number {
            Some(number) => kept.text(number)?,
            None => kept.text_in_force()?.1,
        };
        say(&diff::shown(&text).ok_or_else(|| Trouble::Wrong("this version is no TOML".into()))?)
    }
}
