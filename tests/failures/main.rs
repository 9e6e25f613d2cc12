//! What `tests/reliability.md` promises of the running router: real files, real sockets on loopback, disks that are full,
//! databases that are broken, phones that move. Each router has an address of its own; nothing here waits by the clock,
//! every step waits for a message or a state, however long that takes on a busy machine.

#![allow(clippy::disallowed_methods)] // the machine is asked here; what is tested is not

mod asking;
mod clock;
mod config;
mod database;
mod disk;
mod dns;
mod door;
mod ending;
mod moves;
mod namespace;
mod races;
mod router;

#[path = "../own_address/mod.rs"]
mod own_address;
#[allow(dead_code)] // shared with the stories
#[path = "../stories/peers.rs"]
mod peers;
