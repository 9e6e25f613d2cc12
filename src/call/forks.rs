//! Who answers an INVITE of ours while it rings: an early dialog for each To tag, because a proxy on the way may have
//! called several phones (RFC 3261 §12.1.2), and how far each has come with what it sends reliably (RFC 3262 §4).

use smallvec::SmallVec;

use super::alphabet::Session;
use crate::dialog::Dialog;
use crate::key::Flow;
use crate::sip::{HeaderName, Message, Uri, header};

/// More phones than a proxy would call for one INVITE; what comes from others makes no early dialog.
const MOST: usize = 16;

/// The early dialogs of one INVITE.
#[derive(Debug, Default)]
pub(super) struct Forks {
    early: SmallVec<[Fork; 1]>,
    /// Whose session is listened to: the one that sent its session last, before that the first.
    followed: usize,
}

/// One early dialog.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) dialog: Dialog,
    /// The RSeq of the last reliable response that was taken.
    pub(super) rseq: Option<u32>,
    /// The session that it sent first.
    pub(super) session: Option<Session>,
    /// That came in a reliable response, so it is its answer, and another offer may be made (RFC 3262 §5).
    pub(super) agreed: bool,
}

/// What a provisional response is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Worth {
    /// It may be lost, and comes as often as it likes.
    Unreliable,
    /// It is the next reliable one, and wants a PRACK that names this RSeq.
    Reliable(u32),
    /// It was taken before, or one before it is missing: it will come again (RFC 3262 §4).
    Nothing,
}

impl Forks {
    /// The tag of the first that said one; empty while nobody has.
    pub(super) fn first_tag(&self) -> &str {
        self.early.first().map_or("", |fork| fork.dialog.remote_tag())
    }

    /// The early dialog that is listened to.
    pub(super) fn followed(&mut self) -> Option<&mut Fork> {
        self.early.get_mut(self.followed)
    }

    /// True where the dialog that is listened to may be offered something new.
    pub(super) fn is_agreed(&self) -> bool {
        self.early.get(self.followed).is_some_and(|fork| fork.agreed)
    }

    /// True where the message belongs to the dialog that is listened to.
    pub(super) fn follows(&self, message: &Message) -> bool {
        self.early.get(self.followed).is_some_and(|fork| fork.dialog.owns(message))
    }

    /// The dialog to which a message belongs.
    pub(super) fn of(&mut self, message: &Message) -> Option<&mut Fork> {
        self.early.iter_mut().find(|fork| fork.dialog.owns(message))
    }

    /// Takes out the dialog that a 2xx confirms.
    pub(super) fn take(&mut self, answer: &Message) -> Option<Fork> {
        let at = self.early.iter().position(|fork| fork.dialog.owns(answer))?;
        Some(self.early.remove(at))
    }

    /// A provisional response: its dialog is there from now on. `contact` and `target` as in [`Dialog::from_response`].
    pub(super) fn hear(&mut self, response: &Message, flow: Flow, contact: &str, target: &Uri) -> Worth {
        if let Some(fork) = self.of(response) {
            fork.dialog.hear(response, flow);
        } else if self.early.len() < MOST {
            let dialog = Dialog::from_response(response, flow, contact, target);
            self.early.extend(dialog.map(|dialog| Fork { dialog, rseq: None, session: None, agreed: false }));
        }
        let reliable = response.lists(HeaderName::Require, "100rel");
        let rseq = response.header(HeaderName::RSeq).and_then(|rseq| header::integer(rseq).ok());
        let Some(rseq) = rseq.filter(|_| reliable) else { return Worth::Unreliable };
        match self.of(response) {
            Some(fork) if fork.rseq.is_none_or(|last| rseq == last.wrapping_add(1)) => {
                fork.rseq = Some(rseq);
                Worth::Reliable(rseq)
            }
            _ => Worth::Nothing,
        }
    }

    /// The session that a response brings: news, or `None`. Its dialog is the one to listen to from now on. What a dialog
    /// says after its reliable answer is no answer any more (RFC 3261 §13.2.1).
    pub(super) fn listen(&mut self, response: &Message, session: Option<Session>, reliable: bool) -> Option<Session> {
        let session = session?;
        let Some(at) = self.early.iter().position(|fork| fork.dialog.owns(response)) else { return Some(session) };
        let fork = &mut self.early[at];
        if fork.agreed {
            return None;
        }
        fork.session = Some(session.clone());
        fork.agreed = reliable;
        self.followed = at;
        Some(session)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::key::Transport;

    #[test]
    fn a_bomb_of_forks_makes_sixteen_dialogs_and_no_more() {
        let flow = Flow {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().unwrap(),
            remote: "192.0.2.9:5060".parse().unwrap(),
            connection: 0,
        };
        let target = Uri::parse(b"sip:12@192.0.2.9").unwrap();
        let mut forks = Forks::default();
        let mut worth = Vec::new();
        for phone in 0..1000 {
            let text = format!(
                "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=ours\r\n\
                 To: <sip:12@h>;tag=phone-{phone}\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:12@192.0.2.9>\r\n\
                 Require: 100rel\r\nRSeq: 1\r\nContent-Length: 0\r\n\r\n"
            );
            let response = Message::parse(Bytes::from(text)).unwrap();
            worth.push(forks.hear(&response, flow, "<sip:us@192.0.2.1>", &target));
        }
        assert_eq!(forks.early.len(), MOST);
        assert_eq!(worth[..MOST], [Worth::Reliable(1); MOST]);
        assert!(worth[MOST..].iter().all(|worth| *worth == Worth::Nothing), "nobody else gets a PRACK");
    }
}
