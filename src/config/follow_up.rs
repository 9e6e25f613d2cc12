//! Follow-ups: how soon a missed customer is to be called back, and by whom.

use std::time::Duration;

use super::destination::ExtensionIx;
use super::directory::Directory;
use super::read::{Fields, Spot};

/// One way to find who calls back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Assign {
    /// The customer's responsible.
    Responsible,
    /// Who last talked with them.
    LastTalker,
    /// Somebody of `list`.
    List,
    /// Nobody: whoever claims it.
    Unassigned,
}

/// How one of a list is picked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pick {
    /// Uniformly at random.
    Random,
    /// In turn.
    RoundRobin,
    /// Who has the fewest open.
    LeastOpen,
}

/// `[follow_up]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUpRules {
    /// Time to call back. Default: 30 min.
    pub due: Duration,
    /// A talk at least this long closes it. Default: 5 s.
    pub close_min_talk: Duration,
    /// Tried in order. Default: responsible, last talker, list, unassigned.
    pub assign: Vec<Assign>,
    /// Default: none.
    pub list: Option<(Pick, Vec<ExtensionIx>)>,
    /// Told when one is overdue. Default: nobody.
    pub supervisor: Option<ExtensionIx>,
}

impl Default for FollowUpRules {
    fn default() -> Self {
        FollowUpRules {
            due: Duration::from_secs(30 * 60),
            close_min_talk: Duration::from_secs(5),
            assign: vec![Assign::Responsible, Assign::LastTalker, Assign::List, Assign::Unassigned],
            list: None,
            supervisor: None,
        }
    }
}

impl FollowUpRules {
    /// Reads `[follow_up]`.
    pub(super) fn read(fields: Option<Fields<'_>>, directory: &Directory) -> FollowUpRules {
        let mut rules = FollowUpRules::default();
        let Some(fields) = fields else { return rules };
        let time = |key, from, to| fields.get(key).and_then(|spot| spot.duration(from, to));
        let (second, hour, month) =
            (Duration::from_secs(1), Duration::from_secs(3_600), Duration::from_secs(31 * 86_400));
        rules.due = time("due", Duration::from_secs(60), month).unwrap_or(rules.due);
        rules.close_min_talk = time("close_min_talk", second, hour).unwrap_or(rules.close_min_talk);
        let ways = [
            ("responsible", Assign::Responsible),
            ("last-talker", Assign::LastTalker),
            ("list", Assign::List),
            ("unassigned", Assign::Unassigned),
        ];
        let assign = fields.get("assign");
        if let Some(ways) = assign.as_ref().and_then(|spot| spot.words(&ways)) {
            rules.assign = ways;
        }
        rules.list = fields.table("list").and_then(|fields| list(fields, directory));
        if let Some(spot) = &assign {
            warn_of_missing_list(spot, &rules);
        }
        rules.supervisor = fields.get("supervisor").and_then(|spot| directory.extension(&spot));
        fields.finish();
        rules
    }
}

fn warn_of_missing_list(spot: &Spot<'_>, rules: &FollowUpRules) {
    if rules.assign.contains(&Assign::List) && rules.list.is_none() {
        spot.warning("\"list\" is named, but there is no `list`", "add `list = { random = [\"…\"] }`");
    }
}

/// `{ random = […] }`, `{ round-robin = […] }` or `{ least-open = […] }`.
fn list(fields: Fields<'_>, directory: &Directory) -> Option<(Pick, Vec<ExtensionIx>)> {
    let picks = [("random", Pick::Random), ("round-robin", Pick::RoundRobin), ("least-open", Pick::LeastOpen)];
    let mut written = picks.into_iter().filter_map(|(key, pick)| Some((pick, fields.get(key)?))).collect::<Vec<_>>();
    if written.len() != 1 {
        fields.reader().error(
            &fields.place,
            "a list is picked from in one way",
            "write one of { random = […] }, { round-robin = […] }, { least-open = […] }",
        );
    }
    fields.finish();
    let (pick, spot) = written.pop()?;
    Some((pick, directory.extension_list(&spot).into_iter().map(|(extension, _)| extension).collect()))
}
