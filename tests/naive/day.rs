//! A random morning: who calls whom and when, what each phone does with each call, who comes and goes.
//!
//! Times are microseconds since the morning began. No two of them are alike, so that whatever the page leaves open between
//! two things at one instant never matters.

use super::choices::Choices;
use super::office::{CALLERS, DIDS, Office, PEOPLE};

/// When the morning begins, in minutes of the day.
pub const BEGINS: u32 = 598;
const SECOND: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub struct Day {
    /// By caller: `None` is unknown, `Some(None)` a customer without a responsible, `Some(Some(PEOPLE))` one whose
    /// responsible names nobody.
    pub customers: Vec<Option<Option<usize>>>,
    /// By person: how many of two phones are registered in the beginning.
    pub registered: Vec<usize>,
    /// By person and phone: what it does with the calls that reach it.
    pub habits: Vec<[Vec<Habit>; 2]>,
    /// How long each of [`SOUNDS`] lasts.
    pub sounds: Vec<u64>,
    /// By time.
    pub lines: Vec<(u64, Line)>,
}

/// What the router says.
pub const SOUNDS: [&str; 11] =
    ["hello0", "hello1", "hello2", "night0", "night1", "night2", "box", "closed", "busy", "beep", "goodbye"];

/// What a phone does with an INVITE.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// When it first says something, and whether that is 180 or only 100. `None`: never, or only the final response.
    pub speaks: Option<(u64, bool)>,
    /// Its final response, and when. `None`: none.
    pub acts: Option<(u64, u16)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Call(Placed),
    Register {
        person: usize,
        phone: usize,
    },
    Unregister {
        person: usize,
        phone: usize,
    },
    Away {
        person: usize,
        away: bool,
    },
    /// Somebody's calls go to another one: all (0), those that find a busy phone (1), those that nobody answers (2).
    Forward {
        person: usize,
        when: usize,
        to: Option<usize>,
    },
    /// The hours of a schedule are set by hand, or no longer.
    Override {
        schedule: usize,
        open: Option<bool>,
    },
    Block {
        caller: usize,
        blocked: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub from: Caller,
    pub to: Called,
    /// When the caller gives up, if nobody answers.
    pub patience: u64,
    /// How long a talk lasts, and who ends it.
    pub talk: u64,
    pub caller_hangs_up: bool,
    pub message: Message,
}

/// What a caller does with a voicemail box, if not hanging up meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// `#` so long after a sound began.
    pub skips: Option<u64>,
    /// A second of speech is spoken so long after the recording began, if it goes on for so long.
    pub speaks: Option<u64>,
    /// It ends after so long: with `#`, or because nothing more is said.
    pub ends: u64,
    pub hash: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Outside(usize),
    Person(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    Did(usize),
    Person(usize),
    /// A number that is not ours, on our trunk.
    Nobody,
}

/// Times of which no two are alike.
struct Times<'a> {
    choices: &'a mut Choices,
    drawn: u64,
}

impl Times<'_> {
    /// About so many seconds, at least one of these numbers and at most the other.
    fn about(&mut self, from: u64, to: u64) -> u64 {
        self.drawn += 1;
        let whole = from + self.choices.below((to - from + 1) as usize) as u64;
        whole * SECOND + self.choices.below(60_000) as u64 * 15 + self.drawn
    }
}

impl Day {
    pub fn draw(choices: &mut Choices, office: &Office) -> Day {
        let responsible = |choices: &mut Choices| match choices.below(8) {
            0 | 1 => None,
            2 => Some(None),
            3 => Some(Some(choices.below(PEOPLE + 1))),
            _ => Some(Some(choices.below(PEOPLE))),
        };
        let customers = CALLERS.iter().map(|_| responsible(choices)).collect();
        let registers = |person: &usize| office.people[*person].active && !office.people[*person].fixed;
        let registered = (0..PEOPLE).map(|person| match registers(&person) {
            true => choices.of(&[1, 1, 1, 1, 2, 2, 0]),
            false => 0,
        });
        let registered: Vec<usize> = registered.collect();
        let mut times = Times { choices, drawn: 0 };
        let habits = (0..PEOPLE)
            .map(|_| {
                let mut some = || {
                    let many = 1 + times.choices.below(3);
                    (0..many).map(|_| Habit::draw(&mut times)).collect()
                };
                [some(), some()]
            })
            .collect();
        let sounds = SOUNDS.iter().map(|name| times.about(0, if *name == "beep" { 0 } else { 9 })).collect();
        let registering: Vec<usize> = (0..PEOPLE).filter(registers).collect();
        let mut lines = Vec::new();
        let mut at = 0;
        for _ in 0..2 + times.choices.below(14) {
            // Calls are told apart by the millisecond in which they began.
            at += 1_000;
            at += if times.choices.once_in(3) { times.about(10, 40) } else { times.about(0, 6) };
            lines.push((at, Line::draw(&mut times, &registering)));
        }
        Day { customers, registered, habits, sounds, lines }
    }

