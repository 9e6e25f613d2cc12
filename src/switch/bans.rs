//! Bans by hand, and the list of them.

use serde_json::{Value, json};

use super::tables::Switch;
use crate::clock::Timestamp;
use crate::fact::Fact;
use crate::guard::{Outcast, Source};

impl Switch {
    /// Who is kept out now.
    pub(super) fn bans(&self) -> Value {
        let ban = |(ban, left): (&crate::guard::Ban, crate::clock::Duration)| {
            json!({
                "whom": ban.whom.to_string(),
                "why": ban.why,
                "times": ban.times,
                "by_hand": ban.by_hand,
                "until": (ban.until != Timestamp::MAX).then_some(ban.until),
                "left_s": (ban.until != Timestamp::MAX).then_some(left.as_secs()),
            })
        };
        self.guard.bans(self.means.now.mono).map(ban).collect()
    }

    /// Keeps a source or an account out, until then or until somebody takes it back.
    pub(super) fn ban(&mut self, text: &str, until: Option<Timestamp>, why: &str) -> Result<Value, String> {
        let whom = Outcast::read(text);
        if until.is_some_and(|until| until <= self.means.now.wall) {
            return Err("the ban would be over already: it ends in the past".into());
        }
        if let Some(who) = self.is_never_banned(&whom) {
            return Err(format!("{whom} is never banned: {who}"));
        }
        let ban = self.guard.put(whom, until.unwrap_or(Timestamp::MAX), why, self.means.now);
        let answer = json!({ "whom": ban.whom.to_string(), "until": until });
        self.means.note(Fact::Banned(Box::new(ban)));
        Ok(answer)
    }

    /// Lets them in again, and forgets that they were banned.
    pub(super) fn unban(&mut self, text: &str) -> Result<Value, String> {
        let whom = Outcast::read(text);
        if !self.guard.unban(&whom, self.means.now.mono) {
            return Err(format!("{whom} is not banned; `huntline bans` lists who is"));
        }
        let answer = json!({ "whom": whom.to_string() });
        self.means.note(Fact::Unbanned { whom });
        Ok(answer)
    }

    /// Who is at this source, so that a ban of it would do nothing.
    fn is_never_banned(&self, whom: &Outcast) -> Option<String> {
        let Outcast::Source(source) = whom else { return None };
        let (first, last) = source.range();
        let trunk = self.means.trunks.who_is(first, None).or_else(|| self.means.trunks.who_is(last, None));
        if let Some(trunk) = trunk {
            return Some(format!("the trunk {} calls from there", self.means.config.trunk(trunk).name));
        }
        let bound = |source: Source| self.registrar.iter().find(|b| Source::of(b.flow.remote.ip()) == source);
        if let Some(binding) = bound(*source) {
            return Some(format!("a phone of {} is registered there", binding.extension));
        }
        if self.doorkeeper.is_device(first) {
            return Some("a device of ours is there".into());
        }
        self.means.config.guard.trusts(first).then(|| "guard.trusted names it".into())
    }
}
