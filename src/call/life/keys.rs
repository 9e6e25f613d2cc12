//! Keys in a talk: what an employee hands on by pressing `##` or `*2` and a number.
//!
//! From the code on, the other one hears music, and the employee a word; where it comes to nothing, a word why, and both hear
//! each other again.

use super::super::alphabet::{LegEvent, Legs};
use super::super::keys::{Keys, Pressed};
use super::super::party::Party;
use super::{Call, Stage};
use crate::clock::Instant;
use crate::config::TalkCode;
use crate::key::LegKey;
use crate::sound::{Sound, Tone};

impl Call {
    /// The key that an event is, where it comes from an employee who talks.
    pub(super) fn hear_talk_key(
        &mut self,
        who: Party,
        with: Party,
        event: &LegEvent,
        now: Instant,
        legs: &mut dyn Legs,
    ) {
        let key = match event {
            LegEvent::Digit(key) => Some(*key),
            LegEvent::Passed(passed) => passed.new_key(),
            // What was said to them is over.
            LegEvent::Played(play) if self.said == Some((who.leg, *play)) => return self.hear_each_other(legs),
            _ => None,
        };
        // Who is held hears music again after a word of ours.
        if let LegEvent::Played(_) = event
            && self.is_held_by(with)
        {
            legs.play(who.leg, &[Sound::Tone(Tone::Music)], true);
        }
        let Some(key) = key.filter(|_| who.extension.is_some()) else { return };
        let config = self.config.clone();
        let keys = match self.keys.iter().position(|keys| keys.leg == who.leg) {
            Some(at) => &mut self.keys[at],
            None => {
                self.keys.push(Keys::of(who.leg));
                self.keys.last_mut().expect("just pushed")
            }
        };
        if let Some(pressed) = keys.press(key, &config.features, now) {
            self.pressed(who, with, pressed, now, legs);
        }
    }

    /// When the pause after a key is long enough.
    pub(super) fn keys_deadline(&self) -> Option<Instant> {
        self.keys.iter().filter_map(Keys::deadline).min()
    }

    /// It is.
    pub(super) fn keys_are_due(&mut self, now: Instant, legs: &mut dyn Legs) {
        let mut at = 0;
        // What one has pressed may be the end of what the other has.
        while let Some(keys) = self.keys.get_mut(at) {
            let (leg, pressed) = (keys.leg, keys.due(now));
            at += 1;
            if let (Some(pressed), Some((who, with))) = (pressed, self.talkers(leg)) {
                self.pressed(who, with, pressed, now, legs);
            }
        }
    }

    /// Who talks on this leg, and with whom; also an employee who waits for whom they want to consult.
    fn talkers(&self, leg: LegKey) -> Option<(Party, Party)> {
        match self.stage {
            Stage::Talking { with, .. } if leg == self.caller.leg => Some((self.caller, with)),
            Stage::Talking { with, .. } if leg == with.leg => Some((with, self.caller)),
            Stage::Ringing if leg == self.caller.leg => Some((self.caller, self.caller)),
            _ => None,
        }
    }

    fn pressed(&mut self, who: Party, with: Party, pressed: Pressed, now: Instant, legs: &mut dyn Legs) {
        let consults = self.consult.is_some();
        match pressed {
            Pressed::Code(TalkCode::TransferAttended) if consults => {
                self.forget_keys();
                self.end_consult(legs);
            }
            // Two who have not met yet cannot be parted, and nobody is handed on twice.
            Pressed::Code(_) if consults || self.meeting.is_some() => self.forget_keys(),
            Pressed::Code(TalkCode::Transfer | TalkCode::TransferAttended) => {
                legs.play(with.leg, &[Sound::Tone(Tone::Music)], true);
                legs.play(who.leg, &[Sound::prompt("transfer")], false);
            }
            Pressed::Code(TalkCode::Record) => self.toggle_recording(who, legs),
            Pressed::Dialled(..) | Pressed::NoNumber if consults => {}
            Pressed::NoNumber => self.say_to_talker("invalid", who.leg, legs),
            Pressed::Dialled(code, to) => {
                let plan = who.extension.ok_or(403).and_then(|by| legs.plan_transfer(by, &to));
                match (plan, code) {
                    (Err(403), _) => self.say_to_talker("not-allowed", who.leg, legs),
                    (Err(_), _) => self.say_to_talker("invalid", who.leg, legs),
                    (Ok(plan), TalkCode::TransferAttended) => self.consult(who, with, &to, plan, now, legs),
                    (Ok(plan), _) => {
                        self.hand_on(who, with, &to, plan, now, legs);
                        self.tell_it_rings(who, legs);
                    }
                }
            }
        }
    }

    /// A word to one of two who talk, after which they hear each other.
    pub(super) fn say_to_talker(&mut self, prompt: &'static str, to: LegKey, legs: &mut dyn Legs) {
        let play = legs.play(to, &[Sound::prompt(prompt)], false);
        self.said = Some((to, play));
    }

    /// Two who talk do so again.
    pub(super) fn hear_each_other(&mut self, legs: &mut dyn Legs) {
        self.said = None;
        if let Stage::Talking { with, .. } = self.stage {
            legs.bridge(self.caller.leg, with.leg);
            self.play_music(legs);
        }
    }

    /// What was pressed has no more to do with what happens now.
    pub(super) fn forget_keys(&mut self) {
        self.keys.clear();
        self.said = None;
    }
}
