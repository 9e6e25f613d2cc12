//! What `explain` says is what happens: random offices, states and calls, each explained and then really placed.
//!
//! The same call is asked of [`Hypothesis::answer`] over the config, the folded facts and an assumed presence, asked of
//! the running switch (`explain --live`), and then placed with a real INVITE. Nobody answers; what the peers see on the wire
//! until the end, and what the facts say of it, must be what both answers said: the rules with their outcomes, the reasons,
//! the steps, who starts and who stops when, and the status at the end. `PROPTEST_CASES` asks for more cases.

mod hypothetical;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use huntline::clock::{Duration, Instant, Timestamp};
use huntline::config::{Config, DeviceRule, Extension, ExtensionIx, ForwardWhen, Nothing, TrunkIx};
use huntline::customer::{Customer, CustomerIndex, Entry, Kind};
use huntline::entropy::Entropy;
use huntline::fact::Fact;
use huntline::hypothesis::{Answer, Hypothesis, Office};
use huntline::number::PhoneNumber;
use huntline::route::{Considered, Happening, Idle, Reason, mobiles};
use huntline::state::{Counter, Override};
use huntline::switch::{Input, Question};
use hypothetical::Choices;
use hypothetical::office::{self, DIDS, MOBILE, PEOPLE};
use hypothetical::world::{From, Seen, World, has_phone, phone};
use proptest::prelude::*;

const CALLERS: [&str; 3] = ["+491701112233", "+442071234567", "+4930777888"];
/// How long a call is watched that no timetable ends.
const LONG: u64 = 150_000;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_explain_says_is_what_happens(tape in prop::collection::vec(any::<u16>(), 0..440)) {
        if let Err(difference) = explain_and_call(tape) {
            return Err(TestCaseError::fail(difference));
        }
    }
}

/// Random offices are worth something only if what decides calls happens in them.
#[test]
fn the_random_calls_meet_every_rule() {
    let mut chance = Entropy::seeded([3; 32], 0);
    let mut total = BTreeMap::new();
    for _ in 0..400 {
        let tape = (0..440).map(|_| chance.u64() as u16).collect();
        for met in explain_and_call(tape).unwrap_or_else(|difference| panic!("{difference}")) {
            *total.entry(met).or_insert(0) += 1;
        }
    }
    let met = |what: &str| total.get(what).copied().unwrap_or(0);
    let rules = [
        "Emergency",
        "InternalCall",
        "EmployeeCallsIn",
        "Mobile",
        "OwnDid",
        "DefaultDid",
        "NoNumberNamed",
        "UnknownNumber",
        "TrunkFull",
        "DidFull",
        "Blocked",
        "OverrideOpen",
        "OverrideClosed",
        "KnownCustomer",
        "KnownOnlyWithinHours",
        "Responsible",
        "NoResponsible",
        "ResponsibleUnknown",
        "AnonymousCaller",
        "InOrder",
        "Open",
        "Closed",
        "Personal",
        "Deputy",
        "Forwards",
        "GoesRound",
        "Away",
        "Left",
        "OutsideHours",
        "OutboundRule",
        "NotAllowed",
        "NoOutboundRule",
        "DailyCap",
        "NoFreeTrunk",
        "FallsTo",
        "AlreadyTried",
        "Is",
        "Rings",
        "Dials",
        "Stops",
        "GivesUp",
        "Taken",
        "Ends",
    ];
    let missing: Vec<&str> = rules.into_iter().filter(|rule| met(rule) == 0).collect();
    assert!(missing.is_empty(), "never met: {missing:?}\n{total:?}");
    assert!(met("refused config") < 130, "{total:?}");
}

/// Everything about one random call.
struct Drawn {
    text: String,
    config: Arc<Config>,
    world: World,
    typed: Hypothesis,
    customers: Vec<(PhoneNumber, Customer)>,
}

