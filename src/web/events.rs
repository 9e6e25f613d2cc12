//! What happens, as it happens: server-sent events (the HTML standard, §9.2), for windows on screens and for programs.
//!
//! A stream loses nothing: each event comes with the place to go on from, and whoever was away says it
//! (`Last-Event-ID`, as browsers do by themselves). What had been told before the disk had it may come again then, under
//! the same `id` in its envelope.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::office::Office;
use super::problem::{NotShown, Problem};
use super::token::Asker;
use crate::board::{Crowded, Shown, WATCHERS, Watch, Wish};
use crate::clock::Duration;
use crate::event::{EventId, EventKind};

/// How long a stream may be silent, so that proxies and clients know that it lives; as often it is looked up whether the
/// token still is good.
const BREATH: Duration = Duration::from_secs(15);
/// Events that are read from the database at once.
const PAGE: usize = 200;
/// What is waiting is sent in pieces of about this, in bytes.
const PIECE: usize = 64 << 10;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    /// Only these kinds, with commas between them: `call.ringing,call.answered`, or `call.*` for all of a family.
    types: Option<String>,
    /// Only what concerns this extension: it was rung, talked or is responsible, or it is about its own things.
    user: Option<String>,
    /// Where to go on from: the `id` of the last event that was heard (not the one within `data`). The header
    /// `Last-Event-ID` says the same, and comes first. `0-0` begins with the oldest event that is remembered.
    last_event_id: Option<String>,
}

