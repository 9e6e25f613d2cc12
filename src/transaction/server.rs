//! A request of theirs: handed on once, however often it arrives, and answered with the same bytes each time
//! (RFC 3261 §17.2, RFC 6026 §7.1, RFC 4320).

use bytes::Bytes;

use super::hand::{Hand, ServerKey};
use super::matching::Fingerprint;
use super::timers::{Letter, Of, Running, Timer};
use crate::key::Flow;
use crate::sip::Status;

/// One server transaction.
#[derive(Debug)]
pub(super) struct Server<U> {
    pub(super) user: Option<U>,
    /// Where responses go.
    pub(super) flow: Flow,
    /// By which its repetitions are recognised.
    pub(super) fingerprint: Fingerprint,
    /// By which the same request is recognised when it arrives on another way; only while it is not refused.
    pub(super) origin: Option<Fingerprint>,
    /// The request as it came, while a 100 may still have to be written for it.
    pub(super) request: Bytes,
    /// Which of the two machines it walks.
    pub(super) invite: bool,
    state: State,
    /// The status of the last response.
    status: Option<Status>,
    response: Bytes,
    running: Running,
}

/// Where a server transaction stands, in the words of the RFCs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Not an INVITE, and nothing was answered.
    Trying,
    /// INVITE: no final response yet. Any other request: a 100 was sent.
    Proceeding,
    /// INVITE: answered with a 2xx, which is sent again until its ACK comes.
    Accepted,
    /// Finally answered otherwise.
    Completed,
    /// INVITE: the ACK to the refusal came.
    Confirmed,
    /// Over; the row goes.
    Terminated,
}

/// What happens to a server transaction.
#[derive(Debug)]
pub(super) enum Event {
    /// The request arrived again.
    Request,
    /// An ACK arrived that repeats the INVITE's branch.
    Ack,
    /// The user answers.
    Respond(Status, Bytes),
    /// The user has seen the ACK to its 2xx.
    Acknowledged,
    /// A timer came due.
    Fired(Letter),
}

/// What the user hears of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tell {
    Nothing,
    /// An ACK for a 2xx came with the branch of the INVITE.
    Ack,
    /// The final response got no ACK within 64·T1.
    Unacknowledged(Status),
    /// The time for a 100 has come (RFC 4320 §4.1, RFC 3261 §17.2.1).
    TryingIsDue,
}

impl<U> Server<U> {
    pub(super) fn begin<K: From<Timer>>(
        me: ServerKey,
        flow: Flow,
        fingerprint: Fingerprint,
        origin: Option<Fingerprint>,
        request: Bytes,
        invite: bool,
        hand: &mut Hand<'_, K>,
    ) -> Server<U> {
        let mut running = Running::none(Of::Server(me), flow.transport.is_reliable());
        let state = if invite { State::Proceeding } else { State::Trying };
        if !invite {
            let _lasts = running.linger(Letter::Silence, hand);
            running.repeat(Letter::Trying, hand);
        } else if !request.is_empty() {
            running.repeat(Letter::Hurry, hand);
        }
        Server {
            user: None,
            flow,
            fingerprint,
            origin,
            request,
            invite,
            state,
            status: None,
            response: Bytes::new(),
            running,
        }
    }

    /// True while no final response was given.
    pub(super) fn is_open(&self) -> bool {
        !self.status.is_some_and(Status::is_final)
    }

