//! A call by itself: legs are keys, the house is a list of what was ordered. No SIP in here.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use huntline::anchor::{PlayKey, TakeKey, Until};
use huntline::call::{
    Call, LegEvent, LegOrder, Legs, Refused, Replaced, StopReason, TransferAsked, TrunkUnfit, Wanted, Ways, Why,
};
use huntline::clock::{Duration, Instant, Timestamp};
use huntline::config::{Config, ExtensionIx, ForwardWhen, GroupIx, Nothing, TrunkIx};
use huntline::fact::{Alarm, CallFact, MessageState, MissedCause, Offered, Party, RecordingOf, Rung, Whom};
use huntline::ivr::{Opened, Whose};
use huntline::key::{Arena, CallId, LegKey, OfLeg};
use huntline::route::{
    Availability, Caller, Destined, DialPlan, Direction, Idle, Origin, Presence, Reason, RoutePlan, Situation,
    come_back, decide, summon,
};
use huntline::sound::Sound;
use huntline::state::State;

const OFFICE: &str = r#"
[site]
numbering = { country = "49", area = "30", national_prefix = "0", international_prefix = "00" }
[[trunk]]
name = "provider"
server = "sip:127.0.0.10"
[[trunk]]
name = "reserve"
server = "sip:127.0.0.11"
[[extension]]
number = "12"
password = "secret-12"
[[extension]]
number = "14"
password = "secret-14"
[[group]]
name = "sales"
strategy = "ring-all"
members = ["12", "14"]
patience = "20s"
then = "refuse:unavailable"
[[did]]
number = "+493012340"
open = { to = "group:sales" }
[[did]]
number = "+493012341"
open = { to = ["number:+491705556677", "refuse:unavailable"] }
[[outbound]]
match = "+49*"
trunks = ["provider", "reserve"]
"#;

#[test]
fn exactly_one_wins_and_the_others_are_told_that_it_was_elsewhere() {
    let mut story = Story::begin("+493012340");
    assert_eq!(story.take(), ["offered", "12 rung as 1, 14 rung as 2"]);
    story.hear(1, LegEvent::Ringing(None));
    story.hear(2, LegEvent::Ringing(None));
    assert_eq!(story.take(), ["1 rings", "0: Ring(None)", "2 rings"], "the caller hears ringing once");
    story.hear(2, LegEvent::Answered(session("b")));
    assert_eq!(
        story.take(),
        ["0: Answer(b)", "bridge 0 2", "answered by 2", "1: Cancel(CompletedElsewhere)", "1 dropped 487", "taken 14"]
    );
    story.hear(1, LegEvent::Answered(session("c")));
    assert_eq!(story.take(), ["1: End"], "a late answer is hung up");
    story.hear(0, LegEvent::Ended(Why::default()));
    // Should our answer still wait for the journal, the caller who gave up hears 487 instead.
    assert_eq!(story.take(), ["0: Refuse(487)", "2: End", "talked 14", "ended 200"]);
}

#[test]
fn who_asked_for_a_call_is_rung_first_and_only_then_whom_they_want() {
    let mut story = Story::asked_for("12", "01705556677");
    assert_eq!(story.take(), ["offered", "12 rung as 1"]);
    story.hear(1, LegEvent::Ringing(None));
    assert_eq!(story.take(), ["1 rings", "nobody: Ring(None)"]);
    story.hear(1, LegEvent::Answered(session("a")));
    let expected = ["1 is the caller", "taken 12", "1: Play([Tone(Ringback)])", "+491705556677 rung as 2"];
    assert_eq!(story.take(), expected);
    story.hear(2, LegEvent::Ringing(None));
    assert_eq!(story.take(), ["2 rings"], "the caller hears it ring from us");
    story.hear(2, LegEvent::Answered(session("b")));
    assert_eq!(story.take(), ["1 meets 2", "1: Reoffer(b)", "bridge 1 2", "answered by 2"]);
    story.hear(1, LegEvent::Reanswered(session("c")));
    assert_eq!(story.take(), ["bridge 1 2", "2: Acknowledge(c)"]);
    story.hear(1, LegEvent::Ended(Why::default()));
    assert_eq!(story.take(), ["1: Refuse(487)", "2: End", "ended 200"]);
}

