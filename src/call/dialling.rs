//! A number outside is called through one trunk after the other, until one takes the call or says what it thinks of it. A
//! trunk with several addresses is tried at each of them before the next one (RFC 3263 §4.3).

use super::alphabet::{Legs, TrunkUnfit, Ways};
use crate::clock::{Duration, Instant};
use crate::fact::{Alarm, Rung};
use crate::key::LegKey;
use crate::route::DialPlan;

/// How long an address may stay silent, without so much as a 100 Trying, before the next one is tried.
const SILENCE: Duration = Duration::from_secs(4);

/// The trunks that are left to try.
#[derive(Debug)]
pub(super) struct Dialling {
    dial: DialPlan,
    /// The trunk that is being called, by its place in the plan.
    trunk: usize,
    /// Its addresses.
    ways: Ways,
    /// While the trunk has not said a word.
    silent_until: Option<Instant>,
    /// The best final status a trunk gave.
    status: u16,
    full: bool,
}

/// No trunk is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exhausted {
    /// What the caller is to hear.
    pub(super) status: u16,
    /// None was asked, and one had no room for it.
    pub(super) full: bool,
}

impl Dialling {
    pub(super) fn new(dial: DialPlan) -> Dialling {
        Dialling { dial, trunk: 0, ways: Ways::default(), silent_until: None, status: 0, full: false }
    }

    /// True for a mobile whose owner must press 1.
    pub(super) fn confirms(&self) -> bool {
        self.dial.mobile.is_some_and(|mobile| mobile.confirm)
    }

    /// When the trunk that is being called has been silent for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.silent_until
    }

    /// The trunk has the call now: its silence is ringing.
    pub(super) fn reached(&mut self) {
        self.silent_until = None;
    }

    /// The next address or trunk, where what the last one answered (0: none was asked yet) lets another one try. 408 stands
    /// for silence, 503 also for a connection that failed (RFC 3261 §8.1.3.1).
    pub(super) fn next(
        &mut self,
        answered: u16,
        now: Instant,
        legs: &mut dyn Legs,
    ) -> Result<(LegKey, Rung), Exhausted> {
        let silent = self.silent_until.take().is_some();
        if answered != 0 {
            self.status = answered;
            // An emergency call takes every way there is; for the rest, what the called side decided is final.
            if !self.dial.emergency && !matches!(answered, 401..=403 | 407 | 408 | 500..=599) {
                return Err(Exhausted { status: answered, full: false });
            }
            // Anything else was said by the trunk and not by one of its servers.
            if answered != 503 && !(answered == 408 && silent) {
                self.pass_trunk();
            }
        }
        while let Some(trunk) = self.dial.trunks.get(self.trunk).copied() {
            match legs.dial(trunk, &mut self.ways, &self.dial) {
                Ok(dialled) => {
                    self.ways.tried += 1;
                    self.silent_until = Some(now + SILENCE);
                    return Ok(dialled);
                }
                Err(TrunkUnfit::Full) => self.full = true,
                Err(TrunkUnfit::Down) => {}
            }
            self.pass_trunk();
        }
        legs.alarm(Alarm::TrunksExhausted { number: self.dial.number.to_string() });
        let status = match self.status {
            0 if self.full => 486,
            // RFC 3261 §16.7: a 503 speaks of the trunk, not of us; passed on, it would take our phones away from us. Nor
            // is it our phone that the trunk does not believe.
            0 | 401 | 407 | 503 => 500,
            status => status,
        };
        Err(Exhausted { status, full: self.full && self.status == 0 })
    }

    fn pass_trunk(&mut self) {
        self.trunk += 1;
        self.ways = Ways::default();
    }
}
