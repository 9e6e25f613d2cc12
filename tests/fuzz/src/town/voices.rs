//! What is heard in the town: the edge as far as sounds go, and what must hold of them.
//!
//! What is played comes to its end, unless something else was ordered meanwhile; who leaves a message speaks or does not, and
//! stops after a while; the disk is quick, slow or full.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use huntline::anchor::{EndpointKey, MediaEvent, MediaOrder, PlayKey, TakeKey, Taken};
use huntline::clock::Duration;
use huntline::fact::{CallFact, Fact, RecordingOf};
use huntline::key::CallId;

/// What the edge will say, if it is still true then.
pub enum Soon {
    Played(EndpointKey, PlayKey),
    Spoke(TakeKey),
    /// Nothing more is said.
    Falls(TakeKey),
    /// The file is whole.
    Filed(TakeKey, Taken),
}

#[derive(Default)]
pub struct Voices {
    /// What each endpoint's peer hears from us.
    plays: BTreeMap<EndpointKey, PlayKey>,
    played: BTreeSet<PlayKey>,
    /// Being written down; whether there is speech in it.
    takes: BTreeMap<TakeKey, bool>,
    begun: BTreeSet<TakeKey>,
    filed: BTreeSet<TakeKey>,
    /// Files that the record says were begun, and are whole.
    recordings: BTreeSet<Arc<str>>,
    recorded: BTreeSet<Arc<str>>,
    /// Calls in which a message was left.
    messages: BTreeSet<CallId>,
    counts: Counts,
}

/// How much was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What was played to its end.
    pub played: usize,
    /// Recordings of talks, and messages with and without speech.
    pub talks: usize,
    pub messages: usize,
    pub empty: usize,
}

impl Voices {
    /// An order to the edge; what follows from it, and when. `chance` gives numbers below another one.
    pub fn obeys(
        &mut self,
        order: &MediaOrder,
        is_open: impl Fn(&EndpointKey) -> bool,
        chance: &mut dyn FnMut(u64) -> u64,
    ) -> Vec<(Duration, Soon)> {
        let ms = Duration::from_millis;
        match order {
            MediaOrder::Play { endpoint, play, repeat, .. } => {
                assert!(self.played.insert(*play), "{play:?} is not news");
                if !is_open(endpoint) {
                    return Vec::new();
                }
                self.plays.insert(*endpoint, *play);
                let lasts = ms(if chance(3) == 0 { 400 } else { 1_000 + chance(8_000) });
                if *repeat { Vec::new() } else { vec![(lasts, Soon::Played(*endpoint, *play))] }
            }
            MediaOrder::Hush { endpoint } | MediaOrder::Close { endpoint } => {
                self.plays.remove(endpoint);
                Vec::new()
            }
            MediaOrder::Bridge { a, b } => {
                self.plays.remove(a);
                self.plays.remove(b);
                Vec::new()
            }
            MediaOrder::Record { take, until, .. } => {
                if self.begun.contains(take) {
                    assert!(self.takes.contains_key(take), "{take:?} is over, and goes on");
                    return Vec::new();
                }
                self.begun.insert(*take);
                self.takes.insert(*take, false);
                let mut soon = Vec::new();
                if chance(3) != 0 {
                    soon.push((ms(1_000 + chance(6_000)), Soon::Spoke(*take)));
                }
                if until.silence.is_some() {
                    soon.push((ms(500 + chance(20_000)), Soon::Falls(*take)));
                }
                soon
            }
            MediaOrder::EndRecord { take } => self.ends(*take, chance).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn ends(&mut self, take: TakeKey, chance: &mut dyn FnMut(u64) -> u64) -> Option<(Duration, Soon)> {
        let spoke = self.takes.remove(&take)?;
        let (slow, failed) = (chance(8) == 0, (chance(16) == 0).then_some(std::io::ErrorKind::StorageFull));
        let speech = Duration::from_millis(if spoke { 1_500 } else { 300 });
        let taken = Taken { length: Duration::from_secs(5), speech, failed, ..Taken::default() };
        Some((Duration::from_millis(if slow { 3_000 } else { 5 }), Soon::Filed(take, taken)))
    }

    /// What was to come has come: what the edge says of it, and what follows.
    pub fn comes(
        &mut self,
        soon: Soon,
        chance: &mut dyn FnMut(u64) -> u64,
    ) -> (Option<MediaEvent>, Option<(Duration, Soon)>) {
        match soon {
            Soon::Played(endpoint, play) if self.plays.get(&endpoint) == Some(&play) => {
                self.plays.remove(&endpoint);
                self.counts.played += 1;
                (Some(MediaEvent::Played { endpoint, play }), None)
            }
            Soon::Spoke(take) if self.takes.contains_key(&take) => {
                self.takes.insert(take, true);
                (Some(MediaEvent::Spoke { take }), None)
            }
            Soon::Falls(take) => (None, self.ends(take, chance)),
            Soon::Filed(take, taken) => {
                assert!(self.filed.insert(take));
                (Some(MediaEvent::Recorded { take, taken }), None)
            }
            Soon::Played(..) | Soon::Spoke(_) => (None, None),
        }
    }

    /// Its port could not be bound: the edge does nothing there, and says nothing.
    pub fn forget(&mut self, endpoint: &EndpointKey) {
        self.plays.remove(endpoint);
    }

    /// The record says something about what is written down.
    pub fn notes(&mut self, fact: &Fact) {
        match fact {
            Fact::Call(_, CallFact::Recording { file, .. }) => {
                assert!(self.recordings.insert(file.clone()), "{file} is begun twice");
            }
            Fact::Recorded(recorded) => {
                assert!(self.recordings.contains(&recorded.file), "{} was never begun", recorded.file);
                assert!(self.recorded.insert(recorded.file.clone()), "{} is whole twice", recorded.file);
                match (&recorded.of, recorded.is_empty()) {
                    (RecordingOf::Talk, _) => self.counts.talks += 1,
                    (RecordingOf::Message { .. }, true) => self.counts.empty += 1,
                    (RecordingOf::Message { .. }, false) => {
                        self.counts.messages += 1;
                        self.messages.insert(recorded.call);
                    }
                }
            }
            _ => {}
        }
    }

    /// True where its peer hears us.
    pub fn is_played_to(&self, endpoint: &EndpointKey) -> bool {
        self.plays.contains_key(endpoint)
    }

    /// Calls in which a message was left.
    pub fn messages(&self) -> &BTreeSet<CallId> {
        &self.messages
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What holds at rest.
    pub fn rest(&self) {
        assert!(self.plays.is_empty(), "somebody who is gone is still played to: {:?}", self.plays);
        assert!(self.takes.is_empty(), "still being written down: {:?}", self.takes);
        assert_eq!(self.begun, self.filed, "begun and filed");
        assert_eq!(self.recordings, self.recorded, "on record as begun, and as whole");
    }
}