#[test]
fn a_phone_that_says_nothing_of_its_media_cannot_ask_for_a_call() {
    let mut story = Story::asked_for("12", "01705556677");
    story.hear(1, LegEvent::Answered(None));
    let expected = ["offered", "12 rung as 1", "1: End", "1 dropped 488", "nobody: Refuse(488)", "ended 488"];
    assert_eq!(story.take(), expected);
}

#[test]
fn early_media_comes_from_one_phone_at_a_time() {
    let mut story = Story::begin("+493012340");
    story.take();
    story.hear(2, LegEvent::Progress(session("b")));
    assert_eq!(story.take(), ["bridge 0 2", "0: Progress(b)"]);
    story.hear(1, LegEvent::Progress(session("c")));
    assert_eq!(story.take(), [""; 0]);
    story.hear(2, refused(486));
    story.take();
    story.hear(1, LegEvent::Progress(session("c")));
    assert_eq!(story.take(), ["bridge 0 1", "0: Progress(c)"], "the first one is gone, so the next is heard");
}

#[test]
fn a_caller_who_gives_up_is_missed_as_abandoned() {
    let mut story = Story::begin("+493012340");
    story.take();
    story.hear(0, LegEvent::Ended(Why::default()));
    assert_eq!(
        story.take(),
        [
            "1: Cancel(CallerGone)",
            "1 dropped 487",
            "2: Cancel(CallerGone)",
            "2 dropped 487",
            "0: Refuse(487)",
            "ended 487 missed Abandoned"
        ]
    );
    assert!(story.call.is_over() && story.call.deadline().is_none());
}

#[test]
fn the_cause_of_a_miss_is_the_best_that_can_be_said_of_the_phones() {
    for (answers, cause) in [
        ([486, 486], MissedCause::AllBusy),
        ([486, 500], MissedCause::AllBusy),
        ([603, 486], MissedCause::Rejected),
        ([500, 404], MissedCause::NoneReachable),
    ] {
        let mut story = Story::begin("+493012340");
        story.hear(1, refused(answers[0]));
        story.take();
        story.hear(2, refused(answers[1]));
        let told = story.take();
        assert_eq!(
            told.last().map(String::as_str),
            Some(format!("ended 480 missed {cause:?}").as_str()),
            "{answers:?}"
        );
    }
    let mut story = Story::begin("+493012340");
    story.hear(1, refused(486));
    story.now = story.now + Duration::from_secs(20);
    story.take();
    story.call.due(story.now, &mut story.house);
    assert_eq!(story.take().last().map(String::as_str), Some("ended 480 missed NoAnswer"));
}

#[test]
fn a_number_outside_goes_from_trunk_to_trunk_until_one_has_an_opinion() {
    let mut story = Story::begin("+493012341");
    assert_eq!(story.take(), ["offered", "+491705556677 rung as 1"]);
    story.hear(1, refused(503));
    assert_eq!(story.take(), ["1 dropped 503", "+491705556677 rung as 2"]);
    story.hear(2, refused(500));
    assert_eq!(story.take(), ["2 dropped 500", "+491705556677 rung as 3"]);
    assert_eq!(story.call.deadline(), Some(story.now + Duration::from_secs(4)), "silent for 4 s at most");
    story.hear(3, LegEvent::Reached);
    assert_ne!(story.call.deadline(), Some(story.now + Duration::from_secs(4)));
    story.hear(3, refused(404));
    let told = story.take();
    assert_eq!(told[0], "3 dropped 404");
    assert_eq!(told.last().map(String::as_str), Some("ended 480 missed NoneReachable"));
}

