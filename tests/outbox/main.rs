//! What is told outside: a real router, real calls, and programs that stand in for CRM, provider and bot.
#![allow(clippy::disallowed_methods)] // a real program is waited for on a real clock

mod misses;
mod office;
mod people;
mod stand_in;
mod webhooks;
