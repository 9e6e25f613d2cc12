//! What happened, in the past tense: everything beside the call (records, follow-ups, webhooks, pages) follows facts.
//!
//! The core numbers its facts; the journal writes them in that order, in batches, and says up to which number they are
//! on disk. A call's first fact is [`CallFact::Offered`], then comes [`CallFact::Ended`], and its ladder last; facts of one call are never
//! reordered. The other facts are the state that is no configuration (bindings, overrides, absences, forwards, blocks, counters):
//! folding them in order gives that state back after a restart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::config::ForwardWhen;
use crate::customer::Kind;
pub use crate::guard::{Ban, Outcast};
use crate::key::CallId;
use crate::number::PhoneNumber;
pub use crate::registrar::Bound;
use crate::route::{Considered, Direction, Reason};
use crate::state::{Counter, Message, Override, State};
use crate::tape::Taped;

/// A fact with its place in the order of things.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// Counted from 1 since the process began; the journal answers with the highest one that is on disk.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A step in the life of a call.
    Call(CallId, CallFact),
    /// A phone registered for the first time, or in a new way (address, path, expiry beyond a pure refresh).
    Bound(Box<Bound>),
    /// A binding went: unregistered, expired, or its connection closed for good.
    Unbound {
        /// The extension's number.
        extension: Arc<str>,
        /// Which of its bindings, as [`Bound::identity`].
        identity: String,
    },
    /// A trunk stopped answering: no registration, no OPTIONS, or refusals that say so.
    TrunkDown {
        /// The trunk's name.
        trunk: Arc<str>,
        /// What was seen.
        why: String,
    },
    /// A trunk answers (again).
    TrunkUp {
        /// The trunk's name.
        trunk: Arc<str>,
    },
    /// The hours of a schedule were overridden, or (`None`) the override was taken back or ran out.
    Overridden {
        /// The schedule's name.
        schedule: Arc<str>,
        /// Open or closed, and until when.
        state: Option<Override>,
    },
    /// An employee went away, or (`None`) came back.
    Away {
        /// The extension's number.
        extension: Arc<str>,
        /// Until when; a far day stands for "until further notice".
        until: Option<Timestamp>,
    },
    /// An employee's calls go elsewhere from now on, or (`None`) no longer.
    Forwarded {
        /// The extension's number.
        extension: Arc<str>,
        /// Which of its calls.
        when: ForwardWhen,
        /// Where to, as it was dialled.
        to: Option<Arc<str>>,
    },
    /// A caller was put on the block list, or taken off it.
    Blocked {
        /// Whom.
        number: PhoneNumber,
        /// True: on the list.
        blocked: bool,
        /// In the admin's words.
        note: String,
    },
    /// A source or an account is kept out from now on.
    Banned(Box<Ban>),
    /// … and no longer, or it is not remembered any more that it was.
    Unbanned {
        /// Whom.
        whom: Outcast,
    },
    /// A counter that orders hunt groups or limits calls moved.
    Counted(Counter),
    /// A new configuration took effect.
    ConfigApplied {
        /// Its version, as `huntline check` prints it.
        version: Arc<str>,
        /// Its text without secrets.
        #[serde(skip_serializing_if = "str::is_empty", default)]
        text: Arc<str>,
    },
    /// A new configuration was refused; the old one stays.
    ConfigRejected {
        /// How many errors it had.
        errors: usize,
        /// The first of them.
        first: String,
    },
    /// A recording is over, and its file is whole. For one that ran when the process died, the restart says so.
    Recorded(Box<Recorded>),
    /// Somebody listened to a message, or threw it away.
    Message {
        /// Its file, counted from `storage.directory`.
        file: Arc<str>,
        /// The box it lies in.
        mailbox: Arc<str>,
        /// What became of it.
        now: MessageState,
    },
    /// The file of a recording is gone: its time is over, the disk is full, or somebody threw it away.
    Erased {
        /// The file, counted from `storage.directory`.
        file: Arc<str>,
        /// Why.
        why: Arc<str>,
    },
    /// What came in at one leg of a call in its life: the voice of its first stream. Known when its ports are closed, so it
    /// may follow the call's last fact.
    Streamed {
        /// The call.
        call: CallId,
        /// The leg's number within it.
        leg: u16,
        /// RTP and RTCP together.
        streamed: Streamed,
    },
    /// Somebody did something about a follow-up by hand, or its time did.
    FollowUp {
        /// Its number.
        id: i64,
        /// The employee who did it; `None`: an admin, or time itself.
        by: Option<Arc<str>>,
        /// What.
        what: Hand,
    },
    /// An employee wrote something down about a call.
    CallNoted {
        /// The call.
        call: CallId,
        /// Who wrote it; `None`: an admin, or a program.
        by: Option<Arc<str>>,
        /// A note in free words.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<Arc<str>>,
        /// What came of the call, in the company's own words: it needs no disposition any more.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        disposition: Option<Arc<str>>,
    },
    /// A letter arrived, or was given up.
    Delivered {
        /// How it travelled.
        carrier: Arc<str>,
        /// Whereto.
        to: Arc<str>,
        /// What it told of.
        about: Arc<str>,
        /// The call it belongs to.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        call: Option<CallId>,
        /// Why it was given up; `None`: it arrived.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        failed: Option<String>,
    },
    /// A customer is known from now on, or is known differently; or (`None`) is forgotten.
    Customer {
        /// What kind of entry.
        kind: Kind,
        /// The CRM's id, unique within its kind.
        id: Arc<str>,
        /// As they are from now on.
        now: Option<Box<CustomerCard>>,
    },
    /// A program or a person may use the API from now on.
    Token(Box<Token>),
    /// … and no longer.
    TokenRevoked {
        /// The token's id.
        id: Arc<str>,
    },
    /// A report was defined, or defined differently; or (`None`) its definition was thrown away.
    Report {
        /// Its name.
        name: Arc<str>,
        /// What it is from now on.
        now: Option<Box<SavedReport>>,
    },
    /// Something an admin must hear of.
    Alarm(Alarm),
    /// The router began to take calls.
    Started {
        /// Of the program.
        version: Arc<str>,
    },
    /// The router ended in an orderly way.
    Stopped,
}

