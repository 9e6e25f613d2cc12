//! The figures at `/metrics`, for Prometheus and its relatives.
//!
//! They are gathered when somebody asks, from the core, from what was counted of facts, from the database and from the
//! system, and kept for a second: whoever asks too often costs the core nothing. Names of trunks, carriers and causes stand
//! in labels; numbers and names of people never do.
//!
//! Whoever asks shows a token with the scope `metrics:read`; with `web.metrics = "loopback"` a program of this machine needs
//! none. What a proxy on this machine passes on is not of this machine.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::exposition::{Format, Label, Page};
use super::manners;
use super::office::Office;
use super::problem::Problem;
use super::process::Process;
use super::token::{Asker, Peer};
use super::watched::Seen;
use crate::clock::{Duration, Instant, Timestamp};
use crate::config::MetricsFor;
use crate::fact::MissedCause;
use crate::meter::{Meter, Outcome};
use crate::route::Direction;
use crate::switch::{Question, TrunkFigures};

/// For how long what was gathered is shown again.
const FRESH: Duration = Duration::from_secs(1);

pub(super) fn router(office: Office) -> axum::Router {
    let router = axum::Router::new().route("/metrics", axum::routing::get(metrics)).with_state(office);
    router.layer(from_fn(manners::kept))
}

/// Whoever may see the figures.
struct Watcher;

impl FromRequestParts<Office> for Watcher {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, office: &Office) -> Result<Watcher, Problem> {
        let passed_on = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
        let near = parts.extensions.get::<Peer>().is_some_and(|peer| peer.0.ip().to_canonical().is_loopback())
            && !passed_on.iter().any(|name| parts.headers.contains_key(*name));
        if near
            && office.config()?.web.metrics == MetricsFor::Loopback
            && !parts.headers.contains_key(header::AUTHORIZATION)
        {
            return Ok(Watcher);
        }
        Asker::from_request_parts(parts, office).await?.may_for_all("metrics:read")?;
        Ok(Watcher)
    }
}

async fn metrics(State(office): State<Office>, _: Watcher, headers: HeaderMap) -> Result<Response, Problem> {
    let seen = seen(&office).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let text = written(&seen, &office.watched.meter, format);
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}

/// What is to be seen; looked at afresh by one, while the others who ask wait for it.
async fn seen(office: &Office) -> Result<Arc<Seen>, Problem> {
    let mut gathered = office.watched.gathered.lock().await;
    let now = office.clock.now();
    if let Some((_, seen)) = gathered.as_ref().filter(|(at, _)| now.mono.since(*at) < FRESH) {
        return Ok(seen.clone());
    }
    let figures = office.clerk.ask(Question::Figures).await?;
    let figures = serde_json::from_value(figures).map_err(|error| {
        tracing::error!(%error, "the figures cannot be read");
        Problem::broken()
    })?;
    // A database that cannot be read is a figure as well, and no reason to show no other.
    let waiting = office.clerk.read(move |reader| reader.waiting(now.wall)).await;
    let waiting = waiting.inspect_err(|error| tracing::warn!(%error, "the figures are without the database's")).ok();
    let directory = office.clerk.directory().to_owned();
    let process = tokio::task::spawn_blocking(move || Process::look(&directory)).await.unwrap_or_default();
    let uptime = now.mono.since(Instant::START);
    let started = now.wall.checked_sub(uptime).unwrap_or(now.wall);
    let counted = office.watched.meter.counted();
    let seen = Arc::new(Seen { figures, counted, waiting, process, started, uptime });
    *gathered = Some((office.clock.now().mono, seen.clone()));
    Ok(seen)
}

/// The page.
fn written(seen: &Seen, meter: &Meter, format: Format) -> String {
    let mut page = Page::new(format);
    calls(&mut page, seen, meter);
    peers(&mut page, seen, meter);
    media(&mut page, seen, meter);
    record(&mut page, seen, meter);
    office(&mut page, seen);
    process(&mut page, seen);
    page.finish()
}

