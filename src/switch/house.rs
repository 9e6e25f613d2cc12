//! The house in which a call lives: [`Legs`] for real. Rings devices, dials trunks, knows who is busy.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::tables::{Held, HeldAnswer, Switch};
use crate::anchor::{PlayKey, TakeKey, Until};
use crate::call::{
    Invitation, Leg, LegOrder, Legs, Line, MobileOf, Named, Peer, Place, Replaced, Session, TrunkUnfit, Wanted, Ways,
    bridge,
};
use crate::clock::{Duration, Instant};
use crate::config::{DeviceRule, DidIx, ExtensionIx, ForwardWhen, GroupIx, IdentityHeader, Order, TrunkIx};
use crate::fact::{Alarm, CallFact, Fact, MessageState, RecordingOf, Rung, Whom};
use crate::ivr::{Opened, Whose};
use crate::key::{CallKey, Flow, LegKey, Transport};
use crate::route::{Availability, Callee, DialPlan, Direction, Load, Presence, Reason, RoutePlan};
use crate::servers::ServerName;
use crate::sip::{HeaderName, Host, Uri};
use crate::sound::Sound;
use crate::sound::session;
use crate::subscription::DialogState;

/// One call's view of the switch, while that call acts.
pub(super) struct House<'a> {
    pub(super) switch: &'a mut Switch,
    pub(super) line: CallKey,
}

