//! Taking over a call that rings elsewhere: a phone that saw it on a lamp sends an INVITE with Replaces (RFC 3891), or
//! somebody dials a code: `*8` for what rings in the own groups, `**12` for what rings at 12.
//!
//! The rule: every extension of the house may take over what rings at another one, and by `*8` what rings for a group in
//! which it is a member; nobody may take a talk away from those who have it, and nobody outside may take anything. What is
//! taken over stays the caller's one call with its one record: the picker's INVITE becomes a leg of it, and its winner.

use std::sync::Arc;

use super::tables::Switch;
use crate::call::{Crossing, Leg, Line, Peer, Place, session_of};
use crate::config::ExtensionIx;
use crate::fact::{Rung, Whom};
use crate::key::{CallKey, Flow, LegKey};
use crate::refusal::Refusal;
use crate::route::{Destined, Origin, PickUp};
use crate::sip::header::Replaces;
use crate::sip::{HeaderName, Message};
use crate::subscription::DialogState;
use crate::transaction::ServerKey;

/// A ringing call, and who takes it.
#[derive(Clone, Debug)]
pub(super) struct TakenOver {
    line: CallKey,
    by: Arc<str>,
}

impl Switch {
    /// The call that an INVITE is to take over; `None` where it is to begin one, and where nothing rings that could be
    /// taken by a dialled code.
    ///
    /// # Errors
    /// What RFC 3891 §3 says of a name that fits nothing, or nothing that may be taken.
    pub(super) fn taken_over(
        &self,
        invite: &Message,
        origin: Origin,
        dialled: &Destined,
    ) -> Result<Option<TakenOver>, Refusal> {
        let named = invite.header(HeaderName::Replaces);
        let Origin::Extension(extension) = origin else {
            return if named.is_some() { Err(Refusal::forbidden()) } else { Ok(None) };
        };
        let by = self.means.config.extension(extension).number.clone();
        let line = match (named, dialled) {
            (Some(value), _) => Some(self.replaced(value)?),
            (None, Destined::PickUp(PickUp::Group, _)) => self.longest(|line| rings_for_group_of(line, &by)),
            (None, Destined::PickUp(PickUp::From(whom), _)) => self.ringing_at(whom),
            (None, _) => None,
        };
        Ok(line.map(|line| TakenOver { line, by }))
    }

    /// The call whose ringing leg a Replaces header names.
    fn replaced(&self, value: &[u8]) -> Result<CallKey, Refusal> {
        let gone = Refusal::call_does_not_exist;
        let replaces = Replaces::read(value).map_err(|_| Refusal::bad_request("Unreadable Replaces"))?;
        let leg = self.leg_named(&replaces).and_then(|key| self.legs.get(key)).ok_or_else(gone)?;
        match leg.dialog_state() {
            DialogState::Early if is_rung(leg) && self.is_ringing(leg.call()) => Ok(leg.call()),
            DialogState::Confirmed if replaces.early_only => Err(Refusal::busy_here()),
            DialogState::Confirmed => Err(Refusal::forbidden()),
            // A dialog that the other side has begun is not ours to give away while it rings.
            DialogState::Trying | DialogState::Early | DialogState::Terminated => Err(gone()),
        }
    }

    fn is_ringing(&self, line: CallKey) -> bool {
        self.lines.get(line).and_then(|line| line.call.as_ref()).is_some_and(|call| {
            // Nobody takes over what a colleague asked for, while it rings at their own phones.
            call.is_ringing() && !call.is_summoning()
        })
    }

    /// The call that rings longest at this extension.
    fn ringing_at(&self, extension: &str) -> Option<CallKey> {
        let legs = self.by_extension.get(extension).into_iter().flatten();
        let ringing = |leg: &&Leg| is_rung(leg) && leg.dialog_state() != DialogState::Terminated;
        let lines: Vec<CallKey> = legs.filter_map(|leg| self.legs.get(*leg)).filter(ringing).map(Leg::call).collect();
        lines.into_iter().filter(|line| self.is_ringing(*line)).min_by_key(|line| self.age(*line))
    }

    /// The call that rings longest of all that are such.
    fn longest(&self, is_such: impl Fn(&Line) -> bool) -> Option<CallKey> {
        let lines = self.lines.iter().filter(|(_, line)| is_such(line));
        lines.map(|(key, _)| key).min_by_key(|line| self.age(*line))
    }

    fn age(&self, line: CallKey) -> Option<crate::clock::Instant> {
        self.lines.get(line).map(|line| line.ladder.began())
    }

    /// Takes a call over with an INVITE that came for it: true where that is done.
    ///
    /// # Errors
    /// 481 where it does not ring any more, 488 where the two could not hear each other, 400 and 500 as for any INVITE.
    pub(super) fn take_over(
        &mut self,
        taken: Option<TakenOver>,
        server: ServerKey,
        flow: Flow,
        invite: &Message,
    ) -> Result<bool, Refusal> {
        let Some(TakenOver { line: key, by }) = taken else { return Ok(false) };
        let line = self.lines.get(key).ok_or(Refusal::call_does_not_exist())?;
        let picker = line.config.extension_by_number(&by).ok_or(Refusal::forbidden())?;
        let offer = session_of(invite);
        let crossing = Crossing::of(line.offer().session.as_ref(), offer.as_ref())?;
        if line.call.as_ref().is_some_and(|call| call.is_up()) && !crossing.is_complete() {
            return Err(Refusal::not_acceptable_here());
        }
        let (number, anchored) = (line.legs, line.anchored);
        let (leg, opened) = (self.legs.reserve(), self.means.opened.len());
        let place = Place { key: leg, call: key, number, anchored };
        let made = Leg::offered(place, Peer::Extension(by.clone()), flow, server, invite.clone(), &mut self.means);
        let made = made.and_then(|mut made| {
            let expected = offer.map_or(Ok(()), |offer| made.expect(&offer, &mut self.means));
            // A leg that cannot be gives back what it holds already.
            expected.inspect_err(|_| made.close(&mut self.means))?;
            Ok(made)
        });
        match made {
            Ok(made) => self.legs.fill(leg, made),
            Err(refusal) => {
                self.legs.remove(leg);
                self.means.opened.truncate(opened);
                return Err(refusal);
            }
        }
        if let Some(line) = self.lines.get_mut(key) {
            line.legs += 1;
            line.open += 1;
            line.ladder.add_leg(by.clone());
        }
        self.by_extension.entry(by.clone()).or_default().push(leg);
        self.mark(leg);
        let rung = Rung { leg: number, whom: Whom::Extension(by), device: device(invite) };
        self.hand_over(key, leg, picker, rung, crossing);
        Ok(true)
    }

    fn hand_over(&mut self, line: CallKey, leg: LegKey, by: ExtensionIx, rung: Rung, crossing: Crossing) {
        self.with_call(line, |call, house| call.picked_up(by, leg, rung, crossing, house));
    }
}

/// True for the leg of a phone of ours that we have rung.
fn is_rung(leg: &Leg) -> bool {
    leg.is_invited() && leg.employee().is_some()
}

/// True where a call rings for a group in which this extension is a member.
fn rings_for_group_of(line: &Line, extension: &str) -> bool {
    let group = line.call.as_ref().and_then(|call| call.ringing_group()).map(|group| line.config.group(group));
    let member = line.config.extension_by_number(extension);
    group.zip(member).is_some_and(|(group, member)| group.members.contains(&member))
}

/// The phone that takes the call, as the record names the devices that it rings.
fn device(invite: &Message) -> Arc<str> {
    invite.address(HeaderName::Contact).map_or("", |contact| contact.uri.as_str()).into()
}
