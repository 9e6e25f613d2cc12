//! The rules in their order: what a call is, before anybody rings.

use std::sync::Arc;

use super::draft::{After, Draft};
use super::feature::Feature;
use super::forward::may_forward;
use super::plan::{Callee, DialPlan, Direction, Forwarded, Next, RoutePlan, Step};
use super::reason::{Reason, Rule};
use super::situation::{Destined, Origin, PickUp, Situation};
use crate::config::{DidIx, ExtensionIx, KnownWhen, OutboundRule, RefuseAs, TrunkIx};

/// Decides one call.
pub fn decide(situation: &Situation<'_>) -> RoutePlan {
    match situation.origin {
        Origin::Trunk(trunk) => from_trunk(situation, trunk),
        Origin::Extension(extension) => from_extension(situation, extension),
    }
}

/// One whom a transfer lost goes back to who transferred them, then to the operator.
pub fn come_back(situation: &Situation<'_>, to: ExtensionIx) -> RoutePlan {
    let mut draft = Draft::new(situation, Direction::Internal);
    draft.tell(Rule::Number, Reason::ComesBack(situation.config.extension(to).number.clone()));
    let start = draft.step_back_to(to);
    draft.finish(start)
}

/// A call from a provider. It never leaves by a trunk because of what was dialled: only `number:` destinations do.
fn from_trunk(situation: &Situation<'_>, trunk: TrunkIx) -> RoutePlan {
    let mut draft = Draft::new(situation, Direction::Inbound);
    if situation.is_blocked() {
        draft.tell(Rule::BlockList, Reason::Blocked);
        return draft.refuse(RefuseAs::Declined);
    }
    draft.note(Rule::BlockList, Reason::NotBlocked);
    let Some(did) = meant_did(&mut draft, trunk) else { return draft.refuse(RefuseAs::NotFound) };
    let limit = situation.config.trunk(trunk).max_calls;
    if let Some(limit) = limit.filter(|limit| situation.load.on_trunk(trunk) >= *limit) {
        let trunk = situation.config.trunk(trunk).name.clone();
        draft.tell(Rule::Limits, Reason::TrunkFull { trunk, limit });
        return draft.refuse(RefuseAs::Busy);
    }
    to_did(draft, did)
}

/// The DID that a provider's call is for: the one it names, else the trunk's `default_did`.
fn meant_did(draft: &mut Draft<'_>, trunk: TrunkIx) -> Option<DidIx> {
    let config = draft.situation.config;
    let default = config.trunk(trunk).default_did;
    let name = |did: DidIx| Arc::<str>::from(config.did(did).number.to_string());
    let dialled: Arc<str> = match draft.situation.dialled {
        Destined::Did(did) => return Some(*did),
        Destined::Number(number) => match config.did_by_number(*number) {
            Some(did) => return Some(did),
            None => number.to_string().into(),
        },
        Destined::Extension(extension) => config.extension(*extension).number.clone(),
        Destined::Emergency(text) => text.clone(),
        Destined::PickUp(_, text) | Destined::Feature(_, text) => text.clone(),
        Destined::Unreadable(text) => {
            // An account or nothing: the provider names no number, which is what `default_did` is for.
            if let Some(did) = default {
                draft.tell(Rule::Number, Reason::NoNumberNamed(name(did)));
                return Some(did);
            }
            text.clone()
        }
    };
    draft.tell(
        Rule::Number,
        match default {
            Some(did) => Reason::DefaultDid { dialled, did: name(did) },
            None => Reason::UnknownNumber(dialled),
        },
    );
    default
}

