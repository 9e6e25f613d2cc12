//! What is needed to read what the router has written: where it lies, the time zone, how numbers are dialled. It can be
//! had of a config that cannot run, so that a slip in an edit never hides the calls of the day.

use std::path::Path;

use super::read::{Fields, Reader};
use super::{Config, Site, Storage, Surroundings};

/// The part of a config that commands need which only look.
#[derive(Clone, Debug)]
pub struct Basics {
    /// `[site]`, without its operator.
    pub site: Site,
    /// `[storage]`.
    pub storage: Storage,
}

impl From<Config> for Basics {
    fn from(config: Config) -> Basics {
        Basics { site: config.site, storage: config.storage }
    }
}

impl Basics {
    /// What a broken config still says of itself; what it does not say, or says wrongly, has its default. `file` is as in
    /// [`Config::read`].
    ///
    /// Where the TOML itself is broken, the lines before the broken one count: `None` where `[storage]` is not among
    /// them, for then nobody knows where the data lies.
    pub fn of_broken(file: &Path, text: &str, around: &dyn Surroundings) -> Option<Basics> {
        let (document, whole) = match toml_edit::Document::parse(text) {
            Ok(document) => (document, true),
            Err(error) => {
                let before = text.get(..error.span()?.start)?;
                let kept = before.rfind('\n').map_or("", |end| &before[..end]);
                (toml_edit::Document::parse(kept).ok()?, false)
            }
        };
        // Its findings are nobody's business here: `check` and `reload` tell them.
        let reader = Reader::new(file, text, around);
        let root = Fields::of_root(&reader, document.as_table());
        let storage = root.table("storage");
        if storage.is_none() && !whole {
            return None;
        }
        let (site, _) = Site::read(root.table("site").as_ref());
        Some(Basics { site, storage: Storage::read(&reader, storage) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Nothing;
    use super::*;

    fn directory(text: &str) -> Option<String> {
        let basics = Basics::of_broken(Path::new("etc/office.toml"), text, &Nothing)?;
        Some(format!("{} {:?}", basics.storage.directory.display(), basics.site.timezone.iana_name()))
    }

    #[test]
    fn a_config_that_cannot_run_still_says_where_its_data_lies() {
        let text = "[site]\ntimezone = \"Europe/Berlin\"\n[storage]\ndirectory = \"calls\"\n";
        let said = Some("etc/calls Some(\"Europe/Berlin\")".to_owned());
        assert_eq!(directory(&format!("{text}[[group]]\nname = 7\n")), said);
        assert_eq!(directory(&format!("{text}[[group]]\nname = \"sal")), said, "TOML that breaks off");
        assert_eq!(directory("[[group]]\nname = 7\n"), Some("etc/data Some(\"UTC\")".to_owned()));
    }

    #[test]
    fn toml_broken_before_its_storage_says_nothing() {
        assert_eq!(directory("[site]\nname = \"Berl\n[storage]\ndirectory = \"calls\"\n"), None);
        assert_eq!(directory("= 3"), None);
    }
}
