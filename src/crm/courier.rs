//! Carries events to CRMs: out of the outbox, through a dialect, over HTTP; what was said is kept between any two requests.
//!
//! ```text
//!  letter (an envelope) ─► what the CRM was told of this call ─► dialect ─► request ─► answer ─► … ─► kept, arrived
//! ```
//!
//! A dialect is plain code that waits for each answer, so it runs on a thread of its own; the outbox bounds how many do.
//! Whatever it has not said within ten seconds is said by the next try.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::grant::{Grant, is_stale};
use super::news::News;
use super::recording;
use super::teller::{Desk, Teller};
use super::wire::{Answer, Failed, Found, Request, Told, Wire};
use crate::clerk::Clerk;
use crate::clock::{Duration, Timestamp};
use crate::config::{Config, Crm, Dialect};
use crate::event::{Event, EventKind};
use crate::fact::CustomerCard;
use crate::key::CallId;
use crate::letter::{Carrier, Letter};
use crate::media::library::within;
use crate::outbox::{Carry, Delivery, Errand, Failure, Http};
use crate::store::{CrmNotes, Reader, StoreError};

/// How long one try may go on saying things; then it ends with the answer it waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest answer that is read: a page of customers.
const LARGEST: usize = 8 << 20;
/// A window that comes later than this after its event is of no use.
const STALE: Duration = Duration::from_secs(60);
/// How often a request is sent again at once where the CRM says that it is asked too often.
const AGAIN: u32 = 3;

/// The courier of all CRMs.
#[derive(Default)]
pub struct Courier {
    /// Writes down whom CRMs know; there once the router is.
    clerk: OnceLock<Clerk>,
    paces: Mutex<BTreeMap<String, Arc<Pace>>>,
    grants: Mutex<BTreeMap<Arc<str>, Arc<Grant>>>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

impl Courier {
    /// From now on whom CRMs know is written down.
    pub fn meets(&self, clerk: Clerk) {
        // A second one would be the same.
        _ = self.clerk.set(clerk);
    }

    /// How often this CRM may be asked: everybody who asks it shares this.
    pub fn pace(&self, crm: &str, dialect: Dialect) -> Arc<Pace> {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.entry(crm.to_owned()).or_insert_with(|| Arc::new(Pace::of(dialect))).clone()
    }
}

impl Courier {
    /// The leave to speak with this CRM, where it takes one: everybody who asks it shares this.
    pub fn grant(&self, crm: &Crm, directory: &Path) -> Option<Arc<Grant>> {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grant) = grants.get(&crm.name).filter(|grant| grant.is_of(crm)) {
            return Some(grant.clone());
        }
        let grant = Arc::new(Grant::of(crm, directory.to_owned())?);
        grants.insert(crm.name.clone(), grant.clone());
        Some(grant)
    }
}

impl Carry for Courier {
    fn is_wanted(&self, config: &Config) -> bool {
        !config.crms.is_empty()
    }

    fn letters_of(&self, event: &Event, config: &Config) -> Vec<Letter> {
        let kind = event.told.kind;
        let Some(call) = event.told.call else { return Vec::new() };
        let wanted = config.crms.iter().filter(|crm| super::wants(crm.dialect, kind));
        if event.call["direction"] == "internal" {
            return Vec::new();
        }
        let letter = |to: &Arc<str>| Letter {
            carrier: Carrier::Crm,
            to: to.clone(),
            about: event.id.to_string().into(),
            call: Some(call),
            body: event.envelope(),
        };
        wanted.map(|crm| letter(&crm.name)).collect()
    }

    fn knows(&self, to: &str, config: &Config) -> bool {
        config.crm(to).is_some()
    }

    fn deliver(&self, errand: Errand) -> Delivery {
        let clerk = self.clerk.get().cloned();
        let crm = errand.config.crm(&errand.letter.to);
        let pace = crm.map(|crm| self.pace(&crm.name, crm.dialect));
        let grant = crm.and_then(|crm| self.grant(crm, &errand.directory));
        Box::pin(async move {
            let Some(pace) = pace else { return Err(Failure::never("the config names this CRM no more")) };
            let handle = Handle::current();
            let carried = tokio::task::spawn_blocking(move || {
                let mut line = Line::new(errand.http.clone(), handle, pace, grant);
                carry(&errand, &mut line)
            });
            let (outcome, found) =
                carried.await.map_err(|error| Failure::Refused(format!("it failed here: {error}")))?;
            if let Some(clerk) = clerk {
                write_down(&clerk, found).await;
            }
            outcome
        })
    }
}

