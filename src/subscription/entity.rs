//! Who is watched, under the name by which the watcher asked.

use crate::sip::UriRef;
use crate::sip::uri::escape_user;

/// An extension's address as one watcher writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entity {
    uri: Box<str>,
    host: Box<str>,
}

impl Entity {
    /// The extension `number` at this host.
    pub fn new(number: &str, host: &str) -> Entity {
        let mut uri = String::from("sip:");
        escape_user(&mut uri, number);
        uri.push('@');
        uri.push_str(host);
        Entity { uri: uri.into(), host: host.into() }
    }

    /// The extension `number` at the host that a SUBSCRIBE names.
    pub fn named(number: &str, request_uri: UriRef<'_>) -> Entity {
        Entity::new(number, request_uri.host_str())
    }

    /// `sip:14@192.0.2.1`
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        &self.host
    }
}