/// What a DID says, for a call from outside or from inside.
fn to_did(mut draft: Draft<'_>, did: DidIx) -> RoutePlan {
    let (situation, config) = (draft.situation, draft.situation.config);
    let entry = config.did(did);
    draft.did = Some(did);
    if let Some(limit) = entry.max_calls.filter(|limit| situation.load.on_did(did) >= *limit) {
        draft.tell(Rule::Limits, Reason::DidFull { did: entry.number.to_string().into(), limit });
        return draft.refuse(RefuseAs::Busy);
    }
    if let Some(employee) = situation.caller.extension.filter(|_| matches!(situation.origin, Origin::Trunk(_))) {
        draft.tell(Rule::Number, Reason::EmployeeCallsIn(config.extension(employee).number.clone()));
    }
    let hours = draft.hours(did);
    let closed_by_hand = matches!(hours.overridden, Some(by_hand) if !by_hand.open);
    match hours.override_reason() {
        // Open by hand tells only where the hours come to matter: it stands there.
        reason @ Reason::OverrideClosed { .. } => draft.tell(Rule::Override, reason),
        reason => draft.note(Rule::Override, reason),
    }
    let known = match (&entry.known, situation.customer) {
        _ if closed_by_hand => None,
        (None, _) => {
            draft.note(Rule::Known, Reason::NoKnownRule);
            None
        }
        (Some(_), None) => {
            let anonymous = situation.caller.anonymous;
            let stranger = if anonymous { Reason::AnonymousCaller } else { Reason::UnknownCaller };
            let inside = situation.caller.extension.is_some();
            draft.note(Rule::Known, if inside { Reason::NotACustomer } else { stranger });
            None
        }
        (Some(known), Some(customer)) => {
            draft.tell(Rule::Known, Reason::KnownCustomer(customer.name.clone()));
            if known.when == KnownWhen::WithinHours && !hours.open {
                draft.tell(Rule::Known, Reason::KnownOnlyWithinHours);
                None
            } else {
                draft.known(known)
            }
        }
    };
    let plan = draft.plan_of(did, &hours, draft.begins_with_plan(known));
    draft.finish(known.or(plan))
}

/// A call by an employee.
fn from_extension(situation: &Situation<'_>, caller: ExtensionIx) -> RoutePlan {
    let config = situation.config;
    let own_did = match situation.dialled {
        Destined::Did(did) => Some(*did),
        Destined::Number(number) => config.did_by_number(*number),
        _ => None,
    };
    if let Some(did) = own_did {
        let mut draft = Draft::new(situation, Direction::Internal);
        draft.tell(Rule::Number, Reason::OwnDid(config.did(did).number.to_string().into()));
        return to_did(draft, did);
    }
    match situation.dialled {
        Destined::Emergency(text) => emergency(situation, text),
        Destined::Extension(called) => {
            let mut draft = Draft::new(situation, Direction::Internal);
            draft.tell(Rule::Number, Reason::InternalCall);
            let start = draft.step_to_extension(*called, After::RunsOut);
            draft.finish(start)
        }
        Destined::Number(number) => {
            let rule = config.outbound_rule(Some(caller), Some(*number), "");
            outbound(situation, caller, rule, Callee::Number(*number))
        }
        Destined::Unreadable(text) => {
            let rule = config.outbound_rule(Some(caller), None, text);
            outbound(situation, caller, rule, Callee::Verbatim(text.clone()))
        }
        Destined::Feature(feature, _) => feature_code(situation, caller, feature),
        Destined::PickUp(what, _) => pick_up(situation, caller, what),
        Destined::Did(_) => Draft::new(situation, Direction::Internal).refuse(RefuseAs::NotFound),
    }
}

/// An employee has dialled a code. Everybody sets what is their own: forwards (as far as they may call themselves), absence.
/// The hours of the office are set by those whom `features.hours_by` names. Who may not hears that, under a 403.
fn feature_code(situation: &Situation<'_>, caller: ExtensionIx, feature: &Feature) -> RoutePlan {
    let config = situation.config;
    let mut draft = Draft::new(situation, Direction::Internal);
    draft.tell(Rule::Number, Reason::Feature(feature.to_string().into()));
    let may = match feature {
        Feature::Hours(_) if !config.features.hours_by.contains(&caller) => {
            Err(Reason::HoursNotTheirs(config.extension(caller).number.clone()))
        }
        Feature::Forward(_, Some(to)) => may_forward(config, caller, to),
        _ => Ok(()),
    };
    match may {
        Ok(()) => draft.end(Step::Feature(feature.clone())),
        Err(why) => {
            draft.tell(Rule::Number, why);
            draft.end(Step::Feature(Feature::NotAllowed))
        }
    }
}

