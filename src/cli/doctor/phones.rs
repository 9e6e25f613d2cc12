//! Who has no phone now, and which phones sleep.
//!
//! A phone sleeps where nobody can wake it: its connection is closed, or it is a mobile's program without push (RFC 8599),
//! which the mobile's system stops to save its battery, or a NAT has forgotten it because it says nothing for too long.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::finding::Finding;
use super::patient::Patient;
use crate::clock::Timestamp;
use crate::fact::Fact;
use crate::store::Reader;

const SUBJECT: &str = "phones";

/// Longer than most NATs remember a phone that says nothing over UDP.
const FORGOTTEN_S: u64 = 120;

/// How programs on mobiles call themselves, in small letters.
const MOBILE: &[&str] = &[
    "android",
    "iphone",
    "ipad",
    "ios",
    "acrobits",
    "groundwire",
    "softphone/",
    "zoiper",
    "linphone",
    "bria mobile",
    "grandstream wave",
    "gs wave",
    "csipsimple",
    "mizudroid",
    "sipnetic",
    "portsip",
    "cloud softphone",
    "wildix",
    "telephone/mobile",
];

/// A phone, as far as it matters here.
#[derive(Clone, Debug, Default)]
struct Phone {
    extension: String,
    contact: String,
    user_agent: String,
    transport: String,
    remote: Option<IpAddr>,
    behind_nat: bool,
    reachable: bool,
    granted_s: u64,
    expires_s: i64,
}

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let config = &patient.config;
    let directory = &config.storage.directory;
    let reader = Reader::open_existing(directory).ok().flatten();
    let phones = match &patient.status {
        Some(_) => patient.list("bindings").iter().map(live).collect(),
        None => reader.as_ref().map(|reader| remembered(reader, patient.now)).unwrap_or_default(),
    };
    let wanted: Vec<_> = config
        .extensions()
        .map(|(_, extension)| extension)
        .filter(|extension| extension.registers() && extension.devices.len() == 1)
        .collect();
    let has = |number: &str| phones.iter().any(|phone: &Phone| phone.extension == number && phone.expires_s > 0);
    let there = wanted.iter().filter(|extension| has(&extension.number)).count();
    let when = if patient.status.is_some() { "" } else { ", as the last router left it" };
    let total =
        Finding::ok(SUBJECT, "registered", format!("{there} of {} extensions have a phone{when}", wanted.len()));
    let mut findings = vec![match (there, wanted.len()) {
        (0, 1..) if patient.status.is_some() => total.fail(
            "nobody can be rung: does a phone reach sip.listen (firewall)? are user, password \
                and realm those of the config?",
        ),
        _ => total,
    }];
    let gone: BTreeMap<Arc<str>, Timestamp> =
        reader.and_then(|reader| reader.phones_gone().ok()).unwrap_or_default().into_iter().collect();
    for extension in wanted.iter().filter(|extension| !has(&extension.number)) {
        let expired = phones.iter().find(|phone| phone.extension == *extension.number);
        let found = match (expired, gone.get(&extension.number)) {
            (Some(phone), _) => {
                format!("no phone: its registration ran out {} s ago ({})", -phone.expires_s, phone.name())
            }
            (None, Some(at)) => {
                let at = at.to_zoned(config.site.timezone.clone()).strftime("%Y-%m-%d %H:%M");
                format!("no phone since {at}: it unregistered, or its registration ran out")
            }
            (None, None) => "no phone has registered".to_owned(),
        };
        let found = match &extension.password {
            Some(_) => found,
            None => format!("{found}, and none can: its password is not there"),
        };
        // Where all are gone, it is not about this one.
        if there > 0 || patient.status.is_none() {
            findings.push(
                Finding::ok(SUBJECT, &*extension.number, found)
                    .warn("is it on, and does it use this number as its user?"),
            );
        }
    }
    let is_local = |ip: IpAddr| config.sip.is_local(ip);
    for phone in phones.iter().filter(|phone| phone.expires_s > 0) {
        let finding = |found: String| Finding::ok(SUBJECT, format!("{} ({})", phone.extension, phone.name()), found);
        if let Some((found, advice)) = asleep(phone, &is_local) {
            findings.push(finding(found).warn(advice));
        }
    }
    findings
}

