//! What the system's manager is told: that we are ready, read the config again, come to the end, how we stand, and that the
//! loop is alive (sd_notify(3)). Where nobody has asked for it (`NOTIFY_SOCKET`), nothing is told.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

use crate::clock::Duration;

/// How often it is said how we stand, where nobody waits for a sign of life.
const NOW_AND_THEN: Duration = Duration::from_secs(10);

/// The way to the system's manager. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Notify {
    socket: Option<Arc<UnixDatagram>>,
    every: Option<Duration>,
}

impl Notify {
    /// As the environment says: `NOTIFY_SOCKET` (a path, or `@NAME` for an abstract one), `WATCHDOG_USEC` and
    /// `WATCHDOG_PID`. What cannot be followed is said in the log, and nobody is told anything.
    pub fn of_environment() -> Notify {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Notify::default();
        };
        match connect(&name) {
            Ok(socket) => Notify { socket: Some(Arc::new(socket)), every: Some(interval()) },
            Err(error) => {
                tracing::warn!(%error, ?name, "the system's manager cannot be told how we are");
                Notify::default()
            }
        }
    }

    /// How often a sign of life is to be given; `None` where nobody waits for one.
    pub fn every(&self) -> Option<Duration> {
        self.every
    }

    /// Tells it. Never waits; a manager that does not read is none of our business.
    pub fn tell(&self, lines: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(lines.as_bytes())
        {
            tracing::debug!(%error, "the system's manager was not told");
        }
    }

    /// The config is read again; to be followed by [`Notify::ready`].
    pub fn reloading(&self) {
        if self.socket.is_some() {
            use nix::time::{ClockId, clock_gettime};
            // What tells this reload from an earlier one.
            let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
            let micros = now.map(|now| now.as_micros()).unwrap_or_default();
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the config again"));
        }
    }

    /// Calls are taken.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// The end has begun.
    pub fn stopping(&self, status: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS={}", line(status)));
    }

    /// The loop is alive, and this is how it stands.
    pub fn alive(&self, status: &str) {
        self.tell(&format!("WATCHDOG=1\nSTATUS={}", line(status)));
    }
}

/// A status is one line.
fn line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn connect(name: &OsString) -> std::io::Result<UnixDatagram> {
    let bytes = name.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Half of the time after which the manager takes us for dead.
fn interval() -> Duration {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let for_us = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
    match number("WATCHDOG_USEC").filter(|micros| *micros > 0 && for_us) {
        Some(micros) => Duration::from_micros(micros / 2).min(NOW_AND_THEN),
        None => NOW_AND_THEN,
    }
}
