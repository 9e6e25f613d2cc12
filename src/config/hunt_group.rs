//! A hunt group: employees who share calls, how they are rung, and what comes after them.

use std::sync::Arc;
use std::time::Duration;

use super::destination::{Destinations, ExtensionIx, GroupIx};
use super::directory::Directory;
use super::extension::LONGEST_RING;
use super::paths::{Exit, Origin};
use super::read::{Fields, Spot};
use super::site::Record;

/// How the members of a group are rung. Each is a timetable; see the ringing rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Strategy {
    /// Everyone from the start.
    #[default]
    RingAll,
    /// One after another, each for `step`; one round.
    Sequential,
    /// Member k joins at k × `step`, and the earlier ones keep ringing.
    Escalating,
}

/// In which order members are taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Order {
    /// As written.
    #[default]
    Listed,
    /// Each call begins one further.
    RoundRobin,
    /// Shuffled for each call.
    Random,
    /// Who has not talked for longest comes first.
    LongestIdle,
    /// Who has had the fewest calls today comes first.
    FewestCalls,
}

impl Order {
    /// As the config writes it.
    pub fn word(self) -> &'static str {
        ORDERS.iter().find(|(_, order)| *order == self).map_or("", |(word, _)| word)
    }
}

/// `[[group]]`.
#[derive(Clone, Debug)]
pub struct HuntGroup {
    /// Unique.
    pub name: Arc<str>,
    /// Default: ring-all. `round-robin`, `random`, `longest-idle` and `fewest-calls` are read as sequential in that order.
    pub strategy: Strategy,
    /// Default: listed.
    pub order: Order,
    /// At least one, each once.
    pub members: Vec<ExtensionIx>,
    /// sequential: each one's turn; escalating: when the next joins. Default: 20 s.
    pub step: Duration,
    /// Caps the whole. Default: 60 s.
    pub patience: Duration,
    /// What comes after. Empty: the operator.
    pub then: Destinations,
    /// Default: as `media.record`.
    pub record: Option<Record>,
    /// True: an answered call of this group waits until somebody has said what came of it. Default: false.
    pub disposition: bool,
}

/// `strategy` names an order too: sequential in that order.
const STRATEGIES: [(&str, (Strategy, Option<Order>)); 7] = [
    ("ring-all", (Strategy::RingAll, None)),
    ("sequential", (Strategy::Sequential, None)),
    ("escalating", (Strategy::Escalating, None)),
    ("round-robin", (Strategy::Sequential, Some(Order::RoundRobin))),
    ("random", (Strategy::Sequential, Some(Order::Random))),
    ("longest-idle", (Strategy::Sequential, Some(Order::LongestIdle))),
    ("fewest-calls", (Strategy::Sequential, Some(Order::FewestCalls))),
];

const ORDERS: [(&str, Order); 5] = [
    ("listed", Order::Listed),
    ("round-robin", Order::RoundRobin),
    ("random", Order::Random),
    ("longest-idle", Order::LongestIdle),
    ("fewest-calls", Order::FewestCalls),
];

impl HuntGroup {
    /// Reads a `[[group]]`.
    pub(super) fn read(fields: &Fields<'_>, own: GroupIx, directory: &Directory, exits: &mut Vec<Exit>) -> HuntGroup {
        let strategy = fields.get("strategy").and_then(|spot| spot.word(&STRATEGIES));
        let (strategy, named_order) = strategy.unwrap_or_default();
        let order = fields.get("order");
        let written_order = order.as_ref().and_then(|spot| spot.word(&ORDERS));
        if let (Some(spot), Some(named), Some(written)) = (&order, named_order, written_order) {
            refuse_two_orders(spot, named, written);
        }
        let members = fields.needed("members").map(|spot| directory.extension_list(&spot)).unwrap_or_default();
        let time = |key, default| {
            let spot = fields.get(key)?;
            spot.duration(Duration::from_secs(1), LONGEST_RING).or(Some(default)).map(|span| (span, spot))
        };
        let (default_step, default_patience) = (Duration::from_secs(20), Duration::from_secs(60));
        let step = time("step", default_step);
        let patience = time("patience", default_patience).map_or(default_patience, |(patience, _)| patience);
        if let Some((step, spot)) = &step
            && strategy != Strategy::RingAll
        {
            warn_of_step_over_patience(spot, *step, patience);
        }
        let group = HuntGroup {
            name: directory.groups.name(own.index()),
            strategy,
            order: named_order.or(written_order).unwrap_or_default(),
            members: members.into_iter().map(|(member, _)| member).collect(),
            step: step.map_or(default_step, |(step, _)| step),
            patience,
            then: fields
                .get("then")
                .map(|spot| directory.destinations(&spot, Origin::Group(own), exits))
                .unwrap_or_default(),
            record: Record::read(fields),
            disposition: fields.get("disposition").and_then(|spot| spot.flag()).unwrap_or(false),
        };
        fields.get("name");
        fields.finish();
        group
    }
}

fn refuse_two_orders(spot: &Spot<'_>, named: Order, written: Order) {
    if named != written {
        spot.error("`strategy` already names another order", "remove one of the two lines");
    }
}

fn warn_of_step_over_patience(spot: &Spot<'_>, step: Duration, patience: Duration) {
    if step >= patience {
        spot.warning("`patience` is over before the second member rings", "make `step` shorter or `patience` longer");
    }
}
