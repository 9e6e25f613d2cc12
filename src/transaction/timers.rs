//! How long a transaction waits for what: the timers of RFC 3261 (Table 4) and RFC 6026 as one table.
//!
//! Timer C is a proxy's and not here: how long a phone may ring is decided by the plan, not by the transaction.

use super::hand::{ClientKey, Hand, ServerKey};
use crate::clock::{Deadline, Duration};

/// The estimate of a round trip (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// The longest pause between two retransmissions of a non-INVITE request or of a final response to an INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64·T1: after this nobody waits any more; a whole transaction is gone 64·T1 after its last message.
pub const PATIENCE: Duration = Duration::from_secs(32);

/// One timer of one transaction: the letters of the RFC, and below them those that the RFCs describe without a letter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Letter {
    /// INVITE client: the request again.
    A,
    /// INVITE client: nobody answered.
    B,
    /// INVITE client: retransmitted refusals are still absorbed.
    D,
    /// Non-INVITE client: the request again.
    E,
    /// Non-INVITE client: nobody answered.
    F,
    /// INVITE server: the refusal again.
    G,
    /// INVITE server: no ACK to a refusal came.
    H,
    /// INVITE server: retransmitted ACKs are still absorbed.
    I,
    /// Non-INVITE server: retransmitted requests are still answered.
    J,
    /// Non-INVITE client: retransmitted responses are still absorbed.
    K,
    /// INVITE server: retransmitted INVITEs are still absorbed after a 2xx (RFC 6026 §7.1).
    L,
    /// INVITE client: further 2xx are still handed up (RFC 6026 §7.2).
    M,
    /// INVITE server: the 2xx again until its ACK comes, over any transport (RFC 3261 §13.3.1.4).
    Answer,
    /// INVITE server: the last 18x again, each minute, so that no proxy gives up (RFC 3261 §13.3.1.1).
    Reminder,
    /// INVITE server within a dialog: its user has to ask somebody else first and has not answered within 200 ms; now a 100,
    /// so that the peer stops repeating it (RFC 3261 §17.2.1).
    Hurry,
    /// INVITE client: a cancelled INVITE gets no final response (RFC 3261 §9.1).
    Cancelled,
    /// Non-INVITE server: nothing was answered while Timer E of the peer grew to T2; now a 100 (RFC 4320 §4.1).
    Trying,
    /// Non-INVITE server: nothing was answered until the peer's Timer F; a final response is useless now (RFC 4320 §4.2).
    Silence,
}

/// How a timer goes on after it fired for the first time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Once,
    Doubles,
    DoublesToT2,
    Repeats,
}

use Letter::*;
const NEVER: Option<Duration> = None;
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const MINUTE: Duration = Duration::from_secs(60);
const HURRY: Duration = Duration::from_millis(200);
/// T1 + 2·T1 + 4·T1: the moment at which a client's Timer E is reset to T2.
const E_REACHES_T2: Duration = Duration::from_millis(3500);

/// Timer, over UDP, over a reliable transport, and then.
const TABLE: [(Letter, Option<Duration>, Option<Duration>, Then); 18] = [
    (A, Some(T1), NEVER, Then::Doubles),
    (B, Some(PATIENCE), Some(PATIENCE), Then::Once),
    (D, Some(PATIENCE), AT_ONCE, Then::Once),
    (E, Some(T1), NEVER, Then::DoublesToT2),
    (F, Some(PATIENCE), Some(PATIENCE), Then::Once),
    (G, Some(T1), NEVER, Then::DoublesToT2),
    (H, Some(PATIENCE), Some(PATIENCE), Then::Once),
    (I, Some(T4), AT_ONCE, Then::Once),
    (J, Some(PATIENCE), AT_ONCE, Then::Once),
    (K, Some(T4), AT_ONCE, Then::Once),
    (L, Some(PATIENCE), Some(PATIENCE), Then::Once),
    (M, Some(PATIENCE), Some(PATIENCE), Then::Once),
    (Answer, Some(T1), Some(T1), Then::DoublesToT2),
    (Reminder, Some(MINUTE), Some(MINUTE), Then::Repeats),
    (Hurry, Some(HURRY), Some(HURRY), Then::Once),
    (Cancelled, Some(PATIENCE), Some(PATIENCE), Then::Once),
    (Trying, Some(E_REACHES_T2), Some(E_REACHES_T2), Then::Once),
    (Silence, Some(PATIENCE), Some(PATIENCE), Then::Once),
];

impl Letter {
    /// How long the timer waits at first; `None` where this transport does not use it, zero where it is over at once.
    pub fn first(self, reliable: bool) -> Option<Duration> {
        let (_, over_udp, over_stream, _) = TABLE[self as usize];
        if reliable { over_stream } else { over_udp }
    }

