//! A stand-in: a phone, or a provider with its customers. One UDP port that speaks SIP, as far as a phone needs it.
//!
//! It does what it is told ([`Order`]), treats calls as it was told to ([`Manner`]), and tells what happens ([`Event`]).
//! Requests of its own are sent once: nothing is lost on a loopback.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep_until};

use super::talk::{Dial, Stage, Talk, via};
use super::voice::{Heard, Words};
use crate::entropy::Entropy;
use crate::sip::digest::{Answerer, Asker, Tried};
use crate::sip::header::Reason;
use crate::sip::{HeaderName, Message, Method, Status, Writer};

/// What a stand-in does when it is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    /// Rings, and is answered after so long.
    Answer(Duration),
    /// Rings, and nobody comes.
    Ring,
}

/// What a stand-in is told to do.
pub(super) enum Order {
    /// Register with this password.
    Register(String),
    /// Treat calls so from now on.
    Behave(Manner),
    /// Call this number, as this person.
    Call(Dial),
    /// End this person's call, whatever its stage.
    HangUp(Arc<str>),
    /// Say one's words.
    Speak(Arc<str>),
    /// What is heard from now on is news.
    ListenAnew(Arc<str>),
    /// Give the other one to this extension (REFER).
    Transfer(Arc<str>, String),
}

/// What happens at a stand-in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// It is registered.
    Registered,
    /// It rings, and its screen shows this.
    Rings(String),
    /// It rings no longer; the reason that it was told.
    Stops(String),
    /// Somebody answers here.
    Answers,
    /// Whoever was called rings, or the router speaks: the status.
    Progress(u16),
    /// Whoever was called has answered.
    Reached,
    /// The call was refused, or given up: the status.
    Refused(u16),
    /// There is something to hear; true: after the answer.
    Hears(bool),
    /// It has become silent.
    HearsNothing,
    /// The other side has hung up.
    Left,
    /// What became of a transfer: the status.
    Transferred(u16),
}

/// Something that happened, and to whom.
pub(super) type Happening = (Arc<str>, Event);