/// Why a phone may not hear when it is rung, and what helps.
fn asleep(phone: &Phone, is_local: &dyn Fn(IpAddr) -> bool) -> Option<(String, &'static str)> {
    let agent = phone.user_agent.to_lowercase();
    let is_mobile = MOBILE.iter().any(|name| agent.contains(name));
    let has_push = phone.contact.contains(";pn-provider") || phone.contact.contains(";pn-prid");
    let is_outside = phone.remote.is_some_and(|ip| !is_local(ip));
    if !phone.reachable {
        let found = format!("sleeps: its {} connection is closed, and only it can open one", phone.transport);
        return Some((
            found,
            "it rings again with its next registration; let the program run in the background, or use push",
        ));
    }
    if is_mobile && !has_push {
        return Some((
            "may sleep: a mobile's program without push (RFC 8599), which its system stops".into(),
            "let it run in the background without battery saving, or add the mobile's number \
                as { gsm = … } to its devices",
        ));
    }
    // A phone behind a NAT that we see is reminded every 25 s; one whose NAT writes its own address into Contact is not.
    if phone.transport == "udp" && is_outside && !phone.behind_nat && phone.granted_s > FORGOTTEN_S {
        return Some((
            format!("may be forgotten by a NAT: over UDP from outside, and silent for up to {} s", phone.granted_s),
            "switch on its keep-alive (25 s), or TCP, or let it register every 120 s; switch \
                off SIP ALG in its router",
        ));
    }
    None
}

impl Phone {
    fn name(&self) -> &str {
        if self.user_agent.is_empty() { &self.contact } else { &self.user_agent }
    }
}

fn live(binding: &serde_json::Value) -> Phone {
    let text = |key: &str| binding[key].as_str().unwrap_or_default().to_owned();
    Phone {
        extension: text("extension"),
        contact: text("contact"),
        user_agent: text("user_agent"),
        transport: text("transport"),
        remote: text("remote").parse::<SocketAddr>().ok().map(|remote| remote.ip()),
        behind_nat: binding["behind_nat"] == true,
        reachable: binding["reachable"] != false,
        granted_s: binding["granted_s"].as_u64().unwrap_or(0),
        expires_s: binding["expires_s"].as_i64().unwrap_or(0).max(1),
    }
}

/// What a router that ran before has left.
fn remembered(reader: &Reader, now: Timestamp) -> Vec<Phone> {
    let facts = reader.restore().unwrap_or_default().into_iter();
    let phone = |(_, fact)| match fact {
        Fact::Bound(bound) => Some(Phone {
            extension: bound.extension.to_string(),
            contact: bound.contact,
            user_agent: bound.user_agent,
            transport: bound.transport.as_str().into(),
            remote: Some(bound.remote.ip()),
            // Nothing is known of that now.
            behind_nat: true,
            reachable: true,
            granted_s: bound.granted.into(),
            // A refresh is not written down, so it may have lasted longer.
            expires_s: bound.expires.as_second() - now.as_second(),
        }),
        _ => None,
    };
    facts.filter_map(phone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_that_sleeps_is_known_by_what_it_said_of_itself() {
        let desk = Phone {
            user_agent: "Yealink SIP-T46S".into(),
            transport: "udp".into(),
            remote: Some("192.168.0.7".parse().unwrap()),
            reachable: true,
            granted_s: 3600,
            expires_s: 100,
            ..Phone::default()
        };
        let is_local = |ip: IpAddr| ip.to_string().starts_with("192.168.");
        let said =
            |phone: Phone| asleep(&phone, &is_local).map(|(found, _)| found.split(':').next().unwrap().to_owned());
        assert_eq!(said(desk.clone()), None);
        let outside = Phone { remote: Some("198.51.100.7".parse().unwrap()), ..desk.clone() };
        assert_eq!(said(outside.clone()).as_deref(), Some("may be forgotten by a NAT"));
        assert_eq!(said(Phone { behind_nat: true, ..outside.clone() }), None, "we remind it");
        assert_eq!(said(Phone { transport: "tcp".into(), ..outside.clone() }), None);
        assert_eq!(said(Phone { granted_s: 120, ..outside }), None);
        let mobile = Phone { user_agent: "LinphoneAndroid/5.2 (Pixel)".into(), ..desk.clone() };
        assert_eq!(said(mobile.clone()).as_deref(), Some("may sleep"));
        let pushed = "sip:12@192.168.0.7;pn-provider=fcm;pn-prid=abc;pn-param=x".to_owned();
        assert_eq!(said(Phone { contact: pushed, ..mobile }), None);
        assert_eq!(said(Phone { reachable: false, transport: "tcp".into(), ..desk }).as_deref(), Some("sleeps"));
    }
}
