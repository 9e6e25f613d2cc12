//! What is ordered of the running process: through the control socket, by the API, or by a signal. What the core can
//! answer goes to the core; the rest is done here, beside it.

mod reload;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::fixed::Fixed;
use super::ground::Ground;
use crate::board::Board;
use crate::clerk::Clerk;
use crate::control::{Asked, Order, Reply, Request};
use crate::drive::Letter;
use crate::fact::{Fact, Hand, SavedReport};
use crate::key::CallId;
use crate::media::library::Library;
use crate::meter::Meter;
use crate::net::resolve::Resolver;
use crate::notify::Notify;
use crate::outbox::Bell;
use crate::report::Ask;
use crate::web;

/// Carries out what is ordered. Clones are the same one.
#[derive(Clone)]
pub(super) struct Office {
    /// The config file.
    pub(super) file: PathBuf,
    pub(super) ground: Ground,
    /// What takes effect only when the process begins.
    pub(super) fixed: Fixed,
    pub(super) clerk: Clerk,
    pub(super) tokens: web::Tokens,
    pub(super) resolver: Resolver,
    pub(super) library: Library,
    /// Wakes whoever carries letters.
    pub(super) bell: Bell,
    /// Tells the system's manager how we are.
    pub(super) notify: Notify,
}

impl Office {
    /// What the API works with; what it orders comes out where the control socket's questions do.
    pub(super) fn for_web(&self, board: Board, orders: mpsc::Sender<Asked>, meter: Arc<Meter>) -> web::Office {
        web::Office {
            clerk: self.clerk.clone(),
            current: self.ground.current(),
            clock: self.ground.clock,
            file: Arc::new(self.file.clone()),
            tokens: self.tokens.clone(),
            answered: web::Answered::new(self.ground.directory.clone()),
            orders,
            board,
            watched: web::Watched::new(meter),
        }
    }

    /// Answers a question, or has it answered.
    pub(super) async fn answer(self, Asked { request, reply }: Asked) {
        // Whoever asked may be gone by the time of the answer.
        match request {
            Request::Core(question) => {
                let answered = Box::new(|answer| drop(reply.send(answer)));
                self.ground.post.put(Letter::Ask(question, answered));
            }
            Request::Office(order) => drop(reply.send(self.carry_out(order).await)),
        }
    }

    async fn carry_out(self, order: Order) -> Reply {
        match order {
            Order::Reload => self.reload().await,
            Order::Rollback { number } => self.roll_back(number).await,
            Order::Token(token) => self.add_token(*token).await,
            Order::RevokeToken { id } => self.revoke_token(&id).await,
            Order::Customers => self.read_customers().await,
            Order::Outbox => {
                self.bell.ring_afresh();
                Ok(Value::Null)
            }
            Order::Report { name, now } => self.save_report(name, now).await,
            Order::Note { call, by, text, disposition } => self.note(call, by, text, disposition).await,
            Order::FollowUp { id, by, what } => self.follow_up(id, by, what).await,
        }
    }

    async fn save_report(&self, name: Arc<str>, now: Option<SavedReport>) -> Reply {
        if let Some(now) = &now {
            Ask::check_name(&name)?;
            Ask::of(now)?;
        } else {
            let saved = self.clerk.read(|reader| reader.saved_reports()).await.map_err(|error| error.to_string())?;
            if !saved.iter().any(|(known, _)| **known == *name) {
                return Err(format!("no report {name:?} was saved; `huntline report list` lists them"));
            }
        }
        let fact = Fact::Report { name: name.clone(), now: now.map(Box::new) };
        let written = self.clerk.write_down(fact).await.map_err(|why| why.to_string())?;
        Ok(serde_json::json!({ "name": name, "written": written }))
    }

    async fn note(
        &self,
        call: CallId,
        by: Option<Arc<str>>,
        text: Option<String>,
        disposition: Option<String>,
    ) -> Reply {
        let config = self.ground.in_force.newest();
        let known = |by: &Arc<str>| config.extension_by_number(by).is_some();
        if let Some(by) = by.as_ref().filter(|by| !known(by)) {
            return Err(format!("there is no extension \"{by}\""));
        }
        let done = self.clerk.note_call(call, by, text.as_deref(), disposition.as_deref()).await;
        done.map_err(|why| why.to_string())
            .and_then(|notes| serde_json::to_value(notes).map_err(|error| error.to_string()))
    }

    async fn follow_up(&self, id: i64, by: Option<Arc<str>>, what: Hand) -> Reply {
        let config = self.ground.in_force.newest();
        let done = self.clerk.follow_up(&config, id, by, what).await;
        done.map_err(|why| why.to_string()).and_then(|row| serde_json::to_value(row).map_err(|error| error.to_string()))
    }

    async fn read_customers(self) -> Reply {
        let read = tokio::task::spawn_blocking(move || self.ground.address_book.renew()).await;
        let customers = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(serde_json::json!({ "customers": customers }))
    }
}
