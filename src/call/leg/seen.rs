//! A leg as others name and watch it: which dialog it is, and how far that has come (RFC 3891, RFC 4235).

use super::{Leg, State};
use crate::dialog::Dialog;
use crate::entropy::Token;
use crate::subscription::DialogState;

/// The names of a leg's dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DialogNames<'a> {
    /// The Call-ID.
    pub call_id: &'a str,
    /// Our tag.
    pub ours: &'a str,
    /// The peer's tag; empty while it has not said one.
    pub theirs: &'a str,
}

impl Leg {
    /// True where we have invited the peer; false where it has invited us.
    pub fn is_invited(&self) -> bool {
        self.invited
    }

    /// How far its dialog has come.
    pub fn dialog_state(&self) -> DialogState {
        match &self.state {
            State::Offered { .. } if self.said_provisional => DialogState::Early,
            State::Offered { .. } => DialogState::Trying,
            State::Inviting(inviting) if inviting.cancelled => DialogState::Terminated,
            State::Inviting(inviting) if !inviting.forks.first_tag().is_empty() => DialogState::Early,
            State::Inviting(_) => DialogState::Trying,
            State::Talking(_) if self.unconfirmed => DialogState::Early,
            State::Talking(_) => DialogState::Confirmed,
            State::Leaving { .. } | State::Gone => DialogState::Terminated,
        }
    }

    /// The names of its dialog, as far as they are known; `None` where the leg never had one.
    pub fn dialog_names(&self) -> Option<DialogNames<'_>> {
        match (&self.state, &self.dialog) {
            (State::Inviting(inviting), _) => Some(DialogNames {
                call_id: inviting.call_id.as_str(),
                ours: self.tag.as_str(),
                theirs: inviting.forks.first_tag(),
            }),
            (_, Some(dialog)) => {
                Some(DialogNames { call_id: dialog.call_id(), ours: dialog.local_tag(), theirs: dialog.remote_tag() })
            }
            (_, None) => None,
        }
    }

    /// Who we are to the peer, as the headers of its dialog say it; `None` where there is none yet.
    pub fn we_are(&self) -> Option<&[u8]> {
        self.dialog.as_ref().map(Dialog::local)
    }

    /// Our tag: chance that no other leg has.
    pub fn tag(&self) -> Token {
        self.tag
    }

    /// True for the leg whose dialog has all three names. A dialog without the peer's tag is named by nobody.
    pub fn is_named(&self, names: DialogNames<'_>) -> bool {
        !names.theirs.is_empty() && self.dialog_names() == Some(names)
    }
}
