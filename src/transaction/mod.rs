//! One request, one answer, however often the network loses, doubles or reorders them.
//!
//! [`Transactions`] stands between the flows and everything that speaks SIP above: it sends requests until they are
//! answered, hands every arriving request and response on once, and answers repetitions with the same bytes. The
//! machines are those of RFC 3261 §17 with the Accepted state of RFC 6026 and the manners of RFC 4320; they are drawn
//! in `client` and `server`, the timers stand in [`timers`] as one table, who belongs to whom is said in `matching`.
//!
//! Nothing here waits or asks for the time: time is handed in, messages leave through a [`Wire`], timers wait in the
//! `Deadlines` of whoever owns them. A transaction that is over leaves no timer and no row behind.

mod arrival;
mod client;
mod follow_up;
mod hand;
mod matching;
mod server;
mod stateless;
pub mod timers;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::entropy::{Entropy, Token};
use crate::key::{Arena, Flow, tighten};
use crate::sip::{Host, Message, Method, Status, Writer};
pub use arrival::{Arrival, Counts, Expired, Why};
use client::Client;
pub use hand::{ClientKey, Hand, ServerKey, Wire};
use matching::{Fingerprint, Matching};
use server::Server;
pub use stateless::Stateless;
use timers::Of;
pub use timers::{PATIENCE, Timer};

/// Every transaction there is.
///
/// # Bounds
/// At most `capacity` requests of theirs are held that begin something, and as many again that belong to a dialog (a
/// To tag) or are a CANCEL: under load new calls are refused before running ones notice. Requests of ours are not
/// refused, because each follows from a call or a registration that was let in.
#[derive(Debug)]
pub struct Transactions<U> {
    clients: Arena<Client<U>>,
    servers: Arena<Server<U>>,
    by_branch: HashMap<(Token, Method), ClientKey, Quick>,
    by_request: HashMap<Fingerprint, ServerKey, Quick>,
    by_origin: HashMap<Fingerprint, ServerKey, Quick>,
    matching: Matching,
    writer: Writer,
    capacity: usize,
    counts: Counts,
}

/// The keys are chance or keyed hashes already: nobody outside can choose them.
type Quick = foldhash::fast::FixedState;

impl<U: Copy> Transactions<U> {
    /// No transactions yet. `entropy` gives the key under which requests are recognised.
    pub fn new(capacity: usize, entropy: &mut Entropy) -> Transactions<U> {
        Transactions {
            clients: Arena::default(),
            servers: Arena::default(),
            by_branch: HashMap::default(),
            by_request: HashMap::default(),
            by_origin: HashMap::default(),
            matching: Matching::new(entropy),
            writer: Writer::default(),
            capacity,
            counts: Counts::default(),
        }
    }

    /// Takes in a message that arrived on `flow`, and says what it is. What needs no decision is done at once.
    pub fn receive<K: From<Timer>>(&mut self, flow: Flow, message: &Message, hand: &mut Hand<'_, K>) -> Arrival<U> {
        match message.status() {
            Some(status) => self.response(status, message, hand),
            None => self.arrived(flow, message, hand),
        }
    }

    /// Sends a request and repeats it until it is answered. `bytes` is the whole request; `branch` is what follows the
    /// cookie in the branch of its Via, fresh for each request. An ACK for a 2xx is no transaction and goes straight to
    /// the [`Wire`].
    pub fn request<K: From<Timer>>(
        &mut self,
        user: U,
        flow: Flow,
        method: Method,
        branch: Token,
        bytes: Bytes,
        hand: &mut Hand<'_, K>,
    ) -> ClientKey {
        self.begin(Some(user), flow, method, branch, bytes, hand)
    }

    /// Cancels an INVITE of ours: at once if a 1xx came already, with the first 1xx if not, never if a final response is
    /// there first (RFC 3261 §9.1). `reason` is the value of its Reason header, such as
    /// `SIP;cause=200;text="Call completed elsewhere"`. The user hears the INVITE's final response as ever, or that it
    /// expired; it hears nothing of the CANCEL itself.
    pub fn cancel<K: From<Timer>>(&mut self, client: ClientKey, reason: Option<&str>, hand: &mut Hand<'_, K>) {
        let Some(row) = self.clients.get_mut(client.row()) else { return };
        let invite = row.cancellable();
        if let Some(cancel) = invite.and_then(|invite| follow_up::cancel(&mut self.writer, invite, reason)) {
            row.cancel(cancel);
            self.send_due_cancel(client, hand);
        }
    }

