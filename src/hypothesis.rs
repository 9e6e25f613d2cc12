//! A call that did not happen: what an admin asks `explain` about.
//!
//! A [`Hypothesis`] is what is typed: who calls whom, when, and what to assume of the office. From it comes the same
//! [`Situation`] as from a real call, over the same config, state and customers; only its [`Presence`] may be made up.
//! So the answer is the one that a caller would live through.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::config::{Config, DeviceRule, ExtensionIx, TrunkIx};
use crate::customer::{Customer, Kind};
use crate::number::PhoneNumber;
use crate::route::{
    Availability, Caller, Considered, Destined, Explanation, Load, Moment, Origin, Presence, Reason, Situation,
    explain, mobiles,
};
use crate::state::{Override, State};

/// A call as it is typed, and what to assume of the office. Names are extensions' numbers and schedules' names; an empty
/// list assumes nothing, so what is known of the office counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hypothesis {
    /// Who calls: a number as anybody writes it, an extension, or `anonymous`.
    pub from: String,
    /// What is dialled: a DID, or from an extension anything.
    pub to: String,
    /// When; the present moment where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The trunk it comes in on; the first one of the config where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
    /// Who the caller is, whatever the customers say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<AssumedCustomer>,
    /// Extensions that are on the phone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<String>,
    /// Extensions that are being rung by another call, which is not busy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ringing: Vec<String>,
    /// Extensions that are away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<String>,
    /// Extensions of which no device can be reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreachable: Vec<String>,
    /// Schedules that are set open (`true`) or closed by hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<(String, bool)>,
}

/// Who the caller is assumed to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssumedCustomer {
    /// Nobody we know.
    Unknown,
    /// A customer for whom nobody is responsible.
    Unassigned,
    /// A customer for whom this extension is responsible.
    Of(String),
}

/// The office in which the call is made up: as it is now, or at rest.
#[derive(Clone, Copy)]
pub struct Office<'a> {
    /// What the admin said.
    pub config: &'a Config,
    /// What happened rather than was configured.
    pub state: &'a State,
    /// Whom a number belongs to.
    pub customer: &'a dyn Fn(PhoneNumber) -> Option<Customer>,
    /// How many calls are in progress.
    pub load: &'a dyn Load,
    /// Who is busy, who can be reached.
    pub presence: &'a dyn Presence,
    /// The present moment.
    pub now: Timestamp,
}

/// The answer, for people and programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The caller, as read.
    pub from: String,
    /// What was dialled, as read.
    pub to: String,
    /// When, in the site's own time.
    pub at: String,
    /// What was assumed, a line for each.
    pub assumed: Vec<String>,
    /// Every rule in the order of decision with its outcome.
    pub order: Vec<Considered>,
    /// The reasons that told, as the record would show them.
    pub because: Vec<Reason>,
    /// The steps of the plan, a line each, as the record would keep them.
    pub plan: String,
    /// What then happens, if nobody answers.
    pub timetable: Vec<Moment>,
    /// The same as text.
    pub text: String,
}

impl Hypothesis {
    /// Decides the call in this office.
    ///
    /// # Errors
    /// Everything that names nothing in the config, each with what could be written instead.
    pub fn answer(&self, office: &Office<'_>) -> Result<Answer, Vec<String>> {
        let config = office.config;
        let assumed = Assumed::read(self, office)?;
        let situation = Situation {
            config,
            at: assumed.at,
            origin: assumed.origin,
            caller: &assumed.caller,
            dialled: &assumed.dialled,
            customer: assumed.customer.as_ref().filter(|customer| !customer.is_provisional()),
            state: &assumed.state,
            load: office.load,
            chance: 0,
            presence: &assumed,
        };
        let explanation = explain(&situation);
        Ok(self.show(config, &assumed, explanation))
    }

