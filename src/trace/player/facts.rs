//! Facts of a play: in words, until a line speaks of them, and as the record of each call.

use std::collections::VecDeque;

use crate::clock::Now;
use crate::fact::{CallFact, Fact};
use crate::key::CallId;
use crate::tape::Taped;
use crate::trace::diary::Diary;
use crate::trace::export::Recorded;

/// A fact in words, and the call of which it is a decision.
pub(super) type Told = (String, Option<CallId>);

/// What happened so far.
#[derive(Default)]
pub(super) struct Facts {
    diary: Diary,
    /// No line has spoken of these.
    unsaid: VecDeque<Told>,
    /// Calls so far, with their facts.
    pub(super) recorded: Vec<Recorded>,
    /// Calls of which the trace does not speak: somebody is in a talk.
    hidden: Vec<CallId>,
}

impl Facts {
    /// The fact in words.
    pub(super) fn tell(&mut self, fact: &Fact) -> String {
        self.diary.tell(fact)
    }

    /// It waits for a line that speaks of it; one of a call goes on its record as well. `is_hidden`: the trace does not
    /// show what happens now.
    pub(super) fn keep(&mut self, fact: &Fact, told: String, now: Now, is_hidden: bool) {
        let Fact::Call(id, step) = fact else {
            self.unsaid.push_back((told, None));
            return;
        };
        if let CallFact::Offered(_) = step {
            if is_hidden {
                self.hidden.push(*id);
            }
            let (began, tape) = (now.wall, Taped::default());
            self.recorded.push(Recorded { id: *id, began, facts: Vec::new(), tape, also: Vec::new() });
        }
        if self.hidden.contains(id) {
            self.recorded.retain(|call| call.id != *id);
            return;
        }
        if let Some(call) = self.recorded.iter_mut().find(|call| call.id == *id) {
            match step {
                CallFact::Traced { tape, .. } => call.tape = tape.as_deref().cloned().unwrap_or_default(),
                step => call.facts.push(step.clone()),
            }
        }
        let decides = !matches!(step, CallFact::Rung(_) | CallFact::Traced { .. });
        self.unsaid.push_back((told, decides.then_some(*id)));
    }

    /// A line speaks of one: those before it that no line will speak of any more. `None` where there is no such fact.
    /// `apart`: of several calls each has its own order.
    pub(super) fn speak_of(&mut self, words: &str, apart: bool) -> Option<Vec<Told>> {
        let at = self.unsaid.iter().position(|(fact, _)| fact.contains(words))?;
        let rest = self.unsaid.split_off(at + 1);
        let mut before = std::mem::replace(&mut self.unsaid, rest);
        let (_, call) = before.pop_back()?;
        let (waits, passed): (Vec<_>, Vec<_>) =
            before.into_iter().partition(|(_, of)| apart && of.is_some() && *of != call);
        waits.into_iter().rev().for_each(|fact| self.unsaid.push_front(fact));
        Some(passed)
    }

    /// The next decision, which is not what a line says it is.
    pub(super) fn next_decision(&mut self) -> Option<String> {
        let at = self.unsaid.iter().position(|(_, call)| call.is_some())?;
        self.unsaid.remove(at).map(|(fact, _)| fact)
    }

    /// All of which no line has spoken.
    pub(super) fn unsaid(&self) -> impl Iterator<Item = &str> {
        self.unsaid.iter().map(|(fact, _)| fact.as_str())
    }

    /// … and no line will.
    pub(super) fn take_unsaid(&mut self) -> Vec<Told> {
        self.unsaid.drain(..).collect()
    }

    /// The call that began last, of those that are not over where there is one.
    pub(super) fn last_call(&self) -> Option<CallId> {
        let is_over = |call: &&Recorded| call.facts.iter().any(|fact| matches!(fact, CallFact::Ended(_)));
        let mut calls = self.recorded.iter().rev();
        calls.clone().find(|call| !is_over(call)).or_else(|| calls.next()).map(|call| call.id)
    }

    /// The trace begins here: what was before is none of its business.
    pub(super) fn begin(&mut self) {
        self.recorded.clear();
        self.unsaid.clear();
    }
}
