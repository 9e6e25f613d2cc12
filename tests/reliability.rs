//! `tests/reliability.md` tells the truth: it has every row that this house must stand up to, each claim of a row names
//! what proves it, and whatever is named is there and is run.
//!
//! | a name | is |
//! |---|---|
//! | `trace:NAME` | a ladder of `sip-traces/`; `trace:lost-*` stands for several |
//! | `test:TARGET::path::name` | a test: of a program in `tests/`, or of the library where TARGET is `lib` |
//! | `tests:FILE` | all tests of a file (only where a row speaks of a whole RFC) |
//! | `story:TITLE` | a story of `tests/real_calls.rs` whose title begins so |
//! | `long:PROGRAM` | a program of `tests/long`, which is run by hand and has a row in its README |
//!
//! What nothing proves yet says `open: why`; the reasons stand in [`OPEN`].

use std::collections::BTreeSet;
use std::path::PathBuf;

const TABLE: &str = include_str!("reliability.md");

/// Why claims are open. Once no claim is open for a reason, that reason must be taken away here.
const OPEN: &[&str] = &["TLS has an issue of its own"];

/// The tables of the project's requirements, and how many of their first columns stand here as they stand there.
const HEADINGS: &[(&str, usize)] =
    &[("Which RFCs, and how much of each", 3), ("Failure → what happens (each is a test)", 2), ("Figures to reach", 2)];

/// A row of the requirements as it is copied, and its claims.
struct Row {
    copied: Vec<String>,
    claims: Vec<Claim>,
}

struct Claim {
    what: String,
    proof: String,
}

