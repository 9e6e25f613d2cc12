//! What a leg knows of its session timer (RFC 4028), and what its messages say of it.

use super::invitation::SUPPORTED;
use crate::session_timer::{self, Habits, Said, SessionTimer};
use crate::sip::{Draft, HeaderName, Message};
use crate::transaction::ClientKey;

/// What a leg knows of its session timer.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    /// What we ask for; a 422 raises it.
    habits: Habits,
    /// How many 422 were followed.
    raised: u8,
    pub(super) timer: Option<SessionTimer>,
    /// The peer takes UPDATE, as its Allow says.
    pub(super) updates: bool,
    /// The last refresh met glare: once more is enough (RFC 3261 §14.1).
    pub(super) glared: bool,
    /// An UPDATE of ours without a session is under way.
    pub(super) asking: Option<ClientKey>,
}

/// Each proxy on the way may have a Min-SE of its own, but a peer that counts upwards is not followed for ever.
const MOST_422: u8 = 4;

impl Refresh {
    /// What we ask for.
    pub(super) fn habits(&self) -> Habits {
        self.habits
    }

    /// A message of the peer's may say which methods it takes.
    pub(super) fn read_allow(&mut self, message: &Message) {
        if message.has(HeaderName::Allow) {
            self.updates = message.lists(HeaderName::Allow, "UPDATE");
        }
    }

    /// A 422: true where we may ask again, for longer.
    pub(super) fn raise(&mut self, response: &Message) -> bool {
        let asked = self.timer.map_or(self.habits.interval, |timer| timer.interval);
        let Some(least) = SessionTimer::after_422(Said::by(response), asked) else { return false };
        if self.raised == MOST_422 {
            return false;
        }
        self.raised += 1;
        self.habits = Habits { interval: self.habits.interval.max(least), least, ..self.habits };
        if let Some(timer) = &mut self.timer {
            timer.interval = timer.interval.max(least);
        }
        true
    }

    /// What a request of ours that can refresh says about it.
    pub(super) fn ask(&self, draft: &mut Draft<'_>) {
        draft.header(HeaderName::Supported, SUPPORTED);
        session_timer::ask(self.timer, self.habits, draft);
    }

    /// What our 2xx to `request` says about it.
    pub(super) fn agree(&self, request: &Message, draft: &mut Draft<'_>) {
        draft.header(HeaderName::Supported, SUPPORTED);
        if let Ok(Some(timer)) = SessionTimer::accept(Said::by(request), self.habits) {
            timer.agree(draft);
        }
    }
}
