//! How the relay's thread speaks itself: whose voice is due, and what an order makes of it.

use std::sync::Arc;

use super::exchange::Exchange;
use super::voice::Voice;
use crate::anchor::{EndpointKey, MediaEvent, PlayKey};
use crate::clock::{Duration, Instant};
use crate::media::digits;
use crate::sound::{Formats, Sound};

impl Exchange {
    /// Its peer hears these from now on, and its partner no more.
    pub(super) fn play(&mut self, key: EndpointKey, order: (PlayKey, Arc<[Sound]>, bool), now: Instant) {
        let Some(&place) = self.places.get(&key) else { return };
        let endpoint = &mut self.endpoints[place];
        let voice = endpoint.voice.get_or_insert_with(|| Box::new(Voice::new()));
        voice.play(order, &endpoint.formats, &self.library, now);
        self.appoint(place);
    }

    /// Nothing is played to it any more.
    pub(super) fn hush(&mut self, key: EndpointKey) {
        let Some(&place) = self.places.get(&key) else { return };
        if let Some(voice) = &mut self.endpoints[place].voice {
            voice.hush();
            self.appoint(place);
        }
    }

    /// A key is pressed for its peer.
    pub(super) fn dial(&mut self, key: EndpointKey, digit: char, length: Duration, now: Instant) {
        let (Some(&place), Some(code)) = (self.places.get(&key), digits::code(digit)) else { return };
        let endpoint = &mut self.endpoints[place];
        if endpoint.formats.send_events.is_none() {
            return tracing::debug!(leg = key.leg, %digit, "this peer has not agreed to hear keys");
        }
        let voice = endpoint.voice.get_or_insert_with(|| Box::new(Voice::new()));
        voice.dial(code, length, now);
        self.appoint(place);
    }

    /// What its peer and we speak from now on.
    pub(super) fn agree(&mut self, key: EndpointKey, formats: Formats) {
        let Some(&place) = self.places.get(&key) else { return };
        let endpoint = &mut self.endpoints[place];
        endpoint.formats = formats;
        if let Some(voice) = &mut endpoint.voice {
            voice.agree(&endpoint.formats, &self.library);
        }
    }

    /// Everybody whose voice is due says what is due.
    pub(super) fn take_turns(&mut self, now: Instant) {
        while let Some(place) = self.turns.pop_due(now) {
            let Some(endpoint) = self.endpoints.get_mut(place) else { continue };
            let Some(voice) = &mut endpoint.voice else { continue };
            let port = &endpoint.ports[0];
            let played = voice.go_on(&endpoint.formats, now, |packet| {
                if let Some(target) = port.latch.target() {
                    // Where this one cannot be sent, the next one follows in 20 ms.
                    let _ = port.socket.send_to(packet, target);
                }
            });
            let key = endpoint.key;
            self.appoint(place);
            if let Some(play) = played {
                (self.listener)(MediaEvent::Played { endpoint: key, play });
            }
        }
    }

    /// Notes when a voice is due next.
    fn appoint(&mut self, place: usize) {
        let Some(voice) = self.endpoints.get_mut(place).and_then(|endpoint| endpoint.voice.as_mut()) else { return };
        if let Some(turn) = voice.turn.take() {
            self.turns.cancel(turn);
        }
        voice.turn = voice.due().map(|due| self.turns.set(due, place));
    }
}
