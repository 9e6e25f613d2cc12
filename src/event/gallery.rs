//! The pictures of all calls in progress, and what each fact makes the world outside hear.
//!
//! Two of them are folded from the same facts: one beside the loop, for screens that must not wait for the disk, and one
//! in the transaction of the facts, for the record. So an event has the same id and the same words on both ways.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::{Value, json};

use super::picture::{Picture, shortened};
use super::{Audience, EventKind, Told};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::fact::{CallFact, Fact, Recorded, RecordingOf};
use crate::key::CallId;

/// How many calls that are over are kept for what is still told of them: recordings, follow-ups.
const REMEMBERED: usize = 256;

/// The pictures of all calls in progress.
#[derive(Debug, Default)]
pub struct Gallery {
    calls: HashMap<CallId, Picture, foldhash::fast::FixedState>,
    /// Those that are over, the oldest first.
    over: VecDeque<CallId>,
    /// The config in force: whose card is shown, which names are groups'.
    config: Option<Arc<Config>>,
}

impl Gallery {
    /// What this fact makes the world outside hear, in order. `current` gives the config in force, and is asked when
    /// it changes.
    pub fn follow(&mut self, at: Timestamp, fact: &Fact, current: impl Fn() -> Option<Arc<Config>>) -> Vec<Told> {
        if self.config.is_none() || matches!(fact, Fact::ConfigApplied { .. }) {
            self.config = current();
        }
        let mut tell = Vec::new();
        match fact {
            Fact::Call(id, CallFact::Offered(offered)) => {
                let picture = Picture::begin(*id, at, offered, self.config.as_deref());
                tell.push(picture.begun());
                self.calls.insert(*id, picture);
            }
            Fact::Call(id, step) => {
                let Some(picture) = self.calls.get_mut(id) else { return tell };
                let was_over = picture.is_over();
                picture.fold(at, step, self.config.as_deref(), &mut tell);
                if picture.is_over() && !was_over {
                    self.remember(*id);
                }
            }
            Fact::Recorded(recorded) => tell.extend(self.recorded(recorded)),
            other => tell.extend(of_the_house(other)),
        }
        tell
    }

    /// Takes a call in whose beginning was not followed: from its facts so far.
    pub fn learn(&mut self, id: CallId, steps: &[(Timestamp, CallFact)]) {
        let Some((at, CallFact::Offered(offered))) = steps.first() else { return };
        let mut picture = Picture::begin(id, *at, offered, self.config.as_deref());
        let mut told = Vec::new();
        for (at, step) in &steps[1..] {
            picture.fold(*at, step, self.config.as_deref(), &mut told);
        }
        let is_over = picture.is_over();
        self.calls.insert(id, picture);
        if is_over {
            self.remember(id);
        }
    }

    /// True where this fact says something of a call of which nothing is known here.
    pub fn lacks(&self, fact: &Fact) -> Option<CallId> {
        let call = match fact {
            Fact::Call(_, CallFact::Offered(_) | CallFact::Traced { .. }) => return None,
            Fact::Call(id, _) => *id,
            Fact::Recorded(recorded) => recorded.call,
            _ => return None,
        };
        (!self.has(call)).then_some(call)
    }

