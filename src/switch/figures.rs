//! How much there is of everything, for programs that watch the router from outside. Looked at when somebody asks, so a
//! call costs nothing for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::questions::Census;
use super::tables::Switch;
use crate::clock::Timestamp;
use crate::registration::Standing;
use crate::route::Direction;

/// How much there is of everything. Counters count since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The version of the config in force.
    pub config: Arc<str>,
    /// What there is, counted.
    pub census: Census,
    /// Calls in progress that came from outside.
    pub inbound: usize,
    /// … that go outside.
    pub outbound: usize,
    /// … within the house.
    pub internal: usize,
    /// Legs that are being rung.
    pub ringing: usize,
    /// Registered phones that can be rung at this moment.
    pub reachable: usize,
    /// The trunks, in the order of the file.
    pub trunks: Vec<TrunkFigures>,
    /// What happened at the door, by a word for each; of people without a password of ours.
    pub strangers: BTreeMap<String, u64>,
    /// Addresses and accounts that are kept out now.
    pub banned: u64,
    /// What became of requests beside the usual, by a word for each.
    pub requests: BTreeMap<String, u64>,
    /// Callers hear ringing before their call is on record: the disk is too slow.
    pub guarantee_suspended: bool,
    /// The journal's memory is full, so new calls are refused.
    pub pressure: bool,
    /// No new calls are taken: the process is to end.
    pub draining: bool,
}

/// How a trunk stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkFigures {
    /// Its name.
    pub name: Arc<str>,
    /// It answers, and where we register, we are registered.
    pub up: bool,
    /// A registration of ours holds.
    pub registered: bool,
    /// Calls, both directions.
    pub calls: u32,
    /// When it last answered our OPTIONS.
    pub pinged: Option<Timestamp>,
}

impl Switch {
    /// How much there is of everything.
    pub fn figures(&self) -> Figures {
        let going = |direction| self.lines.iter().filter(|(_, line)| line.offer.direction == direction).count();
        let trunks = self.means.config.trunks().map(|(ix, trunk)| TrunkFigures {
            name: trunk.name.clone(),
            up: self.means.trunks.standing(ix) == Standing::Up,
            registered: self.means.trunks.is_registered(ix),
            calls: self.calls_on(&trunk.name),
            pinged: self.means.trunks.pinged_at(ix),
        });
        let door = self.doorkeeper.counts();
        let night = self.guard.counts(self.means.now.mono);
        let strangers = [
            ("challenged", door.challenged),
            ("failed", door.failed),
            ("replayed", door.replayed),
            ("impostor", door.impostors),
            ("dropped_source", night.over_limit),
            ("dropped_all", night.over_all),
            ("dropped_banned", night.banned),
            ("dropped_account", night.slowed),
            ("ban", night.bans),
        ];
        let transactions = self.means.transactions.counts();
        let requests = [
            ("repeated", transactions.repeated),
            ("merged", transactions.merged),
            ("stray_response", transactions.stray),
            ("no_room", transactions.refused),
        ];
        let named = |counts: &[(&str, u64)]| counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
        Figures {
            config: self.means.config.version.clone(),
            census: self.census(),
            inbound: going(Direction::Inbound),
            outbound: going(Direction::Outbound),
            internal: going(Direction::Internal),
            ringing: self.legs.iter().filter(|(_, leg)| leg.is_rung()).count(),
            reachable: self.registrar.iter().filter(|binding| binding.reachable).count(),
            trunks: trunks.collect(),
            strangers: named(&strangers),
            banned: night.bans_now,
            requests: named(&requests),
            guarantee_suspended: self.guarantee_suspended,
            pressure: self.pressure,
            draining: self.draining,
        }
    }
}
