//! For every rule of the config language one broken example, and what is said of it, to the letter.
//!
//! Each file of `tests/config/` begins with what it shows and, after `#!`, with every finding that reading it must give:
//! line, column, severity, field, reason and fix. Nothing more may be found, and nothing less: taking a rule out of the
//! code turns exactly its example red. `HUNTLINE_WRITE_EXPECTED=1 cargo test --test config_examples` rewrites what stands
//! after `#!`, for review as a diff.

use std::path::{Path, PathBuf};

use huntline::config::{Config, Loaded, Nothing, Problem, Problems, Surroundings};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The machine on which the examples are read.
struct Workshop;

impl Surroundings for Workshop {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "SET").then(|| "from the environment".into())
    }
    fn text(&self, path: &Path) -> Result<String, String> {
        match path.to_str() {
            Some("office/password" | "office/open-password") => Ok("from a file\n".into()),
            Some("office/empty") => Ok("\n".into()),
            _ => Err("there is no such file".into()),
        }
    }
    fn exists(&self, path: &Path) -> bool {
        path == Path::new("office/data/prompts/there.wav")
    }
    fn others_can_read(&self, path: &Path) -> bool {
        path == Path::new("office/open-password") || path == Path::new("office/world-readable.toml")
    }
}

fn read(name: &str, text: &str) -> Result<Loaded, Problems> {
    Config::read(&Path::new("office").join(name), text, &Workshop)
}

fn findings(outcome: &Result<Loaded, Problems>) -> Vec<String> {
    let problems = match outcome {
        Ok(loaded) => &loaded.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(finding).collect()
}

fn finding(problem: &Problem) -> String {
    let Problem { line, column, field, reason, fix, .. } = problem;
    let severity = format!("{:?}", problem.severity).to_lowercase();
    let fix = fix.as_ref().map_or(String::new(), |fix| format!(" | {fix}"));
    format!("#! {line}:{column} {severity} {field}: {reason}{fix}")
}

#[test]
fn every_broken_example_gives_exactly_its_findings() {
    let write = std::env::var_os("HUNTLINE_WRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(tests().join("config")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if write {
            text = with_findings(name, &text);
            std::fs::write(&path, &text).unwrap();
        }
        let expected: Vec<&str> = text.lines().filter(|line| line.starts_with("#!")).collect();
        let found = findings(&read(name, &text));
        if found != expected || found.is_empty() {
            wrong.push(format!(
                "{name}\n  expected\n    {}\n  found\n    {}",
                expected.join("\n    "),
                found.join("\n    ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} examples:\n{}", wrong.len(), wrong.join("\n"));
}

/// The same example with what is found in it written after its title.
fn with_findings(name: &str, text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("#!")).collect();
    let title = lines.remove(0);
    // Every finding takes a line, which moves what it says: settle by repeating.
    let mut header: Vec<String> = Vec::new();
    for _ in 0..3 {
        let text = [vec![title], header.iter().map(String::as_str).collect(), lines.clone()].concat().join("\n") + "\n";
        header = findings(&read(name, &text));
    }
    [vec![title], header.iter().map(String::as_str).collect(), lines].concat().join("\n") + "\n"
}

#[test]
fn the_contract_is_accepted_and_only_what_is_not_there_is_warned_of() {
    let text = std::fs::read_to_string(tests().join("office.toml")).unwrap();
    let loaded =
        Config::read(Path::new("office.toml"), &text, &Nothing).map_err(|problems| problems.to_string()).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(finding).collect();
    let expected = [
        "#! 38:49 warning trunk \"mango\".register.password: the environment variable MANGO_PASSWORD is not set | set MANGO_PASSWORD before starting; until then whoever needs this password cannot register",
        "#! 55:14 warning extension \"200\".password: the environment variable PHONE_200 is not set | set PHONE_200 before starting; until then whoever needs this password cannot register",
        "#! 109:14 warning voicemail \"sales\".greeting: data/prompts/sales-closed.wav is not there | until it is, the shipped prompt plays",
        "#! 126:27 warning did \"+74951234567\".open.greeting: data/prompts/hello.wav is not there | until it is, the shipped prompt plays",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn the_office_that_runs_as_it_stands_has_nothing_to_warn_of() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/office.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let loaded = Config::read(Path::new("config/office.toml"), &text, &Nothing).map_err(|p| p.to_string()).unwrap();
    assert_eq!(loaded.warnings.to_string(), "0 errors, 0 warnings");
    assert_eq!(loaded.config.not_available_yet(), [""; 0]);
    assert_eq!(loaded.config.storage.directory, Path::new("config/../data"));
}

#[test]
fn about_twenty_lines_make_an_office() {
    let text = r#"
[site]
operator = "group:all"

[[trunk]]
name   = "provider"
server = "sip:provider.example"

[[extension]]
number   = "11"
password = "one"

[[extension]]
number   = "12"
password = "two"

[[group]]
name    = "all"
members = ["11", "12"]

[[did]]
number = "+493012340"
open   = { to = "group:all" }

[[outbound]]
match  = "+*"
trunks = ["provider"]
"#;
    let loaded = read("small.toml", text).map_err(|problems| problems.to_string()).unwrap();
    assert_eq!(loaded.warnings.to_string(), "0 errors, 0 warnings");
}
