//! Who talked with the caller, from when to when: one rule for the call list, for windows on screens and for other
//! programs.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::fact::CallFact;

/// Who talked with the caller, from when to when.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Talker {
    /// The extension, or the number outside.
    pub who: String,
    /// From the answer on.
    pub from: Timestamp,
    /// Until somebody else took over or the call ended; `None` while it lasts.
    pub until: Option<Timestamp>,
}

/// The talkers of one call, in the order in which they began; after a transfer by the caller, everybody who talked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Talkers {
    list: Vec<Talker>,
    /// The one who called has handed the call on: whoever talked with them talks on.
    caller_left: bool,
    /// The leg of the one who called.
    caller: u16,
}

impl Talkers {
    /// The next step of the call's life. `who` names who is behind a leg.
    pub fn fold(&mut self, at: Timestamp, step: &CallFact, who: impl Fn(u16) -> String) {
        match step {
            CallFact::Answered { leg, human: true } => {
                if !self.caller_left {
                    self.hand_over(at);
                }
                self.begin(who(*leg), at);
            }
            CallFact::CallerAnswered { leg } => self.caller = *leg,
            CallFact::Transferred { by, .. } if *by == self.caller => {
                self.caller_left = true;
                let from = self.list.first().map_or(at, |first| first.from);
                self.list.push(Talker { who: who(*by), from, until: Some(at) });
            }
            CallFact::Transferred { by, .. } => {
                let who = who(*by);
                let talker = self.list.iter_mut().rev().find(|talker| talker.who == who);
                talker.into_iter().for_each(|talker| talker.until = talker.until.or(Some(at)));
            }
            CallFact::Returned { leg, .. } => self.begin(who(*leg), at),
            CallFact::Ended(_) => {
                let talkers = self.list.iter_mut().filter(|talker| talker.until.is_none());
                talkers.for_each(|talker| talker.until = Some(at));
            }
            _ => {}
        }
    }

    /// Everybody, in the order in which they began.
    pub fn list(&self) -> &[Talker] {
        &self.list
    }

    /// The same, to keep.
    pub fn into_list(self) -> Vec<Talker> {
        self.list
    }

    /// True while somebody talks.
    pub fn are_talking(&self) -> bool {
        self.list.iter().any(|talker| talker.until.is_none())
    }

    fn begin(&mut self, who: String, at: Timestamp) {
        self.list.push(Talker { who, from: at, until: None });
    }

    /// Whoever talks stops at this moment.
    fn hand_over(&mut self, at: Timestamp) {
        if let Some(talker) = self.list.last_mut().filter(|talker| talker.until.is_none()) {
            talker.until = Some(at);
        }
    }
}
