//! The postman: takes what is due, lane by lane, carries many letters at once, and notes what became of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use super::carry::{Carry, Delivery, Errand};
use super::failure::Failure;
use super::http::{self, Http};
use super::lane::Lane;
use super::{Bell, Current, mail, sms, telegram, webhook};
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::drive::Clock;
use crate::fact::{Alarm, Fact};
use crate::kill_point::kill_point;
use crate::letter::Carrier;
use crate::store::{Outbox, OutboxRow, Settled, StoreError};

/// The longest that the postman sleeps: letters may also be due by somebody else's hand (a restored backup, a clock that
/// was set).
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// … and where the database cannot be used.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// How often old letters are forgotten.
const TIDYING: Duration = Duration::from_secs(3_600);
/// A lease lasts so much longer than a try may take.
const GRACE: Duration = Duration::from_secs(60);
/// A mail server is given so long for a whole mail.
const MAIL: Duration = Duration::from_secs(15 * 60);

/// How long things take.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How long after a failed try the next one comes. After the last of them a letter is given up.
    pub pauses: Vec<Duration>,
    /// How many letters to one webhook or CRM are under way at once.
    pub at_once: usize,
}

impl Default for Pace {
    fn default() -> Pace {
        let minute = 60;
        let hour = 60 * minute;
        let pauses = [5, 30, 2 * minute, 10 * minute, hour, 6 * hour, 24 * hour].map(Duration::from_secs);
        Pace { pauses: pauses.into(), at_once: 8 }
    }
}

impl Pace {
    /// How long to wait after so many tries; `None`: it is given up. Letters that failed together do not come back
    /// together: the pause is up to a fifth longer, by the letter's number.
    fn pause(&self, tries: u32, id: i64) -> Option<Duration> {
        let pause = *self.pauses.get(usize::try_from(tries.checked_sub(1)?).ok()?)?;
        let scattered = (id.unsigned_abs().wrapping_mul(2_654_435_761) ^ u64::from(tries)) % 200;
        Some(pause + pause / 1_000 * u32::try_from(scattered).unwrap_or(0))
    }
}

/// Carries letters, for the life of the process.
pub struct Postman {
    /// `storage.directory`.
    pub directory: PathBuf,
    /// The config in force.
    pub current: Current,
    /// Rung when there is something new.
    pub bell: Bell,
    /// The clock.
    pub clock: Clock,
    /// Speaks the dialects of CRMs.
    pub crm: Option<Arc<dyn Carry>>,
    /// How long things take.
    pub pace: Pace,
    /// Hears of letters that arrived at customers, and of those that were given up.
    pub tell: Box<dyn Fn(Fact) + Send>,
}

impl Postman {
    /// Starts the thread. It ends with the process, at any moment: what is under way then is carried again.
    ///
    /// # Errors
    /// The system gives no thread, or the machine's certificates cannot be read.
    pub fn start(self) -> std::io::Result<()> {
        let http = Http::new().map_err(std::io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let round = Round::of(self, http);
        std::thread::Builder::new().name("outbox".into()).spawn(move || runtime.block_on(round.run())).map(drop)
    }
}

/// A try under way.
#[derive(Debug)]
struct UnderWay {
    letter: OutboxRow,
    lane: String,
}

/// The postman at work.
struct Round {
    postman: Postman,
    http: Http,
    directory: Arc<Path>,
    outbox: Option<Outbox>,
    has_begun: bool,
    tidies: Timestamp,
    lanes: BTreeMap<String, Lane>,
    running: JoinSet<Result<(), Failure>>,
    under_way: HashMap<Id, UnderWay>,
    /// What is not noted in the database yet: kept until it is.
    done: Vec<(i64, Settled)>,
    /// Receivers that want no more, not noted yet.
    gone: Vec<(String, String)>,
}

impl Round {
    fn of(postman: Postman, http: Http) -> Round {
        Round {
            directory: postman.directory.as_path().into(),
            postman,
            http,
            outbox: None,
            has_begun: false,
            tidies: Timestamp::MIN,
            lanes: BTreeMap::new(),
            running: JoinSet::new(),
            under_way: HashMap::new(),
            done: Vec::new(),
            gone: Vec::new(),
        }
    }

