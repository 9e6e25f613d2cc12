//! What two sides hear of each other who have both asked: the one who waits for an answer, and the phone that takes the
//! call over.

use super::alphabet::Session;
use crate::refusal::Refusal;
use crate::sip::crossing;

/// The sessions with which both sides are answered. Who made no offer gets the other's, and answers it in its ACK; the
/// other one is answered with that, and waits so long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crossing {
    /// For the caller; `None`: it is answered when the picker has acknowledged.
    pub to_caller: Option<Session>,
    /// For the picker; `None`: it is answered when the caller has acknowledged.
    pub to_picker: Option<Session>,
}

impl Crossing {
    /// Of what the caller has offered and what the picker has.
    ///
    /// # Errors
    /// 488 where they have no codec in common, or neither has offered anything.
    pub fn of(caller: Option<&Session>, picker: Option<&Session>) -> Result<Crossing, Refusal> {
        let crossing = match (caller, picker) {
            (Some(caller), Some(picker)) => {
                let (to_caller, to_picker) = (crossing::answer(caller, picker), crossing::answer(picker, caller));
                Crossing { to_picker: to_picker.filter(|_| to_caller.is_some()), to_caller }
            }
            (caller, picker) => Crossing { to_caller: picker.cloned(), to_picker: caller.cloned() },
        };
        match crossing {
            Crossing { to_caller: None, to_picker: None } => Err(Refusal::not_acceptable_here()),
            crossing => Ok(crossing),
        }
    }

    /// True where both are answered at once.
    pub fn is_complete(&self) -> bool {
        self.to_caller.is_some() && self.to_picker.is_some()
    }
}
