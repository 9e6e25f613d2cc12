//! What a caller is told before the answer, where it is to be sure that it arrives (RFC 3262 §3): one response at a time is
//! repeated until its PRACK comes, and what may not overtake it waits.

use std::collections::VecDeque;

use bytes::Bytes;

use super::alphabet::{LegOrder, Session};
use crate::clock::{Duration, Instant};
use crate::sip::header::RAck;
use crate::sip::{HeaderName, Message, Method, Status};

/// RFC 3261 §17.1.1.1.
pub(super) const T1: Duration = Duration::from_millis(500);

/// Provisional responses to one INVITE of theirs.
#[derive(Debug, Default)]
pub(super) struct Provisional {
    wish: Wish,
    /// The INVITE made an offer; without one a reliable response would have to.
    offered: bool,
    /// The INVITE's CSeq.
    cseq: u32,
    rseq: u32,
    /// On its way.
    pub(super) sent: Option<Sent>,
    waiting: VecDeque<LegOrder>,
    /// The answer to the INVITE's offer, as the caller was told it reliably.
    pub(super) answer: Option<Session>,
}

/// What a caller says about reliable responses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Wish {
    #[default]
    No,
    Supported,
    Required,
}

/// A reliable response that waits for its PRACK.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) status: Status,
    pub(super) bytes: Bytes,
    rseq: u32,
    /// It told the caller this session.
    session: Option<Session>,
    since: Instant,
    again: Duration,
}

impl Provisional {
    /// As the caller's INVITE asks for it.
    pub(super) fn wanted_by(invite: &Message, offered: bool) -> Provisional {
        let wish = match invite {
            invite if invite.lists(HeaderName::Require, "100rel") => Wish::Required,
            invite if invite.lists(HeaderName::Supported, "100rel") => Wish::Supported,
            _ => Wish::No,
        };
        Provisional { wish, offered, cseq: invite.cseq().number, ..Provisional::default() }
    }

    /// True where a response with or without a session is to be sent reliably: all of them where the caller insists, else
    /// those that matter.
    pub(super) fn is_reliable(&self, session: bool) -> bool {
        match self.wish {
            Wish::Required => true,
            Wish::Supported => session && self.offered,
            Wish::No => false,
        }
    }

    /// The session that such a response may tell: none once the answer was given, and none that would be an offer, whose
    /// answer the one who rings could not be told.
    pub(super) fn tells(&self, session: Option<Session>) -> Option<Session> {
        let refused = self.answer.is_some() || (self.wish == Wish::Required && !self.offered);
        session.filter(|_| !refused)
    }

    /// The RSeq of the next reliable response. The first one is anything below 2³¹, above 0 (RFC 3262 §3).
    pub(super) fn next_rseq(&mut self, chance: u64) -> u32 {
        self.rseq = if self.rseq == 0 { 1 + chance as u32 % 0x4000_0000 } else { self.rseq + 1 };
        self.rseq
    }

    /// A reliable response was sent.
    pub(super) fn sent(&mut self, status: Status, bytes: Bytes, session: Option<&Session>, now: Instant) {
        self.sent = Some(Sent { status, bytes, rseq: self.rseq, session: session.cloned(), since: now, again: T1 });
    }

    /// True where an order waits; it is kept then. A 2xx may not overtake an answer of which nobody knows whether it
    /// arrived, nor one reliable response another; and whatever follows the 2xx follows it.
    pub(super) fn holds_back(&mut self, order: &LegOrder) -> bool {
        let answered = self.waiting.iter().any(|order| matches!(order, LegOrder::Answer(_)));
        let waits = match (order, &self.sent) {
            (LegOrder::Refuse { .. }, _) => {
                self.waiting.clear();
                false
            }
            (LegOrder::End(_), _) => answered,
            (LegOrder::Answer(_), Some(sent)) => sent.session.is_some(),
            (LegOrder::Ring(session) | LegOrder::Progress(session), Some(_)) => self.is_reliable(session.is_some()),
            _ => false,
        };
        if waits {
            // What is told before the answer has no meaning behind it.
            if matches!(order, LegOrder::Answer(_)) {
                self.waiting.clear();
            }
            self.waiting.push_back(order.clone());
        }
        waits
    }

    /// Another session was agreed on before the answer (RFC 3311).
    pub(super) fn told_anew(&mut self, session: Option<&Session>) {
        if self.answer.is_some() && session.is_some() {
            self.answer = session.cloned();
        }
    }

    /// True where something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next order that need not wait any more.
    pub(super) fn released(&mut self) -> Option<LegOrder> {
        self.waiting.pop_front().filter(|_| self.sent.is_none())
    }

    /// A PRACK: the response that it acknowledges, if it does.
    pub(super) fn acknowledge(&mut self, prack: &Message) -> Option<Sent> {
        let rack = RAck::read(prack.header(HeaderName::RAck)?).ok()?;
        let cseq = self.cseq;
        let is_meant = |sent: &mut Sent| rack == RAck { rseq: sent.rseq, cseq, method: Method::Invite };
        let sent = self.sent.take_if(is_meant)?;
        if sent.session.is_some() {
            self.answer.clone_from(&sent.session);
        }
        Some(sent)
    }

    /// When the response is due again: it is repeated after T1, 2·T1, 4·T1 …, for 64·T1 in all; `None` once they are over.
    pub(super) fn again(&mut self, now: Instant) -> Option<Duration> {
        let sent = self.sent.as_mut()?;
        let left = (T1 * 64).checked_sub(now.since(sent.since)).filter(|left| !left.is_zero())?;
        let wait = sent.again.min(left);
        sent.again *= 2;
        Some(wait)
    }
}