fn explain_and_call(tape: Vec<u16>) -> Result<BTreeSet<String>, String> {
    let mut choices = Choices::new(tape);
    let text = office::write(&mut choices);
    let Ok(loaded) = Config::read(Path::new("office.toml"), &text, &Nothing) else {
        return Ok(BTreeSet::from(["refused config".to_owned()]));
    };
    let mut drawn = Drawn::new(&mut choices, text, Arc::new(loaded.config));
    let call = Placed::choose(&mut choices, &drawn);
    drawn.typed.from.clone_from(&call.from_typed);
    drawn.typed.to.clone_from(&call.target);
    if let From::Trunk(trunk) = call.from {
        drawn.typed.trunk = Some(drawn.config.trunk(trunk).name.to_string());
    }
    let offline = drawn.offline();
    drawn.assume(&offline.1);
    let said = offline.0;
    let live = drawn.world.ask(Question::Explain(Box::new(drawn.typed_without_presence())))?;
    let began = drawn.world.now.mono;
    drawn.world.call(call.from.clone(), &call.user, &call.target, &call.headers);
    let end = said.timetable.last().map_or(LONG, |moment| moment.after_ms + 5_000);
    let ends = said
        .timetable
        .iter()
        .flat_map(|moment| &moment.what)
        .any(|what| matches!(what, Happening::Ends(_) | Happening::Taken(_)));
    drawn.world.pass(Duration::from_millis(if ends { end } else { LONG }));
    drawn.compare(&said, &live, began).map_err(|why| {
        let typed = &drawn.typed;
        format!("{why}\n\n{}\n{typed:?}\n{call:?}\n{}\nseen {:#?}", said.text, drawn.text, drawn.world.seen)
    })?;
    Ok(met(&said, &drawn.world))
}

impl Drawn {
    fn new(choices: &mut Choices, text: String, config: Arc<Config>) -> Drawn {
        let days = ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-28", "2026-12-24", "2026-10-25", "2026-03-29"];
        let at = format!("{}T{:02}:{:02}:00", choices.of(&days), choices.below(24), 15 * choices.below(4));
        let at: jiff::civil::DateTime = at.parse().expect("a moment");
        let at = at.in_tz("Europe/Berlin").expect("a zone").timestamp();
        let mut world = World::new(config.clone(), at);
        for (ix, _) in config.extensions().filter(|(ix, _)| has_phone(&config, *ix)) {
            let devices = choices.of(&[1, 1, 1, 2, 0]);
            (1..=devices).for_each(|device| world.register(ix, device));
        }
        let mut drawn = Drawn { text, config, world, typed: Hypothesis::default(), customers: Vec::new() };
        drawn.draw_customers(choices);
        drawn.draw_state(choices, at);
        for _ in 0..choices.below(4) {
            drawn.somebody_talks(choices);
        }
        drawn
    }

    fn draw_customers(&mut self, choices: &mut Choices) {
        let mut index = CustomerIndex::default();
        for (at, number) in CALLERS.into_iter().enumerate().filter(|_| choices.below(4) > 0).collect::<Vec<_>>() {
            let number = self.config.site.numbering.read(number).expect("a number");
            let person = (10 + choices.below(PEOPLE)).to_string();
            let responsible =
                choices.of(&[Some(person.as_str()), Some(person.as_str()), Some(person.as_str()), Some("99"), None]);
            let (id, name) = (at.to_string(), format!("Customer {at}"));
            let changed = self.world.now.wall;
            let (kind, numbers) = (Kind::Contact, &[number]);
            let entry = Entry { id: &id, kind, name: &name, responsible, changed, numbers };
            index.upsert(&entry).expect("a small customer");
            let responsible = responsible.map(Arc::from);
            self.customers.push((number, Customer { id: id.into(), kind, name: name.into(), responsible }));
        }
        let (now, mut effects) = (self.world.now, Vec::new());
        self.world.switch.handle(Input::Customers(Box::new(index)), now, &mut effects);
    }

