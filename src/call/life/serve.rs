//! The router itself speaks with the caller: a greeting and ringing while phones ring, and conversations where the plan ends
//! in one.
//!
//! ```text
//!   Ringing ──greeting──► Ringing, the caller hears us ──Answered──► Talking
//!      │ the plan ends in voicemail or an announcement
//!      ▼
//!   Serving ──Hosted──► the conversation goes on ──Done, or the caller hangs up──► Over, and the customer was missed
//! ```

use std::sync::Arc;

use super::super::alphabet::{LegEvent, LegOrder, Legs, StopReason, Why};
use super::super::served::{Hosting, Serving};
use super::{Call, Stage};
use crate::anchor::{TakeKey, Taken, Until};
use crate::clock::{Duration, Instant};
use crate::fact::{CallFact, EndedBy, MissedCause, RecordingOf};
use crate::ivr::{self, Conversation, Heard, Mailbox, Setting, Wish};
use crate::route::{Ending, Feature};
use crate::sound::{Sound, Tone};

/// How long the file of a recording may take to be whole after it was ended.
const FILING: Duration = Duration::from_secs(2);

/// While phones ring.
impl Call {
    /// A greeting is due: the caller hears it, and ringing after it.
    pub(super) fn greet(&mut self, prompt: &Arc<str>, legs: &mut dyn Legs) {
        let name = prompt.strip_suffix(".wav").unwrap_or(prompt);
        let recorded = std::mem::take(&mut self.announces).then(|| Sound::prompt("recorded"));
        let sounds = recorded.into_iter().chain([greeting_of(prompt)]).collect();
        self.say(&format!("greeting:{name}"), sounds, legs);
    }

    /// Where no greeting says it, the caller hears in any case that the talk is recorded.
    pub(super) fn announce(&mut self, legs: &mut dyn Legs) {
        if std::mem::take(&mut self.announces) {
            self.say("recorded", vec![Sound::prompt("recorded")], legs);
        }
    }

    /// The caller hears these while phones ring. Nothing is said to one who waits after a talk, or who hears a phone's own.
    fn say(&mut self, by: &str, sounds: Vec<Sound>, legs: &mut dyn Legs) {
        match &mut self.hosting {
            Some(hosting) if hosting.ready => hosting.greeting = Some(legs.play(self.caller.leg, &sounds, false)),
            Some(hosting) => hosting.sounds.extend(sounds),
            None if self.is_up || self.early.is_some() => return,
            None => {
                self.hosting = Some(Hosting { ready: false, greeting: None, sounds });
                // Who answers before the caller has acknowledged that has to meet them, too.
                self.is_up = self.answers;
                legs.order(self.caller.leg, LegOrder::Host { answer: self.answers });
            }
        }
        legs.note(CallFact::Served { leg: self.caller.number, by: by.into() });
    }

    /// Somebody answers, or the router takes the call: a greeting that has not left yet never does, nor the answer that would
    /// have been for it.
    pub(super) fn forgo_greeting(&mut self, legs: &mut dyn Legs) {
        if self.hosting.as_ref().is_some_and(|hosting| !hosting.ready) && legs.take_back_host(self.caller.leg) {
            self.is_up = false;
        }
    }

    /// Whoever waits hears music, until somebody takes over.
    pub(super) fn wait_with_music(&mut self, legs: &mut dyn Legs) {
        legs.play(self.caller.leg, &self.waiting_tone(), true);
        self.hosting = Some(Hosting { ready: true, greeting: None, sounds: Vec::new() });
    }

