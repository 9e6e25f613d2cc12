//! Huntline: an embedded SIP call router (B2BUA) for companies of 3 to 200 people.
//!
//! Bytes become an `Input`; the `Switch`, a value that owns every call, turns it into `Effect`s; one loop carries them
//! out. Deciding is a function, ringing is a timetable, everything else listens afterwards.
//!
//! # The house
//! Modules stand below in floors, bottom-up. A file imports only from floors below its own, or from earlier names in its
//! own row; `tests/floors.rs` reads this list and keeps it so. Through `switch` there is no clock, no socket, no disk and
//! no chance but what is handed in.
#![deny(unsafe_code)]

// Floor 0, words: what everything above speaks of.
pub mod clock;
pub mod entropy;
pub mod key;
pub mod number;

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
pub mod servers;
pub mod registration;
pub mod state;
pub mod admission;

// Floor 6, the decision.
pub mod route;
pub mod hypothesis;

// Floor 7, the call: its media as ports and orders, its life as facts.
pub mod anchor;
pub mod fact;
pub mod effect;
pub mod call;

// Floor 8, the door.
pub mod switch;

// Floor 9, what a call leaves behind, and ladders played against the core.
pub mod trace;

// Floor 10, edges: sockets and disks begin here.
pub mod config_file;
pub mod media;
pub mod net;
pub mod store;

// Floor 11, loop and record.
pub mod journal;
pub mod diary;
pub mod drive;

// Floor 12, faces.
pub mod control;

// Floor 13, wiring.
pub mod app;
pub mod cli;
