//! Calls that end at the door are calls all the same: those that cannot be carried on, and those that are shed.
//!
//! What cannot be carried on is on record before its refusal is heard, like any other call. A call that is shed (the process
//! wants to end, the journal or the table of requests is full, or more comes than can be done) hears its 503 at once, because who has too much to do must
//! not wait for a disk; its record follows, while there is room for it: so many in a while, and no more than once as many
//! while the journal is full. What is not recorded by itself is counted, and the count is a fact.

use super::inquiry;
use super::tables::{Held, HeldAnswer, Switch};
use crate::call::Timer;
use crate::clock::Duration;
use crate::config::MediaMode;
use crate::fact::{Alarm, CallFact, Ended, EndedBy, Fact, MissedCause, Offered};
use crate::key::CallId;
use crate::refusal::Refusal;
use crate::route::{Direction, Origin, Reason, RoutePlan};
use crate::sip::{HeaderName, Message, Status};
use crate::transaction::ServerKey;

/// How many shed calls get a record of their own within one [`WINDOW`]. Each weighs about 2 kB in the journal's memory.
const MOST_RECORDS: usize = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// Why there is no time for a new call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoTime {
    /// The process wants to end.
    Draining,
    /// The journal's bounded memory is full.
    Pressure,
    /// The table of requests is full.
    Requests,
    /// There is more to do than can be done.
    Late,
    /// All media ports are lent: nobody could be heard.
    Ports,
}

impl NoTime {
    /// RFC 3261 §21.5.4: come back in 5 to 10 seconds, and not all at once.
    pub(super) fn refusal(self, chance: u64) -> Refusal {
        let seconds = (5 + chance % 6).to_string();
        Refusal::new(Status::SERVICE_UNAVAILABLE).with(HeaderName::RetryAfter, seconds)
    }

    /// In words.
    pub(super) fn reason(self) -> Reason {
        let why = match self {
            NoTime::Draining => "the router is about to end",
            NoTime::Pressure => "the disk does not keep up",
            NoTime::Requests => "too many requests at once",
            NoTime::Late => "there is more to do than can be done",
            NoTime::Ports => "all media ports are taken",
        };
        Reason::Shed(why.into())
    }
}

impl Switch {
    /// An INVITE that cannot be carried on is on record before its refusal is heard.
    pub(super) fn refuse_on_record(
        &mut self,
        server: ServerKey,
        message: &Message,
        plan: &RoutePlan,
        mut offered: Offered,
        refusal: &Refusal,
    ) {
        let cause = match refusal.status() {
            Status::SERVER_INTERNAL_ERROR => MissedCause::Capacity,
            _ => MissedCause::Rejected,
        };
        offered.because = vec![Reason::CannotBeCarriedOn(refusal.to_string().into())];
        let id = CallId::new(self.means.now.wall, self.means.entropy.u64());
        self.tape_of_refused(id, server, message, &offered);
        let fact = self.note_refused(id, plan, offered, refusal.status(), cause);
        let Some(bytes) = self.refusal_to(server, message, refusal) else { return };
        match fact > self.journaled {
            true => self.hold(Held { fact, answer: HeldAnswer::Reply(server, refusal.status(), bytes) }),
            false => self.means.respond(server, refusal.status(), bytes),
        }
    }

    /// A call that began and ended at the door; the number of its last fact.
    fn note_refused(
        &mut self,
        id: CallId,
        plan: &RoutePlan,
        offered: Offered,
        status: Status,
        cause: MissedCause,
    ) -> u64 {
        let missable = plan.direction == Direction::Inbound && offered.from.extension.is_none() && !plan.is_blocked();
        self.means.note(Fact::Call(id, CallFact::Offered(Box::new(offered))));
        let missed = missable.then_some(cause);
        let ended = Ended { by: EndedBy::Router, status: status.code(), missed, talk_ms: 0 };
        self.means.note(Fact::Call(id, CallFact::Ended(ended)))
    }

    /// Whether this is no time for a new call, and why.
    pub(super) fn closed_for_calls(&self) -> Option<NoTime> {
        match (self.draining, self.pressure) {
            (true, _) => Some(NoTime::Draining),
            (_, true) => Some(NoTime::Pressure),
            _ if self.overload.refuses() => Some(NoTime::Late),
            _ if self.has_no_ports() => Some(NoTime::Ports),
            _ => self.means.transactions.is_full().then_some(NoTime::Requests),
        }
    }

