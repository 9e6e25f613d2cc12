//! A random office as plain data, and the file that its admin would write.

use std::fmt::Write as _;

use super::choices::Choices;

/// Extensions are 10 to 15.
pub const PEOPLE: usize = 6;
/// Two shared DIDs and a personal one.
pub const DIDS: [&str; 3] = ["+49301000", "+49301001", "+49301002"];
/// Who calls from outside.
pub const CALLERS: [&str; 4] = ["+491701112230", "+491701112231", "+491701112232", "+491701112233"];
const GROUPS: usize = 3;

/// A destination. Whoever stands in a list stands before what comes later in this order, so that no path comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    /// The responsible of a known customer.
    Responsible,
    Group(usize),
    Person(usize),
    Operator,
    /// The DID's plan, as if the caller were unknown.
    Plan,
    /// With this status.
    Refuse(u16),
    /// The one voicemail box.
    Box,
    /// One of two announcements.
    Says(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    RingAll,
    Sequential,
    Escalating,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Listed,
    RoundRobin,
    LongestIdle,
    FewestCalls,
}

/// Times are seconds; hours are minutes of the day.
#[derive(Clone, Debug)]
pub struct Office {
    /// Empty: nobody.
    pub operator: Vec<To>,
    pub trunk_limit: Option<usize>,
    /// The trunk cuts early media.
    pub answer: bool,
    pub schedules: Vec<(u32, u32)>,
    pub people: Vec<Person>,
    pub groups: Vec<Group>,
    pub dids: Vec<Did>,
}

#[derive(Clone, Debug)]
pub struct Person {
    /// A phone that never registers, as the only device.
    pub fixed: bool,
    pub active: bool,
    pub call_waiting: bool,
    pub schedule: Option<usize>,
    pub deputy: Option<usize>,
    pub busy: Vec<To>,
    pub no_answer: Option<(u64, Vec<To>)>,
    pub unreachable: Vec<To>,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub strategy: Strategy,
    pub order: Order,
    pub members: Vec<usize>,
    pub step: u64,
    pub patience: u64,
    pub then: Vec<To>,
}

#[derive(Clone, Debug)]
pub struct Did {
    pub schedule: Option<usize>,
    /// Whose number it is; then it has no `open`.
    pub personal: Option<usize>,
    pub open: Vec<To>,
    /// Empty: nothing said.
    pub closed: Vec<To>,
    pub limit: Option<usize>,
    pub known: Option<Known>,
    /// What greets callers in open and in closed hours, and whether it comes before anybody rings.
    pub greetings: [Option<bool>; 2],
}

#[derive(Clone, Debug)]
pub struct Known {
    /// `Responsible`, a person, a group or `Plan`.
    pub to: To,
    pub ring: u64,
    pub within_hours: bool,
    /// `responsible_only`.
    pub only: Option<To>,
    /// busy, no_answer, unreachable, away, left, outside_hours; empty: nothing said.
    pub reasons: [Vec<To>; 6],
}

const REASONS: [&str; 6] = ["busy", "no_answer", "unreachable", "away", "left", "outside_hours"];
/// Shipped ones.
pub const ANNOUNCEMENTS: [&str; 2] = ["closed", "busy"];
const REFUSALS: [(u16, &str); 5] =
    [(486, "busy"), (480, "unavailable"), (603, "declined"), (404, "not_found"), (403, "forbidden")];

