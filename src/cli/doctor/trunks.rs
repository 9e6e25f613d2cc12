//! Does every provider answer, and know us.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::PoisonError;

use serde_json::Value;

use super::ask::{Answer, Peer};
use super::clock::{Dated, Dates};
use super::finding::Finding;
use super::pace::SHORT;
use super::patient::Patient;
use crate::config::{Register, Trunk};
use crate::key::Transport;
use crate::servers::ServerName;

const SUBJECT: &str = "trunks";

/// More addresses of one provider would take more than the time there is.
const MOST_ASKED: usize = 2;

pub(super) fn look(patient: &Patient, dates: &Dates) -> Vec<Finding> {
    let config = &patient.config;
    if config.trunks().len() == 0 {
        return vec![Finding::ok(SUBJECT, "providers", "none is configured: nobody calls from outside")];
    }
    std::thread::scope(|scope| {
        let asking: Vec<_> = config.trunks().map(|(_, trunk)| scope.spawn(|| one(patient, trunk, dates))).collect();
        asking.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn one(patient: &Patient, trunk: &Trunk, dates: &Dates) -> Vec<Finding> {
    // Whose name means nothing is told of under `names`.
    let Some(mut asked) = ask(trunk, patient.addresses(&ServerName::from(&trunk.server))) else { return Vec::new() };
    let router = patient.list("trunks").iter().find(|status| status["name"] == *trunk.name);
    let said = router.map(says).unwrap_or_default();
    if let Ok(answer) = &asked.answer
        && let Some(date) = answer.date
    {
        let dated = Dated::now(format!("trunk {}", trunk.name), date);
        dates.lock().unwrap_or_else(PoisonError::into_inner).push(dated);
    }
    let mut findings = vec![is_there(trunk, &asked, router, &said)];
    let Some(account) = &trunk.register else { return findings };
    match (router, asked.answer, &mut asked.peer) {
        (Some(router), ..) => findings.push(registered(trunk, account, router)),
        (None, Ok(_), Ok(peer)) => findings.push(welcome(trunk, account, peer)),
        // Who does not answer at all has been told of.
        (None, ..) => {}
    }
    findings
}

/// Who was asked, and what came of it.
struct Asked {
    transport: Transport,
    address: SocketAddr,
    peer: io::Result<Peer>,
    answer: io::Result<Answer>,
}

/// Asks a provider at its first address, and at the next one where that is dead (RFC 3263 §4.3). `None`: it has none.
fn ask(trunk: &Trunk, addresses: &[(Transport, SocketAddr)]) -> Option<Asked> {
    let mut first = None;
    for (transport, address) in addresses.iter().copied().take(MOST_ASKED) {
        let mut peer = Peer::reach(transport, address);
        let answer = match &mut peer {
            Ok(peer) => peer.options(&trunk.server),
            Err(error) => Err(error.kind().into()),
        };
        let asked = Asked { transport, address, peer, answer };
        if asked.answer.is_ok() {
            return Some(asked);
        }
        first.get_or_insert(asked);
    }
    first
}

/// The running router's own words.
fn says(router: &Value) -> String {
    match (router["standing"].as_str(), router["why"].as_str().filter(|why| !why.is_empty())) {
        (Some(standing), Some(why)) => format!("; the router says: {standing}, {why}"),
        (Some(standing), None) => format!("; the router says: {standing}"),
        (None, _) => String::new(),
    }
}

fn is_there(trunk: &Trunk, asked: &Asked, router: Option<&Value>, said: &str) -> Finding {
    let Asked { transport, address, answer, .. } = asked;
    let place = format!("{address} over {}", transport.as_str());
    let is_up = router.is_some_and(|router| router["standing"] == "up");
    let finding = |found: String| Finding::ok(SUBJECT, &*trunk.name, format!("{found}{said}"));
    match answer {
        Ok(Answer { code: code @ (503 | 408), .. }) => finding(format!("{place} answers {code}: it is not well"))
            .fail("calls take the next trunk of their outbound rule; ask the provider"),
        Ok(Answer { code, took, .. }) => {
            let finding = finding(format!("{place} answers {code} after {} ms", took.as_millis()));
            // Down for want of a registration is told of with that.
            let is_deaf = |router: &Value| {
                router["standing"] == "down"
                    && !router["why"].as_str().is_some_and(|why| why.starts_with("registration"))
            };
            match router.is_some_and(is_deaf) {
                true => finding.fail(
                    "it answers us here and not the router: look at what the router says, at firewall \
                        and NAT for the ports of sip.listen",
                ),
                false => finding,
            }
        }
        // Some talk only with the port that has registered.
        Err(_) if is_up => finding(format!("{place} answers the router, and nobody else")),
        Err(error) => {
            let why = match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("no answer within {} s", SHORT.as_secs()),
                ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
                _ => error.to_string(),
            };
            finding(format!("{place}: {why}")).fail(
                "is the line up (ping it), is server and port what the provider says, does a \
                    firewall let UDP and TCP through? some answer only known addresses",
            )
        }
    }
}

/// What the running router has reached.
fn registered(trunk: &Trunk, account: &Register, router: &Value) -> Finding {
    let what = format!("{} as {}", trunk.name, account.user);
    if router["registered"] == true {
        return Finding::ok(SUBJECT, what, "registered");
    }
    let finding = Finding::ok(SUBJECT, what, format!("not registered{}", says(router)));
    match &account.password {
        None => finding.fail(
            "its password is not there: set the variable, or write the file, that \
            register.password names, and restart",
        ),
        Some(_) => finding.fail(
            "no calls come in: are user and password what the provider says? is another \
            device registered in our place?",
        ),
    }
}

/// What the provider says of our account where no router runs.
fn welcome(trunk: &Trunk, account: &Register, peer: &mut Peer) -> Finding {
    let finding = |found: String| Finding::ok(SUBJECT, format!("{} as {}", trunk.name, account.user), found);
    match peer.registrations(&trunk.server, account) {
        Ok(Answer { code: 200..=299, took, .. }) => {
            finding(format!("our password is good, after {} ms", took.as_millis()))
        }
        Ok(Answer { code: code @ (401 | 403 | 404 | 407), .. }) => {
            finding(format!("it refuses our user or password ({code})"))
                .fail("are user and password what the provider says?")
        }
        Ok(Answer { code, .. }) => finding(format!("it answers {code} to a REGISTER that asks"))
            .warn("some do not say what is registered: start the router and look again"),
        Err(error) if account.password.is_none() => {
            finding(error.to_string()).fail("set the variable, or write the file, that register.password names")
        }
        Err(error) => finding(format!("it does not answer a REGISTER: {error}")).fail("ask the provider"),
    }
}