/// Carries one letter; whom the CRM knows, on the way.
fn carry(errand: &Errand, line: &mut Line) -> (Result<(), Failure>, Vec<Found>) {
    let mut found = Vec::new();
    let outcome = tell(errand, line, &mut found);
    (outcome.map_err(failure), found)
}

fn failure(failed: Failed) -> Failure {
    match failed {
        Failed::Later { why, after } => Failure::Unwell(why, after),
        Failed::Never(why) => Failure::Never(why),
    }
}

fn tell(errand: &Errand, line: &mut Line, found: &mut Vec<Found>) -> Result<(), Failed> {
    let config = &errand.config;
    let crm = config.crm(&errand.letter.to).ok_or_else(|| Failed::Never("the config names this CRM no more".into()))?;
    let id = errand.letter.call.ok_or_else(|| Failed::Never("the letter is of no call".into()))?;
    let envelope = serde_json::from_str(&errand.letter.body).unwrap_or_default();
    let mut news = News::read(&envelope).map_err(Failed::Never)?;
    news.seen_by(config);
    let notes = CrmNotes::open(&errand.directory).map_err(store)?;
    let told = notes.told(&crm.name, id).map_err(store)?;
    let told: Told = told.and_then(|told| serde_json::from_str(&told).ok()).unwrap_or_default();
    let Some(mut call) = news.call.take().filter(|_| told.last.as_deref() != Some(&*news.id)) else { return Ok(()) };
    if news.kind == EventKind::CallStarted {
        let number = call.from.number.as_ref().and_then(|number| number.parse().ok());
        let reader = Reader::open(&errand.directory).map_err(store)?;
        let known = number.map(|number| reader.customers_with(number)).transpose().map_err(store)?;
        let provisional = known.is_some_and(|known| known.first().is_some_and(|first| first.provisional));
        call.contact.iter_mut().for_each(|contact| contact.provisional = provisional);
    }
    let age = Duration::try_from(errand.now.duration_since(news.time)).unwrap_or_default();
    let link = recording::link(crm, id);
    let mut paper =
        Paper { notes: &notes, crm: &crm.name, call: id, directory: &errand.directory, now: errand.now, found, link };
    let mut told = super::tell(Teller {
        crm,
        config,
        news: &news,
        call: &call,
        stale: age > STALE,
        told,
        wire: line,
        desk: &mut paper,
    })?;
    told.last = Some(news.id.to_string());
    paper.keep(&told)
}

fn store(error: StoreError) -> Failed {
    Failed::later(error.to_string())
}

/// Whom a CRM knows is known here from the next call on; numbers that were known before stay.
async fn write_down(clerk: &Clerk, found: Vec<Found>) {
    for Found { kind, id, name, responsible, mut numbers } in found {
        let of = id.clone();
        let there = clerk.read(move |reader| reader.customer(kind, &of)).await.ok().flatten();
        if let Some(there) = there {
            let known = there.row.numbers.into_iter().filter(|number| !numbers.contains(number)).collect::<Vec<_>>();
            numbers.extend(known);
        }
        let card = CustomerCard { name, responsible, numbers, provisional: false };
        if let Err(error) = clerk.put_customer(kind, &id, Some(card)).await {
            tracing::warn!(%id, %error, "a customer whom the CRM knows was not written down");
        }
    }
}

/// The disk, as a dialect sees it.
struct Paper<'a> {
    notes: &'a CrmNotes,
    crm: &'a str,
    call: CallId,
    directory: &'a Path,
    now: Timestamp,
    found: &'a mut Vec<Found>,
    link: Option<String>,
}

impl Desk for Paper<'_> {
    fn keep(&mut self, told: &Told) -> Result<(), Failed> {
        let told = serde_json::to_string(told).map_err(|error| Failed::Never(error.to_string()))?;
        self.notes.keep(self.crm, self.call, &told, self.now).map_err(store)
    }

    fn recording(&mut self, file: &str) -> Result<Option<Vec<u8>>, Failed> {
        let Some(path) = within(self.directory, file) else { return Ok(None) };
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failed::later(format!("{}: {error}", path.display()))),
        }
    }

    fn found(&mut self, customer: Found) {
        self.found.push(customer);
    }

    fn link(&self) -> Option<String> {
        self.link.clone()
    }
}

