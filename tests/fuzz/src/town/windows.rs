//! What windows on screens are told of the town's calls: whoever is said to ring is said to have answered or to ring no
//! longer, and every call ends once, unless it went on as part of another one.

use std::collections::{BTreeMap, BTreeSet};

use huntline::clock::Timestamp;
use huntline::event::EventKind;
use huntline::event::gallery::Gallery;
use huntline::fact::Fact;
use huntline::key::CallId;

/// Somebody who follows everything.
#[derive(Default)]
pub struct Windows {
    gallery: Gallery,
    calls: BTreeMap<CallId, Window>,
}

#[derive(Default)]
struct Window {
    rings: BTreeSet<String>,
    merged: bool,
    ended: bool,
}

impl Windows {
    /// A fact is noted.
    pub fn notes(&mut self, fact: &Fact) {
        for told in self.gallery.follow(Timestamp::UNIX_EPOCH, fact, || None) {
            let Some(id) = told.call else { continue };
            let window = self.calls.entry(id).or_default();
            let list = |name: &str| told.data[name].as_array().cloned().unwrap_or_default();
            match told.kind {
                EventKind::CallRinging => {
                    for one in list("ringing") {
                        let who = one.as_str().unwrap().to_owned();
                        assert!(told.audience.has(&who), "{id}: {who} rings and may not know");
                        assert!(window.rings.insert(who), "{id}: {one} rings already: {fact:?}");
                    }
                    for one in list("withdrawn") {
                        let who = one["extension"].as_str().unwrap();
                        assert!(window.rings.remove(who), "{id}: {who} did not ring: {fact:?}");
                    }
                }
                EventKind::CallAnswered => _ = window.rings.remove(told.data["by"].as_str().unwrap()),
                EventKind::CallTransferred => window.merged |= told.data["into"].is_string(),
                EventKind::CallEnded => {
                    assert!(!std::mem::replace(&mut window.ended, true), "{id} ends twice on screens");
                    assert!(!window.merged, "{id} ends on screens, though it goes on");
                    assert!(window.rings.is_empty(), "{id} is over, and {:?} ring", window.rings);
                }
                _ => {}
            }
        }
    }

    /// Everything is over.
    pub fn lasts(&self) {
        for (id, window) in &self.calls {
            assert!(window.ended != window.merged, "{id} has not ended on screens");
            assert!(window.rings.is_empty(), "{id}: {:?} ring for ever on screens", window.rings);
        }
        assert!(self.gallery.live().is_empty(), "calls are left on the board");
    }
}
