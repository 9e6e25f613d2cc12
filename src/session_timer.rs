//! How the two sides of a call notice that the other has vanished: they agree to refresh the call now and then, and who
//! hears no refresh hangs up (RFC 4028).
//!
//! Only decisions stand here, as functions of what was said; the leg keeps the [`SessionTimer`] and sets the deadlines.

use crate::clock::Duration;
use crate::refusal::Refusal;
use crate::sip::header::{self, Refresher, SessionExpires};
use crate::sip::{Draft, HeaderName, Message};

/// No session interval may be shorter (RFC 4028 §4).
pub const LEAST: Duration = Duration::from_secs(90);

/// What we ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Habits {
    /// The interval that we propose. At least [`Habits::least`].
    pub interval: Duration,
    /// The shortest interval that we accept. At least [`LEAST`].
    pub least: Duration,
    /// Refresh also towards a peer that knows nothing of session timers: it sees a re-INVITE now and then.
    pub insist: bool,
}

impl Default for Habits {
    /// 30 minutes, as RFC 4028 §4 recommends; nothing towards peers that know nothing of it.
    fn default() -> Habits {
        Habits { interval: Duration::from_secs(1800), least: LEAST, insist: false }
    }
}

/// Who refreshes the session, seen from us. On the wire it is said in the roles of one request, which change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// We refresh.
    Us,
    /// The peer refreshes, and we hang up if it does not.
    Them,
}

/// What was agreed on. It begins anew with every 2xx to an INVITE or UPDATE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionTimer {
    /// The session ends this long after the 2xx unless it is refreshed.
    pub interval: Duration,
    /// Who refreshes.
    pub refresher: By,
}

/// What a request or response says about session timers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// Its Session-Expires.
    pub expires: Option<SessionExpires>,
    /// Its Min-SE, in seconds.
    pub least: Option<u32>,
    /// True where it lists `timer` in Supported (or Require).
    pub supported: bool,
}

impl Said {
    /// Reads what a message says. An unreadable value counts as absent.
    pub fn by(message: &Message) -> Said {
        Said {
            expires: message.header(HeaderName::SessionExpires).and_then(|value| SessionExpires::read(value).ok()),
            least: message.header(HeaderName::MinSe).and_then(|value| header::seconds(value).ok()),
            supported: message.lists(HeaderName::Supported, "timer") || message.lists(HeaderName::Require, "timer"),
        }
    }
}

impl SessionTimer {
    /// As the one who answers an INVITE or UPDATE (RFC 4028 §9): what we agree to, no timer at all, or 422.
    pub fn accept(said: Said, habits: Habits) -> Result<Option<SessionTimer>, Refusal> {
        let their_least = seconds(said.least.unwrap_or(0)).max(LEAST);
        let Some(expires) = said.expires else {
            let wanted = said.supported || habits.insist;
            let interval = habits.interval.max(their_least);
            return Ok(wanted.then_some(SessionTimer { interval, refresher: By::Us }));
        };
        let asked = seconds(expires.seconds);
        // Who knows nothing of timers cannot read a 422: a proxy on the way has put the header in.
        if asked < habits.least && said.supported {
            return Err(Refusal::session_interval_too_small(habits.least));
        }
        // RFC 4028 §9, Table 2: without support we refresh, else the request decides, else we may.
        let refresher = match expires.refresher {
            Some(Refresher::Uac) if said.supported => By::Them,
            _ => By::Us,
        };
        Ok(Some(SessionTimer { interval: asked.min(habits.interval).max(their_least), refresher }))
    }

    /// As the one who sent an INVITE or UPDATE that asked for `asked`, from its 2xx (RFC 4028 §7.2).
    pub fn agreed(said: Said, asked: Duration, habits: Habits) -> Option<SessionTimer> {
        match said.expires {
            Some(expires) => {
                let refresher = if expires.refresher == Some(Refresher::Uas) { By::Them } else { By::Us };
                Some(SessionTimer { interval: seconds(expires.seconds).max(LEAST), refresher })
            }
            None => habits.insist.then_some(SessionTimer { interval: asked, refresher: By::Us }),
        }
    }

    /// The interval to ask for after a 422 to a request that asked for `asked` (RFC 4028 §7.3); `None` where the peer
    /// names none that is longer, so that asking again would go on for ever.
    pub fn after_422(said: Said, asked: Duration) -> Option<Duration> {
        said.least.map(seconds).filter(|least| *least > asked)
    }

    /// When the refresher refreshes: after half of the interval (RFC 4028 §10).
    pub fn refresh_after(self) -> Duration {
        self.interval / 2
    }

    /// When a session that was not refreshed is hung up: a third of the interval, but at most 32 s, before its end
    /// (RFC 4028 §10).
    pub fn gives_up_after(self) -> Duration {
        self.interval - (self.interval / 3).min(Duration::from_secs(32))
    }

    /// The Session-Expires of a request that refreshes: the one who refreshed goes on doing so.
    fn in_request(self) -> SessionExpires {
        let refresher = if self.refresher == By::Us { Refresher::Uac } else { Refresher::Uas };
        SessionExpires { seconds: whole(self.interval), refresher: Some(refresher) }
    }

