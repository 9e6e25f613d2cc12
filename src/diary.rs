//! The log, as a diary of calls: what an admin would tell a friend about the day.
//!
//! Every line comes from a [`Fact`], so log, record and page tell the same story. `info` has what was offered, decided and
//! why, answered, ended, and what became of trunks; `debug` the turns in between; alarms are warnings.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::mpsc::{self, SyncSender};

use crate::fact::{Alarm, Ban, CallFact, Fact, Noted, Offered, Party};
use crate::guard::Suspicion;
use crate::journal::Ledger;
use crate::store::StoreError;

/// Writes the diary beside a ledger, on the journal's thread: a slow terminal holds up no call.
#[derive(Debug)]
pub struct Diarist<L> {
    ledger: L,
    last: u64,
}

impl<L> Diarist<L> {
    /// The diary of what goes into `ledger`.
    pub fn new(ledger: L) -> Diarist<L> {
        Diarist { ledger, last: 0 }
    }
}

impl<L: Ledger> Ledger for Diarist<L> {
    fn write(&mut self, facts: &[Noted]) -> Result<(), StoreError> {
        let result = self.ledger.write(facts);
        // A batch that failed comes again; the diary has it once.
        let news = facts.iter().filter(|noted| noted.number > self.last && !is_urgent(&noted.fact));
        together(|| news.for_each(write));
        self.last = facts.last().map_or(self.last, |noted| self.last.max(noted.number));
        result
    }
}

/// Where the log goes: to stderr, line by line, and what a thread says together at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page;

thread_local! {
    static TOGETHER: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Lines that this thread writes into the log meanwhile leave in one piece: a system call for each would cost more than
/// the line.
fn together(write: impl FnOnce()) {
    TOGETHER.set(Some(Vec::new()));
    write();
    if let Some(lines) = TOGETHER.take() {
        // A log that cannot be written holds up nothing.
        let _ = io::stderr().write_all(&lines);
    }
}

impl Write for Page {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waits =
            TOGETHER.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.extend_from_slice(line)).is_some());
        if !waits {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// True for what the diary says before the disk has it: that the disk is too slow is no news once it has recovered, and
/// whoever reads the log after a kill must find it there.
fn is_urgent(fact: &Fact) -> bool {
    matches!(fact, Fact::Alarm(Alarm::GuaranteeSuspended))
}

/// Writes what cannot wait for the disk, on a thread of its own, as a log on the same disk may be as slow. Does nothing
/// with any other fact: those have their turn when they are on record.
pub fn write_if_urgent(noted: &Noted) {
    if is_urgent(&noted.fact) {
        let noted = noted.clone();
        // Without a thread the record and `status` still say it.
        _ = std::thread::Builder::new().name("alarm".into()).spawn(move || write(&noted));
    }
}

/// Writes what strangers do, at once and on a thread of its own: a firewall should hear of them also while the disk is slow,
/// and the loop waits for no terminal. Target `guard`, level `warn`; README says how fail2ban reads it.
#[derive(Clone, Debug)]
pub struct Watch(SyncSender<Suspicion>);

/// Lines that may wait for a slow terminal; what is more is not written. The guard itself lets four pass in a second.
const LINES: usize = 256;

impl Watch {
    /// Begins.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start() -> io::Result<Watch> {
        let (tell, told) = mpsc::sync_channel::<Suspicion>(LINES);
        std::thread::Builder::new().name("watch".into()).spawn(move || {
            for suspicion in told {
                write_suspicion(&suspicion);
            }
        })?;
        Ok(Watch(tell))
    }

    /// Writes a line, soon.
    pub fn tell(&self, suspicion: Suspicion) {
        // A log that does not keep up loses lines, never the loop its time.
        _ = self.0.try_send(suspicion);
    }
}

/// The words are an interface: README and fail2ban's filter know them. What a stranger has chosen comes last, and is escaped.
fn write_suspicion(suspicion: &Suspicion) {
    match suspicion {
        Suspicion::Failed { from, why, account } => {
            let account = account.as_deref();
            tracing::warn!(target: "guard", source = %from, why = %why.word(), account, "a stranger failed");
        }
        Suspicion::FailedAtHome { from, why, account, slowed } => {
            let (why, account) = (why.word(), &**account);
            tracing::warn!(target: "guard", address = %from, %why, slowed, account, "a phone of ours failed");
        }
        Suspicion::Banned { from, why, span, times } => {
            let (why, seconds) = (why.word(), span.as_secs());
            tracing::warn!(target: "guard", source = %from, %why, seconds, times, "a stranger is banned");
        }
        Suspicion::AccountBanned { account, span } => {
            let (account, seconds) = (&**account, span.as_secs());
            tracing::warn!(target: "guard", seconds, account, "an account is closed to strangers");
        }
        Suspicion::Flood { from, dropped } => {
            tracing::warn!(target: "guard", source = %from, dropped, "a stranger floods");
        }
        Suspicion::LeftOut { lines } => tracing::warn!(target: "guard", lines, "too many lines, left out"),
    }
}

