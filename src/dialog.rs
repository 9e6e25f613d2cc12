//! Two phones that know each other: what both sides of a call must remember to speak on (RFC 3261 §12).
//!
//! A [`Dialog`] is a value: requests arriving in it are checked by it, requests to be sent in it are written by it, and it
//! sends nothing itself. One INVITE of ours may make several (a proxy behind it forked): they differ in the remote tag.

use std::net::{IpAddr, SocketAddr};

use crate::entropy::{BRANCH_COOKIE, Token};
use crate::key::{Flow, Transport};
use crate::refusal::Refusal;
use crate::sip::header::NameAddr;
use crate::sip::{Draft, HeaderName, Host, Message, Method, Uri, UriRef, Writer};

/// One side's memory of a dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    call_id: Box<str>,
    local_tag: Box<str>,
    /// Empty towards a peer of RFC 2543, which has none.
    remote_tag: Box<str>,
    /// Who we are: the From of our requests with our tag, as bytes, because people's names come in Latin-1 too.
    local: Box<[u8]>,
    /// Who the peer is: the To of our requests with its tag.
    remote: Box<[u8]>,
    /// The Contact that we show.
    contact: Box<str>,
    target: Uri,
    /// The Routes of our requests, the next hop first, each as its whole value.
    routes: Box<[Box<str>]>,
    flow: Flow,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    is_confirmed: bool,
}

/// Where a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextHop<'a> {
    /// Over this flow. Its `connection` is 0 where a stream would have to be opened.
    Flow(Flow),
    /// To a name, which the resolver's memory may know. Until it does, `learnt` is where the peer spoke from.
    Name {
        /// The domain name.
        host: &'a str,
        /// The port, where one is written (then no SRV is asked for, RFC 3263 §4.2).
        port: Option<u16>,
        /// How.
        transport: Transport,
        /// Where the peer's last message came from.
        learnt: Flow,
    },
}

/// Our own hop: what the Via of a request says, so that responses find back.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// How the request travels.
    pub transport: Transport,
    /// Our host as the peer sees it.
    pub host: Host<'a>,
    /// Our port as the peer sees it.
    pub port: Option<u16>,
    /// Fresh for each request.
    pub branch: Token,
}

impl Hop<'_> {
    /// Writes the Via.
    pub fn write(self, draft: &mut Draft<'_>) {
        draft.header_with(HeaderName::Via, |line| {
            line.text("SIP/2.0/").text(self.transport.via()).text(" ").host(self.host, self.port);
            line.text(";branch=").text(BRANCH_COOKIE).text(self.branch.as_str()).flag("rport");
        });
    }
}

impl Dialog {
    /// The dialog that our answer to `invite` makes: early with a 1xx that has our tag, confirmed once
    /// [`Dialog::confirm`] is called for our 2xx. `contact` is the value of our Contact.
    ///
    /// An INVITE without a Contact gets 400, because nobody could hang up on it.
    pub fn from_request(invite: &Message, flow: Flow, local_tag: Token, contact: &str) -> Result<Dialog, Refusal> {
        let target = invite.address(HeaderName::Contact).ok_or(Refusal::bad_request("Missing Contact"))?;
        let mut local = invite.header(HeaderName::To).unwrap_or_default().to_vec();
        if invite.to_tag().is_none() {
            local.extend_from_slice(b";tag=");
            local.extend_from_slice(local_tag.as_str().as_bytes());
        }
        Ok(Dialog {
            call_id: invite.call_id().into(),
            local_tag: local_tag.as_str().into(),
            remote_tag: invite.from_tag().unwrap_or_default().into(),
            local: local.into(),
            remote: invite.header(HeaderName::From).unwrap_or_default().into(),
            contact: contact.into(),
            target: target.uri.to_owned(),
            routes: routes(invite.values(HeaderName::RecordRoute)),
            flow,
            local_cseq: 0,
            remote_cseq: Some(invite.cseq().number),
            is_confirmed: false,
        })
    }

