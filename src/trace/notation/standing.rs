//! What stands in the setting of a real call's trace beside the usual words: the office itself, where peers are.

use std::net::SocketAddr;

use super::word::{Peer, unquoted, words};
use crate::key::Transport;

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Who.
    pub peer: Peer,
    /// Its address.
    pub address: SocketAddr,
    /// How it is reached.
    pub by: Transport,
    /// The Contact under which it is registered; `None`: it is not, or it is a trunk.
    pub contact: Option<String>,
    /// The Path of its registration.
    pub path: Vec<String>,
}

impl Place {
    /// Reads `14 192.168.1.9:5060 udp contact "sip:14@192.168.1.9" path "<sip:192.168.1.1;lr>"`.
    pub(super) fn read(list: &[String]) -> Result<Place, String> {
        let [peer, address, by, rest @ ..] = list else {
            return Err("expected: at PEER ADDRESS:PORT udp|tcp [contact \"URI\" [path \"URI\"]…]".into());
        };
        let address = address.parse().map_err(|_| format!("{address:?} is no address with a port"))?;
        let by = match by.as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            by => return Err(format!("{by:?} is neither udp nor tcp")),
        };
        let mut place = Place { peer: Peer::read(peer), address, by, contact: None, path: Vec::new() };
        for pair in rest.chunks(2) {
            match pair {
                [word, uri] if word == "contact" => place.contact = Some(unquoted(uri)),
                [word, uri] if word == "path" => place.path.push(unquoted(uri)),
                _ => return Err("expected after the address: contact \"URI\", path \"URI\"".into()),
            }
        }
        Ok(place)
    }

    /// The same, written.
    pub(super) fn write(&self) -> String {
        let mut text = format!("{} {} {}", self.peer, self.address, self.by.as_str());
        self.contact.iter().for_each(|contact| text.push_str(&format!(" contact \"{contact}\"")));
        self.path.iter().for_each(|path| text.push_str(&format!(" path \"{path}\"")));
        text
    }

    /// Reads the words of `now at …`.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn of_words(list: &[String]) -> Result<Place, String> {
        Place::read(list)
    }

    /// As words, for `now at …`.
    pub fn to_words(&self) -> Vec<String> {
        words(&self.write())
    }
}
