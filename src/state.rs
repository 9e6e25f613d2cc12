//! What happens rather than what is configured: who is away, whose hours are overridden, who is blocked, who has had how
//! many calls, which messages wait.
//!
//! Nothing here is written by an admin into the config file; it comes from commands, phones and calls, reaches the disk
//! as facts, and folding those facts in order gives the same [`State`] again, after a restart as well as for an
//! `explain` without a running router. Everything is kept by name, so that it outlives a new configuration; what names
//! nothing any more is simply never asked for.
//!
//! What runs out (an override, an absence) is not removed by a timer: whoever asks says when, and what has run out by
//! then does not count.

mod forwards;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::config::ForwardWhen;
use crate::number::PhoneNumber;

/// A schedule's manual override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Open or closed, whatever the schedule says.
    pub open: bool,
    /// When it ends by itself: from this moment on the schedule counts again. `None`: when somebody takes it back.
    pub until: Option<Timestamp>,
}

impl Override {
    /// True where it is in force at this moment.
    pub fn is_on(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// A counter that moved, with its new value (not the step: told twice, it counts once).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// Round robin: how many calls a group has begun.
    Rotation {
        /// The group's name.
        group: Arc<str>,
        /// Calls begun.
        calls: u64,
    },
    /// An employee's talk ended: longest idle and fewest calls order by these.
    Talked {
        /// The extension's number.
        extension: Arc<str>,
        /// The site's local day.
        day: Date,
        /// Calls answered on that day so far.
        calls: u32,
        /// When the last one ended.
        last: Timestamp,
    },
    /// An employee called outside: daily caps count these.
    CalledOutside {
        /// The extension's number.
        extension: Arc<str>,
        /// The site's local day.
        day: Date,
        /// Calls on that day so far.
        calls: u32,
    },
}

/// What an employee's talks add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Talks {
    /// The site's local day of the last one.
    day: Date,
    /// Calls answered on that day.
    calls: u32,
    /// When the last one ended.
    last: Timestamp,
}

/// All state that is not configuration, as it stands after the facts so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    overrides: BTreeMap<Arc<str>, Override>,
    away: BTreeMap<Arc<str>, Timestamp>,
    forwards: BTreeMap<(Arc<str>, ForwardWhen), Arc<str>>,
    blocked: BTreeMap<PhoneNumber, String>,
    rotations: BTreeMap<Arc<str>, u64>,
    talks: BTreeMap<Arc<str>, Talks>,
    outside: BTreeMap<Arc<str>, (Date, u32)>,
    messages: BTreeMap<Arc<str>, Vec<Message>>,
}

/// A message in a voicemail box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its WAV file, counted from `storage.directory`; it names the message.
    pub file: Arc<str>,
    /// Who left it, where the number could be read.
    pub number: Option<PhoneNumber>,
    /// The employee who left it, where it was one.
    pub extension: Option<Arc<str>>,
    /// When it began.
    pub at: Timestamp,
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// Nobody speaks in it: it is kept, but no lamp is lit for it.
    pub empty: bool,
    /// Somebody has listened to it.
    pub heard: bool,
}

impl State {
    /// Overrides a schedule's hours, or (`None`) takes the override back.
    pub fn set_override(&mut self, schedule: &Arc<str>, state: Option<Override>) {
        set(&mut self.overrides, schedule, state);
    }

    /// The override that counts for a schedule at this moment.
    pub fn override_of(&self, schedule: &str, at: Timestamp) -> Option<Override> {
        self.overrides.get(schedule).copied().filter(|entry| entry.is_on(at))
    }

    /// The overrides that count at this moment, by schedule.
    pub fn overrides(&self, at: Timestamp) -> impl Iterator<Item = (&Arc<str>, Override)> {
        self.overrides.iter().map(|(schedule, entry)| (schedule, *entry)).filter(move |(_, entry)| entry.is_on(at))
    }

    /// An employee goes away until then, or (`None`) is back.
    pub fn set_away(&mut self, extension: &Arc<str>, until: Option<Timestamp>) {
        set(&mut self.away, extension, until);
    }