    /// Writes into our 2xx what we agree to. Where the peer is to refresh, it must know of timers (RFC 4028 §9).
    pub fn agree(self, draft: &mut Draft<'_>) {
        if self.refresher == By::Them {
            draft.header(HeaderName::Require, "timer");
        }
        say(self.in_response(), draft);
    }

    /// The Session-Expires of our 2xx. Where it names `uac`, the 2xx also says `Require: timer` (RFC 4028 §9).
    fn in_response(self) -> SessionExpires {
        let refresher = if self.refresher == By::Us { Refresher::Uas } else { Refresher::Uac };
        SessionExpires { seconds: whole(self.interval), refresher: Some(refresher) }
    }
}

/// Writes into an INVITE or UPDATE of ours what was agreed on, or else what we propose (RFC 4028 §7.1, §7.4).
pub fn ask(timer: Option<SessionTimer>, habits: Habits, draft: &mut Draft<'_>) {
    let proposed = SessionExpires { seconds: whole(habits.interval), refresher: None };
    say(timer.map_or(proposed, SessionTimer::in_request), draft);
    if habits.least > LEAST {
        draft.number(HeaderName::MinSe, whole(habits.least));
    }
}

fn say(expires: SessionExpires, draft: &mut Draft<'_>) {
    draft.header_with(HeaderName::SessionExpires, |value| {
        value.number(expires.seconds);
        match expires.refresher {
            Some(Refresher::Uac) => value.param("refresher", "uac"),
            Some(Refresher::Uas) => value.param("refresher", "uas"),
            None => value,
        };
    });
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn whole(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Status;

    fn said(text: &str, least: Option<u32>, supported: bool) -> Said {
        Said { expires: SessionExpires::read(text.as_bytes()).ok(), least, supported }
    }

    fn timer(interval: u32, refresher: By) -> Option<SessionTimer> {
        Some(SessionTimer { interval: seconds(interval), refresher })
    }

    #[test]
    fn the_answering_side_follows_table_2_of_rfc_4028() {
        let accept = |said| SessionTimer::accept(said, Habits::default()).map_err(|refusal| refusal.status());
        assert_eq!(accept(said("600;refresher=uac", None, true)), Ok(timer(600, By::Them)));
        assert_eq!(accept(said("600;refresher=uas", None, true)), Ok(timer(600, By::Us)));
        assert_eq!(accept(said("600", None, true)), Ok(timer(600, By::Us)));
        assert_eq!(accept(said("600", None, false)), Ok(timer(600, By::Us)));
        assert_eq!(accept(said("", None, true)), Ok(timer(1800, By::Us)));
        assert_eq!(accept(said("", None, false)), Ok(None));
        assert_eq!(accept(said("7200", None, true)), Ok(timer(1800, By::Us)), "an interval may be shortened");
        assert_eq!(accept(said("7200", Some(3600), true)), Ok(timer(3600, By::Us)), "but not below their Min-SE");
        assert_eq!(accept(said("89", None, true)), Err(Status::SESSION_INTERVAL_TOO_SMALL));
        assert_eq!(accept(said("60", None, false)), Ok(timer(90, By::Us)), "who knows no timers cannot read a 422");
    }

    #[test]
    fn the_asking_side_takes_what_the_2xx_says_and_refreshes_where_it_says_nothing_of_who() {
        let habits = Habits::default();
        let agreed = |said| SessionTimer::agreed(said, seconds(1800), habits);
        assert_eq!(agreed(said("600;refresher=uas", None, true)), timer(600, By::Them));
        assert_eq!(agreed(said("600;refresher=uac", None, true)), timer(600, By::Us));
        assert_eq!(agreed(said("600", None, true)), timer(600, By::Us));
        assert_eq!(agreed(said("1", None, true)), timer(90, By::Us), "no peer makes us refresh every half second");
        assert_eq!(agreed(said("", None, true)), None);
        let insisting = SessionTimer::agreed(said("", None, false), seconds(1800), Habits { insist: true, ..habits });
        assert_eq!(insisting, timer(1800, By::Us));
    }

    #[test]
    fn a_422_is_followed_once_upwards() {
        assert_eq!(SessionTimer::after_422(said("", Some(3600), true), seconds(1800)), Some(seconds(3600)));
        assert_eq!(SessionTimer::after_422(said("", Some(1800), true), seconds(1800)), None);
        assert_eq!(SessionTimer::after_422(said("", None, true), seconds(1800)), None);
    }

    #[test]
    fn half_of_the_interval_refreshes_and_a_missing_refresh_ends_it_before_its_end() {
        let half_hour = SessionTimer { interval: seconds(1800), refresher: By::Us };
        assert_eq!((half_hour.refresh_after(), half_hour.gives_up_after()), (seconds(900), seconds(1768)));
        let shortest = SessionTimer { interval: seconds(90), refresher: By::Them };
        assert_eq!((shortest.refresh_after(), shortest.gives_up_after()), (seconds(45), seconds(60)));
    }

    #[test]
    fn the_roles_of_a_request_name_the_same_person_from_either_side() {
        let ours = SessionTimer { interval: seconds(600), refresher: By::Us };
        assert_eq!(ours.in_request(), SessionExpires { seconds: 600, refresher: Some(Refresher::Uac) });
        assert_eq!(ours.in_response(), SessionExpires { seconds: 600, refresher: Some(Refresher::Uas) });
    }
}
