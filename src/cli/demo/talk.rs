//! One call of a stand-in, and what it says in it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::voice::{Heard, Voice, Words};
use crate::sip::sdp::{Direction, Sdp};
use crate::sip::{Draft, HeaderName, Host, Message, Method, Status, Writer};

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// We have called; nobody has answered.
    Calling,
    /// We are called; nobody has answered.
    Rings,
    /// Answered.
    Talking,
    /// Forgotten at once.
    Over,
}

/// A call to be made.
pub(super) struct Dial {
    pub(super) who: Arc<str>,
    pub(super) number: String,
    pub(super) to: String,
    pub(super) words: Words,
    /// Speaks as soon as somebody answers; otherwise when told to.
    pub(super) speaks: bool,
}

/// One call.
pub(super) struct Talk {
    /// Whose it is.
    pub(super) who: Arc<str>,
    pub(super) stage: Stage,
    pub(super) call_id: String,
    pub(super) voice: Voice,
    /// When it is answered by itself.
    pub(super) answers_at: Option<Instant>,
    /// Speaks as soon as it is answered.
    pub(super) speaks: bool,
    /// The last response to the INVITE.
    pub(super) said: Option<Bytes>,
    /// From and To of our requests, as URIs, and the tags of both.
    me: String,
    them: String,
    tag: String,
    their_tag: String,
    /// Where our requests go within the call.
    target: String,
    /// The Request-URI, branch and number of our INVITE.
    dialled: String,
    branch: String,
    cseq: u32,
    invite_cseq: u32,
    /// Their INVITE.
    invite: Option<Message>,
    /// What our sessions say about who sends.
    direction: &'static str,
}

/// A Via of ours.
pub(super) fn via(draft: &mut Draft<'_>, address: SocketAddr, branch: &str) {
    draft.via("UDP", Host::Ip(address.ip()), Some(address.port()), &format!("z9hG4bK{branch}"));
    draft.number(HeaderName::MaxForwards, 70u32);
}

impl Talk {
    /// A call that we are about to make.
    pub(super) async fn dial(
        dial: Dial,
        call_id: String,
        tag: &str,
        router: SocketAddr,
        address: SocketAddr,
        ear: impl Fn(Heard) + Send + 'static,
    ) -> io::Result<Talk> {
        let dialled = format!("sip:{}@{router}", dial.to);
        Ok(Talk {
            who: dial.who,
            stage: Stage::Calling,
            call_id,
            voice: Voice::open(dial.words, ear).await?,
            answers_at: None,
            speaks: dial.speaks,
            said: None,
            me: format!("sip:{}@{address}", dial.number),
            them: dialled.clone(),
            tag: tag.to_owned(),
            their_tag: String::new(),
            target: dialled.clone(),
            dialled,
            branch: String::new(),
            cseq: 0,
            invite_cseq: 0,
            invite: None,
            direction: "sendrecv",
        })
    }

    /// A call that has come, and is answered at `answers_at`.
    pub(super) async fn called(
        who: Arc<str>,
        invite: Message,
        tag: &str,
        words: Words,
        answers_at: Option<Instant>,
        ear: impl Fn(Heard) + Send + 'static,
    ) -> io::Result<Talk> {
        let mut talk = Talk {
            who,
            stage: Stage::Rings,
            call_id: invite.call_id().to_owned(),
            voice: Voice::open(words, ear).await?,
            answers_at,
            speaks: true,
            said: None,
            me: invite.to().uri.as_str().to_owned(),
            them: invite.from().uri.as_str().to_owned(),
            tag: tag.to_owned(),
            their_tag: invite.from_tag().unwrap_or_default().to_owned(),
            target: String::new(),
            dialled: String::new(),
            branch: String::new(),
            cseq: 0,
            invite_cseq: 0,
            invite: None,
            direction: "sendrecv",
        };
        talk.learns(&invite);
        talk.invite = Some(invite);
        Ok(talk)
    }

    /// What the other side says of itself: its tag, where it takes requests, where it listens.
    pub(super) fn learns(&mut self, message: &Message) {
        if let (false, Some(tag)) = (message.is_request(), message.to_tag()) {
            self.their_tag = tag.to_owned();
        }
        if let Some(contact) = message.address(HeaderName::Contact) {
            self.target = contact.uri.as_str().to_owned();
        }
        if let Some(session) = message.sdp().and_then(|body| Sdp::read(body).ok())
            && let Some(audio) = session.media.first()
        {
            self.voice.towards(audio.rtp_target());
            // RFC 3264 §6.1: the answer mirrors the offer.
            self.direction = match audio.direction {
                Direction::SendOnly => "recvonly",
                Direction::RecvOnly => "sendonly",
                Direction::Inactive => "inactive",
                _ => "sendrecv",
            };
        }
    }

