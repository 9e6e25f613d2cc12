//! A DID: a public number of the company, and what happens when somebody calls it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::destination::{Destination, Destinations, DidIx, ExtensionIx, ScheduleIx};
use super::directory::Directory;
use super::extension::{DEFAULT_RING, LONGEST_RING};
use super::follow_up::DidFollowUp;
use super::paths::{Exit, Origin, Why};
use super::read::{Fields, Spot};
use super::site::Record;
use crate::number::PhoneNumber;

/// How a DID is written: a public number, or digits that the provider sends and we match as they stand.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DidNumber {
    /// `+E.164`.
    Public(PhoneNumber),
    /// Bare digits.
    Verbatim(Arc<str>),
}

impl fmt::Display for DidNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DidNumber::Public(number) => number.fmt(f),
            DidNumber::Verbatim(digits) => f.pad(digits),
        }
    }
}

/// Whether hours come before a known customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum KnownWhen {
    /// The responsible is rung also outside the DID's hours, unless that employee's own schedule is closed.
    #[default]
    BeforeHours,
    /// Only while the DID is open.
    WithinHours,
}

/// `known = { … }`: what a known customer gets on this DID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who is rung first. Default: the responsible. `plan` means everyone: as if the caller were unknown.
    pub to: Destinations,
    /// For how long. Default: 30 s.
    pub ring: Duration,
    /// Default: before the hours.
    pub when: KnownWhen,
    /// Where the call goes when that one is busy. Default, here and below: `plan`.
    pub busy: Destinations,
    /// … does not answer.
    pub no_answer: Destinations,
    /// … cannot be reached.
    pub unreachable: Destinations,
    /// … is away, without an available deputy.
    pub away: Destinations,
    /// … is outside own hours, without an available deputy.
    pub outside_hours: Destinations,
    /// … has left (`active = false`), without an available deputy.
    pub left: Destinations,
    /// Replaces every reason's destination: this, and nobody else.
    pub responsible_only: Option<Destination>,
}

/// `open = { … }` or `closed = { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A prompt played while phones already ring. Default: none.
    pub greeting: Option<Arc<str>>,
    /// True: nobody rings before the greeting is over. Default: phones ring meanwhile.
    pub greeting_first: bool,
    /// Where the call goes.
    pub to: Destinations,
}

/// `[[did]]`.
#[derive(Clone, Debug)]
pub struct Did {
    /// Unique.
    pub number: DidNumber,
    /// A label for reports. Default: none.
    pub source: Option<Arc<str>>,
    /// Default: none, then no sticky routing.
    pub known: Option<Known>,
    /// Default: always open.
    pub schedule: Option<ScheduleIx>,
    /// While open. `None`: `personal`, else the operator.
    pub open: Option<Answer>,
    /// While closed. `None`: the operator.
    pub closed: Option<Answer>,
    /// The one employee whom this number rings. Default: it is shared.
    pub personal: Option<ExtensionIx>,
    /// Calls at one time. Default: no limit.
    pub max_calls: Option<u32>,
    /// Default: as `media.record`.
    pub record: Option<Record>,
    /// Default: as `[follow_up]` says.
    pub follow_up: DidFollowUp,
}

impl Did {
    /// Reads a `[[did]]`.
    pub(super) fn read(fields: &Fields<'_>, own: DidIx, directory: &Directory, exits: &mut Vec<Exit>) -> Did {
        let written = directory.dids.name(own.index());
        let number = written.parse().map_or_else(|_| DidNumber::Verbatim(written.clone()), DidNumber::Public);
        let schedule = fields.get("schedule");
        let (open, closed, personal) = (fields.get("open"), fields.get("closed"), fields.get("personal"));
        let mut way = |spot: &Option<Spot<'_>>| answer(spot.as_ref()?, own, directory, exits);
        let did = Did {
            number,
            source: fields.get("source").and_then(|spot| spot.label()),
            open: way(&open),
            closed: way(&closed),
            known: fields.table("known").map(|fields| Known::read(fields, own, directory, exits)),
            schedule: schedule.as_ref().and_then(|spot| directory.schedule(spot)),
            personal: personal.as_ref().and_then(|spot| personal_extension(spot, own, directory, exits)),
            max_calls: fields.get("max_calls").and_then(|spot| spot.number(1, 100_000)),
            record: Record::read(fields),
            follow_up: fields.table("follow_up").map(|own| DidFollowUp::read(own, directory)).unwrap_or_default(),
        };
        refuse_personal_and_shared(open.as_ref(), personal.as_ref());
        warn_of_closed_without_schedule(closed.as_ref(), schedule.as_ref());
        if !directory.has_operator {
            refuse_nowhere(fields, open.is_some() || personal.is_some(), "open");
            refuse_nowhere(fields, closed.is_some() || schedule.is_none(), "closed");
        }
        fields.get("number");
        fields.finish();
        did
    }
}