    /// How long it waits next after having waited `last`; `None` where it fires but once.
    pub fn next(self, last: Duration) -> Option<Duration> {
        match TABLE[self as usize].3 {
            Then::Once => None,
            Then::Doubles => Some(last * 2),
            Then::DoublesToT2 => Some((last * 2).min(T2)),
            Then::Repeats => Some(last),
        }
    }
}

/// A timer of one transaction, as it waits in the [`Deadlines`](crate::clock::Deadlines) of the Switch. It names the
/// transaction by a key with a generation: fired late, it finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timer {
    pub(super) of: Of,
    pub(super) letter: Letter,
}

impl Timer {
    /// Which timer it is.
    pub fn letter(self) -> Letter {
        self.letter
    }
}

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Of {
    Client(ClientKey),
    Server(ServerKey),
}

/// The timers of one transaction that run: at most one that does something again, and one that ends a state.
#[derive(Debug)]
pub(super) struct Running {
    of: Of,
    reliable: bool,
    again: Option<(Deadline, Letter, Duration)>,
    until: Option<Deadline>,
}

impl Running {
    pub(super) fn none(of: Of, reliable: bool) -> Running {
        Running { of, reliable, again: None, until: None }
    }

    /// Starts the timer that does something again, in place of the one that ran; nothing where this transport has none.
    pub(super) fn repeat<K: From<Timer>>(&mut self, letter: Letter, hand: &mut Hand<'_, K>) {
        self.stop_repeating(hand);
        if let Some(wait) = letter.first(self.reliable) {
            self.again = Some(self.wait(letter, wait, hand));
        }
    }

    /// The repeating timer has fired: how long until it does so next.
    pub(super) fn again<K: From<Timer>>(&mut self, hand: &mut Hand<'_, K>) {
        if let Some((_, letter, last)) = self.again.take() {
            self.again = letter.next(last).map(|wait| self.wait(letter, wait, hand));
        }
    }

    /// The repeating timer has fired and goes on every T2 (RFC 3261 §17.1.2.2: Timer E in Proceeding).
    pub(super) fn again_after_t2<K: From<Timer>>(&mut self, hand: &mut Hand<'_, K>) {
        if let Some((_, letter, _)) = self.again.take() {
            self.again = Some(self.wait(letter, T2, hand));
        }
    }

    /// Starts the timer that ends a state, in place of every timer that ran. False where that state is over at once.
    #[must_use]
    pub(super) fn linger<K: From<Timer>>(&mut self, letter: Letter, hand: &mut Hand<'_, K>) -> bool {
        self.stop(hand);
        let wait = letter.first(self.reliable).filter(|wait| !wait.is_zero());
        self.until = wait.map(|wait| self.wait(letter, wait, hand).0);
        self.until.is_some()
    }

    /// True while something is still done again.
    pub(super) fn is_repeating(&self) -> bool {
        self.again.is_some()
    }

    pub(super) fn stop_repeating<K>(&mut self, hand: &mut Hand<'_, K>) {
        if let Some((deadline, ..)) = self.again.take() {
            hand.deadlines.cancel(deadline);
        }
    }

    pub(super) fn stop<K>(&mut self, hand: &mut Hand<'_, K>) {
        self.stop_repeating(hand);
        if let Some(deadline) = self.until.take() {
            hand.deadlines.cancel(deadline);
        }
    }

    fn wait<K: From<Timer>>(
        &self,
        letter: Letter,
        wait: Duration,
        hand: &mut Hand<'_, K>,
    ) -> (Deadline, Letter, Duration) {
        let timer = Timer { of: self.of, letter };
        (hand.deadlines.set(hand.now.mono + wait, K::from(timer)), letter, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_letters() {
        for (place, (letter, ..)) in TABLE.iter().enumerate() {
            assert_eq!(*letter as usize, place);
        }
    }

    #[test]
    fn timers_wait_as_long_as_table_4_of_rfc_3261_says() {
        let waits = |letter: Letter, reliable| -> Vec<u128> {
            let first = letter.first(reliable);
            let all = std::iter::successors(first, |last| letter.next(*last));
            all.take(6).map(|wait| wait.as_millis()).collect()
        };
        assert_eq!(waits(A, false), [500, 1000, 2000, 4000, 8000, 16000]);
        assert_eq!(waits(E, false), [500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(waits(G, false), [500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(waits(Answer, true), [500, 1000, 2000, 4000, 4000, 4000]);
        for letter in [A, E, G] {
            assert_eq!(letter.first(true), None);
        }
        for letter in [B, F, H, L, M] {
            assert_eq!((waits(letter, false), waits(letter, true)), (vec![32000], vec![32000]));
        }
        for (letter, over_udp) in [(D, 32000), (I, 5000), (J, 32000), (K, 5000)] {
            assert_eq!((waits(letter, false), waits(letter, true)), (vec![over_udp], vec![0]));
        }
    }
}
