//! The office of a trace: named beside it, or standing in it.

use std::path::Path;
use std::sync::Arc;

use super::notation::Script;
use crate::config::{Config, Surroundings};

/// A config in a trace has no machine around it: its passwords stand in it, and every file that it names is there.
struct Everything;

impl Surroundings for Everything {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn text(&self, _: &Path) -> Result<String, String> {
        Err("a trace has no files".into())
    }
    fn exists(&self, _: &Path) -> bool {
        true
    }
    fn others_can_read(&self, _: &Path) -> bool {
        false
    }
}

/// Reads a config that stands in a trace, or in the record of a call.
///
/// # Errors
/// Every problem at once: it was written for another version of this program.
pub fn read_office(text: &str) -> Result<Arc<Config>, String> {
    let loaded = Config::read(Path::new("office"), text, &Everything);
    loaded.map(|loaded| Arc::new(loaded.config)).map_err(|problems| problems.to_string())
}

impl Script {
    /// The office in which it is played. `beside` gives the text of a file beside the trace.
    ///
    /// # Errors
    /// There is no such file, or the office is not what this program reads.
    pub fn office(&self, beside: impl FnOnce(&str) -> std::io::Result<String>) -> Result<Arc<Config>, String> {
        let name = &self.setting.office;
        match &self.setting.config {
            Some(text) => read_office(text),
            None => read_office(&beside(name).map_err(|error| format!("{name}: {error}"))?),
        }
    }
}
