//! Who calls a missed customer back.
//!
//! The absent are not asked: who has left, is away, or has hours of their own that are over and do not begin again before
//! the promise is due. For the responsible, and for who talked with the customer last, the first present one along their
//! deputies steps in. Of a list somebody else is asked, and only where all of it is absent a deputy of one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::follow_up::Outsider;
use crate::clock::Timestamp;
use crate::config::{Assign, Config, ExtensionIx, FollowUpList, Pick, Schedule};
use crate::key::CallId;
use crate::state::{Override, State};

/// What was written down before, as far as the choice needs it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Who is away, and whose hours are overridden.
    pub state: State,
    /// Who talked last with the customer.
    pub last_talker: Option<String>,
    /// Whom the list of the DID gave its last follow-up.
    pub last_of_did: Option<String>,
    /// … and whom the general list.
    pub last_of_list: Option<String>,
    /// How many each has open.
    pub open: BTreeMap<String, u64>,
}

/// Which list somebody was picked from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListOf {
    /// That of the DID.
    Did,
    /// The general one.
    Company,
}

/// Who calls back, and how they were found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// How.
    pub way: Assign,
    /// Who; `None`: whoever claims it.
    pub who: Option<Arc<str>>,
    /// The list, where it was one.
    pub list: Option<ListOf>,
}

/// When the call was missed, and until when its promise is due.
pub type Between = (Timestamp, Timestamp);

/// The first of `follow_up.assign` that finds somebody who is here. Where chance picks, it is the chance in the call's id, so
/// that the same facts choose the same employee.
pub fn assignee(config: &Config, outsider: &Outsider, call: CallId, between: Between, known: &Known) -> Chosen {
    let present = Present { config, state: &known.state, between };
    let employee = |number: &str| present.or_deputy(config.extension_by_number(number)?);
    let own = outsider.did.as_deref().and_then(|did| config.did(config.did_written(did)?).follow_up.list.as_ref());
    let lists = [
        (ListOf::Did, own, &known.last_of_did),
        (ListOf::Company, config.follow_up.list.as_ref(), &known.last_of_list),
    ];
    for &way in &config.follow_up.assign {
        let (found, list) = match way {
            Assign::Responsible => {
                let responsible = outsider.customer.as_ref().and_then(|customer| customer.responsible.as_deref());
                (responsible.and_then(employee), None)
            }
            Assign::LastTalker => (known.last_talker.as_deref().and_then(employee), None),
            Assign::List => {
                let picked = lists.iter().find_map(|(of, list, last)| {
                    Some((of_list((*list)?, call, last.as_deref(), &known.open, &present)?, *of))
                });
                (picked.map(|(who, _)| who), picked.map(|(_, of)| of))
            }
            Assign::Unassigned => break,
        };
        if let Some(found) = found {
            return Chosen { way, who: Some(config.extension(found).number.clone()), list };
        }
    }
    Chosen { way: Assign::Unassigned, who: None, list: None }
}

fn of_list(
    (pick, list): &FollowUpList,
    call: CallId,
    last: Option<&str>,
    open: &BTreeMap<String, u64>,
    present: &Present<'_>,
) -> Option<ExtensionIx> {
    let number = |ix: &ExtensionIx| &*present.config.extension(*ix).number;
    let here: Vec<ExtensionIx> = list.iter().copied().filter(|ix| present.is_here(*ix)).collect();
    let Some(&first) = here.first() else { return list.iter().find_map(|ix| present.or_deputy(*ix)) };
    match pick {
        Pick::Random => {
            let place = (u64::from(call.chance()) * here.len() as u64) >> CallId::CHANCE_BITS;
            here.get(place as usize).copied()
        }
        Pick::RoundRobin => {
            let next = list.iter().position(|ix| last == Some(number(ix))).map_or(0, |place| place + 1);
            list.iter().cycle().skip(next).take(list.len()).copied().find(|ix| here.contains(ix))
        }
        Pick::LeastOpen => {
            let open = |ix: &ExtensionIx| open.get(number(ix)).copied().unwrap_or(0);
            Some(here.iter().fold(first, |best, other| if open(other) < open(&best) { *other } else { best }))
        }
    }
}

