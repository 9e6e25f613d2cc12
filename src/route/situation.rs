//! Everything that one decision sees, as one value: the config, the moment, who calls whom, and the state of the office.
//!
//! The switch gathers a [`Situation`] from its tables and hands it to [`decide`](super::decide); `explain` builds one from
//! what an admin types. Nothing else enters a decision, so the same situation always gives the same plan.

use std::sync::Arc;

use super::feature::Feature;
use super::reason::Reason;
use crate::clock::Timestamp;
use crate::config::{Code, Config, Dialled, DidIx, ExtensionIx, TrunkIx};
use crate::customer::Customer;
use crate::number::PhoneNumber;
use crate::state::State;

/// One call as it arrives, and all that matters for it.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What the admin said.
    pub config: &'a Config,
    /// Civil time.
    pub at: Timestamp,
    /// From which side the call comes.
    pub origin: Origin,
    /// Who calls.
    pub caller: &'a Caller,
    /// What was dialled.
    pub dialled: &'a Destined,
    /// The customer to whom the caller's number belongs; `None` for strangers, the anonymous and our own.
    pub customer: Option<&'a Customer>,
    /// What happened rather than was configured: overrides, who is away, the block list, counters.
    pub state: &'a State,
    /// How many calls are in progress, without this one.
    pub load: &'a dyn Load,
    /// Chance for random orders, handed in so that a decision can be repeated.
    pub chance: u64,
    /// Who is busy, who can be reached. The decision itself does not ask; the walk does, at each start.
    pub presence: &'a dyn Presence,
}

impl Situation<'_> {
    /// True where the caller is on the block list. Colleagues are not on it, whatever number they call from.
    pub fn is_blocked(&self) -> bool {
        let number = self.caller.number.filter(|_| self.caller.extension.is_none());
        number.is_some_and(|number| self.state.blocked(number).is_some())
    }

    /// Whether an employee may call outside once more today.
    ///
    /// # Errors
    /// The cap that is reached.
    pub(super) fn within_cap(&self, extension: ExtensionIx) -> Result<(), Reason> {
        let employee = self.config.extension(extension);
        let made_today = || self.state.called_outside(&employee.number, self.local_day());
        match employee.daily_calls.filter(|limit| made_today() >= *limit) {
            Some(limit) => Err(Reason::DailyCap { extension: employee.number.clone(), limit }),
            None => Ok(()),
        }
    }

    /// The site's local day: daily caps count by it.
    pub fn local_day(&self) -> jiff::civil::Date {
        self.at.to_zoned(self.config.site.timezone.clone()).date()
    }
}

/// From which side a call comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A provider.
    Trunk(TrunkIx),
    /// A device of one of our extensions, authenticated.
    Extension(ExtensionIx),
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The number, where one was given that can be read and shown.
    pub number: Option<PhoneNumber>,
    /// The number as it came; empty for the anonymous.
    pub verbatim: Arc<str>,
    /// True: withheld (Privacy: id), or none was given. Neither matched nor shown.
    pub anonymous: bool,
    /// The employee who calls: the extension whose device it is, or whose own GSM number calls in.
    pub extension: Option<ExtensionIx>,
}

/// What was dialled, read once at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destined {
    /// One of our own public numbers.
    Did(DidIx),
    /// One of our extensions; only from inside.
    Extension(ExtensionIx),
    /// A public number that is not ours.
    Number(PhoneNumber),
    /// An emergency number as it was dialled; only from inside.
    Emergency(Arc<str>),
    /// What rings at somebody else, and how that was dialled; only from inside.
    PickUp(PickUp, Arc<str>),
    /// A feature code, and how it was dialled; only from inside.
    Feature(Feature, Arc<str>),
    /// What cannot be read as a number, as it came; empty where nothing was named.
    Unreadable(Arc<str>),
}

/// Whose ringing call somebody takes over by dialling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickUp {
    /// `*8`: the one that rings longest for a group of the one who dials.
    Group,
    /// `**12`: the one that rings longest at this extension.
    From(Arc<str>),
}

/// What was dialled as the door reads it.
impl Destined {
    /// By a provider. An account that we registered there is no number: the provider then names none.
    pub fn from_outside(config: &Config, text: &str, trunk: TrunkIx) -> Destined {
        if let Some(did) = config.did_from_trunk(text, trunk) {
            return Destined::Did(did);
        }
        if config.trunk(trunk).register.as_ref().is_some_and(|register| *register.user == *text) {
            return Destined::Unreadable("".into());
        }
        match config.site.numbering.read_from(text, config.trunk(trunk).dials) {
            Some(number) => Destined::Number(number),
            None => Destined::Unreadable(crate::number::bare(text).as_ref().into()),
        }
    }

    /// By an employee.
    pub fn from_inside(config: &Config, text: &str) -> Destined {
        let feature = || Destined::feature(config, &crate::number::bare(text));
        match (config.dialled(text), config.did_from_inside(text)) {
            (Dialled::Emergency(text), _) => Destined::Emergency(text),
            (Dialled::Extension(extension), _) => Destined::Extension(extension),
            (dialled, did) => feature().unwrap_or(match (dialled, did) {
                // A DID of our own never leaves the house, however it is written.
                (_, Some(did)) => Destined::Did(did),
                (Dialled::Number(number), None) => Destined::Number(number),
                _ => Destined::Unreadable(crate::number::bare(text).as_ref().into()),
            }),
        }
    }

    fn feature(config: &Config, text: &str) -> Option<Destined> {
        match config.features.read_dialled(text)? {
            (Code::PickUp, _) => Some(Destined::PickUp(PickUp::Group, text.into())),
            (Code::PickUpOf, whom) => Some(Destined::PickUp(PickUp::From(whom.into()), text.into())),
            (code, behind) => Some(Destined::Feature(Feature::of(config, code, behind)?, text.into())),
        }
    }
}

/// Who is busy and who can be reached, at this moment. Derived from live legs and bindings, never stored.
pub trait Presence {
    /// How this extension stands. One with call waiting is never [`Availability::Busy`].
    fn of(&self, extension: ExtensionIx) -> Availability;
}

impl<F: Fn(ExtensionIx) -> Availability> Presence for F {
    fn of(&self, extension: ExtensionIx) -> Availability {
        self(extension)
    }
}

/// How an extension stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Availability {
    /// A device can ring. One that must first be woken by a push counts as such.
    Free,
    /// Has an answered leg, or one that it is dialling itself.
    Busy,
    /// No device can ring.
    Unreachable,
}

/// How many calls are in progress where limits count them. Derived from live calls, never stored.
pub trait Load {
    /// Calls on this trunk, both directions.
    fn on_trunk(&self, trunk: TrunkIx) -> u32;
    /// Calls to this DID.
    fn on_did(&self, did: DidIx) -> u32;
}

/// An office where nothing goes on: everybody is free, and no call is in progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct Idle;

impl Presence for Idle {
    fn of(&self, _: ExtensionIx) -> Availability {
        Availability::Free
    }
}

impl Load for Idle {
    fn on_trunk(&self, _: TrunkIx) -> u32 {
        0
    }
    fn on_did(&self, _: DidIx) -> u32 {
        0
    }
}