fn calls(page: &mut Page, Seen { figures, counted, .. }: &Seen, meter: &Meter) {
    let now = [("inbound", figures.inbound), ("outbound", figures.outbound), ("internal", figures.internal)];
    let now: Vec<_> = now.into_iter().map(|(word, count)| (vec![("direction", word)], count as f64)).collect();
    page.gauges("huntline_calls_in_progress", "Calls in progress.", by(&now));
    page.gauge("huntline_legs", "Legs of calls in progress.", figures.census.legs as f64);
    page.gauge("huntline_legs_ringing", "Legs that are being rung.", figures.ringing as f64);

    let mut over = Vec::new();
    for direction in [Direction::Inbound, Direction::Outbound, Direction::Internal] {
        for (outcome, word) in
            [(Outcome::Answered, "answered"), (Outcome::Missed, "missed"), (Outcome::Unanswered, "unanswered")]
        {
            let count = counted.calls.get(&(direction, outcome)).copied().unwrap_or(0);
            over.push((spoken(&direction), word, count));
        }
    }
    let labels = |(direction, outcome, count): &(String, &'static str, u64)| {
        (vec![("direction", direction.clone()), ("outcome", (*outcome).to_owned())], *count as f64)
    };
    let over: Vec<_> = over.iter().map(labels).collect();
    let over: Vec<_> = over.iter().map(|(labels, count)| (borrowed(labels), *count)).collect();
    page.counters(
        "huntline_calls",
        "Calls that are over and on record, since the start: answered by a human, missed (a customer whom nobody talked with), \
         or neither.",
        by(&over),
    );
    let causes: Vec<_> = MissedCause::ALL
        .iter()
        .map(|cause| (spoken(cause), counted.missed.get(cause).copied().unwrap_or(0) as f64))
        .collect();
    page.counters("huntline_calls_missed", "Missed calls by their cause.", by(&one("cause", &causes)));
    let refused =
        [("overload".to_owned(), figures.census.refused_for_load as f64), ("limit".into(), counted.over_limit as f64)];
    page.counters(
        "huntline_calls_refused",
        "Calls refused: for overload (503), or because a trunk or DID had as many as it may (486).",
        by(&one("reason", &refused)),
    );
    page.counter("huntline_talk_seconds", "How long people talked.", counted.talk_ms as f64 / 1e3);
    page.histogram(
        "huntline_invite_forward_seconds",
        "From reading a caller's INVITE to having sent the first INVITEs to phones.",
        &meter.forwarding.spans(),
    );
    page.histogram(
        "huntline_post_dial_delay_seconds",
        "From a caller's INVITE to the first 18x or voice that they hear.",
        &meter.post_dial.spans(),
    );
    page.histogram(
        "huntline_answer_seconds",
        "From a caller's INVITE to the first human who answers.",
        &meter.answer.spans(),
    );
}