    /// Answers a request. Only the first final response counts; `bytes` is the whole response and `status` its code.
    ///
    /// A 2xx to an INVITE is repeated until [`Transactions::acknowledged`]. To any other request no 1xx but 100 leaves,
    /// that one not before 3.5 s over UDP, and no 408 (RFC 4320).
    pub fn respond<K: From<Timer>>(&mut self, server: ServerKey, status: Status, bytes: Bytes, hand: &mut Hand<'_, K>) {
        self.step_server(server, server::Event::Respond(status, bytes), hand);
        // A proxy that tries again elsewhere after a refusal repeats From tag, Call-ID and CSeq: that is no merging.
        if status.is_final() && !status.is_success() {
            self.forget_origin(server);
        }
    }

    /// Says that the ACK to the 2xx of this INVITE came: the 2xx is not repeated any more.
    pub fn acknowledged<K: From<Timer>>(&mut self, server: ServerKey, hand: &mut Hand<'_, K>) {
        self.step_server(server, server::Event::Acknowledged, hand);
    }

    /// Tells who is to hear of a server transaction from now on.
    pub fn set_user(&mut self, server: ServerKey, user: U) {
        if let Some(row) = self.servers.get_mut(server.row()) {
            row.user = Some(user);
        }
    }

    /// Where responses to this request go; `None` once the transaction is over.
    pub fn flow(&self, server: ServerKey) -> Option<Flow> {
        self.servers.get(server.row()).map(|row| row.flow)
    }

    /// True where this request is a repetition of one that is under way, or cancels one.
    pub fn is_under_way(&self, request: &Message) -> bool {
        let method = if request.method() == Method::Cancel { Method::Invite } else { request.method() };
        self.by_request.contains_key(&self.matching.request(request, method))
    }

    /// The To tag of an answer for which no transaction is kept: a repetition of the request gets the same (RFC 3261
    /// §8.2.7).
    pub fn tag_of(&self, request: &Message) -> String {
        self.matching.request(request, request.method()).tag()
    }

    /// True while this request still waits for its final response.
    pub fn is_open(&self, server: ServerKey) -> bool {
        self.servers.get(server.row()).is_some_and(|row| row.is_open())
    }

    /// A timer came due. Whose transaction is over already hears nothing.
    pub fn on_timer<K: From<Timer>>(&mut self, timer: Timer, hand: &mut Hand<'_, K>) -> Option<Expired<U>> {
        match timer.of {
            Of::Client(client) => match self.step_client(client, client::Event::Fired(timer.letter), hand)? {
                (client::Tell::Expired(why), Some(user)) => Some(Expired::Unanswered { client, user, why }),
                _ => None,
            },
            Of::Server(server) => match self.step_server(server, server::Event::Fired(timer.letter), hand)? {
                (server::Tell::Unacknowledged(status), Some(user)) => {
                    Some(Expired::Unacknowledged { server, user, status })
                }
                _ => None,
            },
        }
    }

    /// A connection was lost, or an address cannot be reached: whoever waits for an answer over this flow is told, in
    /// the order of the table. A request that was handed over for a stream yet to be opened (connection 0) went out on
    /// whichever one to its address there was. Requests of theirs stay until they are answered, into the void.
    pub fn flow_failed<K: From<Timer>>(&mut self, flow: Flow, hand: &mut Hand<'_, K>) -> Vec<Expired<U>> {
        let went_there = |sent: Flow| sent == flow || (sent.connection == 0 && sent == Flow { connection: 0, ..flow });
        let lost = self.clients.iter().filter(|(_, row)| went_there(row.flow));
        let lost: Vec<ClientKey> = lost.map(|(key, _)| ClientKey::of(key)).collect();
        let mut expired = Vec::new();
        for client in lost {
            if let Some((client::Tell::Expired(why), Some(user))) =
                self.step_client(client, client::Event::FlowFailed, hand)
            {
                expired.push(Expired::Unanswered { client, user, why });
            }
        }
        expired
    }

    /// True where a new request of theirs that begins something would find no room.
    pub fn is_full(&self) -> bool {
        self.servers.len() >= self.capacity
    }

