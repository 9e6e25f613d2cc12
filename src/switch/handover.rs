//! Calls that change hands: what a transfer comes to, who is behind a leg, and two calls that become one.

use std::sync::Arc;

use super::house::{House, nobody};
use super::tables::{Join, Switch};
use crate::call::{Call, Identity, Leg, LegOrder, Line, Named, Offer, Peer, Replaced, Why};
use crate::config::{Config, DidIx, ExtensionIx, TrunkIx};
use crate::fact::{Rung, Whom};
use crate::key::{CallKey, LegKey};
use crate::number::PhoneNumber;
use crate::route::{Callee, Caller, Destined, Direction, Load, Origin, RoutePlan, Situation, come_back, decide};
use crate::sip::{Host, Uri};

/// What a transfer comes to. The call's own configuration counts: that of its plan.
impl House<'_> {
    pub(super) fn transfer_plan(&mut self, by: ExtensionIx, to: &str) -> Result<Arc<RoutePlan>, u16> {
        let line = self.switch.lines.get(self.line).ok_or(481u16)?;
        let config = line.config.clone();
        let caller = Caller::inside(&config, by);
        let dialled = Destined::from_inside(&config, to);
        // Nobody dials a code for somebody else.
        if let Destined::Feature(..) = dialled {
            return Err(403);
        }
        let plan = self.decide_here(&config, Origin::Extension(by), &caller, &dialled, decide);
        if let Some(refusal) = plan.refusal() {
            return Err(refusal.status());
        }
        if plan.direction == Direction::Outbound && !matches!(dialled, Destined::Emergency(_)) {
            let day = self.switch.local_day();
            let counter = self.switch.state.calling_outside(&config.extension(by).number, day);
            self.switch.note_counter(counter);
        }
        Ok(Arc::new(plan))
    }

    pub(super) fn return_plan(&mut self, to: ExtensionIx) -> Option<RoutePlan> {
        let line = self.switch.lines.get(self.line)?;
        let (config, caller) = (line.config.clone(), line.offer().caller.clone());
        let dialled = Destined::Extension(to);
        Some(self.decide_here(&config, Origin::Extension(to), &caller, &dialled, |situation| come_back(situation, to)))
    }

    pub(super) fn decide_here(
        &mut self,
        config: &Config,
        origin: Origin,
        caller: &Caller,
        dialled: &Destined,
        decide: impl FnOnce(&Situation<'_>) -> RoutePlan,
    ) -> RoutePlan {
        let chance = self.switch.means.entropy.u64();
        decide(&Situation {
            config,
            at: self.switch.means.now.wall,
            origin,
            caller,
            dialled,
            customer: None,
            state: &self.switch.state,
            load: &*self,
            chance,
            presence: &*self,
        })
    }
}

impl Load for House<'_> {
    fn on_trunk(&self, trunk: TrunkIx) -> u32 {
        let line = self.switch.lines.get(self.line);
        line.map_or(0, |line| self.switch.calls_on(&line.config.trunk(trunk).name))
    }

    fn on_did(&self, did: DidIx) -> u32 {
        let number = self.switch.lines.get(self.line).map(|line| line.config.did(did).number.to_string());
        number.and_then(|number| self.switch.by_did.get(number.as_str()).copied()).unwrap_or(0)
    }
}