    /// Until when an employee is away, if so at this moment.
    pub fn away_until(&self, extension: &str, at: Timestamp) -> Option<Timestamp> {
        self.away.get(extension).copied().filter(|until| at < *until)
    }

    /// Who is away at this moment, by extension, and until when.
    pub fn away(&self, at: Timestamp) -> impl Iterator<Item = (&Arc<str>, Timestamp)> {
        self.away.iter().map(|(extension, until)| (extension, *until)).filter(move |(_, until)| at < *until)
    }

    /// Puts a caller on the block list, with the admin's words for it, or (`None`) takes them off.
    pub fn set_blocked(&mut self, number: PhoneNumber, note: Option<&str>) {
        match note {
            Some(note) => self.blocked.insert(number, note.to_owned()),
            None => self.blocked.remove(&number),
        };
    }

    /// The admin's words for why this caller is blocked, if so.
    pub fn blocked(&self, number: PhoneNumber) -> Option<&str> {
        self.blocked.get(&number).map(String::as_str)
    }

    /// A message lies in a box now, after those that lie there. Told twice, it lies there once.
    pub fn add_message(&mut self, mailbox: &Arc<str>, message: Message) {
        let messages = self.messages.entry(mailbox.clone()).or_default();
        match messages.iter_mut().find(|other| other.file == message.file) {
            Some(other) => *other = message,
            None => messages.push(message),
        }
    }

    /// Somebody has listened to a message, or (`false`) wants it to count as new again.
    pub fn set_heard(&mut self, mailbox: &str, file: &str, heard: bool) {
        let messages = self.messages.get_mut(mailbox).into_iter().flatten();
        messages.filter(|message| *message.file == *file).for_each(|message| message.heard = heard);
    }

    /// A message is gone, in whatever box it was.
    pub fn remove_message(&mut self, file: &str) {
        self.messages.retain(|_, messages| {
            messages.retain(|message| *message.file != *file);
            !messages.is_empty()
        });
    }

    /// The messages in a box, the oldest first.
    pub fn messages(&self, mailbox: &str) -> &[Message] {
        self.messages.get(mailbox).map_or(&[], Vec::as_slice)
    }

    /// In which box a message lies.
    pub fn box_of_message(&self, file: &str) -> Option<&Arc<str>> {
        let holds = |messages: &[Message]| messages.iter().any(|message| *message.file == *file);
        self.messages.iter().find(|(_, messages)| holds(messages)).map(|(mailbox, _)| mailbox)
    }

    /// Sets a counter to its new value.
    pub fn count(&mut self, counter: &Counter) {
        match counter {
            Counter::Rotation { group, calls } => set(&mut self.rotations, group, Some(*calls)),
            Counter::Talked { extension, day, calls, last } => {
                set(&mut self.talks, extension, Some(Talks { day: *day, calls: *calls, last: *last }));
            }
            Counter::CalledOutside { extension, day, calls } => {
                set(&mut self.outside, extension, Some((*day, *calls)));
            }
        }
    }

    /// How many calls a group has begun: round robin turns by this.
    pub fn rotation(&self, group: &str) -> u64 {
        self.rotations.get(group).copied().unwrap_or(0)
    }

    /// When an employee's last talk ended; `None` before the first one. Longest idle orders by this.
    pub fn last_talk(&self, extension: &str) -> Option<Timestamp> {
        self.talks.get(extension).map(|talks| talks.last)
    }

    /// How many calls an employee answered on this local day of the site. Fewest calls orders by this.
    pub fn answered(&self, extension: &str, day: Date) -> u32 {
        self.talks.get(extension).filter(|talks| talks.day == day).map_or(0, |talks| talks.calls)
    }

    /// How many calls an employee made to the outside on this local day of the site.
    pub fn called_outside(&self, extension: &str, day: Date) -> u32 {
        self.outside.get(extension).filter(|(counted, _)| *counted == day).map_or(0, |(_, calls)| *calls)
    }

    /// The counter of a group's calls, once there was one.
    pub fn rotations_of(&self, group: &str) -> Option<Counter> {
        self.rotations.get_key_value(group).map(rotations)
    }

