//! An office, written as an admin writes it: every kind of thing that a decision looks at.

use std::fmt::Write as _;

use super::Choices;

/// Extensions are 10 to 16.
pub const PEOPLE: usize = 7;
pub const GROUPS: usize = 3;
/// Two shared DIDs and a personal one.
pub const DIDS: [&str; 3] = ["+49301000", "+49301001", "+49301002"];
/// The number of an extension's mobile ends with its own.
pub const MOBILE: &str = "+4917012345";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    Group(usize),
    Person(usize),
    Number,
    Box,
    Refuse,
}

pub fn write(choices: &mut Choices) -> String {
    let operator = Some(choices.below(PEOPLE + 1)).filter(|person| *person < PEOPLE);
    let must_end = operator.is_none();
    let mut text = String::from(
        "[sip]\nlisten = [\"udp://127.0.0.1:5060\"]\nrealm = \"test\"\n[media]\nports = \"20000-20999\"\n\
         [[voicemail]]\nname = \"box\"\n\
         [[schedule]]\nname = \"office\"\nopen = [\"mon-fri 09:00-18:00\"]\nholidays = [\"2026-12-24..2026-12-26\"]\n\
         [[schedule]]\nname = \"shift\"\nopen = [\"mon-sun 20:00-04:00\"]\n\
         exceptions = [{ date = \"2026-11-25\", open = \"10:00-12:00\" }]\n",
    );
    text.push_str("[site]\nname = \"Test\"\ntimezone = \"Europe/Berlin\"\nemergency = [\"112\", \"110\"]\n");
    text.push_str(
        "numbering = { country = \"49\", area = \"30\", national_prefix = \"0\", international_prefix = \"00\" }\n",
    );
    if let Some(operator) = operator {
        let _ = writeln!(text, "operator = \"extension:{}\"", 10 + operator);
    }
    trunks(choices, &mut text);
    for person in 0..PEOPLE {
        extension(choices, person, &mut text);
    }
    for group in 0..GROUPS {
        self::group(choices, group, must_end, &mut text);
    }
    for did in &DIDS[..2] {
        shared(choices, did, must_end, &mut text);
    }
    let _ = writeln!(text, "[[did]]\nnumber = \"{}\"\npersonal = \"{}\"", DIDS[2], 10 + choices.below(PEOPLE));
    let caller_id = if choices.once_in(2) { format!("caller_id = \"{}\"\n", DIDS[0]) } else { String::new() };
    let trunks = choices.of(&["\"one\", \"two\"", "\"two\", \"one\"", "\"one\""]);
    let _ = write!(
        text,
        "[[outbound]]\nmatch = \"+49*\"\ntrunks = [{trunks}]\n{caller_id}\
         [[outbound]]\nmatch = \"+49900*\"\nallow = false\n\
         [[outbound]]\nmatch = \"+1*\"\ntrunks = [\"two\"]\nfor = [\"11\", \"12\"]\n"
    );
    text
}

fn trunks(choices: &mut Choices, text: &mut String) {
    for (name, last) in [("one", 10), ("two", 11)] {
        let _ = writeln!(text, "[[trunk]]\nname = \"{name}\"\nserver = \"sip:127.0.0.{last}:5060\"");
        let _ = writeln!(text, "dials = \"{}\"", choices.of(&["plus-e164", "e164", "national"]));
        let _ = writeln!(text, "did_from = \"{}\"", choices.of(&["request-uri", "to"]));
        if choices.once_in(3) {
            let _ = writeln!(text, "max_calls = {}", 1 + choices.below(2));
        }
        if choices.once_in(2) {
            let _ = writeln!(text, "default_did = \"{}\"", choices.of(&DIDS));
        }
        if choices.once_in(3) {
            text.push_str("register = { user = \"4930555000\", password = \"secret\" }\n");
        }
    }
}

fn extension(choices: &mut Choices, person: usize, text: &mut String) {
    let _ = writeln!(text, "[[extension]]\nnumber = \"{}\"\nname = \"P{person}\"\npassword = \"secret\"", 10 + person);
    let confirm = choices.once_in(2);
    let mobile = format!("{{ gsm = \"{MOBILE}{}\", confirm = {confirm} }}", 10 + person);
    match choices.below(10) {
        // How many lines are left while a plan is carried out, explain does not say.
        7 | 9 if text.contains("max_calls") => {}
        7 => _ = writeln!(text, "devices = [\"sip\", {mobile}]"),
        8 => _ = writeln!(text, "devices = [{{ address = \"sip:127.0.101.{}:5060\" }}]", person + 1),
        9 => _ = writeln!(text, "devices = [{mobile}]"),
        _ => {}
    }
    if choices.once_in(6) {
        text.push_str("call_waiting = true\n");
    }
    if choices.once_in(8) {
        text.push_str("active = false\n");
    }
    if choices.once_in(4) {
        let _ = writeln!(text, "schedule = \"{}\"", choices.of(&["office", "shift"]));
    }
    let deputy = choices.below(2 * PEOPLE);
    if deputy < PEOPLE && deputy != person {
        let _ = writeln!(text, "deputy = \"{}\"", 10 + deputy);
    }
    if choices.once_in(4) {
        let _ = writeln!(text, "daily_calls = {}", choices.below(3));
    }
    let me = Some(To::Person(person));
    for way in ["busy", "unreachable"] {
        let to = list(choices, me, 1, false);
        if !to.is_empty() && choices.once_in(2) {
            let _ = writeln!(text, "{way} = [{}]", written(&to));
        }
    }
    let to = list(choices, me, 2, false);
    if !to.is_empty() && choices.once_in(2) {
        let _ = writeln!(text, "no_answer = {{ after = \"{}s\", to = [{}] }}", 1 + choices.below(15), written(&to));
    }
}

