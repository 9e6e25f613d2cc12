//! Everything that is no message: a new configuration, the state of before, reports of the edge, an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;

use super::tables::Switch;
use super::tapes::dialog_of;
use crate::anchor::{EndpointKey, MediaEvent};
use crate::call::LegEvent;
use crate::config::Config;
use crate::effect::Effect;
use crate::fact::{Alarm, Fact};
use crate::key::{CallKey, LegKey, Transport};
use crate::servers::ServerName;

impl Switch {
    /// A new configuration takes effect at once; calls in progress keep the one under which they began.
    pub(super) fn configure(&mut self, config: Arc<Config>) {
        self.means.config = config.clone();
        self.means.host.configure(&config);
        self.means.ports.configure(config.media.ports.0..=config.media.ports.1);
        for name in self.means.servers.configure(&config) {
            self.means.effects.push(Effect::Resolve(name));
        }
        self.doorkeeper.configure(&config, &self.means.servers);
        self.guard.configure(&config.guard);
        self.means.with_trunks(|trunks, ground| trunks.configure(&config, ground));
        let registers = |number: &str| {
            config.extension_by_number(number).is_some_and(|extension| config.extension(extension).registers())
        };
        let gone = self.registrar.retain(&mut self.means.deadlines, registers);
        for change in gone {
            self.note_binding(change);
        }
        self.end_foreign_subscriptions();
        self.count_all_messages();
        self.means.note(Fact::ConfigApplied { version: config.version.clone(), text: config.redacted.clone() });
    }

    /// A fact from before the restart.
    pub(super) fn restore(&mut self, fact: Fact) {
        let (now, deadlines) = (self.means.now, &mut self.means.deadlines);
        match &fact {
            Fact::Bound(bound) => self.registrar.restore(bound, now, deadlines),
            Fact::Unbound { extension, identity } => self.registrar.forget(extension, identity, deadlines),
            Fact::Banned(ban) => self.guard.restore(ban, now),
            fact => fact.fold(&mut self.state),
        }
    }

    pub(super) fn resolved(&mut self, name: &ServerName, addresses: Vec<(Transport, SocketAddr)>) {
        if self.means.servers.resolved(name, addresses) {
            self.doorkeeper.resolved(&self.means.config, &self.means.servers);
            self.means.with_trunks(|trunks, ground| trunks.resolved(name, ground));
        }
    }

    pub(super) fn media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Failed { endpoint, local, why } => {
                self.means.ports.quarantine(local.port(), self.means.now.mono);
                self.means.note(Fact::Alarm(Alarm::MediaPort { port: local.port(), why: why.to_string() }));
                let key = LegKey::from_bits(endpoint.leg);
                let event = self.legs.get_mut(key).and_then(|leg| leg.port_fails(endpoint.line));
                self.said.extend(event.map(|event| (key, event)));
            }
            MediaEvent::Closed { endpoint, port, counters } => {
                self.means.ports.give_back(port, self.means.now.mono);
                self.stream_closed(endpoint, &counters);
            }
            MediaEvent::Played { endpoint, play } => self.leg_says(endpoint, LegEvent::Played(play)),
            MediaEvent::Digit { endpoint, digit } => self.leg_says(endpoint, LegEvent::Digit(digit)),
            MediaEvent::FirstPacket { .. } => {}
            MediaEvent::Silent { endpoint } => self.leg_says(endpoint, LegEvent::Silent(true)),
            MediaEvent::HeardAgain { endpoint } => self.leg_says(endpoint, LegEvent::Silent(false)),
            MediaEvent::Spoke { take } => self.take_says(take, None),
            MediaEvent::Losing { take, why } => self.take_loses(take, why),
            MediaEvent::Recorded { take, taken } => self.take_says(take, Some(taken)),
        }
    }

    /// Something that a leg's peer has said or heard in its media.
    fn leg_says(&mut self, endpoint: EndpointKey, event: LegEvent) {
        let key = LegKey::from_bits(endpoint.leg);
        let Some(leg) = self.legs.get(key) else { return };
        let what = match &event {
            LegEvent::Digit('#') => "presses hash".to_owned(),
            LegEvent::Digit(_) if self.tape_hides(leg.call()) => "presses 0".to_owned(),
            LegEvent::Digit(digit) => format!("presses {digit}"),
            LegEvent::Silent(true) => "says nothing".to_owned(),
            LegEvent::Silent(false) => "is heard again".to_owned(),
            _ => "heard".to_owned(),
        };
        let (line, dialog) = (leg.call(), dialog_of(leg));
        self.tape_notes(line, &format!("voice {dialog} {what}"));
        let now = self.means.now.mono;
        if let LegEvent::Digit(digit) = event
            && !self.legs.get_mut(key).is_some_and(|leg| leg.hears_key(digit, now))
        {
            return;
        }
        self.said.push_back((key, event));
    }

    /// Ends all calls, so that a drain comes to its end.
    pub(super) fn end_all(&mut self) {
        let lines: Vec<CallKey> = self.lines.iter().map(|(key, _)| key).collect();
        let now = self.means.now.mono;
        for line in lines {
            self.tape_notes(line, "end all");
            self.with_call(line, |call, house| call.end(503, now, house));
        }
    }
}
