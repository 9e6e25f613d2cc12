//! What was before the trace begins (who is registered, who is known, what an admin has said), and what happens beside it
//! of which it says no more than that.

use super::Player;
use super::hidden::{self, Talk};
use crate::customer::{CustomerIndex, Entry, Kind};
use crate::fact::Fact;
use crate::key::Transport;
use crate::switch::Input;
use crate::trace::notation::{Line, Peer, Place, Script, Step};

impl Player<'_> {
    pub(super) fn set_up(&mut self, script: &Script) -> Result<(), String> {
        let addresses = self.peers.network.own();
        let default = addresses.first().map(|(own, _)| *own);
        self.peers.host.found(addresses.clone(), default);
        self.input(Input::Host { addresses, default });
        self.input(Input::Configure(self.config.clone()));
        for peer in &script.setting.registered {
            match self.peers.network.speaks_tcp(peer) {
                true => self.play_hidden(&hidden::register(peer))?,
                false => self.restore(&self.peers.home_of(peer)),
            }
        }
        for place in script.setting.places.iter().filter(|place| place.contact.is_some()) {
            match place.by {
                Transport::Tcp => self.play_hidden(&hidden::register_at(place))?,
                Transport::Udp => self.restore(place),
            }
        }
        let customers = self.customers(script)?;
        self.input(Input::Customers(Box::new(customers)));
        for words in &script.setting.before {
            self.obey(words)?;
        }
        for peer in &script.setting.busy {
            self.begin_talk(peer)?;
        }
        for counter in &script.setting.counters {
            let counter = serde_json::from_str(counter).map_err(|error| format!("counter: {error}"))?;
            self.input(Input::Restore(Fact::Counted(counter)));
        }
        if let Some(chance) = script.setting.chance {
            self.input(Input::Chance(chance));
        }
        self.facts.begin();
        self.ladder.clear();
        Ok(())
    }

    fn customers(&self, script: &Script) -> Result<CustomerIndex, String> {
        let mut customers = CustomerIndex::default();
        for (at, customer) in script.setting.customers.iter().enumerate() {
            let number = self.config.site.numbering.read(&customer.number);
            let number = number.ok_or_else(|| format!("{:?} is no number", customer.number))?;
            let entry = Entry {
                id: &at.to_string(),
                kind: Kind::Contact,
                name: &customer.name,
                responsible: customer.responsible.as_deref(),
                changed: self.now.wall,
                numbers: &[number],
            };
            customers.upsert(&entry).map_err(|error| error.to_string())?;
        }
        Ok(customers)
    }

    fn restore(&mut self, place: &Place) {
        let bound = self.peers.bound(place, self.now);
        self.input(Input::Restore(Fact::Bound(Box::new(bound))));
    }

    /// Somebody is in a talk with a provider's line.
    fn begin_talk(&mut self, extension: &str) -> Result<(), String> {
        let (talk, lines) = Talk::with_provider(extension, self.talks.len(), &self.config)?;
        self.talks.push(Some(talk));
        self.play_hidden(&lines)
    }

    /// Somebody answers a colleague.
    fn take(&mut self, extension: &str) -> Result<(), String> {
        let speakers = self.peers.speakers();
        let (talk, lines) = Talk::with_colleague(extension, self.talks.len(), &self.config, &speakers)?;
        self.talks.push(Some(talk));
        self.play_hidden(&lines)
    }

    pub(super) fn play_hidden(&mut self, lines: &[String]) -> Result<(), String> {
        let sides = std::mem::take(&mut self.sides);
        self.is_hidden = true;
        let played = lines.iter().try_for_each(|text| {
            let line = Line { number: 0, text: text.clone(), step: Step::read(text)? };
            self.play_line(&line).map_err(|why| format!("{text}: {why}"))
        });
        self.is_hidden = false;
        self.sides = sides;
        played
    }

    /// Somebody did something of which the trace says no more than that.
    pub(super) fn meanwhile(&mut self, words: &[String]) -> Result<(), String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [who, "busy"] => self.begin_talk(who),
            [who, "free"] => {
                let mut talks = self.talks.iter_mut().filter(|talk| talk.as_ref().is_some_and(|talk| talk.who == who));
                let talk = talks.next().and_then(Option::take).ok_or_else(|| format!("{who} is free already"))?;
                self.play_hidden(&talk.end())
            }
            [who, "taken"] => self.take(who),
            [who, "gone"] => {
                let peer = Peer::read(who);
                let identity = format!("sip:{}@{}", peer.name, self.peers.network.home(&peer));
                self.input(Input::Restore(Fact::Unbound { extension: peer.name.as_str().into(), identity }));
                Ok(())
            }
            ["at", ref place @ ..] => {
                let place = Place::of_words(&place.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())?;
                self.peers.network.moves(&place);
                self.play_hidden(&hidden::register_at(&place))
            }
            _ => Err(format!("nobody can be {:?}", words.join(" "))),
        }
    }
}