/// The reins of a stand-in; it is gone when this is dropped.
pub(super) struct Hand {
    orders: UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Hand {
    /// Tells it what to do.
    pub(super) fn order(&self, order: Order) {
        // It lives as long as this hand.
        let _heard = self.orders.send(order);
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port, before anything happens there.
pub(super) async fn port() -> io::Result<UdpSocket> {
    UdpSocket::bind("127.0.0.1:0").await
}

pub(super) struct Standin {
    user: Arc<str>,
    socket: UdpSocket,
    address: SocketAddr,
    router: SocketAddr,
    writer: Writer,
    entropy: Entropy,
    account: Option<(Answerer, Tried)>,
    registrations: u32,
    manner: Manner,
    words: Words,
    talks: Vec<Talk>,
    tell: UnboundedSender<Happening>,
    ears: UnboundedSender<(String, Heard)>,
}

impl Standin {
    /// Begins to live at `socket`.
    pub(super) fn start(
        user: &str,
        socket: UdpSocket,
        router: SocketAddr,
        words: Words,
        tell: UnboundedSender<Happening>,
        seed: [u8; 32],
    ) -> io::Result<Hand> {
        let address = socket.local_addr()?;
        let (orders, told) = unbounded_channel();
        let (ears, heard) = unbounded_channel();
        let standin = Standin {
            user: user.into(),
            socket,
            address,
            router,
            writer: Writer::default(),
            entropy: Entropy::seeded(seed, 0),
            account: None,
            registrations: 0,
            manner: Manner::Answer(Duration::from_millis(1500)),
            words,
            talks: Vec::new(),
            tell,
            ears,
        };
        Ok(Hand { orders, task: tokio::spawn(standin.run(told, heard)) })
    }

    async fn run(mut self, mut told: UnboundedReceiver<Order>, mut heard: UnboundedReceiver<(String, Heard)>) {
        let mut room = vec![0; 65_536];
        loop {
            let next = self.talks.iter().filter_map(|talk| talk.answers_at).min();
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                received = self.socket.recv_from(&mut room) => {
                    if let Ok((length, _)) = received
                        && let Ok(message) = Message::parse(Bytes::copy_from_slice(&room[..length]))
                    {
                        match message.status() {
                            Some(status) => self.response(&message, status).await,
                            None => self.request(message).await,
                        }
                    }
                }
                Some(order) = told.recv() => self.obey(order).await,
                Some((call, heard)) = heard.recv() => self.hear(&call, heard),
                () = sleep_until(next.unwrap_or(far)) => self.answer().await,
            }
            self.talks.retain(|talk| talk.stage != Stage::Over);
        }
    }

    async fn send(&self, bytes: Bytes) {
        // Whatever fails here is missed by the story, which says so.
        let _missed = self.socket.send_to(&bytes, self.router).await;
    }

    fn say(&self, who: &Arc<str>, event: Event) {
        // The story may be over.
        let _unheard = self.tell.send((who.clone(), event));
    }

    fn hear(&mut self, call: &str, heard: Heard) {
        let Some(talk) = self.talks.iter().find(|talk| talk.call_id == call) else { return };
        let event = match heard {
            Heard::Sound => Event::Hears(talk.stage == Stage::Talking),
            Heard::Silence => Event::HearsNothing,
        };
        self.say(&talk.who, event);
    }

    /// An ear for a call.
    fn ear(&self, call_id: &str) -> impl Fn(Heard) + Send + use<> {
        let (ears, call_id) = (self.ears.clone(), call_id.to_owned());
        move |heard| drop(ears.send((call_id.clone(), heard)))
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Behave(manner) => self.manner = manner,
            Order::Register(password) => {
                self.account = Some((Answerer::new(&self.user, &password), Tried::default()));
                self.register().await;
            }
            Order::Call(dial) => self.dial(dial).await,
            Order::HangUp(who) => self.hang_up(&who).await,
            Order::Speak(who) => {
                if let Some(talk) = self.talks.iter().find(|talk| talk.who == who) {
                    talk.voice.speak(true);
                }
            }
            Order::ListenAnew(who) => {
                if let Some(talk) = self.talks.iter().find(|talk| talk.who == who) {
                    talk.voice.listen_anew();
                }
            }
            Order::Transfer(who, to) => {
                let Some(at) = self.talks.iter().position(|talk| talk.who == who) else { return };
                let target = format!("<sip:{to}@{}>", self.router);
                let branch = self.entropy.branch();
                let (talk, writer) = (&mut self.talks[at], &mut self.writer);
                let bytes = talk
                    .within(writer, Method::Refer, self.address, branch.as_str())
                    .header(HeaderName::ReferTo, target)
                    .finish();
                self.send(bytes).await;
            }
        }
    }

    async fn register(&mut self) {
        self.registrations += 1;
        let uri = "sip:demo.example";
        let me = format!("sip:{}@demo.example", self.user);
        let contact = format!("<sip:{}@{}>", self.user, self.address);
        let mut shown = Default::default();
        if let Some((account, _)) = &mut self.account {
            shown = account.authorize(b"REGISTER", uri.as_bytes(), &mut self.entropy);
        }
        let branch = self.entropy.branch();
        let mut draft = self.writer.request(Method::Register, uri);
        via(&mut draft, self.address, branch.as_str());
        draft.name_addr(HeaderName::From, "", &me, "registers").name_addr(HeaderName::To, "", &me, "");
        draft.header(HeaderName::CallId, format!("register-{}", self.user));
        draft.cseq(self.registrations, Method::Register).header(HeaderName::Contact, contact);
        for (name, value) in shown {
            draft.header(name, value);
        }
        let bytes = draft.number(HeaderName::Expires, 3600u32).finish();
        self.send(bytes).await;
    }

    async fn dial(&mut self, dial: Dial) {
        let call_id = self.entropy.sip_call_id().as_str().to_owned();
        let Ok(talk) = Talk::dial(
            dial,
            call_id.clone(),
            self.entropy.tag().as_str(),
            self.router,
            self.address,
            self.ear(&call_id),
        )
        .await
        else {
            return;
        };
        self.talks.push(talk);
        let branch = self.entropy.branch();
        if let Some(talk) = self.talks.last_mut() {
            let bytes = talk.invite(&mut self.writer, self.address, branch.as_str());
            self.send(bytes).await;
        }
    }

    async fn hang_up(&mut self, who: &Arc<str>) {
        let branch = self.entropy.branch();
        let Some(talk) = self.talks.iter_mut().find(|talk| talk.who == *who) else { return };
        let bytes = match talk.stage {
            Stage::Calling => talk.cancel(&mut self.writer, self.address),
            Stage::Talking => {
                talk.stage = Stage::Over;
                talk.within(&mut self.writer, Method::Bye, self.address, branch.as_str()).finish()
            }
            // A phone that rings cannot be hung up.
            Stage::Rings | Stage::Over => return,
        };
        self.send(bytes).await;
    }

    /// Answers whatever has rung long enough.
    async fn answer(&mut self) {
        let now = Instant::now();
        let due = |talk: &Talk| talk.answers_at.is_some_and(|at| at <= now);
        while let Some(at) = self.talks.iter().position(due) {
            let (router, address) = (self.router, self.address);
            let bytes = self.talks[at].answer(&mut self.writer, router, address);
            self.say(&self.talks[at].who.clone(), Event::Answers);
            self.send(bytes).await;
        }
    }

    async fn response(&mut self, message: &Message, status: Status) {
        match message.method() {
            Method::Register => self.registered(message, status).await,
            Method::Invite => self.invited(message, status).await,
            _ => {}
        }
    }

    async fn registered(&mut self, message: &Message, status: Status) {
        if status.is_success() {
            return self.say(&self.user.clone(), Event::Registered);
        }
        let (Some(asker), Some((account, tried))) = (Asker::of(status.code()), &mut self.account) else { return };
        if account.challenged(asker, message.headers(HeaderName::WwwAuthenticate), tried).is_ok() {
            self.register().await;
        }
    }

    /// What became of a call of ours.
    async fn invited(&mut self, message: &Message, status: Status) {
        let call_id = message.call_id();
        let branch = self.entropy.branch();
        let Some(talk) = self.talks.iter_mut().find(|talk| talk.call_id == call_id) else { return };
        let who = talk.who.clone();
        talk.learns(message);
        if status.is_provisional() {
            if status.code() > 100 {
                self.say(&who, Event::Progress(status.code()));
            }
            return;
        }
        let again = talk.stage != Stage::Calling;
        let bytes = if status.is_success() {
            if talk.stage == Stage::Calling {
                talk.voice.listen_anew();
            }
            talk.stage = Stage::Talking;
            talk.voice.speak(talk.speaks);
            talk.acknowledge(&mut self.writer, self.address, Some(branch.as_str()))
        } else {
            talk.stage = Stage::Over;
            talk.acknowledge(&mut self.writer, self.address, None)
        };
        if !again {
            let refused = !status.is_success();
            self.say(&who, if refused { Event::Refused(status.code()) } else { Event::Reached });
        }
        self.send(bytes).await;
    }

    async fn request(&mut self, request: Message) {
        let known = self.talks.iter().position(|talk| talk.call_id == request.call_id());
        match (request.method(), known) {
            (Method::Ack, Some(at)) => self.talks[at].learns(&request),
            (Method::Ack, None) => {}
            (Method::Invite, None) => self.rings(request).await,
            (Method::Invite, Some(at)) if request.to_tag().is_none() => {
                // It asks once more: we have been slow.
                if let Some(bytes) = self.talks[at].said.clone() {
                    self.send(bytes).await;
                }
            }
            (Method::Invite | Method::Update, Some(at)) => {
                self.talks[at].learns(&request);
                let (router, address) = (self.router, self.address);
                let bytes = self.talks[at].agree(&mut self.writer, &request, router, address);
                self.send(bytes).await;
            }
            (Method::Cancel, Some(at)) => {
                self.reply(&request, Status::OK).await;
                self.cancelled(at, &request).await;
            }
            (Method::Bye, Some(at)) => {
                self.reply(&request, Status::OK).await;
                let talk = &mut self.talks[at];
                talk.stage = Stage::Over;
                let who = talk.who.clone();
                self.say(&who, Event::Left);
            }
            (Method::Notify, Some(at)) => {
                self.reply(&request, Status::OK).await;
                self.notified(at, &request).await;
            }
            (Method::Options | Method::Info | Method::Notify, _) => self.reply(&request, Status::OK).await,
            _ => self.reply(&request, Status::CALL_DOES_NOT_EXIST).await,
        }
    }

    async fn reply(&mut self, request: &Message, status: Status) {
        let bytes = self.writer.reply(request, status, "standin", self.router).finish();
        self.send(bytes).await;
    }

    /// Somebody calls.
    async fn rings(&mut self, request: Message) {
        let from = request.from();
        let number = from.uri.user_unescaped().unwrap_or_default();
        let shown = from.display().map(|name| format!("{name} {number}"));
        let shown = shown.unwrap_or_else(|| number.into_owned()).trim().to_owned();
        let (call_id, tag) = (request.call_id().to_owned(), self.entropy.tag());
        let at = match self.manner {
            Manner::Answer(after) => Some(Instant::now() + after),
            Manner::Ring => None,
        };
        let (who, words, ear) = (self.user.clone(), self.words.clone(), self.ear(&call_id));
        let Ok(mut talk) = Talk::called(who, request, tag.as_str(), words, at, ear).await else { return };
        let bytes = talk.ring(&mut self.writer, self.router, self.address);
        self.talks.push(talk);
        self.say(&self.user.clone(), Event::Rings(shown));
        self.send(bytes).await;
    }

    async fn cancelled(&mut self, at: usize, cancel: &Message) {
        let talk = &mut self.talks[at];
        if talk.stage != Stage::Rings {
            return;
        }
        talk.stage = Stage::Over;
        let bytes = talk.refuse(&mut self.writer, Status::REQUEST_TERMINATED, self.router);
        let why = cancel.header(HeaderName::Reason).and_then(|value| Reason::read(value).ok());
        let why = why.and_then(|reason| reason.text().map(|text| text.into_owned())).unwrap_or_default();
        let who = talk.who.clone();
        self.say(&who, Event::Stops(why));
        self.send(bytes).await;
    }

    /// How a transfer goes on; whoever asked for it hangs up when it went well (RFC 5589 §6.1).
    async fn notified(&mut self, at: usize, notify: &Message) {
        let sipfrag = notify.body();
        let code = sipfrag.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.get(..3));
        let code = code.and_then(|code| str::from_utf8(code).ok()).and_then(|code| code.parse::<u16>().ok());
        let Some(code) = code.filter(|code| *code >= 200) else { return };
        let who = self.talks[at].who.clone();
        self.say(&who, Event::Transferred(code));
        if code < 300 {
            self.hang_up(&who).await;
        }
    }
}
