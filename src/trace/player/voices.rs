//! What is heard in a trace: the lines with `~>`, between peers and our own voice.
//!
//! `us ~> provider  hello` expects that the prompt `hello` is played to the provider, `provider ~> us  heard` says that all of
//! it has been, `14 ~> us  presses 1#` (a lone `#` is `hash`) and `speaks` and `falls silent` are what a peer does with its
//! keys and voice; so are `says nothing` (for half of `media.silence`) and `is heard again`; `sends 2500 packets` is what came
//! from it when its ports are closed. A trace
//! with one such line has all of them; without any, nobody listens.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::anchor::{Counters, EndpointKey, MediaEvent, MediaOrder, PlayKey, TakeKey, Taken};
use crate::clock::{Duration, Instant};
use crate::sip::Message;
use crate::sip::sdp::Sdp;
use crate::sound::{Sound, Tone};

/// Who hears what.
#[derive(Default)]
pub(super) struct Voices {
    ports: BTreeMap<EndpointKey, u16>,
    /// To whom a port of ours was told, in which dialog.
    told: Vec<(SocketAddr, String, EndpointKey)>,
    /// Played, and no line has spoken of it.
    played: VecDeque<(EndpointKey, String)>,
    last: BTreeMap<EndpointKey, PlayKey>,
    takes: BTreeMap<TakeKey, Writing>,
    /// How many packets came from each, where a line says so.
    packets: BTreeMap<EndpointKey, u64>,
}

struct Writing {
    of: EndpointKey,
    began: Instant,
    spoke: bool,
}

impl Writing {
    fn taken(&self, now: Instant) -> Taken {
        let length = now.since(self.began);
        let speech = if self.spoke { length.max(Duration::from_secs(1)) } else { Duration::ZERO };
        Taken { length, speech, ..Taken::default() }
    }
}

impl Voices {
    /// What the edge says at once to an order.
    pub(super) fn order(&mut self, order: &MediaOrder, now: Instant) -> Option<MediaEvent> {
        match order {
            MediaOrder::Open { endpoint, local } => {
                self.ports.insert(*endpoint, local.port());
            }
            MediaOrder::Play { endpoint, play, sounds, .. } => {
                let names: Vec<String> = sounds.iter().map(name).collect();
                self.played.push_back((*endpoint, names.join(", ")));
                self.last.insert(*endpoint, *play);
            }
            MediaOrder::Hush { endpoint } => {
                self.played.push_back((*endpoint, "quiet".to_owned()));
                self.last.remove(endpoint);
            }
            MediaOrder::Dial { endpoint, digit, .. } => self.played.push_back((*endpoint, format!("dials {digit}"))),
            MediaOrder::Bridge { a, b } => {
                self.last.remove(a);
                self.last.remove(b);
            }
            MediaOrder::Record { take, left, .. } => {
                let writing = self.takes.entry(*take).or_insert(Writing { of: *left, began: now, spoke: false });
                writing.of = *left;
            }
            MediaOrder::EndRecord { take } => {
                let writing = self.takes.remove(take)?;
                return Some(MediaEvent::Recorded { take: *take, taken: writing.taken(now) });
            }
            MediaOrder::Close { endpoint } => {
                self.last.remove(endpoint);
                let port = self.ports.remove(endpoint)?;
                let packets = self.packets.remove(endpoint).unwrap_or_default();
                let counters = Counters { packets, forwarded: packets, ..Counters::default() };
                return Some(MediaEvent::Closed { endpoint: *endpoint, port, counters });
            }
            MediaOrder::Expect { .. }
            | MediaOrder::Unbridge { .. }
            | MediaOrder::Agree { .. }
            | MediaOrder::Pause { .. } => {}
        }
        None
    }

