//! What a SUBSCRIBE asks for: an event package, and for how long (RFC 6665 §4.2.1).

use crate::refusal::Refusal;
use crate::sip::header::{ContentType, Word, seconds};
use crate::sip::{HeaderName, Message, Status};

/// Seconds below which a phone is asked to take more (423), unless it takes none.
pub const SHORTEST: u32 = 60;
/// Seconds granted at most, and where nothing is said. A restart forgets subscriptions, so this is how long a lamp may stay
/// dark after one.
pub const LONGEST: u32 = 600;
/// The packages that we know, as Allow-Events says them.
pub const ALLOW_EVENTS: &str = "dialog, message-summary";

/// What can be watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Package {
    /// The calls of an extension: its lamp (RFC 4235).
    Dialog,
    /// The messages that wait for an extension (RFC 3842).
    MessageSummary,
}

impl Package {
    /// As Event writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Package::Dialog => "dialog",
            Package::MessageSummary => "message-summary",
        }
    }

    /// What its NOTIFYs carry.
    pub fn content_type(self) -> &'static str {
        match self {
            Package::Dialog => "application/dialog-info+xml",
            Package::MessageSummary => "application/simple-message-summary",
        }
    }
}

/// What a SUBSCRIBE asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// What is to be watched.
    pub package: Package,
    /// The `id` of its Event, which tells several subscriptions of one phone apart; may be empty.
    pub id: Box<str>,
    /// Seconds, as they are granted; 0 ends it, or asks only once.
    pub expires: u32,
}

impl Wish {
    /// Reads a SUBSCRIBE.
    ///
    /// # Errors
    /// 489 for a package that we do not know, 406 where its answer could not be read, 423 where it is too short.
    pub fn read(subscribe: &Message) -> Result<Wish, Refusal> {
        let bad_event = || Refusal::new(Status::BAD_EVENT).with(HeaderName::AllowEvents, ALLOW_EVENTS);
        let event =
            subscribe.header(HeaderName::Event).and_then(|value| Word::read(value).ok()).ok_or_else(bad_event)?;
        let known = [Package::Dialog, Package::MessageSummary];
        let package = known.into_iter().find(|package| event.word.eq_ignore_ascii_case(package.as_str()));
        let package = package.ok_or_else(bad_event)?;
        let (kind, subtype) = package.content_type().split_once('/').unwrap_or_default();
        let takes = |accept: ContentType<'_>| accept.is(kind, subtype) || accept.is(kind, "*") || accept.is("*", "*");
        // RFC 6665 §8.2.1: without an Accept the package's own type is meant.
        let mut accepted = subscribe.values(HeaderName::Accept).peekable();
        if accepted.peek().is_some() && !accepted.any(|value| ContentType::read(value).is_ok_and(takes)) {
            return Err(Refusal::new(Status::NOT_ACCEPTABLE).with(HeaderName::Accept, package.content_type()));
        }
        let asked = subscribe.header(HeaderName::Expires).and_then(|value| seconds(value).ok()).unwrap_or(LONGEST);
        if (1..SHORTEST).contains(&asked) {
            let least = SHORTEST.to_string();
            return Err(Refusal::new(Status::INTERVAL_TOO_BRIEF).with(HeaderName::MinExpires, least));
        }
        Ok(Wish { package, id: event.params.get("id").unwrap_or_default().into(), expires: asked.min(LONGEST) })
    }

    /// The Event that its NOTIFYs repeat.
    pub fn event(&self) -> String {
        match &*self.id {
            "" => self.package.as_str().to_owned(),
            id => format!("{};id={id}", self.package.as_str()),
        }
    }
}
