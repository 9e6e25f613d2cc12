//! What a conversation hears, and what it wants done.

use std::sync::Arc;

use crate::anchor::{Taken, Until};
use crate::clock::Duration;
use crate::config::ForwardWhen;
use crate::fact::MessageState;
use crate::sound::Sound;

/// What a conversation hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The peer hears us from now on.
    Ready,
    /// What was to be played has been.
    Played,
    /// The peer has pressed a key.
    Digit(char),
    /// The recording has a second of speech in it.
    Spoke,
    /// The recording is over, by order or by itself.
    Recorded(Taken),
    /// The time of the last [`Wish::Wake`] has come.
    TimeUp,
    /// The box that [`Wish::Open`] wanted, or why not.
    Opened(Opened),
    /// What [`Wish::Set`] wanted is done, or (`false`) may not be.
    Set(bool),
}

/// What a conversation wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Play these; what was played before ends. Comes back as [`Heard::Played`].
    Play(Vec<Sound>),
    /// Write down what the peer says, as a message for this box.
    Record {
        /// The box.
        mailbox: Arc<str>,
        /// When it ends by itself.
        until: Until,
    },
    /// Enough is written down. Comes back as [`Heard::Recorded`].
    EndRecord,
    /// [`Heard::TimeUp`] after this time; an earlier wish for it is forgotten.
    Wake(Duration),
    /// Nothing is played any more.
    Quiet,
    /// Set this for the caller. Comes back at once as [`Heard::Set`].
    Set(Setting),
    /// The messages of a box. Comes back at once as [`Heard::Opened`].
    Open {
        /// Which.
        whose: Whose,
        /// The pin, where it was asked for.
        pin: Option<Arc<str>>,
    },
    /// A message was listened to, or is thrown away.
    Mark {
        /// Its file.
        file: Arc<str>,
        /// What becomes of it.
        now: MessageState,
    },
    /// The peer hears itself, until something else is wanted.
    Echo,
    /// Nothing is left to say: hang up.
    Done,
}

/// What an employee sets for the own extension, or for the office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The own calls go there, or (`None`) no longer.
    Forward(ForwardWhen, Option<Arc<str>>),
    /// Away, or back.
    Away(bool),
    /// The hours that codes set: open or closed by hand, or (`None`) as they are written.
    Hours(Option<bool>),
}

/// Whose messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of every box that belongs to the one who calls.
    Own,
    /// Those of the box of this name, or of every box that belongs to the extension of this number.
    Box(Arc<str>),
}

/// What comes of opening a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Its messages, oldest first.
    Messages(Vec<MessageSaid>),
    /// It has a pin.
    AsksPin,
    /// That was not it.
    WrongPin,
    /// There is no such box, or it is nobody else's business.
    NotTheirs,
}

/// A message, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSaid {
    /// Its WAV file.
    pub file: Arc<str>,
    /// The digits of who left it; `None`: they hide.
    pub from: Option<Arc<str>>,
    /// Somebody has listened to it.
    pub heard: bool,
}
