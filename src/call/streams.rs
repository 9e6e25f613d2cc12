//! Connections that are open, and who speaks on each: where a request is too large for a datagram, it takes one of them
//! (RFC 3261 §18.1.1). Where there is none it goes as a datagram all the same: nobody waits on the call path for a
//! connection to open.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::key::{Flow, Transport};

/// A request of more bytes than these goes by a stream if it can: the path's MTU is not known.
const LARGEST_DATAGRAM: usize = 1300;

/// True where these bytes should not go by this way.
pub(super) fn is_too_large(bytes: &[u8], way: &Flow) -> bool {
    way.transport == Transport::Udp && bytes.len() > LARGEST_DATAGRAM
}

/// Who speaks on a connection: a trunk (true) or an extension, by its name or number.
type Who = (bool, Arc<str>);

/// The open connections of peers that we know, by the edge's number: no more than the edge keeps open.
#[derive(Debug, Default)]
pub struct Streams {
    open: BTreeMap<u32, (Who, Flow)>,
}

impl Streams {
    /// This peer, and nobody who only says so, speaks on this way.
    pub fn heard(&mut self, is_trunk: bool, name: &Arc<str>, flow: Flow) {
        if flow.transport.is_reliable() && flow.connection != 0 {
            self.open.insert(flow.connection, ((is_trunk, name.clone()), flow));
        }
    }

    /// A connection is closed.
    pub fn closed(&mut self, flow: Flow) {
        self.open.remove(&flow.connection);
    }

    /// The latest connection of this peer to the address to which `way` leads.
    pub(super) fn to(&self, is_trunk: bool, name: &str, way: &Flow) -> Option<Flow> {
        let leads_there = |((trunk, known), flow): &&(Who, Flow)| {
            *trunk == is_trunk && **known == *name && flow.remote.ip() == way.remote.ip()
        };
        self.open.values().rev().find(leads_there).map(|(_, flow)| *flow)
    }
}
