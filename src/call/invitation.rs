//! What an INVITE of ours says: whom it is for, who calls, what is carried across.

use std::sync::Arc;

use bytes::Bytes;

use super::alphabet::Session;
use super::means::Means;
use super::named::Named;
use crate::dialog::Hop;
use crate::entropy::Token;
use crate::key::Flow;
use crate::refusal::Refusal;
use crate::session_timer::{self, Habits};
use crate::sip::{Draft, HeaderName, Host, Message, Method, Uri, Writer};

/// Methods that we take, as Allow says them.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, OPTIONS, INFO, REGISTER, REFER, SUBSCRIBE";

/// Bodies that we take, as Accept says them.
pub const ACCEPT: &str = "application/sdp, multipart/mixed";

/// Extensions that we know, as Supported says them.
pub const SUPPORTED: &str = "100rel, timer, replaces";

/// The extensions that a request requires and that we do not know (RFC 3261 §8.2.2.3); `also` are known besides.
pub fn unknown_extensions(request: &Message, also: &[&str]) -> Option<Refusal> {
    let is_known = |option: &&[u8]| {
        let known = SUPPORTED.split(", ").chain(also.iter().copied());
        known.into_iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
    };
    let required = request.values(HeaderName::Require).chain(request.values(HeaderName::ProxyRequire));
    let unknown: Vec<_> = required.filter(|option| !is_known(option)).map(String::from_utf8_lossy).collect();
    (!unknown.is_empty()).then(|| Refusal::bad_extension(unknown.join(", ")))
}

/// Everything an INVITE says, before it is written. Kept until it is answered, for the trunk that asks for credentials.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The Request-URI.
    pub target: Uri,
    /// Route values, the next hop first (a binding's Path).
    pub routes: Vec<String>,
    /// On which way it leaves.
    pub flow: Flow,
    /// On which way it goes where that one, a stream for what is too large, turns out to be closed.
    pub datagram: Option<Flow>,
    /// The account whose credentials the trunk may ask for.
    pub trunk: Option<Arc<str>>,
    /// Where a mobile is called through the trunk: whose.
    pub mobile: Option<MobileOf>,
    /// Who calls, in From.
    pub from: Named,
    /// Whom it is for, in To.
    pub to: Uri,
    /// Who calls, asserted to a peer that trusts us (RFC 3325), and in which header.
    pub asserted: Option<(HeaderName, Named)>,
    /// The caller asked not to be shown (RFC 3323).
    pub private: bool,
    /// One less than it came with: the only loop guard of a B2BUA.
    pub max_forwards: u8,
    /// Headers that are carried across untouched.
    pub passed: Vec<(HeaderName, Bytes)>,
    /// The caller's session.
    pub session: Option<Session>,
}

/// The mobile of an employee, at the other end of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MobileOf {
    /// The employee's extension.
    pub employee: Arc<str>,
    /// Whoever answers is asked for a digit before the call is theirs.
    pub confirm: bool,
}

/// Names by which an INVITE is known on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// Our tag.
    pub tag: Token,
    /// The Call-ID.
    pub call_id: Token,
    /// The CSeq.
    pub cseq: u32,
    /// The branch.
    pub branch: Token,
    /// How often the session is to be refreshed.
    pub habits: Habits,
}

impl Invitation {
    /// Writes the INVITE, with `session` as its peer shall hear it.
    pub fn write(&self, wire: Wire, session: Option<&Session>, writer: &mut Writer, means: &mut Means) -> Bytes {
        let address = means.address_for(&self.flow);
        let hop = Hop {
            transport: self.flow.transport,
            host: Host::Ip(address.ip()),
            port: Some(address.port()),
            branch: wire.branch,
        };
        let mut draft = writer.request(Method::Invite, self.target.view().without_headers());
        hop.write(&mut draft);
        draft
            .number(HeaderName::MaxForwards, self.max_forwards)
            .name_addr(HeaderName::From, &self.from.display, self.from.uri.as_str(), wire.tag.as_str())
            .name_addr(HeaderName::To, "", self.to.as_str(), "")
            .header(HeaderName::CallId, wire.call_id.as_str())
            .cseq(wire.cseq, Method::Invite)
            .header(HeaderName::Contact, contact(&self.flow, means).as_str());
        for route in &self.routes {
            draft.header(HeaderName::Route, route);
        }
        if let Some((header, named)) = &self.asserted {
            draft.name_addr(*header, &named.display, named.uri.as_str(), "");
        }
        if self.private {
            draft.header(HeaderName::Privacy, "id");
        }
        draft.header(HeaderName::Allow, ALLOW);
        // Without an offer of ours, a reliable response would hold one that nobody could answer in time (RFC 3262 §5).
        draft.header(HeaderName::Supported, if session.is_some() { SUPPORTED } else { "timer, replaces" });
        session_timer::ask(None, wire.habits, &mut draft);
        for (name, value) in &self.passed {
            draft.header(*name, value);
        }
        if let Some(trunk) = &self.trunk {
            authorize(&mut draft, trunk, Method::Invite, self.target.as_str(), means);
        }
        match session {
            Some(session) => draft.finish_with("application/sdp", session),
            None => draft.finish(),
        }
    }
}

/// Adds the answers to what a trunk has asked for so far.
pub fn authorize(draft: &mut Draft<'_>, trunk: &str, method: Method, uri: &str, means: &mut Means) {
    let Some(ix) = means.config.trunk_by_name(trunk) else { return };
    let Some(account) = means.trunks.answerer(ix) else { return };
    for (name, value) in account.authorize(method.as_str().as_bytes(), uri.as_bytes(), &mut means.entropy) {
        draft.header(name, &value);
    }
}

/// Our Contact towards the peer of this flow, as a header value.
pub fn contact(flow: &Flow, means: &Means) -> String {
    let address = means.address_for(flow);
    match flow.transport {
        crate::key::Transport::Udp => format!("<sip:{address}>"),
        stream => format!("<sip:{address};transport={}>", stream.as_str()),
    }
}
