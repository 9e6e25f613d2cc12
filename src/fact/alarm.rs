//! What an admin must hear of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::key::CallId;

/// Something an admin must hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The disk took longer than 250 ms: a caller heard ringing before the record was on it.
    GuaranteeSuspended,
    /// The journal is on time again.
    GuaranteeRestored,
    /// The journal's bounded memory is full: new calls get 503.
    Pressure {
        /// True: it began; false: it is over.
        on: bool,
    },
    /// There is more to do than can be done: new calls that come late get 503, those in progress go on.
    Overloaded {
        /// How late messages were read when that was found, in milliseconds.
        late_ms: u64,
    },
    /// Nothing has come late for a while: the overload is over.
    OverloadOver {
        /// How many new calls it was that got 503 for it.
        refused: u64,
        /// How long it lasted, in seconds.
        seconds: u64,
    },
    /// So many calls were refused for overload without a record of their own, because writing them down would have added
    /// to it.
    Unrecorded {
        /// How many.
        calls: u64,
    },
    /// A trunk named a readable number that is no DID of ours; it went to `default_did`.
    UnknownDid {
        /// The trunk.
        trunk: Arc<str>,
        /// The number as it came.
        number: String,
    },
    /// An emergency number was dialled.
    Emergency {
        /// By whom.
        extension: Arc<str>,
        /// Which.
        number: String,
    },
    /// All trunks for a number failed.
    TrunksExhausted {
        /// The number.
        number: String,
    },
    /// What is said in a recording gets lost: the disk is slow or full.
    RecordingLoses {
        /// The WAV file, counted from `storage.directory`.
        file: Arc<str>,
        /// What the system said.
        why: String,
    },
    /// A letter was tried as often as is reasonable, and has not arrived.
    Undelivered {
        /// The mail address, number or chat, or the lane of a webhook or CRM.
        to: Arc<str>,
        /// What it tells of: a message's file, an event's id.
        file: Arc<str>,
        /// What the last try met.
        why: String,
    },
    /// Nothing has come from one side of a talk for a while: that one is not heard.
    OneWay {
        /// The call.
        call: CallId,
        /// The number of the silent leg.
        leg: u16,
        /// For how long, in seconds.
        for_seconds: u64,
    },
    /// The pins of others' mailboxes were wrong so often that they count no more from there for an hour.
    PinGuessed {
        /// From whose phone.
        extension: Arc<str>,
    },
    /// Facts cannot be written to the disk; they are kept in memory and tried again.
    Unwritable {
        /// What the disk, or the database, said.
        why: String,
    },
    /// The database was found to be damaged; what can be written is written all the same.
    Damaged {
        /// The first thing that is wrong.
        why: String,
    },
    /// A media port could not be bound.
    MediaPort {
        /// Which.
        port: u16,
        /// What the system said.
        why: String,
    },
}