    async fn run(mut self) {
        loop {
            let wait = self.set_out().unwrap_or_else(|error| {
                tracing::error!(%error, "the outbox");
                self.outbox = None;
                AFTER_TROUBLE
            });
            tokio::select! {
                () = self.postman.bell.rung() => {}
                Some(ended) = self.running.join_next_with_id() => self.came_back(ended),
                () = tokio::time::sleep(wait) => {}
            }
            while let Some(ended) = self.running.try_join_next_with_id() {
                self.came_back(ended);
            }
        }
    }

    /// Notes what came back and sends out what is due; how long there is nothing to do then, unless somebody comes back.
    fn set_out(&mut self) -> Result<Duration, StoreError> {
        let now = self.now();
        let mut outbox = match self.outbox.take() {
            Some(outbox) => outbox,
            None => Outbox::open(&self.directory)?,
        };
        let next = self.set_out_from(&mut outbox, now);
        self.outbox = Some(outbox);
        let wait = Duration::try_from(next?.duration_since(self.now())).unwrap_or_default();
        Ok(wait.min(LONGEST_SLEEP))
    }

    /// … and when there is something to do again.
    fn set_out_from(&mut self, outbox: &mut Outbox, now: Timestamp) -> Result<Timestamp, StoreError> {
        // Only once: what is under way later is ours.
        if !self.has_begun {
            outbox.begin(now)?;
            self.has_begun = true;
        }
        for (lane, why) in &self.gone {
            if let Some(address) = self.address(lane) {
                outbox.close(lane, &address, why, now)?;
            }
        }
        self.gone.clear();
        if !self.done.is_empty() {
            kill_point("before_settled");
            outbox.settle(&self.done, now)?;
            self.done.clear();
        }
        if self.postman.bell.is_afresh() {
            self.lanes.values_mut().for_each(Lane::arrived);
        }
        // Where the clock was set back, what was put off by the old time is found there.
        if now >= self.tidies || now.checked_add(TIDYING).is_ok_and(|latest| latest < self.tidies) {
            let more = outbox.forget(now)?;
            self.tidies = now.checked_add(if more { Duration::from_secs(1) } else { TIDYING }).unwrap_or(now);
        }
        let mut next = self.tidies;
        let Some(config) = (self.postman.current)() else { return Ok(next) };
        let closed = self.closed(outbox, now)?;
        for (lane, due) in outbox.lanes()? {
            let Some(receiver) = self.receiver(&lane, &config) else {
                let why = "the config names it no more";
                let count = outbox.give_up(&lane, why)?;
                tracing::warn!(lane, count, why, "letters were given up");
                self.alarm(&lane, &format!("{count} letters"), why);
                continue;
            };
            if receiver == Receiver::Resting || closed.contains(&lane) {
                continue;
            }
            if due > now {
                next = next.min(due);
                continue;
            }
            let slots = self.slots(&lane);
            let state = self.lanes.entry(lane.clone()).or_default();
            let free = state.free(slots, now);
            if free > 0 {
                self.take(outbox, &lane, free, now, &config)?;
                // Those that were taken are due when their lease ends; others may be due at once.
                next = next.min(now);
            } else if let Some(resumes) = state.resumes().filter(|resumes| *resumes > now) {
                next = next.min(resumes);
            }
        }
        Ok(next)
    }
}

/// Whether anybody may be written to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Receiver {
    Awake,
    /// `active = false`: what waits goes on waiting.
    Resting,
}

/// The carrier of a lane, and which webhook or CRM it is.
fn taken_apart(lane: &str) -> (Option<Carrier>, &str) {
    let (carrier, name) = lane.split_once(' ').unwrap_or((lane, ""));
    (Carrier::of(carrier), name)
}

