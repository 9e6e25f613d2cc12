//! What people and programs have written down, to hold until they say otherwise: customers, tokens, reports.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::number::PhoneNumber;

/// A customer as other programs and people write them down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerCard {
    /// As people read it.
    pub name: Arc<str>,
    /// The extension responsible.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub responsible: Option<Arc<str>>,
    /// The numbers, the one to call back on first.
    pub numbers: Vec<PhoneNumber>,
    /// Made by the router of a number that nobody knew; the name is still the number.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub provisional: bool,
}

/// Who may use the API, and for what. The token itself is shown once and stored nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names it in lists and logs.
    pub id: Arc<str>,
    /// What it is for, in the admin's words.
    pub name: Arc<str>,
    /// The employee it belongs to: it shows and does what is theirs. `None`: the whole company's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<Arc<str>>,
    /// What it is good for, as `web` reads it: `calls:read`, `follow-ups:write`, …, `admin`.
    pub scopes: Vec<Arc<str>>,
    /// The SHA-256 of the token, as 64 hex digits.
    pub hash: Arc<str>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
}

/// A report as somebody defined it, in the words of `report`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedReport {
    /// Which figures: `calls`, `lost`, ….
    pub report: Arc<str>,
    /// A row for each of these: `day,user`.
    pub by: Arc<str>,
    /// Of which days: `7d`, `last-month`, ….
    pub period: Arc<str>,
    /// Of this employee's calls only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<Arc<str>>,
    /// … of this group's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<Arc<str>>,
    /// … of this number's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub did: Option<Arc<str>>,
    /// … of this source's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<Arc<str>>,
}
