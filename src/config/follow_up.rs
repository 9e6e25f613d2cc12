//! Follow-ups: how soon a missed customer is to be called back, and by whom.

use std::time::Duration;

use super::destination::ExtensionIx;

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
