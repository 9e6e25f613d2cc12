//! What of the config takes effect only when the process begins.

use std::net::SocketAddr;

use crate::config::{Config, Listen, Storage};

/// What of the config the process began with cannot change while it runs.
#[derive(Clone)]
pub(super) struct Fixed {
    listen: Vec<Listen>,
    storage: Storage,
    web: (bool, SocketAddr),
}

impl Fixed {
    /// That of the first config.
    pub(super) fn of(config: &Config) -> Fixed {
        Fixed {
            listen: config.sip.listen.clone(),
            storage: config.storage.clone(),
            web: (config.web.is_on, config.web.listen),
        }
    }

    /// What of a new config takes effect only after a restart.
    pub(super) fn differs_in(&self, new: &Config) -> Vec<&'static str> {
        let new = Fixed::of(new);
        let changes = [
            (self.listen != new.listen, "sip.listen"),
            (self.storage != new.storage, "storage.directory"),
            (self.web != new.web, "web.listen"),
        ];
        changes.into_iter().filter(|(changed, _)| *changed).map(|(_, what)| what).collect()
    }
}
