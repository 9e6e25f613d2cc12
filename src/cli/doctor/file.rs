//! The config: can it be read, by nobody else, is it sound, and is it the one in force.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::finding::Finding;
use super::patient::Patient;
use crate::config::{Config, Loaded, Severity};
use crate::config_file;

const SUBJECT: &str = "config";

/// What the file says, where it can be followed, and what was found.
pub(super) fn look(file: &Path) -> (Option<Config>, Vec<Finding>) {
    let shown = file.display().to_string();
    let mut findings = Vec::new();
    if let Ok(metadata) = std::fs::metadata(file) {
        let mode = metadata.permissions().mode() & 0o777;
        let finding = Finding::ok(SUBJECT, "who may read it", format!("mode {mode:03o}, of user {}", metadata.uid()));
        findings.push(match mode & 0o006 {
            0 => finding,
            _ => finding.warn(format!("passwords stand in it: chmod o-rw {shown}")),
        });
    }
    let (config, problems) = match config_file::load(file) {
        Ok(Loaded { config, warnings }) => (Some(config), warnings),
        Err(problems) => (None, problems),
    };
    // Said above, with the mode.
    let told: Vec<_> =
        problems.iter().filter(|problem| !problem.reason.starts_with("this file can be read by")).collect();
    let worst = told.iter().find(|problem| problem.severity == Severity::Error).or(told.first());
    let finding = |found: String| Finding::ok(SUBJECT, &shown, found);
    findings.push(match (&config, worst) {
        (None, Some(worst)) => {
            let errors = problems.errors();
            let more = if errors > 1 { format!(" (and {} more)", errors - 1) } else { String::new() };
            finding(format!("line {}: {}: {}{more}", worst.line, worst.field, worst.reason)).fail(format!(
                "{}; `huntline check` shows everything; a running router goes on with the config before",
                worst.fix.as_deref().unwrap_or("mend it")
            ))
        }
        (Some(config), Some(worst)) => {
            finding(format!("can run, version {}; line {}: {}", config.version, worst.line, worst.reason)).warn(
                format!("{}; `huntline check` shows all {}", worst.fix.as_deref().unwrap_or("look at it"), told.len()),
            )
        }
        (Some(config), None) => finding(format!("can run, version {}", config.version)),
        (None, None) => finding("cannot be followed".into()).fail("`huntline check` says why"),
    });
    (config, findings)
}

/// Whether the running router follows it.
pub(super) fn in_force(patient: &Patient) -> Option<Finding> {
    let followed = patient.status.as_ref()?["config"].as_str()?;
    let (file, written) = (patient.file.display(), &*patient.config.version);
    let finding = Finding::ok(SUBJECT, "in force", format!("version {followed}"));
    Some(match followed == written {
        true => finding,
        false => Finding { found: format!("version {followed}, and {file} is {written}"), ..finding }
            .warn("`huntline config diff` shows what is not in force yet; `huntline reload`"),
    })
}
