//! What can be wrong with a message, and what the sender hears about it.

use std::fmt;

use super::name::HeaderName;
use super::status::Status;

/// What is wrong with a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// Nothing but line breaks: a keep-alive, or an empty datagram.
    Empty,
    /// The empty line after the headers never comes.
    Unfinished,
    /// More than [`super::MAX_MESSAGE`] bytes.
    TooLarge,
    /// More than [`super::MAX_HEADERS`] header lines.
    TooManyHeaders,
    /// More than [`super::MAX_HOPS`] Vias.
    TooManyVias,
    /// More than [`super::MAX_HOPS`] Routes or Record-Routes.
    TooManyRoutes,
    /// A carriage return or a line feed that stands alone.
    LineBreak,
    /// The first line is neither a request line nor a status line.
    StartLine,
    /// The first line names a version of SIP other than 2.0.
    Version,
    /// The Request-URI follows no grammar, or has what a Request-URI must not have (RFC 3261 §19.1.1).
    RequestUri,
    /// The Request-URI is neither `sip:`, `sips:` nor `tel:`.
    Scheme,
    /// A header line without a name or without its colon.
    HeaderLine,
    /// A header that every message must have is not there.
    Missing(HeaderName),
    /// A header that may come once came twice.
    Doubled(HeaderName),
    /// A header's value does not follow its grammar.
    Unreadable(HeaderName),
    /// The method in CSeq is not the request's.
    OtherMethod,
    /// The body is shorter than Content-Length says.
    BodyCut,
    /// Two Content-Lengths that differ: nobody can say where the message ends.
    LengthsDiffer,
    /// No Content-Length where a stream needs one (RFC 3261 §18.3).
    LengthMissing,
}

impl Fault {
    /// What a request with this fault deserves.
    pub fn status(self) -> Status {
        match self {
            Fault::TooLarge | Fault::TooManyHeaders => Status::MESSAGE_TOO_LARGE,
            Fault::TooManyVias => Status::TOO_MANY_HOPS,
            Fault::Version => Status::VERSION_NOT_SUPPORTED,
            Fault::Scheme => Status::UNSUPPORTED_URI_SCHEME,
            _ => Status::BAD_REQUEST,
        }
    }

    /// The reason phrase of the answer: what is wrong, for whoever debugs the peer.
    pub fn phrase(self) -> &'static str {
        match self {
            Fault::Missing(HeaderName::Via) => "Missing Via",
            Fault::Missing(HeaderName::From) => "Missing From",
            Fault::Missing(HeaderName::To) => "Missing To",
            Fault::Missing(HeaderName::CallId) => "Missing Call-ID",
            Fault::Missing(HeaderName::CSeq) => "Missing CSeq",
            Fault::Doubled(_) => "Doubled Header",
            Fault::Unreadable(HeaderName::Via) => "Unreadable Via",
            Fault::Unreadable(HeaderName::From) => "Unreadable From",
            Fault::Unreadable(HeaderName::To) => "Unreadable To",
            Fault::Unreadable(HeaderName::Contact) => "Unreadable Contact",
            Fault::Unreadable(HeaderName::CSeq) => "Unreadable CSeq",
            Fault::Unreadable(_) => "Unreadable Header",
            Fault::RequestUri => "Unreadable Request-URI",
            Fault::TooManyRoutes => "Too Many Routes Or Contacts",
            Fault::OtherMethod => "CSeq Names Another Method",
            Fault::BodyCut => "Body Shorter Than Content-Length",
            Fault::LengthsDiffer => "Content-Lengths Differ",
            Fault::LengthMissing => "Missing Content-Length",
            Fault::LineBreak => "Bare Line Break",
            _ => self.status().phrase(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty => f.write_str("there is no message"),
            Fault::Unfinished => f.write_str("the empty line after the headers is missing"),
            Fault::TooLarge => f.write_str("the message is too large"),
            Fault::TooManyHeaders => f.write_str("there are too many header lines"),
            Fault::TooManyVias => f.write_str("there are too many Vias"),
            Fault::TooManyRoutes => f.write_str("there are too many Routes"),
            Fault::LineBreak => f.write_str("a carriage return or line feed stands alone"),
            Fault::StartLine => f.write_str("the first line is no request line and no status line"),
            Fault::Version => f.write_str("the version is not SIP/2.0"),
            Fault::RequestUri => f.write_str("the Request-URI is unreadable"),
            Fault::Scheme => f.write_str("the Request-URI is neither sip, sips nor tel"),
            Fault::HeaderLine => f.write_str("a header line has no name or no colon"),
            Fault::Missing(name) => write!(f, "{name} is missing"),
            Fault::Doubled(name) => write!(f, "{name} came twice"),
            Fault::Unreadable(name) => write!(f, "{name} is unreadable"),
            Fault::OtherMethod => f.write_str("CSeq names another method than the first line"),
            Fault::BodyCut => f.write_str("the body is shorter than Content-Length says"),
            Fault::LengthsDiffer => f.write_str("two Content-Lengths differ"),
            Fault::LengthMissing => f.write_str("a message on a stream has no Content-Length"),
        }
    }
}