    /// Something about what the caller hears from us while phones ring.
    pub(super) fn hear_hosted(&mut self, event: &LegEvent, now: Instant, legs: &mut dyn Legs) {
        let Some(hosting) = &mut self.hosting else { return };
        match event {
            LegEvent::Hosted | LegEvent::Acknowledged(_) if !hosting.ready => {
                hosting.ready = true;
                if self.is_up {
                    legs.serve(self.caller.leg);
                }
                let sounds = std::mem::take(&mut hosting.sounds);
                hosting.greeting = Some(legs.play(self.caller.leg, &sounds, false));
            }
            // Where it asked for an offer of ours, there is none.
            LegEvent::Unhosted(_) if hosting.ready => legs.order(self.caller.leg, LegOrder::RefuseReoffer(491)),
            LegEvent::Unhosted(_) | LegEvent::Unheard => {
                self.is_up &= hosting.ready;
                self.hosting = None;
                if self.rang {
                    legs.order(self.caller.leg, LegOrder::Ring(None));
                }
                self.greeted(now, legs);
            }
            LegEvent::Played(play) if hosting.greeting == Some(*play) => {
                hosting.greeting = None;
                legs.play(self.caller.leg, &[Sound::Tone(Tone::Ringback)], true);
                self.greeted(now, legs);
            }
            _ => {}
        }
    }
}

impl Call {
    /// Where nobody is rung before a greeting is over, it is.
    pub fn greeted(&mut self, now: Instant, legs: &mut dyn Legs) {
        if !self.is_ringing() {
            return;
        }
        let mut orders = Vec::new();
        self.walk.greeted(now, legs.presence(), &mut orders);
        self.carry_out(orders, now, legs);
    }

    /// True where the caller hears us, and nobody else.
    pub(super) fn is_hosted(&self) -> bool {
        self.hosting.as_ref().is_some_and(|hosting| hosting.ready)
    }
}

/// Where the plan ends in a conversation.
impl Call {
    /// What the plan ends in, as a conversation; `None`: a refusal. A greeting that is still due is said first.
    pub(super) fn conversation(&mut self, ending: &Ending) -> Option<(Arc<str>, Conversation, bool)> {
        let due = self.greeting.take().map(|prompt| greeting_of(&prompt));
        match ending {
            Ending::Voicemail(ix, name) => {
                let config = self.config.voicemail(*ix);
                let greeting = config.greeting.as_deref().unwrap_or(name);
                let greeting = greeting.strip_suffix(".wav").unwrap_or(greeting);
                let greeting = due.into_iter().chain([Sound::Prompt(greeting.into(), "voicemail")]).collect();
                let until = Until { longest: Some(config.longest), silence: Some(config.silence) };
                let voicemail = crate::ivr::Voicemail::new(name.clone(), greeting, until);
                Some((format!("voicemail:{name}").into(), Conversation::Voicemail(voicemail), true))
            }
            Ending::Announcement(name) => {
                let prompt = name.strip_suffix(".wav").unwrap_or(name);
                let sounds = due.into_iter().chain([Sound::Prompt(prompt.into(), "unavailable")]).collect();
                let announcement = crate::ivr::Announcement::new(sounds);
                Some((format!("announcement:{name}").into(), Conversation::Announcement(announcement), self.answers))
            }
            Ending::Feature(feature) => {
                // Who may not is told so, and not answered.
                let answer = *feature != Feature::NotAllowed;
                Some((format!("feature:{feature}").into(), self.about(feature), answer))
            }
            Ending::Refuse(_) | Ending::RanOut { .. } => None,
        }
    }

    /// What is said to whom has dialled a code.
    fn about(&self, feature: &Feature) -> Conversation {
        let say = |prompt| ivr::Feature::say(vec![Sound::prompt(prompt)]);
        Conversation::Feature(match feature {
            Feature::Mailbox => return Conversation::Mailbox(Mailbox::own()),
            Feature::AnyMailbox(named) => return Conversation::Mailbox(Mailbox::any(named.clone())),
            Feature::Forward(when, None) => ivr::Feature::ask_forward(*when),
            Feature::Forward(when, to) => ivr::Feature::set(Setting::Forward(*when, to.clone())),
            Feature::ForwardOff(when) => ivr::Feature::set(Setting::Forward(*when, None)),
            Feature::Away(away) => ivr::Feature::set(Setting::Away(*away)),
            Feature::Hours(open) => ivr::Feature::set(Setting::Hours(*open)),
            Feature::Echo => ivr::Feature::echo(),
            Feature::OwnNumber => {
                let own = self.caller.extension.map(|extension| self.config.extension(extension).number.clone());
                let own = own.map(Sound::Digits);
                ivr::Feature::say([Sound::prompt("your-number-is")].into_iter().chain(own).collect())
            }
            Feature::NotAllowed => say("not-allowed"),
        })
    }

