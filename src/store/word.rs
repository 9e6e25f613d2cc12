//! The words of the tables: what is one of a few is stored as its word, the same one that facts use as JSON.

use crate::fact::{EndedBy, MessageState, MissedCause};
use crate::route::Direction;

/// One of a few, with a word for each.
pub(super) trait Word: Sized + Copy {
    /// The word.
    fn word(self) -> &'static str;
    /// Back from the word.
    fn of(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($($kind:ident { $($variant:ident = $word:literal),* $(,)? })*) => {
        $(impl Word for $kind {
            fn word(self) -> &'static str {
                match self { $($kind::$variant => $word),* }
            }
            fn of(word: &str) -> Option<Self> {
                match word { $($word => Some($kind::$variant),)* _ => None }
            }
        })*

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn the_words_of_the_tables_are_those_of_the_facts() {
                $($(
                    assert_eq!(serde_json::to_value($kind::$variant).unwrap(), $word);
                    assert_eq!($kind::of($word), Some($kind::$variant));
                )*)*
                assert_eq!(Direction::of("sideways"), None);
            }
        }
    };
}

words! {
    Direction { Inbound = "inbound", Internal = "internal", Outbound = "outbound" }
    EndedBy {
        Caller = "caller",
        Callee = "callee",
        Router = "router",
        Transfer = "transfer",
        SystemFailure = "system_failure",
    }
    MessageState { New = "new", Heard = "heard", Deleted = "deleted" }
    MissedCause {
        Abandoned = "abandoned",
        NoAnswer = "no_answer",
        AllBusy = "all_busy",
        NoneReachable = "none_reachable",
        Rejected = "rejected",
        AfterHours = "after_hours",
        VoicemailLeft = "voicemail_left",
        AnnouncementOnly = "announcement_only",
        Capacity = "capacity",
        SystemFailure = "system_failure",
    }
}
