//! Facts in words, as a `fact` line of a trace writes them and a log tells them.

use std::collections::BTreeMap;

use crate::fact::{Alarm, CallFact, Ended, EndedBy, Fact, MissedCause, RecordingOf, Whom};
use crate::key::CallId;
use crate::route::{Reason, sentence};

/// Tells facts in words. It remembers of each call whom it rings and why, so that the end of a sentence makes sense.
#[derive(Debug, Default)]
pub(super) struct Diary {
    calls: BTreeMap<CallId, Story>,
}

#[derive(Debug, Default)]
struct Story {
    because: Vec<Reason>,
    rung: BTreeMap<u16, String>,
}

impl Diary {
    /// The fact as a line.
    pub(super) fn tell(&mut self, fact: &Fact) -> String {
        match fact {
            Fact::Call(call, fact) => self.tell_call(*call, fact),
            Fact::Bound(bound) => format!("bound {} at {}", bound.extension, bound.contact),
            Fact::Unbound { extension, identity } => format!("unbound {extension}: {identity}"),
            Fact::TrunkDown { trunk, why } => format!("trunk {trunk} down: {why}"),
            Fact::TrunkUp { trunk } => format!("trunk {trunk} up"),
            Fact::Alarm(alarm) => format!("alarm: {}", tell_alarm(alarm)),
            Fact::Overridden { schedule, state: None } => format!("override of {schedule} taken back"),
            Fact::Overridden { schedule, state: Some(state) } => {
                format!("{schedule} set {} by hand", if state.open { "open" } else { "closed" })
            }
            Fact::Away { extension, until: None } => format!("{extension} is back"),
            Fact::Away { extension, until: Some(_) } => format!("{extension} is away"),
            Fact::Forwarded { extension, when, to: Some(to) } => {
                format!("{extension} forwards {} to {to}", when.word())
            }
            Fact::Forwarded { extension, when, to: None } => format!("{extension} forwards {} no longer", when.word()),
            Fact::Blocked { number, blocked, .. } => {
                format!("{number} {}", if *blocked { "blocked" } else { "unblocked" })
            }
            Fact::Banned(ban) => format!("banned {}: {}", ban.whom, ban.why),
            Fact::Unbanned { whom } => format!("banned no longer: {whom}"),
            Fact::Streamed { call, leg, streamed } => {
                let story = self.calls.entry(*call).or_default();
                format!("{} packets came from {}", streamed.packets, story.name(*leg))
            }
            other => format!("{other:?}"),
        }
    }

    fn tell_call(&mut self, call: CallId, fact: &CallFact) -> String {
        let story = self.calls.entry(call).or_default();
        match fact {
            CallFact::Offered(offered) => {
                story.because.clone_from(&offered.because);
                let reference = offered.reference.as_ref().map(|reference| format!(" as {reference}"));
                format!("offered{}; {}", reference.unwrap_or_default(), sentence(&story.because))
            }
            CallFact::Rung(rung) => {
                for rung in rung {
                    let whom = match &rung.whom {
                        Whom::Extension(extension) => extension.to_string(),
                        Whom::Trunk { number, .. } => number.to_string(),
                    };
                    story.rung.insert(rung.leg, whom);
                }
                "rung".to_owned()
            }
            CallFact::Ringing { leg } => format!("{} rings", story.name(*leg)),
            CallFact::Dropped { leg, status, .. } => format!("{} dropped with {status}", story.name(*leg)),
            CallFact::Turned { because } => {
                story.because.extend(because.iter().cloned());
                format!("turned; {}", sentence(because))
            }
            CallFact::Answered { leg, .. } => format!("answered by {}; {}", story.name(*leg), sentence(&story.because)),
            CallFact::CallerAnswered { leg } => format!("{} picks up and is the caller", story.name(*leg)),
            CallFact::Served { leg, by } => format!("{} hears {by}", story.name(*leg)),
            CallFact::Recording { of: RecordingOf::Talk, .. } => "recorded".to_owned(),
            CallFact::Recording { of: RecordingOf::Message { mailbox }, .. } => format!("recorded for {mailbox}"),
            CallFact::RecordingPaused { paused, .. } => {
                format!("recording {}", if *paused { "pauses" } else { "goes on" })
            }
            CallFact::Held { leg, held } => format!("{} {}", story.name(*leg), if *held { "holds" } else { "resumes" }),
            CallFact::Transferred { by, to, attended, .. } => {
                let how = if *attended { "after a talk with them" } else { "blindly" };
                format!("{} transfers to {to} {how}", story.name(*by))
            }
            CallFact::Returned { leg, status } => format!("back to {} with {status}", story.name(*leg)),
            CallFact::Merged { .. } => "goes on in another call".to_owned(),
            CallFact::Ended(ended) => format!("{}; {}", tell_end(ended), sentence(&story.because)),
            CallFact::Traced { .. } => "traced".to_owned(),
        }
    }
}

