//! Recordings that run: what is ordered of the edge, and what is put on record when it is done.

use std::sync::Arc;

use super::house::House;
use super::tables::{Running, Switch};
use super::tapes::dialog_of;
use crate::anchor::{MediaOrder, TakeKey, Taken, Until};
use crate::call::{Leg, Legs, Peer};
use crate::config::{GroupIx, Talk};
use crate::effect::Effect;
use crate::fact::{Alarm, CallFact, Fact, Recorded, RecordingOf};
use crate::key::LegKey;

impl House<'_> {
    /// See [`Legs::record`](crate::call::Legs::record).
    pub(super) fn begin_take(
        &mut self,
        left: LegKey,
        right: Option<LegKey>,
        of: RecordingOf,
        until: Until,
    ) -> Option<TakeKey> {
        let switch = &mut *self.switch;
        let endpoint = |leg: LegKey| switch.legs.get(leg)?.voice();
        let speaker = left;
        let (left, right) = (endpoint(left)?, right.map(endpoint));
        // Where one side's media does not pass us there is nothing to be written of it.
        let right = right.map_or(Some(None), |right| right.map(Some))?;
        let line = switch.lines.get(self.line)?;
        let (now, zone) = (switch.means.now.wall, line.config.site.timezone.clone());
        let day = now.to_zoned(zone);
        switch.takes.last += 1;
        let take = TakeKey(switch.takes.last);
        let begins = match &of {
            RecordingOf::Talk => format!("recordings/{}", day.strftime("%Y-%m-%d/%H%M%S")),
            RecordingOf::Message { mailbox } => {
                format!("voicemail/{}/{}", as_folder(mailbox), day.strftime("%Y-%m-%d-%H%M%S"))
            }
        };
        let file: Arc<str> = format!("{begins}-{}-{}.wav", line.id, take.0).into();
        let (call, from) = (line.id, line.from.clone());
        let dialog = dialog_of(switch.legs.get(speaker)?);
        let running = Running {
            line: self.line,
            call,
            file: file.clone(),
            of: of.clone(),
            from,
            began: now,
            dialog,
            ended: false,
        };
        switch.takes.running.insert(take, running);
        self.note(CallFact::Recording { file: file.clone(), of });
        self.switch.means.effects.push(Effect::Media(MediaOrder::Record { take, left, right, file, until }));
        Some(take)
    }
}

/// A running recording of a talk.
impl House<'_> {
    /// See [`Legs::wants_record`].
    pub(super) fn is_recorded(&self, caller: LegKey, with: LegKey, group: Option<GroupIx>) -> bool {
        let switch = &*self.switch;
        let Some(line) = switch.lines.get(self.line) else { return false };
        let config = &line.config;
        let peers = [with, caller].map(|leg| switch.legs.get(leg).map(Leg::employee));
        let extensions = peers.map(|number| config.extension_by_number(number??));
        let trunk = [caller, with].into_iter().find_map(|leg| match switch.legs.get(leg)?.peer() {
            Peer::Trunk(trunk) => config.trunk_by_name(trunk),
            Peer::Extension(_) => None,
        });
        let did = line.did.as_ref().and_then(|did| config.did_written(did));
        config.records(&Talk { outside: trunk.is_some(), extensions, group, did, trunk })
    }

    /// See [`Legs::follow`].
    pub(super) fn take_follows(&mut self, take: TakeKey, left: LegKey, right: LegKey) {
        let endpoint = |leg: LegKey| self.switch.legs.get(leg)?.voice();
        let (Some(left), right) = (endpoint(left), endpoint(right)) else { return };
        let Some(running) = self.switch.takes.running.get(&take) else { return };
        let (file, until) = (running.file.clone(), Until::default());
        self.switch.means.effects.push(Effect::Media(MediaOrder::Record { take, left, right, file, until }));
    }

    /// See [`Legs::pause_record`].
    pub(super) fn pause_take(&mut self, take: TakeKey, paused: bool) {
        let Some(running) = self.switch.takes.running.get(&take) else { return };
        let file = running.file.clone();
        self.note(CallFact::RecordingPaused { file, paused });
        self.switch.means.effects.push(Effect::Media(MediaOrder::Pause { take, paused }));
    }
}

impl Switch {
    pub(super) fn end_take(&mut self, take: TakeKey) {
        if let Some(running) = self.takes.running.get_mut(&take) {
            running.ended = true;
        }
        self.means.effects.push(Effect::Media(MediaOrder::EndRecord { take }));
    }

    /// The edge says that a recording has speech in it, or what became of it.
    pub(super) fn take_says(&mut self, take: TakeKey, taken: Option<Taken>) {
        let Some(running) = self.takes.running.get(&take) else { return };
        let line = running.line;
        let what = match taken {
            None => Some("speaks"),
            // By order it is no news.
            Some(_) => Some("falls silent").filter(|_| !running.ended),
        };
        if let Some(what) = what {
            let text = format!("voice {} {what}", running.dialog);
            self.tape_notes(line, &text);
        }
        if let Some(taken) = taken
            && let Some(running) = self.takes.running.remove(&take)
        {
            let Running { call, file, of, from, began, .. } = running;
            let ms = |span: crate::clock::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            self.means.note(Fact::Recorded(Box::new(Recorded {
                call,
                file,
                of,
                from,
                began,
                length_ms: ms(taken.length),
                speech_ms: ms(taken.speech),
                lost_ms: ms(taken.lost),
                failed: taken.failed.map(|why| why.to_string()),
            })));
        }
        let now = self.means.now.mono;
        self.with_call(line, |call, house| call.hear_take(take, taken, now, house));
    }

    pub(super) fn take_loses(&mut self, take: TakeKey, why: std::io::ErrorKind) {
        if let Some(running) = self.takes.running.get(&take) {
            let file = running.file.clone();
            self.means.note(Fact::Alarm(Alarm::RecordingLoses { file, why: why.to_string() }));
        }
    }
}

/// A box's name as the name of a folder.
fn as_folder(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect()
}
