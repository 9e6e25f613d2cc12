//! The world of a trace: who takes part besides us, where each of them is, and what each has heard and said.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::{Duration, Now};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::host::Host;
use crate::key::{Flow, Transport};
use crate::registrar::Bound;
use crate::servers::ServerName;
use crate::sip::{HeaderName, Message, Method};
use crate::trace::actor::Actor;
use crate::trace::network::Network;
use crate::trace::notation::{Peer, Place, Script, Spoken, Step};

/// Everybody besides us.
pub(super) struct Peers {
    config: Arc<Config>,
    pub(super) network: Network,
    actors: BTreeMap<Peer, Actor>,
    /// What they offer and answer, by its name in the trace.
    pub(super) sessions: BTreeMap<String, String>,
    /// Our own address, as each of them sees it.
    pub(super) host: Host,
    entropy: Entropy,
    /// Trunks that answer our OPTIONS and REGISTER with 503.
    down: Vec<String>,
    /// The script speaks of these itself: they are not answered behind its back.
    scripted: Vec<Method>,
}

impl Peers {
    /// Those of a script, none of whom has said anything.
    pub(super) fn new(script: &Script, config: Arc<Config>) -> Peers {
        let scripted = script.lines.iter().filter_map(|line| match &line.step {
            Step::Message(spoken) if !spoken.inward => Some(Method::read(spoken.method.as_deref()?.as_bytes())),
            _ => None,
        });
        Peers {
            network: Network::new(config.clone(), &script.setting),
            actors: BTreeMap::new(),
            sessions: script.setting.sessions.iter().cloned().collect(),
            host: Host::new(&config),
            entropy: Entropy::seeded([9; 32], 0),
            down: script.setting.down.clone(),
            scripted: scripted.collect(),
            config,
        }
    }

    /// How a message travels.
    pub(super) fn transport(&self, peer: &Peer, spoken: &Spoken) -> Transport {
        match spoken.over_tcp || self.network.speaks_tcp(peer) {
            true => Transport::Tcp,
            false => Transport::Udp,
        }
    }

    /// Says a line of the script to us: its bytes, and the flow on which they come.
    pub(super) fn say(&mut self, peer: &Peer, spoken: &Spoken) -> Result<(Flow, Bytes), String> {
        let flow = self.network.flow(peer, self.transport(peer, spoken));
        self.enter(peer);
        let spoken = self.filled(spoken, peer);
        let actor = self.actors.get_mut(peer).ok_or("who?")?;
        actor.flow = flow;
        Ok((flow, actor.say(&spoken, &mut self.entropy)?))
    }

    /// Hears a message of ours.
    pub(super) fn hear(&mut self, peer: &Peer, message: &Message) {
        if let Some(actor) = self.actors.get_mut(peer) {
            actor.hear(message);
        }
    }

    /// From here on they take part.
    pub(super) fn enter(&mut self, peer: &Peer) {
        if self.actors.contains_key(peer) {
            return;
        }
        let flow = self.network.flow(peer, Transport::Udp);
        let extension = self.config.extension_by_number(&peer.name).map(|ix| self.config.extension(ix));
        let password = extension.and_then(|extension| extension.password.as_ref()).map(|secret| secret.expose());
        let actor = Actor::new(flow, self.network.listens(peer), &peer.to_string(), &peer.name, password);
        self.actors.insert(peer.clone(), actor);
    }

    /// True for a message of the dialog they are in; for one of a dialog in which nobody is yet, if they are in none.
    pub(super) fn is_meant(&self, peer: &Peer, message: &Message) -> bool {
        let own = self.call_id(peer);
        match own.is_empty() {
            true => {
                let mut others = self.actors.iter().filter(|(other, _)| *other != peer);
                !others.any(|(_, actor)| actor.call_id == message.call_id())
            }
            false => own == message.call_id(),
        }
    }

    /// The Call-ID of the dialog they are in; empty where there is none.
    pub(super) fn call_id(&self, peer: &Peer) -> &str {
        self.actors.get(peer).map(|actor| actor.call_id.as_str()).unwrap_or_default()
    }