    /// A message tells a peer ports of ours.
    pub(super) fn tells(&mut self, to: SocketAddr, message: &Message) {
        let Some(sdp) = message.sdp() else { return };
        let Ok(sdp) = Sdp::read(sdp) else { return };
        for media in &sdp.media {
            let endpoint = self.ports.iter().find(|(_, port)| **port == media.port).map(|(endpoint, _)| *endpoint);
            let told = endpoint.map(|endpoint| (to, message.call_id().to_owned(), endpoint));
            self.told.extend(told.filter(|told| !self.told.contains(told)));
        }
    }

    /// The endpoint of a peer at this address, in this dialog: the one that speaks.
    pub(super) fn of(&self, home: SocketAddr, call_id: &str) -> Option<EndpointKey> {
        let mut endpoints = self.told.iter().rev().filter(|(to, dialog, _)| *to == home && dialog == call_id);
        let first = endpoints.next().map(|(_, _, endpoint)| *endpoint);
        let others = endpoints.map(|(_, _, endpoint)| *endpoint);
        first.into_iter().chain(others).max_by_key(|endpoint| self.last.contains_key(endpoint)).or(first)
    }

    /// What was played to this peer and not spoken of, the first of it.
    pub(super) fn take(&mut self, endpoint: EndpointKey) -> Option<String> {
        let at = self.played.iter().position(|(to, _)| *to == endpoint)?;
        self.played.remove(at).map(|(_, what)| what)
    }

    /// What was played and not spoken of.
    pub(super) fn unsaid(&self) -> Option<&str> {
        self.played.front().map(|(_, what)| what.as_str())
    }

    /// What a peer does, as the edge reports it.
    pub(super) fn does(
        &mut self,
        endpoint: EndpointKey,
        words: &[&str],
        now: Instant,
    ) -> Result<Vec<MediaEvent>, String> {
        match *words {
            ["heard"] => {
                let play = self.last.remove(&endpoint).ok_or("nothing is played to it")?;
                Ok(vec![MediaEvent::Played { endpoint, play }])
            }
            ["says", "nothing"] => Ok(vec![MediaEvent::Silent { endpoint }]),
            ["sends", packets, "packets"] => {
                let packets = packets.parse().map_err(|_| format!("{packets:?} is no number"))?;
                self.packets.insert(endpoint, packets);
                Ok(Vec::new())
            }
            ["is", "heard", "again"] => Ok(vec![MediaEvent::HeardAgain { endpoint }]),
            ["presses", ref keys @ ..] if !keys.is_empty() => {
                // A lone `#` begins a comment.
                let keys: String = keys.iter().map(|word| if *word == "hash" { "#" } else { word }).collect();
                Ok(keys.chars().map(|digit| MediaEvent::Digit { endpoint, digit }).collect())
            }
            ["speaks"] => {
                let (take, writing) = self.writing(endpoint)?;
                writing.spoke = true;
                Ok(vec![MediaEvent::Spoke { take }])
            }
            ["falls", "silent"] => {
                let (take, writing) = self.writing(endpoint)?;
                let taken = writing.taken(now);
                self.takes.remove(&take);
                Ok(vec![MediaEvent::Recorded { take, taken }])
            }
            _ => Err(format!("nobody can {:?}", words.join(" "))),
        }
    }

    fn writing(&mut self, endpoint: EndpointKey) -> Result<(TakeKey, &mut Writing), String> {
        let writing = self.takes.iter_mut().find(|(_, writing)| writing.of == endpoint);
        writing.map(|(take, writing)| (*take, writing)).ok_or_else(|| "nothing of it is written down".to_owned())
    }
}

/// A sound as a trace names it.
fn name(sound: &Sound) -> String {
    match sound {
        Sound::Prompt(name, _) => name.to_string(),
        // A recording's name has chance in it.
        Sound::File(_) => "a recording".into(),
        Sound::Tone(Tone::Ringback) => "ringback".into(),
        Sound::Tone(Tone::Busy) => "busy tone".into(),
        Sound::Tone(Tone::Beep) => "beep".into(),
        Sound::Tone(Tone::Music) => "music".into(),
        Sound::Digits(digits) => digits.chars().map(String::from).collect::<Vec<_>>().join(" "),
        Sound::Silence(_) => "silence".into(),
    }
}
