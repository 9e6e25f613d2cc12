//! What the core asks of the world: one loop carries these out, in order.

use bytes::Bytes;

use crate::anchor::MediaOrder;
use crate::customer::CustomerIndex;
use crate::fact::Noted;
use crate::guard::Suspicion;
use crate::key::Flow;
use crate::servers::ServerName;
use crate::transaction::Wire;

/// Something to be done outside the core.
#[derive(Debug)]
pub enum Effect {
    /// These bytes leave on this flow. A stream flow with connection 0 is opened first, in the background.
    Send {
        /// Where.
        flow: Flow,
        /// What.
        bytes: Bytes,
    },
    /// To the journal and to whoever follows.
    Fact(Box<Noted>),
    /// To the relay.
    Media(MediaOrder),
    /// A stream whose peer broke its framing, or whose use is over, is closed.
    Close(Flow),
    /// A name of a trunk's server is to be looked up in the background; the answer comes as `Input::Resolved`.
    Resolve(ServerName),
    /// The answer to a command or question of the control socket.
    Answer {
        /// The question's number, as it came in.
        question: u64,
        /// The answer, as JSON text; an `Err` is for people.
        answer: Result<serde_json::Value, String>,
    },
    /// The customers of before, to be dropped off this thread.
    Discard(Box<CustomerIndex>),
    /// The customers' index has grown old: a fresh one is to be made of the store, off this thread, and handed in as
    /// `Input::Customers`.
    RenewCustomers,
    /// A line for the log, at once: what strangers do is no fact, and may be more than a disk should hold.
    Suspect(Suspicion),
    /// Draining is complete: no call is left, the process may end.
    Drained,
}

impl Wire for Vec<Effect> {
    fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.push(Effect::Send { flow, bytes });
    }
}
