//! A peer's lamps: what it watches, asks for again, and puts out; and what rings at it, as another one's lamp shows it.

use std::net::SocketAddr;

use bytes::Bytes;
use huntline::clock::Instant;
use huntline::sip::{HeaderName, Message};

use super::{Peer, Stage, with_body};

/// A lamp, from the first SUBSCRIBE on.
pub(super) struct Lamp {
    whom: String,
    event: &'static str,
    call_id: String,
    me: String,
    them: String,
    target: String,
    cseq: u32,
}

impl Peer {
    /// A SUBSCRIBE: the first for this, or the next in its dialog.
    pub fn subscribe(
        &mut self,
        us: SocketAddr,
        whom: &str,
        event: &'static str,
        expires: u16,
        now: Instant,
    ) -> Vec<Bytes> {
        let known = self.lamps.iter().position(|lamp| lamp.whom == whom && lamp.event == event);
        let at = known.unwrap_or_else(|| {
            self.serial += 1;
            self.lamps.push(Lamp {
                whom: whom.into(),
                event,
                call_id: format!("lamp-{}-{}", self.serial, self.address),
                me: format!("<sip:{}@{}>;tag=l{}", self.user, self.address.ip(), self.serial),
                them: format!("<sip:{whom}@{}>", us.ip()),
                target: format!("sip:{whom}@{us}"),
                cseq: 0,
            });
            self.lamps.len() - 1
        });
        let branch = self.branch();
        let lamp = &mut self.lamps[at];
        lamp.cseq += 1;
        let mut text = format!(
            "SUBSCRIBE {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {} SUBSCRIBE\r\nContact: <sip:{}@{}>\r\nEvent: {event}\r\nExpires: {expires}\r\n",
            lamp.target, self.address, lamp.me, lamp.them, lamp.call_id, lamp.cseq, self.user, self.address
        );
        if let Some(account) = &mut self.account {
            for (name, value) in account.authorize(b"SUBSCRIBE", lamp.target.as_bytes(), &mut self.entropy) {
                text.push_str(&format!("{}: {}\r\n", name.as_str(), String::from_utf8_lossy(&value)));
            }
        }
        let bytes = with_body(text, "");
        self.repeat((branch, "SUBSCRIBE".into()), &bytes, now);
        vec![bytes]
    }

    /// What a SUBSCRIBE has come to.
    pub(super) fn hear_subscribed(&mut self, code: u16, response: &Message) {
        let Some(at) = self.lamps.iter().position(|lamp| lamp.call_id == response.call_id()) else { return };
        match code {
            200 => {
                let lamp = &mut self.lamps[at];
                lamp.them = String::from_utf8_lossy(response.header(HeaderName::To).unwrap_or_default()).into_owned();
                if let Some(contact) = response.address(HeaderName::Contact) {
                    lamp.target = contact.uri.as_str().to_owned();
                }
            }
            // Forgotten on the other side: the next one begins anew.
            481 => drop(self.lamps.remove(at)),
            _ => {}
        }
    }

    /// The newest INVITE that rings here: its Call-ID, the tag of this side, the tag of ours.
    pub fn ringing(&self) -> Option<(String, String, String)> {
        let talk = self.talks.iter().rfind(|talk| talk.stage == Stage::Rung)?;
        let tag = |party: &str| party.rsplit_once(";tag=").map_or("", |(_, tag)| tag).to_owned();
        Some((talk.call_id.clone(), tag(&talk.me), tag(&talk.them)))
    }
}
