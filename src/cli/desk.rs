//! What every command works with: the config, the running router, the screen, and what can go wrong.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::config::{Basics, Config, Loaded, Problems};
use crate::config_file;
use crate::control::{self, Failure, Request};
use crate::store::StoreError;

/// Of every command that prints data.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Output {
    /// Print JSON instead of text.
    #[arg(long)]
    pub(super) json: bool,
}

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something is wrong, as said: exit code 1.
    Wrong(String),
    /// Something is wrong, and has been printed already: exit code 1.
    Said,
    /// The command line makes no sense: exit code 2.
    Usage(String),
    /// No router is running: exit code 3.
    NoRouter(String),
    /// Whoever reads our output has heard enough.
    Closed,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Wrong(error.to_string())
    }
}

impl From<Problems> for Trouble {
    fn from(problems: Problems) -> Trouble {
        Trouble::Wrong(format!("the config cannot be followed\n{problems}"))
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure {
            Failure::NoRouter(_) => Trouble::NoRouter(failure.to_string()),
            Failure::Refused(_) | Failure::Broken(_) => Trouble::Wrong(failure.to_string()),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Trouble::Closed,
            _ => Trouble::Wrong(format!("cannot print: {error}")),
        }
    }
}

/// What a command works on.
pub(super) struct Desk {
    pub(super) file: PathBuf,
    pub(super) now: Timestamp,
}

impl Desk {
    /// The config, as the file says it now.
    pub(super) fn config(&self) -> Result<Config, Trouble> {
        let Loaded { config, .. } = config_file::load(&self.file)?;
        Ok(config)
    }

    /// Where the data lies, and how times and numbers are read: what commands need that only look. A config that cannot
    /// run does not keep them from it; standard error says so.
    pub(super) fn basics(&self) -> Result<Basics, Trouble> {
        let (basics, problems) = config_file::basics(&self.file)?;
        if let Some(problems) = problems {
            let errors = problems.errors();
            let errors = if errors == 1 { "1 error".into() } else { format!("{errors} errors") };
            let (file, directory) = (self.file.display(), basics.storage.directory.display());
            // Nobody is left to hear that standard error is closed.
            _ = writeln!(
                std::io::stderr(),
                "huntline: {file} cannot be followed ({errors}, `huntline check` names them); the data is in {directory}"
            );
        }
        Ok(basics)
    }

    /// Asks the running router.
    pub(super) fn ask(&self, request: impl Into<Request>) -> Result<Value, Trouble> {
        Ok(control::ask(&self.basics()?.storage.directory, request)?)
    }
}

/// Prints text.
pub(super) fn say(text: &str) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a value as JSON, for programs.
pub(super) fn say_json(value: &impl Serialize) -> Result<(), Trouble> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Trouble::Wrong(error.to_string()))?;
    text.push('\n');
    say(&text)
}
