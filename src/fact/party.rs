//! Who speaks at one end of a call, and which customer a call is with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::number::PhoneNumber;

/// Who speaks at one end of a call, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The number, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub number: Option<PhoneNumber>,
    /// As it came; shown where the number could not be read. Empty for an anonymous caller.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub text: String,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Arc<str>>,
    /// The employee's extension, where it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extension: Option<Arc<str>>,
    /// The caller asked not to be shown (RFC 3323), or gave no number.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub anonymous: bool,
}

/// The customer a call is with, as known when the call began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCustomer {
    /// The CRM's id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// The responsible employee's extension.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub responsible: Option<Arc<str>>,
}

impl KnownCustomer {
    /// True for one whom the router has made of a number: the name is still the number.
    pub fn is_provisional(&self) -> bool {
        self.id == self.name && self.name.starts_with('+')
    }
}
