//! `huntline config`: the config file as it is, as it was, and what is different.

mod diff;
mod history;
mod rollback;
mod schema;
mod show;
mod versions;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use self::versions::Kept;
use crate::cli::check::Check;
use crate::cli::desk::{Desk, Trouble};

/// Look at the config and at what it was before; compare; put an older one back.
#[derive(Debug, Args)]
#[command(after_help = "\
Every config that came into force is kept under storage.directory, as private as the file itself; shown are they without
their secrets. What is edited by hand and not reloaded yet is what `config diff` shows.

Examples:
  huntline config history
  huntline config diff
  huntline config diff 16 17
  huntline config rollback 16")]
pub(super) struct Config {
    /// The data directory, where the file is too broken to name it (default: storage.directory).
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,

    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Check(Check),
    History(history::History),
    Show(show::Show),
    Diff(diff::Diff),
    Rollback(rollback::Rollback),
    Schema(schema::Schema),
}

impl Config {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let data = self.data.as_deref();
        match self.what {
            What::Check(command) => command.run(desk),
            What::History(command) => command.run(desk, &Kept::of(desk, data)?),
            What::Show(command) => command.run(&Kept::of(desk, data)?),
            What::Diff(command) => command.run(desk, &Kept::of(desk, data)?),
            What::Schema(command) => command.run(),
            What::Rollback(command) => command.run(desk, &versions::directory(desk, data)?),
        }
    }
}
