//! A leg's side of the media: the ports of ours that its peer sends to, and what its peer says about its own.

use bytes::Bytes;
use smallvec::SmallVec;

use super::alphabet::Session;
use super::means::Means;
use crate::anchor::{EndpointKey, MediaOrder, Peer};
use crate::config::MediaMode;
use crate::effect::Effect;
use crate::key::{Flow, LegKey};
use crate::sip::anew::with_lines_of;
use crate::sip::sdp::{BadSdp, Direction, Media, OurOrigin, Sdp};
use crate::sound::{Formats, session};

/// How many m= lines of one leg are anchored; a session with more is refused (488).
pub const MAX_LINES: usize = 8;

/// The endpoints of one leg, one for each m= line that ever stood in its session.
#[derive(Debug, Default)]
pub struct Anchor {
    ports: SmallVec<[u16; 2]>,
    /// What the peer was told last, and under which version.
    told: Told,
    /// The highest version that was ever told, agreed on or not.
    version: u64,
    /// What the peer has said of itself last.
    heard: Option<Session>,
    id: u64,
    /// Lines whose port could not be bound.
    failed: SmallVec<[u8; 1]>,
    /// We speak with the peer ourselves: its media passes us whatever the config says.
    hosted: bool,
}

/// A session that a peer was told, and its version.
pub type Told = Option<(u64, Bytes)>;

/// Why a session cannot pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// It is no SDP.
    Unreadable(BadSdp),
    /// It has more than [`MAX_LINES`] m= lines.
    TooManyLines,
    /// No media port is free.
    NoPort,
}

impl From<BadSdp> for Unfit {
    fn from(bad: BadSdp) -> Unfit {
        Unfit::Unreadable(bad)
    }
}

impl Anchor {
    /// `anchored`: its media passes us whatever the config says.
    pub fn new(anchored: bool) -> Anchor {
        Anchor { hosted: anchored, ..Anchor::default() }
    }

    /// How many m= lines have a port of ours.
    pub fn lines(&self) -> usize {
        self.ports.len()
    }

    /// What the peer was told last, as it was told.
    pub fn told(&self) -> Option<&Session> {
        self.told.as_ref().map(|(_, told)| told)
    }

    /// What the peer has said of itself last, as it said it.
    pub fn heard(&self) -> Option<&Session> {
        self.heard.as_ref()
    }

    /// What was told last, to come back to where the next offer is refused.
    pub fn mark(&self) -> Told {
        self.told.clone()
    }

    /// The last offer was refused: what was told before it holds (RFC 3261 §14.1, RFC 6141 §3.1).
    pub fn take_back(&mut self, before: Told) {
        self.told = before;
    }

    /// What answers an offer that says nothing new: what the peer was told last, where that is an answer to it. The whole
    /// text counts, because some phones forget to raise the version when they hold.
    pub fn answer_to_the_same(&self, offer: &Session) -> Option<Session> {
        let told = self.told().filter(|_| self.heard.as_ref() == Some(offer))?;
        Sdp::read(told).ok()?.answers(&Sdp::read(offer).ok()?).then(|| told.clone())
    }

    /// The session as this leg's peer is to hear it: in relay mode with our addresses in place of the other side's.
    ///
    /// # Errors
    /// See [`Unfit`]; nothing was told then.
    pub fn outward(
        &mut self,
        leg: LegKey,
        session: &Session,
        flow: &Flow,
        means: &mut Means,
    ) -> Result<Session, Unfit> {
        let session = match &self.told {
            Some((_, told)) => &with_lines_of(session, told)?,
            None => session,
        };
        let sdp = Sdp::read(session)?;
        if self.is_direct(means) {
            self.told = Some((0, Bytes::copy_from_slice(session)));
            return Ok(session.clone());
        }
        self.open(leg, sdp.media.len(), flow, means)?;
        let address = means.address_for(flow).ip();
        let ports = &self.ports;
        let mut endpoint = |line: usize| ports.get(line).map(|port| (address, *port).into());
        if self.id == 0 {
            self.id = means.now.wall.as_second().unsigned_abs();
        }
        // RFC 3264 §8: the version grows when, and only when, something has changed.
        let mut tell = |version| sdp.rewrite(&mut endpoint, Some(OurOrigin { id: self.id, version, address }));
        if let Some((version, before)) = &self.told
            && tell(*version) == *before
        {
            return Ok(before.clone());
        }
        self.version += 1;
        let told = tell(self.version);
        self.told = Some((self.version, told.clone()));
        self.agree(leg, means);
        Ok(told)
    }

    /// What goes directly from phone to phone passes no port of ours.
    fn is_direct(&self, means: &Means) -> bool {
        means.config.media.mode == MediaMode::Direct && !self.hosted
    }

