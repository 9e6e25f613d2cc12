//! The way to a leg's peer while they talk: a phone goes from one connection or network to another, a trunk closes its
//! connection. Neither ends a talk.
//!
//! ```text
//!              a request of ours finds no connection
//!   Talking ────────────────────────────────────────► Talking: an offer is refused, a refresh is stranded
//!   Leaving ──── a trunk: another one is opened ────► Leaving
//!   Leaving ──── a phone ───────────────────────────► Leaving, stranded ── 64·T1 ──► Gone
//!
//!   the phone registers, or speaks, on another way: what is stranded is said there
//! ```

use super::super::alphabet::LegEvent;
use super::super::invitation::contact;
use super::super::means::Means;
use super::{Leg, Peer, Reoffer, State};
use crate::clock::Duration;
use crate::registrar::Moved;
use crate::transaction::{ClientKey, PATIENCE};

impl Leg {
    /// The phone is reached in another way now.
    pub fn follow(&mut self, moved: &Moved, means: &mut Means) {
        let Some(dialog) = self.dialog.as_mut().filter(|dialog| dialog.flow() == moved.from) else { return };
        dialog.follow(moved.to, &moved.was, &moved.contact);
        dialog.set_contact(&contact(&moved.to, means));
        self.say_what_is_stranded(means);
    }

    /// The peer has a connection again.
    pub(super) fn say_what_is_stranded(&mut self, means: &mut Means) {
        if !std::mem::take(&mut self.stranded) {
            return;
        }
        self.wake_after(None, means);
        match &self.state {
            State::Leaving { reason } => {
                let reason = reason.clone();
                self.say_goodbye(reason, means);
            }
            State::Talking(_) => self.send_refresh(means),
            State::Offered { .. } | State::Inviting(_) | State::Gone => {}
        }
    }

    /// A request of ours within the dialog found no connection.
    pub(super) fn hear_no_way(&mut self, client: ClientKey, means: &mut Means) -> Option<LegEvent> {
        let reopened =
            matches!(self.peer, Peer::Trunk(_)) && self.dialog.as_mut().is_some_and(|dialog| dialog.reopen());
        if self.is_refresh(client) {
            self.refresh.asking = None;
            self.reoffer = std::mem::take(&mut self.reoffer).unless_refresh();
            match reopened {
                true => self.send_refresh(means),
                false => self.strand(self.refresh.timer.map(|timer| timer.interval / 2), means),
            }
        } else if self.has_offered(client) {
            return self.offer_unheard();
        } else if let State::Leaving { reason } = &self.state {
            let reason = reason.clone();
            match reopened {
                true => self.say_goodbye(reason, means),
                // A goodbye waits for its phone as long as it would have been repeated (RFC 3261 §17.1.2.2).
                false => self.strand(Some(PATIENCE), means),
            }
        } else {
            self.was_notify(client);
        }
        None
    }

    /// It is said when the peer has a connection again; once this span is over there is nobody to say it to.
    fn strand(&mut self, span: Option<Duration>, means: &mut Means) {
        self.stranded = true;
        self.wake_after(span, means);
    }

    /// Nobody came back for what is stranded.
    pub(super) fn stranded_is_due(&mut self, means: &mut Means) -> Option<LegEvent> {
        self.stranded = false;
        match self.state {
            State::Talking(_) => self.lost(means),
            _ => {
                self.state = State::Gone;
                None
            }
        }
    }
}

impl Reoffer {
    fn unless_refresh(self) -> Reoffer {
        match self {
            Reoffer::Refresh { .. } => Reoffer::None,
            other => other,
        }
    }
}