impl Legs for House<'_> {
    fn now(&self) -> Instant {
        self.switch.means.now.mono
    }

    fn presence(&self) -> &dyn Presence {
        self
    }

    fn ring(&mut self, extension: ExtensionIx) -> Vec<(LegKey, Rung)> {
        let Some(line) = self.switch.lines.get(self.line) else { return Vec::new() };
        let config = line.config.clone();
        let extension = config.extension(extension);
        let ways = self.switch.ways_to(&extension.number, &extension.devices);
        ways.into_iter().filter_map(|way| self.ring_device(&extension.number, way)).collect()
    }

    fn dial(&mut self, trunk: TrunkIx, ways: &mut Ways, dial: &DialPlan) -> Result<(LegKey, Rung), TrunkUnfit> {
        let line = self.switch.lines.get(self.line).ok_or(TrunkUnfit::Down)?;
        let config = line.config.clone();
        let trunk = config.trunk(trunk);
        // The config in force says where the trunk is now; the call's own says what it is called.
        let now = self.switch.means.config.trunk_by_name(&trunk.name).ok_or(TrunkUnfit::Down)?;
        let flow = match ways.tried {
            0 => self.first_way(trunk, now, ways, dial.emergency)?,
            _ => self.next_way(now, ways)?,
        };
        let number: Arc<str> = match &dial.number {
            Callee::Number(number) => config.site.numbering.write(*number, trunk.dials).into(),
            Callee::Verbatim(text) => text.clone(),
        };
        let invitation = self.trunk_invitation(trunk, &number, dial, flow).ok_or(TrunkUnfit::Down)?;
        let peer = Peer::Trunk(trunk.name.clone());
        let whom = match dial.mobile {
            Some(mobile) => Whom::Extension(config.extension(mobile.of).number.clone()),
            None => Whom::Trunk { trunk: trunk.name.clone(), number },
        };
        let dialled = self.invite(peer, whom, invitation).ok_or(TrunkUnfit::Down)?;
        if dial.mobile.is_none() {
            self.remember(dialled.0, &dial.number);
        }
        Ok(dialled)
    }

    fn divert(&mut self, by: ExtensionIx, to: &str, rang: bool) -> Result<RoutePlan, Vec<Reason>> {
        self.diversion(by, to, rang)
    }

    fn forwarded(&mut self, by: ExtensionIx, when: ForwardWhen, outside: bool) {
        self.follows_forward(by, when, outside);
    }

    fn order(&mut self, leg: LegKey, order: LegOrder) {
        // Whatever a caller hears beyond 100 waits for the disk, in order: who hangs up after an answer that still waits
        // is told to the caller after that answer.
        let waits = self.switch.legs.get(leg).is_some_and(Leg::is_unanswered)
            && !matches!(order, LegOrder::Reoffer(_) | LegOrder::Pass(_));
        let first_fact = self.switch.lines.get(self.line).map_or(0, |line| line.first_fact);
        if let LegOrder::Refuse { .. } = order {
            // What the peer has not heard yet is not said any more.
            self.switch.held.retain(|(_, held)| !matches!(held.answer, HeldAnswer::Order(to, _) if to == leg));
        }
        if waits && first_fact > self.switch.journaled {
            self.switch.hold(Held { fact: first_fact, answer: HeldAnswer::Order(leg, order) });
        } else {
            if waits {
                self.switch.tape_is_journaled(self.line);
            }
            self.switch.obey(leg, order);
        }
    }

    fn take_back_host(&mut self, leg: LegKey) -> bool {
        let is_ours = |order: &LegOrder| matches!(order, LegOrder::Host { .. } | LegOrder::Play { .. });
        let before = self.switch.held.len();
        let waits = |held: &Held| matches!(&held.answer, HeldAnswer::Order(to, order) if *to == leg && is_ours(order));
        self.switch.held.retain(|(_, held)| !waits(held));
        self.switch.held.len() < before
    }

    fn play(&mut self, leg: LegKey, sounds: &[Sound], repeat: bool) -> PlayKey {
        self.switch.means.plays += 1;
        let play = PlayKey(self.switch.means.plays);
        self.order(leg, LegOrder::Play { play, sounds: sounds.into(), repeat });
        play
    }

    fn record(&mut self, left: LegKey, right: Option<LegKey>, of: RecordingOf, until: Until) -> Option<TakeKey> {
        self.begin_take(left, right, of, until)
    }

    fn wants_record(&self, caller: LegKey, with: LegKey, group: Option<GroupIx>) -> bool {
        self.is_recorded(caller, with, group)
    }

    fn follow(&mut self, take: TakeKey, left: LegKey, right: LegKey) {
        self.take_follows(take, left, right);
    }

    fn pause_record(&mut self, take: TakeKey, paused: bool) {
        self.pause_take(take, paused);
    }

    fn end_record(&mut self, take: TakeKey) {
        self.switch.end_take(take);
    }

    fn bridge(&mut self, one: LegKey, other: LegKey) {
        // What was to be played before and still waits for the disk ends with it.
        let ends = |held: &Held| {
            let plays = |order: &LegOrder| matches!(order, LegOrder::Play { .. } | LegOrder::Hush);
            matches!(&held.answer, HeldAnswer::Order(to, order) if [one, other].contains(to) && plays(order))
        };
        self.switch.held.retain(|(_, held)| !ends(held));
        self.switch.bridge(one, other);
    }

    fn note(&mut self, fact: CallFact) {
        let Some(line) = self.switch.lines.get_mut(self.line) else { return };
        let number = self.switch.means.note(Fact::Call(line.id, fact));
        if line.first_fact == 0 {
            line.first_fact = number;
        }
        let tape = line.tape;
        self.switch.tape_notes_fact(tape);
    }

    fn set(&mut self, extension: ExtensionIx, setting: &crate::ivr::Setting) -> bool {
        let number = self.switch.lines.get(self.line).map(|line| line.config.extension(extension).number.clone());
        number.is_some_and(|number| self.switch.set(&number, setting))
    }

    fn open_mailbox(&mut self, by: Option<ExtensionIx>, whose: &Whose, pin: Option<&str>) -> Opened {
        let by = by.and_then(|by| Some(self.switch.lines.get(self.line)?.config.extension(by).number.clone()));
        self.switch.tape_notes(self.line, "mailbox");
        let opened = self.switch.open_mailbox(by.as_deref(), whose, pin);
        self.switch.tape_hides_keys(self.line, matches!(opened, Opened::AsksPin | Opened::WrongPin));
        opened
    }

    fn mark_message(&mut self, file: &Arc<str>, now: MessageState) {
        // What is gone meanwhile needs no mark.
        let _ = self.switch.mark_message(file, now);
    }

    fn entered(&mut self, group: GroupIx) {
        let Some(line) = self.switch.lines.get(self.line) else { return };
        let config = line.config.clone();
        let group = config.group(group);
        if group.order == Order::RoundRobin {
            let counter = self.switch.state.rotated(&group.name);
            self.switch.note_counter(counter);
        }
    }

    fn talked(&mut self, extension: ExtensionIx) {
        let Some(line) = self.switch.lines.get(self.line) else { return };
        let number = line.config.extension(extension).number.clone();
        let (day, at) = (self.switch.local_day(), self.switch.means.now.wall);
        let counter = self.switch.state.talked(&number, day, at);
        self.switch.note_counter(counter);
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.switch.means.note(Fact::Alarm(alarm));
    }

    fn taken(&mut self, extension: ExtensionIx, _by: LegKey) {
        let Some(line) = self.switch.lines.get(self.line) else { return };
        let extension = line.config.extension(extension);
        if !extension.call_waiting {
            self.switch.taken.push((extension.number.clone(), self.line));
        }
    }

    fn plan_transfer(&mut self, by: ExtensionIx, to: &str) -> Result<Arc<RoutePlan>, u16> {
        self.transfer_plan(by, to)
    }

    fn plan_return(&mut self, to: ExtensionIx) -> Option<Arc<RoutePlan>> {
        self.return_plan(to).map(Arc::new)
    }

    fn plan_wanted(&mut self, caller: LegKey, wanted: &Wanted) -> Arc<RoutePlan> {
        Arc::new(self.wanted_plan(caller, wanted))
    }

    fn join(&mut self, by: LegKey, consulted: &Replaced) -> Result<(), u16> {
        self.ask_to_join(by, consulted)
    }

    fn serve(&mut self, leg: LegKey) {
        self.serve_leg(leg);
    }

    fn is_settled(&self, leg: LegKey) -> bool {
        self.switch.legs.get(leg).is_some_and(Leg::is_settled)
    }

    fn session(&self, leg: LegKey) -> Option<Session> {
        self.switch.unheld(leg)
    }

    fn introduce(&mut self, leg: LegKey, with: LegKey) {
        if let Some(named) = self.named(with, leg) {
            self.switch.obey(leg, LegOrder::Introduce(named));
        }
    }

    fn pause(&mut self, leg: LegKey) -> Duration {
        // RFC 3261 §14.1: the side that chose the Call-ID waits longer, so that they do not cross again.
        let (least, steps) = match self.switch.legs.get(leg).is_some_and(Leg::is_invited) {
            true => (2100, 191),
            false => (0, 201),
        };
        Duration::from_millis(least + 10 * self.switch.means.entropy.below(steps))
    }
}

