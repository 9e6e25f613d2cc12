//! For every rule of the config language one broken example, and what is said of it, to the letter.
//!
//! Each file of `tests/config/` begins with what it shows and, after `#!`, with every finding that reading it must give:
//! line, column, severity, field, reason and fix. Nothing more may be found, and nothing less: taking a rule out of the
//! code turns exactly its example red. `HUNTLINE_WRITE_EXPECTED=1 cargo test --test config_examples` rewrites what stands
//! after `#!`, for review as a diff.

use std::path::{Path, PathBuf};
use std::time::Duration;

use huntline::config::{
    Config, Destination, Dialled, DidFrom, IdentityHeader, KnownWhen, Loaded, Nothing, Order, Problem, Problems,
    Strategy, Surroundings,
};
use huntline::number::Dials;
use proptest::prelude::*;

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
        ["there.wav", "broken.wav", "closed.wav"].iter().any(|name| path == Path::new("office/data/prompts").join(name))
    }
    fn unplayable(&self, path: &Path) -> Option<String> {
        (path.ends_with("broken.wav") || path.ends_with("closed.wav")).then(|| "it is no WAV file".into())
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
        "#! 38:49 warning trunk \"mango\".register.password: the environment variable MANGO_PASSWORD is not set | set MANGO_PASSWORD before starting; until then whoever needs this password does without",
        "#! 55:14 warning extension \"200\".password: the environment variable PHONE_200 is not set | set PHONE_200 before starting; until then whoever needs this password does without",
        "#! 109:14 warning voicemail \"sales\".greeting: data/prompts/sales-closed.wav is not there | until it is, the shipped prompt plays",
        "#! 110:14 warning voicemail \"sales\".notify: no mail is sent: there is no mail server | add [mail] with `server` and `from`",
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
    assert!(loaded.config.not_available_yet().is_empty());
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

#[test]
fn a_problem_is_shown_with_its_line_a_caret_and_what_to_write() {
    let text = "[[extension]]\nnumber = \"201\"\npassword = \"very secret\"\n\n[[group]]\nname = \"Продажи\"\nmembers = [\"201\"]\n\tthen = \"group:Продаж\"\n";
    let problems = read("small.toml", text).unwrap_err();
    let shown = "\
office/small.toml:8:9: error: group \"Продажи\".then: there is no group \"Продаж\"
  |
8 | \tthen = \"group:Продаж\"
  | \t       ^^^^^^^^^^^^^^
  = did you mean \"Продажи\"?

1 error, 0 warnings";
    assert_eq!(problems.to_string(), shown);
    let json: serde_json::Value = serde_json::from_str(&problems.to_json()).unwrap();
    let expected = serde_json::json!([{
        "severity": "error", "file": "office/small.toml", "line": 8, "column": 9, "length": 14,
        "field": "group \"Продажи\".then", "value": "\"group:Продаж\"", "reason": "there is no group \"Продаж\"",
        "fix": "did you mean \"Продажи\"?", "source": "\tthen = \"group:Продаж\"",
    }]);
    assert_eq!(json, expected);
}

#[test]
fn no_problem_shows_a_password() {
    let text = r#"
[[trunk]]
name = "provider"
server = "sip:provider.example"
register = { user = "a b", password = "hidden-one", extra = 1 }

[[extension]]
number = "201"
pasword = "hidden-two"

[[extension]]
number = 202
password = "hidden-three"

[[trunk]]
name = "second"
server = "sip:provider.example"
register = ["office", "hidden-four"]

[[extension]]
number = "203"
password = 5555
"#;
    let problems = read("world-readable.toml", text).unwrap_err();
    let shown = format!("{problems}{}", problems.to_json());
    assert_eq!(problems.errors(), 7, "{shown}");
    for hidden in ["one", "two", "three", "four"] {
        assert!(!shown.contains(&format!("hidden-{hidden}")) && !shown.contains("5555"), "{shown}");
    }
    assert!(shown.contains("register = { user = \"a b\", password = ••••••••••••, extra = 1 }"), "{shown}");
}

#[test]
fn a_password_comes_from_the_text_the_environment_or_a_file() {
    let text = r#"
[[extension]]
number = "1"
password = "plain"
[[extension]]
number = "2"
password = "env:SET"
[[extension]]
number = "3"
password = { file = "password" }
[[extension]]
number = "4"
password = "env:UNSET"
"#;
    let config = read("small.toml", text).unwrap().config;
    let passwords: Vec<Option<&str>> =
        config.extensions().map(|(_, extension)| extension.password.as_ref().map(|secret| secret.expose())).collect();
    assert_eq!(passwords, [Some("plain"), Some("from the environment"), Some("from a file"), None]);
    assert!(!format!("{config:?}").contains("plain"));
}

fn office() -> Config {
    let text = std::fs::read_to_string(tests().join("office.toml")).unwrap();
    Config::read(Path::new("office.toml"), &text, &Nothing).map_err(|problems| problems.to_string()).unwrap().config
}

fn written(config: &Config, destinations: &[Destination]) -> Vec<String> {
    destinations.iter().map(|destination| config.name_of(destination)).collect()
}

#[test]
fn the_contract_reads_as_it_is_meant() {
    let config = office();
    assert_eq!(written(&config, &config.site.operator), ["extension:200"]);
    assert_eq!(config.media.keep, Some(Duration::from_secs(180 * 86_400)));

    let mango = config.trunk(config.trunk_by_name("mango").unwrap());
    assert_eq!(mango.server.to_string(), "sip:trunk.example:5060");
    assert_eq!((mango.did_from, mango.dials, mango.identity_to), (DidFrom::To, Dials::National, IdentityHeader::Pai));
    assert_eq!(mango.identity_from, [IdentityHeader::Pai, IdentityHeader::Rpid, IdentityHeader::From]);
    assert_eq!(config.did(mango.default_did.unwrap()).number.to_string(), "+74951234567");
    let reserve = config.trunk_by_name("reserve").unwrap();
    assert_eq!(config.trunk(reserve).server.to_string(), "sip:203.0.113.20:5060;transport=tcp");
    assert_eq!(config.trunks_at("203.0.113.20".parse().unwrap()).collect::<Vec<_>>(), [reserve]);
    assert_eq!(config.trunks_at("203.0.113.21".parse().unwrap()).count(), 0);

    let ivan = config.extension_by_number("201").unwrap();
    let no_answer = config.extension(ivan).no_answer.as_ref().unwrap();
    assert_eq!(
        (no_answer.after, written(&config, &no_answer.to)),
        (Duration::from_secs(20), vec!["group:sales".to_owned()])
    );
    assert_eq!(config.extension_by_gsm("+79160000001".parse().unwrap()), Some(ivan));
    let registering: Vec<&str> =
        config.extensions().filter(|(_, one)| one.registers()).map(|(_, one)| &*one.number).collect();
    assert_eq!(registering, ["200", "201", "202", "203"]);

    let sales = config.group(config.group_by_name("sales").unwrap());
    assert_eq!((sales.strategy, sales.order), (Strategy::Escalating, Order::Listed));
    assert_eq!((sales.step, sales.patience), (Duration::from_secs(7), Duration::from_secs(35)));
    assert_eq!(written(&config, &sales.then), ["extension:200", "voicemail:sales"]);

    let site = config.did(config.did_by_number("+74951234567".parse().unwrap()).unwrap());
    let known = site.known.as_ref().unwrap();
    assert_eq!(written(&config, &known.to), ["responsible"]);
    assert_eq!(written(&config, &known.busy), ["group:sales"]);
    assert_eq!(written(&config, &known.left), ["plan"]);
    assert_eq!((known.ring, known.when), (Duration::from_secs(20), KnownWhen::BeforeHours));
    assert_eq!(written(&config, &site.closed.as_ref().unwrap().to), ["voicemail:sales"]);
    let hours = config.schedule(site.schedule.unwrap());
    assert!(hours.is_open("2026-11-23T10:00:00+03:00".parse().unwrap()));
    assert!(!hours.is_open("2026-11-22T10:00:00+03:00".parse().unwrap()));

    assert!(config.not_available_yet().is_empty());
}

#[test]
fn what_is_dialled_in_the_contract_finds_its_way_out() {
    let config = office();
    let caller = |number: &str| config.extension_by_number(number);
    let way = |from: &str, dialled: &str| match config.dialled(dialled) {
        Dialled::Emergency(number) => format!("emergency {number}"),
        Dialled::Extension(extension) => format!("extension {}", config.extension(extension).number),
        Dialled::Number(number) if config.did_by_number(number).is_some() => format!("our own {number}"),
        dialled => {
            let (number, text) = match &dialled {
                Dialled::Number(number) => (Some(*number), number.to_string()),
                Dialled::Unreadable(text) => (None, text.to_string()),
                _ => unreachable!(),
            };
            match config.outbound_rule(caller(from), number, &text) {
                None => format!("{text}: no rule"),
                Some(rule) if !rule.allow => format!("{text}: {} forbids", rule.pattern),
                Some(rule) => {
                    let trunks: Vec<&str> = rule.trunks.iter().map(|trunk| &*config.trunk(*trunk).name).collect();
                    format!("{text}: {}", trunks.join(", "))
                }
            }
        }
    };
    assert_eq!(way("201", "112"), "emergency 112");
    assert_eq!(way("201", "203"), "extension 203");
    assert_eq!(way("201", "8 (916) 123-45-67"), "+79161234567: mango, reserve");
    assert_eq!(way("201", "8 701 123 45 67"), "+77011234567: +77* forbids");
    assert_eq!(way("201", "810 49 30 123456"), "+4930123456: +* forbids");
    assert_eq!(way("200", "810 49 30 123456"), "+4930123456: mango");
    assert_eq!(way("201", "123-45-67"), "our own +74951234567");
    assert_eq!(way("201", "*97"), "*97: no rule");
}

#[test]
fn the_same_text_has_the_same_version_and_another_one_another() {
    let version = |text: &str| read("small.toml", text).unwrap().config.version.to_string();
    assert_eq!(version(""), "e3b0c44298fc");
    assert_ne!(version("# changed\n"), version(""));
}

proptest! {
    #[test]
    fn no_edit_of_the_contract_makes_reading_fail_otherwise_than_with_places(
        at in any::<prop::sample::Index>(), drop in 0..12usize, put in r#"[\[\]{}="',.:a-z0-9\n -]{0,6}"#,
    ) {
        let text = std::fs::read_to_string(tests().join("office.toml")).unwrap();
        let mut letters: Vec<char> = text.chars().collect();
        let at = at.index(letters.len());
        letters.splice(at..(at + drop).min(letters.len()), put.chars());
        let text: String = letters.into_iter().collect();
        let lines: Vec<&str> = text.split('\n').collect();
        match Config::read(Path::new("office.toml"), &text, &Nothing) {
            Ok(loaded) => prop_assert_eq!(loaded.warnings.errors(), 0),
            Err(problems) => {
                prop_assert!(problems.errors() > 0);
                for problem in problems.iter() {
                    prop_assert!(problem.line >= 1 && problem.line <= lines.len(), "{}", problem);
                    prop_assert!(problem.column <= lines[problem.line - 1].chars().count() + 1, "{}", problem);
                    prop_assert!(!problem.reason.is_empty() && !problem.field.is_empty());
                }
            }
        }
    }
}