    /// Our session: G.711 A-law and nothing else.
    fn session(&self) -> String {
        let local = self.voice.local;
        format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n\
             a={2}\r\n",
            local.ip(),
            local.port(),
            self.direction
        )
    }

    fn contact(&self, address: SocketAddr) -> String {
        format!("<sip:standin@{address}>")
    }

    /// Begins a request of ours.
    fn begin<'w>(
        &self,
        writer: &'w mut Writer,
        (method, cseq): (Method, u32),
        uri: &str,
        address: SocketAddr,
        branch: &str,
    ) -> Draft<'w> {
        let mut draft = writer.request(method, uri);
        via(&mut draft, address, branch);
        draft.name_addr(HeaderName::From, "", &self.me, &self.tag);
        draft.name_addr(HeaderName::To, "", &self.them, &self.their_tag);
        draft.header(HeaderName::CallId, &self.call_id).cseq(cseq, method);
        draft
    }

    /// A request within the call, to be finished.
    pub(super) fn within<'w>(
        &mut self,
        writer: &'w mut Writer,
        method: Method,
        address: SocketAddr,
        branch: &str,
    ) -> Draft<'w> {
        self.cseq += 1;
        let mut draft = self.begin(writer, (method, self.cseq), &self.target, address, branch);
        draft.header(HeaderName::Contact, self.contact(address));
        draft
    }

    /// The INVITE.
    pub(super) fn invite(&mut self, writer: &mut Writer, address: SocketAddr, branch: &str) -> Bytes {
        self.branch = branch.to_owned();
        let mut draft = self.within(writer, Method::Invite, address, branch);
        let bytes = draft.finish_with("application/sdp", self.session().as_bytes());
        self.invite_cseq = self.cseq;
        bytes
    }

    /// Takes the INVITE back (RFC 3261 §9.1: its own URI, branch and number, and no tag of theirs).
    pub(super) fn cancel(&mut self, writer: &mut Writer, address: SocketAddr) -> Bytes {
        let theirs = std::mem::take(&mut self.their_tag);
        let cancel = (Method::Cancel, self.invite_cseq);
        let bytes = self.begin(writer, cancel, &self.dialled, address, &self.branch).finish();
        self.their_tag = theirs;
        bytes
    }

    /// Acknowledges the final response: a 2xx with a branch of its own, another one with the INVITE's (RFC 3261 §17.1.1.3).
    pub(super) fn acknowledge(&self, writer: &mut Writer, address: SocketAddr, branch: Option<&str>) -> Bytes {
        let (uri, branch) = branch.map_or((&self.dialled, &*self.branch), |branch| (&self.target, branch));
        self.begin(writer, (Method::Ack, self.invite_cseq), uri, address, branch).finish()
    }

    /// It rings here.
    pub(super) fn ring(&mut self, writer: &mut Writer, router: SocketAddr, address: SocketAddr) -> Bytes {
        self.respond(writer, Status::RINGING, router, Some(address))
    }

    /// It is answered here.
    pub(super) fn answer(&mut self, writer: &mut Writer, router: SocketAddr, address: SocketAddr) -> Bytes {
        (self.stage, self.answers_at) = (Stage::Talking, None);
        self.voice.speak(self.speaks);
        self.respond(writer, Status::OK, router, Some(address))
    }

    /// It is not.
    pub(super) fn refuse(&mut self, writer: &mut Writer, status: Status, router: SocketAddr) -> Bytes {
        self.answers_at = None;
        self.respond(writer, status, router, None)
    }

    fn respond(
        &mut self,
        writer: &mut Writer,
        status: Status,
        router: SocketAddr,
        contact: Option<SocketAddr>,
    ) -> Bytes {
        let Some(invite) = &self.invite else { return Bytes::new() };
        let mut draft = writer.reply(invite, status, &self.tag, router);
        if let Some(address) = contact {
            draft.header(HeaderName::Contact, self.contact(address));
        }
        let bytes = match status.is_success() {
            true => draft.finish_with("application/sdp", self.session().as_bytes()),
            false => draft.finish(),
        };
        self.said = Some(bytes.clone());
        bytes
    }

    /// The answer to a new session within the call.
    pub(super) fn agree(
        &mut self,
        writer: &mut Writer,
        request: &Message,
        router: SocketAddr,
        address: SocketAddr,
    ) -> Bytes {
        let mut draft = writer.reply(request, Status::OK, &self.tag, router);
        draft.header(HeaderName::Contact, self.contact(address));
        match request.method() {
            // An UPDATE without a session gets none.
            Method::Update if request.sdp().is_none() => draft.finish(),
            _ => draft.finish_with("application/sdp", self.session().as_bytes()),
        }
    }
}