    /// True once the row is to go.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Terminated
    }

    /// Takes one step through the machine of its kind.
    pub(super) fn step<K: From<Timer>>(&mut self, event: Event, hand: &mut Hand<'_, K>) -> Tell {
        let (state, tell) = match self.invite {
            true => self.invite(event, hand),
            false => self.non_invite(event, hand),
        };
        self.state = state;
        if state == State::Terminated {
            self.running.stop(hand);
        }
        tell
    }

    /// INVITE (RFC 3261 §17.2.1 with RFC 6026 §8.5 and the UAS core's §13.3.1):
    ///
    /// ```text
    ///                   INVITE up
    ///                       │      INVITE again: last 1xx again
    ///                       ▼      a minute passes: last 1xx again
    ///                              re-INVITE, 200 ms pass: 100
    ///                ┌──────────────┐
    ///                │  Proceeding  │
    ///                └─┬──────────┬─┘
    ///          2xx     │          │ 300–699
    ///                  ▼          ▼
    ///    ┌──────────────┐     ┌──────────────┐ INVITE again: response again
    ///    │   Accepted   │     │  Completed   │ G: response again
    ///    └──────┬───────┘     └──┬────────┬──┘
    ///           │                │ ACK    │ H: tell
    ///           │ INVITE again:  ▼        │
    ///           │ absorbed   ┌───────────┐│
    ///           │ T1…T2:     │ Confirmed ││ INVITE, ACK again: absorbed
    ///           │ 2xx again  └─────┬─────┘│
    ///           │ until            │ I    └───────────▶
    ///           │ acknowledged     └──────────────────▶ Terminated
    ///           └────── L: tell if never acknowledged ▶
    /// ```
    fn invite<K: From<Timer>>(&mut self, event: Event, hand: &mut Hand<'_, K>) -> (State, Tell) {
        use {Event::*, State::*};
        match (self.state, event) {
            (Proceeding, Request) => self.repeat_response(hand),
            (Proceeding, Fired(Letter::Reminder)) => {
                self.running.again(hand);
                self.repeat_response(hand)
            }
            (Proceeding, Fired(Letter::Hurry)) => {
                self.running.again(hand);
                (Proceeding, Tell::TryingIsDue)
            }
            (Proceeding, Respond(status, response)) if status.is_provisional() => {
                self.send(status, response, hand);
                // RFC 3261 §13.3.1.1: a proxy on the way forgets a call of which it hears nothing for three minutes.
                if status != Status::TRYING {
                    self.running.repeat(Letter::Reminder, hand);
                }
                (Proceeding, Tell::Nothing)
            }
            (Proceeding, Respond(status, response)) if status.is_success() => {
                self.send(status, response, hand);
                let state = self.linger(Accepted, Letter::L, hand);
                self.running.repeat(Letter::Answer, hand);
                (state, Tell::Nothing)
            }
            (Proceeding, Respond(status, response)) => {
                self.send(status, response, hand);
                let state = self.linger(Completed, Letter::H, hand);
                self.running.repeat(Letter::G, hand);
                (state, Tell::Nothing)
            }
            (Accepted, Fired(Letter::Answer)) => {
                self.running.again(hand);
                self.repeat_response(hand)
            }
            // RFC 6026 §7.1: it is for the user to say whether this ACK, which repeats the branch, is the one it waits for.
            (Accepted, Ack) => (Accepted, Tell::Ack),
            (Accepted, Acknowledged) => {
                self.running.stop_repeating(hand);
                // Nobody asks for it again, and a call that has been answered is here for half a minute.
                self.response = Bytes::new();
                (Accepted, Tell::Nothing)
            }
            (Accepted, Fired(Letter::L)) if self.running.is_repeating() => (Terminated, self.unacknowledged()),
            (Accepted, Fired(Letter::L)) => (Terminated, Tell::Nothing),
            (Completed, Request) => self.repeat_response(hand),
            (Completed, Fired(Letter::G)) => {
                self.running.again(hand);
                self.repeat_response(hand)
            }
            (Completed, Ack) => (self.linger(Confirmed, Letter::I, hand), Tell::Nothing),
            (Completed, Fired(Letter::H)) => (Terminated, self.unacknowledged()),
            (Confirmed, Fired(Letter::I)) => (Terminated, Tell::Nothing),
            (state, _) => (state, Tell::Nothing),
        }
    }

    /// Every other request (RFC 3261 §17.2.2 with RFC 4320: no 1xx but a late 100, no 408):
    ///
    /// ```text
    ///               request up
    ///                   │      request again: absorbed
    ///                   ▼
    ///            ┌──────────────┐  64·T1: nobody waits any more
    ///            │    Trying    ├──────────────────────────────┐
    ///            └─┬─────────┬──┘                              │
    ///   100, after │         │ 200–699                         │
    ///   3.5 s      ▼         │      request again: 100 again   │
    ///    ┌──────────────┐    │                                 │
    ///    │  Proceeding  ├────│─────── 64·T1 ───────────────────┤
    ///    └─────────┬────┘    │                                 │
    ///              │ 200–699 │                                 │
    ///              ▼         ▼                                 ▼
    ///            ┌──────────────┐           J            Terminated
    ///            │  Completed   ├─────────────────────────▶
    ///            └──────────────┘  request again: response again
    /// ```
    fn non_invite<K: From<Timer>>(&mut self, event: Event, hand: &mut Hand<'_, K>) -> (State, Tell) {
        use {Event::*, State::*};
        match (self.state, event) {
            (Trying, Fired(Letter::Trying)) => {
                self.running.again(hand);
                (Trying, Tell::TryingIsDue)
            }
            // RFC 4320 §4.1: over UDP a 100 may not go out before Timer E of the peer has grown to T2.
            (Trying, Respond(Status::TRYING, response)) if self.may_say_trying() => {
                self.running.stop_repeating(hand);
                self.send(Status::TRYING, response, hand);
                (Proceeding, Tell::Nothing)
            }
            (state @ (Trying | Proceeding), Respond(status, _)) if status.is_provisional() => (state, Tell::Nothing),
            // RFC 4320 §4.2: the peer has timed out by itself, a 408 would only meet others like it in a storm.
            (state @ (Trying | Proceeding), Respond(Status::REQUEST_TIMEOUT, _)) => {
                self.running.stop_repeating(hand);
                (state, Tell::Nothing)
            }
            (Trying | Proceeding, Respond(status, response)) => {
                self.send(status, response, hand);
                (self.linger(Completed, Letter::J, hand), Tell::Nothing)
            }
            (Trying | Proceeding, Fired(Letter::Silence)) => (Terminated, Tell::Nothing),
            (Proceeding, Request) => self.repeat_response(hand),
            (Completed, Request) => self.repeat_response(hand),
            (Completed, Fired(Letter::J)) => (Terminated, Tell::Nothing),
            (state, _) => (state, Tell::Nothing),
        }
    }

    fn unacknowledged(&self) -> Tell {
        self.status.map_or(Tell::Nothing, Tell::Unacknowledged)
    }

    fn may_say_trying(&self) -> bool {
        self.flow.transport.is_reliable() || !self.running.is_repeating()
    }

    fn send<K>(&mut self, status: Status, response: Bytes, hand: &mut Hand<'_, K>) {
        self.status = Some(status);
        self.response = response;
        self.request = Bytes::new();
        hand.wire.send(self.flow, self.response.clone());
    }

    fn repeat_response<K>(&self, hand: &mut Hand<'_, K>) -> (State, Tell) {
        if self.status.is_some() {
            hand.wire.send(self.flow, self.response.clone());
        }
        (self.state, Tell::Nothing)
    }

    fn linger<K: From<Timer>>(&mut self, state: State, letter: Letter, hand: &mut Hand<'_, K>) -> State {
        if self.running.linger(letter, hand) { state } else { State::Terminated }
    }
}
