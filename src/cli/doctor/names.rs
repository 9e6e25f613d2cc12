//! What DNS says of every name in the config.

use std::net::SocketAddr;

use super::finding::Finding;
use super::pace::{SHORT, timed};
use super::patient::{Names, Patient};
use crate::config::Config;
use crate::key::Transport;
use crate::net::resolve;
use crate::servers::ServerName;

const SUBJECT: &str = "names";
/// What takes longer than that is slow.
const SLOW_MS: u128 = 1_000;

/// Looks every name up, all at once.
pub(super) fn ask(config: &Config) -> Names {
    let mut wanted = ServerName::all(config);
    wanted.extend(super::outside::servers(config).into_iter().map(|(_, name)| name));
    let asking = wanted.into_iter().map(|name| {
        let asked = name.clone();
        let ask = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let late = || format!("the DNS server gives no answer within {} s", SHORT.as_secs());
            let answer = runtime.block_on(async { tokio::time::timeout(SHORT, resolve::once(&asked)).await });
            answer.unwrap_or_else(|_| Err(late()))
        };
        (name, std::thread::Builder::new().spawn(move || timed(ask)))
    });
    let asking: Vec<_> = asking.collect();
    let answered = asking.into_iter().filter_map(|(name, thread)| Some((name, thread.ok()?.join().ok()?)));
    answered.collect()
}

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let rung = ServerName::all(&patient.config);
    let names = patient.names.iter().filter(|(name, _)| name.literal().is_none());
    let mut findings: Vec<Finding> =
        names.map(|(name, (took, answer))| one(name, took.as_millis(), answer, rung.contains(name))).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(SUBJECT, "DNS", "nothing in this config needs it: only addresses are written"));
    }
    findings
}

/// `is_rung`: a provider or a phone, without whom it does not ring.
fn one(name: &ServerName, ms: u128, answer: &Result<Vec<(Transport, SocketAddr)>, String>, is_rung: bool) -> Finding {
    let finding = |found: String| Finding::ok(SUBJECT, &*name.host, found);
    match answer {
        Ok(addresses) => {
            let mut shown: Vec<String> = addresses.iter().map(|(_, address)| address.to_string()).collect();
            shown.dedup();
            let finding = finding(format!("{} after {ms} ms", shown.join(", ")));
            let advice = "calls do not wait for it, and a start does: look at the first server in /etc/resolv.conf";
            if ms > SLOW_MS { finding.warn(advice) } else { finding }
        }
        Err(why) => {
            let finding = finding(format!("{why} ({ms} ms)"));
            let advice = "spelt right? does `getent hosts` find it? else look at the servers in /etc/resolv.conf";
            if is_rung { finding.fail(advice) } else { finding.warn(advice) }
        }
    }
}
