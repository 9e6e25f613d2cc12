//! Calls that end at the door are calls all the same: those that cannot be carried on, and those that are shed.
//!
//! What cannot be carried on is on record before its refusal is heard, like any other call. A call that is shed (the process
//! wants to end, the journal or the table of requests is full) hears its 503 at once, because who has too much to do must
//! not wait for a disk; its record follows, while there is room for it: so many in a while, and no more than once as many
//! while the journal is full. What is not recorded by itself is counted, and the count is a fact.

use super::inquiry;
use super::tables::{Held, HeldAnswer, Switch};
use crate::admission::Known;
use crate::call::Timer;
use crate::clock::Duration;
use crate::fact::{Alarm, CallFact, Ended, EndedBy, Fact, MissedCause, Offered};
use crate::key::{CallId, Flow};
use crate::refusal::Refusal;
use crate::route::{Direction, Origin, Reason, RoutePlan};
use crate::sip::{HeaderName, Message, Method, Status};
use crate::transaction::ServerKey;

/// How many shed calls get a record of their own within one [`WINDOW`]. Each weighs about 2 kB in the journal's memory.
const MOST_RECORDS: usize = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// Why there is no time for a new call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overload {
    /// The process wants to end.
    Draining,
    /// The journal's bounded memory is full.
    Pressure,
    /// The table of requests is full.
    Requests,
}

impl Overload {
    /// RFC 3261 §21.5.4: come back in a few seconds.
    pub(super) fn refusal(self) -> Refusal {
        Refusal::new(Status::SERVICE_UNAVAILABLE).with(HeaderName::RetryAfter, "5")
    }

    /// In words.
    pub(super) fn reason(self) -> Reason {
        let why = match self {
            Overload::Draining => "the router is about to end",
            Overload::Pressure => "the disk does not keep up",
            Overload::Requests => "too many requests at once",
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
    pub(super) fn closed_for_calls(&self) -> Option<Overload> {
        match (self.draining, self.pressure) {
            (true, _) => Some(Overload::Draining),
            (_, true) => Some(Overload::Pressure),
            _ => self.means.transactions.is_full().then_some(Overload::Requests),
        }
    }

    /// No time for this call: its caller hears so at once, and the record follows.
    pub(super) fn shed(&mut self, server: ServerKey, message: &Message, origin: Origin, why: Overload) {
        self.refuse(server, message, &why.refusal());
        self.shed.total += 1;
        self.record_shed(origin, message, why);
    }

    /// A request for which there was not even a transaction has been refused. A provider's INVITE is a call; whoever would
    /// have to prove first who it is, is a stranger.
    pub(super) fn shed_without_transaction(&mut self, flow: Flow, message: &Message) {
        self.shed.total += 1;
        let known = Known { config: &self.means.config, trunks: &self.means.trunks, registrar: &self.registrar };
        let begins = message.method() == Method::Invite && message.to_tag().is_none();
        let Some(trunk) = known.trunk(message, &flow).filter(|_| begins) else { return };
        if self.shed.lately.iter().any(|call_id| **call_id == *message.call_id()) {
            return;
        }
        self.shed.lately.truncate(MOST_RECORDS - 1);
        self.shed.lately.push_front(message.call_id().into());
        self.record_shed(Origin::Trunk(trunk), message, Overload::Requests);
    }

    fn record_shed(&mut self, origin: Origin, message: &Message, why: Overload) {
        if !std::mem::replace(&mut self.shed.watched, true) {
            self.means.deadlines.set(self.means.now.mono + WINDOW, Timer::Shed);
        }
        if self.shed.recorded == MOST_RECORDS {
            self.shed.uncounted += 1;
            return;
        }
        self.shed.recorded += 1;
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
    use crate::key::Transport;
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
    }

    impl Office {
        fn open() -> Office {
            let config = Config::read(Path::new("office.toml"), OFFICE, &Nothing).unwrap().config;
            let config: Arc<Config> = Arc::new(config);
            let now = Now { mono: Instant::from_micros(1_000_000), wall: Timestamp::UNIX_EPOCH };
            let switch = Switch::new(config.clone(), [7; 32], 0, now);
            let mut office = Office { switch, now, calls: 0, records: 0, counted: Vec::new(), refused: 0 };
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
                        Fact::Call(_, CallFact::Ended(ended)) => {
                            assert_eq!((ended.status, ended.missed), (503, Some(MissedCause::Capacity)));
                            self.records += 1;
                        }
                        Fact::Alarm(Alarm::Unrecorded { calls }) => self.counted.push(calls),
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
        assert_eq!(office.switch.census().refused_for_load, 6);
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
