//! Somebody as a header of SIP names them.

use std::sync::Arc;

use crate::sip::Uri;

/// A display name with its URI.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// May be empty.
    pub display: Arc<str>,
    /// The URI.
    pub uri: Uri,
}