impl Office {
    pub fn draw(choices: &mut Choices) -> Office {
        // Whoever is called last of all leads to nobody: that would be a circle.
        let operator = Some(choices.below(PEOPLE + 1)).filter(|person| *person < PEOPLE);
        let must_end = operator.is_none();
        let trunk_limit = choices.once_in(5).then(|| 1 + choices.below(3));
        let answer = choices.once_in(4);
        // Around ten in the morning, when the day begins.
        let hours = [(540, 1080), (600, 1080), (540, 601), (1200, 240), (1200, 601)];
        let schedules = vec![choices.of(&hours), choices.of(&hours)];
        let people = (0..PEOPLE).map(|person| Person::draw(choices, person, operator)).collect();
        let groups = (0..GROUPS).map(|group| Group::draw(choices, group, must_end)).collect();
        let dids = (0..DIDS.len()).map(|did| Did::draw(choices, did, must_end)).collect();
        let operator = operator.map(To::Person).into_iter().collect();
        Office { operator, trunk_limit, answer, schedules, people, groups, dids }
    }

    /// As an admin writes it.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "[sip]\nlisten = [\"udp://127.0.0.1:5060\"]\nrealm = \"test\"\n[media]\nports = \"20000-20999\"\n\
             [site]\nname = \"Test\"\ntimezone = \"Etc/UTC\"\nemergency = [\"112\"]\n\
             numbering = { country = \"49\", area = \"30\", national_prefix = \"0\", international_prefix = \"00\" }\n",
        );
        line(&mut text, "operator", &self.operator);
        text.push_str("[[trunk]]\nname = \"provider\"\nserver = \"sip:127.0.0.10:5060\"\ndials = \"plus-e164\"\n");
        if let Some(limit) = self.trunk_limit {
            let _ = writeln!(text, "max_calls = {limit}");
        }
        if self.answer {
            text.push_str("answer = true\n");
        }
        text.push_str("[[voicemail]]\nname = \"box\"\n");
        for (at, (from, to)) in self.schedules.iter().enumerate() {
            let time = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let _ =
                writeln!(text, "[[schedule]]\nname = \"s{at}\"\nopen = [\"mon-sun {}-{}\"]", time(*from), time(*to));
        }
        self.people.iter().enumerate().for_each(|(at, person)| person.write(at, &mut text));
        self.groups.iter().enumerate().for_each(|(at, group)| group.write(at, &mut text));
        self.dids.iter().enumerate().for_each(|(at, did)| did.write(at, &mut text));
        text
    }
}

impl Person {
    fn draw(choices: &mut Choices, person: usize, operator: Option<usize>) -> Person {
        let deputy = choices.below(2 * PEOPLE);
        let way = |choices: &mut Choices| match operator {
            None => list(choices, Some(To::Person(person)), 1, true),
            Some(operator) if operator == person => list(choices, None, 0, false),
            Some(_) if choices.once_in(3) => list(choices, Some(To::Person(person)), 1, false),
            Some(_) => Vec::new(),
        };
        Person {
            fixed: choices.once_in(8),
            active: !choices.once_in(10),
            call_waiting: choices.once_in(5),
            schedule: choices.once_in(5).then(|| choices.below(2)),
            deputy: (deputy < PEOPLE && deputy != person).then_some(deputy),
            busy: way(choices),
            no_answer: Some((1 + choices.below(25) as u64, way(choices))).filter(|(_, to)| !to.is_empty()),
            unreachable: way(choices),
        }
    }

    fn write(&self, at: usize, text: &mut String) {
        let _ = writeln!(text, "[[extension]]\nnumber = \"{0}\"\nname = \"P{0}\"\npassword = \"secret\"", 10 + at);
        if self.fixed {
            let _ = writeln!(text, "devices = [{{ address = \"sip:{}\" }}]", super::phone(at, 0));
        }
        if !self.active {
            text.push_str("active = false\n");
        }
        if self.call_waiting {
            text.push_str("call_waiting = true\n");
        }
        if let Some(schedule) = self.schedule {
            let _ = writeln!(text, "schedule = \"s{schedule}\"");
        }
        if let Some(deputy) = self.deputy {
            let _ = writeln!(text, "deputy = \"{}\"", 10 + deputy);
        }
        line(text, "busy", &self.busy);
        line(text, "unreachable", &self.unreachable);
        if let Some((after, to)) = &self.no_answer {
            let _ = writeln!(text, "no_answer = {{ after = \"{after}s\", to = {} }}", written(to));
        }
    }
}

