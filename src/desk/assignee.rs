//! Who calls a missed customer back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::follow_up::Outsider;
use crate::config::{Assign, Config, Pick};
use crate::key::CallId;

/// What was written down before, as far as the choice needs it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Who is away.
    pub away: BTreeSet<String>,
    /// Who talked last with the customer.
    pub last_talker: Option<String>,
    /// Who of the list was given the last follow-up.
    pub last_of_list: Option<String>,
    /// How many each has open.
    pub open: BTreeMap<String, u64>,
}

/// The first of `follow_up.assign` that finds somebody who is here: an active extension that is not away. Where chance
/// picks, it is the chance in the call's id, so that the same facts choose the same employee.
pub fn assignee(config: &Config, outsider: &Outsider, call: CallId, known: &Known) -> (Assign, Option<Arc<str>>) {
    let here = |number: &str| {
        let extension = config.extension(config.extension_by_number(number)?);
        (extension.active && !known.away.contains(number)).then(|| extension.number.clone())
    };
    for &way in &config.follow_up.assign {
        let found = match way {
            Assign::Responsible => {
                outsider.customer.as_ref().and_then(|customer| here(customer.responsible.as_deref()?))
            }
            Assign::LastTalker => known.last_talker.as_deref().and_then(here),
            Assign::List => of_list(config, call, known, &here),
            Assign::Unassigned => break,
        };
        if found.is_some() {
            return (way, found);
        }
    }
    (Assign::Unassigned, None)
}

fn of_list(config: &Config, call: CallId, known: &Known, here: &dyn Fn(&str) -> Option<Arc<str>>) -> Option<Arc<str>> {
    let (pick, list) = config.follow_up.list.as_ref()?;
    let numbers: Vec<&Arc<str>> = list.iter().map(|ix| &config.extension(*ix).number).collect();
    let mut present = numbers.iter().filter_map(|number| here(number));
    match pick {
        Pick::Random => {
            let present: Vec<_> = present.collect();
            let place = (u64::from(call.chance()) * present.len() as u64) >> CallId::CHANCE_BITS;
            present.into_iter().nth(place as usize)
        }
        Pick::RoundRobin => {
            let last = known.last_of_list.as_deref();
            let next = numbers.iter().position(|number| last == Some(number)).map_or(0, |place| place + 1);
            numbers.iter().cycle().skip(next).take(numbers.len()).find_map(|number| here(number))
        }
        Pick::LeastOpen => {
            let open = |number: &Arc<str>| known.open.get(&**number).copied().unwrap_or(0);
            let first = present.next()?;
            Some(present.fold(first, |best, other| if open(&other) < open(&best) { other } else { best }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Nothing;
    use crate::fact::KnownCustomer;

    fn config(follow_up: &str) -> Config {
        let extensions = ["11", "12", "13"].map(|number| {
            let active = if number == "13" { "active = false\n" } else { "" };
            format!("[[extension]]\nnumber = \"{number}\"\npassword = \"env:P\"\n{active}")
        });
        let text = format!(
            "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\nnumbering = {{ country = \"49\", national_prefix = \"0\", \
             international_prefix = \"00\" }}\n[follow_up]\n{follow_up}\n{}",
            extensions.concat()
        );
        Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config
    }

    fn outsider(responsible: Option<&str>) -> Outsider {
        let customer = KnownCustomer { id: "1".into(), name: "Ada".into(), responsible: responsible.map(Into::into) };
        Outsider {
            calls_us: true,
            number: None,
            text: String::new(),
            anonymous: false,
            name: None,
            customer: Some(customer),
            did: None,
            employee: None,
        }
    }

    fn chosen(config: &Config, responsible: Option<&str>, chance: u64, known: &Known) -> (Assign, Option<String>) {
        let call = CallId::new(Timestamp::UNIX_EPOCH, chance);
        let (way, who) = assignee(config, &outsider(responsible), call, known);
        (way, who.map(|who| who.to_string()))
    }

    fn is(way: Assign, who: &str) -> (Assign, Option<String>) {
        (way, Some(who.into()))
    }

    #[test]
    fn the_first_who_is_here_in_the_configured_order() {
        let config = config("list = { round-robin = [\"13\", \"11\", \"12\"] }");
        let away = |who: &[&str]| who.iter().map(|who| who.to_string()).collect();
        let talked = Known { last_talker: Some("11".into()), ..Known::default() };
        assert_eq!(chosen(&config, Some("12"), 0, &talked), is(Assign::Responsible, "12"));
        assert_eq!(chosen(&config, Some("13"), 0, &talked), is(Assign::LastTalker, "11"));
        assert_eq!(chosen(&config, Some("99"), 0, &talked), is(Assign::LastTalker, "11"));
        let known = Known { away: away(&["11"]), ..talked };
        assert_eq!(chosen(&config, None, 0, &known), is(Assign::List, "12"));
        let known = Known { away: away(&["11", "12"]), ..known };
        assert_eq!(chosen(&config, Some("12"), 0, &known), (Assign::Unassigned, None));
    }

    #[test]
    fn what_stands_after_unassigned_is_not_asked() {
        let config = config("assign = [\"unassigned\", \"responsible\"]");
        assert_eq!(chosen(&config, Some("12"), 0, &Known::default()), (Assign::Unassigned, None));
    }

    #[test]
    fn a_list_in_turn_skips_the_absent_and_begins_anew() {
        let config = config("list = { round-robin = [\"11\", \"13\", \"12\"] }");
        let after = |last: Option<&str>| {
            chosen(&config, None, 0, &Known { last_of_list: last.map(Into::into), ..Known::default() })
        };
        assert_eq!(after(None), is(Assign::List, "11"));
        assert_eq!(after(Some("11")), is(Assign::List, "12"));
        assert_eq!(after(Some("12")), is(Assign::List, "11"));
        assert_eq!(after(Some("99")), is(Assign::List, "11"));
    }

    #[test]
    fn a_list_by_chance_and_by_who_has_the_fewest() {
        let random = config("list = { random = [\"11\", \"13\", \"12\"] }");
        let half = 1 << (CallId::CHANCE_BITS - 1);
        let known = Known::default();
        assert_eq!(chosen(&random, None, half - 1, &known), is(Assign::List, "11"));
        assert_eq!(chosen(&random, None, half, &known), is(Assign::List, "12"));
        assert_eq!(chosen(&random, None, (half << 1) - 1, &known), is(Assign::List, "12"));
        let fewest = config("list = { least-open = [\"11\", \"13\", \"12\"] }");
        let open =
            |eleven, twelve| Known { open: [("11".into(), eleven), ("12".into(), twelve)].into(), ..Known::default() };
        assert_eq!(chosen(&fewest, None, 0, &open(2, 1)), is(Assign::List, "12"));
        assert_eq!(chosen(&fewest, None, 0, &open(1, 1)), is(Assign::List, "11"));
    }
}
