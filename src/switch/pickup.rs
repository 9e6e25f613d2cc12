//! Taking over a call that rings elsewhere: a phone that saw it on a lamp sends an INVITE with Replaces (RFC 3891).
//!
//! The rule: every extension of the house may take over what rings at another one; nobody may take a talk away from those
//! who have it, and nobody outside may take anything.

use super::tables::Switch;
use crate::call::DialogState;
use crate::key::LegKey;
use crate::refusal::Refusal;
use crate::route::Origin;
use crate::sip::header::Replaces;
use crate::sip::{HeaderName, Message};

impl Switch {
    /// The leg that an INVITE is to take over; `None` where it names none.
    ///
    /// # Errors
    /// What RFC 3891 §3 says of a name that fits nothing, or nothing that may be taken.
    pub(super) fn replaced(&self, invite: &Message, origin: Origin) -> Result<Option<LegKey>, Refusal> {
        let Some(value) = invite.header(HeaderName::Replaces) else { return Ok(None) };
        let replaces = Replaces::read(value).map_err(|_| Refusal::bad_request("Unreadable Replaces"))?;
        if let Origin::Trunk(_) = origin {
            return Err(Refusal::forbidden());
        }
        let key = self.leg_named(&replaces).ok_or(Refusal::call_does_not_exist())?;
        let leg = self.legs.get(key).ok_or(Refusal::call_does_not_exist())?;
        match leg.dialog_state() {
            // A dialog that the other side has begun is not ours to give away while it rings.
            DialogState::Trying | DialogState::Early if leg.is_invited() => Ok(Some(key)),
            DialogState::Confirmed if replaces.early_only => Err(Refusal::busy_here()),
            DialogState::Confirmed => Err(Refusal::forbidden()),
            DialogState::Trying | DialogState::Early | DialogState::Terminated => Err(Refusal::call_does_not_exist()),
        }
    }
}
