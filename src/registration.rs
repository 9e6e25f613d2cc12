//! Our side towards the providers: we register where they want it, notice when one does not answer, and know which of its
//! addresses works.
//!
//! Every trunk is asked with OPTIONS whether it is there; one that has `register` gets our REGISTER too, refreshed before
//! it runs out (RFC 3261 §10.2). Where a name has several addresses they are tried in order (RFC 3263 §4.3), and the
//! first that answers is used. What fails is tried again with growing, uneven pauses, so that a provider that comes back
//! is not knocked down by its customers (RFC 5626 §4.5).
//!
//! ```text
//!           any answer but 503                no answer, 503, registration refused
//! (new) ─────────────────────────▶ up ◀──────────────────────────────────▶ down
//!    └──────────── no answer ───────────────────────────────────────────────▲
//! ```

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use smallvec::SmallVec;

use self::ways::Failed;
use crate::clock::{Deadline, Duration, Now, Timestamp};
use crate::config::{Config, Network, Register, TrunkIx};
use crate::entropy::{BRANCH_COOKIE, Entropy, Token};
use crate::host::Host;
use crate::key::{Flow, Transport};
use crate::servers::{ServerName, Servers};
use crate::sip::digest::{Answerer, Asker, Tried, Unanswerable};
use crate::sip::{HeaderName, Host as SipHost, Message, Method, Status, Uri, Writer};
use crate::transaction::{Hand, Timer, Transactions, Why};

mod ways;

/// How often a trunk that answers is asked whether it is there.
const PING_UP: Duration = Duration::from_secs(30);
/// How often one that does not is asked. Each question takes up to 32 s by itself (RFC 3261 §17.1.2.2).
const PING_DOWN: Duration = Duration::from_secs(10);
/// Seconds for which we ask to be registered.
const ASKED: u32 = 600;
/// The longest time a provider may make us ask for (423).
const LONGEST_ASKED: u32 = 24 * 3600;
/// The first pause after a failure, and the longest (RFC 5626 §4.5).
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// A timer of this file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due {
    line: LineId,
    what: What,
}

/// What a request of this file is for, by which its answer is recognised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Purpose {
    line: LineId,
    what: What,
    /// Which of the trunk's addresses was asked.
    address: SocketAddr,
    /// Which of the requests of its kind; an answer to an older one is of no interest.
    serial: u32,
}

/// Names a trunk across configs, in which its index may change.
type LineId = u32;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    Options,
    Register,
}

/// What became of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkNews {
    /// It does not answer, or refuses us.
    Down {
        /// The trunk's name.
        trunk: Arc<str>,
        /// What was seen.
        why: String,
    },
    /// It answers again.
    Up {
        /// The trunk's name.
        trunk: Arc<str>,
    },
}

/// What is handed to this file with every input.
pub struct Ground<'a, 'h, U, K> {
    /// Our own addresses.
    pub host: &'a Host,
    /// What names mean.
    pub servers: &'a Servers,
    /// Where requests are sent.
    pub transactions: &'a mut Transactions<U>,
    /// Chance.
    pub entropy: &'a mut Entropy,
    /// Where messages are written.
    pub writer: &'a mut Writer,
    /// Time, timers and the wire.
    pub hand: &'a mut Hand<'h, K>,
    /// What became of trunks.
    pub news: &'a mut Vec<TrunkNews>,
}

/// Whether a trunk can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing was heard yet; calls are tried.
    New,
    /// It answers.
    Up,
    /// It does not, or refuses us.
    Down,
}

/// Every trunk, as it is now.
#[derive(Debug, Default)]
pub struct Trunks {
    lines: Vec<Line>,
    /// The trunks' own addresses, resolved: sorted, so that a caller's address finds its trunk at once.
    by_address: Vec<(IpAddr, u16, TrunkIx)>,
    networks: Vec<(Network, TrunkIx)>,
    last_id: LineId,
}

