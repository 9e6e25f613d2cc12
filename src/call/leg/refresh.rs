//! The session timer of a leg (RFC 4028): each leg sees to it by itself that its peer is still there, and a refresh that
//! says nothing new is no business of the other side.
//!
//! ```text
//!                      2xx that agrees on a timer
//!                                 │
//!                                 ▼          half of the interval: UPDATE or re-INVITE
//!   they refresh ◄────────── (agreed) ──────────► we refresh ──────► Asking
//!        │ no refresh in time                         ▲ 2xx, later after a refusal │
//!        ▼                                            └────────────────────────────┤ 408, 481, silence
//!      lost: BYE                                                                   ▼ lost: BYE
//! ```

use super::super::alphabet::LegEvent;
use super::super::means::{Means, Timer};
use super::{Leg, Reoffer, State, Talking, finish, session_of};
use crate::clock::{Deadline, Duration};
use crate::key::Flow;
use crate::refusal::Refusal;
use crate::session_timer::{By, Said, SessionTimer};
use crate::sip::digest::Tried;
use crate::sip::{Message, Method, Status};
use crate::transaction::{ClientKey, ServerKey};

/// After a refusal that says nothing of when, the next attempt waits for this part of the interval.
const LATER: u32 = 4;

impl Leg {
    /// What the leg has set to come due, has: see [`Timer::Leg`].
    pub fn due(&mut self, means: &mut Means) -> Option<LegEvent> {
        self.alarm = None;
        match self.state {
            _ if self.stranded => self.stranded_is_due(means),
            State::Talking(_) => self.refresh_is_due(means),
            State::Offered { .. } => self.repeat_reliable(means),
            State::Inviting(_) | State::Leaving { .. } | State::Gone => None,
        }
    }

    /// Sets the one timer of the leg, or none.
    pub(super) fn wake_after(&mut self, span: Option<Duration>, means: &mut Means) {
        self.alarm.take().map(|alarm: Deadline| means.deadlines.cancel(alarm));
        self.alarm = span.map(|span| means.deadlines.set(means.now.mono + span, Timer::Leg(self.key)));
    }

    /// We have said 2xx to an INVITE or UPDATE: the timer begins anew.
    pub(super) fn refreshed_by(&mut self, request: &Message, means: &mut Means) {
        let timer = SessionTimer::accept(Said::by(request), self.refresh.habits()).ok().flatten();
        self.agreed_on(timer, means);
    }

    /// The peer has said 2xx to an INVITE or UPDATE of ours: the timer begins anew.
    pub(super) fn refreshed(&mut self, response: &Message, means: &mut Means) {
        let habits = self.refresh.habits();
        let asked = self.refresh.timer.map_or(habits.interval, |timer| timer.interval);
        self.agreed_on(SessionTimer::agreed(Said::by(response), asked, habits), means);
    }

    fn agreed_on(&mut self, timer: Option<SessionTimer>, means: &mut Means) {
        self.refresh.timer = timer;
        let span = timer.map(|timer| match timer.refresher {
            By::Us => timer.refresh_after(),
            By::Them => timer.gives_up_after(),
        });
        self.wake_after(span, means);
    }

    /// # Errors
    /// 422 for a request that wants the session refreshed more often than we do (RFC 4028 §9).
    pub(super) fn check_interval(&self, request: &Message) -> Result<(), Refusal> {
        SessionTimer::accept(Said::by(request), self.refresh.habits()).map(|_| ())
    }

    fn refresh_is_due(&mut self, means: &mut Means) -> Option<LegEvent> {
        match self.refresh.timer {
            _ if self.untold => self.tell_anew(means),
            Some(SessionTimer { refresher: By::Them, .. }) => return self.lost(means),
            Some(_) => {
                self.tried = Tried::default();
                self.send_refresh(means);
            }
            None => {}
        }
        None
    }

