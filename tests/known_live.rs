//! Customers who are written down while the router runs are known to the core at once: one by one, and where its index has
//! grown old by that, anew.

use std::path::Path;
use std::sync::Arc;

use huntline::clock::{Instant, Now};
use huntline::config::{Config, Nothing};
use huntline::customer::{CustomerIndex, Kind};
use huntline::effect::Effect;
use huntline::fact::CustomerCard;
use huntline::hypothesis::Hypothesis;
use huntline::number::PhoneNumber;
use huntline::switch::{Input, Question, Switch};

const CONFIG: &str = r#"
[site]
name = "Tour"
numbering = { country = "7" }
[[trunk]]
name = "mango"
server = "sip:127.0.0.9"
[[extension]]
number = "12"
password = "env:P"
[[did]]
number = "+74951234567"
known = { ring = "20s" }
open = { to = ["extension:12", "refuse:unavailable"] }
"#;

struct Office {
    switch: Switch,
    now: Now,
    question: u64,
}

impl Office {
    fn new() -> Office {
        let config =
            Config::read(Path::new("office.toml"), CONFIG, &Nothing).unwrap_or_else(|why| panic!("{why}")).config;
        let now = Now { mono: Instant::from_micros(1), wall: "2026-11-23T07:00:00Z".parse().unwrap() };
        Office { switch: Switch::new(Arc::new(config), [7; 32], 0, now), now, question: 0 }
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.switch.handle(input, self.now, &mut effects);
        effects
    }

    /// How often a fresh index is asked for.
    fn put(&mut self, id: &str, now: Option<(&str, PhoneNumber)>) -> usize {
        self.put_as(Kind::Contact, id, now)
    }

    fn put_as(&mut self, kind: Kind, id: &str, now: Option<(&str, PhoneNumber)>) -> usize {
        let card = now.map(|(name, number)| {
            Box::new(CustomerCard {
                name: name.into(),
                responsible: Some("12".into()),
                numbers: vec![number],
                ..CustomerCard::default()
            })
        });
        let changed = self.now.wall;
        let effects = self.input(Input::Customer { kind, id: id.into(), now: card, changed });
        effects.iter().filter(|effect| matches!(effect, Effect::RenewCustomers)).count()
    }

    /// Why a call of this number would go where it goes.
    fn explained(&mut self, from: &str) -> String {
        self.question += 1;
        let typed = Hypothesis { from: from.into(), to: "+74951234567".into(), ..Hypothesis::default() };
        let question = Question::Explain(Box::new(typed));
        let effects = self.input(Input::Question { number: self.question, question });
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { answer, .. } => Some(answer),
            _ => None,
        });
        answer.unwrap().unwrap().to_string()
    }
}

#[test]
fn who_is_written_down_is_known_to_the_next_call_and_who_is_forgotten_is_not() {
    let mut office = Office::new();
    let ada = "+79161234567";
    assert!(!office.explained(ada).contains("Ada"));
    assert_eq!(office.put("7", Some(("Ada Byron", ada.parse().unwrap()))), 0);
    assert!(office.explained(ada).contains("Ada Byron"), "{}", office.explained(ada));
    office.put("7", Some(("Ada King", ada.parse().unwrap())));
    let explained = office.explained(ada);
    assert!(explained.contains("Ada King") && !explained.contains("Ada Byron"), "{explained}");
    office.put("7", None);
    assert!(!office.explained(ada).contains("Ada"));
}

#[test]
fn a_customer_whose_name_is_still_the_number_is_called_for_as_a_stranger() {
    let mut office = Office::new();
    let ada = "+79161234567";
    let stranger = office.explained(ada);
    office.put_as(Kind::Lead, ada, Some((ada, ada.parse().unwrap())));
    assert_eq!(office.explained(ada), stranger);
    office.put_as(Kind::Lead, ada, Some(("Ada", ada.parse().unwrap())));
    assert_ne!(office.explained(ada), stranger, "the card was filled in");
}

#[test]
fn an_index_that_has_grown_old_is_asked_for_anew_once_until_it_comes() {
    let mut office = Office::new();
    let mut asked = 0;
    let number = |which: u64| PhoneNumber::from_bits(79_160_000_000 + which).unwrap();
    for which in 0..20_000 {
        asked += office.put(&which.to_string(), Some(("Somebody", number(which))));
    }
    assert_eq!(asked, 1);
    office.input(Input::Customers(Box::new(CustomerIndex::with_capacity(20_000, 20_000))));
    let again: usize = (0..40_000).map(|which| office.put(&which.to_string(), Some(("Somebody", number(which))))).sum();
    assert_eq!(again, 1, "the new one grows old, too");
}
