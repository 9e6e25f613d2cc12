//! What a leg acts with: time, chance, transactions, timers, media ports, and the way out.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use super::streams::{Streams, is_too_large};
use crate::anchor::Ports;
use crate::clock::{Deadlines, Now};
use crate::config::Config;
use crate::dialog::{Dialog, Hop, NextHop};
use crate::effect::Effect;
use crate::entropy::{Entropy, Token};
use crate::fact::{Fact, Noted};
use crate::host::Host;
use crate::key::{CallKey, Flow, LegKey, TapeKey, Transport};
use crate::registration::{Ground, Purpose, TrunkNews, Trunks};
use crate::servers::Servers;
use crate::sip::digest::Answerer;
use crate::sip::{self, Draft, Method, Status, Writer};
use crate::subscription::SubscriptionKey;
use crate::tape::Who;
use crate::transaction::{ClientKey, Hand, ServerKey, Timer as TransactionTimer, Transactions};

/// Who waits for the answer to a request of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum User {
    /// Nobody: whatever comes is the end of it.
    Nobody,
    /// A leg.
    Leg(LegKey),
    /// A registration or OPTIONS towards a trunk.
    Trunk(Purpose),
    /// Somebody's lamp.
    Subscription(SubscriptionKey),
}

/// Everything that comes due, in the one set of deadlines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A transaction's.
    Transaction(TransactionTimer),
    /// The next step of a call.
    Call(CallKey),
    /// What a leg has set for itself.
    Leg(LegKey),
    /// A binding runs out.
    Binding(crate::registrar::Due),
    /// A registration or OPTIONS towards a trunk is due.
    Trunk(crate::registration::Due),
    /// A subscription runs out.
    Subscription(crate::subscription::Due),
    /// Answers that waited 250 ms for the journal leave without it.
    Gate,
    /// Calls that were shed without a record of their own are counted.
    Shed,
    /// Whether an overload is over.
    Overload,
    /// Nobody repeats any more what was turned away in an overload that is over.
    TurnedAway,
    /// Whoever owes a tape its last ACK will not say it any more.
    Tape(TapeKey),
}

impl From<Purpose> for User {
    fn from(asked: Purpose) -> User {
        User::Trunk(asked)
    }
}

impl From<TransactionTimer> for Timer {
    fn from(timer: TransactionTimer) -> Timer {
        Timer::Transaction(timer)
    }
}

impl From<crate::registrar::Due> for Timer {
    fn from(due: crate::registrar::Due) -> Timer {
        Timer::Binding(due)
    }
}

impl From<crate::registration::Due> for Timer {
    fn from(due: crate::registration::Due) -> Timer {
        Timer::Trunk(due)
    }
}

impl From<crate::subscription::Due> for Timer {
    fn from(due: crate::subscription::Due) -> Timer {
        Timer::Subscription(due)
    }
}

/// What a leg acts with. One value, lent to whoever acts.
#[derive(Debug)]
pub struct Means {
    /// What time it is.
    pub now: Now,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Chance.
    pub entropy: Entropy,
    /// Requests and answers under way.
    pub transactions: Transactions<User>,
    /// Everything that is still to happen.
    pub deadlines: Deadlines<Timer>,
    /// Media ports.
    pub ports: Ports,
    /// The machine's own addresses.
    pub host: Host,
    /// What the names of servers mean.
    pub servers: Servers,
    /// The trunks.
    pub trunks: Trunks,
    /// What became of trunks, until it is noted.
    pub news: Vec<TrunkNews>,
    /// What was noted about messages in this reaction, until the state knows it.
    pub of_messages: Vec<Fact>,
    /// What is to be done in the world, in order.
    pub effects: Vec<Effect>,
    /// Legs by our tag, which is chance of ours; the leg's dialog then checks the rest of what a request names.
    pub dialogs: HashMap<Token, LegKey, foldhash::fast::FixedState>,
    /// Connections that are open, and who speaks on them.
    pub streams: Streams,
    /// Facts noted so far.
    pub noted: u64,
    /// Plays ordered so far.
    pub plays: u64,
    /// Messages noted so far, to keep the order of a ladder.
    pub messages: u32,
    /// Dialogs that began in this reaction, for the tapes of their calls.
    pub opened: Vec<Opened>,
    /// The one buffer in which messages are written.
    pub writer: Writer,
}

/// A dialog that began: whose, with whom, and by which Call-ID it is known.
#[derive(Debug)]
pub struct Opened {
    /// The call.
    pub call: CallKey,
    /// At the other end.
    pub who: Who,
    /// Its Call-ID.
    pub call_id: Box<str>,
}

/// Our hop of a request, owned.
#[derive(Clone, Copy, Debug)]
pub struct OurHop {
    transport: Transport,
    address: SocketAddr,
    /// What follows the cookie in its branch.
    pub branch: Token,
}

impl OurHop {
    /// As the dialog wants it.
    pub fn view(&self) -> Hop<'static> {
        Hop {
            transport: self.transport,
            host: sip::Host::Ip(self.address.ip()),
            port: Some(self.address.port()),
            branch: self.branch,
        }
    }
}

/// How many requests of theirs are held at once; see [`Transactions`].
const CAPACITY: usize = 200_000;

