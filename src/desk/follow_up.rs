//! Every missed call becomes a promise: a follow-up that stays open until somebody has talked with the customer.
//!
//! One is open for a customer at a time, however often they call and from whichever of their numbers; a caller without
//! a readable number has one for each call. A talk closes it, whoever talks and whoever called.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::clock::Duration;
use crate::fact::{Ended, EndedBy, KnownCustomer, MissedCause, Offered};
use crate::number::PhoneNumber;
use crate::route::Direction;

/// Who is outside, and what must be known of them when the call is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outsider {
    /// They called us.
    pub calls_us: bool,
    /// Their number; `None` where it is not shown, or could not be read.
    pub number: Option<PhoneNumber>,
    /// As it came, where it could not be read.
    pub text: String,
    /// They asked not to be shown.
    pub anonymous: bool,
    /// The display name they came with.
    pub name: Option<Arc<str>>,
    /// The customer, as known when they called.
    pub customer: Option<KnownCustomer>,
    /// The DID they called.
    pub did: Option<Arc<str>>,
    /// The employee who called them.
    pub employee: Option<Arc<str>>,
}

impl Outsider {
    /// `None` where nobody outside takes part who could be called back: internal and emergency calls, and employees
    /// who call in from their mobile phones.
    pub fn of(offered: &Offered) -> Option<Outsider> {
        let calls_us = match offered.direction {
            Direction::Internal => return None,
            Direction::Inbound => true,
            Direction::Outbound => false,
        };
        if offered.emergency || (calls_us && offered.from.extension.is_some()) {
            return None;
        }
        let party = if calls_us { &offered.from } else { &offered.to };
        Some(Outsider {
            calls_us,
            number: party.number,
            text: party.text.clone(),
            anonymous: party.anonymous,
            name: party.name.clone(),
            customer: offered.customer.clone().filter(|_| calls_us),
            did: offered.did.clone(),
            employee: offered.from.extension.clone(),
        })
    }
}

/// What happened while a follow-up was open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remark {
    /// They called again, and reached nobody.
    Missed(MissedCause),
    /// We called, and they did not answer.
    Tried,
    /// We talked, but too briefly to have settled anything.
    Brief,
}

/// What a call that is over does to the desk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A follow-up is opened.
    Open(MissedCause),
    /// An open one gets a comment.
    Comment {
        /// Its number.
        id: i64,
        /// What it says.
        remark: Remark,
    },
    /// An open one is done.
    Close {
        /// Its number.
        id: i64,
    },
}