/// Writes what a fact says into the log.
pub fn write(noted: &Noted) {
    match &noted.fact {
        Fact::Call(id, step) => {
            // Each span costs as much as a line: none for what an ordinary log leaves out.
            let span =
                if is_detail(step) { tracing::debug_span!("call", %id) } else { tracing::info_span!("call", %id) };
            span.in_scope(|| write_call(step));
        }
        Fact::Bound(bound) => {
            let (extension, contact, from) = (&*bound.extension, &*bound.contact, bound.remote);
            tracing::info!(extension, contact, %from, seconds = bound.granted, "a phone registered");
        }
        Fact::Unbound { extension, identity } => tracing::info!(extension = &**extension, identity, "a phone is gone"),
        Fact::TrunkDown { trunk, why } => tracing::warn!(trunk = &**trunk, why, "a trunk is down"),
        Fact::TrunkUp { trunk } => tracing::info!(trunk = &**trunk, "a trunk is up again"),
        Fact::Overridden { schedule, state } => match state {
            Some(state) => {
                tracing::info!(schedule = &**schedule, open = state.open, until = ?state.until, "hours overridden")
            }
            None => tracing::info!(schedule = &**schedule, "hours as written again"),
        },
        Fact::Away { extension, until } => match until {
            Some(until) => tracing::info!(extension = &**extension, %until, "away"),
            None => tracing::info!(extension = &**extension, "back"),
        },
        Fact::Forwarded { extension, when, to } => match to {
            Some(to) => tracing::info!(extension = &**extension, when = when.word(), to = &**to, "forwards"),
            None => tracing::info!(extension = &**extension, when = when.word(), "forwards no longer"),
        },
        Fact::Blocked { number, blocked, note } => tracing::info!(%number, blocked, note, "block list"),
        // What the guard does by itself is in the log at once ([`Watch`]).
        Fact::Banned(ban) if ban.by_hand => {
            let Ban { whom, until, why, .. } = &**ban;
            tracing::info!(%whom, %until, why = &**why, "banned by hand");
        }
        Fact::Banned(ban) => tracing::debug!(whom = %ban.whom, until = %ban.until, times = ban.times, "banned"),
        Fact::Unbanned { whom } => tracing::info!(%whom, "banned no longer"),
        Fact::Counted(counter) => tracing::debug!(?counter, "counted"),
        Fact::ConfigApplied { version, .. } => tracing::info!(version = &**version, "config applied"),
        Fact::ConfigRejected { errors, first } => tracing::warn!(errors, first, "config refused, the old one stays"),
        Fact::Recorded(recorded) => {
            let (file, seconds, empty) = (&*recorded.file, recorded.length_ms / 1000, recorded.is_empty());
            tracing::info!(call = %recorded.call, file, seconds, empty, of = ?recorded.of, "recorded");
        }
        Fact::Message { file, mailbox, now } => {
            tracing::info!(file = &**file, mailbox = &**mailbox, ?now, "message");
        }
        Fact::Erased { file, why } => tracing::info!(file = &**file, why = &**why, "a recording is erased"),
        Fact::Streamed { call, leg, streamed } => tracing::debug!(%call, leg, ?streamed, "media"),
        Fact::FollowUp { id, by, what } => tracing::info!(id, by = by.as_deref(), ?what, "follow-up"),
        Fact::CallNoted { call, by, disposition, .. } => {
            tracing::info!(%call, by = by.as_deref(), disposition = disposition.as_deref(), "written down");
        }
        Fact::Delivered { carrier, to, about, failed, .. } => match failed {
            None => tracing::info!(carrier = &**carrier, to = &**to, about = &**about, "delivered"),
            Some(why) => tracing::warn!(carrier = &**carrier, to = &**to, about = &**about, why, "given up"),
        },
        Fact::Customer { kind, id, now } => {
            tracing::info!(?kind, id = &**id, name = now.as_ref().map(|card| &*card.name), "customer");
        }
        Fact::Token(token) => tracing::info!(id = &*token.id, user = token.user.as_deref(), "a token was made"),
        Fact::TokenRevoked { id } => tracing::info!(id = &**id, "a token was revoked"),
        Fact::Report { name, now } => {
            tracing::info!(name = &**name, of = now.as_ref().map(|now| &*now.report), "a report was defined");
        }
        Fact::Alarm(alarm) => write_alarm(alarm),
        Fact::Started { version } => tracing::info!(version = &**version, "started"),
        Fact::Stopped => tracing::info!("stopped"),
    }
}

