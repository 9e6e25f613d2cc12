//! Real phones, a real provider and a capture of the wire, so that a story can say who rang from when to when and be
//! believed.
//!
//! Everything lives in a network namespace that [`namespace::enter`] makes, and ends with it. [`Office`] is one company
//! in its own /24: the router under test at `.1`, the provider (SIPp) at `.10`, and a phone, baresip or Linphone, at the
//! address of its extension (`.201` for 201). All of them are processes with addresses of one kernel, so one capture of `lo` sees
//! every packet with one clock.

// Real programs run on the machine's clock.
#![allow(clippy::disallowed_methods)]

pub mod clicks;
pub mod codecs;
pub mod codes;
pub mod ear;
pub mod greeting;
pub mod hold;
pub mod keys;
pub mod lamp;
pub mod linphone;
pub mod mail;
pub mod mobiles;
pub mod namespace;
pub mod office;
pub mod phone;
pub mod pickup;
pub mod process;
pub mod provider;
pub mod pulse;
pub mod recording;
pub mod sipp;
pub mod tone;
pub mod transfers;
pub mod voicemail;
pub mod wire;
pub mod witness;
