//! What people do about a follow-up by hand, and what time does to it: claimed, given to somebody, remarked on, closed;
//! overdue, escalated, given to the supervisor.
//!
//! The one writer asks this of the row as it stands, so of two who claim at once one has it, and what time does happens
//! once, however often it is told.

use std::sync::Arc;

use crate::fact::Hand;

/// How a follow-up stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Who is to call; `None`: whoever finds the time.
    pub assignee: Option<Arc<str>>,
    /// They have been talked with, or somebody has closed it.
    pub closed: bool,
    /// Its time is over, and that has been said.
    pub overdue: bool,
    /// The supervisor has been told.
    pub escalated: bool,
    /// It was given to the supervisor.
    pub reassigned: bool,
}

/// What is done to a follow-up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// It is somebody's, or (`None`) anybody's, from now on.
    Give(Option<Arc<str>>),
    /// Words are added.
    Remark,
    /// It is closed.
    Close,
    /// Its time is over.
    Overdue,
    /// The supervisor is told.
    Escalate,
    /// It is the supervisor's from now on.
    Reassign(Arc<str>),
}

/// Why nothing is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Late {
    /// It is as it is wanted already.
    AsWanted,
    /// It is closed.
    Closed,
    /// Somebody else has it.
    Taken(Arc<str>),
    /// Only an employee can claim.
    Nobody,
}

/// What a hand does to a follow-up that stands like this.
///
/// # Errors
/// Nothing is done, and why. Words may be added to a closed one; nothing else happens to it any more.
pub fn deed(now: &Standing, by: Option<&Arc<str>>, hand: &Hand) -> Result<Deed, Late> {
    let once = |was: bool, deed: Deed| if was { Err(Late::AsWanted) } else { Ok(deed) };
    match hand {
        Hand::Remarked { .. } => Ok(Deed::Remark),
        _ if now.closed => Err(Late::Closed),
        Hand::Claimed => match (&now.assignee, by) {
            (_, None) => Err(Late::Nobody),
            (None, Some(by)) => Ok(Deed::Give(Some(by.clone()))),
            (Some(theirs), Some(by)) if theirs == by => Err(Late::AsWanted),
            (Some(other), Some(_)) => Err(Late::Taken(other.clone())),
        },
        Hand::Assigned { to } => once(now.assignee == *to, Deed::Give(to.clone())),
        Hand::Closed { .. } => Ok(Deed::Close),
        Hand::Overdue => once(now.overdue, Deed::Overdue),
        Hand::Escalated { .. } => once(now.escalated, Deed::Escalate),
        Hand::Reassigned { to } => once(now.reassigned, Deed::Reassign(to.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x(number: &str) -> Arc<str> {
        number.into()
    }

    #[test]
    fn what_a_hand_does() {
        let free = Standing::default();
        let theirs = Standing { assignee: Some(x("12")), ..Standing::default() };
        let closed = Standing { closed: true, ..theirs.clone() };
        let late = Standing { overdue: true, escalated: true, reassigned: true, ..theirs.clone() };
        let (to, remark) = (|to: &str| Hand::Assigned { to: Some(x(to)) }, Hand::Remarked { text: x("at five") });
        let (close, up) = (Hand::Closed { why: x("by mail") }, Hand::Escalated { to: x("10") });
        let over = Hand::Reassigned { to: x("10") };
        let stories = [
            ("anybody's is claimed", &free, "14", Hand::Claimed, Ok(Deed::Give(Some(x("14"))))),
            ("a second one is too late", &theirs, "14", Hand::Claimed, Err(Late::Taken(x("12")))),
            ("the same one again", &theirs, "12", Hand::Claimed, Err(Late::AsWanted)),
            ("it is given away", &theirs, "14", to("14"), Ok(Deed::Give(Some(x("14"))))),
            ("… to who has it", &theirs, "14", to("12"), Err(Late::AsWanted)),
            ("… to anybody", &theirs, "12", Hand::Assigned { to: None }, Ok(Deed::Give(None))),
            ("words", &theirs, "14", remark.clone(), Ok(Deed::Remark)),
            ("words about a closed one", &closed, "14", remark, Ok(Deed::Remark)),
            ("closed", &theirs, "14", close.clone(), Ok(Deed::Close)),
            ("… twice", &closed, "14", close, Err(Late::Closed)),
            ("a closed one is nobody's any more", &closed, "12", Hand::Claimed, Err(Late::Closed)),
            ("its time is over", &theirs, "", Hand::Overdue, Ok(Deed::Overdue)),
            ("… once", &late, "", Hand::Overdue, Err(Late::AsWanted)),
            ("… but not of a closed one", &closed, "", Hand::Overdue, Err(Late::Closed)),
            ("the supervisor is told", &theirs, "", up.clone(), Ok(Deed::Escalate)),
            ("… once", &late, "", up, Err(Late::AsWanted)),
            ("the supervisor has it", &theirs, "", over.clone(), Ok(Deed::Reassign(x("10")))),
            ("… once, whoever has it now", &late, "", over, Err(Late::AsWanted)),
            ("a claim by nobody", &free, "", Hand::Claimed, Err(Late::Nobody)),
        ];
        for (story, standing, by, hand, expected) in stories {
            let by = Some(x(by)).filter(|by| !by.is_empty());
            assert_eq!(deed(standing, by.as_ref(), &hand), expected, "{story}");
        }
    }
}
