//! How many promises are open, and how many are late: of each employee, of each group, of the company.
//!
//! A group has what its members have; an employee of two groups counts in both. What is nobody's yet belongs to the groups
//! that its DID rings while open: there somebody is to claim it. So groups need not add up to the company; employees and
//! what is nobody's do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::config::{Config, Destination};

/// Open ones, and those of them that are late.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Count {
    /// Open ones.
    pub open: u32,
    /// Open ones whose time is over.
    pub overdue: u32,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.open += other.open;
        self.overdue += other.overdue;
    }
}

/// Open ones that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alike {
    /// Whose they are.
    pub assignee: Option<Arc<str>>,
    /// The DID they came in on.
    pub did: Option<Arc<str>>,
    /// How many.
    pub count: Count,
}

/// How many are open and late; who has none is not named.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tally {
    /// All of them.
    pub company: Count,
    /// Nobody's yet.
    pub unassigned: Count,
    /// By the employee's extension.
    pub users: BTreeMap<Arc<str>, Count>,
    /// By the group's name.
    pub groups: BTreeMap<Arc<str>, Count>,
}

impl Tally {
    /// Adds up what is open.
    pub fn of(config: &Config, open: &[Alike]) -> Tally {
        let mut tally = Tally::default();
        for Alike { assignee, did, count } in open {
            tally.company.add(*count);
            match assignee {
                Some(user) => tally.users.entry(user.clone()).or_default().add(*count),
                None => tally.unassigned.add(*count),
            }
            for group in groups(config, assignee.as_deref(), did.as_deref()) {
                tally.groups.entry(group).or_default().add(*count);
            }
        }
        tally
    }
}

fn groups(config: &Config, assignee: Option<&str>, did: Option<&str>) -> BTreeSet<Arc<str>> {
    let Some(assignee) = assignee else { return groups_of_did(config, did) };
    let Some(assignee) = config.extension_by_number(assignee) else { return BTreeSet::new() };
    let theirs = config.groups().filter(|(_, group)| group.members.contains(&assignee));
    theirs.map(|(_, group)| group.name.clone()).collect()
}

fn groups_of_did(config: &Config, did: Option<&str>) -> BTreeSet<Arc<str>> {
    let Some(did) = did.and_then(|did| config.did_written(did)) else { return BTreeSet::new() };
    let Some(open) = &config.did(did).open else { return BTreeSet::new() };
    let name = |destination: &Destination| match destination {
        Destination::Group(group) => Some(config.group(*group).name.clone()),
        _ => None,
    };
    open.to.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Nothing;

    #[test]
    fn employees_and_what_is_nobodys_add_up_to_the_company_and_groups_have_what_their_members_have() {
        let extensions =
            ["11", "12", "13"].map(|number| format!("[[extension]]\nnumber = \"{number}\"\npassword = \"env:P\"\n"));
        let text = format!(
            "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\noperator = \"refuse:busy\"\nnumbering = {{ country = \"49\", \
             national_prefix = \"0\", international_prefix = \"00\" }}\n{}\
             [[group]]\nname = \"sales\"\nmembers = [\"11\", \"12\"]\n[[group]]\nname = \"service\"\nmembers = [\"12\"]\n\
             [[did]]\nnumber = \"+493012340\"\nopen = {{ to = \"group:service\" }}\n",
            extensions.concat()
        );
        let config = Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config;
        let alike = |assignee: &str, did: &str, open, overdue| {
            let named = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Arc::from);
            Alike { assignee: named(assignee), did: named(did), count: Count { open, overdue } }
        };
        let open = [
            alike("11", "+493012340", 1, 0),
            alike("12", "", 2, 1),
            alike("13", "", 4, 4),
            alike("99", "", 8, 0),
            alike("", "+493012340", 16, 2),
            alike("", "+4930999", 32, 0),
            alike("", "", 64, 0),
        ];
        let tally = Tally::of(&config, &open);
        let count = |open, overdue| Count { open, overdue };
        assert_eq!((tally.company, tally.unassigned), (count(127, 7), count(112, 2)));
        let users: Vec<_> = tally.users.iter().map(|(user, count)| (&**user, *count)).collect();
        assert_eq!(users, [("11", count(1, 0)), ("12", count(2, 1)), ("13", count(4, 4)), ("99", count(8, 0))]);
        let groups: Vec<_> = tally.groups.iter().map(|(group, count)| (&**group, *count)).collect();
        assert_eq!(groups, [("sales", count(3, 1)), ("service", count(18, 3))]);
    }
}
