//! The naive model: what the rules say will be seen on such a day, worked out in the most boring way there is.
//!
//! A list of events, sorted by time; the earliest is taken out, what it leads to is put in. A call has a destination, what
//! is left of the list in which that stood, who rings until when, and who waits for a turn.
//!
//! Where the rules are silent the model takes what its author read into them; each such place says *silent*.

use std::collections::BTreeSet;

use super::Seen;
use super::day::{BEGINS, Called, Caller, Day, Habit, Line, Placed};
use super::office::{ANNOUNCEMENTS, Office, Order, PEOPLE, Strategy, To, greeting_of};

const SECOND: u64 = 1_000_000;
/// RFC 3261: an INVITE on which nothing at all is heard is given up after 64·T1.
const SILENCE: u64 = 32 * SECOND;
/// Nobody listens to nothing for longer, once phones are rung.
const QUIET: u64 = SECOND;
/// Ring time where nothing is said.
const RING: u64 = 30;

/// The best comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Declined,
    Busy,
    NoAnswer,
    Unreachable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    Away,
    Left,
    OutsideHours,
}

/// What comes when neither the list nor the destination itself says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// The fallbacks of `known`.
    Known,
    Operator,
    /// The operator was asked: `refuse:unavailable`.
    Unavailable,
    /// A colleague calls: the plan runs out. (Silent; an operator for every colleague would make the words on plans that
    /// run out pointless.)
    Nothing,
}

/// Where a call is: a destination, and what comes after it.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    to: To,
    rest: Vec<To>,
    last: Last,
    /// Whose forwards, and which, were asked on the way.
    way: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Event {
    at: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Line(Line),
    /// A turn or the patience of this call may be over.
    Look(usize),
    Speaks(usize),
    Acts(usize),
    /// Nothing was heard on this INVITE.
    Silence(usize),
    GivesUp(usize),
    TalkEnds(usize),
    /// The caller has heard nothing for too long.
    Quiet(usize),
    /// What this call's caller hears is over, if it is still the one of this number.
    Heard(usize, usize),
    /// `#`, while they hear the sound of this number.
    Presses(usize, usize),
    /// A second of speech is in the message.
    Talks(usize),
    /// The message is at its end.
    MessageEnds(usize),
}

/// One INVITE to one phone.
struct Leg {
    call: usize,
    person: usize,
    phone: usize,
    habit: Habit,
    spoke: bool,
    rang: bool,
    /// It is no longer wanted.
    stopped: bool,
    /// A final response has come, or a CANCEL has gone.
    done: bool,
}

struct Call {
    placed: Placed,
    /// As the decision found it: who is absent without the rest of the day counting.
    absent: Vec<Option<Absence>>,
    /// By person: where all calls go, those that find a busy phone, those that nobody answers.
    forwards: Vec<[Option<usize>; 3]>,
    /// By group: the members in the order of this call.
    orders: Vec<Vec<usize>>,
    did: Option<usize>,
    did_open: bool,
    can_be_missed: bool,
    responsible: Option<usize>,
    stage: Stage,
    place: Option<Place>,
    /// Who waits for a turn, when the next one starts, how far they are apart.
    waiting: Vec<usize>,
    next: u64,
    step: u64,
    one_at_a_time: bool,
    ends: u64,
    /// Who rings, and until when.
    ringing: Vec<(usize, u64)>,
    /// Who failed in this step: why, and with which status of all phones.
    failed: Vec<(usize, Reason, Option<u16>)>,
    /// What the phones of a person said while they rang last.
    said: Vec<Vec<(Reason, u16)>>,
    declined: Vec<usize>,
    entered: Vec<(To, Reason)>,
    passed: Vec<Place>,
    outcome: (Reason, Option<u16>),
    ringback: bool,
    quiet: Option<u64>,
    /// A greeting that nobody has heard yet.
    greeting: Option<&'static str>,
    /// It comes first, and this after it.
    after_greeting: Option<Vec<To>>,
    /// The caller hears us.
    hosted: bool,
    /// The caller has been answered, by us or by a person.
    is_up: bool,
    /// How many sounds there were.
    sounds: usize,
    /// The number of the greeting, if it has not been heard to its end.
    greets: Option<usize>,
    // For the cause of a miss.
    any_in_vain: bool,
    any_declined: bool,
    any_busy: bool,
    any_unreachable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ringing,
    Talking { leg: usize },
    Announcement,
    Voicemail(Voicemail),
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Voicemail {
    Greeting,
    Beep,
    Message { spoke: bool },
    Goodbye { spoke: bool },
}

struct Model<'a> {
    office: &'a Office,
    day: &'a Day,
    now: u64,
    events: Vec<Event>,
    calls: Vec<Call>,
    legs: Vec<Leg>,
    seen: Vec<(u64, Seen)>,
    rules: BTreeSet<&'static str>,
    registered: Vec<[bool; 2]>,
    away: Vec<bool>,
    forwards: Vec<[Option<usize>; 3]>,
    by_hand: Vec<Option<bool>>,
    blocked: Vec<bool>,
    /// By group: how many calls have entered it.
    rotation: Vec<usize>,
    /// By person: how many talks, and when the last one ended.
    talks: Vec<(usize, Option<u64>)>,
    /// Who has become free in this instant.
    freed: Vec<usize>,
}

/// What will be seen of a day, and which rules it comes from.
pub struct Foretold {
    pub seen: Vec<(u64, Seen)>,
    pub rules: BTreeSet<&'static str>,
}

