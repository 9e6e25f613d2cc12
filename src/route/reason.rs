//! Why a call went where it went, in plain words: "known customer, responsible 12, 12 is busy, falls to group:sales".
//!
//! The decision, the record, the page, the log and `explain` all show these same values. They carry names rather than
//! places in a config, so that they can still be read after the config has changed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::config::ForwardWhen;

/// One thing that told in a decision, or on the way through a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A dialled emergency number comes before everything.
    Emergency(Arc<str>),
    /// An employee calls a colleague.
    InternalCall,
    /// What rings for these groups, or at this extension, is to be picked up.
    PicksUp(Arc<str>),
    /// The group pickup is dialled by somebody who is in no group.
    InNoGroup(Arc<str>),
    /// A feature code was dialled: what it is for.
    Feature(Arc<str>),
    /// Somebody who is not named for it sets the hours.
    HoursNotTheirs(Arc<str>),
    /// A colleague took the call from where it rang.
    PickedUp(Arc<str>),
    /// The caller's number is the GSM number of this extension, so it is that employee.
    EmployeeCallsIn(Arc<str>),
    /// A DID of our own was dialled inside; it never leaves the house.
    OwnDid(Arc<str>),
    /// The number is no DID of ours: the trunk's `default_did` is meant. Raises an alarm.
    DefaultDid {
        /// What was dialled.
        dialled: Arc<str>,
        /// The DID that is meant.
        did: Arc<str>,
    },
    /// The trunk named no number: its `default_did` is meant.
    NoNumberNamed(Arc<str>),
    /// Neither a DID of ours nor anything else we know.
    UnknownNumber(Arc<str>),
    /// The trunk carries as many calls as it may.
    TrunkFull {
        /// Its name.
        trunk: Arc<str>,
        /// Its `max_calls`.
        limit: u32,
    },
    /// The DID carries as many calls as it may.
    DidFull {
        /// Its number.
        did: Arc<str>,
        /// Its `max_calls`.
        limit: u32,
    },
    /// The caller is on the block list.
    Blocked,
    /// The caller is not on the block list.
    NotBlocked,
    /// No override of this DID's hours is in force.
    NoOverride,
    /// The DID's schedule is set open by hand.
    OverrideOpen {
        /// The schedule.
        schedule: Arc<str>,
        /// Until when; `None`: until taken back.
        until: Option<Timestamp>,
    },
    /// The DID's schedule is set closed by hand.
    OverrideClosed {
        /// The schedule.
        schedule: Arc<str>,
        /// Until when; `None`: until taken back.
        until: Option<Timestamp>,
    },
    /// The caller's number belongs to a customer of this name.
    KnownCustomer(Arc<str>),
    /// The caller's number belongs to nobody we know.
    UnknownCaller,
    /// The caller is one of us.
    NotACustomer,
    /// The caller withheld the number, or gave none.
    AnonymousCaller,
    /// The DID says nothing about known customers: no sticky routing.
    NoKnownRule,
    /// `known.when = "within-hours"`, and the DID is closed: the customer is routed as anybody.
    KnownOnlyWithinHours,
    /// Who is responsible for the customer.
    Responsible(Arc<str>),
    /// Nobody is responsible for the customer.
    NoResponsible,
    /// The responsible is no extension of ours (any more).
    ResponsibleUnknown(Arc<str>),
    /// The DID reaches the responsible or nobody: this takes every reason's place.
    ResponsibleOnly(Arc<str>),
    /// The extension is away.
    Away(Arc<str>),
    /// The extension is not active.
    Left(Arc<str>),
    /// The extension is outside its own hours.
    OutsideHours(Arc<str>),
    /// An available deputy is rung instead.
    Deputy {
        /// Who is absent.
        absent: Arc<str>,
        /// Who is rung.
        deputy: Arc<str>,
    },
    /// An employee has set a forward.
    Forwards {
        /// Who.
        who: Arc<str>,
        /// Of which calls.
        when: ForwardWhen,
        /// Where to, as it was dialled.
        to: Arc<str>,
    },
    /// The forward of this extension leads back to where the call comes from, and is not followed.
    GoesRound(Arc<str>),
    /// The schedule is open.
    Open(Arc<str>),
    /// The schedule is closed.
    Closed(Arc<str>),
    /// The DID has no schedule.
    AlwaysOpen,
    /// A personal DID rings one employee.
    Personal(Arc<str>),
    /// Where the plan begins: destinations as they are written.
    Rings(Arc<str>),
    /// A group whose members are not taken as they are listed, and how this call takes them.
    InOrder {
        /// The group.
        group: Arc<str>,
        /// The order's word.
        order: Arc<str>,
        /// Who comes in which place, for this call; drawn anew for the next one where the order is random.
        members: Arc<str>,
    },
    /// What comes when that is not answered.
    Overflow(Arc<str>),
    /// Nothing comes after, except the operator.
    NoOverflow,
    /// Last resort where nothing else is said.
    Operator(Arc<str>),
    /// `site.operator` is not set.
    NoOperator,
    /// The outbound rule that applies, by its match.
    OutboundRule(Arc<str>),
    /// No outbound rule matches what was dialled.
    NoOutboundRule(Arc<str>),
    /// The outbound rule that applies says `allow = false`.
    NotAllowed(Arc<str>),
    /// The extension has made as many calls outside today as it may.
    DailyCap {
        /// Who.
        extension: Arc<str>,
        /// Its `daily_calls`.
        limit: u32,
    },
    /// Every trunk of the outbound rule is full.
    NoFreeTrunk,
    /// An extension, or a whole destination, has failed in this way.
    Is(Arc<str>, Failed),
    /// The plan goes on there.
    FallsTo(Arc<str>),
    /// The phone of an extension sends the call elsewhere.
    Diverts {
        /// Whose phone.
        who: Arc<str>,
        /// Where to, as it said.
        to: Arc<str>,
    },
    /// The destination has been entered before in this call: passed over.
    AlreadyTried(Arc<str>),
    /// A mobile rings beside the phones of its extension.
    Mobile {
        /// Whose.
        of: Arc<str>,
        /// Its number.
        number: Arc<str>,
        /// Through which trunks, in the order in which they are tried.
        trunks: Arc<str>,
    },
    /// A mobile never rings: no rule lets its number out, or it is a number of ours.
    MobileHasNoWay {
        /// Whose.
        of: Arc<str>,
        /// Its number.
        number: Arc<str>,
    },
    /// Callers hear this prompt while phones ring, or before.
    Greets(Arc<str>),
    /// In records of versions that could not do this yet: the call ended with 480.
    NotAvailableYet(Arc<str>),
    /// The INVITE itself is what we cannot carry on: with this answer.
    CannotBeCarriedOn(Arc<str>),
    /// There is no time for a new call: for this reason.
    Shed(Arc<str>),
    /// An employee handed the call on.
    Transferred {
        /// Who.
        by: Arc<str>,
        /// To whom.
        to: Arc<str>,
        /// They had talked before.
        attended: bool,
    },
    /// Nobody took over, and who had handed the call on talks again.
    Returned {
        /// Who.
        to: Arc<str>,
        /// The final status of whom it was to.
        status: u16,
    },
    /// Nobody took over whom this extension has handed on: its phones are rung.
    ComesBack(Arc<str>),
    /// The plan is over.
    RunsOut,
}

