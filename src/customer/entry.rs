//! What is known of a customer, going into the index and coming out of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::number::PhoneNumber;

/// What a CRM says a customer is. The order is the priority among several entries for one number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person.
    Contact,
    /// A company.
    Company,
    /// Somebody who may become a customer.
    Lead,
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Kind; 3] = [Kind::Contact, Kind::Company, Kind::Lead];

    /// As files and tables write it.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Contact => "contact",
            Kind::Company => "company",
            Kind::Lead => "lead",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Kind, String> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(text.trim()));
        kind.ok_or_else(|| format!("{text:?} is no kind of customer: contact, company or lead"))
    }
}

/// A person or company with numbers and somebody responsible for them: one call's own copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// What the CRM calls it; unique within its kind.
    pub id: Arc<str>,
    /// What it is.
    pub kind: Kind,
    /// As people read it; empty where nobody knows.
    pub name: Arc<str>,
    /// The number of the extension responsible; `None`: nobody.
    pub responsible: Option<Arc<str>>,
}

impl Customer {
    /// True for one whom the router has made of a number: nothing but the number is known, so their calls go where a
    /// stranger's go.
    pub fn is_provisional(&self) -> bool {
        self.kind == Kind::Lead && self.id == self.name && self.name.starts_with('+')
    }
}

/// What is known of a customer, on its way into the index.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What the CRM calls it; unique within its kind. At most 255 bytes.
    pub id: &'a str,
    /// What it is.
    pub kind: Kind,
    /// As people read it. What goes beyond 255 bytes is cut off.
    pub name: &'a str,
    /// At most 255.
    pub numbers: &'a [PhoneNumber],
    /// The number of the extension responsible.
    pub responsible: Option<&'a str>,
    /// When the CRM changed it last; kept to the second.
    pub changed: Timestamp,
}