    /// A call whose voice passes us would have none.
    fn has_no_ports(&self) -> bool {
        let relayed = self.means.config.media.mode == MediaMode::Relay;
        relayed && self.means.ports.are_exhausted(self.means.now.mono)
    }

    /// No time for this call: its caller hears so at once, and the record follows.
    pub(super) fn shed(&mut self, server: ServerKey, message: &Message, origin: Origin, why: NoTime) {
        let refusal = why.refusal(self.means.entropy.u64());
        self.refuse(server, message, &refusal);
        self.shed.total += 1;
        if why == NoTime::Late {
            self.overload.refused();
        }
        if self.has_room_for_record() {
            self.record_shed(origin, message, why);
        }
    }

    /// Whether one more shed call may be recorded by itself; if not, it is counted.
    pub(super) fn has_room_for_record(&mut self) -> bool {
        if !std::mem::replace(&mut self.shed.watched, true) {
            self.means.deadlines.set(self.means.now.mono + WINDOW, Timer::Shed);
        }
        let room = self.shed.recorded < MOST_RECORDS;
        match room {
            true => self.shed.recorded += 1,
            false => self.shed.uncounted += 1,
        }
        room
    }

    pub(super) fn record_shed(&mut self, origin: Origin, message: &Message, why: NoTime) {
        let config = self.means.config.clone();
        let (asker, dialled) = inquiry::read(message, origin, &config);
        let (plan, mut offered) = self.decide(&asker, &dialled, origin, message.call_id());
        offered.because = vec![why.reason()];
        let id = CallId::new(self.means.now.wall, self.means.entropy.u64());
        self.note_refused(id, &plan, offered, Status::SERVICE_UNAVAILABLE, MissedCause::Capacity);
    }

    /// The window is over: what was not recorded by itself is counted, and there is room again unless the journal is full.
    pub(super) fn shed_is_due(&mut self) {
        self.shed.watched = false;
        self.count_shed();
        if !self.pressure {
            self.shed.make_room();
        }
    }

