//! Which phones can be rung: every phone says where it is (REGISTER), and for how long that holds.
//!
//! RFC 3261 §10 with Path (3327), outbound instances (5626) and the parameters of push (8599) kept. A phone is known by
//! its instance and reg-id, else by its Contact; it is rung on the flow on which it registered, because behind a NAT
//! there is no other way to it.
//!
//! ```text
//!             REGISTER                 connection closed, restart (streams)
//!   (none) ──────────────▶ reachable ──────────────────────────────────────▶ unreachable
//!      ▲                     │   ▲                 REGISTER                    │
//!      └── expired, removed ─┘   └─────────────────────────────────────────────┘  (expired, removed: gone)
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::clock::{Deadline, Deadlines, Duration, Instant, Now, Timestamp};
use crate::key::{Arena, Flow, Key, Transport};
use crate::refusal::Refusal;
use crate::sip::framing::PING;
use crate::sip::header::NameAddr;
use crate::sip::{HeaderName, Message, Status, Uri, UriRef};
use crate::transaction::Wire;

/// The most bindings that one extension may have.
pub const MOST_BINDINGS: usize = 10;
/// Seconds below which a phone is asked to take more (423), unless it takes none.
pub const SHORTEST: u32 = 60;
/// Seconds granted at most.
pub const LONGEST: u32 = 3600;
/// Seconds granted at most over UDP behind a NAT, whose memory is short.
pub const LONGEST_BEHIND_NAT: u32 = 120;
/// How often a NAT is reminded of a phone behind it.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// The name of a binding while it lasts.
pub type BindingKey = Key<Binding>;

/// A timer of the registrar: a binding runs out, or its NAT is to be reminded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due(BindingKey);

/// Where one phone of an extension is.
#[derive(Debug)]
pub struct Binding {
    /// The extension's number.
    pub extension: Arc<str>,
    /// The Contact URI as registered: the Request-URI of what is sent to the phone.
    pub contact: Uri,
    /// The Path values in order, ready for Route headers (RFC 3327).
    pub path: Vec<Box<str>>,
    /// The way to it: where its last REGISTER (or later request) came from.
    pub flow: Flow,
    /// False while its connection is closed, or not yet opened again after a restart.
    pub reachable: bool,
    /// The phone's own name for itself; may be empty.
    pub user_agent: Box<str>,
    /// Preference among the phones of one extension, 0 to 1000.
    pub q: u16,
    /// When it runs out.
    pub expires: Instant,
    identity: Identity,
    /// Parameters of the Contact header that are repeated to the phone: instance and reg-id.
    echo: Box<str>,
    call_id: Box<str>,
    cseq: u32,
    granted: u32,
    behind_nat: bool,
    deadline: Option<Deadline>,
}

/// What makes it the same phone next time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Identity {
    /// `+sip.instance` and `reg-id` (0 where none is given).
    Instance(Box<str>, u32),
    /// Compared by RFC 3261 §19.1.4.
    Contact(Box<str>),
}

impl Identity {
    fn of(contact: &NameAddr<'_>) -> Identity {
        match contact.instance() {
            Some(instance) if !instance.is_empty() => {
                Identity::Instance(instance.into(), contact.reg_id().unwrap_or(0))
            }
            _ => Identity::Contact(contact.uri.as_str().into()),
        }
    }

    fn is_same(&self, other: &Identity) -> bool {
        match (self, other) {
            (Identity::Contact(one), Identity::Contact(two)) => {
                let uri = |text: &str| Uri::parse(text.as_bytes()).ok();
                one == two || uri(one).zip(uri(two)).is_some_and(|(one, two)| one.view().is_same(two.view()))
            }
            _ => self == other,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Identity::Instance(instance, reg_id) => format!("<{instance}>;reg-id={reg_id}"),
            Identity::Contact(contact) => contact.to_string(),
        }
    }

    fn from_text(text: &str) -> Identity {
        let instance = text.strip_prefix('<').and_then(|rest| rest.rsplit_once(">;reg-id="));
        match instance.and_then(|(instance, reg_id)| Some((instance, reg_id.parse().ok()?))) {
            Some((instance, reg_id)) => Identity::Instance(instance.into(), reg_id),
            None => Identity::Contact(text.into()),
        }
    }
}