    /// How long these last, one after the other. Ringing goes on for ever.
    pub fn lasts(&self, sounds: &[String]) -> u64 {
        let place = |sound: &String| SOUNDS.iter().position(|known| known == sound).expect("a sound that is known");
        sounds.iter().map(|sound| self.sounds[place(sound)]).sum()
    }

    /// What this phone does with its nth INVITE of this call.
    pub fn habit(&self, person: usize, phone: usize, call: usize, nth: usize) -> Habit {
        let habits = &self.habits[person][phone];
        habits[(call + nth) % habits.len()]
    }
}

impl Habit {
    fn draw(times: &mut Times<'_>) -> Habit {
        let code = |times: &mut Times<'_>| {
            times.choices.of(&[486, 486, 603, 603, 600, 480, 408, 404, 500, 503, 488, 488, 606, 302, 699])
        };
        match times.choices.below(12) {
            // Rings, and is answered.
            0..=2 => {
                let (speaks, acts) = (times.about(0, 1), times.about(2, 25));
                Habit { speaks: Some((speaks, true)), acts: Some((acts, 200)) }
            }
            // Rings, and is declined or fails.
            3..=5 => {
                let (speaks, acts, code) = (times.about(0, 1), times.about(2, 15), code(times));
                Habit { speaks: Some((speaks, true)), acts: Some((acts, code)) }
            }
            // Refuses without having rung.
            6 => Habit { speaks: None, acts: Some((times.about(0, 6), code(times))) },
            // Answers without having rung.
            7 => Habit { speaks: None, acts: Some((times.about(0, 5), 200)) },
            // Only tries.
            8 => {
                let (speaks, acts, code) = (times.about(0, 0), times.about(1, 20), code(times));
                Habit { speaks: Some((speaks, false)), acts: Some((acts, code)) }
            }
            // Has vanished.
            9 => Habit { speaks: None, acts: None },
            _ => Habit { speaks: Some((times.about(0, 3), true)), acts: None },
        }
    }
}

impl Line {
    fn draw(times: &mut Times<'_>, registering: &[usize]) -> Line {
        let person = times.choices.below(PEOPLE);
        let phone = times.choices.below(2);
        match times.choices.below(20) {
            0 | 1 if !registering.is_empty() => Line::Register { person: times.choices.of(registering), phone },
            2 if !registering.is_empty() => Line::Unregister { person: times.choices.of(registering), phone },
            3 => Line::Away { person, away: times.choices.once_in(2) },
            4 => Line::Override {
                schedule: times.choices.below(2),
                open: times.choices.of(&[Some(true), Some(false), None]),
            },
            5 if times.choices.once_in(2) => {
                Line::Block { caller: times.choices.below(CALLERS.len()), blocked: times.choices.below(3) == 0 }
            }
            9 | 10 if times.choices.once_in(2) => {
                let to = times.choices.below(PEOPLE);
                let to = (to != person && !times.choices.once_in(6)).then_some(to);
                Line::Forward { person, when: times.choices.below(3), to }
            }
            6 | 7 if !registering.is_empty() => {
                let caller = Caller::Person(times.choices.of(registering));
                let own = times.choices.once_in(3);
                let to = if own { Called::Did(times.choices.below(DIDS.len())) } else { Called::Person(person) };
                Line::call(times, caller, to)
            }
            8 => {
                let caller = Caller::Outside(times.choices.below(CALLERS.len()));
                let to = if times.choices.once_in(3) { Called::Nobody } else { Called::Did(DIDS.len() - 1) };
                Line::call(times, caller, to)
            }
            _ => {
                let caller = Caller::Outside(times.choices.below(CALLERS.len()));
                let did = times.choices.below(DIDS.len() - 1);
                Line::call(times, caller, Called::Did(did))
            }
        }
    }

    fn call(times: &mut Times<'_>, from: Caller, to: Called) -> Line {
        let patience = if times.choices.once_in(5) { times.about(0, 10) } else { times.about(20, 120) };
        let talk = times.about(1, 40);
        let caller_hangs_up = times.choices.once_in(2);
        let message = Message {
            skips: times.choices.once_in(3).then(|| times.about(1, 6)),
            speaks: (!times.choices.once_in(3)).then(|| times.about(1, 8)),
            ends: times.about(1, 15),
            hash: times.choices.once_in(2),
        };
        Line::Call(Placed { from, to, patience, talk, caller_hangs_up, message })
    }
}