/// A device with the way to it.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) target: Uri,
    pub(super) routes: Vec<String>,
    pub(super) flow: Flow,
}

impl Way {
    fn of(binding: &crate::registrar::Binding) -> Way {
        Way {
            target: binding.contact.clone(),
            routes: binding.path.iter().map(|path| path.to_string()).collect(),
            flow: binding.flow,
        }
    }
}

impl House<'_> {
    pub(super) fn ring_device(&mut self, extension: &Arc<str>, way: Way) -> Option<(LegKey, Rung)> {
        let line = self.switch.lines.get(self.line)?;
        let told = self.switch.means.host.told(&way.flow);
        let offer = line.offer();
        let from = Named { display: offer.display.clone(), uri: shown(line, Host::Ip(told.ip())) };
        let asserted = (!offer.caller.anonymous).then(|| (HeaderName::PAssertedIdentity, from.clone()));
        let invitation = Invitation {
            to: Uri::sip(extension, Host::Ip(told.ip()), None),
            target: way.target,
            routes: way.routes,
            flow: way.flow,
            datagram: None,
            trunk: None,
            mobile: None,
            from,
            asserted,
            private: offer.caller.anonymous,
            max_forwards: offer.max_forwards,
            passed: line
                .carried(None, Host::Ip(told.ip()))
                .into_iter()
                .chain(answers_itself(line, told.ip()))
                .collect(),
            session: offer.session.clone(),
        };
        self.invite(Peer::Extension(extension.clone()), Whom::Extension(extension.clone()), invitation)
    }

    /// The way to a trunk that this call begins with. An emergency call tries what is full or down, too.
    fn first_way(
        &mut self,
        trunk: &crate::config::Trunk,
        now: TrunkIx,
        ways: &mut Ways,
        emergency: bool,
    ) -> Result<Flow, TrunkUnfit> {
        let full = trunk.max_calls.is_some_and(|most| self.switch.calls_on(&trunk.name) >= most);
        if full && !emergency {
            return Err(TrunkUnfit::Full);
        }
        let means = &self.switch.means;
        if !means.trunks.is_up(now) && !emergency {
            return Err(TrunkUnfit::Down);
        }
        ways.all = means.trunks.ways(now, &means.host, &means.servers, means.now);
        ways.all.first().copied().ok_or(TrunkUnfit::Down)
    }

    /// The way after the one that has just failed; the call has its place on the trunk already.
    fn next_way(&mut self, now: TrunkIx, ways: &Ways) -> Result<Flow, TrunkUnfit> {
        let (failed, next) = (ways.all.get(ways.tried - 1).copied(), ways.all.get(ways.tried).copied());
        let means = &mut self.switch.means;
        failed.into_iter().for_each(|way| means.trunks.failed_a_call(now, way, means.now));
        next.ok_or(TrunkUnfit::Down)
    }

    fn trunk_invitation(
        &self,
        trunk: &crate::config::Trunk,
        number: &str,
        dial: &DialPlan,
        flow: Flow,
    ) -> Option<Invitation> {
        let line = self.switch.lines.get(self.line)?;
        let config = &line.config;
        let server = trunk.server.uri_host()?;
        let confirm = dial.mobile.is_some_and(|mobile| mobile.confirm);
        let default = || {
            let did = config.did(trunk.default_did?);
            match &did.number {
                crate::config::DidNumber::Public(number) => Some(*number),
                crate::config::DidNumber::Verbatim(_) => None,
            }
        };
        let written = |number| config.site.numbering.write(number, trunk.dials);
        let own = dial.caller_id.or_else(default).map(written);
        // The mobile of an employee shows who calls, where the provider has said that it may.
        let caller = Some(&line.offer().caller).filter(|caller| dial.mobile.is_some() && !caller.anonymous);
        let original = caller.and_then(|caller| caller.number).filter(|_| trunk.original_caller).map(written);
        let shown = original.as_ref().or(own.as_ref());
        let account = trunk.from_user.as_deref().or(trunk.register.as_ref().map(|register| &*register.user));
        // What stands beside an asserted number is ours.
        let in_from = if trunk.identity_to == IdentityHeader::From { shown } else { own.as_ref() };
        let user = match (&trunk.from_user, in_from) {
            (Some(user), _) => user,
            (None, Some(number)) => number.as_str(),
            (None, None) => account.unwrap_or(&config.site.name),
        };
        let hidden = line.offer().direction == Direction::Outbound && line.offer().caller.anonymous;
        let named = |user: &str| Named { display: "".into(), uri: Uri::sip(user, server, None) };
        let header = match trunk.identity_to {
            IdentityHeader::From => None,
            IdentityHeader::Pai => Some(HeaderName::PAssertedIdentity),
            IdentityHeader::Rpid => Some(HeaderName::RemotePartyId),
        };
        let port = trunk.server.port;
        let target = Uri::sip(number, server, port);
        let target = match trunk.server.transport {
            None | Some(Transport::Udp) => target,
            Some(stream) => target.with_param("transport", stream.as_str()),
        };
        // RFC 3323 §4.1: `Privacy: id` takes back what is asserted; that From names nobody is for us to see to.
        let from = match hidden && header.is_some() && trunk.from_user.is_none() {
            true => Named { display: "Anonymous".into(), uri: nobody() },
            false => named(user),
        };
        Some(Invitation {
            to: Uri::sip(number, server, port),
            target,
            routes: Vec::new(),
            flow,
            datagram: None,
            trunk: Some(trunk.name.clone()),
            mobile: dial.mobile.map(|mobile| MobileOf {
                employee: config.extension(mobile.of).number.clone(),
                confirm: mobile.confirm,
            }),
            from,
            asserted: header.zip(shown).map(|(header, shown)| (header, named(shown))),
            private: hidden,
            max_forwards: line.offer().max_forwards,
            passed: match dial.mobile {
                Some(mobile) => line.carried_to_mobile(mobile.of, trunk, own.as_deref(), server),
                None => line.carried(Some((trunk, own.as_deref())), server),
            },
            // Whoever is asked speaks with us first, so what we offer is ours where the caller has offered nothing.
            session: line.offer().session.clone().or_else(|| confirm.then(session::offer)),
        })
    }

    fn invite(&mut self, peer: Peer, whom: Whom, invitation: Invitation) -> Option<(LegKey, Rung)> {
        let line = self.switch.lines.get(self.line)?;
        let (number, anchored) = (line.legs, line.anchored);
        let device: Arc<str> = invitation.target.as_str().into();
        let label = match &whom {
            Whom::Extension(extension) => extension.clone(),
            Whom::Trunk { trunk, .. } => trunk.clone(),
        };
        let key = self.switch.legs.reserve();
        let place = Place { key, call: self.line, number, anchored };
        match Leg::invited(place, peer, invitation, &mut self.switch.means) {
            Ok(leg) => {
                self.switch.index(key, &leg);
                self.switch.legs.fill(key, leg);
            }
            Err(refusal) => {
                tracing::debug!(device = &*device, ?refusal, "cannot be invited");
                self.switch.legs.remove(key);
                return None;
            }
        }
        let line = self.switch.lines.get_mut(self.line)?;
        line.legs += 1;
        line.open += 1;
        line.ladder.add_leg(label);
        self.switch.mark(key);
        Some((key, Rung { leg: number, whom, device }))
    }
}

