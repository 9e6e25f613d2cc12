//! At the door: a request that begins something. Who is it from, may they, and what becomes of it.

use std::sync::Arc;

use bytes::Bytes;

use super::house::{House, Present};
use super::inquiry::{self, Asker};
use super::tables::{Held, HeldAnswer, Switch};
use crate::admission::{Admission, Known};
use crate::call::{ACCEPT, ALLOW, Call, Ladder, Leg, Line, Offer, Peer, Place, session_of, unknown_extensions};
use crate::config::ExtensionIx;
use crate::customer::Customer;
use crate::fact::{Alarm, Fact, KnownCustomer, Offered, Party};
use crate::key::{CallId, CallKey, Flow};
use crate::refusal::Refusal;
use crate::registrar::{BindingChange, Moved};
use crate::route::{Caller, Destined, Direction, Origin, Reason, RoutePlan, Situation, decide};
use crate::session_timer::{Habits, Said, SessionTimer};
use crate::sip::{HeaderName, Message, Method, Status};
use crate::state::Counter;
use crate::transaction::ServerKey;

/// Headers of the caller's INVITE that are carried across untouched. Who diverted a call is believed of a trunk only
/// (RFC 5806 §9): of a phone it would be a number to call with that is not its own.
const CARRIED: [HeaderName; 5] =
    [HeaderName::AlertInfo, HeaderName::Priority, HeaderName::Subject, HeaderName::UserToUser, HeaderName::Diversion];

impl Switch {
    /// A request that begins something; `proven` where the door has looked at its digest already.
    pub(super) fn admit(&mut self, server: ServerKey, flow: Flow, message: Message, proven: Option<Admission>) {
        // RFC 3261 §8.2 has who it is come first; an INVITE of somebody we know is then refused on record.
        if message.method() != Method::Invite
            && let Err(refusal) = is_for_us(&message)
        {
            return self.refuse(server, &message, &refusal);
        }
        if message.method() == Method::Options {
            return self.describe(server, &message, &flow);
        }
        match proven.unwrap_or_else(|| self.ask(&message, &flow)) {
            Admission::Impostor(extension) if message.method() == Method::Invite => {
                self.invite(server, flow, message, Origin::Extension(extension), Err(impostor()));
            }
            admission => {
                if let Some(origin) = self.let_in(server, flow, &message, admission) {
                    self.welcome(server, flow, message, origin);
                }
            }
        }
    }

    /// Who a request is from.
    pub(super) fn ask(&mut self, message: &Message, flow: &Flow) -> Admission {
        let known = Known { config: &self.means.config, trunks: &self.means.trunks, registrar: &self.registrar };
        let admission = self.doorkeeper.admit(message, flow, known, self.means.now.mono);
        self.learn_from(&admission, message, flow);
        admission
    }

    /// From which side a request comes; who may not in is answered here.
    pub(super) fn let_in(
        &mut self,
        server: ServerKey,
        flow: Flow,
        message: &Message,
        admission: Admission,
    ) -> Option<Origin> {
        match admission {
            Admission::Challenge { values, .. } => self.reply(server, message, Status::UNAUTHORIZED, |draft| {
                for challenge in &values {
                    draft.header(HeaderName::WwwAuthenticate, challenge);
                }
            }),
            Admission::Refused(refusal) => self.refuse(server, message, &refusal),
            Admission::Impostor(_) => self.refuse(server, message, &impostor()),
            Admission::Trunk(trunk) => return Some(Origin::Trunk(trunk)),
            Admission::Extension(extension) => {
                self.seen(extension, message, flow);
                return Some(Origin::Extension(extension));
            }
        }
        None
    }

    /// A request from somebody we know.
    fn welcome(&mut self, server: ServerKey, flow: Flow, message: Message, origin: Origin) {
        if flow.transport.is_reliable() {
            let peer = peer_of(origin, &self.means.config);
            self.means.streams.heard(peer.is_trunk(), peer.name(), flow);
        }
        match (message.method(), origin) {
            (Method::Invite, _) => self.invite(server, flow, message, origin, Ok(())),
            (Method::Register, Origin::Extension(extension)) => self.register(server, flow, &message, extension),
            (Method::Subscribe, Origin::Extension(extension)) => self.subscribe(server, flow, &message, extension),
            (Method::Subscribe, Origin::Trunk(_)) => self.refuse(server, &message, &Refusal::forbidden()),
            (Method::Publish, _) => self.refuse(server, &message, &Refusal::new(Status::BAD_EVENT)),
            (Method::Notify | Method::Bye | Method::Info | Method::Update | Method::Prack, _) => {
                self.refuse(server, &message, &Refusal::call_does_not_exist());
            }
            (_, _) => self.refuse(server, &message, &Refusal::method_not_allowed(ALLOW)),
        }
    }