impl Reason {
    /// How somebody failed, where it tells that.
    pub fn failed(&self) -> Option<Failed> {
        match self {
            Reason::Is(_, failed) => Some(*failed),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Emergency(number) => write!(f, "{number} is an emergency number"),
            Reason::InternalCall => f.write_str("internal call"),
            Reason::PicksUp(whose) => write!(f, "picks up what rings for {whose}, if anything does"),
            Reason::InNoGroup(who) => write!(f, "{who} is in no group"),
            Reason::Feature(what) => write!(f, "feature code: {what}"),
            Reason::HoursNotTheirs(who) => write!(f, "{who} may not set the hours"),
            Reason::PickedUp(who) => write!(f, "picked up by {who}"),
            Reason::EmployeeCallsIn(who) => write!(f, "the caller is {who} on the mobile"),
            Reason::OwnDid(did) => write!(f, "{did} is our own, stays in the house"),
            Reason::DefaultDid { dialled, did } => write!(f, "{dialled} is no DID of ours, taken as {did}"),
            Reason::NoNumberNamed(did) => write!(f, "no number named, taken as {did}"),
            Reason::UnknownNumber(dialled) if dialled.is_empty() => f.write_str("no number named"),
            Reason::UnknownNumber(dialled) => write!(f, "{dialled} is not known here"),
            Reason::TrunkFull { trunk, limit } => write!(f, "trunk {trunk} has its {limit} calls"),
            Reason::DidFull { did, limit } => write!(f, "{did} has its {limit} calls"),
            Reason::Blocked => f.write_str("blocked caller"),
            Reason::NotBlocked => f.write_str("not blocked"),
            Reason::NoOverride => f.write_str("no override"),
            Reason::OverrideOpen { schedule, until: None } => write!(f, "{schedule} set open by hand"),
            Reason::OverrideOpen { schedule, until: Some(until) } => {
                write!(f, "{schedule} set open by hand until {until}")
            }
            Reason::OverrideClosed { schedule, until: None } => write!(f, "{schedule} set closed by hand"),
            Reason::OverrideClosed { schedule, until: Some(until) } => {
                write!(f, "{schedule} set closed by hand until {until}")
            }
            Reason::KnownCustomer(_) => f.write_str("known customer"),
            Reason::UnknownCaller => f.write_str("unknown caller"),
            Reason::NotACustomer => f.write_str("a colleague, no customer"),
            Reason::AnonymousCaller => f.write_str("anonymous caller"),
            Reason::NoKnownRule => f.write_str("no rule for known customers"),
            Reason::KnownOnlyWithinHours => f.write_str("known customers only within hours"),
            Reason::Responsible(who) => write!(f, "responsible {who}"),
            Reason::NoResponsible => f.write_str("nobody responsible"),
            Reason::ResponsibleUnknown(who) => write!(f, "responsible {who} is no extension"),
            Reason::ResponsibleOnly(to) => write!(f, "responsible only, else {to}"),
            Reason::Away(who) => write!(f, "{who} is away"),
            Reason::Left(who) => write!(f, "{who} has left"),
            Reason::OutsideHours(who) => write!(f, "{who} is outside own hours"),
            Reason::Deputy { absent, deputy } => write!(f, "{deputy} stands in for {absent}"),
            Reason::Forwards { who, when: ForwardWhen::Always, to } => write!(f, "{who} forwards to {to}"),
            Reason::Forwards { who, when: ForwardWhen::Busy, to } => write!(f, "{who} forwards to {to} when busy"),
            Reason::Forwards { who, when: ForwardWhen::NoAnswer, to } => {
                write!(f, "{who} forwards to {to} without an answer")
            }
            Reason::GoesRound(who) => write!(f, "the forward of {who} goes round"),
            Reason::Open(schedule) => write!(f, "{schedule} is open"),
            Reason::Closed(schedule) => write!(f, "{schedule} is closed"),
            Reason::AlwaysOpen => f.write_str("always open"),
            Reason::Personal(who) => write!(f, "personal number of {who}"),
            Reason::Rings(to) => write!(f, "{to}"),
            Reason::InOrder { group, order, members } => write!(f, "{group} by {order}: {members} this time"),
            Reason::Overflow(to) => write!(f, "then {to}"),
            Reason::NoOverflow => f.write_str("nothing more"),
            Reason::Operator(to) => write!(f, "last {to}"),
            Reason::NoOperator => f.write_str("no operator"),
            Reason::OutboundRule(pattern) => write!(f, "outbound rule {pattern}"),
            Reason::NoOutboundRule(dialled) => write!(f, "no outbound rule for {dialled}"),
            Reason::NotAllowed(pattern) => write!(f, "outbound rule {pattern} does not allow it"),
            Reason::DailyCap { extension, limit } => write!(f, "{extension} has made its {limit} calls of today"),
            Reason::NoFreeTrunk => f.write_str("every line outside is taken"),
            Reason::Is(who, Failed::Declined) => write!(f, "{who} declined"),
            Reason::Is(who, Failed::NoAnswer) => write!(f, "{who} does not answer"),
            Reason::Is(who, failed) => write!(f, "{who} is {failed}"),
            Reason::FallsTo(to) => write!(f, "falls to {to}"),
            Reason::Diverts { who, to } => write!(f, "{who} diverts to {to}"),
            Reason::AlreadyTried(to) => write!(f, "{to} was tried before"),
            Reason::Mobile { of, number, trunks } => write!(f, "the mobile {number} of {of} rings through {trunks}"),
            Reason::MobileHasNoWay { of, number } => write!(f, "no rule lets the mobile {number} of {of} out"),
            Reason::Greets(prompt) => write!(f, "greeting {prompt}"),
            Reason::NotAvailableYet(what) => write!(f, "{what} is not available yet"),
            Reason::CannotBeCarriedOn(answer) => write!(f, "the request cannot be carried on: {answer}"),
            Reason::Shed(why) => write!(f, "no new calls now: {why}"),
            Reason::Transferred { by, to, attended: false } => write!(f, "{by} transfers to {to}"),
            Reason::Transferred { by, to, attended: true } => write!(f, "{by} transfers to {to} after a talk"),
            Reason::Returned { to, status } => write!(f, "nobody took over ({status}), back to {to}"),
            Reason::ComesBack(who) => write!(f, "comes back to {who}"),
            Reason::RunsOut => f.write_str("nobody left to ring"),
        }
    }
}