/// To the phones of one who asked for a call: answer by yourself. Phones differ in which of the two they read.
fn answers_itself(line: &Line, us: std::net::IpAddr) -> Vec<(HeaderName, Bytes)> {
    if !line.auto_answer || line.served.is_some() {
        return Vec::new();
    }
    let us = Uri::sip("", Host::Ip(us), None);
    vec![
        (HeaderName::CallInfo, format!("<{}>;answer-after=0", us.as_str()).into()),
        (HeaderName::AlertInfo, Bytes::from_static(b"<http://www.notused.com>;info=alert-autoanswer;delay=0")),
    ]
}

/// Who wants to be nobody (RFC 3323 §4.1).
pub(super) fn nobody() -> Uri {
    Uri::sip("anonymous", Host::Name("anonymous.invalid"), None)
}

/// How the caller is shown to a phone: a number that can be dialled back.
fn shown(line: &Line, host: Host<'_>) -> Uri {
    let caller = &line.offer().caller;
    let own = caller.extension.filter(|_| line.offer().direction == Direction::Internal);
    if caller.anonymous {
        return nobody();
    }
    match (own, caller.number) {
        (Some(extension), _) => Uri::sip(&line.config.extension(extension).number, host, None),
        (None, Some(number)) => Uri::sip(&number.to_string(), host, None),
        (None, None) => Uri::sip(&caller.verbatim, host, None),
    }
}