/// What happens, as it happens.
///
/// A stream of server-sent events that does not end by itself. `event` is the type, `data` the envelope, and `id` where to
/// go on from after a break: send it as `Last-Event-ID` (browsers do so by themselves) and nothing is lost; events of the last 30
/// days are remembered. What was sent twice bears the same `id` in its envelope. A line of comment comes every 15 s. The stream
/// ends where the client falls more than a thousand events behind, and within a minute after the token has ended: go on from the
/// last `id`.
///
/// Events of one call come in order; what the desk made of a call (`follow_up.…`, `sms.…`) comes when it is on the disk,
/// which may be after a later event of another call. A token of an employee hears what concerns that employee. The token
/// stands in the header only: addresses end up in logs and histories, and this one would be good for everything that the
/// token is good for.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(Asked, ("Last-Event-ID" = Option<String>, Header, description = "Where to go on from")),
    responses(
        (status = 200, description = "The stream", body = String, content_type = "text/event-stream"),
        NotShown
    )
)]
async fn events(State(office): State<Office>, asker: Asker, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    asker.may("events:read")?;
    let Query(asked) = Query::<Asked>::try_from_uri(&uri).map_err(|why| Problem::unreadable(why.body_text()))?;
    let wish = Wish {
        user: asker.user().map(Arc::from),
        about: asked.user.as_deref().map(Arc::from),
        kinds: asked.types.as_deref().map(kinds).transpose()?.unwrap_or_default(),
    };
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = header.or(asked.last_event_id.as_deref()).filter(|text| !text.is_empty());
    let unreadable = |why| Problem::unreadable(format!("last_event_id: {why}"));
    let after = after.map(str::parse).transpose().map_err(unreadable)?;
    let watch = office.board.watch(wish.clone()).map_err(|Crowded| {
        Problem::unavailable(format!("{WATCHERS} follow the events already; close some of their streams"))
    })?;
    let stream = Stream::new(office, asker, wish, watch, after);
    let body = Body::from_stream(futures_util::stream::unfold(stream, |mut stream| async move {
        stream.next().await.map(|piece| (Ok::<_, std::convert::Infallible>(piece), stream))
    }));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that gather answers before they pass them on would make pop-ups late.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// The kinds that are meant by `call.*,sms.failed`.
fn kinds(text: &str) -> Result<Vec<EventKind>, Problem> {
    let mut kinds = Vec::new();
    for pattern in text.split(',').map(str::trim) {
        let meant = |kind: &&EventKind| match pattern.strip_suffix('*') {
            Some(family) => family.is_empty() || family.ends_with('.') && kind.word().starts_with(family),
            None => kind.word() == pattern,
        };
        let before = kinds.len();
        kinds.extend(EventKind::ALL.iter().filter(meant));
        if kinds.len() == before {
            let all: Vec<_> = EventKind::ALL.iter().map(|kind| kind.word()).collect();
            let why =
                format!("types: there is no event {pattern:?}; there is {}, and call.* for a family", all.join(", "));
            return Err(Problem::unreadable(why));
        }
    }
    Ok(kinds)
}

/// One who listens.
struct Stream {
    office: Office,
    asker: Asker,
    wish: Wish,
    watch: Watch,
    /// Where to go on from in the database; `None`: there is nothing more there that was missed.
    missed: Option<EventId>,
    /// Everything up to here was sent.
    cursor: EventId,
    begun: bool,
    breath: Interval,
}

impl Stream {
    fn new(office: Office, asker: Asker, wish: Wish, watch: Watch, after: Option<EventId>) -> Stream {
        let mut breath = interval(BREATH);
        breath.set_missed_tick_behavior(MissedTickBehavior::Delay);
        breath.reset();
        let missed = after.filter(|after| *after < watch.journaled);
        let cursor = missed.unwrap_or(watch.journaled);
        Stream { office, asker, wish, watch, missed, cursor, begun: false, breath }
    }

    /// The next piece; `None`: it ends here.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            // Whoever is cut off before anything happens knows where to go on, too.
            return Some(format!("retry: 1000\nid: {}\n: welcome\n\n", self.cursor).into());
        }
        if let Some(after) = self.missed {
            return self.catch_up(after).await;
        }
        tokio::select! {
            biased;
            _ = self.breath.tick() => self.breathe().await,
            shown = self.watch.shown.recv() => {
                let mut piece = String::new();
                self.write(&mut piece, &shown?);
                // An end that is waiting is met with the next piece.
                _ = self.drain(&mut piece);
                Some(piece.into())
            }
        }
    }

    /// What was missed, a page at a time. Each event is a place to go on from: everything before it was sent.
    async fn catch_up(&mut self, after: EventId) -> Option<Bytes> {
        let read = self.office.clerk.read(move |reader| reader.events_after(after, PAGE)).await;
        let rows = match read {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "the event stream");
                return None;
            }
        };
        let upto = self.watch.journaled;
        let is_last = rows.len() < PAGE || rows.last().is_some_and(|row| row.id > upto);
        let mut piece = String::new();
        for row in rows.iter().filter(|row| row.id <= upto) {
            self.cursor = row.id;
            let kind = row.envelope["type"].as_str().and_then(kind_of);
            if let Some(kind) = kind.filter(|kind| self.wish.has(*kind, &row.audience)) {
                write(&mut piece, kind, self.cursor, &row.envelope.to_string());
            }
        }
        self.missed = (!is_last).then_some(self.cursor);
        if is_last {
            self.cursor = upto;
        }
        if piece.is_empty() {
            piece = format!("id: {}\n\n", self.cursor);
        }
        Some(piece.into())
    }

    /// A sign of life, and a look at the token.
    async fn breathe(&mut self) -> Option<Bytes> {
        match self.asker.is_still_known(&self.office).await {
            Ok(true) => {}
            Ok(false) => return None,
            // The database is busy; the token is looked up again with the next breath.
            Err(_) => {}
        }
        // In this order: whatever was on the disk by then is waiting here, or was sent.
        let journaled = self.office.board.journaled();
        let mut piece = String::from(": \n");
        let mut waiting = String::new();
        if self.drain(&mut waiting) {
            self.cursor = self.cursor.max(journaled);
        }
        piece.push_str(&format!("id: {}\n\n", self.cursor));
        waiting.push_str(&piece);
        Some(waiting.into())
    }

    /// What waits, as far as one piece holds it; true where nothing is left.
    fn drain(&mut self, piece: &mut String) -> bool {
        while piece.len() < PIECE {
            match self.watch.shown.try_recv() {
                Ok(shown) => self.write(piece, &shown),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        false
    }

    fn write(&mut self, piece: &mut String, shown: &Shown) {
        self.cursor = self.cursor.max(shown.cursor);
        write(piece, shown.kind, self.cursor, &shown.envelope);
    }
}

fn kind_of(word: &str) -> Option<EventKind> {
    EventKind::ALL.iter().copied().find(|kind| kind.word() == word)
}

/// One event; its envelope is JSON in one line.
fn write(piece: &mut String, kind: EventKind, cursor: EventId, envelope: &str) {
    for part in ["event: ", kind.word(), "\nid: ", &cursor.to_string(), "\ndata: ", envelope, "\n\n"] {
        piece.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_one_by_one_or_by_family() {
        assert_eq!(kinds("trunk.down, trunk.up").unwrap(), [EventKind::TrunkDown, EventKind::TrunkUp]);
        let calls = kinds("call.*").unwrap();
        assert!(calls.contains(&EventKind::CallMissed) && !calls.contains(&EventKind::TrunkUp));
        assert_eq!(kinds("*").unwrap().len(), EventKind::ALL.len());
        for wrong in ["", "call", "calls.*", "ca*", "call.ringing,"] {
            assert!(kinds(wrong).is_err(), "{wrong}");
        }
    }
}
