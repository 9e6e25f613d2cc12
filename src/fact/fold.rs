//! The state that facts are: whoever folds them in order has it.

use super::Fact;
use super::recorded::{MessageState, RecordingOf};
use crate::state::State;

impl Fact {
    /// Makes `state` what it is after this fact; facts that are no state leave it alone.
    pub fn fold(&self, state: &mut State) {
        match self {
            Fact::Overridden { schedule, state: override_ } => state.set_override(schedule, *override_),
            Fact::Away { extension, until } => state.set_away(extension, *until),
            Fact::Forwarded { extension, when, to } => state.set_forward(extension, *when, to.as_ref()),
            Fact::Blocked { number, blocked, note } => state.set_blocked(*number, blocked.then_some(note)),
            Fact::Counted(counter) => state.count(counter),
            Fact::Recorded(recorded) => {
                if let RecordingOf::Message { mailbox } = &recorded.of {
                    state.add_message(mailbox, recorded.to_message());
                }
            }
            Fact::Message { file, mailbox, now } => match now {
                MessageState::New | MessageState::Heard => {
                    state.set_heard(mailbox, file, *now == MessageState::Heard);
                }
                MessageState::Deleted => state.remove_message(file),
            },
            Fact::Erased { file, .. } => state.remove_message(file),
            Fact::Call(..)
            | Fact::Bound(_)
            | Fact::Unbound { .. }
            | Fact::Banned(_)
            | Fact::Unbanned { .. }
            | Fact::TrunkDown { .. }
            | Fact::TrunkUp { .. }
            | Fact::ConfigApplied { .. }
            | Fact::ConfigRejected { .. }
            | Fact::Streamed { .. }
            | Fact::FollowUp { .. }
            | Fact::CallNoted { .. }
            | Fact::Delivered { .. }
            | Fact::Customer { .. }
            | Fact::Token(_)
            | Fact::TokenRevoked { .. }
            | Fact::Report { .. }
            | Fact::Alarm(_)
            | Fact::Started { .. }
            | Fact::Stopped => {}
        }
    }
}
