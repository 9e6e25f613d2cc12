//! What the tests of this folder begin with: a folder of their own, and the facts of an ordinary call.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Writer;
use crate::clock::Timestamp;
use crate::fact::{
    CallFact, Ended, EndedBy, Fact, KnownCustomer, Noted, Offered, Party, Recorded, RecordingOf, Rung, StopReason, Whom,
};
use crate::key::CallId;
use crate::route::{Direction, Failed, Reason};

/// A folder that is gone when the test is over.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("huntline-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `seconds` after ten on a Monday morning in Berlin.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second("2026-11-23T09:00:00Z".parse::<Timestamp>().unwrap().as_second() + seconds).unwrap()
}

/// The id of a call that begins then.
pub(crate) fn call(seconds: i64) -> CallId {
    CallId::new(at(seconds), 7)
}

/// Facts with their numbers, from `first` on.
pub(crate) fn numbered(first: u64, facts: impl IntoIterator<Item = (i64, Fact)>) -> Vec<Noted> {
    let numbered = facts.into_iter().zip(first..);
    numbered.map(|((seconds, fact), number)| Noted { number, at: at(seconds), fact }).collect()
}

pub(crate) fn step(id: CallId, step: CallFact) -> Fact {
    Fact::Call(id, step)
}

/// A customer calls, her responsible is busy, Sales rings.
pub(crate) fn offered() -> Offered {
    Offered {
        direction: Direction::Inbound,
        from: Party {
            number: Some("+491701112233".parse().unwrap()),
            name: Some("Ada Byron".into()),
            ..Party::default()
        },
        to: Party { number: Some("+493012340".parse().unwrap()), ..Party::default() },
        did: Some("+493012340".into()),
        source: Some("site".into()),
        trunk: Some("provider".into()),
        customer: Some(KnownCustomer { id: "crm-1".into(), name: "Ada Byron".into(), responsible: Some("12".into()) }),
        emergency: false,
        reference: None,
        sip_call_id: "3848276298220188511@provider.example".into(),
        because: vec![Reason::KnownCustomer("Ada Byron".into()), Reason::Responsible("12".into())],
        plan: "ring 14, 15".into(),
        considered: Vec::new(),
    }
}

/// A message that Ada has left in a box, with so much speech in it, in milliseconds. It began with the call.
pub(crate) fn message(file: &str, mailbox: &str, speech_ms: u64) -> Fact {
    Fact::Recorded(Box::new(Recorded {
        call: call(0),
        file: file.into(),
        of: RecordingOf::Message { mailbox: mailbox.into() },
        from: offered().from,
        began: at(0),
        length_ms: speech_ms + 500,
        speech_ms,
        lost_ms: 0,
        failed: None,
    }))
}

pub(crate) fn rung(leg: u16, extension: &str) -> Rung {
    Rung { leg, whom: Whom::Extension(extension.into()), device: format!("sip:{extension}@192.168.0.9").into() }
}

/// The whole ordinary call: 14 and 15 ring, 15 answers after 4 s, the caller hangs up after 90 s of talk.
pub(crate) fn ordinary(id: CallId, begin: i64) -> Vec<(i64, Fact)> {
    let turned = vec![Reason::Is("12".into(), Failed::Busy), Reason::FallsTo("group:sales".into())];
    let ended = Ended { by: EndedBy::Caller, status: 200, missed: None, talk_ms: 90_000 };
    [
        (0, CallFact::Offered(Box::new(offered()))),
        (0, CallFact::Turned { because: turned }),
        (0, CallFact::Rung(vec![rung(1, "14"), rung(2, "15")])),
        (1, CallFact::Ringing { leg: 1 }),
        (4, CallFact::Answered { leg: 2, human: true }),
        (4, CallFact::Dropped { leg: 1, status: 487, stopped: Some(StopReason::CompletedElsewhere) }),
        (94, CallFact::Ended(ended)),
        (94, CallFact::Traced { ladder: "provider -> us   INVITE".into(), tape: None }),
    ]
    .map(|(seconds, fact)| (begin + seconds, step(id, fact)))
    .into()
}