/// True for the turns in between, which are written at `debug` and below.
fn is_detail(step: &CallFact) -> bool {
    matches!(
        step,
        CallFact::Rung(_)
            | CallFact::Ringing { .. }
            | CallFact::Dropped { .. }
            | CallFact::Held { .. }
            | CallFact::Traced { .. }
    )
}

fn write_call(step: &CallFact) {
    match step {
        CallFact::Offered(offered) => {
            let Offered { direction, did, trunk, customer, because, plan, .. } = &**offered;
            let because = because.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let (from, to) = (shown(&offered.from), shown(&offered.to));
            let customer = customer.as_ref().map(|customer| &*customer.name);
            let (did, trunk) = (did.as_deref(), trunk.as_deref());
            tracing::info!(?direction, from, to, did, trunk, customer, because, plan, "offered");
        }
        CallFact::Rung(rung) => {
            rung.iter()
                .for_each(|rung| tracing::debug!(leg = rung.leg, whom = ?rung.whom, device = &*rung.device, "rung"));
        }
        CallFact::Ringing { leg } => tracing::debug!(leg, "ringing"),
        CallFact::Dropped { leg, status, .. } => tracing::debug!(leg, status, "dropped"),
        CallFact::Turned { because } => {
            let because = because.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::info!(because, "goes on");
        }
        CallFact::Answered { leg, human } => tracing::info!(leg, human, "answered"),
        CallFact::CallerAnswered { leg } => tracing::info!(leg, "whoever asked for the call has picked up"),
        CallFact::Served { leg, by } => tracing::info!(leg, by = &**by, "we speak"),
        CallFact::Recording { file, .. } => tracing::info!(file = &**file, "is written down"),
        CallFact::RecordingPaused { file, paused } => tracing::info!(file = &**file, paused, "recording pauses"),
        CallFact::Held { leg, held } => tracing::debug!(leg, held, "hold"),
        CallFact::Transferred { by, to, attended, because } => {
            let because = because.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::info!(by, to = &**to, attended, because, "transferred");
        }
        CallFact::Returned { leg, status } => tracing::info!(leg, status, "nobody took over"),
        CallFact::Merged { into } => tracing::info!(%into, "goes on in another call"),
        CallFact::Ended(ended) => {
            let missed = ended.missed.map(tracing::field::debug);
            tracing::info!(by = ?ended.by, status = ended.status, missed, talk_ms = ended.talk_ms, "ended");
        }
        CallFact::Traced { ladder, .. } => tracing::trace!(ladder, "on the wire"),
    }
}

fn write_alarm(alarm: &Alarm) {
    match alarm {
        Alarm::GuaranteeRestored => {
            tracing::info!("the disk is on time again: calls are on record before they are heard")
        }
        Alarm::GuaranteeSuspended => {
            tracing::warn!("the disk is too slow: guarantee suspended, callers hear us before they are on record");
        }
        Alarm::Pressure { on: false } => tracing::info!("new calls are taken again"),
        Alarm::Overloaded { late_ms } => tracing::warn!(late_ms, "overloaded: new calls that come late hear 503"),
        Alarm::OverloadOver { refused, seconds } => tracing::warn!(refused, seconds, "the overload is over"),
        alarm => tracing::warn!(?alarm, "alarm"),
    }
}

/// Who it is, as briefly as people say it.
fn shown(party: &Party) -> String {
    let number = party.number.as_ref().map(ToString::to_string);
    let number = party.extension.as_deref().map(str::to_owned).or(number);
    match (&party.name, number) {
        _ if party.anonymous => "anonymous".to_owned(),
        (Some(name), Some(number)) => format!("{name} ({number})"),
        (None, Some(number)) => number,
        (_, None) => party.text.clone(),
    }
}
