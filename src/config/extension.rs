//! An extension: an employee with a number, devices, and what happens when nobody there can answer.

use std::sync::Arc;
use std::time::Duration;

use super::address::{SipTarget, sip_target};
use super::destination::{Destinations, ExtensionIx, ScheduleIx};
use super::directory::Directory;
use super::paths::{Exit, Origin, Why};
use super::read::{Fields, Spot};
use super::secret::Secret;
use super::site::Record;
use super::telegram::chat;
use super::voicemail::is_mail_address;
use crate::number::PhoneNumber;

/// What rings for an extension.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeviceRule {
    /// Every phone that registers with this extension's number and password.
    Sip,
    /// A mobile phone, reached through a trunk.
    Gsm {
        /// Its number.
        number: PhoneNumber,
        /// Whoever answers must press 1 first. Default: yes, because a mobile's own mailbox answers too.
        confirm: bool,
    },
    /// A phone or gateway that does not register.
    Address(SipTarget),
}

/// What happens when nobody answers in time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoAnswer {
    /// How long it rings. Default: 30 s.
    pub after: Duration,
    /// Where the call goes then.
    pub to: Destinations,
}

/// `[[extension]]`.
#[derive(Clone, Debug)]
pub struct Extension {
    /// 1 to 32 of `[A-Za-z0-9._-]`, unique; also SIP user and digest user.
    pub number: Arc<str>,
    /// The employee. Default: the number.
    pub name: Arc<str>,
    /// `None` where no phone registers, or where the variable or file it names is not there (a warning).
    pub password: Option<Secret>,
    /// Default: every phone that registers.
    pub devices: Vec<DeviceRule>,
    /// Own hours; outside them the extension counts as away. Default: always there.
    pub schedule: Option<ScheduleIx>,
    /// Calls to the outside per local day. Default: no limit.
    pub daily_calls: Option<u32>,
    /// Calls to the outside that are planned for each working day, for the report `plan`. Default: none are.
    pub plan_calls: Option<u32>,
    /// Where a call to this extension itself goes when it is busy or declines. Empty: nothing said.
    pub busy: Destinations,
    /// … when nobody answers. `None`: nothing said, it rings for 30 s.
    pub no_answer: Option<NoAnswer>,
    /// … when no device can be reached. Empty: nothing said.
    pub unreachable: Destinations,
    /// Rung instead when away, inactive or outside its own hours.
    pub deputy: Option<ExtensionIx>,
    /// True: never busy by itself. Default: false.
    pub call_waiting: bool,
    /// False: has left; its phones may not register. Default: true.
    pub active: bool,
    /// Default: as `media.record`.
    pub record: Option<Record>,
    /// Where mails about follow-ups go. Default: nowhere.
    pub mail: Option<Arc<str>>,
    /// The chat where the bot of `[telegram]` writes about them: a numeric id, or `@name` of a channel. Default: nowhere.
    pub telegram: Option<Arc<str>>,
}

impl Extension {
    /// True where phones may register with this extension.
    pub fn registers(&self) -> bool {
        self.active && self.devices.contains(&DeviceRule::Sip)
    }
}

/// The longest that anything may ring.
pub(super) const LONGEST_RING: Duration = Duration::from_secs(3_600);
/// Ring time where nothing is said.
pub(super) const DEFAULT_RING: Duration = Duration::from_secs(30);

impl Extension {
    /// Reads an `[[extension]]`.
    pub(super) fn read(
        fields: &Fields<'_>,
        own: ExtensionIx,
        directory: &Directory,
        exits: &mut Vec<Exit>,
    ) -> Extension {
        let number = directory.extensions.name(own.index());
        if let Some(spot) = fields.get("number") {
            directory.refuse_emergency_extension(&spot, &number);
        }
        let mut way = |key, why| {
            let spot = fields.get(key)?;
            Some(directory.destinations(&spot, Origin::Extension(own, why), exits))
        };
        let busy = way("busy", Why::Busy).unwrap_or_default();
        let unreachable = way("unreachable", Why::Unreachable).unwrap_or_default();
        let no_answer = fields.get("no_answer").and_then(|spot| no_answer(&spot, own, directory, exits));
        let every_phone = || vec![DeviceRule::Sip];
        let devices = fields.get("devices").map_or_else(every_phone, |spot| devices(&spot, directory));
        let extension = Extension {
            name: fields.get("name").and_then(|spot| spot.label()).unwrap_or_else(|| number.clone()),
            number,
            password: fields.get("password").and_then(|spot| spot.secret()),
            devices,
            schedule: fields.get("schedule").and_then(|spot| directory.schedule(&spot)),
            daily_calls: fields.get("daily_calls").and_then(|spot| spot.number(0, 1_000_000)),
            plan_calls: fields.get("plan_calls").and_then(|spot| spot.number(1, 10_000)),
            busy,
            no_answer,
            unreachable,
            deputy: fields.get("deputy").and_then(|spot| deputy(&spot, own, directory)),
            call_waiting: fields.get("call_waiting").and_then(|spot| spot.flag()).unwrap_or(false),
            active: fields.get("active").and_then(|spot| spot.flag()).unwrap_or(true),
            record: Record::read(fields),
            mail: fields.get("mail").and_then(|spot| mail(&spot)),
            telegram: fields.get("telegram").and_then(|spot| chat(&spot)),
        };
        if extension.registers() && fields.get("password").is_none() {
            refuse_missing_password(fields);
        }
        fields.finish();
        extension
    }
}

