//! What every dialect works with while it tells a CRM of one event, and what all of them do alike: who rings now, who no
//! longer does, who talks.

use std::sync::Arc;

use super::news::{Call, News};
use super::wire::{Answer, Failed, Found, LegNow, Request, Told, Wire};
use crate::config::{Config, Crm};

/// Tells one CRM of one event of one call.
pub struct Teller<'a> {
    /// Whom.
    pub crm: &'a Crm,
    /// The config in force.
    pub config: &'a Config,
    /// Of what.
    pub news: &'a News,
    /// Of which call.
    pub call: &'a Call,
    /// Too late for a window on somebody's screen: the event is long past.
    pub stale: bool,
    /// What it has been told of this call.
    pub told: Told,
    /// The way there.
    pub wire: &'a mut dyn Wire,
    /// The disk.
    pub desk: &'a mut dyn Desk,
}

/// What a dialect needs of the disk.
pub trait Desk {
    /// Keeps what was told, before anything else is said.
    ///
    /// # Errors
    /// The disk does not take it.
    fn keep(&mut self, told: &Told) -> Result<(), Failed>;
    /// The bytes of a recording; `None` where it is gone.
    ///
    /// # Errors
    /// It cannot be read.
    fn recording(&mut self, file: &str) -> Result<Option<Vec<u8>>, Failed>;
    /// The CRM knows a customer: they are known here from the next call on.
    fn found(&mut self, customer: Found);
    /// Where a browser plays the recording of this call, where it can be reached.
    fn link(&self) -> Option<String>;
}

impl Teller<'_> {
    /// Sends a request; a good answer, or why there was none.
    ///
    /// # Errors
    /// None came, or it was no 2xx.
    pub fn send(&mut self, request: Request) -> Result<Answer, Failed> {
        self.wire.send(request)?.good()
    }

    /// Keeps what was told so far.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn keep(&mut self) -> Result<(), Failed> {
        self.desk.keep(&self.told)
    }

    /// Whoever begins to ring, with a leg each from now on. Whoever rings already does not begin.
    pub fn begin_ringing(&mut self) -> Vec<Arc<str>> {
        let mut fresh = self.news.ringing();
        fresh.retain(|extension| {
            let rung_before = self.told.legs.get(extension).copied();
            if rung_before.is_some_and(|leg| leg.now != LegNow::Over) {
                return false;
            }
            let leg = self.told.legs.entry(extension.clone()).or_default();
            leg.round += u32::from(rung_before.is_some());
            (leg.seq, leg.now) = (0, LegNow::Rings);
            true
        });
        fresh
    }

    /// Whoever no longer rings, whose legs are over from now on: those who are said to, and once somebody talks or the call
    /// is over everybody who still does.
    pub fn stop_ringing(&mut self, everybody: bool) -> Vec<Arc<str>> {
        let withdrawn = self.news.withdrawn();
        let rings = self.told.legs.iter_mut().filter(|(_, leg)| leg.now == LegNow::Rings);
        let gone = rings.filter(|(extension, _)| everybody || withdrawn.contains(extension));
        let end = |(extension, leg): (&Arc<str>, &mut super::wire::Leg)| {
            leg.now = LegNow::Over;
            extension.clone()
        };
        gone.map(end).collect()
    }

    /// Whoever talks now and did not before; whoever did and no longer does.
    pub fn change_of_talkers(&mut self) -> (Option<Arc<str>>, Option<Arc<str>>) {
        let now = self.call.talkers.iter().rev().find(|talker| talker.until.is_none());
        let now = now.map(|talker| talker.extension.clone());
        if self.told.talks == now {
            return (None, None);
        }
        let before = std::mem::replace(&mut self.told.talks, now.clone());
        if let Some(leg) = before.as_ref().and_then(|before| self.told.legs.get_mut(before)) {
            leg.now = LegNow::Over;
        }
        if let Some(now) = &now {
            self.told.legs.entry(now.clone()).or_default().now = LegNow::Talks;
        }
        (now, before)
    }

    /// The customer's number; where they hid it there is nothing that a CRM could be told.
    pub fn phone(&self) -> Option<String> {
        self.call.phone().map(str::to_owned)
    }

    /// What the CRM calls an employee.
    pub fn user(&self, extension: &str) -> String {
        self.crm.user(extension).to_owned()
    }
}