    /// The dialog that this response to an INVITE of ours makes: early for a 1xx, confirmed for a 2xx. `contact` is the
    /// value of our INVITE's Contact, `target` its Request-URI, which serves until the peer says a Contact.
    ///
    /// `None` where the response makes no dialog: a 100, a refusal, a 1xx without a To tag.
    pub fn from_response(response: &Message, flow: Flow, contact: &str, target: &Uri) -> Option<Dialog> {
        let status = response.status()?;
        let remote_tag = response.to_tag().unwrap_or_default();
        // RFC 3261 §12.1.2: a 2xx without a tag is from a peer of RFC 2543.
        let makes_one = status.is_success() || (status.is_provisional() && !remote_tag.is_empty());
        let mut dialog = Dialog {
            call_id: response.call_id().into(),
            local_tag: response.from_tag().unwrap_or_default().into(),
            remote_tag: remote_tag.into(),
            local: response.header(HeaderName::From).unwrap_or_default().into(),
            remote: response.header(HeaderName::To).unwrap_or_default().into(),
            contact: contact.into(),
            target: target.clone(),
            routes: Box::default(),
            flow,
            local_cseq: response.cseq().number,
            remote_cseq: None,
            is_confirmed: false,
        };
        dialog.hear(response, flow);
        makes_one.then_some(dialog)
    }

    /// A further response to the INVITE that made this dialog: a later 1xx, or the 2xx that confirms it. The route set is
    /// taken from it anew (RFC 3261 §13.2.2.4).
    pub fn hear(&mut self, response: &Message, flow: Flow) {
        if self.is_confirmed {
            return;
        }
        self.is_confirmed = response.status().is_some_and(|status| status.is_success());
        self.routes = routes(response.values(HeaderName::RecordRoute));
        self.routes.reverse();
        self.refresh(response, flow);
    }

    /// Our 2xx to the INVITE was sent: the dialog outlives it now.
    pub fn confirm(&mut self) {
        self.is_confirmed = true;
    }

    /// True once a 2xx was sent or received.
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// The peer's Contact and flow may have changed: for the 2xx to a re-INVITE or UPDATE of ours (RFC 3261 §12.2.1.2).
    pub fn refresh(&mut self, message: &Message, flow: Flow) {
        self.flow = flow;
        if let Some(contact) = message.address(HeaderName::Contact)
            && contact.uri.is_sip()
            && contact.uri.as_str() != self.target.as_str()
        {
            self.target = contact.uri.to_owned();
        }
    }

    /// Checks a request that arrived in this dialog, neither ACK nor CANCEL: one that was overtaken by a later one gets 500
    /// (RFC 3261 §12.2.2). A target refresh moves the remote target at once.
    pub fn accept(&mut self, request: &Message, flow: Flow) -> Result<(), Refusal> {
        let cseq = request.cseq().number;
        if self.remote_cseq.is_some_and(|last| cseq < last) {
            return Err(Refusal::server_error(None).because("CSeq Out Of Order"));
        }
        self.remote_cseq = Some(cseq);
        match moves_target(request.method()) {
            true => self.refresh(request, flow),
            false => self.flow = flow,
        }
        Ok(())
    }

    /// True for the dialog with these three names. `remote_tag` is empty for a peer of RFC 2543.
    pub fn matches(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        *self.call_id == *call_id && *self.local_tag == *local_tag && *self.remote_tag == *remote_tag
    }

    /// True where the message, a request of the peer's or a response to one of ours, belongs to this dialog.
    pub fn owns(&self, message: &Message) -> bool {
        let (from, to) = (message.from_tag().unwrap_or_default(), message.to_tag().unwrap_or_default());
        match message.is_request() {
            true => self.matches(message.call_id(), to, from),
            false => self.matches(message.call_id(), from, to),
        }
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// The peer's tag; empty where it has none.
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Who the peer is: the value of To in our requests.
    pub fn remote(&self) -> &[u8] {
        &self.remote
    }

    /// Who we are: the value of From in our requests.
    pub fn local(&self) -> &[u8] {
        &self.local
    }

    /// Where the peer wants requests.
    pub fn target(&self) -> UriRef<'_> {
        self.target.view()
    }

    /// The Contact that we show.
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// Shows another Contact from now on (our address towards the peer changed).
    pub fn set_contact(&mut self, contact: &str) {
        self.contact = contact.into();
    }