impl Presence for House<'_> {
    fn of(&self, extension: ExtensionIx) -> Availability {
        match self.switch.lines.get(self.line) {
            Some(line) => {
                let extension = line.config.extension(extension);
                self.switch.tape_asks(self.line, extension);
                self.switch.availability(extension)
            }
            None => Availability::Unreachable,
        }
    }
}

/// Everybody as they are now, by the config in force: for a decision.
pub(super) struct Present<'a> {
    pub(super) switch: &'a Switch,
    /// The call that is being decided does not count.
    pub(super) without: Option<LegKey>,
}

impl Presence for Present<'_> {
    fn of(&self, extension: ExtensionIx) -> Availability {
        self.switch.availability(self.switch.means.config.extension(extension))
    }
}

impl Load for Present<'_> {
    fn on_trunk(&self, trunk: TrunkIx) -> u32 {
        let all = self.switch.calls_on(&self.switch.means.config.trunk(trunk).name);
        all - u32::from(self.without.is_some()).min(all)
    }

    fn on_did(&self, did: DidIx) -> u32 {
        let number = self.switch.means.config.did(did).number.to_string();
        self.switch.by_did.get(number.as_str()).map_or(0, |calls| *calls)
    }
}

impl Switch {
    /// Busy is derived from live legs: an answered one, or one that the employee is dialling.
    pub(super) fn availability(&self, extension: &crate::config::Extension) -> Availability {
        let legs = self.by_extension.get(&extension.number);
        let busy = || legs.is_some_and(|legs| legs.iter().any(|leg| self.legs.get(*leg).is_some_and(Leg::is_busy)));
        if !extension.call_waiting && busy() {
            return Availability::Busy;
        }
        let reachable = extension.devices.iter().any(|device| match device {
            DeviceRule::Sip => self.registrar.devices(&extension.number).next().is_some(),
            DeviceRule::Address(target) => self.way_to(target).is_some(),
            DeviceRule::Gsm { .. } => false,
        }) || self.reaches_a_mobile(&extension.number);
        if reachable { Availability::Free } else { Availability::Unreachable }
    }

