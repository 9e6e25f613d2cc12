//! The names that header lines carry, known ones as a number, with their compact letters.

use std::fmt;

/// The name of a header field, compared without case (RFC 3261 §7.3.1); compact letters read as the long name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the variants are the field names of the RFCs, letter by letter
#[rustfmt::skip]
pub enum HeaderName {
    Accept, AcceptContact, AcceptEncoding, AcceptLanguage, AlertInfo, Allow, AllowEvents, AuthenticationInfo,
    Authorization, CallId, CallInfo, Contact, ContentDisposition, ContentEncoding, ContentLanguage, ContentLength,
    ContentType, CSeq, Date, Diversion, ErrorInfo, Event, Expires, FlowTimer, From, Geolocation, HistoryInfo, Identity,
    InfoPackage, InReplyTo, Join, MaxForwards, MimeVersion, MinExpires, MinSe, Organization, PAccessNetworkInfo,
    PAssertedIdentity, PAssociatedUri, PCalledPartyId, PChargingVector, PEarlyMedia, PPreferredIdentity, Path,
    Priority, Privacy, ProxyAuthenticate, ProxyAuthorization, ProxyRequire, RAck, Reason, RecordRoute, RecvInfo,
    ReferSub, ReferTo, ReferredBy, RejectContact, RemotePartyId, Replaces, ReplyTo, RequestDisposition, Require,
    RetryAfter, Route, RSeq, Server, ServiceRoute, SessionExpires, SipETag, SipIfMatch, Subject, SubscriptionState,
    Supported, TargetDialog, Timestamp, To, Unsupported, UserAgent, UserToUser, Via, Warning, WwwAuthenticate,
    /// Any name that is not listed above; its spelling stays in the message.
    Other,
}

const COUNT: usize = HeaderName::Other as usize;

/// Each name as we write it, and its compact letter (0 where there is none), in the order of the enum.
#[rustfmt::skip]
const NAMES: [(HeaderName, &str, u8); COUNT] = {
    use HeaderName::*;
    [
        (Accept, "Accept", 0), (AcceptContact, "Accept-Contact", b'a'), (AcceptEncoding, "Accept-Encoding", 0),
        (AcceptLanguage, "Accept-Language", 0), (AlertInfo, "Alert-Info", 0), (Allow, "Allow", 0),
        (AllowEvents, "Allow-Events", b'u'), (AuthenticationInfo, "Authentication-Info", 0),
        (Authorization, "Authorization", 0), (CallId, "Call-ID", b'i'), (CallInfo, "Call-Info", 0),
        (Contact, "Contact", b'm'), (ContentDisposition, "Content-Disposition", 0),
        (ContentEncoding, "Content-Encoding", b'e'), (ContentLanguage, "Content-Language", 0),
        (ContentLength, "Content-Length", b'l'), (ContentType, "Content-Type", b'c'), (CSeq, "CSeq", 0),
        (Date, "Date", 0), (Diversion, "Diversion", 0), (ErrorInfo, "Error-Info", 0), (Event, "Event", b'o'),
        (Expires, "Expires", 0), (FlowTimer, "Flow-Timer", 0), (From, "From", b'f'),
        (Geolocation, "Geolocation", 0), (HistoryInfo, "History-Info", 0), (Identity, "Identity", b'y'),
        (InfoPackage, "Info-Package", 0), (InReplyTo, "In-Reply-To", 0), (Join, "Join", 0),
        (MaxForwards, "Max-Forwards", 0), (MimeVersion, "MIME-Version", 0), (MinExpires, "Min-Expires", 0),
        (MinSe, "Min-SE", 0), (Organization, "Organization", 0), (PAccessNetworkInfo, "P-Access-Network-Info", 0),
        (PAssertedIdentity, "P-Asserted-Identity", 0), (PAssociatedUri, "P-Associated-URI", 0),
        (PCalledPartyId, "P-Called-Party-ID", 0), (PChargingVector, "P-Charging-Vector", 0),
        (PEarlyMedia, "P-Early-Media", 0), (PPreferredIdentity, "P-Preferred-Identity", 0), (Path, "Path", 0),
        (Priority, "Priority", 0), (Privacy, "Privacy", 0), (ProxyAuthenticate, "Proxy-Authenticate", 0),
        (ProxyAuthorization, "Proxy-Authorization", 0), (ProxyRequire, "Proxy-Require", 0), (RAck, "RAck", 0),
        (Reason, "Reason", 0), (RecordRoute, "Record-Route", 0), (RecvInfo, "Recv-Info", 0),
        (ReferSub, "Refer-Sub", 0), (ReferTo, "Refer-To", b'r'), (ReferredBy, "Referred-By", b'b'),
        (RejectContact, "Reject-Contact", b'j'), (RemotePartyId, "Remote-Party-ID", 0), (Replaces, "Replaces", 0),
        (ReplyTo, "Reply-To", 0), (RequestDisposition, "Request-Disposition", b'd'), (Require, "Require", 0),
        (RetryAfter, "Retry-After", 0), (Route, "Route", 0), (RSeq, "RSeq", 0), (Server, "Server", 0),
        (ServiceRoute, "Service-Route", 0), (SessionExpires, "Session-Expires", b'x'), (SipETag, "SIP-ETag", 0),
        (SipIfMatch, "SIP-If-Match", 0), (Subject, "Subject", b's'), (SubscriptionState, "Subscription-State", 0),
        (Supported, "Supported", b'k'), (TargetDialog, "Target-Dialog", 0), (Timestamp, "Timestamp", 0),
        (To, "To", b't'), (Unsupported, "Unsupported", 0), (UserAgent, "User-Agent", 0),
        (UserToUser, "User-to-User", 0), (Via, "Via", b'v'), (Warning, "Warning", 0),
        (WwwAuthenticate, "WWW-Authenticate", 0),
    ]
};