fn group(choices: &mut Choices, group: usize, must_end: bool, text: &mut String) {
    let strategies = ["ring-all", "sequential", "escalating", "round-robin", "longest-idle", "fewest-calls"];
    let strategy = choices.of(&strategies);
    let _ = writeln!(text, "[[group]]\nname = \"g{group}\"\nstrategy = \"{strategy}\"");
    // In what order those ring who ring together cannot be seen; anything else that is random cannot be told before.
    if strategy == "ring-all" && choices.once_in(2) {
        text.push_str("order = \"random\"\n");
    } else if matches!(strategy, "sequential" | "escalating") && choices.once_in(2) {
        let _ = writeln!(text, "order = \"{}\"", choices.of(&["round-robin", "longest-idle", "fewest-calls"]));
    }
    let mut members: Vec<usize> = (0..1 + choices.below(5)).map(|_| 10 + choices.below(PEOPLE)).collect();
    members.sort_unstable();
    members.dedup();
    let turn = choices.below(members.len());
    members.rotate_left(turn);
    let members: Vec<String> = members.iter().map(|member| format!("\"{member}\"")).collect();
    let _ = writeln!(text, "members = [{}]", members.join(", "));
    let _ = writeln!(text, "step = \"{}s\"\npatience = \"{}s\"", 1 + choices.below(8), 1 + choices.below(25));
    let then = list(choices, Some(To::Group(group)), 2, must_end);
    if !then.is_empty() {
        let _ = writeln!(text, "then = [{}]", written(&then));
    }
}

fn shared(choices: &mut Choices, number: &str, must_end: bool, text: &mut String) {
    let _ = writeln!(text, "[[did]]\nnumber = \"{number}\"\nsource = \"site\"");
    let mut open = list(choices, None, 3, must_end);
    if open.is_empty() {
        open.push(To::Group(0));
    }
    let _ = writeln!(text, "open = {{ to = [{}] }}", written(&open));
    if choices.once_in(2) {
        let _ = writeln!(text, "schedule = \"{}\"", choices.of(&["office", "shift"]));
        let closed = list(choices, None, 1, must_end);
        if !closed.is_empty() {
            let _ = writeln!(text, "closed = {{ to = [{}] }}", written(&closed));
        }
    }
    if choices.once_in(4) {
        let _ = writeln!(text, "max_calls = {}", 1 + choices.below(2));
    }
    if !choices.once_in(4) {
        let to =
            choices.of(&["\"responsible\"", "\"responsible\"", "\"extension:13\"", "[\"responsible\", \"group:g1\"]"]);
        let when = choices.of(&["before-hours", "within-hours"]);
        let mut known = format!("to = {to}, ring = \"{}s\", when = \"{when}\"", 1 + choices.below(12));
        if choices.once_in(5) {
            known.push_str(", responsible_only = \"announcement:call-back\"");
        } else {
            for reason in ["busy", "no_answer", "unreachable", "away", "left", "outside_hours"] {
                let to = list(choices, None, 1, must_end);
                if !to.is_empty() && choices.once_in(2) {
                    let _ = write!(known, ", {reason} = [{}]", written(&to));
                }
            }
        }
        let _ = writeln!(text, "known = {{ {known} }}");
    }
}

/// Destinations after `after` in the one order of all destinations, so that no path comes back.
fn list(choices: &mut Choices, after: Option<To>, longest: usize, must_end: bool) -> Vec<To> {
    let all = (0..GROUPS).map(To::Group).chain((0..PEOPLE).map(To::Person)).chain([To::Number]);
    let later: Vec<To> = all.filter(|to| after.is_none_or(|after| *to > after)).collect();
    let mut list: Vec<To> = (0..choices.below(longest + 1)).map(|_| choices.of(&later)).collect();
    list.sort();
    list.dedup();
    match choices.below(4) {
        2 => list.push(To::Refuse),
        3 => list.push(To::Box),
        _ if must_end => list.push(To::Box),
        _ => {}
    }
    list
}

fn written(list: &[To]) -> String {
    let one = |to: &To| match to {
        To::Group(group) => format!("\"group:g{group}\""),
        To::Person(person) => format!("\"extension:{}\"", 10 + person),
        To::Number => "\"number:+49891234567\"".to_owned(),
        To::Box => "\"voicemail:box\"".to_owned(),
        To::Refuse => "\"refuse:forbidden\"".to_owned(),
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}
