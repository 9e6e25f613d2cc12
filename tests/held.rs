//! The table of `sip-traces/README.md` tells the truth: whatever a row names as its proof is there. (What the project's
//! requirements name stands in `tests/reliability.md`.)

use std::path::Path;

const README: &str = include_str!("../sip-traces/README.md");

#[test]
fn whatever_a_row_names_is_there() {
    let mut problems = Vec::new();
    for row in table("What else goes wrong in a call") {
        let (what, held) = (&row[0], row.last().expect("a row has cells"));
        let names: Vec<&str> = held.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            problems.push(format!("{what}: nothing is named"));
        }
        problems.extend(names.iter().filter(|name| !is_there(name)).map(|name| format!("{what}: there is no {name}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The rows under a heading, without the table's head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let from = README.find(&format!("## {heading}")).unwrap_or_else(|| panic!("no table {heading:?}"));
    let lines = README[from..].lines().skip(1).skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(rows.len() > 10, "{heading:?} has {} rows", rows.len());
    rows
}

/// A name is a ladder (`lost-*` stands for several), a file, or a test in a file (`tests/relay.rs::rtcp_passes_beside_rtp`).
fn is_there(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match name.split_once("::") {
        Some((file, test)) => {
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            let is_a_test = |line: &str| {
                let line = line.trim_start().trim_start_matches("async ");
                line.strip_prefix("fn ")
                    .is_some_and(|rest| rest.strip_prefix(test).is_some_and(|rest| rest.starts_with('(')))
                    || line.contains(&format!("(\"{test}\""))
            };
            text.lines().any(is_a_test)
        }
        None if name.contains('/') => root.join(name).exists(),
        None => {
            let (start, end) = name.split_once('*').unwrap_or((name, ""));
            let exact = !name.contains('*');
            let ladders = std::fs::read_dir(root.join("sip-traces")).expect("the ladders");
            ladders.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).any(|file| {
                let Some(ladder) = file.strip_suffix(".trace") else { return false };
                if exact { ladder == name } else { ladder.starts_with(start) && ladder.ends_with(end) }
            })
        }
    }
}

#[test]
fn what_is_not_there_is_found_out() {
    assert!(is_there("lost-*") && is_there("lost-ack") && is_there("tests/held.rs::what_is_not_there_is_found_out"));
    assert!(!is_there("lost-nothing") && !is_there("tests/nowhere.rs") && !is_there("tests/held.rs::what_is_not"));
}