    /// The counter of an employee's talks, once there was one.
    pub fn talks_of(&self, extension: &str) -> Option<Counter> {
        self.talks.get_key_value(extension).map(talks)
    }

    /// The counter of an employee's calls to the outside, once there was one.
    pub fn calls_outside_of(&self, extension: &str) -> Option<Counter> {
        self.outside.get_key_value(extension).map(outside)
    }

    /// Every counter with its value: groups, then employees' talks, then their calls outside, each by name. There are as many
    /// as employees: a call asks for single ones.
    pub fn counters(&self) -> impl Iterator<Item = Counter> {
        self.rotations.iter().map(rotations).chain(self.talks.iter().map(talks)).chain(self.outside.iter().map(outside))
    }

    /// The counter of a group that begins one more call. Tell it as a fact; [`State::count`] makes it true.
    pub fn rotated(&self, group: &Arc<str>) -> Counter {
        Counter::Rotation { group: group.clone(), calls: self.rotation(group).saturating_add(1) }
    }

    /// The counter of an employee whose talk ends at this moment of this local day. Tell it as a fact;
    /// [`State::count`] makes it true.
    pub fn talked(&self, extension: &Arc<str>, day: Date, at: Timestamp) -> Counter {
        let calls = self.answered(extension, day).saturating_add(1);
        Counter::Talked { extension: extension.clone(), day, calls, last: at }
    }

    /// The counter of an employee who calls outside once more on this local day. Tell it as a fact; [`State::count`]
    /// makes it true.
    pub fn calling_outside(&self, extension: &Arc<str>, day: Date) -> Counter {
        let calls = self.called_outside(extension, day).saturating_add(1);
        Counter::CalledOutside { extension: extension.clone(), day, calls }
    }
}

/// Sets, or (`None`) removes.
fn rotations((group, calls): (&Arc<str>, &u64)) -> Counter {
    Counter::Rotation { group: group.clone(), calls: *calls }
}

fn talks((extension, Talks { day, calls, last }): (&Arc<str>, &Talks)) -> Counter {
    Counter::Talked { extension: extension.clone(), day: *day, calls: *calls, last: *last }
}

fn outside((extension, (day, calls)): (&Arc<str>, &(Date, u32))) -> Counter {
    Counter::CalledOutside { extension: extension.clone(), day: *day, calls: *calls }
}