/// Who speaks at one end of a call, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The number, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub number: Option<PhoneNumber>,
    /// As it came; shown where the number could not be read. Empty for an anonymous caller.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub text: String,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Arc<str>>,
    /// The employee's extension, where it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extension: Option<Arc<str>>,
    /// The caller asked not to be shown (RFC 3323), or gave no number.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub anonymous: bool,
}

/// The customer a call is with, as known when the call began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCustomer {
    /// The CRM's id.
    pub id: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// The responsible employee's extension.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub responsible: Option<Arc<str>>,
}

impl KnownCustomer {
    /// True for one whom the router has made of a number: the name is still the number.
    pub fn is_provisional(&self) -> bool {
        self.id == self.name && self.name.starts_with('+')
    }
}

/// The first fact of a call: who called, whom, and what was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// From where to where.
    pub direction: Direction,
    /// Who calls.
    pub from: Party,
    /// What was dialled, as read.
    pub to: Party,
    /// The DID it came in on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub did: Option<Arc<str>>,
    /// The DID's `source` label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<Arc<str>>,
    /// The trunk it came in on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trunk: Option<Arc<str>>,
    /// The customer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer: Option<KnownCustomer>,
    /// An emergency number was dialled.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub emergency: bool,
    /// What the program that asked for the call (click-to-call) calls it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<Arc<str>>,
    /// The Call-ID on the caller's side, to find the call in a trunk's or phone's own log. Empty where nobody has called: the
    /// employee asked for the call, and is rung as well.
    pub sip_call_id: String,
    /// Why the plan is what it is: each rule that spoke, in the order of decision.
    pub because: Vec<Reason>,
    /// Every rule in the order of decision with its outcome, as `explain` prints it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub considered: Vec<Considered>,
    /// The steps of the plan with their timetables, a line each.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub plan: String,
}

impl Offered {
    /// True for a call that an employee asked for instead of dialling it (click-to-call).
    pub fn is_asked_for(&self) -> bool {
        self.direction != Direction::Inbound && self.sip_call_id.is_empty()
    }
}

/// Whom a leg rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// A phone of an employee.
    Extension(Arc<str>),
    /// A number outside, through a trunk.
    Trunk {
        /// The trunk's name.
        trunk: Arc<str>,
        /// The number as dialled there.
        number: Arc<str>,
    },
}

/// A leg began to be rung, or took the call over from one that rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The leg's number within its call; the caller's own is 0, but where they were rung as well: then
    /// [`CallFact::CallerAnswered`] says which it is.
    pub leg: u16,
    /// Whom it rings.
    pub whom: Whom,
    /// Which device, as its address.
    pub device: Arc<str>,
}

