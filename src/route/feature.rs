//! Feature codes that an employee has dialled: what each is for.

use std::fmt;
use std::sync::Arc;

use crate::config::{Code, Config, ForwardWhen};

/// What a dialled feature code is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The own calls go there from now on; `None`: the number is asked for.
    Forward(ForwardWhen, Option<Arc<str>>),
    /// They do no longer.
    ForwardOff(ForwardWhen),
    /// Away (`true`), or back.
    Away(bool),
    /// The hours are open or closed by hand, or (`None`) as they are written.
    Hours(Option<bool>),
    /// The caller hears what they say.
    Echo,
    /// The caller hears the own number.
    OwnNumber,
    /// The own messages.
    Mailbox,
    /// The messages of a box; `None`: which one is asked for.
    AnyMailbox(Option<Arc<str>>),
    /// Something that may not be.
    NotAllowed,
}

impl Feature {
    /// What a code is for that is no pickup; `behind`: what is dialled behind it.
    pub(super) fn of(config: &Config, code: Code, behind: &str) -> Option<Feature> {
        let behind = Some(behind).filter(|behind| !behind.is_empty()).map(Arc::from);
        Some(match code {
            Code::PickUp | Code::PickUpOf => return None,
            Code::ForwardOn(when) => Feature::Forward(when, behind),
            Code::ForwardOff(when) => Feature::ForwardOff(when),
            Code::Away(away) => Feature::Away(away),
            // Where no DID has hours there is nothing to set.
            Code::Hours(_) if config.features.hours.is_empty() => return None,
            Code::Hours(open) => Feature::Hours(open),
            Code::Echo => Feature::Echo,
            Code::OwnNumber => Feature::OwnNumber,
            Code::Mailbox => Feature::Mailbox,
            Code::AnyMailbox => Feature::AnyMailbox(behind),
        })
    }
}

/// In a reason and on record: `away on`, `forward busy to 14`.
impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Feature::Forward(when, Some(to)) => write!(f, "forward {} to {to}", when.word()),
            Feature::Forward(when, None) => write!(f, "forward {}", when.word()),
            Feature::ForwardOff(when) => write!(f, "forward {} off", when.word()),
            Feature::Away(true) => f.write_str("away on"),
            Feature::Away(false) => f.write_str("away off"),
            Feature::Hours(Some(true)) => f.write_str("hours open"),
            Feature::Hours(Some(false)) => f.write_str("hours closed"),
            Feature::Hours(None) => f.write_str("hours as written"),
            Feature::Echo => f.write_str("echo"),
            Feature::OwnNumber => f.write_str("own number"),
            Feature::Mailbox => f.write_str("mailbox"),
            Feature::AnyMailbox(None) => f.write_str("mailbox of anybody"),
            Feature::AnyMailbox(Some(of)) => write!(f, "mailbox of {of}"),
            Feature::NotAllowed => f.write_str("not allowed"),
        }
    }
}