    /// What happened in this office before: half of it is known to both sides, half is typed as an assumption.
    fn draw_state(&mut self, choices: &mut Choices, at: Timestamp) {
        let later = at.checked_add(jiff::SignedDuration::from_mins(20)).expect("a moment");
        let before = at.checked_sub(jiff::SignedDuration::from_mins(20)).expect("a moment");
        let day = at.in_tz("Europe/Berlin").expect("a zone").date();
        for schedule in ["office", "shift"] {
            let until = choices.of(&[None, Some(later), Some(before)]);
            let open = choices.once_in(2);
            if choices.once_in(4) {
                self.world
                    .restore(Fact::Overridden { schedule: schedule.into(), state: Some(Override { open, until }) });
            }
        }
        for person in 10..10 + PEOPLE {
            let extension: Arc<str> = person.to_string().into();
            let until = choices.of(&[Some(later), Some(before)]);
            if choices.once_in(6) {
                self.world.restore(Fact::Away { extension: extension.clone(), until });
            }
            for when in ForwardWhen::ALL {
                if choices.once_in(8) {
                    let colleague = (10 + choices.below(PEOPLE)).to_string();
                    let to = choices.of(&[&*colleague, &*colleague, DIDS[0], "+4940123457", "+4312345678"]);
                    let (extension, to) = (extension.clone(), Some(to.into()));
                    self.world.restore(Fact::Forwarded { extension, when, to });
                }
            }
            let calls = choices.below(3) as u32;
            let last = choices.of(&[before, at]);
            self.world.restore(Fact::Counted(Counter::Talked { extension: extension.clone(), day, calls, last }));
            let calls = choices.below(3) as u32;
            self.world.restore(Fact::Counted(Counter::CalledOutside { extension, day, calls }));
        }
        for group in ["g0", "g1", "g2"] {
            let calls = choices.below(9) as u64;
            self.world.restore(Fact::Counted(Counter::Rotation { group: group.into(), calls }));
        }
        if choices.once_in(6) {
            let number = self.config.site.numbering.read(choices.of(&CALLERS)).expect("a number");
            self.world.restore(Fact::Blocked { number, blocked: true, note: String::new() });
        }
    }

    /// A real call that is answered and goes on: an emergency call, or a stranger's to a DID.
    fn somebody_talks(&mut self, choices: &mut Choices) {
        let person = anybody(choices, &self.config);
        if choices.once_in(2) && has_phone(&self.config, person) {
            let number = self.config.extension(person).number.clone();
            self.world.call(From::Extension(person), &number, "112", "");
        } else {
            let trunk = nth_trunk(&self.config, choices.below(2));
            let did = choices.of(&DIDS);
            self.world.call(From::Trunk(trunk), "+4940123456", &written(&self.config, did, trunk), "");
        }
        self.world.answer_first();
    }

    /// The answer without a switch: config, folded facts, customers, and the presence as it was observed. Somebody is
    /// unreachable who has no phone; somebody is busy whom the world saw in a talk.
    fn offline(&self) -> (Answer, Vec<String>) {
        let reachable = |ix: ExtensionIx| {
            let at = |device| format!("sip:{}@{}", self.config.extension(ix).number, phone(ix, device));
            let registered = (1..=2).any(|device| self.registered(&at(device)));
            self.config.extension(ix).devices.iter().any(|device| match device {
                DeviceRule::Sip => registered,
                DeviceRule::Address(_) => true,
                DeviceRule::Gsm { .. } => mobiles(&self.config, ix).next().is_some(),
            })
        };
        let gone = self.config.extensions().filter(|(ix, _)| !reachable(*ix));
        let unreachable: Vec<String> = gone.map(|(_, extension)| extension.number.to_string()).collect();
        let typed = Hypothesis {
            busy: self.world.busy.iter().map(|number| number.to_string()).collect(),
            unreachable: unreachable.clone(),
            ..self.typed.clone()
        };
        let find = |number| self.customers.iter().find(|(own, _)| *own == number).map(|(_, customer)| customer.clone());
        let (config, state, load) = (&*self.config, &self.world.state, &self.world.load);
        let office = Office { config, state, customer: &find, load, presence: &Idle, now: self.world.now.wall };
        (typed.answer(&office).expect("every name names something"), unreachable)
    }