/// Why a ringing leg is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Another one answered: no phone shows a missed call (RFC 3326, `SIP;cause=200`).
    CompletedElsewhere,
    /// The caller gave up.
    CallerGone,
    /// The plan moved on.
    PlanMovedOn,
    /// Its extension answered another call.
    Taken,
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingOf {
    /// A talk: the caller on the left, the company on the right.
    Talk,
    /// A message of the caller.
    Message {
        /// The voicemail box.
        mailbox: Arc<str>,
    },
}

/// A recording that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The call it is of.
    pub call: CallId,
    /// The WAV file, counted from `storage.directory`; it names the recording.
    pub file: Arc<str>,
    /// What was written down.
    pub of: RecordingOf,
    /// Who called.
    pub from: Party,
    /// When it began.
    pub began: Timestamp,
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// How much of that is speech, in milliseconds. A message with less than a second of it is empty.
    pub speech_ms: u64,
    /// How much could not be written, in milliseconds.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub lost_ms: u64,
    /// Why writing failed in the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<String>,
}

impl Recorded {
    /// With less speech than this, in milliseconds, a message is an empty one.
    pub const SPEECH_OF_A_MESSAGE_MS: u64 = 1_000;

    /// True for a message in which nobody speaks.
    pub fn is_empty(&self) -> bool {
        self.speech_ms < Recorded::SPEECH_OF_A_MESSAGE_MS
    }

    /// As it lies in its box.
    fn to_message(&self) -> Message {
        Message {
            file: self.file.clone(),
            number: self.from.number,
            extension: self.from.extension.clone(),
            at: self.began,
            length_ms: self.length_ms,
            empty: self.is_empty(),
            heard: false,
        }
    }
}

/// What is done about a follow-up by hand, or by time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// Whoever did it calls them back. Of several who claim at once, one does.
    Claimed,
    /// Somebody else does, or (`None`) anybody.
    Assigned {
        /// The extension's number.
        to: Option<Arc<str>>,
    },
    /// Something to know about it.
    Remarked {
        /// In free words.
        text: Arc<str>,
    },
    /// It is done without a talk that the router has seen.
    Closed {
        /// Why, in free words.
        why: Arc<str>,
    },
    /// Its time is over.
    Overdue,
    /// Its time has been over for so long that the supervisor is told.
    Escalated {
        /// The supervisor's extension.
        to: Arc<str>,
    },
    /// … and for so long after that, that the supervisor must act: it is theirs.
    Reassigned {
        /// The supervisor's extension.
        to: Arc<str>,
    },
}

/// A customer as other programs and people write them down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerCard {
    /// As people read it.
    pub name: Arc<str>,
    /// The extension responsible.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub responsible: Option<Arc<str>>,
    /// The numbers, the one to call back on first.
    pub numbers: Vec<PhoneNumber>,
    /// Made by the router of a number that nobody knew; the name is still the number.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub provisional: bool,
}

/// Who may use the API, and for what. The token itself is shown once and stored nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names it in lists and logs.
    pub id: Arc<str>,
    /// What it is for, in the admin's words.
    pub name: Arc<str>,
    /// The employee it belongs to: it shows and does what is theirs. `None`: the whole company's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<Arc<str>>,
    /// What it is good for, as `web` reads it: `calls:read`, `follow-ups:write`, …, `admin`.
    pub scopes: Vec<Arc<str>>,
    /// The SHA-256 of the token, as 64 hex digits.
    pub hash: Arc<str>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
}

/// A report as somebody defined it, in the words of `report`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedReport {
    /// Which figures: `calls`, `lost`, ….
    pub report: Arc<str>,
    /// A row for each of these: `day,user`.
    pub by: Arc<str>,
    /// Of which days: `7d`, `last-month`, ….
    pub period: Arc<str>,
    /// Of this employee's calls only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<Arc<str>>,
    /// … of this group's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<Arc<str>>,
    /// … of this number's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub did: Option<Arc<str>>,
    /// … of this source's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<Arc<str>>,
}

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Nobody has listened to it.
    New,
    /// Somebody has.
    Heard,
    /// It was thrown away.
    Deleted,
}

