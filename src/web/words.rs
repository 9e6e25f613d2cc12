//! How things of the record look in answers: names that several rooms share.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::fact::{KnownCustomer, Party};

/// Whoever is at one end of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Somebody {
    /// The number, as `+` and digits, where it could be read.
    #[schema(example = "+79161234567")]
    number: Option<String>,
    /// As it came, where it could not be read; empty otherwise.
    text: String,
    /// The display name.
    name: Option<String>,
    /// The extension, of an employee.
    extension: Option<String>,
    /// The caller asked not to be shown.
    anonymous: bool,
}

impl From<Party> for Somebody {
    fn from(party: Party) -> Somebody {
        Somebody {
            number: party.number.map(|number| number.to_string()),
            text: party.text,
            name: party.name.map(|name| name.to_string()),
            extension: party.extension.map(|extension| extension.to_string()),
            anonymous: party.anonymous,
        }
    }
}

/// The customer a call is with, as known when it began.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CalledCustomer {
    /// The CRM's id.
    id: String,
    /// Name.
    name: String,
    /// The responsible employee's extension.
    responsible: Option<String>,
}

impl From<KnownCustomer> for CalledCustomer {
    fn from(customer: KnownCustomer) -> CalledCustomer {
        CalledCustomer {
            id: customer.id.to_string(),
            name: customer.name.to_string(),
            responsible: customer.responsible.map(|responsible| responsible.to_string()),
        }
    }
}

/// How a value is written: the word of an enumeration.
pub(super) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A moment, as RFC 3339 has it.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_string()
}