#[test]
fn whatever_a_claim_names_is_there_and_is_run() {
    let mut problems = Vec::new();
    let mut open = BTreeSet::new();
    for (heading, columns) in HEADINGS {
        for row in rows(TABLE, heading, *columns) {
            let place = row.copied.first().cloned().unwrap_or_default();
            if row.claims.is_empty() {
                problems.push(format!("{place}: no claim"));
            }
            for Claim { what, proof } in &row.claims {
                let (proof, why) =
                    proof.split_once("open: ").map_or((&**proof, None), |(proof, why)| (proof, Some(why)));
                open.extend(why.map(str::to_owned));
                let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
                if names.is_empty() && why.is_none() {
                    problems.push(format!("{place}, {what}: nothing is named"));
                }
                let wrong = names.into_iter().filter_map(|name| problem(name, *columns == 3));
                problems.extend(wrong.map(|why| format!("{place}, {what}: {why}")));
            }
        }
    }
    let known: BTreeSet<String> = OPEN.iter().map(|what| (*what).to_owned()).collect();
    let differ: Vec<_> = open.symmetric_difference(&known).collect();
    if !differ.is_empty() {
        problems.push(format!("open in the table or in OPEN, but not in both: {differ:?}"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Where the project's common folder stands beside this checkout, the rows here are those of its file.
#[test]
fn the_rows_are_those_of_the_requirements() {
    let original = root().join("../shared/reliability.md");
    let Ok(original) = std::fs::read_to_string(original) else { return };
    let mut problems = Vec::new();
    for (heading, columns) in HEADINGS {
        let here: Vec<_> = rows(TABLE, heading, *columns).into_iter().map(|row| row.copied).collect();
        let there = table(&original, heading).into_iter().map(|cells| cells[..*columns].to_vec());
        let there: Vec<_> = there.filter(|cells| *columns == 2 || matches!(&*cells[1], "M" | "P" | "M, P")).collect();
        let missing = there.iter().filter(|row| !here.contains(row)).map(|row| format!("not here: {row:?}"));
        let strange = here.iter().filter(|row| !there.contains(row)).map(|row| format!("only here: {row:?}"));
        problems.extend(missing.chain(strange));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The cells of the table under a heading, without its head.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let from = text.find(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no table {heading:?}"));
    let lines = text[from..].lines().skip(1).skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        let line = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')).unwrap_or_else(|| panic!("{line}"));
        line.split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(rows.len() > 5, "{heading:?} has {} rows", rows.len());
    rows
}

/// The rows of our table: a bold cell begins one, what follows are its claims. Where a row has three cells of the
/// original, its proof stands in the fourth.
fn rows(text: &str, heading: &str, columns: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for mut cells in table(text, heading) {
        let bold = cells[0].strip_prefix("**").and_then(|cell| cell.strip_suffix("**")).map(str::to_owned);
        match bold {
            Some(failure) => {
                cells[0] = failure;
                rows.push(Row { copied: cells, claims: Vec::new() });
            }
            None if columns == 3 => {
                let proof = cells.pop().unwrap_or_default();
                let claims = vec![Claim { what: cells[0].clone(), proof }];
                rows.push(Row { copied: cells, claims });
            }
            None => {
                let proof = cells.pop().unwrap_or_default();
                let row = rows.last_mut().expect("a claim follows its row");
                row.claims.push(Claim { what: cells.swap_remove(0), proof });
            }
        }
    }
    rows
}

/// What is wrong with a name.
fn problem(name: &str, is_rfc: bool) -> Option<String> {
    let is_there = match name.split_once(':') {
        Some(("trace", ladder)) => is_a_ladder(ladder),
        Some(("test", path)) => return test_problem(path),
        Some(("tests", file)) if is_rfc => {
            std::fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains("#[test]"))
        }
        Some(("story", title)) => is_a_story(title),
        Some(("long", program)) => {
            let readme = std::fs::read_to_string(root().join("tests/long/README.md")).unwrap_or_default();
            root().join("tests/long").join(program).exists() && readme.contains(&format!("| `{program}"))
        }
        _ => return Some(format!("{name} says not what it is")),
    };
    (!is_there).then(|| format!("there is no {name}"))
}

fn is_a_ladder(name: &str) -> bool {
    let (start, end) = name.split_once('*').unwrap_or((name, ""));
    let exact = !name.contains('*');
    let ladders = std::fs::read_dir(root().join("sip-traces")).expect("the ladders");
    ladders.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).any(|file| {
        let Some(ladder) = file.strip_suffix(".trace") else { return false };
        if exact { ladder == name } else { ladder.starts_with(start) && ladder.ends_with(end) }
    })
}

fn is_a_story(title: &str) -> bool {
    let more = std::fs::read_dir(root().join("tests/real")).expect("the stories");
    let files = more.filter_map(|entry| Some(entry.ok()?.path())).chain([root().join("tests/real_calls.rs")]);
    files.filter_map(|file| std::fs::read_to_string(file).ok()).any(|text| text.contains(&format!("(\"{title}")))
}

/// Follows the path to its file as the compiler does, and looks for the test in it.
fn test_problem(path: &str) -> Option<String> {
    let mut segments = path.split("::");
    let (Some(target), rest) = (segments.next(), segments.collect::<Vec<_>>()) else { return Some(path.into()) };
    let [modules @ .., test] = &rest[..] else { return Some(format!("{path} names no test")) };
    let (mut file, mut folder) = match target {
        "lib" => (root().join("src/lib.rs"), root().join("src")),
        target => {
            let flat = root().join("tests").join(format!("{target}.rs"));
            let folder = root().join("tests").join(target);
            if flat.exists() { (flat, root().join("tests")) } else { (folder.join("main.rs"), folder) }
        }
    };
    for module in modules {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let declared = lines.iter().position(|line| line.trim_start_matches("pub ") == format!("mod {module};"));
        let elsewhere =
            declared.and_then(|at| lines[at.checked_sub(1)?].strip_prefix("#[path = \"")?.strip_suffix("\"]"));
        let named = elsewhere.map(|path| file.with_file_name(path));
        let mut next =
            [folder.join(format!("{module}.rs")), folder.join(module).join("mod.rs")].into_iter().chain(named);
        match next.find(|next| next.exists()) {
            Some(next) => (file, folder) = (next, folder.join(module)),
            // A module within the file.
            None if text.contains(&format!("mod {module} {{")) => {}
            None => return Some(format!("there is no {path}: no module {module}")),
        }
    }
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    why_not_run(&text, test).map(|why| format!("{path}: {why}"))
}

/// Why a function of this source is no test that is run.
fn why_not_run(text: &str, test: &str) -> Option<&'static str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &&str| {
        let line = line.trim_start_matches("pub ").trim_start_matches("async ");
        let rest = line.strip_prefix("fn ").and_then(|line| line.strip_prefix(test));
        rest.is_some_and(|rest| rest.starts_with('('))
    };
    let Some(at) = lines.iter().position(is_it) else { return Some("there is no such function") };
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let above: Vec<&&str> = above.collect();
    if above.iter().any(|line| line.starts_with("#[ignore")) {
        return Some("is ignored");
    }
    let is_test = above.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    (!is_test).then_some("is no test")
}

#[test]
fn what_is_not_there_or_not_run_is_found_out() {
    let own = "test:reliability::what_is_not_there_or_not_run_is_found_out";
    let good = [
        own,
        "trace:lost-ack",
        "trace:lost-*",
        "test:lib::clock::tests::what_is_due_together_comes_in_the_order_in_which_it_was_set",
    ];
    for name in good {
        assert_eq!(problem(name, false), None);
    }
    let bad = [
        "trace:lost-nothing",
        "test:reliability::what_is_not",
        "test:reliability::problem",
        "test:nowhere::own",
        "test:lib::clock::test::what_is_due_together_comes_in_the_order_in_which_it_was_set",
        "tests:src/dialog.rs",
        "long:nothing",
        "story:Nobody",
        "lost-ack",
    ];
    for name in bad {
        assert!(problem(name, false).is_some(), "{name}");
    }
    let source =
        "#[test]\n#[ignore = \"slow\"]\nfn one() {}\n// fn two() {}\n\n#[test]\nasync fn three() {}\nfn four() {}";
    let found = ["one", "two", "three", "four"].map(|test| why_not_run(source, test));
    let none = Some("there is no such function");
    assert_eq!(found, [Some("is ignored"), none, None, Some("is no test")]);
}
