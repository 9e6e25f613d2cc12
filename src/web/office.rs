//! What every room works with.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::answered::Answered;
use super::known::Tokens;
use super::problem::Problem;
use crate::board::Board;
use crate::clerk::Clerk;
use crate::clock::Duration;
use crate::config::Config;
use crate::control::{Asked, Request};
use crate::drive::Clock;
use crate::outbox::Current;
use crate::switch::Question;

/// How often, and how many times, the core is asked whether something is on the disk: five seconds together.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS: u32 = 1_000;

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
}

impl Office {
    /// The config in force.
    pub(super) fn config(&self) -> Result<Arc<Config>, Problem> {
        (self.current)().ok_or_else(|| Problem::unavailable("the router is beginning"))
    }

    /// Has the core do something that it writes down, and waits until that is on the disk: whoever hears that it was done
    /// finds it done.
    pub(super) async fn have_done(&self, order: Question) -> Result<Value, Problem> {
        let answer = self.clerk.ask(order).await?;
        let mut noted = None;
        for _ in 0..LOOKS {
            let status = self.clerk.ask(Question::Status).await?;
            let count = |name: &str| status["census"][name].as_u64().unwrap_or(0);
            if count("journaled") >= *noted.get_or_insert(count("noted")) {
                return Ok(answer);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Problem::unavailable(
            "it was done, and is not on record yet: the disk does not take it; the router's log says why",
        ))
    }

    /// Orders something of the process beside the core.
    pub(super) async fn order(&self, request: Request) -> Result<Value, Problem> {
        let (reply, replied) = oneshot::channel();
        let ended = |_| Problem::unavailable("the router is ending");
        self.orders.send(Asked { request, reply }).await.map_err(|_| Problem::unavailable("the router is ending"))?;
        replied.await.map_err(ended)?.map_err(Problem::conflict)
    }
}