/// A binding as it must be restored after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The extension's number.
    pub extension: Arc<str>,
    /// What makes it the same binding next time: instance and reg-id, else the Contact.
    pub identity: String,
    /// The Contact URI with its parameters, as registered.
    pub contact: String,
    /// The Path values, in order, ready for Route headers (RFC 3327).
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub path: Vec<String>,
    /// How it was reached.
    pub transport: Transport,
    /// Our address towards it.
    pub local: SocketAddr,
    /// Its address, as seen by us.
    pub remote: SocketAddr,
    /// Call-ID and CSeq of the REGISTER, to refuse what comes out of order.
    pub call_id: String,
    /// See `call_id`.
    pub cseq: u32,
    /// Seconds granted; a refresh of the same is not written again, so a restored binding gets this time once more.
    pub granted: u32,
    /// When it would have run out without a refresh.
    pub expires: Timestamp,
    /// Instance and reg-id as parameters of the Contact header.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub echo: String,
    /// The phone's own name for itself.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub user_agent: String,
}

/// What a restart must know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingChange {
    /// New, or in a new way: contact, path, address or time beyond a pure refresh.
    Bound(Box<Bound>),
    /// Unregistered, expired, or its extension is gone.
    Unbound {
        /// The extension's number.
        extension: Arc<str>,
        /// As [`Bound::identity`].
        identity: String,
    },
}

/// A phone is reached in another way than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The way before.
    pub from: Flow,
    /// The way now.
    pub to: Flow,
    /// Its Contact URI before.
    pub was: Uri,
    /// Its Contact URI now.
    pub contact: Uri,
}

/// What a REGISTER came to; it deserves a 200.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Registered {
    /// The values of the Contact headers of the 200: every binding of the extension with what is left of its time.
    pub contacts: Vec<String>,
    /// The values of its Path headers (RFC 3327 §5.3), where the request had some.
    pub path: Vec<String>,
    /// The 200 says `Require: outbound` (RFC 5626 §6): this flow will be used and may be kept alive.
    pub outbound: bool,
    /// What is to be on disk before the 200 leaves; empty for a pure refresh and for a question.
    pub changes: Vec<BindingChange>,
    /// Phones that can be rung now and could not before.
    pub joined: Vec<BindingKey>,
    /// Phones that were bound in another way before: their talks follow them.
    pub moved: Vec<Moved>,
}

/// Every phone that has registered.
#[derive(Debug, Default)]
pub struct Registrar {
    bindings: Arena<Binding>,
    /// In the order in which they registered first.
    by_extension: HashMap<Arc<str>, Vec<BindingKey>, foldhash::fast::RandomState>,
    by_remote: BTreeMap<SocketAddr, Vec<BindingKey>>,
}

/// One Contact of a REGISTER.
struct Wish {
    identity: Identity,
    contact: Uri,
    echo: Box<str>,
    q: u16,
    /// 0 takes the binding away.
    granted: u32,
    behind_nat: bool,
}

/// What all Contacts of a REGISTER share.
struct Request<'a> {
    extension: &'a Arc<str>,
    flow: Flow,
    path: Vec<Box<str>>,
    call_id: &'a str,
    cseq: u32,
    user_agent: Box<str>,
}

impl Registrar {
    /// Follows a REGISTER of an authenticated phone of `extension`: all of its Contacts, or none of them. A refusal says what
    /// the phone has to change; nothing has changed then.
    pub fn register<K: From<Due>>(
        &mut self,
        extension: &Arc<str>,
        message: &Message,
        flow: Flow,
        now: Now,
        deadlines: &mut Deadlines<K>,
    ) -> Result<Registered, Refusal> {
        let request = Request {
            extension,
            flow,
            path: message.values(HeaderName::Path).map(text).collect(),
            call_id: message.call_id(),
            cseq: message.cseq().number,
            user_agent: message.header(HeaderName::UserAgent).map(text).unwrap_or_default(),
        };
        let mut registered = Registered::default();
        if is_wildcard(message)? {
            self.check_order(self.keys(extension), &request)?;
            for key in self.keys(extension).to_vec() {
                registered.changes.extend(self.remove(key, deadlines));
            }
            return Ok(registered);
        }
        let wishes = read_wishes(message, flow, request.path.is_empty())?;
        self.check(&wishes, &request)?;
        registered.outbound = !wishes.is_empty() && is_outbound(message, &request);
        for wish in wishes {
            self.carry_out(wish, &request, now, deadlines, &mut registered);
        }
        registered.contacts = self.contacts(extension, now.mono);
        registered.path = request.path.iter().map(|path| path.to_string()).collect();
        Ok(registered)
    }