/// Where a name hashes to; 255 marks a free place. Collisions take the next place.
static PLACES: [u8; 256] = {
    let mut places = [255; 256];
    let mut index = 0;
    while index < COUNT {
        let mut place = hash(NAMES[index].1.as_bytes());
        while places[place] != 255 {
            place = (place + 1) % 256;
        }
        places[place] = index as u8;
        index += 1;
    }
    places
};

/// What each compact letter stands for, by its place in the alphabet; 255 where it stands for nothing.
static COMPACT: [u8; 26] = {
    let mut letters = [255; 26];
    let mut index = 0;
    while index < COUNT {
        if NAMES[index].2 != 0 {
            letters[(NAMES[index].2 - b'a') as usize] = index as u8;
        }
        index += 1;
    }
    letters
};

/// Chosen so that among the names above only three need a second look.
const fn hash(name: &[u8]) -> usize {
    let last = name.len() - 1;
    let (first, middle, end) = (name[0] | 32, name[name.len() / 2] | 32, name[last] | 32);
    (name.len() * 213 + first as usize * 246 + middle as usize * 134 + end as usize * 120) % 256
}

/// Most come as we write them, which is compared much faster.
fn is_same(name: &[u8], text: &[u8]) -> bool {
    name == text || name.eq_ignore_ascii_case(text)
}

impl HeaderName {
    /// The name that `text` spells, long or compact, in any case; [`HeaderName::Other`] for one we do not know.
    pub fn read(text: &[u8]) -> HeaderName {
        let index = match text {
            [] => return HeaderName::Other,
            [letter] => {
                let letter = usize::from((letter | 32).wrapping_sub(b'a'));
                COMPACT.get(letter).copied().unwrap_or(255)
            }
            _ => {
                let mut place = hash(text);
                loop {
                    match NAMES.get(usize::from(PLACES[place])) {
                        Some((_, name, _)) if !is_same(name.as_bytes(), text) => place = (place + 1) % 256,
                        _ => break PLACES[place],
                    }
                }
            }
        };
        NAMES.get(usize::from(index)).map_or(HeaderName::Other, |(name, _, _)| *name)
    }

    /// As we write it; `Other` for one we do not know.
    pub fn as_str(self) -> &'static str {
        NAMES.get(self as usize).map_or("Other", |(_, text, _)| text)
    }

    /// True for the fields that a request may carry once and whose meaning would be in doubt if it came twice.
    pub fn is_single(self) -> bool {
        use HeaderName::*;
        matches!(
            self,
            From | To
                | CallId
                | CSeq
                | MaxForwards
                | ContentLength
                | ContentType
                | Expires
                | Event
                | ReferTo
                | ReferredBy
                | Replaces
                | SessionExpires
                | MinSe
                | RAck
        )
    }

    pub(crate) fn bit(self) -> u128 {
        1 << (self as u8)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_in_any_case_and_by_its_compact_letter() {
        for (index, (name, text, letter)) in NAMES.iter().enumerate() {
            assert_eq!(*name as usize, index, "{text} stands at its place");
            assert_eq!(HeaderName::read(text.as_bytes()), *name);
            assert_eq!(HeaderName::read(text.to_ascii_uppercase().as_bytes()), *name);
            if *letter != 0 {
                assert_eq!(HeaderName::read(&[*letter]), *name);
                assert_eq!(HeaderName::read(&[letter.to_ascii_uppercase()]), *name);
            }
        }
        for unknown in ["", "X-Grandstream-PBX", "Z", "1", "{", "Vi", "Viaa", "NewFangledHeader"] {
            assert_eq!(HeaderName::read(unknown.as_bytes()), HeaderName::Other, "{unknown}");
        }
    }
}