    /// True where there is no transaction at all.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty()
    }

    /// What is there, and what happened so far.
    pub fn counts(&self) -> Counts {
        Counts { clients: self.clients.len(), servers: self.servers.len(), ..self.counts }
    }
}

/// Requests of theirs.
impl<U: Copy> Transactions<U> {
    fn arrived<K: From<Timer>>(&mut self, flow: Flow, message: &Message, hand: &mut Hand<'_, K>) -> Arrival<U> {
        let method = message.method();
        let fingerprint = self.matching.request(message, method);
        let known = self.by_request.get(&fingerprint).copied();
        match (method, known) {
            (Method::Ack, known) => self.ack(known, hand),
            (_, Some(server)) => {
                self.counts.repeated += 1;
                if let Some(row) = self.servers.get_mut(server.row()) {
                    row.flow = reply_flow(flow, message);
                }
                self.step_server(server, server::Event::Request, hand);
                Arrival::Absorbed
            }
            (_, None) => self.admit(flow, message, fingerprint, hand),
        }
    }

    /// RFC 3261 §17.2.3: an ACK to a refusal has the branch of its INVITE; one to a 2xx has its own.
    fn ack<K: From<Timer>>(&mut self, invite: Option<ServerKey>, hand: &mut Hand<'_, K>) -> Arrival<U> {
        let Some(server) = invite else { return Arrival::Ack { invite: None } };
        match self.step_server(server, server::Event::Ack, hand) {
            Some((server::Tell::Ack, user)) => Arrival::Ack { invite: Some((server, user)) },
            _ => Arrival::Absorbed,
        }
    }

    fn admit<K: From<Timer>>(
        &mut self,
        flow: Flow,
        message: &Message,
        fingerprint: Fingerprint,
        hand: &mut Hand<'_, K>,
    ) -> Arrival<U> {
        let method = message.method();
        let begins = message.to_tag().is_none() && method != Method::Cancel;
        let room = if begins { self.capacity } else { self.capacity * 2 };
        if self.servers.len() >= room {
            self.counts.refused += 1;
            return Arrival::NoRoom;
        }
        let origin = begins.then(|| self.matching.origin(message, method));
        let merged = origin.as_ref().is_some_and(|origin| self.by_origin.contains_key(origin));
        let origin = origin.filter(|_| !merged);
        let server = self.open(reply_flow(flow, message), message, fingerprint, origin, hand);
        if merged {
            // RFC 3261 §8.2.2.2: a proxy before us forked, and the copies meet again here.
            self.counts.merged += 1;
            let status = Status::LOOP_DETECTED;
            let answer = self.writer.reply(message, status, &fingerprint.tag(), flow.remote).finish();
            self.respond(server, status, answer, hand);
            return Arrival::Absorbed;
        }
        if method != Method::Cancel {
            return Arrival::Request(server);
        }
        // RFC 3261 §9.2: the CANCEL has the branch of the request that it means, and only an INVITE can be meant.
        let invite = self.by_request.get(&self.matching.request(message, Method::Invite)).copied();
        let user = |invite: ServerKey| self.servers.get(invite.row()).and_then(|row| row.user);
        Arrival::Cancel { cancel: server, invite: invite.map(|invite| (invite, user(invite))) }
    }

    fn open<K: From<Timer>>(
        &mut self,
        flow: Flow,
        message: &Message,
        fingerprint: Fingerprint,
        origin: Option<Fingerprint>,
        hand: &mut Hand<'_, K>,
    ) -> ServerKey {
        let invite = message.method() == Method::Invite;
        // An INVITE that begins a call gets its 100 from its user, at once.
        let by_user = invite && message.to_tag().is_none();
        let request = if by_user { Bytes::new() } else { message.bytes().clone() };
        let key = self
            .servers
            .insert_with(|key| Server::begin(ServerKey::of(key), flow, fingerprint, origin, request, invite, hand));
        let server = ServerKey::of(key);
        self.by_request.insert(fingerprint, server);
        if let Some(origin) = origin {
            self.by_origin.insert(origin, server);
        }
        server
    }

