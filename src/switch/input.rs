//! What the world tells the core.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::anchor::MediaEvent;
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::customer::{CustomerIndex, Kind};
use crate::fact::{CustomerCard, Fact, MessageState};
use crate::hypothesis::Hypothesis;
use crate::key::{Flow, Transport};
use crate::servers::ServerName;
use crate::sip::{Malformed, Message};

/// One thing that happened outside. Handling it is one complete reaction.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every input is a message; a box would be an allocation for each")]
pub enum Input {
    /// A message arrived.
    Message {
        /// On which way.
        flow: Flow,
        /// Read.
        message: Message,
    },
    /// Something arrived that is no message; it may still be answerable.
    Malformed {
        /// On which way.
        flow: Flow,
        /// What is wrong with it.
        malformed: Malformed,
    },
    /// A stream ended, or could not be opened.
    FlowClosed(Flow),
    /// A new configuration, checked, takes effect.
    Configure(Arc<Config>),
    /// The customers, anew. The old index leaves through `Effect::Discard`, to be dropped elsewhere.
    Customers(Box<CustomerIndex>),
    /// A customer is known from now on, or known differently; or (`None`) is forgotten.
    Customer {
        /// What kind of entry.
        kind: Kind,
        /// The CRM's id, unique within its kind.
        id: Arc<str>,
        /// As they are from now on.
        now: Option<Box<CustomerCard>>,
        /// When that was written down.
        changed: Timestamp,
    },
    /// A fact from before the restart: bindings, overrides, absences, forwards, blocks, counters, messages. Before the first
    /// message only.
    Restore(Fact),
    /// The facts up to this number are on disk.
    Journaled(u64),
    /// The journal's bounded memory is full (or has room again): new calls are refused before anything is forgotten.
    Pressure(bool),
    /// The messages that come next have waited so long to be read. Said while it is worth saying, and once more when it is
    /// not any more.
    Late(Duration),
    /// The relay reports.
    Media(MediaEvent),
    /// What a name of a trunk's server leads to, in the order of RFC 3263. Empty: the look-up failed, the old ones stay.
    Resolved {
        /// What was asked.
        name: ServerName,
        /// The answers.
        addresses: Vec<(Transport, SocketAddr)>,
    },
    /// The machine's own addresses.
    Host {
        /// Each with the length of its network's prefix.
        addresses: Vec<(IpAddr, u8)>,
        /// The one that leads out.
        default: Option<IpAddr>,
    },
    /// Somebody asks or orders something through the control socket.
    Question {
        /// Comes back with the answer.
        number: u64,
        /// What.
        question: Question,
    },
    /// Something that concerns the whole process happened outside: it began, it ends, a configuration was refused, a file
    /// was erased, a recording was found that nobody had ended.
    Note(Fact),
    /// The chance with which the next call is decided, in place of our own: a replay says it.
    Chance(u64),
    /// No new calls; the process wants to end (SIGTERM).
    Drain,
    /// The patience of a drain is over: what still talks is hung up.
    EndAll,
}

/// What a person asks a running router, or orders it to do. These are also words of the control socket, as they stand.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// How it stands: calls, bindings, trunks, tables, timers.
    Status,
    /// How much there is of everything, for programs that watch. Asked within the process only.
    #[serde(skip_deserializing)]
    Figures,
    /// What would happen to a call, with everybody as they are now.
    Explain(Box<Hypothesis>),
    /// Override a schedule, or take an override back.
    Override {
        /// The schedule's name.
        schedule: Arc<str>,
        /// Open or closed; `None` takes the override back.
        open: Option<bool>,
        /// When it ends by itself; `None`: when it is taken back.
        until: Option<Timestamp>,
    },
    /// Send an employee away, or back.
    Away {
        /// The extension's number.
        extension: Arc<str>,
        /// True: away.
        away: bool,
        /// When the absence ends by itself; `None`: when it is taken back.
        until: Option<Timestamp>,
    },
    /// Send an employee's calls elsewhere, or (`None`) no longer.
    Forward {
        /// The extension's number.
        extension: Arc<str>,
        /// Which calls.
        when: crate::config::ForwardWhen,
        /// Where to, as the employee would dial it.
        to: Option<String>,
    },
    /// Put a caller on the block list, or take one off it.
    Block {
        /// As written; read with the site's numbering.
        number: String,
        /// True: on the list.
        blocked: bool,
        /// In the admin's words.
        note: String,
    },
    /// Who is kept out.
    Bans,
    /// Keep a stranger out.
    Ban {
        /// An address, or the name of an account.
        whom: String,
        /// When it ends by itself; `None`: when it is taken back.
        until: Option<Timestamp>,
        /// In the admin's words.
        why: String,
    },
    /// Let somebody in again.
    Unban {
        /// An address, or the name of an account.
        whom: String,
    },
    /// Say what became of a message.
    Message {
        /// Its file, as `voicemail` prints it.
        file: Arc<str>,
        /// Listened to, thrown away, or new again.
        now: MessageState,
    },
    /// Write a talk down from now on, or (`false`) silence in its place.
    Record {
        /// The call's id, as `calls` prints it.
        call: crate::key::CallId,
        /// True: from now on, or again.
        on: bool,
    },
    /// End a call.
    HangUp {
        /// Its id, as `calls` prints it.
        call: crate::key::CallId,
    },
    /// Call somebody for an employee (click-to-call): the employee's own phones ring first, and whoever answers there is the
    /// caller. The answer is the call's id, as `call`, before anybody rings.
    Originate {
        /// The employee's extension. They need the right to call there, as if they had dialled it.
        user: Arc<str>,
        /// Whom to call, as the employee would dial it. No code and no emergency number.
        to: String,
        /// Our number towards the called, as written; one that the outbound rule could show as well. `None`: as the rule says.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        caller_id: Option<String>,
        /// What the program that asks calls it, at most 200 bytes: `reference` of the first fact.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reference: Option<Arc<str>>,
        /// How long the employee's phones ring, in seconds, 1 to 300; `None`: 30.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        timeout: Option<u64>,
        /// The employee's phones of the house are asked to answer by themselves (`Call-Info: …;answer-after=0`).
        #[serde(default)]
        auto_answer: bool,
    },
    /// Hand a talk on, as an employee who is in it could from their phone (REFER): the other one goes to `to`.
    Transfer {
        /// Its id, as `calls` prints it.
        call: crate::key::CallId,
        /// Who hands it on: the extension. `None`: the one employee who is in it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        by: Option<Arc<str>>,
        /// To whom, as the employee would dial it.
        to: String,
    },
}
