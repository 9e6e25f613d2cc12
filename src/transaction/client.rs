//! A request of ours: sent until somebody answers, and its answers handed on once (RFC 3261 §17.1, RFC 6026 §7.2).

use bytes::Bytes;

use super::arrival::Why;
use super::hand::{ClientKey, Hand};
use super::timers::{Letter, Of, Running, Timer};
use crate::entropy::Token;
use crate::key::Flow;
use crate::sip::Method;

/// One client transaction.
#[derive(Debug)]
pub(super) struct Client<U> {
    /// Who hears of it; nobody, for a CANCEL.
    pub(super) user: Option<U>,
    pub(super) flow: Flow,
    /// What follows the cookie in the branch of its Via: with the method, that by which its responses are recognised.
    pub(super) branch: Token,
    pub(super) method: Method,
    /// What is sent again: the request, and once an INVITE is refused, the ACK to that refusal.
    bytes: Bytes,
    state: State,
    cancelled: Cancelled,
    running: Running,
}

/// Where a client transaction stands, in the words of the RFCs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// INVITE sent, nothing heard.
    Calling,
    /// Another request sent, nothing heard.
    Trying,
    /// A 1xx came.
    Proceeding,
    /// INVITE: a 2xx came, and further ones are still handed up.
    Accepted,
    /// Any other final response: its retransmissions are absorbed, and those of a refused INVITE acknowledged.
    Completed,
    /// Over; the row goes.
    Terminated,
}

/// How far the wish to cancel has come (RFC 3261 §9.1: a CANCEL waits for the first 1xx).
#[derive(Debug)]
enum Cancelled {
    No,
    Waiting(Bytes),
    Sent,
}

/// What happens to a client transaction.
#[derive(Debug)]
pub(super) enum Event {
    /// A 1xx.
    Provisional,
    /// A 2xx.
    Success,
    /// A final response from 300 up, with the ACK that [`Client::open_invite`] wants.
    Failure(Option<Bytes>),
    /// A timer came due.
    Fired(Letter),
    /// The flow is gone.
    FlowFailed,
}

/// What the user hears of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tell {
    Nothing,
    /// The response.
    Response,
    /// A 2xx after the first final response.
    AnotherAnswer,
    /// No final response will come.
    Expired(Why),
}

impl<U> Client<U> {
    /// Sends `bytes` for the first time.
    pub(super) fn begin<K: From<Timer>>(
        me: ClientKey,
        user: Option<U>,
        flow: Flow,
        method: Method,
        branch: Token,
        bytes: Bytes,
        hand: &mut Hand<'_, K>,
    ) -> Client<U> {
        let (state, again, until) = match method {
            Method::Invite => (State::Calling, Letter::A, Letter::B),
            _ => (State::Trying, Letter::E, Letter::F),
        };
        let mut running = Running::none(Of::Client(me), flow.transport.is_reliable());
        hand.wire.send(flow, bytes.clone());
        let _lasts = running.linger(until, hand);
        running.repeat(again, hand);
        Client { user, flow, branch, method, bytes, state, cancelled: Cancelled::No, running }
    }

