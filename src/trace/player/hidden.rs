//! Ladders that a trace does not show: how a phone came to be registered, and how somebody came to be in a talk.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::route::mobiles;
use crate::trace::notation::{Peer, Place};

/// A phone on TCP registers before the trace begins: of a connection nothing can be restored.
pub(super) fn register(peer: &Peer) -> Vec<String> {
    let device = format!("{}/{}.register", peer.name, peer.device);
    vec![
        format!("{device} -> us REGISTER"),
        format!("us -> {device} 401"),
        format!("{device} -> us REGISTER authorised"),
        format!("us -> {device} 200"),
    ]
}

/// A phone registers in the way that the trace says.
pub(super) fn register_at(place: &Place) -> Vec<String> {
    let device = format!("{}/{}.register", place.peer.name, place.peer.device);
    let contact = place.contact.as_deref().unwrap_or_default();
    let mut lines = Vec::new();
    for (word, status) in [("", 401), (" authorised", 200)] {
        lines.push(format!("{device} -> us REGISTER header \"Contact: <{contact}>;expires=3600\"{word}"));
        lines.push(format!("us -> {device} {status}"));
    }
    lines
}

/// A talk of somebody who is busy.
pub(super) struct Talk {
    pub(super) who: String,
    /// Who hangs up.
    one: String,
    other: String,
}

impl Talk {
    /// With a provider's line that the trace never mentions; and how it begins. `number`: of the talk in its trace.
    pub(super) fn with_provider(
        extension: &str,
        number: usize,
        config: &Config,
    ) -> Result<(Talk, Vec<String>), String> {
        let emergency = config.site.emergency.first().ok_or("`busy` needs an emergency number in the office")?;
        let (one, other) = (format!("{extension}.busy{number}"), format!("provider.busy{number}"));
        let lines = vec![
            format!("{one} -> us INVITE {emergency} offer busy"),
            format!("us -> {one} 401"),
            format!("{one} -> us ACK"),
            format!("{one} -> us INVITE {emergency} offer busy authorised"),
            format!("us -> {one} 100"),
            format!("us -> {other} INVITE {emergency} offer busy"),
            format!("{other} -> us 200 answer busy"),
            format!("us -> {other} ACK"),
            format!("us -> {one} 200 answer busy"),
            format!("{one} -> us ACK"),
        ];
        Ok((Talk { who: extension.to_owned(), one, other }, lines))
    }

    /// With a colleague who calls and whom they answer, so that they do not hear anything else ring any more; and how it
    /// begins. The colleague is none of those who speak in the trace.
    pub(super) fn with_colleague(
        extension: &str,
        number: usize,
        config: &Config,
        speakers: &BTreeSet<&str>,
    ) -> Result<(Talk, Vec<String>), String> {
        let could_call = |number: &str| !speakers.contains(number) && *number != *extension;
        let mut others = config.extensions().map(|(_, other)| other);
        let other = others.find(|other| other.password.is_some() && could_call(&other.number));
        let other = other.ok_or_else(|| format!("nobody is there who could call {extension}"))?;
        let (one, mine) = (format!("{}.taken{number}", other.number), format!("{extension}.taken{number}"));
        let mut lines = vec![
            format!("{one} -> us INVITE {extension} offer busy"),
            format!("us -> {one} 401"),
            format!("{one} -> us ACK"),
            format!("{one} -> us INVITE {extension} offer busy authorised"),
            format!("us -> {one} 100"),
            format!("us -> {mine} INVITE offer busy"),
        ];
        // Their mobiles ring as well, and are busy.
        let rung = config.extension_by_number(extension).into_iter().flat_map(|rung| mobiles(config, rung));
        for (at, trunk) in rung.filter_map(|mobile| mobile.trunks.first().copied()).enumerate() {
            let mobile = format!("trunk:#{}.taken{number}-{at}", trunk.index() + 1);
            lines.extend([
                format!("us -> {mobile} INVITE offer busy"),
                format!("{mobile} -> us 486 INVITE"),
                format!("us -> {mobile} ACK"),
            ]);
        }
        lines.extend([
            format!("{mine} -> us 200 answer busy"),
            format!("us -> {mine} ACK"),
            format!("us -> {one} 200 answer busy"),
            format!("{one} -> us ACK"),
        ]);
        Ok((Talk { who: extension.to_owned(), one, other: mine }, lines))
    }

    /// How it ends.
    pub(super) fn end(&self) -> Vec<String> {
        let Talk { one, other, .. } = self;
        vec![
            format!("{one} -> us BYE"),
            format!("us -> {one} 200"),
            format!("us -> {other} BYE"),
            format!("{other} -> us 200"),
        ]
    }
}