    /// An authenticated phone spoke: where it moved, it is rung on its new way.
    fn seen(&mut self, extension: ExtensionIx, message: &Message, flow: Flow) {
        if message.method() == Method::Register {
            return;
        }
        let number = self.means.config.extension(extension).number.clone();
        if let Some(contact) = message.address(HeaderName::Contact)
            && let Some((change, moved)) = self.registrar.seen(&number, contact.uri, flow, self.means.now)
        {
            self.note_binding(change);
            self.follow(&number, &moved);
        }
    }

    fn register(&mut self, server: ServerKey, flow: Flow, message: &Message, extension: ExtensionIx) {
        let number = self.means.config.extension(extension).number.clone();
        let (now, deadlines) = (self.means.now, &mut self.means.deadlines);
        let registered = match self.registrar.register(&number, message, flow, now, deadlines) {
            Ok(registered) => registered,
            Err(refusal) => return self.refuse(server, message, &refusal),
        };
        let last = registered.changes.into_iter().map(|change| self.note_binding(change)).last();
        let tag = self.means.entropy.tag();
        let source = self.means.transactions.flow(server).unwrap_or(flow).remote;
        let bytes = self.means.write(|writer, _| {
            let mut draft = writer.reply(message, Status::OK, tag.as_str(), source);
            for contact in &registered.contacts {
                draft.header(HeaderName::Contact, contact);
            }
            for path in &registered.path {
                draft.header(HeaderName::Path, path);
            }
            if registered.outbound {
                draft.header(HeaderName::Require, "outbound");
            }
            draft.finish()
        });
        match last {
            // New or changed: on disk before the phone believes it.
            Some(fact) if fact > self.journaled => {
                self.hold(Held { fact, answer: HeldAnswer::Reply(server, Status::OK, bytes) });
            }
            _ => self.means.respond(server, Status::OK, bytes),
        }
        for moved in &registered.moved {
            self.follow(&number, moved);
        }
        if !registered.joined.is_empty() {
            self.joined(&number, &registered.joined);
        }
    }

    /// A phone is reached in another way: what is to be said in its talks goes there.
    fn follow(&mut self, extension: &Arc<str>, moved: &Moved) {
        for leg in self.by_extension.get(extension).cloned().unwrap_or_default() {
            self.with_leg(leg, |leg, means| {
                leg.follow(moved, means);
                None
            });
        }
    }

    /// A phone can be rung that could not before: it joins what rings for its extension, and calls that wait for it go on.
    fn joined(&mut self, extension: &Arc<str>, bindings: &[crate::registrar::BindingKey]) {
        for key in self.lines_that_ring(extension) {
            let config = self.means.config.clone();
            if let Some(extension) = config.extension_by_number(extension) {
                self.tape_asks(key, config.extension(extension));
            }
            for binding in bindings {
                let Some(way) = self.way_to_binding(*binding) else { continue };
                self.with_call(key, |call, house| {
                    let Some(ix) = call.config().extension_by_number(extension).filter(|ix| call.rings(*ix)) else {
                        return;
                    };
                    if let Some((leg, rung)) = house.ring_device(extension, way) {
                        call.joined(ix, leg, rung, house);
                    }
                });
            }
        }
        self.freed.push(extension.clone());
        if self.mailboxes.contains_key(extension) {
            self.tell_unasked(extension, bindings);
        }
    }

    pub(super) fn note_binding(&mut self, change: BindingChange) -> u64 {
        self.means.note(match change {
            BindingChange::Bound(bound) => Fact::Bound(bound),
            BindingChange::Unbound { extension, identity } => Fact::Unbound { extension, identity },
        })
    }

    pub(super) fn binding_due(&mut self, due: crate::registrar::Due) {
        let (now, means) = (self.means.now, &mut self.means);
        if let Some(change) = self.registrar.due(due, now, &mut means.deadlines, &mut means.effects) {
            self.note_binding(change);
        }
    }