    /// The session with which we answer what the peer offers, or offer something ourselves; from here on its media passes us.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn host(
        &mut self,
        leg: LegKey,
        offered: Option<&Session>,
        flow: &Flow,
        means: &mut Means,
    ) -> Result<Option<Session>, Unfit> {
        let ours = match offered {
            Some(offered) => session::answer(offered),
            None => Some(session::offer()),
        };
        if ours.is_some() {
            self.relay(leg, flow, means)?;
        }
        Ok(ours)
    }

    /// From here on its media passes us.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn relay(&mut self, leg: LegKey, flow: &Flow, means: &mut Means) -> Result<(), Unfit> {
        if self.is_direct(means) {
            self.hosted = true;
            if let Some(heard) = self.heard.take() {
                self.inward(leg, &heard, flow, means)?;
            }
        }
        Ok(())
    }

    /// Where what is played to the peer goes: the line that we can speak on.
    pub fn spoken(&self) -> Option<u8> {
        let (line, formats) = self.terms()?;
        formats.send.map(|_| line).filter(|line| !self.failed.contains(line))
    }

    /// The line on which we can take part, and what is spoken there; `None` where no port of ours is open, or one side has
    /// said nothing yet.
    fn terms(&self) -> Option<(u8, Formats)> {
        let (line, formats) = session::agreed(self.told()?, self.heard()?).filter(|_| !self.ports.is_empty())?;
        Some((line as u8, formats))
    }

    /// A port of its could not be bound.
    pub fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// The port of this line could not be bound: nothing passes there. True where the peer was to hear us on it.
    pub fn fails(&mut self, line: u8) -> bool {
        let spoken = self.spoken() == Some(line);
        self.failed.push(line);
        spoken
    }

    /// The line on which the peer takes digits as RTP events.
    pub fn events(&self) -> Option<u8> {
        let (line, formats) = self.terms()?;
        formats.send_events.map(|_| line)
    }

    /// The first line of sound that passes us.
    pub fn audio(&self) -> Option<u8> {
        let said = Sdp::read(self.heard().or(self.told())?).ok()?;
        let line = said.media.iter().take(self.ports.len()).position(|media| media.kind == b"audio")?;
        u8::try_from(line).ok()
    }

    /// Where both sides have said something, the relay learns what that comes to.
    fn agree(&self, leg: LegKey, means: &mut Means) {
        let (Some(told), Some(heard)) = (self.told(), self.heard()) else { return };
        if let Some((line, formats)) = session::agreed(told, heard) {
            means.effects.push(Effect::Media(MediaOrder::Agree { endpoint: endpoint(leg, line), formats }));
        }
    }

    /// What this leg's peer says about itself: packets for it go there, and are expected from there.
    ///
    /// # Errors
    /// See [`Unfit`]; the old expectation stays then.
    pub fn inward(&mut self, leg: LegKey, session: &Session, flow: &Flow, means: &mut Means) -> Result<(), Unfit> {
        let sdp = Sdp::read(session)?;
        // A copy of its own: a slice would keep the whole message for as long as the call lasts.
        let heard = Some(Bytes::copy_from_slice(session));
        if self.is_direct(means) {
            self.heard = heard;
            return Ok(());
        }
        self.open(leg, sdp.media.len(), flow, means)?;
        self.heard = heard;
        for (line, media) in sdp.media.iter().enumerate() {
            let peer = Peer {
                rtp: media.rtp_target(),
                rtcp: media.rtcp_target(),
                signalling: Some(flow.remote.ip()),
                silence: may_fall_silent(media)
                    .then_some(means.config.media.silence)
                    .flatten()
                    .map(|silence| silence / 2),
            };
            means.effects.push(Effect::Media(MediaOrder::Expect { endpoint: endpoint(leg, line), peer }));
        }
        self.agree(leg, means);
        Ok(())
    }

    fn open(&mut self, leg: LegKey, lines: usize, flow: &Flow, means: &mut Means) -> Result<(), Unfit> {
        if lines > MAX_LINES {
            return Err(Unfit::TooManyLines);
        }
        for line in self.ports.len()..lines {
            let port = means.ports.lend(means.now.mono).ok_or(Unfit::NoPort)?;
            self.ports.push(port);
            let local = (flow.local.ip(), port).into();
            means.effects.push(Effect::Media(MediaOrder::Open { endpoint: endpoint(leg, line), local }));
        }
        Ok(())
    }

    /// Gives the ports back; each may be lent again when the edge says that it is closed.
    pub fn close(&mut self, leg: LegKey, means: &mut Means) {
        for line in 0..self.ports.len() {
            means.effects.push(Effect::Media(MediaOrder::Close { endpoint: endpoint(leg, line) }));
        }
        self.ports.clear();
    }
}

/// Whether its writer has to send all the time: then silence says that something is wrong.
fn may_fall_silent(media: &Media<'_>) -> bool {
    media.kind == b"audio" && media.direction == Direction::SendRecv && media.rtp_target().is_some()
}

/// Whether a session can pass at all, before anything follows it.
///
/// # Errors
/// See [`Unfit`]; ports are not asked for.
pub fn fits(session: &Session) -> Result<(), Unfit> {
    match Sdp::read(session)?.media.len() > MAX_LINES {
        true => Err(Unfit::TooManyLines),
        false => Ok(()),
    }
}

/// Joins the m= lines of two legs, each with the one at the same place.
pub fn bridge(one: (LegKey, &Anchor), other: (LegKey, &Anchor), means: &mut Means) {
    for line in 0..one.1.lines().min(other.1.lines()) {
        let (a, b) = (endpoint(one.0, line), endpoint(other.0, line));
        means.effects.push(Effect::Media(MediaOrder::Bridge { a, b }));
    }
}

/// The endpoint of a leg's `m=` line.
pub(super) fn endpoint(leg: LegKey, line: usize) -> EndpointKey {
    EndpointKey { leg: leg.to_bits(), line: line as u8 }
}