    fn registered(&self, identity: &str) -> bool {
        self.world.bound.contains(identity)
    }

    fn assume(&mut self, unreachable: &[String]) {
        self.typed.busy = self.world.busy.iter().map(|number| number.to_string()).collect();
        self.typed.unreachable = unreachable.to_vec();
    }

    fn typed_without_presence(&self) -> Hypothesis {
        Hypothesis { busy: Vec::new(), unreachable: Vec::new(), ..self.typed.clone() }
    }

    fn compare(&self, said: &Answer, live: &serde_json::Value, began: Instant) -> Result<(), String> {
        let same = |what: &str, one: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
            let (one, other) = (format!("{one:?}"), format!("{other:?}"));
            if one == other { Ok(()) } else { Err(format!("{what}\nexplain: {one}\nlive:    {other}")) }
        };
        let mut offline = serde_json::to_value(said).map_err(|error| error.to_string())?;
        let mut live = live.clone();
        // What was assumed is all that may differ.
        for answer in [&mut offline, &mut live] {
            let parts = answer.as_object_mut().ok_or("an object")?;
            parts.remove("assumed");
            parts.remove("text");
        }
        same("explain without and with --live", &offline, &live)?;
        let offered = self.world.offered.as_ref().ok_or("no call began")?;
        let at_once = |ms: u64| said.timetable.iter().filter(move |moment| (moment.after_ms == 0) == (ms == 0));
        let because = |ms| at_once(ms).flat_map(|moment| moment.what.iter().map(move |what| (moment.after_ms, what)));
        let reasons = |ms: u64| {
            because(ms).filter_map(|(at, what)| match what {
                Happening::Because(reason) => Some((at, reason.clone())),
                _ => None,
            })
        };
        let first: Vec<Reason> = said.because.iter().cloned().chain(reasons(0).map(|(_, reason)| reason)).collect();
        let reason = |because: Vec<Reason>| self.sorted(because.into_iter().map(|reason| (0, reason)).collect());
        same("reasons", &reason(first), &reason(offered.because.clone()))?;
        // What was drawn for this call was drawn for it alone.
        let undrawn = |found: Reason| match found {
            Reason::InOrder { group, order, .. } if &*order == "random" => {
                Reason::InOrder { group, order, members: "".into() }
            }
            found => found,
        };
        let rules = |order: &[Considered]| {
            let considered = order.iter().cloned();
            let considered = considered.map(|one| (0, Considered { found: undrawn(one.found), ..one }));
            self.sorted(considered.collect())
        };
        same("order of decision", &rules(&said.order), &rules(&offered.considered))?;
        same("plan", &self.plan(&said.plan), &self.plan(&offered.plan))?;
        let since = |at: Instant| at.since(began).as_millis() as u64;
        let later: Vec<(u64, Reason)> = reasons(1).collect();
        let turned: Vec<(u64, Reason)> =
            self.world.turned.iter().map(|(at, reason)| (since(*at), reason.clone())).collect();
        same("reasons on the way", &self.sorted(later), &self.sorted(turned))?;
        same("who is told apart", &said.from.starts_with(&self.caller_of(offered)), &true)?;
        same("whom it is for", &said.to.starts_with(&*offered.to.text), &true)?;
        let mut expected = self.expected(said);
        let mut seen: Vec<(u64, Seen)> = self.world.seen.iter().map(|(at, seen)| (since(*at), seen.clone())).collect();
        // Within one instant the order on the wire is free.
        expected.sort();
        seen.sort();
        same("on the wire", &expected, &seen)
    }

    /// In a random order those who ring together come, and fail, in an order that nobody can tell before.
    fn sorted<T: std::fmt::Debug>(&self, told: Vec<(u64, T)>) -> Vec<(u64, String)> {
        let mut told: Vec<_> = told.into_iter().map(|(at, what)| (at, format!("{what:?}"))).collect();
        if self.text.contains("order = \"random\"") {
            told.sort();
        }
        told
    }

    /// The same for the steps of a plan.
    fn plan(&self, text: &str) -> Vec<Vec<(u64, String)>> {
        let line = |line: &str| self.sorted(line.split(&[',', ';']).map(|part| (0, part.trim().to_owned())).collect());
        text.lines().map(line).collect()
    }

    fn caller_of(&self, offered: &huntline::fact::Offered) -> String {
        let from = &offered.from;
        match (&offered.trunk, from.number) {
            (None, _) => from.text.clone(),
            (Some(_), _) if from.anonymous => "anonymous".into(),
            (Some(_), Some(number)) => match &offered.customer {
                Some(customer) => format!("{number}, {}", customer.name),
                None => number.to_string(),
            },
            (Some(_), None) => from.text.clone(),
        }
    }

    /// The timetable as the peers must see it: every device that can ring does.
    fn expected(&self, said: &Answer) -> Vec<(u64, Seen)> {
        let mut expected = Vec::new();
        let mut dialled: Option<Arc<str>> = None;
        for (at, what) in
            said.timetable.iter().flat_map(|moment| moment.what.iter().map(|what| (moment.after_ms, what)))
        {
            match what {
                Happening::Rings(who) => {
                    expected.extend(self.devices(who).into_iter().map(|device| (at, Seen::Rings(who.clone(), device))));
                    expected.extend(self.mobiles(who).map(|(trunk, user)| (at, Seen::Dials(trunk, user))));
                }
                Happening::Stops(who) => {
                    expected.extend(self.devices(who).into_iter().map(|device| (at, Seen::Stops(who.clone(), device))));
                    expected.extend(self.mobiles(who).map(|(trunk, _)| (at, Seen::GivesUp(trunk))));
                }
                Happening::Dials { number, trunks } => {
                    let trunk = trunks.first().and_then(|name| self.config.trunk_by_name(name));
                    let Some(trunk) = trunk else { continue };
                    let user = written(&self.config, number, trunk);
                    dialled = Some(self.config.trunk(trunk).name.clone());
                    expected.push((at, Seen::Dials(self.config.trunk(trunk).name.clone(), user)));
                }
                Happening::GivesUpDialling => {
                    expected.extend(dialled.take().map(|trunk| (at, Seen::GivesUp(trunk))));
                }
                Happening::Ends(status) => expected.push((at, Seen::Ends(*status))),
                // A box answers; an announcement is early media, and its end is the call's.
                Happening::Taken(by) if by.starts_with("voicemail:") => expected.push((at, Seen::Ends(200))),
                Happening::Taken(_) => expected.push((at, Seen::Ends(480))),
                Happening::Greets(_) | Happening::Because(_) => {}
            }
        }
        expected
    }

    /// The mobiles of an extension as they are called: through the first trunk of their rule.
    fn mobiles(&self, extension: &str) -> impl Iterator<Item = (Arc<str>, String)> + '_ {
        let ix = self.config.extension_by_number(extension).expect("an extension");
        mobiles(&self.config, ix).map(|dial| {
            let trunk = *dial.trunks.first().expect("a rule with trunks");
            (self.config.trunk(trunk).name.clone(), written(&self.config, &dial.number.to_string(), trunk))
        })
    }

    fn devices(&self, extension: &str) -> Vec<std::net::SocketAddr> {
        let ix = self.config.extension_by_number(extension).expect("an extension");
        let entry = self.config.extension(ix);
        if entry.devices.iter().any(|device| matches!(device, DeviceRule::Address(_))) {
            return vec![phone(ix, 1)];
        }
        let bound = |device: &u8| self.registered(&format!("sip:{extension}@{}", phone(ix, *device)));
        (1..=2).filter(bound).map(|device| phone(ix, device)).collect()
    }
}