impl Group {
    fn draw(choices: &mut Choices, group: usize, must_end: bool) -> Group {
        let strategy = choices.of(&[Strategy::RingAll, Strategy::Sequential, Strategy::Escalating]);
        let order = choices.of(&[Order::Listed, Order::RoundRobin, Order::LongestIdle, Order::FewestCalls]);
        let mut members: Vec<usize> = (0..1 + choices.below(5)).map(|_| choices.below(PEOPLE)).collect();
        members.sort_unstable();
        members.dedup();
        let turn = choices.below(members.len());
        members.rotate_left(turn);
        Group {
            strategy,
            order,
            members,
            step: 1 + choices.below(12) as u64,
            patience: 1 + choices.below(40) as u64,
            then: list(choices, Some(To::Group(group)), 2, must_end),
        }
    }

    fn write(&self, at: usize, text: &mut String) {
        let strategy = match self.strategy {
            Strategy::RingAll => "ring-all",
            Strategy::Sequential => "sequential",
            Strategy::Escalating => "escalating",
        };
        let order = match self.order {
            Order::Listed => "listed",
            Order::RoundRobin => "round-robin",
            Order::LongestIdle => "longest-idle",
            Order::FewestCalls => "fewest-calls",
        };
        let members: Vec<String> = self.members.iter().map(|member| format!("\"{}\"", 10 + member)).collect();
        let _ = writeln!(
            text,
            "[[group]]\nname = \"g{at}\"\nstrategy = \"{strategy}\"\norder = \"{order}\"\nmembers = [{}]\nstep = \"{}s\"\npatience = \"{}s\"",
            members.join(", "),
            self.step,
            self.patience
        );
        line(text, "then", &self.then);
    }
}

impl Did {
    fn draw(choices: &mut Choices, did: usize, must_end: bool) -> Did {
        let schedule = choices.once_in(2).then(|| choices.below(2));
        let personal = (did == DIDS.len() - 1).then(|| choices.below(PEOPLE));
        let mut open = list(choices, None, 3, must_end);
        if open.is_empty() {
            open.push(To::Group(choices.below(GROUPS)));
        }
        let closed = if schedule.is_some() { list(choices, None, 1, must_end) } else { Vec::new() };
        let known = (!choices.once_in(4)).then(|| Known::draw(choices, must_end));
        let limit = choices.once_in(6).then(|| 1 + choices.below(2));
        let greets = |choices: &mut Choices| choices.once_in(3).then(|| choices.once_in(2));
        let greetings =
            [greets(choices).filter(|_| personal.is_none()), greets(choices).filter(|_| !closed.is_empty())];
        Did {
            greetings,
            schedule,
            open: if personal.is_some() { Vec::new() } else { open },
            personal,
            closed,
            limit,
            known,
        }
    }

    fn write(&self, at: usize, text: &mut String) {
        let _ = writeln!(text, "[[did]]\nnumber = \"{}\"\nsource = \"site\"", DIDS[at]);
        if let Some(owner) = self.personal {
            let _ = writeln!(text, "personal = \"{}\"", 10 + owner);
        } else {
            let _ = writeln!(text, "open = {{ to = {}{} }}", written(&self.open), self.greeting(at, 0));
        }
        if let Some(schedule) = self.schedule {
            let _ = writeln!(text, "schedule = \"s{schedule}\"");
        }
        if !self.closed.is_empty() {
            let _ = writeln!(text, "closed = {{ to = {}{} }}", written(&self.closed), self.greeting(at, 1));
        }
        if let Some(limit) = self.limit {
            let _ = writeln!(text, "max_calls = {limit}");
        }
        if let Some(known) = &self.known {
            known.write(text);
        }
    }
}

