//! The door towards strangers: who is neither a trunk nor at the address of a phone of ours gets one small answer to a
//! request, if the [`guard`](crate::guard) lets it be heard at all, and no memory before it has proved who it is.
//!
//! What belongs to something that is under way (a dialog's tag, a request's repetition, a CANCEL) passes, wherever it comes
//! from: that it names what only its owner knows is worth more than an address.

use std::net::SocketAddr;

use bytes::Bytes;

use super::admit::is_for_us;
use super::tables::Switch;
use crate::admission::{Admission, Doubt};
use crate::effect::Effect;
use crate::entropy::Token;
use crate::fact::Fact;
use crate::guard::{News, Offence, Source, Standing};
use crate::key::Flow;
use crate::refusal::Refusal;
use crate::sip::{Draft, HeaderName, Message, Method, Status};
use crate::transaction::reply_flow;

/// What becomes of a message before anything is kept of it.
pub(super) enum Knock {
    /// It goes its way.
    In,
    /// It goes its way, and its digest has been looked at.
    Proven(Admission),
    /// It was answered, or dropped.
    Shut,
}

/// A stranger's request of so many bytes is answered whatever the answer's length: what is echoed grows with it, and what is
/// added (a challenge for each kind of digest) does not.
const LONG_ENOUGH: usize = 300;

/// True where an answer is no lever: whoever sends over a stream has shown where they are, and a datagram's may be half as long
/// again as what was asked.
fn is_in_proportion(flow: &Flow, asked: usize, answer: &Bytes) -> bool {
    flow.transport.is_reliable() || asked >= LONG_ENOUGH || answer.len() * 2 <= asked * 3
}

impl Switch {
    /// True where a datagram need not even be read: its source is banned, or has said too much and begins something new.
    /// Asked by the loop for each datagram; of those whom we know the guard has never heard, and so it costs them nothing.
    pub fn is_deaf_to(&mut self, from: SocketAddr, datagram: &[u8], now: crate::clock::Instant) -> bool {
        let source = Source::of(from.ip());
        let deaf = self.guard.is_deaf_to(source, now)
            && (self.guard.is_banned(source, now) || begins_something(datagram))
            && self.standing(from) == Standing::Stranger;
        if deaf {
            self.guard.dropped_unread(from.ip(), now);
        }
        deaf
    }

    /// Who is there, by address alone.
    fn standing(&self, remote: SocketAddr) -> Standing {
        let ip = remote.ip();
        let known = self.registrar.is_bound_at(remote)
            || self.means.trunks.who_is(ip, None).is_some()
            || self.doorkeeper.is_device(ip)
            || self.means.config.guard.trusts(ip);
        let (first, last) = Source::of(ip).range();
        match known {
            true => Standing::Known,
            false if self.registrar.is_bound_between(first, last) => Standing::Neighbour,
            false => Standing::Stranger,
        }
    }

    /// A message came in.
    pub(super) fn at_the_door(&mut self, flow: &Flow, message: &Message) -> Knock {
        if message.status().is_some() || message.method() == Method::Ack || self.is_of_a_dialog(message) {
            return Knock::In;
        }
        let standing = self.standing(flow.remote);
        // Most often this is all there is to it.
        if standing == Standing::Known && !self.guard.minds_accounts() {
            return Knock::In;
        }
        if self.means.transactions.is_under_way(message) {
            return Knock::In;
        }
        if standing != Standing::Known && !self.hears(flow, standing) {
            return Knock::Shut;
        }
        if self.guard.minds_accounts()
            && let Some(account) = self.doorkeeper.shown(message)
            && !self.guard.may_try(flow.remote.ip(), standing, &account, self.means.now.mono)
        {
            return Knock::Shut;
        }
        match standing {
            Standing::Known => Knock::In,
            Standing::Neighbour | Standing::Stranger => self.stranger_asks(flow, message),
        }
    }

    /// Something that is no message came in: true where it may be answered.
    pub(super) fn hears_rubbish(&mut self, flow: &Flow) -> bool {
        let standing = self.standing(flow.remote);
        standing == Standing::Known || self.hears(flow, standing)
    }

    /// True where something that is no message, of so many bytes, may have this answer.
    pub(super) fn may_answer(&self, flow: &Flow, asked: usize, answer: &Bytes) -> bool {
        is_in_proportion(flow, asked, answer) || self.standing(flow.remote) == Standing::Known
    }

    /// A stream of somebody banned is closed: it would cost a place.
    fn hears(&mut self, flow: &Flow, standing: Standing) -> bool {
        let (ip, now) = (flow.remote.ip(), self.means.now.mono);
        let heard = self.guard.hears(ip, standing, now);
        if !heard && flow.transport.is_reliable() && self.guard.is_banned(Source::of(ip), now) {
            self.means.effects.push(Effect::Close(*flow));
        }
        heard
    }

    /// True for a request within a call or a subscription that is there.
    fn is_of_a_dialog(&self, message: &Message) -> bool {
        let tag = message.to_tag().and_then(Token::read);
        tag.is_some_and(|tag| self.means.dialogs.contains_key(&tag) || self.subscriptions.by_tag(&tag).is_some())
    }

