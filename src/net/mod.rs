//! Where bytes come in and go out: the sockets of phones and trunks.

pub mod resolve;
pub mod stream;
pub mod udp;
