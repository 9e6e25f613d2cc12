//! What the system allows: open files, and how much of a burst it keeps for us.

use nix::sys::resource::{Resource, getrlimit};

use super::finding::Finding;
use super::patient::Patient;
use crate::net::udp::RECEIVE_BUFFER;

const SUBJECT: &str = "limits";

/// A call with voice on both sides takes four ports, each of which is a file.
const FILES_OF_A_CALL: u64 = 4;
/// Listeners, database, pages, letters.
const FILES_BESIDES: u64 = 256;
/// What a phone says at once when all come back together: a REGISTER, and the answer to our challenge.
const BURST_OF_A_PHONE: u64 = 2 * 2048;

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let extensions = config.extensions().len() as u64;
    let (first, last) = config.media.ports;
    let calls = (u64::from(last - first) + 1) / FILES_OF_A_CALL;
    let trunks: u64 = config.trunks().map(|(_, trunk)| u64::from(trunk.max_calls.unwrap_or(0))).sum();
    // As many talks as extensions can have, or trunks bring, within what the ports do for.
    let calls = calls.min(extensions.max(trunks));
    let wanted = calls * FILES_OF_A_CALL + extensions * 2 + FILES_BESIDES;
    let mut findings = vec![files(allowed(patient.router), wanted)];
    if let Some(most) = read("/proc/sys/net/core/rmem_max") {
        findings.push(burst(most, extensions * BURST_OF_A_PHONE));
    }
    findings
}

/// How many files the running router may open; without one, a router started from here.
fn allowed(router: Option<u32>) -> Option<u64> {
    let of_router = router.and_then(|process| std::fs::read_to_string(format!("/proc/{process}/limits")).ok());
    let line = of_router.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("Max open files")));
    match line {
        Some(line) => line.split_whitespace().nth(1)?.parse().ok(),
        None => getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard),
    }
}

fn files(allowed: Option<u64>, wanted: u64) -> Finding {
    let Some(allowed) = allowed else {
        return Finding::ok(SUBJECT, "open files", "no limit");
    };
    let finding = Finding::ok(SUBJECT, "open files", format!("{allowed}, and a full house takes {wanted}"));
    match allowed >= wanted {
        true => finding,
        false => finding.warn("calls would be refused: LimitNOFILE= in the unit, or ulimit -Hn"),
    }
}

fn burst(most: u64, wanted: u64) -> Finding {
    let asked = (RECEIVE_BUFFER as u64).min(most);
    let finding = Finding::ok(
        SUBJECT,
        "UDP buffer",
        format!("{} kB, and all phones at once say {} kB", asked >> 10, wanted.div_ceil(1024)),
    );
    match asked >= wanted {
        true => finding,
        false => finding
            .warn(format!("what comes beyond is lost, and repeated: sysctl -w net.core.rmem_max={RECEIVE_BUFFER}")),
    }
}

fn read(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn a_limit_below_what_a_full_house_takes_is_told() {
        assert_eq!(files(Some(1024), 4000).state, State::Warn);
        assert_eq!(files(Some(20_000), 4000).state, State::Ok);
        assert_eq!(files(None, 4000).state, State::Ok);
        assert_eq!(burst(212_992, 200 * BURST_OF_A_PHONE).state, State::Warn);
        assert_eq!(burst(4 << 20, 200 * BURST_OF_A_PHONE).state, State::Ok);
    }
}
