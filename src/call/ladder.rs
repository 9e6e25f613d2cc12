//! What was said on the wire in one call, a line for each message, as an engineer draws it.

use std::fmt::Write;
use std::sync::Arc;

use super::leg::Step;
use crate::clock::Instant;

/// How many messages of one call are kept; a storm after that is only counted.
const KEPT: usize = 400;

/// The messages of a call, in order. They take a dozen bytes each until somebody wants to read them.
#[derive(Debug)]
pub struct Ladder {
    began: Instant,
    peers: Vec<Arc<str>>,
    steps: Vec<(u16, Step)>,
    left_out: u32,
}

impl Ladder {
    /// An empty ladder of a call that begins now.
    pub fn new(began: Instant) -> Ladder {
        Ladder { began, peers: Vec::new(), steps: Vec::new(), left_out: 0 }
    }

    /// When the call began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The next leg's number, and what its peer is called on the ladder.
    pub fn add_leg(&mut self, peer: Arc<str>) -> u16 {
        self.peers.push(peer);
        (self.peers.len() - 1) as u16
    }

    /// What was said on a leg.
    pub fn add_steps(&mut self, leg: u16, steps: &[Step]) {
        let room = KEPT.saturating_sub(self.steps.len()).min(steps.len());
        self.left_out += (steps.len() - room) as u32;
        self.steps.extend(steps[..room].iter().map(|step| (leg, *step)));
    }

    /// The lines: seconds since the call began, who to whom, what.
    pub fn text(&self) -> String {
        let mut steps = self.steps.clone();
        steps.sort_by_key(|(_, step)| (step.at, step.serial));
        let mut text = String::with_capacity(steps.len() * 40);
        for (leg, step) in steps {
            let peer = self.peers.get(usize::from(leg)).map_or("?", |peer| peer);
            let (from, to) = if step.inward { (peer, "us") } else { ("us", peer) };
            let millis = step.at.since(self.began).as_millis();
            // Each call pays for this: `write!` would take five times as long.
            let (mut seconds, mut rest) = (itoa::Buffer::new(), itoa::Buffer::new());
            let (seconds, rest) = (seconds.format(millis / 1000), rest.format(millis % 1000));
            text.extend([&"    "[seconds.len().min(4)..], seconds, ".", &"000"[rest.len()..], rest]);
            text.extend(["  ", from, " -> ", to, "  "]);
            if step.status != 0 {
                text.push_str(itoa::Buffer::new().format(step.status));
                text.push(' ');
            }
            text.push_str(step.method.as_str());
            text.push('\n');
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "          … and {} more", self.left_out);
        }
        text
    }
}