fn peers(page: &mut Page, Seen { figures, .. }: &Seen, meter: &Meter) {
    page.gauge("huntline_bindings", "Phones that are registered.", figures.census.bindings as f64);
    page.gauge(
        "huntline_bindings_reachable",
        "Registered phones that can be rung at this moment.",
        figures.reachable as f64,
    );
    page.gauge("huntline_subscriptions", "Lamps that are told.", figures.census.subscriptions as f64);
    page.gauge("huntline_transactions", "SIP transactions in the table.", figures.census.transactions as f64);
    let [connections, turned_away, unsent] = meter.net();
    page.gauge("huntline_sip_connections", "SIP connections that are open.", connections as f64);
    page.counter("huntline_sip_connections_refused", "SIP connections that were turned away.", turned_away as f64);
    page.counter("huntline_sip_unsent", "SIP messages that the system did not take.", unsent as f64);

    let trunks = |value: &dyn Fn(&TrunkFigures) -> Option<f64>| -> Vec<(String, f64)> {
        let of = |trunk: &TrunkFigures| Some((trunk.name.to_string(), value(trunk)?));
        figures.trunks.iter().filter_map(of).collect()
    };
    let yes = |is: bool| Some(f64::from(u8::from(is)));
    page.gauges(
        "huntline_trunk_up",
        "1 where the trunk answers, and we are registered if we register there.",
        by(&one("trunk", &trunks(&|trunk| yes(trunk.up)))),
    );
    page.gauges(
        "huntline_trunk_registered",
        "1 while a registration of ours holds.",
        by(&one("trunk", &trunks(&|trunk| yes(trunk.registered)))),
    );
    page.gauges(
        "huntline_trunk_calls",
        "Calls on the trunk, both directions.",
        by(&one("trunk", &trunks(&|trunk| Some(f64::from(trunk.calls))))),
    );
    page.gauges(
        "huntline_trunk_options_answered_timestamp_seconds",
        "When the trunk last answered our OPTIONS, in seconds since 1970; absent until it has.",
        by(&one("trunk", &trunks(&|trunk| trunk.pinged.map(seconds)))),
    );
    let counted = |counts: &std::collections::BTreeMap<String, u64>| -> Vec<(String, f64)> {
        counts.iter().map(|(word, count)| (word.clone(), *count as f64)).collect()
    };
    page.counters(
        "huntline_strangers",
        "Requests without a right password at the door, by what became of them; a phone's usual first request is challenged too.",
        by(&one("event", &counted(&figures.strangers))),
    );
    page.gauge("huntline_bans", "Addresses and accounts that are kept out now.", figures.banned as f64);
    page.counters(
        "huntline_sip_messages",
        "SIP messages beside the usual: repeated and merged requests, stray responses, requests without room.",
        by(&one("event", &counted(&figures.requests))),
    );
}

fn media(page: &mut Page, Seen { figures, counted, .. }: &Seen, meter: &Meter) {
    page.gauge("huntline_media_ports", "Media ports in use.", figures.census.ports as f64);
    page.counter(
        "huntline_media_packets_received",
        "Packets from peers, of legs that are over.",
        counted.packets as f64,
    );
    page.counter(
        "huntline_media_packets_relayed",
        "Packets from peers that went on to the other side, of legs that are over.",
        counted.forwarded as f64,
    );
    page.counter(
        "huntline_media_packets_lost",
        "RTP packets that never came, of legs that are over.",
        counted.lost as f64,
    );
    page.counter(
        "huntline_media_packets_foreign",
        "Packets from a third address, dropped, of legs that are over.",
        counted.foreign as f64,
    );
    page.histogram("huntline_media_jitter_seconds", "The greatest jitter of each leg.", &meter.jitter.spans());
    page.gauge("huntline_recordings_running", "Recordings that run.", figures.census.takes as f64);
}

fn record(page: &mut Page, Seen { figures, counted, process, waiting, .. }: &Seen, meter: &Meter) {
    let waits = figures.census.noted.saturating_sub(figures.census.journaled);
    page.gauge("huntline_journal_facts_waiting", "Facts that are not on the disk yet.", waits as f64);
    page.counter("huntline_journal_facts", "Facts written.", counted.facts as f64);
    page.histogram(
        "huntline_journal_commit_seconds",
        "How long the disk took for a batch of facts.",
        &meter.commit.spans(),
    );
    page.counter(
        "huntline_journal_failures",
        "Batches that the disk did not take; each is tried again.",
        counted.failures as f64,
    );
    if let Some(committed) = counted.committed {
        let help = "When the disk took a batch last, in seconds since 1970.";
        page.gauge("huntline_journal_committed_timestamp_seconds", help, seconds(committed));
    }
    page.gauge(
        "huntline_guarantee_suspended",
        "1 while callers hear ringing before their call is on record, because the disk is too slow.",
        f64::from(u8::from(figures.guarantee_suspended)),
    );
    page.counter(
        "huntline_guarantee_suspensions",
        "How often the disk was too slow for the record to come first.",
        counted.guarantee_suspended as f64,
    );
    page.gauge(
        "huntline_journal_pressure",
        "1 while the journal's memory is full and new calls are refused.",
        f64::from(u8::from(figures.pressure)),
    );
    page.gauge(
        "huntline_database_readable",
        "1 where the database could be read for these figures.",
        f64::from(u8::from(waiting.is_some())),
    );
    page.gauge("huntline_database_bytes", "The database, with what is written ahead of it.", process.database);
    if let Some((free, all)) = process.disk {
        page.gauge("huntline_storage_free_bytes", "What is free for us on the disk of storage.directory.", free);
        page.gauge("huntline_storage_size_bytes", "How large that disk is.", all);
    }
}

