//! Which letters follow from facts and events, by the rules of the config in force.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::carry::Carry;
use super::{Bell, Current, webhook};
use crate::address_book::AddressBook;
use crate::config::Config;
use crate::event::Event;
use crate::fact::Fact;
use crate::letter::{Letter, letters};
use crate::store::{CustomerChange, Outgoing};

/// Writes letters.
#[derive(Clone)]
pub struct Secretary {
    /// The config in force.
    pub current: Current,
    /// Wakes whoever carries them.
    pub bell: Bell,
    /// Hears of customers who are different.
    pub address_book: AddressBook,
    /// Speaks the dialects of CRMs.
    pub crm: Option<Arc<dyn Carry>>,
    /// The tokens with which somebody may ask for events.
    pub tokens: Arc<Mutex<BTreeSet<Arc<str>>>>,
    /// Hears which events are on the disk.
    pub hears: Option<Arc<dyn Fn(Vec<Event>) + Send + Sync>>,
}

impl fmt::Debug for Secretary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secretary").finish_non_exhaustive()
    }
}

impl Secretary {
    /// Keeps in mind who may ask for events.
    fn note(&self, fact: &Fact) {
        let tokens = || self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match fact {
            Fact::Token(token) => _ = tokens().insert(token.id.clone()),
            Fact::TokenRevoked { id } => _ = tokens().remove(id),
            _ => {}
        }
    }
}

impl Outgoing for Secretary {
    fn config(&self) -> Option<Arc<Config>> {
        (self.current)()
    }

    fn letters(&self, fact: &Fact) -> Vec<Letter> {
        self.note(fact);
        // Nearly every fact is of no interest, and the config is behind a lock.
        if !matches!(fact, Fact::Recorded(_)) {
            return Vec::new();
        }
        (self.current)().map_or(Vec::new(), |config| letters(fact, &config))
    }

    fn wants_events(&self) -> bool {
        let Some(config) = (self.current)() else { return false };
        config.webhooks.iter().any(|webhook| webhook.active)
            || self.crm.as_ref().is_some_and(|crm| crm.is_wanted(&config))
            || config.web.is_on && !self.tokens.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn letters_of(&self, event: &Event) -> Vec<Letter> {
        let Some(config) = (self.current)() else { return Vec::new() };
        let mut letters = webhook::letters_of(event, &config);
        if let Some(crm) = &self.crm {
            letters.extend(crm.letters_of(event, &config));
        }
        letters
    }

    fn customers(&self, changes: Vec<CustomerChange>) {
        self.address_book.changed(changes);
    }

    fn happened(&self, events: Vec<Event>) {
        if let Some(hears) = &self.hears {
            hears(events);
        }
    }

    fn posted(&self) {
        self.bell.ring();
    }
}
