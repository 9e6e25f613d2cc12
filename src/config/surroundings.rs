//! What a config refers to outside its own text: environment, password files, prompts.

use std::path::Path;

/// The core has no files and no environment; whoever reads a config says how to look.
pub trait Surroundings {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of a small file (a password), or why it cannot be read.
    fn text(&self, path: &Path) -> Result<String, String>;
    /// True where the file is there.
    fn exists(&self, path: &Path) -> bool;
    /// Why a prompt's file that is there cannot be played; `None` where it can, and for whoever has no files.
    fn unplayable(&self, _: &Path) -> Option<String> {
        None
    }
    /// True where others than owner and group can read it.
    fn others_can_read(&self, path: &Path) -> bool;
}

/// Nothing around: no variable is set, no file is there. For tests, and for reading a text that has no machine yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Surroundings for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn text(&self, _: &Path) -> Result<String, String> {
        Err("there is no such file".into())
    }
    fn exists(&self, _: &Path) -> bool {
        false
    }
    fn others_can_read(&self, _: &Path) -> bool {
        false
    }
}
