//! Huntline: an embedded SIP call router (B2BUA) for companies of 3 to 200 people.
//!
//! Bytes become an `Input`; the `Switch`, a value that owns every call, turns it into `Effect`s; one loop carries them
//! out. Deciding is a function, ringing is a timetable, everything else listens afterwards.
//!
//! # The house
//! Modules stand below in floors, bottom-up. A file imports only from floors below its own, or from earlier names in its
//! own row; `tests/floors.rs` reads this list and keeps it so. Through `switch` there is no clock, no socket, no disk and
//! no chance but what is handed in.
//!
//! | floor | file | what it is |
//! |---|---|---|
//! | 0 | [`clock`] | two clocks as values, and the one ordered set of deadlines |
//! | | [`entropy`] | the only source of chance: tags, branches, ids |
//! | | [`key`] | names of rows, calls, flows |
//! | | [`number`] | what is dialled and shown becomes E.164, by each trunk's habits |
//! | | [`event_kind`] | the words for what happened, as the world outside hears it |
//! | 1 | [`sip`] | bytes become messages and messages become bytes |
//! | 2 | [`refusal`] | a no that the peer hears |
//! | | [`transaction`] | one request, one answer, however often the network loses it |
//! | 3 | [`dialog`] | what two sides of a call remember of each other |
//! | | [`session_timer`] | whether the other side is still there (RFC 4028) |
//! | 4 | [`config`] | what the admin said, every reference resolved, every mistake found |
//! | 5 | [`customer`] | whose number it is, among a million |
//! | | [`host`] | our own address as each peer sees it |
//! | | [`registrar`] | where our phones are |
//! | | [`subscription`] | who watches whom: lamps of calls and of messages |
//! | | [`servers`] | what the names of trunks' servers mean |
//! | | [`registration`] | our registrations and the health of trunks |
//! | | [`state`] | what happens rather than is configured: away, forwards, overrides, blocks, counters, messages |
//! | | [`guard`] | what strangers may do, and who is kept out |
//! | | [`admission`] | who is at the door |
//! | | [`overload`] | whether there is time for them |
//! | 6 | [`route`] | the decision, the timetable, the walk through it |
//! | | [`hypothesis`] | a call that did not happen, for `explain` |
//! | 7 | [`sound`] | what we say ourselves, and in which codec |
//! | | [`anchor`] | media ports and what is ordered of the relay |
//! | | [`tape`] | what a call heard, said and saw, to be played again |
//! | | [`fact`] | what happened, in the past tense |
//! | | [`ivr`] | what the router itself says to a caller, and what it makes of keys |
//! | | [`effect`] | what the core asks of the world |
//! | | [`call`] | a call and its legs |
//! | 8 | [`switch`] | the door: one input, one complete reaction |
//! | 9 | [`trace`] | ladders on a whiteboard, played against the core |
//! | | [`event`] | what happened, as the world outside hears it |
//! | | [`letter`] | which fact is told to whom outside |
//! | | [`desk`] | what a call leaves behind for people: who is called back, and by whom |
//! | | [`report`] | what the calls of a time add up to |
//! | 10 | `kill_point` | where a test lets the process die |
//! | | [`media`] | the voice: relayed, played, understood |
//! | | [`config_file`] | the config on disk, as it is and as it was |
//! | | [`net`] | UDP, TCP, names |
//! | | [`store`] | SQLite: facts, calls, customers |
//! | | [`import`] | customers as other programs export them |
//! | 11 | [`journal`] | facts to the disk in batches, off the loop |
//! | | [`meter`] | what happens, counted for programs that watch |
//! | | [`diary`] | the log, as a diary of calls |
//! | | [`drive`] | the only loop |
//! | | [`address_book`] | the core's customers stay those of the store |
//! | | [`clerk`] | what people write down by hand, answered when it is on record |
//! | | [`outbox`] | letters to the world outside, until they have arrived |
//! | | [`retention`] | when recordings are erased |
//! | | [`reminder`] | whose promise is late |
//! | | [`notify`] | what the system's manager is told of us |
//! | 12 | [`control`] | the local socket |
//! | | [`backup`] | everything that must not be lost, out and back |
//! | | [`board`] | every call as it stands, and whoever watches |
//! | | [`crm`] | CRMs, each in its own dialect |
//! | | [`web`] | the API, for people's programs |
//! | 13 | [`app`], [`cli`] | builds and joins the parts; the command line |
//!
//! # Dictionary
//! One thing, one name; a new noun goes here first.
//!
//! - **Trunk**: a provider's SIP connection. **DID**: a public number of the company. **Extension**: an employee.
//!   **Device**: one of an extension's phones. **HuntGroup**: members, strategy, patience, what comes after.
//! - **Customer**: a person or company with numbers and a responsible extension. (Contact is a SIP header.)
//! - **Binding**: what a phone registered. **Flow**: one way to a peer (RFC 5626). **Way**: a device with the flow to it.
//! - **Situation**: everything one decision sees. **RoutePlan**: the decision; its **Step**s point at each other.
//!   **RingPlan**: a timetable of **Slot**s. **Walk**: a plan being carried out. **Reason**: why, in a word that can be read.
//! - **Call**: the caller's leg, the legs rung for it, the plan they follow. **Leg**: one side of a call. **Line**: a call with
//!   what stands beside it in the switch. **Branch**: a leg that is being rung.
//! - **Transfer**: somebody who talks hands the other one on; **Handed** is what one call gives another when two become one
//!   (attended), a **Meeting** how two who did not call each other learn each other's sessions. **Identity**: who somebody is
//!   towards those they talk with.
//! - **Session**: an SDP as its peer sent it. **Anchor**: a leg's ports; **Endpoint**: one `m=` line of it.
//! - **Fact**: something that happened. **Journal**: makes facts durable. **Held**: an answer that waits for its fact.
//! - **Means**: what a leg acts with. **House**: the call's view of the switch. **Census**: what there is, counted.
//! - **Sound**: something to be played: a **Prompt** (words), a **Tone**, a recording. **Play**: one order to play. **Take**: one
//!   recording while it runs; afterwards its file names it. **Formats**: what one peer and we have agreed to speak.
//! - **Conversation**: what the router itself says to a caller, and hears (IVR). **Hosting**: a caller hears us while phones ring;
//!   **serving**: the router has taken the call.
//! - **Tape**: what is kept of a call so that it can be exported as a trace; its **parties** are the sides that spoke.
//! - **Fork**: one early dialog of an INVITE of ours. **Diverter**: whose phone sent a call elsewhere (302).
//! - **Subscription**: somebody's lamp. **Sight**: one call as a lamp shows it. **Waiting**: messages in a box. **Crossing**: what
//!   two hear of each other who have both made an offer.
//! - **Follow-up**: a promise to call a missed customer back. **Outsider**: who is called back; **Remark**: what happened meanwhile.
//!   **Standing**: how it stands; **Deed**: what a hand does to it; **Tally**: how many are open and late, of whom.
//! - **Event**: a fact as it is told outside; **Told** is one that has no place yet; its **Audience** may see it. **Picture**: a call as it
//!   stands at this moment; the **Gallery** has those of all calls in progress. **Board**: shows them; a **Watch** is
//!   somebody's place before it, by their **Wish**. **Hand**: what is
//!   done about a follow-up by hand. **Clerk**: has things written down, and says when they are on record.
//! - **Provisional customer**: made by the router of a number that nobody knew; gives way to a real one. **Notice**: what is
//!   told of a miss, to the customer or to an employee. **Address book**: keeps the core's customers those of the disk.
//! - **Letter**: something to be told outside. **Carrier**: how it travels. **Outbox**: where it waits until it has arrived.
//! - **Origination**: a call that an employee asked for instead of dialling it; **Wanted** is whom; the **summons** rings the
//!   employee first.
//! - **Asker**: whoever shows a token to the API; its **scopes** say what it is good for, and with a user it is one employee's. **Room**: a
//!   file of the API with its routes; an **order** is a route that does something to a thing (`/calls/ID:hangup`). **Page**: a part of a list.
//! - **CRM**: another program that keeps the company's customers; its **dialect** is how it wants to be spoken to. **News**: an
//!   event as dialects read it; a **Teller** tells one CRM of one; **Told** (in `crm`) is what it has been told of a call. A
//!   **Grant** is leave to speak with it that must be renewed.
//! - **Version**: a config that was in force, or stood in the file until it was replaced. **Rollback**: an older one put back, as the newest.
//! - **Stranger**: who is no trunk, has no phone registered and is not trusted; a **neighbour** shares the address of a phone of
//!   ours. **Source**: an IPv4 address or an IPv6 /64. **Offence**: what a stranger did wrong; **Ban**: a source or an account is
//!   kept out. **Suspicion**: what the log says of strangers.
//! - **Meter**: counts what happens, for programs that watch; **Figures**: how much there is at this moment. **Backup**: everything that
//!   must not be lost, in one file.
//! - **Overload**: more comes than can be done, so some who call are **turned away**: refused before anything is kept of them. To
//!   **shed** a call is to refuse it because there is no time for it, for whatever cause.
//! - **Trace**: a ladder that is a test. **Actor**: one of its scripted peers.
//! - **Ground**: what every part of the running process stands on: its directory, clocks, config in force, and the way to the
//!   loop. **Office** (in `app`): carries out what is ordered of the process and is no affair of the core.
#![deny(unsafe_code)]
// What cannot fail says why (`expect`); what can, is answered.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

