//! Everything that must not be lost, in one file: `huntline backup` makes it beside a running router, `huntline restore`
//! puts it back.
//!
//! The file is a tar archive that any machine can open. It holds secrets (passwords of the config, hashes of tokens), and is
//! readable by who made it alone.
//!
//! ```text
//! config/office.toml      the config file
//! data/huntline.db        the database, as it was at one moment
//! data/…                  everything else in storage.directory: recordings, messages, prompts, the configs as they were
//! manifest.json           which of it there must be, how large, with which SHA-256
//! ```
//!
//! | file | what it is about |
//! |---|---|
//! | `manifest` | what a backup says of itself; which names may stand in it |
//! | `make` | the way out |
//! | `read` | looking at every byte of it, and unpacking |
//! | `restore` | the way back |
//! | `exchange` | what was put in the place of what, so that a cut leaves the old or the new |

mod exchange;
mod make;
mod manifest;
mod read;
mod restore;

pub use exchange::finish;
pub use make::{Wanted, make};
pub use manifest::{Entry, Manifest};
pub use read::verify;
pub use restore::{Restored, restore};
