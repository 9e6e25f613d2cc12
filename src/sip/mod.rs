//! Bytes become SIP messages here, and messages become bytes: the grammar of RFC 3261 and its extensions, and nothing of
//! what they mean.
//!
//! [`Message::parse`] reads a message once, at the door: whoever holds a [`Message`] holds one whose start line, Via,
//! From, To, Call-ID, CSeq and Max-Forwards were understood and whose framing is sound. What was not understood is
//! [`Malformed`], which knows whether and how it can be answered. [`Writer`] is the only way out: it writes no line
//! break that it did not mean.

mod head;
mod lex;
mod multipart;
mod uri_parts;

pub mod anew;
pub mod crossing;
pub mod digest;
pub mod fault;
pub mod framing;
pub mod header;
pub mod host;
pub mod malformed;
pub mod message;
pub mod method;
pub mod name;
pub mod parse;
pub mod print;
pub mod sdp;
pub mod status;
pub mod uri;

pub use fault::Fault;
pub use framing::{Framed, Framer};
pub use head::{MAX_HEADERS, MAX_HOPS, MAX_MESSAGE};
pub use lex::{Elements, Params, Unreadable};
pub use malformed::Malformed;
pub use message::{Message, Start};
pub use method::Method;
pub use name::HeaderName;
pub use print::{Draft, Value, Writer};
pub use status::Status;
pub use uri::{Host, Scheme, Uri, UriRef};