    /// True where this call's picture is here.
    pub fn has(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// The call as it is sent; `null` where it is not known here.
    pub fn show(&self, call: Option<CallId>) -> Value {
        call.and_then(|call| self.calls.get(&call)).map_or(Value::Null, Picture::to_value)
    }

    /// The calls that are not over, the oldest first.
    pub fn live(&self) -> Vec<&Picture> {
        let mut live: Vec<_> = self.calls.values().filter(|picture| !picture.is_over()).collect();
        live.sort_unstable_by_key(|picture| picture.id());
        live
    }

    fn remember(&mut self, id: CallId) {
        self.over.push_back(id);
        while self.over.len() > REMEMBERED {
            let oldest = self.over.pop_front();
            oldest.map(|oldest| self.calls.remove(&oldest));
        }
    }

    fn recorded(&mut self, recorded: &Recorded) -> Option<Told> {
        let picture = self.calls.get_mut(&recorded.call)?;
        picture.recorded(&recorded.file);
        let mut data = json!({
            "file": recorded.file,
            "began": recorded.began,
            "length_ms": recorded.length_ms,
            "lost_ms": recorded.lost_ms,
            "failed": recorded.failed,
        });
        let mut audience = picture.audience();
        let kind = match &recorded.of {
            RecordingOf::Talk => EventKind::RecordingReady,
            // Nobody speaks in it: nothing to listen to.
            RecordingOf::Message { .. } if recorded.is_empty() => return None,
            RecordingOf::Message { mailbox } => {
                data["mailbox"] = json!(mailbox);
                self.add_owners(mailbox, &mut audience);
                EventKind::VoicemailNew
            }
        };
        Some(Told { kind, call: Some(recorded.call), audience, data })
    }

    /// Whoever may listen to a box hears of what is left in it.
    fn add_owners(&self, mailbox: &str, audience: &mut Audience) {
        let (Some(config), Audience::Users(users)) = (&self.config, audience) else { return };
        let Some(mailbox) = config.voicemail_by_name(mailbox) else { return };
        for owner in &config.voicemail(mailbox).extensions {
            let owner = &config.extension(*owner).number;
            if !users.contains(owner) {
                users.push(owner.clone());
            }
        }
    }
}

/// What is no call.
fn of_the_house(fact: &Fact) -> Option<Told> {
    let told = |kind, audience, data| Some(Told { kind, call: None, audience, data });
    match fact {
        Fact::TrunkDown { trunk, why } => {
            told(EventKind::TrunkDown, Audience::Admins, json!({ "trunk": trunk, "why": why }))
        }
        Fact::TrunkUp { trunk } => told(EventKind::TrunkUp, Audience::Admins, json!({ "trunk": trunk })),
        Fact::Unbound { extension, identity } => {
            let data = json!({ "extension": extension, "device": identity });
            told(EventKind::DeviceUnreachable, Audience::Users(vec![extension.clone()]), data)
        }
        Fact::ConfigApplied { version, .. } => {
            told(EventKind::ConfigApplied, Audience::Admins, json!({ "version": version }))
        }
        Fact::ConfigRejected { errors, first } => {
            told(EventKind::ConfigRejected, Audience::Admins, json!({ "errors": errors, "first": first }))
        }
        _ => None,
    }
}

/// The part of a fact that pictures and events are made of; `None` where they are made of none of it. Cheap: whoever calls
/// this has calls to carry.
pub fn visible(fact: &Fact) -> Option<Fact> {
    match fact {
        Fact::Call(_, CallFact::Traced { .. } | CallFact::RecordingPaused { .. }) => None,
        Fact::Call(id, CallFact::Offered(offered)) => {
            Some(Fact::Call(*id, CallFact::Offered(Box::new(shortened(offered)))))
        }
        Fact::ConfigApplied { version, .. } => {
            Some(Fact::ConfigApplied { version: version.clone(), text: Arc::default() })
        }
        Fact::Call(..)
        | Fact::Recorded(_)
        | Fact::TrunkDown { .. }
        | Fact::TrunkUp { .. }
        | Fact::Unbound { .. }
        | Fact::ConfigRejected { .. } => Some(fact.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::fact::{Ended, EndedBy, MissedCause, Rung, StopReason, Whom};
    use crate::store::fixture::{at, call, offered, ordinary};

    fn follow(gallery: &mut Gallery, facts: &[(i64, Fact)]) -> Vec<(Told, Value)> {
        let mut all = Vec::new();
        for (seconds, fact) in facts {
            let told = gallery.follow(at(*seconds), fact, || None);
            all.extend(told.into_iter().map(|told| (told.clone(), gallery.show(told.call))));
        }
        all
    }

    fn words(told: &[(Told, Value)]) -> Vec<String> {
        let word = |(told, call): &(Told, Value)| {
            let names = |list: &Value| list.as_array().map(|all| all.iter().map(Value::to_string).collect::<Vec<_>>());
            let data = &told.data;
            let withdrawn = data["withdrawn"].as_array().cloned().unwrap_or_default();
            let withdrawn = withdrawn.iter().map(|one| format!(" -{}:{}", one["extension"], one["reason"]));
            let more = [&data["by"], &data["returned_to"], &data["cause"], &data["held"]];
            let more = more.into_iter().filter(|value| !value.is_null()).map(|value| format!(" {value}"));
            let ringing = names(&data["ringing"]).unwrap_or_default().join(",");
            let ringing = if ringing.is_empty() { String::new() } else { format!(" +{ringing}") };
            let text: String = [ringing].into_iter().chain(withdrawn).chain(more).collect();
            format!("{}{} {}", told.kind.word(), text, call["state"].as_str().unwrap()).replace('"', "")
        };
        told.iter().map(word).collect()
    }

    fn of(id: CallId, steps: impl IntoIterator<Item = (i64, CallFact)>) -> Vec<(i64, Fact)> {
        steps.into_iter().map(|(at, step)| (at, Fact::Call(id, step))).collect()
    }

    fn begin() -> CallFact {
        CallFact::Offered(Box::new(offered()))
    }

    fn rung(leg: u16, extension: &str) -> CallFact {
        CallFact::Rung(vec![crate::store::fixture::rung(leg, extension)])
    }

    fn answered(leg: u16) -> CallFact {
        CallFact::Answered { leg, human: true }
    }

    fn ended(by: EndedBy, missed: Option<MissedCause>) -> CallFact {
        CallFact::Ended(Ended { by, status: 200, missed, talk_ms: 0 })
    }

    #[test]
    fn who_asked_for_a_call_is_rung_first_and_the_window_closes_when_they_pick_up() {
        let trunk = Whom::Trunk { trunk: "provider".into(), number: "+4930".into() };
        let outside = CallFact::Rung(vec![Rung { leg: 3, whom: trunk, device: "sip:+4930@provider".into() }]);
        let mut offered = offered();
        offered.reference = Some("deal-4711".into());
        let facts = of(
            call(0),
            [
                (0, CallFact::Offered(Box::new(offered))),
                (0, rung(1, "12")),
                (0, rung(2, "12")),
                (2, CallFact::CallerAnswered { leg: 2 }),
                (2, outside),
                (5, answered(3)),
                (9, CallFact::Transferred { by: 2, to: "14".into(), attended: false, because: Vec::new() }),
            ],
        );
        let mut gallery = Gallery::default();
        let told = follow(&mut gallery, &facts);
        let expected = [
            "call.started offered",
            "call.ringing +12 ringing",
            "call.ringing -12:answered offered",
            "call.ringing ringing",
            "call.answered +4930 talking",
            "call.transferred 12 talking",
        ];
        assert_eq!(words(&told)[..], expected);
        assert!(told.iter().all(|(_, call)| call["ref"] == "deal-4711"), "{told:#?}");
    }

    #[test]
    fn an_overflow_moves_the_window_and_says_why() {
        let dropped = |leg, status, stopped| CallFact::Dropped { leg, status, stopped };
        let facts = of(
            call(0),
            [
                (0, begin()),
                (0, rung(1, "12")),
                (5, dropped(1, 603, None)),
                (5, rung(2, "14")),
                (5, CallFact::Ringing { leg: 2 }),
                (25, dropped(2, 487, Some(StopReason::PlanMovedOn))),
                (25, rung(3, "15")),
                (29, dropped(3, 487, Some(StopReason::CallerGone))),
                (29, ended(EndedBy::Caller, Some(MissedCause::Abandoned))),
            ],
        );
        let told = follow(&mut Gallery::default(), &facts);
        assert_eq!(
            words(&told),
            [
                "call.started offered",
                "call.ringing +12 ringing",
                "call.ringing -12:declined offered",
                "call.ringing +14 ringing",
                "call.ringing -14:plan_went_on offered",
                "call.ringing +15 ringing",
                "call.ringing -15:caller_gave_up offered",
                "call.ended caller ended",
                "call.missed abandoned ended",
            ]
        );
    }

    #[test]
    fn who_answers_is_shown_the_card_and_the_group_of_the_plan_is_named() {
        let text = "[site]\nname = \"Office\"\ntimezone = \"UTC\"\nnumbering = { country = \"49\" }\n\
                    [web]\ncard = \"https://crm.example/{customer}?phone={number}\"\n\
                    [[extension]]\nnumber = \"12\"\ndevices = [{ address = \"sip:127.0.0.1\" }]\n\
                    [[group]]\nname = \"sales\"\nmembers = [\"12\"]\nthen = \"refuse:unavailable\"\n";
        let path = std::path::Path::new("office.toml");
        let config = Config::read(path, text, &crate::config::Nothing).map_err(|why| why.to_string()).unwrap().config;
        let config = Some(Arc::new(config));
        let mut gallery = Gallery::default();
        let falls = CallFact::Turned { because: vec![crate::route::Reason::FallsTo("sales".into())] };
        let facts = of(call(0), [(0, begin()), (0, falls), (0, rung(1, "12")), (3, answered(1))]);
        let mut told = Vec::new();
        facts.iter().for_each(|(at_, fact)| told.extend(gallery.follow(at(*at_), fact, || config.clone())));
        let card = json!({ "url": "https://crm.example/crm-1?phone=%2B491701112233", "user": "12" });
        assert_eq!(told[2].data["card"], card);
        assert_eq!(gallery.show(Some(call(0)))["group"], "sales");
        // A stranger has no card with a customer's id in it.
        let mut stranger = offered();
        stranger.customer = None;
        let facts = of(call(9), [(0, CallFact::Offered(Box::new(stranger))), (0, rung(1, "12")), (3, answered(1))]);
        let mut told = Vec::new();
        facts.iter().for_each(|(at_, fact)| told.extend(gallery.follow(at(*at_), fact, || config.clone())));
        assert_eq!(told[2].data["card"], Value::Null);
    }

    #[test]
    fn a_phone_of_an_extension_that_rings_on_withdraws_nothing() {
        let both = CallFact::Rung(vec![crate::store::fixture::rung(1, "12"), crate::store::fixture::rung(2, "12")]);
        let facts = of(
            call(0),
            [
                (0, begin()),
                (0, both),
                (1, CallFact::Dropped { leg: 1, status: 486, stopped: None }),
                (2, answered(2)),
                (9, ended(EndedBy::Callee, None)),
            ],
        );
        let told = follow(&mut Gallery::default(), &facts);
        let expected =
            ["call.started offered", "call.ringing +12 ringing", "call.answered 12 talking", "call.ended callee ended"];
        assert_eq!(words(&told), expected);
    }

    #[test]
    fn a_blind_transfer_tells_the_new_one_who_the_customer_is_and_ends_once() {
        let handed_on = CallFact::Transferred { by: 1, to: "15".into(), attended: false, because: Vec::new() };
        let facts = of(
            call(0),
            [
                (0, begin()),
                (0, rung(1, "12")),
                (3, answered(1)),
                (8, CallFact::Held { leg: 1, held: true }),
                (9, handed_on),
                (9, rung(2, "15")),
                (14, answered(2)),
                (60, ended(EndedBy::Caller, None)),
            ],
        );
        let told = follow(&mut Gallery::default(), &facts);
        assert_eq!(
            words(&told),
            [
                "call.started offered",
                "call.ringing +12 ringing",
                "call.answered 12 talking",
                "call.held 12 true held",
                "call.transferred 12 offered",
                "call.ringing +15 ringing",
                "call.answered 15 talking",
                "call.ended caller ended",
            ]
        );
        assert_eq!(told[5].1["from"]["number"], "+491701112233");
        let talkers = told[7].1["talkers"].as_array().unwrap();
        let talked: Vec<_> = talkers.iter().map(|one| (&one["who"], &one["until"])).collect();
        assert_eq!(talked, [(&json!("12"), &json!(at(9))), (&json!("15"), &json!(at(60)))]);
        assert!(told[5].0.audience.has("15") && told[5].0.audience.has("12") && !told[3].0.audience.has("15"));
    }

    #[test]
    fn of_two_calls_that_become_one_only_that_one_ends() {
        let (kept, gone) = (call(0), call(20));
        let handed_on = CallFact::Transferred { by: 1, to: "15".into(), attended: true, because: Vec::new() };
        let mut facts = of(kept, [(0, begin()), (0, rung(1, "12")), (3, answered(1))]);
        facts.extend(of(gone, [(20, begin()), (20, rung(1, "15"))]));
        facts.extend(of(gone, [(25, CallFact::Merged { into: kept }), (25, ended(EndedBy::Transfer, None))]));
        facts.extend(of(kept, [(25, handed_on), (25, rung(2, "15")), (28, answered(2))]));
        facts.extend(of(kept, [(50, ended(EndedBy::Callee, None))]));
        let told = follow(&mut Gallery::default(), &facts);
        let of_gone: Vec<_> = told.iter().filter(|(told, _)| told.call == Some(gone)).cloned().collect();
        assert_eq!(
            words(&of_gone),
            [
                "call.started offered",
                "call.ringing +15 ringing",
                "call.ringing -15:transferred merged",
                "call.transferred merged",
            ]
        );
        assert_eq!(of_gone[3].0.data["into"], json!(kept));
        assert_eq!(words(&told).last().unwrap(), "call.ended callee ended");
    }

    #[test]
    fn what_is_forgotten_of_calls_that_are_over_is_bounded() {
        let mut gallery = Gallery::default();
        for begin in 0..1_000 {
            let facts: Vec<_> = ordinary(call(begin), begin);
            follow(&mut gallery, &facts);
        }
        assert_eq!((gallery.calls.len(), gallery.live().len()), (REMEMBERED, 0));
    }

    /// Any step at all, about a few legs and extensions.
    fn any_step() -> impl Strategy<Value = CallFact> {
        let leg = 0..6u16;
        let whom = (0..4u8, 0..5u8).prop_map(|(extension, outside)| match outside {
            0 => Whom::Trunk { trunk: "provider".into(), number: "+49301".into() },
            _ => Whom::Extension(format!("1{extension}").into()),
        });
        let one = (1..6u16, whom).prop_map(|(leg, whom)| Rung { leg, whom, device: "sip:x".into() });
        let stopped = prop_oneof![
            Just(None),
            Just(Some(StopReason::CompletedElsewhere)),
            Just(Some(StopReason::CallerGone)),
            Just(Some(StopReason::PlanMovedOn)),
            Just(Some(StopReason::Taken)),
        ];
        let status = prop_oneof![Just(302), Just(408), Just(486), Just(487), Just(500), Just(603)];
        prop_oneof![
            4 => prop::collection::vec(one, 1..4).prop_map(CallFact::Rung),
            2 => leg.clone().prop_map(|leg| CallFact::Ringing { leg }),
            4 => (leg.clone(), status, stopped)
                .prop_map(|(leg, status, stopped)| CallFact::Dropped { leg, status, stopped }),
            2 => (leg.clone(), any::<bool>()).prop_map(|(leg, human)| CallFact::Answered { leg, human }),
            1 => (leg.clone(), any::<bool>()).prop_map(|(leg, held)| CallFact::Held { leg, held }),
            1 => leg.clone().prop_map(|by| CallFact::Transferred {
                by,
                to: "12".into(),
                attended: false,
                because: Vec::new(),
            }),
            1 => leg.prop_map(|leg| CallFact::Returned { leg, status: 480 }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whoever_was_told_of_a_ring_is_told_of_its_end_and_every_call_ends_once(
            steps in prop::collection::vec((0..3usize, any_step()), 0..60),
            merges in any::<[bool; 3]>(),
        ) {
            let calls = [call(0), call(1), call(2)];
            let mut facts: Vec<_> = calls.iter().flat_map(|id| of(*id, [(2, begin())])).collect();
            facts.extend(steps.into_iter().map(|(which, step)| (3, Fact::Call(calls[which], step))));
            for (which, merges) in merges.into_iter().enumerate() {
                let merged = merges.then_some((4, CallFact::Merged { into: call(99) }));
                let by = if merges { EndedBy::Transfer } else { EndedBy::Caller };
                facts.extend(of(calls[which], merged.into_iter().chain([(4, ended(by, None))])));
            }
            let told = follow(&mut Gallery::default(), &facts);
            prop_assert_eq!(&told, &follow(&mut Gallery::default(), &facts));
            for (which, id) in calls.into_iter().enumerate() {
                let own: Vec<_> = told.iter().filter(|(told, _)| told.call == Some(id)).collect();
                let mut ringing = BTreeSet::new();
                for (told, call) in &own {
                    for who in told.data["ringing"].as_array().into_iter().flatten() {
                        prop_assert!(ringing.insert(who.to_string()), "{} rings already", who);
                        prop_assert!(told.audience.has(who.as_str().unwrap()));
                    }
                    for gone in told.data["withdrawn"].as_array().into_iter().flatten() {
                        prop_assert!(ringing.remove(&gone["extension"].to_string()), "{} rang not", gone);
                        prop_assert!(told.audience.has(gone["extension"].as_str().unwrap()));
                    }
                    if told.kind == EventKind::CallAnswered {
                        ringing.remove(&told.data["by"].to_string());
                    }
                    // The picture says the same as what was told so far.
                    let shown = call["ringing"].as_array().unwrap().iter().map(Value::to_string);
                    if told.kind == EventKind::CallRinging && told.data["withdrawn"] == json!([]) {
                        prop_assert_eq!(shown.collect::<BTreeSet<_>>(), ringing.clone());
                    }
                }
                prop_assert!(ringing.is_empty(), "{:?} ring for ever", ringing);
                let ends = own.iter().filter(|(told, _)| told.kind == EventKind::CallEnded).count();
                prop_assert_eq!(ends, usize::from(!merges[which]));
            }
        }
    }
}