    fn show(&self, config: &Config, assumed: &Assumed<'_>, explanation: Explanation) -> Answer {
        let name = |extension: ExtensionIx| {
            let extension = config.extension(extension);
            format!("{} {}", extension.number, extension.name)
        };
        let mut from = match (&assumed.caller, assumed.origin) {
            (_, Origin::Extension(extension)) => name(extension),
            (Caller { anonymous: true, .. }, _) => "anonymous".into(),
            (Caller { number: Some(number), .. }, _) => number.to_string(),
            (caller, _) => format!("{} (no readable number)", caller.verbatim),
        };
        match (&assumed.customer, assumed.caller.extension) {
            (Some(customer), _) if !customer.name.is_empty() && !customer.is_provisional() => {
                _ = write!(from, ", {}", customer.name)
            }
            (None, Some(employee)) if matches!(assumed.origin, Origin::Trunk(_)) => {
                _ = write!(from, ", the mobile of {}", name(employee));
            }
            _ => {}
        }
        let to = match &assumed.dialled {
            Destined::Did(did) => config.did(*did).number.to_string(),
            Destined::Extension(extension) => name(*extension),
            Destined::Number(number) => number.to_string(),
            Destined::Emergency(text) => format!("{text} (emergency)"),
            Destined::Feature(feature, text) => format!("{text} ({feature})"),
            Destined::PickUp(_, text) => format!("{text} (pickup)"),
            Destined::Unreadable(text) if text.is_empty() => "no number".into(),
            Destined::Unreadable(text) => format!("{text} (no readable number)"),
        };
        let at = assumed.at.to_zoned(config.site.timezone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string();
        let lists = [
            ("busy", &self.busy),
            ("ringing", &self.ringing),
            ("away", &self.away),
            ("unreachable", &self.unreachable),
        ];
        let mut lines: Vec<_> =
            lines_of(lists.iter().flat_map(|(what, whom)| whom.iter().map(move |who| (who.as_str(), *what))));
        lines.extend(lines_of(self.overrides.iter().map(|(schedule, open)| {
            (schedule.as_str(), if *open { "set open by hand" } else { "set closed by hand" })
        })));
        let mut text = format!("{from} calls {to} at {at}\n");
        for line in &lines {
            _ = writeln!(text, "assuming {line}");
        }
        _ = write!(text, "\n{explanation}");
        let Explanation { order, because, plan, timetable, .. } = explanation;
        Answer { from, to, at, assumed: lines, order, because, plan, timetable, text }
    }
}

fn lines_of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    pairs.map(|(who, what)| format!("{who} is {what}")).collect()
}

/// A hypothesis whose every name is resolved.
struct Assumed<'a> {
    at: Timestamp,
    origin: Origin,
    caller: Caller,
    dialled: Destined,
    customer: Option<Customer>,
    state: State,
    busy: Vec<ExtensionIx>,
    unreachable: Vec<ExtensionIx>,
    config: &'a Config,
    actual: &'a dyn Presence,
}

impl<'a> Assumed<'a> {
    fn read(typed: &Hypothesis, office: &Office<'a>) -> Result<Assumed<'a>, Vec<String>> {
        let config = office.config;
        let mut wrong = Vec::new();
        let mut extensions = |what: &str, names: &[String]| -> Vec<ExtensionIx> {
            names.iter().filter_map(|name| extension(config, what, name, &mut wrong)).collect()
        };
        let busy = extensions("busy", &typed.busy);
        let away = extensions("away", &typed.away);
        let unreachable = extensions("unreachable", &typed.unreachable);
        extensions("ringing", &typed.ringing);
        let mut state = office.state.clone();
        for extension in away {
            state.set_away(&config.extension(extension).number, Some(Timestamp::MAX));
        }
        for (schedule, open) in &typed.overrides {
            match config.schedule_by_name(schedule) {
                Some(ix) => state.set_override(&config.schedule(ix).name, Some(Override { open: *open, until: None })),
                None => {
                    wrong.push(unknown("override", "schedule", schedule, config.schedules().map(|(_, s)| &*s.name)))
                }
            }
        }
        let origin = origin(config, typed, &mut wrong);
        let Some(origin) = origin else { return Err(wrong) };
        let caller = match origin {
            Origin::Extension(extension) => Caller::inside(config, extension),
            Origin::Trunk(trunk) => Caller::outside(config, &typed.from, trunk),
        };
        let dialled = match origin {
            Origin::Extension(_) => Destined::from_inside(config, &typed.to),
            Origin::Trunk(trunk) => Destined::from_outside(config, &typed.to, trunk),
        };
        let customer = match &typed.customer {
            None => caller.number.filter(|_| caller.extension.is_none()).and_then(office.customer),
            Some(assumed) => assumed.read(config, &mut wrong),
        };
        let at = typed.at.unwrap_or(office.now);
        let actual = office.presence;
        let assumed = Assumed { at, origin, caller, dialled, customer, state, busy, unreachable, config, actual };
        if wrong.is_empty() { Ok(assumed) } else { Err(wrong) }
    }
}

impl Presence for Assumed<'_> {
    fn of(&self, extension: ExtensionIx) -> Availability {
        let entry = self.config.extension(extension);
        if self.busy.contains(&extension) && !entry.call_waiting {
            return Availability::Busy;
        }
        let is_mobile = |device: &DeviceRule| matches!(device, DeviceRule::Gsm { .. });
        // Who has nothing but mobiles that no rule lets out cannot be reached.
        let no_way = entry.devices.iter().all(is_mobile) && mobiles(self.config, extension).next().is_none();
        if no_way || self.unreachable.contains(&extension) {
            return Availability::Unreachable;
        }
        self.actual.of(extension)
    }
}

