//! What a call saw of the house, as lines of the setting and of the ladder.

use std::net::SocketAddr;

use super::{Beginning, Copyist};
use crate::key::Transport;
use crate::tape::{self, Heard};
use crate::trace::notation::{KnownNumber, Line, Peer, Place, Step};

impl Copyist<'_> {
    /// `following`: what comes after it.
    pub(super) fn copy_world(&mut self, at: &str, call: u8, line: &str, following: &[&str]) {
        let words: Vec<&str> = line.split(' ').collect();
        // What a later call found was not there from the beginning.
        let later = self.begun.keys().any(|begun| *begun != call);
        match words[..] {
            ["first" | "now", name, ref busy @ ..] => {
                let asked = self.standing.contains_key(name);
                let changes = words[0] == "now" || asked;
                let is = !busy.is_empty() && !self.speaks_in_another(at, call, name, following);
                let was = std::mem::replace(&mut self.standing.entry(name.to_owned()).or_default().busy, is);
                self.told = Some((name.to_owned(), changes));
                match (changes, was, is) {
                    (false, _, true) => self.setting.busy.push(name.to_owned()),
                    (true, false, true) => self.meanwhile(at, vec![name.to_owned(), "busy".into()]),
                    (true, true, false) => self.meanwhile(at, vec![name.to_owned(), "free".into()]),
                    _ => {}
                }
                if words[0] == "first" && asked {
                    // Another call has asked before it, and what has changed since nobody said.
                    let told = following.iter().map_while(|entry| entry.strip_prefix('!')?.split_once(" phone "));
                    self.leaves(at, told.filter_map(|(_, phone)| phone.split(' ').next()).collect());
                }
            }
            ["phone", address, by, name, contact, ref path @ ..] => {
                let Ok(address) = address.parse() else { return };
                let by = if by == "tcp" { Transport::Tcp } else { Transport::Udp };
                let peer = Peer { name: name.to_owned(), device: self.device(name, address), call: String::new() };
                let path = path.iter().map(|path| (*path).to_owned()).collect();
                let place = Place { peer, address, by, contact: Some(contact.to_owned()), path };
                let stands = self.standing.entry(name.to_owned()).or_default();
                if stands.phones.contains(&place) {
                    return;
                }
                stands.phones.push(place.clone());
                if self.told.as_ref().is_some_and(|(_, changes)| *changes) {
                    let mut words = vec!["at".to_owned()];
                    words.extend(place.to_words());
                    self.meanwhile(at, words);
                } else {
                    self.setting.places.retain(|known| known.peer != place.peer);
                    self.setting.places.push(place);
                }
            }
            ["phones", ref addresses @ ..] => self.leaves(at, addresses.to_vec()),
            ["taken", name] if self.speaks_in_another(at, call, name, following) => {}
            ["taken", name] => {
                self.standing.entry(name.to_owned()).or_default().busy = true;
                self.meanwhile(at, vec![name.to_owned(), "taken".into()]);
            }
            ["voice", dialog, ref what @ ..] => {
                let speaks = |heard: &Heard| tape::mark(heard.names[0].as_bytes()).to_string() == dialog;
                let party = self.call.tape.parties.iter().position(speaks);
                if let Some(peer) = party.and_then(|party| self.peers.get(party)).cloned() {
                    self.pass(at);
                    self.add(Step::Voice { inward: true, peer, what: what.join(" ") });
                }
            }
            ["journal", "resumes"] => self.copy_journal(at, call),
            ["hang", "up"] | ["end", "all"] | ["record", _] | ["originate" | "transfer", ..] => {
                self.pass(at);
                self.add(Step::Admin(words.iter().map(|word| (*word).to_owned()).collect()));
            }
            ["customer", number, ..] if !self.setting.customers.iter().any(|known| known.number == number) => {
                let name = line["customer ".len() + number.len()..].trim().replace('"', "'");
                self.setting.customers.push(KnownNumber { number: number.to_owned(), name, responsible: None });
            }
            ["mailbox"] => {
                self.caveats.push("somebody listened to messages in it, and these are not in this trace".into())
            }
            ["lost"] => {
                self.caveats.push("a connection ended in it, and how its phone came back is not in this trace".into())
            }
            ["down", ..] => {
                let name = &line["down ".len()..];
                if !self.setting.down.iter().any(|known| known == name) {
                    self.setting.down.push(name.to_owned());
                }
            }
            ["counter" | "chance", ..] if later => {
                let (what, value) = line.split_once(' ').unwrap_or_default();
                self.admin(at, vec![what.to_owned(), value.to_owned()]);
            }
            ["counter", ..] => self.setting.counters.push(line["counter ".len()..].to_owned()),
            ["chance", chance] => self.setting.chance = chance.parse().ok(),
            ["override" | "away" | "forward" | "block", ..] => {
                let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
                if !later {
                    self.setting.before.push(words);
                } else if !self.is_known(&words) {
                    self.admin(at, words);
                }
            }
            _ => {}
        }
    }

    /// Of the phones of the one of whom was told last these are still there, the others are gone.
    fn leaves(&mut self, at: &str, addresses: Vec<&str>) {
        let Some((name, _)) = self.told.clone() else { return };
        let Some(stands) = self.standing.get_mut(&name) else { return };
        let is_gone = |place: &Place| !addresses.iter().any(|there| *there == place.address.to_string());
        let gone: Vec<Place> = stands.phones.iter().filter(|place| is_gone(place)).cloned().collect();
        stands.phones.retain(|place| !is_gone(place));
        for place in gone {
            self.meanwhile(at, vec![place.peer.to_string(), "gone".into()]);
        }
    }

    /// In the trace, too, they are busy by what they say in another of its calls, or begin to say now.
    fn speaks_in_another(&self, at: &str, call: u8, name: &str, following: &[&str]) -> bool {
        let elsewhere = |party: usize| {
            let heard = self.call.tape.parties.get(party).filter(|heard| heard.call != call);
            heard.and(self.peers.get(party)).is_some_and(|peer| peer.name == name)
        };
        // How the house stood is written a moment before that which made it so.
        let now = at.trim().parse().unwrap_or(0_u64) + 1;
        let mut next = following.iter().take_while(|entry| written(entry) <= now).filter_map(|entry| engages(entry));
        self.engaged.keys().any(|party| elsewhere(*party)) || next.any(elsewhere)
    }

    /// What stands in the trace of this schedule, colleague or number says the same.
    fn is_known(&self, words: &[String]) -> bool {
        // A colleague may forward each kind of calls elsewhere.
        let names = if words[0] == "forward" { 3 } else { 2 };
        let of = |known: &&Vec<String>| {
            known.len() > 1 && known[..names.min(known.len())] == words[..names.min(words.len())]
        };
        let said = self.lines.iter().filter_map(|line| match &line.step {
            Step::Admin(words) => Some(words),
            _ => None,
        });
        self.setting.before.iter().chain(said).rfind(of).is_some_and(|known| known == words)
    }

    fn admin(&mut self, at: &str, words: Vec<String>) {
        self.pass(at);
        self.add(Step::Admin(words));
    }

    fn meanwhile(&mut self, at: &str, words: Vec<String>) {
        self.pass(at);
        self.add(Step::Meanwhile(words));
    }

    /// Where the caller's answers waited for the disk, the disk waits in the trace as long.
    fn copy_journal(&mut self, at: &str, call: u8) {
        let Some(Beginning { line: begins, at: began, openings }) = self.begun.get(&call).copied() else { return };
        let heard = |line: &&Line| matches!(&line.step, Step::Message(spoken) if spoken.inward);
        if at.trim().parse() == Ok(began) && self.lines[begins..].iter().filter(heard).count() == openings {
            return;
        }
        self.pass(at);
        let journal = |what: &str| Step::Admin(vec!["journal".into(), what.into()]);
        self.lines.insert(begins, Line { number: 0, text: String::new(), step: journal("stalls") });
        self.begun.values_mut().filter(|other| other.line > begins).for_each(|other| other.line += 1);
        self.add(journal("resumes"));
    }

    fn device(&mut self, name: &str, at: SocketAddr) -> u8 {
        let key = (name.to_owned(), at);
        if let Some(device) = self.devices.get(&key) {
            return *device;
        }
        let used = self.devices.iter().filter(|((of, _), _)| of == name).map(|(_, device)| *device).max();
        let device = used.unwrap_or(0).saturating_add(1);
        self.devices.insert(key, device);
        device
    }
}

/// When an entry was written.
fn written(entry: &str) -> u64 {
    let (kind, rest) = entry.split_at(1);
    let at = if matches!(kind, "<" | ">") { rest.split_once(' ').map_or("", |(_, rest)| rest) } else { rest };
    at.split(|character: char| !character.is_ascii_digit()).next().and_then(|at| at.parse().ok()).unwrap_or(0)
}

/// The party that calls or answers in this entry.
fn engages(entry: &str) -> Option<usize> {
    let (party, rest) = entry.strip_prefix('<')?.split_once(' ')?;
    let (_, message) = rest.split_once('\n')?;
    let answers = message.starts_with('2') && message.split([' ', '\n']).nth(1) == Some("INVITE");
    (answers || message.starts_with("INVITE ")).then(|| party.parse().ok())?
}