impl Means {
    /// For an empty office under `config`.
    pub fn new(config: Arc<Config>, seed: [u8; 32], shard: u8, now: Now) -> Means {
        let mut entropy = Entropy::seeded(seed, shard);
        Means {
            now,
            transactions: Transactions::new(CAPACITY, &mut entropy),
            deadlines: Deadlines::default(),
            ports: Ports::new(config.media.ports.0..=config.media.ports.1),
            host: Host::new(&config),
            servers: Servers::default(),
            trunks: Trunks::default(),
            of_messages: Vec::new(),
            news: Vec::new(),
            effects: Vec::new(),
            dialogs: HashMap::default(),
            streams: Streams::default(),
            noted: 0,
            plays: 0,
            messages: 0,
            opened: Vec::new(),
            writer: Writer::default(),
            entropy,
            config,
        }
    }

    /// A dialog of this call begins: its messages belong on the call's tape.
    pub fn open(&mut self, call: CallKey, peer: &Arc<str>, trunk: bool, flow: Flow, call_id: &str) {
        let who = Who { peer: peer.clone(), trunk, flow, us: self.host.told(&flow) };
        self.opened.push(Opened { call, who, call_id: call_id.into() });
    }

    /// Splits off what the transactions need.
    pub fn hand(&mut self) -> (&mut Transactions<User>, Hand<'_, Timer>) {
        let hand = Hand { now: self.now, deadlines: &mut self.deadlines, wire: &mut self.effects };
        (&mut self.transactions, hand)
    }

    /// Writes a message in the one buffer.
    pub fn write(&mut self, write: impl FnOnce(&mut Writer, &mut Means) -> Bytes) -> Bytes {
        let mut writer = std::mem::take(&mut self.writer);
        let bytes = write(&mut writer, self);
        self.writer = writer;
        bytes
    }

    /// Answers a request.
    pub fn respond(&mut self, server: ServerKey, status: Status, bytes: Bytes) {
        let (transactions, mut hand) = self.hand();
        transactions.respond(server, status, bytes, &mut hand);
    }

    /// Our hop of a request that leaves on this flow.
    pub fn hop(&mut self, flow: &Flow) -> OurHop {
        OurHop { transport: flow.transport, address: self.address_for(flow), branch: self.entropy.branch() }
    }

    /// Sends a message that is no transaction of its own (an ACK) where the dialog's requests go.
    pub fn send_on(&mut self, dialog: &Dialog, bytes: Bytes) {
        let flow = next_flow(dialog);
        self.effects.push(Effect::Send { flow, bytes });
    }

    /// Sends a request within a dialog: over the stream, where there is one and it is too large for a datagram. `write`
    /// gets the draft and its Request-URI's text.
    pub fn request_with(
        &mut self,
        user: User,
        dialog: &mut Dialog,
        stream: Option<Flow>,
        method: Method,
        write: impl Fn(&mut Draft<'_>, &str, &mut Means) -> Bytes,
    ) -> ClientKey {
        let mut flow = next_flow(dialog);
        let mut hop = self.hop(&flow);
        let target = dialog.target().to_owned();
        let written = |dialog: &mut Dialog, hop: &OurHop, means: &mut Means| {
            means.write(|writer, means| {
                let mut draft = dialog.request(writer, method, hop.view());
                write(&mut draft, target.as_str(), means)
            })
        };
        let mut bytes = written(dialog, &hop, self);
        if let Some(stream) = stream.filter(|_| is_too_large(&bytes, &flow)) {
            dialog.take_back();
            (flow, hop) = (stream, self.hop(&stream));
            bytes = written(dialog, &hop, self);
        }
        let (transactions, mut hand) = self.hand();
        transactions.request(user, flow, method, hop.branch, bytes, &mut hand)
    }

    /// Notes a fact; the number under which the journal will report it.
    pub fn note(&mut self, fact: Fact) -> u64 {
        self.noted += 1;
        if matches!(fact, Fact::Recorded(_) | Fact::Message { .. } | Fact::Erased { .. }) {
            self.of_messages.push(fact.clone());
        }
        self.effects.push(Effect::Fact(Box::new(Noted { number: self.noted, at: self.now.wall, fact })));
        self.noted
    }

    /// Our address as the peer of this flow must write it: the public one towards the outside.
    pub fn address_for(&self, flow: &Flow) -> SocketAddr {
        self.host.told(flow)
    }

    /// Our account with a trunk, by its name.
    pub fn answerer(&mut self, trunk: &str) -> Option<&mut Answerer> {
        let ix = self.config.trunk_by_name(trunk)?;
        self.trunks.answerer(ix)
    }

    /// Lets the trunks act, with everything they need.
    pub fn with_trunks(&mut self, act: impl FnOnce(&mut Trunks, &mut Ground<'_, '_, User, Timer>)) {
        let mut hand = Hand { now: self.now, deadlines: &mut self.deadlines, wire: &mut self.effects };
        let mut ground = Ground {
            host: &self.host,
            servers: &self.servers,
            transactions: &mut self.transactions,
            entropy: &mut self.entropy,
            writer: &mut self.writer,
            hand: &mut hand,
            news: &mut self.news,
        };
        act(&mut self.trunks, &mut ground);
    }
}

/// Where a dialog's requests go. A name that only DNS could tell is reached as the peer was heard: nothing on the call
/// path waits for a look-up.
fn next_flow(dialog: &Dialog) -> Flow {
    match dialog.next_hop() {
        NextHop::Flow(flow) => flow,
        NextHop::Name { learnt, .. } => learnt,
    }
}
