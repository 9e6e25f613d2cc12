//! `huntline backup`: everything that must not be lost, in one file.

use std::path::PathBuf;

use clap::Args;

use super::desk::{Desk, Output, Trouble, say, say_json};
use crate::backup::{self, Manifest, Wanted};

/// Put config, database, recordings, messages, prompts and earlier configs into one file; a running router goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is a tar archive with a list of everything in it (manifest.json) and its SHA-256. It holds the passwords of the
config and is readable by who made it alone. What the config takes from elsewhere (env:NAME, { file = \"…\" }) is not in it.

Examples:
  huntline backup /backup/office-$(date +%F).tar
  huntline backup --without-recordings /backup/office.tar
  huntline backup --check /backup/office.tar")]
pub(super) struct Backup {
    /// The file; one of this name is replaced when the new one is whole.
    file: PathBuf,
    /// Leave recordings of talks out; messages are in it all the same.
    #[arg(long, conflicts_with = "check")]
    without_recordings: bool,
    /// Make nothing, but look at every byte of a backup.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: Output,
}

impl Backup {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let done = match self.check {
            true => backup::verify(&self.file),
            false => {
                let directory = desk.basics()?.storage.directory;
                let recordings = !self.without_recordings;
                let (config, directory, to) = (&*desk.file, &*directory, &*self.file);
                backup::make(Wanted { config, directory, to, recordings, at: desk.now })
            }
        };
        let manifest = done.map_err(Trouble::Wrong)?;
        if self.output.json {
            return say_json(&manifest);
        }
        let what = if self.check { "is whole" } else { "is made" };
        say(&format!("{} {what}: {}\n", self.file.display(), told(&manifest)))
    }
}

/// What a backup is, in a line.
pub(super) fn told(manifest: &Manifest) -> String {
    let Manifest { files, made, huntline, schema, without_recordings, .. } = manifest;
    let without = if *without_recordings { ", without recordings" } else { "" };
    let (files, mega) = (files.len(), manifest.size() as f64 / 1e6);
    format!("{files} files, {mega:.1} MB, of {made:.0}, by huntline {huntline} (tables {schema}){without}")
}