impl Story {
    fn name(&self, leg: u16) -> &str {
        self.rung.get(&leg).map_or("caller", String::as_str)
    }
}

fn tell_end(ended: &Ended) -> String {
    let by = match ended.by {
        EndedBy::Caller => "caller",
        EndedBy::Callee => "callee",
        EndedBy::Router => "router",
        EndedBy::Transfer => "transfer",
        EndedBy::SystemFailure => "system failure",
    };
    match ended.missed {
        Some(cause) => format!("ended by {by}, missed: {}", tell_cause(cause)),
        None if ended.status == 200 => format!("ended by {by} after {}s", ended.talk_ms / 1000),
        None => format!("ended by {by} with {}", ended.status),
    }
}

fn tell_cause(cause: MissedCause) -> &'static str {
    match cause {
        MissedCause::Abandoned => "abandoned",
        MissedCause::NoAnswer => "no answer",
        MissedCause::AllBusy => "all busy",
        MissedCause::NoneReachable => "none reachable",
        MissedCause::Rejected => "rejected",
        MissedCause::AfterHours => "after hours",
        MissedCause::VoicemailLeft => "voicemail left",
        MissedCause::AnnouncementOnly => "announcement only",
        MissedCause::Capacity => "capacity",
        MissedCause::SystemFailure => "system failure",
    }
}

fn tell_alarm(alarm: &Alarm) -> String {
    match alarm {
        Alarm::GuaranteeSuspended => "guarantee suspended".into(),
        Alarm::GuaranteeRestored => "guarantee restored".into(),
        Alarm::Pressure { on } => format!("pressure {}", if *on { "on" } else { "off" }),
        Alarm::Overloaded { late_ms } => format!("overloaded, {late_ms} ms late"),
        Alarm::OverloadOver { refused, seconds } => format!("overload over after {seconds} s, {refused} refused"),
        Alarm::Unrecorded { calls } => format!("{calls} calls shed without a record"),
        Alarm::UnknownDid { trunk, number } => format!("{trunk} named {number}, which is no DID"),
        Alarm::Emergency { extension, number } => format!("{extension} dialled {number}"),
        Alarm::TrunksExhausted { number } => format!("no trunk takes {number}"),
        Alarm::RecordingLoses { why, .. } => format!("a recording loses sound: {why}"),
        Alarm::Undelivered { to, why, .. } => format!("a letter to {to} was given up: {why}"),
        Alarm::OneWay { for_seconds, .. } => format!("nothing heard from one side for {for_seconds} s"),
        Alarm::PinGuessed { extension } => format!("the pins of mailboxes were wrong too often from {extension}"),
        Alarm::Unwritable { why } => format!("facts cannot be written: {why}"),
        Alarm::Damaged { why } => format!("the database is damaged: {why}"),
        Alarm::MediaPort { port, why } => format!("media port {port}: {why}"),
    }
}
