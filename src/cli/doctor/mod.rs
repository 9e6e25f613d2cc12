//! `huntline doctor`: everything that an admin would look at one after the other when it does not ring.
//!
//! Each subject is a file with a function that looks and gives findings. They look side by side, and whoever has not come
//! back when the time is over is a finding itself: a doctor that hangs helps nobody.
//!
//! | file | what is looked at |
//! |---|---|
//! | `file` | the config: is it readable, private, sound, in force |
//! | `router` | does a router run, and what does it say of itself |
//! | `ports` | can its ports be had, and who has them |
//! | `address` | what peers are told as our address |
//! | `names` | what DNS says of every name in the config |
//! | `trunks` | does every provider answer, and know us |
//! | `phones` | who has no phone, and which phones sleep |
//! | `outside` | do mail server, webhooks and CRMs take a connection |
//! | `clock` | is it the time it says |
//! | `disk` | is there room, is it fast, is the database whole |
//! | `limits` | what the system allows |
//!
//! All of them look at one `patient`, keep to one `pace`, `ask` a provider in one way, and give `finding`s.

mod address;
mod ask;
mod clock;
mod disk;
mod file;
mod finding;
mod limits;
mod names;
mod outside;
mod pace;
mod patient;
mod phones;
mod ports;
mod router;
mod trunks;

use std::sync::{Arc, PoisonError, mpsc};

use clap::Args;
use serde_json::json;

use self::clock::Dates;
use self::finding::{Finding, State, text};
use self::pace::timed;
use self::patient::Patient;
use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::clock::Duration;

/// Look at everything that can keep it from ringing, and say what to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Works with and without a running router; takes 15 s at most, even where nobody answers. Nothing is changed: providers are
asked with OPTIONS, and without a running router also for our registrations (a REGISTER that changes none).
Exit code 0: nothing failed (there may be something to look at); 1: something did.

Examples:
  huntline doctor
  huntline doctor --json | jq '.findings[] | select(.state != \"ok\")'")]
pub(super) struct Doctor {
    #[command(flatten)]
    output: Output,
}

/// How long the subjects may take that look at once.
const PATIENCE: Duration = Duration::from_secs(7);

/// What is looked at once names are known.
type Look = fn(&Patient, &Dates) -> Vec<Finding>;

const SUBJECTS: [(&str, Look); 9] = [
    ("router", |patient, _| router::look(patient)),
    ("ports", |patient, _| ports::look(patient)),
    ("address", |patient, _| address::look(patient)),
    ("names", |patient, _| names::look(patient)),
    ("trunks", trunks::look),
    ("phones", |patient, _| phones::look(patient)),
    ("outside", outside::look),
    ("disk", |patient, _| disk::look(patient)),
    ("limits", |patient, _| limits::look(patient)),
];

impl Doctor {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let findings = findings(desk);
        let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
        match self.output.json {
            true => say_json(&json!({ "state": worst, "findings": findings }))?,
            false => say(&text(&findings))?,
        }
        if worst == State::Fail { Err(Trouble::Said) } else { Ok(()) }
    }
}

fn findings(desk: &Desk) -> Vec<Finding> {
    let (config, mut findings) = file::look(&desk.file);
    let Some(config) = config else { return findings };
    let (status, router) = router::ask(&config.storage.directory);
    let names = names::ask(&config);
    let patient = Arc::new(Patient { file: desk.file.clone(), config, status, router, names, now: desk.now });
    findings.extend(file::in_force(&patient));
    let dates: Arc<Dates> = Arc::default();
    let (send, receive) = mpsc::channel();
    for (place, (name, look)) in SUBJECTS.into_iter().enumerate() {
        let (patient, dates, send) = (patient.clone(), dates.clone(), send.clone());
        let looking = std::thread::Builder::new().name(format!("doctor-{name}"));
        // Who does not come back in time is told of below; whoever waits for them is gone by then.
        let begun = looking.spawn(move || drop(send.send((place, look(&patient, &dates)))));
        if begun.is_err() {
            findings.push(
                Finding::ok(name, "looking", "the system gives no thread").fail("look at the memory and at ulimit -u"),
            );
        }
    }
    drop(send);
    let mut found: [Option<Vec<Finding>>; SUBJECTS.len()] = Default::default();
    let mut left = PATIENCE;
    while let (took, Ok((place, seen))) = timed(|| receive.recv_timeout(left)) {
        found[place] = Some(seen);
        left = left.saturating_sub(took);
    }
    for ((name, _), seen) in SUBJECTS.into_iter().zip(found) {
        let late = || {
            let finding = Finding::ok(name, "looking", format!("not done within {} s", PATIENCE.as_secs()));
            vec![finding.warn("something here does not answer; look again, and look at the system's log")]
        };
        findings.extend(seen.unwrap_or_else(late));
    }
    let dates = dates.lock().unwrap_or_else(PoisonError::into_inner);
    findings.extend(clock::look(&patient, &dates));
    findings
}