/// What came in at one leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streamed {
    /// Packets from the peer.
    pub packets: u64,
    /// How many went on to the other side.
    pub forwarded: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// The greatest jitter, in microseconds.
    pub jitter_us: u64,
    /// Packets from a third address, dropped.
    pub foreign: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A step in the life of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFact {
    /// It came in and was decided: always the first fact.
    Offered(Box<Offered>),
    /// INVITEs left.
    Rung(Vec<Rung>),
    /// A phone rings.
    Ringing {
        /// The leg's number.
        leg: u16,
    },
    /// A leg that was not answered is over.
    Dropped {
        /// The leg's number.
        leg: u16,
        /// The final status it gave; 487 where we cancelled it, 408 where it never answered.
        status: u16,
        /// Why we cancelled it. `None`: it ended by itself, or the record is of an older version.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        stopped: Option<StopReason>,
    },
    /// The plan went on, and why.
    Turned {
        /// In the order of events.
        because: Vec<Reason>,
    },
    /// One was answered; the others are told that it was elsewhere.
    Answered {
        /// The leg's number.
        leg: u16,
        /// A human spoke: not voicemail, announcement, or an unconfirmed GSM answer.
        human: bool,
    },
    /// In a call that an employee asked for (click-to-call): they have picked up a phone, and are the caller from here on.
    CallerAnswered {
        /// The leg's number.
        leg: u16,
    },
    /// The router itself speaks with one side.
    Served {
        /// The leg's number.
        leg: u16,
        /// As what: `greeting:hello`, `voicemail:sales`, `announcement:closed`, `confirm`.
        by: Arc<str>,
    },
    /// What is said is written down from now on.
    Recording {
        /// The WAV file, counted from `storage.directory`.
        file: Arc<str>,
        /// What it is of.
        of: RecordingOf,
    },
    /// An employee has stopped the writing for a while, or (`false`) goes on.
    RecordingPaused {
        /// Which.
        file: Arc<str>,
        /// True: silence is written.
        paused: bool,
    },
    /// One side put the other on hold, or (`false`) took it back.
    Held {
        /// The leg's number.
        leg: u16,
        /// True: on hold.
        held: bool,
    },
    /// An employee hands the call on, and no longer talks.
    Transferred {
        /// The leg of who hands it on.
        by: u16,
        /// To whom: a number as it was dialled, or whom the employee consulted.
        to: Arc<str>,
        /// They had talked before.
        attended: bool,
        /// Why it goes where it goes.
        because: Vec<Reason>,
    },
    /// Nobody took over, so whoever handed the call on talks again.
    Returned {
        /// That leg.
        leg: u16,
        /// The final status of whom it was to.
        status: u16,
    },
    /// It goes on as part of another call: an employee consulted, and both talk without them now.
    Merged {
        /// The call that goes on.
        into: CallId,
    },
    /// It is over.
    Ended(Ended),
    /// The last leg has said goodbye: what was said on the wire, a line for each message. Always the last fact.
    Traced {
        /// The SIP ladder.
        ladder: String,
        /// The same, to be played again. `None` in records of older versions.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        tape: Option<Box<Taped>>,
    },
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller hung up, or gave up.
    Caller,
    /// The one who was called hung up.
    Callee,
    /// The router: the plan ran out, a limit, an admin, a lost peer.
    Router,
    /// Nobody: it went on as part of another call, by an attended transfer.
    Transfer,
    /// Nobody: the process died, and the record was closed after the restart.
    SystemFailure,
}

/// Why an inbound customer call ended without a human talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedCause {
    /// The caller gave up while it rang.
    Abandoned,
    /// Nobody answered in time.
    NoAnswer,
    /// Everybody was busy.
    AllBusy,
    /// Nobody could be reached.
    NoneReachable,
    /// It was declined, or refused by a rule.
    Rejected,
    /// Outside the opening hours.
    AfterHours,
    /// A message was left.
    VoicemailLeft,
    /// An announcement was played, nothing else.
    AnnouncementOnly,
    /// A limit of a trunk or DID, or overload.
    Capacity,
    /// The process died.
    SystemFailure,
}

impl MissedCause {
    /// Every cause.
    pub const ALL: [MissedCause; 10] = [
        MissedCause::Abandoned,
        MissedCause::NoAnswer,
        MissedCause::AllBusy,
        MissedCause::NoneReachable,
        MissedCause::Rejected,
        MissedCause::AfterHours,
        MissedCause::VoicemailLeft,
        MissedCause::AnnouncementOnly,
        MissedCause::Capacity,
        MissedCause::SystemFailure,
    ];
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Who ended it.
    pub by: EndedBy,
    /// The final status that the caller heard.
    pub status: u16,
    /// Missed, and why; `None` for a talk, an internal, outbound or blocked call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missed: Option<MissedCause>,
    /// How long two people were connected, in milliseconds.
    pub talk_ms: u64,
}

