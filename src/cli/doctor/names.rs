//! What DNS says of every name in the config.

use std::sync::Arc;

use super::finding::Finding;
use super::pace::{SHORT, timed};
use super::patient::{Names, Patient};
use crate::config::Config;
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
    let names = patient.names.iter().filter(|(name, _)| name.literal().is_none());
    let mut findings: Vec<Finding> = names.map(|(name, (took, answer))| {
        let ms = took.as_millis();
        let what = Arc::clone(&name.host);
        match answer {
            Ok(addresses) => {
                let mut shown: Vec<String> = addresses.iter().map(|(_, address)| address.to_string()).collect();
                shown.dedup();
                let finding = Finding::ok(SUBJECT, &*what, format!("{} after {ms} ms", shown.join(", ")));
                match ms > SLOW_MS {
                    true => finding.warn("calls do not wait for it, and a restart does: look at the first server in /etc/resolv.conf"),
                    false => finding,
                }
            }
            Err(why) => Finding::ok(SUBJECT, &*what, format!("{why} ({ms} ms)"))
                .fail("spelt right? does `getent hosts` find it? else look at the servers in /etc/resolv.conf"),
        }
    }).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(SUBJECT, "DNS", "nothing in this config needs it: only addresses are written"));
    }
    findings
}