/// Who can call back in time.
struct Present<'a> {
    config: &'a Config,
    state: &'a State,
    between: Between,
}

impl Present<'_> {
    fn is_here(&self, ix: ExtensionIx) -> bool {
        let (at, due) = self.between;
        let extension = self.config.extension(ix);
        let works = |schedule: &Schedule| opens_before(schedule, self.state.override_of(&schedule.name, at), at, due);
        extension.active
            && self.state.away_until(&extension.number, at).is_none()
            && extension.schedule.is_none_or(|schedule| works(self.config.schedule(schedule)))
    }

    /// The employee, or the first one along their deputies who is here.
    fn or_deputy(&self, ix: ExtensionIx) -> Option<ExtensionIx> {
        let mut asked = vec![ix];
        while let Some(&last) = asked.last() {
            if self.is_here(last) {
                return Some(last);
            }
            asked.push(self.config.extension(last).deputy.filter(|deputy| !asked.contains(deputy))?);
        }
        None
    }
}

/// True where a schedule is open at some moment between these.
fn opens_before(schedule: &Schedule, by_hand: Option<Override>, at: Timestamp, due: Timestamp) -> bool {
    let from = match by_hand {
        Some(Override { open: true, .. }) => return true,
        Some(Override { until: None, .. }) => return false,
        Some(Override { until: Some(until), .. }) => until,
        None => at,
    };
    from < due && (schedule.is_open(from) || schedule.next_change(from).is_some_and(|opens| opens < due))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Nothing;
    use crate::fact::KnownCustomer;

    fn config(follow_up: &str) -> Config {
        let extensions = ["11", "12", "13", "14", "15"].map(|number| {
            let more = match number {
                "13" => "active = false\n",
                "14" => "schedule = \"mornings\"\ndeputy = \"15\"\n",
                "15" => "deputy = \"14\"\n",
                _ => "",
            };
            format!("[[extension]]\nnumber = \"{number}\"\npassword = \"env:P\"\n{more}")
        });
        let text = format!(
            "[site]\nname = \"x\"\ntimezone = \"Europe/Berlin\"\nnumbering = {{ country = \"49\", national_prefix = \"0\", \
             international_prefix = \"00\" }}\noperator = \"refuse:busy\"\n[follow_up]\n{follow_up}\n{}\
             [[schedule]]\nname = \"mornings\"\nopen = [\"mon-fri 08:00-12:00\"]\n\
             [[did]]\nnumber = \"+493012340\"\nfollow_up = {{ list = {{ round-robin = [\"14\", \"15\"] }} }}\n",
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
        let Chosen { way, who, .. } = assignee(config, &outsider(responsible), call, ten_to_half_past(), known);
        (way, who.map(|who| who.to_string()))
    }

    /// On a Monday morning.
    fn ten_to_half_past() -> Between {
        (at("2026-11-23T10:00"), at("2026-11-23T10:30"))
    }

    fn at(text: &str) -> Timestamp {
        format!("{text}+01:00").parse().unwrap()
    }

    fn away(who: &[&str]) -> State {
        let mut state = State::default();
        who.iter().for_each(|who| state.set_away(&Arc::from(*who), Some(Timestamp::MAX)));
        state
    }

    fn is(way: Assign, who: &str) -> (Assign, Option<String>) {
        (way, Some(who.into()))
    }

    #[test]
    fn the_first_who_is_here_in_the_configured_order() {
        let config = config("list = { round-robin = [\"13\", \"11\", \"12\"] }");
        let talked = Known { last_talker: Some("11".into()), ..Known::default() };
        assert_eq!(chosen(&config, Some("12"), 0, &talked), is(Assign::Responsible, "12"));
        assert_eq!(chosen(&config, Some("13"), 0, &talked), is(Assign::LastTalker, "11"));
        assert_eq!(chosen(&config, Some("99"), 0, &talked), is(Assign::LastTalker, "11"));
        let known = Known { state: away(&["11"]), ..talked };
        assert_eq!(chosen(&config, None, 0, &known), is(Assign::List, "12"));
        let known = Known { state: away(&["11", "12"]), ..known };
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

    #[test]
    fn a_deputy_steps_in_for_the_responsible_and_for_a_list_of_which_nobody_is_here() {
        let config = config("list = { random = [\"14\"] }");
        let known = Known { state: away(&["14"]), ..Known::default() };
        assert_eq!(chosen(&config, Some("14"), 0, &known), is(Assign::Responsible, "15"));
        assert_eq!(chosen(&config, None, 0, &known), is(Assign::List, "15"));
        let nobody = Known { state: away(&["14", "15"]), ..Known::default() };
        assert_eq!(chosen(&config, Some("14"), 0, &nobody), (Assign::Unassigned, None));
    }

    #[test]
    fn own_hours_count_where_they_do_not_begin_before_the_promise_is_due() {
        let config = config("");
        let who = |from, until, state: &State| {
            let known = Known { state: state.clone(), ..Known::default() };
            let call = CallId::new(Timestamp::UNIX_EPOCH, 0);
            assignee(&config, &outsider(Some("14")), call, (at(from), at(until)), &known).who.unwrap().to_string()
        };
        let written = State::default();
        let by_hand = |open, until: Option<&str>| {
            let mut state = State::default();
            state.set_override(&"mornings".into(), Some(Override { open, until: until.map(at) }));
            state
        };
        assert_eq!(who("2026-11-23T11:59", "2026-11-23T12:29", &written), "14");
        assert_eq!(who("2026-11-23T12:00", "2026-11-23T12:30", &written), "15");
        assert_eq!(who("2026-11-23T07:30", "2026-11-23T08:00", &written), "15");
        assert_eq!(who("2026-11-23T07:31", "2026-11-23T08:01", &written), "14");
        assert_eq!(who("2026-11-23T14:00", "2026-11-23T14:30", &by_hand(true, None)), "14");
        assert_eq!(who("2026-11-23T10:00", "2026-11-23T10:30", &by_hand(false, None)), "15");
        assert_eq!(who("2026-11-23T10:00", "2026-11-23T10:30", &by_hand(false, Some("2026-11-23T10:20"))), "14");
        assert_eq!(who("2026-11-23T10:00", "2026-11-23T10:30", &by_hand(false, Some("2026-11-23T10:30"))), "15");
        assert_eq!(who("2026-11-23T11:50", "2026-11-23T12:20", &by_hand(false, Some("2026-11-23T12:10"))), "15");
    }

    #[test]
    fn the_list_of_the_did_comes_before_the_general_one_and_goes_round_by_itself() {
        let config = config("list = { round-robin = [\"11\", \"12\"] }");
        let on = |did: &str, known: &Known| {
            let outsider = Outsider { did: Some(did.into()), ..outsider(None) };
            let call = CallId::new(Timestamp::UNIX_EPOCH, 0);
            let Chosen { who, list, .. } = assignee(&config, &outsider, call, ten_to_half_past(), known);
            (who.unwrap().to_string(), list.unwrap())
        };
        let known = Known { last_of_did: Some("14".into()), last_of_list: Some("11".into()), ..Known::default() };
        assert_eq!(on("+493012340", &known), ("15".into(), ListOf::Did));
        assert_eq!(on("+49309999", &known), ("12".into(), ListOf::Company));
        let known = Known { state: away(&["14", "15"]), ..known };
        assert_eq!(on("+493012340", &known), ("12".into(), ListOf::Company));
    }

    #[test]
    fn chance_is_uniform_over_who_is_here() {
        let config = config("list = { random = [\"11\", \"12\", \"13\", \"15\"] }");
        let mut counts = BTreeMap::new();
        let mut entropy = crate::entropy::Entropy::seeded([7; 32], 0);
        for _ in 0..9_000 {
            let (_, who) = chosen(&config, None, entropy.u64(), &Known::default());
            *counts.entry(who.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(counts.keys().map(String::as_str).collect::<Vec<_>>(), ["11", "12", "15"]);
        assert!(counts.values().all(|count| (2_800..3_200).contains(count)), "{counts:?}");
    }
}