    /// Nobody is rung any more; the router takes the caller.
    pub(super) fn begin_to_serve(
        &mut self,
        ending: &Ending,
        (by, conversation, answer): (Arc<str>, Conversation, bool),
        now: Instant,
        legs: &mut dyn Legs,
    ) {
        self.stop_branches(|_| true, StopReason::PlanMovedOn, legs);
        self.end_transfer(200, legs);
        // What came of it would be taken for what comes of this.
        self.forgo_greeting(legs);
        let cause = matches!(ending, Ending::Announcement(_)).then_some(MissedCause::AnnouncementOnly);
        self.stage = Stage::Serving(Box::new(Serving {
            by,
            conversation,
            cause,
            was_up: self.is_up,
            status: ending.status(),
            play: None,
            take: None,
            spoke: false,
            wake: None,
            leaving: None,
            begun: false,
        }));
        let answer = answer || self.is_up;
        self.is_up = answer;
        match self.hosting.take().filter(|hosting| hosting.ready && !answer) {
            // The caller hears us already, and early media is enough.
            Some(_) => self.converse_from_here(now, legs),
            None => legs.order(self.caller.leg, LegOrder::Host { answer }),
        }
    }

    /// What the caller says to the router.
    pub(super) fn hear_served(&mut self, event: LegEvent, now: Instant, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &mut self.stage else { return };
        let begun = serving.begun;
        match event {
            LegEvent::Hosted | LegEvent::Acknowledged(Some(_)) if !begun => self.converse_from_here(now, legs),
            LegEvent::Unhosted(None) if !begun => {
                self.is_up = serving.was_up;
                self.done_serving(EndedBy::Router, legs);
            }
            LegEvent::Unhosted(_) => legs.order(self.caller.leg, LegOrder::RefuseReoffer(488)),
            LegEvent::Unheard if serving.leaving.is_none() => self.nobody_listens(now, legs),
            LegEvent::Played(play) if serving.play == Some(play) => self.converse(Heard::Played, now, legs),
            LegEvent::Digit(digit) => self.converse(Heard::Digit(digit), now, legs),
            LegEvent::Passed(passed) => {
                if let Some(digit) = passed.new_key() {
                    self.converse(Heard::Digit(digit), now, legs);
                }
            }
            LegEvent::Reoffered { .. } => legs.order(self.caller.leg, LegOrder::Host { answer: true }),
            LegEvent::TransferAsked(_) => legs.order(self.caller.leg, LegOrder::RefuseTransfer(403)),
            LegEvent::Ended(why) => {
                let by = self.ended_by(self.caller, &why);
                legs.order(self.caller.leg, LegOrder::Refuse { status: 487, reason: None });
                self.caller_leaves(by, now, legs);
            }
            _ => {}
        }
    }

    /// A recording says something.
    pub fn hear_take(&mut self, take: TakeKey, taken: Option<Taken>, now: Instant, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &mut self.stage else { return };
        if serving.take != Some(take) {
            return;
        }
        match taken {
            None => {
                serving.spoke = true;
                self.converse(Heard::Spoke, now, legs);
            }
            Some(taken) => {
                serving.spoke = taken.speech >= Duration::from_secs(1);
                serving.take = None;
                match serving.leaving {
                    Some((by, status)) => self.over_served(by, status, legs),
                    None => self.converse(Heard::Recorded(taken), now, legs),
                }
            }
        }
    }

    /// The time for which the conversation wanted to be woken.
    pub(super) fn served_is_due(&mut self, now: Instant, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &mut self.stage else { return };
        if serving.wake.take_if(|at| *at <= now).is_none() {
            return;
        }
        match serving.leaving {
            // The disk is too slow for the cause of the miss; the message itself is filed when it is whole.
            Some((by, status)) => self.over_served(by, status, legs),
            None => self.converse(Heard::TimeUp, now, legs),
        }
    }