/// One trunk.
#[derive(Debug)]
struct Line {
    id: LineId,
    ix: TrunkIx,
    name: Arc<str>,
    server: ServerName,
    account: Option<Register>,
    answerer: Option<Answerer>,
    standing: Standing,
    /// The address in use.
    chosen: Option<SocketAddr>,
    /// Those that have lately failed a call.
    failed: Failed,
    options: Errand,
    register: Errand,
    /// The Contact URI that we registered.
    contact: Option<Uri>,
    /// Seconds that we ask for; a 423 raises it.
    expires: u32,
    registered: bool,
    /// When it last answered our OPTIONS, whatever it said.
    pinged: Option<Timestamp>,
    /// Refusals and silences in a row.
    failures: u32,
    /// What was seen last of one that is down.
    why: Option<String>,
}

/// A request that goes out again and again, in one Call-ID.
#[derive(Debug)]
struct Errand {
    call_id: Token,
    tag: Token,
    cseq: u32,
    tried: Tried,
    /// The addresses that were asked since it came due.
    asked: SmallVec<[SocketAddr; 2]>,
    serial: u32,
    deadline: Option<Deadline>,
}

impl Errand {
    fn new(entropy: &mut Entropy) -> Errand {
        Errand {
            call_id: entropy.sip_call_id(),
            tag: entropy.tag(),
            cseq: (entropy.below(1 << 16)) as u32,
            tried: Tried::default(),
            asked: SmallVec::new(),
            serial: 0,
            deadline: None,
        }
    }
}

impl Trunks {
    /// Follows a config: new trunks are asked and registered with at once, those that are gone are not asked any more, and
    /// one whose server and account are as before goes on undisturbed.
    pub fn configure<U, K>(&mut self, config: &Config, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let mut before = std::mem::take(&mut self.lines);
        self.networks =
            config.trunks().flat_map(|(ix, trunk)| trunk.from.iter().map(move |network| (*network, ix))).collect();
        let mut fresh = Vec::new();
        for (ix, trunk) in config.trunks() {
            let server = ServerName::from(&trunk.server);
            let same = |line: &Line| line.name == trunk.name && line.server == server && line.account == trunk.register;
            match before.iter().position(same) {
                Some(at) => self.lines.push(Line { ix, ..before.swap_remove(at) }),
                None => {
                    self.last_id += 1;
                    fresh.push(self.last_id);
                    let account = trunk.register.clone();
                    self.lines.push(Line::new(self.last_id, ix, trunk.name.clone(), server, account, ground.entropy));
                }
            }
        }
        for mut gone in before {
            for deadline in [&mut gone.options, &mut gone.register].into_iter().filter_map(|e| e.deadline.take()) {
                ground.hand.deadlines.cancel(deadline);
            }
        }
        self.index(ground.servers);
        for line in fresh {
            self.begin(line, What::Options, ground);
            self.begin(line, What::Register, ground);
        }
    }

    /// What a name means has changed: a trunk whose address in use is not among the new ones goes to the first of them.
    pub fn resolved<U, K>(&mut self, name: &ServerName, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        self.index(ground.servers);
        let addresses = ground.servers.addresses(name);
        let mut moved = Vec::new();
        for line in self.lines.iter_mut().filter(|line| line.server == *name) {
            let stays = line.chosen.is_some_and(|chosen| addresses.iter().any(|(_, address)| *address == chosen));
            if !stays {
                line.chosen = None;
                moved.push(line.id);
            }
        }
        for line in moved {
            self.begin(line, What::Options, ground);
            self.begin(line, What::Register, ground);
        }
    }

    /// A timer of ours came due.
    pub fn due<U, K>(&mut self, due: Due, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        self.begin(due.line, due.what, ground);
    }

    /// An answer to a request of ours.
    pub fn answered<U, K>(&mut self, asked: Purpose, message: &Message, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let Some(status) = message.status().filter(|status| status.is_final()) else { return };
        if self.line(asked).is_none() {
            return;
        }
        match asked.what {
            What::Options => self.pinged(asked, status, ground),
            What::Register => self.registered(asked, status, message, ground),
        }
    }

    /// A request of ours gets no answer.
    pub fn unanswered<U, K>(&mut self, asked: Purpose, why: Why, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let why = match why {
            Why::TimedOut => "no answer",
            Why::FlowFailed => "no connection",
        };
        self.failed(asked, why.to_owned(), ground);
    }
}