fn answer(spot: &Spot<'_>, own: DidIx, directory: &Directory, exits: &mut Vec<Exit>) -> Option<Answer> {
    let fields = spot.fields()?;
    let greeting = fields.get("greeting").and_then(|spot| directory.greeting(&spot));
    let to = fields.needed("to").map(|spot| directory.destinations(&spot, Origin::Did(own), exits));
    let first = fields.get("greeting_first");
    if let (Some(spot), None) = (&first, &greeting) {
        spot.error("there is no greeting that could come first", "add `greeting = \"hello.wav\"`, or remove this");
    }
    let greeting_first = first.and_then(|spot| spot.flag()).unwrap_or(false);
    fields.finish();
    Some(Answer { greeting, greeting_first, to: to? })
}

fn personal_extension(
    spot: &Spot<'_>,
    own: DidIx,
    directory: &Directory,
    exits: &mut Vec<Exit>,
) -> Option<ExtensionIx> {
    let extension = directory.extension(spot)?;
    let list = Destinations::from_iter([Destination::Extension(extension)]);
    exits.push(Exit { origin: Origin::Did(own), list, places: vec![spot.place.clone()] });
    Some(extension)
}

fn refuse_personal_and_shared(open: Option<&Spot<'_>>, personal: Option<&Spot<'_>>) {
    if let (Some(open), Some(_)) = (open, personal) {
        open.error("a personal DID rings its employee and nobody else", "remove `open`, or `personal`");
    }
}

fn warn_of_closed_without_schedule(closed: Option<&Spot<'_>>, schedule: Option<&Spot<'_>>) {
    if let (Some(closed), None) = (closed, schedule) {
        closed.warning(
            "without a schedule this DID is always open: this is never used",
            "add `schedule`, or remove this",
        );
    }
}

/// Without an operator every DID says itself where its calls go.
fn refuse_nowhere(fields: &Fields<'_>, says: bool, when: &str) {
    if !says {
        fields.reader().error(
            &fields.place,
            format!("while {when} the call ends nowhere: there is no `{when}`, and there is no operator"),
            format!("add `{when} = {{ to = … }}`, or `operator` under [site]"),
        );
    }
}

impl Known {
    /// Reads `known = { … }`.
    fn read(fields: Fields<'_>, own: DidIx, directory: &Directory, exits: &mut Vec<Exit>) -> Known {
        let whens = [("before-hours", KnownWhen::BeforeHours), ("within-hours", KnownWhen::WithinHours)];
        let to = fields.get("to");
        let to = to.map(|spot| directory.destinations(&spot, Origin::Known(own, None), exits));
        let only = fields.get("responsible_only");
        let mut way = |key, why| {
            let Some(spot) = fields.get(key) else { return Destinations::from_iter([Destination::Plan]) };
            if only.is_some() {
                warn_of_replaced(&spot);
            }
            directory.destinations(&spot, Origin::Known(own, Some(why)), exits)
        };
        let known = Known {
            to: to.unwrap_or_else(|| Destinations::from_iter([Destination::Responsible])),
            busy: way("busy", Why::Busy),
            no_answer: way("no_answer", Why::NoAnswer),
            unreachable: way("unreachable", Why::Unreachable),
            away: way("away", Why::Away),
            outside_hours: way("outside_hours", Why::OutsideHours),
            left: way("left", Why::Left),
            ring: fields
                .get("ring")
                .and_then(|spot| spot.duration(Duration::from_secs(1), LONGEST_RING))
                .unwrap_or(DEFAULT_RING),
            when: fields.get("when").and_then(|spot| spot.word(&whens)).unwrap_or_default(),
            responsible_only: only.and_then(|spot| responsible_only(&spot, own, directory)),
        };
        fields.finish();
        known
    }
}

/// Nobody else: so it must be an end.
fn responsible_only(spot: &Spot<'_>, own: DidIx, directory: &Directory) -> Option<Destination> {
    let destination = directory.destination(spot, &Origin::Known(own, None))?;
    if !destination.is_end() {
        spot.error("`responsible_only` rings nobody else", "name an announcement, a voicemail or a refusal");
        return None;
    }
    Some(destination)
}

fn warn_of_replaced(spot: &Spot<'_>) {
    spot.warning("`responsible_only` replaces this: it is never used", "remove one of the two");
}