#[test]
fn who_is_held_hears_music_and_hold_is_noted_once_it_is_agreed_on() {
    let mut story = Story::begin("+493012340");
    story.hear(1, LegEvent::Answered(session("b")));
    story.take();
    story.hear(0, LegEvent::Reoffered { session: session("a"), hold: true });
    assert_eq!(story.take(), ["0: Host(true)"], "we answer in the other one's place");
    story.hear(0, LegEvent::Hosted);
    assert_eq!(story.take(), ["0 held true", "1: Play([Tone(Music)])"]);
    story.hear(0, LegEvent::Reoffered { session: session("a"), hold: false });
    assert_eq!(story.take(), ["1: Reoffer(a)"]);
    story.hear(1, LegEvent::Reanswered(session("b")));
    assert_eq!(story.take(), ["0 held false", "0: AcceptReoffer(b)", "bridge 0 1"]);
    story.hear(0, LegEvent::Reoffered { session: session("a"), hold: true });
    story.hear(0, LegEvent::Unhosted(session("a")));
    assert_eq!(story.take(), ["0: Host(true)", "1: Reoffer(a)"], "where we cannot, the phone is told");
    story.hear(1, LegEvent::Reanswered(session("b")));
    assert_eq!(story.take(), ["0 held true", "0: AcceptReoffer(b)", "bridge 0 1", "1: Play([Tone(Music)])"]);
    story.hear(0, LegEvent::Reoffered { session: session("a"), hold: false });
    assert_eq!(story.take(), ["1: Reoffer(a)"]);
    story.hear(1, LegEvent::ReofferRefused(488));
    assert_eq!(story.take(), ["0: RefuseReoffer(488)"]);
}

#[test]
fn who_is_handed_on_waits_meets_the_new_one_and_hears_another_offer_after_glare() {
    let mut story = Story::begin("+493012340");
    story.hear(1, LegEvent::Answered(session("b")));
    story.take();
    story.hear(0, transfer("14"));
    assert_eq!(story.take(), ["0: RefuseTransfer(403)"], "a trunk hands nobody on");
    story.hear(1, transfer("14"));
    let told = story.take();
    assert_eq!(
        told,
        [
            "1: AcceptTransfer",
            "1: TransferNews(100)",
            "1 transfers to 14",
            "talked 12",
            "serves 0",
            "0: Play([Tone(Music)])",
            "14 rung as 3"
        ]
    );
    story.hear(1, LegEvent::Ended(Why::default()));
    story.hear(3, LegEvent::Answered(session("d")));
    assert_eq!(
        story.take(),
        ["0 meets 3", "0: Reoffer(d)", "bridge 0 3", "answered by 3", "taken 14"],
        "who transferred has hung up and hears nothing"
    );
    story.hear(0, LegEvent::ReofferRefused(491));
    assert_eq!((story.take(), story.call.deadline()), (vec![], Some(story.now + Duration::from_secs(3))));
    story.now = story.now + Duration::from_secs(3);
    story.call.due(story.now, &mut story.house);
    assert_eq!(story.take(), ["0: Reoffer(d)"]);
    story.hear(0, LegEvent::Reanswered(session("a")));
    // Only a phone that was rung without an offer still waits for that.
    assert_eq!(story.take(), ["bridge 0 3", "3: Acknowledge(a)"]);
    story.hear(0, LegEvent::Ended(Why::default()));
    assert_eq!(story.take(), ["0: Refuse(487)", "3: End", "talked 14", "ended 200"]);
}

#[test]
fn whom_nobody_takes_over_comes_back_and_is_missed_in_the_end() {
    let mut story = Story::begin("+493012340");
    story.hear(1, LegEvent::Answered(session("b")));
    story.hear(1, transfer("14"));
    story.take();
    story.hear(3, refused(486));
    assert_eq!(story.take(), ["3 dropped 486", "back to 1 with 486", "bridge 0 1", "1: TransferNews(486)"]);
    story.hear(1, transfer("14"));
    story.hear(1, LegEvent::Ended(Why::default()));
    story.take();
    story.hear(4, refused(486));
    assert_eq!(
        story.take(),
        ["4 dropped 486", "0: Play([Tone(Music)])", "12 rung as 5"],
        "who transferred is rung back"
    );
    story.hear(5, refused(603));
    assert_eq!(story.take(), ["5 dropped 603", "0: End", "ended 480 missed Rejected"]);
}

fn transfer(to: &str) -> LegEvent {
    LegEvent::TransferAsked(TransferAsked { to: to.into(), replaces: None })
}

/// A call and the house around it.
struct Story {
    call: Call,
    house: House,
    now: Instant,
}

