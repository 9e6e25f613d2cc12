//! Why the router does not run.

use std::{fmt, io};

use crate::config::Problems;
use crate::journal::Unwritten;
use crate::net::CannotListen;
use crate::store::StoreError;

/// Why the router does not run.
#[derive(Debug)]
pub enum CannotServe {
    /// The config cannot be followed.
    Config(Problems),
    /// The machine does not give what is needed; in words for an admin.
    Machine(String),
}

impl fmt::Display for CannotServe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CannotServe::Config(why) => write!(f, "{why}"),
            CannotServe::Machine(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for CannotServe {}

impl From<Problems> for CannotServe {
    fn from(problems: Problems) -> CannotServe {
        CannotServe::Config(problems)
    }
}

impl From<io::Error> for CannotServe {
    fn from(error: io::Error) -> CannotServe {
        CannotServe::Machine(error.to_string())
    }
}

impl From<CannotListen> for CannotServe {
    fn from(error: CannotListen) -> CannotServe {
        CannotServe::Machine(error.to_string())
    }
}

impl From<StoreError> for CannotServe {
    fn from(error: StoreError) -> CannotServe {
        CannotServe::Machine(error.to_string())
    }
}

impl From<Unwritten> for CannotServe {
    fn from(error: Unwritten) -> CannotServe {
        CannotServe::Machine(error.to_string())
    }
}
