//! How the office stands at this moment, as the core says it.

use serde::Deserialize;

use super::office::Office;
use super::problem::Problem;
use crate::clock::Timestamp;
use crate::switch::{LiveCall, Question, TrunkStatus};

/// What `status` says, as far as the rooms need it.
#[derive(Debug, Deserialize)]
pub(super) struct Live {
    pub(super) bindings: Vec<LiveBinding>,
    pub(super) trunks: Vec<TrunkStatus>,
    pub(super) calls: Vec<LiveCall>,
    pub(super) by_hand: ByHand,
}

/// A phone that is registered.
#[derive(Debug, Deserialize)]
pub(super) struct LiveBinding {
    pub(super) extension: String,
    pub(super) contact: String,
    pub(super) reachable: bool,
    pub(super) user_agent: Option<String>,
    pub(super) expires_s: u64,
}

/// What somebody has set by hand.
#[derive(Debug, Deserialize)]
pub(super) struct ByHand {
    pub(super) forwards: Vec<LiveForward>,
    pub(super) away: Vec<LiveAway>,
    pub(super) overrides: Vec<LiveOverride>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LiveForward {
    pub(super) extension: String,
    pub(super) when: String,
    pub(super) to: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct LiveAway {
    pub(super) extension: String,
    pub(super) until: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LiveOverride {
    pub(super) schedule: String,
    pub(super) is: String,
    pub(super) until: Option<Timestamp>,
}

impl Live {
    /// Asks the core.
    pub(super) async fn of(office: &Office) -> Result<Live, Problem> {
        let status = office.clerk.ask(Question::Status).await?;
        serde_json::from_value(status).map_err(|error| {
            tracing::error!(%error, "the API cannot read the status");
            Problem::broken()
        })
    }
}