/// What calls ask.
impl Trunks {
    /// The ways to a trunk's server, in the order in which they are to be tried. Empty while its name is unknown.
    pub fn ways(&self, trunk: TrunkIx, host: &Host, servers: &Servers, now: Now) -> SmallVec<[Flow; 4]> {
        let Some(line) = self.lines.get(trunk.index()) else { return SmallVec::new() };
        let ordered = line.failed.order(servers.addresses(&line.server), line.chosen, now.mono);
        ordered.into_iter().filter_map(|(transport, address)| host.flow(transport, address)).collect()
    }

    /// A call found nobody on this way, or was told to go elsewhere.
    pub fn failed_a_call(&mut self, trunk: TrunkIx, way: Flow, now: Now) {
        if let Some(line) = self.lines.get_mut(trunk.index()) {
            line.failed.add(way.remote, now.mono);
        }
    }

    /// False for a trunk that does not answer or refuses us.
    pub fn is_up(&self, trunk: TrunkIx) -> bool {
        self.standing(trunk) != Standing::Down
    }

    /// How a trunk stands.
    pub fn standing(&self, trunk: TrunkIx) -> Standing {
        self.lines.get(trunk.index()).map_or(Standing::New, |line| line.standing)
    }

    /// True while a registration of ours holds there.
    pub fn is_registered(&self, trunk: TrunkIx) -> bool {
        self.lines.get(trunk.index()).is_some_and(|line| line.registered)
    }

    /// What was seen last of a trunk that is down; empty for another one.
    pub fn why_down(&self, trunk: TrunkIx) -> &str {
        self.lines.get(trunk.index()).and_then(|line| line.why.as_deref()).unwrap_or_default()
    }

    /// When a trunk last answered our OPTIONS, whatever it said.
    pub fn pinged_at(&self, trunk: TrunkIx) -> Option<Timestamp> {
        self.lines.get(trunk.index()).and_then(|line| line.pinged)
    }

    /// Our account with a trunk, to answer the challenge to a call.
    pub fn answerer(&mut self, trunk: TrunkIx) -> Option<&mut Answerer> {
        self.lines.get_mut(trunk.index())?.answerer.as_mut()
    }

    /// The trunk whose server is at exactly this address and port. Where several are, the one whose account the Request-URI
    /// names, else the first of the file.
    pub fn server_at(&self, source: SocketAddr, user: Option<&str>) -> Option<TrunkIx> {
        let ip = source.ip().to_canonical();
        let from = self.by_address.partition_point(|(address, port, _)| (*address, *port) < (ip, source.port()));
        let here = self.by_address[from..].iter();
        let here = here.take_while(|(address, port, _)| (*address, *port) == (ip, source.port()));
        self.best(here.map(|(_, _, trunk)| *trunk), user)
    }

    /// The trunk whose calls come from this address: one of its servers' (any port), or in its `from`.
    pub fn who_is(&self, source: IpAddr, user: Option<&str>) -> Option<TrunkIx> {
        let ip = source.to_canonical();
        let from = self.by_address.partition_point(|(address, _, _)| *address < ip);
        let servers = self.by_address[from..].iter().take_while(|(address, _, _)| *address == ip);
        let servers = servers.map(|(_, _, trunk)| *trunk);
        let networks = self.networks.iter().filter(|(network, _)| network.contains(ip)).map(|(_, trunk)| *trunk);
        self.best(servers.chain(networks), user)
    }

    fn best(&self, trunks: impl Iterator<Item = TrunkIx>, user: Option<&str>) -> Option<TrunkIx> {
        let account = |trunk: &TrunkIx| {
            let account = self.lines.get(trunk.index()).and_then(|line| line.account.as_ref());
            user.is_some() && account.map(|account| &*account.user) == user
        };
        let all: SmallVec<[TrunkIx; 4]> = trunks.collect();
        all.iter().find(|trunk| account(trunk)).or(all.first()).copied()
    }
}