/// The whole day. `None`: two things happen within one microsecond, and the rules do not say which is first.
pub fn foretell(office: &Office, day: &Day) -> Option<Foretold> {
    let mut model = Model {
        office,
        day,
        now: 0,
        events: day.lines.iter().map(|(at, line)| Event { at: *at, what: What::Line(*line) }).collect(),
        calls: Vec::new(),
        legs: Vec::new(),
        seen: Vec::new(),
        rules: BTreeSet::new(),
        registered: day.registered.iter().map(|phones| [*phones > 0, *phones > 1]).collect(),
        away: vec![false; PEOPLE],
        forwards: vec![[None; 3]; PEOPLE],
        by_hand: vec![None; office.schedules.len()],
        blocked: vec![false; super::office::CALLERS.len()],
        rotation: vec![0; office.groups.len()],
        talks: vec![(0, None); PEOPLE],
        freed: Vec::new(),
    };
    while let Some(event) = model.take_earliest()? {
        model.now = event.at;
        model.happens(event.what);
        // Silent: what comes first within one instant. Whoever becomes free joins when all else is done.
        while let Some(person) = model.freed.pop() {
            model.joins(person);
        }
    }
    Some(Foretold { seen: model.seen, rules: model.rules })
}

impl Model<'_> {
    /// The next event; the outer `None`: it is a tie.
    fn take_earliest(&mut self) -> Option<Option<Event>> {
        let mut events = std::mem::take(&mut self.events);
        events.retain(|event| self.matters(event));
        self.events = events;
        let Some(at) = self.events.iter().map(|event| event.at).min() else { return Some(None) };
        let now = || self.events.iter().enumerate().filter(|(_, event)| event.at == at);
        let quiet = now().find(|(_, event)| matches!(event.what, What::Quiet(_)));
        let (place, _) = quiet.or_else(|| now().next())?;
        let event = self.events.remove(place);
        let tied = self.events.iter().any(|other| other.at == at && !self.may_tie(&event, other));
        (!tied).then_some(Some(event))
    }

    /// False where it has been overtaken by what happened since.
    fn matters(&self, event: &Event) -> bool {
        match event.what {
            What::Look(call) => {
                let call = &self.calls[call];
                let turn = !call.waiting.is_empty() && call.next == event.at;
                let over = call.ringing.iter().any(|(_, until)| *until == event.at);
                call.stage == Stage::Ringing && (turn || over || call.ends == event.at)
            }
            What::Silence(leg) => !self.legs[leg].spoke && !self.legs[leg].done && !self.legs[leg].stopped,
            What::Speaks(leg) | What::Acts(leg) => !self.legs[leg].done,
            What::GivesUp(call) => !matches!(self.calls[call].stage, Stage::Talking { .. } | Stage::Over),
            What::Quiet(call) => self.calls[call].stage == Stage::Ringing && self.calls[call].quiet == Some(event.at),
            What::Heard(call, sound) | What::Presses(call, sound) => {
                let heard = !matches!(self.calls[call].stage, Stage::Talking { .. } | Stage::Over);
                heard && self.calls[call].sounds == sound
            }
            What::Talks(call) | What::MessageEnds(call) => {
                matches!(self.calls[call].stage, Stage::Voicemail(Voicemail::Message { .. }))
            }
            What::Line(_) | What::TalkEnds(_) => true,
        }
    }

    /// Two looks at one call, or two phones of one call that stay silent, may come in any order.
    fn may_tie(&self, one: &Event, other: &Event) -> bool {
        match (one.what, other.what) {
            (What::Look(one) | What::Quiet(one), What::Look(other) | What::Quiet(other)) => one == other,
            (What::Silence(one), What::Silence(other)) => self.legs[one].call == self.legs[other].call,
            _ => false,
        }
    }

    fn later(&mut self, at: u64, what: What) {
        self.events.push(Event { at, what });
    }

    fn see(&mut self, seen: Seen) {
        self.seen.push((self.now, seen));
    }

    /// A rule has told.
    fn rule(&mut self, rule: &'static str) {
        self.rules.insert(rule);
    }

    fn happens(&mut self, what: What) {
        match what {
            What::Line(Line::Call(placed)) => self.call(placed),
            What::Line(Line::Register { person, phone }) => self.register(person, phone),
            What::Line(Line::Unregister { person, phone }) => self.registered[person][phone] = false,
            What::Line(Line::Away { person, away }) => self.away[person] = away,
            What::Line(Line::Forward { person, when, to }) => self.forwards[person][when] = to,
            What::Line(Line::Override { schedule, open }) => self.by_hand[schedule] = open,
            What::Line(Line::Block { caller, blocked }) => self.blocked[caller] = blocked,
            What::Look(call) => {
                self.go_on(call);
                self.tidy(call);
            }
            What::Speaks(leg) => self.speaks(leg),
            What::Acts(leg) => self.acts(leg),
            What::Silence(leg) => {
                // Who says nothing at all cannot be reached.
                self.rule("silence");
                self.legs[leg].done = true;
                self.phone_fails(leg, Reason::Unreachable, 408);
            }
            What::GivesUp(call) => self.gives_up(call),
            What::TalkEnds(call) => self.talk_ends(call),
            What::Quiet(call) => {
                self.rule("rings after a second");
                self.rings_back(call);
            }
            What::Heard(call, sound) => self.heard(call, sound),
            What::Presses(call, _) => {
                if self.calls[call].stage == Stage::Voicemail(Voicemail::Greeting) {
                    self.rule("skips the greeting");
                    self.beeps(call);
                }
            }
            What::Talks(call) => self.calls[call].stage = Stage::Voicemail(Voicemail::Message { spoke: true }),
            What::MessageEnds(call) => self.message_ends(call),
        }
    }
}