    /// The line with its holes filled.
    pub(super) fn filled(&self, spoken: &Spoken, peer: &Peer) -> Spoken {
        let mut filled = spoken.clone();
        if spoken.inward
            && let Some(session) = spoken.session.as_ref().and_then(|name| self.sessions.get(name))
        {
            filled.body = Some(session.clone());
        }
        let home = self.network.home(peer);
        let transport = self.transport(peer, spoken);
        let local = self.network.us(transport, home.is_ipv4());
        let told = self.host.told(&Flow { transport, local, remote: home, connection: 0 });
        for (_, value) in &mut filled.headers {
            *value = value.replace("{us}", &told.to_string()).replace("{host}", &told.ip().to_string());
        }
        let values = filled.headers.iter_mut().map(|(_, value)| value).chain(filled.body.as_mut());
        for value in values.filter(|value| value.contains('{')) {
            for (peer, actor) in &self.actors {
                for (name, known) in actor.names() {
                    *value = value.replace(&format!("{{{peer} {name}}}"), known);
                }
            }
        }
        filled
    }

    /// Who is at an address.
    pub(super) fn at(&self, address: SocketAddr) -> String {
        let peer = self.actors.keys().find(|peer| self.network.home(peer) == address).map(|peer| peer.name.clone());
        peer.unwrap_or_else(|| address.to_string())
    }

    /// Those who have taken part so far.
    pub(super) fn speakers(&self) -> BTreeSet<&str> {
        self.actors.keys().map(|peer| peer.name.as_str()).collect()
    }

    /// What a phone would have registered for an hour, where the trace says only that it has.
    pub(super) fn home_of(&self, peer: &Peer) -> Place {
        let address = self.network.home(peer);
        let contact = Some(format!("sip:{}@{address}", peer.name));
        Place { peer: peer.clone(), address, by: Transport::Udp, contact, path: Vec::new() }
    }

    /// The binding of a phone in its place.
    pub(super) fn bound(&self, place: &Place, now: Now) -> Bound {
        let Place { peer, address, by, contact, path } = place;
        Bound {
            extension: peer.name.as_str().into(),
            identity: format!("sip:{}@{address}", peer.name),
            contact: contact.clone().unwrap_or_default(),
            path: path.clone(),
            transport: *by,
            local: self.network.us(*by, address.is_ipv4()),
            remote: *address,
            call_id: format!("{peer}-register"),
            cseq: 1,
            granted: 3600,
            expires: now.after(Duration::from_secs(3600)).wall,
            echo: String::new(),
            user_agent: "Trace".into(),
        }
    }

    /// What the name of a trunk's server leads to.
    pub(super) fn resolve(&self, name: &ServerName) -> Vec<(Transport, SocketAddr)> {
        let trunk = self.config.trunks().find(|(_, trunk)| ServerName::from(&trunk.server) == *name);
        let named = trunk.into_iter().flat_map(|(_, trunk)| self.network.addresses_of(trunk));
        match name.literal() {
            Some(address) => vec![address],
            None => named.map(|address| (name.transport, address)).collect(),
        }
    }

    /// OPTIONS and REGISTER towards trunks are answered at once, unless the script speaks of them.
    pub(super) fn is_errand(&self, message: &Message) -> bool {
        let errand = matches!(message.method(), Method::Options | Method::Register);
        message.is_request() && errand && !self.scripted.contains(&message.method())
    }

    /// The answer to an errand: 200, or 503 of a trunk that is down.
    pub(super) fn answer_errand(&self, flow: &Flow, message: &Message) -> Option<Message> {
        let is_down = self.down.iter().any(|name| {
            let trunk = self.config.trunk_by_name(name).map(|ix| self.config.trunk(ix));
            trunk.is_some_and(|trunk| self.network.addresses_of(trunk).contains(&flow.remote))
        });
        let mut text = format!("SIP/2.0 {}\r\n", if is_down { "503 Down" } else { "200 OK" });
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            for value in message.headers(name) {
                text.push_str(&format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(value)));
            }
        }
        text.push_str("Expires: 600\r\nContent-Length: 0\r\n\r\n");
        Message::parse(Bytes::from(text)).ok()
    }

    /// The script has said all that it had to say of errands.
    pub(super) fn answer_all_errands(&mut self) {
        self.scripted.clear();
    }
}