    /// The phones of an extension that can be rung, in the order in which they registered first.
    pub fn devices(&self, extension: &str) -> impl Iterator<Item = (BindingKey, &Binding)> {
        self.all_devices(extension).filter(|(_, binding)| binding.reachable)
    }

    /// All phones of an extension, also those whose connection is closed.
    pub fn all_devices(&self, extension: &str) -> impl Iterator<Item = (BindingKey, &Binding)> {
        let keys = self.keys(extension).iter();
        keys.filter_map(|key| self.bindings.get(*key).map(|binding| (*key, binding)))
    }

    /// A phone, unless it is gone.
    pub fn get(&self, key: BindingKey) -> Option<&Binding> {
        self.bindings.get(key)
    }

    /// Every binding there is.
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().map(|(_, binding)| binding)
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// True where nobody has registered.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// True where some phone is bound at this very address and port.
    pub fn is_bound_at(&self, remote: SocketAddr) -> bool {
        self.by_remote.contains_key(&remote)
    }

    /// True where some phone is bound between these two addresses, whatever its port: such a source is never banned.
    pub fn is_bound_between(&self, first: IpAddr, last: IpAddr) -> bool {
        let (first, last) = (SocketAddr::new(first, 0), SocketAddr::new(last, u16::MAX));
        self.by_remote.range(first..=last).next().is_some()
    }

    /// An authenticated request of `extension` came on `flow`: if it names a Contact that is bound elsewhere, the phone has
    /// moved (from Wi-Fi to LTE, or its NAT forgot it) and is rung on its new flow.
    pub fn seen(
        &mut self,
        extension: &str,
        contact: UriRef<'_>,
        flow: Flow,
        now: Now,
    ) -> Option<(BindingChange, Moved)> {
        let key = self.all_devices(extension).find(|(_, binding)| binding.contact.view().is_same(contact))?.0;
        let from = self.bindings.get(key)?.flow;
        if from == flow {
            return None;
        }
        self.reroute(key, flow);
        let binding = self.bindings.get_mut(key)?;
        binding.reachable = true;
        let moved = Moved { from, to: flow, was: binding.contact.clone(), contact: binding.contact.clone() };
        Some((BindingChange::Bound(Box::new(binding.bound(now))), moved))
    }

    /// A connection is closed: the phones on it cannot be rung until they register again.
    pub fn flow_closed(&mut self, flow: Flow) {
        for key in self.by_remote.get(&flow.remote).cloned().unwrap_or_default() {
            if let Some(binding) = self.bindings.get_mut(key).filter(|binding| binding.flow == flow) {
                binding.reachable = false;
            }
        }
    }

    /// A binding from before the restart. It gets its time once more, because refreshes were not written; where it came over
    /// a stream, that connection is gone, and it cannot be rung until it registers again.
    pub fn restore<K: From<Due>>(&mut self, bound: &Bound, now: Now, deadlines: &mut Deadlines<K>) {
        let identity = Identity::from_text(&bound.identity);
        if let Some(old) = self.find(&bound.extension, &identity) {
            self.remove(old, deadlines);
        }
        let Ok(contact) = Uri::parse(bound.contact.as_bytes()) else { return };
        let flow = Flow { transport: bound.transport, local: bound.local, remote: bound.remote, connection: 0 };
        let behind_nat = bound.path.is_empty() && is_behind_nat(contact.view(), flow);
        self.insert(
            Binding {
                extension: bound.extension.clone(),
                contact,
                path: bound.path.iter().map(|path| path.as_str().into()).collect(),
                flow,
                reachable: !bound.transport.is_reliable(),
                user_agent: bound.user_agent.as_str().into(),
                q: 1000,
                expires: now.mono + Duration::from_secs(bound.granted.clamp(1, LONGEST).into()),
                identity,
                echo: bound.echo.as_str().into(),
                call_id: bound.call_id.as_str().into(),
                cseq: bound.cseq,
                granted: bound.granted.clamp(1, LONGEST),
                behind_nat,
                deadline: None,
            },
            now.mono,
            deadlines,
        );
    }

    /// Follows a [`BindingChange::Unbound`] from before the restart.
    pub fn forget<K: From<Due>>(&mut self, extension: &str, identity: &str, deadlines: &mut Deadlines<K>) {
        if let Some(key) = self.find(extension, &Identity::from_text(identity)) {
            self.remove(key, deadlines);
        }
    }

