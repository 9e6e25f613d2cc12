//! Who rings from when to when: every strategy becomes a timetable here, and nowhere else does anybody know the word.

use jiff::civil::Date;

use super::plan::Slot;
use crate::clock::Duration;
use crate::config::{Config, ExtensionIx, GroupIx, HuntGroup, Order, Strategy};
use crate::entropy::Entropy;
use crate::state::State;

/// How long an extension rings where nothing is said.
pub const RING_TIME: Duration = Duration::from_secs(30);

/// One extension alone, for as long as the whole lasts.
pub fn alone(config: &Config, member: ExtensionIx) -> Vec<Slot> {
    vec![slot(config, member, Duration::ZERO, None)]
}

/// The timetable of a group whose `members` are already in order and fit to be rung. Who would start only when patience
/// is over stands in it too: when others fail, later starts move forward.
pub fn timetable(config: &Config, group: &HuntGroup, members: &[ExtensionIx]) -> Vec<Slot> {
    let start = |place: usize| match group.strategy {
        Strategy::RingAll => Duration::ZERO,
        Strategy::Sequential | Strategy::Escalating => {
            group.step.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX))
        }
    };
    let end = |from: Duration| match group.strategy {
        Strategy::RingAll | Strategy::Escalating => None,
        Strategy::Sequential => Some(from.saturating_add(group.step)),
    };
    members.iter().enumerate().map(|(place, member)| slot(config, *member, start(place), end(start(place)))).collect()
}

fn slot(config: &Config, member: ExtensionIx, from: Duration, until: Option<Duration>) -> Slot {
    Slot { member, name: config.extension(member).number.clone(), from, until }
}

/// The members of a group in the order in which this call takes them; `day` is the site's local day. `chance` decides where the order is random.
pub fn in_order(config: &Config, group: GroupIx, state: &State, day: Date, chance: u64) -> Vec<ExtensionIx> {
    let (at, group) = (group, config.group(group));
    let mut members = group.members.clone();
    let number = |member: &ExtensionIx| &*config.extension(*member).number;
    match group.order {
        Order::Listed => {}
        Order::RoundRobin => {
            let first = state.rotation(&group.name).checked_rem(members.len() as u64).unwrap_or(0);
            members.rotate_left(first as usize);
        }
        Order::Random => shuffle(&mut members, chance ^ (at.index() as u64) << 48),
        // Stable sorts: among equals the listed order stands. Who has never talked comes first.
        Order::LongestIdle => members.sort_by_cached_key(|member| state.last_talk(number(member))),
        Order::FewestCalls => members.sort_by_cached_key(|member| state.answered(number(member), day)),
    }
    members
}

/// Fisher and Yates: every permutation is equally likely.
fn shuffle(members: &mut [ExtensionIx], chance: u64) {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&chance.to_le_bytes());
    let mut entropy = Entropy::seeded(seed, 0);
    for last in (1..members.len()).rev() {
        members.swap(last, entropy.below(last as u64 + 1) as usize);
    }
}
