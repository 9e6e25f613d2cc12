//! Forwards that employees have set: who is rung, or called outside, instead of an extension or after it.
//!
//! A forward counts where the extension is itself whom the call is for, never where it rings as a member of a group or as
//! a deputy, and not while it is absent: an absence comes first. It takes the place of the extension's own `busy`,
//! `no_answer` and `unreachable`, with their precedence. It leads where the employee could call at that moment; where it
//! does not lead anywhere, or goes round, the extension is rung as if it were not set.

use super::{After, Draft, Own};
use crate::clock::Duration;
use crate::config::{Destination, DidIx, ExtensionIx, ForwardWhen};
use crate::number::PhoneNumber;
use crate::route::plan::{Callee, DialPlan, Forwarded, Next, Step, StepIx};
use crate::route::reason::{Reason, Rule};
use crate::route::ring;
use crate::route::situation::Destined;

/// The forwards that have led to where a plan is.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) forwarded: Forwarded,
    passed: Vec<ExtensionIx>,
}

impl<'a> Draft<'a> {
    /// Rings one extension, or where it forwards all its calls. `ring_time`: where the place says how long.
    pub(super) fn ring(&mut self, extension: ExtensionIx, ring_time: Option<Duration>, after: After) -> Option<StepIx> {
        self.ring_along(extension, ring_time, after, Chain::default())
    }

    fn ring_along(
        &mut self,
        extension: ExtensionIx,
        ring_time: Option<Duration>,
        after: After,
        mut chain: Chain,
    ) -> Option<StepIx> {
        match self.follow(extension, ForwardWhen::Always, ring_time, after, &mut chain) {
            Some(step) => Some(step),
            None => self.ring_itself(extension, ring_time, after, chain.forwarded),
        }
    }

    /// What comes after an extension: its forward, else what the config says.
    pub(super) fn forward_or(
        &mut self,
        extension: ExtensionIx,
        when: ForwardWhen,
        own: &[Destination],
        after: After,
    ) -> Option<StepIx> {
        match self.follow(extension, when, None, after, &mut Chain::default()) {
            Some(step) => Some(step),
            None => self.list(own, after),
        }
    }

    /// The step to which an extension's forward leads; `None`: there is none, or it leads nowhere.
    fn follow(
        &mut self,
        extension: ExtensionIx,
        when: ForwardWhen,
        ring_time: Option<Duration>,
        after: After,
        chain: &mut Chain,
    ) -> Option<StepIx> {
        let situation = self.situation;
        let who = self.name(extension);
        let to = situation.state.forward_of(&who, when)?;
        if situation.present(extension) != Ok(extension) {
            return None;
        }
        let destined = Destined::from_inside(situation.config, to);
        self.say(chain, Reason::Forwards { who: who.clone(), when, to: to.clone() });
        chain.passed.push(extension);
        let before = chain.forwarded.by.replace((extension, when));
        let found = match destined {
            Destined::Extension(next) => {
                let goes_round = chain.passed.contains(&next) || situation.caller.extension == Some(next);
                if goes_round { Err(Reason::GoesRound(who)) } else { Ok(Ok(next)) }
            }
            Destined::Did(did) if self.dids.contains(&did) => Err(Reason::GoesRound(who)),
            Destined::Did(did) => Ok(Err(self.forward_to_did(did, after, chain))),
            Destined::Number(number) => self.forward_outside(extension, number, ring_time, after, chain).map(Err),
            Destined::Emergency(text) => Err(Reason::Emergency(text)),
            Destined::PickUp(..) | Destined::Feature(..) | Destined::Unreadable(_) => {
                Err(Reason::UnknownNumber(to.clone()))
            }
        };
        match found {
            Ok(Ok(next)) => self.ring_along(next, ring_time, after, std::mem::take(chain)),
            Ok(Err(step)) => step,
            Err(why) => {
                self.say(chain, why);
                chain.forwarded.by = before;
                None
            }
        }
    }

    fn say(&mut self, chain: &mut Chain, reason: Reason) {
        if !self.considered.iter().any(|considered| considered.found == reason) {
            self.note(Rule::Plan, reason.clone());
        }
        chain.forwarded.because.push(reason);
    }

    /// What a DID of ours rings now.
    fn forward_to_did(&mut self, did: DidIx, after: After, chain: &mut Chain) -> Option<StepIx> {
        self.dids.push(did);
        let open = self.hours(did).open;
        let (to, _): (Vec<Destination>, _) = self.answer(did, open);
        let count = self.steps.len();
        let start = self.list(&to, after)?;
        // Only what was made for this forward is reached by it.
        match self.steps.get_mut(start.index()).filter(|_| start.index() >= count) {
            Some(Step::Ring(ring)) => ring.forwarded = std::mem::take(&mut chain.forwarded),
            Some(Step::Dial(dial)) => dial.forwarded.because = std::mem::take(&mut chain.forwarded.because),
            _ => {}
        }
        Some(start)
    }

    /// Somebody outside, as far as the employee may call there.
    ///
    /// # Errors
    /// Why not.
    fn forward_outside(
        &mut self,
        by: ExtensionIx,
        number: PhoneNumber,
        ring_time: Option<Duration>,
        after: After,
        chain: &mut Chain,
    ) -> Result<Option<StepIx>, Reason> {
        let rule = self.may_call(by, number)?;
        let trunks = self.free_trunks(rule);
        if trunks.is_empty() {
            return Err(Reason::NoFreeTrunk);
        }
        let destination = Destination::Number(number);
        let (count, forwarded) = (self.steps.len(), std::mem::take(&mut chain.forwarded));
        let step = self.place(destination.clone(), after, forwarded, |_, forwarded| {
            Step::Dial(DialPlan {
                destination: Some(destination),
                number: Callee::Number(number),
                trunks,
                caller_id: rule.caller_id,
                patience: Some(ring_time.unwrap_or(ring::RING_TIME)),
                emergency: false,
                mobile: None,
                forwarded,
                next: Next::default(),
            })
        });
        if let Some(step) = step.filter(|step| step.index() >= count) {
            self.open.push_back((step, Own::Nothing, after));
        }
        Ok(step)
    }
}
