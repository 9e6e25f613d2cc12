//! A config that is broken: at a reload the old one stays, at a start nothing begins, and both say the same.

use crate::router::{ADA, Router, TWELVE, ends};

#[test]
fn a_broken_config_is_refused_in_the_same_words_at_reload_and_at_start() {
    let mut router = Router::start("config");
    let phone = router.phone("12");
    let file = router.folder.join("office.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let broken =
        good.replace("[\"extension:12\", ", "[\"extension:13\", ").replace("patience = \"20s\"", "patience = 20");
    std::fs::write(&file, &broken).unwrap();
    let line = |needle: &str| format!("{}:", broken.lines().position(|line| line.contains(needle)).unwrap() + 1);

    let reload = ends(router.command(&["reload"]));
    let said = String::from_utf8_lossy(&reload.stderr).into_owned();
    assert_eq!(reload.status.code(), Some(1), "{said}");
    for words in [&line("extension:13"), "extension:13", &line("patience = 20"), "20"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    // The old one stays.
    let call = router.provider.call(ADA, TWELVE);
    let rings = phone.rings();
    call.hears_ringing();
    call.gives_up();
    rings.stops();

    router.kill();
    let start = ends(router.command(&["serve"]));
    let at_start = String::from_utf8_lossy(&start.stderr).into_owned();
    assert_eq!(start.status.code(), Some(1), "{at_start}");
    let problems = |said: &str| -> Vec<String> {
        let said = said.lines().filter(|line| line.contains("office.toml:"));
        said.map(|line| line.trim_start_matches("huntline: ").to_owned()).collect()
    };
    assert_eq!(problems(&at_start), problems(&said), "{at_start}\n{said}");
    assert!(problems(&said).len() >= 2, "{said}");

    std::fs::write(&file, good).unwrap();
    router.serve();
}