impl Line {
    fn new(
        id: LineId,
        ix: TrunkIx,
        name: Arc<str>,
        server: ServerName,
        account: Option<Register>,
        entropy: &mut Entropy,
    ) -> Line {
        let answerer = account.as_ref().and_then(|account| {
            let password = account.password.as_ref()?;
            Some(Answerer::new(&account.user, password.expose()))
        });
        Line {
            id,
            ix,
            name,
            server,
            account,
            answerer,
            standing: Standing::New,
            chosen: None,
            failed: Failed::default(),
            options: Errand::new(entropy),
            register: Errand::new(entropy),
            contact: None,
            expires: ASKED,
            registered: false,
            pinged: None,
            failures: 0,
            why: None,
        }
    }

    fn errand(&mut self, what: What) -> &mut Errand {
        match what {
            What::Options => &mut self.options,
            What::Register => &mut self.register,
        }
    }

    /// The server's host as a URI writes it.
    fn host(&self) -> String {
        match self.server.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => self.server.host.to_string(),
        }
    }
}

impl Trunks {
    fn index(&mut self, servers: &Servers) {
        self.by_address.clear();
        for line in &self.lines {
            let addresses = servers.addresses(&line.server).iter();
            self.by_address
                .extend(addresses.map(|(_, address)| (address.ip().to_canonical(), address.port(), line.ix)));
        }
        self.by_address.sort();
        self.by_address.dedup();
    }

    /// The trunk of a request, unless it is gone or has been asked anew since.
    fn line(&mut self, asked: Purpose) -> Option<&mut Line> {
        let line = self.lines.iter_mut().find(|line| line.id == asked.line)?;
        (line.errand(asked.what).serial == asked.serial).then_some(line)
    }

    /// Sends what is to be sent, to the address in use; the first of the list where none is.
    fn begin<U, K>(&mut self, line: LineId, what: What, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let Some(line) = self.lines.iter_mut().find(|known| known.id == line) else { return };
        if what == What::Register && line.answerer.is_none() {
            return;
        }
        line.errand(what).tried = Tried::default();
        line.errand(what).asked.clear();
        line.errand(what).deadline = None;
        let addresses = ground.servers.addresses(&line.server);
        let in_use = addresses.iter().find(|(_, address)| Some(*address) == line.chosen);
        // Where its name is not known yet, what is learnt about it begins anew.
        let Some((transport, address)) = in_use.or(addresses.first()).copied() else { return };
        line.send(what, transport, address, ground);
    }

    fn pinged<U, K>(&mut self, asked: Purpose, status: Status, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let at = ground.hand.now.wall;
        if let Some(line) = self.line(asked) {
            line.pinged = Some(at);
        }
        if matches!(status, Status::SERVICE_UNAVAILABLE | Status::REQUEST_TIMEOUT) {
            return self.failed(asked, format!("it answers {}", status.code()), ground);
        }
        let Some(line) = self.line(asked) else { return };
        line.chosen = Some(asked.address);
        // Where a registration is wanted, only that one says that we are welcome.
        if line.answerer.is_none() || line.registered {
            line.is_there(ground);
        }
        line.wait(What::Options, PING_UP, ground);
    }

    fn registered<U, K>(&mut self, asked: Purpose, status: Status, message: &Message, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let Some(line) = self.line(asked) else { return };
        let again = match status {
            status if status.is_success() => return line.welcomed(asked.address, message, ground),
            Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED => line.challenged(status, message),
            Status::INTERVAL_TOO_BRIEF => line.too_brief(message),
            status => Err(format!("it answers {}", status.code())),
        };
        match again {
            Ok(()) => line.send(asked.what, line.transport_of(asked.address, ground.servers), asked.address, ground),
            Err(why) => self.failed(asked, format!("registration: {why}"), ground),
        }
    }

