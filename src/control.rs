//! The door for the router's own people: `huntline status`, `override`, `explain --live` and the others speak to a
//! running router here.
//!
//! It is a Unix socket, [`SOCKET`], in the data directory, open to the router's user alone (mode 0600). One line of JSON
//! asks, one line answers, any number of times in a connection:
//!
//! ```text
//! {"v":1,"ask":"override","schedule":"office","open":false,"until":"2026-11-23T17:00:00Z"}
//! {"v":1,"ok":{"schedule":"office","open":false}}
//! {"v":1,"error":"there is no schedule \"offices\"; there is office"}
//! ```
//!
//! A line is at most 64 kB in, 16 MB out; 16 connections are served at once, others wait.
//!
//! | file | what it is about |
//! |---|---|
//! | `language` | what is asked and answered |
//! | `door` | the router's side |
//! | `asker` | the side of whoever asks |

mod asker;
mod door;
mod language;
#[cfg(test)]
mod tests;

pub use self::asker::{Failure, ask};
pub use self::door::{Asked, Door, SOCKET};
pub use self::language::{Order, Reply, Request, VERSION};