/// A call as it is placed, and what a person would type for it.
#[derive(Debug)]
struct Placed {
    from: From,
    from_typed: String,
    user: String,
    target: String,
    headers: String,
}

impl Placed {
    fn choose(choices: &mut Choices, drawn: &Drawn) -> Placed {
        let config = &drawn.config;
        let person = anybody(choices, config);
        if choices.below(5) < 2 && has_phone(config, person) {
            let user = config.extension(person).number.to_string();
            let colleague = (10 + choices.below(PEOPLE)).to_string();
            let outside = [
                "030 1000",
                "+49 30 1001",
                "112",
                "+49891234567",
                "+4989 1234567",
                "089 1234567",
                "0049 900 123456",
                "+12125550100",
                "nobody",
            ];
            let target = if choices.once_in(3) { colleague } else { choices.of(&outside).replace(' ', "") };
            return Placed {
                from: From::Extension(person),
                from_typed: user.clone(),
                user,
                target,
                headers: String::new(),
            };
        }
        let trunk = nth_trunk(config, choices.below(2));
        // Somebody's who has one, where anybody has.
        let has =
            |(_, entry): &(ExtensionIx, &Extension)| entry.devices.iter().any(|d| matches!(d, DeviceRule::Gsm { .. }));
        let owners: Vec<&str> = config.extensions().filter(has).map(|(_, entry)| &*entry.number).collect();
        let mobile = format!("{MOBILE}{}", if owners.is_empty() { "10" } else { choices.of(&owners) });
        let caller = choices.of(&[CALLERS[0], CALLERS[0], CALLERS[1], CALLERS[2], &mobile, "anonymous", "Skype"]);
        let user = written(config, caller, trunk);
        let privacy = choices.once_in(12);
        let dialled =
            choices.of(&[DIDS[0], DIDS[0], DIDS[0], DIDS[1], DIDS[1], DIDS[2], "+4930999", "4930555000", "abc"]);
        Placed {
            from: From::Trunk(trunk),
            from_typed: if privacy { "anonymous".into() } else { user.clone() },
            user,
            target: written(config, dialled, trunk),
            headers: if privacy { "Privacy: id\r\n".into() } else { String::new() },
        }
    }
}