fn office(page: &mut Page, Seen { figures, counted, waiting, .. }: &Seen) {
    if let Some(waiting) = waiting {
        let mut letters = Vec::new();
        for (carrier, open, dead) in &waiting.letters {
            letters.push((vec![("carrier", carrier.word()), ("state", "waiting")], *open as f64));
            letters.push((vec![("carrier", carrier.word()), ("state", "dead")], *dead as f64));
        }
        page.gauges(
            "huntline_outbox_letters",
            "What is to be told outside: letters that wait, and letters that were given up.",
            by(&letters),
        );
        page.gauge("huntline_follow_ups_open", "Promises to call back that are open.", waiting.open as f64);
        page.gauge(
            "huntline_follow_ups_overdue",
            "Promises to call back that are open and late.",
            waiting.overdue as f64,
        );
    }
    let alarms: Vec<_> = counted.alarms.iter().map(|(word, count)| ((*word).to_owned(), *count as f64)).collect();
    page.counters("huntline_alarms", "What an admin must hear of, by kind.", by(&one("alarm", &alarms)));
    page.gauge("huntline_customers", "Customers in memory.", figures.census.customers as f64);
    page.gauge(
        "huntline_draining",
        "1 while no new calls are taken because the process is to end.",
        f64::from(u8::from(figures.draining)),
    );
    let version = [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)];
    page.gauges("huntline_build_info", "The program.", by(&version));
    page.gauges(
        "huntline_config_info",
        "The config in force.",
        by(&one("version", &[(figures.config.to_string(), 1.0)])),
    );
    page.gauge("huntline_timers", "Timers of calls, phones and trunks.", {
        (figures.census.standing_timers + figures.census.call_timers) as f64
    });
}

fn process(page: &mut Page, Seen { process, started, uptime, .. }: &Seen) {
    page.gauge("huntline_uptime_seconds", "How long the process has run.", uptime.as_secs_f64());
    page.gauge("process_start_time_seconds", "When the process began, in seconds since 1970.", seconds(*started));
    if let Some(cpu) = process.cpu {
        page.counter("process_cpu_seconds", "Processor time, user and system.", cpu);
    }
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", process.resident),
        ("process_virtual_memory_bytes", "Memory that is mapped.", process.virtual_),
        ("process_threads", "Threads.", process.threads),
        ("process_open_fds", "Files and sockets that are open.", process.open_files),
        ("process_max_fds", "How many files and sockets may be open.", process.most_files),
    ] {
        if let Some(value) = value {
            page.gauge(name, help, value);
        }
    }
}

/// What has one label, ready to be written.
fn one<'a>(label: &'a str, values: &'a [(String, f64)]) -> Vec<(Vec<Label<'a>>, f64)> {
    values.iter().map(|(word, value)| (vec![(label, &**word)], *value)).collect()
}

fn by<'a>(samples: &'a [(Vec<Label<'a>>, f64)]) -> impl Iterator<Item = (&'a [Label<'a>], f64)> {
    samples.iter().map(|(labels, value)| (&labels[..], *value))
}

fn borrowed<'a>(labels: &'a [(&'a str, String)]) -> Vec<Label<'a>> {
    labels.iter().map(|(label, value)| (*label, &**value)).collect()
}

/// One of a few, by its word in facts and lists.
fn spoken(one: &impl Serialize) -> String {
    let word = serde_json::to_value(one).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}
