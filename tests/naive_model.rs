//! Who rings when: the real core and a deliberately naive model agree to the microsecond.
//!
//! `PROPTEST_CASES` asks for more than the usual number of offices.

mod naive;

use std::path::Path;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_naive_model_agrees_on_who_rings_when(tape in prop::collection::vec(any::<u16>(), 0..1500)) {
        if let Err(difference) = naive::compare(&tape, naive::DAYS) {
            return Err(TestCaseError::fail(difference));
        }
    }
}

/// A model that is asked nothing agrees with everybody: each of its rules tells in a morning of its own.
///
/// `cargo test --release --test long_scripts -- --gather` writes the corpus anew where the draws have changed.
#[test]
fn every_morning_of_the_corpus_shows_its_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/naive/corpus");
    for rule in naive::RULES {
        let file = folder.join(naive::file_of(rule));
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let compared = naive::compare(&naive::read(&bytes), naive::DAYS);
        let compared = compared.unwrap_or_else(|difference| panic!("{}\n{difference}", file.display()));
        assert!(compared.met.contains(*rule), "{} does not show it: {:?}", file.display(), compared.met);
    }
}