/// The order of decision.
impl Model<'_> {
    fn call(&mut self, placed: Placed) {
        let call = self.calls.len();
        let inside = matches!(placed.from, Caller::Person(_));
        let absent = (0..PEOPLE).map(|person| self.absence(person, inside)).collect();
        let orders = (0..self.office.groups.len()).map(|group| self.order_of(group)).collect();
        let others = || self.calls.iter().filter(|call| call.stage != Stage::Over);
        let on_trunk = others().filter(|call| matches!(call.placed.from, Caller::Outside(_))).count();
        let on_did =
            others().filter(|call| call.did.is_some() && Called::Did(call.did.unwrap_or(0)) == placed.to).count();
        let did = match placed.to {
            Called::Did(did) => Some(did),
            _ => None,
        };
        let blocked = matches!(placed.from, Caller::Outside(caller) if self.blocked[caller]);
        let did_open = did.is_none_or(|did| self.office.dids[did].schedule.is_none_or(|at| self.is_open(at)));
        let customer = match placed.from {
            Caller::Outside(caller) => self.day.customers[caller],
            Caller::Person(_) => None,
        };
        let responsible = customer.flatten().filter(|person| *person < PEOPLE);
        self.calls.push(Call {
            placed,
            absent,
            forwards: self.forwards.clone(),
            orders,
            did: None,
            did_open,
            can_be_missed: !inside && !blocked,
            responsible,
            stage: Stage::Ringing,
            place: None,
            waiting: Vec::new(),
            next: 0,
            step: 0,
            one_at_a_time: false,
            ends: 0,
            ringing: Vec::new(),
            failed: Vec::new(),
            said: vec![Vec::new(); PEOPLE],
            declined: Vec::new(),
            entered: Vec::new(),
            passed: Vec::new(),
            outcome: (Reason::Unreachable, None),
            ringback: false,
            quiet: None,
            greeting: None,
            after_greeting: None,
            hosted: false,
            is_up: false,
            sounds: 0,
            greets: None,
            any_in_vain: false,
            any_declined: false,
            any_busy: false,
            any_unreachable: false,
        });
        self.later(self.now + placed.patience, What::GivesUp(call));
        match (placed.from, placed.to) {
            (Caller::Person(_), Called::Person(person)) => self.enter(call, vec![To::Person(person)], Last::Nothing),
            (Caller::Person(_), Called::Nobody) => unreachable!("no colleague calls nobody"),
            (Caller::Outside(_), _) if blocked => {
                self.rule("blocked");
                self.refuse(call, 603);
            }
            (Caller::Outside(_), Called::Nobody | Called::Person(_)) => self.refuse(call, 404),
            // A DID of our own dialled inside never leaves the house: no trunk has a part in it.
            (_, Called::Did(did)) => {
                let full = |limit: Option<usize>, taken: usize| limit.is_some_and(|limit| taken >= limit);
                if !inside && full(self.office.trunk_limit, on_trunk) || full(self.office.dids[did].limit, on_did) {
                    self.rule("full");
                    self.finish(call, 486, Some("capacity"));
                } else {
                    self.calls[call].did = Some(did);
                    self.decide(call, did, customer.is_some());
                }
            }
        }
        self.tidy(call);
    }

    fn decide(&mut self, call: usize, did: usize, is_customer: bool) {
        let entry = &self.office.dids[did];
        let closed_by_hand = entry.schedule.is_some_and(|at| self.by_hand[at] == Some(false));
        if is_customer && closed_by_hand {
            self.rule("closed by hand");
        }
        let known = entry
            .known
            .as_ref()
            .filter(|known| is_customer && !closed_by_hand && (self.calls[call].did_open || !known.within_hours));
        if matches!(self.calls[call].placed.from, Caller::Person(_)) {
            self.rule("own DID dialled inside");
        }
        let Some(known) = known else { return self.enter_plan(call) };
        let person = match known.to {
            To::Responsible => self.calls[call].responsible,
            To::Person(person) => Some(person),
            To::Group(_) => return self.enter(call, vec![known.to], Last::Known),
            _ => None,
        };
        // Silent: a customer without a responsible, or whose responsible is nobody of ours.
        let Some(person) = person else { return self.enter_plan(call) };
        match (self.calls[call].absent[person], self.stand_in(call, person)) {
            (Some(absence), None) => self.known_fallback(call, 3 + absence as usize),
            _ => self.enter(call, vec![To::Person(person)], Last::Known),
        }
    }

    /// Where a reason of `known` leads.
    fn known_fallback(&mut self, call: usize, reason: usize) {
        let did = self.calls[call].did.expect("a DID");
        let known = self.office.dids[did].known.as_ref().expect("a known customer");
        self.rule(["busy", "no answer", "unreachable", "away", "left", "outside hours"][reason]);
        match (known.only, known.reasons[reason].as_slice()) {
            (Some(only), _) => self.enter(call, vec![only], Last::Operator),
            (None, [] | [To::Plan]) => self.enter_plan(call),
            (None, list) => self.enter(call, list.to_vec(), Last::Operator),
        }
    }

    /// As if the caller were unknown: the DID's hours.
    fn enter_plan(&mut self, call: usize) {
        let did = &self.office.dids[self.calls[call].did.expect("a DID")];
        self.rule(if self.calls[call].did_open { "open" } else { "closed" });
        let list = match (self.calls[call].did_open, did.personal) {
            (true, Some(owner)) => vec![To::Person(owner)],
            (true, None) => did.open.clone(),
            // Where nothing is said for the closed hours: the operator.
            (false, _) => did.closed.clone(),
        };
        let hours = usize::from(!self.calls[call].did_open);
        let number = self.calls[call].did.expect("a DID");
        match did.greetings[hours] {
            Some(true) => {
                self.rule("greeting first");
                let entry = &mut self.calls[call];
                (entry.after_greeting, entry.ends) = (Some(list), u64::MAX);
                entry.waiting.clear();
                entry.ringing.clear();
                entry.failed.clear();
                self.greet(call, greeting_of(number, hours));
            }
            Some(false) => {
                self.calls[call].greeting = Some(greeting_of(number, hours));
                self.enter(call, list, Last::Operator);
            }
            None => self.enter(call, list, Last::Operator),
        }
    }

    fn is_open(&self, schedule: usize) -> bool {
        let (from, to) = self.office.schedules[schedule];
        let minute = BEGINS + (self.now / SECOND / 60) as u32;
        let written = if to > from { (from..to).contains(&minute) } else { minute >= from || minute < to };
        self.by_hand[schedule].unwrap_or(written)
    }

    fn absence(&self, person: usize, caller_is_colleague: bool) -> Option<Absence> {
        let entry = &self.office.people[person];
        if !entry.active {
            Some(Absence::Left)
        } else if self.away[person] {
            Some(Absence::Away)
        } else if entry.schedule.is_some_and(|at| !self.is_open(at)) && !caller_is_colleague {
            Some(Absence::OutsideHours)
        } else {
            None
        }
    }

    /// Who is rung for a person: that person, else an available deputy. (Silent: the deputy's deputy, where the deputy is
    /// absent too.)
    fn stand_in(&self, call: usize, person: usize) -> Option<usize> {
        let absent = &self.calls[call].absent;
        let mut who = person;
        for _ in 0..PEOPLE {
            if absent[who].is_none() {
                return Some(who);
            }
            who = self.office.people[who].deputy?;
        }
        None
    }

    fn order_of(&self, group: usize) -> Vec<usize> {
        let entry = &self.office.groups[group];
        let mut members = entry.members.clone();
        match entry.order {
            Order::Listed => {}
            Order::RoundRobin => {
                let turn = self.rotation[group] % members.len();
                members.rotate_left(turn);
            }
            Order::LongestIdle => members.sort_by_key(|member| self.talks[*member].1),
            Order::FewestCalls => members.sort_by_key(|member| self.talks[*member].0),
        }
        members
    }
}