    /// The peer was answered before, and another session holds now: the one whose phone has answered.
    pub(super) fn tell_anew(&mut self, means: &mut Means) {
        self.tried = Tried::default();
        self.send_refresh(means);
    }

    /// By UPDATE where the peer takes it, else by a re-INVITE that says what was said last (RFC 4028 §7.4). Where a new
    /// session is under way, it waits: the answer to that refreshes as well.
    pub(super) fn send_refresh(&mut self, means: &mut Means) {
        let settled = matches!(self.state, State::Talking(Talking { owes_ack: None, unacknowledged: None, .. }))
            && matches!(self.reoffer, Reoffer::None);
        match (self.refresh.updates && !self.untold, self.anchor.told().cloned()) {
            (true, _) => self.refresh.asking = self.request(Method::Update, means, |draft| finish(draft, None)),
            (false, told @ Some(_)) if settled => {
                let invite = self.request(Method::Invite, means, |draft| finish(draft, told.as_ref()));
                if let Some(invite) = invite {
                    self.reoffer = Reoffer::Refresh { invite };
                }
            }
            (false, _) => {
                let wait = self.glare_wait(means);
                self.wake_after(Some(wait), means);
            }
        }
    }

    /// RFC 3261 §14.1: who wrote the Call-ID waits for 2.1 to 4 s, the other one for up to 2 s.
    pub(super) fn glare_wait(&self, means: &mut Means) -> Duration {
        let steps = match self.invited {
            true => 210 + means.entropy.below(191),
            false => means.entropy.below(201),
        };
        Duration::from_millis(10 * steps)
    }

    /// True where a response answers a refresh of ours.
    pub(super) fn is_refresh(&self, client: ClientKey) -> bool {
        self.refresh.asking == Some(client) || matches!(self.reoffer, Reoffer::Refresh { invite } if invite == client)
    }

    /// The final answer to a refresh of ours.
    pub(super) fn hear_refreshed(
        &mut self,
        status: Status,
        response: &Message,
        flow: Flow,
        means: &mut Means,
    ) -> Option<LegEvent> {
        let invite = response.method() == Method::Invite;
        match invite {
            true => self.reoffer = Reoffer::None,
            false => self.refresh.asking = None,
        }
        let glared = std::mem::take(&mut self.refresh.glared);
        if status.is_success() {
            self.target_moved(response, flow);
            if invite {
                self.send_ack(response.cseq().number, None, means);
            }
            if let Some(session) = session_of(response) {
                let _ = self.anchor.inward(self.key, &session, &flow, means);
            }
            self.untold &= !invite;
            self.refreshed(response, means);
            return None;
        }
        if invite {
            self.note(means, false, Method::Ack, 0);
        }
        if self.answers_challenge(response, means) {
            self.send_refresh(means);
            return None;
        }
        match status.code() {
            408 | 481 => return self.lost(means),
            422 if self.refresh.raise(response) => self.send_refresh(means),
            405 | 501 if !invite => {
                self.refresh.updates = false;
                self.send_refresh(means);
            }
            491 if !glared => {
                self.refresh.glared = true;
                let wait = self.glare_wait(means);
                self.wake_after(Some(wait), means);
            }
            // It is there and does not want to: it is asked once more before its session ends, and hangs up if it must.
            _ if !self.untold => {
                let wait = self.refresh.timer.map(|timer| timer.interval / LATER);
                self.wake_after(wait, means);
            }
            // It goes on with what it has.
            _ => {
                self.untold = false;
                self.agreed_on(self.refresh.timer, means);
            }
        }
        None
    }

    /// A re-INVITE that says nothing new is answered with what was said last, and the other side hears nothing of it.
    pub(super) fn answer_refresh(&mut self, server: ServerKey, request: &Message, means: &mut Means) -> bool {
        let told = session_of(request).and_then(|offer| self.anchor.answer_to_the_same(&offer));
        let Some(told) = told else { return false };
        self.agree(server, request, Some(&told), means);
        true
    }
}