/// What rings elsewhere is to be taken over. Where something rings, that is done before anything is decided; this is what
/// becomes of it where nothing does.
fn pick_up(situation: &Situation<'_>, caller: ExtensionIx, what: &PickUp) -> RoutePlan {
    let config = situation.config;
    let mut draft = Draft::new(situation, Direction::Internal);
    let whose: Arc<str> = match what {
        PickUp::Group => {
            let groups = config.groups().filter(|(_, group)| group.members.contains(&caller));
            groups.map(|(_, group)| &*group.name).collect::<Vec<_>>().join(", ").into()
        }
        PickUp::From(whom) => match config.extension_by_number(whom) {
            Some(extension) => config.extension(extension).number.clone(),
            None => {
                draft.tell(Rule::Number, Reason::UnknownNumber(whom.clone()));
                return draft.refuse(RefuseAs::NotFound);
            }
        },
    };
    if whose.is_empty() {
        draft.tell(Rule::Number, Reason::InNoGroup(config.extension(caller).number.clone()));
        return draft.refuse(RefuseAs::NotFound);
    }
    draft.tell(Rule::Number, Reason::PicksUp(whose));
    draft.refuse(RefuseAs::Unavailable)
}

/// An emergency call: no cap, no permission, no limit; every trunk in the order of the file.
fn emergency(situation: &Situation<'_>, text: &Arc<str>) -> RoutePlan {
    let mut draft = Draft::new(situation, Direction::Outbound);
    draft.tell(Rule::Emergency, Reason::Emergency(text.clone()));
    let trunks = situation.config.trunks().map(|(trunk, _)| trunk).collect();
    draft.dial(DialPlan {
        destination: None,
        number: Callee::Verbatim(text.clone()),
        trunks,
        caller_id: None,
        patience: None,
        emergency: true,
        mobile: None,
        forwarded: Forwarded::default(),
        next: Next::default(),
    })
}

/// A call to the outside: the longest match among the rules that exist for the caller, the daily cap, free trunks.
fn outbound(situation: &Situation<'_>, caller: ExtensionIx, rule: Option<&OutboundRule>, callee: Callee) -> RoutePlan {
    let mut draft = Draft::new(situation, Direction::Outbound);
    let Some(rule) = rule else {
        let dialled = callee.to_string().into();
        // What is no number at all is not forbidden; there is nothing under it.
        return match callee {
            Callee::Number(_) => {
                draft.tell(Rule::Outbound, Reason::NoOutboundRule(dialled));
                draft.refuse(RefuseAs::Forbidden)
            }
            Callee::Verbatim(_) => {
                draft.tell(Rule::Outbound, Reason::UnknownNumber(dialled));
                draft.refuse(RefuseAs::NotFound)
            }
        };
    };
    let pattern: Arc<str> = rule.pattern.to_string().into();
    if !rule.allow {
        draft.tell(Rule::Outbound, Reason::NotAllowed(pattern));
        return draft.refuse(RefuseAs::Forbidden);
    }
    draft.tell(Rule::Outbound, Reason::OutboundRule(pattern));
    if let Err(cap) = situation.within_cap(caller) {
        draft.tell(Rule::Outbound, cap);
        return draft.refuse(RefuseAs::Forbidden);
    }
    let trunks = draft.free_trunks(rule);
    if trunks.is_empty() {
        draft.tell(Rule::Limits, Reason::NoFreeTrunk);
        return draft.refuse(RefuseAs::Busy);
    }
    draft.dial(DialPlan {
        destination: None,
        number: callee,
        trunks,
        caller_id: rule.caller_id,
        patience: None,
        emergency: false,
        mobile: None,
        forwarded: Forwarded::default(),
        next: Next::default(),
    })
}
