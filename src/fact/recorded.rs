//! What was written down of a call: talks and messages.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::party::Party;
use crate::clock::Timestamp;
use crate::key::CallId;
use crate::state::Message;

/// A recording that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The call it is of.
    pub call: CallId,
    /// The WAV file, counted from `storage.directory`; it names the recording.
    pub file: Arc<str>,
    /// What was written down.
    pub of: RecordingOf,
    /// Who called.
    pub from: Party,
    /// When it began.
    pub began: Timestamp,
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// How much of that is speech, in milliseconds. A message with less than a second of it is empty.
    pub speech_ms: u64,
    /// How much could not be written, in milliseconds.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub lost_ms: u64,
    /// Why writing failed in the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<String>,
}

impl Recorded {
    /// With less speech than this, in milliseconds, a message is an empty one.
    pub const SPEECH_OF_A_MESSAGE_MS: u64 = 1_000;

    /// True for a message in which nobody speaks.
    pub fn is_empty(&self) -> bool {
        self.speech_ms < Recorded::SPEECH_OF_A_MESSAGE_MS
    }

    /// As it lies in its box.
    pub(super) fn to_message(&self) -> Message {
        Message {
            file: self.file.clone(),
            number: self.from.number,
            extension: self.from.extension.clone(),
            at: self.began,
            length_ms: self.length_ms,
            empty: self.is_empty(),
            heard: false,
        }
    }
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingOf {
    /// A talk: the caller on the left, the company on the right.
    Talk,
    /// A message of the caller.
    Message {
        /// The voicemail box.
        mailbox: Arc<str>,
    },
}

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Nobody has listened to it.
    New,
    /// Somebody has.
    Heard,
    /// It was thrown away.
    Deleted,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
