//! Voicemail boxes and their messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Path, Query};
use super::office::Office;
use super::page::{Page, Part};
use super::problem::{NotChanged, NotShown, Problem};
use super::recordings::file;
use super::token::Asker;
use super::words::{Somebody, moment, word};
use crate::config::Config;
use crate::fact::MessageState;
use crate::store::{RecordingFilter, RecordingRow};
use crate::switch::Question;

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new()
        .routes(routes!(boxes))
        .routes(routes!(list))
        .routes(routes!(one, delete))
        .routes(routes!(play))
        .routes(routes!(heard))
        .routes(routes!(new))
}

/// A voicemail box, counted.
#[derive(Debug, Serialize, ToSchema)]
struct Mailbox {
    /// Its name.
    name: String,
    /// Whose it is.
    extensions: Vec<String>,
    /// Messages that nobody has listened to.
    new: u32,
    /// Messages that somebody has.
    heard: u32,
    /// Messages in which nobody speaks.
    empty: u32,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
struct Message {
    /// Names it within its box.
    id: String,
    /// The box.
    mailbox: String,
    /// The call in which it was left.
    call: String,
    /// Who left it.
    from: Somebody,
    /// The DID they called.
    did: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    began: String,
    /// How long it is, in milliseconds.
    length_ms: u64,
    /// Nobody speaks in it.
    empty: bool,
    /// `new` or `heard`; `null` while it is being left.
    state: Option<String>,
}

/// What names a message within its box: its file without folder and ending.
fn name(row: &RecordingRow) -> String {
    let file = row.file.rsplit('/').next().unwrap_or_default();
    file.strip_suffix(".wav").unwrap_or(file).to_owned()
}

impl From<RecordingRow> for Message {
    fn from(row: RecordingRow) -> Message {
        Message {
            id: name(&row),
            mailbox: row.mailbox.as_deref().unwrap_or_default().to_owned(),
            call: row.call.to_string(),
            from: row.from.into(),
            did: row.did,
            began: moment(row.began),
            length_ms: row.length_ms,
            empty: row.empty,
            state: row.state.map(word),
        }
    }
}

/// The boxes that may be seen by whoever asks, and whose they are.
fn seen(config: &Config, asker: &Asker) -> BTreeMap<Arc<str>, Vec<String>> {
    let of = |mailbox: &crate::config::Voicemail| -> Vec<String> {
        mailbox.extensions.iter().map(|ix| config.extension(*ix).number.to_string()).collect()
    };
    let all = config.voicemails().map(|(_, mailbox)| (mailbox.name.clone(), of(mailbox)));
    all.filter(|(_, whose)| asker.user().is_none_or(|user| whose.iter().any(|one| one == user))).collect()
}

/// Refuses what is not theirs as if it were not there.
fn own(office: &Office, asker: &Asker, mailbox: &str) -> Result<(), Problem> {
    let seen = seen(&*office.config()?, asker);
    let known = seen.contains_key(mailbox);
    known.then_some(()).ok_or_else(|| Problem::not_found(format!("there is no voicemail box {mailbox:?}")))
}

/// List the voicemail boxes with the number of their messages.
#[utoipa::path(
    get,
    path = "/voicemail",
    tag = "voicemail",
    responses((status = 200, description = "The boxes", body = Vec<Mailbox>), NotShown)
)]
async fn boxes(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Mailbox>>, Problem> {
    asker.may("voicemail:read")?;
    let seen = seen(&*office.config()?, &asker);
    let filter = RecordingFilter { messages: Some(true), ..RecordingFilter::default() };
    let rows = office.clerk.read(move |reader| reader.recordings(&filter)).await?;
    let count = |(name, extensions): (Arc<str>, Vec<String>)| {
        let mut counted = Mailbox { name: name.to_string(), extensions, new: 0, heard: 0, empty: 0 };
        for row in rows.iter().filter(|row| row.mailbox.as_ref() == Some(&name)) {
            match row.state {
                _ if row.empty => counted.empty += 1,
                Some(MessageState::New) => counted.new += 1,
                Some(MessageState::Heard) => counted.heard += 1,
                Some(MessageState::Deleted) | None => {}
            }
        }
        counted
    };
    Ok(Json(seen.into_iter().map(count).collect()))
}

/// Which messages of a box to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Only those that nobody has listened to, or (`false`) only others.
    new: Option<bool>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    cursor: Option<String>,
}

