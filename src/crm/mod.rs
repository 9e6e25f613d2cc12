//! CRMs, each in its own dialect: what happens is told to them, what they order is done, whom they know is known here.
//!
//! Inside there is one vocabulary, the [`Event`](crate::event::Event); a dialect is one file that turns it into requests and
//! reads the answers. Nothing here is ever asked while a call waits: events reach a CRM through the outbox, from the disk,
//! and what a CRM knows of a customer counts from the next call on. So a CRM that is dead, slow or lying changes neither who
//! rings nor when.
//!
//! | file | what it is |
//! |---|---|
//! | `news` | an event, read from its envelope |
//! | `wire` | requests and answers as values; what a CRM has been told of a call |
//! | `teller` | what every dialect works with and does alike |
//! | `megafon`, `bitrix24`, `mango`, `amocrm` | the dialects |
//! | `recording` | where a CRM finds the recording of a call |
//! | `grant` | leave to speak with Bitrix24 as an application |
//! | `courier` | carries events out of the outbox to CRMs |
//! | `inbox` | what CRMs order of us |
//! | `pull` | customers in |

pub mod amocrm;
pub mod bitrix24;
pub mod courier;
pub mod grant;
pub mod inbox;
pub mod mango;
pub mod megafon;
pub mod news;
pub mod pull;
pub mod recording;
pub mod teller;
#[cfg(test)]
mod testing;
pub mod wire;

use self::teller::Teller;
use self::wire::{Failed, Told};
use crate::config::Dialect;
use crate::event::EventKind;

/// True where a dialect has words for this kind of event.
pub fn wants(dialect: Dialect, kind: EventKind) -> bool {
    use EventKind::{CallAnswered, CallEnded, CallHeld, CallRinging, CallStarted, CallTransferred, RecordingReady};
    match kind {
        CallRinging | CallTransferred | CallEnded => true,
        CallStarted | CallAnswered => dialect != Dialect::Amocrm,
        CallHeld => dialect == Dialect::Mango,
        RecordingReady => matches!(dialect, Dialect::Bitrix24 | Dialect::Mango),
        _ => false,
    }
}

/// Tells a CRM of an event in its dialect; what it has been told of the call then.
///
/// # Errors
/// The CRM does not take it; what it has been told nevertheless was kept.
pub fn tell(teller: Teller<'_>) -> Result<Told, Failed> {
    if teller.call.is_internal() {
        return Ok(teller.told);
    }
    match teller.crm.dialect {
        Dialect::Megafon => megafon::tell(teller),
        Dialect::Bitrix24 => bitrix24::tell(teller),
        Dialect::Mango => mango::tell(teller),
        Dialect::Amocrm => amocrm::tell(teller),
    }
}
