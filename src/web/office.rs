//! What every room works with.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::answered::Answered;
use super::known::Tokens;
use super::problem::Problem;
use super::watched::Watched;
use crate::board::Board;
use crate::clerk::Clerk;
use crate::config::Config;
use crate::control::{Asked, Order};
use crate::drive::Clock;
use crate::outbox::Current;
use crate::switch::Question;

/// What every room works with. Clones share it.
#[derive(Clone)]
pub struct Office {
    /// Has things done and written down.
    pub clerk: Clerk,
    /// The config in force.
    pub current: Current,
    /// The clock.
    pub clock: Clock,
    /// The config file.
    pub file: Arc<PathBuf>,
    /// Who may ask.
    pub tokens: Tokens,
    /// What was ordered under a key already.
    pub answered: Answered,
    /// What is ordered of the process beside the core: read the config again, the customers, the outbox.
    pub orders: mpsc::Sender<Asked>,
    /// The calls in progress, and what happens.
    pub board: Board,
    /// The figures.
    pub watched: Watched,
}

impl Office {
    /// The config in force.
    pub(super) fn config(&self) -> Result<Arc<Config>, Problem> {
        (self.current)().ok_or_else(|| Problem::unavailable("the router is beginning"))
    }

    /// Has the core do something. What it writes down of it is on the disk then: whoever hears that it was done finds it done.
    pub(super) async fn have_done(&self, order: Question) -> Result<Value, Problem> {
        Ok(self.clerk.ask(order).await?)
    }

    /// Orders something of the process beside the core.
    pub(super) async fn order(&self, order: Order) -> Result<Value, Problem> {
        let (reply, replied) = oneshot::channel();
        let ended = |_| Problem::unavailable("the router is ending");
        let asked = Asked { request: order.into(), reply };
        self.orders.send(asked).await.map_err(|_| Problem::unavailable("the router is ending"))?;
        replied.await.map_err(ended)?.map_err(Problem::conflict)
    }
}
