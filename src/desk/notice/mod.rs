//! Who is told of a miss: the customer, by an SMS; and the employee who is to call back, by mail and in a chat.
//!
//! | file | what it is about |
//! |---|---|
//! | `sms` | what a missed customer reads, and who can read it |
//! | `employee` | what employees are told of follow-ups, and which |
//! | `words` | … in their language |

mod employee;
mod sms;
mod words;

pub use employee::{concerns, notices};
pub use sms::{sms, to_be_told};
