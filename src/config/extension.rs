//! An extension: an employee with a number, devices, and what happens when nobody there can answer.

use std::sync::Arc;
use std::time::Duration;

use super::address::SipTarget;
use super::destination::{Destinations, ExtensionIx, ScheduleIx};
use super::secret::Secret;
use super::site::Record;
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
}

impl Extension {
    /// True where phones may register with this extension.
    pub fn registers(&self) -> bool {
        self.active && self.devices.contains(&DeviceRule::Sip)
    }
}
