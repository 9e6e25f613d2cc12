//! Who rings when: the real core and a deliberately naive model agree to the microsecond.
//!
//! `PROPTEST_CASES` asks for more than the usual number of offices.

mod naive;

use std::collections::BTreeMap;

use huntline::entropy::Entropy;
use proptest::prelude::*;

/// Mornings in each office.
const DAYS: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_naive_model_agrees_on_who_rings_when(tape in prop::collection::vec(any::<u16>(), 0..1500)) {
        if let Err(difference) = naive::compare(&tape, DAYS) {
            return Err(TestCaseError::fail(difference));
        }
    }
}

/// Random mornings are worth something only if what decides who rings happens in them.
#[test]
fn the_random_mornings_meet_every_rule() {
    let mut chance = Entropy::seeded([5; 32], 0);
    let (mut count, mut met) = (naive::Count::default(), BTreeMap::new());
    for _ in 0..300 {
        let tape: Vec<u16> = (0..2500).map(|_| chance.u64() as u16).collect();
        let compared = naive::compare(&tape, DAYS).unwrap_or_else(|difference| panic!("{difference}"));
        count.add(compared.count);
        for rule in compared.met {
            *met.entry(rule).or_insert(0) += 1;
        }
    }
    let missing: Vec<&str> = naive::RULES.iter().copied().filter(|rule| !met.contains_key(*rule)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
    assert!(count.refused < 60 && count.ties < 30, "{count:?}");
}
