//! A number that nobody knew becomes a customer whose name is still the number, so that there is a card to fill in and
//! somebody to call back.
//!
//! One for each number, as a lead: an entry that a CRM or an employee writes down for the number comes before it, and
//! takes its place.

use std::sync::Arc;

use super::follow_up::Outsider;
use crate::config::Provisional;
use crate::customer::Kind;
use crate::fact::{CustomerCard, Ended};
use crate::number::PhoneNumber;

/// The number of which a customer is made, where the call that is over was with somebody unknown. `human`: an employee and
/// the outsider were connected at some time. `rung`: somebody was rung. Who is blocked, or spoke with nobody but the
/// router, is no customer by that.
pub fn is_met(
    outsider: &Outsider,
    ended: &Ended,
    (human, rung): (bool, bool),
    rule: Provisional,
) -> Option<PhoneNumber> {
    let number = outsider.number.filter(|_| outsider.customer.is_none() && !outsider.anonymous)?;
    let missed = ended.missed.is_some();
    let met = match rule {
        Provisional::Never => false,
        Provisional::OnMissed => missed,
        Provisional::OnAny => missed || human || (!outsider.calls_us && rung),
    };
    met.then_some(number)
}

/// The customer that is made of a number.
pub fn provisional(number: PhoneNumber) -> (Kind, Arc<str>, CustomerCard) {
    let name: Arc<str> = number.to_string().into();
    let card = CustomerCard { name: name.clone(), responsible: None, numbers: vec![number], provisional: true };
    (Kind::Lead, name, card)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::Customer;
    use crate::fact::{EndedBy, KnownCustomer, MissedCause};

    fn caller(calls_us: bool) -> Outsider {
        Outsider {
            calls_us,
            number: Some("+79161234567".parse().unwrap()),
            text: String::new(),
            anonymous: false,
            name: None,
            customer: None,
            did: None,
            employee: None,
        }
    }

    #[test]
    fn whom_a_call_makes_known() {
        use Provisional::{Never, OnAny, OnMissed};
        let (us, them) = (caller(true), caller(false));
        let ada = KnownCustomer { id: "1".into(), name: "Ada".into(), responsible: None };
        let known = Outsider { customer: Some(ada), ..us.clone() };
        let anonymous = Outsider { anonymous: true, number: None, ..us.clone() };
        let stories = [
            ("a miss", &us, true, (false, true), [true, true, false]),
            ("a miss with all phones off", &us, true, (false, false), [true, true, false]),
            ("a talk", &us, false, (true, true), [false, true, false]),
            ("a blocked caller", &us, false, (false, false), [false, false, false]),
            ("we called", &them, false, (false, true), [false, true, false]),
            ("a call that was refused to an employee", &them, false, (false, false), [false, false, false]),
            ("who is known", &known, true, (false, true), [false, false, false]),
            ("who does not show a number", &anonymous, true, (false, true), [false, false, false]),
        ];
        for (story, outsider, missed, circumstances, expected) in stories {
            let missed = missed.then_some(MissedCause::NoAnswer);
            let ended = Ended { by: EndedBy::Caller, status: 487, missed, talk_ms: 0 };
            let met = [OnMissed, OnAny, Never].map(|rule| is_met(outsider, &ended, circumstances, rule).is_some());
            assert_eq!(met, expected, "{story}");
        }
        let (kind, id, card) = provisional(us.number.unwrap());
        assert_eq!((kind, &*id, &*card.name, card.provisional), (Kind::Lead, "+79161234567", "+79161234567", true));
        let core = Customer { id, kind, name: card.name, responsible: None };
        assert!(core.is_provisional() && !Customer { name: "Ada".into(), ..core }.is_provisional());
    }
}