/// Who is behind a leg.
impl House<'_> {
    /// A number outside that this call rings.
    pub(super) fn remember(&mut self, leg: LegKey, callee: &Callee) {
        let identity = self.switch.identity_of(callee);
        self.switch.tape_sees_customer(self.line, callee, &identity.display);
        if let Some(line) = self.switch.lines.get_mut(self.line) {
            line.outside.push((leg, identity));
        }
    }

    /// From now on phones are rung for this leg's peer.
    pub(super) fn serve_leg(&mut self, key: LegKey) {
        let session = self.switch.unheld(key);
        let Some(leg) = self.switch.legs.get(key) else { return };
        let Some(line) = self.switch.lines.get_mut(self.line) else { return };
        let is_caller = leg.number() == 0;
        let is_outside = leg.peer().is_trunk() && (is_caller || leg.employee().is_none());
        let Some(Identity { caller, display }) = identity(line, key, leg) else { return };
        // Who sent on the call that is handed over has no part in what follows.
        line.diverter = None;
        line.served = Some(Box::new(Offer {
            direction: if is_outside { Direction::Inbound } else { Direction::Internal },
            caller,
            display,
            session,
            max_forwards: line.offer.max_forwards,
            // What the caller's INVITE carried speaks of the caller.
            passed: if is_caller { line.offer.passed.clone() } else { Vec::new() },
        }));
    }

    /// How the peer of a leg is shown to the peer of another; `None` for one who does not want to be.
    pub(super) fn named(&self, key: LegKey, to: LegKey) -> Option<Named> {
        let (leg, to) = (self.switch.legs.get(key)?, self.switch.legs.get(to)?);
        let line = self.switch.lines.get(self.line)?;
        let Identity { caller, display } = identity(line, key, leg)?;
        if caller.anonymous {
            return Some(Named { display: "Anonymous".into(), uri: nobody() });
        }
        let host = Host::Ip(self.switch.means.host.told(&to.flow()).ip());
        let extension = caller.extension.filter(|_| matches!(leg.peer(), Peer::Extension(_)));
        let uri = match (extension, caller.number) {
            (Some(extension), _) => Uri::sip(&line.config.extension(extension).number, host, None),
            (None, Some(number)) => Uri::sip(&number.to_string(), host, None),
            (None, None) => Uri::sip(&caller.verbatim, host, None),
        };
        Some(Named { display, uri })
    }
}

/// Who is behind a leg of a call.
pub(super) fn identity(line: &Line, key: LegKey, leg: &Leg) -> Option<Identity> {
    if leg.number() == 0 {
        return Some(Identity { caller: line.offer.caller.clone(), display: line.offer.display.clone() });
    }
    match leg.employee() {
        Some(number) => {
            let extension = line.config.extension_by_number(number)?;
            let caller = Caller::inside(&line.config, extension);
            Some(Identity { caller, display: line.config.extension(extension).name.clone() })
        }
        None => {
            let known = line.outside.iter().find(|(outside, _)| *outside == key);
            known.map(|(_, identity)| identity.clone())
        }
    }
}

impl Switch {
    pub(super) fn identity_of(&self, callee: &Callee) -> Identity {
        let number = match callee {
            Callee::Number(number) => Some(*number),
            Callee::Verbatim(_) => None,
        };
        let customer = number.and_then(|number: PhoneNumber| self.customers.find(number));
        let display = customer.map_or_else(|| "".into(), |found| found.to_customer().name);
        let caller = Caller { number, verbatim: callee.to_string().into(), anonymous: false, extension: None };
        Identity { caller, display }
    }

    /// The session of a leg's peer as it would be if nobody held it.
    pub(super) fn unheld(&self, leg: LegKey) -> Option<crate::call::Session> {
        self.legs.get(leg)?.heard().map(|session| crate::sip::anew::unheld(session))
    }
}

/// Two calls become one.
impl House<'_> {
    /// # Errors
    /// 481 where there is no such talk, 403 where it is somebody else's.
    pub(super) fn ask_to_join(&mut self, by: LegKey, consulted: &Replaced) -> Result<(), u16> {
        let other = self.switch.leg_named(&consulted.view()).ok_or(481u16)?;
        let (Some(one), Some(two)) = (self.switch.legs.get(by), self.switch.legs.get(other)) else { return Err(481) };
        if one.peer() != two.peer() {
            return Err(403);
        }
        let call = self.switch.lines.get(two.call()).and_then(|line| line.call.as_ref());
        if two.call() == self.line || !call.is_some_and(|call| call.is_talker(other) || call.is_waiting(other)) {
            return Err(481);
        }
        self.switch.joins.push(Join { line: self.line, by, consulted: other });
        Ok(())
    }
}

