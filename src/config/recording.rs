//! Which talks are written down: the nearest of those who are part of a talk says it, the office only where they are silent.

use super::destination::{DidIx, ExtensionIx, GroupIx, TrunkIx};
use super::site::Record;
use super::{Config, MediaMode};

/// What a talk is, as far as recording goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// Somebody outside takes part.
    pub outside: bool,
    /// The employees who talk, the one who was called first.
    pub extensions: [Option<ExtensionIx>; 2],
    /// The group for which they were rung.
    pub group: Option<GroupIx>,
    /// The DID that was called.
    pub did: Option<DidIx>,
    /// The trunk of the one outside.
    pub trunk: Option<TrunkIx>,
}

impl Record {
    fn takes(self, outside: bool) -> bool {
        match self {
            Record::None => false,
            Record::External => outside,
            Record::All => true,
        }
    }
}

impl Config {
    /// Whether a talk is written down: what its employees' `record` says, else their group's, the DID's, the trunk's, and in
    /// the end `media.record`. Where two colleagues talk and both say something, `none` of one of them is enough.
    pub fn records(&self, talk: &Talk) -> bool {
        let employees = || talk.extensions.iter().flatten().filter_map(|ix| self.extension(*ix).record);
        let employees = employees().find(|record| *record == Record::None).or_else(|| employees().next());
        let said = employees
            .or_else(|| self.group(talk.group?).record)
            .or_else(|| self.did(talk.did?).record)
            .or_else(|| self.trunk(talk.trunk?).record);
        said.unwrap_or(self.media.record).takes(talk.outside)
    }

    /// Whether some talk of this kind may be written down, whoever answers: its media then passes us from the beginning, also
    /// where `media.mode` is direct.
    pub fn may_record(&self, outside: bool) -> bool {
        self.media.mode == MediaMode::Relay
            || self.media.record.takes(outside)
            || self.by.said_of_records.iter().any(|record| record.takes(outside))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Nothing;

    fn office(media: &str, extension: &str, group: &str, did: &str, trunk: &str) -> Config {
        let text = format!(
            "[site]\nname = \"T\"\ntimezone = \"Etc/UTC\"\nnumbering = {{ country = \"49\" }}\noperator = \"extension:12\"\n\
             [sip]\nlisten = [\"udp://127.0.0.1:5060\"]\nrealm = \"t\"\n[media]\n{media}\n\
             [[trunk]]\nname = \"t\"\nserver = \"sip:127.0.0.9:5060\"\n{trunk}\n\
             [[extension]]\nnumber = \"12\"\npassword = \"x\"\n{extension}\n[[extension]]\nnumber = \"14\"\npassword = \"x\"\n\
             [[group]]\nname = \"g\"\nstrategy = \"ring-all\"\nmembers = [\"12\"]\n{group}\n\
             [[did]]\nnumber = \"+4930123456\"\nopen = {{ to = \"group:g\" }}\n{did}\n"
        );
        Config::read(Path::new("t.toml"), &text, &Nothing)
            .unwrap_or_else(|refused| panic!("{refused:?}\n{text}"))
            .config
    }

    fn talk(config: &Config) -> Talk {
        Talk {
            outside: true,
            extensions: [config.extension_by_number("12"), None],
            group: config.group_by_name("g"),
            did: config.dids().next().map(|(ix, _)| ix),
            trunk: config.trunk_by_name("t"),
        }
    }

    #[test]
    fn the_nearest_says_it() {
        let record = |what: &str| format!("record = \"{what}\"");
        let (none, external, all) = (record("none"), record("external"), record("all"));
        let table: [([&str; 5], bool, bool); 8] = [
            // media, extension, group, DID, trunk → a talk with outside, one of colleagues
            (["", "", "", "", ""], false, false),
            ([&external, "", "", "", ""], true, false),
            ([&all, "", "", "", ""], true, true),
            ([&all, "", "", "", &none], false, true),
            ([&none, "", "", &external, &none], true, false),
            ([&none, "", &none, &external, ""], false, false),
            ([&none, &external, &none, "", ""], true, false),
            ([&all, &none, "", "", ""], false, false),
        ];
        for ([media, extension, group, did, trunk], outside, inside) in table {
            let config = office(media, extension, group, did, trunk);
            let with_outside = talk(&config);
            let colleagues = [config.extension_by_number("14"), config.extension_by_number("12")];
            let within = Talk { extensions: colleagues, ..Talk::default() };
            assert_eq!(config.records(&with_outside), outside, "{media} {extension} {group} {did} {trunk}");
            assert_eq!(config.records(&within), inside, "{media} {extension} {group} {did} {trunk}");
        }
    }
}
