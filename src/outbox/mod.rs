//! Letters to the world outside: each is tried until it has arrived, or was given up and is listed.
//!
//! One thread carries them all, many at once. It has its own connection to the database and never meets the loop: a dead,
//! slow or lying receiver makes its own letters late, and nothing else.
//!
//! ```text
//!  fact ─► letters ─► outbox (same transaction) ─ bell ─► postman ─┬─ lane "mail"        ─► mail server
//!                       ▲                                          ├─ lane "sms"         ─► provider
//!                       │                                          ├─ lane "telegram"    ─► bot
//!                       └────── later, or never again ◄────────────┼─ lane "webhook crm" ─► program
//!                                                                  └─ lane "crm NAME"    ─► CRM, by its dialect
//! ```
//!
//! | file | what it is about |
//! |---|---|
//! | `secretary` | which letters follow from facts and events |
//! | `postman` | takes what is due, lane by lane, and notes what became of it |
//! | `lane` | how many at once, and peace for who is not well |
//! | `carry` `failure` | what a carrier is given, and what it may answer |
//! | `http` | one client for all, with bounds |
//! | `webhook` `signature` | events to programs, as Standard Webhooks says |
//! | `sms` `telegram` `mail` | … to people |
//! | `words` | what a mail says |
//!
//! # How a carrier is added
//! It implements [`Carry`]: which letters it wants written of an event (in the transaction of its fact: no I/O there), and
//! how one is delivered. `app` gives it to [`Secretary`] and [`Postman`] as `crm`. A delivery is a future that ends within
//! [`Carry::limit`]; it asks through [`Http`], which bounds time and size, and answers `Ok(())` or a [`Failure`], which says
//! what that means for the letter and for its receiver:
//!
//! | answer | the letter | the receiver's other letters |
//! |---|---|---|
//! | `Ok(())` | sent | go on |
//! | [`Failure::Refused`] | again later | go on |
//! | [`Failure::Unwell`] | again later | one at a time, after a pause that grows from ¼ s to a minute |
//! | [`Failure::Never`] | given up | go on |
//! | [`Failure::Gone`] | waits | wait, until the config names another address or somebody says `outbox enable` |
//!
//! What is tried again is so after 5 s, 30 s, 2 m, 10 m, 1 h, 6 h and 24 h; then it is given up. Letters of one call to one
//! place never overtake each other.

mod carry;
mod failure;
mod http;
mod lane;
mod mail;
mod postman;
mod secretary;
mod signature;
mod sms;
mod telegram;
mod webhook;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

pub use carry::{Carry, Delivery, Errand};
pub use failure::Failure;
pub use http::{Answer, Http};
pub use postman::{Pace, Postman};
pub use secretary::Secretary;

use crate::config::Config;

/// Gives the config in force.
pub type Current = Arc<dyn Fn() -> Option<Arc<Config>> + Send + Sync>;

/// Wakes the postman: there is something new to carry.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<(Notify, AtomicBool)>);

impl Bell {
    /// Wakes it; rung again before it has looked, it looks once.
    pub fn ring(&self) {
        self.0.0.notify_one();
    }

    /// The same by somebody's hand, or because the config is another one: receivers that were left in peace are tried at
    /// once.
    pub fn ring_afresh(&self) {
        self.0.1.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// Until it is rung.
    async fn rung(&self) {
        self.0.0.notified().await;
    }

    /// True once after it was rung afresh.
    fn is_afresh(&self) -> bool {
        self.0.1.swap(false, Ordering::Relaxed)
    }
}