/// What follows from the end of a call with an outsider. `open` are the open follow-ups for that number and the other numbers of
/// the same customer, the best match first; more than one where the numbers were joined after the misses. `human`: an
/// employee and the outsider were connected at some time. A miss counts before the talk it may have come after: who
/// was lost in a transfer was missed.
pub fn changes(
    outsider: &Outsider,
    ended: &Ended,
    human: bool,
    close_min_talk: Duration,
    open: &[i64],
) -> SmallVec<[Change; 2]> {
    let comment = |remark| open.first().map(|&id| Change::Comment { id, remark }).into_iter().collect();
    match ended.missed {
        Some(cause) if !open.is_empty() => comment(Remark::Missed(cause)),
        Some(cause) => smallvec![Change::Open(cause)],
        None if human && u128::from(ended.talk_ms) >= close_min_talk.as_millis() => {
            open.iter().map(|&id| Change::Close { id }).collect()
        }
        // They may talk on, in the call that this one has become a part of.
        None if ended.by == EndedBy::Transfer => SmallVec::new(),
        None if human => comment(Remark::Brief),
        None if !outsider.calls_us => comment(Remark::Tried),
        // Blocked, or the router's own business.
        None => SmallVec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Party;

    const MIN: Duration = Duration::from_secs(5);

    fn offered(direction: Direction) -> Offered {
        let party = |number: &str| Party { number: Some(number.parse().unwrap()), ..Party::default() };
        Offered {
            direction,
            from: party("+491701112233"),
            to: party("+493012340"),
            did: None,
            source: None,
            trunk: None,
            customer: None,
            emergency: false,
            reference: None,
            sip_call_id: String::new(),
            because: Vec::new(),
            considered: Vec::new(),
            plan: String::new(),
        }
    }

    fn said(direction: Direction, missed: Option<MissedCause>, talk_ms: Option<u64>, open: &[i64]) -> Vec<Change> {
        let ended = Ended { by: EndedBy::Caller, status: 200, missed, talk_ms: talk_ms.unwrap_or(0) };
        let outsider = Outsider::of(&offered(direction)).unwrap();
        changes(&outsider, &ended, talk_ms.is_some(), MIN, open).into_vec()
    }

    #[test]
    fn what_a_call_does_to_the_desk() {
        use Direction::{Inbound, Outbound};
        let busy = MissedCause::AllBusy;
        let comment = |remark| Change::Comment { id: 7, remark };
        let stories = [
            ("a miss opens one", Inbound, Some(busy), None, vec![], vec![Change::Open(busy)]),
            ("a second miss is a comment", Inbound, Some(busy), None, vec![7], vec![comment(Remark::Missed(busy))]),
            ("of two the better match", Inbound, Some(busy), None, vec![7, 8], vec![comment(Remark::Missed(busy))]),
            ("lost in a transfer", Inbound, Some(busy), Some(60_000), vec![], vec![Change::Open(busy)]),
            ("nobody answers us", Outbound, None, None, vec![7], vec![comment(Remark::Tried)]),
            ("nobody whom we owe a call answers", Outbound, None, None, vec![], vec![]),
            ("a talk one ms too short", Outbound, None, Some(4_999), vec![7], vec![comment(Remark::Brief)]),
            ("… to us", Inbound, None, Some(4_999), vec![7], vec![comment(Remark::Brief)]),
            ("a talk just long enough", Outbound, None, Some(5_000), vec![7], vec![Change::Close { id: 7 }]),
            ("… to us", Inbound, None, Some(5_000), vec![7], vec![Change::Close { id: 7 }]),
            (
                "two that turned out to be one customer",
                Inbound,
                None,
                Some(6_000),
                vec![7, 8],
                vec![Change::Close { id: 7 }, Change::Close { id: 8 }],
            ),
            ("a talk with whom we owe nothing", Inbound, None, Some(6_000), vec![], vec![]),
            ("a blocked caller", Inbound, None, None, vec![7], vec![]),
        ];
        for (story, direction, missed, talk, open, expected) in stories {
            assert_eq!(said(direction, missed, talk, &open), expected, "{story}");
        }
    }

    #[test]
    fn a_call_that_goes_on_in_another_one_settles_nothing_unless_it_was_long_enough() {
        let outsider = Outsider::of(&offered(Direction::Outbound)).unwrap();
        let merged = |talk_ms, human| {
            let ended = Ended { by: EndedBy::Transfer, status: 200, missed: None, talk_ms };
            changes(&outsider, &ended, human, MIN, &[7]).into_vec()
        };
        assert_eq!((merged(0, false), merged(4_999, true)), (vec![], vec![]));
        assert_eq!(merged(5_000, true), [Change::Close { id: 7 }]);
    }

    #[test]
    fn who_is_outside() {
        assert_eq!(Outsider::of(&offered(Direction::Internal)), None);
        let mut employee = offered(Direction::Inbound);
        employee.from.extension = Some("12".into());
        assert_eq!(Outsider::of(&employee), None);
        assert_eq!(Outsider::of(&Offered { emergency: true, ..offered(Direction::Outbound) }), None);
        let number = |direction| Outsider::of(&offered(direction)).unwrap().number.unwrap().to_string();
        assert_eq!(
            (number(Direction::Inbound), number(Direction::Outbound)),
            ("+491701112233".into(), "+493012340".into())
        );
    }
}
