//! Passwords, kept from logs: a [`Secret`] prints as dots and is read only where it is asked for by name.

use std::fmt;
use std::sync::Arc;

/// A password in the clear, as digest authentication needs it (RFC 8760 HA1 is computed from it at load).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps a password.
    pub fn new(password: &str) -> Secret {
        Secret(password.into())
    }

    /// The password itself. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"…\"")
    }
}
