//! Two tables, and between them a network that loses, doubles and reorders: each request gets exactly one final answer,
//! and at the end nothing is left.

use proptest::prelude::*;

use super::*;

/// What the network does to packets, in percent.
#[derive(Clone, Copy, Debug)]
struct Weather {
    transport: Transport,
    loses: u64,
    doubles: u64,
}

/// One request of Ada's to Bob.
#[derive(Clone, Debug)]
struct Plan {
    invite: bool,
    begins_ms: u64,
    /// When Ada loses patience, after the begin.
    cancels_ms: u64,
    /// How long Bob thinks before he answers; `None`: never, or an INVITE after two minutes.
    answers_ms: Option<u64>,
    status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Ada,
    Bob,
}

enum Happens {
    Packet(Side, Bytes),
    Begin(usize),
    Cancel(usize),
    Answer(usize, Status),
}

/// What became of one request.
#[derive(Default, Debug)]
struct Outcome {
    client: Option<ClientKey>,
    server: Option<(ServerKey, Message)>,
    /// How often Bob was told of it.
    arrived: usize,
    /// The final responses that Ada heard, 0 for the end of patience.
    finals: Vec<u16>,
    /// The final responses that Bob gave.
    given: Vec<u16>,
    acknowledged: bool,
    unacknowledged: bool,
}

struct World {
    ada: Bench<usize>,
    bob: Bench<usize>,
    queue: Deadlines<Happens>,
    now: Now,
    chance: Entropy,
    writer: Writer,
    weather: Weather,
    plans: Vec<Plan>,
    outcomes: Vec<Outcome>,
}

impl World {
    fn new(seed: u8, weather: Weather, plans: Vec<Plan>) -> World {
        let ada = Bench::new(100);
        let (now, mut queue) = (ada.now, Deadlines::default());
        for (index, plan) in plans.iter().enumerate() {
            queue.set(now.mono + Duration::from_millis(plan.begins_ms), Happens::Begin(index));
            if plan.invite {
                queue.set(now.mono + Duration::from_millis(plan.begins_ms + plan.cancels_ms), Happens::Cancel(index));
            }
        }
        World {
            ada,
            bob: Bench::new(100),
            queue,
            now,
            writer: Writer::default(),
            weather,
            outcomes: plans.iter().map(|_| Outcome::default()).collect(),
            plans,
            chance: Entropy::seeded([seed; 32], 0),
        }
    }

    fn run(&mut self) {
        let first = |world: &World| {
            [world.queue.first(), world.ada.deadlines.first(), world.bob.deadlines.first()].into_iter().flatten().min()
        };
        while let Some(at) = first(self) {
            assert!(at < Instant::from_micros(600_000_000), "it never ends: {:?}", self.outcomes);
            self.now = self.now.after(at - self.now.mono);
            while let Some(happens) = self.queue.pop_due(at) {
                self.step(happens);
            }
            while let Some(timer) = self.ada.deadlines.pop_due(at) {
                match self.ada(|table, hand| table.on_timer(timer, hand)) {
                    Some(Expired::Unanswered { user, .. }) => self.outcomes[user].finals.push(0),
                    Some(other) => panic!("{other:?}"),
                    None => {}
                }
            }
            while let Some(timer) = self.bob.deadlines.pop_due(at) {
                match self.bob(|table, hand| table.on_timer(timer, hand)) {
                    Some(Expired::Unacknowledged { user, .. }) => self.outcomes[user].unacknowledged = true,
                    Some(other) => panic!("{other:?}"),
                    None => {}
                }
            }
        }
    }

    fn step(&mut self, happens: Happens) {
        match happens {
            Happens::Begin(index) => self.begin(index),
            Happens::Cancel(index) => {
                let client = self.outcomes[index].client.unwrap();
                self.ada(|table, hand| table.cancel(client, None, hand));
            }
            Happens::Answer(index, status) => self.answer(index, status),
            Happens::Packet(Side::Ada, bytes) => self.ada_hears(bytes),
            Happens::Packet(Side::Bob, bytes) => self.bob_hears(bytes),
        }
    }

