//! The configs that were in force: listed, shown without their secrets, put back.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::configured::{Applied, How, applied, change, not_replaced, seen, shown, tag};
use super::extract::{Path, Query};
use super::office::Office;
use super::problem::{NotChanged, NotShown, Problem};
use super::token::Asker;
use super::words::moment;
use crate::config_file::{self, Change, Versions};

pub(super) fn routes() -> OpenApiRouter<Office> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(roll_back))
}

/// A config that is kept.
#[derive(Debug, Serialize, ToSchema)]
struct Version {
    /// Counts from 1.
    number: u32,
    /// Since when it was in force; where it never was, when it was replaced.
    at: String,
    /// Whose doing it was: `start`, `reload`, `token crm`, `rollback to 12`, `by hand`.
    by: String,
    /// False: it stood in the file, and was replaced before anybody put it into force.
    was_in_force: bool,
    /// It is the one in force.
    is_in_force: bool,
    /// Its version, as the `ETag` of `GET /config` has it.
    version: String,
}

/// List the configs that are kept, the newest first: the last 200, and always the one in force.
#[utoipa::path(
    get,
    path = "/config/versions",
    tag = "config",
    responses((status = 200, description = "The versions", body = Vec<Version>), NotShown)
)]
async fn list(State(office): State<Office>, asker: Asker) -> Result<Json<Vec<Version>>, Problem> {
    asker.may_for_all("config:read")?;
    let config = office.config()?;
    let versions = Versions::of(&config.storage.directory);
    let list = tokio::task::spawn_blocking(move || versions.list()).await.map_err(|_| Problem::broken())?;
    let list = list.map_err(|error| Problem::unavailable(format!("the versions cannot be read: {error}")))?;
    let in_force = list.iter().rposition(|version| version.in_force && version.version == config.version);
    let shown = list.into_iter().enumerate().map(|(place, version)| Version {
        number: version.number,
        at: moment(version.at),
        by: version.by,
        was_in_force: version.in_force,
        is_in_force: in_force == Some(place),
        version: version.version.to_string(),
    });
    Ok(Json(shown.rev().collect()))
}

/// Show one config that is kept, without its secrets. Its `ETag` is its version.
#[utoipa::path(
    get,
    path = "/config/versions/{number}",
    tag = "config",
    params(("number" = u32, Path, description = "Its number", example = 1), How),
    responses(
        (status = 200, description = "The text", body = String, content_type = "application/toml",
            headers(("ETag" = String, description = "Its version"))),
        NotShown
    )
)]
async fn one(
    State(office): State<Office>,
    asker: Asker,
    Path(number): Path<u32>,
    Query(how): Query<How>,
) -> Result<Response, Problem> {
    asker.may_for_all(if how.comments { "config:write" } else { "config:read" })?;
    let versions = Versions::of(&office.config()?.storage.directory);
    let read = tokio::task::spawn_blocking(move || versions.read(number)).await;
    let (version, text) = read.map_err(|_| Problem::broken())?.map_err(Problem::not_found)?;
    shown(&text, &version.version, &how)
}

/// Put an older config in the place of the one whose version `If-Match` names, and put it into effect. It is checked first.
#[utoipa::path(
    post,
    path = "/config/versions/{number}/order:rollback",
    tag = "config",
    params(
        ("number" = u32, Path, description = "Its number", example = 1),
        ("If-Match" = Option<String>, Header, description = "The version that was seen: the ETag of GET /config; without it, 428", example = "\"0123456789ab\"")
    ),
    responses(
        (status = 200, description = "It is in force", body = Applied, headers(("ETag" = String, description = "Its version"))),
        (status = 428, description = "Say which version you have seen (If-Match)", body = Problem, content_type = "application/problem+json"),
        NotChanged
    )
)]
async fn roll_back(
    State(office): State<Office>,
    asker: Asker,
    Path(number): Path<u32>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asker.may_for_all("config:write")?;
    let (_, version) = seen(&office, &headers).await?;
    let change = change(&office, &asker)?;
    let (file, change) = (office.file.clone(), Change { by: format!("{}: ", change.by), ..change });
    let replaced = tokio::task::spawn_blocking(move || config_file::roll_back(&file, number, Some(&version), &change));
    replaced.await.map_err(|_| Problem::broken())?.map_err(not_replaced)?;
    let applied = applied(&office).await?;
    let etag = tag(&applied.version)?;
    let mut response = Json(applied).into_response();
    response.headers_mut().insert(header::ETAG, etag);
    Ok(response)
}