    /// Where the peer's last message came from.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// The number of our last request.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// Begins the next request in this dialog, neither ACK nor CANCEL: first line, Via, Max-Forwards, Routes, From, To,
    /// Call-ID, CSeq, and the Contact where the method may move it. The caller adds what else there is, and the body.
    pub fn request<'w>(&mut self, writer: &'w mut Writer, method: Method, hop: Hop<'_>) -> Draft<'w> {
        self.local_cseq += 1;
        let mut draft = self.write(writer, method, self.local_cseq, hop);
        if moves_target(method) {
            draft.header(HeaderName::Contact, self.contact.as_bytes());
        }
        draft
    }

    /// Begins the ACK for a 2xx to the INVITE with this CSeq (RFC 3261 §13.2.2.4). What was sent is to be kept: a 2xx that
    /// arrives again is answered with the same bytes. The caller adds the INVITE's credentials, where it had any
    /// (§22.1), and the answer, where the 2xx made the offer.
    pub fn ack<'w>(&self, writer: &'w mut Writer, cseq: u32, hop: Hop<'_>) -> Draft<'w> {
        self.write(writer, Method::Ack, cseq, hop)
    }

    /// RFC 3261 §12.2.1.1. A first route without `lr` is a strict router of RFC 2543: it wants to stand in the first line
    /// itself, and the target behind the other routes.
    fn write<'w>(&self, writer: &'w mut Writer, method: Method, cseq: u32, hop: Hop<'_>) -> Draft<'w> {
        let strict = self.first_route().filter(|route| !route.params().has("lr"));
        let mut draft = writer.request(method, strict.unwrap_or_else(|| self.target.view()));
        hop.write(&mut draft);
        draft.number(HeaderName::MaxForwards, 70u8);
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            draft.header(HeaderName::Route, route.as_bytes());
        }
        if strict.is_some() {
            draft.header_with(HeaderName::Route, |line| {
                line.uri(&self.target);
            });
        }
        draft
            .header(HeaderName::From, &self.local)
            .header(HeaderName::To, &self.remote)
            .header(HeaderName::CallId, self.call_id.as_bytes())
            .cseq(cseq, method);
        draft
    }

    fn first_route(&self) -> Option<UriRef<'_>> {
        Some(NameAddr::read(self.routes.first()?.as_bytes()).ok()?.uri)
    }

    /// Where our next request goes: to the first route, else to the remote target (RFC 3261 §8.1.2), but over the flow on
    /// which the peer speaks wherever that leads to the same place or is the only way: back to the address it came from,
    /// or to a phone behind a NAT, whose Contact names an address that only its own network knows (RFC 5626 §3.4).
    pub fn next_hop(&self) -> NextHop<'_> {
        let uri = self.first_route().unwrap_or_else(|| self.target.view());
        let learnt = self.flow;
        let transport = uri.transport().unwrap_or(learnt.transport);
        match uri.host() {
            Some(Host::Name(host)) if !is_made_up(host) => NextHop::Name { host, port: uri.port(), transport, learnt },
            Some(Host::Ip(ip)) => {
                let address = SocketAddr::new(ip, uri.port().unwrap_or(5060));
                let same =
                    if learnt.transport.is_reliable() { ip == learnt.remote.ip() } else { address == learnt.remote };
                match same || is_hidden(ip, learnt.remote.ip()) {
                    true => NextHop::Flow(learnt),
                    false => NextHop::Flow(Flow { transport, remote: address, connection: 0, ..learnt }),
                }
            }
            _ => NextHop::Flow(learnt),
        }
    }
}

/// The target refresh requests (RFC 3261 §12.2, RFC 3311, RFC 6665 §4.4.1, RFC 3515).
fn moves_target(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}

/// A name that nobody can look up (RFC 7118 §5 has WebSocket clients invent such).
fn is_made_up(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("invalid"))
}

/// True where `ip` belongs to a network of its own while the peer spoke from outside of it: a NAT stands between.
fn is_hidden(ip: IpAddr, speaks_from: IpAddr) -> bool {
    ip.is_unspecified() || (is_private(ip) && !is_private(speaks_from))
}

/// Loopback, RFC 1918, RFC 6598, RFC 3927, RFC 4193 and RFC 4291 link-local addresses.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_private(IpAddr::V4(ip)),
            None => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        },
    }
}

fn routes<'a>(values: impl Iterator<Item = &'a [u8]>) -> Box<[Box<str>]> {
    values.filter_map(|value| std::str::from_utf8(value).ok()).map(Into::into).collect()
}