    /// Keeps only the phones of extensions that still may register.
    pub fn retain<K: From<Due>>(
        &mut self,
        deadlines: &mut Deadlines<K>,
        may_register: impl Fn(&str) -> bool,
    ) -> Vec<BindingChange> {
        let gone = self.bindings.iter().filter(|(_, binding)| !may_register(&binding.extension));
        let gone: Vec<_> = gone.map(|(key, _)| key).collect();
        gone.into_iter().filter_map(|key| self.remove(key, deadlines)).collect()
    }

    /// A timer of ours came due: a NAT is reminded, or a binding has run out.
    pub fn due<K: From<Due>>(
        &mut self,
        Due(key): Due,
        now: Now,
        deadlines: &mut Deadlines<K>,
        wire: &mut dyn Wire,
    ) -> Option<BindingChange> {
        let binding = self.bindings.get_mut(key)?;
        binding.deadline = None;
        if binding.expires <= now.mono {
            return self.remove(key, deadlines);
        }
        if binding.needs_keep_alive() {
            wire.send(binding.flow, Bytes::from_static(PING));
        }
        binding.set_deadline(key, now.mono, deadlines);
        None
    }
}

impl Registrar {
    fn keys(&self, extension: &str) -> &[BindingKey] {
        self.by_extension.get(extension).map(Vec::as_slice).unwrap_or_default()
    }

    fn find(&self, extension: &str, identity: &Identity) -> Option<BindingKey> {
        let key = self.all_devices(extension).find(|(_, binding)| binding.identity.is_same(identity));
        key.map(|(key, _)| key)
    }

    /// Whether all wishes can be fulfilled; carrying them out cannot fail afterwards.
    fn check(&self, wishes: &[Wish], request: &Request<'_>) -> Result<(), Refusal> {
        let mut added = 0;
        for (at, wish) in wishes.iter().enumerate() {
            if wishes[..at].iter().any(|other| other.identity.is_same(&wish.identity)) {
                return Err(Refusal::bad_request("The Same Contact Twice"));
            }
            match self.find(request.extension, &wish.identity) {
                Some(key) => self.check_order(&[key], request)?,
                None if wish.granted > 0 => added += 1,
                None => {}
            }
        }
        let gone = wishes.iter().filter(|wish| wish.granted == 0);
        let gone = gone.filter(|wish| self.find(request.extension, &wish.identity).is_some()).count();
        if added > 0 && self.keys(request.extension).len() + added - gone > MOST_BINDINGS {
            return Err(Refusal::new(Status::FORBIDDEN).because("Too Many Phones On This Extension"));
        }
        Ok(())
    }

    /// RFC 3261 §10.3 steps 6 and 7: within one Call-ID only a higher CSeq is news.
    fn check_order(&self, keys: &[BindingKey], request: &Request<'_>) -> Result<(), Refusal> {
        let known = keys.iter().filter_map(|key| self.bindings.get(*key));
        let mut late = known.filter(|known| *known.call_id == *request.call_id && known.cseq >= request.cseq);
        match late.next() {
            Some(_) => Err(Refusal::new(Status::SERVER_INTERNAL_ERROR).because("CSeq Out Of Order")),
            None => Ok(()),
        }
    }

    fn carry_out<K: From<Due>>(
        &mut self,
        wish: Wish,
        request: &Request<'_>,
        now: Now,
        deadlines: &mut Deadlines<K>,
        registered: &mut Registered,
    ) {
        let old = self.find(request.extension, &wish.identity);
        if wish.granted == 0 {
            registered.changes.extend(old.and_then(|key| self.remove(key, deadlines)));
            return;
        }
        registered.moved.extend(self.moved(old, &wish, request));
        let fresh = Binding {
            extension: request.extension.clone(),
            contact: wish.contact,
            path: request.path.clone(),
            flow: request.flow,
            reachable: true,
            user_agent: request.user_agent.clone(),
            q: wish.q,
            expires: now.mono + Duration::from_secs(wish.granted.into()),
            identity: wish.identity,
            echo: wish.echo,
            call_id: request.call_id.into(),
            cseq: request.cseq,
            granted: wish.granted,
            behind_nat: wish.behind_nat,
            deadline: None,
        };
        let (key, news, could_ring) = match old {
            None => {
                let bound = fresh.bound(now);
                (self.insert(fresh, now.mono, deadlines), Some(bound), false)
            }
            Some(key) => {
                let news = self.bindings.get(key).is_none_or(|old| !fresh.is_refresh_of(old));
                self.reroute(key, request.flow);
                let Some(binding) = self.bindings.get_mut(key) else { return };
                let could_ring = binding.reachable;
                if let Some(deadline) = binding.deadline {
                    deadlines.cancel(deadline);
                }
                *binding = fresh;
                binding.set_deadline(key, now.mono, deadlines);
                (key, news.then(|| binding.bound(now)), could_ring)
            }
        };
        registered.changes.extend(news.map(|bound| BindingChange::Bound(Box::new(bound))));
        if !could_ring {
            registered.joined.push(key);
        }
    }

