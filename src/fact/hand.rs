//! What is done about a follow-up, by hand or by time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What is done about a follow-up by hand, or by time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// Whoever did it calls them back. Of several who claim at once, one does.
    Claimed,
    /// Somebody else does, or (`None`) anybody.
    Assigned {
        /// The extension's number.
        to: Option<Arc<str>>,
    },
    /// Something to know about it.
    Remarked {
        /// In free words.
        text: Arc<str>,
    },
    /// It is done without a talk that the router has seen.
    Closed {
        /// Why, in free words.
        why: Arc<str>,
    },
    /// Its time is over.
    Overdue,
    /// Its time has been over for so long that the supervisor is told.
    Escalated {
        /// The supervisor's extension.
        to: Arc<str>,
    },
    /// … and for so long after that, that the supervisor must act: it is theirs.
    Reassigned {
        /// The supervisor's extension.
        to: Arc<str>,
    },
}
