//! What the router itself says to a caller, and what it makes of keys and of silence: announcements, voicemail, and all else
//! that is a conversation with a machine (IVR).
//!
//! A [`Conversation`] knows no SIP, no file and no clock: it hears [`Heard`] and wants [`Wish`]es.
//!
//! ```text
//!            Ready                 Played, Digit, Spoke, Recorded, TimeUp
//!   (begun) ───────► first wish ─────────────────────────────────────────► … ─────► Wish::Done
//! ```

mod announcement;
mod feature;
mod mailbox;
mod voicemail;
mod words;

pub use self::announcement::Announcement;
pub use self::feature::Feature;
pub use self::mailbox::Mailbox;
pub use self::voicemail::Voicemail;
pub use self::words::{Heard, MessageSaid, Opened, Setting, Whose, Wish};

/// A conversation with a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Conversation {
    /// Something is said, then it is over.
    Announcement(Announcement),
    /// A message is taken.
    Voicemail(Voicemail),
    /// Somebody listens to messages.
    Mailbox(Mailbox),
    /// An employee has dialled a feature code.
    Feature(Feature),
}

impl Conversation {
    /// One thing is heard: what is wanted now, in order.
    pub fn hear(&mut self, heard: &Heard, wishes: &mut Vec<Wish>) {
        match self {
            Conversation::Announcement(announcement) => announcement.hear(heard, wishes),
            Conversation::Voicemail(voicemail) => voicemail.hear(heard, wishes),
            Conversation::Mailbox(mailbox) => mailbox.hear(heard, wishes),
            Conversation::Feature(feature) => feature.hear(heard, wishes),
        }
    }
}