impl Switch {
    /// Carries out an attended transfer. Where one of the two has gone meanwhile, who asked hears that.
    pub(super) fn join(&mut self, join: Join) {
        let Join { line: first, by, consulted } = join;
        let second = self.legs.get(consulted).map(Leg::call);
        let call = |line: CallKey| self.lines.get(line).and_then(|line| line.call.as_ref());
        let (Some(second), Some(one)) = (second, call(first).filter(|call| call.is_talker(by))) else {
            return self.obey(by, LegOrder::TransferNews(481));
        };
        let talks = call(second).is_some_and(|call| call.is_talker(consulted));
        if !talks && !call(second).is_some_and(|call| call.is_waiting(consulted)) {
            return self.obey(by, LegOrder::TransferNews(481));
        }
        // The record that goes on is the one with somebody from outside.
        let turned = talks && one.is_internal() && call(second).is_some_and(|call| !call.is_internal());
        let ((kept, leaves), (given, gone)) = match turned {
            false => ((first, by), (second, consulted)),
            true => ((second, consulted), (first, by)),
        };
        self.obey(by, LegOrder::TransferNews(if talks { 200 } else { 100 }));
        self.merge(kept, leaves, given, gone);
        match talks {
            true => self.obey(gone, LegOrder::End(Why::default())),
            // The employee's own call is taken over before anybody has answered it.
            false => self.obey(gone, LegOrder::Refuse { status: 487, reason: None }),
        }
    }

    /// What `gone` leaves in the call `given` goes over into `kept`, to the place of `leaves`.
    fn merge(&mut self, kept: CallKey, leaves: LegKey, given: CallKey, gone: LegKey) {
        let Some(into) = self.lines.get(kept).map(|line| line.id) else { return };
        let config = self.lines.get(given).map(|line| line.config.clone());
        let handed = self.with_call(given, |call: &mut Call, house| call.hand_over(gone, into, house)).flatten();
        let (Some(mut handed), Some(config)) = (handed, config) else { return };
        let mut rung = Vec::new();
        handed.renumber(|leg| {
            let moved = self.move_leg(leg, given, kept);
            let number = moved.as_ref().map_or(0, |moved| moved.leg);
            rung.extend(moved);
            number
        });
        let to = match rung.first().map(|rung| &rung.whom) {
            Some(Whom::Extension(name) | Whom::Trunk { number: name, .. }) => name.clone(),
            None => "".into(),
        };
        let now = self.means.now.mono;
        self.with_call(kept, |call, house| {
            call.take_over(leaves, &to, handed, &config, rung, house);
            // A greeting before everything else was for the one who has left.
            call.greeted(now, house);
        });
        if let Some(line) = self.lines.get_mut(kept)
            && let Some(call) = &line.call
        {
            line.config = call.config().clone();
        }
        self.tapes_join(kept, given);
        self.settle_line(kept);
        self.settle_line(given);
    }

    fn move_leg(&mut self, key: LegKey, from: CallKey, to: CallKey) -> Option<Rung> {
        let leg = self.legs.get(key)?;
        let old = self.lines.get_mut(from)?;
        let who = identity(old, key, leg)?;
        old.open -= 1;
        old.ladder.add_steps(leg.number(), leg.steps());
        let whom = match leg.employee() {
            Some(extension) => Whom::Extension(extension.clone()),
            None => {
                let number = who.caller.number.map_or(who.caller.verbatim.clone(), |number| number.to_string().into());
                Whom::Trunk { trunk: leg.peer().name().clone(), number }
            }
        };
        let device = leg.device();
        let new = self.lines.get_mut(to)?;
        let number = new.legs;
        new.legs += 1;
        new.open += 1;
        new.ladder.add_leg(leg.peer().name().clone());
        if leg.employee().is_none() {
            new.outside.push((key, who));
        }
        let leg = self.legs.get_mut(key)?;
        leg.move_to(to, number);
        Some(Rung { leg: number, whom, device })
    }
}