    /// The next address is tried at once; after the last one the trunk is down, and there is a pause.
    fn failed<U, K>(&mut self, asked: Purpose, why: String, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let Some(line) = self.line(asked) else { return };
        let addresses = ground.servers.addresses(&line.server);
        let asked_already = line.errand(asked.what).asked.clone();
        let mut rest = addresses.iter().filter(|(_, address)| !asked_already.contains(address));
        if line.chosen == Some(asked.address) {
            line.chosen = None;
        }
        if asked.what == What::Register {
            line.registered = false;
        }
        if let Some((transport, address)) = rest.next().copied() {
            line.errand(asked.what).tried = Tried::default();
            return line.send(asked.what, transport, address, ground);
        }
        line.is_gone(why, ground);
        let pause = match asked.what {
            What::Options => PING_DOWN,
            What::Register => {
                line.failures = line.failures.saturating_add(1);
                pause(line.failures, ground.entropy)
            }
        };
        line.wait(asked.what, pause, ground);
    }
}

/// What happens to one trunk.
impl Line {
    fn send<U, K>(&mut self, what: What, transport: Transport, address: SocketAddr, ground: &mut Ground<'_, '_, U, K>)
    where
        U: Copy + From<Purpose>,
        K: From<Due> + From<Timer>,
    {
        let Some(flow) = ground.host.flow(transport, address) else {
            self.is_gone("we listen on no address of its family".to_owned(), ground);
            return self.wait(what, LONGEST_PAUSE, ground);
        };
        let branch = ground.entropy.branch();
        let bytes = self.write(what, &flow, branch, ground);
        let line = self.id;
        let errand = self.errand(what);
        errand.serial += 1;
        if !errand.asked.contains(&address) {
            errand.asked.push(address);
        }
        let asked = Purpose { line, what, address, serial: errand.serial };
        if let Some(deadline) = errand.deadline.take() {
            ground.hand.deadlines.cancel(deadline);
        }
        ground.transactions.request(U::from(asked), flow, what.method(), branch, bytes, ground.hand);
    }

    /// A 200 to our REGISTER.
    fn welcomed<U, K: From<Due>>(&mut self, address: SocketAddr, message: &Message, ground: &mut Ground<'_, '_, U, K>) {
        self.chosen = Some(address);
        self.registered = true;
        self.failures = 0;
        let granted = self.granted(message).unwrap_or(self.expires).clamp(10, LONGEST_ASKED);
        self.is_there(ground);
        self.wait(What::Register, refresh_after(granted), ground);
    }

    /// What a 200 grants our Contact: its `expires`, else the Expires of all.
    fn granted(&self, message: &Message) -> Option<u32> {
        let ours = self.contact.as_ref()?;
        let mut contacts = message.addresses(HeaderName::Contact);
        let contact = contacts.find(|contact| contact.uri.is_same(ours.view()));
        contact.and_then(|contact| contact.expires()).or_else(|| seconds(message, HeaderName::Expires))
    }

    /// 401 and 407: one retry per challenge.
    fn challenged(&mut self, status: Status, message: &Message) -> Result<(), String> {
        let (asker, name) = match status {
            Status::UNAUTHORIZED => (Asker::Server, HeaderName::WwwAuthenticate),
            _ => (Asker::Proxy, HeaderName::ProxyAuthenticate),
        };
        let answerer = self.answerer.as_mut().ok_or("no password")?;
        let answered = answerer.challenged(asker, message.headers(name), &mut self.register.tried);
        answered.map_err(|why| match why {
            Unanswerable::Unsupported => "it asks for a digest that we do not speak".to_owned(),
            Unanswerable::Refused => "it refuses our user or password".to_owned(),
        })
    }

    /// 423: we ask for as much as the provider wants, within reason.
    fn too_brief(&mut self, message: &Message) -> Result<(), String> {
        let wanted = seconds(message, HeaderName::MinExpires);
        let wanted = wanted.filter(|wanted| (self.expires + 1..=LONGEST_ASKED).contains(wanted));
        self.expires = wanted.ok_or("423 without a usable Min-Expires")?;
        Ok(())
    }

    fn transport_of(&self, address: SocketAddr, servers: &Servers) -> Transport {
        let mut addresses = servers.addresses(&self.server).iter();
        addresses.find(|(_, known)| *known == address).map_or(self.server.transport, |(transport, _)| *transport)
    }