impl Did {
    fn greeting(&self, at: usize, hours: usize) -> String {
        match self.greetings[hours] {
            None => String::new(),
            Some(first) => format!(", greeting = \"{}.wav\", greeting_first = {first}", greeting_of(at, hours)),
        }
    }
}

/// The prompt that greets the callers of a DID in open (0) or closed (1) hours.
pub fn greeting_of(did: usize, hours: usize) -> &'static str {
    [["hello0", "night0"], ["hello1", "night1"], ["hello2", "night2"]][did][hours]
}

impl Known {
    fn draw(choices: &mut Choices, must_end: bool) -> Known {
        let somebody = To::Person(choices.below(PEOPLE));
        let group = To::Group(choices.below(GROUPS));
        let to = choices.of(&[To::Responsible, To::Responsible, To::Responsible, somebody, group, To::Plan]);
        let mut way = |_| match choices.below(4) {
            0 => vec![To::Plan],
            1 => Vec::new(),
            _ => list(choices, Some(to), 1, must_end),
        };
        let reasons = [0; 6].map(&mut way);
        Known {
            to,
            reasons,
            ring: 1 + choices.below(20) as u64,
            within_hours: choices.once_in(2),
            only: choices.once_in(6).then(|| choices.of(&[To::Refuse(486), To::Refuse(480), To::Says(1), To::Box])),
        }
    }

    fn write(&self, text: &mut String) {
        let when = if self.within_hours { "within-hours" } else { "before-hours" };
        let _ = write!(text, "known = {{ to = {}, ring = \"{}s\", when = \"{when}\"", written(&[self.to]), self.ring);
        if let Some(only) = self.only {
            let only = written(&[only]);
            let _ = write!(text, ", responsible_only = {}", only.trim_matches(['[', ']']));
        } else {
            for (reason, to) in REASONS.iter().zip(&self.reasons).filter(|(_, to)| !to.is_empty()) {
                let _ = write!(text, ", {reason} = {}", written(to));
            }
        }
        text.push_str(" }\n");
    }
}

/// Destinations after `after` in the one order of all destinations.
fn list(choices: &mut Choices, after: Option<To>, longest: usize, must_end: bool) -> Vec<To> {
    let all = (0..GROUPS).map(To::Group).chain((0..PEOPLE).map(To::Person));
    let later: Vec<To> = all.filter(|to| after.is_none_or(|after| *to > after)).collect();
    let count = if later.is_empty() { 0 } else { choices.below(longest + 1) };
    let mut list: Vec<To> = (0..count).map(|_| choices.of(&later)).collect();
    list.sort();
    list.dedup();
    if must_end || choices.once_in(4) {
        let refusal = To::Refuse(choices.of(&REFUSALS).0);
        list.push(choices.of(&[refusal, refusal, To::Box, To::Box, To::Says(0), To::Says(1)]));
    } else if longest > 0 && after.is_none_or(|after| after == To::Responsible) && choices.once_in(6) {
        list.push(To::Operator);
    }
    list
}

fn line(text: &mut String, name: &str, list: &[To]) {
    if !list.is_empty() {
        let _ = writeln!(text, "{name} = {}", written(list));
    }
}

fn written(list: &[To]) -> String {
    let refusal = |status: &u16| REFUSALS.iter().find(|(known, _)| known == status).map_or("", |(_, word)| word);
    let one = |to: &To| match to {
        To::Responsible => "\"responsible\"".to_owned(),
        To::Group(group) => format!("\"group:g{group}\""),
        To::Person(person) => format!("\"extension:{}\"", 10 + person),
        To::Operator => "\"operator\"".to_owned(),
        To::Plan => "\"plan\"".to_owned(),
        To::Box => "\"voicemail:box\"".to_owned(),
        To::Says(which) => format!("\"announcement:{}\"", ANNOUNCEMENTS[*which]),
        To::Refuse(status) => format!("\"refuse:{}\"", refusal(status)),
    };
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(", "))
}
