//! The document that describes the API is the one that programs were written against, and what is served is what it says:
//! schemathesis (from PyPI, see `tests/install`) asks every route with whatever the document lets it, and what it does not, for
//! half a minute.
//!
//! Where schemathesis is not installed, that is said as `NOT RUN`.

#![allow(clippy::disallowed_methods)] // how long a real program takes is measured on a real clock

#[path = "api/office.rs"]
#[allow(dead_code, reason = "the other tests of the API use the rest")]
mod office;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use office::Office;

/// Whether it is all the program says of itself.
const STORED: &str = "tests/openapi.json";

/// For how many seconds schemathesis may ask.
const BUDGET: &str = "30";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let schemathesis = schemathesis();
    let asked = "schemathesis finds no answer that the document does not describe";
    if schemathesis.is_none() {
        println!("NOT RUN: {asked}: there is no schemathesis; tests/install gets it");
    }
    let missing = schemathesis.is_none();
    let trials = vec![
        Trial::test("the document is the one on record", described),
        Trial::test(asked, move || schemathesis.as_deref().map_or(Ok(()), ask)).with_ignored_flag(missing),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// `HUNTLINE_WRITE_OPENAPI=1` makes what is now the record.
fn described() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(STORED);
    let now = huntline::web::openapi();
    if std::env::var_os("HUNTLINE_WRITE_OPENAPI").is_some() {
        return std::fs::write(path, now).map_err(|error| error.to_string().into());
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    if stored == now {
        return Ok(());
    }
    let different = stored.lines().zip(now.lines()).zip(1..).find(|((stored, now), _)| stored != now);
    let place = different.map_or("at its end".to_owned(), |((stored, now), line)| {
        format!("first on line {line}:\n  on record  {}\n  now        {}", stored.trim(), now.trim())
    });
    Err(format!(
        "{STORED} is not what the program says of its API, {place}\nWhere that is meant, and no program out there breaks: \
         HUNTLINE_WRITE_OPENAPI=1 cargo test --test api_described"
    )
    .into())
}

/// Where the program is: named by `HUNTLINE_SCHEMATHESIS`, put there by `tests/install`, or anywhere.
fn schemathesis() -> Option<PathBuf> {
    let named = std::env::var_os("HUNTLINE_SCHEMATHESIS").map(PathBuf::from);
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/st");
    let works = |path: &PathBuf| {
        let mut version = Command::new(path);
        version
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    named.into_iter().chain([installed, PathBuf::from("st")]).find(works)
}

fn ask(schemathesis: &Path) -> Result<(), Failed> {
    let office = Office::start("schemathesis");
    let token = office.token("schemathesis", None, &["admin"]);
    let url = format!("http://{}/api/v1/openapi.json", office.web);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                  response_headers_conformance";
    let mut command = Command::new(schemathesis);
    command.current_dir(&office.folder);
    command.args(["run", &url, "--checks", checks, "--max-time", BUDGET, "--continue-on-failure", "--no-color"]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "7", "--no-shrink"]);
    command.args(["--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "20"]);
    // A stream that does not end by itself would be waited for.
    command.args(["--exclude-path", "/api/v1/events"]);
    command.args(["-H", &format!("Authorization: Bearer {token}")]);
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api");
    command.env("PYTHONPATH", hooks).env("SCHEMATHESIS_HOOKS", "schemathesis_hooks");
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("schemathesis ended with {}\n{said}\n{complaint}", output.status).into());
    }
    let asked = said.lines().filter(|line| line.contains("generated") || line.contains("passed"));
    asked.for_each(|line| println!("schemathesis: {}", line.trim()));
    Ok(())
}
