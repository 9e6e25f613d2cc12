//! Rules between the lists of a config: what each row says for itself is right, and still it cannot be meant.

use hashbrown::HashMap;

use super::destination::{Destination, ExtensionIx};
use super::directory::{Directory, Rows};
use super::extension::Extension;
use super::outbound::{OutboundRule, OutboundRules};
use super::paths::Exit;
use super::read::{Reader, Spot};
use crate::number::PhoneNumber;

/// Reports everything that is wrong between rows.
pub(super) fn check(
    reader: &Reader<'_>,
    rows: &Rows<'_>,
    directory: &Directory,
    extensions: &[Extension],
    outbound: &OutboundRules,
    exits: &[Exit],
) {
    warn_of_gone_deputies(rows, extensions);
    warn_of_silent_members(rows, directory, extensions);
    warn_of_silent_extensions(reader, extensions, exits);
    refuse_shared_gsm(rows, directory);
    refuse_numbers_without_a_way_out(reader, outbound, exits);
    warn_of_gsm_without_a_way_out(rows, directory, outbound);
}

/// Hours mean nothing without a zone.
pub(super) fn refuse_hours_without_zone(rows: &Rows<'_>) {
    if let Some(row) = rows.schedules.first() {
        row.reader().error(
            &row.place,
            "these hours have no time zone",
            "write `timezone = \"Europe/Berlin\"` (or another) under [site]",
        );
    }
}

fn extension(extensions: &[Extension], ix: Option<ExtensionIx>) -> Option<&Extension> {
    extensions.get(ix?.index())
}

/// A deputy who has left never stands in for anybody.
fn warn_of_gone_deputies(rows: &Rows<'_>, extensions: &[Extension]) {
    for (row, owner) in rows.extensions.iter().zip(extensions) {
        let Some(deputy) = extension(extensions, owner.deputy).filter(|deputy| !deputy.active) else { continue };
        if let Some(spot) = row.get("deputy") {
            spot.warning(format!("{} is not active and never rings", deputy.number), "name somebody else");
        }
    }
}

/// A member who has left, without a deputy, never rings.
fn warn_of_silent_members(rows: &Rows<'_>, directory: &Directory, extensions: &[Extension]) {
    for row in &rows.groups {
        for spot in row.get("members").map_or(Vec::new(), |spot| spot.quiet_list()) {
            let member = spot.quiet_text().and_then(|number| directory.extensions.index(number)).map(ExtensionIx);
            if let Some(member) = extension(extensions, member)
                && !member.active
                && member.deputy.is_none()
            {
                spot.warning(format!("{} is not active, has no deputy and never rings", member.number), "remove it");
            }
        }
    }
}

/// Neither does one who is called alone.
fn warn_of_silent_extensions(reader: &Reader<'_>, extensions: &[Extension], exits: &[Exit]) {
    for (destination, place) in exits.iter().flat_map(|exit| exit.list.iter().zip(&exit.places)) {
        let Destination::Extension(ix) = destination else { continue };
        if let Some(called) =
            extension(extensions, Some(*ix)).filter(|called| !called.active && called.deputy.is_none())
        {
            let reason = format!("{} is not active, has no deputy and never rings", called.number);
            reader.warning(place, reason, "name somebody else");
        }
    }
}

/// Every GSM device of every extension, with its place.
fn gsm_devices<'a>(rows: &Rows<'a>, directory: &Directory) -> Vec<(usize, PhoneNumber, Spot<'a>)> {
    let mut found = Vec::new();
    for (at, row) in rows.extensions.iter().enumerate() {
        for device in row.get("devices").map_or(Vec::new(), |spot| spot.quiet_list()) {
            let gsm = device.is_table().then(|| device.fields()).flatten().and_then(|fields| fields.get("gsm"));
            let Some(spot) = gsm else { continue };
            if let Some(number) = spot.quiet_text().and_then(|text| directory.numbering.read(text)) {
                found.push((at, number, spot));
            }
        }
    }
    found
}

/// Who calls from a GSM number is that employee: it can be only one.
fn refuse_shared_gsm(rows: &Rows<'_>, directory: &Directory) {
    let mut owners: HashMap<PhoneNumber, usize, foldhash::fast::FixedState> = HashMap::default();
    for (at, number, spot) in gsm_devices(rows, directory) {
        let owner = *owners.entry(number).or_insert(at);
        if owner != at {
            let owner = directory.extensions.name(owner);
            spot.error(format!("{number} is the phone of extension {owner} already"), "give it to one of them");
        }
    }
}

/// True where some rule lets a number out, for anybody.
fn goes_out(number: PhoneNumber, outbound: &OutboundRules) -> bool {
    let for_everyone = outbound.find(None, Some(number), "").is_some_and(|rule| rule.allow);
    let for_somebody =
        |rule: &OutboundRule| rule.allow && rule.pattern.matches(Some(number), "") && !rule.only_for.is_empty();
    for_everyone || outbound.iter().any(for_somebody)
}

/// A `number:` that no outbound rule allows would never ring.
fn refuse_numbers_without_a_way_out(reader: &Reader<'_>, outbound: &OutboundRules, exits: &[Exit]) {
    for (destination, place) in exits.iter().flat_map(|exit| exit.list.iter().zip(&exit.places)) {
        let Destination::Number(number) = destination else { continue };
        if !goes_out(*number, outbound) {
            reader.error(place, format!("no outbound rule lets {number} out"), "add an [[outbound]] that allows it");
        }
    }
}

/// A GSM device that no outbound rule allows never rings.
fn warn_of_gsm_without_a_way_out(rows: &Rows<'_>, directory: &Directory, outbound: &OutboundRules) {
    for (_, number, spot) in gsm_devices(rows, directory) {
        if !goes_out(number, outbound) {
            spot.warning(
                format!("no outbound rule lets {number} out: it never rings"),
                "add an [[outbound]] that allows it",
            );
        }
    }
}
