//! Line by line: what is done to us, and what is expected of us.

use bytes::Bytes;

use super::Player;
use super::expected::{Expected, first_line, wanted};
use super::order::{Desk, Order};
use crate::anchor::EndpointKey;
use crate::clock::Duration;
use crate::config::MediaMode;
use crate::fact::{CallFact, Fact};
use crate::hypothesis::Hypothesis;
use crate::key::Flow;
use crate::sip::Message;
use crate::switch::{Input, Question};
use crate::trace::notation::{Line, Peer, Spoken, Step};

impl Player<'_> {
    pub(super) fn play_line(&mut self, line: &Line) -> Result<(), String> {
        match &line.step {
            Step::Message(spoken) if spoken.inward => self.play_message(line, spoken),
            Step::Message(spoken) => self.expect_message(line, spoken),
            Step::Pass(span) => self.play_pass(*span),
            Step::Between(from, until) => self.play_between(*from, *until),
            Step::Lost(peers) => {
                self.check_nothing_unsaid()?;
                for flow in peers.iter().flat_map(|peer| self.peers.network.lose(peer)).collect::<Vec<_>>() {
                    self.input(Input::FlowClosed(flow));
                }
                Ok(())
            }
            Step::Voice { inward: true, peer, what } => self.play_voice(line, peer, what),
            Step::Voice { inward: false, peer, what } => self.expect_voice(line, peer, what),
            Step::Fact(words) => self.expect_fact(line, words),
            Step::Meanwhile(words) => self.meanwhile(words),
            Step::Admin(words) => {
                self.refused = None;
                self.obey(words)
            }
            Step::Refused(words) => self.expect_refusal(line, words),
            Step::Explain { from, to, answer } => self.explain(from, to, answer),
        }
    }

    /// A line into us.
    fn play_message(&mut self, line: &Line, spoken: &Spoken) -> Result<(), String> {
        if !self.is_hidden {
            self.check_nothing_unsaid()?;
        }
        for peer in &spoken.peers {
            match self.peers.say(peer, spoken) {
                Ok((flow, bytes)) => {
                    self.sides.add(self.now, line, None);
                    self.deliver(peer, flow, &bytes);
                }
                Err(why) => self.fails_to_do(line, why)?,
            }
        }
        Ok(())
    }

    /// A peer cannot do what a line says, because it answers what it was not asked: where both sides are compared, the ladder
    /// has left its way long before.
    fn fails_to_do(&mut self, line: &Line, why: String) -> Result<(), String> {
        if !self.sides.are_compared() {
            return Err(why);
        }
        self.sides.add(self.now, line, Some(format!("({why})")));
        Ok(())
    }

    fn deliver(&mut self, peer: &Peer, flow: Flow, bytes: &Bytes) {
        let input = match Message::parse(bytes.clone()) {
            Ok(message) => {
                self.draw(&format!("{peer} -> us   {}", first_line(&message)));
                Input::Message { flow, message }
            }
            Err(malformed) => Input::Malformed { flow, malformed },
        };
        self.input(input);
    }

    /// A line from us.
    fn expect_message(&mut self, line: &Line, spoken: &Spoken) -> Result<(), String> {
        for peer in &spoken.peers {
            match (self.expect(peer, spoken), self.sides.are_compared()) {
                (Ok(()), _) => self.sides.add(self.now, line, None),
                (Err((_, done)), true) => self.sides.add(self.now, line, Some(done)),
                (Err((why, _)), false) => return Err(why),
            }
        }
        Ok(())
    }

    /// The earliest message to this peer that no line has spoken of must be what the line says. If not: why, and what
    /// happened in its place.
    fn expect(&mut self, peer: &Peer, spoken: &Spoken) -> Result<(), (String, String)> {
        let address = self.peers.network.home(peer);
        self.peers.enter(peer);
        let found = self.sent.iter().position(|sent| sent.to == address && self.peers.is_meant(peer, &sent.message));
        let Some(sent) = found.and_then(|at| self.sent.remove(at)) else {
            return Err((format!("nothing is sent to {peer}; expected {}", wanted(spoken)), String::new()));
        };
        // What it hears may be what a hole in the same line is filled with.
        self.peers.hear(peer, &sent.message);
        let expected = Expected {
            peer,
            spoken: &self.peers.filled(spoken, peer),
            transport: self.peers.transport(peer, spoken),
            sessions: &self.peers.sessions,
            is_relayed: self.config.media.mode == MediaMode::Relay,
            was_seen: self.seen.iter().any(|(to, bytes)| *to == sent.to && bytes == sent.message.bytes()),
        };
        let done = || format!("us -> {peer}  {}", first_line(&sent.message));
        expected.check(&sent).map_err(|why| (why.clone(), format!("{} ({why})", done())))?;
        self.seen.push((address, sent.message.bytes().clone()));
        Ok(())
    }

    fn play_pass(&mut self, span: Duration) -> Result<(), String> {
        self.check_nothing_unsaid()?;
        self.pass(span);
        let (now, late) = (self.now.mono, self.late);
        match self.sent.iter().find(|sent| sent.at + late < now && !self.sides.are_compared()) {
            Some(early) => Err(format!("{} left {:?} earlier", first_line(&early.message), now - early.at)),
            None => Ok(()),
        }
    }

    /// Something leaves within these bounds.
    fn play_between(&mut self, from: Duration, until: Duration) -> Result<(), String> {
        self.check_nothing_unsaid()?;
        self.pass(from);
        self.check_nothing_unsaid()?;
        let end = self.now.mono + (until - from);
        while self.sent.is_empty() {
            let next = self.switch.deadline().filter(|at| *at <= end);
            let next = next.ok_or("nothing leaves within these bounds")?;
            self.pass(next.since(self.now.mono));
        }
        Ok(())
    }

    /// What a peer does with its keys and voice.
    fn play_voice(&mut self, line: &Line, peer: &Peer, what: &str) -> Result<(), String> {
        let endpoint = self.endpoint(peer)?;
        let words: Vec<&str> = what.split_whitespace().collect();
        match self.voices.does(endpoint, &words, self.now.mono) {
            Ok(does) => does.into_iter().for_each(|event| self.input(Input::Media(event))),
            Err(why) => return self.fails_to_do(line, why),
        }
        self.sides.add(self.now, line, None);
        Ok(())
    }

    /// What a peer hears of us.
    fn expect_voice(&mut self, line: &Line, peer: &Peer, what: &str) -> Result<(), String> {
        let endpoint = self.endpoint(peer)?;
        match self.voices.take(endpoint) {
            Some(played) if played == what => self.sides.add(self.now, line, None),
            Some(played) if self.sides.are_compared() => {
                self.sides.add(self.now, line, Some(format!("us ~> {peer}  {played}")));
            }
            Some(played) => return Err(format!("{peer} hears {played:?}; expected {what:?}")),
            None => return Err(format!("{peer} hears nothing; expected {what:?}")),
        }
        Ok(())
    }

    /// The port of ours that a peer speaks with.
    fn endpoint(&self, peer: &Peer) -> Result<EndpointKey, String> {
        let endpoint = self.voices.of(self.peers.network.home(peer), self.peers.call_id(peer));
        endpoint.ok_or_else(|| format!("{peer} knows no port of ours"))
    }

    fn expect_fact(&mut self, line: &Line, words: &str) -> Result<(), String> {
        match self.facts.speak_of(words, self.is_whole) {
            Some(passed) => {
                self.check_no_decision_unsaid(passed);
                self.sides.add(self.now, line, None);
                Ok(())
            }
            None if self.sides.are_compared() => {
                let next = self.facts.next_decision().map(|fact| format!("fact  {fact}"));
                self.sides.add(self.now, line, Some(next.unwrap_or_default()));
                Ok(())
            }
            None => {
                let facts: Vec<&str> = self.facts.unsaid().collect();
                Err(format!("no fact says {words:?}; there is:\n  {}", facts.join("\n  ")))
            }
        }
    }

    fn expect_refusal(&mut self, line: &Line, words: &str) -> Result<(), String> {
        let why = self.refused.take();
        match why.as_ref().is_some_and(|why| why.contains(words)) {
            true => self.sides.add(self.now, line, None),
            false if self.sides.are_compared() => self.sides.add(self.now, line, why),
            false => return Err(format!("the order was refused with {why:?}")),
        }
        Ok(())
    }

    /// An admin does something, or something else comes from outside.
    pub(super) fn obey(&mut self, words: &[String]) -> Result<(), String> {
        let (config, network) = (&self.config, &self.peers.network);
        let desk = Desk { config, network, now: self.now, last_call: self.facts.last_call() };
        match desk.read(words)? {
            Order::Ask(question) => self.ask(question),
            Order::Input(input) => self.input(*input),
            Order::Stall => self.stalled = Some(0),
            Order::Resume => {
                if let Some(number) = self.stalled.take() {
                    self.input(Input::Journaled(number));
                }
            }
            Order::Clock(wall) => self.now.wall = wall,
        }
        Ok(())
    }

    fn ask(&mut self, question: Question) {
        self.questions += 1;
        self.input(Input::Question { number: self.questions, question });
    }

    /// What `explain --live` says now. The next call must be decided so.
    fn explain(&mut self, from: &str, to: &str, expected: &[String]) -> Result<(), String> {
        let hypothesis = Hypothesis { from: from.into(), to: to.into(), ..Hypothesis::default() };
        self.ask(Question::Explain(Box::new(hypothesis)));
        let answer = self.answer.take().ok_or("nothing is explained")?;
        let text = answer["text"].as_str().unwrap_or_default();
        let said: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        if said != *expected {
            return Err(format!("explain says\n    {}", said.join("\n    ")));
        }
        // What the walk finds before anybody rings belongs to the first fact as well.
        let mut because = answer["because"].as_array().cloned().unwrap_or_default();
        let first = answer["timetable"].get(0).filter(|moment| moment["after_ms"] == 0);
        let first = first.and_then(|moment| moment["what"].as_array()).into_iter().flatten();
        because.extend(first.filter_map(|happening| happening.get("because").cloned()));
        self.explained = Some((answer["order"].clone(), because.into()));
        Ok(())
    }

    /// A call is decided as it was explained before.
    pub(super) fn check_explained(&mut self, fact: &Fact) {
        let Fact::Call(_, CallFact::Offered(offered)) = fact else { return };
        let Some((order, because)) = self.explained.take() else { return };
        let decided = (serde_json::to_value(&offered.considered), serde_json::to_value(&offered.because));
        if !matches!(&decided, (Ok(is), Ok(why)) if *is == order && *why == because) {
            self.broken = Some(format!("explained was\n{order}\n{because}\nand decided is\n{decided:?}"));
        }
    }
}
