//! Customers as other programs export them: a table (CSV), cards (vCard), lines of JSON. What can be read is read with the
//! site's numbering; what cannot is named with its line.

mod entries;
mod ndjson;
mod sheet;
mod vcard;

pub use sheet::{Duplicate, Finding, HEADINGS, Holder, Sheet};
