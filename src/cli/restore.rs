//! `huntline restore`: a backup becomes the office again.

use std::path::PathBuf;

use clap::Args;

use super::backup::told;
use super::desk::{Desk, Trouble, say};
use crate::backup::{self, Restored};

/// Put a backup in the place of the config file (`--config`) and of the data directory that it names.
#[derive(Debug, Args)]
#[command(after_help = "\
Every byte is looked at first; then all of it is restored, or nothing. It refuses where a router runs, and where something
stands already: --force puts that aside, into before-restore-TIME beside it, and deletes nothing.

Example:
  systemctl stop huntline && huntline restore /backup/office.tar --config /etc/huntline/office.toml")]
pub(super) struct Restore {
    /// The backup.
    file: PathBuf,
    /// Put aside what stands there already.
    #[arg(long)]
    force: bool,
}

impl Restore {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let restored = backup::restore(&self.file, &desk.file, self.force, desk.now).map_err(Trouble::Wrong)?;
        let Restored { manifest, directory, aside, config_aside } = restored;
        let (config, directory) = (desk.file.display(), directory.display());
        let mut text = format!("restored: {}\n  config  {config}\n  data    {directory}\n", told(&manifest));
        for aside in [aside, config_aside].into_iter().flatten() {
            text.push_str(&format!("  before  {}\n", aside.display()));
        }
        text.push_str(&format!(
            "next: passwords that the config takes from the environment or from files are not in a backup; then\n  \
             huntline check --config {config} && huntline serve --config {config}\n"
        ));
        say(&text)
    }
}