/// Destinations.
impl Model<'_> {
    /// The first destination of a list; with an empty one, what comes last.
    fn enter(&mut self, call: usize, list: Vec<To>, last: Last) {
        self.enter_by(call, list, last, Vec::new());
    }

    /// The same, by forwards.
    fn enter_by(&mut self, call: usize, list: Vec<To>, last: Last, mut way: Vec<(usize, usize)>) {
        let Some((to, rest)) = list.split_first() else {
            return match last {
                Last::Operator if self.office.operator.is_empty() => self.run_out(call),
                Last::Operator => {
                    self.rule("operator");
                    self.enter(call, self.office.operator.clone(), Last::Unavailable);
                }
                Last::Unavailable => {
                    self.rule("not even the operator");
                    self.refuse(call, 480);
                }
                Last::Known | Last::Nothing => self.run_out(call),
            };
        };
        // All calls of this one go to another one.
        let mut to = *to;
        while let To::Person(person) = to
            && let Some(next) = self.forward(call, person, 0, &mut way)
        {
            self.rule("forward");
            to = To::Person(next);
        }
        let to = &to;
        let place = Place { to: *to, rest: rest.to_vec(), last, way };
        match *to {
            To::Refuse(status) => self.refuse(call, status),
            To::Box => self.serve(call, "box", Stage::Voicemail(Voicemail::Greeting), true),
            To::Says(which) => self.serve(call, ANNOUNCEMENTS[which], Stage::Announcement, false),
            To::Plan | To::Responsible => unreachable!("not drawn here"),
            To::Operator if rest.is_empty() => self.enter(call, Vec::new(), Last::Operator),
            To::Operator => {
                let list = [&self.office.operator[..], rest].concat();
                self.enter(call, list, last);
            }
            To::Person(_) | To::Group(_) => {
                let before = self.calls[call].entered.iter().find(|(entered, _)| entered == to).map(|(_, why)| *why);
                match before {
                    // A destination is entered at most once. (Silent: what then. As if it had failed as it did before.)
                    Some(_) if self.calls[call].passed.contains(&place) => self.run_out(call),
                    Some(why) => {
                        self.rule("entered once");
                        self.calls[call].passed.push(place.clone());
                        self.after(call, place, why);
                    }
                    None => self.begin(call, place),
                }
            }
        }
    }

    /// To whom a person's calls go. Not while that person is absent, and not back to who has sent them there, or calls.
    fn forward(&mut self, call: usize, person: usize, when: usize, way: &mut Vec<(usize, usize)>) -> Option<usize> {
        let next = self.calls[call].forwards[person][when].filter(|_| self.calls[call].absent[person].is_none())?;
        way.push((person, when));
        if way.iter().any(|(who, _)| *who == next) || self.calls[call].placed.from == Caller::Person(next) {
            self.rule("forward goes round");
            return None;
        }
        Some(next)
    }

    fn begin(&mut self, call: usize, place: Place) {
        let caller = match self.calls[call].placed.from {
            Caller::Person(person) => Some(person),
            Caller::Outside(_) => None,
        };
        // Silent: whoever calls is not rung by the own call, nor is a stand-in for the caller.
        let stand_in = |model: &Model<'_>, person: usize| {
            model.stand_in(call, person).filter(|who| Some(*who) != caller && Some(person) != caller)
        };
        let (members, step, patience, one_at_a_time) = match place.to {
            To::Person(person) => {
                if stand_in(self, person).is_some_and(|who| who != person) {
                    self.rule("deputy");
                }
                let own = self.office.people[person].no_answer.as_ref().map_or(RING, |(after, _)| *after);
                let known = || self.office.dids[self.calls[call].did?].known.as_ref().map(|known| known.ring);
                let patience = if place.last == Last::Known { known().unwrap_or(own) } else { own };
                (stand_in(self, person).into_iter().collect(), 0, patience, false)
            }
            To::Group(group) => {
                let mut members = Vec::new();
                for member in self.calls[call].orders[group].clone() {
                    members.extend(stand_in(self, member).filter(|who| !members.contains(who)));
                }
                self.rotation[group] += 1;
                let entry = &self.office.groups[group];
                if members.iter().any(|member| !entry.members.contains(member)) {
                    self.rule("deputy of a member");
                }
                self.rule(match entry.strategy {
                    Strategy::RingAll => "ring-all",
                    Strategy::Sequential => "sequential",
                    Strategy::Escalating => "escalating",
                });
                if members
                    != entry.members.iter().copied().filter(|member| members.contains(member)).collect::<Vec<_>>()
                {
                    self.rule("order");
                }
                let step = if entry.strategy == Strategy::RingAll { 0 } else { entry.step };
                (members, step, entry.patience, entry.strategy == Strategy::Sequential)
            }
            _ => unreachable!("nobody rings there"),
        };
        let now = self.now;
        let entry = &mut self.calls[call];
        entry.entered.push((place.to, Reason::Unreachable));
        entry.place = Some(place);
        (entry.waiting, entry.next, entry.step) = (members, now, step * SECOND);
        (entry.ends, entry.one_at_a_time) = (now + patience * SECOND, one_at_a_time);
        entry.ringing.clear();
        entry.failed.clear();
        self.later(now + patience * SECOND, What::Look(call));
        self.go_on(call);
    }

    /// Turns end and start as the time says.
    fn go_on(&mut self, call: usize) {
        let now = self.now;
        if self.calls[call].after_greeting.is_some() {
            return;
        }
        let entry = &mut self.calls[call];
        let over: Vec<usize> =
            entry.ringing.iter().filter(|(_, until)| *until <= now).map(|(person, _)| *person).collect();
        for person in over {
            self.rule(if self.calls[call].one_at_a_time { "turn over" } else { "patience" });
            self.rang_in_vain(call, person);
        }
        let entry = &mut self.calls[call];
        if now >= entry.ends {
            let ringing: Vec<usize> = entry.ringing.iter().map(|(person, _)| *person).collect();
            for person in ringing {
                self.rule("patience");
                self.rang_in_vain(call, person);
            }
            return self.leave(call);
        }
        if !entry.waiting.is_empty() && entry.next <= now {
            let person = entry.waiting.remove(0);
            entry.next = now + entry.step;
            let next = entry.next;
            self.later(next, What::Look(call));
            self.starts(call, person);
            return self.go_on(call);
        }
        if entry.ringing.is_empty() && entry.waiting.is_empty() {
            self.leave(call);
        }
    }

    fn starts(&mut self, call: usize, person: usize) {
        let rings_already = self.rings(call, person);
        if rings_already {
            self.rule("keeps its INVITE");
        }
        if self.calls[call].declined.contains(&person) {
            self.rule("declined before");
            self.member_fails(call, person, Reason::Declined, None);
        } else if !rings_already && self.is_busy(person) {
            self.rule("is busy");
            self.member_fails(call, person, Reason::Busy, None);
        } else if !rings_already && self.phones(person).is_empty() {
            self.rule("is unreachable");
            self.member_fails(call, person, Reason::Unreachable, None);
        } else {
            let entry = &mut self.calls[call];
            let until = if entry.one_at_a_time { self.now + entry.step } else { entry.ends };
            entry.ringing.push((person, until));
            self.later(until, What::Look(call));
            if !rings_already {
                self.ring(call, person);
            }
        }
    }

    fn ring(&mut self, call: usize, person: usize) {
        self.calls[call].said[person].clear();
        let entry = &mut self.calls[call];
        if !entry.ringback && !entry.is_up && entry.quiet.is_none() {
            entry.quiet = Some(self.now + QUIET);
            self.later(self.now + QUIET, What::Quiet(call));
        }
        for phone in self.phones(person) {
            self.invite(call, person, phone);
        }
    }

    /// The next one in waiting starts now, the rest follow a step apart.
    fn member_fails(&mut self, call: usize, person: usize, why: Reason, status: Option<u16>) {
        let entry = &mut self.calls[call];
        entry.ringing.retain(|(ringing, _)| *ringing != person);
        entry.failed.push((person, why, status));
        entry.next = self.now;
        match why {
            Reason::Declined => {
                entry.any_declined = true;
                entry.declined.push(person);
            }
            Reason::Busy => entry.any_busy = true,
            Reason::NoAnswer => entry.any_in_vain = true,
            Reason::Unreachable => entry.any_unreachable = true,
        }
    }

    /// The turn or the patience is over: nobody answered on the last phones that rang.
    fn rang_in_vain(&mut self, call: usize, person: usize) {
        let entry = &mut self.calls[call];
        entry.ringing.retain(|(ringing, _)| *ringing != person);
        let said = entry.said[person].iter().map(|(why, _)| *why);
        let why = said.chain([Reason::NoAnswer]).min().unwrap_or(Reason::NoAnswer);
        if why != Reason::NoAnswer {
            self.rules.insert("the best reason of two phones");
        }
        entry.failed.push((person, why, None));
        entry.any_in_vain |= why == Reason::NoAnswer;
    }

    fn leave(&mut self, call: usize) {
        let entry = &mut self.calls[call];
        let in_vain = entry.failed.iter().any(|(_, why, _)| *why == Reason::NoAnswer);
        let best = entry.failed.iter().map(|(_, why, _)| *why).min();
        // Silent: a group in which somebody rang to the end, beside others who were busy. It had no answer.
        let why = if in_vain { Reason::NoAnswer } else { best.unwrap_or(Reason::Unreachable) };
        let said: Vec<Option<u16>> = entry.failed.iter().map(|(_, _, status)| *status).collect();
        let agreed = said.first().copied().flatten().filter(|first| said.iter().all(|other| *other == Some(*first)));
        entry.outcome = (why, agreed.filter(|status| [488, 606].contains(status)));
        match why {
            Reason::Declined => entry.any_declined = true,
            Reason::Busy => entry.any_busy = true,
            Reason::NoAnswer => entry.any_in_vain = true,
            Reason::Unreachable => entry.any_unreachable = true,
        }
        let place = entry.place.take().expect("it rang somewhere");
        if let Some(entered) = entry.entered.iter_mut().find(|(to, _)| *to == place.to) {
            entered.1 = why;
        }
        self.after(call, place, why);
    }

    /// Precedence: the next entry of a list, the fallbacks of `known`, the destination's own, the operator.
    fn after(&mut self, call: usize, place: Place, why: Reason) {
        if !place.rest.is_empty() {
            self.rule("next of the list");
            return self.enter(call, place.rest, place.last);
        }
        if place.last == Last::Known {
            let reason = match why {
                Reason::Declined | Reason::Busy => 0,
                Reason::NoAnswer => 1,
                Reason::Unreachable => 2,
            };
            return self.known_fallback(call, reason);
        }
        let kind = if why == Reason::Declined || why == Reason::Busy { 1 } else { 2 };
        let mut way = Vec::new();
        if let To::Person(person) = place.to
            && let Some(next) = self.forward(call, person, kind, &mut way)
        {
            self.rule(["", "forward on busy", "forward in vain"][kind]);
            return self.enter_by(call, vec![To::Person(next)], place.last, way);
        }
        let own = match (place.to, why) {
            (To::Group(group), _) => self.office.groups[group].then.clone(),
            (To::Person(person), Reason::Declined | Reason::Busy) => self.office.people[person].busy.clone(),
            (To::Person(person), Reason::NoAnswer) => {
                self.office.people[person].no_answer.as_ref().map_or(Vec::new(), |(_, to)| to.clone())
            }
            (To::Person(person), Reason::Unreachable) => self.office.people[person].unreachable.clone(),
            _ => Vec::new(),
        };
        if !own.is_empty() {
            self.rule("own way");
        }
        self.enter(call, own, place.last);
    }

    /// It answers for the last rung destination.
    fn run_out(&mut self, call: usize) {
        self.rule("runs out");
        let status = match self.calls[call].outcome {
            (_, Some(status)) => {
                self.rules.insert("488 or 606 of all phones");
                status
            }
            (Reason::Declined, _) => 603,
            (Reason::Busy, _) => 486,
            _ => 480,
        };
        self.refuse(call, status);
    }

    fn refuse(&mut self, call: usize, status: u16) {
        let rings = (0..PEOPLE).any(|person| self.rings(call, person));
        self.calls[call].any_in_vain |= rings;
        let cause = self.cause(call);
        self.finish(call, status, Some(cause));
    }

    fn cause(&self, call: usize) -> &'static str {
        let entry = &self.calls[call];
        // Silent: which cause is told where there are several.
        if entry.any_in_vain {
            "no_answer"
        } else if !entry.did_open && entry.did.is_some() {
            "after_hours"
        } else if entry.any_declined {
            "rejected"
        } else if entry.any_busy {
            "all_busy"
        } else if entry.any_unreachable {
            "none_reachable"
        } else {
            "rejected"
        }
    }

    fn finish(&mut self, call: usize, status: u16, missed: Option<&'static str>) {
        self.is_told(call, status);
        self.over(call, missed);
        self.stop_all(call);
        self.caller_is_free(call);
    }

    fn over(&mut self, call: usize, missed: Option<&'static str>) {
        self.calls[call].stage = Stage::Over;
        let missed = missed.filter(|_| self.calls[call].can_be_missed);
        self.see(Seen::Over { call, missed });
    }

    /// Whoever rings without a turn rings no more.
    fn tidy(&mut self, call: usize) {
        if self.calls[call].stage != Stage::Ringing {
            return;
        }
        for person in 0..PEOPLE {
            let has_turn = self.calls[call].ringing.iter().any(|(ringing, _)| *ringing == person);
            if !has_turn && self.rings(call, person) {
                self.stop(call, person);
                self.calls[call].any_in_vain = true;
            }
        }
        // While phones ring they are greeted.
        if (0..PEOPLE).any(|person| self.rings(call, person))
            && let Some(greeting) = self.calls[call].greeting.take()
        {
            self.rule("greeting");
            self.greet(call, greeting);
        }
    }
}