// Floor 0, words: what everything above speaks of.
pub mod clock;
pub mod entropy;
pub mod key;
pub mod number;
pub mod event_kind;

// Floor 1, grammar: bytes and messages.
pub mod sip;

// Floor 2, transactions: one request, one answer.
pub mod refusal;
pub mod transaction;

// Floor 3, dialogs: two phones that know each other.
pub mod dialog;
pub mod session_timer;

// Floor 4, what the admin said: the config as one immutable value.
pub mod config;

// Floor 5, who is who, and where.
pub mod customer;
pub mod host;
pub mod registrar;
pub mod subscription;
pub mod servers;
pub mod registration;
pub mod state;
pub mod guard;
pub mod admission;
pub mod overload;

// Floor 6, the decision.
pub mod route;
pub mod hypothesis;

// Floor 7, the call: its media as ports and orders, its life as facts.
pub mod sound;
pub mod anchor;
pub mod tape;
pub mod fact;
pub mod ivr;
pub mod effect;
pub mod call;

// Floor 8, the door.
pub mod switch;

// Floor 9, what a call leaves behind, and ladders played against the core.
pub mod trace;
pub mod event;
pub mod letter;
pub mod desk;
pub mod report;

// Floor 10, edges: sockets and disks begin here.
mod kill_point;
pub mod media;
pub mod config_file;
pub mod net;
pub mod store;
pub mod import;

// Floor 11, loop and record.
pub mod journal;
pub mod meter;
pub mod diary;
pub mod drive;
pub mod address_book;
pub mod clerk;
pub mod outbox;
pub mod retention;
pub mod reminder;
pub mod notify;

// Floor 12, faces.
pub mod control;
pub mod backup;
pub mod board;
pub mod crm;
pub mod web;

// Floor 13, wiring.
pub mod app;
pub mod cli;
