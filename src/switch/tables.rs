//! What the switch owns: tables, and nothing that acts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use crate::admission::Doorkeeper;
use crate::anchor::TakeKey;
use crate::call::{Leg, LegEvent, LegOrder, Line, Means};
use crate::clock::{Deadline, Instant, Now, Timestamp};
use crate::config::Config;
use crate::customer::CustomerIndex;
use crate::fact::{Party, RecordingOf};
use crate::guard::Guard;
use crate::key::{Arena, CallId, CallKey, LegKey, OfCall, OfLeg, OfTape, TapeKey};
use crate::overload::{Overload, TurnedAway};
use crate::registrar::Registrar;
use crate::sip::Status;
use crate::state::State;
use crate::subscription::{Subscriptions, Waiting};
use crate::tape::Tape;
use crate::transaction::ServerKey;

/// The core: a value that owns every call, binding and registration.
#[derive(Debug)]
pub struct Switch {
    pub(super) means: Means,
    pub(super) lines: Arena<Line, OfCall>,
    pub(super) legs: Arena<Leg, OfLeg>,
    /// Live legs by the employee at their other end, the oldest first: from these, and nothing else, follows who is busy.
    pub(super) by_extension: HashMap<Arc<str>, Vec<LegKey>, foldhash::fast::FixedState>,
    /// Live legs by the trunk that carries them. A set, because a trunk may carry thousands, of which each comes and goes.
    pub(super) by_trunk: HashMap<Arc<str>, BTreeSet<LegKey>, foldhash::fast::FixedState>,
    /// Calls in progress by DID.
    pub(super) by_did: HashMap<Arc<str>, u32, foldhash::fast::FixedState>,
    /// Calls in which a member waits to become free or to register.
    pub(super) watchers: HashMap<Arc<str>, Vec<CallKey>, foldhash::fast::FixedState>,
    pub(super) registrar: Registrar,
    pub(super) subscriptions: Subscriptions,
    /// How many messages wait, by extension, as its phones were told; who has none is not listed.
    pub(super) mailboxes: BTreeMap<Arc<str>, Waiting>,
    /// Watched extensions whose legs have moved in this reaction.
    pub(super) marked: Vec<Arc<str>>,
    pub(super) doorkeeper: Doorkeeper,
    pub(super) guard: Guard,
    pub(super) customers: Box<CustomerIndex>,
    /// They were asked for anew, and have not come yet.
    pub(super) customers_worn: bool,
    pub(super) state: State,
    /// What legs have said and their calls have not heard yet.
    pub(super) said: VecDeque<(LegKey, LegEvent)>,
    /// Who answered, and in which call: their other phones stop ringing.
    pub(super) taken: Vec<(Arc<str>, CallKey)>,
    /// Who hung up or registered: calls that wait for them go on.
    pub(super) freed: Vec<Arc<str>>,
    /// Attended transfers to be carried out.
    pub(super) joins: Vec<Join>,
    /// Answers that wait until their call is on record.
    pub(super) held: VecDeque<(Instant, Held)>,
    /// A timer waits for the first of them.
    pub(super) gate_is_watched: bool,
    pub(super) journaled: u64,
    pub(super) guarantee_suspended: bool,
    pub(super) pressure: bool,
    pub(super) draining: bool,
    /// It was said that the last call is over.
    pub(super) drained: bool,
    pub(super) overload: Overload,
    pub(super) turned_away: TurnedAway,
    pub(super) shed: Shed,
    pub(super) tapes: Tapes,
    /// Legs whose ports are being closed, the oldest first.
    pub(super) streams: VecDeque<Stream>,
    pub(super) takes: Takes,
    /// Wrong pins of mailboxes by the extension from which they came: since when, and how many.
    pub(super) guesses: BTreeMap<Arc<str>, (Instant, u8)>,
}

/// Recordings by their key.
#[derive(Debug, Default)]
pub(super) struct Takes {
    pub(super) running: BTreeMap<TakeKey, Running>,
    pub(super) last: u64,
}

/// A recording that runs, or whose file is being made whole.
#[derive(Debug)]
pub(super) struct Running {
    /// The call, which may be over by now.
    pub(super) line: CallKey,
    pub(super) call: CallId,
    pub(super) file: Arc<str>,
    pub(super) of: RecordingOf,
    pub(super) from: Party,
    pub(super) began: Timestamp,
    /// The dialog of who is heard on it, for the tape.
    pub(super) dialog: u64,
    /// Its end was ordered.
    pub(super) ended: bool,
}

