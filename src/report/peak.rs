//! How many calls there were at one time: the office's, and those on each trunk.
//!
//! Calls come by in the order in which they began, to the millisecond. Who ends in the millisecond in which another begins
//! was not there at one time with it. A call that spans the begin of a day is there in both days.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::line::Line;
use super::period::{Span, start_of};
use crate::clock::Timestamp;
use crate::route::Direction;

/// The most at one time, and the first moment at which it was so.
pub(super) type Peak = (u64, Timestamp);

/// The most calls at one time of every place, while calls go by. Place 0 is the office, the others are trunks.
#[derive(Debug)]
pub(super) struct Peaks {
    zone: TimeZone,
    places: Vec<Box<str>>,
    /// How many there are now at each place.
    counts: Vec<u64>,
    /// When the next one of those ends, and where it is.
    running: BinaryHeap<Reverse<(i64, [Option<usize>; 2])>>,
    /// The moments at which counting begins anew, the last first.
    begins: Vec<Timestamp>,
    day: Option<Date>,
    found: BTreeMap<(Date, usize), Peak>,
}

impl Peaks {
    /// Of each day of the span, or of all of it (then each stands under its first day).
    pub(super) fn new(span: Span, by_day: bool, zone: TimeZone) -> Peaks {
        let mut begins = vec![span.from];
        if by_day {
            let mut date = span.from.to_zoned(zone.clone()).date();
            while let Ok(next) = date.checked_add(1.day())
                && start_of(next, &zone) < span.to
            {
                begins.push(start_of(next, &zone));
                date = next;
            }
        }
        begins.reverse();
        let places = vec!["".into()];
        Peaks { zone, places, counts: vec![0], running: BinaryHeap::new(), begins, day: None, found: BTreeMap::new() }
    }

    /// One more call; also those that began before the span and have not ended by then.
    pub(super) fn add(&mut self, line: &Line<'_>) {
        self.come_to(line.began);
        let came = line.trunk.filter(|_| line.direction == Direction::Inbound);
        // One that is over at once was there all the same: the next one that begins finds it gone.
        let ends = line.ended.unwrap_or(Timestamp::MAX).as_millisecond();
        let places = self.count([came, line.out_trunk], line.began);
        self.running.push(Reverse((ends, places)));
    }

    /// The most of each day and place; the office has no name.
    pub(super) fn finish(mut self, until: Timestamp) -> impl Iterator<Item = (Date, Box<str>, Peak)> {
        self.come_to(until);
        let Peaks { places, found, .. } = self;
        found.into_iter().map(move |((day, place), peak)| (day, places[place].clone(), peak))
    }

    fn count(&mut self, trunks: [Option<&str>; 2], at: Timestamp) -> [Option<usize>; 2] {
        let places = trunks.map(|trunk| trunk.map(|trunk| self.place(trunk)));
        for place in places.into_iter().flatten().chain([0]) {
            self.counts[place] += 1;
        }
        self.note(at);
        places
    }

    fn place(&mut self, trunk: &str) -> usize {
        let known = self.places.iter().skip(1).position(|place| **place == *trunk);
        known.map_or_else(
            || {
                self.places.push(trunk.into());
                self.counts.push(0);
                self.counts.len() - 1
            },
            |place| place + 1,
        )
    }

    /// It is this late: what has ended by then is over, and days may have begun.
    fn come_to(&mut self, at: Timestamp) {
        while let Some(begin) = self.begins.last().copied().filter(|begin| *begin <= at) {
            self.begins.pop();
            self.end_until(begin.as_millisecond());
            self.day = Some(begin.to_zoned(self.zone.clone()).date());
            self.note(begin);
        }
        self.end_until(at.as_millisecond());
    }

    fn end_until(&mut self, millis: i64) {
        while let Some(Reverse((_, places))) = self.running.peek().copied().filter(|Reverse((ends, _))| *ends <= millis)
        {
            self.running.pop();
            for place in places.into_iter().flatten().chain([0]) {
                self.counts[place] -= 1;
            }
        }
    }

    fn note(&mut self, at: Timestamp) {
        let Some(day) = self.day else { return };
        for (place, count) in self.counts.iter().enumerate() {
            let peak = self.found.entry((day, place)).or_insert((0, at));
            if *count > peak.0 {
                *peak = (*count, at);
            }
        }
    }
}
