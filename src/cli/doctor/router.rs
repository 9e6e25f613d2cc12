//! Does a router run, and what does it say of itself.

use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt};
use serde_json::Value;

use super::finding::Finding;
use super::pace::SHORT;
use super::patient::Patient;
use crate::control::{self, SOCKET};
use crate::switch::Question;

const SUBJECT: &str = "router";

/// What the running router says, and its process.
pub(super) fn ask(directory: &Path) -> (Option<Value>, Option<u32>) {
    let path = directory.join(SOCKET);
    let Ok(stream) = UnixStream::connect(&path) else { return (None, None) };
    let process = getsockopt(&stream, sockopt::PeerCredentials).ok();
    let process = process.and_then(|peer| u32::try_from(peer.pid()).ok());
    let (send, receive) = std::sync::mpsc::channel();
    let directory = directory.to_owned();
    // One that hangs would keep us for half a minute.
    let asking = std::thread::Builder::new().spawn(move || drop(send.send(control::ask(&directory, Question::Status))));
    let answer = asking.ok().and_then(|_| receive.recv_timeout(SHORT).ok());
    (answer.and_then(Result::ok), process)
}

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let directory = patient.config.storage.directory.display();
    let socket = format!("{directory}/{SOCKET}");
    let Some(status) = &patient.status else {
        return vec![match patient.router {
            Some(process) => {
                Finding::ok(SUBJECT, "control socket", format!("{socket}: process {process} does not answer"))
                    .fail("it hangs: look at its log and at the disk below; ending and starting it ends its calls")
            }
            None => Finding::ok(SUBJECT, "control socket", format!("{socket}: no router is running"))
                .fail("start it: huntline serve, or systemctl start huntline"),
        }];
    };
    let process = patient.router.map_or(String::new(), |process| format!(", process {process}"));
    let calls = &status["census"]["calls"];
    let mut findings =
        vec![Finding::ok(SUBJECT, "control socket", format!("it answers{process}; calls in progress: {calls}"))];
    let states = [
        ("draining", "it takes no new calls: it is about to end", "start it again, or wait until systemd has"),
        (
            "pressure",
            "it refuses new calls: the disk does not keep up, and memory is half full",
            "look at the disk below",
        ),
        ("guarantee_suspended", "callers hear ringing before their record is on disk", "look at the disk below"),
    ];
    for (field, found, advice) in states {
        if status[field] == Value::Bool(true) {
            findings.push(Finding::ok(SUBJECT, "state", found).fail(advice));
        }
    }
    findings
}