    /// True once the row is to go.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Terminated
    }

    /// Takes one step through the machine of its kind.
    pub(super) fn step<K: From<Timer>>(&mut self, event: Event, hand: &mut Hand<'_, K>) -> Tell {
        let (state, tell) = match self.method {
            Method::Invite => self.invite(event, hand),
            _ => self.non_invite(event, hand),
        };
        self.state = state;
        if state == State::Terminated {
            self.running.stop(hand);
        }
        tell
    }

    /// INVITE (RFC 3261 §17.1.1.2 with RFC 6026 §8.4):
    ///
    /// ```text
    ///              INVITE sent
    ///                   │      A: INVITE again
    ///                   ▼
    ///            ┌──────────────┐  B or flow failed: tell
    ///            │   Calling    ├─────────────────────────────────────────┐
    ///            └─┬────┬────┬──┘                                         │
    ///          2xx │    │1xx │ 300–699: ACK                               │
    ///              │    ▼    │      1xx: up                               │
    ///              │ ┌───────┴──────┐  flow failed or cancelled and then  │
    ///              │ │  Proceeding  ├─────────────────────────────────────┤
    ///              │ └─┬─────────┬──┘  silent for 64·T1: tell             │
    ///              │   │ 2xx     │ 300–699: ACK                           │
    ///              ▼   ▼         ▼                                        │
    ///    ┌──────────────┐     ┌──────────────┐ 300–699 again: ACK again   │
    ///    │   Accepted   │     │  Completed   │ 2xx: another answer, up    │
    ///    └──────┬───────┘     └──────┬───────┘                            │
    ///           │ 2xx: another       │                                    ▼
    ///           │ answer, up         └─────────────── D ────────▶ Terminated
    ///           └──────────────────────────────────── M ────────▶
    /// ```
    fn invite<K: From<Timer>>(&mut self, event: Event, hand: &mut Hand<'_, K>) -> (State, Tell) {
        use {Event::*, State::*};
        match (self.state, event) {
            (Calling, Fired(Letter::A)) => {
                hand.wire.send(self.flow, self.bytes.clone());
                self.running.again(hand);
                (Calling, Tell::Nothing)
            }
            (Calling, Fired(Letter::B)) => (Terminated, Tell::Expired(Why::TimedOut)),
            (Calling | Proceeding, FlowFailed) => (Terminated, Tell::Expired(Why::FlowFailed)),
            (Calling, Provisional) => {
                self.running.stop(hand);
                (Proceeding, Tell::Response)
            }
            (Proceeding, Provisional) => (Proceeding, Tell::Response),
            // RFC 3261 §9.1: whoever hears nothing of a cancelled INVITE for 64·T1 takes it for cancelled.
            (Proceeding, Fired(Letter::Cancelled)) => (Terminated, Tell::Expired(Why::TimedOut)),
            (Calling | Proceeding, Success) => {
                self.bytes = Bytes::new();
                (self.linger(Accepted, Letter::M, hand), Tell::Response)
            }
            (Calling | Proceeding, Failure(ack)) => {
                // A refusal whose ACK cannot be written (no To) still ends the INVITE; the peer's Timer H does the rest.
                self.bytes = ack.unwrap_or_default();
                self.acknowledge(hand);
                (self.linger(Completed, Letter::D, hand), Tell::Response)
            }
            // RFC 6026 §7.2: more than one phone behind a proxy may have answered; each 2xx wants its ACK.
            (Accepted, Success) => (Accepted, Tell::AnotherAnswer),
            (Accepted, Fired(Letter::M)) => (Terminated, Tell::Nothing),
            (Completed, Failure(_)) => {
                self.acknowledge(hand);
                (Completed, Tell::Nothing)
            }
            // No arrow of the RFC: a proxy that lets a 2xx pass after a refusal leaves a phone off the hook, unless its
            // user acknowledges and hangs up.
            (Completed, Success) => (Completed, Tell::AnotherAnswer),
            (Completed, Fired(Letter::D)) => (Terminated, Tell::Nothing),
            (state, _) => (state, Tell::Nothing),
        }
    }

    /// Every other request (RFC 3261 §17.1.2.2):
    ///
    /// ```text
    ///             request sent
    ///                   │      E: request again
    ///                   ▼
    ///            ┌──────────────┐  F or flow failed: tell
    ///            │    Trying    ├───────────────────────────┐
    ///            └─┬─────────┬──┘                           │
    ///              │ 1xx     │ 200–699                      │
    ///              ▼         │      E: request again, every T2
    ///    ┌──────────────┐    │                              │
    ///    │  Proceeding  ├────│─────── F or flow failed: tell│
    ///    └─────────┬────┘    │                              │
    ///              │ 200–699 │                              │
    ///              ▼         ▼                              ▼
    ///            ┌──────────────┐          K          Terminated
    ///            │  Completed   ├──────────────────────▶
    ///            └──────────────┘
    /// ```
    fn non_invite<K: From<Timer>>(&mut self, event: Event, hand: &mut Hand<'_, K>) -> (State, Tell) {
        use {Event::*, State::*};
        match (self.state, event) {
            (Trying, Fired(Letter::E)) => {
                hand.wire.send(self.flow, self.bytes.clone());
                self.running.again(hand);
                (Trying, Tell::Nothing)
            }
            (Proceeding, Fired(Letter::E)) => {
                hand.wire.send(self.flow, self.bytes.clone());
                self.running.again_after_t2(hand);
                (Proceeding, Tell::Nothing)
            }
            (Trying | Proceeding, Fired(Letter::F)) => (Terminated, Tell::Expired(Why::TimedOut)),
            (Trying | Proceeding, FlowFailed) => (Terminated, Tell::Expired(Why::FlowFailed)),
            (Trying | Proceeding, Provisional) => (Proceeding, Tell::Response),
            (Trying | Proceeding, Success | Failure(_)) => {
                self.bytes = Bytes::new();
                (self.linger(Completed, Letter::K, hand), Tell::Response)
            }
            (Completed, Fired(Letter::K)) => (Terminated, Tell::Nothing),
            (state, _) => (state, Tell::Nothing),
        }
    }

    /// The INVITE as it was sent, while it waits for its first final response.
    pub(super) fn open_invite(&self) -> Option<&Bytes> {
        let open = self.method == Method::Invite && matches!(self.state, State::Calling | State::Proceeding);
        open.then_some(&self.bytes)
    }

    /// The INVITE, where it may still be cancelled: it is open, and nobody wished so before.
    pub(super) fn cancellable(&self) -> Option<&Bytes> {
        self.open_invite().filter(|_| matches!(self.cancelled, Cancelled::No))
    }

    /// Remembers the wish to cancel, and the CANCEL that is to be sent.
    pub(super) fn cancel(&mut self, cancel: Bytes) {
        self.cancelled = Cancelled::Waiting(cancel);
    }

    /// The CANCEL whose time has come: there was a wish and there was a 1xx.
    pub(super) fn due_cancel<K: From<Timer>>(&mut self, hand: &mut Hand<'_, K>) -> Option<Bytes> {
        if self.state != State::Proceeding || self.method != Method::Invite {
            return None;
        }
        match std::mem::replace(&mut self.cancelled, Cancelled::Sent) {
            Cancelled::Waiting(cancel) => {
                let _lasts = self.running.linger(Letter::Cancelled, hand);
                Some(cancel)
            }
            before => {
                self.cancelled = before;
                None
            }
        }
    }

    fn acknowledge<K>(&self, hand: &mut Hand<'_, K>) {
        if !self.bytes.is_empty() {
            hand.wire.send(self.flow, self.bytes.clone());
        }
    }

    fn linger<K: From<Timer>>(&mut self, state: State, letter: Letter, hand: &mut Hand<'_, K>) -> State {
        if self.running.linger(letter, hand) { state } else { State::Terminated }
    }
}