impl Round {
    /// Whom a lane leads to; `None` where the config does not say any more.
    fn receiver(&self, lane: &str, config: &Config) -> Option<Receiver> {
        let (carrier, name) = taken_apart(lane);
        let awake = match carrier? {
            Carrier::Mail => config.mail.is_some(),
            Carrier::Sms => config.sms.is_some(),
            Carrier::Telegram => config.telegram.is_some(),
            Carrier::Webhook => match webhook::named(config, name) {
                Some(webhook) if !webhook.active => return Some(Receiver::Resting),
                webhook => webhook.is_some(),
            },
            Carrier::Crm => self.postman.crm.as_ref().is_some_and(|crm| crm.knows(name, config)),
        };
        awake.then_some(Receiver::Awake)
    }

    fn slots(&self, lane: &str) -> usize {
        match taken_apart(lane).0 {
            // One after the other, as mail servers like it.
            Some(Carrier::Mail) | None => 1,
            Some(Carrier::Sms | Carrier::Telegram) => 4.min(self.postman.pace.at_once),
            Some(Carrier::Webhook | Carrier::Crm) => self.postman.pace.at_once,
        }
    }

    /// How long one try may take.
    fn limit(&self, lane: &str) -> Duration {
        match taken_apart(lane).0 {
            Some(Carrier::Mail) | None => MAIL,
            Some(Carrier::Crm) => self.postman.crm.as_ref().map_or(http::PATIENCE, |crm| crm.limit()),
            Some(_) => http::PATIENCE,
        }
    }

    /// Where a lane leads, as a digest; `None` where nobody can close it.
    fn address(&self, lane: &str) -> Option<String> {
        let config = (self.postman.current)()?;
        match taken_apart(lane) {
            (Some(Carrier::Webhook), name) => webhook::address_of(&config, name),
            (Some(Carrier::Crm), _) => Some(String::new()),
            _ => None,
        }
    }

    /// The lanes whose receivers want no more; one that has moved since is open again.
    fn closed(&self, outbox: &mut Outbox, now: Timestamp) -> Result<BTreeSet<String>, StoreError> {
        let mut closed = BTreeSet::new();
        for receiver in outbox.closed()? {
            if self.address(&receiver.lane).is_some_and(|address| address == receiver.address) {
                closed.insert(receiver.lane);
            } else {
                tracing::info!(lane = receiver.lane, "this receiver has moved and is written to again");
                outbox.open_again(&receiver.lane, now)?;
            }
        }
        Ok(closed)
    }

    fn take(
        &mut self,
        outbox: &mut Outbox,
        lane: &str,
        free: usize,
        now: Timestamp,
        config: &Arc<Config>,
    ) -> Result<(), StoreError> {
        let limit = self.limit(lane);
        let until = now.checked_add(limit + GRACE).unwrap_or(now);
        for letter in outbox.take(lane, now, until, free)? {
            // A try that outlived its lease, for instance because the machine slept, is under way nevertheless.
            if self.under_way.values().any(|other| other.letter.id == letter.id) {
                continue;
            }
            let errand = Errand {
                letter: letter.clone(),
                config: config.clone(),
                http: self.http.clone(),
                directory: self.directory.clone(),
                now,
            };
            let delivery = self.delivery(errand);
            let carried = async move {
                let late = |_| Err(Failure::Unwell(format!("it took longer than {} s", limit.as_secs()), None));
                tokio::time::timeout(limit, delivery).await.unwrap_or_else(late)
            };
            let task = self.running.spawn(carried);
            self.lanes.entry(lane.to_owned()).or_default().running += 1;
            self.under_way.insert(task.id(), UnderWay { letter, lane: lane.to_owned() });
        }
        Ok(())
    }