    /// The way to a registered phone, while it can be rung.
    pub(super) fn way_to_binding(&self, key: crate::registrar::BindingKey) -> Option<Way> {
        self.registrar.get(key).filter(|binding| binding.reachable).map(Way::of)
    }

    /// The devices of an extension that can ring now, each with the way to it.
    pub(super) fn ways_to(&self, extension: &str, devices: &[DeviceRule]) -> SmallVec<[Way; 4]> {
        let mut ways = SmallVec::new();
        for device in devices {
            match device {
                DeviceRule::Sip => ways.extend(self.registrar.devices(extension).map(|(_, binding)| Way::of(binding))),
                DeviceRule::Address(target) => ways.extend(self.way_to(target)),
                // Called through a trunk, as any number outside.
                DeviceRule::Gsm { .. } => {}
            }
        }
        ways
    }

    fn way_to(&self, target: &crate::config::SipTarget) -> Option<Way> {
        let host = target.uri_host()?;
        let name = ServerName::from(target);
        let known = || self.means.servers.addresses(&name).first().copied();
        let (transport, address) = name.literal().or_else(known)?;
        let flow = self.means.host.flow(transport, address)?;
        let uri = Uri::sip(target.user.as_deref().unwrap_or_default(), host, target.port);
        Some(Way { target: uri, routes: Vec::new(), flow })
    }

    /// Calls on a trunk, both directions. What we have given up on takes no line any more, though its last word may be still
    /// to come: whoever is called next is called as `explain` says.
    pub(super) fn calls_on(&self, trunk: &Arc<str>) -> u32 {
        let legs = self.by_trunk.get(trunk).into_iter().flatten();
        let takes_a_line = |leg: &&Leg| leg.dialog_state() != DialogState::Terminated;
        legs.filter_map(|leg| self.legs.get(*leg)).filter(takes_a_line).count() as u32
    }

    /// Joins the media of two legs.
    pub(super) fn bridge(&mut self, one: LegKey, other: LegKey) {
        if let (Some(a), Some(b)) = (self.legs.get(one), self.legs.get(other)) {
            bridge((one, a.anchor()), (other, b.anchor()), &mut self.means);
        }
    }
}