/// What callers hear from us.
impl Model<'_> {
    /// It rings, for the caller. Who hears us hears that from us.
    fn rings_back(&mut self, call: usize) {
        let entry = &mut self.calls[call];
        entry.quiet = None;
        if !std::mem::replace(&mut entry.ringback, true) && !entry.hosted {
            self.see(Seen::Ringback { call });
        }
    }

    /// Whoever is to hear us is answered, where their trunk would cut it otherwise.
    fn is_cut(&self, call: usize) -> bool {
        self.office.answer && matches!(self.calls[call].placed.from, Caller::Outside(_))
    }

    /// The caller hears us from now on.
    fn host(&mut self, call: usize, answer: bool) {
        let entry = &mut self.calls[call];
        let hosted = std::mem::replace(&mut entry.hosted, true);
        if entry.is_up {
            return;
        }
        entry.is_up = answer;
        match (answer, hosted) {
            (true, _) => self.see(Seen::Hears { call, status: 200 }),
            (false, false) => self.see(Seen::Early { call }),
            (false, true) => {}
        }
    }

    fn greet(&mut self, call: usize, greeting: &'static str) {
        if self.is_cut(call) {
            self.rule("answered for a greeting");
        }
        self.host(call, self.is_cut(call));
        self.says(call, &[greeting]);
        self.calls[call].greets = Some(self.calls[call].sounds);
    }

    fn says(&mut self, call: usize, sounds: &[&'static str]) {
        let what: Vec<String> = sounds.iter().map(|sound| (*sound).to_owned()).collect();
        self.calls[call].sounds += 1;
        let sound = self.calls[call].sounds;
        if what != ["ringback"] {
            self.later(self.now + self.day.lasts(&what), What::Heard(call, sound));
            if let Some(after) = self.calls[call].placed.message.skips {
                self.later(self.now + after, What::Presses(call, sound));
            }
        }
        self.see(Seen::Says { call, what });
    }

    /// A sound is over.
    fn heard(&mut self, call: usize, sound: usize) {
        match self.calls[call].stage {
            Stage::Ringing if self.calls[call].greets == Some(sound) => {
                self.says(call, &["ringback"]);
                if let Some(list) = self.calls[call].after_greeting.take() {
                    self.enter(call, list, Last::Operator);
                }
                self.tidy(call);
            }
            Stage::Announcement => self.served(call, 480, false),
            Stage::Voicemail(Voicemail::Greeting) => self.beeps(call),
            Stage::Voicemail(Voicemail::Beep) => {
                self.see(Seen::Takes { call });
                self.calls[call].stage = Stage::Voicemail(Voicemail::Message { spoke: false });
                let message = self.calls[call].placed.message;
                if let Some(after) = message.speaks {
                    self.later(self.now + after, What::Talks(call));
                }
                self.later(self.now + message.ends, What::MessageEnds(call));
            }
            Stage::Voicemail(Voicemail::Goodbye { spoke }) => self.served(call, 200, spoke),
            _ => {}
        }
    }

    fn beeps(&mut self, call: usize) {
        self.calls[call].stage = Stage::Voicemail(Voicemail::Beep);
        self.says(call, &["beep"]);
    }

    fn message_ends(&mut self, call: usize) {
        let Stage::Voicemail(Voicemail::Message { spoke }) = self.calls[call].stage else { return };
        self.rule(if self.calls[call].placed.message.hash {
            "a message ends with #"
        } else {
            "a message ends in silence"
        });
        self.rule(if spoke { "a message" } else { "an empty message" });
        self.calls[call].stage = Stage::Voicemail(Voicemail::Goodbye { spoke });
        self.says(call, &["goodbye"]);
    }

    /// Nobody is rung any more; the router takes the caller. A greeting that nobody has heard comes before.
    fn serve(&mut self, call: usize, sound: &'static str, stage: Stage, answer: bool) {
        let rings = (0..PEOPLE).any(|person| self.rings(call, person));
        self.calls[call].any_in_vain |= rings;
        self.stop_all(call);
        let due = self.calls[call].greeting.take();
        if due.is_some() {
            self.rule("a greeting before the router takes the call");
        }
        self.rule(if answer { "voicemail" } else { "announcement" });
        self.calls[call].stage = stage;
        self.host(call, answer || self.is_cut(call));
        self.says(call, &[due.as_slice(), &[sound]].concat());
    }

    /// The caller has enough, and nobody has answered.
    fn gives_up(&mut self, call: usize) {
        let is_up = self.calls[call].is_up;
        if !is_up {
            self.see(Seen::Hears { call, status: 487 });
        }
        let cause = match self.calls[call].stage {
            Stage::Ringing => "abandoned",
            Stage::Voicemail(Voicemail::Message { spoke } | Voicemail::Goodbye { spoke }) => {
                self.rule("hangs up in a message");
                self.cause_served(call, spoke, false)
            }
            Stage::Voicemail(_) => {
                self.rule("hangs up before the beep");
                self.cause_served(call, false, false)
            }
            _ => {
                self.rule("hangs up in an announcement");
                self.cause_served(call, false, true)
            }
        };
        self.over(call, Some(cause));
        self.stop_all(call);
        self.caller_is_free(call);
    }

    /// Nothing is left to be said.
    fn served(&mut self, call: usize, status: u16, spoke: bool) {
        let says = self.calls[call].stage == Stage::Announcement;
        let cause = self.cause_served(call, spoke, says);
        self.finish(call, status, Some(cause));
    }

    fn cause_served(&self, call: usize, spoke: bool, says: bool) -> &'static str {
        let entry = &self.calls[call];
        let closed = !entry.did_open && entry.did.is_some();
        let failed = entry.any_in_vain || entry.any_declined || entry.any_busy || entry.any_unreachable;
        match (spoke, says) {
            (true, _) => "voicemail_left",
            (false, true) if !closed => "announcement_only",
            // Silent: nobody was rung, and nothing was said.
            (false, false) if !closed && !failed => "abandoned",
            (false, _) => self.cause(call),
        }
    }

    /// The end, as the caller hears it.
    fn is_told(&mut self, call: usize, status: u16) {
        match self.calls[call].is_up {
            true => self.see(Seen::Released { call }),
            false => self.see(Seen::Hears { call, status }),
        }
    }
}