/// Something an admin must hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The disk took longer than 250 ms: a caller heard ringing before the record was on it.
    GuaranteeSuspended,
    /// The journal is on time again.
    GuaranteeRestored,
    /// The journal's bounded memory is full: new calls get 503.
    Pressure {
        /// True: it began; false: it is over.
        on: bool,
    },
    /// There is more to do than can be done: new calls that come late get 503, those in progress go on.
    Overloaded {
        /// How late messages were read when that was found, in milliseconds.
        late_ms: u64,
    },
    /// Nothing has come late for a while: the overload is over.
    OverloadOver {
        /// How many new calls it was that got 503 for it.
        refused: u64,
        /// How long it lasted, in seconds.
        seconds: u64,
    },
    /// So many calls were refused for overload without a record of their own, because writing them down would have added
    /// to it.
    Unrecorded {
        /// How many.
        calls: u64,
    },
    /// A trunk named a readable number that is no DID of ours; it went to `default_did`.
    UnknownDid {
        /// The trunk.
        trunk: Arc<str>,
        /// The number as it came.
        number: String,
    },
    /// An emergency number was dialled.
    Emergency {
        /// By whom.
        extension: Arc<str>,
        /// Which.
        number: String,
    },
    /// All trunks for a number failed.
    TrunksExhausted {
        /// The number.
        number: String,
    },
    /// What is said in a recording gets lost: the disk is slow or full.
    RecordingLoses {
        /// The WAV file, counted from `storage.directory`.
        file: Arc<str>,
        /// What the system said.
        why: String,
    },
    /// A letter was tried as often as is reasonable, and has not arrived.
    Undelivered {
        /// The mail address, number or chat, or the lane of a webhook or CRM.
        to: Arc<str>,
        /// What it tells of: a message's file, an event's id.
        file: Arc<str>,
        /// What the last try met.
        why: String,
    },
    /// Nothing has come from one side of a talk for a while: that one is not heard.
    OneWay {
        /// The call.
        call: CallId,
        /// The number of the silent leg.
        leg: u16,
        /// For how long, in seconds.
        for_seconds: u64,
    },
    /// The pins of others' mailboxes were wrong so often that they count no more from there for an hour.
    PinGuessed {
        /// From whose phone.
        extension: Arc<str>,
    },
    /// Facts cannot be written to the disk; they are kept in memory and tried again.
    Unwritable {
        /// What the disk, or the database, said.
        why: String,
    },
    /// The database was found to be damaged; what can be written is written all the same.
    Damaged {
        /// The first thing that is wrong.
        why: String,
    },
    /// A media port could not be bound.
    MediaPort {
        /// Which.
        port: u16,
        /// What the system said.
        why: String,
    },
}

impl Fact {
    /// Makes `state` what it is after this fact; facts that are no state leave it alone.
    pub fn fold(&self, state: &mut State) {
        match self {
            Fact::Overridden { schedule, state: override_ } => state.set_override(schedule, *override_),
            Fact::Away { extension, until } => state.set_away(extension, *until),
            Fact::Forwarded { extension, when, to } => state.set_forward(extension, *when, to.as_ref()),
            Fact::Blocked { number, blocked, note } => state.set_blocked(*number, blocked.then_some(note)),
            Fact::Counted(counter) => state.count(counter),
            Fact::Recorded(recorded) => {
                if let RecordingOf::Message { mailbox } = &recorded.of {
                    state.add_message(mailbox, recorded.to_message());
                }
            }
            Fact::Message { file, mailbox, now } => match now {
                MessageState::New | MessageState::Heard => {
                    state.set_heard(mailbox, file, *now == MessageState::Heard);
                }
                MessageState::Deleted => state.remove_message(file),
            },
            Fact::Erased { file, .. } => state.remove_message(file),
            Fact::Call(..)
            | Fact::Bound(_)
            | Fact::Unbound { .. }
            | Fact::Banned(_)
            | Fact::Unbanned { .. }
            | Fact::TrunkDown { .. }
            | Fact::TrunkUp { .. }
            | Fact::ConfigApplied { .. }
            | Fact::ConfigRejected { .. }
            | Fact::Streamed { .. }
            | Fact::FollowUp { .. }
            | Fact::CallNoted { .. }
            | Fact::Delivered { .. }
            | Fact::Customer { .. }
            | Fact::Token(_)
            | Fact::TokenRevoked { .. }
            | Fact::Report { .. }
            | Fact::Alarm(_)
            | Fact::Started { .. }
            | Fact::Stopped => {}
        }
    }
}

impl From<crate::registration::TrunkNews> for Fact {
    fn from(news: crate::registration::TrunkNews) -> Fact {
        match news {
            crate::registration::TrunkNews::Down { trunk, why } => Fact::TrunkDown { trunk, why },
            crate::registration::TrunkNews::Up { trunk } => Fact::TrunkUp { trunk },
        }
    }
}
