//! Where a call can go: one uniform value, written the same everywhere (`"extension:201"`, `"group:sales"`,
//! `"refuse:busy"`), or a list of them tried in order.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::number::PhoneNumber;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub(super) u32);

        impl $name {
            /// Its place in the config's list, in file order.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index! {
    /// Names one extension of one `Config`.
    ExtensionIx
}
index! {
    /// Names one hunt group of one `Config`.
    GroupIx
}
index! {
    /// Names one trunk of one `Config`.
    TrunkIx
}
index! {
    /// Names one DID of one `Config`.
    DidIx
}
index! {
    /// Names one schedule of one `Config`.
    ScheduleIx
}
index! {
    /// Names one voicemail box of one `Config`.
    VoicemailIx
}

/// How a call is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RefuseAs {
    /// 486 Busy Here.
    Busy,
    /// 480 Temporarily Unavailable.
    Unavailable,
    /// 603 Decline.
    Declined,
    /// 404 Not Found.
    NotFound,
    /// 403 Forbidden.
    Forbidden,
}

impl RefuseAs {
    /// All of them, in the order in which the language lists them.
    pub const ALL: [RefuseAs; 5] =
        [RefuseAs::Busy, RefuseAs::Unavailable, RefuseAs::Declined, RefuseAs::NotFound, RefuseAs::Forbidden];

    /// The status code that the caller gets.
    pub const fn status(self) -> u16 {
        match self {
            RefuseAs::Busy => 486,
            RefuseAs::Unavailable => 480,
            RefuseAs::Declined => 603,
            RefuseAs::NotFound => 404,
            RefuseAs::Forbidden => 403,
        }
    }

    /// The word after `refuse:`.
    pub const fn word(self) -> &'static str {
        match self {
            RefuseAs::Busy => "busy",
            RefuseAs::Unavailable => "unavailable",
            RefuseAs::Declined => "declined",
            RefuseAs::NotFound => "not_found",
            RefuseAs::Forbidden => "forbidden",
        }
    }
}

/// One place where a call can go.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Destination {
    /// An employee, on all devices.
    Extension(ExtensionIx),
    /// A hunt group, by its strategy.
    Group(GroupIx),
    /// A voicemail box: beep, record, follow up.
    Voicemail(VoicemailIx),
    /// A prompt by its name, then the end of the call.
    Announcement(Arc<str>),
    /// Somebody outside, through a trunk, under the outbound rules.
    Number(PhoneNumber),
    /// The customer's own responsible.
    Responsible,
    /// Go on as if the caller were unknown, with the DID's hours. Stands only in `known`.
    Plan,
    /// `site.operator`.
    Operator,
    /// Refuse with this status.
    Refuse(RefuseAs),
}

impl Destination {
    /// True where the call cannot come back from it: nothing after it is ever tried.
    pub fn is_end(&self) -> bool {
        matches!(self, Destination::Voicemail(_) | Destination::Announcement(_) | Destination::Refuse(_))
    }

    /// As the config writes it; `name` is what the extension, group or box it points to is called.
    pub(super) fn written(&self, name: &str) -> String {
        match self {
            Destination::Extension(_) => format!("extension:{name}"),
            Destination::Group(_) => format!("group:{name}"),
            Destination::Voicemail(_) => format!("voicemail:{name}"),
            Destination::Announcement(prompt) => format!("announcement:{prompt}"),
            Destination::Number(number) => format!("number:{number}"),
            Destination::Responsible => "responsible".into(),
            Destination::Plan => "plan".into(),
            Destination::Operator => "operator".into(),
            Destination::Refuse(how) => format!("refuse:{}", how.word()),
        }
    }
}

/// Destinations tried in order; empty where nothing is said.
pub type Destinations = SmallVec<[Destination; 2]>;

/// Announcements that come with the program.
pub const SHIPPED_PROMPTS: [&str; 41] = [
    "closed",
    "busy",
    "call-back",
    "unavailable",
    "hello",
    "voicemail",
    "recorded",
    "confirm",
    "hold-on",
    "transfer",
    "goodbye",
    "invalid",
    "done",
    "not-allowed",
    "not-available",
    "enter-number",
    "enter-mailbox",
    "enter-pin",
    "wrong-pin",
    "no-messages",
    "you-have",
    "new-messages",
    "old-messages",
    "message",
    "mailbox-menu",
    "deleted",
    "no-more",
    "from-number",
    "anonymous",
    "forward-on",
    "forward-off",
    "away-on",
    "away-off",
    "hours-open",
    "hours-closed",
    "hours-schedule",
    "your-number-is",
    "echo",
    "record-on",
    "record-off",
    "music",
];