/// A leg that is gone and whose ports are being closed.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) leg: LegKey,
    pub(super) call: CallId,
    /// The leg's number within the call.
    pub(super) number: u16,
    /// It was answered: silence is worth a fact too.
    pub(super) talked: bool,
    /// Since when it is gone.
    pub(super) since: Instant,
}

/// An attended transfer that was accepted, until both calls are at rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Join {
    /// The call whose dialog asked for it.
    pub(super) line: CallKey,
    /// The leg that asked.
    pub(super) by: LegKey,
    /// The same employee's other leg.
    pub(super) consulted: LegKey,
}

/// An answer that waits for the journal.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) fact: u64,
    pub(super) answer: HeldAnswer,
}

#[derive(Debug)]
pub(super) enum HeldAnswer {
    Order(LegKey, LegOrder),
    Reply(ServerKey, Status, Bytes),
}

/// What became of calls that were shed.
#[derive(Debug, Default)]
pub(super) struct Shed {
    /// Since the start.
    pub(super) total: u64,
    /// On record by themselves, within this window of time.
    pub(super) recorded: usize,
    /// Not on record by themselves, since the last count.
    pub(super) uncounted: u64,
    /// A timer waits for the window's end.
    pub(super) watched: bool,
}

impl Shed {
    /// A new window, or a journal whose memory has just become full or free: as many again may be recorded.
    pub(super) fn make_room(&mut self) {
        self.recorded = 0;
    }
}

/// The tapes that are being written.
#[derive(Debug, Default)]
pub(super) struct Tapes {
    pub(super) all: Arena<Tape, OfTape>,
    /// Which side of which call a Call-ID means.
    pub(super) by_call_id: HashMap<u64, (TapeKey, u16), foldhash::fast::FixedState>,
    /// Counts reactions.
    pub(super) reaction: u64,
    /// When the present one was due.
    pub(super) due: Instant,
    /// What came in and belongs to no known dialog: the call that begins with it takes it.
    pub(super) unclaimed: Option<(u64, Bytes)>,
    /// Calls that noted a fact in this reaction.
    pub(super) noted: Vec<TapeKey>,
    /// Calls that were closed in this reaction.
    pub(super) closed: Vec<(CallKey, TapeKey, String)>,
    /// Calls that have become one in this reaction: the one that goes on, and the one that is over.
    pub(super) joins: Vec<(TapeKey, TapeKey)>,
    /// Calls that have become part of another and have not said goodbye to everybody: on whose tape they are.
    pub(super) joined: BTreeMap<TapeKey, (TapeKey, CallId)>,
    /// Calls that are closed, but one that has become part of them is not; with their ladders.
    pub(super) open: BTreeMap<TapeKey, String>,
    /// Calls that are closed, but whose caller owes an ACK; with their ladders.
    pub(super) waiting: BTreeMap<TapeKey, (String, Deadline)>,
    /// The chance with which the present call was decided.
    pub(super) chance: u64,
    /// The chance that was told to us for the next one.
    pub(super) destined: Option<u64>,
}

impl Switch {
    /// An empty office under `config`. `seed` is the only chance it will ever have; `shard` is written into every tag,
    /// branch and Call-ID.
    pub fn new(config: Arc<Config>, seed: [u8; 32], shard: u8, now: Now) -> Switch {
        let mut means = Means::new(config.clone(), seed, shard, now);
        let doorkeeper = Doorkeeper::new(&config, &means.servers, &mut means.entropy);
        let guard = Guard::new(&config.guard);
        Switch {
            means,
            lines: Default::default(),
            legs: Default::default(),
            by_extension: HashMap::default(),
            by_trunk: HashMap::default(),
            by_did: HashMap::default(),
            watchers: HashMap::default(),
            registrar: Registrar::default(),
            subscriptions: Subscriptions::default(),
            mailboxes: BTreeMap::new(),
            marked: Vec::new(),
            doorkeeper,
            guard,
            customers: Box::default(),
            customers_worn: false,
            state: State::default(),
            said: VecDeque::new(),
            taken: Vec::new(),
            freed: Vec::new(),
            joins: Vec::new(),
            held: VecDeque::new(),
            gate_is_watched: false,
            journaled: 0,
            guarantee_suspended: false,
            pressure: false,
            draining: false,
            drained: false,
            overload: Overload::default(),
            turned_away: TurnedAway::default(),
            shed: Shed::default(),
            tapes: Tapes::default(),
            streams: VecDeque::new(),
            takes: Takes::default(),
            guesses: BTreeMap::new(),
        }
    }
}