/// What was ordered and noted, in words.
struct House {
    config: Arc<Config>,
    keys: Arena<(), OfLeg>,
    legs: Vec<LegKey>,
    told: Vec<String>,
}

impl Story {
    fn begin(did: &str) -> Story {
        let loaded = Config::read(Path::new("office.toml"), OFFICE, &Nothing).expect("the office can run");
        let config = Arc::new(loaded.config);
        let trunk = config.trunk_by_name("provider").expect("is there");
        let caller = Caller::outside(&config, "+491701112233", trunk);
        let plan = decide(&Situation {
            config: &config,
            at: Timestamp::UNIX_EPOCH,
            origin: Origin::Trunk(trunk),
            caller: &caller,
            dialled: &Destined::from_outside(&config, did, trunk),
            customer: None,
            state: &State::default(),
            load: &Idle,
            chance: 0,
            presence: &Idle,
        });
        let mut house = House { config: config.clone(), keys: Arena::default(), legs: Vec::new(), told: Vec::new() };
        let caller = house.leg().0;
        let now = Instant::from_micros(1_000_000);
        let id = CallId::from_bits(1);
        let call = Call::begin(id, config, caller, Arc::new(plan), offered(), now, &mut house);
        Story { call, house, now }
    }

    /// An employee has asked for a call instead of dialling it. The first leg of the house is nobody's.
    fn asked_for(by: &str, to: &str) -> Story {
        let loaded = Config::read(Path::new("office.toml"), OFFICE, &Nothing).expect("the office can run");
        let config = Arc::new(loaded.config);
        let mut house = House { config: config.clone(), keys: Arena::default(), legs: Vec::new(), told: Vec::new() };
        house.leg();
        let (now, by) = (Instant::from_micros(1_000_000), config.extension_by_number(by).expect("is there"));
        let summons = summon(&config, by, Direction::Outbound, Duration::from_secs(30));
        let wanted = Wanted { summons: Arc::new(summons), by, to: to.into(), caller_id: None };
        let offered = Offered { direction: Direction::Outbound, ..offered() };
        let call = Call::originate(CallId::from_bits(1), config, wanted, offered, now, &mut house);
        Story { call, house, now }
    }

    fn hear(&mut self, leg: usize, event: LegEvent) {
        self.call.hear(self.house.legs[leg], event, self.now, &mut self.house);
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.house.told)
    }
}

impl House {
    fn leg(&mut self) -> (LegKey, u16) {
        let key = self.keys.insert(());
        self.legs.push(key);
        (key, (self.legs.len() - 1) as u16)
    }

    fn decide(&self, by: ExtensionIx, to: &str, how: impl FnOnce(&Situation<'_>) -> RoutePlan) -> RoutePlan {
        how(&Situation {
            config: &self.config,
            at: Timestamp::UNIX_EPOCH,
            origin: Origin::Extension(by),
            caller: &Caller::inside(&self.config, by),
            dialled: &Destined::from_inside(&self.config, to),
            customer: None,
            state: &State::default(),
            load: &Idle,
            chance: 0,
            presence: &Idle,
        })
    }

    fn name(&self, leg: LegKey) -> String {
        let known = self.legs.iter().position(|known| *known == leg);
        known.map_or_else(|| "nobody".into(), |number| number.to_string())
    }
}

impl Presence for House {
    fn of(&self, _: ExtensionIx) -> Availability {
        Availability::Free
    }
}

impl Legs for House {
    fn now(&self) -> Instant {
        Instant::START
    }

    fn presence(&self) -> &dyn Presence {
        self
    }

    fn ring(&mut self, extension: ExtensionIx) -> Vec<(LegKey, Rung)> {
        let (key, leg) = self.leg();
        let whom = Whom::Extension(self.config.extension(extension).number.clone());
        vec![(key, Rung { leg, whom, device: "".into() })]
    }

    fn dial(&mut self, trunk: TrunkIx, ways: &mut Ways, dial: &DialPlan) -> Result<(LegKey, Rung), TrunkUnfit> {
        // Every trunk has two addresses.
        if ways.tried == 2 {
            return Err(TrunkUnfit::Down);
        }
        let (key, leg) = self.leg();
        let trunk = self.config.trunk(trunk).name.clone();
        let whom = Whom::Trunk { trunk, number: dial.number.to_string().into() };
        Ok((key, Rung { leg, whom, device: "".into() }))
    }

