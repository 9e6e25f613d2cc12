//! Follow-ups: how soon a missed customer is to be called back, and by whom.

use std::time::Duration;

use super::destination::{ExtensionIx, ScheduleIx};
use super::directory::Directory;
use super::extension::Extension;
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

/// Who call back, and how one of them is picked.
pub type FollowUpList = (Pick, Vec<ExtensionIx>);

/// Nobody calls back in less.
pub const SHORTEST_DUE: Duration = Duration::from_secs(60);
/// What is due later is forgotten.
const LONGEST_DUE: Duration = Duration::from_secs(31 * 86_400);

/// `[follow_up]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUpRules {
    /// Time to call back. Default: 30 min.
    pub due: Duration,
    /// `due` and `escalate` count only the time in which this schedule is open, as it is written: a deadline that was
    /// promised does not move when somebody overrides the hours. Default: every hour counts.
    pub business: Option<ScheduleIx>,
    /// A talk at least this long closes it. Default: 5 s.
    pub close_min_talk: Duration,
    /// Tried in order. Default: responsible, last talker, list, unassigned.
    pub assign: Vec<Assign>,
    /// Default: none.
    pub list: Option<FollowUpList>,
    /// Told of one that has been overdue for `escalate`, and responsible for it after as much again. Default: nobody.
    pub supervisor: Option<ExtensionIx>,
    /// Default: 30 min.
    pub escalate: Duration,
}

impl Default for FollowUpRules {
    fn default() -> Self {
        FollowUpRules {
            due: Duration::from_secs(30 * 60),
            business: None,
            close_min_talk: Duration::from_secs(5),
            assign: vec![Assign::Responsible, Assign::LastTalker, Assign::List, Assign::Unassigned],
            list: None,
            supervisor: None,
            escalate: Duration::from_secs(30 * 60),
        }
    }
}

impl FollowUpRules {
    /// Reads `[follow_up]`. `a_did_has_a_list`: some `[[did]]` names who calls back.
    pub(super) fn read(
        fields: Option<Fields<'_>>,
        directory: &Directory,
        extensions: &[Extension],
        a_did_has_a_list: bool,
    ) -> FollowUpRules {
        let mut rules = FollowUpRules::default();
        let Some(fields) = fields else { return rules };
        let time = |key, from, to| fields.get(key).and_then(|spot| spot.duration(from, to));
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
        rules.due = time("due", SHORTEST_DUE, LONGEST_DUE).unwrap_or(rules.due);
        rules.business = fields.get("business").and_then(|spot| directory.schedule(&spot));
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
            warn_of_lists(spot, &rules, a_did_has_a_list);
        }
        let supervisor = fields.get("supervisor");
        rules.supervisor = supervisor.as_ref().and_then(|spot| directory.extension(spot));
        if let (Some(spot), Some(ix)) = (&supervisor, rules.supervisor)
            && extensions.get(ix.index()).is_some_and(|extension| !extension.active)
        {
            spot.warning("the supervisor is not active: nothing escalates", "name somebody else");
        }
        let escalate = fields.get("escalate");
        if let (Some(spot), None) = (&escalate, &supervisor) {
            spot.warning("without a supervisor nothing escalates", "add `supervisor = \"…\"`, or remove this");
        }
        rules.escalate = escalate.and_then(|spot| spot.duration(SHORTEST_DUE, LONGEST_DUE)).unwrap_or(rules.escalate);
        fields.finish();
        rules
    }
}

/// `[[did]] follow_up = { … }`: what is different for who is missed on this DID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DidFollowUp {
    /// Time to call back. Default: as in `[follow_up]`.
    pub due: Option<Duration>,
    /// Asked before the list of `[follow_up]`. Default: none.
    pub list: Option<FollowUpList>,
}

impl DidFollowUp {
    /// Reads `follow_up = { … }` of a DID.
    pub(super) fn read(fields: Fields<'_>, directory: &Directory) -> DidFollowUp {
        let own = DidFollowUp {
            due: fields.get("due").and_then(|spot| spot.duration(SHORTEST_DUE, LONGEST_DUE)),
            list: fields.table("list").and_then(|fields| list(fields, directory)),
        };
        fields.finish();
        own
    }
}

fn warn_of_lists(spot: &Spot<'_>, rules: &FollowUpRules, a_did_has_a_list: bool) {
    let there_is_one = a_did_has_a_list || rules.list.is_some();
    match rules.assign.contains(&Assign::List) {
        true if !there_is_one => {
            spot.warning("\"list\" is named, but there is no `list`", "add `list = { random = [\"…\"] }`");
        }
        false if there_is_one => spot.warning("there is a `list`, but it is never asked", "add \"list\", or remove it"),
        _ => {}
    }
}

/// `{ random = […] }`, `{ round-robin = […] }` or `{ least-open = […] }`.
fn list(fields: Fields<'_>, directory: &Directory) -> Option<FollowUpList> {
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
