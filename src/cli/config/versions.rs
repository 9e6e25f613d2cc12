//! What the commands on versions share: which one is in force.

use std::path::{Path, PathBuf};

use crate::cli::desk::{Desk, Trouble};
use crate::config_file::{Version, Versions};
use crate::control::{self};
use crate::switch::Question;

/// Where the data lies.
pub(super) fn directory(desk: &Desk, data: Option<&Path>) -> Result<PathBuf, Trouble> {
    if let Some(data) = data {
        return Ok(data.to_owned());
    }
    let unknown = |why: Trouble| match why {
        Trouble::Wrong(why) => Trouble::Wrong(format!("{why}\nsay where the data lies with --data DIR")),
        other => other,
    };
    Ok(desk.basics().map_err(unknown)?.storage.directory)
}

/// The versions that are kept, and which one is in force.
pub(super) struct Kept {
    pub(super) versions: Versions,
    pub(super) list: Vec<Version>,
    /// With a running router the one it follows, else the one that was followed last.
    pub(super) in_force: Option<u32>,
    pub(super) is_running: bool,
}

impl Kept {
    pub(super) fn of(desk: &Desk, data: Option<&Path>) -> Result<Kept, Trouble> {
        let directory = directory(desk, data)?;
        let versions = Versions::of(&directory);
        let list = versions.list().map_err(|error| Trouble::Wrong(format!("the versions cannot be read: {error}")))?;
        let running = control::ask(&directory, Question::Status).ok();
        let followed = running.as_ref().and_then(|status| status["config"].as_str());
        let is_it =
            |version: &&Version| version.in_force && followed.is_none_or(|followed| *version.version == *followed);
        let in_force = list.iter().rev().find(is_it).map(|version| version.number);
        Ok(Kept { versions, list, in_force, is_running: running.is_some() })
    }

    /// The number and text of the one in force.
    pub(super) fn text_in_force(&self) -> Result<(u32, String), Trouble> {
        let nothing = "no version is kept yet; a router keeps what it begins with (`huntline serve`)";
        let number = self.in_force.ok_or_else(|| Trouble::Wrong(nothing.into()))?;
        Ok((number, self.text(number)?))
    }

    pub(super) fn text(&self, number: u32) -> Result<String, Trouble> {
        self.versions.read(number).map(|(_, text)| text).map_err(Trouble::Wrong)
    }
}