impl AssumedCustomer {
    fn read(&self, config: &Config, wrong: &mut Vec<String>) -> Option<Customer> {
        let responsible = match self {
            AssumedCustomer::Unknown => return None,
            AssumedCustomer::Unassigned => None,
            AssumedCustomer::Of(name) => {
                let found = extension(config, "customer", name, wrong)?;
                Some(config.extension(found).number.clone())
            }
        };
        Some(Customer { id: "assumed".into(), kind: Kind::Contact, name: "".into(), responsible })
    }
}

/// From which side the call comes: an extension's number means that employee, everything else a provider.
fn origin(config: &Config, typed: &Hypothesis, wrong: &mut Vec<String>) -> Option<Origin> {
    let names = || config.trunks().map(|(_, trunk)| &*trunk.name);
    if let Some(name) = &typed.trunk {
        let found = config.trunk_by_name(name);
        if found.is_none() {
            wrong.push(unknown("trunk", "trunk", name, names()));
        }
        return found.map(Origin::Trunk);
    }
    if let Some(extension) = config.extension_by_number(typed.from.trim()) {
        return Some(Origin::Extension(extension));
    }
    let first = config.trunks().next().map(|(trunk, _)| Origin::Trunk(trunk));
    if first.is_none() {
        wrong.push(format!(
            "from: {:?} is no extension, and the config has no trunk by which it could call",
            typed.from
        ));
    }
    first
}

fn extension(config: &Config, flag: &str, name: &str, wrong: &mut Vec<String>) -> Option<ExtensionIx> {
    let found = config.extension_by_number(name);
    if found.is_none() {
        wrong.push(unknown(flag, "extension", name, config.extensions().map(|(_, extension)| &*extension.number)));
    }
    found
}

fn unknown<'a>(flag: &str, kind: &str, name: &str, there: impl Iterator<Item = &'a str>) -> String {
    let mut there: Vec<_> = there.take(21).collect();
    let more = there.len() > 20;
    there.truncate(20);
    let list = if there.is_empty() { "none".into() } else { there.join(", ") };
    format!("{flag}: there is no {kind} {name:?}; there is {list}{}", if more { ", …" } else { "" })
}

/// A caller as the door reads one: the switch from a message, `explain` from what is typed.
impl Caller {
    /// Somebody who withheld the number, or gave none.
    pub fn anonymous() -> Caller {
        Caller { anonymous: true, ..Caller::default() }
    }

    /// An employee, on a device of ours.
    pub fn inside(config: &Config, extension: ExtensionIx) -> Caller {
        let verbatim = config.extension(extension).number.clone();
        Caller { extension: Some(extension), verbatim, ..Caller::default() }
    }

