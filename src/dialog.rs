//! Two phones that know each other: what both sides of a call must remember to speak on (RFC 3261 §12).
//!
//! A [`Dialog`] is a value: requests arriving in it are checked by it, requests to be sent in it are written by it, and it
//! sends nothing itself. One INVITE of ours may make several (a proxy behind it forked): they differ in the remote tag.

use std::net::{IpAddr, SocketAddr};

use crate::entropy::{BRANCH_COOKIE, Token};
use crate::key::{Flow, Transport};
use crate::refusal::Refusal;
use crate::sip::header::NameAddr;
use crate::sip::{Draft, HeaderName, Host, Message, Method, Scheme, Uri, UriRef, Writer};

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
    /// The Contact names an address that the peer believes to have, while it spoke from another.
    is_behind_nat: bool,
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
    /// An INVITE without a Contact, or with one that no first line can name, gets 400, because nobody could hang up on it.
    pub fn from_request(invite: &Message, flow: Flow, local_tag: Token, contact: &str) -> Result<Dialog, Refusal> {
        let theirs = invite.address(HeaderName::Contact).ok_or(Refusal::bad_request("Missing Contact"))?;
        let target = Some(theirs.uri.without_headers()).filter(|target| target.scheme() != Scheme::Other);
        let target = target.ok_or(Refusal::bad_request("Contact Names No Phone"))?;
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
            target: target.to_owned(),
            routes: routes(invite.values(HeaderName::RecordRoute)),
            flow,
            is_behind_nat: is_behind_nat(invite, target, flow),
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
            is_behind_nat: false,
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
        let Some(contact) = message.address(HeaderName::Contact).filter(|contact| contact.uri.is_sip()) else { return };
        self.is_behind_nat = is_behind_nat(message, contact.uri, flow);
        let target = contact.uri.without_headers();
        if target.as_str() != self.target.as_str() {
            self.target = target.to_owned();
        }
    }

    /// The peer is reached on another flow, and what was its Contact elsewhere (in its registration) is another one there.
    /// Where it takes for its own address in this dialog what its NAT had given it before, nobody is there any more.
    pub fn follow(&mut self, flow: Flow, was: &Uri, contact: &Uri) {
        let before = std::mem::replace(&mut self.flow, flow).remote;
        if self.target.view().is_same(was.view()) {
            self.target = contact.clone();
            let believes = contact.view().host().and_then(Host::ip);
            self.is_behind_nat = believes.is_some_and(|ip| is_private(ip) && ip != flow.remote.ip());
        }
        let port = self.target.view().port().unwrap_or(5060);
        let is_left = port == before.port() || before.ip() != flow.remote.ip();
        self.is_behind_nat |=
            before != flow.remote && self.target.view().host() == Some(Host::Ip(before.ip())) && is_left;
    }

    /// The peer's connection is lost; true where another one can be opened to where it wants requests.
    pub fn reopen(&mut self) -> bool {
        if !self.flow.transport.is_reliable() || self.flow.connection == 0 {
            return false;
        }
        self.flow.connection = 0;
        if let Some(Host::Ip(ip)) = self.target.view().host()
            && !self.is_hidden(ip)
        {
            self.flow.remote = SocketAddr::new(ip, self.target.view().port().unwrap_or(5060));
        }
        true
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

    /// The last request that was begun is not sent: its number is free again.
    pub fn take_back(&mut self) {
        self.local_cseq -= 1;
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
        let mut draft = writer.request(method, strict.map_or(self.target.view(), UriRef::without_headers));
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

    /// True where the peer cannot be reached at `ip`, because that is an address of a network behind a NAT.
    fn is_hidden(&self, ip: IpAddr) -> bool {
        let from_outside = is_private(ip) && !is_private(self.flow.remote.ip());
        ip.is_unspecified() || from_outside || (self.is_behind_nat && self.routes.is_empty())
    }

    fn first_route(&self) -> Option<UriRef<'_>> {
        Some(NameAddr::read(self.routes.first()?.as_bytes()).ok()?.uri)
    }

    /// Where our next request goes: to the first route, else to the remote target (RFC 3261 §8.1.2), but over the flow on
    /// which the peer speaks wherever that leads to the same place or is the only way: back to the address it came from,
    /// or to a phone behind a NAT, whose Contact names an address that only its own network knows (RFC 5626 §3.4).
    pub fn next_hop(&self) -> NextHop<'_> {
        let uri = self.first_route().unwrap_or_else(|| self.target.view());
        let (learnt, said) = (self.flow, uri.transport());
        let unspoken = uri.scheme() == Scheme::Sips || (said.is_none() && uri.param("transport").is_some());
        match uri.host() {
            Some(Host::Name(host)) if !unspoken && !is_made_up(host) => {
                let transport = said.unwrap_or(learnt.transport);
                NextHop::Name { host, port: uri.port(), transport, learnt }
            }
            Some(Host::Ip(ip)) if !unspoken && !self.is_hidden(ip) => {
                let remote = SocketAddr::new(ip, uri.port().unwrap_or(5060));
                let is_there = match learnt.transport.is_reliable() {
                    // The peer's end of a stream has a port of its own; the stream is the way to that host.
                    true => ip == learnt.remote.ip(),
                    false => remote == learnt.remote,
                };
                match is_there && said.is_none_or(|said| said == learnt.transport) {
                    true => NextHop::Flow(learnt),
                    // RFC 3263 §4.1: an address without a transport means UDP.
                    false => NextHop::Flow(Flow {
                        transport: said.unwrap_or(Transport::Udp),
                        remote,
                        connection: 0,
                        ..learnt
                    }),
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

/// True for a peer that takes a private address for its own (in the Via too) but speaks from another: a NAT stands between,
/// and be it between two private networks.
fn is_behind_nat(request: &Message, contact: UriRef<'_>, flow: Flow) -> bool {
    let believes = contact.host().and_then(Host::ip);
    let says = request.is_request().then(|| request.via().host.ip()).flatten();
    believes.is_some_and(|ip| is_private(ip) && Some(ip) == says && ip != flow.remote.ip())
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

/// Of a response nobody has looked at them: a route that cannot be read, or that is no `sip:` address, leads nowhere.
fn routes<'a>(values: impl Iterator<Item = &'a [u8]>) -> Box<[Box<str>]> {
    let leads = |value: &&[u8]| NameAddr::read(value).is_ok_and(|route| route.uri.is_sip());
    values.filter(leads).filter_map(|value| std::str::from_utf8(value).ok()).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::sip::Status;

    fn parse(text: &str) -> Message {
        Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap_or_else(|wrong| panic!("{wrong}: {text}"))
    }

    fn flow(remote: &str) -> Flow {
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow { transport: Transport::Udp, local, remote: remote.parse().unwrap(), connection: 0 }
    }

    fn peer() -> Flow {
        flow("192.0.2.9:5060")
    }

    fn token(text: &str) -> Token {
        Token::of_branch(&format!("z9hG4bK{text}")).unwrap()
    }

    fn hop() -> Hop<'static> {
        let host = Host::Name("us.example");
        Hop { transport: Transport::Udp, host, port: Some(5060), branch: token("bbbbbbbbbbbb") }
    }

    const CONTACT: &str = "<sip:us.example:5060>";

    /// An INVITE of theirs; `more` is header lines.
    fn invite(more: &str) -> Message {
        parse(&format!(
            "INVITE sip:12@us.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKi\n\
             From: \"Ada\" <sip:ada@peer.example>;tag=theirs\nTo: <sip:12@us.example>\nCall-ID: c1\nCSeq: 7 INVITE\n\
             {more}Content-Length: 0\n\n"
        ))
    }

    fn within(method: &str, cseq: u32, more: &str) -> Message {
        parse(&format!(
            "{method} sip:us.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKw{cseq}\n\
             From: <sip:ada@peer.example>;tag=theirs\nTo: <sip:12@us.example>;tag=aaaaaaaaaaaa\nCall-ID: c1\n\
             CSeq: {cseq} {method}\n{more}Content-Length: 0\n\n"
        ))
    }

    fn as_callee(more: &str) -> Dialog {
        Dialog::from_request(&invite(more), peer(), token("aaaaaaaaaaaa"), CONTACT).unwrap()
    }

    /// A response of theirs to an INVITE of ours.
    fn response(status: u16, tag: &str, more: &str) -> Message {
        parse(&format!(
            "SIP/2.0 {status} Phrase\nVia: SIP/2.0/UDP us.example;branch=z9hG4bKo\nFrom: <sip:12@us.example>;tag=ours\n\
             To: <sip:14@peer.example>{tag}\nCall-ID: c2\nCSeq: 41 INVITE\n{more}Content-Length: 0\n\n"
        ))
    }

    fn as_caller(response: &Message) -> Option<Dialog> {
        Dialog::from_response(response, peer(), CONTACT, &"sip:14@192.0.2.9".parse().unwrap())
    }

    fn written(bytes: Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn the_callee_speaks_on_in_the_names_and_along_the_routes_of_the_invite() {
        let mut dialog = as_callee(
            "Record-Route: <sip:p2.example;lr>, \"P, 1\" <sip:p1.example;lr>\nRecord-Route: <sip:p0.example;lr>\n\
             Contact: <sip:ada@192.0.2.9:5066>\n",
        );
        assert!(!dialog.is_confirmed());
        dialog.confirm();
        assert!(dialog.is_confirmed());
        let bye = dialog.request(&mut Writer::default(), Method::Bye, hop()).finish();
        assert_eq!(
            written(bye),
            "BYE sip:ada@192.0.2.9:5066 SIP/2.0\nVia: SIP/2.0/UDP us.example:5060;branch=z9hG4bKbbbbbbbbbbbb;rport\n\
             Max-Forwards: 70\nRoute: <sip:p2.example;lr>\nRoute: \"P, 1\" <sip:p1.example;lr>\n\
             Route: <sip:p0.example;lr>\nFrom: <sip:12@us.example>;tag=aaaaaaaaaaaa\n\
             To: \"Ada\" <sip:ada@peer.example>;tag=theirs\nCall-ID: c1\nCSeq: 1 BYE\nContent-Length: 0\n\n"
        );
    }

    #[test]
    fn the_caller_speaks_on_along_the_routes_in_reverse_and_counts_from_its_invite() {
        let routes =
            "Record-Route: <sip:p1.example;lr>\nRecord-Route: <sip:p2.example;lr>\nContact: <sip:14@192.0.2.14>\n";
        let mut dialog = as_caller(&response(200, ";tag=t1", routes)).unwrap();
        assert!(dialog.is_confirmed());
        let writer = &mut Writer::default();
        let ack = written(dialog.ack(writer, 41, hop()).finish());
        assert_eq!(
            ack,
            "ACK sip:14@192.0.2.14 SIP/2.0\nVia: SIP/2.0/UDP us.example:5060;branch=z9hG4bKbbbbbbbbbbbb;rport\n\
             Max-Forwards: 70\nRoute: <sip:p2.example;lr>\nRoute: <sip:p1.example;lr>\n\
             From: <sip:12@us.example>;tag=ours\nTo: <sip:14@peer.example>;tag=t1\nCall-ID: c2\nCSeq: 41 ACK\n\
             Content-Length: 0\n\n"
        );
        let again = written(dialog.request(writer, Method::Invite, hop()).finish());
        assert!(again.contains("\nCSeq: 42 INVITE\nContact: <sip:us.example:5060>\n"), "{again}");
        let bye = written(dialog.request(writer, Method::Bye, hop()).finish());
        assert!(bye.contains("\nCSeq: 43 BYE\nContent-Length: 0\n"), "a BYE moves no target: {bye}");
    }

    /// RFC 3261 §12.2.1.1.
    #[test]
    fn a_strict_router_stands_in_the_first_line_and_the_target_behind_the_routes() {
        let mut dialog = as_callee(
            "Record-Route: <sip:strict.example>\nRecord-Route: <sip:loose.example;lr>\nContact: <sip:ada@192.0.2.9>\n",
        );
        let bye = written(dialog.request(&mut Writer::default(), Method::Bye, hop()).finish());
        assert!(bye.starts_with("BYE sip:strict.example SIP/2.0\n"), "{bye}");
        assert!(bye.contains("Route: <sip:loose.example;lr>\nRoute: <sip:ada@192.0.2.9>\nFrom:"), "{bye}");
        assert!(matches!(dialog.next_hop(), NextHop::Name { host: "strict.example", .. }));
    }

    #[test]
    fn an_invite_without_a_contact_makes_no_dialog() {
        let refusal = Dialog::from_request(&invite(""), peer(), token("aaaaaaaaaaaa"), CONTACT).unwrap_err();
        assert_eq!(refusal.to_string(), "400 Missing Contact");
        let mail = invite("Contact: <mailto:ada@peer.example>\n");
        let refusal = Dialog::from_request(&mail, peer(), token("aaaaaaaaaaaa"), CONTACT).unwrap_err();
        assert_eq!(refusal.to_string(), "400 Contact Names No Phone");
    }

    #[test]
    fn routes_and_targets_of_an_answer_are_only_those_that_lead_somewhere() {
        let answer = "Record-Route: <sip:a;lr>, <a, <mailto:b;lr>\nRecord-Route: <six:c>, <sip:d?x=y>\n\
                      Contact: <sip:14@192.0.2.14?Subject=x>\n";
        let mut dialog = as_caller(&response(200, ";tag=t1", answer)).unwrap();
        let bye = written(dialog.request(&mut Writer::default(), Method::Bye, hop()).finish());
        assert!(bye.starts_with("BYE sip:d SIP/2.0\n"), "{bye}");
        assert!(bye.contains("Route: <sip:a;lr>\nRoute: <sip:14@192.0.2.14>\nFrom:"), "{bye}");
    }

    #[test]
    fn only_responses_with_a_tag_and_answers_make_a_dialog() {
        assert!(as_caller(&response(100, "", "")).is_none());
        assert!(as_caller(&response(180, "", "")).is_none());
        assert!(as_caller(&response(486, ";tag=t1", "")).is_none());
        let early = as_caller(&response(180, ";tag=t1", "")).unwrap();
        assert_eq!((early.is_confirmed(), early.target().as_str()), (false, "sip:14@192.0.2.9"), "no Contact yet");
        let old = as_caller(&response(200, "", "Contact: <sip:14@192.0.2.14>\n")).unwrap();
        assert_eq!((old.is_confirmed(), old.remote_tag()), (true, ""), "RFC 2543 knew no tags");
    }

    #[test]
    fn two_phones_behind_a_proxy_make_two_dialogs_of_one_invite() {
        let one = as_caller(&response(180, ";tag=t1", "")).unwrap();
        let two = as_caller(&response(183, ";tag=t2", "")).unwrap();
        let answer = response(200, ";tag=t2", "");
        assert!(!one.owns(&answer) && two.owns(&answer));
        assert!(two.matches("c2", "ours", "t2"));
        for wrong in [("c3", "ours", "t2"), ("c2", "theirs", "t2"), ("c2", "ours", "t1"), ("c2", "ours", "")] {
            assert!(!two.matches(wrong.0, wrong.1, wrong.2), "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_replaces_what_the_early_dialog_knew_of_routes_and_target() {
        let ringing = "Record-Route: <sip:old.example;lr>\nContact: <sip:14@192.0.2.14>\n";
        let mut dialog = as_caller(&response(180, ";tag=t1", ringing)).unwrap();
        dialog.hear(&response(200, ";tag=t1", "Contact: <sip:14@192.0.2.15>\n"), flow("192.0.2.15:5060"));
        assert!(dialog.is_confirmed());
        assert_eq!((dialog.target().as_str(), dialog.next_hop()), ("sip:14@192.0.2.15", NextHop::Flow(dialog.flow())));
        assert_eq!(dialog.flow(), flow("192.0.2.15:5060"));
        dialog.hear(&response(200, ";tag=t1", ringing), peer());
        assert_eq!(dialog.target().as_str(), "sip:14@192.0.2.15", "a repeated 2xx changes nothing any more");
    }

    /// RFC 3261 §12.2.2.
    #[test]
    fn a_request_that_was_overtaken_is_refused_and_changes_nothing() {
        let mut dialog = as_callee("Contact: <sip:ada@192.0.2.9>\n");
        assert_eq!(dialog.accept(&within("INFO", 9, ""), peer()), Ok(()));
        let late = within("INVITE", 8, "Contact: <sip:ada@192.0.2.66>\n");
        assert_eq!(dialog.accept(&late, flow("192.0.2.66:5060")).unwrap_err().status(), Status::SERVER_INTERNAL_ERROR);
        assert_eq!((dialog.target().as_str(), dialog.flow()), ("sip:ada@192.0.2.9", peer()));
        assert_eq!(dialog.accept(&within("BYE", 10, ""), peer()), Ok(()));
    }

    #[test]
    fn a_target_refresh_moves_the_target_and_any_request_moves_the_flow() {
        let mut dialog = as_callee("Contact: <sip:ada@192.0.2.9>\n");
        let elsewhere = flow("192.0.2.77:5060");
        let contact = "Contact: <sip:ada@192.0.2.77>\n";
        dialog.accept(&within("INFO", 8, contact), elsewhere).unwrap();
        assert_eq!((dialog.target().as_str(), dialog.flow()), ("sip:ada@192.0.2.9", elsewhere));
        for (cseq, method) in [(9, "INVITE"), (10, "UPDATE")] {
            let address = format!("Contact: <sip:ada@192.0.2.{cseq}0>\n");
            dialog.accept(&within(method, cseq, &address), peer()).unwrap();
            assert_eq!(dialog.target().as_str(), format!("sip:ada@192.0.2.{cseq}0"));
        }
        dialog.accept(&within("UPDATE", 11, ""), peer()).unwrap();
        assert_eq!(dialog.target().as_str(), "sip:ada@192.0.2.100", "without a Contact it stays");
        assert!(dialog.owns(&within("BYE", 12, "")));
    }

    #[test]
    fn a_phone_behind_a_nat_between_two_private_networks_is_reached_on_its_flow() {
        let phone = |via: &str, from: &str| {
            let text = invite("Contact: <sip:ada@172.17.0.5:5060>\n").to_text().replace("192.0.2.9;branch", via);
            let invite = Message::parse(Bytes::from(text)).unwrap();
            Dialog::from_request(&invite, flow(from), token("aaaaaaaaaaaa"), CONTACT).unwrap()
        };
        let behind = phone("172.17.0.5;branch", "192.168.0.40:1024");
        assert_eq!(behind.next_hop(), NextHop::Flow(flow("192.168.0.40:1024")));
        let routed = phone("192.168.0.40;branch", "192.168.0.40:1024");
        assert_eq!(routed.next_hop(), NextHop::Flow(flow("172.17.0.5:5060")));
        let plain = phone("172.17.0.5;branch", "172.17.0.5:5060");
        assert_eq!(plain.next_hop(), NextHop::Flow(plain.flow()));
        let mut moved = behind;
        moved.accept(&within("UPDATE", 8, "Contact: <sip:ada@172.17.0.9>\n"), flow("192.168.0.41:5060")).unwrap();
        assert_eq!(moved.next_hop(), NextHop::Flow(flow("172.17.0.9:5060")), "a refresh tells anew");
    }

    /// Where the next request goes, for a peer that spoke from `from` and whose Contact is `contact`.
    fn goes(from: Flow, contact: &str) -> String {
        let invite = invite(&format!("Contact: <{contact}>\n"));
        let dialog = Dialog::from_request(&invite, from, token("aaaaaaaaaaaa"), CONTACT).unwrap();
        match dialog.next_hop() {
            NextHop::Flow(flow) if flow == from => "back".into(),
            NextHop::Flow(flow) => format!("{} {} #{}", flow.transport.as_str(), flow.remote, flow.connection),
            NextHop::Name { host, port, transport, learnt } => {
                assert_eq!(learnt, from);
                format!("{} {host} {port:?}", transport.as_str())
            }
        }
    }

    #[test]
    fn requests_go_to_the_target_but_back_on_the_flow_where_that_is_the_way_to_it() {
        let udp = flow("198.51.100.7:5060");
        let tcp = Flow { transport: Transport::Tcp, connection: 4, ..flow("198.51.100.7:40000") };
        let office = flow("192.168.0.40:5060");
        let table = [
            (udp, "sip:ada@198.51.100.7", "back"),
            (udp, "sip:ada@198.51.100.7:5070", "udp 198.51.100.7:5070 #0"),
            (udp, "sip:ada@203.0.113.5", "udp 203.0.113.5:5060 #0"),
            (udp, "sip:ada@203.0.113.5;transport=tcp", "tcp 203.0.113.5:5060 #0"),
            (udp, "sip:ada@198.51.100.7;transport=tcp", "tcp 198.51.100.7:5060 #0"),
            (udp, "sip:ada@192.168.1.20:5062", "back"),
            (udp, "sip:ada@100.64.3.4", "back"),
            (udp, "sip:ada@[fe80::1]", "back"),
            (udp, "sip:ada@0.0.0.0", "back"),
            (udp, "sip:ada@k2j3h4.invalid;transport=ws", "back"),
            (udp, "sip:ada@k2j3h4.invalid", "back"),
            (udp, "sip:ada@phone.example;transport=ws", "back"),
            (udp, "sips:ada@198.51.100.8", "back"),
            (udp, "tel:+493012340", "back"),
            (udp, "sip:ada@peer.example", "udp peer.example None"),
            (tcp, "sip:ada@peer.example:5080", "tcp peer.example Some(5080)"),
            (tcp, "sip:ada@198.51.100.7:5060", "back"),
            (tcp, "sip:ada@198.51.100.7:5060;transport=tcp", "back"),
            (tcp, "sip:ada@198.51.100.7;transport=udp", "udp 198.51.100.7:5060 #0"),
            (tcp, "sip:ada@203.0.113.5", "udp 203.0.113.5:5060 #0"),
            (office, "sip:door@192.168.0.41", "udp 192.168.0.41:5060 #0"),
            (office, "sip:door@10.1.2.3", "udp 10.1.2.3:5060 #0"),
        ];
        for (from, contact, expected) in table {
            assert_eq!(goes(from, contact), expected, "{contact} from {from:?}");
        }
    }
}