    fn is_there<U, K>(&mut self, ground: &mut Ground<'_, '_, U, K>) {
        if self.standing == Standing::Down {
            ground.news.push(TrunkNews::Up { trunk: self.name.clone() });
        }
        self.standing = Standing::Up;
        self.why = None;
    }

    fn is_gone<U, K>(&mut self, why: String, ground: &mut Ground<'_, '_, U, K>) {
        if self.standing != Standing::Down {
            ground.news.push(TrunkNews::Down { trunk: self.name.clone(), why: why.clone() });
        }
        self.standing = Standing::Down;
        self.why = Some(why);
    }

    fn wait<U, K: From<Due>>(&mut self, what: What, pause: Duration, ground: &mut Ground<'_, '_, U, K>) {
        let line = self.id;
        let errand = self.errand(what);
        if let Some(deadline) = errand.deadline.take() {
            ground.hand.deadlines.cancel(deadline);
        }
        let at = ground.hand.now.mono + pause;
        errand.deadline = Some(ground.hand.deadlines.set(at, K::from(Due { line, what })));
    }
}

impl What {
    fn method(self) -> Method {
        match self {
            What::Options => Method::Options,
            What::Register => Method::Register,
        }
    }
}

impl Line {
    fn write<U, K>(
        &mut self,
        what: What,
        flow: &Flow,
        branch: Token,
        ground: &mut Ground<'_, '_, U, K>,
    ) -> bytes::Bytes {
        let told = ground.host.told(flow);
        let transport = flow.transport;
        let parameter = match transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        let host = self.host();
        let port = self.server.port.map(|port| format!(":{port}")).unwrap_or_default();
        let uri = format!("sip:{host}{port}{parameter}");
        let user = self.account.as_ref().map_or("", |account| &*account.user);
        let contact = Uri::at(user, told);
        // An account has its home in the provider's domain; without one we are who we are.
        let own = match self.account {
            Some(_) => Uri::sip(user, SipHost::parse(&host).unwrap_or(SipHost::Ip(told.ip())), None),
            None => contact.clone(),
        };
        let expires = self.expires;
        if what == What::Register {
            self.contact = Some(contact.clone());
        }
        let proofs = match (&mut self.answerer, what) {
            (Some(answerer), What::Register) => {
                answerer.authorize(what.method().as_str().as_bytes(), uri.as_bytes(), ground.entropy)
            }
            _ => SmallVec::new(),
        };
        let errand = self.errand(what);
        errand.cseq += 1;
        let mut draft = ground.writer.request(what.method(), &uri);
        draft
            .header(HeaderName::Via, format!("SIP/2.0/{} {told};branch={BRANCH_COOKIE}{branch};rport", transport.via()))
            .number(HeaderName::MaxForwards, 70u8)
            .header(HeaderName::From, format!("<{}>;tag={}", own.as_str(), errand.tag))
            .header(HeaderName::To, format!("<{}>", if what == What::Register { own.as_str() } else { &uri }))
            .header(HeaderName::CallId, errand.call_id.as_str())
            .header(HeaderName::CSeq, format!("{} {}", errand.cseq, what.method().as_str()))
            .header(HeaderName::Contact, format!("<{}{parameter}>", contact.as_str()));
        if what == What::Register {
            draft.number(HeaderName::Expires, expires);
        }
        for (name, value) in proofs {
            draft.header(name, value);
        }
        draft.finish()
    }
}

fn seconds(message: &Message, name: HeaderName) -> Option<u32> {
    crate::sip::header::seconds(message.header(name)?).ok()
}

/// A minute before the end, and for short ones at four fifths.
fn refresh_after(granted: u32) -> Duration {
    let granted = u64::from(granted);
    Duration::from_secs((granted * 4 / 5).max(granted.saturating_sub(60)))
}

/// RFC 5626 §4.5: doubled with each failure, and uneven between one half and the whole.
fn pause(failures: u32, entropy: &mut Entropy) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let millis = longest.as_millis() as u64;
    Duration::from_millis(millis / 2 + entropy.below(millis / 2 + 1))
}

#[cfg(test)]
mod tests;
