//! Who is calling: a customer's number leads to a name and to the employee responsible for them, from memory.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a CRM says a customer is.
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

/// A person or company with numbers and somebody responsible for them.
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