    fn divert(&mut self, _: ExtensionIx, _: &str, _: bool) -> Result<RoutePlan, Vec<Reason>> {
        Err(Vec::new())
    }

    fn forwarded(&mut self, by: ExtensionIx, when: ForwardWhen, outside: bool) {
        let by = &self.config.extension(by).number;
        self.told.push(format!("forwarded by {by}: {} {outside}", when.word()));
    }

    fn order(&mut self, leg: LegKey, order: LegOrder) {
        let leg = self.name(leg);
        let text = |session: &Option<Bytes>| match session {
            Some(session) => String::from_utf8_lossy(session).into_owned(),
            None => "None".into(),
        };
        self.told.push(match order {
            LegOrder::Ring(session) => format!("{leg}: Ring({})", text(&session)),
            LegOrder::Progress(session) => format!("{leg}: Progress({})", text(&session)),
            LegOrder::Answer(session) => format!("{leg}: Answer({})", text(&session)),
            LegOrder::Host { answer } => format!("{leg}: Host({answer})"),
            LegOrder::Play { sounds, .. } => format!("{leg}: Play({sounds:?})"),
            LegOrder::Hush => format!("{leg}: Hush"),
            LegOrder::Refuse { status, .. } => format!("{leg}: Refuse({status})"),
            LegOrder::Cancel(StopReason::CompletedElsewhere) => format!("{leg}: Cancel(CompletedElsewhere)"),
            LegOrder::Cancel(why) => format!("{leg}: Cancel({why:?})"),
            LegOrder::Confirm => format!("{leg}: Confirm"),
            LegOrder::Relay => format!("{leg}: Relay"),
            LegOrder::Reoffer(session) => format!("{leg}: Reoffer({})", text(&session)),
            LegOrder::AcceptReoffer(session) => format!("{leg}: AcceptReoffer({})", text(&session)),
            LegOrder::RefuseReoffer(status) => format!("{leg}: RefuseReoffer({status})"),
            LegOrder::Acknowledge(session) => format!("{leg}: Acknowledge({})", text(&session)),
            LegOrder::Pass(_) => format!("{leg}: Pass"),
            LegOrder::WithdrawReoffer => format!("{leg}: WithdrawReoffer"),
            LegOrder::End(_) => format!("{leg}: End"),
            LegOrder::AcceptTransfer => format!("{leg}: AcceptTransfer"),
            LegOrder::RefuseTransfer(status) => format!("{leg}: RefuseTransfer({status})"),
            LegOrder::TransferNews(status) => format!("{leg}: TransferNews({status})"),
            LegOrder::Introduce(_) => format!("{leg}: Introduce"),
        });
    }

    fn take_back_host(&mut self, _: LegKey) -> bool {
        false
    }

    fn play(&mut self, leg: LegKey, sounds: &[Sound], repeat: bool) -> PlayKey {
        self.order(leg, LegOrder::Play { play: PlayKey(0), sounds: sounds.into(), repeat });
        PlayKey(0)
    }

    fn record(&mut self, _: LegKey, _: Option<LegKey>, _: RecordingOf, _: Until) -> Option<TakeKey> {
        None
    }

    fn wants_record(&self, _: LegKey, _: LegKey, _: Option<GroupIx>) -> bool {
        false
    }

    fn follow(&mut self, _: TakeKey, _: LegKey, _: LegKey) {}

    fn pause_record(&mut self, _: TakeKey, _: bool) {}

    fn end_record(&mut self, _: TakeKey) {}

    fn bridge(&mut self, one: LegKey, other: LegKey) {
        let (one, other) = (self.name(one), self.name(other));
        self.told.push(format!("bridge {} {}", (&one).min(&other), (&one).max(&other)));
    }

    fn open_mailbox(&mut self, _: Option<ExtensionIx>, _: &Whose, _: Option<&str>) -> Opened {
        Opened::NotTheirs
    }

    fn mark_message(&mut self, _: &Arc<str>, _: MessageState) {}

    fn set(&mut self, extension: ExtensionIx, setting: &huntline::ivr::Setting) -> bool {
        self.told.push(format!("{} sets {setting:?}", self.config.extension(extension).number));
        true
    }