    /// One answer, of which nothing is kept: the same request would get the same (RFC 3261 §8.2.7).
    fn stranger_asks(&mut self, flow: &Flow, message: &Message) -> Knock {
        // These belong to something, and it is not there.
        let belongs = matches!(
            message.method(),
            Method::Cancel | Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify
        );
        if message.to_tag().is_some() || belongs {
            return self.turn_away(flow, message, &Refusal::call_does_not_exist());
        }
        if message.method() != Method::Invite
            && let Err(refusal) = is_for_us(message)
        {
            return self.turn_away(flow, message, &refusal);
        }
        if message.method() == Method::Options {
            // Less than others hear, who learn what we can do: the sender may have forged its address.
            return self.say_once(flow, message, Status::OK, |_| {});
        }
        match self.ask(message, flow) {
            Admission::Challenge { values, .. } => self.say_once(flow, message, Status::UNAUTHORIZED, |draft| {
                for value in &values {
                    draft.header(HeaderName::WwwAuthenticate, value);
                }
            }),
            Admission::Refused(refusal) => self.turn_away(flow, message, &refusal),
            proven => Knock::Proven(proven),
        }
    }

    /// Counts what was found out: failures, and who has proved who it is.
    pub(super) fn learn_from(&mut self, admission: &Admission, message: &Message, flow: &Flow) {
        let offence = match admission {
            Admission::Trunk(_) => return,
            Admission::Extension(extension) | Admission::Impostor(extension) => {
                let number = &self.means.config.extension(*extension).number;
                return self.guard.proved(flow.remote.ip(), number, self.means.now.mono);
            }
            Admission::Challenge { because: Doubt::WrongPassword, .. } => Offence::WrongPassword,
            Admission::Challenge { because: Doubt::UnknownUser, .. } => Offence::UnknownUser,
            Admission::Challenge { because: Doubt::ForeignUri, .. } | Admission::Refused(_) => Offence::ForgedDigest,
            Admission::Challenge { because: Doubt::NoCredentials, .. } if self.is_unasked_call(message, flow) => {
                Offence::Call
            }
            Admission::Challenge { .. } => return,
        };
        let standing = self.standing(flow.remote);
        let account = self.doorkeeper.shown(message);
        self.guard.failed(flow.remote.ip(), standing, account.as_deref(), offence, self.means.now);
    }

    /// A stranger's call to what is no public number of ours: what a provider calls whose address nobody has written down is no
    /// offence.
    fn is_unasked_call(&self, message: &Message, flow: &Flow) -> bool {
        let dialled = || message.request_uri().and_then(|uri| uri.user_unescaped()).unwrap_or_default();
        message.method() == Method::Invite
            && self.standing(flow.remote) == Standing::Stranger
            && self.means.config.did_from_inside(&dialled()).is_none()
    }

    fn turn_away(&mut self, flow: &Flow, message: &Message, refusal: &Refusal) -> Knock {
        let flow = reply_flow(*flow, message);
        let tag = self.means.transactions.tag_of(message);
        let bytes = self.means.write(|writer, _| refusal.write(writer, message, &tag, flow.remote));
        self.send_once(flow, message, bytes)
    }

    fn say_once(&mut self, flow: &Flow, message: &Message, status: Status, add: impl FnOnce(&mut Draft<'_>)) -> Knock {
        let flow = reply_flow(*flow, message);
        let tag = self.means.transactions.tag_of(message);
        let bytes = self.means.write(|writer, _| {
            let mut draft = writer.reply(message, status, &tag, flow.remote);
            add(&mut draft);
            draft.finish()
        });
        self.send_once(flow, message, bytes)
    }

    /// Whoever sends datagrams under somebody else's address must not get more out of us than they put in. No phone's request is
    /// so short that its answer is much longer; whose is hears that it is, and where even that is too long, nothing.
    fn send_once(&mut self, flow: Flow, message: &Message, bytes: Bytes) -> Knock {
        let asked = message.bytes().len();
        let answer = Some(bytes).filter(|answer| is_in_proportion(&flow, asked, answer)).or_else(|| {
            let (refusal, tag) = (Refusal::bad_request("Too Short"), self.means.transactions.tag_of(message));
            let short = self.means.write(|writer, _| refusal.write(writer, message, &tag, flow.remote));
            Some(short).filter(|answer| is_in_proportion(&flow, asked, answer))
        });
        self.means.effects.extend(answer.map(|bytes| Effect::Send { flow, bytes }));
        Knock::Shut
    }

    /// What the guard did in this reaction becomes facts and lines of log.
    pub(super) fn tell_of_strangers(&mut self) {
        for news in self.guard.news() {
            match news {
                News::Line(suspicion) => self.means.effects.push(Effect::Suspect(suspicion)),
                News::Banned(ban) => drop(self.means.note(Fact::Banned(Box::new(ban)))),
                News::Unbanned(whom) => drop(self.means.note(Fact::Unbanned { whom })),
            }
        }
    }
}

/// True for what cannot be a part of a call or an answer to us, seen from its first bytes: requests outside of dialogs, and
/// rubbish. In doubt it is read.
fn begins_something(datagram: &[u8]) -> bool {
    let starts = |words: &[&[u8]]| words.iter().any(|word| datagram.starts_with(word));
    if starts(&[b"INVITE ", b"SUBSCRIBE "]) {
        // Within a dialog both sides have a tag.
        return memchr::memmem::find_iter(datagram, b"tag=").take(2).count() < 2;
    }
    !starts(&[
        b"SIP/2.0 ",
        b"ACK ",
        b"BYE ",
        b"CANCEL ",
        b"PRACK ",
        b"UPDATE ",
        b"INFO ",
        b"NOTIFY ",
        b"REFER ",
        b"\r\n",
    ])
}

#[cfg(test)]
mod tests;