/// List the messages of a box, the newest first.
#[utoipa::path(
    get,
    path = "/voicemail/{mailbox}",
    tag = "voicemail",
    params(("mailbox" = String, Path, description = "The box's name", example = "sales"), Wanted),
    responses((status = 200, description = "A part of the list", body = Page<Message>), NotShown)
)]
async fn list(
    State(office): State<Office>,
    asker: Asker,
    Path(mailbox): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Message>>, Problem> {
    asker.may("voicemail:read")?;
    own(&office, &asker, &mailbox)?;
    let part = Part::new(wanted.limit, wanted.cursor);
    let (limit, after) = (part.limit()?, part.after::<(i64, String)>()?);
    let filter = RecordingFilter { mailbox: Some(mailbox.into()), ..RecordingFilter::default() };
    let rows = office.clerk.read(move |reader| reader.recordings(&filter)).await?;
    let place = |row: &RecordingRow| (row.began.as_microsecond(), row.file.to_string());
    let holds = |row: &RecordingRow| {
        wanted.new.is_none_or(|new| new == (row.state == Some(MessageState::New) && !row.empty))
            && after.as_ref().is_none_or(|after| place(row) < *after)
    };
    let rows = rows.into_iter().filter(holds).take(limit + 1).collect();
    Ok(Json(Page::of(rows, limit, place, Message::from)))
}

async fn found(office: &Office, asker: &Asker, mailbox: &str, id: &str) -> Result<RecordingRow, Problem> {
    own(office, asker, mailbox)?;
    let filter = RecordingFilter { mailbox: Some(mailbox.into()), ..RecordingFilter::default() };
    let rows = office.clerk.read(move |reader| reader.recordings(&filter)).await?;
    let found = rows.into_iter().find(|row| name(row) == id);
    found.ok_or_else(|| Problem::not_found(format!("there is no message {id:?} in the box {mailbox:?}")))
}

/// Show one message.
#[utoipa::path(
    get,
    path = "/voicemail/{mailbox}/{id}",
    tag = "voicemail",
    params(
        ("mailbox" = String, Path, description = "The box's name", example = "sales"),
        ("id" = String, Path, description = "The message", example = "2026-11-23-100000-0d5t3gh7k2m9p")
    ),
    responses((status = 200, description = "The message", body = Message), NotShown)
)]
async fn one(
    State(office): State<Office>,
    asker: Asker,
    Path((mailbox, id)): Path<(String, String)>,
) -> Result<Json<Message>, Problem> {
    asker.may("voicemail:read")?;
    Ok(Json(found(&office, &asker, &mailbox, &id).await?.into()))
}

/// Play a message. Parts of it are given to who asks for a `Range`. Playing does not mark it.
#[utoipa::path(
    get,
    path = "/voicemail/{mailbox}/{id}/media",
    tag = "voicemail",
    params(
        ("mailbox" = String, Path, description = "The box's name", example = "sales"),
        ("id" = String, Path, description = "The message", example = "2026-11-23-100000-0d5t3gh7k2m9p"),
        ("Range" = Option<String>, Header, description = "Which bytes", example = "bytes=0-1023"),
        ("If-Range" = Option<String>, Header, description = "Only of this version (ETag); otherwise the whole")
    ),
    responses(
        (status = 200, description = "The whole", body = Vec<u8>, content_type = "audio/wav"),
        (status = 206, description = "The part", body = Vec<u8>, content_type = "audio/wav"),
        (status = 304, description = "It is the one you have (If-None-Match)"),
        (status = 409, description = "It is being left", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "There are no such bytes", body = Problem, content_type = "application/problem+json"),
        NotShown
    )
)]
async fn play(
    State(office): State<Office>,
    asker: Asker,
    Path((mailbox, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asker.may("voicemail:read")?;
    let row = found(&office, &asker, &mailbox, &id).await?;
    file(&office, &row, &headers).await
}

/// Say that somebody has listened to it: no lamp is lit for it any more.
#[utoipa::path(
    post,
    path = "/voicemail/{mailbox}/{id}/order:heard",
    tag = "voicemail",
    params(
        ("mailbox" = String, Path, description = "The box's name", example = "sales"),
        ("id" = String, Path, description = "The message", example = "2026-11-23-100000-0d5t3gh7k2m9p"),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    responses((status = 200, description = "The message", body = Message), NotChanged)
)]
async fn heard(
    State(office): State<Office>,
    asker: Asker,
    Path((mailbox, id)): Path<(String, String)>,
) -> Result<Json<Message>, Problem> {
    marked(&office, &asker, &mailbox, &id, MessageState::Heard).await
}

/// Say that it counts as new again.
#[utoipa::path(
    post,
    path = "/voicemail/{mailbox}/{id}/order:new",
    tag = "voicemail",
    params(
        ("mailbox" = String, Path, description = "The box's name", example = "sales"),
        ("id" = String, Path, description = "The message", example = "2026-11-23-100000-0d5t3gh7k2m9p"),
        ("Idempotency-Key" = Option<String>, Header, description = "Another for each order; sent again with the same one, it is not done again")
    ),
    responses((status = 200, description = "The message", body = Message), NotChanged)
)]
async fn new(
    State(office): State<Office>,
    asker: Asker,
    Path((mailbox, id)): Path<(String, String)>,
) -> Result<Json<Message>, Problem> {
    marked(&office, &asker, &mailbox, &id, MessageState::New).await
}

async fn marked(
    office: &Office,
    asker: &Asker,
    mailbox: &str,
    id: &str,
    now: MessageState,
) -> Result<Json<Message>, Problem> {
    asker.may("voicemail:write")?;
    let row = found(office, asker, mailbox, id).await?;
    office.have_done(Question::Message { file: row.file, now }).await?;
    Ok(Json(found(office, asker, mailbox, id).await?.into()))
}

/// Throw a message away, with its file. It cannot be brought back.
#[utoipa::path(
    delete,
    path = "/voicemail/{mailbox}/{id}",
    tag = "voicemail",
    params(
        ("mailbox" = String, Path, description = "The box's name", example = "sales"),
        ("id" = String, Path, description = "The message", example = "2026-11-23-100000-0d5t3gh7k2m9p")
    ),
    responses((status = 204, description = "It is gone"), NotChanged)
)]
async fn delete(
    State(office): State<Office>,
    asker: Asker,
    Path((mailbox, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    asker.may("voicemail:write")?;
    let row = found(&office, &asker, &mailbox, &id).await?;
    office.have_done(Question::Message { file: row.file, now: MessageState::Deleted }).await?;
    Ok(StatusCode::NO_CONTENT)
}