    /// A call begins, or is refused for what was found at the door.
    fn invite(&mut self, server: ServerKey, flow: Flow, message: Message, origin: Origin, found: Result<(), Refusal>) {
        let (asker, dialled) = inquiry::read(&message, origin, &self.means.config);
        let emergency = matches!(dialled, Destined::Emergency(_));
        let taken = if emergency { Ok(None) } else { self.taken_over(&message, origin, &dialled) };
        // What is taken over is no new call.
        let goes_on = emergency || matches!(taken, Ok(Some(_)));
        if let Some(why) = self.closed_for_calls().filter(|_| !goes_on) {
            return self.shed(server, &message, origin, why);
        }
        self.trying(server, &message);
        let fit = found.and_then(|()| is_for_us(&message)).and_then(|()| can_be_carried_on(&message));
        let refused = match fit.and(taken).and_then(|taken| self.take_over(taken, server, flow, &message)) {
            Ok(true) => return,
            Ok(false) => None,
            Err(refusal) => Some(refusal),
        };
        let (plan, offered) = self.decide(&asker, &dialled, origin, message.call_id());
        if let Some(refusal) = refused {
            return self.refuse_on_record(server, &message, &plan, offered, &refusal);
        }
        self.begin(Beginning { server, flow, message, origin, asker, plan, offered, dialled });
    }

    /// RFC 3261 §8.2.6.1: so that the caller stops repeating the INVITE.
    fn trying(&mut self, server: ServerKey, message: &Message) {
        let Some(flow) = self.means.transactions.flow(server) else { return };
        let bytes = self.means.write(|writer, _| writer.reply(message, Status::TRYING, "", flow.remote).finish());
        self.means.respond(server, Status::TRYING, bytes);
    }

    /// The customer whose number calls; never for our own people or the anonymous.
    fn customer_of(&self, caller: &Caller) -> Option<Customer> {
        let number = caller.number.filter(|_| caller.extension.is_none() && !caller.anonymous)?;
        self.customers.find(number).map(|found| found.to_customer())
    }

    /// Gathers what the decision sees, and decides.
    pub(super) fn decide(
        &mut self,
        asker: &Asker,
        dialled: &Destined,
        origin: Origin,
        sip_call_id: &str,
    ) -> (RoutePlan, Offered) {
        let drawn = self.means.entropy.u64();
        let chance = self.tapes.destined.take().unwrap_or(drawn);
        self.tapes.chance = chance;
        let config = self.means.config.clone();
        let customer = self.customer_of(&asker.caller);
        let present = Present { switch: self, without: None };
        let situation = Situation {
            config: &config,
            at: self.means.now.wall,
            origin,
            caller: &asker.caller,
            dialled,
            customer: customer.as_ref().filter(|customer| !customer.is_provisional()),
            state: &self.state,
            load: &present,
            chance,
            presence: &present,
        };
        let plan = decide(&situation);
        let did = plan.did.map(|did| config.did(did));
        let offered = Offered {
            direction: plan.direction,
            from: party(asker, &config),
            to: dialled_party(dialled, &config),
            did: did.map(|did| did.number.to_string().into()),
            source: did.and_then(|did| did.source.clone()),
            trunk: match origin {
                Origin::Trunk(trunk) => Some(config.trunk(trunk).name.clone()),
                Origin::Extension(_) => None,
            },
            customer: customer.as_ref().map(|customer| KnownCustomer {
                id: customer.id.clone(),
                name: customer.name.clone(),
                responsible: customer.responsible.clone(),
            }),
            emergency: matches!(dialled, Destined::Emergency(_)),
            reference: None,
            sip_call_id: sip_call_id.to_owned(),
            because: plan.because.clone(),
            considered: plan.considered.clone(),
            plan: plan.to_string(),
        };
        (plan, offered)
    }

