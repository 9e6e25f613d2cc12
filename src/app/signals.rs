//! The signals by which the system tells the router to read its config again, or to end.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal as Source, SignalKind, signal};

/// What the system asks of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signal {
    /// SIGHUP.
    Reload,
    /// The first SIGTERM or SIGINT.
    End,
    /// A further one.
    EndNow,
}

/// Hears them.
pub(super) struct Signals {
    hangup: Source,
    terminate: Source,
    interrupt: Source,
    ending: bool,
}

impl Signals {
    /// Begins to listen.
    pub(super) fn listen(runtime: &Runtime) -> std::io::Result<Signals> {
        let _within = runtime.enter();
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            ending: false,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => return Signal::Reload,
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        match std::mem::replace(&mut self.ending, true) {
            false => Signal::End,
            true => Signal::EndNow,
        }
    }
}