    fn converse_from_here(&mut self, now: Instant, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &mut self.stage else { return };
        serving.begun = true;
        legs.note(CallFact::Served { leg: self.caller.number, by: serving.by.clone() });
        self.converse(Heard::Ready, now, legs);
    }

    fn converse(&mut self, heard: Heard, now: Instant, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &mut self.stage else { return };
        if serving.leaving.is_some() {
            return;
        }
        let (mut wishes, mut answer) = (Vec::new(), None);
        serving.conversation.hear(&heard, &mut wishes);
        for wish in wishes {
            match wish {
                Wish::Play(sounds) => serving.play = Some(legs.play(self.caller.leg, &sounds, false)),
                Wish::Record { mailbox, until } => {
                    serving.take = legs.record(self.caller.leg, None, RecordingOf::Message { mailbox }, until);
                }
                Wish::EndRecord => serving.take.into_iter().for_each(|take| legs.end_record(take)),
                Wish::Wake(after) => serving.wake = Some(now + after),
                Wish::Quiet => legs.order(self.caller.leg, LegOrder::Hush),
                Wish::Echo => legs.bridge(self.caller.leg, self.caller.leg),
                Wish::Set(setting) => {
                    let done = self.caller.extension.is_some_and(|own| legs.set(own, &setting));
                    answer = Some(Heard::Set(done));
                }
                Wish::Open { whose, pin } => {
                    answer = Some(Heard::Opened(legs.open_mailbox(self.caller.extension, &whose, pin.as_deref())));
                }
                Wish::Mark { file, now } => legs.mark_message(&file, now),
                Wish::Done => return self.done_serving(EndedBy::Router, legs),
            }
        }
        if let Some(answer) = answer {
            self.converse(answer, now, legs);
        }
    }

    /// The caller has hung up. Where something is being written down, its end decides what this was.
    fn caller_leaves(&mut self, by: EndedBy, now: Instant, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &self.stage else { return };
        let status = self.status_of_caller(if self.is_up { serving.status } else { 487 });
        let Stage::Serving(serving) = &mut self.stage else { return };
        match serving.take {
            Some(take) => {
                serving.leaving = Some((by, status));
                serving.wake = Some(now + FILING);
                legs.end_record(take);
            }
            None => self.over_served(by, status, legs),
        }
    }

    fn done_serving(&mut self, by: EndedBy, legs: &mut dyn Legs) {
        self.say_goodbye(legs);
        let Stage::Serving(serving) = &self.stage else { return };
        let status = self.status_of_caller(serving.status);
        self.over_served(by, status, legs);
    }

    /// Nothing of ours reaches the caller, nor do they reach us.
    fn nobody_listens(&mut self, now: Instant, legs: &mut dyn Legs) {
        self.say_goodbye(legs);
        self.caller_leaves(EndedBy::Router, now, legs);
    }

    fn say_goodbye(&mut self, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &self.stage else { return };
        legs.order(
            self.caller.leg,
            match self.is_up {
                true => LegOrder::End(Why::default()),
                false => LegOrder::Refuse { status: serving.status, reason: None },
            },
        );
    }

    /// The router ends a conversation from outside: an admin, a drain.
    pub(super) fn end_serving(&mut self, now: Instant, legs: &mut dyn Legs) {
        legs.order(self.caller.leg, LegOrder::End(Why::default()));
        self.caller_leaves(EndedBy::Router, now, legs);
    }

    fn over_served(&mut self, by: EndedBy, status: u16, legs: &mut dyn Legs) {
        let Stage::Serving(serving) = &self.stage else { return };
        let missed = match (serving.spoke, serving.cause) {
            (true, _) => MissedCause::VoicemailLeft,
            (false, Some(cause)) if !self.after_hours => cause,
            // Nobody was rung, and nothing was said.
            (false, _) if self.failures.is_nothing() && !self.after_hours => MissedCause::Abandoned,
            (false, _) => self.missed_cause(status),
        };
        self.over(by, status, Some(missed), legs);
    }
}

/// The admin's prompt, or the shipped greeting.
fn greeting_of(prompt: &str) -> Sound {
    Sound::Prompt(prompt.strip_suffix(".wav").unwrap_or(prompt).into(), "hello")
}