    fn begin(&mut self, beginning: Beginning) {
        let Beginning { server, flow, message, origin, asker, plan, offered, dialled } = beginning;
        let config = self.means.config.clone();
        let peer = peer_of(origin, &config);
        let id = CallId::new(self.means.now.wall, self.means.entropy.u64());
        let named = offered.customer.as_ref().filter(|customer| !customer.is_provisional());
        let display = named.map_or(asker.display, |customer| customer.name.clone());
        let mut ladder = Ladder::new(self.means.now.mono);
        ladder.add_leg(peer.name().clone());
        let anchored = plan.greets() || config.may_record(plan.direction != Direction::Internal);
        let tape = self.tape_begins();
        if let Some(tape) = self.tapes.get_mut(tape) {
            tape.call = Some(id);
        }
        let line = self.lines.insert(Line {
            id,
            call: None,
            config: config.clone(),
            from: offered.from.clone(),
            anchored,
            offer: Offer {
                direction: plan.direction,
                caller: asker.caller,
                display,
                session: session_of(&message),
                max_forwards: message.max_forwards().unwrap_or(70).saturating_sub(1),
                passed: carried(&message, origin),
            },
            served: None,
            diverter: None,
            outside: Vec::new(),
            auto_answer: false,
            did: offered.did.clone(),
            first_fact: 0,
            legs: 1,
            open: 1,
            ladder,
            tape,
            deadline: None,
            watched: Default::default(),
        });
        let caller = self.legs.reserve();
        let place = Place { key: caller, call: line, number: 0, anchored };
        let leg = Leg::offered(place, peer.clone(), flow, server, message.clone(), &mut self.means);
        let leg = leg.and_then(|mut leg| {
            let expected = session_of(&message).map_or(Ok(()), |session| leg.expect(&session, &mut self.means));
            // A leg that cannot be gives back what it holds already.
            expected.inspect_err(|_| leg.close(&mut self.means))?;
            Ok(leg)
        });
        match leg {
            Ok(leg) => {
                // Who calls in on the own mobile is on the phone.
                let mobile_of = offered.from.extension.clone().filter(|_| peer.is_trunk());
                let leg = leg.by_mobile_of(mobile_of);
                self.index(caller, &leg);
                self.legs.fill(caller, leg);
            }
            Err(refusal) => {
                self.legs.remove(caller);
                self.lines.remove(line);
                self.tape_is_void(tape);
                return self.refuse_on_record(server, &message, &plan, offered, &refusal);
            }
        }
        self.mark(caller);
        if let Some(did) = &offered.did {
            *self.by_did.entry(did.clone()).or_default() += 1;
        }
        self.raise_alarms(&plan, origin);
        let now = self.means.now.mono;
        self.tape_sees(tape, &plan, origin, offered.from.number);
        let call = Call::begin(id, config, caller, Arc::new(plan), offered, now, &mut House { switch: self, line });
        if let Some(row) = self.lines.get_mut(line) {
            row.call = Some(call);
        }
        self.tape_settles(tape);
        self.count(origin, &dialled, line);
        self.settle_line(line);
    }

    fn raise_alarms(&mut self, plan: &RoutePlan, origin: Origin) {
        for reason in &plan.because {
            let alarm = match (reason, origin) {
                (Reason::DefaultDid { dialled, .. }, Origin::Trunk(trunk)) => Alarm::UnknownDid {
                    trunk: self.means.config.trunk(trunk).name.clone(),
                    number: dialled.to_string(),
                },
                (Reason::Emergency(number), Origin::Extension(extension)) => Alarm::Emergency {
                    extension: self.means.config.extension(extension).number.clone(),
                    number: number.to_string(),
                },
                _ => continue,
            };
            self.means.note(Fact::Alarm(alarm));
        }
    }

    /// Counters that a call moves when it begins: daily caps.
    fn count(&mut self, origin: Origin, dialled: &Destined, line: CallKey) {
        let outside = matches!(dialled, Destined::Number(_))
            && self.lines.get(line).and_then(|line| line.call.as_ref()).is_some_and(Call::is_ringing);
        if let (Origin::Extension(extension), true) = (origin, outside) {
            let number = self.means.config.extension(extension).number.clone();
            let day = self.local_day();
            let counter = self.state.calling_outside(&number, day);
            self.note_counter(counter);
        }
    }

    /// A counter moves: in memory, and as a fact.
    pub(super) fn note_counter(&mut self, counter: Counter) {
        self.state.count(&counter);
        self.means.note(Fact::Counted(counter));
    }

    /// Today, where the office is.
    pub(super) fn local_day(&self) -> jiff::civil::Date {
        self.means.now.wall.to_zoned(self.means.config.site.timezone.clone()).date()
    }
}