    /// The way in which this phone was bound before, where that was another one. A phone without an instance, whose Contact
    /// is new with each connection, or with each address that a NAT gives it, is known by its Call-ID (RFC 3261 §10.2.4).
    fn moved(&self, old: Option<BindingKey>, wish: &Wish, request: &Request<'_>) -> Option<Moved> {
        let its = |(key, binding): &(BindingKey, &Binding)| match old {
            Some(old) => *key == old,
            None => {
                *binding.call_id == *request.call_id && (!binding.reachable || !binding.flow.transport.is_reliable())
            }
        };
        let (_, before) = self.all_devices(request.extension).find(its)?;
        let (from, to) = (before.flow, request.flow);
        (from != to).then(|| Moved { from, to, was: before.contact.clone(), contact: wish.contact.clone() })
    }

    fn insert<K: From<Due>>(&mut self, binding: Binding, now: Instant, deadlines: &mut Deadlines<K>) -> BindingKey {
        let (extension, remote) = (binding.extension.clone(), binding.flow.remote);
        let key = self.bindings.insert(binding);
        if let Some(binding) = self.bindings.get_mut(key) {
            binding.set_deadline(key, now, deadlines);
        }
        self.by_extension.entry(extension).or_default().push(key);
        self.by_remote.entry(remote).or_default().push(key);
        key
    }

    fn remove<K>(&mut self, key: BindingKey, deadlines: &mut Deadlines<K>) -> Option<BindingChange> {
        let binding = self.bindings.remove(key)?;
        if let Some(deadline) = binding.deadline {
            deadlines.cancel(deadline);
        }
        if let Some(keys) = self.by_extension.get_mut(&binding.extension) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_extension.remove(&binding.extension);
            }
        }
        self.leave(binding.flow.remote, key);
        Some(BindingChange::Unbound { extension: binding.extension, identity: binding.identity.to_text() })
    }

    /// Enters a binding under its new address.
    fn reroute(&mut self, key: BindingKey, flow: Flow) {
        let Some(binding) = self.bindings.get_mut(key) else { return };
        let old = std::mem::replace(&mut binding.flow, flow).remote;
        if old != flow.remote {
            self.leave(old, key);
            self.by_remote.entry(flow.remote).or_default().push(key);
        }
    }

    fn leave(&mut self, remote: SocketAddr, key: BindingKey) {
        if let Some(keys) = self.by_remote.get_mut(&remote) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_remote.remove(&remote);
            }
        }
    }

    /// The Contact values of a 200 (RFC 3261 §10.3 step 8).
    fn contacts(&self, extension: &str, now: Instant) -> Vec<String> {
        let value = |(_, binding): (BindingKey, &Binding)| {
            let left = (binding.expires - now).as_secs().max(1);
            format!("<{}>{};expires={left}", binding.contact.as_str(), binding.echo)
        };
        self.all_devices(extension).map(value).collect()
    }
}

impl Binding {
    /// Seconds for which its last REGISTER was good.
    pub fn granted(&self) -> u32 {
        self.granted
    }

    /// True where its own idea of its address is not what we see: its NAT is reminded of it, over UDP.
    pub fn is_behind_nat(&self) -> bool {
        self.behind_nat
    }

    fn needs_keep_alive(&self) -> bool {
        self.behind_nat && !self.flow.transport.is_reliable()
    }

    fn set_deadline<K: From<Due>>(&mut self, key: BindingKey, now: Instant, deadlines: &mut Deadlines<K>) {
        let next = if self.needs_keep_alive() { self.expires.min(now + KEEP_ALIVE) } else { self.expires };
        self.deadline = Some(deadlines.set(next, K::from(Due(key))));
    }

    /// True where a restart that knows only `old` would ring this phone as well.
    fn is_refresh_of(&self, old: &Binding) -> bool {
        self.contact == old.contact
            && self.path == old.path
            && self.flow.transport == old.flow.transport
            && self.granted == old.granted
            && self.identity == old.identity
            && self.recorded_remote() == old.recorded_remote()
    }

