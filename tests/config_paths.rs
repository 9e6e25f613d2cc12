//! A second, naive model of where calls can go: over random small offices it must agree with the check of the config,
//! that a path enters nothing twice, and that every customer's path ends somewhere.

use std::path::Path;

use huntline::config::{Config, Nothing};
use proptest::prelude::*;

/// A destination of a small office: three extensions, three groups, one voicemail box, perhaps an operator.
#[derive(Clone, Copy, PartialEq, Debug)]
enum To {
    Extension(usize),
    Group(usize),
    Operator,
    Voicemail,
    Busy,
}

type List = Vec<To>;

#[derive(Clone, Debug)]
struct Office {
    operator: Option<List>,
    /// busy, no_answer, unreachable of each extension.
    extensions: [[Option<List>; 3]; 3],
    /// then of each group.
    groups: [Option<List>; 3],
    open: List,
}

const REASONS: [&str; 3] = ["busy", "no_answer", "unreachable"];

impl Office {
    fn text(&self) -> String {
        let list = |list: &List| {
            let names = list.iter().map(|to| match to {
                To::Extension(at) => format!("\"extension:{at}\""),
                To::Group(at) => format!("\"group:{at}\""),
                To::Operator => "\"operator\"".into(),
                To::Voicemail => "\"voicemail:box\"".into(),
                To::Busy => "\"refuse:busy\"".into(),
            });
            format!("[{}]", names.collect::<Vec<_>>().join(", "))
        };
        let mut text = String::from("[site]\n");
        if let Some(operator) = &self.operator {
            text += &format!("operator = {}\n", list(operator));
        }
        text += "[[voicemail]]\nname = \"box\"\n";
        for (at, ways) in self.extensions.iter().enumerate() {
            text += &format!("[[extension]]\nnumber = \"{at}\"\npassword = \"secret\"\n");
            for (reason, way) in REASONS.iter().zip(ways) {
                text += &way.as_ref().map_or(String::new(), |way| format!("{reason} = {}\n", list(way)));
            }
        }
        for (at, then) in self.groups.iter().enumerate() {
            text += &format!("[[group]]\nname = \"{at}\"\nmembers = [\"0\"]\n");
            text += &then.as_ref().map_or(String::new(), |then| format!("then = {}\n", list(then)));
        }
        text + &format!("[[did]]\nnumber = \"+493012340\"\nopen = {{ to = {} }}\n", list(&self.open))
    }

    /// What a destination says about going on, with `None` where it says nothing.
    fn ways(&self, to: To) -> Vec<Option<&List>> {
        match to {
            To::Extension(at) => self.extensions[at].iter().map(Option::as_ref).collect(),
            To::Group(at) => vec![self.groups[at].as_ref()],
            To::Operator => vec![self.operator.as_ref()],
            To::Voicemail | To::Busy => vec![],
        }
    }

    /// True where a call that finds nobody, whatever the reasons, never enters twice and, if it must, ends somewhere.
    fn is_sound(&self, list: &[To], entered: &[To], must_end: bool) -> bool {
        let Some((first, rest)) = list.split_first() else { return true };
        if matches!(first, To::Voicemail | To::Busy) {
            return true;
        }
        if entered.contains(first) {
            return false;
        }
        let entered = [entered, &[*first]].concat();
        if !rest.is_empty() {
            return self.is_sound(rest, &entered, must_end);
        }
        self.ways(*first).into_iter().all(|way| match way {
            Some(way) => self.is_sound(way, &entered, must_end),
            None => !must_end || self.operator.is_some(),
        })
    }

    fn every_path_is_sound(&self) -> bool {
        let starts = (0..3).flat_map(|at| [To::Extension(at), To::Group(at)]).chain([To::Operator]);
        let whole = starts.flat_map(|to| self.ways(to).into_iter().flatten().map(move |way| (to, way)));
        self.is_sound(&self.open, &[], true) && { whole }.all(|(to, way)| self.is_sound(way, &[to], false))
    }
}

fn office() -> impl Strategy<Value = Office> {
    fn list(operator: bool) -> impl Strategy<Value = List> {
        let to = prop_oneof![
            3 => (0..3usize).prop_map(To::Extension),
            3 => (0..3usize).prop_map(To::Group),
            1 => Just(if operator { To::Operator } else { To::Busy }),
            3 => Just(To::Voicemail),
            1 => Just(To::Busy),
        ];
        proptest::collection::vec(to, 1..3)
    }
    any::<bool>().prop_flat_map(|has_operator| {
        let way = move || proptest::option::weighted(0.4, list(has_operator));
        let ways = move || [way(), way(), way()];
        let operator = list(false).prop_map(move |list| has_operator.then_some(list));
        (operator, [ways(), ways(), ways()], ways(), list(has_operator))
            .prop_map(|(operator, extensions, groups, open)| Office { operator, extensions, groups, open })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn an_office_is_accepted_exactly_where_every_path_is_sound(office in office()) {
        let text = office.text();
        let read = Config::read(Path::new("office.toml"), &text, &Nothing);
        let said = read.as_ref().map_or_else(|problems| problems.to_string(), |loaded| loaded.warnings.to_string());
        prop_assert_eq!(read.is_ok(), office.every_path_is_sound(), "{}\n{}", text, said);
    }
}

#[test]
fn the_random_offices_are_of_both_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let offices = (0..1_000).map(|_| office().new_tree(&mut runner).unwrap().current());
    let sound = offices.filter(Office::every_path_is_sound).count();
    assert!((100..900).contains(&sound), "{sound} of 1,000 are sound");
}