/// People and phones.
impl Model<'_> {
    /// Has an answered leg, or one that it dials.
    fn is_busy(&self, person: usize) -> bool {
        let busy = self.calls.iter().any(|call| match call.stage {
            Stage::Over => false,
            _ if call.placed.from == Caller::Person(person) => true,
            Stage::Talking { leg } => self.legs[leg].person == person,
            Stage::Ringing | Stage::Announcement | Stage::Voicemail(_) => false,
        });
        busy && !self.office.people[person].call_waiting
    }

    fn phones(&self, person: usize) -> Vec<usize> {
        if self.office.people[person].fixed {
            return vec![0];
        }
        (0..2).filter(|phone| self.registered[person][*phone]).collect()
    }

    /// True while a phone of this person rings for the call.
    fn rings(&self, call: usize, person: usize) -> bool {
        self.legs.iter().any(|leg| leg.call == call && leg.person == person && !leg.stopped && !leg.done)
    }

    fn invite(&mut self, call: usize, person: usize, phone: usize) {
        let before = |leg: &&Leg| (leg.call, leg.person, leg.phone) == (call, person, phone);
        let habit = self.day.habit(person, phone, call, self.legs.iter().filter(before).count());
        let leg = self.legs.len();
        self.legs.push(Leg { call, person, phone, habit, spoke: false, rang: false, stopped: false, done: false });
        self.see(Seen::Rings { call, person, phone });
        if let Some((after, _)) = habit.speaks {
            self.later(self.now + after, What::Speaks(leg));
        }
        if let Some((after, _)) = habit.acts {
            self.later(self.now + after, What::Acts(leg));
        }
        self.later(self.now + SILENCE, What::Silence(leg));
    }

    fn register(&mut self, person: usize, phone: usize) {
        if std::mem::replace(&mut self.registered[person][phone], true) {
            return;
        }
        for call in 0..self.calls.len() {
            if self.rings(call, person) {
                self.rule("a phone joins");
                self.invite(call, person, phone);
            }
        }
        self.freed.push(person);
    }

    /// Somebody has hung up, or has registered: joins for the rest of the turn, where that has not passed.
    fn joins(&mut self, person: usize) {
        for call in 0..self.calls.len() {
            let entry = &self.calls[call];
            let waits = entry.failed.iter().any(|(failed, ..)| *failed == person);
            let rings = entry.ringing.iter().any(|(ringing, _)| *ringing == person);
            let may = entry.stage == Stage::Ringing && !entry.one_at_a_time && !entry.declined.contains(&person);
            if !waits || rings || !may || self.is_busy(person) || self.phones(person).is_empty() {
                continue;
            }
            self.rule("joins for the rest of the turn");
            let entry = &mut self.calls[call];
            entry.failed.retain(|(failed, ..)| *failed != person);
            let until = entry.ends;
            entry.ringing.push((person, until));
            self.ring(call, person);
        }
    }

    fn caller_is_free(&mut self, call: usize) {
        if let Caller::Person(person) = self.calls[call].placed.from {
            self.freed.push(person);
        }
    }

    fn speaks(&mut self, leg: usize) {
        self.legs[leg].spoke = true;
        let rings = self.legs[leg].habit.speaks.is_some_and(|(_, rings)| rings);
        self.legs[leg].rang = rings;
        let Leg { call, person, phone, stopped, .. } = self.legs[leg];
        if stopped {
            self.rule("a CANCEL waits");
            self.legs[leg].done = true;
            self.see(Seen::Stops { call, person, phone });
        } else if rings {
            self.rings_back(call);
        }
    }

    fn acts(&mut self, leg: usize) {
        let status = self.legs[leg].habit.acts.map_or(0, |(_, status)| status);
        let Leg { call, person, phone, stopped, rang, .. } = self.legs[leg];
        self.legs[leg].done = true;
        match status {
            // Acknowledged, and hung up.
            200 if stopped => {
                self.rule("answers too late");
                self.see(Seen::HangsUp { call, person, phone });
            }
            603 if stopped => self.declines_late(call, person),
            _ if stopped => {}
            200 => self.answered(leg),
            603 => self.phone_fails(leg, Reason::Declined, status),
            486 | 600 => self.phone_fails(leg, Reason::Busy, status),
            // Silent: which reason is whose. A phone that rang, and gives up by itself, had no answer.
            408 | 480 if rang => self.phone_fails(leg, Reason::NoAnswer, status),
            _ => self.phone_fails(leg, Reason::Unreachable, status),
        }
    }

    /// A person said no to a call that was being taken back: not rung again in this call.
    fn declines_late(&mut self, call: usize, person: usize) {
        if self.calls[call].stage != Stage::Ringing {
            return;
        }
        self.rule("declines too late");
        self.stop(call, person);
        match self.calls[call].ringing.iter().any(|(ringing, _)| *ringing == person) {
            true => self.member_fails(call, person, Reason::Declined, Some(603)),
            false => {
                self.calls[call].declined.push(person);
                self.calls[call].any_declined = true;
            }
        }
        self.go_on(call);
        self.tidy(call);
    }

    fn phone_fails(&mut self, leg: usize, why: Reason, status: u16) {
        let Leg { call, person, .. } = self.legs[leg];
        self.calls[call].said[person].push((why, status));
        if [600, 603].contains(&status) {
            if self.rings(call, person) {
                self.rule("declined for all phones");
            }
            self.stop(call, person);
        } else if self.rings(call, person) {
            return;
        }
        let said = &self.calls[call].said[person];
        let best = said.iter().map(|(why, _)| *why).min().unwrap_or(why);
        let status = said.first().map(|(_, status)| *status).filter(|first| said.iter().all(|(_, one)| one == first));
        self.member_fails(call, person, best, status);
        self.go_on(call);
        self.tidy(call);
    }

    fn answered(&mut self, leg: usize) {
        let Leg { call, person, phone, .. } = self.legs[leg];
        self.see(Seen::Answers { call, person, phone });
        match std::mem::replace(&mut self.calls[call].is_up, true) {
            true => self.rule("meets the one who heard a greeting"),
            false => self.see(Seen::Hears { call, status: 200 }),
        }
        self.calls[call].stage = Stage::Talking { leg };
        self.stop_all(call);
        self.later(self.now + self.calls[call].placed.talk, What::TalkEnds(call));
        if self.office.people[person].call_waiting {
            return self.rule("call waiting");
        }
        for other in 0..self.calls.len() {
            if other != call && self.rings(other, person) {
                self.rule("taken by another call");
                self.stop(other, person);
                self.member_fails(other, person, Reason::Busy, None);
                self.go_on(other);
                self.tidy(other);
            }
        }
    }

    fn talk_ends(&mut self, call: usize) {
        let Stage::Talking { leg } = self.calls[call].stage else { return };
        let Leg { person, phone, .. } = self.legs[leg];
        match self.calls[call].placed.caller_hangs_up {
            true => self.see(Seen::HangsUp { call, person, phone }),
            false => self.see(Seen::Released { call }),
        }
        self.over(call, None);
        self.talks[person] = (self.talks[person].0 + 1, Some(self.now));
        self.freed.push(person);
        self.caller_is_free(call);
    }

    fn stop_all(&mut self, call: usize) {
        for person in 0..PEOPLE {
            self.stop(call, person);
        }
    }

    /// A CANCEL for each of a person's phones that ring. It waits until the phone has said something.
    fn stop(&mut self, call: usize, person: usize) {
        for at in 0..self.legs.len() {
            let leg = &mut self.legs[at];
            if (leg.call, leg.person) != (call, person) || leg.done || leg.stopped {
                continue;
            }
            let phone = leg.phone;
            leg.stopped = true;
            if leg.spoke {
                leg.done = true;
                self.see(Seen::Stops { call, person, phone });
            }
        }
    }
}