    /// The address that a restart needs: that of a stream is of no use afterwards.
    fn recorded_remote(&self) -> Option<(SocketAddr, SocketAddr)> {
        (!self.flow.transport.is_reliable()).then_some((self.flow.local, self.flow.remote))
    }

    fn bound(&self, now: Now) -> Bound {
        Bound {
            extension: self.extension.clone(),
            identity: self.identity.to_text(),
            contact: self.contact.as_str().to_owned(),
            path: self.path.iter().map(|path| path.to_string()).collect(),
            transport: self.flow.transport,
            local: self.flow.local,
            remote: self.flow.remote,
            call_id: self.call_id.to_string(),
            cseq: self.cseq,
            granted: self.granted,
            expires: now.after(self.expires - now.mono).wall,
            echo: self.echo.to_string(),
            user_agent: self.user_agent.to_string(),
        }
    }
}

fn text(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value).into()
}

/// `Contact: *` takes away everything, and may say nothing else (RFC 3261 §10.2.2).
fn is_wildcard(message: &Message) -> Result<bool, Refusal> {
    if !message.is_star() {
        return Ok(false);
    }
    let alone = message.values(HeaderName::Contact).count() == 1;
    match message.header(HeaderName::Expires).and_then(seconds) {
        Some(0) if alone => Ok(true),
        Some(0) => Err(Refusal::bad_request("A Wildcard Contact Must Stand Alone")),
        _ => Err(Refusal::bad_request("A Wildcard Contact Needs Expires 0")),
    }
}

fn read_wishes(message: &Message, flow: Flow, direct: bool) -> Result<Vec<Wish>, Refusal> {
    let asked = message.header(HeaderName::Expires).and_then(seconds);
    let mut wishes = Vec::new();
    for value in message.values(HeaderName::Contact) {
        if wishes.len() == MOST_BINDINGS {
            return Err(Refusal::new(Status::FORBIDDEN).because("Too Many Contacts In One REGISTER"));
        }
        let contact = NameAddr::read(value).ok().filter(|contact| contact.uri.is_sip() && contact.uri.host().is_some());
        let contact = contact.ok_or_else(|| Refusal::bad_request("Unreadable Contact"))?;
        let behind_nat = direct && is_behind_nat(contact.uri, flow);
        let longest = match behind_nat && !flow.transport.is_reliable() {
            true => LONGEST_BEHIND_NAT,
            false => LONGEST,
        };
        // RFC 3261 §10.2.1.1: what cannot be read counts as 3600.
        let asked = contact.expires().or(asked).unwrap_or(LONGEST);
        if (1..SHORTEST).contains(&asked) {
            let least = SHORTEST.to_string();
            return Err(Refusal::new(Status::INTERVAL_TOO_BRIEF).with(HeaderName::MinExpires, least));
        }
        wishes.push(Wish {
            identity: Identity::of(&contact),
            contact: contact.uri.to_owned(),
            echo: echo(&contact),
            q: contact.q().unwrap_or(1000),
            granted: asked.min(longest),
            behind_nat,
        });
    }
    Ok(wishes)
}

/// A header of seconds; `None` where it cannot be read.
fn seconds(value: &[u8]) -> Option<u32> {
    crate::sip::header::seconds(value).ok()
}

fn echo(contact: &NameAddr<'_>) -> Box<str> {
    let instance = contact.instance().map(|instance| format!(";+sip.instance=\"<{instance}>\""));
    let reg_id = contact.reg_id().map(|reg_id| format!(";reg-id={reg_id}"));
    [instance, reg_id].into_iter().flatten().collect::<String>().into()
}

/// A phone whose own idea of its address is not what we see sits behind a NAT.
fn is_behind_nat(contact: UriRef<'_>, flow: Flow) -> bool {
    match contact.host().and_then(|host| host.ip()) {
        Some(ip) => ip.to_canonical() != flow.remote.ip().to_canonical(),
        None => false,
    }
}

/// RFC 5626 §6: the phone asked for outbound on a stream of its own, which we keep and answer pings on. Over UDP it would
/// rely on STUN, which we do not speak.
fn is_outbound(message: &Message, request: &Request<'_>) -> bool {
    let asked = message.addresses(HeaderName::Contact).any(|contact| contact.reg_id().is_some());
    let ours = request.path.is_empty() && request.flow.transport.is_reliable();
    asked && ours && message.lists(HeaderName::Supported, "outbound")
}

#[cfg(test)]
mod tests;