fn peer_of(origin: Origin, config: &crate::config::Config) -> Peer {
    match origin {
        Origin::Trunk(trunk) => Peer::Trunk(config.trunk(trunk).name.clone()),
        Origin::Extension(extension) => Peer::Extension(config.extension(extension).number.clone()),
    }
}

/// Everything with which a call begins.
struct Beginning {
    server: ServerKey,
    flow: Flow,
    message: Message,
    origin: Origin,
    asker: Asker,
    plan: RoutePlan,
    offered: Offered,
    dialled: Destined,
}

/// A valid account that says it is somebody else.
fn impostor() -> Refusal {
    Refusal::forbidden().because("This Account Is Not Who It Says")
}

/// RFC 3261 §8.2.1–8.2.3, before anybody is asked who they are.
pub(super) fn is_for_us(message: &Message) -> Result<(), Refusal> {
    if message.method() == Method::Other {
        return Err(Refusal::new(Status::NOT_IMPLEMENTED).with(HeaderName::Allow, ALLOW));
    }
    let scheme_is_ours = message.request_uri().is_some_and(|uri| uri.is_sip() || uri.scheme_name() == "tel");
    if !scheme_is_ours {
        return Err(Refusal::new(Status::UNSUPPORTED_URI_SCHEME));
    }
    let also: &[&str] = if message.method() == Method::Register { &["path", "outbound"] } else { &[] };
    match unknown_extensions(message, also) {
        Some(refusal) if message.method() != Method::Cancel => Err(refusal),
        _ => Ok(()),
    }
}

/// What an INVITE must be so that we can carry it on.
fn can_be_carried_on(message: &Message) -> Result<(), Refusal> {
    if message.max_forwards() == Some(0) {
        return Err(Refusal::too_many_hops());
    }
    if !message.is_body_known() {
        return Err(Refusal::unsupported_media_type(ACCEPT));
    }
    let accepts = message.values(HeaderName::Accept).collect::<Vec<_>>();
    let takes_sdp = |value: &&[u8]| {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        kind.eq_ignore_ascii_case(b"application/sdp") || kind == b"application/*" || kind == b"*/*"
    };
    if !accepts.is_empty() && !accepts.iter().any(takes_sdp) {
        return Err(Refusal::new(Status::NOT_ACCEPTABLE).with(HeaderName::Accept, "application/sdp"));
    }
    if let Some(sdp) = message.sdp()
        && crate::sip::sdp::Sdp::read(sdp).is_err()
    {
        return Err(Refusal::not_acceptable_here());
    }
    SessionTimer::accept(Said::by(message), Habits::default()).map(|_| ())
}

fn carried(message: &Message, origin: Origin) -> Vec<(HeaderName, Bytes)> {
    let believed = |name: &HeaderName| *name != HeaderName::Diversion || matches!(origin, Origin::Trunk(_));
    CARRIED
        .into_iter()
        .filter(believed)
        .flat_map(|name| message.headers(name).map(move |value| (name, Bytes::copy_from_slice(value))))
        .collect()
}

fn party(asker: &Asker, config: &crate::config::Config) -> Party {
    let Caller { number, verbatim, anonymous, extension } = &asker.caller;
    Party {
        number: *number,
        text: verbatim.to_string(),
        name: Some(asker.display.clone()).filter(|name| !name.is_empty() && !anonymous),
        extension: extension.map(|extension| config.extension(extension).number.clone()),
        anonymous: *anonymous,
    }
}

fn dialled_party(dialled: &Destined, config: &crate::config::Config) -> Party {
    match dialled {
        Destined::Did(did) => Party { text: config.did(*did).number.to_string(), ..Party::default() },
        Destined::Extension(extension) => {
            let extension = config.extension(*extension);
            Party {
                text: extension.number.to_string(),
                name: Some(extension.name.clone()),
                extension: Some(extension.number.clone()),
                ..Party::default()
            }
        }
        Destined::Number(number) => Party { number: Some(*number), text: number.to_string(), ..Party::default() },
        Destined::Emergency(text)
        | Destined::Unreadable(text)
        | Destined::PickUp(_, text)
        | Destined::Feature(_, text) => Party { text: text.to_string(), ..Party::default() },
    }
}