/// The way to a CRM.
pub struct Line {
    http: Http,
    handle: Handle,
    pace: Arc<Pace>,
    grant: Option<Arc<Grant>>,
    until: Instant,
}

impl Line {
    /// A way that is open for ten seconds. Used from a thread that may wait.
    pub fn new(http: Http, handle: Handle, pace: Arc<Pace>, grant: Option<Arc<Grant>>) -> Line {
        Line { http, handle, pace, grant, until: Instant::now() + PATIENCE }
    }
}

impl Wire for Line {
    fn send(&mut self, request: Request) -> Result<Answer, Failed> {
        let (http, pace, grant, until) = (&self.http, &self.pace, self.grant.as_deref(), self.until);
        self.handle.block_on(async {
            let mut tries = 0;
            let mut access = match grant {
                Some(grant) => grant.access().await?,
                None => String::new(),
            };
            let mut may_renew = true;
            loop {
                pace.turn().await;
                if Instant::now() > until {
                    return Err(Failed::later("there was more to say than fits into a minute"));
                }
                let answer = match grant {
                    // The first time there is nothing to show.
                    Some(_) if access.is_empty() => Answer::stale(),
                    Some(grant) => ask(http, &grant.sign(&request, &access)).await?,
                    None => ask(http, &request).await?,
                };
                if let (Some(grant), true, true) = (grant, may_renew, is_stale(&answer)) {
                    access = grant.renew(&access, async |request: Request| ask(http, &request).await).await?;
                    may_renew = false;
                    continue;
                }
                tries += 1;
                if tries > AGAIN || !asks_for_peace(&answer) {
                    return Ok(answer);
                }
                tokio::time::sleep(answer.retry_after.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(5)))
                    .await;
            }
        })
    }
}

/// It is asked too often, and says so.
fn asks_for_peace(answer: &Answer) -> bool {
    answer.status == 429 || answer.status == 503 && answer.json()["error"] == "QUERY_LIMIT_EXCEEDED"
}

async fn ask(http: &Http, request: &Request) -> Result<Answer, Failed> {
    let method = if request.method == "GET" { reqwest::Method::GET } else { reqwest::Method::POST };
    let mut building = http.request(method, &request.url);
    for (name, value) in &request.headers {
        building = building.header(*name, value);
    }
    if !request.body.is_empty() {
        building = building.body(request.body.clone());
    }
    match http.ask_for(building, LARGEST).await {
        Ok(answer) => Ok(Answer { status: answer.status, retry_after: answer.rest, body: answer.text.into_bytes() }),
        Err(Failure::Never(why) | Failure::Gone(why)) => Err(Failed::Never(why)),
        Err(Failure::Refused(why)) => Err(Failed::later(why)),
        Err(Failure::Unwell(why, after)) => Err(Failed::Later { why, after }),
    }
}

/// How often a CRM may be asked: some at once, then one every so often.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    at_once: u32,
    /// When the last one that was let through would have come, one every so often.
    last: Mutex<Option<Instant>>,
}

impl Pace {
    /// Bitrix24 bears two a second (and 50 at once, but those are for everybody who asks it), amoCRM seven; the address of
    /// the others is the company's own.
    fn of(dialect: Dialect) -> Pace {
        let (every, at_once) = match dialect {
            Dialect::Bitrix24 => (500, 2),
            Dialect::Amocrm => (200, 4),
            Dialect::Megafon | Dialect::Mango => (0, 1),
        };
        Pace { every: Duration::from_millis(every), at_once, last: Mutex::default() }
    }

    /// Waits for one's turn.
    async fn turn(&self) {
        let until = self.reserve(Instant::now());
        tokio::time::sleep_until(until).await;
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = last.map_or(now, |last| (last + self.every).max(now));
        *last = Some(slot);
        slot.checked_sub(self.every * (self.at_once - 1)).unwrap_or(slot).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitrix24_is_asked_twice_a_second_and_no_more_whoever_asks() {
        let pace = Pace::of(Dialect::Bitrix24);
        let start = Instant::now();
        let waits: Vec<u128> = (0..6).map(|_| (pace.reserve(start) - start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 500, 1_000, 1_500, 2_000]);
        let later = start + Duration::from_secs(60);
        let waits: Vec<u128> = (0..3).map(|_| (pace.reserve(later) - later).as_millis()).collect();
        assert_eq!(waits, [0, 0, 500]);
        let free = Pace::of(Dialect::Megafon);
        assert!((0..9).all(|_| free.reserve(start) == start));
    }
}