    fn begin(&mut self, index: usize) {
        let method = if self.plans[index].invite { Method::Invite } else { Method::Options };
        let branch = self.chance.branch();
        let via = format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch};rport");
        let mut draft = self.writer.request(method, "sip:bob@192.0.2.9");
        let from = format!("<sip:ada@192.0.2.1>;tag=a{index}");
        draft.header(HeaderName::Via, via).header(HeaderName::From, from).header(HeaderName::To, "<sip:bob@192.0.2.9>");
        let bytes = draft.header(HeaderName::CallId, format!("{index}")).cseq(1, method).finish();
        let flow = flow(self.weather.transport);
        let client = self.ada(|table, hand| table.request(index, flow, method, branch, bytes, hand));
        self.outcomes[index].client = Some(client);
    }

    fn answer(&mut self, index: usize, status: Status) {
        let (server, request) = self.outcomes[index].server.clone().unwrap();
        let bytes = self.writer.reply(&request, status, "b", flow(self.weather.transport).remote).finish();
        if status.is_final() && self.bob.table.is_open(server) {
            self.outcomes[index].given.push(status.code());
        }
        self.bob(|table, hand| table.respond(server, status, bytes, hand));
    }

    fn ada_hears(&mut self, bytes: Bytes) {
        let message = Message::parse(bytes).unwrap();
        let status = message.status().unwrap();
        let flow = flow(self.weather.transport);
        let (user, first) = match self.ada(|table, hand| table.receive(flow, &message, hand)) {
            Arrival::Response { user, .. } => (user, true),
            Arrival::AnotherAnswer { user, .. } => (user, false),
            Arrival::Absorbed | Arrival::Stray => return,
            other => panic!("{other:?}"),
        };
        if first && status.is_final() {
            self.outcomes[user].finals.push(status.code());
        }
        if status.is_success() && self.plans[user].invite {
            let mut draft = self.writer.request(Method::Ack, "sip:bob@192.0.2.9");
            let via = format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKack{user};rport");
            draft.header(HeaderName::Via, via).copy(&message, HeaderName::From).copy(&message, HeaderName::To);
            let ack = draft.header(HeaderName::CallId, message.call_id()).cseq(1, Method::Ack).finish();
            self.ada(|_, hand| hand.wire.send(flow, ack));
        }
    }

    fn bob_hears(&mut self, bytes: Bytes) {
        let message = Message::parse(bytes).unwrap();
        let index: usize = message.call_id().parse().unwrap();
        let flow = flow(self.weather.transport);
        match self.bob(|table, hand| table.receive(flow, &message, hand)) {
            Arrival::Request(server) => {
                self.bob.table.set_user(server, index);
                self.outcomes[index].arrived += 1;
                self.outcomes[index].server = Some((server, message));
                let plan = self.plans[index].clone();
                if plan.invite {
                    self.answer(index, Status::TRYING);
                    self.queue.set(self.now.mono + Duration::from_millis(300), Happens::Answer(index, Status::RINGING));
                }
                // Whoever takes an INVITE answers it one day: that is the plan's part, no transaction knows how long people ring.
                if let Some(thinks) = plan.answers_ms.or(plan.invite.then_some(120_000)) {
                    let at = self.now.mono + Duration::from_millis(thinks);
                    self.queue.set(at, Happens::Answer(index, plan.status));
                }
            }
            Arrival::Cancel { cancel, invite } => {
                let status = if invite.is_some() { Status::OK } else { Status::CALL_DOES_NOT_EXIST };
                let bytes = self.writer.reply(&message, status, "b", flow.remote).finish();
                self.bob(|table, hand| table.respond(cancel, status, bytes, hand));
                if let Some((server, user)) = invite
                    && self.bob.table.is_open(server)
                {
                    assert_eq!(user, Some(index));
                    self.answer(index, Status::REQUEST_TERMINATED);
                }
            }
            Arrival::Ack { invite } => {
                assert_eq!(invite, None);
                if let Some((server, _)) = self.outcomes[index].server.clone() {
                    self.outcomes[index].acknowledged = true;
                    self.bob(|table, hand| table.acknowledged(server, hand));
                }
            }
            Arrival::Absorbed => {}
            other => panic!("{other:?}"),
        }
    }

    fn ada<R>(&mut self, act: impl FnOnce(&mut Transactions<usize>, &mut Hand<'_, Timer>) -> R) -> R {
        self.ada.now = self.now;
        let result = self.ada.with(act);
        let sent = std::mem::take(&mut self.ada.sent.0);
        self.carry(Side::Bob, sent);
        result
    }

    fn bob<R>(&mut self, act: impl FnOnce(&mut Transactions<usize>, &mut Hand<'_, Timer>) -> R) -> R {
        self.bob.now = self.now;
        let result = self.bob.with(act);
        let sent = std::mem::take(&mut self.bob.sent.0);
        self.carry(Side::Ada, sent);
        result
    }

    /// The network: each packet takes up to 0.4 s of its own, so they overtake each other. A stream keeps the order.
    fn carry(&mut self, to: Side, sent: Vec<(Flow, Bytes)>) {
        for (flow, bytes) in sent {
            if flow.transport.is_reliable() {
                self.queue.set(self.now.mono + Duration::from_millis(50), Happens::Packet(to, bytes));
                continue;
            }
            let copies = match self.chance.below(100) {
                roll if roll < self.weather.loses => 0,
                roll if roll < self.weather.loses + self.weather.doubles => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let takes = Duration::from_millis(self.chance.below(400));
                self.queue.set(self.now.mono + takes, Happens::Packet(to, bytes.clone()));
            }
        }
    }

    /// What must hold once nothing happens any more.
    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert!(self.ada.is_at_rest() && self.bob.is_at_rest());
        for (plan, outcome) in self.plans.iter().zip(&self.outcomes) {
            prop_assert_eq!(outcome.finals.len(), 1, "one final answer: {:?} {:?}", plan, outcome);
            prop_assert!(outcome.arrived <= 1, "taken once: {:?} {:?}", plan, outcome);
            prop_assert!(outcome.given.len() <= 1, "{:?} {:?}", plan, outcome);
            if outcome.finals[0] != 0 {
                prop_assert_eq!(&outcome.finals, &outcome.given, "what was said was heard: {:?}", plan);
            }
            if plan.invite && outcome.given == [200] {
                prop_assert!(outcome.acknowledged || outcome.unacknowledged, "{:?} {:?}", plan, outcome);
            }
            if self.weather.loses == 0 && plan.answers_ms.is_some_and(|thinks| thinks < 30_000) {
                prop_assert!(outcome.finals[0] != 0 && !outcome.unacknowledged, "{:?} {:?}", plan, outcome);
            }
        }
        Ok(())
    }
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let status = prop::sample::select(vec![Status::OK, Status::BUSY_HERE, Status::DECLINE, Status::NOT_FOUND]);
    let times = (0u64..3_000, prop_oneof![0u64..8_000, Just(60_000)], prop::option::weighted(0.9, 0u64..20_000));
    let plan = (any::<bool>(), times, status).prop_map(|(invite, (begins_ms, cancels_ms, answers_ms), status)| Plan {
        invite,
        begins_ms,
        cancels_ms,
        answers_ms,
        status,
    });
    prop::collection::vec(plan, 1..6)
}

fn weather() -> impl Strategy<Value = Weather> {
    let udp = (0u64..60, 0u64..40).prop_map(|(loses, doubles)| Weather { transport: Transport::Udp, loses, doubles });
    let tcp = Just(Weather { transport: Transport::Tcp, loses: 0, doubles: 0 });
    prop_oneof![4 => udp, 1 => tcp]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_request_gets_exactly_one_final_answer_whatever_the_network_does(
        seed in any::<u8>(), weather in weather(), plans in plans(),
    ) {
        let mut world = World::new(seed, weather, plans);
        world.run();
        world.check()?;
    }
}
