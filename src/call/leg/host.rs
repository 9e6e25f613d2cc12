//! The peer talks with us: our own session as the answer to its offer, and what is played to it.

use std::sync::Arc;

use super::super::alphabet::{LegEvent, LegOrder, Passed};
use super::super::means::Means;
use super::super::session::endpoint;
use super::keyways::KeyWay;
use super::{Leg, Reoffer, State, session_of};
use crate::anchor::{EndpointKey, MediaOrder, PlayKey};
use crate::clock::Instant;
use crate::effect::Effect;
use crate::sound::Sound;

impl Leg {
    /// [`LegOrder::Host`].
    pub(super) fn host(&mut self, answer: bool, means: &mut Means) -> Option<LegEvent> {
        if let Reoffer::Theirs { asked, request } = &self.reoffer {
            let (flow, offered) = (self.source(*asked, means), session_of(request));
            return match self.anchor.host(self.key, offered.as_ref(), &flow, means) {
                Ok(Some(ours)) if self.is_ours() => {
                    self.accept_reoffer(Some(ours), means);
                    Some(LegEvent::Hosted)
                }
                _ => Some(LegEvent::Unhosted(offered)),
            };
        }
        match &self.state {
            State::Offered { .. } => {
                let offered = self.anchor.heard().cloned();
                // Without an offer there is no early media: ours would be one, and nobody answers it before the 200.
                if offered.is_none() && !answer || self.anchor.has_failed() {
                    return Some(LegEvent::Unhosted(None));
                }
                let flow = self.flow;
                let Ok(Some(ours)) = self.anchor.host(self.key, offered.as_ref(), &flow, means) else {
                    return Some(LegEvent::Unhosted(None));
                };
                let failed = match answer {
                    true => self.obey(LegOrder::Answer(Some(ours)), means),
                    false => self.obey(LegOrder::Progress(Some(ours)), means),
                };
                // Who made no offer knows our codecs, and we not yet theirs: the ACK says them.
                failed.or(offered.is_some().then_some(LegEvent::Hosted))
            }
            State::Talking(_) => Some(match self.anchor.spoken() {
                Some(_) => LegEvent::Hosted,
                None => LegEvent::Unhosted(None),
            }),
            State::Inviting(_) | State::Leaving { .. } | State::Gone => None,
        }
    }

    /// A port of its could not be bound.
    pub fn port_fails(&mut self, line: u8) -> Option<LegEvent> {
        self.anchor.fails(line).then_some(LegEvent::Unheard)
    }

    /// A key comes as an RTP event; false where it has come in INFO already.
    pub fn hears_key(&mut self, key: char, now: Instant) -> bool {
        self.keys.is_news(KeyWay::Rtp, key, now)
    }

    /// The line on which its peer can be heard and spoken to by ourselves.
    pub fn spoken(&self) -> Option<EndpointKey> {
        self.anchor.spoken().map(|line| endpoint(self.key, line.into()))
    }

    /// The line on which its peer is heard, whatever it speaks; `None` where that does not pass us.
    pub fn voice(&self) -> Option<EndpointKey> {
        let line = self.anchor.spoken().or_else(|| self.anchor.audio());
        line.map(|line| endpoint(self.key, line.into()))
    }

    /// Its media passes us already, and the peer can hear us.
    fn is_ours(&self) -> bool {
        self.anchor.spoken().is_some()
    }

    /// Its media passes us from now on, whatever the config says.
    pub(super) fn relay(&mut self, means: &mut Means) {
        // What cannot pass is heard of with the next session.
        let _ = self.anchor.relay(self.key, &self.flow, means);
    }

    /// [`LegOrder::Play`]. Nobody waits for the end of what cannot be heard.
    pub(super) fn play(
        &mut self,
        play: PlayKey,
        sounds: Arc<[Sound]>,
        repeat: bool,
        means: &mut Means,
    ) -> Option<LegEvent> {
        let Some(line) = self.anchor.spoken() else {
            let unheard = if self.anchor.has_failed() { LegEvent::Unheard } else { LegEvent::Played(play) };
            return (!repeat).then_some(unheard);
        };
        let endpoint = endpoint(self.key, line.into());
        means.effects.push(Effect::Media(MediaOrder::Play { endpoint, play, sounds, repeat }));
        None
    }

    /// A key that one side presses by INFO reaches the other as an RTP event, where that is what the other has agreed to
    /// (RFC 4733); true where it does.
    pub(super) fn presses(&mut self, passed: &Passed, means: &mut Means) -> bool {
        let Some((digit, line)) = passed.key.zip(self.anchor.events()) else { return false };
        // The event itself has passed already.
        if passed.is_echo {
            return true;
        }
        let endpoint = endpoint(self.key, line.into());
        means.effects.push(Effect::Media(MediaOrder::Dial { endpoint, digit, length: passed.pressed() }));
        true
    }

    pub(super) fn hush(&mut self, means: &mut Means) {
        if let Some(line) = self.anchor.spoken() {
            means.effects.push(Effect::Media(MediaOrder::Hush { endpoint: endpoint(self.key, line.into()) }));
        }
    }
}
