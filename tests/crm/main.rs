//! CRMs with the real program: calls over the loopback, and for each dialect a stand-in with the traps that its vendor tells
//! of. Nothing is shared with the router but its config, SIP and HTTP.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

mod amocrm;
mod bitrix24;
mod harmless;
mod mango;
mod megafon;
mod office;
mod sip;
mod standin;