    fn delivery(&self, errand: Errand) -> Delivery {
        match errand.letter.carrier {
            Carrier::Mail => Box::pin(mail::deliver(errand)),
            Carrier::Sms => Box::pin(sms::deliver(errand)),
            Carrier::Telegram => Box::pin(telegram::deliver(errand)),
            Carrier::Webhook => Box::pin(webhook::deliver(errand)),
            Carrier::Crm => match &self.postman.crm {
                Some(crm) => crm.deliver(errand),
                None => Box::pin(async { Err(Failure::never("no dialect of a CRM is spoken here")) }),
            },
        }
    }

    /// Somebody came back: what that means for the letter, and for its lane.
    fn came_back(&mut self, ended: Result<(Id, Result<(), Failure>), JoinError>) {
        let (id, result) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(Failure::Refused("the program failed over it; its log says where".into()))),
        };
        let Some(UnderWay { letter, lane }) = self.under_way.remove(&id) else { return };
        let now = self.now();
        let state = self.lanes.entry(lane.clone()).or_default();
        state.running = state.running.saturating_sub(1);
        let (to, about, tries) = (&*letter.to, &*letter.about, letter.tries);
        let later = |rest: Option<Duration>| {
            let pause = self.postman.pace.pause(tries, letter.id)?;
            now.checked_add(rest.map_or(pause, |rest| rest.max(pause))).ok()
        };
        let settled = match result {
            Ok(()) => {
                state.arrived();
                match letter.carrier {
                    Carrier::Webhook | Carrier::Crm => tracing::debug!(lane, about, "it has arrived"),
                    Carrier::Mail => tracing::info!(to, about, "a mail was sent"),
                    Carrier::Sms => tracing::info!(to, about, "an SMS was sent"),
                    Carrier::Telegram => tracing::info!(to, about, "a message was sent"),
                }
                Settled::Sent
            }
            Err(failure) => {
                tracing::warn!(lane, to, about, tries, why = failure.why(), "a letter did not arrive");
                let (again, why) = match failure {
                    Failure::Refused(why) => {
                        state.refused(now);
                        (later(None), why)
                    }
                    Failure::Unwell(why, rest) => {
                        state.unwell(now, rest);
                        (later(rest), why)
                    }
                    Failure::Never(why) => (None, why),
                    Failure::Gone(why) => {
                        self.gone.push((lane.clone(), why.clone()));
                        (Some(now), why)
                    }
                };
                match again {
                    Some(again) => Settled::Later(again, why),
                    None => Settled::Dead(why),
                }
            }
        };
        self.report(&letter, &settled);
        self.done.push((letter.id, settled));
    }

    /// Tells the office of what it wants to know.
    fn report(&self, letter: &OutboxRow, settled: &Settled) {
        let failed = match settled {
            Settled::Sent => None,
            Settled::Later(..) => return,
            Settled::Dead(why) => Some(why.clone()),
        };
        if letter.carrier == Carrier::Sms {
            (self.postman.tell)(Fact::Delivered {
                carrier: letter.carrier.word().into(),
                to: letter.to.as_str().into(),
                about: letter.about.as_str().into(),
                call: letter.call,
                failed: failed.clone(),
            });
        }
        if let Some(why) = failed {
            self.alarm(&letter.to, &letter.about, &why);
        }
    }

    fn alarm(&self, to: &str, about: &str, why: &str) {
        let why = why.to_owned();
        (self.postman.tell)(Fact::Alarm(Alarm::Undelivered { to: to.into(), file: about.into(), why }));
    }

    fn now(&self) -> Timestamp {
        self.postman.clock.now().wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_and_are_scattered() {
        let pace = Pace::default();
        for (tries, pause_of) in (1..).zip(pace.pauses.clone()) {
            let pauses = (1..50).map(|id| pace.pause(tries, id).unwrap());
            assert!(pauses.clone().all(|pause| (pause_of..=pause_of * 12 / 10).contains(&pause)));
            let different: BTreeSet<_> = pauses.collect();
            assert!(different.len() > 30, "{tries}: {different:?}");
        }
        assert_eq!((pace.pause(8, 1), pace.pause(0, 1)), (None, None));
    }
}
