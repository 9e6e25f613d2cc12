//! The kinds of events: the words in which the world outside hears what happened, and may choose what it hears.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($name:ident $word:literal $what:literal;)*) => {
        /// What kind of event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $(
                #[doc = $what]
                #[serde(rename = $word)]
                $name,
            )*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$name),*];

            /// As it is written: `call.started`.
            pub fn word(self) -> &'static str {
                match self {
                    $(EventKind::$name => $word,)*
                }
            }
        }
    };
}

kinds! {
    CallStarted "call.started" "A call came in, or an employee dialled.";
    CallRinging "call.ringing" "Somebody is rung from now on; `data.ringing` says who is, `data.withdrawn` who no longer is and why.";
    CallAnswered "call.answered" "Somebody answered.";
    CallTransferred "call.transferred" "It was handed on.";
    CallHeld "call.held" "It was put on hold, or taken back.";
    CallEnded "call.ended" "It is over: once, at the real end.";
    CallMissed "call.missed" "A customer's call ended without a human talk.";
    CallNoted "call.noted" "An employee wrote something down about it.";
    VoicemailNew "voicemail.new" "Somebody left a message.";
    RecordingReady "recording.ready" "A recording is whole.";
    FollowUpCreated "follow_up.created" "Somebody is to be called back.";
    FollowUpCommented "follow_up.commented" "Something happened while they wait.";
    FollowUpAssigned "follow_up.assigned" "Somebody else is to call them.";
    FollowUpOverdue "follow_up.overdue" "Its time is over.";
    FollowUpClosed "follow_up.closed" "They were talked with, or somebody closed it by hand.";
    SmsSent "sms.sent" "A customer was sent an SMS.";
    SmsFailed "sms.failed" "An SMS was given up.";
    ContactCreated "contact.created" "A number that nobody knew became a provisional customer.";
    ContactChanged "contact.changed" "A customer was changed.";
    TrunkDown "trunk.down" "A trunk stopped answering.";
    TrunkUp "trunk.up" "A trunk answers again.";
    DeviceUnreachable "device.unreachable" "A phone is gone.";
    ConfigApplied "config.applied" "A new configuration took effect.";
    ConfigRejected "config.rejected" "A new configuration was refused.";
}