fn set<V>(table: &mut BTreeMap<Arc<str>, V>, name: &Arc<str>, value: Option<V>) {
    match value {
        Some(value) => table.insert(name.clone(), value),
        None => table.remove(name),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_override_counts_until_its_end_and_not_at_it() {
        let (mut state, office) = (State::default(), Arc::from("office"));
        let entry = Override { open: false, until: Some(at("2026-11-23T12:00:00Z")) };
        state.set_override(&office, Some(entry));
        assert_eq!(state.override_of("office", at("2026-11-23T11:59:59.999Z")), Some(entry));
        assert_eq!(state.override_of("office", at("2026-11-23T12:00:00Z")), None);
        assert_eq!(state.override_of("weekend", at("2026-11-23T11:00:00Z")), None);
        assert_eq!(state.overrides(at("2026-11-23T12:00:00Z")).count(), 0);
        state.set_override(&office, Some(Override { open: true, until: None }));
        assert_eq!(state.override_of("office", Timestamp::MAX), Some(Override { open: true, until: None }));
        state.set_override(&office, None);
        assert_eq!(state, State::default());
    }

    #[test]
    fn an_absence_ends_by_itself() {
        let (mut state, x12) = (State::default(), Arc::from("12"));
        state.set_away(&x12, Some(at("2026-11-23T12:00:00Z")));
        assert_eq!(state.away_until("12", at("2026-11-23T11:00:00Z")), Some(at("2026-11-23T12:00:00Z")));
        assert_eq!(state.away_until("12", at("2026-11-23T12:00:00Z")), None);
        assert_eq!(state.away(at("2026-11-23T11:00:00Z")).count(), 1);
        assert_eq!(state.away(at("2026-11-23T12:00:00Z")).count(), 0);
    }

    #[test]
    fn a_blocked_caller_is_blocked_until_taken_off() {
        let mut state = State::default();
        let number: PhoneNumber = "+79161234567".parse().unwrap();
        assert_eq!(state.blocked(number), None);
        state.set_blocked(number, Some("rings and hangs up"));
        assert_eq!(state.blocked(number), Some("rings and hangs up"));
        state.set_blocked(number, None);
        assert_eq!(state, State::default());
    }

    #[test]
    fn a_message_lies_in_its_box_until_it_is_thrown_away() {
        let (mut state, sales): (_, Arc<str>) = (State::default(), "sales".into());
        let message = |file: &str| Message {
            file: file.into(),
            number: None,
            extension: None,
            at: at("2026-11-23T12:00:00Z"),
            length_ms: 4_000,
            empty: false,
            heard: false,
        };
        for file in ["a.wav", "b.wav", "a.wav"] {
            state.add_message(&sales, message(file));
        }
        state.set_heard("sales", "b.wav", true);
        state.set_heard("service", "a.wav", true);
        let heard: Vec<_> = state.messages("sales").iter().map(|message| (&*message.file, message.heard)).collect();
        assert_eq!(heard, [("a.wav", false), ("b.wav", true)]);
        assert_eq!(state.box_of_message("b.wav"), Some(&sales));
        state.remove_message("b.wav");
        state.remove_message("c.wav");
        assert_eq!((state.messages("sales").len(), state.box_of_message("b.wav")), (1, None));
        state.remove_message("a.wav");
        assert_eq!(state, State::default());
    }

    #[test]
    fn counters_go_on_from_where_they_were_told_to_be_and_told_twice_count_once() {
        let (mut state, sales, x12): (_, Arc<str>, Arc<str>) = (State::default(), "sales".into(), "12".into());
        for _ in 0..3 {
            let counter = state.rotated(&sales);
            state.count(&counter);
            state.count(&counter);
        }
        assert_eq!(state.rotation("sales"), 3);
        assert_eq!(state.last_talk("12"), None);
        let day = jiff::civil::date(2026, 11, 23);
        state.count(&Counter::Talked { extension: x12.clone(), day, calls: 41, last: at("2026-11-23T09:00:00Z") });
        let next = state.talked(&x12, day, at("2026-11-23T10:00:00Z"));
        state.count(&next);
        assert_eq!((state.answered("12", day), state.last_talk("12")), (42, Some(at("2026-11-23T10:00:00Z"))));
    }

    #[test]
    fn calls_are_counted_from_zero_on_each_day() {
        let (mut state, x12) = (State::default(), Arc::from("12"));
        let (monday, tuesday) = (jiff::civil::date(2026, 11, 23), jiff::civil::date(2026, 11, 24));
        for _ in 0..2 {
            let counter = state.calling_outside(&x12, monday);
            state.count(&counter);
        }
        assert_eq!((state.called_outside("12", monday), state.called_outside("12", tuesday)), (2, 0));
        let counter = state.calling_outside(&x12, tuesday);
        state.count(&counter);
        assert_eq!((state.called_outside("12", monday), state.called_outside("12", tuesday)), (0, 1));
        for day in [monday, monday, tuesday] {
            let counter = state.talked(&x12, day, at("2026-11-24T09:00:00Z"));
            state.count(&counter);
        }
        assert_eq!((state.answered("12", monday), state.answered("12", tuesday)), (0, 1));
    }

    #[test]
    fn counting_every_counter_of_a_state_into_an_empty_one_gives_its_counters_again() {
        let mut state = State::default();
        let day = jiff::civil::date(2026, 11, 23);
        for counter in [
            state.rotated(&Arc::from("sales")),
            state.talked(&Arc::from("12"), day, at("2026-11-23T09:00:00Z")),
            state.calling_outside(&Arc::from("14"), day),
        ] {
            state.count(&counter);
        }
        let mut other = State::default();
        state.counters().for_each(|counter| other.count(&counter));
        assert_eq!(other, state);
    }
}