    fn step_server<K: From<Timer>>(
        &mut self,
        server: ServerKey,
        event: server::Event,
        hand: &mut Hand<'_, K>,
    ) -> Option<(server::Tell, Option<U>)> {
        let row = self.servers.get_mut(server.row())?;
        let mut tell = row.step(event, hand);
        if tell == server::Tell::TryingIsDue
            && let Some(trying) = follow_up::trying(&mut self.writer, &row.request, row.flow.remote)
        {
            tell = row.step(server::Event::Respond(Status::TRYING, trying), hand);
        }
        let user = row.user;
        if row.is_over() {
            self.forget_origin(server);
            if let Some(row) = self.servers.remove(server.row()) {
                self.by_request.remove(&row.fingerprint);
                tighten(&mut self.by_request);
            }
        }
        Some((tell, user))
    }

    fn forget_origin(&mut self, server: ServerKey) {
        if let Some(origin) = self.servers.get_mut(server.row()).and_then(|row| row.origin.take()) {
            self.by_origin.remove(&origin);
            tighten(&mut self.by_origin);
        }
    }
}

/// Requests of ours.
impl<U: Copy> Transactions<U> {
    fn begin<K: From<Timer>>(
        &mut self,
        user: Option<U>,
        flow: Flow,
        method: Method,
        branch: Token,
        bytes: Bytes,
        hand: &mut Hand<'_, K>,
    ) -> ClientKey {
        let key =
            self.clients.insert_with(|key| Client::begin(ClientKey::of(key), user, flow, method, branch, bytes, hand));
        let client = ClientKey::of(key);
        self.by_branch.insert((branch, method), client);
        client
    }

    /// RFC 3261 §17.1.3: a response belongs to the request with the same branch and the same method in CSeq.
    fn response<K: From<Timer>>(&mut self, status: Status, message: &Message, hand: &mut Hand<'_, K>) -> Arrival<U> {
        let branch = message.branch().and_then(Token::of_branch);
        let Some(client) = branch.and_then(|branch| self.by_branch.get(&(branch, message.method())).copied()) else {
            self.counts.stray += 1;
            return Arrival::Stray;
        };
        let event = match status.class() {
            1 => client::Event::Provisional,
            2 => client::Event::Success,
            _ => {
                let invite = self.clients.get(client.row()).and_then(Client::open_invite);
                client::Event::Failure(invite.and_then(|invite| follow_up::ack(&mut self.writer, invite, message)))
            }
        };
        let told = self.step_client(client, event, hand);
        self.send_due_cancel(client, hand);
        match told {
            Some((client::Tell::Response, Some(user))) => Arrival::Response { client, user },
            Some((client::Tell::AnotherAnswer, Some(user))) => Arrival::AnotherAnswer { client, user },
            _ => Arrival::Absorbed,
        }
    }

    fn step_client<K: From<Timer>>(
        &mut self,
        client: ClientKey,
        event: client::Event,
        hand: &mut Hand<'_, K>,
    ) -> Option<(client::Tell, Option<U>)> {
        let row = self.clients.get_mut(client.row())?;
        let tell = row.step(event, hand);
        let user = row.user;
        if row.is_over() {
            self.by_branch.remove(&(row.branch, row.method));
            tighten(&mut self.by_branch);
            self.clients.remove(client.row());
        }
        Some((tell, user))
    }

    /// The CANCEL repeats the branch of the INVITE and is a transaction of its own, of which nobody wants to hear.
    fn send_due_cancel<K: From<Timer>>(&mut self, client: ClientKey, hand: &mut Hand<'_, K>) {
        let Some(row) = self.clients.get_mut(client.row()) else { return };
        let (flow, branch) = (row.flow, row.branch);
        if let Some(cancel) = row.due_cancel(hand) {
            self.begin(None, flow, Method::Cancel, branch, cancel, hand);
        }
    }
}

/// Where responses to this request go: back to where it came from, whatever it says about itself. Only a peer on UDP that
/// did not ask for its source port (RFC 3581) and stands where it says it does gets them at the port that it names
/// (RFC 3261 §18.2.2); behind a NAT that port would be nobody's.
pub fn reply_flow(flow: Flow, message: &Message) -> Flow {
    let via = message.via();
    if flow.transport.is_reliable() || via.wants_rport() {
        return flow;
    }
    let stands_there = match via.host {
        Host::Ip(ip) => ip.to_canonical() == flow.remote.ip().to_canonical(),
        Host::Name(_) => true,
    };
    let mut reply = flow;
    if stands_there {
        reply.remote.set_port(via.port.unwrap_or(5060));
    }
    reply
}

#[cfg(test)]
mod tests;
