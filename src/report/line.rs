//! One call as reports see it, and in which row it stands.
//!
//! | row of | in which a call stands |
//! |---|---|
//! | a day, weekday, hour | in which it began, by the site's clock; an hour that comes twice counts as one |
//! | an employee | who called, of outgoing and internal calls; who answered first, of answered ones; of missed ones who is responsible for the customer, else the only one who was rung; else nobody |
//! | a group | the first one that it came to, whoever answered |
//! | a DID, a source | on which it came in |
//! | a trunk | on which it came in; of outgoing calls on which it went out |
//!
//! A call that was handed on counts, with all of its talk time, for who answered it first. An attended transfer makes two calls of the list: the
//! one that goes on, and the one with which it was announced.

use super::ask::Dimension;
use crate::clock::Timestamp;
use crate::fact::MissedCause;
use crate::route::Direction;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it was offered.
    pub began: Timestamp,
    /// When it ended; `None` while it lasts.
    pub ended: Option<Timestamp>,
    /// From where to where.
    pub direction: Direction,
    /// The employee who called.
    pub caller: Option<&'a str>,
    /// When the first human answered.
    pub answered: Option<Timestamp>,
    /// The extension, or the number outside, that answered first.
    pub answered_by: Option<&'a str>,
    /// The customer's responsible.
    pub responsible: Option<&'a str>,
    /// The extensions rung, as `,12,14,`.
    pub rung: Option<&'a str>,
    /// The DID it came in on.
    pub did: Option<&'a str>,
    /// That DID's `source`.
    pub source: Option<&'a str>,
    /// The trunk it came in on.
    pub trunk: Option<&'a str>,
    /// The trunk it went out on.
    pub out_trunk: Option<&'a str>,
    /// The first group it came to.
    pub group: Option<&'a str>,
    /// The group that had it when it was answered.
    pub answered_in: Option<&'a str>,
    /// Why nobody talked, where that is a miss.
    pub missed: Option<MissedCause>,
    /// How long two people were connected, in milliseconds.
    pub talk_ms: u64,
    /// Of a miss: the promise to call back.
    pub promise: Option<Promise>,
}

/// A promise to call back, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Until when.
    pub due: Timestamp,
    /// When it was settled: the begin of the talk that did, or the moment in which somebody closed it by hand.
    pub settled: Option<Timestamp>,
    /// It was a talk.
    pub talked: bool,
}

impl<'a> Line<'a> {
    /// True for a call of somebody outside: not of an employee who calls in by mobile phone.
    pub(super) fn is_customers(&self) -> bool {
        self.direction == Direction::Inbound && self.caller.is_none()
    }

    /// True for one that is over, with a human who answered.
    pub(super) fn was_answered(&self) -> bool {
        self.ended.is_some() && self.answered.is_some() && self.missed.is_none()
    }

    /// In which row it stands; `None`: in that of nobody. Days and hours are not its own to tell.
    pub(super) fn name(&self, of: Dimension) -> Option<&'a str> {
        match of {
            Dimension::User => self.user(),
            Dimension::Group => self.group,
            Dimension::Did => self.did,
            Dimension::Source => self.source,
            Dimension::Trunk if self.direction == Direction::Inbound => self.trunk,
            Dimension::Trunk => self.out_trunk,
            Dimension::Day | Dimension::Weekday | Dimension::Hour => None,
        }
    }

    /// The extensions rung, each once.
    pub(super) fn rang(&self) -> impl Iterator<Item = &'a str> {
        self.rung.unwrap_or_default().split(',').filter(|extension| !extension.is_empty())
    }

    /// The employee in whose row it stands.
    pub(super) fn user(&self) -> Option<&'a str> {
        if self.direction != Direction::Inbound {
            return self.caller;
        }
        match (self.answered_by, self.missed) {
            (Some(who), None) => Some(who).filter(|who| self.rang().any(|extension| extension == *who)),
            (_, _) if self.ended.is_none() => None,
            _ => self.responsible.or_else(|| {
                let mut rang = self.rang();
                rang.next().filter(|_| rang.next().is_none())
            }),
        }
    }
}