    /// Whoever a trunk says is calling: the number by that trunk's habits, and the employee whose mobile it is. No text and
    /// `anonymous` mean somebody who withheld the number.
    pub fn outside(config: &Config, text: &str, trunk: TrunkIx) -> Caller {
        if text.is_empty() || text.eq_ignore_ascii_case("anonymous") {
            return Caller::anonymous();
        }
        let number = config.site.numbering.read_from(text, config.trunk(trunk).dials);
        let extension = number.and_then(|number| config.extension_by_gsm(number));
        Caller { number, verbatim: crate::number::bare(text).as_ref().into(), anonymous: false, extension }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Nothing;
    use crate::route::Idle;

    const OFFICE: &str = include_str!("../tests/office.toml");

    fn ask(typed: &Hypothesis) -> Result<Answer, Vec<String>> {
        let config = Config::read(Path::new("office.toml"), OFFICE, &Nothing).unwrap().config;
        let ada = |number: PhoneNumber| {
            (number.to_string() == "+79161234567").then(|| Customer {
                id: "crm-1".into(),
                kind: Kind::Contact,
                name: "Ada Byron".into(),
                responsible: Some("202".into()),
            })
        };
        let now = "2026-11-23T07:00:00Z".parse().unwrap();
        let state = State::default();
        typed.answer(&Office { config: &config, state: &state, customer: &ada, load: &Idle, presence: &Idle, now })
    }

    fn typed(from: &str, to: &str) -> Hypothesis {
        Hypothesis { from: from.into(), to: to.into(), ..Hypothesis::default() }
    }

    #[test]
    fn who_calls_whom_and_when_is_said_as_it_was_read() {
        let cases = [
            (typed("8 (916) 123-45-67", "495 123-45-67"), "+79161234567, Ada Byron calls +74951234567"),
            (typed("anonymous", "+74951234567"), "anonymous calls +74951234567"),
            (typed("Skype", "+74951234567"), "Skype (no readable number) calls +74951234567"),
            (typed("+79160000001", "+74951234567"), "+79160000001, the mobile of 201 Иван Петров calls +74951234567"),
            (typed("203", "112"), "203 Дмитро Бондар calls 112 (emergency)"),
            (typed("203", "202"), "203 Дмитро Бондар calls 202 Василь Коваль"),
            (typed("203", "8 912 345 67 89"), "203 Дмитро Бондар calls +79123456789"),
        ];
        for (typed, expected) in cases {
            let text = ask(&typed).unwrap().text;
            assert_eq!(text.lines().next(), Some(&*format!("{expected} at Mon 2026-11-23 10:00 MSK")));
        }
    }

    #[test]
    fn every_name_that_names_nothing_is_said_at_once() {
        let typed = Hypothesis {
            busy: vec!["201".into(), "999".into()],
            trunk: Some("mangoo".into()),
            overrides: vec![("offices".into(), true)],
            ..typed("+79161234567", "+74951234567")
        };
        assert_eq!(
            ask(&typed).unwrap_err(),
            [
                "busy: there is no extension \"999\"; there is 200, 201, 202, 203, 209, 208",
                "override: there is no schedule \"offices\"; there is office",
                "trunk: there is no trunk \"mangoo\"; there is mango, reserve",
            ]
        );
    }

    #[test]
    fn what_is_assumed_is_said_and_ringing_or_call_waiting_is_not_busy() {
        let config = Config::read(Path::new("office.toml"), OFFICE, &Nothing).unwrap().config;
        let typed = Hypothesis {
            busy: vec!["201".into(), "203".into()],
            ringing: vec!["202".into()],
            unreachable: vec!["200".into()],
            away: vec!["209".into()],
            overrides: vec![("office".into(), false)],
            customer: Some(AssumedCustomer::Of("201".into())),
            ..typed("+79161234567", "+74951234567")
        };
        let (state, nobody, now) = (State::default(), |_| None, Timestamp::UNIX_EPOCH);
        let office = Office { config: &config, state: &state, customer: &nobody, load: &Idle, presence: &Idle, now };
        let assumed = Assumed::read(&typed, &office).unwrap();
        let stands = |number| assumed.of(config.extension_by_number(number).unwrap());
        // 203 has call waiting.
        assert_eq!(
            ["200", "201", "202", "203"].map(stands),
            [Availability::Unreachable, Availability::Busy, Availability::Free, Availability::Free]
        );
        assert_eq!(assumed.state.away_until("209", now), Some(Timestamp::MAX));
        assert_eq!(assumed.customer.as_ref().unwrap().responsible.as_deref(), Some("201"));
        assert_eq!(
            ask(&typed).unwrap().assumed,
            [
                "201 is busy",
                "203 is busy",
                "202 is ringing",
                "209 is away",
                "200 is unreachable",
                "office is set closed by hand"
            ]
        );
    }
}