    fn entered(&mut self, _: GroupIx) {}

    fn talked(&mut self, extension: ExtensionIx) {
        self.told.push(format!("talked {}", self.config.extension(extension).number));
    }

    fn alarm(&mut self, alarm: Alarm) {
        self.told.push(format!("alarm {alarm:?}"));
    }

    fn note(&mut self, fact: CallFact) {
        self.told.push(match fact {
            CallFact::Offered(_) => "offered".into(),
            CallFact::Rung(rung) => {
                let name = |whom: &Whom| match whom {
                    Whom::Extension(name) | Whom::Trunk { number: name, .. } => name.to_string(),
                };
                let rung: Vec<_> =
                    rung.iter().map(|rung| format!("{} rung as {}", name(&rung.whom), rung.leg)).collect();
                rung.join(", ")
            }
            CallFact::Ringing { leg } => format!("{leg} rings"),
            CallFact::Dropped { leg, status, .. } => format!("{leg} dropped {status}"),
            CallFact::Turned { .. } => return,
            CallFact::Answered { leg, .. } => format!("answered by {leg}"),
            CallFact::CallerAnswered { leg } => format!("{leg} is the caller"),
            CallFact::Served { leg, by } => format!("{leg} hears {by}"),
            CallFact::Recording { file, .. } => format!("recorded as {file}"),
            CallFact::RecordingPaused { paused, .. } => format!("recording paused {paused}"),
            CallFact::Held { leg, held } => format!("{leg} held {held}"),
            CallFact::Transferred { by, to, .. } => format!("{by} transfers to {to}"),
            CallFact::Returned { leg, status } => format!("back to {leg} with {status}"),
            CallFact::Merged { .. } => "merged".into(),
            CallFact::Ended(ended) => match ended.missed {
                Some(cause) => format!("ended {} missed {cause:?}", ended.status),
                None => format!("ended {}", ended.status),
            },
            CallFact::Traced { .. } => "traced".into(),
        });
    }

    fn taken(&mut self, extension: ExtensionIx, _: LegKey) {
        self.told.push(format!("taken {}", self.config.extension(extension).number));
    }

    fn plan_transfer(&mut self, by: ExtensionIx, to: &str) -> Result<Arc<RoutePlan>, u16> {
        let plan = self.decide(by, to, decide);
        plan.refusal().map_or(Ok(Arc::new(plan)), |refusal| Err(refusal.status()))
    }

    fn plan_wanted(&mut self, _: LegKey, wanted: &Wanted) -> Arc<RoutePlan> {
        Arc::new(self.decide(wanted.by, &wanted.to, decide))
    }

    fn plan_return(&mut self, to: ExtensionIx) -> Option<Arc<RoutePlan>> {
        Some(Arc::new(
            self.decide(to, "", |situation| come_back(&Situation { caller: &Caller::anonymous(), ..*situation }, to)),
        ))
    }

    fn join(&mut self, _: LegKey, _: &Replaced) -> Result<(), u16> {
        Err(481)
    }

    fn serve(&mut self, leg: LegKey) {
        self.told.push(format!("serves {}", self.name(leg)));
    }

    fn is_settled(&self, _: LegKey) -> bool {
        true
    }

    fn session(&self, _: LegKey) -> Option<Bytes> {
        session("unheld")
    }

    fn introduce(&mut self, leg: LegKey, with: LegKey) {
        self.told.push(format!("{} meets {}", self.name(leg), self.name(with)));
    }

    fn pause(&mut self, _: LegKey) -> Duration {
        Duration::from_secs(3)
    }
}

fn offered() -> Offered {
    Offered {
        direction: Direction::Inbound,
        from: Party::default(),
        to: Party::default(),
        did: None,
        source: None,
        trunk: None,
        customer: None,
        emergency: false,
        reference: None,
        sip_call_id: String::new(),
        because: Vec::new(),
        considered: Vec::new(),
        plan: String::new(),
    }
}

fn session(name: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(name.as_bytes()))
}

fn refused(status: u16) -> LegEvent {
    LegEvent::Refused(Refused { status, rang: false, reason: None })
}
