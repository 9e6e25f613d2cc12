//! Bytes and messages: what is on the wire, read and written.

pub mod digest;
pub mod sdp;