fn anybody(choices: &mut Choices, config: &Config) -> ExtensionIx {
    let number = (10 + choices.below(PEOPLE)).to_string();
    config.extension_by_number(&number).expect("an extension")
}

fn nth_trunk(config: &Config, nth: usize) -> TrunkIx {
    config.trunks().nth(nth).expect("a trunk").0
}

/// A public number as this trunk writes it; other text as it is.
fn written(config: &Config, text: &str, trunk: TrunkIx) -> String {
    match config.site.numbering.read(text).filter(|_| text.starts_with('+')) {
        Some(number) => config.site.numbering.write(number, config.trunk(trunk).dials).to_string(),
        None => text.to_owned(),
    }
}

/// What was met, by name.
fn met(said: &Answer, world: &World) -> BTreeSet<String> {
    let name = |debug: String| debug.chars().take_while(char::is_ascii_alphabetic).collect::<String>();
    let reasons = said.order.iter().map(|considered| &considered.found);
    let walked = said.timetable.iter().flat_map(|moment| &moment.what).filter_map(|what| match what {
        Happening::Because(reason) => Some(reason),
        _ => None,
    });
    let seen = world.seen.iter().map(|(_, seen)| name(format!("{seen:?}")));
    let taken = said.timetable.iter().flat_map(|moment| &moment.what).any(|what| matches!(what, Happening::Taken(_)));
    let taken = taken.then(|| "Taken".to_owned());
    reasons.chain(walked).map(|reason| name(format!("{reason:?}"))).chain(seen).chain(taken).collect()
}