    /// Calls that were shed without a record of their own become a fact.
    pub(super) fn count_shed(&mut self) {
        match std::mem::take(&mut self.shed.uncounted) {
            0 => {}
            calls => drop(self.means.note(Fact::Alarm(Alarm::Unrecorded { calls }))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::clock::{Instant, Now, Timestamp};
    use crate::config::{Config, Nothing};
    use crate::effect::Effect;
    use crate::key::{Flow, Transport};
    use crate::switch::Input;
    use crate::transaction::Transactions;

    const OFFICE: &str = include_str!("../../sip-traces/berlin.toml");

    /// The office with a provider that calls and calls.
    struct Office {
        switch: Switch,
        now: Now,
        calls: u32,
        records: u32,
        counted: Vec<u64>,
        refused: u32,
        /// Overloads that are over, by how many calls they turned away.
        over: Vec<u64>,
    }

    impl Office {
        fn open() -> Office {
            let config = Config::read(Path::new("office.toml"), OFFICE, &Nothing).unwrap().config;
            let config: Arc<Config> = Arc::new(config);
            let now = Now { mono: Instant::from_micros(1_000_000), wall: Timestamp::UNIX_EPOCH };
            let switch = Switch::new(config.clone(), [7; 32], 0, now);
            let mut office =
                Office { switch, now, calls: 0, records: 0, counted: Vec::new(), refused: 0, over: Vec::new() };
            office.hear(Input::Configure(config));
            office
        }

        fn hear(&mut self, input: Input) {
            let mut effects = Vec::new();
            self.switch.handle(input, self.now, &mut effects);
            self.follow(effects);
        }

        fn pass(&mut self, span: Duration) {
            let mut effects = Vec::new();
            self.now = self.now.after(span);
            self.switch.tick(self.now, &mut effects);
            self.follow(effects);
        }

        fn follow(&mut self, effects: Vec<Effect>) {
            for effect in effects {
                match effect {
                    Effect::Send { bytes, .. } => self.refused += u32::from(bytes.starts_with(b"SIP/2.0 503")),
                    Effect::Fact(noted) => match noted.fact {
                        Fact::Call(_, CallFact::Ended(ended)) if ended.status == 503 => {
                            assert_eq!(ended.missed, Some(MissedCause::Capacity));
                            self.records += 1;
                        }
                        Fact::Alarm(Alarm::Unrecorded { calls }) => self.counted.push(calls),
                        Fact::Alarm(Alarm::OverloadOver { refused, .. }) => self.over.push(refused),
                        _ => {}
                    },
                    _ => {}
                }
            }
        }

        fn call(&mut self) {
            self.calls += 1;
            let number = self.calls;
            self.say(number);
        }

        /// The INVITE of this number, from the provider's address.
        fn say(&mut self, number: u32) {
            let text = format!(
                "INVITE sip:+493012344@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.10;branch=z9hG4bK{number}\r\n\
                 From: <sip:+491701112233@127.0.0.10>;tag={number}\r\nTo: <sip:+493012344@127.0.0.1>\r\n\
                 Call-ID: {number}\r\nCSeq: 1 INVITE\r\nContact: <sip:127.0.0.10>\r\nContent-Length: 0\r\n\r\n"
            );
            let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.10:5060".parse().unwrap());
            let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
            self.hear(Input::Message { flow, message: Message::parse(Bytes::from(text)).unwrap() });
        }
    }

    #[test]
    fn while_the_journal_is_full_so_many_shed_calls_are_recorded_and_the_rest_is_counted() {
        let mut office = Office::open();
        office.hear(Input::Pressure(true));
        for _ in 0..MOST_RECORDS + 30 {
            office.call();
        }
        assert_eq!((office.records, office.refused), (200, 230));
        office.pass(WINDOW);
        assert_eq!(office.counted, [30]);
        // Time alone makes no room in a full journal.
        office.call();
        assert_eq!(office.records, 200);
        office.pass(WINDOW);
        office.hear(Input::Pressure(false));
        office.hear(Input::Pressure(true));
        office.call();
        assert_eq!((office.records, office.counted), (201, vec![30, 1]));
    }

    #[test]
    fn a_call_for_which_there_is_no_room_at_all_is_recorded_once_however_often_it_is_repeated() {
        let mut office = Office::open();
        office.switch.means.transactions = Transactions::new(0, &mut office.switch.means.entropy);
        for number in [1, 1, 2, 1, 2, 2] {
            office.say(number);
        }
        assert_eq!((office.records, office.refused), (2, 6));
        assert_eq!(office.switch.census().refused_for_load, 2);
    }

    #[test]
    fn while_there_is_more_to_do_than_can_be_done_nothing_is_kept_of_a_new_call_but_its_record() {
        let mut office = Office::open();
        let late = |by| Input::Late(Duration::from_millis(by));
        office.hear(late(60));
        office.call();
        assert_eq!((office.refused, office.switch.census().refused_for_load), (0, 0), "a stall is no overload");
        office.pass(crate::overload::INTERVAL);
        office.hear(late(60));
        let before = office.switch.census();
        for _ in 0..50 {
            office.call();
            office.say(office.calls);
        }
        // The first one is repeated: it was taken.
        office.say(1);
        let after = office.switch.census();
        assert_eq!((office.records, office.refused, after.refused_for_load), (50, 100, 50));
        assert_eq!((before.transactions, before.calls), (after.transactions, after.calls));
        // There is time again, but whoever was turned away has heard it.
        office.hear(late(0));
        office.say(7);
        assert_eq!((office.refused, office.switch.census().refused_for_load), (101, 50));
        office.call();
        assert_eq!(office.refused, 101);
        assert!(office.over.is_empty());
        office.pass(crate::overload::CALM);
        assert_eq!(office.over, [50]);
    }

    #[test]
    fn a_call_whose_voice_would_find_no_port_is_refused_rather_than_silent() {
        let mut office = Office::open();
        let lend = |office: &mut Office| office.switch.means.ports.lend(office.now.mono).unwrap();
        let last = (0..499).map(|_| lend(&mut office)).last().unwrap();
        office.call();
        assert_eq!((office.records, office.refused), (1, 1));
        office.switch.means.ports.give_back(last, office.now.mono);
        office.call();
        assert_eq!(office.refused, 1);
    }

    #[test]
    fn what_is_left_to_count_is_counted_before_the_process_ends() {
        let mut office = Office::open();
        office.hear(Input::Pressure(true));
        for _ in 0..MOST_RECORDS + 1 {
            office.call();
        }
        office.hear(Input::Drain);
        assert_eq!(office.counted, [1]);
    }
}
