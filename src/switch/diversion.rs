//! Where a phone sends its calls instead (302), or its employee forwards them, and how whoever is called then is told of it
//! (RFC 5806).

use std::sync::Arc;

use bytes::Bytes;

use super::house::House;
use crate::call::{Diverter, Line};
use crate::config::{Config, DidNumber, ExtensionIx, ForwardWhen, Trunk};
use crate::number::PhoneNumber;
use crate::route::{Caller, Destined, Direction, Origin, Reason, RoutePlan, decide};
use crate::sip::{HeaderName, Host, Uri};

impl House<'_> {
    /// What comes of it: read and allowed as if this employee had dialled it. Nobody sends callers to an emergency number.
    pub(super) fn diversion(&mut self, by: ExtensionIx, to: &str, rang: bool) -> Result<RoutePlan, Vec<Reason>> {
        let line = self.switch.lines.get(self.line).ok_or_else(Vec::new)?;
        let config = line.config.clone();
        let dialled = Destined::from_inside(&config, to);
        if let Destined::Emergency(number) = &dialled {
            return Err(vec![Reason::Emergency(number.clone())]);
        }
        if let Destined::Feature(feature, _) = &dialled {
            return Err(vec![Reason::Feature(feature.to_string().into())]);
        }
        let caller = Caller::inside(&config, by);
        let plan = self.decide_here(&config, Origin::Extension(by), &caller, &dialled, decide);
        if plan.refusal().is_some() {
            return Err(plan.because);
        }
        if plan.direction == Direction::Outbound {
            let day = self.switch.local_day();
            let counter = self.switch.state.calling_outside(&config.extension(by).number, day);
            self.switch.note_counter(counter);
        }
        if let Some(line) = self.switch.lines.get_mut(self.line) {
            line.diverter = Some(Diverter { by, reason: if rang { "deflection" } else { "unconditional" } });
        }
        Ok(plan)
    }

    /// The plan has come to where this employee forwards the call; outside that counts as a call of theirs.
    pub(super) fn follows_forward(&mut self, by: ExtensionIx, when: ForwardWhen, outside: bool) {
        let reason = match when {
            ForwardWhen::Always => "unconditional",
            ForwardWhen::Busy => "user-busy",
            ForwardWhen::NoAnswer => "no-answer",
        };
        let Some(line) = self.switch.lines.get_mut(self.line) else { return };
        line.diverter = Some(Diverter { by, reason });
        if outside {
            let (number, day) = (line.config.extension(by).number.clone(), self.switch.local_day());
            let counter = self.switch.state.calling_outside(&number, day);
            self.switch.note_counter(counter);
        }
    }
}

impl Line {
    /// The headers that are carried across, with who diverted the call last on top (RFC 5806 §4.3). A trunk is told a
    /// number that it knows: the employee's own, else the one we call with.
    pub(super) fn carried(&self, trunk: Option<(&Trunk, Option<&str>)>, host: Host<'_>) -> Vec<(HeaderName, Bytes)> {
        let mut passed = self.offer().passed.clone();
        let Some(Diverter { by, reason }) = self.diverter else { return passed };
        let config = &self.config;
        let user = match trunk {
            None => Some(config.extension(by).number.clone()),
            Some((trunk, own)) => {
                let personal =
                    personal_number(config, by).map(|number| config.site.numbering.write(number, trunk.dials));
                personal.or(own.map(str::to_owned)).map(Arc::from)
            }
        };
        if let Some(user) = user {
            put_on_top(&mut passed, &user, host, reason);
        }
        passed
    }

    /// The same towards the mobile of an employee, with the number that was called: the DID, else the employee's own, else
    /// the one we call with.
    pub(super) fn carried_to_mobile(
        &self,
        employee: ExtensionIx,
        trunk: &Trunk,
        own: Option<&str>,
        host: Host<'_>,
    ) -> Vec<(HeaderName, Bytes)> {
        let mut passed = self.carried(Some((trunk, own)), host);
        let called = self.did.as_ref().and_then(|did| did.parse::<PhoneNumber>().ok());
        let called = called.or_else(|| personal_number(&self.config, employee));
        let called = called.map(|number| self.config.site.numbering.write(number, trunk.dials));
        if let Some(user) = called.as_deref().or(own) {
            put_on_top(&mut passed, user, host, "follow-me");
        }
        passed
    }
}

fn put_on_top(passed: &mut Vec<(HeaderName, Bytes)>, user: &str, host: Host<'_>, reason: &str) {
    let value = format!("<{}>;reason={reason};counter=1", Uri::sip(user, host, None).as_str());
    let first = passed.iter().position(|(name, _)| *name == HeaderName::Diversion).unwrap_or(passed.len());
    passed.insert(first, (HeaderName::Diversion, value.into()));
}

fn personal_number(config: &Config, of: ExtensionIx) -> Option<PhoneNumber> {
    config.did_of(of).and_then(|ix| match &config.did(ix).number {
        DidNumber::Public(number) => Some(*number),
        DidNumber::Verbatim(_) => None,
    })
}
