//! What a carrier may answer.

use crate::clock::Duration;

/// Why a letter did not arrive, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something is wrong with this letter, or may be: it is tried again, and others go on.
    Refused(String),
    /// The receiver does not answer, or says that it cannot at present: it is left in peace, for as long as it says.
    Unwell(String, Option<Duration>),
    /// It can never arrive.
    Never(String),
    /// The receiver wants nothing more, ever.
    Gone(String),
}

impl Failure {
    /// It can never arrive.
    pub fn never(why: impl Into<String>) -> Failure {
        Failure::Never(why.into())
    }

    /// What happened, in words for an admin.
    pub fn why(&self) -> &str {
        match self {
            Failure::Refused(why) | Failure::Unwell(why, _) | Failure::Never(why) | Failure::Gone(why) => why,
        }
    }
}