/// How a device, an extension or a destination failed; the best of several comes first in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// Somebody pressed the button (600, 603).
    Declined,
    /// On the phone (486), or in a call that we see.
    Busy,
    /// It rang, and nobody came.
    NoAnswer,
    /// No device, or none that answers at all.
    Unreachable,
}

impl Failed {
    /// What a final status (RFC 3261 §21) of a call to the outside means. 0: none came.
    pub const fn of_status(status: u16) -> Failed {
        match status {
            603 => Failed::Declined,
            486 | 600 => Failed::Busy,
            408 | 480 | 487 => Failed::NoAnswer,
            _ => Failed::Unreachable,
        }
    }

    /// The better of two: what counts where several devices, or several members, have failed.
    pub fn better(self, other: Failed) -> Failed {
        self.min(other)
    }

    /// What the caller gets where a plan runs out after this: 603, 486 or 480.
    pub const fn status(self) -> u16 {
        match self {
            Failed::Declined => 603,
            Failed::Busy => 486,
            Failed::NoAnswer | Failed::Unreachable => 480,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failed::Declined => "declined",
            Failed::Busy => "busy",
            Failed::NoAnswer => "no answer",
            Failed::Unreachable => "unreachable",
        })
    }
}

/// Reasons as one line, for records and logs.
pub fn sentence(because: &[Reason]) -> String {
    because.iter().map(Reason::to_string).collect::<Vec<_>>().join(", ")
}

/// The rules of a decision, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A dialled emergency number.
    Emergency,
    /// Which of our numbers is meant, or which of our people.
    Number,
    /// Blocked callers hear 603.
    BlockList,
    /// Calls at one time, per trunk and DID.
    Limits,
    /// Hours overridden by hand.
    Override,
    /// Known customers.
    Known,
    /// Opening hours.
    Hours,
    /// What the DID, or the extension itself, says.
    Plan,
    /// What comes after.
    Overflow,
    /// Last resort.
    Operator,
    /// Outbound patterns, permissions and caps.
    Outbound,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Rule::Emergency => "emergency",
            Rule::Number => "number",
            Rule::BlockList => "block list",
            Rule::Limits => "limits",
            Rule::Override => "override",
            Rule::Known => "known customer",
            Rule::Hours => "hours",
            Rule::Plan => "plan",
            Rule::Overflow => "overflow",
            Rule::Operator => "operator",
            Rule::Outbound => "outbound",
        })
    }
}

/// One rule with what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// The rule.
    pub rule: Rule,
    /// What it found.
    pub found: Reason,
}