fn refuse_missing_password(fields: &Fields<'_>) {
    fields.reader().error(
        &fields.place,
        "no phone can register: `password` is missing",
        "add `password = \"env:NAME\"`, or `devices` where no phone registers",
    );
}

fn mail(spot: &Spot<'_>) -> Option<Arc<str>> {
    let text = spot.text()?;
    if !is_mail_address(text) {
        spot.error(format!("\"{text}\" is no mail address"), "write \"NAME@HOST\"");
        return None;
    }
    Some(text.into())
}

/// Employees whose news nobody could carry.
pub(super) fn warn_of_unsent_notices(
    rows: &[Fields<'_>],
    extensions: &[Extension],
    has_mail: bool,
    has_telegram: bool,
) {
    let warn = |key, has: fn(&Extension) -> bool, fix: &str| {
        let unsent = rows.iter().zip(extensions).find(|(_, extension)| has(extension));
        if let Some(spot) = unsent.and_then(|(row, _)| row.get(key)) {
            spot.warning("nothing is sent there: nobody carries it", fix);
        }
    };
    if !has_mail {
        warn("mail", |one| one.mail.is_some(), "add [mail] with `server` and `from`");
    }
    if !has_telegram {
        warn("telegram", |one| one.telegram.is_some(), "add [telegram] with `token`");
    }
}

/// `{ after = "20s", to = … }`, or the destination alone.
fn no_answer(spot: &Spot<'_>, own: ExtensionIx, directory: &Directory, exits: &mut Vec<Exit>) -> Option<NoAnswer> {
    let origin = Origin::Extension(own, Why::NoAnswer);
    if !spot.is_table() {
        return Some(NoAnswer { after: DEFAULT_RING, to: directory.destinations(spot, origin, exits) });
    }
    let fields = spot.fields()?;
    let after = fields.get("after").and_then(|spot| spot.duration(Duration::from_secs(1), LONGEST_RING));
    let to = fields.needed("to").map(|spot| directory.destinations(&spot, origin, exits));
    fields.finish();
    Some(NoAnswer { after: after.unwrap_or(DEFAULT_RING), to: to? })
}

/// Somebody else: who is away cannot stand in for themselves.
fn deputy(spot: &Spot<'_>, own: ExtensionIx, directory: &Directory) -> Option<ExtensionIx> {
    let deputy = directory.extension(spot)?;
    if deputy == own {
        spot.error("nobody is their own deputy", "name somebody else, or remove the line");
        return None;
    }
    Some(deputy)
}

fn devices(spot: &Spot<'_>, directory: &Directory) -> Vec<DeviceRule> {
    let mut found = Vec::new();
    for spot in spot.some_of().unwrap_or_default() {
        let Some(device) = device(&spot, directory) else { continue };
        if found.contains(&device) {
            spot.error("this stands here twice", "remove it");
        }
        found.push(device);
    }
    found
}

/// `"sip"`, `{ gsm = "+7…", confirm = true }` or `{ address = "sip:…" }`.
fn device(spot: &Spot<'_>, directory: &Directory) -> Option<DeviceRule> {
    if !spot.is_table() {
        return spot.word(&[("sip", ())]).map(|()| DeviceRule::Sip);
    }
    let fields = spot.fields()?;
    let (gsm, confirm, address) = (fields.get("gsm"), fields.get("confirm"), fields.get("address"));
    let device = match (&gsm, &address) {
        (Some(gsm), None) => {
            let confirm = confirm.and_then(|spot| spot.flag()).unwrap_or(true);
            directory.mobile(gsm).map(|number| DeviceRule::Gsm { number, confirm })
        }
        (None, Some(address)) => sip_target(address).map(DeviceRule::Address),
        _ => {
            spot.error("a device is either `gsm` or `address`", "write { gsm = \"+…\" } or { address = \"sip:…\" }");
            None
        }
    };
    fields.finish();
    device
}
